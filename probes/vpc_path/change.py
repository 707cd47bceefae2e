"""A change to the configuration, made on a copy of the snapshot. Pure.

A plan shows with it which declared paths would open and which would close, before anything is
sent. Arguments are those of the EC2 operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.errors import Misconfigured
from probes.vpc_path.model import (
    ANY,
    Acl,
    AclEntry,
    GroupRule,
    Network,
    Route,
    SecurityGroup,
    normal_protocol,
)
from probes.vpc_path.read import destination_of, permission_rules, target_of
from probes.vpc_path.rows import Permission, RouteRequest

Arguments = Mapping[str, Any]


def simulate(net: Network, call: str, arguments: Arguments) -> Network:
    """The network as it would be after one call, such as `ec2.AuthorizeSecurityGroupIngress`.

    The given network is not touched. Raises `Misconfigured` for a call that is not known, or that
    names something that was not read.
    """
    change = _CHANGES.get(call.removeprefix("ec2."))
    if change is None:
        raise Misconfigured(f"{call} cannot be tried on a snapshot")
    return change(net, arguments)


def _authorize(net: Network, arguments: Arguments, *, egress: bool) -> Network:
    group = _group(net, arguments)
    added = tuple(_asked(group, arguments, egress=egress))
    return _with_group(net, replace(group, rules=group.rules + added))


def _revoke(net: Network, arguments: Arguments, *, egress: bool) -> Network:
    group = _group(net, arguments)
    ids = set(arguments.get("SecurityGroupRuleIds") or ())
    gone = {_key(rule) for rule in _asked(group, arguments, egress=egress)}
    kept = tuple(
        rule
        for rule in group.rules
        if not (rule.egress == egress and (_key(rule) in gone or (rule.id and rule.id in ids)))
    )
    return _with_group(net, replace(group, rules=kept))


def _asked(group: SecurityGroup, arguments: Arguments, *, egress: bool) -> Iterable[GroupRule]:
    for permission in answers_into(arguments.get("IpPermissions") or (), Permission):
        yield from permission_rules(group.id, permission, egress=egress)


def _key(rule: GroupRule) -> tuple[object, ...]:
    return (rule.egress, rule.protocol, rule.low, rule.high, rule.kind, rule.peer)


def _group(net: Network, arguments: Arguments) -> SecurityGroup:
    id_ = str(arguments.get("GroupId", ""))
    if id_ not in net.groups:
        raise Misconfigured(f"the security group {id_ or '(none)'} is not on this path")
    return net.groups[id_]


def _with_group(net: Network, group: SecurityGroup) -> Network:
    return replace(net, groups={**net.groups, group.id: group})


def _put_entry(net: Network, arguments: Arguments) -> Network:
    acl = _acl(net, arguments)
    entry = _entry(arguments)
    others = tuple(
        one for one in acl.entries if (one.number, one.egress) != (entry.number, entry.egress)
    )
    return _with_acl(net, replace(acl, entries=(*others, entry)))


def _delete_entry(net: Network, arguments: Arguments) -> Network:
    acl = _acl(net, arguments)
    gone = (int(arguments["RuleNumber"]), bool(arguments["Egress"]))
    kept = tuple(one for one in acl.entries if (one.number, one.egress) != gone)
    return _with_acl(net, replace(acl, entries=kept))


def _entry(arguments: Arguments) -> AclEntry:
    span = arguments.get("PortRange") or arguments.get("IcmpTypeCode") or {}
    return AclEntry(
        number=int(arguments["RuleNumber"]),
        egress=bool(arguments["Egress"]),
        allow=arguments.get("RuleAction") == "allow",
        protocol=normal_protocol(str(arguments.get("Protocol", "-1"))),
        cidr=str(arguments.get("CidrBlock") or arguments.get("Ipv6CidrBlock") or ""),
        low=int(span.get("From", span.get("Type", ANY))),
        high=int(span.get("To", span.get("Code", ANY))),
    )


def _acl(net: Network, arguments: Arguments) -> Acl:
    id_ = str(arguments.get("NetworkAclId", ""))
    if id_ not in net.acls:
        raise Misconfigured(f"the network ACL {id_ or '(none)'} is not on this path")
    return net.acls[id_]


def _with_acl(net: Network, acl: Acl) -> Network:
    return replace(net, acls={**net.acls, acl.id: acl})


def _put_route(net: Network, arguments: Arguments) -> Network:
    return _routed(net, arguments, put=True)


def _delete_route(net: Network, arguments: Arguments) -> Network:
    return _routed(net, arguments, put=False)


def _routed(net: Network, arguments: Arguments, *, put: bool) -> Network:
    id_ = str(arguments.get("RouteTableId", ""))
    if id_ not in net.tables:
        raise Misconfigured(f"the route table {id_ or '(none)'} is not on this path")
    table = net.tables[id_]
    asked = answer_into(arguments, RouteRequest)
    destination = destination_of(asked)
    routes = tuple(one for one in table.routes if one.destination != destination)
    if put:
        kind, target = target_of(asked)
        routes = (*routes, Route(destination=destination, kind=kind, target=target))
    return replace(net, tables={**net.tables, id_: replace(table, routes=routes)})


_CHANGES: Mapping[str, Callable[[Network, Arguments], Network]] = MappingProxyType(
    {
        "AuthorizeSecurityGroupIngress": lambda net, a: _authorize(net, a, egress=False),
        "AuthorizeSecurityGroupEgress": lambda net, a: _authorize(net, a, egress=True),
        "RevokeSecurityGroupIngress": lambda net, a: _revoke(net, a, egress=False),
        "RevokeSecurityGroupEgress": lambda net, a: _revoke(net, a, egress=True),
        "CreateNetworkAclEntry": _put_entry,
        "ReplaceNetworkAclEntry": _put_entry,
        "DeleteNetworkAclEntry": _delete_entry,
        "CreateRoute": _put_route,
        "ReplaceRoute": _put_route,
        "DeleteRoute": _delete_route,
    }
)
"""EC2 operation → what it does to the copy."""
