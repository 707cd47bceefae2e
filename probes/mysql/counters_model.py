"""MySQL's counters between two of our looks: what five minutes gained, never a lifetime average.

Source: MySQL Reference Manual, "Server Status Variables"; MariaDB Knowledge Base, "Server Status
Variables"; catalogue of findings 3.4 and 3.5. Counters keep the server's own names; one that this
server does not have is absent, never zero. A restart, or FLUSH STATUS, throws the pair away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.triage.own import OwnAct
from probes.gains import MINUTE, WINDOW, Pair, gains, kept, window
from probes.mysql.errors import ERRORS, LIMITS, PREPARED, STATUS, error_gains, errors_of
from probes.mysql.model import MysqlServer
from probes.mysql.status import one_start, read_values, restarted

_RESET_SLACK = 2
"""Seconds by which the server's clock and its count of seconds may differ."""

_VANISHED = "Aborted_clients"
COUNTED = (
    "Aborted_clients", "Aborted_connects", "Created_tmp_disk_tables", "Created_tmp_tables",
    "Handler_read_rnd_next", "Innodb_buffer_pool_read_requests", "Innodb_buffer_pool_reads",
    "Innodb_buffer_pool_wait_free", "Innodb_deadlocks", "Innodb_log_waits", "Questions",
    "Select_full_join", "Slow_queries", "Sort_merge_passes", "Bytes_sent", "Com_rollback", *STATUS,
)  # fmt: skip
"""Only grow, until a restart or FLUSH STATUS."""
GAUGES = (
    "Innodb_buffer_pool_pages_dirty", "Innodb_buffer_pool_pages_total", "Innodb_checkpoint_age",
    "Innodb_checkpoint_max_age", "Innodb_history_list_length", "Innodb_redo_log_checkpoint_lsn",
    "Innodb_redo_log_current_lsn", "Innodb_redo_log_capacity_resized", "Uptime",
    "Uptime_since_flush_status", PREPARED,
)  # fmt: skip
METRICS = """
SELECT name AS variable_name, count AS value FROM information_schema.innodb_metrics
 WHERE name IN ('lock_deadlocks', 'trx_rseg_history_len') AND status = 'enabled'
"""
"""Where MySQL keeps what MariaDB has in its status. Needs PROCESS."""
_OF_METRICS = {
    "lock_deadlocks": "Innodb_deadlocks",
    "trx_rseg_history_len": "Innodb_history_list_length",
}
OLDEST = """
SELECT trx_mysql_thread_id AS thread, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS open_s,
       trx_rows_modified AS modified
  FROM information_schema.innodb_trx ORDER BY trx_started LIMIT 1
"""
_MUCH_HISTORY = 10_000
"""Row versions from which on it is worth asking who keeps them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oldest:
    """The transaction that is open for longest: it keeps old row versions from being purged."""

    thread: int
    open_s: int | None = None
    modified: int | None = None
    """Rows; 0: it only reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlCounters:
    """One look, with what the looks of the last five minutes gained."""

    server: MysqlServer
    counted: dict[str, int]
    gauges: dict[str, int]
    errors: dict[str, int] | None = None
    """Number and name → how often it was raised since the start; None: not counted by number, or
    not to be read."""
    prepared_most: int | None = None
    """Prepared statements that the server allows, over all sessions."""
    long_query_s: float | None = None
    """From which on the server calls a statement slow."""
    oldest: Oldest | None = None
    """None: no transaction is open, there is little history, or the role may not see it."""
    hidden: bool = False
    """The role may not see what innodb_metrics counts (MySQL without PROCESS)."""
    pairs: tuple[Pair, ...] = ()
    usual_slow: float | None = None
    """Slow statements a second in the first whole minute of our watch."""
    history: tuple[tuple[datetime, int], ...] = ()
    """The length of the history list over the last five minutes, oldest first."""
    reset: bool = False
    """The counters began anew since the look before: FLUSH STATUS."""
    restarted: bool = False

    @property
    def uptime(self) -> int | None:
        """Seconds since the server's start; None: not told."""
        return self.gauges.get("Uptime")

    @property
    def history_length(self) -> int | None:
        """Old row versions that wait to be purged; None: not told."""
        return self.gauges.get("Innodb_history_list_length")

    @property
    def log_share(self) -> float | None:
        """The checkpoint's age as a share of what the redo log holds; None: not told."""
        age = self.gauges.get("Innodb_checkpoint_age")
        most = self.gauges.get("Innodb_checkpoint_max_age")
        if age is None or most is None:
            now = self.gauges.get("Innodb_redo_log_current_lsn")
            kept = self.gauges.get("Innodb_redo_log_checkpoint_lsn")
            most = self.gauges.get("Innodb_redo_log_capacity_resized")
            age = None if now is None or kept is None else now - kept
        return age / most if age is not None and most else None


async def read_counters(mysql: SqlReads, server: MysqlServer) -> MysqlCounters:
    """Two or three statements, none of which takes a lock. Raises `BlindError`."""
    values = await read_values(mysql, (*COUNTED, *GAUGES))
    hidden = False
    if "Innodb_deadlocks" not in values or "Innodb_history_list_length" not in values:
        metrics = await _quiet(mysql, METRICS)
        hidden = metrics is None
        for row in metrics or ():
            lowered = {name.lower(): str(value) for name, value in row.items()}
            name = _OF_METRICS.get(lowered.get("variable_name", "").lower(), "")
            values.setdefault(name, lowered.get("value", ""))
    limits = await mysql.rows(LIMITS, into=dict)
    errors = None if server.mariadb else await _quiet(mysql, ERRORS)
    known = {name: int(text) for name, text in values.items() if text.lstrip("-").isdigit()}
    look = MysqlCounters(
        server=server,
        counted={name: known[name] for name in COUNTED if name in known},
        gauges={name: known[name] for name in GAUGES if name in known},
        errors=None if errors is None else errors_of(errors),
        long_query_s=_seconds(limits[0].get("slow_s")) if limits else None,
        prepared_most=_whole(limits[0].get("prepared")) if limits else None,
        hidden=hidden,
    )
    if (look.history_length or 0) < _MUCH_HISTORY:
        return look
    rows = await _quiet(mysql, OLDEST)
    return replace(look, oldest=_oldest(rows[0]) if rows else None)


def _seconds(value: object) -> float | None:
    return None if value is None else float(str(value))


def _whole(value: object) -> int | None:
    return int(str(value)) if str(value).isdigit() else None


async def _quiet(mysql: SqlReads, sql: str) -> list[dict[str, object]] | None:
    """The rows; None where the role may not ask or the server does not have it."""
    try:
        return await mysql.rows(sql, into=dict)
    except BlindError as error:
        if error.reason not in {Reason.DENIED, Reason.UNSUPPORTED}:
            raise
        return None


def _oldest(row: Mapping[str, object]) -> Oldest:
    def whole(name: str) -> int | None:
        value = row.get(name)
        return None if value is None else int(str(value))

    return Oldest(thread=whole("thread") or 0, open_s=whole("open_s"), modified=whole("modified"))


def since(before: MysqlCounters, now: MysqlCounters) -> MysqlCounters:
    """The new look with what was gained. A restart and another server behind the endpoint begin
    anew, FLUSH STATUS costs one pair.
    """
    at = now.server.at
    seconds = (at - before.server.at).total_seconds()
    if restarted(before.uptime, now.uptime, seconds):
        return replace(now, restarted=True)
    same = one_start(before.uptime, now.uptime, seconds)
    if not same or before.server.hostname != now.server.hostname or not 0 < seconds <= WINDOW:
        return now
    now = replace(now, usual_slow=before.usual_slow, history=_history(before, now))
    fresh = now.gauges.get("Uptime_since_flush_status")
    if fresh is not None and fresh + _RESET_SLACK < min(
        seconds, before.gauges.get("Uptime_since_flush_status", 0) + seconds
    ):
        return replace(now, reset=True)
    gained = gains(before.counted, now.counted) | error_gains(before.errors, now.errors)
    pair = Pair(at=at, seconds=seconds, gained=gained)
    now = replace(now, pairs=(*kept(before.pairs, at), pair))
    if (
        now.usual_slow is None
        and (first := window(now.pairs, MINUTE))
        and first.seconds >= MINUTE * 0.9
    ):
        now = replace(now, usual_slow=first.per_s("Slow_queries"))
    return now


def without_ours(look: MysqlCounters, acts: Sequence[OwnAct]) -> MysqlCounters:
    """The look without the sessions that our own steps ended: the server counts each as a client
    that vanished. Never more of a pair than it counted.
    """
    pairs = list(look.pairs)
    for act in acts:
        left = act.sessions
        for at, pair in enumerate(pairs):
            counted = pair.gained.get(_VANISHED, 0)
            if left and counted and act.between(pair.at - timedelta(seconds=pair.seconds), pair.at):
                taken = min(left, counted)
                left -= taken
                pairs[at] = replace(pair, gained={**pair.gained, _VANISHED: counted - taken})
    return replace(look, pairs=tuple(pairs))


def _history(before: MysqlCounters, now: MysqlCounters) -> tuple[tuple[datetime, int], ...]:
    length = now.history_length
    if length is None:
        return ()
    oldest = now.server.at - timedelta(seconds=WINDOW)
    known = before.history
    if not known and before.history_length is not None:
        known = ((before.server.at, before.history_length),)
    return (*(point for point in known if point[0] >= oldest), (now.server.at, length))


def goes_on(look: MysqlCounters, name: str) -> bool:
    """Whether a counter rose between each of the last three looks. A minute's sum would show one
    event at four looks.
    """
    return len(look.pairs) > 1 and all(pair.gained.get(name) for pair in look.pairs[-2:])


def growth(look: MysqlCounters) -> float | None:
    """Row versions a minute that the history list grew by; None: watched for less than a minute."""
    if len(look.history) < 2:
        return None
    (began, first), (ended, last) = look.history[0], look.history[-1]
    seconds = (ended - began).total_seconds()
    return None if seconds < MINUTE * 0.9 else (last - first) * MINUTE / seconds
