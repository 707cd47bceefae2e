"""What is wrong by a place's changes alone: literals in, findings out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from cockpit.connect.session import Closable
from cockpit.errors import BlindError
from cockpit.triage.changes import Change
from cockpit.triage.ranking import Ranked
from cockpit.triage.related import RankedChanges
from probes.answers import Gap
from probes.changes import feed, related, view
from probes.changes.model import (
    MovedImage,
    ReadTrail,
    RolloutState,
    ScalingGroup,
    Snapshot,
    SplitAlias,
)
from probes.changes.settings import Settings
from probes.trail import ApiEvent
from tests.probes.fake_aws import AT, ago
from tests.probes.test_changes import target

SG = "sg-0ab1c2d3"


def event(name: str, *, minutes: float = 5, service: str = "ec2", **members: Any) -> ApiEvent:
    at = ago(minutes=minutes)
    return ApiEvent(id=f"{name} {at}", at=at, service=service, name=name, **members)


def seen(*events: ApiEvent, **members: Any) -> Snapshot:
    trail = ReadTrail(start=ago(hours=1), end=AT, whole_from=ago(hours=1), events=events)
    return replace(Snapshot(at=AT, region="us-east-1", trail=trail), **members)


def found(snapshot: Snapshot) -> list[tuple[str, str]]:
    return [(each.code, each.severity.value) for each in feed.PROBE.diagnose(snapshot, Settings())]


def opened(name: str = "AuthorizeSecurityGroupIngress", minutes: float = 5, **of: Any) -> ApiEvent:
    permission = {
        "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": [{"cidrIp": "0.0.0.0/0"}],
        **of,
    }  # fmt: skip
    return event(name, minutes=minutes, parameters={"groupId": SG, "ipPermissions": [permission]})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([opened()], [("SG_OPENED", "critical")], id="ssh to everybody"),
        pytest.param([opened(fromPort=443, toPort=443)], [], id="https to everybody"),
        pytest.param([opened(fromPort=0, toPort=65535)], [("SG_OPENED", "critical")], id="all"),
        pytest.param([opened(ipRanges=[{"cidrIp": "10.0.0.0/8"}])], [], id="ssh to ourselves"),
        pytest.param(
            [opened("RevokeSecurityGroupIngress", minutes=2), opened()], [], id="closed again"
        ),
        pytest.param([opened("AuthorizeSecurityGroupEgress")], [], id="the way out"),
    ],
)
def test_a_door_to_everybody(events: list[ApiEvent], expected: list[tuple[str, str]]) -> None:
    assert found(seen(*events)) == expected


def refusals(many: int, minutes: float = 5) -> list[ApiEvent]:
    return [
        event("RunTask", service="ecs", minutes=minutes + n / 1000, actor="x", error="AccessDenied")
        for n in range(many)
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(refusals(19), [], id="just below"),
        pytest.param(refusals(20), [("CHANGE_DENIED_BURST", "warning")], id="twenty"),
        pytest.param(refusals(200), [("CHANGE_DENIED_BURST", "critical")], id="two hundred"),
        pytest.param([*refusals(15), *refusals(15, 30)], [], id="spread over half an hour"),
    ],
)
def test_refused_writes(events: list[ApiEvent], expected: list[tuple[str, str]]) -> None:
    assert found(seen(*events)) == expected


def rollout(status: str, minutes: float = 5, **members: Any) -> RolloutState:
    given = {"kind": "codedeploy.deployment", "name": "shop d-1", **members}
    return RolloutState(status=status, began=ago(minutes=minutes), **given)


STACK: dict[str, Any] = {"kind": "cloudformation.stack", "name": "shop"}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(rollout("Succeeded"), [], id="over"),
        pytest.param(rollout("InProgress"), [("CHANGE_IN_PROGRESS", "warning")], id="running"),
        pytest.param(
            rollout("InProgress", 31), [("CHANGE_IN_PROGRESS", "critical")], id="for long"
        ),
        pytest.param(
            rollout("Queued", 31),
            [("DEPLOYMENT_STUCK", "critical"), ("CHANGE_IN_PROGRESS", "critical")],
            id="waits for long",
        ),
        pytest.param(
            rollout("InProgress", 16, reason="3 instances failed"),
            [("DEPLOYMENT_STUCK", "warning"), ("CHANGE_IN_PROGRESS", "warning")],
            id="fails meanwhile",
        ),
        pytest.param(rollout("SomethingNew"), [], id="a status that nobody knows"),
        pytest.param(
            rollout("UPDATE_ROLLBACK_FAILED", **STACK), [("STACK_STUCK", "critical")], id="stuck"
        ),
        pytest.param(
            rollout("UPDATE_ROLLBACK_FAILED", 60 * 48, **STACK), [("STACK_STUCK", "info")], id="old"
        ),
        pytest.param(
            rollout("UPDATE_IN_PROGRESS", **STACK), [("CHANGE_IN_PROGRESS", "warning")], id="stack"
        ),
        pytest.param(rollout("UPDATE_ROLLBACK_COMPLETE", 61, **STACK), [], id="an hour ago"),
    ],
)
def test_what_is_under_way(state: RolloutState, expected: list[tuple[str, str]]) -> None:
    assert found(seen(rollouts=(state,))) == expected


def test_launches_versions_and_images() -> None:
    failed = tuple((ago(minutes=n), "no capacity") for n in (1, 2, 3))
    group = ScalingGroup(name="web", least=1, in_service=4, failed=failed)
    alias = SplitAlias(
        function="pay", name="live", version="17", weights=(("18", 0.1),),
        errors=(("17", 0.0, 90.0), ("18", 9.0, 10.0)),
    )  # fmt: skip
    assert found(seen(groups=(group,), aliases=(alias,))) == [
        ("ALIAS_SPLIT", "warning"),
        ("ASG_LAUNCH_FAILED", "critical"),
    ]
    quiet = replace(alias, errors=(("17", 9.0, 90.0), ("18", None, None)))
    assert found(seen(aliases=(quiet,))) == []


def test_a_bucket_whose_readers_are_refused_is_critical() -> None:
    changed = event("PutBucketPolicy", service="s3", parameters={"bucketName": "site"})
    refused = event(
        "PutBucketTagging", minutes=2, service="s3", parameters={"bucketName": "site"},
        resources=("site",), error="AccessDenied",
    )  # fmt: skip
    assert found(seen(changed)) == [("BUCKET_POLICY_CHANGED", "warning")]
    assert found(seen(refused, changed)) == [("BUCKET_POLICY_CHANGED", "critical")]


def test_a_gap_beside_a_whole_trail_is_information() -> None:
    gap = Gap("Lambda", "denied", "lambda:ListFunctions")
    assert found(seen(gaps=(gap,))) == [("CHANGE_HISTORY_BLIND", "info")]


def test_another_region_is_told_what_it_never_sees() -> None:
    (table, *_) = view.tables(seen(region="eu-west-1"), Settings())
    assert "us-east-1" in table.note[0]


def test_a_moved_image_names_both_digests() -> None:
    moved = MovedImage(
        service="web", cluster="shop", task_definition="web:3", container="web", image="web:latest",
        before="sha256:a", after="sha256:b", at=ago(minutes=3),
    )  # fmt: skip
    (finding,) = feed.PROBE.diagnose(seen(moved=(moved,)), Settings())
    assert [each.value for each in finding.evidence[:2]] == ["sha256:a", "sha256:b"]


async def test_nothing_is_asked_for_what_is_judged_from_the_board() -> None:
    assert related.PROBE.asks is False
    with pytest.raises(BlindError):
        await related.PROBE.collect(cast("Closable", None), target())


# -- judged from the board ----------------------------------------------------------------------

LOST = Change(
    at=ago(minutes=9),
    kind="ec2.security_group",
    target="",
    summary=f"security group {SG}: − tcp 5432 from sg-0ff2",
    actor="bob",
    call="ec2.RevokeSecurityGroupIngress",
    resource=SG,
    details=("− tcp 5432 from sg-0ff2",),
)
DETACHED = Change(
    at=ago(hours=3),
    kind="iam.role",
    target="",
    summary="task: policy detached orders",
    call="iam.DetachRolePolicy",
    resource="task",
)


def one(change: Change, *, score: float = 0.1, near: bool = False, **members: Any) -> Ranked:
    return Ranked(change=change, score=score, near=near, before=timedelta(minutes=4), **members)


def board(*ranked: Ranked, **members: Any) -> list[tuple[str, str]]:
    given = {"sick": ("checkout",), "uses": ((SG, ("path",)), ("task", ("checkout",)))}
    told = RankedChanges(at=AT, began=None, ranked=ranked, **{**given, **members})
    found = related.PROBE.diagnose(told, related.PROBE.settings)
    return [(each.code, each.severity.value) for each in found]


DEPLOYED = Change(at=ago(minutes=5), kind="ecs.deployment", target="checkout", summary="x")
BACK = replace(
    LOST,
    at=LOST.at + timedelta(seconds=30),
    call="ec2.AuthorizeSecurityGroupIngress",
    details=("+ tcp 5432 from sg-0ff2",),
)
NARROWED = [("SG_NARROWED", "warning")]
RIGHTS = [("IAM_CHANGED", "warning")]


@pytest.mark.parametrize(
    ("ranked", "members", "expected"),
    [
        pytest.param([one(DEPLOYED, score=0.29)], {}, [], id="hardly suspected"),
        pytest.param(
            [one(DEPLOYED, score=0.3)], {}, [("CHANGE_BEFORE_ONSET", "warning")], id="suspected"
        ),
        pytest.param(
            [one(DEPLOYED, score=0.9, near=True)],
            {},
            [("CHANGE_BEFORE_ONSET", "critical")],
            id="on what fails",
        ),
        pytest.param(
            [one(DEPLOYED, score=0.9)], {}, [("CHANGE_BEFORE_ONSET", "warning")], id="far from it"
        ),
        pytest.param([one(LOST)], {}, NARROWED, id="a rule that a path names"),
        pytest.param([one(LOST)], {"uses": ()}, [], id="a rule that nobody names"),
        pytest.param([one(LOST), one(BACK)], {}, [], id="a rule that was renamed"),
        pytest.param([one(replace(LOST, own="'x' by ana"))], {}, [], id="our own"),
        pytest.param([one(replace(LOST, failed="AccessDenied"))], {}, [], id="refused"),
        pytest.param([one(DETACHED)], {}, RIGHTS, id="rights of what fails"),
        pytest.param([one(DETACHED)], {"sick": ("search",)}, [], id="rights of what is well"),
        pytest.param(
            [one(DETACHED)],
            {"codes": ("LOG_ACCESS_DENIED",)},
            [("IAM_CHANGED", "critical")],
            id="and its logs say denied",
        ),
        pytest.param([one(replace(DETACHED, at=ago(hours=25)))], {}, [], id="a day ago"),
    ],
)
def test_what_changes_have_to_do_with_what_fails(
    ranked: list[Ranked], members: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert board(*ranked, **members) == expected


def test_what_the_trail_tells_began_when_it_was_called() -> None:
    look = seen(opened(minutes=7), rollouts=(rollout("IN_PROGRESS", minutes=90),))
    began = {f.code: (f.began, f.resolution) for f in feed.PROBE.diagnose(look, Settings())}
    assert began["SG_OPENED"] == (ago(minutes=7), 1.0)
