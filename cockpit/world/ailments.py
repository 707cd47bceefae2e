"""What clients of the orders database do wrong: real sessions that leak, crawl, or stay.

Each runs until somebody ends what is wrong; then `over` is set, and the client behaves again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

import psycopg

from cockpit.world.checkout import CheckoutDatabase, Connection, ended

MAILER = "order-mailer"
REPORTS = "sales-reports"
EXPORT = "nightly-export"
_NICE = 19
_NOTICED = 5.0
_MAIL = "SELECT id, customer FROM orders WHERE status = 'paid' ORDER BY id DESC LIMIT 5"
_COMPARE = """SELECT a.customer, count(*) FROM orders a
 JOIN orders b ON b.id BETWEEN a.id AND a.id + %(near)s
 JOIN orders c ON c.id BETWEEN b.id AND b.id + %(near)s GROUP BY 1 ORDER BY 2 DESC LIMIT 10"""
_NEAR, _EVERYTHING = {"near": 2}, {"near": 1_000_000}


class Leak:
    """A service that opens a session for each message and closes none.

    When sessions of it are ended it dies some seconds later, and its successor has a small pool.
    """

    def __init__(self, database: CheckoutDatabase, *, sessions: int) -> None:
        self._database = database
        self._sessions = sessions
        self.full = asyncio.Event()
        """Set once every session is open."""
        self.over = asyncio.Event()

    async def run(self) -> None:
        """Leak, and after the end of a session start anew with three."""
        async with contextlib.AsyncExitStack() as stack:
            held = await self._open(stack, self._sessions)
            self.full.set()
            await ended(*held)
            self.over.set()
            await asyncio.sleep(_NOTICED)
        async with contextlib.AsyncExitStack() as stack:
            await self._open(stack, 3)
            await self._database.gate.shut_again()

    async def _open(self, stack: contextlib.AsyncExitStack, sessions: int) -> list[Connection]:
        held: list[Connection] = []
        for _ in range(sessions):
            with contextlib.suppress(psycopg.Error, OSError):
                connection = await stack.enter_async_context(self._database.session(MAILER))
                await connection.execute(_MAIL)
                held.append(connection)
        return held


class Slow:
    """A report that compares each order with its neighbours, until it shall compare all with all.

    The statement is the same, and its work grows with the cube: it burns a processor for most of an
    hour. It runs at the lowest priority, so that this machine stays usable.
    """

    def __init__(self, database: CheckoutDatabase) -> None:
        self._database = database
        self.running = asyncio.Event()
        self.over = asyncio.Event()

    async def run(self) -> None:
        """Compare it all until the statement is ended, then neighbours again, for ever."""
        try:
            await self._compare_all()
        except (psycopg.Error, OSError):
            self.running.set()
        self.over.set()
        while True:
            with contextlib.suppress(psycopg.Error, OSError):
                async with self._database.session(REPORTS) as connection:
                    await connection.execute(_COMPARE, _NEAR)
            await asyncio.sleep(5)

    async def _compare_all(self) -> None:
        async with self._database.session(REPORTS) as connection:
            for _ in range(5):
                await connection.execute(_COMPARE, _NEAR)
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, connection.pgconn.backend_pid, _NICE)
            self.running.set()
            await connection.execute(_COMPARE, _EVERYTHING)


class Stay:
    """An export that opened a snapshot, read, and waits for ever for whom it writes to."""

    def __init__(self, database: CheckoutDatabase) -> None:
        self._database = database
        self.held = asyncio.Event()
        self.over = asyncio.Event()

    async def run(self) -> None:
        """Keep the snapshot until the session is ended."""
        try:
            async with self._database.session(EXPORT, autocommit=False) as connection:
                await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
                await connection.execute("SELECT count(*) FROM orders")
                self.held.set()
                await ended(connection)
        finally:
            self.held.set()
            self.over.set()
