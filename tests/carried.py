"""Which test carries a mutating step of a shipped runbook out, and that it does.

A step that no test sends may never have worked: one compared GiB with bytes, and never applied.
What a story follows (`tests/world`) or a situation offers (`tests/servers/promised_*`) is held to it
there; all others stand here with their test. `tests/core/test_carried.py` wants every step to be in
one of the three.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import wraps
from pathlib import Path

from cockpit.connect.session import Acts
from cockpit.runbooks.effect import Execution
from cockpit.runbooks.kinds.result import Result

DONE: set[str] = set()
"""`RUNBOOK:STEP` of what the running test has done so far."""


def named_in(table: Path) -> dict[str, str]:
    """Step → its test, of lines of two words."""
    lines = table.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines if line)


STEPS: Mapping[str, str] = named_in(Path(__file__).with_suffix(".txt"))
BY_TEST: Mapping[str, set[str]] = defaultdict(set)
for _step, _test in STEPS.items():
    BY_TEST[_test].add(_step)
_effect = Execution._effect


@wraps(_effect)
async def _recorded(self: Execution, session: Acts | None) -> Result:
    result = await _effect(self, session)
    if result.done:
        DONE.add(f"{self.plan.runbook}:{self.plan.step.id}")
    return result


def record() -> None:
    """Remember what runs do from now on."""
    Execution._effect = _recorded  # type: ignore[method-assign]


def missed_by(test: str) -> set[str]:
    """What a test that has run should have done and has not. Without its parameters it stands for
    all of them: which versions of a server there are, no table knows.
    """
    return (BY_TEST.get(test, set()) | BY_TEST.get(test.partition("[")[0], set())) - DONE


def absent_from(collected: set[str]) -> list[str]:
    """Tests that stand in the table and not in their file, of the files that were collected."""
    files = {test.partition("::")[0] for test in collected}
    there = collected | {test.partition("[")[0] for test in collected}
    return [test for test in BY_TEST if test.partition("::")[0] in files and test not in there]
