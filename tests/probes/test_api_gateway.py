"""Stages of APIs: what clients get, whose answers they are, and what a stage served before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.settings import ApiSettings
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Severity
from cockpit.triage.target import Target
from probes.api_gateway import status
from probes.api_gateway.lines import AccessLine, answers_of, pattern
from probes.api_gateway.model import (
    AnswerKind,
    ApiDeployment,
    ApiIntegration,
    ApiLink,
    Snapshot,
    StagePointed,
    UsagePlan,
)
from probes.api_gateway.read import function_of, named
from probes.api_gateway.rights import lets_in
from probes.api_gateway.settings import Settings
from tests.probes.fake_aws import AT, FakeAws, ago, denied, hours, minutes

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:pay"
URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
PROXY = ApiIntegration(route="GET /pay", type="AWS_PROXY", uri=URI, function=FUNCTION)
OLD = ApiDeployment(id="d1", at=ago(days=9))
NEW = ApiDeployment(id="d2", at=ago(days=2))
NO = Series()


def flow(each: float) -> Series:
    return minutes(*[each] * 9)


def snapshot(**changes: Any) -> Snapshot:
    """A REST stage that is well: 600 requests a minute."""
    base = Snapshot(
        at=AT,
        id="a1",
        name="shop",
        protocol="REST",
        stage="prod",
        deployment="d2",
        deployed=NEW,
        deployments=(NEW, OLD),
        rate_limit=1000.0,
        burst_limit=500,
        log_group="/api",
        requests=flow(600),
        errors=flow(0),
        client_errors=flow(0),
        latency_most=flow(900),
        latency_p95=0.4,
        latency_p99=0.6,
        latency_p95_day=0.4,
    )
    return replace(base, **changes)


def found(look: Snapshot) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in status.diagnose(look, Settings())]


def kind(answered: int, by: str, why: str = "", count: int = 9) -> AnswerKind:
    return AnswerKind(status=answered, by=by, why=why, route="GET /pay", count=count)


FAILS = {"errors": flow(60), "integrations": (PROXY,), "function_invocations": flow(540)}
YOUNG = ApiDeployment(id="d2", at=AT.replace(hour=2, minute=53, second=0))


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="well"),
        pytest.param(snapshot(errors=flow(5)), [], id="just below a hundredth"),
        pytest.param(snapshot(errors=flow(6)), [("APIGW_5XX_RATE", WARNING)], id="a hundredth"),
        pytest.param(snapshot(errors=flow(30)), [("APIGW_5XX_RATE", CRITICAL)], id="a twentieth"),
        pytest.param(
            snapshot(errors=NO, requests=flow(600)), [], id="no point where requests are is zero"
        ),
        pytest.param(
            snapshot(requests=flow(2), errors=flow(2)),
            [("APIGW_5XX_RATE", CRITICAL)],
            id="ten requests, and all fail",
        ),
        pytest.param(snapshot(requests=flow(2), errors=flow(1)), [], id="too few to judge"),
        pytest.param(
            snapshot(requests=minutes(status="Forbidden"), errors=flow(60)), [], id="denied"
        ),
        pytest.param(
            snapshot(**FAILS, answers=(kind(502, "gateway"),), logs_read=True),
            [("APIGW_5XX_RATE", CRITICAL), ("APIGW_5XX_BACKEND_HEALTHY", CRITICAL)],
            id="the gateway makes them, and the functions are well",
        ),
        pytest.param(
            snapshot(**FAILS, answers=(kind(500, "integration"),), logs_read=True),
            [("APIGW_5XX_RATE", CRITICAL)],
            id="the function answers 5xx itself",
        ),
        pytest.param(
            snapshot(**FAILS),
            [("APIGW_5XX_RATE", CRITICAL), ("APIGW_5XX_BACKEND_HEALTHY", WARNING)],
            id="nobody knows whose they are",
        ),
        pytest.param(
            snapshot(**FAILS, function_errors=flow(50)),
            [("APIGW_5XX_RATE", CRITICAL)],
            id="the functions fail",
        ),
        pytest.param(
            snapshot(**FAILS, function_throttles=flow(60)),
            [("APIGW_5XX_RATE", CRITICAL)],
            id="the functions are throttled",
        ),
        pytest.param(
            snapshot(**FAILS, gone=(FUNCTION,)),
            [("APIGW_5XX_RATE", CRITICAL)],
            id="the function is gone",
        ),
        pytest.param(
            snapshot(forbidden=(FUNCTION,)),
            [("APIGW_LAMBDA_PERMISSION_MISSING", CRITICAL)],
            id="not let in",
        ),
        pytest.param(
            snapshot(links=(ApiLink(id="v", name="vpc", status="FAILED"),)),
            [("APIGW_VPC_LINK_DOWN", CRITICAL)],
            id="the link failed",
        ),
        pytest.param(
            snapshot(links=(ApiLink(id="v", name="vpc", status="PENDING"),)),
            [("APIGW_VPC_LINK_DOWN", WARNING)],
            id="the link is made",
        ),
        pytest.param(
            snapshot(links=(ApiLink(id="v", name="vpc", status="FROZEN"),)),
            [("APIGW_STATUS_UNKNOWN", WARNING)],
            id="a new state",
        ),
        pytest.param(
            snapshot(deployment="", deployed=None),
            [("APIGW_NOT_DEPLOYED", CRITICAL)],
            id="nothing is served",
        ),
        pytest.param(
            snapshot(protocol="HTTP", deploy_message="Deployment attempt failed: no route"),
            [("APIGW_DEPLOY_FAILED", WARNING)],
            id="could not be deployed",
        ),
        pytest.param(
            snapshot(protocol="HTTP", deploy_message="Successfully deployed stage"), [], id="could"
        ),
        pytest.param(
            snapshot(latency_p99=23.3), [("APIGW_TIMEOUTS", WARNING)], id="near the time limit"
        ),
        pytest.param(
            snapshot(latency_most=flow(29_000)), [("APIGW_TIMEOUTS", CRITICAL)], id="at the limit"
        ),
        pytest.param(
            snapshot(latency_most=flow(29_000), integrations=(replace(PROXY, timeout=60.0),)),
            [],
            id="the limit was raised",
        ),
        pytest.param(
            snapshot(latency_p95=1.3, latency_p95_day=0.8),
            [("APIGW_LATENCY_HIGH", WARNING)],
            id="slower than a day ago",
        ),
        pytest.param(snapshot(latency_p95=0.9, latency_p95_day=0.2), [], id="slower, and not slow"),
        pytest.param(
            snapshot(latency_p95=1.2, latency_p95_day=None), [], id="nothing to compare with"
        ),
        pytest.param(
            snapshot(requests=flow(48_000)), [("APIGW_THROTTLING", WARNING)], id="near the limit"
        ),
        pytest.param(
            snapshot(rate_limit=0.0), [("APIGW_THROTTLING", CRITICAL)], id="somebody closed it"
        ),
        pytest.param(
            snapshot(answers=(kind(429, "gateway", "THROTTLED", 50),), logs_read=True),
            [("APIGW_THROTTLING", CRITICAL)],
            id="a hundredth is refused",
        ),
        pytest.param(
            snapshot(requests=hours(600), client_errors=hours(6, *[200] * 9)),
            [("APIGW_4XX_SURGE", WARNING)],
            id="a third is refused, usually a hundredth",
        ),
        pytest.param(
            snapshot(requests=hours(600), client_errors=hours(200)),
            [("APIGW_4XX_SURGE", INFO)],
            id="always so",
        ),
        pytest.param(
            snapshot(requests_day=6000, requests_week=6100),
            [("APIGW_TRAFFIC_DROP", WARNING)],
            id="half the traffic",
        ),
        pytest.param(
            snapshot(requests_day=6000, requests_week=3000), [], id="last week was like today"
        ),
        pytest.param(
            snapshot(requests_day=601, requests_week=600),
            [("APIGW_TRAFFIC_SURGE", WARNING)],
            id="five times the traffic, less one",
        ),
        pytest.param(
            snapshot(deployed=replace(NEW, at=ago(minutes=30))),
            [("APIGW_DEPLOYED_RECENTLY", INFO)],
            id="deployed of late",
        ),
        pytest.param(
            snapshot(deployed=YOUNG, errors=minutes(0, 0, 0, 0, 60, 60, 60)),
            [("APIGW_5XX_RATE", CRITICAL), ("APIGW_DEPLOYED_RECENTLY", WARNING)],
            id="and 5xx began after it",
        ),
        pytest.param(
            snapshot(pointed=(StagePointed(at=ago(minutes=4), deployment="d2"),)),
            [("APIGW_DEPLOYED_RECENTLY", INFO)],
            id="an old deployment that is served of late",
        ),
        pytest.param(
            snapshot(log_group="", rate_limit=None),
            [("APIGW_NO_ACCESS_LOGS", INFO), ("APIGW_NO_THROTTLE", INFO)],
            id="what would help",
        ),
    ],
)
def test_a_stage_is_judged_by_what_it_shows(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


JSON = '{"s":"$context.status","r":"$context.resourcePath","b":"$context.integration.status",'
JSON += '"w":"$context.error.responseType","id":"$context.requestId"}'


def line(**members: str) -> AccessLine:
    return AccessLine(message=json.dumps({"s": "500", "r": "/pay", "b": "-", "w": "-"} | members))


def test_lines_of_the_access_log_say_whose_an_answer_is() -> None:
    assert pattern(JSON) == '{ ($.s = "5*") || ($.s = "429") }'
    assert pattern('{"s": $context.status}') == "{ ($.s >= 500) || ($.s = 429) }"
    assert pattern("$context.identity.sourceIp $context.status") == ""
    told = [line(b="500"), line(b="500"), line(s="502", b="200"), line(s="504", w="INTEGRATION_T")]
    kinds = answers_of([*told, AccessLine(message="no JSON"), AccessLine(message="[1]")], JSON)
    assert [(e.status, e.by, e.why, e.count) for e in kinds] == [
        (500, "integration", "", 2),
        (502, "gateway", "", 1),
        (504, "gateway", "INTEGRATION_T", 1),
    ]


ALLOWS: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Service": "apigateway.amazonaws.com"},
    "Action": "lambda:InvokeFunction",
}


def source(arn: str) -> dict[str, Any]:
    return ALLOWS | {"Condition": {"ArnLike": {"AWS:SourceArn": arn}}}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (ALLOWS, True),
        (source("arn:aws:execute-api:us-east-1:1:a1/*/GET/pay"), True),
        (source("arn:aws:execute-api:us-east-1:1:a1/prod/*"), True),
        (source("arn:aws:execute-api:us-east-1:1:a1/test/*"), False),
        (source("arn:aws:execute-api:us-east-1:1:zz/*/*"), False),
        (ALLOWS | {"Principal": {"Service": "events.amazonaws.com"}}, False),
        (ALLOWS | {"Effect": "Deny"}, False),
    ],
)
def test_a_policy_lets_the_api_in_or_not(statement: dict[str, Any], expected: bool) -> None:
    assert lets_in(json.dumps({"Statement": [statement]}), "a1", "prod") is expected


def test_names_of_apis_and_functions() -> None:
    assert named("arn:aws:apigateway:us-east-1::/restapis/a1/stages/prod", "") == (
        "a1",
        "prod",
        "REST",
    )
    assert named("arn:aws:apigateway:us-east-1::/apis/a1", "x") == ("a1", "x", "HTTP")
    assert named("a1", "") == ("a1", "", "")
    assert function_of(URI) == FUNCTION
    assert function_of(f"{FUNCTION}:${{stageVariables.v}}") == ""


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def event(name: str, at: datetime, asked: Mapping[str, Any], made: Any = None) -> dict[str, Any]:
    told = {"eventName": name, "requestParameters": asked, "responseElements": made}
    return {"EventTime": at, "Username": "deployer", "CloudTrailEvent": json.dumps(told)}


def deploys(id_: str, at: datetime, stage: str = "prod", **more: Any) -> dict[str, Any]:
    asked = {"restApiId": "a1", "createDeploymentInput": {"stageName": stage, **more}}
    return event("CreateDeployment", at, asked, {"id": id_})


def trail(*created: dict[str, Any]) -> Any:
    patch = {"op": "replace", "path": "/deploymentId", "value": "d1"}
    other = {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "9"}
    updated = [
        event(
            "UpdateStage",
            ago(days=8),
            {
                "restApiId": "a1",
                "stageName": "prod",
                "updateStageInput": {"patchOperations": [other, patch]},
            },
        )
    ]

    def events(**asked: Any) -> dict[str, Any]:
        (by,) = asked["LookupAttributes"]
        return {"Events": updated if by["AttributeValue"] == "UpdateStage" else list(created)}

    return events


POLICY: dict[str, Any] = {"Policy": json.dumps({"Statement": []})}
LET_IN = {"Policy": json.dumps({"Statement": [ALLOWS]})}


def rest(**changes: Any) -> dict[str, Any]:
    """A REST API whose stage serves d2; d9 went to another stage, between the two."""
    base: dict[str, Any] = {
        "apigateway.GetRestApis": [{"id": "a1", "name": "shop"}, {"id": "zz", "name": "shop"}],
        "apigateway.GetStages": [
            {"stageName": "test"},
            {
                "stageName": "prod",
                "deploymentId": "d2",
                "methodSettings": {"*/*": {"throttlingRateLimit": 50.0, "throttlingBurstLimit": 9}},
                "accessLogSettings": {
                    "destinationArn": "arn:aws:logs:us-east-1:1:log-group:/api",
                    "format": JSON,
                },
            },
        ],
        "apigateway.GetDeployments": [
            {"id": each, "createdDate": ago(days=days)}
            for each, days in (("d1", 8), ("d9", 3), ("d2", 2))
        ],
        "apigateway.GetResources": [
            {
                "path": "/pay",
                "resourceMethods": {"GET": {"methodIntegration": {"type": "AWS", "uri": URI}}},
            }
        ],
        "apigateway.GetUsagePlans": [
            {
                "id": "p",
                "name": "gold",
                "apiStages": [{"apiId": "a1", "stage": "prod"}],
                "quota": {"limit": 1000, "period": "DAY"},
            }
        ],
        "apigateway.GetAccount": {"throttleSettings": {"rateLimit": 10000.0, "burstLimit": 5000}},
        "cloudtrail.LookupEvents": trail(
            deploys("d2", ago(days=2)),
            deploys("d9", ago(days=3), "test"),
            deploys("d8", ago(days=1), canarySettings={"percentTraffic": 10}),
        ),
        "lambda.GetPolicy": POLICY,
        "logs.FilterLogEvents": {"events": [{"message": line(s="502", b="200").message}]},
    }
    return base | {name.replace("__", "."): each for name, each in changes.items()}


BAD = {
    "Count": flow(600),
    "5XXError": flow(60),
    "4XXError": flow(1),
    "Invocations": flow(540),
    "Errors": flow(0),
}


async def look(answers: Any, series: Any = None, id_: str = "a1", stage: str = "prod") -> Snapshot:
    settings = ApiSettings(aws="prod", id=id_, stage=stage)
    at = Target(name="shop", kind="api_gateway", settings=settings)
    return await status.collect(FakeAws(answers, series), at)


async def test_a_function_that_is_gone_is_not_told_as_one_that_lets_nobody_in() -> None:
    missing = BlindError(Reason.MISSING, "there is none")
    there = {"FunctionName": "pay", "FunctionArn": FUNCTION}
    seen = await look(rest(lambda__GetPolicy=missing, lambda__GetFunctionConfiguration=there), BAD)
    assert (seen.gone, seen.forbidden) == ((), (FUNCTION,))
    nowhere = rest(lambda__GetPolicy=missing, lambda__GetFunctionConfiguration=missing)
    seen = await look(nowhere, BAD)
    assert (seen.gone, seen.forbidden) == ((FUNCTION,), ())
    told = next(f for f in status.diagnose(seen, Settings()) if f.code == "APIGW_5XX_RATE")
    assert told.likely == ("it calls what is not there any more: the function pay",)


async def test_a_stage_that_fails_is_read_with_what_explains_it() -> None:
    seen = await look(rest(), BAD)
    assert seen.gaps == ()
    assert (seen.previous_deployment, seen.namesakes, seen.rate_limit_text) == ("d1", 1, "50")
    assert seen.forbidden == (FUNCTION,)
    assert seen.source_arn == "arn:aws:execute-api:us-east-1:123456789012:a1/prod/*"
    assert seen.plans == (UsagePlan(id="p", name="gold", quota=1000, period="DAY"),)
    assert [code for code, _ in found(seen)] == [
        "APIGW_5XX_RATE",
        "APIGW_5XX_BACKEND_HEALTHY",
        "APIGW_LAMBDA_PERMISSION_MISSING",
    ]
    assert status.PROBE.facts is not None
    assert status.PROBE.tables is not None
    assert status.PROBE.changes is not None
    assert next(iter(status.PROBE.facts(seen, Settings()))).text == "10% 5xx"
    assert [table.title for table in status.PROBE.tables(seen, Settings())][-1] == "Usage plans"
    assert list(status.PROBE.changes(seen, "shop")) == []


async def test_a_stage_that_is_well_costs_three_calls() -> None:
    aws = FakeAws(rest(), {"Count": flow(600), "5XXError": flow(0), "4XXError": flow(0)})
    settings = ApiSettings(aws="prod", id="a1", stage="prod")
    seen = await status.collect(aws, Target(name="shop", kind="api_gateway", settings=settings))
    assert found(seen) == []
    assert [name for name, _ in aws.calls] == [
        "apigateway.GetRestApis",
        "apigateway.GetStages",
        "apigateway.GetDeployments",
    ]


@pytest.mark.parametrize(
    ("created", "served", "expected"),
    [
        pytest.param([deploys("d2", ago(days=2))], ("d1", "d2"), "d1", id="the one before"),
        pytest.param([deploys("d2", ago(days=2))], ("d2",), "", id="it was deleted"),
        pytest.param(
            [deploys("d2", ago(days=2)), deploys("d2", ago(days=9))],
            ("d1", "d2"),
            "",
            id="somebody went back to it already",
        ),
        pytest.param([], ("d1", "d2"), "d1", id="what is served is not in the trail yet"),
    ],
)
async def test_the_deployment_before_is_read_and_never_counted(
    created: list[dict[str, Any]], served: tuple[str, ...], expected: str
) -> None:
    made = [{"id": each, "createdDate": ago(days=2)} for each in served]
    answers = rest(cloudtrail__LookupEvents=trail(*created), apigateway__GetDeployments=made)
    assert (await look(answers, BAD)).previous_deployment == expected


def test_what_the_cockpit_saw_is_known_before_the_trail_tells_it() -> None:
    moved = status.since(snapshot(), snapshot(deployment="d1"))
    assert moved.previous_deployment == "d2"
    later = status.since(moved, snapshot(deployment="d1"))
    assert later.previous_deployment == "d2"
    gone = status.since(snapshot(), snapshot(deployment="d1", deployments=(OLD,)))
    assert gone.previous_deployment == ""


def test_an_integration_that_was_edited_between_two_looks_is_told_for_an_hour() -> None:
    other = replace(PROXY, type="AWS")
    first = snapshot(integrations=(PROXY,))
    same = status.since(first, snapshot(integrations=(PROXY,)))
    assert found(same) == []
    unread = status.since(same, snapshot())
    edited = status.since(unread, snapshot(integrations=(other,)))
    assert found(edited) == [("APIGW_INTEGRATION_CHANGED", WARNING)]
    (change,) = edited.integration_changes
    assert (change.before.split()[0], change.after.split()[0]) == ("AWS_PROXY", "AWS")
    later = replace(edited, integration_changes=(replace(change, at=ago(minutes=59)),))
    assert found(status.since(later, snapshot())) == [("APIGW_INTEGRATION_CHANGED", WARNING)]
    over = replace(edited, integration_changes=(replace(change, at=ago(minutes=61)),))
    assert found(status.since(over, snapshot())) == []
    assert found(status.since(snapshot(), snapshot(integrations=(PROXY,)))) == []


HTTP = {
    "apigateway.GetRestApis": [],
    "apigatewayv2.GetApis": [{"ApiId": "a1", "Name": "shop", "ProtocolType": "HTTP"}],
    "apigatewayv2.GetStages": [
        {"StageName": "$default", "DeploymentId": "d2", "AutoDeploy": True},
        {"StageName": "test"},
    ],
    "apigatewayv2.GetDeployments": [{"DeploymentId": "d2", "DeploymentStatus": "DEPLOYED"}],
    "apigatewayv2.GetIntegrations": [
        {
            "IntegrationId": "i",
            "IntegrationType": "HTTP_PROXY",
            "ConnectionType": "VPC_LINK",
            "ConnectionId": "v",
            "TimeoutInMillis": 30_000,
        }
    ],
    "apigatewayv2.GetVpcLinks": [{"VpcLinkId": "v", "Name": "vpc", "VpcLinkStatus": "INACTIVE"}],
}


async def test_an_http_api_is_read_by_its_own_names_and_never_asked_for_a_history() -> None:
    seen = await look(HTTP, {"Count": flow(600), "5xx": flow(60), "4xx": flow(0)}, stage="")
    assert (seen.protocol, seen.stage, seen.auto_deploy) == ("HTTP", "$default", True)
    assert (seen.previous_deployment, seen.rate_limit_text) == ("", "-1")
    assert [code for code, _ in found(seen)] == [
        "APIGW_5XX_RATE",
        "APIGW_VPC_LINK_DOWN",
        "APIGW_NO_ACCESS_LOGS",
        "APIGW_NO_THROTTLE",
    ]


async def test_what_is_denied_is_a_gap_and_never_well() -> None:
    kept = ("apigateway.GetRestApis", "apigateway.GetStages")
    answers = {call: each if call in kept else denied() for call, each in rest().items()}
    seen = await look(answers, denied())
    assert {gap.what for gap in seen.gaps} == {"metrics", "deployments"}
    assert found(seen) == [("APIGW_OBS_BLIND", INFO)]
    assert status.PROBE.facts is not None
    assert next(iter(status.PROBE.facts(seen, Settings()))).text == "unknown"


@pytest.mark.parametrize(
    ("answers", "stage", "reason", "code"),
    [
        ({}, "prod", Reason.MISSING, "APIGW_MISSING"),
        (rest(), "gone", Reason.MISSING, "APIGW_MISSING"),
        (rest(), "", Reason.MISCONFIGURED, ""),
    ],
)
async def test_an_api_or_a_stage_that_is_gone_is_told_as_gone(
    answers: Any, stage: str, reason: Reason, code: str
) -> None:
    with pytest.raises(BlindError) as caught:
        await look(answers, stage=stage)
    assert (caught.value.reason, caught.value.code) == (reason, code)


def test_5xx_and_the_end_of_traffic_began_with_the_first_bad_minute() -> None:
    fails = minutes(*[0] * 20, *[60] * 9)
    look = snapshot(errors=fails, requests=minutes(*[100] * 29))
    (told,) = (f for f in status.diagnose(look, Settings()) if f.code == "APIGW_5XX_RATE")
    assert (told.began, told.resolution) == (fails.times[20], 90.0)
    all_of_it = snapshot(errors=flow(60), requests=flow(100))
    (told,) = (f for f in status.diagnose(all_of_it, Settings()) if f.code == "APIGW_5XX_RATE")
    assert told.began is None
