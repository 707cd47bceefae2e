"""Long lists: ten thousand findings, and five thousand sessions that change every second.

`python -m tests.bench.lists` prints these rows only.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from textual.pilot import Pilot

from cockpit import clock
from cockpit.redact import SecretText
from cockpit.triage.board import Board, FindingId, LookId, OpenFinding
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.probe import Fact, Reading, Seen
from cockpit.triage.view import Table
from probes.postgres.model import Session
from probes.postgres.view import COLUMNS, _row
from screens.widgets.findings import Findings
from screens.widgets.rowlist import RowList
from tests.bench.sweep import lag
from tests.bench.table import Row, percentile, render
from tests.screens.fake_desk import NOW, FakeDesk
from tests.screens.strict import StrictApp

MANY, FEW, STEPS = 10_000, 60, 60
"""Sixty is a page and a little more, so that both lists really scroll."""
SESSIONS, SECONDS, VARIANTS = 5_000, 20, 3
"""No more tables than the cockpit would hold itself: the garbage collector counts them all."""
KEYS = (
    *("down", "pagedown", "pagedown", "end", "pageup", "home"),  # scrolling
    *("s", "down", "s", "pagedown", "S", "s", "s", "S", "end", "s", "s", "s", "s"),  # sorting
    *("slash", *"checkout-3", "enter", "down", "pagedown", "escape"),  # filtering
    *("slash", *"state:active", "space", "exclamation_mark", *"10.0.1", "enter", "end", "escape"),
    *("v", "v", "tab", "tab"),
)


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
    app = StrictApp(desk)
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
        steps: list[float] = []
        for _ in range(STEPS):
            started = time.perf_counter()
            await pilot.press("end" if len(steps) % 2 == 0 else "home")
            steps.append(time.perf_counter() - started)
    return loaded, statistics.median(steps)


def session(each: int, second: int) -> Session:
    """One of many sessions at a second: every fifth has just begun, the others grow older."""
    age = second + (each % 5 and each % 900)
    state = ("active", "idle", "idle in transaction", "active", "idle")[(each + second) % 5]
    return Session(
        pid=1000 + each + (5000 * second if each % 50 == 0 else 0),
        backend_start=NOW,
        usename="app",
        datname="orders",
        application_name=f"checkout-{each % 9}",
        client=f"10.0.{each % 7}.{each % 250}",
        backend_type="client backend",
        state=state,
        wait_type="Lock" if each % 11 == 0 else None,
        wait_event="transactionid" if each % 11 == 0 else None,
        xact_s=float(age),
        query_s=float(age),
        state_s=float(age),
        query=SecretText(
            f"UPDATE orders SET status = 'paid', note = 'n{each}' WHERE id = {each} AND customer IN"
            f" (SELECT id FROM customers WHERE mail = 'a{each}@example.com') RETURNING id, total"
        ),
    )


def sessions(number: int, second: int) -> Table:
    """The sessions table as the probe makes it."""
    limit = Thresholds(info=60, warning=600)
    each = (_row(session(one, second), limit, limit) for one in range(number))
    return Table(title="Sessions", columns=COLUMNS, rows=tuple(each), headline=f"{number} sessions")


def looked(table: Table, second: int) -> Board:
    """A board with one look at the sessions."""
    facts = (Fact("used", str(len(table.rows)), float(len(table.rows) + second)),)
    seen = Seen(tables=(table,), facts=facts)
    reading = Reading("orders-db", "postgres", "postgres.sessions", clock.now(), 0.05, seen)
    return Board(readings=MappingProxyType({LookId("orders-db", "postgres.sessions"): reading}))


async def watch_sessions(number: int) -> tuple[float, list[float], int]:
    """Seconds to the first paint; lags of the loop in seconds; how many keys were pressed.

    A new table comes every second, which is five times as often as a probe looks.
    """
    tables = [sessions(number, second) for second in range(VARIANTS)]
    desk = FakeDesk()
    desk.board = looked(tables[0], 0)
    app = StrictApp(desk)
    async with app.run_test(size=(140, 44)) as pilot:
        await pilot.pause(0.5)
        started = time.perf_counter()
        app.open_target("orders-db")
        while not any(pane.shown for pane in app.screen.query(RowList) if pane.id == "rows"):
            await asyncio.sleep(0.001)
        await painted(pilot)
        first = time.perf_counter() - started
        late: list[float] = []
        keys: list[str] = []
        watching = asyncio.create_task(lag(late))
        pressing = asyncio.create_task(press_all(pilot, keys))
        for second in range(SECONDS):
            desk.board = looked(tables[second % VARIANTS], second)
            app.nudge()
            await asyncio.sleep(1.0)
        watching.cancel()
        pressing.cancel()
        assert len(app.screen.query_one("#rows", RowList).rows) in {number, 1}
    return first, late, len(keys)


async def press_all(pilot: Pilot[int], pressed: list[str]) -> None:
    """The keys again and again, as a person types who is in a hurry."""
    while True:
        for key in KEYS:
            await pilot.app._press_keys([key])
            await painted(pilot)
            pressed.append(key)
            await asyncio.sleep(0.05)


async def painted(pilot: Pilot[int]) -> None:
    """Every message is handled, the layout made, the screen drawn."""
    await pilot._wait_for_screen()


def sessions_rows() -> list[Row]:
    """Five thousand sessions, looked at while they change."""
    first, late, keys = asyncio.run(watch_sessions(SESSIONS))
    name = "sessions table of 5,000 rows, new every second, while scrolling, sorting, filtering"
    worst = f"worst {max(late) * 1000:.0f} ms; {keys} keys in {SECONDS} s"
    return [
        Row(f"{name}: loop lag p99", percentile(late, 0.99) * 1000, "ms", 50, note=worst),
        Row("… time to first paint", first * 1000, "ms", 300),
    ]


def rows() -> list[Row]:
    """Loading ten thousand findings, and scrolling them beside a page."""
    loaded, many = asyncio.run(measure(MANY))
    _, few = asyncio.run(measure(FEW))
    note = f"{many * 1000:.1f} ms against {few * 1000:.1f} ms a jump"
    return [
        Row("10,000 findings into the findings list", loaded * 1000, "ms", 300),
        Row("scrolling them", many / few, "×", 1.5, "a list of sixty", note),
        *sessions_rows(),
    ]


if __name__ == "__main__":
    print(render(rows()))
