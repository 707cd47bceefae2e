"""Who holds an incident: at most one cockpit writes a journal, whatever starts when.

The lock is `flock` on a file of its own beside the journal. It ends with the process, also by
SIGKILL. It is not taken on the journal itself: closing any descriptor of that file would drop the
locks that SQLite holds on it (sqlite.org, "How To Corrupt An SQLite Database File", 2.2).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cockpit import clock, text
from cockpit.incident.spill_file import is_private, private


@dataclass(slots=True)
class Hold:
    """An incident held by this process until `release`."""

    _descriptor: int

    def release(self) -> None:
        """Let go; once is enough. The file stays: removing it would race with who waits."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def take(places: Sequence[Path], *, actor: str, host: str) -> Hold | None:
    """Hold the incident by the first of these files that can be made.

    None: another process holds it, by whichever of them. The later places are for a folder that
    cannot be written. When no file can be made the incident is held without proof, since going on
    matters more.
    """
    for number, path in enumerate(places):
        descriptor = _opened(path, spare=number > 0)
        if descriptor < 0:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            continue
        if _held(
            places[number + 1 :], spare=True
        ):  # taken there while this place could not be written
            os.close(descriptor)
            return None
        _sign(descriptor, actor=actor, host=host)
        return Hold(descriptor)
    return Hold(-1)


def _opened(path: Path, *, spare: bool) -> int:
    """A descriptor of the file, made when it is missing; -1 when that cannot be."""
    try:
        if spare:
            private(path.parent)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return -1


def _sign(descriptor: int, *, actor: str, host: str) -> None:
    since = clock.stamp(clock.now())
    words = json.dumps({"actor": actor, "host": host, "pid": os.getpid(), "since": since})
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, words.encode(), 0)
    except OSError:
        return  # a full disk: held all the same, only the name is missing


def holder(places: Sequence[Path]) -> str:
    """Who holds the incident, as `ana on bastion (pid 4242)`; empty when nobody does.

    Of the later places only those count that nobody else can have made.
    """
    return _held(places[:1], spare=False) or _held(places[1:], spare=True)


def _held(places: Sequence[Path], *, spare: bool) -> str:
    for path in places:
        if spare and not is_private(path.parent):
            continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _signature(descriptor)
        except OSError:
            continue
        finally:
            os.close(descriptor)
    return ""


def _signature(descriptor: int) -> str:
    try:
        words = json.loads(os.pread(descriptor, 4096, 0))
        told = f"{words['actor']} on {words['host']} (pid {words['pid']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another cockpit"
    return text.visible(told, 200)
