"""Memcached: one observer connection a target, its text protocol, a handful of read commands.

Source: memcached's doc/protocol.txt; catalogue of findings 4.5. There is no login and no greeting:
the first answer is the first sign of life. A full server says `ERROR Too many open connections` at
once and hangs up; a stopped one takes the connection and stays silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from cockpit.connect.addresses import addresses_of
from cockpit.connect.backoff import Backoff
from cockpit.connect.meaning import Meaning, tcp_failure, words
from cockpit.connect.memcached.settings import MemcachedSettings
from cockpit.connect.net.tls import verdict
from cockpit.connect.net.tls_failure import tls_failure
from cockpit.errors import BlindError, Reason, Refused

READS = frozenset(
    {
        ("version",),
        ("stats",),
        ("stats", "settings"),
        ("stats", "slabs"),
        ("stats", "items"),
        ("config", "get", "cluster"),
    }
)
"""All that an observer may send, whole. `flush_all`, `cachedump` and the like are not on it."""
_TIMEOUT = 2.0
_LISTEN = 0.4
"""Seconds to listen for what a server says on its own before it hangs up."""
_MOST_LINES = 20_000
_LONGEST = 64 * 1024

SATURATED = Meaning(
    "MC_SAT_CONNECTIONS",
    "critical",
    Reason.UNREACHABLE,
    "the server takes no more connections (-c)",
    "who opens them? a pool without a limit, a scale-out, a retry storm",
)
MUTE = Meaning(
    "MC_MUTE",
    "critical",
    Reason.TIMEOUT,
    "it connects, then nothing is answered",
    "stopped, swapping, or out of CPU",
)
DROPPED = Meaning(
    "MC_CONN_DROPPED",
    "critical",
    Reason.UNREACHABLE,
    "the server hangs up before it answers",
    "a restart, a proxy without a backend, or TLS expected: set tls = true",
)
TLS = Meaning(
    "MC_CONN_TLS",
    "high",
    Reason.UNREACHABLE,
    "TLS failed",
    "does the port speak TLS at all? else tls = false; is its issuer in this machine's store?",
)
AUTH = Meaning(
    "",
    "",
    Reason.DENIED,
    "the server wants a login (SASL or -Y), which the cockpit does not speak",
    "look at it through its control plane",
)
WRONG_PROTOCOL = Meaning(
    "NET_WRONG_PROTOCOL",
    "high",
    Reason.UNREADABLE,
    "something that is not memcached answers on this port",
    "a proxy, a captive portal, or the wrong port",
)
CODES = (SATURATED.code, MUTE.code, DROPPED.code, TLS.code)
"""What a look that fails can be."""


@dataclass(frozen=True, slots=True)
class _Wire:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Memcached:
    """An observer. Connects at the first command, and again after a loss, with a back-off."""

    def __init__(self, settings: MemcachedSettings, *, timeout: float = _TIMEOUT) -> None:
        self._settings = settings
        self._timeout = timeout
        self._backoff = Backoff()
        self._busy = asyncio.Lock()
        self._wire: _Wire | None = None

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self._settings.host}:{self._settings.port}"

    async def version(self) -> str:
        """The server's version, such as `1.6.18`. Raises `BlindError`."""
        lines = await self.command("version")
        return lines[0].removeprefix("VERSION ").strip()

    async def stats(self, group: str = "") -> Mapping[str, str]:
        """Name → value, as text; `group`: settings, slabs or items. Raises `BlindError`."""
        lines = await self.command("stats", *([group] if group else []))
        pairs = (line.removeprefix("STAT ").partition(" ") for line in lines)
        return {name: value for name, _, value in pairs}

    async def nodes(self) -> tuple[str, ...]:
        """The nodes that an ElastiCache configuration endpoint lists, `host:port`.

        Raises `BlindError(unsupported)` where the server has no such command.
        """
        lines = await self.command("config", "get", "cluster")
        listed = next((line for line in lines if "|" in line), "")
        nodes = []
        for each in listed.split():
            host, address, port = [*each.split("|"), "", ""][:3]
            nodes.append(f"{host or address}:{port}")
        return tuple(nodes)

    async def command(self, *asked: str) -> list[str]:
        """One allowed command; the lines of its answer, without END. `Refused` when not allowed.

        A session that was cut is opened again once, at once: the new failure is the diagnosis.
        """
        if asked not in READS:
            raise Refused(
                f"{' '.join(asked[:2])!r} is not on the list of what an observer may send"
            )
        async with self._busy:
            had_one = self._wire is not None
            try:
                return await self._answer(asked)
            except _Lost as lost:
                if not had_one:
                    raise await self._hung_up(str(lost)) from None
            try:
                return await self._answer(asked)
            except _Lost as lost:
                raise await self._hung_up(str(lost)) from None

    async def close(self) -> None:
        """Give the connection up at once, also from under a command that hangs."""
        self._drop()

    async def _answer(self, asked: tuple[str, ...]) -> list[str]:
        wire = await self._connected()
        try:
            async with asyncio.timeout(self._timeout):
                wire.writer.write(f"{' '.join(asked)}\r\n".encode())
                await wire.writer.drain()
                lines = await self._lines(wire.reader, asked)
        except TimeoutError:
            self._drop()
            raise self._failed(MUTE.blind("", where=self.where)) from None
        except asyncio.CancelledError:
            self._drop()
            raise
        except (OSError, asyncio.IncompleteReadError) as error:
            self._drop()
            raise _Lost(str(error)) from None
        except BlindError as error:
            if error.reason is not Reason.UNSUPPORTED:
                self._drop()
                self._failed(error)
            raise
        self._backoff.worked()
        return lines

    async def _lines(self, reader: asyncio.StreamReader, asked: tuple[str, ...]) -> list[str]:
        lines: list[str] = []
        while len(lines) < _MOST_LINES:
            line = await self._line(reader)
            self._judge(line, asked, first=not lines)
            if line == "END":
                return lines
            lines.append(line)
            if asked == ("version",):
                return lines
        raise WRONG_PROTOCOL.blind("the answer has no end", where=self.where)

    async def _line(self, reader: asyncio.StreamReader) -> str:
        try:
            raw = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise WRONG_PROTOCOL.blind("a line without an end", where=self.where) from None
        return raw.decode(errors="replace").rstrip("\r\n")

    def _judge(self, line: str, asked: tuple[str, ...], *, first: bool) -> None:
        """Raise for an answer that is an error, or none of memcached's."""
        if line.startswith("ERROR Too many open connections"):
            raise SATURATED.blind(line, where=self.where)
        if line.startswith("CLIENT_ERROR") and "auth" in line:
            raise AUTH.blind(line, where=self.where)
        if line.startswith(("ERROR", "CLIENT_ERROR")):
            raise BlindError(
                Reason.UNSUPPORTED,
                f"{self.where}: this server does not know {' '.join(asked)!r} ({words(line)})",
            )
        if line.startswith("SERVER_ERROR"):
            raise BlindError(Reason.UNREADABLE, f"{self.where}: {words(line)}")
        expected = {"version": ("VERSION ",), "stats": ("STAT ", "END"), "config": ("CONFIG ",)}
        if (first or asked[0] == "stats") and not line.startswith(expected[asked[0]]):
            raise WRONG_PROTOCOL.blind(line, where=self.where)

    async def _connected(self) -> _Wire:
        if self._wire is not None and not self._wire.reader.at_eof():
            return self._wire
        self._drop()
        self._backoff.check()
        try:
            self._wire = await self._connect()
        except BlindError as error:
            raise self._failed(error) from None
        return self._wire

    async def _connect(self) -> _Wire:
        wire = await self._opened()
        if not self._settings.tls:
            return wire
        try:
            async with asyncio.timeout(self._timeout):
                await wire.writer.start_tls(_context(), server_hostname=self._settings.host)
        except TimeoutError:
            wire.writer.transport.abort()
            raise await self._no_answer_to_tls() from None
        except OSError as error:
            wire.writer.transport.abort()
            raise await self._no_tls(error) from None
        return wire

    async def _opened(self) -> _Wire:
        """A TCP connection to the first address. Raises `BlindError` with NET_TCP_*."""
        address = (await addresses_of(self._settings.host))[0]
        try:
            async with asyncio.timeout(self._timeout):
                return _Wire(
                    *await asyncio.open_connection(address, self._settings.port, limit=_LONGEST)
                )
        except OSError as error:
            raise tcp_failure(error, where=self.where) from None

    async def _no_tls(self, error: OSError) -> BlindError:
        """Why the handshake failed: a full server says so in plain words before it."""
        known = verdict(error) if isinstance(error, ssl.SSLError) else "dropped"
        full = await self._full() if known in {"plaintext", "dropped"} else None
        if full is not None:
            return full
        if isinstance(error, ssl.SSLError):
            return tls_failure(TLS, error, where=self.where, trusted="this machine's store")
        return TLS.blind(str(error), where=self.where)

    async def _no_answer_to_tls(self) -> BlindError:
        """A plain server waits for the end of the line that a handshake never has."""
        if (await self._heard(b"version\r\n")).startswith(b"VERSION"):
            return TLS.blind("the port answers without TLS", where=self.where)
        return MUTE.blind("no answer to the TLS handshake", where=self.where)

    async def _hung_up(self, said: str) -> BlindError:
        """Why the server cut us off: a full one says so to whoever listens and sends nothing,
        which a reset may have swallowed the first time.
        """
        return self._failed(await self._full() or DROPPED.blind(said, where=self.where))

    async def _full(self) -> BlindError | None:
        """The error of a server that takes no more connections, or none at all; else None."""
        try:
            greeting = await self._heard(b"")
        except BlindError as error:
            return error
        if b"Too many open connections" not in greeting:
            return None
        return SATURATED.blind(greeting.decode(errors="replace"), where=self.where)

    async def _heard(self, asked: bytes) -> bytes:
        """The first line that a new connection says to `asked`; empty: none came."""
        wire = await self._opened()
        line = b""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            wire.writer.write(asked)
            async with asyncio.timeout(_LISTEN):
                line = await wire.reader.readuntil(b"\n")
        wire.writer.transport.abort()
        return line

    def _failed(self, error: BlindError) -> BlindError:
        """Not to be knocked on again at once: every connection costs a full server one more."""
        self._backoff.failed(error)
        return error

    def _drop(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            with contextlib.suppress(OSError):
                wire.writer.transport.abort()


class _Lost(Exception):
    """The connection went away under a command."""


async def open_memcached(settings: MemcachedSettings) -> Memcached:
    """A read-only observer. It connects at its first command, so this never fails."""
    return Memcached(settings)


def _context() -> ssl.SSLContext:
    """The system's store: ElastiCache's certificates have public roots."""
    return ssl.create_default_context()
