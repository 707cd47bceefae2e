"""What a crash leaves is unknown, until its own verification or a person says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.role import Role
from cockpit.errors import Misconfigured, Reason, Refused
from cockpit.incident.incident import Incidents
from cockpit.incident.record import Incident
from cockpit.runbooks import unfinished
from cockpit.runbooks.effect import told
from cockpit.runbooks.plan import Act, Plan, act_digest
from cockpit.runbooks.step import StepKind
from tests.core.runs import LOOK, TERMINATE, Rig, book, queue, rig

BY_PID = TERMINATE.replace("length(queues) == `0`", "!contains(queues[].pid, blocker.pid)")


def ready() -> Rig:
    return rig(book(LOOK, BY_PID))


async def cut_off(folder: Path, plan: Plan) -> Incident:
    """An incident whose earlier session ended between intent and outcome."""
    incidents = Incidents(folder)
    first = incidents.create("x", "P1", environment="prod", role=Role.COMMANDER, actor="ana")
    names = {"runbook": plan.runbook, "step": plan.step.id, "title": plan.title}
    await first.intent("Terminate: …", target=plan.target, data={**names, **told(plan)})
    name = first.id
    first.close()
    return incidents.resume(name, role=Role.COMMANDER, actor="ben")


async def test_the_intent_carries_all_that_its_verification_needs(tmp_path: Path) -> None:
    made = ready()
    incident = await cut_off(tmp_path, await made.run.plan("terminate"))
    (one,) = map(unfinished.of, incident.unfinished)
    assert (one.title, one.target, one.actor) == ("Terminate the blocker", "orders-db", "ana")
    assert one.verification == "nobody waits"
    blocker: Any = one.scope["blocker"]
    assert blocker["pid"] == 4242
    incident.close()


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        pytest.param([], "ok", id="nobody waits any more"),
        pytest.param([queue(pid=77)], "ok", id="others wait for another one"),
        pytest.param([queue()], "failed", id="it still holds others up"),
    ],
)
async def test_the_verification_writes_the_outcome_of_the_intent(
    tmp_path: Path, now: list[dict[str, Any]], kind: str
) -> None:
    made = ready()
    incident = await cut_off(tmp_path, await made.run.plan("terminate"))
    made.looks.now = {"queues": now}
    one = unfinished.of(incident.unfinished[0])
    outcome = await unfinished.verified(one, made.run._ports, incident)
    assert outcome.kind == kind
    last = incident.entries[-1]
    assert (last.kind, last.data["outcome"], last.data["intent"]) == ("step.outcome", kind, one.seq)
    assert last.data["afterwards"] == "verification"
    assert incident.unfinished == ()
    assert made.acts.calls == [], "a verification changes nothing"
    incident.close()


CAPACITY = """
## Raise the capacity
More writes.
```toml step
id = "raise"
kind = "aws"
risk = "high"
target = "$db"
call = "dynamodb.UpdateTable"
args = { TableName = "carts", ProvisionedThroughput = { ReadCapacityUnits = 5, WriteCapacityUnits = 9 } }
effect = "costs money"
verify = { call = "dynamodb.DescribeTable", args = { TableName = "$blocker.user" }, until = "Table.Status == 'ACTIVE' && blocker.pid == `4242`", every = "5s", within = "60s" }
undo = "none: a test"
```
"""


async def test_a_verification_may_be_one_read_of_aws() -> None:
    made = rig(book(LOOK, CAPACITY))
    made.reads.answer = {"Table": {"Status": "ACTIVE"}}
    assert (await made.carry("raise")).kind == "ok"
    assert made.reads.asked == [("dynamodb.DescribeTable", {"TableName": "checkout"})]
    made.reads.answer = {"Table": {"Status": "UPDATING"}}
    assert (await made.carry("raise")).kind == "failed"
    assert made.looks.proofs == [], "no reading of a probe"


@pytest.mark.parametrize(("user", "whole"), [("checkout", True), ("token=abcdefgh12345", False)])
async def test_such_a_read_is_made_again_after_a_crash_when_the_record_has_it_whole(
    tmp_path: Path, user: str, whole: bool
) -> None:
    made = rig(book(LOOK, CAPACITY))
    made.looks.now = {"queues": [queue(user=user)]}
    incident = await cut_off(tmp_path, await made.run.plan("raise"))
    one = unfinished.of(incident.unfinished[0])
    assert (one.verify is not None) is whole
    if whole:
        made.reads.answer = {"Table": {"Status": "ACTIVE"}}
        outcome = await unfinished.verified(one, made.run._ports, incident)
        assert outcome.kind == "ok"
        assert made.reads.asked == [("dynamodb.DescribeTable", {"TableName": user})]
    incident.close()


@pytest.mark.parametrize(
    ("until", "can"),
    [
        pytest.param("queues[0].user != blocker.user", False, id="null differs from everything"),
        pytest.param("queues[0].pid != blocker.pid", True, id="of another value"),
    ],
)
async def test_nothing_is_proved_by_a_value_that_the_record_masked(
    tmp_path: Path, until: str, can: bool
) -> None:
    made = rig(book(LOOK, TERMINATE.replace("length(queues) == `0`", until)))
    made.looks.now = {"queues": [queue(user="password=hunter2hunter2")]}
    incident = await cut_off(tmp_path, await made.run.plan("terminate"))
    assert (unfinished.of(incident.unfinished[0]).verify is not None) is can
    incident.close()


async def test_an_unknown_outcome_is_told_with_the_step_until_it_is_verified(
    tmp_path: Path,
) -> None:
    made = ready()
    incident = await cut_off(tmp_path, await made.run.plan("terminate"))
    (intent,) = incident.unfinished
    assert [one.left for one in unfinished.all_of(incident.unfinished, incident.entries)] == [""]
    await incident.outcome(intent, "unknown", text="Terminate → unknown: cut off")
    (one,) = unfinished.all_of(incident.unfinished, incident.entries)
    assert one.left == "Terminate → unknown: cut off"
    made.looks.now = {"queues": []}
    assert (await unfinished.verified(one, made.run._ports, incident)).kind == "ok"
    assert incident.unfinished == ()
    incident.close()


async def test_what_cannot_be_looked_at_stays_unknown(tmp_path: Path) -> None:
    made = ready()
    incident = await cut_off(tmp_path, await made.run.plan("terminate"))
    made.looks.now = Reason.TIMEOUT
    count = len(incident.entries)
    with pytest.raises(Refused, match="could not look"):
        await unfinished.verified(unfinished.of(incident.unfinished[0]), made.run._ports, incident)
    assert len(incident.entries) == count
    assert len(incident.unfinished) == 1
    incident.close()


async def test_long_after_it_was_sent_one_look_is_enough(tmp_path: Path) -> None:
    made = ready()
    incident = await cut_off(tmp_path, await made.run.plan("terminate"))
    one = unfinished.of(incident.unfinished[0])
    made.clock.wall = one.at + timedelta(hours=1)
    asked = len(made.looks.asked)
    await unfinished.verified(one, made.run._ports, incident)
    assert len(made.looks.asked) == asked + 1
    incident.close()


async def test_a_person_can_say_how_it_ended_with_a_reason_only(tmp_path: Path) -> None:
    made = ready()
    incident = await cut_off(tmp_path, await made.run.plan("terminate"))
    one = unfinished.of(incident.unfinished[0])
    with pytest.raises(Refused):
        await unfinished.told(one, "ok", "  ", incident)
    with pytest.raises(Misconfigured):
        await unfinished.told(one, "unknown", "because", incident)
    await unfinished.told(one, "failed", "the session is still there", incident)
    assert incident.entries[-1].data["outcome"] == "failed"
    assert incident.entries[-1].data["afterwards"] == "person"
    assert incident.unfinished == ()
    incident.close()


@pytest.mark.parametrize(
    "verify",
    [None, "x", {}, {"probe": "p"}, {"probe": "", "until": "a"}],
    ids=["none", "text", "empty", "no condition", "no probe"],
)
async def test_an_intent_without_a_usable_verification_is_for_a_person(
    tmp_path: Path, verify: object
) -> None:
    made = ready()
    incidents = Incidents(tmp_path)
    first = incidents.create("x", "P1", environment="", role=Role.COMMANDER, actor="ana")
    data: Mapping[str, Any] = {"verify": verify} if verify is not None else {}
    intent = await first.intent("something: done", data=data)
    one = unfinished.of(intent)
    assert (one.verify, one.verification, one.title) == (None, "", "something: done")
    with pytest.raises(Refused, match="no verification"):
        await unfinished.verified(one, made.run._ports, first)
    first.close()


async def test_what_was_cut_off_is_not_sent_again_before_it_is_verified(tmp_path: Path) -> None:
    made = ready()
    await made.carry("blocker")
    plan = await made.run.plan("terminate")
    approval = made.run.approve(plan, typed=plan.confirm_word)
    incident = await cut_off(tmp_path, plan)
    made.journal.unfinished = incident.unfinished
    with pytest.raises(Refused, match=r"its end is unknown: verify that first \(U\)"):
        await made.run.execute(plan, approval)
    again = await made.run.plan("terminate")
    with pytest.raises(Refused, match="its end is unknown"):
        made.run.approve(again, typed=again.confirm_word)
    assert made.acts.calls == []
    made.journal.unfinished = ()
    await made.run.plan("terminate")
    incident.close()


async def test_a_verification_compares_with_what_was_approved_though_nobody_ran_the_look() -> None:
    made = ready()
    plan = await made.run.plan("terminate")  # without the step `blocker` having been run
    outcome = await made.run.execute(plan, made.run.approve(plan, typed=plan.confirm_word))
    assert outcome.kind == "failed", "the blocker is still there: nothing was repaired"


async def test_only_the_same_act_has_to_wait_for_the_one_that_was_cut_off(tmp_path: Path) -> None:
    made = ready()
    incident = await cut_off(tmp_path, await made.run.plan("terminate"))
    made.journal.unfinished = incident.unfinished
    made.looks.now = {"queues": [queue(pid=77)]}
    await made.carry("blocker")
    assert (await made.run.plan("terminate")).gaps == (), "another session of that database"
    made.looks.now = {"queues": [queue()]}
    assert "its end is unknown" in (await made.run.plan("terminate")).gaps[0]
    old = {key: value for key, value in incident.unfinished[0].data.items() if key != "act"}
    made.journal.unfinished = (replace(incident.unfinished[0], data=old),)
    made.looks.now = {"queues": [queue(pid=77)]}
    assert "its end is unknown" in (await made.run.plan("terminate")).gaps[0], "what 0.1 wrote"
    incident.close()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"argv": ("/usr/bin/env", "b")}, id="another argument of a program"),
        pytest.param({"argv": ("/usr/bin/other", "a")}, id="another program"),
        pytest.param({"url": "https://other/"}, id="another address"),
        pytest.param({"body": "off"}, id="another body"),
        pytest.param({"headers": {"X-Site": "b"}}, id="another header"),
        pytest.param({"args": {"pid": 2}}, id="another argument of a call"),
    ],
)
def test_an_act_is_told_by_all_that_is_sent(other: dict[str, Any]) -> None:
    one = Act(
        kind=StepKind.COMMAND, does="", args={"pid": 1}, argv=("/usr/bin/env", "a"),
        url="https://one/", headers={"X-Site": "a"}, body="on",
    )  # fmt: skip
    assert act_digest(one, "db") == act_digest(replace(one), "db")
    assert act_digest(one, "db") != act_digest(replace(one, **other), "db")
    assert act_digest(one, "db") != act_digest(one, "other-db")
