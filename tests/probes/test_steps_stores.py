"""Steps of services, keys, workgroups, crawlers and paths that nothing else carries out: at moto."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, AwsActs
from cockpit.connect.aws.settings import BucketSettings, VpcEnd, VpcPathSettings, WorkgroupSettings
from cockpit.triage.target import Target
from cockpit.world import layout
from cockpit.world.front import Answerer
from tests.probes.fake_aws import target
from tests.probes.step_bench import Bench, Clients, clients, fronted, opened

pytestmark = pytest.mark.servers
Sessions = tuple[Aws, AwsActs]
Asked = dict[str, Any]
NOT_SURE = ("no", "unknown")


class Script:
    """A workgroup's state, how many tasks run, and how a crawl ended: moto knows none of them."""

    def __init__(self) -> None:
        self.state = "DISABLED"
        self.cutoff: int | None = None
        self.running = 0
        self.crawled: Asked = {}

    def update(self, _: Any, asked: Asked) -> Asked:
        self.state = asked.get("State", self.state)
        updates = asked.get("ConfigurationUpdates", {})
        self.cutoff = updates.get("BytesScannedCutoffPerQuery")
        return {}

    def group(self, _: Any, __: Asked, told: Asked) -> Asked:
        told["WorkGroup"]["State"] = self.state
        if self.cutoff is not None:
            limit = {"BytesScannedCutoffPerQuery": self.cutoff}
            told["WorkGroup"]["Configuration"] = {**told["WorkGroup"]["Configuration"], **limit}
        return told

    def services(self, _: Any, __: Asked, told: Asked) -> Asked:
        for service in told["services"]:
            service["runningCount"] = self.running
            service["pendingCount"] = service["desiredCount"] - self.running
        return told

    def crawl(self, _: Any, __: Asked) -> Asked:
        self.crawled["State"] = "RUNNING"
        return {}

    def stop(self, _: Any, __: Asked) -> Asked:
        self.crawled["State"] = "STOPPING"
        return {}

    def crawler(self, _: Any, __: Asked, told: Asked) -> Asked:
        return {"Crawler": {**told["Crawler"], **self.crawled}}


def by_arn(method: str) -> Answerer:
    """A call of KMS about a key's ARN, which moto takes by its id only."""

    def answer(_: Any, asked: Asked) -> Asked:
        from moto.backends import get_backend

        backend = get_backend("kms")[layout.ACCOUNT][layout.REGION]
        getattr(backend, method)(asked["KeyId"].rpartition("/")[2])
        return {}

    return answer


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def port(script: Script) -> Iterator[int]:
    amendments = {
        ("athena", "GetWorkGroup"): script.group,
        ("ecs", "DescribeServices"): script.services,
        ("glue", "GetCrawler"): script.crawler,
    }
    answers = {
        ("athena", "UpdateWorkGroup"): script.update,
        ("glue", "StartCrawler"): script.crawl,
        ("glue", "StopCrawler"): script.stop,
        ("kms", "CancelKeyDeletion"): by_arn("cancel_key_deletion"),
        ("kms", "EnableKey"): by_arn("enable_key"),
        ("kms", "DisableKey"): by_arn("disable_key"),
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


async def test_a_service_gets_more_tasks_and_never_fewer(
    sessions: Sessions, client: Clients, script: Script
) -> None:
    ecs = client("ecs")
    ecs.create_cluster(clusterName="prod")
    ecs.register_task_definition(
        family="web", containerDefinitions=[{"name": "web", "image": "web:1", "memory": 128}]
    )
    ecs.create_service(cluster="prod", serviceName="web", taskDefinition="web", desiredCount=2)
    script.running = 2

    def desired() -> int:
        (told,) = ecs.describe_services(cluster="prod", services=["web"])["services"]
        return int(told["desiredCount"])

    bench = Bench("ecs-service-down", target("ecs_service", "web", cluster="prod"), sessions, {})
    await bench.looked("before", "now")
    for count in (0, 1, 2):
        assert not bench.answered(count=count).applies("scale"), count
    assert bench.answered(count=4).applies("scale")
    assert not await bench.proved("scale")
    assert not await bench.act("scale"), "they are desired, and do not run"
    assert desired() == 4
    script.running = 4
    assert await bench.proved("scale")
    await bench.looked("now")
    assert not bench.applies("scale"), "somebody changed it meanwhile"
    assert await bench.act("scale", undo=True)
    assert desired() == 2


def encrypted(client: Clients, name: str) -> tuple[Target, str]:
    """A bucket that is encrypted with a key of its own, and the key."""
    key = client("kms").create_key()["KeyMetadata"]["KeyId"]
    client("s3").create_bucket(Bucket=name)
    by = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": by}]}
    client("s3").put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=rules)
    settings = BucketSettings(aws="prod", id=name)
    return Target(name=name, kind="s3_bucket", settings=settings), key


async def test_a_key_that_is_to_be_deleted_is_kept_and_one_that_is_disabled_enabled(
    sessions: Sessions, client: Clients
) -> None:
    kms = client("kms")
    at, key = encrypted(client, "vault")

    def state() -> str:
        return str(kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"])

    bench = Bench("s3-access-denied", at, sessions, {"right": "yes"})
    await bench.looked("before", "now")
    ways = ("keep_key", "enable_key")
    assert [bench.applies(step) for step in ways] == [False, False], "it is enabled"
    kms.schedule_key_deletion(KeyId=key)
    await bench.looked("now")
    assert not any(map(bench.answered(right="no").applies, ways))
    bench.answered(right="unknown")
    assert [bench.applies(step) for step in ways] == [True, False]
    assert not await bench.proved("keep_key")
    assert await bench.act("keep_key")
    assert state() == "Disabled"
    await bench.looked("now")
    assert not any(map(bench.answered(right="no").applies, ways))
    bench.answered(right="yes")
    assert [bench.applies(step) for step in ways] == [False, True]
    assert not await bench.proved("enable_key")
    assert await bench.act("enable_key")
    assert state() == "Enabled"
    assert not await bench.proved("enable_key", undo=True)
    assert await bench.act("enable_key", undo=True)
    assert state() == "Disabled"


@pytest.fixture(scope="module")
def workgroup(client: Clients) -> Target:
    """A workgroup, and the crawler of its table."""
    client("athena").create_work_group(Name="reports", Configuration={})
    client("glue").create_crawler(
        Name="daily",
        Role="arn:aws:iam::123456789012:role/crawl",
        DatabaseName="shop",
        Targets={"S3Targets": [{"Path": "s3://shop/"}]},
    )
    settings = WorkgroupSettings(aws="prod", id="reports", crawler="daily")
    return Target(name="reports", kind="athena_workgroup", settings=settings)


async def test_a_workgroup_takes_queries_again_when_whoever_disabled_it_says_so(
    sessions: Sessions, workgroup: Target, script: Script
) -> None:
    bench = Bench("athena-failed", workgroup, sessions, {})
    await bench.looked("look")
    for answer in NOT_SURE:
        assert not bench.answered(may=answer).applies("enable")
    assert bench.answered(may="yes").applies("enable")
    assert not await bench.proved("enable")
    assert await bench.act("enable")
    assert script.state == "ENABLED"
    await bench.looked("look")
    assert not bench.applies("enable"), "it is enabled"
    assert not await bench.proved("enable", undo=True)
    assert await bench.act("enable", undo=True)
    assert script.state == "DISABLED"


async def test_a_workgroup_gets_a_limit_of_what_a_query_may_scan(
    sessions: Sessions, workgroup: Target, script: Script
) -> None:
    bench = Bench("athena-slow", workgroup, sessions, {"waited": "no", "most": 10_000_000})
    await bench.looked("before")
    bench.scope["before"]["scanned"] = 9_000_000
    assert bench.applies("limit")
    assert not await bench.proved("limit")
    assert await bench.act("limit")
    assert script.cutoff == 10_000_000
    assert not await bench.proved("limit", undo=True)
    assert await bench.act("limit", undo=True)
    assert script.cutoff is None


async def test_a_crawler_is_started_when_it_leaves_columns_alone_and_proved_by_a_run_of_its_own(
    sessions: Sessions, workgroup: Target, script: Script
) -> None:
    before = datetime(2026, 11, 29, 3, tzinfo=UTC).timestamp()
    script.crawled = {"LastCrawl": {"Status": "SUCCEEDED", "StartTime": before}}
    bench = Bench("glue-schema", workgroup, sessions, {})
    await bench.looked("look")
    for answer in NOT_SURE:
        assert not bench.answered(crawling=answer).applies("crawl")
    assert bench.answered(crawling="yes").applies("crawl")
    assert not await bench.proved("crawl"), "the last run is the one from before"
    assert not await bench.act("crawl"), "it runs"
    assert script.crawled["State"] == "RUNNING"
    await bench.looked("look")
    assert not bench.applies("crawl"), "it runs"
    script.crawled = {
        "State": "READY",
        "LastCrawl": {"Status": "SUCCEEDED", "StartTime": before + 86_400},
    }
    bench.scope["look"]["crawled"] = datetime.fromtimestamp(before, UTC).isoformat()
    assert await bench.proved("crawl")
    assert await bench.act("crawl", undo=True)
    assert script.crawled["State"] == "STOPPING"


async def test_one_flow_is_let_out_again_and_exactly_its_rule_taken_back(
    sessions: Sessions, client: Clients
) -> None:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)["Subnet"]["SubnetId"]
        for cidr in ("10.7.1.0/24", "10.7.2.0/24")
    ]
    app, db = (
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        for name in ("app", "db")
    )
    flow = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
    ec2.authorize_security_group_ingress(
        GroupId=db, IpPermissions=[{**flow, "UserIdGroupPairs": [{"GroupId": app}]}]
    )
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_egress(GroupId=app, IpPermissions=everything)
    kept = [{**flow, "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.7.2.0/24"}]}]
    ec2.authorize_security_group_egress(GroupId=app, IpPermissions=kept)

    def rules() -> list[tuple[int, str]]:
        (told,) = ec2.describe_security_groups(GroupIds=[app])["SecurityGroups"]
        return [(each["FromPort"], json.dumps(each)) for each in told["IpPermissionsEgress"]]

    settings = VpcPathSettings(
        aws="prod",
        source=VpcEnd(security_group=app, subnet=subnets[0]),
        destination=VpcEnd(security_group=db, subnet=subnets[1]),
        port=5432,
    )
    path = Target(name="app-db", kind="vpc_path", settings=settings)
    bench = Bench("path-security-group", path, sessions, {"asked": "no"})
    await bench.looked("cut")
    assert bench.scope["cut"]["out_group"] == app
    assert not bench.applies("allow_out"), "it was meant"
    bench.answered(asked="unknown")
    assert [bench.applies(step) for step in ("allow_out", "allow")] == [True, False]
    assert not await bench.proved("allow_out")
    assert await bench.act("allow_out")
    assert [port for port, _ in rules()] == [443, 5432]
    assert db in rules()[1][1], "to the group of the other end, and not to the world"
    assert not await bench.proved("allow_out", undo=True)
    assert await bench.act("allow_out", undo=True)
    assert [port for port, _ in rules()] == [443]
    world = [{"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    bench.scope["cut"]["out_permissions"] = world
    assert not bench.applies("allow_out")
