"""ECS: what is in no list is told in AWS's own words: starts, stop codes, events, checks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.runbooks.library import library
from cockpit.triage.finding import Finding, Severity
from probes.ecs import service as ecs
from probes.ecs.events import failing_events
from probes.ecs.model import Snapshot
from probes.ecs.settings import Settings
from tests.probes.ecs_looks import (
    CRITICAL,
    HIGH,
    IN_PROGRESS,
    INFO,
    STEADY,
    WARNING,
    active,
    deployment,
    event,
    found,
    many,
    rolling,
    snapshot,
    tasks,
)
from tests.probes.fake_aws import ago

MOON = "The moon was full (error 7)"
BALANCER = "failed ELB health checks in (target-group arn)"
KILLED = f"(task 0c0ffee) {BALANCER}."
TARGETS = (
    "failed to register targets in (target-group arn:aws:elasticloadbalancing:us-east-1:"
    "123456789012:targetgroup/web/1) with (error rate was odd)"
)
THROTTLED = "operations are being throttled on Elastic Load Balancing. Will try again later."
ROLE = "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/web'."
NEW_REVISION = deployment(**IN_PROGRESS, running=0)


@pytest.mark.parametrize(
    ("look", "severity"),
    [
        pytest.param(
            snapshot(stopped=many(2, "TaskFailedToStart", None, reason=MOON)),
            WARNING,
            id="all that are wanted run",
        ),
        pytest.param(
            rolling(
                NEW_REVISION,
                active(),
                stopped=many(4, "TaskFailedToStart", None, reason=MOON),
            ),
            CRITICAL,
            id="a release waits for it",
        ),
        pytest.param(
            rolling(
                NEW_REVISION,
                active(),
                stopped=many(1, "TaskFailedToStart", None, reason=MOON),
            ),
            WARNING,
            id="one start of a release, which ECS tries again",
        ),
        pytest.param(
            snapshot(running=0, stopped=many(2, "TaskFailedToStart", None, reason=MOON)),
            CRITICAL,
            id="none runs",
        ),
    ],
)
def test_an_unknown_reason_is_told_in_its_own_words(look: Snapshot, severity: Severity) -> None:
    (finding,) = [f for f in ecs.diagnose(look, Settings()) if f.code == "ECS_TASK_NOT_STARTED"]
    assert finding.severity is severity
    assert MOON in finding.summary
    assert not [each for each in finding.evidence if each.label.startswith("reason")]


def test_several_unknown_reasons_are_counted_one_by_one() -> None:
    stopped = (
        *many(3, "TaskFailedToStart", None, reason=MOON),
        *many(2, "TaskFailedToStart", None, reason="the sun went down"),
    )
    found = ecs.diagnose(snapshot(stopped=stopped), Settings())
    (finding,) = [f for f in found if f.code == "ECS_TASK_NOT_STARTED"]
    told = [str(each.value) for each in finding.evidence if each.label.startswith("reason")]
    assert told == [f"{MOON} ×3", "the sun went down ×2"]


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(
            snapshot(events=(event(TARGETS, minutes=2),)),
            [("ECS_EVENT_FAILING", HIGH)],
            id="new tasks get no traffic",
        ),
        pytest.param(
            snapshot(events=(event(THROTTLED, minutes=2),)),
            [("ECS_EVENT_FAILING", WARNING)],
            id="throttled at the balancer",
        ),
        pytest.param(
            snapshot(events=(event(ROLE, minutes=2),)),
            [("ECS_EVENT_FAILING", WARNING)],
            id="a role that cannot be assumed, outside of a start",
        ),
        pytest.param(
            snapshot(events=(event(THROTTLED, minutes=2),), running=5, below_since=ago(seconds=60)),
            [("ECS_EVENT_FAILING", CRITICAL)],
            id="and too few run",
        ),
        pytest.param(
            snapshot(events=(event(STEADY, minutes=1), event(TARGETS, minutes=2))),
            [],
            id="came to rest after it",
        ),
        pytest.param(snapshot(events=(event(TARGETS, minutes=61),)), [], id="long ago"),
        pytest.param(
            snapshot(events=(event("hums a tune", minutes=2),)),
            [("ECS_EVENT_FAILING", INFO)],
            id="an unknown text that speaks of no failure",
        ),
        pytest.param(
            snapshot(
                events=(
                    event("registered 2 targets in (target-group arn)", minutes=1),
                    event("deregistered 1 targets in (target-group arn)", minutes=2),
                    event("has begun draining connections on 1 tasks.", minutes=3),
                    event("(deployment ecs-svc/1) deployment completed.", minutes=4),
                    event("(taskSet ecs-svc/1) updated state to STEADY_STATE.", minutes=5),
                )
            ),
            [],
            id="a roll-out that does what it should",
        ),
        pytest.param(
            snapshot(events=(event(KILLED, minutes=2),)),
            [("ECS_EVENT_FAILING", WARNING)],
            id="killed by the balancer's check, and no stopped task says so",
        ),
        pytest.param(
            snapshot(
                events=(event(KILLED, minutes=2),),
                stopped=many(2, "ServiceSchedulerInitiated", 137, reason=f"Task {BALANCER}"),
            ),
            [("ECS_HEALTH_CHECK_KILLS", WARNING)],
            id="killed by the balancer's check, told by the tasks alone",
        ),
    ],
)
def test_events_of_failures_are_told_until_it_comes_to_rest(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        pytest.param(("HEALTHY",) * 6, [], id="all well"),
        pytest.param(("UNKNOWN",) * 6, [], id="no check is not sick"),
        pytest.param(
            ("UNHEALTHY", *("HEALTHY",) * 5), [("ECS_TASKS_UNHEALTHY", WARNING)], id="one of six"
        ),
        pytest.param(
            ("UNHEALTHY",) * 3 + ("HEALTHY",) * 3,
            [("ECS_TASKS_UNHEALTHY", CRITICAL)],
            id="half of them",
        ),
    ],
)
def test_running_tasks_that_fail_their_check_are_told(
    health: tuple[str, ...], expected: list[tuple[str, Severity]]
) -> None:
    live = tasks(*("a", "b") * 3)
    told = tuple(replace(task, health=each) for task, each in zip(live, health, strict=True))
    assert found(snapshot(tasks=told)) == expected


WORDS = st.text(min_size=1, max_size=60)


@given(text=WORDS)
def test_no_text_of_a_failed_start_is_silence(text: str) -> None:
    look = snapshot(stopped=many(3, "TaskFailedToStart", None, reason=text, container=""))
    assert found(look)


@given(code=WORDS)
def test_no_stop_code_is_silence(code: str) -> None:
    look = snapshot(stopped=many(6, f"New{code}", 143))
    assert found(look) == [("ECS_TASKS_ENDED_OTHERWISE", WARNING)]


@given(text=WORDS)
def test_no_failing_event_is_silence(text: str) -> None:
    assert found(snapshot(events=(event(f"failed {text}", minutes=2),)))


@pytest.mark.parametrize(
    "code",
    [
        "ECS_TASK_NOT_STARTED",
        "ECS_TASKS_ENDED_OTHERWISE",
        "ECS_TASKS_RETIRED",
        "ECS_TASKS_UNHEALTHY",
        "ECS_EVENT_FAILING",
    ],
)
def test_each_has_its_runbook(code: str) -> None:
    assert library().best(code) == "ecs-service-down"


def test_that_starts_fail_is_told_by_the_stopped_tasks_where_there_are_any() -> None:
    said = event("is unable to consistently start tasks successfully.", minutes=2)
    assert found(snapshot(events=(said,))) == [("ECS_EVENT_FAILING", WARNING)]
    crashes = snapshot(events=(said,), stopped=many(3))
    assert found(crashes) == [("ECS_CRASH_LOOP", WARNING)]


def test_an_event_that_still_comes_is_not_told_as_long_past() -> None:
    old = (event(TARGETS, minutes=1), event(TARGETS, minutes=40))
    (still,) = failing(snapshot(events=old))
    (past,) = failing(snapshot(events=old[1:]))
    assert still.against == ()
    assert past.against == ("the last one came 40m 00s ago",)


def failing(look: Snapshot) -> list[Finding]:
    return list(failing_events(look, Settings()))
