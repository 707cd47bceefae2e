"""PostgreSQL: one observer connection a target, read-only, with short timeouts on the server.

psycopg's traps are avoided here: its connect timeout counts per address, so names are resolved
first; its cancellation waits five seconds for a hung server, so a statement is never cancelled from
this side: the socket is shut down instead, and the server's own `statement_timeout` ends what runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from cockpit import clock
from cockpit.connect.addresses import addresses_of
from cockpit.connect.backoff import Backoff, given_up
from cockpit.connect.net.tls_failure import tls_failure
from cockpit.connect.pace import Pace
from cockpit.connect.postgres import errors as failures
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.postgres.wire import Rung, first_words, tls_error
from cockpit.connect.rows import first_value, rows_into
from cockpit.connect.secrets import resolve_async
from cockpit.connect.settings import Login
from cockpit.connect.sql import looks as sql_looks
from cockpit.errors import BlindError, Reason

if TYPE_CHECKING:
    import psycopg

Row = TypeVar("Row")
Secret = Callable[[str], Awaitable[str]]

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
 WHERE name IN ('statement_timeout', 'lock_timeout')
"""
_OPTIONS = {
    "statement_timeout": _STATEMENT_MS,
    "lock_timeout": 500,
    "idle_in_transaction_session_timeout": 5000,
}


class Postgres:
    """An observer. Connects at the first statement, and again after a loss, with a back-off.

    One statement is in flight at a time. Every failure is a `BlindError`; where the catalogue has a
    finding for the failure, with its code.
    """

    def __init__(
        self,
        settings: PostgresSettings,
        *,
        secret: Secret = resolve_async,
        login: Login | None = None,
        read_only: bool = True,
        patience: float = _PATIENCE,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._login = login or Login(user=settings.user, password=settings.password)
        self._read_only = read_only
        self._patience = patience
        self.pace = Pace()
        self._backoff = Backoff()
        self._busy = asyncio.Lock()
        self._pooled = settings.pooler
        self._direct = False
        self._granted = True
        self._connection: psycopg.AsyncConnection[dict[str, Any]] | None = None
        self._work: asyncio.Task[list[dict[str, Any]]] | None = None
        self._closed = False

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self._settings.host}:{self._settings.port}"

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

    async def rows(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = (), *, into: type[Row]
    ) -> list[Row]:
        """See `SqlReads`."""
        return rows_into(await self.dicts(sql, parameters), into)

    async def value(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> Any:
        """See `SqlReads`."""
        return first_value(await self.dicts(sql, parameters))

    async def dicts(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[dict[str, Any]]:
        """The rows as they come. An observer's session that was cut is opened again once, at once,
        since the new attempt's failure is the diagnosis. A commander's statement never runs twice.

        Raises `Refused` when an observer is given what does not only look.
        """
        if self._read_only:
            sql_looks.check(sql, "postgres")
        async with self._busy:
            had_one = self._connection is not None
            connection = await self._connected()
            try:
                return await self._spared(connection, sql, parameters)
            except _Lost:
                if had_one and self._read_only:
                    with contextlib.suppress(_Lost):
                        return await self._spared(await self._connected(), sql, parameters)
                raise BlindError(
                    Reason.UNREACHABLE, f"{self.where}: the session was cut in mid-answer"
                ) from None

    async def _spared(
        self,
        connection: psycopg.AsyncConnection[dict[str, Any]],
        sql: str,
        parameters: Sequence[object] | Mapping[str, object],
    ) -> list[dict[str, Any]]:
        """The answer, also when a standby's replay ended our statement: it goes on, so we do too.

        Once more only: who replays without end should not be asked without end.
        """
        try:
            return await self._answer(connection, sql, parameters)
        except _InTheWay as first:
            if not self._read_only:
                raise self._in_the_way(first) from None
        try:
            return await self._answer(connection, sql, parameters)
        except _InTheWay as second:
            raise self._in_the_way(second) from None

    def _in_the_way(self, ended: _InTheWay) -> BlindError:
        return BlindError(
            Reason.TIMEOUT,
            f"{self.where}: this standby's replay ended our statement ({ended})",
            hint="reads here end when they hold replay up; the next look may pass",
        )

    async def close(self) -> None:
        """Give the connection up at once and for good, also from under a statement that hangs."""
        self._closed = True
        self._drop()

    async def _answer(
        self,
        connection: psycopg.AsyncConnection[dict[str, Any]],
        sql: str,
        parameters: Sequence[object] | Mapping[str, object],
    ) -> list[dict[str, Any]]:
        import psycopg

        work = asyncio.create_task(self._execute(connection, sql, parameters))
        self._work = work
        began = clock.monotonic()
        try:
            done, _ = await asyncio.wait({work}, timeout=self._patience)
        except asyncio.CancelledError:
            self._drop()
            raise
        self.pace.took(sql, clock.monotonic() - began)
        if not done:
            self._drop()
            raise await self._silence()
        self._work = None
        try:
            return work.result()
        except psycopg.Error as error:
            raise self._failure(error) from None

    async def _execute(
        self,
        connection: psycopg.AsyncConnection[dict[str, Any]],
        sql: str,
        parameters: Sequence[object] | Mapping[str, object],
    ) -> list[dict[str, Any]]:
        bound = parameters or None
        if not self._pooled and not self._direct:
            await self._ask_whether_direct(connection)
        if not self._pooled or (not self._read_only and sql.startswith(_NOT_IN_TRANSACTIONS)):
            cursor = await connection.execute(sql.encode(), bound)
            return await cursor.fetchall() if cursor.description else []
        self._granted = False
        async with connection.transaction():
            await connection.execute(b"SET LOCAL statement_timeout = %d" % _STATEMENT_MS)
            self._granted = True
            cursor = await connection.execute(sql.encode(), bound)
            return await cursor.fetchall() if cursor.description else []

    async def _ask_whether_direct(
        self, connection: psycopg.AsyncConnection[dict[str, Any]]
    ) -> None:
        """A pooler may swallow start-up options: then nothing would end our statements."""
        cursor = await connection.execute(_ARRIVED)
        row = await cursor.fetchone()
        self._direct = row is not None and row["arrived"] == f"{_STATEMENT_MS} 500"
        if not self._direct:
            await self._through_pooler(connection)

    async def _through_pooler(self, connection: psycopg.AsyncConnection[dict[str, Any]]) -> None:
        """From now on every statement is a transaction of its own, read-only for an observer."""
        self._pooled = True
        if self._read_only:
            await connection.set_read_only(True)

    def _must_be_open(self) -> None:
        if self._closed:
            raise given_up(self.where)

    async def _connected(self) -> psycopg.AsyncConnection[dict[str, Any]]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._must_be_open()
        self._backoff.check()
        try:
            self._connection = connection = await self._connect()
        except BlindError as error:
            self._backoff.failed(error)
            raise
        self._backoff.worked()
        try:
            self._must_be_open()
        except BlindError:  # closed meanwhile
            self._drop()
            raise
        return connection

    async def _connect(self) -> psycopg.AsyncConnection[dict[str, Any]]:
        password = await self._secret(self._login.password)
        addresses = await addresses_of(self._settings.host)
        failed: BlindError | None = None
        for address in addresses[:_ADDRESSES]:
            try:
                return await self._connect_to(address, password)
            except BlindError as error:
                failed = failed or error
                if not error.code.startswith("NET_TCP"):
                    break
        raise failed or BlindError(Reason.UNREACHABLE, f"{self.where}: the name has no address")

    async def _connect_to(
        self, address: str, password: str
    ) -> psycopg.AsyncConnection[dict[str, Any]]:
        import psycopg
        from psycopg.rows import dict_row

        try:
            connection = await psycopg.AsyncConnection.connect(
                autocommit=True,
                prepare_threshold=None,
                row_factory=dict_row,
                **self._arguments(address, password),
            )
        except psycopg.Error as error:
            if not self._pooled and failures.by_text(str(error)) is failures.POOLER:
                self._pooled = True
                return await self._connect_to(address, password)
            raise await self._refusal(address, str(error)) from None
        self._direct = False
        if self._pooled:
            await self._through_pooler(connection)
        return connection

    def _arguments(self, address: str, password: str) -> dict[str, Any]:
        settings = self._settings
        arguments: dict[str, Any] = {
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
        if root := settings.sslrootcert or _system_roots(settings.sslmode):
            arguments["sslrootcert"] = root
        if not self._pooled:
            read_only = {"default_transaction_read_only": "on"} if self._read_only else {}
            arguments["options"] = " ".join(
                f"-c {name}={value}" for name, value in (_OPTIONS | read_only).items()
            )
        return arguments

    async def _refusal(self, address: str, text: str) -> BlindError:
        """Why the driver could not connect: its text, or else the server's first words."""
        meaning = failures.by_text(text)
        if meaning is failures.TLS:
            return await self._tls_refusal(address, text)
        if meaning is not None and meaning is not failures.STARTING:
            return meaning.blind(failures.server_words(text), where=self.where)
        words = await first_words(
            address,
            self._settings.port,
            user=self._login.user,
            database=self._settings.database,
        )
        told = failures.by_first_words(words) or meaning
        if told is not None:
            said = words.message or failures.server_words(text)
            return told.blind(said, where=self.where)
        if "timeout" in text:
            return failures.MUTE.blind("no answer to the login", where=self.where)
        return BlindError(Reason.UNREACHABLE, f"{self.where}: {failures.server_words(text)}")

    async def _tls_refusal(self, address: str, text: str) -> BlindError:
        """What is wrong with the certificate: the driver says one thing for many reasons."""
        settings = self._settings
        error = await tls_error(
            address,
            settings.port,
            name=settings.host,
            roots=settings.sslrootcert or _system_roots(settings.sslmode),
            sslmode=settings.sslmode,
        )
        if error is None:
            return failures.TLS.blind(failures.server_words(text), where=self.where)
        return tls_failure(failures.TLS, error, where=self.where, trusted="sslrootcert")

    async def _silence(self) -> BlindError:
        """Why nothing came: the whole server is mute, or only this session's backend."""
        try:
            address = (await addresses_of(self._settings.host))[0]
        except BlindError as error:
            return error
        words = await first_words(
            address, self._settings.port, user=self._login.user, database=self._settings.database
        )
        meaning = failures.by_first_words(words)
        if meaning is not None and words.rung is not Rung.ERROR:
            mute = meaning.blind(words.message, where=self.where)
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

    def _failure(self, error: psycopg.Error) -> Exception:
        """What a failed statement means. `_Lost` when the connection went with it."""
        state = error.sqlstate or ""
        said = failures.server_words(str(error))
        meaning = failures.by_text(said)
        if meaning is not None and meaning in failures.POOLERS_OWN:
            self._drop()
            return meaning.blind(said, where=self.where)
        if self._connection is None or self._connection.closed or state.startswith("57P"):
            self._drop()
            return _Lost(said)
        match state:
            case "40001" | "40P01" if "recovery" in said:
                return _InTheWay(said)
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

    def _drop(self) -> None:
        """Shut the socket down, which wakes a hung reader at once, and forget the connection."""
        connection, self._connection = self._connection, None
        work, self._work = self._work, None
        if connection is None:
            return
        wire = connection.pgconn.socket if not connection.closed else -1
        if wire >= 0:
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(wire)) as copy:
                copy.shutdown(socket.SHUT_RDWR)
        if work is None or work.done():
            connection.pgconn.finish()
        else:
            work.add_done_callback(lambda ended: _finish(ended, connection))


class _Lost(Exception):
    """The connection went away under a statement."""


class _InTheWay(Exception):
    """A standby's replay ended the statement, and spared the connection."""


async def open_postgres(settings: PostgresSettings, *, secret: Secret = resolve_async) -> Postgres:
    """A read-only observer. It connects at its first statement, so this never fails."""
    await asyncio.to_thread(import_module, "psycopg.rows")  # slow: not on the loop
    return Postgres(settings, secret=secret)


def _finish(
    work: asyncio.Task[list[dict[str, Any]]], connection: psycopg.AsyncConnection[dict[str, Any]]
) -> None:
    """Take the late end of a statement that was given up, so that no warning is printed."""
    if not work.cancelled():
        work.exception()
    connection.pgconn.finish()


def _system_roots(sslmode: str) -> str:
    """The system's store for a mode that verifies, since libpq itself has none."""
    if sslmode not in {"verify-ca", "verify-full"}:
        return ""
    return ssl.get_default_verify_paths().cafile or ("system" if sslmode == "verify-full" else "")
