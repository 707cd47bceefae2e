"""What our own steps did is told as ours, and is neither a finding nor a suspect."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cockpit.connect.role import Role
from cockpit.desk.own import own_acts
from cockpit.incident.entry import EntryKind
from cockpit.incident.incident import Incidents
from cockpit.triage.board import Board, reduce
from cockpit.triage.changes import Change
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Severity
from cockpit.triage.own import OwnAct, marked
from cockpit.triage.registry import registry
from cockpit.triage.suspects import suspects
from cockpit.triage.topology import DependencyGraph
from tests.core.builders import at, finding, seen, target
from tests.core.run_words import ready
from tests.core.runs import LOOK, TERMINATE, free_of_waiters, queue
from tests.probes.test_postgres_counters import after

ROLLBACK = OwnAct(
    at=at(0),
    target="checkout",
    does="ecs.UpdateService",
    args={"service": "checkout", "taskDefinition": "arn:aws:ecs:x-1:1:task-definition/checkout:41"},
    told="'Roll back' by ana",
)


def deployment(when: float = 2, revision: str = "checkout:41", on: str = "checkout") -> Change:
    told = f"deployment of {revision}"
    return Change(at=at(when), kind="ecs.deployment", target=on, summary=told)


@pytest.mark.parametrize(
    ("change", "ours"),
    [
        pytest.param(deployment(), True, id="the revision that the step named"),
        pytest.param(deployment(-3), True, id="by a clock that is a little behind"),
        pytest.param(deployment(revision="checkout:43"), False, id="another release meanwhile"),
        pytest.param(deployment(revision="checkout:4"), False, id="a revision that begins alike"),
        pytest.param(deployment(-60), False, id="before the step"),
        pytest.param(deployment(300), False, id="long after it"),
        pytest.param(deployment(on="search"), False, id="another service"),
    ],
)
def test_a_deployment_is_ours_when_a_step_asked_for_it(change: Change, *, ours: bool) -> None:
    (told,) = marked([change], [ROLLBACK])
    assert told.own == ("'Roll back' by ana" if ours else "")


@pytest.mark.parametrize("call", ["ecs.StopServiceDeployment", "codedeploy.StopDeployment"])
def test_one_act_asks_for_one_change(call: str) -> None:
    """A stop names no revision: ECS's rollback comes first, what comes later is somebody else's."""
    stop = OwnAct(at=at(0), target="checkout", does=call, told="stop")
    later, first = deployment(30, "checkout:44"), deployment(3)
    assert [each.own for each in marked([later, first], [stop])] == ["", "stop"]


def test_a_change_of_ours_is_no_suspect_and_says_whose_it_is() -> None:
    graph = DependencyGraph((target("alb", "checkout", kind="alb"), target("checkout")))
    theirs, (ours,) = deployment(-300, "checkout:42"), marked([deployment(-100)], [ROLLBACK_EARLY])
    wrong = finding("ALB_5XX_TARGET_RATE", Severity.CRITICAL)
    sick = seen(wrong, name="alb", changes=(theirs, ours))
    board, happened = reduce(Board(), sick)
    named = [each.change.summary for each in suspects(board, graph) if each.change is not None]
    assert named == ["deployment of checkout:42"]
    assert any("ours: 'Roll back' by ana" in each.text for each in happened)


ROLLBACK_EARLY = OwnAct(
    at=at(-101), target="checkout", does="ecs.UpdateService", args=ROLLBACK.args, told=ROLLBACK.told
)


@pytest.mark.parametrize(
    ("killed", "ours", "expected"),
    [
        pytest.param(21, 21, [], id="all that ended were ended by us"),
        pytest.param(21, 20, ["PG_SESS_FATAL"], id="one that somebody else ended"),
        pytest.param(21, 0, ["PG_SESS_FATAL"], id="none of ours"),
        pytest.param(1, 20, [], id="never more than were killed"),
    ],
)
def test_sessions_that_we_ended_did_not_end_badly(
    killed: int, ours: int, expected: list[str]
) -> None:
    look, probe = after(60, sessions_killed=killed), registry()["postgres.counters"]
    ended = look.totals.at - timedelta(seconds=30)
    act = OwnAct(at=ended, ended_at=ended, target="db", does="terminate_backend", sessions=ours)
    to = Look(target("db", kind="postgres"), probe, probe.settings)
    assert [f.code for f in judged(to, look, [act]).findings] == expected
    elsewhere = OwnAct(at=ended, ended_at=ended, target="b", does="x", sessions=killed)
    assert len(judged(to, look, [elsewhere]).findings) == 1, "on another target"


def test_what_a_step_ended_is_known_while_it_looks_whether_it_helped() -> None:
    look, probe = after(60, sessions_killed=1), registry()["postgres.counters"]
    to = Look(target("db", kind="postgres"), probe, probe.settings)
    sent = look.totals.at - timedelta(seconds=50)
    act = OwnAct(at=sent, target="db", does="terminate_backend", sessions=1)
    verified = replace(act, ended_at=look.totals.at + timedelta(seconds=60))
    for each in (act, verified):
        assert judged(to, look, [each]).findings == ()


@pytest.mark.parametrize(
    ("abandoned", "cut", "seconds", "expected"),
    [
        pytest.param(2, 2, 30, [], id="all that vanished were ours"),
        pytest.param(1, 1, 59, [], id="it is counted when the server comes to it"),
        pytest.param(2, 1, 30, ["PG_SESS_FATAL"], id="one that was a client's"),
        pytest.param(1, 1, 300, ["PG_SESS_FATAL"], id="ours was counted long before"),
        pytest.param(0, 3, 30, [], id="never more than vanished"),
    ],
)
def test_a_session_of_ours_that_was_cut_is_no_client_that_went_away(
    abandoned: int, cut: int, seconds: float, expected: list[str]
) -> None:
    look, probe = after(60, sessions_abandoned=abandoned), registry()["postgres.counters"]
    at_ = look.totals.at - timedelta(seconds=seconds)
    named = look.pairs[-1].databases[0].name
    to = Look(target("db", kind="postgres"), probe, probe.settings)

    def told(database: str) -> list[str]:
        args = {"database": database}
        act = OwnAct(at=at_, ended_at=at_, target="db", does="", args=args, vanished=1)
        return [found.code for found in judged(to, look, [act] * cut).findings]

    assert told(named) == expected
    if abandoned:
        assert told("another") == ["PG_SESS_FATAL"]


async def test_the_journal_says_what_was_sent_and_how_many_sessions_it_ended(
    tmp_path: Path,
) -> None:
    made = ready(LOOK, TERMINATE)
    made.looks.after = [{"queues": [queue()]}] * 2
    made.looks.now = free_of_waiters()
    incident = Incidents(tmp_path).create(
        "x", "P1", environment="prod", role=Role.COMMANDER, actor="ana"
    )
    made.run._ports = made.run._planner.ports = replace(made.run._ports, journal=incident)
    plan = await made.run.plan("terminate")
    await made.run.execute(plan, made.run.approve(plan, typed=plan.confirm_word))
    (act,) = own_acts(incident.entries)
    assert (act.target, act.does, act.sessions) == ("orders-db", "terminate_backend", 1)
    assert act.told == "'Terminate the blocker' by ana"
    assert act.ended_at is not None
    (intent,) = (e for e in incident.entries if e.kind is EntryKind.STEP_INTENT)
    await incident.outcome(intent, "ok", text="verified afterwards")
    assert own_acts(incident.entries) == (act,), "it is known already when it was over"
    incident.close()
