"""More of what a person does about the scenarios that are data."""

from __future__ import annotations

from tests.world.story import Story

ACCOUNT: dict[str, Story] = {
    "asg-stuck": Story(
        "ASG_LAUNCH_FAILING",
        "render-asg",
        "asg-launch",
        ("look", "now", "since", "back", "well"),
        {"since": "yes"},
        frozenset({"autoscaling.UpdateAutoScalingGroup"}),
    ),
    "report-athena-timeout": Story(
        "ATHENA_QUERY_SLOW",
        "reports",
        "athena-slow",
        ("before", "waited", "stop", "well"),
        {"waited": "no"},
        frozenset({"athena.StopQueryExecution"}),
    ),
    "report-upload-denied": Story(
        "S3_READER_DENIED",
        "shop-reports",
        "s3-access-denied",
        ("before", "now", "right", "restore", "well"),
        {"right": "yes"},
        frozenset({"s3.PutBucketPolicy"}),
    ),
    "report-empty": Story(
        "GLUE_SCHEMA_MISMATCH",
        "reports",
        "glue-schema",
        ("look", "data", "versions", "version", "now", "old", "restore", "well"),
        {"data": "yes", "version": "1"},
        frozenset({"glue.UpdateTable"}),
    ),
    "report-sns-gone": Story(
        "SNS_NO_SUBSCRIBERS",
        "report-mail",
        "sns",
        ("tell", "mend"),
        by_hand=(("sns", "create_topic", {"Name": "report-mail"}),),
        acts=0,
    ),
}
UNREPAIRED: dict[str, str] = {}
