"""What PostgreSQL's counters say of sessions: how they end, and how many begin.

Source: PostgreSQL documentation, pg_stat_database (`sessions…` from 14 on).
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import count, duration
from probes.postgres.counters_model import CountersWindow

_RISE = 5.0
"""How many times more logins than usual are a change, and no habit of the applications."""


def lost(five: CountersWindow, limits: Thresholds, name: str) -> Iterator[Finding]:
    """Sessions ended badly: by an error, by somebody, or because the client vanished.

    The three are counted apart, and mean three different things. Abandoned ones are the clients' or
    the network's, killed ones an operator's or a timeout's, fatal ones the server's.
    """
    gain = five.gain
    parts = {"fatal": gain.fatal, "killed": gain.killed, "abandoned": gain.abandoned}
    known = [value for value in parts.values() if value is not None]
    severity = limits.grade(sum(known) if known else None)
    if severity is None:
        return
    yield Finding(
        "PG_SESS_FATAL",
        severity,
        f"{count(sum(known), 'session')} of database {name} ended badly within "
        f"{duration(five.seconds)}",
        subject=name,
        evidence=(
            Evidence("ended badly", sum(known), "", limits.first),
            Evidence("by a fatal error", gain.fatal),
            Evidence("ended by an operator or a timeout", gain.killed),
            Evidence("abandoned: the client went away", gain.abandoned),
            Evidence("sessions begun", gain.sessions),
        ),
        likely=_causes(gain.fatal or 0, gain.killed or 0, gain.abandoned or 0),
        next="which of the three? abandoned: look at the clients; killed: who ended them; fatal: "
        "the server's log",
    )


def _causes(fatal: int, killed: int, abandoned: int) -> tuple[str, ...]:
    causes = {
        "clients die or their connections are cut: a crash loop, an idle timeout in between": (
            abandoned
        ),
        "somebody terminates sessions, or the server was shut down": killed,
        "the server ends them: a timeout of idle transactions, a crash, no memory": fatal,
    }
    return tuple(sorted((c for c, n in causes.items() if n), key=lambda c: -causes[c]))


def churn(minute: CountersWindow, limits: Thresholds, usual: float | None) -> Iterator[Finding]:
    """Clients log in and out all the time instead of keeping their connections.

    Each login forks a process and checks a password: milliseconds of a processor, more than most
    statements take. It begins when a release switches pooling off, when pools are too small or
    their connections live too short, or when clients reconnect after errors. A warning at most
    while it is as it always was: high needs a rise to five times the usual. A rush is told between
    two looks at the sessions, by a higher limit, where they end as well.
    """
    rate = minute.per_s("sessions")
    severity = limits.grade(rate)
    if severity is None or rate is None:
        return
    rose = usual is not None and rate >= _RISE * usual
    if usual is not None and not rose:
        severity = min(severity, Severity.WARNING)
    yield Finding(
        "PG_CONN_CHURN",
        severity,
        f"{rate:,.0f} sessions a second begin"
        + (f", {usual:,.1f} are usual" if rose else "")
        + ": clients do not keep their connections",
        subject="logins",
        evidence=(
            Evidence("sessions begun", round(rate, 1), "/s", limits.first),
            Evidence("in the first minute that we looked", usual, "/s"),
            Evidence("over", minute.seconds, "s"),
        ),
        likely=(
            *(("a release switched pooling off",) if rose else ()),
            "a pool whose connections are closed after each use, or live too short",
            "clients that fail and come back at once",
            "functions or jobs that log in for each request",
        ),
        next="which client? its sessions are the youngest; then its pool and its newest release; a "
        "pooler in front of the server takes the logins off it",
        fact=False,
    )
