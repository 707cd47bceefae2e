"""PostgreSQL's probes from literals: thresholds, ladders, traps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.redact import SecretText
from cockpit.triage.target import Target
from probes.postgres import sessions as postgres_sessions
from probes.postgres.model import Session, offers
from probes.postgres.pulse import Client, Prepared, PulseRow
from probes.postgres.sessions_model import LockHolder, PostgresSessions
from tests.probes.postgres_looks import AT, pulse, session


def found(look: PostgresSessions) -> list[tuple[str, str, str]]:
    findings = postgres_sessions.diagnose(look, postgres_sessions.PROBE.settings)
    return [(f.code, f.severity.value, f.subject) for f in findings]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"backends": 76}, None, id="just below 80 % of the usable slots"),
        pytest.param({"backends": 77}, "warning", id="80 %"),
        pytest.param({"backends": 87}, "high", id="90 %"),
        pytest.param({"backends": 92}, "critical", id="fewer than five free"),
        pytest.param({"backends": 96}, "critical", id="none free"),
        pytest.param(
            {"backends": 15, "server": {"max_connections": 23}}, "warning", id="a small server"
        ),
        pytest.param({"backends": 47, "server": {"reserved": 47}}, "high", id="reserves count"),
    ],
)
def test_connections_are_judged_against_what_applications_may_use(
    changed: dict[str, Any], expected: str | None
) -> None:
    codes = {
        code: severity
        for code, severity, _ in found(PostgresSessions(pulse=pulse(**changed), sessions=()))
    }

    assert codes.get("PG_SAT_CONNECTIONS") == expected


def test_the_likeliest_cause_of_saturation_is_what_most_sessions_do() -> None:
    full = pulse(backends=96, by_state={"active": 70, "idle": 20}, lock_waiters=61)
    (finding,) = [
        f
        for f in postgres_sessions.diagnose(
            PostgresSessions(pulse=full, sessions=()), postgres_sessions.PROBE.settings
        )
        if f.code == "PG_SAT_CONNECTIONS"
    ]

    assert finding.summary == "97 of 100 connections used, 61 sessions wait on a lock"
    assert finding.likely[0] == "sessions pile up behind a lock"
    assert finding.fact


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"state_s": 59}, None, id="just below a minute"),
        pytest.param({"state_s": 60}, "warning", id="a minute"),
        pytest.param({"state_s": 300}, "high", id="five minutes"),
        pytest.param(
            {"state": "idle in transaction (aborted)", "xact_s": None, "state_s": 61},
            "warning",
            id="an aborted one has no transaction start",
        ),
        pytest.param({"state": "active", "state_s": 400, "query_s": 1}, None, id="a busy one"),
        pytest.param({"state": "idle", "state_s": 9000}, None, id="an idle one holds nothing"),
        pytest.param({"state": None, "state_s": None}, None, id="a hidden one is unknown"),
    ],
)
def test_an_idle_transaction_is_aged_by_its_state(
    changed: dict[str, Any], expected: str | None
) -> None:
    idle = session(7, **{"state": "idle in transaction", "xact_s": 400.0, **changed})
    codes = {
        code: severity
        for code, severity, _ in found(PostgresSessions(pulse=pulse(), sessions=(idle,)))
    }

    assert codes.get("PG_SESS_IDLE_TX") == expected


def test_an_idle_transaction_that_holds_others_up_is_critical() -> None:
    idle = session(7, state="idle in transaction", state_s=31.0)
    blocked = PostgresSessions(
        pulse=pulse(lock_waiters=3), sessions=(idle,), holders=(LockHolder(pid=7, held_s=30.0),)
    )

    assert found(blocked) == [("PG_SESS_IDLE_TX", "critical", "pid 7")]


HARMLESS = "it has written nothing and holds back no vacuum; only a schema change waits for it"


TERMINATE = "terminate it: a cancel does nothing, it runs no statement"


@pytest.mark.parametrize(
    ("changed", "held_s", "expected"),
    [
        pytest.param({"has_xid": True}, None, ("high", TERMINATE, ()), id="it wrote"),
        pytest.param({"has_xmin": True}, None, ("high", TERMINATE, ()), id="it holds vacuum back"),
        pytest.param({}, None, ("high", TERMINATE, (HARMLESS,)), id="it only read"),
        pytest.param({}, 1.0, ("high", TERMINATE, ()), id="it only read, and holds others up"),
        pytest.param({"application_name": "pg_dump"}, None, None, id="the leader of a backup"),
        pytest.param({"usename": "rdsadmin"}, None, None, id="the provider's own"),
        pytest.param({"application_name": "nightly"}, None, None, id="one that may take long"),
        pytest.param(
            {"application_name": "pg_dump"},
            31.0,
            ("critical", "ask its owner (backup) before anything is ended", ()),
            id="a backup that holds others up",
        ),
        pytest.param(
            {"application_name": "nightly"},
            31.0,
            (
                "critical",
                "ask its owner (an application that may take long) before anything is ended",
                (),
            ),
            id="one that may take long holds others up",
        ),
    ],
)
def test_an_idle_transaction_is_blamed_for_what_it_does(
    changed: dict[str, Any], held_s: float | None, expected: tuple[Any, ...] | None
) -> None:
    idle = session(7, state="idle in transaction", state_s=301.0, xact_s=400.0, **changed)
    holders = () if held_s is None else (LockHolder(pid=7, held_s=held_s),)
    look = PostgresSessions(pulse=pulse(), sessions=(idle,), holders=holders)
    settings = replace(
        postgres_sessions.PROBE.settings, allowed_applications=("pg_dump", "nightly")
    )
    findings = list(postgres_sessions.diagnose(look, settings))

    assert [(f.severity.value, f.next, f.against) for f in findings] == (
        [] if expected is None else [expected]
    )


LONG = {"query_s": 400.0, "xact_s": 400.0}


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"backend_type": "logical replication apply worker", **LONG}, id="apply"),
        pytest.param({"backend_type": "walsender", **LONG}, id="walsender"),
        pytest.param({"backend_type": "autovacuum worker", **LONG}, id="autovacuum"),
        pytest.param({"backend_type": "parallel worker", **LONG}, id="parallel worker"),
        pytest.param({"application_name": "pg_dump", **LONG}, id="backup"),
        pytest.param({"usename": "rdsadmin", **LONG}, id="rdsadmin"),
        pytest.param({"wait_type": "Lock", **LONG}, id="the victim of a lock"),
        pytest.param({"query": SecretText("COPY t TO STDOUT"), **LONG}, id="copy"),
        pytest.param({"query": SecretText("CREATE INDEX i ON t (c)"), **LONG}, id="index build"),
        pytest.param({"query": SecretText("VACUUM t"), **LONG}, id="vacuum"),
        pytest.param({"query": SecretText("REPACK (CONCURRENTLY) t"), **LONG}, id="repack, 19"),
        pytest.param(
            {"query": SecretText("WAIT FOR LSN '0/3'"), **LONG}, id="waits for replay, 19"
        ),
        pytest.param({"query_s": 59.0}, id="short"),
    ],
)
def test_what_may_take_long_is_no_long_query(changed: dict[str, Any]) -> None:
    assert found(PostgresSessions(pulse=pulse(), sessions=(session(**changed),))) == []


async def test_the_longest_is_never_one_that_may_take_long() -> None:
    """What a runbook cancels: never replication, a backup, a victim or maintenance."""
    spared: list[dict[str, Any]] = [
        {"backend_type": "walsender"},
        {"backend_type": "autovacuum worker"},
        {"application_name": "pg_basebackup"},
        {"wait_type": "Lock"},
        {"query": SecretText("CREATE INDEX i ON t (c)")},
        {"query": SecretText("REFRESH MATERIALIZED VIEW v")},
        {"state": "idle in transaction"},
    ]
    sessions = [session(n, query_s=900.0, **changed) for n, changed in enumerate(spared, 10)]
    works = [session(1, query_s=61.0), session(2, query_s=75.0)]

    class Reads:
        pace = None
        sessions: Sequence[Session] = ()

        async def rows(self, sql: str, *_: object, into: type) -> Sequence[object]:
            if into is PulseRow:
                return [PulseRow(pulse())]
            return self.sessions if into is Session else []

    reads = Reads()
    to = Target(name="db", kind="postgres", settings=PostgresSettings(host="db", user="ro"))
    chosen = []
    for reads.sessions in (sessions, sessions + works):
        look = await postgres_sessions.collect(reads, to)  # type: ignore[arg-type]
        look = postgres_sessions.derive(look, postgres_sessions.Settings())
        chosen.append(look.longest and look.longest.pid)
    assert works[1].application_name is not None
    slow = postgres_sessions.Settings(allowed_applications=(works[1].application_name,))
    assert postgres_sessions.derive(look, slow).longest is None, "what the file allows is spared"

    assert chosen == [None, 2]


def test_long_statements_and_transactions_are_told_apart() -> None:
    look = PostgresSessions(
        pulse=pulse(),
        sessions=(
            session(1, query_s=61.0),
            session(2, query_s=301.0),
            session(3, query_s=1.0, xact_s=601.0, has_xid=True),
            session(4, query_s=1.0, xact_s=9000.0),
        ),
    )

    assert found(look) == [
        ("PG_SESS_LONG_QUERY", "high", "pid 2"),
        ("PG_SESS_LONG_QUERY", "warning", "pid 1"),
        ("PG_SESS_LONG_XACT", "warning", "pid 3"),
    ]


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(
            PostgresSessions(pulse=pulse(recovery=True), sessions=(), expects="writer"),
            [("PG_ROLE_WRONG", "critical", "")],
            id="a standby answers the writer's endpoint",
        ),
        pytest.param(
            PostgresSessions(pulse=pulse(recovery=True), sessions=(), expects="reader"),
            [],
            id="reader",
        ),
        pytest.param(
            PostgresSessions(pulse=pulse(hidden=3, by_state={"(hidden)": 9}), sessions=()),
            [("PG_OBS_BLIND", "info", "")],
            id="hidden rows",
        ),
        pytest.param(
            PostgresSessions(pulse=pulse(), sessions=(), pooler=True),
            [("PG_OBS_VIA_POOLER", "info", "")],
            id="through a pooler",
        ),
        pytest.param(
            PostgresSessions(pulse=pulse(prepared=Prepared(n=1, max_s=601.0)), sessions=()),
            [("PG_PREP_ORPHAN", "high", "")],
            id="an orphan",
        ),
        pytest.param(
            PostgresSessions(
                pulse=pulse(
                    by_client=(Client(usename="app", app="jobs", address="10.0.0.9", n=49),)
                ),
                sessions=(),
            ),
            [("PG_SAT_ONE_CLIENT", "info", "jobs from 10.0.0.9")],
            id="one client holds half, and there is room",
        ),
        pytest.param(
            PostgresSessions(
                pulse=pulse(
                    backends=79,
                    by_client=(Client(usename="app", app="jobs", address="10.0.0.9", n=49),),
                ),
                sessions=(),
            ),
            [
                ("PG_SAT_CONNECTIONS", "warning", ""),
                ("PG_SAT_ONE_CLIENT", "warning", "jobs from 10.0.0.9"),
            ],
            id="one client holds half of a server that is nearly full",
        ),
    ],
)
def test_a_state_has_its_finding(
    look: PostgresSessions, expected: list[tuple[str, str, str]]
) -> None:
    assert found(look) == expected


def test_a_restart_and_a_failover_are_remembered_for_a_while_and_then_forgotten() -> None:
    before = PostgresSessions(pulse=pulse(), sessions=())
    restarted = pulse(at=AT + timedelta(seconds=5), recovery=True, server={"started": AT})
    noticed = postgres_sessions.since(before, PostgresSessions(pulse=restarted, sessions=()))
    later = replace(restarted, at=AT + timedelta(minutes=5))
    kept = postgres_sessions.since(noticed, PostgresSessions(pulse=later, sessions=()))
    long_after = replace(restarted, at=AT + timedelta(minutes=20))
    over = postgres_sessions.since(kept, PostgresSessions(pulse=long_after, sessions=()))

    expected = ["PG_ROLE_CHANGED", "PG_RESTARTED"]
    assert [code for code, _, _ in found(noticed)] == expected
    assert [code for code, _, _ in found(kept)] == expected
    assert [severity for _, severity, _ in found(noticed)] == ["high", "high"]
    assert [severity for _, severity, _ in found(kept)] == ["info", "info"]
    assert found(replace(kept, crashed=True))[1][1] == "high"
    assert found(over) == []
    assert list(postgres_sessions.changes(noticed, "db")) == list(
        postgres_sessions.changes(kept, "db")
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, None, id="nothing happened"),
        pytest.param({"born": None}, None, id="the role may not see it"),
        pytest.param(
            {"born": AT}, "a server process crashed 5s ago: every session was dropped", id="crash"
        ),
        pytest.param(
            {"started": AT, "born": AT},
            "the server was restarted 5s ago: every session was dropped",
            id="restart",
        ),
    ],
)
def test_a_crash_that_the_postmaster_survives_is_a_restart_too(
    changed: dict[str, Any], expected: str | None
) -> None:
    born = {"born": AT - timedelta(days=1)}
    before = PostgresSessions(pulse=pulse(server=born), sessions=())
    after = pulse(at=AT + timedelta(seconds=5), server=born | changed)
    look = postgres_sessions.since(before, PostgresSessions(pulse=after, sessions=()))
    later = postgres_sessions.since(look, look)
    summaries = [
        [f.summary for f in postgres_sessions.diagnose(each, postgres_sessions.PROBE.settings)]
        for each in (look, later)
    ]

    assert summaries == [[expected] if expected else []] * 2


@pytest.mark.parametrize(
    ("changed", "calls"),
    [
        pytest.param({}, ["cancel_backend", "terminate_backend"], id="active"),
        pytest.param({"backend_type": "logical replication apply worker"}, [], id="apply worker"),
        pytest.param({"backend_type": "logical replication tablesync worker"}, [], id="tablesync"),
        pytest.param({"backend_type": "startup"}, [], id="recovery"),
        pytest.param({"backend_type": "walreceiver"}, [], id="walreceiver"),
        pytest.param({"backend_type": "something of 19"}, [], id="a process of a later version"),
        pytest.param({"backend_type": "parallel worker"}, [], id="its leader is the one to end"),
        pytest.param({"usename": "rdsproxyadmin"}, [], id="the proxy's own"),
        pytest.param({"state": "idle in transaction"}, ["terminate_backend"], id="idle: no cancel"),
        pytest.param({"usename": "rdsadmin"}, [], id="rdsadmin"),
        pytest.param({"backend_type": "walsender"}, [], id="walsender"),
        pytest.param({"application_name": "incident-cockpit"}, [], id="ourselves"),
        pytest.param({"application_name": "pg_dump"}, [], id="backup"),
        pytest.param(
            {
                "backend_type": "autovacuum worker",
                "query": SecretText("autovacuum: VACUUM t (to prevent wraparound)"),
            },
            [],
            id="wraparound vacuum",
        ),
        pytest.param({"backend_start": None}, [], id="without an identity"),
        pytest.param({"pid": 0}, [], id="a prepared transaction"),
    ],
)
def test_only_what_may_be_ended_is_offered(changed: dict[str, Any], calls: list[str]) -> None:
    assert [offer.call for offer in offers(session(**changed))] == calls
