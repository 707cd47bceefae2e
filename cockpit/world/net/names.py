"""A name server on loopback whose answers are a dictionary, changeable while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from dataclasses import dataclass
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from cockpit.world.net.sockets import listener


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What a name has. `rcode` other than NOERROR sends no records.

    `silent`: never answers. `rotate`: each answer begins with the next address. `truncate`: UDP
    answers say "ask again by TCP". `delay` in seconds.
    """

    a: tuple[str, ...] = ()
    aaaa: tuple[str, ...] = ()
    cname: str = ""
    ttl: int = 5
    rcode: str = "NOERROR"
    silent: bool = False
    lost: str = ""
    """`A` or `AAAA`: that question alone is never answered."""
    rotate: bool = False
    truncate: bool = False
    delay: float = 0.0


MISSING = DnsAnswer(rcode="NXDOMAIN")


class Names:
    """A responder over UDP and TCP on one port. Change `zone` at any time.

    Names are lower case, without the last dot. A CNAME is followed inside the zone.
    """

    def __init__(
        self,
        zone: dict[str, DnsAnswer] | None = None,
        address: str = "127.0.0.1",
        *,
        wanted: int = 0,
    ) -> None:
        """`wanted`: the port; 0 for a free one."""
        self.zone: dict[str, DnsAnswer] = dict(zone or {})
        self.otherwise = MISSING
        self.address = address
        self.port = 0
        self._wanted = wanted
        self.queries: deque[tuple[str, str]] = deque(maxlen=500)
        """Name and type of each question, newest last."""
        self._turn = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def resolver(self) -> str:
        """`host:port`, as a target's `resolver` setting takes it."""
        return f"{self.address}:{self.port}"

    async def start(self) -> Names:
        """Bind the port for UDP and TCP, and answer. Raises `OSError` when it is taken."""
        loop = asyncio.get_running_loop()
        for _ in range(50):
            plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            plain.setblocking(False)
            plain.bind((self.address, self._wanted))
            self.port = plain.getsockname()[1]
            try:
                stream = listener(self.address, self.port)
            except OSError:
                plain.close()
                continue
            self._tcp = await asyncio.start_server(self._stream, sock=stream)
            self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=plain)
            return self
        raise OSError(f"no port is free for UDP and TCP on {self.address}")

    async def close(self) -> None:
        """Stop answering."""
        if self._udp:
            self._udp.close()
        if self._tcp:
            self._tcp.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Names:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def spawn(self, wire: bytes, transport: asyncio.DatagramTransport, client: object) -> None:
        """Answer one datagram in a task of its own."""
        task = asyncio.create_task(self._datagram(wire, transport, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _datagram(
        self, wire: bytes, transport: asyncio.DatagramTransport, client: object
    ) -> None:
        reply = await self._reply(wire, stream=False)
        if reply and not transport.is_closing():
            transport.sendto(reply, client)  # type: ignore[arg-type]

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            reply = await self._reply(await reader.readexactly(length), stream=True)
            if reply:
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
        writer.close()

    async def _reply(self, wire: bytes, *, stream: bool) -> bytes:
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return b""
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.queries.append((name, dns.rdatatype.to_text(question.rdtype)))
        answer = self.zone.get(name, self.otherwise)
        if answer.silent or dns.rdatatype.to_text(question.rdtype) == answer.lost:
            return b""
        if answer.delay:
            await asyncio.sleep(answer.delay)
        reply = dns.message.make_response(query, recursion_available=True)
        if answer.truncate and not stream:
            reply.flags |= dns.flags.TC
            return reply.to_wire()
        self._fill(reply, name, dns.rdatatype.to_text(question.rdtype))
        return reply.to_wire(want_shuffle=False)

    def _fill(self, reply: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(10):
            answer = self.zone.get(name, self.otherwise)
            reply.set_rcode(dns.rcode.from_text(answer.rcode))
            if answer.rcode != "NOERROR":
                return
            if not answer.cname:
                break
            reply.answer.append(_records(name, answer.ttl, "CNAME", (answer.cname + ".",)))
            if kind == "CNAME":
                return
            name = answer.cname.lower()
        found = {"A": answer.a, "AAAA": answer.aaaa}.get(kind, ())
        if answer.rotate and found:
            self._turn += 1
            cut = self._turn % len(found)
            found = found[cut:] + found[:cut]
        if found:
            reply.answer.append(_records(name, answer.ttl, kind, found))


def _records(name: str, ttl: int, kind: str, values: tuple[str, ...]) -> dns.rrset.RRset:
    records: dns.rrset.RRset = dns.rrset.from_text_list(
        dns.name.from_text(name), ttl, "IN", kind, list(values)
    )
    return records


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, names: Names) -> None:
        self._names = names
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self._transport:
            self._names.spawn(data, self._transport, addr)
