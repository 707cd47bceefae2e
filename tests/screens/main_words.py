"""Short words for the main screen."""

from __future__ import annotations

from tests.screens.fake_desk import FakeDesk
from tests.screens.fake_run import FakeRun


def begun(desk: FakeDesk) -> FakeRun:
    run = desk.start_run("database-connections", next(iter(desk.board.open.values())))
    run.done("snapshot", "blocker")
    return run
