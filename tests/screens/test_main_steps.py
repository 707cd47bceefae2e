"""The main screen: steps and their dialogs, the one table of actions, opening and leaving."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion
from textual._xterm_parser import XTermParser

from cockpit.errors import Misconfigured, Refused
from cockpit.runbooks.earlier import DoneBefore
from cockpit.runbooks.plan import Outcome
from cockpit.runbooks.progress import StepChange, StepState
from cockpit.runbooks.step import Question, Risk, StepKind
from cockpit.triage.finding import Severity
from screens.bindings import ACTIONS, Where, as_markdown
from screens.confirm import SETTLE, ConfirmScreen
from screens.detail import DetailScreen
from screens.main import MainScreen
from screens.widgets.findings import Findings
from screens.widgets.header import Bar
from screens.widgets.runbook import RunbookPane
from screens.widgets.systems import Systems
from tests.screens.conftest import (
    ENVIRON,
    FULL,
    SMALL,
    Shows,
    Time,
    press,
    settle,
    text,
    toasts,
    until,
)
from tests.screens.fake_desk import FakeDesk, ago
from tests.screens.fake_desk import finding as make
from tests.screens.main_words import begun
from tests.screens.strict import StrictApp


async def confirmed(pilot: object) -> None:
    await asyncio.sleep(SETTLE)


# -- steps -----------------------------------------------------------------------------------------


async def test_a_read_step_runs_at_once(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "R")
        run = next(iter(desk.runs.values()))
        assert run.ran == ["snapshot"]
        assert "Snapshot sessions and locks: ok" in toasts(pilot)[-1]


@pytest.mark.parametrize("size", [SMALL, (60, 15)])
async def test_the_next_step_comes_also_while_another_pane_has_its_room(
    size: tuple[int, int], desk: FakeDesk, show: Shows
) -> None:
    async with show(desk, size) as pilot:
        await press(pilot, "5", "R")
        run = next(iter(desk.runs.values()))
        assert run.ran == ["snapshot"]
        await press(pilot, "2", "R")
        assert run.ran == ["snapshot", "blocker"]
        await press(pilot, "R")
        assert isinstance(pilot.app.screen, ConfirmScreen), toasts(pilot)


async def test_a_low_step_asks_for_enter_on_its_plan(
    desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(desk)
    monkeypatch.setattr("screens.confirm.SETTLE", 3600.0)
    monkeypatch.setattr("screens.confirm.HELD", 0.0)
    async with show(desk) as pilot:
        await press(pilot, "R")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert text(pilot) == snapshot
        await press(pilot, "enter")
        assert run.ran == [], "the key that opened the dialog may repeat"
        monkeypatch.setattr("screens.confirm.SETTLE", 0.0)
        await press(pilot, "enter")
        assert run.ran == ["cancel"]


async def test_what_does_not_apply_now_is_passed_over_to_the_step_that_does(
    desk: FakeDesk, show: Shows
) -> None:
    run = begun(desk)
    run.untrue = {"cancel": "somebody waits", "terminate": "somebody waits"}
    async with show(desk) as pilot:
        await press(pilot, "R")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert "Roll checkout back" in text(pilot)
        assert "'Cancel the blocking query' does not apply now: not true: somebody" in text(pilot)
        await press(pilot, "escape")
        assert run.ran == []
        assert [s.step.id for s in run.steps if s.not_now] == ["cancel", "terminate"]


async def test_what_was_chosen_and_does_not_apply_leads_to_no_other_step(
    desk: FakeDesk, show: Shows
) -> None:
    run = begun(desk)
    run.untrue = {"terminate": "somebody waits"}
    async with show(desk) as pilot:
        await press(pilot, "5", "down", "R")
        await until(pilot, lambda: bool(toasts(pilot)))
        said = toasts(pilot)[-1]
        assert isinstance(pilot.app.screen, MainScreen)
        assert "'Terminate the blocker' does not apply now: not true: somebody waits" in said


async def test_triage_is_not_led_to_a_step_that_it_may_only_propose(
    triage: FakeDesk, show: Shows
) -> None:
    run = begun(triage)
    run.states = {k: v for k, v in run.states.items() if k in {"blocker", "cancel"}}
    run.states["blocker"] = StepState(run.states["blocker"].step)
    run.untrue = {"blocker": "somebody waits"}
    async with show(triage) as pilot:
        await press(pilot, "R")
        await until(pilot, lambda: bool(toasts(pilot)))
        assert "R goes on to 'Cancel the blocking query'" in toasts(pilot)[-1]
        assert isinstance(pilot.app.screen, MainScreen)


@pytest.mark.parametrize("key", ["R", "p", "s"])
async def test_who_only_watches_is_told_so_and_nothing_begins(
    key: str, triage: FakeDesk, show: Shows
) -> None:
    why = "ana on bastion (pid 42) holds INC-2026-0001: this cockpit only watches, in triage"
    triage.status = replace(triage.status, only_watches=why)
    async with show(triage) as pilot:
        assert f"WATCHING  {why}" in text(pilot)
        await press(pilot, key)
        assert toasts(pilot) == [why]
        assert isinstance(pilot.app.screen, MainScreen)
        assert triage.runs == {}


async def test_a_high_step_runs_only_for_the_typed_name(
    desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screens.confirm.HELD", 0.0)
    run = begun(desk)
    run.done("cancel")
    async with show(desk, SMALL) as pilot:
        await press(pilot, "R")
        await confirmed(pilot)
        await press(pilot, "text:orders", "enter")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        assert run.ran == []
        assert text(pilot) == snapshot
        await press(pilot, "text:-db", "enter")
        assert run.ran == ["terminate"]
        assert isinstance(pilot.app.screen, MainScreen)


@pytest.mark.parametrize("typed", ["\x1b\r", "\x1b\n", "\x1be", "\x1bR"])
async def test_escape_that_comes_in_one_piece_with_the_next_key_is_an_escape(
    typed: str, desk: FakeDesk, show: Shows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a slow line both come at once; Textual alone reads Esc and Enter as Enter."""
    run = begun(desk)
    monkeypatch.setattr("screens.confirm.SETTLE", 0.0)
    monkeypatch.setattr("screens.confirm.HELD", 0.0)
    async with show(desk) as pilot:
        await press(pilot, "R")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        parser = XTermParser()
        found = list(parser.feed(typed))
        while not found:
            await asyncio.sleep(0.02)
            found = list(parser.tick())
        for event in found:
            pilot.app.post_message(event)
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen), "left")
        assert run.ran == []


async def test_escape_runs_nothing(desk: FakeDesk, show: Shows) -> None:
    run = begun(desk)
    async with show(desk) as pilot:
        await press(pilot, "R", "escape")
        assert run.ran == []
        assert toasts(pilot)[-1] == "Nothing was run"


async def test_an_approval_counts_down_and_expires(desk: FakeDesk, show: Shows, time: Time) -> None:
    run = begun(desk)
    async with show(desk) as pilot:
        await press(pilot, "R")
        assert "expires in 02:00" in text(pilot)
        time.pass_(seconds=121)
        await confirmed(pilot)
        pilot.app.screen._count_down()  # type: ignore[attr-defined]
        await pilot.pause()
        assert "expired" in text(pilot)
        await press(pilot, "enter")
        assert run.ran == []
        assert "the plan expired" in text(pilot)


async def test_a_destructive_step_asks_for_a_second_person_or_a_reason(
    desk: FakeDesk, show: Shows
) -> None:
    run = begun(desk)
    run.done("cancel", "terminate")
    async with show(desk) as pilot:
        await press(pilot, "R")
        await confirmed(pilot)
        await press(pilot, "text:orders-db", "enter")
        assert run.ran == []
        assert "a second person or a reason is needed" in text(pilot)
        await press(pilot, "tab", "tab", "text:agreed", "enter")
        assert run.ran == ["rollback"]


async def test_a_plan_with_gaps_cannot_be_run(desk: FakeDesk, show: Shows) -> None:
    run = begun(desk)
    run.gaps = ("the role may not act",)
    async with show(desk) as pilot:
        await press(pilot, "R")
        await confirmed(pilot)
        assert "the role may not act" in text(pilot)
        await press(pilot, "enter")
        assert run.ran == []


@pytest.mark.parametrize("size", [FULL, SMALL], ids=str)
async def test_the_pane_says_that_an_earlier_session_had_done_steps(
    desk: FakeDesk, show: Shows, size: tuple[int, int]
) -> None:
    run = begun(desk)
    desk.earlier = {run.runbook.id: DoneBefore(5, ago(minutes=9))}
    async with show(desk, size) as pilot:
        await press(pilot, "5")
        assert "5 steps done by" in text(pilot)
        assert "in an earlier" in text(pilot)


async def test_a_running_step_can_be_left_waiting_for(desk: FakeDesk, show: Shows) -> None:
    run = begun(desk)
    run.hold = asyncio.Event()
    async with show(desk) as pilot:
        await press(pilot, "R")
        await confirmed(pilot)
        await press(pilot, "enter")
        assert "running 00:00" in text(pilot)
        await press(pilot, "R")
        assert toasts(pilot)[-1].startswith("A step is running")
        await press(pilot, "x")
        assert "verify before repeating" in toasts(pilot)[-1]


async def test_a_step_that_is_stopped_while_it_is_checked_was_not_sent(
    desk: FakeDesk, show: Shows
) -> None:
    run = begun(desk)
    run.hold, run.checks = asyncio.Event(), True
    async with show(desk) as pilot:
        await press(pilot, "R")
        await confirmed(pilot)
        await press(pilot, "enter")
        assert "checking 00:00" in text(pilot)
        await press(pilot, "x")
        assert "nothing was sent" in toasts(pilot)[-1]


async def test_output_is_read_as_text_and_never_as_markup(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "R", "5", "home", "o")
        assert "4242 idle in transaction [/b]" in text(pilot)


async def test_a_step_is_skipped_with_a_reason(desk: FakeDesk, show: Shows) -> None:
    run = begun(desk)
    async with show(desk) as pilot:
        await press(pilot, "5", "s", "text:done by hand", "enter")
        assert run.skipped == [("cancel", "done by hand")]


async def test_triage_runs_reads_and_proposes_the_rest(triage: FakeDesk, show: Shows) -> None:
    run = begun(triage)
    async with show(triage, SMALL) as pilot:
        await press(pilot, "R")
        assert isinstance(pilot.app.screen, MainScreen)
        assert run.ran == []
        assert "p proposes this step" in toasts(pilot)[-1]
        await press(pilot, "p", "text:it blocks all", "enter")
        assert run.proposed == [("cancel", "it blocks all")]


async def test_triage_may_look(triage: FakeDesk, show: Shows) -> None:
    async with show(triage) as pilot:
        await press(pilot, "R")
        assert next(iter(triage.runs.values())).ran == ["snapshot"]


@pytest.mark.parametrize("size", [FULL, SMALL], ids=str)
@pytest.mark.parametrize(
    "ended",
    [
        {"status": "refused", "outcome": Outcome("refused", "it changed: pid 4242 is gone")},
        {"status": "ok", "worse": "it changed: pid 4242 is gone"},
        {"status": "unknown", "outcome": Outcome("unknown", "it changed: pid 4242 is gone")},
    ],
    ids=["refused", "interrupted", "unknown"],
)
async def test_the_pane_stays_at_the_step_that_everything_waits_for_and_says_why(
    desk: FakeDesk, show: Shows, size: tuple[int, int], ended: StepChange
) -> None:
    run = begun(desk)
    many = {f"value {at}": at for at in range(30)}
    run.states["snapshot"] = replace(run.states["snapshot"], captured=many)
    async with show(desk, size) as pilot:
        await press(pilot, "5")
        run.states["cancel"] = replace(run.states["cancel"], **ended)
        await settle(pilot)
        pane = pilot.app.screen.query_one(RunbookPane)
        await until(pilot, lambda: pane.step_id == "cancel", "the step")
        await until(pilot, lambda: "it changed: pid" in text(pilot), "why")
        if size == FULL:
            assert "Cancel the blocking query" in text(pilot)


async def test_a_step_that_did_happen_is_told_in_one_toast_with_what_comes(
    desk: FakeDesk, show: Shows
) -> None:
    run = begun(desk)
    run.states["cancel"] = replace(run.states["cancel"], status="unknown")
    run.cannot = Refused("it did happen: nothing is repeated")
    async with show(desk, SMALL) as pilot:
        run.done("cancel")
        await press(pilot, "5", "home", "down", "down", "R")
        assert toasts(pilot) == [
            "it did happen: nothing is repeated · R goes on to 'Terminate the blocker'"
        ]
        run.cannot = Refused("could not look at orders-db", hint="try again")
        await press(pilot, "down", "R")
        (told,) = toasts(pilot)
        assert told.startswith("could not look at orders-db · try again · or choose another step")


@pytest.mark.parametrize("size", [FULL, SMALL], ids=str)
async def test_a_long_question_is_asked_whole(
    desk: FakeDesk, show: Shows, size: tuple[int, int]
) -> None:
    run = begun(desk)
    state = run.states["cancel"]
    asks = "yes or no or unknown or only after the migration was taken back or another one or none"
    manual = replace(
        state.step, kind=StepKind.MANUAL, risk=Risk.READ, answer=Question(type="text", ask=asks)
    )
    run.states["cancel"] = replace(state, step=manual)
    async with show(desk, size) as pilot:
        await press(pilot, "R")
        bar = pilot.app.screen.query_one("#ask", Bar)
        assert " ".join(bar.text.split()) == f"{asks} Enter answers, Esc cancels."
        assert bar.region.height == len(bar.text.splitlines())


async def test_a_toast_lies_neither_over_the_keys_nor_over_the_line_that_is_typed(
    triage: FakeDesk, show: Shows
) -> None:
    begun(triage)
    async with show(triage, SMALL) as pilot:
        await press(pilot, "R")
        assert toasts(pilot)
        await press(pilot, "p")
        *_, prompt, keys = text(pilot).splitlines()
        assert "the commander reads it" in prompt
        assert "Palette" in keys or "Esc" in keys or "esc" in keys


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
        await press(pilot, "up", "5", "R")
        assert pilot.app.screen.query_one(RunbookPane).chosen is None
        assert "No runbook" in toasts(pilot)[-1]


async def test_while_it_opens_q_works_and_then_the_desk_is_shown(desk: FakeDesk) -> None:
    gate = asyncio.Event()

    async def make() -> FakeDesk:
        await gate.wait()
        return desk

    app = StrictApp(make=make, environ=ENVIRON, encoding="utf-8")
    async with app.run_test(size=SMALL) as pilot:
        assert "opening" in text(pilot)
        gate.set()
        await until(pilot, lambda: isinstance(app.screen, MainScreen), "the main screen")
    app = StrictApp(make=make, environ=ENVIRON, encoding="utf-8")
    gate.clear()
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("q")
        await pilot.pause()
        assert app._exit


async def test_what_cannot_be_opened_is_told_after_the_screen_is_gone() -> None:
    async def make() -> FakeDesk:
        raise Misconfigured("cockpit.toml: no such file")

    app = StrictApp(make=make, environ=ENVIRON, encoding="utf-8")
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
        await press(pilot, "r", "R")
        assert "Confirm" in text(pilot)
        assert toasts(pilot) == []
