"""Prime suspects: the pane, the reasoning, and what a person says about one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from textual.content import Content

from cockpit.connect.role import Role
from cockpit.errors import Reason, Refused
from cockpit.incident.said import GUILTY, INNOCENT, OPEN
from cockpit.triage.board import LookId
from cockpit.triage.probe import Blind, Reading
from cockpit.triage.suspects import JUDGED_BY, Suspect
from cockpit.triage.suspicion.certainty import Certainty
from cockpit.triage.suspicion.ruled_out import RuledOut
from screens.output import ReadingScreen
from screens.pick import PickScreen
from screens.present import suspects
from screens.present.reasoning import reasoning, sentences
from screens.shown import Shown, take
from screens.widgets.suspects import Suspects
from tests.screens.conftest import FULL, SMALL, Shows, press, settle, text, toasts, until
from tests.screens.fake_desk import DEPLOYED, NOW, SUSPECTS, FakeDesk, ago, board

LOCK, RELEASE = SUSPECTS
UNCLEAR = tuple(
    replace(each, verdict=Certainty.UNCLEAR, reason="cannot be told from checkout")
    for each in (*SUSPECTS, replace(RELEASE, rank=3, name="carts", target="carts"))
)
BY_LOOK = RuledOut("sessions", ("redis.health",), at=ago(seconds=12), until=ago(minutes=-4))
BY_ANA = RuledOut("carts", (), at=ago(minutes=2), until=None, by="ana")
SEEN = {look: each for look, each in board().readings.items() if each.target != "catalog"}


def moment(found: Sequence[Suspect] = SUSPECTS, *innocent: RuledOut) -> Shown:
    desk = FakeDesk()
    desk.suspects, desk.ruled_out = found, innocent
    desk.board = replace(desk.board, readings=SEEN)
    return take(desk, NOW, desk.timeline())


def looking(shown: Shown) -> Shown:
    status = replace(shown.status, sweep_took=None, sweep_progress=(14, 22))
    return replace(shown, status=status)


def plain(drawn: Content) -> str:
    return " ".join(drawn.plain.split())


def told(found: Suspect | None, shown: Shown, width: int = 76) -> str:
    return " ".join(plain(each) for each in reasoning(found, shown, width))


# -- the pane --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "width", "drawn"),
    [
        pytest.param(
            LOCK, 136,
            "1 likely orders-db since 02:43:05 pid 4242 idle in transaction 14m blocks 61 sessions,"
            " 97 of 100 connectio… explains 3 of 3 felt",
            id="a word, since when, what it explains of what users feel",
        ),
        pytest.param(
            RELEASE, 156,
            "2 possible checkout since 02:44:10 4 of 6 tasks run explains 2 of 3 felt · unseen:"
            " CloudTrail (denied) · after ecs.deployment at 02:35:10 by ci-dep…",
            id="what is unseen, and the change as why now",
        ),
        pytest.param(
            RELEASE, 96,
            "2 possible checkout since 02:44:10 4 of… explains 2 of 3 felt"
            " · unseen: CloudTrail (deni…",
            id="why now gives way before what is unseen",
        ),
        pytest.param(
            RELEASE, 60,
            "2 possible checkout since 02:44:… explains 2 of 3 felt",
            id="narrow",
        ),
        pytest.param(
            replace(LOCK, said="ana", summary="x", began=ago(days=2), felt=(0, 0)), 136,
            "1 likely orders-db since 2026-11-19 02:59:10 this is it, says ana · x"
            " explains 4 findings",
            id="as said by whom; with the date where it is not of today",
        ),
        pytest.param(
            replace(RELEASE, verdict=Certainty.UNCLEAR, summary="x", not_examined=()), 70,
            "2 cannot tell checkout since 02:44:10 x explains 2 of 3 felt",
            id="a later one that is unclear",
        ),
    ],
)  # fmt: skip
def test_a_line_tells_a_story(found: Suspect, width: int, drawn: str) -> None:
    others = [LOCK, RELEASE]
    others[found.rank - 1] = found
    shown = moment(others)
    assert plain(suspects.draw(found, shown, width)) == drawn


def test_where_it_cannot_tell_that_comes_first_and_nobody_is_bright() -> None:
    shown = moment(UNCLEAR)
    head = suspects.cannot_tell(shown)
    assert head is not None
    assert plain(head) == "cannot tell: cannot be told from checkout · candidates:"
    drawn = suspects.draw(UNCLEAR[0], shown, 136)
    assert plain(drawn).startswith("1 candidate orders-db")
    assert {str(span.style) for span in drawn.spans} <= {"dim", "accent"}
    assert suspects.cannot_tell(moment()) is None


@pytest.mark.parametrize(
    ("shown", "width", "drawn"),
    [
        pytest.param(
            moment(), 80,
            "likely suspect orders-db since 02:43:05 pid 4242 idle… explains 3 of 3 felt",
            id="80",
        ),
        pytest.param(
            moment(), 60, "likely suspect orders-db pid 4242 idle in t… 3 of 3 felt", id="60"
        ),
        pytest.param(
            moment(UNCLEAR), 100,
            "cannot tell: cannot be told from checkout · candidates orders-db, checkout, carts",
            id="cannot tell",
        ),
        pytest.param(
            looking(moment()), 100,
            "likely suspect orders-db since 02:43:05 pid 424… still looking, 14 of 22"
            " · explains 3 of 3 felt",
            id="still looking",
        ),
        pytest.param(moment(()), 140, f"No suspect. Judged by: {JUDGED_BY}", id="nobody"),
    ],
)  # fmt: skip
def test_one_line_is_useful_where_there_is_no_room_for_more(
    shown: Shown, width: int, drawn: str
) -> None:
    assert plain(suspects.one_line(shown, width)) == drawn


def test_that_nobody_is_suspected_is_told_with_what_was_not_seen_or_is_ruled_out() -> None:
    blind = Reading("catalog", "mysql", "mysql.s", NOW, 0.1, Blind(Reason.DENIED, "no"))
    shown = moment(())
    dark = replace(shown.board, readings={LookId("catalog", "mysql.s"): blind})
    drawn = plain(suspects.nobody(replace(shown, board=dark), 140))
    assert drawn == "No suspect in what is seen. Unseen: catalog"
    drawn = plain(suspects.nobody(looking(moment((), BY_LOOK, BY_ANA)), 140))
    assert drawn == (
        "ruled out: carts by ana (O takes it back) · No suspect so far: still looking, 14 of 22"
    )


async def test_the_pane_has_three_lines_at_most_and_its_title_says_still_looking(
    desk: FakeDesk, show: Shows
) -> None:
    desk.suspects = UNCLEAR
    desk.status = replace(desk.status, sweep_took=None, sweep_progress=(14, 22))
    async with show(desk, FULL) as pilot:
        pane = pilot.app.screen.query_one(Suspects)
        assert pane.size.height == 3
        assert "Prime suspects · still looking, 14 of 22" in text(pilot)
        assert "cannot tell: at the worst" in text(pilot)
        await press(pilot, "1", "down", "down")
        assert "cannot tell: cannot be told from checkout" in text(pilot)
        assert "3 candidate   carts" in text(pilot), "the third is a key away"


# -- the reasoning ---------------------------------------------------------------------------------


def test_the_reasoning_tells_the_story_with_its_times() -> None:
    one = told(LOCK, moment(SUSPECTS, BY_LOOK, BY_ANA))
    for part in (
        "likely · began at 02:43:05 UTC · explains 3 of 3 targets at which users feel it",
        "why now no change is known before it in order 02:43:05 ± 15s: PG_SAT_CONNECTIONS@orders-db"
        " 02:43:10: TG_UNHEALTHY@checkout-tg time unknown: ALB_5XX@shop-alb for 2 findings",
        "came after ecs.scaling at 02:54:10 on checkout: 6 → 9 tasks",
        "ruled out carts, ruled out by ana, 02:57:10 (O in pane 1 takes it back)"
        " sessions, by redis.health, 12s ago at 02:58:58, holds until 03:03:10",
        "look next postgres.locks: r looks again at everything",
    ):
        assert part in one, part
    two = told(RELEASE, moment())
    assert "ecs.deployment at 02:35:10 by ci-deployer on checkout: task definition 41 → 42" in two
    assert "unseen CloudTrail (denied)" in two
    assert "cannot tell (cannot be told from checkout)" in told(UNCLEAR[0], moment(UNCLEAR))
    lapsed = replace(BY_LOOK, until=ago(seconds=1))
    assert "sessions, no longer proven: by redis.health" in told(LOCK, moment(SUSPECTS, lapsed))


def test_that_nothing_was_changed_is_not_said_of_what_could_not_be_read() -> None:
    shown = moment()
    denied = Reading("changes", "changes", "changes.c", NOW, 0.1, Blind(Reason.DENIED, "no"))
    dark = {**shown.board.readings, LookId("changes", "changes.c"): denied}
    shown = replace(shown, board=replace(shown.board, readings=dark))
    assert "no change is known before it, but not all could be read" in told(LOCK, shown)


@pytest.mark.parametrize(
    ("look", "drawn"),
    [
        ("make cache visible (denied)", "its row in pane 3 says what to type"),
        ("look at cache", "r looks again at everything"),
        ("the provider's health page", "the provider's health page"),
        ("", "no look is known that would tell more"),
    ],
)
def test_the_next_look_names_its_key(look: str, drawn: str) -> None:
    assert drawn in told(replace(LOCK, next_probe=look), moment())


def test_a_long_list_is_cut_and_says_by_how_much() -> None:
    many = [replace(BY_LOOK, target=f"cache-{n}") for n in range(40)]
    assert "and 28 more" in told(LOCK, moment(SUSPECTS, *many))


def test_the_copy_is_sentences_that_stand_alone() -> None:
    copied = sentences(RELEASE, moment(SUSPECTS, BY_ANA)).splitlines()
    assert copied[:4] == [
        "As of 2026-11-21 02:59:10 UTC:",
        "Suspect 2 is checkout, possible: 4 of 6 tasks run.",
        "Began at 02:44:10 UTC.",
        "Explains 2 of 3 targets at which users feel it.",
    ]
    assert copied[4] == (
        "Changed before it: ecs.deployment at 02:35:10 by ci-deployer on checkout: "
        f"{DEPLOYED.summary}."
    )
    assert copied[-1] == "Ruled out: carts, ruled out by ana, 02:57:10 (O in pane 1 takes it back)."
    assert sentences(None, moment(())).splitlines()[1:] == ["No suspect is named."]


async def test_y_copies_the_sentences_from_the_pane_and_from_the_reasoning(
    desk: FakeDesk, show: Shows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with show(desk, SMALL) as pilot:
        copied: list[str] = []
        monkeypatch.setattr(pilot.app, "copy_out", copied.append)
        await press(pilot, "1", "y", "enter", "y")
        assert isinstance(pilot.app.screen, ReadingScreen)
        assert len(set(copied)) == 1 < len(copied)
        assert copied[0].startswith(
            "As of 2026-11-21 02:59:10 UTC:\nSuspect 1 is orders-db, likely"
        )


# -- what a person says ----------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.COMMANDER, Role.TRIAGE])
async def test_not_this_and_taking_it_back(role: Role, show: Shows) -> None:
    desk = FakeDesk(role)
    async with show(desk, SMALL) as pilot:
        await press(pilot, "1", "N")
        await until(pilot, lambda: desk.said == [("orders-db", INNOCENT)], "it is said")
        await settle(pilot)
        assert "possible suspect checkout" in text(pilot)
        assert toasts(pilot)[-1] == "orders-db: not this, in the record · O takes it back"
        await press(pilot, "enter")
        assert "checkout  4 of 6 tasks run" in text(pilot), "who stands in the only line is read"
        assert f"orders-db, ruled out by {desk.status.actor}, 02:59:10" in text(pilot)
        await press(pilot, "escape", "O")
        await until(pilot, lambda: desk.said[1:] == [("orders-db", OPEN)], "it is taken back")


async def test_this_is_it_is_shown_as_said_by_whom_and_taken_back(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk, FULL) as pilot:
        await press(pilot, "1", "down", "I")
        await until(pilot, lambda: desk.said == [("checkout", GUILTY)], "it is said")
        await until(pilot, lambda: "this is it, says alice" in text(pilot), "it is shown")
        await press(pilot, "O")
        await until(pilot, lambda: desk.said[1:] == [("checkout", OPEN)], "it is taken back")


async def test_of_several_words_one_is_picked_to_be_taken_back(desk: FakeDesk, show: Shows) -> None:
    desk.suspects, desk.ruled_out = (), [BY_ANA, replace(BY_ANA, target="payments", by="bob")]
    async with show(desk, FULL) as pilot:
        await press(pilot, "1", "enter")
        assert "No suspect is named" in text(pilot)
        await press(pilot, "escape", "O")
        assert isinstance(pilot.app.screen, PickScreen)
        await press(pilot, "down", "enter")
        await until(pilot, lambda: desk.said == [("payments", OPEN)], "it is taken back")


async def test_nothing_is_said_by_a_slip(desk: FakeDesk, show: Shows) -> None:
    async with show(desk, FULL) as pilot:
        for key in "NIO":
            await press(pilot, key)
            assert "1 goes to them" in toasts(pilot)[-1]
        await press(pilot, "1", "O")
        assert toasts(pilot)[-1] == "Nobody has said anything about a suspect"
        desk.suspects = (RELEASE,)
        await settle(pilot)
        await press(pilot, "N", "enter")
        assert "No suspect is selected" in toasts(pilot)[-1], "another stands in its line"
        await press(pilot, "y")
        assert toasts(pilot)[-1] == "Nothing to copy here"
        assert desk.said == []


async def test_a_refusal_is_told(desk: FakeDesk, show: Shows) -> None:
    desk.refuses = Refused("INC-2026-0042 is only watched here", hint="cockpit note …")
    async with show(desk, FULL) as pilot:
        await press(pilot, "1", "N")
        await until(pilot, lambda: "only watched here" in "".join(toasts(pilot)), "why not")
