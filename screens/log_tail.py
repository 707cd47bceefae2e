"""A live tail: what is newer, asked every few seconds, for ten minutes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from cockpit import clock
from cockpit.errors import CockpitError
from cockpit.logs.reading import LogLine
from cockpit.logs.source import LogSource
from cockpit.triage.target_logs import TAIL_EVERY
from screens.port import LogsPort
from screens.present import logs as present

_BACK = timedelta(minutes=1)
_AGAIN = timedelta(seconds=10)
"""A line may come late: the last seconds are asked for again, and what is known is left out."""
_MOST = 1000
ENDS_AFTER = 600.0
"""Seconds."""


class LogTail:
    """The newest lines of a source, at most a thousand."""

    def __init__(self, logs: LogsPort, source: LogSource) -> None:
        self._logs = logs
        self._source = source
        self.since = clock.now() - _BACK
        self.lines: deque[LogLine] = deque(maxlen=_MOST)
        self._known: deque[object] = deque(maxlen=4 * _MOST)
        self._after = self.since
        self.faster = False
        """More came than is asked for at a time: what is shown is behind."""

    async def follow(self, came: Callable[[], None]) -> CockpitError | None:
        """Call back after each answer. Ends by itself after ten minutes with None, or with the
        error of a question; cancelling it ends it too.
        """
        until = clock.monotonic() + ENDS_AFTER
        while clock.monotonic() < until:
            try:
                await self._ask()
            except CockpitError as error:
                return error
            came()
            await asyncio.sleep(TAIL_EVERY)
        return None

    async def _ask(self) -> None:
        told = await self._logs.newer(self._source, self._after)
        known = frozenset(self._known)
        new = [each for each in told.lines if present.key(each) not in known]
        self._known.extend(map(present.key, new))
        self.lines.extend(new)
        self.faster = not told.complete
        if told.lines:
            margin = timedelta(0) if self.faster else _AGAIN
            self._after = max(self._after, told.lines[-1].at - margin)

    @property
    def told(self) -> str:
        """How much came since when."""
        behind = " · faster than it is read: behind" if self.faster else ""
        return f"live: {len(self.lines)} lines since {self.since:%H:%M:%S} UTC{behind}"
