"""Steps whose end nobody knows: shown first, until somebody verifies it or says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from screens.present.lines import line, safe, short_clock, wrap
from screens.shown import Shown
from screens.widgets.header import Bar

if TYPE_CHECKING:
    from cockpit.runbooks.unfinished import Unfinished

_ROOMY = 16
"""Terminal lines from which the bar may take more than one."""


class UnfinishedBar(Bar):
    """Under the header: the oldest step whose outcome is unknown, and the key that settles it."""

    def refresh_from(self, shown: Shown) -> None:
        """Draw this moment; hidden when every step has an end."""
        waiting = shown.unfinished
        self.set_class(bool(waiting), "-up")
        if waiting:
            columns, lines = self.app.size
            told = bar_lines(waiting[0], len(waiting), columns)
            self.show(told if lines >= _ROOMY else told[:1])


def bar_lines(one: Unfinished, count: int, width: int) -> list[Content]:
    """`UNKNOWN 'Terminate …' on orders-db, cut off at 02:41 UTC (ana) · U verifies: …`."""
    more = f" (1 of {count})" if count > 1 else ""
    on = f" on {safe(one.target, 60)}" if one.target else ""
    does = f"U verifies: {safe(one.verification, 120)}" if one.verification else "U says its end"
    since = "end unknown since" if one.left else "cut off at"
    told = line(
        (f" UNKNOWN{more} ", "blind bold"),
        (f" '{safe(one.title, 120)}'{on}", "strong"),
        f", {since} {short_clock(one.at)} UTC ({safe(one.actor, 30)}) · ",
        (f"{safe(one.program, 160)} · " if one.program else "", "warning"),
        (does, "accent bold"),
    )
    return wrap(told, max(10, width), indent=2)
