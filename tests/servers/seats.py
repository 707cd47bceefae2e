"""A commander before real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from cockpit.config import Config
from cockpit.connect.role import Role
from cockpit.connect.settings import AwsSite
from cockpit.desk.desk import Desk
from cockpit.incident.incident import Incidents
from cockpit.incident.record import Incident
from cockpit.runbooks.library import Library, library
from cockpit.triage.registry import registry
from cockpit.triage.target import Target


@asynccontextmanager
async def seated(
    targets: Sequence[Target],
    folder: Path,
    settings: Mapping[str, object],
    *,
    shelf: Library | None = None,
    incident: Incident | None = None,
    places: Mapping[str, AwsSite] | None = None,
) -> AsyncIterator[Desk]:
    """A commander's desk before the servers. It looks when it is asked to. `incident`: None for one
    of its own.
    """
    config = Config(
        path=folder / "cockpit.toml",
        environment="test",
        role=Role.COMMANDER,
        targets=tuple(targets),
        places=places or {},
        settings=settings,
    )
    incident = incident or Incidents(folder).create(
        "drill", "P1", environment="test", role=Role.COMMANDER, actor="ana"
    )
    desk = Desk(
        config,
        incident,
        role=Role.COMMANDER,
        actor="ana",
        probes=registry(),
        library=shelf or library(),
    )
    try:
        yield desk
    finally:
        await desk.close()
        await desk.engine.stop()
