"""How much of PostgreSQL's answer is taken: libpq reads what a server sends, as long as it comes.

A message that is announced with 512 MB is read whole within one call, and no call of libpq's says
how much came. So libpq, once it has logged in, gets one end of a socket pair under its own number,
and what the server sends passes through here, a piece at a time. TLS stays libpq's.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import termios
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg.rows import DictRow
from psycopg.waiting import Ready, Wait

from cockpit.connect.sql.limits import MOST, MOST_ROWS, MOST_VALUES, AnswerTooLarge

if TYPE_CHECKING:
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGresult

Answer = TypeVar("Answer")

_PIECE = 64 * 1024
_PLAIN = frozenset({19, 25, 1043})
"""Types whose values are taken as they are: name, text, varchar."""
_LOOKED_INTO = 256 * 1024
"""Octets of an answer from which on its values are looked into before they become objects."""


class BoundedPostgres(psycopg.AsyncConnection[DictRow]):
    """One whose answers are bounded from `bound` on. An operation's are counted together."""

    _wire: socket.socket | None = None
    _pair: socket.socket
    _taken = 0

    def bound(self) -> None:
        """Stand between libpq and the server. Call it once nothing is under way."""
        number = self.pgconn.socket
        wire = socket.socket(fileno=os.dup(number))
        self._pair, libpqs = socket.socketpair()
        with libpqs:
            for each in (wire, self._pair, libpqs):
                each.setblocking(False)
            for each in (self._pair, libpqs):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * _PIECE)
            os.dup2(libpqs.fileno(), number, inheritable=False)
        self._wire = wire

    def finish(self) -> None:
        """Say goodbye where that takes no time, and free all."""
        self.pgconn.finish()
        if self._wire is None:
            return
        with self._wire as wire, self._pair as pair, contextlib.suppress(OSError):
            wire.send(pair.recv(_PIECE))

    async def wait(
        self, gen: PQGen[Answer], interval: float = 0.0, timeout: float | None = None
    ) -> Answer:
        """See psycopg; no cancellation is sent, and no time is kept. Raises `AnswerTooLarge`."""
        if self._wire is None:
            return await super().wait(gen, interval)
        self._taken = 0
        ready: Ready | None = None
        try:
            while True:
                state = next(gen) if ready is None else gen.send(ready)
                ready = await self._ready(state, self._wire)
        except StopIteration as ended:
            answer: Answer = ended.value
            return answer
        except AnswerTooLarge:
            self.pgconn.finish()  # else the end of a transaction would be sent after it
            raise

    async def _ready(self, state: Wait, wire: socket.socket) -> Ready:
        loop = asyncio.get_running_loop()
        while self.pgconn.notifies():
            pass  # libpq would keep what nobody of ours listens to
        with contextlib.suppress(OSError):  # all was sent, or nobody takes it: to be read next
            while said := self._pair.recv(_PIECE):
                await loop.sock_sendall(wire, said)
        if state & Wait.W:
            return Ready.W
        if not self._unread():
            try:
                came = await loop.sock_recv(wire, _PIECE)
            except OSError:  # reset: to libpq it is an end like any other
                came = b""
            self._taken += len(came)
            if self._taken > MOST:
                raise AnswerTooLarge
            if came:
                self._pair.sendall(came)
            else:
                self._pair.shutdown(socket.SHUT_WR)
        return Ready.R

    def _unread(self) -> bool:
        """Whether libpq left something of the last piece: with TLS it reads record by record."""
        return any(fcntl.ioctl(self.pgconn.socket, termios.FIONREAD, b"\0" * 4))

    def check(self, result: PGresult | None) -> None:
        """Raise `AnswerTooLarge` for a result that takes much more as objects than on the wire."""
        if result is None or self._taken < _LOOKED_INTO:
            return
        rows, columns = result.ntuples, range(result.nfields)
        values = rows * len(columns)
        if rows > MOST_ROWS or values > MOST_VALUES:
            raise AnswerTooLarge
        for column in columns:
            if result.ftype(column) not in _PLAIN:
                values += sum(_pieces(result.get_value(row, column)) for row in range(rows))
        if values > MOST_VALUES:
            raise AnswerTooLarge


def _pieces(value: bytes | None) -> int:
    return sum(map((value or b"").count, (b",", b"{", b"[")))
