"""Words for the parameters of any call."""

from __future__ import annotations

from collections.abc import Mapping

from probes.changes.calls import resource_of
from probes.trail import ApiEvent

_DULL = frozenset(
    {"maxResults", "dryRun", "clientToken", "nextToken", "applyImmediately", "cluster", "force"}
)
_WORDS_MOST = 6


def tail(name: str) -> str:
    """The last part of an ARN or path."""
    return name.rpartition("/")[2].rpartition(":")[2] if name.startswith("arn:") else name


def text(event: ApiEvent, name: str) -> str:
    """A parameter with a plain value; empty: there is none."""
    value = event.parameters.get(name)
    return "" if value is None or isinstance(value, Mapping | list) else str(value)


def plainly(event: ApiEvent) -> str:
    """The call and what it was about."""
    name = tail(resource_of(event))
    return f"{event.name} {name}".strip()


def set_to(event: ApiEvent) -> str:
    """The call, what it was about, and the first of what it set."""
    name = tail(resource_of(event))
    words = [each for each in parameters(event, None) if not each.endswith(f"= {name}")]
    shown = ", ".join(words[:2])
    return f"{event.name} {name}" + (f": {shown}" if shown else "")


def parameters(event: ApiEvent, before: ApiEvent | None) -> tuple[str, ...]:
    """Every parameter with a plain value; of the others that they were set."""
    told = []
    for name, value in sorted(event.parameters.items()):
        if name in _DULL or value in (None, "", [], {}):
            continue
        told.append(f"{name} {_value(value)}")
    return tuple(told)[:40]


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        inner = [f"{name} {_value(each)}" for name, each in value.items() if each is not None]
        return f"({', '.join(inner[:_WORDS_MOST])}{', …' if len(inner) > _WORDS_MOST else ''})"
    if isinstance(value, list):
        shown = ", ".join(_value(each) for each in value[:_WORDS_MOST])
        return f"{shown}{', …' if len(value) > _WORDS_MOST else ''}"
    return f"= {value}"
