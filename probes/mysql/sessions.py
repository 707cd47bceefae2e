"""Who is connected to MySQL or MariaDB and what they do: slots, open transactions, long statements.

Source: catalogue of findings 3.4 and 3.5. Needs: PROCESS; without it only our own session is seen,
which is MY_OBS_BLIND, while slots and counters are always visible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.text import visible
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Row, Table
from cockpit.units import count, duration
from probes.answers import slow_answers
from probes.began import COUNTED, MEASURED, ago, dated, told
from probes.gains import severity_of, still_told
from probes.mysql.galera import (
    GALERA_CODES,
    galera_facts,
    galera_findings,
    since_galera,
    with_rejects,
)
from probes.mysql.model import MysqlReads, MysqlServer, Thread, offers, read_server
from probes.mysql.semi_sync import SEMI_SYNC_CODES, semi_sync_findings, with_settings
from probes.mysql.states import (
    STATE_CODES,
    NamedLock,
    answers,
    looked_at_again,
    read_named_locks,
    state_facts,
    wait_findings,
)
from probes.mysql.status import ServerStatus, StatusRates, rates_of, read_status, restarted
from probes.mysql.threads import COLUMNS, read_threads
from probes.refusals import MYSQL_REFUSALS

_RUNBOOK, _SLOW = "mysql-locks", "mysql-long-queries"
_EACH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlSessions:
    """One look. `threads` None: the role may not see them."""

    server: MysqlServer
    status: ServerStatus
    threads: tuple[Thread, ...] | None
    longest: Thread | None = None
    """Who runs one statement for longest, besides those that wait, change a schema, or are
    protected.
    """
    named_locks: tuple[NamedLock, ...] = ()
    """Who waits in GET_LOCK, and for whom."""
    expects: str = "any"
    slow_s: float | None = None
    """Seconds of a statement of ours that was slow twice running; None: all are fast."""
    rollback_eta: dict[int, float] = field(default_factory=dict)
    """Thread → seconds until its rollback is done, at the pace between two looks."""
    rates: StatusRates | None = None
    restarted: datetime | None = None
    role_changed: datetime | None = None
    moved: datetime | None = None
    """When another server began to answer, with its own name; its counters are not compared."""

    @property
    def share(self) -> float | None:
        """Used connections of all; the spare one of an administrator may make it more than one."""
        if self.status.connected is None:
            return None
        return self.status.connected / max(1, self.server.max_connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds. Shares of one, seconds, or per second."""

    connections_used: Thresholds = Thresholds(warning=0.8, high=0.9, critical=0.97)
    running: Thresholds = Thresholds(warning=25, high=50)
    idle_transaction: Thresholds = Thresholds(warning=60, high=300)
    long_query: Thresholds = Thresholds(warning=60, high=300)
    waiting: Thresholds = Thresholds(warning=5, high=20)
    """For a table as a whole, or a lock by name."""
    waiters: Thresholds = Thresholds(high=5, critical=20)
    waiting_otherwise: Thresholds = Thresholds(warning=10, high=60)
    commit_wait: Thresholds = Thresholds(high=2, critical=5)
    """For a replica that is there and does not acknowledge."""


async def collect(mysql: MysqlReads, target: Target) -> MysqlSessions:
    """Read the server, its counters, and the sessions when the role may see them."""
    server = await read_server(mysql)
    status = await read_status(mysql)
    status = replace(
        status,
        galera=await with_rejects(mysql, status.galera),
        semi_sync=await with_settings(mysql, status.semi_sync),
    )
    settings = target.settings
    assert isinstance(settings, MysqlSettings)
    threads = await read_threads(mysql, server, status)
    return MysqlSessions(
        server=server,
        status=status,
        threads=threads,
        longest=_longest(threads or ()),
        named_locks=await read_named_locks(mysql, threads or ()),
        expects=settings.expects,
        slow_s=mysql.pace.slow,
    )


def _longest(threads: tuple[Thread, ...]) -> Thread | None:
    works = [thread for thread in threads if _works(thread) and not thread.is_schema_change]
    return max(works, key=lambda thread: thread.secs or 0, default=None)


def _works(thread: Thread) -> bool:
    """Runs a statement that nobody protects, and waits for nobody."""
    return thread.running and not thread.protected and not thread.waits


def since(before: MysqlSessions, now: MysqlSessions) -> MysqlSessions:
    """Rates, restarts and changes of role between two looks."""
    at = now.server.at
    seconds = (at - before.server.at).total_seconds()
    other = before.server.hostname != now.server.hostname
    restart = still_told(before.restarted, at)
    if restarted(before.status.uptime, now.status.uptime, seconds):
        restart = at - timedelta(seconds=now.status.uptime or 0)
    flipped = (
        at
        if now.server.is_reader != before.server.is_reader
        else still_told(before.role_changed, at)
    )
    node = None if other else before.status.galera
    return replace(
        now,
        status=replace(now.status, galera=since_galera(node, now.status.galera, at)),
        rates=None if other else rates_of(before.status, now.status, seconds),
        moved=at if other else still_told(before.moved, at),
        restarted=restart,
        role_changed=flipped,
        rollback_eta={} if other else _etas(before, now, seconds),
    )


def _etas(before: MysqlSessions, now: MysqlSessions, seconds: float) -> dict[int, float]:
    """By what the rows still to be undone fell between the looks."""
    earlier = {t.id: t.rows_modified for t in before.threads or () if t.rows_modified}
    etas = {}
    for thread in now.threads or ():
        old, left = earlier.get(thread.id), thread.rows_modified
        if _rolls_back(thread) and old is not None and left is not None and old > left:
            etas[thread.id] = left * seconds / (old - left)
    return etas


def _rolls_back(thread: Thread) -> bool:
    return thread.command == "Killed" or thread.trx_state == "ROLLING BACK"


def diagnose(look: MysqlSessions, settings: Settings) -> Iterator[Finding]:
    """Say what is wrong with the sessions as a whole, then with each that stands out.

    MY_OBS_BLIND: Without PROCESS the account sees its own session only; the number of connections
    is seen.
    """
    if look.threads is None:
        yield Finding(
            "MY_OBS_BLIND",
            Severity.INFO,
            f"{visible(look.server.role, 60)} may not see other sessions: PROCESS is missing",
            likely=("the account was made without PROCESS",),
            next=look.server.grant,
        )
    if look.slow_s is not None:
        yield slow_answers("MY_OBS_SLOW", look.slow_s)
    yield from _identity(look)
    yield from galera_findings(look.status.galera, look.server.at)
    yield from _waits(look, settings)
    yield from _saturation(look, settings)
    for thread in look.threads or ():
        if _rolls_back(thread):
            yield _rollback(thread, look.rollback_eta.get(thread.id))
    yield from _idle(look, settings)
    yield from _long(look, settings)


def _waits(look: MysqlSessions, settings: Settings) -> Iterator[Finding]:
    threads, semi = look.threads or (), look.status.semi_sync
    yield from semi_sync_findings(semi, threads, settings.commit_wait, at=look.server.at)
    yield from wait_findings(
        threads,
        semi,
        look.named_locks,
        waited=settings.waiting,
        crowd=settings.waiters,
        other=settings.waiting_otherwise,
        at=look.server.at,
    )


def _identity(look: MysqlSessions) -> Iterator[Finding]:
    """Which server answers, and whether it is the one that was meant.

    MY_ROLE_WRONG: The name of the writer leads to a server that takes no writes: they all fail with
    1290. After a failover, DNS or a pool still leads to the old one.

    MY_ROLE_CHANGED: The server turned writable or read-only between two looks: a failover, or
    somebody's hand. Pools and names of the applications have to follow.

    MY_RESTARTED: Every session was dropped, and the buffers are cold: the first minutes are slow by
    themselves. When nobody restarted it, it crashed.
    """
    if look.expects == "writer" and look.server.is_reader:
        yield Finding(
            "MY_ROLE_WRONG",
            Severity.CRITICAL,
            "the writer endpoint is answered by a read-only server: writes fail with 1290",
            likely=("stale DNS after a failover", "a failover in progress"),
            next="compare the endpoint's address with the control plane's idea of the writer",
        )
    if look.role_changed is not None:
        became = "read-only" if look.server.is_reader else "writable"
        yield Finding(
            "MY_ROLE_CHANGED",
            severity_of(look.role_changed, look.server.at),
            f"the server became {became} while we looked",
            likely=("a failover", "a change by hand"),
            next="look whether the applications follow the endpoint",
        )
    if look.restarted is not None:
        since = duration((look.server.at - look.restarted).total_seconds())
        yield Finding(
            "MY_RESTARTED",
            severity_of(look.restarted, look.server.at),
            f"the server was restarted {since} ago",
            evidence=(Evidence("up for", look.status.uptime, "s"),),
            likely=("a crash or an out-of-memory kill", "maintenance", "a failover"),
            next="the server's log and the control plane's events of that minute",
            began=told(look.restarted, look.server.at),
            resolution=COUNTED,
        )


def _saturation(look: MysqlSessions, settings: Settings) -> Iterator[Finding]:
    """Connections are nearly used up, or too many sessions run at once.

    MY_SAT_CONNECTIONS: When none is left, applications get error 1040 and fail at once. Critical as
    soon as somebody was refused. The crowd is often a symptom: sessions pile up behind a lock or a
    slow statement.

    MY_SAT_RUNNING: Sessions at work at the same time, not merely connected. Many more than there
    are processors make each other slow; usually one statement is run by all of them, or all wait
    for one lock.
    """
    refused = look.rates.refused if look.rates else None
    severity = Severity.CRITICAL if refused else settings.connections_used.grade(look.share)
    most = look.server.max_connections
    if severity is not None:
        first = settings.connections_used.first
        clients = Counter(thread.name for thread in look.threads or ())
        tail = f"; {refused:.1f} a second are refused" if refused else ""
        yield Finding(
            "MY_SAT_CONNECTIONS",
            severity,
            f"{look.status.connected} of {most} connections used{tail}",
            evidence=(
                Evidence("connections", look.status.connected, limit=first and round(first * most)),
                Evidence("refused", refused, "/s", limit=0),
                Evidence("running", look.status.running),
                *(Evidence(f"sessions of {who}", n) for who, n in clients.most_common(3)),
            ),
            likely=("sessions pile up behind a lock", "a leak of sleeping sessions", "a scale-out"),
            next="who waits for whom, then the user with the most sessions",
            fact=severity is Severity.CRITICAL,
        )
    if severity := settings.running.grade(look.status.running):
        yield Finding(
            "MY_SAT_RUNNING",
            severity,
            f"{look.status.running} sessions run at the same time",
            evidence=(Evidence("running", look.status.running, limit=settings.running.first),),
            likely=("a slow statement that many run", "waits on a lock", "too few processors"),
            next="the statements that run, by time",
            fact=False,
        )


def _rollback(thread: Thread, eta: float | None) -> Finding:
    """A large transaction is being undone.

    It takes as long as it took to write, or longer, and keeps its locks meanwhile. A restart would
    begin it anew after the start, so the only step is to wait.
    """
    left = f", about {duration(eta)} left" if eta is not None else ""
    return Finding(
        "MY_TRX_ROLLBACK",
        Severity.INFO,
        f"thread {thread.id} ({thread.name}) rolls back{left}",
        subject=f"thread {thread.id}",
        evidence=(Evidence("rows left", thread.rows_modified), Evidence("about to take", eta, "s")),
        likely=("a large transaction was killed, or its client went away",),
        next="wait: do not kill it again, do not restart: the restart would do it all again",
    )


def _idle(look: MysqlSessions, settings: Settings) -> Iterator[Finding]:
    """A session has a transaction open and does nothing in it.

    It keeps its row locks, and every row version since it began. The application waits for
    something else inside the transaction, or forgot it. Backups and replication are left out.
    """
    idle = [t for t in look.threads or () if t.sleeping_transaction and not t.protected]
    graded = [(settings.idle_transaction.grade(t.secs), t) for t in idle]
    graded.sort(key=lambda pair: -(pair[1].secs or 0))
    for severity, thread in graded[:_EACH]:
        if severity is not None:
            yield Finding(
                "MY_SESS_IDLE_TRX",
                severity,
                f"thread {thread.id} ({thread.name}) sleeps in a transaction for "
                f"{duration(thread.secs or 0)}",
                subject=f"thread {thread.id}",
                evidence=(
                    Evidence("idle for", thread.secs, "s", settings.idle_transaction.first),
                    Evidence("transaction open for", thread.trx_s, "s"),
                    Evidence("rows modified", thread.rows_modified),
                    Evidence("rows locked", thread.rows_locked),
                ),
                likely=(
                    "the application waits for something else inside a transaction",
                    "a connection that was taken and forgotten",
                ),
                next="kill the connection: KILL QUERY does nothing, it runs no statement",
                began=ago(look.server.at, thread.secs),
                resolution=MEASURED,
            )


def _long(look: MysqlSessions, settings: Settings) -> Iterator[Finding]:
    long = [thread for thread in look.threads or () if _works(thread)]
    long.sort(key=lambda thread: -(thread.secs or 0))
    for thread in long[:_EACH]:
        severity = settings.long_query.grade(thread.secs)
        if severity is not None:
            long_one = _runs_long(thread, severity, settings)
            yield from dated([long_one], ago(look.server.at, thread.secs), MEASURED)


def _runs_long(thread: Thread, severity: Severity, settings: Settings) -> Finding:
    """One statement, or one schema change, has been running for long.

    It uses a processor or waits for a lock, and keeps old row versions alive. A schema change is a
    warning only: ending it throws all its work away.
    """
    what, change = "one statement", thread.is_schema_change
    likely: tuple[str, ...] = ("a changed plan", "a report on the wrong server", "missing index")
    advice = "KILL QUERY first; KILL when it is still there"
    if change:
        what, severity = "a schema change", Severity.WARNING
        likely = ("a release or somebody changes a large table",)
        advice = "ask its owner: killed, all that it did is thrown away, which can take as long"
    return Finding(
        "MY_SESS_LONG_QUERY",
        severity,
        f"thread {thread.id} ({thread.name}) runs {what} for {duration(thread.secs or 0)}",
        subject=f"thread {thread.id}",
        evidence=(
            Evidence("running for", thread.secs, "s", settings.long_query.first),
            Evidence("state", visible(thread.state or "", 80) or None),
            Evidence("statement", str(thread.query or "")),
        ),
        likely=likely,
        next=advice,
    )


def facts(look: MysqlSessions, limits: Settings) -> Iterator[Fact]:
    """Whether clients are answered, then connections, who runs and waits."""
    status = look.status
    yield answers(look.rates, look.threads, rows=status.row_lock_waits)
    connected = "?" if status.connected is None else str(status.connected)
    yield Fact(
        "connections",
        f"{connected}/{look.server.max_connections}",
        status.connected,
        severity=limits.connections_used.grade(look.share),
    )
    if status.running is not None:
        yield Fact("running", str(status.running), status.running)
    if status.row_lock_waits is not None:
        yield Fact("waiting for a row", str(status.row_lock_waits), status.row_lock_waits)
    if look.rates is not None and look.rates.questions is not None:
        yield Fact("statements", f"{look.rates.questions:.0f}/s", look.rates.questions, "/s")
    yield from state_facts(look.threads or ())
    yield from galera_facts(status.galera)
    yield Fact("role", "read-only" if look.server.is_reader else "writable")
    yield Fact("server", look.server.name)


def tables(look: MysqlSessions, settings: Settings) -> Iterator[Table]:
    """The sessions, those with a transaction first."""
    threads = look.threads or ()
    connected = look.status.connected
    yield Table(
        title="Sessions",
        columns=COLUMNS,
        rows=tuple(_row(thread, settings) for thread in threads),
        headline=f"{connected if connected is not None else '?'}/{look.server.max_connections} "
        f"connections · {count(look.status.running or 0, 'session')} running",
        note=(f"other sessions are hidden: {look.server.grant}",) if look.threads is None else (),
    )


def _row(thread: Thread, settings: Settings) -> Row:
    severity = None
    if thread.sleeping_transaction:
        severity = settings.idle_transaction.grade(thread.secs)
    elif thread.running and not thread.protected and not thread.waits:
        severity = settings.long_query.grade(thread.secs)
        if severity and thread.is_schema_change:
            severity = Severity.WARNING
    waits = thread.state if thread.running else ""
    return Row(
        key=thread.key,
        cells=(
            str(thread.id),
            thread.name,
            thread.shown_state,
            visible(waits or "", 60),
            "" if thread.secs is None else duration(max(0, thread.secs)),
            "" if thread.trx_s is None else duration(max(0, thread.trx_s)),
            str(thread.query or ""),
        ),
        severity=severity,
        dim=thread.command == "Sleep" and thread.trx_s is None,
        secret=thread.query,
        offers=offers(thread),
        sort=(thread.id, thread.name, thread.command, waits, thread.secs, thread.trx_s, None),
    )


def changes(look: MysqlSessions, target: str) -> Iterator[Change]:
    """A restart, a change of role or of the server that happened between two of our looks."""
    became = "read-only" if look.server.is_reader else "writable"
    for at, kind, summary in (
        (look.restarted, "mysql.restart", "the server was restarted"),
        (look.role_changed, "mysql.role", f"the server became {became}"),
        (look.moved, "mysql.moved", f"another server answers: {visible(look.server.hostname, 80)}"),
    ):
        if at is not None:
            yield Change(at=at, kind=kind, target=target, summary=summary, source="mysql.sessions")


PROBE = Probe(
    id="mysql.sessions",
    kind="mysql",
    collect=collect,
    diagnose=diagnose,
    snapshot=MysqlSessions,
    settings=Settings(),
    every=5,
    timeout=9,
    facts=facts,
    tables=tables,
    changes=changes,
    since=since,
    again=lambda look, settings: looked_at_again(
        look.threads or (), look.status.semi_sync, settings.waiting.first
    ),
    needs=("GRANT PROCESS",),
    leads=True,
    codes=codes(
        cause=("MY_SESS_IDLE_TRX", "MY_SESS_LONG_QUERY", "MY_ROLE_WRONG"),
        event=("MY_ROLE_CHANGED", "MY_RESTARTED"),
        either=("MY_SAT_CONNECTIONS", "MY_SAT_RUNNING", "MY_TRX_ROLLBACK"),
        eye=("MY_OBS_BLIND", "MY_OBS_SLOW"),
        traits={
            Trait.LOAD: ("MY_SAT_CONNECTIONS", "MY_SAT_RUNNING"),
            Trait.HELD: ("MY_SESS_IDLE_TRX",),
            Trait.SLOW_BURN: ("MY_SAT_CONNECTIONS",),
        },
        more={**STATE_CODES, **SEMI_SYNC_CODES, **GALERA_CODES, **MYSQL_REFUSALS},
    ),
)
