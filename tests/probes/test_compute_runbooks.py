"""The steps for groups, instances and clusters, carried out at moto with what looks captured."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, AwsActs, open_aws, open_aws_acts
from cockpit.world import layout
from tests.core.aws_stub import place
from tests.probes.fake_aws import target
from tests.probes.step_bench import Bench, fronted

pytestmark = pytest.mark.servers
Clients = Callable[[str], Any]
Sessions = tuple[Aws, AwsActs]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with fronted() as port:
        yield port


@pytest.fixture(scope="module")
def client(port: int) -> Clients:
    import boto3

    return lambda service: boto3.Session().client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=layout.REGION,
        aws_access_key_id=layout.key_of("commander"),
        aws_secret_access_key="x",
    )


@pytest.fixture
async def sessions(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sessions]:
    monkeypatch.setenv("COCKPIT_TEST_KEY", layout.key_of("commander"))
    aws, acts = await open_aws(place(port)), await open_aws_acts(place(port))
    yield aws, acts
    await aws.close()
    await acts.close()


@pytest.fixture(scope="module")
def image(client: Clients) -> str:
    return str(client("ec2").describe_images()["Images"][0]["ImageId"])


def group(client: Clients, image: str, name: str) -> Any:
    """A group of two; gives the client to change it."""
    client("ec2").create_launch_template(
        LaunchTemplateName=name, LaunchTemplateData={"ImageId": image, "InstanceType": "t3.small"}
    )
    scaling = client("autoscaling")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": name, "Version": "1"},
        MinSize=1,
        MaxSize=3,
        DesiredCapacity=2,
        AvailabilityZones=["us-east-1a", "us-east-1b"],
    )
    return scaling


def of_group(book: str, name: str, sessions: Sessions, **answers: object) -> Bench:
    return Bench(book, target("autoscaling_group", name), sessions, answers)


async def test_a_group_gets_more_and_never_less(
    sessions: Sessions, client: Clients, image: str
) -> None:
    group(client, image, "wide")
    bench = of_group("asg-capacity", "wide", sessions, ceiling=5, count=3)
    await bench.looked("before", "now")
    assert bench.applies("raise")
    assert await bench.act("raise")
    await bench.looked("now")
    assert bench.applies("scale")
    assert await bench.act("scale")
    assert await bench.act("scale", undo=True)
    assert await bench.act("raise", undo=True)
    for count in (0, 1, 2, 9):
        less = of_group("asg-capacity", "wide", sessions, count=count)
        await less.looked("before", "now")
        assert not less.applies("scale"), count


async def test_what_was_suspended_is_resumed_in_two_parts(
    sessions: Sessions, client: Clients, image: str
) -> None:
    scaling = group(client, image, "still")
    names = ["AZRebalance", "ReplaceUnhealthy", "Launch"]
    scaling.suspend_processes(AutoScalingGroupName="still", ScalingProcesses=names)
    bench = of_group("asg-suspended", "still", sessions, gone="yes")
    await bench.looked("before", "now")
    assert sorted(bench.scope["before"]["vital"]) == ["Launch", "ReplaceUnhealthy"]
    assert bench.applies("resume")
    assert await bench.act("resume")
    assert bench.applies("resume_rest")
    assert await bench.act("resume_rest")
    assert await bench.act("resume_rest", undo=True)
    unsure = of_group("asg-suspended", "still", sessions, gone="unknown")
    await unsure.looked("before", "now")
    assert not unsure.applies("resume_rest")


async def test_a_group_goes_back_to_the_version_that_serves_and_to_no_other(
    sessions: Sessions, client: Clients, image: str
) -> None:
    scaling = group(client, image, "gone")
    client("ec2").create_launch_template_version(
        LaunchTemplateName="gone", LaunchTemplateData={"ImageId": image}
    )
    now = {"LaunchTemplateName": "gone", "Version": "2"}
    bench = of_group("asg-launch", "gone", sessions, since="yes")
    await bench.looked("look", "now")
    assert not bench.applies("back"), "what serves is of the version that the group has"
    scaling.update_auto_scaling_group(AutoScalingGroupName="gone", LaunchTemplate=now)
    await bench.looked("look", "now")
    assert bench.applies("back")
    assert await bench.act("back")
    assert await bench.act("back", undo=True)
    unsure = of_group("asg-launch", "gone", sessions, since="unknown")
    await unsure.looked("look", "now")
    assert not unsure.applies("back")


async def test_replacing_is_held_and_one_is_kept_to_look_at(
    sessions: Sessions, client: Clients, image: str
) -> None:
    scaling = group(client, image, "loop")
    held = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["loop"])
    one = held["AutoScalingGroups"][0]["Instances"][0]["InstanceId"]
    bench = of_group("asg-replacement-loop", "loop", sessions, which=one)
    await bench.looked("before")
    assert bench.applies("hold")
    assert await bench.act("hold")
    assert bench.applies("keep")
    assert await bench.act("keep")
    assert await bench.act("keep", undo=True)
    assert await bench.act("hold", undo=True)


async def test_an_instance_of_its_own_is_moved_and_one_of_a_group_is_not(
    sessions: Sessions, client: Clients, image: str
) -> None:
    ec2 = client("ec2")
    made = ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1)
    id_ = made["Instances"][0]["InstanceId"]
    bench = Bench("ec2-impaired", target("ec2_instance", id_), sessions, {"choice": "move"})
    await bench.looked("before", "now")
    assert not bench.applies("stop"), "nothing fails, and AWS plans nothing"
    bench.scope["now"]["failing"] = ["system"]
    assert bench.applies("stop")
    assert await bench.act("stop")
    assert await bench.act("again")
    scaling = group(client, image, "cattle")
    held = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["cattle"])
    one = held["AutoScalingGroups"][0]["Instances"][0]["InstanceId"]
    sick = Bench("ec2-impaired", target("ec2_instance", one), sessions, {"choice": "move"})
    await sick.looked("before", "now")
    sick.scope["now"]["failing"] = ["system"]
    assert not sick.applies("stop")
    sick.scope["choice"] = {"answer": "replace"}
    assert sick.applies("replace")


async def test_a_stopped_instance_is_started(
    sessions: Sessions, client: Clients, image: str
) -> None:
    ec2 = client("ec2")
    made = ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1)
    id_ = made["Instances"][0]["InstanceId"]
    ec2.stop_instances(InstanceIds=[id_])
    bench = Bench("ec2-impaired", target("ec2_instance", id_), sessions, {"choice": "start"})
    await bench.looked("before", "now")
    assert bench.applies("start")
    assert await bench.act("start")
    assert await bench.act("start", undo=True)


async def test_one_of_two_hosts_is_drained_and_never_the_last(
    sessions: Sessions, client: Clients, image: str
) -> None:
    ecs, ec2 = client("ecs"), client("ec2")
    ecs.create_cluster(clusterName="shop")
    made = ec2.run_instances(ImageId=image, InstanceType="t3.small", MinCount=2, MaxCount=2)
    arns = [
        ecs.register_container_instance(
            cluster="shop",
            instanceIdentityDocument=json.dumps({"instanceId": each["InstanceId"]}),
        )["containerInstance"]["containerInstanceArn"]
        for each in made["Instances"]
    ]
    shop = target("ecs_cluster", "shop")
    bench = Bench("ecs-hosts", shop, sessions, {"which": arns[0]})
    await bench.looked("before", "now")
    assert bench.applies("drain")
    assert await bench.act("drain")
    last = Bench("ecs-hosts", shop, sessions, {"which": arns[1]})
    await last.looked("before", "now")
    assert not last.applies("drain")
    assert await bench.act("drain", undo=True)


async def test_a_balancer_is_protected(sessions: Sessions, client: Clients) -> None:
    ec2 = client("ec2")
    network = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    places = [
        ec2.create_subnet(VpcId=network, CidrBlock=f"10.7.{n}.0/24", AvailabilityZone=zone)
        for n, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    subnets = [each["Subnet"]["SubnetId"] for each in places]
    made = client("elbv2").create_load_balancer(Name="bare", Subnets=subnets)
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    bench = Bench("alb-review", target("alb", arn), sessions, {})
    await bench.looked("before", "now")
    assert bench.applies("protect")
    assert await bench.act("protect")
    assert await bench.act("protect", undo=True)


async def test_a_service_may_scale_further_and_start_slower(
    sessions: Sessions, client: Clients
) -> None:
    ecs, scaling = client("ecs"), client("application-autoscaling")
    ecs.create_cluster(clusterName="prod")
    ecs.register_task_definition(
        family="checkout", containerDefinitions=[{"name": "web", "image": "web:1", "memory": 128}]
    )
    ecs.create_service(
        cluster="prod", serviceName="checkout", taskDefinition="checkout", desiredCount=2
    )
    named = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/prod/checkout",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling.register_scalable_target(
        **named,
        MinCapacity=2,
        MaxCapacity=4,
        SuspendedState={
            "DynamicScalingOutSuspended": True,
            "DynamicScalingInSuspended": True,
            "ScheduledScalingSuspended": False,
        },
    )
    service = target("ecs_service", "checkout", cluster="prod")
    bench = Bench("ecs-autoscaling", service, sessions, {"ceiling": 8})
    await bench.looked("before", "now")
    assert bench.applies("resume")
    assert await bench.act("resume")
    [kept] = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert kept["SuspendedState"]["DynamicScalingInSuspended"] is True
    assert bench.applies("raise")
    assert await bench.act("raise")
    assert await bench.act("raise", undo=True)
    assert await bench.act("resume", undo=True)
    slow = Bench("ecs-health-kills", service, sessions, {"why": "slow", "seconds": 120})
    await slow.looked("before", "now")
    assert not slow.applies("grace"), "no load balancer checks it"
    slow.scope["before"]["balanced"] = 1
    assert slow.applies("grace")
