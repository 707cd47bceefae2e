"""Situations of MariaDB in which something is offered, and how its server tells what became."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from cockpit.triage.finding import Thresholds
from cockpit.world.servers import mariadb
from probes.mysql.locks import Settings as LockSettings
from probes.mysql.sessions import Settings as SessionSettings
from tests.patience import eventually
from tests.servers.mysql_crowd import Crowd
from tests.servers.private import my_settings, target
from tests.servers.promises import Party, Provoked, Scene, Situation

SOON = Thresholds(warning=0, high=60)
AT_ONCE = {"mysql.locks": LockSettings(row_wait=SOON, metadata_wait=SOON)}
SESSIONS_AT_ONCE = {
    "mysql.sessions": SessionSettings(idle_transaction=SOON, long_query=SOON, waiting=SOON)
}
MDL = "Waiting for table metadata%"
ROW = "UPDATE orders SET status = 'paid' WHERE id = 1"
OTHER = "UPDATE orders SET status = 'sent' WHERE id = 2"
ALTER = "ALTER TABLE {} ADD COLUMN extra int"
_PARTIES = """
SELECT p.id, p.command, p.query_id, p.state LIKE 'Waiting for%' OR t.trx_state = 'LOCK WAIT',
       t.trx_rows_modified > 0
  FROM information_schema.processlist AS p
  LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = p.id
 WHERE p.user = 'app' AND p.command <> 'Killed'
"""
_STALE = 0.15
"""Seconds for which InnoDB shows the transactions that it showed before, and somewhat more."""

Named = dict[str, Any]
"""Name → the connection of a party."""


def scene(server: mariadb.MariaDb, names: Mapping[int, str]) -> Scene:
    """The sessions of applications, and whether they wait."""
    return Scene(
        parties={
            id_: Party(
                name=names[id_],
                doing=(command, query),
                waits_for=frozenset({"somebody"} if waits else ()),
                written=bool(written),
            )
            for id_, command, query, waits, written in server.execute(_PARTIES)
            if id_ in names
        }
    )


def crowded(
    act: Callable[[Crowd, Named], None],
) -> Callable[[mariadb.MariaDb], AbstractAsyncContextManager[Provoked]]:
    """A situation that applications alone bring about."""

    @asynccontextmanager
    async def provoked(server: mariadb.MariaDb) -> AsyncIterator[Provoked]:
        with Crowd(server) as crowd:
            named: Named = {}
            act(crowd, named)
            names = {connection.thread_id(): name for name, connection in named.items()}
            yield Provoked(
                targets=(target(my_settings(server)),),
                seen=lambda: scene(server, names),
                said=lambda name: crowd.said(named[name], patience=0),
            )

    return provoked


def waiting(crowd: Crowd, number: int) -> None:
    """Until so many sessions wait for a row."""
    asks = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    time.sleep(_STALE)
    eventually(lambda: crowd.server.execute(asks)[0][0] >= number, pause=_STALE)


def _waits_for_a_row(crowd: Crowd, statement: str = ROW, *, autocommit: bool = True) -> Any:
    return crowd.wait(statement, state="Updating", after=(f"SET autocommit = {int(autocommit)}",))


def _each_in_a_transaction(crowd: Crowd, named: Named) -> None:
    named["worker"] = crowd.hold("BEGIN", ROW)
    for number, name in enumerate(("first", "second"), start=1):
        named[name] = _waits_for_a_row(crowd, autocommit=False)
        waiting(crowd, number)


def _at_rows_of_their_own(crowd: Crowd, named: Named) -> None:
    named["worker"] = crowd.hold("BEGIN", ROW, OTHER)
    named["first"] = _waits_for_a_row(crowd)
    named["second"] = _waits_for_a_row(crowd, OTHER)
    waiting(crowd, 2)


def _two_hold_it(crowd: Crowd, named: Named) -> None:
    shares = "SELECT * FROM orders WHERE id = 1 LOCK IN SHARE MODE"
    named["report"] = crowd.hold("BEGIN", shares)
    named["audit"] = crowd.hold("BEGIN", shares)
    named["first"] = _waits_for_a_row(crowd)
    waiting(crowd, 1)


def _behind_a_statement_of_a_transaction(crowd: Crowd, named: Named) -> None:
    named["batch"] = crowd.wait("SELECT SLEEP(300)", state="User sleep", after=("BEGIN", ROW))
    named["first"] = _waits_for_a_row(crowd)
    waiting(crowd, 1)


def _a_migration_behind(crowd: Crowd, named: Named, table: str, *, readers: int) -> None:
    """A reader, a schema change behind it, and readers behind that."""
    named[f"reporting of {table}"] = crowd.hold("BEGIN", f"SELECT * FROM {table}")
    named[f"migrate {table}"] = crowd.wait(ALTER.format(table), state=MDL)
    for number in range(readers):
        reads = f"SELECT {number} FROM {table}"
        named[f"reader {number} of {table}"] = crowd.wait(reads, state=MDL)


def _one_migration(crowd: Crowd, named: Named) -> None:
    crowd.server.execute("CREATE OR REPLACE TABLE shop.prices (id int)")
    _a_migration_behind(crowd, named, "prices", readers=1)


def _two_migrations(crowd: Crowd, named: Named) -> None:
    _one_migration(crowd, named)
    crowd.server.execute("CREATE OR REPLACE TABLE shop.stock (id int)")
    _a_migration_behind(crowd, named, "stock", readers=0)


def _a_locked_table(crowd: Crowd, named: Named) -> None:
    crowd.server.execute("CREATE OR REPLACE TABLE shop.prices (id int)")
    named["loader"] = crowd.hold("LOCK TABLES prices WRITE")
    for number in range(2):
        named[f"reader {number}"] = crowd.wait(f"SELECT {number} FROM prices", state=MDL)


def _a_backup(crowd: Crowd, named: Named) -> None:
    crowd.server.execute("GRANT RELOAD ON *.* TO app@'%'")
    named["backup"] = crowd.hold("FLUSH TABLES WITH READ LOCK")
    named["first"] = crowd.wait(ROW, state="Waiting for%")


def _forgotten(crowd: Crowd, named: Named) -> None:
    named["worker"] = crowd.hold("BEGIN", ROW)


def _sleeps(crowd: Crowd, named: Named) -> None:
    named["job"] = crowd.wait("DO SLEEP(300)", state="User sleep")


def _wants_a_named_lock(crowd: Crowd, named: Named) -> None:
    named["leader"] = crowd.hold("SELECT GET_LOCK('leader', 1)")
    named["follower"] = crowd.wait("SELECT GET_LOCK('leader', 300)", state="User lock")


def _situation(
    id_: str, act: Callable[[Crowd, Named], None], code: str, *offered: str
) -> Situation:
    locks = code in {"MY_LOCK_ROW", "MY_LOCK_MDL", "MY_LOCK_GLOBAL"}
    return Situation(
        id=id_,
        probe="mysql.locks" if locks else "mysql.sessions",
        codes=(code,),
        provoke=crowded(act),
        settings=AT_ONCE if locks else SESSIONS_AT_ONCE,
        offered=frozenset(offered),
    )


def _both(*names: str) -> tuple[str, ...]:
    return tuple(f"{call} {name}" for name in names for call in ("kill_query", "kill_connection"))


ROWS = (
    _situation(
        "each waits in a transaction of its own", _each_in_a_transaction,
        "MY_LOCK_ROW", "kill_connection worker", "mysql-locks.terminate worker",
        *_both("first", "second"),
    ),
    _situation(
        "each waits for another row of one transaction", _at_rows_of_their_own,
        "MY_LOCK_ROW", "kill_connection worker", "mysql-locks.terminate worker",
        *_both("first", "second"),
    ),
    _situation(
        "two hold the row", _two_hold_it,
        "MY_LOCK_ROW", "kill_connection report", *_both("first"),
    ),
    _situation(
        "the head runs a statement in its transaction", _behind_a_statement_of_a_transaction,
        "MY_LOCK_ROW", *_both("batch", "first"),
        "mysql-locks.terminate batch",
    ),
)  # fmt: skip
UNSEEN = (
    _situation("the holder of a metadata lock is not told", _one_migration, "MY_LOCK_MDL"),
    _situation(
        "a backup has the whole server", _a_backup, "MY_LOCK_GLOBAL", *_both("first")
    ),
    _situation(
        "a forgotten transaction", _forgotten, "MY_SESS_IDLE_TRX", "kill_connection worker"
    ),
    _situation(
        "a job that only sleeps", _sleeps, "MY_SESS_LONG_QUERY",
        *_both("job"),
    ),
    _situation(
        "one waits for a named lock", _wants_a_named_lock, "MY_LOCK_USER",
        "kill_connection leader", *_both("follower"),
    ),
)  # fmt: skip
"""As MariaDB comes: performance_schema is off."""
TOLD = (
    _situation(
        "two metadata queues at once", _two_migrations,
        "MY_LOCK_MDL", "kill_connection reporting of prices", *_both("migrate prices"),
        *_both("reader 0 of prices"),
        "kill_connection reporting of stock", *_both("migrate stock"),
        "mysql-locks.cancel migrate prices", "mysql-locks.terminate reporting of prices",
    ),
    _situation(
        "a session has the table for itself", _a_locked_table,
        "MY_LOCK_MDL", "kill_connection loader", *_both("reader 0", "reader 1"),
        "mysql-locks.terminate loader",
    ),
)  # fmt: skip
"""With MariaDB's plugin, which tells who has a metadata lock."""
