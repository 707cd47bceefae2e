"""Commits that wait for a replica to acknowledge them: semi-synchronous replication.

Source: MySQL Reference Manual and MariaDB Knowledge Base, "Semisynchronous Replication". Seen on
MariaDB with AFTER_SYNC: of many that wait one alone says so and counts in `wait_sessions`, the
others say `Commit`; KILL QUERY tells its client success at once, `max_statement_time` has no
effect, and the status stays ON until the timeout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cockpit.connect.session import SqlReads
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import codes
from cockpit.units import count, duration
from probes.began import MEASURED, ago
from probes.mysql.model import Thread, whose

_SIDES = ("master", "source")
"""MariaDB and MySQL before 8.0.26; MySQL since."""
_WORDS = ("status", "clients", "wait_sessions", "no_times")
NAMES = tuple(f"Rpl_semi_sync_{side}_{word}" for side in _SIDES for word in _WORDS)
SETTINGS = "SHOW GLOBAL VARIABLES WHERE Variable_name LIKE 'rpl_semi_sync_%'"
SEMI_SYNC_CODES = codes(cause=("MY_REPL_SEMISYNC_WAIT",), risk=("MY_REPL_SEMISYNC_OFF",))
_ADVICE = (
    "bring a replica back that acknowledges: its IO thread runs, and its own semi-sync is on; the "
    "commits then go on by themselves. Or who answers for the data switches it off "
    "(rpl_semi_sync_{side}_enabled = 0): from then on commits are on this server alone. Never kill "
    "them: the client is told success, or loses its connection, and no replica has the row"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SemiSync:
    """What the primary's side says of itself."""

    on: bool
    """False: commits are told done without a replica; after a timeout it goes off by itself."""
    side: str = "master"
    """`master` or `source`: what its variables are called here."""
    replicas: int | None = None
    """That are connected and acknowledge."""
    waiting: int | None = None
    """Sessions that wait for one of them, by the server's count."""
    given_up: int | None = None
    """How often it went off since the start, most often after a timeout."""
    enabled: bool | None = None
    """It is meant to be on. None: not asked, since all is well."""
    timeout_s: float | None = None
    """Seconds after which it goes off and commits are told done without a replica."""


def semi_sync_of(values: Mapping[str, str]) -> SemiSync | None:
    """From status variables; None where it never was on, as MariaDB comes."""
    for side in _SIDES:
        texts = [values.get(f"Rpl_semi_sync_{side}_{word}", "") for word in _WORDS]
        status, *numbers = texts
        replicas, waiting, given_up = (int(each) if each.isdigit() else None for each in numbers)
        if status and (status.upper() == "ON" or given_up):
            return SemiSync(
                on=status.upper() == "ON",
                side=side,
                replicas=replicas,
                waiting=waiting,
                given_up=given_up,
            )
    return None


async def with_settings(mysql: SqlReads, semi: SemiSync | None) -> SemiSync | None:
    """With what it is set to, asked only while somebody waits or after it gave up."""
    if semi is None or (semi.on and not semi.waiting):
        return semi
    rows: list[dict[str, object]] = await mysql.rows(SETTINGS, into=dict)
    values = {}
    for row in rows:
        lowered = {name.lower(): str(value) for name, value in row.items()}
        values[lowered.get("variable_name", "").lower()] = lowered.get("value", "")
    enabled = values.get(f"rpl_semi_sync_{semi.side}_enabled", "")
    timeout = values.get(f"rpl_semi_sync_{semi.side}_timeout", "")
    return replace(
        semi,
        enabled=enabled.upper() in {"ON", "1"} if enabled else None,
        timeout_s=int(timeout) / 1000 if timeout.isdigit() else None,
    )


def committing(semi: SemiSync | None, threads: Sequence[Thread]) -> list[Thread]:
    """Who waits to be told that its commit is done, the longest first; nobody without semi-sync."""
    if semi is None or not semi.on:
        return []
    found = [thread for thread in threads if thread.commits and not thread.protected]
    return sorted(found, key=lambda thread: -(thread.secs or 0))


def semi_sync_findings(
    semi: SemiSync | None, threads: Sequence[Thread], waited: Thresholds, *, at: datetime
) -> Iterator[Finding]:
    """Commits hang until a replica says that it has them, and none does.

    With semi-synchronous replication a commit is told done once a replica acknowledged it. Without
    any that does, every write of every application waits, up to `rpl_semi_sync_…_timeout` (10 s by
    default, often set to hours so that no row can be lost), and rows that they changed stay locked
    meanwhile. Critical from the first waiter when no replica is connected; with replicas, when one
    waits for longer than a commit ever takes.
    """
    if semi is not None and not semi.on and semi.enabled:
        yield _gave_up(semi)
    waiting = committing(semi, threads)
    many = max(len(waiting), (semi.waiting or 0) if semi and semi.on else 0)
    if semi is None or not many:
        return
    longest = float(waiting[0].secs or 0) if waiting else 0.0
    alone = semi.replicas == 0
    severity = Severity.CRITICAL if alone else waited.grade(longest)
    if severity is None:
        return
    verb = "waits" if many == 1 else "wait"
    whom = (
        "no replica that acknowledges is connected"
        if alone
        else f"{count(semi.replicas or 0, 'replica')} connected, and none acknowledges"
    )
    yield Finding(
        "MY_REPL_SEMISYNC_WAIT",
        severity,
        f"{count(many, 'commit')} {verb} for a replica, the longest for {duration(longest)}: "
        f"{whom}",
        subject="semi-synchronous commits",
        evidence=(
            Evidence("commits that wait", many, "", 0),
            Evidence("longest", longest, "s", None if alone else waited.first),
            Evidence("replicas that acknowledge", semi.replicas),
            Evidence("times that it gave up waiting", semi.given_up),
            Evidence("it gives up after", semi.timeout_s, "s"),
            Evidence("whose", whose(waiting)),
        ),
        likely=("the replica stopped, or its semi-sync is off", "the network between them")
        if alone
        else ("the replica hangs, or its disk is slow", "the network between them"),
        next=_ADVICE.format(side=semi.side),
        fact=alone,
        began=ago(at, longest or None),
        resolution=MEASURED,
    )


def _gave_up(semi: SemiSync) -> Finding:
    """Semi-synchronous replication is set and off: it waited for a replica until its timeout.

    Writes go on, and what is committed meanwhile is on this server alone: a failover loses it,
    which is what it was set to prevent. It goes on again by itself when a replica has caught up.
    """
    return Finding(
        "MY_REPL_SEMISYNC_OFF",
        Severity.WARNING,
        "commits are told done without a replica: semi-synchronous replication gave up waiting",
        subject="semi-synchronous commits",
        evidence=(
            Evidence("replicas that acknowledge", semi.replicas),
            Evidence("times that it gave up waiting", semi.given_up),
            Evidence("it gives up after", semi.timeout_s, "s"),
        ),
        likely=("the replica stopped, or hangs, or its semi-sync is off",),
        next="no failover to a replica that has not caught up; is its IO thread running?",
    )
