"""The header's facts, from memory."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.connect.role import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """See `screens.port.StatusPort` for what each means."""

    environment: str
    account: str
    region: str
    role: Role
    actor: str
    probes: int
    calls: int
    usd: float
    throttled: int
    sweep_took: float | None
    sweep_progress: tuple[int, int] | None
    degraded: str
    watching: int = 0
    """How many other cockpits follow; not known yet for a single machine, so 0."""
