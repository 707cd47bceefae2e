"""Mappings that are new with each reading, and copy one target's items alone."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from cockpit.triage.board import Board, reduce
from cockpit.triage.by_target import ByTarget, PerTarget
from cockpit.triage.finding import Severity
from tests.core.builders import finding, seen

A1, A2, B1 = ("a", "1"), ("a", "2"), ("b", "1")
THREE = ByTarget({A1: 1, A2: 2, B1: 3}.items())


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({A1: 4}, {A1: 4, B1: 3}, id="a group is replaced as a whole"),
        pytest.param({}, {B1: 3}, id="an empty group takes its target away"),
        pytest.param({A1: 1, A2: 2}, {A1: 1, A2: 2, B1: 3}, id="the same items are an equal value"),
    ],
)
def test_the_next_value_has_the_group_and_leaves_the_others(
    changed: Mapping[tuple[str, str], int], expected: dict[tuple[str, str], int]
) -> None:
    following = THREE.with_group("a", changed)

    assert dict(following) == dict(following.items()) == expected
    assert following == expected
    assert list(following.values()) == list(expected.values())
    assert len(following) == len(expected)
    assert dict(THREE) == {A1: 1, A2: 2, B1: 3}


def test_a_key_is_in_it_only_when_it_has_a_value() -> None:
    assert A1 in THREE
    assert ("a", "3") not in THREE
    assert ("c", "1") not in THREE
    assert THREE.get(("c", "1")) is None
    assert not THREE.of("c")


def crowd(number: int) -> Board:
    board = Board()
    for each in range(number):
        board, _ = reduce(board, seen(finding(), name=f"db-{each}"))
    return board


def test_a_reading_copies_what_its_own_target_has_and_no_other() -> None:
    board = crowd(5)
    after, _ = reduce(board, seen(finding(), name="db-3", when=5))

    groups = dict(ByTarget.of_mapping(board.open).groups())
    changed = [
        name
        for name, group in ByTarget.of_mapping(after.open).groups()
        if group is not groups[name]
    ]

    assert changed == ["db-3"]


def test_a_target_is_asked_for_alone() -> None:
    board = crowd(3)

    assert [each.target for each in board.open_at("db-1")] == ["db-1"]
    assert [each.target for each in board.readings_at("db-1")] == ["db-1"]
    assert board.worst("db-1") is Severity.HIGH
    assert board.worst("db-9") is None


def test_many_targets_keep_their_order_and_what_was_before_stays_as_it_was() -> None:
    chance, told = random.Random(5), dict[str, dict[tuple[str, str], int]]()
    value: ByTarget[tuple[str, str], int] = ByTarget()
    for step in range(2_000):
        name = f"t{chance.randrange(300)}"
        group = {(name, f"{n}"): step for n in range(chance.choice((0, 1, 1, 2)))}
        before, items = value, list(value.items())
        value = value.with_group(name, group)
        if group:
            told[name] = group
        else:
            told.pop(name, None)
        assert step % 50 or list(before.items()) == items
        assert len(value) == sum(map(len, told.values()))
        assert dict(value.of(name)) == group
    expected = [item for group in told.values() for item in group.items()]
    assert list(value.items()) == expected == list(ByTarget(expected).items())
    assert [name for name, _ in value.groups()] == [*told]


def test_a_target_that_comes_and_goes_leaves_no_blocks_behind() -> None:
    value = ByTarget({(f"t{number}", "a"): number for number in range(100)}.items())
    for step in range(2_000):
        name = f"t{step % 100}"
        value = value.with_group(name, {}).with_group(name, {(name, "a"): step})
    assert len(value) == 100
    assert len(value._blocks) <= 3


def test_what_is_worked_out_of_a_target_is_so_again_only_when_it_has_other_items() -> None:
    worked: list[dict[tuple[str, str], int]] = []

    def total(group: Mapping[tuple[str, str], int]) -> int:
        worked.append(dict(group))
        return sum(group.values())

    totals = PerTarget(total)
    assert dict(totals.of(THREE)) == {"a": 3, "b": 3}
    following = THREE.with_group("a", {A1: 9})
    assert dict(totals.of(following)) == {"a": 9, "b": 3}
    assert dict(totals.of(following.with_group("b", {B1: 0}))) == {"a": 9}, (
        "what is empty is no row"
    )
    assert worked == [{A1: 1, A2: 2}, {B1: 3}, {A1: 9}, {B1: 0}]
    assert dict(totals.of(ByTarget({B1: 3}.items()))) == {"b": 3}
    kept = [target for each in totals._kept for target in each.results]
    assert kept == ["b"], "a target that is gone leaves nothing behind"


def test_what_is_worked_out_follows_targets_that_come_and_go() -> None:
    chance = random.Random(7)
    totals: PerTarget[tuple[str, str], int, int] = PerTarget(len)
    value: ByTarget[tuple[str, str], int] = ByTarget()
    for step in range(2_000):
        name = f"t{chance.randrange(200)}"
        group = {(name, f"{n}"): step for n in range(chance.choice((0, 0, 1, 2)))}
        value = value.with_group(name, group)
        assert [*totals.of(value)] == [(each, len(items)) for each, items in value.groups()]
