"""The base of all panes: lines drawn one by one, and only what changed is drawn again.

`Static` and `DataTable` paint everything they show on each change; over SSH that is the whole
budget. Here a refresh compares each visible line with what is on the screen and repaints from the
first to the last cell that differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from cockpit.clock import monotonic
from screens.bindings import Where, bindings
from screens.host import host_of
from screens.present.lines import BLANK, clip, wrap
from screens.presses import Drawn
from screens.theme import style, to_ascii


@dataclass(frozen=True, slots=True)
class Painted:
    """A line as it is on the screen."""

    content: Content
    look: str
    width: int
    strip: Strip

    def same(self, content: Content, look: str, width: int) -> bool:
        """Whether painting these again would give the same cells."""
        return self.look == look and self.width == width and self.content.is_same(content)


class LineView(ScrollView, can_focus=True, inherit_bindings=False):
    """Lines of `Content`; a subclass says what stands on which.

    Its keys are those of the table of actions and no others.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings(Where.LIST)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._painted: dict[int, Painted] = {}
        self._head: list[Content] = []
        self._drawn = Drawn()

    def line_at(self, y: int, width: int) -> tuple[Content, str]:
        """Line `y` of the document with the tone it lies on; beyond the end: blank."""
        return BLANK, ""

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return 0

    @property
    def about(self) -> object:
        """What a key is about that is pressed now; None: nothing that could change by itself."""
        return None

    def drawn_at(self, when: float) -> object:
        """What the screen showed this to be about at a moment; None before it was painted."""
        return self._drawn.at(when)

    @property
    def columns(self) -> int:
        """Cells to draw on, without the scroll bar."""
        return self.scrollable_content_region.width

    @property
    def lines_shown(self) -> int:
        """Lines to draw on, without the fixed ones on top."""
        return max(0, self.scrollable_content_region.height - len(self._head))

    def set_head(self, head: Sequence[Content]) -> None:
        """Lines that stay on top while the others scroll."""
        self._head = list(head)

    def repaint(self) -> None:
        """Draw again what differs from what is on the screen."""
        size = Size(self.columns, self.line_count + len(self._head))
        if self.virtual_size != size:
            self.virtual_size = size
        for y in range(self.scrollable_content_region.height):
            before = self._painted.get(y)
            content, look = self._line(y)
            if before is None:
                self.refresh(Region(0, y, max(1, self.size.width), 1))
            elif not before.same(content, look, self.columns):
                self._refresh_difference(y, before, content, look)
        self._note_about()

    def _note_about(self) -> None:
        """Have it painted, and so remembered, that this is about something else; what is not on
        the screen is remembered at once.
        """
        if self.about == self._drawn.newest:
            return
        if self.region.area:
            self.refresh(Region(0, 0, max(1, self.size.width), 1))
        else:
            self._drawn.put(self.about, monotonic())

    def _refresh_difference(self, y: int, before: Painted, content: Content, look: str) -> None:
        after = self._paint(content, look)
        start, end = _difference(before.strip, after.strip)
        self._painted[y] = after
        self.refresh(Region(start, y, max(1, end - start), 1))

    def _line(self, y: int) -> tuple[Content, str]:
        if y < len(self._head):
            return self._head[y], ""
        return self.line_at(y - len(self._head) + self.scroll_offset.y, self.columns)

    def render_line(self, y: int) -> Strip:
        """One line of the widget, from the cache when it is as it was."""
        self._drawn.put(self.about, monotonic())
        content, look = self._line(y)
        before = self._painted.get(y)
        if before is not None and before.same(content, look, self.columns):
            return before.strip
        after = self._paint(content, look)
        self._painted[y] = after
        return after.strip

    def _paint(self, content: Content, look: str) -> Painted:
        whole = content
        content = clip(content, self.columns)
        theme, plain = self.app.theme, host_of(self).ascii_only
        base = self.visual_style + style(theme, look)

        def parse(words: str | Style) -> Style:
            return style(theme, words) if isinstance(words, str) else words

        segments = [
            Segment(to_ascii(text) if plain else text, shade.rich_style)
            for text, shade in content.render(base, end="", parse_style=parse)
            if text
        ]
        strip = Strip(segments).crop_extend(0, self.columns, base.rich_style)
        return Painted(whole, look, self.columns, strip)

    # -- moving about (a list moves its cursor instead) ----------------------------------------

    def action_step(self, by: str) -> None:
        """One line up or down."""
        self.scroll_relative(y=int(by), animate=False)

    def action_page(self, by: str) -> None:
        """One page up or down."""
        self.scroll_relative(y=int(by) * max(1, self.lines_shown - 1), animate=False)

    def action_edge(self, which: str) -> None:
        """The first or the last line."""
        self.scroll_to(y=0 if which == "first" else self.line_count, animate=False)

    def forget(self) -> None:
        """Nothing on the screen is as it was: another theme or size."""
        self._painted.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        """Colours changed, focus among them: paint everything anew."""
        super().notify_style_update()
        self._painted.clear()


def _difference(before: Strip, after: Strip) -> tuple[int, int]:
    """The cells from the first to the last that differ between two lines of one width."""
    old, new = _cells(before), _cells(after)
    if len(old) != len(new):
        return 0, max(len(old), len(new))
    start, end = 0, len(new)
    while start < end and old[start] == new[start]:
        start += 1
    while end > start and old[end - 1] == new[end - 1]:
        end -= 1
    return start, end


def _cells(strip: Strip) -> list[tuple[str, object]]:
    """A character and its style for every cell; the second cell of a wide one is empty text."""
    found: list[tuple[str, object]] = []
    for segment in strip:
        if segment.text.isascii():
            found += [(character, segment.style) for character in segment.text]
            continue
        for character in segment.text:
            width = cell_len(character)
            found += [(character if at == 0 else "", segment.style) for at in range(width)]
    return found


class Paper(LineView):
    """Text to read: lines given once a refresh, wrapped by whoever made them."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.lines: list[Content] = []

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return len(self.lines)

    def line_at(self, y: int, width: int) -> tuple[Content, str]:
        """The line as it was given, cut at the edge."""
        return (self.lines[y] if 0 <= y < len(self.lines) else BLANK), ""

    def show(self, lines: Sequence[Content]) -> None:
        """Put new text in place of the old, the scroll position kept."""
        self.lines = list(lines)
        self.repaint()

    def show_text(self, text: str) -> None:
        """Plain text, wrapped to the width."""
        told: list[Content] = []
        for each in text.splitlines():
            told += wrap(Content(each), max(8, self.columns))
        self.show(told)

    @property
    def text(self) -> str:
        """What `y` copies."""
        return "\n".join(line.plain.rstrip() for line in self.lines)
