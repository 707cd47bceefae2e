"""Recorded looks at buckets, workgroups, topics, web ACLs and principals, judged again."""

from __future__ import annotations

import pytest

from cockpit.triage import recording
from cockpit.triage.registry import registry
from tests.tools.handmade_report import FOLDER, LOOKS, content

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
    probe = registry()[LOOKS[name].probe]
    kept = (FOLDER / f"{name}.handmade.json").read_bytes()
    assert kept == await content(name), "python -m tests.tools.handmade_report writes it"
    look = recording.decode(kept, probe.snapshot)
    assert probe.facts is not None
    assert probe.tables is not None
    headline, codes = TOLD[name]
    assert next(iter(probe.facts(look, probe.settings))).text == headline
    assert {finding.code for finding in probe.diagnose(look, probe.settings)} == codes
    assert list(probe.tables(look, probe.settings))
