"""What a look at a state machine holds. Runbook steps capture from these records by name.

Source: Step Functions Developer Guide ("Monitoring Step Functions metrics using CloudWatch",
"Redriving state machine executions"). `ExecutionsStarted` counts at the start, all other series at
the end of an execution. Express executions are not listed: only metrics and logs tell of them.
Input, output and the definition are never kept: they are the customer's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from probes.answers import Gap
from probes.denials import DeniedAction
from probes.metrics import NO_DATA, Rate, counted, settled, together, total

WINDOW = 15
"""Minutes that are judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineExecution:
    """One run of the machine."""

    arn: str
    name: str
    status: str
    started: datetime
    stopped: datetime | None = None
    version: str = ""
    """The version's number, when it was started by version or alias."""
    error: str = ""
    cause: str = ""
    """What the failed state told, without secrets, the beginning of it."""
    redrive: str = ""
    """`REDRIVABLE`, or why it is not."""
    redrives: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCount:
    """How often an error ended the failed executions that were read."""

    error: str
    count: int
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a state machine."""

    at: datetime
    name: str
    arn: str
    status: str
    type: str = ""
    """`STANDARD` or `EXPRESS`."""
    revision: str = ""
    listed: bool = False
    """Executions could be listed: never of express machines."""
    failed: tuple[MachineExecution, ...] = ()
    """The newest that failed or timed out, newest first."""
    redrivable: MachineExecution | None = None
    """The newest that can go on from where it failed."""
    oldest: MachineExecution | None = None
    """The oldest that runs, of those that were listed."""
    running: int | None = None
    """How many run; None: not known."""
    running_more: bool = False
    """More run than were listed."""
    errors: tuple[ErrorCount, ...] = ()
    denials: tuple[DeniedAction, ...] = ()
    starts: Series = NO_DATA
    succeeded: Series = NO_DATA
    failures: Series = NO_DATA
    timeouts: Series = NO_DATA
    aborts: Series = NO_DATA
    throttled: Series = NO_DATA
    """State transitions that had to wait."""
    duration: Series = NO_DATA
    """95th percentile, milliseconds."""
    gaps: tuple[Gap, ...] = ()


def now(snapshot: Snapshot, series: Series) -> Series:
    """The settled minutes of the window."""
    return settled(series, snapshot.at, minutes=WINDOW)


def of_hours(snapshot: Snapshot, series: Series) -> Series:
    """All of a series that will not change any more."""
    return settled(series, snapshot.at, minutes=180)


def failure_rate(snapshot: Snapshot) -> Rate:
    """Failed and timed out of all that ended; what somebody aborted is in neither."""
    good = now(snapshot, snapshot.succeeded)
    bad = together(now(snapshot, snapshot.failures), now(snapshot, snapshot.timeouts))
    began = now(snapshot, snapshot.starts)
    part = total(bad) if bad.values else counted(bad, together(good, began))
    return Rate(part, None if part is None else part + (total(good) or 0))
