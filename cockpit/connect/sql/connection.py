"""A SQL driver's connection that can be given up under a call that hangs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Generic, TypeVar, cast

Driver = TypeVar("Driver")
Result = TypeVar("Result")


class DriverConnection(Generic[Driver]):
    """The driver's own connection, a second handle to its socket, and what runs in it."""

    def __init__(self, driver: Driver, rope: socket.socket, free: Callable[[], object]) -> None:
        self.driver = driver
        self.rope = rope
        self._free = free
        self._running: set[asyncio.Future[object]] = set()
        self._dropped = False
        self.cut = False
        """Whether it was dropped under a call, without a goodbye."""

    async def ended(self, call: asyncio.Future[Result], seconds: float) -> bool:
        """Whether a call ends within so many seconds. It is never cancelled: `drop` ends it."""
        running = cast("asyncio.Future[object]", call)
        self._running.add(running)
        running.add_done_callback(self._over)
        done, _ = await asyncio.wait({call}, timeout=seconds)
        return bool(done)

    async def leave(self, seconds: float) -> None:
        """Drop it once what runs in it has ended, or after so many seconds."""
        try:
            if self._running:
                await asyncio.wait(self._running, timeout=seconds)
        finally:
            self.drop()

    def drop(self) -> None:
        """Free it at once, which says goodbye in the driver's protocol: a server counts whoever
        leaves without as a client that vanished. Under a call there is no saying it: the socket is
        shut down, which wakes a hung reader, as closing it does not, and freed after the call.
        """
        if self._dropped:
            return
        self._dropped = True
        with self.rope:
            if not self._running:
                self._free()
                return
            self.cut = True
            with contextlib.suppress(OSError):
                self.rope.shutdown(socket.SHUT_RDWR)

    def _over(self, call: asyncio.Future[object]) -> None:
        if not call.cancelled():
            call.exception()  # looked at, also when the call was given up: no warning is printed
        self._running.discard(call)
        if self._dropped and not self._running:
            self._free()
