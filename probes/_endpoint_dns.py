"""What is wrong with a name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from cockpit.connect.dns import Resolution
from cockpit.connect.net import PathLook
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes._endpoint_model import Settings, Snapshot, percentile

RUNBOOK = "path-dns"
_PRIVATE = tuple(
    ipaddress.ip_network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
_WORDS = {
    "nxdomain": ("NET_DNS_NXDOMAIN", Severity.CRITICAL, "there is no such name"),
    "servfail": ("NET_DNS_SERVFAIL", Severity.HIGH, "the name server failed (SERVFAIL)"),
    "refused": ("NET_DNS_SERVFAIL", Severity.HIGH, "the name server refused to answer"),
    "error": ("NET_DNS_SERVFAIL", Severity.HIGH, "the name could not be resolved"),
    "timeout": ("NET_DNS_TIMEOUT", Severity.HIGH, "the name was not resolved in time"),
    "no_answer": ("NET_DNS_NO_A", Severity.WARNING, "the name has no address"),
}
_LIKELY = {
    "NET_DNS_NXDOMAIN": (
        "the name is wrong or its record was deleted",
        "a private zone that is not visible from here",
    ),
    "NET_DNS_SERVFAIL": ("the resolver is broken", "the zone is broken (DNSSEC, lame delegation)"),
    "NET_DNS_TIMEOUT": ("the resolver is down", "port 53 is blocked on the way (VPN?)"),
    "NET_DNS_NO_A": ("the record was removed or has another type",),
}


def findings(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report the name; without addresses there is nothing else to report."""
    path = snapshot.path
    first = path.dns[0]
    if not first.addresses:
        yield _unresolved(path, first)
        return
    yield from _families(path)
    yield from _slow(path, settings)
    yield from _changed(path)
    yield from _differing(path)
    yield from _private(path)


def _unresolved(path: PathLook, first: Resolution) -> Finding:
    code, severity, words = _WORDS.get(first.outcome, _WORDS["error"])
    other = next((answer for answer in path.dns[1:] if answer.addresses), None)
    likely = _LIKELY[code]
    if other:
        likely = (f"this machine's resolver or VPN: {other.server} knows the name", *likely)
    return Finding(
        code,
        severity,
        f"{path.host}: {words}",
        evidence=(*_answers(path), Evidence("asked for", first.took, "s")),
        likely=likely,
        next="ask a second resolver, and compare with what the applications' network sees",
        runbook=RUNBOOK,
    )


def _families(path: PathLook) -> Iterator[Finding]:
    addresses = path.dns[0].addresses
    if path.dns[0].source != "literal" and all(":" in address for address in addresses):
        yield Finding(
            "NET_DNS_V6_ONLY",
            Severity.WARNING,
            f"{path.host} has IPv6 addresses only",
            evidence=_answers(path),
            next="clients without IPv6 cannot reach it: was the A record removed?",
            runbook=RUNBOOK,
        )


def _slow(path: PathLook, settings: Settings) -> Iterator[Finding]:
    if not path.dns_history:
        return
    took = percentile(path.dns_history, 0.95)
    severity = settings.dns.grade(took)
    if severity:
        yield Finding(
            "NET_DNS_SLOW",
            severity,
            f"{path.host} takes {duration(took)} to resolve",
            evidence=(
                Evidence("95th percentile", took, "s", settings.dns.first, path.dns_history),
                Evidence("look-ups", len(path.dns_history)),
            ),
            likely=("the first resolver of the list is dead", "a loaded or far resolver"),
            runbook=RUNBOOK,
            fact=False,
        )


def _changed(path: PathLook) -> Iterator[Finding]:
    now, before = set(path.dns[0].addresses), set(path.addresses_before)
    if before and now != before:
        yield Finding(
            "NET_DNS_CHANGED",
            Severity.INFO,
            f"{path.host} has other addresses than before",
            evidence=(
                Evidence("new", ", ".join(sorted(now - before)) or "none"),
                Evidence("gone", ", ".join(sorted(before - now)) or "none"),
                Evidence("TTL", path.dns[0].ttl, "s"),
            ),
            likely=("a failover or a scaling of the load balancer", "an answer of many addresses"),
        )


def _differing(path: PathLook) -> Iterator[Finding]:
    if path.dns_differs_for is None or len(path.dns) < 2:
        return
    ttl = path.dns[1].ttl or 0
    stale = path.dns_differs_for > max(2 * ttl, 5)
    yield Finding(
        "NET_DNS_STALE" if stale else "NET_DNS_SPLIT",
        Severity.HIGH if stale else Severity.INFO,
        f"{path.host}: the system uses addresses that the name server does not give"
        + (f", for {duration(path.dns_differs_for)}" if stale else ""),
        evidence=(*_answers(path), Evidence("differs for", path.dns_differs_for, "s", 2 * ttl)),
        likely=("a stale cache here; applications may have the same", "split horizon"),
        against=("an entry in the hosts file or a VPN's own resolver does this on purpose",),
        runbook=RUNBOOK if stale else "",
    )


def _private(path: PathLook) -> Iterator[Finding]:
    looks = path.addresses
    lost = looks and all(look.tcp.outcome in {"timeout", "unreachable"} for look in looks)
    if lost and all(map(_is_private, path.dns[0].addresses)):
        yield Finding(
            "NET_DNS_PRIVATE_FROM_PUBLIC",
            Severity.INFO,
            f"{path.host} has private addresses only, and none can be reached from here",
            evidence=_answers(path),
            likely=("this machine is outside the VPC: no VPN, or its route is missing",),
            next="look from inside before calling it down",
        )


def _is_private(address: str) -> bool:
    return any(ipaddress.ip_address(address) in network for network in _PRIVATE)


def _answers(path: PathLook) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            f"{answer.source} {answer.server}".strip(),
            ", ".join(answer.addresses[:8])
            or answer.outcome + (answer.detail and f" ({answer.detail})"),
        )
        for answer in path.dns
    )
