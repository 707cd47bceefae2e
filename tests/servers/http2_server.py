"""A server that speaks HTTP/2 and nothing else, and misbehaves on request."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions

GOODBYE = 7


@dataclass(frozen=True, slots=True)
class Plan:
    """How a request is answered.

    `fault`: `goodbye-first` (an orderly GOAWAY, then the answer), `not-taken` (a GOAWAY that says
    that nothing was taken, at the first connection only), `refused` (the stream is refused, each
    time), `reset` (the stream breaks inside the body), `pings` (nothing but pings), `mute`, `huge`
    (a header of 40 KB), `garbage`.
    """

    headers: tuple[tuple[str, str], ...] = ((":status", "200"), ("content-type", "text/plain"))
    body: bytes = b"hello"
    trailers: tuple[tuple[str, str], ...] = ()
    fault: str = ""
    open_end: bool = False
    """The stream is not ended."""


def goodbye(last: int, code: int = 0) -> bytes:
    """A GOAWAY frame."""
    return (8).to_bytes(3, "big") + bytes((GOODBYE, 0)) + bytes(4) + struct.pack("!II", last, code)


@dataclass
class Http2:
    """Serves on a free port of 127.0.0.1, in plain text or under TLS."""

    plan: Plan
    context: ssl.SSLContext | None = None
    port: int = 0
    connections: int = 0
    requests: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Http2:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._over.set()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        talk = h2.connection.H2Connection(
            config=h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        talk.initiate_connection()
        writer.write(b"\x00" * 9 if self.plan.fault == "garbage" else talk.data_to_send())
        with contextlib.suppress(OSError):
            try:
                await self._talk(reader, writer, talk)
            except h2.exceptions.ProtocolError:  # HTTP/1.1 was spoken: servers say goodbye
                writer.write(talk.data_to_send() or goodbye(0, 1))
        writer.close()

    async def _talk(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        talk: h2.connection.H2Connection,
    ) -> None:
        while data := await reader.read(1 << 14):
            for event in talk.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self.requests.append({str(k): str(v) for k, v in event.headers or ()})
                if isinstance(event, h2.events.DataReceived):
                    self.bodies.append(event.data or b"")
                if isinstance(event, h2.events.StreamEnded):
                    await self._answer(writer, talk, event.stream_id)
            writer.write(talk.data_to_send())
            await writer.drain()

    async def _answer(
        self, writer: asyncio.StreamWriter, talk: h2.connection.H2Connection, stream: int
    ) -> None:
        plan, fault = self.plan, self.plan.fault
        writer.write(talk.data_to_send())
        if fault == "mute":
            await self._over.wait()
        if fault == "pings":
            for _ in range(600):
                writer.write((8).to_bytes(3, "big") + b"\x06\x00" + bytes(4) + bytes(8))
            await writer.drain()
            await self._over.wait()
        if fault == "not-taken" and self.connections == 1:
            writer.write(goodbye(0))
            return
        if fault == "refused":
            talk.reset_stream(stream, 7)
            return
        if fault == "goodbye-first":
            writer.write(goodbye(stream))
        headers = [*plan.headers, ("x-huge", "x" * 40_000)] if fault == "huge" else [*plan.headers]
        only_header = not plan.body and not plan.trailers and not plan.open_end
        talk.send_headers(stream, headers, end_stream=only_header)
        if only_header:
            return
        talk.send_data(stream, plan.body, end_stream=not plan.trailers and not plan.open_end)
        if fault == "reset":
            talk.reset_stream(stream, 2)
        elif plan.trailers:
            talk.send_headers(stream, [*plan.trailers], end_stream=True)


def health(state: int) -> Plan:
    """What a gRPC server says of its health: 1 serves, 2 does not."""
    message = bytes((8, state)) if state else b""
    return Plan(
        headers=((":status", "200"), ("content-type", "application/grpc")),
        body=struct.pack("!BI", 0, len(message)) + message,
        trailers=(("grpc-status", "0"),),
    )


def grpc_error(status: int, message: str = "") -> Plan:
    """An answer that is its trailers alone, as gRPC servers send an error."""
    return Plan(
        headers=(
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-status", str(status)),
            ("grpc-message", message),
        ),
        body=b"",
    )
