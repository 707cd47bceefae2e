"""Steps of APIs and of the Glue catalog, at moto: what is shared by others is put back whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, AwsActs, open_aws, open_aws_acts
from cockpit.connect.aws.settings import ApiSettings, WorkgroupSettings
from cockpit.runbooks.values import holds
from cockpit.triage.target import Target
from cockpit.world import layout
from tests.core.aws_stub import place
from tests.probes.step_bench import Bench, fronted

pytestmark = pytest.mark.servers
Clients = Callable[[str], Any]
Sessions = tuple[Aws, AwsActs]
FLUSHED: list[Any] = []


def _flushed(_: Any, asked: dict[str, Any]) -> dict[str, Any]:
    FLUSHED.append(asked)
    return {}


ANSWERS = {("apigateway", "FlushStageCache"): _flushed}
"""What moto lacks."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with fronted(ANSWERS) as port:
        yield port


@pytest.fixture(scope="module")
def client(port: int) -> Clients:
    import boto3

    session = boto3.Session()
    return lambda service: session.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=layout.REGION,
        aws_access_key_id=layout.key_of("commander"),
        aws_secret_access_key="x",
    )


@pytest.fixture
async def sessions(port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sessions]:
    monkeypatch.setenv("COCKPIT_TEST_KEY", layout.key_of("commander"))
    aws, acts = await open_aws(place(port)), await open_aws_acts(place(port))
    yield aws, acts
    await aws.close()
    await acts.close()


@pytest.fixture(scope="module")
def api(client: Clients) -> str:
    gateway = client("apigateway")
    id_ = gateway.create_rest_api(name="shop")["id"]
    (root,) = gateway.get_resources(restApiId=id_)["items"]
    gateway.put_method(
        restApiId=id_, resourceId=root["id"], httpMethod="GET", authorizationType="NONE"
    )
    gateway.put_integration(restApiId=id_, resourceId=root["id"], httpMethod="GET", type="MOCK")
    gateway.create_deployment(restApiId=id_, stageName="prod")
    return str(id_)


async def test_a_plan_is_narrowed_and_a_key_switched_off_and_both_come_back(
    sessions: Sessions, client: Clients, api: str
) -> None:
    gateway = client("apigateway")
    key = gateway.create_api_key(name="partner", enabled=True, value="v" * 30)["id"]
    plan = gateway.create_usage_plan(
        name="gold", throttle={"rateLimit": 100, "burstLimit": 200}, apiStages=[]
    )["id"]
    shop = Target(
        name="shop", kind="api_gateway", settings=ApiSettings(aws="prod", id=api, stage="prod")
    )
    answers = {"plan_id": plan, "plan_rate": "5", "key": key}
    bench = Bench("apigw-throttles", shop, sessions, answers)
    await bench.looked("before", "now")
    await bench.asked("plan")
    assert bench.applies("set_plan")
    assert await bench.act("set_plan")
    assert gateway.get_usage_plan(usagePlanId=plan)["throttle"]["rateLimit"] == 5
    bench.scope["plan"]["rate_text"] = "100"  # AWS takes 100.0 too, moto does not
    assert await bench.act("set_plan", undo=True)
    closed = Bench("apigw-throttles", shop, sessions, {**answers, "plan_rate": "0"})
    closed.scope |= {"plan": bench.scope["plan"]}
    assert not closed.applies("set_plan"), "0 is an outage by decision"
    assert bench.applies("revoke")
    step = bench.step("revoke")
    answer = await sessions[1].run(
        step.does, {"apiKey": key, "patchOperations": [*map(dict, _operations(step))]}
    )
    assert "v" * 30 not in str(answer), "the key's value is not handed on"
    assert gateway.get_api_key(apiKey=key)["enabled"] is False
    await bench.act("revoke", undo=True)
    assert gateway.get_api_key(apiKey=key)["enabled"] is True


def _operations(step: Any) -> Any:
    return step.args["patchOperations"]


async def test_kept_answers_are_thrown_away_once_the_stage_serves_another_deployment(
    sessions: Sessions, client: Clients, api: str
) -> None:
    shop = Target(
        name="shop", kind="api_gateway", settings=ApiSettings(aws="prod", id=api, stage="prod")
    )
    bench = Bench("apigw-rollback", shop, sessions, {"contract": "yes"})
    await bench.looked("before")
    await bench.looked("kept", cache="AVAILABLE")
    assert not bench.applies("flush"), "the bad one is still served"
    bench.scope["before"]["bad"] = "another"
    assert bench.applies("flush")
    await bench.act("flush")
    assert FLUSHED


async def test_a_table_gets_back_its_description_whole_or_not_at_all(
    sessions: Sessions, client: Clients
) -> None:
    glue = client("glue")
    glue.create_database(DatabaseInput={"Name": "logs"})

    def described(columns: int, **more: Any) -> dict[str, Any]:
        return {
            "Name": "alb",
            "Owner": "hadoop",
            "Retention": 0,
            "StorageDescriptor": {
                "Columns": [{"Name": f"c{n}", "Type": "string"} for n in range(columns)],
                "Location": "s3://logs/alb/",
                "SerdeInfo": {"SerializationLibrary": "regex"},
            },
            "PartitionKeys": [{"Name": "day", "Type": "string"}],
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"projection.enabled": "true"},
            **more,
        }

    glue.create_table(DatabaseName="logs", TableInput=described(29))
    glue.update_table(DatabaseName="logs", TableInput=described(31))
    settings = WorkgroupSettings(aws="prod", id="primary", table="logs.alb")
    group = Target(name="q", kind="athena_workgroup", settings=settings)
    bench = Bench("glue-schema", group, sessions, {"data": "yes"})
    bench.scope["look"] = {"database": "logs", "table": "alb", "version": "2"}
    await bench.asked("versions", "now")
    (old,) = set(bench.scope["versions"]["ids"]) - {bench.scope["now"]["version"]}
    bench.scope["version"] = {"answer": old}
    bench.scope["look"]["version"] = bench.scope["now"]["version"]
    await bench.asked("old")
    assert (bench.scope["now"]["columns"], bench.scope["old"]["columns"]) == (31, 29)
    assert bench.applies("restore")
    for bad in (
        {"more": "a description"},
        {"table": {**bench.scope["old"]["table"], "Owner": None}},
    ):
        step, scope = bench.step("restore"), {**bench.scope, "old": {**bench.scope["old"], **bad}}
        assert not all(holds(check.that, scope) for check in step.require), bad
    assert await bench.act("restore")
    assert await bench.act("restore", undo=True)
    held = glue.get_table(DatabaseName="logs", Name="alb")["Table"]
    assert len(held["StorageDescriptor"]["Columns"]) == 31
