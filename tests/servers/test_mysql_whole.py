"""Locks over a whole MariaDB server, and transactions that no session has any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pymysql
import pytest

from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Finding, Severity, Thresholds
from cockpit.triage.registry import registry
from cockpit.world.servers import mariadb
from probes.mysql.locks import Settings
from probes.mysql.locks_model import MysqlLocks
from tests.servers.mysql_crowd import Crowd
from tests.servers.private import my_settings, session_for, target, until

pytestmark = pytest.mark.servers

AT_ONCE = Settings(row_wait=Thresholds(warning=0, high=20))
UPDATE = "UPDATE orders SET status = 'paid' WHERE id = {}"
BACKUP = tuple(f"BACKUP STAGE {stage}" for stage in ("START", "FLUSH", "BLOCK_DDL", "BLOCK_COMMIT"))


async def found(
    server: mariadb.MariaDb, reached: Callable[[MysqlLocks], bool]
) -> tuple[MysqlLocks, list[Finding], list[int]]:
    """Looks until it is as wanted; what it says, and whose end its tree offers."""
    probe, to = registry()["mysql.locks"], target(my_settings(server))

    async def ask() -> MysqlLocks:
        async with session_for(to.settings) as session:
            seen: MysqlLocks = await probe.collect(session, to)
            return seen

    look = await until(ask, reached)
    seen = judged(Look(to, probe, AT_ONCE), look)
    rows = [(row.key, row.offers) for table in seen.tables for row in table.rows]
    return look, list(seen.findings), [int(key.split()[0]) for key, offers in rows if offers]


@contextmanager
def holding(server: mariadb.MariaDb, *statements: str) -> Iterator[Any]:
    """A session of root that holds what those take."""
    held = pymysql.connect(host="127.0.0.1", port=server.port, user="root", ssl_disabled=True)
    with closing(held), held.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        yield held


@pytest.mark.parametrize(
    "statements", [("FLUSH TABLES WITH READ LOCK",), BACKUP], ids=["FTWRL", "BACKUP STAGE"]
)
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
async def test_who_has_the_whole_server_is_named_and_never_offered(
    maria: mariadb.MariaDb, statements: tuple[str, ...], *, told: bool
) -> None:
    if told:
        maria.execute("INSTALL SONAME 'metadata_lock_info'")
    try:
        with holding(maria, *statements) as backup, Crowd(maria) as crowd:
            id_ = backup.thread_id()
            commits = ("SET autocommit = 1",)
            crowd.wait(UPDATE.format(2), state="Waiting for backup lock", after=commits)
            _, (finding,), offered = await found(
                maria, lambda look: bool(look.queues) and look.queues[0].length == 1
            )
    finally:
        if told:
            maria.execute("UNINSTALL SONAME 'metadata_lock_info'")

    evidence = [str(each.value) for each in finding.evidence]
    assert (finding.code, finding.severity) == ("MY_LOCK_GLOBAL", Severity.CRITICAL)
    assert id_ not in offered
    assert (f"behind thread {id_}" in finding.summary) is told
    if told:
        assert finding.next.startswith(f"ask the owner of thread {id_}")
    else:
        assert any(each.startswith(f"thread {id_}, root") for each in evidence)
        assert "metadata_lock_info" in finding.next


async def test_a_prepared_transaction_without_its_client_has_nobody_to_kill(
    maria: mariadb.MariaDb,
) -> None:
    update = "UPDATE shop.orders SET status = 'half' WHERE id = 3"
    with holding(maria, "XA START 'left'", update, "XA END 'left'", "XA PREPARE 'left'"):
        pass
    try:
        with Crowd(maria) as crowd:
            crowd.wait(UPDATE.format(3), state="Updating", after=("SET autocommit = 1",))
            look, (finding,), _ = await found(maria, lambda look: bool(look.queues))
    finally:
        maria.execute("XA ROLLBACK 'left'")

    assert (finding.code, finding.severity) == ("MY_LOCK_XA", Severity.CRITICAL)
    assert "KILL cannot help" in finding.summary
    assert "XA RECOVER" in finding.next
    assert look.orphans is not None
    assert (look.orphans.transactions, look.orphans.modified) == (1, 1)
    assert look.queues[0].helps == ()
