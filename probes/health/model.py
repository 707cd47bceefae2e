"""What a look at AWS Health holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText
from probes.answers import Gap

NOTICE, CHANGE = "accountNotification", "scheduledChange"
CATEGORIES = frozenset({"issue", "investigation", NOTICE, CHANGE})
STATUSES = frozenset({"open", "closed", "upcoming"})
ENTITY_STATUSES = frozenset({"IMPAIRED", "UNIMPAIRED", "UNKNOWN", "PENDING", "RESOLVED"})
KINDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ELASTICLOADBALANCING": frozenset({"alb", "target_group"}),
        "ECS": frozenset({"ecs_service", "ecs_cluster"}),
        "FARGATE": frozenset({"ecs_service", "ecs_cluster"}),
        "LAMBDA": frozenset({"lambda_function"}),
        "APIGATEWAY": frozenset({"api_gateway"}),
        "AUTOSCALING": frozenset({"autoscaling_group"}),
        "EC2": frozenset({"ec2_instance", "autoscaling_group", "ecs_cluster", "vpc_path"}),
        "VPC": frozenset({"vpc_path"}),
        "S3": frozenset({"s3_bucket"}),
        "RDS": frozenset({"rds"}),
        "ELASTICACHE": frozenset({"elasticache"}),
        "DYNAMODB": frozenset({"dynamodb_table"}),
        "CLOUDWATCH": frozenset({"alarms", "metric", "slo", "log_group"}),
        "SQS": frozenset({"sqs_queue"}),
        "SNS": frozenset({"sns_topic"}),
        "KINESIS": frozenset({"kinesis_stream"}),
        "STATES": frozenset({"state_machine"}),
        "ATHENA": frozenset({"athena_workgroup"}),
    }
)
"""Health's name of a service → the kinds of targets that it is under."""


class HealthRow(Answer, frozen=True, rename="camel"):
    """An event. The list of statuses and categories may grow."""

    of = "health.Event"
    arn: GivenText
    service: SafeText = ""
    event_type_code: SafeText = ""
    event_type_category: SafeText = ""
    region: SafeText = ""
    availability_zone: SafeText = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    last_updated_time: datetime | None = None
    status_code: SafeText = ""
    event_scope_code: SafeText = ""
    actionability: SafeText = ""


class DescriptionRow(Answer, frozen=True, rename="camel"):
    """What AWS wrote of an event last."""

    of = "health.EventDescription"
    latest_description: SafeText = ""


class DetailsRow(Answer, frozen=True, rename="camel"):
    """An event with its description."""

    of = "health.EventDetails"
    event: HealthRow
    event_description: DescriptionRow = DescriptionRow()


class EntityRow(Answer, frozen=True, rename="camel"):
    """Something of the account that an event concerns."""

    of = "health.AffectedEntity"
    event_arn: SafeText = ""
    entity_value: SafeText = ""
    status_code: SafeText = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedEntity:
    """Named by id or ARN, or `AWS_ACCOUNT`."""

    name: str
    status: str = ""
    target: str = ""
    """The target that it is; empty: none of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthEvent:
    """One event of AWS that is not closed."""

    arn: str
    service: str
    code: str
    category: str
    status: str
    region: str = ""
    zone: str = ""
    start: datetime | None = None
    end: datetime | None = None
    updated: datetime | None = None
    scope: str = ""
    """`PUBLIC` events may not concern this account at all."""
    asks: str = ""
    """`ACTION_REQUIRED`, `ACTION_MAY_BE_REQUIRED`, `INFORMATIONAL`; empty: not told."""
    text: str = ""
    entities: tuple[AffectedEntity, ...] = ()
    targets: tuple[str, ...] = ()
    """Those that are under its service."""

    @property
    def known(self) -> bool:
        """Whether its status and category are in the cockpit's tables."""
        return self.status in STATUSES and self.category in CATEGORIES

    @property
    def hit(self) -> tuple[str, ...]:
        """Our targets that it names, those that are over it left out."""
        live = (each for each in self.entities if each.status not in {"UNIMPAIRED", "RESOLVED"})
        return tuple(dict.fromkeys(each.target for each in live if each.target))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look: events that are open or coming, newest first."""

    at: datetime
    region: str
    events: tuple[HealthEvent, ...] = ()
    gaps: tuple[Gap, ...] = ()
