"""Standbys and slots: how far behind, where it is stuck, what is kept for whom.

Source: PostgreSQL documentation, pg_stat_replication, pg_replication_slots, pg_stat_wal_receiver;
catalogue of findings 2.4 (PG-REPL) and 2.6. Bytes are the truth: the time columns freeze, and stay
small while replay is paused. Needs: role `pg_monitor`; without it the rows are there, empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Offer, Row, Table
from cockpit.units import count, duration, size
from probes._postgres import GRANT

MIB, GIB = 2**20, 2**30
_RUNBOOK = "database-replication"

REPLICATION = """
SELECT json_build_object('at', clock_timestamp(), 'recovery', pg_is_in_recovery(),
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
 'receiver', (SELECT row_to_json(w) FROM (
     SELECT status, slot_name,
            extract(epoch FROM clock_timestamp() - last_msg_receipt_time) AS last_msg_s
       FROM pg_stat_wal_receiver) AS w),
 'replay', CASE WHEN pg_is_in_recovery() THEN json_build_object(
     'backlog_b', greatest(0, pg_wal_lsn_diff(pg_last_wal_receive_lsn(),
                                              pg_last_wal_replay_lsn())),
     'replay_lsn', pg_last_wal_replay_lsn()::text,
     'last_commit_age_s', extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()),
     'paused', pg_is_wal_replay_paused()) END) AS replication
FROM (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
             ELSE pg_current_wal_lsn() END AS lsn) AS cur
"""


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
    replay_lsn: str | None = None
    last_commit_age_s: float | None = None
    paused: bool = False

    @property
    def lag_s(self) -> float | None:
        """Seconds behind: 0 when everything that came is replayed, None before any commit."""
        return self.last_commit_age_s if self.backlog_b else 0.0


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
    gone: tuple[str, ...] = ()
    """Standbys that we saw streaming before and that are not connected now."""


@dataclass(frozen=True, slots=True)
class ReplicationRow:
    """How the statement gives it."""

    replication: Replication


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds in bytes and seconds."""

    lag_bytes: Thresholds = Thresholds(warning=64 * MIB, high=GIB)
    lag_seconds: Thresholds = Thresholds(warning=10, high=60, critical=300)
    slot_retained: Thresholds = Thresholds(warning=5 * GIB, high=20 * GIB)
    silent_standby: float = 30
    silent_primary: float = 60
    stalled_looks: int = 3
    standbys: int = 0
    """How many standbys must be streaming; 0: those that were seen before."""


async def collect(postgres: SqlReads, target: Target) -> Replication:
    """Read both sides in one round trip."""
    rows = await postgres.rows(REPLICATION, into=ReplicationRow)
    if not rows:
        raise BlindError(Reason.UNREADABLE, "the server gave no row for its own state")
    return rows[0].replication


def since(before: Replication, now: Replication) -> Replication:
    """Notice standbys that left and replay that stands still."""
    if now.recovery != before.recovery:
        return now
    known = {sender.name: sender for sender in before.senders}
    present = {sender.name for sender in now.senders}
    gone = {*before.gone, *(name for name in known if name and name not in _passing(name))}
    senders = tuple(
        replace(sender, stalled=_stalled(known.get(sender.name), sender)) for sender in now.senders
    )
    return replace(now, senders=senders, gone=tuple(sorted(gone - present)))


def _passing(name: str) -> set[str]:
    """Names of senders that are meant to leave."""
    return {name} if name in {"pg_basebackup", "pg_receivewal"} else set()


def _stalled(before: Sender | None, now: Sender) -> int:
    still = (
        before is not None
        and bool(now.apply_b)
        and now.replay_lsn is not None
        and before.replay_lsn == now.replay_lsn
    )
    return before.stalled + 1 if still and before is not None else 0


def diagnose(look: Replication, settings: Settings) -> Iterator[Finding]:
    """Judge the link, the lag and the slots."""
    yield from _down(look, settings)
    for sender in look.senders:
        yield from _sender_lag(sender, settings)
    yield from _standby_lag(look, settings)
    for slot in look.slots:
        yield from _slot(slot, settings)
    if look.senders and not look.sees_all:
        yield Finding(
            "PG_OBS_BLIND",
            Severity.INFO,
            f"role '{look.role}' may not see how far the standbys are",
            next=GRANT.format(role=look.role),
        )


def _down(look: Replication, settings: Settings) -> Iterator[Finding]:
    for name in look.gone:
        yield _link_down(f"standby {visible(name, 40)} is not connected any more", subject=name)
    streaming = sum(1 for sender in look.senders if sender.state in {"streaming", "catchup"})
    if look.sees_all and streaming < settings.standbys and not look.gone:
        yield _link_down(f"{streaming} of {settings.standbys} standbys are streaming", subject="")
    for sender in look.senders:
        if (sender.reply_age_s or 0) > settings.silent_standby:
            yield _link_down(
                f"standby {_name(sender)} has not replied for {duration(sender.reply_age_s or 0)}",
                subject=_name(sender),
            )
    if not look.recovery:
        return
    if look.receiver is None:
        yield replace(
            _link_down("this standby is not connected to its primary", subject="receiver"),
            fact=False,
        )
    elif (look.receiver.last_msg_s or 0) > settings.silent_primary:
        yield _link_down(
            f"the primary has been silent for {duration(look.receiver.last_msg_s or 0)}",
            subject="receiver",
        )


def _link_down(summary: str, *, subject: str) -> Finding:
    return Finding(
        "PG_REPL_DOWN",
        Severity.CRITICAL,
        summary,
        subject=visible(subject, 60),
        likely=("the standby stopped", "the network between them", "its WAL was removed already"),
        next="look at the standby itself, then at its slot on the primary",
        runbook=_RUNBOOK,
    )


def _name(sender: Sender) -> str:
    return visible(sender.name or sender.address or f"pid {sender.pid}", 40)


def _sender_lag(sender: Sender, settings: Settings) -> Iterator[Finding]:
    grades = [settings.lag_bytes.grade(sender.total_b)]
    if (sender.total_b or 0) > MIB:
        grades.append(settings.lag_seconds.grade(sender.replay_s))
    severity = max((grade for grade in grades if grade), default=None)
    if severity is not None:
        yield Finding(
            "PG_REPL_LAG",
            severity,
            f"standby {_name(sender)} is {size(sender.total_b or 0)} behind: {sender.stage}",
            subject=_name(sender),
            evidence=(
                Evidence("behind", sender.total_b, "bytes", settings.lag_bytes.first),
                Evidence("not sent", sender.unsent_b, "bytes"),
                Evidence("on the way", sender.net_b, "bytes"),
                Evidence("not flushed", sender.flush_b, "bytes"),
                Evidence("not replayed", sender.apply_b, "bytes"),
                Evidence("replay lag", sender.replay_s, "s", settings.lag_seconds.first),
            ),
            next="the stage with the most bytes says where to look",
            runbook=_RUNBOOK,
            fact=False,
        )
    if sender.stalled >= settings.stalled_looks:
        yield _stalled_finding(_name(sender), sender.apply_b, paused=False)


def _stalled_finding(name: str, backlog: float | None, *, paused: bool) -> Finding:
    return Finding(
        "PG_REPL_APPLY_STALLED",
        Severity.HIGH,
        f"replay of {name} {'is paused' if paused else 'stands still'} with "
        f"{size(backlog or 0)} to replay",
        subject=name,
        evidence=(Evidence("not replayed", backlog, "bytes"),),
        likely=(
            ("somebody paused replay",)
            if paused
            else ("replay was paused", "a long query on the standby conflicts with recovery")
        ),
        next="resume replay" if paused else "long queries on the standby; is replay paused?",
        runbook=_RUNBOOK,
    )


def _standby_lag(look: Replication, settings: Settings) -> Iterator[Finding]:
    replay = look.replay
    if replay is None:
        return
    if replay.paused:
        yield _stalled_finding("this standby", replay.backlog_b, paused=True)
    grades = (settings.lag_bytes.grade(replay.backlog_b), settings.lag_seconds.grade(replay.lag_s))
    severity = max((grade for grade in grades if grade), default=None)
    if severity is not None:
        yield Finding(
            "PG_REPL_LAG",
            severity,
            f"this standby has {size(replay.backlog_b or 0)} to replay, "
            f"{duration(replay.lag_s or 0)} behind",
            subject="replay",
            evidence=(
                Evidence("to replay", replay.backlog_b, "bytes", settings.lag_bytes.first),
                Evidence("behind", replay.lag_s, "s", settings.lag_seconds.first),
            ),
            likely=("replay is paused",) if replay.paused else ("long queries hold replay up",),
            next="resume replay" if replay.paused else "long queries on this standby",
            runbook=_RUNBOOK,
            fact=False,
        )


def _slot(slot: Slot, settings: Settings) -> Iterator[Finding]:
    name = visible(slot.name, 60)
    if slot.wal_status == "lost":
        yield Finding(
            "PG_SLOT_LOST",
            Severity.CRITICAL,
            f"slot {name} lost its WAL: its {'standby' if slot.type == 'physical' else 'consumer'} "
            "must be built anew",
            subject=name,
            evidence=(
                Evidence("active", "yes" if slot.active else "no"),
                *(
                    (Evidence("because", visible(slot.invalidated, 40)),)
                    if slot.invalidated
                    else ()
                ),
                *_idle(slot),
            ),
            next="rebuild the standby or consumer; then drop the slot",
            runbook=_RUNBOOK,
        )
        return
    severity = settings.slot_retained.grade(slot.retained_b)
    if slot.wal_status == "unreserved":
        severity = Severity.CRITICAL
    if severity is not None:
        yield Finding(
            "PG_SLOT_RETAIN",
            severity,
            f"slot {name} keeps {size(slot.retained_b or 0)} of WAL"
            + ("" if slot.active else " and nobody reads it"),
            subject=name,
            evidence=(
                Evidence("kept", slot.retained_b, "bytes", settings.slot_retained.first),
                Evidence("until it is lost", slot.safe_wal_size, "bytes"),
                Evidence("active", "yes" if slot.active else "no"),
                Evidence("type", slot.type),
                *_idle(slot),
            ),
            likely=("a dead consumer (DMS, Debezium)", "a standby that was removed"),
            next="find its consumer; dropping the slot cannot be undone",
            runbook=_RUNBOOK,
        )


def _idle(slot: Slot) -> tuple[Evidence, ...]:
    told = slot.inactive_s is not None
    return (Evidence("nobody reads it for", slot.inactive_s, "s"),) if told else ()


def facts(look: Replication) -> Iterator[Fact]:
    """How far behind, then who follows."""
    if look.replay is not None:
        backlog = look.replay.backlog_b
        behind = "unknown" if backlog is None else f"{size(backlog)} behind"
        yield Fact("standby", behind, backlog, "bytes")
        yield Fact("replay", "paused" if look.replay.paused else "running")
    else:
        lags = [sender.total_b for sender in look.senders if sender.total_b is not None]
        names = count(len(look.senders), "standby", "standbys")
        worst = max(lags, default=None)
        tail = f", {size(worst)} behind" if worst is not None else ""
        yield Fact("replication", f"{names}{tail}", worst, "bytes")
    retained = max((slot.retained_b or 0 for slot in look.slots), default=0)
    if look.slots:
        yield Fact("kept for slots", size(retained), retained, "bytes")


_STANDBYS = (
    Column("standby", 24),
    Column("address", 16),
    Column("state", 12),
    Column("sync", 8),
    Column("not sent", 10, right=True),
    Column("on the way", 10, right=True),
    Column("not flushed", 11, right=True),
    Column("not replayed", 12, right=True),
    Column("replied", 10, right=True),
)
_SLOTS = (
    Column("slot", 28),
    Column("type", 10),
    Column("active", 8),
    Column("keeps", 12, right=True),
    Column("status"),
)
_RESUME = Offer(
    key="r",
    label="resume replay",
    kind="sql",
    call="resume_replay",
    args={},
    risk="low",
    effect="lets replay go on",
)


def tables(look: Replication, settings: Settings) -> Iterator[Table]:
    """Standbys of a primary, or the replay of a standby; then the slots."""
    if look.replay is not None:
        yield _replay_table(look.replay, look.receiver)
    if look.senders or not look.recovery:
        yield Table(
            title="Standbys",
            columns=_STANDBYS,
            rows=tuple(_standby_row(sender, settings) for sender in look.senders),
            note=tuple(f"{visible(name, 40)} is not connected any more" for name in look.gone),
        )
    yield Table(
        title="Replication slots",
        columns=_SLOTS,
        rows=tuple(_slot_row(slot, settings) for slot in look.slots),
    )


def _replay_table(replay: Replay, receiver: Receiver | None) -> Table:
    heard = receiver.last_msg_s if receiver else None
    rows = {
        "to replay": _bytes(replay.backlog_b),
        "replay": "paused" if replay.paused else "running",
        "link": (receiver.status or "hidden") if receiver else "none",
        "primary heard": "unknown" if heard is None else f"{duration(heard)} ago",
    }
    return Table(
        title="Replay",
        columns=(Column("what", 18), Column("value")),
        rows=tuple(Row(key=name, cells=(name, value)) for name, value in rows.items()),
        best=(_RESUME,) if replay.paused else (),
    )


def _standby_row(sender: Sender, settings: Settings) -> Row:
    return Row(
        key=_name(sender),
        cells=(
            _name(sender),
            sender.address or "",
            sender.state or "hidden",
            sender.sync_state or "",
            _bytes(sender.unsent_b),
            _bytes(sender.net_b),
            _bytes(sender.flush_b),
            _bytes(sender.apply_b),
            "" if sender.reply_age_s is None else duration(max(0.0, sender.reply_age_s)),
        ),
        severity=settings.lag_bytes.grade(sender.total_b),
    )


def _slot_row(slot: Slot, settings: Settings) -> Row:
    return Row(
        key=slot.name,
        cells=(
            visible(slot.name, 60),
            slot.type,
            "yes" if slot.active else "no",
            _bytes(slot.retained_b),
            slot.wal_status or "unknown",
        ),
        severity=settings.slot_retained.grade(slot.retained_b),
    )


def _bytes(value: float | None) -> str:
    return "unknown" if value is None else size(value)


PROBE = Probe(
    id="postgres.replication",
    kind="postgres",
    collect=collect,
    diagnose=diagnose,
    snapshot=Replication,
    settings=Settings(),
    every=10,
    timeout=8,
    facts=facts,
    tables=tables,
    since=since,
    needs=("GRANT pg_monitor",),
    codes=(
        "PG_REPL_LAG",
        "PG_REPL_DOWN",
        "PG_REPL_APPLY_STALLED",
        "PG_SLOT_RETAIN",
        "PG_SLOT_LOST",
        "PG_OBS_BLIND",
    ),
)
