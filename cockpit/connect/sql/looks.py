"""Whether a statement only looks: what is not known to is refused before it is sent.

The server is told too (`default_transaction_read_only`, `tx_read_only`), but a read-only
transaction of PostgreSQL still lets `pg_terminate_backend`, `pg_reload_conf` or
`pg_stat_statements_reset` through to whoever has the right, and nobody can say with which rights a
configured observer comes. Statements are written by probes; values are bound, never pasted.

Sources: PostgreSQL documentation, "System Administration Functions", "SET TRANSACTION";
MariaDB knowledge base, "START TRANSACTION", "KILL".
"""

from __future__ import annotations

import re
from typing import Literal

from cockpit.errors import Refused

Flavour = Literal["postgres", "mysql"]

_BEGINS = frozenset({"select", "with", "show", "values"})
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*")
_ODD = re.compile(r"\$\w*\$|\bu&['\"]|/\*", re.IGNORECASE)
"""Dollar quotes, escapes by name, comments that may nest or be executed."""
_WRITES = re.compile(
    r"\b(insert|update|delete|merge|truncate|into|procedure)\b|\bfor\s+(no\s+key\s+|key\s+)?share\b"
    r"|\block\s+in\s+share\b|:=",
)
_CALLED = re.compile(r"([\w$]+|\"\s*\"|`\s*`)\s*\(")
_POSTGRES_LOOKS = re.compile(
    r"pg_(?:is|has|get|last|current|show|size|snapshot|control|table_is|encoding_to)_\w+"
    r"|pg_stat_\w+|pg_(?:\w+_)?size|pg_size_pretty|pg_wal_lsn_diff|pg_walfile_name|pg_typeof"
    r"|pg_(?:safe_snapshot_)?blocking_pids|pg_backend_pid|pg_postmaster_start_time"
    r"|pg_conf_load_time|pg_ls_(?:wal|tmp|logical\w*|replslot\w*|archive_status)dir"
    r"|pg_lock_status|pg_prepared_(?:xact|statement)|pg_relation_filepath|pg_visible_in_snapshot"
)
_POSTGRES_ACTS = re.compile(
    r"set_config|setval|nextval|lo_\w+|lo\w*(?:read|write|creat)|dblink\w*|\w+_to_xml\w*|txid_current"
    r"|ts_stat|\w*(?:reset|clear|advisory)\w*|binary_upgrade\w*|currtid\w*"
)
_MYSQL_ACTS = re.compile(
    r"sleep|benchmark|\w*_lock\w*|release_all_locks|load_file|sys_\w+|\w*wait_\w+|\w*_wait|setval"
    r"|nextval|lastval|uuid_short"
)
_CALLS_OF_WORDS = frozenset({"in", "and", "or", "not", "as", "on", "using", "over", "filter"})


def check(sql: str, flavour: Flavour) -> None:
    """Raise `Refused` unless the statement is one that only looks. Nothing was sent then."""
    bare = _bare(sql, flavour)
    first = re.match(r"[\s(]*([a-z]+)", bare)
    if first is None or first.group(1) not in _BEGINS:
        _refuse(first.group(1) if first else "an empty statement")
    if ";" in bare.rstrip().removesuffix(";"):
        _refuse("more than one statement")
    if written := _WRITES.search(bare):
        _refuse(written.group(0))
    for called in _CALLED.findall(bare):
        if not _only_looks(called, flavour):
            _refuse(f"{called}()")


def _bare(sql: str, flavour: Flavour) -> str:
    """The statement in lower case without what is quoted. Refuses quoting that is not plain."""
    odd = "\\" in sql or _ODD.search(sql) or (flavour == "mysql" and "#" in sql)
    if odd:
        _refuse("a statement whose quoting is not plain")
    return _QUOTED.sub(lambda found: {'"': '""', "`": "``"}.get(found.group()[0], " "), sql).lower()


def _only_looks(called: str, flavour: Flavour) -> bool:
    if called in _CALLS_OF_WORDS:
        return True
    if called.startswith(('"', "`")):
        return False  # a quoted name hides what it calls
    if flavour == "mysql":
        return _MYSQL_ACTS.fullmatch(called) is None
    if _POSTGRES_ACTS.fullmatch(called):
        return False
    return not called.startswith("pg_") or _POSTGRES_LOOKS.fullmatch(called) is not None


def _refuse(what: str) -> None:
    raise Refused(f"{what}: an observer's session only looks; nothing was sent")
