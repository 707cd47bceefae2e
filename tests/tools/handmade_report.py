"""Writes recordings of buckets, workgroups, topics, web ACLs and principals.

`python -m tests.tools.handmade_report` from the root of the checkout. The answers are made by hand
after botocore's models and the user guides; they go through each probe's own `collect`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from cockpit import clock
from cockpit.connect.aws.settings import (
    AwsResource,
    BucketSettings,
    PrincipalSettings,
    WafSettings,
    WorkgroupSettings,
)
from cockpit.connect.session import Series
from cockpit.triage import recording
from cockpit.triage.registry import registry
from cockpit.triage.target import Target
from tests.probes import test_iam_principal as iam
from tests.probes import test_report_pipeline as report
from tests.probes import test_s3_reading as bucket
from tests.probes import test_waf_acl as waf
from tests.probes.fake_aws import AT, FakeAws, ago, denied, minutes
from tests.probes.s3_looks import ROLE, allow, policy
from tests.recorded import FOLDER

SHOP: dict[str, Any] = {"aws": "prod", "id": "shop"}
OPEN = policy(allow(Sid="web"), allow({"AWS": ROLE}, Sid="ours"))
OPENED = bucket.event("PutBucketPolicy", 30, {"bucketPolicy": json.loads(OPEN)})
WHOLE = {"MetricsConfigurationList": [{"Id": "EntireBucket"}]}
BROKEN = {
    **report.EXECUTION,
    "Status": {
        "State": "FAILED",
        "StateChangeReason": "Access denied when writing output to url: s3://results/1.csv",
        "SubmissionDateTime": ago(minutes=10),
        "CompletionDateTime": ago(minutes=9),
        "AthenaError": {"ErrorCategory": 2, "ErrorType": 1200, "Retryable": False},
    },
}
TOPIC = {
    "sns.GetTopicAttributes": {
        "Attributes": {
            "TopicArn": report.TOPIC,
            "SubscriptionsConfirmed": "0",
            "SubscriptionsPending": "1",
            "SubscriptionsDeleted": "1",
        }
    },
    "sns.ListSubscriptionsByTopic": report.SUBSCRIBED[1:2],
}


@dataclass(frozen=True)
class Look:
    """What is asked about, and what AWS answers."""

    probe: str
    settings: AwsResource
    answers: Mapping[str, Any]
    series: Mapping[str, Series] = field(default_factory=dict)


LOOKS: Mapping[str, Look] = {
    "s3_private": Look("s3_bucket.exposure", BucketSettings(**SHOP), bucket.answers()),
    "s3_opened_by_a_policy": Look(
        "s3_bucket.exposure",
        BucketSettings(**SHOP),
        bucket.answers(
            s3__GetPublicAccessBlock=bucket.GONE,
            s3__GetBucketPolicyStatus={"PolicyStatus": {"IsPublic": True}},
            s3__GetBucketPolicy={"Policy": OPEN},
            cloudtrail__LookupEvents=lambda **asked: {
                "Events": [OPENED]
                * (asked["LookupAttributes"][0]["AttributeValue"] == "PutBucketPolicy")
            },
        ),
    ),
    "s3_denied_besides_its_name": Look(
        "s3_bucket.exposure",
        BucketSettings(**SHOP),
        {
            name: answer if name == "s3.HeadBucket" else denied()
            for name, answer in bucket.answers().items()
        },
    ),
    "s3_reader_is_shut_out": Look(
        "s3_bucket.access",
        BucketSettings(**SHOP, readers=(ROLE,)),
        bucket.answers(
            s3__GetBucketPolicy={"Policy": bucket.DENY},
            s3__ListBucketMetricsConfigurations=WHOLE,
        ),
        {"AllRequests": minutes(*[100] * 30), "4xxErrors": minutes(*[90] * 15)},
    ),
    "s3_report_is_missing": Look(
        "s3_bucket.upkeep",
        BucketSettings(**SHOP, prefix="reports/%Y/%m/%d/", prefix_holds="report"),
        bucket.answers(s3__ListObjectsV2={"KeyCount": 0, "IsTruncated": False}),
    ),
    "athena_result_cannot_be_written": Look(
        "athena_workgroup.queries",
        WorkgroupSettings(aws="prod", id="reports", table="logs.alb", report=True),
        report.answers(athena__BatchGetQueryExecution={"QueryExecutions": [BROKEN]}),
    ),
    "sns_nobody_has_confirmed": Look(
        "sns_topic.delivery", AwsResource(aws="prod", id=report.TOPIC), TOPIC
    ),
    "waf_does_not_answer_its_balancer": Look(
        "waf_acl.traffic",
        WafSettings(aws="prod", id=waf.ARN),
        waf.answers(),
        {
            "AllowedRequests": minutes(*[700] * 5),
            "BlockedRequests/ALL": minutes(*[300] * 5),
            "BlockedRequests/rate": minutes(*[300] * 5),
            "RequestCount": minutes(*[700] * 5),
            "HTTPCode_ELB_500_Count": minutes(3, 3),
        },
    ),
    "iam_a_user_is_refused": Look(
        "iam_principal.calls",
        PrincipalSettings(aws="prod", id=iam.USER),
        iam.answers(
            **{"cloudtrail.LookupEvents": [iam.row(20 + n / 4, "AccessDenied") for n in range(21)]},
            **{"iam.ListUserPolicies": denied()},
        ),
    ),
}


async def content(name: str) -> bytes:
    """What the file of one of them holds."""
    look = LOOKS[name]
    probe = registry()[look.probe]
    with patch.object(clock, "now", lambda: AT):
        seen = await probe.collect(
            FakeAws(look.answers, look.series),
            Target(name="shop", kind=probe.kind, settings=look.settings),
        )
    return recording.encode(seen) + b"\n"


async def write() -> None:
    """Write all of them."""
    for name in LOOKS:
        (FOLDER / f"{name}.handmade.json").write_bytes(await content(name))


if __name__ == "__main__":
    asyncio.run(write())
