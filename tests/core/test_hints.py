"""Every command of ours that a hint, a page or a runbook names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.cli.main import names

ROOT = Path(__file__).parents[2]
PLACES = ("cockpit", "probes", "screens")
# a command is typed: it stands in quotes of code, at the start of a hint, or after a colon
TYPED = re.compile(
    r"(?:`|^|[:;,] |or )cockpit (?:--?[\w-]++(?:[ =][^\s`-][^\s`]*+)?+ ?+)*+([a-z][\w-]*)"
)


def texts() -> Iterator[tuple[str, str]]:
    for package in PLACES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value
        for path in sorted((ROOT / package).rglob("*.md")):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def test_no_text_names_a_command_that_does_not_exist() -> None:
    known = set(names())
    unknown = {
        (where, found[1])
        for where, text in texts()
        for found in TYPED.finditer(text)
        if found[1] not in known
    }
    assert unknown == set()


@pytest.mark.parametrize("text", ["`cockpit iam-policy --role triage`", "or: cockpit iam-policy"])
def test_the_search_finds_what_a_person_would_type(text: str) -> None:
    found = TYPED.search(text)
    assert found is not None
    assert found[1] == "iam-policy"
