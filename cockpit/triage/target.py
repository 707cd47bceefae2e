"""One named thing to look at, from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from cockpit.connect.settings import ConnectionSettings

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "alb": "alb",
        "target_group": "tg",
        "ecs_service": "ecs",
        "ecs_cluster": "ecs",
        "rds": "rds",
        "postgres": "pg",
        "mysql": "mysql",
        "elasticache": "cache",
        "redis": "redis",
        "memcached": "mc",
        "dynamodb_table": "ddb",
        "endpoint": "url",
        "vpc_path": "path",
        "lambda_function": "fn",
        "api_gateway": "api",
        "s3_bucket": "s3",
        "autoscaling_group": "asg",
        "ec2_instance": "ec2",
        "athena_workgroup": "athena",
        "sns_topic": "sns",
        "alarms": "alarm",
        "log_group": "log",
        "changes": "chg",
        "slo": "slo",
    }
)
"""Every kind of the product, with the short name that narrow columns show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A thing to look at: its name is unique and is what people say and type."""

    name: str
    kind: str
    settings: ConnectionSettings
    needs: tuple[str, ...] = ()
    """Names of the targets that this one cannot work without."""
    service: str = ""
    """The group that it is shown under; empty: the place's default group."""
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Probe id → validated threshold overrides, as `settings` fields."""
    line: int = 0
    """Where the configuration defines it, 0 when unknown."""

    @property
    def short(self) -> str:
        """The kind as narrow columns show it."""
        return KINDS.get(self.kind, self.kind)
