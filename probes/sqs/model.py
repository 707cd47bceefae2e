"""What a look at a queue holds. Runbook steps capture from these records by name.

Source: SQS Developer Guide ("Available CloudWatch metrics for Amazon SQS", "Amazon SQS quotas",
"Using dead-letter queues"). All numbers of SQS are approximate. A queue that was not used for six
hours publishes nothing, and up to fifteen minutes after it is used again: then only its attributes
tell. `ReceiveMessage` is never called: it hides messages from their consumers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from probes.answers import Gap
from probes.metrics import NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterQueue:
    """Where messages go that were received too often."""

    arn: str
    received: int | None = None
    """After how many receives; None: not told."""
    messages: int | None = None
    """In it now; None: it could not be read."""
    retention: int | None = None
    """Seconds after which it deletes. In a standard queue the age counts from the first queue."""
    visible: Series = NO_DATA
    """Told by this number: what SQS moves is not in `NumberOfMessagesSent`."""
    gone: bool = False
    """There is no such queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageMove:
    """Messages of a dead letter queue on their way back."""

    handle: str
    status: str
    source: str = ""
    moved: int = 0
    to_move: int | None = None
    reason: str = ""
    """Why it failed, in SQS' words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a queue."""

    at: datetime
    name: str
    url: str
    arn: str
    fifo: bool = False
    visible: int | None = None
    """Messages that wait; None: not told."""
    in_flight: int | None = None
    delayed: int | None = None
    retention: int = 345_600
    """Seconds."""
    visibility: int = 30
    """Seconds for which a received message is hidden from others."""
    key: str = ""
    """The KMS key, when it has one of its own."""
    is_dead_letter: bool | None = None
    """Other queues send their failed messages here; None: not known."""
    dead_letter: DeadLetterQueue | None = None
    moves: tuple[MessageMove, ...] = ()
    """Of this queue's dead letters, newest first; of its own when it is one."""
    moving: MessageMove | None = None
    """The one that runs."""
    redrive_from: str = ""
    """ARN of the queue whose messages could be moved back: the dead letter queue."""
    dead_messages: int | None = None
    """How many that would be."""
    oldest: Series = NO_DATA
    """Seconds."""
    waiting: Series = NO_DATA
    sent: Series = NO_DATA
    received: Series = NO_DATA
    deleted: Series = NO_DATA
    gaps: tuple[Gap, ...] = ()
