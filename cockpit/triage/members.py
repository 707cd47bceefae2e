"""Whether a record of others is what it declares: each member against its own annotation.

A type checker would have said it; who installs a plug-in has not run one on it. What is not seen
here ends the look at everything much later, where nobody knows any more whose it was.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from cockpit.connect.kind import AnyKind, Kind
from cockpit.plugins import attempt
from cockpit.triage.changes import Change
from cockpit.triage.finding import Finding
from cockpit.triage.probe import AnyProbe, Fact, Probe, RecoveryPoint
from cockpit.triage.view import Table

Given = TypeVar("Given")
_SORTED_BY: Mapping[type[object], tuple[str, ...]] = {
    Finding: ("code", "severity", "subject"),
    Fact: ("severity",),
    RecoveryPoint: ("behind", "itself"),
    Table: ("title", "rows"),
    Change: ("at", "kind", "target"),
}
"""The members of what a probe gives by which the board compares it with what others gave."""

_CODES_WANTED = 'write codes=codes(cause=("A_CODE",), event=(…), …), by cockpit.triage.nature'


def only(kind: type[Given], given: Iterable[Given]) -> tuple[Given, ...]:
    """What a probe gave, if it is what it should be: here a wrong one costs its own look, and on
    the board it would cost everybody's. Raises `TypeError`.
    """
    told = tuple(given)
    for each in told:
        if not isinstance(each, kind):
            raise TypeError(f"it gave a {type(each).__name__} for a {kind.__name__}")
        if wrong := mistyped(each, kind, _SORTED_BY[kind]):
            raise TypeError(f"it gave a {kind.__name__}, and {wrong}")
    return told


def fault(record: object) -> str:
    """What is wrong with a `Kind` or a `Probe`, for its author; empty: nothing."""
    if isinstance(record, Kind):
        return mistyped(record, Kind) or _first(_of_kind(record))
    if isinstance(record, Probe):
        if wrong := mistyped(record, Probe, ("codes",)):
            return f"{wrong}: {_CODES_WANTED}"
        return mistyped(record, Probe) or _first(_of_probe(record))
    return ""


def mistyped(record: object, declared: type, members: Iterable[str] = ()) -> str:
    """The first member that is not of its annotated type, for a sentence; empty: none. `members`:
    only these.
    """
    hints = _hints(declared)
    for member in members or (field.name for field in dataclasses.fields(declared)):
        wrong = _wrong(getattr(record, member), hints[member])
        if wrong:
            return f"its {member} {wrong}"
    return ""


@cache
def _hints(declared: type) -> Mapping[str, Any]:
    return get_type_hints(declared)


def _wrong(value: object, hint: Any) -> str:
    """Why a value is not of an annotated type; empty: it is. A `TypeVar` says nothing."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        told = [_wrong(value, each) for each in inner if each is not NoneType]
        return "" if (value is None and NoneType in inner) or not all(told) else told[0]
    if origin is Callable:
        return _uncallable(value, len(inner[0]))
    if origin is tuple:
        return _sequence(value, inner[0])
    if origin is Mapping:
        return _mapping(value, *inner)
    if isinstance(hint, TypeVar):
        return ""
    wanted = (int, float) if hint is float else origin or hint
    as_flag = isinstance(value, bool) and hint is not bool  # a bool is an int, and meant otherwise
    return "" if isinstance(value, wanted) and not as_flag else _is_not(value, hint)


def _sequence(value: object, of: Any) -> str:
    if not isinstance(value, tuple):
        return f"is {what(value)}, not a tuple"
    return _first(f"holds a member that {why}" for each in value if (why := _wrong(each, of)))


def _mapping(value: object, of: Any, to: Any) -> str:
    if not isinstance(value, Mapping):
        return f"is {what(value)}, not a mapping"
    keys = (f"has a key that {why}" for key in value if (why := _wrong(key, of)))
    inside = (f"[{key!r}] {why}" for key, each in value.items() if (why := _wrong(each, to)))
    return _first(keys) or _first(inside)


def _uncallable(value: object, arguments: int) -> str:
    if not callable(value):
        return f"is {what(value)}, which cannot be called"
    try:
        signature = inspect.signature(value)
    except ValueError:  # functions in C need not tell theirs
        return ""
    try:
        signature.bind(*[None] * arguments)
    except TypeError as error:
        return f"is not called with {arguments} arguments: {error}"
    return ""


def _is_not(value: object, hint: Any) -> str:
    names = {str: "a text", float: "a number", bool: "true or false", type: "a class"}
    plain = get_origin(hint) or hint
    return f"is {what(value)}, not {names.get(plain, getattr(plain, '__name__', str(hint)))}"


def what(value: object) -> str:
    """A value by its type, for a sentence."""
    return "nothing" if value is None else f"a {type(value).__name__}"


def _first(told: Iterable[str]) -> str:
    return next(iter(told), "")


def _of_kind(kind: AnyKind) -> Iterator[str]:
    """What the annotations of a kind leave open."""
    yield from _unnamed("name", kind.name)
    yield from _unnamed("short", kind.short)
    if not dataclasses.is_dataclass(kind.settings):
        yield "its settings are no dataclass"
        return
    yield from _unread(kind.settings)
    fields = {field.name for field in dataclasses.fields(kind.settings)}
    for member, named in (("words", kind.words), ("renamed", kind.renamed.values())):
        for field in named:
            if field not in fields:
                yield f"its {member} names {field!r}, which is no field of its settings"


def _of_probe(probe: AnyProbe) -> Iterator[str]:
    """What the annotations of a probe leave open."""
    yield from _unnamed("id", probe.id)
    yield from _unnamed("kind", probe.kind)
    for name, seconds in (("every", probe.every), ("timeout", probe.timeout)):
        if not (seconds > 0 and math.isfinite(seconds)):
            yield f"its {name} is {seconds}, not a number of seconds above 0"
    if not dataclasses.is_dataclass(probe.settings) or isinstance(probe.settings, type):
        yield "its settings are no record of a dataclass"
    else:
        yield from _unread(type(probe.settings))
    _, why = attempt(partial(get_type_hints, probe.snapshot))
    if why:
        yield f"a type in its snapshot cannot be read: {why}"


def _unnamed(member: str, text: str) -> Iterator[str]:
    if not text.strip() or not text.isprintable():
        yield f"its {member} is {text!r}, not a word that can be shown"


def _unread(settings: type[Any]) -> Iterator[str]:
    """What no table of a configuration could be read into, such as a name that only a type checker
    imports: found here, or else by whoever reads the configuration of everybody.
    """
    hints, why = attempt(partial(get_type_hints, settings))
    if hints is None:
        yield f"a type in its settings cannot be read: {why}"
        return
    for field in dataclasses.fields(settings):
        hint = hints[field.name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from _unread(hint)
        elif why := attempt(partial(msgspec.json.schema, hint))[1]:
            yield f"the type of {field.name} in its settings cannot be configured: {why}"
