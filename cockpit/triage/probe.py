"""How to look at one kind of target: collect (I/O), diagnose (pure), and the readings they give."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from cockpit.errors import Reason
from cockpit.logs.source import LogSource
from cockpit.triage.changes import Change
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Codes
from cockpit.triage.own import OwnAct
from cockpit.triage.target import Target
from cockpit.triage.view import Table

Session = TypeVar("Session")
Snapshot = TypeVar("Snapshot")
Settings = TypeVar("Settings")

NEVER_OLDER_THAN = 90.0
"""Seconds: so old may get what is known of a calm target, unless the configuration says otherwise.
"""


@dataclass(frozen=True, slots=True)
class Fact:
    """One number that describes the target, wrong or not. The first of a reading is its headline.

    `text` is what a narrow column shows (`97/100`, `2/6`, `0.8 ms`); `value` is what the board
    keeps a trend of, None when the fact is not a number. `severity` None: fine, or not judged.
    """

    label: str
    text: str
    value: float | None = None
    unit: str = ""
    severity: Severity | None = None
    as_of: datetime | None = None
    """When that was read which it is made of, where the look was given what is older than itself
    (a series that is kept); None: at the look."""


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """A copy of the target's data that a recovery could start from.

    `behind`: seconds of data that it may lack at the look, at most; None: not known. `itself`: the
    target is the copy, of data that is written elsewhere.
    """

    name: str
    behind: float | None
    itself: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """The look worked. No findings means: looked, nothing wrong."""

    findings: tuple[Finding, ...] = ()
    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()
    changes: tuple[Change, ...] = ()
    snapshot: object = None
    """What was collected, for steps that capture from it and for the recorder."""
    points: tuple[RecoveryPoint, ...] = ()
    """The copies that the look saw; empty: it knows of none."""
    again: float | None = None
    """As `Probe.again`."""
    wakes: tuple[str, ...] = ()
    """As `Probe.wakes`."""


@dataclass(frozen=True, slots=True)
class Blind:
    """The look failed, which says nothing about the target's health.

    `finding` is set when the failure is itself a diagnosis, such as a database that refuses
    connections.
    """

    reason: Reason
    detail: str
    hint: str = ""
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One look of one probe at one target."""

    target: str
    kind: str
    probe: str
    at: datetime
    took: float
    """Seconds from the start of the look to its end."""
    outcome: Seen | Blind
    leads: bool = False
    """As `Probe.leads`."""


@dataclass(frozen=True, slots=True)
class Neighbour(Generic[Snapshot]):
    """What the newest look of the same probe at another target gave."""

    target: str
    needed: bool
    """The target that is looked at names it in its `needs`."""
    age: float
    """Seconds since that look ended."""
    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(Generic[Session, Snapshot, Settings]):
    """A record of functions. A probe module ends with `PROBE = Probe(…)`.

    `collect` awaits and judges nothing, and so does `logs`; all others are pure: no clock, no
    client, no log. It raises `BlindError` when it could not look.
    """

    id: str
    """`postgres.locks`: the kind, a dot, what it looks at. Public, used in configuration."""
    kind: str
    collect: Callable[[Session, Target], Awaitable[Snapshot]]
    diagnose: Callable[[Snapshot, Settings], Iterable[Finding]]
    snapshot: type[Snapshot]
    """For reading recordings back: a frozen dataclass that msgspec can convert."""
    settings: Settings
    """The defaults: a frozen dataclass of thresholds and switches."""
    every: float
    """Seconds between looks."""
    timeout: float
    """Seconds after which the look is blind."""
    facts: Callable[[Snapshot, Settings], Iterable[Fact]] | None = None
    """The headline number first, judged by the same settings as the findings."""
    tables: Callable[[Snapshot, Settings], Iterable[Table]] | None = None
    changes: Callable[[Snapshot, str], Iterable[Change]] | None = None
    """Events found in the snapshot; the second argument is the target's name."""
    points: Callable[[Snapshot], Iterable[RecoveryPoint]] | None = None
    """The copies that a recovery could start from. Without any the look knows of none, which an
    objective for the loss of data (RPO) tells as not known."""
    since: Callable[[Snapshot, Snapshot], Snapshot] | None = None
    """`since(before, now)`: the new snapshot with rates computed against the one before. Without
    an earlier look the rates of a snapshot are None, which is never zero."""
    beside: Callable[[Snapshot, Sequence[Neighbour[Snapshot]]], Snapshot] | None = None
    """The snapshot with what other targets of its kind tell about it, such as a standby's primary.
    Given are looks that worked and are still fresh; applied after `since`, and not remembered."""
    among: Callable[[Snapshot, Sequence[Target]], Snapshot] | None = None
    """The snapshot with what is configured at its place besides, for what is judged of them all."""
    derive: Callable[[Snapshot, Settings], Snapshot] | None = None
    """The snapshot with what depends on the settings, such as whom a step may pick: what runbooks
    capture follows the same settings as the findings. Applying it twice changes nothing."""
    own: Callable[[Snapshot, Sequence[OwnAct]], Snapshot] | None = None
    """The snapshot without what steps of this incident did to it, of the acts on this target: our
    own doing is no finding."""
    lacks: Callable[[Snapshot], str] | None = None
    """What the look did not get of that which the probe is for, in words; empty: it has it. Where
    an earlier look had it, of this process or as the incident's record tells, somebody took it
    away: the look is then blind, and not a quiet one. Where no look ever had it, the probe says so
    by itself."""
    twice: bool = True
    """With `since`: a single sweep looks twice, a second apart. False when `since` only carries
    memory from look to look, which a second would not add to."""
    samples_for: float = 0.0
    """With `since`: seconds that the first look of a sweep samples behind what is compared, so that
    the second need not wait from its end (`cockpit.connect.hurry.SWEPT`)."""
    logs: Callable[[Session, Snapshot, Target], Awaitable[Sequence[LogSource]]] | None = None
    """For kinds of AWS: where the lines of the target's logs are, asked when a person wants to read
    them: it may read what a look need not (a task definition). Raises `BlindError`."""
    again: Callable[[Snapshot, Settings], float | None] | None = None
    """Seconds after which what this look saw may be grave if it goes on, or can be told from
    chance: the next look comes then, where that is before `every`, a few times running. None:
    nothing hurries. Only for what costs no more than a statement or a request."""
    wakes: Callable[[Snapshot], Iterable[str]] | None = None
    """Probes of the same target (their ids) that look at once, since this look saw a sign of what
    they look at and others would come to in their own time."""
    steady: bool = False
    """For kinds of AWS: it keeps its pace where all is calm, as users feel at once what it sees."""
    needs: tuple[str, ...] = ()
    """IAM actions (`ecs:DescribeServices`) or grants (`GRANT pg_monitor`) that it wants."""
    leads: bool = False
    """Of several probes of one kind: the one whose first fact is the target's headline."""
    codes: Codes = field(default_factory=dict)
    """Every finding code it can give, and what it is in the story of an outage."""
    asks: bool = True
    """False: nothing is asked for it, and no look is planned; others put its readings there."""


AnyProbe = Probe[Any, Any, Any]

IN_FORCE: ContextVar[object] = ContextVar("in_force", default=None)
"""The settings of the look that collects: set by the engine, inherited by what collect starts."""


def in_force(usual: Settings) -> Settings:
    """For a `collect` that reads more where something is wrong by the settings: those that hold at
    its target, or the usual ones outside of a look.
    """
    held = IN_FORCE.get()
    return held if isinstance(held, type(usual)) else usual
