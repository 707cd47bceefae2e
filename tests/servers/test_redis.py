"""Redis and Valkey in trouble, for real: full, silent, busy, out of memory, cut off."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.redis.acts import open_redis_acts
from cockpit.connect.redis.session import READS, Redis, open_redis
from cockpit.errors import BlindError, Misconfigured, Reason, Refused, UnknownOutcome
from cockpit.runbooks.library import library
from cockpit.triage.engine import Look, judged
from cockpit.triage.recording import decode, encode
from cockpit.triage.registry import registry
from cockpit.world.servers import valkey
from probes.redis.model import RedisHealth
from tests.patience import at_most
from tests.servers.full import full
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

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module", params=REDIS_BINARIES)
def binary(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def server(binary: Path, folder: Path) -> Iterator[valkey.Valkey]:
    running = valkey.start(
        folder,
        binary=binary,
        settings={"maxclients": 12, "busy-reply-threshold": 200, "maxmemory": "8mb"},
    )
    yield running
    running.stop()


def fill(server: valkey.Valkey, keys: int) -> None:
    """Write keys of 1 KiB in one pipeline; refusals are part of the game."""
    value = b"x" * 1024
    with socket.create_connection(("127.0.0.1", server.port), at_most(15)) as wire:
        parts = [
            b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$1024\r\n%b\r\n" % (len(name), name, value)
            for name in (b"key:%d" % number for number in range(keys))
        ]
        wire.sendall(b"".join(parts) + b"PING\r\n")
        got = b""
        while b"PONG" not in got:
            got = got[-10:] + wire.recv(1 << 16)


async def between(server: valkey.Valkey, during: Any, **changed: object) -> Any:
    """What the probe says of the time between two looks."""
    probe = registry()["redis.health"]
    to = target(redis_settings(server, **changed))
    async with session_for(to.settings) as session:
        before = await probe.collect(session, to)
        during()
        await asyncio.sleep(0.05)
        assert probe.since is not None
        now = probe.since(before, await probe.collect(session, to))
    return judged(Look(to, probe, probe.settings), now)


async def test_an_idle_server_has_nothing_wrong(server: valkey.Valkey) -> None:
    seen = await look("redis.health", redis_settings(server), twice=0.05)

    assert seen.findings == ()
    assert [fact.label for fact in seen.facts[:2]] == ["answered", "memory"]
    assert isinstance(decode(encode(seen.snapshot), RedisHealth), RedisHealth)


async def test_the_second_address_is_tried_when_the_first_is_dead(
    server: valkey.Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", 0)) for n in (9, 1)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: two)
    seen = await look("redis.health", replace(redis_settings(server), host="cache.example"))
    assert [fact.label for fact in seen.facts[:2]] == ["answered", "memory"]


@pytest.mark.parametrize(
    "words",
    [
        ("SET", "a", "b"), ("FLUSHALL",), ("CONFIG", "SET", "maxmemory", "1"), ("KEYS", "*"),
        ("MONITOR",), ("CLIENT", "KILL", "ID", "1"), ("DEBUG", "SLEEP", "1"), ("SHUTDOWN",),
        ("SLOWLOG", "RESET"), ("EVAL", "return 1", "0"), ("CONFIG GET", "*"), ("GET", "a"), (),
    ],
    ids=lambda words: " ".join(words) or "nothing",
)  # fmt: skip
async def test_an_observer_sends_only_what_is_on_the_list(words: tuple[str, ...]) -> None:
    session = await open_redis(redis_settings_nowhere())
    with pytest.raises(Refused):
        await session.command(*words)


def redis_settings_nowhere() -> Any:
    from cockpit.connect.redis.settings import RedisSettings

    return RedisSettings(host="127.0.0.1", port=1, tls=False)


def test_the_list_holds_no_word_that_writes() -> None:
    assert not {word.split()[-1] for word in READS} & {"SET", "KILL", "RESET", "FLUSHALL", "DEL"}


async def test_a_full_server_refuses_new_clients_and_keeps_ours(server: valkey.Valkey) -> None:
    probe = registry()["redis.health"]
    to = target(redis_settings(server))
    with ExitStack() as stack:
        async with session_for(to.settings) as kept:
            before = await probe.collect(kept, to)
            stack.enter_context(full(server, 14))
            error = await trouble(to.settings)
            assert probe.since is not None
            now = probe.since(before, await probe.collect(kept, to))
    seen = judged(Look(to, probe, probe.settings), now)

    assert (error.code, error.severity) == ("RD_CONN_SATURATED", "critical")
    assert codes(seen)["RD_SAT_CLIENTS"] == "critical"


async def test_a_stopped_server_is_mute(server: valkey.Valkey) -> None:
    kept = Redis(redis_settings(server), timeout=600)
    await kept.command("PING")
    server.pause()
    try:
        async with asyncio.timeout(at_most(15)):
            error = await trouble(redis_settings(server))
            hanging = asyncio.create_task(kept.command("PING"))
            await asyncio.sleep(0.05)
            hanging.cancel()
            await asyncio.wait({hanging})  # by itself it would take ten minutes
    finally:
        server.resume()
        await kept.close()

    assert (error.code, error.reason) == ("RD_CONN_MUTE", Reason.TIMEOUT)


async def busy(server: valkey.Valkey) -> None:
    """Until the server says that a script runs; before that it is mute."""
    await until(lambda: asyncio.to_thread(_said, server), lambda said: said.startswith(b"-BUSY"))


def _said(server: valkey.Valkey) -> bytes:
    try:
        return server.send("PING", timeout=1)
    except OSError:
        return b""


async def test_a_running_script_refuses_everything_until_it_is_killed(
    server: valkey.Valkey,
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        wire.sendall(b"EVAL 'while true do end' 0\r\n")
        await busy(server)
        error = await trouble(redis_settings(server), "INFO")
        acts = await open_redis_acts(redis_settings(server))
        done = await acts.run("script_kill", {})
        await acts.close()
        seen = await look("redis.health", redis_settings(server))

    assert (error.code, error.severity) == ("RD_STATE_BUSY_SCRIPT", "critical")
    assert done["done"]
    assert seen.findings == ()


async def test_a_login_that_fails_is_a_sign_of_life(binary: Path, folder: Path) -> None:
    os.environ["T_REDIS"] = "redis-secret-1"
    server = valkey.start(folder, binary=binary, settings={"requirepass": "redis-secret-1"})
    try:
        missing = await trouble(redis_settings(server))
        wrong = await trouble(redis_settings(server, password="env:T_WRONG"))
        async with session_for(redis_settings(server, password="env:T_REDIS")) as session:
            assert await session.command("PING") == "PONG"
    finally:
        server.stop()
        del os.environ["T_REDIS"]

    assert missing.code == wrong.code == "RD_CONN_AUTH"
    assert wrong.reason is Reason.DENIED


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        pytest.param({"tls": True}, "RD_CONN_TLS", id="TLS to a plain port"),
        pytest.param({"port": 1}, "NET_TCP_REFUSED", id="closed port"),
        pytest.param({"host": "no.invalid"}, "NET_DNS_NXDOMAIN", id="name"),
    ],
)
async def test_a_path_that_fails_has_its_own_code(
    server: valkey.Valkey, changed: dict[str, object], code: str
) -> None:
    assert (await trouble(redis_settings(server, **changed))).code == code


async def test_evictions_of_a_cache_warn_and_of_anything_else_alarm(
    server: valkey.Valkey,
) -> None:
    acts = await open_redis_acts(redis_settings(server))
    await acts.run("set_maxmemory_policy", {"policy": "allkeys-lru"})
    with pytest.raises(Misconfigured):
        await acts.run("set_maxmemory_policy", {"policy": "drop-everything"})
    cache = await between(server, lambda: fill(server, 12_000))
    raised = await acts.run("set_maxmemory", {"bytes": 64 * 2**20})
    with pytest.raises(Refused):
        await acts.run("set_maxmemory", {"bytes": 1})
    relieved = await between(server, lambda: fill(server, 500))
    await acts.close()

    assert codes(cache) == {"RD_MEM_EVICTING": "warning", "RD_MEM_NEAR_MAX": "info"}
    assert library().best(cache.findings[-1].code) == "redis-memory"
    assert raised["before"] == 8 * 2**20
    assert codes(relieved) == {}


async def test_writes_refused_for_lack_of_memory_are_critical(server: valkey.Valkey) -> None:
    acts = await open_redis_acts(redis_settings(server))
    await acts.run("set_maxmemory_policy", {"policy": "volatile-lru"})
    await acts.close()
    seen = await between(server, lambda: fill(server, 12_000))

    assert codes(seen)["RD_MEM_OOM_REJECT"] == "critical"
    assert codes(seen)["RD_MEM_NEAR_MAX"] == "high"


async def test_a_replica_tells_that_its_link_is_down(binary: Path, folder: Path) -> None:
    primary = valkey.start(folder / "primary", binary=binary)
    replica = valkey.start(
        folder / "replica",
        binary=binary,
        settings={"replicaof": f"127.0.0.1 {primary.port}", "repl-timeout": 8},
    )
    try:
        seen = await until(
            lambda: look("redis.health", redis_settings(replica)), lambda seen: not seen.findings
        )
        healthy = codes(seen)
        wrong = await look("redis.health", redis_settings(replica, expects="primary"))
        of_primary = await look("redis.health", redis_settings(primary))
        primary.stop()
        down = await until(
            lambda: look("redis.health", redis_settings(replica)), lambda seen: bool(seen.findings)
        )
        restarted = valkey.start(folder / "primary", binary=binary, port=primary.port)
        restarted.stop()
    finally:
        replica.stop()
        primary.stop()

    assert healthy == {}
    assert codes(wrong) == {"RD_ROLE_WRONG": "critical"}
    assert isinstance(of_primary.snapshot, RedisHealth)
    assert len(of_primary.snapshot.replicas) == 1
    assert codes(down) == {"RD_REPL_LINK_DOWN": "high"}


async def test_a_snapshot_that_fails_is_told_before_writes_are_refused(
    binary: Path, folder: Path
) -> None:
    server = valkey.start(folder, binary=binary, settings={"dbfilename": "dump.rdb"})
    try:
        (folder / "dump.rdb").mkdir()
        (folder / "dump.rdb" / "x").touch()
        server.send("BGSAVE")
        seen = await until(
            lambda: look("redis.health", redis_settings(server)), lambda seen: bool(seen.findings)
        )
    finally:
        server.stop()

    assert codes(seen) == {"RD_PERSIST_FAILING": "high"}


async def test_a_restart_is_noticed_and_gives_no_absurd_rates(binary: Path, folder: Path) -> None:
    probe = registry()["redis.health"]
    server = valkey.start(folder, binary=binary)
    to = target(redis_settings(server))
    async with session_for(to.settings) as session:
        before = await probe.collect(session, to)
    server.stop()
    again = valkey.start(folder, binary=binary, port=server.port)
    try:
        async with session_for(to.settings) as session:
            assert probe.since is not None
            now = probe.since(before, await probe.collect(session, to))
    finally:
        again.stop()
    seen = judged(Look(to, probe, probe.settings), now)

    assert codes(seen) == {"RD_RESTARTED": "high"}
    assert now.rates is None


async def test_clients_are_closed_by_id_and_never_a_replica(server: valkey.Valkey) -> None:
    acts: Any = await open_redis_acts(redis_settings(server))  # also what is inside it is asked
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        wire.sendall(b"CLIENT ID\r\n")
        id_ = int(wire.recv(100)[1:])
        done = await acts.run("client_kill", {"id": id_})
        with pytest.raises(Refused):
            await acts.run("client_kill", {"id": id_})
    ours = await acts._redis.command("CLIENT", "ID")
    with pytest.raises(Refused):
        await acts.run("client_kill", {"id": ours})
    slow = await acts.run("slow_log", {})
    await acts.close()

    assert done["done"]
    assert slow["value"] == []


async def test_a_user_who_may_do_nothing_is_blind_with_the_acl(server: valkey.Valkey) -> None:
    server.send("ACL", "SETUSER", "narrow", "on", ">narrow-secret", "-@all", "+ping")
    os.environ["T_NARROW"] = "narrow-secret"
    error = await trouble(redis_settings(server, user="narrow", password="env:T_NARROW"), "INFO")
    del os.environ["T_NARROW"]

    assert (error.code, error.reason) == ("RD_OBS_BLIND", Reason.DENIED)
    assert "ACL SETUSER narrow +ping +info" in error.hint
    assert "modify-user --user-id narrow" in error.hint


@pytest.mark.parametrize(
    ("says", "code", "reason"),
    [
        pytest.param(
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            "NET_WRONG_PROTOCOL", Reason.UNREADABLE, id="HTTP",
        ),
        pytest.param(
            b"+" + b"x" * 70_000, "NET_WRONG_PROTOCOL", Reason.UNREADABLE, id="a line without end"
        ),
        pytest.param(b"*1\r\n" * 100, "", Reason.UNREADABLE, id="a hundred lists in one another"),
    ],
)  # fmt: skip
async def test_something_else_on_the_port_is_told(says: bytes, code: str, reason: Reason) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(says)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    listener = await asyncio.start_server(other, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    settings = redis_settings_nowhere()
    try:
        with pytest.raises(BlindError) as told:
            async with session_for(type(settings)(host="127.0.0.1", port=port, tls=False)) as s:
                await s.command("PING")
    finally:
        listener.close()
        await asyncio.sleep(0.05)

    assert (told.value.code, told.value.reason) == (code, reason)


async def test_an_act_that_is_answered_by_no_answer_is_unknown() -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (line := await reader.readline()) and b"KILL" not in line:
            if line.startswith(b"*"):
                continue
            if line.strip() == b"incident-cockpit":  # of CLIENT SETNAME
                writer.write(b"+OK\r\n")
        writer.write(b"?\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(odd, "127.0.0.1", 0)
    settings = redis_settings_nowhere()
    port = listener.sockets[0].getsockname()[1]
    acts = await open_redis_acts(type(settings)(host="127.0.0.1", port=port, tls=False))
    try:
        with pytest.raises(UnknownOutcome, match="its end is not known"):
            await acts.run("script_kill", {})
    finally:
        await acts.close()
        listener.close()
