"""The steps that contain a principal, as their runbook has them: at moto, with their undo."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from cockpit.connect.aws.session import Aws, AwsActs, open_aws, open_aws_acts
from cockpit.connect.aws.settings import PrincipalSettings
from cockpit.triage.target import Target
from cockpit.world import layout
from probes.iam_principal.model import DENY
from tests.core.aws_stub import place
from tests.probes.step_bench import Bench, fronted

pytestmark = pytest.mark.servers
Sessions = tuple[Aws, AwsActs]
ARN = "arn:aws:iam::123456789012:{}"
SIGNED_IN = [f"arn:aws:signin:us-east-1:123456789012:session/{n}" for n in range(2)]
OLD = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}],
}


def _revoked(_: Any, asked: dict[str, Any]) -> dict[str, Any]:
    SIGNED_IN[:] = [arn for arn in SIGNED_IN if arn not in asked["sessionArns"]]
    return {"revokedSessions": [], "errors": []}


ANSWERS = {
    ("signin", "ListSessions"): lambda _, __: {
        "items": [{"sessionArn": arn, "clientType": "cli"} for arn in SIGNED_IN]
    },
    ("signin", "BatchRevokeSessions"): _revoked,
}
"""What moto lacks."""


@pytest.fixture(scope="module")
def iam() -> Iterator[tuple[int, Any]]:
    import boto3

    with fronted(ANSWERS) as port:
        client = boto3.Session().client(
            "iam",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=layout.REGION,
            aws_access_key_id=layout.key_of("commander"),
            aws_secret_access_key="x",
        )
        client.create_user(UserName="deploy")
        client.create_role(RoleName="checkout", AssumeRolePolicyDocument="{}")
        yield port, client


@pytest.fixture
async def sessions(
    iam: tuple[int, Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Sessions]:
    monkeypatch.setenv("COCKPIT_TEST_KEY", layout.key_of("commander"))
    aws, acts = await open_aws(place(iam[0])), await open_aws_acts(place(iam[0]))
    yield aws, acts
    await aws.close()
    await acts.close()


def bench(sessions: Sessions, who: str, needed: str = "no") -> Bench:
    settings = PrincipalSettings(aws="prod", id=ARN.format(who))
    at = Target(name="deploy", kind="iam_principal", settings=settings)
    return Bench("contain-credential", at, sessions, {"needed": needed})


@pytest.mark.parametrize(
    ("who", "sort", "name"),
    [("user/deploy", "user", "deploy"), ("role/checkout", "role", "checkout")],
)
async def test_sessions_are_cut_off_and_what_stood_there_before_comes_back(
    sessions: Sessions, iam: tuple[int, Any], who: str, sort: str, name: str
) -> None:
    held = {f"{sort.capitalize()}Name": name, "PolicyName": DENY}
    read: Callable[..., Any] = getattr(iam[1], f"get_{sort}_policy")
    first, again, other = f"{sort}_first", f"{sort}_again", "role" if sort == "user" else "user"
    made = bench(sessions, who)
    await made.looked("before")
    assert [made.applies(step) for step in (first, again, f"{other}_first")] == [True, False, False]
    assert await made.act(first)
    (statement,) = read(**held)["PolicyDocument"]["Statement"]
    cut = made.scope["before"]["cut"]
    assert statement["Condition"] == {"DateLessThan": {"aws:TokenIssueTime": cut}}
    assert await made.act(first, undo=True)
    with pytest.raises(iam[1].exceptions.NoSuchEntityException):
        read(**held)
    getattr(iam[1], f"put_{sort}_policy")(**held, PolicyDocument=json.dumps(OLD))
    made = bench(sessions, who)
    await made.looked("before")
    assert [made.applies(step) for step in (first, again)] == [False, True]
    assert await made.act(again)
    assert read(**held)["PolicyDocument"] != OLD
    assert await made.act(again, undo=True)
    assert read(**held)["PolicyDocument"] == OLD


async def test_a_policy_that_is_not_known_is_never_written_over(sessions: Sessions) -> None:
    made = bench(sessions, "role/checkout")
    await made.looked("before", deny_known=False, deny_text="")
    assert not made.applies("role_first")
    assert not made.applies("role_again")


async def test_one_key_is_switched_off_and_on_and_only_when_nothing_needs_it(
    sessions: Sessions, iam: tuple[int, Any]
) -> None:
    key = iam[1].create_access_key(UserName="deploy")["AccessKey"]["AccessKeyId"]
    for answer in ("yes", "unknown"):
        made = bench(sessions, "user/deploy", answer)
        await made.looked("before")
        assert not any(map(made.applies, ("off", "user_first", "user_again", "revoke")))
    made = bench(sessions, "user/deploy")
    await made.looked("before")
    assert made.applies("off")
    assert await made.act("off")
    (held,) = iam[1].list_access_keys(UserName="deploy")["AccessKeyMetadata"]
    assert (held["AccessKeyId"], held["Status"]) == (key, "Inactive")
    assert await made.act("off", undo=True)
    iam[1].create_access_key(UserName="deploy")
    made = bench(sessions, "user/deploy")
    await made.looked("before")
    assert not made.applies("off"), "which of two keys is meant is not known"


async def test_its_sign_in_sessions_are_ended_and_none_is_asked_to_end_where_there_is_none(
    sessions: Sessions,
) -> None:
    made = bench(sessions, "user/deploy")
    await made.asked("sessions")
    assert made.applies("revoke")
    assert await made.act("revoke")
    assert SIGNED_IN == []
    await made.asked("sessions")
    assert not made.applies("revoke")
