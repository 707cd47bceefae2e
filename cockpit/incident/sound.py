"""A long journal with which nothing is the matter.

All of it is checked, but only what the incident comes to is made. What is not as nearly every
journal is (torn, spilled, damaged, changed, of an older format) is for who reads with care.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cockpit.incident.history import History
from cockpit.incident.keep import StoredLines
from cockpit.incident.reader import Damaged, Unreadable, torn
from cockpit.incident.scan import Scan, scanned
from cockpit.incident.spill_file import SpillFile
from cockpit.incident.stored import Output

LONG = 2_000
"""Entries of a journal that is worth it."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What it comes to. `lines` is one moment of it until they are let go, and to be closed."""

    history: History
    scan: Scan
    lines: StoredLines
    outputs: tuple[Output, ...]
    letters: tuple[tuple[str, str], ...]


def sound(path: Path, spill: SpillFile) -> Sound | None:
    """None: it is short, or to be read with care."""
    try:
        if not spill.empty or torn(path):
            return None
        lines = StoredLines(path)
    except (Damaged, Unreadable, OSError):
        return None
    try:
        found = _examined(lines)
    except Damaged:
        found = None
    if found is None:
        lines.close()
    return found


def _examined(lines: StoredLines) -> Sound | None:
    scan = scanned(lines.rows()) if lines.count() >= LONG else None
    if scan is None:
        return None
    around = lines.around()
    outputs = around.outputs_of(scan.outputs)
    return Sound(History.stored(scan.count, lines), scan, lines, outputs, around.letters)
