"""What is said of a path: its blockers, what could not be seen, and risks beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import count
from probes.answers import Gap
from probes.vpc_path import groups
from probes.vpc_path.model import (
    Blocker,
    Flow,
    NatLoad,
    Network,
    PathEnd,
    SecurityGroup,
    Way,
    has_ports,
)
from probes.vpc_path.routes import is_public


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Counts of addresses; shares are of one."""

    needed: bool = True
    """Whether something needs the path: then a blocked one is critical, else a warning."""
    free_addresses: Thresholds = Thresholds(warning=16, critical=5, below=True)
    free_share: float = 0.1
    """Share of free addresses below which a subnet is told of, when it is not large."""
    small_subnet: int = 4096
    """A subnet with more addresses than this is judged by the count alone."""
    nat_port_minutes: int = 2
    """Of five, in which a NAT gateway had no port for a connection."""
    nat_drops: Thresholds = Thresholds(warning=0.0001)
    """Share of the packets that arrive at a NAT gateway."""
    nat_packets: float = 10_000
    """With fewer packets in five minutes a share is not judged."""
    nat_established: Thresholds = Thresholds(warning=0.9, below=True)
    """Share of the connections that were tried by a NAT gateway."""
    nat_attempts: float = 100
    """With fewer attempts in five minutes a share is not judged."""
    nat_idle_times: float = 5
    """Times the usual number of connections that are forgotten."""
    nat_idle_least: float = 500
    """Forgotten connections in five minutes, below which nothing is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The ends, the configuration between them, and the verdict that follows from it.

    `verdict` and `blockers` are computed when the snapshot is taken, so that steps can read them.
    """

    at: datetime
    sources: tuple[PathEnd, ...]
    destinations: tuple[PathEnd, ...]
    flow: Flow
    network: Network
    verdict: str = "undetermined"
    blockers: tuple[Blocker, ...] = ()
    ways: tuple[Way, ...] = ()
    unexamined: int = 0
    """Kinds of ends beyond the first twelve of a side, which were left alone."""
    unknown: tuple[str, ...] = field(default=())
    """What could not be read, or was assumed."""
    nat_load: tuple[NatLoad, ...] = ()
    """Of the NAT gateways that packets of the path go through."""
    gaps: tuple[Gap, ...] = ()
    """Metrics that could not be read: the verdict does without."""


_LIKELY = {
    "PATH_SG_INGRESS_DENIED": (
        "the rule was revoked, or never covered this source",
        "the source got another security group",
    ),
    "PATH_SG_EGRESS_DENIED": ("the default egress rule was narrowed",),
    "PATH_NACL_DENIED": ("an entry with a low number was added", "a new ACL denies by default"),
    "PATH_NACL_EPHEMERAL_DENIED": ("ACLs are stateless: the answers' ports were forgotten",),
    "PATH_NACL_EPHEMERAL_PARTIAL": (
        "the open range is narrower than the initiator's ephemeral ports: it works at times",
    ),
    "PATH_NO_ROUTE": ("the route was deleted", "the subnet fell back to the main table"),
    "PATH_NO_RETURN_ROUTE": ("the route exists in one direction only",),
    "PATH_ROUTE_BLACKHOLE": ("the route's NAT gateway, peering or instance was deleted",),
    "PATH_IGW_NO_PUBLIC_IP": ("the interface lost its elastic address",),
    "PATH_TGW_NO_ATTACHMENT_AZ": ("the subnet is new, in a zone that was never attached",),
    "PATH_TGW_NO_ROUTE": ("propagation was switched off", "the static route was deleted"),
    "PATH_TGW_BLACKHOLE": ("the attachment behind it was deleted", "it was written as one"),
    "PATH_SRC_DST_CHECK": ("the appliance was made anew, and the check is on by default",),
    "PATH_ENI_NOT_IN_USE": ("the instance or task that had it is gone",),
    "PATH_NAT_NOT_AVAILABLE": ("the NAT gateway was deleted or failed to start",),
    "PATH_PUBLIC_ACCESS_BLOCKED": (
        "somebody blocked public access for the account, or the organisation did",
        "the exclusion of this VPC or subnet was deleted",
    ),
    "PATH_ENDPOINT_NOT_AVAILABLE": ("the endpoint was deleted, or waits to be accepted",),
}
"""What is likely behind a blocker, and what each one means.

PATH_SG_INGRESS_DENIED: No rule of the destination's security groups lets this flow in: connections
time out. Groups only allow, so one missing rule is enough. What was open before stays open while it
is tracked, so old connections may work and new ones not.

PATH_SG_EGRESS_DENIED: No rule of the source's security groups lets this flow out: connections time
out. By default everything may leave, so somebody has narrowed it.

PATH_SG_EMPTY: Told beside the denial: the group has no rule at all in this direction. Often it is
new, or its rules were all revoked at once.

PATH_SG_REFERENCE_LOST: Told beside the denial: there is a rule that names the other end's group,
but such a reference means private addresses within the VPC or over an active peering. Over this way
(NAT, a gateway, a public address) it matches nothing; a rule with addresses would.

PATH_NACL_DENIED: A network ACL drops the packets: connections time out. Its entries are tried by
number, and the first that fits decides.

PATH_NACL_EPHEMERAL_DENIED: The request arrives and its answer is dropped: an ACL keeps no state, so
it must also let the answers out to the initiator's high ports.

PATH_NACL_EPHEMERAL_PARTIAL: Answers to some of the initiator's high ports are dropped: some
connections work and others time out, at random.

PATH_NO_ROUTE: The source's route table has no way to the destination, or to a part of it: packets
are dropped at the first step.

PATH_NO_RETURN_ROUTE: The request arrives, and its answer has no way back: a connection times out as
if nothing listened. The route table of the destination's subnet is the one to mend.

PATH_ROUTE_BLACKHOLE: The route is there, and what it leads to is gone: packets are dropped without
a word.

PATH_IGW_NO_PUBLIC_IP: The way leads through an internet gateway, which carries public addresses
only, and the interface has none.

PATH_IGW_DETACHED: The way leads through an internet gateway, and none is attached to the VPC:
nothing leaves it or comes in that way.

PATH_NAT_NOT_AVAILABLE: The NAT gateway on the way is deleted, failed or not ready yet: everything
of the subnet that goes out by it times out.

PATH_NAT_SUBNET_NOT_PUBLIC: The NAT gateway stands in a subnet that has no route to an internet
gateway, so it carries nothing outside.

PATH_NAT_OTHER_AZ: A risk, not an obstacle: the subnet goes out by a NAT gateway of another zone.
When that zone fails, this one is cut off too; until then it costs traffic between zones.

PATH_PEERING_NOT_ACTIVE: The peering on the way is not active: its other side has not accepted it,
or it was deleted. Routes over it lead nowhere.

PATH_NOT_TRANSITIVE: The route leads over a peering that ends at another VPC than the destination's.
A peering connects two VPCs and passes nothing on to a third.

PATH_PUBLIC_ACCESS_BLOCKED: VPC Block Public Access of the account stops what goes by an internet
gateway, whatever groups, ACLs and routes say. Under `block-bidirectional` everything that is not
excluded is cut, by NAT too (there the NAT gateway's own subnet is what has to be excluded); under
`block-ingress` only NAT and egress-only gateways still let connections out.

PATH_ENDPOINT_NOT_AVAILABLE: The endpoint on the way (to S3 or DynamoDB by a route, to others by an
interface) is deleted, failed, or not accepted yet: what goes to it times out.

PATH_ENDPOINT_AZ_MISSING: A risk, not an obstacle: the endpoint has no interface in the zone of the
source. When the endpoint's zones fail, this one is cut off too.

PATH_TGW_NO_ATTACHMENT_AZ: The VPC's attachment to the transit gateway has no subnet in the zone of
the source: what leaves from that zone is dropped, while the other zones work.

PATH_TGW_NOT_ASSOCIATED: The attachment has no route table at the transit gateway: all that comes in
by it is dropped.

PATH_TGW_NO_ROUTE: The transit gateway's route table has no way to the destination: neither a static
route nor one that an attachment propagates.

PATH_TGW_BLACKHOLE: Its route to the destination swallows everything: somebody wrote it so, or the
attachment that it led to is gone.

PATH_SRC_DST_CHECK: The route leads to an interface that is to pass packets on, and that interface
still drops what is not for itself.

PATH_ENI_NOT_IN_USE: The route leads to an interface that is attached to nothing: what it was of is
gone, and packets are dropped.

PATH_VPCS_DISCONNECTED: Nothing connects the two VPCs, or their address ranges overlap, so that each
takes the other's addresses for its own.
"""
_NEXT = {
    "PATH_SG_INGRESS_DENIED": "allow exactly this flow; look who changed the group",
    "PATH_SG_EGRESS_DENIED": "allow exactly this flow; look who changed the group",
}


def findings(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report every blocker, the first to mend first; then what is not known, then risks."""
    for place, blocker in enumerate(snapshot.blockers, 1):
        yield _blocked(snapshot, blocker, settings, place=place)
    if "undetermined" in {snapshot.verdict, *(way.verdict for way in snapshot.ways)}:
        yield _undetermined(snapshot)
    yield from _open_groups(snapshot)
    yield from _small_subnets(snapshot, settings)


def wanted(flow: Flow) -> str:
    """`tcp 5432`, `icmp`."""
    return f"{flow.protocol} {flow.port}" if has_ports(flow.protocol) else flow.protocol


def _blocked(snapshot: Snapshot, blocker: Blocker, settings: Settings, *, place: int) -> Finding:
    count_of = len([one for one in snapshot.blockers if not one.mild])
    return Finding(
        blocker.code,
        _severity(blocker, settings),
        blocker.summary,
        subject=blocker.subject,
        evidence=tuple(_evidence(snapshot, blocker, place=place, of=count_of)),
        likely=_LIKELY.get(blocker.code, ()),
        next=_NEXT.get(blocker.code, ""),
    )


def _severity(blocker: Blocker, settings: Settings) -> Severity:
    if blocker.code == "PATH_NAT_OTHER_AZ":
        return Severity.WARNING
    if blocker.mild:
        return Severity.INFO
    if blocker.partial or not settings.needed:
        return Severity.WARNING
    return Severity.CRITICAL


def _evidence(snapshot: Snapshot, blocker: Blocker, *, place: int, of: int) -> Iterator[Evidence]:
    yield Evidence("path", f"{wanted(snapshot.flow)} from {_ends(snapshot.sources)} to "
                   f"{_ends(snapshot.destinations)}")  # fmt: skip
    yield Evidence("hop", f"{blocker.hop}: {blocker.where}")
    if not blocker.mild and of > 1:
        yield Evidence("to mend", "first" if place == 1 else f"{place} of {of}")
    if blocker.rule:
        yield Evidence("deciding rule", blocker.rule)
    if blocker.code.startswith("PATH_SG_") and not blocker.mild:
        yield Evidence("nearest rule", blocker.nearest or "none has anything right")
        if blocker.suggestion:
            yield Evidence("narrowest rule", in_words(blocker.suggestion))
        yield Evidence("note", "connections that were open before are still tracked and go on")


def in_words(suggestion: dict[str, object]) -> str:
    """`tcp 5432 from sg-2 into sg-1` out of the arguments of a call."""
    permissions = suggestion.get("IpPermissions")
    permission = permissions[0] if isinstance(permissions, list) else {}
    pairs = permission.get("UserIdGroupPairs") or [{}]
    ranges = permission.get("IpRanges") or permission.get("Ipv6Ranges") or [{}]
    peer = pairs[0].get("GroupId") or next(iter(ranges[0].values()), "")
    port = permission.get("FromPort", "")
    return f"{permission.get('IpProtocol')} {port} for {peer} in {suggestion.get('GroupId')}"


def _ends(places: tuple[PathEnd, ...]) -> str:
    return places[0].label + (f" and {len(places) - 1} more" if len(places) > 1 else "")


def _undetermined(snapshot: Snapshot) -> Finding:
    reasons = snapshot.unknown or ("the ends could not be found",)
    return Finding(
        "PATH_UNDETERMINED",
        Severity.WARNING,
        f"cannot say whether {wanted(snapshot.flow)} passes: {reasons[0]}",
        evidence=tuple(Evidence("not known", reason) for reason in reasons[:8]),
        likely=("a permission is missing", "the path leaves what EC2 shows of this account"),
        next="add the permission that is named, or ask VPC Reachability Analyzer",
    )


def _open_groups(snapshot: Snapshot) -> Iterator[Finding]:
    """Administrative and database ports that the whole internet may try, at the destination."""
    told: set[str] = set()
    for place in snapshot.destinations:
        exposed = bool(place.public) and is_public(snapshot.network, place.subnet)
        for id_ in place.groups:
            group = snapshot.network.groups.get(id_)
            if group is not None and id_ not in told:
                told.add(id_)
                yield from _open_group(group, exposed=exposed)


def _open_group(group: SecurityGroup, *, exposed: bool) -> Iterator[Finding]:
    opened = list(groups.opened_to_world(group))
    if not opened:
        return
    ports = sorted({port for _, hit in opened for port in hit})
    listed = "all ports" if len(ports) == len(groups.ADMIN_PORTS) else ", ".join(map(str, ports))
    yield Finding(
        "NET_SG_OPEN_TO_WORLD",
        Severity.CRITICAL if exposed else Severity.WARNING,
        f"{group.name or group.id} lets the whole internet try {listed}",
        subject=group.id,
        evidence=(
            *(Evidence("rule", groups.in_words(rule)) for rule, _ in opened[:5]),
            Evidence("reachable from the internet", "yes" if exposed else "not by its route"),
        ),
        next="close it to the addresses that need it",
    )


def _small_subnets(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    ends = (*snapshot.sources, *snapshot.destinations)
    for id_ in dict.fromkeys(place.subnet for place in ends if place.subnet):
        subnet = snapshot.network.subnets.get(id_)
        if subnet is None or subnet.free is None:
            continue
        severity = settings.free_addresses.grade(subnet.free)
        total = subnet.total
        if severity is None and total and total <= settings.small_subnet:
            scarce = subnet.free < total * settings.free_share
            severity = Severity.WARNING if scarce else None
        if severity:
            yield Finding(
                "NET_SUBNET_IPS_LOW",
                severity,
                f"{subnet.name or subnet.id} has {_free(subnet.free)}",
                subject=subnet.id,
                evidence=(
                    Evidence("free", subnet.free, limit=settings.free_addresses.first),
                    Evidence("usable", total),
                    Evidence("zone", subnet.zone),
                ),
                likely=("tasks, functions or balancers that scaled up", "interfaces left behind"),
                next="new tasks, functions and balancer nodes in it will not start",
            )


def _free(number: int) -> str:
    return count(number, "free address", "free addresses")
