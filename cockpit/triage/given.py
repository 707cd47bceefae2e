"""What a rule gives with a code: its severities, likely causes and next step, as far as they stand
in the source. What is put together at run time is left out, or shown with a gap (`…`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeGuard

from cockpit.triage.finding import Severity, Thresholds
from cockpit.triage.rules import (
    Function,
    Rule,
    Source,
    calls_in,
    closure,
    is_code,
    names_in,
    strings_in,
)

_DEEPEST = 6
"""Steps from a name to what it stands for, through locals, arguments and tables."""
_LARGEST = 12
"""A table of more that is not keyed by code is not what is said of one."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an expression stands: names mean what they mean there."""

    body: Function
    source: Source
    rule: Rule
    depth: int = 0

    @property
    def code(self) -> str:
        return self.rule.code

    def deeper(self, body: Function | None = None, source: Source | None = None) -> _Place:
        return replace(
            self, body=body or self.body, source=source or self.source, depth=self.depth + 1
        )


def texts(rule: Rule, member: str) -> Iterator[str]:
    """The texts that a finding with the code is given as `likely`, or as `next`."""
    for call, place in _calls(rule):
        for keyword in call.keywords:
            if keyword.arg == member:
                yield from _texts(keyword.value, place)


def severities(rule: Rule, settings: object, names: frozenset[str]) -> frozenset[Severity]:
    """Those that its finding can have; `settings`: whose thresholds it judges by, with the `names`.

    Where the finding itself does not say, all that the rule names or its thresholds reach. Empty:
    it cannot be told from the source.
    """
    found: set[Severity] = set()
    for call, place in _calls(rule):
        asked = [k.value for k in call.keywords if k.arg == "severity"] or call.args[1:2]
        for expression in asked:
            found |= _severities(expression, place, settings)
    if not found:
        found = {Severity[each.attr] for each in ast.walk(rule.body) if _is_severity(each)}
        for name in settings_of(rule, names):
            found |= _limits(getattr(settings, name))
    return frozenset(found)


def settings_of(rule: Rule, names: frozenset[str]) -> Iterator[str]:
    """The settings that it judges by, in its order; also those of what it asks for a verdict."""
    place = _Place(rule.body, rule.source, rule)
    for parameter in _parameters(rule.body):
        if parameter.annotation and "Thresholds" in ast.unparse(parameter.annotation):
            for value, _ in _handed(parameter.arg, place):
                if isinstance(value, ast.Attribute) and value.attr in names:
                    yield value.attr
    yield from _settings(rule.body, rule.source, names, 0)


def _calls(rule: Rule) -> Iterator[tuple[ast.Call, _Place]]:
    """The calls that make the finding: with the code itself, else with one from a table.

    A code that is handed to a function is followed there: it makes the finding.
    """
    place = _Place(rule.body, rule.source, rule)
    made = [call for call in _findings(rule.body) if _gives(call, rule.code)]
    if made:
        yield from ((call, place) for call in made)
        return
    reached = rule.takers()
    for known, body in reached:
        yield from ((made, place.deeper(body, known)) for made in _findings(body))
    if not reached:
        own = [(call, place) for call in _findings(rule.body) if not _names_another(call)]
        yield from own or _told_elsewhere(rule)


def _told_elsewhere(rule: Rule) -> Iterator[tuple[ast.Call, _Place]]:
    """Findings that are made of a record with a code, `Finding(blocker.code, …)`."""
    for known in closure(rule.home):
        for body in known.functions:
            for call in _findings(body):
                match _code_of(call):
                    case ast.Attribute(attr="code"):
                        yield call, _Place(body, known, rule)


def _findings(body: Function) -> list[ast.Call]:
    """The calls that make a finding, or another one of it: `replace(finding, code=…)`."""
    return [
        call
        for call in calls_in(body)
        if isinstance(call.func, ast.Name)
        and (
            call.func.id == "Finding"
            or (call.func.id == "replace" and any(k.arg == "code" for k in call.keywords))
        )
    ]


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _code_of(call: ast.Call) -> ast.expr | None:
    named = [k.value for k in call.keywords if k.arg == "code"]
    return next(iter(named or call.args), None)


def _gives(call: ast.Call, code: str) -> bool:
    asked = _code_of(call)
    return asked is not None and code in strings_in(asked)


def _names_another(call: ast.Call) -> bool:
    return isinstance(_code_of(call), ast.Constant)


def _is(node: ast.expr, code: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == code


def _values(node: ast.expr, place: _Place) -> Iterator[tuple[ast.expr, _Place]]:
    """What an expression can be: choices are parted, names and tables followed."""
    if place.depth > _DEEPEST:
        return
    match node:
        case ast.IfExp(body=first, orelse=second):
            yield from _values(first, place)
            yield from _values(second, place)
        case ast.BoolOp(values=parts):
            for part in parts:
                yield from _values(part, place)
        case ast.Name(id=name):
            yield from _named(name, place)
        case ast.Subscript(value=table, slice=key):
            yield from _entries(table, key, place)
        case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[key, *default]):
            found = list(_entries(table, key, place))
            yield from found
            for part in default if not found else []:
                yield from _values(part, place)
        case _:
            yield node, place


def _named(name: str, place: _Place) -> Iterator[tuple[ast.expr, _Place]]:
    """What a local, an argument or a constant of the module is."""
    local = False
    for node in ast.walk(place.body):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for value, path in _assigned(target, node.value, name):
                    local = True
                    yield from _at(value, path, place.deeper())
        elif isinstance(node, ast.NamedExpr) and node.target.id == name:
            local = True
            yield from _values(node.value, place.deeper())
    constant = place.source.constant(name)
    if not local and name in {a.arg for a in _parameters(place.body)}:
        yield from _handed(name, place)
    elif not local and constant is not None:
        yield from _values(constant, place.deeper())


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


def _at(value: ast.expr, path: tuple[int, ...], place: _Place) -> Iterator[tuple[ast.expr, _Place]]:
    if not path:
        yield from _values(value, place)
        return
    for whole, there in _values(value, place):
        if isinstance(whole, ast.Tuple) and path[0] < len(whole.elts):
            yield from _at(whole.elts[path[0]], path[1:], there.deeper())


def _parameters(body: Function) -> list[ast.arg]:
    return [*body.args.posonlyargs, *body.args.args, *body.args.kwonlyargs]


def _handed(name: str, place: _Place) -> Iterator[tuple[ast.expr, _Place]]:
    """What callers give for a parameter."""
    positions = [a.arg for a in (*place.body.args.posonlyargs, *place.body.args.args)]
    for known in closure(place.rule.home):
        if known.function(place.body.name) != (place.source, place.body):
            continue
        for caller in known.functions:
            for call in calls_in(caller) if caller is not place.body else []:
                if isinstance(call.func, ast.Name) and call.func.id == place.body.name:
                    for value in _argument(call, name, positions):
                        yield from _values(value, place.deeper(caller, known))


def _argument(call: ast.Call, name: str, positions: list[str]) -> list[ast.expr]:
    named = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return named or (call.args[positions.index(name) :][:1] if name in positions else [])


def _entries(table: ast.expr, key: ast.expr, place: _Place) -> Iterator[tuple[ast.expr, _Place]]:
    """A table's entry for the code: by its key, else what holds it, else all of a small table."""
    for found, there in list(_values(table, place.deeper())):
        if not isinstance(found, ast.Dict):
            continue
        pairs = [(k, v) for k, v in zip(found.keys, found.values, strict=True) if k]
        told = {k.value for k, _ in _values(key, place.deeper()) if isinstance(k, ast.Constant)}
        ways = (
            [v for k, v in pairs if _is(k, place.code)],
            [v for _, v in pairs if place.code in strings_in(v)],
            [v for k, v in pairs if isinstance(k, ast.Constant) and k.value in told],
            found.values if len(pairs) <= _LARGEST and not _coded(found) else [],
        )
        for value in next(filter(None, ways), []):
            yield from _values(value, there.deeper())


def _coded(table: ast.Dict) -> bool:
    """Whether its keys are codes: then a code that is not there has no entry."""
    return any(isinstance(key, ast.Constant) and is_code(key.value) for key in table.keys)


def _texts(node: ast.expr, place: _Place) -> Iterator[str]:
    for value, there in _values(node, place):
        match value:
            case ast.Constant(value=str(text)) if text:
                yield text
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    inner = part.value if isinstance(part, ast.Starred) else part
                    yield from _texts(inner, there.deeper())
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


def _said_by(name: str, place: _Place) -> Iterator[str]:
    """The sentences inside a function that gives texts."""
    reached = place.source.function(name)
    if reached is None or "str" not in ast.unparse(reached[1].returns or ast.Constant("")):
        return
    about = (ast.get_docstring(reached[1], clean=False) or "").strip()
    for node in ast.walk(reached[1]):
        text = str(node.value).strip() if isinstance(node, ast.Constant) else ""
        if " " in text and text != about:
            yield text


def _severities(node: ast.expr, place: _Place, settings: object) -> set[Severity]:
    found: set[Severity] = set()
    for value, there in _values(node, place):
        match value:
            case ast.Attribute(attr=name) if _is_severity(value):
                found.add(Severity[name])
            case ast.Call(func=ast.Name(id="Severity"), args=[asked]):
                found |= {Severity(text) for text in _texts(asked, there) if text in set(Severity)}
            case ast.Call(func=ast.Attribute(value=limits, attr="grade")):
                found |= _reached(limits, there, settings)
                for part in _arguments(value):
                    found |= _reached(part, there, settings)
            case ast.Call(func=ast.Name(id=name), args=parts):
                if there.source.function(name) is None:  # max, min, filter
                    for part in parts:
                        found |= _severities(part, there.deeper(), settings)
                else:
                    found |= _judged_by(name, value, there, settings)
            case ast.Tuple(elts=parts):
                for part in parts:
                    found |= _severities(part, there.deeper(), settings)
    return found


def _judged_by(name: str, call: ast.Call, place: _Place, settings: object) -> set[Severity]:
    """What a function gives whose verdict a rule takes."""
    reached = place.source.function(name)
    if reached is None or place.depth > _DEEPEST:
        return set()
    found: set[Severity] = set()
    for node in _of_the_code(reached[1].body, place.code):
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            found |= _severities(node.value, place.deeper(reached[1], reached[0]), settings)
    for part in _arguments(call):
        found |= _reached(part, place, settings)
    return found


def _of_the_code(body: list[ast.stmt], code: str) -> Iterator[ast.AST]:
    """What is below the statements, without what `if … == "OTHER_CODE"` keeps for another code."""
    for statement in body:
        match statement:
            case ast.If(test=ast.Compare(ops=[ast.Eq()], comparators=[ast.Constant(value=other)])):
                if other == code:
                    yield from ast.walk(ast.Module(statement.body, []))
                    return
                if not is_code(other):
                    yield from ast.walk(statement)
            case _:
                yield from ast.walk(statement)


def _is_severity(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Severity"
    )


def _limits(setting: object) -> set[Severity]:
    """The severities that a setting has limits for."""
    if not isinstance(setting, Thresholds):
        return set()
    return {each for each in Severity if setting.limit(each) is not None}


def _reached(node: ast.expr, place: _Place, settings: object) -> set[Severity]:
    found: set[Severity] = set()
    for value, _ in _values(node, place):
        if isinstance(value, ast.Attribute):
            found |= _limits(getattr(settings, value.attr, None))
    return found


def _settings(body: Function, source: Source, names: frozenset[str], depth: int) -> Iterator[str]:
    inside = [node for node in ast.walk(body) if isinstance(node, ast.Attribute | ast.Call)]
    for node in sorted(inside, key=lambda each: (each.lineno, each.col_offset)):
        match node:
            case ast.Attribute(value=ast.Name(id="settings" | "limits"), attr=name):
                if name in names:
                    yield name
            case ast.Call(func=ast.Name(id=name)) if depth < 2:
                asked = any("settings" in names_in(part) for part in _arguments(node))
                reached = source.function(name) if asked else None
                if reached is not None and not _makes_findings(reached[1]):
                    yield from _settings(reached[1], reached[0], names, depth + 1)


def _makes_findings(body: Function) -> bool:
    """Whether it judges for itself, or only shows: then its settings are not the caller's."""
    gives = ast.unparse(body.returns) if body.returns else ""
    return any(word in gives for word in ("Finding", "Evidence", "Fact", "Table", "Row"))
