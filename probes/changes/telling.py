"""A call of CloudTrail in words: a summary, and a line for each thing that it changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from probes.changes import grants, network
from probes.changes.calls import call_of, resource_of
from probes.changes.words import parameters, plainly, set_to, tail, text
from probes.trail import ApiEvent


def summary(event: ApiEvent) -> str:
    """One line: what was done to what. What it ended with when it failed."""
    told = _SUMMARIES.get(event.call, plainly)(event)
    if event.error:
        return f"{event.name} refused ({event.error}): {told}"
    return told


def details(event: ApiEvent, before: ApiEvent | None) -> tuple[str, ...]:
    """A line for each thing that it added, removed or set; `before`: the call that set it last."""
    return tuple(_DETAILS.get(event.call, parameters)(event, before))


def _service(event: ApiEvent) -> str:
    parts = []
    definition = text(event, "taskDefinition").rpartition("/")[2]
    if definition:
        parts.append(f"deployment of {definition}")
    elif event.parameters.get("forceNewDeployment") in (True, "true"):
        parts.append("new deployment of the same task definition")
    if count := text(event, "desiredCount"):
        parts.append(f"desired {count}")
    return f"UpdateService {tail(resource_of(event))}: {', '.join(parts) or 'other settings'}"


def _alias(event: ApiEvent) -> str:
    version = text(event, "functionVersion")
    to = f" → version {version}" if version else ""
    return f"alias {text(event, 'name')} of {tail(resource_of(event))}{to}"


def _alias_details(event: ApiEvent, before: ApiEvent | None) -> tuple[str, ...]:
    was = text(before, "functionVersion") if before is not None else ""
    told = [f"version: {was or 'not known'} → {text(event, 'functionVersion')}"]
    routing = event.parameters.get("routingConfig")
    if isinstance(routing, Mapping):
        weights = routing.get("additionalVersionWeights")
        if isinstance(weights, Mapping):
            told += [f"version {name} gets {share} of one" for name, share in weights.items()]
    return tuple(told)


def _records(event: ApiEvent) -> str:
    names = [f"{action} {name} {kind}" for action, name, kind in _record_changes(event)]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"zone {resource_of(event)}: {names[0] if names else 'records'}{more}"


def _record_changes(event: ApiEvent) -> list[tuple[str, str, str]]:
    batch = event.parameters.get("changeBatch")
    changes = batch.get("changes") if isinstance(batch, Mapping) else None
    found = []
    for each in changes if isinstance(changes, list) else ():
        held = each.get("resourceRecordSet") if isinstance(each, Mapping) else None
        if isinstance(held, Mapping):
            found.append(
                (str(each.get("action", "")).lower(), str(held.get("name", "")),
                 str(held.get("type", "")))
            )  # fmt: skip
    return found


def _record_details(event: ApiEvent, before: ApiEvent | None) -> tuple[str, ...]:
    return tuple(f"{action} {name} {kind}" for action, name, kind in _record_changes(event))


def _group_parameters(event: ApiEvent, before: ApiEvent | None) -> tuple[str, ...]:
    told = []
    held = event.parameters.get("parameters") or event.parameters.get("parameterNameValues")
    for each in held if isinstance(held, list) else ():
        if isinstance(each, Mapping):
            when = f" ({each['applyMethod']})" if each.get("applyMethod") else ""
            told.append(f"{each.get('parameterName')} = {each.get('parameterValue')}{when}")
    return tuple(told) or parameters(event, before)


def _parameter_group(event: ApiEvent) -> str:
    lines = _group_parameters(event, None)
    first = f": {lines[0]}" if lines else ""
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"parameter group {resource_of(event)}{first}{more}"


_SUMMARIES: Mapping[str, Callable[[ApiEvent], str]] = {
    "ecs.UpdateService": _service,
    **dict.fromkeys(
        [
            f"ec2.{verb}SecurityGroup{way}"
            for verb in ("Authorize", "Revoke")
            for way in ("Ingress", "Egress")
        ],
        network.group,
    ),
    **dict.fromkeys(
        [f"ec2.{verb}NetworkAclEntry" for verb in ("Create", "Replace", "Delete")],
        network.acl_entry,
    ),
    **dict.fromkeys(
        [f"ec2.{verb}Route" for verb in ("Create", "Replace", "Delete")], network.route
    ),
    "lambda.UpdateAlias": _alias,
    "lambda.CreateAlias": _alias,
    **dict.fromkeys(
        [f"iam.{verb}RolePolicy" for verb in ("Put", "Delete", "Attach", "Detach")],
        grants.policy_name,
    ),
    "s3.PutBucketPolicy": grants.bucket,
    "s3.DeleteBucketPolicy": grants.bucket,
    "route53.ChangeResourceRecordSets": _records,
    **dict.fromkeys(
        [
            "rds.ModifyDBParameterGroup",
            "rds.ModifyDBClusterParameterGroup",
            "elasticache.ModifyCacheParameterGroup",
        ],
        _parameter_group,
    ),
    **dict.fromkeys(
        [
            "rds.ModifyDBInstance",
            "rds.ModifyDBCluster",
            "elasticache.ModifyReplicationGroup",
            "lambda.UpdateFunctionConfiguration",
            "autoscaling.UpdateAutoScalingGroup",
            "elbv2.ModifyTargetGroup",
            "dynamodb.UpdateTable",
        ],
        set_to,
    ),
}
_DETAILS: Mapping[str, Callable[[ApiEvent, ApiEvent | None], Sequence[str]]] = {
    **dict.fromkeys(
        [call for call in _SUMMARIES if "SecurityGroup" in call], network.group_details
    ),
    "lambda.UpdateAlias": _alias_details,
    "iam.PutRolePolicy": grants.policy_details,
    "iam.PutUserPolicy": grants.policy_details,
    "iam.UpdateAssumeRolePolicy": grants.policy_details,
    "iam.CreatePolicyVersion": grants.policy_details,
    "s3.PutBucketPolicy": grants.policy_details,
    "kms.PutKeyPolicy": grants.policy_details,
    "route53.ChangeResourceRecordSets": _record_details,
    "rds.ModifyDBParameterGroup": _group_parameters,
    "rds.ModifyDBClusterParameterGroup": _group_parameters,
    "elasticache.ModifyCacheParameterGroup": _group_parameters,
}
SET_AGAIN = frozenset(
    {
        "iam.PutRolePolicy",
        "iam.PutUserPolicy",
        "iam.UpdateAssumeRolePolicy",
        "iam.CreatePolicyVersion",
        "s3.PutBucketPolicy",
        "kms.PutKeyPolicy",
        "lambda.UpdateAlias",
    }
)
"""Calls that put the whole of something: what it was stands in the call before."""


def same_thing(one: ApiEvent, other: ApiEvent) -> bool:
    """Whether two calls set the same policy, or the same alias of the same function."""
    if one.call != other.call or resource_of(one) != resource_of(other):
        return False
    return all(text(one, name) == text(other, name) for name in ("policyName", "name"))


def kind_and_risk(event: ApiEvent) -> tuple[str, float]:
    """The kind of the change, and how likely one of its sort breaks something."""
    call = call_of(event)
    if event.call == "ecs.UpdateService" and not (
        event.parameters.get("taskDefinition")
        or event.parameters.get("forceNewDeployment") in (True, "true")
    ):
        return "ecs.scaling", 0.5
    return call.kind, call.risk
