"""The incidents of a folder: list, create, resume, watch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cockpit import clock
from cockpit.connect.role import Role
from cockpit.errors import Misconfigured
from cockpit.incident.entry import Entry, Kind
from cockpit.incident.journal import MemoryJournal
from cockpit.incident.record import Author, Incident
from cockpit.incident.severity import Level
from cockpit.incident.state import State, Status

__all__ = ["Incident", "Incidents", "Summary", "data_folder"]


def data_folder() -> Path:
    """Where journals are: `COCKPIT_DATA`, else the user's data folder of the platform."""
    named = os.environ.get("COCKPIT_DATA", "")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_data_dir("cockpit", appauthor=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One line of the list of incidents."""

    id: str
    state: State
    entries: int
    last_at: datetime | None
    """When the last entry was written; None for an empty journal."""
    holder: str = ""
    """Who has it open now; empty when nobody does."""
    damage: str = ""
    """Why the journal cannot be read (all of it); empty when it can."""

    @property
    def title(self) -> str:
        """The newest title."""
        return self.state.title

    @property
    def severity(self) -> Level:
        """P0 to P3."""
        return self.state.severity

    @property
    def status(self) -> Status:
        """How far the handling is."""
        return self.state.status


class Incidents:
    """The journals of one folder, one file an incident."""

    def __init__(self, folder: Path | None = None, *, spare: Path | None = None) -> None:
        """`folder` None: `data_folder()`. `spare` is where entries go while it fails."""
        self.folder = folder or data_folder()
        self.spare = spare
        self._made: dict[str, list[Entry]] = {}

    def list(self) -> tuple[Summary, ...]:
        """Every incident, the newest first."""
        return ()

    def create(
        self,
        title: str,
        severity: Level | str,
        *,
        environment: str,
        role: Role,
        actor: str,
    ) -> Incident:
        """Open a new incident with the next free id. Raises `Misconfigured` for the severity."""
        level = Level.read(severity)
        name = f"INC-{clock.now().year}-{len(self._made) + 1:04d}"
        entries = self._made[name] = []
        author = Author.here(actor, role)
        incident = Incident(name, author, journal=MemoryJournal(), entries=entries)
        data = {"id": name, "title": title, "severity": level, "environment": environment}
        incident.record(Kind.OPENED, title, data=data)
        return incident

    def resume(self, name: str, *, role: Role, actor: str) -> Incident:
        """Go on with an incident; a watcher when another cockpit holds it.

        `name` may be shortened (`42`), or be empty when exactly one is open. Raises
        `Misconfigured` when there is no such incident.
        """
        return Incident(
            name,
            Author.here(actor, role),
            journal=MemoryJournal(),
            entries=self._made[self.find(name)],
        )

    def watch(self, name: str) -> Incident:
        """Follow an incident without taking part. Raises as `resume` does."""
        return self.resume(name, role=Role.TRIAGE, actor="watcher")

    def find(self, name: str) -> str:
        """The full id of a shortened one. Raises `Misconfigured` with what there is."""
        if name not in self._made:
            raise Misconfigured(f"no incident {name!r}")
        return name
