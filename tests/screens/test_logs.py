"""Logs of a target: patterns that are new first, lines, the tail, prices, and hostile text."""

from __future__ import annotations

from datetime import timedelta

from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from cockpit.errors import BlindError, Reason
from screens.logs import LogsScreen
from screens.present import logs as present
from tests.screens.conftest import FULL, SMALL, TINY, Shows, press, settle, text, toasts, until
from tests.screens.fake_desk import NOW, FakeDesk
from tests.screens.fake_logs import WEB, FakeLogs


async def opened(pilot: Pilot[int], target: str = "checkout") -> LogsScreen:
    """The screen, once it has read."""
    screen = LogsScreen(target)
    await pilot.app.push_screen(screen)
    await until(pilot, lambda: not screen._busy, "the lines are read")
    await settle(pilot)
    return screen


async def test_what_is_new_since_the_onset_stands_first(
    desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    async with show(desk, FULL) as pilot:
        await opened(pilot)
        assert text(pilot) == snapshot


async def test_a_small_terminal_shows_patterns_and_lines(
    desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    async with show(desk, SMALL) as pilot:
        await opened(pilot)
        assert text(pilot) == snapshot
        await press(pilot, "enter")
        assert text(pilot) == snapshot


async def test_a_tiny_terminal_and_ascii(desk: FakeDesk, show: Shows) -> None:
    async with show(desk, TINY) as pilot:
        await opened(pilot)
        assert "61" in text(pilot)
    async with show(desk, FULL, environ={"COCKPIT_ASCII": "1"}) as pilot:
        await opened(pilot)
        assert text(pilot).isascii()


async def test_one_key_opens_them_from_a_system_and_from_its_detail(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await press(pilot, "2", "slash", "text:checkout", "enter", "L")
        assert isinstance(pilot.app.screen, LogsScreen)
        await press(pilot, "escape", "enter", "L")
        screen = pilot.app.screen
        assert isinstance(screen, LogsScreen)
        await until(pilot, lambda: not screen._busy, "read")


async def test_a_target_without_logs_says_what_helps(desk: FakeDesk, show: Shows) -> None:
    async with show(desk, SMALL) as pilot:
        await opened(pilot, "orders-db")
        told = text(pilot)
        assert "Not read, which says nothing" in told
        assert "name it" in told
        for wrong in ("being asked", "further back", "Next source", "Live tail", "Pin line"):
            assert wrong not in told, "nothing is there that it could be about"
        for key in ("t", "w", "i", "tab"):
            pilot.app._notifications.clear()
            await press(pilot, key)
            assert toasts(pilot) == ["No log of it is known: nothing to read"], key


async def test_the_only_log_has_no_next_one(desk: FakeDesk, show: Shows) -> None:
    desk.logs.all = (WEB,)
    async with show(desk, SMALL) as pilot:
        await opened(pilot)
        assert "Next source" not in text(pilot)
        await press(pilot, "enter")
        assert "the first and the newest, 3 of 61" in text(pilot)


async def test_denied_is_never_no_line(desk: FakeDesk, show: Shows) -> None:
    desk.logs.failing = BlindError(
        Reason.DENIED, "logs.FilterLogEvents is denied", hint="allow logs:FilterLogEvents"
    )
    async with show(desk, SMALL) as pilot:
        await opened(pilot)
        told = text(pilot)
        assert "allow logs:FilterLogEvents" in told
        assert "No line tells of an error" not in told
        desk.logs.failing = None
        await press(pilot, "r")
        screen = pilot.app.screen
        assert isinstance(screen, LogsScreen)
        await until(pilot, lambda: bool(screen._view), "read again")


async def test_a_fault_of_a_probe_is_told_and_not_no_line(desk: FakeDesk, show: Shows) -> None:
    desk.logs.failing = KeyError("[/b]")  # type: ignore[assignment]
    async with show(desk, SMALL) as pilot:
        await opened(pilot)
        assert "reading failed: KeyError('[/b]')" in text(pilot)


async def test_enter_goes_from_pattern_to_line_to_what_is_around_it(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await opened(pilot)
        await press(pilot, "enter")
        assert "Lines of a pattern" in text(pilot)
        assert "KeyError: 'customer_1' [/b]\\u202e" in text(pilot)
        await press(pilot, "enter")
        await until(pilot, lambda: "Around a line" in text(pilot), "around")
        told = text(pilot)
        assert "POST /pay [bold]" in told
        assert "▶" in told
        await press(pilot, "escape", "escape")
        assert "Patterns of errors" in text(pilot)
        await press(pilot, "escape")
        assert not isinstance(pilot.app.screen, LogsScreen)


async def test_a_stopped_task_has_its_last_lines_beside_its_reason(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk, SMALL) as pilot:
        screen = await opened(pilot)
        await press(pilot, "tab")
        await until(pilot, lambda: not screen._busy, "read")
        await settle(pilot)
        told = text(pilot)
        assert "OutOfMemoryError: container killed" in told
        assert "MemoryError [/b]\\x1b[2J" in told
        assert "2 of 3" in told
        assert "Live tail" not in told
        for key in ("t", "w", "i"):
            pilot.app._notifications.clear()
            await press(pilot, key)
            assert toasts(pilot)[0].startswith("It has stopped"), key
        desk.logs.failing = BlindError(Reason.MISSING, "there is no stream")
        await press(pilot, "r")
        await until(pilot, lambda: not screen._busy, "read")
        assert "Last lines" in text(pilot)
        assert "further back" not in text(pilot)
        await press(pilot, "tab", "tab", "shift+tab")


async def test_further_back_ends_at_six_hours(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        screen = await opened(pilot)
        for _ in range(6):
            await press(pilot, "w")
            await until(pilot, lambda: not screen._busy, "read")
        assert max(desk.logs.spans) == timedelta(hours=6)
        assert toasts(pilot)


async def test_the_tail_shows_each_line_once_and_ends(desk: FakeDesk, show: Shows) -> None:
    logs = desk.logs
    logs.coming = [logs.line("INFO fine", 3), logs.line("ERROR boom [/b]", 2)]
    async with show(desk) as pilot:
        screen = await opened(pilot)
        await press(pilot, "t")
        tail = screen._tail
        assert tail is not None
        await until(pilot, lambda: len(tail.lines) == 2, "two lines")
        await settle(pilot)
        assert "Live tail" in text(pilot)
        assert "ERROR boom [/b]" in text(pilot)
        logs.coming = [logs.line("ERROR boom [/b]", 2), logs.line("later", 1)]
        await tail._ask()
        assert [each.text for each in tail.lines][-1] == "later"
        assert len(tail.lines) == 3
        await press(pilot, "escape")
        assert screen._tail is None
        assert not [each for each in screen.workers if each.group == "tail" and each.is_running]


async def test_a_query_tells_its_price_and_runs_after_yes_only(desk: FakeDesk, show: Shows) -> None:
    async with show(desk, SMALL) as pilot:
        await opened(pilot)
        await press(pilot, "i")
        await until(pilot, lambda: "scans about 1.1 GiB, about $0.0060" in text(pilot), "a price")
        await press(pilot, "text:y", "enter")
        assert desk.logs.queried == []
        await press(pilot, "i")
        await until(pilot, lambda: "yes runs it" in text(pilot), "a price")
        await press(pilot, "text:yes", "enter")
        await until(pilot, lambda: "scanned 1.0 GiB" in text(pilot), "what it found")
        assert "new pattern" in text(pilot)
        assert "KeyError: <*> [/b]" in text(pilot)
        assert len(desk.logs.queried) == 1


async def test_a_pinned_line_is_masked_cut_and_the_only_thing_that_is_kept(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await opened(pilot)
        await press(pilot, "enter", "p")
        await until(pilot, lambda: bool(desk.notes), "the note")
        (note,) = desk.notes
        assert note.startswith("log /ecs/checkout 02:")
        assert "\u202e" not in note


def test_a_pinned_line_keeps_no_secret() -> None:
    logs = FakeLogs(NOW)
    row = logs.line("login with password=hunter2 " + "x" * 900, 1)
    told = present.pinned(row, WEB)
    assert "hunter2" not in told
    assert len(told) <= 300
    assert "hunter2" not in present.as_text(row)


async def test_the_filter_names_kinds(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await opened(pilot)
        await press(pilot, "slash", "text:kind:field", "enter")
        assert "ERROR order N failed" not in text(pilot)
