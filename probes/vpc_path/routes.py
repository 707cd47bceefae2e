"""Route tables: the subnet's own or the VPC's main one; the longest prefix wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from probes.vpc_path.model import Network, Route, RouteTable
from probes.vpc_path.space import Net, covers, is_private, network, size

_ORIGIN = {"CreateRouteTable": 0, "CreateRoute": 1}
_MOST_PARTS = 128
"""Narrower ranges that are looked up one by one, the widest first."""


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


def parts(net: Network, table: RouteTable, to: Net) -> tuple[Route | None, ...]:
    """The routes that parts of a range take, that of the most of it first; None: no route.

    Routes to narrower ranges divide it. Of the internet they do so only without a default route
    that is left anything: private ranges, and what an endpoint takes away for itself (S3), are no
    part of it.
    """
    whole = lookup(net, table, to)
    is_internet = to.prefixlen == 0
    inner = sorted(
        {
            prefix
            for route in table.routes
            for prefix, _ in _prefixes(net, route)
            if prefix != to
            and covers(to, prefix)
            and not (is_internet and (is_private(prefix) or route.kind in {"vpce", "local"}))
        },
        key=lambda prefix: prefix.prefixlen,
    )
    if is_internet and whole is not None and not _is_filled(to, inner):
        return (whole,)
    narrower = (
        lookup(net, table, prefix)
        for prefix in inner[:_MOST_PARTS]
        if not _is_filled(prefix, [one for one in inner if one != prefix and covers(prefix, one)])
    )
    return (*(() if _is_filled(to, inner) else (whole,)), *narrower)


def _is_filled(outer: Net, inner: Sequence[Net]) -> bool:
    """Whether the inner ranges leave nothing of the outer one."""
    return size(inner) == outer.num_addresses


def unread_lists(net: Network, table: RouteTable, to: Net) -> tuple[str, ...]:
    """Prefix lists of the table that could not be read: a narrower route may hide in them.

    Not for private addresses in the list of a gateway endpoint: a service of AWS has none.
    """
    return tuple(
        route.destination
        for route in table.routes
        if route.destination.startswith("pl-")
        and route.destination not in net.prefix_lists
        and not (is_private(to) and _is_service(net, route))
    )


def _is_service(net: Network, route: Route) -> bool:
    endpoint = net.endpoints.get(route.target)
    return endpoint is not None and endpoint.kind == "Gateway"


def is_public(net: Network, subnet: str) -> bool:
    """Whether the subnet's way to the internet is an attached internet gateway."""
    table = table_of(net, subnet)
    everywhere = network("0.0.0.0/0")
    if table is None or everywhere is None:
        return False
    return any(
        route is not None
        and route.kind == "igw"
        and route.state == "active"
        and bool(net.internet_gateways.get(route.target, route.target))
        for route in parts(net, table, everywhere)
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
