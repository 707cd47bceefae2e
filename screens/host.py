"""What a screen or a widget may ask of the app. They know this, and never the app itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from textual.content import Content
from textual.dom import DOMNode

from cockpit.errors import CockpitError
from screens.bindings import Where
from screens.presses import Presses
from screens.running import Running

if TYPE_CHECKING:
    from screens.port import DeskPort
    from screens.shown import Shown


class Host(Protocol):
    """The app, as everything on its screens sees it."""

    @property
    def desk(self) -> DeskPort | None:
        """The desk; None until an incident is chosen."""

    @property
    def shown(self) -> Shown | None:
        """What the panes draw: the live moment, or the frozen one. None without a desk."""

    @property
    def live(self) -> Shown | None:
        """The newest moment, also while the panes stand still."""

    @property
    def running(self) -> Running:
        """The steps that are under way."""

    @property
    def presses(self) -> Presses:
        """The key press that is being handled."""

    @property
    def ascii_only(self) -> bool:
        """Whether this terminal shows nothing but ASCII."""

    def begin(self, desk: DeskPort) -> None:
        """Show a desk, and let it begin once it is painted."""

    def nudge(self) -> None:
        """Something is new: have it drawn soon. Many calls become one drawing."""

    def toggle_freeze(self) -> None:
        """Hold what is shown, or show what is live."""

    def say(self, text: str, severity: str = "information") -> None:
        """A toast, never read as markup. `severity`: `information`, `warning` or `error`."""

    def say_error(self, error: CockpitError, otherwise: str = "") -> None:
        """What happened, the line to type, and what else can be done."""

    def open_target(self, target: str, probe: str = "") -> None:
        """The drill-down of a target, at a probe's table where one is named."""

    def read(
        self,
        title: Content,
        lines: Callable[[int], Sequence[Content]],
        *,
        mark: str = "",
        copied: str = "",
    ) -> None:
        """A text over the whole screen; `lines` makes it for a width in cells. `mark`: what the
        line begins with that is in sight first; empty: the top is. `copied`: what `y` copies;
        empty: the lines.
        """

    def show_keys(self, part: Where, pane: str) -> None:
        """The keys of a part, those of its focused pane first."""

    def look_now(self, target: str = "", *, quiet: bool = False) -> None:
        """Look again, at one target or at everything."""

    def write_note(self, text: str) -> None:
        """Into the timeline; says so when it could not."""

    def copy_out(self, text: str) -> None:
        """To the terminal's clipboard and, on a desktop, to its own; says what happened."""


def host_of(node: DOMNode) -> Host:
    """The host of a screen or a widget."""
    return cast("Host", node.app)
