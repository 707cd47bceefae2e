"""What is worked out again only where something is new, held against all of it worked out at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.errors import Reason
from cockpit.incident.entry import EntryKind
from cockpit.incident.timeline import TimelineRow
from cockpit.triage.board import reduce
from cockpit.triage.probe import Blind, Reading, Seen
from screens.present import systems, timeline
from screens.shown import Shown, take
from tests.screens.fake_desk import NOW, FakeDesk, entry


def shown(desk: FakeDesk | None = None) -> Shown:
    desk = desk or FakeDesk()
    return take(desk, NOW, desk.timeline())


def test_systems_that_are_kept_from_board_to_board_are_those_of_the_board() -> None:
    desk, kept = FakeDesk(), dict[str, tuple[tuple[object, ...], systems.System]]()
    first = systems.rows(shown(desk), kept=kept)
    assert first == systems.rows(shown(desk))
    ill = next(iter(desk.board.open.values()))
    for outcome in (Seen(), Blind(Reason.TIMEOUT, "no answer"), Seen((ill.finding,))):
        reading = Reading(ill.target, ill.kind, ill.probe, NOW + timedelta(seconds=9), 0.1, outcome)
        desk.board, _ = reduce(desk.board, reading)
        assert systems.rows(shown(desk), kept=kept) == systems.rows(shown(desk))
    again = systems.rows(shown(desk), kept=kept)
    same = [
        one is other for one, other in zip(again, systems.rows(shown(desk), kept=kept), strict=True)
    ]
    assert sum(same) >= len([row for row in again if isinstance(row, systems.System)])


@given(st.lists(st.tuples(st.sampled_from("nbbs"), st.sampled_from("abcde"), st.booleans())))
def test_rows_that_are_folded_as_they_come_are_those_that_are_folded_at_once(
    told: list[tuple[str, str, bool]],
) -> None:
    kinds = {"n": EntryKind.NOTE, "b": EntryKind.BLIND, "s": EntryKind.SEES_AGAIN}
    rows = tuple(
        replace(
            entry(seq, NOW, kinds[kind], "told"), target=target, pinned=pinned and target == "a"
        )
        for seq, (kind, target, pinned) in enumerate(told, start=1)
    )
    folding = timeline.Folding()
    for number in range(len(rows) + 1):
        grown = rows[:number]
        assert folding.of(grown) == timeline.folded(grown)
        assert folding.of(grown) is folding.of(grown)
    corrected = tuple(replace(row, text="corrected") for row in rows)
    assert folding.of(corrected) == timeline.folded(corrected)


def test_of_rows_that_grow_only_what_is_new_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(entry(seq, NOW, EntryKind.NOTE, "told") for seq in range(1, 50))
    folding, fold = timeline.Folding(), timeline.folded
    asked: list[int] = []

    def told(new: Sequence[TimelineRow]) -> list[TimelineRow]:
        asked.append(len(new))
        return fold(new)

    folding.of(rows[:-1])
    monkeypatch.setattr(timeline, "folded", told)
    assert folding.of(rows) == list(rows)
    assert asked == [2]
