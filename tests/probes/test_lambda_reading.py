"""Lambda functions: what is asked, and how answers and lines are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.redact import redact
from cockpit.errors import BlindError, Reason, Refused
from cockpit.runbooks.library import library
from probes.lambda_function import status
from probes.lambda_function.besides import previous_of
from probes.lambda_function.lines import (
    LogEvent,
    denials_of,
    kind_of,
    patterns_of,
    pointed_in,
    report_of,
)
from probes.lambda_function.model import Pointed, Snapshot
from probes.lambda_function.read import callers_of, name_of, period_of
from probes.lambda_function.settings import Settings
from tests.probes.fake_aws import AT, FakeAws, ago, denied, minutes, target
from tests.probes.lambda_looks import ARN, QUEUE, flow, found

REQUEST = "8f507cfc-xmpl-4697-b07a-ac58fc914c95"
REPORT = (
    f"REPORT RequestId: {REQUEST}\tDuration: 718.65 ms\tBilled Duration: 719 ms\t"
    "Memory Size: 512 MB\tMax Memory Used: 497 MB\t"
)
CONFIGURATION = {
    "FunctionName": "pay",
    "FunctionArn": ARN,
    "Version": "7",
    "Runtime": "python3.13",
    "Role": "arn:aws:iam::123456789012:role/service/pay",
    "Timeout": 30,
    "MemorySize": 512,
    "LastModified": "2026-11-20T03:00:00.000+0000",
    "CodeSha256": "YFgDgEKG3ugvF1+pX64gV6tu9qNuIYNUdgJm8nCxsm4=",
    "State": "Active",
    "LastUpdateStatus": "Successful",
    "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/shop/pay"},
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"], "VpcId": "vpc-1"},
}
ALIAS = {"Name": "live", "FunctionVersion": "7", "RevisionId": "r-1", "AliasArn": f"{ARN}:live"}
SOURCE = {
    "UUID": "m-1",
    "EventSourceArn": QUEUE,
    "FunctionArn": f"{ARN}:live",
    "State": "Enabled",
    "LastProcessingResult": "OK",
    "BatchSize": 10,
}
GONE = BlindError(Reason.MISSING, "there is none")
WELL = {"Invocations": flow(100), "Errors": flow(0), "Duration": flow(100)}


def event(message: str, seconds: int = 60, stream: str = "a") -> dict[str, Any]:
    at = int(ago(seconds=seconds).timestamp() * 1000)
    return {"message": message, "timestamp": at, "logStreamName": stream}


def line(message: str, seconds: int = 60) -> LogEvent:
    at = int(ago(seconds=seconds).timestamp() * 1000)
    return LogEvent(message=message, timestamp=at, log_stream_name="a")


def moved(version: str, minutes_ago: int, alias: str = "live", **more: Any) -> dict[str, Any]:
    asked = {"functionName": ARN, "name": alias, "functionVersion": version}
    return {
        "EventTime": ago(minutes=minutes_ago),
        "Username": "deployer",
        "CloudTrailEvent": json.dumps({"requestParameters": asked, **more}),
    }


def answers(**changes: Any) -> dict[str, Any]:
    base = {
        "lambda.GetFunctionConfiguration": CONFIGURATION,
        "lambda.GetFunctionConcurrency": {"ReservedConcurrentExecutions": 20},
        "lambda.GetAccountSettings": {
            "AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 980}
        },
        "lambda.ListAliases": [ALIAS],
        "lambda.ListEventSourceMappings": [SOURCE],
        "lambda.GetPolicy": GONE,
        "lambda.GetFunctionEventInvokeConfig": GONE,
        "logs.FilterLogEvents": {"events": [event(REPORT)]},
        "cloudtrail.LookupEvents": {"Events": [moved("7", 9), moved("5", 90), moved("4", 900)]},
    }
    return {**base, **{name.replace("__", "."): each for name, each in changes.items()}}


async def look(aws: FakeAws, id_: str = "pay") -> Snapshot:
    return await status.collect(aws, target("lambda_function", id_))


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def test_a_healthy_function_costs_few_calls() -> None:
    aws = FakeAws(answers(), WELL)
    seen = await look(aws)
    assert [name for name, _ in aws.calls] == [
        "lambda.GetFunctionConfiguration",
        "lambda.GetFunctionConcurrency",
        "lambda.GetAccountSettings",
        "lambda.ListAliases",
        "lambda.ListEventSourceMappings",
        "lambda.ListEventSourceMappings",
        "logs.FilterLogEvents",
    ]
    asked = [each["FunctionName"] for name, each in aws.calls if "Mappings" in name]
    assert asked == ["pay", "pay:live"]
    assert len(aws.queries) == 11
    assert (seen.reserved, seen.account_limit, seen.in_vpc) == (20, 1000, True)
    assert [each.id for each in seen.mappings] == ["m-1"]
    assert seen.reports[0].used_mb == 497
    assert seen.alias is not None
    assert seen.gaps == ()


async def test_lines_are_asked_for_within_bounds() -> None:
    aws = FakeAws(answers(), WELL | {"Errors": flow(5)})
    await look(aws)
    asked = [arguments for name, arguments in aws.calls if name == "logs.FilterLogEvents"]
    assert [each["limit"] for each in asked] == [100, 100]
    spans = [each["endTime"] - each["startTime"] for each in asked]
    assert spans == [60_000, 900_000]
    assert {each["logGroupName"] for each in asked} == {"/shop/pay"}


async def test_errors_bring_their_lines_and_the_version_before() -> None:
    refused = (
        "User: arn:aws:sts::123456789012:assumed-role/pay/pay is not authorized to perform: "
        "dynamodb:PutItem on resource: arn:aws:dynamodb:us-east-1:123456789012:table/carts with "
        "an explicit deny in a service control policy"
    )
    told = {"events": [event(f"[ERROR] ClientError: {refused}"), event(REPORT)]}
    aws = FakeAws(answers(logs__FilterLogEvents=told), WELL | {"Errors": flow(5)})
    seen = await look(aws, f"{ARN}:live")
    assert [(each.kind, each.count) for each in seen.patterns] == [("denied", 1)]
    assert [(d.action, d.explicit) for d in seen.denials] == [("dynamodb:PutItem", True)]
    assert (seen.previous_version, [p.actor for p in seen.pointed]) == ("5", ["deployer"] * 3)
    assert ("LAMBDA_ACCESS_DENIED", "critical") in found(seen)


async def test_what_is_denied_is_a_gap_and_never_well() -> None:
    every = {name: denied() for name in answers() if name != "lambda.GetFunctionConfiguration"}
    aws = FakeAws({**answers(), **every}, denied())
    seen = await look(aws)
    assert {gap.what for gap in seen.gaps} == {
        "metrics",
        "reserved concurrency",
        "account limits",
        "aliases",
        "event sources",
        "log lines",
    }
    assert not seen.reserved_known
    assert found(seen) == [("LAMBDA_OBS_BLIND", "info")]
    assert status.PROBE.facts is not None
    assert next(iter(status.PROBE.facts(seen, Settings()))).text == "unknown"


async def test_a_function_that_is_gone_is_told_as_gone() -> None:
    aws = FakeAws({"lambda.GetFunctionConfiguration": GONE})
    with pytest.raises(BlindError) as caught:
        await look(aws)
    assert (caught.value.code, caught.value.severity) == ("LAMBDA_FUNCTION_MISSING", "critical")


async def test_silence_asks_who_should_have_called() -> None:
    policy = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:events:us-east-1:1:rule/five"}},
            }
        ]
    }
    rule = {"Name": "five", "State": "DISABLED", "ScheduleExpression": "rate(5 minutes)"}
    asked = answers(lambda__GetPolicy={"Policy": json.dumps(policy)}, events__DescribeRule=rule)
    seen = await look(FakeAws(asked, {"Invocations": minutes(1, *[0] * 30)}))
    assert seen.callers == ("events.amazonaws.com",)
    (finding,) = status.diagnose(seen, Settings())
    assert (finding.code, finding.severity) == ("LAMBDA_NOT_INVOKED", "critical")
    assert finding.likely[0] == "the rule five is DISABLED"


async def test_a_rule_that_is_gone_is_told_and_one_that_is_denied_is_a_gap() -> None:
    policy = json.dumps(
        {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": "*",
                    "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:eu:1:rule/five"}},
                }
            ]
        }
    )
    asked = answers(lambda__GetPolicy={"Policy": policy}, events__DescribeRule=GONE)
    assert [each.state for each in (await look(FakeAws(asked))).rules] == ["DELETED"]
    asked = answers(lambda__GetPolicy={"Policy": policy}, events__DescribeRule=denied())
    assert {gap.what for gap in (await look(FakeAws(asked))).gaps} == {"callers"}


async def test_where_failed_events_go_is_asked_of_asynchronous_functions() -> None:
    series = WELL | {"AsyncEventAge": flow(10)}
    assert (await look(FakeAws(answers(), series))).dead_letter == "none"
    told = {"DestinationConfig": {"OnFailure": {"Destination": QUEUE}}}
    asked = answers(lambda__GetFunctionEventInvokeConfig=told)
    assert (await look(FakeAws(asked, series))).dead_letter == QUEUE


async def test_pages_of_lines_may_be_empty_and_not_the_last() -> None:
    def page(**asked: Any) -> dict[str, Any]:
        more = {"events": [], "nextToken": "t"}
        return {"events": [event(REPORT)]} if "nextToken" in asked else more

    seen = await look(FakeAws(answers(logs__FilterLogEvents=page), WELL))
    assert len(seen.reports) == 1
    endless = {"events": [], "nextToken": "t"}
    aws = FakeAws(answers(logs__FilterLogEvents=endless), WELL)
    await look(aws)
    assert sum(1 for name, _ in aws.calls if name == "logs.FilterLogEvents") == 3


async def test_a_place_that_lets_nobody_read_lines_costs_the_lines_only() -> None:
    def refused(**_: Any) -> Any:
        raise Refused("logs.FilterLogEvents shows content")

    seen = await look(FakeAws(answers(logs__FilterLogEvents=refused), WELL))
    assert [(gap.what, gap.reason) for gap in seen.gaps] == [("log lines", "misconfigured")]
    assert found(seen) == [("LAMBDA_OBS_BLIND", "info")]
    assert status.PROBE.facts is not None
    assert "not read" in [each.text for each in status.PROBE.facts(seen, Settings())]


async def test_a_group_that_is_not_there_has_no_lines() -> None:
    seen = await look(FakeAws(answers(logs__FilterLogEvents=GONE), WELL))
    assert (seen.logs_read, seen.reports, seen.gaps) == (True, (), ())


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (REPORT, (497, None, "")),
        (REPORT + "Init Duration: 324.5 ms\t", (497, 324.5, "")),
        (REPORT + "Status: timeout", (497, None, "timeout")),
        (REPORT + "Status: error\tError Type: Runtime.OutOfMemory", (497, None, "error")),
        (REPORT + "Restore Duration: 80.2 ms\tBilled Restore Duration: 81 ms", (497, 80.2, "")),
        (
            json.dumps(
                {
                    "type": "platform.report",
                    "record": {
                        "status": "timeout",
                        "metrics": {
                            "durationMs": 3000.0,
                            "memorySizeMB": 512,
                            "maxMemoryUsedMB": 497,
                            "initDurationMs": 12.5,
                        },
                    },
                }
            ),
            (497, 12.5, "timeout"),
        ),
        ('{"type": "platform.report", "record": "cut', None),
        ('{"type": "platform.report", "record": []}', None),
        ("START RequestId: x Version: 7", None),
    ],
)
def test_reports_are_read_in_both_formats(message: str, told: Any) -> None:
    seen = report_of(line(message))
    assert (seen and (seen.used_mb, seen.init_ms, seen.status)) == told


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (f"RequestId: {REQUEST} Error: Runtime exited with error: signal: killed", "memory"),
        ("Error: Runtime exited with error: exit status 137", "memory"),
        ("FATAL ERROR: Reached heap limit - JavaScript heap out of memory", "memory"),
        (f"2026-11-21T03:00:00.000Z {REQUEST} Task timed out after 30.03 seconds", "timeout"),
        ("Runtime.ImportModuleError: Unable to import module 'app'", "init"),
        ("INIT_REPORT Init Duration: 9999 ms\tPhase: init\tStatus: timeout", "timeout"),
        ("An error occurred (AccessDeniedException) when calling PutItem", "denied"),
        (f"RequestId: {REQUEST} Process exited before completing request", "exit"),
        ("Error: Runtime exited with error: exit status 1 Runtime.ExitError", "exit"),
        ("[ERROR] KeyError: 'total'", "error"),
    ],
)
def test_lines_are_told_by_their_kind(message: str, kind: str) -> None:
    assert kind_of(message) == kind


def test_lines_of_one_shape_are_one_pattern() -> None:
    texts = [
        f"2026-11-21T03:00:{n:02}.123Z {REQUEST.replace('8f50', f'8f{n:02}')} ERROR order {n} of "
        f"ana{n}@example.org failed: 'no stock'"
        for n in range(12)
    ]
    (only,) = patterns_of(map(line, [*texts, REPORT, "INIT_REPORT Init Duration: 80 ms"]))
    assert only.count == 12
    assert only.text.endswith("ERROR order N of ADDRESS failed: …")
    structured = json.dumps({"level": "ERROR", "message": "order 7 failed", "card": "4111111"})
    assert [each.text for each in patterns_of([line(structured)])] == ["ERROR order N failed"]


def test_secrets_in_lines_are_masked_before_anything_reads_them() -> None:
    said = 'ERROR login failed: password=hunter2 {"apiKey": "abc123"} postgres://u:pw123@db/x'
    answer = redact("logs", {"events": [{"message": said}]})
    assert str(answer).count("•••") == 3
    assert not {"hunter2", "abc123", "pw123"} & set(str(answer).replace(":", " ").split())
    for secret in ("hunter2", "abc123", "pw123"):
        assert secret not in str(answer)


def test_a_denial_is_counted_by_action_and_resource() -> None:
    said = "User: arn:aws:iam::1:user/x is not authorized to perform: s3:PutObject on resource: r"
    assert [each.count for each in denials_of([line(said), line(said), line("boom")])] == [2]


@pytest.mark.parametrize(
    ("moves", "previous"),
    [
        pytest.param(["7", "5", "4"], "5", id="the one before, whatever its number"),
        pytest.param(["7", "7", "5"], "5", id="weights were changed, the version was not"),
        pytest.param(["5", "4"], "5", id="CloudTrail does not know of the last move yet"),
        pytest.param(["7"], "", id="only the move that is"),
        pytest.param([], "", id="nothing is known"),
        pytest.param(["7", "8", "7"], "", id="somebody went back already"),
    ],
)
def test_the_version_before_is_read_and_never_counted(moves: list[str], previous: str) -> None:
    told = [Pointed(at=ago(minutes=n), version=each) for n, each in enumerate(moves)]
    assert previous_of("7", told) == previous
    assert library().get("lambda-rollback").step("before").capture["good"] == "previous_version"


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            {"requestParameters": {"functionName": ARN, "name": "live", "functionVersion": "7"}},
            ("pay", "live", "7"),
        ),
        (
            {"requestParameters": {"functionName": "pay", "name": "live", "functionVersion": "7"}},
            ("pay", "live", "7"),
        ),
        (
            {
                "errorCode": "AccessDenied",
                "requestParameters": {"functionName": "p", "name": "l", "functionVersion": "7"},
            },
            None,
        ),
        ({"requestParameters": {"functionName": "pay", "name": "live"}}, None),
        ({"requestParameters": None}, None),
        ({}, None),
    ],
)
def test_only_moves_that_happened_count(event: dict[str, Any], told: Any) -> None:
    assert pointed_in(event) == told


def test_names_policies_and_schedules_are_read() -> None:
    assert name_of("pay") == ("pay", "")
    assert name_of("pay:live") == ("pay", "live")
    assert name_of(f"{ARN}:live") == ("pay", "live")
    assert callers_of("no json") == ((), ())
    assert callers_of('{"Statement": {"Effect": "Allow", "Principal": {"AWS": ["1", "2"]}}}') == (
        ("1", "2"),
        (),
    )
    assert (period_of("rate(1 hour)"), period_of("cron(0 3 * * ? *)")) == (3600, None)
