"""Steps of functions, APIs and state machines that nothing else carries out: at moto, with undo."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, AwsActs
from cockpit.connect.aws.settings import ApiSettings
from cockpit.triage.target import Target
from tests.probes.fake_aws import target
from tests.probes.step_bench import Bench, Clients, clients, fronted, opened

pytestmark = pytest.mark.servers
Sessions = tuple[Aws, AwsActs]
Asked = dict[str, Any]
ACCOUNT = "123456789012"
RULE = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/hourly"
POOL = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 950}
PERMITTED: list[str] = []
"""Whom permissions were added to, as it was sent."""
COUNTED = {"Count": 100.0, "5XXError": 40.0}


def _counted(_: Any, asked: Asked) -> Asked:
    """An API of which four in ten requests fail; nothing else is counted."""
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    times = [end - timedelta(minutes=n) for n in range(10)]

    def row(query: Asked) -> Asked:
        value = COUNTED.get(query["MetricStat"]["Metric"]["MetricName"])
        there = times if value is not None else []
        return {
            "Id": query["Id"],
            "Label": query["Id"],
            "Timestamps": there,
            "Values": [value for _ in there],
            "StatusCode": "Complete",
        }

    return {"MetricDataResults": [row(each) for each in asked["MetricDataQueries"]]}


def _permitted(_: Any, asked: Asked, told: Asked) -> Asked:
    PERMITTED.append(asked["FunctionName"])
    return told


LIMITS: Asked = {"ThrottlingRateLimit": 50.0, "ThrottlingBurstLimit": 20}
"""Of the stage of an HTTP API: moto changes none."""


def _limited(_: Any, asked: Asked) -> Asked:
    LIMITS.update(asked["DefaultRouteSettings"])
    return {}


def _stages(_: Any, __: Asked) -> Asked:
    return {"Items": [{"StageName": "live", "DefaultRouteSettings": LIMITS}]}


class Runs:
    """Executions that were redriven: moto has no such call."""

    def __init__(self) -> None:
        self.again: set[str] = set()

    def redrive(self, _: Any, asked: Asked) -> Asked:
        self.again.add(asked["executionArn"])
        return {"redriveDate": datetime.now(UTC)}

    def told(self, _: Any, asked: Asked, answer: Asked) -> Asked:
        return answer | ({"status": "RUNNING"} if asked["executionArn"] in self.again else {})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    runs = Runs()
    answers = {
        ("apigatewayv2", "GetStages"): _stages,
        ("apigatewayv2", "UpdateStage"): _limited,
        ("cloudwatch", "GetMetricData"): _counted,
        ("lambda", "GetAccountSettings"): lambda _, __: {"AccountLimit": POOL},
        ("stepfunctions", "RedriveExecution"): runs.redrive,
    }
    amendments = {
        ("stepfunctions", "DescribeExecution"): runs.told,
        ("lambda", "AddPermission"): _permitted,
    }
    with fronted(answers, amendments) as port:
        yield port


@pytest.fixture(scope="module")
def client(port: int) -> Clients:
    return clients(port)


@pytest.fixture
async def sessions(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sessions]:
    async with opened(port, monkeypatch) as both:
        yield both


@pytest.fixture(scope="module")
def role(client: Clients) -> str:
    made = client("iam").create_role(RoleName="calls", AssumeRolePolicyDocument="{}")
    return str(made["Role"]["Arn"])


def function(client: Clients, role: str, name: str) -> str:
    """A function with an alias `live`; gives its ARN."""
    made = client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler="a.b",
        Code={"ZipFile": b"x"},
        Publish=True,
    )
    client("lambda").create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return str(made["FunctionArn"]).removesuffix(":1")


def statements(client: Clients, name: str, **qualified: str) -> list[Asked]:
    """A function's policy, or that of its alias."""
    api = client("lambda")
    try:
        told = api.get_policy(FunctionName=name, **qualified)["Policy"]
    except api.exceptions.ResourceNotFoundException:
        return []
    found: list[Asked] = json.loads(told)["Statement"]
    return found


# functions ---------------------------------------------------------------------------------------


async def test_a_function_without_a_reserve_gets_one_out_of_what_may_be_reserved(
    sessions: Sessions, client: Clients, role: str
) -> None:
    function(client, role, "mail")
    api, at = client("lambda"), target("lambda_function", "mail")
    bench = Bench("lambda-throttles", at, sessions, {})
    await bench.looked("before", "now")
    for size in (0, 951, 1000):
        assert not bench.answered(size=size).applies("give"), size
    bench.answered(size=50)
    assert [bench.applies(step) for step in ("give", "change", "free")] == [True, False, False]
    assert not await bench.proved("give")
    assert await bench.act("give")
    assert api.get_function_concurrency(FunctionName="mail")["ReservedConcurrentExecutions"] == 50
    await bench.looked("now")
    assert not bench.applies("give"), "somebody gave it one meanwhile"
    assert not await bench.proved("give", undo=True)
    assert await bench.act("give", undo=True)
    told = api.get_function_concurrency(FunctionName="mail")
    assert "ReservedConcurrentExecutions" not in told


async def test_a_rule_fires_again_when_the_reason_for_stopping_it_is_gone(
    sessions: Sessions, client: Clients, role: str
) -> None:
    arn, events = function(client, role, "hourly"), client("events")
    events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)", State="DISABLED")
    events.put_targets(Rule="hourly", Targets=[{"Id": "1", "Arn": arn}])
    client("lambda").add_permission(
        FunctionName="hourly",
        StatementId="it",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=RULE,
    )
    at = target("lambda_function", "hourly")
    bench = Bench("lambda-not-invoked", at, sessions, {"caller": RULE})
    await bench.looked("before", "now")
    for answer in ("no", "unknown"):
        assert not bench.answered(reason=answer).applies("rule")
    bench.answered(reason="yes")
    assert (bench.scope["before"]["rule"], bench.scope["before"]["schedule"]) == (
        "hourly",
        "rate(1 hour)",
    )
    assert [bench.applies(step) for step in ("rule", "permit", "enable")] == [True, False, False]
    assert not await bench.proved("rule")
    assert await bench.act("rule")
    assert events.describe_rule(Name="hourly")["State"] == "ENABLED"
    await bench.looked("now")
    assert not bench.applies("rule"), "somebody enabled it meanwhile"
    assert not await bench.proved("rule", undo=True)
    assert await bench.act("rule", undo=True)
    assert events.describe_rule(Name="hourly")["State"] == "DISABLED"


@pytest.mark.parametrize(("name", "qualified"), [("night", {}), ("daily", {"Qualifier": "live"})])
async def test_one_rule_may_invoke_again_what_is_looked_at(
    sessions: Sessions, client: Clients, role: str, name: str, qualified: dict[str, str]
) -> None:
    """An alias has a policy of its own: the function's would let nobody call the alias."""
    function(client, role, name)
    at = target("lambda_function", ":".join((name, *qualified.values())))
    bench = Bench("lambda-not-invoked", at, sessions, {})
    await bench.looked("before", "now")
    for reason, caller in (("no", RULE), ("unknown", RULE), ("yes", f"arn:aws:sns:x:{ACCOUNT}:t")):
        assert not bench.answered(reason=reason, caller=caller).applies("permit"), (reason, caller)
    assert bench.answered(caller=RULE).applies("permit")
    assert not await bench.proved("permit")
    assert await bench.act("permit")
    (statement,) = statements(client, name, **qualified)
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": RULE}}
    assert PERMITTED[-1] == at.settings.id, "moto has one policy for all"  # type: ignore[attr-defined]
    assert not await bench.proved("permit", undo=True)
    assert await bench.act("permit", undo=True)
    assert statements(client, name, **qualified) == []


# APIs --------------------------------------------------------------------------------------------


def api_with(client: Clients, uri: str = "") -> tuple[str, list[str]]:
    """A REST API with two deployments, of which stage `live` serves the newer; their ids."""
    api = client("apigateway")
    id_ = api.create_rest_api(name="shop")["id"]
    (root,) = api.get_resources(restApiId=id_)["items"]
    one = {"restApiId": id_, "resourceId": root["id"], "httpMethod": "GET"}
    api.put_method(**one, authorizationType="NONE")
    kind = "AWS_PROXY" if uri else "MOCK"
    api.put_integration(**one, type=kind, integrationHttpMethod="POST", uri=uri)
    made = [api.create_deployment(restApiId=id_)["id"] for _ in range(2)]
    api.create_stage(restApiId=id_, stageName="live", deploymentId=made[1])
    return id_, made


def api_target(id_: str) -> Target:
    return Target(
        name="shop", kind="api_gateway", settings=ApiSettings(aws="prod", id=id_, stage="live")
    )


async def test_a_stage_is_pointed_to_the_deployment_that_a_person_names(
    sessions: Sessions, client: Clients
) -> None:
    id_, (old, bad) = api_with(client)

    def served() -> str:
        stage = client("apigateway").get_stage(restApiId=id_, stageName="live")
        return str(stage["deploymentId"])

    bench = Bench("apigw-rollback", api_target(id_), sessions, {})
    await bench.looked("before", "now")
    for named, contract in ((bad, "yes"), ("nosuch", "yes"), ("", "yes"), (old, "no")):
        bench.answered(named=named, contract=contract)
        assert not bench.applies("rest_named"), (named, contract)
    bench.answered(named=old, contract="unknown")
    assert bench.scope["before"]["good"] == "", "no history says what it served before"
    assert [bench.applies(step) for step in ("rest_named", "rest", "http", "canary")] == [
        True,
        False,
        False,
        False,
    ]
    assert not await bench.proved("rest_named")
    assert await bench.act("rest_named")
    assert served() == old
    await bench.looked("now")
    assert not bench.applies("rest_named"), "somebody pointed it meanwhile"
    assert not await bench.proved("rest_named", undo=True)
    assert await bench.act("rest_named", undo=True)
    assert served() == bad


async def test_a_stage_of_an_http_api_takes_fewer_and_what_it_had_comes_back(
    sessions: Sessions, client: Clients
) -> None:
    id_ = client("apigatewayv2").create_api(Name="pay", ProtocolType="HTTP")["ApiId"]
    bench = Bench("apigw-throttles", api_target(id_), sessions, {})
    await bench.looked("before", "now")
    for size in (0, 50):
        assert not bench.answered(size=size).applies("http"), size
    bench.answered(size=10)
    assert [bench.applies(step) for step in ("http", "rest")] == [True, False]
    assert not await bench.proved("http")
    assert await bench.act("http")
    assert LIMITS == {
        "ThrottlingRateLimit": 10,
        "ThrottlingBurstLimit": 10,
        "DetailedMetricsEnabled": False,
    }
    await bench.looked("now")
    assert not bench.applies("http"), "somebody changed it meanwhile"
    assert not await bench.proved("http", undo=True)
    assert await bench.act("http", undo=True)
    assert (LIMITS["ThrottlingRateLimit"], LIMITS["ThrottlingBurstLimit"]) == (50, 20)


async def test_a_function_lets_one_stage_of_one_api_in_again(
    sessions: Sessions, client: Clients, role: str
) -> None:
    arn = function(client, role, "orders")
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    id_, _ = api_with(client, uri)
    bench = Bench("apigw-unreachable", api_target(id_), sessions, {})
    await bench.looked("before")
    assert bench.scope["before"]["function"] == arn
    assert bench.applies("permit")
    assert not await bench.proved("permit")
    assert await bench.act("permit")
    (statement,) = statements(client, "orders")
    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    source = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{id_}/live/*"
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": source}}
    again = Bench("apigw-unreachable", api_target(id_), sessions, {})
    await again.looked("before")
    assert not again.applies("permit"), "it is let in"
    assert not await bench.proved("permit", undo=True)
    assert await bench.act("permit", undo=True)
    assert statements(client, "orders") == []


# state machines ----------------------------------------------------------------------------------


async def test_the_execution_that_hangs_is_stopped_and_goes_on_where_it_was(
    sessions: Sessions, client: Clients, role: str
) -> None:
    steps = client("stepfunctions")
    arn = steps.create_state_machine(name="pay", definition="{}", roleArn=role)["stateMachineArn"]
    runs = [
        steps.start_execution(stateMachineArn=arn, name=name)["executionArn"]
        for name in ("first", "second")
    ]
    at = target("state_machine", arn)
    bench = Bench("sfn-failures", at, sessions, {})
    await bench.looked("before", "now")
    for hangs, cause in (("no", "yes"), ("unknown", "yes"), ("yes", "no"), ("yes", "unknown")):
        assert not bench.answered(hangs=hangs, cause=cause).applies("abort"), (hangs, cause)
    assert bench.scope["before"]["stuck"] == runs[0], "the oldest that runs"
    assert bench.answered(cause="yes").applies("abort")
    assert not await bench.proved("abort")
    assert await bench.act("abort")
    ended = [steps.describe_execution(executionArn=run)["status"] for run in runs]
    assert ended == ["ABORTED", "RUNNING"]
    await bench.looked("now")
    assert not bench.applies("abort"), "another one is the oldest now"
    assert not await bench.proved("abort", undo=True)
    assert await bench.act("abort", undo=True)
    assert steps.describe_execution(executionArn=runs[0])["status"] == "RUNNING"
