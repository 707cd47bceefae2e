"""A step with its values filled in: exactly what would run, frozen, with a digest to say yes to."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cockpit.runbooks.step import NOTHING, Risk, Step, StepKind, Tripwire, Until

VALID_FOR = 120.0
"""Seconds from the making of a plan until no approval of it is taken, and none is good."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

OutcomeKind = Literal["ok", "failed", "unknown", "skipped", "refused"]


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One line of what a person reads: `will run`, `as`, `effect`, `undo`, `checked now`,
    `verify`, `approval`, or a label that the step gives itself. Never cut.
    """

    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """The effect itself, every value typed and final."""

    kind: StepKind
    does: str
    args: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    argv: tuple[str, ...] = ()
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    body: str = ""
    status: tuple[int, ...] = ()
    timeout: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would run, on what, as whom, with which effect, checked just now.

    Two plans with the same digest would do the same to the same thing: the digest covers the
    runbook's digest, the step, the act with its values, target, principal, account, region,
    fingerprints and the results of `require`. It does not cover the time.
    """

    step: Step
    runbook: str
    runbook_digest: str
    act: Act
    target: str
    """What it is run on; empty when the step names no target."""
    environment: str
    account: str
    region: str
    principal: str
    risk: Risk
    """The step's risk, never below what its operation is known to do."""
    checked: tuple[str, ...] = ()
    """The conditions that held when the plan was made."""
    fingerprints: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    """What must be the same when it runs: a session's pid and start, a program's digest, …"""
    undo_args: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    """What the undo would be given, read before the effect; may still refer to the effect."""
    undo_verify: Until | None = None
    """What would prove the undo, by the values from before the effect."""
    verify: Until | None = None
    tripwires: tuple[Tripwire, ...] = ()
    """Those of the step, with the names of their targets."""
    relies: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    """The values of steps and parameters that the verification compares with, as planned."""
    lines: tuple[PlanLine, ...] = ()
    digest: str = ""
    confirm_word: str = ""
    """What has to be typed; empty when Enter is enough."""
    made_at: datetime
    good_until: float
    """Until when an approval is taken, and good, by `Ports.elapsed`: a wall clock that is set
    neither ends nor prolongs it."""
    asks: str = ""
    """The question of a manual step, whose answer is typed; empty: there is none."""
    suggestion: str = ""
    """The answer that Enter alone gives; empty: one has to be typed."""
    gaps: tuple[str, ...] = ()
    """Why it cannot be approved, such as a role that may not act. Empty: it can."""

    @property
    def title(self) -> str:
        """The step's title."""
        return self.step.title

    @property
    def where(self) -> str:
        """`orders-db · prod · 123456789012 · us-east-1`, as far as it is known."""
        parts = (self.target, self.environment, self.account, self.region)
        return " · ".join(part for part in parts if part)

    @property
    def mutates(self) -> bool:
        """True for everything that is not a mere look."""
        return self.risk > Risk.READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's yes to one plan. Good once, and only for the plan whose digest it names."""

    digest: str
    by: str
    at: datetime
    good_until: float
    """As `Plan.good_until`."""
    typed: str = ""
    reason: str = ""
    second: str = ""
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    """Makes it this one yes and no other."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended. `unknown`: it was sent and its end is not known."""

    kind: OutcomeKind
    text: str
    output: str = ""
    """Several lines, masked, without control codes, bounded; may be empty."""
    took: float = 0.0
    """Seconds, verification included."""


def act_digest(act: Act, target: str) -> str:
    """What tells one act from another: what is done, with every value, to what."""
    named = {name: getattr(act, name) for name in ("kind", "does", "args", "argv", "url", "body")}
    return digest_of({**named, "headers": act.headers, "target": target})


def digest_of(body: Mapping[str, object]) -> str:
    """SHA-256 over the canonical JSON (RFC 8785) of a plan's body, hexadecimal."""
    import rfc8785

    return hashlib.sha256(rfc8785.dumps(_plain(body))).hexdigest()


def short(digest: str) -> str:
    """`8f3a·c91e`: enough to compare two by eye."""
    return f"{digest[:4]}·{digest[4:8]}"


def _plain(value: object) -> Json:
    """JSON with integers beyond 2^53 and other types as text, so that no two values collide."""
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case bool() | None:
            return value
        case int():
            return value if abs(value) < 2**53 else f"int:{value}"
        case str() | float():
            return str(value) if isinstance(value, str) else value
        case datetime():
            return f"time:{value.isoformat()}"
        case _:
            return f"{type(value).__name__}:{value}"
