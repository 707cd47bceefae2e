"""Names that this machine's resolver is slow to find, as long as it is: what applications wait for.

A session looks its name up once and stays connected, so a name that was slow is looked up again
each minute, in a thread that nothing waits for, until it is not.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, replace

from cockpit import clock

SLOW = 1.0
"""Seconds from which on a look-up is slow."""
_AGAIN_AFTER = 60.0


@dataclass(frozen=True, slots=True)
class SlowName:
    """What the newest look-up of a name took."""

    seconds: float
    """At least: it may still be under way."""
    silent: tuple[str, ...] = ()
    """The name servers, `host:port`, that gave us no answer."""


_known: dict[str, SlowName] = {}
_lock = threading.Lock()


def of(host: str) -> SlowName | None:
    """None: it is found at once, or nobody has asked."""
    return _known.get(host)


def took(host: str, seconds: float, *, silent: tuple[str, ...] = ()) -> None:
    """A look-up by the system has ended, or lasts, after so many seconds; from any thread."""
    with _lock:
        before = _known.get(host)
        if seconds < SLOW:
            _known.pop(host, None)
        elif before is None:
            _known[host] = SlowName(seconds, silent)
            threading.Thread(target=_watch, args=(host,), name=f"slow {host}", daemon=True).start()
        else:
            _known[host] = replace(before, seconds=seconds, silent=silent or before.silent)


def _watch(host: str) -> None:
    while host in _known:
        time.sleep(_AGAIN_AFTER)
        began = clock.monotonic()
        with contextlib.suppress(OSError, UnicodeError):  # who asks for it tells why it fails
            socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        took(host, clock.monotonic() - began)
