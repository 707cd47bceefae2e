"""What stopped a MySQL replica, in the server's words: without the values of rows, and its causes.

The thread that applies quotes rows and whole statements inside quotes, with nothing escaped:
`Error 'Duplicate entry 'a@b' for key 'PRIMARY'' on query. … Query: 'INSERT …'`. Sources: MySQL
Reference Manual, "Server Error Message Reference"; MariaDB Knowledge Base, "MariaDB Error Codes".
"""

from __future__ import annotations

import re

from cockpit.redact import SecretText

_WRAPPED = re.compile(r"Error '(.*)' on query\. Default database: '([\w$-]*)'", re.DOTALL)
_ENTRY = re.compile(r"(.*?Duplicate entry )'(.*)' for key '([\w$.-]*)'(.*)", re.DOTALL)
_VALUES = re.compile(r"(?<!\w)['\"].*['\"](?!\w)", re.DOTALL)
_STATEMENT = re.compile(r"\bQuery: '(.*?)'?\s*\Z", re.DOTALL)


def applying(text: str) -> SecretText | None:
    """The words of the thread that applies; what may be a row's is a literal in them. None: it
    said nothing.
    """
    if not text:
        return None
    sent = _STATEMENT.search(text)
    bare = _WRAPPED.sub(r"\1, database \2", text[: sent.start()] if sent else text)
    if entry := _ENTRY.fullmatch(bare):
        before, value, key, after = entry.groups()
        bare = f"{_one(before)}{_literal(value)} for key {key}{_one(after)}"
    else:
        bare = _one(bare)
    tail = f"Query: {_literal(sent.group(1))}" if sent else ""
    return SecretText(f"{bare}{tail}")


def _one(text: str) -> str:
    """From the first quote to the last one: nobody can say which of those between belong together.
    An apostrophe inside a word is none.
    """
    return _VALUES.sub(lambda found: _literal(found.group()[1:-1]), text)


def _literal(value: str) -> str:
    plain = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{plain}'"


_CAUSES = {
    1062: ("the replica was written to: a row is there already",),
    1032: ("the replica was written to: a row is missing",),
    1045: ("the replication user's password changed",),
    1593: ("both servers have the same server_id",),
    1040: ("the primary has no connection left",),
    1130: ("the primary's account does not allow this replica's address",),
    2003: ("the primary cannot be reached",),
    2061: ("the replication user's password plugin wants TLS, or the primary's public key",),
}
_READING = frozenset({1236, 13114})
"""The primary refused to send its log; why stands in the text only. 13114: MySQL 8's number."""
_REFUSED = (
    (r"purged|first log file", "the primary's binary log was removed: rebuild the replica"),
    (
        r"max_allowed_packet|log event entry exceeded",
        "an event is larger than max_allowed_packet: raise it on both servers",
    ),
    (
        r"server_uuid|server_id",
        "another replica has the same server_id or server_uuid: a copied server",
    ),
    (r"impossible position", "the primary lost the end of its log in a crash"),
)


def causes(number: int, text: str) -> tuple[str, ...]:
    """What an error usually comes from, by its number and, where that says too little, its text."""
    inside = re.search(r"fatal error (\d+)", text)
    if number in _READING or (inside and int(inside.group(1)) in _READING):
        found = (cause for pattern, cause in _REFUSED if re.search(pattern, text, re.IGNORECASE))
        return (next(found, "the primary refuses to send its log: its words say why"),)
    return _CAUSES.get(number, ("somebody stopped it", "the primary cannot be reached"))
