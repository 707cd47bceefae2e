"""Recovery objectives against what is known: the RTO's clock, the RPO's newest point (pure).

RTO: how long it may take from the beginning of the impact until it is mitigated. RPO: how many
seconds of data may be lost. What is not known is told as that, and never as met.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.milestones import Milestone, milestone


class Attainment(StrEnum):
    """How it stands, or ended. The first three are of what still runs."""

    RUNNING = "running"
    WITHIN = "within"
    OVER = "over"
    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """How long at most, in seconds, and whose own it is; `of` empty: the environment's."""

    seconds: float
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTime:
    """The recovery against its RTO. It counts from `impact_start`, until `mitigated` or else
    `resolved`.
    """

    objective: Objective
    opened: datetime
    began: Milestone
    recovered: Milestone

    @property
    def known(self) -> bool:
        """Whether anybody said when the impact began. Else the opening stands for it: it began
        then or earlier.
        """
        return self.began.at is not None

    def spent(self, now: datetime) -> float:
        """Seconds from the earliest that the impact may have begun, to the latest that it may have
        ended; to `now` while it has not.
        """
        return ((self.recovered.until or now) - (self.began.at or self.opened)).total_seconds()

    def left(self, now: datetime) -> float:
        """Seconds until the objective is missed; below zero by how much it is. Of a recovery
        without a known beginning it is the most.
        """
        return self.objective.seconds - self.spent(now)

    def verdict(self, now: datetime) -> Attainment:
        """Met only by the longest reading of both times, missed only by the shortest."""
        if self.recovered.at is None:
            return Attainment.OVER if self.left(now) < 0 else Attainment.RUNNING
        if self.began.until is None or self.spent(now) < 0:
            return Attainment.UNKNOWN
        if self.left(now) >= 0:
            return Attainment.MET
        shortest = (self.recovered.at - self.began.until).total_seconds()
        return Attainment.MISSED if shortest > self.objective.seconds else Attainment.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestPoint:
    """The newest point that one target's data could be recovered to, by the last look.

    `lacks`: seconds of data that it may lack, at most; None: no point is known.
    """

    target: str
    objective: float
    name: str = ""
    lacks: float | None = None

    @property
    def over(self) -> float:
        """Seconds beyond the objective; at or below zero, and of what is unknown: none."""
        return 0.0 if self.lacks is None else self.lacks - self.objective

    @property
    def verdict(self) -> Attainment:
        """Within, over or unknown."""
        if self.lacks is None:
            return Attainment.UNKNOWN
        return Attainment.OVER if self.over > 0 else Attainment.WITHIN


_WORST_FIRST = (Attainment.OVER, Attainment.UNKNOWN, Attainment.WITHIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryClock:
    """What is told beside an incident. `time` None: no RTO holds; `points` empty: no RPO does.

    The points stand in their order: over, then not known, then by what they lack.
    """

    time: RecoveryTime | None = None
    points: tuple[NewestPoint, ...] = ()


def worst_first(points: Iterable[NewestPoint]) -> tuple[NewestPoint, ...]:
    """As a `RecoveryClock` has them."""
    return tuple(sorted(points, key=lambda p: (_WORST_FIRST.index(p.verdict), -p.over)))


def recovery_time(objective: Objective, entries: Sequence[Entry]) -> RecoveryTime | None:
    """The clock of an RTO; None for a journal without an opening."""
    opened = next((entry.when for entry in entries if entry.kind is EntryKind.OPENED), None)
    if opened is None:
        return None
    mitigated = milestone("mitigated", entries)
    return RecoveryTime(
        objective=objective,
        opened=opened,
        began=milestone("impact_start", entries),
        recovered=mitigated if mitigated.at else milestone("resolved", entries),
    )


def recorded(entries: Sequence[Entry], which: str) -> list[Entry]:
    """What the journal says of an objective, `rto` or `rpo`, oldest first."""
    return [
        entry
        for entry in entries
        if entry.kind is EntryKind.OBJECTIVE and entry.data.get("objective") == which
    ]
