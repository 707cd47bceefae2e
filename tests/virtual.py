"""A loop whose clock jumps to what comes next: an hour of looks in seconds, the same every time.

What waits for a timer waits no time; what is really under way (a thread) is waited for as ever, and
the clock stands still meanwhile. `cockpit.clock` tells the loop's time.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from unittest import mock

from cockpit import clock

Value = TypeVar("Value")

_THREADS = 0.001
"""Seconds of real time between two looks at whether a thread has ended."""


class _Jumps(selectors.DefaultSelector):
    """Instead of waiting it moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = time.monotonic()
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; when nothing is, the time is later by `timeout`."""
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        while not ready and timeout != 0 and (timeout is None or self.threads):
            ready = super().select(_THREADS)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop of virtual time."""

    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumps.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Value], *args: Any
    ) -> asyncio.Future[Value]:
        """As a loop does, and counted until its end has reached the loop."""
        future = super().run_in_executor(executor, func, *args)
        self._jumps.threads += 1
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _: asyncio.Future[Value]) -> None:
        self._jumps.threads -= 1


def run(work: Coroutine[object, object, Value], *, begin: datetime) -> Value:
    """The result of `work`, which begins at the moment `begin` of the wall clock."""
    loop = VirtualLoop()
    first = loop.time()

    def now(_: object) -> datetime:
        return begin.astimezone(UTC) + timedelta(seconds=loop.time() - first)

    # modules hold the clock's functions by name, so what these call is put in their place
    with (
        mock.patch.object(time, "monotonic", loop.time),
        mock.patch.object(clock, "datetime", mock.Mock(now=now)),
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        return runner.run(work)
