"""The main screen by its keys: what a person sees and can do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.content import Content

from cockpit.incident.entry import EntryKind
from cockpit.triage.finding import Severity
from screens.detail import DetailScreen
from screens.main import MainScreen
from screens.output import ReadingScreen
from screens.panes import PANES
from screens.timeline import TimelineScreen
from screens.widgets.evidence import EvidencePane
from screens.widgets.findings import Findings
from screens.widgets.note import Prompt
from screens.widgets.systems import Systems
from screens.widgets.timeline import Timeline
from tests.screens.conftest import (
    FULL,
    SMALL,
    TINY,
    Shows,
    Time,
    press,
    settle,
    text,
    toasts,
)
from tests.screens.fake_desk import FakeDesk, ago
from tests.screens.fake_desk import finding as make
from tests.screens.main_words import begun

# -- as it looks -----------------------------------------------------------------------------------


async def test_main_in_full(desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion) -> None:
    begun(desk)
    async with show(desk, FULL) as pilot:
        assert text(pilot) == snapshot


async def test_main_small_in_triage(
    triage: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    async with show(triage, SMALL) as pilot:
        assert text(pilot) == snapshot


async def test_main_in_ascii_without_colours(
    desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    async with show(desk, SMALL, environ={"NO_COLOR": "1"}, encoding="ascii") as pilot:
        told = text(pilot)
        assert told.isascii()
        assert told == snapshot


@pytest.mark.parametrize("size", [TINY, (1, 1), (40, 10), (200, 60), (79, 15)], ids=str)
async def test_every_size_runs_and_q_works(
    desk: FakeDesk, show: Shows, size: tuple[int, int]
) -> None:
    async with show(desk, size) as pilot:
        for key in "123456":
            await press(pilot, key)
        await pilot.press("q")
        await pilot.pause()
        assert pilot.app._exit


async def test_a_tiny_terminal_shows_badge_and_findings(desk: FakeDesk, show: Shows) -> None:
    async with show(desk, TINY) as pilot:
        told = text(pilot).splitlines()
        assert told[0].startswith(" CMD ")
        assert "orders" in told[2]


async def test_a_resized_terminal_is_laid_out_anew(desk: FakeDesk, show: Shows) -> None:
    async with show(desk, FULL) as pilot:
        await pilot.resize_terminal(*SMALL)
        await settle(pilot)
        assert pilot.app.screen.has_class("-small")
        assert "suspect" in text(pilot)
        await pilot.resize_terminal(*FULL)
        await settle(pilot)
        assert "Prime suspects" in text(pilot)


# -- panes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [FULL, SMALL, TINY], ids=str)
async def test_numbers_jump_to_panes(desk: FakeDesk, show: Shows, size: tuple[int, int]) -> None:
    async with show(desk, size) as pilot:
        for number, name in enumerate(PANES, 1):
            await press(pilot, str(number))
            pane = pilot.app.screen.query_one(f"#{name}")
            assert pane.has_focus, name
            assert pane.region.area > 0, name


async def test_v_groups_the_systems_by_place_and_back(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        pane = pilot.app.screen.query_one(Systems)
        for title in ("Systems 10 by place", "Systems 10"):
            await press(pilot, "2", "v")
            assert Content.from_markup(str(pane.border_title)).plain.endswith(title)


async def test_tab_goes_through_the_panes(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "tab")
        assert pilot.app.screen.query_one("#evidence").has_focus
        await press(pilot, "shift+tab", "shift+tab")
        assert pilot.app.screen.query_one("#systems").has_focus


async def test_zoom_gives_one_pane_the_screen_and_back(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "z")
        assert not pilot.app.screen.query_one("#systems").region.area
        await press(pilot, "escape")
        assert pilot.app.screen.query_one("#systems").region.area


async def test_evidence_and_runbook_follow_the_selected_finding(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await press(pilot, "up")
        assert "ALB_5XX" in pilot.app.screen.query_one(EvidencePane).text
        await press(pilot, "down")
        assert "PG_SAT_CONNECTIONS" in pilot.app.screen.query_one(EvidencePane).text
        assert "Database connections exhausted" in text(pilot)


async def test_e_says_what_the_selected_finding_means(desk: FakeDesk, show: Shows) -> None:
    desk.explained = "[bold]Whoever waits[/bold]"
    async with show(desk) as pilot:
        await press(pilot, "e")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert isinstance(pilot.app.screen, ReadingScreen)
        assert "PG_SAT_CONNECTIONS" in text(pilot)
        assert "[bold]Whoever waits[/bold]" in text(pilot), "never read as markup"
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, MainScreen)


async def test_a_long_paragraph_of_an_explanation_is_not_cut(desk: FakeDesk, show: Shows) -> None:
    desk.explained = "cloudtrail:LookupEvents,"
    async with show(desk) as pilot:
        await press(pilot, "e")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert text(pilot).count("cloudtrail:LookupEvents,") == 40


async def test_one_pane_has_the_whole_screen(desk: FakeDesk, show: Shows) -> None:
    async with show(desk, (60, 15)) as pilot:
        for key, name in enumerate(PANES, 1):
            await press(pilot, str(key))
            high = pilot.app.screen.query_one(f"#{name}").size.height
            assert high >= (2 if name == "suspects" else 13), name


async def test_the_other_runbook_is_shown_on_b(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "b")
        assert "Slow queries" in text(pilot)


# -- the person's place ----------------------------------------------------------------------------


async def test_the_cursor_stays_on_its_finding_when_worse_ones_come(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await press(pilot, "up", "down")
        rows = pilot.app.screen.query_one(Findings)
        before = rows.chosen_key
        new = make(
            "ALB_DOWN", Severity.CRITICAL, "no healthy target", on="shop-alb", since=ago(seconds=1)
        )
        desk.board = replace(desk.board, open={**desk.board.open, new.id: new})
        desk.changed()
        await settle(pilot)
        assert rows.chosen_key == before
        assert rows.cursor == 2


async def test_without_a_suspect_the_worst_is_selected_until_a_key_is_pressed(
    desk: FakeDesk, show: Shows
) -> None:
    desk.suspects = ()
    async with show(desk) as pilot:
        assert "no suspect: at the worst" in text(pilot)
        new = make(
            "ALB_DOWN", Severity.CRITICAL, "no healthy target", on="shop-alb", since=ago(seconds=1)
        )
        desk.board = replace(desk.board, open={**desk.board.open, new.id: new})
        await settle(pilot)
        assert pilot.app.screen.query_one(Findings).chosen_key == new.id


async def test_a_filter_narrows_survives_news_and_is_cleared_by_escape(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        rows = pilot.app.screen.query_one(Findings)
        await press(pilot, "slash", "text:kind:pg", "enter")
        assert {row.target for row in rows.shown} == {"orders-db"}
        desk.changed()
        await settle(pilot)
        assert len(rows.shown) == 2
        assert "kind:pg · 2 of 8" in text(pilot)
        await press(pilot, "escape")
        assert len(rows.shown) == 8


async def test_leaving_a_filter_while_typing_clears_it(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        rows = pilot.app.screen.query_one(Findings)
        await press(pilot, "slash", "text:!pg")
        assert len(rows.shown) < 8
        await press(pilot, "escape")
        assert len(rows.shown) == 8
        assert rows.has_focus


async def test_a_filter_that_nothing_passes_says_so(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "slash", "text:zzz", "enter")
        assert "No row passes the filter" in text(pilot)


async def test_the_timeline_follows_its_end_until_the_person_moves(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        rows = pilot.app.screen.query_one(Timeline)
        for number in range(40):
            desk.record(EntryKind.NOTE, f"line {number}")
        await settle(pilot)
        assert "line 39" in text(pilot)
        await press(pilot, "6", "home")
        desk.record(EntryKind.NOTE, "line 40")
        await settle(pilot)
        assert rows.cursor == 0
        assert "line 40" not in text(pilot)
        await press(pilot, "end")
        assert "line 40" in text(pilot)


# -- freeze, look, copy, note ----------------------------------------------------------------------


async def test_freeze_holds_the_panes_while_recording_goes_on(
    desk: FakeDesk, show: Shows, time: Time
) -> None:
    async with show(desk) as pilot:
        await press(pilot, "space")
        desk.record(EntryKind.NOTE, "written while frozen")
        time.pass_(seconds=30)
        await settle(pilot)
        told = text(pilot)
        assert "FROZEN at 02:59:10 UTC" in told
        assert "1 new" in told
        assert "18m 37s" in told, "the header lives on"
        assert "written while frozen" not in told
        await press(pilot, "space")
        assert "written while frozen" in text(pilot)
        assert "FROZEN" not in text(pilot)


async def test_ages_tick_without_news(desk: FakeDesk, show: Shows, time: Time) -> None:
    async with show(desk) as pilot:
        assert "16m pg" in text(pilot)
        time.pass_(minutes=1)
        pilot.app._tick()  # type: ignore[attr-defined]
        await pilot.pause()
        assert "17m pg" in text(pilot)
        assert "19m 07s" in text(pilot)


async def test_r_looks_again_at_everything(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "r")
        assert desk.looks == [""]
        assert "41 looks" in toasts(pilot)[-1]


async def test_a_note_is_one_key_away_and_written(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "n", "text:TODO q [b]", "enter")
        assert desk.notes == ["TODO q [b]"]
        assert pilot.app.screen.query_one(Findings).has_focus
        assert "TODO q [b]" in text(pilot)


async def test_a_note_that_was_begun_is_kept_when_the_person_leaves(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await press(pilot, "n", "text:half", "escape", "slash", "text:pg", "enter", "n")
        assert pilot.app.screen.query_one(Prompt).value == "half"


async def test_copy_gives_the_evidence_as_text(
    desk: FakeDesk, show: Shows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with show(desk) as pilot:
        sent: list[str] = []
        monkeypatch.setattr(pilot.app._driver, "write", sent.append, raising=False)
        await press(pilot, "y")
        assert any(each.startswith("\x1b]52;c;") for each in sent)
        assert toasts(pilot)[-1].startswith("Copied")


async def test_copy_says_when_it_could_not(desk: FakeDesk, show: Shows) -> None:
    async with show(desk, environ={"TERM": "linux"}) as pilot:
        await press(pilot, "y")
        assert "no clipboard" in toasts(pilot)[-1]


# -- opening ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "screen"),
    [
        pytest.param(("enter",), DetailScreen, id="a finding opens its target"),
        pytest.param(("2", "enter"), DetailScreen, id="a system opens its detail"),
        pytest.param(("2", "end", "enter"), ReadingScreen, id="a change opens what is known of it"),
        pytest.param(("1", "enter"), ReadingScreen, id="a suspect opens its reasoning"),
        pytest.param(("6", "enter"), TimelineScreen, id="an entry opens the timeline"),
        pytest.param(("T",), TimelineScreen, id="the whole timeline"),
    ],
)
async def test_enter_opens_what_is_selected(
    desk: FakeDesk, show: Shows, keys: tuple[str, ...], screen: type
) -> None:
    async with show(desk) as pilot:
        await press(pilot, *keys)
        assert isinstance(pilot.app.screen, screen)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, MainScreen)


async def test_the_reasoning_tells_for_against_and_what_was_not_examined(
    desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    async with show(desk, SMALL) as pilot:
        await press(pilot, "1", "enter")
        assert text(pilot) == snapshot


async def test_status_and_severity_are_picked_from_a_list(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "S", "down", "enter")
        assert desk.set == ["identified"]
        await press(pilot, "S", "end", "enter")
        assert desk.set == ["identified", "P3"]


@pytest.mark.parametrize("size", [FULL, SMALL, TINY], ids=str)
async def test_closing_asks_once_says_so_and_stays_on_the_screen(
    desk: FakeDesk, show: Shows, size: tuple[int, int]
) -> None:
    async with show(desk, size) as pilot:
        await press(pilot, "S", "down", "down", "down", "down", "enter")
        assert desk.set == []
        if size != TINY:
            assert "Close the incident?" in text(pilot)
            assert "with 3 criticals open" in text(pilot)
        await press(pilot, "enter")
        assert desk.set == []
        assert "stays open" in toasts(pilot)[-1]
        await press(pilot, "S", "down", "down", "down", "down", "enter", "down", "enter")
        assert desk.set == ["closed: with 3 criticals open"]
        assert "The incident is closed" in toasts(pilot)[-1]
        pilot.app.clear_notifications()
        await settle(pilot)
        assert ("clo" if size == TINY else "closed") in text(pilot).splitlines()[0]


async def test_triage_is_not_offered_an_end_of_the_incident(triage: FakeDesk, show: Shows) -> None:
    async with show(triage, SMALL) as pilot:
        await press(pilot, "S")
        assert "mitigated" in text(pilot)
        assert "a commander resolves and closes" in text(pilot)
        assert "resolved" not in text(pilot)
        await press(pilot, "down", "down", "enter")
        assert triage.set == ["mitigated"]
        assert "mitigated from here on" in toasts(pilot)[-1]
