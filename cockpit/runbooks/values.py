"""References and conditions over what is known: typed values, never text that is pasted together.

A reference is a whole string that begins with `$`: `$db`, `$blocker.pid`, `$params.db.host`,
`$look.rows[0].id`. It is replaced in the parsed tree by the value it names. `$$x` is the text `$x`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn, overload

from cockpit.errors import Misconfigured, Refused
from cockpit.text import visible
from cockpit.triage.target import Target

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_REFERENCE = re.compile(r"\$[a-z][a-z0-9_]*(?:\.[A-Za-z_]\w*|\[\d{1,4}\])*\Z")
_PART = re.compile(r"\.?([A-Za-z_]\w*)|\[(\d+)\]")
_SECRETS = {"password", "access_key_id", "secret_access_key", "commander"}
_LONGEST = 4000
_LARGEST = 256 * 1024
"""Characters of one captured value; a larger one is refused, never cut."""

Scope = Mapping[str, object]
"""`params`, `finding` and every step id that has captured something."""


class NoValue(Refused):
    """A reference names something that is not known (yet), or is empty."""


def is_reference(value: object) -> bool:
    """True for a string that is replaced; `$$…` and other text are not."""
    return isinstance(value, str) and value.startswith("$") and not value.startswith("$$")


def well_formed(reference: str) -> bool:
    """Whether it can name anything: dots and indexes only, no expression."""
    return _REFERENCE.match(reference) is not None


def references(value: object) -> Iterator[str]:
    """Every reference in a parsed tree, in its order."""
    if isinstance(value, str):
        if is_reference(value):
            yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from references(member)
    elif isinstance(value, Sequence):
        for member in value:
            yield from references(member)


def head(reference: str) -> str:
    """The first name: the parameter or step that it goes back to (`params.db` gives `db`).

    Empty for a text that is none, such as `$$`.
    """
    names = [str(name) for name, _ in _PART.findall(reference[1:])]
    return names[1] if names[:1] == ["params"] and len(names) > 1 else "".join(names[:1])


@overload
def resolved(value: Mapping[str, object], scope: Scope) -> dict[str, object]: ...
@overload
def resolved(value: object, scope: Scope) -> object: ...
def resolved(value: object, scope: Scope) -> object:
    """The tree with every reference replaced by its typed value.

    Raises `NoValue` for one that is unknown or null: nothing runs with a hole in it.
    """
    match value:
        case str():
            return _text(value, scope)
        case Mapping():
            return {key: resolved(member, scope) for key, member in value.items()}
        case list() | tuple():
            return [resolved(member, scope) for member in value]
        case _:
            return value


@overload
def resolved_but(value: Mapping[str, object], scope: Scope, keep: str) -> dict[str, object]: ...
@overload
def resolved_but(value: object, scope: Scope, keep: str) -> object: ...
def resolved_but(value: object, scope: Scope, keep: str) -> object:
    """Like `resolved`, but references that go back to `keep` stay, and the rest is constant."""
    match value:
        case str():
            stays = is_reference(value) and head(value) == keep
            return value if stays else escaped(_text(value, scope))
        case Mapping():
            return {key: resolved_but(member, scope, keep) for key, member in value.items()}
        case list() | tuple():
            return [resolved_but(member, scope, keep) for member in value]
        case _:
            return value


@overload
def escaped(value: Mapping[str, object]) -> dict[str, object]: ...
@overload
def escaped(value: object) -> object: ...
def escaped(value: object) -> object:
    """A resolved tree as constants again, so that resolving it gives the same."""
    match value:
        case str():
            return f"${value}" if value.startswith("$") else value
        case Mapping():
            return {key: escaped(member) for key, member in value.items()}
        case list() | tuple():
            return [escaped(member) for member in value]
        case _:
            return value


def _text(value: str, scope: Scope) -> object:
    if value.startswith("$$"):
        return value[1:]
    if not value.startswith("$"):
        return value
    if not well_formed(value):
        raise Misconfigured(f"{visible(value, 80)} is not a reference: names, dots, indexes only")
    found = _walk(value, scope)
    if found is None:
        raise NoValue(f"{value} has no value", hint=f"run the step {head(value)} first")
    return found


def _walk(reference: str, scope: Scope) -> object:
    parts = _PART.findall(reference[1:])
    first = parts[0][0]
    held = scope.get("params")
    params: Mapping[str, object] = held if isinstance(held, Mapping) else {}
    current = params[first] if first in params else scope.get(first)
    alone = len(parts) == 1
    for name, index in parts[1:]:
        if name and isinstance(current, Mapping):
            current = current.get(name)
        elif index and isinstance(current, list) and int(index) < len(current):
            current = current[int(index)]
        else:
            return None
    if alone and isinstance(current, Mapping) and "name" in current and first in params:
        return current["name"]
    return current


def target_value(target: Target) -> dict[str, object]:
    """What a runbook sees of a target: name, kind, connection settings, never a secret.

    `$db` alone is its name, `$db.host` one of its settings.
    """
    seen: dict[str, object] = {}
    for setting in fields(target.settings):
        if setting.name not in _SECRETS:
            seen[setting.name] = _plain(getattr(target.settings, setting.name))
    return {**seen, "name": target.name, "kind": target.kind, "service": target.service}


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    return list(value) if isinstance(value, tuple) else value


@lru_cache(maxsize=512)
def compiled(expression: str) -> ParsedResult:
    """A JMESPath expression. Raises `Misconfigured` with where it breaks."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    if len(expression) > _LONGEST:
        raise Misconfigured(f"not a JMESPath expression: longer than {_LONGEST} characters")
    try:
        return jmespath.compile(expression)
    except RecursionError:
        raise Misconfigured("not a JMESPath expression: nested too deep") from None
    except JMESPathError as error:
        said = visible(str(error).splitlines()[0], 160)
        raise Misconfigured(f"not a JMESPath expression: {said}") from None


def query(expression: str, data: object) -> object:
    """What an expression finds. Raises `Misconfigured` when the data does not fit it."""
    from jmespath.exceptions import JMESPathError

    try:
        return compiled(expression).search(data)
    except JMESPathError as error:
        said = visible(str(error).splitlines()[0], 160)
        raise Misconfigured(f"{expression}: {said}") from None


def holds(expression: str, data: object) -> bool:
    """Whether a condition holds. Only `true` does: null, empty and text do not."""
    return query(expression, data) is True


def captured(wanted: Mapping[str, str], data: object) -> dict[str, object]:
    """Name → value. Raises `Misconfigured` for a value that is too large to be one."""
    values = {}
    for name, expression in wanted.items():
        value = query(expression, data)
        if _weight(value) > _LARGEST:
            raise Misconfigured(f"{name}: what {expression} finds is too large to capture")
        values[name] = value
    return values


def _weight(value: object) -> int:
    match value:
        case str():
            return len(value)
        case Mapping():
            return sum(len(str(key)) + _weight(member) for key, member in value.items())
        case list():
            return sum(_weight(member) for member in value)
        case _:
            return 8


TYPES = (
    "target",
    "text",
    "integer",
    "number",
    "boolean",
    "choice",
    "arn",
    "path",
    "url",
    "host",
    "port",
    "cidr",
    "time",
)
"""What a parameter, an answer or a statement's argument can be."""

_PATTERNS = {
    "arn": re.compile(r"arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:\d{0,12}:[\x21-\x7e]{1,1500}\Z"),
    "path": re.compile(r"/[\x21-\x7e]{0,1023}\Z"),
    "url": re.compile(r"https?://[\x21-\x7e]{1,2000}\Z"),
    "host": re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z"),
}
_TRUE, _FALSE = {"yes", "true", "y"}, {"no", "false", "n"}
_MOST_TEXT = 2000


def typed(value: object, kind: str, choices: Sequence[str] = ()) -> object:
    """A value as its type, from what a person typed or a step captured.

    Raises `Refused` when it is not one. Control characters are refused in every type.
    """
    if isinstance(value, str):
        value = _typed_text(value.strip(), kind, choices)
    elif isinstance(value, datetime):
        value = value.isoformat() if kind == "time" else _wrong(value, kind)
    fits: Mapping[str, tuple[type, ...]] = {
        "integer": (int,),
        "port": (int,),
        "number": (int, float),
        "boolean": (bool,),
    }
    wanted = fits.get(kind, (str,))
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind != "boolean"):
        _wrong(value, kind)
    if kind == "port" and isinstance(value, int) and not 0 < value < 65536:
        _wrong(value, kind)
    return value


def _typed_text(value: str, kind: str, choices: Sequence[str]) -> object:
    if not value:
        wanted = f"one of {', '.join(choices)}" if choices else f"{_article(kind)} {kind}"
        raise Refused(f"there is nothing in it: it has to be {wanted}")
    if len(value) > _MOST_TEXT or not value.isprintable():
        _wrong(value, kind)
    match kind:
        case "integer" | "port":
            return int(value) if re.fullmatch(r"-?\d{1,18}", value) else _wrong(value, kind)
        case "number":
            plain = re.fullmatch(r"-?\d{1,15}(?:\.\d{1,9})?", value)
            return float(value) if plain else _wrong(value, kind)
        case "boolean":
            if value.lower() not in _TRUE | _FALSE:
                _wrong(value, kind)
            return value.lower() in _TRUE
        case "choice":
            return value if value in choices else _wrong(value, f"choice of {', '.join(choices)}")
        case "cidr":
            return _cidr(value)
        case "time":
            return _time(value)
        case _ if kind in _PATTERNS:
            return value if _PATTERNS[kind].match(value) else _wrong(value, kind)
        case _:
            return value


def _cidr(value: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        _wrong(value, "cidr")


def _time(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        _wrong(value, "time")
    if moment.tzinfo is None:
        _wrong(value, "time with a zone")
    return value


def _wrong(value: object, kind: str) -> NoReturn:
    shown = visible(str(value), 60)
    raise Refused(f"{shown!r} is not {_article(kind)} {kind}")


def _article(kind: str) -> str:
    return "an" if kind[0] in "aeiou" else "a"
