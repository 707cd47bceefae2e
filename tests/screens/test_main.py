"""The main screen by its keys: what a person sees and can do."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from cockpit.errors import Misconfigured
from cockpit.triage.finding import Severity
from screens.app import CockpitApp
from screens.bindings import ACTIONS, Where, as_markdown
from screens.confirm import SETTLE, ConfirmScreen
from screens.detail import DetailScreen
from screens.main import PANES, MainScreen
from screens.output import ReadingScreen
from screens.timeline import TimelineScreen
from screens.widgets.evidence import EvidencePane
from screens.widgets.findings import Findings
from screens.widgets.note import Prompt
from screens.widgets.runbook import RunbookPane
from screens.widgets.systems import Systems
from screens.widgets.timeline import Timeline
from tests.screens.conftest import (
    ENVIRON,
    FULL,
    SMALL,
    TINY,
    Shows,
    Time,
    press,
    settle,
    text,
    toasts,
    until,
)
from tests.screens.fake_desk import FakeCourse, FakeDesk, ago
from tests.screens.fake_desk import finding as make


def begun(desk: FakeDesk) -> FakeCourse:
    course = desk.start_course("database-connections", next(iter(desk.board.open.values())))
    course.done("snapshot", "blocker")
    return course


async def confirmed(pilot: object) -> None:
    await asyncio.sleep(SETTLE)


# -- as it looks -----------------------------------------------------------------------------------


async def test_main_in_full(desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion) -> None:
    begun(desk)
    async with show(desk, FULL) as pilot:
        await press(pilot, "down")
        assert text(pilot) == snapshot


async def test_main_small_in_triage(
    triage: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    async with show(triage, SMALL) as pilot:
        await press(pilot, "down")
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
        assert "ALB_5XX" in pilot.app.screen.query_one(EvidencePane).text
        await press(pilot, "down")
        assert "PG_SAT_CONNECTIONS" in pilot.app.screen.query_one(EvidencePane).text
        assert "Database connections exhausted" in text(pilot)


async def test_the_other_runbook_is_shown_on_b(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "down", "b")
        assert "Slow queries" in text(pilot)


# -- the person's place ----------------------------------------------------------------------------


async def test_the_cursor_stays_on_its_finding_when_worse_ones_come(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await press(pilot, "down")
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


async def test_until_the_person_moves_the_worst_is_selected(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
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
            desk.record("note", f"line {number}")
        await settle(pilot)
        assert "line 39" in text(pilot)
        await press(pilot, "6", "home")
        desk.record("note", "line 40")
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
        desk.record("note", "written while frozen")
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
        await press(pilot, "down", "y")
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
        pytest.param(("down", "enter"), DetailScreen, id="a finding opens its target"),
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


# -- steps -----------------------------------------------------------------------------------------


async def test_a_read_step_runs_at_once(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "down", "R")
        course = next(iter(desk.courses.values()))
        assert course.ran == ["snapshot"]
        assert "Snapshot sessions and locks: ok" in toasts(pilot)[-1]


async def test_a_low_step_asks_for_enter_on_its_plan(
    desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = begun(desk)
    monkeypatch.setattr("screens.confirm.SETTLE", 3600.0)
    async with show(desk) as pilot:
        await press(pilot, "down", "R")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert text(pilot) == snapshot
        await press(pilot, "enter")
        assert course.ran == [], "the key that opened the dialog may repeat"
        monkeypatch.setattr("screens.confirm.SETTLE", 0.0)
        await press(pilot, "enter")
        assert course.ran == ["cancel"]


async def test_a_high_step_runs_only_for_the_typed_name(
    desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    course = begun(desk)
    course.done("cancel")
    async with show(desk, SMALL) as pilot:
        await press(pilot, "down", "R")
        await confirmed(pilot)
        await press(pilot, "text:orders", "enter")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert course.ran == []
        assert text(pilot) == snapshot
        await press(pilot, "text:-db", "enter")
        assert course.ran == ["terminate"]
        assert isinstance(pilot.app.screen, MainScreen)


async def test_escape_runs_nothing(desk: FakeDesk, show: Shows) -> None:
    course = begun(desk)
    async with show(desk) as pilot:
        await press(pilot, "down", "R", "escape")
        assert course.ran == []
        assert toasts(pilot)[-1] == "Nothing was run"


async def test_an_approval_counts_down_and_expires(desk: FakeDesk, show: Shows, time: Time) -> None:
    course = begun(desk)
    async with show(desk) as pilot:
        await press(pilot, "down", "R")
        assert "expires in 02:00" in text(pilot)
        time.pass_(seconds=121)
        await confirmed(pilot)
        pilot.app.screen._count_down()  # type: ignore[attr-defined]
        await pilot.pause()
        assert "expired" in text(pilot)
        await press(pilot, "enter")
        assert course.ran == []
        assert "the plan expired" in text(pilot)


async def test_a_destructive_step_asks_for_a_second_person_or_a_reason(
    desk: FakeDesk, show: Shows
) -> None:
    course = begun(desk)
    course.done("cancel", "terminate")
    async with show(desk) as pilot:
        await press(pilot, "down", "R")
        await confirmed(pilot)
        await press(pilot, "text:orders-db", "enter")
        assert course.ran == []
        assert "a second person or a reason is needed" in text(pilot)
        await press(pilot, "tab", "tab", "text:agreed", "enter")
        assert course.ran == ["rollback"]


async def test_a_plan_with_gaps_cannot_be_run(desk: FakeDesk, show: Shows) -> None:
    course = begun(desk)
    course.gaps = ("the role may not act",)
    async with show(desk) as pilot:
        await press(pilot, "down", "R")
        await confirmed(pilot)
        assert "the role may not act" in text(pilot)
        await press(pilot, "enter")
        assert course.ran == []


async def test_a_running_step_can_be_left_waiting_for(desk: FakeDesk, show: Shows) -> None:
    course = begun(desk)
    course.hold = asyncio.Event()
    async with show(desk) as pilot:
        await press(pilot, "down", "R")
        await confirmed(pilot)
        await press(pilot, "enter")
        assert "running 00:00" in text(pilot)
        await press(pilot, "R")
        assert toasts(pilot)[-1].startswith("A step is running")
        await press(pilot, "x")
        assert "verify before repeating" in toasts(pilot)[-1]


async def test_output_is_read_as_text_and_never_as_markup(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "down", "R", "5", "home", "o")
        assert "4242 idle in transaction [/b]" in text(pilot)


async def test_a_step_is_skipped_with_a_reason(desk: FakeDesk, show: Shows) -> None:
    course = begun(desk)
    async with show(desk) as pilot:
        await press(pilot, "down", "5", "s", "text:done by hand", "enter")
        assert course.skipped == [("cancel", "done by hand")]


async def test_triage_runs_reads_and_proposes_the_rest(triage: FakeDesk, show: Shows) -> None:
    course = begun(triage)
    async with show(triage, SMALL) as pilot:
        await press(pilot, "down", "R")
        assert isinstance(pilot.app.screen, MainScreen)
        assert course.ran == []
        assert "p proposes this step" in toasts(pilot)[-1]
        await press(pilot, "p", "text:it blocks all", "enter")
        assert course.proposed == [("cancel", "it blocks all")]


async def test_triage_may_look(triage: FakeDesk, show: Shows) -> None:
    async with show(triage) as pilot:
        await press(pilot, "down", "R")
        assert next(iter(triage.courses.values())).ran == ["snapshot"]


# -- one table of actions --------------------------------------------------------------------------


async def test_every_key_of_the_table_is_bound_on_its_screen(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        screen = pilot.app.screen
        bound = {(b.key, b.action) for _, b in screen._bindings}
        for action in ACTIONS:
            if action.where in {Where.MAIN, Where.ANYWHERE}:
                assert {(key, action.call(key)) for key in action.keys} <= bound, action
                assert hasattr(screen, f"action_{action.name}"), action


async def test_help_shows_every_key_of_the_screen(desk: FakeDesk, show: Shows) -> None:
    async with show(desk, (140, 120)) as pilot:
        await press(pilot, "question_mark")
        told = text(pilot)
        for action in ACTIONS:
            if action.where in {Where.MAIN, Where.LIST, Where.ANYWHERE}:
                assert action.label in told
        await press(pilot, "q")
        assert pilot.app._exit


async def test_the_palette_finds_actions_and_targets(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "ctrl+p")
        await pilot.press(*"Open orders")
        await until(pilot, lambda: "Open orders-db" in text(pilot), "found in the palette")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DetailScreen), "the detail")


async def test_the_documentation_of_keys_is_made_of_the_table() -> None:
    told = as_markdown()
    assert all(action.help in told for action in ACTIONS)


async def test_the_footer_shows_the_keys_of_the_pane_and_role(
    triage: FakeDesk, show: Shows
) -> None:
    async with show(triage) as pilot:
        last = text(pilot).splitlines()[-1]
        assert "p Propose" in last
        assert "Run next step" not in last
        assert "^p Palette" in last


async def test_everything_is_looked_at_only_after_the_first_paint(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await until(pilot, lambda: desk.started, "looked at")
        assert pilot.app.screen.query_one(Systems).rows


async def test_leaving_is_quick_with_everything_hung(desk: FakeDesk, show: Shows) -> None:
    desk.hang = True
    began = asyncio.get_running_loop().time()
    async with show(desk) as pilot:
        await pilot.pause(0.05)
        began = asyncio.get_running_loop().time()
        await pilot.press("q")
    assert asyncio.get_running_loop().time() - began < 6, "one second and what a busy machine takes"
    assert desk.closed


async def test_a_runbook_pane_without_a_runbook_says_so(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "5", "R")
        assert pilot.app.screen.query_one(RunbookPane).chosen is None
        assert "No runbook" in toasts(pilot)[-1]


async def test_while_it_opens_q_works_and_then_the_desk_is_shown(desk: FakeDesk) -> None:
    gate = asyncio.Event()

    async def make() -> FakeDesk:
        await gate.wait()
        return desk

    app = CockpitApp(make=make, environ=ENVIRON, encoding="utf-8")
    async with app.run_test(size=SMALL) as pilot:
        assert "opening" in text(pilot)
        gate.set()
        await until(pilot, lambda: isinstance(app.screen, MainScreen), "the main screen")
    app = CockpitApp(make=make, environ=ENVIRON, encoding="utf-8")
    gate.clear()
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("q")
        await pilot.pause()
        assert app._exit


async def test_what_cannot_be_opened_is_told_after_the_screen_is_gone() -> None:
    async def make() -> FakeDesk:
        raise Misconfigured("cockpit.toml: no such file")

    app = CockpitApp(make=make, environ=ENVIRON, encoding="utf-8")
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: app._exit, "the end")
    assert app.failure is not None
    assert app.return_value == 1


async def test_working_on_a_finding_keeps_it_when_a_worse_one_comes_and_when_it_clears(
    desk: FakeDesk, show: Shows
) -> None:
    first = next(iter(desk.board.open.values()))
    desk.board = replace(desk.board, open={first.id: first})
    async with show(desk) as pilot:
        rows = pilot.app.screen.query_one(Findings)
        await press(pilot, "R")
        new = make("ALB_DOWN", Severity.CRITICAL, "down", on="shop-alb", since=ago(seconds=1))
        desk.board = replace(
            desk.board, open={new.id: new}, cleared=(replace(first, cleared=ago()),)
        )
        await settle(pilot)
        assert rows.chosen_key == first.id
        assert "Database connections exhausted" in text(pilot)
        assert "recovered" in text(pilot)


async def test_on_a_small_terminal_only_the_newest_toast_stays(desk: FakeDesk, show: Shows) -> None:
    async with show(desk, SMALL) as pilot:
        await press(pilot, "r", "r", "x")
        assert toasts(pilot) == ["No step is running"]


async def test_nothing_lies_over_a_plan_that_is_said_yes_to(desk: FakeDesk, show: Shows) -> None:
    begun(desk)
    async with show(desk, FULL) as pilot:
        await press(pilot, "down", "r", "R")
        assert "Confirm" in text(pilot)
        assert toasts(pilot) == []
