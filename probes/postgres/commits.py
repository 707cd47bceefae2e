"""Commits that wait for a synchronous standby: done here, and not said to be before it has them.

Source: PostgreSQL documentation, "Synchronous Replication" and `synchronous_standby_names`. A
cancel, or the end of such a session, takes back nothing: its client gets success with a warning
(or loses its connection), and the row is on this server alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import count, duration
from probes.began import MEASURED, ago
from probes.early import until_told
from probes.postgres.replication_model import (
    PostgresReplication,
    Sender,
    SyncReplication,
    WaitingCommit,
)

ADVICE = (
    "bring the standby back: they go on by themselves; or take it out of synchronous_standby_names "
    "and reload: what is committed from then on is on this server alone. Never cancel or end them: "
    "the client is told success, or loses its connection, and no standby has the row"
)


def still_waiting(
    before: SyncReplication | None, now: SyncReplication | None, seconds: float
) -> SyncReplication | None:
    """The same, with how long each commit was seen to wait. `seconds` since the look before."""
    if before is None or now is None:
        return now
    seen: dict[tuple[int, datetime | None], float] = {
        (each.pid, each.began): each.seen_s + max(0.0, seconds) for each in before.waiting
    }
    return replace(
        now,
        waiting=tuple(
            replace(each, seen_s=seen.get((each.pid, each.began), 0.0)) for each in now.waiting
        ),
    )


def long_commit(sync: SyncReplication | None, limit: float | None) -> float | None:
    """Seconds until a commit that waits, and no passing one, has been seen to for long enough."""
    waiting = sync.waiting if sync else ()
    return until_told((each.seen_s for each in waiting if (each.query_s or 0) >= 1), limit)


def commit_findings(look: PostgresReplication, waited: Thresholds) -> Iterator[Finding]:
    """A commit that waits for its synchronous standby is critical from the first look when too few
    of the standbys that `synchronous_standby_names` wants follow: nothing ends that wait. While
    they do follow, a commit waits for a moment each time: only one that is seen again counts.
    """
    sync = look.sync
    if sync is None or not sync.number:
        return
    stuck = [each for each in sync.waiting if waited.grade(each.seen_s)]
    if look.commits_hang and not sync.waiting and not sync.waits:
        return  # each commit that wants to wait says so itself
    if look.commits_hang and not sync.waiting:
        yield _finding(look, sync, Severity.HIGH, "the next commit would wait for a synchronous "
            f"standby: {_too_few(look, sync)}")  # fmt: skip
    elif look.commits_hang:
        yield _finding(look, sync, Severity.CRITICAL, f"{_commits(sync.waiting)} for a synchronous "
            f"standby: {_too_few(look, sync)}")  # fmt: skip
    elif stuck:
        yield _finding(look, sync, Severity.CRITICAL, f"{_commits(stuck)} for a synchronous "
            "standby that follows and does not confirm them")  # fmt: skip


def _commits(waiting: tuple[WaitingCommit, ...] | list[WaitingCommit]) -> str:
    longest = max((each.query_s or 0.0 for each in waiting), default=0.0)
    verb = "waits" if len(waiting) == 1 else "wait"
    return f"{count(len(waiting), 'commit')} {verb}, the longest for {duration(longest)},"


def _too_few(look: PostgresReplication, sync: SyncReplication) -> str:
    return f"{look.confirming} of the {sync.number} that it needs follow"


def _finding(
    look: PostgresReplication, sync: SyncReplication, severity: Severity, summary: str
) -> Finding:
    here = ", ".join(_connected(sender) for sender in look.senders) or "none"
    names = ", ".join(visible(each.name or "?", 30) for each in sync.waiting[:5])
    return Finding(
        "PG_REPL_SYNC_WAIT",
        severity,
        summary,
        subject="synchronous commits",
        evidence=(
            Evidence("synchronous_standby_names wants", visible(sync.wanted, 120)),
            Evidence("standbys that are connected", here),
            Evidence("commits that wait", len(sync.waiting), limit=0),
            *((Evidence("whose", names),) if names else ()),
        ),
        likely=("that standby stopped, or its name is another", "the network between them")
        if look.commits_hang
        else ("its disk is slow", "its replay is paused or held up, with remote_apply"),
        next=ADVICE,
        began=ago(look.at, max((each.query_s or 0.0 for each in sync.waiting), default=None)),
        resolution=MEASURED,
    )


def _connected(sender: Sender) -> str:
    said = " ".join(part for part in (sender.state, sender.sync_state) if part) or "hidden"
    return f"{visible(sender.name or f'pid {sender.pid}', 30)} ({said})"
