"""What the screens are given: the desk, as they see it.

`cockpit.desk.Desk` has this shape. Nothing here blocks: properties and plain methods answer from
memory, `async` methods may take long and are awaited off the message loop of a widget. Callbacks
come on the event loop's thread. Every text from outside is already `cockpit.text.visible`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cockpit.connect.role import Role
from cockpit.incident.lines import IncidentLine
from cockpit.triage.board import Board, FindingId, OpenFinding
from cockpit.triage.target import Target
from cockpit.triage.view import Offer

if TYPE_CHECKING:
    from cockpit.runbooks.plan import Approval, Outcome, Plan
    from cockpit.runbooks.run import StepState
    from cockpit.runbooks.step import Runbook

Stop = Callable[[], None]
"""Ends a subscription; calling it twice is fine."""


class StatusPort(Protocol):
    """The header's facts, all from memory."""

    @property
    def environment(self) -> str:
        """The configuration's environment: `prod`."""

    @property
    def account(self) -> str:
        """The AWS account once it is known; empty until then, several joined by `+`."""

    @property
    def region(self) -> str:
        """The region, several joined by `+`."""

    @property
    def role(self) -> Role:
        """The role of this cockpit, for its whole life."""

    @property
    def actor(self) -> str:
        """Who sits here."""

    @property
    def watching(self) -> int:
        """How many other cockpits are on this incident; 0 when it cannot be known."""

    @property
    def probes(self) -> int:
        """How many (target, probe) pairs are looked at."""

    @property
    def calls(self) -> int:
        """API calls made so far."""

    @property
    def usd(self) -> float:
        """Their estimated cost."""

    @property
    def throttled(self) -> int:
        """Calls that AWS throttled so far."""

    @property
    def sweep_took(self) -> float | None:
        """Seconds of the last full sweep; None while the first one runs."""

    @property
    def sweep_progress(self) -> tuple[int, int] | None:
        """(looks ended, looks of this sweep) while one runs; None between sweeps."""

    @property
    def degraded(self) -> str:
        """Why the record or the engine works only in part; empty when all is well.

        Shown as a red banner, for example that entries are kept in memory only.
        """


class IncidentPort(Protocol):
    """The incident that is handled."""

    @property
    def id(self) -> str:
        """`INC-2026-0042`."""

    @property
    def title(self) -> str:
        """One line by a person."""

    @property
    def severity(self) -> str:
        """`P0` to `P3`."""

    @property
    def status(self) -> str:
        """`investigating`, `identified`, `mitigated`, `resolved`, `closed`."""

    @property
    def opened_at(self) -> datetime:
        """When it was opened."""


class EntryRow(Protocol):
    """One line of the timeline (`cockpit.incident.timeline.TimelineRow`)."""

    @property
    def seq(self) -> int:
        """The entry's number in the journal: its identity."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def kind(self) -> str:
        """The entry's kind: `note`, `finding.opened`, and so on."""

    @property
    def word(self) -> str:
        """The kind as the timeline shows it, ten cells at most: `note`, `finding`, `step`."""

    @property
    def text(self) -> str:
        """What happened, one line."""

    @property
    def actor(self) -> str:
        """Who did it; `cockpit` or empty for the machine."""

    @property
    def target(self) -> str:
        """What it is about; empty for what is about no target."""

    @property
    def severity(self) -> str:
        """The severity of a finding; empty for what has none."""

    @property
    def outcome(self) -> str:
        """How a step's intent ended; `unknown` without an outcome; empty for what is no step."""


class SuspectPort(Protocol):
    """A possible cause (`cockpit.triage.suspects.Suspect`)."""

    @property
    def rank(self) -> int:
        """1 is the likeliest."""

    @property
    def kind(self) -> str:
        """`target` or `change`."""

    @property
    def name(self) -> str:
        """The target's name, or the change in a few words."""

    @property
    def score(self) -> float:
        """0 to 1."""

    @property
    def summary(self) -> str:
        """One line."""

    @property
    def explains(self) -> Sequence[str]:
        """`CODE@target` of the findings that it would explain."""

    @property
    def for_(self) -> Sequence[str]:
        """What speaks for it."""

    @property
    def against(self) -> Sequence[str]:
        """What speaks against it."""

    @property
    def not_examined(self) -> Sequence[str]:
        """What could not be looked at."""

    @property
    def next_probe(self) -> str:
        """What would separate it from the next suspect; empty when nothing would."""


class UnfinishedPort(Protocol):
    """A step that was cut off (`cockpit.runbooks.unfinished.Unfinished`)."""

    @property
    def seq(self) -> int:
        """Its intent's number in the journal."""

    @property
    def at(self) -> datetime:
        """When it was about to be sent."""

    @property
    def title(self) -> str:
        """The step's title."""

    @property
    def target(self) -> str:
        """What it was run on; may be empty."""

    @property
    def actor(self) -> str:
        """Who ran it."""

    @property
    def verification(self) -> str:
        """What its verification looks for, in words; empty when only a person can say."""


class RunPort(Protocol):
    """A runbook on its way through one finding, or one offer as a run of a single step.

    `cockpit.runbooks.run.Run` has this shape.
    """

    @property
    def runbook(self) -> Runbook:
        """The runbook; for an offer, a document of one step."""

    @property
    def steps(self) -> Sequence[StepState]:
        """The steps with how far each is."""

    async def plan(self, step_id: str) -> Plan:
        """Fill the step's values in and check it now. Raises `CockpitError` when it cannot."""

    def approve(
        self, plan: Plan, *, typed: str = "", reason: str = "", second: str = ""
    ) -> Approval:
        """A person's yes. Raises `Refused` for a wrong word, or too late, or in triage."""

    async def execute(self, plan: Plan, approval: Approval) -> Outcome:
        """Run, verify and journal. Ends with an outcome; raises `Refused` when things moved."""

    async def propose(self, step_id: str, reason: str) -> None:
        """Put the step before a commander, in the journal."""

    async def skip(self, step_id: str, reason: str) -> None:
        """Go on without it, in the journal."""

    async def go_on(self, step_id: str, reason: str) -> None:
        """Go on after a failed or unknown step, which stays what it is. Raises `Refused`."""

    def subscribe(self, callback: Callable[[], None]) -> Stop:
        """Call back whenever a step's state changes."""


class DeskPort(Protocol):
    """Everything that the screens may see and ask for."""

    @property
    def board(self) -> Board:
        """The newest truth."""

    @property
    def status(self) -> StatusPort:
        """The header's facts."""

    @property
    def incident(self) -> IncidentPort:
        """The incident."""

    @property
    def targets(self) -> Mapping[str, Target]:
        """Name → target, in the order of the dependency graph, users first."""

    @property
    def next_update(self) -> datetime | None:
        """When the next status update is due; None when none is."""

    @property
    def suspects(self) -> Sequence[SuspectPort]:
        """At most three, computed when the board changes and not here."""

    @property
    def suspects_by(self) -> str:
        """How they are found, one sentence for the pane."""

    def timeline(self) -> Sequence[EntryRow]:
        """All lines, oldest first (`cockpit.incident.timeline.timeline`); the same object until
        there is another entry, since it is asked for four times a second.
        """

    def subscribe(self, callback: Callable[[], None]) -> Stop:
        """Call back when board, timeline, incident or status changed. May come often: the
        screens gather the calls and draw at most four times a second.
        """

    async def start(self) -> None:
        """Begin to look. Called once after the first paint; returns when looks are under way."""

    def look_now(self, target: str = "") -> int:
        """Look again at a target, or at everything; how many looks were asked for."""

    @property
    def unfinished(self) -> Sequence[UnfinishedPort]:
        """Steps that an earlier session began and nobody knows the end of, oldest first."""

    async def verify_unfinished(self, one: Any) -> Outcome:
        """Look what became of it, read-only, and journal that. Raises `CockpitError`."""

    async def tell_unfinished(self, one: Any, word: str, reason: str) -> None:
        """A person says how it ended: `ok` or `failed`, with how they know."""

    def runbooks_for(self, finding: OpenFinding) -> Sequence[Runbook]:
        """The runbooks for it, the best first; none is an answer too."""

    def best(self, code: str) -> str:
        """The id of the runbook that is offered first for a code; empty when there is none."""

    def run_for(self, runbook_id: str, finding: FindingId) -> RunPort | None:
        """The run that was started for this finding, if any."""

    def start_run(self, runbook_id: str, finding: OpenFinding) -> RunPort:
        """The run for this finding, started (and journalled) when there is none yet."""

    def offer_run(self, target: str, offer: Offer) -> RunPort:
        """An offer of a drill-down as a run of one step, with a plan of its own."""

    async def note(self, text: str) -> None:
        """Write a note; it is durable when this returns. `TODO …` becomes an action item."""

    async def set_severity(self, severity: str) -> None:
        """`P0` to `P3`, journalled."""

    async def set_status(self, status: str) -> None:
        """One of `IncidentPort.status`, journalled."""

    async def close(self) -> None:
        """Give everything up within half a second. Never raises."""


@runtime_checkable
class OpeningPort(Protocol):
    """What stands before a desk: which incident. Given when the command named none."""

    @property
    def environment(self) -> str:
        """The configuration's environment."""

    @property
    def role(self) -> Role:
        """The role that the desk will have."""

    @property
    def incidents(self) -> Sequence[IncidentLine]:
        """Those that are not closed, the newest first."""

    async def resume(self, incident: str) -> DeskPort:
        """Go on with one. Raises `CockpitError`."""

    async def create(self, title: str, severity: str) -> DeskPort:
        """Open a new one. Raises `CockpitError`."""
