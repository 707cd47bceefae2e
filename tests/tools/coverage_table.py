"""Writes docs/coverage.md: every finding code, its probe, and the tests that show it.

`python -m tests.tools.coverage_table` from the root of the checkout. A test counts as showing a
code when it names it; `tests/servers` and `tests/world` provoke it on real servers. A scenario
counts for what must be found in it, not for what may or must not be.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from cockpit.runbooks.library import library
from cockpit.triage.registry import registry

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "real": ("tests/servers", "tests/world", "tests/e2e"),
    "table": ("tests/probes", "tests/core"),
}
SCENARIOS = ROOT / "cockpit/world/scenarios"
HEAD = ROOT / "docs/coverage/head.md"
TABLE = ROOT / "docs/coverage.md"


def named(folders: tuple[str, ...]) -> dict[str, list[str]]:
    """Code → the tests that name it."""
    found: dict[str, list[str]] = {}
    for path in (p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))):
        for code in set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", path.read_text("utf-8"))):
            found.setdefault(code, []).append(path.name)
    return found


def provoked() -> dict[str, list[str]]:
    """Code → the tests that name it, then the scenarios in which it must be found."""
    found = named(FOLDERS["real"])
    for path in sorted(SCENARIOS.glob("*.toml")):
        musts = tomllib.loads(path.read_text("utf-8"))["must"]
        for code in sorted({finding.partition("@")[0] for finding in musts}):
            found.setdefault(code, []).append(path.name)
    return found


def held() -> dict[str, list[str]]:
    """Code → the tests that name it, from `tests/`, and the scenarios in which it must be found."""
    found: dict[str, list[str]] = {}
    for folder in (*FOLDERS["real"], *FOLDERS["table"]):
        for code, names in named((folder,)).items():
            tests = [f"{folder.removeprefix('tests/')}/{n}" for n in names if n.startswith("test_")]
            found.setdefault(code, []).extend(tests)
    for code, names in provoked().items():
        scenarios = [f"scenario {n.removesuffix('.toml')}" for n in names if n.endswith(".toml")]
        found.setdefault(code, []).extend(scenarios)
    return found


def rows() -> list[str]:
    """One line a code, in the order of the probes."""
    real, table = provoked(), named(FOLDERS["table"])
    books = library()
    lines = []
    for probe in registry().values():
        for code in probe.codes:
            book = next((b.id for b in books.for_code(code)), "–")
            lines.append(
                f"| `{code}` | {probe.id} | {book} | {_files(real, code)} | {_files(table, code)} |"
            )
    return lines


def _files(found: Mapping[str, list[str]], code: str) -> str:
    names = found.get(code, [])
    more = f" +{len(names) - 3}" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more or "–"


def text() -> str:
    """The whole file."""
    table = [
        "| code | probe | runbook | provoked on real servers or in the world | judged from literals |",
        "|---|---|---|---|---|",
        *rows(),
    ]
    return HEAD.read_text(encoding="utf-8").rstrip() + "\n\n" + "\n".join(table) + "\n"


if __name__ == "__main__":
    TABLE.write_text(text(), encoding="utf-8")
