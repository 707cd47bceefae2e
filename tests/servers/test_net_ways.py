"""Names, handshakes and third parties that are wrong in ways of their own, on real servers."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.asyncresolver
import pytest

from cockpit.connect.net import dns as names_of
from cockpit.connect.net.session import Timeouts, open_net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.target import Target
from cockpit.world.net import Authority, Behaviour, DnsAnswer, Names, Oddity, Web
from cockpit.world.net.certificates import Issued
from probes.endpoint.model import Settings
from probes.endpoint.path import PROBE

pytestmark = pytest.mark.servers
NAME = "shop.test"
QUICK = Timeouts(dns=1.0, tcp=2.0, tls=5.0, first_byte=5.0, body=5.0, whole=14)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


async def look_at(url: str, *, times: int = 1, **settings: Any) -> dict[str, Finding]:
    made = EndpointSettings(url=url, **settings)
    target = Target(name="shop", kind="endpoint", settings=made)
    net = await open_net(made, QUICK)
    for _ in range(times):
        snapshot = await PROBE.collect(net, target)
    await net.close()
    return {one.code: one for one in PROBE.diagnose(snapshot, Settings())}


def said(finding: Finding) -> str:
    return " | ".join(f"{one.label}: {one.value}" for one in finding.evidence)


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "code", "words"),
    [
        pytest.param(
            DnsAnswer(rcode="NXDOMAIN"),
            "NET_DNS_NXDOMAIN",
            "an alias of gone.test; that name does not exist",
            id="what it stands for was deleted",
        ),
        pytest.param(
            DnsAnswer(),
            "NET_DNS_NO_A",
            "an alias of gone.test; that name has no address",
            id="what it stands for has no address",
        ),
        pytest.param(
            DnsAnswer(rcode="SERVFAIL"),
            "NET_DNS_SERVFAIL",
            "an alias of gone.test; its name server failed (SERVFAIL)",
            id="the zone of what it stands for is broken",
        ),
    ],
)
async def test_a_chain_of_aliases_that_breaks_is_told_with_its_broken_end(
    broken: DnsAnswer, code: str, words: str
) -> None:
    zone = {
        NAME: DnsAnswer(cname="edge.test"),
        "edge.test": DnsAnswer(cname="gone.test"),
        "gone.test": broken,
    }
    async with Names(zone) as names:
        found = await look_at(f"https://{NAME}/", resolver=names.resolver)
    assert list(found) == [code]
    assert found[code].summary == f"{NAME}: {words}"
    assert "edge.test → gone.test → " in said(found[code])
    assert found[code].likely[0] == "what gone.test stood for was deleted or renamed"


async def test_aliases_that_run_in_a_circle_end_in_an_error_and_in_time() -> None:
    zone = {NAME: DnsAnswer(cname="a.test"), "a.test": DnsAnswer(cname=NAME)}
    async with Names(zone) as names:
        found = await look_at(f"https://{NAME}/", resolver=names.resolver)
    assert set(found) <= {"NET_DNS_SERVFAIL", "NET_DNS_NO_A"}
    assert found


@pytest.fixture
async def two_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Names, Names]]:
    """A resolv.conf with two name servers, which are ours, on one port of two addresses."""
    async with Names() as first, Names(address="127.0.0.2", wanted=first.port) as second:
        file = tmp_path / "resolv.conf"
        file.write_text("nameserver 127.0.0.1\nnameserver 127.0.0.2\n")
        known = dns.asyncresolver.Resolver

        def made(*_: object, **__: object) -> dns.asyncresolver.Resolver:
            resolver = known(filename=str(file))
            resolver.port = first.port
            return resolver

        monkeypatch.setattr(dns.asyncresolver, "Resolver", made)
        yield first, second


async def test_a_name_server_that_is_silent_costs_time_while_the_second_answers(
    two_servers: tuple[Names, Names],
) -> None:
    first, second = two_servers
    first.zone[NAME] = DnsAnswer(silent=True)
    second.zone[NAME] = DnsAnswer(a=("127.0.0.1",))
    found = await names_of.by_resolver(NAME, "", timeout=4)
    assert (found.outcome, found.addresses) == ("ok", ("127.0.0.1",))
    assert found.server == f"127.0.0.2:{second.port}"
    assert found.took >= 2.0
    assert first.queries


async def test_a_name_server_that_fails_is_no_failure_while_the_second_answers(
    two_servers: tuple[Names, Names],
) -> None:
    first, second = two_servers
    first.zone[NAME] = DnsAnswer(rcode="SERVFAIL")
    second.zone[NAME] = DnsAnswer(a=("127.0.0.1",))
    found = await names_of.by_resolver(NAME, "", timeout=4)
    assert (found.outcome, found.server) == ("ok", f"127.0.0.2:{second.port}")
    second.zone[NAME] = DnsAnswer(silent=True)
    assert (await names_of.by_resolver(NAME, "", timeout=1)).outcome in {"servfail", "timeout"}


async def test_no_such_name_at_the_first_server_is_not_asked_of_the_second(
    two_servers: tuple[Names, Names],
) -> None:
    """NXDOMAIN is an answer: who lists a private and a public server gets it at random."""
    first, second = two_servers
    second.zone[NAME] = DnsAnswer(a=("127.0.0.1",))
    assert (await names_of.by_resolver(NAME, "", timeout=4)).outcome == "nxdomain"
    assert not second.queries
    assert first.queries


async def test_a_resolver_that_fails_while_the_system_knows_the_name_is_the_resolvers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(names_of, "_RESERVED", set())
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))],
    )
    async with Names({NAME: DnsAnswer(rcode="SERVFAIL")}) as names:
        found = await look_at(f"https://{NAME}/", resolver=names.resolver)
    assert list(found) == ["NET_DNS_SERVFAIL"]
    assert "knows the name" in found["NET_DNS_SERVFAIL"].likely[0]
    assert "system: 127.0.0.1" in said(found["NET_DNS_SERVFAIL"])


async def test_ttls_count_down_over_a_chain_and_the_least_of_them_counts() -> None:
    zone = {
        NAME: DnsAnswer(cname="edge.test", ttl=600),
        "edge.test": DnsAnswer(a=("127.0.0.1",), ttl=20),
    }
    async with Names(zone) as names:
        assert (await names_of.by_resolver(NAME, names.resolver, timeout=4)).ttl == 20


# --- handshakes ------------------------------------------------------------------------------


@contextmanager
def speaking(context: ssl.SSLContext) -> Iterator[int]:
    """A TLS server that ends a handshake as servers do: with an alert."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), plain:
                plain.settimeout(10)
                with context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(4096)
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(20)


@pytest.mark.parametrize(
    ("newest", "told", "words"),
    [
        pytest.param(
            ssl.TLSVersion.TLSv1_2,
            ("NET_TLS_CLIENT_CERT", Severity.WARNING),
            "wants a client certificate",
            id="TLS 1.2 asks for it in the handshake, and its alert says nothing",
        ),
        pytest.param(
            ssl.TLSVersion.TLSv1_3,
            ("NET_TLS_CLIENT_CERT", Severity.WARNING),
            "wants a client certificate",
            id="TLS 1.3 does, after the handshake",
        ),
    ],
)
async def test_a_server_that_wants_a_client_certificate(
    authority: Authority, newest: ssl.TLSVersion, told: tuple[str, Severity], words: str
) -> None:
    context = authority.issue(names=("127.0.0.1",)).context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(str(authority.ca_file))
    context.maximum_version = newest
    with speaking(context) as port:
        found = await look_at(f"https://127.0.0.1:{port}/", tls_ca=str(authority.ca_file))
    assert [(code, one.severity) for code, one in found.items()] == [told]
    (one,) = found.values()
    assert words in one.summary
    assert "certificate" in one.likely[0]


async def test_a_server_that_does_not_know_the_name(authority: Authority) -> None:
    context = authority.issue(names=(NAME,)).context()
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    with speaking(context) as port:
        async with Names({NAME: DnsAnswer(a=("127.0.0.1",))}) as names:
            found = await look_at(
                f"https://{NAME}:{port}/", resolver=names.resolver, tls_ca=str(authority.ca_file)
            )
    assert list(found) == ["NET_TLS_PROTOCOL"]
    assert "UNRECOGNIZED_NAME" in found["NET_TLS_PROTOCOL"].summary


async def test_a_handshake_that_just_ends_may_be_a_matter_of_certificates_too(
    authority: Authority,
) -> None:
    async with Web(certificate=authority.issue(names=("127.0.0.1",))) as web:
        web.tls_fault = "close"
        found = await look_at(web.url(), tls_ca=str(authority.ca_file))
    assert any("client certificate" in cause for cause in found["NET_CONN_DROPPED"].likely)


async def test_a_root_that_is_sent_and_not_trusted_is_untrusted_and_not_a_missing_link(
    authority: Authority,
) -> None:
    good = authority.issue(names=("127.0.0.1",))
    sent = Issued(good.key, good.chain + authority.ca_file.read_bytes(), good.leaf)
    async with Web(certificate=sent) as web:
        web.otherwise = Behaviour()
        found = await look_at(web.url())
    assert list(found) == ["NET_TLS_UNTRUSTED"]
    assert "(code 19)" in said(found["NET_TLS_UNTRUSTED"])


async def test_an_address_that_the_certificate_does_not_name(authority: Authority) -> None:
    async with Web(certificate=authority.issue(names=("127.0.0.9",))) as web:
        web.otherwise = Behaviour()
        found = await look_at(web.url(), tls_ca=str(authority.ca_file))
    assert list(found) == ["NET_TLS_NAME"]
    assert "(code 64)" in said(found["NET_TLS_NAME"])


# --- third parties ---------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["closed", "reset", "name"])
async def test_a_third_party_that_cannot_be_reached_is_high_beside_the_rung_that_broke(
    cut: str,
) -> None:
    async with Names({NAME: DnsAnswer(rcode="SERVFAIL")}) as names, Oddity("closed") as odd:
        if cut == "name":
            found = await look_at(f"https://{NAME}/", resolver=names.resolver, external=True)
        elif cut == "closed":
            found = await look_at(f"http://127.0.0.1:{odd.port}/", external=True)
        else:
            async with Oddity("reset") as resets:
                found = await look_at(f"http://127.0.0.1:{resets.port}/", external=True)
    rung = {"closed": "NET_TCP_REFUSED", "reset": "NET_TCP_RESET", "name": "NET_DNS_SERVFAIL"}[cut]
    assert set(found) == {rung, "DEP_EXTERNAL"}
    assert found["DEP_EXTERNAL"].severity is Severity.HIGH
