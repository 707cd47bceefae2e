"""What is read of CloudWatch's answers on alarms."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from cockpit.connect.aws.answer import Answer, GivenText
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


class WarmUp(Answer, frozen=True):
    """How long an alarm may wait for its first data after it was made or changed."""

    warm_up_period_duration_in_minutes: int = 0

    @property
    def seconds(self) -> float:
        """0: it has none."""
        return self.warm_up_period_duration_in_minutes * 60.0


class JudgedMetric(Answer, frozen=True):
    """A metric in an expression."""

    namespace: SafeText = ""
    dimensions: tuple[Dimension, ...] = ()


class Stat(Answer, frozen=True):
    """What of a metric is in an expression."""

    metric: JudgedMetric = JudgedMetric()


class Query(Answer, frozen=True):
    """A part of an expression: a metric, or what is made of others."""

    metric_stat: Stat | None = None
    expression: SafeText = ""


class PromQl(Answer, frozen=True):
    """A query over metrics of OpenTelemetry."""

    query: SafeText = ""


class Criteria(Answer, frozen=True):
    """What an alarm judges that is neither metric nor expression: so far PromQL only."""

    prom_ql_criteria: PromQl | None = field(name="PromQLCriteria", default=None)


class MetricAlarm(AnyAlarm, frozen=True):
    """A row of `MetricAlarms`. Without a metric's name it watches an expression."""

    of = "cloudwatch.MetricAlarm"

    evaluation_state: SafeText = ""
    evaluation_criteria: Criteria | None = None
    warm_up_configuration: WarmUp = WarmUp()
    metrics: tuple[Query, ...] = ()
    namespace: SafeText = ""
    metric_name: SafeText = ""
    dimensions: tuple[Dimension, ...] = ()
    statistic: SafeText = ""
    extended_statistic: SafeText = ""
    period: int = 0
    evaluation_periods: int = 0
    treat_missing_data: SafeText = ""

    @property
    def judged(self) -> tuple[JudgedMetric, ...]:
        """The metrics in its expression."""
        return tuple(each.metric_stat.metric for each in self.metrics if each.metric_stat)

    @property
    def judges(self) -> str:
        """What it judges, where that is no single metric."""
        criteria = self.evaluation_criteria
        if criteria is not None and criteria.prom_ql_criteria is not None:
            return f"PromQL {criteria.prom_ql_criteria.query}"
        expressions = [each.expression for each in self.metrics if each.expression]
        return f"an expression: {expressions[0]}" if expressions and not self.metric_name else ""

    @property
    def unread(self) -> bool:
        """Whether it judges something that is not declared here."""
        return not (self.metric_name or self.metrics or self.judges)


class LogAlarm(AnyAlarm, frozen=True):
    """A row of `LogAlarms` (2026): a scheduled query over logs and a threshold."""

    of = "cloudwatch.LogAlarm"

    evaluation_state: SafeText = ""
    warm_up_configuration: WarmUp = WarmUp()


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


class MuteRuleSummary(Answer, frozen=True):
    """A row of `ListAlarmMuteRules`: whom it mutes is not in it."""

    of = "cloudwatch.AlarmMuteRuleSummary"

    alarm_mute_rule_arn: GivenText
    status: SafeText = ""

    @property
    def name(self) -> str:
        """At the end of its ARN."""
        return self.alarm_mute_rule_arn.split(":", 6)[-1]


class MuteSchedule(Answer, frozen=True):
    """`at(…)` once or `cron(…)` again and again, for how long (ISO 8601), and by which clock."""

    expression: SafeText = ""
    duration: SafeText = ""
    timezone: SafeText = ""


class MuteTimes(Answer, frozen=True):
    """When a rule mutes."""

    schedule: MuteSchedule = MuteSchedule()


class MuteTargets(Answer, frozen=True):
    """Whom a rule mutes: names, at most a hundred."""

    alarm_names: tuple[SafeText, ...] = ()


class MuteRule(Answer, frozen=True):
    """The answer of `GetAlarmMuteRule`."""

    of = "cloudwatch.GetAlarmMuteRuleOutput"

    name: SafeText = ""
    rule: MuteTimes = MuteTimes()
    mute_targets: MuteTargets = MuteTargets()
    expire_date: datetime | None = None
