"""The first words of a PostgreSQL server, read without a driver.

libpq gives no SQLSTATE for a failed connect and does not tell a mute server from a dropped packet.
This says exactly which: TCP, SSLRequest, start-up message, then the first answer, and leaves before
any password. It costs the server at most one log line and no connection slot for longer than that.
Source: PostgreSQL documentation, "Message Formats" and "SSL Session Encryption".
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from dataclasses import dataclass
from enum import StrEnum

from cockpit.connect.net.wire import connect

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_PROTOCOL_3 = 196608
_LONGEST = 8192


class Rung(StrEnum):
    """How far the server let us come."""

    TCP_TIMEOUT = "tcp_timeout"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    MUTE = "mute"
    DROPPED = "dropped"
    WRONG_PROTOCOL = "wrong_protocol"
    TLS = "tls"
    ERROR = "error"
    """The server said why: `sqlstate` and `message` are its own."""
    GREETED = "greeted"
    """It asks for the password: nothing is wrong up to here."""


@dataclass(frozen=True, slots=True)
class FirstWords:
    """What the server said. `message` is its text or the operating system's."""

    rung: Rung
    message: str = ""
    sqlstate: str = ""


async def first_words(
    address: str, port: int, *, user: str, database: str, timeout: float = 1.5
) -> FirstWords:
    """Ask one address; never raises. `timeout` seconds for TCP and again for the answer."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address, port, limit=_LONGEST)
    except TimeoutError:
        return FirstWords(Rung.TCP_TIMEOUT, "no answer to the TCP handshake")
    except ConnectionRefusedError as error:
        return FirstWords(Rung.REFUSED, error.strerror or "connection refused")
    except OSError as error:
        return FirstWords(Rung.UNREACHABLE, error.strerror or str(error))
    try:
        async with asyncio.timeout(timeout):
            return await _greeting(reader, writer, user, database)
    except TimeoutError:
        return FirstWords(Rung.MUTE, "the port is open but nobody answers")
    except ssl.SSLError as error:
        return FirstWords(Rung.TLS, str(error))
    except (OSError, EOFError) as error:
        return FirstWords(Rung.DROPPED, str(error) or "closed before the greeting")
    finally:  # to close in order would wait for a stopped server to read what was sent
        with contextlib.suppress(OSError):
            writer.transport.abort()


async def tls_error(
    address: str, port: int, *, name: str, roots: str, sslmode: str, timeout: float = 2.0
) -> ssl.SSLError | None:
    """Why a TLS handshake fails, which libpq does not say; None: it does not, or no answer came.

    `roots`: the file of trusted certificates, `system`, or empty for a mode that trusts anybody.
    """
    try:
        context = await asyncio.to_thread(_verifying, roots, sslmode)
    except OSError:  # no such file, or no certificate in it: libpq has said so
        return None
    _, wire = await connect(address, port, timeout=timeout)
    if wire is None:
        return None
    try:
        async with asyncio.timeout(timeout):
            await wire.send(_SSL_REQUEST)
            if await wire.receive() == b"S":
                await wire.secure(context, name)
    except ssl.SSLError as error:
        return error
    except OSError:
        return None
    finally:
        wire.close()
    return None


async def _greeting(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, user: str, database: str
) -> FirstWords:
    writer.write(_SSL_REQUEST)
    answer = await reader.readexactly(1)
    if answer == b"E":
        return await _error(reader)
    if answer not in {b"S", b"N"}:
        return FirstWords(Rung.WRONG_PROTOCOL, f"it answers {answer!r}, as no PostgreSQL does")
    if answer == b"S":
        await writer.start_tls(_unverified())
    writer.write(_startup(user, database))
    kind = await reader.readexactly(1)
    if kind == b"E":
        return await _error(reader)
    if kind == b"R":
        return FirstWords(Rung.GREETED)
    return FirstWords(Rung.WRONG_PROTOCOL, f"it answers {kind!r} to the start-up message")


async def _error(reader: asyncio.StreamReader) -> FirstWords:
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    if not 4 < length <= _LONGEST:  # the length is the peer's word: asked before it is waited for
        return FirstWords(Rung.WRONG_PROTOCOL, "an error message of impossible length")
    body = await reader.readexactly(length - 4)
    fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0") if field}
    text = fields.get(b"M", "")
    detail = fields.get(b"D", "")
    return FirstWords(Rung.ERROR, f"{text}; {detail}" if detail else text, fields.get(b"C", ""))


def _startup(user: str, database: str) -> bytes:
    pairs = {"user": user, "database": database, "application_name": "incident-cockpit"}
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in pairs.items()) + b"\0"
    return struct.pack("!ii", len(body) + 8, _PROTOCOL_3) + body


def _unverified() -> ssl.SSLContext:
    """Only to hear what the server says: no password is ever sent through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _verifying(roots: str, sslmode: str) -> ssl.SSLContext:
    """What libpq checks, with the one store that it is given. Raises `OSError`."""
    if sslmode not in {"verify-ca", "verify-full"}:
        return _unverified()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = sslmode == "verify-full"
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if roots and roots != "system":
        context.load_verify_locations(cafile=roots)
    else:
        context.load_default_certs()
    return context
