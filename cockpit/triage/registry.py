"""The kinds and probes there are: found in the package `probes`, and in other distributions.

Nothing imports a probe by name. A module that ends with `PROBE = Probe(…)` is one, and may bring
the kind that it looks at (`KIND = aws_kind("sqs_queue", "sqs")`): a new probe needs one file. A
fault in a module of ours is a bug and raises; one in a plug-in is told (`Catalog.broken`), and
everything else works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from types import MappingProxyType
from typing import TypeVar

from cockpit import plugins
from cockpit.connect.aws.kind import RESOURCE
from cockpit.connect.kind import AnyKind, Kind
from cockpit.connect.kinds import KINDS
from cockpit.plugins import Broken, Point, attempt
from cockpit.text import nearest
from cockpit.triage.families import Brought, Families, looking_at, name_of
from cockpit.triage.members import fault, what
from cockpit.triage.nature import Codes, Nature
from cockpit.triage.probe import AnyProbe, Probe
from cockpit.triage.target import Target

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Catalog:
    """What there is to look at, and how. Both mappings are in the order of their names; to walk
    through them may import all.
    """

    kinds: Mapping[str, AnyKind]
    probes: Mapping[str, AnyProbe]
    broken: tuple[Broken, ...] = ()
    """Plug-ins that could not be used."""
    origins: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(group, name) of each kind and probe that is not the product's own → its distribution."""

    def origin(self, group: str, name: str) -> str:
        """The distribution that brings a kind or probe; empty: the product."""
        return self.origins.get((group, name), "")


@cache
def catalog() -> Catalog:
    """Everything there is. Own kinds and probes are imported when one is asked for by its name, all
    of them when somebody walks through (`cockpit.triage.families`); plug-ins are imported here.
    """
    own = Families()
    kinds: Mapping[str, AnyKind] = Brought(own, own.kinds, {})
    probes: Mapping[str, AnyProbe] = Brought(own, own.probes, {})
    _, unread = plugins.installed()
    foreign_kinds, bad_kinds = _foreign(plugins.KINDS, Kind, taken=kinds)
    crossing = _crossing(foreign_kinds)
    foreign_kinds = {name: each for name, each in foreign_kinds.items() if name not in crossing}
    foreign_probes, bad_probes = _foreign(plugins.PROBES, Probe, taken=probes)
    origins = {
        (point.entry.group, name): point.distribution
        for found in (foreign_kinds, foreign_probes)
        for name, (_, point) in found.items()
    }
    broken = (*unread, *bad_kinds, *crossing.values(), *bad_probes, *_unread_documents())
    known = Catalog(
        Brought(own, own.kinds, {name: kind for name, (kind, _) in foreign_kinds.items()}),
        Brought(own, own.probes, {id_: probe for id_, (probe, _) in foreign_probes.items()}),
        broken,
        MappingProxyType(origins),
    )
    return replace(known, broken=(*broken, *_alone(known)))


def registry() -> Mapping[str, AnyProbe]:
    """Probe id → probe, in the order of the ids."""
    return catalog().probes


def kinds() -> Mapping[str, AnyKind]:
    """Name → kind."""
    return catalog().kinds


def natures(kinds: Iterable[str]) -> Codes:
    """Code → what it is, of every probe that looks at one of these kinds; imports no others. Where
    a plug-in declares a code of the product's, the product's word holds.
    """
    known = catalog()
    looks = [
        (known.origin(plugins.PROBES, probe.id), probe)
        for probe in looking_at(known.probes, *kinds)
    ]
    found: dict[str, Nature] = {}
    for _, probe in sorted(looks, key=lambda look: look[0]):
        for code, nature in probe.codes.items():
            found.setdefault(code, nature)
    return found


def short(kind: str) -> str:
    """The kind as narrow columns show it."""
    known = catalog().kinds.get(kind)
    return known.short if known is not None else kind


def place_of(target: Target) -> str:
    """The AWS place whose session, and so whose limits, a target shares; empty: it has its own."""
    kind = kinds().get(target.kind)
    return kind.place(target.settings) if kind is not None and kind.place is not None else ""


def _unread_documents() -> Iterator[Broken]:
    for group, suffix in ((plugins.RUNBOOKS, ".md"), (plugins.SCENARIOS, ".toml")):
        yield from plugins.documents(group, suffix)[1]


def _foreign(
    group: str, into: type[Record], *, taken: Mapping[str, object]
) -> tuple[Mapping[str, tuple[Record, Point]], list[Broken]]:
    """The records of other distributions, and those that cannot be used, with why."""
    claims: dict[str, list[tuple[Record, Point]]] = {}
    broken: list[Broken] = []
    for point in plugins.points(group):
        read, raised = attempt(partial(_read, point, into))
        record, why = read or (None, raised)
        if record is None:
            broken.append(point.broken(why))
        elif (name := name_of(record)) in taken:
            broken.append(point.broken(f"claims {name!r}, which is the product's own"))
        else:
            claims.setdefault(name, []).append((record, point))
    for name, (first, *more) in claims.items():
        if more:
            broken.append(_contested(name, [point for _, point in (first, *more)]))
    return {name: each[0] for name, each in claims.items() if len(each) == 1}, broken


def _read(point: Point, into: type[Record]) -> tuple[Record | None, str]:
    """The record that an entry point names; or None and why it is none. Raises whatever others'
    code raises, also when it is only looked at.
    """
    loaded = point.entry.load()
    if not isinstance(loaded, into):
        return None, f"{point.entry.value} is {what(loaded)}, not a {into.__name__}"
    why = fault(loaded) or (_meddles(loaded) if isinstance(loaded, Kind) else "")
    return (None, why) if why else (loaded, "")


def _meddles(kind: AnyKind) -> str:
    """How a kind would get between the product's own targets and their sessions, which are found
    by the type of their settings and by their place.
    """
    for own in (RESOURCE, *KINDS.values()):
        if _crosses(kind, own):
            return f"its settings are those of the kind {own.name!r}, which is opened otherwise"
    shared = [own.open for own in (RESOURCE, *KINDS.values()) if own.place is not None]
    if kind.place is not None and not any(kind.open is each for each in shared):
        return "it has a place, whose one session is AWS', and opens another: use aws_kind"
    return ""


def _crosses(kind: AnyKind, other: AnyKind) -> bool:
    """Whether the targets of both would be opened by one of them, whichever comes last."""
    ways = ((each.open, each.open_acts, each.place) for each in (kind, other))
    return kind.settings is other.settings and any(a is not b for a, b in zip(*ways, strict=True))


def _crossing(found: Mapping[str, tuple[AnyKind, Point]]) -> dict[str, Broken]:
    """Kinds of others that share their settings and are opened differently: none can be used."""
    broken = {}
    for name, (kind, point) in found.items():
        for other, (known, _) in found.items():
            if _crosses(kind, known):
                why = f"shares its settings with the kind {other!r}, which is opened otherwise"
                broken[name] = point.broken(f"{why}: give each its own dataclass")
    return broken


def _contested(name: str, claims: list[Point]) -> Broken:
    who = sorted({point.distribution for point in claims})
    group, unclear = claims[0].entry.group, "which is meant cannot be told"
    if len(who) > 1:
        both = " and ".join(who)
        return Broken(name, both, f"{name!r} is claimed by {both}: {unclear}; uninstall one", group)
    places = " and ".join(f"{point.name} = {point.entry.value}" for point in claims)
    return claims[0].broken(f"claims {name!r} {len(claims)} times ({places}): {unclear}")


def _alone(known: Catalog) -> Iterator[Broken]:
    """Kinds of others that no probe looks at, and probes whose kind nobody brings. Not when the
    other half is broken itself: that is told already.
    """
    looked_at = {known.probes[id_].kind for group, id_ in known.origins if group == plugins.PROBES}
    for (group, name), distribution in known.origins.items():
        if group == plugins.KINDS and name not in looked_at:
            other, why = plugins.PROBES, "no probe looks at this kind: its targets stay unexamined"
        elif group == plugins.PROBES and (kind := known.probes[name].kind) not in known.kinds:
            other, why = plugins.KINDS, f"looks at the kind {kind!r}, which nobody brings"
            why += nearest(kind, known.kinds)
        else:
            continue
        if not any(each.group == other and each.concerns(distribution) for each in known.broken):
            yield Broken(name, distribution, why, group)
