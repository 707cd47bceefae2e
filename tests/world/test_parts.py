"""The pure parts of the world: series, health, scheduling, requests, scenarios, configuration."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from cockpit.connect.role import Role
from cockpit.errors import Misconfigured
from cockpit.runbooks.library import library
from cockpit.triage.registry import catalog, registry
from cockpit.world import folder as folders
from cockpit.world import prepare, scenario, series
from cockpit.world.alarms import Alarms
from cockpit.world.alarms import shop as shop_alarms
from cockpit.world.answers.cloudwatch import CloudWatch, moment
from cockpit.world.ecs import EcsCluster
from cockpit.world.health import CheckedGroup, GroupCheck, HealthOfTargets, RegisteredTarget, _judge
from cockpit.world.identify import AwsRequest, parameters
from cockpit.world.metrics import Book, MetricSeries, Minute, counter, gauge, statistic
from cockpit.world.paging import PAGES, Paged, cut
from cockpit.world.protocol import Refusal
from cockpit.world.trail import ApiCall, Trail


@pytest.mark.parametrize(
    ("stat", "expected"),
    [
        ("Sum", 30.0),
        ("Average", 3.0),
        ("Minimum", 1.0),
        ("Maximum", 5.0),
        ("SampleCount", 10.0),
        ("p50", 3.0),
        ("p99", 5.0),
        ("p10", 1.0),
        ("tm80", 2.5),
        ("IQM", None),
    ],
)
def test_every_statistic_is_computed_from_the_samples(stat: str, expected: float | None) -> None:
    assert statistic([Minute((1.0, 2.0, 3.0, 4.0, 5.0), 2.0)], stat) == expected


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> Book:
    return Book(since=clock.now - 7200, now=clock)


def _minutes_ago(book: Book, metric: MetricSeries, minutes: int) -> float | None:
    return book.value(metric, start=book.now() // 60 * 60 - minutes * 60, period=60, stat="Sum")


def test_a_series_is_normal_before_the_onset_and_broken_after(book: Book, clock: Clock) -> None:
    metric = MetricSeries("N", "errors", (), counter(5.0, 0.0))
    book.add(metric)
    book.break_([metric], counter(500.0, 0.0), clock.now - 300)
    assert _minutes_ago(book, metric, 8) == 5.0
    assert _minutes_ago(book, metric, 3) == 500.0


def test_a_repair_turns_the_past_clean_twelve_minutes_a_minute(book: Book, clock: Clock) -> None:
    metric = MetricSeries("N", "errors", (), counter(5.0, 0.0))
    book.add(metric)
    book.break_([metric], counter(500.0, 0.0), clock.now - 600)
    book.repair()
    clock.now += 15
    assert _minutes_ago(book, metric, 1) == 5.0
    assert _minutes_ago(book, metric, 6) == 500.0
    clock.now += 45
    assert _minutes_ago(book, metric, 6) == 5.0


def test_what_is_observed_is_what_is_shown(book: Book) -> None:
    metric = MetricSeries("N", "connections", (), gauge(20.0, 0.0))
    book.add(metric)
    book.observe([metric], 97)
    assert _minutes_ago(book, metric, 0) == 97.0
    assert _minutes_ago(book, metric, 1) == 20.0


def test_nothing_is_shown_before_the_beginning_and_in_the_future(book: Book, clock: Clock) -> None:
    metric = MetricSeries("N", "x", (), counter(5.0))
    book.add(metric)
    assert _minutes_ago(book, metric, 200) is None
    assert _minutes_ago(book, metric, -5) is None


def test_a_query_must_match_the_dimensions_exactly(book: Book) -> None:
    metric = MetricSeries("N", "x", (("A", "1"), ("B", "2")), counter(5.0))
    book.add(metric)
    assert book.find("N", "x", {"B": "2", "A": "1"}) is metric
    assert book.find("N", "x", {"A": "1"}) is None
    assert book.find("M", "x", {"B": "2", "A": "1"}) is None


ASKING = AwsRequest(
    service="cloudwatch", operation="GetMetricData", protocol="query", key="AKIA", region="r",
    method="POST", path="/", query="", body=b"", environ={},
)  # fmt: skip


def test_too_many_queries_are_refused(book: Book, clock: Clock) -> None:
    watch = CloudWatch(book, Alarms(book))
    stat = {"Metric": {"Namespace": "N", "MetricName": "x"}, "Period": 60, "Stat": "Sum"}
    queries = [{"Id": f"m{number}", "MetricStat": stat} for number in range(501)]
    asked = {"StartTime": clock.now - 60, "EndTime": clock.now, "MetricDataQueries": queries}
    with pytest.raises(Refusal):
        watch.table()["cloudwatch", "GetMetricData"](ASKING, asked)


@pytest.mark.parametrize("given", [1_800_000_000, "1800000000", "2027-01-15T08:00:00Z"])
def test_a_time_on_the_wire_is_read(given: int | str) -> None:
    assert moment(given) == 1_800_000_000.0


def test_no_alarm_fires_while_nothing_is_broken() -> None:
    book = Book()
    for metric in (*series.services(), *series.databases()):
        book.add(metric)
    alarms = Alarms(book)
    for alarm in shop_alarms(book):
        alarms.add(alarm)
    assert {alarms.row(alarm)["StateValue"] for alarm in alarms.all()} == {"OK"}


@pytest.mark.parametrize(
    ("codes", "status", "expected"),
    [("200", 200, True), ("200", 404, False), ("200-299,404", 404, True), ("200,302", 301, False)],
)
def test_the_matcher_takes_what_elb_takes(codes: str, status: int, expected: bool) -> None:
    assert GroupCheck(codes=codes).matches(status) is expected


def test_a_target_turns_after_as_many_results_as_the_group_says() -> None:
    check, target = GroupCheck(healthy=3, unhealthy=2), RegisteredTarget("10.0.0.1", 80, "a")
    _judge(check, target, 200)
    assert target.state == "healthy"
    _judge(check, target, 503)
    assert target.state == "healthy"
    _judge(check, target, 503)
    assert (target.state, target.reason) == ("unhealthy", "Target.ResponseCodeMismatch")
    assert target.description == "Health checks failed with these codes: [503]"
    for expected in ("unhealthy", "unhealthy", "healthy"):
        _judge(check, target, 200)
        assert target.state == expected


def test_a_target_that_is_not_registered_is_unused() -> None:
    health = HealthOfTargets(lambda _address, _port: None)
    health.add(CheckedGroup("arn", 80))
    (row,) = health.describe("arn", [{"Id": "10.0.0.9"}])
    assert row["TargetHealth"]["Reason"] == "Target.NotRegistered"
    with pytest.raises(Refusal, match="not found"):
        health.describe("other", [])


def _pass(
    cluster: EcsCluster, monkeypatch: pytest.MonkeyPatch, seconds: float, *, healthy: bool = True
) -> None:
    begun = time.time()
    for step in range(int(seconds * 2)):
        monkeypatch.setattr(time, "time", lambda at=begun + step / 2: at)
        for group in cluster._health.groups():
            for target in group.targets.values():
                if healthy and target.state == "initial":
                    target.turn("healthy")
        cluster.tick()


def test_scaling_out_and_in_ends_steady(
    cluster: EcsCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for desired in (9, 2):
        service = cluster.update("checkout", desired=desired)
        _pass(cluster, monkeypatch, 20)
        assert service.count("RUNNING") == desired
        assert service.primary.rollout == "COMPLETED"
        assert "steady state" in service.events[0].text


def test_a_deployment_replaces_every_task_and_never_goes_below_the_minimum(
    cluster: EcsCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = cluster.update("checkout", version=41)
    assert [d.status for d in service.deployments] == ["PRIMARY", "ACTIVE"]
    for _ in range(30):
        _pass(cluster, monkeypatch, 1)
        assert service.count("RUNNING") >= 3
    assert {task.version for task in service.tasks if task.status == "RUNNING"} == {41}
    assert (service.primary.rollout, len(service.deployments)) == ("COMPLETED", 1)


def test_a_version_that_crashes_never_settles_and_counts_its_failures(
    cluster: EcsCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.crashes["checkout", 43] = 137
    service = cluster.update("checkout", version=43)
    _pass(cluster, monkeypatch, 40)
    assert service.primary.rollout == "IN_PROGRESS"
    assert service.primary.failed >= 3
    assert 3 <= service.count("RUNNING", deployment=service.deployments[1].id) < 6
    stopped = [task for task in service.tasks if task.stop_code == "EssentialContainerExited"]
    assert {task.exit_code for task in stopped} == {137}


def test_a_list_is_cut_with_a_token_that_leads_on() -> None:
    paged = Paged("items", "limit", "token", 2, 10, "next")
    first = cut(paged, {}, {"items": [1, 2, 3]})
    assert first["items"] == [1, 2]
    assert cut(paged, {"token": first["next"]}, {"items": [1, 2, 3]}) == {"items": [3]}
    with pytest.raises(Refusal):
        cut(paged, {"limit": 11}, {"items": []})
    with pytest.raises(Refusal):
        cut(paged, {"token": "stolen"}, {"items": []})


def test_every_paged_operation_exists_in_the_model_with_its_members() -> None:
    from cockpit.world.identify import operation

    for (service, name), paged in PAGES.items():
        model = operation(service, name)
        asked = {paged.limit, paged.token} - {""}
        assert asked <= set(model.input_shape.members), (service, name)
        wanted = {paged.items, paged.given or paged.token}
        assert wanted <= set(model.output_shape.members), (service, name)


def test_a_query_body_becomes_the_arguments_of_its_caller() -> None:
    body = b"Action=X&TargetGroupArn=a&Targets.member.1.Id=i-1&Targets.member.1.Port=80"
    assert parameters("elbv2", "DescribeTargetHealth", body) == {
        "TargetGroupArn": "a",
        "Targets": [{"Id": "i-1", "Port": 80}],
    }


def test_an_ec2_body_becomes_the_arguments_of_its_caller() -> None:
    body = b"GroupId.1=sg-1&Filter.1.Name=vpc-id&Filter.1.Value.1=v&MaxResults=5"
    assert parameters("ec2", "DescribeSecurityGroups", body) == {
        "GroupIds": ["sg-1"],
        "Filters": [{"Name": "vpc-id", "Values": ["v"]}],
        "MaxResults": 5,
    }


def test_the_trail_gives_the_newest_first() -> None:
    trail = Trail()
    for at in (1.0, 3.0, 2.0):
        trail.add(ApiCall(at=at, source="ecs.amazonaws.com", name=f"N{at}", user="bob"))
    assert [call.at for call in trail.calls(1.5, 9)] == [3.0, 2.0]


def test_a_process_is_told_from_another_with_its_number(tmp_path: Path) -> None:
    import os

    assert folders.started(os.getpid()) != ""
    assert folders.started(2**22 + 1) == ""


def test_only_a_culprit_can_be_unclear(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'title = "t"\nsymptom = "s"\nstory = "s"\ncause = "c"\nunclear = "nobody feels it"'
    monkeypatch.setattr(scenario, "_texts", lambda: {"odd": text})
    monkeypatch.setattr(scenario, "names", lambda: ("odd",))
    with pytest.raises(Misconfigured, match=r"odd\.toml: unclear says how sure"):
        scenario.load("odd")


@pytest.mark.parametrize("name", scenario.names())
def test_a_scenario_is_complete_and_names_what_exists(name: str) -> None:
    known = scenario.load(name)
    targets = _targets(known)
    codes = {code for probe in registry().values() for code in probe.codes}
    for finding in known.must:
        code, _, target = finding.partition("@")
        assert target in targets
        assert code in codes
    for finding in (*known.may, *known.must_not):
        code, _, target = finding.partition("@")
        assert target == "*" or target in targets
        assert fnmatch.filter(codes, code), f"no probe has a code like {code}"
    for one in known.blind:
        assert one.partition("@")[2] in targets
    assert known.culprit in {"", *targets} or known.culprit.startswith(("zone ", "AWS at "))
    assert known.runbook or not known.fix
    assert not known.runbook or library().find(known.runbook) is not None


def _targets(known: scenario.Scenario) -> set[str]:
    import tomllib

    shop = tomllib.loads(_configuration(billing=known.billing, parts=known.parts))["target"]
    return {str(one["name"]) for one in (*shop, *known.target)}


def _configuration(*, billing: bool, parts: Sequence[str] = scenario.PARTS) -> str:
    import pathlib

    ports = prepare.WorldPorts(*range(9001, 9010))
    made = prepare.PreparedWorld(
        pathlib.Path("/nowhere"), "healthy", Role.TRIAGE, ports, prepare.Secrets()
    )
    return prepare.configuration(made, billing=billing, parts=parts)


@pytest.mark.parametrize("billing", [False, True])
def test_the_configuration_has_no_problem(tmp_path: Path, billing: bool) -> None:
    from cockpit import config

    file = tmp_path / "cockpit.toml"
    file.write_text(_configuration(billing=billing))
    loaded = config.load(file, catalog())
    assert loaded.environment == "prod"
    assert len(loaded.targets) == (17 if billing else 16)


def test_an_unknown_key_in_a_scenario_is_told() -> None:
    with pytest.raises(Misconfigured, match="there is no scenario"):
        scenario.load("no-such")
