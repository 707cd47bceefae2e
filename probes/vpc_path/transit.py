"""What stands where a route leads to a transit gateway, or to an interface that is to forward.

Certain obstacles only: what a gateway or an appliance does with what gets in is not seen from here.
Source: Amazon VPC Transit Gateways ("Transit gateway attachments to a VPC": what comes from a zone
without a subnet of the attachment is dropped; "Route tables"), VPC User Guide ("NAT instances":
an interface drops what is for others while it checks source and destination).
"""

from __future__ import annotations

from probes.vpc_path.gateways import APPLIANCES
from probes.vpc_path.link import Between
from probes.vpc_path.model import Network, PathEnd, Route
from probes.vpc_path.space import Net

IDLE = "available"
"""The state of an interface that is attached to nothing."""


def led_on(
    net: Network, link: Between, route: Route, source: PathEnd, to: Net, *, name: str, rule: str
) -> None:
    """An obstacle at what the route leads to; without one, what it does is not known."""
    stopped = len(link.blocks)
    if route.kind == "tgw":
        _transit(net, link, route, source, to, name=name, rule=rule)
    elif route.kind in {"eni", "instance"}:
        _forwarder(net, link, route, name=name, rule=rule)
    if len(link.blocks) == stopped:
        link.unknown.append((name, route.target, f"it leaves by {APPLIANCES[route.kind]}"))


def _transit(
    net: Network, link: Between, route: Route, source: PathEnd, to: Net, *, name: str, rule: str
) -> None:
    """Through the attachment of the source's VPC, and its route table."""
    found = net.transits.get(f"{route.target} {source.vpc}")
    place = net.subnets.get(source.subnet)
    if found is None:
        return
    table = found.table or "its route table"
    if found.zones and place is not None and place.zone and place.zone not in found.zones:
        link.stop(
            "PATH_TGW_NO_ATTACHMENT_AZ",
            name,
            subject=found.attachment,
            summary=f"{found.attachment} has no subnet in {place.zone}, where {source.subnet} is",
            rule=rule,
        )
    elif found.associated is False:
        link.stop(
            "PATH_TGW_NOT_ASSOCIATED",
            name,
            subject=found.attachment,
            summary=f"{found.attachment} is associated with no route table of {route.target}",
            rule=rule,
        )
    elif (state := found.routes.get(str(to))) is not None and state != "active":
        code = "BLACKHOLE" if state == "blackhole" else "NO_ROUTE"
        said = "swallows what is for" if state == "blackhole" else "has no route to"
        link.stop(
            f"PATH_TGW_{code}",
            name,
            subject=table,
            summary=f"{table} of {route.target} {said} {to}",
            rule=rule,
        )


def _forwarder(net: Network, link: Between, route: Route, *, name: str, rule: str) -> None:
    found = net.forwarders.get(route.target)
    if found is None:
        return
    if found.state == IDLE:
        link.stop(
            "PATH_ENI_NOT_IN_USE",
            name,
            subject=found.interface,
            summary=f"{found.interface} is attached to nothing, and the route leads to it",
            rule=rule,
        )
    elif found.checks:
        link.stop(
            "PATH_SRC_DST_CHECK",
            name,
            subject=found.interface,
            summary=f"{found.interface} drops what is not for itself: it checks source and "
            "destination",
            rule=rule,
        )
