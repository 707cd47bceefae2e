"""When to look again before the usual time: soon enough to tell a wait as it becomes one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from probes.early import until_told
from probes.mysql.sessions import PROBE as MY_SESSIONS
from probes.mysql.sessions import MysqlSessions
from probes.mysql.status import ServerStatus
from probes.postgres.locks import PROBE as PG_LOCKS
from probes.postgres.locks_model import LockNode, LockQueue, LockSummary, PostgresLocks
from probes.postgres.sessions import PROBE as PG_SESSIONS
from probes.postgres.sessions_model import PostgresSessions
from tests.probes.mysql_looks import server, thread
from tests.probes.postgres_looks import AT, pulse, session


@pytest.mark.parametrize(
    ("waits", "how", "expected"),
    [
        pytest.param([], {}, None, id="nobody waits"),
        pytest.param([0.2, 3.0], {}, 2.1, id="when the longest reaches the limit"),
        pytest.param([5.0, 90.0], {}, None, id="what is told needs no hurry"),
        pytest.param([90.0, 1.0], {}, 4.1, id="another is on its way"),
        pytest.param([3], {"whole": True}, 1.5, id="whole seconds may be up to one ahead"),
        pytest.param([4], {"whole": True}, 0.5, id="never at once"),
        pytest.param([6], {"twice": True}, 0.25, id="its second look"),
        pytest.param([11], {"twice": True}, None, id="it had its second look"),
    ],
)
def test_seconds_until_a_wait_is_told(
    waits: list[float], how: dict[str, bool], expected: float | None
) -> None:
    assert until_told(waits, 5.0, **how) == pytest.approx(expected)


def test_nothing_hurries_without_a_limit() -> None:
    assert until_told([1.0], None) is None


def test_a_lock_that_holds_up_for_two_seconds_is_looked_at_when_it_is_five() -> None:
    summary = LockSummary(at=AT, version=160004, sees_all=True, role="ro", waiters=1)
    queue = LockQueue(head=LockNode(pid=1), length=1, longest=2.0)
    assert PG_LOCKS.again is not None
    told = PG_LOCKS.again(PostgresLocks(summary=summary, queues=(queue,)), PG_LOCKS.settings)
    assert told == pytest.approx(3.1)


def test_a_named_lock_is_looked_at_when_it_is_told_and_once_more() -> None:
    assert MY_SESSIONS.again is not None
    waits = [
        MY_SESSIONS.again(
            MysqlSessions(
                server=server(),
                status=ServerStatus(),
                threads=(thread(7, command="Query", state="User lock", query="x", secs=secs),),
                named_locks=(),
            ),
            MY_SESSIONS.settings,
        )
        for secs in (1, 5, 30)
    ]
    assert waits == [pytest.approx(3.5), pytest.approx(0.25), None]


@pytest.mark.parametrize(
    ("seconds", "woken"),
    [
        pytest.param(0.2, [], id="each commit waits for a moment"),
        pytest.param(3.0, ["postgres.replication"], id="one hangs"),
    ],
)
def test_a_commit_that_hangs_wakes_the_look_at_standbys(seconds: float, woken: list[str]) -> None:
    commit = session(4, state="active", wait_event="SyncRep", query_s=seconds)
    assert PG_SESSIONS.wakes is not None
    look = PostgresSessions(pulse=pulse(at=AT + timedelta(seconds=5)), sessions=(commit,))
    assert list(PG_SESSIONS.wakes(look)) == woken
