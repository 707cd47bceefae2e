"""Since when it is so with a service: what its stopped tasks, events and deployments tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from probes.answers import Gap
from probes.ecs import service as ecs
from probes.ecs.model import Snapshot, Stop
from probes.ecs.settings import Settings
from tests.probes.ecs_looks import (
    NEW,
    OLD,
    active,
    deployment,
    event,
    rolling,
    snapshot,
    stop,
)
from tests.probes.fake_aws import AT, ago, minutes


def began(look: Snapshot, code: str) -> tuple[datetime | None, float]:
    (found,) = (each for each in ecs.diagnose(look, Settings()) if each.code == code)
    return found.began, found.resolution


def stops(*minutes_ago: float, **changes: object) -> tuple[Stop, ...]:
    return tuple(
        replace(stop(), arn=f"arn:aws:ecs:::task/prod/{n:032x}", stopped_at=ago(minutes=n), **changes)  # type: ignore[arg-type]
        for n in minutes_ago
    )  # fmt: skip


IN_PROGRESS = deployment(rollout_state="IN_PROGRESS", created_at=ago(minutes=40), running=2)


@pytest.mark.parametrize(
    ("code", "look", "expected"),
    [
        pytest.param("ECS_CRASH_LOOP", snapshot(stopped=stops(1, 2, 4, 31)), (ago(minutes=31), 1.0), id="the first stop of the revision, also before the window that is judged"),
        pytest.param("ECS_CRASH_LOOP", snapshot(stopped=(*stops(1, 2, 4), *stops(20, task_definition=OLD))), (ago(minutes=4), 1.0), id="another revision's stops date nothing"),
        pytest.param("ECS_CRASH_LOOP", snapshot(stopped=stops(1, 2, 4, 58)), (None, 1.0), id="ECS forgets: there may have been earlier ones"),
        pytest.param("ECS_CRASH_LOOP", snapshot(stopped=stops(1, 2, 4), gaps=(Gap("stopped tasks beyond the first 300", "not read", ""),)), (None, 1.0), id="not all stops were read"),
        pytest.param("ECS_TASKS_BELOW_DESIRED", snapshot(running=2, below_since=ago(minutes=7)), (ago(minutes=7), 30.0), id="tasks are missing"),
        pytest.param("ECS_TASKS_BELOW_DESIRED", snapshot(running=2), (None, 30.0), id="tasks were missing at the first look"),
        pytest.param("ECS_DEPLOYMENT_STUCK", rolling(IN_PROGRESS, active()), (ago(minutes=40), 1.0), id="a deployment"),
        pytest.param("ECS_DEPLOYMENT_RECENT", rolling(deployment(created_at=ago(minutes=5))), (ago(minutes=5), 1.0), id="a new deployment"),
        pytest.param("ECS_CPU_SATURATED", snapshot(cpu=minutes(*[40] * 12, *[99] * 9)), (minutes(*[40] * 12, *[99] * 9).times[12], 90.0), id="the first point that is high"),
    ],
)  # fmt: skip
def test_it_began_when_the_service_tells(
    code: str, look: Snapshot, expected: tuple[datetime | None, float]
) -> None:
    assert began(look, code) == expected


@pytest.mark.parametrize(
    ("steady", "expected"),
    [
        pytest.param(True, ago(minutes=9), id="the first since it was at rest"),
        pytest.param(False, None, id="when it was at rest is not remembered"),
    ],
)
def test_an_event_that_fails_began_after_the_service_was_last_at_rest(
    steady: bool, expected: datetime | None
) -> None:
    failing = "was unable to register targets"
    events = (event(failing, minutes=2), event(failing, minutes=9))
    rest = (event("has reached a steady state", minutes=30),) if steady else ()
    assert began(snapshot(events=(*events, *rest)), "ECS_EVENT_FAILING")[0] == expected


def test_two_looks_tell_the_same_beginning() -> None:
    look = rolling(IN_PROGRESS, active(), stopped=stops(1, 2, 4))
    assert look.stopped[0].task_definition == NEW
    later = replace(look, at=AT.replace(minute=AT.minute + 1))
    for code in ("ECS_CRASH_LOOP", "ECS_DEPLOYMENT_STUCK"):
        assert began(look, code) == began(later, code)
