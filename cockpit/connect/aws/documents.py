"""Policies that acts put: what none of ours may say, and whom they may not shut out.

The mistakes of the trade's runbooks (issue 8, point 7): a bucket policy that opens the bucket
again, an emergency policy with `Resource: "*"` that stays, a Deny that also shuts out whoever has
to take it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from cockpit.connect.aws import containment, versions
from cockpit.connect.aws.asks import Asks
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
_ATTACHING = frozenset({"iam.AttachRolePolicy", "iam.AttachUserPolicy", "iam.AttachGroupPolicy"})
_ALL_OF_IT = ("/AdministratorAccess", "/PowerUserAccess", "/IAMFullAccess")
"""Ends of the ARNs of AWS' own policies that give everything, or the way to it."""
_LOCKING = frozenset({"s3.PutBucketPolicy", "s3.DeleteBucketPolicy"})


def policy_problems(call: str, arguments: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with the policy in the arguments, if there is one; nothing is sent then."""
    if call in _ATTACHING and str(arguments.get("PolicyArn", "")).endswith(_ALL_OF_IT):
        yield f"PolicyArn: {visible(str(arguments['PolicyArn']), 120)} allows everything"
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
    """Raise `Refused` for what would shut out the one who does it: a bucket's policy, a Deny for
    one's own role or user, one's own key; and for an IP set that would be replaced.

    Asks who that is, and what is in force. Whatever of it cannot be told refuses too.
    """
    if call == containment.IP_SET:
        await _refuse_replacing(acts, arguments)
    if containment.about(call):
        await _refuse_containing(acts, call, arguments)
    if call == versions.DEFAULT:
        await versions.refuse_all_of_it(acts, arguments)
    if call == versions.DELETE:
        await versions.refuse_loss(acts, arguments)
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


async def _refuse_replacing(acts: Asks, arguments: Mapping[str, object]) -> None:
    which = {name: arguments[name] for name in ("Name", "Scope", "Id")}
    try:
        held = (await acts.run("wafv2.GetIPSet", which)).get("IPSet")
    except (BlindError, UnknownOutcome) as error:
        raise Refused(f"whether the IP set only grows cannot be told: {error}") from None
    before = held.get("Addresses") if isinstance(held, Mapping) else None
    after = arguments["Addresses"]
    if not isinstance(before, list) or not isinstance(after, list):
        raise Refused("whether the IP set only grows cannot be told: its addresses are no list")
    why = containment.replaces(map(str, before), map(str, after))
    if why:
        raise Refused(f"{containment.IP_SET}: {why}", hint="give the addresses it has, and the new")


async def _refuse_containing(acts: Asks, call: str, arguments: Mapping[str, object]) -> None:
    try:
        _, arn = await acts.identity()
    except (BlindError, UnknownOutcome) as error:
        raise Refused(f"{call}: whether it contains us cannot be told: {error}") from None
    why = containment.contains_itself(call, arguments, arn)
    if why:
        raise Refused(f"{call}: {why}", hint="act as somebody else")


async def _in_force(acts: Asks, bucket: object) -> str:
    """The policy there is; empty: there is none, or it may not be read, so that nothing of what
    is put is old.
    """
    try:
        answer = await acts.run("s3.GetBucketPolicy", {"Bucket": bucket})
    except BlindError:
        return ""
    return str(answer.get("Policy", ""))
