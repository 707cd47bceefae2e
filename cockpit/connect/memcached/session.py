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
from functools import partial

from cockpit.connect.meaning import tcp_failure, words
from cockpit.connect.memcached import errors as failures
from cockpit.connect.memcached.settings import MemcachedSettings
from cockpit.connect.net.addresses import first_reached
from cockpit.connect.net.greeting import first_line
from cockpit.connect.net.tls import verdict
from cockpit.connect.net.tls_failure import tls_failure
from cockpit.connect.observer import Lost, ServerSession
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
_BEGINS = {"version": ("VERSION ",), "stats": ("STAT ", "END"), "config": ("CONFIG ",)}
_TIMEOUT = 2.0
_MOST_LINES = 20_000
_LONGEST = 64 * 1024
_MOST_OCTETS = 4 * 1024 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Memcached(ServerSession[Streams]):
    """An observer. Connects at the first command, and again after a loss, with a back-off."""

    greets = False  # a full server takes the connection, too: each attempt costs it one more

    def __init__(self, settings: MemcachedSettings) -> None:
        super().__init__(f"{settings.host}:{settings.port}")
        self._settings = settings

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
        """One allowed command; the lines of its answer, without END. `Refused` when not allowed."""
        if asked not in READS:
            raise Refused(
                f"{' '.join(asked[:2])!r} is not on the list of what an observer may send"
            )
        return await self._answer(partial(self._ask, asked))

    async def _ask(self, asked: tuple[str, ...], streams: Streams) -> list[str]:
        reader, writer = streams
        try:
            async with asyncio.timeout(_TIMEOUT):
                writer.write(f"{' '.join(asked)}\r\n".encode())
                await writer.drain()
                return await self._lines(reader, asked)
        except TimeoutError:
            raise Lost(late=True) from None
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Lost(str(error)) from None
        except BlindError as error:
            if error.reason is Reason.UNSUPPORTED:
                raise
            raise Lost(told=error) from None

    async def _lines(self, reader: asyncio.StreamReader, asked: tuple[str, ...]) -> list[str]:
        lines: list[str] = []
        octets = 0
        while len(lines) < _MOST_LINES and octets < _MOST_OCTETS:
            line = await self._line(reader)
            octets += len(line)
            self._judge(line, asked, first=not lines)
            if line == "END":
                return lines
            lines.append(line)
            if asked == ("version",):
                return lines
        raise failures.WRONG_PROTOCOL.blind("the answer has no end", where=self.where)

    async def _line(self, reader: asyncio.StreamReader) -> str:
        try:
            raw = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise failures.WRONG_PROTOCOL.blind("a line without an end", where=self.where) from None
        return raw.decode(errors="replace").rstrip("\r\n")

    def _judge(self, line: str, asked: tuple[str, ...], *, first: bool) -> None:
        """Raise for an answer that is an error, or none of memcached's."""
        if line.startswith("ERROR Too many open connections"):
            raise failures.SATURATED.blind(line, where=self.where)
        if line.startswith("CLIENT_ERROR") and "auth" in line:
            raise failures.AUTH.blind(line, where=self.where)
        if line.startswith(("ERROR", "CLIENT_ERROR")):
            raise BlindError(
                Reason.UNSUPPORTED,
                f"{self.where}: this server does not know {' '.join(asked)!r} ({words(line)})",
            )
        if line.startswith("SERVER_ERROR"):
            raise BlindError(Reason.UNREADABLE, f"{self.where}: {words(line)}")
        if (first or asked[0] == "stats") and not line.startswith(_BEGINS[asked[0]]):
            raise failures.WRONG_PROTOCOL.blind(line, where=self.where)

    async def connect(self) -> Streams:
        """See `ServerSession`. TCP to the first address that takes it, else NET_TCP_*."""
        settings = self._settings
        try:
            wire = await first_reached(settings.host, settings.port, within=_TIMEOUT)
            return await asyncio.open_connection(sock=wire, limit=_LONGEST)
        except OSError as error:
            raise tcp_failure(error, where=self.where) from None

    async def greet(self, connection: Streams) -> None:
        """See `ServerSession`. TLS against the system's store: ElastiCache's roots are public."""
        if not self._settings.tls:
            return
        try:
            async with asyncio.timeout(_TIMEOUT):
                await connection[1].start_tls(
                    ssl.create_default_context(), server_hostname=self._settings.host
                )
        except OSError as error:
            await self._drop()  # before another one listens: ours might be the one too many
            raise await self._no_tls(error) from None

    def alive(self, connection: Streams) -> bool:
        """See `ServerSession`."""
        return not connection[0].at_eof()

    async def drop(self, connection: Streams) -> None:
        """See `ServerSession`."""
        with contextlib.suppress(OSError):
            connection[1].transport.abort()

    async def why(self, lost: Lost) -> BlindError:
        """See `ServerSession`. A full server says so to whoever listens and sends nothing, which a
        reset may have swallowed the first time.
        """
        if lost.late:
            return failures.MUTE.blind("", where=self.where)
        return await self._full() or failures.DROPPED.blind(str(lost), where=self.where)

    async def _no_tls(self, error: OSError) -> BlindError:
        """Why the handshake failed: a full server says so in plain words before it, and a plain
        one waits for the end of the line that a handshake never has.
        """
        if isinstance(error, TimeoutError):
            if (await self._heard(b"version\r\n")).startswith(b"VERSION"):
                return failures.TLS.blind("the port answers without TLS", where=self.where)
            return failures.MUTE.blind("no answer to the TLS handshake", where=self.where)
        known = verdict(error) if isinstance(error, ssl.SSLError) else "dropped"
        full = await self._full() if known in {"plaintext", "dropped"} else None
        if full is not None:
            return full
        if isinstance(error, ssl.SSLError):
            return tls_failure(
                failures.TLS, error, where=self.where, trusted="this machine's store"
            )
        return failures.TLS.blind(str(error), where=self.where)

    async def _full(self) -> BlindError | None:
        """The error of a server that takes no more connections, or none at all; else None."""
        try:
            greeting = await self._heard()
        except BlindError as error:
            return error
        if b"Too many open connections" not in greeting:
            return None
        return failures.SATURATED.blind(greeting.decode(errors="replace"), where=self.where)

    async def _heard(self, ask: bytes = b"") -> bytes:
        try:
            return await first_line(self._settings.host, self._settings.port, ask=ask)
        except OSError as error:
            raise tcp_failure(error, where=self.where) from None


async def open_memcached(settings: MemcachedSettings) -> Memcached:
    """A read-only observer. It connects at its first command, so this never fails."""
    return Memcached(settings)
