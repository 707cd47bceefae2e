"""What a scenario adds to the account as data: resources, series, alarms, log lines, answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cockpit.errors import Misconfigured
from cockpit.world import healing
from cockpit.world.alarms import ThresholdAlarm
from cockpit.world.answers.logs import Lines, LogGroups
from cockpit.world.metrics import MetricSeries, course_of
from cockpit.world.resources import Resources

if TYPE_CHECKING:
    from cockpit.world.stage import Stage

_LONG_AGO = -3 * 3600.0


class Account:
    """Puts it there, before anything is broken."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def fill(self) -> None:
        """Everything of the scenario that is not the shop's. Calls moto: for a thread."""
        stage, scenario = self._stage, self._stage.scenario
        Resources(stage.clients, stage.book, stage.script).place(scenario.resource)
        for one in scenario.metric:
            stage.book.add(self._series(one))
        for one in scenario.alarm:
            stage.alarms.add(self._alarm(one))
        groups = LogGroups(stage.phases.ended)
        for one in scenario.log:
            groups.add(self._lines(one))
        stage.front.answers |= groups.table()
        stage.script.install(stage.front, scenario.answer, scenario.amend)
        stage.front.pages["phases"] = stage.phases.as_json
        healing.install(stage.front, stage.phases, stage.script, scenario.mend)

    def _series(self, one: Mapping[str, Any]) -> MetricSeries:
        dimensions = tuple(self._stage.script.filled(one.get("dimensions", {})).items())
        name = str(one["metric"])
        return MetricSeries(
            str(one["namespace"]), name, dimensions, course_of(one), str(one.get("about", ""))
        )

    def _alarm(self, one: Mapping[str, Any]) -> ThresholdAlarm:
        given = {key: value for key, value in one.items() if key not in {"metric", "about"}}
        found = self._stage.book.named(str(one["metric"]), str(one["about"]))
        if not found:
            raise Misconfigured(f"{self._stage.scenario.name}: no series {one['metric']}")
        return ThresholdAlarm(metric=found[0], **given)

    def _lines(self, one: Mapping[str, Any]) -> Lines:
        during = str(one.get("during", ""))
        onset = -self._stage.scenario.onset if during == healing.BROKEN else _LONG_AGO
        return Lines(
            group=str(one["group"]),
            stream=str(one["stream"]),
            text=self._stage.script.text(str(one["text"])),
            every=float(one.get("every", 10)),
            since=self._stage.script.begun + float(one.get("since", onset)),
            during=during,
        )
