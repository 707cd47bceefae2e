"""What takes several looks, several hosts or a bad line to tell, provoked for real."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.clocks import Clocks, Witness
from cockpit.connect.net import dns
from cockpit.connect.net.session import Net, Timeouts, open_net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.target import Target
from cockpit.world.net import Authority, Behaviour, DnsAnswer, Names, Web
from probes.endpoint.model import Settings, Snapshot
from probes.endpoint.path import PROBE
from tests.patience import at_most

pytestmark = pytest.mark.servers
PATIENT = Timeouts()
NAME = "shop.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


class Watch:
    """One session, looked through as often as a test likes."""

    def __init__(self, net: Net, settings: EndpointSettings, *, gauges: bool) -> None:
        self._net = net
        self._gauges = gauges
        self._target = Target(name="shop", kind="endpoint", settings=settings)
        self.snapshot: Snapshot
        """What the last look saw."""

    async def look(self) -> dict[str, Finding]:
        """What one look finds; gauges, which the load of a test machine moves, when asked for."""
        self.snapshot = await PROBE.collect(self._net, self._target)
        found = PROBE.diagnose(self.snapshot, Settings())
        return {
            one.code: one
            for one in found
            if one.fact or self._gauges or one.code == "NET_CLOCK_SKEW"
        }


@asynccontextmanager
async def watching(
    url: str,
    *,
    clocks: Clocks | None = None,
    limits: Timeouts = PATIENT,
    gauges: bool = False,
    **settings: Any,
) -> AsyncIterator[Watch]:
    made = EndpointSettings(url=url, **settings)
    net = await open_net(made, limits, clocks=clocks)
    try:
        yield Watch(net, made, gauges=gauges)
    finally:
        await net.close()


class Line:
    """A small TCP proxy that delays, cuts or forgets what passes: a bad line to a good server."""

    def __init__(self, port: int, *, delay: float = 0.0, address: str = "127.0.0.1") -> None:
        self._port = port
        self.delay = delay
        self.address = address
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Line:
        self._server = await asyncio.start_server(self._pass, self.address, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            for one in (back, writer):
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()


class Overflowing:
    """A port whose accept queue is full until somebody drains it: the kernel drops SYNs, and takes
    those that come again.
    """

    async def __aenter__(self) -> Overflowing:
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(0)
        self._listening.setblocking(False)
        self.port = self._listening.getsockname()[1]
        self._fillers: list[socket.socket] = []
        self._draining: asyncio.Task[None] | None = None
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.fill()
        for one in (*self._fillers, self._listening):
            one.close()

    async def fill(self) -> None:
        """Accept nobody any more, and let one wait, which is all that fits."""
        if self._draining:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", self.port))
        self._fillers.append(filler)

    def drain(self) -> None:
        """Accept everybody from now on."""
        self._draining = asyncio.create_task(self._accept())

    async def _accept(self) -> None:
        while True:
            one, _ = await asyncio.get_running_loop().sock_accept(self._listening)
            one.close()


# --- names -----------------------------------------------------------------------------------


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What this machine's own cache says to every name; names that look public may be asked."""
    said = ["127.0.0.1"]

    def answer(host: str, port: object, **_: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in said]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(dns, "_RESERVED", set())
    return said


async def test_a_cache_that_stands_still_is_split_at_first_and_stale_after_twice_the_ttl(
    cached: list[str],
) -> None:
    async with (
        Web(addresses=("127.0.0.1", "127.0.0.2")) as web,
        Names({NAME: DnsAnswer(a=("127.0.0.1",), ttl=1)}) as names,
        watching(web.url(host=NAME), resolver=names.resolver) as watch,
    ):
        web.otherwise = Behaviour()
        assert await watch.look() == {}
        names.zone[NAME] = DnsAnswer(a=("127.0.0.2",), ttl=1)
        assert set(await watch.look()) == {"NET_DNS_CHANGED", "NET_DNS_SPLIT"}
        await asyncio.sleep(2.2)
        found = await watch.look()
        assert {code: one.severity for code, one in found.items()} == {
            "NET_DNS_STALE": Severity.HIGH
        }
        evidence = [str(one.value) for one in found["NET_DNS_STALE"].evidence]
        assert "127.0.0.2, TTL 1 s" in evidence
        cached[:] = ["127.0.0.2"]
        assert await watch.look() == {}


async def test_the_hosts_file_of_this_machine_is_a_split_on_purpose() -> None:
    async with (
        Web(addresses=("127.0.0.1", "127.0.0.2")) as web,
        Names({"localhost": DnsAnswer(a=("127.0.0.2",), ttl=60)}) as names,
        watching(web.url(host="localhost"), resolver=names.resolver) as watch,
    ):
        web.otherwise = Behaviour()
        found = await watch.look()
    assert {code: one.severity for code, one in found.items()} == {"NET_DNS_SPLIT": Severity.INFO}


async def test_a_failover_shows_as_a_changed_answer_with_the_alias_that_moved() -> None:
    first = {NAME: DnsAnswer(cname="a.test", ttl=5), "a.test": DnsAnswer(a=("127.0.0.1",), ttl=5)}
    async with (
        Web(addresses=("127.0.0.1", "127.0.0.2")) as web,
        Names(first) as names,
        watching(web.url(host=NAME), resolver=names.resolver) as watch,
    ):
        web.otherwise = Behaviour()
        assert await watch.look() == {}
        names.zone[NAME] = DnsAnswer(cname="b.test", ttl=5)
        names.zone["b.test"] = DnsAnswer(a=("127.0.0.2",), ttl=5)
        found = await watch.look()
    assert list(found) == ["NET_DNS_CHANGED"]
    assert "an alias of b.test now" in found["NET_DNS_CHANGED"].summary


async def test_rotation_is_no_change() -> None:
    addresses = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
    async with (
        Web(addresses=addresses) as web,
        Names({NAME: DnsAnswer(a=addresses, rotate=True)}) as names,
        watching(web.url(host=NAME), resolver=names.resolver) as watch,
    ):
        web.otherwise = Behaviour()
        assert [await watch.look() for _ in range(3)] == [{}, {}, {}]


async def test_a_chain_of_aliases_is_told_in_its_order() -> None:
    zone = {
        NAME: DnsAnswer(cname="edge.test", ttl=300),
        "edge.test": DnsAnswer(cname="node.test", ttl=20),
        "node.test": DnsAnswer(a=("127.0.0.1",), ttl=60),
    }
    async with Names(zone) as names:
        found = await dns.by_resolver(NAME, names.resolver, timeout=at_most(5))
    assert found.aliases == ("edge.test", "node.test")
    assert (found.canonical, found.ttl) == ("node.test", 20)


async def test_reserved_names_are_never_asked_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("asked")

    async with Web() as web, Names({NAME: DnsAnswer(a=("127.0.0.1",))}) as names:
        web.otherwise = Behaviour()
        async with watching(web.url(host=NAME), resolver=names.resolver) as watch:
            await watch.look()
            assert [one.source for one in watch.snapshot.path.dns] == ["resolver"]


# --- connections -----------------------------------------------------------------------------


async def test_syns_that_the_kernel_sends_again_are_loss() -> None:
    async with Overflowing() as full, watching(f"tcp://127.0.0.1:{full.port}") as watch:
        for _ in range(2):
            await full.fill()
            looking = asyncio.create_task(watch.look())
            await asyncio.sleep(0.3)
            full.drain()
            found = await looking
    again = [one.syn_again for one in watch.snapshot.path.history]
    assert len([one for one in again if one]) == 2
    assert {code: one.severity for code, one in found.items()} == {"NET_TCP_LOSS": Severity.WARNING}
    assert all(one.outcome == "ok" for one in watch.snapshot.path.history)


async def test_connections_that_get_no_answer_now_and_then_are_high_loss() -> None:
    impatient = Timeouts(tcp=1.5)
    async with (
        Overflowing() as full,
        watching(f"tcp://127.0.0.1:{full.port}", limits=impatient) as watch,
    ):
        full.drain()
        assert await watch.look() == {}
        for _ in range(2):
            await full.fill()
            found = await watch.look()
            assert "NET_TCP_TIMEOUT" in found
            full.drain()
            await asyncio.sleep(0.05)
            found = await watch.look()
    assert {code: one.severity for code, one in found.items()} == {"NET_TCP_LOSS": Severity.HIGH}


async def test_a_private_address_that_cannot_be_reached_says_that_we_are_outside() -> None:
    async with (
        Names({NAME: DnsAnswer(aaaa=("fd00:dead::1",))}) as names,
        watching(
            f"tcp://{NAME}:5432", resolver=names.resolver, limits=Timeouts(tcp=0.3, whole=2)
        ) as watch,
    ):
        found = await watch.look()
    assert {"NET_DNS_V6_ONLY", "NET_DNS_PRIVATE_FROM_PUBLIC"} < set(found)
    assert set(found) & {"NET_TCP_UNREACH", "NET_TCP_TIMEOUT"}


async def test_a_slow_line_to_one_of_three_addresses_is_found_by_its_median() -> None:
    addresses = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
    async with Web(addresses=addresses) as web:
        web.otherwise = Behaviour()
        web.by_address["127.0.0.2"] = Behaviour(delay=0.8)
        async with (
            Names({NAME: DnsAnswer(a=addresses, rotate=True)}) as names,
            watching(web.url(host=NAME), resolver=names.resolver, gauges=True) as watch,
        ):
            looks = [await watch.look() for _ in range(3)]
    assert all("NET_TARGET_ONE_BAD" in found for found in looks)
    assert not looks[0]["NET_TARGET_ONE_BAD"].fact
    assert "127.0.0.2" in looks[-1]["NET_TARGET_ONE_BAD"].summary


async def test_a_delayed_line_is_a_slow_handshake_and_a_slow_first_byte(
    authority: Authority,
) -> None:
    async with Web(certificate=authority.issue(names=("127.0.0.1",))) as web:
        web.otherwise = Behaviour()
        async with (
            Line(web.port) as line,
            watching(
                f"https://127.0.0.1:{line.port}/", tls_ca=str(authority.ca_file), gauges=True
            ) as watch,
        ):
            for _ in range(5):
                await watch.look()
            line.delay = 0.3
            assert set(await watch.look()) == {"NET_TLS_SLOW", "NET_HTTP_SLOW"}


# --- tls -------------------------------------------------------------------------------------


async def test_a_renewed_certificate_and_a_half_rolled_one_are_changes(
    authority: Authority,
) -> None:
    addresses = ("127.0.0.1", "127.0.0.2")
    async with (
        Web(addresses=addresses, certificate=authority.issue(names=(NAME,))) as web,
        Names({NAME: DnsAnswer(a=addresses)}) as names,
        watching(
            web.url(host=NAME), resolver=names.resolver, tls_ca=str(authority.ca_file)
        ) as watch,
    ):
        web.otherwise = Behaviour()
        assert await watch.look() == {}
        web.certificates["127.0.0.2"] = authority.issue(names=(NAME,))
        half = await watch.look()
        assert "different certificates" in half["NET_TLS_CHANGED"].summary
        web.certificate = web.certificates["127.0.0.2"]
        whole = await watch.look()
    assert list(half) == list(whole) == ["NET_TLS_CHANGED"]
    assert "was replaced" in whole["NET_TLS_CHANGED"].summary


async def test_a_certificate_is_described_with_its_key_and_chain(authority: Authority) -> None:
    async with Web(certificate=authority.issue(names=("127.0.0.1",))) as web:
        web.otherwise = Behaviour()
        async with watching(web.url(), tls_ca=str(authority.ca_file)) as watch:
            await watch.look()
    tls = watch.snapshot.path.addresses[0].tls
    seen = tls.certificate if tls else None
    assert seen is not None
    assert seen.key.split()[0] in {"RSA", "EC"}
    assert seen.signature == "sha256"
    assert seen.chain_length == 1 + len(seen.chain) == 2
    assert seen.chain_ends is not None


# --- http, provider, clocks ------------------------------------------------------------------


async def test_an_answer_beside_the_expected_one_is_told() -> None:
    async with Web() as web, Web() as login:
        web.otherwise = Behaviour(status=302, headers=(("Location", login.url()),))
        async with watching(web.url(), expect_status=(200,)) as watch:
            found = await watch.look()
    assert list(found) == ["NET_HTTP_STATUS"]


async def test_after_a_429_nothing_is_asked_until_the_server_says_so() -> None:
    async with Web() as web:
        web.otherwise = Behaviour(status=429, headers=(("Retry-After", "40"),))
        async with watching(web.url()) as watch:
            looks = [await watch.look() for _ in range(3)]
        asked = len(web.requests)
    assert asked == 1
    assert [list(found) for found in looks] == [["NET_HTTP_4XX"]] * 3
    http = watch.snapshot.path.addresses[0].http
    held = http.held if http else None
    assert held is not None
    assert 30 < held <= 40


@pytest.mark.parametrize(
    ("page", "delay", "expected"),
    [
        pytest.param(
            Behaviour(body=json.dumps({"status": {"indicator": "major", "description": "Outage"}})),
            0.0,
            {"DEP_EXTERNAL": Severity.WARNING},
            id="it reports what has not reached us",
        ),
        pytest.param(
            Behaviour(body=json.dumps({"status": {"indicator": "none", "description": "Well"}})),
            1.2,
            {"DEP_EXTERNAL": Severity.WARNING, "NET_HTTP_SLOW": Severity.INFO},
            id="it is slow and its page is green",
        ),
        pytest.param(Behaviour(status=500), 0.0, {}, id="its page is broken, it is not"),
        pytest.param(Behaviour(fault="garbage"), 0.0, {}, id="its page is not HTTP"),
        pytest.param(Behaviour(body="<html>"), 0.0, {}, id="its page is for people"),
    ],
)
async def test_a_third_party_is_told_with_its_status_page(
    page: Behaviour, delay: float, expected: dict[str, Severity]
) -> None:
    async with Web() as web, Web() as status:
        web.otherwise = Behaviour(delay=delay)
        status.paths["/api/v2/status.json"] = page
        url = status.url("/api/v2/status.json")
        async with watching(web.url(), external=True, status_url=url, gauges=delay > 0) as watch:
            found = await watch.look()
            await watch.look()
        asked = len(status.requests)
    assert {code: one.severity for code, one in found.items()} == expected
    assert asked == 1, "once a minute"


async def test_a_status_page_that_hangs_costs_the_look_nothing_else() -> None:
    async with Web() as web, Web() as status:
        web.otherwise = Behaviour()
        status.otherwise = Behaviour(fault="mute")
        async with watching(web.url(), external=True, status_url=status.url("/s")) as watch:
            assert await watch.look() == {}
    assert watch.snapshot.path.provider is not None
    assert watch.snapshot.path.provider.level == ""


async def test_a_clock_is_wrong_when_two_hosts_say_so_and_theirs_when_one_does() -> None:
    clocks = Clocks()
    async with Web() as one, Web(addresses=("127.0.0.2",)) as two:
        one.otherwise = Behaviour(date_skew=-120)
        two.otherwise = Behaviour(date_skew=-120)
        async with (
            watching(one.url(), clocks=clocks) as first,
            watching(two.url(), clocks=clocks) as second,
        ):
            alone = await first.look()
            both = await second.look()
            two.otherwise = Behaviour()
            await second.look()
            contradicted = await first.look()
    found = [one["NET_CLOCK_SKEW"] for one in (alone, both, contradicted)]
    assert [one.severity for one in found] == [Severity.WARNING, Severity.HIGH, Severity.INFO]
    assert found[2].subject == "127.0.0.1"


async def test_aws_is_a_witness_of_our_clock() -> None:
    clocks = Clocks(lambda: (Witness(who="AWS (prod)", ahead=-118.0, at=clock.now()),))
    async with Web() as web:
        web.otherwise = Behaviour(date_skew=-120)
        async with watching(web.url(), clocks=clocks) as watch:
            found = await watch.look()
    assert found["NET_CLOCK_SKEW"].severity is Severity.HIGH
