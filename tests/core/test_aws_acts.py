"""A commander's act is sent once, and its end is told as what it is: done, not done, unknown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.aws import clients as aws_clients
from cockpit.connect.aws.session import open_aws, open_aws_acts
from cockpit.errors import BlindError, Misconfigured, Reason, Refused, UnknownOutcome
from tests.core.aws_stub import LOGIN_PAGE, Reply, Request, place, stubbed

UPDATE = ("ecs.UpdateService", {"cluster": "shop", "service": "web", "desiredCount": 3})
JSON = "application/x-amz-json-1.1"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")


async def acted(
    reply: Reply | None, call: str = UPDATE[0], arguments: Mapping[str, Any] = UPDATE[1]
) -> tuple[list[Request], Any]:
    """Requests that arrived, and the end of the act."""
    async with stubbed() as stub:
        port = stub.port
        if reply is not None:
            stub.answer = lambda _: reply
            return stub.requests, await _run(port, call, arguments)
    return [], await _run(port, call, arguments)


async def _run(port: int, call: str, arguments: Mapping[str, Any]) -> Any:
    acts = await open_aws_acts(place(port))
    try:
        return await acts.run(call, arguments)
    except (BlindError, UnknownOutcome, Misconfigured, Refused) as error:
        return error
    finally:
        await acts.close()


async def test_an_act_reaches_the_service_in_either_spelling_and_its_answer_is_redacted() -> None:
    body = json.dumps(
        {
            "taskDefinition": {
                "containerDefinitions": [{"environment": [{"name": "A", "value": "s3cr3t"}]}]
            }
        }
    )
    requests, end = await acted(
        Reply(body, type=JSON),
        "ecs.deregister_task_definition",
        {"taskDefinition": "web:1"},
    )
    assert [request.operation for request in requests] == ["DeregisterTaskDefinition"]
    assert "s3cr3t" not in json.dumps(end)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(fault="reset"), id="reset after sending"),
        pytest.param(Reply(fault="fin"), id="hang-up after sending"),
        pytest.param(Reply(b'{"a', fault="truncate", type=JSON), id="torn answer"),
        pytest.param(Reply(LOGIN_PAGE, type="text/html"), id="a page instead of an answer"),
        pytest.param(Reply(b'{"__type":"ServerException"}', 500, type=JSON), id="500"),
        pytest.param(Reply(LOGIN_PAGE, 502, type="text/html"), id="502 of a proxy"),
    ],
)
async def test_what_was_sent_and_cut_off_is_unknown_and_never_repeated(reply: Reply) -> None:
    requests, end = await acted(reply)
    assert isinstance(end, UnknownOutcome)
    assert end.hint == "verify before repeating it"
    assert len(requests) == 1


async def test_a_hanging_act_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_clients, "READ_TIMEOUT", 0.05)
    requests, end = await acted(Reply(fault="hang"))
    assert isinstance(end, UnknownOutcome)
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(b'{"__type":"AccessDeniedException"}', 400, type=JSON), Reason.DENIED),
        (Reply(b'{"__type":"ThrottlingException"}', 400, type=JSON), Reason.THROTTLED),
        (Reply(b'{"__type":"ServiceNotFoundException"}', 400, type=JSON), Reason.MISSING),
        (Reply(b'{"__type":"InvalidParameterException"}', 400, type=JSON), Reason.MISCONFIGURED),
    ],
    ids=["denied", "throttled", "missing", "invalid"],
)
async def test_what_the_service_refused_was_certainly_not_done(
    reply: Reply, reason: Reason
) -> None:
    requests, end = await acted(reply)
    assert isinstance(end, BlindError)
    assert end.reason is reason
    assert len(requests) == 1


async def test_what_never_left_was_certainly_not_done() -> None:
    _, end = await acted(None)
    assert isinstance(end, BlindError)
    assert end.reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    ("call", "arguments", "kind"),
    [
        pytest.param("ecs.UpdateServce", {}, Misconfigured, id="unknown call"),
        pytest.param("ecs.UpdateService", {"servce": "x"}, Misconfigured, id="unknown argument"),
        pytest.param("secretsmanager.GetSecretValue", {"SecretId": "x"}, Refused, id="a secret"),
        pytest.param("dynamodb.Scan", {"TableName": "x"}, Refused, id="customer data"),
        pytest.param(
            "sts.AssumeRole", {"RoleArn": "a" * 20, "RoleSessionName": "xx"}, Refused, id="a role"
        ),
    ],
)
async def test_what_is_wrong_or_refused_never_leaves(
    call: str, arguments: Mapping[str, Any], kind: type[Misconfigured | Refused]
) -> None:
    requests, end = await acted(Reply(b"{}", type=JSON), call, arguments)
    assert isinstance(end, kind)
    assert requests == []


async def test_the_commanders_profile_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile reader]\naws_access_key_id=AKIAREADER\naws_secret_access_key=a\n"
        "[profile operator]\naws_access_key_id=AKIAOPERATOR\naws_secret_access_key=b\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    async with stubbed() as stub:
        stub.reply(b'{"clusterArns": [], "service": {}}', type=JSON)
        where = place(
            stub.port,
            access_key_id="",
            secret_access_key="",
            profile="reader",
            commander_profile="operator",
        )
        reads, acts = await open_aws(where), await open_aws_acts(where)
        try:
            await reads.read("ecs", "ListClusters", expect="clusterArns")
            await acts.run(*UPDATE)
        finally:
            await reads.close()
            await acts.close()
        signed = [request.headers["authorization"].split("/")[0] for request in stub.requests]
    assert [each.rpartition("=")[2] for each in signed] == ["AKIAREADER", "AKIAOPERATOR"]


async def test_after_an_act_the_place_is_read_anew_and_not_after_who_it_would_be() -> None:
    async with stubbed() as stub:
        stub.reply(b'{"clusterArns": [], "serviceArns": [], "service": {}}', type=JSON)
        reads, acts = await open_aws(place(stub.port)), await open_aws_acts(place(stub.port))
        try:
            await reads.read("ecs", "ListClusters")
            await acts.run("ecs.ListServices", {})
            await reads.read("ecs", "ListClusters")
            await acts.run(*UPDATE)
            await reads.read("ecs", "ListClusters")
        finally:
            await reads.close()
            await acts.close()
        assert stub.operations == ["ListClusters", "ListServices", "UpdateService", "ListClusters"]


async def test_a_profile_that_does_not_exist_is_told_with_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    where = place(1, access_key_id="", secret_access_key="", profile="nobody")
    session = await open_aws(where)
    try:
        with pytest.raises(BlindError, match="nobody") as caught:
            await session.identity()
    finally:
        await session.close()
    assert caught.value.reason is Reason.MISCONFIGURED
    assert caught.value.hint == "aws configure sso --profile nobody"
