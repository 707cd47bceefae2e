"""What an observer of a Redis cluster needs besides one session: the other nodes, and TCP's time.

Source: Linux, include/uapi/linux/tcp.h (struct tcp_info).
"""

from __future__ import annotations

import socket
import struct
from asyncio import StreamWriter
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from cockpit.connect.redis.settings import RedisSettings
from cockpit.connect.session import Closable

if TYPE_CHECKING:
    from redis.asyncio import Connection


Session = TypeVar("Session", bound=Closable)

MOST = 100
"""Nodes to which a session is kept."""
_RTT, _MIN_RTT = 68, 148
"""Where `tcpi_rtt` with `tcpi_rttvar`, and `tcpi_min_rtt`, are in struct tcp_info: microseconds."""
_UNKNOWN = {0, 0xFFFFFFFF}


class Nodes(Generic[Session]):
    """One session a node, opened at its first command and kept with the session to the first."""

    def __init__(self, settings: RedisSettings, make: Callable[[RedisSettings], Session]) -> None:
        self._settings = settings
        self._make = make
        self._kept: dict[tuple[str, int], Session] = {}

    def at(self, host: str, port: int) -> Session:
        """The session to one node, with the login and TLS of the target."""
        place = (host, port)
        if place not in self._kept:
            self._kept[place] = self._make(replace(self._settings, host=host, port=port))
        return self._kept[place]

    @property
    def all(self) -> tuple[Session, ...]:
        """Every session that is kept."""
        return tuple(self._kept.values())

    async def keep(self, places: Collection[tuple[str, int]]) -> None:
        """Close the sessions to nodes that are not in the cluster any more."""
        gone = {place for place in self._kept if place not in places}
        gone |= set(list(self._kept)[MOST:])
        for place in gone:
            await self._kept.pop(place).close()

    async def close(self) -> None:
        """Close all of them."""
        await self.keep(())


def fastest_round_trip(connection: Connection | None) -> float | None:
    """Seconds of the fastest round trip that TCP itself saw; None where it is not told."""
    raw = _tcp_info(connection)
    return None if raw is None else _fastest(raw)


def jitter(connection: Connection | None) -> float | None:
    """Seconds by which usual round trips are above the fastest one; None where it is not told.

    An upper bound of what the network does: a server that answers within 40 ms acknowledges with
    its answer, so that its own time is in here, too.
    """
    raw = _tcp_info(connection)
    fastest = None if raw is None else _fastest(raw)
    if raw is None or fastest is None:
        return None
    usual, deviation = struct.unpack_from("@II", raw, _RTT)
    return float(max(0.0, usual / 1e6 - fastest) + 2 * deviation / 1e6)


def _fastest(raw: bytes) -> float | None:
    micros = int(struct.unpack_from("@I", raw, _MIN_RTT)[0])
    return None if micros in _UNKNOWN else micros / 1e6


def _tcp_info(connection: Connection | None) -> bytes | None:
    writer: StreamWriter | None = getattr(connection, "_writer", None)
    wire = writer.get_extra_info("socket") if writer is not None else None
    kind = getattr(socket, "TCP_INFO", None)
    if wire is None or kind is None:
        return None
    try:
        raw = wire.getsockopt(socket.IPPROTO_TCP, kind, _MIN_RTT + 4)
    except OSError:
        return None
    return raw if len(raw) >= _MIN_RTT + 4 else None
