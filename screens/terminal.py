"""The terminal may go at any time: signals, a dead end of input, and an end by force."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from types import FrameType

LISTEN_EVERY = 0.5
"""Seconds between two looks whether the terminal is still there."""
HANG_UP = 129
"""Exit code after a hang-up: 128 and the signal's number, as a shell tells it."""
_TERMINATED = 143
_HARD_END = 1.5
"""Seconds after a hang-up until the process ends whatever happens."""


def on_signals(hang_up: Callable[[int], None]) -> None:
    """Call back with the exit code when the terminal hangs up or somebody ends the process."""
    loop = asyncio.get_running_loop()
    for number, code in ((signal.SIGHUP, HANG_UP), (signal.SIGTERM, _TERMINATED)):
        try:
            loop.add_signal_handler(number, hang_up, code)
        except (NotImplementedError, RuntimeError, ValueError):
            break  # no signals in this thread or on this platform


def keep_escape() -> None:
    """Esc that comes in one piece with the next key, as over a slow line, stays an Esc.

    Textual 8 reads Esc and Enter as Enter: that would run the plan which was cancelled.
    """
    from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
    from textual.keys import Keys

    known = cast("dict[str, tuple[Keys, ...]]", ANSI_SEQUENCES_KEYS)
    known["\x1b\r"] = known["\x1b\n"] = (Keys.Escape,)


def is_escape(key: str) -> bool:
    """Whether a key is Esc with one that followed closely, which reads as Alt: no key here is."""
    return key.startswith("alt+")


def is_ours() -> bool:
    """Whether the process's own standard input is a terminal."""
    return sys.__stdin__ is not None and sys.__stdin__.isatty()


def input_ended() -> bool:
    """Whether the terminal went without a signal (no session of ours), seen by its dead end;
    Textual's input thread would spin on it.
    """
    ear = select.poll()
    ear.register(0, select.POLLHUP)
    gone = select.POLLHUP | select.POLLERR | select.POLLNVAL
    return any(event & gone for _, event in ear.poll(0))


def end_by_force(code: int) -> None:
    """A thread of its own ends the process when the orderly way hangs on the dead terminal."""
    import threading

    timer = threading.Timer(_HARD_END, os._exit, (code,))
    timer.daemon = True
    timer.start()


def go_on_only_with_a_terminal() -> None:
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


def give_signals_back() -> None:
    """What Textual does on these needs its event loop, which is over."""
    for number in (signal.SIGCONT, signal.SIGTSTP, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)
