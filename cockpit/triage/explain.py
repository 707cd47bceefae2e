"""What a finding means, taken from where it is judged: the rule's own words, limits and source.

There is no second text that could say something else. The rule is found in the source of the probe
(and of the connector, for a failed connection that is itself the diagnosis), so that plug-ins are
explained like the product's own.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from cockpit.triage.finding import Severity, Thresholds
from cockpit.triage.probe import AnyProbe
from cockpit.triage.registry import Catalog

Function = ast.FunctionDef | ast.AsyncFunctionDef
_LONGEST_ENTRY = 8
"""A tuple of more is a list of codes, not what is said of one."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that the rule judges by."""

    name: str
    value: str
    """As the configuration would write it."""
    default: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything that is known of one code."""

    code: str
    probe: str
    kind: str
    means: tuple[str, ...]
    """The rules' docstrings, a paragraph each; empty: there is no source, or it says nothing."""
    severities: tuple[Severity, ...] = ()
    """Those that the rule can give, worst first; empty: it cannot be told from the source."""
    settings: tuple[Setting, ...] = ()
    likely: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    background: str = ""
    """What the probe's module says of itself: what it looks at, its source, what it needs."""
    needs: tuple[str, ...] = ()


def explain(code: str, catalog: Catalog, settings: Mapping[str, object]) -> list[Explanation]:
    """One for each probe that can give the code. `settings`: probe id → those that hold."""
    return [
        _explained(code, probe, catalog, settings.get(probe.id, probe.settings))
        for probe in catalog.probes.values()
        if code in probe.codes
    ]


def serious(code: str, catalog: Catalog) -> bool:
    """Whether a code can be a warning or worse; also when its source does not say."""
    found = explain(code, catalog, {})
    return any(not each.severities or max(each.severities) > Severity.INFO for each in found)


def lines(found: list[Explanation], runbook: str) -> Iterator[str]:
    """The text, a line each; empty ones separate."""
    for each in found:
        words = ", ".join(each.severities)
        yield f"{each.code}  {words}".rstrip()
        yield f"  of {each.kind}, by the probe {each.probe}"
        yield ""
        yield from each.means or (
            "The rule has no words of its own; what the probe says of itself:",
        )
        if each.settings:
            yield ""
            yield "judged by"
        for setting in each.settings:
            default = "" if setting.value == setting.default else f"   (default {setting.default})"
            yield f"  {setting.name} = {setting.value}{default}"
            if setting.about:
                yield f"      {setting.about}"
        for label, texts in (("likely", each.likely), ("next", each.next)):
            if texts:
                yield ""
                yield label
                yield from (f"  {text}" for text in texts)
        yield ""
        yield "the probe"
        yield from (f"  {line}".rstrip() for line in each.background.splitlines())
        yield ""
        yield f"runbook  {runbook or 'none is for it yet'}"
        if each.needs:
            yield f"needs    {', '.join(each.needs)}"


def _explained(code: str, probe: AnyProbe, catalog: Catalog, held: object) -> Explanation:
    kind = catalog.kinds.get(probe.kind)
    packages = [_package(probe.collect.__module__)]
    if kind is not None:
        packages.append(_package(kind.open.__module__))
    found = [rule for package in packages for rule in _rules(package, code)]
    names = {f.name for f in dataclasses.fields(probe.settings)}
    used = [name for rule in found for name in _attributes(rule.body) if name in names]
    entry = [text for package in packages for text in _entry(package, code)]
    told = [text for rule in found for text in rule.told()]
    if not told:
        told = [text for text in entry if text not in set(Severity)]
    return Explanation(
        code=code,
        probe=probe.id,
        kind=probe.kind,
        means=tuple(dict.fromkeys(told)),
        severities=_severities(found, [getattr(held, name) for name in used], entry),
        settings=tuple(_setting(probe, held, name) for name in dict.fromkeys(used)),
        likely=tuple(dict.fromkeys(t for rule in found for t in _texts(rule, code, "likely"))),
        next=tuple(dict.fromkeys(t for rule in found for t in _texts(rule, code, "next"))),
        background=inspect.cleandoc(
            importlib.import_module(probe.collect.__module__).__doc__ or ""
        ),
        needs=probe.needs,
    )


@dataclass(frozen=True, slots=True)
class _Rule:
    """A function in which a code stands, by itself or through a table of its module."""

    body: Function
    tree: ast.Module
    """The module that it stands in."""

    def told(self) -> Iterator[str]:
        """What it says of itself; else what they say for whom it judges, at most two steps up."""
        asked = [self.body]
        for _ in range(3):
            said = [text for each in asked if (text := ast.get_docstring(each))]
            if said:
                yield from map(_paragraph, said)
                return
            names = {each.name for each in asked}
            asked = [f for f in _functions(self.tree) if f not in asked and names & _names(f)]


def _package(module: str) -> str:
    """The folder of a module: the family whose files judge together."""
    return module.rpartition(".")[0] or module


@cache
def _sources(package: str) -> tuple[ast.Module, ...]:
    """The modules of a package as trees; none where the source is not there."""
    root = importlib.import_module(package)
    names = [package]
    names += [
        each.name for each in pkgutil.iter_modules(getattr(root, "__path__", ()), f"{package}.")
    ]
    trees = []
    for name in names:
        try:
            trees.append(ast.parse(inspect.getsource(importlib.import_module(name))))
        except (OSError, TypeError):  # compiled, or an empty file
            continue
    return tuple(trees)


def _rules(package: str, code: str) -> Iterator[_Rule]:
    """The smallest functions with the code, else those that use a constant with it."""
    for tree in _sources(package):
        tables = {name for name, node in _constants(tree) if _holds(node, code)}
        for function in _functions(tree):
            if _holds(function, code) or tables & _names(function):
                yield _Rule(function, tree)


@cache
def _functions(tree: ast.Module) -> tuple[Function, ...]:
    return tuple(node for node in ast.walk(tree) if isinstance(node, Function))


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id != "PROBE":
                yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def _holds(node: ast.AST, code: str) -> bool:
    return code in _strings(node)


@cache  # trees are read once and kept: a page of all codes asks each of their nodes for each code
def _strings(node: ast.AST) -> frozenset[str]:
    found = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
    return frozenset(each for each in found if isinstance(each, str))


@cache
def _names(node: ast.AST) -> frozenset[str]:
    return frozenset(each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def _attributes(node: ast.AST) -> Iterator[str]:
    """Members of `settings` or `limits`, in the order in which the rule names them."""
    for each in ast.walk(node):
        if (
            isinstance(each, ast.Attribute)
            and isinstance(each.value, ast.Name)
            and each.value.id in {"settings", "limits"}
        ):
            yield each.attr


def _entry(package: str, code: str) -> Iterator[str]:
    """The other texts of the smallest record with a code: its entry in a table."""
    for tree in _sources(package):
        for node in _smallest(tree, code):
            parts = node.args if isinstance(node, ast.Call) else node.elts
            if isinstance(node, ast.Call) or len(parts) <= _LONGEST_ENTRY:
                yield from (text for part in parts for text in _plain(part) if text != code)


def _smallest(node: ast.AST, code: str) -> Iterator[ast.Call | ast.Tuple]:
    """Calls and tuples with a code, of which no other one inside has it too."""
    deeper = [
        found
        for child in ast.iter_child_nodes(node)
        if _holds(child, code)
        for found in _smallest(child, code)
    ]
    yield from deeper
    if not deeper and isinstance(node, ast.Call | ast.Tuple):
        yield node


def _severities(rules: list[_Rule], values: list[object], entry: list[str]) -> tuple[Severity, ...]:
    """Those that a rule names, and those that its thresholds can reach."""
    named = {
        each.attr
        for rule in rules
        for each in ast.walk(rule.body)
        if isinstance(each, ast.Attribute)
        and isinstance(each.value, ast.Name)
        and each.value.id == "Severity"
    }
    found = {s for s in Severity if s.name in named or s.value in entry}
    limits = [value for value in values if isinstance(value, Thresholds)]
    found |= {
        severity for severity in Severity for each in limits if each.limit(severity) is not None
    }
    return tuple(sorted(found, reverse=True))


def _texts(rule: _Rule, code: str, member: str) -> Iterator[str]:
    """The plain texts that a finding with this code is given as `next`, or as `likely`."""
    for call in ast.walk(rule.body):
        if not isinstance(call, ast.Call) or not _holds(call, code):
            continue
        for keyword in call.keywords:
            if keyword.arg == member:
                yield from _plain(keyword.value)
                yield from _looked_up(rule, keyword.value)


def _looked_up(rule: _Rule, node: ast.expr) -> Iterator[str]:
    """The texts of `TABLE.get(key, otherwise)`: all of the table's, and the other one."""
    if not isinstance(node, ast.Call):
        return
    tables = dict(_constants(rule.tree))
    for name in [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]:
        table = tables.get(name)
        values = table.values if isinstance(table, ast.Dict) else [table]
        yield from (text for value in values if value is not None for text in _plain(value))
    yield from (text for part in node.args for text in _plain(part))


def _plain(node: ast.AST) -> Iterator[str]:
    """Texts that stand there as they are: what is put together at run time is left out."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value:
            yield part.value


def _setting(probe: AnyProbe, held: object, name: str) -> Setting:
    about = meanings(type(probe.settings)).get(name, "")
    return Setting(
        name, written(getattr(held, name)), written(getattr(probe.settings, name)), about
    )


def meanings(settings: type[object]) -> Mapping[str, str]:
    """Setting → the docstring below it, on one line; empty where there is no source."""
    try:
        (record,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    except (OSError, TypeError):
        return {}
    assert isinstance(record, ast.ClassDef)
    found = {}
    for before, after in zip(record.body, record.body[1:], strict=False):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                found[name] = _paragraph(text)
    return found


def written(value: object) -> str:
    """A setting as the configuration would say it."""
    if isinstance(value, Thresholds):
        given = [(level, value.limit(level)) for level in sorted(Severity)]
        limits = ", ".join(f"{level} = {written(at)}" for level, at in given if at is not None)
        return "{ " + limits + " }"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(f'"{each}"' for each in value) + "]"
    if isinstance(value, int | float):
        return str(int(value)) if float(value).is_integer() else repr(value)
    return f'"{value}"'


def _paragraph(text: str) -> str:
    return " ".join(text.split())
