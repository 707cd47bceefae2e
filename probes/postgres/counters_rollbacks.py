"""How much of the work is rolled back."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Thresholds
from probes.postgres.counters_model import CountersWindow


def rollbacks(
    window: CountersWindow, limits: Thresholds, *, share: float, name: str
) -> Iterator[Finding]:
    """Much of the work is rolled back instead of committed.

    The application fails in most of its requests, or its driver ends reads with ROLLBACK, which is
    harmless. Judged by the rate and by the share of commits: over a minute, and with higher limits
    between two looks at the sessions.
    """
    rate, commits = window.per_s("rollbacks"), window.per_s("commits")
    severity = limits.grade(rate)
    if severity is None or rate is None or rate <= share * (commits or 0):
        return
    yield Finding(
        "PG_TX_ROLLBACKS",
        severity,
        f"{rate:,.0f} transactions a second are rolled back in database {name}, "
        f"{commits or 0:,.0f} are committed",
        subject=name,
        evidence=(
            Evidence("rollbacks", round(rate, 1), "/s", limits.first),
            Evidence("commits", None if commits is None else round(commits, 1), "/s"),
            Evidence("over", window.seconds, "s"),
        ),
        likely=(
            "the application meets an error in every request: constraint, timeout, serialization",
            "a release that does not fit the schema",
            "a driver that rolls back instead of committing reads",
        ),
        next="the server's log: which error, from which application? then the newest deployment",
        fact=False,
    )
