"""Every station of a way, out and back, and what stands in it. Pure.

Order: egress of the source's groups, its subnet's ACL, its route; what lies between; the
destination's ACL and groups; then the answer: ACLs (ephemeral ports) and the return route.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from probes.vpc_path import acl, groups
from probes.vpc_path.between import between, route_back
from probes.vpc_path.link import Between
from probes.vpc_path.model import Blocker, Flow, Hop, Network, PathEnd, Way, ephemeral, has_ports
from probes.vpc_path.pieces import pieces
from probes.vpc_path.space import Net, same_family


@dataclass(slots=True)
class Walk:
    """The way while it is walked."""

    hops: list[Hop] = field(default_factory=list)
    blockers: list[Blocker] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def passes(self, name: str, subject: str, why: str) -> None:
        """A station that lets everything pass."""
        self.hops.append(Hop(name=name, subject=subject, outcome="passes", why=why))

    def lacks(self, name: str, subject: str, why: str) -> None:
        """A station that cannot be judged."""
        self.hops.append(Hop(name=name, subject=subject, outcome="unknown", why=why))
        self.unknown.append(f"{name}: {why}")

    def blocks(self, code: str, name: str, *, subject: str, summary: str, **more: Any) -> None:
        """A station that lets nothing pass, or only a part (`partial=True`)."""
        partial = bool(more.get("partial"))
        outcome = "passes" if more.get("mild") else "partly" if partial else "blocks"
        self.hops.append(Hop(name=name, subject=subject, outcome=outcome, why=summary))
        self.blockers.append(
            Blocker(
                code=code,
                hop=len(self.hops),
                where=name,
                subject=subject,
                summary=summary,
                **more,
            )
        )


def judge(net: Network, source: PathEnd, destination: PathEnd, flow: Flow) -> Way:
    """Whether the configuration lets a packet arrive and its answer come back."""
    walk = Walk()
    pair = same_family(source.cidrs, destination.cidrs, flow.protocol)
    if pair is None:
        why = f"the ends share no address family that carries {flow.protocol}, or have no address"
        walk.lacks("addresses", "", why)
    elif not (source.inside or destination.inside):
        walk.lacks("ends", "", "neither end is in a VPC that could be read")
    elif source.interface and source.interface == destination.interface:
        walk.passes("ends", source.interface, "both ends are the same interface")
    else:
        _walk(walk, net, (source, destination), pair, flow, ephemeral(source.kind))
    verdict = _verdict(walk)
    ends = (source, destination)
    if pair is not None and _is_divided(walk, ends) and _all_closed(net, walk, ends, pair, flow):
        verdict = "blocked"
        walk.blockers = [replace(one, partial=False) for one in walk.blockers]
    return Way(
        source=source.label,
        destination=destination.label,
        verdict=verdict,
        hops=tuple(walk.hops),
        blockers=tuple(walk.blockers),
        unknown=tuple(walk.unknown),
    )


def _is_divided(walk: Walk, ends: tuple[PathEnd, PathEnd]) -> bool:
    """Whether several stations let a part pass; or one a part of the internet, which may be a
    part that goes another way.
    """
    outcomes = [hop.outcome for hop in walk.hops]
    if "blocks" in outcomes or "partly" not in outcomes:
        return False
    many = outcomes.count("partly") + outcomes.count("unknown")
    return many > 1 or "internet" in {end.kind for end in ends}


def _all_closed(
    net: Network, walk: Walk, ends: tuple[PathEnd, PathEnd], pair: tuple[Net, Net], flow: Flow
) -> bool:
    """Whether stations that each let another part pass let nothing pass together."""
    acls = any(hop.outcome == "partly" and "network ACL" in hop.name for hop in walk.hops)
    found = pieces(net, ends, pair, ephemeral(ends[0].kind), by_port=acls)
    for each, span in found:
        part = Walk()
        _walk(part, net, ends, each, flow, span)
        if _verdict(part) != "blocked":
            return False
    return bool(found)


def _walk(
    walk: Walk,
    net: Network,
    ends: tuple[PathEnd, PathEnd],
    pair: tuple[Net, Net],
    flow: Flow,
    span: tuple[int, int],
) -> None:
    """`span`: the ports that the answers come back to."""
    source, destination = ends
    ours, theirs = pair
    link = between(net, ends, pair, flow, span)
    one_subnet = source.inside and source.subnet == destination.subnet
    if source.inside:
        _groups(walk, net, ends, seen=theirs, flow=flow, egress=True, keeps=link.keeps_groups)
        if not one_subnet:
            _acl(walk, net, source, peer=theirs, flow=flow, egress=True)
    _between(walk, link)
    if destination.inside:
        if not one_subnet:
            _acl(walk, net, destination, peer=ours, flow=flow, egress=False)
        _groups(
            walk,
            net,
            ends,
            seen=ours,
            flow=flow,
            egress=False,
            keeps=link.keeps_groups,
        )
    if one_subnet:
        walk.passes("subnet", source.subnet, "one subnet: no network ACL, no route is asked")
        return
    if destination.inside:
        _acl_back(walk, net, destination, peer=ours, flow=flow, egress=True, span=span)
        _between(walk, route_back(net, ends, ours))
    if source.inside:
        _acl_back(walk, net, source, peer=theirs, flow=flow, egress=False, span=span)


def _between(walk: Walk, link: Between) -> None:
    for name, subject, why in link.passes:
        walk.passes(name, subject, why)
    for name, subject, why in link.unknown:
        walk.lacks(name, subject, why)
    for code, name, more in link.blocks:
        walk.blocks(code, name, **more)


def _groups(
    walk: Walk,
    net: Network,
    ends: tuple[PathEnd, PathEnd],
    *,
    seen: Net,
    flow: Flow,
    egress: bool,
    keeps: bool,
) -> None:
    guarded, other = ends if egress else (ends[1], ends[0])
    way = "egress" if egress else "ingress"
    subject = guarded.groups[0] if guarded.groups else guarded.subnet
    name = f"{way} of {', '.join(guarded.groups) or guarded.label}"
    if guarded.guard == "assumed":
        walk.passes(name, subject, "assumed: an address range has no security group")
        return
    if guarded.guard == "unknown":
        walk.lacks(name, subject, f"no interface has the address {guarded.label}")
        return
    missing = [group for group in guarded.groups if group not in net.groups]
    if missing:
        walk.lacks(name, subject, f"could not read {', '.join(missing)}")
        return
    said = groups.ask(net, guarded, other, seen=seen, flow=flow, egress=egress, keeps_groups=keeps)
    if said.outcome == "allows":
        walk.passes(name, subject, said.rule)
        return
    if said.outcome == "unknown":
        walk.lacks(name, subject, said.nearest)
        return
    ways = (guarded, other)
    _denied(walk, net, name, said=said, ends=ways, seen=seen, flow=flow, egress=egress, keeps=keeps)


def _denied(
    walk: Walk,
    net: Network,
    name: str,
    *,
    said: groups.GroupVerdict,
    ends: tuple[PathEnd, PathEnd],
    seen: Net,
    flow: Flow,
    egress: bool,
    keeps: bool,
) -> None:
    guarded, other = ends
    subject = guarded.groups[0] if guarded.groups else guarded.label
    wanted = f"{flow.protocol} {flow.port}" if has_ports(flow.protocol) else flow.protocol
    toward = "to" if egress else "from"
    partial = said.outcome == "partly"
    whom = f"all of {other.label}" if partial else other.label
    code = "PATH_SG_EGRESS_DENIED" if egress else "PATH_SG_INGRESS_DENIED"
    shared: dict[str, Any] = {
        "subject": subject,
        "nearest": said.nearest,
        "group_id": guarded.groups[0] if guarded.groups else "",
        "suggestion": groups.suggestion(guarded, other, seen=seen, flow=flow, keeps_groups=keeps),
    }
    summary = _with_names(net, f"no rule of {subject} allows {wanted} {toward} {whom}")
    walk.blocks(code, name, summary=summary, partial=partial, **shared)
    hop = len(walk.hops)
    for also, why, applies in (
        ("PATH_SG_EMPTY", f"{subject} has no rule in this direction at all", said.empty),
        ("PATH_SG_REFERENCE_LOST", "a group reference does not work over this way", said.lost),
    ):
        if applies:
            walk.blockers.append(
                Blocker(code=also, hop=hop, where=name, summary=why, mild=True, subject=subject)
            )


def _with_names(net: Network, text: str) -> str:
    """The text with groups by their names, as people know them."""
    for group in net.groups.values():
        text = text.replace(group.id, group.name or group.id)
    return text


def _acl(walk: Walk, net: Network, place: PathEnd, *, peer: Net, flow: Flow, egress: bool) -> None:
    found = net.acls.get(net.acl_of.get(place.subnet, ""))
    way = "out of" if egress else "into"
    name = f"network ACL {way} {place.subnet}"
    if found is None:
        walk.lacks(name, place.subnet, "the network ACL could not be read")
        return
    icmp = 8 if flow.protocol == "icmp" else 128
    said = acl.ask(
        found,
        egress=egress,
        protocol=flow.protocol,
        peer=peer,
        span=(flow.port, flow.port),
        icmp=icmp,
    )
    if said.outcome == "allows":
        walk.passes(name, found.id, said.rule)
        return
    port = f" {flow.port}" if has_ports(flow.protocol) else ""
    walk.blocks(
        "PATH_NACL_DENIED",
        name,
        subject=found.id,
        summary=f"{found.id} stops {flow.protocol}{port} {way} {place.subnet}: {said.rule}",
        rule=said.rule,
        partial=said.outcome == "partly",
    )


def _acl_back(
    walk: Walk,
    net: Network,
    place: PathEnd,
    *,
    peer: Net,
    flow: Flow,
    egress: bool,
    span: tuple[int, int],
) -> None:
    """The answer: its destination ports are the initiator's ephemeral ones."""
    found = net.acls.get(net.acl_of.get(place.subnet, ""))
    way = "out of" if egress else "into"
    name = f"answer: network ACL {way} {place.subnet}"
    if found is None:
        walk.lacks(name, place.subnet, "the network ACL could not be read")
        return
    icmp = 0 if flow.protocol == "icmp" else 129
    said = acl.ask(found, egress=egress, protocol=flow.protocol, peer=peer, span=span, icmp=icmp)
    if said.outcome == "allows":
        walk.passes(name, found.id, said.rule)
        return
    if not has_ports(flow.protocol):
        summary = f"{found.id} stops the answers {way} {place.subnet}: {said.rule}"
        walk.blocks("PATH_NACL_DENIED", name, subject=found.id, summary=summary, rule=said.rule)
        return
    some = said.outcome == "partly"
    ranges = f"{span[0]}-{span[1]}"
    summary = (
        f"{found.id} lets only a part of the answers {way} {place.subnet}: of the ports {ranges}, "
        f"{said.closed_ports} are closed by {said.rule}"
        if some
        else f"{found.id} stops the answers {way} {place.subnet}, ports {ranges}: {said.rule}"
    )
    walk.blocks(
        "PATH_NACL_EPHEMERAL_PARTIAL" if some else "PATH_NACL_EPHEMERAL_DENIED",
        name,
        subject=found.id,
        summary=summary,
        rule=said.rule,
        partial=some,
    )


def _verdict(walk: Walk) -> str:
    outcomes = {hop.outcome for hop in walk.hops}
    if "blocks" in outcomes:
        return "blocked"
    if "unknown" in outcomes:
        return "undetermined"
    return "partly" if "partly" in outcomes else "open"


def overall(ways: Sequence[Way]) -> str:
    """One verdict for all pairs: open or blocked only when all are."""
    verdicts = {way.verdict for way in ways}
    if not verdicts:
        return "undetermined"
    if len(verdicts) == 1:
        return verdicts.pop()
    works = verdicts & {"open", "partly"}
    fails = verdicts & {"blocked", "partly"}
    return "partly" if works and fails else "undetermined"


def gathered(ways: Iterable[Way]) -> tuple[Blocker, ...]:
    """Every blocker of all ways once, the earliest hop first; those of some ways only, partial."""
    all_ways = tuple(ways)
    seen: dict[tuple[str, str], list[Blocker]] = {}
    for way in all_ways:
        for blocker in way.blockers:
            seen.setdefault((blocker.code, blocker.subject), []).append(blocker)
    found = [
        replace(first, partial=first.partial or _of_some(first, all_ways))
        for first, *_ in seen.values()
    ]
    return tuple(sorted(found, key=lambda one: (one.mild, one.partial, one.hop)))


def _of_some(blocker: Blocker, ways: tuple[Way, ...]) -> bool:
    keys = ({(one.code, one.subject) for one in way.blockers if not one.partial} for way in ways)
    hit = sum((blocker.code, blocker.subject) in key for key in keys)
    return hit < len(ways) and any(way.verdict in {"open", "partly"} for way in ways)
