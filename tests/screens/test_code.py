"""A profile's role wants the code of an MFA device, and only a person has it."""

from __future__ import annotations

import pytest

from tests.screens.conftest import FULL, SMALL, TINY, Shows, press, text, toasts
from tests.screens.fake_desk import FakeDesk

SERIAL = "arn:aws:iam::111122223333:mfa/eve"


@pytest.mark.parametrize("size", [FULL, SMALL, TINY], ids=str)
async def test_a_code_is_typed_in_a_dialog_and_not_shown(
    desk: FakeDesk, show: Shows, size: tuple[int, int]
) -> None:
    desk.codes_wanted = (SERIAL,)
    async with show(desk, size) as pilot:
        await press(pilot, "M")
        assert "mfa/eve" in text(pilot)
        await press(pilot, "text:482", "enter")
        assert "a code has six" in text(pilot)
        await press(pilot, "text:913")
        assert "482913" not in text(pilot)
        await press(pilot, "enter")
        assert desk.codes == [f"{SERIAL} 482913"]
        assert "mfa/eve" not in text(pilot)


async def test_escape_gives_nothing(desk: FakeDesk, show: Shows) -> None:
    desk.codes_wanted = (SERIAL,)
    async with show(desk) as pilot:
        await press(pilot, "M", "text:12", "escape")
        assert desk.codes == []
        assert "mfa/eve" not in text(pilot)


async def test_nothing_opens_when_no_code_is_wanted(desk: FakeDesk, show: Shows) -> None:
    async with show(desk) as pilot:
        await press(pilot, "M")
        assert any("No MFA code is wanted" in told for told in toasts(pilot))
