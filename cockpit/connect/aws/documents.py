"""Policies that acts put: what none of ours may say, and whom they may not shut out.

The mistakes of the trade's runbooks (issue 8, point 7): a bucket policy that opens the bucket
again, an emergency policy with `Resource: "*"` that stays, a Deny that also shuts out whoever has
to take it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

from cockpit.connect.aws.lockout import PolicyCaller, locks_out
from cockpit.connect.aws.resource_policy import (
    PolicyProblem,
    PolicyStatement,
    public_in,
    statements_of,
    wide_in,
)
from cockpit.errors import BlindError, Refused, UnknownOutcome
from cockpit.text import visible

_OF_RESOURCES: Mapping[str, str] = MappingProxyType(
    {
        "s3.PutBucketPolicy": "Policy",
        "s3control.PutAccessPointPolicy": "Policy",
        "sns.SetTopicAttributes": "AttributeValue",
        "sqs.SetQueueAttributes": "Attributes.Policy",
        "ecr.SetRepositoryPolicy": "policyText",
        "secretsmanager.PutResourcePolicy": "ResourcePolicy",
    }
)
"""Call → the argument that holds a resource's policy: it may open nothing to everybody."""
_OF_IDENTITIES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        (
            "iam.PutRolePolicy",
            "iam.PutUserPolicy",
            "iam.PutGroupPolicy",
            "iam.CreatePolicy",
            "iam.CreatePolicyVersion",
        ),
        "PolicyDocument",
    )
)
"""Call → the argument that holds an identity's policy: it may not allow on every resource."""
_LOCKING = frozenset({"s3.PutBucketPolicy", "s3.DeleteBucketPolicy"})


class Asks(Protocol):
    """A commander's session, as far as it is asked here."""

    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """One operation."""

    async def identity(self) -> tuple[str, str]:
        """Account and ARN."""


def policy_problems(call: str, arguments: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with the policy in the arguments, if there is one; nothing is sent then."""
    name = _OF_RESOURCES.get(call) or _OF_IDENTITIES.get(call)
    if name is None or (call.startswith("sns.") and arguments.get("AttributeName") != "Policy"):
        return
    text: object = arguments
    for part in name.split("."):
        text = text.get(part) if isinstance(text, Mapping) else None
    if not isinstance(text, str):
        return  # absent, or of a type that the service model has told of
    try:
        statements = statements_of(text)
    except PolicyProblem as error:
        yield f"{name} {visible(text, 200)!r} is no policy that can be checked: {error}"
        return
    if call in _OF_RESOURCES:
        for each in public_in(statements):
            yield f"{name}: {_named(each)} gives {_what(each)} to everybody"
    for each in wide_in(statements):
        yield f'{name}: {_named(each)} allows on Resource "*": name what it is for'


def _named(statement: PolicyStatement) -> str:
    return visible(statement.name, 80)


def _what(statement: PolicyStatement) -> str:
    return visible(", ".join(statement.actions), 80)


async def refuse_lockout(acts: Asks, call: str, arguments: Mapping[str, object]) -> None:
    """Raise `Refused` for a bucket policy that would shut out the one who puts it.

    Asks who that is, and which policy is in force. Whatever of it cannot be told refuses too.
    """
    if call not in _LOCKING or not arguments.keys() & {"Policy", "ExpectedBucketOwner"}:
        return  # taking a policy away shuts out callers of another account only
    try:
        caller = PolicyCaller(*await acts.identity())
        why = locks_out(
            str(arguments.get("Policy", "")),
            await _in_force(acts, arguments.get("Bucket")),
            caller,
            owner=str(arguments.get("ExpectedBucketOwner", "")),
        )
    except (PolicyProblem, UnknownOutcome) as error:
        raise Refused(f"{call}: whether it shuts us out cannot be told: {error}") from None
    if why:
        raise Refused(f"{call}: {why}", hint="except whoever acts from that Deny")


async def _in_force(acts: Asks, bucket: object) -> str:
    """The policy there is; empty: there is none, or it may not be read, so that nothing of what
    is put is old.
    """
    try:
        answer = await acts.run("s3.GetBucketPolicy", {"Bucket": bucket})
    except BlindError:
        return ""
    return str(answer.get("Policy", ""))
