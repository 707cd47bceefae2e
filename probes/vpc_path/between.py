"""What lies between two subnets, or a subnet and the outside: which way, and what stands there."""

from __future__ import annotations

from probes.vpc_path import gateways, routes, transit
from probes.vpc_path.gateways import APPLIANCES
from probes.vpc_path.link import Between, together
from probes.vpc_path.model import Flow, Network, PathEnd, Route
from probes.vpc_path.space import Net, covers, is_private, network

_GONE = {"", "deleted", "active", "available"}
"""States of a target that a black hole is not explained by."""
_TO_INTERNET = {"igw", "nat", "eigw"}


def between(
    net: Network,
    ends: tuple[PathEnd, PathEnd],
    pair: tuple[Net, Net],
    flow: Flow,
    span: tuple[int, int],
) -> Between:
    """The way from the source's subnet to the destination, without ACLs and groups of the ends."""
    source, destination = ends
    link = Between()
    if source.subnet and source.subnet == destination.subnet:
        pass
    elif not source.inside:
        _from_outside(net, link, source, destination, pair)
    else:
        name = f"route from {source.subnet}"
        ways = _routes(net, link, source.subnet, pair[1], name=name, back=False)
        parts = [
            _one(net, way, ends=ends, pair=pair, flow=flow, span=span, name=name) for way in ways
        ]
        link = together([link, *parts] if link.blocks or link.unknown else parts)
    if destination.kind == "endpoint":
        gateways.interface_endpoint(net, link, destination, source)
    return link


def route_back(net: Network, ends: tuple[PathEnd, PathEnd], back: Net) -> Between:
    """The route of the answer, from the destination's subnet."""
    destination = ends[1]
    link = Between()
    name = f"answer: route from {destination.subnet}"
    ways = _routes(net, link, destination.subnet, back, name=name, back=True)
    parts = [_answer(net, way, ends=ends, back=back, name=name) for way in ways]
    return together([link, *parts] if link.blocks or link.unknown else parts)


def _routes(
    net: Network, link: Between, subnet: str, to: Net, *, name: str, back: bool
) -> list[Route]:
    """The active routes that parts of the range take; what has none is told."""
    table = routes.table_of(net, subnet)
    if table is None:
        link.unknown.append((name, subnet, "the route table could not be read"))
        return []
    hidden = routes.unread_lists(net, table, to)
    if hidden:
        link.unknown.append((name, table.id, f"could not read {', '.join(hidden)}"))
        return []
    parts = dict.fromkeys(routes.parts(net, table, to))
    good = [part for part in parts if part is not None and part.state != "blackhole"]
    whose = f"{table.id} of {subnet}"
    if None in parts:
        link.stop(
            "PATH_NO_RETURN_ROUTE" if back else "PATH_NO_ROUTE",
            name,
            subject=table.id,
            summary=f"{whose} has no route to {'a part of ' if good else ''}{to}",
        )
    for part in parts:
        if part is not None and part.state == "blackhole":
            _swallowed(net, link, part, name=name, whose=whose, table=table.id)
    return good


def _swallowed(
    net: Network, link: Between, route: Route, *, name: str, whose: str, table: str
) -> None:
    """A black hole, by what its target is: gone, or there and not ready to carry anything.

    A peering that waits to be accepted makes one too (VPC Peering Guide, “Create”).
    """
    peering, nat = net.peerings.get(route.target), net.nats.get(route.target)
    words = routes.in_words(route)
    if peering is not None and peering.status not in _GONE:
        gateways.inactive(link, peering, name=name, rule=words)
    elif nat is not None and nat.state not in _GONE:
        gateways.unavailable(link, nat, name=name, rule=words)
    else:
        link.stop(
            "PATH_ROUTE_BLACKHOLE",
            name,
            subject=table,
            summary=f"{whose}: {words}; its target is gone",
            rule=words,
        )


def _one(
    net: Network,
    route: Route,
    *,
    ends: tuple[PathEnd, PathEnd],
    pair: tuple[Net, Net],
    flow: Flow,
    span: tuple[int, int],
    name: str,
) -> Between:
    """What stands at the end of one route."""
    source, destination = ends
    link, words = Between(), routes.in_words(route)
    crosses = destination.inside and destination.vpc != source.vpc
    if route.kind == "local" and not destination.inside:
        link.unknown.append((name, route.target, f"{pair[1]} is in no subnet that was read"))
        return link
    if route.kind == "local" and crosses:
        link.stop(
            "PATH_VPCS_DISCONNECTED",
            name,
            subject=source.vpc,
            summary=f"{source.vpc} takes {pair[1]} for its own: the VPCs overlap",
            rule=words,
        )
        return link
    if route.kind in _TO_INTERNET and destination.inside:
        _not_inside(net, link, route, ends, to=pair[1], name=name)
        return link
    if route.kind in APPLIANCES and route.kind != "vpce":
        # an appliance never carries group references; a transit gateway may (VPC User Guide)
        link.keeps_groups = route.kind in {"tgw", "vgw", "other"}
        transit.led_on(net, link, route, source, pair[1], name=name, rule=words)
        return link
    link.passes.append((name, route.target, words))
    match route.kind:
        case "igw":
            gateways.internet_gateway(net, link, route, source, pair[0])
        case "nat":
            gateways.nat_gateway(net, link, route, source=source, pair=pair, flow=flow, span=span)
        case "eigw":
            link.keeps_groups = False
            gateways.public_access(net, link, source, by="eigw", out=True)
        case "pcx":
            gateways.peering(net, link, route, destination, name=f"peering {route.target}")
        case "vpce":
            gateways.gateway_endpoint(net, link, route, destination, name=name)
    return link


def _not_inside(
    net: Network,
    link: Between,
    route: Route,
    ends: tuple[PathEnd, PathEnd],
    *,
    to: Net,
    name: str,
) -> None:
    """A packet for a private address of another VPC does not leave by the internet."""
    if route.kind == "nat":
        _turned(net, link, route, ends, to=to, name=name)
    elif not is_private(to):
        why = f"by {route.target} to a public address of {ends[1].vpc}"
        link.keeps_groups = False
        link.unknown.append((name, route.target, f"it leaves {why}"))
    else:
        _apart(link, route, ends, name=name)


def _apart(link: Between, route: Route, ends: tuple[PathEnd, PathEnd], *, name: str) -> None:
    source, destination = ends
    link.stop(
        "PATH_VPCS_DISCONNECTED" if destination.vpc != source.vpc else "PATH_NO_ROUTE",
        name,
        subject=source.vpc,
        summary=f"nothing but {route.target} leads from {source.vpc} to {destination.vpc}, "
        "and it does not carry private addresses",
        rule=routes.in_words(route),
    )


def _turned(
    net: Network,
    link: Between,
    route: Route,
    ends: tuple[PathEnd, PathEnd],
    *,
    to: Net,
    name: str,
) -> None:
    """A NAT gateway passes private addresses on where its own subnet has a way for them."""
    nat = net.nats.get(route.target)
    if nat is None:
        link.keeps_groups = False
        link.unknown.append((name, route.target, "it could not be read"))
        return
    if nat.state != "available":
        gateways.unavailable(link, nat, name=name, rule=routes.in_words(route))
    table = routes.table_of(net, nat.subnet)
    onward = routes.parts(net, table, to) if table is not None else ()
    hidden = routes.unread_lists(net, table, to) if table is not None else ()
    lost = bool(onward) and all(
        way is None or way.state == "blackhole" or way.kind in _TO_INTERNET for way in onward
    )
    if lost and not hidden and (to.version == 4 or set(onward) == {None}):
        _apart(link, route, ends, name=name)
    else:
        link.keeps_groups = False
        link.unknown.append((name, nat.id, "it leaves by a NAT gateway to a private address"))


def _answer(
    net: Network, route: Route, *, ends: tuple[PathEnd, PathEnd], back: Net, name: str
) -> Between:
    """Where one route leads the answer."""
    source, destination = ends
    link, words = Between(), routes.in_words(route)
    crosses = source.inside and source.vpc != destination.vpc
    from_internet = source.kind == "internet"
    stranger = not source.inside and covers(network(route.destination), back)
    if route.kind == "local" and (crosses or stranger):
        _lost_at_home(link, route, ends, back=back, name=name)
    elif route.kind in _TO_INTERNET:
        _by_internet(net, link, route, ends, back=back, name=name)
    elif route.kind == "pcx" and not from_internet:
        gateways.peering(net, link, route, source, name=name, back=True)
    elif route.kind == "pcx":
        _no_way(net, link, route, ends, name=name, why="is no way to the internet")
    elif route.kind in APPLIANCES and (source.inside or from_internet):
        link.unknown.append((name, route.target, f"it leaves by {APPLIANCES[route.kind]}"))
    else:
        link.passes.append((name, route.target, words))
    return link


def _lost_at_home(
    link: Between, route: Route, ends: tuple[PathEnd, PathEnd], *, back: Net, name: str
) -> None:
    source, destination = ends
    if not source.inside:
        why = f"{back} is in no subnet that was read"
        link.unknown.append((name, route.target, why))
        return
    link.stop(
        "PATH_VPCS_DISCONNECTED",
        name,
        subject=destination.vpc,
        summary=f"{destination.vpc} takes {back} for its own: the VPCs overlap",
        rule=routes.in_words(route),
    )


def _by_internet(
    net: Network,
    link: Between,
    route: Route,
    ends: tuple[PathEnd, PathEnd],
    *,
    back: Net,
    name: str,
) -> None:
    source, destination = ends
    if source.kind == "internet" and route.kind == "igw":
        link.passes.append((name, route.target, routes.in_words(route)))
    elif source.kind == "internet":
        why = f"is not the internet gateway: {destination.subnet} is not public"
        _no_way(net, link, route, ends, name=name, why=why)
    elif is_private(back) or route.kind != "igw":
        _no_way(net, link, route, ends, name=name, why="cannot carry private addresses")
    else:
        link.unknown.append((name, route.target, f"it leaves by {route.target} to {back}"))


def _no_way(
    net: Network,
    link: Between,
    route: Route,
    ends: tuple[PathEnd, PathEnd],
    *,
    name: str,
    why: str,
) -> None:
    source, destination = ends
    table = routes.table_of(net, destination.subnet)
    link.stop(
        "PATH_NO_RETURN_ROUTE",
        name,
        subject=table.id if table else destination.subnet,
        summary=f"the answer to {source.label} would leave by {route.target}, which {why}",
        rule=routes.in_words(route),
    )


def _private_line(net: Network, destination: PathEnd, source: Net) -> tuple[str, str]:
    """The way by which a public range of our own may come: VPN, Direct Connect, an appliance; and
    why that is thought. Empty: the internet's.
    """
    table = routes.table_of(net, destination.subnet)
    if source.prefixlen == 0:
        return "", ""
    if table is None or routes.unread_lists(net, table, source):
        why = "whether it comes by the internet gateway: the route back could not be read"
        return destination.subnet, why
    route = routes.lookup(net, table, source)
    if route is None or route.kind not in APPLIANCES:
        return "", ""
    return route.target, f"answers leave by {APPLIANCES[route.kind]}: it may come that way too"


def _from_outside(
    net: Network, link: Between, source: PathEnd, destination: PathEnd, pair: tuple[Net, Net]
) -> None:
    link.keeps_groups = False
    if source.kind != "internet":
        link.passes.append(("way in", source.label, "assumed: how it gets here is not visible"))
        return
    line, why = _private_line(net, destination, pair[0])
    if why:
        link.unknown.append(("way in", line, why))
        return
    gateways.from_internet(net, link, destination, pair[1])
