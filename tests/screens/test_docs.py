"""What is written from the code stands in the documentation as the code has it."""

from __future__ import annotations

from pathlib import Path

from screens.bindings import as_markdown
from tests.tools import coverage_table

KEYS = Path(__file__).parents[2] / "docs/keys.md"


def test_the_documented_keys_are_those_of_the_table() -> None:
    told = "write it again: python -c 'from screens.bindings import as_markdown; print(as_markdown())' > docs/keys.md"
    assert KEYS.read_text(encoding="utf-8").strip() == as_markdown().strip(), told


def test_the_documented_coverage_is_what_the_tests_name() -> None:
    written = coverage_table.TABLE.read_text(encoding="utf-8")
    told = "write it again: python -m tests.tools.coverage_table"
    assert written == coverage_table.text(), told


def test_a_scenario_covers_only_what_must_be_found_in_it() -> None:
    covered = coverage_table.provoked()
    assert "wraparound.toml" in covered["PG_XID_HORIZON"]
    assert "replica-lag.toml" not in covered["PG_XID_HORIZON"], "it only may be found there"
    assert "checkout-lock.toml" not in covered.get("ECS_DEPLOYMENT_FAILED", []), "must not be"
