"""Look at the screens with a scripted desk: `python -m tests.screens.show [triage] [svg FILE WxH KEYS…]`."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from cockpit import clock
from cockpit.connect.role import Role
from screens.app import run_async
from tests.screens.fake_desk import NOW, FakeDesk
from tests.screens.strict import StrictApp


def started(role: Role) -> FakeDesk:
    desk = FakeDesk(role)
    finding = next(iter(desk.board.open.values()))
    desk.start_run("database-connections", finding).done("snapshot", "blocker")
    return desk


async def picture(desk: FakeDesk, path: str, size: tuple[int, int], keys: list[str]) -> None:
    app = StrictApp(desk, environ={"TERM": "xterm-256color"}, encoding="utf-8")
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.3)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.15)
        await pilot.pause(0.4)
        Path(path).write_text(
            app.export_screenshot(title="").replace("<text ", '<text xml:space="preserve" '),
            encoding="utf-8",
        )


def main() -> None:
    words = sys.argv[1:]
    role = Role.TRIAGE if "triage" in words else Role.COMMANDER
    began = datetime.now(UTC)
    moved = NOW - began
    frozen = "svg" in words
    clock.now = lambda: NOW if frozen else datetime.now(UTC) + moved
    desk = started(role)
    desk.now = clock.now
    if frozen:
        at = words.index("svg")
        width, _, height = words[at + 2].partition("x")
        asyncio.run(picture(desk, words[at + 1], (int(width), int(height)), words[at + 3 :]))
        return

    async def make() -> FakeDesk:
        return desk

    sys.exit(asyncio.run(run_async(make)))


if __name__ == "__main__":
    main()
