"""What the sessions of a MySQL server wait for, by the server's own word for it.

Row, metadata and global locks are told by `mysql.locks`, commits that wait for a replica by
`semi_sync`. Every other wait is told here, one of a kind that nobody knew beforehand as itself: a
state that is dropped is an outage that nobody sees. Source: MySQL Reference Manual, "General Thread
States"; MariaDB Knowledge Base, "General Thread States" and "IS_USED_LOCK".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import codes
from cockpit.triage.probe import Fact
from cockpit.units import count, duration
from probes.began import MEASURED, ago, dated
from probes.early import until_told
from probes.mysql.locks_model import GLOBAL
from probes.mysql.metadata import MDL
from probes.mysql.model import USER_LOCK, Thread, whose
from probes.mysql.semi_sync import SemiSync, committing
from probes.mysql.status import StatusRates
from probes.served import served

STATE_CODES = codes(cause=("MY_LOCK_TABLE", "MY_LOCK_USER"), either=("MY_WAIT_OTHER",))

TABLE_LOCK = "Waiting for table level lock"
HOLDERS = """
SELECT id AS waiter,
       IS_USED_LOCK(LEFT(SUBSTRING_INDEX(SUBSTRING_INDEX(
         SUBSTRING(info, LOCATE('get_lock(', LOWER(info))), '''', 2), '''', -1), 64)) AS holder
  FROM information_schema.processlist
 WHERE state = 'User lock' AND LOWER(info) LIKE '%get_lock(''_%' LIMIT 50
"""
"""The name is cut out by the server: it is a literal of a statement, and never leaves it."""
_NAMED = 3
_FEW = 5
"""Waiters for named locks from which on they are a crowd: one that waits may be how a leader is
chosen, and waits for ever."""
_OTHER = 3
"""Kinds of waiting that are told each by itself, the most sessions first; the others are one."""
_KNOWN = {
    "waiting for someone to free space": (
        "the disk is full: of the tables, the log of changes, or temporary files",
        "free space on the server's volumes; the sessions go on by themselves",
    ),
    "commit": (
        "the disk of the logs is slow, full, or throttled",
        "the volume's latency and free space; never kill a commit: nothing is taken back",
    ),
    "waiting for handler commit": (
        "the disk of the logs is slow, full, or throttled",
        "the volume's latency and free space; never kill a commit: nothing is taken back",
    ),
}
"""State in lower case → likely cause, next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLock:
    """Who waits in GET_LOCK for whom. `holder` None: not told."""

    waiter: int
    holder: int | None = None


@dataclass(frozen=True, slots=True)
class _Waiters:
    """Sessions in one state, the longest first."""

    state: str
    threads: list[Thread]
    kinds: tuple[str, ...] = ()
    """The states that it sums up."""

    @property
    def longest(self) -> float:
        return float(self.threads[0].secs or 0)


async def read_named_locks(mysql: SqlReads, threads: Iterable[Thread]) -> tuple[NamedLock, ...]:
    """Who has the locks of GET_LOCK that somebody waits for; asked only when somebody does."""
    if not any(thread.state == USER_LOCK for thread in threads):
        return ()
    try:
        return tuple(await mysql.rows(HOLDERS, into=NamedLock))
    except BlindError as error:
        if error.reason not in {Reason.UNSUPPORTED, Reason.DENIED, Reason.UNREADABLE}:
            raise
        return ()  # a name that the server takes for no lock's: who has it is not told


def waiters(threads: Iterable[Thread], semi: SemiSync | None) -> list[_Waiters]:
    """Who waits, by state, besides those that other rules tell; the most sessions first."""
    threads = tuple(threads)
    told = {thread.id for thread in committing(semi, threads)}
    kinds: dict[str, list[Thread]] = {}
    for thread in threads:
        here = thread.waits and thread.wait_s is None and not thread.protected
        if here and thread.id not in told and thread.state not in (MDL, *GLOBAL):
            kinds.setdefault(thread.state or "", []).append(thread)
    found = [
        _Waiters(state, sorted(kind, key=lambda each: -(each.secs or 0)))
        for state, kind in kinds.items()
    ]
    return sorted(found, key=lambda each: (-len(each.threads), each.state))


def looked_at_again(
    threads: Iterable[Thread], semi: SemiSync | None, limit: float | None
) -> float | None:
    """Seconds until who waits for a table or a name is told, and then until it is seen once more:
    both are taken when a statement begins, so that its seconds are those of the wait.
    """
    kinds = (each for each in waiters(threads, semi) if each.state in {TABLE_LOCK, USER_LOCK})
    return until_told((each.longest for each in kinds), limit, whole=True, twice=True)


def wait_findings(
    threads: Sequence[Thread],
    semi: SemiSync | None,
    named: Sequence[NamedLock],
    *,
    waited: Thresholds,
    crowd: Thresholds,
    other: Thresholds,
    at: datetime,
) -> Iterator[Finding]:
    """Tell each kind of waiting once, with how many wait and for how long.

    MY_WAIT_OTHER: Sessions are in a state of waiting that no other rule is about. It is told in the
    server's own words; what it means stands in the manual under "Thread States". Among them: a disk
    that is full, a commit that the log's disk holds up, locks of functions and schemas.
    """
    kinds = waiters(threads, semi)
    for kind in kinds:
        began = ago(at, kind.longest or None)
        if kind.state == TABLE_LOCK:
            yield from dated(_table(kind, threads, waited, crowd), began, MEASURED)
        elif kind.state == USER_LOCK:
            yield from dated(_user(kind, threads, named, waited), began, MEASURED)
    others = [each for each in kinds if each.state not in {TABLE_LOCK, USER_LOCK}]
    for kind in others[:_OTHER]:
        yield from dated(_other(kind, other), ago(at, kind.longest or None), MEASURED)
    if rest := [thread for kind in others[_OTHER:] for thread in kind.threads]:
        rest.sort(key=lambda thread: -(thread.secs or 0))
        names = tuple(kind.state for kind in others[_OTHER:])
        yield from _other(_Waiters("in other states", rest, names), other)


def _severity(kind: _Waiters, waited: Thresholds, crowd: Thresholds) -> Severity | None:
    severity = waited.grade(kind.longest)
    many = crowd.grade(len(kind.threads))
    return max(severity, many) if severity and many else severity


def _table(
    kind: _Waiters, threads: Iterable[Thread], waited: Thresholds, crowd: Thresholds
) -> Iterator[Finding]:
    """Sessions wait for a whole table of MyISAM or Aria, which know no locks of rows.

    One statement that reads keeps every writer out until it ends, and readers that come later queue
    behind the first of those writers. The server does not tell who has the lock: a statement that
    is older than the wait is a candidate, and so is a session that sleeps after LOCK TABLES … READ.
    """
    severity = _severity(kind, waited, crowd)
    if severity is None:
        return
    older = [
        thread
        for thread in threads
        if thread.running
        and not thread.waits
        and thread.protected != "protected"
        and (thread.secs or 0) >= kind.longest
    ]
    older.sort(key=lambda thread: -(thread.secs or 0))
    yield Finding(
        "MY_LOCK_TABLE",
        severity,
        f"{_many(kind)} for a whole table (MyISAM or Aria), the longest for "
        f"{duration(kind.longest)}",
        subject="table level lock",
        evidence=(
            *_evidence(kind, waited.first),
            *(
                Evidence("candidate", f"thread {each.id}, {each.name}, runs its statement for "
                         f"{duration(each.secs or 0)}")
                for each in older[:_NAMED]
            ),
            *((Evidence("confidence", "inferred from ages"),) if older else ()),
        ),
        likely=("a long statement on such a table: it locks all of it",) if older
        else ("a session that sleeps after LOCK TABLES … READ",),
        next="ask the owner of the candidate; tables of InnoDB lock rows alone: ALTER TABLE … "
        "ENGINE = InnoDB ends it for good",
        fact=False,
    )  # fmt: skip


def _user(
    kind: _Waiters, threads: Iterable[Thread], named: Sequence[NamedLock], waited: Thresholds
) -> Iterator[Finding]:
    """Sessions wait in GET_LOCK for a lock by name that another session has taken.

    The application made it up, and only it knows what it guards. It is freed by RELEASE_LOCK or the
    end of the holder's session, not by its COMMIT: a connection given back to a pool keeps it.
    A few that wait are how programs choose a leader, and told as information; five and more are
    workers that stand still.
    """
    severity = waited.grade(kind.longest)
    if severity is None:
        return
    if len(kind.threads) < _FEW:
        severity = Severity.INFO
    known = {thread.id: thread for thread in threads}
    here = {thread.id for thread in kind.threads}
    held = {each.holder for each in named if each.holder and each.waiter in here} - here
    holders = [known.get(id_, Thread(id=id_)) for id_ in sorted(held)]
    behind = " and ".join(f"thread {each.id}" for each in holders[:2])
    yield Finding(
        "MY_LOCK_USER",
        severity,
        f"{_many(kind)} in GET_LOCK, the longest for {duration(kind.longest)}"
        + (f", behind {behind}" if behind else "; who has the lock is not told"),
        subject="named locks",
        evidence=(*_evidence(kind, waited.first), *(_holder(each) for each in holders[:_NAMED])),
        likely=(
            "a session that took the lock and was given back to a pool with it",
            "the worker that has it is slow, or hangs",
            "programs that choose a leader: then the others wait on purpose",
        ),
        next=f"ask the owner of {behind}: its end frees the lock"
        if behind
        else "SELECT IS_USED_LOCK('its name') gives the thread that has it; the name stands in "
        "the waiting statements",
        fact=False,
    )


def _holder(thread: Thread) -> Evidence:
    what = f"{thread.shown_state or 'unknown'} for {duration(max(0, thread.secs or 0))}"
    return Evidence("has it", f"thread {thread.id}, {thread.name}, {what}")


def _other(kind: _Waiters, other: Thresholds) -> Iterator[Finding]:
    severity = other.grade(kind.longest)
    if severity is None:
        return
    state = visible(kind.state, 80)
    likely, advice = _KNOWN.get(
        kind.state.lower(),
        ("", "the manual's page on thread states; then what the first of them runs"),
    )
    yield Finding(
        "MY_WAIT_OTHER",
        severity,
        f"{count(len(kind.threads), 'session')}: {state}, the longest for {duration(kind.longest)}",
        subject=state,
        evidence=_evidence(kind, other.first),
        likely=(likely,) if likely else (),
        next=advice,
        fact=False,
    )


def _many(kind: _Waiters) -> str:
    return f"{count(len(kind.threads), 'session')} {'waits' if len(kind.threads) == 1 else 'wait'}"


def _evidence(kind: _Waiters, limit: float | None) -> tuple[Evidence, ...]:
    return (
        Evidence("sessions that wait", len(kind.threads)),
        Evidence("longest", kind.longest, "s", limit),
        Evidence("state", visible(", ".join(kind.kinds) or kind.state, 300)),
        Evidence("whose", whose(kind.threads)),
    )


def answers(
    rates: StatusRates | None, threads: Sequence[Thread] | None, *, rows: int | None
) -> Fact:
    """Statements, logins that are refused, and who waits for somebody.

    `rows`: those that wait for a row, which is all that is known where the others are hidden.
    """
    waiting = rows if threads is None else sum(thread.waits for thread in threads)
    return served(
        rates.questions if rates else None, failed=rates.refused if rates else None, waiting=waiting
    )


def state_facts(threads: Iterable[Thread]) -> Iterator[Fact]:
    """What most of the sessions do that run a statement, in the server's words."""
    kinds: dict[str, int] = {}
    for thread in threads:
        if thread.running and not thread.protected:
            kinds[thread.state or "no state"] = kinds.get(thread.state or "no state", 0) + 1
    most = sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))
    if most:
        shown = ", ".join(f"{many} {visible(state, 40)}" for state, many in most[:_OTHER])
        more = f", {count(len(most) - _OTHER, 'more kind')}" if len(most) > _OTHER else ""
        yield Fact("states", f"{shown}{more}")
