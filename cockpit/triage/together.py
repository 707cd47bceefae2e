"""What sick things of one place have in common: a zone, an AWS that does not answer, a used-up
limit of the account.

No probe sees other targets, so this is taken from the board. A zone is compared with the others of
the same account and region: its name means another one elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol, cast, runtime_checkable

from cockpit.errors import Reason
from cockpit.triage.board import Board, FindingId, LookId, OpenFinding
from cockpit.triage.by_target import PerTarget
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.registry import registry
from cockpit.triage.topology import DependencyGraph

_CALL = re.compile(r"^([a-z][a-z0-9-]+)\.[A-Z]\w+\b")
"""How the connector begins the story of a call that failed."""
_NO_ANSWER = frozenset({Reason.UNREACHABLE, Reason.TIMEOUT, Reason.THROTTLED})
_ONE_API = {"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch", "states": "stepfunctions"}
"""How rights call a service that calls name otherwise."""
_AT_ONCE = timedelta(seconds=120)
ZONE_SICK, ZONE_ELSEWHERE, ZONE_LEAST = 0.6, 0.2, 3
"""Shares of a zone's things that are sick and of the others', and how many at least."""
SILENT_SERVICES, SILENT_AT = 3, 5
"""Services that do not answer, or targets that one alone leaves without an answer: of AWS."""
_PARTS = 3
"""Targets that lack a part of their look by a service, from which on it is the service."""
_EVENT = "AWS_EVENT_OPEN"
"""The code under which AWS's own word is told."""


@dataclass(frozen=True, slots=True)
class InZone:
    """One node, instance or target that stands in a zone."""

    name: str
    zone: str
    sick: bool


class Lacking(Protocol):
    """A part of a look that could not be made."""

    @property
    def reason(self) -> str:
        """A `Reason`."""

    @property
    def detail(self) -> str:
        """The story of it, which begins with the call that failed."""


@runtime_checkable
class Zoned(Protocol):
    """A snapshot of things that stand in zones."""

    def in_zones(self) -> Iterable[InZone]:
        """Those whose zone is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneShare:
    """How many of a zone's things are sick, and of all the others' of the place."""

    place: str
    zone: str
    sick: tuple[str, ...]
    many: int
    sick_elsewhere: int
    many_elsewhere: int
    targets: tuple[str, ...]
    """Whose looks see the sick ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """Services of a place whose newest look got no answer or was throttled, all within two
    minutes.
    """

    place: str
    services: tuple[str, ...]
    others: tuple[str, ...]
    """Kinds of the place that did answer."""
    example: str
    asked: int = 0
    """How many services of the place were asked, with those that did answer; 0: not known."""
    targets: tuple[str, ...] = ()
    """Whose looks they left blind, or without a part."""
    most: str = ""
    """The service that left most targets so, and how many."""
    most_targets: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReached:
    """A limit of the account and region that refuses something to several targets now."""

    place: str
    limit: str
    targets: tuple[str, ...]
    codes: tuple[str, ...]
    """What is told at them."""


@dataclass(slots=True)
class _Failed:
    """Where a service gave no answer."""

    at: datetime
    """Of the newest look."""
    detail: str
    targets: set[str] = field(default_factory=set)
    whole: bool = False
    """A whole look failed by it; else only parts of looks."""

    def add(self, target: str, at: datetime, detail: str, *, whole: bool) -> None:
        """One more look that it failed."""
        self.targets.add(target)
        self.whole |= whole
        self.at, self.detail = max((self.at, self.detail), (at, detail))

    @property
    def counts(self) -> bool:
        """Whether it is the service: one call of many that is late says little."""
        return self.whole or len(self.targets) >= _PARTS


def zones_of(board: Board, graph: DependencyGraph) -> tuple[ZoneShare, ...]:
    """Every zone that has a sick thing, of each place."""
    places = graph.places
    looked = [
        (places[name], name, seen) for name, seen in _IN_ZONES.of(board.readings) if name in places
    ]
    sick_places = {place for place, _, seen in looked if any(each.sick for each in seen)}
    found: dict[str, dict[tuple[str, str], tuple[bool, set[str]]]] = {p: {} for p in sick_places}
    for place, target, seen in looked:
        if place not in sick_places:
            continue  # thousands are well at rest, and this is asked for every half second
        things = found[place]
        for each in seen:
            sick, names = things.get((each.zone, each.name), (False, set[str]()))
            things[each.zone, each.name] = (
                sick or each.sick,
                names | ({target} if each.sick else set()),
            )
    return tuple(share for place, things in sorted(found.items()) for share in _of(place, things))


def _of(place: str, things: dict[tuple[str, str], tuple[bool, set[str]]]) -> Iterator[ZoneShare]:
    for zone in sorted({zone for (zone, _), (sick, _) in things.items() if sick}):
        here = {name: value for (at, name), value in things.items() if at == zone}
        there = [sick for (at, _), (sick, _) in things.items() if at != zone]
        yield ZoneShare(
            place=place,
            zone=zone,
            sick=tuple(sorted(name for name, (sick, _) in here.items() if sick)),
            many=len(here),
            sick_elsewhere=sum(there),
            many_elsewhere=len(there),
            targets=tuple(sorted(set[str]().union(*(names for _, names in here.values())))),
        )


def sick_zones(
    zones: Iterable[ZoneShare],
    *,
    sick: float = ZONE_SICK,
    elsewhere: float = ZONE_ELSEWHERE,
    least: int = ZONE_LEAST,
) -> Iterator[ZoneShare]:
    """The zones in which nearly all is sick while the others of the place are well; of one target
    alone, or where there is no other zone to compare with, none.
    """
    for each in zones:
        enough = len(each.sick) >= least and len(each.targets) >= 2
        only = each.sick_elsewhere < elsewhere * each.many_elsewhere
        if enough and only and len(each.sick) >= sick * each.many:
            yield each


def unanswered_of(board: Board, graph: DependencyGraph) -> tuple[Unanswered, ...]:
    """Of each place, the services that did not answer lately."""
    places = graph.places
    failed: dict[str, dict[str, _Failed]] = {}
    well: dict[str, set[str]] = {}
    answer: dict[str, set[str]] = {}
    for target, (calls, kinds, answered) in _ANSWERS.of(board.readings):
        if not (place := places.get(target)):
            continue
        for service, detail, at, whole in calls:
            each = failed.setdefault(place, {}).setdefault(service, _Failed(at, detail))
            each.add(target, at, detail, whole=whole)
        well.setdefault(place, set()).update(kinds)
        answer.setdefault(place, set()).update(answered)
    return tuple(
        _told(place, held, others=well.get(place, set()), answered=answer.get(place, set()))
        for place, several in sorted(failed.items())
        if (held := {name: each for name, each in several.items() if each.counts})
    )


def _told(
    place: str, failed: Mapping[str, _Failed], *, others: set[str], answered: set[str]
) -> Unanswered:
    newest = max(each.at for each in failed.values())
    late = {name: each for name, each in failed.items() if newest - each.at <= _AT_ONCE}
    return Unanswered(
        place=place,
        services=tuple(sorted(late)),
        others=tuple(sorted(others)),
        example=max((each.at, each.detail) for each in failed.values())[1],
        asked=len({*failed, *answered}),
        targets=tuple(sorted(set[str]().union(*(each.targets for each in failed.values())))),
        most=max(late.items(), key=lambda item: (len(item[1].targets), item[0]))[0],
        most_targets=max(len(each.targets) for each in late.values()),
    )


def _unanswered(outcome: Seen | Blind) -> Iterator[tuple[str, str]]:
    """The services that gave a look no answer, with the words; of one that was made in part too."""
    said: Iterable[tuple[str, str]] = ()
    match outcome:
        case Blind(reason=reason, detail=detail):
            said = ((reason.value, detail),)
        case Seen(snapshot=snapshot):
            lacking: Iterable[Lacking] = getattr(snapshot, "gaps", ())
            said = ((gap.reason, gap.detail) for gap in lacking)
    for why, detail in said:
        if why in _NO_ANSWER and (call := _CALL.match(detail)):
            yield call[1], detail


def regions_in_trouble(
    board: Board, graph: DependencyGraph
) -> Iterator[tuple[Unanswered, tuple[str, ...]]]:
    """Places of which several services do not answer while others do, and AWS has an event open;
    with the targets there that something worse than info is said of.

    One of the two alone is too little: our own way there may be cut, and most events that are open
    concern others.
    """
    silent = [
        each
        for each in unanswered_of(board, graph)
        if len(each.services) >= SILENT_SERVICES and each.others
    ]
    if not silent:
        return
    places = graph.places
    open_ = [each for each in board.open.values() if each.finding.severity > Severity.INFO]
    told = {places.get(each.target, "") for each in open_ if each.finding.code == _EVENT}
    for each in silent:
        if each.place in told:
            sick = {found.target for found in open_ if places.get(found.target) == each.place}
            yield each, tuple(sorted(sick))


def limits_reached(board: Board, graph: DependencyGraph) -> tuple[LimitReached, ...]:
    """Limits that several targets of a place run into; at one alone its own row says all of it."""
    places = graph.places
    found: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for target, hit in _LIMITS.of(board.open):
        if place := places.get(target):
            for limit, code in hit:
                found.setdefault((place, limit), set()).add((target, code))
    told = (
        LimitReached(
            place=place,
            limit=limit,
            targets=tuple(sorted({target for target, _ in hit})),
            codes=tuple(sorted({code for _, code in hit})),
        )
        for (place, limit), hit in sorted(found.items())
    )
    return tuple(each for each in told if len(each.targets) > 1)


def _service(probe: str) -> set[str]:
    """The service that a probe of AWS asks first."""
    known = registry().get(probe)
    name = known.needs[0].partition(":")[0] if known is not None and known.needs else ""
    return {_ONE_API.get(name, name)} if name else set()


def _in_zones(looks: Mapping[LookId, Reading]) -> tuple[InZone, ...]:
    return tuple(
        each
        for reading in looks.values()
        if isinstance(reading.outcome, Seen)
        and _is_zoned(cast("Hashable", type(reading.outcome.snapshot)))
        for each in cast("Zoned", reading.outcome.snapshot).in_zones()
    )


_Answers = tuple[tuple[tuple[str, str, datetime, bool], ...], frozenset[str], frozenset[str]]
"""Calls without an answer (service, words, when, whether the whole look failed), kinds of those
that saw, services that they asked.
"""


def _answers(looks: Mapping[LookId, Reading]) -> _Answers | None:
    """What asked nothing of AWS is left out: what is judged here is told as such a reading too."""
    asked = [
        reading
        for reading in looks.values()
        if (known := registry().get(reading.probe)) is None or known.asks
    ]
    if not asked:
        return None
    saw = [reading for reading in asked if isinstance(reading.outcome, Seen)]
    calls = tuple(
        (service, detail, reading.at, isinstance(reading.outcome, Blind))
        for reading in asked
        for service, detail in _unanswered(reading.outcome)
    )
    answered = frozenset[str]().union(*(_service(reading.probe) for reading in saw))
    return calls, frozenset(reading.kind for reading in saw), answered


def _limits(found: Mapping[FindingId, OpenFinding]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (each.finding.account_limit, each.finding.code)
        for each in found.values()
        if each.finding.account_limit and each.finding.severity > Severity.INFO
    )


@cache
def _is_zoned(kind: Any) -> bool:
    """Once a class: asking a protocol costs more than the rest of a look at a reading."""
    return issubclass(kind, Zoned)


_IN_ZONES = PerTarget(_in_zones)
_ANSWERS = PerTarget(_answers)
_LIMITS = PerTarget(_limits)
