"""Looks of one place fall on one beat, and many of one probe take turns."""

from __future__ import annotations

import pytest

from cockpit.triage.beats import TOGETHER, CommonBeats
from cockpit.triage.board import LookId


def _beats(many: int, *, every: float = 15, places: tuple[str, ...] = ("prod",)) -> CommonBeats:
    return CommonBeats(
        (LookId(f"{place}-{n}", "p"), place, every) for place in places for n in range(many)
    )


def test_looks_that_took_more_or_less_time_come_together_again() -> None:
    beats = _beats(3)
    ends = {0: 0.2, 1: 1.4, 2: 6.0}
    due = {end + (beats.wait(LookId(f"prod-{n}", "p"), 15, end) or 0) for n, end in ends.items()}
    assert due == {15.0}


def test_probes_of_one_place_share_the_beats_that_both_have() -> None:
    often, seldom = LookId("a", "often"), LookId("a", "seldom")
    beats = CommonBeats([(often, "prod", 15), (seldom, "prod", 30)])
    assert 16.0 + (beats.wait(often, 15, 16.0) or 0) == 30.0
    assert 1.0 + (beats.wait(seldom, 30, 1.0) or 0) == 30.0


@pytest.mark.parametrize(("ended", "due"), [(7.4, 15), (7.6, 30), (14.9, 30), (15.1, 30)])
def test_a_look_that_was_late_or_early_is_not_followed_by_another_at_once(
    ended: float, due: float
) -> None:
    wait = _beats(1).wait(LookId("prod-0", "p"), 15, ended)
    assert wait == pytest.approx(due - ended)


def test_what_has_no_place_has_no_beat() -> None:
    assert CommonBeats([(LookId("db", "p"), "", 5.0)]).wait(LookId("db", "p"), 5.0, 3.0) is None


def test_more_than_one_call_holds_take_turns_and_so_do_places() -> None:
    many = _beats(2 * TOGETHER + 1)
    due = [0.1 + (many.wait(LookId(f"prod-{n}", "p"), 15, 0.1) or 0) for n in range(201)]
    assert sorted(set(due)) == [10.0, 15.0, 20.0], "5 s would be too soon after the first look"
    assert {due.count(each) for each in set(due)} <= {1, TOGETHER}
    two = _beats(1, places=("prod", "test"))
    assert {two.wait(LookId(f"{place}-0", "p"), 15, 20.0) for place in ("prod", "test")} == {
        10.0,
        17.5,
    }
