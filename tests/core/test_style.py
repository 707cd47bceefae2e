"""What the style promises and a machine can count."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from cockpit.triage.families import Families
from cockpit.triage.registry import kinds, registry

ROOT = Path(__file__).parents[2]
PACKAGES = ("cockpit", "probes", "screens")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 500, 70
LINES_OF_A_FILE_OF_TESTS = 600
TESTS = sorted((ROOT / "tests").rglob("*.py"))
ENGINE = ROOT / "cockpit/triage/engine.py"
ANY = {"cockpit/connect": 6, "cockpit/runbooks": 0}
"""How often `Any` stands there at most. It is less each time that a real type takes its place."""
VAGUE = re.compile(r"(Manager|Helper|Handler|Utils?)$|^utils$")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_OF_A_FILE
    long = {
        f.name: f.end_lineno - f.lineno + 1
        for f in functions(path)
        if f.end_lineno is not None and f.end_lineno - f.lineno + 1 > LINES_OF_A_FUNCTION
    }
    assert long == {}


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_of_tests_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_OF_A_FILE_OF_TESTS


def test_there_is_one_broad_except_and_it_is_in_the_engine() -> None:
    broad = [
        (path.name, node.lineno)
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and _is_broad(node)
    ]
    assert [name for name, _ in broad] == [ENGINE.name]


@pytest.mark.parametrize("package", ANY)
def test_what_is_known_of_a_value_is_said_by_its_type(package: str) -> None:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / package).rglob("*.py"))
    assert sum(len(re.findall(r"\bAny\b", text)) for text in texts) <= ANY[package]


def test_no_class_is_named_for_nothing() -> None:
    vague = [
        node.name
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and VAGUE.search(node.name)
    ]
    assert vague == []
    assert [path for path in FILES if VAGUE.search(path.stem)] == []


# By role: every family of probes has its own of these, and is imported from nowhere else.
SHARED_NAMES = {"Settings", "Snapshot"}


def test_every_class_has_a_name_of_its_own() -> None:
    """Else a traceback, a search and an `isinstance` say less than they seem to."""
    homes: dict[str, list[str]] = {}
    for path in FILES:
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    twice = {name: where for name, where in homes.items() if len(where) > 1}
    assert set(twice) <= SHARED_NAMES, twice


def test_files_are_short_and_the_demos_world_is_a_small_part_of_them() -> None:
    """A file is read in one go, and what is sold is the cockpit and not its demo."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert median(count for count in lines.values() if count > 1) <= 140
    world = sum(count for path, count in lines.items() if ROOT / "cockpit/world" in path.parents)
    assert world / sum(lines.values()) <= 0.15


def test_product_code_knows_no_test() -> None:
    """What behaves otherwise under a test is not what was tested."""
    marks = re.compile(r"pytest|\bfrom tests\b|\bimport tests\b", re.IGNORECASE)
    knowing = [path for path in FILES if marks.search(path.read_text(encoding="utf-8"))]
    assert knowing == []


def test_no_probe_makes_settings_of_its_own() -> None:
    """Else a look is judged by the defaults, whatever the configuration says."""
    made = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if path.is_relative_to(ROOT / "probes")
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"Settings", "type(settings)", "settings.__class__"}
    ]
    assert made == []


def test_long_statements_are_files_that_an_editor_colours() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if path.is_relative_to(ROOT / "probes")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.match(r"\s*(SELECT|WITH)\b", node.value)
        and len(node.value.strip().splitlines()) > 10
    ]
    assert long == []


def test_every_finding_code_that_a_probe_can_give_is_a_public_name() -> None:
    for probe in registry().values():
        assert probe.codes, probe.id
        free = probe.kind in {"endpoint", "redis", "runbook"} or not probe.asks
        assert probe.needs or free, probe.id
        assert all(re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", code) for code in probe.codes)
        assert probe.kind.startswith(probe.id.partition(".")[0]), probe.id


def _is_broad(node: ast.ExceptHandler) -> bool:
    """`except Exception` and wider; what only cleans up is an `ExitStack`."""
    names = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {""}
    return bool(names & {"", "Exception", "BaseException"})


def test_no_probe_imports_another_probe() -> None:
    """What two of them need lives in a module of its own."""
    looks = {f"probes.{probe}" for probe in registry()}
    assert len(looks) > 20
    crossed = [
        (path.name, name)
        for path in FILES
        if path.is_relative_to(ROOT / "probes")
        for name in _imported(path)
        if name in looks
    ]
    assert crossed == []


def test_a_probe_lives_where_its_id_says() -> None:
    for name, probe in registry().items():
        family = f"probes.{name.partition('.')[0]}"
        alone = not hasattr(importlib.import_module(family), "__path__")  # a family of one file
        assert f"{probe.collect.__module__}.".startswith(f"{family}."), name
        home = importlib.import_module(family if alone else f"probes.{name}")
        assert hasattr(home, "PROBE"), name


def test_a_kind_and_a_probe_are_found_by_their_names_alone() -> None:
    """Their families are imported when they are asked for: the others' kinds cost no start."""
    for name in (*registry(), *kinds()):
        alone = Families()
        alone.bring(name)
        assert name in {**alone.kinds, **alone.probes}, name


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
