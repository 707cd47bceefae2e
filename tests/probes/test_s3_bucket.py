"""Buckets: what fires, what is just below, and the traps that must not fire."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cockpit.connect.session import Series
from cockpit.triage.finding import Finding, Severity
from probes.answers import Gap
from probes.s3_bucket import access as access_probe
from probes.s3_bucket import exposure as exposure_probe
from probes.s3_bucket import upkeep as upkeep_probe
from probes.s3_bucket.access import previous_of
from probes.s3_bucket.model import AccessPoint, Block, EncryptionKey, PrincipalAccess
from probes.s3_bucket.settings import AccessSettings, ExposureSettings, UpkeepSettings
from tests.probes.fake_aws import AT, ago, minutes
from tests.probes.s3_looks import (
    ALL,
    CRITICAL,
    EVERYBODY,
    INFO,
    NONE,
    OURS,
    ROLE,
    WARNING,
    WHOLE,
    access,
    allow,
    exposure,
    opened,
    policy,
    put,
    upkeep,
)

OFF = ("S3_BLOCK_PUBLIC_ACCESS_OFF", WARNING)
UNKNOWN = Block()
POINT = AccessPoint(name="partners", origin="Internet", public=True, block=NONE)
SURGE = minutes(*[1e7] * 165, *[1e8] * 15)


def codes(findings: Any) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in findings]


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(exposure(), [], id="private and blocked"),
        pytest.param(exposure(grants=(OURS,)), [], id="a policy for ourselves"),
        pytest.param(opened(), [("S3_PUBLIC_POLICY", CRITICAL), OFF], id="open to the internet"),
        pytest.param(
            opened(block=Block(known=True, set=True, restrict=True)),
            [("S3_PUBLIC_POLICY", WARNING), OFF],
            id="one setting from the internet",
        ),
        pytest.param(
            opened(account_block=WHOLE),
            [("S3_PUBLIC_POLICY", WARNING)],
            id="the account stops it",
        ),
        pytest.param(
            opened(account_block=UNKNOWN),
            [("S3_PUBLIC_POLICY", CRITICAL)],
            id="whether the account stops it was not seen: open, and no word of both levels",
        ),
        pytest.param(
            opened(public=False), [OFF], id="S3 itself calls it not public: its word counts"
        ),
        pytest.param(
            opened(public=None), [("S3_PUBLIC_POLICY", CRITICAL), OFF], id="our own reading"
        ),
        pytest.param(
            opened(grants=(), policy_known=False),
            [("S3_PUBLIC_POLICY", CRITICAL), OFF],
            id="S3 calls it public, the text is not known",
        ),
        pytest.param(
            opened(grants=(ALL,)),
            [("S3_PUBLIC_WRITE", CRITICAL), ("S3_PUBLIC_POLICY", CRITICAL), OFF],
            id="everybody can write",
        ),
        pytest.param(
            opened(grants=(ALL,), account_block=WHOLE),
            [("S3_PUBLIC_POLICY", WARNING)],
            id="could write, if the block were not",
        ),
        pytest.param(
            exposure(block=NONE, acl=(EVERYBODY,)),
            [("S3_PUBLIC_ACL", CRITICAL), OFF],
            id="an open ACL",
        ),
        pytest.param(
            exposure(acl=(EVERYBODY,)), [("S3_PUBLIC_ACL", WARNING)], id="an ACL that is ignored"
        ),
        pytest.param(
            exposure(block=NONE, acl=(replace(EVERYBODY, permission="WRITE"),)),
            [("S3_PUBLIC_WRITE", CRITICAL), ("S3_PUBLIC_ACL", CRITICAL), OFF],
            id="an ACL that lets everybody write",
        ),
        pytest.param(
            exposure(block=NONE, access_points=(POINT,)),
            [("S3_PUBLIC_ACCESS_POINT", CRITICAL), OFF],
            id="an open access point",
        ),
        pytest.param(
            exposure(access_points=(POINT,)),
            [("S3_PUBLIC_ACCESS_POINT", WARNING)],
            id="an access point that the bucket's block stops",
        ),
        pytest.param(
            exposure(access_points=(replace(POINT, origin="VPC"),)), [], id="a point inside a VPC"
        ),
        pytest.param(exposure(block=NONE), [OFF], id="nothing is blocked"),
        pytest.param(
            exposure(block=replace(WHOLE, ignore_acls=False)), [OFF], id="one of four is off"
        ),
        pytest.param(
            exposure(
                block=replace(WHOLE, ignore_acls=False),
                account_block=Block(known=True, ignore_acls=True),
            ),
            [],
            id="the two levels make it whole",
        ),
        pytest.param(
            exposure(block=NONE, block_removed=ago(minutes=5)),
            [("S3_BLOCK_PUBLIC_ACCESS_OFF", CRITICAL)],
            id="just taken away",
        ),
        pytest.param(
            exposure(block=NONE, changes=(put(60, "", event="DeleteBucketPublicAccessBlock"),)),
            [("S3_BLOCK_PUBLIC_ACCESS_OFF", CRITICAL)],
            id="taken away an hour ago, says CloudTrail",
        ),
        pytest.param(
            exposure(block=NONE, changes=(put(1441, "", event="DeleteBucketPublicAccessBlock"),)),
            [OFF],
            id="taken away more than a day ago",
        ),
        pytest.param(exposure(block=UNKNOWN), [], id="the block was not seen: nothing is said"),
        # what shall be public
        pytest.param(opened(intended="public-read"), [], id="public on purpose"),
        pytest.param(
            opened(intended="public-read", grants=(ALL,)),
            [("S3_PUBLIC_WRITE", CRITICAL)],
            id="public on purpose, but not for writing",
        ),
        pytest.param(
            opened(intended="public-read", block=WHOLE),
            [("S3_PUBLIC_READ_LOST", CRITICAL)],
            id="a site behind a block",
        ),
        pytest.param(
            exposure(intended="public-read", block=NONE, ownership="BucketOwnerEnforced"),
            [("S3_PUBLIC_READ_LOST", CRITICAL)],
            id="a site whose policy is gone",
        ),
        pytest.param(
            exposure(intended="public-read", block=NONE, ownership="ObjectWriter"),
            [("S3_PUBLIC_READ_LOST", WARNING)],
            id="its objects may be public by themselves",
        ),
        pytest.param(
            exposure(intended="public-read", block=NONE, acl=(EVERYBODY,)), [], id="by its ACL"
        ),
        pytest.param(
            exposure(intended="public-read", policy_known=False, public=None),
            [],
            id="nothing of it was seen",
        ),
        # egress
        pytest.param(
            opened(downloaded=SURGE, downloaded_yesterday=minutes(*[1e7] * 15)),
            [("S3_PUBLIC_POLICY", CRITICAL), ("S3_EGRESS_SURGE", CRITICAL), OFF],
            id="ten times what is usual",
        ),
        pytest.param(
            opened(downloaded=SURGE, downloaded_yesterday=minutes(*[4e7] * 15)),
            [("S3_PUBLIC_POLICY", CRITICAL), OFF],
            id="yesterday was nearly as much",
        ),
        pytest.param(
            opened(downloaded=SURGE),
            [("S3_PUBLIC_POLICY", CRITICAL), OFF],
            id="of yesterday nothing is known",
        ),
        pytest.param(
            exposure(gaps=(Gap("the ACL", "denied", "x"),)), [("S3_OBS_BLIND", INFO)], id="gap"
        ),
    ],
)
def test_exposure(look: Any, expected: list[tuple[str, Severity]]) -> None:
    assert codes(exposure_probe.diagnose(look, ExposureSettings())) == expected


def told(look: Any, code: str) -> Finding:
    findings = exposure_probe.diagnose(look, ExposureSettings())
    return next(each for each in findings if each.code == code)


def test_an_open_policy_names_its_statement_who_opened_it_and_what_was_not_seen() -> None:
    changes = (put(30, policy(allow())),)
    found = told(opened(changes=changes, account_block=UNKNOWN), "S3_PUBLIC_POLICY")
    shown = {each.label: each.value for each in found.evidence}
    assert (shown["statement"], shown["principal"], shown["action"]) == ("web", "*", "s3:GetObject")
    assert shown["by"] == "anna"
    assert shown["off at the account"] is None
    assert "was not seen" in found.against[0]
    assert "cannot tell" in told(opened(grants=()), "S3_PUBLIC_POLICY").next


@pytest.mark.parametrize(
    ("look", "text", "severity"),
    [
        (exposure(), "private", None),
        (opened(), "open", CRITICAL),
        (opened(account_block=WHOLE), "private", None),
        (exposure(block=NONE, acl=(EVERYBODY,)), "open", CRITICAL),
        (exposure(block=NONE, access_points=(POINT,)), "open", CRITICAL),
        (exposure(access_points=(POINT,)), "private", None),
        (exposure(policy_known=False, public=None), "unknown", None),
        (exposure(acl_known=False), "unknown", None),
        (opened(intended="public-read"), "public", None),
        (opened(intended="public-read", block=WHOLE), "closed", CRITICAL),
        (exposure(intended="public-read", policy_known=False, public=None), "unknown", None),
    ],
)
def test_the_headline_never_says_private_of_what_was_not_seen(
    look: Any, text: str, severity: Severity | None
) -> None:
    first = next(iter(exposure_probe.PROBE.facts(look, ExposureSettings())))  # type: ignore[misc]
    assert (first.text, first.severity) == (text, severity)


def test_the_cockpit_remembers_when_it_saw_the_block_go() -> None:
    gone = exposure_probe.since(exposure(), exposure(block=NONE))
    assert gone.block_removed == AT
    later = exposure_probe.since(gone, exposure(block=NONE, at=ago(minutes=-1)))
    assert later.block_removed == AT
    assert exposure_probe.since(later, exposure()).block_removed is None
    assert exposure_probe.since(exposure(block=UNKNOWN), exposure(block=NONE)).block_removed is None


DENIED = PrincipalAccess(
    principal=ROLE, action="s3:GetObject", decision="denied", layer="a Deny of the bucket's policy"
)
MANY = minutes(*[0] * 165, *[30] * 15)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(access(), [], id="everybody gets in"),
        pytest.param(access(principals=(DENIED,)), [("S3_READER_DENIED", CRITICAL)], id="denied"),
        pytest.param(
            access(principals=(replace(DENIED, decision="unknown"),)), [], id="not known: no word"
        ),
        pytest.param(access(refused=MANY), [("S3_4XX_RATE", CRITICAL)], id="3 of 10 refused"),
        pytest.param(
            access(refused=minutes(*[0] * 165, *[5] * 15)), [("S3_4XX_RATE", WARNING)], id="5 %"
        ),
        pytest.param(access(refused=minutes(*[0] * 165, *[4.9] * 15)), [], id="below"),
        pytest.param(access(refused=minutes(*[30] * 180)), [], id="always so: it is usual"),
        pytest.param(
            access(requests=minutes(*[100] * 20), refused=minutes(*[30] * 15)),
            [("S3_4XX_RATE", CRITICAL)],
            id="what is usual is not known",
        ),
        pytest.param(
            access(requests=minutes(*[1] * 180), refused=minutes(*[0] * 165, *[1] * 15)),
            [],
            id="fifteen requests are no share",
        ),
        pytest.param(access(refused=Series()), [], id="no points of refusals among requests"),
        pytest.param(access(refused=Series(status="Forbidden")), [], id="refusals not readable"),
        pytest.param(
            access(failed=minutes(*[0] * 165, *[0.5] * 15)), [("S3_5XX_RATE", WARNING)], id="5xx"
        ),
        pytest.param(
            access(failed=minutes(*[0] * 165, *[5] * 15)), [("S3_5XX_RATE", CRITICAL)], id="5% 5xx"
        ),
        *(
            pytest.param(
                access(key=EncryptionKey(id="k", state=state)), expected, id=f"key {state}"
            )
            for state, expected in {
                "Enabled": [],
                "Creating": [],
                "Disabled": [("S3_KMS_UNUSABLE", CRITICAL)],
                "PendingDeletion": [("S3_KMS_UNUSABLE", CRITICAL)],
                "Unavailable": [("S3_KMS_UNUSABLE", CRITICAL)],
                "missing": [("S3_KMS_UNUSABLE", CRITICAL)],
                "Never heard of": [("S3_KMS_UNUSABLE", WARNING)],
                "": [("S3_KMS_UNUSABLE", WARNING)],
            }.items()
        ),
        pytest.param(
            access(changes=(put(59, ""),)), [("S3_POLICY_CHANGED", INFO)], id="changed of late"
        ),
        pytest.param(access(changes=(put(60, ""),)), [], id="an hour ago"),
        pytest.param(
            access(policy_changed=ago(minutes=2)),
            [("S3_POLICY_CHANGED", INFO)],
            id="changed under our eyes",
        ),
        pytest.param(
            access(refused=MANY, changes=(put(20, ""),)),
            [("S3_4XX_RATE", CRITICAL), ("S3_POLICY_CHANGED", WARNING)],
            id="changed, and then refused",
        ),
    ],
)
def test_access(look: Any, expected: list[tuple[str, Severity]]) -> None:
    assert codes(access_probe.diagnose(look, AccessSettings())) == expected


THEN, NOW, WIDE = policy(allow({"AWS": ROLE})), policy(allow({"AWS": "9"})), policy(allow())
DELETED = put(5, "", event="DeleteBucketPolicy")


@pytest.mark.parametrize(
    ("current", "changes", "expected"),
    [
        pytest.param(NOW, (), ("", ""), id="no history"),
        pytest.param(NOW, (put(5, NOW), put(90, THEN)), (THEN, ""), id="the one before"),
        pytest.param(NOW, (put(90, THEN),), (THEN, ""), id="the newest event has not come yet"),
        pytest.param("", (DELETED, put(90, THEN)), (THEN, ""), id="deleted"),
        pytest.param(NOW, (put(5, NOW),), ("", ""), id="the first there was"),
        pytest.param(
            NOW,
            (put(5, NOW), put(50, THEN), put(90, NOW)),
            ("", "somebody put an older one back already"),
            id="somebody went back already",
        ),
        pytest.param(
            NOW, (put(5, NOW), put(50, WIDE)), ("", "it is open to everybody"), id="open before"
        ),
        pytest.param(
            NOW,
            (put(5, NOW), put(50, policy(allow({"AWS": ROLE}, Resource="*")))),
            ("", "it allows on every resource"),
            id="wide before",
        ),
        pytest.param(
            NOW,
            (put(5, NOW), put(50, "", whole=False), put(90, THEN)),
            ("", "CloudTrail does not tell it whole"),
            id="a mask stands in it: an older one is not the one before",
        ),
        pytest.param(
            NOW, (put(5, NOW), DELETED, put(90, THEN)), ("", "there was none before"), id="none"
        ),
    ],
)
def test_the_policy_from_before_is_read_and_never_guessed(
    current: str, changes: Any, expected: tuple[str, str]
) -> None:
    assert previous_of(current, changes) == expected


def test_a_policy_that_changed_under_our_eyes_is_known_at_once() -> None:
    seen = access_probe.since(access(policy=THEN), access(policy=NOW))
    assert (seen.previous_policy, seen.policy_changed) == (THEN, AT)
    later = access_probe.since(seen, access(policy=NOW, at=ago(minutes=-2)))
    assert (later.previous_policy, later.policy_changed) == (THEN, AT)
    opened_before = access_probe.since(access(policy=WIDE), access(policy=NOW))
    assert opened_before.previous_policy == ""
    assert opened_before.previous_refused == "it is open to everybody"
    blind = access_probe.since(access(policy=THEN), access(policy="", policy_known=False))
    assert blind.policy_changed is None


def late(holds: str, **age: float) -> Any:
    newest = ago(**age) if age else None
    every = {"report": 86400, "alb-logs": 900}.get(holds, 3600)
    return upkeep(
        prefix="x/", prefix_known=True, prefix_holds=holds, prefix_every=every, newest=newest
    )


FAILED = replace(upkeep().rules[0], failed=minutes(0, 0, 2))
BEHIND = replace(upkeep().rules[0], latency=minutes(*[900] * 30))


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(upkeep(), [], id="all there"),
        pytest.param(late("data", minutes=59), [], id="new"),
        pytest.param(late("data", minutes=61), [("S3_STALE_PREFIX", WARNING)], id="old"),
        pytest.param(late("data"), [("S3_STALE_PREFIX", WARNING)], id="nothing there"),
        pytest.param(late("report", hours=25), [], id="a report that is a bit late"),
        pytest.param(late("report", hours=26), [("REPORT_MISSING", WARNING)], id="two hours late"),
        pytest.param(late("report", hours=28), [("REPORT_MISSING", CRITICAL)], id="four"),
        pytest.param(late("report"), [("REPORT_MISSING", CRITICAL)], id="no report"),
        pytest.param(late("alb-logs", minutes=29), [], id="logs of now"),
        pytest.param(late("alb-logs", minutes=30), [("ALB_LOGS_STOPPED", WARNING)], id="no logs"),
        pytest.param(
            late("alb-logs", hours=9),
            [("ALB_LOGS_STOPPED", WARNING)],
            id="whether there was traffic is not seen: never critical",
        ),
        pytest.param(
            replace(late("data"), prefix_known=False), [], id="not known: more than a page"
        ),
        pytest.param(
            upkeep(rules=(FAILED,)), [("S3_REPLICATION_FAILED", CRITICAL)], id="copies failed"
        ),
        pytest.param(
            upkeep(rules=(replace(FAILED, failed=Series(), pending=Series()),)),
            [],
            id="a rule without points says nothing",
        ),
        pytest.param(upkeep(rules=(BEHIND,)), [("S3_REPLICATION_BEHIND", WARNING)], id="behind"),
        pytest.param(
            upkeep(versioning="Suspended"), [("S3_NOT_VERSIONED", INFO)], id="not versioned"
        ),
        pytest.param(
            upkeep(versioning="", important=True), [("S3_NOT_VERSIONED", WARNING)], id="important"
        ),
        pytest.param(upkeep(logging=""), [("S3_LOGGING_OFF", INFO)], id="no logs of access"),
        pytest.param(upkeep(tls_only=False), [("S3_TLS_NOT_ENFORCED", INFO)], id="without TLS"),
        pytest.param(upkeep(rules=()), [("S3_NO_REPLICATION", INFO)], id="one copy"),
        pytest.param(
            upkeep(rules=(replace(upkeep().rules[0], status="Disabled"),)),
            [("S3_NO_REPLICATION", INFO)],
            id="no rule is enabled",
        ),
        pytest.param(
            upkeep(versioning="", logging="", tls_only=False, rules=(), known=()),
            [],
            id="nothing was read: nothing lacks",
        ),
    ],
)
def test_upkeep(look: Any, expected: list[tuple[str, Severity]]) -> None:
    assert codes(upkeep_probe.diagnose(look, UpkeepSettings())) == expected
