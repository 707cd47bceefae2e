"""What a triage session may call, proved at the table, in botocore, and on the wire."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from botocore.model import ServiceModel

import cockpit
from cockpit.connect.aws import clients, reads
from cockpit.connect.aws.loader import ModelLoader
from cockpit.connect.aws.sessions import ACTS_LOADER
from cockpit.errors import Refused
from tests.core.aws_stub import Reply, Request, reading, stubbed, tag, xml


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")


@pytest.mark.parametrize("table", [reads.ALLOW, reads.CONSENT, reads.SECRET, reads.ACTING])
def test_every_entry_is_an_operation_of_the_service_model(
    table: Mapping[str, frozenset[str]],
) -> None:
    loader = ModelLoader()  # with the operations that botocore lacks
    for service, operations in table.items():
        names = ServiceModel(loader.load_service_model(service, "service-2")).operation_names
        known = set(names) | {"InvokeAsync", "ExecuteSql"}  # some botocores dropped these
        assert operations <= known, (service, operations - known)


def test_the_list_is_the_one_that_was_checked() -> None:
    allowed = sum(len(operations) for operations in reads.ALLOW.values())
    consented = sum(len(operations) for operations in reads.CONSENT.values())
    assert allowed + consented == 277


@pytest.mark.parametrize("dangerous", [reads.SECRET, reads.ACTING])
def test_nothing_dangerous_is_on_the_list(dangerous: Mapping[str, frozenset[str]]) -> None:
    for service, operations in dangerous.items():
        assert not operations & reads.ALLOW.get(service, frozenset()), service
        assert not operations & reads.CONSENT.get(service, frozenset()), service


def test_consent_and_list_are_apart() -> None:
    for service, operations in reads.CONSENT.items():
        assert not operations & reads.ALLOW.get(service, frozenset()), service


def test_no_entry_has_a_verb_that_changes_something() -> None:
    changing = re.compile(
        r"^(Create|Delete|Put|Update|Modify|Start|Stop|Run|Terminate|Invoke|Send|Publish|Set)"
    )
    for service, operations in reads.ALLOW.items():
        assert not [name for name in operations if changing.match(name)], service


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("ecs", "DescribeServices", "ecs:DescribeServices"),
        ("elbv2", "DescribeTargetHealth", "elasticloadbalancing:DescribeTargetHealth"),
        ("s3", "ListBuckets", "s3:ListAllMyBuckets"),
        ("s3", "GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
        ("s3control", "GetPublicAccessBlock", "s3:GetAccountPublicAccessBlock"),
        ("apigatewayv2", "GetApis", "apigateway:GET"),
        ("service-quotas", "GetServiceQuota", "servicequotas:GetServiceQuota"),
        ("resourcegroupstaggingapi", "GetResources", "tag:GetResources"),
        ("lambda", "Invoke", "lambda:InvokeFunction"),
    ],
)
def test_the_iam_action_is_not_always_the_operation(
    service: str, operation: str, action: str
) -> None:
    assert reads.iam_action(service, operation) == action


def test_actions_are_told_for_some_operations_or_for_all() -> None:
    assert reads.iam_actions(["rds.DescribeEvents", "elbv2.DescribeTags"]) == (
        "elasticloadbalancing:DescribeTags",
        "rds:DescribeEvents",
    )
    assert "dynamodb:DescribeTable" in reads.iam_actions()


@pytest.mark.parametrize(
    ("service", "operation", "consent"),
    [
        ("ecs", "UpdateService", ()),
        ("secretsmanager", "GetSecretValue", ("secretsmanager.GetSecretValue",)),
        ("elasticache", "TestFailover", ()),
        ("nonsense", "Anything", ()),
        ("logs", "StartQuery", ()),
        ("logs", "StartQuery", ("logs.GetQueryResults",)),
    ],
)
def test_default_is_deny_and_consent_reaches_no_further_than_its_list(
    service: str, operation: str, consent: tuple[str, ...]
) -> None:
    with pytest.raises(Refused):
        reads.check(service, operation, frozenset(consent))


def test_lines_of_logs_are_read_within_bounds_only() -> None:
    whole = {"startTime": 1, "endTime": 2, "limit": 100}
    reads.check_bounds("logs", "DescribeLogGroups", {})
    for operation in ("FilterLogEvents", "StartQuery"):
        reads.check_bounds("logs", operation, whole)
        for name in whole:
            less = {key: value for key, value in whole.items() if key != name}
            with pytest.raises(Refused, match=name):
                reads.check_bounds("logs", operation, less)


def test_a_place_without_logs_reads_no_line_in_any_way() -> None:
    content = {f"logs:{operation}" for operation in reads.CONSENT["logs"]}
    assert content == reads.LOG_LINES


def test_consent_lets_one_operation_through() -> None:
    reads.check("logs", "StartQuery", frozenset({"logs.StartQuery"}))


async def test_the_guard_stops_direct_calls_and_paginators_before_anything_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clients, "LOADER", ACTS_LOADER)  # else none of them is there to be called
    async with stubbed() as stub, reading(stub) as session:
        ecs = await session._clients.of("ecs")
        with pytest.raises(Refused):
            await ecs.update_service(service="web", desiredCount=0)
        dynamodb = await session._clients.of("dynamodb")
        with pytest.raises(Refused):
            async for _ in dynamodb.get_paginator("scan").paginate(TableName="orders"):
                pass
        sqs = await session._clients.of("sqs")
        with pytest.raises(Refused):
            await sqs.receive_message(QueueUrl="http://127.0.0.1/1/q")
        for name in ("read", "item", "pages"):
            asking = getattr(session, name)
            with pytest.raises(Refused):
                await asking("ecs", "UpdateService", **({"key": "x"} if name != "read" else {}))
        assert stub.requests == []
        assert session.cost.api_calls == 0


async def test_a_read_passes_the_guard() -> None:
    async with stubbed() as stub, reading(stub) as session:
        stub.reply(xml("DescribeTargetHealth", tag("TargetHealthDescriptions", "")))
        await session.read("elbv2", "DescribeTargetHealth", TargetGroupArn="x")
        assert stub.operations == ["DescribeTargetHealth"]


def test_no_code_of_ours_presigns_or_makes_clients_elsewhere() -> None:
    """A presigned URL is a usable credential, and no call: the guard never sees it."""
    root, made = Path(cockpit.__file__).parent, {"clients.py", "sessions.py"}
    for file in root.rglob("*.py"):
        content = file.read_text()
        assert ".generate_presigned" not in content, file
        if file.parent.name != "world" and "world" not in file.parts:
            assert "create_client(" not in content or file.name in made, file


ROLE = "arn:aws:iam::123456789012:role/triage"


async def test_a_role_is_assumed_once_with_the_read_only_policy_and_its_keys_are_used() -> None:
    credentials = "".join(
        (
            tag("AccessKeyId", "ASIAASSUMED"),
            tag("SecretAccessKey", "assumed-secret"),
            tag("SessionToken", "assumed-token"),
            tag("Expiration", "2099-01-01T00:00:00Z"),
        )
    )

    def answer(request: Request) -> Reply:
        if request.operation == "AssumeRole":
            return Reply(xml("AssumeRole", tag("Credentials", credentials)))
        return Reply(xml("DescribeTargetHealth", tag("TargetHealthDescriptions", "")))

    async with stubbed() as stub, reading(stub, role_arn=ROLE) as session:
        stub.answer = answer
        await asyncio.gather(
            *(
                session.read("elbv2", "DescribeTargetHealth", TargetGroupArn=name)
                for name in ("a", "b")
            )
        )
    assert stub.operations.count("AssumeRole") == 1
    assumed, *reads_made = stub.requests
    assert assumed.form["RoleArn"] == [ROLE]
    assert json.loads(assumed.form["Policy"][0])["Statement"][0]["Effect"] == "Allow"
    assert all("ASIAASSUMED" in request.headers["authorization"] for request in reads_made)
