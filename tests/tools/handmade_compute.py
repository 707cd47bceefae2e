"""Writes recordings of Auto Scaling groups, EC2 instances and ECS clusters.

`python -m tests.tools.handmade_compute` from the root of the checkout; see `handmade_events`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.probes import test_autoscaling_reading, test_ec2_instance, test_ecs_cluster
from tests.probes.asg_looks import fives
from tests.probes.fake_aws import ago
from tests.recorded import FOLDER
from tests.tools.handmade_events import Story, made

_GROUP = {
    "probe": "autoscaling_group.capacity",
    "id": "web",
    "answers": test_autoscaling_reading.answers,
    "series": test_autoscaling_reading.WELL,
}
_INSTANCE = {
    "probe": "ec2_instance.status",
    "id": test_ec2_instance.ID,
    "answers": test_ec2_instance.answers,
}
_CLUSTER = {
    "probe": "ecs_cluster.hosts",
    "id": "shop",
    "answers": test_ecs_cluster.answers,
    "series": {},
}
_RIGHT = {**test_ec2_instance.SERIES, "LogicalDisk % Free Space": fives(60)}
_SOUND: dict[str, Any] = {
    "InstanceId": test_ec2_instance.ID,
    "SystemStatus": {"Status": "ok"},
    "InstanceStatus": {"Status": "ok"},
    "AttachedEbsStatus": {"Status": "ok"},
}
_ALONE: dict[str, Any] = {
    **test_autoscaling_reading.GROUP,
    "Instances": [test_autoscaling_reading.instance("i-0b", "us-east-1b")],
}
_NO_ROOM = [
    {**test_autoscaling_reading.FAILED, "StartTime": ago(minutes=when)} for when in (2, 6, 11)
]

STORIES: Mapping[str, Story] = {
    "autoscaling_group_healthy": Story(**_GROUP, changed={}),  # type: ignore[arg-type]
    "autoscaling_group_zone_has_no_capacity": Story(
        **_GROUP,  # type: ignore[arg-type]
        changed={
            "autoscaling__DescribeAutoScalingGroups": [_ALONE],
            "autoscaling__DescribeScalingActivities": {"Activities": _NO_ROOM},
        },
    ),
    "autoscaling_group_denied_besides_itself": Story(
        **_GROUP,  # type: ignore[arg-type]
        changed={},
        besides="autoscaling.DescribeAutoScalingGroups",
    ),
    "ec2_instance_healthy": Story(
        **_INSTANCE,  # type: ignore[arg-type]
        series=_RIGHT,
        changed={"ec2__DescribeInstanceStatus": [_SOUND]},
    ),
    "ec2_instance_hangs_and_will_be_retired": Story(
        **_INSTANCE,  # type: ignore[arg-type]
        series=_RIGHT,
        changed={},
    ),
    "ec2_instance_denied_besides_its_state": Story(
        **_INSTANCE,  # type: ignore[arg-type]
        series={},
        changed={},
        besides="ec2.DescribeInstances",
    ),
    "ecs_cluster_healthy": Story(
        **_CLUSTER,  # type: ignore[arg-type]
        changed={
            "ecs__DescribeContainerInstances": [
                test_ecs_cluster.ROW,
                {
                    **test_ecs_cluster.ROW,
                    "containerInstanceArn": f"{test_ecs_cluster.ARN}a2",
                    "ec2InstanceId": "i-0a2",
                },
            ]
        },
    ),
    "ecs_cluster_agent_is_away": Story(**_CLUSTER, changed={}),  # type: ignore[arg-type]
    "ecs_cluster_denied_besides_itself": Story(
        **_CLUSTER,  # type: ignore[arg-type]
        changed={},
        besides="ecs.DescribeClusters",
    ),
}


async def write() -> None:
    """Write all of them."""
    for name, story in STORIES.items():
        (FOLDER / f"{name}.handmade.json").write_bytes(await made(story))


if __name__ == "__main__":
    asyncio.run(write())
