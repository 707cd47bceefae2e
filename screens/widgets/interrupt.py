"""Something else got worse since a step: one line says so, and a key plans what takes it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from screens.present.lines import clip, line, safe, wrap
from screens.shown import Shown
from screens.widgets.header import Bar

if TYPE_CHECKING:
    from cockpit.runbooks.stop_loss import Interrupt


_ROOMY = 20
"""Lines from which what got worse is told whole, in a second line where it needs one."""


class InterruptBar(Bar):
    """Under the header until the step was taken back, or a person went on with a reason."""

    named: Interrupt | None = None
    """What the line tells; None: there is no line."""

    @property
    def about(self) -> Interrupt | None:
        """What the key takes back."""
        return self.named

    def refresh_from(self, shown: Shown) -> None:
        """Draw this moment."""
        self.named = shown.interrupt
        self.set_class(self.named is not None, "-up")
        width, most = self.app.size.width, 2 if self.app.size.height >= _ROOMY else 1
        lines = wrap(told(self.named), width, indent=1) if self.named else []
        if len(lines) > most:
            lines = [*lines[: most - 1], clip(line(lines[most - 1], " …"), width)]
        self.styles.height = max(1, len(lines))
        self.show(lines)


def told(one: Interrupt) -> Content:
    """`WORSE  X plans the undo of 'Go back …': PG_SAT_CONNECTIONS at orders-db is critical, …`.

    Where the line is too long it is the end that goes: first stands the key, or without an undo
    what got worse.
    """
    title = f"'{safe(one.title, 80)}'"
    worse = safe(one.worse, 300)
    mark = (" WORSE ", "critical bold")
    if one.undo:
        return line(mark, (f" X plans the undo of {title}", "accent bold"), f": {worse}")
    none = f" · no undo of {title} by a step: "
    return line(mark, (f" {worse}", "strong"), none, ("X says why", "accent"))
