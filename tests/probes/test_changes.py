"""What somebody changed: calls in, words and findings out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.settings import ChangesSettings
from cockpit.errors import BlindError, Reason
from cockpit.triage import recording
from cockpit.triage.target import Target
from probes.changes import definition_diff, feed, policy_diff, view
from probes.changes.model import Snapshot
from probes.changes.settings import Settings
from tests.probes.fake_aws import AT, FakeAws, ago

SG = "sg-0ab1c2d3"
Row = dict[str, Any]
EARLIER = ago(minutes=20)


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def target(id_: str = "", hours: float = 1.0) -> Target:
    return Target(
        name="changes", kind="changes", settings=ChangesSettings(aws="prod", id=id_, hours=hours)
    )


def row(
    name: str,
    at: datetime = EARLIER,
    *,
    source: str = "ec2",
    parameters: Mapping[str, object] | None = None,
    answer: Mapping[str, object] | None = None,
    identity: Mapping[str, object] | None = None,
    resource: str = "",
    error: str = "",
    reads: bool = False,
    **more: object,
) -> Row:
    """One of `LookupEvents`, in CloudTrail's own spelling."""
    told = {
        "userIdentity": identity or {"type": "IAMUser", "userName": "bob"},
        "requestParameters": dict(parameters or {}),
        "responseElements": dict(answer or {}),
        "sourceIPAddress": "198.51.100.23",
        "userAgent": "aws-cli/2",
        **({"errorCode": error} if error else {}),
        **more,
    }
    return {
        "EventId": f"{name} {at.isoformat()} {resource}",
        "EventName": name,
        "EventTime": at,
        "EventSource": f"{source}.amazonaws.com",
        "Username": (identity or {"userName": "bob"}).get("userName", "bob"),
        "ReadOnly": str(reads).lower(),
        "Resources": [{"ResourceName": resource}] if resource else [],
        "CloudTrailEvent": json.dumps(told, default=str),
    }


def rule(way: str = "ingress", **ends: object) -> dict[str, object]:
    return {
        "groupId": SG,
        "ipPermissions": {
            "items": [{"ipProtocol": "tcp", "fromPort": 5432, "toPort": 5432, **ends}]
        },
    }


FROM_GROUP: dict[str, Any] = {"groups": {"items": [{"groupId": "sg-0ff2"}]}}
REVOKED = row("RevokeSecurityGroupIngress", parameters=rule(**FROM_GROUP))


async def look(
    *rows: Row, others: Mapping[str, Any] | None = None, aws: FakeAws | None = None, **of: Any
) -> Snapshot:
    answers = {"cloudtrail.LookupEvents": list(rows), **(others or {})}
    return await feed.collect(aws or FakeAws(answers), target(**of))


async def told(*rows: Row, **of: Any) -> list[str]:
    return [each.summary for each in view.changes(await look(*rows, **of), "changes")]


@pytest.mark.parametrize(
    ("event", "summary"),
    [
        pytest.param(REVOKED, f"security group {SG}: − tcp 5432 from sg-0ff2", id="a rule less"),
        pytest.param(
            row(
                "AuthorizeSecurityGroupEgress",
                parameters=rule(ipRanges={"items": [{"cidrIp": "10.0.0.0/8"}]}),
            ),
            f"security group {SG}: + tcp 5432 to 10.0.0.0/8",
            id="a rule more",
        ),
        pytest.param(
            row(
                "RevokeSecurityGroupIngress",
                parameters={"groupId": SG, "securityGroupRuleIds": {"items": []}},
                answer={
                    "revokedSecurityGroupRuleSet": {
                        "items": [
                            {"ipProtocol": "-1", "cidrIpv4": "10.0.0.0/8", "fromPort": -1}
                        ]
                    }
                },
            ),
            f"security group {SG}: − everything from 10.0.0.0/8",
            id="a rule by its id",
        ),
        pytest.param(
            row(
                "ReplaceNetworkAclEntry",
                parameters={
                    "networkAclId": "acl-1", "ruleNumber": 90, "ruleAction": "deny",
                    "egress": False, "cidrBlock": "0.0.0.0/0",
                },
            ),
            "network ACL acl-1: replace in rule 90 deny 0.0.0.0/0",
            id="an ACL",
        ),
        pytest.param(
            row(
                "DeleteRoute",
                parameters={"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0"},
            ),
            "route table rtb-1: − 0.0.0.0/0",
            id="a route",
        ),
        pytest.param(
            row(
                "UpdateService",
                source="ecs",
                parameters={
                    "service": "checkout", "cluster": "shop",
                    "taskDefinition": "arn:aws:ecs:us-east-1:1:task-definition/checkout:42",
                },
            ),
            "UpdateService checkout: deployment of checkout:42",
            id="a deployment",
        ),
        pytest.param(
            row("UpdateService", source="ecs", parameters={"service": "web", "desiredCount": 4}),
            "UpdateService web: desired 4",
            id="a scaling",
        ),
        pytest.param(
            row(
                "UpdateAlias20150331",
                source="lambda",
                parameters={"functionName": "pay", "name": "live", "functionVersion": "18"},
            ),
            "alias live of pay → version 18",
            id="an alias, whose call carries a date",
        ),
        pytest.param(
            row(
                "ModifyCacheParameterGroup",
                source="elasticache",
                parameters={
                    "cacheParameterGroupName": "cache-params",
                    "parameterNameValues": [
                        {"parameterName": "timeout", "parameterValue": "300"}
                    ],
                },
            ),
            "parameter group cache-params: timeout = 300",
            id="a parameter group",
        ),
        pytest.param(
            row(
                "ChangeResourceRecordSets",
                source="route53",
                parameters={
                    "hostedZoneId": "Z1",
                    "changeBatch": {
                        "changes": [
                            {
                                "action": "UPSERT",
                                "resourceRecordSet": {"name": "shop.example.", "type": "A"},
                            }
                        ]
                    },
                },
            ),
            "zone Z1: upsert shop.example. A",
            id="a record",
        ),
        pytest.param(
            row("DetachRolePolicy", source="iam",
                parameters={"roleName": "task", "policyArn": "arn:aws:iam::1:policy/orders"}),
            "task: policy detached orders",
            id="a right less",
        ),
        pytest.param(
            row("CreateQuantumTask", source="braket", resource="q-1"),
            "CreateQuantumTask q-1",
            id="a call that no table has",
        ),
        pytest.param(
            row("DeleteTable", source="dynamodb", parameters={"tableName": "carts"},
                error="AccessDenied"),
            "DeleteTable refused (AccessDenied): DeleteTable carts",
            id="a refused one",
        ),
    ],
)  # fmt: skip
async def test_a_call_is_told_in_words(event: Row, summary: str) -> None:
    assert await told(event) == [summary]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(row("CreateLogStream", source="logs"), id="a log stream"),
        pytest.param(row("AssumeRoleWithSAML", source="sts"), id="a token"),
        pytest.param(row("TagResource", source="ecs"), id="a tag"),
        pytest.param(row("DescribeServices", source="ecs", reads=True), id="a read"),
        pytest.param(
            row(
                "RunInstances",
                identity={"type": "AssumedRole", "invokedBy": "autoscaling.amazonaws.com"},
            ),
            id="what auto scaling does all day",
        ),
    ],
)
async def test_noise_is_no_change(event: Row) -> None:
    assert await told(event) == []


@pytest.mark.parametrize(
    ("identity", "more", "actor", "by"),
    [
        pytest.param({"type": "Root"}, {}, "root", "root", id="root"),
        pytest.param(
            {
                "type": "AssumedRole", "userName": "alice",
                "sessionContext": {"sessionIssuer": {"userName": "Admin"}},
            },
            {"sessionCredentialFromConsole": "true"},
            "alice as Admin", "person", id="a person in the console",
        ),
        pytest.param(
            {
                "type": "AssumedRole", "userName": "run-17",
                "sessionContext": {"sessionIssuer": {"userName": "deployer"}},
            },
            {}, "run-17 as deployer", "pipeline", id="a pipeline",
        ),
        pytest.param(
            {"type": "IAMUser", "userName": "bob"}, {}, "bob", "", id="a user, whoever has the key"
        ),
        pytest.param(
            {
                "type": "AssumedRole", "userName": "s",
                "sessionContext": {"sessionIssuer": {"userName": "AWSServiceRoleForECS"}},
            },
            {}, "s as AWSServiceRoleForECS", "service", id="a service's own role",
        ),
    ],
)  # fmt: skip
async def test_who_did_it_is_told_as_far_as_it_is_known(
    identity: dict[str, object], more: dict[str, Any], actor: str, by: str
) -> None:
    event = row("DeleteRoute", parameters={"routeTableId": "rtb-1"}, identity=identity, **more)
    (change,) = view.changes(await look(event), "changes")
    assert (change.actor, change.by) == (actor, by)


async def test_text_of_others_is_harmless_and_never_markup() -> None:
    event = row(
        "DeleteTable\x1b[2J",
        source="dynamodb",
        parameters={"tableName": "[/b]\x1b[31m\u202e"},
        identity={"type": "IAMUser", "userName": "[red]eve\x07"},
    )
    (change,) = view.changes(await look(event), "changes")
    words = f"{change.summary} {change.actor} {change.resource} {' '.join(change.details)}"
    assert words.isprintable()
    assert "[red]eve" in change.actor


OLD = {"Statement": [{"Sid": "R", "Effect": "Allow", "Action": "s3:GetObject",
                      "Resource": "arn:aws:s3:::site/*", "Principal": {"AWS": "arn:aws:iam::1:root"}}]}  # fmt: skip
NEW = {"Statement": [{"Sid": "R", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
                      "Resource": "arn:aws:s3:::site/*", "Principal": "*"}]}  # fmt: skip


async def test_a_table_of_the_catalog_is_named_by_what_it_is_changed_into() -> None:
    asked = {"databaseName": "logs", "tableInput": {"name": "access"}}
    (change,) = view.changes(await look(row("UpdateTable", source="glue", parameters=asked)), "c")
    assert (change.kind, change.resource) == ("glue.table", "access")


def test_a_policy_differs_by_its_statements() -> None:
    assert policy_diff.policy(OLD, json.dumps(NEW)) == (
        "− Allow s3:GetObject on arn:aws:s3:::site/* to arn:aws:iam::1:root",
        "+ Allow s3:GetObject, s3:PutObject on arn:aws:s3:::site/* to everybody",
    )
    assert policy_diff.policy(OLD, OLD) == ("the same statements as before",)
    assert policy_diff.public_statement(NEW)
    assert not policy_diff.public_statement(OLD)


@pytest.mark.parametrize("document", ["{", "[]", None, 7, {"Statement": [3, None]}, {}])
def test_what_is_no_policy_is_no_crash(document: object) -> None:
    assert policy_diff.policy(OLD, document)[0].startswith("−")
    assert policy_diff.public_statement(document) == ""


def put(at: datetime, document: object) -> Row:
    parameters = {"bucketName": "site", "bucketPolicy": document}
    return row("PutBucketPolicy", at, source="s3", parameters=parameters, resource="site")


async def test_a_policy_is_compared_with_the_call_that_set_it_before() -> None:
    old, new = put(ago(days=40), OLD), put(ago(minutes=20), NEW)

    def answer(**asked: Any) -> list[Row]:
        by_name = asked["LookupAttributes"][0]["AttributeKey"] == "ResourceName"
        return [old] if by_name else [new]

    snapshot = await look(others={"cloudtrail.LookupEvents": answer})
    (change,) = view.changes(snapshot, "changes")
    assert change.summary.startswith("bucket site: put bucket policy, open to everybody")
    assert change.details[0].startswith("− Allow s3:GetObject on")


async def test_a_policy_without_a_call_before_says_so() -> None:
    (change,) = view.changes(await look(put(ago(minutes=20), NEW)), "changes")
    assert change.details[0] == "what it was before is not in the last 90 days of CloudTrail"
    assert change.details[1].startswith("now: Allow")


def definition(**container: object) -> dict[str, object]:
    return {
        "cpu": "256",
        "taskRoleArn": "arn:aws:iam::1:role/task",
        "containerDefinitions": [{"name": "web", "image": "shop:1", **container}],
    }


def test_a_task_definition_differs_without_any_value_of_an_environment() -> None:
    before = definition(
        environment=[{"name": "DB_URL", "value": "•••"}],
        portMappings=[{"containerPort": 80}],
        healthCheck={"interval": 30},
    )
    after = {
        **definition(
            image="shop:2",
            environment=[{"name": "DB_POOL", "value": "hunter2"}],
            portMappings=[{"containerPort": 8080}],
            healthCheck={"interval": 5, "retries": 1},
        ),
        "taskRoleArn": "arn:aws:iam::1:role/other",
    }
    told = definition_diff.task_definition(before, after)
    assert told[:-1] == (
        "task role: task → other",
        "web image: shop:1 → shop:2",
        "web ports: 80/tcp → 8080/tcp",
        "web health check: interval 30 → interval 5, retries 1",
        "+ web variable DB_POOL",
        "− web variable DB_URL",
    )
    assert "never read" in told[-1]
    assert "hunter2" not in " ".join(told)


DEPLOYED = row(
    "UpdateService",
    source="ecs",
    parameters={"service": "checkout", "cluster": "shop", "taskDefinition": "checkout:42"},
)
DEPLOYMENTS: dict[str, Any] = {
    "ecs.ListServiceDeployments": [
        {
            "serviceDeploymentArn": "d-2",
            "targetServiceRevisionArn": "r-2",
            "createdAt": ago(minutes=20),
        }
    ],
    "ecs.DescribeServiceDeployments": [
        {"serviceDeploymentArn": "d-2", "sourceServiceRevisions": [{"arn": "r-1"}]}
    ],
    "ecs.DescribeServiceRevisions": [
        {"serviceRevisionArn": "r-1", "taskDefinition": "td/checkout:41"},
        {"serviceRevisionArn": "r-2", "taskDefinition": "td/checkout:42"},
    ],
    "ecs.DescribeTaskDefinition": [
        {"taskDefinitionArn": "td/checkout:41", **definition(image="shop:1")},
        {"taskDefinitionArn": "td/checkout:42", **definition(image="shop:2")},
    ],
}


async def test_a_deployment_tells_what_it_changed() -> None:
    (change,) = view.changes(await look(DEPLOYED, others=DEPLOYMENTS), "changes")
    assert change.details[:2] == (
        "task definition checkout:41 → checkout:42",
        "web image: shop:1 → shop:2",
    )


def images(arn: str, digest: str) -> Row:
    return {
        "serviceRevisionArn": arn,
        "taskDefinition": "td/checkout:42",
        "containerImages": [
            {"containerName": "web", "image": "shop:latest", "imageDigest": f"sha256:{digest * 64}"}
        ],
    }


async def test_a_tag_that_was_moved_under_the_same_definition_is_seen() -> None:
    revisions = {"ecs.DescribeServiceRevisions": [images("r-1", "a"), images("r-2", "b")]}
    snapshot = await look(DEPLOYED, others={**DEPLOYMENTS, **revisions})
    assert [each.code for each in feed.PROBE.diagnose(snapshot, Settings())] == [
        "IMAGE_DIGEST_CHANGED"
    ]
    (change,) = view.changes(snapshot, "changes")
    assert "digest aaaaaaaaaaaa → bbbbbbbbbbbb" in change.details[0]


# -- what it costs, and what it does not see ----------------------------------------------------


def paged(many: int) -> Callable[..., Mapping[str, Any]]:
    """A flood: pages that never end, each older than the one before."""
    asked: list[str] = []

    def answer(**given: Any) -> Mapping[str, Any]:
        attribute = given["LookupAttributes"][0]
        asked.append(attribute["AttributeKey"])
        if attribute["AttributeKey"] == "EventName":
            found = [DEPLOYED] if attribute["AttributeValue"] == "UpdateService" else []
            return {"Events": found}
        page = int(str(given.get("NextToken", "0")))
        flood = row("PutParameter", ago(minutes=page + 1), source="ssm",
                    parameters={"name": f"p{page}"})  # fmt: skip
        return {"Events": [flood], **({"NextToken": str(page + 1)} if page < many else {})}

    return answer


async def test_a_flood_is_read_for_six_pages_and_then_asked_by_name() -> None:
    aws = FakeAws({"cloudtrail.LookupEvents": paged(100), **DEPLOYMENTS})
    snapshot = await look(aws=aws)
    assert snapshot.trail is not None
    assert snapshot.trail.whole_from == ago(minutes=6)
    assert "UpdateService" in snapshot.trail.asked
    assert "UpdateService checkout: deployment of checkout:42" in [
        each.summary for each in view.changes(snapshot, "changes")
    ]
    blind = next(iter(feed.PROBE.diagnose(snapshot, Settings())))
    assert blind.code == "CHANGE_HISTORY_BLIND"
    assert "too many calls" in blind.summary


async def test_the_second_look_reads_only_what_may_be_new() -> None:
    aws = FakeAws({"cloudtrail.LookupEvents": [REVOKED]})
    first = await look(aws=aws)
    again = await look(aws=aws)
    asked = [given for name, given in aws.calls if name == "cloudtrail.LookupEvents"]
    assert len(asked) == 2
    assert asked[0]["StartTime"] == ago(hours=1, seconds=30)
    assert asked[1]["StartTime"] == AT - timedelta(minutes=16)
    assert again.trail is not None
    assert first.trail is not None
    assert again.trail.events == first.trail.events


async def test_one_resource_is_asked_for_by_its_name() -> None:
    aws = FakeAws({"cloudtrail.LookupEvents": [REVOKED]})
    await look(aws=aws, id_=SG, hours=24)
    assert aws.calls[0][1]["LookupAttributes"] == [
        {"AttributeKey": "ResourceName", "AttributeValue": SG}
    ]


DENIED = BlindError(Reason.DENIED, "not authorized: cloudtrail:LookupEvents")


async def test_without_cloudtrail_it_says_so_first() -> None:
    snapshot = await look(others={"cloudtrail.LookupEvents": DENIED})
    found = list(feed.PROBE.diagnose(snapshot, Settings()))
    assert [(each.code, each.severity.value) for each in found] == [
        ("CHANGE_HISTORY_BLIND", "warning")
    ]
    assert next(each.text for each in view.facts(snapshot, Settings())) == "CloudTrail?"
    (table, *_) = view.tables(snapshot, Settings())
    assert "who changed what is unknown" in table.note[0]
    assert feed.lacks(snapshot)


async def test_when_no_history_can_be_read_the_look_is_blind() -> None:
    every = dict.fromkeys(("cloudtrail.LookupEvents", "autoscaling.DescribeAutoScalingGroups", "cloudformation.ListStacks", "codedeploy.ListDeployments", "lambda.ListFunctions", "route53.ListHostedZones"), DENIED)  # fmt: skip
    with pytest.raises(BlindError, match="LookupEvents") as caught:
        await look(others=every)
    assert caught.value.reason is Reason.DENIED


async def test_a_quiet_trail_is_complete_only_until_fifteen_minutes_ago() -> None:
    (table, *_) = view.tables(await look(), Settings())
    assert table.headline == "0 changes since 02:00 · CloudTrail complete until 02:45"


async def test_a_look_can_be_recorded_and_read_again() -> None:
    snapshot = await look(REVOKED, DEPLOYED, others=DEPLOYMENTS)
    assert recording.decode(recording.encode(snapshot), Snapshot) == snapshot
