"""Standbys and slots: how far behind, where it is stuck, what is kept for whom.

Source: PostgreSQL documentation, pg_stat_replication, pg_replication_slots, pg_stat_wal_receiver;
catalogue of findings 2.4 (PG-REPL) and 2.6. Bytes are the truth: the time columns freeze, and stay
small while replay is paused. Needs: role `pg_monitor`; without it the rows are there, empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from cockpit.units import count, duration, size
from probes.began import MEASURED, ago
from probes.postgres.commits import commit_findings, long_commit, still_waiting
from probes.postgres.kin import system_of
from probes.postgres.model import GRANT, partly
from probes.postgres.pauses import beside
from probes.postgres.recovery import points
from probes.postgres.replay import (
    MIB,
    amount,
    replay_findings,
    replay_table,
    stalled_finding,
)
from probes.postgres.replication_model import (
    READERS,
    REPLICATION,
    Gone,
    PostgresReplication,
    Reader,
    Replay,
    ReplicationRow,
    Sender,
)
from probes.postgres.slots import slot_findings, slots_table
from probes.postgres.subscriptions import (
    COUNTED_FROM,
    ERRORS,
    SubscriptionErrors,
    compared,
    subscription_findings,
    subscriptions_table,
    with_errors,
)

GIB = 2**30
_LEFT = 60
"""Seconds without a word after which an Aurora reader has left."""
_KEPT = timedelta(hours=1)
"""How long a standby that left stays a finding: it may have been taken away on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds in bytes and seconds."""

    lag_bytes: Thresholds = Thresholds(warning=64 * MIB, high=GIB)
    lag_seconds: Thresholds = Thresholds(warning=10, high=60, critical=300)
    slot_retained: Thresholds = Thresholds(warning=5 * GIB, high=20 * GIB)
    silent_standby: float = 30
    silent_primary: float = 60
    silent_publisher: Thresholds = Thresholds(warning=60, high=180)
    """Seconds in which a subscription takes nothing."""
    reader_lag: Thresholds = Thresholds(warning=1, high=10)
    """Of Aurora's readers, which are below a tenth of a second when all is well."""
    stalled_looks: int = 3
    sync_wait: Thresholds = Thresholds(critical=5)
    """Seconds that one commit is seen to wait for a synchronous standby that follows."""
    standbys: int = 0
    """How many standbys must be streaming; 0: those that were seen before."""


async def collect(postgres: SqlReads, target: Target) -> PostgresReplication:
    """Read both sides in one round trip; on Aurora a second one for its readers."""
    rows = await postgres.rows(REPLICATION, into=ReplicationRow)
    if not rows:
        raise BlindError(Reason.UNREADABLE, "the server gave no row for its own state")
    look = rows[0].replication
    if look.subscriptions and look.version >= COUNTED_FROM:
        errors = await postgres.rows(ERRORS, into=SubscriptionErrors)
        look = replace(look, subscriptions=with_errors(look.subscriptions, errors))
    if not look.aurora:
        return replace(look, system=await system_of(postgres))
    unread: list[str] = []
    readers = await partly(
        postgres.rows(READERS, into=Reader),
        "Aurora's readers",
        unread,
        but_for=(Reason.UNSUPPORTED, Reason.DENIED),
    )
    return replace(look, readers=tuple(readers), unread=tuple(unread))


def since(before: PostgresReplication, now: PostgresReplication) -> PostgresReplication:
    """Notice standbys that left and replay that stands still."""
    if now.recovery != before.recovery:
        return now
    known = {sender.pid: sender for sender in before.senders}
    senders = tuple(
        replace(sender, stalled=_sender_stalled(known.get(sender.pid), sender))
        for sender in now.senders
    )
    replay = now.replay
    if replay is not None:
        replay = replace(replay, stalled=_replay_stalled(before.replay, replay))
    sync = still_waiting(before.sync, now.sync, (now.at - before.at).total_seconds())
    subscriptions = compared(before.subscriptions, now.subscriptions, now.at)
    now = replace(now, senders=senders, replay=replay, sync=sync, subscriptions=subscriptions)
    return replace(now, gone=_gone(before, now))


def _gone(before: PostgresReplication, now: PostgresReplication) -> tuple[Gone, ...]:
    """Who followed and does not, by name and address: as many of them as are missing."""
    missed = [each for each in before.gone if now.at - each.at < _KEPT]
    if not now.sees_all:
        return tuple(missed)
    expected = Counter(sender.place for sender in before.senders if sender.name and sender.follows)
    expected.update((each.name, each.address) for each in missed)
    here = Counter(sender.place for sender in now.senders if sender.follows or sender.state is None)
    gone: list[Gone] = []
    for (name, address), number in (expected - here).items():
        first = [each for each in missed if (each.name, each.address) == (name, address)]
        new = Gone(name=name, address=address, at=now.at)
        gone += (first + [new] * number)[:number]
    return tuple(sorted(gone, key=lambda each: (each.name, each.address or "", each.at)))


def _sender_stalled(before: Sender | None, now: Sender) -> int:
    still = (
        before is not None
        and bool(now.apply_b)
        and now.replay_lsn is not None
        and before.replay_lsn == now.replay_lsn
    )
    return before.stalled + 1 if still and before is not None else 0


def _replay_stalled(before: Replay | None, now: Replay) -> int:
    still = (
        before is not None
        and bool(now.backlog_b)
        and bool(before.backlog_b)
        and now.replay_lsn is not None
        and before.replay_lsn == now.replay_lsn
    )
    return before.stalled + 1 if still and before is not None else 0


def diagnose(look: PostgresReplication, settings: Settings) -> Iterator[Finding]:
    """Judge the link, the lag and the slots.

    PG_OBS_BLIND: A part could not be read: the role may not see how far the standbys are, or a view
    answers otherwise than known. What is hidden is unknown, not in step.
    """
    yield from _down(look, settings)
    yield from commit_findings(look, settings.sync_wait)
    yield from _readers(look, settings)
    for sender in look.senders:
        yield from _sender_lag(sender, settings)
    if look.replay is not None:
        yield from replay_findings(
            look.replay,
            look.pause,
            lag_bytes=settings.lag_bytes,
            lag_seconds=settings.lag_seconds,
            stalled_looks=settings.stalled_looks,
        )
    yield from _slots(look, settings)
    yield from subscription_findings(look.subscriptions, settings.silent_publisher, look.at)
    if look.unread:
        yield Finding(
            "PG_OBS_BLIND",
            Severity.INFO,
            "this server answers otherwise than known: " + "; ".join(look.unread),
            subject="parts",
            likely=("a version that is newer than this cockpit", "a right that is missing"),
            next="the rest is seen; look there by hand",
        )
    if look.sync is not None and look.sync.number and not look.sees_all:
        yield Finding(
            "PG_OBS_BLIND",
            Severity.INFO,
            f"role '{look.role}' may not see whether commits wait for their synchronous standby",
            subject="synchronous commits",
            evidence=(Evidence("synchronous_standby_names wants", visible(look.sync.wanted, 120)),),
            next=GRANT.format(role=look.role),
        )
    if look.senders and not look.sees_all:
        yield Finding(
            "PG_OBS_BLIND",
            Severity.INFO,
            f"role '{look.role}' may not see how far the standbys are",
            next=GRANT.format(role=look.role),
        )


def _slots(look: PostgresReplication, settings: Settings) -> Iterator[Finding]:
    for slot in look.slots:
        yield from slot_findings(slot, settings.slot_retained, look.at)


def _down(look: PostgresReplication, settings: Settings) -> Iterator[Finding]:
    for (name, address), number in Counter((e.name, e.address) for e in look.gone).items():
        who = _called(name, address)
        many = f"{number} standbys {who} do" if number > 1 else f"standby {who} does"
        yield _follower(look, f"{many} not follow any more", subject=who)
    streaming = sum(1 for sender in look.senders if sender.state in {"streaming", "catchup"})
    if look.sees_all and streaming < settings.standbys and not look.gone:
        yield _follower(
            look, f"{streaming} of {settings.standbys} standbys are streaming", subject=""
        )
    for sender in look.senders:
        if (sender.reply_age_s or 0) > settings.silent_standby:
            yield _follower(
                look,
                f"{_standby(sender)} has not replied for {duration(sender.reply_age_s or 0)}",
                subject=_name(sender),
                silent_s=sender.reply_age_s,
            )
    if not look.recovery or look.aurora:
        return
    if look.receiver is None:
        yield replace(
            _link_down("this standby is not connected to its primary", subject="receiver"),
            fact=False,
        )
    elif (look.receiver.last_msg_s or 0) > settings.silent_primary:
        yield replace(
            _link_down(
                f"the primary has been silent for {duration(look.receiver.last_msg_s or 0)}",
                subject="receiver",
            ),
            began=ago(look.at, look.receiver.last_msg_s),
            resolution=MEASURED,
        )


def _follower(
    look: PostgresReplication, summary: str, *, subject: str, silent_s: float | None = None
) -> Finding:
    """See `_link_down`: of one that follows this server, which may be a standby itself."""
    finding = _link_down(summary, subject=subject)
    if silent_s is not None:
        finding = replace(finding, began=ago(look.at, silent_s), resolution=MEASURED)
    if not look.recovery:
        return finding
    where = "look at that standby itself, then at its slot here, at the standby that it follows"
    return replace(finding, next=where)


def _link_down(summary: str, *, subject: str) -> Finding:
    """A standby or consumer that should be connected is not.

    Nothing more arrives there: its readers see the past, and it cannot take over. On the primary
    its slot keeps the WAL until it comes back, which fills the disk.
    """
    return Finding(
        "PG_REPL_DOWN",
        Severity.CRITICAL,
        summary,
        subject=visible(subject, 60),
        likely=("the standby stopped", "the network between them", "its WAL was removed already"),
        next="look at the standby itself, then at its slot on the primary",
    )


def _name(sender: Sender) -> str:
    return _called(sender.name, sender.address) or f"pid {sender.pid}"


def _standby(sender: Sender) -> str:
    name = _name(sender)
    return name if name.startswith("standby") else f"standby {name}"


def _called(name: str | None, address: str | None) -> str:
    """Many standbys have the same name, that of the default: the address tells them apart."""
    return " ".join(visible(part, 40) for part in (name, address) if part)


def _tells(reader: Reader) -> bool:
    """Is a reader that is still there: one that left ages in the list."""
    return not reader.writer and (reader.told_s or 0) <= _LEFT


def _readers(look: PostgresReplication, settings: Settings) -> Iterator[Finding]:
    """A reader of Aurora is late; it reads the writer's storage, so seconds are much.

    Its readers see the past. One that stays late is restarted by the service, and its sessions are
    dropped.
    """
    for reader in look.readers:
        severity = settings.reader_lag.grade(reader.lag_s) if _tells(reader) else None
        if severity is not None:
            yield Finding(
                "PG_REPL_LAG",
                severity,
                f"reader {visible(reader.name, 40)} is {duration(reader.lag_s or 0)} behind",
                subject=visible(reader.name, 40),
                evidence=(
                    Evidence("behind", reader.lag_s, "s", settings.reader_lag.first),
                    Evidence("replay takes", reader.replay_s, "s"),
                ),
                likely=("the writer writes more than it can apply", "long queries on the reader"),
                next="its processor and long queries; one that lags for long restarts by itself",
                fact=False,
            )


def _sender_lag(sender: Sender, settings: Settings) -> Iterator[Finding]:
    """A standby is behind: its readers see the past, and a failover to it loses what is missing.

    The stages tell where it is stuck: not sent (the network), not written (its disk), not replayed
    (its long queries). Judged by bytes, and by seconds only when there is something to replay,
    since the time grows on an idle server.
    """
    grades = [settings.lag_bytes.grade(sender.total_b)]
    if (sender.total_b or 0) > MIB:
        grades.append(settings.lag_seconds.grade(sender.replay_s))
    severity = max((grade for grade in grades if grade), default=None)
    if severity is not None:
        yield Finding(
            "PG_REPL_LAG",
            severity,
            f"{_standby(sender)} is {size(sender.total_b or 0)} behind: {sender.stage}",
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
            fact=False,
        )
    if sender.stalled >= settings.stalled_looks:
        yield stalled_finding(_name(sender), sender.apply_b)


def facts(look: PostgresReplication, _: Settings) -> Iterator[Fact]:
    """How far behind, then who follows."""
    if look.replay is not None:
        linked = look.receiver is not None  # without it nobody knows what has not come yet
        backlog = look.replay.backlog_b if linked else None
        behind = "unknown" if backlog is None else f"{size(backlog)} behind"
        yield Fact("standby", behind, backlog, "bytes")
        yield Fact("replay", "paused" if look.replay.paused else "running")
    elif look.aurora:
        late_s = [each.lag_s for each in look.readers if _tells(each) and each.lag_s is not None]
        late = max(late_s, default=None)
        tail = f", {duration(late)} behind" if late is not None else ""
        yield Fact("replication", f"{count(len(late_s), 'reader')}{tail}", late, "s")
    else:
        lags = [sender.total_b for sender in look.senders if sender.total_b is not None]
        names = count(len(look.senders), "standby", "standbys")
        worst = max(lags, default=None)
        tail = f", {size(worst)} behind" if worst is not None else ""
        yield Fact("replication", f"{names}{tail}", worst, "bytes")
    retained = max((slot.retained_b or 0 for slot in look.slots), default=0)
    if look.subscriptions:
        yield Fact("subscriptions", _subscribed(look), len(look.subscriptions))
    if look.slots:
        yield Fact("kept for slots", size(retained), retained, "bytes")


def _subscribed(look: PostgresReplication) -> str:
    running = sum(1 for each in look.subscriptions if 0 < each.enabled <= each.workers)
    return f"{running} of {len(look.subscriptions)} apply"


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


def tables(look: PostgresReplication, settings: Settings) -> Iterator[Table]:
    """Standbys of a primary, or the replay of a standby; then the slots."""
    if look.replay is not None:
        yield replay_table(look.replay, look.receiver, look.pause)
    if look.aurora:
        yield _readers_table(look, settings)
    if look.senders or not (look.recovery or look.aurora):
        yield Table(
            title="Standbys",
            columns=_STANDBYS,
            rows=tuple(_standby_row(sender, settings) for sender in look.senders),
            note=tuple(
                f"{_called(each.name, each.address)} does not follow any more" for each in look.gone
            ),
        )
    if look.subscriptions:
        yield subscriptions_table(look.subscriptions, settings.silent_publisher)
    yield slots_table(look.slots, settings.slot_retained)


def _readers_table(look: PostgresReplication, settings: Settings) -> Table:
    return Table(
        title="Aurora's instances",
        columns=(
            Column("instance", 30),
            Column("role", 8),
            Column("behind", 10, right=True),
            Column("told", 10, right=True),
        ),
        rows=tuple(
            Row(
                key=each.name,
                cells=(
                    visible(each.name, 60),
                    "writer" if each.writer else "reader",
                    "" if each.lag_s is None else duration(each.lag_s),
                    "" if each.told_s is None else f"{duration(max(0.0, each.told_s))} ago",
                ),
                severity=settings.reader_lag.grade(each.lag_s) if _tells(each) else None,
            )
            for each in look.readers
        ),
    )


def _standby_row(sender: Sender, settings: Settings) -> Row:
    return Row(
        key=f"{_name(sender)} {sender.pid}",
        cells=(
            visible(sender.name or f"pid {sender.pid}", 40),
            sender.address or "",
            sender.state or "hidden",
            sender.sync_state or "",
            amount(sender.unsent_b),
            amount(sender.net_b),
            amount(sender.flush_b),
            amount(sender.apply_b),
            "" if sender.reply_age_s is None else duration(max(0.0, sender.reply_age_s)),
        ),
        severity=settings.lag_bytes.grade(sender.total_b),
    )


PROBE = Probe(
    id="postgres.replication",
    kind="postgres",
    collect=collect,
    diagnose=diagnose,
    snapshot=PostgresReplication,
    settings=Settings(),
    every=10,
    timeout=8,
    facts=facts,
    tables=tables,
    points=points,
    since=since,
    again=lambda look, settings: long_commit(look.sync, settings.sync_wait.first),
    beside=beside,
    needs=("GRANT pg_monitor",),
    codes=codes(
        cause=(
            "PG_REPL_LAG",
            "PG_REPL_DOWN",
            "PG_REPL_APPLY_STALLED",
            "PG_REPL_SYNC_WAIT",
            "PG_SLOT_LOST",
            "PG_SUB_DOWN",
            "PG_SUB_CONFLICT",
            "PG_SUB_STALLED",
        ),
        risk=("PG_SLOT_RETAIN",),
        eye=("PG_OBS_BLIND",),
    ),
)
