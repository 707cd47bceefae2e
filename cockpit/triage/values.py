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
    arguments_of,
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
            yield from _entries(table, key, place)
            of_code = any(place.code in strings_in(t) for t, _ in values(table, place.deeper()))
            for part in default if not of_code else []:
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
    if name in {a.arg for a in parameters(place.body)}:
        given = list(handed(name, place))
        yield from given or [
            (ast.Name(name), place)
        ]  # what it is then cannot be told, and is not left out
    elif not assigned and (constant := place.source.constant(name)) is not None:
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
                reaches = isinstance(call.func, ast.Name) and call.func.id == place.body.name
                if reaches and not _of_another(call, place.code):
                    for value in _argument(call, name, positions):
                        yield from values(value, place.deeper(caller, known))


def _of_another(call: ast.Call, code: str) -> bool:
    """Whether a call hands on codes, and not this one."""
    texts = (a.value for a in arguments_of(call) if isinstance(a, ast.Constant))
    codes = {text for text in texts if is_code(text)}
    return bool(codes) and code not in codes


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
        alike = _keys_of_code(there, found)
        ways = (
            [v for k, v in pairs if isinstance(k, ast.Constant) and k.value == place.code],
            [v for _, v in pairs if place.code in strings_in(v)],
            [v for k, v in pairs if isinstance(k, ast.Constant) and k.value in alike],
            [v for k, v in pairs if isinstance(k, ast.Constant) and k.value in told],
            found.values if len(pairs) <= _LARGEST and not _coded(found) else [],
        )
        for value in next(filter(None, ways), []):
            yield from values(value, there.deeper())


def _keys_of_code(place: Place, table: ast.Dict) -> set[object]:
    """The keys that mean the code in another table of the module with the same keys."""
    keys = {k.value for k in table.keys if isinstance(k, ast.Constant)}
    for other in place.source.constants.values():
        if isinstance(other, ast.Dict) and other is not table:
            pairs = [(k, v) for k, v in zip(other.keys, other.values, strict=True) if k]
            if keys == {k.value for k, _ in pairs if isinstance(k, ast.Constant)}:
                return {ast.literal_eval(k) for k, v in pairs if place.code in strings_in(v)}
    return set()


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
    """What a function that gives texts returns; else the sentences that it chooses from."""
    reached = place.source.function(name)
    if reached is None or "str" not in ast.unparse(reached[1].returns or ast.Constant("")):
        return
    there = place.deeper(reached[1], reached[0])
    given = [n.value for n in ast.walk(reached[1]) if isinstance(n, ast.Return | ast.Yield)]
    told = [text for value in given if value is not None for text in texts_of(value, there)]
    yield from told or _sentences(reached[1])


def _sentences(body: Function) -> Iterator[str]:
    about = (ast.get_docstring(body, clean=False) or "").strip()
    pieces = {part for n in ast.walk(body) if isinstance(n, ast.JoinedStr) for part in n.values}
    for node in ast.walk(body):
        text = str(node.value).strip() if isinstance(node, ast.Constant) else ""
        if " " in text and text != about and node not in pieces:
            yield text
