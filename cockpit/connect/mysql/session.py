"""MySQL and MariaDB: one observer connection a target, in a thread of its own.

PyMySQL blocks: its thread is never the default executor's, and a call that hangs is woken by
shutting its socket down, since closing it does not wake the reader. The port is never knocked on
without a login: after a hundred broken handshakes the server blocks the address (error 1129).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from cockpit.connect.kind import Secret
from cockpit.connect.meaning import tcp_failure, words
from cockpit.connect.mysql import errors as failures
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.net.addresses import first_reached
from cockpit.connect.net.tls_failure import tls_failure
from cockpit.connect.observer import Lost
from cockpit.connect.rows import rows_into
from cockpit.connect.secrets import no_token_unless, resolve_async
from cockpit.connect.settings import Login
from cockpit.connect.sql import looks as sql_looks
from cockpit.connect.sql.connection import DriverConnection
from cockpit.connect.sql.limits import MOST_SAID, AnswerTooLarge, too_large
from cockpit.connect.sql.session import Parameters, Row, Rows, SqlSession
from cockpit.errors import BlindError, Reason

if TYPE_CHECKING:
    import pymysql
    from pymysql.connections import Connection
    from pymysql.cursors import DictCursor

    from cockpit.connect.mysql.bounded import BoundedMysql

Result = TypeVar("Result")

APPLICATION = "incident-cockpit"
_CONNECT = 3.0
_READ = 3.6
"""Seconds for an answer: a little longer than the server's own limit of three."""
_READ_AGAIN = 2
_ADDRESSES = 2
_LIMITS = "lock_wait_timeout=2, innodb_lock_wait_timeout=2"
_READ_ONLY = {
    "mariadb": "SET SESSION max_statement_time=3, tx_read_only=1, tx_isolation='READ-COMMITTED'",
    "mysql": "SET SESSION max_execution_time=3000, transaction_read_only=1, "
    "transaction_isolation='READ-COMMITTED'",
}


_CLEAR = ("mysql_clear_password", "dialog")
"""Methods by which the server gets the password as it is: it may ask anybody for any of them."""


class _ClearTextWantedError(RuntimeError):
    """The server wants the password in clear text."""


class _NoClearText:
    """A method of the driver that answers nothing."""

    def __init__(self, _: object) -> None:
        pass

    def authenticate(self, _: object) -> None:
        raise _ClearTextWantedError


MysqlConnection = DriverConnection["BoundedMysql"]


class Mysql(SqlSession["BoundedMysql"]):
    """An observer. Connects at the first statement, and again after a loss, with a back-off."""

    engine = "mysql"

    def __init__(
        self,
        settings: MysqlSettings,
        *,
        secret: Secret = resolve_async,
        login: Login | None = None,
        read_only: bool = True,
    ) -> None:
        super().__init__(settings, secret=secret, login=login, read_only=read_only)
        self._settings = settings
        self._thread: ThreadPoolExecutor | None = None
        self.flavour = ""
        """`mariadb` or `mysql`; empty before the first connection."""

    async def rows_within(self, seconds: int, sql: str, *, into: type[Row]) -> list[Row]:
        """`rows` for one SELECT that the server itself gives up after so many whole seconds."""

        async def ask(connection: MysqlConnection) -> Rows:
            return await self._ask(_capped(sql.lstrip(), seconds, self.flavour), (), connection)

        if self._read_only:
            sql_looks.check(sql, self.engine)
        return rows_into(await self._answer(ask, again=self._read_only), into, mysql=True)

    async def close(self) -> None:
        """See `ServerSession`. The thread ends with the call that is woken in it."""
        await super().close()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    async def _ask(self, sql: str, parameters: Parameters, connection: MysqlConnection) -> Rows:
        import pymysql

        with self._paced(sql):
            try:
                return await self._execute(connection, sql, parameters)
            except pymysql.MySQLError as error:
                raise self._failure(error) from None
            except UnicodeDecodeError:
                raise BlindError(
                    Reason.UNREADABLE, f"{self.where}: the answer holds text that is not UTF-8"
                ) from None

    async def _execute(
        self, connection: MysqlConnection, sql: str, parameters: Parameters = ()
    ) -> Rows:
        def execute() -> Rows:
            _begin_unless_refused(connection.driver)
            with connection.driver.cursor() as cursor:
                cursor.execute(sql, parameters or None)
                return list(cursor.fetchall())

        try:
            return await self._in_thread(connection, execute)
        except AnswerTooLarge:
            raise Lost(told=too_large(sql, where=self.where)) from None

    async def _in_thread(self, connection: MysqlConnection, call: Callable[[], Result]) -> Result:
        """Run in this target's thread. Cancelled or late: the socket is shut, which ends it."""
        self._must_be_open()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"mysql {self.where}")
        future = asyncio.get_running_loop().run_in_executor(self._thread, call)
        if not await connection.ended(future, _READ + 1):
            late = BlindError(Reason.TIMEOUT, f"{self.where}: no answer within {_READ + 1:g} s")
            raise Lost(told=late)
        return future.result()

    async def why(self, lost: Lost) -> BlindError:
        """See `ServerSession`. Silence is looked into by a new login, soon given up: it says
        whether the server is mute for all.
        """
        if not lost.late:
            return failures.CUT.blind("", where=self.where)
        try:
            await self._opened(partial(self._reached, _READ_AGAIN))
        except BlindError as error:
            self._backoff.failed(error)
            return error
        finally:
            await self._drop()
        return BlindError(
            Reason.TIMEOUT,
            f"{self.where}: this session got no answer within {_READ:g} s; the server takes logins",
        )

    async def connect(self) -> MysqlConnection:
        """See `ServerSession`."""
        return await self._reached(_READ)

    async def greet(self, connection: MysqlConnection) -> None:
        """See `ServerSession`."""
        await self._log_in(connection)
        await self._begin(connection)

    async def _reached(self, read: float) -> MysqlConnection:
        """A TCP connection to the first address that takes one; `read`: seconds for an answer."""
        verified = self._settings.tls == "verify"
        no_token_unless(verified, self._login.password, where=self.where, hint='tls = "verify"')
        driver = self._prepared(await self._secret(self._login.password), read)
        try:
            wire = await first_reached(self._settings.host, self._settings.port, within=_CONNECT)
        except OSError as error:
            raise tcp_failure(error, where=self.where) from None
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return DriverConnection(driver, wire, partial(_free, driver))

    def _prepared(self, password: str, read: float) -> BoundedMysql:
        from pymysql.cursors import DictCursor

        from cockpit.connect.mysql.bounded import BoundedMysql

        settings = self._settings
        context = _context(settings)
        return BoundedMysql(
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
            auth_plugin_map={} if settings.tls == "verify" else dict.fromkeys(_CLEAR, _NoClearText),
        )

    async def _log_in(self, connection: MysqlConnection) -> None:
        import pymysql

        try:
            wire = connection.rope.dup()  # TLS takes the one it is given for itself
            await self._in_thread(connection, partial(connection.driver.connect, wire))
        except pymysql.MySQLError as error:
            raise self._refusal(error, connection.driver) from None
        except (IndexError, ValueError, UnicodeDecodeError, AssertionError, AnswerTooLarge):
            raise failures.WRONG_PROTOCOL.blind("", where=self.where) from None
        except _ClearTextWantedError:
            raise failures.CLEAR_TEXT.blind("", where=self.where) from None
        except RuntimeError as error:  # the driver lacks a package for the account's method
            raise failures.PLUGIN.blind(str(error), where=self.where) from None

    def _refusal(self, error: pymysql.MySQLError, driver: Connection[DictCursor]) -> BlindError:
        import pymysql

        errno, said = _numbered(error)
        cause = getattr(error, "original_exception", None)
        if isinstance(cause, ssl.SSLError):
            return tls_failure(failures.TLS, cause, where=self.where)
        if isinstance(error, pymysql.InternalError) and not errno:
            return failures.WRONG_PROTOCOL.blind("", where=self.where)
        greeted = bool(getattr(driver, "server_version", ""))
        meaning = failures.by_errno(errno, said, greeted=greeted)
        if meaning is None:
            return BlindError(Reason.UNREACHABLE, f"{self.where}: {errno} {words(said)}")
        if meaning is failures.AUTH and self._settings.tls == "off" and _offers_tls(driver):
            meaning = failures.AUTH_WITHOUT_TLS
        return meaning.blind(f"{errno} {said}", where=self.where)

    async def _begin(self, connection: MysqlConnection) -> None:
        """Find the flavour out and set the session's limits."""
        import pymysql

        try:
            (row,) = await self._execute(
                connection, "SELECT VERSION() AS v, @@version_comment AS c"
            )
            self.flavour = "mariadb" if "mariadb" in f"{row['v']} {row['c']}".lower() else "mysql"
            for statement in self._limits():
                await self._execute(connection, statement)
        except pymysql.MySQLError as error:
            errno, said = _numbered(error)
            if errno in failures.LOST:
                meaning = failures.MUTE if "timed out" in said else failures.CUT
                raise meaning.blind("", where=self.where) from None
            if failures.BY_ERRNO.get(errno) is failures.EXPIRED:  # the login itself was taken
                raise failures.EXPIRED.blind(f"{errno} {said}", where=self.where) from None
            raise BlindError(
                Reason.UNREADABLE, f"{self.where}: the first query failed: {errno} {words(said)}"
            ) from None

    def _limits(self) -> Iterator[str]:
        yield f"SET SESSION {_LIMITS}"
        if self._read_only:
            yield _READ_ONLY[self.flavour]

    def _failure(self, error: pymysql.MySQLError) -> Exception:
        errno, said = _numbered(error)
        what = f"{self.where}: {errno} {words(said)}"
        if errno in failures.LOST:
            return Lost(late="timed out" in said)
        if errno in failures.TOO_LATE:
            return BlindError(Reason.TIMEOUT, what)
        if errno in failures.DENIED:
            return BlindError(Reason.DENIED, what, hint=grant(self._login.user, self.flavour))
        if errno in failures.UNKNOWN:
            return BlindError(Reason.UNSUPPORTED, what)
        return BlindError(Reason.UNREADABLE, what)


async def open_mysql(settings: MysqlSettings, *, secret: Secret = resolve_async) -> Mysql:
    """A read-only observer. It connects at its first statement, so this never fails."""
    await asyncio.to_thread(import_module, "cockpit.connect.mysql.bounded")  # slow: not on the loop
    return Mysql(settings, secret=secret)


def grant(user: str, flavour: str) -> str:
    """The rights that an observer wants, as a line to paste."""
    rights = "PROCESS, SLAVE MONITOR" if flavour == "mariadb" else "PROCESS, REPLICATION CLIENT"
    return f"GRANT {rights} ON *.* TO '{user}'@'%';"


def _capped(select: str, seconds: int, flavour: str) -> str:
    """A limit of its own for one SELECT: each flavour has another way to say it."""
    if flavour == "mariadb":
        return f"SET STATEMENT max_statement_time={seconds} FOR {select}"
    return select.replace("SELECT", f"SELECT /*+ MAX_EXECUTION_TIME({seconds * 1000}) */", 1)


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


def _begin_unless_refused(driver: BoundedMysql) -> None:
    """A Galera node out of its cluster refuses BEGIN too, and answers SHOW and the information
    schema: without this nobody is told what the node says of itself.
    """
    import pymysql

    try:
        driver.begin()
    except pymysql.MySQLError as error:
        if _numbered(error)[0] != failures.NODE_NOT_READY:
            raise


def _offers_tls(driver: Connection[DictCursor]) -> bool:
    """Whether the server's greeting said that it speaks TLS."""
    from pymysql.constants import CLIENT

    return bool(getattr(driver, "server_capabilities", 0) & CLIENT.SSL)


def _numbered(error: Exception) -> tuple[int, str]:
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return number, " ".join(str(part)[:MOST_SAID] for part in error.args[1:])


def _free(driver: Connection[DictCursor]) -> None:
    """Its socket and reader. Only once no thread uses them."""
    import pymysql

    with contextlib.suppress(pymysql.MySQLError):
        driver.close()
