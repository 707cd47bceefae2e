"""What MariaDB's sessions wait for besides rows and metadata, and a Galera node that answers nobody."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from cockpit.connect.mysql.acts import open_mysql_acts
from cockpit.errors import Refused
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Severity, Thresholds
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import mariadb
from cockpit.world.servers.process import free_port
from probes.mysql import locks as mysql_locks
from probes.mysql import sessions as mysql_sessions
from probes.mysql.locks_model import MysqlLocks
from probes.mysql.model import Thread, offers
from tests.servers import fresh
from tests.servers.mysql_crowd import Crowd
from tests.servers.private import codes, look, my_settings, mysql_users, session_for, target, until

pytestmark = pytest.mark.servers

ACK = "Waiting for semi-sync ACK%"
SOON = Thresholds(warning=0, high=20)
AT_ONCE = mysql_sessions.Settings(waiting=SOON, waiting_otherwise=SOON, long_query=SOON)
PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")


async def seen(server: mariadb.MariaDb) -> tuple[mysql_sessions.MysqlSessions, Seen]:
    """A look at the sessions that judges every wait."""
    probe, to = registry()["mysql.sessions"], target(my_settings(server))
    async with session_for(to.settings) as session:
        snapshot = await probe.collect(session, to)
    return snapshot, judged(Look(to, probe, AT_ONCE), snapshot)


def said(look: Seen, code: str) -> Any:
    (finding,) = [each for each in look.findings if each.code == code]
    return finding


@pytest.fixture(scope="module")
def logging(base: Path) -> Iterator[mariadb.MariaDb]:
    """A server with a log of changes, which semi-synchronous replication needs."""
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    server = mariadb.start(
        fresh.mariadb_data(folder / "m"), settings={"server-id": 1, "log-bin": "bin"}
    )
    try:
        mysql_users(server)
        yield server
    finally:
        server.stop()


@pytest.fixture
def alone(logging: mariadb.MariaDb) -> Iterator[mariadb.MariaDb]:
    """A primary whose commits wait for a replica, and there is none."""
    logging.execute(
        "SET GLOBAL rpl_semi_sync_master_timeout = 600000",
        "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC",
        "SET GLOBAL rpl_semi_sync_master_enabled = 1",
    )
    yield logging
    logging.execute("SET GLOBAL rpl_semi_sync_master_enabled = 0")


async def test_commits_that_wait_for_a_replica_are_critical_and_nobody_is_offered(
    alone: mariadb.MariaDb,
) -> None:
    with Crowd(alone) as crowd:
        waits = [_commits(crowd, 1, state=ACK)]
        waits += [_commits(crowd, row, state="Commit") for row in (2, 3)]
        behind = _commits(crowd, 1, state="Updating")
        snapshot, looked = await seen(alone)
        finding = said(looked, "MY_REPL_SEMISYNC_WAIT")
        ids = {connection.thread_id() for connection in waits}
        committing = [each for each in snapshot.threads or () if each.id in ids]

        assert (finding.severity, finding.fact) == (Severity.CRITICAL, True)
        assert finding.summary.startswith("3 commits wait for a replica")
        assert "no replica that acknowledges is connected" in finding.summary
        assert len(committing) == len(ids)
        assert all(offers(thread) == () for thread in committing)
        assert not {"MY_SESS_LONG_QUERY", "MY_WAIT_OTHER"} & set(codes(looked))
        assert snapshot.longest is None or snapshot.longest.id not in ids

        async def queued() -> MysqlLocks:
            async with session_for(my_settings(alone)) as session:
                return await mysql_locks.collect(session, target(my_settings(alone)))

        locks = await until(queued, lambda found: bool(found.queues))
        assert locks.queues[0].head.id == waits[0].thread_id()
        assert locks.queues[0].helps == ()

        acts = await open_mysql_acts(my_settings(alone))
        try:
            for call in ("kill_query", "kill_connection"):
                with pytest.raises(Refused, match="ending it takes nothing back"):
                    await acts.run(call, _who(committing[0]))
        finally:
            await acts.close()
        alone.execute("SET GLOBAL rpl_semi_sync_master_enabled = 0")
        assert [crowd.said(each) for each in (*waits, behind)] == ["ok"] * 4
    assert "MY_REPL_SEMISYNC_WAIT" not in codes((await seen(alone))[1])


async def test_semi_sync_that_gave_up_is_told_until_it_is_switched_off(
    alone: mariadb.MariaDb,
) -> None:
    alone.execute("SET GLOBAL rpl_semi_sync_master_timeout = 1")
    alone.execute("UPDATE shop.orders SET status = 'alone' WHERE id = 4")
    finding = said((await seen(alone))[1], "MY_REPL_SEMISYNC_OFF")
    alone.execute("SET GLOBAL rpl_semi_sync_master_enabled = 0")

    assert finding.severity is Severity.WARNING
    assert {each.label: each.value for each in finding.evidence}["it gives up after"] == 0.001
    assert "MY_REPL_SEMISYNC_OFF" not in codes((await seen(alone))[1])


def _commits(crowd: Crowd, row: int, *, state: str) -> Any:
    update = f"UPDATE orders SET status = 'paid' WHERE id = {row}"
    return crowd.wait(update, state=state, after=("SET autocommit = 1",))


def _who(thread: Thread) -> dict[str, object]:
    return {"id": thread.id, "user": thread.user, "host": thread.host}


async def test_sessions_that_wait_for_a_whole_table_are_told_with_candidates(
    maria: mariadb.MariaDb,
) -> None:
    maria.execute(
        "CREATE OR REPLACE TABLE shop.notes (id int) ENGINE=MyISAM",
        "INSERT INTO shop.notes VALUES (1), (2), (3)",
    )
    with Crowd(maria) as crowd:
        reader = crowd.wait("SELECT id, SLEEP(300) FROM notes", state="User sleep")
        for number in range(5):
            crowd.wait(f"UPDATE notes SET id = {number}", state="Waiting for table level lock")
        snapshot, looked = await seen(maria)
        finding = said(looked, "MY_LOCK_TABLE")

        assert finding.severity is Severity.HIGH
        assert finding.summary.startswith("5 sessions wait for a whole table")
        shown = [str(each.value) for each in finding.evidence if each.label == "candidate"]
        assert [each.split(",")[0] for each in shown] == [f"thread {reader.thread_id()}"]
        assert snapshot.longest is not None
        assert snapshot.longest.id == reader.thread_id()


async def test_who_waits_in_get_lock_is_no_culprit_and_the_holder_is_named(
    maria: mariadb.MariaDb,
) -> None:
    with Crowd(maria) as crowd:
        holder = crowd.hold("SELECT GET_LOCK('job 7', 1)")
        for _ in range(5):
            crowd.wait("SELECT GET_LOCK('job 7', 300)", state="User lock")
        _, looked = await seen(maria)
        finding = said(looked, "MY_LOCK_USER")

        assert finding.severity is Severity.WARNING
        assert finding.summary.startswith("5 sessions wait in GET_LOCK")
        assert finding.summary.endswith(f"behind thread {holder.thread_id()}")
        assert "job 7" not in str(finding)
        assert "MY_SESS_LONG_QUERY" not in codes(looked)


async def test_a_wait_that_no_rule_is_about_is_told_as_itself(logging: mariadb.MariaDb) -> None:
    with Crowd(logging) as crowd:
        crowd.wait("SELECT MASTER_GTID_WAIT('0-9-999', 300)", state="Waiting in MASTER_GTID_WAIT%")
        _, looked = await seen(logging)
        finding = said(looked, "MY_WAIT_OTHER")

        assert "1 session: Waiting in MASTER_GTID_WAIT()" in finding.summary
        assert "MASTER_GTID_WAIT" in {fact.label: fact.text for fact in looked.facts}["states"]


@pytest.fixture
def node(folder: Path) -> Iterator[mariadb.MariaDb]:
    """A cluster of one node, which gives up soon when it finds no other."""
    if not PROVIDER.exists():
        pytest.fail("Galera is not installed: apt-get install galera-4")
    folder.chmod(0o755)
    server = mariadb.start(
        fresh.mariadb_data(folder / "m"),
        settings={
            "wsrep-on": "ON",
            "wsrep-provider": str(PROVIDER),
            "wsrep-cluster-address": "gcomm://",
            "wsrep-node-address": "127.0.0.1",
            "wsrep-provider-options": f"gmcast.listen_addr=tcp://127.0.0.1:{free_port()};"
            f"ist.recv_addr=127.0.0.1:{free_port()};gcache.size=4M;"
            "pc.wait_prim_timeout=PT1S;pc.announce_timeout=PT0.5S",
            "binlog-format": "ROW",
            "innodb-autoinc-lock-mode": 2,
        },
    )
    try:
        mysql_users(server)
        yield server
    finally:
        server.stop()


async def test_a_galera_node_that_answers_1047_is_told_in_each_of_its_ways(
    node: mariadb.MariaDb,
) -> None:
    settings = my_settings(node)
    async with session_for(settings) as kept:
        well = await look("mysql.sessions", settings, kept)
        assert not [code for code in codes(well) if "GALERA" in code]
        assert {fact.label: fact.text for fact in well.facts}["Galera"] == "Synced, 1 node"

        node.execute("SET GLOBAL wsrep_desync = ON")
        assert codes(await look("mysql.sessions", settings, kept))["MY_GALERA_NOT_SYNCED"] == "info"
        node.execute("SET GLOBAL wsrep_desync = OFF", "SET GLOBAL wsrep_reject_queries = ALL")
        assert _applications_get(node) == 1047
        refusing = codes(await look("mysql.sessions", settings, kept))
        assert refusing["MY_GALERA_REJECTS"] == "critical"

        node.execute("SET GLOBAL wsrep_reject_queries = NONE")
        node.execute("SET GLOBAL wsrep_cluster_address = 'gcomm://127.0.0.1:1'")
        assert _applications_get(node) == 1047
        for session in (kept, None):
            alone = await look("mysql.sessions", settings, session)
            finding = said(alone, "MY_GALERA_NOT_READY")
            assert finding.severity is Severity.CRITICAL
            assert "Disconnected" in finding.summary
        for probe in ("mysql.locks", "mysql.counters", "mysql.replication", "mysql.statements"):
            await look(probe, settings)


def _applications_get(node: mariadb.MariaDb) -> int:
    """The number of the error that a statement on a table ends with; 0: none."""
    try:
        node.execute("SELECT count(*) FROM shop.orders")
    except pymysql.MySQLError as error:
        return int(error.args[0])
    return 0
