"""Asks for the code of an MFA device: nobody else has it, and the looking goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from screens.base import CockpitModal
from screens.bindings import Where
from screens.confirm import AnswerInput
from screens.present.lines import line, safe
from screens.widgets.header import Bar
from screens.widgets.panes import set_title


class CodeScreen(CockpitModal[None], part=Where.CODE):
    """One line for six digits. Closes when `give` took them; Escape closes it without."""

    def __init__(self, serial: str, give: Callable[[str, str], str]) -> None:
        super().__init__()
        self._serial = serial
        self._give = give

    def compose(self) -> ComposeResult:
        """Which device, the line, and why a code was not taken."""
        with Vertical(id="dialog", classes="-read"):
            yield Bar(id="ask")
            yield AnswerInput(id="code", placeholder="six digits", max_length=6, password=True)
            yield Bar(id="refusal")

    def on_mount(self) -> None:
        """Take the keys to the line."""
        super().on_mount()
        set_title(self.query_one("#dialog"), line("MFA code"))
        device = self._serial.rpartition(":")[2]  # an ARN's account says little and is long
        self.query_one("#ask", Bar).show([line((safe(device), "bold"), (" is asked for", "dim"))])
        self.query_one(AnswerInput).focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Enter."""
        message.stop()
        problem = self._give(self._serial, message.value)
        if problem:
            self.query_one("#refusal", Bar).show([line((safe(problem), "warning"))])
            return
        self.host.say("Code taken: AWS is asked again")
        self.dismiss()
