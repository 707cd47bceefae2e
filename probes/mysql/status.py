"""Counters of a MySQL server: what SHOW GLOBAL STATUS gives, and rates between two looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cockpit.connect.session import SqlReads
from probes.mysql import galera, semi_sync

_NAMES = (
    *semi_sync.NAMES,
    *galera.NAMES,
    "Uptime",
    "Threads_connected",
    "Threads_running",
    "Connection_errors_max_connections",
    "Questions",
    "Innodb_row_lock_current_waits",
)
_SLACK = 10
"""Seconds by which a server's clock and its uptime may differ: we read one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """Gauges and counters. None: this server does not have it."""

    uptime: int | None = None
    connected: int | None = None
    running: int | None = None
    """Sessions that run something, without the one that asked."""
    questions: int | None = None
    refused: int | None = None
    """Connections refused for lack of slots, since the start."""
    row_lock_waits: int | None = None
    """Sessions that wait for a row now."""
    semi_sync: semi_sync.SemiSync | None = None
    """None: no such plugin, or it never was on."""
    galera: galera.Galera | None = None
    """None: no node of a Galera cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRates:
    """Per second, between two of our looks. None: not to be had."""

    questions: float | None = None
    refused: float | None = None


async def read_status(mysql: SqlReads) -> ServerStatus:
    """One round trip; needs no right at all. Raises `BlindError`."""
    return status_of(await read_values(mysql, _NAMES))


async def read_values(mysql: SqlReads, names: tuple[str, ...]) -> dict[str, str]:
    """Status variables by name; those that the server does not have are absent."""
    rows = await mysql.rows(f"SHOW GLOBAL STATUS WHERE Variable_name IN {names!r}", into=dict)
    values: dict[str, str] = {}
    for row in rows:
        lowered = {str(name).lower(): value for name, value in row.items()}
        if lowered.get("value") is not None:
            values[str(lowered.get("variable_name"))] = str(lowered["value"])
    return values


def status_of(values: Mapping[str, str]) -> ServerStatus:
    """The fields that we know; the others are ignored."""
    running = _int(values, "Threads_running")
    return ServerStatus(
        uptime=_int(values, "Uptime"),
        connected=_int(values, "Threads_connected"),
        running=None if running is None else max(0, running - 1),
        questions=_int(values, "Questions"),
        refused=_int(values, "Connection_errors_max_connections"),
        row_lock_waits=_int(values, "Innodb_row_lock_current_waits"),
        semi_sync=semi_sync.semi_sync_of(values),
        galera=galera.galera_of(values),
    )


def restarted(before: int | None, now: int | None, seconds: float) -> bool:
    """Whether the server that answers was started since the look before, so many `seconds` ago.

    Its uptime need not have fallen: who looks seldom at a crash loop sees it rise. Unknown is no
    restart; an uptime that fell and is longer than that is another server's.
    """
    if before is None or now is None:
        return False
    return now <= seconds + _SLACK and not one_start(before, now, seconds)


def one_start(before: int | None, now: int | None, seconds: float) -> bool:
    """Whether two uptimes, so many `seconds` apart, can be of one start of one server. Unknown:
    yes.
    """
    if before is None or now is None:
        return True
    return now >= before and abs(now - before - seconds) <= _SLACK


def rates_of(before: ServerStatus, now: ServerStatus, seconds: float) -> StatusRates | None:
    """What was added per second; None after a restart, of another server, without time between."""
    if seconds <= 0 or not one_start(before.uptime, now.uptime, seconds):
        return None
    return StatusRates(
        questions=_per(before.questions, now.questions, seconds),
        refused=_per(before.refused, now.refused, seconds),
    )


def _per(before: int | None, now: int | None, seconds: float) -> float | None:
    if before is None or now is None or now < before:
        return None
    return (now - before) / seconds


def _int(values: Mapping[str, str], name: str) -> int | None:
    text = values.get(name, "")
    return int(text) if text.lstrip("-").isdigit() else None
