"""Incidents for the tests of the record, and a process that writes one until it is killed."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from cockpit.connect.role import Role
from cockpit.incident import chain
from cockpit.incident.entry import GENESIS, Entry, EntryKind
from cockpit.incident.incident import Incident, Incidents

Found = TypeVar("Found")
Cockpit = Callable[..., tuple[int, str, str]]
"""Types a command: exit code, what was said, what was complained about."""
Told = tuple[str, str] | tuple[str, str, dict[str, Any]]
"""Kind, text and data of an entry."""
ROOT = Path(__file__).parents[2]
START = datetime(2026, 11, 21, 2, 41, 3, 120_000, tzinfo=UTC)


def store(folder: Path) -> Incidents:
    """The incidents of a test: journals and spare files side by side."""
    return Incidents(folder / "data", spares=[folder / "spare" / "mark"])


def opened(folder: Path, title: str = "checkout returns 5xx", **more: Any) -> Incident:
    facts: dict[str, Any] = {"environment": "prod", "role": Role.COMMANDER, "actor": "ana", **more}
    return store(folder).create(title, "P1", **facts)


def opened_at_home(title: str = "checkout returns 5xx", **more: Any) -> Incident:
    """A new incident in the places that the environment names."""
    facts: dict[str, Any] = {"environment": "prod", "role": Role.COMMANDER, "actor": "bob", **more}
    return Incidents().create(title, "P1", **facts)


def resumed(folder: Path, actor: str = "bob") -> Incident:
    return store(folder).resume("1", role=Role.COMMANDER, actor=actor)


def entries(*told: Told, **common: object) -> list[Entry]:
    """A chain from (kind, text, data), one a minute, beginning at `START`."""
    found: list[Entry] = []
    for place, (kind, text, *data) in enumerate(told):
        facts: dict[str, Any] = {
            "seq": place + 1,
            "at": START + timedelta(minutes=place),
            "mono": 100.0 + 60 * place,
            "boot": "boot",
            "host": "bastion",
            "actor": "ana",
            "role": "commander",
            "target": "",
            "data": dict(data[0]) if data else {},
            "salt": "5a" * 16,
            "previous": found[-1].digest if found else GENESIS,
            **common,
        }
        facts["target"] = facts["data"].pop("target", facts["target"])
        facts["actor"] = facts["data"].pop("actor!", facts["actor"])
        facts["role"] = facts["data"].pop("role!", facts["role"])
        facts["at"] = facts["data"].pop("at!", facts["at"])
        facts["mono"] = facts["data"].pop("mono!", facts["mono"])
        found.append(chain.sealed(Entry(kind=EntryKind(kind), text=text, **facts)))
    return found


def lines(chained: list[Entry]) -> list[str]:
    return [chain.line(entry) for entry in chained]


def stored_lines(folder: Path, name: str = "") -> tuple[str, ...]:
    incidents = store(folder)
    return incidents.lines(incidents.find(name or "1"))


def journal(folder: Path) -> Path:
    return next((folder / "data").glob("*.sqlite"))


def start_writing(folder: Path, *, limit: int = 0, count: int = 1_000_000) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.core.records", str(folder), str(limit)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "ENTRIES": str(count)},
    )
    _started.append(process)
    return process


_started: list[subprocess.Popen[str]] = []


def end_all() -> None:
    """End every process that `start_writing` started, also after a failed test."""
    while _started:
        process = _started.pop()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def killed_with_log(folder: Path, entries: int = 14) -> int:
    """A journal whose write-ahead log was never folded in; how many entries were acknowledged.

    More would be folded in: then what is behind the end is left over from before, and not torn.
    """
    process = start_writing(folder)
    assert process.stdout is not None
    for _ in range(entries + 1):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return len(stored_lines(folder))


def log_of(folder: Path) -> Path:
    return journal(folder).with_name(journal(folder).name + "-wal")


async def write(folder: Path, limit: int) -> None:
    """Append for ever; tell each acknowledged entry on stdout. `limit` octets a file, 0: none."""
    incident = opened(folder)
    print("open", incident.entries[0].digest, flush=True)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    count = int(os.environ.get("ENTRIES", "1000000"))
    for number in range(count):
        entry = await incident.note(f"note {number} " + "x" * (number % 7 * 300))
        incident.record(EntryKind.FINDING_OPENED, f"finding {number}", target="orders-db")
        print("entry", entry.digest, incident.degraded, flush=True)
    incident.close()
    print("end", incident.head, incident.degraded, flush=True)


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
