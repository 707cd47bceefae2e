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
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise

from cockpit.plugins import PROBES, attempt
from cockpit.triage import given
from cockpit.triage.failed_looks import FailedLook, failed_looks
from cockpit.triage.finding import Severity, Thresholds
from cockpit.triage.probe import AnyProbe
from cockpit.triage.registry import Catalog
from cockpit.triage.rules import Rule, of_tables, rules, source


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
    nature: str
    """What it is in the story of an outage, in a sentence."""
    means: tuple[str, ...]
    """The rules' docstrings, a paragraph each; empty: there is no source, or it says nothing."""
    severities: tuple[Severity, ...] = ()
    """Those that the rule can give, worst first; empty: it cannot be told from the source."""
    settings: tuple[Setting, ...] = ()
    units: str = ""
    """What the probe says of all its settings, such as in which units they are."""
    likely: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    background: str = ""
    """What the probe's module says of itself: what it looks at, its source, what it needs."""
    needs: tuple[str, ...] = ()


def explain(code: str, catalog: Catalog, settings: Mapping[str, object]) -> list[Explanation]:
    """One for each probe that can give the code. `settings`: probe id → those that hold."""
    return [
        _guarded(code, probe, catalog, settings.get(probe.id, probe.settings))
        for probe in catalog.probes.values()
        if code in probe.codes
    ]


def serious(code: str, catalog: Catalog) -> bool:
    """Whether a code can be a warning or worse; also when its source does not say."""
    found = explain(code, catalog, {})
    return any(not each.severities or max(each.severities) > Severity.INFO for each in found)


def lines(found: list[Explanation], runbook: str) -> Iterator[str]:
    """The text, a line each; empty ones separate."""
    for number, each in enumerate(found):
        if number:
            yield ""
        words = ", ".join(each.severities)
        yield f"{each.code}  {words}".rstrip()
        yield f"  of {each.kind}, by the probe {each.probe}"
        yield f"  {each.nature}"
        for paragraph in each.means or ("The rule says nothing of it; see the probe, below.",):
            yield ""
            yield paragraph
        if each.settings:
            yield ""
            yield f"judged by   {each.units}".rstrip()
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


def _guarded(code: str, probe: AnyProbe, catalog: Catalog, held: object) -> Explanation:
    """What a plug-in's modules raise while they are read is told in place of what they say."""
    read = partial(_explained, code, probe, catalog, held)
    if not (origin := catalog.origin(PROBES, probe.id)):
        return read()
    told, why = attempt(read)
    failed = f"The plug-in {origin} cannot be read for it: {why}"
    return told or Explanation(
        code=code,
        probe=probe.id,
        kind=probe.kind,
        nature=probe.codes[code].told,
        means=(failed,),
    )


def _explained(code: str, probe: AnyProbe, catalog: Catalog, held: object) -> Explanation:
    module = probe.collect.__module__
    kind = catalog.kinds.get(probe.kind)
    found = list(rules(module, code))
    failed: list[FailedLook] = []
    if kind is not None:
        failed += failed_looks(kind.open.__module__, code, shared=not found)
    names = frozenset(field.name for field in dataclasses.fields(probe.settings))
    used = [name for rule in found for name in given.settings_of(rule, names)]
    return Explanation(
        code=code,
        probe=probe.id,
        kind=probe.kind,
        nature=probe.codes[code].told,
        means=_once([*([*of_tables(module, code)] or _docstrings(found)), *map(_failed, failed)]),
        severities=_worst_first(
            [
                *(each for rule in found for each in given.severities(rule, held, names)),
                *(each.severity for each in failed if each.severity is not None),
            ]
        ),
        settings=tuple(_setting(probe, held, name) for name in dict.fromkeys(used)),
        units=_units(type(probe.settings)) if used else "",
        likely=_once([text for rule in found for text in given.texts(rule, "likely")]),
        next=_once([text for rule in found for text in given.texts(rule, "next")]),
        background=inspect.cleandoc(importlib.import_module(module).__doc__ or ""),
        needs=probe.needs,
    )


def _units(settings: type[object]) -> str:
    return re.sub(r"^Thresholds(\.\s*|$)", "", _paragraph(settings.__doc__ or "")).replace(
        "Thresholds in ", "thresholds in ", 1
    )


def _once(told: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(told))


def _docstrings(found: list[Rule]) -> list[str]:
    return [text for rule in found for text in rule.told()]


def _failed(failure: FailedLook) -> str:
    hint = f" {failure.hint[0].upper()}{failure.hint[1:]}" if failure.hint else ""
    return f"The look itself fails: {failure.says}.{hint}"


def _worst_first(told: list[Severity]) -> tuple[Severity, ...]:
    return tuple(sorted(set(told), reverse=True))


def _setting(probe: AnyProbe, held: object, name: str) -> Setting:
    about = meanings(type(probe.settings)).get(name, "")
    return Setting(
        name, written(getattr(held, name)), written(getattr(probe.settings, name)), about
    )


def meanings(settings: type[object]) -> Mapping[str, str]:
    """Setting → the docstring below it, on one line; empty where there is no source."""
    return _meanings(settings.__module__, settings.__name__)


@cache
def _meanings(module: str, name: str) -> Mapping[str, str]:
    known = source(module)
    found = {}
    body = [
        line
        for record in (known.tree.body if known else ())
        if isinstance(record, ast.ClassDef) and record.name == name
        for line in record.body
    ]
    for before, after in pairwise(body):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=setting)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                found[setting] = _paragraph(text)
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
