"""docs/trade.md names only what is there: codes, kinds, runbooks, steps, keys, commands, tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import click
import pytest

from cockpit.cli.main import main_group
from cockpit.runbooks.library import library
from cockpit.triage.registry import catalog, registry
from screens.bindings import ACTIONS

ROOT = Path(__file__).parents[2]
COLUMNS = 6
LINES = 28
"""As many as the trade's documents have: none may be lost."""


def rows() -> list[list[str]]:
    text = (ROOT / "docs/trade.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1:]]


def named(column: int) -> list[str]:
    return [word for row in rows() for word in re.findall(r"`([^`]+)`", row[column])]


def test_every_line_of_the_trade_has_a_look_a_key_a_command_and_its_mistake() -> None:
    assert len(rows()) == LINES
    for row in rows():
        assert len(row) == COLUMNS, row[0]
        assert all(row), row[0]


def test_looks_are_kinds_and_codes_that_there_are() -> None:
    codes = {code for probe in registry().values() for code in probe.codes}
    for word in named(1):
        if re.fullmatch(r"[A-Z0-9_]+", word):
            assert word in codes
        elif word not in {"n", "third_party"}:
            assert word in catalog().kinds


def test_acts_are_runbooks_and_steps_that_there_are() -> None:
    books = {book.id: {step.id for step in book.steps} for book in library().runbooks}
    for word in named(2):
        book, colon, step = word.partition(":")
        if book in books:
            assert not colon or step in books[book], word
        else:
            assert word == "command" or word.startswith(("cockpit ", "[probes")), word


def test_keys_are_those_of_the_screens() -> None:
    keys = {action.shown for action in ACTIONS}
    keys |= {key for shown in set(keys) for key in shown.split()}
    assert set(named(3)) <= keys


@pytest.mark.parametrize("command", sorted({*named(4)}))
def test_a_command_is_one_with_its_options(command: str) -> None:
    words = command.split()[1:]
    at: click.Command = main_group
    while isinstance(at, click.Group):
        found = at.get_command(click.Context(at), words.pop(0))
        assert found is not None, command
        at = found
    known = {opt for param in at.params for opt in (*param.opts, *param.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= known
    takes = any(isinstance(param, click.Argument) for param in at.params)
    assert takes or not words or words[0].startswith("-")
    if command.startswith("cockpit runbook show"):
        library().get(words[0])


@cache
def definitions(path: str) -> Mapping[str, tuple[str, frozenset[str]]]:
    """What a file defines: its text, and the names that stand in it."""
    source = (ROOT / path).read_text(encoding="utf-8")
    found = {}
    for node in ast.parse(source).body:
        first = min((node, *getattr(node, "decorator_list", ())), key=lambda each: each.lineno)
        text = "\n".join(source.splitlines()[first.lineno - 1 : node.end_lineno])
        inside = [*ast.walk(node)]
        used = {each.id for each in inside if isinstance(each, ast.Name)}
        used |= {each.arg for each in inside if isinstance(each, ast.arg)}
        made = getattr(node, "targets", None) or [getattr(node, "target", node)]
        for each in made:
            name = getattr(each, "name", getattr(each, "id", ""))
            found[name] = (text, frozenset(used))
    return found


def text_of(test: str) -> str:
    """A test, and what of its own file it uses."""
    path, _, name = test.partition("::")
    there, seen, wanted = definitions(path), dict[str, str](), [name]
    while wanted:
        one = wanted.pop()
        if one in there and one not in seen:
            seen[one], used = there[one]
            wanted += used
    return "\n".join(seen.values())


def test_mistakes_are_guarded_by_tests_that_there_are() -> None:
    tests = [word for word in named(5) if word.startswith("tests/")]
    assert len(tests) >= LINES
    for each in tests:
        path, _, name = each.partition("::")
        assert name in definitions(path), each


BENEATH = " (a rule beneath)"
"""What the page says behind a test of a rule that holds for this act and for many others."""


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_a_test_is_about_what_its_line_looks_at_or_does(row: list[str]) -> None:
    """It names a kind, code, runbook or step of the line, or is of a rule beneath, and told so."""
    words = {word for cell in row[1:3] for word in re.findall(r"`([^`]+)`", cell)}
    own = {part for word in words for part in (word, *word.split(":")) if len(part) > 1}
    for test, mark in re.findall(rf"`(tests/[^`]+)`({re.escape(BENEATH)})?", row[5]):
        text = text_of(test)
        about = [each for each in own if re.search(rf"(?<![\w-]){re.escape(each)}(?![\w-])", text)]
        assert bool(about) is not bool(mark), (test, about)
