"""`cockpit explain` and docs/codes say what the rules say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cockpit import check
from cockpit.runbooks.library import library
from cockpit.triage import given
from cockpit.triage.board import FindingId, OpenFinding
from cockpit.triage.explain import explain, lines, serious
from cockpit.triage.finding import Finding, Severity, Thresholds
from cockpit.triage.registry import catalog
from cockpit.triage.rules import of_tables, rules
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
def test_every_code_is_explained_by_its_rule_at_every_probe_that_gives_it(code: str) -> None:
    found = explain(code, catalog(), {})
    assert found
    for one in found:
        assert one.means, one.probe
        assert all(setting.default for setting in one.settings)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with two modules of rules, as somebody might write it."""
    package = tmp_path / "a_shelf"
    package.mkdir()
    (package / "__init__.py").touch()
    for name, text in {"books": BOOKS, "other": OTHER}.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return "a_shelf.books"


BOOKS = '''
from cockpit.triage.finding import Finding, Severity, Thresholds
from a_shelf.other import TORN, grade, damp

_CODES = {"damp": ("BK_DAMP", Severity.HIGH), "lost": ("BK_LOST", Severity.INFO)}
_LIKELY = {"BK_DAMP": ("rain", "a pipe"), "BK_LOST": ("a thief",)}
"""Why.

BK_LOST: Nobody finds it.
"""

def diagnose(look, settings):
    """Everything."""
    yield from _state(look)
    yield from _torn(look, settings)
    yield damp("BK_WET")

def is_ours(finding):
    """Whether it is ours."""
    return finding.code == "BK_DAMP" or finding.code in {"BK_TORN", "BK_WET"}

def _state(look):
    """What is wrong with it.

    BK_DAMP: It is wet.

    BK_DUSTY: It is not clean.
    """
    code, severity = _CODES[look.word]
    yield Finding(code, severity, "it is bad", likely=_LIKELY[code])
    yield Finding("BK_DUSTY", Severity.INFO, "it is dusty")

def _torn(look, settings):
    """It is torn."""
    severity = grade(look, settings)
    why: tuple = ("a child",) if look.small else TORN
    yield Finding("BK_TORN", severity, "it is torn", likely=why, next=f"read {look.page} again")
'''
OTHER = '''
from cockpit.triage.finding import Finding, Severity

_CODES = ()
TORN = ("a reader in a hurry",)

def faults(look):
    """Nothing of the kind."""
    return [each for each in _CODES if each]

def grade(look, settings):
    """How bad."""
    if look.pages == 0:
        return Severity.CRITICAL
    return settings.torn.grade(look.share) or Severity.WARNING

def damp(code):
    """Water was near it."""
    return Finding(code, Severity.WARNING, "it is wet", next="dry it")
'''


@dataclass(frozen=True)
class Shelf:
    torn: Thresholds = Thresholds(info=0.1)


def told(home: str, code: str) -> tuple[str, ...]:
    return tuple(text for rule in rules(home, code) for text in rule.told())


def given_as(home: str, code: str, member: str) -> list[str]:
    return [text for rule in rules(home, code) for text in given.texts(rule, member)]


def graded(home: str, code: str) -> set[Severity]:
    names = frozenset({"torn"})
    return {s for rule in rules(home, code) for s in given.severities(rule, Shelf(), names)}


def test_what_only_compares_a_code_and_the_private_table_of_another_module_give_none(
    shelf: str,
) -> None:
    assert [rule.body.name for rule in rules(shelf, "BK_DAMP")] == ["_state"]
    assert [rule.body.name for rule in rules(shelf, "BK_TORN")] == ["_torn"]


def test_words_of_a_table_and_a_labelled_paragraph_are_told_of_their_code_only(shelf: str) -> None:
    assert told(shelf, "BK_DAMP") == ("It is wet.", "What is wrong with it.")
    assert told(shelf, "BK_DUSTY") == ("It is not clean.", "What is wrong with it.")
    assert list(of_tables(shelf, "BK_LOST")) == ["Nobody finds it."]
    assert list(of_tables(shelf, "BK_DAMP")) == []


def test_severity_and_causes_are_those_of_the_table_s_entry(shelf: str) -> None:
    assert graded(shelf, "BK_DAMP") == {Severity.HIGH}
    assert given_as(shelf, "BK_DAMP", "likely") == ["rain", "a pipe"]
    assert graded(shelf, "BK_DUSTY") == {Severity.INFO}
    assert given_as(shelf, "BK_DUSTY", "likely") == []


def test_a_verdict_and_causes_of_another_module_are_followed(shelf: str) -> None:
    assert graded(shelf, "BK_TORN") == {Severity.CRITICAL, Severity.WARNING, Severity.INFO}
    (rule,) = rules(shelf, "BK_TORN")
    assert set(given.settings_of(rule, frozenset({"torn"}))) == {"torn"}
    assert given_as(shelf, "BK_TORN", "likely") == ["a child", "a reader in a hurry"]
    assert given_as(shelf, "BK_TORN", "next") == ["read … again"]


def test_a_code_that_is_handed_to_a_function_is_explained_by_that_function(shelf: str) -> None:
    assert told(shelf, "BK_WET") == ("Water was near it.",)
    assert graded(shelf, "BK_WET") == {Severity.WARNING}
    assert given_as(shelf, "BK_WET", "next") == ["dry it"]


@pytest.mark.parametrize(
    ("code", "probe", "severities", "likely"),
    [
        ("PG_LOCK_BLOCKED", "postgres.locks", "critical, high, warning, info", "an advisory lock"),
        ("PG_REPL_LAG", "postgres.replication", "critical, high, warning", "long queries"),
        ("MY_SESS_LONG_QUERY", "mysql.sessions", "high, warning", "a changed plan"),
        ("RD_CLUSTER_SLOTS", "redis.cluster", "critical, high", "a primary died"),
        ("NET_TCP_TIMEOUT", "endpoint.path", "critical", "its accept queue is full"),
        ("NET_TCP_RESET", "endpoint.path", "high", "the process restarts"),
        ("ALB_502_BAD_GATEWAY", "alb.traffic", "critical, high, warning", "keep-alive is shorter"),
        ("ALB_504_TIMEOUT", "alb.traffic", "critical, high, warning", "it waits for a lock"),
        ("DDB_ACCOUNT_LIMIT", "dynamodb.table", "critical, warning", "the quota of 40,000"),
        ("RDS_STORAGE_LOW", "rds.status", "critical, warning", "real growth"),
        ("CACHE_CONNECTION_CHURN", "elasticache.status", "critical, warning", "a retry storm"),
        ("CACHE_IN_TRANSITION", "elasticache.status", "critical, warning, info", "a patch"),
        ("RDS_INSTANCE_DOWN", "rds.status", "critical", "a replication slot filled the disk"),
        ("PATH_NAT_OTHER_AZ", "vpc_path.config", "warning", ""),
        ("PG_CONN_AUTH", "postgres.sessions", "high", ""),
    ],
)
def test_severities_and_causes_of(code: str, probe: str, severities: str, likely: str) -> None:
    (one,) = [each for each in explain(code, catalog(), {}) if each.probe == probe]
    assert ", ".join(one.severities) == severities
    assert likely in " | ".join(one.likely)


@pytest.mark.parametrize(
    ("code", "next_", "likely"),
    [
        ("NET_TLS_CHAIN", "put the issuer's intermediate behind", "without the intermediate"),
        ("NET_TLS_CLOCK", "compare this machine's clock first", "this machine's clock is behind"),
        ("NET_HTTP_MALFORMED", "", "another service listens on this port"),
    ],
)
def test_what_one_rule_tells_of_several_codes_is_parted(code: str, next_: str, likely: str) -> None:
    """By a table with the code, or by another table of the module with the same keys."""
    (one,) = explain(code, catalog(), {})
    assert len(one.next) == bool(next_)
    assert next_ in "".join(one.next)
    assert likely in one.likely[0]
    assert not {"the server wants a client certificate"} & set(one.likely)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("PG_LOCK_DDL_QUEUE", "In the story of an outage: a cause – a mechanism that begins here"),
        ("SQS_NO_CONSUMER", "In the story of an outage: a symptom – what users and callers feel"),
        ("RDS_STORAGE_LOW", "when critical it is the outage"),
    ],
)
def test_what_a_code_is_in_the_story_of_an_outage_is_told(code: str, told: str) -> None:
    found = explain(code, catalog(), {})
    assert told in "\n".join(lines(found, ""))
    assert told in "\n".join(codes_pages.entry(found[0], best="", tests=""))


def test_a_blind_look_says_what_it_could_not_see_and_not_what_the_probe_judges_by() -> None:
    for one in explain("PG_OBS_BLIND", catalog(), {}):
        assert "Judge" not in one.means[0], one.probe
        assert not one.settings, one.probe


def test_a_probe_s_code_is_not_explained_by_its_neighbours() -> None:
    found = {each.probe: each.means for each in explain("MY_OBS_BLIND", catalog(), {})}
    assert len(found) == len(set(found.values())) == 6


def test_a_code_is_explained_with_its_rule_limits_and_runbook(tmp_path: Path) -> None:
    done = run(tmp_path, "explain", "pg_lock_blocked")
    assert done.returncode == 0, done.stderr
    for told in (
        "Sessions wait for a lock that another session holds",
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


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("PG_LOCK", "did you mean 'PG_LOCK_ADVISORY', 'PG_LOCK_BLOCKED', 'PG_LOCK_DDL_QUEUE'"),
        ("deadlock", "'MY_LOCK_DEADLOCKS', 'PG_LOCK_DEADLOCKS'"),
        ("NONSENSE", "codes begin with ALARM ALB"),
    ],
)
def test_a_part_of_a_code_finds_those_that_have_it(tmp_path: Path, typed: str, told: str) -> None:
    done = run(tmp_path, "explain", typed)
    assert done.returncode == 64
    assert told in done.stderr


def test_every_code_that_has_the_part_is_named(tmp_path: Path) -> None:
    said = run(tmp_path, "explain", "lambda_").stderr
    assert [code for code in CODES if "LAMBDA_" in code and code not in said] == []


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
        for probe in (each for each in catalog().probes.values() if code in each.codes):
            opened = OpenFinding(
                id=FindingId("t", code, ""), kind=probe.kind, probe=probe.id, finding=found,
                since=NOW, seen=NOW, looks=1,
            )  # fmt: skip
            here = books.best(code, probe.kind)
            assert check._finding(opened, books)["runbook"] == here
            page = (codes_pages.FOLDER / f"{probe.kind}.md").read_text("utf-8")
            part = page.partition(f"\n## {code}\n")[2].partition("\n## ")[0]
            assert f"Runbook: {f'`{here}`' if here else 'none yet'}." in part
        assert [each.id for each in books.for_code(code)][:1] == ([best] if best else [])
        assert rows[code].strip("–") == best, code
        assert f"runbook  {best or 'none'}" in "\n".join(lines(explain(code, catalog(), {}), best))


def test_every_code_that_can_be_a_warning_has_a_runbook() -> None:
    books = library()
    assert [code for code in CODES if serious(code, catalog()) and not books.best(code)] == []


def test_units_without_a_setting_of_their_own_are_a_sentence() -> None:
    told = list(lines(explain("MY_LOCK_ROW", catalog(), {}), ""))
    assert "judged by   thresholds in seconds and sessions." in told
