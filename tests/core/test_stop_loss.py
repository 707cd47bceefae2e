"""Something else got worse since a step acted: it is interrupted, and the undo is offered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cockpit.errors import Refused
from cockpit.runbooks.step import Tripwire
from cockpit.runbooks.stop_loss import WATCHED
from cockpit.runbooks.tripwire import tripped
from cockpit.triage.board import Board, LookId, reduce
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact, Reading, Seen
from cockpit.triage.topology import DependencyGraph
from tests.core.builders import blind, finding, seen, target
from tests.core.run_words import ready
from tests.core.runs import LOOK, RAISE, TERMINATE, Rig, free_of_waiters, problems, queue
from tests.patience import at_most

CRITICAL, HIGH = Severity.CRITICAL, Severity.HIGH
SHOP = DependencyGraph(
    (
        target("front", "app"),
        target("app", "db"),
        target("db", "disk"),
        target("disk"),
        target("else"),
    )
)
OWN = LookId("db", "db.locks")
FACT = Tripwire(target="app", probe="app.p", fact="healthy", below=2)


def sick(name: str, severity: Severity = CRITICAL, *, probe: str = "", when: float = 0) -> Reading:
    return seen(finding("X", severity), name=name, probe=probe or f"{name}.p", when=when)


ILL = sick("db", probe="db.locks")


def healthy(number: float | None, *, when: float = 0) -> Reading:
    outcome = Seen(facts=(Fact("healthy", f"{number}/3", number),))
    return replace(seen(name="app", probe="app.p", when=when), outcome=outcome)


def board(*readings: Reading) -> Board:
    made = Board()
    for reading in readings:
        made, _ = reduce(made, reading)
    return made


@pytest.mark.parametrize(
    ("wire", "before", "after", "says"),
    [
        pytest.param(Tripwire(), [], [sick("app")], "X at app is critical", id="what needs it"),
        pytest.param(Tripwire(), [], [sick("front")], "X at front", id="what needs that"),
        pytest.param(Tripwire(), [], [sick("db", probe="db.repl")], "X at db", id="another probe"),
        pytest.param(
            Tripwire(), [sick("app", HIGH)], [sick("app", when=1)], "was high", id="worse"
        ),
        pytest.param(Tripwire(), [], [sick("db", probe="db.locks")], "", id="what is verified"),
        pytest.param(Tripwire(), [], [sick("disk")], "X at disk", id="what it needs itself"),
        pytest.param(Tripwire(), [], [sick("else")], "", id="what has nothing to do with it"),
        pytest.param(Tripwire(), [], [sick("app", HIGH)], "", id="not that bad"),
        pytest.param(Tripwire(), [sick("app")], [sick("app", when=1)], "", id="was so before"),
        pytest.param(Tripwire(), [ILL], [sick("app")], "", id="what is ill below explains it"),
        pytest.param(
            Tripwire(), [ILL], [sick("disk")], "X at disk", id="what is ill above does not"
        ),
        pytest.param(Tripwire(target="app"), [ILL], [sick("app")], "X at app", id="was asked for"),
        pytest.param(Tripwire(), [], [blind(name="app")], "", id="nobody could look"),
        pytest.param(Tripwire(finding=HIGH), [], [sick("app", HIGH)], "X at app", id="high"),
        pytest.param(Tripwire(target="disk"), [], [sick("disk")], "X at disk", id="named"),
        pytest.param(Tripwire(target="disk"), [], [sick("app")], "", id="another one"),
        pytest.param(
            FACT, [healthy(3)], [healthy(1, when=1)], "3/3 before the step, 1/3 now", id="a"
        ),
        pytest.param(FACT, [healthy(3)], [healthy(2, when=1)], "", id="at its bound"),
        pytest.param(FACT, [healthy(1)], [healthy(0, when=1)], "", id="beyond before"),
        pytest.param(FACT, [], [healthy(0)], "", id="not known before"),
        pytest.param(FACT, [healthy(3)], [healthy(None, when=1)], "", id="not known now"),
    ],
)
def test_what_gets_worse_elsewhere_trips_and_nothing_else_does(
    wire: Tripwire, before: list[Reading], after: list[Reading], says: str
) -> None:
    was = board(*before)
    now = board(*before, *after)
    found = tripped((wire,), was, now, own=OWN, graph=SHOP)
    assert (says in found) if says else found == ""


def gets_worse(made: Rig, name: str = "checkout", severity: Severity = CRITICAL) -> None:
    made.signals.store.add(seen(finding("X", severity), name=name, probe="x.y"))


def acting(made: Rig, *, worse: str = "", cures: bool = False) -> None:
    async def act() -> Mapping[str, Any]:
        if cures:
            made.looks.now = free_of_waiters()
        if worse:
            gets_worse(made, worse)
        return {"done": True, "detail": "raised"}

    made.acts.does = act


def interrupts(made: Rig) -> list[dict[str, Any]]:
    return [data for kind, _, data in made.journal.entries if kind == "step.interrupt"]


async def test_a_step_is_interrupted_and_its_undo_is_there_but_not_run() -> None:
    made = ready(LOOK, RAISE, TERMINATE)
    acting(made, worse="checkout")
    outcome = await made.carry("raise")
    assert outcome.kind == "unknown", "nobody waited for its verification"
    assert "interrupted, X at checkout is critical" in outcome.text
    assert made.clock.ticks < 60, "it was not waited for"
    assert [call for call, _ in made.acts.calls] == ["dynamodb.UpdateTable"], "never by itself"
    (told,) = interrupts(made)
    assert told["undo"] == "back to what it was"
    told_to_people = made.run.interrupt
    assert told_to_people is not None
    assert (told_to_people.step, told_to_people.undo) == ("raise", "undo_raise")
    with pytest.raises(Refused, match="was interrupted"):
        await made.carry("terminate")
    assert made.journal.kinds().count("step.settlement") == 1
    assert (await made.run.plan("undo_raise")).title == "Undo: Raise the capacity"


async def test_once_it_is_taken_back_nothing_is_offered_any_more() -> None:
    made = ready(LOOK, RAISE)
    acting(made, worse="checkout")
    await made.carry("raise")
    acting(made, cures=True)
    await made.carry("undo_raise")
    assert made.run.interrupt is None
    assert len(made.acts.calls) == 2


async def test_a_wait_that_is_under_way_is_left_at_once() -> None:
    made = ready(LOOK, RAISE)
    acting(made)
    looking = asyncio.Event()

    async def hang(_: float) -> None:
        looking.set()
        await asyncio.sleep(3600)

    made.run._ports = made.run._planner.ports = replace(made.run._ports, sleep=hang)
    step = asyncio.ensure_future(made.carry("raise"))
    await looking.wait()
    gets_worse(made)
    async with asyncio.timeout(at_most(15)):
        assert (await step).kind == "unknown"


async def test_what_gets_worse_soon_after_a_step_that_was_well_stops_the_runbook_too() -> None:
    made = ready(LOOK, RAISE, TERMINATE)
    acting(made, cures=True)
    assert (await made.carry("raise")).kind == "ok"
    made.clock.pass_(WATCHED - 1)
    gets_worse(made)
    await asyncio.sleep(0)
    assert made.run.finished is False
    assert (made.status("raise"), len(interrupts(made))) == ("ok", 1)
    await made.run.go_on("raise", "it was so every morning")
    assert made.run.interrupt is None
    assert ("terminate", "next") not in made.steps(), "one of them is open: the look"
    assert ("blocker", "next") in made.steps()


@pytest.mark.parametrize(
    "how", ["too late", "only a look", "another step", "another runbook's step", "elsewhere"]
)
async def test_what_cannot_be_the_steps_doing_is_not_told_as_its(how: str) -> None:
    made = ready(LOOK, RAISE, TERMINATE.replace('"terminate"', '"terminate"\ntripwire = []'))
    acting(made, cures=True)
    if how != "only a look":
        await made.carry("raise")
    if how == "too late":
        made.clock.pass_(WATCHED + 1)
    elif how == "only a look":
        await made.carry("blocker")
    elif how == "another step":
        made.looks.now = {"queues": [queue()]}
        await made.carry("terminate")
    elif how == "another runbook's step":
        other = ready(LOOK, TERMINATE.replace('"terminate"', '"terminate"\ntripwire = []'))
        ports = replace(other.run._ports, signals=made.signals)
        other.run._ports = other.run._planner.ports = ports
        await other.carry("terminate")
        assert other.acts.calls
    gets_worse(made, "web" if how == "elsewhere" else "checkout")
    await asyncio.sleep(0)
    assert interrupts(made) == []
    assert made.run.interrupt is None


async def refused(made: Rig, step: str) -> None:
    """Begin a step whose world changed since it was approved: nothing is sent."""
    made.looks.now = {"queues": [queue(pid=1)]}
    plan = await made.run.plan(step)
    approval = made.run.approve(plan, typed=plan.confirm_word, reason="now")
    made.looks.now = {"queues": [queue(pid=2)]}
    with pytest.raises(Refused, match="it changed since"):
        await made.run.execute(plan, approval)


async def test_what_gets_worse_after_a_step_that_was_not_sent_is_nobodys_doing() -> None:
    made = ready(LOOK, RAISE)

    async def act() -> Mapping[str, Any]:
        raise Refused("it ended by itself")

    made.acts.does = act
    assert (await made.carry("raise")).kind == "refused"
    gets_worse(made)
    await asyncio.sleep(0)
    assert (interrupts(made), made.run.interrupt) == ([], None)


@pytest.mark.parametrize(("later", "told"), [(1, ["raise"]), (WATCHED, [])])
async def test_a_step_is_watched_as_long_when_the_next_one_is_not_sent(
    later: float, told: list[str]
) -> None:
    made = ready(LOOK, RAISE, TERMINATE)
    acting(made, cures=True)
    assert (await made.carry("raise")).kind == "ok"
    await refused(made, "terminate")
    made.clock.pass_(later)
    await refused(made, "terminate")
    made.clock.pass_(1)
    gets_worse(made)
    await asyncio.sleep(0)
    assert [data["step"] for data in interrupts(made)] == told


async def test_a_runbook_says_itself_what_must_not_get_worse() -> None:
    wire = '{ finding = "warning", target = "web" }'
    made = ready(LOOK, RAISE.replace('effect = "', f'tripwire = [{wire}]\neffect = "'))
    acting(made)
    plan = await made.run.plan("raise")
    assert plan.tripwires == (Tripwire(finding=Severity.WARNING, target="web"),)
    made.acts.does = None
    acting(made, worse="web")
    assert (await made.carry("raise")).kind == "unknown"


@pytest.mark.parametrize(
    ("wire", "told"),
    [
        ('{ fact = "healthy", below = 2 }', "tripwire.fact: needs all of fact, probe, target"),
        ('{ target = "web", probe = "x.y", fact = "a" }', "needs all of fact"),
        ('{ finding = "bad" }', "tripwire.finding: unknown 'bad'"),
        ('{ target = "web", above = "2" }', "tripwire.above: should be a number"),
        ('{ findings = "high" }', "tripwire.findings: unknown key"),
        ('"high"', "tripwire: should be a list of tables"),
    ],
)
def test_a_tripwire_that_cannot_trip_is_told(wire: str, told: str) -> None:
    found = problems(LOOK, RAISE.replace('effect = "', f'tripwire = [{wire}]\neffect = "'))
    assert any(told in each for each in found), found
