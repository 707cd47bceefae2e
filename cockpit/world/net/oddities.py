"""Ports that are wrong below HTTP: nobody accepts, everybody is reset, nobody answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from cockpit.world.net.sockets import listener, reset_on_close

KINDS = ("full", "reset", "mute", "close", "closed")


class Oddity:
    """One odd port.

    `full`: the accept queue is full, so a connection attempt times out exactly as behind a DROP
    rule (Linux). `reset`: accepted, then RST. `mute`: accepted, then nothing ever. `close`:
    accepted, then FIN. `closed`: nothing listens; the port was free a moment ago.
    """

    def __init__(self, kind: str, address: str = "127.0.0.1") -> None:
        if kind not in KINDS:
            raise ValueError(f"no such oddity: {kind}; one of {', '.join(KINDS)}")
        self.kind = kind
        self.address = address
        self.port = 0
        self._listener: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._fillers: list[socket.socket] = []
        self._held: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0) -> Oddity:
        """Bind the port; 0: any free one."""
        backlog = 0 if self.kind == "full" else 100
        one = listener(self.address, port, backlog=backlog)
        self.port = one.getsockname()[1]
        match self.kind:
            case "closed":
                one.close()
            case "full":
                self._listener = one
                await self._fill()
            case _:
                self._server = await asyncio.start_server(self._accept, sock=one)
        return self

    async def close(self) -> None:
        """Free the port and drop whoever hangs on it."""
        if self._server:
            self._server.close()
        for one in (*self._fillers, *([self._listener] if self._listener else [])):
            one.close()
        for writer in self._held:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Oddity:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            one.setblocking(False)
            self._fillers.append(one)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(loop.sock_connect(one, (self.address, self.port)), 0.2)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match self.kind:
            case "mute":
                self._held.add(writer)
            case "reset":
                plain = writer.get_extra_info("socket")
                reset_on_close(plain)
                writer.transport.abort()
            case _:
                self._held.add(writer)
                with contextlib.suppress(OSError):
                    writer.write_eof()
                    await reader.read()  # closing with unread data would send RST instead
                writer.close()
