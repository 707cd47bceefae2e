"""Lines that are cut to the room there is."""

from __future__ import annotations

import pytest

from screens.present import lines


@pytest.mark.parametrize(
    ("name", "width", "expected"),
    [
        pytest.param("orders-db", 12, "orders-db   ", id="there is room"),
        pytest.param("deployment of checkout:1742", 14, "deploym…t:1742", id="a revision stays"),
        pytest.param("orders-db-replica-2", 10, "order…ca-2", id="and so does a number"),
        pytest.param("a:0123456789abc", 10, "a…56789abc", id="of a very long one its end"),
        pytest.param("日本語日本語日本", 11, "日本語…日本", id="wide letters"),
        pytest.param("orders-db", 7, "orders…", id="no room for two ends"),
    ],
)
def test_names_are_cut_in_the_middle_and_keep_what_tells_them_apart(
    name: str, width: int, expected: str
) -> None:
    assert lines.middle(name, width) == expected
    assert lines.cells(lines.middle(name, width)) == width
