"""A real memcached in trouble: full, silent, evicting, restarted, or not memcached at all."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.memcached.session import READS, open_memcached
from cockpit.connect.memcached.settings import MemcachedSettings
from cockpit.errors import BlindError, Reason, Refused
from cockpit.runbooks.library import library
from cockpit.triage.engine import Look, judged
from cockpit.triage.probe import Seen
from cockpit.triage.recording import decode, encode
from cockpit.triage.registry import registry
from cockpit.world.net.certificates import Authority
from cockpit.world.servers.process import ServerProcess, find, free_port, launch, wait_until
from probes.memcached.health import Settings
from probes.memcached.model import MemcachedHealth
from tests.patience import at_most
from tests.servers.full import full
from tests.servers.private import codes, look, session_for, target

pytestmark = pytest.mark.servers

PROBE = "memcached.health"


def started(folder: Path, *words: str, port: int = 0) -> ServerProcess:
    program = find("memcached")
    assert program is not None, "memcached is not installed: apt-get install memcached"
    port = port or free_port()
    folder.mkdir(exist_ok=True)
    log = folder / "log"
    command: list[str | Path] = [
        program,
        "-l",
        "127.0.0.1",
        "-p",
        str(port),
        "-U",
        "0",
        "-m",
        "4",
        *words,
    ]
    process = launch(command, log=log, dies_by=signal.SIGKILL, drop=True)
    server = ServerProcess(process=process, port=port, folder=folder, log=log)
    wait_until(lambda: listens(port), server=server, name="memcached")
    return server


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture
def server(folder: Path) -> Iterator[ServerProcess]:
    running = started(folder, "-c", "40", "-t", "1")
    yield running
    running.stop()


def settings(port: int, **changed: Any) -> MemcachedSettings:
    return MemcachedSettings(**{"host": "127.0.0.1", "port": port, **changed})


async def trouble(place: MemcachedSettings) -> BlindError:
    """The error that a first command ends with."""
    async with session_for(place) as session:
        with pytest.raises(BlindError) as caught:
            await session.version()
    return caught.value


async def test_the_second_address_is_tried_when_the_first_is_dead(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", 0)) for n in (9, 1)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: two)
    async with session_for(settings(server.port, host="cache.example")) as session:
        assert await session.version()


async def between(server: ServerProcess, during: Any, judge: Settings | None = None) -> Seen:
    """What the probe says of the time between two looks."""
    probe = registry()[PROBE]
    to = target(settings(server.port))
    async with session_for(to.settings) as session:
        before = await probe.collect(session, to)
        during()
        await asyncio.sleep(0.05)
        assert probe.since is not None
        now = probe.since(before, await probe.collect(session, to))
    return judged(Look(to, probe, judge or Settings()), now)


def talk(server: ServerProcess, request: bytes, end: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), at_most(15)) as wire:
        wire.sendall(request)
        got = b""
        while not got.endswith(end):
            chunk = wire.recv(1 << 16)
            assert chunk
            got += chunk
        return got


def fill(server: ServerProcess, keys: int = 6000, size: int = 1000) -> None:
    value = b"x" * size
    sets = [b"set k%d 0 0 %d noreply\r\n%b\r\n" % (number, size, value) for number in range(keys)]
    talk(server, b"".join(sets) + b"mn\r\n", b"MN\r\n")


def read(server: ServerProcess, keys: int = 500, prefix: str = "absent") -> None:
    gets = [f"get {prefix}{number}\r\n".encode() for number in range(keys)]
    talk(server, b"".join(gets) + b"mn\r\n", b"MN\r\n")


async def test_an_idle_node_has_nothing_wrong(server: ServerProcess) -> None:
    seen = await look(PROBE, settings(server.port), twice=0.05)

    assert seen.findings == ()
    assert [fact.label for fact in seen.facts[:2]] == ["answered", "memory"]
    assert {fact.label for fact in seen.facts} >= {"connections", "reads", "evictions", "server"}
    assert isinstance(decode(encode(seen.snapshot), MemcachedHealth), MemcachedHealth)
    assert decode(encode(seen.snapshot), MemcachedHealth) == seen.snapshot


@pytest.mark.parametrize(
    "words",
    [
        ("flush_all",), ("stats", "cachedump", "1", "0"), ("stats", "reset"), ("set", "a"),
        ("lru_crawler", "metadump", "all"), ("get", "a"), ("shutdown",), ("version\r\nflush_all",),
        ("stats", "settings\r\nflush_all"), (),
    ],
    ids=lambda words: " ".join(words) or "nothing",
)  # fmt: skip
async def test_an_observer_sends_only_what_is_on_the_list(words: tuple[str, ...]) -> None:
    session = await open_memcached(settings(1))
    with pytest.raises(Refused):
        await session.command(*words)


def test_the_list_holds_no_word_that_writes() -> None:
    assert {words[0] for words in READS} == {"version", "stats", "config"}


async def test_a_full_node_refuses_new_connections_and_keeps_ours(server: ServerProcess) -> None:
    probe = registry()[PROBE]
    at = settings(server.port)
    to = target(at)
    with ExitStack() as stack:
        async with session_for(to.settings) as kept:
            before = await probe.collect(kept, to)
            stack.enter_context(full(server, 45))
            error = await trouble(at)
            assert probe.since is not None
            now = probe.since(before, await probe.collect(kept, to))
    seen = judged(Look(to, probe, Settings()), now)

    assert (error.code, error.severity) == ("MC_SAT_CONNECTIONS", "critical")
    assert codes(seen)["MC_SAT_CONNECTIONS"] == "critical"
    assert library().best(seen.findings[0].code) == "memcached"


async def test_a_stopped_node_is_mute_also_to_whoever_was_connected(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await open_memcached(settings(server.port))
    await kept.version()
    server.pause()
    try:
        async with asyncio.timeout(at_most(15)):
            error = await trouble(settings(server.port))
            monkeypatch.setattr("cockpit.connect.memcached.session._TIMEOUT", 600)
            hanging = asyncio.create_task(kept.version())
            await asyncio.sleep(0.05)
            hanging.cancel()
            await asyncio.wait({hanging})  # by itself it would take ten minutes
    finally:
        server.resume()
        await kept.close()

    assert (error.code, error.reason) == ("MC_MUTE", Reason.TIMEOUT)


async def test_a_closed_port_is_refused_and_not_knocked_on_again_at_once() -> None:
    port = free_port()
    async with session_for(settings(port)) as session:
        with pytest.raises(BlindError) as first:
            await session.version()
        with socket.create_server(("127.0.0.1", port)) as door:
            door.setblocking(False)
            with pytest.raises(BlindError) as second:
                await session.version()
            with pytest.raises(BlockingIOError):
                door.accept()

    assert first.value.code == second.value.code == "NET_TCP_REFUSED"


async def test_evictions_are_told_with_who_never_read_them(server: ServerProcess) -> None:
    fill(server)
    seen = await between(server, lambda: fill(server))

    finding = next(each for each in seen.findings if each.code == "MC_EVICTING")
    evidence = {each.label: each.value for each in finding.evidence}
    assert codes(seen) == {"MC_EVICTING": "warning", "MC_MEM": "info"} or codes(seen) == {
        "MC_EVICTING": "warning"
    }
    assert evidence["never read before"] == 1.0
    assert any("churn" in cause for cause in finding.likely)
    assert any(table.title == "Sizes of items" for table in seen.tables)


async def test_a_node_that_evicts_nothing_refuses_writes(folder: Path) -> None:
    server = started(folder, "-M")
    try:
        fill(server)
        seen = await between(server, lambda: fill(server))
    finally:
        server.stop()

    assert codes(seen)["MC_EVICTING"] == "high"


async def test_hits_that_fall_are_told(server: ServerProcess) -> None:
    probe = registry()[PROBE]
    to = target(settings(server.port))
    fill(server, 500, 10)
    assert probe.since is not None
    async with session_for(to.settings) as session:
        now = await probe.collect(session, to)
        for prefix in ("k", "absent"):
            read(server, prefix=prefix)
            await asyncio.sleep(0.02)
            now = probe.since(now, await probe.collect(session, to))
    seen = judged(Look(to, probe, Settings()), now)

    assert now.earlier_hits == 1.0
    assert codes(seen) == {"MC_HIT": "warning"}


async def test_a_flush_is_a_change_and_no_restart(server: ServerProcess) -> None:
    fill(server, keys=150, size=10)

    seen = await between(server, lambda: talk(server, b"flush_all\r\n", b"OK\r\n"))
    flushed = next(finding for finding in seen.findings if finding.code == "MC_FLUSHED")

    assert codes(seen) == {"MC_FLUSHED": "high"}
    assert "150 items" in flushed.summary
    assert [change.kind for change in seen.changes] == ["memcached.flush"]
    assert library().best("MC_FLUSHED") == "memcached"


async def test_values_that_are_larger_than_an_item_may_be(server: ServerProcess) -> None:
    large = b"set list 0 0 2000000\r\n" + b"x" * 2_000_000 + b"\r\n"

    def write() -> None:
        fill(server, keys=90, size=10)
        talk(server, large * 10, b"SERVER_ERROR object too large for cache\r\n" * 10)

    seen = await between(server, write)
    refused = next(finding for finding in seen.findings if finding.code == "MC_TOO_LARGE")

    assert (refused.severity.value, refused.evidence[0].value) == ("warning", 10)
    assert "10%" in refused.summary
    assert library().best("MC_TOO_LARGE") == "memcached"


async def test_a_restart_is_told_and_gives_no_rates(server: ServerProcess, folder: Path) -> None:
    probe = registry()[PROBE]
    to = target(settings(server.port))
    fill(server)
    assert probe.since is not None
    async with session_for(to.settings) as session:
        before = await probe.collect(session, to)
        server.stop()
        again = started(folder, port=server.port)
        try:
            now = probe.since(before, await probe.collect(session, to))
        finally:
            again.stop()
    seen = judged(Look(to, probe, Settings()), now)

    assert codes(seen) == {"MC_RESTARTED": "high"}
    assert now.rates is None
    assert [change.kind for change in probe.changes(now, "mc")] == ["memcached.restart"]  # type: ignore[misc]


async def test_a_node_that_dies_while_we_are_connected_is_refused(server: ServerProcess) -> None:
    async with session_for(settings(server.port)) as session:
        await session.version()
        server.process.kill()
        server.process.wait()
        with pytest.raises(BlindError) as caught:
            await session.version()

    assert caught.value.code == "NET_TCP_REFUSED"


@asynccontextmanager
async def scripted(says: bytes, *, hold: bool = False) -> AsyncIterator[int]:
    """A server that answers with something and hangs up, or holds the line; its port."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.readline()
        writer.write(says)
        with contextlib.suppress(OSError):
            await writer.drain()
        if hold:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("says", "code", "reason"),
    [
        pytest.param(b"", "MC_CONN_DROPPED", "unreachable", id="hangs up"),
        pytest.param(
            b"HTTP/1.1 400 Bad Request\r\n\r\n", "NET_WRONG_PROTOCOL", "unreadable", id="HTTP"
        ),
        pytest.param(b"x" * 200_000, "NET_WRONG_PROTOCOL", "unreadable", id="a line without end"),
        pytest.param(b"\xff\xfe\x00\r\n", "NET_WRONG_PROTOCOL", "unreadable", id="bytes"),
        pytest.param(
            b"ERROR Too many open connections\r\n", "MC_SAT_CONNECTIONS", "unreachable", id="full"
        ),
        pytest.param(b"CLIENT_ERROR unauthenticated\r\n", "", "denied", id="wants a login"),
        pytest.param(b"SERVER_ERROR out of memory\r\n", "", "unreadable", id="its own error"),
        pytest.param(b"ERROR\r\n", "", "unsupported", id="an unknown command"),
        pytest.param(b"VERSION 1.6", "MC_CONN_DROPPED", "unreachable", id="cut in mid-answer"),
    ],
)
async def test_the_first_answer_is_the_diagnosis(says: bytes, code: str, reason: str) -> None:
    async with scripted(says) as port:
        error = await trouble(settings(port))

    assert (error.code, error.reason.value) == (code, reason)


async def test_silence_after_half_an_answer_is_mute() -> None:
    async with scripted(b"VERSION 1.", hold=True) as port:
        error = await trouble(settings(port))

    assert error.code == "MC_MUTE"


@pytest.mark.parametrize(
    ("kind", "code"),
    [("good", ""), ("wrong-name", "MC_CONN_TLS"), ("self-signed", "MC_CONN_TLS")],
)
async def test_tls_is_checked_against_the_systems_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, code: str
) -> None:
    folder.chmod(0o755)
    authority = Authority(folder)
    issued = authority.issue(kind)
    for name, content in (("chain.pem", issued.chain), ("key.pem", issued.key)):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o644)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    chain, key = folder / "chain.pem", folder / "key.pem"
    server = started(folder, "-Z", "-o", f"ssl_chain_cert={chain},ssl_key={key}")
    try:
        async with session_for(settings(server.port, tls=True)) as session:
            if code:
                with pytest.raises(BlindError) as caught:
                    await session.version()
                assert caught.value.code == code
            else:
                assert (await session.version()).startswith("1.")
                assert "uptime" in await session.stats()
    finally:
        server.stop()


async def test_tls_where_there_is_none_is_told(server: ServerProcess) -> None:
    error = await trouble(settings(server.port, tls=True))

    assert error.code == "MC_CONN_TLS"


CLUSTER = (
    b"CONFIG cluster 0 70\r\n12\n"
    b"a.cfg.cache.amazonaws.com|10.0.0.1|11211 b.cfg.cache.amazonaws.com||11211\n\r\nEND\r\n"
)


async def test_a_configuration_endpoint_lists_its_nodes() -> None:
    async with scripted(CLUSTER) as port, session_for(settings(port)) as session:
        nodes = await session.nodes()

    assert nodes == ("a.cfg.cache.amazonaws.com:11211", "b.cfg.cache.amazonaws.com:11211")


async def test_an_ordinary_node_has_no_list_and_goes_on_answering(server: ServerProcess) -> None:
    async with session_for(settings(server.port)) as session:
        with pytest.raises(BlindError) as caught:
            await session.nodes()
        version = await session.version()

    assert caught.value.reason is Reason.UNSUPPORTED
    assert version.startswith("1.")
