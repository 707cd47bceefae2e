"""What a rule gives with a code: its severities, likely causes and next step, as far as they stand
in the source. What is put together at run time is left out, or shown with a gap (`…`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cockpit.triage.finding import Severity
from cockpit.triage.grades import is_severity, limits_of, severities_of
from cockpit.triage.rules import (
    Function,
    Rule,
    Source,
    arguments_of,
    calls_in,
    closure,
    names_in,
    strings_in,
)
from cockpit.triage.values import Place, handed, parameters, texts_of

_VERDICTS = {"Thresholds", "Severity"}
"""Parameters by which a rule is told how to judge, or how it was judged."""


def texts(rule: Rule, member: str) -> Iterator[str]:
    """The texts that a finding with the code is given as `likely`, or as `next`."""
    for call, place in _calls(rule):
        for keyword in call.keywords:
            if keyword.arg == member:
                yield from texts_of(keyword.value, place)


def severities(rule: Rule, settings: object, names: frozenset[str]) -> frozenset[Severity]:
    """Those that its finding can have; `settings`: whose thresholds it judges by, with the `names`.

    Where the finding itself does not say, all that the rule names or its thresholds reach. Empty:
    it cannot be told from the source.
    """
    found: set[Severity | None] = set()
    for call, place in _calls(rule):
        asked = [k.value for k in call.keywords if k.arg == "severity"] or call.args[1:2]
        for expression in asked:
            found |= severities_of(expression, place, settings)
    if found <= {None} or None in found:
        found |= {Severity[each.attr] for each in ast.walk(rule.body) if is_severity(each)}
        for name in settings_of(rule, names):
            found |= limits_of(getattr(settings, name))
    return frozenset(each for each in found if each is not None)


def settings_of(rule: Rule, names: frozenset[str]) -> Iterator[str]:
    """The settings that it judges by, in its order; also those of what it asks for a verdict."""
    place = Place(rule.body, rule.source, rule)
    for parameter in parameters(rule.body):
        kind = ast.unparse(parameter.annotation) if parameter.annotation else ""
        for value, there in handed(parameter.arg, place) if kind in _VERDICTS else ():
            match value:
                case ast.Attribute(attr=name) if name in names:
                    yield name
                case ast.Call(func=ast.Name(id=name)) if asked := there.source.function(name):
                    yield from _settings(asked[1], asked[0], names, 1)
    if not rule.takers() and not rule.delegates:
        yield from _settings(rule.body, rule.source, names, 0)
    for call in (*rule.handing(), *(c for c in _findings(rule.body) if _gives(c, rule.code))):
        for node in (n for argument in arguments_of(call) for n in ast.walk(argument)):
            if isinstance(node, ast.Attribute) and node.attr in names:
                yield node.attr
    for known, body in rule.takers():
        yield from _settings(body, known, names, 0)


def _calls(rule: Rule) -> Iterator[tuple[ast.Call, Place]]:
    """The calls that make the finding: with the code itself, else with one from a table.

    A code that is handed to a function is followed there: it makes the finding.
    """
    place = Place(rule.body, rule.source, rule)
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


def _told_elsewhere(rule: Rule) -> Iterator[tuple[ast.Call, Place]]:
    """Findings that are made of a record with a code, `Finding(blocker.code, …)`."""
    for known in closure(rule.home):
        for body in known.functions:
            for call in _findings(body):
                match _code_of(call):
                    case ast.Attribute(attr="code"):
                        yield call, Place(body, known, rule)


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


def _code_of(call: ast.Call) -> ast.expr | None:
    named = [k.value for k in call.keywords if k.arg == "code"]
    return next(iter(named or call.args), None)


def _gives(call: ast.Call, code: str) -> bool:
    asked = _code_of(call)
    return asked is not None and code in strings_in(asked)


def _names_another(call: ast.Call) -> bool:
    return isinstance(_code_of(call), ast.Constant)


def _settings(body: Function, source: Source, names: frozenset[str], depth: int) -> Iterator[str]:
    inside = [node for node in ast.walk(body) if isinstance(node, ast.Attribute | ast.Call)]
    for node in sorted(inside, key=lambda each: (each.lineno, each.col_offset)):
        match node:
            case ast.Attribute(value=ast.Name(id="settings" | "limits"), attr=name):
                if name in names:
                    yield name
            case ast.Call(func=ast.Name(id=name)) if depth < 2:
                asked = any("settings" in names_in(part) for part in arguments_of(node))
                reached = source.function(name) if asked else None
                if reached is not None and not _makes_findings(reached[1]):
                    yield from _settings(reached[1], reached[0], names, depth + 1)


def _makes_findings(body: Function) -> bool:
    """Whether it judges for itself, or only shows: then its settings are not the caller's."""
    gives = ast.unparse(body.returns) if body.returns else ""
    return any(word in gives for word in ("Finding", "Evidence", "Fact", "Table", "Row"))
