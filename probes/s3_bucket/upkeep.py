"""What protects a bucket's data, whether copies follow, and whether what must come has come.

Source: S3 `GetBucketVersioning`, `GetBucketLogging`, `GetBucketReplication`, `ListObjectsV2` of the
one prefix that the configuration names (at most a page; names and times of objects, never what is
in them), CloudWatch `AWS/S3` of replication rules that publish metrics.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from cockpit import clock
from cockpit.connect.aws.answer import Answer, GivenText, answers_into
from cockpit.connect.aws.resource_policy import statements_of
from cockpit.connect.aws.settings import BucketSettings
from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.text import SafeText, visible
from cockpit.triage.finding import Finding
from cockpit.triage.nature import codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, attempt, blind_series, nothing_read
from probes.metrics import query
from probes.s3_bucket import fresh, inside
from probes.s3_bucket.blind import unseen
from probes.s3_bucket.model import ReplicationRule, Upkeep
from probes.s3_bucket.read import name_of, policy_of, prefixes, unless_none
from probes.s3_bucket.settings import UpkeepSettings

_PAGE = 1000
_OF_RULE = {
    "latency": ("ReplicationLatency", "Maximum"),
    "pending": ("OperationsPendingReplication", "Maximum"),
    "failed": ("OperationsFailedReplication", "Sum"),
}


class ObjectRow(Answer, frozen=True):
    """An object's name, age and size: never what is in it."""

    of = "s3.Object"
    key: GivenText
    last_modified: datetime
    size: int = 0


class RuleMetrics(Answer, frozen=True):
    """Whether S3 publishes how far the copies are."""

    status: SafeText = ""


class Destination(Answer, frozen=True):
    """Where copies go."""

    bucket: SafeText = ""
    metrics: RuleMetrics = RuleMetrics()


class ReplicationRuleRow(Answer, frozen=True):
    """A rule of replication."""

    of = "s3.ReplicationRule"
    id: SafeText = msgspec.field(name="ID", default="")
    status: SafeText = ""
    destination: Destination = Destination()


async def collect(aws: AwsReads, target: Target) -> Upkeep:
    """All parts at once; none is a must, but `BlindError` is raised when not one could be read."""
    settings = target.settings
    assert isinstance(settings, BucketSettings)
    bucket, gaps = name_of(settings.id), list[Gap]()
    look = Upkeep(
        at=clock.now(),
        name=bucket,
        important=settings.important,
        prefix=settings.prefix,
        prefix_every=settings.prefix_every,
        prefix_holds=settings.prefix_holds,
    )
    versioning, logging, policy, rules = await asyncio.gather(
        attempt(gaps, "versioning", _versioning(aws, bucket), otherwise=None),
        attempt(gaps, "logging", _logging(aws, bucket), otherwise=None),
        attempt(gaps, "the policy", policy_of(aws, bucket), otherwise=None),
        attempt(gaps, "replication", _rules(aws, bucket), otherwise=None),
    )
    read = {"versioning": versioning, "logging": logging, "policy": policy, "replication": rules}
    known = tuple(name for name, value in read.items() if value is not None)
    if not known:
        raise nothing_read(gaps)
    look = replace(
        look,
        versioning=versioning or "",
        logging=logging or "",
        tls_only=_over_tls(policy or ""),
        rules=rules or (),
        known=known,
    )
    if any(each.measured for each in look.rules):
        look = await attempt(gaps, "metrics", _measured(aws, look), otherwise=look)
    if settings.prefix:
        look = await attempt(gaps, "the prefix", _newest(aws, look), otherwise=look)
    for each in look.rules:
        gaps += blind_series({name: getattr(each, field) for field, (name, _) in _OF_RULE.items()})
    return replace(look, gaps=tuple(gaps))


async def _versioning(aws: AwsReads, bucket: str) -> str:
    answer = await aws.read("s3", "GetBucketVersioning", Bucket=bucket)
    return visible(str(answer.get("Status", "")), 40)


async def _logging(aws: AwsReads, bucket: str) -> str:
    answer = await aws.read("s3", "GetBucketLogging", Bucket=bucket)
    on = answer.get("LoggingEnabled")
    return visible(str(on.get("TargetBucket", "")), 255) if isinstance(on, Mapping) else ""


def _over_tls(policy: str) -> bool:
    """Whether a Deny for everybody shuts out what comes without TLS."""
    for each in statements_of(policy) if policy else ():
        plain = [
            c
            for c in each.conditions
            if c.key == "aws:securetransport" and c.operator == "bool" and c.values == ("false",)
        ]
        everybody = any(p in {"*", "AWS:*"} for p in each.principals) and not each.not_principals
        if not each.allows and everybody and plain and each.covers("s3:GetObject"):
            return True
    return False


async def _rules(aws: AwsReads, bucket: str) -> tuple[ReplicationRule, ...]:
    async def reading() -> tuple[ReplicationRule, ...]:
        answer = await aws.read(
            "s3", "GetBucketReplication", expect="ReplicationConfiguration", Bucket=bucket
        )
        held = answer["ReplicationConfiguration"]
        rows = held.get("Rules", []) if isinstance(held, Mapping) else []
        return tuple(map(_rule, answers_into(rows, ReplicationRuleRow)))

    return await unless_none(reading(), ())


def _rule(row: ReplicationRuleRow) -> ReplicationRule:
    return ReplicationRule(
        id=row.id,
        status=row.status,
        destination=name_of(row.destination.bucket),
        measured=row.destination.metrics.status == "Enabled",
    )


async def _measured(aws: AwsReads, look: Upkeep) -> Upkeep:
    asked = {each.id: _queries(look.name, each) for each in look.rules if each.measured}
    wanted = [one for several in asked.values() for one in several.values()]
    series = await aws.metrics(wanted, minutes=30)
    rules = tuple(
        _with(each, {field: series[one] for field, one in asked.get(each.id, {}).items()})
        for each in look.rules
    )
    return replace(look, rules=rules)


def _with(rule: ReplicationRule, series: Mapping[str, Series]) -> ReplicationRule:
    return replace(rule, **series)  # type: ignore[arg-type]


def _queries(bucket: str, rule: ReplicationRule) -> dict[str, MetricQuery]:
    return {
        field: query(
            "AWS/S3",
            name,
            stat,
            SourceBucket=bucket,
            DestinationBucket=rule.destination,
            RuleId=rule.id,
        )
        for field, (name, stat) in _OF_RULE.items()
    }


async def _newest(aws: AwsReads, look: Upkeep) -> Upkeep:
    """The newest object under the prefix of now, else under that of a period ago."""
    for prefix in prefixes(look.prefix, look.at, look.prefix_every):
        rows, more = await _page(aws, look.name, prefix)
        if rows:
            newest = max(rows, key=lambda each: each.last_modified)
            young = (look.at - newest.last_modified).total_seconds() < look.prefix_every
            return replace(
                look,
                prefix=prefix,
                newest=newest.last_modified,
                newest_size=newest.size,
                # a page holds the first by name: what is newer may stand behind it
                prefix_known=young or not more,
            )
    return replace(look, prefix=prefixes(look.prefix, look.at, 0)[0], prefix_known=True)


async def _page(aws: AwsReads, bucket: str, prefix: str) -> tuple[Sequence[ObjectRow], bool]:
    answer = await aws.read("s3", "ListObjectsV2", Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE)
    rows = answers_into(answer.get("Contents", []), ObjectRow)
    return rows, bool(answer.get("IsTruncated"))


def diagnose(snapshot: Upkeep, settings: UpkeepSettings) -> Iterator[Finding]:
    """What did not come, what is not copied, then what would hurt some day."""
    yield from fresh.overdue(snapshot, settings)
    yield from fresh.replication(snapshot, settings)
    yield from fresh.review(snapshot, settings)
    yield from unseen("upkeep", snapshot.gaps)


PROBE = Probe(
    id="s3_bucket.upkeep",
    kind="s3_bucket",
    collect=collect,
    diagnose=diagnose,
    snapshot=Upkeep,
    settings=UpkeepSettings(),
    every=300,
    timeout=20,
    facts=inside.upkeep_facts,
    tables=inside.upkeep_tables,
    needs=(
        "s3:GetBucketVersioning",
        "s3:GetBucketLogging",
        "s3:GetBucketPolicy",
        "s3:GetReplicationConfiguration",
        "s3:ListBucket",
        "cloudwatch:GetMetricData",
        # steps of its runbooks
        "s3:ListBucketVersions",
    ),
    codes=codes(
        symptom=("S3_STALE_PREFIX", "REPORT_MISSING"),
        risk=(
            "ALB_LOGS_STOPPED",
            "S3_REPLICATION_BEHIND",
            "S3_REPLICATION_FAILED",
            "S3_NOT_VERSIONED",
            "S3_LOGGING_OFF",
            "S3_TLS_NOT_ENFORCED",
            "S3_NO_REPLICATION",
        ),
        eye=("S3_OBS_BLIND",),
    ),
)
