"""The sessions of a PostgreSQL server as a table."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.triage.finding import Severity, Thresholds
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration
from probes.postgres.model import GRANT, Session, offers
from probes.postgres.pulse import Pulse

COLUMNS = (
    Column("pid", 10),
    Column("session", 30),
    Column("state", 20),
    Column("waits for", 24),
    Column("for", 10, right=True),
    Column("transaction", 12, right=True),
    Column("query"),
)


def sessions_table(
    pulse: Pulse,
    sessions: Sequence[Session],
    *,
    idle: Thresholds,
    query: Thresholds,
    unread: Sequence[str] = (),
) -> Table:
    """Each session a row, in the order they came. `unread`: what could not be read, and why."""
    note = list(unread)
    if pulse.hidden:
        note.append(f"{pulse.hidden} sessions are hidden: {GRANT.format(role=pulse.server.role)}")
    if len(sessions) < pulse.backends:
        note.append(f"the busiest {len(sessions)} of {pulse.backends} are shown")
    return Table(
        title="Sessions",
        columns=COLUMNS,
        rows=tuple(_row(session, idle, query) for session in sessions),
        headline=headline(pulse),
        note=tuple(note),
    )


def headline(pulse: Pulse) -> str:
    """`97/100 connections · 61 waiting · 18 active · 6 idle in transaction`."""
    parts = [f"{pulse.used}/{pulse.server.max_connections} connections"]
    parts.append(f"{pulse.lock_waiters} waiting")
    if pulse.hidden:
        parts.append(f"{pulse.hidden} hidden")
    else:
        parts.append(f"{pulse.by_state.get('active', 0)} active")
        parts.append(f"{pulse.idle_tx} idle in transaction")
    return " · ".join(parts)


def waits_for(session: Session) -> str:
    """What an active session waits for; nothing for those that wait for their client."""
    if session.state != "active":
        return ""
    if session.wait_type is None:
        return "CPU"
    return f"{session.wait_type} {session.wait_event or ''}".strip()


def span(seconds: float | None) -> str:
    """A duration, or nothing when there is none."""
    return "" if seconds is None else duration(max(0.0, seconds))


def _row(session: Session, idle: Thresholds, query: Thresholds) -> Row:
    severity: Severity | None = None
    if session.idle_in_transaction:
        severity = idle.grade(session.state_s)
    elif session.state == "active" and not session.protected:
        severity = query.grade(session.query_s)
    quiet = session.state == "idle" or bool(session.protected)
    seconds = session.query_s if session.state == "active" else session.state_s
    return Row(
        key=session.key,
        cells=(
            str(session.pid),
            session.name,
            session.state or "hidden",
            waits_for(session),
            span(seconds),
            span(session.xact_s),
            str(session.query or ""),
        ),
        severity=severity,
        dim=quiet,
        secret=session.query,
        offers=offers(session),
        sort=(
            session.pid,
            session.name,
            session.state,
            waits_for(session),
            seconds,
            session.xact_s,
            None,
        ),
    )
