"""Whose certificate it is: the site's, an issuer's, our own copy of one, or ours to show."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from cockpit.connect.net import session as net_module
from cockpit.connect.net import tls
from cockpit.connect.net.session import open_net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.target import Target
from cockpit.world.net import Authority, Behaviour, Web
from cockpit.world.net.certificates import Issued
from probes.endpoint.model import Settings, Snapshot
from probes.endpoint.path import PROBE

pytestmark = pytest.mark.servers
HERE = ("127.0.0.1",)


@pytest.fixture(autouse=True)
def single_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look does not make four more connections, which take their time."""
    monkeypatch.setattr(net_module, "_BURST", 1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


async def seen(url: str, **settings: str) -> tuple[Snapshot, dict[str, Finding]]:
    made = EndpointSettings(url=url, **settings)  # type: ignore[arg-type]
    net = await open_net(made)
    try:
        snapshot = await PROBE.collect(net, Target(name="shop", kind="endpoint", settings=made))
    finally:
        await net.close()
    return snapshot, {one.code: one for one in PROBE.diagnose(snapshot, Settings()) if one.fact}


async def presented(issued: Issued, **settings: str) -> dict[str, Finding]:
    async with Web(certificate=issued) as web:
        web.otherwise = Behaviour()
        return (await seen(web.url(), **settings))[1]


async def test_an_intermediate_that_ended_is_named_and_the_certificate_need_not_be_renewed(
    authority: Authority,
) -> None:
    issued = authority.issue("ended-intermediate", names=HERE)
    found = await presented(issued, tls_ca=str(authority.ca_file))
    assert list(found) == ["NET_TLS_EXPIRED"]
    told = found["NET_TLS_EXPIRED"]
    assert (
        "an intermediate certificate (CN=Cockpit demo ended intermediate) expired 1d"
        in told.summary
    )
    assert "which is fine itself" in told.next


async def test_what_all_is_well_with_reads_the_systems_store_once(tmp_path: Path) -> None:
    """Each context that verifies reads it, which takes 20 ms of CPU."""
    authority = Authority(tmp_path)
    before = tls._context.cache_info().misses
    found = await presented(authority.issue(names=HERE), tls_ca=str(authority.ca_file))
    assert (found, tls._context.cache_info().misses - before) == ({}, 1)


async def test_our_own_copy_of_a_root_that_ended_accuses_nobody(tmp_path: Path) -> None:
    old = Authority(tmp_path, days=-2)
    found = await presented(old.issue(names=HERE), tls_ca=str(old.ca_file))
    assert list(found) == ["NET_TLS_TRUST_EXPIRED"]
    told = found["NET_TLS_TRUST_EXPIRED"]
    assert "of tls_ca (CN=Cockpit demo root) has expired" in told.summary
    assert "need not be renewed" in told.next


async def test_a_missing_intermediate_is_not_told_to_be_trusted_where_an_authority_is_set(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path)
    found = await presented(authority.issue(names=HERE), tls_ca=str(other.ca_file))
    assert list(found) == ["NET_TLS_UNTRUSTED"]
    assert "trust it with tls_ca" not in found["NET_TLS_UNTRUSTED"].next
    assert "does tls_ca hold the right authority" in found["NET_TLS_UNTRUSTED"].next


async def test_each_certificate_of_the_chain_is_read_with_its_dates(authority: Authority) -> None:
    async with Web(certificate=authority.issue(names=HERE)) as web:
        web.otherwise = Behaviour()
        snapshot, found = await seen(web.url(), tls_ca=str(authority.ca_file))
    handshake = snapshot.path.addresses[0].tls
    assert handshake is not None
    assert handshake.certificate is not None
    (link,) = handshake.certificate.links
    assert (link.subject, link.issuer) == ("CN=Cockpit demo intermediate", "CN=Cockpit demo root")
    assert link.not_before < snapshot.path.at < link.not_after
    assert found == {}


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_lets_the_look_through(
    authority: Authority, tmp_path: Path, newest: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = authority.issue("client", names=("cockpit.test",))
    (tmp_path / "ours.pem").write_bytes(ours.chain)
    (tmp_path / "ours.key").write_bytes(ours.key)
    known = Issued.context

    def wanting(issued: Issued) -> ssl.SSLContext:
        context = known(issued)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(str(authority.ca_file))
        context.maximum_version = newest
        return context

    monkeypatch.setattr(Issued, "context", wanting)
    async with Web(certificate=authority.issue(names=HERE)) as web:
        web.otherwise = Behaviour()
        _, found = await seen(
            web.url(),
            tls_ca=str(authority.ca_file),
            tls_cert=str(tmp_path / "ours.pem"),
            tls_key=str(tmp_path / "ours.key"),
        )
    assert found == {}


@pytest.mark.parametrize(
    ("days", "told"),
    [
        pytest.param(30, {}, id="a month"),
        pytest.param(9.5, {"NET_TLS_EXPIRING": Severity.WARNING}, id="nine days"),
        pytest.param(-1, {"NET_TLS_EXPIRED": Severity.WARNING}, id="over"),
    ],
)
async def test_the_end_of_our_own_certificate_is_told_as_ours(
    authority: Authority, tmp_path: Path, days: float, told: dict[str, Severity]
) -> None:
    ours = authority.issue("client", names=("cockpit.test",), days=days)
    (tmp_path / "ours.pem").write_bytes(ours.chain + ours.key)
    async with Web(certificate=authority.issue(names=HERE)) as web:
        web.otherwise = Behaviour()
        _, found = await seen(
            web.url(), tls_ca=str(authority.ca_file), tls_cert=str(tmp_path / "ours.pem")
        )
    assert {code: one.severity for code, one in found.items()} == told
    assert all("our client certificate" in one.summary for one in found.values())


@pytest.mark.parametrize(
    ("certificate", "key", "says"),
    [
        pytest.param("gone.pem", "", "No such file", id="no file"),
        pytest.param("ours.pem", "other.key", "KEY_VALUES_MISMATCH", id="another one's key"),
        pytest.param("ours.pem", "locked.key", "encrypted", id="a key with a passphrase"),
    ],
)
async def test_a_certificate_of_ours_that_is_no_use_is_a_matter_of_the_configuration(
    authority: Authority, tmp_path: Path, certificate: str, key: str, says: str
) -> None:
    ours, other = authority.issue("client"), authority.issue("client")
    (tmp_path / "ours.pem").write_bytes(ours.chain)
    (tmp_path / "other.key").write_bytes(other.key)
    (tmp_path / "locked.key").write_bytes(_locked(ours.key))
    with pytest.raises(BlindError) as caught:
        await open_net(
            EndpointSettings(
                url="https://127.0.0.1/",
                tls_cert=str(tmp_path / certificate),
                tls_key=str(tmp_path / key) if key else "",
            )
        )
    assert caught.value.reason is Reason.MISCONFIGURED
    assert says in caught.value.message


def _locked(key: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    plain = serialization.load_pem_private_key(key, None)
    return plain.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


def test_severities_are_those_of_a_fault_that_is_ours() -> None:
    from probes.endpoint.tls import TLS_CODES

    assert TLS_CODES["client_certificate"] == ("NET_TLS_CLIENT_CERT", Severity.WARNING)
    assert TLS_CODES["trust_expired"] == ("NET_TLS_TRUST_EXPIRED", Severity.HIGH)
