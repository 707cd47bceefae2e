"""What is read of S3's, KMS' and CloudTrail's answers, and as which value of the model.

Source: S3 and S3 Control API references. What a bucket never had configured is an error of its own
kind (`NoSuchBucketPolicy`, …), which is an answer and no failure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from cockpit.connect.aws.answer import Answer, GivenText, answer_into, answers_into
from cockpit.connect.aws.resource_policy import (
    PolicyProblem,
    PolicyStatement,
    is_public,
    one_line,
    statements_of,
)
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.redact import MASK
from cockpit.text import SafeText, visible
from probes.s3_bucket.model import (
    AccessPoint,
    AclGrant,
    Block,
    BucketChange,
    EncryptionKey,
    PolicyGrant,
)
from probes.trail import RecordedCall, recorded

Result = TypeVar("Result")
_GROUPS = {
    "http://acs.amazonaws.com/groups/global/AllUsers": "everybody",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers": "everybody with an AWS account",
}
POLICY_EVENTS = ("PutBucketPolicy", "DeleteBucketPolicy")
BLOCK_EVENTS = ("PutBucketPublicAccessBlock", "DeleteBucketPublicAccessBlock")
ACL_EVENTS = ("PutBucketAcl",)
_BACK = timedelta(days=30)


class BlockRow(Answer, frozen=True):
    """Block Public Access."""

    of = "s3.PublicAccessBlockConfiguration"
    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False


class PointBlockRow(BlockRow, frozen=True):
    """The same of an access point."""

    of = "s3control.PublicAccessBlockConfiguration"


class PolicyStatusRow(Answer, frozen=True):
    """What S3 itself says of a policy."""

    of = "s3.PolicyStatus"
    is_public: bool


class PointStatusRow(Answer, frozen=True):
    """What S3 says of the policy of an access point."""

    of = "s3control.PolicyStatus"
    is_public: bool = False


class Grantee(Answer, frozen=True):
    """Whom an ACL grants something."""

    type: SafeText = ""
    uri: SafeText = msgspec.field(name="URI", default="")
    id: SafeText = msgspec.field(name="ID", default="")
    display_name: SafeText = ""


class GrantRow(Answer, frozen=True):
    """One grant of an ACL."""

    of = "s3.Grant"
    grantee: Grantee = Grantee()
    permission: SafeText = ""


class PointRow(Answer, frozen=True):
    """An access point."""

    of = "s3control.AccessPoint"
    name: GivenText
    network_origin: SafeText = ""


class PointDetail(Answer, frozen=True):
    """An access point's own settings."""

    of = "s3control.GetAccessPointResult"
    public_access_block_configuration: PointBlockRow = PointBlockRow()


class KeyRow(Answer, frozen=True):
    """A key of KMS."""

    of = "kms.KeyMetadata"
    key_id: GivenText
    arn: SafeText = ""
    key_state: SafeText = ""
    key_manager: SafeText = ""
    deletion_date: datetime | None = None


def name_of(id_: str) -> str:
    """A bucket's name out of its name or ARN."""
    return id_.rpartition(":::")[2].partition("/")[0].strip()


async def unless_none(reading: Awaitable[Result], otherwise: Result) -> Result:
    """What is configured; `otherwise` where nothing is."""
    try:
        return await reading
    except BlindError as error:
        if error.reason is Reason.MISSING:
            return otherwise
        raise


def block_of(row: object, into: type[BlockRow] = BlockRow) -> Block:
    """The four settings."""
    told = answer_into(row, into)
    return Block(
        known=True,
        set=True,
        block_acls=told.block_public_acls,
        ignore_acls=told.ignore_public_acls,
        block_policy=told.block_public_policy,
        restrict=told.restrict_public_buckets,
    )


async def block_at(aws: AwsReads, bucket: str) -> Block:
    """The bucket's own; none is all four off. Raises `BlindError`."""

    async def reading() -> Block:
        answer = await aws.read(
            "s3", "GetPublicAccessBlock", expect="PublicAccessBlockConfiguration", Bucket=bucket
        )
        return block_of(answer["PublicAccessBlockConfiguration"])

    return await unless_none(reading(), Block(known=True))


async def block_of_account(aws: AwsReads, account: str) -> Block:
    """The account's; none is all four off. Raises `BlindError`."""

    async def reading() -> Block:
        what = "PublicAccessBlockConfiguration"
        answer = await aws.read("s3control", "GetPublicAccessBlock", expect=what, AccountId=account)
        return block_of(answer[what], PointBlockRow)

    return await unless_none(reading(), Block(known=True))


def ownership_of(controls: object) -> str:
    """`BucketOwnerEnforced` (no ACLs), `BucketOwnerPreferred`, `ObjectWriter`; empty: not told."""
    rules = controls.get("Rules") if isinstance(controls, Mapping) else None
    first = rules[0] if isinstance(rules, list) and rules else {}
    return visible(str(first.get("ObjectOwnership", "")), 60) if isinstance(first, dict) else ""


async def account_of(aws: AwsReads) -> str:
    """The account that looks. Raises `BlindError`."""
    answer = await aws.read("sts", "GetCallerIdentity", expect="Account")
    return visible(str(answer["Account"]))


async def policy_of(aws: AwsReads, bucket: str) -> str:
    """The policy in one line; empty: there is none. Raises `BlindError`, also for a policy that is
    not understood: what it opens is not known then.
    """

    async def reading() -> str:
        answer = await aws.read("s3", "GetBucketPolicy", expect="Policy", Bucket=bucket)
        text = answer["Policy"]
        if not isinstance(text, str):
            raise BlindError(Reason.UNREADABLE, "s3.GetBucketPolicy: the policy is no text")
        return understood(text)

    return await unless_none(reading(), "")


def understood(text: str) -> str:
    """A policy in one line. Raises `BlindError` for one that nobody here understands."""
    try:
        statements_of(text)
        return one_line(text)
    except PolicyProblem as error:
        raise BlindError(Reason.UNREADABLE, f"the policy is not understood: {error}") from None


def grants_of(text: str) -> tuple[PolicyGrant, ...]:
    """The statements of a policy that was understood, in words."""
    return tuple(map(_grant, statements_of(text))) if text else ()


def _grant(statement: PolicyStatement) -> PolicyGrant:
    who = ", ".join(each.removeprefix("AWS:") for each in statement.principals) or "nobody named"
    what = ", ".join(statement.actions)
    conditions = "; ".join(
        f"{each.operator} {each.key} {', '.join(each.values)}" for each in statement.conditions
    )
    return PolicyGrant(
        name=visible(statement.name, 120),
        allows=statement.allows,
        who=visible(f"all but {who}" if statement.not_principals else who, 300),
        what=visible(f"all but {what}" if statement.not_actions else what, 300),
        condition=visible(conditions, 300),
        public=is_public(statement),
        reads=statement.reads,
        writes=statement.writes,
    )


async def acl_of(aws: AwsReads, bucket: str) -> tuple[AclGrant, ...]:
    """What the bucket's ACL grants. Raises `BlindError`."""
    answer = await aws.read("s3", "GetBucketAcl", expect="Owner", Bucket=bucket)
    rows = answers_into(answer.get("Grants", []), GrantRow)
    return tuple(
        AclGrant(
            who=_GROUPS.get(each.grantee.uri)
            or each.grantee.uri.rpartition("/")[2]
            or each.grantee.display_name
            or each.grantee.id,
            permission=each.permission,
            public=each.grantee.uri in _GROUPS,
        )
        for each in rows
    )


async def points_of(aws: AwsReads, account: str, bucket: str) -> tuple[AccessPoint, ...]:
    """The access points of a bucket, each with whether it is public. Raises `BlindError`."""
    rows = await aws.pages(
        "s3control", "ListAccessPoints", key="AccessPointList", AccountId=account, Bucket=bucket
    )
    told = answers_into(rows, PointRow)
    return tuple([await _point(aws, account, each) for each in told])


async def _point(aws: AwsReads, account: str, row: PointRow) -> AccessPoint:
    async def status() -> bool:
        answer = await aws.read(
            "s3control",
            "GetAccessPointPolicyStatus",
            expect="PolicyStatus",
            AccountId=account,
            Name=row.name,
        )
        return answer_into(answer["PolicyStatus"], PointStatusRow).is_public

    public = await unless_none(status(), otherwise=False)
    block = Block()
    if public:
        answer = await aws.read(
            "s3control", "GetAccessPoint", expect="Name", AccountId=account, Name=row.name
        )
        block = block_of(
            msgspec.to_builtins(answer.get("PublicAccessBlockConfiguration", {})), PointBlockRow
        )
    return AccessPoint(name=row.name, origin=row.network_origin, public=public, block=block)


async def key_of(aws: AwsReads, bucket: str) -> EncryptionKey | None:
    """The default key of KMS, when it is one of one's own. Raises `BlindError`."""

    async def reading() -> Mapping[str, object]:
        return await aws.read(
            "s3", "GetBucketEncryption", expect="ServerSideEncryptionConfiguration", Bucket=bucket
        )

    answer = await unless_none(reading(), {})
    wanted = _key_id(answer.get("ServerSideEncryptionConfiguration"))
    if not wanted:
        return None
    try:
        told = await aws.read("kms", "DescribeKey", expect="KeyMetadata", KeyId=wanted)
    except BlindError as error:
        if error.reason is Reason.MISSING:
            return EncryptionKey(id=wanted, state="missing", manager="CUSTOMER")
        raise
    row = answer_into(told["KeyMetadata"], KeyRow)
    return EncryptionKey(
        id=row.arn or row.key_id,
        state=row.key_state,
        manager=row.key_manager,
        deletion=row.deletion_date,
    )


def _key_id(configuration: object) -> str:
    rules = configuration.get("Rules") if isinstance(configuration, Mapping) else None
    for rule in rules if isinstance(rules, list) else ():
        default = rule.get("ApplyServerSideEncryptionByDefault") if isinstance(rule, dict) else None
        if isinstance(default, dict) and str(default.get("SSEAlgorithm", "")).startswith("aws:kms"):
            return visible(str(default.get("KMSMasterKeyID", "")), 2000)
    return ""


async def filter_of(aws: AwsReads, bucket: str) -> str:
    """The configuration that counts all requests, else any; empty: there is none, and S3 publishes
    no metric of requests. Raises `BlindError`.
    """
    answer = await aws.read("s3", "ListBucketMetricsConfigurations", Bucket=bucket)
    rows = answer.get("MetricsConfigurationList", [])
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    whole = [row for row in found if not row.get("Filter")] or found
    return visible(str(whole[0].get("Id", "")), 64) if whole else ""


async def changes_of(
    aws: AwsReads, bucket: str, events: Sequence[str], *, at: datetime
) -> tuple[BucketChange, ...]:
    """What CloudTrail has of some calls for the bucket, newest first. Raises `BlindError`.

    Asked by the call's name: by the bucket's, the page would be full of our own reads.
    """
    start = (at - _BACK).replace(hour=0, minute=0, second=0, microsecond=0)
    return tuple(_changes(await recorded(aws, *events, start=start), bucket))


def _changes(calls: Sequence[RecordedCall], bucket: str) -> Iterator[BucketChange]:
    for call in calls:
        asked = call.event.get("requestParameters")
        if not isinstance(asked, dict) or asked.get("bucketName") != bucket:
            continue
        if call.event.get("errorCode"):
            continue  # it was refused, and changed nothing
        text, whole = _policy_in(asked.get("bucketPolicy"))
        yield BucketChange(
            at=call.at,
            event=call.name,
            actor=call.actor,
            policy=text,
            whole=whole or call.name != "PutBucketPolicy",
        )


def _policy_in(held: object) -> tuple[str, bool]:
    """A policy as CloudTrail holds it, and whether it is there whole: what was masked for looking
    like a secret may never be put back.
    """
    text = held if isinstance(held, str) else json.dumps(held, ensure_ascii=False) if held else ""
    if not text or MASK in text:
        return "", False
    try:
        return understood(text), True
    except BlindError:
        return "", False


def prefixes(pattern: str, at: datetime, every: float) -> tuple[str, ...]:
    """What to look under: now, and a period ago, since just after midnight today's is empty."""
    moments = (at, at - timedelta(seconds=min(max(every, 0), 366 * 86400)))
    return tuple(dict.fromkeys(_filled(pattern, moment) for moment in moments))


def _filled(pattern: str, moment: datetime) -> str:
    return re.sub(r"%[YmdH]", lambda found: moment.strftime(found[0]), pattern)
