"""Calls that change who may do what, in words: policies of roles, buckets and keys."""

from __future__ import annotations

from probes.changes import policy_diff
from probes.changes.calls import resource_of
from probes.changes.words import parameters, tail, text
from probes.trail import ApiEvent


def policy_name(event: ApiEvent) -> str:
    """`checkout-task: policy detached orders-read`."""
    name = text(event, "policyName") or tail(text(event, "policyArn"))
    verb = event.name.replace("RolePolicy", "").replace("UserPolicy", "")
    words = {"Put": "policy set", "Delete": "policy deleted", "Attach": "policy attached",
             "Detach": "policy detached"}.get(verb, event.name)  # fmt: skip
    return f"{tail(resource_of(event))}: {words} {name}".strip()


def bucket(event: ApiEvent) -> str:
    """What was done to a bucket, and whether everybody may read it by that."""
    public = policy_diff.public_statement(document(event))
    told = f"bucket {resource_of(event)}: {event.name.replace('Bucket', ' bucket ').lower()}"
    return " ".join(told.split()) + (f", open to everybody: {public}" if public else "")


def document(event: ApiEvent) -> object:
    """The policy that a call set; None: it set none."""
    for name in ("policyDocument", "bucketPolicy", "policy"):
        if event.parameters.get(name) is not None:
            return event.parameters[name]
    return None


def policy_details(event: ApiEvent, before: ApiEvent | None) -> tuple[str, ...]:
    """Statements that came and went; what stands there now when the one before is not known."""
    now = document(event)
    if now is None:
        return parameters(event, before)
    was = document(before) if before is not None else None
    told = policy_diff.policy(was, now)
    if was is None:
        return ("what it was before is not in the last 90 days of CloudTrail", *told)
    return told
