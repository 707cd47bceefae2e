"""Writes docs/coverage.md: every finding code, its probe, and the tests that show it.

`python tests/tools/coverage_table.py` from the root of the checkout. A test counts as showing a
code when it names it; `tests/servers` and `tests/world` provoke it on real servers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cockpit.runbooks.library import library
from cockpit.triage.registry import registry

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "real": ("tests/servers", "tests/world", "tests/e2e", "cockpit/world/scenarios"),
    "table": ("tests/probes", "tests/core"),
}
HEAD = ROOT / "docs/coverage/head.md"


def named(folders: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Code → the files that name it."""
    found: dict[str, list[str]] = {}
    files = [p for folder in folders for p in sorted((ROOT / folder).rglob("*")) if p.is_file()]
    for path in files:
        if path.suffix not in {".py", ".toml"}:
            continue
        for code in set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", path.read_text("utf-8"))):
            found.setdefault(code, []).append(path.name)
    return found


def rows() -> list[str]:
    """One line a code, in the order of the probes."""
    real, table = named(FOLDERS["real"]), named(FOLDERS["table"])
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


def main() -> None:
    """Write the file."""
    head = HEAD.read_text(encoding="utf-8")
    table = [
        "| code | probe | runbook | provoked on real servers or in the world | judged from literals |",
        "|---|---|---|---|---|",
        *rows(),
    ]
    text = head.rstrip() + "\n\n" + "\n".join(table) + "\n"
    (ROOT / "docs/coverage.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
