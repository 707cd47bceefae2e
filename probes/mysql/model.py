"""What the MySQL probes share: sessions, who may be ended, and what a role may see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from cockpit.connect.pace import Pace
from cockpit.connect.session import SqlReads
from cockpit.errors import BlindError, Reason
from cockpit.redact import SecretText
from cockpit.text import visible
from cockpit.triage.view import Offer
from cockpit.units import duration

Row = TypeVar("Row")

_WHOSE = 3
"""Names that stand in a line of evidence."""

PROTECTED_USERS = frozenset(
    {
        "rdsadmin",
        "rdsrepladmin",
        "rdsproxyadmin",
        "system user",
        "event_scheduler",
        "mysql.sys",
        "mysql.session",
    }
)
USER_LOCK = "User lock"
"""The state of who waits in GET_LOCK."""
PROTECTED_COMMANDS = frozenset({"Binlog Dump", "Binlog Dump GTID", "Daemon"})
_COMMITS = re.compile(r"(?i)commit|waiting for handler commit|.*semi-sync.*")
"""States of a statement that is done and only waits to be told so: for the log's disk, or a replica
that acknowledges it. Where several wait for that replica, one alone says so; the others `Commit`.
"""
_SCHEMA_CHANGE = re.compile(
    r"(?is)^(?:\s|/\*(?!!).*?\*/)*(?:alter|drop|truncate|rename|create|optimize|repair|lock\s+tables|flush\s+tables?)\b"
)

SERVER = """
SELECT VERSION() AS version, @@version_comment AS comment, UTC_TIMESTAMP(6) AS at,
       @@max_connections AS max_connections, @@read_only AS read_only,
       @@innodb_read_only AS engine_read_only, CURRENT_USER() AS role, @@hostname AS hostname
"""


class MysqlReads(SqlReads, Protocol):
    """A MySQL observer, which knows how fast the server answers it."""

    @property
    def pace(self) -> Pace:
        """What the server is spared."""

    async def rows_within(self, seconds: int, sql: str, *, into: type[Row]) -> list[Row]:
        """As `rows`, for one SELECT that the server gives up after so many whole seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlServer:
    """What the server is. `at`: its own clock, UTC."""

    version: str
    comment: str = ""
    at: datetime
    max_connections: int
    read_only: bool = False
    engine_read_only: bool = False
    role: str = ""
    hostname: str = ""
    """Its own name of its machine: an endpoint may lead to another server than before."""
    uptime: int | None = None
    """Seconds since its start; None: not asked."""

    @property
    def mariadb(self) -> bool:
        """MariaDB rather than MySQL."""
        return "mariadb" in f"{self.version} {self.comment}".lower()

    @property
    def is_reader(self) -> bool:
        """Takes no writes from applications."""
        return self.read_only or self.engine_read_only

    @property
    def name(self) -> str:
        """`MariaDB 10.11.6` or `MySQL 8.0.40`."""
        number = self.version.split("-", 1)[0]
        return f"{'MariaDB' if self.mariadb else 'MySQL'} {number}"

    @property
    def grant(self) -> str:
        """The rights that an observer wants, as a line to paste."""
        rights = "PROCESS, SLAVE MONITOR" if self.mariadb else "PROCESS, REPLICATION CLIENT"
        user, _, host = self.role.rpartition("@")
        return f"GRANT {rights} ON *.* TO '{visible(user, 40)}'@'{visible(host, 60)}';"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """One session. Seconds by the server's clock; `trx_*` None: no transaction is open."""

    id: int
    user: str = ""
    host: str = ""
    db: str | None = None
    command: str = ""
    secs: int | None = None
    state: str | None = None
    query: SecretText | None = None
    trx_state: str | None = None
    trx_s: int | None = None
    wait_s: int | None = None
    rows_locked: int | None = None
    rows_modified: int | None = None
    is_backup: bool = False
    """Its statement has the comment that dumps put into theirs."""
    with_port: bool = True
    """`host` ends in the client's port. Not so in performance_schema."""

    @property
    def sleeping_transaction(self) -> bool:
        """Holds a transaction open and runs nothing."""
        return self.command == "Sleep" and self.trx_s is not None

    @property
    def running(self) -> bool:
        """Runs a statement."""
        return self.command in {"Query", "Execute"}

    @property
    def commits(self) -> bool:
        """Its statement is in the log and waits to be told done: an end of it takes nothing back
        (KILL QUERY tells its client success at once, KILL loses the answer).
        """
        return self.running and bool(_COMMITS.fullmatch(self.state or ""))

    @property
    def waits(self) -> bool:
        """Runs a statement that waits for somebody, and is no cause of anything."""
        state = (self.state or "").lower()
        waits = state.startswith("waiting") or state == USER_LOCK.lower() or self.commits
        return self.running and (waits or self.wait_s is not None)

    @property
    def protected(self) -> str:
        """Why it is never ended from here; empty when it may be."""
        if self.user in PROTECTED_USERS:
            return "protected"
        if self.command in PROTECTED_COMMANDS:
            return "replication"
        return "backup" if self.is_backup else ""

    @property
    def is_schema_change(self) -> bool:
        """Runs a statement that wants a table for itself."""
        return bool(_SCHEMA_CHANGE.match(str(self.query or "")))

    @property
    def address(self) -> str:
        """The client's address without its port."""
        host, _, port = self.host.rpartition(":")
        return host if host and self.with_port and port.isdigit() else self.host

    @property
    def name(self) -> str:
        """Who it is, for a column."""
        tail = f" · {self.protected}" if self.protected else ""
        return f"{visible(self.user or 'unknown', 30)} {visible(self.address, 40)}{tail}"

    @property
    def key(self) -> str:
        """Its identity from look to look."""
        return f"{self.id} {self.user}@{self.host}"

    @property
    def shown_state(self) -> str:
        """`Sleep`, `Query`, or `Sleep, transaction open`."""
        return "Sleep, transaction open" if self.sleeping_transaction else self.command


async def read_server(mysql: SqlReads) -> MysqlServer:
    """What the server is. Raises `BlindError`."""
    rows = await mysql.rows(SERVER, into=dict)
    if not rows:
        raise BlindError(Reason.UNREADABLE, "the server gave no row for its own state")
    row: Mapping[str, Any] = rows[0]
    try:
        return _server(row)
    except KeyError as missing:
        raise BlindError(
            Reason.UNREADABLE, f"the server does not say its own {missing.args[0]}"
        ) from None


def _server(row: Mapping[str, Any]) -> MysqlServer:
    at = row["at"]
    return MysqlServer(
        version=str(row["version"]),
        comment=str(row["comment"]),
        at=at.replace(tzinfo=UTC) if isinstance(at, datetime) else datetime.fromisoformat(str(at)),
        max_connections=int(row["max_connections"]),
        read_only=str(row["read_only"]).upper() not in {"0", "OFF"},
        engine_read_only=str(row["engine_read_only"]).upper() not in {"0", "OFF"},
        role=str(row["role"]),
        hostname=str(row.get("hostname") or ""),
    )


def offers(thread: Thread) -> tuple[Offer, ...]:
    """What may be done to a session: nothing to a protected one, nor to one that commits."""
    if thread.protected or not thread.id or thread.trx_state == "ROLLING BACK" or thread.commits:
        return ()
    ends = (kill(thread),)
    return (kill_query(thread), *ends) if thread.running else ends


def kill_query(thread: Thread, *, releases: int = 0, more: int = 0, effect: str = "") -> Offer:
    """End the running statement."""
    return Offer(
        key="c",
        label=f"cancel {thread.id}",
        kind="sql",
        call="kill_query",
        args=_identity(thread),
        risk="low",
        effect=effect
        or "ends its statement (error 1317, or success for SLEEP, GET_LOCK, DO and BENCHMARK); its "
        "transaction stays open",
        releases=releases,
        more=more,
    )


def kill(thread: Thread, *, releases: int = 0, more: int = 0) -> Offer:
    """End the session."""
    return Offer(
        key="t",
        label=f"kill {thread.id}",
        kind="sql",
        call="kill_connection",
        args=_identity(thread),
        risk="high",
        effect=rolls_back(thread),
        releases=releases,
        more=more,
    )


def rolls_back(thread: Thread) -> str:
    """What ending it undoes."""
    who = visible(thread.user or "the client", 30)
    if thread.trx_s is None:
        return f"closes {who}'s connection; no transaction is open"
    rows = f", {thread.rows_modified:,} rows modified" if thread.rows_modified else ""
    return f"rolls back {duration(max(0, thread.trx_s))} of {who}'s transaction{rows}"


def _identity(thread: Thread) -> dict[str, object]:
    return {"id": thread.id, "user": thread.user, "host": thread.host}


def whose(threads: Iterable[Thread]) -> str:
    """Whose sessions they are, each with how many it has, the most first: `app 10.0.3.17 × 6`."""
    told = Counter(thread.name for thread in threads).most_common()
    names = [name if many == 1 else f"{name} × {many}" for name, many in told[:_WHOSE]]
    return ", ".join(names) + (f" and {len(told) - _WHOSE} more" if len(told) > _WHOSE else "")
