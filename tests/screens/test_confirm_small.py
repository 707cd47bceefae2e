"""The dialog on small terminals: what is to be typed is always there to be typed into."""

from __future__ import annotations

import pytest

from screens.confirm import AnswerInput
from tests.screens.conftest import Shows, press, text
from tests.screens.fake_desk import FakeDesk
from tests.screens.main_words import begun
from tests.screens.test_main_steps import confirmed

SIZES = [(60, 15), (60, 16), (80, 24), (40, 12)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    ("done", "lines"),
    [(("cancel",), 1), (("cancel", "terminate"), 3)],
    ids=["high", "destructive"],
)
async def test_every_line_to_type_in_is_seen(
    desk: FakeDesk, show: Shows, done: tuple[str, ...], lines: int, size: tuple[int, int]
) -> None:
    run = begun(desk)
    run.done(*done)
    async with show(desk, size) as pilot:
        await press(pilot, "R")
        await confirmed(pilot)
        fields = list(pilot.app.screen.query(AnswerInput))
        assert len(fields) == lines
        assert "type it here" in text(pilot)
        assert "Confirm" in text(pilot), "which finding, on what"
        await press(pilot, "text:another", "enter")
        assert "✖" in text(pilot), "and why it was refused"
        for field in fields:
            assert field.region.bottom <= size[1], text(pilot)
            assert field.region.height > 0
            assert field.size.width > 20
