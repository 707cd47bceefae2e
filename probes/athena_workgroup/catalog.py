"""Findings about the table that the queries read: its columns and its partitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration
from probes.athena_workgroup.model import Settings, Snapshot
from probes.athena_workgroup.runs import recent
from probes.began import TOLD, told

_UNFIT = re.compile(
    r"HIVE_BAD_DATA|HIVE_PARTITION_SCHEMA_MISMATCH|HIVE_INVALID_METADATA|COLUMN_NOT_FOUND|"
    r"TYPE_MISMATCH|TABLE_NOT_FOUND|SCHEMA_NOT_FOUND|HIVE_METASTORE_ERROR"
)


def schema(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The table does not fit its data: it is gone, queries say so, or it was changed right before
    results became empty. Critical when a change and a failure come together.

    A line of the data is never read to compare: it is the customer's.
    """
    table = snapshot.table
    runs = recent(snapshot, settings)
    ended = [each for each in runs if each.state in {"SUCCEEDED", "FAILED"}]
    unfit = [each for each in ended[:1] if each.state == "FAILED" and _UNFIT.search(each.reason)]
    gone = table is not None and not table.there
    changed = None if table is None or table.updated is None else snapshot.at - table.updated
    fresh = changed is not None and changed < timedelta(seconds=settings.schema_age)
    counted = [each for each in runs if each.rows is not None]
    empty = bool(counted) and counted[0].rows == 0
    crawled = snapshot.crawler is not None and snapshot.crawler.last == "FAILED"
    if not (gone or unfit or (empty and fresh) or (empty and crawled)):
        return
    both = gone or bool(unfit and fresh)
    ago = None if changed is None else changed.total_seconds()
    yield Finding(
        "GLUE_SCHEMA_MISMATCH",
        Severity.CRITICAL if both else Severity.WARNING,
        f"the table {table.name} is not there"
        if gone and table is not None
        else "a query says that the table does not fit"
        if unfit
        else f"results are empty since the table was changed {duration(ago or 0)} ago"
        if fresh
        else "results are empty, and the last crawl failed",
        evidence=(
            Evidence("table", table.name if table is not None else None),
            Evidence("reason", unfit[0].reason if unfit else None),
            Evidence("changed ago", ago, "s", limit=settings.schema_age),
            Evidence("version", table.version or None if table is not None else None),
            Evidence("reader of lines", table.serde or None if table is not None else None),
            Evidence("columns", table.columns if table is not None else None),
            *_crawl(snapshot),
        ),
        likely=(
            "a crawler wrote other types or columns",
            "the source added fields at the end of its lines",
            "the logs of another kind of balancer lie there",
        ),
        next="compare the table with its version from before",
        began=told(table.updated, snapshot.at) if fresh and table is not None else None,
        resolution=TOLD,
    )


def _crawl(snapshot: Snapshot) -> Iterator[Evidence]:
    crawler = snapshot.crawler
    if crawler is not None:
        yield Evidence("last crawl", crawler.last or None)
        yield Evidence("it says", crawler.message or None)


def partitions(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The newest partition is of an earlier day: what came since is not seen by any query."""
    table = snapshot.table
    if table is None or not table.listed or table.newest is None:
        return
    old = (snapshot.at - table.newest - timedelta(days=1)).total_seconds()
    severity = settings.partition_age.grade(old)
    if severity is None:
        return
    yield Finding(
        "GLUE_PARTITION_MISSING",
        severity,
        f"the newest partition of {table.name} is of {table.newest:%Y-%m-%d}",
        evidence=(
            Evidence("newest", f"{table.newest:%Y-%m-%d}"),
            Evidence("its day ended ago", old, "s", limit=settings.partition_age.first),
            Evidence("keys", ", ".join(table.partition_keys)),
            *_crawl(snapshot),
        ),
        likely=("the crawler failed, or did not run", "MSCK REPAIR TABLE was not run"),
        next="add the partitions, or let the table compute them (partition projection)",
    )
