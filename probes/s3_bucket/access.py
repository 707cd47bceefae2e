"""Whether those who must get into a bucket do: declared readers and writers, its key, its errors.

Source: S3 `GetBucketPolicy`, `GetBucketEncryption`, KMS `DescribeKey`, IAM
`SimulatePrincipalPolicy`, CloudWatch `AWS/S3` where a metrics configuration counts requests, and
CloudTrail for the policy that was in force before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.resource_policy import public_in, same, statements_of, wide_in
from cockpit.connect.aws.settings import BucketSettings
from cockpit.connect.session import AwsReads
from cockpit.triage.finding import Finding
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe, in_force
from cockpit.triage.target import Target
from probes.answers import Gap, attempt, blind_series, nothing_read
from probes.metrics import query
from probes.s3_bucket import denied, inside
from probes.s3_bucket.blind import unseen
from probes.s3_bucket.model import Access, BucketChange, PrincipalAccess
from probes.s3_bucket.principals import Wanted, all_wanted, decided
from probes.s3_bucket.read import (
    POLICY_EVENTS,
    account_of,
    changes_of,
    filter_of,
    key_of,
    name_of,
    policy_of,
)
from probes.s3_bucket.settings import AccessSettings

_SERIES = {"requests": "AllRequests", "refused": "4xxErrors", "failed": "5xxErrors"}
_BY_TRAIL = "what CloudTrail says was put before"
_BY_SIGHT = "what the cockpit saw in force before"
_PARTS = 4
"""How many reads there are before what depends on their answers."""


async def collect(aws: AwsReads, target: Target) -> Access:
    """Policy, key, counters and declared principals; causes when somebody is shut out.

    Raises `BlindError` when not one of them could be read.
    """
    settings = target.settings
    assert isinstance(settings, BucketSettings)
    bucket = name_of(settings.id)
    look = Access(at=clock.now(), name=bucket)
    gaps: list[Gap] = []
    account, policy, key, counted = await asyncio.gather(
        attempt(gaps, "the account", account_of(aws), otherwise=""),
        attempt(gaps, "the policy", policy_of(aws, bucket), otherwise=None),
        attempt(gaps, "its key", key_of(aws, bucket), otherwise=None),
        attempt(gaps, "metrics of requests", filter_of(aws, bucket), otherwise=""),
    )
    if len(gaps) == _PARTS:
        raise nothing_read(gaps)
    look = replace(
        look,
        account=account,
        policy=policy or "",
        policy_known=policy is not None,
        key=key,
        filter=counted,
    )
    wanted = all_wanted(
        settings.readers, settings.writers, bucket=bucket, account=account, key=settings.sample
    )
    look = replace(look, principals=await _principals(aws, [*wanted], policy, gaps=gaps))
    if counted:
        look = await attempt(gaps, "metrics", _measured(aws, look), otherwise=look)
    if denied.shut_out(look, in_force(AccessSettings())):
        look = await attempt(gaps, "CloudTrail", _before(aws, look), otherwise=look)
    gaps += blind_series({name: getattr(look, field) for field, name in _SERIES.items()})
    return replace(look, gaps=tuple(gaps))


async def _principals(
    aws: AwsReads, wanted: Sequence[Wanted], policy: str | None, *, gaps: list[Gap]
) -> tuple[PrincipalAccess, ...]:
    found = []
    for each in wanted:  # one after the other: IAM's limit is the account's, and low
        unknown = PrincipalAccess(
            principal=each.principal, action=each.action, decision="unknown", layer="not told"
        )
        asked = decided(aws, each, policy)
        found.append(await attempt(gaps, f"rights of {each.principal}", asked, otherwise=unknown))
    return tuple(found)


async def _measured(aws: AwsReads, look: Access) -> Access:
    asked = {
        field: query("AWS/S3", name, "Sum", BucketName=look.name, FilterId=look.filter)
        for field, name in _SERIES.items()
    }
    series = await aws.metrics(list(asked.values()), minutes=185)
    return replace(look, **{field: series[each] for field, each in asked.items()})  # type: ignore[arg-type]


async def _before(aws: AwsReads, look: Access) -> Access:
    changes = await changes_of(aws, look.name, POLICY_EVENTS, at=look.at)
    if not look.policy_known:
        return replace(look, changes=changes)
    text, refused = previous_of(look.policy, changes)
    return replace(
        look,
        changes=changes,
        previous_policy=text,
        previous_known_by=_BY_TRAIL if text else "",
        previous_refused=refused,
    )


def previous_of(current: str, changes: Sequence[BucketChange]) -> tuple[str, str]:
    """The policy before `current`, out of changes that are newest first, and why a known one is
    not offered. Both empty: not known.

    Where `current` was in force before that too, somebody went back already, and to go "back" once
    more would bring the bad one.
    """
    moves = [each for each in changes if each.event in POLICY_EVENTS]
    while moves and moves[0].whole and same(moves[0].policy, current):
        moves.pop(0)
    if not moves:
        return "", ""
    if any(each.whole and same(each.policy, current) for each in moves):
        return "", "somebody put an older one back already"
    before = moves[0]
    if not before.whole:
        return "", "CloudTrail does not tell it whole"
    return offered(before.policy)


def offered(policy: str) -> tuple[str, str]:
    """A policy that may be put back, or empty and why not."""
    if not policy:
        return "", "there was none before"
    statements = statements_of(policy)
    if public_in(statements):
        return "", "it is open to everybody"
    if wide_in(statements):
        return "", "it allows on every resource"
    return policy, ""


def since(before: Access, now: Access) -> Access:
    """Carry over when the policy changed under our eyes, and what it was: no event is needed."""
    if not (before.policy_known and now.policy_known):
        return now
    if same(before.policy, now.policy):
        carried = not now.previous_policy and before.previous_known_by == _BY_SIGHT
        now = replace(now, policy_changed=before.policy_changed)
        return (
            replace(now, previous_policy=before.previous_policy, previous_known_by=_BY_SIGHT)
            if carried
            else now
        )
    text, refused = offered(before.policy)
    return replace(
        now,
        policy_changed=now.at,
        previous_policy=text or now.previous_policy,
        previous_known_by=_BY_SIGHT if text else now.previous_known_by,
        previous_refused=refused or now.previous_refused,
    )


def diagnose(snapshot: Access, settings: AccessSettings) -> Iterator[Finding]:
    """What users get first, then whose door is closed, then what was changed."""
    yield from denied.errors(snapshot, settings)
    yield from denied.principals(snapshot, settings)
    yield from denied.key(snapshot, settings)
    yield from denied.changed(snapshot, settings)
    yield from unseen("access", snapshot.gaps)


PROBE = Probe(
    id="s3_bucket.access",
    kind="s3_bucket",
    collect=collect,
    diagnose=diagnose,
    snapshot=Access,
    settings=AccessSettings(),
    every=120,
    timeout=30,
    facts=inside.access_facts,
    tables=inside.access_tables,
    changes=inside.access_changes,
    since=since,
    twice=False,
    needs=(
        "s3:GetBucketPolicy",
        "s3:GetEncryptionConfiguration",
        "s3:GetMetricsConfiguration",
        "kms:DescribeKey",
        "iam:SimulatePrincipalPolicy",
        "cloudwatch:GetMetricData",
        "cloudtrail:LookupEvents",
        "sts:GetCallerIdentity",
    ),
    codes=codes(
        cause=("S3_KMS_UNUSABLE",),
        event=("S3_POLICY_CHANGED",),
        either=("S3_5XX_RATE",),
        symptom=("S3_READER_DENIED", "S3_4XX_RATE"),
        eye=("S3_OBS_BLIND",),
        traits={Trait.LOAD: ("S3_5XX_RATE",)},
    ),
)
