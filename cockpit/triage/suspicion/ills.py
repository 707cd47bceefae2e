"""What is open, each at the target that it is about, with what it is and when it began."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cockpit.triage.board import TREND_LENGTH, Board, OpenFinding
from cockpit.triage.finding import Severity
from cockpit.triage.nature import Codes, StoryRole, Trait, unknown
from cockpit.triage.onset import Onset, told_onset
from cockpit.triage.registry import registry
from cockpit.triage.suspicion import weights
from cockpit.triage.topology import DependencyGraph

WITNESSES = frozenset({"alarms", "changes", "log_group", "runbook", "slo"})
"""Kinds that tell of other targets and are never where it began."""
RELEASES = frozenset({"ecs.deployment", "lambda.alias", "lambda.code", "codedeploy.deployment"})
_WITNESSES_OF = frozenset({"slo", "log_group"})
"""Witnesses whose words are about one target: what is promised of it, and what its code writes."""
_CODE = frozenset({"ecs_service", "lambda_function", "autoscaling_group", "ec2_instance"})
_ALARM = "ALARM_FIRING"


@dataclass(frozen=True, slots=True)
class Ill:
    """One thing that is wrong, where it belongs."""

    home: str
    """The target it is about: not always the one at which it was seen."""
    found: OpenFinding
    role: StoryRole
    traits: frozenset[Trait]
    onset: Onset | None
    """None: nobody knows when it began."""
    old: bool = False
    """It began long before the incident, and is not of the sort that grows slowly."""
    gone: bool = False
    stands: bool = False
    """A risk that is told as what is wrong, since nothing is felt."""

    @property
    def code(self) -> str:
        """Its code."""
        return self.found.finding.code

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.found.finding.severity

    @property
    def is_felt(self) -> bool:
        """Whether users or callers feel it now."""
        return self.role is StoryRole.SYMPTOM and self.severity >= Severity.HIGH and not self.gone

    @property
    def name(self) -> str:
        """`CODE@target`, of the target at which it was seen."""
        return f"{self.code}@{self.found.target}"

    @property
    def tells(self) -> bool:
        """Whether it says anything of an outage that is there now."""
        return self.role not in {StoryRole.RISK, StoryRole.EYE} and not self.old

    def value(self) -> float:
        """How much it says, by itself, that the story begins at its home."""
        strength = weights.STRENGTH[self.role]
        if Trait.LOADER in self.traits:
            strength = weights.LOADER_STRENGTH
        aged = weights.AGED if self.old else weights.OVER if self.gone else 1.0
        return strength * weights.GRADE[self.severity] * aged


def ills_of(
    board: Board, graph: DependencyGraph, natures: Codes, first_look: datetime, now: datetime
) -> list[Ill]:
    """Everything that counts, open or cleared lately; nothing is old yet."""
    homes = _Homes(graph)
    recent = (f for f in board.cleared if f.cleared and now - f.cleared <= weights.GONE_KEPT)
    open_ = [f for f in board.open.values() if _counts(f, natures)]
    still = {(f.target, f.finding.code) for f in open_}
    gone = [f for f in recent if _counts(f, natures) and (f.target, f.finding.code) not in still]
    released = {
        change.target
        for change in board.changes
        if change.kind in RELEASES and not change.own and now - change.at <= weights.RELEASED_LATELY
    }
    ills = [
        _ill(board, found, natures, home=homes.of(found), first_look=first_look, released=released)
        for found in open_
    ]
    ills += [
        replace(
            _ill(board, f, natures, home=homes.of(f), first_look=first_look, released=released),
            gone=True,
        )
        for f in gone
    ]
    return list(_by_neighbours(ills, graph))


def _counts(found: OpenFinding, natures: Codes) -> bool:
    if found.kind in WITNESSES - _WITNESSES_OF:
        return False
    nature = natures.get(found.finding.code)
    if nature is None or found.finding.severity > Severity.INFO:
        return found.finding.severity > Severity.INFO
    return Trait.MATTERS_AT_INFO in nature.traits


def _ill(
    board: Board,
    found: OpenFinding,
    natures: Codes,
    *,
    home: str,
    first_look: datetime,
    released: set[str],
) -> Ill:
    nature = natures.get(found.finding.code) or unknown(found.finding.code)
    role = nature.role
    if Trait.BY_RELEASE in nature.traits and home not in released:
        role = StoryRole.EITHER
    if Trait.CAUSE_AT_CRITICAL in nature.traits and found.finding.severity is Severity.CRITICAL:
        role = StoryRole.CAUSE
    return Ill(home, found, role, nature.traits, _onset(board, found, first_look))


def _by_neighbours(ills: Sequence[Ill], graph: DependencyGraph) -> Iterator[Ill]:
    """What an ill is can depend on what is felt beside it."""
    beside = _Beside(ills, graph)
    needs = {target.name: target.needs for target in graph.targets}
    for each in ills:
        if any(
            makes_a_cause(each) for trait, makes_a_cause in beside.causes if trait in each.traits
        ):
            yield replace(each, role=StoryRole.CAUSE)
        elif each.role is StoryRole.SYMPTOM and beside.asks_less(needs.get(each.home, ())):
            yield replace(each, role=StoryRole.EITHER)  # what it asks is asked less: it begins here
        else:
            yield each


class _Beside:
    """What is felt, loaded, mute or asked less, and where."""

    def __init__(self, ills: Sequence[Ill], graph: DependencyGraph) -> None:
        self._above = graph.above
        self._felt = {(i.home, i.found.target) for i in ills if i.role is StoryRole.SYMPTOM}
        now = [each for each in ills if not each.gone]
        self._dropped = {each.home for each in now if Trait.SAYS_DROP in each.traits}
        self._loaded = {each.home for each in now if Trait.LOAD in each.traits}
        self._loaders = {each.home for each in now if Trait.LOADER in each.traits}
        self._mute = {each.home for each in ills if Trait.NO_ANSWER in each.traits}
        self.causes: Sequence[tuple[Trait, Callable[[Ill], bool]]] = (
            (Trait.CAUSE_UNLESS_FELT, self._is_wrong_check),
            (Trait.HANGS, self._hangs),
            (Trait.COLD, self._lets_through),
            (Trait.CEILING, self._more_comes),
        )

    def asks_less(self, needs: Collection[str]) -> bool:
        """Whether nobody asks one of these any more."""
        return not self._dropped.isdisjoint(needs)

    def _is_wrong_check(self, ill: Ill) -> bool:
        here = {ill.home, *self._above(ill.home)}
        return not any(home in here and there != ill.home for home, there in self._felt)

    def _hangs(self, ill: Ill) -> bool:
        return not self._mute.isdisjoint({ill.home, *self._above(ill.home)})

    def _more_comes(self, ill: Ill) -> bool:
        return not self._loaders.isdisjoint({ill.home, *self._above(ill.home)})

    def _lets_through(self, ill: Ill) -> bool:
        callers = self._above(ill.home)
        others = self._loaded - {ill.home}
        return any(not callers.isdisjoint(self._above(home)) for home in others)


class _Homes:
    """Whose a finding is: a balancer names the group that fails, a primary its standby."""

    def __init__(self, graph: DependencyGraph) -> None:
        self._targets = {target.name: target for target in graph.targets}
        self._ids = {
            part: target.name
            for target in graph.targets
            if (own := str(getattr(target.settings, "id", "") or ""))
            for part in (own, own.rsplit("/", 1)[-1], own.rsplit(":", 1)[-1])
        }

    def _written_by(self, found: OpenFinding) -> str:
        """Whose code writes to a group: who needs it or is of its service, where that is one."""
        group = self._targets.get(found.target)
        writers = [
            each.name
            for each in self._targets.values()
            if each.kind in _CODE
            and (
                found.target in each.needs
                or (group is not None and group.service and each.service == group.service)
            )
        ]
        return writers[0] if len(writers) == 1 else found.target

    def of(self, found: OpenFinding) -> str:
        """The name of the target that a finding is about."""
        if found.kind == "log_group":
            return self._written_by(found)
        subject = found.finding.subject
        named = subject if subject in self._targets else self._ids.get(subject, "")
        if not named or named == found.target or found.target not in self._targets:
            return found.target
        here, there = self._targets[found.target], self._targets[named]
        copies = here.kind == there.kind and found.target in there.needs
        return named if named in here.needs or copies else found.target


def _onset(board: Board, found: OpenFinding, first_look: datetime) -> Onset | None:
    """When it began: as its source tells, out of its points, or since we saw it begin. When we
    looked first is never taken for it.
    """
    told = told_onset(found) or _by_points(board, found) or _by_age(found)
    if told is not None:
        return told
    if found.since > first_look + weights.SEEN_BEGIN:
        return Onset(found.since, max(weights.BY_LOOKS, _pace(found.probe)))
    return None


def _pace(probe: str) -> timedelta:
    """It began between two looks: so far apart they are, or were while all was calm."""
    known = registry().get(probe)
    return timedelta(seconds=known.every if known is not None else 0.0)


def _by_points(board: Board, found: OpenFinding) -> Onset | None:
    """Out of a series of a minute that the probe gave; what the board kept of looks is not one."""
    looked = next((r for r in board.readings_at(found.target) if r.probe == found.probe), None)
    raw = getattr(looked.outcome, "findings", ()) if looked is not None else ()
    same = (f for f in raw if (f.code, f.subject) == (found.id.code, found.id.subject))
    for evidence in next((f.evidence for f in same), ()):
        if len(evidence.history) >= 5 and (cut := _cut(evidence.history)) is not None:
            minutes = len(evidence.history) - cut + 1
            return Onset(found.seen - minutes * weights.BY_LOOKS, weights.BY_POINTS)
    return None


def _by_age(found: OpenFinding) -> Onset | None:
    """A number of seconds that grew from look to look by the time between them is an age."""
    elapsed = (found.seen - found.since).total_seconds()
    if not elapsed >= weights.AGE_LEAST or found.looks > TREND_LENGTH:
        return None
    for evidence in found.finding.evidence:
        if evidence.unit == "s" and len(evidence.history) == found.looks > 1:
            grew = evidence.history[-1] - evidence.history[0]
            if abs(grew - elapsed) <= weights.AGE_OFF * elapsed:
                age = timedelta(seconds=evidence.history[-1])
                return Onset(found.seen - age, weights.BY_AGE)
    return None


def _cut(points: Sequence[float]) -> int | None:
    """Where the means of both sides are furthest apart; None: it does not move."""
    if max(points) - min(points) <= weights.STEP * max(points):
        return None
    sums = [0.0]
    for point in points:
        sums.append(sums[-1] + point)
    many = len(points)
    gaps = [abs(sums[n] / n - (sums[many] - sums[n]) / (many - n)) for n in range(1, many)]
    return max(range(1, many), key=lambda n: gaps[n - 1])


def incident_onset(board: Board, ills: Iterable[Ill], first_look: datetime, now: datetime) -> Onset:
    """When what users feel began; `vague` where that is not known better than our first look."""
    every = list(ills)
    felt = [each for each in every if each.is_felt]
    known = [each.onset for each in felt if each.onset is not None]
    earliest = min((each.at - weights.ALARM_BEFORE for each in known), default=None)
    alarms = (told_onset(f) for f in board.open.values() if f.finding.code == _ALARM)
    since = earliest or now - weights.ALARM_STALE
    known += [each for each in alarms if each is not None and each.at >= since]
    if not known:
        begin = {StoryRole.CAUSE, StoryRole.EITHER}
        causes = (i.onset for i in every if i.role in begin and not i.gone)
        known = [each for each in causes if each and now - each.at <= weights.RECENT_CAUSE]
    vague = Onset(first_look, weights.BY_LOOKS, vague=True)
    if not known:
        return vague
    first = min(known, key=lambda each: each.at)
    undated = any(each.onset is None for each in felt)
    return vague if first.at > first_look and undated else Onset(first.at, first.slack)


def aged(ills: Sequence[Ill], onset: Onset) -> list[Ill]:
    """The same, those marked that are far older than the incident. Where nothing is felt there is
    none yet: then nothing is too old, and a risk that has come true is what there is to see.
    """
    if not any(each.is_felt for each in ills):
        return [_standing(each) for each in ills]
    return [
        replace(each, old=True)
        if each.onset is not None
        and onset.at - each.onset.at > weights.OLD
        and Trait.SLOW_BURN not in each.traits
        else each
        for each in ills
    ]


def _standing(ill: Ill) -> Ill:
    grave = ill.role is StoryRole.RISK and ill.severity >= Severity.HIGH
    return replace(ill, role=StoryRole.EITHER, stands=True) if grave else ill


def by_home(ills: Iterable[Ill]) -> Mapping[str, list[Ill]]:
    """Target → what ails it."""
    found: dict[str, list[Ill]] = {}
    for each in ills:
        found.setdefault(each.home, []).append(each)
    return found


def strongest(ills: Iterable[Ill]) -> list[Ill]:
    """What ails a place, what speaks most against it first."""
    return sorted(ills, key=lambda i: (-i.value(), -i.severity.rank, i.code, i.found.id))
