"""What a failed connection can be: the codes that a connector gives instead of a session."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from cockpit.connect.meaning import Meaning
from cockpit.triage.finding import Severity
from cockpit.triage.rules import source, strings_in


@dataclass(frozen=True, slots=True)
class FailedLook:
    """A way in which a look fails that is itself a diagnosis."""

    code: str
    severity: Severity | None
    """None: it cannot be told from the source."""
    says: str
    hint: str


def failed_looks(opener: str, code: str, *, shared: bool) -> Iterator[FailedLook]:
    """Those with the code, of the connector whose kind is opened in the module `opener`.

    `shared`: also those that every connector of its tree has, such as a refused connection.
    """
    package = opener.rpartition(".")[0] or opener
    above = package.rpartition(".")[0]
    found = [*_of(package), *(_of(above) if shared and "." in above else ())]
    yield from dict.fromkeys(each for each in found if each.code == code)


@cache
def _of(package: str) -> tuple[FailedLook, ...]:
    return tuple(e for name in _modules(package) for e in (*_meanings(name), *_raised(name)))


def _modules(package: str) -> Iterator[str]:
    yield package
    for each in pkgutil.iter_modules(getattr(importlib.import_module(package), "__path__", ())):
        if not each.ispkg:
            yield f"{package}.{each.name}"


def _meanings(module: str) -> Iterator[FailedLook]:
    """The table of a connector: every `Meaning` that has a name there."""
    for each in vars(importlib.import_module(module)).values():
        if isinstance(each, Meaning) and each.code:
            yield FailedLook(each.code, Severity(each.severity), each.says, each.hint)


def _raised(module: str) -> Iterator[FailedLook]:
    """What is raised as it stands: `BlindError(reason, message, code=…, severity=…, hint=…)`."""
    known = source(module)
    for node in ast.walk(known.tree) if known else ():
        if not isinstance(node, ast.Call) or ast.unparse(node.func) != "BlindError":
            continue
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        says, hint = _text(node.args[1:2]), _text([given["hint"]] if "hint" in given else [])
        for code in sorted(strings_in(given["code"])) if "code" in given else ():
            yield FailedLook(code, _severity(given.get("severity")), says, hint)


def _severity(node: ast.expr | None) -> Severity | None:
    told = strings_in(node) & set(Severity) if node else frozenset()
    return Severity(next(iter(told))) if len(told) == 1 else None


def _text(nodes: list[ast.expr]) -> str:
    """A text as it stands, with a gap where something is put in."""
    told = ""
    for node in nodes:
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        told += "".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in parts)
    return told
