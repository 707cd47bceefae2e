"""Who can get into a bucket: policy, ACL, access points, and what blocks them.

Source: S3 `GetBucketPolicyStatus`, `GetBucketPolicy`, `GetBucketAcl`, `GetPublicAccessBlock` of
bucket and account, access points; CloudTrail for who opened it. ACLs of objects are not examined:
that takes listing them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.answer import answer_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.resource_policy import public_in, statements_of, without
from cockpit.connect.aws.settings import BucketSettings
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, absent, attempt, blind_series, gap_of
from probes.metrics import query
from probes.s3_bucket import public, view
from probes.s3_bucket.blind import unseen
from probes.s3_bucket.model import AccessPoint, Block, Exposure
from probes.s3_bucket.read import (
    ACL_EVENTS,
    BLOCK_EVENTS,
    POLICY_EVENTS,
    PolicyStatusRow,
    account_of,
    acl_of,
    block_at,
    block_of_account,
    changes_of,
    filter_of,
    grants_of,
    name_of,
    ownership_of,
    points_of,
    policy_of,
    unless_none,
)
from probes.s3_bucket.settings import ExposureSettings

_MISSING = "S3_BUCKET_MISSING"
_FORBIDDEN = "S3_BUCKET_FORBIDDEN"


async def collect(aws: AwsReads, target: Target) -> Exposure:
    """Whether it is there first; then all doors at once; causes only when one is open."""
    settings = target.settings
    assert isinstance(settings, BucketSettings)
    bucket = name_of(settings.id)
    look = Exposure(at=clock.now(), name=bucket, intended=settings.exposure)
    gaps: list[Gap] = []
    await _there(aws, bucket, gaps)
    account = await attempt(gaps, "the account", account_of(aws), otherwise="")
    block, whole, status, policy, acl, points = await asyncio.gather(
        attempt(gaps, "the bucket's block", block_at(aws, bucket), otherwise=Block()),
        attempt(gaps, "the account's block", _of_account(aws, account), otherwise=Block()),
        attempt(gaps, "whether the policy is public", _status(aws, bucket), otherwise=None),
        attempt(gaps, "the policy", policy_of(aws, bucket), otherwise=None),
        attempt(gaps, "the ACL", acl_of(aws, bucket), otherwise=None),
        attempt(gaps, "access points", _points(aws, account, bucket), otherwise=()),
    )
    look = replace(
        look,
        account=account,
        block=block,
        account_block=whole,
        public=status,
        policy=policy or "",
        policy_known=policy is not None,
        grants=grants_of(policy or ""),
        closed_policy=_closed(policy or ""),
        acl_known=acl is not None,
        acl=acl or (),
        access_points=points,
    )
    look = await _explained(aws, look, gaps)
    gaps += blind_series({"BytesDownloaded": look.downloaded})
    return replace(look, gaps=tuple(gaps))


async def _there(aws: AwsReads, bucket: str, gaps: list[Gap]) -> None:
    """Raise `BlindError` when there is no such bucket, or it is closed to us whole."""
    try:
        await aws.read("s3", "HeadBucket", Bucket=bucket)
    except BlindError as error:
        if error.reason is Reason.MISSING:
            raise _absent(error) from error
        if error.reason is not Reason.DENIED:
            raise
        gaps.append(gap_of("whether it is there", error))
        try:
            await unless_none(_status(aws, bucket), None)
        except BlindError as second:
            if second.reason is Reason.DENIED:
                raise _forbidden(error) from second


def _absent(error: BlindError) -> BlindError:
    """There is no bucket of this name: all that needs it fails, and whoever makes one gets its
    traffic. A misspelled name here looks the same.
    """
    return absent(
        error,
        _MISSING,
        severity=Severity.CRITICAL,
        hint="check the name in the configuration; who deleted it? make it again in the same "
        "account before somebody else does",
    )


def _forbidden(error: BlindError) -> BlindError:
    """There is a bucket of this name and nothing of it may be read: a right of ours is missing, a
    policy shuts us out, or it belongs to somebody else, who may have taken a free name.
    """
    return BlindError(
        error.reason,
        error.message,
        hint="is it still ours? a bucket that was deleted can be made by anybody, who then gets "
        "what is sent to it. Else its policy lets in one VPC only, or s3:ListBucket and "
        "s3:GetBucketPolicyStatus are missing",
        code=_FORBIDDEN,
        severity=Severity.WARNING.value,
    )


async def _of_account(aws: AwsReads, account: str) -> Block:
    return await block_of_account(aws, account) if account else Block()


async def _points(aws: AwsReads, account: str, bucket: str) -> tuple[AccessPoint, ...]:
    return await points_of(aws, account, bucket) if account else ()


async def _status(aws: AwsReads, bucket: str) -> bool | None:
    async def reading() -> bool:
        answer = await aws.read("s3", "GetBucketPolicyStatus", expect="PolicyStatus", Bucket=bucket)
        return answer_into(answer["PolicyStatus"], PolicyStatusRow).is_public

    return await unless_none(reading(), otherwise=False)


def _closed(policy: str) -> str:
    """The policy without what is open to everybody; empty when nothing is, or nothing is left."""
    opened = public_in(statements_of(policy)) if policy else ()
    return without(policy, opened) if opened else ""


async def _explained(aws: AwsReads, look: Exposure, gaps: list[Gap]) -> Exposure:
    """The look with who changed what, and what flows out, when something is not as it should."""
    if look.intended == "public-read" and not look.readable:
        owner = attempt(gaps, "object ownership", _ownership(aws, look.name), otherwise="")
        look = replace(look, ownership=await owner)
    events = _asked_about(look)
    if events:
        asked = changes_of(aws, look.name, events, at=look.at)
        look = replace(look, changes=await attempt(gaps, "CloudTrail", asked, otherwise=()))
    opened = look.readable or any(each.public for each in look.access_points)
    if opened and look.intended == "private":
        found = attempt(gaps, "metrics of requests", filter_of(aws, look.name), otherwise="")
        look = replace(look, filter=await found)
        if look.filter:
            look = await attempt(gaps, "metrics", _flow(aws, look), otherwise=look)
    return look


def _asked_about(look: Exposure) -> tuple[str, ...]:
    """The calls that may have made it what it is."""
    policy = look.policy_public if look.intended == "private" else not look.readable
    return (
        *(POLICY_EVENTS if policy else ()),
        *(ACL_EVENTS if look.open_acl and look.intended == "private" else ()),
        *(BLOCK_EVENTS if (look.blocks.known and not look.blocks.whole) or policy else ()),
    )


async def _ownership(aws: AwsReads, bucket: str) -> str:
    async def reading() -> str:
        answer = await aws.read(
            "s3", "GetBucketOwnershipControls", expect="OwnershipControls", Bucket=bucket
        )
        return ownership_of(answer["OwnershipControls"])

    return await unless_none(reading(), "")


async def _flow(aws: AwsReads, look: Exposure) -> Exposure:
    asked = query("AWS/S3", "BytesDownloaded", "Sum", BucketName=look.name, FilterId=look.filter)
    now, before = await asyncio.gather(
        aws.metrics([asked], minutes=185), aws.metrics([asked], minutes=15, ago=1440)
    )
    return replace(look, downloaded=now[asked], downloaded_yesterday=before[asked])


def since(before: Exposure, now: Exposure) -> Exposure:
    """Carry over when the cockpit saw the block go: CloudTrail is up to fifteen minutes late."""
    if now.blocks.whole or not (before.blocks.known and now.blocks.known):
        return now
    return replace(now, block_removed=now.at if before.blocks.whole else before.block_removed)


def diagnose(snapshot: Exposure, settings: ExposureSettings) -> Iterator[Finding]:
    """What is open now first, then what would be with the next mistake."""
    yield from public.writable(snapshot, settings)
    yield from public.policy(snapshot, settings)
    yield from public.acl(snapshot, settings)
    yield from public.access_points(snapshot, settings)
    yield from public.egress(snapshot, settings)
    yield from public.read_lost(snapshot, settings)
    yield from public.block_off(snapshot, settings)
    yield from unseen("exposure", snapshot.gaps)


KIND = aws_kind(
    "s3_bucket",
    "s3",
    settings=BucketSettings,
    words={
        "exposure": ("private", "public-read"),
        "prefix_holds": ("data", "report", "alb-logs"),
    },
)

PROBE = Probe(
    id="s3_bucket.exposure",
    kind="s3_bucket",
    collect=collect,
    diagnose=diagnose,
    snapshot=Exposure,
    settings=ExposureSettings(),
    every=60,
    timeout=20,
    facts=view.exposure_facts,
    tables=view.exposure_tables,
    changes=view.exposure_changes,
    since=since,
    twice=False,
    leads=True,
    needs=(
        "s3:ListBucket",
        "s3:GetBucketPolicyStatus",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetAccountPublicAccessBlock",
        "s3:GetBucketPolicy",
        "s3:GetBucketAcl",
        "s3:ListAccessPoints",
        "s3:GetAccessPointPolicyStatus",
        "s3:GetAccessPoint",
        "s3:GetBucketOwnershipControls",
        "s3:GetMetricsConfiguration",
        "cloudwatch:GetMetricData",
        "cloudtrail:LookupEvents",
        "sts:GetCallerIdentity",
    ),
    codes=codes(
        cause=("S3_PUBLIC_READ_LOST", _MISSING),
        either=("S3_EGRESS_SURGE",),
        risk=(
            "S3_PUBLIC_WRITE",
            "S3_PUBLIC_POLICY",
            "S3_PUBLIC_ACL",
            "S3_PUBLIC_ACCESS_POINT",
            "S3_BLOCK_PUBLIC_ACCESS_OFF",
        ),
        eye=(_FORBIDDEN, "S3_OBS_BLIND"),
    ),
)
