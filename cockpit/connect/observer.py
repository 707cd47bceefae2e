"""One life for every session with a server: opened late, lost, opened again once, given up.

One connection a target and one question at a time. A connector says how to `connect` and `drop`,
asks in its own protocol, and says `why` a connection went; when to do which is the same for all
and stands here.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from typing import ClassVar, Generic, TypeVar

from cockpit import clock
from cockpit.connect.backoff import Backoff, given_up
from cockpit.connect.pace import Pace
from cockpit.errors import BlindError, Reason, UnknownOutcome

Connection = TypeVar("Connection")
Answer = TypeVar("Answer")

LOOK_FIRST = "look again before repeating it"
"""What to do after a change whose end is not known."""


class Lost(Exception):
    """The connection is of no use any more. Who raises it leaves the dropping to the session.

    `late`: since nobody answered, which is never tried again: the asker would wait twice.
    `told`: what is wrong, where it is known already, so that a second try would say the same.
    """

    def __init__(
        self, said: str = "", *, late: bool = False, told: BlindError | None = None
    ) -> None:
        super().__init__(said)
        self.late = late
        self.told = told


class ServerSession(ABC, Generic[Connection]):
    """A session with one server. Connects at the first question, and again after a loss."""

    greets: ClassVar[bool] = True
    """Whether a connection that came about is a sign of life. Where it is none, only a whole answer
    ends the back-off, and every loss begins it."""

    def __init__(self, where: str) -> None:
        self.where = where
        """Host and port, for messages."""
        self.pace = Pace()
        self._backoff = Backoff()
        self._busy = asyncio.Lock()
        self._connection: Connection | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    @abstractmethod
    async def connect(self) -> Connection:
        """A connection, as far as nothing of it can hang. Raises `BlindError`."""

    async def greet(self, connection: Connection) -> None:
        """Log in. `close` reaches a connection from here on. Raises `BlindError` or `Lost`."""

    def alive(self, connection: Connection) -> bool:
        """Whether nothing tells that it is gone, without asking."""
        return True

    @abstractmethod
    async def drop(self, connection: Connection) -> None:
        """Give it up at once, also from under a question that hangs. Never raises."""

    async def leave(self, connection: Connection) -> None:
        """Give it up in order where what is under way in it ends soon, else drop it. Never raises,
        and takes less than half a second.
        """
        await self.drop(connection)

    @abstractmethod
    async def why(self, lost: Lost) -> BlindError:
        """What a loss means that nothing was `told` of; may look at the server again."""

    async def close(self) -> None:
        """Give the connection up for good, also from under a question that hangs."""
        self._closed = True
        self._leave()
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def _answer(
        self, ask: Callable[[Connection], Awaitable[Answer]], *, again: bool = True
    ) -> Answer:
        """The answer of this connection, or of the next when it was lost. Raises `BlindError`.

        `again`: a session that was cut is opened again once, at once, since the new attempt's
        failure is the diagnosis. Never for what changes something: it may have been done.
        """
        async with self._busy:
            # only a session that had worked: a first connection that is cut is the diagnosis itself
            again = again and self._connection is not None
            while True:
                connection = await self._connected()
                try:
                    answer = await ask(connection)
                except asyncio.CancelledError:
                    self._leave()
                    raise
                except Lost as lost:
                    await self._drop()
                    if lost.told is not None or lost.late or not again:
                        error = await self._meaning(lost)
                        error.asked = True
                        if not self.greets:
                            self._backoff.failed(error)
                        raise error from None
                    again = False
                else:
                    if not self.greets:
                        self._backoff.worked()
                    return answer

    async def _connected(self) -> Connection:
        if self._connection is not None:
            if self.alive(self._connection):
                return self._connection
            await self._drop()
        self._must_be_open()
        self._backoff.check()
        try:
            connection = await self._opened(self.connect)
        except BlindError as error:
            self._backoff.failed(error)
            raise
        if self.greets:
            self._backoff.worked()
        return connection

    async def _opened(self, connect: Callable[[], Awaitable[Connection]]) -> Connection:
        """A connection that was greeted. Closed meanwhile: nobody else would give it up."""
        self._must_be_open()
        self._connection = connection = await connect()
        try:  # asked after each wait: `close` may have come meanwhile, and comes only once
            self._must_be_open()
            await self.greet(connection)
            self._must_be_open()
        except Lost as lost:
            await self._drop()
            raise await self._meaning(lost) from None
        except asyncio.CancelledError:
            self._leave()
            raise
        except BlindError:
            await self._drop()
            raise
        return connection

    async def _meaning(self, lost: Lost) -> BlindError:
        """Of a loss that `close` made, nothing is to be found out at the server."""
        return given_up(self.where) if self._closed else lost.told or await self.why(lost)

    def _must_be_open(self) -> None:
        if self._closed:
            raise given_up(self.where)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self.drop(connection)

    def _leave(self) -> None:
        """Nobody waits for it: whoever was cancelled, or asks next, least of all."""
        connection, self._connection = self._connection, None
        if connection is not None:
            task = asyncio.create_task(self.leave(connection))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    @contextlib.contextmanager
    def _paced(self, what: str) -> Iterator[None]:
        """Tell `pace` how long it takes, also when it fails or is given up."""
        began = clock.monotonic()
        try:
            yield
        finally:
            self.pace.took(what, clock.monotonic() - began)


async def sent(change: Awaitable[Answer]) -> Answer:
    """A change, once: denied is certain, a lost or late answer is `UnknownOutcome`, also where the
    reason of the loss is that we are not let in again.
    """
    try:
        return await change
    except BlindError as error:
        if error.asked or error.reason in {Reason.UNREACHABLE, Reason.TIMEOUT}:
            raise UnknownOutcome(
                f"it was sent, and its end is not known: {error.message}", hint=LOOK_FIRST
            ) from None
        raise
