"""Runbooks that no scenario follows, carried out at moto; what moto lacks is scripted here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, AwsActs, open_aws, open_aws_acts
from cockpit.connect.aws.settings import ApiSettings, WafSettings
from cockpit.errors import BlindError
from cockpit.triage.target import Target
from cockpit.world import layout
from tests.core.aws_stub import place
from tests.probes.fake_aws import target
from tests.probes.step_bench import Bench, fronted

pytestmark = pytest.mark.servers
Clients = Callable[[str], Any]
Sessions = tuple[Aws, AwsActs]
Asked = dict[str, Any]
NOW = datetime.now(UTC)


class Script:
    """A group's refreshes, an instance's wait and credits, an HTTP API's stage, a cache's roles."""

    def __init__(self) -> None:
        self.refreshes: list[Asked] = []
        self.waiting: set[str] = set()
        self.credits = "standard"
        self.stage = {"StageName": "live", "DeploymentId": "d2", "AutoDeploy": False}
        self.primary = "cache-001"

    def start(self, _: Any, asked: Asked) -> Asked:
        made = {
            "InstanceRefreshId": f"r{len(self.refreshes)}",
            "AutoScalingGroupName": asked["AutoScalingGroupName"],
            "Status": "InProgress",
            "PercentageComplete": 0,
            "StartTime": NOW.isoformat(),
        }
        self.refreshes.insert(0, made)
        return {"InstanceRefreshId": made["InstanceRefreshId"]}

    def ends(self, word: str) -> Callable[[Any, Asked], Asked]:
        def end(_: Any, __: Asked) -> Asked:
            self.refreshes[0]["Status"] = word
            return {"InstanceRefreshId": self.refreshes[0]["InstanceRefreshId"]}

        return end

    def complete(self, _: Any, asked: Asked) -> Asked:
        self.waiting.discard(asked["InstanceId"])
        return {}

    def groups(self, _: Any, __: Asked, told: Asked) -> Asked:
        for group in told["AutoScalingGroups"]:
            for each in group["Instances"]:
                if each["InstanceId"] in self.waiting:
                    each["LifecycleState"] = "Pending:Wait"
        return told

    def lend(self, _: Any, asked: Asked) -> Asked:
        (one,) = asked["InstanceCreditSpecifications"]
        self.credits = one["CpuCredits"]
        return {"SuccessfulInstanceCreditSpecifications": [{"InstanceId": one["InstanceId"]}]}

    def lent(self, _: Any, asked: Asked) -> Asked:
        filters = asked.get("Filters") or [{"Values": asked.get("InstanceIds", [])}]
        (id_,) = filters[0]["Values"]
        return {"InstanceCreditSpecifications": [{"InstanceId": id_, "CpuCredits": self.credits}]}

    def point(self, _: Any, asked: Asked) -> Asked:
        self.stage["DeploymentId"] = asked["DeploymentId"]
        return dict(self.stage)

    def fail_over(self, _: Any, __: Asked) -> Asked:
        self.primary = "cache-002"
        return {"ReplicationGroup": self._group()}

    def cache(self, _: Any, __: Asked) -> Asked:
        return {"ReplicationGroups": [self._group()]}

    def _group(self) -> Asked:
        members = [
            {
                "CacheClusterId": id_,
                "CacheNodeId": "0001",
                "PreferredAvailabilityZone": "us-east-1a",
                "CurrentRole": "primary" if id_ == self.primary else "replica",
            }
            for id_ in ("cache-001", "cache-002")
        ]
        node = {"NodeGroupId": "0001", "Status": "available", "NodeGroupMembers": members}
        return {
            "ReplicationGroupId": "cache",
            "Status": "available",
            "AutomaticFailover": "enabled",
            "MultiAZ": "enabled",
            "MemberClusters": ["cache-001", "cache-002"],
            "NodeGroups": [node],
            "ClusterEnabled": False,
        }

    @staticmethod
    def nodes(_: Any, __: Asked) -> Asked:
        return {
            "CacheClusters": [
                {
                    "CacheClusterId": id_,
                    "CacheClusterStatus": "available",
                    "Engine": "redis",
                    "CacheNodeType": "cache.t3.small",
                    "ReplicationGroupId": "cache",
                    "CacheNodes": [{"CacheNodeId": "0001", "CacheNodeStatus": "available"}],
                }
                for id_ in ("cache-001", "cache-002")
            ]
        }


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def port(script: Script) -> Iterator[int]:
    shown = lambda _, __: {"InstanceRefreshes": script.refreshes}  # noqa: E731
    answers = {
        ("autoscaling", "StartInstanceRefresh"): script.start,
        ("autoscaling", "CancelInstanceRefresh"): script.ends("Cancelling"),
        ("autoscaling", "RollbackInstanceRefresh"): script.ends("RollbackInProgress"),
        ("autoscaling", "DescribeInstanceRefreshes"): shown,
        ("autoscaling", "CompleteLifecycleAction"): script.complete,
        ("ec2", "ModifyInstanceCreditSpecification"): script.lend,
        ("ec2", "DescribeInstanceCreditSpecifications"): script.lent,
        ("apigatewayv2", "UpdateStage"): script.point,
        ("apigatewayv2", "GetStages"): lambda _, __: {"Items": [script.stage]},
        ("apigatewayv2", "GetDeployments"): lambda _, __: {
            "Items": [
                {
                    "DeploymentId": id_,
                    "DeploymentStatus": "DEPLOYED",
                    "CreatedDate": NOW.isoformat(),
                }
                for id_ in ("d2", "d1")
            ]
        },
        ("elasticache", "TestFailover"): script.fail_over,
        ("elasticache", "DescribeReplicationGroups"): script.cache,
        ("elasticache", "DescribeCacheClusters"): script.nodes,
        ("elasticache", "DescribeEvents"): lambda _, __: {"Events": []},
    }
    with fronted(answers, {("autoscaling", "DescribeAutoScalingGroups"): script.groups}) as port:
        yield port


@pytest.fixture(scope="module")
def client(port: int) -> Clients:
    import boto3

    session = boto3.Session()
    return lambda service: session.client(
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
def members(client: Clients) -> list[str]:
    """The instances of a group of two with a hook."""
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
        DesiredCapacity=2,
        AvailabilityZones=["us-east-1a", "us-east-1b"],
    )
    scaling.put_lifecycle_hook(
        AutoScalingGroupName="herd",
        LifecycleHookName="warm-up",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        HeartbeatTimeout=300,
        DefaultResult="ABANDON",
    )
    held = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["herd"])
    return [each["InstanceId"] for each in held["AutoScalingGroups"][0]["Instances"]]


async def test_a_group_is_renewed_step_by_step_and_a_bad_refresh_rolled_back_or_stopped(
    sessions: Sessions, members: list[str], script: Script
) -> None:
    herd = target("autoscaling_group", "herd")
    renew = Bench("asg-refresh", herd, sessions, {"choice": "renew"})
    await renew.looked("before", "now")
    assert [renew.applies(each) for each in ("renew", "back", "cancel")] == [True, False, False]
    assert not await renew.act("renew"), "it has begun, and is not at its end"
    assert script.refreshes[0]["Status"] == "InProgress"
    await renew.looked("now")
    assert not renew.applies("renew"), "one runs"
    for choice, step, word in (("back", "back", "Rollback"), ("cancel", "cancel", "Cancel")):
        script.refreshes[0]["Status"] = "InProgress"
        bench = Bench("asg-refresh", herd, sessions, {"choice": choice})
        await bench.looked("before", "now")
        assert bench.applies(step), step
        assert await bench.act(step)
        assert script.refreshes[0]["Status"].startswith(word)
    script.refreshes.clear()


async def test_an_instance_that_waits_for_its_hook_goes_on_when_its_owner_says_so(
    sessions: Sessions, members: list[str], script: Script
) -> None:
    herd = target("autoscaling_group", "herd")
    script.waiting.add(members[0])
    for answer in ("no", "unknown"):
        unsure = Bench("asg-hooks", herd, sessions, {"work": answer})
        await unsure.looked("before", "now")
        assert not unsure.applies("in")
    bench = Bench("asg-hooks", herd, sessions, {"work": "yes"})
    await bench.looked("before", "now")
    assert (bench.scope["before"]["instance"], bench.scope["before"]["coming"]) == (
        members[0],
        "warm-up",
    )
    assert (bench.applies("in"), bench.applies("out")) == (True, False)
    assert await bench.act("in")
    await bench.looked("now")
    assert not bench.applies("in"), "it waits no more"


async def test_a_timeout_is_changed_where_that_is_what_runs(
    sessions: Sessions, client: Clients
) -> None:
    role = client("iam").create_role(RoleName="pay", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client("lambda").create_function(
        FunctionName="pay",
        Runtime="python3.12",
        Role=role,
        Handler="a.b",
        Code={"ZipFile": b"x"},
        Timeout=30,
    )
    bench = Bench("lambda-timeouts", target("lambda_function", "pay"), sessions, {"size": 5})
    await bench.looked("before", "now")
    assert bench.applies("change")
    assert await bench.act("change")
    assert client("lambda").get_function_configuration(FunctionName="pay")["Timeout"] == 5
    assert await bench.act("change", undo=True)
    same = Bench("lambda-timeouts", target("lambda_function", "pay"), sessions, {"size": 30})
    await same.looked("before", "now")
    assert not same.applies("change")


async def test_a_canary_loses_its_share_and_a_person_names_the_version_that_nobody_knows(
    sessions: Sessions, client: Clients
) -> None:
    api = client("lambda")
    role = client("iam").create_role(RoleName="bill", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = {"ZipFile": b"x"}
    api.create_function(
        FunctionName="bill", Runtime="python3.12", Role=role, Handler="a.b", Code=code
    )
    versions = []
    for memory in (256, 512):
        api.update_function_configuration(FunctionName="bill", MemorySize=memory)
        versions.append(api.publish_version(FunctionName="bill")["Version"])
    old, new = versions
    shares = {"AdditionalVersionWeights": {old: 0.1}}
    api.create_alias(FunctionName="bill", Name="live", FunctionVersion=new, RoutingConfig=shares)

    def served() -> tuple[str, dict[str, float]]:
        told = api.get_alias(FunctionName="bill", Name="live")
        return told["FunctionVersion"], told.get("RoutingConfig", {}).get(
            "AdditionalVersionWeights", {}
        )

    at = target("lambda_function", "bill:live")
    bench = Bench("lambda-rollback", at, sessions, {"migration": "yes", "named": old})
    await bench.looked("before", "now")
    assert bench.scope["before"]["good"] == "", "no history says what served before"
    assert [bench.applies(step) for step in ("unshift", "rollback")] == [True, False]
    assert await bench.act("unshift")
    assert served() == (new, {})
    assert await bench.act("unshift", undo=True)
    assert served() == (new, {old: 0.1})
    await bench.looked("now")
    assert bench.applies("rollback_named")
    assert await bench.act("rollback_named")
    assert served() == (old, {})
    assert await bench.act("rollback_named", undo=True)
    assert served() == (new, {old: 0.1})
    for named, migration in ((new, "yes"), ("$LATEST", "yes"), ("", "yes"), (old, "no")):
        other = Bench("lambda-rollback", at, sessions, {"migration": migration, "named": named})
        await other.looked("before", "now")
        assert not other.applies("rollback_named"), named


async def test_a_stopped_database_is_started_and_a_full_one_grows(
    sessions: Sessions, client: Clients
) -> None:
    rds, ledger = client("rds"), target("rds", "ledger")
    rds.create_db_instance(
        DBInstanceIdentifier="ledger",
        DBInstanceClass="db.t3.medium",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="root",
        MasterUserPassword="not-to-be-seen",
    )
    for size, grows in ((20, False), (19, False), (30, True)):
        bench = Bench("rds-storage-full", ledger, sessions, {"size": size})
        await bench.looked("before", "now")
        assert bench.applies("grow") is grows
    assert await bench.act("grow")
    assert rds.describe_db_instances()["DBInstances"][0]["AllocatedStorage"] == 30
    bench.scope["now"]["pending"] = 1
    assert not bench.applies("grow"), "it would apply what waits for the window too"
    down = Bench("rds-instance-down", ledger, sessions, {})
    await down.looked("look")
    assert not down.applies("start"), "it runs"
    rds.stop_db_instance(DBInstanceIdentifier="ledger")
    await down.looked("look")
    assert down.applies("start")
    assert await down.act("start")


async def test_a_stream_gets_twice_its_shards_at_most(sessions: Sessions, client: Clients) -> None:
    client("kinesis").create_stream(StreamName="orders", ShardCount=2)
    orders = target("kinesis_stream", "orders")
    for size in (1, 2, 5):
        wrong = Bench("kinesis-throughput", orders, sessions, {"size": size})
        await wrong.looked("before", "now", refused=0)
        assert not wrong.applies("reshard"), size
    bench = Bench("kinesis-throughput", orders, sessions, {"size": 4})
    await bench.looked("before", "now")
    assert bench.applies("reshard")
    assert await bench.act("reshard")
    assert await bench.act("reshard", undo=True)


async def test_the_stage_of_an_http_api_is_pointed_back_unless_it_deploys_by_itself(
    sessions: Sessions, client: Clients, script: Script
) -> None:
    made = client("apigatewayv2").create_api(Name="shop", ProtocolType="HTTP")["ApiId"]
    settings = ApiSettings(aws="prod", id=made, stage="live")
    shop = Target(name="shop", kind="api_gateway", settings=settings)
    bench = Bench("apigw-rollback", shop, sessions, {"contract": "unknown"})
    known = {"previous_deployment": "d1", "previous_known_by": "CloudTrail"}
    await bench.looked("before", "now", **known)
    assert [bench.applies(each) for each in ("http", "rest", "canary")] == [True, False, False]
    assert await bench.act("http")
    assert script.stage["DeploymentId"] == "d1"
    assert await bench.act("http", undo=True)
    script.stage["AutoDeploy"] = True
    await bench.looked("before", "now", **known)
    assert not bench.applies("http"), "AWS refuses it, and the next edit would undo it"
    script.stage["AutoDeploy"] = False


async def test_an_address_is_blocked_beside_all_others_and_let_in_again(
    sessions: Sessions, client: Clients
) -> None:
    waf = client("wafv2")
    held = waf.create_ip_set(
        Name="bad", Scope="REGIONAL", IPAddressVersion="IPV4", Addresses=["1.1.1.1/32"]
    )["Summary"]
    seen = {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": "m"}
    acl = waf.create_web_acl(
        Name="shop",
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        VisibilityConfig=seen,
        Rules=[
            {
                "Name": "set",
                "Priority": 1,
                "Statement": {"IPSetReferenceStatement": {"ARN": held["ARN"]}},
                "Action": {"Block": {}},
                "VisibilityConfig": seen,
            }
        ],
    )["Summary"]["ARN"]
    settings = WafSettings(aws="prod", id=acl, samples=False)
    shop = Target(name="shop", kind="waf_acl", settings=settings)
    bench = Bench("block-source", shop, sessions, {"known": "no"})
    await bench.looked(
        "before", block_address="8.8.8.8/32", block_after=["1.1.1.1/32", "8.8.8.8/32"], sources=[]
    )
    assert bench.applies("block")
    first = bench.scope["before"]["lock"]
    assert await bench.act("block")
    assert bench.scope["block"]["lock"] not in {"", first}
    assert await bench.act("block", undo=True)
    with pytest.raises(BlindError, match="WAFOptimisticLock"):
        await bench.act("block")
    for answer in ("yes", "unknown"):
        bench.scope["known"] = {"answer": answer}
        assert not bench.applies("block")


async def test_an_instance_lends_credits_and_stops_lending(
    sessions: Sessions, members: list[str], script: Script
) -> None:
    bench = Bench("ec2-load", target("ec2_instance", members[1]), sessions, {})
    await bench.looked("before", "now")
    assert bench.applies("lend")
    assert await bench.act("lend")
    assert script.credits == "unlimited"
    assert await bench.act("lend", undo=True)
    script.credits = "unlimited"
    await bench.looked("before", "now")
    assert not bench.applies("lend")


async def test_tasks_get_longer_to_start(sessions: Sessions, client: Clients) -> None:
    ecs = client("ecs")
    ecs.create_cluster(clusterName="prod")
    ecs.register_task_definition(
        family="slow", containerDefinitions=[{"name": "web", "image": "web:1", "memory": 128}]
    )
    group = client("elbv2").create_target_group(
        Name="slow",
        Protocol="HTTP",
        Port=80,
        VpcId=client("ec2").create_vpc(CidrBlock="10.3.0.0/16")["Vpc"]["VpcId"],
        TargetType="ip",
    )["TargetGroups"][0]["TargetGroupArn"]
    ecs.create_service(
        cluster="prod",
        serviceName="slow",
        taskDefinition="slow",
        desiredCount=2,
        healthCheckGracePeriodSeconds=30,
        loadBalancers=[{"targetGroupArn": group, "containerName": "web", "containerPort": 80}],
    )
    service = target("ecs_service", "slow", cluster="prod")
    bench = Bench("ecs-health-kills", service, sessions, {"why": "slow", "seconds": 120})
    await bench.looked("before", "now")
    assert bench.scope["before"]["balanced"] == 1
    assert bench.applies("grace")
    await bench.act("grace")
    (sent,) = ecs.describe_services(cluster="prod", services=["slow"])["services"]
    assert sent["serviceName"] == "slow"
    for seconds in (10, 4000):
        wrong = Bench("ecs-health-kills", service, sessions, {"why": "slow", "seconds": seconds})
        await wrong.looked("before", "now")
        assert not wrong.applies("grace"), seconds


async def test_a_replica_takes_over_within_the_limits_of_a_test_failover(
    sessions: Sessions, script: Script
) -> None:
    cache = target("elasticache", "cache")
    for answer in ("no", "unknown"):
        unsure = Bench("cache-failover", cache, sessions, {"gone": answer})
        await unsure.looked("control")
        assert not unsure.applies("fail_over")
    bench = Bench("cache-failover", cache, sessions, {"gone": "yes"})
    await bench.looked("control")
    assert bench.applies("fail_over"), bench.scope["control"]
    for name, value in (
        ("tests", 15),
        ("replicas", 0),
        ("pending", 1),
        ("state", "modifying"),
        ("automatic", "disabled"),
        ("shards", 2),
    ):
        kept = bench.scope["control"][name]
        bench.scope["control"][name] = value
        assert not bench.applies("fail_over"), name
        bench.scope["control"][name] = kept
    assert await bench.act("fail_over")
    step = bench.step("fail_over")
    told = f"{step.prose} {step.effect}"
    assert "15 shards" in told
    assert "large event" in told
