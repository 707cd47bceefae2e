"""What is read of Lambda's answers, and as which value of the model.

Source: Lambda API reference. `LastModified` of a function is text (`2026-11-30T03:00:00.000+0000`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText, visible
from probes.lambda_function.model import Alias, EventSource, Provisioned, Share, Snapshot


class DeadLetter(Answer, frozen=True):
    """Where failed asynchronous events go."""

    target_arn: SafeText = ""


class Vpc(Answer, frozen=True):
    """Empty lists, or absent: not in a VPC."""

    subnet_ids: tuple[SafeText, ...] = ()


class Logging(Answer, frozen=True):
    """Absent on old functions: then the group is named after the function."""

    log_group: SafeText = ""


class FunctionRow(Answer, frozen=True):
    """A function's or a version's configuration. Environment values never get here."""

    of = "lambda.FunctionConfiguration"
    function_name: GivenText
    function_arn: GivenText
    version: SafeText = ""
    runtime: SafeText = ""
    role: SafeText = ""
    timeout: int = 3
    memory_size: int = 128
    last_modified: SafeText = ""
    code_sha256: SafeText = msgspec.field(name="CodeSha256", default="")
    revision_id: SafeText = ""
    state: SafeText = ""
    state_reason: SafeText = ""
    state_reason_code: SafeText = ""
    last_update_status: SafeText = ""
    last_update_status_reason: SafeText = ""
    last_update_status_reason_code: SafeText = ""
    dead_letter_config: DeadLetter = DeadLetter()
    vpc_config: Vpc = Vpc()
    logging_config: Logging = Logging()


class Routing(Answer, frozen=True):
    """Versions besides the main one, by their share of one."""

    additional_version_weights: dict[str, float] = msgspec.field(default_factory=dict)


class AliasRow(Answer, frozen=True):
    """A name of a version."""

    of = "lambda.AliasConfiguration"
    name: GivenText
    function_version: GivenText
    revision_id: SafeText = ""
    routing_config: Routing = Routing()


class MappingRow(Answer, frozen=True):
    """An event source mapping."""

    of = "lambda.EventSourceMappingConfiguration"
    id: GivenText = msgspec.field(name="UUID")
    event_source_arn: SafeText = ""
    state: SafeText = ""
    state_transition_reason: SafeText = ""
    last_processing_result: SafeText = ""
    batch_size: int | None = None
    last_modified: datetime | None = None


class ProvisionedRow(Answer, frozen=True):
    """Provisioned concurrency of a version or alias."""

    of = "lambda.ProvisionedConcurrencyConfigListItem"
    function_arn: SafeText = ""
    requested_provisioned_concurrent_executions: int = 0
    available_provisioned_concurrent_executions: int = 0
    status: SafeText = ""
    status_reason: SafeText = ""


class AccountLimit(Answer, frozen=True):
    """The concurrency that all functions of the region share."""

    of = "lambda.AccountLimit"
    concurrent_executions: int | None = None
    unreserved_concurrent_executions: int | None = None


class OnFailure(Answer, frozen=True):
    """Where a failed event goes; empty: nowhere."""

    destination: SafeText = ""


class Destinations(Answer, frozen=True):
    """What happens to an event at its end."""

    on_failure: OnFailure = OnFailure()


class InvokeConfigRow(Answer, frozen=True):
    """How asynchronous events are tried."""

    of = "lambda.FunctionEventInvokeConfig"
    destination_config: Destinations = Destinations()


class ScheduleRuleRow(Answer, frozen=True):
    """A rule of EventBridge."""

    of = "events.DescribeRuleResponse"
    name: SafeText = ""
    state: SafeText = ""
    schedule_expression: SafeText = ""


def name_of(id_: str) -> tuple[str, str]:
    """Name and qualifier out of an ARN, `name:alias` or a name."""
    if id_.startswith("arn:"):
        parts = id_.split(":")
        return parts[6] if len(parts) > 6 else id_, parts[7] if len(parts) > 7 else ""
    name, _, qualifier = id_.partition(":")
    return name, qualifier


def snapshot_of(row: FunctionRow, at: datetime, qualifier: str) -> Snapshot:
    """The configuration, without what other calls tell."""
    return Snapshot(
        at=at,
        name=row.function_name,
        arn=row.function_arn,
        qualifier=qualifier,
        version=row.version,
        state=row.state,
        state_code=row.state_reason_code,
        state_reason=row.state_reason,
        update=row.last_update_status,
        update_code=row.last_update_status_reason_code,
        update_reason=row.last_update_status_reason,
        modified=_moment(row.last_modified),
        sha=row.code_sha256,
        runtime=row.runtime,
        role=row.role,
        role_name=row.role.rpartition("/")[2],
        memory_mb=row.memory_size,
        timeout=row.timeout,
        revision=row.revision_id,
        in_vpc=bool(row.vpc_config.subnet_ids),
        log_group=row.logging_config.log_group or f"/aws/lambda/{row.function_name}",
        dead_letter=row.dead_letter_config.target_arn,
    )


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text))
    except ValueError:
        return None
    return at if at.tzinfo else None


def alias_of(row: AliasRow) -> Alias:
    """The alias with its weights."""
    weights = row.routing_config.additional_version_weights
    return Alias(
        name=row.name,
        version=row.function_version,
        weights=tuple(Share(version=visible(v), weight=w) for v, w in sorted(weights.items())),
        revision=row.revision_id,
        routing=dict(weights),
    )


def mapping_of(row: MappingRow) -> EventSource:
    """The mapping."""
    return EventSource(
        id=row.id,
        source=row.event_source_arn,
        state=row.state,
        result=row.last_processing_result,
        reason=row.state_transition_reason,
        batch=row.batch_size,
        changed=row.last_modified,
    )


def provisioned_of(row: ProvisionedRow) -> Provisioned:
    """The environments kept ready."""
    return Provisioned(
        qualifier=row.function_arn.rpartition(":")[2],
        status=row.status,
        requested=row.requested_provisioned_concurrent_executions,
        available=row.available_provisioned_concurrent_executions,
        reason=row.status_reason,
    )


def callers_of(policy: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who may invoke by a function's policy, and the names of EventBridge rules among them."""
    try:
        statements = json.loads(policy).get("Statement", [])
    except (ValueError, AttributeError):
        return (), ()
    who: list[str] = []
    rules: list[str] = []
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, dict) or statement.get("Effect") != "Allow":
            continue
        who += _principals(statement.get("Principal"))
        rules += (name for source in _sources(statement) if (name := _rule_of(source)))
    return tuple(dict.fromkeys(map(visible, who))), tuple(dict.fromkeys(rules))


def _principals(principal: object) -> Iterator[str]:
    if isinstance(principal, str):
        yield principal
    for each in principal.values() if isinstance(principal, dict) else ():
        yield from (str(one) for one in (each if isinstance(each, list) else [each]))


def _sources(statement: dict[str, object]) -> Iterable[str]:
    conditions = statement.get("Condition")
    for names in conditions.values() if isinstance(conditions, dict) else ():
        for name, value in names.items() if isinstance(names, dict) else ():
            if str(name).lower() == "aws:sourcearn":
                yield from (str(one) for one in (value if isinstance(value, list) else [value]))


def _rule_of(arn: str) -> str:
    found = re.fullmatch(r"arn:[\w-]+:events:[\w-]+:\d+:rule/([\w.-]+)", arn)
    return found[1] if found else ""


_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNITS = {"minute": 60, "hour": 3600, "day": 86400}


def period_of(schedule: str) -> float | None:
    """Seconds of a `rate(…)`; None for `cron(…)` and anything else: its gaps are not even."""
    found = _RATE.fullmatch(schedule.strip())
    return int(found[1]) * _UNITS[found[2]] if found else None
