"""Network ACLs: stateless, by number, first match decides, never asked inside one subnet."""

from __future__ import annotations

from dataclasses import dataclass

from probes.vpc_path.model import ANY, Acl, AclEntry, fits_icmp, fits_protocol, has_ports
from probes.vpc_path.space import Box, Net, carried, cut, network, ports

_LAST = 32767


@dataclass(frozen=True, slots=True, kw_only=True)
class AclVerdict:
    """What one ACL says of one direction: `allows`, `partly` or `denies`, and by which entry.

    `rule` is the first denying entry where any denies, else the first allowing one.
    """

    outcome: str
    rule: str
    open_ports: str = ""
    closed_ports: str = ""


def ask(
    acl: Acl, *, egress: bool, protocol: str, peer: Net, span: tuple[int, int], icmp: int = ANY
) -> AclVerdict:
    """Whether packets of these ports to (egress) or from a network pass.

    `span` is the destination port range of the packets; it is ignored for protocols without ports,
    where `icmp` gives the type.
    """
    low, high = span if has_ports(protocol) else (0, 0)
    left = [Box(net, low, high) for net in carried(peer)]
    allowed: list[tuple[Box, AclEntry]] = []
    denied: list[tuple[Box, AclEntry]] = []
    for entry in sorted(acl.entries, key=lambda one: one.number):
        if entry.egress != egress or not _fits(entry, protocol, icmp):
            continue
        net = network(entry.cidr)
        if net is None:
            continue
        taken, left = cut(left, Box(net, *_span(entry, protocol)))
        (allowed if entry.allow else denied).extend((box, entry) for box in taken)
        if not left:
            break
    last = AclEntry(number=_LAST, egress=egress, allow=False, protocol="-1", cidr="0.0.0.0/0")
    denied.extend((box, last) for box in left)
    if not denied:
        return AclVerdict(outcome="allows", rule=in_words(allowed[0][1]))
    return AclVerdict(
        outcome="partly" if allowed else "denies",
        rule=in_words(denied[0][1]),
        open_ports=", ".join(dict.fromkeys(ports(box) for box, _ in allowed)),
        closed_ports=", ".join(dict.fromkeys(ports(box) for box, _ in denied)),
    )


def in_words(entry: AclEntry) -> str:
    """`rule 100 allow tcp 5432 10.0.0.0/16`; `rule * deny all` at the end."""
    number = "*" if entry.number == _LAST else str(entry.number)
    verb = "allow" if entry.allow else "deny"
    if number == "*":
        return f"rule * {verb} all"
    what = "all" if entry.protocol == "-1" else entry.protocol
    if has_ports(entry.protocol) and entry.low != ANY:
        what += f" {entry.low}" if entry.low == entry.high else f" {entry.low}-{entry.high}"
    return f"rule {number} {verb} {what} {entry.cidr}"


def _fits(entry: AclEntry, protocol: str, icmp: int) -> bool:
    if not fits_protocol(entry.protocol, protocol):
        return False
    if entry.protocol in {"icmp", "icmpv6"}:
        return fits_icmp(entry.low, entry.high, icmp)
    return True


def _span(entry: AclEntry, protocol: str) -> tuple[int, int]:
    if not has_ports(protocol):
        return 0, 0
    if entry.protocol == "-1" or entry.low == ANY:
        return 0, 65535
    return entry.low, entry.high
