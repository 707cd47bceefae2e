"""A step → what exactly would run: typed values, fresh looks, one digest."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from cockpit.connect.role import Role
from cockpit.errors import Misconfigured, Reason, Refused
from cockpit.runbooks.planning import sealed
from cockpit.runbooks.scope import nearest_target
from cockpit.runbooks.values import (
    NoValue,
    captured,
    escaped,
    holds,
    query,
    resolved,
    resolved_but,
    target_value,
    typed,
)
from cockpit.triage.view import Offer
from tests.core.runs import (
    BACKEND_START,
    FRONT,
    LOOK,
    POSTGRES,
    RAISE,
    TARGETS,
    TERMINATE,
    book,
    free_of_waiters,
    opened,
    queue,
    rig,
)

SCOPE = {
    "params": {"db": {"name": "orders-db", "host": "db.internal"}, "many": 3},
    "finding": {"code": "X"},
    "look": {"pid": 42, "rows": [{"id": "a"}, {"id": "b"}], "none": None, "yes": True},
}
HOSTILE = ['"; rm -rf /"', "$(reboot)", "`id`", "{{7*7}}", "[/b]", "\x1b]0;x\x07", "a\nb", "'; --"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("$db", "orders-db", id="a target alone is its name"),
        pytest.param("$db.host", "db.internal", id="a setting of a target"),
        pytest.param("$params.db.host", "db.internal", id="the long form"),
        pytest.param("$many", 3, id="a number stays a number"),
        pytest.param("$look.pid", 42, id="a captured number"),
        pytest.param("$look.yes", True, id="a captured boolean"),
        pytest.param("$look.rows[1].id", "b", id="an index"),
        pytest.param("$finding.code", "X", id="the finding"),
        pytest.param("$$look.pid", "$look.pid", id="an escaped dollar"),
        pytest.param("pid $look.pid", "pid $look.pid", id="never inside a longer text"),
        pytest.param(
            {"a": ["$look.pid", {"b": "$db"}]}, {"a": [42, {"b": "orders-db"}]}, id="tree"
        ),
        pytest.param(7, 7, id="other values stay"),
    ],
)
def test_a_reference_is_a_whole_text_and_keeps_its_type(value: Any, expected: Any) -> None:
    assert resolved(value, SCOPE) == expected
    assert type(resolved(value, SCOPE)) is type(expected)


@pytest.mark.parametrize(
    "reference", ["$look.none", "$look.gone", "$gone.x", "$look.rows[9].id", "$look.pid.x"]
)
def test_nothing_is_filled_in_for_a_value_that_is_not_there(reference: str) -> None:
    with pytest.raises(NoValue, match="has no value"):
        resolved({"a": reference}, SCOPE)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_value_stays_one_value(text: str) -> None:
    scope = {**SCOPE, "look": {"name": text}}
    assert resolved(["$look.name", "-x"], scope) == [text, "-x"]
    assert resolved(escaped({"a": f"${text}"}), scope) == {"a": f"${text}"}


def test_a_value_that_looks_like_a_reference_is_not_resolved_again() -> None:
    scope = {**SCOPE, "look": {"name": "$db.host"}}
    assert resolved("$look.name", scope) == "$db.host"
    kept = resolved_but({"a": "$look.name", "b": "$own.id"}, scope, "own")
    assert kept == {"a": "$$db.host", "b": "$own.id"}
    assert resolved(kept, {**scope, "own": {"id": 1}}) == {"a": "$db.host", "b": 1}


def test_what_a_runbook_sees_of_a_target_holds_no_secret_reference() -> None:
    seen = target_value(POSTGRES)
    assert (seen["name"], seen["host"], seen["rds"]) == ("orders-db", "db.internal", "orders")
    assert not {"password", "commander"} & set(seen)
    assert "env:" not in repr(seen)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("42", "integer", 42),
        (42, "integer", 42),
        ("-3", "integer", -3),
        ("1.5", "number", 1.5),
        ("yes", "boolean", True),
        ("5432", "port", 5432),
        ("/healthz?x=1", "path", "/healthz?x=1"),
        ("arn:aws:acm:us-east-1:123456789012:certificate/ab-1", "arn", None),
        ("10.0.0.0/16", "cidr", None),
        ("https://a.example/x", "url", None),
        ("db.internal", "host", None),
        (BACKEND_START, "time", None),
        ("any text at all; really", "text", None),
    ],
)
def test_an_answer_becomes_its_type(value: Any, kind: str, expected: Any) -> None:
    assert typed(value, kind) == (value if expected is None else expected)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("4x", "integer"),
        ("0x10", "integer"),
        (True, "integer"),
        (1.5, "integer"),
        ("70000", "port"),
        ("healthz", "path"),
        ("/a b", "path"),
        ("/a\nb", "path"),
        ("file:///etc/passwd", "url"),
        ("arn:aws:acm", "arn"),
        ("10.0.0.1/16", "cidr"),
        ("a b", "host"),
        ("-x", "host"),
        ("2026-11-21T02:20:00", "time"),
        ("", "text"),
        ("\x1b[31mred", "text"),
        ("x" * 3000, "text"),
        ({"a": 1}, "text"),
    ],
)
def test_what_is_not_of_its_type_is_refused(value: Any, kind: str) -> None:
    with pytest.raises(Refused):
        typed(value, kind)


def test_an_empty_answer_is_told_what_it_has_to_be() -> None:
    with pytest.raises(Refused, match="there is nothing in it: it has to be one of yes, no"):
        typed(" ", "choice", ("yes", "no"))
    with pytest.raises(Refused, match="there is nothing in it: it has to be an integer"):
        typed("", "integer")


def test_only_true_holds() -> None:
    data = {"a": [], "b": "yes", "n": 1}
    assert holds("length(a) == `0`", data)
    for expression in ("b", "n", "a", "gone", "gone > `1`", "n > `1`"):
        assert not holds(expression, data)
    with pytest.raises(Misconfigured, match="length"):
        query("length(n)", data)
    with pytest.raises(Misconfigured, match="not a JMESPath expression"):
        query("a[", data)


def test_a_value_too_large_to_be_one_is_refused_and_not_cut() -> None:
    with pytest.raises(Misconfigured, match="too large"):
        captured({"text": "x"}, {"x": "a" * 1_000_000})


@pytest.mark.parametrize(
    ("start", "kind", "expected"),
    [
        pytest.param("orders-db", "postgres", "orders-db", id="itself"),
        pytest.param("checkout-tg", "postgres", "orders-db", id="through what it needs, in order"),
        pytest.param("orders-db", "target_group", "checkout-tg", id="through what needs it"),
        pytest.param("web", "postgres", None, id="not connected"),
        pytest.param("gone", "postgres", None, id="unknown"),
    ],
)
def test_the_nearest_target_of_a_kind(start: str, kind: str, expected: str | None) -> None:
    assert nearest_target(start, kind, TARGETS) == expected


async def test_a_plan_says_exactly_what_would_run_on_what_as_whom() -> None:
    ready = rig(book(LOOK, TERMINATE))
    plan = await ready.run.plan("terminate")
    assert plan.act.args == {"pid": 4242, "backend_start": datetime.fromisoformat(BACKEND_START)}
    assert plan.where == "orders-db · prod · 123456789012 · x-1"
    assert (plan.target, plan.confirm_word, plan.risk) == ("orders-db", "orders-db", "high")
    told = {line.label: line.text for line in plan.lines}
    assert told["will run"].startswith('terminate_backend(pid=4242, backend_start="2026-11-21')
    assert told["as"] == "cockpit_ops via db"
    assert told["effect"] == "ends 1 session"
    assert told["session"] == "checkout"
    assert told["undo"] == "none: the application must retry"
    assert told["checked now"] == "✔ somebody still blocks"
    assert told["verify"] == "nobody waits within 1m 00s"
    assert told["approval"].startswith(f"{plan.digest[:4]}·{plan.digest[4:8]}")
    assert ready.acts.calls == []
    assert ready.actors.opened == 0


async def test_a_plan_looks_again_instead_of_trusting_an_old_look() -> None:
    ready = rig(book(LOOK, TERMINATE))
    assert (await ready.carry("blocker")).kind == "ok"
    ready.looks.now = {"queues": [queue(pid=7)]}
    assert (await ready.run.plan("terminate")).act.args["pid"] == 7


async def test_the_digest_is_the_same_for_the_same_and_other_for_any_difference() -> None:
    ready = rig(book(LOOK, TERMINATE))
    plan = await ready.run.plan("terminate")
    ready.clock.pass_(30)
    again = await ready.run.plan("terminate")
    assert plan.digest == again.digest == sealed(plan)
    changed = [
        replace(plan, act=replace(plan.act, args={**plan.act.args, "pid": 4243})),
        replace(plan, target="replica-db"),
        replace(plan, account="999999999999"),
        replace(plan, principal="root"),
        replace(plan, fingerprints={}),
        replace(plan, checked=()),
        replace(plan, runbook_digest="x"),
    ]
    assert len({sealed(each) for each in changed} | {plan.digest}) == len(changed) + 1


async def test_a_condition_that_does_not_hold_is_no_plan() -> None:
    ready = rig(book(LOOK, TERMINATE))
    ready.looks.now = free_of_waiters()
    with pytest.raises(Refused, match="not now, not true: somebody still blocks"):
        await ready.run.plan("terminate")


async def test_a_look_that_was_blind_is_no_plan() -> None:
    ready = rig(book(LOOK, TERMINATE))
    ready.looks.now = Reason.TIMEOUT
    with pytest.raises(Refused, match="could not look at orders-db"):
        await ready.run.plan("terminate")


async def test_a_plan_is_made_in_triage_too_and_says_that_it_cannot_be_run() -> None:
    ready = rig(book(LOOK, TERMINATE), role=Role.TRIAGE)
    plan = await ready.run.plan("terminate")
    assert plan.gaps[0].startswith("triage is read-only")


async def test_arguments_that_aws_would_not_take_are_told_before_anything_is_shown() -> None:
    ready = rig(book(LOOK, RAISE))
    ready.looks.now = {"queues": [queue(pid="many")]}  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match="WriteCapacityUnits"):
        await ready.run.plan("raise")


async def test_text_from_outside_in_a_plan_shows_its_escapes_and_is_never_cut() -> None:
    user = "\x1b[2Jevil [/b]\u202e" + "x" * 2000
    ready = rig(book(LOOK, TERMINATE))
    ready.looks.now = {"queues": [queue(user=user)]}
    plan = await ready.run.plan("terminate")
    shown = next(line.text for line in plan.lines if line.label == "session")
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert shown.endswith("x" * 2000)


async def test_a_target_that_the_finding_does_not_name_is_asked_for() -> None:
    ready = rig(book(LOOK), finding=opened("TG_UNHEALTHY_TARGETS", "checkout-tg"))
    with pytest.raises(Refused, match="which target"):
        await ready.run.plan("blocker")
    near = FRONT.replace('from = "finding.target"', 'from = "near"')
    ready = rig(book(LOOK, front=near), finding=opened("TG_UNHEALTHY_TARGETS", "checkout-tg"))
    assert (await ready.run.plan("blocker")).target == "orders-db"
    ready = rig(book(LOOK, front=near), db="replica-db")
    assert (await ready.run.plan("blocker")).target == "replica-db"


async def test_an_offer_of_a_drill_down_takes_the_same_way() -> None:
    from cockpit.runbooks.offer import STEP, runbook_of

    offer = Offer(
        key="t",
        label="terminate",
        kind="sql",
        call="terminate_backend",
        args={"pid": 4242, "backend_start": datetime.fromisoformat(BACKEND_START)},
        risk="low",
        effect="ends 1 session",
    )
    ready = rig(runbook_of(POSTGRES, offer, seen_at=POSTGRES.name))
    plan = await ready.run.plan(STEP)
    assert (plan.risk, plan.confirm_word) == ("high", "orders-db")
    outcome = await ready.carry(STEP)
    assert outcome.kind == "ok"
    assert ready.acts.calls[0][0] == "terminate_backend"
