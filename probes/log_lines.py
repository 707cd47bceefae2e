"""Lines of a log group that a look may read: where the place lets looks read lines at all."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from cockpit.connect.aws.answer import Answer, answers_into
from cockpit.connect.session import AwsReads
from cockpit.logs.reading import filtered

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
    found = await filtered(aws, group, pattern, start=start, end=end, most=most)
    return answers_into(found.rows, into)
