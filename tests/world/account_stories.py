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
    "function-deleted": Story(
        "LAMBDA_FUNCTION_MISSING",
        "payments-api",
        "lambda-state",
        ("repair",),
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
UNREPAIRED: dict[str, str] = {}
"""Scenarios without a step that repairs them, and why there is none."""

ACCOUNT |= account_stories_2.ACCOUNT
UNREPAIRED |= account_stories_2.UNREPAIRED
