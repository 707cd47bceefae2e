"""The probes there are: every module of the package `probes`, then entry points.

Nothing imports a probe by name; a new probe needs one file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

from cockpit.errors import Misconfigured
from cockpit.triage.probe import AnyProbe, Probe

GROUP = "cockpit.probes"


@cache
def registry() -> Mapping[str, AnyProbe]:
    """Probe id → probe, in the order of the ids.

    Raises `Misconfigured` when two modules claim one id, or an entry point is not a probe.
    """
    found: dict[str, AnyProbe] = {}
    package = importlib.import_module("probes")
    for module in pkgutil.walk_packages(package.__path__, "probes."):
        probe = getattr(importlib.import_module(module.name), "PROBE", None)
        if probe is not None:
            _add(found, probe, module.name)
    for point in entry_points(group=GROUP):
        _add(found, point.load(), point.value)
    return MappingProxyType(dict(sorted(found.items())))


def probes_for(kind: str) -> tuple[AnyProbe, ...]:
    """The probes that look at targets of a kind, in the order of their ids."""
    return tuple(probe for probe in registry().values() if probe.kind == kind)


def _add(found: dict[str, AnyProbe], probe: object, origin: str) -> None:
    if not isinstance(probe, Probe):
        raise Misconfigured(
            f"{origin} gives no probe", hint="end the module with PROBE = Probe(…), see README"
        )
    if probe.id in found:
        raise Misconfigured(f"{origin} claims the probe id {probe.id}, which is taken")
    found[probe.id] = probe
