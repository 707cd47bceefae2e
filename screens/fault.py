"""A bug of ours costs one toast: its traceback goes to a file that only we can read."""

from __future__ import annotations

import os
from pathlib import Path

from cockpit import clock
from cockpit.redact import MASKER

_MOST = 20


class FaultNotes:
    """The faults of this process so far, all told in one file."""

    def __init__(self) -> None:
        self._count = 0
        self._path: Path | None = None

    @property
    def too_many(self) -> bool:
        """Whether going on makes no sense any more."""
        return self._count >= _MOST

    def told(self, error: Exception) -> str:
        """Write a fault down; gives what the person reads."""
        self._count += 1
        self._path = _written(error, self._path)
        where = f"Told in {self._path}" if self._path else "It could not be written down"
        return f"A fault in the cockpit: {type(error).__name__}. {where}"


def _written(error: Exception, path: Path | None) -> Path | None:
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
