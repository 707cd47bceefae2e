"""Ranges of addresses, as the world of packets needs them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Range = ipaddress.IPv4Network | ipaddress.IPv6Network
_PRIVATE = [ipaddress.ip_network(one) for one in (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")]  # fmt: skip


@cache
def range_of(text: str) -> Range:
    """The range of a CIDR or an address."""
    return ipaddress.ip_network(text)


def is_private(address: Address) -> bool:
    """Whether no internet gateway carries it."""
    return any(address in one for one in _PRIVATE if one.version == address.version)


def addresses(ranges: Iterable[Range]) -> int:
    """How many they hold together; none holds another's in part only."""
    found = set(ranges)
    outer = [one for one in found if not any(one != o and _inside(one, o) for o in found)]
    return sum(one.num_addresses for one in outer)


def _inside(one: Range, other: Range) -> bool:
    return one.network_address in other and one.prefixlen >= other.prefixlen


def samples(outer: str, inner: Iterable[str]) -> list[Address]:
    """Addresses of a range that stand for all of it: beside every edge of the inner ranges."""
    whole = range_of(outer)
    edges = {int(whole.network_address), int(whole.broadcast_address)}
    for text in inner:
        one = range_of(text)
        if one.version == whole.version:
            low, high = int(one.network_address), int(one.broadcast_address)
            edges |= {low - 1, low, high, high + 1}
    kind = ipaddress.IPv4Address if whole.version == 4 else ipaddress.IPv6Address
    least, most = int(whole.network_address), int(whole.broadcast_address)
    return [kind(edge) for edge in sorted(edges) if least <= edge <= most]
