"""Steps of the kind `http`: one request, no redirect followed, no cookie, a bounded answer.

`http.client` in a thread of its own: the socket is shut from here when the time is up, so that
no server can hold the thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cockpit.errors import BlindError, Misconfigured, Reason, UnknownOutcome
from cockpit.runbooks.kinds.result import Result
from cockpit.runbooks.output import whole
from cockpit.runbooks.plan import Act

MOST = 256 * 1024
"""Octets of an answer that are read."""
AGENT = "incident-cockpit"
_Answer = tuple[int, str, Mapping[str, str], bytes]


@dataclass(slots=True)
class _Call:
    """A request on its way. `sent` True: the server may have acted on it."""

    connection: http.client.HTTPConnection
    sent: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def cut(self) -> None:
        """Shut the socket, which ends every wait of the thread."""
        with self.lock:
            opened = self.connection.sock
        if opened is not None:
            try:
                opened.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


async def request(act: Act, *, tls_ca: str = "") -> Result:
    """Send it and judge the status. `done` False: the server answered with another status.

    Raises `BlindError` when nothing was sent, `UnknownOutcome` when a changing request was cut
    off after it had been sent.
    """
    call = _Call(_connection(act, tls_ca))
    work = _started(call, act)
    try:
        async with asyncio.timeout(act.timeout):  # wait_for of 3.11 may swallow a cancellation
            status, reason, headers, body = await work
    except TimeoutError:
        call.cut()
        work.cancel()
        raise _lost(call, act, f"no answer within {act.timeout:g} s") from None
    except asyncio.CancelledError:
        call.cut()
        work.cancel()
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _lost(call, act, str(error) or type(error).__name__) from None
    good = status in act.status if act.status else 200 <= status <= 299
    text = body.decode("utf-8", "replace")
    data = {"status": status, "headers": headers, "body": text}
    return Result(good, f"{act.does} {whole(act.url)} → {status} {reason}", text, data)


def _connection(act: Act, tls_ca: str) -> http.client.HTTPConnection:
    parts, told = urlsplit(act.url), whole(act.url)
    try:
        port = parts.port
    except ValueError:
        raise Misconfigured(f"{told!r} has no usable port") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise Misconfigured(f"{told!r} should be http(s)://host[:port]/path, without a user")
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, port, timeout=act.timeout)
    context = ssl.create_default_context(cafile=tls_ca or None)
    return http.client.HTTPSConnection(parts.hostname, port, timeout=act.timeout, context=context)


def _exchange(call: _Call, act: Act) -> _Answer:
    parts = urlsplit(act.url)
    path = parts.path or "/"
    where = f"{path}?{parts.query}" if parts.query else path
    try:
        call.connection.connect()
        call.sent = True
        headers = {"User-Agent": AGENT, "Accept": "*/*", **act.headers}
        body = act.body.encode() if act.body else None
        call.connection.request(act.does, where, body=body, headers=headers)
        answer = call.connection.getresponse()
        content = answer.read(MOST) if act.does != "HEAD" else b""
        named = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, answer.reason, named, content
    finally:
        call.connection.close()


def _lost(call: _Call, act: Act, said: str) -> BlindError | UnknownOutcome:
    if call.sent and act.does not in {"GET", "HEAD"}:
        return UnknownOutcome(
            f"{act.does} {whole(act.url)} was sent, and its end is not known: {said}",
            hint="verify before repeating it",
        )
    return BlindError(Reason.UNREACHABLE, f"{act.does} {whole(act.url)}: {said}")


def _started(call: _Call, act: Act) -> asyncio.Future[_Answer]:
    """The exchange in a thread that no exit waits for."""
    loop = asyncio.get_running_loop()
    work: asyncio.Future[_Answer] = loop.create_future()

    def settle(answer: _Answer | None, error: Exception | None) -> None:
        if work.done():
            return
        if error is not None:
            work.set_exception(error)
        elif answer is not None:
            work.set_result(answer)

    def body() -> None:
        answer, failed = None, None
        try:
            answer = _exchange(call, act)
        except (OSError, http.client.HTTPException, ValueError) as error:
            failed = error
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, answer, failed)

    threading.Thread(target=body, name="http step", daemon=True).start()
    return work
