"""Secrets that AWS keeps or makes: `aws-secret:ARN` and `iam`, for a login that needs them now.

Not part of looking: no probe and no runbook can reach this. Its clients may call one operation,
`secretsmanager.GetSecretValue`; an RDS token is signed here and makes no call.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from cockpit.connect.aws import errors as aws_errors
from cockpit.connect.aws.clients import ClientOptions, Clients, Hooks
from cockpit.connect.aws.errors import FAILURES, AwsCall
from cockpit.connect.aws.policy import session_policy
from cockpit.connect.secrets import resolve_async
from cockpit.connect.settings import AwsSite
from cockpit.connect.shared import Tasks
from cockpit.errors import BlindError, Reason, Refused
from cockpit.redact import MASKER

_POLICY = session_policy(("secretsmanager:GetSecretValue", "kms:Decrypt", "rds-db:connect"))


def secrets_of(
    place: AwsSite, *, host: str, port: int, user: str, acting: bool = False
) -> Callable[[str], Awaitable[str]]:
    """What resolves a login's password reference, with the place's credentials where needed.

    `aws-secret:ARN` gives the secret's text, or the member `password` when it is a JSON object;
    `aws-secret:ARN#member` another member. `iam` gives a token for `user` at an RDS `host`, good
    for 15 minutes. Raises `BlindError`; no message holds a value. `acting`: with the commander's
    profile.
    """
    with_clients = partial(_with_clients, place, acting=acting)

    async def resolve(reference: str) -> str:
        if reference == "iam":
            work = partial(_token, host=host, port=port, user=user)
            return await with_clients(work, asked=("rds", "connect"))
        if reference.startswith("aws-secret:"):
            work = partial(_secret, name=reference.partition(":")[2])
            return await with_clients(work, asked=("secretsmanager", "GetSecretValue"))
        return await resolve_async(reference)

    return resolve


async def _with_clients(
    place: AwsSite,
    work: Callable[[Clients], Awaitable[str]],
    *,
    asked: tuple[str, str],
    acting: bool,
) -> str:
    profile = (place.commander_profile if acting else "") or place.profile
    tasks = Tasks()
    clients = Clients(
        place,
        ClientOptions(
            profile=profile,
            attempts=2,
            policy=_POLICY if place.role_arn else None,
            session_name="cockpit-login",
        ),
        hooks=Hooks(guard=_guard, sending=_sending, answered=_answered),
        tasks=tasks,
    )
    about = AwsCall(
        *asked,
        place.region,
        profile,
        keys=bool(place.access_key_id),
    )
    try:
        value = await work(clients)
    except FAILURES as error:
        raise aws_errors.blind(error, about) from None
    finally:
        tasks.cancel()
        await clients.close()
    MASKER.learn(value)
    return value


async def _secret(clients: Clients, name: str) -> str:
    arn, _, member = name.partition("#")
    client = await clients.of("secretsmanager")
    answer = await client.get_secret_value(SecretId=arn)
    content = answer.get("SecretString")
    if not isinstance(content, str):
        raise _unfit(arn, "holds no text")
    try:
        held = json.loads(content)
    except ValueError:
        held = None
    if not isinstance(held, dict):
        if member:
            raise _unfit(arn, f"is no JSON object, so it has no {member!r}")
        return content
    value = held.get(member or "password")
    if not isinstance(value, str):
        raise _unfit(arn, f"has no text member {member or 'password'!r}")
    return value


async def _token(clients: Clients, *, host: str, port: int, user: str) -> str:
    client = await clients.of("rds")
    token: str = await client.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
    return token


def _unfit(arn: str, why: str) -> BlindError:
    return BlindError(
        Reason.MISCONFIGURED, f"the secret {arn} {why}", hint="aws-secret:ARN#member names a member"
    )


def _guard(service: str, operation: str) -> None:
    if (service, operation) not in {("secretsmanager", "GetSecretValue"), ("sts", "AssumeRole")}:
        raise Refused(f"{service}.{operation} is not part of a login; nothing was sent")


def _sending(_: str) -> None:
    """Logins are not part of what looking costs."""


def _answered(_: str, __: Mapping[str, object]) -> None:
    """Nor are they slowed down."""
