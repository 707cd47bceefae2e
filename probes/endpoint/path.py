"""The path to an endpoint, from here: names, every address, TCP, TLS, HTTP, clocks.

Sources: what the servers say. It is a view from this machine: “unreachable from here” is not
“down”. Trouble of a third party (`external = true`) is reported as a dependency's.
Needs nothing but the way there.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.connect.net.session import Net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.endpoint import begun, clock, dependency, dns, failing, http, tcp, tls, view
from probes.endpoint.model import Settings, Snapshot

_MILDER = {
    Severity.CRITICAL: Severity.WARNING,
    Severity.HIGH: Severity.WARNING,
    Severity.WARNING: Severity.INFO,
    Severity.INFO: Severity.INFO,
}


async def collect(net: Net, target: Target) -> Snapshot:
    """Look at every rung of every address once."""
    settings = target.settings
    assert isinstance(settings, EndpointSettings)
    return Snapshot(
        path=await net.path(settings),
        external=settings.external,
        expect_status=settings.expect_status,
    )


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report the rungs from the bottom up; a third party's trouble under one name, milder."""
    parts = (dns, tcp, tls, http, clock)
    found = [
        *begun.dated(
            snapshot, (each for part in parts for each in part.findings(snapshot, settings))
        )
    ]
    if not snapshot.external:
        yield from found
        return
    yield from dependency.findings(snapshot, found)
    for finding in found:
        ours = dependency.is_ours(snapshot, finding)
        yield finding if ours else finding.at(_MILDER[finding.severity])


PROBE = Probe(
    id="endpoint.path",
    kind="endpoint",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=5,
    timeout=18,
    facts=view.facts,
    tables=view.tables,
    again=lambda snapshot, _: failing.look_again(snapshot),
    codes=codes(
        cause=(
            "NET_DNS_NXDOMAIN",
            "NET_DNS_SERVFAIL",
            "NET_DNS_TIMEOUT",
            "NET_DNS_NO_A",
            "NET_DNS_V6_ONLY",
            "NET_DNS_CHANGED",
            "NET_DNS_STALE",
            "NET_TARGET_ONE_BAD",
            "NET_TLS_EXPIRED",
            "NET_TLS_CLOCK",
            "NET_TLS_NAME",
            "NET_TLS_UNTRUSTED",
            "NET_TLS_CHAIN",
            "NET_TLS_PROTOCOL",
            "NET_TLS_TRUST_EXPIRED",
            "NET_TLS_CHANGED",
            "NET_HTTP_REDIRECT_LOOP",
            "NET_HTTP_HEADER_TOO_LONG",
            "DEP_EXTERNAL",
        ),
        either=(
            "NET_DNS_SLOW",
            "NET_DNS_AAAA_SILENT",
            "NET_TCP_TIMEOUT",
            "NET_TCP_REFUSED",
            "NET_TCP_RESET",
            "NET_TCP_UNREACH",
            "NET_TCP_SLOW",
            "NET_TCP_LOSS",
            "NET_CONN_MUTE",
            "NET_CONN_DROPPED",
            "NET_TLS_SLOW",
            "NET_HTTP_REDIRECT_DEAD",
        ),
        symptom=(
            "NET_HTTP_5XX",
            "NET_HTTP_FAILING",
            "NET_HTTP_4XX",
            "NET_HTTP_STATUS",
            "NET_HTTP_SLOW",
            "NET_HTTP_BODY",
            "NET_HTTP_SAYS_DOWN",
            "NET_HTTP_TRUNCATED",
            "NET_HTTP_SLOW_HEAD",
            "NET_HTTP_SLOW_BODY",
            "NET_HTTP_MALFORMED",
            "NET_GRPC_NOT_SERVING",
            "NET_GRPC_STATUS",
        ),
        risk=("NET_TCP_JITTER", "NET_TLS_EXPIRING", "NET_TLS_STRICT_ONLY", "NET_HTTP_HELD"),
        eye=(
            "NET_DNS_SERVER_SILENT",
            "NET_DNS_SPLIT",
            "NET_DNS_PRIVATE_FROM_PUBLIC",
            "NET_V6_BROKEN",
            "NET_TLS_CLIENT_CERT",
            "NET_GRPC_NO_HEALTH",
            "NET_CLOCK_SKEW",
        ),
        traits={
            Trait.MATTERS_AT_INFO: ("NET_DNS_CHANGED", "NET_TLS_CHANGED"),
            Trait.NO_ANSWER: (
                "NET_TCP_REFUSED",
                "NET_TCP_TIMEOUT",
                "NET_TCP_UNREACH",
                "NET_CONN_MUTE",
                "NET_CONN_DROPPED",
            ),
        },
    ),
)
