"""Random answers of every shape end in a look or in blindness, and unknown states reach the screen.

Always the same answers, so that a change is what breaks it; `make fuzz` takes new ones.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from cockpit import clock
from cockpit.triage.probe import AnyProbe
from tests.fuzz import looks
from tests.fuzz.shapes import AT

SEED = "20261130"
LOOKS = 200
"""Pairs of looks a probe."""


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


@pytest.mark.parametrize("probe", looks.probes(), ids=lambda probe: str(probe.id))
async def test_no_answer_crashes_a_probe_or_hides_a_state_that_it_does_not_know(
    probe: AnyProbe,
) -> None:
    print(f"seeds {SEED}/{probe.id}/0 to {LOOKS - 1}")
    faults = [await looks.fault(probe, f"{SEED}/{probe.id}/{n}") for n in range(LOOKS)]
    assert [one for one in faults if one is not None] == []


async def test_a_probe_that_crashes_or_drops_a_state_is_noticed() -> None:
    probe = next(p for p in looks.probes() if p.id == "dynamodb.table")
    silent = replace(probe, diagnose=lambda *_: (), facts=None, tables=None)
    ends = [await looks.fault(silent, f"{SEED}/{probe.id}/{n}") for n in range(200)]
    assert any(one is not None and "never told" in one.what for one in ends)
    broken = replace(probe, diagnose=lambda *_: 1 / 0)  # type: ignore[arg-type]
    ends = [await looks.fault(broken, f"{SEED}/{probe.id}/{n}") for n in range(20)]
    assert any(one is not None and "ZeroDivisionError" in one.what for one in ends)
