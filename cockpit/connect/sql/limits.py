"""How much of a SQL server's answer is taken. Drivers take whatever a server sends, and the view
that a statement of ours names may be somebody's own.
"""

from __future__ import annotations

from cockpit.errors import BlindError, Reason
from cockpit.text import visible

MOST = 5 * 1024 * 1024
"""Octets: five hundred statements of two thousand characters take a megabyte."""
MOST_ROWS = 50_000
MOST_VALUES = 300_000
"""In all rows, and inside of what is JSON or an array: each takes a hundred octets in Python."""
MOST_SAID = 4000
"""Characters of an error message that are looked into: patterns take long over a long one."""


class AnswerTooLarge(Exception):
    """More came than any answer that a probe asks for has. The connection is of no use then."""


def too_large(sql: str, *, where: str) -> BlindError:
    """The error for it. Never fewer rows instead, since what is missing would look healthy."""
    return BlindError(
        Reason.UNREADABLE,
        f"{where}: could not look: the answer is too large, more than {MOST >> 20} MB, "
        f"{MOST_ROWS:,} rows or {MOST_VALUES:,} values, to: {visible(' '.join(sql.split()), 120)}",
        hint="has the role a search_path or a default database with a view of that name?",
    )
