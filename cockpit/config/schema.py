"""The configuration as a JSON Schema, for editors: what a table may hold, by its kind.

An editor warns while one types; `cockpit.config.load` decides. Made from the same records, also
of plug-ins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_type_hints

import msgspec

from cockpit.config.fields import names
from cockpit.config.read import THEMES
from cockpit.config.record import IncidentSettings, ScreenSettings
from cockpit.connect.kind import AnyKind
from cockpit.connect.role import Role
from cockpit.connect.settings import AwsSite
from cockpit.triage.finding import Severity, Thresholds
from cockpit.triage.registry import Catalog

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}


def schema(catalog: Catalog) -> Schema:
    """The whole file."""
    probes = {id_: settings(probe.settings) for id_, probe in catalog.probes.items()}
    return {
        "$schema": DIALECT,
        "title": "cockpit.toml",
        "type": "object",
        "additionalProperties": False,
        "required": ["environment", "target"],
        "properties": {
            "environment": {"type": "string", "minLength": 1},
            "role": {"enum": [role.value for role in Role]},
            "allow_commander": {
                "oneOf": [
                    {"type": "boolean"},
                    {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "minLength": 1},
                    },
                ]
            },
            "runbooks": _TEXTS,
            "plugins": _TEXTS,
            "budget_usd_per_hour": {"type": "number", "exclusiveMinimum": 0},
            "never_older_than": {"type": "string", "minLength": 1},
            "aws": {
                "type": "object",
                "additionalProperties": record(AwsSite, hidden=("name",)),
            },
            "target": {"type": "array", "minItems": 1, "items": _target(catalog)},
            "probes": _object(probes),
            "incident": record(IncidentSettings),
            "screen": record(ScreenSettings, words=THEMES),
        },
    }


def record(
    into: type[Any],
    *,
    words: Mapping[str, tuple[str, ...]] | None = None,
    hidden: tuple[str, ...] = (),
) -> Schema:
    """A table that is read into a dataclass."""
    hints = get_type_hints(into)
    allowed = words or {}
    properties = {
        name: {"enum": list(allowed[name])} if name in allowed else _type(hints[name])
        for name in names(into, hidden=hidden)
    }
    required = [f.name for f in dataclasses.fields(into) if _required(f) and f.name not in hidden]
    return _object(properties, required)


def settings(defaults: Any) -> Schema:
    """The settings of a probe: a part of them may be given, and a part of each limit."""
    hints = get_type_hints(type(defaults))
    limits = _object({severity.value: {"type": "number"} for severity in Severity})
    return _object(
        {
            field.name: limits if hints[field.name] is Thresholds else _type(hints[field.name])
            for field in dataclasses.fields(defaults)
        }
    )


def _target(catalog: Catalog) -> Schema:
    kinds = catalog.kinds
    return {
        "type": "object",
        "required": ["kind", "name"],
        "properties": {"kind": {"enum": list(kinds)}},
        "allOf": [
            {"if": {"properties": {"kind": {"const": name}}}, "then": _of_kind(catalog, kind)}
            for name, kind in kinds.items()
        ],
    }


def _of_kind(catalog: Catalog, kind: AnyKind) -> Schema:
    own = record(kind.settings, words=kind.words)
    probes = {
        id_: settings(probe.settings)
        for id_, probe in catalog.probes.items()
        if probe.kind == kind.name
    }
    properties = {
        "kind": {"const": kind.name},
        "name": {"type": "string", "minLength": 1},
        "needs": _TEXTS,
        "service": {"type": "string"},
        "rto": {"type": "string"},
        "rpo": {"type": "string"},
        "probes": _object(probes),
        **own["properties"],
        **{key: own["properties"][field] for key, field in kind.renamed.items()},
    }
    return _object(properties, own.get("required", []))


def _object(properties: Mapping[str, Any], required: list[str] | None = None) -> Schema:
    told: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
    }
    return {**told, "required": required} if required else told


def _type(hint: Any) -> Schema:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return record(hint)
    return msgspec.json.schema(hint)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
