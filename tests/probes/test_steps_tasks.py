"""Steps of tasks, instances and stages that nothing else carries out: at moto, scripted beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, AwsActs
from cockpit.connect.aws.settings import ApiSettings, BucketSettings
from cockpit.triage.target import Target
from tests.probes.fake_aws import target
from tests.probes.step_bench import Bench, Clients, clients, fronted, opened

pytestmark = pytest.mark.servers
Sessions = tuple[Aws, AwsActs]
Asked = dict[str, Any]


class Script:
    """What was sent of what moto lacks, and the canary of a stage."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Asked]] = []
        self.canary: Asked = {"percentTraffic": 10.0, "deploymentId": "new"}
        self.waiting: dict[str, str] = {}
        self.rebooted: list[str] = []

    def takes(self, call: str) -> Any:
        def answer(_: Any, asked: Asked) -> Asked:
            self.sent.append((call, asked))
            return {}

        return answer

    def complete(self, _: Any, asked: Asked) -> Asked:
        self.sent.append(("complete", asked))
        self.waiting.pop(asked["InstanceId"], None)
        return {}

    def point(self, _: Any, asked: Asked) -> Asked:
        (patch,) = asked["patchOperations"]
        assert patch["path"] == "/canarySettings/percentTraffic"
        self.canary["percentTraffic"] = float(patch["value"])
        return {}

    def stages(self, _: Any, __: Asked, told: Asked) -> Asked:
        for stage in told["item"]:
            stage["canarySettings"] = self.canary
        return told

    def groups(self, _: Any, __: Asked, told: Asked) -> Asked:
        for group in told["AutoScalingGroups"]:
            for each in group["Instances"]:
                state = self.waiting.get(each["InstanceId"], each["LifecycleState"])
                each["LifecycleState"] = state
        return told


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def port(script: Script) -> Iterator[int]:
    answers = {
        ("apigateway", "UpdateStage"): script.point,
        ("autoscaling", "CompleteLifecycleAction"): script.complete,
        ("codedeploy", "StopDeployment"): script.takes("stop"),
        ("ecs", "ContinueServiceDeployment"): script.takes("continue"),
        ("ecs", "StopTask"): script.takes("stop_task"),
    }
    amendments = {
        ("apigateway", "GetStages"): script.stages,
        ("autoscaling", "DescribeAutoScalingGroups"): script.groups,
    }
    with fronted(answers, amendments) as port:
        yield port


@pytest.fixture(scope="module")
def client(port: int) -> Clients:
    return clients(port)


@pytest.fixture
async def sessions(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sessions]:
    async with opened(port, monkeypatch) as both:
        yield both


# tasks -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(client: Clients) -> Target:
    """A service of two tasks at the second of two revisions."""
    ecs = client("ecs")
    ecs.create_cluster(clusterName="prod")
    for image in ("web:1", "web:2"):
        ecs.register_task_definition(
            family="web", containerDefinitions=[{"name": "web", "image": image, "memory": 128}]
        )
    ecs.create_service(cluster="prod", serviceName="web", taskDefinition="web:2", desiredCount=2)
    return target("ecs_service", "web", cluster="prod")


def revision(client: Clients) -> str:
    (told,) = client("ecs").describe_services(cluster="prod", services=["web"])["services"]
    return str(told["taskDefinition"]).rpartition("/")[2]


async def test_one_sick_task_is_ended_and_proved_by_another_in_its_place(
    sessions: Sessions, service: Target, script: Script
) -> None:
    bench = Bench("ecs-service-down", service, sessions, {"which": "arn:aws:ecs:x:1:task/one"})
    await bench.looked("before", "now")
    bench.scope["now"]["pending"] = 0
    bench.scope["tasks"] = {"arns": ["arn:aws:ecs:x:1:task/one", "arn:aws:ecs:x:1:task/two"]}
    assert bench.applies("stop_task")
    assert not await bench.act("stop_task"), "nothing runs in its place"
    asked = script.sent[-1][1]
    assert (asked["cluster"], asked["task"]) == ("prod", "arn:aws:ecs:x:1:task/one")


async def test_a_service_goes_back_to_the_revision_that_a_person_names(
    sessions: Sessions, client: Clients, service: Target
) -> None:
    bench = Bench("ecs-rollback", service, sessions, {"migration": "unknown", "named": "web:1"})
    await bench.looked("before", "now")
    bench.scope["before"]["good"] = ""
    for named, migration in (("web:2", "yes"), ("", "yes"), ("web:1", "no")):
        bench.answered(named=named, migration=migration)
        assert not bench.applies("rollback_named"), (named, migration)
    assert bench.answered(named="web:1", migration="unknown").applies("rollback_named")
    assert not await bench.act("rollback_named"), "its tasks do not run yet"
    assert revision(client) == "web:1"
    await bench.looked("now")
    assert not bench.applies("rollback_named"), "it runs another one"
    assert not await bench.proved("rollback_named", undo=True)
    assert await bench.act("rollback_named", undo=True)
    assert revision(client) == "web:2"


async def test_tasks_are_started_anew_once_the_cache_is_there(
    sessions: Sessions, client: Clients, service: Target
) -> None:
    cache = target("elasticache", "cache")
    bench = Bench("cache-failover", service, sessions, {}, cache)
    await bench.looked("service_now")
    bench.scope["service_now"] |= {"rollout": "COMPLETED", "broken": []}
    bench.scope["control"] = {"state": "modifying"}
    assert not bench.applies("restart")
    bench.scope["control"] = {"state": "available"}
    for name, value in (("rollout", "IN_PROGRESS"), ("broken", ["ECS_CRASH_LOOP"])):
        kept = bench.scope["service_now"][name]
        bench.scope["service_now"][name] = value
        assert not bench.applies("restart"), name
        bench.scope["service_now"][name] = kept
    assert bench.applies("restart")
    assert not await bench.act("restart"), "no new task runs yet"
    assert revision(client) == "web:2", "the revision stays the same"


async def test_deployments_are_ended_by_who_makes_them(
    sessions: Sessions, service: Target, script: Script
) -> None:
    """CodeDeploy's with its own way back, a pause by its own hook: neither by an update."""
    bench = Bench("ecs-rollback", service, sessions, {"migration": "yes"})
    await bench.looked("before", "now")
    known = {
        "code_deploy": "d-1",
        "code_status": "InProgress",
        "goes_back": False,
        "replaces": "web:1",
        "brings": "web:2",
    }
    bench.scope["before"] |= known
    bench.scope["now"] |= {"code_deploy": "d-1", "old_running": 2}
    assert bench.applies("stop_code_deploy")
    for name, value in (("code_status", "Succeeded"), ("goes_back", True), ("replaces", "")):
        bench.scope["before"][name] = value
        assert not bench.applies("stop_code_deploy"), name
        bench.scope["before"] |= known
    assert not await bench.act("stop_code_deploy"), "the old task set does not serve yet"
    assert script.sent[-1] == ("stop", {"deploymentId": "d-1", "autoRollbackEnabled": True})
    pause = Bench("ecs-pause", service, sessions, {})
    await pause.looked("before", "now")
    assert not pause.applies("take_back"), "nothing waits"
    for look in ("before", "now"):
        pause.scope[look] |= {"hook": "h", "deployment": "arn:d"}
    assert pause.applies("take_back")
    await pause.act("take_back")
    sent = script.sent[-1]
    assert sent == (
        "continue",
        {"serviceDeploymentArn": "arn:d", "hookId": "h", "action": "ROLLBACK"},
    )


# instances ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def herd(client: Clients) -> list[str]:
    """The instances of a group with a hook on the way out."""
    ec2, scaling = client("ec2"), client("autoscaling")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.create_launch_template(
        LaunchTemplateName="herd", LaunchTemplateData={"ImageId": image, "InstanceType": "t3.small"}
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="herd",
        LaunchTemplate={"LaunchTemplateName": "herd", "Version": "1"},
        MinSize=1,
        MaxSize=4,
        DesiredCapacity=3,
        AvailabilityZones=["us-east-1a"],
    )
    scaling.put_lifecycle_hook(
        AutoScalingGroupName="herd",
        LifecycleHookName="drain",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
    )
    (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["herd"])[
        "AutoScalingGroups"
    ]
    return [each["InstanceId"] for each in group["Instances"]]


async def test_an_instance_that_waits_on_its_way_out_is_let_go_when_its_owner_says_so(
    sessions: Sessions, herd: list[str], script: Script
) -> None:
    script.waiting[herd[0]] = "Terminating:Wait"
    bench = Bench("asg-hooks", target("autoscaling_group", "herd"), sessions, {})
    await bench.looked("before", "now")
    for answer in ("no", "unknown"):
        assert not bench.answered(work=answer).applies("out")
    bench.answered(work="yes")
    assert [bench.applies(step) for step in ("out", "in")] == [True, False]
    assert not await bench.proved("out")
    assert await bench.act("out")
    asked = script.sent[-1][1]
    assert (asked["InstanceId"], asked["LifecycleHookName"]) == (herd[0], "drain")
    await bench.looked("now")
    assert not bench.applies("out"), "it waits no more"


async def test_an_instance_is_restarted_called_sick_or_ended_as_was_chosen(
    sessions: Sessions, client: Clients, herd: list[str]
) -> None:
    scaling = client("autoscaling")

    def health() -> str:
        told = scaling.describe_auto_scaling_instances(InstanceIds=[herd[1]])
        (one,) = told["AutoScalingInstances"]
        return str(one["HealthStatus"]).lower()

    bench = Bench("ec2-impaired", target("ec2_instance", herd[1]), sessions, {"choice": "restart"})
    await bench.looked("before", "now")
    await bench.asked("held")
    assert not bench.applies("restart"), "no check fails"
    bench.scope["now"]["failing"] = ["instance", "system"]
    assert not bench.applies("restart"), "its host is sick too: a restart leaves it there"
    bench.scope["now"]["failing"] = ["instance"]
    assert bench.applies("restart")
    assert await bench.act("restart")
    bench.answered(choice="replace")
    assert [bench.applies(step) for step in ("replace", "end", "restart")] == [True, False, False]
    assert not await bench.act("replace"), "the group has not ended it yet"
    assert health() == "unhealthy"
    assert await bench.act("replace", undo=True)
    assert health() == "healthy"
    bench.answered(choice="end")
    assert [bench.applies(step) for step in ("replace", "end")] == [False, True]
    assert not await bench.proved("end")
    assert await bench.act("end")
    (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["herd"])[
        "AutoScalingGroups"
    ]
    members = [each["InstanceId"] for each in group["Instances"]]
    assert herd[1] not in members
    assert len(members) == 3, "the group launches another"


# stages and buckets ------------------------------------------------------------------------------


async def test_a_canary_loses_its_share_and_gets_it_back(
    sessions: Sessions, client: Clients, script: Script
) -> None:
    api = client("apigateway")
    id_ = api.create_rest_api(name="shop")["id"]
    (root,) = api.get_resources(restApiId=id_)["items"]
    one = {"restApiId": id_, "resourceId": root["id"], "httpMethod": "GET"}
    api.put_method(**one, authorizationType="NONE")
    api.put_integration(**one, type="MOCK")
    served = api.create_deployment(restApiId=id_)["id"]
    api.create_stage(restApiId=id_, stageName="live", deploymentId=served)
    settings = ApiSettings(aws="prod", id=id_, stage="live")
    at = Target(name="shop", kind="api_gateway", settings=settings)
    bench = Bench("apigw-rollback", at, sessions, {"contract": "no"})
    await bench.looked("before", "now")
    assert not bench.applies("canary"), "clients would break"
    assert bench.answered(contract="unknown").applies("canary")
    assert not await bench.proved("canary")
    assert await bench.act("canary")
    assert script.canary["percentTraffic"] == 0
    await bench.looked("now")
    assert not bench.applies("canary"), "it gets nothing"
    assert not await bench.proved("canary", undo=True)
    assert await bench.act("canary", undo=True)
    assert script.canary["percentTraffic"] == 10


async def test_versions_are_kept_from_now_on(sessions: Sessions, client: Clients) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="bills")
    settings = BucketSettings(aws="prod", id="bills")
    bench = Bench(
        "s3-review", Target(name="bills", kind="s3_bucket", settings=settings), sessions, {}
    )
    await bench.looked("before")
    assert bench.applies("version")
    assert not await bench.proved("version")
    assert await bench.act("version")
    assert s3.get_bucket_versioning(Bucket="bills")["Status"] == "Enabled"
    assert not await bench.proved("version", undo=True)
    assert await bench.act("version", undo=True)
    assert s3.get_bucket_versioning(Bucket="bills")["Status"] == "Suspended"
