"""Every story can be told at every level, by probes that can say what it says."""

from __future__ import annotations

import random

import pytest

from cockpit.triage.board import Board
from cockpit.triage.finding import Severity
from tests.stories import every_family
from tests.stories.writer import SPLITS, TEMPLATES, C, Case, World, build, ok

every_family()


@pytest.mark.parametrize("level", range(4))
def test_stories_are_told_by_probes_that_can_say_it(level: int) -> None:
    for case in build("", range(1), level=level):
        assert case.readings, case.id
        if level == 0:  # folding takes most of the time, and the other levels fold the same
            _shows_what_it_tells(case, case.board)


def _shows_what_it_tells(case: Case, board: Board) -> None:
    if not case.truth.abstain:
        open_ = board.open.values()
        assert any(f.finding.severity >= Severity.WARNING for f in open_), case.id
    _truth_is_of_the_story(case, board)


def _truth_is_of_the_story(case: Case, board: Board) -> None:
    """A name that nobody can say makes every answer wrong, and nobody sees why."""
    targets = {target.name for target in case.targets}
    changes = {f"{change.kind}@{change.target}" for change in board.changes}
    truth = case.truth
    assert truth.abstain or truth.accept <= targets | changes, case.id
    assert {truth.trigger, truth.wrong_change} - {""} <= changes, case.id


def test_every_story_belongs_to_a_known_half() -> None:
    assert {split for _, split, _ in TEMPLATES} <= set(SPLITS)


def test_our_own_stories_name_the_public_review_they_come_from() -> None:
    ours = [(f, t) for f, split, t in TEMPLATES if split != "design"]
    assert [t.__name__ for _, t in ours if "https://" not in (t.__doc__ or "")] == []


def test_stories_set_aside_are_balanced_against_ours_by_family() -> None:
    families: dict[str, list[str]] = {}
    for family, split, _ in TEMPLATES:
        if split != "design":
            families.setdefault(family, []).append(split)
    uneven = {
        family: splits
        for family, splits in families.items()
        if abs(splits.count("ours") - splits.count("aside")) > 1
    }
    assert uneven == {}


def test_a_finding_is_dated_alike_at_every_look_where_its_probe_can_know() -> None:
    world = World(random.Random(1), "dated", "dated", "design", opened=20.0)
    world.add("db", "postgres")
    world.ill("db", "PG_LOCK_BLOCKED", C, 0)
    world.ill("db", "PG_SAT_CONNECTIONS", C, 0)
    board = world.done(ok("db")).boards([10, 60, 150])
    seen = [{f.finding.code: f.finding for f in each.open.values()} for each in board]
    waits = {each["PG_LOCK_BLOCKED"].began for each in seen}
    assert len(waits) == 1
    assert all(began and abs((began - world.at(0)).total_seconds()) <= 15 for began in waits)
    assert {each["PG_SAT_CONNECTIONS"].began for each in seen} == {None}
