"""Sessions that wait for a safe snapshot: SERIALIZABLE, READ ONLY, DEFERRABLE.

Source: PostgreSQL documentation, SET TRANSACTION and `pg_safe_snapshot_blocking_pids()`. They wait
until the serializable transactions that write and began before them have ended, and then read
without any risk of being rolled back. They hold nobody up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration
from probes.began import MEASURED, ago
from probes.postgres.model import Session

SNAPSHOTS = """
SELECT pid, pg_safe_snapshot_blocking_pids(pid) AS blockers
  FROM pg_stat_activity WHERE wait_event = 'SafeSnapshot' ORDER BY query_start LIMIT 20
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotWait:
    """A session, and those whose end it waits for."""

    pid: int
    blockers: tuple[int, ...] = ()


def snapshot_findings(
    sessions: Mapping[int, Session],
    waits: Sequence[SnapshotWait],
    limits: Thresholds,
    *,
    at: datetime,
) -> Iterator[Finding]:
    """A statement waits for a safe snapshot, behind transactions that it names.

    It is no slow statement: it has not begun to read. It is a warning at most, since it holds
    nobody up; the transactions that it waits for may be old ones that were forgotten.
    """
    for wait in waits:
        session = sessions.get(wait.pid)
        grade = limits.grade(session.query_s) if session is not None else None
        if session is None or grade is None:
            continue
        behind = ", ".join(_called(pid, sessions) for pid in wait.blockers) or "nobody any more"
        yield Finding(
            "PG_SESS_LONG_QUERY",
            min(grade, Severity.WARNING),
            f"pid {wait.pid} ({session.name}) has waited {duration(session.query_s or 0)} for a "
            f"safe snapshot, behind {behind}",
            subject=f"pid {wait.pid}",
            evidence=(
                Evidence("waiting for", session.query_s, "s", limits.first),
                Evidence("waits behind", behind),
                Evidence("statement", str(session.query or "")),
            ),
            likely=("a serializable transaction that writes is open for long",),
            against=("it holds nobody up, and has read nothing yet",),
            next="let it wait; whose are the transactions that it waits for?",
            began=ago(at, session.query_s),
            resolution=MEASURED,
        )


def _called(pid: int, sessions: Mapping[int, Session]) -> str:
    session = sessions.get(pid)
    if session is None:
        return f"pid {pid}"
    state = f", {session.state}" if session.state else ""
    return f"pid {pid} ({session.name}{state})"
