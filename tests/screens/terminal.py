"""A process on a pseudo-terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
_RAW = {"TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"}


class Terminal:
    """Its master's end: what the process writes, what a person types, and the plug to pull.

    Without a `session` the terminal controls nothing: its end comes without a signal.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str] | None = None,
        *,
        size: tuple[int, int] = (80, 24),
        session: bool = True,
    ) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**(os.environ if environ is None else environ), **_RAW},
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

    def away(self) -> None:
        """End what is left, of the process and of the terminal."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()
