"""On a real pseudo-terminal: idle bytes, hang-up, signals, leaving."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOON = 7.0
"""Seconds: two at most are promised (`make bench` measures them), five are for a busy machine."""


class Terminal:
    """A process on a pseudo-terminal of its own."""

    def __init__(self, columns: int = 80, lines: int = 24, *, session: bool = True) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.screens.show"],
            cwd=ROOT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if session else None,
        )
        os.close(slave)
        self.open = True

    def read(self, seconds: float, until: bytes = b"") -> bytes:
        """What comes within a time, or until a text came."""
        got = b""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                break
            try:
                got += os.read(self.master, 65536)
            except OSError:
                break
            if until and until in got:
                break
        return got

    def write(self, data: bytes) -> None:
        os.write(self.master, data)

    def hang_up(self) -> None:
        if self.open:
            os.close(self.master)
            self.open = False

    def ended(self, within: float) -> float:
        """Seconds until the process ended."""
        began = time.monotonic()
        self.process.wait(timeout=within)
        return time.monotonic() - began


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    if made.process.poll() is None:
        made.process.kill()
    made.process.wait()
    made.hang_up()


def painted(terminal: Terminal) -> None:
    assert b"orders-db" in terminal.read(60, until=b"orders-db")
    terminal.read(1.5)


def test_idle_output_is_small_and_q_ends_it(terminal: Terminal) -> None:
    painted(terminal)
    rates = [len(terminal.read(2.5)) / 2.5]
    while rates[-1] >= 1000 and len(rates) < 10:  # on a busy machine the opening takes a while
        rates.append(len(terminal.read(2.5)) / 2.5)
    assert rates[-1] < 1000, rates
    terminal.write(b"q")
    terminal.read(0.5)
    assert terminal.ended(within=30) < SOON
    assert terminal.process.returncode == 0


def test_a_dropped_terminal_ends_it(terminal: Terminal) -> None:
    painted(terminal)
    terminal.hang_up()
    assert terminal.ended(within=30) < SOON


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143)], ids=["SIGHUP", "SIGTERM"]
)
def test_a_signal_ends_it_cleanly(terminal: Terminal, number: signal.Signals, code: int) -> None:
    painted(terminal)
    terminal.process.send_signal(number)
    got = terminal.read(30, until=b"\x1b[?1049l")
    assert terminal.ended(within=30) < SOON
    assert terminal.process.returncode == code
    assert b"\x1b[?1049l" in got, "the terminal is as it was"
    assert b"Traceback" not in got


def test_end_of_input_without_a_signal_ends_it() -> None:
    detached = Terminal(session=False)
    painted(detached)
    detached.hang_up()
    try:
        assert detached.ended(within=30) < SOON
    finally:
        if detached.process.poll() is None:
            detached.process.kill()
            detached.process.wait()
