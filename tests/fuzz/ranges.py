"""Ranges of addresses and members of EC2's rows, as the world of packets needs them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Range = ipaddress.IPv4Network | ipaddress.IPv6Network
Row = Mapping[str, Any]
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


def fits_echo(low: int, code: int, kind: int) -> bool:
    """Whether a rule's type and code fit an echo, whose code is 0."""
    return low == -1 or (low == kind and code in {-1, 0})


def destination_of(row: Row) -> str:
    return str(row.get("DestinationCidrBlock") or row.get("DestinationIpv6CidrBlock"))


def kind_of(row: Row) -> str:
    """What a route leads to."""
    if "GatewayId" in row:
        return str(row["GatewayId"]).partition("-")[0]
    for member, kind in (
        ("NatGatewayId", "nat"),
        ("VpcPeeringConnectionId", "pcx"),
        ("EgressOnlyInternetGatewayId", "eigw"),
        ("TransitGatewayId", "tgw"),
    ):
        if member in row:
            return kind
    return "eni"


def attached(row: Row) -> Iterator[str]:
    for one in row["Attachments"]:
        if one["State"] == "available":
            yield one["VpcId"]
