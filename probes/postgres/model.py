"""What the PostgreSQL probes share: sessions, who may be ended, and how a session is named."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cockpit.errors import BlindError, Reason
from cockpit.redact import SecretText
from cockpit.text import visible
from cockpit.triage.view import Offer
from cockpit.units import duration

Row = TypeVar("Row")

GRANT = "GRANT pg_monitor TO {role};"
PROTECTED_USERS = frozenset({"rdsadmin", "rdsrepladmin", "rdswriteforwarduser", "rdsproxyadmin"})
ENDABLE_TYPES = frozenset({"client backend", "autovacuum worker"})
"""Who works for clients: every other kind of process, also one of a later version, is spared."""
_REPLICATION = ("walsender", "walreceiver", "logical replication", "slotsync")
_BACKUPS = ("pg_dump", "pg_dumpall", "pg_basebackup")
_OURS = "incident-cockpit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One row of pg_stat_activity. Seconds are the server's; None: the role may not see it."""

    pid: int
    backend_start: datetime | None = None
    usename: str | None = None
    datname: str | None = None
    application_name: str | None = None
    client: str | None = None
    backend_type: str | None = None
    state: str | None = None
    wait_type: str | None = None
    wait_event: str | None = None
    xact_s: float | None = None
    query_s: float | None = None
    state_s: float | None = None
    has_xid: bool = False
    has_xmin: bool = False
    query: SecretText | None = None

    @property
    def idle_in_transaction(self) -> bool:
        """Holds a transaction open and runs nothing."""
        return (self.state or "").startswith("idle in transaction")

    @property
    def deferring(self) -> bool:
        """Waits for a safe snapshot (SERIALIZABLE, READ ONLY, DEFERRABLE)."""
        return self.wait_event == "SafeSnapshot"

    @property
    def protected(self) -> str:
        """Why it is never ended from here; empty when it may be."""
        if self.usename in PROTECTED_USERS:
            return "protected"
        if self.backend_type == "parallel worker":
            return "works for its leader"  # whose statement ends with it, and whose session stays
        if self.backend_type is not None and self.backend_type not in ENDABLE_TYPES:
            replicates = self.backend_type.startswith(_REPLICATION)
            return "replication" if replicates else "server process"
        if self.application_name == _OURS:
            return "ourselves"
        if self.application_name in _BACKUPS:
            return "backup"
        if self.backend_type == "autovacuum worker":
            wraparound = self.query is not None and "wraparound" in str(self.query)
            return "wraparound vacuum" if wraparound else ""
        return ""

    @property
    def endable(self) -> bool:
        """It can be named by its identity, and may be ended from here.

        A commit that waits for its synchronous standby may not: it is done here, a cancel or the
        end of the session only tells the client so while no standby has it.
        """
        named = not self.protected and self.backend_start is not None and self.pid > 0
        return named and not self.committing

    @property
    def committing(self) -> bool:
        """Has committed here and waits for its synchronous standby."""
        return self.wait_event == "SyncRep"

    @property
    def name(self) -> str:
        """Who it is, for a column: application or user, and where from."""
        who = self.application_name or self.usename or self.backend_type or "unknown"
        parts = [visible(who, 30)]
        if self.client:
            parts.append(self.client)
        if self.protected:
            parts.append(f"· {self.protected}")
        return " ".join(parts)

    @property
    def key(self) -> str:
        """Its identity from look to look: a pid alone may be given to another."""
        return f"{self.pid}@{self.backend_start.isoformat() if self.backend_start else '?'}"


def offers(session: Session) -> tuple[Offer, ...]:
    """What may be done to a session: nothing to one that may not be ended from here."""
    if not session.endable:
        return ()
    offered = (terminate(session),)
    return (cancel(session), *offered) if session.state == "active" else offered


def cancel(session: Session, *, releases: int = 0, more: int = 0, effect: str = "") -> Offer:
    """Cancel the running statement."""
    return Offer(
        key="c",
        label=f"cancel {session.pid}",
        kind="sql",
        call="cancel_backend",
        args=_identity(session),
        risk="low",
        effect=effect or "ends its statement; its transaction is aborted, its connection stays",
        releases=releases,
        more=more,
    )


def terminate(session: Session, *, releases: int = 0, more: int = 0, effect: str = "") -> Offer:
    """End the session."""
    return Offer(
        key="t",
        label=f"terminate {session.pid}",
        kind="sql",
        call="terminate_backend",
        args=_identity(session),
        risk="high",
        effect=effect or rolls_back(session),
        releases=releases,
        more=more,
    )


def rolls_back(session: Session) -> str:
    """What ending it undoes."""
    who = visible(session.application_name or session.usename or "the client", 30)
    if session.xact_s is None:
        return f"closes {who}'s connection; no transaction is open"
    return f"rolls back {duration(session.xact_s)} of {who}'s transaction"


def _identity(session: Session) -> dict[str, object]:
    assert session.backend_start is not None
    return {"pid": session.pid, "backend_start": session.backend_start.isoformat()}


def quoted(name: str) -> str:
    """An identifier for a line to paste, whatever is in it; never sent by us."""
    return '"' + visible(name, 120).replace('"', '""') + '"'


async def partly(
    asked: Awaitable[list[Row]], what: str, unread: list[str], *, but_for: tuple[Reason, ...]
) -> list[Row]:
    """The rows; none, and why in `unread`, when they cannot be had for one of these reasons.

    Another reason, such as a lost connection, is raised: it is no matter of this part alone.
    """
    try:
        return await asked
    except BlindError as error:
        if error.reason not in but_for:
            raise
        unread.append(visible(f"{what}: {error.message}", 200))
        return []
