"""What the trade's runbooks do by hand, as steps with their known mistakes guarded, at moto."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, AwsActs, open_aws, open_aws_acts
from cockpit.connect.aws.settings import BucketSettings
from cockpit.errors import Misconfigured, Refused
from cockpit.runbooks.library import library
from cockpit.runbooks.step import Risk
from cockpit.runbooks.values import holds
from cockpit.triage.target import Target
from cockpit.world import layout
from probes.dynamodb.model import decrease
from tests.core.aws_stub import place
from tests.probes.fake_aws import target
from tests.probes.step_bench import Bench, fronted

pytestmark = pytest.mark.servers
Clients = Callable[[str], Any]
Sessions = tuple[Aws, AwsActs]
ACCOUNT = "123456789012"
AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
INVOKED: list[Any] = []


def _invoked(_: Any, asked: dict[str, Any]) -> dict[str, Any]:
    INVOKED.append(asked)
    return {"StatusCode": 202}


BULK = "arn:aws:dynamodb:us-east-1:123456789012:bulk-operation/01-put"
PUT = {"BulkOperationStatus": "IN_PROGRESS"}


def _cancelled(_: Any, asked: dict[str, Any]) -> dict[str, Any]:
    PUT["BulkOperationStatus"] = "CANCELLED"
    return {**asked, **PUT}


ANSWERS = {
    ("dynamodb", "CancelBulkOperation"): _cancelled,
    ("dynamodb", "DescribeBulkOperation"): lambda _, asked: {
        "BulkOperationDescription": {**asked, **PUT}
    },
    ("lambda", "Invoke"): _invoked,
}
"""What moto lacks, or runs in Docker."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with fronted(ANSWERS) as port:
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
    wanted = ("s3:ListBucketVersions", "s3:ListBucket")
    aws, acts = await open_aws(place(port), wanted=wanted), await open_aws_acts(place(port))
    yield aws, acts
    await aws.close()
    await acts.close()


def bucket(name: str, **settings: Any) -> Target:
    return Target(
        name=name, kind="s3_bucket", settings=BucketSettings(aws="prod", id=name, **settings)
    )


# objects and buckets -----------------------------------------------------------------------------


async def test_a_deleted_object_comes_back_and_no_version_is_ever_lost(
    sessions: Sessions, client: Clients
) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="papers")
    s3.put_bucket_versioning(Bucket="papers", VersioningConfiguration={"Status": "Enabled"})
    kept = s3.put_object(Bucket="papers", Key="day.pdf", Body=b"report")["VersionId"]
    s3.put_object(Bucket="papers", Key="day.pdf.old", Body=b"older")
    s3.delete_object(Bucket="papers", Key="day.pdf")
    bench = Bench("s3-undelete", bucket("papers"), sessions, {"key": "day.pdf"})
    await bench.asked("versions")
    assert bench.applies("restore")
    assert await bench.act("restore")
    assert s3.get_object(Bucket="papers", Key="day.pdf")["Body"].read() == b"report"
    await bench.asked("versions")
    assert not bench.applies("restore"), "no marker is on top of it"
    other = Bench("s3-undelete", bucket("papers"), sessions, {"key": "day.pdf.ol"})
    await other.asked("versions")
    assert not other.applies("restore"), "it is another key's"
    acts = sessions[1]
    with pytest.raises(Refused, match="no delete marker"):
        await acts.run("s3.DeleteObject", {"Bucket": "papers", "Key": "day.pdf", "VersionId": kept})
    assert await bench.act("restore", undo=True)
    s3.create_bucket(Bucket="once")
    s3.put_object(Bucket="once", Key="a", Body=b"only")
    with pytest.raises(Refused, match="keeps no versions"):
        await acts.run("s3.DeleteObject", {"Bucket": "once", "Key": "a"})
    assert s3.get_object(Bucket="once", Key="a")["Body"].read() == b"only"


async def test_an_access_log_goes_into_another_bucket(sessions: Sessions, client: Clients) -> None:
    client("s3").create_bucket(Bucket="plain")
    client("s3").create_bucket(
        Bucket="logs", ACL="log-delivery-write", ObjectOwnership="ObjectWriter"
    )
    itself = Bench("s3-review", bucket("plain"), sessions, {"where": "plain"})
    await itself.looked("before")
    assert not itself.applies("log"), "each line would make another"
    bench = Bench("s3-review", bucket("plain"), sessions, {"where": "logs"})
    await bench.looked("before")
    assert bench.applies("log")
    assert await bench.act("log")
    assert await bench.act("log", undo=True)


# rights ------------------------------------------------------------------------------------------

ASSUMED = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
)


def policy(action: str, resource: str = "arn:aws:s3:::papers/*") -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def function(client: Clients) -> str:
    """A function whose role has a path."""
    role = client("iam").create_role(
        RoleName="reports", Path="/service/night/", AssumeRolePolicyDocument=ASSUMED
    )["Role"]["Arn"]
    client("lambda").create_function(
        FunctionName="night",
        Runtime="python3.12",
        Role=role,
        Handler="a.b",
        Code={"ZipFile": b"x"},
        Timeout=10,
    )
    return "night"


async def test_a_role_gets_back_the_policy_that_was_detached_and_nothing_wider(
    sessions: Sessions, client: Clients, function: str
) -> None:
    iam = client("iam")
    arn = iam.create_policy(PolicyName="put", PolicyDocument=policy("s3:PutObject"))["Policy"][
        "Arn"
    ]
    night = target("lambda_function", function)
    bench = Bench("lambda-permissions", night, sessions, {"policy": arn})
    await bench.looked("denied")
    assert bench.scope["denied"]["role_name"] == "reports", "not what a cut after the first / gives"
    await bench.asked("attached")
    assert bench.applies("attach")
    assert await bench.act("attach")
    await bench.asked("attached")
    assert not bench.applies("attach")
    assert await bench.act("attach", undo=True)
    assert iam.list_attached_role_policies(RoleName="reports")["AttachedPolicies"] == []
    for wide in ("AdministratorAccess", "IAMFullAccess"):
        asked = {"RoleName": "reports", "PolicyArn": f"arn:aws:iam::aws:policy/{wide}"}
        with pytest.raises(Misconfigured, match="allows everything"):
            await sessions[1].run("iam.AttachRolePolicy", asked)


async def test_a_policy_gets_back_its_version_and_none_that_allows_everything(
    sessions: Sessions, client: Clients, function: str
) -> None:
    iam = client("iam")
    arn = iam.create_policy(PolicyName="get", PolicyDocument=policy("s3:GetObject"))["Policy"][
        "Arn"
    ]
    iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=policy("s3:ListBucket"), SetAsDefault=True
    )
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("*", "*"), SetAsDefault=False)
    night = target("lambda_function", function)
    bench = Bench("lambda-permissions", night, sessions, {"edited": arn, "version": "v1"})
    await bench.looked("denied")
    await bench.asked("versions")
    assert bench.applies("default")
    assert await bench.act("default")
    assert await bench.act("default", undo=True)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    acts, asked = sessions[1], {"PolicyArn": arn, "VersionId": "v3"}
    with pytest.raises(Refused, match="allows everything"):
        await acts.run("iam.SetDefaultPolicyVersion", asked)
    told = await acts.may("iam.SetDefaultPolicyVersion", asked)
    assert told.held is False, "the plan says it, before anybody types a name"
    assert "allows everything" in told.why


async def test_who_would_shut_himself_out_reads_it_in_the_plan(
    sessions: Sessions, client: Clients
) -> None:
    client("s3").create_bucket(Bucket="mine")
    deny = json.dumps(
        {
            "Statement": {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": ["arn:aws:s3:::mine", "arn:aws:s3:::mine/*"],
            }
        }
    )
    asked = {"Bucket": "mine", "Policy": deny}
    told = await sessions[1].may("s3.PutBucketPolicy", asked)
    assert told.held is False
    assert "would deny s3:PutBucketPolicy" in told.why


# what runs ---------------------------------------------------------------------------------------


async def test_a_report_is_made_again_by_a_real_run_that_its_owner_agreed_to(
    sessions: Sessions, client: Clients, function: str
) -> None:
    s3, night = client("s3"), target("lambda_function", function)
    s3.create_bucket(Bucket="reports")
    s3.put_object(Bucket="reports", Key="day/1.pdf", Body=b"1")
    made = bucket("reports", prefix="day/", prefix_every=3600.0)
    for answer in ("no", "unknown"):
        unsure = Bench("report-pipeline", made, sessions, {"again": answer, "event": "{}"}, night)
        await unsure.looked("last", "maker")
        assert not unsure.applies("invoke")
    bench = Bench("report-pipeline", made, sessions, {"again": "yes", "event": "{}"}, night)
    await bench.looked("last", "maker")
    assert bench.applies("invoke")
    assert not await bench.act("invoke"), "it was accepted, and nothing newer is there"
    s3.put_object(Bucket="reports", Key="day/2.pdf", Body=b"2")
    newest = datetime(2026, 11, 30, tzinfo=UTC)
    bench.scope["last"]["newest"] = newest.isoformat()
    assert await bench.act("invoke")
    assert len(INVOKED) == 2
    bench.scope["maker"]["reserved"] = 0
    assert not bench.applies("invoke"), "it is switched off"


async def test_one_task_is_stopped_and_never_the_last(sessions: Sessions, client: Clients) -> None:
    ecs = client("ecs")
    ecs.create_cluster(clusterName="lot")
    ecs.register_task_definition(
        family="web", containerDefinitions=[{"name": "web", "image": "web:1", "memory": 128}]
    )
    ecs.create_service(cluster="lot", serviceName="web", taskDefinition="web", desiredCount=2)
    service = target("ecs_service", "web", cluster="lot")
    bench = Bench("ecs-service-down", service, sessions, {})
    await bench.looked("before", "now")
    bench.scope["tasks"] = {"arns": ["arn:one"]}
    bench.scope["which"] = {"answer": "arn:one"}
    bench.scope["now"]["pending"] = 0
    assert not bench.applies("stop_task"), "it is the last one"
    bench.scope["tasks"] = {"arns": ["arn:one", "arn:two"]}
    assert bench.applies("stop_task")
    bench.scope["which"] = {"answer": "arn:of another service"}
    assert not bench.applies("stop_task")


async def test_a_sick_target_is_taken_out_where_healthy_ones_are_left(
    sessions: Sessions, client: Clients
) -> None:
    elb = client("elbv2")
    vpc = client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    arn = elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")[
        "TargetGroups"
    ][0]["TargetGroupArn"]
    ends = [{"Id": f"10.9.0.{n}", "Port": 8080} for n in (10, 11, 12)]
    elb.register_targets(TargetGroupArn=arn, Targets=ends)
    states = [
        {"id": each["Id"], "port": 8080, "state": state, "description": ""}
        for each, state in zip(ends, ("unhealthy", "healthy", "healthy"), strict=True)
    ]
    bench = Bench("targets-unhealthy", target("target_group", arn), sessions, {"owned": "no"})
    await bench.looked("look", "now", targets=states)
    assert bench.applies("deregister")
    for change in (
        {"now": {**bench.scope["now"], "left": 0}},
        {"now": {**bench.scope["now"], "unhealthy": 3}},
        {"look": {**bench.scope["look"], "open": 12.0}},
        {"owned": {"answer": "yes"}},
        {"owned": {"answer": "unknown"}},
    ):
        step, scope = bench.step("deregister"), {**bench.scope, **change}
        assert not all(holds(check.that, scope) for check in step.require), change
    assert await bench.act("deregister")
    there = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    gone = [each["Target"]["Id"] for each in there if each["TargetHealth"]["State"] != "draining"]
    assert "10.9.0.10" not in gone
    assert await bench.act("deregister", undo=True)


@pytest.fixture(scope="module")
def instance(client: Clients) -> Any:
    """An instance of a group of two, and its VPC."""
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
    held = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["herd"])
    id_ = held["AutoScalingGroups"][0]["Instances"][0]["InstanceId"]
    return ec2.describe_instances(InstanceIds=[id_])["Reservations"][0]["Instances"][0]


async def test_an_instance_is_protected_and_ended_by_what_was_chosen_only(
    sessions: Sessions, client: Clients, instance: Any
) -> None:
    at = target("ec2_instance", instance["InstanceId"])
    bench = Bench("ec2-impaired", at, sessions, {"choice": "protect"})
    await bench.looked("before", "now")
    await bench.asked("held")
    assert (bench.applies("protect"), bench.applies("end")) == (True, False)
    assert await bench.act("protect")
    assert await bench.act("protect", undo=True)
    end = Bench("ec2-impaired", at, sessions, {"choice": "end"})
    await end.looked("before", "now")
    await end.asked("held")
    assert (end.applies("protect"), end.applies("end")) == (False, True)
    assert end.step("end").risk is Risk.DESTRUCTIVE
    alone = client("ec2").run_instances(ImageId=instance["ImageId"], MinCount=1, MaxCount=1)
    own = target("ec2_instance", alone["Instances"][0]["InstanceId"])
    other = Bench("ec2-impaired", own, sessions, {"choice": "end"})
    await other.looked("before", "now")
    assert not other.applies("held"), "no group would launch another"


async def test_an_instance_is_kept_and_cut_off_and_its_group_does_not_end_it(
    sessions: Sessions, client: Clients, instance: Any
) -> None:
    ec2 = client("ec2")
    group = ec2.create_security_group(
        GroupName="shut", Description="nothing", VpcId=instance["VpcId"]
    )["GroupId"]
    at = target("ec2_instance", instance["InstanceId"])
    bench = Bench("isolate-instance", at, sessions, {"quarantine": group})
    await bench.looked("look")
    await bench.asked("before", "kept", "held", "shut")
    assert bench.applies("keep")
    assert await bench.act("keep")
    assert not bench.applies("isolate"), "the group lets everything out, as each new one does"
    rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=rules["IpPermissionsEgress"])
    await bench.asked("shut")
    assert not bench.applies("isolate"), "its group would end it"
    assert bench.applies("standby")
    assert await bench.act("standby")
    await bench.asked("held")
    assert bench.applies("isolate")
    assert await bench.act("isolate")
    assert await bench.act("isolate", undo=True)


# capacity ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "last", "may"),
    [
        (0, None, True),
        (3, AT - timedelta(seconds=5), True),
        (4, AT - timedelta(minutes=59), False),
        (4, AT - timedelta(minutes=61), True),
        (26, AT - timedelta(minutes=61), True),
        (27, AT - timedelta(hours=5), False),
        (5, None, False),
    ],
)
def test_a_table_takes_four_decreases_then_one_an_hour_and_27_a_day(
    today: int, last: datetime | None, may: bool
) -> None:
    assert decrease(AT, today, last)[0] is may
    guards = library().get("dynamodb-throttling").step("lower").require
    assert "now.may" in {guard.that for guard in guards}


async def test_capacity_is_given_back_while_the_table_takes_a_decrease(
    sessions: Sessions, client: Clients
) -> None:
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="carts",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    )
    table = target("dynamodb_table", "carts")
    bench = Bench("dynamodb-throttling", table, sessions, {"write": 20, "read": 5})
    await bench.looked("before", "now")
    assert bench.applies("raise")
    assert not bench.applies("lower"), "nothing was raised"
    assert await bench.act("raise")
    await bench.looked("now")
    assert bench.applies("lower")
    for bad in ({"may": False}, {"status": "UPDATING"}):
        step, scope = bench.step("lower"), {**bench.scope, "now": {**bench.scope["now"], **bad}}
        assert not all(holds(check.that, scope) for check in step.require), bad
    assert await bench.act("lower")
    assert await bench.act("lower", undo=True)


async def test_a_bulk_put_is_cancelled_when_its_owner_says_so(
    sessions: Sessions, client: Clients
) -> None:
    client("dynamodb").create_table(
        TableName="stock",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    )
    table, put = target("dynamodb_table", "stock"), {"arn": BULK, "status": "IN_PROGRESS"}
    for answer, running, applies in (
        ("no", put, False),
        ("unknown", put, False),
        ("yes", {}, False),
    ):
        bench = Bench("dynamodb-throttling", table, sessions, {"cancel_bulk_asked": answer})
        await bench.looked("before", bulk=[running] if running else [])
        assert bench.applies("cancel_bulk") is applies
    bench = Bench("dynamodb-throttling", table, sessions, {"cancel_bulk_asked": "yes"})
    await bench.looked("before", bulk=[{**put, "items": 7, "share": 0.25}])
    assert bench.applies("cancel_bulk")
    assert await bench.act("cancel_bulk")


async def test_a_class_is_changed_when_the_outage_was_agreed_on_and_nothing_is_pending(
    sessions: Sessions, client: Clients
) -> None:
    client("rds").create_db_instance(
        DBInstanceIdentifier="orders",
        DBInstanceClass="db.t3.medium",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="root",
        MasterUserPassword="not-to-be-seen",
    )
    orders, size = target("rds", "orders"), "db.r6g.large"
    for peak in ("no", "unknown"):
        unsure = Bench("rds-instance-down", orders, sessions, {"peak": peak, "class": size})
        await unsure.looked("look", "now")
        assert not unsure.applies("resize")
    bench = Bench("rds-instance-down", orders, sessions, {"peak": "yes", "class": size})
    await bench.looked("look", "now")
    assert bench.applies("resize")
    assert await bench.act("resize")
    assert await bench.act("resize", undo=True)
    bench.scope["now"]["waits"] = 1
    assert not bench.applies("resize"), "it would apply what waits for the window too"


# never -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("book", ["cache-failover", "database-failover"])
def test_the_same_revision_is_not_started_again_when_it_is_what_breaks(book: str) -> None:
    step = library().get(book).step("restart")
    (check,) = [each for each in step.require if "broken" in each.that]
    assert holds(check.that, {"service_now": {"broken": []}})
    assert not holds(check.that, {"service_now": {"broken": ["ECS_CRASH_LOOP"]}})


def test_no_runbook_promotes_a_replica_or_sets_a_group_to_zero() -> None:
    for book in library().runbooks:
        for step in book.steps:
            calls = {step.does, step.undo.does if step.undo else ""}
            assert not any("Promote" in call for call in calls), book.id
            for name in ("DesiredCapacity", "desiredCount", "MaxSize"):
                assert step.args.get(name) != 0, book.id
