"""Whether names are not found from here at all: then who is not found is no cause of anything."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from cockpit.triage.board import Board, OpenFinding
from cockpit.triage.names import plain_name
from cockpit.triage.probe import Seen
from cockpit.triage.target import Target
from cockpit.units import count

HERE = "name resolution from here"
NOT_FOUND = frozenset({"NET_DNS_TIMEOUT", "NET_DNS_SERVFAIL"})
"""A name was asked for and nobody said whether it is there."""
_FOLLOWS = NOT_FOUND | {"DEP_EXTERNAL", "NET_DNS_SLOW"}
"""What a target shows when nothing ails it but that its name is not found."""


@dataclass(frozen=True, slots=True)
class NoNames:
    """Names of several zones are not found, and no name that is looked up is."""

    targets: tuple[str, ...]
    hosts: tuple[str, ...]
    server: str
    """The one server that all of them were asked of; empty: they say none, or several."""

    @property
    def name(self) -> str:
        """`resolver 10.0.0.2`, or where it is."""
        return f"resolver {self.server}" if self.server else HERE

    @property
    def summary(self) -> str:
        """What is seen of it."""
        shown = ", ".join(self.hosts[:3]) + (", …" if len(self.hosts) > 3 else "")
        return f"{HERE} fails: {count(len(self.hosts), 'name')} not found ({shown})"

    def explains(self, target: str, own: Iterable[OpenFinding]) -> bool:
        """Whether all that ails a target follows from its name."""
        return target in self.targets and all(each.finding.code in _FOLLOWS for each in own)


def no_names(
    board: Board, targets: Iterable[Target], of: Mapping[str, Sequence[OpenFinding]]
) -> NoNames | None:
    """None: names are found, or it may as well be the one zone that fails.

    `of`: what is open, by target. One target is enough where no name server can be reached at all.
    """
    named = {each.name: host for each in targets if (host := _host(each))}
    failing = {name: _told(of.get(name, ())) for name in named}
    lost = [name for name, told in failing.items() if told]
    told = [each for name in lost for each in failing[name]]
    cut_off = any(_says(each, "unreachable") for each in told)
    if not lost or any(_found(board, each, of) for each in targets if each.name in named):
        return None
    if not cut_off and len({_zone(named[name]) for name in lost}) < 2:
        return None
    asked = [set(_servers(each)) for each in told]
    shared = set.intersection(*asked) if asked else set()
    hosts = tuple(sorted({named[name] for name in lost}))
    return NoNames(tuple(lost), hosts, shared.pop() if len(shared) == 1 else "")


def _told(own: Iterable[OpenFinding]) -> list[OpenFinding]:
    return [each for each in own if each.finding.code in NOT_FOUND]


def _found(board: Board, target: Target, of: Mapping[str, Sequence[OpenFinding]]) -> bool:
    """Whether the newest look found its name. Only endpoints look theirs up each time."""
    if target.kind != "endpoint":
        return False
    seen = any(
        isinstance(reading.outcome, Seen)
        for reading in board.readings_at(target.name)
        if reading.kind == target.kind
    )
    return seen and not any(
        each.finding.code.startswith("NET_DNS_") or each.finding.code == "DEP_EXTERNAL"
        for each in of.get(target.name, ())
    )


def _says(one: OpenFinding, word: str) -> bool:
    return any(str(each.value).startswith(word) for each in one.finding.evidence)


def _servers(one: OpenFinding) -> Iterable[str]:
    labels = (each.label.partition(" ") for each in one.finding.evidence)
    return (server for source, _, server in labels if source == "resolver" and server)


def _host(target: Target) -> str:
    """The name that is looked up; empty for an address, and for what has none of its own."""
    settings = target.settings
    host = str(getattr(settings, "host", "") or "")
    return _name(host, "" if host else str(getattr(settings, "url", "") or ""))


@lru_cache(maxsize=10_000)
def _name(host: str, url: str) -> str:
    host = host or urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return plain_name(host)
    return ""


def _zone(host: str) -> str:
    """About what one provider is: several names of it fail together."""
    return ".".join(host.split(".")[-2:])
