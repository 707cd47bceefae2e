"""No secret that hides in a harmless answer gets past the connector; names do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cockpit.connect.aws.redact import masked, redact, unsigned
from tests.core.aws_stub import Reply, reading, stubbed

SECRET = "hunter2-hunter2"

ANSWERS = {
    "ecs task definition": (
        "ecs",
        {
            "taskDefinition": {
                "family": "web",
                "containerDefinitions": [
                    {
                        "name": "app",
                        "image": "shop:1",
                        "environment": [{"name": "DB_PASSWORD", "value": SECRET}],
                        "secrets": [{"name": "API_KEY", "valueFrom": SECRET}],
                        "command": ["serve", f"--token={SECRET}"],
                        "entryPoint": [SECRET],
                        "environmentFiles": [{"value": SECRET, "type": "s3"}],
                        "dockerLabels": {"com.vendor.key": SECRET},
                        "healthCheck": {"command": [SECRET], "interval": 30},
                        "logConfiguration": {
                            "logDriver": "splunk",
                            "options": {"splunk-token": SECRET, "awslogs-group": "web"},
                            "secretOptions": [{"name": "x", "valueFrom": SECRET}],
                        },
                    }
                ],
            }
        },
        ["DB_PASSWORD", "API_KEY", "shop:1", "awslogs-group", "com.vendor.key"],
    ),
    "ecs tasks": (
        "ecs",
        {
            "tasks": [
                {
                    "taskArn": "arn:t",
                    "overrides": {
                        "containerOverrides": [
                            {
                                "name": "app",
                                "command": [SECRET],
                                "environment": [{"name": "A", "value": SECRET}],
                            }
                        ]
                    },
                }
            ]
        },
        ["arn:t", "app"],
    ),
    "lambda configuration": (
        "lambda",
        {"FunctionName": "pay", "Environment": {"Variables": {"STRIPE_KEY": SECRET}}},
        ["pay", "STRIPE_KEY"],
    ),
    "lambda functions": (
        "lambda",
        {"Functions": [{"FunctionName": "pay", "Environment": {"Variables": {"K": SECRET}}}]},
        ["pay"],
    ),
    "lambda code": (
        "lambda",
        {"Code": {"Location": f"https://s3/x?X-Amz-Signature={SECRET}", "RepositoryType": "S3"}},
        ["RepositoryType"],
    ),
    "vpn": (
        "ec2",
        {
            "VpnConnections": [
                {
                    "VpnConnectionId": "vpn-1",
                    "CustomerGatewayConfiguration": f"<pre_shared_key>{SECRET}</pre_shared_key>",
                    "Options": {"TunnelOptions": [{"PreSharedKey": SECRET, "DpdTimeout": 30}]},
                }
            ]
        },
        ["vpn-1", "DpdTimeout"],
    ),
    "stacks": (
        "cloudformation",
        {
            "Stacks": [
                {
                    "StackName": "shop",
                    "Parameters": [
                        {"ParameterKey": "Password", "ParameterValue": SECRET},
                        {"ParameterKey": "Ami", "ResolvedValue": SECRET},
                    ],
                    "Outputs": [{"OutputKey": "Key", "OutputValue": SECRET}],
                }
            ]
        },
        ["shop", "Password", "Key", "Ami"],
    ),
    "databases": (
        "rds",
        {
            "DBInstances": [
                {
                    "DBInstanceIdentifier": "orders",
                    "MasterUsername": SECRET,
                    "PendingModifiedValues": {"MasterUserPassword": SECRET, "AllocatedStorage": 9},
                }
            ]
        },
        ["orders", "AllocatedStorage"],
    ),
    "recorded calls": (
        "cloudtrail",
        {
            "Events": [
                {
                    "EventName": "UpdateFunctionConfiguration20150331v2",
                    "AccessKeyId": SECRET,
                    "CloudTrailEvent": json.dumps(
                        {
                            "userIdentity": {"arn": "arn:eve", "accessKeyId": SECRET},
                            "requestParameters": {
                                "functionName": "pay",
                                "environment": {"variables": {"K": SECRET}},
                                "masterUserPassword": SECRET,
                                "list": [{"userData": SECRET, "imageId": "ami-1"}],
                            },
                            "responseElements": {"credentials": {"sessionToken": SECRET}},
                        }
                    ),
                }
            ]
        },
        ["arn:eve", "pay", "ami-1", "UpdateFunctionConfiguration20150331v2"],
    ),
    "a recorded call that is no JSON": (
        "cloudtrail",
        {"Events": [{"EventName": "X", "CloudTrailEvent": f"{{broken {SECRET}"}]},
        ["X"],
    ),
    "a stage that was pointed to a deployment": (
        "cloudtrail",
        {
            "Events": [
                {
                    "CloudTrailEvent": json.dumps(
                        {
                            "requestParameters": {
                                "patchOperations": [
                                    {"path": "/deploymentId", "value": "d2f4"},
                                    {"path": "/variables/key", "value": SECRET},
                                ]
                            }
                        }
                    )
                }
            ]
        },
        ["d2f4", "/variables/key"],
    ),
    "queries": (
        "athena",
        {"QueryExecution": {"QueryExecutionId": "q", "Query": f"SELECT 1 WHERE a = '{SECRET}'"}},
        ["SELECT"],
    ),
    "stages": (
        "apigateway",
        {"item": [{"stageName": "prod", "variables": {"key": SECRET}}]},
        ["prod", "key"],
    ),
    "rules": ("events", {"Targets": [{"Id": "t", "Input": SECRET}]}, ["t"]),
    "job runs": ("glue", {"JobRuns": [{"Id": "j", "Arguments": {"--pw": SECRET}}]}, ["j"]),
}


@pytest.mark.parametrize(("service", "answer", "kept"), ANSWERS.values(), ids=ANSWERS)
def test_secrets_go_and_names_stay(service: str, answer: dict[str, Any], kept: list[str]) -> None:
    clean = json.dumps(redact(service, answer), ensure_ascii=False)
    assert SECRET not in clean
    for word in kept:
        assert word in clean


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"taskDefinition": None}, id="nothing there"),
        pytest.param({"taskDefinition": {"containerDefinitions": None}}, id="no list"),
        pytest.param({"tasks": [1, "x", None]}, id="not structures"),
        pytest.param({"taskDefinition": {"containerDefinitions": [{"environment": "x"}]}}, id="x"),
    ],
)
def test_a_broken_answer_does_not_break_the_redactor(answer: dict[str, Any]) -> None:
    assert redact("ecs", answer) is answer


def test_an_answer_without_rules_is_as_it_was() -> None:
    answer: dict[str, object] = {"TargetGroups": [{"TargetGroupArn": "a"}]}
    assert redact("elbv2", answer) == {"TargetGroups": [{"TargetGroupArn": "a"}]}


def test_the_query_of_a_presigned_url_is_cut() -> None:
    text = f"see https://b.s3.amazonaws.com/key?X-Amz-Signature={SECRET}&x=1 and https://a/b?c=d"
    assert unsigned(text) == "see https://b.s3.amazonaws.com/key?••• and https://a/b?c=d"


def test_masking_has_a_bottom() -> None:
    deep: object = SECRET
    for _ in range(100):
        deep = {"a": deep}
    assert SECRET not in json.dumps(masked(deep))


async def test_a_read_over_the_wire_is_already_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    body = json.dumps(
        {
            "FunctionName": "pay",
            "Environment": {"Variables": {"STRIPE_KEY": SECRET}},
        }
    )
    async with stubbed() as stub, reading(stub) as session:
        stub.answer = lambda _: Reply(body, type="application/json")
        answer = await session.read("lambda", "GetFunctionConfiguration", FunctionName="pay")
    clean = json.dumps(answer)
    assert SECRET not in clean
    assert list(json.loads(clean)["Environment"]["Variables"]) == ["STRIPE_KEY"]
