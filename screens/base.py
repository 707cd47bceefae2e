"""What all our screens share: the footer, the prompt, copying, and reacting to new moments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Generic, Protocol, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

from screens.bindings import Where, bindings, footer
from screens.host import Host, host_of
from screens.messages import Left, Refreshed, Ticked, Typed, Typing
from screens.shown import Shown
from screens.widgets.header import Footer
from screens.widgets.lineview import LineView, Paper
from screens.widgets.note import NOTE, Prompt
from screens.widgets.panes import set_subtitle
from screens.widgets.rowlist import RowList

Result = TypeVar("Result")

TINY_COLUMNS, TINY_LINES = 60, 16
FULL_COLUMNS, FULL_LINES = 110, 30
GRAND_COLUMNS, GRAND_LINES = 180, 56


def size_class(columns: int, lines: int) -> str:
    """The layout for a terminal: `-tiny`, `-small`, or `-full`."""
    if columns < TINY_COLUMNS or lines < TINY_LINES:
        return "-tiny"
    if columns < FULL_COLUMNS or lines < FULL_LINES:
        return "-small"
    return "-full"


class Answers(Protocol):
    """What a prompt's answer is given to."""

    def __call__(self, text: str) -> None:
        """Take the line that was typed."""


class CockpitScreen(Screen[Result], Generic[Result]):
    """A screen with a table of actions, a footer and, where it has one, a prompt."""

    PART: ClassVar[Where] = Where.MAIN
    BINDINGS: ClassVar[list[BindingType]] = []
    AUTO_FOCUS = ""
    layout_class = ""

    def __init_subclass__(cls, part: Where | None = None, **given: object) -> None:
        if part is not None:
            cls.PART = part
            cls.BINDINGS = bindings(part, Where.ANYWHERE)
        super().__init_subclass__(**given)  # type: ignore[arg-type]

    @property
    def host(self) -> Host:
        """What may be asked of the app."""
        return host_of(self)

    # -- what a screen says of itself ----------------------------------------------------------

    def refresh_from(self, shown: Shown) -> None:
        """Draw a moment. Called at most four times a second."""

    def tick(self, shown: Shown) -> None:
        """A second went by without news; by default that is drawn like news."""
        self.refresh_from(shown)

    @property
    def pane(self) -> LineView | None:
        """The pane that filter and copy are about: the focused one."""
        return self.focused if isinstance(self.focused, LineView) else None

    @property
    def pane_name(self) -> str:
        """Its id, for the footer and the help."""
        return (self.pane.id or "") if self.pane is not None else ""

    def idle(self) -> frozenset[str]:
        """Names of actions that nothing here is for now: the footer leaves them out."""
        return frozenset()

    def copied(self) -> str:
        """What `y` copies: by default the text of a reading pane."""
        return self.pane.text if isinstance(self.pane, Paper) else ""

    def own_commands(self) -> Iterable[tuple[str, str, Callable[[], None]]]:
        """What the palette offers besides the table of actions: (name, help, what it does)."""
        return ()

    # -- reacting ------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Lay out for this terminal."""
        self.set_class(self.host.ascii_only, "-ascii")
        self._lay_out()

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new size."""
        self._lay_out()
        if self.host.shown is not None:
            self.call_after_refresh(self._draw_again)

    def on_screen_resume(self) -> None:
        """Back on top: draw what came meanwhile."""
        self._lay_out()
        self._draw_again()

    def _draw_again(self) -> None:
        if self.is_mounted and self.host.shown is not None:
            self.refresh_from(self.host.shown)
            self.show_footer()

    def _lay_out(self) -> None:
        columns, lines = self.app.size
        wanted = size_class(columns, lines)
        self.layout_class = wanted
        for name in ("-tiny", "-small", "-full"):
            self.set_class(name == wanted, name)
        self.set_class(columns >= GRAND_COLUMNS and lines >= GRAND_LINES, "-grand")
        self.laid_out()

    def laid_out(self) -> None:
        """The size class may be another one."""

    def on_refreshed(self, message: Refreshed) -> None:
        """News."""
        self.refresh_from(message.shown)

    def on_ticked(self, message: Ticked) -> None:
        """A second went by."""
        self.tick(message.shown)

    def on_descendant_focus(self) -> None:
        """The footer shows the keys of the focused pane."""
        self.show_footer()

    def show_footer(self) -> None:
        """Draw the keys that work now."""
        for bar in self.query(Footer):
            prompting = isinstance(self.focused, Prompt)
            where = (Where.PROMPT,) if prompting else (self.PART, Where.ANYWHERE)
            shown = self.host.shown
            role = str(shown.status.role) if shown is not None else ""
            shown_actions = footer(where, self.pane_name, role)
            idle = self.idle()
            bar.show_actions([each for each in shown_actions if each.name not in idle])

    # -- actions that most screens have --------------------------------------------------------

    def action_back(self) -> None:
        """Clear the filter when there is one, else close the screen."""
        if isinstance(self.pane, RowList) and self.pane.filter:
            self.pane.set_filter("")
            self._tell_filter(self.pane)
            return
        self.dismiss()

    def do(self, call: str) -> None:
        """Carry out an action from the palette, once that is closed."""
        self.call_after_refresh(self.run_action, call)

    async def action_leave(self) -> None:
        """End the cockpit."""
        await self.app.action_quit()

    def action_keys(self) -> None:
        """Show the keys of this part and pane."""
        self.host.show_keys(self.PART, self.pane_name)

    def action_command_palette(self) -> None:
        """Find an action, a target or a theme by name."""
        self.app.action_command_palette()

    def action_copy(self) -> None:
        """Copy what is selected."""
        self.host.copy_out(self.copied())

    def action_freeze(self) -> None:
        """Hold the panes still, or go live."""
        self.host.toggle_freeze()

    def action_note(self) -> None:
        """Type a note."""
        self._ask(NOTE)

    def action_filter(self) -> None:
        """Type a filter for the focused list."""
        if not isinstance(self.pane, RowList):
            self.host.say("This pane is no list: nothing to filter")
            return
        self._filtered = self.pane
        columns = " ".join(sorted(self.pane.view.columns))
        self._ask("filter", f"filter: words, !not, column:value ({columns})", self.pane.filter.text)

    _filtered: RowList[object] | None = None
    _asked_by: Widget | None = None
    _answer: Answers | None = None

    def ask(self, purpose: str, hint: str, answer: Answers) -> None:
        """Ask for a line; `answer` is called with it unless the person leaves."""
        self._answer = answer
        self._ask(purpose, hint)

    def _ask(self, purpose: str, hint: str = "", text: str = "") -> None:
        prompts = self.query(Prompt)
        if not prompts:
            return
        if not isinstance(self.focused, Prompt):
            self._asked_by = self.focused
        prompt = prompts.first()
        prompt.add_class("-asking")
        prompt.ask(purpose, hint, text)

    def on_typing(self, message: Typing) -> None:
        """A filter follows what is typed."""
        if message.purpose == "filter" and self._filtered is not None:
            self._filtered.set_filter(message.text)
            self._tell_filter(self._filtered)

    def on_typed(self, message: Typed) -> None:
        """A line is complete."""
        message.stop()
        self._return_focus()
        if message.purpose == NOTE:
            self.host.write_note(message.text)
        elif message.purpose != "filter" and self._answer is not None:
            answer, self._answer = self._answer, None
            answer(message.text)

    def on_left(self, message: Left) -> None:
        """The person left the line; a filter that was being typed is cleared."""
        message.stop()
        if message.purpose == "filter" and self._filtered is not None:
            self._filtered.set_filter("")
            self._tell_filter(self._filtered)
        self._answer = None
        self._return_focus()

    def _return_focus(self) -> None:
        for prompt in self.query(Prompt):
            prompt.remove_class("-asking")
        back = self._asked_by
        if back is not None and back.is_mounted and back.display:
            back.focus()
        self.show_footer()

    def _tell_filter(self, rows: RowList[object]) -> None:
        told = ""
        if rows.filter:
            told = f" {rows.filter.text} · {len(rows.shown)} of {len(rows.rows)} "
        set_subtitle(rows, told)


class CockpitModal(CockpitScreen[Result], ModalScreen[Result], Generic[Result]):
    """A dialog over the screen that asked."""


def bottom() -> ComposeResult:
    """The note line and the keys."""
    yield Prompt(id="prompt")
    yield Footer(id="footer")
