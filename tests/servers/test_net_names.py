"""Name servers that are silent, and names of which the first address is dead: real ones of ours."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohappyeyeballs
import aiohttp
import dns.asyncresolver
import pytest

from cockpit.connect import slow_names
from cockpit.connect.aws.transport import Transport
from cockpit.connect.memcached.settings import MemcachedSettings
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.net import addresses
from cockpit.connect.net import dns as names_of
from cockpit.connect.net.addresses import addresses_of, first_reached
from cockpit.connect.net.session import Timeouts, open_net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.connect.net.wire import connect
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.redis.settings import RedisSettings
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.names_found import with_its_name
from cockpit.triage.probe import Seen
from cockpit.triage.target import Target
from cockpit.world.net import Behaviour, DnsAnswer, Names, Oddity, Web
from probes.endpoint.model import Settings
from probes.endpoint.path import PROBE
from tests.patience import until
from tests.servers.private import session_for

pytestmark = pytest.mark.servers
NAME = "shop.test"
HERE = DnsAnswer(a=("127.0.0.1",))


@pytest.fixture
async def listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Names, Names]]:
    """A resolv.conf with two name servers, which are ours and may be asked for NAME."""
    async with Names() as first, Names(address="127.0.0.2", wanted=first.port) as second:
        file = tmp_path / "resolv.conf"
        file.write_text("nameserver 127.0.0.1\nnameserver 127.0.0.2\n")
        known = dns.asyncresolver.Resolver

        def made(*_: object, configure: bool = True) -> dns.asyncresolver.Resolver:
            resolver = known(filename=str(file)) if configure else known(configure=False)
            resolver.port = first.port
            return resolver

        monkeypatch.setattr(dns.asyncresolver, "Resolver", made)
        monkeypatch.setattr(names_of, "_RESERVED", set())
        yield first, second


@pytest.fixture
def glibc_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`getaddrinfo` waits for a silent server, as long as the test runs."""
    over = threading.Event()

    def waiting(*_: object, **__: object) -> list[Any]:
        over.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", waiting)
    yield
    over.set()


async def seen(url: str, **limits: float) -> dict[str, Finding]:
    made = EndpointSettings(url=url)
    net = await open_net(made, Timeouts(**limits))
    try:
        snapshot = await PROBE.collect(net, Target(name="shop", kind="endpoint", settings=made))
    finally:
        await net.close()
    return {one.code: one for one in PROBE.diagnose(snapshot, Settings())}


@pytest.mark.parametrize(
    ("at_first", "at_second"),
    [
        pytest.param(DnsAnswer(silent=True), HERE, id="the first of two is dead"),
        pytest.param(
            DnsAnswer(a=("127.0.0.1",), lost="AAAA"), DnsAnswer(silent=True), id="AAAA is lost"
        ),
    ],
)
async def test_a_target_is_reached_though_the_system_waits_for_a_name_server(
    listed: tuple[Names, Names],
    glibc_waits: None,
    monkeypatch: pytest.MonkeyPatch,
    at_first: DnsAnswer,
    at_second: DnsAnswer,
) -> None:
    monkeypatch.setattr(addresses, "_SLOW", 0.4)
    first, second = listed
    first.zone[NAME], second.zone[NAME] = at_first, at_second
    assert await addresses_of(NAME, timeout=30) == ("127.0.0.1",)
    assert first.queries


async def test_a_name_that_nobody_answers_for_is_told_by_its_code(
    listed: tuple[Names, Names], glibc_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_SLOW", 0.2)
    for server in listed:
        server.zone[NAME] = DnsAnswer(silent=True)
    with pytest.raises(BlindError) as caught:
        await addresses_of(NAME, timeout=0.5)
    assert (caught.value.reason, caught.value.code) == (Reason.TIMEOUT, "NET_DNS_TIMEOUT")


async def test_a_silent_name_server_is_told_and_the_endpoint_is_seen_behind_it(
    listed: tuple[Names, Names], glibc_waits: None
) -> None:
    first, second = listed
    first.zone[NAME], second.zone[NAME] = DnsAnswer(silent=True), HERE
    async with Web() as web:
        web.otherwise = Behaviour()
        found = await seen(web.url(host=NAME), dns=1.5)
    told = found["NET_DNS_SERVER_SILENT"]
    assert told.severity is Severity.HIGH
    assert "1 of 2 name servers of this machine is silent" in told.summary
    assert told.subject == f"127.0.0.1:{first.port}"
    assert {code for code, one in found.items() if one.fact} == {"NET_DNS_SERVER_SILENT"}


async def test_the_third_name_server_is_asked_where_two_are_dead(
    listed: tuple[Names, Names], monkeypatch: pytest.MonkeyPatch
) -> None:
    two = dns.asyncresolver.Resolver

    def three(*_: object, configure: bool = True) -> dns.asyncresolver.Resolver:
        resolver = two(configure=configure)
        resolver.nameservers = [*resolver.nameservers, "127.0.0.3"] if configure else []
        return resolver

    for server in listed:
        server.zone[NAME] = DnsAnswer(silent=True)
    async with Names({NAME: HERE}, address="127.0.0.3", wanted=listed[0].port):
        monkeypatch.setattr(dns.asyncresolver, "Resolver", three)
        found = await names_of.by_resolver(NAME, "", timeout=1.5)
    assert (found.outcome, found.addresses) == ("ok", ("127.0.0.1",))
    assert found.server.startswith("127.0.0.3:")


async def test_lost_answers_for_aaaa_are_told_as_such_and_no_server_is_dead(
    listed: tuple[Names, Names], glibc_waits: None
) -> None:
    for server in listed:
        server.zone[NAME] = DnsAnswer(a=("127.0.0.1",), lost="AAAA")
    async with Web() as web:
        web.otherwise = Behaviour()
        found = await seen(web.url(host=NAME), dns=1.5)
    told = found["NET_DNS_AAAA_SILENT"]
    assert (told.severity, told.fact) == (Severity.WARNING, False)
    assert "gives no answer for AAAA, and one for A" in told.summary
    assert not any("dead" in cause for one in found.values() for cause in one.likely)


async def test_the_second_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(_: str) -> tuple[str, ...]:
        return "127.0.0.2", "127.0.0.1"

    monkeypatch.setattr(addresses, "addresses_of", both)
    async with Web() as web:
        with await first_reached("cache.test", web.port, within=20) as wire:
            assert wire.getpeername() == ("127.0.0.1", web.port)
    async with Oddity("closed") as odd:
        with pytest.raises(ConnectionRefusedError):
            await first_reached("cache.test", odd.port, within=20)


async def test_the_addresses_of_an_aws_endpoint_share_one_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = []
    known = aiohappyeyeballs.start_connection

    async def counted(*of: Any, **more: Any) -> socket.socket:
        begun.append(len(of[0]) if of else len(more["addr_infos"]))
        return await known(*of, **more)

    async def three(_: object, host: str, port: int, **__: object) -> list[dict[str, Any]]:
        each = {"hostname": host, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        return [{**each, "host": "127.0.0.1"}] * 3

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", counted)
    transport = Transport(timeout=(0.6, 5), verify=False)
    connector = transport._create_connector(None)
    monkeypatch.setattr(connector, "_resolve_host", lambda *a, **k: three(None, a[0], a[1]))
    async with Oddity("full") as odd, aiohttp.ClientSession(connector=connector) as session:
        limit = aiohttp.ClientTimeout(sock_connect=0.6)
        with pytest.raises(TimeoutError):
            await session.get(f"http://aws.test:{odd.port}/", timeout=limit)
    assert begun == [3]


async def test_this_machine_without_file_descriptors_accuses_nobody() -> None:
    with no_descriptors(), pytest.raises(BlindError) as caught:
        await connect("127.0.0.1", 9, timeout=1)
    assert "no file descriptor left" in caught.value.message
    assert (caught.value.reason, caught.value.code) == (Reason.UNREADABLE, "")


@contextmanager
def no_descriptors() -> Iterator[None]:
    """No file, socket or pipe can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("place", "ask"),
    [
        pytest.param(
            PostgresSettings(host="127.0.0.1", port=9, user="x", sslmode="disable"),
            lambda session: session.value("SELECT 1"),
            id="PostgreSQL",
        ),
        pytest.param(
            MysqlSettings(host="127.0.0.1", port=9, user="x"),
            lambda session: session.value("SELECT 1"),
            id="MySQL",
        ),
        pytest.param(
            RedisSettings(host="127.0.0.1", port=9), lambda session: session.info(), id="Redis"
        ),
        pytest.param(
            MemcachedSettings(host="127.0.0.1", port=9),
            lambda session: session.version(),
            id="memcached",
        ),
    ],
)
async def test_no_connector_accuses_a_server_when_this_machine_has_no_descriptor(
    place: Any, ask: Callable[[Any], Awaitable[object]]
) -> None:
    async with session_for(place) as known:  # what is loaded late is loaded now
        with pytest.raises(BlindError):
            await ask(known)
    async with session_for(place) as session:
        with no_descriptors(), pytest.raises(BlindError) as caught:
            await ask(session)
    assert "no file descriptor left" in caught.value.message
    assert caught.value.code == ""


async def test_what_a_slow_name_costs_is_told_at_its_target_until_it_is_found_at_once(
    listed: tuple[Names, Names], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_SLOW", 0.4)
    monkeypatch.setattr(slow_names, "_AGAIN_AFTER", 0.1)
    over = threading.Event()

    def waiting(*_: object, **__: object) -> list[Any]:
        over.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", waiting)
    first, second = listed
    first.zone[NAME], second.zone[NAME] = DnsAnswer(silent=True), HERE
    target = Target(name="cache", kind="memcached", settings=MemcachedSettings(host=NAME, port=9))
    assert with_its_name(Seen(), target) == Seen()
    await addresses_of(NAME, timeout=30)
    (found,) = with_its_name(Seen(), target).findings
    assert (found.code, found.severity) == ("NET_DNS_SERVER_SILENT", Severity.HIGH)
    assert f"127.0.0.1:{first.port} is silent" in found.summary
    over.set()
    await until(lambda: with_its_name(Seen(), target) == Seen(), "found at once again")
