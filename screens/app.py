"""The Textual application: one desk, its screens, and the few things that all of them need.

Nothing here waits on a system. The desk calls back when something is new; that is gathered and
drawn at most four times a second, ages once a second.
"""

from __future__ import annotations

import asyncio
import importlib
import locale
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen

from cockpit import clock
from cockpit.errors import CockpitError
from cockpit.redact import MASKER
from screens import clipboard, terminal, theme
from screens.bindings import Where, bindings
from screens.fault import FaultNotes
from screens.messages import Refreshed, Ticked
from screens.present.lines import line, safe
from screens.presses import Presses
from screens.running import Running
from screens.widgets.header import Bar
from screens.widgets.rowlist import RowList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from screens.port import DeskPort, OpeningPort
    from screens.shown import Display, Shown

LEAST_BETWEEN = 0.25
"""Seconds between two drawings of news: four a second at most."""
PRESSES = (
    events.Key,
    events.MouseDown,
    events.MouseScrollUp,
    events.MouseScrollDown,
    events.Paste,
)
"""What holds the rows under a person's hands."""
_STYLE = ("COCKPIT_THEME", "COCKPIT_ASCII")
_FEW_LINES = 30
"""Lines of a terminal below which only the newest toast is shown."""
_CLOSING = 0.6
"""Seconds that the desk has to give everything up."""
Maker = Callable[[], Awaitable["DeskPort | OpeningPort"]]
"""Makes what the application shows, after the first paint: reading the configuration and loading
the probes take longer than a person should look at nothing.
"""
AtEase = Callable[[float], bool]
"""Does what would hold a person up, when there is time. Takes the moment of their last key."""


class OpeningBar(Bar):
    """What stands there until there is something to show. `q` works already."""

    def on_mount(self) -> None:
        """One line."""
        self.show([line((" cockpit", "strong"), ("  opening …", "dim"))])


ToastKind = Literal["information", "warning", "error"]


class CockpitApp(App[int]):
    """Shows a desk; without one, first the list of incidents to choose from."""

    CSS = Path(__file__).with_name("cockpit.tcss").read_text(encoding="utf-8")
    TITLE = "cockpit"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = bindings(Where.ANYWHERE)

    def __init__(
        self,
        desk: DeskPort | None = None,
        opening: OpeningPort | None = None,
        *,
        make: Maker | None = None,
        at_ease: AtEase = lambda _: False,
        environ: Mapping[str, str] = os.environ,
        encoding: str = "",
    ) -> None:
        terminal.keep_escape()
        self.environ = dict(environ)
        look = theme.choose(self.environ)
        native = look in {theme.SIXTEEN, theme.PLAIN}
        super().__init__(ansi_color=True if native else None)
        self.desk = desk
        self._opening = opening
        self._make = make
        self._at_ease = at_ease
        self._touched = 0.0
        self.failure: CockpitError | None = None
        """Why nothing could be made to show; the command tells it after the screen is gone."""
        self.ascii_only = theme.wants_ascii(
            self.environ, encoding or locale.getpreferredencoding(do_setlocale=False)
        )
        for each in theme.THEMES:
            self.register_theme(each)
        self.theme = look
        self.running = Running()
        self.presses = Presses()
        self._displayed: Display | None = None
        self._faults = FaultNotes()
        self._due = False
        self._drawn = 0.0
        self._stop: Callable[[], None] | None = None
        self._opened: list[DeskPort] = [desk] if desk is not None else []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What the style sheet needs of a theme that is not ours."""
        return theme.VARIABLES

    # -- life ----------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """First paint, then the desk begins to look."""
        self._listen_for_hang_up()
        if self._make is not None:
            self.call_after_refresh(self._made, self._make)
        self._show_first()

    def compose(self) -> ComposeResult:
        """What stands there until there is something to show."""
        if self._make is not None:
            yield OpeningBar(id="opening")

    def _show_first(self) -> None:
        if self.desk is not None:
            self.begin(self.desk)
        elif self._opening is not None:
            from screens.incidents import IncidentsScreen

            self.push_screen(IncidentsScreen(self._opening))

    async def _made(self, make: Maker) -> None:
        self.run_worker(self._make_first(make), name="make")

    async def _make_first(self, make: Maker) -> None:
        try:
            made = await make()
        except CockpitError as failure:
            self.failure = failure
            self.exit(1)
            return
        await asyncio.to_thread(_load)
        from screens.port import OpeningPort

        if isinstance(made, OpeningPort):
            self._opening = made
        else:
            self.desk = made
            self._opened.append(made)
        self._restyle()
        self._show_first()

    def _restyle(self) -> None:
        """Take what the configuration, read meanwhile, says of theme and glyphs."""
        self.environ |= {key: os.environ[key] for key in _STYLE if key in os.environ}
        self.theme = theme.choose(self.environ)
        self.ascii_only = self.ascii_only or theme.wants_ascii(self.environ, "utf-8")

    def begin(self, desk: DeskPort) -> None:
        """Show a desk, and let it begin once it is painted."""
        self.desk = desk
        if desk not in self._opened:
            self._opened.append(desk)
        self._stop = desk.subscribe(self.nudge)
        from screens.main import MainScreen
        from screens.shown import Display

        self._displayed = Display(desk)
        self.push_screen(MainScreen())
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._start)

    async def _start(self) -> None:
        if self.desk is not None:
            self.run_worker(self.desk.start(), name="start", exit_on_error=False)

    async def action_leave(self) -> None:
        """The same while there is nothing but the app."""
        await self.action_quit()

    def action_keys(self) -> None:
        """There are no keys to show before the first screen."""

    async def action_quit(self) -> None:
        """End at once. Nothing is asked and nothing is waited for."""
        self.exit(0)

    def _listen_for_hang_up(self) -> None:
        terminal.on_signals(self.hang_up)
        if not self.is_headless and terminal.is_ours():
            self.set_interval(terminal.LISTEN_EVERY, self._listen_for_end_of_input)
            terminal.go_on_only_with_a_terminal()

    def _listen_for_end_of_input(self) -> None:
        if terminal.input_ended():
            self.hang_up(terminal.HANG_UP)

    def hang_up(self, code: int) -> None:
        """The terminal is gone, or somebody ended us: go, by force when it takes too long."""
        terminal.end_by_force(code)
        self.exit(code, return_code=code)

    async def close(self) -> None:
        """Give the desk up, within its time."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        self.running.stop()
        for desk in self._opened:
            try:
                async with asyncio.timeout(_CLOSING):  # wait_for may swallow a cancellation
                    await desk.close()
            except TimeoutError:
                continue
        self._opened.clear()

    # -- keys ----------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Whatever a person presses, clicks or pastes holds what they see; then it is handled."""
        if isinstance(event, events.Key) and terminal.is_escape(event.key):
            at, event = event.time, events.Key("escape", "\x1b")
            event.time = at
        pressed = isinstance(event, PRESSES)
        if pressed and not event.is_forwarded:
            self._touched = event.time
            if isinstance(event, events.Key):
                self.presses.arrived(event.key, event.time)
            for screen in self.screen_stack:
                for rows in screen.query(RowList):
                    rows.pin(event.time)
        await super().on_event(event)

    def on_key(self, event: events.Key) -> None:
        """A key comes to its binding now."""
        self.presses.handling(event.time)

    # -- news ----------------------------------------------------------------------------------

    def nudge(self) -> None:
        """Something is new. Many calls become one drawing."""
        if self._due or self.desk is None or not self.is_running:
            return
        self._due = True
        wait = self._drawn + LEAST_BETWEEN - clock.monotonic()
        self.set_timer(max(0.01, wait), self._news)

    def _news(self) -> None:
        self._due = False
        self._drawn = clock.monotonic()
        if self._displayed is not None:
            self._tell(Refreshed, self._displayed.take())

    def _tick(self) -> None:
        if self._displayed is not None:
            told = Refreshed if self._displayed.looked else Ticked
            self._tell(told, self._displayed.take())
        self._at_ease(self._touched)

    def _tell(self, make: Callable[[Shown], Refreshed | Ticked], shown: Shown) -> None:
        """To the screen on top, and to those that are seen behind it: live is all that is shown."""
        for screen in reversed(self.screen_stack):
            if screen.is_mounted:
                screen.post_message(make(shown))  # one each: a handled message is not sent again
            if not screen.is_modal:
                return

    @property
    def shown(self) -> Shown | None:
        """What the panes draw: the live moment, or the frozen one."""
        return self._displayed.shown if self._displayed is not None else None

    @property
    def live(self) -> Shown | None:
        """The newest moment, also while the panes stand still."""
        return self._displayed.live if self._displayed is not None else None

    def toggle_freeze(self) -> None:
        """Hold what is shown, or show what is live."""
        if self._displayed is not None:
            self._tell(Refreshed, self._displayed.toggle_freeze())

    # -- what screens ask for ------------------------------------------------------------------

    def say(self, text: str, severity: str = "information") -> None:
        """A toast, never read as markup."""
        kind: ToastKind = "information"
        if severity in {"warning", "error"}:
            kind = "warning" if severity == "warning" else "error"
        if self.size.height < _FEW_LINES:
            self.clear_notifications()  # there is room for one over what they are about
        told = MASKER.mask(safe(MASKER.mask(text), 600))
        told = theme.to_ascii(told) if self.ascii_only else told
        self.notify(told, severity=kind, markup=False)

    def say_error(self, error: CockpitError, otherwise: str = "") -> None:
        """What happened, the line to type, and what else can be done."""
        told = (error.message, error.hint, otherwise)
        self.say(" · ".join(part for part in told if part), "error")

    def open_target(self, target: str, probe: str = "") -> None:
        """The drill-down."""
        from screens.detail import DetailScreen

        self.push_screen(DetailScreen(target, probe))

    def read(
        self,
        title: Content,
        lines: Callable[[int], Sequence[Content]],
        *,
        mark: str = "",
        copied: str = "",
    ) -> None:
        """A text over the whole screen."""
        from screens.output import ReadingScreen

        self.push_screen(ReadingScreen(title, lines, mark=mark, copied=copied))

    def show_keys(self, part: Where, pane: str) -> None:
        """The keys of a part, those of the focused pane first."""
        from screens.help import KeysScreen

        self.push_screen(KeysScreen(part, pane))

    def look_now(self, target: str = "", *, quiet: bool = False) -> None:
        """Look again, at one target or at everything."""
        if self.desk is None:
            return
        asked = self.desk.look_now(target)
        if not quiet:
            what = f"at {safe(target)}" if target else "at everything"
            self.say(f"Looking again {what}: {asked} looks")

    def write_note(self, text: str) -> None:
        """Into the timeline; says so when it could not."""
        if text.strip():
            self.run_worker(self._write_note(text.strip()), exit_on_error=False)

    async def _write_note(self, text: str) -> None:
        if self.desk is None:
            return
        try:
            await self.desk.note(text)
        except CockpitError as error:
            self.say_error(error)
            from screens.widgets.note import Prompt

            for prompt in self.screen.query(Prompt):
                prompt.give_back(text)
            return
        self.nudge()

    def copy_out(self, text: str) -> None:
        """To the terminal's clipboard and, on a desktop, to its own; says what happened."""
        text = MASKER.mask(text)
        copied = clipboard.osc52(text, self.environ)
        if copied.worked and self._driver is not None:
            self._driver.write(copied.sequence)
        self.say(copied.message, "information" if copied.worked else "warning")
        argv = clipboard.native(self.environ, sys.platform)
        if argv and text:
            self.run_worker(clipboard.copy_natively(argv, text), exit_on_error=False)

    # -- palette -------------------------------------------------------------------------------

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: actions of the screen, targets, themes, from the one table."""
        from screens.palette import commands

        yield from commands(self, screen)

    # -- faults --------------------------------------------------------------------------------

    def _handle_exception(self, error: Exception) -> None:
        """A toast that names the debug file; too many faults end the app."""
        if self._faults.too_many:
            super()._handle_exception(error)
        else:
            self.say(self._faults.told(error), "error")


def _load() -> None:
    """Import the screens, in a thread: what is needed after the first paint only."""
    importlib.import_module("screens.main")


async def run_async(make: Maker, at_ease: AtEase = lambda _: False) -> int:
    """Show a desk, or the choice of incidents, until the person leaves. Gives the exit code.

    Raises the `CockpitError` of `make`, after the terminal is as it was.
    """
    app = CockpitApp(make=make, at_ease=at_ease)
    try:
        code = await app.run_async()
    finally:
        terminal.give_signals_back()
        await app.close()
    if app.failure is not None:
        raise app.failure
    return code or 0
