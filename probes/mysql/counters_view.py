"""MySQL's counters as a table of rates."""

from __future__ import annotations

from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, percent
from probes.gains import MINUTE, WINDOW, Window, window
from probes.mysql.counters_model import MysqlCounters, growth
from probes.mysql.errors import STATUS

_COLUMNS = (
    Column("what", 30),
    Column("a second", 14, right=True),
    Column("over five minutes", 18, right=True),
    Column("variable"),
)
_NAMES = {
    "Questions": "statements",
    "Slow_queries": "slow statements",
    "Innodb_deadlocks": "deadlocks",
    "Innodb_buffer_pool_reads": "pages read",
    "Innodb_buffer_pool_read_requests": "pages asked for",
    "Innodb_buffer_pool_wait_free": "waits for a free page",
    "Innodb_log_waits": "waits for the log buffer",
    "Created_tmp_tables": "temporary tables",
    "Created_tmp_disk_tables": "temporary tables on disk",
    "Sort_merge_passes": "merge passes of sorts",
    "Handler_read_rnd_next": "rows read by scans",
    "Select_full_join": "joins without an index",
    "Aborted_clients": "clients that vanished",
    "Aborted_connects": "logins that failed",
    "Bytes_sent": "bytes sent",
    "Com_rollback": "rollbacks that clients asked for",
    **STATUS,
}


def rates(look: MysqlCounters) -> Table:
    """One row a counter that this server has; `unknown` before there is an earlier look."""
    minute, five = window(look.pairs, MINUTE), window(look.pairs, WINDOW)
    grows = growth(look)
    notes = []
    if look.history_length is not None:
        trend = "" if grows is None else f", {grows:+,.0f} a minute"
        notes.append(f"history list: {look.history_length:,} row versions{trend}")
    if look.log_share is not None:
        notes.append(f"redo log: {percent(look.log_share)} not in the tables yet")
    if look.hidden:
        notes.append(f"deadlocks and history are hidden: {look.server.grant}")
    return Table(
        title="Counters",
        columns=_COLUMNS,
        rows=tuple(_row(name, minute, five) for name in _NAMES if name in look.counted),
        headline=_headline(look),
        note=tuple(notes),
    )


def _row(name: str, minute: Window | None, five: Window | None) -> Row:
    fast, slow = (each.per_s(name) if each else None for each in (minute, five))
    return Row(
        key=name,
        cells=(_NAMES[name], _shown(fast), _shown(slow), name),
        dim=not fast and not slow,
        sort=(_NAMES[name], fast, slow, name),
    )


def _shown(rate: float | None) -> str:
    return "unknown" if rate is None else f"{rate:,.1f}"


def _headline(look: MysqlCounters) -> str:
    up = "" if look.uptime is None else f" · up for {duration(look.uptime)}"
    return f"{look.server.name}{up}"
