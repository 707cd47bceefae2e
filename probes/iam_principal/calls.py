"""One user, role, or root: what it does, whether somebody else uses it, and how it is stopped.

Source: CloudTrail `LookupEvents` by user name, role or access key; IAM `ListAccessKeys`,
`GetAccessKeyLastUsed`, its policies, `GetAccountSummary`; GuardDuty where it is on. CloudTrail
tells of its own region, of no data events, and up to 15 minutes late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource, PrincipalSettings
from cockpit.connect.session import AwsReads
from cockpit.triage.finding import Finding
from cockpit.triage.nature import codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, attempt, nothing_read, partly_blind
from probes.iam_principal import findings, view
from probes.iam_principal.identity import denying, guarded, identified, principal
from probes.iam_principal.model import Settings, Snapshot
from probes.iam_principal.track import track
from probes.trail import ApiEvent


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read keys and policies, the track, and GuardDuty; each that fails is a gap.

    Raises `BlindError` when all of them failed, or there is no such principal.
    """
    settings = target.settings
    assert isinstance(settings, AwsResource)
    given = settings if isinstance(settings, PrincipalSettings) else None
    sort, name = principal(settings.id)
    at, gaps = clock.now(), list[Gap]()
    cut = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    look = Snapshot(
        at=at,
        region=aws.region,
        sort=sort,
        name=name,
        followed=given.key if given else "",
        networks=given.networks if given else (),
        cut=cut,
        deny_document=denying(cut),
    )
    look = await identified(aws, look, gaps)
    hours = given.hours if given else 3.0
    missing: tuple[tuple[ApiEvent, ...] | None, None] = None, None
    reading = track(aws, _attribute(look, settings.id), at=at, hours=hours, gaps=gaps)
    told, watched = await asyncio.gather(
        attempt(gaps, "CloudTrail", reading, otherwise=missing),
        attempt(gaps, "GuardDuty", guarded(aws, look), otherwise=look),
    )
    look = replace(watched, calls=told[0], since=told[1], gaps=tuple(gaps))
    if look.nothing_known:
        raise nothing_read(gaps)
    return look


def _attribute(look: Snapshot, id_: str) -> tuple[str, str]:
    """By what CloudTrail is asked. Of a role: who took it on, for sessions have other names."""
    if look.followed:
        return "AccessKeyId", look.followed
    return ("ResourceName", id_) if look.sort == "role" else ("Username", look.name)


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report what its calls and GuardDuty tell."""
    yield from findings.abuse(snapshot, settings)
    yield from findings.elsewhere(snapshot, settings)
    yield from findings.root(snapshot, settings)
    yield from findings.logins(snapshot, settings)
    yield from findings.failed_logins(snapshot, settings)
    yield from findings.grants(snapshot, settings)
    yield from findings.audit(snapshot, settings)
    yield from findings.refused(snapshot, settings)
    yield from findings.deletions(snapshot, settings)
    yield from findings.threats(snapshot, settings)
    yield from partly_blind("SEC_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("iam_principal", "iam", settings=PrincipalSettings)

PROBE = Probe(
    id="iam_principal.calls",
    kind="iam_principal",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=120,
    timeout=40,
    facts=view.facts,
    tables=view.tables,
    needs=(
        "cloudtrail:LookupEvents",
        "iam:ListAccessKeys",
        "iam:GetAccessKeyLastUsed",
        "iam:ListUserPolicies",
        "iam:ListAttachedUserPolicies",
        "iam:GetUserPolicy",
        "iam:ListRolePolicies",
        "iam:ListAttachedRolePolicies",
        "iam:GetRolePolicy",
        "iam:GetAccountSummary",
        "guardduty:ListDetectors",
        "guardduty:ListFindings",
        "guardduty:GetFindings",
        # steps of its runbooks
        "signin:ListSessions",
    ),
    codes=codes(
        cause=("SEC_CREDENTIAL_ABUSE_SUSPECTED", "SEC_MASS_DELETE"),
        event=(
            "SEC_CALLS_FROM_ELSEWHERE",
            "SEC_ROOT_USED",
            "SEC_IAM_CHANGED",
            "SEC_AUDIT_OFF",
            "SEC_GUARDDUTY_HIGH",
        ),
        either=("SEC_ACCESS_DENIED_BURST",),
        risk=("SEC_CONSOLE_LOGIN_NO_MFA", "SEC_LOGIN_FAILURES", "SEC_GUARDDUTY_OFF"),
        eye=("SEC_OBS_BLIND",),
    ),
)
