"""A run of a runbook that sends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from cockpit import clock
from cockpit.connect.role import Role
from cockpit.errors import CockpitError, DoesNotApply, Refused
from cockpit.runbooks.plan import VALID_FOR, Act, Approval, Outcome, Plan, PlanLine
from cockpit.runbooks.progress import StepState
from cockpit.runbooks.step import Risk, Runbook
from cockpit.runbooks.stop_loss import Interrupt
from cockpit.triage.board import OpenFinding

if TYPE_CHECKING:
    from tests.screens.fake_desk import FakeDesk


class FakeRun:
    """Runs nothing; remembers what it was asked."""

    def __init__(
        self, runbook: Runbook, desk: FakeDesk, on: str, finding: OpenFinding | None = None
    ) -> None:
        self.runbook = runbook
        self.finding = finding
        self.desk = desk
        self.on = on
        self.states = {step.id: StepState(step) for step in runbook.steps}
        self.ran: list[str] = []
        self.proposed: list[tuple[str, str]] = []
        self.skipped: list[tuple[str, str]] = []
        self.output = "2 rows\n4242 idle in transaction [/b]"
        self.outcome = "ok"
        self.hold: asyncio.Event | None = None
        self.checks = False
        """Whether what `hold` holds up is the check before anything is sent."""
        self.made: Callable[[], float] = lambda: clock.elapsed()
        self.gaps: tuple[str, ...] = ()
        self.untrue: dict[str, str] = {}
        self.cannot: CockpitError | None = None
        self.interrupt: Interrupt | None = None
        self._callbacks: list[Callable[[], None]] = []

    @property
    def steps(self) -> tuple[StepState, ...]:
        states, found = [], False
        for state in self.states.values():
            if (
                state.status in {"waiting", "proposed", "refused"}
                and not found
                and not state.not_now
            ):
                found = True
                if state.status == "waiting":
                    state = replace(state, status="next")
            states.append(state)
        return tuple(states)

    def done(self, *ids: str) -> None:
        for each in ids:
            self.states[each] = replace(
                self.states[each], status="ok", outcome=Outcome("ok", "looked", "", 0.2),
                captured={"blocker": 4242} if each == "blocker" else {},
            )  # fmt: skip

    async def plan(self, step_id: str) -> Plan:
        step = self.states[step_id].step
        if why := self.untrue.get(step_id, ""):
            self.states[step_id] = replace(self.states[step_id], not_now=why)
            raise DoesNotApply(f"not now, not true: {why}")
        if self.cannot is not None:
            raise self.cannot
        high = step.risk >= Risk.HIGH
        return Plan(
            step=step, runbook=self.runbook.id, runbook_digest="", target=self.on,
            act=Act(kind=step.kind, does=step.does), environment="prod", account="123456789012",
            region="us-east-1", principal="cockpit_ops", risk=step.risk, gaps=self.gaps,
            digest="8f3ac91e" * 8, confirm_word=self.on if high else "", made_at=self.desk.now(),
            good_until=self.made() + VALID_FOR,
            asks=step.answer.ask if step.answer else "",
            lines=(
                PlanLine("will run", "SELECT pg_terminate_backend(4242)"),
                PlanLine("as", "cockpit_ops via orders-prod.cluster-abc.us-east-1.rds.amazonaws.com"),
                PlanLine("effect", "ends 1 session (checkout-worker, 10.0.3.17) and rolls its transaction back; 61 waiting sessions proceed"),
                PlanLine("undo", "none: the rolled-back work must be retried by the application"),
                PlanLine("checked now", "✔ pid 4242 is still the root blocker\n✔ not an autovacuum or replication process"),
                PlanLine("verify", "lock waits = 0 within 60s"),
                PlanLine("approval", "8f3a·c91e"),
            ),
        )  # fmt: skip

    def approve(
        self, plan: Plan, *, typed: str = "", reason: str = "", second: str = ""
    ) -> Approval:
        if self.desk.status.role is Role.TRIAGE and plan.mutates:
            raise Refused("triage is read-only")
        if clock.elapsed() >= plan.good_until:
            raise Refused("the plan expired: open the step again")
        if plan.confirm_word and typed != plan.confirm_word:
            raise Refused(f"type {plan.confirm_word!r} to run it")
        if plan.risk == "destructive" and not (reason or second):
            raise Refused("a second person or a reason is needed")
        return Approval(digest=plan.digest, by="alice", at=self.desk.now(),
                        good_until=plan.good_until, typed=typed, reason=reason)  # fmt: skip

    async def execute(self, plan: Plan, approval: Approval) -> Outcome:
        assert approval.digest == plan.digest
        before = self.states[plan.step.id]
        self._set(replace(before, status="running", checking=self.checks))
        try:
            if self.hold is not None:
                await self.hold.wait()
        except asyncio.CancelledError:
            self._set(before if self.checks else replace(before, status="unknown"))
            raise
        self.ran.append(plan.step.id)
        outcome = Outcome(self.outcome, "1 session ended; lock waits = 0", self.output, 0.4)  # type: ignore[arg-type]
        self._set(replace(before, status=self.outcome, outcome=outcome))
        return outcome

    async def propose(self, step_id: str, reason: str) -> None:
        if not reason.strip():
            raise Refused("say why: the commander reads it")
        self.proposed.append((step_id, reason))
        self._set(replace(self.states[step_id], status="proposed"))

    async def skip(self, step_id: str, reason: str) -> None:
        if not reason.strip():
            raise Refused("say why it is skipped: it goes into the record")
        self.skipped.append((step_id, reason))
        self._set(
            replace(self.states[step_id], status="skipped", outcome=Outcome("skipped", reason))
        )

    async def go_on(self, step_id: str, reason: str) -> None:
        self._set(replace(self.states[step_id], passed=True))

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def _set(self, state: StepState) -> None:
        self.states[state.step.id] = state
        for callback in self._callbacks:
            callback()
