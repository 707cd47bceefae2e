"""Auto Scaling groups, EC2 instances and ECS clusters against moto: real HTTP and the real client.

moto has no instance refreshes and no activities (catalogue moto §1): the one ends as a gap.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, open_aws
from cockpit.errors import BlindError, Reason
from probes.autoscaling_group import capacity
from probes.ec2_instance import status
from probes.ecs_cluster import hosts
from tests.core.aws_stub import place
from tests.moto_server import client, moto_server
from tests.probes.fake_aws import target

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with moto_server() as port:
        yield port


@pytest.fixture
async def aws(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Aws]:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    reads = await open_aws(place(port))
    yield reads
    await reads.close()


@pytest.fixture(scope="module")
def fleet(port: int) -> Iterator[Any]:
    """A group `web` of two; gives the client to change it."""
    ec2, scaling, ecs = (client(port, service) for service in ("ec2", "autoscaling", "ecs"))
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.create_launch_template(
        LaunchTemplateName="web",
        LaunchTemplateData={"ImageId": image, "InstanceType": "t3.small"},
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="web",
        LaunchTemplate={"LaunchTemplateName": "web", "Version": "1"},
        MinSize=1,
        MaxSize=4,
        DesiredCapacity=2,
        AvailabilityZones=["us-east-1a", "us-east-1b"],
    )
    scaling.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["ReplaceUnhealthy"])
    ecs.create_cluster(clusterName="shop")
    host = scaling.describe_auto_scaling_instances()["AutoScalingInstances"][0]["InstanceId"]
    ecs.register_container_instance(
        cluster="shop", instanceIdentityDocument=json.dumps({"instanceId": host})
    )
    yield scaling
    for each in (ec2, scaling, ecs):
        each.close()


async def test_a_group_and_its_instances(aws: Aws, fleet: Any) -> None:
    look = await capacity.collect(aws, target("autoscaling_group", "web"))
    assert (look.desired, look.in_service, look.template) == (2, 2, "web version 1")
    assert look.suspended_names == ("ReplaceUnhealthy",)
    assert [gap.what for gap in look.gaps] == ["instance refreshes"]
    codes = {f.code for f in capacity.diagnose(look, capacity.PROBE.settings)}
    assert {"ASG_SCALING_SUSPENDED", "ASG_OBS_BLIND"} <= codes
    one = await status.collect(aws, target("ec2_instance", look.members[0].id))
    assert (one.state, one.type, one.group) == ("running", "t3.small", "web")
    assert [(each.kind, each.status) for each in one.checks or ()][:2] == [
        ("system", "ok"),
        ("instance", "ok"),
    ]


async def test_an_id_that_is_not_there_spoils_no_other(aws: Aws, fleet: Any) -> None:
    look = await capacity.collect(aws, target("autoscaling_group", "web"))
    with pytest.raises(BlindError) as gone:
        await status.collect(aws, target("ec2_instance", "i-0123456789abcdef0"))
    assert gone.value.reason is Reason.MISSING
    assert (await status.collect(aws, target("ec2_instance", look.members[1].id))).checks


async def test_a_cluster_and_its_hosts(aws: Aws, fleet: Any) -> None:
    look = await hosts.collect(aws, target("ecs_cluster", "shop"))
    assert look.hosts is not None
    [host] = look.hosts
    assert (host.status, host.connected, host.instance[:2]) == ("ACTIVE", True, "i-")
    assert (host.cpu, host.cpu_left) == (4096, 4096)
    assert (look.gaps, [*hosts.diagnose(look, hosts.PROBE.settings)]) == ((), [])
