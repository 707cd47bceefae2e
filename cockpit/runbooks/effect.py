"""Carrying one approved plan out: check again, prediction and intent durable, effect, verification,
settlement, outcome.

The order is the promise. Whatever ends a change, an outcome follows its intent; what was cut off
is `unknown`, never assumed done or not done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from cockpit.connect.role import Role
from cockpit.connect.session import Acts
from cockpit.errors import BlindError, Misconfigured, Refused, UnknownOutcome
from cockpit.incident import ledger
from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.ledger import Settlement
from cockpit.runbooks import gate, promise
from cockpit.runbooks.exact import exactly, held, identified
from cockpit.runbooks.kinds import acts, command, looks
from cockpit.runbooks.kinds import http as http_kind
from cockpit.runbooks.kinds.process import StepProcess
from cockpit.runbooks.kinds.result import CutOff, Result
from cockpit.runbooks.output import line, sanitise, shown
from cockpit.runbooks.plan import Approval, Outcome, OutcomeKind, Plan, act_digest, short
from cockpit.runbooks.planning import CALLS, Planner, rendered, shown_headers
from cockpit.runbooks.scope import CouldNotLook
from cockpit.runbooks.step import NOTHING, Step, StepKind
from cockpit.runbooks.stop_loss import Interrupted, StopLoss
from cockpit.runbooks.values import captured, typed
from cockpit.triage.board import FindingId

_BLOB_FROM = 4_000

Given = Mapping[str, Mapping[str, object]]
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How it went. `sent`: something may have been changed."""

    outcome: Outcome
    captured: Mapping[str, object] = field(default_factory=lambda: NOTHING)
    sent: bool = False
    settlement: Settlement | None = None
    """What came of the prediction; None: there was none."""


def run_names(planner: Planner) -> dict[str, object]:
    """What every entry about a run says of it: which document, for which finding."""
    told: dict[str, object] = {
        "runbook": planner.runbook.id,
        "runbook_digest": planner.runbook.digest,
    }
    if planner.finding:
        told["finding"] = {name: planner.finding[name] for name in FindingId._fields}
    return told


def names(planner: Planner, step: Step) -> dict[str, object]:
    """What every entry about a step says of it."""
    return {**run_names(planner), "step": step.id, "title": step.title}


@dataclass(slots=True)
class Execution:
    """One approved plan on its way. Made for it, and gone with it."""

    planner: Planner
    plan: Plan
    approval: Approval
    given: Given
    earlier: Sequence[Step]
    progress: Progress
    sending: Callable[[], None]
    """Called when everything was checked again, right before it is sent."""
    stop_loss: StopLoss
    started: float = 0.0
    intent: Entry | None = None
    """What was written before anything was sent; None until then."""
    prediction: Entry | None = None
    """What was written about what it will do."""
    settlement: Settlement | None = None
    held: bool | None = None
    """What the verification gave; None: it was not looked at, or could not be."""
    process: StepProcess | None = None
    """The program of the step, once it was started."""
    outcome: Outcome | None = None
    """How a change ended, also when who waited for it was cancelled; None: not sent, or not over.
    """

    async def carry_out(self) -> Ended:
        """Do it. Raises `Refused` when nothing was sent because something changed."""
        self.started = self.planner.ports.monotonic()
        if self.plan.mutates:
            return await self._change()
        return await self._look()

    async def _look(self) -> Ended:
        """A step that changes nothing: no intent, but its outcome is written down."""
        plan, step = self.plan, self.plan.step
        gave: Mapping[str, object] = NOTHING
        kind: OutcomeKind = "failed"
        try:
            result = await self._seen()
            gave = result.data if step.answer else captured(step.capture, result.data)
            gave = gave if self._only_noted else self.planner.remembered(step, gave)
            kind = "ok" if result.done else "failed"
        except (BlindError, CouldNotLook, Misconfigured) as error:
            result = Result(False, error.message)
        outcome = self._outcome(kind, result)
        data = {**names(self.planner, step), "outcome": kind, "captured": dict(gave)}
        if step.kind is StepKind.HTTP:
            data |= {"url": plan.act.url, "headers": shown_headers(plan.act)}
        data |= self._kept(outcome, result)
        text = f"{step.title} → {kind} in {outcome.took:.1f}s: {outcome.text}"
        entry = EntryKind.STEP_OUTCOME
        if self._only_noted:
            entry, text = EntryKind.NOTE, f"{step.title} {outcome.text}"
        journal = self.planner.ports.journal
        await journal.append(entry, text, target=plan.target, data=data)
        return Ended(outcome, gave)

    @property
    def _only_noted(self) -> bool:
        """Whether it is an answer of triage: it is told to the commander, who answers."""
        return self.plan.step.answer is not None and self.planner.role is not Role.COMMANDER

    async def _seen(self) -> Result:
        plan, step = self.plan, self.plan.step
        ports = self.planner.ports
        match step.kind:
            case StepKind.MANUAL:
                if step.answer is None:
                    return Result(True, f"done by {self.approval.by}")
                answer = typed(self.approval.typed, step.answer.type, step.answer.choices)
                told = f"answered {line(answer)}"
                if self._only_noted:
                    told += ", as a note: what acts waits for a commander's answer"
                return Result(True, told, data={"answer": answer})
            case StepKind.PROBE:
                return await looks.look(ports, plan.target, step.does)
            case StepKind.WAIT:
                return await self._hold()
            case StepKind.HTTP:
                return await http_kind.request(plan.act, tls_ca=self.planner.tls_ca(plan.target))
            case _:
                return await acts.read(ports, self.planner.targets[plan.target], plan.act)

    async def _change(self) -> Ended:
        """A session, everything checked again, the intent durable, then the effect."""
        async with AsyncExitStack() as closing:
            session = None
            if self.plan.step.kind in CALLS:
                session = await self._session()
                closing.push_async_callback(session.close)
            await self._check_again()
            gate.still_good(self.plan, self.approval, elapsed=self.planner.ports.elapsed())
            intent = self.intent = await self._intent()
            self.stop_loss.arm()
            self.sending()
            return await self._sent(intent, session)

    async def _session(self) -> Acts:
        target = self.planner.targets[self.plan.target]
        try:
            return await self.planner.ports.actors.open(target, self.plan.step.kind)
        except BlindError as error:
            raise Refused(f"no session to act with: {error.message}", hint=error.hint) from None

    async def _check_again(self) -> None:
        """Raise `Refused` with what is different from what was approved."""
        plan = self.plan
        fresh = await self.planner.fresh(plan.step, self.given, earlier=self.earlier)
        who = fresh.identity
        was = {"as": plan.principal, "account": plan.account, "region": plan.region}
        now = {"as": who.principal, "account": who.account, "region": who.region}
        prints = plan.fingerprints if fresh.failing else fresh.fingerprints
        moved = gate.differences(
            {**plan.fingerprints, **was}, {**prints, **now}, failing=fresh.failing
        )
        if moved:
            raise Refused(
                f"it changed since it was approved: {'; '.join(moved)}",
                hint="nothing was sent; open the step again",
            )

    async def _intent(self) -> Entry:
        """Write approval and intent. A cancel meanwhile leaves no intent without an outcome."""
        plan, approval = self.plan, self.approval
        journal = self.planner.ports.journal
        data = {**names(self.planner, plan.step), "plan": plan.digest}
        said = {"reason": approval.reason, "second": approval.second, "typed": approval.typed}
        text = f"approved '{plan.title}' ({short(plan.digest)})"
        await journal.append(EntryKind.APPROVAL, text, target=plan.target, data={**data, **said})
        writing = asyncio.ensure_future(self._announced())
        try:
            intent = await asyncio.shield(writing)
        except asyncio.CancelledError:
            cut = Result(False, "cancelled before anything was sent")
            await self._written(await writing, self._outcome("refused", cut), cut)
            raise
        why = journal.degraded
        if why and not approval.reason:
            refused = Result(False, f"the intent is not durable ({why}): nothing was sent")
            await self._written(intent, self._outcome("refused", refused), refused)
            raise Refused(
                refused.text,
                hint="approve again with a reason to run it without a record that survives",
            )
        return intent

    async def _announced(self) -> Entry:
        """Prediction, then intent: the intent is durable, and so is what stands before it."""
        plan, journal = self.plan, self.planner.ports.journal
        data = {**names(self.planner, plan.step), "plan": plan.digest}
        self.prediction = await promise.predict(journal, plan, data)
        return await journal.intent(
            f"{plan.title}: {rendered(plan.act, plan.target)}",
            target=plan.target,
            data={
                **data,
                **told(plan),
                **exactly("kept", held(self.planner.kept)),
                "prediction": self.prediction.seq,
            },
        )

    async def _sent(self, intent: Entry, session: Acts | None) -> Ended:
        """From here on something may have happened: every way out writes an outcome."""
        # the worst until it is known: a cancel or a bug below must not read as "nothing was done"
        result = Result(False, "cut off after it was sent: its end is not known")
        kind: OutcomeKind = "unknown"
        gave: Mapping[str, object] = NOTHING
        sent = True
        try:
            result, kind, gave, sent = await self._tried(session)
        finally:
            if sent:
                self.stop_loss.ended()
            else:
                self.stop_loss.disarm()
            outcome = self.outcome = self._outcome(kind, result)
            ending = asyncio.ensure_future(
                self._written(intent, outcome, result, gave=gave, sent=sent)
            )
            await asyncio.shield(ending)  # a second cancel must not cut off the outcome either
        return Ended(outcome, gave, sent, self.settlement)

    async def _tried(
        self, session: Acts | None
    ) -> tuple[Result, OutcomeKind, Mapping[str, object], bool]:
        try:
            result = await self._effect(session)
        except UnknownOutcome as error:
            return (*await self._after_unknown(error), NOTHING, True)
        except Refused as error:
            return Result(False, error.message), "refused", NOTHING, False
        except (BlindError, Misconfigured) as error:
            return Result(False, error.message), "failed", NOTHING, False
        if not result.done:
            return result, "failed", NOTHING, True
        gave: Mapping[str, object] = NOTHING
        try:
            gave = captured(self.plan.step.capture, result.data)
        except Misconfigured as error:  # it was done all the same
            result = replace(result, text=f"{result.text}; {error.message}")
        return (*await self._verified(result), gave, True)

    async def _effect(self, session: Acts | None) -> Result:
        if session is not None:
            return await acts.act(session, self.plan.act)
        if self.plan.step.kind is StepKind.HTTP:
            tls_ca = self.planner.tls_ca(self.plan.target)
            return await http_kind.request(self.plan.act, tls_ca=tls_ca)
        return await command.run(self.plan.act, self._began)

    async def _began(self, process: StepProcess) -> None:
        """Write down which process it is, before its program begins: whoever finds this record
        after the cockpit was killed can look for it.
        """
        self.process = process
        plan, intent = self.plan, self.intent
        data = {**names(self.planner, plan.step), "process": process.as_data()}
        data["intent"] = intent.seq if intent else 0
        text = f"{plan.act.argv[0]} begins as process {process.pid}"
        await self.planner.ports.journal.append(
            EntryKind.STEP_OUTPUT, text, target=plan.target, data=data, durable=True
        )

    async def _verified(self, result: Result) -> tuple[Result, OutcomeKind]:
        if self.plan.verify is None:
            return result, "ok"
        try:
            held = await self._hold()
        except Interrupted as worse:
            return replace(result, text=f"{result.text}; {worse.message}"), "unknown"
        except (CouldNotLook, Misconfigured) as error:
            text = f"{result.text}; whether it helped is not known: {error.message}"
            return replace(result, text=text), "unknown"
        text = f"{result.text}; {held.text}"
        return replace(result, text=text), "ok" if held.done else "failed"

    async def _after_unknown(self, error: UnknownOutcome) -> tuple[Result, OutcomeKind]:
        """Look what became of it: only a verification that holds turns unknown into ok."""
        output = error.output if isinstance(error, CutOff) else ""
        if self.plan.verify is None:
            return Result(False, error.message, output), "unknown"
        try:
            held = await self._hold()
        except (CouldNotLook, Misconfigured) as blind:
            return Result(False, f"{error.message}; {blind.message}", output), "unknown"
        joined = f"{error.message}; {'but ' if held.done else ''}{held.text}"
        return Result(held.done, joined, output), "ok" if held.done else "unknown"

    async def _hold(self) -> Result:
        until = self.plan.verify
        if until is None:
            raise Misconfigured(f"{self.plan.title} has nothing to wait for")
        scope = {**self.planner.scope(self.given), **self.plan.relies}
        held = await self.stop_loss.guarded(
            looks.hold(
                self.planner.ports, until, target=until.target, scope=scope, progress=self.progress
            )
        )
        self.held = held.done
        return held

    async def _written(
        self,
        intent: Entry,
        outcome: Outcome,
        result: Result,
        *,
        gave: Mapping[str, object] = NOTHING,
        sent: bool = False,
    ) -> None:
        plan = self.plan
        data = {**names(self.planner, plan.step), "plan": plan.digest}
        data |= {"took_s": round(outcome.took, 3), "sent": sent, **exactly("captured", gave)}
        data |= self._kept(outcome, result)
        if self.process is not None:
            data["process"] = self.process.as_data()
        if ended := _sessions_ended(plan, result):
            data["ended"] = ended
        await self.settle(outcome)
        text = f"{plan.title} → {outcome.kind} in {outcome.took:.1f}s: {outcome.text}"
        await self.planner.ports.journal.outcome(intent, outcome.kind, text=text, data=data)

    async def settle(self, outcome: Outcome) -> None:
        """Before the outcome: a crash between the two leaves a step that is looked at again."""
        if self.prediction is None:
            return
        self.settlement = ledger.settled(outcome.kind, self.held, outcome.text)
        await promise.settle(
            self.planner.ports.journal,
            self.prediction.seq,
            self.settlement,
            target=self.prediction.target,
            data=names(self.planner, self.plan.step),
        )

    def _outcome(self, kind: OutcomeKind, result: Result) -> Outcome:
        took = self.planner.ports.monotonic() - self.started
        return Outcome(kind, line(result.text, 600), shown(sanitise(result.output)), took)

    def _kept(self, outcome: Outcome, result: Result) -> dict[str, object]:
        """The output as the entry carries it: short ones inside, others also as a blob."""
        if not outcome.output:
            return {}
        if len(outcome.output) <= _BLOB_FROM:
            return {"output": outcome.output}
        blob = self.planner.ports.journal.keep_output(sanitise(result.output))
        return {"output": f"{outcome.output[:_BLOB_FROM]}…", "blob": blob}


def _sessions_ended(plan: Plan, result: Result) -> int:
    """How many sessions of a database a step ended: they are no finding of ours later."""
    several = next((result.data[n] for n in ("pids", "ids") if n in result.data), None)
    if isinstance(several, list):
        return len(several)
    return int(result.done and plan.act.does in {"terminate_backend", "kill_connection"})


def told(plan: Plan) -> dict[str, object]:
    """What a plan would do, for the record: enough to verify it after a crash."""
    said: dict[str, object] = {
        "kind": plan.act.kind.value,
        "act": act_digest(plan.act, plan.target),
        "does": plan.act.does,
        "args": identified(plan.act.does, plan.act.args),
        "risk": plan.risk.value,
        "principal": plan.principal,
        "account": plan.account,
        "region": plan.region,
    }
    if undo := plan.step.undo:
        said |= exactly("undo", identified(undo.does, plan.undo_args))
    if (proof := plan.undo_verify) is not None:
        said["undo_verify"] = {**exactly("args", proof.args), **exactly("scope", held(proof.scope))}
    if plan.act.argv:
        said["argv"] = list(plan.act.argv)
    if plan.act.url:
        said["url"] = plan.act.url
    if plan.act.headers:
        said["headers"] = shown_headers(plan.act)
    if plan.verify is not None:
        call = {"call": plan.verify.call} if plan.verify.call else {}
        said["verify"] = {
            **call,
            **exactly("args", plan.verify.args),
            "target": plan.verify.target,
            "probe": plan.verify.probe,
            "until": plan.verify.until,
            "says": plan.verify.says,
            "every_s": plan.verify.every,
            "within_s": plan.verify.within,
            "scope": {},
            **exactly("scope", held(plan.relies)),
        }
    return said
