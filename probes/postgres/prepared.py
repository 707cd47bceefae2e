"""Prepared transactions: promised, and nobody's session any more."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Thresholds
from cockpit.units import count, duration
from probes.began import MEASURED, ago
from probes.postgres.pulse import Pulse


def prepared_findings(pulse: Pulse, limits: Thresholds) -> Iterator[Finding]:
    """Prepared transactions stand for long: a two-phase commit that nobody finished.

    They keep locks and hold back vacuum, also over a restart, and they belong to no session that
    could be ended.
    """
    severity = limits.grade(pulse.prepared.max_s)
    if severity is not None:
        yield Finding(
            "PG_PREP_ORPHAN",
            severity,
            f"{count(pulse.prepared.n, 'prepared transaction')}, the oldest for "
            f"{duration(pulse.prepared.max_s or 0)}",
            evidence=(
                Evidence("oldest", pulse.prepared.max_s, "s", limits.first),
                Evidence("prepared transactions", pulse.prepared.n),
            ),
            likely=("a transaction manager that died between its two phases",),
            next="pg_prepared_xacts; only its owner may decide between commit and rollback",
            began=ago(pulse.at, pulse.prepared.max_s),
            resolution=MEASURED,
        )
