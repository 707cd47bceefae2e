"""What a look at PostgreSQL's replication gives: senders, slots, the standby's link and replay.

Aurora has no standbys that are sent WAL: what asks for one's own place in it is an error there
(SQLSTATE 0A000), so it is not asked; its readers are told by `aurora_replica_status()`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from probes.postgres.subscriptions import LogicalSubscription
from probes.statement import statement

_FOLLOWS = frozenset({"streaming", "catchup"})
_PASSING = re.compile(r"^pg_basebackup$|^pg_receivewal$|_sync_\d+")
"""Names of senders that are meant to leave."""

_NUMBER = re.compile(r"(?i)\s*(?:first\s+|any\s+)?(\d+)\s*\(")
"""`FIRST 2 (a, b)`, `ANY 1 (a, b)`, `2 (a, b)`; without a number it is one."""

REPLICATION = statement("postgres", "replication.sql")
READERS = """
SELECT server_id AS name, session_id = 'MASTER_SESSION_ID' AS writer,
       replica_lag_in_msec::float8 / 1000 AS lag_s,
       cur_replay_latency_in_usec::float8 / 1000000 AS replay_s,
       extract(epoch FROM clock_timestamp() - last_update_timestamp)::float8 AS told_s
  FROM aurora_replica_status() ORDER BY server_id LIMIT 50
"""
"""Aurora alone has the function; a reader that left stays in it for a while, and ages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One standby, seen from its primary. Bytes; None: hidden, or not told yet."""

    pid: int
    name: str | None = None
    address: str | None = None
    state: str | None = None
    sync_state: str | None = None
    replay_lsn: str | None = None
    unsent_b: float | None = None
    net_b: float | None = None
    flush_b: float | None = None
    apply_b: float | None = None
    total_b: float | None = None
    replay_s: float | None = None
    reply_age_s: float | None = None
    stalled: int = 0
    """Looks in a row in which replay stood still while there was something to replay."""

    @property
    def follows(self) -> bool:
        """Sends what a standby replays: no base backup, no first copy of a subscription's table."""
        return self.state in _FOLLOWS and not _PASSING.search(self.name or "")

    @property
    def place(self) -> tuple[str, str | None]:
        """Who it is, also after a reconnect: many standbys have the name that is the default."""
        return (self.name or "", self.address)

    @property
    def stage(self) -> str:
        """Where most of the lag is: what to look at."""
        stages = {
            "not sent yet: the primary or its network": self.unsent_b,
            "on the way: the network": self.net_b,
            "not flushed: the standby's disk": self.flush_b,
            "not replayed: the standby's replay": self.apply_b,
        }
        return max(stages, key=lambda stage: stages[stage] or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A replication slot. `retained_b`: WAL that is kept for it; None: nothing, or lost."""

    name: str
    type: str
    database: str | None = None
    active: bool = False
    temporary: bool = False
    wal_status: str | None = None
    safe_wal_size: float | None = None
    retained_b: float | None = None
    restart_lsn: str = ""
    """Where it begins to keep WAL; stands still while nobody reads it. Empty: nowhere."""
    inactive_s: float | None = None
    """Seconds since it was read last; None: it is read now, or the version does not tell (16)."""
    invalidated: str | None = None
    """Why it is lost, from 17 on."""
    conflicting: bool | None = None
    """From 16 on: a logical one that is lost to recovery's work at a standby."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """The standby's link. `last_msg_s`: seconds since the primary was heard."""

    status: str | None = None
    slot_name: str | None = None
    last_msg_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The standby's replay. `last_commit_age_s` also grows while the primary is idle."""

    backlog_b: float | None = None
    """None: nothing was ever received over a link: it is fed from an archive."""
    replay_lsn: str | None = None
    last_commit_age_s: float | None = None
    delay_s: float | None = None
    """How far behind it is meant to be (recovery_min_apply_delay)."""
    target: str | None = None
    """The setting at which a restore pauses, to be promoted by a resume; None: at none."""
    paused: bool = False
    last_commit_at: datetime | None = None
    """When the last commit that was replayed was made, by the primary's clock."""
    stalled: int = 0
    """Looks in a row in which replay stood still while there was something to replay."""

    @property
    def lag_s(self) -> float | None:
        """Seconds behind what is meant: 0 when everything that came is replayed, None before any
        commit, or when it is unknown what came.
        """
        if not self.backlog_b:
            return None if self.backlog_b is None else 0.0
        if self.last_commit_age_s is None:
            return None
        return max(0.0, self.last_commit_age_s - (self.delay_s or 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """An instance of an Aurora cluster, by its own word. `told_s`: seconds since it said so."""

    name: str
    writer: bool = False
    lag_s: float | None = None
    replay_s: float | None = None
    told_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCommit:
    """A session that has committed here and waits for its synchronous standby."""

    pid: int
    name: str | None = None
    began: datetime | None = None
    """Of its statement; the wait itself began later."""
    query_s: float | None = None
    seen_s: float = 0.0
    """Seconds since we saw the same statement wait first; 0 at the first look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReplication:
    """What commits of a primary wait for: `wanted` as the setting has it, empty for nothing."""

    wanted: str = ""
    waiting: tuple[WaitingCommit, ...] = ()
    level: str | None = None
    """`synchronous_commit` of new sessions; None: hidden behind a setting of our own role."""

    @property
    def waits(self) -> bool:
        """Commits wait for standbys, unless they say otherwise themselves."""
        return self.level not in {"off", "local"}

    @property
    def number(self) -> int:
        """How many synchronous standbys a commit needs."""
        if not self.wanted.strip():
            return 0
        said = _NUMBER.match(self.wanted)
        return int(said.group(1)) if said else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """A setting of a standby that is smaller than at its primary."""

    name: str
    here: int
    there: int

    @property
    def says(self) -> str:
        """For a sentence."""
        return f"{self.name} is {self.here} here and {self.there} there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Why replay stands still, and how that is known."""

    why: str
    """`parameter`, `target`, `person`, or `unknown`."""
    primary: str = ""
    """The target that was compared with; empty: none is known."""
    below: tuple[Below, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A standby that followed and does not any more, noticed `at`."""

    name: str
    address: str | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresReplication:
    """One look, at a primary or at a standby."""

    at: datetime
    recovery: bool
    role: str
    sees_all: bool
    senders: tuple[Sender, ...]
    slots: tuple[Slot, ...]
    receiver: Receiver | None = None
    replay: Replay | None = None
    gone: tuple[Gone, ...] = ()
    """Standbys that we saw streaming before and that do not stream now; kept for an hour."""
    aurora: bool = False
    readers: tuple[Reader, ...] = ()
    """Of an Aurora cluster; its writer is among them."""
    unread: tuple[str, ...] = ()
    """Parts that this server does not give as expected, and why."""
    version: int = 0
    started: datetime | None = None
    """When its postmaster began."""
    settings: dict[str, int] = field(default_factory=dict)
    """Those that a standby may not have smaller than its primary."""
    system: str = ""
    """The number that a primary and its copies share; empty: the role may not read it."""
    sync: SyncReplication | None = None
    """None: a standby, or Aurora."""
    subscriptions: tuple[LogicalSubscription, ...] = ()
    """What this server takes from publishers; none at a standby, which applies nothing."""
    pause: Pause | None = None
    """None: replay is not paused, or nobody has looked beside."""

    @property
    def confirming(self) -> int:
        """Standbys whose word a commit counts now."""
        return sum(1 for sender in self.senders if sender.sync_state in {"sync", "quorum"})

    @property
    def commits_hang(self) -> bool:
        """Fewer standbys than a commit needs follow. False also when the role cannot see."""
        needed = self.sync.number if self.sync is not None else 0
        return self.sees_all and self.confirming < needed


@dataclass(frozen=True, slots=True)
class ReplicationRow:
    """How the statement gives it."""

    replication: PostgresReplication
