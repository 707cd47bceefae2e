"""What a running runbook needs from outside. `cockpit.desk` gives the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cockpit import clock
from cockpit.connect.session import Acts, Right
from cockpit.incident.entry import Entry, EntryKind
from cockpit.runbooks.step import StepKind
from cockpit.runbooks.stop_loss import Signals
from cockpit.triage.probe import Reading
from cockpit.triage.target import Target

Args = Mapping[str, object]


class Looks(Protocol):
    """A fresh look, through the engine: the same deadline and read-only session as any other."""

    async def look(self, target: str, probe: str) -> Reading:
        """The reading of a look that began after the call. Raises `Misconfigured`."""

    def proved(self, reading: Reading) -> None:
        """That reading verified a repair: it is the newest there is, and is believed at once."""


class Reads(Protocol):
    """Single reads for steps of risk `read`, through the read-only sessions of the probes."""

    async def read(
        self, target: Target, kind: StepKind, does: str, /, arguments: Mapping[str, object]
    ) -> Mapping[str, object]:
        """One AWS call or named statement that changes nothing.

        Raises `BlindError`, or `Refused` when the session does not have it among its reads.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """As whom, and where, a step on a target would run. Empty members are not known."""

    principal: str = ""
    """`cockpit_ops via orders.cluster-….rds.amazonaws.com`, an ARN, …"""
    account: str = ""
    region: str = ""


class Actors(Protocol):
    """The commander's sessions: opened for one approved plan, closed after it."""

    async def open(self, target: Target, kind: StepKind) -> Acts:
        """A session that can act. Raises `Refused` in triage, always; `BlindError`."""

    async def identity(self, target: Target | None, kind: StepKind) -> Identity:
        """As whom a step would run; None: a step on no target, run from here."""

    async def identity_and_right(
        self, target: Target, kind: StepKind, does: str, args: Args, /
    ) -> tuple[Identity, Right]:
        """As whom, and whether that login may do it: asked in one session. Raises as `identity`;
        a right that could not be asked for cannot be told.
        """


class Appends(Protocol):
    """The record, as far as something is only written into it."""

    async def append(
        self,
        kind: EntryKind,
        text: str,
        *,
        target: str = "",
        data: Mapping[str, object] | None = None,
        durable: bool | None = None,
    ) -> Entry:
        """Write an entry; what people do is durable when this returns, and anything when told."""


class Outcomes(Appends, Protocol):
    """Where the end of an intent is written."""

    async def outcome(
        self, intent: Entry, word: str, *, text: str, data: Mapping[str, object] | None = None
    ) -> Entry:
        """Say how an intent ended; durable when this returns."""


class JournalPort(Outcomes, Protocol):
    """The record. `cockpit.incident.record.Incident` has this shape."""

    @property
    def degraded(self) -> str:
        """Why entries are not durable, asked after an append; empty when they are."""

    @property
    def unfinished(self) -> Sequence[Entry]:
        """Intents whose end nobody knows: of earlier sessions, or with the outcome `unknown`."""

    async def intent(
        self, text: str, *, target: str = "", data: Mapping[str, object] | None = None
    ) -> Entry:
        """Say what is about to be done; durable when this returns, unless `degraded`."""

    def keep_output(self, content: str) -> str:
        """Keep a large output whole; gives its SHA-256, by which entries name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything together. `now` is the wall clock, `monotonic` and `elapsed` count seconds, the
    latter also while the machine sleeps.
    """

    looks: Looks
    reads: Reads
    actors: Actors
    journal: JournalPort
    targets: Mapping[str, Target]
    signals: Signals = field(default_factory=Signals)
    now: Callable[[], datetime] = clock.now
    monotonic: Callable[[], float] = clock.monotonic
    elapsed: Callable[[], float] = clock.elapsed
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits between two looks of a verification."""
