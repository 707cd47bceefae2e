"""What lies between two subnets, or a subnet and the outside: routes, gateways, NAT, peerings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from probes.vpc_path import acl, routes
from probes.vpc_path.model import Flow, Nat, Network, PathEnd, Peering, Route, ephemeral, has_ports
from probes.vpc_path.space import Net, is_private

_GATEWAYS = {
    "tgw": "a transit gateway",
    "vgw": "a VPN or Direct Connect gateway",
    "vpce": "an endpoint",
    "eni": "an appliance's interface",
    "instance": "an appliance",
    "other": "a gateway that is not examined",
}
_GONE = {"", "deleted", "active", "available"}
"""States of a target that a black hole is not explained by."""


@dataclass(slots=True)
class Between:
    """What the way between the ends does, and whether group references work over it."""

    passes: list[tuple[str, str, str]] = field(default_factory=list)
    unknown: list[tuple[str, str, str]] = field(default_factory=list)
    blocks: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    keeps_groups: bool = True

    def stop(self, code: str, name: str, *, subject: str, summary: str, **more: Any) -> None:
        """Something stands here."""
        self.blocks.append((code, name, {"subject": subject, "summary": summary, **more}))


def between(
    net: Network, ends: tuple[PathEnd, PathEnd], pair: tuple[Net, Net], flow: Flow
) -> Between:
    """The way from the source's subnet to the destination, without ACLs and groups of the ends."""
    source, destination = ends
    link = Between()
    if source.subnet and source.subnet == destination.subnet:
        return link
    if not source.inside:
        _from_outside(net, link, source, destination, pair)
        return link
    route = _route(
        net, link, source.subnet, pair[1], name=f"route from {source.subnet}", back=False
    )
    if route is not None:
        _taken(net, link, route, ends=ends, pair=pair, flow=flow)
    return link


def route_back(net: Network, ends: tuple[PathEnd, PathEnd], back: Net) -> Between:
    """The route of the answer, from the destination's subnet."""
    source, destination = ends
    link = Between()
    name = f"answer: route from {destination.subnet}"
    route = _route(net, link, destination.subnet, back, name=name, back=True)
    if route is None:
        return link
    if source.kind == "internet":
        _answer_to_internet(net, link, route, destination, name=name)
    elif route.kind in {"igw", "nat"} and is_private(back):
        table = routes.table_of(net, destination.subnet)
        link.stop(
            "PATH_NO_RETURN_ROUTE",
            name,
            subject=table.id if table else destination.subnet,
            summary=f"the answer to {source.label} would leave by {route.target}, which cannot "
            "carry private addresses",
            rule=routes.in_words(route),
        )
    else:
        link.passes.append((name, route.target, routes.in_words(route)))
    return link


def _answer_to_internet(
    net: Network, link: Between, route: Route, destination: PathEnd, *, name: str
) -> None:
    table = routes.table_of(net, destination.subnet)
    if route.kind == "igw":
        link.passes.append((name, route.target, routes.in_words(route)))
    elif route.kind in _GATEWAYS:
        link.unknown.append((name, route.target, f"it leaves by {_GATEWAYS[route.kind]}"))
    else:
        link.stop(
            "PATH_NO_RETURN_ROUTE",
            name,
            subject=table.id if table else destination.subnet,
            summary=f"{destination.subnet} is not public: answers leave by {route.target}, "
            "not by the internet gateway",
            rule=routes.in_words(route),
        )


def _route(
    net: Network, link: Between, subnet: str, to: Net, *, name: str, back: bool
) -> Route | None:
    """The active route; without one the blocker is told and None given."""
    table = routes.table_of(net, subnet)
    if table is None:
        link.unknown.append((name, subnet, "the route table could not be read"))
        return None
    parts = routes.parts(net, table, to)
    hidden = routes.unread_lists(net, table)
    if None in parts and hidden:
        link.unknown.append((name, table.id, f"could not read {', '.join(hidden)}"))
        return None
    good = [part for part in parts if part is not None and part.state != "blackhole"]
    whose = f"{table.id} of {subnet}"
    if None in parts:
        link.stop(
            "PATH_NO_RETURN_ROUTE" if back else "PATH_NO_ROUTE",
            name,
            subject=table.id,
            summary=f"{whose} has no route to {'a part of ' if good else ''}{to}",
            partial=bool(good),
        )
    for part in dict.fromkeys(parts):
        if part is not None and part.state == "blackhole":
            _swallowed(net, link, part, name=name, whose=whose, table=table.id, partial=bool(good))
    others = [part for part in good if part.target != good[0].target and part.kind != "local"]
    if others and not back:  # an answer finds its way by any of them
        why = f"a part of {to} goes another way: {routes.in_words(others[0])}"
        link.unknown.append((name, others[0].target, why))
    return good[0] if good else None


def _swallowed(
    net: Network,
    link: Between,
    route: Route,
    *,
    name: str,
    whose: str,
    table: str,
    partial: bool,
) -> None:
    """A black hole, by what its target is: gone, or there and not ready to carry anything.

    A peering that waits to be accepted makes one too (VPC Peering Guide, “Create”).
    """
    peering, nat = net.peerings.get(route.target), net.nats.get(route.target)
    words = routes.in_words(route)
    if peering is not None and peering.status not in _GONE:
        _inactive(link, peering, name=name, rule=words, partial=partial)
    elif nat is not None and nat.state not in _GONE:
        _unavailable(link, nat, name=name, rule=words, partial=partial)
    else:
        link.stop(
            "PATH_ROUTE_BLACKHOLE",
            name,
            subject=table,
            summary=f"{whose}: {words}; its target is gone",
            rule=words,
            partial=partial,
        )


def _inactive(
    link: Between, peering: Peering, *, name: str, rule: str, partial: bool = False
) -> None:
    state = peering.status or "in an unknown state"
    link.stop(
        "PATH_PEERING_NOT_ACTIVE",
        name,
        subject=peering.id,
        summary=f"{peering.id} is {state}",
        rule=rule,
        partial=partial,
    )


def _unavailable(link: Between, nat: Nat, *, name: str, rule: str, partial: bool = False) -> None:
    why = f": {nat.failure}" if nat.failure else ""
    link.stop(
        "PATH_NAT_NOT_AVAILABLE",
        name,
        subject=nat.id,
        summary=f"{nat.id} is {nat.state}{why}",
        rule=rule,
        partial=partial,
    )


def _taken(
    net: Network,
    link: Between,
    route: Route,
    *,
    ends: tuple[PathEnd, PathEnd],
    pair: tuple[Net, Net],
    flow: Flow,
) -> None:
    source, destination = ends
    name = f"route from {source.subnet}"
    words = routes.in_words(route)
    crosses = destination.inside and destination.vpc != source.vpc
    match route.kind:
        case "local" if crosses:
            link.stop(
                "PATH_VPCS_DISCONNECTED",
                name,
                subject=source.vpc,
                summary=f"{source.vpc} takes {pair[1]} for its own: the VPCs overlap",
                rule=words,
            )
        case "local" if not destination.inside:
            link.unknown.append((name, route.target, f"{pair[1]} is in no subnet that was read"))
        case "local":
            link.passes.append((name, route.target, words))
        case "igw" | "nat" | "eigw" if destination.inside:
            _not_inside(link, route, ends, name=name)
        case "igw":
            link.passes.append((name, route.target, words))
            _internet_gateway(net, link, route, source, v4=pair[0].version == 4)
        case "nat":
            link.passes.append((name, route.target, words))
            _nat(net, link, route, source=source, pair=pair, flow=flow)
        case "eigw":
            link.passes.append((name, route.target, words))
        case "pcx":
            link.passes.append((name, route.target, words))
            _peering(net, link, route, source, destination)
        case _:
            # an appliance never carries group references; a transit gateway may (VPC User Guide)
            link.keeps_groups = route.kind in {"tgw", "vgw", "other"}
            link.unknown.append((name, route.target, f"it leaves by {_GATEWAYS[route.kind]}"))


def _not_inside(link: Between, route: Route, ends: tuple[PathEnd, PathEnd], *, name: str) -> None:
    """A packet for a private address of another VPC does not leave by the internet."""
    source, destination = ends
    link.stop(
        "PATH_VPCS_DISCONNECTED" if destination.vpc != source.vpc else "PATH_NO_ROUTE",
        name,
        subject=source.vpc,
        summary=f"nothing but {route.target} leads from {source.vpc} to {destination.vpc}, "
        "and it does not carry private addresses",
        rule=routes.in_words(route),
    )


def _internet_gateway(
    net: Network, link: Between, route: Route, source: PathEnd, *, v4: bool
) -> None:
    """Of IPv6 an address is public by itself; of IPv4 the gateway translates to a public one."""
    link.keeps_groups = False
    name = f"internet gateway {route.target}"
    attached = net.internet_gateways.get(route.target)
    if attached is None and "internet gateways" in net.unread:
        link.unknown.append((name, route.target, "it could not be read"))
    elif not attached:
        link.stop(
            "PATH_IGW_DETACHED",
            name,
            subject=route.target,
            summary=f"{route.target} is not attached to {source.vpc}",
        )
    if v4 and not source.public and source.interface:
        link.stop(
            "PATH_IGW_NO_PUBLIC_IP",
            name,
            subject=source.interface,
            summary=f"{source.label} has no public address, which the internet gateway needs",
        )
    elif v4 and not source.public:
        link.unknown.append((name, route.target, "whether the source has a public address"))
    elif attached:
        link.passes.append((name, route.target, "attached, and the source has a public address"))


def _nat(
    net: Network,
    link: Between,
    route: Route,
    *,
    source: PathEnd,
    pair: tuple[Net, Net],
    flow: Flow,
) -> None:
    link.keeps_groups = False
    name = f"NAT gateway {route.target}"
    nat = net.nats.get(route.target)
    if nat is None:
        link.unknown.append((name, route.target, "it could not be read"))
        return
    if nat.state != "available":
        _unavailable(link, nat, name=name, rule=routes.in_words(route))
        return
    if nat.public and nat.subnet and not routes.is_public(net, nat.subnet):
        link.stop(
            "PATH_NAT_SUBNET_NOT_PUBLIC",
            name,
            subject=nat.id,
            summary=f"{nat.id} is in {nat.subnet}, whose route table has no internet gateway",
        )
        return
    link.passes.append((name, nat.id, "available" + (", in a public subnet" if nat.public else "")))
    _nat_acl(net, link, nat, source=source, pair=pair, flow=flow)
    place = net.subnets.get(source.subnet)
    if place and nat.zone and nat.zone != place.zone:
        link.stop(
            "PATH_NAT_OTHER_AZ",
            name,
            subject=nat.id,
            summary=f"{source.subnet} is in {place.zone}, its NAT gateway {nat.id} in {nat.zone}",
            mild=True,
        )


def _nat_acl(
    net: Network, link: Between, nat: Nat, *, source: PathEnd, pair: tuple[Net, Net], flow: Flow
) -> None:
    """The NAT gateway's own subnet has an ACL, which is asked on both of its sides, both ways."""
    found = net.acls.get(net.acl_of.get(nat.subnet, ""))
    if found is None or nat.subnet == source.subnet or not has_ports(flow.protocol):
        return
    (ours, theirs), there = pair, (flow.port, flow.port)
    for peer, egress, span, words in (
        (ours, False, there, "from the source"),
        (theirs, True, there, "to the outside"),
        (theirs, False, ephemeral("nat"), "answers from the outside"),
        (ours, True, ephemeral(source.kind), "answers to the source"),
    ):
        said = acl.ask(found, egress=egress, protocol=flow.protocol, peer=peer, span=span)
        if said.outcome == "allows":
            continue
        some, back = said.outcome == "partly", span != there
        kind = f"EPHEMERAL_{'PARTIAL' if some else 'DENIED'}" if back else "DENIED"
        link.stop(
            f"PATH_NACL_{kind}",
            f"network ACL of the NAT gateway's {nat.subnet}",
            subject=found.id,
            summary=f"{found.id} stops {'a part' if some else 'all'} of what {nat.id} carries, "
            f"{words}: {said.rule}",
            rule=said.rule,
            partial=some,
        )


def _peering(
    net: Network, link: Between, route: Route, source: PathEnd, destination: PathEnd
) -> None:
    name = f"peering {route.target}"
    peering = net.peerings.get(route.target)
    if peering is None:
        link.unknown.append((name, route.target, "it could not be read"))
        return
    if peering.status != "active":
        _inactive(link, peering, name=name, rule=routes.in_words(route))
        return
    if destination.vpc and destination.vpc not in peering.vpcs:
        link.stop(
            "PATH_NOT_TRANSITIVE",
            name,
            subject=peering.id,
            summary=f"{peering.id} ends at another VPC than {destination.vpc}; "
            "peerings do not pass packets on",
        )
        return
    link.passes.append((name, peering.id, "active"))
    if not destination.inside:
        link.unknown.append((name, peering.id, f"the other side ({destination.label}) is not read"))


def _private_line(net: Network, destination: PathEnd, source: Net) -> Route | None:
    """The route by which a public range of our own may come: VPN, Direct Connect, an appliance."""
    table = routes.table_of(net, destination.subnet)
    if table is None or source.prefixlen == 0:
        return None
    route = routes.lookup(net, table, source)
    return route if route is not None and route.kind in _GATEWAYS else None


def _from_outside(
    net: Network, link: Between, source: PathEnd, destination: PathEnd, pair: tuple[Net, Net]
) -> None:
    if source.kind != "internet":
        link.keeps_groups = False
        link.passes.append(("way in", source.label, "assumed: how it gets here is not visible"))
        return
    link.keeps_groups = False
    name = "internet gateway"
    line = _private_line(net, destination, pair[0])
    if line is not None:
        why = f"answers leave by {_GATEWAYS[line.kind]}: it may come that way too"
        link.unknown.append(("way in", line.target, why))
        return
    attached = [id_ for id_, vpc in net.internet_gateways.items() if vpc == destination.vpc]
    if not attached and "internet gateways" not in net.unread:
        link.stop(
            "PATH_IGW_DETACHED",
            name,
            subject=destination.vpc,
            summary=f"{destination.vpc} has no internet gateway",
        )
    elif pair[1].version == 4 and destination.interface and not destination.public:
        link.stop(
            "PATH_IGW_NO_PUBLIC_IP",
            name,
            subject=destination.interface,
            summary=f"{destination.label} has no public address: the internet cannot reach it",
        )
    elif attached:
        link.passes.append((name, attached[0], "attached"))
    else:
        link.unknown.append((name, destination.vpc, "it could not be read"))
