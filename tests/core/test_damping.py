"""A look that comes and goes: the first turns, how many followed, and always the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cockpit import clock
from cockpit.desk.damping import MANY, STEADY, WINDOW, Damping, DarkTargets
from cockpit.desk.recorder import Recorder
from cockpit.errors import Reason
from cockpit.incident.entry import EntryKind
from cockpit.triage.board import Board, BoardChange, reduce
from cockpit.triage.changes import Change
from cockpit.triage.probe import Reading
from tests.core.builders import at, blind, finding, seen
from tests.core.records import opened

TEN_MINUTES, TWO_MINUTES = WINDOW.total_seconds(), STEADY.total_seconds()


def turns(*whens: float) -> list[BoardChange]:
    """Blind at the first time, seeing at the second, and so on by turns."""
    board, changes = Board(), []
    for number, when in enumerate(whens):
        reading = seen(when=when) if number % 2 else blind(when=when)
        board, happened = reduce(board, reading)
        changes += happened
    assert len(changes) == len(whens)
    return changes


def told(damping: Damping, changes: Sequence[BoardChange]) -> list[str]:
    return [one.text for change in changes if (one := damping.passed(change)) is not None]


def test_the_first_turns_are_told_each_and_the_last_of_them_says_that_more_may_come() -> None:
    texts = told(Damping(), turns(*range(0, 300, 10)))
    assert len(texts) == MANY
    assert "comes and goes" in texts[-1]
    assert not any("comes and goes" in text for text in texts[:-1])


def test_turns_that_are_far_apart_are_all_told() -> None:
    whens = [number * TEN_MINUTES / 3 for number in range(12)]
    assert len(told(Damping(), turns(*whens))) == 12


def test_while_it_goes_on_it_is_summed_up_every_ten_minutes() -> None:
    damping, summaries = Damping(), 0
    for change in turns(*range(0, 3600, 10)):
        damping.passed(change)
        summaries += len(damping.due(change.at))
    assert summaries == 5


def test_when_it_has_settled_the_last_turn_is_told_with_how_many_there_were() -> None:
    damping = Damping()
    told(damping, turns(*range(0, 100, 10)))
    assert damping.due(at(90 + TWO_MINUTES - 1)) == []
    (summary,) = damping.due(at(90 + TWO_MINUTES))
    assert summary.text == "can be examined again (the last of 6 turns)"
    assert summary.at == at(90)
    assert damping.due(at(9999)) == []


def test_at_the_end_nothing_is_left_untold() -> None:
    damping = Damping()
    told(damping, turns(0, 10, 20, 30, 40))
    (last,) = damping.rest()
    assert last.text.startswith("not examined (timeout)")
    assert damping.rest() == []


@pytest.mark.parametrize("times", [1, 50])
def test_findings_are_always_told(times: int) -> None:
    _, changes = reduce(Board(), seen(finding()))
    damping = Damping()
    assert [damping.passed(changes[0]) for _ in range(times)] == [changes[0]] * times


async def test_a_flapping_look_leaves_few_entries_and_its_last_state_in_the_journal(
    tmp_path: Path,
) -> None:
    incident = opened(tmp_path)
    recorder, board = Recorder(incident), Board()
    for change in turns(*range(0, 310, 10)):
        recorder.board_changed(board, [replace(change, at=clock.now())])
    recorder.close()
    written = [e for e in incident.entries if e.kind in {EntryKind.BLIND, EntryKind.SEES_AGAIN}]
    assert len(written) == MANY + 1
    assert "the last of 27 turns" in written[-1].text
    assert written[-1].kind is EntryKind.BLIND
    incident.close()


async def test_two_changes_of_one_second_are_both_told_and_once(tmp_path: Path) -> None:
    incident = opened(tmp_path)
    changes = tuple(
        Change(at=at(0), kind="ecs.deployment", target="db", summary=words) for words in "ab"
    )
    board, happened = reduce(Board(), seen(changes=changes))
    Recorder(incident).board_changed(board, happened)
    Recorder(incident).board_changed(board, happened)
    assert [e.text for e in incident.entries if e.kind is EntryKind.CHANGE] == ["a", "b"]
    incident.close()


def happened(*readings: Reading) -> list[BoardChange]:
    board, changes = Board(), []
    for reading in readings:
        board, new = reduce(board, reading)
        changes += new
    return changes


def entries(*readings: Reading) -> list[tuple[str, str]]:
    dark = DarkTargets()
    passed = [dark.passed(change) for change in happened(*readings)]
    return [(each.event.value, each.probe) for each in passed if each is not None]


def test_a_server_that_is_dead_for_all_its_probes_is_told_once_and_back_with_the_last() -> None:
    probes = ("locks", "sessions", "counters")
    dead = [blind(probe=probe) for probe in probes]
    back = [seen(probe=probe, when=number) for number, probe in enumerate(probes, 1)]

    assert entries(*dead, *back) == [("blind", "locks"), ("sees_again", "locks")]
    assert entries(*dead, *back[1:], blind(probe="sessions", when=9)) == [("blind", "locks")]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(blind(Reason.DENIED, probe="sessions"), id="another reason"),
        pytest.param(blind(probe="sessions", name="other"), id="another server"),
    ],
)
def test_what_is_blind_for_another_cause_has_its_own_entry(second: Reading) -> None:
    assert entries(blind(probe="locks"), second) == [("blind", "locks"), ("blind", "sessions")]


def test_what_was_taken_away_is_told_for_each_look_since_a_later_session_asks_which() -> None:
    taken = [blind(Reason.MISSING, probe=probe) for probe in ("locks", "sessions")]
    assert entries(*taken) == [("blind", "locks"), ("blind", "sessions")]


def test_a_look_that_is_blind_for_another_cause_now_leaves_those_it_was_with() -> None:
    both = [blind(probe="locks"), blind(probe="sessions")]
    changed = blind(Reason.DENIED, probe="sessions", when=1)
    assert entries(*both, changed, seen(probe="locks", when=2)) == [
        ("blind", "locks"),
        ("blind", "sessions"),
        ("sees_again", "locks"),
    ]
