"""The line at the bottom where everything is typed: notes, filters, reasons."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import BindingType
from textual.widgets import Input

from screens.bindings import Where, bindings
from screens.messages import Left, Typed, Typing
from screens.widgets.panes import drawable

NOTE = "note"
_HINTS = {NOTE: "n: note · TODO … is an action item · !impact_start 02:40 … is when it began"}


class Prompt(Input):
    """One line with a purpose. It is a note line until somebody asks for something else."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Where.PROMPT)

    def __init__(self, **given: Any) -> None:
        super().__init__(select_on_focus=False, compact=True, **given)
        self.purpose = NOTE
        self._draft = ""

    def on_mount(self) -> None:
        """Say what the line is for."""
        self._hint(_HINTS[NOTE])

    def _hint(self, text: str) -> None:
        self.placeholder = drawable(self, text)

    def ask(self, purpose: str, hint: str = "", text: str = "") -> None:
        """Take the focus for a purpose; a note that was begun is kept for later."""
        if self.purpose == NOTE:
            self._draft = self.value
        self.purpose = purpose
        self._hint(hint or _HINTS.get(purpose, ""))
        with self.prevent(Input.Changed):
            self.value = self._draft if purpose == NOTE else text
        self.cursor_position = len(self.value)
        self.focus()

    def rest(self, *, keep: bool = False) -> None:
        """Be the note line again; `keep` leaves an unfinished note in it."""
        if self.purpose == NOTE:
            self._draft = self.value if keep else ""
        self.purpose = NOTE
        self._hint(_HINTS[NOTE])
        with self.prevent(Input.Changed):
            self.value = self._draft

    def give_back(self, text: str) -> None:
        """A note that could not be written, to be mended, unless another one was begun."""
        if not self._draft:
            self._draft = text
            if self.purpose == NOTE and not self.value:
                self.value = text
                self.cursor_position = len(text)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter hands the line on."""
        event.stop()
        purpose, text = self.purpose, self.value
        self.rest()
        self.post_message(Typed(purpose, text))

    def on_input_changed(self, event: Input.Changed) -> None:
        """A filter is applied while it is typed."""
        event.stop()
        self.post_message(Typing(self.purpose, self.value))

    def action_abandon(self) -> None:
        """Esc: back to the panes; a note that was begun stays in the line."""
        purpose = self.purpose
        self.rest(keep=True)
        self.post_message(Left(purpose))
