"""PostgreSQL: who waits for whom, and recordings of other versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from cockpit.connect.rows import rows_into
from cockpit.errors import BlindError, Misconfigured, Reason
from cockpit.redact import SecretText
from cockpit.triage.engine import Look, judged
from cockpit.triage.recording import decode, encode
from cockpit.triage.target import Target
from probes.postgres import locks as postgres_locks
from probes.postgres import replication as postgres_replication
from probes.postgres import sessions as postgres_sessions
from probes.postgres.locks_model import LockNode, LockSummary, PostgresLocks, queues_of
from probes.postgres.model import Session
from probes.postgres.replication_model import Slot
from probes.postgres.sessions_model import PostgresSessions
from tests.probes.postgres_looks import AT, pulse, session
from tests.probes.test_postgres_replication import standby


def node(pid: int, *blockers: int, **changed: Any) -> LockNode:
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
    return LockNode(**{**base, **changed})


def locks(*nodes: LockNode, active: int | None = 100) -> PostgresLocks:
    waiters = sum(1 for each in nodes if each.blockers)
    summary = LockSummary(
        at=AT, version=160004, sees_all=True, role="ro", waiters=waiters, active=active
    )
    return PostgresLocks(summary=summary, queues=queues_of(nodes), nodes=nodes)


def lock_findings(look: PostgresLocks) -> list[tuple[str, str, str]]:
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
        pytest.param(
            [node(1), *(node(n, 1, wait_s=1.5) for n in range(2, 22))],
            500,
            ["critical"],
            id="many, and it does not pass",
        ),
        pytest.param(
            [node(1), *(node(n, 1, wait_s=4.0) for n in range(2, 6))], 500, [], id="four wait"
        ),
    ],
)
def test_a_queue_is_graded_by_time_and_length(
    nodes: list[LockNode], active: int, expected: list[str]
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
    assert [(o.call, o.releases, o.more) for o in table.best] == [
        ("cancel_backend", 2, 0),
        ("terminate_backend", 2, 14),
    ]
    assert "rolls back 14m 02s of app1's transaction" in table.best[1].effect
    assert "cancel on 1 would do nothing: it runs no statement" in table.note
    assert {code for code, _, _ in lock_findings(look)} == {
        "PG_LOCK_BLOCKED", "PG_LOCK_HOT_ROW", "PG_LOCK_DDL_QUEUE",
    }  # fmt: skip
    assert look.queues[0].best is not None
    assert (look.queues[0].best.releases, look.queues[0].best.more) == (2, 14)
    assert decode(encode(look), PostgresLocks) == replace(
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
    assert (alone.queues[0].best.releases, alone.queues[0].best.more) == (1, 399)
    rows = [_shown(look) for look in (alone, holds)]
    assert rows[0] == [(0, "1", "app1"), (1, "2", "app2"), (2, "×399", "api and 2 more, 2 clients")]
    assert rows[1] == [
        (0, "1", "app1"), (1, "2", "app2"), (2, "3", "app3"), (3, "4", "app4"),
        (2, "×398", "api and 1 more, 1 client"),
    ]  # fmt: skip


def _shown(look: PostgresLocks) -> list[tuple[int, str, str]]:
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
            postgres_sessions.PROBE,
            PostgresSessions(pulse=pulse(), sessions=(session(),)),
            id="sessions",
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
    read = decode(msgspec.json.encode(raw), PostgresLocks)

    assert (read.summary.active, read.nodes[1].wait_s) == (None, None)
    assert read.nodes[0].pid == 1
    del raw["summary"]["waiters"]
    with pytest.raises(Misconfigured):
        decode(msgspec.json.encode(raw), PostgresLocks)


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
