"""Addresses × ports as boxes, so that rules about ranges are decided exactly and not by sample."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

Net = ipaddress.IPv4Network | ipaddress.IPv6Network


_PRIVATE = tuple(
    ipaddress.ip_network(block)
    for block in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)


@dataclass(frozen=True, slots=True)
class Box:
    """All ports from `low` to `high` of all addresses of a network."""

    net: Net
    low: int
    high: int


@lru_cache(maxsize=4096)
def network(text: str) -> Net | None:
    """The network of a CIDR or address; None for text that is none."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def same_family(
    ours: Iterable[str], theirs: Iterable[str], protocol: str = ""
) -> tuple[Net, Net] | None:
    """One network of each side; None when they share no family that carries the protocol.

    IPv4 where both have it, unless IPv6 stands first at one of them: then that is what was named.
    ICMP is IPv4's and ICMPv6 is IPv6's, whatever stands first.
    """
    left, right = _nets(ours), _nets(theirs)
    named = any(nets[0].version == 6 for nets in (left, right) if nets)
    only = {"icmp": (4,), "icmpv6": (6,)}.get(protocol)
    for version in only or ((6, 4) if named else (4, 6)):
        mine = next((net for net in left if net.version == version), None)
        other = next((net for net in right if net.version == version), None)
        if mine is not None and other is not None:
            return mine, other
    return None


def _nets(texts: Iterable[str]) -> list[Net]:
    return [net for net in map(network, texts) if net is not None]


def covers(outer: Net | None, inner: Net) -> bool:
    """Whether every address of `inner` is in `outer`."""
    if isinstance(outer, ipaddress.IPv4Network) and isinstance(inner, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, ipaddress.IPv6Network) and isinstance(inner, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def meets(one: Net | None, other: Net) -> bool:
    """Whether they share an address."""
    return one is not None and (covers(one, other) or covers(other, one))


def is_private(net: Net) -> bool:
    """Whether the internet carries no address of it (RFC 1918, 6598, 3927, 4193, 4291)."""
    return any(covers(block, net) for block in _PRIVATE)


def is_public(net: Net) -> bool:
    """Whether the internet carries all of it; the whole internet is taken for public too."""
    return net.prefixlen == 0 or not any(meets(block, net) for block in _PRIVATE)


@lru_cache(maxsize=64)
def carried(net: Net) -> tuple[Net, ...]:
    """The network; of the whole internet only what it carries: no private range is a part of it."""
    left = [net]
    for block in _PRIVATE if net.prefixlen == 0 else ():
        left = [part for one in left for part in _without(one, block)]
    return tuple(left)


def shared(one: Net | None, parts: Iterable[Net]) -> Iterator[Net]:
    """What a network has in common with each of the parts."""
    for part in parts:
        if one is not None and meets(one, part):
            yield part if covers(one, part) else one


def size(nets: Iterable[Net]) -> int:
    """How many addresses they hold together. The families are told apart for the type checker."""
    every = list(nets)
    v4 = (one for one in every if isinstance(one, ipaddress.IPv4Network))
    v6 = (one for one in every if isinstance(one, ipaddress.IPv6Network))
    held = sum(one.num_addresses for one in ipaddress.collapse_addresses(v4))
    return held + sum(one.num_addresses for one in ipaddress.collapse_addresses(v6))


def cut(boxes: Sequence[Box], rule: Box) -> tuple[list[Box], list[Box]]:
    """What of the boxes the rule takes, and what it leaves."""
    taken: list[Box] = []
    left: list[Box] = []
    for box in boxes:
        low, high = max(box.low, rule.low), min(box.high, rule.high)
        if low > high or not meets(rule.net, box.net):
            left.append(box)
            continue
        inner = box.net if covers(rule.net, box.net) else rule.net
        taken.append(Box(inner, low, high))
        left.extend(Box(net, box.low, box.high) for net in _without(box.net, inner))
        if box.low < low:
            left.append(Box(inner, box.low, low - 1))
        if high < box.high:
            left.append(Box(inner, high + 1, box.high))
    return taken, left


def _without(outer: Net, inner: Net) -> Iterator[Net]:
    """The families are told apart for the type checker's sake."""
    if not covers(outer, inner):
        yield outer
        return
    if outer == inner:
        return
    if isinstance(outer, ipaddress.IPv4Network):
        if isinstance(inner, ipaddress.IPv4Network):
            yield from outer.address_exclude(inner)
    elif isinstance(inner, ipaddress.IPv6Network):
        yield from outer.address_exclude(inner)


def ports(box: Box) -> str:
    """`5432` or `32768-60999`."""
    return str(box.low) if box.low == box.high else f"{box.low}-{box.high}"
