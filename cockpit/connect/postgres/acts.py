"""What a commander may do to PostgreSQL sessions: by identity, checked before and after.

Source: PostgreSQL documentation, "Server Signaling Functions". `pg_terminate_backend` answers true
once the signal is sent, not once the session is gone; with a timeout (14 and later) it waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from cockpit.connect.kind import Secret
from cockpit.connect.observer import sent
from cockpit.connect.postgres.cuts import Cuts
from cockpit.connect.postgres.rights import may
from cockpit.connect.postgres.session import Postgres
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.secrets import resolve_async
from cockpit.connect.session import Acts, Right
from cockpit.connect.settings import commanders_login
from cockpit.connect.sql.acts import BETWEEN, became, check_most, end_each
from cockpit.connect.statements import IDLE_OF_CLIENT, PROTECTED_POSTGRES, checked, shown, statement
from cockpit.errors import BlindError, Reason, Refused

_WAIT_MS = 2000

_VICTIM = f"""
SELECT a.pid, a.usename AS "user", a.application_name AS application, a.state, a.query_start,
       a.xact_start, a.wait_event,
       coalesce({PROTECTED_POSTGRES}, false) AS allowed,
       current_setting('server_version_num')::int AS version
  FROM pg_stat_activity AS a WHERE a.pid = %(pid)s AND a.backend_start = %(backend_start)s
"""  # noqa: S608  constants only; values are parameters
_CANCEL = f"""
SELECT pg_cancel_backend(a.pid) AS signalled FROM pg_stat_activity AS a
 WHERE a.pid = %(pid)s AND a.backend_start = %(backend_start)s AND {PROTECTED_POSTGRES}
"""  # noqa: S608
_TERMINATE = f"""
SELECT pg_terminate_backend(a.pid) AS signalled FROM pg_stat_activity AS a
 WHERE a.pid = %(pid)s AND a.backend_start = %(backend_start)s AND {PROTECTED_POSTGRES}
"""  # noqa: S608
_TERMINATE_14 = _TERMINATE.replace("(a.pid)", f"(a.pid, {_WAIT_MS})")
_SEES_ALL = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"
_STILL_THERE = """
SELECT state, query_start, xact_start FROM pg_stat_activity
 WHERE pid = %(pid)s AND backend_start = %(backend_start)s
"""
_IDLE = f"""
SELECT a.pid, a.backend_start FROM pg_stat_activity AS a WHERE {IDLE_OF_CLIENT}
 ORDER BY a.state_change LIMIT %(most)s
"""  # noqa: S608
_TERMINATE_IDLE = f"{_TERMINATE.rstrip()} AND a.state = 'idle'"
_SLOT = """
SELECT slot_name, slot_type, active, coalesce(restart_lsn::text, '') AS restart_lsn
  FROM pg_replication_slots WHERE slot_name = %(name)s
"""
_DROP_SLOT = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
 WHERE slot_name = %(name)s AND coalesce(restart_lsn::text, '') = %(restart_lsn)s AND NOT active
"""
_PREPARED = """
SELECT database, database = current_database() AS here,
       owner = current_user OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS may,
       format('ROLLBACK PREPARED %%L', gid) AS statement
  FROM pg_prepared_xacts
 WHERE gid = %(gid)s AND owner = %(owner)s AND prepared = %(prepared)s
"""


@dataclass(frozen=True, slots=True)
class PostgresActivity:
    """What a session does now."""

    state: str | None = None
    query_start: datetime | None = None
    xact_start: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresVictim(PostgresActivity):
    """A session that is to be ended."""

    pid: int
    user: str | None
    application: str | None
    wait_event: str | None
    allowed: bool
    version: int
    """Of the server, such as 140005."""

    @property
    def name(self) -> str:
        """For messages."""
        return f"pid {self.pid} ({self.user or 'server process'}, {self.application})"


@dataclass(frozen=True, slots=True)
class IdleBackend:
    """What tells a session from the next one with its number."""

    pid: int
    backend_start: datetime


@dataclass(frozen=True, slots=True)
class SlotNow:
    """A replication slot."""

    active: bool
    restart_lsn: str


@dataclass(frozen=True, slots=True)
class PreparedNow:
    """A prepared transaction, and who may end it from where."""

    database: str
    here: bool
    may: bool | None
    statement: str


class PostgresActs:
    """A commander's session for one approved plan."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._calls: Mapping[str, Callable[[dict[str, object]], Awaitable[dict[str, object]]]] = {
            "cancel_backend": self._cancel,
            "terminate_backend": self._terminate,
            "terminate_idle_of_client": self._terminate_idle,
            "resume_replay": self._resume_replay,
            "drop_slot": self._drop_slot,
            "rollback_prepared": self._rollback_prepared,
        }

    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """One named statement: `{"done": bool, "detail": str, …}`.

        `done` False: the server took it, but what was to happen has not happened yet. Raises
        `Refused` for protected or recycled sessions, `BlindError` when nothing was sent,
        `UnknownOutcome` when it may have been, `Misconfigured` for a wrong name or argument.
        """
        known = statement(call, "postgres")
        values = checked(known, arguments)
        if known.risk == "read":
            value = shown(known, await self._postgres.value(known.sql, values))
            return {"done": True, "detail": known.effect, "value": value}
        await self._postgres.value("SELECT 1")
        return await self._calls[call](values)

    async def may(self, call: str, arguments: Mapping[str, object]) -> Right:
        """See `TellsRights`."""
        return await may(self._postgres, call, checked(statement(call, "postgres"), arguments))

    async def close(self) -> None:
        """See `Acts`."""
        await self._postgres.close()

    async def _cancel(self, values: dict[str, object]) -> dict[str, object]:
        victim = await self._victim(values)
        if victim.state != "active":
            return {
                "done": False,
                "detail": f"{victim.name} runs no statement ({victim.state}): a cancel does "
                "nothing; only terminating it ends its transaction",
            }
        await self._signal(_CANCEL, values)
        for _ in range(10):
            rows = await self._still_there(values)
            if said := _ended(victim, rows[0] if rows else None):
                return said
            await asyncio.sleep(BETWEEN)
        return {"done": False, "detail": f"accepted, but {victim.name} still runs its statement"}

    async def _terminate(self, values: dict[str, object]) -> dict[str, object]:
        victim = await self._victim(values)
        await self._signal(_TERMINATE_14 if victim.version >= 140000 else _TERMINATE, values)
        for _ in range(5):
            if not await self._still_there(values):
                return {"done": True, "detail": f"{victim.name} is gone"}
            await asyncio.sleep(BETWEEN)
        return {"done": False, "detail": f"accepted, but {victim.name} is still there"}

    async def _terminate_idle(self, values: dict[str, object]) -> dict[str, object]:
        check_most("terminate_idle_of_client", values["most"])
        victims = await self._postgres.rows(_IDLE, values, into=IdleBackend)

        async def end(victim: IdleBackend) -> bool:
            return await self._signal(_TERMINATE_IDLE, asdict(victim), strict=False)

        return await end_each({each.pid: each for each in victims}, end, number="pid", kind="idle")

    async def _resume_replay(self, _: dict[str, object]) -> dict[str, object]:
        if not await self._postgres.value("SELECT pg_is_in_recovery()"):
            raise Refused("this server is a primary: it replays nothing")
        await self._sent("SELECT pg_wal_replay_resume()", {})
        paused = await self._postgres.value("SELECT pg_is_wal_replay_paused()")
        return {"done": not paused, "detail": "still paused" if paused else "replay goes on"}

    async def _drop_slot(self, values: dict[str, object]) -> dict[str, object]:
        """A slot that is read, or that moved since it was looked at, has a reader: refuse."""
        found = await self._postgres.rows(_SLOT, values, into=SlotNow)
        if not found:
            raise Refused(f"there is no slot {values['name']!r} any more: nothing was sent")
        if found[0].active:
            raise Refused(f"slot {values['name']!r} is read right now: its consumer is alive")
        if found[0].restart_lsn != values["restart_lsn"]:
            raise Refused(f"slot {values['name']!r} has moved since it was looked at: it is used")
        if not await self._sent(_DROP_SLOT, values):
            raise Refused(f"slot {values['name']!r} changed just now: nothing was dropped")
        left = await self._sent(_SLOT, values)
        return {"done": not left, "detail": "still there" if left else "the slot is gone"}

    async def _rollback_prepared(self, values: dict[str, object]) -> dict[str, object]:
        """The server quotes the gid; only its owner may, and only in its own database."""
        found = await self._postgres.rows(_PREPARED, values, into=PreparedNow)
        if not found:
            raise Refused("that prepared transaction was resolved meanwhile: nothing was sent")
        if not found[0].here:
            raise Refused(
                f"it was prepared in database {found[0].database!r}: connect a target to that"
            )
        if not found[0].may:
            raise Refused(f"only its owner {values['owner']!r} or a superuser may resolve it")
        await self._sent(found[0].statement, {})
        left = await self._sent(_PREPARED, values)
        return {"done": not left, "detail": "still there" if left else "it is rolled back"}

    async def _victim(self, values: dict[str, object]) -> PostgresVictim:
        rows = await self._postgres.rows(_VICTIM, values, into=PostgresVictim)
        if not rows:
            await self._check_sight()
            raise Refused(
                f"pid {values['pid']} is not that session any more: it ended, or its number was "
                "given to another"
            )
        if rows[0].wait_event == "SyncRep":
            raise Refused(
                f"{rows[0].name} has committed and waits for its synchronous standby: its client "
                "would be told success while no standby has the row",
                hint="bring the standby back, or take it out of synchronous_standby_names",
            )
        if not rows[0].allowed:
            raise Refused(f"{rows[0].name} is protected: it is never ended from here")
        return rows[0]

    async def _check_sight(self) -> None:
        """A role that cannot see when others began cannot tell one session from the next."""
        if not await self._postgres.value(_SEES_ALL):
            raise BlindError(
                Reason.DENIED,
                "the commander's role may not see other sessions: nothing was sent",
                hint="GRANT pg_monitor, pg_signal_backend TO the commander's role;",
            )

    async def _still_there(self, values: dict[str, object]) -> list[PostgresActivity]:
        look = self._postgres.rows(_STILL_THERE, values, into=PostgresActivity)
        return await became(look, what="the signal")

    async def _signal(self, sql: str, values: Mapping[str, object], *, strict: bool = True) -> bool:
        """Send it. No row: the session was gone. `strict`: then refuse, else say False."""
        rows = await self._sent(sql, values)
        if not rows and strict:
            raise Refused(f"pid {values['pid']} ended by itself just now: nothing was sent")
        return bool(rows) and rows[0]["signalled"] is not False

    async def _sent(self, sql: str, values: Mapping[str, object]) -> list[dict[str, object]]:
        return await sent(self._postgres.dicts(sql, values))


def _ended(victim: PostgresVictim, now: PostgresActivity | None) -> dict[str, object] | None:
    """How the cancelled statement ended, as its session shows it; None: it still runs.

    Only a transaction that is aborted is a proof: a statement that ended by itself just before the
    signal, and a commit that a standby had not confirmed, are told as success to their client.
    """
    if now is None:
        return {
            "done": True,
            "detail": f"the statement of {victim.name} ended, and so did its session",
        }
    state = now.state or ""
    if state == "active" and now.query_start == victim.query_start:
        return None
    if state.endswith("(aborted)"):
        return {"done": True, "detail": f"the statement of {victim.name} was cancelled"}
    if now.xact_start == victim.xact_start and state == "idle in transaction":
        return {
            "done": False,
            "detail": f"the statement of {victim.name} ended, and its transaction is still open "
            "with all that it holds: by itself before the cancel came, or by a savepoint",
        }
    how = "whether by the cancel only its client knows"
    return {"done": True, "detail": f"the statement of {victim.name} ended, {how}"}


async def open_postgres_acts(
    settings: PostgresSettings, *, secret: Secret = resolve_async, cuts: Cuts | None = None
) -> Acts:
    """The commander's session: named statements only, with the commander's login."""
    login = commanders_login(settings)
    return PostgresActs(
        Postgres(settings, secret=secret, login=login, read_only=False, patience=15.0, cuts=cuts)
    )
