"""Faults between the client and AWS: per operation and account, with the right body.

An error fault is one of `protocol.CONDITIONS`; the others break the connection or the answer.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import random
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cockpit.world.identify import AwsRequest
from cockpit.world.protocol import CONDITIONS, HttpReply, error, failure

KINDS = (
    *CONDITIONS,
    "reset",
    "close",
    "hang",
    "truncate",
    "html",
    "empty",
    "busy",
    "latency",
    "capacity",
)
_HTML = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head>"
    b"<body><h1>Guest network</h1><form>Please sign in</form></body></html>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong, for whom. Names may hold `*` and `?`; `who` is the owner of the `key`.

    `times`: so often, then normal; None for always. `seconds`: of a hang or a latency; `jitter`
    is added to a latency, at most. `about`: only requests whose body holds this text.
    """

    kind: str
    service: str = "*"
    operation: str = "*"
    who: str = "*"
    key: str = "*"
    about: str = ""
    times: int | None = None
    seconds: float = 30.0
    jitter: float = 0.0

    def meets(self, request: AwsRequest, who: str) -> bool:
        """Whether the request is one that it is for."""
        return (
            fnmatch.fnmatchcase(request.service, self.service)
            and fnmatch.fnmatchcase(request.operation, self.operation)
            and fnmatch.fnmatchcase(who, self.who)
            and fnmatch.fnmatchcase(request.key, self.key)
            and (not self.about or self.about.encode() in request.body)
        )


class Dropped(ConnectionError):
    """The connection was cut on purpose; nothing may be sent any more."""


class Faults:
    """The faults that are on. Safe from any thread; the same seed gives the same jitter."""

    def __init__(self, seed: int = 1) -> None:
        self._faults: dict[int, Fault] = {}
        self._left: dict[int, int] = {}
        self._number = 0
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._ending = threading.Event()

    def add(self, fault: Fault) -> int:
        """Turn a fault on; the number turns it off again. Raises `ValueError` for another kind."""
        if fault.kind not in KINDS:
            raise ValueError(f"no such fault: {fault.kind}; one of {', '.join(KINDS)}")
        with self._lock:
            self._number += 1
            self._faults[self._number] = fault
            if fault.times is not None:
                self._left[self._number] = fault.times
            return self._number

    def remove(self, number: int) -> None:
        """Turn a fault off; an unknown number is fine."""
        with self._lock:
            self._faults.pop(number, None)
            self._left.pop(number, None)

    def clear(self) -> None:
        """Turn everything off."""
        with self._lock:
            self._faults.clear()
            self._left.clear()

    def end(self) -> None:
        """Let everything that hangs go on: the world ends."""
        self._ending.set()

    def pick(self, request: AwsRequest, who: str) -> Fault | None:
        """The newest fault that is for this request, after every latency was slept through."""
        chosen: Fault | None = None
        pause = 0.0
        with self._lock:
            for number, fault in reversed(self._faults.items()):
                if not fault.meets(request, who):
                    continue
                if fault.kind == "latency":
                    pause += fault.seconds + self._random.random() * fault.jitter
                elif chosen is None and self._take(number):
                    chosen = fault
        if pause:
            self._ending.wait(pause)
        return chosen

    def _take(self, number: int) -> bool:
        left = self._left.get(number)
        if left is None:
            return True
        if left <= 0:
            return False
        self._left[number] = left - 1
        return True

    def spoil(self, fault: Fault, request: AwsRequest, principal: str) -> HttpReply:
        """The answer of a fault, or `Dropped` when there is none."""
        match fault.kind:
            case "hang":
                self._ending.wait(min(fault.seconds, 120.0))
                cut(request.environ, abort=False)
            case "reset":
                cut(request.environ, abort=True)
            case "close":
                cut(request.environ, abort=False)
            case "truncate":
                return HttpReply(200, b'{"clus', {"Content-Length": "5000"})
            case "html":
                return HttpReply(200, _HTML, {"Content-Type": "text/html"})
            case "empty":
                return HttpReply(200, b"", {"Content-Type": "text/plain"})
            case "busy":
                return HttpReply(503, _HTML, {"Content-Type": "text/html"})
            case "capacity":
                text = "The level of configured provisioned throughput for the table was exceeded."
                return error(request, "ProvisionedThroughputExceededException", text)
            case _:
                return failure(request, fault.kind, principal)
        raise Dropped


def cut(environ: dict[str, Any], *, abort: bool) -> None:
    """End the connection without an answer: by RST, or by FIN."""
    handler = environ["cockpit.connection"]
    handler.close_connection = True
    plain: socket.socket = environ["werkzeug.socket"]
    with contextlib.suppress(OSError):
        if abort:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(plain.detach())
        else:
            plain.shutdown(socket.SHUT_RDWR)


def broken_off(body: bytes) -> Iterator[bytes]:
    """A body that ends before its promised length, and the connection with it."""
    yield body
    raise Dropped
