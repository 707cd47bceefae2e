"""Rules of a security group, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from probes.changes.lines import CAME, MOST, listed


@dataclass(frozen=True, slots=True)
class SecurityRule:
    """One rule of a security group, with one end."""

    protocol: str
    low: int | None
    high: int | None
    end: str
    """An address range, a group, a prefix list; `?`: the call does not say."""

    @property
    def traffic(self) -> str:
        """`tcp 443`, `tcp 8000-8080`, `everything`, `icmp`."""
        if self.protocol == "-1":
            return "everything"
        if self.low is None or self.low == -1:
            return self.protocol
        ports = f"{self.low}" if self.low == self.high else f"{self.low}-{self.high}"
        return f"{self.protocol} {ports}"


def each_rule(permissions: object) -> list[SecurityRule]:
    """The rules of `ipPermissions`, or of the rules that a call answered."""
    return [
        SecurityRule(
            str(each.get("ipProtocol", "?")),
            _port(each.get("fromPort")),
            _port(each.get("toPort")),
            end,
        )
        for each in listed(permissions)
        if isinstance(each, Mapping)
        for end in _ends(each)
    ]


def _port(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def rules(permissions: object, *, egress: bool, sign: str = CAME) -> tuple[str, ...]:
    """`+ tcp 443 from 10.0.0.0/8`, a line for each rule of a security group."""
    way = "to" if egress else "from"
    told = [f"{sign} {rule.traffic} {way} {rule.end}" for rule in each_rule(permissions)]
    return tuple(told)[:MOST]


def _ends(permission: Mapping[str, object]) -> Iterator[str]:
    found = False
    for member, names in (
        ("ipRanges", ("cidrIp",)),
        ("ipv6Ranges", ("cidrIpv6",)),
        ("groups", ("groupId", "groupName")),
        ("userIdGroupPairs", ("groupId", "groupName")),
        ("prefixListIds", ("prefixListId",)),
    ):
        for each in listed(permission.get(member)):
            if isinstance(each, Mapping):
                end = next((str(each[name]) for name in names if each.get(name)), "")
                if end:
                    found = True
                    yield end
    for name in ("cidrIp", "cidrIpv4", "cidrIpv6", "prefixListId", "referencedGroupId"):
        if permission.get(name):
            found = True
            yield str(permission[name])
    if not found:
        yield "?"
