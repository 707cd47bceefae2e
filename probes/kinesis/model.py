"""What a look at a stream holds. Runbook steps capture from these records by name.

Source: Kinesis Data Streams Developer Guide ("Monitoring the Kinesis Data Streams service with
CloudWatch", "Quotas and limits"): a shard takes 1 MiB and 1,000 records a second, and gives 2 MiB.
`GetRecords` is never called.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from probes.answers import Gap
from probes.metrics import NO_DATA

SHARD_BYTES = 1_048_576
SHARD_RECORDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConsumer:
    """A consumer with throughput of its own (enhanced fan-out)."""

    name: str
    status: str
    behind: Series = NO_DATA
    """Milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a stream."""

    at: datetime
    name: str
    arn: str
    status: str
    mode: str = ""
    """`PROVISIONED` or `ON_DEMAND`."""
    shards: int = 0
    doubled: int = 0
    """Twice as many: the most that one change may give."""
    retention: int = 24
    """Hours."""
    status_since: datetime | None = None
    turned: datetime | None = None
    """The same where a look saw it come into its status; None: it was so at the first look."""
    consumers: tuple[StreamConsumer, ...] = ()
    behind: Series = NO_DATA
    """`GetRecords.IteratorAgeMilliseconds`, the worst: published only while somebody reads."""
    records: Series = NO_DATA
    bytes: Series = NO_DATA
    writes_throttled: Series = NO_DATA
    """Records that were refused."""
    reads_throttled: Series = NO_DATA
    """Calls that were refused."""
    gaps: tuple[Gap, ...] = ()
