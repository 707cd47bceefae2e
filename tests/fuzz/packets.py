"""Packets sent one by one through a VPC as EC2 describes it. Knows nothing of the probe.

Its reading of the rules is the VPC User Guide's and nobody else's: security groups, network ACLs,
route tables, internet and NAT gateways, peerings, endpoints, VPC Block Public Access. A station
that it has no rule for (a transit gateway, an appliance) or that was not read is unknown; so is
what a packet meets there. Every station is asked, also behind one that drops.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.ranges import (
    Address,
    addresses,
    attached,
    destination_of,
    fits_echo,
    is_private,
    kind_of,
    range_of,
)

Row = Mapping[str, Any]
_NUMBERS = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58"}
_DEAD_ENDPOINTS = [
    "pendingacceptance",
    "pending",
    "deleting",
    "deleted",
    "rejected",
    "failed",
    "expired",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One address of one end."""

    address: Address
    subnet: str = ""
    """Empty outside of the VPC."""
    vpc: str = ""
    groups: tuple[str, ...] | None = ()
    """None: something is there, and nobody knows with which groups."""
    interface: str = ""
    public: bool | None = False
    """None: nobody knows."""
    wide: bool = False
    """Its answers come back to all ports from 1024, not only to Linux' 32768 to 60999."""
    everywhere: bool = False
    """It stands for the whole internet: what comes from there comes by the internet gateway."""
    service: str = ""
    """The endpoint that it is an interface of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """What the initiator sends; the answer comes back to `reply`."""

    protocol: str
    port: int
    reply: int


@dataclass(slots=True)
class Fate:
    """What becomes of one packet and its answer."""

    drops: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    far: bool = False
    """It leaves by a NAT gateway of another zone."""

    @property
    def word(self) -> str:
        """`drop` when anything drops it for certain, `unknown`, or `pass`."""
        return "drop" if self.drops else "unknown" if self.unknown else "pass"


@dataclass(slots=True)
class Wires:
    """EC2's rows, by operation; what is in `unread` was refused."""

    rows: Mapping[str, Sequence[Row]]
    lists: Mapping[str, list[str]]
    unread: frozenset[str]

    def send(self, source: Spot, destination: Spot, packet: Packet) -> Fate:
        """The packet goes, and its answer comes back, or not."""
        fate = Fate()
        if source.interface and source.interface == destination.interface:
            return fate
        near = bool(source.subnet) and source.subnet == destination.subnet
        named = True
        if source.subnet and not near:
            named = self._out(fate, source, destination, packet)
        elif not near:
            named = False
            self._in(fate, source, destination)
        if source.subnet:
            self._guarded(fate, source, destination, packet, egress=True, named=named)
        if destination.subnet:
            self._guarded(fate, destination, source, packet, egress=False, named=named)
        self._service(fate, destination)
        if not near:
            self._lines(fate, source, destination, packet)
            if destination.subnet:
                self._answer(fate, source, destination)
        return fate

    def narrower(self, subnet: str, to: Address, *, out: bool) -> bool:
        """Whether a route takes it away from the default one: it is not "the internet" then.

        What goes out by NAT is led on by a second table.
        """
        if self._narrower(subnet, to):
            return True
        row = self._route(subnet, to)
        if isinstance(row, str) or kind_of(row) != "nat" or row["State"] == "blackhole" or not out:
            return False
        nats = [one.get("SubnetId", "") for one in self.rows["DescribeNatGateways"]
                if one["NatGatewayId"] == row["NatGatewayId"]]  # fmt: skip
        return any(self._narrower(one, to) for one in nats if one)

    def _narrower(self, subnet: str, to: Address) -> bool:
        table = self._table(subnet)
        rows = table["Routes"] if table else ()
        found = [(range_of(cidr), kind_of(row)) for row in rows for cidr in self._cidrs(row)]
        mine = [(one, kind) for one, kind in found if one.version == to.version]
        inner = [one for one, _ in mine if one.prefixlen]
        left = 2**to.max_prefixlen - addresses(inner)
        has_default = left > 0 and len(inner) < len(mine)
        return any(
            to in one
            for one, kind in mine
            if one.prefixlen and (has_default or kind in {"vpce", "local"})
        )

    def _cidrs(self, row: Row) -> list[str]:
        listed = row.get("DestinationPrefixListId", "")
        return (self._listed(listed) or []) if listed else [destination_of(row)]

    # --- security groups ---------------------------------------------------------------------

    def _guarded(
        self, fate: Fate, mine: Spot, other: Spot, packet: Packet, *, egress: bool, named: bool
    ) -> None:
        way = "egress group" if egress else "ingress group"
        known = {row["GroupId"]: row for row in self.rows["DescribeSecurityGroups"]}
        if mine.groups is None or "DescribeSecurityGroups" in self.unread:
            fate.unknown.add(way)
            return
        if any(group not in known for group in mine.groups):
            fate.unknown.add(way)
            return
        member = "IpPermissionsEgress" if egress else "IpPermissions"
        says = [
            self._allowed(permission, other, packet, named=named)
            for group in mine.groups
            for permission in known[group].get(member, ())
        ]
        if True not in says:
            (fate.unknown if None in says else fate.drops).add(way)

    def _allowed(self, rule: Row, other: Spot, packet: Packet, *, named: bool) -> bool | None:
        number = _NUMBERS.get(rule["IpProtocol"], rule["IpProtocol"])
        if number not in {"-1", _NUMBERS.get(packet.protocol, packet.protocol)}:
            return False
        low, high = rule.get("FromPort", -1), rule.get("ToPort", -1)
        if number in {"6", "17"} and low != -1 and not low <= packet.port <= high:
            return False
        if number in {"1", "58"} and not fits_echo(low, high, 8 if number == "1" else 128):
            return False
        cidrs = [one["CidrIp"] for one in rule.get("IpRanges", ())]
        cidrs += [one["CidrIpv6"] for one in rule.get("Ipv6Ranges", ())]
        maybe = False
        for one in rule.get("PrefixListIds", ()):
            listed = self._listed(one["PrefixListId"])
            maybe = maybe or listed is None
            cidrs += listed or []
        if any(other.address in range_of(cidr) for cidr in cidrs):
            return True
        for pair in rule.get("UserIdGroupPairs", ()):
            alive = pair.get("PeeringStatus", "active") == "active"
            if named and alive and pair["GroupId"] in (other.groups or ()):
                return True
            maybe = maybe or (named and alive and other.groups is None)
        return None if maybe else False

    def _listed(self, name: str) -> list[str] | None:
        return None if name in self.unread else self.lists.get(name, [])

    # --- network ACLs ------------------------------------------------------------------------

    def _lines(self, fate: Fate, source: Spot, destination: Spot, packet: Packet) -> None:
        """Four times, for each subnet on its own: stateless."""
        there = packet.port
        if source.subnet:
            self._line(fate, "acl", source.subnet, destination.address, packet, there, egress=True)
            self._line(fate, "acl return", source.subnet, destination.address, packet,
                       packet.reply, egress=False, back=True)  # fmt: skip
        if destination.subnet:
            self._line(fate, "acl", destination.subnet, source.address, packet, there, egress=False)
            self._line(fate, "acl return", destination.subnet, source.address, packet,
                       packet.reply, egress=True, back=True)  # fmt: skip

    def _line(
        self, fate: Fate, name: str, subnet: str, peer: Address, packet: Packet, port: int,
        *, egress: bool, back: bool = False,
    ) -> None:  # fmt: skip
        acls = [
            row
            for row in self.rows["DescribeNetworkAcls"]
            if any(one["SubnetId"] == subnet for one in row["Associations"])
        ]
        if not acls or "DescribeNetworkAcls" in self.unread:
            fate.unknown.add(name)
            return
        number = _NUMBERS.get(packet.protocol, packet.protocol)
        kind = {("1", False): 8, ("1", True): 0, ("58", False): 128, ("58", True): 129}
        for entry in sorted(acls[0]["Entries"], key=lambda row: int(row["RuleNumber"])):
            if entry["Egress"] != egress or entry["Protocol"] not in {"-1", number}:
                continue
            if peer not in range_of(entry.get("CidrBlock") or entry["Ipv6CidrBlock"]):
                continue
            span, icmp = entry.get("PortRange"), entry.get("IcmpTypeCode")
            if span and not span["From"] <= port <= span["To"]:
                continue
            if icmp and not fits_echo(icmp["Type"], icmp["Code"], kind.get((number, back), -2)):
                continue
            if entry["RuleAction"] == "allow":
                return
            break
        fate.drops.add(name)

    # --- routes ------------------------------------------------------------------------------

    def _route(self, subnet: str, to: Address) -> Row | str:
        """The route, `none`, or `unknown`."""
        if "DescribeRouteTables" in self.unread:
            return "unknown"
        table = self._table(subnet)
        if table is None:
            return "unknown"
        found: list[tuple[tuple[int, ...], Row]] = []
        hidden = False
        for row in table["Routes"]:
            listed = row.get("DestinationPrefixListId", "")
            cidrs = self._listed(listed) if listed else [destination_of(row)]
            if cidrs is None:  # the list of a service has no private ranges
                hidden = hidden or not (is_private(to) and self._is_service(row))
                continue
            propagated = row.get("Origin") not in {"CreateRouteTable", "CreateRoute"}
            for cidr in cidrs:
                if to in range_of(cidr):
                    rank = (
                        -range_of(cidr).prefixlen,
                        kind_of(row) != "local",
                        propagated,
                        bool(listed),
                    )
                    found.append((tuple(map(int, rank)), row))
        if hidden:
            return "unknown"
        return min(found, key=lambda one: one[0])[1] if found else "none"

    def _is_service(self, row: Row) -> bool:
        return "DescribeVpcEndpoints" not in self.unread and any(
            one["VpcEndpointId"] == row.get("GatewayId") and one["VpcEndpointType"] == "Gateway"
            for one in self.rows["DescribeVpcEndpoints"]
        )

    def _table(self, subnet: str) -> Row | None:
        tables = self.rows["DescribeRouteTables"]
        for row in tables:
            if any(one.get("SubnetId") == subnet for one in row["Associations"]):
                return row
        vpc = next(r["VpcId"] for r in self.rows["DescribeSubnets"] if r["SubnetId"] == subnet)
        for row in tables:
            if row["VpcId"] == vpc and any(one.get("Main") for one in row["Associations"]):
                return row
        return None

    def _out(  # noqa: C901 - one case a kind of target
        self, fate: Fate, source: Spot, destination: Spot, packet: Packet
    ) -> bool:
        """From the source's subnet; whether a group that a rule names is known beyond."""
        row = self._route(source.subnet, destination.address)
        if isinstance(row, str):
            (fate.drops if row == "none" else fate.unknown).add("route")
            return True
        if row.get("State") == "blackhole":
            fate.drops.add("route")
            return True
        match kind_of(row):
            case "local":
                if destination.subnet and destination.vpc != source.vpc:
                    fate.drops.add("route")
                elif not destination.subnet:
                    fate.unknown.add("route")
                return True
            case "igw" | "eigw" if destination.subnet:
                self._beyond(fate, "route", destination)
                return False
            case "nat" if destination.subnet:
                self._turned(fate, row["NatGatewayId"], destination)
                return False
            case "igw":
                self._gateway(fate, row["GatewayId"], source, out=True)
                return False
            case "eigw":
                self._blocked(fate, source.subnet, source.vpc, by="eigw", out=True)
                return False
            case "nat":
                self._nat(fate, row["NatGatewayId"], source, destination, packet)
                return False
            case "pcx":
                self._peering(fate, "peering", row["VpcPeeringConnectionId"], destination)
                return True
            case "vpce":
                self._endpoint(fate, row["GatewayId"], destination)
                return False
            case "tgw":
                self._transit(fate, row["TransitGatewayId"], source, destination)
                return True
            case "vgw":
                fate.unknown.add("route")
                return True
        self._appliance(fate, row["NetworkInterfaceId"])
        return False

    def _in(self, fate: Fate, source: Spot, destination: Spot) -> None:
        """From outside: the internet's way is the gateway; how others come is not visible."""
        if is_private(source.address):
            return
        row = self._route(destination.subnet, source.address)
        lines = {"tgw", "vgw", "eni", "vpce"}
        line = row == "unknown" if isinstance(row, str) else kind_of(row) in lines
        if line and not source.everywhere:
            fate.unknown.add("gateway")
            return
        gateways = [r["InternetGatewayId"] for r in self.rows["DescribeInternetGateways"]
                    if destination.vpc in attached(r)]  # fmt: skip
        if "DescribeInternetGateways" in self.unread:
            fate.unknown.add("gateway")
        elif not gateways:
            fate.drops.add("gateway")
        if source.address.version == 4 and destination.public is not True:
            (fate.unknown if destination.public is None else fate.drops).add("gateway")
        for gateway in gateways:
            self._edge(fate, gateway, destination)
        self._blocked(fate, destination.subnet, destination.vpc, by="igw", out=False)

    def _answer(self, fate: Fate, source: Spot, destination: Spot) -> None:
        row = self._route(destination.subnet, source.address)
        if isinstance(row, str):
            (fate.drops if row == "none" else fate.unknown).add("return route")
            return
        kind, ours = kind_of(row), bool(source.subnet)
        if row.get("State") == "blackhole":
            fate.drops.add("return route")
        elif kind == "local":
            if ours and source.vpc != destination.vpc:
                fate.drops.add("return route")
            elif not ours:
                fate.unknown.add("return route")
        elif kind in {"igw", "nat", "eigw"}:
            if ours and kind == "igw":
                self._beyond(fate, "return route", source)
            elif ours or is_private(source.address) or kind != "igw":
                fate.drops.add("return route")
        elif kind == "pcx" and not ours and not is_private(source.address):
            fate.drops.add("return route")
        elif kind == "pcx":
            self._peering(fate, "return route", row["VpcPeeringConnectionId"], source, back=True)
        elif ours or not is_private(source.address):
            fate.unknown.add("return route")

    # --- gateways ----------------------------------------------------------------------------

    def _gateway(self, fate: Fate, name: str, spot: Spot, *, out: bool) -> None:
        rows = [r for r in self.rows["DescribeInternetGateways"] if r["InternetGatewayId"] == name]
        if "DescribeInternetGateways" in self.unread:
            fate.unknown.add("gateway")
        elif not any(spot.vpc in attached(row) for row in rows):
            fate.drops.add("gateway")
        if spot.address.version == 4 and spot.public is not True:
            (fate.unknown if spot.public is None else fate.drops).add("gateway")
        self._edge(fate, name, spot)
        self._blocked(fate, spot.subnet, spot.vpc, by="igw", out=out)

    def _edge(self, fate: Fate, gateway: str, spot: Spot) -> None:
        """A table of the gateway itself sends what comes in through an appliance."""
        for table in self.rows["DescribeRouteTables"]:
            if "DescribeRouteTables" in self.unread:
                return
            if any(one.get("GatewayId") == gateway for one in table["Associations"]) and any(
                kind_of(row) != "local" and spot.address in range_of(destination_of(row))
                for row in table["Routes"]
            ):
                fate.unknown.add("gateway")

    def _nat(  # noqa: C901 - every way in which one may drop
        self, fate: Fate, name: str, source: Spot, destination: Spot, packet: Packet
    ) -> None:
        rows = [r for r in self.rows["DescribeNatGateways"] if r["NatGatewayId"] == name]
        if not rows or "DescribeNatGateways" in self.unread:
            fate.unknown.add("nat")
            return
        row = rows[0]
        if row["State"] != "available":
            fate.drops.add("nat")
            return
        if packet.protocol not in {"tcp", "udp", "icmp"}:
            fate.drops.add("nat")
        if source.address.version == 6:
            fate.unknown.add("nat")
            return
        subnet = row.get("SubnetId", "")
        fate.far = bool(subnet) and self._zone(subnet) != self._zone(source.subnet)
        if not subnet:  # a regional one has no subnet, table or ACL of the account's
            self._blocked(fate, "", row["VpcId"], by="nat", out=True)
            return
        if subnet != source.subnet:
            self._line(fate, "acl", subnet, source.address, packet, packet.port, egress=False)
            self._line(fate, "acl return", subnet, source.address, packet, packet.reply,
                       egress=True, back=True)  # fmt: skip
        self._line(fate, "acl", subnet, destination.address, packet, packet.port, egress=True)
        self._line(fate, "acl return", subnet, destination.address, packet, packet.reply,
                   egress=False, back=True)  # fmt: skip
        onward = self._route(subnet, destination.address)
        if isinstance(onward, str):
            (fate.drops if onward == "none" else fate.unknown).add("nat")
        elif onward.get("State") == "blackhole" or kind_of(onward) in {
            "nat",
            "eigw",
            "pcx",
            "local",
        }:
            fate.drops.add("nat")
        elif kind_of(onward) != "igw":
            fate.unknown.add("nat")
        elif row.get("ConnectivityType", "public") == "private":
            fate.drops.add("nat")
        else:
            at = Spot(address=source.address, subnet=subnet, vpc=row["VpcId"], public=True)
            gateways = [r for r in self.rows["DescribeInternetGateways"]
                        if r["InternetGatewayId"] == onward["GatewayId"]]  # fmt: skip
            if "DescribeInternetGateways" in self.unread:
                fate.unknown.add("nat")
            elif not any(at.vpc in attached(one) for one in gateways):
                fate.drops.add("nat")
            own = ipaddress.ip_address(row["NatGatewayAddresses"][0]["PrivateIp"])
            self._edge(fate, onward["GatewayId"], Spot(address=own))
            self._blocked(fate, subnet, at.vpc, by="nat", out=True)

    def _zone(self, subnet: str) -> str:
        rows = self.rows["DescribeSubnets"]
        return next(str(r["AvailabilityZone"]) for r in rows if r["SubnetId"] == subnet)

    def _beyond(self, fate: Fate, station: str, to: Spot) -> None:
        """An internet gateway carries no private address; a public one of a VPC it may."""
        (fate.drops if is_private(to.address) else fate.unknown).add(station)

    def _turned(self, fate: Fate, name: str, to: Spot) -> None:
        """A NAT gateway passes private addresses on where its own subnet has a way."""
        rows = [r for r in self.rows["DescribeNatGateways"] if r["NatGatewayId"] == name]
        if not rows or "DescribeNatGateways" in self.unread:
            fate.unknown.add("route")
            return
        subnet = rows[0].get("SubnetId", "")
        row = self._route(subnet, to.address) if subnet else "unknown"
        if rows[0]["State"] != "available":
            fate.drops.add("nat")
        if isinstance(row, str):
            (fate.drops if row == "none" else fate.unknown).add("route")
        elif row.get("State") == "blackhole" or kind_of(row) in {"igw", "eigw", "nat"}:
            (fate.unknown if to.address.version == 6 else fate.drops).add("route")
        else:
            fate.unknown.add("route")

    def _transit(self, fate: Fate, name: str, source: Spot, to: Spot) -> None:
        """What gets into the gateway is not seen again; some of it does not get in."""
        fate.unknown.add("route")
        seen = ("DescribeTransitGatewayVpcAttachments", "DescribeTransitGatewayAttachments")
        rows = [
            row
            for row in self.rows[seen[0]]
            if (row["TransitGatewayId"], row["VpcId"]) == (name, source.vpc)
        ]
        if not rows or self.unread & {*seen}:
            return
        if self._zone(source.subnet) not in set(map(self._zone, rows[0]["SubnetIds"])):
            fate.drops.add("transit")
            return
        id_ = rows[0]["TransitGatewayAttachmentId"]
        held = next(r for r in self.rows[seen[1]] if r["TransitGatewayAttachmentId"] == id_)
        if held["TransitGatewayOwnerId"] != held["ResourceOwnerId"]:
            return
        if held.get("Association", {}).get("State") != "associated":
            fate.drops.add("transit")
            return
        if to.everywhere:  # which of its routes the whole internet takes is not asked
            return
        found = [r for r in self.rows["transit routes"] if to.address in range_of(r["Cidr"])]
        best = max(found, key=lambda r: range_of(r["Cidr"]).prefixlen, default=None)
        if best is None or best["State"] != "active":
            fate.drops.add("transit")

    def _appliance(self, fate: Fate, name: str) -> None:
        """An interface that is not attached, or checks whom packets are for, forwards none."""
        cards = self.rows["DescribeNetworkInterfaces"]
        card = next(row for row in cards if row["NetworkInterfaceId"] == name)
        if card["Status"] == "available" or card["SourceDestCheck"]:
            fate.drops.add("appliance")
        fate.unknown.add("route")

    def _peering(
        self, fate: Fate, station: str, name: str, to: Spot, *, back: bool = False
    ) -> None:
        peerings = self.rows["DescribeVpcPeeringConnections"]
        rows = [r for r in peerings if r["VpcPeeringConnectionId"] == name]
        if not rows or "DescribeVpcPeeringConnections" in self.unread:
            if to.subnet or not back:  # an answer arrives as its question did
                fate.unknown.add(station)
            return
        sides = {rows[0][side]["VpcId"] for side in ("RequesterVpcInfo", "AccepterVpcInfo")}
        if rows[0]["Status"]["Code"] != "active" or (to.vpc and to.vpc not in sides):
            fate.drops.add(station)
        elif not to.subnet and not back:
            fate.unknown.add(station)

    def _service(self, fate: Fate, destination: Spot) -> None:
        if destination.service:
            self._available(fate, destination.service)

    def _endpoint(self, fate: Fate, name: str, destination: Spot) -> None:
        """A gateway endpoint is a service's own door; any other is an appliance's."""
        rows = [r for r in self.rows["DescribeVpcEndpoints"] if r["VpcEndpointId"] == name]
        if not rows or rows[0]["VpcEndpointType"] != "Gateway" or destination.subnet:
            fate.unknown.add("route")
        if rows:
            self._available(fate, name)
        if "DescribeVpcEndpoints" in self.unread:
            fate.unknown.add("endpoint")

    def _available(self, fate: Fate, name: str) -> None:
        rows = [r for r in self.rows["DescribeVpcEndpoints"] if r["VpcEndpointId"] == name]
        state = rows[0]["State"].lower() if rows else ""
        if "DescribeVpcEndpoints" in self.unread or not rows:
            fate.unknown.add("endpoint")
        elif state in _DEAD_ENDPOINTS:
            fate.drops.add("endpoint")
        elif state != "available":
            fate.unknown.add("endpoint")

    # --- VPC Block Public Access -------------------------------------------------------------

    def _blocked(self, fate: Fate, subnet: str, vpc: str, *, by: str, out: bool) -> None:
        if "DescribeVpcBlockPublicAccessOptions" in self.unread:
            fate.unknown.add("public access")
            return
        options = self.rows["DescribeVpcBlockPublicAccessOptions"][0]
        mode = options["InternetGatewayBlockMode"]
        if options["State"] == "update-in-progress":
            fate.unknown.add("public access")
            return
        if mode == "off":
            return
        if mode == "block-ingress" and out and by != "igw":
            return
        if (
            mode not in {"block-bidirectional", "block-ingress"}
            or "DescribeVpcBlockPublicAccessExclusions" in self.unread
        ):
            fate.unknown.add("public access")
            return
        live, pending = set(), set()
        for row in self.rows["DescribeVpcBlockPublicAccessExclusions"]:
            if row["ResourceArn"].rpartition("/")[2] not in {subnet, vpc}:
                continue
            if row["State"] in {"create-complete", "update-complete"}:
                live.add(row["InternetGatewayExclusionMode"])
            elif row["State"] not in {"create-failed", "delete-complete", "disable-complete"}:
                pending.add(row["InternetGatewayExclusionMode"])
        if live == {"allow-bidirectional"} or (live and out and by != "igw"):
            return
        egress = out and mode == "block-bidirectional" and "allow-egress" in live
        if pending or egress or "allow-bidirectional" in live:
            fate.unknown.add("public access")
        else:
            fate.drops.add("public access")
