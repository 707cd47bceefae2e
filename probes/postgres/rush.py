"""What comes in a rush: logins and rollbacks between two pulses, long before a minute tells them.

Source: PostgreSQL documentation, pg_stat_database. From 15 on it is read from shared memory, so
that each pulse may ask for it; before, each reading has the server write a file of all its tables'
statistics, and `postgres.counters` alone tells. Sessions report at most once a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from cockpit.text import visible
from cockpit.triage.finding import Finding, Thresholds
from cockpit.triage.probe import Fact
from probes.postgres.counters_model import CountersWindow, Gain
from probes.postgres.counters_rollbacks import rollbacks
from probes.postgres.counters_sessions import churn
from probes.postgres.pulse import DatabaseTally, Pulse
from probes.served import served

_SIGN = 0.2
"""Share of a limit that is a sign: less than that of the time between two looks may be in it."""
_SOON = 1.2
"""Seconds to the next look then: above the second in which sessions report."""
_LONGEST = 60.0
_REPORTED = 1.0


class RushLimits(Protocol):
    """What the settings of a probe say of it, per second and per commit."""

    @property
    def logins(self) -> Thresholds:
        """Sessions that begin and end."""

    @property
    def rollbacks(self) -> Thresholds:
        """Of one database."""

    @property
    def rollback_share(self) -> float:
        """Rollbacks per commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rush:
    """What one database gained between two pulses."""

    datname: str
    seconds: float
    sessions: int
    """That began, and of which no more are there now: each of them ended, or another did."""
    commits: int
    rollbacks: int


def rushes(
    before: Sequence[DatabaseTally], now: Sequence[DatabaseTally], seconds: float
) -> tuple[Rush, ...]:
    """Nothing after a gap, or where the statistics began anew."""
    if not 0 < seconds <= _LONGEST:
        return ()
    known = {each.datname: each for each in before}
    found = []
    for new in now:
        old = known.get(new.datname)
        if old is None or old.stats_reset != new.stats_reset:
            continue
        begun = (new.sessions or 0) - (old.sessions or 0)
        grown = max(0, new.connected - old.connected)
        gained = new.commits - old.commits, new.rollbacks - old.rollbacks
        if begun >= 0 and min(gained) >= 0:
            found.append(
                Rush(
                    datname=new.datname,
                    seconds=seconds,
                    sessions=max(0, begun - grown),
                    commits=gained[0],
                    rollbacks=gained[1],
                )
            )
    return tuple(found)


def rush_findings(gained: Sequence[Rush], limits: RushLimits) -> Iterator[Finding]:
    """Say it in the words of the counters, which go on to tell it over the minute."""
    if gained:
        yield from churn(_window(_all(gained)), limits.logins, None)
    for each in gained:
        name, share = visible(each.datname, 60), limits.rollback_share
        yield from rollbacks(_window(each), limits.rollbacks, share=share, name=name)


def answers(gained: Sequence[Rush], pulse: Pulse) -> Fact:
    """Transactions that commit and that do not, and who waits for a lock or for a standby.

    Two looks within the second in which sessions report say nothing of how many there were.
    """
    synced = sum(wait.n for wait in pulse.waits if wait.event == "SyncRep")
    total = _all(gained) if gained and gained[0].seconds >= _REPORTED else None
    return served(
        total.commits / total.seconds if total else None,
        failed=total.rollbacks / total.seconds if total else None,
        waiting=pulse.lock_waiters + synced,
    )


def look_again(gained: Sequence[Rush], limits: RushLimits) -> float | None:
    """Seconds to the next look, where a rush may have begun since the last one; None: it has not.

    A limit is reached when the whole time between two looks is in it, not the end of it alone.
    """
    total = _all(gained) if gained else None
    begins = total is not None and _is_sign(total.sessions / total.seconds, limits.logins)
    fails = any(
        _is_sign(each.rollbacks / each.seconds, limits.rollbacks)
        and each.rollbacks > limits.rollback_share * each.commits
        for each in gained
    )
    return _SOON if begins or fails else None


def _is_sign(rate: float, limits: Thresholds) -> bool:
    return limits.first is not None and rate >= _SIGN * limits.first


def _all(gained: Sequence[Rush]) -> Rush:
    return Rush(
        datname="",
        seconds=gained[0].seconds,
        sessions=sum(each.sessions for each in gained),
        commits=sum(each.commits for each in gained),
        rollbacks=sum(each.rollbacks for each in gained),
    )


def _window(each: Rush) -> CountersWindow:
    gain = Gain(
        name=each.datname,
        sessions=each.sessions,
        commits=each.commits,
        rollbacks=each.rollbacks,
    )
    return CountersWindow(each.seconds, gain)
