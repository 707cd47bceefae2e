"""One GET by HTTP/1.1 with hard limits: what a probe needs, and nothing that could be abused.

No cookies, no proxy, no retry, no decompression; at most 4 KB of the body are read. Redirects are
counted, at most five, and only within the same origin: nothing else is contacted.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cockpit.connect.net.tls import verdict
from cockpit.connect.net.wire import Wire
from cockpit.text import visible

BODY_LIMIT = 4096
_HEAD_LIMIT = 16 * 1024
_FIELDS_LIMIT = 100
_INTERIM_LIMIT = 3
_LAST_WORDS = 0.2
_KEPT = (
    "server",
    "date",
    "age",
    "content-encoding",
    "content-type",
    "content-length",
    "location",
    "retry-after",
    "via",
    "x-cache",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-amz-cf-id",
    "cf-ray",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLook:
    """The answer to one GET.

    `outcome`: `ok` (a whole answer, whatever its status), `mute` (no first byte in time),
    `dropped` (closed before the answer), `reset`, `malformed` (not HTTP, or a header beyond the
    limits), `truncated` (less than it promised), `stalled` (the body stopped coming), `alert` (the
    server refused us by TLS after the handshake, as for a missing client certificate), `error`.
    """

    outcome: str
    status: int = 0
    """0: there was no status line."""
    first_byte: float | None = None
    """Seconds from the sent request to the first byte; None when none came."""
    took: float = 0.0
    """Seconds from the request to the end of what was read."""
    version: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Few and harmless ones, in lower case; values are untrusted text."""
    body: str = ""
    """The beginning of the body as one harmless line; at most 300 characters."""
    size: int = 0
    """Octets of the body that were read, at most 4096."""
    has_marker: bool | None = None
    """Whether the expected text is in it; None when none is expected."""
    clock_ahead: float | None = None
    """Seconds that the server's clock is certainly ahead of ours (negative: behind), after the
    resolution of the Date header and the round trip; None without a usable Date."""
    redirects: int = 0
    held: float | None = None
    """Seconds for which nothing more is asked, since the server said “too many”; None: not held.
    While held, this is the answer from before."""
    detail: str = ""

    def header(self, name: str) -> str:
        """A kept header's value; empty when it was not sent."""
        return dict(self.headers).get(name, "")


@dataclass(slots=True)
class _Answer:
    """An answer while it is read."""

    began: float
    limit: int = BODY_LIMIT
    first_byte: float | None = None
    buffer: bytearray = field(default_factory=bytearray)
    status: int = 0
    version: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Malformed(ValueError):
    """What came is not HTTP/1.x, or exceeds the limits."""


class _Short(ValueError):
    """The peer ended before the answer was whole."""


def request(host: str, path: str, *, agent: str) -> bytes:
    """A GET that asks for the connection to be closed. `host` and `path` are ASCII already."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n"
        "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


async def exchange(
    wire: Wire, sent: bytes, *, first_byte: float, whole: float, marker: str, wall: datetime
) -> HttpLook:
    """Send a request and read the answer; `first_byte` and `whole` are limits in seconds.

    `wall` is our clock when it was sent. Never raises for what the other side does.
    """
    loop = asyncio.get_running_loop()
    answer = _Answer(began=loop.time())
    outcome, detail = await _talk(wire, sent, answer, first_byte=first_byte, whole=whole)
    return _finished(answer, outcome, detail, took=loop.time() - answer.began, ask=(marker, wall))


async def fetch(
    wire: Wire, sent: bytes, *, seconds: float, limit: int, wall: datetime
) -> tuple[HttpLook, bytes]:
    """As `exchange`, and the body itself: at most `limit` octets of it."""
    loop = asyncio.get_running_loop()
    answer = _Answer(began=loop.time(), limit=limit)
    outcome, detail = await _talk(wire, sent, answer, first_byte=seconds, whole=seconds)
    took = loop.time() - answer.began
    return _finished(answer, outcome, detail, took=took, ask=("", wall)), answer.body


async def _talk(
    wire: Wire, sent: bytes, answer: _Answer, *, first_byte: float, whole: float
) -> tuple[str, str]:
    outcome, detail = "ok", ""
    try:
        async with asyncio.timeout(first_byte):
            await wire.send(sent)
            await _begin(wire, answer)
        async with asyncio.timeout(whole):
            await _head(wire, answer)
            await _body(wire, answer)
    except TimeoutError:
        outcome = "mute" if answer.first_byte is None else "stalled"
        detail = f"nothing came within {first_byte if outcome == 'mute' else whole:g} s"
    except _Malformed as error:
        outcome, detail = "malformed", str(error)
    except _Short as error:
        outcome = "dropped" if answer.first_byte is None else "truncated"
        detail = str(error)
    except ssl.SSLError as error:
        outcome = "alert" if verdict(error) == "alert" else "error"
        detail = visible(error.reason or str(error), 120)
    except OSError as error:
        outcome, detail = "reset", error.strerror or type(error).__name__
        last = await _last_words(wire) if answer.first_byte is None else ""
        outcome, detail = ("alert", last) if last else (outcome, detail)
    return outcome, detail


async def _last_words(wire: Wire) -> str:
    """The TLS alert that came before the connection broke under our request; else nothing."""
    if wire.tls is None:
        return ""
    try:
        async with asyncio.timeout(_LAST_WORDS):
            await wire.receive()
    except ssl.SSLError as error:
        return visible(error.reason or str(error), 120) if verdict(error) == "alert" else ""
    except OSError:
        return ""
    return ""


async def _begin(wire: Wire, answer: _Answer) -> None:
    data = await wire.receive()
    if not data:
        raise _Short("the connection was closed before any answer")
    answer.first_byte = asyncio.get_running_loop().time() - answer.began
    answer.buffer += data


async def _more(wire: Wire, answer: _Answer, when: str) -> None:
    data = await wire.receive()
    if not data:
        raise _Short(f"the connection was closed {when}")
    answer.buffer += data


async def _head(wire: Wire, answer: _Answer) -> None:
    for _ in range(_INTERIM_LIMIT + 1):
        if not b"HTTP/".startswith(bytes(answer.buffer[:5])):
            raise _Malformed("the answer does not begin with HTTP/")
        end = answer.buffer.find(b"\r\n\r\n")
        while end < 0:
            if len(answer.buffer) > _HEAD_LIMIT:
                raise _Malformed("the header is longer than 16 KiB")
            await _more(wire, answer, "inside the header")
            end = answer.buffer.find(b"\r\n\r\n")
        if end > _HEAD_LIMIT:
            raise _Malformed("the header is longer than 16 KiB")
        head = bytes(answer.buffer[:end]).decode("latin-1")
        del answer.buffer[: end + 4]
        _parse(head, answer)
        if answer.status >= 200:
            return
        if not answer.buffer:
            await _more(wire, answer, "after an interim answer")
    raise _Malformed("too many interim answers")


def _parse(head: str, answer: _Answer) -> None:
    first, *rest = head.split("\r\n")
    version, _, tail = first.partition(" ")
    code = tail.partition(" ")[0]
    if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdigit()):
        raise _Malformed("the status line is not HTTP/1.x")
    if not 100 <= int(code) <= 999:
        raise _Malformed("the status is not a number of three digits")
    if len(rest) > _FIELDS_LIMIT:
        raise _Malformed(f"more than {_FIELDS_LIMIT} header fields")
    answer.version, answer.status = visible(version, 10), int(code)
    answer.headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise _Malformed("a header line without a name")
        answer.headers.setdefault(name.lower(), value.strip())


async def _body(wire: Wire, answer: _Answer) -> None:
    if answer.status in {204, 304}:
        return
    if "chunked" in answer.headers.get("transfer-encoding", "").lower():
        await _chunked(wire, answer)
        return
    length = answer.headers.get("content-length")
    if length is None:
        await _until_end(wire, answer)
        return
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        raise _Malformed("Content-Length is not a number")
    wanted = min(int(length), answer.limit)
    while len(answer.buffer) < wanted:
        answer.body = bytes(answer.buffer[:wanted])
        await _more(wire, answer, f"after {len(answer.buffer)} of {int(length)} octets")
    answer.body = bytes(answer.buffer[:wanted])


async def _until_end(wire: Wire, answer: _Answer) -> None:
    while len(answer.buffer) < answer.limit:
        answer.body = bytes(answer.buffer[: answer.limit])
        data = await wire.receive()
        if not data:
            return
        answer.buffer += data
    answer.body = bytes(answer.buffer[: answer.limit])


async def _chunked(wire: Wire, answer: _Answer) -> None:
    whole = bytearray()
    while len(whole) < answer.limit:
        size = await _chunk_size(wire, answer)
        if size == 0:
            break
        take = min(size, answer.limit - len(whole))
        while len(answer.buffer) < take:
            answer.body = bytes(whole + answer.buffer)
            await _more(wire, answer, "inside a chunk")
        whole += answer.buffer[:take]
        answer.body = bytes(whole)
        if take < size or len(whole) >= answer.limit:
            break
        while len(answer.buffer) < size + 2:
            await _more(wire, answer, "inside a chunk")
        del answer.buffer[: size + 2]


async def _chunk_size(wire: Wire, answer: _Answer) -> int:
    while (end := answer.buffer.find(b"\r\n")) < 0:
        if len(answer.buffer) > 200:
            raise _Malformed("a chunk without a size")
        await _more(wire, answer, "between chunks")
    text = bytes(answer.buffer[:end]).partition(b";")[0].strip()
    del answer.buffer[: end + 2]
    try:
        size = int(text, 16)
    except ValueError:
        raise _Malformed("a chunk without a size") from None
    if size < 0 or len(text) > 16:
        raise _Malformed("a chunk without a size")
    return size


def _finished(
    answer: _Answer, outcome: str, detail: str, *, took: float, ask: tuple[str, datetime]
) -> HttpLook:
    marker, wall = ask
    kept = tuple(
        (name, visible(answer.headers[name], 1000 if name == "location" else 200))
        for name in _KEPT
        if name in answer.headers
    )
    text = answer.body.decode("utf-8", "replace")
    return HttpLook(
        outcome=outcome,
        status=answer.status,
        first_byte=answer.first_byte,
        took=took,
        version=answer.version,
        headers=kept,
        body=visible(text.strip(), 300),
        size=len(answer.body),
        has_marker=(marker in text) if marker and answer.status else None,
        clock_ahead=clock_ahead(
            answer.headers.get("date", ""),
            answer.headers.get("age", ""),
            wall=wall,
            first_byte=answer.first_byte,
        ),
        detail=detail,
    )


def clock_ahead(date: str, age: str, *, wall: datetime, first_byte: float | None) -> float | None:
    """Seconds that the sender's clock is certainly ahead of ours; None when it cannot be said.

    `Date` is cut to a second and was written at some moment of the round trip, so what lies inside
    that doubt is 0. An answer from a cache (`Age`) says nothing.
    """
    if first_byte is None or not date or age.strip() not in {"", "0"}:
        return None
    try:
        written = parsedate_to_datetime(date[:64])
    except (ValueError, TypeError, IndexError):
        return None
    if written.tzinfo is None:
        written = written.replace(tzinfo=UTC)
    latest = (written - wall).total_seconds() + 1.0
    earliest = (written - wall).total_seconds() - first_byte
    if earliest > 0:
        return earliest
    return latest if latest < 0 else 0.0
