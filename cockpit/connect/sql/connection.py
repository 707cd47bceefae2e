"""A SQL driver's connection that can be given up under a call that hangs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Generic, TypeVar

Driver = TypeVar("Driver")
Result = TypeVar("Result")


class DriverConnection(Generic[Driver]):
    """The driver's own connection, a second handle to its socket, and what runs in it."""

    def __init__(self, driver: Driver, rope: socket.socket, free: Callable[[], object]) -> None:
        self.driver = driver
        self.rope = rope
        self._free = free
        self._running = 0
        self._dropped = False

    async def ended(self, call: asyncio.Future[Result], seconds: float) -> bool:
        """Whether a call ends within so many seconds. It is never cancelled: `drop` ends it."""
        self._running += 1
        call.add_done_callback(self._over)
        done, _ = await asyncio.wait({call}, timeout=seconds)
        return bool(done)

    def drop(self) -> None:
        """Shut the socket down, which wakes a hung reader at once, as closing it does not. The
        driver's connection is freed only once no call uses it.
        """
        with contextlib.suppress(OSError), self.rope:
            self.rope.shutdown(socket.SHUT_RDWR)
        self._dropped = True
        if not self._running:
            self._free()

    def _over(self, call: asyncio.Future[Result]) -> None:
        if not call.cancelled():
            call.exception()  # looked at, also when the call was given up: no warning is printed
        self._running -= 1
        if self._dropped and not self._running:
            self._free()
