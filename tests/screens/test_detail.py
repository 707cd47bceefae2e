"""The drill-down, the whole timeline, and the choice of an incident."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from syrupy.assertion import SnapshotAssertion
from textual import events
from textual.pilot import Pilot

from cockpit.errors import Reason
from cockpit.incident.entry import EntryKind
from cockpit.triage.board import LookId
from cockpit.triage.probe import Blind
from cockpit.triage.view import Row
from screens.bindings import ACTIONS, Where
from screens.confirm import SETTLE, ConfirmScreen
from screens.detail import DetailScreen
from screens.main import MainScreen
from screens.widgets.rowlist import RowList
from tests.screens.conftest import FULL, SMALL, Shows, press, settle, text, toasts, until
from tests.screens.fake_desk import NOW, FakeDesk, FakeOpening

LOOK = LookId("orders-db", "postgres.sessions")


def rows(pilot: Pilot[int]) -> RowList[Row]:
    found: RowList[Row] = pilot.app.screen.query_one("#rows", RowList)
    return found


async def test_sessions_with_lock_tree_and_what_would_help(
    desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    async with show(desk, FULL) as pilot:
        await press(pilot, "enter")
        assert text(pilot) == snapshot


async def test_the_detail_in_a_small_terminal(
    triage: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    async with show(triage, SMALL) as pilot:
        await press(pilot, "enter")
        told = text(pilot)
        assert "TRIAGE read-only" in told
        assert told == snapshot


async def test_v_shows_the_statement_in_place_and_hides_it_when_the_cursor_moves(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await press(pilot, "enter")
        assert "hunter2" not in text(pilot)
        await press(pilot, "v")
        assert "card = 'hunter2'" in text(pilot)
        await press(pilot, "down")
        assert "hunter2" not in text(pilot)


async def test_v_right_behind_enter_shows_the_statement_though_the_list_tells_of_its_row_later(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        for key in ("enter", "v"):
            pilot.app.post_message(events.Key(key, None))
        await until(pilot, lambda: "card = 'hunter2'" in text(pilot), "the statement")
        await settle(pilot)
        assert "card = 'hunter2'" in text(pilot)


async def test_sorting_goes_through_the_columns_and_back_to_the_tree(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await press(pilot, "enter")
        before = [row.key for row in rows(pilot).shown]
        await press(pilot, "s", "s", "s", "s", "s", "s")
        assert "transaction ▼" in text(pilot)
        assert [row.key for row in rows(pilot).shown][:3] == ["4242", "4310", "4402"]
        await press(pilot, "S")
        assert [row.key for row in rows(pilot).shown][:2] == ["4107", "4402"]
        await press(pilot, "s", "s")
        assert [row.key for row in rows(pilot).shown] == before


async def test_sort_filter_and_cursor_survive_news(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "enter", "slash", "text:state:active", "enter", "down")
        chosen = rows(pilot).chosen
        desk.board = replace(desk.board, readings={**desk.board.readings})
        await settle(pilot)
        assert len(rows(pilot).shown) == 5
        assert rows(pilot).chosen == chosen
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, DetailScreen), "escape clears the filter first"
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, MainScreen)


async def test_an_offer_becomes_a_plan_and_runs_after_the_typed_name(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await press(pilot, "enter", "t")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await asyncio.sleep(SETTLE)
        await press(pilot, "text:orders-db", "enter")
        assert desk.offered[0].ran == ["offer"]
        assert desk.looks == ["orders-db"], "what it did is looked at"


async def test_in_triage_an_offer_is_proposed(triage: FakeDesk, show: Shows) -> None:
    async with show(triage) as pilot:
        await press(pilot, "enter", "t", "text:blocks 61", "enter")
        assert triage.offered[0].ran == []
        assert triage.offered[0].proposed == [("offer", "blocks 61")]


async def test_a_key_without_an_offer_says_so(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "enter", "9")
        assert "Nothing is offered under 9" in toasts(pilot)[-1]


async def test_a_blind_look_keeps_the_last_rows_with_their_age(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "enter")
        reading = desk.board.readings[LOOK]
        blind = replace(reading, at=NOW, outcome=Blind(Reason.TIMEOUT, "no answer in 3 s"))
        desk.board = replace(desk.board, readings={**desk.board.readings, LOOK: blind})
        await settle(pilot)
        told = text(pilot)
        assert "? timeout: no answer in 3 s · rows are 4s old" in told
        assert "checkout-worker" in told


async def test_a_target_that_was_not_looked_at_says_so(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        desk.board = replace(desk.board, readings={})
        await settle(pilot)
        await press(pilot, "2", "enter")
        assert "waiting for the first look" in text(pilot)


async def test_r_looks_at_this_target_only(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "enter", "r")
        assert desk.looks == ["orders-db"]


async def test_every_key_of_the_detail_is_bound(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "enter")
        screen = pilot.app.screen
        bound = {(b.key, b.action) for _, b in screen._bindings}
        for action in ACTIONS:
            if action.where in {Where.DETAIL, Where.ANYWHERE}:
                assert {(key, action.call(key)) for key in action.keys} <= bound, action
                assert hasattr(screen, f"action_{action.name}"), action


async def test_the_timeline_screen_filters_and_shows_the_entry_in_full(
    desk: FakeDesk, show: Shows
) -> None:
    desk.record(EntryKind.NOTE, "long [/b] " + "word " * 60 + "end")
    async with show(desk, SMALL) as pilot:
        await press(pilot, "T", "slash", "text:kind:note", "enter", "end")
        told = text(pilot)
        assert "02:59:10 UTC  note  cockpit: long [/b]" in told
        assert "word end" in told
        assert len(rows(pilot).shown) == 2
        await press(pilot, "escape", "escape")
        assert isinstance(pilot.app.screen, MainScreen)


async def test_an_incident_is_chosen_and_gone_on_with(
    desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    opening = FakeOpening(desk)
    async with show(None, SMALL, opening) as pilot:
        await pilot.pause()
        assert text(pilot) == snapshot
        await press(pilot, "enter")
        assert opening.asked == ["INC-2026-0042"]
        assert isinstance(pilot.app.screen, MainScreen)


async def test_a_new_incident_asks_for_title_and_severity(desk: FakeDesk, show: Shows) -> None:
    opening = FakeOpening(desk)
    async with show(None, SMALL, opening) as pilot:
        await press(pilot, "end", "enter", "text:it burns", "enter")
        await press(pilot, "down", "enter")
        assert opening.asked == ["P1 it burns"]
        assert isinstance(pilot.app.screen, MainScreen)


async def test_the_choice_of_an_incident_can_be_left(desk: FakeDesk, show: Shows) -> None:
    async with show(None, SMALL, FakeOpening(desk)) as pilot:
        await pilot.press("q")
        await pilot.pause()
        assert pilot.app._exit
