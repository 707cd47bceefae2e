"""One channel of a MySQL or MariaDB replica, by the old or the new names of its status' columns.

Source: MySQL Reference Manual and MariaDB Knowledge Base, "SHOW REPLICA STATUS".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cockpit.redact import SecretText
from cockpit.text import visible
from probes.mysql.replica_errors import applying


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One source that this server replicates from. Seconds; None: not known."""

    name: str = ""
    source: str = ""
    io: str = ""
    sql: str = ""
    behind_s: float | None = None
    delay_s: float | None = None
    """A delay that is meant."""
    io_errno: int = 0
    io_error: str = ""
    sql_errno: int = 0
    sql_error: SecretText | None = None
    """The words of the thread that applies, with rows' values in them. None: it said nothing."""
    sql_state: str = ""
    read: str = ""
    """File and position up to which the primary's log was read."""
    unapplied: int | None = None
    """Bytes read and not applied yet; None: in another file, so not to be told."""
    heartbeats: int | None = None
    """Heartbeats of the primary so far; None: this server does not count them."""
    heartbeat_s: float | None = None
    """Seconds of silence after which the primary sends one."""
    filters: str = ""
    """What it leaves out or takes alone, by the names that its status has for them."""
    heard: datetime | None = None
    """When it last read something or heard a heartbeat, as our looks saw it; the first look counts
    as one. None: not to be told."""

    @property
    def label(self) -> str:
        """The channel's name, or its source."""
        return visible(self.name or self.source or "replication", 60)

    @property
    def running(self) -> bool:
        """Both threads run."""
        return self.io == "Yes" and self.sql == "Yes"

    @property
    def connecting(self) -> bool:
        """It applies what it has, and tries again and again to reach its primary."""
        return self.io in {"Connecting", "Preparing"} and self.sql == "Yes"


def channel(row: Mapping[str, Any]) -> Channel:
    """One row of the status, by the old or the new names of its columns."""
    new = {
        name.replace("Slave", "Replica").replace("Master", "Source"): value
        for name, value in row.items()
    }
    return Channel(
        name=_text(new, "Connection_name") or _text(new, "Channel_Name"),
        source=f"{_text(new, 'Source_Host')}:{_text(new, 'Source_Port')}",
        io=_text(new, "Replica_IO_Running"),
        sql=_text(new, "Replica_SQL_Running"),
        behind_s=seconds(new.get("Seconds_Behind_Source")),
        delay_s=seconds(new.get("SQL_Delay")),
        io_errno=int(seconds(new.get("Last_IO_Errno")) or 0),
        io_error=_text(new, "Last_IO_Error"),
        sql_errno=int(seconds(new.get("Last_SQL_Errno")) or 0),
        sql_error=applying(str(new.get("Last_SQL_Error") or "")),
        sql_state=_text(new, "Replica_SQL_Running_State"),
        read=f"{_text(new, 'Source_Log_File')}:{_text(new, 'Read_Source_Log_Pos')}",
        unapplied=_unapplied(new),
        heartbeats=whole(new.get("Replica_received_heartbeats")),
        heartbeat_s=seconds(new.get("Replica_heartbeat_period")),
        filters=_filters(new),
    )


def _filters(row: Mapping[str, Any]) -> str:
    """`Replicate_Do_DB: shop; Replicate_Ignore_Table: shop.logs`."""
    names = (name for name in row if name.startswith("Replicate_") and name not in _NO_FILTERS)
    return "; ".join(f"{name}: {_text(row, name)}" for name in names if _text(row, name))


_NO_FILTERS = frozenset({"Replicate_Ignore_Server_Ids"})


def _unapplied(row: Mapping[str, Any]) -> int | None:
    read, done = (whole(row.get(f"{what}_Source_Log_Pos")) for what in ("Read", "Exec"))
    same = row.get("Source_Log_File") == row.get("Relay_Source_Log_File")
    return max(0, read - done) if same and read is not None and done is not None else None


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else visible(str(value), 300)


def whole(value: object) -> int | None:
    """A number of a status; None: not told."""
    known = seconds(value)
    return None if known is None else int(known)


def seconds(value: object) -> float | None:
    """Seconds, or another number, of a status; None: not told."""
    try:
        return None if value is None else float(str(value))
    except ValueError:
        return None
