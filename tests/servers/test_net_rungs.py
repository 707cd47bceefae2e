"""Every rung of the path, provoked for real by servers on loopback."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cockpit import clock
from cockpit.connect.clocks import Clocks
from cockpit.connect.net import session as net_module
from cockpit.connect.net import visit as net_visit
from cockpit.connect.net import wire as net_wire
from cockpit.connect.net.http import HttpLook
from cockpit.connect.net.memory import Samples
from cockpit.connect.net.session import AddressLook, PathLook, Sample, Timeouts, open_net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.connect.net.tls import TlsLook
from cockpit.errors import BlindError, Reason
from cockpit.world.net import Authority, Behaviour, DnsAnswer, Names, Oddity, Web
from tests.patience import at_most

pytestmark = pytest.mark.servers
PATIENT = Timeouts()

SHOP = ("shop.test", "127.0.0.1")
_WAITED_FOR = {
    "tcp timeout": {"tcp": 0.5},
    "tls mute": {"tls": 0.6},
    "http mute": {"first_byte": 0.8},
    "http stalled": {"body": 0.6},
    "timeout": {"dns": 0.6},
}


def patience(outcome: str) -> Timeouts:
    """A short limit for the rung that shall run into it; a busy machine has time for the others."""
    return Timeouts(**_WAITED_FOR.get(outcome, {}))


@pytest.fixture(autouse=True)
def single_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look does not make four more connections, which take their time."""
    monkeypatch.setattr(net_module, "_BURST", 1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


async def look_at(url: str, *, limits: Timeouts = PATIENT, **settings: Any) -> PathLook:
    net = await open_net(EndpointSettings(url=url, **settings), limits)
    try:
        look = await net.path()
    finally:
        await net.close()
    assert msgspec.json.decode(msgspec.json.encode(look), type=PathLook) == look
    return look


async def only(url: str, **settings: Any) -> AddressLook:
    look = await look_at(url, **settings)
    assert len(look.addresses) == 1
    return look.addresses[0]


def tls(found: AddressLook) -> TlsLook:
    """The rung was reached."""
    assert found.tls is not None
    return found.tls


def http(found: AddressLook) -> HttpLook:
    """The rung was reached."""
    assert found.http is not None
    return found.http


# --- tcp -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        pytest.param("closed", "tcp refused", id="nothing listens"),
        pytest.param("full", "tcp timeout", id="a full accept queue looks like a DROP rule"),
        pytest.param("reset", "http reset", id="accepted, then RST"),
        pytest.param("close", "http dropped", id="accepted, then FIN"),
        pytest.param("mute", "http mute", id="accepted, then silence"),
    ],
)
async def test_an_odd_port_is_told_by_its_rung(kind: str, outcome: str) -> None:
    async with Oddity(kind) as odd:
        found = await only(f"http://127.0.0.1:{odd.port}/", limits=patience(outcome))
    assert found.outcome == outcome


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        pytest.param("reset", "tls reset", id="RST instead of a handshake"),
        pytest.param("close", "tls dropped", id="FIN instead of a handshake"),
        pytest.param("mute", "tls mute", id="silence instead of a handshake"),
    ],
)
async def test_an_odd_tls_port_is_told_by_its_rung(kind: str, outcome: str) -> None:
    async with Oddity(kind) as odd:
        found = await only(f"https://127.0.0.1:{odd.port}/", limits=patience(outcome))
    assert found.outcome == outcome


async def test_a_tcp_endpoint_is_asked_for_a_connection_and_nothing_else() -> None:
    async with Oddity("mute") as odd:
        begun = time.monotonic()
        found = await only(f"tcp://127.0.0.1:{odd.port}")
        took = time.monotonic() - begun
    assert (found.outcome, found.tls, found.http) == ("ok", None, None)
    assert 0 <= found.tcp.took <= took


async def test_a_source_address_that_cannot_go_there_is_unreachable() -> None:
    found = await only("tcp://[fd00:dead::1]:9", limits=patience("tcp timeout"))
    assert found.outcome in {"tcp unreachable", "tcp timeout"}


# --- tls -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "outcome", "code"),
    [
        ("good", "ok", None),
        ("expired", "tls expired", 10),
        ("future", "tls not_yet_valid", 9),
        ("wrong-name", "tls name", 64),
        ("self-signed", "tls self_signed", 18),
        ("no-intermediate", "tls chain", 20),
        ("untrusted", "tls untrusted", 20),
    ],
)
async def test_a_certificate_gets_its_verdict_and_is_described(
    authority: Authority, kind: str, outcome: str, code: int | None
) -> None:
    async with Web(certificate=authority.issue(kind, names=SHOP)) as web:
        web.paths["/"] = Behaviour(body="welcome")
        found = await only(web.url(), tls_ca=str(authority.ca_file))
    assert found.outcome == outcome
    certificate = tls(found).certificate
    assert certificate is not None
    assert tls(found).verify_code == code
    assert certificate.chain_length == (
        1 if "no-i" in kind or "unt" in kind or "self" in kind else 2
    )
    assert certificate.names == (("elsewhere.invalid",) if kind == "wrong-name" else SHOP)
    assert tls(found).version == "TLSv1.3"


async def test_a_certificate_that_breaks_strict_rules_only_passes_with_a_remark(
    authority: Authority,
) -> None:
    async with Web(certificate=authority.issue("lax", names=SHOP)) as web:
        web.paths["/"] = Behaviour(body="welcome")
        found = await only(web.url(), tls_ca=str(authority.ca_file))
    assert found.outcome == "ok"
    assert tls(found).strict_only
    assert tls(found).verify_code in {79, 85, 89, 92}
    assert http(found).status == 200


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("plaintext", "tls plaintext"),
        ("mute", "tls mute"),
        ("close", "tls dropped"),
        ("reset", "tls reset"),
        ("old", "tls protocol"),
    ],
)
async def test_a_handshake_that_goes_wrong_has_a_word(
    authority: Authority, fault: str, outcome: str
) -> None:
    async with Web(certificate=authority.issue(names=SHOP)) as web:
        web.tls_fault = fault
        found = await only(web.url(), tls_ca=str(authority.ca_file), limits=patience(outcome))
    assert found.outcome == outcome
    if fault == "old":
        assert tls(found).version == "TLSv1.1"


async def test_a_certificate_can_be_swapped_while_the_session_lives(authority: Authority) -> None:
    async with Web(certificate=authority.issue(names=SHOP)) as web:
        web.paths["/"] = Behaviour()
        net = await open_net(EndpointSettings(url=web.url(), tls_ca=str(authority.ca_file)))
        assert (await net.path()).addresses[0].outcome == "ok"
        web.certificate = authority.issue("expired", names=SHOP)
        second = await net.path()
        await net.close()
    assert second.addresses[0].outcome == "tls expired"
    shown = [sample for sample in second.history if sample.fingerprint]
    assert [sample.outcome for sample in shown] == ["ok", "tls expired"]
    assert len({sample.fingerprint for sample in shown}) == 2


async def test_a_missing_ca_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(BlindError) as caught:
        await look_at("https://127.0.0.1:9/", tls_ca=str(tmp_path / "absent.pem"))
    assert caught.value.reason is Reason.MISCONFIGURED


# --- http ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "outcome", "status"),
    [
        pytest.param(Behaviour(body="hello"), "ok", 200, id="a good answer"),
        pytest.param(
            Behaviour(body="hello" * 900, chunked=True), "ok", 200, id="chunks beyond 4 KB"
        ),
        pytest.param(Behaviour(body=b"x" * 2_000_000), "ok", 200, id="2 MB are read for 4 KB"),
        pytest.param(Behaviour(status=404), "ok", 404, id="a 404 is a whole answer"),
        pytest.param(Behaviour(status=204, body=""), "ok", 204, id="no content"),
        pytest.param(Behaviour(fault="reset"), "http reset", 0, id="reset"),
        pytest.param(Behaviour(fault="close"), "http dropped", 0, id="closed before the answer"),
        pytest.param(Behaviour(fault="mute"), "http mute", 0, id="mute"),
        pytest.param(Behaviour(fault="truncated"), "http truncated", 200, id="truncated"),
        pytest.param(Behaviour(fault="half-head"), "http truncated", 0, id="closed in the header"),
        pytest.param(Behaviour(fault="garbage"), "http malformed", 0, id="not HTTP"),
        pytest.param(Behaviour(fault="endless-head"), "http too_long", 200, id="1 MB of header"),
        pytest.param(Behaviour(delay=4), "http mute", 0, id="too slow"),
        pytest.param(Behaviour(drip=4), "http stalled", 200, id="the body stops coming"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_answer_ends_in_a_word(
    authority: Authority, scheme: str, behaviour: Behaviour, outcome: str, status: int
) -> None:
    certificate = authority.issue(names=SHOP) if scheme == "https" else None
    async with Web(certificate=certificate) as web:
        web.paths["/"] = behaviour
        found = await only(web.url(), tls_ca=str(authority.ca_file), limits=patience(outcome))
    assert found.outcome == outcome
    assert http(found).status == status
    assert http(found).size <= 4096


async def test_hostile_headers_and_bodies_arrive_as_harmless_text() -> None:
    async with Web() as web:
        web.paths["/"] = Behaviour(
            body="\x1b[31m[bold]hi[/bold]\x00 \u202eevil",
            headers=(("Server", "\x1b]0;owned\x07[link=x]nginx"), ("Date", "\x1byesterday")),
        )
        found = await only(web.url())
    shown = http(found).body + "".join(value for _, value in http(found).headers)
    assert found.outcome == "ok"
    assert shown.isprintable()
    assert "[bold]hi" in shown
    assert http(found).clock_ahead is None


async def test_an_octet_that_no_header_may_hold_makes_the_answer_malformed() -> None:
    """RFC 9110, 5.5: whoever receives a NUL in a field rejects it or replaces it; clients reject."""
    async with Web() as web:
        web.paths["/"] = Behaviour(headers=(("Server", "ngi\x00nx"),))
        found = await only(web.url())
    assert found.outcome == "http malformed"
    assert http(found).detail.isprintable()


async def test_the_request_is_plain_and_names_us() -> None:
    async with Web() as web:
        web.otherwise = Behaviour()
        await look_at(web.url("/a path?token=secret&x=%41"))
        asked = web.requests[-1]
    assert (asked.method, asked.path) == ("GET", "/a%20path?token=secret&x=%41")
    assert asked.headers["user-agent"].startswith("incident-cockpit/")
    assert asked.headers["host"] == f"127.0.0.1:{web.port}"
    assert "cookie" not in asked.headers


async def test_the_query_is_not_kept_in_what_was_seen() -> None:
    async with Web() as web:
        web.otherwise = Behaviour()
        look = await look_at(web.url("/health?token=hunter22"))
    assert b"hunter22" not in msgspec.json.encode(look)


@pytest.mark.parametrize(
    ("skew", "least", "most"),
    [
        pytest.param(0, 0, 0, id="the same clock"),
        pytest.param(1, 0, 1.1, id="inside the resolution of the header"),
        pytest.param(90, 80, 91, id="ahead"),
        pytest.param(-400, -401, -390, id="behind"),
    ],
)
async def test_the_date_header_tells_the_clocks_apart(skew: int, least: int, most: float) -> None:
    async with Web() as web:
        web.otherwise = Behaviour(date_skew=skew)
        found = await only(web.url())
    ahead = http(found).clock_ahead
    assert ahead is not None
    assert least <= ahead <= most


async def test_redirects_are_counted_within_the_origin_only() -> None:
    async with Web() as web:
        web.paths["/loop"] = Behaviour(status=302, headers=(("Location", "/loop"),))
        web.paths["/old"] = Behaviour(status=301, headers=(("Location", "/new"),))
        web.paths["/new"] = Behaviour(body="marker")
        web.paths["/away"] = Behaviour(status=302, headers=(("Location", "http://127.0.0.9/"),))
        loop = await only(web.url("/loop"))
        moved = await only(web.url("/old"), expect_text="marker")
        away = await only(web.url("/away"))
    assert (http(loop).redirects, http(loop).status) == (6, 302)
    assert (http(moved).redirects, http(moved).status, http(moved).has_marker) == (1, 200, True)
    assert (http(away).redirects, http(away).status) == (0, 302)


async def test_a_5xx_is_asked_a_second_time_since_one_may_be_chance() -> None:
    async with Web() as web:
        web.otherwise = Behaviour(status=503)
        look = await look_at(web.url())
    assert [sample.status for sample in look.history if sample.status] == [503, 503]


# --- names -----------------------------------------------------------------------------------


async def test_every_address_of_a_name_is_looked_at_with_the_same_name(
    authority: Authority,
) -> None:
    addresses = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
    async with (
        Web(addresses=addresses, certificate=authority.issue(names=("shop.test",))) as web,
        Names(
            {"shop.test": DnsAnswer(cname="edge.test"), "edge.test": DnsAnswer(a=addresses)}
        ) as names,
    ):
        web.otherwise = Behaviour()
        await web.shut("127.0.0.2")
        look = await look_at(
            web.url(host="shop.test"),
            resolver=names.resolver,
            tls_ca=str(authority.ca_file),
        )
        asked = {(request.address, request.headers["host"]) for request in web.requests}
    assert [one.outcome for one in look.addresses] == ["ok", "tcp refused", "ok"]
    assert asked == {(a, f"shop.test:{web.port}") for a in ("127.0.0.1", "127.0.0.3")}
    assert (look.dns[0].canonical, look.dns[0].ttl) == ("edge.test", 5)


async def test_an_absolute_name_is_asked_for_with_its_dot_and_shown_without(
    authority: Authority,
) -> None:
    async with (
        Web(certificate=authority.issue(names=("shop.test",))) as web,
        Names({"shop.test": DnsAnswer(a=("127.0.0.1",))}) as names,
    ):
        look = await look_at(
            web.url(host="shop.test."), resolver=names.resolver, tls_ca=str(authority.ca_file)
        )
        (request,) = web.requests
    assert [one.outcome for one in look.addresses] == ["ok"]
    assert request.headers["host"] == f"shop.test:{web.port}"


async def test_a_host_with_and_without_its_dot_is_one_witness_of_the_clock() -> None:
    clocks = Clocks()
    async with Web() as web, Names({"shop.test": DnsAnswer(a=("127.0.0.1",))}) as names:
        web.otherwise = Behaviour(date_skew=90)
        for host in ("shop.test", "shop.test."):
            settings = EndpointSettings(url=web.url(host=host), resolver=names.resolver)
            net = await open_net(settings, PATIENT, clocks=clocks)
            look = await net.path()
            await net.close()
    ahead = http(look.addresses[0]).clock_ahead
    assert ahead is not None
    assert ahead > 80
    assert look.clocks == ()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param(DnsAnswer(rcode="NXDOMAIN"), "nxdomain", id="no such name"),
        pytest.param(DnsAnswer(rcode="SERVFAIL"), "servfail", id="the server failed"),
        pytest.param(DnsAnswer(rcode="REFUSED"), "refused", id="the server refused"),
        pytest.param(DnsAnswer(), "no_answer", id="a name without addresses"),
        pytest.param(DnsAnswer(silent=True), "timeout", id="silence"),
        pytest.param(DnsAnswer(a=("127.0.0.1",), truncate=True), "ok", id="truncated, then by TCP"),
        pytest.param(DnsAnswer(aaaa=("::1",)), "ok", id="IPv6 only"),
        pytest.param(DnsAnswer(cname="gone.test"), "nxdomain", id="an alias to nothing"),
    ],
)
async def test_a_name_server_s_answer_has_a_word(answer: DnsAnswer, outcome: str) -> None:
    async with Names({"shop.test": answer}) as names:
        look = await look_at("tcp://shop.test:9", resolver=names.resolver, limits=patience(outcome))
    assert look.dns[0].outcome == outcome
    assert bool(look.addresses) == (outcome == "ok")


async def test_a_dead_name_server_is_a_timeout_or_an_error_in_time() -> None:
    async with Oddity("closed") as odd, asyncio.timeout(at_most(5)):
        look = await look_at(
            "tcp://shop.test:9", resolver=f"127.0.0.1:{odd.port}", limits=patience("timeout")
        )
    assert look.dns[0].outcome in {"timeout", "servfail", "error"}


async def test_rotation_of_addresses_is_no_change() -> None:
    async with Names({"shop.test": DnsAnswer(a=("127.0.0.1", "127.0.0.2"), rotate=True)}) as names:
        net = await open_net(EndpointSettings(url="tcp://shop.test:9", resolver=names.resolver))
        first, second = await net.path(), await net.path()
        await net.close()
    assert first.dns[0].addresses == second.dns[0].addresses == second.addresses_before


async def test_the_system_resolves_names_of_the_hosts_file() -> None:
    async with Oddity("mute", "127.0.0.1") as odd:
        look = await look_at(f"tcp://localhost:{odd.port}")
    assert look.dns[0].source == "system"
    assert "ok" in {one.outcome for one in look.addresses}


async def test_twenty_addresses_are_cut_to_sixteen_and_it_is_said() -> None:
    many = tuple(f"127.0.1.{i}" for i in range(20))
    async with Names({"shop.test": DnsAnswer(a=many)}) as names:
        look = await look_at("tcp://shop.test:9", resolver=names.resolver)
    assert (len(look.addresses), look.untried) == (16, 4)


# --- the session -----------------------------------------------------------------------------


async def test_closing_the_session_ends_a_hanging_look_at_once() -> None:
    for_ever = Timeouts(first_byte=600, whole=600)
    async with Oddity("mute") as odd:
        net = await open_net(EndpointSettings(url=f"http://127.0.0.1:{odd.port}/"), for_ever)
        looking = asyncio.create_task(net.path())
        await asyncio.sleep(0.1)
        await net.close()
        async with asyncio.timeout(30):
            with pytest.raises(BlindError):
                await looking


async def test_a_cancelled_look_leaves_nothing_behind() -> None:
    async with Oddity("mute") as odd:
        net = await open_net(EndpointSettings(url=f"http://127.0.0.1:{odd.port}/"))
        looking = asyncio.create_task(net.path())
        await asyncio.sleep(0.1)
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
        async with asyncio.timeout(30):
            while any("Net._look" in repr(task.get_coro()) for task in asyncio.all_tasks()):
                await asyncio.sleep(0.01)
        await net.close()


async def test_the_first_look_connects_five_times_and_every_later_one_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    async with Web() as web:
        web.otherwise = Behaviour()
        net = await open_net(EndpointSettings(url=web.url()))
        looks = [await net.path() for _ in range(6)]
        await net.close()
        asked = len(web.requests)
    assert [len(look.history) for look in looks] == [5, 6, 7, 8, 9, 10]
    assert asked == 6
    assert all(look.addresses[0].usual_connect is not None for look in looks)
    usual = [look.addresses[0].usual_first_byte is None for look in looks]
    assert usual == [True] * 4 + [False] * 2


async def test_no_address_is_connected_to_more_than_ten_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told by when we send: a busy machine accepts late, and several at once."""
    sent: list[float] = []
    accepted: list[int] = []

    async def noted(*arguments: Any, **limits: Any) -> Any:
        sent.append(asyncio.get_running_loop().time())
        return await net_wire.connect(*arguments, **limits)

    def taken(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(1)
        writer.close()

    monkeypatch.undo()
    monkeypatch.setattr(net_visit, "connect", noted)
    server = await asyncio.start_server(taken, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    net = await open_net(EndpointSettings(url=f"tcp://127.0.0.1:{port}"))
    for _ in range(3):
        await net.path()
    await net.close()
    async with asyncio.timeout(30):
        while len(accepted) < 7:
            await asyncio.sleep(0.01)
    server.close()
    assert len(sent) == len(accepted) == 7
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert min(gaps) > 0.09


async def test_a_loop_that_was_late_does_not_make_up_for_it() -> None:
    pace, turns = net_visit.ConnectPace(), []
    loop = asyncio.get_running_loop()

    async def one() -> None:
        await pace.turn()
        turns.append(loop.time())
        if len(turns) == 2:
            time.sleep(0.25)  # the loop stands still, as on a busy machine

    await asyncio.gather(*(one() for _ in range(4)))
    assert min(later - earlier for earlier, later in pairwise(turns)) > 0.09


async def test_the_ring_holds_sixty_samples_of_an_address() -> None:
    samples = Samples()
    for number in range(70):
        samples.add(Sample(at=clock.now(), address="192.0.2.1", outcome="ok", connect=number / 1e3))
    kept = samples.of(("192.0.2.1",))
    assert len(kept) == 60
    assert kept[-1].connect == 0.069


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.test",
        "ftp://shop.test/",
        "https://",
        "https://u:p@shop.test/",
        "tcp://shop.test",
        "https://shop.test:99999/",
        "http://sh op/",
        "http://[::1/",
        "http://a\r\nb/",
    ],
)
async def test_a_url_that_is_none_is_a_configuration_error(url: str) -> None:
    with pytest.raises(BlindError) as caught:
        await look_at(url)
    assert caught.value.reason is Reason.MISCONFIGURED
