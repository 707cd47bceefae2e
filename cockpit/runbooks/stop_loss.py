"""Watching other signals while a step acts and for a while after: it interrupts, never undoes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from cockpit.runbooks.kinds.result import Result
from cockpit.runbooks.plan import Plan
from cockpit.runbooks.scope import CouldNotLook
from cockpit.runbooks.tripwire import tripped
from cockpit.triage.board import Board, BoardChange, LookId
from cockpit.triage.store import Store
from cockpit.triage.topology import DependencyGraph

WATCHED = 90.0
"""Seconds after a step's end during which what gets worse is still told as being since the step."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What is seen meanwhile, and what needs what. Empty: nothing is watched."""

    store: Store = field(default_factory=Store)
    graph: DependencyGraph = field(default_factory=lambda: DependencyGraph(()))
    over: list[StopLoss] = field(default_factory=list)
    """Of steps that are over and watched until another one acts, of whichever runbook: then whose
    doing it is cannot be told."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A step since which something else got worse, for whoever decides what to do."""

    step: str
    """Its id."""
    title: str
    worse: str
    undo: str
    """The id of the step that takes it back; empty: there is none."""
    instead: str
    """How it is taken back, or why it cannot be, in words."""


class Interrupted(CouldNotLook):
    """Something else got worse: the verification was not waited for."""


class StopLoss:
    """The tripwires of one step. Nothing is watched before `arm`."""

    def __init__(
        self,
        signals: Signals,
        plan: Plan,
        *,
        elapsed: Callable[[], float],
        told: Callable[[str], None],
    ) -> None:
        """`told` is called once, on the event loop, with what got worse."""
        self._signals = signals
        self._plan = plan
        self._elapsed = elapsed
        self._told = told
        self._before = signals.store.board
        self._until: float | None = None
        self._stop: Callable[[], None] = lambda: None
        self._worse = asyncio.Event()
        self.says = ""
        """What got worse; empty while nothing did."""

    def arm(self) -> None:
        """From here on everything that gets worse counts: the effect is about to be sent."""
        while self._signals.over:
            self._signals.over.pop().disarm()
        if self._plan.tripwires:
            self._before = self._signals.store.board
            self._stop = self._signals.store.subscribe(self._changed)

    def ended(self) -> None:
        """The step is over; it is watched for `WATCHED` seconds more."""
        self._until = self._elapsed() + WATCHED
        self._signals.over.append(self)

    def disarm(self) -> None:
        """Nothing was sent, or another step acts now: what gets worse is not told as this one's."""
        self._stop()

    async def guarded(self, work: Coroutine[object, object, Result]) -> Result:
        """The result of a wait, unless something gets worse first: then `Interrupted`."""
        waiting = asyncio.ensure_future(work)
        worse = asyncio.ensure_future(self._worse.wait())
        try:
            await asyncio.wait({waiting, worse}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            raise Interrupted(f"interrupted, {self.says}")
        finally:
            worse.cancel()
            waiting.cancel()
            await asyncio.gather(waiting, worse, return_exceptions=True)

    def _changed(self, board: Board, _: Sequence[BoardChange]) -> None:
        if self._until is not None and self._elapsed() > self._until:
            self.disarm()
            return
        verify = self._plan.verify
        own = LookId(self._plan.target, "")
        if verify is not None:
            own = LookId(verify.target, verify.probe)
        self.says = tripped(
            self._plan.tripwires, self._before, board, own=own, graph=self._signals.graph
        )
        if self.says:
            self.disarm()
            self._worse.set()
            self._told(self.says)
