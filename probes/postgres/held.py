"""Sessions that did not move: the same statement in the same wait, sample after sample.

A handful of them is a full outage of a quiet service, where shares of many active sessions say
nothing. What a long statement shows as a matter of course is no standstill, and what another probe
tells is left to it; a wait that nobody here has heard of is told by its name.

Source: PostgreSQL documentation, "Wait Event Types".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from probes.postgres.pulse import Wait

_MOST = 200
_LONG_WORK = (
    ("CPU", ""),
    ("IO", "DataFile"),
    ("IO", "BufFile"),
    ("IO", "Aio"),
    ("IO", "Copy"),
    ("IPC", "ExecuteGather"),
    ("IPC", "Parallel"),
    ("IPC", "Hash"),
    ("IPC", "Append"),
    ("IPC", "BtreePage"),
    ("IPC", "Mq"),
    ("IPC", "MessageQueue"),
    ("IPC", "BgWorker"),
    ("Client", ""),
    ("Timeout", ""),
    ("Activity", ""),
)
"""A report, an index that is built in parallel, a copy, a sleep: it takes long and goes on."""
_TOLD_ELSEWHERE = (("Lock", ""), ("IPC", "SyncRep"), ("IPC", "SafeSnapshot"))
"""By postgres.locks, postgres.replication and postgres.sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledWait:
    """A row of a sample: so many active sessions in one wait, and the statements that they run."""

    type: str
    event: str
    n: int
    statements: tuple[str, ...] = ()
    """Of client sessions: pid and start of each, which tell a statement from the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldWait:
    """A statement that was in one wait at every sample; `seen_s` since the first: 0 at once."""

    statement: str
    type: str
    event: str
    seen_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Standstill:
    """So many statements of one type of wait that have not moved, and all that are at work."""

    type: str
    event: str
    number: int
    working: int
    seconds: float


def held_of(samples: Sequence[Iterable[SampledWait]]) -> tuple[HeldWait, ...]:
    """The statements that every sample saw in the same wait. Empty with less than two samples."""
    if len(samples) < 2:
        return ()
    seen = [
        {(statement, row.type, row.event) for row in sample for statement in row.statements}
        for sample in samples
    ]
    still = sorted(set.intersection(*seen))[:_MOST]
    return tuple(HeldWait(statement=key, type=kind, event=event) for key, kind, event in still)


def held_on(
    before: Iterable[HeldWait], now: Iterable[HeldWait], seconds: float
) -> tuple[HeldWait, ...]:
    """The same with how long each has been seen. `seconds` since the look before."""
    known = {(each.statement, each.type, each.event): each.seen_s for each in before}
    return tuple(
        HeldWait(
            statement=each.statement,
            type=each.type,
            event=each.event,
            seen_s=known[key] + seconds if key in known else 0.0,
        )
        for each in now
        for key in [(each.statement, each.type, each.event)]
    )


def standstill(
    held: Iterable[HeldWait], newest: Iterable[Wait], *, least_s: float
) -> Standstill | None:
    """The type of wait in which most statements have stood still for so long; None: there is none.

    `newest`: the newest sample, whose sessions all count as working unless they sleep.
    """
    stuck = [each for each in held if each.seen_s >= least_s and _stands(each.type, each.event)]
    if not stuck:
        return None
    kind, number = Counter(each.type for each in stuck).most_common(1)[0]
    same = [each for each in stuck if each.type == kind]
    event = Counter(each.event for each in same).most_common(1)[0][0]
    working = sum(wait.n for wait in newest if wait.type not in {"Timeout", "Activity"})
    seconds = max(each.seen_s for each in same)
    return Standstill(kind, event, number, max(working, number), seconds)


def _stands(kind: str, event: str) -> bool:
    return not any(
        kind == each and event.lower().startswith(prefix.lower())
        for each, prefix in (*_LONG_WORK, *_TOLD_ELSEWHERE)
    )
