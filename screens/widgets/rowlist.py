"""A list for any number of rows: it costs what is visible, and keeps the person's place.

Rows are values with an identity (`RowView.key`). Cursor, filter, sort and scroll belong to the
list and survive every `show`: the cursor follows its row, and stays where it is on the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from textual import events
from textual.content import Content
from textual.message import Message
from textual.strip import Strip

from cockpit.clock import now
from screens.filter import Filter, parse
from screens.present.lines import BLANK, line
from screens.widgets.lineview import LineView

R = TypeVar("R")


def _always(_row: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView(Generic[R]):
    """How a list sees its rows: functions only. `draw(row, width, moment)` gives one line."""

    key: Callable[[R], Hashable]
    draw: Callable[[R, int, datetime], Content]
    fields: Callable[[R], Mapping[str, str]]
    columns: frozenset[str]
    selectable: Callable[[R], bool] = _always
    empty: str = "Nothing here."
    follow_end: bool = False
    """The cursor stays on the last row until the person moves it, as in a log."""
    marked: bool = False
    """The cursor's row stays marked while the keys go elsewhere: other panes depend on it."""


class RowList(LineView, Generic[R]):
    """Rows with a cursor, a filter and identity."""

    class Moved(Message, bubble=True):
        """The cursor is on another row. Carries which list; a later one replaces this one."""

        def __init__(self, rows: RowList[Any]) -> None:
            super().__init__()
            self.rows = rows

        def can_replace(self, message: Message) -> bool:
            """One is enough for a list."""
            return isinstance(message, RowList.Moved) and message.rows is self.rows

    class Opened(Message, bubble=True):
        """Enter, or a click on the row under the cursor."""

        def __init__(self, rows: RowList[Any]) -> None:
            super().__init__()
            self.rows = rows

    class HeadClicked(Message, bubble=True):
        """A click on the lines that stay on top, at this cell of them."""

        def __init__(self, rows: RowList[Any], x: int) -> None:
            super().__init__()
            self.rows = rows
            self.x = x

    def __init__(
        self,
        view: RowView[R],
        *,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.view = view
        self.rows: Sequence[R] = ()
        self.shown: Sequence[R] = ()
        self.filter = Filter()
        self.moment: datetime = now()
        self.moved = False
        """Whether the person has moved the cursor: until then it stays at the top (or end)."""
        self.home: Hashable = None
        """The row for the cursor while the person has not moved it; None: the first (or last)."""
        self.lost = False
        """Whether the chosen row is not there any more: nothing is chosen until a key chooses."""
        self._cursor = 0
        self._key: Hashable = None
        self._draw_again = 0

    # -- what is shown -------------------------------------------------------------------------

    @property
    def line_count(self) -> int:
        """How many rows pass the filter."""
        return max(1, len(self.shown))

    def line_at(self, y: int, width: int) -> tuple[Content, str]:
        """A row; the one under the cursor lies on the cursor's tone."""
        if not self.shown:
            if y > 0:
                return BLANK, ""
            told = "No row passes the filter; esc clears it." if self.filter else self.view.empty
            return line((told, "dim")), ""
        if not 0 <= y < len(self.shown):
            return BLANK, ""
        look = ""
        if y == self._cursor and not self.lost and self.view.selectable(self.shown[y]):
            unfocused = "place" if self.view.marked else ""
            look = "cursor" if self.has_focus else unfocused
        return self.view.draw(self.shown[y], width, self.moment), look

    def show(self, rows: Sequence[R], moment: datetime) -> None:
        """The rows as they are now, in the order to draw; the person's place is kept."""
        at = self._cursor - self.scroll_offset.y
        self.moment = moment
        before = self.about
        if rows is not self.rows:  # values: the same ones are arranged already
            self.rows = rows
            self._arrange()
        self._find(lose=True)
        if self.moved and self.is_mounted:
            self._keep_place(at)
        elif self.view.follow_end:
            self._resize_document()
            self.scroll_to(y=max(0, self.line_count - self.lines_shown), animate=False, force=True)
        elif self.home is not None:
            self._into_view()
        self.repaint()
        if self.about != before:
            self.post_message(self.Moved(self))

    @property
    def about(self) -> object:
        """The identity of the chosen row."""
        return None if self.lost else self._key

    def pin(self, when: float) -> None:
        """A key was pressed at that moment: the row that was drawn then stays the chosen one,
        whatever comes. A log goes on following its end; an empty list has nothing to hold.
        """
        drawn = self.drawn_at(when)
        if self.moved or self.view.follow_end or drawn is None:
            return
        before = self.about
        self.moved, self._key = True, drawn
        self._find(lose=True)
        self.repaint()
        if self.about != before:
            self.post_message(self.Moved(self))

    def tick(self, moment: datetime) -> None:
        """Time went on: ages are drawn again where they changed."""
        self.moment = moment
        self.repaint()

    def set_filter(self, text: str) -> None:
        """Show only rows that pass; the empty text shows all."""
        self.filter = parse(text, self.view.columns)
        self._arrange()
        before = self._key
        self._find()
        self._into_view()
        self.forget()
        self.repaint()
        if self._key != before:
            self.post_message(self.Moved(self))

    def _arrange(self) -> None:
        if not self.filter:
            self.shown = self.rows
            return
        fields, holds = self.view.fields, self.filter.holds
        self.shown = [row for row in self.rows if holds(fields(row))]

    def _find(self, *, lose: bool = False) -> None:
        """Put the cursor on the row it was on; gone: on what took its place, or with `lose` on
        none, since nobody chose that.
        """
        self.lost = lose and self.moved and self._key is not None and self._is_gone()
        if self.lost:
            self._cursor = min(self._cursor, max(0, len(self.shown) - 1))
            return
        if not self.shown:
            self._cursor, self._key = 0, None
            return
        wanted, otherwise = self._key, self._cursor
        if not self.moved:
            wanted, otherwise = self.home, len(self.shown) - 1 if self.view.follow_end else 0
        key = self.view.key
        at_hand = otherwise < len(self.shown) and key(self.shown[otherwise]) == wanted
        self._cursor = otherwise
        if wanted is not None and not at_hand:
            same = (at for at, row in enumerate(self.shown) if key(row) == wanted)
            self._cursor = next(same, otherwise)
        self._settle(1)

    def _is_gone(self) -> bool:
        key, at = self.view.key, self._cursor
        if at < len(self.shown) and key(self.shown[at]) == self._key:
            return False
        return all(key(row) != self._key for row in self.shown)

    def _settle(self, step: int) -> None:
        """Leave headings and the ends of the list for the nearest row that can be chosen."""
        last = len(self.shown) - 1
        self._cursor = min(max(0, self._cursor), last)
        for way in (step, -step):
            at = self._cursor
            while 0 <= at <= last:
                if self.view.selectable(self.shown[at]):
                    self._cursor, self._key = at, self.view.key(self.shown[at])
                    return
                at += way
        self._key = None

    def _keep_place(self, at: int) -> None:
        if 0 <= at < self.lines_shown:
            self._resize_document()
            self.scroll_to(y=max(0, self._cursor - at), animate=False, force=True)

    def _resize_document(self) -> None:
        from textual.geometry import Size

        size = Size(self.columns, self.line_count + len(self._head))
        if self.virtual_size != size:
            self.virtual_size = size

    # -- the cursor ----------------------------------------------------------------------------

    @property
    def chosen(self) -> R | None:
        """The row under the cursor; None in an empty list."""
        if not self.shown or self._key is None or self.lost:
            return None
        return self.shown[self._cursor]

    @property
    def cursor(self) -> int:
        """The cursor's place among the shown rows."""
        return self._cursor

    def choose(self, key: Hashable) -> bool:
        """Put the cursor on the row with this identity; False when it is not shown."""
        for at, row in enumerate(self.shown):
            if self.view.key(row) == key:
                self._go(at, 1)
                return True
        return False

    def move(self, by: int) -> None:
        """Up or down; headings do not count."""
        if not self.shown:
            return
        step = 1 if by > 0 else -1
        at, left = self._cursor, abs(by)
        while left and 0 <= at + step < len(self.shown):
            at += step
            if self.view.selectable(self.shown[at]):
                left -= 1
        self._go(at, step)

    def move_to_end(self, *, last: bool) -> None:
        """The first or the last row; the last of a log follows what comes."""
        self._go(len(self.shown) - 1 if last else 0, -1 if last else 1)
        if self.view.follow_end and last:
            self.moved = False

    def action_step(self, by: str) -> None:
        """The cursor one row up or down."""
        self.move(int(by))

    def action_page(self, by: str) -> None:
        """The cursor one page up or down."""
        self.move(int(by) * max(1, self.lines_shown - 1))

    def action_edge(self, which: str) -> None:
        """The cursor on the first or the last row."""
        self.move_to_end(last=which == "last")

    def _go(self, at: int, step: int) -> None:
        if not self.shown:
            return
        self.moved, self.lost = True, False
        before = self._key
        self._cursor = at
        self._settle(step)
        self._into_view()
        self.repaint()
        if self._key != before:
            self.post_message(self.Moved(self))

    def _into_view(self) -> None:
        self._resize_document()
        top, height = self.scroll_offset.y, max(1, self.lines_shown)
        if self._cursor <= 1 and top > 0:
            self.scroll_to(y=0, animate=False, force=True)
        elif self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, force=True)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False, force=True)

    # -- events --------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """A click chooses a row; a second one opens it; one on the head is told."""
        y = event.y - self.gutter.top
        if 0 <= y < len(self._head):
            self.post_message(self.HeadClicked(self, event.x - self.gutter.left))
            return
        at = self.scroll_offset.y + y - len(self._head)
        if not 0 <= at < len(self.shown) or not self.view.selectable(self.shown[at]):
            return
        again = at == self._cursor and event.chain > 1
        self._go(at, 1)
        if again:
            self.post_message(self.Opened(self))

    def on_resize(self) -> None:
        """Keep the cursor in sight; a log keeps its end in sight."""
        self.call_after_refresh(self._settle_in)

    def _settle_in(self) -> None:
        if self.moved or not self.view.follow_end:
            self._into_view()
        else:
            self._resize_document()
            self.scroll_to(y=max(0, self.line_count - self.lines_shown), animate=False, force=True)
        self.repaint()

    def on_focus(self) -> None:
        """The cursor is bright where the keys go."""
        self.repaint()

    def on_blur(self) -> None:
        """And faint elsewhere."""
        self.repaint()

    def render_line(self, y: int) -> Strip:
        """As the base; counted, so that a test can tell how much was drawn."""
        self._draw_again += 1
        return super().render_line(y)
