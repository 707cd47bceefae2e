"""How bad a finding can be: the severities that its rule names or that its thresholds reach."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import TypeGuard

from cockpit.triage.finding import Severity, Thresholds
from cockpit.triage.rules import arguments_of, is_code
from cockpit.triage.values import DEEPEST, Place, texts_of, values


def severities_of(node: ast.expr, place: Place, settings: object) -> set[Severity | None]:
    """Those that an expression can be; with None among them when that is not all."""
    found = [_of_value(value, there, settings) for value, there in values(node, place)]
    return set[Severity | None]().union(*found) if found else {None}


def _of_value(value: ast.expr, place: Place, settings: object) -> set[Severity | None]:
    match value:
        case ast.Attribute(attr=name) if is_severity(value):
            return {Severity[name]}
        case ast.Call(func=ast.Name(id="Severity"), args=[asked]):
            return {Severity(text) for text in texts_of(asked, place) if text in set(Severity)}
        case ast.Call(func=ast.Attribute(value=limits, attr="grade")):
            return _of_all([limits, *arguments_of(value)], place, settings, _reached)
        case ast.Call(func=ast.Name(id=name)) if place.source.function(name) is not None:
            return _judged_by(name, value, place, settings)
        case (
            ast.Call(func=ast.Name(), args=parts)  # max, min, filter
            | ast.Tuple(elts=parts)
            | ast.List(elts=parts)
        ):
            return _of_all(parts, place.deeper(), settings, severities_of)
        case ast.GeneratorExp(generators=[each]) | ast.ListComp(generators=[each]):
            return severities_of(each.iter, place.deeper(), settings)
    return set() if isinstance(value, ast.Constant) else {None}


def _of_all(
    parts: list[ast.expr],
    place: Place,
    settings: object,
    one: Callable[[ast.expr, Place, object], set[Severity | None]],
) -> set[Severity | None]:
    return set[Severity | None]().union(*(one(part, place, settings) for part in parts))


def _judged_by(name: str, call: ast.Call, place: Place, settings: object) -> set[Severity | None]:
    """What a function gives whose verdict a rule takes."""
    reached = place.source.function(name)
    if reached is None or place.depth > DEEPEST:
        return set()
    found: set[Severity | None] = set()
    for node in _of_the_code(reached[1].body, place.code):
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            found |= severities_of(node.value, place.deeper(reached[1], reached[0]), settings)
    for part in arguments_of(call):
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


def is_severity(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """Whether it is a severity by name, `Severity.HIGH`."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Severity"
    )


def limits_of(setting: object) -> set[Severity | None]:
    """The severities that a setting has limits for."""
    if not isinstance(setting, Thresholds):
        return set()
    return {each for each in Severity if setting.limit(each) is not None}


def _reached(node: ast.expr, place: Place, settings: object) -> set[Severity | None]:
    found: set[Severity | None] = set()
    for value, _ in values(node, place):
        match value:
            case ast.Attribute(attr=name):
                found |= limits_of(getattr(settings, name, None))
            case ast.Call(func=ast.Name(id="Thresholds"), keywords=levels):
                found |= {Severity(level.arg) for level in levels if level.arg in set(Severity)}
    return found
