"""Nothing that changes is under the finger: a key acts on what was drawn when it was pressed."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from textual import events

from cockpit.runbooks.library import library
from cockpit.runbooks.stop_loss import Interrupt
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Seen
from cockpit.triage.registry import registry
from cockpit.triage.suspicion.certainty import Certainty
from screens.confirm import HELD, SETTLE, ConfirmScreen
from screens.help import KeysScreen
from screens.main import MainScreen
from screens.planning import PlanningScreen
from screens.present.findings import state
from screens.widgets.better import BetterBar
from screens.widgets.evidence import EvidencePane
from screens.widgets.findings import Findings
from tests.screens.conftest import (
    FULL,
    SMALL,
    Shows,
    Time,
    press,
    settle,
    text,
    text_of,
    toasts,
    until,
)
from tests.screens.fake_desk import FakeDesk, ago
from tests.screens.fake_desk import finding as make
from tests.screens.fake_run import FakeRun
from tests.screens.main_words import begun
from tests.screens.streams import StreamDesk, Watched, fed, generated, recorded

KEYS = ["R", "R", "R", "p", "down", "up", "5", "3", "r", "x", "escape"]


def _codes() -> list[str]:
    known = sorted({code for probe in registry().values() for code in probe.codes})
    return [code for code in known if library().best(code)]


def _done(app: Watched, event: events.Key) -> bool:
    handled = app.presses.at >= event.time
    return handled and (isinstance(app.screen, ConfirmScreen) or not app.workers._workers)


@pytest.mark.parametrize("group", range(4))
async def test_a_key_acts_on_what_was_drawn_when_it_was_pressed(
    group: int, show: Shows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten streams a group, half of them recorded, each against keys at random moments."""
    monkeypatch.setattr("screens.app.LEAST_BETWEEN", 0.01)
    codes, desk = _codes(), StreamDesk(library())
    acted = 0
    async with show(desk, FULL, kind=Watched) as pilot:
        app = pilot.app
        assert isinstance(app, Watched)
        for seed in range(group * 10, group * 10 + 10):
            rng = random.Random(seed)
            desk.clear()
            app.begin_anew()
            await settle(pilot)
            stream = recorded(rng) if seed % 2 else generated(rng, codes)
            feeding = asyncio.create_task(fed(desk, stream, rng))
            for _ in range(rng.randint(2, 5)):
                await asyncio.sleep(rng.random() * 0.15)
                key, seen, before = rng.choice(KEYS), app.seen, len(desk.acted)
                event = events.Key(key, key if len(key) == 1 else None)
                app.post_message(event)
                await until(pilot, lambda: _done(app, event), "the end of the key's work")  # noqa: B023
                for act in desk.acted[before:]:
                    assert act == seen, f"seed {seed}, {key}"
                acted += len(desk.acted) - before
                while not isinstance(app.screen, MainScreen):
                    await press(pilot, "escape")
                await settle(pilot)  # what the person's own key moved is drawn before the next one
            await feeding
    assert acted >= 2, "the streams were acted on"


# -- where the selection starts, and what holds it ---------------------------------------------------


async def test_it_starts_at_the_first_suspects_strongest_finding_that_has_a_runbook(
    desk: FakeDesk, show: Shows
) -> None:
    new = make("PG_UNKNOWN", Severity.CRITICAL, "no runbook", on="orders-db", since=ago(seconds=1))
    desk.board = replace(desk.board, open={**desk.board.open, new.id: new})
    async with show(desk) as pilot:
        assert "PG_SAT_CONNECTIONS" in pilot.app.screen.query_one(EvidencePane).text
        assert "at suspect 1" in text(pilot)
        await press(pilot, "R")
        assert [of.code for _, of in desk.runs] == ["PG_SAT_CONNECTIONS"]


async def test_strongest_is_what_speaks_most_against_it_and_not_what_is_worst(
    desk: FakeDesk, show: Shows
) -> None:
    idle = next(f for f in desk.board.open.values() if f.finding.code == "PG_SESS_IDLE_TX")
    first, *rest = desk.suspects
    desk.suspects = (replace(first, own=(idle.id,)), *rest)
    async with show(desk) as pilot:
        assert "PG_SESS_IDLE_TX" in pilot.app.screen.query_one(EvidencePane).text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param({"suspects": ()}, "no suspect: at the worst", id="no suspect"),
        pytest.param({"target": ""}, "suspect 1 is no single target: at the worst", id="a zone"),
        pytest.param(
            {"target": "sessions"},
            "suspect 1 has no finding with a runbook: at the worst",
            id="nothing to do about the suspect",
        ),
        pytest.param({"reason": "weak evidence"}, "cannot tell: at the worst", id="cannot tell"),
        pytest.param(
            {"reason": "not examined (denied)"}, "suspect 1 is unseen: at the worst", id="unseen"
        ),
    ],
)
async def test_without_such_a_finding_it_starts_at_the_worst_and_says_so(
    desk: FakeDesk, show: Shows, change: dict[str, object], told: str
) -> None:
    first, *rest = desk.suspects
    target = str(change.get("target", ""))
    desk.suspects = () if "suspects" in change else (replace(first, target=target), *rest)
    if "reason" in change:
        unclear = replace(first, verdict=Certainty.UNCLEAR, reason=str(change["reason"]))
        desk.suspects = (unclear, *rest)
    async with show(desk) as pilot:
        assert told in text(pilot)
        assert pilot.app.screen.query_one(Findings).cursor == 0


@pytest.mark.parametrize("key", ["n", "r", "question_mark", "1", "T", "y", "z", "x"])
async def test_the_first_key_of_any_kind_holds_what_is_selected(
    desk: FakeDesk, show: Shows, key: str
) -> None:
    async with show(desk) as pilot:
        rows = pilot.app.screen.query_one(Findings)
        before = rows.chosen_key
        await press(pilot, key)
        desk.suspects = ()
        new = make("ALB_DOWN", Severity.CRITICAL, "down", on="shop-alb", since=ago(seconds=1))
        desk.board = replace(desk.board, open={new.id: new, **desk.board.open})
        await settle(pilot)
        assert rows.chosen_key == before


async def test_a_click_holds_it_too(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        rows = pilot.app.screen.query_one(Findings)
        before = rows.chosen_key
        pilot.app.post_message(events.MouseDown(None, 3, 0, 0, 0, 1, False, False, False))
        await pilot.pause()
        desk.suspects = ()
        await settle(pilot)
        assert rows.chosen_key == before


async def test_a_row_that_goes_leaves_nothing_selected_and_no_neighbour(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        rows = pilot.app.screen.query_one(Findings)
        await press(pilot, "r")
        held = rows.chosen_key
        board = desk.board
        desk.board = replace(board, open={k: v for k, v in board.open.items() if k != held})
        await settle(pilot)
        assert rows.chosen is None
        await press(pilot, "R")
        assert desk.runs == {}
        assert "No runbook is for what is selected" in toasts(pilot)[-1]
        desk.board = board
        await settle(pilot)
        assert rows.chosen_key == held, "it came back"


@pytest.mark.parametrize("size", [FULL, SMALL], ids=str)
async def test_new_criticals_are_seen_or_counted_above_a_held_row(
    desk: FakeDesk, show: Shows, size: tuple[int, int]
) -> None:
    async with show(desk, size) as pilot:
        await press(pilot, "home" if size == FULL else "end")
        rows = pilot.app.screen.query_one(Findings)
        held = rows.chosen_key
        new = [
            make(f"PG_GONE_{n}", Severity.CRITICAL, f"gone {n}", on="search", since=ago(seconds=n))
            for n in range(4 if size == FULL else 8)
        ]
        desk.board = replace(desk.board, open={**desk.board.open, **{f.id: f for f in new}})
        await settle(pilot)
        assert rows.chosen_key == held
        above = sum(state(row) == "critical" for row in rows.shown[: rows.scroll_offset.y])
        if size == FULL:
            assert (above, rows.scroll_offset.y) == (0, 0)
            assert "gone 0" in text(pilot)
        else:
            assert above
            assert f"{above} critical above · g goes there" in text(pilot)


async def test_a_better_runbook_is_told_in_a_line_and_taken_by_a_key(
    desk: FakeDesk, show: Shows
) -> None:
    suspects, desk.suspects = desk.suspects, ()
    async with show(desk) as pilot:
        await press(pilot, "B")
        assert "no other runbook" in toasts(pilot)[-1]
        desk.suspects = suspects
        await settle(pilot)
        told = "SUSPECT 1  PG_SAT_CONNECTIONS on orders-db: runbook database-connections"
        await until(pilot, lambda: told in text(pilot), "the line")
        assert "ALB_5XX" in pilot.app.screen.query_one(EvidencePane).text, "still held"
        await press(pilot, "B")
        assert "PG_SAT_CONNECTIONS" in pilot.app.screen.query_one(EvidencePane).text
        await until(pilot, lambda: told not in text(pilot), "no line any more")


async def test_nobody_is_sent_from_a_repair_that_worked_to_another_one(
    desk: FakeDesk, show: Shows, time: Time
) -> None:
    """What is left right after it are symptoms whose metrics are late."""
    async with show(desk) as pilot:
        await press(pilot, "r")
        mended = desk.board.open[pilot.app.screen.query_one(Findings).chosen_key]  # type: ignore[index]
        rest = {k: v for k, v in desk.board.open.items() if v.target != mended.target}
        over = replace(mended, cleared=time.now())
        desk.board = replace(desk.board, open=rest, cleared=(over,))
        desk.suspects = (replace(desk.suspects[0], name="checkout-tg", target="checkout-tg"),)
        await settle(pilot)
        bar = pilot.app.screen.query_one(BetterBar)
        assert bar.named is None
        time.pass_(minutes=4)
        await settle(pilot)
        told = "SUSPECT 1  TG_UNHEALTHY on checkout-tg"
        await until(pilot, lambda: told in text(pilot), "the line")


async def test_b_goes_from_what_recovered_to_what_ails_the_same_target_since(
    desk: FakeDesk, show: Shows, time: Time
) -> None:
    """The database died while its lock was selected: the lock is gone, and so is the database."""
    dead, lock = [f for f in desk.board.open.values() if f.target == "orders-db"][:2]
    dead = replace(dead, since=time.now())
    desk.board = replace(
        desk.board, open={dead.id: dead}, cleared=(replace(lock, cleared=time.now()),)
    )
    async with show(desk) as pilot:
        await press(pilot, "end", "home")
        rows = pilot.app.screen.query_one(Findings)
        assert rows.choose(lock.id)
        await settle(pilot)
        named = pilot.app.screen.query_one(BetterBar).named
        assert named == dead.id
        await press(pilot, "B")
        assert rows.chosen_key == dead.id


async def test_b_says_why_it_goes_nowhere_and_goes_where_something_got_worse_since_the_step(
    desk: FakeDesk, show: Shows, time: Time
) -> None:
    """A repair worked, and made something else worse: that is no late symptom."""
    mended = next(f for f in desk.board.open.values() if f.target == "checkout")
    rest = {k: v for k, v in desk.board.open.items() if v.target in {"checkout", "orders-db"}}
    desk.board = replace(desk.board, open=rest)
    suspects, desk.suspects = desk.suspects, (replace(desk.suspects[0], target="checkout"),)
    async with show(desk) as pilot:
        await press(pilot, "end", "home")
        rows = pilot.app.screen.query_one(Findings)
        assert rows.choose(mended.id)
        over = replace(mended, cleared=time.now())
        left = {k: v for k, v in rest.items() if v.target == "orders-db"}
        desk.board, desk.suspects = replace(desk.board, open=left, cleared=(over,)), suspects
        await settle(pilot)
        assert rows.chosen_key == mended.id
        await press(pilot, "B")
        told = "has just recovered: PG_SAT_CONNECTIONS on orders-db may only be late"
        assert told in toasts(pilot)[-1]
        run = desk.start_run("database-connections", next(iter(left.values())))
        run.interrupt = Interrupt(
            step="snapshot", title="Go back", worse="it got worse", undo="", instead="none"
        )
        desk.interrupted = run
        await settle(pilot)
        await until(pilot, lambda: "SUSPECT 1  PG_SAT_CONNECTIONS" in text(pilot), "the line")
        await press(pilot, "B")
        assert "PG_SAT_CONNECTIONS" in pilot.app.screen.query_one(EvidencePane).text
        await press(pilot, "B")
        assert "is suspect 1's own" in toasts(pilot)[-1]


async def test_an_offer_is_the_one_that_was_drawn(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "enter")
        look = next(look for look in desk.board.readings if look.probe == "postgres.sessions")
        reading = desk.board.readings[look]
        assert isinstance(reading.outcome, Seen)
        table = reading.outcome.tables[0]
        pilot.app.post_message(events.Key("1", "1"))
        turned = replace(table, best=table.best[::-1])
        outcome = replace(reading.outcome, tables=(turned,))
        readings = {**desk.board.readings, look: replace(reading, outcome=outcome)}
        desk.board = replace(desk.board, readings=readings)
        desk.changed()
        pilot.app._news()  # type: ignore[attr-defined]
        await until(pilot, lambda: "Confirm · orders-db" in text(pilot), "a plan")
        await press(pilot, "escape")
        assert desk.offered[-1].runbook.title == table.best[0].label


# -- dialogs -----------------------------------------------------------------------------------------


async def test_what_lies_behind_a_dialog_goes_on(desk: FakeDesk, show: Shows, time: Time) -> None:
    """The head says `live`: clock, ages and findings are, also behind a dialog over a dialog."""

    def behind() -> str:
        return text_of(pilot.app.screen_stack[1])

    async with show(desk, FULL) as pilot:
        await press(pilot, "S", "question_mark")
        assert not isinstance(pilot.app.screen, MainScreen)
        assert "18m 07s" in behind()
        assert "Findings 7" in behind()
        time.pass_(seconds=15)
        pilot.app._tick()  # type: ignore[attr-defined]
        await until(pilot, lambda: "18m 22s" in behind(), "the clock behind")
        more = make("ECS_CRASH_LOOP", Severity.CRITICAL, "exits with code 1", on="search")
        desk.board = replace(desk.board, open={**desk.board.open, more.id: more})
        await settle(pilot)
        await until(pilot, lambda: "Findings 8" in behind(), "the finding behind")


async def test_a_plan_that_comes_behind_the_list_of_keys_leaves_no_dialog(
    desk: FakeDesk, show: Shows, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, plan = asyncio.Event(), FakeRun.plan

    async def slow(run: FakeRun, step_id: str) -> object:
        await looked.wait()
        return await plan(run, step_id)

    monkeypatch.setattr(FakeRun, "plan", slow)
    begun(desk)
    async with show(desk, FULL) as pilot:
        await pilot.press("R")
        await until(pilot, lambda: isinstance(pilot.app.screen, PlanningScreen), "the dialog")
        await press(pilot, "question_mark")
        looked.set()
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen), "the plan")
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, KeysScreen)
        await press(pilot, "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen), "the main screen")


async def test_keys_while_a_plan_is_looked_up_go_nowhere(
    desk: FakeDesk, show: Shows, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, plan = asyncio.Event(), FakeRun.plan

    async def slow(self: FakeRun, step_id: str) -> object:
        await looked.wait()
        return await plan(self, step_id)

    monkeypatch.setattr(FakeRun, "plan", slow)
    run = begun(desk)
    async with show(desk) as pilot:
        held = pilot.app.screen.query_one(Findings).chosen_key
        await pilot.press("R", "b", "down", "5", "T", "R")
        assert isinstance(pilot.app.screen, PlanningScreen)
        await until(pilot, lambda: "Looking up 'Cancel" in text(pilot), "that it is looked up")
        looked.set()
        title = "Confirm · PG_SAT_CONNECTIONS on orders-db"
        await until(pilot, lambda: title in text(pilot), "the plan")
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, MainScreen)
        assert pilot.app.screen.query_one(Findings).chosen_key == held
        assert "Database connections exhausted" in text(pilot)
        looked.clear()
        await pilot.press("R", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen), "given up")
        assert toasts(pilot)[-1] == "Nothing was run"
        assert run.ran == []


@pytest.mark.parametrize("delay", [0.25, 0.66, 0.95])
async def test_enter_held_down_approves_nothing(desk: FakeDesk, show: Shows, delay: float) -> None:
    """However long the keyboard waits before it repeats: times are told, none is waited for."""
    run = begun(desk)
    async with show(desk) as pilot:
        await press(pilot, "R")
        dialog = pilot.app.screen
        assert isinstance(dialog, ConfirmScreen)
        at = dialog._opened + 0.1
        repeats = [at, at + delay, *(at + delay + 0.03 * n for n in range(1, 50))]
        for moment in repeats:
            await _enter(pilot.app, moment)
        await settle(pilot)
        assert run.ran == []
        assert "Enter was held down" in text(pilot)
        await _enter(pilot.app, repeats[-1] + HELD)
        await until(pilot, lambda: run.ran == ["cancel"], "the yes of one press")
        assert SETTLE < HELD


async def _enter(app: object, moment: float) -> None:
    event = events.Key("enter", "\r")
    event.time = moment
    app.post_message(event)  # type: ignore[attr-defined]
    await asyncio.sleep(0)
