"""TOML to `Config`, or every problem at once, each with its key and the nearest valid word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cockpit.config.fields import Fields, names
from cockpit.config.record import Config, IncidentSettings, ScreenSettings
from cockpit.config.targets import Targets
from cockpit.config.thresholds import ProbeSettings
from cockpit.config_file import ConfigProblems, document
from cockpit.connect.aws.budget import DEFAULT
from cockpit.connect.role import Role
from cockpit.connect.settings import AwsSite, NoSettings
from cockpit.errors import Misconfigured
from cockpit.incident.severity import Level
from cockpit.text import nearest, visible
from cockpit.triage.probe import NEVER_OLDER_THAN
from cockpit.triage.registry import Catalog
from cockpit.triage.target import PLUG_IN, Target
from cockpit.units import parsed

_KEYS = (
    "environment", "role", "allow_commander", "runbooks", "plugins", "budget_usd_per_hour",
    "never_older_than", "aws", "target", "probes", "incident", "screen",
)  # fmt: skip
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what follows."""
THEMES = {"theme": ("dark", "light", "ansi")}


def load(path: Path, catalog: Catalog) -> Config:
    """Read and check a file. Raises `ConfigProblems` with all of them, never only the first."""
    reader = _Reader(path, document(path), catalog)
    config = reader.config()
    if reader.fields.problems:
        raise ConfigProblems(path, reader.fields.problems)
    return config


class _Reader:
    """Walks the document and collects problems; what is broken gets a stand-in and is told."""

    def __init__(self, path: Path, document: dict[str, Any], catalog: Catalog) -> None:
        self.path = path
        self.document = document
        self.catalog = catalog
        self.fields = Fields()
        self._say = self.fields.say

    def config(self) -> Config:
        self.fields.unknown(self.document, _KEYS, "")
        self._shown(self.document, "")
        settings = ProbeSettings(self.fields, self.catalog.probes)
        settings.read_general(self.document)
        places = self._places()
        targets = Targets(self.fields, settings, self.catalog, places).read(self.document)
        return Config(
            path=self.path,
            environment=self._text("environment", required=True),
            role=self._role(),
            commanders=self._commanders(),
            budget_usd_per_hour=self._budget(),
            never_older_than=self._oldest(),
            places=MappingProxyType(places),
            targets=(*targets, *self._plug_ins()),
            settings=MappingProxyType(settings.general),
            runbooks=self._folders(),
            incident=self._incident(),
            screen=self._screen(),
        )

    def _text(self, key: str, *, required: bool = False) -> str:
        value = self.document.get(key)
        if value is None:
            if required:
                self._say(key, "is missing")
            return ""
        if not isinstance(value, str) or (required and not value.strip()):
            self._say(key, "must be a text that is not empty")
            return ""
        return value

    def _role(self) -> Role:
        word = self.document.get("role", Role.TRIAGE.value)
        try:
            return Role(word)
        except ValueError:
            self._say("role", f"{word!r} is neither 'triage' nor 'commander'{nearest(word, Role)}")
            return Role.TRIAGE

    def _shown(self, value: object, key: str) -> None:
        """Tell texts that a terminal would act on, wherever a screen or a message shows them."""
        if isinstance(value, str) and (odd := _ODD.search(value)):
            self._say(visible(key), f"holds a character that is not shown, {visible(odd.group())}")
        elif isinstance(value, Mapping):
            for name, each in value.items():
                self._shown(name, f"{key}.{name}" if key else name)
                self._shown(each, f"{key}.{name}" if key else name)
        elif isinstance(value, list):
            for number, each in enumerate(value, 1):
                self._shown(each, f"{key}[{number}]")

    def _commanders(self) -> tuple[str, ...] | None:
        """Who may act; a value that says nothing clear lets nobody, and is told."""
        match self.document.get("allow_commander", True):
            case True:
                return None
            case False:
                if self.document.get("role") == Role.COMMANDER:
                    self._say("allow_commander", "is false, and role is 'commander'")
                return ()
            case [_, *_] as names if all(isinstance(name, str) and name for name in names):
                return tuple(names)
        self._say("allow_commander", "should be true, false, or a list of login names")
        return ()

    def _budget(self) -> float:
        match self.document.get("budget_usd_per_hour", DEFAULT):
            case bool():
                pass
            case int() | float() as usd if usd > 0:
                return float(usd)
        self._say("budget_usd_per_hour", "must be a number above 0: US dollars an hour")
        return DEFAULT

    def _oldest(self) -> float:
        told = self.document.get("never_older_than", "")
        seconds = parsed(told) if isinstance(told, str) and told else None
        if seconds is None and "never_older_than" in self.document:
            self._say("never_older_than", 'must be a span such as "90s" or "5m"; "0s": as usual')
        return NEVER_OLDER_THAN if seconds is None else seconds

    def _names(self, key: str, what: str) -> list[str]:
        value = self.document.get(key, [])
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        self._say(key, f"must be a list of {what}")
        return []

    def _folders(self) -> tuple[Path, ...]:
        named = self._names("runbooks", "folders")
        folders = tuple((self.path.parent / Path(item).expanduser()) for item in named)
        for folder in folders:
            if not folder.is_dir():
                self._say("runbooks", f"{folder} is not a folder")
        return folders

    def _plug_ins(self) -> list[Target]:
        """What plug-ins lack, as targets that cannot be looked at: shown beside the others."""
        for name in self._names("plugins", "names of distributions"):
            if not _is_installed(name):
                self._say("plugins", f"{name} is not installed beside the cockpit")
        return [
            Target(name=each.title, kind=PLUG_IN, settings=NoSettings(each.why, each.hint))
            for each in self.catalog.broken
        ]

    def _incident(self) -> IncidentSettings:
        incident = self.fields.table(self.document, "incident", IncidentSettings)
        try:
            Level.read(incident.severity)
        except Misconfigured:
            words = ", ".join(Level)
            self._say("incident.severity", f"{incident.severity!r} is none of {words}")
        for key in ("rto", "rpo"):
            self.fields.objective(getattr(incident, key), key, where="incident")
        return incident

    def _screen(self) -> ScreenSettings:
        return self.fields.table(self.document, "screen", ScreenSettings, words=THEMES)

    def _places(self) -> dict[str, AwsSite]:
        tables = self.document.get("aws", {})
        if not isinstance(tables, dict):
            self._say("aws", "must hold tables: [aws.prod]")
            return {}
        return {name: self._place(name, table) for name, table in tables.items()}

    def _place(self, name: str, table: Mapping[str, Any]) -> AwsSite:
        where = f"aws.{name}"
        if not isinstance(table, dict):
            self._say(where, "must be a table: [aws.prod]")
            return AwsSite(name=name, region="")
        self.fields.unknown(table, names(AwsSite, hidden=("name",)), where)
        place = self.fields.record({**table, "name": name}, AwsSite, where=where)
        self.fields.filled(place, "region", where=where)
        if bool(place.access_key_id) != bool(place.secret_access_key):
            self._say(where, "access_key_id and secret_access_key belong together")
        if place.profile and place.access_key_id:
            self._say(where, "profile and access_key_id contradict each other: keep one")
        if place.account and not re.fullmatch(r"\d{12}", place.account):
            self._say(f"{where}.account", 'must be the twelve digits of an account: "123456789012"')
        if place.max_concurrency < 1:
            self._say(f"{where}.max_concurrency", "must be at least 1")
        if place.calls_per_second <= 0:
            self._say(f"{where}.calls_per_second", "must be above 0")
        return place


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except (PackageNotFoundError, ValueError):
        return False
    return True
