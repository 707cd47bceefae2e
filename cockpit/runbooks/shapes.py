"""Which members an expression can find in a probe's snapshot, by the types of its fields.

Walks the parsed JMESPath beside the dataclasses: a field that no snapshot of the probe can have is
a mistake that would otherwise show as *nothing there* at three in the morning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import NotRequired, TypedDict, Union, get_args, get_origin, get_type_hints

from cockpit.runbooks.values import compiled
from cockpit.text import nearest

Shape = object
"""A type, or None: nothing is known, so nothing is wrong."""


class _Node(TypedDict):
    """A part of an expression as JMESPath parses it."""

    type: str
    children: list[_Node]
    value: NotRequired[object]
    """A field's name, an index, a literal."""


def shape_fields(shape: Shape) -> Mapping[str, Shape]:
    """Name → type of a dataclass' fields; empty for everything else."""
    return _fields(shape) if isinstance(shape, type) and is_dataclass(shape) else {}


def asks_a_negation(expression: str) -> bool:
    """Whether a member is asked of a negation: JMESPath's `!` binds closer than its dot, so that
    `!a.b` is `(!a).b`, which is null whatever `a` holds.
    """
    return _asks_a_negation(compiled(expression).parsed)


def _asks_a_negation(node: _Node) -> bool:
    children = node["children"] if node["type"] != "slice" else []  # its children are numbers
    if node["type"] == "subexpression" and children[0]["type"] == "not_expression":
        return True
    return any(map(_asks_a_negation, children))


def unknown_fields(expression: str, shape: Shape, also: Sequence[str]) -> Iterator[str]:
    """A message for each field that cannot be there. `also`: names besides the snapshot's."""
    told: list[str] = []
    _walk(compiled(expression).parsed, shape, told, frozenset(also))
    yield from dict.fromkeys(told)


@cache
def _fields(shape: type) -> Mapping[str, Shape]:
    hints = get_type_hints(shape)
    return {field.name: _bare(hints[field.name]) for field in fields(shape)}


def _bare(hint: object) -> Shape:
    """The type without `| None`; None for a real union."""
    origin: object = get_origin(hint)
    if origin is Union or origin is UnionType:
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else None
    return hint


@dataclass(frozen=True, slots=True)
class _Many:
    """What a projection gives: some of these."""

    item: Shape


def _item(shape: Shape) -> Shape:
    """What a sequence holds; None when it is not known."""
    if isinstance(shape, _Many):
        return shape.item
    origin: object = get_origin(shape)
    if (origin is tuple or origin is list) and get_args(shape):
        return _bare(get_args(shape)[0])
    return None


def _walk(node: _Node, shape: Shape, told: list[str], also: frozenset[str]) -> Shape:
    """The shape of what a node gives; appends what cannot be there."""
    kind, children = node["type"], node["children"]
    match kind:
        case "field":
            return _field(str(node["value"]), shape, told, also)
        case "subexpression" | "index_expression":
            current = shape
            for place, child in enumerate(children):
                current = _walk(child, current, told, frozenset() if place else also)
            return current
        case "index":
            return _item(shape)
        case "current" | "identity" | "slice":
            return shape
        case "expref" | "value_projection" | "literal":
            return None
        case "flatten" | "projection" | "filter_projection" | "pipe":
            return _through(kind, children, _walk(children[0], shape, told, also), told)
        case _:
            for child in children:
                _walk(child, shape, told, also)
            return None


def _through(kind: str, children: list[_Node], left: Shape, told: list[str]) -> Shape:
    """The right side of a projection sees each item, that of a pipe the whole."""
    nothing: frozenset[str] = frozenset()
    if kind == "flatten":
        nested = _item(_item(left))
        return _Many(nested) if nested is not None else left
    if kind == "pipe":
        return _walk(children[1], left, told, nothing)
    item = _item(left)
    if kind == "filter_projection":
        _walk(children[2], item, told, nothing)
    return _Many(_walk(children[1], item, told, nothing))


def _field(name: str, shape: Shape, told: list[str], also: frozenset[str]) -> Shape:
    if name in also:
        return None
    known = shape_fields(shape)
    if known and isinstance(shape, type) and name not in known:
        told.append(f"{shape.__name__} has no {name!r}{nearest(name, known)}")
    return known.get(name)
