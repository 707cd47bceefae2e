"""The endpoint probe against real servers that are wrong in one way each."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cockpit.connect.net import session as net_module
from cockpit.connect.net.session import Timeouts, open_net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.triage.finding import Severity
from cockpit.triage.target import Target
from cockpit.world.net import Authority, Behaviour, DnsAnswer, Names, Oddity, Web
from probes.endpoint.model import Settings, Snapshot
from probes.endpoint.path import PROBE

pytestmark = pytest.mark.servers
PATIENT = Timeouts()
NAMES = ("shop.test", "127.0.0.1")
_WAITED_FOR = {
    "NET_TCP_TIMEOUT": {"tcp": 0.5},
    "NET_CONN_MUTE": {"tls": 0.8, "first_byte": 0.8},
    "NET_DNS_TIMEOUT": {"dns": 0.6},
}


def patience(code: str) -> Timeouts:
    """A short limit for the rung that shall run into it; a busy machine has time for the others."""
    return Timeouts(**_WAITED_FOR.get(code, {}))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(autouse=True)
def single_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look does not make four more connections, which take their time."""
    monkeypatch.setattr(net_module, "_BURST", 1)


async def findings(
    url: str, *, limits: Timeouts = PATIENT, gauges: bool = False, **settings: Any
) -> dict[str, Severity]:
    """What one look finds; without gauges, which the load of a test machine moves."""
    made = EndpointSettings(url=url, **settings)
    target = Target(name="shop", kind="endpoint", settings=made)
    net = await open_net(made, limits)
    snapshot = await PROBE.collect(net, target)
    await net.close()
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot
    found = list(PROBE.diagnose(snapshot, Settings()))
    assert found == list(PROBE.diagnose(snapshot, Settings()))
    return {
        one.code: one.severity
        for one in found
        if one.fact or gauges or one.code == "NET_CLOCK_SKEW"
    }


async def test_a_healthy_shop_has_no_finding(authority: Authority) -> None:
    async with Web(certificate=authority.issue(names=NAMES)) as web:
        web.paths["/"] = Behaviour(body="<title>shop</title>")
        found = await findings(web.url(), tls_ca=str(authority.ca_file), expect_text="shop")
    assert found == {}


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired", "NET_TLS_EXPIRED"),
        ("future", "NET_TLS_CLOCK"),
        ("wrong-name", "NET_TLS_NAME"),
        ("self-signed", "NET_TLS_UNTRUSTED"),
        ("untrusted", "NET_TLS_UNTRUSTED"),
        ("no-intermediate", "NET_TLS_CHAIN"),
        ("lax", "NET_TLS_STRICT_ONLY"),
    ],
)
async def test_a_wrong_certificate_has_its_code(authority: Authority, kind: str, code: str) -> None:
    async with Web(certificate=authority.issue(kind, names=NAMES)) as web:
        web.paths["/"] = Behaviour()
        found = await findings(web.url(), tls_ca=str(authority.ca_file))
    assert list(found) == [code]


@pytest.mark.parametrize(
    ("days", "severity"),
    [(20.5, Severity.WARNING), (6.5, Severity.HIGH), (1.5, Severity.CRITICAL)],
)
async def test_a_certificate_that_ends_soon_is_told_by_its_days(
    authority: Authority, days: float, severity: Severity
) -> None:
    async with Web(certificate=authority.issue(names=NAMES, days=days)) as web:
        web.paths["/"] = Behaviour()
        found = await findings(web.url(), tls_ca=str(authority.ca_file))
    assert found == {"NET_TLS_EXPIRING": severity}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("plaintext", "NET_TLS_PROTOCOL"),
        ("old", "NET_TLS_PROTOCOL"),
        ("mute", "NET_CONN_MUTE"),
        ("close", "NET_CONN_DROPPED"),
        ("reset", "NET_TCP_RESET"),
    ],
)
async def test_a_broken_handshake_has_its_code(authority: Authority, fault: str, code: str) -> None:
    async with Web(certificate=authority.issue(names=NAMES)) as web:
        web.tls_fault = fault
        found = await findings(web.url(), tls_ca=str(authority.ca_file), limits=patience(code))
    assert list(found) == [code]


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (Behaviour(status=503), "NET_HTTP_5XX"),
        (Behaviour(status=404), "NET_HTTP_4XX"),
        (Behaviour(body="<h1>Sorry</h1>"), "NET_HTTP_BODY"),
        (Behaviour(body="shop", delay=1.2), "NET_HTTP_SLOW"),
        (Behaviour(fault="truncated", body="shop"), "NET_HTTP_TRUNCATED"),
        (Behaviour(fault="garbage"), "NET_HTTP_MALFORMED"),
        (Behaviour(fault="mute"), "NET_CONN_MUTE"),
        (Behaviour(fault="reset"), "NET_TCP_RESET"),
        (Behaviour(fault="close"), "NET_CONN_DROPPED"),
        (Behaviour(body="shop", date_skew=-120), "NET_CLOCK_SKEW"),
        (Behaviour(status=302, headers=(("Location", "/"),)), "NET_HTTP_REDIRECT_LOOP"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_answer_has_its_code(behaviour: Behaviour, code: str) -> None:
    async with Web() as web:
        web.paths["/"] = behaviour
        slow = code == "NET_HTTP_SLOW"
        found = await findings(web.url(), limits=patience(code), expect_text="shop", gauges=slow)
    assert code in found if slow else list(found) == [code]


@pytest.mark.parametrize(
    ("kind", "code"), [("closed", "NET_TCP_REFUSED"), ("full", "NET_TCP_TIMEOUT")]
)
async def test_a_dead_port_has_its_code(kind: str, code: str) -> None:
    async with Oddity(kind) as odd:
        found = await findings(f"tcp://127.0.0.1:{odd.port}", limits=patience(code))
    assert list(found) == [code]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (DnsAnswer(rcode="NXDOMAIN"), "NET_DNS_NXDOMAIN"),
        (DnsAnswer(rcode="SERVFAIL"), "NET_DNS_SERVFAIL"),
        (DnsAnswer(silent=True), "NET_DNS_TIMEOUT"),
        (DnsAnswer(), "NET_DNS_NO_A"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_name_has_its_code(answer: DnsAnswer, code: str) -> None:
    async with Names({"shop.test": answer}) as names:
        found = await findings("https://shop.test/", resolver=names.resolver, limits=patience(code))
    assert list(found) == [code]


async def test_a_slow_name_has_its_code() -> None:
    async with (
        Web() as web,
        Names({"shop.test": DnsAnswer(a=("127.0.0.1",), delay=0.3)}) as names,
    ):
        web.otherwise = Behaviour()
        found = await findings(web.url(host="shop.test"), resolver=names.resolver, gauges=True)
    assert found["NET_DNS_SLOW"] is Severity.WARNING


@pytest.mark.parametrize("how", ["refused", "5xx", "expired"])
async def test_one_bad_address_of_three_is_found(authority: Authority, how: str) -> None:
    addresses = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
    good = authority.issue(names=("shop.test",))
    async with (
        Web(addresses=addresses, certificate=good) as web,
        Names({"shop.test": DnsAnswer(a=addresses, rotate=True)}) as names,
    ):
        web.otherwise = Behaviour()
        match how:
            case "refused":
                await web.shut("127.0.0.2")
            case "5xx":
                web.by_address["127.0.0.2"] = Behaviour(status=502)
            case "expired":
                web.certificates["127.0.0.2"] = authority.issue("expired", names=("shop.test",))
        found = await findings(
            web.url(host="shop.test"), resolver=names.resolver, tls_ca=str(authority.ca_file)
        )
    assert found["NET_TARGET_ONE_BAD"] is Severity.HIGH
    assert ("NET_TLS_EXPIRED" in found) == (how == "expired")


async def test_ipv6_that_does_not_connect_is_told_apart() -> None:
    async with (
        Web() as web,
        Names({"shop.test": DnsAnswer(a=("127.0.0.1",), aaaa=("::1",))}) as names,
    ):
        web.otherwise = Behaviour()
        found = await findings(web.url(host="shop.test"), resolver=names.resolver)
    assert found == {"NET_V6_BROKEN": Severity.WARNING}


async def test_a_slow_third_party_is_a_dependency() -> None:
    async with Web() as web:
        web.otherwise = Behaviour(delay=1.2)
        found = await findings(web.url(), external=True, gauges=True)
    assert found["DEP_EXTERNAL"] is Severity.WARNING
