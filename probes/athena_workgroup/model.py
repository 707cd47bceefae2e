"""What a look at a workgroup holds.

Source: Athena API reference (`QueryExecution`, `AthenaError`: category 1 system, 2 user, 3 other)
and User Guide. There is no CloudWatch metric of scanned bytes a query: it is a field of the query.
Its text comes without literals, and is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.triage.finding import Thresholds
from probes.answers import Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRun:
    """One run of a query. Times are seconds."""

    id: str
    state: str
    kind: str = ""
    """`DML`, `DDL`, `UTILITY`."""
    reason: str = ""
    """In Athena's words, without literals."""
    category: int | None = None
    error_type: int | None = None
    retryable: bool | None = None
    submitted: datetime | None = None
    ended: datetime | None = None
    total: float | None = None
    queued: float | None = None
    scanned: int | None = None
    """Bytes."""
    reused: bool = False
    """Athena gave the result of an earlier run."""
    output: str = ""
    """Where its result goes."""
    rows: int | None = None
    """Rows of its result; None: not asked, or not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlueTable:
    """The table that the queries read."""

    name: str
    """`database.table`."""
    database: str = ""
    table: str = ""
    there: bool = True
    version: str = ""
    updated: datetime | None = None
    location: str = ""
    serde: str = ""
    columns: int = 0
    projection: bool = False
    """Partitions are computed from the table's own properties: none is listed."""
    partition_keys: tuple[str, ...] = ()
    newest: datetime | None = None
    """The day of the newest partition, by its values; None: not told."""
    listed: bool = False
    """Whether the partitions were read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlueCrawler:
    """What writes the table's columns and partitions."""

    name: str
    state: str = ""
    last: str = ""
    """How the last crawl ended."""
    message: str = ""
    started: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a workgroup."""

    at: datetime
    name: str
    state: str = ""
    cutoff: int | None = None
    """Bytes that a query may scan; None: as many as it likes."""
    output: str = ""
    report: bool = False
    """Its queries make a report: one without rows is told."""
    runs: tuple[QueryRun, ...] = ()
    """Newest first, at most fifty."""
    known: bool = False
    """Whether the runs were read."""
    orphan: str = ""
    """The id of the one run that runs for longer than its caller waits; empty: none, or several."""
    table: GlueTable | None = None
    crawler: GlueCrawler | None = None
    gaps: tuple[Gap, ...] = ()


GB = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the judgement of a workgroup draws its lines. Times are seconds."""

    recent: float = 93600
    """A run older than this says nothing of now: a day and two hours."""
    in_a_row: int = 3
    """Failed runs one after the other that are critical."""
    slow: Thresholds = Thresholds(warning=60, critical=180)
    running: Thresholds = Thresholds(critical=180)
    """A run that is not over: its caller has most likely given up."""
    queued: Thresholds = Thresholds(warning=30, critical=120)
    scanned: Thresholds = Thresholds(warning=50 * GB, critical=100 * GB)
    """Bytes."""
    uploads: Thresholds = Thresholds(warning=1, critical=3)
    """Results that could not be written, within an hour."""
    schema_age: float = 86400
    """A table that was changed within this before an empty result is the suspect."""
    partition_age: Thresholds = Thresholds(warning=7200)
    """Seconds since the end of the newest partition's day, in UTC."""
