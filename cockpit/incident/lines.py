"""An incident in one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentLine:
    """An incident as the list of incidents and the header show it."""

    id: str
    """`INC-2026-0042`."""
    title: str
    severity: str
    """`P0` to `P3`."""
    status: str
    """`investigating` … `closed`."""
    opened_at: datetime
    entries: int = 0
    """How many lines its journal has."""
    live: bool = False
    """Another cockpit has it open now."""
