"""Records from tables, field by field: what is wrong is told, and gets a stand-in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec

from cockpit.connect.secrets import is_reference
from cockpit.text import nearest
from cockpit.units import parsed

Record = TypeVar("Record")

_SECRETS = {"password", "access_key_id", "secret_access_key", "token", "api_key"}
"""Fields of any record that hold a reference to a secret, never a secret."""
_STAND_INS: Mapping[type, object] = {str: "", int: 1, float: 1.0, bool: False}
"""For what is required and missing, so that all the rest is checked too."""


class Fields:
    """Collects problems while records are read."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.told: set[str] = set()
        """The keys that have a problem: what stands in for them is not judged."""

    def say(self, where: str, what: str) -> None:
        """Tell a problem at a key; an empty `where` is the whole file."""
        self.told.add(where)
        self.problems.append(f"{where}: {what}" if where else what)

    def unknown(self, table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
        """Tell the keys that nothing reads."""
        known = tuple(known)
        for key in table:
            if key not in known:
                self.say(f"{where}.{key}".lstrip("."), f"unknown key{nearest(key, known)}")

    def table(
        self,
        document: Mapping[str, Any],
        key: str,
        into: type[Record],
        *,
        words: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Record:
        """A record from one table of the document; its defaults when it is no table."""
        table = document.get(key, {})
        if not isinstance(table, dict):
            self.say(key, "must be a table")
            return into()
        self.unknown(table, names(into), key)
        return self.record(table, into, where=key, words=words)

    def record(
        self,
        table: Mapping[str, Any],
        into: type[Record],
        *,
        where: str,
        words: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Record:
        """A dataclass from a table, with stand-ins for what is wrong or missing.

        `words`: field → the words that it may have.
        """
        hints = get_type_hints(into)
        values: dict[str, Any] = {}
        for spec in dataclasses.fields(into):  # type: ignore[arg-type]  # any dataclass
            required = (
                spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
            )
            ok, value = False, None
            if spec.name in table:
                allowed = (words or {}).get(spec.name)
                ok, value = self._field(
                    table[spec.name], hints[spec.name], f"{where}.{spec.name}", allowed=allowed
                )
            elif required:
                self.say(f"{where}.{spec.name}", "is missing")
            if ok or required:
                values[spec.name] = value if ok else _stand_in(hints[spec.name])
        return into(**values)

    def convert(self, value: Any, kind: Any, where: str) -> tuple[bool, Any]:
        """(whether it has the type, the value as that type)."""
        try:
            return True, msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            self.say(where, _plainly(str(error)))
            return False, None

    def filled(self, settings: object, key: str, *, where: str) -> None:
        """Tell a text that is there and empty."""
        if not getattr(settings, key, "none").strip() and f"{where}.{key}" not in self.told:
            self.say(f"{where}.{key}", "is empty")

    def objective(self, value: object, key: str, *, where: str) -> float | None:
        """An objective in seconds; None: none is given. An RPO may be 0, an RTO may not."""
        if value is None or value == "":
            return None
        seconds = parsed(value) if isinstance(value, str) else None
        if seconds is None or (key == "rto" and not seconds):
            self.say(f"{where}.{key}", 'must be a span such as "15m", "1h 30m" or "2d"')
            return None
        return seconds

    def _field(
        self, value: Any, kind: Any, where: str, *, allowed: tuple[str, ...] | None
    ) -> tuple[bool, Any]:
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            if not isinstance(value, dict):
                self.say(where, "must be a table")
                return False, None
            self.unknown(value, names(kind), where)
            return True, self.record(value, kind, where=where)
        ok, converted = self.convert(value, kind, where)
        key = where.rpartition(".")[2]
        if ok and key in _SECRETS and isinstance(converted, str) and not is_reference(converted):
            self.say(
                where,
                "a secret may not be written here; "
                "use env:NAME, file:PATH, command:…, aws-secret:ARN or iam",
            )
        if ok and allowed and isinstance(converted, str) and converted not in allowed:
            near = nearest(converted, allowed)
            self.say(where, f"{converted!r} is none of {', '.join(allowed)}{near}")
        return ok, converted


def names(into: type[Any], *, hidden: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The fields of a dataclass that a table may have."""
    return tuple(f.name for f in dataclasses.fields(into) if f.name not in hidden)


def _stand_in(kind: Any) -> object:
    """Something of the type. A type that nobody foresaw (a plug-in's) gets None, and the record
    is not used: the problem that made it necessary ends the reading.
    """
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        required = {
            f.name: _stand_in(get_type_hints(kind)[f.name])
            for f in dataclasses.fields(kind)
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        }
        return kind(**required)
    return _STAND_INS.get(kind)


def _plainly(message: str) -> str:
    plain = message.replace("`str`", "a text").replace("`int`", "a whole number")
    plain = plain.replace("`float`", "a number").replace("`bool`", "true or false")
    plain = plain.replace("`array`", "a list").replace("`object`", "a table")
    return plain[0].lower() + plain[1:]
