"""Queues behind locks, from literals: heads, trees, and who releases whom."""

from __future__ import annotations

import pytest

from cockpit.runbooks.values import holds
from probes.lock_graph import graph, proof

HOT = [(10, [1]), (11, [10]), (12, [10, 11]), (13, [10, 11, 12])]
DDL = [(20, [1]), (21, [20]), (22, [20])]


@pytest.mark.parametrize(
    ("waits", "through", "heads", "released"),
    [
        pytest.param([], [], (), {}, id="nobody waits"),
        pytest.param([(2, [1])], [], (1,), {1: 1}, id="one waits for one"),
        pytest.param([(2, [1]), (3, [2])], [], (1,), {1: 2, 2: 1}, id="a chain has one head"),
        pytest.param([(2, [1, 1])], [], (1,), {1: 1}, id="parallel workers double an edge"),
        pytest.param([(2, [1, 2])], [], (1,), {1: 1}, id="nobody waits for itself"),
        pytest.param([(2, [0])], [], (0,), {0: 1}, id="a prepared transaction is a head"),
        pytest.param(
            HOT, [11, 12, 13], (1,), {1: 4, 10: 0}, id="the first of a hot row frees nobody"
        ),
        pytest.param(DDL, [], (1,), {1: 3, 20: 2}, id="a schema change frees those behind it"),
        pytest.param([(3, [1, 2])], [], (1,), {1: 0, 2: 0}, id="two holders must both go"),
        pytest.param([(1, [2]), (2, [1])], [], (1,), {1: 1}, id="a cycle gets a head"),
        pytest.param([(2, [1]), (4, [3]), (5, [3])], [], (3, 1), {3: 2}, id="longest queue first"),
    ],
)
def test_a_queue_is_blamed_on_its_head(
    waits: list[tuple[int, list[int]]],
    through: list[int],
    heads: tuple[int, ...],
    released: dict[int, int],
) -> None:
    tree = graph(waits, through=through)

    assert tree.heads == heads
    assert {victim: tree.released(victim) for victim in released} == released


def test_everyone_hangs_under_one_other() -> None:
    tree = graph([*HOT, *DDL], through=[11, 12, 13])

    assert tree.children[1] == (10, 20)
    assert tree.children[10] == (11, 12, 13)
    assert tree.children[20] == (21, 22)
    assert tree.below(1) == [10, 11, 12, 13, 20, 21, 22]
    assert tree.size[1] == 7


def test_four_hundred_who_want_one_row_are_cheap() -> None:
    waits = [(1, [0])] + [(n, list(range(1, n))) for n in range(2, 401)]
    tree = graph(waits, through=range(2, 401))

    assert tree.size[0] == 400
    assert tree.released(0) == 400
    assert tree.released(1) == 0


def test_one_may_stand_for_a_crowd() -> None:
    """2 waits for 1; 3 stands for 399 who queue behind 2; 4 waits for 3."""
    tree = graph([(2, [1]), (3, [2]), (4, [3])], through=[3], stands_for={3: 399})

    assert (tree.size[1], tree.size[2], tree.size[3]) == (401, 400, 1)
    assert (tree.released(1), tree.released(2), tree.released(3)) == (401, 0, 1)
    assert tree.heads == (1,)


@pytest.mark.parametrize(
    ("node", "went_on"),
    [
        pytest.param(None, True, id="it is gone, or waits for nobody"),
        pytest.param({"pid": 7, "blockers": None}, True, id="listed, and waits for nobody"),
        pytest.param({"pid": 7, "blockers": [42], "wait_s": 0.1}, False, id="waits for that one"),
        pytest.param({"pid": 7, "blockers": [5], "wait_s": 0.1}, True, id="waits anew for another"),
        pytest.param({"pid": 7, "blockers": [5], "wait_s": 9.0}, False, id="in the same wait"),
        pytest.param({"pid": 7, "speaker": 8, "wait_s": 9.0}, False, id="as its speaker does"),
        pytest.param(
            {"pid": 7, "blockers": [5], "wait_s": None}, True, id="since when is not told"
        ),
        pytest.param({"pid": 8, "blockers": [42], "wait_s": 9.0}, True, id="somebody else waits"),
    ],
)
def test_who_was_said_to_go_on_does_when_that_wait_is_over(
    node: dict[str, object] | None, went_on: bool
) -> None:
    made = proof("postgres.locks", 42, [(7, 3.0)], key="pid")
    assert made is not None
    assert holds(made.until, {"nodes": [node] if node else []}) is went_on


def test_nothing_is_to_be_seen_where_nobody_was_said_to_go_on() -> None:
    assert proof("postgres.locks", 42, [], key="pid") is None
