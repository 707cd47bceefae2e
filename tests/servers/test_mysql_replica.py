"""A MariaDB replica in trouble, for real: held up by a lock, silent primary, wrong password."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pymysql
import pytest

from cockpit.connect.mysql.acts import open_mysql_acts
from cockpit.errors import Refused
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import mariadb
from probes.mysql.channels import Channel
from probes.mysql.model import Thread
from probes.mysql.replication import Settings as ReplicationSettings
from probes.mysql.threads import PROCESSLIST, THREADS
from tests.servers.mysql_crowd import Crowd
from tests.servers.private import REPLICATING, codes, look, my_settings, session_for, target, until

pytestmark = pytest.mark.servers

STRICT = ReplicationSettings(behind=Thresholds(warning=1), silent_least=1)


class Watch:
    """Looks again and again, each compared with the one before, as the engine does."""

    def __init__(self, session: Any, settings: Any) -> None:
        self._session = session
        self._to = target(settings)
        self._probe = registry()["mysql.replication"]
        self._before: Any = None

    async def look(self) -> tuple[Channel, Seen]:
        now = await self._probe.collect(self._session, self._to)
        assert self._probe.since is not None
        if self._before is not None:
            now = self._probe.since(self._before, now)
        self._before = now
        return now.channels[0], judged(Look(self._to, self._probe, STRICT), now)

    async def until(self, reached: Callable[[Channel, Seen], bool]) -> Seen:
        return (await until(self.look, lambda looked: reached(*looked)))[1]


def runs(channel: Channel, _: Seen) -> bool:
    return channel.running and channel.behind_s == 0


async def test_a_backups_lock_on_the_replica_holds_replication_up(
    pair: tuple[mariadb.MariaDb, mariadb.MariaDb],
) -> None:
    primary, replica = pair
    backup = pymysql.connect(host="127.0.0.1", port=replica.port, user="root", ssl_disabled=True)
    async with session_for(my_settings(replica)) as session:
        watch = Watch(session, my_settings(replica))
        healthy = await watch.until(runs)
        with backup.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
        primary.execute("UPDATE shop.orders SET status = 'late' WHERE id = 1")
        lags = await watch.until(lambda channel, _: (channel.behind_s or 0) >= 1)
        locks = await look("mysql.locks", my_settings(replica))
        backup.close()
        after = await watch.until(runs)

    assert codes(healthy) == codes(after) == {}
    assert codes(lags) == {"MY_REPL_LAG": "warning"}
    evidence = {each.label: each.value for each in lags.findings[0].evidence}
    assert "lock" in str(evidence["SQL thread does"])
    assert codes(locks) == {"MY_LOCK_GLOBAL": "critical"}


async def test_a_primary_that_hangs_is_told_while_the_replica_says_yes(
    pair: tuple[mariadb.MariaDb, mariadb.MariaDb],
) -> None:
    primary, replica = pair
    async with session_for(my_settings(replica)) as session:
        watch = Watch(session, my_settings(replica))
        await watch.until(runs)
        await asyncio.sleep(0.5)
        _, hears = await watch.look()
        primary.pause()
        try:
            silent = await watch.until(lambda _, seen: bool(seen.findings))
        finally:
            primary.resume()
        again = await watch.until(lambda _, seen: not seen.findings)

    assert codes(hears) == codes(again) == {}
    assert codes(silent) == {"MY_REPL_LAG": "high"}
    assert "both threads say Yes" in silent.findings[0].summary


async def test_a_replica_that_cannot_log_in_says_so_with_the_number(
    pair: tuple[mariadb.MariaDb, mariadb.MariaDb],
) -> None:
    primary, replica = pair
    async with session_for(my_settings(replica)) as session:
        watch = Watch(session, my_settings(replica))
        await watch.until(runs)
        primary.execute("ALTER USER repl@'%' IDENTIFIED BY 'another'")
        replica.execute("STOP SLAVE", "START SLAVE")
        stopped = await watch.until(lambda channel, _: channel.io_errno == 1045)
        primary.execute(f"ALTER USER repl@'%' IDENTIFIED BY '{REPLICATING}'")
        await watch.until(runs)

    assert codes(stopped) == {"MY_REPL_STOPPED": "critical"}
    assert "error 1045" in stopped.findings[0].summary
    assert "password" in stopped.findings[0].likely[0]
    assert stopped.facts[0].value is None


DUMP = "SELECT /*!40001 SQL_NO_CACHE */ SLEEP(60) FROM orders"


@pytest.mark.parametrize("way", [THREADS, PROCESSLIST], ids=["performance_schema", "processlist"])
async def test_backups_are_told_from_sessions_and_spared(
    pair: tuple[mariadb.MariaDb, mariadb.MariaDb], way: str
) -> None:
    _, replica = pair
    acts = await open_mysql_acts(my_settings(replica))
    with Crowd(replica) as crowd:
        ids = {
            crowd.wait("SELECT SLEEP(50)").thread_id(): "",
            crowd.wait(DUMP).thread_id(): "backup",
        }
        async with session_for(my_settings(replica)) as session:
            threads = await session.rows(way, into=Thread)
        seen = {thread.id: thread for thread in threads if thread.id in ids}
        args = {id_: {"id": id_, "user": t.user, "host": t.host} for id_, t in seen.items()}
        ended, backup = ids
        with pytest.raises(Refused, match="makes a backup"):
            await acts.run("kill_query", args[backup])
        with pytest.raises(Refused, match="not that session"):
            await acts.run("kill_query", {**args[ended], "host": "127.0.0"})
        done = await acts.run("kill_query", args[ended])
        gone = await acts.run("kill_connection", args[ended])
    await acts.close()

    assert {id_: thread.protected for id_, thread in seen.items()} == ids
    assert {thread.address for thread in seen.values()} == {"127.0.0.1"}
    assert done["done"]
    assert gone["done"]


def test_a_replicas_own_threads_are_no_sessions_of_whoever_started_them(
    pair: tuple[mariadb.MariaDb, mariadb.MariaDb],
) -> None:
    """MariaDB has them in the background there; MySQL among the sessions, by the same names."""
    _, replica = pair
    anybody = THREADS.replace("p.type = 'FOREGROUND' AND p.processlist_id <> CONNECTION_ID()", "1")
    assert anybody != THREADS
    rows = replica.execute(
        f"SELECT s.user, p.processlist_user FROM ({anybody}) AS s "
        "JOIN performance_schema.threads AS p ON p.processlist_state = s.state "
        "WHERE p.name = 'thread/sql/slave_sql'"
    )

    assert rows == [("system user", "root")]


async def test_a_replica_that_takes_writes_is_told(
    pair: tuple[mariadb.MariaDb, mariadb.MariaDb],
) -> None:
    _, replica = pair
    replica.execute("SET GLOBAL read_only = 0")
    seen = await look("mysql.replication", my_settings(replica))
    replica.execute("SET GLOBAL read_only = 1")

    assert codes(seen) == {"MY_REPL_WRITABLE": "high"}


async def test_a_replica_whose_replication_was_reset_is_told(
    pair: tuple[mariadb.MariaDb, mariadb.MariaDb],
) -> None:
    """The last of this file: the pair is none after it."""
    _, replica = pair
    probe, to = registry()["mysql.replication"], target(my_settings(replica))
    assert probe.since is not None
    async with session_for(my_settings(replica)) as session:
        before = await probe.collect(session, to)
        replica.execute("STOP SLAVE", "RESET SLAVE ALL")
        watched = probe.since(before, await probe.collect(session, to))
    found = judged(Look(to, probe, probe.settings), watched)
    never_seen = await look("mysql.replication", my_settings(replica, expects="reader"))
    primary_by_name = await look("mysql.replication", my_settings(replica))

    assert codes(found) == {"MY_REPL_GONE": "critical"}
    assert codes(never_seen) == {"MY_REPL_NONE": "critical"}
    assert codes(primary_by_name) == {}
