"""Writes docs/scenarios.md: what can be wrong in the embedded shop, and what a cockpit must say.

`python -m tests.tools.scenarios_page` from the root of the checkout; `make scenarios` measures.
"""

from __future__ import annotations

import re
from pathlib import Path

from cockpit.world import scenario
from tests.world.account_stories import ACCOUNT, UNREPAIRED
from tests.world.stories import STORIES

PAGE = Path(__file__).parents[2] / "docs/scenarios.md"
_HEAD = """# Scenarios of the embedded shop

`cockpit demo NAME` opens one; `cockpit scenarios` lists them. `make test` plays each without a screen, `make scenarios` plays
every repair at the real screens, by keys, and measures the seconds from the first screen to the finding that a person opens
(– : not measured, or nothing to repair). Written by `python -m tests.tools.scenarios_page`; the files are in
`cockpit/world/scenarios`.

| scenario | true cause | must be found | first suspect | runbook | repaired by | seconds |
|---|---|---|---|---|---|---|
"""
_ROW = re.compile(r"^\| `([\w-]+)` \|.*\| ([\d.]+) \|$", re.MULTILINE)


def measured() -> dict[str, float]:
    """Scenario → the seconds that stand in the page."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return {name: float(seconds) for name, seconds in _ROW.findall(text)}


def page(seconds: dict[str, float] | None = None) -> str:
    """The whole page, with what was measured before, or this."""
    known = measured() if seconds is None else seconds
    return _HEAD + "".join(_row(name, known.get(name)) for name in sorted(scenario.names()))


def write(seconds: dict[str, float]) -> None:
    """The page with these seconds."""
    PAGE.write_text(page(seconds), encoding="utf-8")


def _row(name: str, seconds: float | None) -> str:
    known = scenario.load(name)
    must = "<br>".join(f"`{each}`" for each in known.must) or "–"
    runbook = f"`{known.runbook}`" if known.runbook else "–"
    told = "–" if seconds is None else f"{seconds:.1f}"
    cells = (f"`{name}`", known.cause, must, known.culprit or "nobody", runbook, _by(name), told)
    return f"| {' | '.join(cells)} |\n"


def _by(name: str) -> str:
    story = (ACCOUNT | STORIES).get(name)
    if story is None:
        return UNREPAIRED.get(name, "–")
    return "a person, as a step says" if story.by_hand else "its runbook"


if __name__ == "__main__":
    write(measured())
