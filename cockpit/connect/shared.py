"""Answers that several askers share: asked for once, kept for a moment, safe to walk away from.

An asker that is cancelled leaves the call to the others; when the last one leaves, the call is
given up, so that a hung service does not hold a seat for nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Generic, TypeVar

from cockpit.clock import monotonic
from cockpit.errors import BlindError, Reason

Value = TypeVar("Value")

FRESH = 2.0
"""Seconds after it came for which an identical question gets the same answer."""


def _stay() -> None:
    """Nothing happens when the last asker leaves."""


def _come(waiter: asyncio.Future[None], _: asyncio.Future[Value]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class AnswerToCome(Generic[Value]):
    """One answer to come. `abandoned` is called when the last asker left before it came."""

    __slots__ = ("_askers", "abandoned", "born_at", "future")

    def __init__(self, future: asyncio.Future[Value]) -> None:
        self.future = future
        self.born_at = monotonic()
        """When it was asked for, and once it came: when it came."""
        self.abandoned: Callable[[], None] = _stay
        self._askers = 0
        future.add_done_callback(self._came)

    @property
    def wanted(self) -> bool:
        """Whether anybody waits for it."""
        return self._askers > 0

    @property
    def failed(self) -> bool:
        """Whether it came as an error, or was given up."""
        return self.future.done() and (
            self.future.cancelled() or self.future.exception() is not None
        )

    async def get(self) -> Value:
        """The value or the error. Raises `BlindError` when the session was closed meanwhile."""
        if not self.future.done():
            self._askers += 1
            # to await the future itself would cancel the call for all when one asker leaves
            waiter = self.future.get_loop().create_future()
            come = partial(_come, waiter)
            self.future.add_done_callback(come)
            try:
                await waiter
            finally:
                self._askers -= 1
                self.future.remove_done_callback(come)
                if not self._askers and not self.future.done():
                    self.abandoned()
        if self.future.cancelled():
            raise BlindError(Reason.UNREACHABLE, "the session was closed during the call")
        error = self.future.exception()
        if error is not None:
            raise error.with_traceback(None)  # else it gathers the tracebacks of all its askers
        return self.future.result()

    def _came(self, future: asyncio.Future[Value]) -> None:
        self.born_at = monotonic()
        if not future.cancelled():
            future.exception()  # looked at, also when nobody waits any more


class Memory(Generic[Value]):
    """Answers by their question, until `FRESH` seconds after they came."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, AnswerToCome[Value]] = {}
        self._order: deque[tuple[Hashable, AnswerToCome[Value]]] = deque()

    def find(self, question: Hashable) -> AnswerToCome[Value] | None:
        """The answer that is still good; None when the question must be asked."""
        self._forget()
        answer = self._answers.get(question)
        if answer is None or answer.future.cancelled():
            return None
        if answer.future.done() and monotonic() - answer.born_at > FRESH:
            return None
        return answer

    def keep(self, question: Hashable, answer: AnswerToCome[Value]) -> None:
        """Remember an answer that was just asked for."""
        self._answers[question] = answer
        self._order.append((question, answer))

    async def ask(
        self,
        question: Hashable,
        work: Callable[[], Coroutine[object, object, Value]],
        *,
        tasks: Tasks,
    ) -> Value:
        """The answer of a moment ago, or of whoever asks now, or of `work`."""
        answer = self.find(question)
        if answer is None:
            answer = AnswerToCome(tasks.start(work()))
            answer.abandoned = partial(self._give_up, question, answer)
            self.keep(question, answer)
        return await answer.get()

    def _give_up(self, question: Hashable, answer: AnswerToCome[Value]) -> None:
        self.drop(question, answer)
        answer.future.cancel()

    def drop(self, question: Hashable, answer: AnswerToCome[Value]) -> None:
        """Forget an answer that nobody will give."""
        if self._answers.get(question) is answer:
            del self._answers[question]

    def clear(self) -> None:
        """Forget all: something was changed, so nothing that is known may be used to verify it."""
        self._answers.clear()
        self._order.clear()

    def _forget(self) -> None:
        limit = monotonic() - FRESH
        while self._order and self._order[0][1].born_at < limit:
            question, answer = self._order.popleft()
            if answer.future.done():
                self.drop(question, answer)
            else:  # still asked for: it is fresh for a moment after it came, however long it took
                answer.future.add_done_callback(partial(self._landed, question, answer))

    def _landed(
        self, question: Hashable, answer: AnswerToCome[Value], _: asyncio.Future[Value]
    ) -> None:
        self._order.append((question, answer))


class Tasks:
    """The tasks of one session, given up together."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()

    def start(self, work: Coroutine[object, object, Value]) -> asyncio.Task[Value]:
        """Run it on its own, whoever asked for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def cancel(self) -> None:
        """Give all of them up."""
        for task in tuple(self._running):
            task.cancel()
