"""Recorded looks at buckets, workgroups, topics, web ACLs and principals, judged again."""

from __future__ import annotations

import pytest

from cockpit.triage.registry import registry
from tests.recorded import octets, told
from tests.tools.handmade_report import LOOKS, content

TOLD: dict[str, tuple[str, set[str]]] = {
    "s3_private": ("private", set()),
    "s3_opened_by_a_policy": ("open", {"S3_PUBLIC_POLICY", "S3_BLOCK_PUBLIC_ACCESS_OFF"}),
    "s3_denied_besides_its_name": ("unknown", {"S3_OBS_BLIND"}),
    "s3_reader_is_shut_out": ("1 denied", {"S3_READER_DENIED", "S3_4XX_RATE"}),
    "s3_report_is_missing": (
        "none",
        {"REPORT_MISSING", "S3_TLS_NOT_ENFORCED", "S3_NO_REPLICATION"},
    ),
    "athena_result_cannot_be_written": (
        "failed",
        {"ATHENA_QUERY_FAILED", "S3_UPLOAD_FAILED", "GLUE_PARTITION_MISSING"},
    ),
    "sns_nobody_has_confirmed": ("nobody", {"SNS_NO_SUBSCRIBERS"}),
    "waf_does_not_answer_its_balancer": (
        "30%",
        {"WAF_BLOCK_SURGE", "WAF_ERRORS", "WAF_RATE_LIMITED"},
    ),
    "iam_a_user_is_refused": (
        "21",
        {"SEC_ACCESS_DENIED_BURST", "SEC_GUARDDUTY_HIGH", "SEC_OBS_BLIND"},
    ),
}


@pytest.mark.parametrize("name", LOOKS)
async def test_a_recorded_look_is_judged_as_it_was(name: str) -> None:
    by = "python -m tests.tools.handmade_report writes it"
    assert octets(f"{name}.handmade") == await content(name), by
    assert told(f"{name}.handmade", registry()[LOOKS[name].probe]) == TOLD[name]
