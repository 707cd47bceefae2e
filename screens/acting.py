"""From a step to its outcome: plan, ask by risk, run, tell. The same for runbooks and offers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cockpit import clock
from cockpit.errors import CockpitError, DoesNotApply
from screens.base import CockpitScreen
from screens.confirm import ConfirmScreen
from screens.host import Host
from screens.planning import PlanningScreen
from screens.port import RunPort
from screens.present.lines import safe

if TYPE_CHECKING:
    from cockpit.runbooks.plan import Approval, Outcome, Plan

_OTHERWISE = "or choose another step in pane 5, or skip this one there with s"
_TOASTS = {"ok": "information", "skipped": "information"}


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A plan that is being made, and the dialog that stands there meanwhile."""

    work: asyncio.Task[Plan]
    over: PlanningScreen


def only_watches(host: Host) -> str:
    """Why no step is run, proposed or skipped here; empty when the record may be written."""
    return host.shown.status.only_watches if host.shown is not None else ""


def place_of(run: RunPort, step_id: str) -> tuple[int, int]:
    """(the step's number, how many there are), counted from 1."""
    ids = [state.step.id for state in run.steps]
    return (ids.index(step_id) + 1 if step_id in ids else 1), max(1, len(ids))


def look_up(screen: CockpitScreen[None], run: RunPort, step_id: str) -> LookedUp:
    """Begin to plan a step. From here on, and not only once the plan is there, keys go to dialogs:
    what is typed in between must not turn the screen to something else.
    """
    work = asyncio.ensure_future(run.plan(step_id))
    over = PlanningScreen(_title(run, step_id), work)
    screen.app.push_screen(over)
    return LookedUp(work, over)


async def carry_out(
    screen: CockpitScreen[None],
    run: RunPort,
    step_id: str,
    looked_up: LookedUp,
    *,
    onward: Callable[[], str] = lambda: "",
    passed: Sequence[str] = (),
) -> Outcome | None:
    """Get the person's yes to the plan where its risk asks for one, run it, say how it ended.

    None when it was not run: refused, cancelled, or not possible now. `onward`: the step that is
    planned in place of one that does not apply now; an empty text ends it there.
    `passed`: what was passed over before, for the dialog.
    """
    host, passed_over = screen.host, False
    try:
        agreed = await _agreed(screen, run, step_id, looked_up.work, passed=passed)
    except DoesNotApply as error:
        told = _passed_over(run, step_id, error, on=onward() != "")
        host.say(told, "warning")
        passed = (*passed, told)
        agreed, passed_over = None, True
    finally:
        looked_up.work.cancel()
        looked_up.over.leave()
    if passed_over and (after := onward()):
        more = look_up(screen, run, after)
        return await carry_out(screen, run, after, more, onward=onward, passed=passed)
    if agreed is None:
        return None
    plan, approval = agreed
    host.running.since[step_id] = clock.now()
    task = asyncio.ensure_future(run.execute(plan, approval))
    host.running.tasks[step_id] = task
    host.nudge()
    try:
        return await _ended(host, task, plan, run)
    finally:
        host.running.since.pop(step_id, None)
        host.running.tasks.pop(step_id, None)
        host.nudge()


async def _agreed(
    screen: CockpitScreen[None],
    run: RunPort,
    step_id: str,
    work: asyncio.Task[Plan],
    *,
    passed: Sequence[str],
) -> tuple[Plan, Approval] | None:
    """The plan and the yes to it; None, after it was told why, when there is none.

    Raises `DoesNotApply`.
    """
    host = screen.host
    await asyncio.wait({work})
    if work.cancelled():
        host.say("Nothing was run")
        return None
    try:
        plan = work.result()
    except DoesNotApply:
        raise
    except CockpitError as error:
        if any(each.step.id == step_id and each.status == "ok" for each in run.steps):
            host.say(f"{error.message}{_then(run, 'R goes on to')}")  # was unknown, did happen
        else:
            host.say_error(error, _OTHERWISE if len(run.steps) > 1 else "")
        return None
    if not _needs_no_yes(plan):
        asked = ConfirmScreen(run, plan, place_of(run, step_id), passed=passed)
        approval = await screen.app.push_screen_wait(asked)
        if approval is None:
            host.say("Nothing was run")
        return None if approval is None else (plan, approval)
    try:
        return plan, run.approve(plan)
    except CockpitError as error:
        host.say_error(error)
        return None


def _passed_over(run: RunPort, step_id: str, error: DoesNotApply, *, on: bool) -> str:
    """Which step does not apply now, why, and what comes instead: by itself (`on`), or by R."""
    why = error.message.replace("not now, not true:", "not true:", 1)
    told = f"'{_title(run, step_id)}' does not apply now: {why}"
    return told + _then(run, "on to" if on else "R goes on to")


def _then(run: RunPort, how: str) -> str:
    after = next((state.step.id for state in run.steps if state.status == "next"), "")
    return f" · {how} '{_title(run, after)}'" if after else ""


def _title(run: RunPort, step_id: str) -> str:
    return next((safe(s.step.title, 60) for s in run.steps if s.step.id == step_id), step_id)


def _needs_no_yes(plan: Plan) -> bool:
    """Risk `read` runs at once; so do looks without a question."""
    return plan.risk == "read" and not plan.gaps and not plan.asks and plan.step.kind != "manual"


async def _ended(
    host: Host, task: asyncio.Task[Outcome], plan: Plan, run: RunPort
) -> Outcome | None:
    try:
        outcome = await task
    except CockpitError as error:
        host.say_error(error)
        return None
    except asyncio.CancelledError:
        states = [s.status for s in run.steps if s.step.id == plan.step.id]
        sent = "no longer waited for, verify before repeating"
        told = sent if "unknown" in states else "stopped, nothing was sent"
        told = told if plan.mutates else "no longer waited for"
        host.say(f"{safe(plan.title)}: {told}", "warning")
        return None
    severity = _TOASTS.get(outcome.kind, "warning" if outcome.kind == "unknown" else "error")
    host.say(f"{safe(plan.title)}: {outcome.kind} · {safe(outcome.text)}", severity)
    return outcome


async def propose(screen: CockpitScreen[None], run: RunPort, step_id: str, *, reason: str) -> None:
    """Put the step before a commander."""
    host = screen.host
    try:
        await run.propose(step_id, reason)
    except CockpitError as error:
        host.say_error(error)
        return
    host.say("Proposed to the commander, in the journal")
    host.nudge()


async def skip(screen: CockpitScreen[None], run: RunPort, step_id: str, *, reason: str) -> None:
    """Leave the step out; after a failed one, go on."""
    host = screen.host
    try:
        await run.skip(step_id, reason)
    except CockpitError as error:
        host.say_error(error)
        return
    host.nudge()
