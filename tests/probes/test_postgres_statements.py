"""Statements between two looks, from literals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.redact import SecretText
from cockpit.triage.recording import decode, encode
from probes.postgres.statements import PROBE, Settings, diagnose
from probes.postgres.statements_model import (
    Counted,
    Info,
    PostgresStatements,
    ServerIdentity,
    Text,
    counters_sql,
    since,
)

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)


def identity(seconds: float = 0, **changed: Any) -> ServerIdentity:
    values: dict[str, Any] = {
        "at": AT + timedelta(seconds=seconds),
        "started": AT - timedelta(days=9),
        "role": "ro",
        "database": "shop",
        "recovery": False,
        "sees_all": True,
        "loaded": True,
        "schema": "public",
        "extension": "1.10",
    }
    return ServerIdentity(**{**values, **changed})


def ran(queryid: int, calls: int, mean_ms: float, **changed: Any) -> Counted:
    return Counted(
        **{"queryid": queryid, "userid": 1, "dbid": 1, "calls": calls, "ms": calls * mean_ms,
           **changed}
    )  # fmt: skip


def look(
    *counted: Counted, seconds: float = 0, dealloc: int = 0, **changed: Any
) -> PostgresStatements:
    return PostgresStatements(
        identity=identity(seconds, **changed), info=Info(dealloc=dealloc), counted=counted
    )


def both(before: Counted, calls: int, mean_ms: float) -> tuple[Counted, Counted]:
    """A statement and itself after more calls of another length."""
    return before, replace(before, calls=before.calls + calls, ms=before.ms + calls * mean_ms)


OTHER = both(ran(2, 10_000, 1.0), 2000, 1.0)


@pytest.mark.parametrize(
    ("pair", "other", "expected"),
    [
        pytest.param(both(ran(1, 1000, 10), 100, 60), OTHER, ["query 1"], id="six times slower"),
        pytest.param(both(ran(1, 1000, 10), 100, 49), OTHER, [], id="less than five times"),
        pytest.param(both(ran(1, 9, 10), 100, 60), OTHER, [], id="too few calls before"),
        pytest.param(both(ran(1, 1000, 1), 2, 100), OTHER, [], id="a tenth of the time or less"),
        pytest.param(
            both(ran(1, 1000, 0.1), 3, 10), both(ran(2, 1, 1), 0, 0), [], id="a server at rest"
        ),
    ],
)
def test_a_statement_is_slower_than_itself_before(
    pair: tuple[Counted, Counted], other: tuple[Counted, Counted], expected: list[str]
) -> None:
    now = since(look(pair[0], other[0]), look(pair[1], other[1], seconds=30))
    findings = list(diagnose(now, Settings()))
    assert [(each.code, each.subject) for each in findings] == [
        ("PG_QRY_REGRESSED", subject) for subject in expected
    ]


def test_only_those_with_the_most_time_are_judged() -> None:
    pairs = [both(ran(n, 100, 1), 100, 1000 + n) for n in range(1, 8)]
    now = since(look(*(p[0] for p in pairs)), look(*(p[1] for p in pairs), seconds=30))
    subjects = {each.subject for each in diagnose(now, Settings())}
    assert subjects == {f"query {n}" for n in (3, 4, 5, 6, 7)}


def test_a_statement_that_is_new_has_no_usual() -> None:
    now = since(look(ran(9, 1, 1)), look(ran(9, 1, 1), ran(1, 10, 500), seconds=30))
    assert [(each.queryid, each.usual_ms) for each in now.ran] == [(1, None)]
    assert list(diagnose(now, Settings())) == []


def test_an_entry_that_was_thrown_out_and_counted_anew_has_no_difference() -> None:
    now = since(look(ran(1, 1000, 5)), look(ran(1, 3, 500), seconds=30, dealloc=1))
    assert now.ran == ()
    assert now.evicted == 1


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"seconds": 0}, id="no time has passed"),
        pytest.param({"seconds": -1}, id="the clock went back"),
        pytest.param({"seconds": 601}, id="a gap"),
        pytest.param({"seconds": 30, "started": AT}, id="a restart"),
        pytest.param({"seconds": 30, "schema": "other"}, id="the extension moved"),
    ],
)
def test_what_cannot_be_compared_gives_nothing(changed: dict[str, Any]) -> None:
    now = since(look(ran(1, 10, 5)), look(ran(1, 20, 500), **changed))
    assert now.ran == ()
    assert now.load is None
    assert PROBE.facts is not None
    assert next(iter(PROBE.facts(now, PROBE.settings))).text == "unknown until the next look"


def test_a_reset_gives_nothing() -> None:
    before, now = look(ran(1, 10, 5)), look(ran(1, 20, 500), seconds=30)
    assert since(before, replace(now, info=Info(stats_reset=AT))).ran == ()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"schema": None, "extension": None}, "CREATE EXTENSION pg_stat_statements"),
        ({"loaded": False}, "shared_preload_libraries"),
        (
            {"extension": "1.7"},
            "ALTER EXTENSION pg_stat_statements UPDATE; in database shop (it is 1.7)",
        ),
    ],
    ids=["not created", "not loaded", "left as it was by an upgrade"],
)
def test_without_the_extension_that_is_a_fact(changed: dict[str, Any], says: str) -> None:
    missing = look(**changed)
    assert list(diagnose(missing, Settings())) == []
    assert PROBE.facts is not None
    assert says in next(iter(PROBE.facts(missing, PROBE.settings))).text


@pytest.mark.parametrize(
    ("extension", "asked"), [("1.8", "true AS toplevel"), ("1.9", "toplevel AS toplevel"),
                             ("1.12", "toplevel AS toplevel")],
)  # fmt: skip
def test_only_versions_that_know_top_levels_are_asked(extension: str, asked: str) -> None:
    assert asked in counters_sql(identity(extension=extension))


def test_evictions_speak_against_a_regression() -> None:
    first, second = both(ran(1, 1000, 10), 100, 100)
    now = since(look(first), look(second, seconds=30, dealloc=3))
    (finding,) = diagnose(now, Settings())
    assert "thrown out 3 times" in finding.against[0]


def test_literals_never_reach_a_finding_or_a_recording() -> None:
    first, second = both(ran(1, 1000, 10), 100, 100)
    text = Text(queryid=1, query=SecretText("ALTER ROLE app PASSWORD 'hunter2'"))
    now = since(look(first), replace(look(second, seconds=30), texts=(text,)))
    (finding,) = diagnose(now, Settings())
    recorded = encode(now)
    assert "hunter2" not in str(finding)
    assert b"hunter2" not in recorded
    assert decode(recorded, PostgresStatements).ran[0].mean_ms == now.ran[0].mean_ms
