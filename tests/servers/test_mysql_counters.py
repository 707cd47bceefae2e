"""What MySQL's counters gain, for real on MariaDB: deadlocks, history, disk, scans, slow, lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pymysql
import pytest

from cockpit.connect.mysql.acts import MysqlActs, MysqlVictim
from cockpit.errors import Refused
from cockpit.runbooks.offer import STEP
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import mariadb
from probes.mysql import counters_model as _mysql_counters
from probes.mysql import locks as mysql_locks
from probes.mysql.counters import Settings
from probes.mysql.model import Thread, kill
from probes.mysql.sessions import Settings as SessionSettings
from probes.mysql.statements import Settings as StatementSettings
from tests import place
from tests.patience import at_most, eventually
from tests.servers import fresh, promised_mysql
from tests.servers.mysql_crowd import Crowd
from tests.servers.private import (
    SECRETS,
    codes,
    look,
    my_settings,
    mysql_users,
    session_for,
    target,
    until,
)
from tests.servers.seats import seated

pytestmark = pytest.mark.servers

ROWS = 30_000
LONG = (
    " JOIN ".join(f"information_schema.columns AS c{n}" for n in range(4))
    + " WHERE CONCAT(c0.table_name, c1.table_name, c2.table_name, c3.table_name) = 'none'"
)


@pytest.fixture(scope="module")
def counted() -> Iterator[mariadb.MariaDb]:
    """One with small buffers and logs, which counts statements, and a table larger than them. It is
    on a disk: in memory no write ever waits for the log.
    """
    folder = Path(tempfile.mkdtemp(prefix="cockpit-servers-", dir=os.environ[place.DISK]))
    folder.chmod(0o755)
    server = mariadb.start(
        fresh.mariadb_data(folder / "m"),
        settings={
            "max_connections": 40,
            "performance-schema": 1,
            "long-query-time": "0.05",
            "innodb-log-file-size": "4M",
            "innodb-log-buffer-size": "2M",
            "innodb-buffer-pool-size": "8M",
            "innodb-read-ahead-threshold": 0,
            "innodb-adaptive-flushing": 0,
            "innodb-max-dirty-pages-pct": 99,
            "innodb-max-dirty-pages-pct-lwm": 0,
            "tmp-memory-table-size": 16384,
            "max-heap-table-size": 16384,
            "innodb-lock-wait-timeout": 20,
        },
    )
    try:
        mysql_users(server)
        server.execute(
            "GRANT SELECT ON performance_schema.* TO ro@'%'",
            "CREATE TABLE shop.big (id int PRIMARY KEY, n int, body varchar(900)) ENGINE=InnoDB",
            "INSERT INTO shop.big SELECT seq, seq % 100, REPEAT('x', 800) "
            f"FROM shop.seq_1_to_{ROWS}",
            database="shop",
        )
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


async def during(
    server: mariadb.MariaDb, work: Callable[[], object], *, settings: object = None, **state: object
) -> tuple[Any, Seen]:
    """What `mysql.counters` says of the time that some work took; `state`: what was known."""
    probe = registry()["mysql.counters"]
    to = target(my_settings(server))
    async with session_for(to.settings) as session:
        before = replace(await probe.collect(session, to), **state)
        await asyncio.to_thread(work)
        now = await probe.collect(session, to)
    assert probe.since is not None
    snapshot = probe.since(before, now)
    return snapshot, judged(Look(to, probe, settings or probe.settings), snapshot)


def run(crowd: Crowd, *statements: str, times: int = 1) -> None:
    crowd_connection = crowd.open()
    crowd_connection.autocommit(True)
    with crowd_connection.cursor() as cursor:
        for _ in range(times):
            for statement in statements:
                cursor.execute(statement)
    crowd_connection.close()


async def test_a_quiet_moment_has_no_finding(counted: mariadb.MariaDb) -> None:
    for probe in ("mysql.counters", "mysql.statements"):
        seen = await until(  # the new table may still be on its way to the disk
            lambda probe=probe: look(probe, my_settings(counted), twice=0.3),  # type: ignore[misc]
            lambda seen: codes(seen).keys() <= {"MY_IO_DIRTY"},  # the small log holds it
        )
        assert seen.facts[0].value is not None
        assert seen.tables[0].rows or probe == "mysql.statements"


async def test_a_deadlock_is_counted(counted: mariadb.MariaDb) -> None:
    def deadlock(crowd: Crowd) -> None:
        one = crowd.hold("BEGIN", "UPDATE orders SET status = 'a' WHERE id = 1")
        other = crowd.hold("BEGIN", "UPDATE orders SET status = 'b' WHERE id = 2")
        waits = threading.Thread(target=_update, args=(other, 1), daemon=True)
        waits.start()
        promised_mysql.waiting(crowd, 1)
        _update(one, 2)
        waits.join(at_most(15))

    with Crowd(counted) as crowd:
        _, seen = await during(counted, lambda: deadlock(crowd))

    assert codes(seen)["MY_LOCK_DEADLOCKS"] == "info"
    assert any("1213" in finding.summary for finding in seen.findings)


def _update(connection: Any, row: int) -> None:
    """One of two is the victim, by the server's choice."""
    with contextlib.suppress(pymysql.MySQLError), connection.cursor() as cursor:
        cursor.execute(f"UPDATE orders SET status = 'b' WHERE id = {row}")


async def test_history_that_grows_names_the_reader_who_keeps_it(
    counted: mariadb.MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute of growth is made of the time that it took."""
    monkeypatch.setattr(_mysql_counters, "_MUCH_HISTORY", 100)
    monkeypatch.setattr(_mysql_counters, "MINUTE", 0.001)
    strict = Settings(history=Thresholds(warning=100), history_growth=Thresholds(high=0.001))
    with Crowd(counted) as crowd:
        reader = crowd.hold("START TRANSACTION WITH CONSISTENT SNAPSHOT", "SELECT 1 FROM orders")
        id_ = reader.thread_id()
        update = "UPDATE orders SET status = CONCAT(RAND(), '') WHERE id = 3"
        snapshot, seen = await during(
            counted, lambda: run(crowd, update, times=300), settings=strict
        )

    aged = replace(strict, history_age=0)
    to = target(my_settings(counted))
    later = judged(Look(to, registry()["mysql.counters"], aged), snapshot)

    assert codes(seen)["MY_TRX_HISTORY"] == "warning"
    assert codes(later)["MY_TRX_HISTORY"] == "high"
    assert snapshot.oldest.thread == id_
    assert f"thread {id_}" in seen.findings[0].summary


async def test_a_table_larger_than_the_buffers_is_read_from_disk(
    counted: mariadb.MariaDb,
) -> None:
    with Crowd(counted) as crowd:
        _, seen = await during(
            counted, lambda: run(crowd, "SELECT SUM(LENGTH(body)) FROM big", times=2)
        )

    assert codes(seen)["MY_IO_BUFFER_POOL"] in {"warning", "high"}


async def test_a_burst_of_writes_fills_the_redo_log(counted: mariadb.MariaDb) -> None:
    strict = Settings(log_age=Thresholds(high=0.5))
    with Crowd(counted) as crowd:
        write = "UPDATE big SET body = REPEAT(CHAR(65 + RAND() * 20), 800) WHERE id <= 1000"
        for _ in range(20):
            snapshot, seen = await during(counted, lambda: run(crowd, write), settings=strict)
            if snapshot.log_share >= 0.5:
                break

    assert codes(seen)["MY_IO_DIRTY"] == "high"


async def test_writes_larger_than_the_log_buffer_wait_for_it(counted: mariadb.MariaDb) -> None:
    anew = "CREATE OR REPLACE TABLE shop.blobs (id int PRIMARY KEY, b longblob)"

    def write(crowd: Crowd, number: int) -> None:
        insert = "REPLACE INTO blobs SELECT {0} + seq, REPEAT('y', 1900000) FROM seq_1_to_8"
        run(crowd, insert.format(number * 100))

    def until_it_waits(crowd: Crowd) -> None:
        waits = "SHOW GLOBAL STATUS LIKE 'Innodb_log_waits'"
        before = counted.execute(waits)
        for _ in range(30):
            counted.execute(anew)
            writers = [threading.Thread(target=write, args=(crowd, n), daemon=True) for n in (1, 2)]
            _all(writers)
            if counted.execute(waits) != before:
                return
        pytest.fail("no write ever waited")

    with Crowd(counted) as crowd:
        snapshot, once = await during(counted, partial(until_it_waits, crowd))
        _, again = await during(counted, partial(until_it_waits, crowd), pairs=snapshot.pairs)

    assert "MY_IO_LOG" not in codes(once)
    assert codes(again)["MY_IO_LOG"] == "high"


def _all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


async def test_grouping_text_makes_temporary_tables_on_disk(counted: mariadb.MariaDb) -> None:
    group = "SELECT body, COUNT(*) FROM (SELECT * FROM big WHERE id < 60) AS b GROUP BY body, id"
    with Crowd(counted) as crowd:
        _, seen = await during(counted, lambda: run(crowd, group, times=30))

    assert codes(seen)["MY_QRY_TMP_DISK"] == "warning"


async def test_a_join_without_an_index_reads_millions_of_rows(counted: mariadb.MariaDb) -> None:
    counted.execute("CREATE TABLE shop.plain AS SELECT seq AS n FROM shop.seq_1_to_1500")
    join = "SELECT COUNT(*) FROM plain AS a JOIN plain AS b ON a.n < b.n + 0"
    with Crowd(counted) as crowd:
        _, seen = await during(
            counted,
            lambda: run(crowd, "SET SESSION join_cache_level = 0", join),
        )

    assert codes(seen)["MY_QRY_FULL_SCAN"] == "info"


async def test_more_slow_statements_than_when_the_watch_began_are_told(
    counted: mariadb.MariaDb,
) -> None:
    with Crowd(counted) as crowd:
        _, seen = await during(
            counted, lambda: run(crowd, "SELECT SLEEP(0.06)", times=3), usual_slow=0.0
        )

    (slow,) = (finding for finding in seen.findings if finding.code == "MY_QRY_SLOW")
    assert slow.severity.value == "warning"
    assert "longer than 0.05 s" in slow.summary


@pytest.mark.parametrize("kind", ["clients", "logins"])
async def test_clients_that_vanish_and_logins_that_fail_are_told_apart(
    counted: mariadb.MariaDb, kind: str
) -> None:
    def vanish() -> None:
        before = _aborted(counted)
        for _ in range(8):
            connection = crowd.open()
            connection._sock.shutdown(socket.SHUT_RDWR)
            connection._force_close()
            crowd.connections.remove(connection)
        eventually(lambda: _aborted(counted) >= before + 8)

    def fail() -> None:
        for _ in range(8):
            with pytest.raises(pymysql.MySQLError):
                pymysql.connect(
                    host="127.0.0.1", port=counted.port, user="app", password="x",
                    ssl_disabled=True,
                )  # fmt: skip

    with Crowd(counted) as crowd:
        _, seen = await during(counted, vanish if kind == "clients" else fail)

    assert codes(seen)["MY_CONN_ABORTED"] == "warning"
    assert ("logins" in seen.findings[-1].summary) is (kind == "logins")


async def test_a_right_that_is_missing_is_told_and_a_login_is_not_taken_for_one(
    counted: mariadb.MariaDb,
) -> None:
    def ask(crowd: Crowd) -> None:
        connection = crowd.open()
        with connection.cursor() as cursor:
            for _ in range(30):
                with pytest.raises(pymysql.MySQLError):
                    cursor.execute("SELECT * FROM mysql.user")

    with Crowd(counted) as crowd:
        _, seen = await during(counted, lambda: ask(crowd))

    (finding,) = [each for each in seen.findings if each.code == "MY_ERR_RATE"]
    assert finding.subject == "1142 a right is missing"
    assert "errors and warnings" in {fact.label for fact in seen.facts}


async def test_the_last_prepared_statement_is_critical(counted: mariadb.MariaDb) -> None:
    counted.execute("SET GLOBAL max_prepared_stmt_count = 5")
    try:
        with Crowd(counted) as crowd:
            crowd.hold(*(f"PREPARE p{number} FROM 'SELECT {number}'" for number in range(5)))
            with pytest.raises(pymysql.MySQLError, match="max_prepared_stmt_count"):
                crowd.hold("PREPARE another FROM 'SELECT 1'")
            seen = await look("mysql.counters", my_settings(counted))
    finally:
        counted.execute("SET GLOBAL max_prepared_stmt_count = DEFAULT")

    assert codes(seen)["MY_SAT_PREPARED"] == "critical"


async def test_flush_status_gives_no_absurd_rate_and_a_change(counted: mariadb.MariaDb) -> None:
    def work() -> None:
        time.sleep(3.2)
        counted.execute("FLUSH STATUS")

    snapshot, seen = await during(counted, work)

    assert snapshot.reset
    assert snapshot.pairs == ()
    assert [change.kind for change in seen.changes] == ["mysql.status_reset"]


async def test_a_statement_that_became_slower_is_named_by_its_digest(
    counted: mariadb.MariaDb,
) -> None:
    probe = registry()["mysql.statements"]
    to = target(my_settings(counted))
    with Crowd(counted) as crowd:
        await asyncio.to_thread(run, crowd, "SELECT SLEEP(0.0011), 4711", times=30)
        async with session_for(to.settings) as session:
            before = await probe.collect(session, to)
            await asyncio.to_thread(run, crowd, "SELECT SLEEP(0.05), 4711", times=6)
            now = await probe.collect(session, to)
    assert probe.since is not None
    snapshot = probe.since(before, now)
    seen = judged(Look(to, probe, StatementSettings(regressed_share=0.05)), snapshot)

    assert codes(seen) == {"MY_QRY_REGRESSED": "warning"}
    assert "4711" not in str(seen)
    assert "SLEEP" in seen.tables[0].rows[0].cells[-1]


async def test_statements_are_hidden_from_an_account_without_rights_and_unknown_when_off(
    counted: mariadb.MariaDb, maria: mariadb.MariaDb
) -> None:
    plain = {"user": "plain", "password": "env:T_PLAIN"}
    hidden = await look("mysql.statements", my_settings(counted, **plain), twice=0.05)
    off = await look("mysql.statements", my_settings(maria), twice=0.05)
    still = await look("mysql.counters", my_settings(counted, **plain), twice=0.05)

    assert codes(hidden) == {"MY_OBS_BLIND": "info"}
    assert hidden.findings[0].next.startswith("GRANT SELECT ON performance_schema")
    assert (hidden.facts[0].value, off.facts[0].value) == (None, None)
    assert codes(off) == {}
    assert "performance_schema is off" in off.tables[0].note[0]
    assert still.facts[0].value is not None


async def test_a_killed_transaction_is_seen_to_roll_back(counted: mariadb.MariaDb) -> None:
    probe = registry()["mysql.sessions"]
    to = target(my_settings(counted))
    seen: list[Seen] = []
    with Crowd(counted) as crowd:
        victim = crowd.hold("BEGIN", "UPDATE big SET n = n + 1, body = REVERSE(body)")
        async with session_for(to.settings) as session:
            before = await probe.collect(session, to)
            counted.execute(f"KILL {victim.thread_id()}")
            for _ in range(200):
                now = await probe.collect(session, to)
                assert probe.since is not None
                before = probe.since(before, now)
                seen.append(judged(Look(to, probe, probe.settings), before))
                if "MY_TRX_ROLLBACK" in codes(seen[-1]):
                    break

    assert codes(seen[-1])["MY_TRX_ROLLBACK"] == "info"
    assert "do not restart" in seen[-1].findings[-1].next


async def test_a_crowd_that_runs_at_once_is_told(counted: mariadb.MariaDb) -> None:
    strict = SessionSettings(running=Thresholds(warning=3))
    probe = registry()["mysql.sessions"]
    to = target(my_settings(counted))
    with Crowd(counted) as crowd:
        for _ in range(3):
            crowd.wait("SELECT SLEEP(20)")
        async with session_for(to.settings) as session:
            snapshot = await probe.collect(session, to)
    seen = judged(Look(to, probe, strict), snapshot)

    assert codes(seen)["MY_SAT_RUNNING"] == "warning"
    assert snapshot.status.running >= 3
    assert snapshot.longest is not None


async def test_lock_tables_that_take_too_long_are_left_alone(
    maria: mariadb.MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_locks, "PAIRS_OLD", f"SELECT 1 AS waiter, 1 AS blocker FROM {LONG}")
    probe = registry()["mysql.locks"]
    to = target(my_settings(maria))
    update = "UPDATE orders SET status = 'x' WHERE id = 4"
    given_up = [_given_up(maria)]
    with Crowd(maria) as crowd:
        crowd.hold("BEGIN", update)
        crowd.wait(update)
        async with session_for(to.settings) as session:
            for _ in range(2):
                snapshot = await probe.collect(session, to)
                given_up.append(_given_up(maria))
    seen = judged(Look(to, probe, probe.settings), snapshot)

    assert codes(seen) == {"MY_OBS_SLOW": "warning"}
    assert given_up[1] == given_up[0] + 1, "the server itself gave the statement up"
    assert given_up[2] == given_up[1], "it was not sent again"


def _aborted(server: mariadb.MariaDb) -> int:
    return int(server.execute("SHOW GLOBAL STATUS LIKE 'Aborted_clients'")[0][1])


def _given_up(server: mariadb.MariaDb) -> int:
    """Statements that took longer than they may."""
    return int(server.execute("SHOW GLOBAL STATUS LIKE 'Max_statement_time_exceeded'")[0][1])


async def test_sessions_that_a_step_of_ours_killed_are_no_clients_that_vanished(
    maria: mariadb.MariaDb, folder: Path
) -> None:
    """As many as the server counts are ours; one that another kills is not."""
    settings = {"mysql.counters": Settings(aborted=Thresholds(warning=0.001))}
    with Crowd(maria) as crowd:
        for name in ("first", "second"):
            crowd.hold("BEGIN", f"SELECT '{name}'")
        (ours, theirs) = maria.execute(
            "SELECT id, user, host FROM information_schema.processlist WHERE user = 'app'"
        )
        async with seated((target(my_settings(maria)),), folder, settings) as desk:

            async def seen() -> Seen:
                outcome = (await desk.engine.look("db", "mysql.counters")).outcome
                assert isinstance(outcome, Seen)
                return outcome

            await seen()
            before = _aborted(maria)
            victim = dict(zip(("id", "user", "host"), ours, strict=True))
            run = desk.offer_run("db", kill(Thread(**victim)))
            plan = await run.plan(STEP)
            outcome = await run.execute(plan, run.approve(plan, typed=plan.confirm_word))
            assert outcome.kind == "ok", outcome
            eventually(lambda: _aborted(maria) == before + 1)
            assert "MY_CONN_ABORTED" not in codes(await seen())
            maria.execute(f"KILL {theirs[0]}")
            eventually(lambda: _aborted(maria) == before + 2)
            assert codes(await seen())["MY_CONN_ABORTED"] == "warning"


async def test_a_server_that_is_slow_for_us_is_looked_at_less_often(
    maria: mariadb.MariaDb,
) -> None:
    probe = registry()["mysql.sessions"]
    to = target(my_settings(maria))
    async with session_for(to.settings) as session:
        for _ in range(2):
            await session.value("SELECT SLEEP(1.1)")
        snapshot = await probe.collect(session, to)
        assert session.pace.factor == 2.0
    seen = judged(Look(to, probe, probe.settings), snapshot)

    assert codes(seen) == {"MY_OBS_SLOW": "warning"}


async def test_a_restart_and_a_flipped_role_are_told_and_give_no_rates(
    small_maria: mariadb.MariaDb,
) -> None:
    sessions, counters = registry()["mysql.sessions"], registry()["mysql.counters"]
    assert sessions.since is not None
    assert counters.since is not None
    settings = my_settings(small_maria)
    to = target(settings)
    await asyncio.sleep(max(0.0, 2 - float(_uptime(small_maria))))
    async with session_for(to.settings) as session:
        befores = [await probe.collect(session, to) for probe in (sessions, counters)]
        small_maria.execute("SET GLOBAL read_only = 1")
        flipped = sessions.since(befores[0], await sessions.collect(session, to))
    small_maria.stop()
    again = mariadb.start(small_maria.folder / "data", port=small_maria.port)
    try:
        async with session_for(replace(settings, expects="reader")) as session:
            nows = [await probe.collect(session, to) for probe in (sessions, counters)]
    finally:
        again.stop()
    restarted = sessions.since(flipped, nows[0])
    counts = counters.since(befores[1], nows[1])

    changed = judged(Look(to, sessions, sessions.settings), flipped)
    after = judged(Look(to, sessions, sessions.settings), restarted)
    writer = judged(Look(to, sessions, sessions.settings), replace(flipped, expects="writer"))
    assert codes(changed) == {"MY_ROLE_CHANGED": "high"}
    assert codes(writer)["MY_ROLE_WRONG"] == "critical"
    assert codes(after)["MY_RESTARTED"] == "high"
    assert restarted.rates is None
    assert (counts.pairs, counts.restarted) == ((), True)


def _uptime(server: mariadb.MariaDb) -> str:
    return str(server.execute("SHOW GLOBAL STATUS LIKE 'Uptime'")[0][1])


async def test_a_statement_is_killed_by_its_own_number(maria: mariadb.MariaDb) -> None:
    from cockpit.connect.mysql.acts import open_mysql_acts

    with Crowd(maria) as crowd:
        sleeper = crowd.wait("SELECT SLEEP(20)")
        host = maria.execute(
            f"SELECT host FROM information_schema.processlist WHERE id = {sleeper.thread_id()}"
        )[0][0]
        victim = MysqlVictim(sleeper.thread_id(), user="app", host=str(host))
        acts = await open_mysql_acts(my_settings(maria))
        assert isinstance(acts, MysqlActs)
        done = await acts.run("kill_query", victim.who)
        query = await acts._query_id(victim)
        with pytest.raises(Refused, match="ended before"):
            await acts._cancel_statement(victim, query=10**9)
        await acts.close()

    assert done["done"]
    assert query is None
    assert SECRETS["T_APP"] not in str(done)
