"""CloudWatch, answered from the world's book of series and its alarms."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import Any

from cockpit.world.alarms import Alarms, ThresholdAlarm
from cockpit.world.front import Answerer, Operation
from cockpit.world.identify import AwsRequest
from cockpit.world.metrics import Book, MetricSeries
from cockpit.world.protocol import Refusal

_MOST_QUERIES = 500
_MOST_POINTS = 100_800
Parameters = dict[str, Any]


class CloudWatch:
    """`GetMetricData` with every statistic, `GetMetricStatistics`, `ListMetrics` and alarms."""

    def __init__(self, book: Book, alarms: Alarms) -> None:
        self._book = book
        self._alarms = alarms

    def table(self) -> dict[Operation, Answerer]:
        """What it answers."""
        named = {
            "GetMetricData": self._get_data,
            "GetMetricStatistics": self._get_statistics,
            "ListMetrics": self._list_metrics,
            "DescribeAlarms": self._describe_alarms,
            "DescribeAlarmsForMetric": self._describe_for_metric,
            "DescribeAlarmHistory": self._describe_history,
            "ListAlarmMuteRules": lambda _request, _asked: {"AlarmMuteRuleSummaries": []},
            "DescribeAnomalyDetectors": lambda _request, _asked: {"AnomalyDetectors": []},
            "EnableAlarmActions": self._enable,
            "DisableAlarmActions": self._enable,
        }
        return {("cloudwatch", name): answer for name, answer in named.items()}

    def _get_data(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        queries = asked.get("MetricDataQueries") or []
        if not 1 <= len(queries) <= _MOST_QUERIES:
            raise Refusal(
                "ValidationError", f"The collection MetricDataQueries has {len(queries)} members."
            )
        start, end = moment(asked["StartTime"]), moment(asked["EndTime"])
        if end <= start:
            raise Refusal("ValidationError", "The parameter StartTime must be less than EndTime.")
        newest_first = asked.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        results = []
        points = 0
        for query in queries:
            times, values = self._points(query, start, end)
            points += len(times)
            if newest_first:
                times, values = times[::-1], values[::-1]
            if query.get("ReturnData", True) not in {False, "false"}:
                results.append(
                    {
                        "Id": query["Id"],
                        "Label": query.get("Label") or query["MetricStat"]["Metric"]["MetricName"],
                        "Timestamps": times,
                        "Values": values,
                        "StatusCode": "Complete",
                    }
                )
        if points > _MOST_POINTS:
            raise Refusal("ValidationError", "Too many datapoints were asked for.")
        return {"MetricDataResults": results, "Messages": []}

    def _points(
        self, query: Parameters, start: float, end: float
    ) -> tuple[list[datetime], list[float]]:
        asked = query.get("MetricStat")
        if asked is None:
            raise Refusal("ValidationError", "This world has no metric math: ask for MetricStat.")
        metric = self._find(asked["Metric"])
        period = int(asked.get("Period") or 60)
        if period % 60 and period not in {1, 5, 10, 20, 30}:
            raise Refusal("ValidationError", "The period must be 1, 5, 10, 20, 30 or n * 60.")
        if metric is None:
            return [], []
        return self._series(metric, asked["Stat"], start, end=end, period=max(period, 60))

    def _series(
        self, metric: MetricSeries, stat: str, start: float, *, end: float, period: int
    ) -> tuple[list[datetime], list[float]]:
        times: list[datetime] = []
        values: list[float] = []
        at = math.floor(start / period) * period
        while at < end and at <= time.time():
            value = self._book.value(metric, start=at, period=period, stat=stat)
            if value is not None:
                times.append(datetime.fromtimestamp(at, UTC))
                values.append(value)
            at += period
        return times, values

    def _find(self, asked: Parameters) -> MetricSeries | None:
        dimensions = {one["Name"]: one["Value"] for one in asked.get("Dimensions") or ()}
        return self._book.find(asked["Namespace"], asked["MetricName"], dimensions)

    def _get_statistics(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        metric = self._find(asked)
        period = int(asked["Period"])
        start, end = moment(asked["StartTime"]), moment(asked["EndTime"])
        rows: dict[datetime, dict[str, Any]] = {}
        plain = asked.get("Statistics") or []
        extended = asked.get("ExtendedStatistics") or []
        for stat in (*plain, *extended) if metric else ():
            assert metric is not None
            times, values = self._series(metric, stat, start, end=end, period=period)
            for at, value in zip(times, values, strict=True):
                row = rows.setdefault(at, {"Timestamp": at, "Unit": "None"})
                if stat in plain:
                    row[stat] = value
                else:
                    row.setdefault("ExtendedStatistics", {})[stat] = value
        return {"Label": asked["MetricName"], "Datapoints": list(rows.values())}

    def _list_metrics(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        wanted = asked.get("Dimensions") or []
        rows = []
        for metric in self._book.all():
            given = dict(metric.dimensions)
            fits = (
                asked.get("Namespace", metric.namespace) == metric.namespace
                and asked.get("MetricName", metric.name) == metric.name
                and all(
                    one["Name"] in given
                    and one.get("Value", given[one["Name"]]) == given[one["Name"]]
                    for one in wanted
                )
            )
            if fits:
                dimensions = [{"Name": n, "Value": v} for n, v in metric.dimensions]
                rows.append(
                    {
                        "Namespace": metric.namespace,
                        "MetricName": metric.name,
                        "Dimensions": dimensions,
                    }
                )
        return {"Metrics": rows}

    def _describe_alarms(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        kinds = asked.get("AlarmTypes") or ["MetricAlarm"]
        names, prefix = asked.get("AlarmNames"), asked.get("AlarmNamePrefix") or ""
        if names and prefix:
            raise Refusal("ValidationError", "AlarmNames and AlarmNamePrefix exclude each other.")
        rows = [
            self._alarms.row(alarm)
            for alarm in self._alarms.all()
            if alarm.name.startswith(prefix) and (not names or alarm.name in names)
        ]
        state = asked.get("StateValue")
        kept = [row for row in rows if state in {None, row["StateValue"]}]
        return {
            "MetricAlarms": kept if "MetricAlarm" in kinds else [],
            "CompositeAlarms": [],
            "LogAlarms": [],
        }

    def _describe_for_metric(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        metric = self._find(asked)
        rows = [self._alarms.row(alarm) for alarm in self._alarms.all() if alarm.metric is metric]
        return {"MetricAlarms": rows}

    def _describe_history(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        start = moment(asked.get("StartDate", time.time() - 14 * 86400))
        end = moment(asked.get("EndDate", time.time()))
        if asked.get("HistoryItemType", "StateUpdate") != "StateUpdate":
            return {"AlarmHistoryItems": []}
        items = [
            _history(alarm, at, firing)
            for alarm in self._alarms.all()
            if asked.get("AlarmName", alarm.name) == alarm.name
            for at, firing in self._alarms.transitions(alarm)
            if start <= at <= end
        ]
        newest_first = asked.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        return {
            "AlarmHistoryItems": sorted(
                items, key=lambda item: item["Timestamp"], reverse=newest_first
            )
        }

    def _enable(self, request: AwsRequest, asked: Parameters) -> dict[str, Any]:
        names = list(asked.get("AlarmNames") or ())
        self._alarms.enable(names, enabled=request.operation == "EnableAlarmActions")
        return {}


def _history(alarm: ThresholdAlarm, at: float, firing: bool) -> dict[str, Any]:
    before, after = ("OK", "ALARM") if firing else ("ALARM", "OK")
    return {
        "AlarmName": alarm.name,
        "AlarmType": "MetricAlarm",
        "Timestamp": datetime.fromtimestamp(at, UTC),
        "HistoryItemType": "StateUpdate",
        "HistorySummary": f"Alarm updated from {before} to {after}",
        "HistoryData": f'{{"version":"1.0","oldState":{{"stateValue":"{before}"}},'
        f'"newState":{{"stateValue":"{after}"}}}}',
    }


def moment(given: object) -> float:
    """Seconds since the epoch of a time on the wire: a number, or ISO 8601."""
    if isinstance(given, int | float):
        return float(given)
    text = str(given)
    if text.replace(".", "", 1).isdigit():
        return float(text)
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
