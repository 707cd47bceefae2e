"""The prime suspects as the desk tells them: worked out beside the loop where there is much, steady
on the screen, with what people said about them, and in the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cockpit import clock
from cockpit.desk.relation import ChangeKeeper
from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.record import Incident
from cockpit.incident.said import GUILTY, newest_words
from cockpit.triage.board import Board
from cockpit.triage.suspects import Judgement, Suspect, judge
from cockpit.triage.suspicion.certainty import Certainty
from cockpit.triage.suspicion.guilt import Said
from cockpit.triage.suspicion.ruled_out import RuledOut
from cockpit.triage.topology import DependencyGraph

_AT_ONCE = 200
"""Targets and open findings up to which it is worked out on the loop: some milliseconds."""
_CLEARLY = 1.15
"""By how much another must be stronger, and for how many boards, to take the first line."""
_BOARDS = 2
_HELD = timedelta(seconds=20)
"""How long the first line must stay as it is to be written down."""


@dataclass(slots=True)
class Steady:
    """Keeps the first line from jumping between two that are nearly as strong."""

    _first: str = ""
    _another: int = 0

    def of(self, found: tuple[Suspect, ...]) -> tuple[Suspect, ...]:
        """The same suspects, in the order that is shown."""
        kept = next((each for each in found if each.name == self._first), None)
        if not found or kept is None or self._gives_way(kept, found[0]):
            self._first, self._another = (found[0].name if found else ""), 0
            return found
        order = (kept, *(each for each in found if each is not kept))
        return tuple(replace(each, rank=place) for place, each in enumerate(order, 1))

    def _gives_way(self, kept: Suspect, first: Suspect) -> bool:
        if kept is first:
            return True
        if first.said or (kept.verdict is Certainty.UNCLEAR and first.verdict is not kept.verdict):
            return True
        self._another = self._another + 1 if first.score >= _CLEARLY * kept.score else 0
        return self._another >= _BOARDS


@dataclass(slots=True)
class _FirstLine:
    """The first line, since when it has been so, and whether it is written down."""

    what: tuple[str, str] = ("", "")
    since: datetime | None = None
    written: tuple[str, str] = ("", "")


class SuspicionKeeper:
    """Judges the newest board, once, and writes down who is first when that has settled."""

    def __init__(
        self,
        graph: DependencyGraph,
        incident: Incident,
        changes: ChangeKeeper,
        *,
        spawn: Callable[[Coroutine[object, object, None]], None],
        tell: Callable[[], None],
    ) -> None:
        """`changes`: knows when looking began. `spawn`: runs work beside; `tell`: called when that
        is done.
        """
        self._graph = graph
        self._incident = incident
        self._spawn = spawn
        self._tell = tell
        self._changes = changes
        self._judged: tuple[Board | None, int] = (None, -1)
        self._newest = Judgement()
        self._busy = False
        self._steady = Steady()
        self._shown = _FirstLine()
        self._said: tuple[int, Mapping[str, Word]] = (-1, {})

    def of(self, board: Board) -> Judgement:
        """Of this board; of an earlier one while a large one is being judged."""
        wanted = (board, len(self._incident.entries))
        if self._judged[0] is board and self._judged[1] == wanted[1]:
            return self._newest
        if len(self._graph.targets) + len(board.open) <= _AT_ONCE:
            self._take(wanted, self._judge(board))
        elif not self._busy:
            self._busy = True
            self._spawn(self._beside(wanted))
        return self._newest

    @property
    def said(self) -> Mapping[str, Word]:
        """Target → the newest word of a person about it."""
        entries = self._incident.entries
        if self._said[0] != len(entries):
            self._said = (len(entries), words_in(entries))
        return self._said[1]

    async def say(self, target: str, word: str) -> None:
        """Write down what a person says about a target: `GUILTY`, `INNOCENT` or `OPEN`
        (`cockpit.incident.said`).
        """
        text = f"{target}: {word}, says {self._incident.author.actor}"
        await self._incident.append(
            EntryKind.SUSPECT, text, target=target, data={"name": target, "said": word}
        )

    def _judge(self, board: Board) -> Judgement:
        said = {name: Said(word.guilty, word.by) for name, word in self.said.items()}
        return judge(board, self._graph, first_look=self._changes.ranked.first_look, said=said)

    async def _beside(self, wanted: tuple[Board, int]) -> None:
        try:
            found = await asyncio.to_thread(self._judge, wanted[0])
        finally:
            self._busy = False
        self._take(wanted, found)
        self._tell()

    def _take(self, wanted: tuple[Board, int], found: Judgement) -> None:
        told = (word.ruled_out(name) for name, word in self.said.items() if not word.guilty)
        self._judged = wanted
        self._newest = Judgement(self._steady.of(found.suspects), (*told, *found.ruled_out))
        self._write()

    def _write(self) -> None:
        """The first line goes into the record once it has stayed as it is for a while."""
        if self._incident.watching:
            return
        found, shown = self._newest.suspects, self._shown
        what = (found[0].name, found[0].verdict.value) if found else ("", "")
        now = clock.now()
        if what != shown.what:
            shown.what, shown.since = what, now
        settled = shown.since is not None and now - shown.since >= _HELD
        if found and settled and what != shown.written:
            shown.written = what
            text, data = entry_of(found[0], self._newest.ruled_out)
            self._incident.record(EntryKind.SUSPECT, text, target=found[0].target, data=data)


@dataclass(frozen=True, slots=True)
class Word:
    """What a person said about a target."""

    guilty: bool
    by: str
    at: datetime

    def ruled_out(self, target: str) -> RuledOut:
        """As what was looked at and found innocent; it does not lapse by itself."""
        return RuledOut(target, (), at=self.at, until=None, by=self.by)


def words_in(entries: Iterable[Entry]) -> dict[str, Word]:
    """Target → the newest word about it; none where it was taken back."""
    return {
        name: Word(entry.data["said"] == GUILTY, entry.actor, entry.when)
        for name, entry in newest_words(entries).items()
    }


def entry_of(first: Suspect, innocent: Iterable[RuledOut]) -> tuple[str, dict[str, Any]]:
    """How the record tells the first suspect: its line, and what speaks for and against it."""
    word = f"cannot tell ({first.reason})" if first.verdict is Certainty.UNCLEAR else first.verdict
    change = first.change
    return f"{word}: {first.name} – {first.summary}", {
        "name": first.name,
        "verdict": first.verdict.value,
        "reason": first.reason,
        "score": first.score,
        "began": clock.stamp(first.began) if first.began is not None else None,
        "change": f"{change.kind} on {change.target}: {change.summary}" if change else "",
        "felt": list(first.felt),
        "explains": list(first.explains),
        "for": list(first.for_),
        "against": list(first.against),
        "not_examined": list(first.not_examined),
        "next": first.next_probe,
        "ruled_out": [
            {
                "target": each.target,
                "probes": list(each.probes),
                "by": each.by,
                "at": clock.stamp(each.at),
                "until": clock.stamp(each.until) if each.until is not None else None,
            }
            for each in innocent
        ],
    }
