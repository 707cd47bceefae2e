"""What a look at a place's changes holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.triage.names import RecordMove
from probes.answers import Gap
from probes.changes.zones import moves_of
from probes.trail import ApiEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTrail:
    """What CloudTrail told."""

    start: datetime
    """From here on."""
    end: datetime
    events: tuple[ApiEvent, ...] = ()
    """The writes, newest first, without the noise."""
    noise: int = 0
    """How many were left out: log streams, tokens, heartbeats."""
    whole_from: datetime | None = None
    """From here on every write was read; before it only those of `asked`. None: nothing was."""
    asked: tuple[str, ...] = ()
    """Calls that were asked for by name, since pages were full of other things."""
    unasked: tuple[str, ...] = ()
    """Calls that are still to be asked for by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event of a service's own history."""

    at: datetime
    kind: str
    """As `Change.kind`."""
    resource: str
    summary: str
    source: str
    actor: str = ""
    by: str = ""
    failed: str = ""
    """Why it came to nothing; empty: it did not fail."""
    details: tuple[str, ...] = ()
    record: RecordMove | None = None
    """The record of DNS that it changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutState:
    """Something that is, or was, under way: a deployment, a refresh, a stack."""

    kind: str
    """`codedeploy.deployment`, `autoscaling.refresh`, `cloudformation.stack`, `lambda.code`."""
    name: str
    status: str
    """As AWS says it."""
    began: datetime | None = None
    ended: datetime | None = None
    reason: str = ""
    taken_back: str = ""
    """The deployment that took it back already; empty: none did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingGroup:
    """An Auto Scaling group, and its failed launches."""

    name: str
    least: int
    in_service: int
    failed: tuple[tuple[datetime, str], ...] = ()
    """When a launch failed, and what AWS says of it; newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitAlias:
    """An alias that splits its calls."""

    function: str
    name: str
    version: str
    weights: tuple[tuple[str, float], ...]
    """Version → share of one."""
    errors: tuple[tuple[str, float | None, float | None], ...] = ()
    """Version, errors and calls of the last minutes; None: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedImage:
    """A service runs another image under the same task definition."""

    service: str
    cluster: str
    task_definition: str
    container: str
    image: str
    before: str
    after: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look. `trail` None: CloudTrail could not be read, which is not a quiet trail."""

    at: datetime
    region: str
    trail: ReadTrail | None = None
    happenings: tuple[Happening, ...] = ()
    rollouts: tuple[RolloutState, ...] = ()
    groups: tuple[ScalingGroup, ...] = ()
    aliases: tuple[SplitAlias, ...] = ()
    moved: tuple[MovedImage, ...] = ()
    previous: tuple[tuple[str, ApiEvent], ...] = ()
    """Id of an event → the call before it that set the same policy or alias."""
    releases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Id of an event that brought a task definition → what that changed, a line each."""
    gaps: tuple[Gap, ...] = ()
    sources: tuple[str, ...] = ()
    """The histories that were read."""

    def moved_records(self) -> tuple[RecordMove, ...]:
        """The records of DNS that were changed, by each history that tells of them."""
        told = [each.record for each in self.happenings if each.record is not None]
        events = self.trail.events if self.trail is not None else ()
        return (*told, *(move for event in events for move in moves_of(event)))

    def age(self, moment: datetime | None) -> float | None:
        """Seconds from then to the look, never below zero; None: the moment is not known."""
        return None if moment is None else max(0.0, (self.at - moment).total_seconds())
