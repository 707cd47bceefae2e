"""A step that was cut off stands first until somebody knows its end."""

from __future__ import annotations

import pytest

from tests.screens.conftest import FULL, SMALL, TINY, Shows, press, text, toasts
from tests.screens.fake_desk import FakeDesk, cut_off


@pytest.mark.parametrize("size", [FULL, SMALL, TINY], ids=str)
async def test_a_cut_off_step_is_shown_under_the_header_as_unknown(
    desk: FakeDesk, show: Shows, size: tuple[int, int]
) -> None:
    desk.unfinished = (cut_off(),)
    async with show(desk, size) as pilot:
        told = text(pilot).splitlines()
        at = 1 if size == TINY else 2
        assert told[at].startswith(" UNKNOWN")
        if size == FULL:
            assert "Terminate the blocker" in told[at]
            assert "on orders-db" in told[at]
            assert "U verifies: nobody waits" in "".join(told[at : at + 2])


async def test_without_one_nothing_is_shown(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        assert "UNKNOWN" not in text(pilot)
        await press(pilot, "U")
        assert any("No step is unknown" in told for told in toasts(pilot))


async def test_verifying_it_settles_it(desk: FakeDesk, show: Shows) -> None:
    desk.unfinished = (cut_off(), cut_off(seq=35, title="Cancel it"))
    async with show(desk) as pilot:
        assert "UNKNOWN (1 of 2)" in text(pilot)
        await press(pilot, "U", "enter")
        assert desk.verified == [31]
        assert "Cancel it" in text(pilot).splitlines()[2]
        assert any("Terminate the blocker: ok" in told for told in toasts(pilot))


async def test_a_blind_verification_leaves_it_unknown(desk: FakeDesk, show: Shows) -> None:
    desk.unfinished = (cut_off(),)
    desk.blind = True
    async with show(desk) as pilot:
        await press(pilot, "U", "enter")
        assert any("Still unknown: could not look" in told for told in toasts(pilot))
        assert "UNKNOWN" in text(pilot)


@pytest.mark.parametrize(("keys", "word"), [(("down",), "ok"), (("down", "down"), "failed")])
async def test_a_person_says_how_it_ended_and_how_they_know(
    desk: FakeDesk, show: Shows, keys: tuple[str, ...], word: str
) -> None:
    desk.unfinished = (cut_off(),)
    async with show(desk) as pilot:
        await press(pilot, "U", *keys, "enter", "text:the dba told me", "enter")
        assert desk.told == [(31, word, "the dba told me")]
        assert "UNKNOWN" not in text(pilot)


async def test_without_a_verification_only_a_person_can_say(desk: FakeDesk, show: Shows) -> None:
    desk.unfinished = (cut_off(verification=""),)
    async with show(desk) as pilot:
        assert "U says its end" in text(pilot)
        await press(pilot, "U", "enter", "enter")
        assert desk.verified == []
        assert any("say how you know" in told for told in toasts(pilot))
