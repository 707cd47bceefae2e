"""Reading the lines of a target: where they are, what is new since the onset, and the bounds."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cockpit import clock
from cockpit.cli.commands.logs import _one
from cockpit.cli.main import run
from cockpit.connect.aws.reads import consented
from cockpit.connect.aws.redact import redact
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason, Refused
from cockpit.logs.insights import QueryEstimate
from cockpit.logs.reading import LogLine
from cockpit.logs.source import LogSource, group_of
from cockpit.triage.registry import registry
from cockpit.triage.target_logs import TargetLogs, logs_probe
from cockpit.world import layout
from cockpit.world.calls import CallLog
from cockpit.world.faults import Faults
from cockpit.world.front import Front
from tests.probes import (
    ecs_looks,
    elasticache_looks,
    lambda_looks,
    rds_looks,
    test_state_machine,
)
from tests.probes.fake_aws import AT, FakeAws, ago, denied, target
from tests.probes.test_log_group import event, written

GROUP = LogSource(group="/ecs/checkout")


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def reader(aws: FakeAws, kind: str = "log_group", **given: Any) -> TargetLogs:
    async def session() -> FakeAws:
        return aws

    at_ = target(kind, "/ecs/checkout", **({"cluster": "prod"} if kind == "ecs_service" else {}))
    return TargetLogs(at_, logs_probe(at_, registry()), session=session, **given)


def logged(*events: Any) -> FakeAws:
    return FakeAws({"logs.FilterLogEvents": written(*events)})


# What is new ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at")
async def test_new_is_what_the_hour_before_the_onset_has_none_of() -> None:
    old = [event(f"ERROR order {n} failed", ago(minutes=m)) for n, m in enumerate((50, 9, 3, 2))]
    new = [event(f"Task timed out after {n} seconds", ago(minutes=4), "b") for n in range(3)]
    calm = event("INFO fine", ago(minutes=1))
    view = await reader(logged(*old, *new, calm), onset=ago(minutes=5)).read(GROUP)
    first, second = (each.pattern for each in view.patterns)
    assert (first.kind, first.count, first.new_since) == ("timeout", 3, ago(minutes=4))
    assert (second.count, second.before, second.new_since) == (2, 2, None)
    assert len(view.lines) == 6
    assert [line.stream for line in view.patterns[0].lines] == ["b"] * 3
    assert view.compared == ago(minutes=65)
    assert view.told == "6 lines of errors since 02:45 UTC · onset 02:55"


@pytest.mark.usefixtures("at")
async def test_without_an_onset_the_hour_before_the_span_counts() -> None:
    lines = (event("ERROR a", ago(minutes=70)), event("ERROR a", ago(minutes=5)))
    aws = logged(*lines)
    (one,) = (await reader(aws).read(GROUP)).patterns
    assert one.pattern.before == 1
    assert min(asked["startTime"] for _, asked in aws.calls) == int(
        ago(minutes=75).timestamp() * 1000
    )


@pytest.mark.usefixtures("at")
async def test_where_the_hour_before_cannot_be_read_nothing_is_called_new() -> None:
    calls = []

    def once(**asked: Any) -> Any:
        calls.append(asked)
        if len(calls) > 1:
            raise BlindError(Reason.THROTTLED, "slower")
        return written(event("ERROR a", ago(minutes=5)))(**asked)

    view = await reader(FakeAws({"logs.FilterLogEvents": once})).read(GROUP)
    assert view.patterns[0].pattern.new_since is None
    assert view.told.endswith("nothing is known to be new: slower")


@pytest.mark.usefixtures("at")
async def test_too_many_lines_are_read_from_both_ends_and_that_is_told() -> None:
    def endless(startTime: int, limit: int, **_: Any) -> dict[str, Any]:  # noqa: N803
        rows = [
            {"message": f"ERROR {n}", "timestamp": startTime + n, "logStreamName": "a"}
            for n in range(min(limit, 1000))
        ]
        return {"events": rows, "nextToken": f"{startTime}"}

    view = await reader(FakeAws({"logs.FilterLogEvents": endless})).read(GROUP)
    assert view.until is not None
    assert view.lines[-1].at > ago(minutes=3)
    assert "there are more" in view.told
    assert view.calls < 20


@pytest.mark.usefixtures("at")
async def test_bounds_stand_in_every_question() -> None:
    aws = logged(event("ERROR a", ago(minutes=5)))
    logs = reader(aws)
    await logs.read(replace(GROUP, prefix="app/web/"), span=timedelta(days=3))
    await logs.newer(GROUP, ago(minutes=1))
    for _, asked in aws.calls:
        assert asked["endTime"] - asked["startTime"] <= 6 * 3_600_000
        assert asked["limit"] <= 10_000
    assert aws.calls[0][1]["logStreamNamePrefix"] == "app/web/"


@pytest.mark.usefixtures("at")
async def test_denied_is_told_and_never_no_lines() -> None:
    with pytest.raises(BlindError) as caught:
        await reader(FakeAws({"logs.FilterLogEvents": denied("logs:FilterLogEvents")})).read(GROUP)
    assert caught.value.reason is Reason.DENIED

    gone = BlindError(Reason.MISSING, "ResourceNotFoundException")
    with pytest.raises(BlindError, match="there is no log group /ecs/checkout"):
        await reader(FakeAws({"logs.FilterLogEvents": gone})).read(GROUP)

    def off(**_: Any) -> Any:
        raise Refused("logs.FilterLogEvents shows content")

    with pytest.raises(BlindError, match="the place lets no look read lines"):
        await reader(FakeAws({"logs.FilterLogEvents": off})).read(GROUP)
    with pytest.raises(BlindError, match="driver splunk"):
        await reader(FakeAws({})).read(LogSource(group="", label="web", why="driver splunk"))


@pytest.mark.usefixtures("at")
async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.triage.target_logs._PATIENCE", 0.01)

    class Hung(FakeAws):
        async def read(self, service: str, operation: str, /, **arguments: Any) -> Any:
            await asyncio.Event().wait()

    with pytest.raises(BlindError) as caught:
        await reader(Hung({})).read(GROUP)
    assert caught.value.reason is Reason.TIMEOUT


@pytest.mark.usefixtures("at")
async def test_lines_around_a_line_are_of_its_stream() -> None:
    def told(startFromHead: bool, **_: Any) -> dict[str, Any]:  # noqa: N803
        word = "after" if startFromHead else "before"
        return {"events": [{"timestamp": int(AT.timestamp() * 1000), "message": word}]}

    aws = FakeAws({"logs.GetLogEvents": told})
    line = LogLine(at=ago(minutes=1), text="x", stream="app/web/1")
    before, after = await reader(aws).around(GROUP, line)
    assert ([each.text for each in before], [each.text for each in after]) == (
        ["before"],
        ["after"],
    )
    assert {asked["logStreamName"] for _, asked in aws.calls} == {"app/web/1"}


# Where lines are --------------------------------------------------------------------------------

DEFINITION = {
    "taskDefinitionArn": ecs_looks.NEW,
    "containerDefinitions": [
        {
            "name": "web",
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "/ecs/checkout",
                    "awslogs-region": "us-east-1",
                    "awslogs-stream-prefix": "app",
                },
            },
        },
        {"name": "agent", "logConfiguration": {"logDriver": "splunk"}},
    ],
}


async def test_a_stopped_task_has_its_last_lines_beside_its_reason() -> None:
    def last(**asked: Any) -> dict[str, Any]:
        assert asked["logStreamName"] == "app/web/0123456789abcdef"
        stamp = int(ago(minutes=3).timestamp() * 1000)
        return {"events": [{"timestamp": stamp, "message": "MemoryError\n"}]}

    stop = ecs_looks.stop(exit_code=137, container="OutOfMemoryError: container killed")
    containers = tuple(replace(each, name="web") for each in stop.containers)
    stop = replace(stop, task_definition=ecs_looks.NEW, containers=containers)
    aws = FakeAws(
        {
            "ecs.DescribeTaskDefinition": {"taskDefinition": DEFINITION},
            "logs.GetLogEvents": last,
        }
    )
    logs = reader(aws, "ecs_service", seen=ecs_looks.snapshot(stopped=(stop,)))
    web, agent, gone, dead_agent = await logs.sources()
    assert (web.group, web.prefix, web.label) == ("/ecs/checkout", "app/web/", "container web")
    assert "driver splunk" in agent.why
    assert "exit 137" in gone.label
    assert "OutOfMemoryError" in gone.reason
    assert dead_agent.why
    view = await logs.read(gone)
    assert [line.text for line in view.lines] == ["MemoryError"]
    assert view.told == "the last 1 line of its stream"
    assert [name for name, _ in aws.calls].count("ecs.DescribeTaskDefinition") == 1


async def test_a_function_names_its_own_group() -> None:
    look = lambda_looks.snapshot(log_group="/shop/pay")
    (source,) = await reader(FakeAws({}), "lambda_function", seen=look).sources()
    assert source.group == "/shop/pay"


async def test_a_cache_names_what_it_delivers_and_says_what_does_not_arrive() -> None:
    def delivered(kind: str, **more: Any) -> dict[str, Any]:
        details = {"CloudWatchLogsDetails": {"LogGroup": f"/cache/{kind}"}}
        return {"LogType": kind, "DestinationDetails": details, "Status": "active", **more}

    row = {
        "ReplicationGroupId": "sessions",
        "LogDeliveryConfigurations": [
            delivered("engine-log"),
            delivered("slow-log", Status="error", Message="no right to write"),
        ],
    }
    aws = FakeAws({"elasticache.DescribeReplicationGroups": [row]})
    look = elasticache_looks.snapshot(id="sessions")
    engine, slow = await reader(aws, "elasticache", seen=look).sources()
    assert (engine.group, engine.label, engine.why) == ("/cache/engine-log", "engine-log", "")
    assert "no right to write" in slow.why
    none = FakeAws({"elasticache.DescribeReplicationGroups": [{"ReplicationGroupId": "sessions"}]})
    (source,) = await reader(none, "elasticache", seen=look).sources()
    assert source.why


async def test_a_database_names_what_it_exports_errors_first() -> None:
    row = {
        "DBInstanceIdentifier": "orders",
        "EnabledCloudwatchLogsExports": ["slowquery", "error", "odd"],
    }
    aws = FakeAws({"rds.DescribeDBInstances": [row]})
    look = rds_looks.snapshot(id="orders", kind="instance")
    found = await reader(aws, "rds", seen=look).sources()
    assert [each.group.rpartition("/")[2] for each in found] == ["error", "slowquery", "odd"]
    assert found[0].group == "/aws/rds/instance/orders/error"
    none = FakeAws({"rds.DescribeDBInstances": [{"DBInstanceIdentifier": "orders"}]})
    (source,) = await reader(none, "rds", seen=look).sources()
    assert "exports no log" in source.why


@pytest.mark.parametrize(
    ("level", "group"), [("ERROR", "/aws/vendedlogs/states/billing"), ("OFF", "")]
)
async def test_a_state_machine_names_the_group_of_its_history(level: str, group: str) -> None:
    arn = "arn:aws:logs:us-east-1:1:log-group:/aws/vendedlogs/states/billing:*"
    logging = {
        "level": level,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}],
    }
    answer = {"stateMachineArn": test_state_machine.ARN, "loggingConfiguration": logging}
    aws = FakeAws({"stepfunctions.DescribeStateMachine": answer})
    look = test_state_machine.snapshot()
    (source,) = await reader(aws, "state_machine", seen=look).sources()
    assert source.group == group
    assert bool(source.why) is not bool(group)


def test_a_kind_without_logs_says_what_helps() -> None:
    with pytest.raises(BlindError) as caught:
        logs_probe(target("sqs_queue", "orders"), registry())
    assert 'kind = "log_group"' in caught.value.hint
    below = (target("alarms", ""), replace(target("ecs_service", "web", cluster="c"), name="web"))
    with pytest.raises(BlindError) as caught:
        logs_probe(target("alb", "shop"), registry(), below)
    assert caught.value.hint == "it needs web: read the logs there"


def test_queries_are_open_where_a_log_group_is_a_target_only() -> None:
    queries = {"logs.StartQuery", "logs.GetQueryResults", "logs.StopQuery"}
    lines = {"logs.FilterLogEvents", "logs.GetLogEvents"}
    for probe in registry().values():
        if probe.logs is not None:
            asked = consented(probe.needs)
            assert lines <= asked, probe.id
            assert bool(queries & asked) is (probe.kind == "log_group"), probe.id


# Logs Insights ----------------------------------------------------------------------------------


def incoming(*each: float) -> Series:
    start = ago(minutes=len(each))
    return Series(tuple(start + timedelta(minutes=n) for n in range(len(each))), each)


@pytest.mark.usefixtures("at")
async def test_a_query_is_priced_before_and_both_spans_count() -> None:
    aws = FakeAws({}, {"IncomingBytes": incoming(*[1e9] * 30)})
    about = await reader(aws).estimate(GROUP)
    assert about.scans == 30e9
    assert about.usd == pytest.approx(0.15)
    with pytest.raises(BlindError, match="what a query costs is not"):
        await reader(FakeAws({})).estimate(GROUP)


@pytest.mark.usefixtures("at")
async def test_a_query_runs_to_its_end_and_tells_what_it_scanned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cockpit.logs.insights._EVERY", 0.0)
    states = iter(("Scheduled", "Running", "Complete"))

    def results(**_: Any) -> dict[str, Any]:
        rows = [
            [
                {"field": "@pattern", "value": "ERROR <*> failed"},
                {"field": "@sampleCount", "value": "12"},
                {"field": "@differenceDescription", "value": "New pattern"},
            ]
        ]
        return {"status": next(states), "results": rows, "statistics": {"bytesScanned": 2e9}}

    aws = FakeAws({"logs.StartQuery": {"queryId": "q"}, "logs.GetQueryResults": results})
    about = QueryEstimate(start=ago(minutes=15), end=AT, compared=True, scans=1e9)
    found = await reader(aws).query(GROUP, about)
    assert found.patterns[0].new
    assert (found.patterns[0].count, found.scanned, found.usd) == (12, 2e9, 0.01)
    asked = next(asked for name, asked in aws.calls if name == "logs.StartQuery")
    assert asked["endTime"] - asked["startTime"] == 900  # seconds, not milliseconds
    assert "logs.StopQuery" not in [name for name, _ in aws.calls]


@pytest.mark.usefixtures("at")
async def test_a_query_that_nobody_waits_for_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cockpit.logs.insights._EVERY", 0.0)
    monkeypatch.setattr("cockpit.logs.insights._PATIENCE", 0.01)
    aws = FakeAws(
        {"logs.StartQuery": {"queryId": "q"}, "logs.GetQueryResults": {"status": "Running"}}
    )
    about = QueryEstimate(start=ago(minutes=15), end=AT, compared=True, scans=1e9)
    with pytest.raises(BlindError, match="stopped"):
        await reader(aws).query(GROUP, about)
    assert aws.calls[-1][0] == "logs.StopQuery"


def test_results_of_a_query_are_masked_like_lines() -> None:
    rows = [[{"field": "@message", "value": "password=hunter2"}]]
    assert "hunter2" not in repr(redact("logs", {"results": rows}))


# The command ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    made = Front(CallLog(), Faults())  # moto alone calls its JSON a page of HTML
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        made.serve(listener)
        made.ready.set()
        number = listener.getsockname()[1]
        write_lines(number)
        yield number
        made.close()


def write_lines(port: int) -> None:
    import boto3

    key = layout.key_of("commander")
    logs = boto3.Session().client(
        "logs",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=layout.REGION,
        aws_access_key_id=key,
        aws_secret_access_key=key,
    )
    where = {"logGroupName": "/ecs/checkout", "logStreamName": "app/web/1"}
    stamp = int(clock.now().timestamp() * 1000) - 60_000
    logs.create_log_group(logGroupName=where["logGroupName"])
    logs.create_log_stream(**where)
    lines = [f"ERROR order {n} failed: password=hunter2" for n in range(12)]
    logs.put_log_events(
        **where,
        logEvents=[
            {"timestamp": stamp + n, "message": text}
            for n, text in enumerate([*lines, "INFO fine [/b] \x1b[2J"])
        ],
    )


@pytest.fixture
def shop(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCKPIT_TEST_KEY", layout.key_of("commander"))
    path = tmp_path / "cockpit.toml"
    path.write_text(
        'environment = "test"\n[aws.test]\n'
        f'region = "{layout.REGION}"\n'
        f'endpoint_url = "http://127.0.0.1:{port}"\n'
        'access_key_id = "env:COCKPIT_TEST_KEY"\nsecret_access_key = "env:COCKPIT_TEST_KEY"\n'
        '[[target]]\nkind = "log_group"\nname = "web-logs"\naws = "test"\nid = "/ecs/checkout"\n'
        '[[target]]\nkind = "log_group"\nname = "gone"\naws = "test"\nid = "/ecs/gone"\n'
        '[[target]]\nkind = "endpoint"\nname = "site"\nurl = "http://127.0.0.1:1/"\n',
        encoding="utf-8",
    )
    return path


@pytest.mark.usefixtures("at")
async def test_a_group_that_is_gone_is_not_told_as_a_task_that_said_nothing() -> None:
    dead = replace(GROUP, stream="app/web/1", ended=ago(minutes=1))
    for lacks, told in (("group", "there is no log group"), ("stream", "there is no stream")):

        def gone(what: str = lacks, **_: Any) -> Any:
            raise BlindError(Reason.MISSING, f"The specified log {what} does not exist.")

        read = reader(FakeAws({"logs.GetLogEvents": gone, "logs.FilterLogEvents": gone}))
        for question in (read.read(dead), read.newer(dead, ago(minutes=1))):
            with pytest.raises(BlindError, match=told):
                await question


Words = Callable[..., tuple[int, str, str]]


@pytest.fixture
def logs(shop: Path, capsys: pytest.CaptureFixture[str]) -> Words:
    def called(*words: str) -> tuple[int, str, str]:
        code = run(["--config", str(shop), "logs", *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return called


def test_the_command_tells_patterns_with_masked_lines(logs: Words) -> None:
    code, out, _ = logs("web-logs", "--json")
    assert code == 0
    (source,) = json.loads(out)["sources"]
    assert source["lines"] == 12
    (pattern,) = source["patterns"]
    assert (pattern["count"], pattern["before"], pattern["kind"]) == (12, 0, "error")
    assert pattern["new_since"]
    assert len(pattern["lines"]) == 1
    assert "hunter2" not in out
    code, out, _ = logs("web-logs", "--lines", "0")
    assert code == 0
    assert "12 lines of errors since" in out
    assert "ERROR order N failed" in out


def test_the_command_folds_what_is_too_long_and_cuts_nothing(
    logs: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = logs("web-logs")
    assert code == 0
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 60
    assert "order 11 failed" in " ".join(out.split())


def test_the_command_says_what_is_not_there(logs: Words) -> None:
    code, out, err = logs("gone")
    assert code != 0
    assert "/ecs/gone" in out + err
    code, _, err = logs("site")
    assert code != 0
    assert "log_group" in err
    assert logs("nobody")[0] == 64
    assert "did you mean 'web-logs'?" in logs("web-log")[2]
    assert logs("web-logs", "--lines", "-1")[0] == 64
    assert logs("web-logs", "--spend", "-1")[0] == 64
    assert logs("web-logs", "--since", "9h")[0] == 64


def test_the_command_queries_nothing_whose_price_is_not_known(logs: Words) -> None:
    code, out, _ = logs("web-logs", "--insights", "--json")
    (source,) = json.loads(out)["sources"]
    assert code == 3
    assert source["not_read"]["reason"] == "unreadable"
    assert "insights" not in source
    assert source["patterns"], "what was read before is told"


@pytest.mark.usefixtures("at")
async def test_the_command_names_a_price_that_lets_the_query_run() -> None:
    aws = FakeAws(
        {"logs.FilterLogEvents": written()}, {"IncomingBytes": incoming(*[1.6967e9] * 30)}
    )
    report = await _one(reader(aws), GROUP, timedelta(minutes=15), 0.25)
    assert report.view is not None
    assert report.estimate is not None
    assert isinstance(report.blind, Refused)
    assert report.blind.message == "the query would scan about 47.4 GiB, about $0.25"
    assert report.blind.hint == "--spend 0.26 lets it"
    assert report.estimate.usd < 0.26


@pytest.mark.parametrize(
    ("arn", "group"),
    [
        ("arn:aws:logs:eu-west-1:111122223333:log-group:/shop/pay", "/shop/pay"),
        ("arn:aws:logs:eu-west-1:111122223333:log-group:/shop/pay:*", "/shop/pay"),
        ("arn:aws:logs:eu-west-1:111122223333:log-group:pay:log-stream:a", "pay"),
        ("arn:aws:firehose:eu-west-1:111122223333:deliverystream/pay", ""),
        ("", ""),
    ],
)
def test_the_group_of_an_arn(arn: str, group: str) -> None:
    assert group_of(arn) == group
