"""The note line says more than notes: when something began, and what cannot be written."""

from __future__ import annotations

import pytest

from cockpit import clock
from cockpit.errors import Refused
from cockpit.incident.note_line import parse
from screens.widgets.note import Prompt
from tests.screens.conftest import Shows, press, text, toasts
from tests.screens.fake_desk import FakeDesk


@pytest.fixture
def strict(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> FakeDesk:
    """Reads a line as the record does."""

    async def note(line: str) -> None:
        read = parse(line, clock.now())
        desk.notes.append(f"{read.kind} {read.text}")

    monkeypatch.setattr(desk, "note", note)
    return desk


async def test_the_line_says_how_a_milestone_is_set(desk: FakeDesk, show: Shows) -> None:
    async with show(desk, (80, 24)) as pilot:
        assert "!impact_start 02:40 … is when it began" in text(pilot)


async def test_a_wrong_milestone_comes_back_to_be_mended(strict: FakeDesk, show: Shows) -> None:
    async with show(strict) as pilot:
        await press(pilot, "n", "text:!impact 02:40 calls", "enter")
        assert "did you mean impact_start?" in toasts(pilot)[-1]
        await press(pilot, "n")
        assert pilot.app.screen.query_one(Prompt).value == "!impact 02:40 calls"
        await press(pilot, *["left"] * len(" 02:40 calls"), "underscore", *"start", "enter")
        assert strict.notes == ["milestone impact start: calls"]
        assert pilot.app.screen.query_one(Prompt).value == ""


async def test_a_refused_note_is_not_lost_while_something_else_is_typed(
    desk: FakeDesk, show: Shows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def note(_: str) -> None:
        raise Refused("INC-2026-0042 is only watched here")

    monkeypatch.setattr(desk, "note", note)
    async with show(desk) as pilot:
        await press(pilot, "n", "text:support calls", "enter", "slash", "text:pg", "enter")
        assert "only watched here" in toasts(pilot)[-1]
        await press(pilot, "n")
        assert pilot.app.screen.query_one(Prompt).value == "support calls"
