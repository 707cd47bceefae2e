"""What a person does about the scenarios that are data: finding, runbook, answers."""

from __future__ import annotations

from tests.world.story import Story

ACCOUNT = {
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
