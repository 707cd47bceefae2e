"""Counters of a MySQL server: what SHOW GLOBAL STATUS gives, and rates between two looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cockpit.connect.session import SqlReads

_NAMES = (
    "Uptime", "Threads_connected", "Threads_running", "Connections", "Aborted_connects",
    "Aborted_clients", "Connection_errors_max_connections", "Questions", "Slow_queries",
    "Innodb_row_lock_current_waits", "Innodb_row_lock_waits", "Innodb_deadlocks",
    "Innodb_history_list_length", "Innodb_buffer_pool_wait_free", "Innodb_log_waits",
    "wsrep_cluster_status",
)  # fmt: skip
STATUS = f"SHOW GLOBAL STATUS WHERE Variable_name IN {_NAMES!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Gauges and counters. None: this server does not have it."""

    uptime: int
    connected: int | None = None
    running: int | None = None
    questions: int | None = None
    refused: int | None = None
    """Connections refused for lack of slots, since the start."""
    aborted_clients: int | None = None
    aborted_connects: int | None = None
    deadlocks: int | None = None
    row_lock_waits: int | None = None
    """Sessions that wait for a row now."""
    history: int | None = None
    log_waits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Per second, between two of our looks. None: not to be had."""

    questions: float | None = None
    refused: float | None = None
    aborted_clients: float | None = None
    aborted_connects: float | None = None
    deadlocks: float | None = None
    log_waits: float | None = None


async def read_status(mysql: SqlReads) -> Status:
    """One round trip; needs no right at all. Raises `BlindError`."""
    rows = await mysql.rows(STATUS, into=dict)
    values: dict[str, str] = {}
    for row in rows:
        lowered = {str(name).lower(): value for name, value in row.items()}
        values[str(lowered.get("variable_name"))] = str(lowered.get("value"))
    return status_of(values)


def status_of(values: Mapping[str, str]) -> Status:
    """The fields that we know; the others are ignored."""
    return Status(
        uptime=_int(values, "Uptime") or 0,
        connected=_int(values, "Threads_connected"),
        running=_int(values, "Threads_running"),
        questions=_int(values, "Questions"),
        refused=_int(values, "Connection_errors_max_connections"),
        aborted_clients=_int(values, "Aborted_clients"),
        aborted_connects=_int(values, "Aborted_connects"),
        deadlocks=_int(values, "Innodb_deadlocks"),
        row_lock_waits=_int(values, "Innodb_row_lock_current_waits"),
        history=_int(values, "Innodb_history_list_length"),
        log_waits=_int(values, "Innodb_log_waits"),
    )


def rates_of(before: Status, now: Status, seconds: float) -> Rates | None:
    """What was added per second; None after a restart or without time between."""
    if seconds <= 0 or now.uptime < before.uptime:
        return None
    return Rates(
        questions=_per(before.questions, now.questions, seconds),
        refused=_per(before.refused, now.refused, seconds),
        aborted_clients=_per(before.aborted_clients, now.aborted_clients, seconds),
        aborted_connects=_per(before.aborted_connects, now.aborted_connects, seconds),
        deadlocks=_per(before.deadlocks, now.deadlocks, seconds),
        log_waits=_per(before.log_waits, now.log_waits, seconds),
    )


def _per(before: int | None, now: int | None, seconds: float) -> float | None:
    if before is None or now is None or now < before:
        return None
    return (now - before) / seconds


def _int(values: Mapping[str, str], name: str) -> int | None:
    text = values.get(name, "")
    return int(text) if text.lstrip("-").isdigit() else None
