"""Security groups: allow only, the union of all groups counts, answers are free.

References to a group match the private addresses of interfaces that carry it now; they work within
a VPC and over an active peering, never through NAT, an internet gateway or a public address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from probes.vpc_path.model import (
    ANY,
    Flow,
    GroupRule,
    Network,
    PathEnd,
    SecurityGroup,
    fits_icmp,
    fits_protocol,
    has_ports,
)
from probes.vpc_path.space import Net, carried, covers, network, shared, size

ADMIN_PORTS = (22, 3389, 3306, 5432, 6379, 11211, 9200, 27017)
_EVERYWHERE = {"0.0.0.0/0", "::/0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupVerdict:
    """What the groups of one interface say of a flow in one direction."""

    outcome: str
    """`allows`, `partly`, `denies`, or `unknown` (a prefix list that could not be read)."""
    rule: str = ""
    """The first rule that allows it, in words."""
    nearest: str = ""
    lost: bool = False
    """Only a group reference would allow it, and the way does not carry references."""
    empty: bool = False
    """None of the groups has a rule in this direction."""


def ask(
    net: Network,
    guarded: PathEnd,
    other: PathEnd,
    *,
    seen: Net,
    flow: Flow,
    egress: bool,
    keeps_groups: bool,
) -> GroupVerdict:
    """Whether the groups of `guarded` let the flow pass to or from `other`.

    `seen` is the other side's address as this side sees it; `keeps_groups` says whether the way
    between them carries group references.
    """
    rules = [rule for rule in rules_of(net, guarded.groups) if rule.egress == egress]
    whole = carried(seen)
    held: list[Net] = []
    allowed: list[GroupRule] = []
    unread = lost = False
    for rule in rules:
        if not _fits(rule, flow):
            continue
        if rule.kind == "group":
            alive = keeps_groups and rule.peering in {"", "active"}
            carries = other.guard == "unknown" or rule.peer in other.groups
            if alive and carries and other.guard != "unknown":
                return GroupVerdict(outcome="allows", rule=in_words(rule))
            unread = unread or (alive and carries)  # it may carry the group, and it may not
            lost = lost or (not alive and rule.peer in other.groups)
            continue
        ranges = net.prefix_lists.get(rule.peer) if rule.kind == "prefix_list" else (rule.peer,)
        if ranges is None:
            unread = True
            continue
        common = [part for cidr in map(network, ranges) for part in shared(cidr, whole)]
        allowed += [rule] if common else []
        held += common
    if held and size(held) == size(whole):
        return GroupVerdict(outcome="allows", rule=in_words(allowed[0]))
    if unread:
        why = "a prefix list that could not be read"
        if other.guard == "unknown":
            why = f"whether {other.label} carries a group that a rule names"
        return GroupVerdict(outcome="unknown", nearest=why)
    near = nearest(rules, other, seen, flow=flow)
    if allowed:
        return GroupVerdict(outcome="partly", rule=in_words(allowed[0]), nearest=near)
    return GroupVerdict(outcome="denies", nearest=near, lost=lost, empty=not rules)


def rules_of(net: Network, groups: Sequence[str]) -> Iterator[GroupRule]:
    """Every rule of the groups that were read."""
    for group in groups:
        yield from net.groups.get(group, SecurityGroup(id=group)).rules


def nearest(rules: Sequence[GroupRule], other: PathEnd, seen: Net, *, flow: Flow) -> str:
    """The rule that lacks least, and what it lacks; empty when none has anything right."""
    best, lacks = "", ""
    best_score = 0
    for rule in rules:
        source = _matches_peer(rule, other, seen)
        protocol = fits_protocol(rule.protocol, flow.protocol)
        port = protocol and _fits(rule, flow)
        score = 2 * source + 2 * port + protocol
        if score > best_score:
            best_score, best = score, in_words(rule)
            if port:
                lacks = "right port, another " + ("destination" if rule.egress else "source")
            elif source:
                lacks = "right " + ("destination" if rule.egress else "source") + ", another port"
            else:
                lacks = "right protocol only"
    return f"{best}: {lacks}" if best else ""


def suggestion(
    guarded: PathEnd, other: PathEnd, *, seen: Net, flow: Flow, keeps_groups: bool
) -> dict[str, Any] | None:
    """The narrowest rule, as arguments of AuthorizeSecurityGroupIngress or …Egress.

    A group reference where the way carries it, else the address. None where it would open an
    administrative or database port to the whole internet, or no group is known.
    """
    if not guarded.groups:
        return None
    permission: dict[str, Any] = {"IpProtocol": flow.protocol}
    if has_ports(flow.protocol):
        permission |= {"FromPort": flow.port, "ToPort": flow.port}
    else:
        permission |= {"FromPort": ANY, "ToPort": ANY}
    if other.groups and keeps_groups:
        permission["UserIdGroupPairs"] = [{"GroupId": other.groups[0]}]
    elif seen.prefixlen == 0 and (flow.port in ADMIN_PORTS or not has_ports(flow.protocol)):
        return None
    elif seen.version == 4:
        permission["IpRanges"] = [{"CidrIp": str(seen)}]
    else:
        permission["Ipv6Ranges"] = [{"CidrIpv6": str(seen)}]
    return {"GroupId": guarded.groups[0], "IpPermissions": [permission]}


def opened_to_world(group: SecurityGroup) -> Iterator[tuple[GroupRule, tuple[int, ...]]]:
    """Ingress rules from everywhere that cover administrative or database ports, with those."""
    for rule in group.rules:
        if rule.egress or rule.kind != "cidr" or rule.peer not in _EVERYWHERE:
            continue
        if rule.protocol == "-1":
            yield rule, ADMIN_PORTS
        elif rule.protocol == "tcp":
            hit = tuple(port for port in ADMIN_PORTS if _in_ports(rule, port))
            if hit:
                yield rule, hit


def in_words(rule: GroupRule) -> str:
    """`sgr-1 (sg-2 ingress tcp 5432 from sg-3)`."""
    way = "egress" if rule.egress else "ingress"
    toward = "to" if rule.egress else "from"
    what = "all traffic" if rule.protocol == "-1" else rule.protocol
    if has_ports(rule.protocol):
        whole = rule.low == ANY or (rule.low, rule.high) == (0, 65535)
        span = str(rule.low) if rule.low == rule.high else f"{rule.low}-{rule.high}"
        what += " all ports" if whole else f" {span}"
    text = f"{rule.group} {way} {what} {toward} {rule.peer}"
    return f"{rule.id} ({text})" if rule.id else text


def _fits(rule: GroupRule, flow: Flow) -> bool:
    if not fits_protocol(rule.protocol, flow.protocol):
        return False
    if rule.protocol == "-1":
        return True
    if has_ports(flow.protocol):
        return _in_ports(rule, flow.port)
    if flow.protocol in {"icmp", "icmpv6"}:
        return fits_icmp(rule.low, rule.high, 8 if flow.protocol == "icmp" else 128)
    return True


def _in_ports(rule: GroupRule, port: int) -> bool:
    return rule.low == ANY or rule.low <= port <= rule.high


def _matches_peer(rule: GroupRule, other: PathEnd, seen: Net) -> bool:
    if rule.kind == "group":
        return rule.peer in other.groups
    return rule.kind == "cidr" and covers(network(rule.peer), seen)
