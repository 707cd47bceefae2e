"""An HTTP/1.1 and HTTPS server that misbehaves on request, by path and by address."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

from cockpit.clock import now
from cockpit.world.net.certificates import Issued
from cockpit.world.net.sockets import listener, listeners, reset_on_close

FAULTS = ("", "reset", "mute", "truncated", "close", "garbage", "half-head", "endless-head")
TLS_FAULTS = ("", "plaintext", "mute", "close", "reset", "old")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one path answers.

    `fault`: `reset` and `close` come before the answer, `mute` never answers, `truncated` promises
    more bytes than it sends, `garbage` is not HTTP, `half-head` ends inside the header,
    `endless-head` sends a header of a megabyte.
    """

    status: int = 200
    body: str | bytes = "ok\n"
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    """Seconds before the first byte."""
    drip: float = 0.0
    """Seconds between the header and the body."""
    fault: str = ""
    date_skew: float = 0.0
    """Seconds that the Date header is ahead of the truth."""
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked: the path with its query, and the address that it asked at."""

    method: str
    path: str
    address: str
    headers: dict[str, str] = field(default_factory=dict)


Answerer = Callable[[Request], Behaviour | Awaitable[Behaviour]]
NOT_FOUND = Behaviour(status=404, body="not found\n")


class Web:
    """One site on one port of one or several loopback addresses. Behaviour may change at any time.

    `paths` maps a path (without its query) to a behaviour or to a function that is asked on every
    request; `otherwise` answers all other paths. `by_address` comes before both. `certificate` None
    means plain HTTP; `tls_fault` is one of `TLS_FAULTS`. Changes count from the next connection on.
    """

    def __init__(
        self, *, addresses: tuple[str, ...] = ("127.0.0.1",), certificate: Issued | None = None
    ) -> None:
        self.addresses = addresses
        self.port = 0
        self.paths: dict[str, Behaviour | Answerer] = {}
        self.otherwise: Behaviour | Answerer = NOT_FOUND
        self.by_address: dict[str, Behaviour] = {}
        self.certificates: dict[str, Issued] = {}
        self.tls_fault = ""
        self.requests: deque[Request] = deque(maxlen=500)
        self._certificate: Issued | None = None
        self._contexts: dict[int, ssl.SSLContext] = {}
        self._servers: dict[str, asyncio.Server] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.certificate = certificate

    @property
    def certificate(self) -> Issued | None:
        """What TLS clients are shown; `certificates` may name another one for an address."""
        return self._certificate

    @certificate.setter
    def certificate(self, issued: Issued | None) -> None:
        self._certificate = issued
        self._contexts.clear()

    def url(self, path: str = "/", host: str = "") -> str:
        """The address of a path, by name when a host is given."""
        scheme = "https" if self.certificate or self.tls_fault else "http"
        return f"{scheme}://{host or self.addresses[0]}:{self.port}{path}"

    async def start(self) -> Web:
        """Bind a free port on every address and serve."""
        for address, one in zip(self.addresses, listeners(self.addresses), strict=True):
            self.port = one.getsockname()[1]
            self._servers[address] = await asyncio.start_server(self._accept, sock=one)
        return self

    async def shut(self, address: str) -> None:
        """Stop listening on one address: new connections are refused."""
        server = self._servers.pop(address, None)
        if server:
            server.close()

    async def reopen(self, address: str) -> None:
        """Listen on the address again, on the same port."""
        if address not in self._servers:
            self._servers[address] = await asyncio.start_server(
                self._accept, sock=listener(address, self.port)
            )

    async def close(self) -> None:
        """Stop listening and drop every client."""
        for address in tuple(self._servers):
            await self.shut(address)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Web:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # the client went away or spoke nonsense: nothing to answer
        except asyncio.CancelledError:
            pass  # the server closes; the stream protocol would log the cancellation
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0]
        if not await self._secure(reader, writer, address):
            return
        request = await _request(reader, address)
        self.requests.append(request)
        behaviour = await self._behaviour(request)
        if behaviour.delay:
            await asyncio.sleep(behaviour.delay)
        await _answer(writer, behaviour, head_only=request.method == "HEAD")

    async def _secure(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str
    ) -> bool:
        issued = self.certificates.get(address, self.certificate)
        match self.tls_fault:
            case "mute":
                await asyncio.sleep(3600)
            case "reset":
                reset(writer)
                return False
            case "close":
                await reader.read(65536)  # closing with unread data would send RST instead
                return False
            case "plaintext":
                await reader.read(65536)
                await _answer(writer, Behaviour(status=400, body="bad request\n"), head_only=False)
                return False
            case "old" if issued:
                await _old_handshake(reader, writer, issued.old_context())
                return False
        if issued is None:
            return True
        context = self._contexts.get(id(issued))
        if context is None:
            context = self._contexts[id(issued)] = issued.context()
        with contextlib.suppress(ConnectionError):
            await writer.start_tls(context, ssl_handshake_timeout=10)
            return True
        return False

    async def _behaviour(self, request: Request) -> Behaviour:
        fixed = self.by_address.get(request.address)
        if fixed:
            return fixed
        path = request.path.partition("?")[0]
        chosen = self.paths.get(path, self.otherwise)
        if isinstance(chosen, Behaviour):
            return chosen
        answer = chosen(request)
        return answer if isinstance(answer, Behaviour) else await answer


async def _old_handshake(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
) -> None:
    """Shake hands by hand: asyncio's own TLS drops the alert that a failed handshake ends with."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    for _ in range(10):
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            await _send(writer, outgoing.read())
            incoming.write(await reader.read(65536))
            continue
        except ssl.SSLError:
            break
        await _send(writer, outgoing.read())
        await reader.read(1)
        return
    await _send(writer, outgoing.read())


async def _request(reader: asyncio.StreamReader, address: str) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, _, rest = head.partition("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in rest.splitlines() if line)
    }
    return Request(method, path, address, headers)


async def _answer(writer: asyncio.StreamWriter, how: Behaviour, *, head_only: bool) -> None:
    match how.fault:
        case "reset":
            return reset(writer)
        case "close":
            return None
        case "mute":
            await asyncio.sleep(3600)
        case "garbage":
            return await _send(writer, b"\x00\x01\x02 this is not HTTP \x1b[31m\r\n\r\n")
        case "half-head":
            return await _send(writer, b"HTTP/1.1 200 OK\r\nContent-Ty")
        case "endless-head":
            line = b"X-Filler: " + b"x" * 1000 + b"\r\n"
            return await _send(writer, b"HTTP/1.1 200 OK\r\n" + line * 1000 + b"\r\n")
    body = how.body.encode() if isinstance(how.body, str) else how.body
    promised = len(body) * 2 + 100 if how.fault == "truncated" else len(body)
    await _send(writer, _head(how, promised))
    if how.drip:
        await asyncio.sleep(how.drip)
    if not head_only:
        await _send(writer, _chunks(body) if how.chunked else body)
    return None


def _head(how: Behaviour, promised: int) -> bytes:
    try:
        phrase = HTTPStatus(how.status).phrase
    except ValueError:
        phrase = "Unknown"
    length = ("Transfer-Encoding", "chunked") if how.chunked else ("Content-Length", str(promised))
    fields = {
        "Date": formatdate(now().timestamp() + how.date_skew, usegmt=True),
        "Server": "cockpit-shop",
        "Content-Type": "text/plain; charset=utf-8",
        length[0]: length[1],
        "Connection": "close",
        **dict(how.headers),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {how.status} {phrase}\r\n{lines}\r\n".encode("utf-8", "surrogateescape")


def _chunks(body: bytes) -> bytes:
    pieces = [body[i : i + 1000] for i in range(0, len(body), 1000)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST."""
    plain = writer.get_extra_info("socket")
    if plain is not None:
        reset_on_close(plain)
    writer.transport.abort()
