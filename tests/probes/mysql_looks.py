"""What the tests of MySQL's probes begin with: a server, and sessions on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cockpit.redact import SecretText
from probes.mysql.model import MysqlServer, Thread

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
MDL = "Waiting for table metadata lock"


def server(**changed: Any) -> MysqlServer:
    values: dict[str, Any] = {
        "version": "8.0.40", "comment": "MySQL Community Server", "at": AT,
        "max_connections": 100, "role": "cockpit_ro@%",
    }  # fmt: skip
    return MysqlServer(**{**values, **changed})


def thread(id_: int, **changed: Any) -> Thread:
    values: dict[str, Any] = {
        "id": id_, "user": "app", "host": "10.0.0.7:4242", "command": "Query", "secs": 1,
        "query": SecretText("SELECT 1", mysql=True),
    }  # fmt: skip
    return Thread(**{**values, **changed})
