"""Who is connected and what they do: slots, idle transactions, long statements, role, restarts.

Source: PostgreSQL documentation, pg_stat_activity; catalogue of findings 2.4 and 2.6.
Needs: role `pg_monitor`. Without it nothing fails: state, times and text of others are hidden. That
is reported as PG_OBS_BLIND, and what is hidden counts as unknown, not as idle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from cockpit.connect.pace import Pace
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.text import visible
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Table
from cockpit.units import count, duration
from probes.began import MEASURED, ago
from probes.gains import still_told
from probes.postgres.identity import identity, sight, writes
from probes.postgres.model import Session, partly
from probes.postgres.prepared import prepared_findings
from probes.postgres.pulse import PULSE, Pulse, PulseRow
from probes.postgres.rush import answers, look_again, rush_findings, rushes
from probes.postgres.sessions_model import LockHolder, PostgresSessions
from probes.postgres.snapshots import SNAPSHOTS, SnapshotWait, snapshot_findings
from probes.postgres.view import sessions_table
from probes.refusals import POSTGRES_REFUSALS
from probes.statement import statement

SESSIONS = statement("postgres", "sessions.sql")
HOLDERS = statement("postgres", "sessions_holders.sql")
"""Who holds a lock in a mode that another's wish conflicts with (documentation, "Table-Level
Locks"): others may hold the same table and hold nobody up. 13 does not tell when a wait began. NULL
is 0 here so that the join can hash: 350 who wait among 8,000 locks take 10 ms instead of 180.
"""
MOST = 500
_LONG_COMMIT = 1.0
_EACH = 5
"""Sessions that get a finding of their own for one code; the table shows the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds. Shares are of the slots that applications may use, the rest is seconds."""

    connections_used: Thresholds = Thresholds(warning=0.8, high=0.9, critical=0.97)
    few_free: int = 5
    """Fewer free slots than this are critical, on servers with at least ten times as many."""
    one_client: float = 0.5
    idle_in_transaction: Thresholds = Thresholds(warning=60, high=300)
    idle_blocker: float = 30
    """Seconds that an idle transaction holds others up before it is critical."""
    long_query: Thresholds = Thresholds(warning=60, high=300)
    long_transaction: Thresholds = Thresholds(warning=600, high=3600)
    prepared: Thresholds = Thresholds(high=600)
    logins: Thresholds = Thresholds(warning=100)
    """Sessions that begin and end per second between two looks, twice running."""
    rollbacks: Thresholds = Thresholds(warning=50)
    """Per second between two looks, twice running."""
    rollback_share: float = 0.5
    """Rollbacks per commit then."""
    allowed_applications: tuple[str, ...] = ("pg_dump", "pg_dumpall", "pg_basebackup")
    """Applications whose statements may take long."""


async def collect(postgres: SqlReads, target: Target) -> PostgresSessions:
    """Read the pulse, then the busiest sessions, then who holds others up: mostly two trips."""
    pulses = await postgres.rows(PULSE, into=PulseRow)
    if not pulses:
        raise BlindError(Reason.UNREADABLE, "the server gave no row for its own state")
    pulse = pulses[0].pulse
    unread: list[str] = []
    newer = (Reason.UNSUPPORTED,)
    asked = postgres.rows(SESSIONS, (MOST,), into=Session)
    sessions = await partly(asked, "the sessions", unread, but_for=newer)
    holders: list[LockHolder] = []
    if pulse.lock_waiters:
        blockers = postgres.rows(HOLDERS, into=LockHolder)
        holders = await partly(blockers, "who holds others up", unread, but_for=newer)
    snapshots: list[SnapshotWait] = []
    if any(session.deferring for session in sessions):
        waits = postgres.rows(SNAPSHOTS, into=SnapshotWait)
        snapshots = await partly(waits, "safe snapshots", unread, but_for=newer)
    pace = getattr(postgres, "pace", None)
    settings = target.settings
    assert isinstance(settings, PostgresSettings)
    return PostgresSessions(
        pulse=pulse,
        sessions=tuple(sessions),
        holders=tuple(holders),
        snapshots=tuple(snapshots),
        expects=settings.expects,
        pooler=settings.pooler or bool(getattr(postgres, "pooled", False)),
        unread=tuple(unread),
        slow_s=pace.slow if isinstance(pace, Pace) else None,
    )


def since(before: PostgresSessions, now: PostgresSessions) -> PostgresSessions:
    """Notice a restart or a change of role between two looks; remember it for ten minutes."""
    at = now.pulse.at
    old, new = before.pulse.server, now.pulse.server
    restarted, crashed = still_told(before.restarted, at), before.crashed
    if new.started != old.started:
        restarted, crashed = new.started, False
    elif new.born and old.born and new.born != old.born:
        restarted, crashed = new.born, True
    flipped = (
        at if now.pulse.recovery != before.pulse.recovery else still_told(before.role_changed, at)
    )
    seconds = (at - before.pulse.at).total_seconds()
    return replace(
        now,
        restarted=restarted,
        crashed=crashed and restarted is not None,
        role_changed=flipped,
        gained=rushes(before.pulse.counted or (), now.pulse.counted or (), seconds),
    )


def wakes(look: PostgresSessions) -> Iterator[str]:
    """Commits that wait for a standby are replication's to tell: nothing ends that wait."""
    if any(each.committing and (each.query_s or 0) >= _LONG_COMMIT for each in look.sessions):
        yield "postgres.replication"


def diagnose(look: PostgresSessions, settings: Settings) -> Iterator[Finding]:
    """Say what is wrong with the sessions as a whole, then with each that stands out."""
    yield from sight(look)
    yield from identity(look)
    yield from _saturation(look.pulse, settings)
    yield from _one_client(look.pulse, settings)
    yield from _idle_transactions(look, settings)
    yield from _long(look, settings)
    here = {session.pid: session for session in look.sessions}
    yield from snapshot_findings(here, look.snapshots, settings.long_query, at=look.pulse.at)
    yield from prepared_findings(look.pulse, settings.prepared)
    yield from rush_findings(look.gained, settings)


def _saturation(pulse: Pulse, settings: Settings) -> Iterator[Finding]:
    """Connection slots are nearly used up.

    When none is left, applications get `too many clients already` (53300) and fail at once. Slots
    that are reserved for administrators are not counted as usable. The crowd is often a symptom:
    sessions pile up behind a lock, so look at who waits for whom before raising a limit.
    """
    usable, free = pulse.server.usable, pulse.server.usable - pulse.used
    severity = settings.connections_used.grade(pulse.share)
    if free < settings.few_free and usable >= 10 * settings.few_free:
        severity = Severity.CRITICAL
    if severity is None:
        return
    waiting = pulse.lock_waiters
    tail = f", {count(waiting, 'session')} {'waits' if waiting == 1 else 'wait'} on a lock"
    first = settings.connections_used.first
    yield Finding(
        "PG_SAT_CONNECTIONS",
        severity,
        f"{pulse.used} of {pulse.server.max_connections} connections used"
        + (tail if waiting else ""),
        evidence=(
            Evidence("connections", pulse.used, limit=first and round(first * usable)),
            Evidence("free for applications", max(0, free)),
            Evidence("waiting on a lock", waiting),
            *(Evidence(name, n) for name, n in sorted(pulse.by_state.items())),
            *(Evidence(f"sessions of {_who(c)}", c.n) for c in pulse.by_client[:3]),
        ),
        likely=_causes(pulse),
        next="who waits for whom, then the client with the most sessions",
        fact=severity is Severity.CRITICAL,
    )


def _causes(pulse: Pulse) -> tuple[str, ...]:
    causes = {
        "sessions pile up behind a lock": pulse.lock_waiters,
        "a leak: sessions that are opened and not closed": pulse.by_state.get("idle", 0),
        "a deployment or scale-out just now": pulse.recent,
        "statements became slow": pulse.by_state.get("active", 0) - pulse.lock_waiters,
    }
    return tuple(sorted((c for c, n in causes.items() if n > 0), key=lambda c: -causes[c]))


def _one_client(pulse: Pulse, settings: Settings) -> Iterator[Finding]:
    """One client holds a large part of all connections.

    When it leaks or scales out, everybody is shut out. A server of one application looks so when
    all is well: information, and a warning once the others have no room left.
    """
    full = settings.connections_used.grade(pulse.share) is not None
    for client in pulse.by_client[:2] if pulse.server.usable >= 10 else ():
        if client.n > settings.one_client * pulse.server.usable:
            yield Finding(
                "PG_SAT_ONE_CLIENT",
                Severity.WARNING if full else Severity.INFO,
                f"{_who(client)} holds {client.n} of {pulse.server.max_connections} connections",
                subject=_who(client),
                evidence=(
                    Evidence("its sessions", client.n, limit=pulse.server.usable / 2),
                    Evidence("its idle sessions", client.idle),
                    Evidence("its idle transactions", client.idle_tx),
                ),
                likely=("its pool is larger than the database can take", "a leak in it"),
                next="call its owners; its idle sessions can be ended",
                fact=False,
            )


def _who(client: object) -> str:
    app = getattr(client, "app", None) or getattr(client, "usename", None) or "unknown"
    address = getattr(client, "address", None)
    return visible(f"{app} from {address}" if address else str(app), 60)


def _idle_transactions(look: PostgresSessions, settings: Settings) -> Iterator[Finding]:
    holds = {holder.pid: holder.held_s or 0.0 for holder in look.holders}
    graded: list[tuple[Severity, Session]] = []
    for session in look.sessions:
        if not session.idle_in_transaction:
            continue
        if _spared(session, settings) and session.pid not in holds:
            continue
        severity = settings.idle_in_transaction.grade(session.state_s)
        if holds.get(session.pid, 0.0) >= settings.idle_blocker:
            severity = Severity.CRITICAL
        if severity is not None:
            graded.append((severity, session))
    graded.sort(key=lambda pair: (-pair[0].rank, -(pair[1].state_s or 0)))
    for severity, session in graded[:_EACH]:
        yield _idle_transaction(severity, session, settings, holds=holds, at=look.pulse.at)


def _idle_transaction(
    severity: Severity,
    session: Session,
    settings: Settings,
    *,
    holds: dict[int, float],
    at: datetime,
) -> Finding:
    """A session has a transaction open and does nothing in it.

    It keeps its locks, and holds back vacuum. A cancel does nothing to it, since it runs no
    statement; only its end releases what it holds. Worse when others wait for it; harmless when it
    has written nothing and holds no snapshot.
    """
    blocks = session.pid in holds
    harmless = not (blocks or session.has_xid or session.has_xmin)
    advice = "terminate it: a cancel does nothing, it runs no statement"
    if _spared(session, settings):
        who = session.protected or "an application that may take long"
        advice = f"ask its owner ({who}) before anything is ended"
    return Finding(
        "PG_SESS_IDLE_TX",
        severity,
        f"pid {session.pid} ({session.name}) is idle in transaction for "
        f"{duration(session.state_s or 0)}" + (" and holds others up" if blocks else ""),
        subject=f"pid {session.pid}",
        evidence=(
            Evidence("idle for", session.state_s, "s", settings.idle_in_transaction.first),
            Evidence("transaction open for", session.xact_s, "s"),
            Evidence("others wait for it since", holds.get(session.pid), "s"),
            Evidence("has written", "yes" if session.has_xid else "no"),
            Evidence("holds back vacuum", "yes" if session.has_xmin else "no"),
            Evidence("last statement", str(session.query or "")),
        ),
        likely=(
            "the application waits for something else inside a transaction",
            "a connection that was taken and forgotten",
            "a person's open psql",
        ),
        against=(
            "it has written nothing and holds back no vacuum; only a schema change waits for it",
        )
        if harmless
        else (),
        next=advice,
        began=ago(at, session.state_s),
        resolution=MEASURED,
    )


def _spared(session: Session, settings: Settings) -> bool:
    """Is protected, or may take as long as it likes."""
    return bool(session.protected) or session.application_name in settings.allowed_applications


def _works(session: Session, settings: Settings) -> bool:
    """Does an application's work that may be judged by its length, and waits for nobody."""
    return (
        not _spared(session, settings)
        and session.wait_type != "Lock"  # a victim
        and not session.committing  # told where the standby is
        and not session.deferring  # has not begun yet
        and not session.idle_in_transaction  # reported as such
        and session.backend_type in {None, "client backend"}
        and not _maintenance(session)
    )


def derive(look: PostgresSessions, settings: Settings) -> PostgresSessions:
    """With the one that a runbook's step may cancel: never an application that may take long."""
    works = [s for s in look.sessions if s.state == "active" and _works(s, settings)]
    longest = max(works, key=lambda session: session.query_s or 0, default=None)
    return replace(look, longest=longest)


def _long(look: PostgresSessions, settings: Settings) -> Iterator[Finding]:
    queries, transactions = [], []
    for session in look.sessions:
        if not _works(session, settings):
            continue
        slow = settings.long_query.grade(session.query_s) if session.state == "active" else None
        old = settings.long_transaction.grade(session.xact_s)
        if slow is not None:
            queries.append((slow, session))
        elif old is not None and (session.has_xid or session.has_xmin):
            transactions.append((old, session))
    queries.sort(key=lambda pair: -(pair[1].query_s or 0))
    transactions.sort(key=lambda pair: -(pair[1].xact_s or 0))
    at = look.pulse.at
    yield from (_long_query(severity, s, settings, at=at) for severity, s in queries[:_EACH])
    yield from (
        _long_transaction(severity, s, settings, at=at) for severity, s in transactions[:_EACH]
    )


def _maintenance(session: Session) -> bool:
    words = str(session.query or "").upper().split(maxsplit=2)[:2]
    return bool(words) and (
        words[0] in {"COPY", "VACUUM", "REFRESH", "REINDEX", "ANALYZE", "CLUSTER", "REPACK"}
        or words[:2] in (["CREATE", "INDEX"], ["CREATE", "UNIQUE"])
        or words[:2] == ["WAIT", "FOR"]  # 19: for replay to come that far; it runs nothing
    )


def _long_query(
    severity: Severity, session: Session, settings: Settings, *, at: datetime
) -> Finding:
    """One statement has been running for long.

    It uses a processor, or waits for what the evidence names, and it holds back vacuum. Backups and
    other protected sessions are not judged.
    """
    return Finding(
        "PG_SESS_LONG_QUERY",
        severity,
        f"pid {session.pid} ({session.name}) runs one statement for "
        f"{duration(session.query_s or 0)}",
        subject=f"pid {session.pid}",
        evidence=(
            Evidence("running for", session.query_s, "s", settings.long_query.first),
            Evidence("waits for", session.wait_event or "nothing: on the CPU"),
            Evidence("statement", str(session.query or "")),
        ),
        likely=("a changed plan", "a report on the wrong server", "missing index"),
        next="cancel it first; terminate it if it is still there after 10 s",
        began=ago(at, session.query_s),
        resolution=MEASURED,
    )


def _long_transaction(
    severity: Severity, session: Session, settings: Settings, *, at: datetime
) -> Finding:
    """A transaction has been open for long, whatever it does.

    It holds back vacuum for every table, and keeps every lock that it took.
    """
    return Finding(
        "PG_SESS_LONG_XACT",
        severity,
        f"pid {session.pid} ({session.name}) keeps a transaction open for "
        f"{duration(session.xact_s or 0)}",
        subject=f"pid {session.pid}",
        evidence=(
            Evidence("open for", session.xact_s, "s", settings.long_transaction.first),
            Evidence("has written", "yes" if session.has_xid else "no"),
            Evidence("holds back vacuum", "yes" if session.has_xmin else "no"),
        ),
        likely=("a batch job in one transaction",),
        next="ask its owner; it holds back vacuum and its locks",
        began=ago(at, session.xact_s),
        resolution=MEASURED,
    )


def facts(look: PostgresSessions, limits: Settings) -> Iterator[Fact]:
    """Whether clients are answered, then connections, who waits, works and idles."""
    pulse = look.pulse
    yield answers(look.gained, pulse)
    yield Fact(
        "connections",
        f"{pulse.used}/{pulse.server.max_connections}",
        pulse.used,
        severity=limits.connections_used.grade(pulse.share),
    )
    yield Fact("waiting on a lock", str(pulse.lock_waiters), pulse.lock_waiters)
    hidden = bool(pulse.hidden)
    active = None if hidden else pulse.by_state.get("active", 0)
    yield Fact("active", "unknown" if active is None else str(active), active)
    idle_tx = None if hidden else pulse.idle_tx
    yield Fact("idle in transaction", "unknown" if idle_tx is None else str(idle_tx), idle_tx)
    if pulse.xact_max_s is not None:
        yield Fact("longest transaction", duration(pulse.xact_max_s), pulse.xact_max_s, "s")
    yield Fact("role", "standby" if pulse.recovery else "primary")
    yield from writes(pulse)
    yield Fact("server", pulse.server.name)


def tables(look: PostgresSessions, settings: Settings) -> Iterator[Table]:
    """The sessions, the busiest first."""
    yield sessions_table(
        look.pulse,
        look.sessions,
        unread=look.unread,
        idle=settings.idle_in_transaction,
        query=settings.long_query,
    )


def changes(look: PostgresSessions, target: str) -> Iterable[Change]:
    """A restart or change of role that happened between two of our looks."""
    source = "postgres.sessions"
    if look.restarted is not None:
        yield Change(
            at=look.restarted,
            kind="postgres.restart",
            target=target,
            summary="a server process crashed: all sessions were dropped"
            if look.crashed
            else "the server was restarted",
            source=source,
        )
    if look.role_changed is not None:
        became = "standby" if look.pulse.recovery else "primary"
        yield Change(
            at=look.role_changed,
            kind="postgres.role",
            target=target,
            summary=f"the server became {became}",
            source=source,
        )


PROBE = Probe(
    id="postgres.sessions",
    kind="postgres",
    collect=collect,
    diagnose=diagnose,
    snapshot=PostgresSessions,
    derive=derive,
    settings=Settings(),
    every=5,
    timeout=8,
    facts=facts,
    tables=tables,
    changes=changes,
    since=since,
    again=lambda look, settings: look_again(look.gained, settings),
    wakes=wakes,
    needs=("GRANT pg_monitor",),
    leads=True,
    codes=codes(
        cause=(
            "PG_SAT_ONE_CLIENT",
            "PG_SESS_IDLE_TX",
            "PG_SESS_LONG_QUERY",
            "PG_SESS_LONG_XACT",
            "PG_PREP_ORPHAN",
            "PG_ROLE_WRONG",
            "PG_READ_ONLY",
        ),
        event=("PG_ROLE_CHANGED", "PG_RESTARTED"),
        either=("PG_SAT_CONNECTIONS", "PG_CONN_CHURN", "PG_TX_ROLLBACKS"),
        eye=("PG_OBS_BLIND", "PG_OBS_SLOW", "PG_OBS_VIA_POOLER"),
        traits={
            Trait.LOAD: ("PG_SAT_CONNECTIONS", "PG_CONN_CHURN"),
            Trait.HELD: ("PG_SESS_IDLE_TX", "PG_SESS_LONG_XACT"),
            Trait.SLOW_BURN: ("PG_SAT_CONNECTIONS", "PG_SAT_ONE_CLIENT"),
        },
        more=POSTGRES_REFUSALS,
    ),
)
