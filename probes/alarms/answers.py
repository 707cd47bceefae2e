"""What is read of CloudWatch's answers on alarms."""

from __future__ import annotations

from datetime import datetime

from cockpit.connect.aws.answer import Answer
from cockpit.text import SafeText


class AnyAlarm(Answer, frozen=True):
    """What alarms on metrics and alarms on other alarms share."""

    alarm_name: SafeText = ""
    state_value: SafeText = ""
    state_reason: SafeText = ""
    state_transitioned_timestamp: datetime | None = None
    state_updated_timestamp: datetime | None = None
    """Moves without a change of state too."""
    alarm_actions: tuple[SafeText, ...] = ()
    actions_enabled: bool = True
    alarm_configuration_updated_timestamp: datetime | None = None


class Dimension(Answer, frozen=True):
    """One of the names by which a metric is found."""

    name: SafeText = ""
    value: SafeText = ""


class MetricAlarm(AnyAlarm, frozen=True):
    """A row of `MetricAlarms`. Without a metric's name it watches an expression."""

    of = "cloudwatch.MetricAlarm"

    evaluation_state: SafeText = ""
    namespace: SafeText = ""
    metric_name: SafeText = ""
    dimensions: tuple[Dimension, ...] = ()
    statistic: SafeText = ""
    extended_statistic: SafeText = ""
    period: int = 0
    evaluation_periods: int = 0


class CompositeAlarm(AnyAlarm, frozen=True):
    """A row of `CompositeAlarms`."""

    of = "cloudwatch.CompositeAlarm"

    actions_suppressed_by: SafeText = ""


class HistoryItem(Answer, frozen=True):
    """A row of `DescribeAlarmHistory`."""

    of = "cloudwatch.AlarmHistoryItem"

    timestamp: datetime | None = None
    alarm_name: SafeText = ""
    history_item_type: SafeText = ""
    history_summary: SafeText = ""
