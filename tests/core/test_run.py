"""A runbook on its way: the order of record and effect, and every way in which it can end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from cockpit.connect.role import Role
from cockpit.errors import BlindError, DoesNotApply, Reason, Refused, UnknownOutcome
from cockpit.incident.entry import Entry, EntryKind
from cockpit.runbooks.plan import VALID_FOR, Outcome
from cockpit.triage.probe import Seen
from tests.core.run_words import UNVERIFIED, ready
from tests.core.runs import (
    LOOK,
    RAISE,
    START,
    TERMINATE,
    Rig,
    forever,
    free_of_waiters,
    queue,
)

AFTER = """
## Look again
Afterwards.
```toml step
id = "after"
kind = "manual"
```
"""


def cured(made: Rig) -> Any:
    """What the statement does to the world: nobody waits any more."""

    async def act() -> Mapping[str, Any]:
        made.looks.now = free_of_waiters()
        return {"done": True, "detail": "pid 4242 is gone"}

    return act


async def test_a_change_is_approved_recorded_done_and_verified_in_this_order() -> None:
    made = ready(LOOK, TERMINATE)
    seen_at_effect: list[str] = []

    async def act() -> Mapping[str, Any]:
        seen_at_effect.extend(made.journal.kinds())
        made.looks.now = free_of_waiters()
        return {"done": True, "detail": "pid 4242 is gone"}

    made.acts.does = act
    outcome = await made.carry("terminate")
    assert outcome.kind == "ok"
    assert outcome.text.startswith("pid 4242 is gone; nobody waits: true after")
    before = ["note", "approval", "step.prediction", "step.intent"]
    assert seen_at_effect == before
    assert made.journal.kinds() == [*before, "step.settlement", "step.outcome"]
    intent = made.journal.entries[3][2]
    assert intent["does"] == "terminate_backend"
    assert intent["verify"] == {
        "target": "orders-db",
        "probe": "postgres.locks",
        "until": "length(queues) == `0`",
        "says": "nobody waits",
        "every_s": 5.0,
        "within_s": 60.0,
        "scope": {},
    }
    end = made.journal.entries[5][2]
    assert (end["intent"], end["outcome"]) == (4, "ok")
    assert made.acts.closed == made.actors.opened == 1
    assert made.steps() == [("blocker", "next"), ("terminate", "ok")]


async def test_the_document_that_is_followed_is_recorded_whole_and_once() -> None:
    made = ready(LOOK, AFTER)
    await made.carry("blocker")
    await made.carry("after")
    notes = [data for kind, _, data in made.journal.entries if kind == "note"]
    assert [data["runbook_digest"] for data in notes] == [made.run.runbook.digest]
    assert made.journal.blobs[notes[0]["blob"]] == made.run.runbook.source
    assert made.run.finished


async def test_a_look_runs_at_once_and_its_captures_are_kept() -> None:
    made = ready(LOOK, TERMINATE)
    outcome = await made.carry("blocker", typed="")
    assert outcome.kind == "ok"
    assert made.run.state("blocker").captured["pid"] == 4242
    assert made.steps() == [("blocker", "ok"), ("terminate", "next")]
    assert "step.intent" not in made.journal.kinds()


async def test_an_approval_that_expired_runs_nothing() -> None:
    made = ready(LOOK, TERMINATE)
    plan = await made.run.plan("terminate")
    approval = made.run.approve(plan, typed="orders-db")
    made.clock.pass_(VALID_FOR)
    with pytest.raises(Refused, match="expired"):
        await made.run.execute(plan, approval)
    assert made.acts.calls == []
    assert made.status("terminate") == "refused"
    assert made.journal.kinds()[-1] == "refusal"


async def test_an_approval_that_expires_while_things_are_checked_runs_nothing() -> None:
    made = ready(LOOK, TERMINATE)
    plan = await made.run.plan("terminate")
    made.clock.pass_(VALID_FOR - 1)
    approval = made.run.approve(plan, typed="orders-db")
    slow = made.looks.look

    async def look(target: str, probe: str) -> Any:
        made.clock.pass_(5)
        return await slow(target, probe)

    made.looks.look = look  # type: ignore[method-assign]
    with pytest.raises(Refused, match="expired"):
        await made.run.execute(plan, approval)
    assert made.acts.calls == []


async def test_an_approval_is_good_once() -> None:
    made = ready(LOOK, TERMINATE)
    plan = await made.run.plan("terminate")
    approval = made.run.approve(plan, typed="orders-db")
    await made.run.execute(plan, approval)
    with pytest.raises(Refused, match="was used"):
        await made.run.execute(plan, approval)
    assert len(made.acts.calls) == 1


async def test_a_plan_that_was_changed_after_its_approval_runs_nothing() -> None:
    made = ready(LOOK, TERMINATE)
    plan = await made.run.plan("terminate")
    approval = made.run.approve(plan, typed="orders-db")
    other = replace(plan, act=replace(plan.act, args={**plan.act.args, "pid": 1}))
    with pytest.raises(Refused, match="not the one that was made here"):
        await made.run.execute(other, approval)
    assert made.acts.calls == []


@pytest.mark.parametrize(
    ("now", "told"),
    [
        pytest.param({"queues": [queue(pid=7)]}, r"blocker.pid: 4242 → 7", id="another session"),
        pytest.param(
            {"queues": [queue(start="2026-11-21T02:40:00+00:00")]},
            "blocker.backend_start",
            id="the same pid, another session",
        ),
        pytest.param(free_of_waiters(), "no longer true: somebody still blocks", id="gone"),
        pytest.param(Reason.TIMEOUT, "could not look", id="cannot be checked"),
    ],
)
async def test_what_changed_since_the_approval_refuses(now: Any, told: str) -> None:
    made = ready(LOOK, TERMINATE)
    plan = await made.run.plan("terminate")
    approval = made.run.approve(plan, typed="orders-db")
    made.looks.now = now
    with pytest.raises(Refused, match=told):
        await made.run.execute(plan, approval)
    assert made.acts.calls == []
    assert made.acts.closed == made.actors.opened
    assert made.journal.kinds()[-1] == "refusal"


async def test_another_account_or_principal_than_approved_refuses() -> None:
    made = ready(LOOK, TERMINATE)
    plan = await made.run.plan("terminate")
    approval = made.run.approve(plan, typed="orders-db")
    made.actors.who = replace(made.actors.who, account="999999999999")
    with pytest.raises(Refused, match="account: 123456789012 → 999999999999"):
        await made.run.execute(plan, approval)
    assert made.acts.calls == []


async def test_a_value_that_is_held_may_move_until_the_effect() -> None:
    step = TERMINATE.replace("require =", 'held = ["$blocker.pid"]\nrequire =')
    made = ready(LOOK, step)
    plan = await made.run.plan("terminate")
    approval = made.run.approve(plan, typed="orders-db")
    made.looks.now = {"queues": [queue(pid=7)]}
    await made.run.execute(plan, approval)
    assert made.acts.calls[0][1]["pid"] == 4242


async def test_no_session_to_act_with_is_a_refusal_and_no_intent() -> None:
    made = ready(LOOK, TERMINATE)
    made.actors.fails = BlindError(Reason.DENIED, "password authentication failed")
    with pytest.raises(Refused, match="no session to act with: password"):
        await made.carry("terminate")
    assert "step.intent" not in made.journal.kinds()


async def test_an_intent_that_is_not_durable_stops_the_effect() -> None:
    made = ready(LOOK, TERMINATE)
    made.journal.degrade_at_intent = "no space left on device"
    with pytest.raises(Refused, match="not durable"):
        await made.carry("terminate")
    assert made.acts.calls == []
    assert made.journal.kinds()[-2:] == ["step.outcome", "refusal"]
    assert made.journal.entries[-2][2]["outcome"] == "refused"


async def test_a_degraded_record_needs_a_reason() -> None:
    made = ready(LOOK, TERMINATE)
    made.journal.degraded = "no space left on device"
    with pytest.raises(Refused, match="nothing is changed without one"):
        await made.carry("terminate")
    made.acts.does = cured(made)
    assert (await made.carry("terminate", reason="the disk is the incident")).kind == "ok"
    assert made.journal.entries[1][2]["reason"] == "the disk is the incident"


async def test_a_time_that_is_up_is_unknown_until_the_verification_says_otherwise() -> None:
    made = ready(LOOK, TERMINATE)
    made.acts.does = forever
    outcome = await made.carry("terminate")
    assert outcome.kind == "unknown"
    assert "gave no answer within 1 s" in outcome.text
    assert made.journal.entries[-1][2]["outcome"] == "unknown"
    assert made.status("terminate") == "unknown"


async def test_an_unknown_outcome_that_is_verified_counts_as_done() -> None:
    made = ready(LOOK, TERMINATE)

    async def act() -> Mapping[str, Any]:
        made.looks.now = free_of_waiters()
        raise UnknownOutcome("the connection was lost")

    made.acts.does = act
    outcome = await made.carry("terminate")
    assert (outcome.kind, "the connection was lost; but nobody waits" in outcome.text) == (
        "ok",
        True,
    )


async def test_an_unknown_step_is_verified_before_it_is_repeated() -> None:
    made = ready(LOOK, TERMINATE)
    made.acts.does = forever
    await made.carry("terminate")
    made.looks.now = free_of_waiters()
    with pytest.raises(Refused, match="it did happen"):
        await made.run.plan("terminate")
    assert made.status("terminate") == "ok"
    assert len(made.acts.calls) == 1
    settled = [data for kind, _, data in made.journal.entries if kind == "step.settlement"]
    assert [data["verdict"] for data in settled] == ["unknown", "kept"]
    assert len({data["prediction"] for data in settled}) == 1, "it is the same promise"
    ends = [data for kind, _, data in made.journal.entries if kind == "step.outcome"]
    assert [data["outcome"] for data in ends] == ["unknown", "ok"]
    assert len({data.get("intent") for data in ends}) == 1, "of the same intent, for the report"
    settlement = made.run.state("terminate").settlement
    assert settlement is not None
    assert settlement.verdict == "kept"


@pytest.mark.parametrize("how", ["it changed", "the act is refused", "no session"])
async def test_an_unknown_step_stays_unknown_when_its_repetition_is_not_sent(how: str) -> None:
    made = ready(LOOK, TERMINATE)
    made.acts.does = forever
    await made.carry("terminate")
    plan = await made.run.plan("terminate")
    approval = made.run.approve(plan, typed=plan.confirm_word)
    if how == "it changed":
        made.looks.now = {"queues": [queue(pid=1)]}
    elif how == "no session":
        made.actors.fails = BlindError(Reason.UNREACHABLE, "nobody is there")
    else:

        async def act() -> Mapping[str, Any]:
            raise Refused("it is protected")

        made.acts.does = act
    with suppress(Refused):
        await made.run.execute(plan, approval)
    assert made.status("terminate") == "unknown"
    assert made.run.stopped_by is not None
    made.actors.fails, made.looks.now = None, free_of_waiters()
    with pytest.raises(Refused, match="it did happen"):
        await made.run.plan("terminate")
    assert made.status("terminate") == "ok"


async def test_an_unknown_step_that_did_not_happen_can_be_repeated() -> None:
    made = ready(LOOK, TERMINATE)
    made.acts.does = forever
    await made.carry("terminate")
    made.acts.does = cured(made)
    assert (await made.carry("terminate")).kind == "ok"


@pytest.mark.parametrize(
    ("raised", "kind", "sent"),
    [
        pytest.param(BlindError(Reason.DENIED, "no privilege"), "failed", False, id="denied"),
        pytest.param(Refused("a protected session"), "refused", False, id="refused there"),
        pytest.param(UnknownOutcome("reset"), "unknown", True, id="reset"),
    ],
)
async def test_every_end_is_an_outcome(raised: Exception, kind: str, *, sent: bool) -> None:
    made = ready(LOOK, RAISE)

    async def act() -> Mapping[str, Any]:
        raise raised

    made.acts.does = act
    outcome = await made.carry("raise")
    assert outcome.kind == kind
    assert made.journal.entries[-1][2]["outcome"] == kind
    assert ("undo_raise" in dict(made.steps())) is sent


async def test_a_bug_in_a_connector_is_an_unknown_outcome_in_the_record() -> None:
    made = ready(LOOK, TERMINATE)

    async def act() -> Mapping[str, Any]:
        raise ZeroDivisionError

    made.acts.does = act
    with pytest.raises(ZeroDivisionError):
        await made.carry("terminate")
    assert made.journal.entries[-1][2]["outcome"] == "unknown"
    assert made.status("terminate") == "unknown"


async def test_cutting_a_step_off_is_an_unknown_outcome_in_the_record() -> None:
    made = ready(LOOK, TERMINATE.replace('"1s"', '"1m"'))
    made.acts.does = forever
    task = asyncio.create_task(made.carry("terminate"))
    while not made.acts.calls:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert made.journal.entries[-1][2]["outcome"] == "unknown"
    assert made.status("terminate") == "unknown"
    assert made.acts.closed == 1
    outcome = made.run.state("terminate").outcome
    assert outcome is not None
    assert (outcome.kind, "cut off after it was sent" in outcome.text) == ("unknown", True)


async def cut(made: Rig) -> Entry:
    """Stop waiting for the step once it was sent; its intent."""
    made.acts.does = forever
    task = asyncio.create_task(made.carry("terminate"))
    while not made.acts.calls:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not made.run.state("terminate").checking, "it was sent"
    seq = next(at for at, each in enumerate(made.journal.entries, 1) if each[0] == "step.intent")
    plan = await made.run.plan("terminate")
    kind, text, data = made.journal.entries[seq - 1]
    return Entry(
        seq=seq, at=START, mono=0.0, boot="", host="", actor="ana", role="commander",
        kind=EntryKind(kind), text=text, target=plan.target, data=data,
    )  # fmt: skip


async def test_what_is_shown_of_a_step_that_was_cut_off_is_not_of_the_attempt_before() -> None:
    made = ready(LOOK, TERMINATE.replace('"1s"', '"1m"'))
    made.actors.fails = BlindError(Reason.UNREACHABLE, "nobody is there")
    with pytest.raises(Refused):
        await made.carry("terminate")
    made.actors.fails = None
    await cut(made)
    outcome = made.run.state("terminate").outcome
    assert outcome is not None
    assert outcome.kind == "unknown"


async def test_a_change_that_is_cut_off_before_it_was_sent_is_not_unknown() -> None:
    made = ready(LOOK, TERMINATE)
    plan = await made.run.plan("terminate")
    approval = made.run.approve(plan, typed=plan.confirm_word)
    made.looks.held, asked = asyncio.Event(), len(made.looks.asked)
    task = asyncio.create_task(made.run.execute(plan, approval))
    while len(made.looks.asked) == asked:
        await asyncio.sleep(0)
    assert made.run.state("terminate").checking
    assert made.steps() == [("blocker", "waiting"), ("terminate", "running")], "none is next"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "step.intent" not in made.journal.kinds()
    assert made.status("terminate") == "waiting"
    assert not made.run.state("terminate").checking
    assert [state.status for state in made.run.steps].count("next") == 1


async def test_this_run_repeats_its_own_unknown_step_and_another_run_does_not() -> None:
    made = ready(LOOK, TERMINATE.replace('"1s"', '"1m"'))
    intent = await cut(made)
    made.journal.unfinished = (intent,)
    assert (await made.run.plan("terminate")).gaps == (), "looked at, and it did not happen"
    other = ready(LOOK, TERMINATE)
    other.journal.unfinished = (intent,)
    assert "its end is unknown" in (await other.run.plan("terminate")).gaps[0]


async def test_what_a_person_says_of_an_unknown_step_is_told_in_its_run() -> None:
    made = ready(LOOK, TERMINATE.replace('"1s"', '"1m"'))
    intent = await cut(made)
    made.run.learn(intent.seq + 1, Outcome("ok", "of another step"))
    assert made.status("terminate") == "unknown"
    made.run.learn(intent.seq, Outcome("ok", "told by a person"))
    assert made.status("terminate") == "ok"
    assert made.run.stopped_by is None


async def test_the_look_that_verified_is_believed_and_one_that_did_not_is_a_look_as_any() -> None:
    made = ready(LOOK, TERMINATE)
    made.looks.after = [*({"queues": [queue()]} for _ in range(3)), free_of_waiters()]
    assert (await made.carry("terminate")).kind == "ok"
    seen = [p.outcome.snapshot for p in made.looks.proofs if isinstance(p.outcome, Seen)]
    assert seen == [free_of_waiters()]


async def test_an_effect_that_did_not_help_is_failed() -> None:
    made = ready(LOOK, TERMINATE)
    outcome = await made.carry("terminate")
    assert outcome.kind == "failed"
    assert "not true within 1m 00s: nobody waits" in outcome.text
    assert 55 <= outcome.took <= 60


async def test_an_effect_whose_verification_is_blind_is_unknown() -> None:
    made = ready(LOOK, TERMINATE)

    async def act() -> Mapping[str, Any]:
        made.looks.now = Reason.UNREACHABLE
        return {"done": True, "detail": "signalled"}

    made.acts.does = act
    outcome = await made.carry("terminate")
    assert (outcome.kind, "whether it helped is not known" in outcome.text) == ("unknown", True)


async def test_accepted_but_still_there_is_failed_and_says_so() -> None:
    made = ready(LOOK, UNVERIFIED)

    async def act() -> Mapping[str, Any]:
        return {"done": False, "detail": "accepted, but pid 4242 is still there"}

    made.acts.does = act
    outcome = await made.carry("terminate")
    assert (outcome.kind, outcome.text) == ("failed", "accepted, but pid 4242 is still there")


async def test_a_failed_step_stops_changes_until_a_person_decides() -> None:
    made = ready(LOOK, TERMINATE, RAISE)
    await made.carry("terminate")
    assert made.run.stopped_by is not None
    assert (await made.carry("blocker")).kind == "ok"
    with pytest.raises(Refused, match="failed: the runbook stopped there"):
        await made.run.plan("raise")
    with pytest.raises(Refused, match="say why"):
        await made.run.go_on("terminate", " ")
    await made.run.go_on("terminate", "the session is gone by itself")
    assert made.journal.entries[-1][0] == "note"
    assert made.status("terminate") == "failed"
    assert (await made.run.plan("raise")).step.id == "raise"


async def test_a_step_that_does_not_apply_now_is_passed_over_and_nothing_is_recorded_of_it() -> (
    None
):
    made = ready(LOOK, TERMINATE, AFTER)
    await made.carry("blocker")
    made.looks.now = {"queues": []}
    before = made.journal.kinds()
    with pytest.raises(DoesNotApply, match="not true: somebody still blocks"):
        await made.run.plan("terminate")
    assert made.steps() == [("blocker", "ok"), ("terminate", "waiting"), ("after", "next")]
    assert "somebody still blocks" in made.run.state("terminate").not_now
    assert made.journal.kinds() == before
    made.looks.now = {"queues": [queue()]}
    await made.carry("blocker")
    assert made.steps()[1] == ("terminate", "next"), "an earlier look was made again"


async def test_a_step_that_applies_again_is_told_so_when_it_is_chosen() -> None:
    made = ready(LOOK, TERMINATE, AFTER)
    await made.carry("blocker")
    made.looks.now = {"queues": []}
    with pytest.raises(DoesNotApply):
        await made.run.plan("terminate")
    made.looks.now = {"queues": [queue()]}
    await made.run.plan("terminate")
    assert made.run.state("terminate").not_now == ""


async def test_skipping_needs_a_reason_and_lets_the_runbook_go_on() -> None:
    made = ready(LOOK, TERMINATE, RAISE)
    await made.carry("terminate")
    with pytest.raises(Refused, match="say why"):
        await made.run.skip("terminate", "")
    await made.run.skip("terminate", "not ours")
    assert made.status("terminate") == "skipped"
    assert made.journal.entries[-1][2]["outcome"] == "skipped"
    await made.run.plan("raise")


async def test_what_can_be_undone_offers_the_undo_with_the_state_from_before() -> None:
    made = ready(LOOK, RAISE)

    async def act() -> Mapping[str, Any]:
        made.looks.now = free_of_waiters()
        return {"TableDescription": {"TableStatus": "UPDATING"}}

    made.acts.does = act
    assert (await made.carry("raise")).kind == "ok"
    assert made.steps() == [("blocker", "next"), ("raise", "ok"), ("undo_raise", "waiting")]
    plan = await made.run.plan("undo_raise")
    throughput: Any = plan.act.args["ProvisionedThroughput"]
    assert throughput["WriteCapacityUnits"] == 4242
    assert plan.confirm_word == "orders-db"
    assert (await made.carry("undo_raise")).kind == "ok"
    assert made.acts.calls[1][0] == "dynamodb.UpdateTable"


async def test_what_is_captured_once_stays_what_it_was_before_the_repair() -> None:
    made = ready(LOOK.replace("capture =", "once = true\ncapture ="), RAISE)
    made.acts.does = cured(made)
    await made.carry("raise")
    made.looks.now = {"queues": [queue(pid=7)]}
    plan = await made.run.plan("raise")
    throughput: Any = plan.act.args["ProvisionedThroughput"]
    assert throughput["WriteCapacityUnits"] == 4242


async def test_in_triage_no_change_can_be_run_and_every_look_can() -> None:
    made = ready(LOOK, TERMINATE, RAISE, role=Role.TRIAGE)
    assert (await made.carry("blocker")).kind == "ok"
    for step_id in ("terminate", "raise"):
        plan = await made.run.plan(step_id)
        with pytest.raises(Refused, match="triage is read-only"):
            made.run.approve(plan, typed="orders-db", reason="please", second="bob")
    assert made.actors.opened == 0
