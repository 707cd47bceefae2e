"""The screens at rest and under a person's keys: CPU of 16, 200 and 1,000 target groups where all
is well, beside the build of 1c63b39 in the same minute, and a key's way to the terminal while a
thousand groups with three thousand members are sick.

`python -m tests.bench.rest` prints these rows alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.before import BUILD, HERE, Build, checked_out, known
from tests.bench.sweep import counted, set_aside, stub, written
from tests.bench.table import Row, percentile, render

LIMITS = {16: 1.2, 200: 2.0, 1000: 6.0}
"""Target groups → the most % of a core."""
SETTLING, RESTING = 30.0, 45.0
"""Seconds from the start, by which the first sweep of a thousand is over; seconds measured."""
KEYS = 150
_SOON = 0.005
"""Seconds of latency where all is sick: a sick group asks six calls, not one, and all of them are
to be seen by then.
"""
COLUMNS, LINES = 140, 44


@dataclass
class Cockpit:
    """One in a pseudo-terminal, whose output is taken as it comes."""

    process: subprocess.Popen[bytes]
    terminal: int
    drawn: bytearray = field(default_factory=bytearray)
    came: threading.Event = field(default_factory=threading.Event)

    def drain(self) -> None:
        """Until it has ended."""
        with contextlib.suppress(OSError):
            while some := os.read(self.terminal, 65536):
                self.drawn += some
                self.came.set()

    @property
    def cpu(self) -> float:
        """Seconds, of the user and of the system, of all its threads."""
        spent = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")

    def press(self, key: bytes) -> float:
        """Seconds from the key to the next output, without those that a core was not to be had."""
        self.came.clear()
        started, aside = time.perf_counter(), set_aside(self.process.pid)
        os.write(self.terminal, key)
        if not self.came.wait(5):
            raise TimeoutError(f"{key!r} drew nothing: {bytes(self.drawn[-400:])!r}")
        took = time.perf_counter() - started
        return took - (set_aside(self.process.pid) - aside)


@contextlib.contextmanager
def opened(build: Build, config: Path) -> Iterator[Cockpit]:
    """The cockpit of a build, with a new incident; killed in the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        build.argv("cockpit.cli", "-c", str(config), "open", "bench"),
        cwd=build.tree,
        env={**build.environment, "TERM": "xterm-256color", "BENCH_KEY": "benchbenchbench"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    cockpit = Cockpit(process, ours)
    threading.Thread(target=cockpit.drain, daemon=True).start()
    try:
        yield cockpit
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@dataclass(frozen=True)
class Rest:
    """`cpu` is % of a core; `calls` are AWS calls a second."""

    cpu: float
    calls: float


def resting(builds: list[Build], groups: int, folder: Path) -> list[Rest]:
    """Each at a stub of its own, at the same time."""
    with contextlib.ExitStack() as ends:
        ports = [ends.enter_context(stub()) for _ in builds]
        configs = [written(folder / f"{port}.toml", port, groups=groups) for port in ports]
        cockpits = [ends.enter_context(opened(*each)) for each in zip(builds, configs, strict=True)]
        time.sleep(SETTLING)
        before = [each.cpu for each in cockpits]
        began = time.monotonic()
        for port in ports:
            counted(port)
        time.sleep(RESTING)
        took = time.monotonic() - began
        calls = [counted(port) / took for port in ports]
        spent = [100 * (c.cpu - b) / took for c, b in zip(cockpits, before, strict=True)]
        return list(map(Rest, spent, calls))


def pressed(build: Build, config: Path) -> list[float]:
    """Seconds of each key, down the list and back, while looks go on."""
    with opened(build, config) as cockpit:
        time.sleep(SETTLING)
        keys = [b"j"] * (KEYS // 2) + [b"\x1b[6~", b"k", b"\x1b[5~", b"j"] * (KEYS // 8)
        taken = []
        for key in keys:
            taken.append(cockpit.press(key))
            time.sleep(0.1)
        return taken


def rows(sizes: tuple[int, ...] = tuple(LIMITS)) -> list[Row]:
    """Rest by size, and the keys."""
    found = []
    with contextlib.ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        ours = Build(HERE, folder / "new")
        builds = [ours]
        if known():
            old, ours = ends.enter_context(checked_out(folder))
            builds = [ours, old]
        for groups in sizes:
            found.append(_rest(groups, resting(builds, groups, folder)))
        with stub("sick", latency=_SOON) as port:
            config = written(folder / "sick.toml", port)
            taken = [pressed(each, config) for each in builds]
    return [*found, _keys(*taken)]


def _keys(ours: list[float], theirs: list[float] | None = None) -> Row:
    base, note = "", f"median {statistics.median(ours) * 1000:.0f}, worst {max(ours) * 1000:.0f} ms"
    if theirs:
        base = f"build of {BUILD}"
        note += f"; against {percentile(theirs, 0.99) * 1000:.0f}, median "
        note += f"{statistics.median(theirs) * 1000:.0f}, worst {max(theirs) * 1000:.0f} ms"
    name = "key to output, 1,000 groups with 3,000 sick members: p99"
    return Row(name, percentile(ours, 0.99) * 1000, "ms", 40, base, note)


def _rest(groups: int, spent: list[Rest]) -> Row:
    base, note = "", f"{spent[0].calls:.1f} calls a second"
    if spent[1:]:
        base = f"build of {BUILD}"
        note += f", against {spent[1].cpu:.1f} % and {spent[1].calls:.1f}"
    name = f"screens at rest, {groups:,} target groups"
    return Row(name, spent[0].cpu, "% of a core", LIMITS[groups], base, note)


if __name__ == "__main__":
    print(render(rows(tuple(map(int, sys.argv[1:])) or tuple(LIMITS))))
