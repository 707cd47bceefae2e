"""CloudWatch alarms of the shop, judged by the book of series at the moment that somebody asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cockpit.world import layout
from cockpit.world.metrics import Book, MetricSeries

_LATE = 60
_HISTORY = 120


@dataclass(slots=True)
class ThresholdAlarm:
    """A threshold alarm: `of` of the last `periods` minutes reach the threshold (`>=`)."""

    name: str
    metric: MetricSeries
    stat: str
    threshold: float
    periods: int = 3
    of: int = 2
    description: str = ""
    actions_enabled: bool = True

    @property
    def arn(self) -> str:
        """The alarm's ARN."""
        return f"arn:aws:cloudwatch:{layout.REGION}:{layout.ACCOUNT}:alarm:{self.name}"

    def breached(self, book: Book, minute: int) -> bool:
        """Whether the alarm is in ALARM after this minute. Missing data is not breaching."""
        values = [
            book.value(self.metric, start=(minute - back) * 60, period=60, stat=self.stat)
            for back in range(self.periods)
        ]
        return sum(v is not None and v >= self.threshold for v in values) >= self.of


class Alarms:
    """Every alarm. Safe from any thread."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._alarms: dict[str, ThresholdAlarm] = {}
        self._lock = threading.Lock()

    def add(self, alarm: ThresholdAlarm) -> None:
        """Enter an alarm."""
        with self._lock:
            self._alarms[alarm.name] = alarm

    def all(self) -> tuple[ThresholdAlarm, ...]:
        """Every alarm by its name."""
        with self._lock:
            return tuple(alarm for _, alarm in sorted(self._alarms.items()))

    def enable(self, names: list[str], *, enabled: bool) -> None:
        """Switch the actions of alarms on or off; unknown names are ignored, as AWS does."""
        with self._lock:
            for name in names:
                if name in self._alarms:
                    self._alarms[name].actions_enabled = enabled

    def transitions(self, alarm: ThresholdAlarm) -> list[tuple[float, bool]]:
        """When the alarm turned (seconds since the epoch) and to what, the oldest first."""
        newest = int((time.time() - _LATE) // 60) - 1
        before = False
        turns = []
        for minute in range(newest - _HISTORY, newest + 1):
            after = alarm.breached(self._book, minute)
            if after != before:
                turns.append(((minute + 1) * 60.0 + _LATE, after))
                before = after
        return turns

    def row(self, alarm: ThresholdAlarm) -> dict[str, Any]:
        """As `DescribeAlarms` gives it."""
        turns = self.transitions(alarm)
        at, firing = turns[-1] if turns else (time.time() - 30 * 86400, False)
        value = self._value(alarm)
        reason = (
            f"Threshold Crossed: {alarm.of} out of the last {alarm.periods} datapoints were "
            f"greater than or equal to the threshold ({alarm.threshold}), the newest {value}."
            if firing
            else f"Threshold Crossed: fewer than {alarm.of} datapoints reached {alarm.threshold}."
        )
        moment = datetime.fromtimestamp(min(at, time.time()), UTC)
        return {
            "AlarmName": alarm.name,
            "AlarmArn": alarm.arn,
            "AlarmDescription": alarm.description,
            "AlarmConfigurationUpdatedTimestamp": datetime.fromtimestamp(
                time.time() - 90 * 86400, UTC
            ),
            "ActionsEnabled": alarm.actions_enabled,
            "OKActions": [],
            "AlarmActions": [f"arn:aws:sns:{layout.REGION}:{layout.ACCOUNT}:on-call"],
            "InsufficientDataActions": [],
            "StateValue": "ALARM" if firing else "OK",
            "StateReason": reason,
            "StateUpdatedTimestamp": moment,
            "StateTransitionedTimestamp": moment,
            "MetricName": alarm.metric.name,
            "Namespace": alarm.metric.namespace,
            "Statistic": alarm.stat,
            "Dimensions": [{"Name": n, "Value": v} for n, v in alarm.metric.dimensions],
            "Period": 60,
            "EvaluationPeriods": alarm.periods,
            "DatapointsToAlarm": alarm.of,
            "Threshold": alarm.threshold,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        }

    def _value(self, alarm: ThresholdAlarm) -> str:
        start = (int(time.time() - _LATE) // 60 - 1) * 60
        value = self._book.value(alarm.metric, start=start, period=60, stat=alarm.stat)
        return "missing" if value is None else f"{value:.1f}"


def shop(book: Book) -> Iterator[ThresholdAlarm]:
    """The alarms that the shop has. None of them fires while nothing is broken."""
    rows = (
        ("shop-alb-5xx", "HTTPCode_Target_5XX_Count", layout.BALANCER, "Sum", 40.0,
         "targets answer 5xx"),
        ("checkout-unhealthy-hosts", "UnHealthyHostCount", layout.CHECKOUT.group, "Maximum", 1.0,
         "a target of checkout is unhealthy"),
        ("orders-connections-high", "DatabaseConnections", layout.DATABASE, "Maximum", 85.0,
         "orders is near max_connections"),
        ("carts-write-throttles", "WriteThrottleEvents", layout.TABLE, "Sum", 1.0,
         "writes to carts are throttled"),
        ("sessions-memory-high", "DatabaseMemoryUsagePercentage", f"{layout.CACHE}-001", "Maximum",
         90.0, "the sessions cache is nearly full"),
        ("search-latency-p99", "TargetResponseTime", layout.SEARCH.group, "Maximum", 1.5,
         "search is slow"),
    )  # fmt: skip
    for name, metric, about, stat, threshold, description in rows:
        for found in book.named(metric, about)[:1]:  # a part that is not there publishes nothing
            yield ThresholdAlarm(name, found, stat, threshold, description=description)
