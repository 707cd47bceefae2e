"""A runbook on its way through one finding: plan → approve → run → verify, all in the record.

The order is the promise: gate, a session, everything checked again, the intent durable, then the
effect. Whatever ends it, an outcome follows; what was cut off is `unknown`, never assumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from cockpit.connect.role import Role
from cockpit.errors import BlindError, CockpitError, Misconfigured, Refused, UnknownOutcome
from cockpit.incident.entry import Entry, Kind
from cockpit.runbooks import gate
from cockpit.runbooks.kinds import acts, command, looks
from cockpit.runbooks.kinds import http as http_kind
from cockpit.runbooks.kinds.result import Result
from cockpit.runbooks.known import Known
from cockpit.runbooks.output import harmless, line, shown
from cockpit.runbooks.plan import Approval, Outcome, OutcomeKind, Plan, short
from cockpit.runbooks.planning import CALLS, Planner, rendered
from cockpit.runbooks.ports import Ports
from cockpit.runbooks.scope import CouldNotLook, finding_value, param_values, target_of
from cockpit.runbooks.step import Risk, Runbook, Step, StepKind, Undo
from cockpit.runbooks.values import captured, typed
from cockpit.triage.board import OpenFinding
from cockpit.triage.target import Target

_STOPPED = frozenset({"failed", "unknown"})
_OPEN = frozenset({"waiting", "proposed", "refused"})
_BLOB_FROM = 4_000
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class StepState:
    """A step with how far it is.

    `status`: `waiting`, `next`, `running`, `ok`, `failed`, `unknown`, `skipped`, `refused`,
    `proposed`.
    """

    step: Step
    status: str = "waiting"
    outcome: Outcome | None = None
    captured: Mapping[str, Any] = field(default=_NOTHING)
    passed: bool = False
    """True when a person went on after it had failed."""
    waited: float = 0.0
    """Seconds of a verification or wait that is under way."""


class Course:
    """Holds where a runbook is. One step runs at a time."""

    def __init__(
        self,
        runbook: Runbook,
        finding: OpenFinding | None,
        *,
        role: Role,
        actor: str,
        environment: str,
        ports: Ports,
        targets: Mapping[str, Target],
        known: Known,
        params: Mapping[str, Any] = _NOTHING,
    ) -> None:
        """`params` overrides what the runbook's parameters derive by themselves."""
        self.runbook = runbook
        self.finding = finding
        self.role = role
        self.actor = actor
        self._ports = ports
        self._targets = targets
        self._states: list[StepState] = [StepState(step) for step in runbook.steps]
        self._planner = Planner(
            runbook=runbook,
            environment=environment,
            ports=ports,
            targets=targets,
            known=known,
            params=param_values(runbook, finding, targets, params),
            finding=finding_value(finding),
        )
        self._approved: set[str] = set()
        self._running = False
        self._begun = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def steps(self) -> tuple[StepState, ...]:
        """Every step, undo steps right after what they undo; one of them may be `next`."""
        stopped = self.stopped_by
        shown_next = stopped is not None
        states = []
        for state in self._states:
            if not shown_next and state.status in _OPEN:
                shown_next = True
                states.append(replace(state, status="next") if state.outcome is None else state)
            else:
                states.append(state)
        return tuple(states)

    @property
    def stopped_by(self) -> StepState | None:
        """The failed or unknown step that has to be retried, skipped or gone on after."""
        return next((s for s in self._states if s.status in _STOPPED and not s.passed), None)

    @property
    def finished(self) -> bool:
        """Whether no step is left to do."""
        return not any(s.status in _OPEN | _STOPPED | {"running"} for s in self._states)

    def state(self, step_id: str) -> StepState:
        """Where a step is. Raises `Misconfigured` for an id that the runbook does not have."""
        for state in self.steps:
            if state.step.id == step_id:
                return state
        raise Misconfigured(f"{self.runbook.id} has no step {step_id!r}")

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back whenever a step's state changes; returns how to end it."""
        self._callbacks.append(callback)

        def stop() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return stop

    async def plan(self, step_id: str) -> Plan:
        """Fill the step's values in and check it now; reads only, in every role.

        Raises `Refused` when it cannot be run now, with why: a condition does not hold, an
        earlier step failed, a look was blind. A step whose outcome is unknown is verified first.
        """
        state = self.state(step_id)
        self._must_not_be_stopped(state)
        await self._begin()
        if state.status == "unknown":
            await self._verify_unknown(state)
        plan = await self._planner.plan(state.step, self._given(), earlier=self._before(step_id))
        try:
            gate.permitted(self.role, state.step.kind, plan.risk)
        except Refused as refused:
            plan = replace(plan, gaps=(refused.message,))
        return plan

    def approve(
        self, plan: Plan, *, typed: str = "", reason: str = "", second: str = ""
    ) -> Approval:
        """A person's yes. Raises `Refused`. For a manual step, `typed` is the answer."""
        approval = gate.approve(
            plan,
            by=self.actor,
            role=self.role,
            now=self._ports.now(),
            typed=typed,
            reason=reason,
            second=second,
            degraded=self._ports.journal.degraded,
        )
        if plan.step.answer is not None:
            approval = replace(approval, typed=str(_answer(plan, typed)))
        return approval

    async def run(self, plan: Plan, approval: Approval) -> Outcome:
        """Run an approved plan, verify it, write it down. An approval is good once.

        Raises `Refused` when it is not for this plan, expired, used, or when anything that the
        plan relies on is different now; nothing was sent then, and the record says so.
        """
        if self._running:
            raise Refused("another step is running", hint="wait for its end")
        state = self.state(plan.step.id)
        self._must_not_be_stopped(state)
        self._running = True
        status = self._status_now(plan.step.id)
        self._set(plan.step.id, status="running", waited=0.0)
        try:
            outcome = await self._ended(plan, approval)
        except Refused as refused:
            self._set(plan.step.id, status="refused", outcome=Outcome("refused", refused.message))
            raise
        except BaseException:
            if self._status_now(plan.step.id) == "running":
                self._set(plan.step.id, status=status)
            raise
        finally:
            self._running = False
        return outcome

    async def skip(self, step_id: str, reason: str) -> None:
        """Leave a step out; after a failed one, go on. Raises `Refused` without a reason."""
        state = self.state(step_id)
        if state.status == "running":
            raise Refused("the step is running")
        if not reason.strip():
            raise Refused("say why it is skipped: it goes into the record")
        text = f"skipped '{state.step.title}': {reason.strip()}"
        await self._ports.journal.append(
            Kind.STEP_OUTCOME,
            text,
            target=self._target_name(state.step),
            data={**self._names(state.step), "outcome": "skipped", "reason": reason.strip()},
        )
        self._set(step_id, status="skipped", outcome=Outcome("skipped", reason.strip()))

    async def go_on(self, step_id: str, reason: str) -> None:
        """Go on after a failed or unknown step, which stays what it is. Raises `Refused`."""
        state = self.state(step_id)
        if state.status not in _STOPPED:
            raise Refused("only a failed or unknown step is gone on after")
        if not reason.strip():
            raise Refused("say why it is right to go on: it goes into the record")
        text = f"went on after '{state.step.title}' ({state.status}): {reason.strip()}"
        data = {**self._names(state.step), "after": state.status, "reason": reason.strip()}
        await self._ports.journal.append(Kind.NOTE, text, data=data)
        self._set(step_id, passed=True)

    async def propose(self, step_id: str, reason: str) -> None:
        """Put a step before a commander, with what it would run now when that can be told."""
        state = self.state(step_id)
        if not reason.strip():
            raise Refused("say why: the commander reads it")
        data = {**self._names(state.step), "reason": reason.strip()}
        would = state.step.call
        try:
            plan = await self.plan(step_id)
            would = rendered(plan.act, plan.target)
            data |= {"plan": plan.digest, **_told(plan)}
        except CockpitError as error:
            data["not_planned"] = error.message
        text = f"proposed '{state.step.title}': {reason.strip()} ({line(would, 400)})"
        target = self._target_name(state.step)
        await self._ports.journal.append(Kind.PROPOSAL, text, target=target, data=data)
        self._set(step_id, status="proposed")

    async def _ended(self, plan: Plan, approval: Approval) -> Outcome:
        started = self._ports.monotonic()
        try:
            self._must_be_good(plan, approval)
            if plan.mutates:
                outcome, gave = await self._mutation(plan, approval, started)
            else:
                outcome, gave = await self._look(plan, approval, started)
        except Refused as refused:
            await self._refusal(plan, refused)
            raise
        self._settle(plan, outcome, gave)
        return outcome

    def _must_be_good(self, plan: Plan, approval: Approval) -> None:
        gate.permitted(self.role, plan.step.kind, plan.risk)
        gate.still_good(plan, approval, now=self._ports.now())
        if plan.runbook_digest != self.runbook.digest:
            raise Refused("the plan is of another runbook")
        key = f"{approval.digest}:{approval.at.isoformat()}"
        if key in self._approved and plan.mutates:
            raise Refused("the approval was used", hint="open the step again")
        self._approved.add(key)

    async def _look(
        self, plan: Plan, approval: Approval, started: float
    ) -> tuple[Outcome, Mapping[str, Any]]:
        """A step that changes nothing: no intent, but its outcome is written down."""
        step = plan.step
        gave: Mapping[str, Any] = {}
        try:
            result = await self._result_of_look(plan, approval)
            gave = result.data if step.answer else captured(step.capture, result.data)
            kind: OutcomeKind = "ok" if result.done else "failed"
        except (BlindError, CouldNotLook, Misconfigured) as error:
            result, kind = Result(False, error.message), "failed"
        outcome = self._outcome(kind, result, started)
        text = f"{step.title} → {outcome.kind} in {outcome.took:.1f}s: {outcome.text}"
        data = {**self._names(step), "outcome": outcome.kind, "captured": dict(gave)}
        data |= self._kept(outcome, result)
        await self._ports.journal.append(Kind.STEP_OUTCOME, text, target=plan.target, data=data)
        return outcome, gave

    async def _result_of_look(self, plan: Plan, approval: Approval) -> Result:
        step = plan.step
        match step.kind:
            case StepKind.MANUAL:
                if step.answer is None:
                    return Result(True, f"done by {approval.by}")
                answer = typed(approval.typed, step.answer.type, step.answer.choices)
                return Result(True, f"answered {line(answer)}", data={"answer": answer})
            case StepKind.PROBE:
                return await looks.look(self._ports, plan.target, step.does)
            case StepKind.WAIT:
                return await self._hold(plan)
            case StepKind.HTTP:
                return await http_kind.request(plan.act, tls_ca=self._tls_ca(plan))
            case _:
                return await acts.read(self._ports, self._targets[plan.target], plan.act)

    async def _mutation(
        self, plan: Plan, approval: Approval, started: float
    ) -> tuple[Outcome, Mapping[str, Any]]:
        """A session, everything checked again, the intent durable, then the effect."""
        async with AsyncExitStack() as closing:
            session = None
            if plan.step.kind in CALLS:
                try:
                    session = await self._ports.actors.open(
                        self._targets[plan.target], plan.step.kind
                    )
                except BlindError as error:
                    raise Refused(f"no session to act with: {error.message}") from None
                closing.push_async_callback(session.close)
            await self._check_again(plan)
            gate.still_good(plan, approval, now=self._ports.now())
            intent = await self._intent(plan, approval)
            self._must_be_recorded(approval)
            outcome, gave = await self._effect(plan, intent, session, started)
        return outcome, gave

    async def _check_again(self, plan: Plan) -> None:
        """Raise `Refused` with what is different from what was approved."""
        fresh = await self._planner.fresh(
            plan.step, self._given(), earlier=self._before(plan.step.id)
        )
        who = fresh.identity
        was = {"as": plan.principal, "account": plan.account, "region": plan.region}
        now = {"as": who.principal, "account": who.account, "region": who.region}
        moved = gate.differences(
            {**plan.fingerprints, **was},
            {**(fresh.fingerprints or plan.fingerprints), **now},
            failing=fresh.failing,
        )
        if moved:
            raise Refused(
                f"it changed since it was approved: {'; '.join(moved)}",
                hint="nothing was sent; open the step again",
            )

    async def _intent(self, plan: Plan, approval: Approval) -> Entry:
        journal = self._ports.journal
        said = {"reason": approval.reason, "second": approval.second, "typed": approval.typed}
        await journal.append(
            Kind.APPROVAL,
            f"approved '{plan.title}' ({short(plan.digest)})",
            target=plan.target,
            data={**self._names(plan.step), "plan": plan.digest, **said},
        )
        return await journal.intent(
            f"{plan.title}: {rendered(plan.act, plan.target)}",
            target=plan.target,
            data={**self._names(plan.step), "plan": plan.digest, **_told(plan)},
        )

    def _must_be_recorded(self, approval: Approval) -> None:
        why = self._ports.journal.degraded
        if why and not approval.reason:
            raise Refused(
                f"the intent is not durable ({why}): nothing was sent",
                hint="approve again with a reason to run it without a record that survives",
            )

    async def _effect(
        self, plan: Plan, intent: Entry, session: Any, started: float
    ) -> tuple[Outcome, Mapping[str, Any]]:
        """From here on something may have happened: every way out writes an outcome."""
        kind: OutcomeKind
        gave: Mapping[str, Any] = {}
        try:
            result = await self._carried_out(plan, session)
            kind = "ok" if result.done else "failed"
            if result.done:
                gave = captured(plan.step.capture, result.data)
                result, kind = await self._verified(plan, result)
        except UnknownOutcome as error:
            result, kind = await self._after_unknown(plan, error)
        except Refused as error:
            result, kind = Result(False, error.message), "refused"
        except (BlindError, Misconfigured) as error:
            result, kind = Result(False, error.message), "failed"
        except asyncio.CancelledError:
            cut = Result(False, "cut off after it was sent: its end is not known")
            await asyncio.shield(self._end(plan, intent, self._outcome("unknown", cut, started)))
            raise
        outcome = self._outcome(kind, result, started)
        await self._end(plan, intent, outcome, gave=gave, result=result)
        return outcome, gave

    async def _carried_out(self, plan: Plan, session: Any) -> Result:
        match plan.step.kind:
            case StepKind.HTTP:
                return await http_kind.request(plan.act, tls_ca=self._tls_ca(plan))
            case StepKind.COMMAND:
                return await command.run(plan.act)
            case _:
                return await acts.act(session, plan.act)

    async def _verified(self, plan: Plan, result: Result) -> tuple[Result, OutcomeKind]:
        if plan.verify is None:
            return result, "ok"
        try:
            held = await self._hold(plan)
        except (CouldNotLook, Misconfigured) as error:
            text = f"{result.text}; whether it helped is not known: {error.message}"
            return replace(result, text=text), "unknown"
        text = f"{result.text}; {held.text}"
        return replace(result, text=text), "ok" if held.done else "failed"

    async def _after_unknown(self, plan: Plan, error: UnknownOutcome) -> tuple[Result, OutcomeKind]:
        """Look what became of it: only a verification that holds turns unknown into ok."""
        if plan.verify is None:
            return Result(False, error.message), "unknown"
        try:
            held = await self._hold(plan)
        except (CouldNotLook, Misconfigured) as blind:
            return Result(False, f"{error.message}; {blind.message}"), "unknown"
        if held.done:
            return Result(True, f"{error.message}; but {held.text}"), "ok"
        return Result(False, f"{error.message}; {held.text}"), "unknown"

    async def _verify_unknown(self, state: StepState) -> None:
        """Before an unknown step is repeated: did it happen? Raises `Refused` when it did."""
        until = state.step.verify
        if until is None:
            return
        scope = self._scope()
        place = until.target or state.step.target
        target = target_of(place, scope, self._targets).name
        once = replace(until, within=until.every)
        held = await looks.hold(
            self._ports, once, target=target, scope=scope, progress=lambda _: None
        )
        if held.done:
            outcome = Outcome("ok", f"verified afterwards: {until.says or until.until}")
            await self._ports.journal.append(
                Kind.STEP_OUTCOME,
                f"{state.step.title} → ok, {outcome.text}",
                target=target,
                data={**self._names(state.step), "outcome": "ok"},
            )
            self._set(state.step.id, status="ok", outcome=outcome)
            raise Refused("it did happen: nothing is repeated")

    async def _hold(self, plan: Plan) -> Result:
        until = plan.verify
        if until is None:
            raise Misconfigured(f"{plan.title} has nothing to wait for")

        def progress(waited: float) -> None:
            self._set(plan.step.id, waited=waited)

        return await looks.hold(
            self._ports, until, target=until.target, scope=self._scope(), progress=progress
        )

    async def _refusal(self, plan: Plan, refused: Refused) -> None:
        data = {**self._names(plan.step), "plan": plan.digest, "outcome": "refused"}
        text = f"refused '{plan.title}': {refused.message}"
        await self._ports.journal.append(Kind.REFUSAL, text, target=plan.target, data=data)

    async def _end(
        self,
        plan: Plan,
        intent: Entry,
        outcome: Outcome,
        *,
        gave: Mapping[str, Any] = _NOTHING,
        result: Result | None = None,
    ) -> None:
        data = {**self._names(plan.step), "plan": plan.digest, "took_s": round(outcome.took, 3)}
        data |= {"captured": dict(gave)} if gave else {}
        data |= self._kept(outcome, result)
        text = f"{plan.title} → {outcome.kind} in {outcome.took:.1f}s: {outcome.text}"
        await self._ports.journal.outcome(intent, outcome.kind, text=text, data=data)
        self._set(plan.step.id, status=outcome.kind, outcome=outcome)

    def _kept(self, outcome: Outcome, result: Result | None) -> dict[str, Any]:
        """The output as the entry carries it: short ones inside, others as a blob."""
        if not outcome.output:
            return {}
        if len(outcome.output) <= _BLOB_FROM:
            return {"output": outcome.output}
        whole = harmless(result.output) if result else outcome.output
        return {
            "output": f"{outcome.output[:_BLOB_FROM]}…",
            "blob": self._ports.journal.keep_output(whole),
        }

    def _outcome(self, kind: OutcomeKind, result: Result, started: float) -> Outcome:
        took = self._ports.monotonic() - started
        return Outcome(kind, line(result.text, 600), shown(harmless(result.output)), took)

    def _settle(self, plan: Plan, outcome: Outcome, gave: Mapping[str, Any]) -> None:
        self._set(
            plan.step.id,
            status=outcome.kind,
            outcome=outcome,
            captured=MappingProxyType(dict(gave)),
            passed=False,
        )
        if plan.mutates and outcome.kind != "refused":
            self._offer_undo(plan)

    def _offer_undo(self, plan: Plan) -> None:
        """Put the undo, with the state from before, right behind what it undoes."""
        undo = plan.step.undo
        undo_id = f"undo_{plan.step.id}"
        known = any(state.step.id == undo_id for state in self._states)
        if undo is None or not undo.does or plan.step.id.startswith("undo_"):
            return
        step = Step(
            id=undo_id,
            title=f"Undo: {plan.step.title}",
            kind=plan.step.kind,
            risk=plan.step.risk,
            prose=undo.says,
            line=plan.step.line,
            target=plan.step.target,
            does=undo.does,
            args=plan.undo_args,
            effect=undo.effect or undo.says,
            verify=undo.verify,
            undo=Undo(says=f"run '{plan.step.title}' again"),
            timeout=plan.step.timeout,
        )
        if known:
            self._set(undo_id, step=step, status="waiting", outcome=None)
            return
        place = self._index(plan.step.id) + 1
        self._states.insert(place, StepState(step, passed=True))
        self._tell()

    async def _begin(self) -> None:
        """Name the document that is followed, once: a later edit does not change this course."""
        if self._begun:
            return
        self._begun = True
        why = f" for {self.finding.id.code} on {self.finding.target}" if self.finding else ""
        data = {"runbook": self.runbook.id, "runbook_digest": self.runbook.digest}
        if self.runbook.source:
            data["blob"] = self._ports.journal.keep_output(self.runbook.source)
        await self._ports.journal.append(
            Kind.NOTE,
            f"opened the runbook '{self.runbook.title}'{why} ({short(self.runbook.digest)})",
            target=self.finding.target if self.finding else "",
            data=data,
        )

    def _must_not_be_stopped(self, state: StepState) -> None:
        stopped = self.stopped_by
        if stopped is None or stopped.step.id == state.step.id or _is_look(state.step):
            return
        if state.step.id == f"undo_{stopped.step.id}":
            return
        raise Refused(
            f"'{stopped.step.title}' {_was(stopped.status)}: the runbook stopped there",
            hint="retry it, skip it, undo it, or go on with a reason",
        )

    def _given(self) -> dict[str, Mapping[str, Any]]:
        return {state.step.id: state.captured for state in self._states if state.captured}

    def _scope(self) -> dict[str, Any]:
        planner = self._planner
        return {**self._given(), "params": planner.params, "finding": planner.finding}

    def _before(self, step_id: str) -> Sequence[Step]:
        return [state.step for state in self._states[: self._index(step_id)]]

    def _index(self, step_id: str) -> int:
        return next(i for i, state in enumerate(self._states) if state.step.id == step_id)

    def _status_now(self, step_id: str) -> str:
        return self._states[self._index(step_id)].status

    def _set(self, step_id: str, **changes: Any) -> None:
        index = self._index(step_id)
        self._states[index] = replace(self._states[index], **changes)
        self._tell()

    def _tell(self) -> None:
        for callback in tuple(self._callbacks):
            callback()

    def _names(self, step: Step) -> dict[str, Any]:
        return {
            "runbook": self.runbook.id,
            "runbook_digest": self.runbook.digest,
            "step": step.id,
            "title": step.title,
        }

    def _target_name(self, step: Step) -> str:
        try:
            target = self._planner.target(step, self._given())
        except CockpitError:
            return ""
        return target.name if target else ""

    def _tls_ca(self, plan: Plan) -> str:
        target = self._targets.get(plan.target)
        return str(getattr(target.settings, "tls_ca", "")) if target else ""


def _answer(plan: Plan, given: str) -> Any:
    answer = plan.step.answer
    if answer is None:
        raise Misconfigured(f"{plan.title} asks for nothing")
    return typed(given.strip() or plan.suggestion, answer.type, answer.choices)


def _told(plan: Plan) -> dict[str, Any]:
    """What a plan would do, for the record: enough to verify it after a crash."""
    told: dict[str, Any] = {
        "kind": plan.act.kind.value,
        "does": plan.act.does,
        "args": dict(plan.act.args),
        "risk": plan.risk.value,
        "principal": plan.principal,
        "account": plan.account,
        "region": plan.region,
        "undo": dict(plan.undo_args),
    }
    if plan.act.argv:
        told["argv"] = list(plan.act.argv)
    if plan.act.url:
        told["url"] = plan.act.url
    if plan.verify is not None:
        told["verify"] = {
            "target": plan.verify.target,
            "probe": plan.verify.probe,
            "until": plan.verify.until,
        }
    return told


def _is_look(step: Step) -> bool:
    return step.kind in gate.LOOKING or step.risk is Risk.READ


def _was(status: str) -> str:
    return "failed" if status == "failed" else "has an unknown outcome"
