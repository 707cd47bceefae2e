"""The VPC as configured: plain values, from which every verdict about a path is computed.

Source: EC2 Describe calls. Everything here is what the configuration says; host firewalls,
listening sockets, Network Firewall verdicts and other accounts are not visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cockpit.connect.session import Series
from probes.metrics import NO_DATA

ANY = -1
"""For ports and ICMP types: all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRule:
    """One source or destination that a security group allows. There is no denying rule."""

    group: str
    egress: bool
    protocol: str
    """`tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1` for all."""
    low: int = ANY
    high: int = ANY
    """The ports, or ICMP type and code."""
    kind: str
    """What `peer` is: `cidr`, `group` or `prefix_list`."""
    peer: str
    peering: str = ""
    """For a group of a peered VPC: the peering's status; empty in the same VPC."""
    id: str = ""
    """`sgr-…`; empty when the rules' ids could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup:
    """A security group."""

    id: str
    name: str = ""
    vpc: str = ""
    rules: tuple[GroupRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AclEntry:
    """One line of a network ACL. The `*` line is number 32767 and denies."""

    number: int
    egress: bool
    allow: bool
    protocol: str
    cidr: str
    low: int = ANY
    high: int = ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Acl:
    """A network ACL: stateless, the lowest matching number decides."""

    id: str
    default: bool = False
    entries: tuple[AclEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route. `destination` is a CIDR or a prefix list's id."""

    destination: str
    kind: str
    """`local`, `igw`, `eigw`, `nat`, `pcx`, `tgw`, `vgw`, `vpce`, `eni`, `instance`, `other`."""
    target: str
    state: str = "active"
    """`active`, `blackhole` or `filtered`."""
    origin: str = "CreateRoute"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """A route table with the subnets that name it; `main` serves those that name none."""

    id: str
    vpc: str
    main: bool = False
    subnets: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    gateways: tuple[str, ...] = ()
    """Gateways whose arriving packets it routes ("ingress routing")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet. `free` addresses of `total`; None when AWS did not say."""

    id: str
    vpc: str
    zone: str
    cidrs: tuple[str, ...]
    """IPv4 first, then IPv6."""
    name: str = ""
    free: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nat:
    """A NAT gateway. `zone` is its subnet's; empty for a regional one."""

    id: str
    subnet: str
    state: str
    public: bool = True
    zone: str = ""
    failure: str = ""
    created: datetime | None = None
    address: str = ""
    """Its own private one; empty for a regional one, which has several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NatLoad:
    """What a NAT gateway on the way carries and refuses, per minute."""

    id: str
    port_errors: Series = NO_DATA
    """Connections that got no port: 55,000 go to one destination for each of its addresses."""
    dropped: Series = NO_DATA
    """Packets."""
    arrived: Series = NO_DATA
    """Packets from both sides; asked for when some were dropped."""
    attempts: Series = NO_DATA
    established: Series = NO_DATA
    active: Series = NO_DATA
    """Connections at once: always published."""
    idle: Series = NO_DATA
    """Connections that were idle for 350 seconds and are forgotten, of three hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peering:
    """A peering connection. CIDRs of the other account's side may be missing."""

    id: str
    status: str
    vpcs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A VPC endpoint. `state` is in small letters, as EC2 answers with either spelling."""

    id: str
    kind: str
    """`Interface`, `Gateway`, `GatewayLoadBalancer` and others."""
    state: str
    interfaces: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    """In which it has an interface; empty: not known, or it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A VPC or a subnet that VPC Block Public Access leaves alone."""

    of: str
    """The id of the VPC or the subnet."""
    mode: str
    """`allow-bidirectional` or `allow-egress`."""
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicAccess:
    """VPC Block Public Access of the account in this region."""

    mode: str = "off"
    """`off`, `block-bidirectional` or `block-ingress`."""
    state: str = "default-state"
    exclusions: tuple[Exclusion, ...] | None = ()
    """None: they could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transit:
    """How a VPC hangs at a transit gateway."""

    attachment: str
    zones: tuple[str, ...] = ()
    """Zones in which the attachment has a subnet; empty: not known."""
    associated: bool | None = None
    """Whether it has a route table; None: not known, as for a gateway of another account."""
    table: str = ""
    routes: Mapping[str, str] = field(default_factory=dict)
    """Destination that was asked for → the state of its best route: `active`, `blackhole`, or
    empty for none. What is not here was not asked, or not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarder:
    """An interface that a route leads to, so that it passes packets on."""

    interface: str
    state: str = ""
    checks: bool | None = None
    """Whether it takes only what is for itself; None: not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Everything that was read of the VPCs that a path touches, by id."""

    vpcs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """VPC → its CIDRs."""
    subnets: dict[str, Subnet] = field(default_factory=dict)
    groups: dict[str, SecurityGroup] = field(default_factory=dict)
    acls: dict[str, Acl] = field(default_factory=dict)
    acl_of: dict[str, str] = field(default_factory=dict)
    """Subnet → network ACL."""
    tables: dict[str, RouteTable] = field(default_factory=dict)
    internet_gateways: dict[str, str] = field(default_factory=dict)
    """Internet gateway → the VPC that it is attached to; empty when detached."""
    nats: dict[str, Nat] = field(default_factory=dict)
    peerings: dict[str, Peering] = field(default_factory=dict)
    prefix_lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Only those that could be read."""
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    transits: dict[str, Transit] = field(default_factory=dict)
    """`tgw-… vpc-…` → how that VPC hangs at that gateway."""
    forwarders: dict[str, Forwarder] = field(default_factory=dict)
    """Target of a route → the interface."""
    public_access: PublicAccess | None = PublicAccess()
    """None: it could not be read."""
    unread: tuple[str, ...] = ()
    """What could not be read, in words: verdicts that need it are undetermined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathEnd:
    """One end, resolved: an interface, or an address range where nothing more is known."""

    label: str
    cidrs: tuple[str, ...]
    """Its private addresses, or the range; `0.0.0.0/0` and `::/0` for the internet."""
    vpc: str = ""
    """Empty outside of the VPCs that were read."""
    subnet: str = ""
    groups: tuple[str, ...] = ()
    guard: str = "groups"
    """`groups`; `unknown`: inside the VPC, but no interface was found; `assumed`: a range, which
    has no guard of its own."""
    interface: str = ""
    public: tuple[str, ...] = ()
    kind: str = "host"
    """Decides the ephemeral ports: `host`, `endpoint`, `balancer`, `nat`, `lambda`, `internet`."""

    @property
    def inside(self) -> bool:
        """Whether it is in a subnet that was read."""
        return bool(self.subnet)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What is to pass: a port of a protocol. The port means nothing for ICMP."""

    protocol: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """One thing that stands in the way. `partial`: only of some connections."""

    code: str
    hop: int
    """The number of the hop, from 1 in the order in which a packet and its answer meet them."""
    where: str
    """The hop in words: `ingress of sg-…`."""
    subject: str
    """The id of what has to change."""
    summary: str
    partial: bool = False
    mild: bool = False
    """A risk rather than an obstacle: told, and never a reason to call the path blocked."""
    rule: str = ""
    """The deciding rule: an ACL entry, a route; empty when it is the absence of one."""
    nearest: str = ""
    """The rule that comes nearest, and what it lacks."""
    group_id: str = ""
    """The security group to change; empty when it is not one."""
    suggestion: dict[str, Any] | None = None
    """The narrowest rule that would open it, as arguments of AuthorizeSecurityGroup…; None when
    that would not be safe, or is not a matter of a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One station of the way. `outcome`: `passes`, `blocks`, `partly`, `unknown`."""

    name: str
    subject: str
    outcome: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The verdict for one source and one destination."""

    source: str
    destination: str
    verdict: str
    """`open` (nothing in the configuration forbids it), `blocked`, `partly`, `undetermined`."""
    hops: tuple[Hop, ...]
    blockers: tuple[Blocker, ...] = ()
    """In the order of the hops: the first one is the one to mend first."""
    unknown: tuple[str, ...] = ()
    """What was assumed or could not be read."""


def fits_protocol(rule: str, flow: str) -> bool:
    """Whether a rule's protocol covers the flow's."""
    return rule in {"-1", flow}


def normal_protocol(value: str) -> str:
    """Names for the numbers that have one; EC2 answers with either."""
    return {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}.get(value, value.lower())


def has_ports(protocol: str) -> bool:
    """Whether ports mean something for a protocol."""
    return protocol in {"tcp", "udp"}


def ephemeral(kind: str) -> tuple[int, int]:
    """The ports that the initiator's answers come back to.

    Linux' default; balancers, NAT gateways, Lambda and clients on the internet use 1024 to 65535
    (VPC User Guide, “Ephemeral ports”).
    """
    return (32768, 60999) if kind in {"host", "endpoint"} else (1024, 65535)


def fits_icmp(low: int, code: int, kind: int) -> bool:
    """Whether the ICMP type and code of a rule cover an echo of a type, whose code is 0."""
    return low == ANY or (low == kind and code in {ANY, 0})
