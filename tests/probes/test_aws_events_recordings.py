"""Recorded looks at functions, queues, streams, state machines and APIs, judged again."""

from __future__ import annotations

import pytest

from cockpit.triage.registry import registry
from tests.recorded import octets, told
from tests.tools.handmade_events import STORIES, content

TOLD: dict[str, tuple[str, set[str]]] = {
    "lambda_healthy": ("ok", set()),
    "lambda_release_is_killed_for_memory": (
        "12% errors",
        {"LAMBDA_ERROR_RATE", "LAMBDA_OOM", "LAMBDA_VERSION_CHANGED"},
    ),
    "lambda_bucket_policy_was_changed": (
        "100% errors",
        {"LAMBDA_ALL_FAILING", "LAMBDA_ACCESS_DENIED", "LAMBDA_VERSION_CHANGED"},
    ),
    "lambda_denied_besides_its_configuration": ("unknown", {"LAMBDA_OBS_BLIND"}),
    "log_group_healthy": ("0 lines in 5 min", set()),
    "log_group_release_cannot_read_the_field": (
        "30 lines in 5 min",
        {"LOG_NULL_FIELD"},
    ),
    "log_group_denied_besides_itself": ("unknown", {"LOG_OBS_BLIND"}),
    "sqs_healthy": ("0 wait", set()),
    "sqs_nobody_receives": (
        "12 wait",
        {"SQS_NO_CONSUMER", "SQS_OLDEST_MESSAGE", "SQS_DLQ_NOT_EMPTY"},
    ),
    "sqs_denied_besides_its_attributes": ("12 wait", {"SQS_DLQ_NOT_EMPTY", "SQS_OBS_BLIND"}),
    "kinesis_healthy": ("40 ms behind", set()),
    "kinesis_consumer_hangs_on_a_record": (
        "1d 01h behind",
        {"KINESIS_CONSUMER_BEHIND", "KINESIS_RETENTION_NEAR"},
    ),
    "kinesis_denied_besides_its_summary": ("unknown", {"KINESIS_OBS_BLIND"}),
    "state_machine_healthy": ("ok", set()),
    "state_machine_may_not_send": (
        "100% failed",
        {"SFN_ALL_FAILING", "SFN_ACCESS_DENIED", "SFN_RUNNING_LONG"},
    ),
    "state_machine_denied_besides_its_description": ("unknown", {"SFN_OBS_BLIND"}),
    "api_gateway_healthy": ("ok", set()),
    "api_gateway_does_not_take_the_answers": (
        "10% 5xx",
        {"APIGW_5XX_RATE", "APIGW_5XX_BACKEND_HEALTHY"},
    ),
    "api_gateway_denied_besides_its_stages": ("unknown", {"APIGW_OBS_BLIND"}),
}


@pytest.mark.parametrize("name", STORIES)
async def test_a_recorded_look_is_judged_as_it_was(name: str) -> None:
    by = "python -m tests.tools.handmade_events writes it"
    assert octets(f"{name}.handmade") == await content(name), by
    assert told(f"{name}.handmade", registry()[STORIES[name].probe]) == TOLD[name]
