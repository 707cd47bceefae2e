"""One GET by HTTP/1.1 with hard limits: what a probe needs, and nothing that could be abused.

What an answer is, and what our patience ended at, is the same for HTTP/2 (`http2`).

The answer is parsed by h11, which was written for hostile octets; the limits, redirects and the
clock are ours. No cookies, no proxy, no retry, no decompression; at most 4 KB of the body are read.
Redirects are counted, at most five, and only within the same origin: nothing else is asked.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import h11

from cockpit.connect.net.tls import reason_of, verdict
from cockpit.connect.net.wire import Wire
from cockpit.text import visible

BODY_LIMIT = 4096
_START = b"HTTP/"
HEAD_LIMIT = 16 * 1024
FIELDS_LIMIT = 100
INTERIM_LIMIT = 3
_EVENTS = "text/event-stream"
_SETTINGS_FRAME = b"\x04" + bytes(5)
"""Behind the length: type SETTINGS, no flags, stream 0 (RFC 9113, 3.4)."""
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)[ \r\n]")
_STATE_FIELDS = ("status", "state", "health")
_FIRST_FIELD = re.compile(r'\s*\{\s*"(?:status|state|health)"\s*:\s*"([^"\\]{1,40})"')
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
    `dropped` (closed before the answer), `reset`, `malformed` (not HTTP), `too_long` (a header
    beyond our limits), `truncated` (less than it promised), `head_slow` and `stalled` (the header,
    the body was not whole when our patience ended; the connection still stood), `held` (as `mute`,
    where an answer without an end is meant: a long poll waits so), `alert` (the
    server refused us by TLS after the handshake, as for a missing client certificate), `http2` (it
    speaks HTTP/2 alone, in place of an answer), `unprocessed` (it left before it took the
    request, twice), `not_serving` and `grpc_status` (gRPC's health
    says so, its status is not OK), `error`.
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
    grpc_status: int | None = None
    """gRPC's own status, 0 for OK; None where gRPC is not spoken, or it gave none."""
    says: str = ""
    """The document's own word for how it is (`status` and the like of a JSON object). Untrusted."""
    unsealed: bool = False
    """It ended by the end of the connection, which TLS did not seal: a cut looks the same."""
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
class HttpAnswer:
    """An answer while it is read."""

    began: float
    limit: int = BODY_LIMIT
    stream: bool = False
    """Its first octets are the answer: it has no end."""
    start: bytes = b""
    """The first octets, for the status of a header that is never whole."""
    first_byte: float | None = None
    parser: h11.Connection = field(default_factory=lambda: _expecting())
    ended: bool = False
    """The peer has said its last."""
    status: int = 0
    is_final: bool = False
    """Its header is whole, and no interim one."""
    version: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    unsealed: bool = False
    says: str = ""
    grpc_status: int | None = None

    def begun(self) -> None:
        """Its first octet, or over HTTP/2 its first header, is here."""
        if self.first_byte is None:
            self.first_byte = asyncio.get_running_loop().time() - self.began

    def recognise_stream(self) -> None:
        """Events have no end, whether or not that is configured."""
        self.stream = self.stream or self.headers.get("content-type", "").startswith(_EVENTS)


def _expecting() -> h11.Connection:
    """A parser that has just seen our request go out: it is the state that it judges answers by.

    The octets that it would send are not used: ours are fixed (`request`).
    """
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
    parser.send(h11.Request(method="GET", target="/", headers=[("Host", "any")]))
    parser.send(h11.EndOfMessage())
    return parser


class Malformed(ValueError):
    """What came is not HTTP/1.x."""


class TooLong(ValueError):
    """A header beyond the limits."""


class Unprocessed(Exception):
    """The server left before it took the request: it may be asked again, once."""


class SpeaksHttp2(Exception):
    """A server's preface of HTTP/2 came in place of an answer."""


class Short(ValueError):
    """The peer ended before the answer was whole."""


def request(host: str, path: str, *, agent: str) -> bytes:
    """A GET that asks for the connection to be closed. `host` and `path` are ASCII already."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n"
        "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


async def exchange(
    wire: Wire,
    sent: bytes,
    *,
    first_byte: float,
    whole: float,
    marker: str,
    wall: datetime,
    stream: bool = False,
) -> HttpLook:
    """Send a request and read the answer; `first_byte` and `whole` are limits in seconds.

    `wall` is our clock when it was sent; `stream`: an answer without an end is meant. Never raises
    for what the other side does.
    """
    loop = asyncio.get_running_loop()
    answer = HttpAnswer(began=loop.time(), stream=stream)
    outcome, detail = await _talk(wire, sent, answer, first_byte=first_byte, whole=whole)
    return finished(answer, outcome, detail, took=loop.time() - answer.began, ask=(marker, wall))


async def fetch(
    wire: Wire, sent: bytes, *, seconds: float, limit: int, wall: datetime
) -> tuple[HttpLook, bytes]:
    """As `exchange`, and the body itself: at most `limit` octets of it."""
    loop = asyncio.get_running_loop()
    answer = HttpAnswer(began=loop.time(), limit=limit)
    outcome, detail = await _talk(wire, sent, answer, first_byte=seconds, whole=seconds)
    took = loop.time() - answer.began
    return finished(answer, outcome, detail, took=took, ask=("", wall)), answer.body


async def conversed(
    wire: Wire,
    answer: HttpAnswer,
    *,
    begin: Callable[[], Awaitable[None]],
    rest: Callable[[], Awaitable[None]],
    first_byte: float,
    whole: float,
) -> tuple[str, str]:
    """Outcome and detail of a talk: `begin` ends with the answer's first octet, `rest` reads on."""
    outcome, detail = "ok", ""
    try:
        async with asyncio.timeout(first_byte):
            await begin()
        async with asyncio.timeout(whole):
            await rest()
    except TimeoutError:
        outcome, detail = _late(answer, first_byte=first_byte, whole=whole)
    except SpeaksHttp2:
        outcome, detail = "http2", "the server speaks HTTP/2 alone"
    except Unprocessed as error:
        outcome, detail = "unprocessed", str(error)
    except TooLong as error:
        outcome, detail = "too_long", str(error)
        answer.status = answer.status or _status_of(answer.start)
    except Malformed as error:
        outcome, detail = "malformed", str(error)
    except Short as error:
        outcome = "dropped" if answer.first_byte is None else "truncated"
        detail = str(error)
    except ssl.SSLError as error:
        outcome = "alert" if verdict(error) == "alert" else "error"
        detail = visible(reason_of(error), 120)
    except OSError as error:
        outcome, detail = "reset", error.strerror or type(error).__name__
        last = await _last_words(wire) if answer.first_byte is None else ""
        outcome, detail = ("alert", last) if last else (outcome, detail)
    return outcome, detail


async def _talk(
    wire: Wire, sent: bytes, answer: HttpAnswer, *, first_byte: float, whole: float
) -> tuple[str, str]:
    async def begin() -> None:
        await wire.send(sent)
        await _begin(wire, answer)

    async def rest() -> None:
        await _head(wire, answer)
        await _body(wire, answer)

    return await conversed(wire, answer, begin=begin, rest=rest, first_byte=first_byte, whole=whole)


def _late(answer: HttpAnswer, *, first_byte: float, whole: float) -> tuple[str, str]:
    """What our patience ended at; a stream that has begun is whole as it is."""
    if answer.first_byte is None and answer.stream:
        return "held", f"it took the request, and nothing came within {first_byte:g} s"
    if answer.first_byte is None:
        return "mute", f"nothing came within {first_byte:g} s"
    if not answer.is_final:
        return "head_slow", f"the header was not whole {whole:g} s after its first byte"
    if answer.stream:
        return "ok", f"a stream: {len(answer.body)} octets in {whole:g} s"
    length = answer.headers.get("content-length", "")
    of = f" of {length}" if length else ""
    return "stalled", f"{len(answer.body)}{of} octets of the body came within {whole:g} s"


def _status_of(start: bytes) -> int:
    found = _STATUS_LINE.match(start)
    return int(found[1]) if found else 0


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


async def _begin(wire: Wire, answer: HttpAnswer) -> None:
    data = await wire.receive()
    if not data:
        raise Short("the connection was closed before any answer")
    answer.begun()
    while len(data) < len(_START) and _START.startswith(data):
        more = await wire.receive()
        if not more:
            break
        data += more
    answer.start = data[:64]
    if data[3:9] == _SETTINGS_FRAME:
        raise SpeaksHttp2
    if not data.startswith(_START[: len(data)]):  # h11 would wait for the end of a header
        raise Malformed("the answer does not begin with HTTP/")
    answer.parser.receive_data(data)


async def _event(wire: Wire, answer: HttpAnswer, when: str) -> h11.Event:
    """The next event; `when` says where the peer ended, if it does."""
    while True:
        try:
            event = answer.parser.next_event()
        except h11.RemoteProtocolError as error:
            raise _malformed(error, ended=answer.ended, when=when) from None
        if isinstance(event, h11.Event):
            return event
        if event is h11.PAUSED:
            raise Malformed("the server speaks on after its answer")
        data = await wire.receive()
        answer.ended = not data
        answer.parser.receive_data(data)


def _malformed(error: h11.RemoteProtocolError, *, ended: bool, when: str) -> ValueError:
    """h11 calls an end in the middle a breach of the protocol too, and so it is: another one."""
    if ended:
        return Short(f"the connection was closed {when}")
    if error.error_status_hint == 431:
        return TooLong("the header is longer than 16 KiB")
    return Malformed(visible(str(error), 120))


async def _head(wire: Wire, answer: HttpAnswer) -> None:
    for _ in range(INTERIM_LIMIT + 1):
        event = await _event(wire, answer, "inside the header")
        if not isinstance(event, h11.InformationalResponse | h11.Response):
            raise Short("the connection was closed inside the header")
        if len(event.headers) > FIELDS_LIMIT:
            raise TooLong(f"more than {FIELDS_LIMIT} header fields")
        answer.version = "HTTP/" + event.http_version.decode("ascii")
        answer.status = event.status_code
        answer.headers = {}
        for name, value in event.headers:
            answer.headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        if isinstance(event, h11.Response):
            answer.is_final = True
            answer.recognise_stream()
            return
    raise Malformed("too many interim answers")


async def _body(wire: Wire, answer: HttpAnswer) -> None:
    """At most `limit` octets, of a stream the first ones: what is more is never asked for."""
    while len(answer.body) < answer.limit and not (answer.stream and answer.body):
        read = f"after {len(answer.body)} of {answer.headers.get('content-length', 'more')} octets"
        event = await _event(wire, answer, read)
        if not isinstance(event, h11.Data):
            answer.unsealed = answer.ended and wire.unsealed
            return
        answer.body = (answer.body + bytes(event.data))[: answer.limit]


def finished(
    answer: HttpAnswer, outcome: str, detail: str, *, took: float, ask: tuple[str, datetime]
) -> HttpLook:
    """The look that an answer amounts to. `ask`: the expected text, and our clock at the asking."""
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
        says=answer.says or own_word(text),
        grpc_status=answer.grpc_status,
        unsealed=answer.unsealed,
        has_marker=(marker in text) if marker and answer.status else None,
        clock_ahead=clock_ahead(
            answer.headers.get("date", ""),
            answer.headers.get("age", ""),
            wall=wall,
            first_byte=answer.first_byte,
        ),
        detail=detail,
    )


def own_word(text: str) -> str:
    """What a JSON object calls its own state, also where only its beginning was read; else nothing.

    Shapes: Spring Boot's health, `application/health+json` (draft-inadarei-api-health-check), and
    the like: a text or a truth under one of a few names.
    """
    if not text.lstrip().startswith("{"):
        return ""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        began = _FIRST_FIELD.match(text)
        return visible(began[1], 40) if began else ""
    for name in _STATE_FIELDS:
        if isinstance(found.get(name), str):
            return visible(found[name], 40)
    return ""


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
