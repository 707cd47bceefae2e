"""Redis and Valkey: one observer connection a target, an allowlist of read commands.

redis-py's defaults would retry ten times and announce the library, which costs error counters on
old servers: here there is no retry, no announcement, RESP2, and two seconds for everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cockpit import clock
from cockpit.connect.addresses import addresses_of
from cockpit.connect.backoff import Backoff, given_up
from cockpit.connect.meaning import Meaning, tcp_failure, words
from cockpit.connect.net.tls import verdict
from cockpit.connect.net.tls_failure import tls_failure
from cockpit.connect.pace import Pace
from cockpit.connect.redis import errors as failures
from cockpit.connect.redis.nodes import Nodes, fastest_round_trip, jitter
from cockpit.connect.redis.settings import RedisSettings
from cockpit.connect.secrets import resolve_async
from cockpit.connect.settings import Login
from cockpit.errors import BlindError, Reason, Refused

if TYPE_CHECKING:
    from redis.asyncio import Connection

Secret = Callable[[str], Awaitable[str]]

APPLICATION = "incident-cockpit"
_TIMEOUT = 2.0
_LISTEN = 0.4
"""Seconds to listen for what a server says on its own before it hangs up."""

READS = frozenset(
    {
        "PING", "INFO", "ROLE", "DBSIZE", "TIME", "CLIENT ID", "CLIENT LIST", "CLIENT SETNAME",
        "CLIENT NO-TOUCH", "SLOWLOG GET", "SLOWLOG LEN", "LATENCY LATEST", "LATENCY HISTORY",
        "LATENCY HISTOGRAM", "LATENCY DOCTOR", "MEMORY STATS", "MEMORY DOCTOR", "CLUSTER INFO",
        "CLUSTER NODES", "CLUSTER SLOTS", "CLUSTER SHARDS", "COMMANDLOG GET",
    }
)  # fmt: skip
"""All that an observer may send. Everything else is refused before it leaves."""


class Redis:
    """An observer. Connects at the first command, and again after a loss, with a back-off."""

    def __init__(
        self,
        settings: RedisSettings,
        *,
        secret: Secret = resolve_async,
        login: Login | None = None,
        timeout: float = _TIMEOUT,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._login = login or Login(user=settings.user, password=settings.password)
        self._timeout = timeout
        self._backoff = Backoff()
        self._busy = asyncio.Lock()
        self._connection: Connection | None = None
        self._closed = False
        self.pace = Pace()
        self.nodes = Nodes(
            settings,
            lambda other: Redis(other, secret=secret, login=self._login, timeout=timeout),
        )
        """The other nodes of the same cluster."""

    @property
    def rtt_s(self) -> float | None:
        """Seconds of the fastest round trip that TCP saw on this connection; None: not told."""
        return fastest_round_trip(self._connection)

    @property
    def jitter_s(self) -> float | None:
        """Seconds by which its usual round trips are above that; None: not told."""
        return jitter(self._connection)

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self._settings.host}:{self._settings.port}"

    async def info(self, *sections: str) -> Mapping[str, Any]:
        """See `RedisReads`. Numbers come as numbers; composed values (`db0`, `slave0`) as text."""
        reply = await self.command("INFO", *sections)
        return parse_info(_text(reply))

    async def command(self, *words: str | int) -> Any:
        """See `RedisReads`. Texts come as `str`."""
        if not allowed(words):
            raise Refused(
                f"{' '.join(str(word) for word in words[:2])} is not a read: it is not on the list "
                "of what an observer may send"
            )
        return await self.send(*words)

    async def send(self, *words: str | int, retry: bool = True) -> Any:
        """One command, without the list. `retry`: once more after a session that was cut."""
        async with self._busy:
            had_one = self._connection is not None
            await self._connected()
            try:
                return await self._reply(*words)
            except _Lost as lost:
                if not (had_one and retry):
                    raise await self._hung_up(str(lost)) from None
            await self._connected()
            try:
                return await self._reply(*words)
            except _Lost as lost:
                raise await self._hung_up(str(lost)) from None

    async def close(self) -> None:
        """Give the connection up at once and for good, also from under a command that hangs."""
        self._closed = True
        await self._drop()
        await self.nodes.close()

    async def _reply(self, *words: str | int) -> Any:
        import redis.exceptions

        connection = self._connection
        assert connection is not None
        began = clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout + 0.5):
                await connection.send_command(*words, check_health=False)
                return _text_in(await connection.read_response())
        except (TimeoutError, redis.exceptions.TimeoutError):
            await self._drop()
            raise failures.MUTE.blind("", where=self.where) from None
        except asyncio.CancelledError:
            await self._drop()
            raise
        except redis.exceptions.RedisError as error:
            raise await self._failure(error) from None
        except OSError as error:
            raise await self._cut(error) from None
        finally:
            self.pace.took(str(words[0]), clock.monotonic() - began)

    async def _cut(self, error: OSError) -> Exception:
        await self._drop()
        alert = _alert(error)
        return tls_failure(failures.TLS, alert, where=self.where) if alert else _Lost(str(error))

    async def _failure(self, error: Exception) -> Exception:
        import redis.exceptions

        if (alert := _alert(error)) is not None:
            await self._drop()
            return tls_failure(failures.TLS, alert, where=self.where)
        meaning = failures.by_reply(error)
        if isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.InvalidResponse):
            await self._drop()
            return _Lost(str(error)) if meaning is None else self._told(meaning, error)
        if meaning is not None:
            return self._told(meaning, error)
        said = words(str(error))
        unknown = "unknown" in said.lower()
        reason = Reason.UNSUPPORTED if unknown else Reason.UNREADABLE
        return BlindError(reason, f"{self.where}: {said}")

    def _told(self, meaning: Meaning, error: Exception) -> BlindError:
        if meaning is failures.BLIND:
            meaning = replace(meaning, hint=failures.acl(self._login.user))
        return meaning.blind(str(error), where=self.where)

    def _must_be_open(self) -> None:
        if self._closed:
            raise given_up(self.where)

    async def _connected(self) -> None:
        if self._connection is not None and self._connection.is_connected:
            return
        self._must_be_open()
        self._backoff.check()
        try:
            await self._connect()
        except BlindError as error:
            await self._drop()
            self._backoff.failed(error)
            raise
        self._backoff.worked()
        try:
            self._must_be_open()
        except BlindError:  # closed meanwhile
            await self._drop()
            raise

    async def _connect(self) -> None:
        import redis.exceptions

        password = await self._secret(self._login.password)
        address = (await addresses_of(self._settings.host))[0]
        self._connection = _prepared(
            self._settings,
            self._settings.host if self._settings.tls else address,
            user=self._login.user,
            password=password,
            timeout=self._timeout,
        )
        try:
            await self._connection.connect()  # type: ignore[no-untyped-call]
        except (redis.exceptions.RedisError, OSError) as error:
            raise await self._refusal(error, address) from None
        except asyncio.CancelledError:
            await self._drop()
            raise
        await self._announce()

    async def _announce(self) -> None:
        """Give our connection its name; a server that is busy or denies it may still be read."""
        try:
            await self._reply("CLIENT", "SETNAME", APPLICATION)
        except _Lost as lost:
            raise await self._hung_up(str(lost)) from None
        except BlindError:
            if self._connection is None:
                raise

    async def _refusal(self, error: Exception, address: str) -> BlindError:
        """Why the connection did not come about, by what lies under the driver's error."""
        import redis.exceptions

        meaning = failures.by_reply(error)
        if meaning is not None:
            return self._told(meaning, error)
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLError):
                return tls_failure(failures.TLS, cause, where=self.where)
        late = isinstance(error, redis.exceptions.TimeoutError | TimeoutError)
        if late and "connecting" not in str(error):
            return failures.MUTE.blind("", where=self.where)
        greeting = await self._listen(address, ask=b"PING\r\n" if self._settings.tls else b"")
        if self._settings.tls and isinstance(greeting, bytes) and greeting[:1] in {b"+", b"-"}:
            return failures.TLS.blind("the port answers without TLS", where=self.where)
        if late and isinstance(greeting, bytes):
            return failures.MUTE.blind("no answer to the TLS handshake", where=self.where)
        return await self._objection(address) or self._heard(greeting, str(error))

    async def _hung_up(self, said: str) -> BlindError:
        """Why the server cut the session: it says so itself to whoever listens first."""
        try:
            address = (await addresses_of(self._settings.host))[0]
        except BlindError as error:
            return error
        return await self._objection(address) or self._heard(await self._listen(address), said)

    async def _objection(self, address: str) -> BlindError | None:
        """The alert of a server that refuses our TLS 1.3 handshake after we finished it. Our first
        command may cross its alert, which is lost with the connection then; here nothing is sent.
        """
        if not self._settings.tls:
            return None
        try:
            async with asyncio.timeout(_TIMEOUT):
                trust = await asyncio.to_thread(
                    ssl.create_default_context, cafile=self._settings.tls_ca or None
                )
                reader, writer = await asyncio.open_connection(
                    address, self._settings.port, ssl=trust, server_hostname=self._settings.host
                )
        except OSError:
            return None
        try:
            async with asyncio.timeout(_LISTEN):
                await reader.read(1)
        except OSError as error:
            alert = _alert(error)
            return tls_failure(failures.TLS, alert, where=self.where) if alert else None
        finally:
            writer.transport.abort()
        return None

    def _heard(self, greeting: bytes | OSError, said: str) -> BlindError:
        if isinstance(greeting, OSError):
            return tcp_failure(greeting, where=self.where)
        if b"max number of clients" in greeting:
            return failures.SATURATED.blind(greeting.decode(errors="replace"), where=self.where)
        dropped = failures.DROPPED_UNDER_TLS if self._settings.tls else failures.DROPPED
        return dropped.blind(said, where=self.where)

    async def _listen(self, address: str, ask: bytes = b"") -> bytes | OSError:
        """What the server says on its own, or to `ask`; empty when nothing. The error of TCP."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                reader, writer = await asyncio.open_connection(address, self._settings.port)
        except OSError as error:
            return error
        try:
            writer.write(ask)
            async with asyncio.timeout(_LISTEN):
                return await reader.readline()
        except OSError:
            return b""
        finally:
            writer.transport.abort()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, TimeoutError):
                await connection.disconnect(nowait=True)


class _Lost(Exception):
    """The connection went away under a command."""


async def open_redis(settings: RedisSettings, *, secret: Secret = resolve_async) -> Redis:
    """A read-only observer. It connects at its first command, so this never fails."""
    await asyncio.to_thread(import_module, "redis.asyncio")  # slow: not on the loop
    return Redis(settings, secret=secret)


def allowed(words: tuple[str | int, ...]) -> bool:
    """Whether a command is on the list, by its first word or its first two."""
    upper = [str(word).upper() for word in words[:2]]
    if not upper or any(" " in word for word in upper):
        return False
    return upper[0] in READS or " ".join(upper) in READS


def parse_info(text: str) -> dict[str, Any]:
    """The fields of INFO, by name; numbers as numbers. Unknown fields are kept."""
    fields: dict[str, Any] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#"):
            fields[name] = _number(value)
    return fields


def _number(value: str) -> int | float | str:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(value)
    return value


def _prepared(
    settings: RedisSettings, host: str, *, user: str, password: str, timeout: float
) -> Connection:
    from redis.asyncio import Connection, SSLConnection
    from redis.asyncio.connection import AbstractConnection
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    accepted = inspect.signature(AbstractConnection.__init__).parameters
    quiet = {"driver_info": None} if "driver_info" in accepted else {"lib_name": None}
    arguments: dict[str, Any] = {
        "host": host,
        "port": settings.port,
        "username": user or None,
        "password": password or None,
        "socket_timeout": timeout,
        "socket_connect_timeout": _TIMEOUT,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "health_check_interval": 0,
        **quiet,
    }
    if not settings.tls:
        return Connection(**arguments)
    arguments |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    arguments |= {"ssl_ca_certs": settings.tls_ca} if settings.tls_ca else {}
    return SSLConnection(**arguments)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _alert(error: BaseException) -> ssl.SSLError | None:
    """TLS 1.3 lets us finish our handshake and then refuses us, in place of the first answer."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError) and verdict(cause) == "alert":
            return cause
    return None


def _text(reply: object) -> str:
    return reply if isinstance(reply, str) else str(reply)


def _text_in(reply: Any) -> Any:
    """Bytes become text at every depth; bytes that are not UTF-8 show as replacement characters."""
    if isinstance(reply, bytes):
        return reply.decode(errors="replace")
    if isinstance(reply, list):
        return [_text_in(each) for each in reply]
    return reply
