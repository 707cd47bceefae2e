"""Whatever a server sends or announces takes at most 64 MB, and ends within the deadline.

The servers run here and send at most 200 MB, until they are hung up on; the look is a process of
its own, whose highest memory is read before and after.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain, repeat

import pytest

from tests.core import sql_answers as sql

MOST = 64
"""MB over what the process takes after an honest answer."""
DEADLINE = 60
LARGE = 512 * 1024 * 1024
SENT = 200
_MB = 1024 * 1024

Parts = Iterator[bytes]


def http(
    body: Parts, *, length: int | None = None, kind: str = "application/x-amz-json-1.1"
) -> Parts:
    """An answer of HTTP with what follows; None: in chunks without an end."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    yield f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n".encode()
    for part in body:
        yield part if length is not None else b"%x\r\n%s\r\n" % (len(part), part)


def whole(body: bytes) -> Parts:
    return http(iter((body,)), length=len(body))


def flood(unit: bytes) -> Parts:
    return repeat(unit * (_MB // len(unit)), SENT)


def bulk(size: int, body: Parts) -> Parts:
    return chain((b"$%d\r\n" % size,), body)


TOO_MANY = b'{"taskDefinition":{"containerDefinitions":[' + b",".join([b"{}"] * 1_400_000) + b"]}}"
MANY = b'{"taskDefinition":{"containerDefinitions":[' + b",".join([b"{}"] * 79_000) + b"]}}"
WIDE_TEXT = "\U0001f4a5".encode() + b"a" * (4 * _MB)
WIDE = b'{"taskDefinition":{"family":"' + "\U0001f4a5".encode() + b"a" * (5 * _MB - 1000) + b'"}}'
HONEST = {
    "aws": lambda: whole(b'{"taskDefinition":{}}'),
    "redis": lambda: iter((b"+OK\r\n",)),
    "memcached": lambda: iter((b"STAT a 1\r\nEND\r\n",)),
    "postgres": lambda: sql.pg_value(b"1"),
    "mysql": lambda: sql.my_value(b"1"),
}
HOSTILE = {
    "aws announces 512 MB": lambda: http(flood(b"a"), length=LARGE),
    "aws without an end": lambda: http(flood(b"a")),
    "aws 60 MB of JSON": lambda: http(flood(b"[],"), length=60 * _MB),
    "aws many values": lambda: whole(TOO_MANY),
    "aws as many values as are taken": lambda: whole(MANY),
    "aws wide characters": lambda: whole(WIDE),
    "aws deep": lambda: whole(b'{"a":' * 90_000),
    "aws deep lists": lambda: whole(b"[" * 90_000),
    "aws deep XML": lambda: http(iter((b"<a>" * 140_000,)), length=420_000, kind="text/xml"),
    "redis announces 512 MB": lambda: bulk(LARGE, flood(b"a")),
    "redis announces less than nothing": lambda: bulk(-512, flood(b"a")),
    "redis many values": lambda: chain((b"*2000000000\r\n",), flood(b":1\r\n")),
    "redis many lists": lambda: chain((b"*2000000000\r\n",), flood(b"*0\r\n")),
    "redis deep": lambda: flood(b"*1\r\n"),
    "redis a line without an end": lambda: flood(b"+"),
    "redis a number of a megabyte": lambda: chain((b":",), flood(b"9")),
    "memcached without an end": lambda: flood(b"STAT a %s\r\n" % (b"a" * 60_000)),
    "memcached a line without an end": lambda: flood(b"STAT "),
    "postgres a value of 512 MB": lambda: sql.pg_large(LARGE),
    "postgres an error of 512 MB": lambda: sql.pg_error(b"a", size=LARGE),
    "postgres an error that looks like many": lambda: sql.pg_error(b'database "', size=4 * _MB),
    "postgres ten million rows": lambda: sql.pg_rows(10_000_000, 1),
    "postgres many rows": lambda: sql.pg_rows(400_000, 1),
    "postgres rows of no columns": lambda: sql.pg_rows(400_000, 0),
    "postgres many columns": lambda: sql.pg_rows(40, 30_000),
    "postgres notifications": sql.pg_notifications,
    "postgres many values in JSON": lambda: sql.pg_json(b"[" + b"[]," * 1_500_000 + b"0]"),
    "postgres deep JSON": lambda: sql.pg_json(b"[" * 200_000),
    "postgres as much as is taken": lambda: sql.pg_value(WIDE_TEXT),
    "postgres as many rows as are taken": lambda: sql.pg_rows(49_000, 6),
    "mysql a value of 512 MB": lambda: sql.my_large(LARGE),
    "mysql an error of 15 MB": lambda: sql.my_error(b"a", size=15 * _MB),
    "mysql an error that is taken": lambda: sql.my_error(b'database "', size=4 * _MB),
    "mysql rows without an end": lambda: sql.my_rows(1),
    "mysql many rows": lambda: sql.my_rows(1, 400_000),
    "mysql rows of many columns": lambda: sql.my_rows(4000),
    "mysql columns without an end": sql.my_columns,
    "mysql as much as is taken": lambda: sql.my_value(WIDE_TEXT),
    "mysql as many rows as are taken": lambda: sql.my_rows(6, 49_000),
}
SEEN = {
    "aws wide characters",
    "aws as many values as are taken",
    "postgres as much as is taken",
    "postgres as many rows as are taken",
    "mysql as much as is taken",
    "mysql as many rows as are taken",
}


@asynccontextmanager
async def answering(
    answers: Callable[[], Parts], opening: Sequence[bytes] = ()
) -> AsyncIterator[int]:
    """A server that answers everything so, until it is hung up on; gives its port.

    `opening`: what it says unasked, and to each of the first questions.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for said in opening[:1]:
                writer.write(said)
            for said in opening[1:]:
                await reader.read(_MB)
                writer.write(said)
            while await reader.read(_MB):
                for part in answers():
                    writer.write(part)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("kind", HONEST)
async def test_what_a_server_sends_takes_64_mb_at_most(kind: str) -> None:
    cases = [case for case in HOSTILE if case.startswith(kind)]
    async with AsyncExitStack() as servers:
        ports = [
            str(await servers.enter_async_context(answering(answers, sql.OPENINGS.get(kind, ()))))
            for answers in (HONEST[kind], *(HOSTILE[case] for case in cases))
        ]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.core.memory_taken",
            kind,
            *ports,
            env={**os.environ, "COCKPIT_TEST_KEY": "testing-key"},
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
        finally:
            if process.returncode is None:
                process.kill()
    found = dict(zip(cases, json.loads(out), strict=True))
    assert {case for case in cases if found[case]["over"] >= MOST} == set(), found
    assert {case for case in cases if found[case]["said"] == "seen"} == SEEN & set(cases), found
