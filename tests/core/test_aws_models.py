"""Calls are checked against the service model before anything is shown, and graded by risk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from cockpit.connect.aws import models
from cockpit.connect.aws.models import classify, parse, validate_call
from cockpit.errors import Misconfigured


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("rds.RebootDBInstance", ("rds", "RebootDBInstance")),
        ("rds.reboot_db_instance", ("rds", "RebootDBInstance")),
        ("ecs.update_service", ("ecs", "UpdateService")),
        (
            "application-autoscaling.register_scalable_target",
            ("application-autoscaling", "RegisterScalableTarget"),
        ),
        ("lambda.update_alias", ("lambda", "UpdateAlias")),
    ],
)
def test_both_spellings_are_understood(call: str, expected: tuple[str, str]) -> None:
    assert parse(call) == expected


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("rds.reboot_db_instnce", "did you mean rds.RebootDBInstance?"),
        ("rdz.RebootDBInstance", "did you mean rds?"),
        ("rds", "not a call"),
        ("rds.", "not a call"),
        ("", "not a call"),
        ("rds.xyzzy", "no operation 'xyzzy'"),
    ],
)
def test_an_unknown_call_is_told_with_the_nearest_word(call: str, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        parse(call)
    (problem,) = validate_call(call, {})
    assert words in problem


@pytest.mark.parametrize(
    ("call", "arguments", "words"),
    [
        pytest.param("rds.RebootDBInstance", {"DBInstanceIdentifier": "orders"}, [], id="right"),
        pytest.param(
            "rds.reboot_db_instance",
            {"DBInstanceIdentifier": "x", "ForceFailover": True},
            [],
            id="right, in snake case",
        ),
        pytest.param(
            "rds.RebootDBInstance",
            {"DbInstanceIdentifier": "orders"},
            ["did you mean DBInstanceIdentifier?", "Missing required"],
            id="misspelled",
        ),
        pytest.param(
            "ecs.UpdateService",
            {"service": "web", "desiredCount": "3"},
            ["Invalid type for parameter desiredCount"],
            id="wrong type",
        ),
        pytest.param(
            "ecs.UpdateService",
            {"service": "web", "deploymentConfiguration": {"minimumHealthyPercnt": 1}},
            ["minimumHealthyPercnt"],
            id="unknown below the top",
        ),
        pytest.param(
            "elbv2.RegisterTargets",
            {"TargetGroupArn": "a", "Targets": [{"Port": 80}]},
            ['Missing required parameter in Targets[0]: "Id"'],
            id="missing in a list",
        ),
        pytest.param("sts.GetCallerIdentity", {}, [], id="no parameters"),
        pytest.param(
            "sts.GetCallerIdentity", {"a": 1}, ["unknown parameter 'a'"], id="one too many"
        ),
    ],
)
def test_arguments_are_held_against_the_model(
    call: str, arguments: dict[str, Any], words: list[str]
) -> None:
    problems = validate_call(call, arguments)
    assert bool(problems) is bool(words)
    for word in words:
        assert any(word in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("call", "arguments", "risk"),
    [
        ("ecs.DescribeServices", None, "read"),
        ("logs.StartQuery", None, "read"),
        ("elbv2.RegisterTargets", None, "low"),
        ("rds.start_db_instance", None, "low"),
        ("ecs.UpdateService", {"desiredCount": 6}, "high"),
        ("ecs.UpdateService", {"desiredCount": 0}, "destructive"),
        ("autoscaling.SetDesiredCapacity", {"DesiredCapacity": 0}, "destructive"),
        ("lambda.PutFunctionConcurrency", {"ReservedConcurrentExecutions": 0}, "destructive"),
        ("lambda.DeleteFunctionConcurrency", None, "high"),
        ("rds.RebootDBInstance", None, "high"),
        ("rds.FailoverDBCluster", None, "high"),
        ("rds.DeleteDBInstance", None, "destructive"),
        ("rds.PromoteReadReplica", None, "destructive"),
        ("ec2.TerminateInstances", None, "destructive"),
        ("ec2.AuthorizeSecurityGroupIngress", None, "high"),
        ("ec2.RevokeSecurityGroupIngress", None, "high"),
        ("ec2.ReplaceNetworkAclEntry", None, "destructive"),
        ("ec2.DeleteNetworkAclEntry", None, "destructive"),
        ("ec2.CreateRoute", None, "destructive"),
        ("elasticache.TestFailover", None, "high"),
        ("elasticache.RebootCacheCluster", None, "destructive"),
        ("dynamodb.UpdateTable", None, "high"),
        ("cloudwatch.SetAlarmState", None, "destructive"),
        ("sqs.PurgeQueue", None, "destructive"),
        ("lambda.Invoke", None, "high"),
    ],
)
def test_a_call_has_a_least_risk(call: str, arguments: dict[str, int] | None, risk: str) -> None:
    assert classify(call, arguments) == risk


@pytest.mark.parametrize("table", [models._LOW, models._HIGH, models._DESTRUCTIVE, models._TO_ZERO])
def test_every_graded_call_exists(table: Iterable[str]) -> None:
    unknown = []
    for call in table:
        try:
            parse(call)
        except Misconfigured:
            unknown.append(call)
    assert set(unknown) <= {"cloudwatch.PutAlarmMuteRule"}  # newer than the floor of botocore


def test_operations_can_be_listed() -> None:
    assert "RebootDBInstance" in models.operation_names("rds")
    assert models.operation_names("nonsense") == ()
