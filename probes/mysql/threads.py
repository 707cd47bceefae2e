"""The sessions of a MySQL server: the queries for them, and how a table shows them."""

from __future__ import annotations

from cockpit.errors import BlindError, Reason
from cockpit.triage.view import Column
from probes.mysql.model import MysqlReads, MysqlServer, Thread
from probes.mysql.status import ServerStatus

_CROWD = 1000
"""Sessions from which on listing them is a burden: every look walks all of them."""

COLUMNS = (
    Column("thread", 10),
    Column("session", 30),
    Column("state", 24),
    Column("waits for", 30),
    Column("for", 10, right=True),
    Column("transaction", 12, right=True),
    Column("query"),
)
_JOINED = """
       t.trx_state, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS trx_s,
       TIMESTAMPDIFF(SECOND, t.trx_wait_started, NOW()) AS wait_s,
       t.trx_rows_locked AS rows_locked, t.trx_rows_modified AS rows_modified"""
_BACKUP = "COALESCE({} LIKE 'SELECT _*_40001 SQL_NO_CACHE%', 0) AS is_backup"
"""What mysqldump, mariadb-dump and mydumper begin to read a table with, as a comment that runs."""
_USER = """
       CASE WHEN p.name LIKE 'thread/sql/slave%' OR p.name LIKE 'thread/sql/replica%'
            THEN 'system user' ELSE COALESCE(p.processlist_user, '') END AS user"""
"""A replica's own threads stand here in the name of whoever started them."""
_ORDER = " ORDER BY t.trx_id IS NULL, command = 'Sleep', trx_s DESC, secs DESC LIMIT 500"
PROCESSLIST = f"""
SELECT p.id, p.user, p.host, p.db, p.command, p.time AS secs, p.state,
       LEFT(p.info, 2000) AS query, {_BACKUP.format("p.info")}, {_JOINED}
  FROM information_schema.processlist AS p
  LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = p.id
 WHERE p.id <> CONNECTION_ID() {_ORDER}
"""  # noqa: S608  constants only
THREADS = f"""
SELECT p.processlist_id AS id, {_USER}, COALESCE(p.processlist_host, '') AS host,
       p.processlist_db AS db, COALESCE(p.processlist_command, '') AS command,
       p.processlist_time AS secs, p.processlist_state AS state,
       LEFT(p.processlist_info, 2000) AS query, {_BACKUP.format("p.processlist_info")},
       0 AS with_port, {_JOINED}
  FROM performance_schema.threads AS p
  LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = p.processlist_id
 WHERE p.type = 'FOREGROUND' AND p.processlist_id <> CONNECTION_ID() {_ORDER}
"""  # noqa: S608


async def read_threads(
    mysql: MysqlReads, server: MysqlServer, status: ServerStatus
) -> tuple[Thread, ...] | None:
    """The sessions, by performance_schema where MySQL has it; None when the role may not."""
    mysql.pace.crowded = (status.connected or 0) > _CROWD
    ways = (PROCESSLIST,) if server.mariadb else (THREADS, PROCESSLIST)
    for way in ways:
        try:
            return tuple(await mysql.rows(way, into=Thread))
        except BlindError as error:
            if error.reason not in {Reason.DENIED, Reason.UNSUPPORTED}:
                raise
    return None
