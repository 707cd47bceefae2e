"""What a commander may do to MySQL sessions: by thread id, user and host, checked before and after.

On RDS nobody of ours may KILL: its procedures do it. Source: MySQL Reference Manual, "KILL
Statement"; MariaDB Knowledge Base, "KILL"; RDS User Guide, "mysql.rds_kill", and for MariaDB
"mysql.rds_kill_query_id".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from cockpit.connect.kind import Secret
from cockpit.connect.mysql.rights import right_of
from cockpit.connect.mysql.session import Mysql
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.observer import sent
from cockpit.connect.rows import first_value, rows_into
from cockpit.connect.secrets import resolve_async
from cockpit.connect.session import Acts, Right
from cockpit.connect.settings import commanders_login
from cockpit.connect.sql.acts import BETWEEN, became, check_most, end_each
from cockpit.connect.statements import (
    PROTECTED_MYSQL_COMMANDS,
    PROTECTED_MYSQL_USERS,
    checked,
    statement,
)
from cockpit.errors import BlindError, Reason, Refused

_COLUMNS = """
SELECT id, user, host, command, time AS secs, state, id = CONNECTION_ID() AS ours,
       info LIKE 'SELECT _*_40001 SQL_NO_CACHE%%' AS backup,
       COALESCE(LTRIM(info) LIKE 'do %%' OR info LIKE '%%*/%%do %%' OR info LIKE '%%get_lock%%'
         OR info LIKE '%%benchmark%%' OR info LIKE '%%sleep%%' OR state LIKE '%%commit%%'
         OR state LIKE '%%semi-sync%%', 1) AS succeeds,
       COALESCE(state IN ('Commit', 'waiting for handler commit') OR state LIKE '%%semi-sync%%', 0)
         AS commits
  FROM information_schema.processlist"""
_THIS = """
 WHERE id = %(id)s AND user = %(user)s
   AND host IN (%(host)s, CONCAT(%(host)s, ':', SUBSTRING_INDEX(host, ':', -1)))"""
"""MySQL's performance_schema, where a look has a session from, tells its host without the port."""
_VICTIM = f"{_COLUMNS}{_THIS}"
_IDLE = (
    f"{_COLUMNS} WHERE user = %(user)s AND command = 'Sleep' AND time >= %(older_than_s)s"
    " AND id <> CONNECTION_ID() ORDER BY time DESC LIMIT %(most)s"
)


@dataclass(frozen=True, slots=True)
class MysqlVictim:
    """A session as the server lists it now."""

    id: int
    user: str | None
    host: str | None
    command: str | None = None
    secs: int | None = None
    """Since its command or its sleep began."""
    ours: bool = False
    backup: bool | None = None
    succeeds: bool = True
    """Killed, its statement may end with success at its client: those that only wait or count do,
    and so does a commit.
    """

    commits: bool = False
    """Its statement is done and waits to be told so: its end takes nothing back."""

    @property
    def who(self) -> Mapping[str, object]:
        """What tells it from the next session with its number."""
        return {"id": self.id, "user": self.user, "host": self.host}

    @property
    def name(self) -> str:
        """For messages."""
        return f"thread {self.id} ({self.user} from {self.host})"


class MysqlActs:
    """A commander's session for one approved plan. `rds`: kill through RDS' procedures."""

    def __init__(self, mysql: Mysql, *, rds: bool) -> None:
        self._mysql = mysql
        self._rds = rds
        self._calls: Mapping[str, Callable[[dict[str, object]], Awaitable[dict[str, object]]]] = {
            "kill_query": self._kill_query,
            "kill_connection": self._kill_connection,
            "kill_idle_of_user": self._kill_idle,
            "start_replication": self._start_replication,
        }

    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """One named statement: `{"done": bool, "detail": str, …}`, as in `PostgresActs.run`."""
        known = statement(call, "mysql")
        values = checked(known, arguments)
        await self._mysql.value("SELECT 1")
        return await self._calls[call](values)

    async def may(self, call: str, arguments: Mapping[str, object]) -> Right:
        """See `TellsRights`."""
        values = checked(statement(call, "mysql"), arguments)
        if self._rds and call != "start_replication":
            return Right(None, "RDS' own procedures do it: who may call them is not listed")
        rows = await self._mysql.dicts("SHOW GRANTS")
        user = await self._mysql.value("SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)")
        return right_of(
            [str(next(iter(row.values()))) for row in rows],
            call,
            values,
            user=str(user),
            mariadb=self._mysql.flavour == "mariadb",
        )

    async def close(self) -> None:
        """See `Acts`."""
        await self._mysql.close()

    async def _kill_query(self, values: dict[str, object]) -> dict[str, object]:
        victim = await self._victim(values)
        if victim.command == "Sleep":
            return {
                "done": False,
                "detail": f"{victim.name} sleeps: KILL QUERY does nothing; only KILL ends its "
                "transaction",
            }
        await self._cancel(victim)
        for _ in range(15):
            rows = await self._still_there(values)
            if not rows or rows[0].command == "Sleep" or _younger(rows[0], victim):
                return {"done": True, "detail": await self._ended(victim, there=bool(rows))}
            await asyncio.sleep(BETWEEN)
        return {"done": False, "detail": f"accepted, but {victim.name} still runs its statement"}

    async def _ended(self, victim: MysqlVictim, *, there: bool) -> str:
        """What became of it, as far as its session shows."""
        if not there:
            return f"the statement of {victim.name} ended, and so did its session"
        said = f"the statement of {victim.name} was cancelled"
        if victim.succeeds:
            said = (
                f"the statement of {victim.name} ended; its client may have been told success, as "
                "killed SLEEP, GET_LOCK, DO, BENCHMARK and commits are"
            )
        if await self._holds(victim):
            said += "; its transaction is still open, with all that it locked"
        return said

    async def _holds(self, victim: MysqlVictim) -> bool:
        """Whether its transaction is seen to be open. False also where that cannot be read."""
        await asyncio.sleep(BETWEEN)  # InnoDB shows what it showed others in the last 0.1 s
        try:
            return bool(await self._mysql.dicts(_TRANSACTION_OF, {"id": victim.id}))
        except BlindError:
            return False

    async def _cancel(self, victim: MysqlVictim) -> None:
        """MariaDB names the statement itself, so that the one after it is never hit instead."""
        query = await self._query_id(victim)
        if query is None:
            call = "CALL mysql.rds_kill_query(%(id)s)" if self._rds else _KILL_QUERY
            await self._sent(call, victim.who)
            return
        await self._cancel_statement(victim, query=query)

    async def _cancel_statement(self, victim: MysqlVictim, *, query: int) -> None:
        call = "CALL mysql.rds_kill_query_id(%(query)s)" if self._rds else _KILL_QUERY_ID
        try:
            await self._sent(call, {"query": query})
        except BlindError as error:
            if str(_NO_SUCH_QUERY) not in error.message:
                raise
            raise Refused(f"the statement of {victim.name} ended before it was killed") from None

    async def _query_id(self, victim: MysqlVictim) -> int | None:
        """The number of the statement that runs now; None on MySQL, which has none."""
        if self._mysql.flavour != "mariadb":
            return None
        query = first_value(await self._mysql.dicts(_QUERY_OF, victim.who))
        return query if isinstance(query, int) and query else None

    async def _kill_connection(self, values: dict[str, object]) -> dict[str, object]:
        victim = await self._victim(values)
        await self._kill(values)
        rows: list[MysqlVictim] = []
        for _ in range(15):
            rows = await self._still_there(values)
            if not rows:
                return {"done": True, "detail": f"{victim.name} is gone"}
            await asyncio.sleep(BETWEEN)
        if rows[0].command == "Killed":
            return {
                "done": False,
                "detail": f"{victim.name} is killed and rolls back: wait, do not kill it again, "
                "do not restart the server",
            }
        return {"done": False, "detail": f"accepted, but {victim.name} is still there"}

    async def _kill_idle(self, values: dict[str, object]) -> dict[str, object]:
        check_most("kill_idle_of_user", values["most"])
        if values["user"] in PROTECTED_MYSQL_USERS:
            raise Refused(f"{values['user']} is protected: it is never ended from here")
        victims = {each.id: each for each in await self._victims(_IDLE, values)}
        return await end_each(victims, self._kill_sleeping, number="id", kind="sleeping")

    async def _kill_sleeping(self, victim: MysqlVictim) -> bool:
        now = await self._victims(_VICTIM, victim.who)
        if not now or now[0].command != "Sleep":
            return False
        await self._kill(victim.who)
        return True

    async def _start_replication(self, values: dict[str, object]) -> dict[str, object]:
        if self._rds:
            await self._sent("CALL mysql.rds_start_replication", {})
        elif self._mysql.flavour == "mariadb":
            await self._sent("START ALL SLAVES", {})
            if not await became(self._mysql.dicts("SHOW WARNINGS", {}), what="the start"):
                return {"done": False, "detail": "nothing to start: it replicates from nobody"}
        else:
            await self._start_replica()
        return {"done": True, "detail": "the replica's threads were started; look at their state"}

    async def _start_replica(self) -> None:
        """MySQL 8.4 knows only the new word, 8.0.21 and before only the old one."""
        try:
            await self._sent("START REPLICA", {})
        except BlindError as error:
            if error.reason is not Reason.UNSUPPORTED:
                raise
            await self._sent("START SLAVE", {})

    async def _kill(self, values: Mapping[str, object]) -> None:
        await self._sent("CALL mysql.rds_kill(%(id)s)" if self._rds else _KILL, values)

    async def _victims(self, sql: str, values: Mapping[str, object]) -> list[MysqlVictim]:
        return rows_into(await self._mysql.dicts(sql, values), MysqlVictim)

    async def _victim(self, values: dict[str, object]) -> MysqlVictim:
        rows = await self._victims(_VICTIM, values)
        if not rows:
            raise Refused(
                f"thread {values['id']} is not that session any more (or cannot be seen: PROCESS)"
            )
        victim = rows[0]
        protected = (
            victim.ours
            or victim.user in PROTECTED_MYSQL_USERS
            or victim.command in PROTECTED_MYSQL_COMMANDS
        )
        if protected:
            raise Refused(f"{victim.name} is protected: it is never ended from here")
        if victim.commits:
            raise Refused(
                f"{victim.name} waits for its commit to be told done: ending it takes nothing "
                "back, its client is told success or loses the answer"
            )
        if victim.backup:
            raise Refused(f"{victim.name} makes a backup: its owner ends it, not we")
        return victim

    async def _still_there(self, values: dict[str, object]) -> list[MysqlVictim]:
        return await became(self._victims(_VICTIM, values), what="the kill")

    async def _sent(self, sql: str, values: Mapping[str, object]) -> None:
        await sent(self._mysql.dicts(sql, values))


_KILL = "KILL CONNECTION %(id)s"
_KILL_QUERY = "KILL QUERY %(id)s"
_KILL_QUERY_ID = "KILL QUERY ID %(query)s"
_NO_SUCH_QUERY = 1957
_TRANSACTION_OF = """
SELECT trx_id FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = %(id)s"""
_QUERY_OF = f"""
SELECT query_id AS query FROM information_schema.processlist {_THIS} AND command <> 'Sleep'
"""  # noqa: S608  constants only


def _younger(now: MysqlVictim, before: MysqlVictim) -> bool:
    """Whether the thread runs something newer than what it ran before."""
    return (now.secs or 0) < (before.secs or 0)


async def open_mysql_acts(settings: MysqlSettings, *, secret: Secret = resolve_async) -> Acts:
    """The commander's session: named statements only, with the commander's login."""
    login = commanders_login(settings)
    return MysqlActs(
        Mysql(settings, secret=secret, login=login, read_only=False), rds=bool(settings.rds)
    )
