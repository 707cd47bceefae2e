"""A third party in trouble: what the path shows, beside what the provider says about itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cockpit.connect.net.status import ProviderLook
from cockpit.triage.finding import Evidence, Finding, Severity, worst
from probes.endpoint.model import Snapshot
from probes.endpoint.tls import OWN_CERTIFICATE

_OURS = {
    "NET_CLOCK_SKEW",
    "NET_DNS_PRIVATE_FROM_PUBLIC",
    "NET_DNS_SERVER_SILENT",
    "NET_DNS_SPLIT",
    "NET_DNS_STALE",
    "NET_TCP_UNREACH",
    "NET_TLS_CLIENT_CERT",
    "NET_TLS_TRUST_EXPIRED",
}
_NO_PROOF = {"NET_V6_BROKEN"}
"""Says nothing about them: many networks lose IPv6 on their own way out."""
_SAYS = {
    "minor": Severity.INFO,
    "maintenance": Severity.INFO,
    "major": Severity.WARNING,
    "critical": Severity.WARNING,
}


def is_ours(snapshot: Snapshot, finding: Finding) -> bool:
    """Whether it tells of this machine and its network, also when seen at somebody else's."""
    if finding.code == "NET_DNS_TIMEOUT":
        return any(answer.outcome == "unreachable" for answer in snapshot.path.dns)
    return finding.code in _OURS or finding.subject == OWN_CERTIFICATE


def findings(snapshot: Snapshot, found: Sequence[Finding]) -> Iterator[Finding]:
    """Report the provider once: by what we see, else by what it says."""
    theirs = [
        finding
        for finding in found
        if (finding.severity >= Severity.WARNING or _limits_us(snapshot, finding))
        and finding.code not in _NO_PROOF
        and not is_ours(snapshot, finding)
    ]
    provider = snapshot.path.provider
    if theirs:
        yield _seen(snapshot, theirs, provider)
    elif provider and provider.level in _SAYS:
        yield _said(snapshot, provider)


def _limits_us(snapshot: Snapshot, finding: Finding) -> bool:
    """Whether it answers 429: then callers are refused too, whoever of them asks too often."""
    answers = [look.http.status for look in snapshot.path.addresses if look.http]
    return finding.code == "NET_HTTP_4XX" and 429 in answers


def _seen(snapshot: Snapshot, theirs: Sequence[Finding], provider: ProviderLook | None) -> Finding:
    """A third party that the configuration names is in trouble, as seen from here.

    Its single findings are in the evidence. Our own way out would look the same, so compare another
    host outside.
    """
    first = max(theirs, key=lambda finding: finding.severity.rank)
    against = ["our own way out (NAT, proxy, DNS) would look the same: compare another host"]
    if provider and provider.level == "none":
        against.append("its status page says that all is well (such pages are late)")
    by_name = first.code.startswith("NET_DNS_")
    limited = _limits_us(snapshot, first)
    if limited:
        against.append("only this look may be limited: compare the errors of who calls it")
    if by_name:
        # a resolver's word: its own failure reads as that of the provider's name servers
        against.append("our resolver would look the same: look the name up at another one")
    is_cut = all(look.outcome != "ok" for look in snapshot.path.addresses)
    admits = provider is not None and provider.level in _SAYS
    return Finding(
        "DEP_EXTERNAL",
        Severity.HIGH if worst(theirs) is Severity.CRITICAL or is_cut else Severity.WARNING,
        f"the third party {snapshot.path.host} cannot be found by its name: {first.summary}"
        if by_name
        else f"the third party {snapshot.path.host} is in trouble: {first.summary}",
        evidence=(
            *_provider(provider),
            *(Evidence(finding.code, finding.summary) for finding in theirs[:6]),
            *first.evidence[:4],
        ),
        likely=("an outage of the provider, which it admits",)
        if admits
        else first.likely
        if by_name
        else ("they limit us: more is asked than they allow, or asked again too often",)
        if limited
        else ("an outage of the provider", "they limit or block us"),
        against=tuple(against),
        next="shed or queue what depends on it; compare the latency of who calls it",
        fact=any(finding.fact for finding in theirs),
        began=first.began,
        resolution=first.resolution,
    )


def _said(snapshot: Snapshot, provider: ProviderLook) -> Finding:
    """The provider's status page tells of trouble that is not seen from here.

    It may be another part of it, or about to reach us.
    """
    words = provider.incidents[0] if provider.incidents else provider.words
    return Finding(
        "DEP_EXTERNAL",
        _SAYS[provider.level],
        f"{snapshot.path.host}: its provider reports trouble ({words}); from here it answers well",
        evidence=tuple(_provider(provider)),
        likely=("a part of the provider that this path does not use", "it is about to reach us"),
        against=("every address answers here as it should",),
        next="watch the calls to it; know how to switch it off",
    )


def _provider(provider: ProviderLook | None) -> Iterator[Evidence]:
    if provider is None:
        return
    said = f"{provider.level}: {provider.words}" if provider.level else f"unread: {provider.words}"
    yield Evidence("its status page", said)
    for incident in provider.incidents[:3]:
        yield Evidence("open there", incident)
