"""What every key does here, from the table of actions."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content

from screens.base import CockpitModal
from screens.bindings import Action, Where, actions
from screens.present.lines import BLANK, cells, fit, line, wrap
from screens.widgets.lineview import Paper
from screens.widgets.panes import set_title


def help_lines(part: Where, pane: str, width: int) -> list[Content]:
    """The keys of a part, those of the focused pane first."""
    own = actions(part)
    here = [action for action in own if pane and pane in action.panes]
    rest = [action for action in own if action not in here]
    lines: list[Content] = []
    groups = (
        (f"In {pane}", here),
        (part.value.capitalize(), rest),
        (Where.LIST.value.capitalize(), list(actions(Where.LIST))),
        (Where.ANYWHERE.value.capitalize(), list(actions(Where.ANYWHERE))),
    )
    for name, members in groups:
        if members:
            lines += [line((name, "accent bold")), *_keys(members, width), BLANK]
    return [*lines, *_words(width)]


def _keys(members: list[Action], width: int) -> list[Content]:
    lines: list[Content] = []
    keys = min(14, max(cells(action.shown) for action in members) + 2)
    for action in members:
        head = line((fit(action.shown, keys), "strong"), fit(action.label, 18))
        lines += wrap(line(head, (action.help, "dim")), width, indent=keys + 18)
    return lines


def _words(width: int) -> list[Content]:
    """The glyphs, since a colour alone says nothing."""
    shown = (
        ("✖", "critical", "critical"),
        ("▲", "high", "high"),
        ("△", "warning", "warning"),
        ("ℹ", "info", "info"),
        ("?", "blind", "not examined: says nothing about its health"),
        ("●", "ok", "looked at, nothing wrong"),
        ("✔", "ok", "recovered, done"),
        ("○", "dim", "waiting for its first look, its turn"),
    )
    lines = [line(("Signs", "accent bold"))]
    for glyph, tone, word in shown:
        lines += wrap(line((f"{glyph}  ", tone), word), width, indent=3)
    return lines


class KeysScreen(CockpitModal[None], part=Where.READING):
    """A sheet over the screen that asked."""

    def __init__(self, part: Where, pane: str) -> None:
        super().__init__()
        self._part = part
        self._of = pane

    def compose(self) -> ComposeResult:
        """One text."""
        yield Paper(id="sheet")

    def on_mount(self) -> None:
        """Write the keys."""
        super().on_mount()
        self.query_one("#sheet").focus()
        self.call_after_refresh(self._draw)

    def laid_out(self) -> None:
        """Wrap anew."""
        if self.is_mounted:
            self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        for sheet in self.query("#sheet").results(Paper):
            set_title(sheet, line("Keys"))
            sheet.show(help_lines(self._part, self._of, max(20, sheet.columns)))
