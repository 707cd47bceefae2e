"""Logins with exactly the rights that docs/rights.md names, and no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cockpit.connect.redis.errors import acl
from cockpit.connect.statements import COMMANDERS_COMMANDS, STATEMENTS

OBSERVERS_COMMANDS = tuple(
    word.removeprefix("+") for word in acl("me").partition(";")[0].split() if word.startswith("+")
)


def rights_for(*calls: str) -> tuple[str, ...]:
    """All that a login needs for these statements, each once."""
    return tuple(dict.fromkeys(need for call in calls for need in STATEMENTS[call].needs))


def postgres_rights(me: str, rights: Sequence[str]) -> Iterator[str]:
    """The statements that give a role these rights."""
    for right in rights:
        yield f"ALTER ROLE {me} {right}" if right == "REPLICATION" else f"GRANT {right} TO {me}"


def mysql_rights(me: str, rights: Sequence[str]) -> Iterator[str]:
    """The statement that gives an account these rights, if there are any."""
    if rights:
        yield f"GRANT {', '.join(rights)} ON *.* TO {me}@'%'"


def redis_user(me: str, password: str, rights: Sequence[str]) -> tuple[str, ...]:
    """The words of `ACL SETUSER` for a user with these commands and no other, on no key."""
    return ("ACL", "SETUSER", me, "reset", "on", f">{password}", *(f"+{each}" for each in rights))


def redis_commander(me: str, password: str, *calls: str) -> tuple[str, ...]:
    """The same for a commander's user that is to run these statements."""
    return redis_user(me, password, (*COMMANDERS_COMMANDS, *rights_for(*calls)))
