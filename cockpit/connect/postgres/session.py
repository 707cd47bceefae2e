"""PostgreSQL: one observer connection a target, read-only, with short timeouts on the server.

psycopg's traps are avoided here: its connect timeout counts per address, so names are resolved
first; its cancellation waits five seconds for a hung server, so a statement is never cancelled from
this side: the socket is shut down instead, and the server's own `statement_timeout` ends what runs.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from cockpit import clock
from cockpit.connect.kind import Secret
from cockpit.connect.net.addresses import addresses_of
from cockpit.connect.observer import Lost
from cockpit.connect.postgres import errors as failures
from cockpit.connect.postgres.cuts import Cuts
from cockpit.connect.postgres.refusal import roots_of, why_mute, why_refused
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.secrets import no_token_unless, resolve_async
from cockpit.connect.settings import Login
from cockpit.connect.sql.connection import DriverConnection
from cockpit.connect.sql.limits import AnswerTooLarge, too_large
from cockpit.connect.sql.session import Parameters, Rows, SqlSession
from cockpit.errors import BlindError, Reason

if TYPE_CHECKING:
    import psycopg

    from cockpit.connect.postgres.bounded import BoundedPostgres

APPLICATION = "incident-cockpit"
_STATEMENT_MS = 3000
_PATIENCE = 3.6
"""Seconds for an answer: a little longer than the server's own limit."""
_CONNECT = 3
_ADDRESSES = 2
"""How many addresses of one name are tried, one after the other."""
_NOT_IN_TRANSACTIONS = "ROLLBACK PREPARED"
_ARRIVED = b"""
SELECT string_agg(setting, ' ' ORDER BY name DESC) AS arrived FROM pg_settings
 WHERE name IN ('statement_timeout', 'lock_timeout') AND source = 'client'
"""
_READ_ONLY = b"SET default_transaction_read_only = on"
"""Not among the options of the start: as one of those it would also be the setting's `reset_val`,
by which we tell whether the server itself lets new transactions write.
"""
_OPTIONS = {
    "statement_timeout": _STATEMENT_MS,
    "lock_timeout": 500,
    "idle_in_transaction_session_timeout": 5000,
}


PostgresConnection = DriverConnection["BoundedPostgres"]


class Postgres(SqlSession["BoundedPostgres"]):
    """An observer. Connects at the first statement, and again after a loss, with a back-off."""

    engine = "postgres"

    def __init__(
        self,
        settings: PostgresSettings,
        *,
        secret: Secret = resolve_async,
        login: Login | None = None,
        read_only: bool = True,
        patience: float = _PATIENCE,
        cuts: Cuts | None = None,
    ) -> None:
        """`cuts`: where it is written down that a connection was cut; None: nowhere."""
        super().__init__(settings, secret=secret, login=login, read_only=read_only)
        self._settings = settings
        self._cuts = cuts
        self._patience = patience
        self._pooled = settings.pooler
        self._direct = False
        self._address = settings.host
        """Where the last login was; until then the name."""
        self._granted = True

    @property
    def pooled(self) -> bool:
        """A pooler stands between, as configured or as found out: no session of ours lasts."""
        return self._pooled

    def _grant(self, said: str) -> str:
        """The line to paste for a right that was missing."""
        function = re.search(r"permission denied for function (\w+)", said)
        if function:
            right = f"EXECUTE ON FUNCTION {function.group(1)}"
        else:
            right = "pg_monitor" if self._read_only else "pg_monitor, pg_signal_backend"
        return f"GRANT {right} TO {self._login.user};"

    async def _ask(self, sql: str, parameters: Parameters, connection: PostgresConnection) -> Rows:
        """The answer, also when a standby's replay ended our statement: it goes on, so we do too.

        Once more only, and on the same connection, which was spared: who replays without end
        should not be asked without end.
        """
        try:
            return await self._ask_once(connection, sql, parameters)
        except _EndedByReplayError:
            if not self._read_only:
                raise
        return await self._ask_once(connection, sql, parameters)

    async def _ask_once(
        self, connection: PostgresConnection, sql: str, parameters: Parameters
    ) -> Rows:
        import psycopg

        work = asyncio.create_task(self._execute(connection.driver, sql, parameters))
        began = clock.monotonic()
        ended = await connection.ended(work, self._patience)
        self.pace.took(sql, clock.monotonic() - began)  # not when we were cancelled meanwhile
        if not ended:
            raise Lost(late=True)
        try:
            return work.result()
        except psycopg.Error as error:
            raise self._failure(error, connection.driver) from None
        except AnswerTooLarge:
            connection.cut = True
            raise Lost(told=too_large(sql, where=self.where)) from None
        except (ValueError, ArithmeticError, RecursionError):
            raise BlindError(
                Reason.UNREADABLE, f"{self.where}: the answer holds a value that cannot be read"
            ) from None

    async def _execute(self, connection: BoundedPostgres, sql: str, parameters: Parameters) -> Rows:
        bound = parameters or None
        if not self._pooled and not self._direct:
            await self._ask_whether_direct(connection)
        if not self._pooled or (not self._read_only and sql.startswith(_NOT_IN_TRANSACTIONS)):
            return await rows_of(connection, sql, bound)
        self._granted = False
        async with connection.transaction():
            await connection.execute(b"SET LOCAL statement_timeout = %d" % _STATEMENT_MS)
            self._granted = True
            return await rows_of(connection, sql, bound)

    async def _ask_whether_direct(self, connection: BoundedPostgres) -> None:
        """A pooler may swallow start-up options: then nothing would end our statements.

        Its sessions are shared, so only one that is ours alone is set to be read-only.
        """
        cursor = await connection.execute(_ARRIVED)
        row = await cursor.fetchone()
        if row is None or row["arrived"] != f"{_STATEMENT_MS} 500":
            await self._through_pooler(connection)
            return
        if self._read_only:
            await connection.execute(_READ_ONLY)
        self._direct = True

    async def _through_pooler(self, connection: BoundedPostgres) -> None:
        """From now on every statement is a transaction of its own, read-only for an observer."""
        self._pooled = True
        if self._read_only:
            await connection.set_read_only(True)

    async def connect(self) -> PostgresConnection:
        """See `ServerSession`. The driver logs in at once, within three seconds an address."""
        verified = self._settings.sslmode == "verify-full"
        no_token_unless(
            verified, self._login.password, where=self.where, hint='sslmode = "verify-full"'
        )
        password = await self._secret(self._login.password)
        failed: BlindError | None = None
        found = await addresses_of(self._settings.host)
        # A silent address costs seconds each time: the one that answered last comes first.
        for address in sorted(found, key=lambda each: each != self._address)[:_ADDRESSES]:
            try:
                connection = await self._connect_to(address, password)
            except BlindError as error:
                failed = failed or error
                if not error.code.startswith("NET_TCP"):
                    break
            else:
                self._address = address
                return connection
        raise failed or BlindError(Reason.UNREACHABLE, f"{self.where}: the name has no address")

    async def _connect_to(self, address: str, password: str) -> PostgresConnection:
        import psycopg
        from psycopg.conninfo import make_conninfo
        from psycopg.rows import dict_row

        from cockpit.connect.postgres.bounded import BoundedPostgres

        try:
            driver = await BoundedPostgres.connect(
                make_conninfo("", **self._arguments(address, password)),
                autocommit=True,
                prepare_threshold=None,
                row_factory=dict_row,
            )
        except psycopg.Error as error:
            text = str(error)
            if not self._pooled and failures.by_text(text) is failures.POOLER:
                self._pooled = True
                return await self._connect_to(address, password)
            user = self._login.user
            settings = replace(self._settings, pooler=self._pooled)
            raise await why_refused(text, settings, user=user, address=address) from None
        self._direct = False
        if self._pooled:
            await self._through_pooler(driver)
        rope = socket.socket(fileno=os.dup(driver.pgconn.socket))
        driver.bound()
        return DriverConnection(driver, rope, driver.finish)

    def _arguments(self, address: str, password: str) -> dict[str, str | int]:
        settings = self._settings
        arguments: dict[str, str | int] = {
            "host": settings.host,
            "hostaddr": address,
            "port": settings.port,
            "dbname": settings.database,
            "user": self._login.user,
            "password": password,
            "application_name": APPLICATION,
            "connect_timeout": _CONNECT,
            "sslmode": settings.sslmode,
            "gssencmode": "disable",
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 2,
            "tcp_user_timeout": 8000,
        }
        if roots := roots_of(settings):
            arguments["sslrootcert"] = roots
        if not self._pooled:
            arguments["options"] = " ".join(
                f"-c {name}={value}" for name, value in _OPTIONS.items()
            )
        return arguments

    def alive(self, connection: PostgresConnection) -> bool:
        """See `ServerSession`."""
        return not connection.driver.closed

    async def drop(self, connection: PostgresConnection) -> None:
        """See `ServerSession`."""
        await super().drop(connection)
        self._note_cut(connection)

    async def leave(self, connection: PostgresConnection) -> None:
        """See `ServerSession`."""
        try:
            await super().leave(connection)
        finally:
            self._note_cut(connection)

    def _note_cut(self, connection: PostgresConnection) -> None:
        if connection.cut and self._cuts is not None:
            self._cuts.append(clock.now())

    async def why(self, lost: Lost) -> BlindError:
        """See `ServerSession`. Silence: the whole server is mute, or this session's backend."""
        if not lost.late:
            return BlindError(
                Reason.UNREACHABLE, f"{self.where}: the session was cut in mid-answer"
            )
        try:
            settings = replace(self._settings, pooler=self._pooled)
            mute = await why_mute(settings, user=self._login.user, address=self._address)
        except BlindError as error:
            return error
        if mute is not None:
            self._backoff.failed(mute)  # who waits for this session is told at once
            return mute
        if self._pooled and not self._granted:
            said = f"no server connection within {self._patience:g} s"
            return failures.POOL_WAIT.blind(said, where=self.where)
        return BlindError(
            Reason.TIMEOUT,
            f"{self.where}: this session got no answer within {self._patience:g} s; "
            "the server still greets others",
            hint="its backend hangs, or the connection's path is broken; a new one follows",
        )

    def _failure(self, error: psycopg.Error, connection: BoundedPostgres) -> Exception:
        """What a failed statement means. `Lost` when the connection went with it."""
        state = error.sqlstate or ""
        said = failures.server_words(str(error))
        meaning = failures.by_text(said)
        if meaning is not None and meaning in failures.POOLERS_OWN:
            return Lost(told=meaning.blind(said, where=self.where))
        if self._closed or connection.closed or state.startswith("57P"):
            return Lost(said)
        match state:
            case "40001" | "40P01" if "recovery" in said:
                return _EndedByReplayError(
                    Reason.TIMEOUT,
                    f"{self.where}: this standby's replay ended our statement ({said})",
                    hint="reads here end when they hold replay up; the next look may pass",
                )
            case "57014" | "55P03":
                return BlindError(
                    Reason.TIMEOUT, f"{self.where}: the server did not finish in time ({said})"
                )
            case "42501":
                return BlindError(
                    Reason.DENIED,
                    f"{self.where}: role '{self._login.user}' may not ({said})",
                    hint=self._grant(said),
                )
            case "25006":
                return BlindError(Reason.DENIED, f"{self.where}: the session is read-only ({said})")
            case "42883" | "42P01" | "42703" | "0A000" | "42704" | "42809":
                return BlindError(
                    Reason.UNSUPPORTED, f"{self.where}: this server does not know that ({said})"
                )
            case _:
                return BlindError(Reason.UNREADABLE, f"{self.where}: {state} {said}")


async def rows_of(connection: BoundedPostgres, sql: str, bound: Parameters | None) -> Rows:
    """What a statement gives; nothing for one that gives no rows."""
    cursor = await connection.execute(sql.encode(), bound)
    connection.check(cursor.pgresult)
    return await cursor.fetchall() if cursor.description else []


class _EndedByReplayError(BlindError):
    """A standby's replay ended the statement, and spared the connection."""


async def open_postgres(
    settings: PostgresSettings, *, secret: Secret = resolve_async, cuts: Cuts | None = None
) -> Postgres:
    """A read-only observer. It connects at its first statement, so this never fails."""
    await asyncio.to_thread(
        import_module, "cockpit.connect.postgres.bounded"
    )  # slow: not on the loop
    return Postgres(settings, secret=secret, cuts=cuts)
