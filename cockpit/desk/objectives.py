"""The recovery objectives that hold in this incident, from configuration, record and board."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cockpit import units
from cockpit.config import Config
from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.objectives import (
    Attainment,
    NewestPoint,
    Objective,
    RecoveryClock,
    RecoveryTime,
    recorded,
    recovery_time,
    worst_first,
)
from cockpit.incident.record import Incident
from cockpit.triage.board import Board, LookId
from cockpit.triage.families import looking_at
from cockpit.triage.finding import Severity
from cockpit.triage.probe import AnyProbe, Seen
from cockpit.triage.target import Target

_GRAVE = frozenset({Severity.HIGH, Severity.CRITICAL})


class ObjectiveKeeper:
    """Tells the clock, and writes into the record what held: an export knows no configuration."""

    def __init__(self, config: Config, incident: Incident, probes: Mapping[str, AnyProbe]) -> None:
        self._targets = {target.name: target for target in config.targets}
        self._rto = units.parsed(config.incident.rto)
        self._rpo = units.parsed(config.incident.rpo)
        self._incident = incident
        self._looks: dict[str, list[str]] = {}
        """Kind → its probes that know of recovery points."""
        for kind in {target.kind for target in config.targets}:
            knowing = [probe.id for probe in looking_at(probes, kind) if probe.points is not None]
            if knowing:
                self._looks[kind] = knowing
        self._stores = [
            (target, limit)
            for target in self._targets.values()
            if (limit := self._limit(target)) is not None
        ]
        own = any(target.rto is not None for target in self._targets.values())
        self._counts = own or self._rto is not None
        self._read: tuple[int, RecoveryTime | None] = (-1, None)

    def clock(self, board: Board) -> RecoveryClock | None:
        """What is told beside the incident; None: no objective is configured."""
        time, points = self._time(), worst_first(point for point, _ in self._points(board))
        return RecoveryClock(time=time, points=points) if time or points else None

    def tell(self, board: Board) -> None:
        """Write what the record does not have yet. Not once the incident is mitigated: what is
        behind afterwards is no measure of it.
        """
        incident = self._incident
        if incident.watching or not incident.state.open or not (self._counts or self._stores):
            return
        self._tell_time(incident.done)
        mitigated = recovery_time(Objective(seconds=0), incident.done)
        if self._stores and (mitigated is None or mitigated.recovered.at is None):
            self._tell_point(board)

    def _limit(self, target: Target) -> float | None:
        """The environment's holds where a look could know of a recovery point; a target's own
        always does, and is told as not known where no look can.
        """
        if target.rpo is not None:
            return target.rpo
        return self._rpo if target.kind in self._looks else None

    def _time(self) -> RecoveryTime | None:
        if not self._counts:
            return None
        count = len(self._incident.entries)
        if self._read[0] != count:
            held = self._strictest()
            self._read = (count, recovery_time(held, self._incident.done) if held else None)
        return self._read[1]

    def _strictest(self) -> Objective | None:
        """Of what had a grave finding in this incident; the environment's before anything had."""
        told = self._incident.standing.told
        ill = dict.fromkeys(name for name, severity in told if severity in _GRAVE)
        there = [self._targets[name] for name in ill if name in self._targets]
        held = [
            Objective(seconds=limit, of=target.name if target.rto is not None else "")
            for target in there
            if (limit := self._rto if target.rto is None else target.rto) is not None
        ]
        if not held and self._rto is not None and not there:
            held = [Objective(seconds=self._rto)]
        return min(held, key=lambda one: one.seconds, default=None)

    def _points(self, board: Board) -> list[tuple[NewestPoint, bool]]:
        """Of each store with an RPO its newest point, and whether it was looked at already.

        A standby is a copy and no store, unless it has an RPO of its own: it only speaks, with the
        newest that is known, where no store says anything (a primary that is gone).
        """
        stores: list[tuple[NewestPoint, bool]] = []
        copies: list[tuple[NewestPoint, bool]] = []
        for target, limit in self._stores:
            point, looked, copy = self._point(target, limit, board)
            (copies if copy and target.rpo is None else stores).append((point, looked))
        known = [each for each in copies if each[0].lacks is not None]
        if any(point.lacks is not None for point, _ in stores) or not copies:
            return stores
        if known:
            return [*stores, min(known, key=lambda each: each[0].lacks or 0.0)]
        return stores or copies[:1]

    def _point(self, target: Target, limit: float, board: Board) -> tuple[NewestPoint, bool, bool]:
        """The newest point, whether it was looked at, and whether the target is itself a copy."""
        looks = [LookId(target.name, probe) for probe in self._looks.get(target.kind, ())]
        readings = [board.readings[look] for look in looks if look in board.readings]
        told = [p for r in readings if isinstance(r.outcome, Seen) for p in r.outcome.points]
        known = [
            NewestPoint(
                target=target.name, objective=limit, name=each.name, lacks=max(0.0, each.behind)
            )
            for each in told
            if each.behind is not None and math.isfinite(each.behind)
        ]
        none = NewestPoint(target=target.name, objective=limit)
        newest = min(known, key=lambda point: point.lacks or 0.0, default=none)
        copy = bool(told) and all(each.itself for each in told)
        return newest, len(readings) == len(looks), copy

    def _tell_time(self, entries: Sequence[Entry]) -> None:
        run = self._time()
        now = (run.objective.seconds, run.objective.of) if run else (0.0, "")
        last = next(reversed(recorded(entries, "rto")), None)
        before = (last.data.get("seconds"), last.data.get("of")) if last else (0.0, "")
        if now == before:
            return
        seconds, of = now
        whose = f" of {of}" if of else ""
        text = f"RTO {units.brief(seconds)}{whose} holds" if seconds else "no RTO holds any more"
        data = {"objective": "rto", "seconds": seconds, "of": of}
        self._incident.record(EntryKind.OBJECTIVE, text, target=of, data=data)

    def _tell_point(self, board: Board) -> None:
        """Each verdict once, and what is over again when it has doubled: a lag that swings around
        its objective must not fill the record.
        """
        found = self._points(board)
        looked = all(done for _, done in found)
        point = worst_first(point for point, _ in found)[0]
        verdict, lacks = point.verdict, point.lacks
        if not looked and verdict is not Attainment.OVER:
            return
        told = [e for e in recorded(self._incident.done, "rpo") if e.data["verdict"] == verdict]
        if told and (lacks is None or verdict is not Attainment.OVER):
            return
        if told and lacks is not None and lacks < 2 * float(told[-1].data["behind"]):
            return
        data = {"objective": "rpo", "seconds": point.objective, "verdict": verdict, "behind": lacks}
        text = _said(point)
        self._incident.record(EntryKind.OBJECTIVE, text, target=point.target, data=data)


def _said(point: NewestPoint) -> str:
    head = f"RPO {units.brief(point.objective)}"
    if point.lacks is None:
        return f"{head}: no recovery point of {point.target} is known"
    over = f", over by {units.duration(point.over)}" if point.over > 0 else ""
    behind = f"up to {units.duration(point.lacks)} behind"
    return f"{head}: copy of {point.target} ({point.name}) {behind}{over}"
