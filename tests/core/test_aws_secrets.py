"""Passwords that AWS keeps or makes reach a login, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cockpit.connect.aws.secrets import secrets_of
from cockpit.errors import BlindError, Reason, Refused
from cockpit.redact import MASK, MASKER, SecretText
from tests.core.aws_stub import Reply, Request, place, stubbed

ARN = "arn:aws:secretsmanager:us-east-1:1:secret:orders-AbCdEf"
JSON = "application/x-amz-json-1.1"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")


async def resolved(reference: str, reply: Reply) -> tuple[list[Request], Any]:
    async with stubbed() as stub:
        stub.answer = lambda _: reply
        resolve = secrets_of(place(stub.port), host="orders.example", port=5432, user="ro")
        try:
            return stub.requests, await resolve(reference)
        except BlindError as error:
            return stub.requests, error


def held(content: object) -> Reply:
    text = content if isinstance(content, str) else json.dumps(content)
    return Reply(json.dumps({"ARN": ARN, "SecretString": text}), type=JSON)


@pytest.mark.parametrize(
    ("reference", "content", "expected"),
    [
        pytest.param(f"aws-secret:{ARN}", "plain-secret-1", "plain-secret-1", id="text"),
        pytest.param(
            f"aws-secret:{ARN}",
            {"username": "ro", "password": "from-json-2"},
            "from-json-2",
            id="as RDS keeps it",
        ),
        pytest.param(f"aws-secret:{ARN}#dsn", {"dsn": "other-3333"}, "other-3333", id="a member"),
    ],
)
async def test_a_secret_is_read_and_masked_from_then_on(
    reference: str, content: str | dict[str, str], expected: str
) -> None:
    requests, value = await resolved(reference, held(content))
    assert value == expected
    assert requests[0].json == {"SecretId": ARN}
    assert MASKER.mask(f"x {expected} x") == f"x {MASK} x"


@pytest.mark.parametrize(
    ("reference", "reply", "reason"),
    [
        (f"aws-secret:{ARN}", held({"user": "x"}), Reason.MISCONFIGURED),
        (f"aws-secret:{ARN}#dsn", held("hunter2-hunter2"), Reason.MISCONFIGURED),
        (f"aws-secret:{ARN}", Reply(b"{}", type=JSON), Reason.MISCONFIGURED),
        (
            f"aws-secret:{ARN}",
            Reply(b'{"__type":"AccessDeniedException"}', 400, type=JSON),
            Reason.DENIED,
        ),
        (
            f"aws-secret:{ARN}",
            Reply(b'{"__type":"ResourceNotFoundException"}', 400, type=JSON),
            Reason.MISSING,
        ),
    ],
    ids=["no password", "no object", "no text", "denied", "missing"],
)
async def test_a_secret_that_cannot_be_had_is_blind_without_its_value(
    reference: str, reply: Reply, reason: Reason
) -> None:
    _, error = await resolved(reference, reply)
    assert error.reason is reason
    assert "hunter2" not in error.message


async def test_an_rds_token_is_signed_here_and_makes_no_call() -> None:
    requests, token = await resolved("iam", Reply(status=500))
    assert requests == []
    found = parse_qs(urlsplit(f"https://{token}").query)
    assert token.startswith("orders.example:5432/?Action=connect&DBUser=ro")
    assert found["X-Amz-Expires"] == ["900"]


async def test_other_references_are_resolved_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "from-the-environment")
    requests, value = await resolved("env:SOME_PASSWORD", Reply(status=500))
    assert (requests, value) == ([], "from-the-environment")


async def test_nothing_else_passes_the_guard_of_a_login() -> None:
    from cockpit.connect.aws.secrets import _guard

    with pytest.raises(Refused):
        _guard("ecs", "DescribeServices")


@pytest.mark.parametrize("acting", [False, True], ids=["observer", "commander"])
async def test_a_database_whose_password_aws_keeps_is_opened_with_it(
    acting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cockpit.connect.open import Connections
    from cockpit.connect.postgres import acts
    from cockpit.connect.postgres import session as postgres
    from cockpit.connect.postgres.settings import PostgresSettings
    from cockpit.connect.role import Role
    from cockpit.connect.settings import Login

    given = {}

    class Idle:
        async def close(self) -> None:
            """Nothing is open."""

    async def opened(
        settings: PostgresSettings, *, secret: Callable[[str], Awaitable[SecretText]], **_: object
    ) -> Idle:
        given["password"] = await secret(settings.password)
        return Idle()

    monkeypatch.setattr(postgres, "open_postgres", opened)
    monkeypatch.setattr(acts, "open_postgres_acts", opened)
    async with stubbed() as stub:
        stub.answer = lambda _: held({"password": "kept-by-aws-1"})
        connections = Connections({"prod": place(stub.port)}, Role.COMMANDER)
        settings = PostgresSettings(
            host="orders.example",
            user="ro",
            password=f"aws-secret:{ARN}",
            aws="prod",
            commander=Login(user="rw") if acting else Login(),
        )
        if acting:
            await connections.acts(settings)
        else:
            await connections.session("orders", settings)
        await connections.close()
    assert given == {"password": "kept-by-aws-1"}
