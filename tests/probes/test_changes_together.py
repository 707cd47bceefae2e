"""What sick things of a place have in common: literals on a board in, findings out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cockpit.config import Config
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.settings import AwsSite
from cockpit.desk.relation import ChangeKeeper
from cockpit.errors import Reason
from cockpit.triage.board import ONE_LOOK, Board, LookId
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.registry import registry
from cockpit.triage.related import Relating, changes_of, reading_of
from cockpit.triage.store import Store
from cockpit.triage.target import Target
from cockpit.triage.together import InZone
from cockpit.triage.topology import DependencyGraph
from probes.answers import Gap
from probes.autoscaling_group.model import Member
from probes.autoscaling_group.model import Snapshot as Group
from probes.changes import related
from probes.changes.settings import RelatedSettings
from probes.ec2_instance.model import Snapshot as Instance
from probes.ec2_instance.model import StatusCheck
from probes.ecs.model import RunningTask
from probes.elasticache.model import Node
from probes.elasticache.model import Snapshot as Cache
from probes.rds.model import Instance as Database
from probes.rds.model import Snapshot as Databases
from tests.patience import until
from tests.probes import asg_looks, ecs_looks, lambda_looks, test_api_gateway, test_state_machine
from tests.probes.fake_aws import AT, ago, minutes

A, B, C = "us-east-1a", "us-east-1b", "us-east-1c"


@dataclass(frozen=True)
class Things:
    """A snapshot of things in zones: `a` counts sick and well ones of zone a."""

    things: tuple[InZone, ...]

    def in_zones(self) -> Iterable[InZone]:
        return self.things


def things(prefix: str, **zones: tuple[int, int]) -> Things:
    return Things(
        tuple(
            InZone(f"{prefix}{letter}{n}", f"us-east-1{letter}", n < sick)
            for letter, (sick, well) in zones.items()
            for n in range(sick + well)
        )
    )


def target(name: str, place: str = "prod") -> Target:
    return Target(name=name, kind="target_group", settings=AwsResource(aws=place, id=name))


def board(outcomes: dict[str, Any], places: dict[str, str] | None = None) -> tuple[Board, Any]:
    places = places or {}
    targets = [target(name, places.get(name, "prod")) for name in outcomes]
    readings = {
        LookId(name, "p"): Reading(name, f"kind-{name}", "p", at, 0.1, outcome)
        for name, (outcome, at) in (
            (name, held if isinstance(held, tuple) else (held, AT))
            for name, held in outcomes.items()
        )
    }
    return Board(readings=readings), DependencyGraph(tuple(targets))


def told(outcomes: dict[str, Any], places: dict[str, str] | None = None) -> list[tuple[str, str]]:
    seen, graph = board(outcomes, places)
    found = changes_of(seen, graph, at=AT, began=None)
    return [(f.code, f.severity.value) for f in related.diagnose(found, RelatedSettings())]


def shown(*snapshots: Things, **named: Things) -> dict[str, Any]:
    numbered = {f"t{n}": Seen((), snapshot=each) for n, each in enumerate(snapshots)}
    return {**numbered, **{name: Seen((), snapshot=each) for name, each in named.items()}}


ZONE = [("AZ_CORRELATED", "critical")]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        pytest.param(
            shown(things("x", a=(2, 0), b=(0, 3)), things("y", a=(1, 0), c=(0, 2))), ZONE, id="zone"
        ),
        pytest.param(
            shown(things("x", a=(2, 2), b=(0, 3)), things("y", a=(1, 0), c=(0, 2))), ZONE,
            id="six of ten",
        ),
        pytest.param(
            shown(things("x", a=(2, 2), b=(0, 3)), things("y", a=(1, 1), c=(0, 2))), [], id="half",
        ),
        pytest.param(
            shown(things("x", a=(2, 0), b=(1, 3)), things("y", a=(1, 0), c=(0, 1))), [],
            id="others are sick too",
        ),
        pytest.param(shown(things("x", a=(9, 0), b=(0, 9))), [], id="of one target alone"),
        pytest.param(
            shown(things("x", a=(1, 0), b=(0, 3)), things("y", a=(1, 0))), [], id="two of two"
        ),
        pytest.param(
            shown(things("x", a=(2, 0)), things("y", a=(2, 0))), [],
            id="nothing is known of another zone",
        ),
        pytest.param(
            shown(things("x", a=(3, 0), b=(0, 3)), things("x", a=(0, 3), b=(0, 3))), [],
            id="the same things, seen sick by one look: one target's word",
        ),
    ],
)  # fmt: skip
def test_a_zone_is_told_where_nearly_all_that_is_sick_stands_in_it(
    outcomes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert told(outcomes) == expected


def test_zones_of_two_accounts_are_not_one_zone() -> None:
    outcomes = shown(one=things("x", a=(2, 0), b=(0, 3)), two=things("y", a=(2, 0), b=(0, 3)))
    assert told(outcomes) == ZONE
    assert told(outcomes, {"two": "test"}) == []


def silent(call: str, reason: Reason = Reason.TIMEOUT) -> Blind:
    return Blind(reason, f"{call}: no answer within 10 s")


CALLS = ("rds.DescribeDBInstances", "ecs.DescribeServices", "elbv2.DescribeTargetHealth")
MORE = ("dynamodb.DescribeTable", "lambda.GetAlias", "ec2.DescribeInstances")


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ({n: silent(n) for n in CALLS}, [("AWS_API_DEGRADED", "warning")]),
        ({n: silent(n) for n in (*CALLS, *MORE)}, [("AWS_API_DEGRADED", "critical")]),
        ({n: silent(n) for n in CALLS[:2]}, []),
        ({n: silent(n, Reason.DENIED) for n in CALLS}, []),
        ({n: silent(CALLS[0]) for n in "abcd"}, []),
        ({n: (silent(n), ago(seconds=n == CALLS[0] and 300)) for n in CALLS}, []),
        ({n: Blind(Reason.TIMEOUT, "no answer within 3 s") for n in "abcd"}, []),
    ],
    ids=["three", "six", "two", "denied", "one service", "minutes apart", "no call of AWS"],
)
def test_services_that_do_not_answer_are_counted_by_place(
    outcomes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert told(outcomes) == expected


def test_how_many_services_answer_badly_is_told_with_how_many_were_asked() -> None:
    outcomes = {n: silent(n, Reason.THROTTLED) for n in CALLS}
    seen, graph = board(outcomes)
    well = {
        LookId(f"w{n}", probe): Reading(CALLS[0], "k", probe, AT, 0.1, Seen(()))
        for n, probe in enumerate(("sqs.queue", "alb.traffic"))
    }
    seen = replace(seen, readings={**seen.readings, **well})
    graph = DependencyGraph((*graph.targets, target("w0"), target("w1")))
    (one,) = related.diagnose(changes_of(seen, graph, at=AT, began=None), RelatedSettings())
    assert one.summary == "AWS answers badly at prod: 3 of 4 services"


@dataclass(frozen=True)
class Partly:
    """A snapshot that lacks something."""

    gaps: tuple[Gap, ...] = ()


def lacking(detail: str, reason: Reason = Reason.TIMEOUT) -> Seen:
    return Seen((), snapshot=Partly((Gap("metrics", reason.value, detail),)))


METRICS = "cloudwatch.GetMetricData: no answer in time"


def test_the_words_of_a_failed_call_come_to_the_board_without_secrets() -> None:
    said = f"{METRICS} by https://bob:hunter22@proxy.example.test/"
    seen, graph = board({n: lacking(said) for n in "abcde"})
    found = changes_of(seen, graph, at=AT, began=None)
    outcome = reading_of(found, "feed", related.PROBE, RelatedSettings()).outcome
    assert isinstance(outcome, Seen)
    assert "proxy.example.test" in str(outcome.findings)
    assert "hunter22" not in str(outcome.findings)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (
            {n: lacking(METRICS) for n in "abcde"},
            ["AWS answers badly at prod: 1 of 1 services, cloudwatch to 5 targets"],
        ),
        ({n: lacking(METRICS) for n in "abcd"}, []),
        ({n: lacking(METRICS, Reason.DENIED) for n in "abcde"}, []),
        ({n: lacking("events: no answer in time") for n in "abcde"}, []),
        (
            {**{n: lacking(METRICS) for n in "abc"}, **{n: silent(n) for n in CALLS[:2]}},
            ["AWS answers badly at prod: 3 of 3 services"],
        ),
        ({"a": lacking(METRICS), **{n: silent(n) for n in CALLS[:2]}}, []),
        (
            {n: silent(CALLS[0], Reason.THROTTLED) for n in "abcde"},
            ["AWS answers badly at prod: 1 of 1 services, rds to 5 targets"],
        ),
    ],
    ids=[
        "five lack it", "four", "denied", "no call of AWS", "two others are silent besides",
        "a part of one look", "five are blind by it",
    ],
)  # fmt: skip
def test_a_service_that_leaves_parts_of_many_looks_without_an_answer_is_told(
    outcomes: dict[str, Any], expected: list[str]
) -> None:
    seen, graph = board(outcomes)
    found = changes_of(seen, graph, at=AT, began=None)
    assert [f.summary for f in related.diagnose(found, RelatedSettings())] == expected


def test_when_nothing_of_a_place_answers_it_may_be_our_own_way() -> None:
    seen, graph = board({n: silent(n) for n in CALLS})
    found = changes_of(seen, graph, at=AT, began=None)
    (one,) = related.diagnose(found, RelatedSettings())
    assert "our own way" in one.against[0]
    seen, graph = board({**{n: silent(n) for n in CALLS}, "well": Seen(())})
    (one,) = related.diagnose(changes_of(seen, graph, at=AT, began=None), RelatedSettings())
    assert one.against == ()


def test_it_is_judged_anew_when_a_zone_or_a_service_falls_ill() -> None:
    seen, graph = board(shown(things("x", a=(0, 2), b=(0, 2))))
    relating = Relating(graph)
    assert relating.refresh(seen, None)
    assert not relating.refresh(seen, None)
    sick, _ = board(shown(things("x", a=(2, 0), b=(0, 2))))
    assert relating.refresh(replace(sick, changes=seen.changes), None)


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        (
            Instance(
                at=AT, id="i-1", state="running", zone=A,
                checks=(StatusCheck(kind="system", status="impaired"),),
            ),
            [InZone("i-1", A, sick=True)],
        ),
        (Instance(at=AT, id="i-1", state="running", zone=A), [InZone("i-1", A, sick=False)]),
        (
            Group(
                at=AT, name="g", arn="", minimum=1, maximum=2, desired=2,
                members=(
                    Member(id="i-1", zone=A, state="InService", health="UNHEALTHY"),
                    Member(id="i-2", zone=B, state="InService", health="HEALTHY"),
                ),
            ),
            [InZone("i-1", A, sick=True), InZone("i-2", B, sick=False)],
        ),
        (
            Cache(
                at=AT, id="c", kind="replication group", status="available",
                nodes=(
                    Node(id="c-1", zone=A, status="available"),
                    Node(id="c-2", zone=B, status="incompatible-network"),
                    Node(id="c-3", zone=C),
                ),
            ),
            [InZone("c-1", A, sick=False), InZone("c-2", B, sick=True)],
        ),
        (
            Databases(
                at=AT, id="d", kind="instance", status="failed",
                instances=(Database(id="d", status="failed", zone=C), Database(id="e", status="x")),
            ),
            [InZone("d", C, sick=True)],
        ),
        (
            ecs_looks.snapshot(
                tasks=(
                    RunningTask(arn="t1", zone=A, health="UNHEALTHY"),
                    RunningTask(arn="t2", zone=B, health="HEALTHY"),
                    RunningTask(arn="t3"),
                ),
                stopped=(
                    replace(ecs_looks.stop(), arn="t4", zone=A),
                    replace(ecs_looks.stop(), arn="t5", zone=A, stop_code="UserInitiated"),
                ),
            ),
            [InZone("t1", A, sick=True), InZone("t2", B, sick=False), InZone("t4", A, sick=True)],
        ),
    ],
    ids=["instance", "a well one", "group", "cache", "database", "service"],
)  # fmt: skip
def test_looks_say_what_of_theirs_stands_in_which_zone(
    snapshot: Any, expected: list[InZone]
) -> None:
    assert [*snapshot.in_zones()] == expected


def refused(limit: str, severity: Severity = Severity.WARNING) -> Seen:
    return Seen((Finding("X_THROTTLED", severity, "refused", account_limit=limit),))


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ({"a": refused("L"), "b": refused("L")}, ["L of prod are used up: a, b are refused"]),
        ({"a": refused("L")}, []),
        ({"a": refused("L"), "b": refused("M")}, []),
        ({"a": refused("L"), "b": refused("L", Severity.INFO)}, []),
        ({"a": refused(""), "b": refused("")}, []),
    ],
    ids=["two", "one alone", "two limits", "one is over", "limits of their own"],
)
def test_a_limit_of_the_account_that_several_run_into_is_one_line(
    outcomes: dict[str, Seen], expected: list[str]
) -> None:
    store = Store(ONE_LOOK)
    for reading in board(outcomes)[0].readings.values():
        store.add(reading)
    _, graph = board(outcomes)
    found = changes_of(store.board, graph, at=AT, began=None)
    assert [f.summary for f in related.diagnose(found, RelatedSettings())] == expected


async def told_without_a_feed(
    before: dict[str, Any], after: dict[str, Any], expected: tuple[str, str]
) -> None:
    """What is told while `before` is so, and that nothing is once `after` is."""
    seen, graph = board(before)
    place = AwsSite(name="prod", region="us-east-1")
    config = Config(path=Path("x"), environment="x", targets=graph.targets, places={"prod": place})
    store, probe = Store(ONE_LOOK), registry()["changes.related"]
    keeper = ChangeKeeper(config, store=store, graph=graph, probe=probe)
    store.subscribe(lambda *_: keeper.board_changed())
    keeper.begin()

    def told() -> list[tuple[str, str]]:
        codes = [(id_.target, id_.code) for id_ in store.board.open]
        return [each for each in codes if each[1] != "X_THROTTLED"]

    for reading in seen.readings.values():
        store.add(reading)
    await until(lambda: told() == [expected], "it is told")
    for reading in board(after)[0].readings.values():
        store.add(reading)
    await until(lambda: told() == [], "it is taken back")
    keeper.stop()


async def test_without_a_feed_a_sick_zone_is_told_at_a_target_that_is_sick_in_it() -> None:
    dead = shown(things("x", a=(2, 0), b=(0, 3)), things("y", a=(1, 0), c=(0, 2)))
    well = shown(things("x", a=(0, 2), b=(0, 3)))
    await told_without_a_feed(dead, well, ("t0", "AZ_CORRELATED"))


async def test_without_a_feed_an_aws_that_does_not_answer_is_told_at_a_target_it_leaves_blind() -> (
    None
):
    dead = {"well": Seen(()), **{n: silent(n) for n in CALLS}}
    await told_without_a_feed(dead, {CALLS[0]: Seen(())}, (min(CALLS), "AWS_API_DEGRADED"))


async def test_without_a_feed_a_used_up_limit_is_told_at_a_target_that_it_refuses() -> None:
    dead = {"a": refused("L"), "b": refused("L")}
    await told_without_a_feed(dead, {"a": Seen(())}, ("a", "AWS_ACCOUNT_LIMIT"))


def test_what_is_told_of_a_place_is_no_answer_of_it() -> None:
    seen, graph = board({n: silent(n) for n in CALLS})
    said = Reading(CALLS[0], "changes", "changes.related", AT, 0.0, Seen(()))
    seen = replace(seen, readings={**seen.readings, LookId(CALLS[0], said.probe): said})
    (one,) = changes_of(seen, graph, at=AT, began=None).unanswered
    assert (one.others, one.asked, one.targets) == ((), 3, tuple(sorted(CALLS)))


FARGATE = (
    "(service web) was unable to place a task. Reason: You've reached the limit on the number of "
    "vCPUs you can run concurrently"
)


@pytest.mark.parametrize(
    ("probe", "snapshot", "limit"),
    [
        (
            "lambda_function.status",
            lambda_looks.snapshot(throttles=lambda_looks.flow(10), claimed=lambda_looks.flow(990)),
            "Lambda's concurrent executions",
        ),
        (
            "lambda_function.status",
            lambda_looks.snapshot(
                throttles=lambda_looks.flow(10), claimed=lambda_looks.flow(990), reserved=5
            ),
            "",
        ),
        (
            "ecs.service",
            ecs_looks.snapshot(events=(ecs_looks.event(FARGATE, minutes=1),)),
            "Fargate's tasks or vCPUs",
        ),
        (
            "autoscaling_group.capacity",
            asg_looks.snapshot(activities=(asg_looks.activity(message="VcpuLimitExceeded"),)),
            "EC2's running instances",
        ),
        (
            "api_gateway.status",
            test_api_gateway.snapshot(
                answers=(test_api_gateway.kind(429, "gateway", "THROTTLED", 50),),
                logs_read=True,
                rate_limit=None,
                burst_limit=None,
                account_rate=10_000,
            ),
            "API Gateway's requests a second",
        ),
        (
            "api_gateway.status",
            test_api_gateway.snapshot(
                answers=(test_api_gateway.kind(429, "gateway", "THROTTLED", 50),),
                logs_read=True,
                rate_limit=100,
                account_rate=10_000,
            ),
            "",
        ),
        (
            "state_machine.executions",
            test_state_machine.snapshot(throttled=minutes(4)),
            "Step Functions' state transitions",
        ),
    ],
    ids=[
        "pool",
        "a reserve of its own",
        "Fargate",
        "EC2",
        "API Gateway",
        "a stage's own rate",
        "Step Functions",
    ],
)
def test_looks_name_the_limit_of_the_account_that_refuses_them(
    probe: str, snapshot: Any, limit: str
) -> None:
    known = registry()[probe]
    found = known.diagnose(snapshot, known.settings)
    assert {each.account_limit for each in found if each.severity > Severity.INFO} - {""} == (
        {limit} - {""}
    )
