"""Our own connections that had to be cut under a question, so that no goodbye was said: PostgreSQL
counts each as a session that was abandoned, and that is not its clients' doing.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime

from cockpit.connect.kind import Door
from cockpit.connect.postgres.settings import PostgresSettings

_KEPT = 100

Cuts = deque[datetime]
"""When, oldest first."""


def cuts(settings: PostgresSettings, door: Door) -> Cuts:
    """Those of one database, which every session with it shares."""
    key = ("postgres cuts", settings.host, settings.port, settings.database)
    return door.once(key, lambda: deque(maxlen=_KEPT))
