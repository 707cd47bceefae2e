"""What can be set for the looks at changes."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times are seconds."""

    running: Thresholds = Thresholds(warning=0, critical=1800)
    """How long a deployment, a refresh or a stack is under way."""
    waits: Thresholds = Thresholds(warning=900, critical=1800)
    """How long a deployment waits or fails before it is called stuck."""
    denied: Thresholds = Thresholds(warning=20, critical=200)
    """Refused writes of one principal within `denied_within`."""
    denied_within: float = 600
    launches: Thresholds = Thresholds(warning=1, critical=3)
    """Failed launches of a group within 15 minutes."""
    rolled_back: float = 3600
    """How long a stack that rolled back is told."""
    own_principals: tuple[str, ...] = ()
    """Names of principals whose refused calls are expected: the role that looks, scanners."""
    admin_ports: tuple[int, ...] = (
        22, 1433, 1521, 2375, 3306, 3389, 5432, 5439, 5601, 5900, 5985, 6379, 9200, 11211, 27017,
    )  # fmt: skip
    """Ports that nobody opens to the whole internet on purpose."""
