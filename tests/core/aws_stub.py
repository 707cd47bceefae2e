"""A small real HTTP server that answers as AWS does, as a proxy does, or as a broken thing does."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from cockpit.connect.aws.session import Aws, open_aws
from cockpit.connect.settings import AwsSite

LOGIN_PAGE = b"<!doctype html><html><body>Please sign in to the guest network</body></html>"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def operation(self) -> str:
        """From `X-Amz-Target` or `Action=`; the path for REST services."""
        target = self.headers.get("x-amz-target", "")
        if target:
            return target.rpartition(".")[2]
        return self.form.get("Action", [self.path])[0]

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body)

    def listed(self, prefix: str) -> list[str]:
        """The members of a list of a query request, in their order."""
        found = [(key, value[0]) for key, value in self.form.items() if key.startswith(prefix)]
        return [value for key, value in sorted(found, key=lambda kv: int(kv[0].split(".")[-1]))]

    @property
    def json(self) -> dict[str, Any]:
        members: dict[str, Any] = json.loads(self.body or "{}")
        return members


@dataclass(frozen=True)
class Reply:
    body: bytes | str = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    type: str = "text/xml"
    fault: str = ""
    """`hang`, `reset`, `fin`, `truncate`: instead of, or in the middle of, the answer."""


Answering = Callable[[Request], Reply | Awaitable[Reply]]


class Stub:
    """Answers with what `answer` gives, and remembers every request that arrived."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.answer: Answering = lambda _: Reply(status=500)
        self.in_flight = 0
        self.widest = 0
        self.port = 0
        self._connections: set[asyncio.Task[Any]] = set()

    @property
    def operations(self) -> list[str]:
        return [request.operation for request in self.requests]

    def reply(self, *args: Any, **kwargs: Any) -> None:
        self.answer = lambda _: Reply(*args, **kwargs)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._connections.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {
            name.lower(): value
            for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(method, path, headers, body.decode())
        self.requests.append(request)
        self.in_flight += 1
        self.widest = max(self.widest, self.in_flight)
        try:
            reply = self.answer(request)
            if not isinstance(reply, Reply):
                reply = await reply
            return await self._send(reply, writer)
        finally:
            self.in_flight -= 1

    async def _send(self, reply: Reply, writer: asyncio.StreamWriter) -> bool:
        if reply.fault == "hang":
            await asyncio.sleep(3600)
        if reply.fault == "fin":
            return False
        if reply.fault == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        length = 5000 if reply.fault == "truncate" else len(body)
        lines = [f"HTTP/1.1 {reply.status} X", f"Content-Length: {length}"]
        if reply.type:
            lines.append(f"Content-Type: {reply.type}")
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()
        return not reply.fault

    async def stop(self) -> None:
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


@asynccontextmanager
async def stubbed(context: ssl.SSLContext | None = None) -> AsyncIterator[Stub]:
    """A stub on loopback; over TLS with a context."""
    stub = Stub()
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0, ssl=context)
    stub.port = server.sockets[0].getsockname()[1]
    try:
        yield stub
    finally:
        server.close()
        await stub.stop()
        await server.wait_closed()


def place(port: int, **changes: Any) -> AwsSite:
    return AwsSite(
        **{
            "name": "stub",
            "region": "us-east-1",
            "endpoint_url": f"http://127.0.0.1:{port}",
            "access_key_id": "env:COCKPIT_TEST_KEY",
            "secret_access_key": "env:COCKPIT_TEST_KEY",
            "calls_per_second": 10_000,
            **changes,
        }
    )


@asynccontextmanager
async def reading(stub: Stub, *, wanted: Sequence[str] = (), **changes: Any) -> AsyncIterator[Aws]:
    aws = await open_aws(place(stub.port, **changes), wanted=wanted)
    try:
        yield aws
    finally:
        await aws.close()


def xml(operation: str, inner: str) -> str:
    """An answer of the query protocol."""
    return (
        f'<{operation}Response xmlns="http://aws/"><{operation}Result>{inner}</{operation}Result>'
        f"<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></{operation}Response>"
    )


def error(code: str, message: str = "no") -> str:
    """An error of the query protocol."""
    return (
        "<ErrorResponse><Error><Type>Sender</Type>"
        f"<Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>r-1</RequestId></ErrorResponse>"
    )


def tag(name: str, value: object) -> str:
    return f"<{name}>{value}</{name}>"


def members(items: list[str]) -> str:
    return "".join(tag("member", item) for item in items)


def group_arn(number: int) -> str:
    return f"arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/tg{number}/{number:016x}"


def groups_answer(arns: list[str]) -> str:
    rows = [tag("TargetGroupArn", arn) + tag("TargetGroupName", arn.split("/")[1]) for arn in arns]
    return xml("DescribeTargetGroups", tag("TargetGroups", members(rows)))
