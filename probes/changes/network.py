"""Calls that change security groups, network ACLs and routes, in words."""

from __future__ import annotations

from probes.changes import rule_diff
from probes.changes.calls import resource_of
from probes.changes.words import parameters, text
from probes.trail import ApiEvent


def group(event: ApiEvent) -> str:
    """`security group sg-0ab1: − tcp 5432 from sg-0ff2 and 1 more`."""
    lines = group_rules(event)
    first = f": {lines[0]}" if lines else ""
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"security group {resource_of(event)}{first}{more}"


def group_rules(event: ApiEvent) -> tuple[str, ...]:
    """The rules that a call added to a security group or took from it."""
    sign = "−" if event.name.startswith("Revoke") else "+"
    return rule_diff.rules(permissions(event), egress="Egress" in event.name, sign=sign)


def permissions(event: ApiEvent) -> object:
    """The rules of a call; asked by the ids of rules, what they were stands in the answer."""
    for held in (
        event.parameters.get("ipPermissions"),
        event.answer.get("revokedSecurityGroupRuleSet"),
        event.answer.get("securityGroupRuleSet"),
    ):
        if held:
            return held
    return [event.parameters] if event.parameters.get("cidrIp") else []


def group_details(event: ApiEvent, before: ApiEvent | None) -> tuple[str, ...]:
    """A line a rule."""
    return group_rules(event) or parameters(event, before)


def acl_entry(event: ApiEvent) -> str:
    """`network ACL acl-1: replace in rule 90 deny 0.0.0.0/0`."""
    action = text(event, "ruleAction")
    way = "out" if event.parameters.get("egress") in (True, "true") else "in"
    verb = event.name.removesuffix("NetworkAclEntry").lower()
    block = text(event, "cidrBlock") or text(event, "ipv6CidrBlock")
    told = f"{verb} {way} rule {text(event, 'ruleNumber')} {action} {block}"
    return f"network ACL {resource_of(event)}: {' '.join(told.split())}"


def route(event: ApiEvent) -> str:
    """`route table rtb-1: − 0.0.0.0/0 → nat-1`."""
    to = next(
        (
            text(event, name)
            for name in (
                "gatewayId", "natGatewayId", "transitGatewayId", "networkInterfaceId",
                "instanceId", "vpcPeeringConnectionId", "vpcEndpointId",
            )
            if text(event, name)
        ),
        "",
    )  # fmt: skip
    block = next(
        (
            text(event, name)
            for name in ("destinationCidrBlock", "destinationIpv6CidrBlock",
                         "destinationPrefixListId")
            if text(event, name)
        ),
        "",
    )  # fmt: skip
    verb = {"CreateRoute": "+", "DeleteRoute": "−"}.get(event.name, "now")
    return f"route table {resource_of(event)}: {verb} {block}" + (f" → {to}" if to else "")
