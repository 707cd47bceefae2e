"""The documentation of the keys is the table of actions."""

from __future__ import annotations

from pathlib import Path

from screens.bindings import as_markdown

KEYS = Path(__file__).parents[2] / "docs/keys.md"


def test_the_documented_keys_are_those_of_the_table() -> None:
    told = "write it again: python -c 'from screens.bindings import as_markdown; print(as_markdown())' > docs/keys.md"
    assert KEYS.read_text(encoding="utf-8").strip() == as_markdown().strip(), told
