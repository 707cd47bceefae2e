"""What a person does about the scenarios that are data: finding, runbook, answers."""

from __future__ import annotations

import json

from cockpit.world.resources import zipped
from tests.world import account_stories_2
from tests.world.story import Story

_BACK = {"FunctionName": "payments-api"}
_TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"
_RIGHTS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
            "Resource": _TABLE,
        }
    ],
}

ACCOUNT = {
    "api-5xx-after-deploy": Story(
        "LAMBDA_ERROR_RATE",
        "orders-api",
        "lambda-rollback",
        ("before", "now", "migration", "rollback"),
        {"migration": "yes"},
        frozenset({"lambda.UpdateAlias"}),
    ),
    "api-integration-changed": Story(
        "APIGW_5XX_RATE",
        "orders-rest",
        "apigw-rollback",
        ("before", "now", "contract", "rest"),
        {"contract": "yes"},
        frozenset({"apigateway.UpdateStage"}),
    ),
    "canary-planned": Story(
        "ECS_DEPLOYMENT_PAUSED",
        "checkout",
        "ecs-pause",
        ("before", "now", "go_on"),
        {},
        frozenset({"ecs.ContinueServiceDeployment"}),
    ),
    "tasks-oom": Story(
        "ECS_TASK_OOM",
        "checkout",
        "ecs-rollback",
        ("before", "now", "migration", "rollback"),
        {"migration": "yes"},
        frozenset({"ecs.UpdateService"}),
        stays=True,
    ),
    "wrong-revision": Story(
        "ECS_DEPLOYMENT_RECENT",
        "checkout",
        "ecs-rollback",
        ("before", "now", "migration", "rollback"),
        {"migration": "yes"},
        frozenset({"ecs.UpdateService"}),
    ),
    "function-deleted": Story(
        "LAMBDA_FUNCTION_MISSING",
        "payments-api",
        "lambda-restore",
        ("deleted", "rto", "rpo", "restore"),
        {"deleted": "yes", "rto": "60", "rpo": "0"},
        by_hand=(
            (
                "lambda",
                "create_function",
                {
                    **_BACK,
                    "Role": "arn:aws:iam::123456789012:role/payments-api-role",
                    "Handler": "app.handler",
                    "Runtime": "python3.13",
                    "Code": {"ZipFile": zipped("1")},
                    "Publish": True,
                },
            ),
            ("lambda", "create_alias", {**_BACK, "Name": "live", "FunctionVersion": "1"}),
        ),
        acts=0,
    ),
    "lambda-permission": Story(
        "LAMBDA_ACCESS_DENIED",
        "orders-writer",
        "lambda-permissions",
        ("denied", "restore"),
        by_hand=(
            (
                "iam",
                "put_role_policy",
                {
                    "RoleName": "orders-writer-role",
                    "PolicyName": "tables",
                    "PolicyDocument": json.dumps(_RIGHTS),
                },
            ),
        ),
        acts=0,
    ),
    "s3-denied": Story(
        "S3_READER_DENIED",
        "invoices",
        "s3-access-denied",
        ("before", "now", "right", "restore"),
        {"right": "yes"},
        frozenset({"s3.PutBucketPolicy"}),
    ),
    "s3-public": Story(
        "S3_PUBLIC_POLICY",
        "reports",
        "s3-public",
        ("before", "now", "outside", "block", "policy", "keep"),
        {"outside": "no"},
        frozenset({"s3.PutPublicAccessBlock", "s3.PutBucketPolicy"}),
        acts=2,
    ),
    "stolen-key": Story(
        "SEC_CREDENTIAL_ABUSE_SUSPECTED",
        "ci-publisher",
        "contain-credential",
        ("before", "preserve", "needed", "off", "eradicate", "notify"),
        {"needed": "no"},
        frozenset({"iam.UpdateAccessKey", "wafv2.UpdateIPSet"}),
        stays=True,
        then=Story(
            "TRAFFIC_FROM_FEW_SOURCES",
            "shop-acl",
            "block-source",
            ("before", "keep", "known", "block"),
            {"known": "no"},
            acts=2,
        ),
    ),
    "throttled-api": Story(
        "APIGW_THROTTLING",
        "mobile-api",
        "apigw-throttles",
        ("before", "now", "rate", "rest"),
        {"rate": "50"},
        frozenset({"apigateway.UpdateStage"}),
    ),
    "lambda-throttled": Story(
        "LAMBDA_THROTTLED",
        "search-api",
        "lambda-throttles",
        ("before", "now", "size", "change"),
        {"size": "100"},
        frozenset({"lambda.PutFunctionConcurrency"}),
        lingers=True,
    ),
    "lambda-oom": Story(
        "LAMBDA_OOM",
        "thumbnails",
        "lambda-memory",
        ("before", "now", "size", "change"),
        {"size": "1024"},
        frozenset({"lambda.UpdateFunctionConfiguration"}),
        lingers=True,
    ),
}
UNREPAIRED = {
    "task-killed": "the script's owner ends it; ECS replaces what it stopped",
    "partner-429": "to ask less of the partner is the application's own switch",
    "payment-cascade": "the provider mends itself; to shed what waits is the application's own switch",
}
"""Scenarios without a step that repairs them, and why there is none."""

ACCOUNT |= account_stories_2.ACCOUNT
UNREPAIRED |= account_stories_2.UNREPAIRED
