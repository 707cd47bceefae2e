"""What the endpoint probe keeps of a look, its thresholds, and the questions all its parts ask."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from cockpit.connect.net.dns import Resolution
from cockpit.connect.net.http import HttpLook
from cockpit.connect.net.session import AddressLook, PathLook
from cockpit.triage.finding import Evidence, Thresholds
from cockpit.triage.names import NameAnswer
from cockpit.units import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at the path, with what the configuration says about it."""

    path: PathLook
    external: bool = False
    expect_status: tuple[int, ...] = ()
    """Empty: 200 to 399."""

    def name_answers(self) -> tuple[NameAnswer, ...]:
        """What each source says of the name; this machine's hosts file is no resolver."""
        return tuple(
            NameAnswer(
                source=f"{each.source} {each.server}".strip(),
                chain=(self.path.host, *each.aliases),
                outcome=each.outcome,
                addresses=each.addresses,
            )
            for each in self.path.dns
            if each.source != "literal" and not each.in_hosts_file
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times are seconds unless a name says days."""

    dns: Thresholds = Thresholds(warning=0.2, high=1.0)
    """The 95th percentile of the times that the name took."""
    first_byte: Thresholds = Thresholds(warning=1.0, high=5.0)
    slower: float = 3.0
    """Times slower than usual (or than the other addresses) from which on it is told."""
    slower_floor: float = 0.05
    """A connection faster than this is never slow."""
    first_byte_floor: float = 0.2
    """A first byte faster than this is never slow."""
    handshake_floor: float = 0.1
    """What a TLS handshake may take beyond three round trips."""
    certificate_days: Thresholds = Thresholds(warning=21, high=7, critical=2, below=True)
    acm_days: float = 30.0
    """Amazon's certificates renew 60 days ahead: less than this means that renewal is stuck."""
    clock: Thresholds = Thresholds(warning=2, high=60, critical=240)
    """Seconds between the server's clock and ours, either way."""
    failing: Thresholds = Thresholds(warning=0.05, high=0.1)
    """Share of failed requests among the kept ones, where good ones stand between them."""
    slow_share: float = 0.1
    """Share of the kept requests above `first_byte` from which on it is told."""
    lost_share: float = 0.2
    """Share of the last 20 connections from which on loss is high; two are a warning."""
    jitter: float = 0.03


_PRIVATE = tuple(
    ipaddress.ip_network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
_TELLING = ("server", "retry-after", "x-amzn-requestid", "x-amzn-trace-id", "x-amz-cf-id")
Group = tuple[AddressLook, ...]


def status_is_expected(snapshot: Snapshot, status: int) -> bool:
    """Whether a status is what the configuration wants; without its word, 200 to 399."""
    if snapshot.expect_status:
        return status in snapshot.expect_status
    return 200 <= status <= 399


def is_good(snapshot: Snapshot, look: AddressLook) -> bool:
    """Whether an address answered on every rung, and not with a failure of its own."""
    if look.outcome != "ok":
        return False
    if look.http is None:
        return True
    return look.http.status < 500 or status_is_expected(snapshot, look.http.status)


def is_v6(look: AddressLook) -> bool:
    """Whether the address is an IPv6 one."""
    return ":" in look.address


def v6_is_apart(path: PathLook) -> bool:
    """IPv6 cannot be connected to while IPv4 can: a matter of its own, not of single addresses."""
    v6 = [look for look in path.addresses if is_v6(look)]
    v4 = [look for look in path.addresses if not is_v6(look)]
    return (
        bool(v6)
        and all(look.tcp.outcome != "ok" for look in v6)
        and any(look.tcp.outcome == "ok" for look in v4)
    )


def judged_addresses(path: PathLook) -> Group:
    """The addresses that speak for the endpoint: IPv6 is left out where it is a matter apart."""
    if v6_is_apart(path):
        return tuple(look for look in path.addresses if not is_v6(look))
    return path.addresses


def address_evidence(looks: Sequence[AddressLook]) -> tuple[Evidence, ...]:
    """One line for each address, at most eight."""
    return tuple(Evidence(look.address, in_words(look)) for look in looks[:8])


def in_words(look: AddressLook) -> str:
    """How far an address let us come: `refused after 1 ms`, `503 after 80 ms`."""
    if look.outcome != "ok":
        rung, _, word = look.outcome.partition(" ")
        status = f" ({look.http.status})" if look.http and look.http.status else ""
        return f"{rung}: {word.replace('_', ' ')}{status} after {duration(look.total)}"
    if look.http:
        return f"{look.http.status} after {duration(look.total)}"
    return f"ok after {duration(look.total)}"


def share(looks: Sequence[AddressLook], of: Sequence[AddressLook]) -> str:
    """Who a summary speaks of: nothing for all, else `2 of 3 addresses: `."""
    if len(looks) == len(of):
        return ""
    return f"{len(looks)} of {len(of)} addresses: "


def percentile(values: Sequence[float], point: float) -> float:
    """The value that a share `point` of the values does not exceed. There has to be one."""
    ordered = sorted(values)
    return ordered[max(0, ceil(point * len(ordered)) - 1)]


def all_private(addresses: Sequence[str]) -> bool:
    """Whether every address is one that the internet does not route (RFC 1918, 6598, 4193)."""
    return all(
        any(ipaddress.ip_address(address) in network for network in _PRIVATE)
        for address in addresses
    )


def answer_of(path: PathLook, source: str) -> Resolution | None:
    """What the `system` or the `resolver` said about the name; None when it was not asked."""
    return next((answer for answer in path.dns if answer.source == source), None)


def typical_total(path: PathLook, look: AddressLook) -> float:
    """Median seconds of the last five whole ways of an address; this look's when it is alone."""
    totals = [
        sample.total
        for sample in path.history
        if sample.address == look.address and sample.total is not None
    ]
    return median(totals[-5:]) if totals else look.total


def answer_evidence(answer: HttpLook) -> tuple[Evidence, ...]:
    """Status, time, and the headers that tell who made the answer."""
    return (
        Evidence("status", answer.status),
        Evidence("first byte", answer.first_byte, "s"),
        *(Evidence(name, answer.header(name)) for name in _TELLING if answer.header(name)),
        *((Evidence("not asked again for", answer.held, "s"),) if answer.held else ()),
    )
