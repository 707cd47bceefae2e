"""Pages that were read and were not what had been written.

Source: PostgreSQL documentation, "Data Checksums"; pg_stat_database, `checksum_failures` (NULL
where checksums are off). The count stands until the statistics are reset, so it is judged by
itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.postgres.counters_model import ChecksumFailures, Totals

_RECENT = timedelta(days=7)
SHARED = "the catalogs that all databases share"


def checksum_findings(totals: Totals) -> Iterator[Finding]:
    """Data on the disk is damaged: the server read a page whose checksum is wrong.

    Each statement that meets such a page fails with XX001; what it held is lost here. It was found
    by whoever read it, so there may be more that nobody has read yet. Critical in the week after
    the last one; older ones stay a warning until somebody has dealt with them and says so.
    """
    for database in totals.databases:
        if database.checksum_failures:
            failed = ChecksumFailures(
                number=database.checksum_failures, last=database.checksum_last_failure
            )
            yield _finding(totals, failed, f"database {visible(database.datname, 60)}")
    if totals.shared is not None and totals.shared.number:
        yield _finding(totals, totals.shared, SHARED)


def _finding(totals: Totals, failed: ChecksumFailures, where: str) -> Finding:
    age = None if failed.last is None else max(timedelta(0), totals.at - failed.last)
    old = age is not None and age > _RECENT
    ago = "" if age is None else f", the last {duration(age.total_seconds())} ago"
    return Finding(
        "PG_CHECKSUM_FAILURES",
        Severity.WARNING if old else Severity.CRITICAL,
        f"{count(failed.number or 0, 'read')} of damaged data in {where}{ago}",
        subject=where,
        evidence=(
            Evidence("checksum failures since the statistics began", failed.number, limit=0),
            Evidence(
                "last one", None if failed.last is None else f"{failed.last:%Y-%m-%d %H:%M} UTC"
            ),
        ),
        likely=("the disk or its controller", "a copy or backup of a running server that was torn"),
        next="no VACUUM FULL, no restart, no zero_damaged_pages: copy the data folder or take a "
        "snapshot first; the server's log names the file; fail over to a standby that is sound, "
        "restore what is damaged; pg_stat_reset() in that database ends this finding",
    )
