"""Situations of Redis and Valkey in which something is offered, and how their server tells."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager

from cockpit.triage.finding import Thresholds
from cockpit.world.servers import valkey
from probes.redis.performance import Settings
from tests.patience import eventually
from tests.servers.private import redis_logins, redis_users, target
from tests.servers.promises import Party, Provoked, Scene, Situation

AT_ONCE = {"redis.performance": Settings(buffers_least=0, buffer_a_client=Thresholds(warning=1))}
_ANSWER = 256 * 1024
_GET = b"*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n"


def _clients(server: valkey.Valkey) -> list[dict[str, str]]:
    said = server.send("CLIENT", "LIST")
    text = said.decode() if isinstance(said, bytes) else str(said)
    lines = text.splitlines()
    return [dict(part.split("=", 1) for part in line.split() if "=" in part) for line in lines]


def scene(server: valkey.Valkey, names: frozenset[str]) -> Scene:
    """The applications' connections. None waits for another."""
    return Scene(
        parties={
            int(each["id"]): Party(name=each["name"])
            for each in _clients(server)
            if each.get("name") in names
        }
    )


def _connected(
    **asks: int,
) -> Callable[[valkey.Valkey], AbstractAsyncContextManager[Provoked]]:
    """Name → large answers that its connection asks for and does not read."""

    @asynccontextmanager
    async def provoked(server: valkey.Valkey) -> AsyncIterator[Provoked]:
        names = frozenset(asks)
        redis_users(server)
        server.send("SET", "large", "x" * _ANSWER)
        with ExitStack() as ending:
            for name, number in asks.items():
                wire = ending.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                wire.sendall(b"CLIENT SETNAME %s\r\n" % name.encode() + _GET * number)
            eventually(lambda: _held(server, names) == frozenset(n for n, m in asks.items() if m))
            yield Provoked(
                targets=(target(redis_logins(server)),), seen=lambda: scene(server, names)
            )

    return provoked


def _held(server: valkey.Valkey, names: frozenset[str]) -> frozenset[str]:
    """Whose answers wait in the server's memory, once all are there."""
    found = [each for each in _clients(server) if each.get("name") in names]
    if len(found) < len(names):
        return frozenset({"not all are there"})
    return frozenset(each["name"] for each in found if int(each.get("omem", "0")) > _ANSWER)


BUFFERS = (
    Situation(
        id="one client does not read its answers",
        probe="redis.performance",
        codes=("RD_MEM_CLIENT_BUFFERS",),
        provoke=_connected(hoarder=40, shop=0),
        settings=AT_ONCE,
        offered=frozenset(
            {"client_kill hoarder", "client_kill shop", "redis-memory.close hoarder"}
        ),
    ),
    Situation(
        id="two do not read, and the larger one is closed by the runbook",
        probe="redis.performance",
        codes=("RD_MEM_CLIENT_BUFFERS",),
        provoke=_connected(small=30, large=60),
        settings=AT_ONCE,
        offered=frozenset({"client_kill small", "client_kill large", "redis-memory.close large"}),
    ),
)
