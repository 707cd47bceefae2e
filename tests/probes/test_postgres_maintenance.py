"""What is said of vacuum and wraparound, from literals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.triage.probe import Neighbour
from cockpit.triage.recording import decode, encode
from probes.postgres.maintenance import PROBE, Settings, beside, diagnose
from probes.postgres.maintenance_model import (
    DatabaseAge,
    Dead,
    HorizonHolder,
    Maintenance,
    MaintenanceState,
    Vacuum,
    taken,
)

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
M = 1_000_000


def state(**changed: Any) -> MaintenanceState:
    values: dict[str, Any] = {
        "at": AT,
        "recovery": False,
        "version": 160004,
        "role": "ro",
        "sees_all": True,
        "hidden": 0,
        "database": "shop",
        "feedback": False,
        "autovacuum": True,
        "next_xid": 1000,
        "freeze_max_age": 200 * M,
        "workers_max": 3,
        "workers": 0,
        "databases": (DatabaseAge(name="shop", xid_age=100 * M, multixact_age=5),),
        "holders": (),
        "vacuums": (),
    }
    return MaintenanceState(**{**values, **changed})


def look(tables: tuple[Dead, ...] = (), busy_s: float | None = None, **changed: Any) -> Maintenance:
    return Maintenance(state=state(**changed), tables=tables, busy_s=busy_s)


def found(look: Maintenance, settings: Settings | None = None) -> list[tuple[str, str, str]]:
    return [
        (each.code, each.severity.value, each.subject)
        for each in diagnose(look, settings or Settings())
    ]


def aged(xid: float, multixact: float = 0, name: str = "shop", **changed: Any) -> DatabaseAge:
    return DatabaseAge(name=name, xid_age=int(xid), multixact_age=int(multixact), **changed)


@pytest.mark.parametrize(
    ("databases", "expected"),
    [
        pytest.param((aged(200 * M),), [], id="autovacuum's own limit is routine"),
        pytest.param((aged(500 * M - 1),), [], id="just below the limit"),
        pytest.param((aged(500 * M),), [("warning", "shop xid")], id="a quarter is used"),
        pytest.param((aged(1000 * M),), [("high", "shop xid")], id="half is used"),
        pytest.param((aged(1500 * M),), [("critical", "shop xid")], id="three quarters are used"),
        pytest.param((aged(1, 1500 * M),), [("critical", "shop multixact")], id="multixacts too"),
        pytest.param(
            (aged(2147 * M, name="template0", connectable=False),),
            [("critical", "template0 xid")],
            id="a database without connections counts",
        ),
        pytest.param(
            (aged(600 * M), aged(1600 * M, name="old")),
            [("critical", "old xid")],
            id="the oldest stands for all",
        ),
        pytest.param(
            tuple(aged(600 * M + n, name=f"d{n}") for n in range(11)),
            [("warning", "d10 xid")],
            id="eleven are one finding",
        ),
        pytest.param(
            (aged(600 * M, 700 * M),),
            [("warning", "shop xid"), ("warning", "shop multixact")],
            id="two kinds of numbers are two",
        ),
    ],
)
def test_ages_are_graded_by_database(
    databases: tuple[DatabaseAge, ...], expected: list[tuple[str, str]]
) -> None:
    assert found(look(databases=databases)) == [("PG_XID_WRAP", *each) for each in expected]


def test_the_other_databases_are_evidence() -> None:
    databases = tuple(aged(600 * M + n, name=f"d{n}") for n in range(11))
    (finding,) = diagnose(look(databases=databases), Settings())
    evidence = {each.label: each.value for each in finding.evidence}

    assert "database d10 has used" in finding.summary
    assert evidence["also d9"] == 600 * M + 9
    assert evidence["and more databases"] == 5


@pytest.mark.parametrize(
    ("system", "age", "expected"),
    [
        pytest.param("7", 60, "info", id="its primary tells it"),
        pytest.param("8", 60, "critical", id="another system"),
        pytest.param("", 60, "critical", id="nobody knows whose copy it is"),
        pytest.param("7", 301, "critical", id="the primary was not seen lately"),
    ],
)
def test_a_standby_repeats_its_primary_as_information_only(
    system: str, age: float, expected: str
) -> None:
    databases = (aged(1600 * M),)
    primary = replace(look(databases=databases), system="7")
    standby = replace(look(databases=databases, recovery=True), system=system)
    told = Neighbour(target="orders-db", needed=False, age=age, snapshot=primary)
    (finding,) = diagnose(beside(standby, [told]), Settings())

    assert finding.severity.value == expected
    assert ("orders-db is its primary" in finding.next) == (expected == "info")


@pytest.mark.parametrize("connectable", [True, False])
def test_a_database_that_takes_nobody_has_no_temporary_tables(connectable: bool) -> None:
    (finding,) = diagnose(look(databases=(aged(600 * M, connectable=connectable),)), Settings())

    assert ("orphaned temporary tables" in finding.likely) == connectable
    assert finding.against == (
        () if connectable else ("nobody can connect to it: autovacuum freezes it by itself",)
    )


@pytest.mark.parametrize(
    ("version", "left"),
    [(130023, 2**31 - M - 1500 * M), (140022, 2**31 - 3 * M - 1500 * M)],
    ids=["13 stops a million before", "14 three million"],
)
def test_what_is_left_depends_on_the_version(version: int, left: int) -> None:
    (finding,) = diagnose(look(version=version, databases=(aged(1500 * M),)), Settings())
    evidence = {each.label: each.value for each in finding.evidence}
    assert evidence["left until writes stop (SQLSTATE 54000)"] == left


def session(age: float = 0, **changed: Any) -> HorizonHolder:
    return HorizonHolder(
        **{"holder": "session", "id": "7", "xmin_age": int(age), "age_s": 5.0, **changed}
    )


SLOT = HorizonHolder(holder="slot", id="cdc", who="logical", xmin_age=11 * M, active=False)


@pytest.mark.parametrize(
    ("holders", "changed", "expected"),
    [
        pytest.param((session(10 * M - 1),), {}, [], id="just below the limit"),
        pytest.param((session(10 * M),), {}, [("warning", "pid 7")], id="ten million behind"),
        pytest.param((session(100 * M),), {}, [("high", "pid 7")], id="a hundred million behind"),
        pytest.param(
            (session(3, age_s=3600.0),), {}, [("warning", "pid 7")], id="an hour on a quiet server"
        ),
        pytest.param(
            (session(None or 0, xid_age=20 * M),), {}, [("warning", "pid 7")], id="a writer's own"
        ),
        pytest.param((SLOT,), {}, [("warning", "slot cdc")], id="a slot has no age in seconds"),
        pytest.param(
            (replace(SLOT, holder="slot (catalogs only)"),),
            {},
            [("warning", "slot cdc")],
            id="a logical slot holds the catalogs",
        ),
        pytest.param(
            (session(50 * M),), {"recovery": True}, [], id="a standby's own reads hold nobody"
        ),
        pytest.param(
            (session(50 * M),),
            {"recovery": True, "feedback": True},
            [("warning", "pid 7")],
            id="with feedback they hold the primary",
        ),
        pytest.param(
            (session(20 * M), SLOT, session(30 * M, id="8")),
            {},
            [("warning", "pid 8"), ("warning", "pid 7"), ("warning", "slot cdc")],
            id="the oldest comes first",
        ),
    ],
)
def test_holders_are_named(
    holders: tuple[HorizonHolder, ...], changed: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    got = found(look(holders=holders, **changed))
    assert got == [("PG_XID_HORIZON", *each) for each in expected]


def dead(rows: int, live: int = 100_000, vacuumed: float | None = None, **changed: Any) -> Dead:
    values = {"schema": "public", "name": "t", "live": live, "dead": rows, "vacuumed_s": vacuumed}
    return Dead(**{**values, **changed})


@pytest.mark.parametrize(
    ("table", "changed", "told"),
    [
        pytest.param(dead(100_000), {}, True, id="many, never vacuumed"),
        pytest.param(dead(99_999), {}, False, id="just below the limit"),
        pytest.param(dead(200_000, 1_000_000), {}, False, id="a fifth of the live ones is usual"),
        pytest.param(dead(200_001, 1_000_000), {}, True, id="more than a fifth"),
        pytest.param(dead(500_000, vacuumed=3599), {}, False, id="vacuumed within the hour"),
        pytest.param(dead(500_000, vacuumed=3600), {}, True, id="an hour ago"),
        pytest.param(dead(500_000), {"recovery": True}, False, id="a standby cannot vacuum"),
    ],
)
def test_dead_rows_count_when_nobody_cleans_them(
    table: Dead, changed: dict[str, Any], told: bool
) -> None:
    assert bool(found(look((table,), **changed))) is told


def test_a_vacuum_at_work_speaks_against_dead_rows() -> None:
    vacuum = Vacuum(pid=1, database="shop", relation="t", phase="scanning heap")
    (finding,) = diagnose(look((dead(500_000),), vacuums=(vacuum,)), Settings())
    assert finding.against == ("a vacuum works on it now",)


@pytest.mark.parametrize(
    ("workers", "seconds", "expected"),
    [
        pytest.param((3, 3), 600, [("PG_VAC_WORKERS", "warning", "")], id="busy for ten minutes"),
        pytest.param((3, 3), 599, [], id="not yet"),
        pytest.param((3, 2), 600, [], id="one is free now"),
        pytest.param((2, 3), 600, [], id="they became busy only now"),
    ],
)
def test_workers_are_busy_when_they_were_all_along(
    workers: tuple[int, int], seconds: float, expected: list[tuple[str, str, str]]
) -> None:
    first = look(workers=workers[0], busy_s=0.0 if workers[0] == 3 else None)
    second = look(
        workers=workers[1],
        busy_s=0.0 if workers[1] == 3 else None,
        at=AT + timedelta(seconds=seconds),
    )
    assert found(taken(first, second)) == expected


@pytest.mark.parametrize(
    ("next_xid", "seconds", "changed", "rate"),
    [
        pytest.param(1600, 60, {}, 10.0, id="six hundred in a minute"),
        pytest.param(1000, 60, {}, 0.0, id="none"),
        pytest.param(900, 60, {}, None, id="fewer than before: another server"),
        pytest.param(1600, 0, {}, None, id="no time has passed"),
        pytest.param(1600, -5, {}, None, id="the clock went back"),
        pytest.param(1600, 60, {"recovery": True}, None, id="it became a standby"),
    ],
)
def test_how_fast_numbers_are_used(
    next_xid: int, seconds: float, changed: dict[str, Any], rate: float | None
) -> None:
    later = look(next_xid=next_xid, at=AT + timedelta(seconds=seconds), **changed)
    assert taken(look(), later).xids_per_s == rate


def test_hidden_sessions_are_blind_and_never_none() -> None:
    hidden = look(hidden=4, sees_all=False)
    assert PROBE.facts is not None
    facts = {fact.label: fact.value for fact in PROBE.facts(hidden, PROBE.settings)}

    assert found(hidden) == [("PG_OBS_BLIND", "info", "horizon")]
    assert facts["horizon held back"] is None
    assert facts["autovacuum workers"] is None


def test_a_look_is_recorded_and_read_back() -> None:
    whole = look((dead(1),), holders=(session(5), SLOT), vacuums=(Vacuum(pid=3),))
    assert decode(encode(whole), Maintenance) == whole


def table(**changed: Any) -> Dead:
    values: dict[str, Any] = {
        "schema": "shop", "name": "carts", "live": 60_000, "dead": 0, "switched_off": True,
        "modified": 50_000,
    }  # fmt: skip
    return Dead(**{**values, **changed})


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(look(), [], id="it is on"),
        pytest.param(look(autovacuum=False), ["autovacuum"], id="off for the server"),
        pytest.param(look((table(),)), ["shop.carts"], id="off for a table that nobody measured"),
        pytest.param(look((table(analyzed_s=9e6),)), [], id="measured by hand"),
        pytest.param(look((table(switched_off=False),)), [], id="new, and autovacuum will come"),
        pytest.param(look((table(modified=49_999),)), [], id="small"),
        pytest.param(look((table(),), autovacuum=False), ["autovacuum"], id="one line for all"),
        pytest.param(look(autovacuum=False, recovery=True), [], id="a standby runs none"),
    ],
)
def test_autovacuum_that_is_off_is_told(seen: Maintenance, expected: list[str]) -> None:
    assert found(seen) == [("PG_VAC_OFF", "warning", each) for each in expected]
