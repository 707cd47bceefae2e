"""Buckets: what is asked, how answers are read, and the same through the real client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws import reads
from cockpit.connect.aws.errors import AwsCall, from_answer
from cockpit.connect.aws.session import Aws, open_aws
from cockpit.connect.aws.settings import BucketSettings
from cockpit.errors import BlindError, Reason, Refused
from cockpit.redact import MASK
from cockpit.triage.engine import Engine, Look
from cockpit.triage.finding import Thresholds
from cockpit.triage.registry import registry
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from probes.s3_bucket import access, exposure, upkeep
from probes.s3_bucket.inside import access_tables
from probes.s3_bucket.read import prefixes
from tests.core.aws_stub import place
from tests.moto_server import client, moto_server
from tests.probes.fake_aws import AT, FakeAws, ago, denied, minutes
from tests.probes.s3_looks import ACCOUNT, ROLE, WHOLE, allow, policy

GONE = BlindError(Reason.MISSING, "NoSuchConfiguration")
FULL = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
OWNER = {"ID": "79a5", "DisplayName": "ops"}
OWN = {"Grantee": {"Type": "CanonicalUser", **OWNER}, "Permission": "FULL_CONTROL"}
EVERYBODY = {
    "Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"},
    "Permission": "READ",
}
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"


def bucket(**settings: Any) -> Target:
    held = BucketSettings(aws="prod", id="shop", **settings)
    return Target(name="shop", kind="s3_bucket", settings=held)


class Always:
    """One session for every target."""

    def __init__(self, aws: FakeAws) -> None:
        self.aws = aws

    async def session(self, target: Target) -> object:
        return self.aws

    async def discard(self, target: Target) -> None:
        """Keeps it."""


def answers(**changes: Any) -> dict[str, Any]:
    base = {
        "s3.HeadBucket": {"BucketRegion": "us-east-1"},
        "sts.GetCallerIdentity": {"Account": ACCOUNT},
        "s3.GetPublicAccessBlock": {"PublicAccessBlockConfiguration": FULL},
        "s3control.GetPublicAccessBlock": GONE,
        "s3.GetBucketPolicyStatus": GONE,
        "s3.GetBucketPolicy": GONE,
        "s3.GetBucketAcl": {"Owner": OWNER, "Grants": [OWN]},
        "s3control.ListAccessPoints": [],
        "s3.GetBucketEncryption": GONE,
        "s3.ListBucketMetricsConfigurations": {"IsTruncated": False},
        "s3.GetBucketVersioning": {"Status": "Enabled"},
        "s3.GetBucketLogging": {"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": ""}},
        "s3.GetBucketReplication": GONE,
        "cloudtrail.LookupEvents": {"Events": []},
    }
    return {**base, **{name.replace("__", "."): each for name, each in changes.items()}}


def event(name: str, minutes_ago: int, asked: dict[str, Any], **more: Any) -> dict[str, Any]:
    text = json.dumps({"requestParameters": {"bucketName": "shop", **asked}, **more})
    return {
        "EventTime": ago(minutes=minutes_ago),
        "EventName": name,
        "Username": "anna",
        "CloudTrailEvent": text,
    }


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "servers" not in request.keywords:
        monkeypatch.setattr(clock, "now", lambda: AT)


async def test_a_private_bucket_costs_few_calls_and_nothing_of_it_is_found() -> None:
    aws = FakeAws(answers())
    look = await exposure.collect(aws, bucket())
    assert [name for name, _ in aws.calls] == [
        "s3.HeadBucket",
        "sts.GetCallerIdentity",
        "s3.GetPublicAccessBlock",
        "s3control.GetPublicAccessBlock",
        "s3.GetBucketPolicyStatus",
        "s3.GetBucketPolicy",
        "s3.GetBucketAcl",
        "s3control.ListAccessPoints",
    ]
    assert (look.block, look.public, look.policy_known, look.gaps) == (WHOLE, False, True, ())
    assert [*exposure.diagnose(look, exposure.PROBE.settings)] == []


async def test_an_open_bucket_tells_by_whom_and_gives_the_policy_without_what_is_open() -> None:
    text = policy(allow(Sid="web"), allow({"AWS": ROLE}, Sid="ours"))
    put = event("PutBucketPolicy", 30, {"bucketPolicy": json.loads(text)})
    others = {**put, "CloudTrailEvent": put["CloudTrailEvent"].replace('"shop"', '"other"')}
    refused = event("PutBucketPolicy", 10, {"bucketPolicy": {}}, errorCode="AccessDenied")
    trail = {"PutBucketPolicy": [refused, others, put]}
    aws = FakeAws(
        answers(
            s3__GetPublicAccessBlock=GONE,
            s3__GetBucketPolicyStatus={"PolicyStatus": {"IsPublic": True}},
            s3__GetBucketPolicy={"Policy": text},
            cloudtrail__LookupEvents=lambda **asked: {
                "Events": trail.get(asked["LookupAttributes"][0]["AttributeValue"], [])
            },
        )
    )
    look = await exposure.collect(aws, bucket())
    assert [(each.event, each.actor) for each in look.changes] == [("PutBucketPolicy", "anna")]
    assert [each["Sid"] for each in json.loads(look.closed_policy)["Statement"]] == ["ours"]
    assert [each.public for each in look.grants] == [True, False]


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"s3__HeadBucket": GONE}, "S3_BUCKET_MISSING", Reason.MISSING),
        (
            {"s3__HeadBucket": denied(), "s3__GetBucketPolicyStatus": denied()},
            "S3_BUCKET_FORBIDDEN",
            Reason.DENIED,
        ),
        ({"s3__HeadBucket": BlindError(Reason.TIMEOUT, "x")}, "", Reason.TIMEOUT),
    ],
)
async def test_a_bucket_that_is_gone_or_not_ours_is_blind_with_its_code(
    changes: dict[str, Any], code: str, reason: Reason
) -> None:
    with pytest.raises(BlindError) as caught:
        await exposure.collect(FakeAws(answers(**changes)), bucket())
    assert (caught.value.code, caught.value.reason) == (code, reason)


def test_a_bucket_of_another_region_is_no_proxy() -> None:
    call = AwsCall("s3", "HeadBucket", "us-east-1")
    answer = {"Error": {"Code": "301"}, "ResponseMetadata": {"HTTPStatusCode": 301}}
    found = from_answer(answer, call)
    assert found.reason is Reason.MISCONFIGURED
    assert "not in us-east-1" in found.message
    assert "region" in found.hint


async def test_what_is_denied_is_a_gap_and_never_closed() -> None:
    aws = FakeAws(
        answers(
            s3__HeadBucket=denied(),
            s3__GetPublicAccessBlock=denied(),
            s3__GetBucketPolicy={"Policy": '{"Statement": [{"Effect": "Maybe"}]}'},
            s3__GetBucketAcl=denied(),
            sts__GetCallerIdentity=denied(),
        )
    )
    look = await exposure.collect(aws, bucket())
    assert {gap.what for gap in look.gaps} == {
        "whether it is there",
        "the bucket's block",
        "the policy",
        "the ACL",
        "the account",
    }
    seen = (look.block.known, look.account_block.known, look.policy_known, look.acl_known)
    assert not any(seen)
    first = next(iter(exposure.PROBE.facts(look, exposure.PROBE.settings)))  # type: ignore[misc]
    assert first.text == "unknown"


async def test_access_points_are_doors_of_their_own() -> None:
    aws = FakeAws(
        answers(
            s3control__ListAccessPoints=[{"Name": "a", "NetworkOrigin": "Internet"}, {"Name": "b"}],
            s3control__GetAccessPointPolicyStatus=lambda **asked: (
                {"PolicyStatus": {"IsPublic": True}} if asked["Name"] == "a" else GONE
            ),
            s3control__GetAccessPoint={"Name": "a", "PublicAccessBlockConfiguration": FULL},
        )
    )
    look = await exposure.collect(aws, bucket())
    assert [(each.name, each.public, each.block.whole) for each in look.access_points] == [
        ("a", True, True),
        ("b", False, False),
    ]


DENY = policy(allow({"AWS": ROLE}), allow(Effect="Deny", Action="s3:*", Sid="lock"))
PARTLY = policy(allow(Effect="Deny", Action="s3:*", Resource="arn:aws:s3:::shop/secret/*"))
BY_VPC = policy(allow(Effect="Deny", Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}))
FRONT = policy(allow({"Service": "cloudfront.amazonaws.com"}))
OTHERS = "arn:aws:iam::999999999999:role/partner"


def decides(decision: str, **more: Any) -> dict[str, Any]:
    return {
        "EvaluationResults": [{"EvalActionName": "s3:GetObject", "EvalDecision": decision} | more]
    }


@pytest.mark.parametrize(
    ("reader", "text", "simulated", "decision", "layer"),
    [
        pytest.param(ROLE, "", decides("allowed"), "allowed", "its own", id="its own policies"),
        pytest.param(ROLE, DENY, decides("allowed"), "denied", "bucket's policy", id="a deny"),
        pytest.param(ROLE, PARTLY, decides("allowed"), "allowed", "its own", id="a deny of a part"),
        pytest.param(
            ROLE, BY_VPC, decides("allowed"), "allowed", "its own", id="a deny that may not hold"
        ),
        pytest.param(ROLE, "", decides("explicitDeny"), "denied", "its own", id="its own deny"),
        pytest.param(
            ROLE,
            policy(allow({"AWS": ROLE})),
            decides("implicitDeny"),
            "allowed",
            "bucket",
            id="it",
        ),
        pytest.param(ROLE, "", decides("implicitDeny"), "denied", "no policy", id="nobody allows"),
        pytest.param(
            ROLE,
            "",
            decides("implicitDeny", OrganizationsDecisionDetail={"AllowedByOrganizations": False}),
            "denied",
            "organization",
            id="the organization",
        ),
        pytest.param(
            ROLE,
            "",
            decides(
                "implicitDeny",
                PermissionsBoundaryDecisionDetail={"AllowedByPermissionsBoundary": False},
            ),
            "denied",
            "boundary",
            id="its boundary",
        ),
        pytest.param(ROLE, "", GONE, "denied", "no such role", id="deleted"),
        pytest.param(ROLE, "", decides("perhaps"), "unknown", "perhaps", id="a new word"),
        pytest.param(ROLE, None, decides("allowed"), "unknown", "", id="the policy is not known"),
        pytest.param(ROLE, "", denied(), "unknown", "not told", id="IAM may not be asked"),
        pytest.param("cloudfront.amazonaws.com", FRONT, None, "allowed", "", id="a service"),
        pytest.param("cloudfront.amazonaws.com", "", None, "denied", "no statement", id="no more"),
        pytest.param(OTHERS, "", None, "denied", "no statement", id="another account"),
        pytest.param(OTHERS, policy(allow({"AWS": OTHERS})), None, "allowed", "", id="let in"),
    ],
)
async def test_who_must_get_in(
    reader: str, text: str | None, simulated: Any, decision: str, layer: str
) -> None:
    held = denied() if text is None else {"Policy": text} if text else GONE
    aws = FakeAws(answers(s3__GetBucketPolicy=held, iam__SimulatePrincipalPolicy=simulated))
    look = await access.collect(aws, bucket(readers=(reader,), sample="images/a.png"))
    (found,) = look.principals
    assert found.decision == decision
    assert layer in found.layer


async def test_a_right_for_a_part_is_not_called_none() -> None:
    aws = FakeAws(answers(iam__SimulatePrincipalPolicy=decides("implicitDeny")))
    look = await access.collect(aws, bucket(writers=(ROLE,)))
    assert [(each.action, each.decision) for each in look.principals] == [
        ("s3:PutObject", "unknown")
    ]


async def test_a_policy_from_before_comes_from_cloudtrail_and_only_whole() -> None:
    before = json.loads(policy(allow({"AWS": ROLE})))
    put_now = event("PutBucketPolicy", 5, {"bucketPolicy": json.loads(DENY)})
    put_then = event("PutBucketPolicy", 900, {"bucketPolicy": before})

    async def seen(*events: Any) -> Any:
        aws = FakeAws(
            answers(
                s3__GetBucketPolicy={"Policy": DENY},
                cloudtrail__LookupEvents=lambda **asked: {
                    "Events": [
                        e
                        for e in events
                        if e["EventName"] == asked["LookupAttributes"][0]["AttributeValue"]
                    ]
                },
            )
        )
        return await access.collect(aws, bucket(readers=(ROLE,)))

    look = await seen(put_now, put_then)
    assert json.loads(look.previous_policy) == before
    assert look.previous_known_by == "what CloudTrail says was put before"
    before["Statement"][0]["Condition"] = {"DateLessThan": {"aws:TokenIssueTime": MASK}}
    masked = event("PutBucketPolicy", 900, {"bucketPolicy": before})
    look = await seen(put_now, masked)
    assert (look.previous_policy, look.previous_refused) == (
        "",
        "CloudTrail does not tell it whole",
    )


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"KeyMetadata": {"KeyId": "1", "Arn": KEY, "KeyState": "Disabled"}}, "Disabled"),
        (GONE, "missing"),
    ],
)
async def test_the_key_behind_a_bucket_is_looked_at(told: Any, state: str) -> None:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    rules = [{"ApplyServerSideEncryptionByDefault": default}]
    held = {"ServerSideEncryptionConfiguration": {"Rules": rules}}
    aws = FakeAws(answers(s3__GetBucketEncryption=held, kms__DescribeKey=told))
    look = await access.collect(aws, bucket())
    assert look.key is not None
    assert (look.key.id, look.key.state) == (KEY, state)
    assert [table.title for table in access_tables(look, access.PROBE.settings)] == ["Key"]


async def test_requests_are_counted_by_the_filter_of_the_whole_bucket() -> None:
    filters = [{"Id": "images", "Filter": {"Prefix": "images/"}}, {"Id": "EntireBucket"}]
    held = {"MetricsConfigurationList": filters}
    series = {"AllRequests": minutes(*[100] * 180), "4xxErrors": minutes(*[50] * 15)}
    aws = FakeAws(answers(s3__ListBucketMetricsConfigurations=held), series)
    look = await access.collect(aws, bucket())
    assert look.filter == "EntireBucket"
    assert {query.dimensions for query in aws.queries} == {
        (("BucketName", "shop"), ("FilterId", "EntireBucket"))
    }
    found = [each.code for each in access.diagnose(look, access.PROBE.settings)]
    assert found == ["S3_4XX_RATE"]


@pytest.mark.parametrize(("first", "asked"), [(0.05, False), (0.02, True)])
async def test_who_is_shut_out_is_judged_by_what_the_configuration_says(
    first: float, asked: bool
) -> None:
    """CloudTrail is asked then; by the usual limit nobody was, whatever the file said."""
    filters = {"MetricsConfigurationList": [{"Id": "EntireBucket"}]}
    series = {"AllRequests": minutes(*[1000] * 15), "4xxErrors": minutes(*[40] * 15)}
    aws = FakeAws(answers(s3__ListBucketMetricsConfigurations=filters), series)
    held = replace(access.PROBE.settings, refused=Thresholds(warning=first))
    look = Look(bucket(), access.PROBE, held)
    engine = Engine([look], sessions=Always(aws), store=Store())
    await engine.look("shop", access.PROBE.id)
    assert ("cloudtrail.LookupEvents" in {name for name, _ in aws.calls}) is asked


def test_prefixes_are_of_now_and_of_a_period_ago() -> None:
    at = datetime(2026, 12, 1, 0, 5, tzinfo=UTC)
    assert prefixes("r/%Y/%m/%d/", at, 86400) == ("r/2026/12/01/", "r/2026/11/30/")
    assert prefixes("r/%H%%{x}", at, 3600) == ("r/00%%{x}", "r/23%%{x}")
    assert prefixes("plain", at, 1e300) == ("plain",)


def stored(key: str, **age: float) -> dict[str, Any]:
    return {"Key": key, "LastModified": ago(**age), "Size": 7}


@pytest.mark.parametrize(
    ("pages", "newest", "known"),
    [
        ({"r/21/": {"Contents": [stored("r/21/a", hours=9), stored("r/21/b", hours=1)]}}, 1, True),
        ({"r/20/": {"Contents": [stored("r/20/a", hours=20)]}}, 20, True),
        ({}, None, True),
        ({"r/21/": {"Contents": [stored("a", hours=30)], "IsTruncated": True}}, 30, False),
        ({"r/21/": {"Contents": [stored("a", hours=2)], "IsTruncated": True}}, 2, True),
    ],
)
async def test_the_newest_object_under_a_prefix(
    pages: dict[str, Any], newest: float | None, known: bool
) -> None:
    aws = FakeAws(
        answers(s3__ListObjectsV2=lambda **asked: pages.get(asked["Prefix"], {"KeyCount": 0}))
    )
    look = await upkeep.collect(aws, bucket(prefix="r/%d/", prefix_holds="report"))
    assert look.newest == (None if newest is None else ago(hours=newest))
    assert look.prefix_known is known


async def test_a_prefix_that_may_not_be_listed_is_not_called_empty() -> None:
    aws = FakeAws(answers(s3__ListObjectsV2=denied()))
    look = await upkeep.collect(aws, bucket(prefix="r/", prefix_holds="report"))
    codes = {each.code for each in upkeep.diagnose(look, upkeep.PROBE.settings)}
    assert "REPORT_MISSING" not in codes
    assert "S3_OBS_BLIND" in codes


async def test_rules_of_replication_are_measured_where_they_publish() -> None:
    rule = {
        "ID": "r",
        "Status": "Enabled",
        "Destination": {"Bucket": "arn:aws:s3:::copy", "Metrics": {"Status": "Enabled"}},
    }
    rules = [rule, {**rule, "ID": "quiet", "Destination": {"Bucket": "arn:aws:s3:::copy"}}]
    held = {"ReplicationConfiguration": {"Role": "x", "Rules": rules}}
    tls = policy(
        allow(Effect="Deny", Action="s3:*", Condition={"Bool": {"aws:SecureTransport": "false"}})
    )
    aws = FakeAws(
        answers(s3__GetBucketReplication=held, s3__GetBucketPolicy={"Policy": tls}),
        {"OperationsFailedReplication": minutes(3), "OperationsPendingReplication": minutes(3, 3)},
    )
    look = await upkeep.collect(aws, bucket())
    assert [(each.id, each.measured) for each in look.rules] == [("r", True), ("quiet", False)]
    assert look.tls_only
    assert len(aws.queries) == 3
    found = [each.code for each in upkeep.diagnose(look, upkeep.PROBE.settings)]
    assert found == ["S3_REPLICATION_FAILED"]


def test_names_of_objects_are_read_within_bounds_and_only_by_who_asked() -> None:
    needs = {need for probe in registry().values() for need in probe.needs}
    assert "s3.ListObjectsV2" in reads.consented(needs)
    with pytest.raises(Refused, match="Prefix"):
        reads.check_bounds("s3", "ListObjectsV2", {"MaxKeys": 10})
    with pytest.raises(Refused):
        reads.check("s3", "ListObjectsV2")


# moto ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with moto_server() as port:
        yield port


@pytest.fixture
async def aws(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Aws]:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")
    held = await open_aws(place(port), wanted=("s3:ListBucket",))
    yield held
    await held.close()


@pytest.mark.servers
async def test_an_open_bucket_through_the_real_client(aws: Aws, port: int) -> None:
    s3 = client(port, "s3")
    s3.create_bucket(Bucket="shop", ObjectOwnership="ObjectWriter")
    private = await exposure.collect(aws, bucket())
    assert not [
        each
        for each in exposure.diagnose(private, exposure.PROBE.settings)
        if each.severity == "critical"
    ]
    s3.put_bucket_policy(Bucket="shop", Policy=policy(allow(Sid="web", Action="s3:*")))
    s3.put_bucket_acl(Bucket="shop", ACL="public-read")
    s3.put_object(Bucket="shop", Key="r/today.pdf", Body=b"x")
    aws.forget()
    look = await exposure.collect(aws, bucket())
    found = {each.code for each in exposure.diagnose(look, exposure.PROBE.settings)}
    assert {"S3_PUBLIC_WRITE", "S3_PUBLIC_POLICY", "S3_PUBLIC_ACL"} <= found
    kept = await upkeep.collect(aws, bucket(prefix="r/"))
    assert kept.newest is not None
    assert (kept.newest_size, kept.versioning) == (1, "")
    seen = await access.collect(aws, bucket())
    assert (seen.policy_known, seen.key, seen.filter) == (True, None, "")
    with pytest.raises(BlindError) as caught:
        await exposure.collect(
            aws, Target(name="x", kind="s3_bucket", settings=BucketSettings(aws="p", id="gone"))
        )
    assert caught.value.code == "S3_BUCKET_MISSING"
