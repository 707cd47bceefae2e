"""Lines of a log group that a look may read: where the place lets looks read lines at all.

Source: CloudWatch Logs API Reference, `FilterLogEvents` (answers come oldest first, and a page may
be empty and not the last).
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from cockpit.connect.aws.answer import Answer, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason, Refused

_PAGES = 3
Line = TypeVar("Line", bound=Answer)


async def log_lines(
    aws: AwsReads,
    group: str,
    pattern: str,
    *,
    start: datetime,
    end: datetime,
    most: int,
    into: type[Line],
) -> tuple[Line, ...]:
    """About `most` lines that match, of three pages. Raises `BlindError`."""
    asked: dict[str, object] = {
        "logGroupName": group,
        "startTime": int(start.timestamp() * 1000),
        "endTime": int(end.timestamp() * 1000),
        "filterPattern": pattern,
        "limit": most,
    }
    found: tuple[Line, ...] = ()
    for _ in range(_PAGES):
        try:
            answer = await aws.read("logs", "FilterLogEvents", expect="events", **asked)
        except Refused as error:  # the place's `logs` is false
            told = "the place lets no look read lines of logs"
            raise BlindError(Reason.MISCONFIGURED, f"{told}: {error.message}") from error
        found += answers_into(answer["events"], into)
        token = answer.get("nextToken")
        if not token or len(found) >= most:
            break
        asked["nextToken"] = token
    return found
