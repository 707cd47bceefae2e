"""Risk → what a person has to do. Default deny: by role, by kind, by what an operation is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cockpit.connect.role import Role
from cockpit.connect.statements import STATEMENTS
from cockpit.errors import Refused
from cockpit.runbooks import gate
from cockpit.runbooks.plan import VALID_FOR, Act
from cockpit.runbooks.step import Risk, Step, StepKind
from tests.core.runs import START, offer_plan


def approve(plan: Any, **more: Any) -> Any:
    facts = {
        "by": "ana",
        "role": Role.COMMANDER,
        "now": START,
        "elapsed": 0.0,
        "typed": plan.confirm_word,
        **more,
    }
    return gate.approve(plan, **facts)


@pytest.mark.parametrize(
    ("risk", "given", "refusal"),
    [
        pytest.param(Risk.READ, {"typed": ""}, "", id="a read needs nothing"),
        pytest.param(Risk.LOW, {"typed": ""}, "", id="low needs Enter"),
        pytest.param(Risk.HIGH, {"typed": ""}, "type orders-db", id="high without the name"),
        pytest.param(Risk.HIGH, {"typed": "orders"}, "type orders-db", id="half the name"),
        pytest.param(Risk.HIGH, {"typed": "ORDERS-DB"}, "type orders-db", id="other case"),
        pytest.param(Risk.HIGH, {"typed": " orders-db "}, "", id="high with the name"),
        pytest.param(Risk.DESTRUCTIVE, {}, "second person", id="destructive with the name only"),
        pytest.param(Risk.DESTRUCTIVE, {"second": "ana"}, "another one", id="second is oneself"),
        pytest.param(Risk.DESTRUCTIVE, {"second": "bob"}, "", id="destructive with a second"),
        pytest.param(Risk.DESTRUCTIVE, {"reason": "the disk is full"}, "", id="or a reason"),
        pytest.param(
            Risk.DESTRUCTIVE, {"typed": "", "reason": "x"}, "type orders-db", id="reason, no name"
        ),
        pytest.param(Risk.LOW, {"degraded": "disk full"}, "not durable", id="without a record"),
        pytest.param(
            Risk.LOW,
            {"degraded": "disk full", "reason": "x"},
            "",
            id="without a record, on purpose",
        ),
        pytest.param(Risk.READ, {"degraded": "disk full"}, "", id="looks need no record"),
    ],
)
def test_each_risk_has_its_gate(risk: Risk, given: dict[str, str], refusal: str) -> None:
    plan = offer_plan(risk=risk)
    if refusal:
        with pytest.raises(Refused, match=refusal):
            approve(plan, **given)
    else:
        assert approve(plan, **given).digest == plan.digest


@pytest.mark.parametrize("kind", StepKind)
@pytest.mark.parametrize("risk", Risk)
def test_in_triage_everything_that_is_not_a_look_is_refused(kind: StepKind, risk: Risk) -> None:
    step = Step(id="x", title="X", kind=kind, risk=risk)
    plan = offer_plan(step=step, risk=risk, act=Act(kind=kind, does="x"))
    looks = kind in {StepKind.MANUAL, StepKind.PROBE, StepKind.WAIT}
    allowed = looks or (risk is Risk.READ and kind is not StepKind.COMMAND)
    if allowed:
        approve(plan, role=Role.TRIAGE, reason="x", second="bob")
        return
    with pytest.raises(Refused, match="triage is read-only"):
        approve(plan, role=Role.TRIAGE, reason="x", second="bob")


def test_a_plan_that_cannot_be_run_cannot_be_approved() -> None:
    with pytest.raises(Refused, match="no"):
        approve(offer_plan(gaps=("no",)))


def test_a_plan_is_too_old_after_two_minutes_and_so_is_its_approval() -> None:
    plan = offer_plan()
    with pytest.raises(Refused, match="too old"):
        approve(plan, elapsed=VALID_FOR)
    approval = approve(plan, elapsed=VALID_FOR - 1)
    assert approval.good_until == plan.good_until == VALID_FOR
    gate.still_good(plan, approval, elapsed=VALID_FOR - 1)
    with pytest.raises(Refused, match="expired"):
        gate.still_good(plan, approval, elapsed=VALID_FOR)


def test_a_wall_clock_that_is_set_neither_ends_nor_prolongs_an_approval() -> None:
    plan = offer_plan()
    for wall in (START - timedelta(days=1), START + timedelta(days=1)):
        assert approve(plan, now=wall, elapsed=1.0).good_until == VALID_FOR
        with pytest.raises(Refused, match="too old"):
            approve(plan, now=wall, elapsed=VALID_FOR)


def test_an_approval_is_for_one_plan() -> None:
    approval = approve(offer_plan())
    with pytest.raises(Refused, match="another plan"):
        gate.still_good(offer_plan(digest="e" * 64), approval, elapsed=0.0)
    with pytest.raises(Refused, match="another plan"):
        gate.still_good(offer_plan(), replace(approval, digest=""), elapsed=0.0)


@pytest.mark.parametrize(
    ("kind", "does", "args", "expected"),
    [
        ("probe", "postgres.locks", {}, "read"),
        ("aws", "ecs.DescribeServices", {}, "read"),
        ("aws", "ecs.describe_services", {}, "read"),
        ("aws", "elbv2.ModifyTargetGroup", {}, "high"),
        (
            "aws",
            "ecs.UpdateService",
            {"cluster": "c", "service": "s", "taskDefinition": "t"},
            "high",
        ),
        ("aws", "ecs.UpdateService", {"cluster": "c", "service": "s", "desiredCount": 4}, "low"),
        (
            "aws",
            "ecs.UpdateService",
            {"cluster": "c", "service": "s", "desiredCount": 0},
            "destructive",
        ),
        ("aws", "dynamodb.UpdateTable", {"TableName": "t", "ProvisionedThroughput": {}}, "low"),
        ("aws", "dynamodb.UpdateTable", {"TableName": "t", "BillingMode": "X"}, "high"),
        ("aws", "dynamodb.DeleteTable", {"TableName": "t"}, "destructive"),
        ("aws", "ec2.CreateRoute", {}, "destructive"),
        ("aws", "s3.GetObject", {}, "high"),
        ("aws", "lambda.Invoke", {}, "high"),
        ("sql", "terminate_backend", {}, "high"),
        ("sql", "cancel_backend", {}, "low"),
        ("sql", "connections_by_client", {}, "read"),
        ("sql", "drop_everything", {}, "destructive"),
        ("redis", "client_kill", {}, "high"),
        ("redis", "FLUSHALL", {}, "destructive"),
        ("http", "GET", {}, "read"),
        ("http", "HEAD", {}, "read"),
        ("http", "POST", {}, "high"),
        ("http", "get", {}, "high"),
        ("command", "", {}, "high"),
    ],
)
def test_what_a_step_is_does_not_depend_on_what_its_author_wrote(
    kind: str, does: str, args: dict[str, Any], expected: str
) -> None:
    assert gate.floor(StepKind(kind), does, args, statements=STATEMENTS) == expected


def test_differences_are_told_in_words() -> None:
    told = gate.differences(
        {"pid": 1, "as": "a"}, {"pid": 2, "as": "a"}, failing=("still blocked",)
    )
    assert told == ("no longer true: still blocked", "pid: 1 → 2")
    assert gate.differences({"pid": 1}, {"pid": 1}) == ()
    assert gate.differences({"pid": 1}, {}) == ("pid: 1 → nothing",)
