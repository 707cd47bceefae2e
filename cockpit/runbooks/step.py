"""What a runbook says, as values: steps, parameters, conditions. Nothing here runs anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Never

from cockpit.secret_shapes import without_shapes
from cockpit.triage.finding import Severity
from cockpit.units import duration

NOTHING: Mapping[str, Never] = MappingProxyType({})


class Risk(StrEnum):
    """`READ < LOW < HIGH < DESTRUCTIVE` when compared."""

    READ = "read"
    LOW = "low"
    HIGH = "high"
    DESTRUCTIVE = "destructive"

    @property
    def rank(self) -> int:
        """0 for read up to 3 for destructive."""
        return tuple(Risk).index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank < Risk(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Risk(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Risk(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Risk(other).rank


class StepKind(StrEnum):
    """How a step is done. Public names of the format."""

    MANUAL = "manual"
    PROBE = "probe"
    WAIT = "wait"
    AWS = "aws"
    SQL = "sql"
    REDIS = "redis"
    HTTP = "http"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file. `line` counts from 1; 0: the file as a whole."""

    path: Path
    line: int
    message: str
    error: bool = True
    """False for advice: the runbook can be used all the same."""

    def __str__(self) -> str:
        where = f"{self.path.name}:{self.line}" if self.line else self.path.name
        return f"{where}: {self.message}" if self.error else f"{where}: advice: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A value that the runbook needs before it begins.

    `source` is where it comes from by itself: `finding.target`, `finding.subject`, `near` (the
    finding's target when its kind fits, else the nearest one in the dependency graph), or empty.
    `default` None: there is none.
    """

    name: str
    type: str
    kind: str = ""
    """For type `target`: the kind of target that fits; empty: every kind."""
    source: str = ""
    default: object = None
    choices: tuple[str, ...] = ()
    help: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition (JMESPath) that must hold right before a step, and how people say it."""

    that: str
    says: str = ""

    @property
    def text(self) -> str:
        """What a plan shows beside the mark."""
        return self.says or self.that


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """Look again until a condition (JMESPath over what is seen) holds. Times are seconds.

    What looks is a probe, or a read of AWS (`call`, `args`) for what no probe's snapshot has.
    """

    until: str
    probe: str = ""
    call: str = ""
    args: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    """Of the call; may hold references until they are filled in with the plan."""
    scope: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    """Of an undo: what it compares with, as it was before the effect. What is read again when the
    undo is planned is the state that the effect made."""
    target: str = ""
    """A reference or a name; empty: the step's own target."""
    every: float = 5.0
    within: float = 60.0
    says: str = ""

    @property
    def text(self) -> str:
        """`no session waits for a lock within 1m 00s`."""
        return f"{self.says or self.until} within {duration(self.within)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripwire:
    """Another signal that must not get worse because of a step: a finding, or a fact of a probe.

    A finding of at least that severity that opens or worsens to it, at `target` (empty: at the
    step's target, what needs it and what it needs, but not what the step's verification looks at).
    With `fact` a number of a probe's reading that goes above or below a bound.
    """

    finding: Severity = Severity.CRITICAL
    target: str = ""
    """A reference or a name."""
    probe: str = ""
    fact: str = ""
    """The label of a fact; empty: findings are watched."""
    above: float | None = None
    below: float | None = None
    says: str = ""

    @property
    def text(self) -> str:
        """`checkout has a finding that is high`, as a plan says it."""
        if self.says:
            return self.says
        if self.fact:
            bounds = (("above", self.above), ("below", self.below))
            limits = [f"{word} {limit:g}" for word, limit in bounds if limit is not None]
            return f"{self.fact} at {self.target} is {' or '.join(limits)}"
        place = self.target or "the target, what needs it or what it needs"
        return f"{place} has a new finding that is {self.finding}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """How to take a step back.

    `does` empty: it cannot be done by a step, and `says` tells why or how. References in `args`
    are filled in when the forward step is planned, that is from the state *before* it; those that
    name the forward step itself are filled in from what it gave.
    """

    says: str
    does: str = ""
    args: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    effect: str = ""
    verify: Until | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a manual step asks for: its title is the question.

    `ask` says how the answer is written; `default` is a constant or a reference, empty for none.
    """

    type: str
    ask: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()
    means: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """Choice → what it does, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of a runbook: a heading, prose, and what its fenced block says."""

    id: str
    title: str
    kind: StepKind
    risk: Risk = Risk.HIGH
    prose: str = ""
    """The text under the heading, without markup."""
    line: int = 0
    """The first line of its block in the file."""
    target: str = ""
    """A reference (`$db`) or a target's name; empty: none."""
    does: str = ""
    """The probe, the AWS call (`ecs.UpdateService`), the named statement, or the HTTP method."""
    args: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    """Arguments of a call or statement; may hold references."""
    argv: tuple[str, ...] = ()
    """Kind `command`: program and arguments, one value one argument."""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    body: str = ""
    status: tuple[int, ...] = ()
    """Kind `http`: what counts as done; empty: 200 to 299."""
    capture: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """Name → JMESPath over what the step gave."""
    once: bool = False
    """What was captured first stays for the whole run: the state from before a repair."""
    require: tuple[Condition, ...] = ()
    held: tuple[str, ...] = ()
    """References whose value stays as it was approved. All others are read again right before
    the effect, and a difference refuses it."""
    same: tuple[str, ...] = ()
    """JMESPath of other values that must not change between approval and effect."""
    effect: str = ""
    show: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    """Label → value that a person should see before the yes."""
    change: Mapping[str, tuple[object, object]] = field(default_factory=lambda: NOTHING)
    """Label → (before, after)."""
    verify: Until | None = None
    """Kind `wait`: what it waits for."""
    undo: Undo | None = None
    tripwires: tuple[Tripwire, ...] = (Tripwire(),)
    """What interrupts it; empty: nothing does."""
    timeout: float = 30.0
    """Seconds until an effect's end counts as unknown."""
    answer: Question | None = None

    @property
    def call(self) -> str:
        """What it would run, in a few words: `terminate_backend($blocker.pid, …)`; what stands in
        the place of a secret is masked.
        """
        return without_shapes(self._call())

    def _call(self) -> str:
        match self.kind:
            case StepKind.MANUAL:
                return self.answer.ask if self.answer else ""
            case StepKind.PROBE | StepKind.WAIT:
                return f"{self.does} on {self.target}"
            case StepKind.HTTP:
                return f"{self.does} {self.url}"
            case StepKind.COMMAND:
                return " ".join(self.argv)
            case _:
                given = ", ".join(f"{value}" for value in self.args.values())
                return f"{self.does}({given})"

    @property
    def verification(self) -> str:
        """`no session waits for a lock within 1m 00s`; empty without one."""
        return self.verify.text if self.verify else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """A document. `digest` is the SHA-256 of the file's bytes: it names what was followed."""

    id: str
    title: str
    codes: tuple[str, ...]
    """The findings that it is for, the best fitting first."""
    steps: tuple[Step, ...]
    params: Mapping[str, Param] = field(default_factory=lambda: NOTHING)
    """Other ids that findings know it by."""
    owner: str = ""
    reviewed: date | None = None
    intro: str = ""
    """What stands before the first step, without markup."""
    source: str = ""
    """The whole file, for reading."""
    digest: str = ""
    path: Path = Path()
    shipped: bool = False

    def step(self, step_id: str) -> Step:
        """The step with an id. Raises `KeyError`."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)
