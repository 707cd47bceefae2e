"""The ends of a path: what the configuration names, found as interfaces or address ranges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.aws.settings import VpcEnd, VpcPathSettings
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from probes.vpc_path.model import Network, PathEnd
from probes.vpc_path.pieces import named_ranges
from probes.vpc_path.read import place_of, subnet_of
from probes.vpc_path.rows import InterfaceRow, SubnetRow
from probes.vpc_path.space import Net, covers, is_public, meets, network

INTERNET = PathEnd(
    label="the internet", cidrs=("0.0.0.0/0", "::/0"), kind="internet", guard="assumed"
)
_MOST_CLASSES = 12


async def resolve(
    aws: AwsReads, settings: VpcPathSettings
) -> tuple[tuple[PathEnd, ...], tuple[PathEnd, ...]]:
    """The places of both ends. Raises `BlindError(missing)` for an end that does not exist.

    An address without an interface is given back with an unknown guard; `settle` finds its subnet.
    """
    source, destination = await asyncio.gather(
        _end(aws, settings.source), _end(aws, settings.destination)
    )
    return _in_one_vpc(source, destination), _in_one_vpc(destination, source)


def settle(places: Iterable[PathEnd], net: Network) -> tuple[PathEnd, ...]:
    """Addresses and ranges inside of a VPC that was read get their subnet; the rest stays.

    Public ones that are in none of these VPCs come and go over the internet.
    """
    return tuple(_settled(place, net) for place in places)


def classes(
    places: Iterable[PathEnd], net: Network, others: Iterable[PathEnd] = ()
) -> tuple[tuple[PathEnd, ...], int]:
    """One place for each set that is guarded alike, few instead of hundreds; and how many further
    sets were left out. Of a set that is wholly at the other end too: two, who talk to each other.

    Alike are those of one subnet with the same groups, whose addresses no rule, entry or route
    tells apart.
    """
    found: dict[tuple[object, ...], list[PathEnd]] = {}
    ranges = _ranges(net)
    for place in places:
        key: tuple[object, ...] = (
            place.subnet,
            place.groups,
            place.kind,
            place.guard,
            bool(place.public),
        )
        if place.kind == "endpoint":  # each has a state of its own
            key = (*key, place.interface)
        marks = _marks(place, ranges)
        found.setdefault((*key, marks) if place.inside else (place.label,), []).append(place)
    there = {place.interface for place in others} - {""}
    alike = [one for held in found.values() for one in _speakers(held, there)]
    return tuple(alike[:_MOST_CLASSES]), len(alike[_MOST_CLASSES:])


def _speakers(alike: Sequence[PathEnd], there: set[str]) -> Iterator[PathEnd]:
    """Who speaks for a set: nobody's way to itself is one."""
    away = [place for place in alike if place.interface not in there]
    chosen = away[:1] or alike[:2]
    rest = len(alike) - len(chosen)
    first = chosen[0]
    yield replace(first, label=f"{first.label} and {rest} alike") if rest else first
    yield from chosen[1:]


def _ranges(net: Network) -> dict[tuple[int, int], set[int]]:
    """Every range that a rule, entry, route or prefix list names, by family and prefix length."""
    found: dict[tuple[int, int], set[int]] = {}
    for one in (each for each in map(network, {*named_ranges(net)}) if each is not None):
        found.setdefault((one.version, one.prefixlen), set()).add(int(one.network_address))
    return found


def _marks(place: PathEnd, ranges: dict[tuple[int, int], set[int]]) -> frozenset[tuple[int, ...]]:
    """Which of the ranges hold the addresses by which a place is judged: its first of a family."""
    nets = [one for one in map(network, place.cidrs) if one is not None]
    firsts: dict[int, Net] = {one.version: one for one in reversed(nets)}
    marks: set[tuple[int, ...]] = set()
    for (version, length), starts in ranges.items():
        one = firsts.get(version)
        if one is not None and length <= one.prefixlen:
            unused = one.max_prefixlen - length
            start = int(one.network_address) >> unused << unused
            if start in starts:
                marks.add((version, length, start))
    return frozenset(marks)


def _settled(place: PathEnd, net: Network) -> PathEnd:
    if place.inside or place.kind == "internet":
        return place
    inner = network(place.cidrs[0]) if place.cidrs else None
    if inner is None:
        return place
    for subnet in net.subnets.values():
        if any(covers(network(cidr), inner) for cidr in subnet.cidrs):
            return replace(place, vpc=subnet.vpc, subnet=subnet.id)
    if "subnets" in net.unread:
        return place
    known = [cidr for vpc in net.vpcs.values() for cidr in vpc]
    known += [cidr for subnet in net.subnets.values() for cidr in subnet.cidrs]
    is_ours = inner.prefixlen > 0 and any(meets(network(cidr), inner) for cidr in known)
    kind = "internet" if is_public(inner) and not is_ours else place.kind
    return replace(place, guard="assumed", kind=kind)


async def _end(aws: AwsReads, end: VpcEnd) -> tuple[PathEnd, ...]:
    if end.internet:
        return (INTERNET,)
    if end.cidr:
        return (PathEnd(label=end.cidr, cidrs=(end.cidr,), guard="assumed"),)
    if end.instance:
        return await _found(aws, "attachment.instance-id", end.instance)
    if end.interface:
        return await _found(aws, "network-interface-id", end.interface)
    if end.address:
        return await _address(aws, end.address)
    if end.security_group and end.subnet:
        return (await _pseudo(aws, end),)
    if end.security_group:
        return await _found(aws, "group-id", end.security_group)
    raise BlindError(
        Reason.MISCONFIGURED,
        "an end of the path names nothing",
        hint="give instance, interface, security_group (with subnet), address, cidr or internet",
    )


async def _found(aws: AwsReads, name: str, value: str) -> tuple[PathEnd, ...]:
    rows = [place_of(row) for row in await _interfaces(aws, name, value)]
    if not rows:
        raise BlindError(
            Reason.MISSING,
            f"no network interface has {name} {value}",
            hint="check the id and the region; for a group without interfaces give its subnet too",
        )
    return tuple(rows)


async def _interfaces(aws: AwsReads, name: str, value: str) -> tuple[InterfaceRow, ...]:
    rows = await aws.pages(
        "ec2",
        "DescribeNetworkInterfaces",
        key="NetworkInterfaces",
        Filters=[{"Name": name, "Values": [value]}],
    )
    return answers_into(rows, InterfaceRow)


async def _address(aws: AwsReads, address: str) -> tuple[PathEnd, ...]:
    name = "addresses.private-ip-address" if ":" not in address else "ipv6-addresses.ipv6-address"
    exact = network(address)
    address = str(exact.network_address) if exact is not None else address  # as EC2 writes it
    found = await _interfaces(aws, name, address)
    if not found:
        return (PathEnd(label=address, cidrs=(address,), guard="unknown"),)
    return tuple(place_of(row, address) for row in found)


async def _pseudo(aws: AwsReads, end: VpcEnd) -> PathEnd:
    """Something in a subnet that carries a group: any address of the subnet."""
    row = await aws.item("ec2", "DescribeSubnets", key=end.subnet)
    subnet = subnet_of(answer_into(row, SubnetRow))
    return PathEnd(
        label=f"{end.security_group} in {subnet.name or subnet.id}",
        cidrs=subnet.cidrs,
        vpc=subnet.vpc,
        subnet=subnet.id,
        groups=(end.security_group,),
    )


def _in_one_vpc(places: Sequence[PathEnd], others: Sequence[PathEnd]) -> tuple[PathEnd, ...]:
    """The same private address may exist in several VPCs: the other end's one is meant."""
    vpcs = {place.vpc for place in others if place.vpc}
    near = tuple(place for place in places if place.vpc in vpcs)
    return near or tuple(places)
