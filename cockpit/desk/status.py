"""The header's facts, from memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cockpit.connect.role import Role
from cockpit.incident.record import Incident
from cockpit.sweep import PlaceStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskStatus:
    """Where this is, who looks, and how the looking goes."""

    environment: str
    """The configuration's environment: `prod`."""
    account: str
    """The AWS account once it is known; empty until then, several joined by `+`."""
    region: str
    """The region, several joined by `+`."""
    role: Role
    """The role of this cockpit, for its whole life."""
    actor: str
    """Who sits here."""
    probes: int
    """How many (target, probe) pairs are looked at."""
    calls: int
    """API calls made so far."""
    usd: float
    """Their estimated cost."""
    throttled: int
    """Calls that AWS throttled so far."""
    usd_per_hour: float = 0.0
    """What an hour like this moment costs."""
    budget: float = 0.0
    """What an hour may cost; 0: nothing that is looked at costs anything."""
    metrics_every: int = 0
    """Seconds between two looks at the metrics of what is well, when the budget has slowed them
    down; 0: it has not."""
    spent_on: Mapping[str, float] = field(default_factory=dict)
    """Namespace of metrics (`AWS/RDS`) → its part of `usd_per_hour`."""
    places: Mapping[str, PlaceStatus] = field(default_factory=dict)
    """Name → every account and region of the configuration."""
    sweep_took: float | None
    """Seconds of the last full sweep; None while the first one runs."""
    sweep_progress: tuple[int, int] | None
    """(looks ended, looks of this sweep) while one runs; None between sweeps."""
    degraded: str
    """Why the record or the engine works only in part, for a red banner; empty when all is well."""
    redirected: str = ""
    """Where AWS is asked when our configuration does not say so, for a banner; empty: at AWS."""
    only_watches: str = ""
    """Why this cockpit adds nothing to the record and runs nothing; empty when it may."""
    watching: int = 0
    """How many other cockpits follow; not known yet for a single machine, so 0."""


def only_watches(incident: Incident) -> str:
    """Why a cockpit takes no part in an incident, for its banner; empty when it does."""
    if not incident.watching:
        return ""
    if incident.holder:
        return f"{incident.holder} holds {incident.id}: this cockpit only watches, in triage"
    return f"this cockpit only watches {incident.id}: cockpit resume takes part"
