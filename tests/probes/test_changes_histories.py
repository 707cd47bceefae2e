"""The services' own histories of what was changed: answers in, changes and findings out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from cockpit import clock
from cockpit.errors import BlindError, Reason
from probes.changes import feed, view
from probes.changes.settings import Settings
from tests.probes.fake_aws import AT, ago
from tests.probes.test_changes import Row, look


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


GROUPS: dict[str, Any] = {
    "autoscaling.DescribeAutoScalingGroups": [
        {
            "AutoScalingGroupName": "web",
            "MinSize": 2,
            "Instances": [{"LifecycleState": "InService"}],
        }
    ],
    "autoscaling.DescribeScalingActivities": [
        {
            "AutoScalingGroupName": "web",
            "StartTime": ago(minutes=4),
            "StatusCode": "Failed",
            "Description": "Launching a new EC2 instance.  Status Reason: no capacity",
            "StatusMessage": "We currently do not have sufficient capacity",
        }
    ],
}
STACKS: dict[str, Any] = {
    "cloudformation.ListStacks": [
        {
            "StackName": "shop",
            "StackStatus": "UPDATE_ROLLBACK_COMPLETE",
            "LastUpdatedTime": ago(minutes=9),
        }
    ],
    "cloudformation.DescribeStackEvents": [
        {"LogicalResourceId": "Db", "ResourceStatus": "UPDATE_FAILED",
         "ResourceStatusReason": "Resource update cancelled"},
        {"LogicalResourceId": "Web", "ResourceStatus": "UPDATE_FAILED",
         "ResourceStatusReason": "no such image"},
        {"LogicalResourceId": "shop", "ResourceType": "AWS::CloudFormation::Stack",
         "ResourceStatus": "UPDATE_IN_PROGRESS"},
    ],
}  # fmt: skip
DEPLOYS: dict[str, Any] = {
    "codedeploy.ListDeployments": ["d-1"],
    "codedeploy.BatchGetDeployments": [
        {
            "deploymentId": "d-1", "applicationName": "shop", "status": "Failed",
            "creator": "user", "createTime": ago(minutes=9),
            "errorInformation": {"message": "too many instances failed"},
        }
    ],
}  # fmt: skip
FUNCTIONS: dict[str, Any] = {
    "lambda.ListFunctions": [
        {"FunctionName": "pay", "LastModified": "2026-11-21T02:50:00.000+0000"}
    ],
    "lambda.GetFunctionConfiguration": {
        "FunctionName": "pay", "Timeout": 3, "LastUpdateStatus": "Failed",
        "LastUpdateStatusReason": "no addresses in the subnet",
    },
    "lambda.ListVersionsByFunction": [
        {"FunctionName": "pay", "Version": "$LATEST"},
        {"FunctionName": "pay", "Version": "17", "Timeout": 30},
    ],
    "lambda.ListAliases": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param(GROUPS, [("ASG_LAUNCH_FAILED", "critical")], id="fewer than the minimum"),
        pytest.param(STACKS, [("STACK_ROLLED_BACK", "warning")], id="a stack"),
        pytest.param(DEPLOYS, [("DEPLOYMENT_FAILED", "warning")], id="CodeDeploy"),
        pytest.param(FUNCTIONS, [("DEPLOYMENT_FAILED", "warning")], id="a function"),
    ],
)
async def test_other_histories_are_judged(
    answers: Mapping[str, Any], expected: list[tuple[str, str]]
) -> None:
    snapshot = await look(others=answers)
    found = [(each.code, each.severity.value) for each in feed.PROBE.diagnose(snapshot, Settings())]
    assert found == expected


async def test_a_launch_that_failed_has_changed_nothing() -> None:
    (change,) = view.changes(await look(others=GROUPS), "changes")
    assert change.failed == "We currently do not have sufficient capacity"


async def test_the_first_failure_of_a_stack_is_its_cause() -> None:
    (stack,) = (await look(others=STACKS)).rollouts
    assert stack.reason == "Web: no such image"


async def test_a_function_is_compared_with_its_newest_version() -> None:
    (change,) = view.changes(await look(others=FUNCTIONS), "changes")
    assert change.kind == "lambda.configuration"
    assert change.details == ("$LATEST against version 17:", "timeout: 30 → 3")


async def test_records_are_told_from_what_to_what() -> None:
    def record(at: datetime, value: str, action: str = "UPSERT") -> Row:
        return {
            "SubmittedAt": at, "SubmittedBy": "arn:aws:sts::1:assumed-role/Admin/alice",
            "Action": action,
            "ResourceRecordSet": {"Name": "shop.example.", "Type": "A", "TTL": 60,
                                  "ResourceRecords": [{"Value": value}]},
        }  # fmt: skip

    zones = {
        "route53.ListHostedZones": [{"Id": "/hostedzone/Z1", "Name": "example."}],
        "route53.ListResourceRecordSetChanges": [
            record(ago(minutes=3), "10.0.0.2"), record(ago(minutes=9), "10.0.0.1")
        ],
    }  # fmt: skip
    changes = sorted(view.changes(await look(others=zones), ""), key=lambda each: each.at)
    assert [each.summary for each in changes] == [
        "zone example.: now shop.example. A 10.0.0.1 (TTL 60s)",
        "zone example.: now shop.example. A 10.0.0.1 (TTL 60s) → 10.0.0.2 (TTL 60s)",
    ]
    assert changes[0].actor == "alice"


async def test_a_zone_without_a_history_is_no_gap() -> None:
    off = BlindError(Reason.DENIED, "FeatureNotEnabled: change history is off")
    zones = {
        "route53.ListHostedZones": [{"Id": "/hostedzone/Z1"}],
        "route53.ListResourceRecordSetChanges": off,
    }
    assert (await look(others=zones)).gaps == ()
