"""What a look at a topic holds.

Source: SNS API reference (`GetTopicAttributes` gives numbers as text; a subscription that waits for
its confirmation has `PendingConfirmation` in the place of its ARN) and Developer Guide, "Monitoring
topics using CloudWatch" (the dimension is the topic's name, not its ARN; every five minutes).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.finding import Thresholds
from probes.answers import Gap
from probes.metrics import NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Somebody who shall get what is published."""

    state: str
    """`confirmed`, `pending`, `deleted`, or SNS' own word."""
    protocol: str
    endpoint: str
    """Of a mail address only its domain: the rest is a person."""
    arn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a topic."""

    at: datetime
    arn: str
    name: str
    confirmed: int | None = None
    pending: int | None = None
    deleted: int | None = None
    key: str = ""
    """The key that messages are encrypted with; empty: none."""
    subscriptions: tuple[Subscription, ...] = ()
    listed: bool = False
    """Whether they were read."""
    gone: tuple[str, ...] = ()
    """Subscriptions that the cockpit saw confirmed and that are not there any more."""
    published: Series = NO_DATA
    delivered: Series = NO_DATA
    failed: Series = NO_DATA
    filtered: Series = NO_DATA
    """Left out by filter policies."""
    dead: Series = NO_DATA
    """Sent to a dead letter queue."""
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the judgement of a topic draws its lines."""

    failed: Thresholds = Thresholds(warning=1)
    """Deliveries that failed for good within the hour. As many as were delivered, or more, is
    critical."""
