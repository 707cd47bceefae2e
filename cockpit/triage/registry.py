"""The kinds and probes there are: found in the package `probes`, then in other distributions.

Nothing imports a probe by name. A module that ends with `PROBE = Probe(…)` is one, and may bring
the kind that it looks at (`KIND = aws_kind("sqs_queue", "sqs")`): a new probe needs one file. A
fault in a module of ours is a bug and raises; one in a plug-in is told (`Catalog.broken`), and
everything else works.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from types import MappingProxyType, ModuleType
from typing import TypeVar

from cockpit import plugins
from cockpit.connect.kind import AnyKind, Kind
from cockpit.connect.kinds import KINDS
from cockpit.errors import Misconfigured
from cockpit.plugins import Broken, Point
from cockpit.triage.probe import AnyProbe, Probe

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Catalog:
    """What there is to look at, and how. Both mappings are in the order of their names."""

    kinds: Mapping[str, AnyKind]
    probes: Mapping[str, AnyProbe]
    broken: tuple[Broken, ...] = ()
    """Plug-ins that could not be used."""


@cache
def catalog() -> Catalog:
    """Everything. Slow the first time: imports every probe.

    Raises `Misconfigured` when two modules of ours claim one name.
    """
    kinds: dict[str, AnyKind] = dict(KINDS)
    probes: dict[str, AnyProbe] = {}
    for module in _modules():
        _add(probes, module, "PROBE", Probe)
        _add(kinds, module, "KIND", Kind)
    _, unread = plugins.installed()
    foreign_kinds, bad_kinds = _foreign(plugins.KINDS, Kind, taken=kinds)
    kinds |= {kind.name: kind for kind in foreign_kinds}
    foreign_probes, bad_probes = _foreign(plugins.PROBES, Probe, taken=probes)
    probes |= {probe.id: probe for probe in foreign_probes}
    return Catalog(
        MappingProxyType(dict(sorted(kinds.items()))),
        MappingProxyType(dict(sorted(probes.items()))),
        (*unread, *bad_kinds, *bad_probes, *_unread_documents()),
    )


def registry() -> Mapping[str, AnyProbe]:
    """Probe id → probe, in the order of the ids."""
    return catalog().probes


def kinds() -> Mapping[str, AnyKind]:
    """Name → kind."""
    return catalog().kinds


def short(kind: str) -> str:
    """The kind as narrow columns show it."""
    known = catalog().kinds.get(kind)
    return known.short if known is not None else kind


def _modules() -> Iterator[ModuleType]:
    package = importlib.import_module("probes")
    for module in pkgutil.walk_packages(package.__path__, "probes."):
        yield importlib.import_module(module.name)


def _unread_documents() -> Iterator[Broken]:
    for group, suffix in ((plugins.RUNBOOKS, ".md"), (plugins.SCENARIOS, ".toml")):
        yield from plugins.documents(group, suffix)[1]


def _add(found: dict[str, Record], module: ModuleType, name: str, into: type[Record]) -> None:
    record = getattr(module, name, None)
    if record is None:
        return
    if not isinstance(record, into):
        raise Misconfigured(f"{module.__name__}.{name} is no {into.__name__}")
    key = _name(record)
    if key in found:
        raise Misconfigured(f"{module.__name__} claims the {name.lower()} {key}, which is taken")
    found[key] = record


def _foreign(
    group: str, into: type[Record], *, taken: Mapping[str, object]
) -> tuple[list[Record], list[Broken]]:
    """The records of other distributions, and those that cannot be used, with why."""
    found: dict[str, tuple[Record, Point]] = {}
    broken: dict[str, Broken] = {}
    left: list[Broken] = []
    for point in plugins.points(group):
        loaded, why = plugins.load(point)
        record = loaded if isinstance(loaded, into) else None
        if record is None or (why := _fault(record)):
            wrong = f"{point.entry.value} is {_what(loaded)}, not a {into.__name__}"
            left.append(point.broken(why or wrong))
            continue
        key = _name(record)
        if key in taken:
            left.append(point.broken(f"claims {key!r}, which is the product's own"))
        elif key in broken or key in found:
            first = found.pop(key)[1].distribution if key in found else broken[key].distribution
            both = f"{first} and {point.distribution}"
            told = f"{key!r} is claimed by {both}: which is meant cannot be told; uninstall one"
            broken[key] = Broken(key, both, told, group)
        else:
            found[key] = (record, point)
    return [record for record, _ in found.values()], [*left, *broken.values()]


def _name(record: object) -> str:
    return str(record.name if isinstance(record, Kind) else getattr(record, "id", ""))


def _what(loaded: object) -> str:
    return "nothing" if loaded is None else f"a {type(loaded).__name__}"


def _fault(record: object) -> str:
    """What is wrong inside a record of others: types that only a checker would have seen."""
    if isinstance(record, Kind):
        return _fault_of_kind(record.name, record.settings, record.open)
    if isinstance(record, Probe):
        return _fault_of_probe(record.id, record.settings, record.collect, record.diagnose)
    return ""


def _fault_of_kind(name: object, settings: object, opener: object) -> str:
    if not (isinstance(name, str) and name):
        return "its kind has no name"
    if not (isinstance(settings, type) and is_dataclass(settings)):
        return f"the settings of the kind {name!r} are no dataclass"
    return "" if callable(opener) else f"the kind {name!r} cannot be opened"


def _fault_of_probe(id_: object, settings: object, collect: object, diagnose: object) -> str:
    if not (isinstance(id_, str) and id_):
        return "its probe has no id"
    if not is_dataclass(settings) or isinstance(settings, type):
        return f"the settings of the probe {id_!r} are no record of a dataclass"
    able = callable(collect) and callable(diagnose)
    return "" if able else f"the probe {id_!r} cannot collect or diagnose"
