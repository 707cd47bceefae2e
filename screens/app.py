"""The Textual application: one desk, its screens, and the few things that all of them need.

Nothing here waits on a system. The desk calls back when something is new; that is gathered and
drawn at most four times a second, ages once a second.
"""

from __future__ import annotations

import asyncio
import importlib
import locale
import os
import select
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from textual.app import App, ComposeResult, ScreenStackError, SystemCommand
from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen

from cockpit import clock
from cockpit.errors import CockpitError
from cockpit.redact import MASKER
from screens import clipboard, theme
from screens.bindings import Where, bindings
from screens.messages import Refreshed, Ticked
from screens.present.lines import line, safe
from screens.running import Running
from screens.widgets.header import Bar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    from cockpit.triage.board import Board, LookId
    from cockpit.triage.probe import Reading
    from screens.port import DeskPort, OpeningPort
    from screens.shown import Shown

LEAST_BETWEEN = 0.25
"""Seconds between two drawings of news: four a second at most."""
_STYLE = ("COCKPIT_THEME", "COCKPIT_ASCII")
_FEW_LINES = 30
"""Lines of a terminal below which only the newest toast is shown."""
_CLOSING = 0.6
"""Seconds that the desk has to give everything up."""
_EAR = 0.5
"""Seconds between two looks whether the terminal is still there."""
_HARD_END = 1.5
"""Seconds after a hang-up until the process ends whatever happens."""

Maker = Callable[[], Awaitable["DeskPort | OpeningPort"]]
"""Makes what the application shows, after the first paint: reading the configuration and loading
the probes take longer than a person should look at nothing.
"""


class Opening(Bar):
    """What stands there until there is something to show. `q` works already."""

    def on_mount(self) -> None:
        """One line."""
        self.show([line((" cockpit", "strong"), ("  opening …", "dim"))])


ToastKind = Literal["information", "warning", "error"]


class CockpitApp(App[int]):
    """Shows a desk; without one, first the list of incidents to choose from."""

    CSS_PATH = "cockpit.tcss"
    TITLE = "cockpit"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = bindings(Where.ANYWHERE)

    def __init__(
        self,
        desk: DeskPort | None = None,
        opening: OpeningPort | None = None,
        *,
        make: Maker | None = None,
        environ: Mapping[str, str] = os.environ,
        encoding: str = "",
    ) -> None:
        self.environ = dict(environ)
        look = theme.choose(self.environ)
        native = look in {theme.SIXTEEN, theme.PLAIN}
        super().__init__(ansi_color=True if native else None)
        self.desk = desk
        self._opening = opening
        self._make = make
        self.failure: CockpitError | None = None
        """Why nothing could be made to show; the command tells it after the screen is gone."""
        self.ascii_only = theme.wants_ascii(
            self.environ, encoding or locale.getpreferredencoding(do_setlocale=False)
        )
        for each in theme.THEMES:
            self.register_theme(each)
        self.theme = look
        self.shown: Shown | None = None
        """What the panes draw: the live moment, or the frozen one."""
        self.live: Shown | None = None
        self._last_seen: dict[LookId, Reading] = {}
        self.running = Running()
        self._board: Board | None = None
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
            yield Opening(id="opening")

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
        self._take()
        from screens.main import MainScreen

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
        loop = asyncio.get_running_loop()
        for number, code in ((signal.SIGHUP, 129), (signal.SIGTERM, 143)):
            try:
                loop.add_signal_handler(number, self.hang_up, code)
            except (NotImplementedError, RuntimeError, ValueError):
                break  # no signals in this thread or on this platform
        if not self.is_headless and sys.__stdin__ is not None and sys.__stdin__.isatty():
            self.set_interval(_EAR, self._listen_for_end_of_input)
            _go_on_only_with_a_terminal()

    def _listen_for_end_of_input(self) -> None:
        """A terminal that went without a signal (no session of ours) is seen by its dead end;
        Textual's input thread would spin on it.
        """
        ear = select.poll()
        ear.register(0, select.POLLHUP)
        if any(
            event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in ear.poll(0)
        ):
            self.hang_up(129)

    def hang_up(self, code: int) -> None:
        """The terminal is gone, or somebody ended us: go, by force when it takes too long."""
        if "PYTEST_CURRENT_TEST" not in self.environ:
            _end_by_force(code)
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
        self._take()
        if self.shown is not None:
            self._tell(Refreshed(self.shown))

    def _tick(self) -> None:
        self._take()
        if self.shown is not None:
            self._tell(Ticked(self.shown))

    def _tell(self, message: Refreshed | Ticked) -> None:
        try:
            screen = self.screen
        except ScreenStackError:
            return  # leaving: nothing is on the screen any more
        if screen.is_mounted:
            screen.post_message(message)

    def _take(self) -> None:
        desk = self.desk
        if desk is None:
            return
        from screens.shown import take

        self._remember(desk.board)
        self.live = take(desk, clock.now(), desk.timeline(), last_seen=self._last_seen)
        if self.shown is None or self.shown.frozen is None:
            self.shown = self.live

    def _remember(self, board: Board) -> None:
        if board is self._board:
            return
        from cockpit.triage.probe import Seen

        self._board = board
        seen = {id_: each for id_, each in board.readings.items() if isinstance(each.outcome, Seen)}
        self._last_seen = self._last_seen | seen  # a new one: what is frozen keeps its own

    def toggle_freeze(self) -> None:
        """Hold what is shown, or show what is live."""
        if self.shown is None or self.live is None:
            return
        if self.shown.frozen is None:
            self.shown = replace(self.live, frozen=self.live.moment)
        else:
            self.shown = self.live
        self._tell(Refreshed(self.shown))

    def frozen_header(self, live: Shown) -> Shown:
        """The live header with the sign that the panes stand still."""
        return replace(live, frozen=self.shown.frozen if self.shown is not None else None)

    # -- what screens ask for ------------------------------------------------------------------

    def say(self, text: str, severity: str = "information") -> None:
        """A toast, never read as markup."""
        kind: ToastKind = "information"
        if severity in {"warning", "error"}:
            kind = "warning" if severity == "warning" else "error"
        if self.size.height < _FEW_LINES:
            self.clear_notifications()  # there is room for one over what they are about
        told = theme.to_ascii(safe(text, 600)) if self.ascii_only else safe(text, 600)
        self.notify(told, severity=kind, markup=False)

    def say_error(self, error: CockpitError) -> None:
        """What happened, and the line to type."""
        hint = f" · {error.hint}" if error.hint else ""
        self.say(f"{error.message}{hint}", "error")

    def open_target(self, target: str, probe: str = "") -> None:
        """The drill-down."""
        from screens.detail import DetailScreen

        self.push_screen(DetailScreen(target, probe))

    def read(self, title: Content, lines: Callable[[int], Sequence[Content]]) -> None:
        """A text over the whole screen."""
        from screens.output import ReadingScreen

        self.push_screen(ReadingScreen(title, lines))

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
        copied = clipboard.osc52(text, self.environ)
        if copied.worked and self._driver is not None:
            self._driver.write(copied.sequence)
        self.say(copied.message, "information" if copied.worked else "warning")
        argv = clipboard.native(self.environ, sys.platform)
        if argv and text:
            self.run_worker(_copy_natively(argv, text), exit_on_error=False)

    # -- palette -------------------------------------------------------------------------------

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: actions of the screen, targets, themes, from the one table."""
        from screens.palette import commands

        yield from commands(self, screen)

    # -- faults --------------------------------------------------------------------------------

    strict = True
    """In tests a fault ends the app; a person gets a toast that names the debug file."""

    def _handle_exception(self, error: Exception) -> None:
        if self.strict or self._faults >= _MOST_FAULTS:
            super()._handle_exception(error)
            return
        self._faults += 1
        self._told = _write_fault(error, self._told)
        where = f"Told in {self._told}" if self._told else "It could not be written down"
        self.say(f"A fault in the cockpit: {type(error).__name__}. {where}", "error")

    _faults = 0
    _told: Path | None = None
    """The file that faults are told in, made with the first of them."""


_MOST_FAULTS = 20


def _write_fault(error: Exception, path: Path | None) -> Path | None:
    """Add a traceback, without known secrets, to a file that only we can read; None: no room.

    The first call makes the file, under a name that nobody can have put a link in place of.
    """
    import tempfile
    import traceback

    told = MASKER.mask("".join(traceback.format_exception(error)))
    try:
        if path is None:
            handle, name = tempfile.mkstemp(prefix="cockpit-fault-", suffix=".txt", text=True)
            path = Path(name)
        else:
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            file.write(f"{clock.stamp(clock.now())}\n{told}\n")
    except OSError:
        return None
    return path


def _end_by_force(code: int) -> None:
    """A thread of its own ends the process when the orderly way hangs on the dead terminal."""
    import threading

    timer = threading.Timer(_HARD_END, os._exit, (code,))
    timer.daemon = True
    timer.start()


def _go_on_only_with_a_terminal() -> None:
    """A hang-up comes with a SIGCONT: Textual would take it for the end of a `ctrl+z`, and begin
    to read and write again, with threads that nobody ends.
    """
    resumed = signal.getsignal(signal.SIGCONT)
    if not callable(resumed):
        return

    def go_on(number: int, frame: FrameType | None) -> None:
        if os.isatty(0):
            resumed(number, frame)

    signal.signal(signal.SIGCONT, go_on)


def _give_signals_back() -> None:
    """What Textual does on these needs its event loop, which is over."""
    for number in (signal.SIGCONT, signal.SIGTSTP, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)


def _load() -> None:
    """Import the screens, in a thread: what is needed after the first paint only."""
    importlib.import_module("screens.main")


async def _copy_natively(argv: tuple[str, ...], text: str) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(2):
            await process.communicate(text.encode())
    except (OSError, TimeoutError):
        return


async def run_async(make: Maker) -> int:
    """Show a desk, or the choice of incidents, until the person leaves. Gives the exit code.

    Raises the `CockpitError` of `make`, after the terminal is as it was.
    """
    app = CockpitApp(make=make)
    app.strict = False
    try:
        code = await app.run_async()
    finally:
        _give_signals_back()
        await app.close()
    if app.failure is not None:
        raise app.failure
    return code or 0
