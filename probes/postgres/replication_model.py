"""What a look at PostgreSQL's replication gives: senders, slots, the standby's link and replay.

Aurora has no standbys that are sent WAL: what asks for one's own place in it is an error there
(SQLSTATE 0A000), so it is not asked; its readers are told by `aurora_replica_status()`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_FOLLOWS = frozenset({"streaming", "catchup"})
_PASSING = re.compile(r"^pg_basebackup$|^pg_receivewal$|_sync_\d+")
"""Names of senders that are meant to leave."""

REPLICATION = """
SELECT json_build_object('at', clock_timestamp(), 'recovery', pg_is_in_recovery(),
 'aurora', engine.aurora,
 'role', current_user, 'sees_all', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
 'senders', coalesce((SELECT json_agg(r) FROM (
     SELECT pid, application_name AS name, host(client_addr) AS address, state, sync_state,
            replay_lsn::text AS replay_lsn,
            pg_wal_lsn_diff(cur.lsn, sent_lsn) AS unsent_b,
            pg_wal_lsn_diff(sent_lsn, write_lsn) AS net_b,
            pg_wal_lsn_diff(write_lsn, flush_lsn) AS flush_b,
            pg_wal_lsn_diff(flush_lsn, replay_lsn) AS apply_b,
            pg_wal_lsn_diff(cur.lsn, replay_lsn) AS total_b,
            extract(epoch FROM replay_lag) AS replay_s,
            extract(epoch FROM clock_timestamp() - reply_time) AS reply_age_s
       FROM pg_stat_replication ORDER BY application_name, pid LIMIT 50) AS r), '[]'),
 'slots', coalesce((SELECT json_agg(s) FROM (
     SELECT slot_name AS name, slot_type AS type, database, active, temporary, wal_status,
            safe_wal_size, pg_wal_lsn_diff(cur.lsn, restart_lsn) AS retained_b,
            coalesce(restart_lsn::text, '') AS restart_lsn,
            extract(epoch FROM clock_timestamp() - f.since) AS inactive_s, f.reason AS invalidated
       FROM (SELECT NULL::timestamptz AS inactive_since, NULL::text AS invalidation_reason) AS n
      CROSS JOIN LATERAL (SELECT slot_name, slot_type, database, active, temporary, wal_status,
                 safe_wal_size, restart_lsn, inactive_since AS since, invalidation_reason AS reason
            FROM pg_replication_slots) AS f
      ORDER BY slot_name LIMIT 100) AS s), '[]'),
 'receiver', CASE WHEN NOT engine.aurora THEN (SELECT row_to_json(w) FROM (
     SELECT status, slot_name,
            extract(epoch FROM clock_timestamp() - last_msg_receipt_time) AS last_msg_s
       FROM pg_stat_wal_receiver) AS w) END,
 'replay', CASE WHEN NOT engine.aurora AND pg_is_in_recovery() THEN json_build_object(
     'backlog_b', CASE WHEN pg_last_wal_receive_lsn() IS NOT NULL THEN greatest(0,
         pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())) END,
     'replay_lsn', pg_last_wal_replay_lsn()::text,
     'delay_s', (SELECT setting::float8 / 1000 FROM pg_settings
                  WHERE name = 'recovery_min_apply_delay'),
     'target', (SELECT min(name) FROM pg_settings
                 WHERE name IN ('recovery_target', 'recovery_target_lsn', 'recovery_target_name',
                                'recovery_target_time', 'recovery_target_xid') AND setting <> ''
                   AND current_setting('recovery_target_action') = 'pause'),
     'last_commit_age_s', extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()),
     'paused', pg_is_wal_replay_paused()) END) AS replication
FROM (SELECT to_regproc('pg_catalog.aurora_version') IS NOT NULL AS aurora) AS engine
CROSS JOIN LATERAL (SELECT CASE WHEN engine.aurora THEN NULL
       WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
       ELSE pg_current_wal_lsn() END AS lsn) AS cur
"""
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
class Gone:
    """A standby that followed and does not any more, noticed `at`."""

    name: str
    address: str | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
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


@dataclass(frozen=True, slots=True)
class ReplicationRow:
    """How the statement gives it."""

    replication: Replication
