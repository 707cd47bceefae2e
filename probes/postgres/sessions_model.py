"""What a look at PostgreSQL's sessions gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from probes.postgres.model import Session
from probes.postgres.pulse import Pulse
from probes.postgres.rush import Rush
from probes.postgres.snapshots import SnapshotWait


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """A session that holds a lock another waits for, for `held_s` seconds (None: unknown)."""

    pid: int
    held_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSessions:
    """One look. `sessions` are the busiest, at most 500."""

    pulse: Pulse
    sessions: tuple[Session, ...]
    holders: tuple[LockHolder, ...] = ()
    snapshots: tuple[SnapshotWait, ...] = ()
    longest: Session | None = None
    """Who runs one statement for longest, besides those that wait, are protected or may."""
    expects: str = "any"
    pooler: bool = False
    restarted: datetime | None = None
    """When a restart was seen between two of our looks; None: none."""
    crashed: bool = False
    """That restart was of its processes alone: the postmaster lives, one of them crashed."""
    role_changed: datetime | None = None
    gained: tuple[Rush, ...] = ()
    """What databases counted since the pulse before; empty: nothing to compare with."""
    unread: tuple[str, ...] = ()
    """Parts that this server does not give as expected, and why."""
    slow_s: float | None = None
    """Seconds of a statement of ours that was slow twice running; None: all are fast."""
