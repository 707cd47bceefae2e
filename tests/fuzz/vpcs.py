"""Random small VPCs as EC2's answers, with two ends of a path through them."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tests.fuzz.cases import Case, End, firsts, is_special, spots_of
from tests.fuzz.packets import Spot, Wires
from tests.fuzz.ranges import range_of, samples

Row = dict[str, Any]
PORTS = (443, 5432)
OUTSIDE = ("198.51.100.7", "203.0.113.5", "52.216.3.4", "2001:db8::5", "2a05:d018::9")
OFFICE = ("172.16.9.0/24", "192.168.3.4/32", "fd00:9::/64")
LISTS = ("pl-1", "pl-2", "pl-s3")
_ALL = {4: "0.0.0.0/0", 6: "::/0"}
_MAY_BE_REFUSED = (
    "DescribeRouteTables",
    "DescribeNetworkAcls",
    "DescribeSecurityGroups",
    "DescribeInternetGateways",
    "DescribeNatGateways",
    "DescribeVpcPeeringConnections",
    "DescribeVpcEndpoints",
    "DescribeVpcBlockPublicAccessOptions",
    "DescribeVpcBlockPublicAccessExclusions",
    "DescribeTransitGatewayVpcAttachments",
    "DescribeTransitGatewayAttachments",
    *LISTS,
)


class Maker:
    """Builds one world from one seed."""

    def __init__(self, seed: str) -> None:
        self.dice = random.Random(seed)
        self.rows: dict[str, list[Row]] = {}
        self.calm = self.dice.choice((0.5, 0.8, 0.95))
        """How often a thing is as it should be."""

    def case(self) -> Case:
        """The whole."""
        many = self.dice.choice((1, 1, 2, 2, 3))
        self.vpcs = [f"vpc-{n}" for n in range(many)]
        self.rows["DescribeVpcs"] = [self._vpc(n) for n in range(many)]
        self.rows["DescribeSubnets"] = [s for n in range(many) for s in self._subnets(n)]
        self.subnets = self.rows["DescribeSubnets"]
        self._peerings()
        self._gateways()
        self._groups()
        self.rows["DescribeNetworkInterfaces"] = [i for s in self.subnets for i in self._cards(s)]
        self._tables()
        self._acls()
        self._public_access()
        lists = {"pl-1": self._cidrs(2), "pl-2": self._cidrs(1),
                 "pl-s3": ["52.216.0.0/15", "2a05:d018::/32"]}  # fmt: skip
        refused = [n for n in _MAY_BE_REFUSED if self.dice.random() > 0.985]
        source = self._end()
        destination = self._end(inside=not source.spots[0].subnet)
        source, destination = self._known(source, destination), self._known(destination, source)
        self._beyond()
        wires = Wires(rows={**self.rows}, lists=lists, unread=frozenset(refused))
        protocol = self.dice.choice(("tcp",) * 7 + ("udp", "icmp", "icmp", "icmpv6", "47"))
        return Case(wires, self._spread(source, wires), self._spread(destination, wires),
                    protocol, self.dice.choice(PORTS))  # fmt: skip

    def _known(self, end: End, other: End) -> End:
        """An address that nobody has is looked for in the VPC of the other end only."""
        spot, there = end.spots[0], other.spots[0]
        if spot.groups is not None or (spot.vpc == there.vpc and there.groups is not None):
            return end
        card = self.dice.choice(self.rows["DescribeNetworkInterfaces"])
        return End({"interface": card["NetworkInterfaceId"]}, firsts(spots_of(card)))

    def _well(self) -> bool:
        return self.dice.random() < self.calm

    # --- the ground --------------------------------------------------------------------------

    def _vpc(self, n: int) -> Row:
        row: Row = {"VpcId": f"vpc-{n}", "CidrBlock": f"10.{n}.0.0/16"}
        six = {
            "Ipv6CidrBlock": str(range_of(f"2600:1f16:0:{n}00::/56")),
            "Ipv6CidrBlockState": {"State": "associated"},
        }
        return row | {"Ipv6CidrBlockAssociationSet": [six]}

    def _subnets(self, n: int) -> Iterator[Row]:
        for at in range(self.dice.choice((2, 3))):
            row: Row = {"SubnetId": f"subnet-{n}{at}", "VpcId": f"vpc-{n}",
                        "AvailabilityZone": self.dice.choice("ab"), "CidrBlock": f"10.{n}.{at}.0/24",
                        "AvailableIpAddressCount": 99}  # fmt: skip
            if self.dice.random() < 0.6:
                state = {"State": "associated"}
                row["Ipv6CidrBlockAssociationSet"] = [
                    {
                        "Ipv6CidrBlock": str(range_of(f"2600:1f16:0:{n}{at:02x}::/64")),
                        "Ipv6CidrBlockState": state,
                    }
                ]
            yield row

    def _cards(self, subnet: Row) -> Iterator[Row]:
        n, at = subnet["SubnetId"][-2:]
        groups = [
            g["GroupId"]
            for g in self.rows["DescribeSecurityGroups"]
            if g["VpcId"] == subnet["VpcId"]
        ]
        for host in (7, 9):
            id_ = f"eni-{n}{at}{host}"
            first = {"PrivateIpAddress": f"10.{n}.{at}.{host}"}
            second = {"PrivateIpAddress": f"10.{n}.{at}.{host + 100}"}
            if self.dice.random() < 0.6:
                first["Association"] = {"PublicIp": f"198.51.{n}{at}.{host}"}  # type: ignore[assignment]
            row: Row = {"NetworkInterfaceId": id_, "SubnetId": subnet["SubnetId"],
                        "VpcId": subnet["VpcId"], **first, "Status": "in-use",
                        "InterfaceType": self.dice.choice(("interface",) * 5 + ("lambda",)),
                        "PrivateIpAddresses": [{**first, "Primary": True}, second],
                        "Attachment": {"InstanceId": f"i-{n}{at}{host}"},
                        "Groups": [{"GroupId": g} for g in self.dice.sample(groups, self.dice.choice((1, 1, 2)))]}  # fmt: skip
            if "Ipv6CidrBlockAssociationSet" in subnet and self.dice.random() < 0.8:
                six = subnet["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace(
                    "/64", str(host)
                )
                row["Ipv6Addresses"] = [{"Ipv6Address": six}]
            if self.dice.random() < 0.08:
                row["InterfaceType"] = "vpc_endpoint"
                self._endpoint(id_.replace("eni", "vpce"), subnet["VpcId"], "Interface")
                self.rows["DescribeVpcEndpoints"][-1]["NetworkInterfaceIds"] = [id_]
            yield row

    def _endpoint(self, id_: str, vpc: str, kind: str) -> None:
        state = "available" if self._well() else self.dice.choice(
            ("Available", "pending", "pendingAcceptance", "deleting", "failed", "partial", "strange"))  # fmt: skip
        self.rows["DescribeVpcEndpoints"].append(
            {"VpcEndpointId": id_, "VpcId": vpc, "VpcEndpointType": kind, "State": state}
        )

    def _peerings(self) -> None:
        self.rows["DescribeVpcPeeringConnections"] = [
            {"VpcPeeringConnectionId": f"pcx-{a[-1]}{b[-1]}",
             "Status": {"Code": "active" if self._well() else self.dice.choice(("pending-acceptance", "deleted", "expired"))},
             "RequesterVpcInfo": {"VpcId": a}, "AccepterVpcInfo": {"VpcId": b}}
            for a, b in zip(self.vpcs, [*self.vpcs[1:], "vpc-far"], strict=True)
        ]  # fmt: skip

    def _gateways(self) -> None:
        self.rows["DescribeVpcEndpoints"] = []
        self.rows["DescribeInternetGateways"] = [
            {"InternetGatewayId": f"igw-{vpc[-1]}",
             "Attachments": [{"VpcId": vpc, "State": "available"}] if self._well() else []}
            for vpc in self.vpcs
        ]  # fmt: skip
        self.rows["DescribeNatGateways"] = []
        for vpc in self.vpcs:
            self._endpoint(
                f"vpce-s3{vpc[-1]}", vpc, "Gateway" if self._well() else "GatewayLoadBalancer"
            )
            place = self.dice.choice([s for s in self.subnets if s["VpcId"] == vpc])
            row: Row = {"NatGatewayId": f"nat-{vpc[-1]}", "VpcId": vpc,
                        "State": "available" if self._well() else self.dice.choice(("pending", "failed", "deleting", "deleted")),
                        "ConnectivityType": "public" if self.dice.random() < 0.9 else "private",
                        "NatGatewayAddresses": [{"PrivateIp": place["CidrBlock"].replace("0/24", "200")}]}  # fmt: skip
            regional = {"AvailabilityMode": "regional"}
            row |= {"SubnetId": place["SubnetId"]} if self.dice.random() < 0.9 else regional
            self.rows["DescribeNatGateways"].append(row)

    # --- rules -------------------------------------------------------------------------------

    def _cidrs(self, many: int, version: int = 0) -> list[str]:
        """Ranges that mean something here."""
        ours = [s["CidrBlock"] for s in self.subnets] + [
            v["CidrBlock"] for v in self.rows["DescribeVpcs"]
        ]
        for subnet in self.subnets:
            ours += [one["Ipv6CidrBlock"] for one in subnet.get("Ipv6CidrBlockAssociationSet", ())]
        hosts = [f"10.{s['SubnetId'][-2]}.{s['SubnetId'][-1]}.7/32" for s in self.subnets]
        near = [
            "198.51.100.0/24",
            "203.0.113.0/24",
            "0.0.0.0/1",
            "2001:db8::/32",
            "10.0.0.0/8",
            *OFFICE,
        ]
        known = [c for c in (*ours, *hosts, *near, *_ALL.values(), *_ALL.values())
                 if version in {0, range_of(c).version}]  # fmt: skip
        return self.dice.sample(known, many)

    def _groups(self) -> None:
        self.names = [f"sg-{vpc[-1]}{n}" for vpc in self.vpcs for n in "abc"]
        self.rows["DescribeSecurityGroups"] = [
            {"GroupId": name, "GroupName": name, "VpcId": f"vpc-{name[3]}",
             "IpPermissions": [self._permission(name) for _ in range(self.dice.choice((1, 2, 3)))],
             "IpPermissionsEgress": [self._permission(name, wide=self.calm) for _ in range(self.dice.choice((1, 2)))]}
            for name in self.names
        ]  # fmt: skip

    def _permission(self, name: str, wide: float = 0.3) -> Row:
        row: Row = self.dice.choice(
            [{"IpProtocol": "-1"}] * 2
            + [{"IpProtocol": "tcp", "FromPort": low, "ToPort": high}
               for low, high in ((443, 443), (0, 65535), (5000, 6000), (5432, 5432), (-1, -1))]
            + [{"IpProtocol": "udp", "FromPort": 443, "ToPort": 5432}, {"IpProtocol": "47"},
               {"IpProtocol": "icmp", "FromPort": 8, "ToPort": self.dice.choice((-1, 0, 3))},
               {"IpProtocol": self.dice.choice(("icmp", "icmpv6", "58")), "FromPort": -1, "ToPort": -1}]
        )  # fmt: skip
        if self.dice.random() < wide:
            return {
                "IpProtocol": "-1",
                "IpRanges": [{"CidrIp": _ALL[4]}],
                "Ipv6Ranges": [{"CidrIpv6": _ALL[6]}],
            }
        row = dict(row)
        kind = self.dice.choice(("cidr", "cidr", "group", "group", "list"))
        if kind == "group":
            other = self.dice.choice(self.names)
            pair: Row = {"GroupId": other}
            if other[3] != name[3]:
                pair["PeeringStatus"] = "active" if self._well() else "deleted"
            row["UserIdGroupPairs"] = [pair]
        elif kind == "list":
            row["PrefixListIds"] = [{"PrefixListId": self.dice.choice(LISTS)}]
        else:
            for cidr in self._cidrs(2):
                four = range_of(cidr).version == 4
                row.setdefault("IpRanges" if four else "Ipv6Ranges", []).append(
                    {"CidrIp" if four else "CidrIpv6": cidr}
                )
        return row

    def _acls(self) -> None:
        rows = []
        for subnet in self.subnets:
            entries = [
                self._entry(n, way)
                for way in (True, False)
                for n in range(100, 100 + 10 * self.dice.choice((0, 1, 2)), 10)
            ]
            if self._well():
                entries += [
                    self._entry(90 if self._well() else 200, way, open_=True, version=v)
                    for way in (True, False)
                    for v in (4, 6)
                ]
            entries += [
                {
                    "RuleNumber": 32767,
                    "Egress": way,
                    "RuleAction": "deny",
                    "Protocol": "-1",
                    "CidrBlock": _ALL[4],
                }
                for way in (True, False)
            ]
            entries += [
                {
                    "RuleNumber": 32768,
                    "Egress": way,
                    "RuleAction": "deny",
                    "Protocol": "-1",
                    "Ipv6CidrBlock": _ALL[6],
                }
                for way in (True, False)
            ]
            self.dice.shuffle(entries)
            kept = list({(one["RuleNumber"], one["Egress"]): one for one in entries}.values())
            rows.append({"NetworkAclId": f"acl-{subnet['SubnetId']}", "VpcId": subnet["VpcId"], "Entries": kept,
                         "Associations": [{"SubnetId": subnet["SubnetId"]}]})  # fmt: skip
        self.rows["DescribeNetworkAcls"] = rows

    def _entry(self, number: int, egress: bool, *, open_: bool = False, version: int = 0) -> Row:
        row: Row = {
            "RuleNumber": number + (version == 6),
            "Egress": egress,
            "Protocol": "-1",
            "RuleAction": "allow",
        }
        (cidr,) = [_ALL[version]] if open_ else self._cidrs(1)
        row["CidrBlock" if range_of(cidr).version == 4 else "Ipv6CidrBlock"] = cidr
        if open_:
            return row
        row["Protocol"] = self.dice.choice(("-1", "6", "6", "6", "17", "1", "58", "47"))
        row["RuleAction"] = self.dice.choice(("allow", "allow", "deny"))
        if row["Protocol"] in {"6", "17"}:
            low, high = self.dice.choice(
                (
                    (0, 65535),
                    (443, 443),
                    (1024, 65535),
                    (32768, 60999),
                    (1024, 40000),
                    (40001, 65535),
                    (5432, 5432),
                    (0, 1023),
                )
            )
            row["PortRange"] = {"From": low, "To": high}
        elif row["Protocol"] in {"1", "58"}:
            kinds = (8, 0) if row["Protocol"] == "1" else (128, 129)
            kind, code = self.dice.choice(((-1, -1), (kinds[0], -1), (kinds[1], 0), (3, 4)))
            row["IcmpTypeCode"] = {"Type": kind, "Code": code}
        return row

    def _tables(self) -> None:
        rows = []
        for vpc in self.vpcs:
            own = [s["SubnetId"] for s in self.subnets if s["VpcId"] == vpc]
            named = own[: self.dice.choice((0, 1, 1, len(own)))]
            public = self._table(vpc, [{"SubnetId": s} for s in named], self._routes(vpc, "igw"))
            main = [{"Main": True}] if self.dice.random() < 0.98 else []
            rows += [
                public,
                self._table(
                    vpc, main, self._routes(vpc, self.dice.choice(("nat", "nat", "igw", "tgw")))
                ),
            ]
            if self.dice.random() < 0.15:
                inner = self.dice.choice([s for s in self.subnets if s["VpcId"] == vpc])[
                    "CidrBlock"
                ]
                rows.append(self._table(vpc, [{"GatewayId": f"igw-{vpc[-1]}"}], [
                    {"DestinationCidrBlock": inner, "NetworkInterfaceId": "eni-appliance", "State": "active"}]))  # fmt: skip
        for at, row in enumerate(rows):
            row["RouteTableId"] = f"rtb-{at}"
        self.rows["DescribeRouteTables"] = rows

    def _table(self, vpc: str, users: list[Row], routes: list[Row]) -> Row:
        place = next(v for v in self.rows["DescribeVpcs"] if v["VpcId"] == vpc)
        local = {"GatewayId": "local", "State": "active", "Origin": "CreateRouteTable"}
        six = place["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
        every = [
            {"DestinationCidrBlock": place["CidrBlock"], **local},
            {"DestinationIpv6CidrBlock": six, **local},
            *routes,
        ]
        self.dice.shuffle(every)
        return {"VpcId": vpc, "Associations": users, "Routes": every}

    def _routes(self, vpc: str, by: str) -> list[Row]:
        n = vpc[-1]
        found: list[Row] = []
        if self._well():
            found.append({"DestinationCidrBlock": _ALL[4], **self._target(by, n)})
            out = "igw" if by == "igw" else self.dice.choice(("eigw", "igw"))
            found.append({"DestinationIpv6CidrBlock": _ALL[6], **self._target(out, n)})
        elif self.dice.random() < 0.5:
            halves = ("0.0.0.0/1", "128.0.0.0/1")
            found += [
                {
                    "DestinationCidrBlock": half,
                    **self._target(self.dice.choice(("igw", "nat", "tgw")), n),
                }
                for half in halves
            ]
        for row in self.rows["DescribeVpcPeeringConnections"]:
            sides = [row[side]["VpcId"] for side in ("RequesterVpcInfo", "AccepterVpcInfo")]
            far = [s for s in self.vpcs if s != vpc and s in sides]
            if vpc in sides and self._well():
                dead = row["Status"]["Code"] != "active" and self.dice.random() < 0.7
                to = {
                    "VpcPeeringConnectionId": row["VpcPeeringConnectionId"],
                    "State": "blackhole" if dead else "active",
                    "Origin": "CreateRoute",
                }
                found.append(
                    {
                        "DestinationCidrBlock": f"10.{far[0][-1]}.0.0/16"
                        if far
                        else "10.77.0.0/16",
                        **to,
                    }
                )
                if far:
                    found.append(
                        {
                            "DestinationIpv6CidrBlock": str(
                                range_of(f"2600:1f16:0:{far[0][-1]}00::/56")
                            ),
                            **to,
                        }
                    )
        if self.dice.random() < 0.5:
            found.append({"DestinationPrefixListId": "pl-s3", **self._target("vpce", n)})
        if self.dice.random() < 0.5:
            cidr = self.dice.choice(
                (*OFFICE, "10.0.0.0/8", "198.51.100.0/24", "203.0.113.0/25", "2001:db8::/32")
            )
            name = (
                "DestinationCidrBlock"
                if range_of(cidr).version == 4
                else "DestinationIpv6CidrBlock"
            )
            kind = self.dice.choice(
                ("tgw", "vgw", "eni", "pcx", "igw", "nat" if "." in cidr else "eigw")
            )
            found.append({name: cidr, **self._target(kind, n)})
        if self.dice.random() < 0.1:
            found.append(
                {
                    "DestinationPrefixListId": "pl-2",
                    **self._target(self.dice.choice(("tgw", "eni")), n),
                }
            )
        if self.dice.random() < 0.1:  # an appliance between two subnets of the VPC
            inner = self.dice.choice([s for s in self.subnets if s["VpcId"] == vpc])["CidrBlock"]
            found.append(
                {"DestinationCidrBlock": inner, **self._target(self.dice.choice(("eni", "nat")), n)}
            )
        return list({str(one): one for one in found}.values())

    def _target(self, kind: str, n: str) -> Row:
        names = {"igw": ("GatewayId", f"igw-{n}"), "vgw": ("GatewayId", f"vgw-{n}"),
                 "vpce": ("GatewayId", f"vpce-s3{n}"), "nat": ("NatGatewayId", f"nat-{n}"),
                 "eigw": ("EgressOnlyInternetGatewayId", f"eigw-{n}"),
                 "tgw": ("TransitGatewayId", "tgw-1"), "eni": ("NetworkInterfaceId", "eni-appliance"),
                 "pcx": ("VpcPeeringConnectionId", f"pcx-{n}{int(n) + 1 if f'vpc-{int(n) + 1}' in self.vpcs else 'r'}")}  # fmt: skip
        member, value = names[kind]
        state = "active" if self.dice.random() < 0.9 else "blackhole"
        origin = "CreateRoute" if self.dice.random() < 0.9 else "EnableVgwRoutePropagation"
        return {member: value, "State": state, "Origin": origin}

    def _public_access(self) -> None:
        mode = "off" if self.dice.random() < 0.6 else self.dice.choice(
            ("block-bidirectional", "block-ingress", "block-ingress", "strange"))  # fmt: skip
        state = "update-in-progress" if self.dice.random() < 0.05 else "update-complete"
        self.rows["DescribeVpcBlockPublicAccessOptions"] = [
            {"InternetGatewayBlockMode": mode, "State": state}
        ]
        self.rows["DescribeVpcBlockPublicAccessExclusions"] = [
            {"ExclusionId": f"vpcbpa-{at}",
             "ResourceArn": f"arn:aws:ec2:eu-west-1:1:{what.partition('-')[0]}/{what}",
             "InternetGatewayExclusionMode": self.dice.choice(("allow-bidirectional", "allow-bidirectional", "allow-egress")),
             "State": self.dice.choice(("create-complete",) * 4 + ("update-complete", "create-in-progress", "create-failed", "delete-in-progress", "delete-complete", "disable-complete"))}
            for at in range(self.dice.choice((0, 1, 2, 3)))
            for what in [self.dice.choice([*self.vpcs, *(s["SubnetId"] for s in self.subnets)])]
        ]  # fmt: skip

    def _beyond(self) -> None:
        """What routes may lead to besides: an appliance, and a transit gateway with its table."""
        self.rows["DescribeNetworkInterfaces"].append(
            {"NetworkInterfaceId": "eni-appliance", "SubnetId": self.subnets[0]["SubnetId"],
             "VpcId": self.vpcs[0], "Groups": [], "PrivateIpAddresses": [],
             "Attachment": {"InstanceId": "i-appliance"},
             "Status": self.dice.choice(("in-use", "in-use", "available")),
             "SourceDestCheck": self.dice.random() < 0.3}
        )  # fmt: skip
        vpcs, held = [], []
        for vpc in [one for one in self.vpcs if self.dice.random() < 0.7]:
            own = [s["SubnetId"] for s in self.subnets if s["VpcId"] == vpc]
            id_ = f"tgw-attach-{vpc[-1]}"
            vpcs.append({"TransitGatewayAttachmentId": id_, "TransitGatewayId": "tgw-1", "VpcId": vpc,
                         "SubnetIds": self.dice.sample(own, self.dice.choice((1, len(own))))})  # fmt: skip
            row: Row = {"TransitGatewayAttachmentId": id_, "TransitGatewayOwnerId": "1",
                        "ResourceOwnerId": self.dice.choice("112")}  # fmt: skip
            if self._well():
                state = "associated" if self._well() else "disassociating"
                row["Association"] = {"TransitGatewayRouteTableId": "tgw-rtb-1", "State": state}
            held.append(row)
        self.rows["DescribeTransitGatewayVpcAttachments"] = vpcs
        self.rows["DescribeTransitGatewayAttachments"] = held
        cidrs = [_ALL[4], _ALL[6], *OFFICE, *(v["CidrBlock"] for v in self.rows["DescribeVpcs"])]
        self.rows["transit routes"] = [
            {"Cidr": cidr, "State": self.dice.choice(("active", "active", "blackhole"))}
            for cidr in self.dice.sample(cidrs, self.dice.choice((1, 3, 5)))
        ]

    # --- the ends ----------------------------------------------------------------------------

    def _end(self, *, inside: bool = False) -> End:
        kind = self.dice.choice(("interface", "interface", "group", "group", "instance", "address", "address", "pseudo")
                                + (() if inside else ("internet", "public", "public", "cidr")))  # fmt: skip
        card = self.dice.choice(self.rows["DescribeNetworkInterfaces"])
        first = spots_of(card)
        match kind:
            case "interface":
                return End({"interface": card["NetworkInterfaceId"]}, firsts(first))
            case "group":
                name = card["Groups"][0]["GroupId"]
                cards = [
                    c
                    for c in self.rows["DescribeNetworkInterfaces"]
                    if {"GroupId": name} in c["Groups"]
                ]
                return End(
                    {"security_group": name}, [s for c in cards for s in firsts(spots_of(c))]
                )
            case "instance":
                return End({"instance": card["Attachment"]["InstanceId"]}, firsts(first))
            case "address":
                spot = self.dice.choice(first)
                rest = [one for one in firsts(first) if one.address.version != spot.address.version]
                if self.dice.random() < 0.25:
                    lost = f"{card['PrivateIpAddress'].rpartition('.')[0]}.66"
                    nobody = Spot(address=ipaddress.ip_address(lost), subnet=card["SubnetId"],
                                  vpc=card["VpcId"], groups=None, public=None)  # fmt: skip
                    return End({"address": lost}, [nobody])
                return End({"address": str(spot.address)}, [spot, *rest])
            case "pseudo":
                subnet = next(s for s in self.subnets if s["SubnetId"] == card["SubnetId"])
                cidrs = [
                    subnet["CidrBlock"],
                    *(s["Ipv6CidrBlock"] for s in subnet.get("Ipv6CidrBlockAssociationSet", ())),
                ]
                name = card["Groups"][0]["GroupId"]
                named = {"security_group": name, "subnet": card["SubnetId"]}
                return End(named, [Spot(address=range_of(c)[0], subnet=card["SubnetId"], vpc=card["VpcId"],
                                        groups=(name,), public=None) for c in cidrs])  # fmt: skip
            case "internet":
                return End(
                    {"internet": True},
                    [
                        Spot(address=range_of(c)[0], everywhere=True, wide=True)
                        for c in _ALL.values()
                    ],
                )
            case "cidr":
                cidr = self.dice.choice(OFFICE)
                return End({"cidr": cidr}, [Spot(address=range_of(cidr)[0])])
        public = self.dice.choice(OUTSIDE)
        return End({"cidr": public}, [Spot(address=ipaddress.ip_address(public), wide=True)])

    def _spread(self, end: End, wires: Wires) -> End:
        """Ranges as the addresses that stand for them."""
        if (
            "internet" not in end.settings
            and "subnet" not in end.settings
            and "/" not in str(end.settings.get("cidr", ""))
        ):
            return end
        edges = self._edges(wires.lists)
        spots = []
        for spot in end.spots:
            if "internet" in end.settings:
                cidr = _ALL[spot.address.version]
            elif "cidr" in end.settings:
                cidr = end.settings["cidr"]
            else:
                subnet = next(s for s in self.subnets if s["SubnetId"] == spot.subnet)
                cidrs = [
                    subnet["CidrBlock"],
                    *(s["Ipv6CidrBlock"] for s in subnet.get("Ipv6CidrBlockAssociationSet", ())),
                ]
                cidr = next(c for c in cidrs if range_of(c).version == spot.address.version)
            found = samples(cidr, edges)
            if "internet" in end.settings:
                found = [one for one in found if not is_special(one)]
            spots += [replace(spot, address=one) for one in found]
        return End(end.settings, spots)

    def _edges(self, lists: Mapping[str, list[str]]) -> set[str]:
        found = {cidr for listed in lists.values() for cidr in listed}
        for group in self.rows["DescribeSecurityGroups"]:
            for rule in (*group["IpPermissions"], *group["IpPermissionsEgress"]):
                found |= {one["CidrIp"] for one in rule.get("IpRanges", ())}
                found |= {one["CidrIpv6"] for one in rule.get("Ipv6Ranges", ())}
        for acl in self.rows["DescribeNetworkAcls"]:
            found |= {e.get("CidrBlock") or e["Ipv6CidrBlock"] for e in acl["Entries"]}
        for table in self.rows["DescribeRouteTables"]:
            found |= {
                c
                for r in table["Routes"]
                for c in (r.get("DestinationCidrBlock"), r.get("DestinationIpv6CidrBlock"))
                if c
            }
        return found
