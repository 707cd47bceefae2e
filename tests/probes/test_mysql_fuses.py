"""Which column a counter of InnoDB belongs to, and how near its end is."""

from __future__ import annotations

import pytest

from cockpit.triage.recording import decode, encode
from probes.mysql import fuses
from probes.mysql.fuses import Counter, IndexedColumn, MysqlFuses, near_their_end
from tests.probes.mysql_looks import server

INT, UNSIGNED = 1283, 1283 + 512


def column(
    name: str = "id", *, size: int = 4, flags: int = INT, key: bool = False
) -> IndexedColumn:
    return IndexedColumn(table_id=1, column_name=name, size=size, flags=flags, is_key=key)


@pytest.mark.parametrize(
    ("used", "columns", "expected"),
    [
        pytest.param(1_717_986_917, [column()], None, id="just below 80 %"),
        pytest.param(1_717_986_918, [column()], "warning", id="80 %"),
        pytest.param(2_147_483_646, [column()], "high", id="one is left"),
        pytest.param(2_147_483_647, [column()], "critical", id="none is left"),
        pytest.param(2_147_483_647, [column(flags=UNSIGNED)], None, id="half of an unsigned one"),
        pytest.param(8_388_606, [column(size=3)], None, id="a small table of names, nearly full"),
        pytest.param(127, [column(size=1)], "critical", id="a small type at its end"),
        pytest.param(
            2_147_483_647, [column(key=True), column("of", size=8)], "critical", id="the key is it"
        ),
        pytest.param(
            2_147_483_647, [column("of"), column("n", size=8)], None,
            id="two may be it: the widest, and no false alarm",
        ),
        pytest.param(
            2_147_483_648, [column(key=True), column("n", size=8)], None,
            id="more than the key can hold: it is another's",
        ),
        pytest.param(2_147_483_647, [column(size=5)], None, id="a size that nobody knows"),
        pytest.param(2_147_483_647, [], None, id="no column is told"),
    ],
)  # fmt: skip
def test_the_end_of_a_counter_is_judged_by_its_columns_type(
    used: int, columns: list[IndexedColumn], expected: str | None
) -> None:
    counters = [Counter(table_id=1, name="shop/orders#p#p0", following=used + 1)]
    look = MysqlFuses(server=server(), sequences=near_their_end(counters, columns))
    found = list(fuses.diagnose(look, fuses.PROBE.settings))

    assert [each.severity.value for each in found] == ([expected] if expected else [])
    assert all(each.subject == "shop.orders" for each in found)
    assert decode(encode(look), MysqlFuses) == look


def test_tables_that_did_not_answer_are_unknown_and_not_well() -> None:
    look = MysqlFuses(server=server(), late=True)

    assert [f.code for f in fuses.diagnose(look, fuses.PROBE.settings)] == ["MY_OBS_SLOW"]
    assert [f.text for f in fuses.facts(look, fuses.PROBE.settings)] == ["unknown"]
