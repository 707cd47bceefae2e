"""Recorded looks at Auto Scaling groups, EC2 instances and ECS clusters, judged again."""

from __future__ import annotations

import pytest

from cockpit.triage.registry import registry
from tests.recorded import octets, told
from tests.tools.handmade_compute import STORIES
from tests.tools.handmade_events import made

TOLD: dict[str, tuple[str, set[str]]] = {
    "autoscaling_group_healthy": ("2/2", set()),
    "autoscaling_group_zone_has_no_capacity": (
        "1/2",
        {"ASG_BELOW_DESIRED", "ASG_LAUNCH_FAILING"},
    ),
    "autoscaling_group_denied_besides_itself": ("2/2", {"ASG_OBS_BLIND"}),
    "ec2_instance_healthy": ("running 3/3", set()),
    "ec2_instance_hangs_and_will_be_retired": (
        "impaired",
        {"EC2_STATUS_IMPAIRED", "EC2_SCHEDULED_EVENT"},
    ),
    "ec2_instance_denied_besides_its_state": ("checks unknown", {"EC2_OBS_BLIND"}),
    "ecs_cluster_healthy": ("2/2", set()),
    "ecs_cluster_agent_is_away": ("1/2", {"ECS_AGENT_DISCONNECTED"}),
    "ecs_cluster_denied_besides_itself": ("unknown", {"ECS_OBS_BLIND"}),
}


@pytest.mark.parametrize("name", STORIES)
async def test_a_recorded_look_is_judged_as_it_was(name: str) -> None:
    by = "python -m tests.tools.handmade_compute writes it"
    assert octets(f"{name}.handmade") == await made(STORIES[name]), by
    assert told(f"{name}.handmade", registry()[STORIES[name].probe]) == TOLD[name]
