"""Autovacuum that somebody switched off: nothing cleans, nothing measures, until it is felt.

Source: PostgreSQL documentation, "The Autovacuum Daemon", storage parameter `autovacuum_enabled`.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity
from probes.postgres.maintenance_model import Dead, Maintenance

_EACH = 5


def off_findings(look: Maintenance, changed: float) -> Iterator[Finding]:
    """Autovacuum is off, for the server or for a table that changes a lot.

    Dead rows pile up, statistics are of another time or were never taken, so plans go wrong; and
    transaction numbers are used up: only the vacuum against wraparound still comes, all at once.
    Somebody switched it off for a load and forgot it, mostly. A table is told where it is off for
    the table alone, was never analysed and has had `changed` rows written since.
    """
    if not look.state.autovacuum:
        yield Finding(
            "PG_VAC_OFF",
            Severity.WARNING,
            "autovacuum is off: no table is cleaned or measured by itself",
            subject="autovacuum",
            evidence=(Evidence("autovacuum", "off"),),
            likely=("somebody switched it off for a bulk load and forgot it",),
            next="who wants it off? ALTER SYSTEM RESET autovacuum and SELECT pg_reload_conf(), or "
            "the parameter group; then VACUUM (ANALYZE) the tables with the most dead rows",
            fact=False,
        )
        return
    forgotten = [table for table in look.tables if _never_measured(table, changed)]
    for table in forgotten[:_EACH]:
        name = visible(f"{table.schema}.{table.name}", 80)
        yield Finding(
            "PG_VAC_OFF",
            Severity.WARNING,
            f"autovacuum is off for table {name}, and it was never analysed: plans guess",
            subject=name,
            evidence=(
                Evidence("rows written since it was analysed", table.modified, limit=changed),
                Evidence("live rows", table.live),
                Evidence("dead rows", table.dead),
            ),
            likely=("a bulk load that switched it off and did not switch it on again",),
            next="ANALYZE it; ALTER TABLE … RESET (autovacuum_enabled)",
            fact=False,
        )


def _never_measured(table: Dead, changed: float) -> bool:
    """The count of changes begins anew with each ANALYZE, so it stands for the table's life."""
    written = (table.modified or 0) >= changed
    return bool(table.switched_off) and table.analyzed_s is None and written
