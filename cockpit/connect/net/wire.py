"""One TCP connection, plain or TLS, under our own hands: every step has an end and a name.

asyncio's streams hide which address was tried, merge TCP with TLS, and drop the alert that a failed
handshake ends with; so the handshake is made here, over a plain socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import struct
import sys
from dataclasses import dataclass

from cockpit.connect.meaning import NO_FILES, out_of_files
from cockpit.connect.net.tls_records import MOST

_CHUNK = 16 * 1024
_RTT, _TOTAL_RETRANS, _INFO_SIZE = 15, 23, 8 + 4 * 24
_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpLook:
    """How one connection attempt ended: `ok`, `timeout`, `refused`, `reset`, `unreachable` or
    `error`; `took` in seconds until it was known.

    A connection that came at the first SYN has the kernel's own measure of the handshake where it
    tells (Linux): that we were late to notice is not the network's fault.
    """

    outcome: str
    took: float
    detail: str = ""
    source: str = ""
    """Our own address on the way there; empty when not connected."""
    syn_again: int | None = None
    """How often the kernel had to send the SYN again; None where it does not tell."""


def outcome_of(error: OSError) -> str:
    """The word for a socket error; see `TcpLook`."""
    match error.errno:
        case errno.ECONNREFUSED:
            return "refused"
        case errno.ECONNRESET | errno.EPIPE | errno.ECONNABORTED:
            return "reset"
        case errno.ETIMEDOUT:
            return "timeout"
        case code if code in _UNREACHABLE:
            return "unreachable"
        case errno.EACCES | errno.EPERM:
            return "unreachable"
    if isinstance(error, ConnectionError):
        return "reset"
    return "timeout" if isinstance(error, TimeoutError) else "error"


class PeerClosed(ConnectionError):
    """The peer closed the connection in an orderly way where an answer was due."""


class Wire:
    """A connected socket. `close` is immediate and may be called at any time, also twice."""

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLObject | None = None
        self.unsealed = False
        """The peer's end came without TLS's own (`close_notify`): whoever cuts the line can."""
        self.heard = b""
        """What the peer has sent in the handshake that is under way, or that failed."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session once `secure` has succeeded."""
        return self._tls

    @property
    def source(self) -> str:
        """Our own address on this connection; empty when it is gone already."""
        with contextlib.suppress(OSError):
            return str(self._socket.getsockname()[0])
        return ""

    def facts(self) -> tuple[float | None, int | None]:
        """The kernel's round trip time in seconds and the segments that it sent again.

        Linux only (TCP_INFO); None elsewhere.
        """
        if not sys.platform.startswith("linux"):
            return None, None
        try:
            raw = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
        except OSError:
            return None, None
        if len(raw) < _INFO_SIZE:  # an older kernel tells less, and zeros would read as no loss
            return None, None
        words = struct.unpack_from("@24I", raw, 8)
        return words[_RTT] / 1e6, words[_TOTAL_RETRANS]

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Shake hands, with this name in SNI. Raises `ssl.SSLError`, `PeerClosed` or `OSError`."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        while True:
            try:
                tls.do_handshake()
                await self._flush()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._fill("during the TLS handshake")
                self.heard = (self.heard + data)[:MOST]
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._flush()
                raise
        self._tls, self.heard = tls, b""

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        if self._tls is None:
            await self._loop.sock_sendall(self._socket, data)
            return
        self._tls.write(data)
        await self._flush()

    async def receive(self) -> bytes:
        """What came; empty when the peer ended the connection. Raises `OSError`."""
        if self._tls is None:
            return await self._loop.sock_recv(self._socket, _CHUNK)
        while True:
            try:
                return self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()
                try:
                    await self._fill("")
                except PeerClosed:
                    self.unsealed = True
                    return b""
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLEOFError:
                self.unsealed = True
                return b""

    def close(self) -> None:
        """Drop the connection without waiting for anything."""
        self._socket.close()

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            await self._loop.sock_sendall(self._socket, data)

    async def _fill(self, when: str) -> bytes:
        data = await self._loop.sock_recv(self._socket, _CHUNK)
        if not data:
            raise PeerClosed(f"the connection was closed {when}".strip())
        self._incoming.write(data)
        return data


async def connect(address: str, port: int, *, timeout: float) -> tuple[TcpLook, Wire | None]:
    """One attempt at one address, never another one instead; no wire unless the outcome is `ok`.

    Raises `BlindError` when this machine has no file descriptor for it.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        plain = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno in NO_FILES:
            raise out_of_files(f"{address}:{port}") from None
        return TcpLook(outcome="unreachable", took=0.0, detail=_words(error)), None
    plain.setblocking(False)
    try:
        with contextlib.ExitStack() as undo:
            undo.callback(plain.close)
            async with asyncio.timeout(timeout):
                await loop.sock_connect(plain, (address, port))
            undo.pop_all()
    except TimeoutError as error:
        detail = _words(error) or f"no answer within {timeout:g} s"
        return TcpLook(outcome="timeout", took=loop.time() - begun, detail=detail), None
    except OSError as error:
        look = TcpLook(outcome=outcome_of(error), took=loop.time() - begun, detail=_words(error))
        return look, None
    wire = Wire(plain)
    took, (handshake, again) = loop.time() - begun, wire.facts()
    if again == 0 and handshake:
        took = min(took, handshake)
    return TcpLook(outcome="ok", took=took, source=wire.source, syn_again=again), wire


def _words(error: OSError) -> str:
    return error.strerror or ""
