"""What clients of Redis and Valkey get back, for real: refusals, failures, pauses, flushes."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cockpit.runbooks.library import library
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Finding
from cockpit.triage.probe import Seen
from cockpit.triage.recording import decode, encode
from cockpit.triage.registry import registry
from cockpit.world.servers import valkey
from cockpit.world.servers.process import free_port
from probes.redis.model import RedisHealth
from tests.patience import at_most, eventually
from tests.servers.private import (
    REDIS_BINARIES,
    codes,
    look,
    redis_settings,
    session_for,
    target,
    trouble,
)

pytestmark = pytest.mark.servers


@dataclass(frozen=True)
class Two:
    """A primary and its replica."""

    binary: Path
    primary: valkey.Valkey
    replica: valkey.Valkey


@pytest.fixture(scope="module", params=REDIS_BINARIES)
def two(request: pytest.FixtureRequest, base: Path) -> Iterator[Two]:
    binary = Path(request.param)
    folder = base / f"errors-{binary.name}"
    folder.mkdir(exist_ok=True)
    primary = valkey.start(folder / "p", binary=binary)
    replica = valkey.start(
        folder / "r", binary=binary, settings={"replicaof": f"127.0.0.1 {primary.port}"}
    )
    eventually(lambda: b"master_link_status:up" in replica.send("INFO", "replication"))
    yield Two(binary, primary, replica)
    for server in (replica, primary):
        server.resume()
        server.stop()


def sent(server: valkey.Valkey, *lines: str, times: int = 1) -> None:
    """Commands in one pipeline, as an application sends them; each gets its answer."""
    with socket.create_connection(("127.0.0.1", server.port), at_most(15)) as wire:
        wire.sendall(("\r\n".join(lines * times) + "\r\nECHO the-end\r\n").encode())
        got = b""
        while b"the-end" not in got[-40:]:
            got = got[-40:] + wire.recv(1 << 16)


class Watch:
    """Looks through one session, one after the other."""

    def __init__(self, session: Any, to: Any) -> None:
        self.probe = registry()["redis.health"]
        self._session, self._to = session, to
        self.now: RedisHealth | None = None

    async def look(self) -> Seen:
        now = await self.probe.collect(self._session, self._to)
        assert self.probe.since is not None
        self.now = now if self.now is None else self.probe.since(self.now, now)
        return judged(Look(self._to, self.probe, self.probe.settings), self.now)

    async def after(self, work: Callable[[], object]) -> Seen:
        await asyncio.to_thread(work)
        return await self.look()


@asynccontextmanager
async def watch(server: valkey.Valkey) -> AsyncIterator[Watch]:
    """Whose first look is taken."""
    to = target(redis_settings(server))
    async with session_for(to.settings) as session:
        watching = Watch(session, to)
        await watching.look()
        yield watching


def one(seen: Seen, code: str) -> Finding:
    found = next(finding for finding in seen.findings if finding.code == code)
    assert library().best(code)
    assert found.likely
    assert found.next
    return found


async def test_writes_to_a_replica_are_told_and_then_that_they_ended(two: Two) -> None:
    async with watch(two.replica) as watching:
        seen = await watching.after(lambda: sent(two.replica, "SET a b", "INCR c", times=40))
        state = watching.now
        assert state is not None
        later = replace(state, at=state.at + timedelta(seconds=30))
        minute = list(watching.probe.diagnose(later, watching.probe.settings))
    refused = one(seen, "RD_ERR_REFUSED")

    assert (refused.severity.value, refused.subject) == ("critical", "READONLY")
    assert "SET 40" in str(refused.evidence)
    assert isinstance(decode(encode(state), RedisHealth), RedisHealth)
    told = [(one.code, one.severity.value) for one in minute if one.code.startswith("RD_ERR")]
    assert told == [("RD_ERR_REFUSED", "info")]
    assert any(table.title == "Error replies" for table in seen.tables)


async def test_writes_that_need_a_replica_more_are_refused(two: Two) -> None:
    two.primary.send("CONFIG", "SET", "min-replicas-to-write", "2")
    try:
        async with watch(two.primary) as watching:
            seen = await watching.after(lambda: sent(two.primary, "SET a b", times=20))
    finally:
        two.primary.send("CONFIG", "SET", "min-replicas-to-write", "0")
    refused = one(seen, "RD_ERR_REFUSED")

    assert (refused.severity.value, refused.subject) == ("critical", "NOREPLICAS")
    assert "RD_REPL_MIN_UNMET" not in codes(seen)


async def test_no_replica_at_all_is_told_by_the_first_look(two: Two, folder: Path) -> None:
    alone = valkey.start(folder, binary=two.binary, settings={"min-replicas-to-write": 1})
    try:
        async with watch(alone) as watching:
            seen = await watching.look()
    finally:
        alone.stop()

    assert one(seen, "RD_REPL_MIN_UNMET").severity.value == "critical"


async def test_failing_commands_are_told_by_kind_and_an_unknown_kind_by_its_own_word(
    two: Two,
) -> None:
    own = """EVAL "return redis.error_reply('SHOPFULL no place')" 0"""
    async with watch(two.primary) as watching:
        seen = await watching.after(
            lambda: sent(
                two.primary, "SET text x", "LPUSH text y", "EVALSHA f 0", own, "GET b", times=30
            )
        )
    assert "/s fail" in seen.facts[0].text
    failing = {f.subject: f for f in seen.findings if f.code == "RD_ERR_FAILING"}

    assert set(failing) == {"WRONGTYPE", "NOSCRIPT", "SHOPFULL"}
    assert {f.severity.value for f in failing.values()} == {"high"}
    assert "not known here" in failing["SHOPFULL"].summary
    assert "LPUSH" in str(failing["WRONGTYPE"].evidence)


async def test_an_acl_that_lacks_a_command_of_the_application(two: Two) -> None:
    two.primary.send("ACL", "SETUSER", "shop", "on", "nopass", "~*", "+@all", "-incr")
    try:
        async with watch(two.primary) as watching:
            seen = await watching.after(
                lambda: sent(two.primary, "AUTH shop x", *(["INCR a", "GET a"] * 40))
            )
    finally:
        two.primary.send("ACL", "DELUSER", "shop")
    denied = one(seen, "RD_ERR_FAILING")
    tells = b"acl_access_denied_cmd" in two.primary.send("INFO", "stats")

    assert (denied.subject, denied.severity.value) == ("NOPERM", "high")
    assert "INCR 40" in str(denied.evidence)
    assert ("cmd 40" in str(denied.evidence)) is tells


async def test_greetings_that_a_server_does_not_know_hurt_nobody(two: Two) -> None:
    """Redis 7.0 has no CLIENT SETINFO, and nobody speaks protocol 9."""

    def clients_come() -> None:
        for _ in range(20):
            sent(two.primary, "HELLO 9", "CLIENT SETINFO LIB-NAME x", "CLIENT SETINFO LIB-VER 1")
        sent(two.primary, "GET a", times=50)

    async with watch(two.primary) as watching:
        seen = await watching.after(clients_come)

    assert not [code for code in codes(seen) if code.startswith("RD_ERR")]


async def test_a_pause_of_writes_that_was_left_behind(two: Two) -> None:
    """Valkey says so itself; of Redis 7 the clients are looked at that wait in SET."""
    tells = b"paused_reason" in two.primary.send("INFO", "clients")
    to = target(redis_settings(two.primary))
    two.primary.send("CLIENT", "PAUSE", 120_000, "WRITE")
    try:
        async with session_for(to.settings) as session:
            with socket.create_connection(("127.0.0.1", two.primary.port)) as wire:
                wire.sendall(b"SET held up\r\n")
                eventually(lambda: b"blocked_clients:1" in two.primary.send("INFO", "clients"))
                health = await look("redis.health", to.settings, session)
                speed = await look("redis.performance", to.settings, session)
    finally:
        two.primary.send("CLIENT", "UNPAUSE")
    paused = one(health if tells else speed, "RD_PAUSED")

    assert "RD_PAUSED" not in codes(speed if tells else health)
    assert paused.severity.value == ("critical" if tells else "warning")
    assert ("for another" if tells else "1 client waits") in paused.summary
    assert "SET 1" in str(paused.evidence) or tells


async def test_a_pause_of_everything_is_mute_and_nobody_is_told_to_end_it(two: Two) -> None:
    """CLIENT UNPAUSE waits as well; the pause ends by itself."""
    two.primary.send("CLIENT", "PAUSE", 4_000, "ALL")
    error = await trouble(redis_settings(two.primary), "INFO")
    eventually(lambda: b"PONG" in _talk(two.primary.port))

    assert error.code == "RD_CONN_MUTE"
    assert "CLIENT PAUSE ALL, which ends by itself" in error.hint


async def test_a_failover_to_a_replica_that_hangs_leaves_nobody_primary(two: Two) -> None:
    two.replica.pause()
    try:
        async with watch(two.primary) as watching:
            two.primary.send("SET", "not", "there")
            two.primary.send("FAILOVER", "TO", "127.0.0.1", two.replica.port)
            seen = await watching.look()
            assert watching.now is not None
            state = watching.now.failover
            two.primary.send("FAILOVER", "ABORT")
            over = await watching.look()
    finally:
        two.primary.send("FAILOVER", "ABORT")
        two.replica.resume()

    assert one(seen, "RD_FAILOVER_STUCK").severity.value == "high"
    assert state in {"waiting-for-sync", "failover-in-progress"}
    assert "RD_FAILOVER_STUCK" not in codes(over)


async def test_keys_that_were_thrown_out_by_command_are_a_change(two: Two) -> None:
    async with watch(two.primary) as watching:
        sent(two.primary, *(f"SET k{n} v" for n in range(300)))
        await watching.look()
        seen = await watching.after(lambda: two.primary.send("FLUSHALL"))
    flushed = one(seen, "RD_FLUSHED")

    assert flushed.severity.value == "high"
    assert "FLUSHALL threw out 30" in flushed.summary
    assert [change.kind for change in seen.changes] == ["redis.flush"]


async def test_a_sentinel_is_named_as_such(two: Two, folder: Path) -> None:
    port = free_port()
    (folder / "sentinel.conf").write_text(
        f"port {port}\nbind 127.0.0.1\nsentinel monitor shop 127.0.0.1 {two.primary.port} 1\n"
    )
    process = subprocess.Popen(
        [two.binary, folder / "sentinel.conf", "--sentinel"], stdout=subprocess.DEVNULL
    )
    to = target(replace(redis_settings(two.primary), port=port))
    try:
        eventually(lambda: b"PONG" in _talk(port))
        async with session_for(to.settings) as session:
            told = []
            for probe in ("redis.health", "redis.performance"):
                with pytest.raises(Exception, match="this is a Sentinel") as caught:
                    await registry()[probe].collect(session, to)
                told.append(caught.value)
    finally:
        process.kill()
        process.wait()

    assert {getattr(error, "code", "") for error in told} == {"RD_IS_SENTINEL"}
    assert f"shop at 127.0.0.1:{two.primary.port}" in str(told[0])


def _talk(port: int) -> bytes:
    try:
        return valkey.talk(port, "PING")
    except OSError:
        return b""
