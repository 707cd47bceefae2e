"""One request by HTTP/2, for servers that speak nothing else: h2 parses, the limits are ours.

One connection, one stream, one request, then the connection is dropped. Nothing is pushed to us, at
most a stream's first window (64 KiB) can arrive, and of that 4 KB are kept.

gRPC's health (`grpc.health.v1.Health/Check`) is such a request: a message of a few octets, read by
hand. Source: gRPC over HTTP2 (PROTOCOL-HTTP2.md) and health.proto of the gRPC repository.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from cockpit.connect.net.http import (
    FIELDS_LIMIT,
    HEAD_LIMIT,
    INTERIM_LIMIT,
    HttpAnswer,
    HttpLook,
    Malformed,
    Short,
    TooLong,
    Unprocessed,
    conversed,
    finished,
)
from cockpit.connect.net.wire import Wire
from cockpit.text import visible

VERSION = "HTTP/2"
UNIMPLEMENTED = 12
_STREAM = 1
_FRAME_HEAD, _GOAWAY, _SETTINGS = 9, 7, 4
_LONGEST_FRAME = 16 * 1024
_MOST_FRAMES = 500
"""Of one answer: a server that pings or sends settings without an end is given up."""
_SERVING = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
GRPC_CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Http2Request:
    """What is asked: ASCII throughout."""

    scheme: str
    """`http` or `https`."""
    authority: str
    path: str
    agent: str
    service: str | None = None
    """None: a GET of the path. Else the gRPC service whose health is asked for; empty: the server's
    as a whole."""

    def headers(self) -> list[tuple[str, str]]:
        """In the order that HTTP/2 wants them."""
        is_grpc = self.service is not None
        path = "/grpc.health.v1.Health/Check" if is_grpc else self.path
        fields = [
            (":method", "POST" if is_grpc else "GET"),
            (":scheme", self.scheme),
            (":authority", self.authority),
            (":path", path),
            ("user-agent", self.agent),
        ]
        if is_grpc:
            return [*fields, ("content-type", "application/grpc"), ("te", "trailers")]
        return [*fields, ("accept", "*/*"), ("accept-encoding", "identity")]

    def body(self) -> bytes:
        """A HealthCheckRequest behind its five octets of length; nothing for a GET."""
        if self.service is None:
            return b""
        name = self.service.encode("ascii")
        message = b"\x0a" + bytes((len(name),)) + name if name else b""
        return struct.pack("!BI", 0, len(message)) + message


def begins(data: bytes) -> bool:
    """Whether the first octets of an answer are a server's HTTP/2 preface: a SETTINGS frame."""
    return (
        len(data) >= _FRAME_HEAD
        and data[3] == _SETTINGS
        and data[4] in {0, 1}
        and data[5:9] == bytes(4)
        and int.from_bytes(data[:3], "big") <= _LONGEST_FRAME
    )


async def exchange(
    wire: Wire,
    asked: Http2Request,
    *,
    first_byte: float,
    whole: float,
    marker: str,
    wall: datetime,
    stream: bool = False,
) -> HttpLook:
    """As `http.exchange`. A gRPC server that is not serving has the outcome `not_serving`, one that
    answers with another status than OK `grpc_status`; one without a health service is `ok`.
    """
    loop = asyncio.get_running_loop()
    answer = HttpAnswer(began=loop.time(), stream=stream)
    talk = _Talk(wire, answer)
    outcome, detail = await conversed(
        wire,
        answer,
        begin=partial(talk.begin, asked),
        rest=talk.rest,
        first_byte=first_byte,
        whole=whole,
    )
    took = loop.time() - answer.began
    answer.version = VERSION
    if asked.service is None:
        return finished(answer, outcome, detail, took=took, ask=(marker, wall))
    says, status = _health(answer.body), _grpc_status(answer)
    if outcome == "ok" and answer.status == 200:
        outcome, detail = _judged(says, status, answer)
    answer.body, answer.says = b"", says
    answer.grpc_status = status
    return finished(answer, outcome, detail, took=took, ask=("", wall))


class _Talk:
    """The frames of one request. What the server says is fed to h2 frame by frame, since h2 refuses
    the answer that is still owed behind an orderly GOAWAY, as nginx sends it with the last request
    of a connection (`keepalive_requests`).
    """

    def __init__(self, wire: Wire, answer: HttpAnswer) -> None:
        self._wire, self._answer = wire, answer
        self._buffer = b""
        self._frames = 0
        self._interim = 0
        self._ended = False
        self._h2 = h2.connection.H2Connection(
            config=h2.config.H2Configuration(client_side=True, header_encoding="latin-1")
        )
        self._h2.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                h2.settings.SettingCodes.ENABLE_PUSH: 0,
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: HEAD_LIMIT,
            },
        )
        self._h2.decoder.max_header_list_size = HEAD_LIMIT

    async def begin(self, asked: Http2Request) -> None:
        """Ask, and read to the first header of an answer."""
        body = asked.body()
        self._h2.initiate_connection()
        self._h2.send_headers(_STREAM, asked.headers(), end_stream=not body)
        if body:
            self._h2.send_data(_STREAM, body, end_stream=True)
        await self._wire.send(self._h2.data_to_send())
        while self._answer.first_byte is None and not self._ended:
            await self._frame("before any answer")

    async def rest(self) -> None:
        """Read the header and the body, as far as they are wanted."""
        answer = self._answer
        while not self._ended and len(answer.body) < answer.limit:
            if answer.is_final and answer.stream and answer.body:
                return
            read = f"after {len(answer.body)} octets"
            await self._frame(read if answer.is_final else "inside the header")

    async def _frame(self, when: str) -> None:
        """The next frame, and what it means. `when` says where the peer ended, if it does."""
        frame = await self._next(when)
        self._frames += 1
        if self._frames > _MOST_FRAMES:
            raise Malformed(f"more than {_MOST_FRAMES} frames")
        if frame[3] == _GOAWAY and self._owed(frame):
            return
        try:
            events = self._h2.receive_data(frame)
        except h2.exceptions.DenialOfServiceError:
            raise TooLong("the header is longer than 16 KiB") from None
        except h2.exceptions.ProtocolError as error:
            raise Malformed(visible(f"HTTP/2: {error}", 120)) from None
        if reply := self._h2.data_to_send():
            await self._wire.send(reply)
        for event in events:
            self._take(event)

    def _owed(self, frame: bytes) -> bool:
        """Whether an orderly goodbye leaves us our answer. Raises when it does not."""
        if len(frame) < _FRAME_HEAD + 8:
            raise Malformed("HTTP/2: a GOAWAY without its end")
        last, code = struct.unpack_from("!II", frame, _FRAME_HEAD)
        words = visible(frame[_FRAME_HEAD + 8 :].decode("latin-1"), 80)
        goodbye = f"the server said goodbye ({_error(code)}) {words}".strip()
        if last & 0x7FFFFFFF < _STREAM and code == 0:
            raise Unprocessed(goodbye)
        if code:
            raise Short(goodbye)
        return True

    async def _next(self, when: str) -> bytes:
        while True:
            if len(self._buffer) >= _FRAME_HEAD:
                length = int.from_bytes(self._buffer[:3], "big") + _FRAME_HEAD
                if length > _LONGEST_FRAME + _FRAME_HEAD or (
                    self._frames == 0 and not begins(self._buffer)
                ):
                    raise Malformed("the answer does not begin as HTTP/2 does")
                if len(self._buffer) >= length:
                    frame, self._buffer = self._buffer[:length], self._buffer[length:]
                    return frame
            data = await self._wire.receive()
            if not data:
                raise Short(f"the connection was closed {when}")
            self._buffer += data

    def _take(self, event: h2.events.Event) -> None:
        answer = self._answer
        match event:
            case h2.events.InformationalResponseReceived():
                self._interim += 1
                if self._interim > INTERIM_LIMIT:
                    raise Malformed("too many interim answers")
                answer.begun()
            case h2.events.ResponseReceived():
                answer.begun()
                self._head(event.headers or [])
            case h2.events.TrailersReceived():
                for name, value in event.headers or []:
                    answer.headers.setdefault(str(name), str(value))
            case h2.events.DataReceived():
                answer.body = (answer.body + (event.data or b""))[: answer.limit]
            case h2.events.StreamEnded():
                self._ended = True
            case h2.events.StreamReset():
                code = _error(int(event.error_code or 0))
                why = Unprocessed if code == "REFUSED_STREAM" else Short
                raise why(f"the server reset the stream ({code})")
            case _:
                pass  # settings, pings, windows: h2 has answered them

    def _head(self, headers: Sequence[tuple[str | bytes, str | bytes]]) -> None:
        answer = self._answer
        if len(headers) > FIELDS_LIMIT:
            raise TooLong(f"more than {FIELDS_LIMIT} header fields")
        for name, value in headers:
            answer.headers.setdefault(str(name), str(value))
        said = answer.headers.pop(":status", "")
        if not (said.isascii() and said.isdigit() and len(said) == 3):
            raise Malformed("HTTP/2: a header without a status")
        answer.status, answer.is_final = int(said), True
        answer.recognise_stream()


def _error(code: int) -> str:
    try:
        return h2.errors.ErrorCodes(code).name
    except ValueError:
        return f"error {code}"


def _health(body: bytes) -> str:
    """The word of a HealthCheckResponse; empty: there is none, or it cannot be read."""
    if len(body) < 5 or body[0] != 0:
        return ""
    (length,) = struct.unpack_from("!I", body, 1)
    message = body[5 : 5 + length]
    if length == 0:
        return _SERVING[0]  # zero is not written
    if length != 2 or len(message) != 2 or message[0] != 0x08:
        return ""
    return _SERVING.get(message[1], f"status {message[1]}")


def _grpc_status(answer: HttpAnswer) -> int | None:
    said = answer.headers.get("grpc-status", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 4 else None


def _judged(says: str, status: int | None, answer: HttpAnswer) -> tuple[str, str]:
    if status is None:
        return "malformed", "no grpc-status: it is HTTP/2 and not gRPC"
    if status == UNIMPLEMENTED:
        return "ok", "the server has no health service (grpc.health.v1)"
    if status:
        name = GRPC_CODES[status] if status < len(GRPC_CODES) else f"code {status}"
        words = visible(answer.headers.get("grpc-message", ""), 120)
        return "grpc_status", f"{name}: {words}" if words else name
    if says == "SERVING":
        return "ok", ""
    return "not_serving", says or "an answer without a state"
