"""A text over the whole screen: a step's output, a suspect's reasoning, an entry, a change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.content import Content

from screens.base import CockpitScreen
from screens.bindings import Where
from screens.present.header import header
from screens.shown import Shown
from screens.widgets.header import Footer, Header
from screens.widgets.lineview import Paper
from screens.widgets.panes import set_title


class ReadingScreen(CockpitScreen[None], part=Where.READING):
    """Lines made for a width, so that they wrap anew when the terminal changes."""

    def __init__(
        self,
        title: Content,
        lines: Callable[[int], Sequence[Content]],
        *,
        mark: str = "",
        copied: str = "",
    ) -> None:
        """`mark`, `copied`: see `Host.read`."""
        super().__init__()
        self._copied = copied
        self._mark = mark
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """Header, text, keys."""
        yield Header(id="header")
        yield Paper(id="text", classes="pane")
        yield Footer(id="footer")

    def on_mount(self) -> None:
        """The keys go to the text."""
        super().on_mount()
        self.query_one("#text").focus()

    def copied(self) -> str:
        """What `y` copies."""
        return self._copied or super().copied()

    def refresh_from(self, shown: Shown) -> None:
        """The header lives; the text stands."""
        bar = self.query_one("#header", Header)
        rows = 1 if self.layout_class == "-tiny" else 2
        bar.show(header(shown, bar.columns, rows=rows))
        paper = self.query_one("#text", Paper)
        set_title(paper, self._title)
        paper.show(list(self._lines(max(10, paper.columns))))
        if self._mark and paper.columns > 1:
            self._bring_into_sight(paper)

    def _bring_into_sight(self, paper: Paper) -> None:
        """Once, and with some of what stands before it."""
        marked = (at for at, each in enumerate(paper.lines) if each.plain.startswith(self._mark))
        at = next(marked, None)
        if at is not None:
            self._mark = ""
            above = max(0, paper.size.height // 3)
            self.call_after_refresh(paper.scroll_to, y=max(0, at - above), animate=False)
