"""A cockpit that is killed in the middle of a runbook, and the screens of the next one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from itertools import islice
from pathlib import Path

from screens.app import CockpitApp
from screens.present.runbook import StepRow
from screens.widgets.runbook import RunbookPane
from tests.screens import left_running
from tests.screens.conftest import ENVIRON, press, settle, text
from tests.screens.live import Seat
from tests.screens.strict import StrictApp

ROOT = Path(__file__).resolve().parents[2]


def killed_in_the_middle(folder: Path) -> None:
    """Another process follows the runbook until its last step runs; then it is no more."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.screens.left_running", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process, contextlib.suppress(ProcessLookupError):
        assert process.stdout is not None
        (began,) = islice((each for each in process.stdout if "begins as process" in each), 1)
        process.kill()
        process.wait()
        os.kill(int(began.rsplit(maxsplit=1)[1]), signal.SIGKILL)  # it would go on alone


async def test_the_next_cockpit_shows_how_far_the_runbook_was(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        left_running.write(tmp_path, closed.getsockname()[1])
        await asyncio.to_thread(killed_in_the_middle, tmp_path)
        desk = await left_running.opening(tmp_path).resume("1")
        app: CockpitApp = StrictApp(desk, environ=ENVIRON, encoding="utf-8")
        app.animation_level = "none"
        try:
            async with app.run_test(size=(140, 44), notifications=True) as pilot:
                seat = Seat(pilot, desk, [])
                await settle(pilot)
                pane = app.screen.query_one(RunbookPane)
                await seat.until(lambda: len(pane.shown) > 0, "the runbook")
                await press(pilot, "5", "home")
                steps = [row for row in pane.shown if isinstance(row, StepRow)]
                assert [each.status for each in steps] == ["ok", "ok", "skipped", "unknown"]
                shown = text(pilot)
                assert "taken up from an earlier session:" in shown
                assert "UTC, in an earlier se" in shown
                assert "skipped: they are here" in shown
                assert "cut off after it was sent" in shown
                assert "open here again" not in shown
        finally:
            await app.close()
