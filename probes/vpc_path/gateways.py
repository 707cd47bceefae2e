"""What stands at the end of a route: gateways, NAT, peerings, endpoints, and what shuts them."""

from __future__ import annotations

from probes.vpc_path import acl, routes
from probes.vpc_path.link import Between, together
from probes.vpc_path.model import (
    Endpoint,
    Flow,
    Nat,
    Network,
    PathEnd,
    Peering,
    PublicAccess,
    Route,
    ephemeral,
    has_ports,
)
from probes.vpc_path.space import Net, meets, network

APPLIANCES = {
    "tgw": "a transit gateway",
    "vgw": "a VPN or Direct Connect gateway",
    "vpce": "an endpoint",
    "eni": "an appliance's interface",
    "instance": "an appliance",
    "other": "a gateway that is not examined",
}
_NAT_CARRIES = {"tcp", "udp", "icmp"}
_DEAD = frozenset(
    "pendingacceptance pending deleting deleted rejected failed expired".split()  # noqa: SIM905
)
_BLOCKS = {"block-bidirectional", "block-ingress"}
_LIVE = {"create-complete", "update-complete"}
_OVER = {"create-failed", "delete-complete", "disable-complete"}
"""States of an exclusion that is in force, and of one that is not; any other is under way."""


def inactive(
    link: Between, peering: Peering, *, name: str, rule: str, partial: bool = False
) -> None:
    """The peering on the way is not active."""
    state = peering.status or "in an unknown state"
    link.stop(
        "PATH_PEERING_NOT_ACTIVE",
        name,
        subject=peering.id,
        summary=f"{peering.id} is {state}",
        rule=rule,
        partial=partial,
    )


def unavailable(link: Between, nat: Nat, *, name: str, rule: str, partial: bool = False) -> None:
    """The NAT gateway on the way carries nothing now."""
    why = f": {nat.failure}" if nat.failure else ""
    link.stop(
        "PATH_NAT_NOT_AVAILABLE",
        name,
        subject=nat.id,
        summary=f"{nat.id} is {nat.state or 'in an unknown state'}{why}",
        rule=rule,
        partial=partial,
    )


def peering(
    net: Network, link: Between, route: Route, to: PathEnd, *, name: str, back: bool = False
) -> None:
    """A peering carries what is between its two VPCs. `back`: an answer to somewhere outside is
    taken to arrive, as its question did.
    """
    found = net.peerings.get(route.target)
    if found is None and back and not to.inside:
        link.passes.append((name, route.target, routes.in_words(route)))
    elif found is None:
        link.unknown.append((name, route.target, "it could not be read"))
    elif found.status != "active":
        inactive(link, found, name=name, rule=routes.in_words(route))
    elif to.vpc and to.vpc not in found.vpcs:
        link.stop(
            "PATH_NOT_TRANSITIVE",
            name,
            subject=found.id,
            summary=f"{found.id} ends at another VPC than {to.vpc}; "
            "peerings do not pass packets on",
        )
    elif to.inside or back:
        link.passes.append((name, found.id, routes.in_words(route) if back else "active"))
    else:
        link.unknown.append((name, found.id, f"the other side ({to.label}) is not read"))


def internet_gateway(net: Network, link: Between, route: Route, source: PathEnd, ours: Net) -> None:
    """Of IPv6 an address is public by itself; of IPv4 the gateway translates to a public one."""
    link.keeps_groups = False
    name = f"internet gateway {route.target}"
    known = _attached(net, link, route.target, source.vpc, name=name)
    if ours.version == 4 and not source.public and source.interface:
        link.stop(
            "PATH_IGW_NO_PUBLIC_IP",
            name,
            subject=source.interface,
            summary=f"{source.label} has no public address, which the internet gateway needs",
        )
    elif ours.version == 4 and not source.public:
        link.unknown.append((name, route.target, "whether the source has a public address"))
    elif known:
        link.passes.append((name, route.target, "attached, and the source has a public address"))
    edge(net, link, route.target, ours)
    public_access(net, link, source, by="igw", out=True)


def _attached(net: Network, link: Between, gateway: str, vpc: str, *, name: str) -> bool:
    """Whether it serves the VPC; what is not known, or blocks, is told."""
    if net.internet_gateways.get(gateway) == vpc:
        return True
    if "internet gateways" in net.unread:
        link.unknown.append((name, gateway, "it could not be read"))
    else:
        link.stop(
            "PATH_IGW_DETACHED",
            name,
            subject=gateway,
            summary=f"{gateway} is not attached to {vpc}",
        )
    return False


def edge(net: Network, link: Between, gateway: str, ours: Net) -> None:
    """A route table of the gateway itself may lead what arrives through an appliance."""
    for table in net.tables.values():
        hidden = routes.unread_lists(net, table, ours)
        if gateway in table.gateways and any(
            meets(network(route.destination), ours) and route.kind != "local"
            for route in table.routes
        ):
            why = f"{table.id} leads what arrives through an appliance"
            link.unknown.append((f"internet gateway {gateway}", gateway, why))
        elif gateway in table.gateways and hidden:
            why = f"could not read {', '.join(hidden)}"
            link.unknown.append((f"internet gateway {gateway}", gateway, why))


def from_internet(net: Network, link: Between, destination: PathEnd, theirs: Net) -> None:
    """What comes in by the internet gateway needs a public address to come to."""
    name = "internet gateway"
    attached = [id_ for id_, vpc in net.internet_gateways.items() if vpc == destination.vpc]
    unread = "internet gateways" in net.unread
    if not attached and not unread:
        link.stop(
            "PATH_IGW_DETACHED",
            name,
            subject=destination.vpc,
            summary=f"{destination.vpc} has no internet gateway",
        )
    elif not attached:
        link.unknown.append((name, destination.vpc, "it could not be read"))
    if theirs.version == 4 and destination.interface and not destination.public:
        link.stop(
            "PATH_IGW_NO_PUBLIC_IP",
            name,
            subject=destination.interface,
            summary=f"{destination.label} has no public address: the internet cannot reach it",
        )
    elif theirs.version == 4 and not destination.public:
        why = "whether the destination has a public address"
        link.unknown.append((name, destination.subnet, why))
    elif attached:
        link.passes.append((name, attached[0], "attached"))
    for gateway in attached:
        edge(net, link, gateway, theirs)
    public_access(net, link, destination, by="igw", out=False)


def public_access(net: Network, link: Between, place: PathEnd, *, by: str, out: bool) -> None:
    """VPC Block Public Access of the account, which no rule of a VPC overrules.

    `place` is whose interface uses the internet gateway: of what goes by NAT, the NAT gateway's.
    """
    name, where = "VPC Block Public Access", [one for one in (place.subnet, place.vpc) if one]
    access = net.public_access
    outcome, why = _blocked(access, where, by=by, out=out)
    if outcome == "unknown":
        link.unknown.append((name, place.vpc, why))
    elif outcome == "blocks" and access is not None:
        stopped = "what goes out" if out else "what comes in"
        link.stop(
            "PATH_PUBLIC_ACCESS_BLOCKED",
            name,
            subject=place.vpc,
            summary=f"VPC Block Public Access ({access.mode}) stops {stopped} by the internet "
            f"gateway: {' and '.join(where)} {why}",
            rule=access.mode,
        )
    elif access is not None and access.mode != "off":
        link.passes.append((name, place.vpc, why))


def _blocked(
    access: PublicAccess | None, where: list[str], *, by: str, out: bool
) -> tuple[str, str]:
    """`passes`, `blocks` or `unknown`, and why.

    Source: VPC User Guide, "Block public access to VPCs and subnets". NAT and egress-only gateways
    let connections out under `block-ingress`; an exclusion `allow-egress` counts under
    `block-bidirectional` only, and what it means for an interface with an address of its own is
    not written.
    """
    if access is None:
        return "unknown", "it could not be read"
    if access.state == "update-in-progress":
        return "unknown", f"it is being changed to {access.mode}"
    if access.mode == "off":
        return "passes", "off"
    if access.mode not in _BLOCKS:
        return "unknown", f"its mode {access.mode or '(none)'} is not known"
    by_itself = out and by != "igw"
    if access.mode == "block-ingress" and by_itself:
        return "passes", "block-ingress lets connections out by NAT"
    if access.exclusions is None:
        return "unknown", "its exclusions could not be read"
    mine = [one for one in access.exclusions if one.of in where and one.state not in _OVER]
    live = {one.mode for one in mine if one.state in _LIVE}
    if live == {"allow-bidirectional"} or (live and by_itself):
        return "passes", f"{access.mode}, and excluded"
    if any(one.state not in _LIVE for one in mine):
        return "unknown", "an exclusion is under way"
    egress = out and access.mode == "block-bidirectional"
    if "allow-bidirectional" in live or (live and egress) or live - {"allow-egress"}:
        return "unknown", f"what its exclusions ({', '.join(sorted(live))}) mean together"
    return "blocks", "are not excluded" if len(where) > 1 else "is not excluded"


def nat_gateway(
    net: Network,
    link: Between,
    route: Route,
    *,
    source: PathEnd,
    pair: tuple[Net, Net],
    flow: Flow,
    span: tuple[int, int],
) -> None:
    """Its state, what it carries, its own subnet's ACL and its own way to the internet."""
    link.keeps_groups = False
    name = f"NAT gateway {route.target}"
    nat = net.nats.get(route.target)
    if nat is None:
        link.unknown.append((name, route.target, "it could not be read"))
        return
    if nat.state != "available":
        unavailable(link, nat, name=name, rule=routes.in_words(route))
        return
    if pair[0].version == 6:
        link.unknown.append((name, nat.id, "its translation of IPv6 is not examined"))
        return
    if flow.protocol not in _NAT_CARRIES:
        link.stop(
            "PATH_NO_ROUTE",
            name,
            subject=nat.id,
            summary=f"{nat.id} carries TCP, UDP and ICMP, and no protocol {flow.protocol}",
        )
    own = PathEnd(label=nat.id, cidrs=(), vpc=source.vpc, subnet=nat.subnet)
    if nat.subnet:
        _onward(net, link, nat, pair[1], name=name)
        _nat_acl(net, link, nat, source=source, pair=pair, flow=flow, span=span)
    else:
        link.passes.append((name, nat.id, "available in every zone"))
        public_access(net, link, own, by="nat", out=True)
    place = net.subnets.get(source.subnet)
    if place and nat.zone and nat.zone != place.zone:
        link.stop(
            "PATH_NAT_OTHER_AZ",
            name,
            subject=nat.id,
            summary=f"{source.subnet} is in {place.zone}, its NAT gateway {nat.id} in {nat.zone}",
            mild=True,
        )


def _onward(net: Network, link: Between, nat: Nat, to: Net, *, name: str) -> None:
    """From the NAT gateway's own subnet a public one needs an internet gateway."""
    table = routes.table_of(net, nat.subnet)
    if table is None:
        link.unknown.append((name, nat.id, f"the route table of {nat.subnet} could not be read"))
        return
    hidden = routes.unread_lists(net, table, to)
    if hidden:
        link.unknown.append((name, nat.id, f"could not read {', '.join(hidden)}"))
        return
    ways = dict.fromkeys(routes.parts(net, table, to))
    whole = together([_way_on(net, nat, way, name=name) for way in ways])
    link.passes += whole.passes
    link.unknown += whole.unknown
    link.blocks += whole.blocks


def _way_on(net: Network, nat: Nat, way: Route | None, *, name: str) -> Between:
    link = Between()
    vpc = net.subnets[nat.subnet].vpc if nat.subnet in net.subnets else ""
    own = PathEnd(label=nat.id, cidrs=(), vpc=vpc, subnet=nat.subnet)
    if way is not None and way.state != "blackhole" and way.kind in APPLIANCES:
        link.unknown.append((name, nat.id, f"it goes on by {APPLIANCES[way.kind]}"))
    elif way is None or way.state == "blackhole" or way.kind != "igw" or not nat.public:
        leads = "no route" if way is None else routes.in_words(way)
        why = "whose route table has no internet gateway" if nat.public else "and is private"
        link.stop(
            "PATH_NAT_SUBNET_NOT_PUBLIC",
            name,
            subject=nat.id,
            summary=f"{nat.id} is in {nat.subnet}, {why} for it ({leads})",
        )
    elif _attached(net, link, way.target, vpc, name=name):
        link.passes.append((name, nat.id, "available, in a public subnet"))
    if not link.closed and way is not None and way.kind == "igw":
        address = network(nat.address) if nat.address else None
        if address is not None:
            edge(net, link, way.target, address)
        public_access(net, link, own, by="nat", out=True)
    return link


def _nat_acl(
    net: Network,
    link: Between,
    nat: Nat,
    *,
    source: PathEnd,
    pair: tuple[Net, Net],
    flow: Flow,
    span: tuple[int, int],
) -> None:
    """The NAT gateway's own subnet has an ACL, which is asked on both of its sides, both ways."""
    found = net.acls.get(net.acl_of.get(nat.subnet, ""))
    if found is None:
        name = f"network ACL of the NAT gateway's {nat.subnet}"
        link.unknown.append((name, nat.subnet, "it could not be read"))
        return
    (ours, theirs), there = pair, (flow.port, flow.port)
    for peer, egress, back, words in (
        (ours, False, False, "from the source"),
        (theirs, True, False, "to the outside"),
        (theirs, False, True, "answers from the outside"),
        (ours, True, True, "answers to the source"),
    ):
        if peer == ours and nat.subnet == source.subnet:
            continue  # inside one subnet no ACL is asked
        ports = there if not back else ephemeral("nat") if peer == theirs else span
        icmp = 0 if back else 8
        said = acl.ask(
            found, egress=egress, protocol=flow.protocol, peer=peer, span=ports, icmp=icmp
        )
        if said.outcome == "allows":
            continue
        some = said.outcome == "partly"
        kind = f"EPHEMERAL_{'PARTIAL' if some else 'DENIED'}"
        link.stop(
            f"PATH_NACL_{kind if back and has_ports(flow.protocol) else 'DENIED'}",
            f"network ACL of the NAT gateway's {nat.subnet}",
            subject=found.id,
            summary=f"{found.id} stops {'a part' if some else 'all'} of what {nat.id} carries, "
            f"{words}: {said.rule}",
            rule=said.rule,
            partial=some,
        )


def gateway_endpoint(
    net: Network, link: Between, route: Route, destination: PathEnd, *, name: str
) -> None:
    """A gateway endpoint is a service's own door; any other kind is an appliance's."""
    link.keeps_groups = False
    found = net.endpoints.get(route.target)
    if found is None:
        why = (
            "it could not be read" if "VPC endpoints" in net.unread else "it leaves by an endpoint"
        )
        link.unknown.append((name, route.target, why))
        return
    if found.kind != "Gateway" or destination.inside:
        link.unknown.append((name, route.target, f"it leaves by an endpoint ({found.kind})"))
    endpoint_state(link, found, name=f"endpoint {found.id}")


def interface_endpoint(net: Network, link: Between, place: PathEnd, source: PathEnd) -> None:
    """The destination is an interface of an endpoint, whose state decides for it."""
    found = next((e for e in net.endpoints.values() if place.interface in e.interfaces), None)
    if found is None:
        why = "the endpoint of this interface could not be read"
        link.unknown.append(("endpoint", place.interface, why))
    else:
        endpoint_state(link, found, name=f"endpoint {found.id}")
        _beside(net, link, found, source)


def _beside(net: Network, link: Between, found: Endpoint, source: PathEnd) -> None:
    place = net.subnets.get(source.subnet)
    if place is None or not found.zones or place.zone in {"", *found.zones}:
        return
    link.stop(
        "PATH_ENDPOINT_AZ_MISSING",
        f"endpoint {found.id}",
        subject=found.id,
        summary=f"{source.subnet} is in {place.zone}, {found.id} only in {', '.join(found.zones)}",
        mild=True,
    )


def endpoint_state(link: Between, found: Endpoint, *, name: str) -> None:
    """Whether it takes connections; which requests its policy lets through is not asked."""
    if found.state == "available":
        link.passes.append((name, found.id, "available; its policy is not asked"))
    elif found.state in _DEAD:
        link.stop(
            "PATH_ENDPOINT_NOT_AVAILABLE",
            name,
            subject=found.id,
            summary=f"{found.id} is {found.state}",
        )
    else:
        link.unknown.append((name, found.id, f"it is {found.state or 'in an unknown state'}"))
