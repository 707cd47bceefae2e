"""A runbook on its way through one finding: plan → approve → run, step by step, in the record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Unpack

from cockpit.connect.role import Role
from cockpit.errors import CockpitError, DoesNotApply, Misconfigured, Refused
from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.ledger import UNDO
from cockpit.runbooks import gate
from cockpit.runbooks.earlier import RunLeft, TakenUp, taken_up
from cockpit.runbooks.effect import Ended, Execution, names, run_names, told
from cockpit.runbooks.kinds import looks
from cockpit.runbooks.known import Known
from cockpit.runbooks.output import line
from cockpit.runbooks.plan import Approval, Outcome, Plan, PlanLine, short
from cockpit.runbooks.planning import Planner, rendered, sealed
from cockpit.runbooks.ports import Ports
from cockpit.runbooks.progress import StepChange, StepState, undo_step
from cockpit.runbooks.scope import finding_value, param_values, sources
from cockpit.runbooks.step import NOTHING, Runbook, Step
from cockpit.runbooks.stop_loss import Interrupt, StopLoss
from cockpit.runbooks.unfinished import repeated
from cockpit.runbooks.values import typed as typed_value
from cockpit.triage.board import OpenFinding
from cockpit.triage.target import Target

_STOPPED = frozenset({"failed", "unknown"})
_OPEN = frozenset({"waiting", "proposed", "refused"})


class Run:
    """A runbook on its way: how far each step is. One step runs at a time."""

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
        params: Mapping[str, object] = NOTHING,
        left: RunLeft | None = None,
    ) -> None:
        """`params` overrides what the runbook's parameters derive by themselves; `left`: how far
        earlier sessions came.
        """
        self.runbook = runbook
        self.finding = finding
        self.role = role
        self.actor = actor
        self._ports = ports
        self._targets = targets
        self._states: list[StepState] = [StepState(step) for step in runbook.steps]
        self._planner = Planner(
            runbook=runbook,
            role=role,
            environment=environment,
            ports=ports,
            targets=targets,
            known=known,
            params=param_values(runbook, finding, targets, params),
            finding=finding_value(finding),
        )
        self._used: set[str] = set()
        self._executions: dict[str, Execution] = {}
        self._intents: set[int] = set()
        self._running = False
        self._begun = False
        self._callbacks: list[Callable[[], None]] = []
        self._writing: set[asyncio.Task[Entry]] = set()
        before = taken_up(runbook, left) if left else TakenUp(self._states, {}, {})
        self._states, self._left_open = before.states, before.open
        self._planner.kept.update(before.kept)
        self._kept_before = frozenset(before.kept)
        self._again = left is not None

    @property
    def steps(self) -> tuple[StepState, ...]:
        """Every step, an undo right after what it undoes; at most one of them is `next`, and none
        while one runs.
        """
        states = list(self._states)
        if self.stopped_by is None and not self._running:
            for index, state in enumerate(states):
                if state.status in _OPEN and not state.offered and not state.not_now:
                    if state.status == "waiting":
                        states[index] = replace(state, status="next")
                    break
        return tuple(states)

    @property
    def stopped_by(self) -> StepState | None:
        """What failed, is unknown or was interrupted, and has to be retried, skipped or gone on
        after.
        """
        stopped = (s for s in self._states if s.status in _STOPPED or s.worse)
        return next((s for s in stopped if not s.passed), None)

    @property
    def interrupt(self) -> Interrupt | None:
        """The step that was interrupted and that nobody took back or went on after."""
        state = next((s for s in self._states if s.worse and not s.passed), None)
        if state is None:
            return None
        step, back = state.step, f"{UNDO}{state.step.id}"
        taking = any(s.step.id == back and s.status == "running" for s in self._states)
        there = step.undo is not None and bool(step.undo.does) and not taking
        instead = step.undo.says if step.undo else "nothing says how to take it back"
        return Interrupt(step.id, step.title, state.worse, back if there else "", instead)

    @property
    def finished(self) -> bool:
        """Whether no step is left to do; an undo that is offered does not count."""
        left = _OPEN | {"running"}
        undone = any(s.status in left and not s.offered for s in self._states)
        return not undone and self.stopped_by is None

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
        await self._begin()
        if state.status == "unknown":
            await self._verify_unknown(state)
        plan = self._with_kept(await self._planned(state.step))
        if plan.mutates:
            self._must_not_be_stopped(state)
        cut_off = self._cut_off(plan)
        if cut_off:
            plan = replace(plan, gaps=(cut_off,))
        try:
            self._planner.permitted(plan.act, plan.risk, plan.target)
        except Refused as refused:
            plan = replace(plan, gaps=(refused.message,))
        return plan

    def _with_kept(self, plan: Plan) -> Plan:
        """The plan, telling which of its values an earlier session read."""
        used = sources(plan.step, self._before(plan.step.id))
        old = [self.state(each.id) for each in used if each.id in self._kept_before]
        said = tuple(
            PlanLine("from before", f"what '{each.step.title}' gave at {each.before:%H:%M:%S} UTC")
            for each in old
            if each.before
        )
        return replace(plan, lines=(*plan.lines, *said)) if said else plan

    def approve(
        self, plan: Plan, *, typed: str = "", reason: str = "", second: str = ""
    ) -> Approval:
        """A person's yes. Raises `Refused`. For a manual step that asks, `typed` is the answer."""
        approval = gate.approve(
            plan,
            by=self.actor,
            role=self.role,
            now=self._ports.now(),
            elapsed=self._ports.elapsed(),
            typed=typed,
            reason=reason,
            second=second,
            degraded=self._ports.journal.degraded,
        )
        answer = plan.step.answer
        if answer is None:
            return approval
        given = typed.strip() or plan.suggestion
        return replace(approval, typed=str(typed_value(given, answer.type, answer.choices)))

    async def execute(self, plan: Plan, approval: Approval) -> Outcome:
        """Run an approved plan, verify it, write it down. An approval is good once.

        Raises `Refused` when it is not for this plan, expired, used, or when anything that the
        plan relies on is different now; nothing was sent then, and the record says so.
        """
        if self._running:
            raise Refused("another step is running", hint="wait for its end")
        step_id = plan.step.id
        before = self.state(step_id)
        if before.status == "next":  # which is told of a step that waits, and never kept
            before = replace(before, status="waiting")
        self._running = True
        checking = plan.mutates
        self._set(
            step_id, status="running", checking=checking, waited=0.0, worse="", settlement=None,
            before=None,
        )  # fmt: skip
        ended: Ended | None = None
        execution: Execution | None = None
        after: StepChange | None = None
        sent = plan.mutates
        try:
            self._must_be_good(plan, approval)
            execution = self._execution(plan, approval)
            ended = await execution.carry_out()
            sent = ended.sent
        except Refused as refused:
            sent = False
            after = {"status": "refused", "outcome": Outcome("refused", refused.message)}
            after["checking"] = False
            await self._refusal(plan, refused)
            raise
        finally:
            self._running = False
            sent = sent and execution is not None and execution.intent is not None
            if sent and execution is not None and execution.intent is not None:
                self._executions[step_id] = execution
                self._intents.add(execution.intent.seq)
                after = {"status": "unknown", "outcome": execution.outcome}
            if not sent and plan.mutates and (before.status == "unknown" or before.worse):
                self._put(before)  # nothing is known now that was not known before
            elif ended is not None:
                self._settle(plan, ended)
            elif after is not None:
                self._set(step_id, **after)
            else:
                self._put(before)
        return ended.outcome

    def learn(self, intent: int, outcome: Outcome) -> None:
        """Take over how a step ended that was unknown, by its intent's number in the record."""
        ours = {e.intent.seq: step for step, e in self._executions.items() if e.intent}
        step_id = {**self._left_open, **ours}.get(intent, "")
        if step_id and self.state(step_id).status == "unknown":
            self._set(step_id, status=outcome.kind, outcome=outcome, before=None)

    async def skip(self, step_id: str, reason: str) -> None:
        """Leave a step out, also one that failed. Raises `Refused` without a reason."""
        state = self.state(step_id)
        if state.status == "running":
            raise Refused("the step is running")
        if state.worse and not state.passed:  # it was done: it cannot be left out any more
            await self.go_on(step_id, reason)
            return
        why = _reason(reason, "say why it is skipped: it goes into the record")
        await self._ports.journal.append(
            EntryKind.STEP_OUTCOME,
            f"skipped '{state.step.title}': {why}",
            target=self._target_name(state.step),
            data={**self._names(state.step), "outcome": "skipped", "reason": why},
        )
        self._set(step_id, status="skipped", outcome=Outcome("skipped", why), before=None)

    async def go_on(self, step_id: str, reason: str) -> None:
        """Go on after a failed or unknown step, which stays what it is. Raises `Refused`."""
        state = self.state(step_id)
        if state.status not in _STOPPED and not state.worse:
            raise Refused("only a failed, unknown or interrupted step is gone on after")
        why = _reason(reason, "say why it is right to go on: it goes into the record")
        text = f"went on after '{state.step.title}' ({state.status}): {why}"
        data = {**self._names(state.step), "after": state.status, "reason": why}
        await self._ports.journal.append(EntryKind.NOTE, text, data=data)
        self._set(step_id, passed=True)

    async def propose(self, step_id: str, reason: str) -> None:
        """Put a step before a commander, with what it would run now when that can be told."""
        state = self.state(step_id)
        why = _reason(reason, "say why: the commander reads it")
        data = {**self._names(state.step), "reason": why}
        would = state.step.call
        try:
            plan = await self.plan(step_id)
            would = rendered(plan.act, plan.target)
            data |= {"plan": plan.digest, **told(plan)}
        except CockpitError as error:
            data["not_planned"] = error.message
        text = f"proposed '{state.step.title}': {why} ({line(would, 400)})"
        target = self._target_name(state.step)
        await self._ports.journal.append(EntryKind.PROPOSAL, text, target=target, data=data)
        self._set(step_id, status="proposed")

    async def _planned(self, step: Step) -> Plan:
        """The plan, remembering why there is none when the step does not apply now."""
        why = ""
        try:
            return await self._planner.plan(step, self._given(step), earlier=self._before(step.id))
        except DoesNotApply as error:
            why = error.message
            raise
        finally:
            if self._states[self._index(step.id)].not_now != why:
                self._set(step.id, not_now=why)

    def _must_be_good(self, plan: Plan, approval: Approval) -> None:
        self._planner.permitted(plan.act, plan.risk, plan.target)
        gate.still_good(plan, approval, elapsed=self._ports.elapsed())
        if plan.runbook_digest != self.runbook.digest or sealed(plan) != plan.digest:
            raise Refused("the plan is not the one that was made here")
        if plan.mutates:
            self._must_not_be_stopped(self.state(plan.step.id))
            if cut_off := self._cut_off(plan):
                raise Refused(cut_off)
        if approval.token in self._used:
            raise Refused("the approval was used", hint="open the step again")
        self._used.add(approval.token)

    def _cut_off(self, plan: Plan) -> str:
        """Why a change has to wait for the verification of an earlier one; empty: it has not."""
        if not plan.mutates:
            return ""
        # this run's own are looked at by `_verify_unknown` before they are repeated
        others = (e for e in self._ports.journal.unfinished if e.seq not in self._intents)
        return repeated(plan, others)

    def _execution(self, plan: Plan, approval: Approval) -> Execution:
        def progress(waited: float) -> None:
            self._set(plan.step.id, waited=waited)

        watching = StopLoss(
            self._ports.signals,
            plan,
            elapsed=self._ports.elapsed,
            told=lambda says: self._interrupted(plan, says),
        )
        return Execution(
            stop_loss=watching,
            planner=self._planner,
            plan=plan,
            approval=approval,
            given=self._given(),
            earlier=self._before(plan.step.id),
            progress=progress,
            sending=lambda: self._set(plan.step.id, checking=False),
        )

    def _interrupted(self, plan: Plan, says: str) -> None:
        """Something else got worse: the runbook stops, and the undo waits for a person."""
        undo = plan.step.undo
        back = f"undo: {undo.says}" if undo else "no undo is known"
        text = f"interrupted '{plan.title}': {says}; {back}"
        data = {**self._names(plan.step), "says": says, "undo": undo.says if undo else ""}
        append = self._ports.journal.append
        writing = asyncio.ensure_future(
            append(EntryKind.STEP_INTERRUPT, text, target=plan.target, data=data)
        )
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        self._set(plan.step.id, worse=says)

    async def _verify_unknown(self, state: StepState) -> None:
        """Before an unknown step is repeated: did it happen? Raises `Refused` when it did."""
        execution = self._executions.get(state.step.id)
        until = execution.plan.verify if execution else None
        if until is None or execution is None or execution.intent is None:
            return
        scope = {**self._planner.scope(self._given()), **execution.plan.relies}
        once = replace(until, within=until.every / 2)
        held = await looks.hold(
            self._ports, once, target=until.target, scope=scope, progress=lambda _: None
        )
        if not held.done:
            return
        outcome = Outcome("ok", f"verified afterwards: {until.says or until.until}")
        execution.held = True
        await execution.settle(outcome)
        await self._ports.journal.outcome(
            execution.intent,
            "ok",
            text=f"{state.step.title} → ok, {outcome.text}",
            data={**self._names(state.step), "afterwards": "verification"},
        )
        self._set(state.step.id, status="ok", outcome=outcome, settlement=execution.settlement)
        raise Refused("it did happen: nothing is repeated")

    async def _refusal(self, plan: Plan, refused: Refused) -> None:
        data = {**self._names(plan.step), "plan": plan.digest, "outcome": "refused"}
        text = f"refused '{plan.title}': {refused.message}"
        await self._ports.journal.append(EntryKind.REFUSAL, text, target=plan.target, data=data)

    def _settle(self, plan: Plan, ended: Ended) -> None:
        self._set(
            plan.step.id,
            status=ended.outcome.kind,
            outcome=ended.outcome,
            captured=MappingProxyType(dict(ended.captured)),
            settlement=ended.settlement,
            passed=False,
            stale=False,
        )
        for later in self._states[self._index(plan.step.id) + 1 :]:
            if later.not_now:
                self._set(later.step.id, not_now="")
        if ended.outcome.kind == "ok" and plan.step.id.startswith(UNDO):
            self._set(plan.step.id.removeprefix(UNDO), worse="")
        if ended.sent and plan.step.undo is not None and plan.step.undo.does:
            self._offer_undo(plan)

    def _offer_undo(self, plan: Plan) -> None:
        """Put the undo, with the state from before, right behind what it undoes."""
        step = undo_step(plan.step, plan.undo_args, verify=plan.undo_verify)
        self._states = [state for state in self._states if state.step.id != step.id]
        self._states.insert(self._index(plan.step.id) + 1, StepState(step, offered=True))
        self._tell()

    async def _begin(self) -> None:
        """Name the document that is followed, once: a later edit does not change this run."""
        if self._begun:
            return
        self._begun = True
        why = f" for {self.finding.id.code} on {self.finding.target}" if self.finding else ""
        did = "went on with" if self._again else "opened"
        data = {**run_names(self._planner), "params": self._params()}
        if self.runbook.source:
            data["blob"] = self._ports.journal.keep_output(self.runbook.source)
        await self._ports.journal.append(
            EntryKind.NOTE,
            f"{did} the runbook '{self.runbook.title}'{why} ({short(self.runbook.digest)})",
            target=self.finding.target if self.finding else "",
            data=data,
        )

    def _must_not_be_stopped(self, state: StepState) -> None:
        stopped = self.stopped_by
        if stopped is None or state.step.id in {stopped.step.id, f"{UNDO}{stopped.step.id}"}:
            return
        was = "failed" if stopped.status == "failed" else "has an unknown outcome"
        was = f"was interrupted ({stopped.worse})" if stopped.worse else was
        raise Refused(
            f"'{stopped.step.title}' {was}: the runbook stopped there",
            hint="retry it, skip it, undo it, or go on with a reason",
        )

    def _given(self, step: Step | None = None) -> dict[str, Mapping[str, object]]:
        """What steps gave; of the answers only those that open `step`."""
        opens = step is None or gate.answers_open(self.role, step.kind, step.risk)
        found = (state for state in self._states if state.captured and not state.stale)
        return {each.step.id: each.captured for each in found if opens or not each.step.answer}

    def _before(self, step_id: str) -> Sequence[Step]:
        return [state.step for state in self._states[: self._index(step_id)]]

    def _index(self, step_id: str) -> int:
        return next(i for i, state in enumerate(self._states) if state.step.id == step_id)

    def _set(self, step_id: str, **changes: Unpack[StepChange]) -> None:
        self._put(replace(self._states[self._index(step_id)], **changes))

    def _put(self, state: StepState) -> None:
        self._states[self._index(state.step.id)] = state
        self._tell()

    def _tell(self) -> None:
        for callback in tuple(self._callbacks):
            callback()

    def _names(self, step: Step) -> dict[str, object]:
        return names(self._planner, step)

    def _params(self) -> dict[str, object]:
        """As `params` takes them: targets by name."""
        given = self._planner.params
        return {
            name: value["name"] if isinstance(value, Mapping) else value
            for name, value in given.items()
        }

    def _target_name(self, step: Step) -> str:
        try:
            target = self._planner.target(step, self._given())
        except CockpitError:
            return ""
        return target.name if target else ""


def _reason(reason: str, without: str) -> str:
    given = reason.strip()
    if not given:
        raise Refused(without)
    return given
