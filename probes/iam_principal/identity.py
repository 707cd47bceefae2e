"""What IAM and GuardDuty tell of a principal: keys, policies, threats."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from cockpit.connect.aws.answer import Answer, GivenText, answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText
from probes.answers import Gap, attempt, gap_of
from probes.iam_principal.model import DENY, IamKey, Snapshot, ThreatFinding

Given = TypeVar("Given")


class AccessKeyRow(Answer, frozen=True):
    """A key of a user."""

    of = "iam.AccessKeyMetadata"
    access_key_id: GivenText
    status: SafeText = ""
    create_date: datetime | None = None


class KeyUseRow(Answer, frozen=True):
    """When a key was used last; IAM writes N/A where it never was."""

    of = "iam.AccessKeyLastUsed"
    last_used_date: datetime | None = None
    service_name: SafeText = ""
    region: SafeText = ""


class AttachedRow(Answer, frozen=True):
    """A managed policy."""

    of = "iam.AttachedPolicy"
    policy_arn: SafeText = ""


class SeenRow(Answer, frozen=True):
    """How often, and when last."""

    of = "guardduty.Service"
    count: int = 1
    event_last_seen: SafeText = ""


class ThreatRow(Answer, frozen=True):
    """A finding of GuardDuty."""

    of = "guardduty.Finding"
    id: GivenText
    type: SafeText = ""
    severity: float = 0
    title: SafeText = ""
    service: SeenRow = SeenRow()


def principal(name: str) -> tuple[str, str]:
    """`user`, `role` or `root`, and the name without its path. Raises `BlindError`."""
    if not name.startswith("arn:"):
        return ("root", "root") if name == "root" else ("user", name)
    parts = name.split(":", 5)
    sort, _, path = parts[-1].partition("/")
    if parts[2:3] == ["iam"] and sort == "root":
        return "root", "root"
    if parts[2:3] == ["iam"] and sort in {"user", "role"} and path:
        return sort, path.rpartition("/")[2]
    raise BlindError(
        Reason.MISCONFIGURED,
        f"{name} is no user, role or root",
        hint="write arn:aws:iam::123456789012:user/NAME, …:role/NAME or …:root",
    )


async def identified(aws: AwsReads, look: Snapshot, gaps: list[Gap]) -> Snapshot:
    """The look with keys and policies. Raises `BlindError(missing)` when there is no such one."""
    if look.sort == "root":
        return await attempt(gaps, "root's account", _root(aws, look), otherwise=look)
    found: Snapshot = look
    if look.sort == "user":
        keys = await _must(gaps, "keys", _keys(aws, look.name))
        found = replace(found, keys=keys)
    policies = await _must(gaps, "policies", _policies(aws, found))
    return _chosen(policies or found)


async def _must(gaps: list[Gap], what: str, reading: Awaitable[Given]) -> Given | None:
    """None with a gap where it could not be read; that there is no such principal is raised."""
    try:
        return await reading
    except BlindError as error:
        if error.reason is Reason.MISSING:
            raise
        gaps.append(gap_of(what, error))
        return None


async def _root(aws: AwsReads, look: Snapshot) -> Snapshot:
    answer = await aws.read("iam", "GetAccountSummary", expect="SummaryMap")
    held = answer["SummaryMap"]
    told = held if isinstance(held, Mapping) else {}
    keys, mfa = told.get("AccountAccessKeysPresent"), told.get("AccountMFAEnabled")
    return replace(
        look,
        root_keys=keys if isinstance(keys, int) else None,
        root_mfa=bool(mfa) if isinstance(mfa, int) else None,
    )


async def _keys(aws: AwsReads, user: str) -> tuple[IamKey, ...]:
    rows = await aws.pages("iam", "ListAccessKeys", key="AccessKeyMetadata", UserName=user)
    known = answers_into(rows, AccessKeyRow)
    return tuple(await asyncio.gather(*(_used(aws, each) for each in known)))


async def _used(aws: AwsReads, row: AccessKeyRow) -> IamKey:
    key = IamKey(id=row.access_key_id, status=row.status, created=row.create_date)
    try:
        answer = await aws.read(
            "iam", "GetAccessKeyLastUsed", expect="AccessKeyLastUsed", AccessKeyId=row.access_key_id
        )
    except BlindError:
        return replace(key, used_for="not known")
    use = answer_into(answer["AccessKeyLastUsed"], KeyUseRow)
    where = " ".join(each for each in (use.service_name, use.region) if each not in {"", "N/A"})
    return replace(key, used=use.last_used_date, used_for=where)


async def _policies(aws: AwsReads, look: Snapshot) -> Snapshot:
    """Its policies, and the one that cuts sessions off word by word: the state to come back to."""
    sort = look.sort.capitalize()
    named: dict[str, Any] = {f"{sort}Name": look.name}
    inline, attached = await asyncio.gather(
        aws.pages("iam", f"List{sort}Policies", key="PolicyNames", **named),
        aws.pages("iam", f"ListAttached{sort}Policies", key="AttachedPolicies", **named),
    )
    names = tuple(str(each) for each in inline)
    look = replace(
        look,
        inline=names,
        attached=tuple(each.policy_arn for each in answers_into(attached, AttachedRow)),
        policies_known=True,
    )
    if DENY not in names:
        return replace(look, deny_known=True)
    try:
        answer = await aws.read(
            "iam", f"Get{sort}Policy", expect="PolicyDocument", PolicyName=DENY, **named
        )
    except BlindError:
        return look
    document = answer["PolicyDocument"]
    text = document if isinstance(document, str) else json.dumps(document)
    return replace(look, deny_text=text, deny_known=True)


def _chosen(look: Snapshot) -> Snapshot:
    """The key that a step would switch off, where exactly one is meant."""
    keys = look.keys or ()
    active = tuple(each.id for each in keys if each.status == "Active")
    ids = {each.id for each in keys}
    only = active[0] if len(active) == 1 else ""
    return replace(
        look,
        key=(look.followed if look.followed in ids else "") if look.followed else only,
        active=active,
        inactive=tuple(each.id for each in keys if each.status == "Inactive"),
    )


def denying(cut: str) -> str:
    """Deny everything to sessions that began before, and to no later one, nor to a long-term key.

    A key that is no session's has no time of issue: the condition does not hold for it.
    """
    statement = {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": cut}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def guarded(aws: AwsReads, look: Snapshot) -> Snapshot:
    """What GuardDuty found about it within a day, where it is on."""
    answer = await aws.read("guardduty", "ListDetectors", expect="DetectorIds")
    detectors = answer["DetectorIds"]
    if not isinstance(detectors, list) or not detectors:
        return replace(look, guarded=False)
    detector = str(detectors[0])
    name = "Root" if look.sort == "root" else look.name
    start = int((look.at - timedelta(days=1)).timestamp() * 1000)
    listed = await aws.read(
        "guardduty",
        "ListFindings",
        expect="FindingIds",
        DetectorId=detector,
        FindingCriteria={
            "Criterion": {
                "resource.accessKeyDetails.userName": {"Equals": [name]},
                "service.archived": {"Equals": ["false"]},
                "updatedAt": {"GreaterThanOrEqual": start},
            }
        },
        MaxResults=50,
    )
    ids = listed["FindingIds"]
    if not isinstance(ids, list) or not ids:
        return replace(look, guarded=True)
    found = await aws.read(
        "guardduty", "GetFindings", expect="Findings", DetectorId=detector, FindingIds=ids
    )
    rows = answers_into(found["Findings"], ThreatRow)
    return replace(look, guarded=True, threats=tuple(map(_threat, rows)))


def _threat(row: ThreatRow) -> ThreatFinding:
    return ThreatFinding(
        id=row.id,
        type=row.type,
        severity=row.severity,
        title=row.title,
        count=row.service.count,
        last=row.service.event_last_seen,
    )
