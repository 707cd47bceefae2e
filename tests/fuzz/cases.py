"""A question about a path, as every packet that has to be sent to answer it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from tests.fuzz.packets import Packet, Spot, Wires
from tests.fuzz.ranges import is_private, range_of


@dataclass(frozen=True, slots=True)
class End:
    """What the configuration names, and every spot that it may be."""

    settings: dict[str, Any]
    spots: Sequence[Spot]


@dataclass(frozen=True, slots=True)
class Case:
    """One question about one world."""

    wires: Wires
    source: End
    destination: End
    protocol: str
    port: int

    def packets(self) -> Iterator[tuple[Spot, Spot, Packet]]:
        """Every packet that has to be sent to know: each pair of ends, each reply port."""
        for mine, theirs in self._pairs():
            version = self._version(mine, theirs)
            for source, destination in product(mine, theirs):
                if not source.address.version == destination.address.version == version:
                    continue
                if self._aside(source, destination):
                    continue
                for reply in self._replies(source):
                    yield (
                        source,
                        destination,
                        Packet(protocol=self.protocol, port=self.port, reply=reply),
                    )

    def _pairs(self) -> list[tuple[list[Spot], list[Spot]]]:
        """Nobody's way to itself is one, where there is another."""
        pairs = [*product(_each(self.source.spots), _each(self.destination.spots))]
        apart = [(a, b) for a, b in pairs if not a[0].interface or a[0].interface != b[0].interface]
        return apart or pairs

    def _aside(self, source: Spot, destination: Spot) -> bool:
        """Whether it is an address that the internet as a whole does not stand for here."""
        narrower = self.wires.narrower
        return (source.everywhere and narrower(destination.subnet, source.address, out=False)) or (
            destination.everywhere and narrower(source.subnet, destination.address, out=True)
        )

    def apart(self) -> bool:
        """Whether some pair of ends has no packet to send."""
        return any(
            self._version(mine, theirs) not in {one.address.version for one in end}
            for mine, theirs in self._pairs()
            for end in (mine, theirs)
        )

    def _version(self, mine: Sequence[Spot], theirs: Sequence[Spot]) -> int:
        """IPv4 where both ends have it, unless IPv6 was named; of ICMP the family is its own."""
        if self.protocol in {"icmp", "icmpv6"}:
            return 4 if self.protocol == "icmp" else 6
        both = {one.address.version for one in mine} & {one.address.version for one in theirs}
        names = [str(end.settings.get(name, "")) for end in (self.source, self.destination)
                 for name in ("address", "cidr")]  # fmt: skip
        named = any(":" in name for name in names)
        return max(both, default=0) if named else min(both, default=0)

    def _replies(self, source: Spot) -> list[int]:
        if self.protocol not in {"tcp", "udp"}:
            return [0]
        low, high = (1024, 65535) if source.wide else (32768, 60999)
        edges = {low, high}
        for acl in self.wires.rows["DescribeNetworkAcls"]:
            for entry in acl["Entries"]:
                if span := entry.get("PortRange"):
                    edges |= {span["From"] - 1, span["From"], span["To"], span["To"] + 1}
        return [edge for edge in sorted(edges) if low <= edge <= high]


def _each(spots: Sequence[Spot]) -> list[list[Spot]]:
    """The spots of each interface; all those of an end without one."""
    found: dict[str, list[Spot]] = {}
    for spot in spots:
        found.setdefault(spot.interface, []).append(spot)
    return list(found.values())


def is_special(address: Any) -> bool:
    return is_private(address) or any(
        address in range_of(one)
        for one in ("169.254.0.0/16", "fe80::/10")
        if range_of(one).version == address.version
    )


def spots_of(card: dict[str, Any]) -> list[Spot]:
    """Every address of an interface; a public one stands before its own private address only."""
    groups = tuple(g["GroupId"] for g in card["Groups"])
    service = (
        card["NetworkInterfaceId"].replace("eni", "vpce")
        if card["InterfaceType"] == "vpc_endpoint"
        else ""
    )
    fields: dict[str, Any] = {"subnet": card["SubnetId"], "vpc": card["VpcId"], "groups": groups,
                   "interface": card["NetworkInterfaceId"], "service": service,
                   "wide": card["InterfaceType"] == "lambda"}  # fmt: skip
    four = [Spot(address=ipaddress.ip_address(one["PrivateIpAddress"]), public="Association" in one, **fields)
            for one in card["PrivateIpAddresses"]]  # fmt: skip
    six = [
        Spot(address=ipaddress.ip_address(one["Ipv6Address"]), **fields)
        for one in card.get("Ipv6Addresses", ())
    ]
    return [*four, *six]


def firsts(spots: Sequence[Spot]) -> list[Spot]:
    """An interface is judged by its first address of each family."""
    found: dict[int, Spot] = {}
    for spot in spots:
        found.setdefault(spot.address.version, spot)
    return list(found.values())
