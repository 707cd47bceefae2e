"""Who goes on when a session of a queue is ended, as far as it is known: from literals."""

from __future__ import annotations

from typing import Any

import pytest

from probes.postgres import locks as postgres_locks
from probes.postgres.locks_model import LockNode
from tests.probes.test_postgres_queues import locks, node

ROW: dict[str, Any] = {"locktype": "tuple", "relation": "orders", "page": 0, "line": 1}
ADVISORY: dict[str, Any] = {"locktype": "advisory", "classid": 0, "objid": 5}
SNAPSHOT: dict[str, Any] = {"locktype": "virtualxid"}
WISH: dict[str, Any] = {
    "locktype": "relation", "mode": "AccessExclusiveLock", "relation": "orders",
}  # fmt: skip
READ: dict[str, Any] = {**WISH, "mode": "AccessShareLock"}
IDLE = "idle in transaction"


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param(
            [node(1, state=IDLE), node(2, 1), node(3, 1, 2, **ROW)],
            [("terminate_backend", 1, 1, 1)],
            id="the next of a row waits for the transaction of the one before it",
        ),
        pytest.param(
            [node(1, state=IDLE), node(2, 1, **WISH), node(3, 2, **READ), node(4, 2, **READ)],
            [("cancel_backend", 2, 2, 0), ("terminate_backend", 1, 1, 2)],
            id="those who queue behind a wish go on when it is given up",
        ),
        pytest.param(
            [node(1, alone=True), node(2, 1)],
            [("cancel_backend", 1, 1, 0)],
            id="a statement that is its whole transaction lets go with it",
        ),
        pytest.param(
            [node(1, alone=False), node(2, 1)],
            [("cancel_backend", 1, 0, 1), ("terminate_backend", 1, 1, 0)],
            id="a savepoint may keep what was locked before the statement",
        ),
        pytest.param(
            [node(1, alone=True), node(2, 1, **ADVISORY)],
            [("cancel_backend", 1, 0, 1), ("terminate_backend", 1, 1, 0)],
            id="an advisory lock may be the session's",
        ),
        pytest.param(
            [node(1, state=IDLE), node(2, 1, 5), node(5, state=IDLE)],
            [],
            id="the end of one of two holders releases nobody",
        ),
        pytest.param(
            [node(1, state=IDLE), node(2, 1, **SNAPSHOT)],
            [("terminate_backend", 1, 0, 1)],
            id="an index build may find the next old transaction",
        ),
        pytest.param(
            [node(1, wait_type="IPC", wait_event="SyncRep"), node(2, 1, locktype="object")],
            [],
            id="a commit that waits for its standby is never ended",
        ),
    ],
)
def test_only_those_who_surely_go_on_are_promised(
    nodes: list[LockNode], expected: list[tuple[str, int, int, int]]
) -> None:
    (table,) = postgres_locks.tables(locks(*nodes), postgres_locks.PROBE.settings)

    assert [(o.call, o.args["pid"], o.releases, o.more) for o in table.best] == expected


def test_two_who_hold_the_same_are_both_named() -> None:
    look = locks(node(1, state=IDLE), node(2, 1, 5), node(5, state=IDLE))
    (finding,) = postgres_locks.diagnose(look, postgres_locks.PROBE.settings)

    assert finding.next == "pid 5 holds the same: ending pid 1 alone releases nobody"


@pytest.mark.parametrize(
    ("nodes", "severity"),
    [
        pytest.param([node(1), node(2, 1, **SNAPSHOT)], "info", id="it holds up nobody"),
        pytest.param([node(1), node(2, 1, **SNAPSHOT, wait_s=300.0)], "warning", id="for long"),
        pytest.param([node(1), node(2, 1, **SNAPSHOT), node(3, 2, **WISH)], "high", id="it does"),
        pytest.param([node(1), node(2, 1, **SNAPSHOT, wait_s=1.0)], None, id="not for long"),
    ],
)
def test_an_index_build_that_waits_is_judged_by_whom_it_holds_up(
    nodes: list[LockNode], severity: str | None
) -> None:
    found = postgres_locks.diagnose(locks(*nodes), postgres_locks.PROBE.settings)
    said = {f.severity.value for f in found if f.code == "PG_LOCK_BLOCKED"}

    assert said == ({severity} if severity else set())
