"""What is written from the code stands in the documentation as the code has it."""

from __future__ import annotations

from tests.tools import coverage_table, keys_page


def test_the_documented_keys_are_those_of_the_table() -> None:
    told = "write it again: python -m tests.tools.keys_page"
    assert keys_page.PAGE.read_text(encoding="utf-8") == keys_page.page(), told


def test_the_documented_coverage_is_what_the_tests_name() -> None:
    written = coverage_table.TABLE.read_text(encoding="utf-8")
    told = "write it again: python -m tests.tools.coverage_table"
    assert written == coverage_table.text(), told


def test_a_scenario_covers_only_what_must_be_found_in_it() -> None:
    covered = coverage_table.provoked()
    assert "wraparound.toml" in covered["PG_XID_HORIZON"]
    assert "replica-lag.toml" not in covered["PG_XID_HORIZON"], "it only may be found there"
    assert "checkout-lock.toml" not in covered.get("ECS_DEPLOYMENT_FAILED", []), "must not be"
