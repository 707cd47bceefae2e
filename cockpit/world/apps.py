"""The programs inside the tasks: small HTTP servers whose health depends on what they need.

A task's address is one of the shop's VPC; here it listens on a port of 127.0.0.1, which the health
checks look up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from cockpit.world.ecs import Task
from cockpit.world.net import Behaviour, Request, Web

Need = Callable[[Task], Awaitable[None]]
"""What a program needs to be well; raises `ConnectionError` when it cannot have it."""
_WAIT = 4.0
OLD_PATH = "/health"


class Fleet:
    """Every running program, by task. Used from the world's loop only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sites: dict[str, Web] = {}
        self._ports: dict[str, int] = {}
        self._running: set[asyncio.Task[None]] = set()
        self.needs: dict[str, Need] = {}
        """Service → what its health check does."""
        self.paths: dict[tuple[str, int], str] = {}
        """Versions that have their health check at another path than `/health`."""

    def port(self, address: str, port: int) -> int | None:
        """Where the program at an address of the VPC listens; None: nobody is there."""
        return self._ports.get(address)

    def start(self, task: Task) -> None:
        """Begin to listen at the task's address."""
        self._spawn(self._start(task))

    def stop(self, task: Task) -> None:
        """Be gone: the port is closed and clients are dropped."""
        self._ports.pop(task.address, None)
        site = self._sites.pop(task.id, None)
        if site is not None:
            self._spawn(site.close())

    async def restart(self, task: Task) -> None:
        """Begin anew, with what the version does now."""
        site = self._sites.pop(task.id, None)
        if site is not None:
            await site.close()
        await self._start(task)

    async def close(self) -> None:
        """Stop every program."""
        sites = tuple(self._sites.values())
        self._sites.clear()
        self._ports.clear()
        await asyncio.gather(*(site.close() for site in sites))
        for running in tuple(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _spawn(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        running = self._loop.create_task(run())
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _start(self, task: Task) -> None:
        site = Web()
        path = self.paths.get((task.service, task.version), OLD_PATH)

        async def health(request: Request) -> Behaviour:
            return await self._health(task)

        site.paths = {path: health, "/": Behaviour(body=f"{task.service} {task.version}\n")}
        await site.start()
        self._sites[task.id] = site
        self._ports[task.address] = site.port

    async def _health(self, task: Task) -> Behaviour:
        need = self.needs.get(task.service)
        if need is None:
            return Behaviour(body="ok\n")
        try:
            async with asyncio.timeout(_WAIT):
                await need(task)
        except (TimeoutError, ConnectionError) as error:
            return Behaviour(status=503, body=f"not well: {error}\n")
        return Behaviour(body="ok\n")


class Gate:
    """A way through the network that can be shut. Waiting for it is what a dropped packet does."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._shut = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether packets pass."""
        return self._open.is_set()

    def shut(self) -> None:
        """Let nothing pass."""
        self._open.clear()
        self._shut.set()

    def open(self) -> None:
        """Let everything pass again."""
        self._shut.clear()
        self._open.set()

    async def shut_again(self) -> None:
        """Wait until nothing passes."""
        await self._shut.wait()

    async def passed(self, within: float = 30.0) -> None:
        """Wait to get through. Raises `ConnectionError` after `within` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._open.wait()
                return
        raise ConnectionError("timed out")
