"""Who waits for whom at tables' metadata locks: each waiter at its own table.

Source: MySQL Reference Manual, "The metadata_locks Table"; MariaDB Knowledge Base, "Metadata Lock
Info Plugin"; the compatibility of lock types as in the comments of MDL_lock in both servers.

performance_schema tells who has a lock and who waits for which. MariaDB's plugin tells only who has
one: what a waiter wants is known where it holds the first half of a schema change's lock, or where
one table alone is contended. What else a waiter wants is read from its statement, and is no more
than likely.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from probes.mysql.model import Thread

MDL = "Waiting for table metadata lock"
_MOST_TEXT = 2000
"""Characters that are read of a statement: a table may be named beyond them."""
_X = "EXCLUSIVE"
_TABLE = frozenset({_X, "SHARED_NO_READ_WRITE"})
_WRITES = frozenset({*_TABLE, "SHARED_NO_WRITE", "SHARED_READ_ONLY"})
_STOPS = {
    "SHARED": frozenset({_X}),
    "SHARED_HIGH_PRIO": frozenset({_X}),
    "SHARED_READ": _TABLE,
    "SHARED_WRITE": _WRITES,
    "SHARED_WRITE_LOW_PRIO": _WRITES,
    "SHARED_UPGRADABLE": frozenset({*_TABLE, "SHARED_UPGRADABLE", "SHARED_NO_WRITE"}),
    "SHARED_READ_ONLY": frozenset({*_TABLE, "SHARED_WRITE", "SHARED_WRITE_LOW_PRIO"}),
    "SHARED_NO_WRITE": frozenset(
        {*_TABLE, "SHARED_WRITE", "SHARED_WRITE_LOW_PRIO", "SHARED_UPGRADABLE", "SHARED_NO_WRITE"}
    ),
}
"""Lock that is wanted → those of others that keep it out while they are held. What is not listed,
as EXCLUSIVE, is kept out by nearly every other.
"""
_OVERTAKES = {
    "SHARED": frozenset({_X}),
    "SHARED_HIGH_PRIO": frozenset[str](),
    "SHARED_READ": _TABLE,
    "SHARED_WRITE": frozenset({*_TABLE, "SHARED_NO_WRITE"}),
    "SHARED_WRITE_LOW_PRIO": frozenset({*_TABLE, "SHARED_NO_WRITE"}),
    "SHARED_UPGRADABLE": frozenset({_X}),
    "SHARED_READ_ONLY": frozenset({*_TABLE, "SHARED_WRITE"}),
    "SHARED_NO_WRITE": frozenset({_X}),
    "SHARED_NO_READ_WRITE": frozenset({_X}),
}
"""Lock that is wanted → those that go first though they wait as well. EXCLUSIVE waits for none."""
_LETS_READ = frozenset({"SHARED", "SHARED_HIGH_PRIO"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataLock:
    """A metadata lock of a table: one that a session has, or waits for."""

    id: int
    object_schema: str
    object_name: str
    lock_type: str
    lock_status: str = "GRANTED"
    """`GRANTED` or `PENDING`."""

    @property
    def place(self) -> tuple[str, str]:
        """Its table."""
        return self.object_schema, self.object_name


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataWait:
    """A waiter at its table. `sure` False: only its statement says that it wants that table."""

    thread: Thread
    place: tuple[str, str]
    lock_type: str
    sure: bool = True
    blockers: tuple[int, ...] = ()


def metadata_waits(
    waiting: Sequence[Thread], locks: Sequence[MetadataLock]
) -> tuple[MetadataWait, ...]:
    """The waiters for whom it is told who is in their way. The others are left out."""
    granted = [lock for lock in locks if lock.lock_status == "GRANTED"]
    pending = {lock.id: lock for lock in locks if lock.lock_status == "PENDING"}
    if pending:
        wants = {
            thread.id: MetadataWait(
                thread=thread, place=lock.place, lock_type=_bare(lock.lock_type)
            )
            for thread in waiting
            if (lock := pending.get(thread.id)) is not None
        }
    else:
        wants = _wanted(waiting, granted)
    return tuple(
        MetadataWait(
            thread=wait.thread,
            place=wait.place,
            lock_type=wait.lock_type,
            sure=wait.sure,
            blockers=blockers,
        )
        for wait in wants.values()
        if (blockers := _in_the_way(wait, wants.values(), granted))
    )


def _in_the_way(
    wait: MetadataWait,
    others: Iterable[MetadataWait],
    granted: Iterable[MetadataLock],
) -> tuple[int, ...]:
    """Who has a lock of its table that keeps it out, and who goes first. A waiter that holds one is
    named too: it may wait for something else.
    """
    at = wait.place
    holders = [
        lock.id
        for lock in granted
        if lock.place == at and lock.id != wait.thread.id and stops(lock.lock_type, wait.lock_type)
    ]
    first = [
        other.thread.id
        for other in others
        if other.place == at
        and other.thread.id != wait.thread.id
        and other.lock_type in _OVERTAKES.get(wait.lock_type, frozenset())
    ]
    return tuple(dict.fromkeys([*holders, *first]))


def stops(held: str, wanted: str) -> bool:
    """Whether a lock that somebody has keeps the wanted one of another out."""
    held = _bare(held)
    if wanted == "SHARED_NO_READ_WRITE":
        return held not in _LETS_READ
    known = _STOPS.get(wanted)
    return True if known is None else held in known


def _wanted(waiting: Sequence[Thread], granted: Sequence[MetadataLock]) -> dict[int, MetadataWait]:
    """What the waiters want, where the server tells only what is held."""
    changes = {
        thread.id: MetadataWait(thread=thread, place=place, lock_type=_X)
        for thread in waiting
        if (place := _half_changed(thread, granted)) is not None
    }
    contended = {wait.place for wait in changes.values()}
    contended |= {lock.place for lock in granted if _bare(lock.lock_type) in _TABLE}
    unplaced = any(t.is_schema_change and t.id not in changes for t in waiting)
    found = dict(changes)
    for thread in waiting:
        if thread.id in changes or thread.is_schema_change:
            continue
        place = next(iter(contended)) if len(contended) == 1 and not unplaced else None
        named = place or _named(thread, contended)
        if named is not None:
            found[thread.id] = MetadataWait(
                thread=thread, place=named, lock_type=_use(thread), sure=place is not None
            )
    return found


def _half_changed(thread: Thread, granted: Iterable[MetadataLock]) -> tuple[str, str] | None:
    """The table of a schema change that waits to be let in for good: until then it has a lock that
    no other statement takes.
    """
    places = {
        lock.place
        for lock in granted
        if lock.id == thread.id and _bare(lock.lock_type) == "SHARED_UPGRADABLE"
    }
    return places.pop() if len(places) == 1 else None


def _named(thread: Thread, contended: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The one contended table that its statement names."""
    if thread.query is None or thread.query.length >= _MOST_TEXT:
        return None
    text = str(thread.query).replace("`", "")
    found = [each for each in contended if _names(text, thread.db or "", each)]
    return found[0] if len(found) == 1 else None


def _names(text: str, db: str, place: tuple[str, str]) -> bool:
    schema, name = place
    prefix = rf"(?:{re.escape(schema)}\s*\.\s*)"
    own = f"{prefix}?" if db == schema else prefix
    return re.search(rf"(?<![\w$.]){own}{re.escape(name)}(?![\w$])", text) is not None


def _use(thread: Thread) -> str:
    """How a statement that is no schema change uses a table: only a plain SELECT is let in beside
    who keeps writers out.
    """
    text = str(thread.query or "").lstrip().lower()
    reads = text.startswith("select") and not re.search(r"\bfor\s+update\b", text)
    return "SHARED_READ" if reads else "SHARED_WRITE"


def _bare(lock_type: str) -> str:
    """MariaDB's plugin writes `MDL_` before each."""
    return lock_type.removeprefix("MDL_")


def place_name(place: tuple[str, str]) -> str:
    """`metadata of shop.orders`."""
    return f"metadata of {place[0]}.{place[1]}"
