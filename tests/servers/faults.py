"""Two targets of a kind in one engine, one of which gets into trouble; and a wire that breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from cockpit.connect.memcached.settings import MemcachedSettings
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.open import Connections
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.redis.settings import RedisSettings
from cockpit.connect.role import Role
from cockpit.connect.settings import ConnectionSettings
from cockpit.sweep import TargetSessions
from cockpit.triage.engine import Engine, Look
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.registry import registry
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from tests.patience import at_most

LATE = at_most(5)
"""Seconds beyond a probe's deadline; a look that is not given up takes for ever."""
_KINDS = {
    MemcachedSettings: "memcached",
    MysqlSettings: "mysql",
    PostgresSettings: "postgres",
    RedisSettings: "redis",
}


class Watch:
    """Every probe of a kind at `ill` and at `well`, in one engine, through one set of sessions."""

    def __init__(self, ill: ConnectionSettings, well: ConnectionSettings) -> None:
        self._connections = Connections({}, Role.TRIAGE)
        targets = [
            Target(name=name, kind=_KINDS[type(settings)], settings=settings)
            for name, settings in (("ill", ill), ("well", well))
        ]
        looks = [
            Look(target, probe, probe.settings)
            for target in targets
            for probe in registry().values()
            if probe.kind == target.kind
        ]
        self._engine = Engine(looks, sessions=TargetSessions(self._connections), store=Store())
        self._ill = ill

    async def __aenter__(self) -> Watch:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engine.stop()
        await self._connections.close()

    async def session(self) -> Any:
        """The session with the one that is ill, of whatever kind."""
        return await self._connections.session("ill", self._ill)

    async def look(self) -> list[Reading]:
        """All probes at once at both. The one that is well is seen, and nobody is late; gives the
        readings of the one that is not.
        """
        readings = await asyncio.gather(*(self._engine.look(*id_) for id_ in self._engine.looks))
        for reading in readings:
            assert reading.took < registry()[reading.probe].timeout + LATE, reading
            if reading.target == "well":
                assert isinstance(reading.outcome, Seen), reading
                assert not {f.code for f in reading.outcome.findings if "_CONN_" in f.code}
        return [reading for reading in readings if reading.target == "ill"]


def told(readings: list[Reading], *, some: bool = False) -> set[str]:
    """The codes with which looks failed. `some`: others may have ended before the trouble began;
    else a look that did not fail is a wrong answer.
    """
    codes = set()
    for reading in readings:
        if some and isinstance(reading.outcome, Seen):
            continue
        assert isinstance(reading.outcome, Blind), reading
        assert reading.outcome.finding is not None, reading
        codes.add(reading.outcome.finding.code)
    return codes


class BreakingWire:
    """A TCP proxy to a server on 127.0.0.1 that lets a given number of bytes of answers pass, then
    calls `then` (which kills or stops the server); nothing more of an answer passes.

    `dead`: from then on its port is closed too, as that of a server that is gone.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._left: int | None = None
        self._then: Callable[[], object] = int
        self._dead = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.broke = asyncio.Event()

    async def __aenter__(self) -> BreakingWire:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._hang_up()
        await asyncio.sleep(0.05)

    @property
    def port(self) -> int:
        """Where to connect."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def break_after(self, passed: int, then: Callable[[], object], *, dead: bool) -> None:
        """Let so many bytes of answers pass from now on, over all connections."""
        self._left, self._then, self._dead = passed, then, dead

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(there[1])
        for task in (
            asyncio.create_task(pass_on(reader, there[1])),
            asyncio.create_task(self._answers(there[0], writer)),
        ):
            self._tasks.add(task)

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(1 << 16):
                if self._left is not None:
                    chunk, late = chunk[: self._left], len(chunk) >= self._left
                    self._left -= len(chunk)
                    writer.write(chunk)
                    await writer.drain()
                    if late:
                        self._break()
                        return
                else:
                    writer.write(chunk)
            writer.close()

    def _break(self) -> None:
        if self.broke.is_set():
            return
        self.broke.set()
        self._then()
        if self._dead:
            assert self._server is not None
            self._server.close()
            asyncio.get_running_loop().call_later(0.05, self._hang_up)

    def _hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
        writer.close()
