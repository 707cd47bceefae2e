"""Copying out of a terminal, also over SSH and inside tmux, and saying when it cannot be done."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass

MOST = 74_994
"""Octets of text in one sequence: 100,000 characters of base64, what terminals take at most."""

_REFUSES = {"Apple_Terminal": "Terminal.app"}
_DUMB = {"linux", "dumb", "vt100", "vt220"}


@dataclass(frozen=True, slots=True)
class Copied:
    """What to write to the terminal, and what to tell the person. `sequence` empty: could not."""

    sequence: str
    message: str

    @property
    def worked(self) -> bool:
        """Whether something is sent; the terminal never confirms that it took it."""
        return bool(self.sequence)


def osc52(text: str, environ: Mapping[str, str]) -> Copied:
    """The text as OSC 52, wrapped for tmux or screen where the cockpit runs in one."""
    size = len(text.encode())
    if not text:
        return Copied("", "Nothing to copy here")
    if size > MOST:
        return Copied("", f"Not copied: {size:,} bytes, a terminal takes {MOST:,} at most")
    if (program := environ.get("TERM_PROGRAM", "")) in _REFUSES:
        return Copied("", f"Not copied: {_REFUSES[program]} does not take text from programs")
    if (term := environ.get("TERM", "")) in _DUMB:
        return Copied("", f"Not copied: a {term} terminal has no clipboard")
    code = base64.b64encode(text.encode()).decode()
    sequence = f"\x1b]52;c;{code}\x07"
    where = "to the terminal's clipboard"
    if environ.get("TMUX"):
        sequence = "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
        where += " through tmux (needs: set -g allow-passthrough on)"
    elif term.startswith("screen"):
        sequence = f"\x1bP{sequence}\x1b\\"
        where += " through screen"
    lines = text.count("\n") + 1
    what = f"{lines} lines" if lines > 1 else f"{len(text):,} characters"
    return Copied(sequence, f"Copied {what} {where}")


def native(environ: Mapping[str, str], platform: str) -> tuple[str, ...]:
    """The argv of the desktop's own copy command; empty over SSH and where there is none."""
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return ()
    if platform == "darwin":
        return ("pbcopy",)
    if environ.get("WAYLAND_DISPLAY"):
        return ("wl-copy",)
    if environ.get("DISPLAY"):
        return ("xclip", "-selection", "clipboard")
    return ()


async def copy_natively(argv: tuple[str, ...], text: str) -> None:
    """Give the text to the desktop's copy command. What fails or takes long is left."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(2):
            await process.communicate(text.encode())
    except (OSError, TimeoutError):
        return
