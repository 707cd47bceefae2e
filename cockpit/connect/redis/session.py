"""Redis and Valkey: one observer connection a target, an allowlist of read commands.

redis-py's defaults would retry ten times and announce the library, which costs error counters on
old servers: here there is no retry, no announcement, RESP2, and two seconds for everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from cockpit.connect.kind import Secret
from cockpit.connect.meaning import Meaning, tcp_failure, words
from cockpit.connect.net.addresses import addresses_of, first_reached
from cockpit.connect.net.tls_failure import tls_failure
from cockpit.connect.observer import Lost, ServerSession
from cockpit.connect.redis import errors as failures
from cockpit.connect.redis.nodes import Nodes, fastest_round_trip, jitter
from cockpit.connect.redis.refusal import alert, why_cut, why_refused
from cockpit.connect.redis.settings import RedisSettings
from cockpit.connect.secrets import no_token_unless, resolve_async
from cockpit.connect.settings import Login
from cockpit.errors import BlindError, Reason, Refused

if TYPE_CHECKING:
    from redis.asyncio import Connection

APPLICATION = "incident-cockpit"
_TIMEOUT = 2.0

READS = frozenset(
    {
        "PING", "INFO", "ROLE", "DBSIZE", "TIME", "CLIENT ID", "CLIENT LIST", "CLIENT SETNAME",
        "CLIENT NO-TOUCH", "SLOWLOG GET", "SLOWLOG LEN", "LATENCY LATEST", "LATENCY HISTORY",
        "LATENCY HISTOGRAM", "LATENCY DOCTOR", "MEMORY STATS", "MEMORY DOCTOR", "CLUSTER INFO",
        "CLUSTER NODES", "CLUSTER SLOTS", "CLUSTER SHARDS", "COMMANDLOG GET",
    }
)  # fmt: skip
"""All that an observer may send. Everything else is refused before it leaves."""

Field = int | float | str
"""A value in INFO."""


class Redis(ServerSession["Connection"]):
    """An observer. Connects at the first command, and again after a loss, with a back-off."""

    def __init__(
        self,
        settings: RedisSettings,
        *,
        secret: Secret = resolve_async,
        login: Login | None = None,
        timeout: float = _TIMEOUT,
    ) -> None:
        super().__init__(f"{settings.host}:{settings.port}")
        self._settings = settings
        self._secret = secret
        self._login = login or Login(user=settings.user, password=settings.password)
        self._timeout = timeout
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

    async def info(self, *sections: str) -> Mapping[str, Field]:
        """See `RedisReads`. Numbers come as numbers; composed values (`db0`, `slave0`) as text."""
        return parse_info(str(await self.command("INFO", *sections)))

    async def command(self, *words: str | int) -> object:
        """See `RedisReads`. Texts come as `str`."""
        if not allowed(words):
            raise Refused(
                f"{' '.join(str(word) for word in words[:2])} is not a read: it is not on the list "
                "of what an observer may send"
            )
        return await self.send(*words)

    async def send(self, *words: str | int, retry: bool = True) -> object:
        """One command, without the list. `retry`: once more after a session that was cut."""
        return await self._answer(partial(self._ask, words), again=retry)

    async def close(self) -> None:
        """See `ServerSession`. The sessions to the other nodes, too."""
        await super().close()
        await self.nodes.close()

    async def _ask(self, words: tuple[str | int, ...], connection: Connection) -> object:
        import redis.exceptions

        with self._paced(str(words[0])):
            try:
                async with asyncio.timeout(self._timeout + 0.5):
                    await connection.send_command(*words, check_health=False)
                    return _text_in(await connection.read_response())
            except (TimeoutError, redis.exceptions.TimeoutError):
                raise Lost(told=failures.MUTE.blind("", where=self.where)) from None
            except redis.exceptions.RedisError as error:
                raise self._failure(error) from None
            except OSError as error:
                raise self._objected(error) or Lost(str(error)) from None

    def _objected(self, error: Exception) -> Lost | None:
        if (found := alert(error)) is None:
            return None
        return Lost(told=tls_failure(failures.TLS, found, where=self.where))

    def _failure(self, error: Exception) -> Exception:
        import redis.exceptions

        from cockpit.connect.redis.bounded import ReplyTooLarge

        if (objected := self._objected(error)) is not None:
            return objected
        if isinstance(error, ReplyTooLarge):
            return Lost(told=BlindError(Reason.UNREADABLE, f"{self.where}: {error}"))
        meaning = failures.by_reply(error)
        if isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.InvalidResponse):
            return Lost(str(error), told=None if meaning is None else self._told(meaning, error))
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

    async def connect(self) -> Connection:
        """See `ServerSession`. Not connected yet: `greet` does it, where `close` can end it."""
        no_token_unless(
            self._settings.tls, self._login.password, where=self.where, hint="tls = true"
        )
        password = await self._secret(self._login.password)
        return _prepared(
            self._settings,
            await self._address(),
            user=self._login.user,
            password=password,
            timeout=self._timeout,
        )

    async def _address(self) -> str:
        """The first address of the host that takes a connection; the only one untried."""
        found = await addresses_of(self._settings.host)
        if len(found) == 1:
            return found[0]
        try:
            wire = await first_reached(self._settings.host, self._settings.port, within=_TIMEOUT)
        except OSError as error:
            raise tcp_failure(error, where=self.where) from None
        with wire:
            return str(wire.getpeername()[0])

    async def greet(self, connection: Connection) -> None:
        """See `ServerSession`. Connects, and gives our connection its name; a server that is busy
        or denies it may still be read.
        """
        import redis.exceptions

        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except (redis.exceptions.RedisError, OSError) as error:
            meaning = failures.by_reply(error)
            if meaning is not None:
                raise self._told(meaning, error) from None
            raise await why_refused(error, self._settings) from None
        with contextlib.suppress(BlindError):
            await self._ask(("CLIENT", "SETNAME", APPLICATION), connection)

    def alive(self, connection: Connection) -> bool:
        """See `ServerSession`."""
        return bool(connection.is_connected)

    async def drop(self, connection: Connection) -> None:
        """See `ServerSession`."""
        with contextlib.suppress(OSError, TimeoutError):
            await connection.disconnect(nowait=True)

    async def why(self, lost: Lost) -> BlindError:
        """See `ServerSession`."""
        return await why_cut(str(lost), self._settings)


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


def parse_info(text: str) -> dict[str, Field]:
    """The fields of INFO, by name; numbers as numbers. Unknown fields are kept."""
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: _number(value) for name, colon, value in pairs if colon}


def _number(value: str) -> Field:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(value)
    return value


def _prepared(
    settings: RedisSettings, address: str, *, user: str, password: str, timeout: float
) -> Connection:
    from redis.asyncio import Connection
    from redis.asyncio.connection import AbstractConnection
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    from cockpit.connect.redis.bounded import BoundedParser
    from cockpit.connect.redis.named import NamedConnection

    accepted = inspect.signature(AbstractConnection.__init__).parameters
    quiet = {"driver_info": None} if "driver_info" in accepted else {"lib_name": None}
    make: Callable[..., Connection] = Connection
    if settings.tls:
        make = partial(
            NamedConnection,
            ssl_cert_reqs="required",
            ssl_check_hostname=True,
            ssl_ca_certs=settings.tls_ca or None,
        )
    made = make(
        host=address,
        port=settings.port,
        username=user or None,
        password=password or None,
        socket_timeout=timeout,
        socket_connect_timeout=_TIMEOUT,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        parser_class=BoundedParser,
        health_check_interval=0,
        **quiet,
    )
    if isinstance(made, NamedConnection):
        made.name = settings.host
    return made


def _text_in(reply: object) -> object:
    """Bytes become text at every depth; bytes that are not UTF-8 show as replacement characters."""
    if isinstance(reply, bytes):
        return reply.decode(errors="replace")
    if isinstance(reply, list):
        return [_text_in(each) for each in reply]
    return reply
