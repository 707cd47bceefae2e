"""PostgreSQL's slow fuses from literals: what fires, what is just below, and what must not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from probes.postgres.fuses import PROBE
from probes.postgres.fuses_model import Archiver, InvalidIndex, PostgresFuses, Sequence, since

AT = datetime(2026, 11, 30, 2, 41, tzinfo=UTC)
SEGMENT = 16 * 2**20
LAST = "000000010000000200000010"
"""The 528th segment: 512 in two logs, and sixteen."""


def archiver(waiting: int = 0, **changed: Any) -> Archiver:
    """Its last file is `LAST`, and so many finished ones wait behind it."""
    values: dict[str, Any] = {
        "set": True, "alive": True, "segment": SEGMENT, "archived": LAST, "archived_s": 20.0,
        "position": (2 * 256 + 16 + 1 + waiting) * SEGMENT + 5,
    }  # fmt: skip
    return Archiver(**{**values, **changed})


def look(**changed: Any) -> PostgresFuses:
    values: dict[str, Any] = {
        "at": AT, "recovery": False, "version": 180000, "role": "ro", "sees_all": True,
        "database": "shop",
    }  # fmt: skip
    return PostgresFuses(**{**values, **changed})


def found(seen: PostgresFuses) -> list[tuple[str, str]]:
    return [(each.code, each.severity.value) for each in PROBE.diagnose(seen, PROBE.settings)]


def twice(*archivers: Archiver, seconds: float = 300) -> PostgresFuses:
    first, *rest = (
        look(at=AT + timedelta(seconds=number * seconds), archiver=each)
        for number, each in enumerate(archivers)
    )
    for each in rest:
        first = since(first, each)
    return first


NEVER: dict[str, Any] = {"archived": None, "archived_s": None}
HIGH, CRITICAL = [("PG_ARCHIVE_FAILING", "high")], [("PG_ARCHIVE_FAILING", "critical")]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(look(), [], id="archiving is off"),
        pytest.param(look(archiver=archiver()), [], id="nothing waits"),
        pytest.param(look(archiver=archiver(3)), [], id="some wait, and one was archived just now"),
        pytest.param(look(archiver=archiver(1, archived_s=9000.0)), [],
                     id="idle for hours, and a file is just finished"),
        pytest.param(look(archiver=archiver(1, failed=3, failed_s=5.0)), HIGH, id="it fails"),
        pytest.param(look(archiver=archiver(1, failed=3, failed_s=25.0)), [],
                     id="it failed, and went on"),
        pytest.param(look(archiver=archiver(0, failed=3, failed_s=5.0)), [],
                     id="it fails, and nothing waits"),
        pytest.param(look(archiver=archiver(1, alive=False)), HIGH,
                     id="exit codes that count no failure: there is no archiver"),
        pytest.param(look(archiver=archiver(0, alive=False)), [],
                     id="none is there, and none is wanted"),
        pytest.param(look(archiver=archiver(0, **NEVER, alive=False)), HIGH, id="it never worked"),
        pytest.param(look(archiver=archiver(9, alive=None, failed_s=5.0)), HIGH, id="13"),
        pytest.param(twice(archiver(1), archiver(4)), HIGH, id="it hangs: nothing in five minutes"),
        pytest.param(twice(archiver(1), archiver(4), seconds=239), [], id="not for long yet"),
        pytest.param(twice(archiver(0), archiver(0)), [], id="idle: nothing is finished"),
        pytest.param(
            twice(archiver(1), archiver(1, archived="000000010000000200000011")), [],
            id="slow, and it goes on",
        ),
        pytest.param(twice(archiver(0, **NEVER), archiver(2, **NEVER)), HIGH,
                     id="it never worked, and files are finished"),
        pytest.param(look(archiver=archiver(0, set=False)), HIGH, id="nothing is set to do it"),
        pytest.param(look(archiver=archiver(320)), [("PG_ARCHIVE_FAILING", "warning")],
                     id="5 GiB wait: it does not keep up"),
        pytest.param(look(archiver=archiver(1280, failed_s=5.0)), CRITICAL, id="20 GiB, and it fails"),
        pytest.param(look(archiver=archiver(1280)), [("PG_ARCHIVE_FAILING", "warning")],
                     id="20 GiB, and it works"),
        pytest.param(look(archiver=archiver(archived="00000002.history")), [],
                     id="a history file was last: how much waits is not known"),
        pytest.param(look(recovery=True, archiver=archiver(0, set=False)), [], id="a standby"),
    ],
)  # fmt: skip
def test_the_archive_is_judged_by_what_waits_and_not_by_the_failures_that_are_counted(
    seen: PostgresFuses, expected: list[tuple[str, str]]
) -> None:
    assert found(seen) == expected


def test_what_waits_is_counted_from_the_last_files_name() -> None:
    assert archiver().waiting == 0
    assert archiver(7).waiting == 7
    assert archiver(7).waiting_b == 7 * SEGMENT
    assert archiver(archived="00000001000000020000000F.00000028.backup").waiting == 1
    assert archiver(archived="00000002.history").waiting is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(79, [], id="just below"),
        pytest.param(80, [("PG_SEQUENCE_END", "warning")], id="four fifths"),
        pytest.param(95, [("PG_SEQUENCE_END", "high")], id="nearly"),
        pytest.param(99, [("PG_SEQUENCE_END", "high")], id="one is left"),
        pytest.param(100, [("PG_SEQUENCE_END", "critical")], id="no INSERT succeeds"),
        pytest.param(101, [("PG_SEQUENCE_END", "critical")], id="past what its column takes"),
    ],
)
def test_a_sequence_is_critical_when_no_number_is_left(
    value: int, expected: list[tuple[str, str]]
) -> None:
    sequence = Sequence(schema="public", name="orders_id_seq", value=value, bound=100)

    assert found(look(sequences=(sequence,))) == expected


def test_an_invalid_index_is_named_with_what_removes_it() -> None:
    index = InvalidIndex(schema="shop", name='by "day"', relation="orders", written=True)
    left = InvalidIndex(schema="shop", name="by_day_ccnew", relation="orders", written=True)
    first, second = PROBE.diagnose(look(indexes=(index, left)), PROBE.settings)

    assert first.severity.value == "warning"
    assert first.next.startswith('DROP INDEX CONCURRENTLY "shop"."by ""day""", then build it again')
    assert second.next == 'DROP INDEX CONCURRENTLY "shop"."by_day_ccnew"'


def test_sequences_that_are_hidden_are_told_and_not_counted_as_none() -> None:
    assert PROBE.facts is not None
    facts = {fact.label: fact for fact in PROBE.facts(look(hidden=3), PROBE.settings)}

    assert "3 hidden: GRANT SELECT ON SEQUENCE" in facts["fullest sequence"].text
    assert facts["fullest sequence"].value is None
