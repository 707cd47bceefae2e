"""What a list of changes says nothing about: told before the list, for no change is no evidence."""

from __future__ import annotations

from collections.abc import Iterable

from cockpit.triage.board import Board
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.related import RELATED
from cockpit.triage.target import Target

COMPLETE = "complete until"
"""The fact of a feed that says until when CloudTrail has told everything."""
_HAVE_HISTORIES = frozenset({"ecs_service", "rds", "elasticache", "dynamodb_table"})
"""Kinds whose probes tell changes of their own."""


def unseen(board: Board, targets: Iterable[Target]) -> tuple[str, ...]:
    """A line each; empty: every history that is configured was read whole."""
    known = tuple(targets)
    feeds = [target.name for target in known if target.kind == "changes"]
    told = [] if feeds else ["CloudTrail: no target of kind changes is configured, nothing is read"]
    for name in feeds:
        looks = _looks(board, name)
        if not looks:
            told.append(f"{name}: not looked at yet")
        for reading in looks:
            told += _of_feed(reading)
    for reading in board.readings.values():
        if reading.kind in _HAVE_HISTORIES and isinstance(reading.outcome, Blind):
            told.append(f"{reading.target}: {reading.outcome.reason}, its own history is missing")
    return tuple(dict.fromkeys(told))


def _looks(board: Board, name: str) -> list[Reading]:
    return [
        reading
        for reading in board.readings.values()
        if reading.target == name and reading.probe != RELATED
    ]


def _of_feed(reading: Reading) -> tuple[str, ...]:
    if isinstance(reading.outcome, Blind):
        return (f"{reading.target}: {reading.outcome.reason}: {reading.outcome.detail}",)
    lines = (line for table in reading.outcome.tables for line in table.note)
    return tuple(f"{reading.target}: {line}" for line in lines)


def complete_until(board: Board) -> str:
    """`02:44`: until when every feed has told everything; empty: no feed was read."""
    times = [
        fact.text
        for reading in board.readings.values()
        if reading.kind == "changes" and isinstance(reading.outcome, Seen)
        for fact in reading.outcome.facts
        if fact.label == COMPLETE
    ]
    return min(times, default="")
