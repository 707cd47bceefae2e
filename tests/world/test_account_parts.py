"""The pure parts of scenarios that are data: arguments, answers, phases, filter patterns."""

from __future__ import annotations

import io
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from cockpit.errors import Misconfigured
from cockpit.world import healing, metrics, scenario
from cockpit.world.answers.logs import Lines, LogGroups, matching
from cockpit.world.answers.scripted import Script, fits
from cockpit.world.calls import CallLog
from cockpit.world.faults import Faults
from cockpit.world.front import Front
from cockpit.world.identify import AwsRequest, identify
from cockpit.world.protocol import Refusal
from tests.tools import scenarios_page


@pytest.mark.parametrize(
    ("wanted", "given", "so"),
    [
        ({}, {"a": 1}, True),
        ({"FunctionName": "f"}, {"FunctionName": "arn:aws:lambda:us-east-1:1:function:f"}, True),
        ({"FunctionName": "f"}, {"FunctionName": "ff"}, False),
        ({"MemorySize": ">=768"}, {"MemorySize": 1024}, True),
        ({"MemorySize": ">=768"}, {"MemorySize": 512}, False),
        ({"MemorySize": "<768"}, {}, False),
        ({"Marker": ""}, {}, True),
        ({"Config": {"Weights": {}}}, {"Config": {"Weights": {"7": 1.0}}}, True),
        ({"names": ["a"]}, {"names": ["b", "a"]}, True),
        ({"names": ["a"]}, {}, False),
    ],
)
def test_arguments_are_those_of_a_call(
    wanted: dict[str, Any], given: dict[str, Any], so: bool
) -> None:
    assert fits(wanted, given) is so


@pytest.mark.parametrize(
    ("pattern", "text", "so"),
    [
        ("", "anything", True),
        ('?"signal: killed" ?ERROR', "an ERROR", True),
        ('?"signal: killed" ?ERROR', "an error", False),
        ("REPORT -Init", "REPORT of a cold start: Init", False),
        ('{ ($.status = "5*") || ($.status = "429") }', '{"status": "502"}', True),
        ('{ ($.status = "5*") || ($.status = "429") }', '{"status": "404"}', False),
        ("{ ($.status >= 500) || ($.status = 429) }", '{"status": 429}', True),
        ("{ ($.status >= 500) || ($.status = 429) }", "no JSON", False),
    ],
)
def test_lines_are_filtered_as_aws_does(pattern: str, text: str, so: bool) -> None:
    assert matching(pattern)(text) is so


@pytest.mark.parametrize("pattern", ["[a, b]", "%re.*%", "{ $.a = 1 && $.b = 2 }"])
def test_a_filter_that_the_world_lacks_is_refused(pattern: str) -> None:
    with pytest.raises(Refusal):
        matching(pattern)


def test_the_lines_of_a_time_are_the_same_each_time() -> None:
    lines = Lines(group="g", stream="s", text="line {id}", every=10, since=100.0)
    whole = list(lines.between(0, 135))
    assert [at for at, _ in whole] == [100, 110, 120, 130]
    assert list(lines.between(105, 125)) == whole[1:3]
    assert len({text for _, text in whole}) == 4


def test_a_stream_with_a_star_has_whichever_task_is_asked_for() -> None:
    groups = LogGroups(lambda _: math.inf)
    groups.add(Lines(group="g", stream="app/web/*", text="boom", every=10, since=0))
    get = groups.table()["logs", "GetLogEvents"]
    asked = {"logGroupName": "g", "logStreamName": "app/web/1a2b", "endTime": 1_000_000}
    told = get(_asked("logs", "GetLogEvents"), {**asked, "startTime": 0, "limit": 100})
    assert [each["timestamp"] for each in told["events"]] == [970_000, 980_000, 990_000, 1_000_000]
    other = {**asked, "logStreamName": "app/api/1a2b"}
    assert get(_asked("logs", "GetLogEvents"), other)["events"] == []


def test_the_page_tells_every_scenario_and_keeps_what_was_measured() -> None:
    page = scenarios_page.page({"lambda-oom": 1.5})
    for name in scenario.names():
        assert f"| `{name}` |" in page
    (row,) = [line for line in page.splitlines() if line.startswith("| `lambda-oom` |")]
    assert row.endswith("| thumbnails | `lambda-memory` | its runbook | 1.5 |")


def _script(phase: str = "") -> Script:
    return Script(1_800_000_000.0, lambda asked: asked == phase, folder="/w")


def _asked(service: str, operation: str) -> AwsRequest:
    return AwsRequest(service, operation, "json", "", "", "POST", "/", "", b"", {})


def test_an_answer_of_a_file_has_the_times_of_the_world_and_passes_with_its_phase() -> None:
    front = Front(CallLog(), Faults())
    one = {
        "of": "ecs.DescribeServices",
        "when": {"cluster": "prod"},
        "during": "broken",
        "result": {"services": [{"serviceName": "{region}", "createdAt": -60}]},
    }
    _script("broken").install(front, (one,), ())
    answer = front._scripted(("ecs", "DescribeServices"), {"cluster": "prod"})
    assert answer is not None
    row = answer(_asked("ecs", "DescribeServices"), {})["services"][0]
    assert row["createdAt"] == datetime.fromtimestamp(1_799_999_940, UTC)
    assert row["serviceName"] == "us-east-1"
    assert front._scripted(("ecs", "DescribeServices"), {"cluster": "other"}) is None
    after = Front(CallLog(), Faults())
    _script("mended").install(after, (one,), ())
    assert after._scripted(("ecs", "DescribeServices"), {"cluster": "prod"}) is None


@pytest.mark.parametrize(
    ("of", "result"),
    [("ecs.DescribeServices", {"sevices": []}), ("ecs.Describe", {}), ("ecz.Describe", {})],
)
def test_an_answer_that_aws_never_gives_is_told(of: str, result: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        _script().install(Front(CallLog(), Faults()), ({"of": of, "result": result},), ())


def test_a_call_that_aws_does_not_have_mends_nothing_and_is_told() -> None:
    mend = {"of": "lambda.UpdateAlais", "when": {"FunctionName": "orders"}}
    with pytest.raises(Misconfigured, match="UpdateAlais"):
        healing.install(Front(CallLog(), Faults()), healing.Phases(), _script(), (mend,))


def test_a_phase_ends_with_its_call_begins_again_with_its_undo_and_its_past_turns_well() -> None:
    now = [1000.0]
    phases = healing.Phases(lambda: now[0])
    assert not phases.over()
    phases.expect("mended")
    assert [phases.now(each) for each in ("broken", "not mended", "mended")] == [True, True, False]
    assert phases.ended("broken") > 1e9
    phases.turn("mended", mended=True)
    now[0] = 1010.0
    assert [phases.now(each) for each in ("broken", "not mended", "mended")] == [False, False, True]
    assert phases.ended("broken") == 1000 - 10 * metrics.HEALING
    phases.turn("mended", mended=False)
    assert phases.now("broken")


def test_a_request_over_rest_has_its_path_its_query_and_its_body() -> None:
    def request(method: str, path: str, query: str, service: str, body: bytes = b"") -> AwsRequest:
        credential = f"Credential=KEY/20261130/us-east-1/{service}/aws4_request"
        return identify(
            {
                "REQUEST_METHOD": method,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {credential}, Signature=x",
                "wsgi.input": io.BytesIO(body),
            }
        )

    moved = json.dumps({"FunctionVersion": "7"}).encode()
    alias = request("PUT", "/2015-03-31/functions/f/aliases/live", "", "lambda", moved)
    wanted = {"FunctionName": "f", "Name": "live", "FunctionVersion": "7"}
    assert (alias.operation, alias.parameters) == ("UpdateAlias", wanted)
    asked = request("GET", "/2015-03-31/functions/f/configuration", "Qualifier=live", "lambda")
    assert asked.parameters == {"FunctionName": "f", "Qualifier": "live"}
    policy = request("PUT", "/reports", "policy", "s3", b'{"Version": "2012-10-17"}')
    assert policy.operation == "PutBucketPolicy"
    assert policy.parameters == {"Bucket": "reports", "Policy": '{"Version": "2012-10-17"}'}
    assert request("GET", "/v2/apis", "", "apigateway").service == "apigatewayv2"
    block = request("GET", "/v20180820/configuration/publicAccessBlock", "", "s3")
    assert (block.service, block.operation) == ("s3control", "GetPublicAccessBlock")
