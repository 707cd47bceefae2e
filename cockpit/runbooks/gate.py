"""Risk → what a person has to do before anything runs. Default deny, in code, for every screen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cockpit.connect.role import Role
from cockpit.connect.statements import Statement
from cockpit.errors import Refused
from cockpit.runbooks.plan import VALID_FOR, Act, Approval, Plan
from cockpit.runbooks.step import Risk, StepKind
from cockpit.text import visible

LOOKING = frozenset({StepKind.MANUAL, StepKind.PROBE, StepKind.WAIT})
"""Kinds that have no way to change anything."""
READ_METHODS = frozenset({"GET", "HEAD"})
_ONLY_CAPACITY = {"TableName", "ProvisionedThroughput"}
_ONLY_COUNT = {"cluster", "service", "desiredCount"}


def aws_floor(call: str, args: Mapping[str, object]) -> Risk:
    """What an operation is known to do, at least; unknown ones count as `high`.

    Milder than the operation's class where the arguments say so (catalogue, remediation tables):
    `dynamodb.UpdateTable` that only raises capacity and `ecs.UpdateService` that only raises the
    count cost money and break nothing. Reads service models from disk: call it off the loop.
    """
    from cockpit.connect.aws.models import classify, parse

    call = ".".join(parse(call))
    if call == "dynamodb.UpdateTable" and set(args) == _ONLY_CAPACITY:
        return Risk.LOW
    risk = Risk(classify(call, args))
    if call == "ecs.UpdateService" and risk is Risk.HIGH and set(args) == _ONLY_COUNT:
        return Risk.LOW
    return risk


def floor(
    kind: StepKind, does: str, args: Mapping[str, object], *, statements: Mapping[str, Statement]
) -> Risk:
    """The least risk that a step of this kind can have, whatever its author wrote.

    A named statement that is not known counts as destructive; a program always as high. Raises
    `Misconfigured` for an AWS call that does not exist.
    """
    match kind:
        case StepKind.MANUAL | StepKind.PROBE | StepKind.WAIT:
            return Risk.READ
        case StepKind.AWS:
            return aws_floor(does, args)
        case StepKind.SQL | StepKind.REDIS:
            statement = statements.get(does)
            return Risk(statement.risk) if statement is not None else Risk.DESTRUCTIVE
        case StepKind.HTTP:
            return Risk.READ if does in READ_METHODS else Risk.HIGH
        case StepKind.COMMAND:
            return Risk.HIGH


def permitted(role: Role, kind: StepKind, risk: Risk) -> None:
    """Raise `Refused` unless the role may run it. In triage only looks may, by kind *and* risk."""
    if role is Role.COMMANDER:
        return
    if kind in LOOKING or (risk is Risk.READ and kind is not StepKind.COMMAND):
        return
    raise Refused(
        "triage is read-only: this step cannot be run from here",
        hint="propose it (p), or restart with --role commander",
    )


def answers_open(role: Role, kind: StepKind, risk: Risk) -> bool:
    """Whether a person's answers let it be planned: in triage one is a note for the commander, and
    opens nothing that acts.
    """
    return role is Role.COMMANDER or (risk is Risk.READ and kind is not StepKind.COMMAND)


def own_site(role: Role, act: Act, url: str) -> None:
    """Raise `Refused` for a request that triage may only propose. `url`: the target's own or empty.

    A GET may restart what it asks. Only what our probes ask of the target anyway is a look.
    """
    if role is Role.COMMANDER or act.kind is not StepKind.HTTP:
        return
    if url and act.url == url and not act.headers and not act.body:
        return
    raise Refused(
        "triage is read-only: a request goes to the target's own url only, without headers or body",
        hint="propose it (p), or restart with --role commander",
    )


def needs_word(plan: Plan) -> bool:
    """Whether the resource's name has to be typed."""
    return plan.risk >= Risk.HIGH


def approve(
    plan: Plan,
    *,
    by: str,
    role: Role,
    now: datetime,
    elapsed: float,
    typed: str = "",
    reason: str = "",
    second: str = "",
    degraded: str = "",
) -> Approval:
    """A person's yes. Raises `Refused` with what is missing; nothing has been sent then.

    `now` is what the record says, `elapsed` (seconds, `Ports.elapsed`) what the gate goes by.
    `degraded`: why the record is not durable. A change then needs a reason, which says that it
    is made without a record that survives.
    """
    permitted(role, plan.step.kind, plan.risk)
    if plan.gaps:
        raise Refused(plan.gaps[0])
    if elapsed >= plan.good_until:
        raise Refused("the plan is too old to say yes to", hint="open the step again")
    if needs_word(plan) and typed.strip() != plan.confirm_word:
        raise Refused(f"type {plan.confirm_word} to run it", hint="Esc cancels")
    other = second.strip()
    if other and other == by:
        raise Refused("the second person has to be another one")
    if plan.risk is Risk.DESTRUCTIVE and not (other or reason.strip()):
        raise Refused("a destructive step needs a second person, or a reason for the record")
    if plan.mutates and degraded and not reason.strip():
        raise Refused(
            f"the record is not durable ({degraded}): nothing is changed without one",
            hint="give a reason to run it all the same",
        )
    return Approval(
        digest=plan.digest,
        by=by,
        at=now,
        good_until=min(plan.good_until, elapsed + VALID_FOR),
        typed=typed.strip(),
        reason=reason.strip(),
        second=other,
    )


def still_good(plan: Plan, approval: Approval, *, elapsed: float) -> None:
    """Raise `Refused` unless the approval is for this very plan and has not expired."""
    if approval.digest != plan.digest:
        raise Refused("the approval is for another plan", hint="read the plan and approve again")
    if elapsed >= approval.good_until:
        raise Refused(
            f"the approval expired after {VALID_FOR:g} s", hint="open the step and approve again"
        )


def differences(
    was: Mapping[str, object], now: Mapping[str, object], *, failing: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """What is not as it was when the plan was made, in words; empty when all is the same."""
    moved = [
        f"{name}: {_shown(was.get(name))} → {_shown(now.get(name))}"
        for name in dict.fromkeys((*was, *now))
        if was.get(name) != now.get(name)
    ]
    return (*(f"no longer true: {check}" for check in failing), *moved)


def _shown(value: object) -> str:
    return "nothing" if value is None else visible(str(value), 200)
