"""What an expression in a rule can be, as far as its source says. Nothing is run.

Names are followed through locals, arguments and tables; choices are parted.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cockpit.triage.rules import (
    Function,
    Rule,
    Source,
    calls_in,
    closure,
    is_code,
    strings_in,
)

DEEPEST = 6
"""Steps from a name to what it stands for, through locals, arguments and tables."""
_LARGEST = 12
"""A table of more that is not keyed by code is not what is said of one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands: names mean what they mean there."""

    body: Function
    source: Source
    rule: Rule
    depth: int = 0

    @property
    def code(self) -> str:
        """The code that is asked for: of a table, only its entry counts."""
        return self.rule.code

    def deeper(self, body: Function | None = None, source: Source | None = None) -> Place:
        """A step on, there or into another function."""
        return replace(
            self, body=body or self.body, source=source or self.source, depth=self.depth + 1
        )


def values(node: ast.expr, place: Place) -> Iterator[tuple[ast.expr, Place]]:
    """What an expression can be: choices are parted, names and tables followed."""
    if place.depth > DEEPEST:
        return
    match node:
        case ast.IfExp(body=first, orelse=second):
            yield from values(first, place)
            yield from values(second, place)
        case ast.BoolOp(values=parts):
            for part in parts:
                yield from values(part, place)
        case ast.Name(id=name):
            yield from _named(name, place)
        case ast.Subscript(value=table, slice=key):
            yield from _entries(table, key, place)
        case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[key, *default]):
            found = list(_entries(table, key, place))
            yield from found
            for part in default if not found else []:
                yield from values(part, place)
        case _:
            yield node, place


def _named(name: str, place: Place) -> Iterator[tuple[ast.expr, Place]]:
    """What a local, an argument or a constant of the module is."""
    assigned = [
        (value, path)
        for node in ast.walk(place.body)
        for target, given in _assignments(node)
        for value, path in _assigned(target, given, name)
    ]
    for value, path in assigned:
        yield from _at(value, path, place.deeper())
    constant = place.source.constant(name)
    if not assigned and name in {a.arg for a in parameters(place.body)}:
        yield from handed(name, place)
    elif not assigned and constant is not None:
        yield from values(constant, place.deeper())


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What a statement makes of a name, or adds to it."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
        case ast.NamedExpr(target=target, value=value):
            yield target, value
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield target, value
        case ast.Call(
            func=ast.Attribute(value=ast.Name() as target, attr="append" | "insert"),
            args=[*_, value],
        ):
            yield target, value


def _assigned(
    target: ast.expr, value: ast.expr, name: str
) -> Iterator[tuple[ast.expr, tuple[int, ...]]]:
    """The part of a value that a name is given, and the way to it where it is not written out."""
    match target, value:
        case ast.Name(id=given), _ if given == name:
            yield value, ()
        case ast.Tuple(elts=names), ast.Tuple(elts=parts) if len(names) == len(parts):
            for each, part in zip(names, parts, strict=True):
                yield from _assigned(each, part, name)
        case ast.Tuple(elts=names), _:
            for position, each in enumerate(names):
                for found, path in _assigned(each, value, name):
                    yield found, (position, *path)


def _at(value: ast.expr, path: tuple[int, ...], place: Place) -> Iterator[tuple[ast.expr, Place]]:
    if not path:
        yield from values(value, place)
        return
    for whole, there in values(value, place):
        if isinstance(whole, ast.Tuple) and path[0] < len(whole.elts):
            yield from _at(whole.elts[path[0]], path[1:], there.deeper())


def parameters(body: Function) -> list[ast.arg]:
    """What a function takes, `*args` and `**kwargs` left out."""
    return [*body.args.posonlyargs, *body.args.args, *body.args.kwonlyargs]


def handed(name: str, place: Place) -> Iterator[tuple[ast.expr, Place]]:
    """What callers give for a parameter."""
    positions = [a.arg for a in (*place.body.args.posonlyargs, *place.body.args.args)]
    for known in closure(place.rule.home):
        if known.function(place.body.name) != (place.source, place.body):
            continue
        for caller in known.functions:
            for call in calls_in(caller) if caller is not place.body else []:
                if isinstance(call.func, ast.Name) and call.func.id == place.body.name:
                    for value in _argument(call, name, positions):
                        yield from values(value, place.deeper(caller, known))


def _argument(call: ast.Call, name: str, positions: list[str]) -> list[ast.expr]:
    named = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return named or (call.args[positions.index(name) :][:1] if name in positions else [])


def _entries(table: ast.expr, key: ast.expr, place: Place) -> Iterator[tuple[ast.expr, Place]]:
    """A table's entry for the code: by its key, else what holds it, else all of a small table."""
    for found, there in list(values(table, place.deeper())):
        if not isinstance(found, ast.Dict):
            continue
        pairs = [(k, v) for k, v in zip(found.keys, found.values, strict=True) if k]
        told = {k.value for k, _ in values(key, place.deeper()) if isinstance(k, ast.Constant)}
        ways = (
            [v for k, v in pairs if isinstance(k, ast.Constant) and k.value == place.code],
            [v for _, v in pairs if place.code in strings_in(v)],
            [v for k, v in pairs if isinstance(k, ast.Constant) and k.value in told],
            found.values if len(pairs) <= _LARGEST and not _coded(found) else [],
        )
        for value in next(filter(None, ways), []):
            yield from values(value, there.deeper())


def _coded(table: ast.Dict) -> bool:
    """Whether its keys are codes: then a code that is not there has no entry."""
    return any(isinstance(key, ast.Constant) and is_code(key.value) for key in table.keys)


def texts_of(node: ast.expr, place: Place) -> Iterator[str]:
    """The texts that an expression can be; what is put in at run time is a gap, `…`."""
    for value, there in values(node, place):
        match value:
            case ast.Constant(value=str(text)) if text:
                yield text
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    inner = part.value if isinstance(part, ast.Starred) else part
                    yield from texts_of(inner, there.deeper())
            case ast.JoinedStr():
                text = _with_gaps(value)
                if len(text.strip("… ,:;()")) > 8:
                    yield text
            case ast.Call(func=ast.Name(id=name)):
                yield from _said_by(name, there)


def _with_gaps(node: ast.JoinedStr) -> str:
    return "".join(
        part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "…"
        for part in node.values
    )


def _said_by(name: str, place: Place) -> Iterator[str]:
    """The sentences inside a function that gives texts."""
    reached = place.source.function(name)
    if reached is None or "str" not in ast.unparse(reached[1].returns or ast.Constant("")):
        return
    about = (ast.get_docstring(reached[1], clean=False) or "").strip()
    for node in ast.walk(reached[1]):
        text = str(node.value).strip() if isinstance(node, ast.Constant) else ""
        if " " in text and text != about:
            yield text
