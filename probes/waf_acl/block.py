"""Whom an IP set could block: what it held stays, one address comes; some are never offered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from probes.waf_acl.findings import loudest
from probes.waf_acl.model import Settings, Snapshot

MOST = 10_000
"""Addresses that a set may hold (AWS WAF quotas)."""


def offered(snapshot: Snapshot, settings: Settings) -> Snapshot:
    """The snapshot with the address that sends most, where blocking it is known to be right enough.

    `UpdateIPSet` replaces the whole list, so what is offered is the list that was read, and this
    one. Never: an address that is not public (then the sample names a proxy), one that is there
    already, one of `never_block`, or a set that is held against a header.
    """
    source, share = loudest(snapshot)
    why, cidr = "", ""
    if source is None or settings.source.grade(share) is None:
        why = "no address sends a large share of the samples"
    elif snapshot.samples < settings.sampled:
        why = f"fewer than {settings.sampled} samples"
    else:
        why, cidr = _judged(snapshot, source.name)
    if why or snapshot.ip_set is None:
        return replace(snapshot, block_address="", block_after=(), block_why=why)
    after = (*snapshot.ip_set.addresses, cidr)
    return replace(snapshot, block_address=cidr, block_after=after, block_why="")


def _judged(snapshot: Snapshot, name: str) -> tuple[str, str]:
    """Why not, and the address as a set names it: one of the two is empty."""
    held = snapshot.ip_set
    if held is None:
        return "no rule that blocks has one IP set, or none that the configuration names", ""
    if held.forwarded:
        return "the set is held against a header, and samples name who connects", ""
    if not held.lock:
        return "WAF gave no lock token with the set", ""
    try:
        address = ip_address(name)
    except ValueError:
        return "the samples name no address", ""
    if not address.is_global or address.is_multicast:
        return "the address is not public: it is a proxy's of yours", ""
    if f"IPV{address.version}" != held.version:
        return f"the set holds addresses of {held.version or 'an unknown version'}", ""
    if any(address in each for each in _networks(snapshot.never_block)):
        return "the configuration says never to block it", ""
    if any(address in each for each in _networks(held.addresses)):
        return "the set has it already; WAF takes up to minutes to spread it", ""
    if len(held.addresses) >= MOST:
        return "the set is full", ""
    return "", f"{address}/{address.max_prefixlen}"


def _networks(texts: tuple[str, ...]) -> Iterator[IPv4Network | IPv6Network]:
    for text in texts:
        try:
            yield ip_network(text, strict=False)
        except ValueError:
            continue
