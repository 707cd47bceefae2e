"""What a look at the quotas of a place holds. Runbook steps capture from these records by name.

Source: Service Quotas API Reference; CloudWatch User Guide, "AWS usage metrics". Only quotas with a
usage metric can be measured; of all others Service Quotas knows the limit alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import msgspec

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import MetricQuery, Series
from cockpit.text import SafeText
from probes.answers import Gap
from probes.metrics import NO_DATA

WORTH_WATCHING = (
    "lambda",
    "ec2",
    "fargate",
    "elasticloadbalancing",
    "rds",
    "dynamodb",
    "kms",
    "sns",
)
PENDING = frozenset({"PENDING", "CASE_OPENED"})
ENDED = frozenset({"APPROVED", "DENIED", "CASE_CLOSED", "NOT_APPROVED", "INVALID_REQUEST"})
_COUNTED = frozenset({"Maximum", "Average", "Minimum"})
_SECONDS: Mapping[str, float] = MappingProxyType(
    {
        "MICROSECOND": 1e-6,
        "MILLISECOND": 1e-3,
        "SECOND": 1.0,
        "MINUTE": 60.0,
        "HOUR": 3600.0,
        "DAY": 86_400.0,
        "WEEK": 604_800.0,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaSettings(AwsResource):
    """Kind `quotas`: those of one place."""

    services: tuple[str, ...] = WORTH_WATCHING
    """Service codes, as `aws service-quotas list-services` writes them."""


class UsageMetric(Answer, frozen=True):
    """Where CloudWatch has the use of a quota."""

    of = "service-quotas.MetricInfo"
    metric_namespace: SafeText = ""
    metric_name: SafeText = ""
    metric_dimensions: dict[str, SafeText] = msgspec.field(default_factory=dict)
    metric_statistic_recommendation: SafeText = ""


class QuotaSpan(Answer, frozen=True):
    """The time in which a rate may be used up."""

    of = "service-quotas.QuotaPeriod"
    period_value: int = 0
    period_unit: SafeText = ""


class QuotaRow(Answer, frozen=True):
    """One applied quota."""

    of = "service-quotas.ServiceQuota"
    service_code: GivenText
    quota_code: GivenText
    quota_name: SafeText = ""
    value: float | None = None
    unit: SafeText = ""
    adjustable: bool | None = None
    global_quota: bool = False
    usage_metric: UsageMetric = UsageMetric()
    period: QuotaSpan | None = None

    @property
    def is_rate(self) -> bool:
        """Calls in a time, and not things that are there."""
        return self.usage_metric.metric_statistic_recommendation == "Sum"

    @property
    def seconds(self) -> float | None:
        """Of the quota's period; None: it has none, or one of an unknown unit."""
        unit = _SECONDS.get(self.period.period_unit) if self.period else None
        return unit * self.period.period_value or None if unit and self.period else None

    def query(self, region: str) -> MetricQuery | None:
        """Its use in CloudWatch; None: it cannot be measured here, or not be compared."""
        metric = self.usage_metric
        stat = metric.metric_statistic_recommendation or "Maximum"
        comparable = stat in _COUNTED or (self.is_rate and self.seconds is not None)
        elsewhere = self.global_quota and region != "us-east-1"
        if not (metric.metric_namespace and metric.metric_name and self.value) or elsewhere:
            return None
        if not comparable:
            return None
        dimensions = tuple(sorted(metric.metric_dimensions.items()))
        period = 60 if self.is_rate else 300
        return MetricQuery(metric.metric_namespace, metric.metric_name, dimensions, stat, period)


class QuotaRequestRow(Answer, frozen=True):
    """An increase that was asked for."""

    of = "service-quotas.RequestedServiceQuotaChange"
    service_code: SafeText = ""
    quota_code: SafeText = ""
    quota_name: SafeText = ""
    desired_value: float | None = None
    status: SafeText = ""
    created: datetime | None = None
    last_updated: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """One quota that can be measured."""

    key: str
    """`lambda/L-B99A9384`."""
    service: str
    code: str
    name: str
    limit: float
    used: float | None = None
    """The most of the last minutes, a rate in the quota's own time; None: no point."""
    newest: datetime | None = None
    flows: bool = False
    """Calls or concurrency: at the limit it is refused now. False: things that are there; at the
    limit the next one is."""
    adjustable: bool | None = None
    history: tuple[float, ...] = ()
    points: Series = NO_DATA
    """The same with their times, as shares of the limit."""
    period: int = 60
    """Seconds of a point."""

    @property
    def share(self) -> float | None:
        """Of the limit; None: not known."""
        return None if self.used is None or self.limit <= 0 else self.used / self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRequest:
    """An increase that was asked for, the newest of its quota."""

    key: str
    name: str
    wanted: float | None
    status: str
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look: what is used most first."""

    at: datetime
    quotas: tuple[QuotaUse, ...] = ()
    unmeasured: int = 0
    """Quotas whose use AWS does not tell."""
    requests: tuple[QuotaRequest, ...] = ()
    pending: tuple[str, ...] = ()
    """Keys of quotas with a request that is not decided."""
    recent: tuple[str, ...] = ()
    """Keys of quotas for which something was asked in the last hour, whatever became of it."""
    gaps: tuple[Gap, ...] = ()
