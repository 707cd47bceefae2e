"""MySQL and MariaDB: one observer connection a target, in a thread of its own.

PyMySQL blocks: its thread is never the default executor's, and a call that hangs is woken by
shutting its socket down, since closing it does not wake the reader. The port is never knocked on
without a login: after a hundred broken handshakes the server blocks the address (error 1129).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from cockpit import clock
from cockpit.connect.addresses import addresses_of
from cockpit.connect.backoff import Backoff, given_up
from cockpit.connect.meaning import TCP_TIMEOUT, tcp_failure, words
from cockpit.connect.mysql import errors as failures
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.net.tls_failure import tls_failure
from cockpit.connect.pace import Pace
from cockpit.connect.rows import first_value, rows_into
from cockpit.connect.secrets import resolve_async
from cockpit.connect.settings import Login
from cockpit.connect.sql import looks as sql_looks
from cockpit.errors import BlindError, Reason

if TYPE_CHECKING:
    import pymysql

Row = TypeVar("Row")
Result = TypeVar("Result")
Secret = Callable[[str], Awaitable[str]]

APPLICATION = "incident-cockpit"
_CONNECT = 3.0
_READ = 4
"""Seconds for an answer: longer than the server's own limit of three."""
_READ_AGAIN = 2
_ADDRESSES = 2
_LIMITS = "lock_wait_timeout=2, innodb_lock_wait_timeout=2"
_READ_ONLY = {
    "mariadb": "SET SESSION max_statement_time=3, tx_read_only=1, tx_isolation='READ-COMMITTED'",
    "mysql": "SET SESSION max_execution_time=3000, transaction_read_only=1, "
    "transaction_isolation='READ-COMMITTED'",
}


class Mysql:
    """An observer. Connects at the first statement, and again after a loss, with a back-off."""

    def __init__(
        self,
        settings: MysqlSettings,
        *,
        secret: Secret = resolve_async,
        login: Login | None = None,
        read_only: bool = True,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._login = login or Login(user=settings.user, password=settings.password)
        self._read_only = read_only
        self._backoff = Backoff()
        self._busy = asyncio.Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._connection: pymysql.connections.Connection[Any] | None = None
        self._rope: socket.socket | None = None
        self._work: asyncio.Future[Any] | None = None
        self._closed = False
        self.pace = Pace()
        self.flavour = ""
        """`mariadb` or `mysql`; empty before the first connection."""

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self._settings.host}:{self._settings.port}"

    async def rows(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = (), *, into: type[Row]
    ) -> list[Row]:
        """See `SqlReads`."""
        return rows_into(await self.dicts(sql, parameters), into, mysql=True)

    async def rows_within(self, seconds: int, sql: str, *, into: type[Row]) -> list[Row]:
        """The same for one SELECT that the server itself gives up after so many whole seconds."""
        return rows_into(await self.dicts(sql, within=seconds), into, mysql=True)

    async def value(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> Any:
        """See `SqlReads`."""
        return first_value(await self.dicts(sql, parameters))

    async def dicts(
        self,
        sql: str,
        parameters: Sequence[object] | Mapping[str, object] = (),
        *,
        within: int | None = None,
    ) -> list[dict[str, Any]]:
        """The rows as they come. An observer's session that was cut is opened again once, at once,
        since the new attempt's failure is the diagnosis. A commander's statement never runs twice.

        Raises `Refused` when an observer is given what does not only look.
        """
        if self._read_only:
            sql_looks.check(sql, "mysql")
        async with self._busy:
            had_one = self._connection is not None
            await self._connected()
            if within is not None:
                sql = _capped(sql.lstrip(), within, self.flavour)
            try:
                return await self._answer(sql, parameters)
            except _Lost as lost:
                late = lost.late
            if had_one and self._read_only and not late:
                await self._connected()
                try:
                    return await self._answer(sql, parameters)
                except _Lost as lost:
                    late = lost.late
            if late:
                raise await self._silence()
            raise failures.CUT.blind("", where=self.where)

    async def close(self) -> None:
        """Give the connection up at once and for good, also from under a statement that hangs."""
        self._closed = True
        self._drop()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    async def _answer(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object]
    ) -> list[dict[str, Any]]:
        import pymysql

        connection = self._connection
        assert connection is not None
        began = clock.monotonic()
        try:
            return await self._in_thread(lambda: _execute(connection, sql, parameters))
        except pymysql.MySQLError as error:
            raise self._failure(error) from None
        except UnicodeDecodeError:
            raise BlindError(
                Reason.UNREADABLE, f"{self.where}: the answer holds text that is not UTF-8"
            ) from None
        finally:
            self.pace.took(sql, clock.monotonic() - began)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        """Run in this target's thread. Cancelled or late: the socket is shut, which ends it."""
        if self._closed:
            raise given_up(self.where)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"mysql {self.where}")
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        future.add_done_callback(_take)
        self._work = future
        try:
            done, _ = await asyncio.wait({future}, timeout=_READ + 1)
        except asyncio.CancelledError:
            self._drop()
            raise
        if not done:
            self._drop()
            raise BlindError(Reason.TIMEOUT, f"{self.where}: no answer within {_READ + 1} s")
        return future.result()

    async def _connected(self) -> None:
        if self._connection is not None:
            return
        self._backoff.check()
        try:
            await self._connect()
        except BlindError as error:
            self._drop()
            self._backoff.failed(error)
            raise
        self._backoff.worked()

    async def _silence(self) -> BlindError:
        """Why nothing came: a new login, soon given up, says whether the server is mute for all."""
        try:
            await self._connect(read=_READ_AGAIN)
        except BlindError as error:
            self._backoff.failed(error)
            return error
        finally:
            self._drop()
        return BlindError(
            Reason.TIMEOUT,
            f"{self.where}: this session got no answer within {_READ} s; the server takes logins",
        )

    async def _connect(self, read: int = _READ) -> None:
        if self._closed:
            raise given_up(self.where)
        password = await self._secret(self._login.password)
        connection = self._prepared(password, read)
        wire = await self._wire()
        self._rope = socket.socket(fileno=os.dup(wire.fileno()))
        self._connection = connection
        await self._log_in(connection, wire)
        await self._begin(connection)

    async def _wire(self) -> socket.socket:
        """A TCP connection to the first address that takes one."""
        failed: BlindError | None = None
        for address in (await addresses_of(self._settings.host))[:_ADDRESSES]:
            try:
                return await _tcp(address, self._settings.port)
            except OSError as error:
                failed = failed or tcp_failure(error, where=self.where)
        raise failed or TCP_TIMEOUT.blind("the name has no address", where=self.where)

    def _prepared(self, password: str, read: int) -> pymysql.connections.Connection[Any]:
        import pymysql
        from pymysql.cursors import DictCursor

        settings = self._settings
        context = _context(settings)
        return pymysql.connections.Connection(
            host=settings.host,
            port=settings.port,
            user=self._login.user,
            password=password,
            database=settings.database or None,
            charset="utf8mb4",
            cursorclass=DictCursor,
            autocommit=True,
            connect_timeout=int(_CONNECT),
            read_timeout=read,
            write_timeout=read,
            program_name=APPLICATION,
            defer_connect=True,
            ssl=context,
            ssl_disabled=context is None,
        )

    async def _log_in(
        self, connection: pymysql.connections.Connection[Any], wire: socket.socket
    ) -> None:
        import pymysql

        try:
            await self._in_thread(lambda: connection.connect(wire))
        except pymysql.MySQLError as error:
            errno, said = _numbered(error)
            cause = getattr(error, "original_exception", None)
            if isinstance(cause, ssl.SSLError):
                raise tls_failure(failures.TLS, cause, where=self.where) from None
            if isinstance(error, pymysql.InternalError) and not errno:
                raise failures.WRONG_PROTOCOL.blind("", where=self.where) from None
            greeted = bool(getattr(connection, "server_version", ""))
            meaning = failures.by_errno(errno, said, greeted=greeted)
            if meaning is None:
                raise BlindError(
                    Reason.UNREACHABLE, f"{self.where}: {errno} {words(said)}"
                ) from None
            if meaning is failures.AUTH and self._settings.tls == "off" and _offers_tls(connection):
                meaning = failures.AUTH_WITHOUT_TLS
            raise meaning.blind(f"{errno} {said}", where=self.where) from None
        except (IndexError, ValueError, UnicodeDecodeError, AssertionError):
            raise failures.WRONG_PROTOCOL.blind("", where=self.where) from None

    async def _begin(self, connection: pymysql.connections.Connection[Any]) -> None:
        """Find the flavour out and set the session's limits."""
        import pymysql

        try:
            (row,) = await self._in_thread(
                lambda: _execute(connection, "SELECT VERSION() AS v, @@version_comment AS c", ())
            )
            self.flavour = "mariadb" if "mariadb" in f"{row['v']} {row['c']}".lower() else "mysql"
            for statement in self._session():
                await self._in_thread(partial(_execute, connection, statement, ()))
        except pymysql.MySQLError as error:
            errno, said = _numbered(error)
            if errno in failures.LOST:
                meaning = failures.MUTE if "timed out" in said else failures.CUT
                raise meaning.blind("", where=self.where) from None
            raise BlindError(
                Reason.UNREADABLE, f"{self.where}: the first query failed: {errno} {words(said)}"
            ) from None

    def _session(self) -> tuple[str, ...]:
        limits = f"SET SESSION {_LIMITS}"
        return (limits, _READ_ONLY[self.flavour]) if self._read_only else (limits,)

    def _failure(self, error: pymysql.MySQLError) -> Exception:
        errno, said = _numbered(error)
        what = f"{self.where}: {errno} {words(said)}"
        if errno in failures.LOST:
            self._drop()
            return _Lost(late="timed out" in said)
        if errno in failures.TOO_LATE:
            return BlindError(Reason.TIMEOUT, what)
        if errno in failures.DENIED:
            return BlindError(Reason.DENIED, what, hint=grant(self._login.user, self.flavour))
        if errno in failures.UNKNOWN:
            return BlindError(Reason.UNSUPPORTED, what)
        return BlindError(Reason.UNREADABLE, what)

    def _drop(self) -> None:
        """Shut the socket down, which wakes a hung reader at once, and forget the connection."""
        rope, self._rope = self._rope, None
        connection, self._connection = self._connection, None
        if rope is not None:
            with contextlib.suppress(OSError), rope:
                rope.shutdown(socket.SHUT_RDWR)
        if connection is None:
            return
        if self._work is None or self._work.done():
            _close(connection)
        else:
            self._work.add_done_callback(lambda _: _close(connection))


class _Lost(Exception):
    """The connection went away under a statement. `late`: because nobody answered."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self.late = late


async def open_mysql(settings: MysqlSettings, *, secret: Secret = resolve_async) -> Mysql:
    """A read-only observer. It connects at its first statement, so this never fails."""
    await asyncio.to_thread(import_module, "pymysql.cursors")  # slow: not on the loop
    return Mysql(settings, secret=secret)


def grant(user: str, flavour: str) -> str:
    """The rights that an observer wants, as a line to paste."""
    rights = (
        "PROCESS, SLAVE MONITOR, BINLOG MONITOR"
        if flavour == "mariadb"
        else "PROCESS, REPLICATION CLIENT"
    )
    return f"GRANT {rights} ON *.* TO '{user}'@'%';"


def _capped(select: str, seconds: int, flavour: str) -> str:
    """A limit of its own for one SELECT: each flavour has another way to say it."""
    if flavour == "mariadb":
        return f"SET STATEMENT max_statement_time={seconds} FOR {select}"
    return select.replace("SELECT", f"SELECT /*+ MAX_EXECUTION_TIME({seconds * 1000}) */", 1)


def _execute(
    connection: pymysql.connections.Connection[Any],
    sql: str,
    parameters: Sequence[object] | Mapping[str, object],
) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return list(cursor.fetchall())


async def _tcp(address: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    wire = socket.socket(family, socket.SOCK_STREAM)
    wire.setblocking(False)
    try:
        async with asyncio.timeout(_CONNECT):
            await loop.sock_connect(wire, (address, port))
    except (OSError, asyncio.CancelledError):
        wire.close()
        raise
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return wire


def _context(settings: MysqlSettings) -> ssl.SSLContext | None:
    """Our own context, since the driver's arguments encrypt without verifying. None: no TLS."""
    if settings.tls == "off":
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca or None)
    except OSError as error:
        raise BlindError(
            Reason.MISCONFIGURED, f"tls_ca {settings.tls_ca} cannot be read: {error.strerror}"
        ) from None
    if settings.tls == "encrypt":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _offers_tls(connection: pymysql.connections.Connection[Any]) -> bool:
    """Whether the server's greeting said that it speaks TLS."""
    from pymysql.constants import CLIENT

    return bool(getattr(connection, "server_capabilities", 0) & CLIENT.SSL)


def _numbered(error: Exception) -> tuple[int, str]:
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return number, " ".join(str(part) for part in error.args[1:])


def _close(connection: pymysql.connections.Connection[Any]) -> None:
    """Free the socket and its reader. Only once no thread uses them."""
    import pymysql

    with contextlib.suppress(pymysql.MySQLError):
        connection.close()


def _take(future: asyncio.Future[Any]) -> None:
    """Take the late end of a call that was given up, so that no warning is printed."""
    if not future.cancelled():
        future.exception()
