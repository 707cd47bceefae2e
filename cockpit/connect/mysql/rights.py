"""What an account may do to other threads and to replication, read from its own grants.

Source: MySQL Reference Manual, "KILL Statement" and "Privileges Provided"; MariaDB Knowledge Base,
"KILL" and "GRANT" (`CONNECTION ADMIN`, `REPLICATION SLAVE ADMIN` since 10.5, once part of `SUPER`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cockpit.connect.session import Right

_GLOBAL = re.compile(
    r"^GRANT (?P<rights>.+?) ON \*\.\* TO (?P<who>.+?)(?: IDENTIFIED .*| WITH .*)?$"
)
_ROLE = re.compile(r"^GRANT [`'\"][^ ]+ TO ")
_ALL = "ALL PRIVILEGES"
_KILLS = ("CONNECTION ADMIN", "CONNECTION_ADMIN", "SUPER", _ALL)
_STARTS = (
    "REPLICATION SLAVE ADMIN",
    "REPLICATION REPLICA ADMIN",
    "REPLICATION_SLAVE_ADMIN",
    "SUPER",
    _ALL,
)
_SEES = ("PROCESS", _ALL)


def right_of(
    grants: Iterable[str], call: str, values: Mapping[str, object], *, user: str, mariadb: bool
) -> Right:
    """Whether an account with these `SHOW GRANTS` lines may run a named statement.

    `user`: the account's name, since everybody may end threads of their own.
    """
    held: set[str] = set()
    who, roles = "", False
    for line in grants:
        roles |= bool(_ROLE.match(line))
        if found := _GLOBAL.match(line):
            held |= {each.strip().upper() for each in found["rights"].split(",")}
            who = found["who"]
    wanted = [_STARTS] if call == "start_replication" else [_SEES, _KILLS]
    if call != "start_replication" and values.get("user") == user:
        wanted = []
    missing = [needed for needed in wanted if not held & set(needed)]
    if not missing:
        return Right(held=True)
    if roles:
        return Right(None, "the account has roles: what these give is not read here")
    names = [needed[0] if mariadb else needed[0].replace(" ", "_") for needed in missing]
    if not mariadb and call == "start_replication":
        names = ["REPLICATION_SLAVE_ADMIN"]
    return Right(
        False,
        f"has no {' and no '.join(names)}",
        f"GRANT {', '.join(names)} ON *.* TO {who};" if who else "",
    )
