"""How long after its deadline a look ends at a server that was stopped (SIGSTOP): each engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cockpit.connect.open import Connections
from cockpit.connect.role import Role
from cockpit.sweep import TargetSessions
from cockpit.triage.engine import Engine, Look
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.registry import registry
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from cockpit.world.servers import mariadb, postgres, valkey
from cockpit.world.servers.process import ServerProcess, find
from tests.bench.table import Row, render
from tests.servers.private import (
    SECRETS,
    my_settings,
    mysql_users,
    pg_settings,
    postgres_roles,
    redis_settings,
)
from tests.servers.test_memcached import settings as memcached_settings
from tests.servers.test_memcached import started as memcached_started

ROUNDS = ("in", "anew")
"""Looks through the sessions that were open when the server stopped, then through new ones."""
LIMIT = 1.0


@dataclass
class Engined:
    """A server, and how the cockpit is told to look at it."""

    name: str
    kind: str
    server: ServerProcess
    settings: Any

    def _signal(self, number: signal.Signals) -> None:
        """To each process of it: a PostgreSQL has one a session."""
        children = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children")
        for pid in map(int, children.read_text().split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def pause(self) -> None:
        """Stop all of it; its port stays open."""
        self.server.pause()
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let all of it go on."""
        self._signal(signal.SIGCONT)
        self.server.resume()


def _postgres(folder: Path) -> Engined:
    server = postgres.start(postgres.create(folder))
    postgres_roles(server)
    return Engined("PostgreSQL", "postgres", server, pg_settings(server))


def _mariadb(folder: Path) -> Engined:
    server = mariadb.start(mariadb.create(folder))
    mysql_users(server)
    return Engined("MariaDB", "mysql", server, my_settings(server))


def _redis(folder: Path) -> Engined:
    binary = find("redis-server")
    server = valkey.start(folder, binary=binary)
    return Engined("Redis" if binary else "Valkey", "redis", server, redis_settings(server))


def _memcached(folder: Path) -> Engined:
    server = memcached_started(folder)
    return Engined("memcached", "memcached", server, memcached_settings(server.port))


@contextlib.contextmanager
def engines() -> Iterator[list[Engined]]:
    """The four servers; they end also after a failure."""
    folder = Path(tempfile.mkdtemp(prefix="cockpit-bench-"))
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        running = []
        for start in (_postgres, _mariadb, _redis, _memcached):
            if start is _mariadb and mariadb.find_binary() is None:
                print(mariadb.LACKING, file=sys.stderr)
                continue
            if start is _memcached and find("memcached") is None:
                print("memcached is not installed", file=sys.stderr)
                continue
            place = folder / start.__name__
            place.mkdir(mode=0o755)
            running.append(one := start(place))
            stack.callback(one.server.stop)
            stack.callback(one.resume)
        yield running


async def measure(running: list[Engined]) -> Mapping[str, list[tuple[str, Reading]]]:
    """Engine → what its looks ended with while it was stopped, and in which round."""
    connections = Connections({}, Role.TRIAGE)
    looks = [
        Look(Target(name=one.name, kind=one.kind, settings=one.settings), probe, probe.settings)
        for one in running
        for probe in registry().values()
        if probe.kind == one.kind
    ]
    engine = Engine(looks, sessions=TargetSessions(connections), store=Store())

    async def all_of_them() -> list[Reading]:
        return await asyncio.gather(*(engine.look(*id_) for id_ in engine.looks))

    found: dict[str, list[tuple[str, Reading]]] = {one.name: [] for one in running}
    try:
        for reading in await all_of_them():
            assert isinstance(reading.outcome, Seen), reading
        for one in running:
            one.pause()
        for word in ROUNDS:
            for reading in await all_of_them():
                assert isinstance(reading.outcome, Blind), reading
                found[reading.target].append((word, reading))
    finally:
        for one in running:
            one.resume()
        await engine.stop()
        await connections.close()
    return found


def _row(name: str, looks: list[tuple[str, Reading]]) -> Row:
    late, word, reading = max(
        ((r.took - registry()[r.probe].timeout, word, r) for word, r in looks),
        key=lambda each: each[0],
    )
    codes = sorted({_code(reading) for _, reading in looks})
    note = (
        f"{len(looks)} looks, the latest {reading.probe} ({word}): {reading.took:.2f} s of"
        f" {registry()[reading.probe].timeout:g} s; {', '.join(codes)}"
    )
    label = f"stopped {name}: seconds past the deadline"
    return Row(label, late, "s", LIMIT, "the probe's deadline", note)


def _code(reading: Reading) -> str:
    outcome = reading.outcome
    assert isinstance(outcome, Blind)
    return outcome.finding.code if outcome.finding else outcome.reason.value


def rows() -> list[Row]:
    """One row an engine; all of them are stopped at the same time."""
    os.environ.update(SECRETS)
    with engines() as running:
        found = asyncio.run(measure(running))
    return [_row(name, looks) for name, looks in found.items()]


if __name__ == "__main__":
    print(render(rows()))
