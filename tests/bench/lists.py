"""The findings list: ten thousand rows cost what a page costs."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from cockpit.triage.board import Board, FindingId, OpenFinding
from cockpit.triage.finding import Evidence, Finding, Severity
from screens.app import CockpitApp
from screens.widgets.findings import Findings
from tests.bench.table import Row
from tests.screens.fake_desk import NOW, FakeDesk

MANY, FEW, STEPS = 10_000, 60, 60
"""Sixty is a page and a little more, so that both lists really scroll."""


def board(number: int) -> Board:
    """A board with so many open findings at a tenth as many targets."""
    severities = list(Severity)
    opened = {}
    for each in range(number):
        id_ = FindingId(f"db-{each % max(1, number // 10):04d}", "PG_LOCK_BLOCKED", f"pid {each}")
        finding = Finding(
            id_.code,
            severities[each % 4],
            f"pid {each} holds up {each % 97} sessions, the longest for {each % 600}s",
            subject=id_.subject,
            evidence=(Evidence("longest wait", each % 600, "s", 5),),
        )
        since = NOW - timedelta(seconds=each % 3600)
        opened[id_] = OpenFinding(
            id=id_, kind="postgres", probe="postgres.locks", finding=finding, since=since, seen=NOW
        )
    return Board(open=MappingProxyType(opened))


async def measure(number: int) -> tuple[float, float]:
    """Seconds from the new board to its painted rows, and seconds a key of scrolling."""
    desk = FakeDesk()
    app = CockpitApp(desk)
    async with app.run_test(size=(140, 44)) as pilot:
        await pilot.pause(0.5)
        rows = app.screen.query_one(Findings)
        assert app.shown is not None
        shown = replace(app.shown, board=board(number))
        started = time.perf_counter()
        rows.refresh_from(shown)
        rows.refresh(layout=True)
        await pilot.pause()
        loaded = time.perf_counter() - started
        rows.focus()
        await pilot.pause()
        steps = []
        for _ in range(STEPS):
            started = time.perf_counter()
            await pilot.press("end" if len(steps) % 2 == 0 else "home")
            steps.append(time.perf_counter() - started)
    return loaded, statistics.median(steps)


def rows() -> list[Row]:
    """Loading ten thousand findings, and scrolling them beside a page."""
    loaded, many = asyncio.run(measure(MANY))
    _, few = asyncio.run(measure(FEW))
    note = f"{many * 1000:.1f} ms against {few * 1000:.1f} ms a jump"
    return [
        Row("10,000 findings into the findings list", loaded * 1000, "ms", 300),
        Row("scrolling them", many / few, "×", 1.5, "a list of sixty", note),
    ]
