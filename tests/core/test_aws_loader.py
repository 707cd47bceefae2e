"""Members that the installed botocore does not know are read, sent, and never win over its own."""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape, StructureShape

from cockpit.connect.aws import reads
from cockpit.connect.aws.loader import ModelLoader, complete, members_of
from cockpit.connect.aws.models import classify, parse, validate_call
from cockpit.connect.aws.session import open_aws_acts
from cockpit.connect.aws.sessions import ACTS_LOADER, LOADER
from tests.core.aws_stub import place, reading, stubbed
from tests.tools.newer_members import differences, main, services

JSON = "application/x-amz-json-1.1"
ARN = "arn:aws:ecs:us-east-1:123456789012:service-deployment/prod/web/d1"
CONTINUE = {"serviceDeploymentArn": ARN, "hookId": "h1", "action": "CONTINUE"}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")


async def test_a_member_that_is_newer_than_botocore_is_read_with_its_type() -> None:
    hook = {
        "hookId": "h1",
        "targetType": "PAUSE",
        "status": "AWAITING_ACTION",
        "expiresAt": 1780062409.25,
        "timeoutAction": "ROLLBACK",
        "ofTomorrow": 1,
    }
    deployment = {"serviceDeploymentArn": ARN, "lifecycleHookDetails": [hook]}
    async with stubbed() as stub, reading(stub) as aws:
        stub.reply(json.dumps({"serviceDeployments": [deployment]}), type=JSON)
        row = await aws.item("ecs", "DescribeServiceDeployments", key=ARN)
    hooks = row["lifecycleHookDetails"]
    assert isinstance(hooks, list)
    (read,) = hooks
    assert read["expiresAt"].astimezone(UTC) == datetime.fromtimestamp(1780062409.25, UTC)
    known = {name: value for name, value in hook.items() if name != "ofTomorrow"}
    assert read == {**known, "expiresAt": read["expiresAt"]}


async def test_an_operation_that_is_newer_than_botocore_is_checked_and_sent() -> None:
    assert parse("ecs.continue_service_deployment") == ("ecs", "ContinueServiceDeployment")
    assert classify("ecs.ContinueServiceDeployment") == "high"
    assert validate_call("ecs.ContinueServiceDeployment", CONTINUE) == []
    (wrong,) = validate_call("ecs.ContinueServiceDeployment", {**CONTINUE, "hookID": "h1"})
    assert "did you mean hookId?" in wrong
    async with stubbed() as stub:
        stub.reply(json.dumps({"serviceDeploymentArn": ARN}), type=JSON)
        acts = await open_aws_acts(place(stub.port))
        answer = await acts.run("ecs.ContinueServiceDeployment", CONTINUE)
        await acts.close()
    assert answer["serviceDeploymentArn"] == ARN
    (request,) = stub.requests
    assert (request.operation, request.json) == ("ContinueServiceDeployment", CONTINUE)


WITHOUT_ERRORS = {"ListBulkOperations"}
"""Operations for which AWS' own model names none."""


@pytest.mark.parametrize("service", services())
def test_what_is_added_fits_into_the_model(service: str) -> None:
    model = ServiceModel(ModelLoader().load_service_model(service, "service-2"), service)
    assert differences(service, ModelLoader().load_service_model(service, "service-2")) == []
    ours: Any = members_of(service)
    for name in ours["shapes"]:
        _walk(model.shape_for(name), set())
    for name in ours["operations"]:
        operation = model.operation_model(name)
        assert operation.input_shape is not None
        assert bool(operation.error_shapes) is (name not in WITHOUT_ERRORS)


def _walk(shape: Shape, seen: set[str]) -> None:
    """Every shape that is named exists, else botocore raises."""
    if shape.name in seen:
        return
    seen.add(shape.name)
    if isinstance(shape, StructureShape):
        for member in shape.members.values():
            _walk(member, seen)


def test_what_the_installed_model_has_wins() -> None:
    members = {
        "shapes": {
            "Known": {
                "type": "structure",
                "members": {"a": {"shape": "Ours"}, "b": {"shape": "S"}},
            },
            "New": {"type": "string"},
        }
    }
    model: dict[str, Any] = {
        "shapes": {"Known": {"type": "structure", "members": {"a": {"shape": "Theirs"}}}}
    }
    complete(model, members)
    known = {"a": {"shape": "Theirs"}, "b": {"shape": "S"}}
    assert model["shapes"]["Known"]["members"] == known
    assert model["shapes"]["New"] == {"type": "string"}
    once = copy.deepcopy(model)
    complete(model, members)
    assert model == once


def test_threads_that_load_at_once_get_one_whole_model() -> None:
    loader = ModelLoader()
    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(loader.load_service_model, "ecs", "service-2") for _ in range(8)]
    models: list[Any] = [each.result() for each in loads]
    assert all(each is models[0] for each in models)
    assert "ContinueServiceDeployment" in models[0]["operations"]


def test_other_services_and_other_files_are_as_botocore_has_them() -> None:
    ours, theirs = ModelLoader(), Loader()
    for service, kind in (("sts", "service-2"), ("ecs", "paginators-1")):
        assert ours.load_service_model(service, kind) == theirs.load_service_model(service, kind)
    assert ours.load_data("endpoints") == theirs.load_data("endpoints")
    with pytest.raises(DataNotFoundError):
        ours.load_data("nothing")


def test_a_newer_model_that_says_otherwise_is_told() -> None:
    model: Any = copy.deepcopy(ModelLoader().load_service_model("ecs", "service-2"))
    model["shapes"]["DeploymentLifecycleHookDetail"]["members"]["hookId"] = {"shape": "Number"}
    del model["shapes"]["ServiceDeployment"]["members"]["lifecycleHookDetails"]
    assert differences("ecs", model) == [
        "ecs.shapes.ServiceDeployment.members has no lifecycleHookDetails",
        "ecs.shapes.DeploymentLifecycleHookDetail.members.hookId.shape: 'Number', not 'String'",
    ]


def test_the_tool_reads_the_data_folder_of_another_botocore(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(Loader.BUILTIN_DATA_PATH)
    told = capsys.readouterr().out
    assert "ecs." in told or "say the same" in told


async def test_a_service_that_botocore_does_not_know_is_asked_where_the_place_says() -> None:
    """Its own rules: with an endpoint of the configuration nothing goes anywhere else."""
    assert parse("signin.list_sessions") == ("signin", "ListSessions")
    assert validate_call("signin.BatchRevokeSessions", {}) != []
    held = {"items": [{"sessionArn": "arn:s", "principalArn": "arn:p", "status": "ACTIVE"}]}
    async with stubbed() as stub, reading(stub) as aws:
        stub.reply(json.dumps(held), type=JSON)
        answer = await aws.read("signin", "ListSessions", expect="items", status="ACTIVE")
        assert answer["items"] == held["items"]
        stub.reply(json.dumps({"revokedSessions": [], "errors": []}), type=JSON)
        acts = await open_aws_acts(place(stub.port))
        await acts.run("signin.BatchRevokeSessions", {"sessionArns": ["arn:s"]})
        await acts.close()
    asked = [(each.path, each.json) for each in stub.requests]
    assert asked == [
        ("/list-sessions", {"status": "ACTIVE"}),
        ("/batch-revoke-sessions", {"sessionArns": ["arn:s"]}),
    ]


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-west-1", "https://signin.eu-west-1.api.aws"),
        ("cn-north-1", "https://signin.cn-north-1.api.amazonwebservices.com.cn"),
    ],
)
def test_without_one_it_is_asked_in_its_region(region: str, url: str) -> None:
    rules = ModelLoader().load_service_model("signin", "endpoint-rule-set-1")
    partitions = ModelLoader().load_data("partitions")
    provider = EndpointProvider(rules, partitions)
    found = provider.resolve_endpoint(Region=region, UseFIPS=False, UseDualStack=False)
    assert found.url == url


def shapes_of(model: Any, operation: str) -> dict[str, Any]:
    """Every shape that an operation reaches, without documentation."""
    described = model["operations"][operation]
    parts = [described.get("input"), described.get("output"), *described.get("errors", ())]
    left, found = [part["shape"] for part in parts if part], {}
    while left:
        if (name := left.pop()) not in found:
            found[name] = undocumented(model["shapes"][name])
            inner = [*found[name].get("members", {}).values()]
            inner += [
                found[name][each] for each in ("member", "key", "value") if each in found[name]
            ]
            left += [part["shape"] for part in inner]
    return found


def undocumented(shape: dict[str, Any]) -> dict[str, Any]:
    def bare(part: dict[str, Any]) -> dict[str, Any]:
        return {key: each for key, each in part.items() if key != "documentation"}

    kept = bare(shape)
    if "members" in kept:
        kept["members"] = {name: bare(each) for name, each in kept["members"].items()}
    return kept | {each: bare(kept[each]) for each in ("member", "key", "value") if each in kept}


@pytest.mark.parametrize("service", ["ec2", "ecs", "dynamodb", "rds", "cloudwatch", "lambda"])
def test_looks_get_models_of_what_they_may_call_and_no_less_of_it(service: str) -> None:
    whole: Any = ModelLoader().load_service_model(service, "service-2")
    short: Any = LOADER.load_service_model(service, "service-2")
    may = reads.ALLOW[service] | reads.CONSENT.get(service, frozenset())
    found = set(short["operations"])
    assert may <= found < set(whole["operations"])
    assert all(whole["operations"][name].get("endpointoperation") for name in found - may)
    for name in found:
        assert undocumented(whole["operations"][name]) == short["operations"][name]
        assert shapes_of(whole, name) == shapes_of(short, name)
    lost = whole["shapes"].keys() - short["shapes"].keys()
    assert not any(whole["shapes"][name].get("exception") for name in lost)


def test_steps_get_whole_models_and_roles_theirs() -> None:
    acts: Any = ACTS_LOADER.load_service_model("ec2", "service-2")
    assert "RunInstances" in acts["operations"]
    roles: Any = LOADER.load_service_model("sts", "service-2")
    assert "AssumeRoleWithWebIdentity" in roles["operations"]
