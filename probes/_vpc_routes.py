"""Route tables: the subnet's own or the VPC's main one; the longest prefix wins."""

from __future__ import annotations

from collections.abc import Iterator

from probes._vpc_model import Network, Route, RouteTable
from probes._vpc_space import Net, covers, network

_ORIGIN = {"CreateRouteTable": 0, "CreateRoute": 1}


def table_of(net: Network, subnet: str) -> RouteTable | None:
    """The table that a subnet uses; None when it could not be read."""
    for table in net.tables.values():
        if subnet in table.subnets:
            return table
    place = net.subnets.get(subnet)
    if place is None:
        return None
    mains = (table for table in net.tables.values() if table.main and table.vpc == place.vpc)
    return next(mains, None)


def lookup(net: Network, table: RouteTable, to: Net) -> Route | None:
    """The route that a packet takes; None without one.

    On equal prefixes: local, then static over propagated, then a CIDR over a prefix list
    (VPC User Guide, “Route priority”). A blackhole route wins like any other.
    """
    best: tuple[int, int, int, int] | None = None
    chosen: Route | None = None
    for route in table.routes:
        for prefix, listed in _prefixes(net, route):
            if not covers(prefix, to):
                continue
            rank = (
                -prefix.prefixlen,
                0 if route.kind == "local" else 1,
                _ORIGIN.get(route.origin, 2),
                int(listed),
            )
            if best is None or rank < best:
                best, chosen = rank, route
    return chosen


def unread_lists(net: Network, table: RouteTable) -> tuple[str, ...]:
    """Prefix lists of the table that could not be read: a route may hide in them."""
    return tuple(
        route.destination
        for route in table.routes
        if route.destination.startswith("pl-") and route.destination not in net.prefix_lists
    )


def is_public(net: Network, subnet: str) -> bool:
    """Whether the subnet's way to the internet is an attached internet gateway."""
    table = table_of(net, subnet)
    everywhere = network("0.0.0.0/0")
    if table is None or everywhere is None:
        return False
    route = lookup(net, table, everywhere)
    return (
        route is not None
        and route.kind == "igw"
        and route.state == "active"
        and bool(net.internet_gateways.get(route.target, route.target))
    )


def in_words(route: Route) -> str:
    """`10.0.0.0/16 → local`, with its state where that is not `active`."""
    state = "" if route.state == "active" else f" ({route.state})"
    return f"{route.destination} → {route.target}{state}"


def _prefixes(net: Network, route: Route) -> Iterator[tuple[Net, bool]]:
    listed = route.destination.startswith("pl-")
    texts = net.prefix_lists.get(route.destination, ()) if listed else (route.destination,)
    for text in texts:
        found = network(text)
        if found is not None:
            yield found, listed
