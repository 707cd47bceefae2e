"""Who has a lock over a whole MySQL server: a backup's FLUSH TABLES WITH READ LOCK or BACKUP STAGE.

Source: MySQL Reference Manual, "The metadata_locks Table"; MariaDB Knowledge Base, "BACKUP STAGE",
"Metadata Lock Info Plugin"; the comments of MDL_BACKUP_* in MariaDB's mdl.h. Seen on MariaDB 10.11:
the holder has BACKUP_FTWRL2 (FTWRL1 while it waits itself) or the lock of its stage, while those
that write have BACKUP_DML, _TRANS_DML or _COMMIT, of the same kind of object.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cockpit.errors import BlindError, Reason
from probes.mysql.model import MysqlReads, MysqlServer, Thread
from probes.statement import statement

HELD = statement("mysql", "locks_whole_80.sql")
HELD_BY_PLUGIN = statement("mysql", "locks_whole_mariadb.sql")
ORPHANS = """
SELECT COUNT(*) AS transactions,
       COUNT(CASE WHEN trx_state = 'ROLLING BACK' THEN 1 END) AS rolling_back,
       MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())) AS open_s,
       CAST(SUM(trx_rows_modified) AS SIGNED) AS modified
  FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = 0
"""
_CAP = 2
_HOLDS = frozenset({
    "SHARED", "BACKUP_START", "BACKUP_FLUSH", "BACKUP_WAIT_FLUSH", "BACKUP_WAIT_DDL",
    "BACKUP_WAIT_COMMIT", "BACKUP_FTWRL1", "BACKUP_FTWRL2", "BACKUP_BLOCK_DDL",
})  # fmt: skip
"""What keeps others out; statements that write have other locks there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeLock:
    """A lock over the whole server that a session has."""

    id: int
    place: str
    lock_type: str

    @property
    def keeps_out(self) -> bool:
        """Others wait for it."""
        return self.lock_type.removeprefix("MDL_") in _HOLDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Transactions without a session: prepared by XA, or left of a crash. They keep their locks."""

    transactions: int
    rolling_back: int = 0
    open_s: int | None = None
    """Seconds, of the oldest."""
    modified: int | None = None
    """Rows."""


async def holders(mysql: MysqlReads, server: MysqlServer) -> tuple[int, ...]:
    """Whose lock keeps everybody out; empty where the server does not tell."""
    for way in (HELD, HELD_BY_PLUGIN) if server.mariadb else (HELD,):
        try:
            held = await mysql.rows_within(_CAP, way, into=WholeLock)
        except BlindError as error:
            if error.reason not in {Reason.UNSUPPORTED, Reason.DENIED}:
                raise
            continue
        if found := sorted({lock.id for lock in held if lock.keeps_out}):
            return tuple(found)
    return ()


async def read_orphans(mysql: MysqlReads) -> Orphans | None:
    """The transactions that no session has. Asked only when somebody waits for one."""
    rows = await mysql.rows(ORPHANS, into=Orphans)
    return rows[0] if rows and rows[0].transactions else None


def nearest_older(threads: Iterable[Thread], waited: float) -> list[Thread]:
    """Who may have the lock where that is not told: whose last command is older than the first
    wait, backups first, then those whose command was the last before it.
    """
    older = [
        thread
        for thread in threads
        if thread.id
        and not thread.waits
        and thread.protected in {"", "backup"}
        and (thread.command == "Sleep" or thread.running)
        and (thread.secs or 0) >= waited
    ]
    return sorted(older, key=lambda each: (not each.is_backup, each.secs or 0, each.id))
