"""TOML to `Config`, or every problem at once, each with its key and the nearest valid word."""

from __future__ import annotations

import dataclasses
import difflib
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

import msgspec

from cockpit.connect.role import Role
from cockpit.connect.secrets import is_reference
from cockpit.connect.settings import (
    AwsPlace,
    AwsResource,
    ConnectionSettings,
    EndpointSettings,
    Login,
    MemcachedSettings,
    MysqlSettings,
    PostgresSettings,
    RedisSettings,
    VpcEnd,
    VpcPathSettings,
)
from cockpit.errors import Misconfigured
from cockpit.incident.severity import Level
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import AnyProbe
from cockpit.triage.target import KINDS, Target

FILE = "cockpit.toml"
EXAMPLE = "config.example.toml"

_SETTINGS: Mapping[str, type] = {
    "postgres": PostgresSettings,
    "mysql": MysqlSettings,
    "redis": RedisSettings,
    "memcached": MemcachedSettings,
    "endpoint": EndpointSettings,
    "vpc_path": VpcPathSettings,
}
_TARGET_KEYS = ("kind", "name", "needs", "service", "probes")
_TOP_KEYS = ("environment", "role", "runbooks", "aws", "target", "probes", "incident", "screen")
_SECRETS = {"password", "access_key_id", "secret_access_key"}
_WORDS: Mapping[str, tuple[str, ...]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "tls": ("verify", "encrypt", "off"),
    "protocol": ("tcp", "udp"),
    "theme": ("dark", "light", "ansi"),
}
_EXPECTS: Mapping[str, tuple[str, ...]] = {
    "postgres": ("any", "writer", "reader"),
    "mysql": ("any", "writer", "reader"),
    "redis": ("any", "primary", "replica"),
}
_SCHEMES = ("https", "http", "tls", "tcp")
_STAND_INS: Mapping[type, object] = {str: "", int: 1, VpcEnd: VpcEnd()}
"""For what is required and missing, so that all the rest is checked too."""
_WITHOUT_ID = {"alarms", "changes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSettings:
    """The table `[incident]`."""

    folder: str = ""
    """Where journals are kept; empty: the user's data folder (or `COCKPIT_DATA`)."""
    severity: str = "P2"
    """Of a new incident that names none."""
    actor: str = ""
    """Who is at the keys; empty: the login name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenSettings:
    """The table `[screen]`."""

    theme: str = ""
    """`dark`, `light`, `ansi`; empty: what the terminal can show."""
    ascii: bool = False
    """Only ASCII glyphs, for terminals without the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration without a problem."""

    path: Path
    environment: str
    role: Role = Role.TRIAGE
    places: Mapping[str, AwsPlace] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    """Probe id → the settings that hold for all its targets."""
    runbooks: tuple[Path, ...] = ()
    """Folders with runbooks of the user's own."""
    incident: IncidentSettings = IncidentSettings()
    screen: ScreenSettings = ScreenSettings()

    def settings_for(self, target: Target, probe: AnyProbe) -> object:
        """The probe's settings at one target: defaults, then the file's, then the target's."""
        general = self.settings.get(probe.id, probe.settings)
        overrides = target.overrides.get(probe.id)
        return dataclasses.replace(general, **overrides) if overrides else general  # type: ignore[type-var]


class ConfigProblems(Misconfigured):
    """Everything that is wrong with a file; `problems` holds one line each."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.problems = tuple(f"{path.name}: {problem}" for problem in problems)
        super().__init__("\n".join(self.problems), hint=f"every setting is shown in {example()}")


def example() -> Path:
    """The manual of the configuration: in the package when installed, else in the checkout."""
    here = Path(__file__).parent
    shipped = here / EXAMPLE
    return shipped if shipped.is_file() else here.parent / EXAMPLE


def find(explicit: Path | None = None) -> Path:
    """The file to read: the one named, else the current folder's, else the user's.

    Raises `Misconfigured` when there is none.
    """
    import platformdirs

    if explicit is not None:
        if (why := _no_file(explicit)) is not None:
            raise Misconfigured(f"{explicit}: {why}", hint="cockpit --config PATH")
        return explicit
    places = (Path(FILE), platformdirs.user_config_path("cockpit") / FILE)
    for place in places:
        if place.is_file():
            return place
    raise Misconfigured(
        f"no configuration: neither ./{FILE} nor {places[1]} exists",
        hint=f"cp {shlex.quote(str(example()))} {FILE}, or try: cockpit demo",
    )


def _no_file(path: Path) -> str | None:
    """Why a path is no file that can be read; None when it is one."""
    try:
        path.stat()
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return error.strerror or "cannot be read"
    if path.is_dir():
        return "is a folder, not a file"
    return None if path.is_file() else "is not a file"


def glance(explicit: Path | None = None) -> tuple[Path, dict[str, Any]] | None:
    """The file and what it says, unchecked: for what must work while the rest is wrong.

    None when nobody named a file and none can be read. Raises `Misconfigured` for one that was
    named and cannot.
    """
    try:
        path = find(explicit)
        return path, _document(path)
    except Misconfigured:
        if explicit is not None:
            raise
        return None


def load(path: Path, probes: Mapping[str, AnyProbe]) -> Config:
    """Read and check a file. Raises `ConfigProblems` with all of them, never only the first."""
    reader = _Reader(path, _document(path), probes)
    config = reader.config()
    if reader.problems:
        raise ConfigProblems(path, reader.problems)
    return config


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigProblems(path, [f"cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigProblems(path, [f"is not UTF-8 text (byte {error.start})"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigProblems(path, [f"is not TOML: {error}"]) from None


class _Reader:
    """Walks the document and collects problems; what is broken gets a stand-in and is told."""

    def __init__(
        self, path: Path, document: dict[str, Any], probes: Mapping[str, AnyProbe]
    ) -> None:
        self.path = path
        self.document = document
        self.probes = probes
        self.problems: list[str] = []
        self.told: set[str] = set()
        """The keys that have a problem: what stands in for them is not judged."""
        self.general: dict[str, Any] = {}

    def config(self) -> Config:
        self._unknown(self.document, _TOP_KEYS, "")
        self.general = {
            id_: dataclasses.replace(self.probes[id_].settings, **changed)
            for id_, changed in self._thresholds(self.document, "probes").items()
        }
        places = self._places()
        targets = self._targets(places)
        self._needs(targets)
        return Config(
            path=self.path,
            environment=self._text("environment", required=True),
            role=self._role(),
            places=MappingProxyType(places),
            targets=tuple(targets),
            settings=MappingProxyType(self.general),
            runbooks=self._folders(),
            incident=self._incident(),
            screen=self._table("screen", ScreenSettings),
        )

    def _say(self, where: str, what: str) -> None:
        self.told.add(where)
        self.problems.append(f"{where}: {what}" if where else what)

    def _unknown(self, table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for key in table:
            if key not in known:
                self._say(f"{where}.{key}".lstrip("."), f"unknown key{nearest(key, known)}")

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

    def _folders(self) -> tuple[Path, ...]:
        value = self.document.get("runbooks", [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._say("runbooks", "must be a list of folders")
            return ()
        folders = tuple((self.path.parent / Path(item).expanduser()) for item in value)
        for folder in folders:
            if not folder.is_dir():
                self._say("runbooks", f"{folder} is not a folder")
        return folders

    def _table(self, key: str, into: type[Any]) -> Any:
        table = self.document.get(key, {})
        if not isinstance(table, dict):
            self._say(key, "must be a table")
            return into()
        return self._record(table, into, where=key)

    def _incident(self) -> IncidentSettings:
        incident: IncidentSettings = self._table("incident", IncidentSettings)
        try:
            Level.read(incident.severity)
        except Misconfigured:
            words = ", ".join(Level)
            self._say("incident.severity", f"{incident.severity!r} is none of {words}")
        return incident

    def _places(self) -> dict[str, AwsPlace]:
        tables = self.document.get("aws", {})
        if not isinstance(tables, dict):
            self._say("aws", "must hold tables: [aws.prod]")
            return {}
        places: dict[str, AwsPlace] = {}
        for name, table in tables.items():
            where = f"aws.{name}"
            if not isinstance(table, dict):
                self._say(where, "must be a table: [aws.prod]")
                places[name] = AwsPlace(name=name, region="")
                continue
            self._unknown_fields(table, AwsPlace, where=where, hidden=("name",))
            kept = {key: value for key, value in table.items() if key != "name"}
            place = self._record({**kept, "name": name}, AwsPlace, where=where, told=True)
            self._check_place(place, where)
            places[name] = place
        return places

    def _check_place(self, place: AwsPlace, where: str) -> None:
        self._filled(place, "region", where=where)
        if bool(place.access_key_id) != bool(place.secret_access_key):
            self._say(where, "access_key_id and secret_access_key belong together")
        if place.profile and place.access_key_id:
            self._say(where, "profile and access_key_id contradict each other: keep one")
        if place.max_concurrency < 1:
            self._say(f"{where}.max_concurrency", "must be at least 1")
        if place.calls_per_second <= 0:
            self._say(f"{where}.calls_per_second", "must be above 0")

    def _targets(self, places: Mapping[str, AwsPlace]) -> list[Target]:
        tables = self.document.get("target", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self._say("target", "must be a list of tables: [[target]]")
            return []
        if not tables:
            self._say("target", "there is nothing to look at: add a [[target]]")
        targets = [self._target(number, table, places) for number, table in enumerate(tables, 1)]
        seen: set[str] = set()
        for number, target in enumerate(targets, 1):
            if target.name and target.name in seen:
                self._say(_where(number, tables[number - 1]), f"the name {target.name!r} is taken")
            seen.add(target.name)
        return targets

    def _target(self, number: int, table: dict[str, Any], places: Mapping[str, AwsPlace]) -> Target:
        """A target, with stand-ins for what is missing: others need it, and it has more keys."""
        where = _where(number, table)
        name, kind = table.get("name"), table.get("kind")
        if not isinstance(name, str) or not name.strip():
            self._say(where, "name is missing" if name is None else "name must be a text")
            name = ""
        settings: ConnectionSettings = AwsResource(aws="", id="")
        if isinstance(kind, str) and kind in KINDS:
            settings = self._settings(table, kind, where=where)
            self._check_settings(settings, kind, where=where, places=places)
        else:
            what = "kind is missing" if kind is None else f"unknown kind {kind!r}"
            self._say(where, what + (nearest(kind, KINDS) if kind else ""))
            kind = ""
        needs = table.get("needs", [])
        if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
            self._say(f"{where}.needs", "must be a list of target names")
            needs = []
        service = table.get("service", "")
        if not isinstance(service, str):
            self._say(f"{where}.service", "must be a text")
        return Target(
            name=name,
            kind=kind,
            settings=settings,
            needs=tuple(needs),
            service=str(service),
            overrides=self._thresholds(table, f"{where}.probes", kind=kind),
        )

    def _settings(self, table: dict[str, Any], kind: str, *, where: str) -> ConnectionSettings:
        into = _SETTINGS.get(kind, AwsResource)
        given = {key: value for key, value in table.items() if key not in _TARGET_KEYS}
        if into is AwsResource:
            if "arn" in given and "id" in given:
                self._say(where, "arn and id contradict each other: keep one")
            if "arn" in given:
                arn = given["id"] = given.pop("arn")
                if not str(arn).startswith("arn:") or str(arn).count(":") < 5:
                    self._say(f"{where}.arn", f"{arn!r} is no ARN; a name goes to id")
            if kind in _WITHOUT_ID:
                given.setdefault("id", "")
            if kind == "ecs_service" and not given.get("cluster"):
                self._say(f"{where}.cluster", "is missing: the cluster's name")
        record: ConnectionSettings = self._record(
            given, into, where=where, extra=(*_TARGET_KEYS, "arn") if into is AwsResource else ()
        )
        return record

    def _check_settings(
        self,
        settings: ConnectionSettings,
        kind: str,
        *,
        where: str,
        places: Mapping[str, AwsPlace],
    ) -> None:
        place = getattr(settings, "aws", "")
        if place and place not in places:
            self._say(f"{where}.aws", f"no place [aws.{place}]{nearest(place, places)}")
        if isinstance(settings, PostgresSettings | MysqlSettings | RedisSettings):
            self._one_of(settings.expects, _EXPECTS[kind], f"{where}.expects")
        port = getattr(settings, "port", 1)
        if not 0 < port < 65536:
            self._say(f"{where}.port", f"{port} is not a port")
        self._filled(settings, "host", where=where)
        if isinstance(settings, AwsResource | VpcPathSettings):
            self._filled(settings, "aws", where=where)
        if kind not in _WITHOUT_ID and f"{where}.arn" not in self.told:
            self._filled(settings, "id", where=where)
        if isinstance(settings, EndpointSettings) and f"{where}.url" not in self.told:
            scheme, mark, rest = settings.url.partition("://")
            if not mark or not rest or scheme not in _SCHEMES:
                schemes = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
                self._say(f"{where}.url", f"must begin with {schemes}")
        if isinstance(settings, VpcPathSettings):
            for end in ("source", "destination"):
                if not any(told.startswith(f"{where}.{end}") for told in self.told):
                    self._check_end(getattr(settings, end), f"{where}.{end}")

    def _check_end(self, end: VpcEnd, where: str) -> None:
        named = [f.name for f in dataclasses.fields(end) if getattr(end, f.name)]
        if len(named) != 1 and set(named) != {"security_group", "subnet"}:
            self._say(
                where,
                "name one of instance, interface, address, cidr, internet, "
                "or security_group with subnet",
            )

    def _needs(self, targets: list[Target]) -> None:
        names = {target.name: target for target in targets if target.name}
        for number, target in enumerate(targets, 1):
            where = f"target ({target.name or number}).needs"
            for need in target.needs:
                if need not in names:
                    self._say(where, f"no target {need!r}{nearest(need, names)}")
        for circle in _circles(names):
            self._say("needs", "a circle: " + " → ".join(circle))

    def _thresholds(
        self, parent: Mapping[str, Any], where: str, *, kind: str = ""
    ) -> dict[str, dict[str, Any]]:
        tables = parent.get("probes", {})
        if not isinstance(tables, dict):
            self._say(where, 'must hold tables: [probes."postgres.sessions"]')
            return {}
        changed: dict[str, dict[str, Any]] = {}
        for id_, table in tables.items():
            probe = self.probes.get(id_)
            if probe is None or (kind and probe.kind != kind):
                known = [i for i, p in self.probes.items() if not kind or p.kind == kind]
                self._say(f'{where}."{id_}"', f"no such probe{nearest(id_, known)}")
            elif isinstance(table, dict):
                base = self.general.get(id_, probe.settings)
                changed[id_] = self._changed(base, table, f'{where}."{id_}"')
            else:
                self._say(f'{where}."{id_}"', "must be a table of thresholds")
        return changed

    def _changed(self, defaults: Any, table: Mapping[str, Any], where: str) -> dict[str, Any]:
        fields = {f.name for f in dataclasses.fields(defaults)}
        self._unknown(table, tuple(sorted(fields)), where)
        hints = get_type_hints(type(defaults))
        changed: dict[str, Any] = {}
        for key, value in table.items():
            if key not in fields:
                continue
            default = getattr(defaults, key)
            if isinstance(default, Thresholds):
                changed[key] = self._graded(default, value, f"{where}.{key}")
            else:
                ok, converted = self._convert(value, hints[key], f"{where}.{key}")
                if ok:
                    changed[key] = converted
        return changed

    def _graded(self, default: Thresholds, value: Any, where: str) -> Thresholds:
        levels = ("info", "warning", "high", "critical")
        if not isinstance(value, dict):
            self._say(where, "must be a table such as { warning = 0.8, critical = 0.95 }")
            return default
        self._unknown(value, levels, where)
        given: dict[str, Any] = {}
        for level in levels:
            limit = value.get(level, getattr(default, level))
            if limit is not None and (
                isinstance(limit, bool) or not isinstance(limit, int | float)
            ):
                self._say(f"{where}.{level}", "must be a number")
                return default
            given[level] = limit
        ordered = [limit for limit in given.values() if limit is not None]
        if ordered != sorted(ordered, reverse=default.below):
            direction = "fall" if default.below else "rise"
            self._say(where, f"the limits must {direction} from info to critical")
        return dataclasses.replace(default, **given)

    def _record(
        self,
        table: Mapping[str, Any],
        into: type[Any],
        *,
        where: str,
        told: bool = False,
        extra: tuple[str, ...] = (),
    ) -> Any:
        """A dataclass from a table, field by field, with stand-ins for what is wrong or missing."""
        if not told:
            self._unknown_fields(table, into, where=where, extra=extra)
        hints = get_type_hints(into)
        values: dict[str, Any] = {}
        for spec in dataclasses.fields(into):
            required = spec.default is dataclasses.MISSING
            ok, value = False, None
            if spec.name in table:
                ok, value = self._field(
                    table[spec.name], hints[spec.name], where=where, key=spec.name
                )
            elif required:
                self._say(f"{where}.{spec.name}", "is missing")
            if ok or required:
                values[spec.name] = value if ok else _STAND_INS[hints[spec.name]]
        return into(**values)

    def _field(self, value: Any, kind: Any, *, where: str, key: str) -> tuple[bool, Any]:
        if kind in (Login, VpcEnd):
            if not isinstance(value, dict):
                self._say(f"{where}.{key}", "must be a table")
                return False, None
            return True, self._record(value, kind, where=f"{where}.{key}")
        ok, converted = self._convert(value, kind, f"{where}.{key}")
        if ok and key in _SECRETS and not is_reference(converted):
            self._say(
                f"{where}.{key}",
                "a secret may not be written here; "
                "use env:NAME, file:PATH, command:…, aws-secret:ARN or iam",
            )
        if ok and key in _WORDS and isinstance(converted, str):
            self._one_of(converted, _WORDS[key], f"{where}.{key}")
        return ok, converted

    def _one_of(self, value: str, words: tuple[str, ...], where: str) -> None:
        if value not in words:
            self._say(where, f"{value!r} is none of {', '.join(words)}{nearest(value, words)}")

    def _filled(self, settings: object, key: str, *, where: str) -> None:
        if not getattr(settings, key, "none").strip() and f"{where}.{key}" not in self.told:
            self._say(f"{where}.{key}", "is empty")

    def _unknown_fields(
        self,
        table: Mapping[str, Any],
        into: type[Any],
        *,
        where: str,
        extra: tuple[str, ...] = (),
        hidden: tuple[str, ...] = (),
    ) -> None:
        fields = tuple(f.name for f in dataclasses.fields(into) if f.name not in hidden)
        self._unknown(table, (*fields, *extra), where)

    def _convert(self, value: Any, kind: Any, where: str) -> tuple[bool, Any]:
        try:
            return True, msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            self._say(where, _plainly(str(error)))
            return False, None


def nearest(word: object, known: Any) -> str:
    """`; did you mean 'host'?` for a word that is close to a known one, else an empty text."""
    close = difflib.get_close_matches(str(word), [str(k) for k in known], n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _plainly(message: str) -> str:
    plain = message.replace("`str`", "a text").replace("`int`", "a whole number")
    plain = plain.replace("`float`", "a number").replace("`bool`", "true or false")
    plain = plain.replace("`array`", "a list").replace("`object`", "a table")
    return plain[0].lower() + plain[1:]


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
