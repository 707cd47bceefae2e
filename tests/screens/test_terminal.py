"""On a real pseudo-terminal: idle bytes, hang-up, signals, leaving."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator

import pytest

from tests.patience import at_most
from tests.screens.terminal import Terminal

LONG = at_most(15)
SOON = at_most(5)
"""Seconds: two at most are promised (`make bench` measures them); the rest is for a busy machine."""
_SHOW = [sys.executable, "-m", "tests.screens.show"]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal(_SHOW)
    yield made
    made.away()


def painted(terminal: Terminal) -> None:
    assert b"orders-db" in terminal.read(LONG, until=b"orders-db")
    terminal.read(1.5)


def test_idle_output_is_small_and_q_ends_it(terminal: Terminal) -> None:
    painted(terminal)
    rates = [len(terminal.read(2.5)) / 2.5]
    while rates[-1] >= 1000 and len(rates) < 40:  # on a busy machine the opening takes a while
        rates.append(len(terminal.read(2.5)) / 2.5)
    assert rates[-1] < 1000, rates
    terminal.write(b"q")
    began = time.monotonic()
    terminal.read(LONG)  # to the end of the process, which must not wait for its reader
    terminal.ended(within=LONG)
    assert time.monotonic() - began < SOON
    assert terminal.process.returncode == 0


def test_a_dropped_terminal_ends_it(terminal: Terminal) -> None:
    painted(terminal)
    terminal.hang_up()
    assert terminal.ended(within=LONG) < SOON


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143)], ids=["SIGHUP", "SIGTERM"]
)
def test_a_signal_ends_it_cleanly(terminal: Terminal, number: signal.Signals, code: int) -> None:
    painted(terminal)
    terminal.process.send_signal(number)
    began = time.monotonic()
    got = terminal.read(LONG)  # to the end of the process, which must not wait for its reader
    terminal.ended(within=LONG)
    assert time.monotonic() - began < SOON
    assert terminal.process.returncode == code
    assert b"\x1b[?1049l" in got, "the terminal is as it was"
    assert b"Traceback" not in got


def test_end_of_input_without_a_signal_ends_it() -> None:
    detached = Terminal(_SHOW, session=False)
    painted(detached)
    detached.hang_up()
    try:
        assert detached.ended(within=LONG) < SOON
    finally:
        detached.away()
