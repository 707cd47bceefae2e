"""What can be set for the looks at changes."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Thresholds
from cockpit.triage.together import SILENT_AT, ZONE_ELSEWHERE, ZONE_LEAST, ZONE_SICK


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedSettings:
    """Scores are between 0 and 1: risk × time × relation × actor × outcome."""

    warning: float = 0.3
    critical: float = 0.6
    """Only for a change on what fails, or on what that needs directly."""
    zone_sick: float = ZONE_SICK
    """Share of a zone's nodes, instances and targets that are sick."""
    zone_elsewhere: float = ZONE_ELSEWHERE
    """Share of those of the other zones, below which it is the zone."""
    zone_least: int = ZONE_LEAST
    """Sick ones in a zone, of at least two targets, below which nothing is told."""
    services: Thresholds = Thresholds(warning=3, critical=6)
    """Services of a place that do not answer, all within two minutes."""
    one_service: Thresholds = Thresholds(warning=SILENT_AT)
    """Targets of a place that one service alone leaves blind, or without a part of their look."""
    most: int = 3
    """Of how many changes it is told, the most suspected first."""
