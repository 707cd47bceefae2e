"""PostgreSQL's probes from literals: thresholds, ladders, traps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from cockpit.connect.rows import rows_into
from cockpit.connect.settings import PostgresSettings
from cockpit.errors import BlindError, Misconfigured, Reason
from cockpit.redact import SecretText
from cockpit.triage.engine import Look, judged
from cockpit.triage.recording import decode, encode
from cockpit.triage.target import Target
from probes import postgres_locks, postgres_replication, postgres_sessions
from probes._postgres import Session, offers
from probes._postgres_locks import Locks, Node, Summary, queues_of
from probes._postgres_pulse import Client, Prepared, Pulse, Server
from probes._postgres_replication import Slot
from probes.postgres_sessions import Holder, Sessions
from tests.probes.test_postgres_replication import standby

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)


def pulse(**changed: Any) -> Pulse:
    server = {
        "version": 160004,
        "started": AT - timedelta(days=3),
        "role": "cockpit_ro",
        "sees_all": True,
        "max_connections": 100,
        "reserved": 3,
    }
    server |= changed.pop("server", {})
    values: dict[str, Any] = {
        "at": AT,
        "recovery": False,
        "backends": 9,
        "hidden": 0,
        "by_state": {"idle": 9},
        "by_client": (),
        "waits": (),
        "lock_waiters": 0,
        "prepared": Prepared(),
        "server": Server(**server),
    }
    return Pulse(**{**values, **changed})


def session(pid: int = 1, **changed: Any) -> Session:
    values: dict[str, Any] = {
        "pid": pid,
        "backend_start": AT,
        "usename": "app",
        "datname": "shop",
        "application_name": "checkout",
        "client": "10.0.0.7",
        "backend_type": "client backend",
        "state": "active",
        "query": SecretText("SELECT 1"),
    }
    return Session(**{**values, **changed})


def found(look: Sessions) -> list[tuple[str, str, str]]:
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
        code: severity for code, severity, _ in found(Sessions(pulse=pulse(**changed), sessions=()))
    }

    assert codes.get("PG_SAT_CONNECTIONS") == expected


def test_the_likeliest_cause_of_saturation_is_what_most_sessions_do() -> None:
    full = pulse(backends=96, by_state={"active": 70, "idle": 20}, lock_waiters=61)
    (finding,) = [
        f
        for f in postgres_sessions.diagnose(
            Sessions(pulse=full, sessions=()), postgres_sessions.PROBE.settings
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
        code: severity for code, severity, _ in found(Sessions(pulse=pulse(), sessions=(idle,)))
    }

    assert codes.get("PG_SESS_IDLE_TX") == expected


def test_an_idle_transaction_that_holds_others_up_is_critical() -> None:
    idle = session(7, state="idle in transaction", state_s=31.0)
    blocked = Sessions(
        pulse=pulse(lock_waiters=3), sessions=(idle,), holders=(Holder(pid=7, held_s=30.0),)
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
    holders = () if held_s is None else (Holder(pid=7, held_s=held_s),)
    look = Sessions(pulse=pulse(), sessions=(idle,), holders=holders)
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
        pytest.param({"query_s": 59.0}, id="short"),
    ],
)
def test_what_may_take_long_is_no_long_query(changed: dict[str, Any]) -> None:
    assert found(Sessions(pulse=pulse(), sessions=(session(**changed),))) == []


async def test_the_longest_is_never_one_that_may_take_long() -> None:
    """What a runbook cancels: never replication, a backup, a victim or maintenance."""
    spared = [
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

        async def rows(self, sql: str, *_: object, into: type) -> list[Any]:
            if into is postgres_sessions.PulseRow:
                return [postgres_sessions.PulseRow(pulse())]
            return self.sessions if into is Session else []

    reads = Reads()
    to = Target(name="db", kind="postgres", settings=PostgresSettings(host="db", user="ro"))
    chosen = []
    for reads.sessions in (sessions, sessions + works):
        look = await postgres_sessions.collect(reads, to)  # type: ignore[arg-type]
        chosen.append(look.longest and look.longest.pid)

    assert chosen == [None, 2]


def test_long_statements_and_transactions_are_told_apart() -> None:
    look = Sessions(
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
            Sessions(pulse=pulse(recovery=True), sessions=(), expects="writer"),
            [("PG_ROLE_WRONG", "critical", "")],
            id="a standby answers the writer's endpoint",
        ),
        pytest.param(
            Sessions(pulse=pulse(recovery=True), sessions=(), expects="reader"), [], id="reader"
        ),
        pytest.param(
            Sessions(pulse=pulse(hidden=3, by_state={"(hidden)": 9}), sessions=()),
            [("PG_OBS_BLIND", "info", "")],
            id="hidden rows",
        ),
        pytest.param(
            Sessions(pulse=pulse(), sessions=(), pooler=True),
            [("PG_OBS_VIA_POOLER", "info", "")],
            id="through a pooler",
        ),
        pytest.param(
            Sessions(pulse=pulse(prepared=Prepared(n=1, max_s=601.0)), sessions=()),
            [("PG_PREP_ORPHAN", "high", "")],
            id="an orphan",
        ),
        pytest.param(
            Sessions(
                pulse=pulse(
                    by_client=(Client(usename="app", app="jobs", address="10.0.0.9", n=49),)
                ),
                sessions=(),
            ),
            [("PG_SAT_ONE_CLIENT", "warning", "jobs from 10.0.0.9")],
            id="one client holds half",
        ),
    ],
)
def test_a_state_has_its_finding(look: Sessions, expected: list[tuple[str, str, str]]) -> None:
    assert found(look) == expected


def test_a_restart_and_a_failover_are_remembered_for_a_while_and_then_forgotten() -> None:
    before = Sessions(pulse=pulse(), sessions=())
    restarted = pulse(at=AT + timedelta(seconds=5), recovery=True, server={"started": AT})
    noticed = postgres_sessions.since(before, Sessions(pulse=restarted, sessions=()))
    later = replace(restarted, at=AT + timedelta(minutes=5))
    kept = postgres_sessions.since(noticed, Sessions(pulse=later, sessions=()))
    long_after = replace(restarted, at=AT + timedelta(minutes=20))
    over = postgres_sessions.since(kept, Sessions(pulse=long_after, sessions=()))

    expected = ["PG_ROLE_CHANGED", "PG_RESTARTED"]
    assert [code for code, _, _ in found(noticed)] == expected
    assert [code for code, _, _ in found(kept)] == expected
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
    before = Sessions(pulse=pulse(server=born), sessions=())
    after = pulse(at=AT + timedelta(seconds=5), server=born | changed)
    look = postgres_sessions.since(before, Sessions(pulse=after, sessions=()))
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
        pytest.param(
            {"backend_type": "parallel worker"},
            ["cancel_backend", "terminate_backend"],
            id="parallel worker",
        ),
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


def node(pid: int, *blockers: int, **changed: Any) -> Node:
    base: dict[str, Any] = {
        "pid": pid,
        "backend_start": AT,
        "usename": "app",
        "application_name": f"app{pid}",
        "state": "active",
        "query": SecretText("UPDATE public.orders SET a = 1"),
    }
    if blockers:
        base |= {
            "blockers": blockers,
            "wait_s": 40.0,
            "locktype": "transactionid",
            "mode": "ShareLock",
        }
    return Node(**{**base, **changed})


def locks(*nodes: Node, active: int | None = 100) -> Locks:
    waiters = sum(1 for each in nodes if each.blockers)
    summary = Summary(
        at=AT, version=160004, sees_all=True, role="ro", waiters=waiters, active=active
    )
    return Locks(summary=summary, queues=queues_of(nodes), nodes=nodes)


def lock_findings(look: Locks) -> list[tuple[str, str, str]]:
    findings = postgres_locks.diagnose(look, postgres_locks.PROBE.settings)
    return [(f.code, f.severity.value, f.subject) for f in findings]


@pytest.mark.parametrize(
    ("nodes", "active", "expected"),
    [
        pytest.param([], 5, [], id="nobody waits"),
        pytest.param([node(1), node(2, 1, wait_s=4.9)], 5, [], id="just below the limit"),
        pytest.param([node(1), node(2, 1, wait_s=5.0)], 5, ["warning"], id="five seconds"),
        pytest.param([node(1), node(2, 1, wait_s=30.0)], 5, ["high"], id="half a minute"),
        pytest.param(
            [node(1), *(node(n, 1, wait_s=6.0) for n in range(2, 7))], 90, ["high"], id="five wait"
        ),
        pytest.param(
            [node(1), *(node(n, 1, wait_s=6.0) for n in range(2, 7))],
            20,
            ["critical"],
            id="a quarter of all that is active",
        ),
        pytest.param(
            [node(1), *(node(n, 1, wait_s=6.0) for n in range(2, 22))],
            500,
            ["critical"],
            id="twenty wait",
        ),
        pytest.param(
            [node(1), *(node(n, 1, wait_s=1.0) for n in range(2, 22))],
            500,
            [],
            id="many, but only for a second",
        ),
    ],
)
def test_a_queue_is_graded_by_time_and_length(
    nodes: list[Node], active: int, expected: list[str]
) -> None:
    graded = [
        s for code, s, _ in lock_findings(locks(*nodes, active=active)) if code == "PG_LOCK_BLOCKED"
    ]

    assert graded == expected


@pytest.mark.parametrize(
    ("wait_s", "expected"), [(4.9, []), (5.0, ["PG_LOCK_PREPARED"])], ids=["passing", "left"]
)
def test_two_phase_commit_that_passes_by_is_no_finding(wait_s: float, expected: list[str]) -> None:
    look = locks(node(0, backend_start=None, state=None), node(2, 0, wait_s=wait_s))

    assert [code for code, _, _ in lock_findings(look)] == expected


def test_a_crowd_that_passes_by_needs_a_second_look() -> None:
    change = node(30, 1, locktype="relation", mode="AccessExclusiveLock", relation="orders")
    row = {"locktype": "tuple", "relation": "orders", "page": 0, "line": 1, "wait_s": 0.01}
    look = locks(node(1), change, node(31, 30), *(node(n, 1, **row) for n in range(2, 14)))
    gauges = {
        f.code for f in postgres_locks.diagnose(look, postgres_locks.PROBE.settings) if not f.fact
    }

    assert gauges == {"PG_LOCK_DDL_QUEUE", "PG_LOCK_HOT_ROW"}


def test_the_tree_collapses_a_crowd_and_offers_the_cheapest_first() -> None:
    row = {"locktype": "tuple", "relation": "orders", "page": 0, "line": 1}
    change = node(30, 1, locktype="relation", mode="AccessExclusiveLock", relation="orders")
    readers = [
        node(n, 30, locktype="relation", mode="AccessShareLock", relation="orders")
        for n in (31, 32)
    ]
    look = locks(
        node(1, state="idle in transaction", xact_s=842.0),
        node(2, 1),
        *(node(n, 2, *range(3, n), **row) for n in range(3, 15)),
        change,
        *readers,
    )
    (table,) = postgres_locks.tables(look, postgres_locks.PROBE.settings)

    assert [(r.depth, r.cells[0]) for r in table.rows] == [
        (0, "1"), (1, "2"), (2, "×12"), (1, "30"), (2, "×2"),
    ]  # fmt: skip
    assert [(o.call, o.releases) for o in table.best] == [
        ("cancel_backend", 2),
        ("terminate_backend", 16),
    ]
    assert "rolls back 14m 02s of app1's transaction" in table.best[1].effect
    assert "cancel on 1 would do nothing: it runs no statement" in table.note
    assert {code for code, _, _ in lock_findings(look)} == {
        "PG_LOCK_BLOCKED", "PG_LOCK_HOT_ROW", "PG_LOCK_DDL_QUEUE",
    }  # fmt: skip
    assert look.queues[0].best is not None
    assert look.queues[0].best.releases == 16
    assert decode(encode(look), Locks) == replace(
        look,
        nodes=tuple(replace(n, query=SecretText(str(n.query))) for n in look.nodes),
        queues=tuple(
            replace(q, head=replace(q.head, query=SecretText(str(q.head.query))))
            for q in look.queues
        ),
    )


def test_a_crowd_that_the_server_counted_weighs_as_much_as_one_that_is_listed() -> None:
    """The first of a row's queue stands for the rest, also when it holds somebody up itself."""
    crowd = {
        "locktype": "tuple", "relation": "orders", "page": 0, "line": 1, "crowd": 398,
        "crowd_wait_s": 50.0, "crowd_names": ("api", "worker"), "crowd_clients": ("10.0.0.1",),
    }  # fmt: skip
    alone = locks(node(1, xact_s=60.0), node(2, 1), node(3, 2, **crowd))
    holds = locks(node(1, xact_s=60.0), node(2, 1), node(3, 2, **crowd), node(4, 3))

    assert (alone.queues[0].length, alone.queues[0].hot) == (400, 400)
    assert alone.queues[0].longest == 50.0
    assert alone.queues[0].best is not None
    assert alone.queues[0].best.releases == 400
    rows = [_shown(look) for look in (alone, holds)]
    assert rows[0] == [(0, "1", "app1"), (1, "2", "app2"), (2, "×399", "api and 2 more, 2 clients")]
    assert rows[1] == [
        (0, "1", "app1"), (1, "2", "app2"), (2, "3", "app3"), (3, "4", "app4"),
        (2, "×398", "api and 1 more, 1 client"),
    ]  # fmt: skip


def _shown(look: Locks) -> list[tuple[int, str, str]]:
    (table,) = postgres_locks.tables(look, postgres_locks.PROBE.settings)
    return [(row.depth, row.cells[0], row.cells[1]) for row in table.rows]


def test_a_blocked_row_names_the_table_of_its_own_statement() -> None:
    assert node(2, 1).place == "a row of public.orders"
    assert node(2, 1, query=SecretText("SELECT 1")).place == "a row"
    assert node(2, 1, query=None).place == "a row"


def test_a_head_that_has_left_already_is_still_named() -> None:
    look = locks(node(2, 99))

    assert look.queues[0].head.pid == 99
    assert look.queues[0].best is None
    (table,) = postgres_locks.tables(look, postgres_locks.PROBE.settings)
    assert [r.cells[0] for r in table.rows] == ["99", "2"]


@pytest.mark.parametrize(
    ("probe", "snapshot"),
    [
        pytest.param(
            postgres_sessions.PROBE, Sessions(pulse=pulse(), sessions=(session(),)), id="sessions"
        ),
        pytest.param(postgres_locks.PROBE, locks(node(1), node(2, 1)), id="locks"),
        pytest.param(
            postgres_replication.PROBE,
            standby(slots=(Slot(name="s", type="physical"),)),
            id="replication",
        ),
    ],
)
def test_a_recorded_look_gives_the_same_findings(probe: Any, snapshot: Any) -> None:
    again = decode(encode(snapshot), probe.snapshot)
    target = Target(name="db", kind="postgres", settings=None)  # type: ignore[arg-type]
    look = Look(target, probe, probe.settings)

    assert judged(look, again).findings == judged(look, snapshot).findings
    assert judged(look, again).facts == judged(look, snapshot).facts


def test_a_recording_of_another_version_is_read_as_far_as_it_goes() -> None:
    look = locks(node(1), node(2, 1))
    raw = msgspec.json.decode(encode(look))
    raw["nodes"][0] |= {"quantum_state": "entangled"}
    raw["summary"] |= {"more": [1]}
    del raw["nodes"][1]["wait_s"], raw["summary"]["active"]
    read = decode(msgspec.json.encode(raw), Locks)

    assert (read.summary.active, read.nodes[1].wait_s) == (None, None)
    assert read.nodes[0].pid == 1
    del raw["summary"]["waiters"]
    with pytest.raises(Misconfigured):
        decode(msgspec.json.encode(raw), Locks)


@pytest.mark.parametrize(
    ("row", "reads"),
    [
        pytest.param({"pid": 1, "new": object()}, Session(pid=1), id="a column more"),
        pytest.param({"pid": 1, "state": "dreaming"}, Session(pid=1, state="dreaming"),
                     id="a state that nobody knows"),
        pytest.param({"state": "idle"}, None, id="without what it is known by"),
        pytest.param({"pid": "many"}, None, id="another type"),
    ],
)  # fmt: skip
def test_a_row_of_another_version_is_read_or_refused(
    row: dict[str, Any], reads: Session | None
) -> None:
    if reads is None:
        with pytest.raises(BlindError) as refused:
            rows_into([row], Session)
        assert refused.value.reason is Reason.UNREADABLE
        assert "newer" in refused.value.hint or "version" in refused.value.hint
    else:
        assert rows_into([row], Session) == [reads]
