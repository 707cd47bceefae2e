"""The small lists that a person picks one row from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from textual.app import ComposeResult
from textual.content import Content

from cockpit import clock
from screens.base import CockpitModal
from screens.bindings import Where
from screens.present.lines import fit, line, safe
from screens.widgets.panes import set_title
from screens.widgets.rowlist import RowList, RowView


@dataclass(frozen=True, slots=True)
class Choice:
    """One row to pick: what it is called, and what it means."""

    key: str
    label: str
    help: str = ""
    tone: str = ""


def _draw_choice(row: Choice, width: int, moment: datetime) -> Content:
    return line(
        (fit(safe(row.label), 18), f"{row.tone} bold".strip()), (safe(row.help), "dim")
    ).truncate(max(0, width), ellipsis=True)


def _choice_fields(row: Choice) -> Mapping[str, str]:
    return {"name": row.label, "help": row.help}


CHOICES: RowView[Choice] = RowView(
    key=lambda row: row.key,
    draw=_draw_choice,
    fields=_choice_fields,
    columns=frozenset({"name", "help"}),
)


class PickScreen(CockpitModal["str | None"], part=Where.CHOOSING):
    """A short list over the screen; gives the key of the chosen row, or None."""

    def __init__(self, title: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._title = title
        self._choices = list(choices)

    def compose(self) -> ComposeResult:
        """One list."""
        yield RowList(CHOICES, id="choices")

    def on_mount(self) -> None:
        """Fill it and take the keys there."""
        super().on_mount()
        rows: RowList[Choice] = self.query_one("#choices", RowList)
        set_title(rows, line(self._title))
        rows.styles.height = min(len(self._choices) + 2, max(3, self.app.size.height))
        rows.show(self._choices, clock.now())
        rows.focus()

    def action_take(self) -> None:
        """Enter."""
        rows: RowList[Choice] = self.query_one("#choices", RowList)
        self.dismiss(rows.chosen.key if rows.chosen is not None else None)

    def on_row_list_opened(self, message: RowList.Opened) -> None:
        """A double click is Enter."""
        message.stop()
        self.action_take()
