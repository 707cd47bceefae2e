"""The targets of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cockpit.config.fields import Fields, names
from cockpit.config.thresholds import ProbeSettings
from cockpit.connect.kind import AnyKind
from cockpit.connect.settings import AwsSite, ConnectionSettings, NoSettings
from cockpit.plugins import KINDS, Broken, attempt
from cockpit.text import nearest
from cockpit.triage.registry import Catalog
from cockpit.triage.target import Target

_KEYS = ("kind", "name", "needs", "service", "probes", "rto", "rpo")


class Targets:
    """Reads `[[target]]` tables, with stand-ins for what is missing: others need them."""

    def __init__(
        self,
        fields: Fields,
        settings: ProbeSettings,
        catalog: Catalog,
        places: Mapping[str, AwsSite],
    ) -> None:
        self._fields = fields
        self._probes = settings
        self._catalog = catalog
        self._kinds = catalog.kinds
        self._broken = {each.name: each for each in catalog.broken}
        self._places = places

    def read(self, document: Mapping[str, Any]) -> list[Target]:
        """All of them, in the order of the file."""
        tables = document.get("target", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self._fields.say("target", "must be a list of tables: [[target]]")
            return []
        if not tables:
            self._fields.say("target", "there is nothing to look at: add a [[target]]")
        targets = [self._target(number, table) for number, table in enumerate(tables, 1)]
        seen: set[str] = set()
        for number, target in enumerate(targets, 1):
            if target.name and target.name in seen:
                where = _where(number, tables[number - 1])
                self._fields.say(where, f"the name {target.name!r} is taken")
            seen.add(target.name)
        self._needs(targets)
        return targets

    def _target(self, number: int, table: dict[str, Any]) -> Target:
        where = _where(number, table)
        name, kind = table.get("name"), table.get("kind")
        if not isinstance(name, str) or not name.strip():
            self._fields.say(where, "name is missing" if name is None else "name must be a text")
            name = ""
        kind, settings = self._kind(table, kind, where)
        needs = table.get("needs", [])
        if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
            self._fields.say(f"{where}.needs", "must be a list of target names")
            needs = []
        service = table.get("service", "")
        if not isinstance(service, str):
            self._fields.say(f"{where}.service", "must be a text")
        usable = not isinstance(settings, NoSettings)
        return Target(
            name=name,
            kind=kind,
            settings=settings,
            needs=tuple(needs),
            service=str(service),
            rto=self._fields.objective(table.get("rto"), "rto", where=where),
            rpo=self._fields.objective(table.get("rpo"), "rpo", where=where),
            overrides=(self._probes.tables(table, f"{where}.probes", kind=kind) if usable else {}),
        )

    def _kind(self, table: dict[str, Any], kind: object, where: str) -> tuple[str, Any]:
        """The kind's name and the settings. A kind whose plug-in cannot be loaded is no problem
        of the file: the target is shown as one that cannot be looked at, and all others are seen.
        """
        if isinstance(kind, str) and kind in self._kinds:
            read = partial(self._settings, table, self._kinds[kind], where=where)
            origin = self._catalog.origin(KINDS, kind)
            return kind, _guarded(read, Broken(kind, origin, "")) if origin else read()
        broken: Broken | None = self._broken.get(kind) if isinstance(kind, str) else None
        if broken is not None and isinstance(kind, str):
            origin = f"its kind {kind!r} comes from {broken.distribution}"
            why = f"{origin}, which is broken: {broken.why}"
            return kind, NoSettings(why, broken.hint)
        what = "kind is missing" if kind is None else f"unknown kind {kind!r}"
        near = nearest(kind, self._kinds) if kind else ""
        self._fields.say(where, what + (near or _plug_in_hint(kind)))
        return "", NoSettings(what)

    def _settings(self, table: dict[str, Any], kind: AnyKind, *, where: str) -> ConnectionSettings:
        given = {key: value for key, value in table.items() if key not in _KEYS}
        for key, field in kind.renamed.items():
            if key in given and field in given:
                self._fields.say(where, f"{key} and {field} contradict each other: keep one")
            if key in given:
                given[field] = given.pop(key)
        known = (*names(kind.settings), *kind.renamed)
        self._fields.unknown(given, known, where)
        settings: ConnectionSettings = self._fields.record(
            given, kind.settings, where=where, words=kind.words
        )
        self._check(settings, kind, where=where, written=table)
        return settings

    def _check(
        self,
        settings: ConnectionSettings,
        kind: AnyKind,
        *,
        where: str,
        written: Mapping[str, Any],
    ) -> None:
        place = getattr(settings, "aws", "")
        if place and place not in self._places:
            self._fields.say(
                f"{where}.aws", f"no place [aws.{place}]{nearest(place, self._places)}"
            )
        port = getattr(settings, "port", 1)
        if not 0 < port < 65536:
            self._fields.say(f"{where}.port", f"{port} is not a port")
        self._fields.filled(settings, "host", where=where)
        if kind.place is not None:
            self._fields.filled(settings, "aws", where=where)
            if not isinstance(kind.place(settings), str):
                raise TypeError(f"the place of the kind {kind.name} is no text")
        for field, what in kind.problems(settings, written):
            spelt = next((k for k, f in kind.renamed.items() if f == field and k in written), field)
            key = f"{where}.{spelt}"
            if not any(told == key or told.startswith(f"{key}.") for told in self._fields.told):
                self._fields.say(key, what)

    def _needs(self, targets: list[Target]) -> None:
        names = {target.name: target for target in targets if target.name}
        for number, target in enumerate(targets, 1):
            where = f"target ({target.name or number}).needs"
            for need in target.needs:
                if need not in names:
                    self._fields.say(where, f"no target {need!r}{nearest(need, names)}")
        for circle in _circles(names):
            self._fields.say("needs", "a circle: " + " → ".join(circle))


def _guarded(read: Callable[[], ConnectionSettings], kind: Broken) -> ConnectionSettings:
    """The settings of a kind of others; whatever its rules raise costs this target only."""
    settings, why = attempt(read)
    if settings is not None:
        return settings
    told = f"its kind {kind.name!r} comes from {kind.distribution}, which fails on this table"
    return NoSettings(f"{told}: {why}", kind.hint)


def _plug_in_hint(kind: object) -> str:
    """Kinds of other distributions are unknown when they are not installed beside this program."""
    return "; if a plug-in brings it, install that beside the cockpit" if kind else ""


def _where(number: int, table: Mapping[str, Any]) -> str:
    name = table.get("name")
    known = isinstance(name, str) and name.strip()
    return f"target[{number}] ({name})" if known else f"target[{number}]"


def _circles(targets: Mapping[str, Target]) -> list[tuple[str, ...]]:
    """Each circle of `needs` once, as the names along it, back to the first."""
    found: dict[frozenset[str], tuple[str, ...]] = {}
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = path[path.index(name) :]
            found.setdefault(frozenset(circle), (*circle, name))
            return
        if name in done or name not in targets:
            return
        for need in targets[name].needs:
            walk(need, (*path, name))
        done.add(name)

    for name in targets:
        walk(name, ())
    return list(found.values())
