"""How fast it starts: a headless command, and the first paint."""

from __future__ import annotations

import os
import pty
import select
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.table import Row

ROUNDS = 7
EMPTY = """
from textual.app import App
App().run()
"""
PAINTED = b"\x1b[?1049h"
"""The alternate screen; the first paint is what comes after it."""


def headless(aws: Path | None) -> list[Row]:
    """`cockpit check --help` beside `aws --version`, the medians of one run."""
    ours = _median([sys.executable, "-m", "cockpit.cli", "check", "--help"])
    rows = [Row("cockpit check --help", ours * 1000, "ms", 0, gauge=True)]
    if aws is not None:
        theirs = _median([str(aws), "--version"])
        note = f"{ours * 1000:.0f} ms against {theirs * 1000:.0f} ms"
        rows.append(Row("… against aws --version", ours / theirs, "×", 0.5, "aws --version", note))
    return rows


def first_paint(config: Path, data: Path) -> list[Row]:
    """Seconds until the first screen is painted in a pseudo-terminal, over an empty app."""
    cockpit = [sys.executable, "-m", "cockpit.cli", "-c", str(config), "open", "bench"]
    ours, empty, panes = [], [], []
    for _ in range(ROUNDS):
        empty.append(paint([sys.executable, "-c", EMPTY], until=b"", data=data))
        ours.append(paint(cockpit, until=b"opening", data=data))
        panes.append(paint(cockpit, until=b"Findings", data=data))
    over = (statistics.median(ours) - statistics.median(empty)) * 1000
    note = (
        f"{statistics.median(ours) * 1000:.0f} ms against {statistics.median(empty) * 1000:.0f} ms"
    )
    full = statistics.median(panes) * 1000
    return [
        Row("first paint over an empty Textual app", over, "ms", 150, "empty app", note),
        Row("the main screen with its panes", full, "ms", 0, gauge=True),
        Row(
            "… over an empty Textual app",
            full - statistics.median(empty) * 1000,
            "ms",
            150,
            "empty app",
        ),
    ]


def _median(argv: Sequence[str]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def paint(
    argv: Sequence[str],
    *,
    until: bytes,
    data: Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> float:
    """Seconds from the start of the process until 200 bytes with `until` were drawn on its own
    screen. `environment`: instead of ours.
    """
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        if environment is not None:
            os.environ.clear()
            os.environ |= environment
        if cwd is not None:
            os.chdir(cwd)
        os.environ |= {
            "COLUMNS": "140",
            "LINES": "44",
            "TERM": "xterm-256color",
            "COCKPIT_DATA": str(data),
        }
        os.execvp(argv[0], list(argv))
    drawn, seen = b"", False
    try:
        while time.perf_counter() - started < 30:
            ready, _, _ = select.select([terminal], [], [], 1)
            if ready:
                drawn += os.read(terminal, 65536)
            if not seen and PAINTED in drawn:
                seen, drawn = True, drawn.partition(PAINTED)[2]
            if seen and len(drawn) >= 200 and until in drawn:
                return time.perf_counter() - started
        raise TimeoutError(f"{argv} painted nothing: {drawn[-400:]!r}")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
