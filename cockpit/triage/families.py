"""The product's own kinds and probes: a family of `probes` is imported when one of it is asked for.

All of them take half a second of CPU, of which a configuration of two kinds needs a tenth. Where a
name can be follows from the name: the probe `ecs.service` is of the family `ecs`, and the kind
`ecs_service` of `ecs_service` or `ecs`. No list of them is kept: a new probe is one file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from threading import RLock
from types import ModuleType
from typing import Generic, TypeVar

from cockpit.connect.kind import AnyKind, Kind
from cockpit.connect.kinds import KINDS
from cockpit.errors import Misconfigured
from cockpit.triage.probe import AnyProbe, Probe

Record = TypeVar("Record")


class Families:
    """What `probes` has, as far as it is imported. A fault in a module of ours raises."""

    def __init__(self) -> None:
        self.kinds: dict[str, AnyKind] = dict(KINDS)
        self.probes: dict[str, AnyProbe] = {}
        package = importlib.import_module("probes")
        self._left = [f"probes.{each.name}" for each in pkgutil.iter_modules(package.__path__)]
        self._lock = RLock()  # screens ask while a thread still reads the configuration

    def bring(self, name: str) -> None:
        """Import the families of a kind or a probe, if there are any. Raises `Misconfigured` when
        two modules of ours claim one name.
        """
        self._import(name.partition(".")[0])

    def bring_all(self) -> None:
        """Import every family."""
        self._import(None)

    def _import(self, kind: str | None) -> None:
        with self._lock:
            for family in [each for each in self._left if kind is None or _is_of(kind, each)]:
                for module in _modules(family):
                    _add(self.probes, module, "PROBE", Probe)
                    _add(self.kinds, module, "KIND", Kind)
                self._left.remove(family)


def _is_of(kind: str, family: str) -> bool:
    name = family.removeprefix("probes.")
    return kind == name or kind.startswith(f"{name}_")


def _modules(family: str) -> Iterator[ModuleType]:
    package = importlib.import_module(family)
    yield package
    for module in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{family}."):
        yield importlib.import_module(module.name)


def _add(found: dict[str, Record], module: ModuleType, name: str, into: type[Record]) -> None:
    record = getattr(module, name, None)
    if record is None:
        return
    if not isinstance(record, into):
        raise Misconfigured(f"{module.__name__}.{name} is no {into.__name__}")
    key = name_of(record)
    if found.setdefault(key, record) is not record:
        raise Misconfigured(f"{module.__name__} claims the {name.lower()} {key}, which is taken")


def name_of(record: object) -> str:
    """A kind's name, a probe's id."""
    return str(record.name if isinstance(record, Kind) else getattr(record, "id", ""))


class Brought(Mapping[str, Record], Generic[Record]):
    """Records by name, in the order of the names. To ask for one imports its family; to walk
    through them, or to count them, imports all.
    """

    def __init__(
        self, families: Families, own: Mapping[str, Record], foreign: Mapping[str, Record]
    ) -> None:
        """`own`: what `families` has of them; `foreign`: those of other distributions."""
        self._families = families
        self._own = own
        self._foreign = foreign

    def __getitem__(self, name: str) -> Record:
        if name in self._foreign:
            return self._foreign[name]
        if name not in self._own:
            self._families.bring(name)
        return self._own[name]

    def __iter__(self) -> Iterator[str]:
        self._families.bring_all()
        return iter(sorted({*self._own, *self._foreign}))

    def __len__(self) -> int:
        self._families.bring_all()
        return len({*self._own, *self._foreign})

    def near(self, kind: str) -> Iterator[Record]:
        """Those that a kind's families and other distributions have: all of the kind, and more."""
        self._families.bring(kind)
        for _, record in sorted({**self._own, **self._foreign}.items()):
            yield record


def looking_at(probes: Mapping[str, AnyProbe], *kinds: str) -> Iterator[AnyProbe]:
    """Those of some probes that look at a kind, in the order of their ids; imports no others."""
    for kind in kinds:
        some = probes.near(kind) if isinstance(probes, Brought) else probes.values()
        yield from (probe for probe in some if probe.kind == kind)
