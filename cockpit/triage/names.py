"""Names whose record was changed, beside what each resolver answers: old, new, and until when.

No probe sees other targets, so this is taken from the board: the feed's looks tell the records, an
endpoint's looks the answers. A resolver may keep an answer for the record's TTL after it was given,
so the old one is right to be seen until the change and the *old* TTL (RFC 1035, 3.2.1).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol, cast, runtime_checkable

from cockpit.triage.board import Board, LookId
from cockpit.triage.by_target import PerTarget
from cockpit.triage.probe import Reading, Seen

NEW, OLD, OTHER = "new", "old", "neither"
_GONE = frozenset({"nxdomain", "no_answer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMove:
    """A record of DNS that was changed. TTLs are seconds; None: not told."""

    at: datetime
    name: str
    """In lower case, without the dot at its end."""
    type: str
    new: tuple[str, ...]
    """Empty: it was deleted."""
    old: tuple[str, ...] | None = None
    """None: what it was before is not told."""
    old_ttl: int | None = None
    plain: bool = True
    """False: one of several by weight or place, or an alias: no answer can be held against it."""
    actor: str = ""

    @property
    def until(self) -> datetime | None:
        """Until when a resolver may keep the old answer; None: its TTL is not told."""
        return None if self.old_ttl is None else self.at + timedelta(seconds=self.old_ttl)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameAnswer:
    """What one source said of a name."""

    source: str
    chain: tuple[str, ...]
    """The name, then each alias that it went through."""
    outcome: str
    """`ok`, `nxdomain`, `no_answer`, or why there is none."""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedAnswer:
    """An answer against the record."""

    source: str
    said: str
    state: str
    """NEW, OLD, or OTHER: what neither of them says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedName:
    """A record of a target's name that was changed, and what each source says of it now."""

    target: str
    move: RecordMove
    answers: tuple[ComparedAnswer, ...]


@runtime_checkable
class TellsRecords(Protocol):
    """A snapshot of a history of records."""

    def moved_records(self) -> Iterable[RecordMove]:
        """Those that were changed, in any order."""


@runtime_checkable
class TellsAnswers(Protocol):
    """A snapshot that has asked for a name."""

    def name_answers(self) -> Iterable[NameAnswer]:
        """What each source said; none that stands in a file of this machine."""


@cache
def _tells_records(kind: Any) -> bool:
    """Once a class: asking a protocol of each of thousands of looks is slow."""
    return issubclass(kind, TellsRecords)


def plain_name(name: str) -> str:
    """A name as records and answers are compared by."""
    return name.rstrip(".").lower()


def changed_names(board: Board) -> tuple[ChangedName, ...]:
    """Each name of a target whose record was changed last, by target and name."""
    moves = _newest(move for _, told in _MOVES.of(board.readings) for move in told)
    if not moves:
        return ()
    found = [
        each
        for reading in board.readings.values()
        if isinstance(reading.outcome, Seen)
        and isinstance(look := reading.outcome.snapshot, TellsAnswers)
        for each in _of(reading.target, tuple(look.name_answers()), moves)
    ]
    return tuple(sorted(found, key=lambda each: (each.target, each.move.name, each.move.type)))


def _moves(looks: Mapping[LookId, Reading]) -> tuple[RecordMove, ...]:
    return tuple(
        move
        for reading in looks.values()
        if isinstance(reading.outcome, Seen)
        and _tells_records(cast("Hashable", type(reading.outcome.snapshot)))
        for move in cast("TellsRecords", reading.outcome.snapshot).moved_records()
    )


_MOVES = PerTarget(_moves)


def _newest(moves: Iterable[RecordMove]) -> Mapping[tuple[str, str], RecordMove]:
    """The last change of each record; of one that two histories tell, the one that knows more."""
    found: dict[tuple[str, str], RecordMove] = {}
    for move in sorted(moves, key=lambda move: move.at):
        held = found.get((move.name, move.type))
        same = held is not None and held.new == move.new and move.at - held.at < _TOGETHER
        if held is None or not same or held.old is None:
            found[move.name, move.type] = move
    return found


_TOGETHER = timedelta(seconds=120)
"""How far apart two histories may put one change."""


def _of(
    target: str, answers: tuple[NameAnswer, ...], moves: Mapping[tuple[str, str], RecordMove]
) -> Iterator[ChangedName]:
    asked = {plain_name(name) for answer in answers for name in answer.chain}
    for (name, _), move in moves.items():
        if name in asked:
            held = tuple(each for answer in answers for each in _held(move, answer))
            yield ChangedName(target=target, move=move, answers=held)


def _held(move: RecordMove, answer: NameAnswer) -> Iterator[ComparedAnswer]:
    chain = tuple(map(plain_name, answer.chain))
    if not move.plain or move.name not in chain:
        return
    if answer.outcome in _GONE and chain[-1] == move.name:
        state = NEW if not move.new else OTHER
        yield ComparedAnswer(source=answer.source, said=answer.outcome, state=state)
        return
    given = _given(move, chain, answer)
    if not given or answer.outcome != "ok":
        return
    told = {plain_name(value) for value in given}
    state = OTHER
    if told == set(map(plain_name, move.new)):
        state = NEW
    elif move.old and told == set(map(plain_name, move.old)):
        state = OLD
    yield ComparedAnswer(source=answer.source, said=", ".join(given), state=state)


def _given(move: RecordMove, chain: tuple[str, ...], answer: NameAnswer) -> tuple[str, ...]:
    """What the answer says of this record; empty: nothing that can be compared."""
    if move.type == "CNAME":
        following = chain[chain.index(move.name) + 1 :]
        return following[:1]
    if move.type not in {"A", "AAAA"} or chain[-1] != move.name:
        return ()
    return tuple(each for each in answer.addresses if (":" in each) == (move.type == "AAAA"))
