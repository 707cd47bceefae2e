"""AWS operations by name: does a call exist, are its arguments right, how risky is it.

Reads botocore's service models from disk: call these off the loop, or where waiting is fine (lint,
planning). Both spellings are understood: `rds.RebootDBInstance` and `rds.reboot_db_instance`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from cockpit.connect.aws import reads
from cockpit.connect.aws.documents import policy_problems
from cockpit.errors import Misconfigured

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel, Shape

Risk = Literal["read", "low", "high", "destructive"]

_LOW = frozenset(
    name
    for names in (
        "autoscaling.SetInstanceProtection autoscaling.ResumeProcesses",
        "application-autoscaling.RegisterScalableTarget",
        "athena.StopQueryExecution",
        "cloudwatch.DisableAlarmActions cloudwatch.EnableAlarmActions cloudwatch.PutAlarmMuteRule",
        "ec2.CreateSnapshot ec2.CreateTags",
        "ecs.UpdateTaskProtection",
        "service-quotas.RequestServiceQuotaIncrease",
        "elasticache.BatchStopUpdateAction elasticache.CreateSnapshot",
        "elasticache.IncreaseReplicaCount elasticache.ModifyServerlessCache",
        "elbv2.ModifyCapacityReservation elbv2.RegisterTargets",
        "lambda.PutProvisionedConcurrencyConfig",
        "rds.CreateDBClusterSnapshot rds.CreateDBSnapshot",
        "rds.RestoreDBInstanceToPointInTime rds.StartDBCluster rds.StartDBInstance",
    )
    for name in names.split()
)
_HIGH = frozenset(
    name
    for names in (
        "iam.DeleteRolePolicy iam.DeleteUserPolicy",
        "lambda.DeleteFunctionConcurrency",
        "s3.DeleteBucketPolicy s3.DeleteObject",
    )
    for name in names.split()
)
"""Operations whose verb sounds worse than the catalogue judges them; others default to high."""

_DESTRUCTIVE = frozenset(
    name
    for names in (
        "autoscaling.TerminateInstanceInAutoScalingGroup",
        "cloudwatch.SetAlarmState",
        "ec2.CreateNetworkAclEntry ec2.ReplaceNetworkAclEntry ec2.ReplaceNetworkAclAssociation",
        "ec2.CreateRoute ec2.ReplaceRoute ec2.ReplaceRouteTableAssociation",
        "ec2.AssociateRouteTable ec2.DisassociateRouteTable",
        "elasticache.RebootCacheCluster",
        "rds.PromoteReadReplica rds.PromoteReadReplicaDBCluster",
        "s3control.PutPublicAccessBlock",
        "sqs.PurgeQueue",
    )
    for name in names.split()
)
_ENDING = re.compile(r"(Delete|Terminate|Purge|Destroy|Revoke(?!SecurityGroup))")
_TO_ZERO: Mapping[str, str] = MappingProxyType(
    {
        "ecs.UpdateService": "desiredCount",
        "autoscaling.SetDesiredCapacity": "DesiredCapacity",
        "autoscaling.UpdateAutoScalingGroup": "MaxSize",
        "lambda.PutFunctionConcurrency": "ReservedConcurrentExecutions",
    }
)
"""Calls that switch a service off when this argument is 0."""


def parse(call: str) -> tuple[str, str]:
    """`ecs.update_service` → (`ecs`, `UpdateService`).

    Raises `Misconfigured`, with the nearest words, when there is no such service or operation.
    """
    service, dot, operation = call.partition(".")
    if not dot or not operation:
        raise Misconfigured(f"{call!r} is not a call", hint="write service.Operation")
    if service not in _services():
        raise Misconfigured(f"{call}: no service {service!r}{_nearest(service, _services())}")
    names = _operations(service)
    found = names.get(_plain(operation))
    if found is None:
        near = _nearest(operation, names.values(), f"{service}.")
        raise Misconfigured(f"{call}: {service} has no operation {operation!r}{near}")
    return service, found


def validate_call(call: str, arguments: Mapping[str, object]) -> list[str]:
    """Everything that is wrong with a call and its arguments, in words; empty: nothing.

    Checked: the service, the operation, names of parameters (with nearest words), types, required
    ones, lengths and ranges, all by botocore's model; and what a policy in them opens. No network.
    """
    return validate_draft(call, arguments, lambda _: False)


def validate_draft(
    call: str, arguments: Mapping[str, object], is_open: Callable[[object], bool]
) -> list[str]:
    """The same for a call of which some values are not known yet: those that `is_open` says yes to.

    Of such a value only the place is judged: the model's own type and least length stand for it.
    """
    try:
        service, operation = parse(call)
    except Misconfigured as error:
        return [error.message]
    from botocore.validate import ParamValidator

    shape = _model(service).operation_model(operation).input_shape
    if shape is None:
        return [f"{operation} takes no parameters"] if arguments else []
    unknown = [name for name in arguments if name not in shape.members]
    problems = [f"unknown parameter {name!r}{_nearest(name, shape.members)}" for name in unknown]
    known = {
        name: _stood_in(value, shape.members[name], is_open)
        for name, value in arguments.items()
        if name in shape.members
    }
    report = ParamValidator().validate(known, shape).generate_report()
    problems += [line for line in report.splitlines() if line]
    return problems or [*policy_problems(f"{service}.{operation}", _closed(arguments, is_open))]


def _stood_in(value: object, shape: Shape, is_open: Callable[[object], bool]) -> object:
    """The value with something that its shape takes for each part that is open."""
    if is_open(value):
        return _taken(shape)
    if isinstance(value, Mapping):
        of = getattr(shape, "members", {}).get if shape.type_name == "structure" else None
        inner = {name: of(name) if of else getattr(shape, "value", None) for name in value}
        return {
            name: _stood_in(each, inner[name], is_open) if inner[name] is not None else each
            for name, each in value.items()
        }
    if isinstance(value, list | tuple) and shape.type_name == "list":
        return [_stood_in(each, shape.member, is_open) for each in value]
    return value


def _taken(shape: Shape) -> object:
    """The least that a shape takes; required members and all."""
    least = int(shape.metadata.get("min", 0))
    match shape.type_name:
        case "structure":
            needed = getattr(shape, "required_members", ())
            return {name: _taken(shape.members[name]) for name in needed}
        case "list":
            return [_taken(shape.member)] * least
        case "map":
            return {}
        case "boolean":
            return True
        case "string" | "character":
            return "x" * max(least, 1)
        case "blob":
            return b"x" * max(least, 1)
        case "timestamp":
            return 0
        case "float" | "double":
            return float(max(least, 1))
        case _:
            return max(least, 1)


def _closed(value: Mapping[str, object], is_open: Callable[[object], bool]) -> dict[str, object]:
    """The arguments without what is open, down to the members of structures."""
    known = {name: each for name, each in value.items() if not is_open(each)}
    return {
        name: _closed(each, is_open) if isinstance(each, Mapping) else each
        for name, each in known.items()
    }


def classify(operation: str, arguments: Mapping[str, object] | None = None) -> Risk:
    """The least risk that a step with this call may be given: `service.Operation`, both spellings.

    Default is `high`; what deletes, terminates, or edits routes and network ACLs is `destructive`;
    so is scaling to 0, when the arguments are known. Raises `Misconfigured` for unknown calls.
    """
    service, name = parse(operation)
    full = f"{service}.{name}"
    if reads.is_read(service, name) or name in reads.CONSENT.get(service, frozenset()):
        return "read"
    zeroed = _TO_ZERO.get(full)
    if full in _DESTRUCTIVE or (zeroed and (arguments or {}).get(zeroed) == 0):
        return "destructive"
    if full in _LOW:
        return "low"
    if full not in _HIGH and _ENDING.match(name):
        return "destructive"
    return "high"


def operation_names(service: str) -> tuple[str, ...]:
    """The operations of a service, as the API spells them; empty for unknown services."""
    return tuple(sorted(_operations(service).values())) if service in _services() else ()


def _plain(operation: str) -> str:
    return operation.replace("_", "").lower()


def _nearest(word: str, words: Iterable[str], prefix: str = "") -> str:
    """As `text.nearest`, whatever the spelling: `describe_services` is `DescribeServices`."""
    plain = {_plain(each): each for each in words}
    near = get_close_matches(_plain(word), plain, n=1, cutoff=0.6)
    return f"; did you mean {prefix}{plain[near[0]]}?" if near else ""


@cache
def _services() -> frozenset[str]:
    return frozenset(_loader().list_available_services("service-2"))


@cache
def _operations(service: str) -> Mapping[str, str]:
    return {_plain(name): name for name in _model(service).operation_names}


@cache
def _model(service: str) -> ServiceModel:
    from botocore.model import ServiceModel

    return ServiceModel(_loader().load_service_model(service, "service-2"), service)


@cache
def _loader() -> Loader:
    from cockpit.connect.aws.loader import ModelLoader

    return ModelLoader()
