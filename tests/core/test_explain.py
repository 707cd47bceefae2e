"""`cockpit explain` and docs/codes say what the rules say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cockpit import check
from cockpit.runbooks.library import library
from cockpit.triage.board import FindingId, OpenFinding
from cockpit.triage.explain import explain, lines, serious
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.registry import catalog
from tests.tools import codes_pages

NOW = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
CODES = sorted({code for probe in catalog().probes.values() for code in probe.codes})
FORMER = 'environment = "x"\n[[target]]\nkind = "endpoint"\nname = "u"\nurl = "tcp://127.0.0.1:1"\n'


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cockpit.cli", *words],
        cwd=folder,
        env={"PATH": "", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_pages_are_what_the_rules_say() -> None:
    written = {path.name: path.read_text("utf-8") for path in codes_pages.FOLDER.glob("*.md")}
    assert written == codes_pages.pages(), "python -m tests.tools.codes_pages writes them"


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained_by_some_rule_or_by_its_probe(code: str) -> None:
    found = explain(code, catalog(), {})
    assert found
    for one in found:
        assert one.means or one.background
        assert all(setting.default for setting in one.settings)


def test_a_code_is_explained_with_its_rule_limits_and_runbook(tmp_path: Path) -> None:
    done = run(tmp_path, "explain", "pg_lock_blocked")
    assert done.returncode == 0, done.stderr
    for told in (
        "Report each queue once, at its head",
        "waited = { warning = 5, high = 30 }",
        "runbook  database-connections",
        "GRANT pg_monitor",
        "critical, high, warning",
    ):
        assert told in done.stdout


def test_the_limits_are_those_that_hold_in_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "cockpit.toml").write_text(
        FORMER + '[probes."postgres.locks"]\nwaited = { warning = 7 }\n'
    )
    told = run(tmp_path, "explain", "PG_LOCK_BLOCKED").stdout
    assert "waited = { warning = 7, high = 30 }   (default { warning = 5, high = 30 })" in told


def test_as_json(tmp_path: Path) -> None:
    (one,) = json.loads(run(tmp_path, "explain", "PG_LOCK_BLOCKED", "--json").stdout)
    assert one["runbook"] == "database-connections"
    assert set(one["severities"]) <= {severity.value for severity in Severity}


def test_a_misspelt_code_names_the_nearest(tmp_path: Path) -> None:
    done = run(tmp_path, "explain", "PG_LOCK_BLOKED")
    assert (done.returncode, done.stdout) == (64, "")
    assert "did you mean 'PG_LOCK_BLOCKED'?" in done.stderr


def test_check_screens_and_pages_name_the_same_runbook_for_every_code() -> None:
    """One binding: a runbook's `for`. Whoever else names a runbook for a code says the same."""
    table = (codes_pages.FOLDER.parent / "coverage.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| [\w., ]+ \| ([\w-]*|–) \|", table, re.MULTILINE))
    books = library()
    for code in CODES:
        best = books.best(code)
        found = Finding(code, Severity.HIGH, "it hurts")
        opened = OpenFinding(
            id=FindingId("t", code, ""), kind="k", probe="p", finding=found,
            since=NOW, seen=NOW, looks=1,
        )  # fmt: skip
        assert check._finding(opened, books)["runbook"] == best
        assert [each.id for each in books.for_code(code)][:1] == ([best] if best else [])
        assert rows[code].strip("–") == best, code
        assert f"runbook  {best or 'none'}" in "\n".join(lines(explain(code, catalog(), {}), best))


def test_every_code_that_can_be_a_warning_has_a_runbook() -> None:
    books = library()
    assert [code for code in CODES if serious(code, catalog()) and not books.best(code)] == []
