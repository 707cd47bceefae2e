"""Where the lines of a target are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


def group_of(arn: str) -> str:
    """The log group of an ARN, `:*` or a stream behind it or not; empty: it is of something else,
    such as a delivery stream.
    """
    return arn.partition(":log-group:")[2].partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """A log group, or some streams of one."""

    group: str
    """Empty: its lines cannot be read from here, for the reason in `why`."""
    label: str = ""
    """Whose lines: `container app`, `task 1a2b`; empty: the target's own."""
    prefix: str = ""
    """Only streams that begin so."""
    stream: str = ""
    """Only this stream."""
    ended: datetime | None = None
    """When what wrote to the stream ended: its last lines up to then are what counts."""
    reason: str = ""
    """Why it ended, in its platform's words."""
    errors: str = ""
    """A filter pattern of the target's own for lines of errors; empty: the usual words."""
    why: str = ""

    @property
    def name(self) -> str:
        """`container app (/ecs/checkout)`."""
        if self.label and self.group:
            return f"{self.label} ({self.group})"
        return self.label or self.group
