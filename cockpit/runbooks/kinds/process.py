"""A program of a step as a process: what tells it from a later one with the same number."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StepProcess:
    """A program that was started, the leader of a session of its own."""

    pid: int
    started: str
    """When, as the system counts it (proc(5): clock ticks since boot); empty: it does not say."""

    def as_data(self) -> dict[str, object]:
        """For the record."""
        return {"pid": self.pid, "started": self.started}

    @property
    def runs(self) -> bool | None:
        """Whether it, or a child that stayed in its group, still runs here; None: cannot be told.

        A number is given to another process only once the whole group has gone.
        """
        started, state = _stat(self.pid)
        if started and self.started:
            return started == self.started and state != "Z"
        if started or not self.started:
            return None if _signalled(os.kill, self.pid) else False
        return _signalled(os.killpg, self.pid)


def process_of(pid: int) -> StepProcess:
    """A process that was just started."""
    return StepProcess(pid, _stat(pid)[0])


def from_data(data: object) -> StepProcess | None:
    """As the record has it; None when it is not one."""
    if not isinstance(data, Mapping):
        return None
    pid, started = data.get("pid"), data.get("started")
    usable = isinstance(pid, int) and not isinstance(pid, bool) and pid > 1
    return StepProcess(pid, str(started or "")) if usable and isinstance(pid, int) else None


def named_by(cookie: str) -> list[int]:
    """The processes of this user whose environment holds `cookie`, which a program's children
    inherit wherever they go: also those that left its group and its session. Reads /proc, for
    some milliseconds; empty where there is none.
    """
    wanted, found = cookie.encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
    return found


def _stat(pid: int) -> tuple[str, str]:
    """(start, state) of a process; empty when it does not run, or the system has no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return (fields[19], fields[0]) if len(fields) > 19 else ("", "")


def _signalled(ask: Callable[[int, int], None], number: int) -> bool:
    """Whether there is such a process or group: signal 0 only asks."""
    try:
        ask(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
