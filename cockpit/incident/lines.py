"""A line of the list of incidents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentLine:
    """An incident as the list shows it."""

    id: str
    title: str
    severity: str
    status: str
    opened_at: datetime
    entries: int = 0
    live: bool = False
    """Another cockpit has it open now."""
