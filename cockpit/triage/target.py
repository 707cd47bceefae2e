"""One named thing to look at, from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cockpit.connect.settings import ConnectionSettings

PLUG_IN = "plug-in"
"""The kind of a plug-in that cannot be used: listed as a target that cannot be looked at."""


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
    rto: float | None = None
    """Its own recovery time objective, seconds; None: the environment's, if that has one."""
    rpo: float | None = None
    """Its own recovery point objective, seconds of data; None: the environment's."""
    line: int = 0
    """Where the configuration defines it, 0 when unknown."""
