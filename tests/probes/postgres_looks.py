"""Looks at PostgreSQL's sessions, in short words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cockpit.redact import SecretText
from probes.postgres.model import Session
from probes.postgres.pulse import PostgresFacts, Prepared, Pulse

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)


def pulse(**changed: Any) -> Pulse:
    server: dict[str, Any] = {
        "version": 160004,
        "started": AT - timedelta(days=3),
        "role": "cockpit_ro",
        "sees_all": True,
        "max_connections": 100,
        "reserved": 3,
    }
    server |= changed.pop("server", {})
    values: dict[str, Any] = {
        "at": AT,
        "recovery": False,
        "backends": 9,
        "hidden": 0,
        "by_state": {"idle": 9},
        "by_client": (),
        "waits": (),
        "lock_waiters": 0,
        "prepared": Prepared(),
        "server": PostgresFacts(**server),
    }
    return Pulse(**{**values, **changed})


def session(pid: int = 1, **changed: Any) -> Session:
    values: dict[str, Any] = {
        "pid": pid,
        "backend_start": AT,
        "usename": "app",
        "datname": "shop",
        "application_name": "checkout",
        "client": "10.0.0.7",
        "backend_type": "client backend",
        "state": "active",
        "query": SecretText("SELECT 1"),
    }
    return Session(**{**values, **changed})
