"""Where clients are made: one at a time, since each takes the loop's own time, and for no deadline.

Fifty accounts in four regions want six hundred clients at a first sweep, some 25 ms of CPU each.
Made all at once they hold the loop for seconds; and what waits for its client would be cut off as
if its server were slow. While anybody makes one, no deadline of `ended` runs.

Many clients are some hundred megabytes of objects, and a collection that walks over them holds the
loop for half a second. They stay out of it until some are given up.
"""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from cockpit.clock import monotonic

_MANY = 20
"""Made in one go, from which on a walk over them would be felt."""


class Workshop:
    """One of a process, for every loop."""

    def __init__(self) -> None:
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()
        self._before = 0.0
        self._since: float | None = None
        self._inside = self._made = 0
        self._swept = True

    @property
    def worked(self) -> float:
        """Seconds in which something was made, or waited for it, since the process began."""
        return self._before + (monotonic() - self._since if self._since is not None else 0.0)

    @asynccontextmanager
    async def turn(self, *, last: bool = False) -> AsyncIterator[None]:
        """Wait until nobody else makes anything. `last`: after all who are not."""
        queue = self._queues.setdefault(asyncio.get_running_loop(), _Queue())
        self._entered()
        try:
            async with queue.turn(last=last):
                await asyncio.sleep(0)  # keys and frames first: what follows does not wait
                self._made += 1
                yield
        finally:
            self._left()

    def _entered(self) -> None:
        if not self._inside:
            self._since, self._swept = monotonic(), gc.isenabled()
            # what is made lives long: to go through all of it again and again took half the time
            gc.disable()
            self._made = 0
        self._inside += 1

    def _left(self) -> None:
        self._inside -= 1
        if not self._inside:
            self._before, self._since = self.worked, None
            if self._swept:
                if self._made >= _MANY:
                    gc.freeze()
                gc.enable()

    @staticmethod
    def given_up() -> None:
        """Some of what was made is not used any more: the next full collection takes it."""
        gc.unfreeze()


class _Queue:
    """The turns of one loop: those that start something new wait for those that end something."""

    def __init__(self) -> None:
        self._taken = False
        self._soon: deque[asyncio.Future[None]] = deque()
        self._later: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, *, last: bool) -> AsyncIterator[None]:
        if self._taken:
            turn = asyncio.get_running_loop().create_future()
            (self._later if last else self._soon).append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._next()  # its turn came in the same moment
                raise
        self._taken = True
        try:
            yield
        finally:
            self._next()

    def _next(self) -> None:
        self._taken = False
        while self._soon or self._later:
            turn = (self._soon or self._later).popleft()
            if not turn.done():  # else it was cancelled while it waited
                self._taken = True
                turn.set_result(None)
                return


WORKSHOP = Workshop()


async def ended(work: asyncio.Future[object], within: float) -> bool:
    """Whether it ended within some seconds, those of `WORKSHOP` left out. Cancels nothing."""
    began, worked = monotonic(), WORKSHOP.worked
    while not work.done():
        left = within + WORKSHOP.worked - worked - (monotonic() - began)
        if left <= 0:
            return False
        await asyncio.wait({work}, timeout=left)
    return True
