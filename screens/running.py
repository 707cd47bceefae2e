"""Which steps are under way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cockpit.runbooks.plan import Outcome


@dataclass(slots=True)
class Running:
    """Steps that are under way: since when, and their task, so that waiting can be stopped."""

    since: dict[str, datetime] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[Outcome]] = field(default_factory=dict)

    def stop(self) -> int:
        """Stop waiting for all of them; how many there were."""
        tasks = [task for task in self.tasks.values() if not task.done()]
        for task in tasks:
            task.cancel()
        return len(tasks)
