"""A path of ranges, cut into pieces that no rule, entry or route divides.

Two stations that each let a part pass may let nothing pass together: that is seen piece by piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, product

from probes.vpc_path import routes
from probes.vpc_path.model import ANY, Network, PathEnd
from probes.vpc_path.space import Box, Net, carried, covers, cut, meets, network

_MOST, _MOST_OF_ONE = 1000, 200
"""Pieces that are looked at, and of one end; a path of more stays as it was judged in whole."""

Piece = tuple[tuple[Net, Net], tuple[int, int]]


def pieces(
    net: Network,
    ends: tuple[PathEnd, PathEnd],
    pair: tuple[Net, Net],
    span: tuple[int, int],
    *,
    by_port: bool,
) -> Sequence[Piece]:
    """Every pair of addresses' ranges with a range of the answers' ports; empty: too many.

    `by_port`: an ACL lets a part pass, which may be one of the answers' ports.
    """
    named = list(dict.fromkeys(_named(net)))
    ours = _divided(pair[0], named)
    theirs = _divided(pair[1], named)
    if ends[0].kind == "internet" and pair[0].prefixlen == 0 and ends[1].inside:
        ours = [one for one in ours if _is_its(net, ends[1].subnet, pair[0], one, out=False)]
    if ends[1].kind == "internet" and pair[1].prefixlen == 0 and ends[0].inside:
        theirs = [one for one in theirs if _is_its(net, ends[0].subnet, pair[1], one, out=True)]
    spans = [*_spans(net, span)] if by_port else [span]
    if max(len(ours), len(theirs)) > _MOST_OF_ONE or len(ours) * len(theirs) * len(spans) > _MOST:
        return ()
    return [*product(product(ours, theirs), spans)]


def named_ranges(net: Network) -> Iterator[str]:
    """Every range that a rule, entry, route or prefix list names."""
    for group in net.groups.values():
        yield from (rule.peer for rule in group.rules)
    for acl in net.acls.values():
        yield from (entry.cidr for entry in acl.entries)
    for table in net.tables.values():
        yield from (route.destination for route in table.routes)
    for listed in net.prefix_lists.values():
        yield from listed


def _named(net: Network) -> Iterator[Net]:
    yield from (one for one in map(network, named_ranges(net)) if one is not None)


def _divided(whole: Net, named: Iterable[Net]) -> list[Net]:
    left = [*carried(whole)]
    for one in named:
        if len(left) > _MOST_OF_ONE:
            break
        if meets(one, whole) and not covers(one, whole):
            taken, rest = cut([Box(each, 0, 0) for each in left], Box(one, 0, 0))
            left = [box.net for box in (*taken, *rest)]
    return left


def _is_its(net: Network, subnet: str, whole: Net, piece: Net, *, out: bool) -> bool:
    """Whether a piece goes the internet's way: what a narrower route takes is no part of it.

    What goes out by NAT is led on by a second table.
    """
    table = routes.table_of(net, subnet)
    if table is None:
        return True
    default, own = routes.lookup(net, table, whole), routes.lookup(net, table, piece)
    if default is not None and own is not default:
        return False
    if own is None:
        return True
    nat = net.nats.get(own.target)
    if out and nat is not None and nat.subnet and nat.subnet != subnet:
        return _is_its(net, nat.subnet, whole, piece, out=out)
    return own.kind not in {"vpce", "local"}


def _spans(net: Network, span: tuple[int, int]) -> Iterator[tuple[int, int]]:
    low, high = span
    edges = {low, high + 1}
    for acl in net.acls.values():
        for entry in acl.entries:
            if entry.low != ANY:
                edges |= {edge for edge in (entry.low, entry.high + 1) if low <= edge <= high}
    yield from ((first, after - 1) for first, after in pairwise(sorted(edges)))
