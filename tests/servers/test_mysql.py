"""MariaDB's troubles provoked for real: connections, row and metadata locks, rights, kills."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pymysql
import pytest

from cockpit.connect.mysql.acts import open_mysql_acts
from cockpit.connect.mysql.session import open_mysql
from cockpit.errors import BlindError, Misconfigured, Reason, Refused
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Thresholds
from cockpit.triage.recording import builtins, decode, encode
from cockpit.triage.registry import registry
from cockpit.world.servers import mariadb
from probes.mysql import locks as mysql_locks
from probes.mysql.locks import Settings as LockSettings
from probes.mysql.locks_model import MysqlLocks
from probes.mysql.sessions import Settings as SessionSettings
from tests.patience import at_most
from tests.servers import fresh
from tests.servers.mysql_crowd import Crowd
from tests.servers.private import (
    codes,
    look,
    my_settings,
    mysql_users,
    session_for,
    target,
    trouble,
    until,
)

pytestmark = pytest.mark.servers

AT_ONCE = LockSettings(
    row_wait=Thresholds(warning=0, high=20),
    metadata_wait=Thresholds(high=0),
)
MDL = "Waiting for table metadata%"
UPDATE = "UPDATE orders SET status = 'paid' WHERE id = 1"


async def judge(server: mariadb.MariaDb, probe: str, settings: object) -> tuple[Any, Any]:
    found = registry()[probe]
    to = target(my_settings(server))
    async with session_for(to.settings) as session:
        snapshot = await found.collect(session, to)
    return snapshot, judged(Look(to, found, settings), snapshot)


async def judge_until(server: mariadb.MariaDb, reached: Any) -> tuple[Any, Any]:
    return await until(lambda: judge(server, "mysql.locks", AT_ONCE), lambda pair: reached(pair[0]))


def longest(look: MysqlLocks) -> int:
    """How many wait in the longest queue."""
    return max((queue.length for queue in look.queues), default=0)


@pytest.mark.parametrize(
    ("changed", "code", "reason"),
    [
        pytest.param({"password": "env:T_WRONG"}, "MY_CONN_AUTH", "denied", id="password"),
        pytest.param({"database": "none"}, "MY_CONN_NO_GRANT", "denied", id="database"),
        pytest.param({"tls": "verify"}, "MY_CONN_TLS", "unreachable", id="no TLS there"),
        pytest.param({"port": 1}, "NET_TCP_REFUSED", "unreachable", id="closed port"),
        pytest.param({"host": "no.invalid"}, "NET_DNS_NXDOMAIN", "unreachable", id="name"),
        pytest.param({"tls_ca": "/nowhere", "tls": "verify"}, "", "misconfigured", id="CA file"),
    ],
)
async def test_a_login_that_fails_says_why(
    maria: mariadb.MariaDb, changed: dict[str, Any], code: str, reason: str
) -> None:
    error = await trouble(my_settings(maria, **changed))

    assert (error.code, error.reason.value) == (code, reason)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        pytest.param("UPDATE shop.orders SET status = 'x'", Reason.DENIED, id="update"),
        pytest.param("CREATE TABLE shop.stolen (i int)", Reason.DENIED, id="create"),
        pytest.param("SET GLOBAL read_only = 1", Reason.DENIED, id="set global"),
        pytest.param("SELECT nothing()", Reason.UNSUPPORTED, id="no such function"),
        pytest.param("SELECT SLEEP(10)", Reason.TIMEOUT, id="too long"),
    ],
)
async def test_an_observer_changes_nothing(
    maria: mariadb.MariaDb, statement: str, reason: Reason
) -> None:
    owner = my_settings(maria, user="app", password="env:T_APP")
    error = await trouble(owner, statement)

    assert error.reason is reason
    assert maria.execute("SELECT count(*) FROM shop.orders WHERE status = 'x'") == [(0,)]


async def test_a_full_server_refuses_new_sessions_and_keeps_ours(
    small_maria: mariadb.MariaDb,
) -> None:
    settings = my_settings(small_maria)
    async with session_for(settings) as kept:
        probe = registry()["mysql.sessions"]
        before = await probe.collect(kept, target(settings))
        crowd = Crowd(small_maria)
        for _ in range(9):
            crowd.open()
        reserved = await trouble(settings)
        spare = pymysql.connect(
            host="127.0.0.1", port=small_maria.port, user="root", ssl_disabled=True
        )
        full = await trouble(settings)
        assert probe.since is not None
        now = probe.since(before, await probe.collect(kept, target(settings)))
        seen = judged(Look(target(settings), probe, probe.settings), now)
        for connection in (spare, *crowd.connections):
            connection.close()

    assert (reserved.code, full.code) == ("MY_CONN_RESERVED_ONLY", "MY_CONN_SATURATED")
    saturated = next(f for f in seen.findings if f.code == "MY_SAT_CONNECTIONS")
    assert saturated.severity.value == "critical"
    assert "refused" in saturated.summary
    assert (seen.facts[1].label, seen.facts[1].text) == ("connections", "11/10")


async def test_a_stopped_server_is_mute_for_new_and_old_sessions(
    small_maria: mariadb.MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await open_mysql(my_settings(small_maria))
    await kept.value("SELECT 1")
    small_maria.pause()
    assert not small_maria._moves()
    try:
        fresh, old = await asyncio.gather(
            trouble(my_settings(small_maria)), _error(kept), return_exceptions=False
        )
        monkeypatch.setattr("cockpit.connect.mysql.session._CONNECT", 600)
        hanging = asyncio.create_task(_error(await open_mysql(my_settings(small_maria))))
        await asyncio.sleep(0.1)
        hanging.cancel()
        ended, _ = await asyncio.wait({hanging}, timeout=at_most(15))
        assert ended, "by itself it would take ten minutes"
    finally:
        small_maria.resume()
        await kept.close()

    assert (fresh.code, fresh.reason) == ("MY_CONN_MUTE", Reason.TIMEOUT)
    assert old.code == "MY_CONN_MUTE"


async def _error(session: Any) -> BlindError:
    try:
        await session.value("SELECT 1")
    except BlindError as error:
        return error
    finally:
        await session.close()
    pytest.fail("it answered")


async def test_a_killed_session_comes_back_at_the_next_statement(maria: mariadb.MariaDb) -> None:
    async with session_for(my_settings(maria)) as session:
        first = await session.value("SELECT CONNECTION_ID()")
        maria.execute(f"KILL {first}")
        assert await session.value("SELECT CONNECTION_ID()") != first


async def test_an_idle_server_has_nothing_wrong(maria: mariadb.MariaDb) -> None:
    for probe in ("mysql.sessions", "mysql.locks", "mysql.replication"):
        seen = await look(probe, my_settings(maria), twice=0.05)

        assert seen.findings == (), probe
        assert seen.facts
        assert seen.tables


async def test_a_row_lock_chain_is_blamed_on_its_head(maria: mariadb.MariaDb) -> None:
    with Crowd(maria) as crowd:
        head = crowd.hold("BEGIN", UPDATE)
        crowd.wait(UPDATE)
        crowd.wait(UPDATE)
        snapshot, seen = await judge_until(maria, lambda look: longest(look) == 2)
        id_ = head.thread_id()
        best = seen.tables[0].best[0]

        assert [(queue.head.id, queue.length) for queue in snapshot.queues] == [(id_, 2)]
        assert set(codes(seen)) == {"MY_LOCK_ROW"}
        assert "orders" in seen.findings[0].summary
        assert (best.call, best.releases, best.more) == ("kill_connection", 1, 1)
        assert best.args["id"] == id_
        assert "rows modified" in best.effect
        assert builtins(snapshot)["queues"][0]["best"]["host"] == best.args["host"]
        assert decode(encode(snapshot), MysqlLocks).queues[0].head.id == id_

        acts = await open_mysql_acts(my_settings(maria))
        useless = await acts.run("kill_query", best.args)
        done = await acts.run(best.call, best.args)
        with pytest.raises(Refused):
            await acts.run(best.call, best.args)
        with pytest.raises(Misconfigured):
            await acts.run(best.call, {"id": id_})
        await acts.close()

    assert not useless["done"]
    assert done["done"]


async def test_a_crowd_for_one_row_is_blamed_on_its_head_though_not_every_pair_is_read(
    maria: mariadb.MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = str(mysql_locks._MOST_PAIRS)
    assert limit in mysql_locks.PAIRS_OLD
    monkeypatch.setattr(mysql_locks, "PAIRS_OLD", mysql_locks.PAIRS_OLD.replace(limit, "14"))
    monkeypatch.setattr(mysql_locks, "_MOST_PAIRS", 14)
    with Crowd(maria) as crowd:
        id_ = crowd.hold("BEGIN", UPDATE).thread_id()
        for _ in range(10):
            crowd.wait(UPDATE)
        snapshot, seen = await judge_until(maria, lambda look: longest(look) == 10)

    assert [(queue.head.id, queue.length) for queue in snapshot.queues] == [(id_, 10)]
    assert set(codes(seen)) == {"MY_LOCK_ROW", "MY_OBS_SLOW"}
    best = seen.tables[0].best
    assert [(each.args["id"], each.releases, each.more) for each in best] == [(id_, 0, 10)]


async def test_a_metadata_lock_without_instruments_has_candidates_and_no_offer(
    maria: mariadb.MariaDb,
) -> None:
    """The oldest transaction is innocent: ended, it would have freed nobody."""
    maria.execute("CREATE TABLE IF NOT EXISTS shop.apart (id int)")
    with Crowd(maria) as crowd, ExitStack() as after:
        innocent = crowd.hold("BEGIN", "SELECT * FROM apart").thread_id()
        reader = crowd.hold("BEGIN", "SELECT * FROM orders").thread_id()
        await _open_for_a_second(maria, innocent, reader)
        crowd.wait("ALTER TABLE orders ADD COLUMN extra int", state=MDL)
        crowd.wait("SELECT * FROM orders", state=MDL)
        snapshot, seen = await judge_until(maria, lambda look: longest(look) == 2)
        await asyncio.to_thread(maria.execute, "INSTALL SONAME 'metadata_lock_info'")
        after.callback(maria.execute, "UNINSTALL SONAME 'metadata_lock_info'")
        (queue,), (finding,) = snapshot.queues, seen.findings
        install, asks = finding.next.partition(": ")[2].split("; ")
        async with session_for(my_settings(maria)) as session:
            told = await session.rows(asks, into=dict)
        after_it, now = await judge_until(maria, lambda look: look.held_told)

    assert codes(seen) == {"MY_LOCK_MDL": "high"}
    assert (queue.head.id, queue.inferred, queue.best) == (0, True, None)
    assert {each.id for each in queue.candidates} == {innocent, reader}
    assert seen.tables[0].best == ()
    assert [row.offers for row in seen.tables[0].rows] == [()] * 4
    assert install == "INSTALL SONAME 'metadata_lock_info'"
    assert [row["THREAD_ID"] for row in told if row["LOCK_MODE"] == "MDL_SHARED_READ"
            and row["TABLE_NAME"] == "orders"] == [reader]  # fmt: skip
    assert [(each.head.id, each.inferred) for each in after_it.queues] == [(reader, False)]
    assert [(each.call, each.releases, each.more) for each in now.tables[0].best] == [
        ("kill_query", 1, 0), ("kill_connection", 1, 1),
    ]  # fmt: skip


async def test_a_metadata_lock_is_seen_with_the_instrument_and_helped_by_a_cancel(
    base: Path,
) -> None:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    instrument = {"performance-schema-instrument": "wait/lock/metadata/sql/mdl=ON"}
    settings: dict[str, str | int] = {"performance-schema": "on", **instrument}
    maria = mariadb.start(fresh.mariadb_data(folder / "m"), settings=settings)
    with ExitStack() as ending:
        ending.callback(maria.stop)
        mysql_users(maria)
        maria.execute("GRANT SELECT ON performance_schema.* TO ro@'%'")
        crowd = ending.enter_context(Crowd(maria))
        reader = crowd.hold("BEGIN", "SELECT * FROM orders").thread_id()
        change = crowd.wait("ALTER TABLE orders ADD COLUMN extra int", state=MDL).thread_id()
        crowd.wait("SELECT * FROM orders", state=MDL)
        crowd.wait("SELECT * FROM orders", state=MDL)
        snapshot, seen = await judge_until(maria, lambda look: longest(look) == 3)
        best = seen.tables[0].best[0]
        acts = await open_mysql_acts(my_settings(maria))
        done = await acts.run(best.call, best.args)
        await acts.close()
        after, _ = await judge_until(maria, lambda look: longest(look) == 0)

    assert codes(seen) == {"MY_LOCK_MDL": "high"}
    assert (snapshot.queues[0].head.id, snapshot.queues[0].inferred) == (reader, False)
    assert (best.call, best.args["id"], best.releases) == ("kill_query", change, 2)
    assert done["done"]
    assert after.queues == ()


async def _open_for_a_second(maria: mariadb.MariaDb, *ids: int) -> None:
    """Until the transactions are older than a wait that begins now, in whole seconds."""
    asks = "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE TIMESTAMPDIFF"
    asks += "(SECOND, trx_started, NOW()) >= 2"

    async def old() -> set[int]:
        return {int(row[0]) for row in maria.execute(asks)}

    await until(old, lambda found: found >= set(ids))


@pytest.mark.parametrize(
    ("statement", "word", "told"),
    [
        pytest.param("SELECT GET_LOCK('held', 60)", "ended", "ok", id="GET_LOCK"),
        pytest.param("DO SLEEP(60)", "ended", "ok", id="DO SLEEP"),
        pytest.param("SELECT BENCHMARK(9000000000, MD5('x'))", "ended", "ok", id="BENCHMARK"),
        pytest.param(UPDATE, "was cancelled", "1317", id="a statement that waits for a row"),
    ],
)
async def test_a_killed_statement_is_told_as_its_client_hears_of_it(
    maria: mariadb.MariaDb, statement: str, word: str, told: str
) -> None:
    with Crowd(maria) as crowd:
        crowd.hold("SELECT GET_LOCK('held', 1)", "BEGIN", UPDATE)
        other = "UPDATE orders SET status = 'sent' WHERE id = 2"
        waits = crowd.wait(statement, after=("BEGIN", other))
        id_ = waits.thread_id()
        ((host,),) = maria.execute(
            f"SELECT host FROM information_schema.processlist WHERE id={id_}"
        )
        acts = await open_mysql_acts(my_settings(maria))
        done = await acts.run("kill_query", {"id": id_, "user": "app", "host": host})
        await acts.close()
        said = crowd.said(waits)

    assert done["done"]
    assert f"{word}; " in str(done["detail"])
    assert ("cancelled" in str(done["detail"])) is (told != "ok")
    assert str(done["detail"]).endswith("its transaction is still open, with all that it locked")
    assert said == told


async def test_a_global_lock_has_no_visible_head(maria: mariadb.MariaDb) -> None:
    backup = pymysql.connect(host="127.0.0.1", port=maria.port, user="root", ssl_disabled=True)
    with Crowd(maria) as crowd:
        with backup.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
        crowd.wait(UPDATE)
        _, seen = await judge_until(maria, lambda look: longest(look) == 1)
        backup.close()

    assert codes(seen) == {"MY_LOCK_GLOBAL": "critical"}


async def test_a_sleeping_transaction_and_a_long_statement_are_found(
    maria: mariadb.MariaDb,
) -> None:
    strict = SessionSettings(
        idle_transaction=Thresholds(warning=1), long_query=Thresholds(warning=1)
    )
    with Crowd(maria) as crowd:
        crowd.hold("BEGIN", UPDATE)
        crowd.wait("SELECT SLEEP(40), '\\0nul \u202ebidi [red]secret-4711[/red] \x1b[31m'")
        await asyncio.sleep(2.1)
        snapshot, seen = await judge(maria, "mysql.sessions", strict)
        recorded = encode(snapshot)

    assert codes(seen) == {"MY_SESS_IDLE_TRX": "warning", "MY_SESS_LONG_QUERY": "warning"}
    cells = " ".join(cell for row in seen.tables[0].rows for cell in row.cells)
    assert all(ord(character) >= 32 for character in cells)
    assert "4711" not in cells
    assert b"4711" not in recorded
    assert "\u202e" not in cells


async def test_a_backup_and_a_schema_change_are_no_longest_statement(
    maria: mariadb.MariaDb,
) -> None:
    strict = SessionSettings(long_query=Thresholds(high=1))
    maria.execute(
        "CREATE OR REPLACE TABLE shop.small (id int)", "INSERT INTO shop.small VALUES (1)"
    )
    with Crowd(maria) as crowd:
        crowd.wait("SELECT /*!40001 SQL_NO_CACHE */ SLEEP(60) FROM small")
        change = crowd.wait("CREATE TABLE shop.copied AS SELECT SLEEP(60) AS s FROM small")
        plain = crowd.wait("SELECT SLEEP(60)")
        snapshot, seen = await until(
            lambda: judge(maria, "mysql.sessions", strict), lambda pair: len(pair[1].findings) == 2
        )

    assert snapshot.longest.id == plain.thread_id()
    assert {f.subject: f.severity.value for f in seen.findings} == {
        f"thread {change.thread_id()}": "warning",
        f"thread {plain.thread_id()}": "high",
    }
    backup = next(thread for thread in snapshot.threads if thread.is_backup)
    assert backup.protected == "backup"


@pytest.mark.parametrize("probe", ["mysql.sessions", "mysql.locks", "mysql.replication"])
async def test_an_account_without_rights_is_blind_not_green(
    maria: mariadb.MariaDb, probe: str
) -> None:
    plain = my_settings(maria, user="plain", password="env:T_PLAIN")
    with Crowd(maria) as crowd:
        crowd.hold("BEGIN", UPDATE)
        seen = await look(probe, plain)

    assert codes(seen) == {"MY_OBS_BLIND": "info"}
    assert seen.findings[0].next.startswith("GRANT PROCESS, SLAVE MONITOR")
    if probe != "mysql.sessions":
        assert seen.facts[0].value is None


async def test_sleeping_sessions_of_one_user_end_in_a_bounded_batch(
    maria: mariadb.MariaDb,
) -> None:
    acts = await open_mysql_acts(my_settings(maria))
    with Crowd(maria) as crowd:
        for _ in range(4):
            crowd.open()
        batch = {"user": "app", "older_than_s": 0.0, "most": 3}
        done = await acts.run("kill_idle_of_user", batch)
        with pytest.raises(Misconfigured):
            await acts.run("kill_idle_of_user", {**batch, "most": 0})
        with pytest.raises(Refused):
            await acts.run("kill_idle_of_user", {**batch, "user": "rdsadmin"})
    await acts.close()

    ended: Any = done["ids"]
    assert len(ended) == 3


async def test_a_server_that_is_no_replica_has_nothing_to_start(maria: mariadb.MariaDb) -> None:
    maria.execute("GRANT REPLICATION SLAVE ADMIN ON *.* TO act@'%'")
    acts = await open_mysql_acts(my_settings(maria))
    done = await acts.run("start_replication", {})
    await acts.close()
    maria.execute("REVOKE REPLICATION SLAVE ADMIN ON *.* FROM act@'%'")

    assert not done["done"]
    assert "replicates from nobody" in str(done["detail"])


async def test_a_replica_is_followed_through_lag_stop_and_a_broken_row(base: Path) -> None:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    both = []
    try:
        for number in (1, 2):
            data = fresh.mariadb_data(folder / f"r{number}")
            both.append(mariadb.start(data, settings={"server-id": number, "log-bin": "bin"}))
            mysql_users(both[-1])
            both[-1].execute("RESET MASTER")
        primary, replica = both
        primary.execute(
            "CREATE USER repl@'%' IDENTIFIED BY 'repl-secret'",
            "GRANT REPLICATION SLAVE ON *.* TO repl@'%'",
        )
        mariadb.follow(replica, primary, user="repl", password="repl-secret")
        running = await _until(replica, lambda each: each.running)
        replica.execute("STOP SLAVE IO_THREAD")
        stopped = await _until(replica, lambda each: each.io == "No")
        acts = await open_mysql_acts(my_settings(replica))
        replica.execute("GRANT REPLICATION SLAVE ADMIN ON *.* TO act@'%'")
        started = await acts.run("start_replication", {})
        await acts.close()
        await _until(replica, lambda each: each.running)
        replica.execute("INSERT INTO shop.orders VALUES (99, 'here')")
        primary.execute("INSERT INTO shop.orders VALUES (99, 'xyzzy')")
        broken = await _until(replica, lambda each: each.sql == "No")
        cells = broken.tables[0].rows[0].cells
        secret = broken.tables[0].rows[0].secret
    finally:
        for server in both:
            server.stop()

    assert codes(running) == {"MY_REPL_WRITABLE": "high"}
    assert codes(stopped)["MY_REPL_STOPPED"] == "critical"
    assert stopped.facts[0].value is None
    assert started["done"]
    assert "error 1062" in broken.findings[0].summary
    assert "Duplicate entry ? for key" in cells[-1]
    assert secret is not None
    assert "xyzzy" in secret.reveal()
    assert "xyzzy" not in f"{broken.findings} {cells} {encode(broken.snapshot)!r}"


async def _until(replica: mariadb.MariaDb, reached: Any) -> Any:
    settings = registry()["mysql.replication"].settings
    _, seen = await until(
        lambda: judge(replica, "mysql.replication", settings),
        lambda pair: bool(pair[0].channels) and reached(pair[0].channels[0]),
    )
    return seen
