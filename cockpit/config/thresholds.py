"""The settings of probes: for all targets, and for one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, get_type_hints

from cockpit.config.fields import Fields
from cockpit.plugins import attempt
from cockpit.text import nearest
from cockpit.triage.families import looking_at
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import AnyProbe


class ProbeSettings:
    """Reads tables `[probes."ID"]`."""

    def __init__(self, fields: Fields, probes: Mapping[str, AnyProbe]) -> None:
        self._fields = fields
        self._probes = probes
        self.general: dict[str, Any] = {}
        """Probe id → the settings that hold for all its targets, once they are read."""

    def read_general(self, document: Mapping[str, Any]) -> None:
        """The tables at the top of the file."""
        self.general = {
            id_: dataclasses.replace(self._probes[id_].settings, **changed)
            for id_, changed in self.tables(document, "probes").items()
        }

    def tables(
        self, parent: Mapping[str, Any], where: str, *, kind: str = ""
    ) -> dict[str, dict[str, Any]]:
        """Probe id → what the tables under `where` change; `kind`: only its probes are known."""
        tables = parent.get("probes", {})
        if not isinstance(tables, dict):
            self._fields.say(where, 'must hold tables: [probes."postgres.sessions"]')
            return {}
        changed: dict[str, dict[str, Any]] = {}
        for id_, table in tables.items():
            probe = self._probes.get(id_)
            if probe is None or (kind and probe.kind != kind):
                known = [p.id for p in looking_at(self._probes, kind)] if kind else self._probes
                self._fields.say(f'{where}."{id_}"', f"no such probe{nearest(id_, known)}")
            elif isinstance(table, dict):
                base: Any = self.general.get(id_, probe.settings)
                given = self._changed(base, table, f'{where}."{id_}"')
                _, why = attempt(partial(dataclasses.replace, base, **given))
                if why:  # a rule of the settings' own
                    self._fields.say(f'{where}."{id_}"', f"the probe refuses it: {why}")
                changed[id_] = {} if why else given
            else:
                self._fields.say(f'{where}."{id_}"', "must be a table of thresholds")
        return changed

    def _changed(self, defaults: Any, table: Mapping[str, Any], where: str) -> dict[str, Any]:
        fields = {f.name for f in dataclasses.fields(defaults)}
        self._fields.unknown(table, tuple(sorted(fields)), where)
        hints = get_type_hints(type(defaults))
        changed: dict[str, Any] = {}
        for key, value in table.items():
            if key not in fields:
                continue
            default = getattr(defaults, key)
            if isinstance(default, Thresholds):
                changed[key] = self._graded(default, value, f"{where}.{key}")
            else:
                ok, converted = self._fields.convert(value, hints[key], f"{where}.{key}")
                if ok:
                    changed[key] = converted
        return changed

    def _graded(self, default: Thresholds, value: Any, where: str) -> Thresholds:
        levels = ("info", "warning", "high", "critical")
        if not isinstance(value, dict):
            self._fields.say(where, "must be a table such as { warning = 0.8, critical = 0.95 }")
            return default
        self._fields.unknown(value, levels, where)
        given: dict[str, Any] = {}
        for level in levels:
            limit = value.get(level, getattr(default, level))
            if limit is not None and (
                isinstance(limit, bool) or not isinstance(limit, int | float)
            ):
                self._fields.say(f"{where}.{level}", "must be a number")
                return default
            given[level] = limit
        ordered = [limit for limit in given.values() if limit is not None]
        if ordered != sorted(ordered, reverse=default.below):
            direction = "fall" if default.below else "rise"
            self._fields.say(where, f"the limits must {direction} from info to critical")
        return dataclasses.replace(default, **given)
