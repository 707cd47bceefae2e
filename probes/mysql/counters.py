"""What MySQL's and MariaDB's counters gain: deadlocks, history, buffer pool, log, slow statements.

Source: catalogue of findings 3.5; see `counters_model` for the variables. Lifetime values are
never judged, so the first look finds little. Counters need no right; on MySQL the number of
deadlocks and the history list need PROCESS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.connect.session import SqlReads
from cockpit.text import visible
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from cockpit.triage.view import Table
from cockpit.units import count, duration, percent, quantity
from probes.gains import MINUTE, WINDOW, Window, window
from probes.mysql.counters_model import (
    MysqlCounters,
    goes_on,
    growth,
    read_counters,
    since,
    without_ours,
)
from probes.mysql.counters_view import rates
from probes.mysql.errors import PREPARED, error_facts, error_findings, prepared_findings
from probes.mysql.model import read_server

_LOCKS, _SLOW = "mysql-locks", "mysql-long-queries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds. Per second over a minute, unless they say otherwise."""

    deadlocks: Thresholds = Thresholds(info=1)
    """In five minutes."""
    deadlocks_a_minute: Thresholds = Thresholds(warning=10)
    history: Thresholds = Thresholds(warning=100_000, high=1_000_000)
    history_growth: Thresholds = Thresholds(high=10_000)
    """Row versions a minute."""
    history_age: float = 300
    """Seconds from which on the oldest transaction is old: before, a list that grows is a warning
    at most."""
    disk_reads: Thresholds = Thresholds(warning=0.02)
    """Share of the look-ups in the buffer pool that had to read."""
    disk_reads_least: float = 500
    """Reads a second below which their share is not judged."""
    log_age: Thresholds = Thresholds(info=0.75, high=0.9)
    """Checkpoint age as a share of its most. InnoDB lets it come near 7/8 by itself, and flushes
    with all its might from there on; nobody waits before it is full."""
    disk_tables: Thresholds = Thresholds(warning=0.25)
    """Share of the temporary tables that went to disk."""
    disk_tables_least: float = 10
    scanned_rows: Thresholds = Thresholds(info=1_000_000)
    slow: float = 5
    """How many times the rate of the first minute."""
    slow_least: float = 0.2
    """Slow statements a second below which they are not judged."""
    aborted: Thresholds = Thresholds(warning=1)
    errors: Thresholds = Thresholds(warning=0.5, high=5)
    """Of one kind that means that somebody was refused."""
    prepared_used: Thresholds = Thresholds(warning=0.8, high=0.95, critical=1)
    """Share of `max_prepared_stmt_count`."""


async def collect(mysql: SqlReads, target: Target) -> MysqlCounters:
    """Read the server and its counters; who is open for longest, when there is much history."""
    return await read_counters(mysql, await read_server(mysql))


def diagnose(look: MysqlCounters, settings: Settings) -> Iterator[Finding]:
    """Judge what was gained: transactions, the buffer pool and its log, statements, clients.

    MY_OBS_BLIND: The account may not see the number of deadlocks and the history list (on MySQL
    they need PROCESS), so these are not judged.
    """
    if look.hidden:
        yield Finding(
            "MY_OBS_BLIND",
            Severity.INFO,
            f"{visible(look.server.role, 60)} may not see deadlocks and the history list",
            subject="innodb_metrics",
            likely=("the account was made without PROCESS",),
            next=look.server.grant,
        )
    yield from _history(look, settings)
    yield from _log_age(look, settings)
    held = look.gauges.get(PREPARED)
    yield from prepared_findings(held, look.prepared_most, settings.prepared_used)
    minute, five = window(look.pairs, MINUTE), window(look.pairs, WINDOW)
    if minute is None or five is None:
        return
    yield from _deadlocks(minute, five, settings)
    yield from _buffer_pool(look, minute, settings)
    if goes_on(look, "Innodb_log_waits"):
        yield _log_waits(minute)
    yield from _disk_tables(minute, settings)
    yield from _scans(minute, settings)
    yield from _slow(look, minute, settings)
    yield from _aborted(minute, settings)
    yield from error_findings(look.pairs, minute, settings.errors)


def _history(look: MysqlCounters, settings: Settings) -> Iterator[Finding]:
    """InnoDB keeps many old row versions that it may not purge yet.

    An open transaction, most often one that only reads, still might need them. Reads have to step
    over them, so everything becomes slower over hours, and the undo space grows. A list that
    shrinks by itself after a mass update is harmless, and so is one that grows while a report of a
    minute runs: it is high only when it grows *and* the oldest transaction is old. Then its end
    lets purge go on.
    """
    length, grows = look.history_length, growth(look)
    who = look.oldest
    old = who is not None and (who.open_s or 0) >= settings.history_age
    severity = settings.history.grade(length)
    if old and (fast := settings.history_growth.grade(grows)):
        severity = max(severity or fast, fast)
    if severity is None or length is None:
        return
    if not (old and (grows or 0) > 0):
        severity = min(severity, Severity.WARNING)
    tail = (
        f"; thread {who.thread} keeps its transaction open for {duration(who.open_s or 0)}"
        if who
        else ""
    )
    yield Finding(
        "MY_TRX_HISTORY",
        severity,
        f"{length:,} old row versions wait to be purged{tail}",
        evidence=(
            Evidence("history list", length, "", settings.history.first),
            Evidence("grows by", grows and round(grows), "a minute", settings.history_growth.first),
            Evidence("oldest transaction", who.open_s if who else None, "s", settings.history_age),
            Evidence("its thread", who.thread if who else None),
            Evidence("rows it modified", who.modified if who else None),
        ),
        likely=(
            "a long transaction that only reads keeps every older version",
            "a connection that was taken and forgotten inside a transaction",
            "purge cannot keep up with a mass update",
        ),
        next=_purge_goes_on(old=old, open_=who is not None),
        fact=False,
    )


def _purge_goes_on(*, old: bool, open_: bool) -> str:
    if old:
        return "ask the owner of the oldest transaction to end it, above all when it only reads"
    if open_:
        return "the oldest transaction is young: let it end, then see whether the list shrinks"
    return "no transaction is seen that keeps them: purge catches up, or a mass update goes on"


def _log_age(look: MysqlCounters, settings: Settings) -> Iterator[Finding]:
    """Changed pages are written to the tables more slowly than the redo log fills.

    When the log has no room left, InnoDB stops all writes until pages are flushed: the application
    sees stalls of seconds, again and again. Information where it is only well used: with many
    writes InnoDB keeps it at 7/8 of its most on purpose.
    """
    share = look.log_share
    severity = settings.log_age.grade(share)
    if severity is None or share is None:
        return
    dirty, pages = (look.gauges.get(f"Innodb_buffer_pool_pages_{n}") for n in ("dirty", "total"))
    yield Finding(
        "MY_IO_DIRTY",
        severity,
        f"{percent(share)} of the redo log is not in the tables yet: writes stop when it is full",
        evidence=(
            Evidence("checkpoint age", share, "share", settings.log_age.first),
            Evidence("dirty pages", dirty / pages if dirty is not None and pages else None,
                     "share"),
        ),
        likely=(
            "a bulk load or mass update writes faster than the disk takes pages",
            "the disk is slow or throttled",
            "the redo log is small for this load",
        ),
        next="who writes so much? then the volume's throughput; a larger redo log smooths it",
        fact=False,
    )  # fmt: skip


def _deadlocks(minute: Window, five: Window, settings: Settings) -> Iterator[Finding]:
    """Transactions locked each other out, and the server rolled one of each pair back.

    The victims got error 1213, and should try again. One now and then is normal; many a minute mean
    that two code paths take the same rows in different orders. Where the count needs PROCESS and is
    hidden, it is not judged.
    """
    gained, newest = (each.gained.get("Innodb_deadlocks") for each in (five, minute))
    grades = (settings.deadlocks.grade(gained), settings.deadlocks_a_minute.grade(newest))
    severity = max((grade for grade in grades if grade), default=None)
    if severity is not None:
        yield Finding(
            "MY_LOCK_DEADLOCKS",
            severity,
            f"{count(gained or 0, 'deadlock')} within {duration(five.seconds)}: each rolled one "
            "transaction back with 1213",
            evidence=(
                Evidence("deadlocks", gained, "", settings.deadlocks.first),
                Evidence("in the last minute", newest, "", settings.deadlocks_a_minute.first),
            ),
            likely=(
                "two code paths that lock the same rows in another order",
                "a new release that touches rows in a new order",
            ),
            next="LATEST DETECTED DEADLOCK in SHOW ENGINE INNODB STATUS has both statements of "
            "the last one; the victim is the one that had changed fewer rows",
        )


def _buffer_pool(look: MysqlCounters, minute: Window, settings: Settings) -> Iterator[Finding]:
    """Much of what statements read is not in memory and comes from disk.

    Every such read takes the disk's time instead of none. Judged only above a number of reads a
    second, since a share of few is no load. High when statements had to wait for a free page: then
    pages are not written back fast enough either.
    """
    share = minute.share("Innodb_buffer_pool_reads", "Innodb_buffer_pool_read_requests")
    reads = minute.per_s("Innodb_buffer_pool_reads")
    free = "Innodb_buffer_pool_wait_free"
    waits = minute.gained.get(free) if goes_on(look, free) else None
    severity = settings.disk_reads.grade(share)
    if (reads or 0) <= settings.disk_reads_least:
        severity = None
    if waits:
        severity = Severity.HIGH
    if severity is None:
        return
    yield Finding(
        "MY_IO_BUFFER_POOL",
        severity,
        f"statements waited {waits:,} times for a free page within {duration(minute.seconds)}"
        if waits
        else f"{percent(share or 0)} of the page look-ups had to read, {reads or 0:,.0f} a second",
        evidence=(
            Evidence("had to read", share, "share", settings.disk_reads.first),
            Evidence("reads", _rounded(reads), "/s", settings.disk_reads_least),
            Evidence("waited for a free page", waits, "", 0),
        ),
        likely=(
            "a plan that now reads a whole table",
            "a report or backup that reads everything once",
            "cold buffers after a restart or failover",
            "the buffer pool is small for the data in use",
        ),
        next="the statements that read the most rows; was the server restarted?",
        fact=False,
    )


def _log_waits(minute: Window) -> Finding:
    """Writes wait because the buffer of the redo log is full.

    Each commit is held up by the log's disk. A single burst does not count, only waits that go on
    from look to look.
    """
    waits = minute.gained.get("Innodb_log_waits", 0)
    return Finding(
        "MY_IO_LOG",
        Severity.HIGH,
        f"{waits:,} writes waited for the log buffer within {duration(minute.seconds)}",
        evidence=(Evidence("waits for the log buffer", waits, "", 0),),
        likely=(
            "large transactions write more than the log buffer holds",
            "the disk of the redo log is slow or throttled",
        ),
        next="the volume's latency and throughput, then innodb_log_buffer_size",
        fact=False,
    )


def _disk_tables(minute: Window, settings: Settings) -> Iterator[Finding]:
    """Statements write their temporary tables to disk.

    Sorting and grouping on disk is many times slower, and uses the volume that everything else
    needs. A few a second are normal, also from the looks themselves.
    """
    share = minute.share("Created_tmp_disk_tables", "Created_tmp_tables")
    rate = minute.per_s("Created_tmp_disk_tables")
    severity = settings.disk_tables.grade(share)
    if severity is None or rate is None or rate <= settings.disk_tables_least:
        return
    yield Finding(
        "MY_QRY_TMP_DISK",
        severity,
        f"{rate:,.0f} temporary tables a second are written to disk, "
        f"{percent(share or 0)} of all of them",
        evidence=(
            Evidence("to disk", _rounded(rate), "/s", settings.disk_tables_least),
            Evidence("of all temporary tables", share, "share", settings.disk_tables.first),
            Evidence("merge passes of sorts", _rounded(minute.per_s("Sort_merge_passes")), "/s"),
        ),
        likely=(
            "GROUP BY, DISTINCT or UNION over more rows than tmp_table_size holds",
            "a statement that groups text or blob columns",
        ),
        against=("the cockpit's own looks make a few",),
        next="the statements by time: which one groups or sorts without an index?",
        fact=False,
    )


def _scans(minute: Window, settings: Settings) -> Iterator[Finding]:
    """Statements read whole tables, and joins without an index are among them.

    It costs the CPU and pushes other pages out of memory. It is information: a report does the same
    on purpose.
    """
    rows, joins = minute.per_s("Handler_read_rnd_next"), minute.gained.get("Select_full_join")
    severity = settings.scanned_rows.grade(rows)
    if severity is None or not joins:
        return
    yield Finding(
        "MY_QRY_FULL_SCAN",
        severity,
        f"{rows:,.0f} rows a second are read by scans, and {count(joins, 'join')} used no index",
        evidence=(
            Evidence("rows read by scans", _rounded(rows), "/s", settings.scanned_rows.first),
            Evidence("joins without an index", joins, "", 0),
        ),
        likely=("an index was dropped or is not used any more", "a new statement", "a report"),
        next="EXPLAIN the statement that reads the most rows",
        fact=False,
    )


def _slow(look: MysqlCounters, minute: Window, settings: Settings) -> Iterator[Finding]:
    """Many more statements than before take longer than `long_query_time`.

    It is a symptom: locks, the disk, a changed plan or more load make them slow. Compared with the
    rate when the watch began, since every system has some; a server whose `long_query_time` was
    lowered just now counts more of them.
    """
    rate, usual = minute.per_s("Slow_queries"), look.usual_slow
    if rate is None or usual is None or rate < settings.slow_least or rate <= settings.slow * usual:
        return
    yield Finding(
        "MY_QRY_SLOW",
        Severity.WARNING,
        f"{rate:,.1f} statements a second take longer than {look.long_query_s:g} s; it was "
        f"{usual:,.1f} when the watch began",
        evidence=(
            Evidence("slow statements", _rounded(rate), "/s",
                     max(settings.slow_least, settings.slow * usual)),
            Evidence("in the first minute", _rounded(usual), "/s"),
            Evidence("slow means longer than", look.long_query_s, "s"),
        ),
        likely=("a changed plan", "sessions wait for a lock or the disk", "more load"),
        next="what runs now? locks first, then the statements by time",
        fact=False,
    )  # fmt: skip


def _aborted(minute: Window, settings: Settings) -> Iterator[Finding]:
    """Connections break off, or logins fail, again and again.

    Two different troubles, told apart by the larger rate: clients that vanish without a farewell
    (killed, cut by an idle timeout, packets too large), and logins that fail (password, TLS, port
    checks). After `max_connect_errors` broken handshakes in a row the server blocks the address
    altogether.
    """
    clients, logins = minute.per_s("Aborted_clients"), minute.per_s("Aborted_connects")
    severity = settings.aborted.grade(max(clients or 0, logins or 0))
    if severity is None:
        return
    limit = settings.aborted.first
    yield Finding(
        "MY_CONN_ABORTED",
        severity,
        f"{logins or 0:,.1f} logins a second fail"
        if (logins or 0) > (clients or 0)
        else f"{clients or 0:,.1f} connections a second end without a farewell",
        evidence=(
            Evidence("clients that vanish", _rounded(clients), "/s", limit),
            Evidence("logins that fail", _rounded(logins), "/s", limit),
        ),
        likely=(
            "wrong passwords, a TLS mismatch, or port checks"
            if (logins or 0) > (clients or 0)
            else "clients are killed, or a pool or an idle timeout in between cuts connections",
            "packets larger than max_allowed_packet",
        ),
        next="which clients? the server's error log (log_warnings); after 100 broken handshakes "
        "in a row the server blocks an address",
        fact=False,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def facts(look: MysqlCounters, limits: Settings) -> Iterator[Fact]:
    """Statements a second first; before there is an earlier look, that they are unknown."""
    minute, five = window(look.pairs, MINUTE), window(look.pairs, WINDOW)
    if minute is None or five is None:
        yield Fact("statements", "unknown until the next look")
    else:
        asked = minute.per_s("Questions")
        yield Fact("statements", "unknown" if asked is None else f"{asked:,.0f}/s", asked, "/s")
        slow = minute.per_s("Slow_queries")
        if slow is not None:
            yield Fact("slow statements", f"{slow:,.1f}/s", slow, "/s")
        reads = minute.per_s("Innodb_buffer_pool_reads")
        if reads is not None:
            yield Fact("pages read", f"{reads:,.0f}/s", reads, "/s")
        if (deadlocks := five.gained.get("Innodb_deadlocks")) is not None:
            yield Fact("deadlocks in 5 minutes", str(deadlocks), deadlocks)
        yield from error_facts(look.pairs, minute)
    if look.history_length is not None:
        length = look.history_length
        judged = limits.history.grade(length)
        yield Fact("history list", quantity(length, ""), length, severity=judged)
    if look.log_share is not None:
        share = look.log_share
        yield Fact("redo log", percent(share), share, "share", severity=limits.log_age.grade(share))


def tables(look: MysqlCounters, settings: Settings) -> Iterator[Table]:
    """Each counter's rate over a minute and over five."""
    yield rates(look)


def changes(look: MysqlCounters, target: str) -> Iterator[Change]:
    """Counters that somebody reset: the rates before and after are of other times."""
    if look.reset:
        yield Change(
            at=look.server.at,
            kind="mysql.status_reset",
            target=target,
            summary="the server's counters began anew (FLUSH STATUS)",
            source="mysql.counters",
        )


PROBE = Probe(
    lacks=lambda look: f"PROCESS was taken: {look.server.grant}" if look.hidden else "",
    id="mysql.counters",
    kind="mysql",
    collect=collect,
    diagnose=diagnose,
    snapshot=MysqlCounters,
    settings=Settings(),
    every=15,
    timeout=9,
    facts=facts,
    tables=tables,
    changes=changes,
    since=since,
    own=without_ours,
    needs=("GRANT PROCESS", "GRANT SELECT ON performance_schema.* (MySQL)"),
    codes=codes(
        cause=("MY_LOCK_DEADLOCKS",),
        either=(
            "MY_IO_BUFFER_POOL",
            "MY_IO_DIRTY",
            "MY_IO_LOG",
            "MY_QRY_TMP_DISK",
            "MY_QRY_SLOW",
            "MY_ERR_RATE",
            "MY_SAT_PREPARED",
        ),
        symptom=("MY_CONN_ABORTED",),
        risk=("MY_TRX_HISTORY", "MY_QRY_FULL_SCAN"),
        eye=("MY_OBS_BLIND",),
        traits={Trait.SLOW_BURN: ("MY_SAT_PREPARED",)},
    ),
)
