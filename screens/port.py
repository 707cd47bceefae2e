"""What the screens are given: the desk, as they see it.

`cockpit.desk.Desk` has this shape. Nothing here blocks: properties and plain methods answer from
memory, `async` methods may take long and are awaited off the message loop of a widget. Callbacks
come on the event loop's thread. Every text from outside is already `cockpit.text.visible`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from cockpit.connect.role import Role
    from cockpit.desk.status import DeskStatus
    from cockpit.incident.lines import IncidentLine
    from cockpit.incident.objectives import RecoveryClock
    from cockpit.incident.timeline import TimelineRow
    from cockpit.logs.insights import QueryEstimate, QueryFound
    from cockpit.logs.reading import LinesRead, LogLine
    from cockpit.logs.source import LogSource
    from cockpit.runbooks.earlier import DoneBefore
    from cockpit.runbooks.plan import Approval, Outcome, Plan
    from cockpit.runbooks.progress import StepState
    from cockpit.runbooks.step import Runbook
    from cockpit.runbooks.stop_loss import Interrupt
    from cockpit.runbooks.unfinished import Unfinished
    from cockpit.triage.board import Board, FindingId, OpenFinding
    from cockpit.triage.related import RankedChanges
    from cockpit.triage.suspects import Judgement
    from cockpit.triage.target import Target
    from cockpit.triage.target_logs import LogView
    from cockpit.triage.view import Offer

Stop = Callable[[], None]
"""Ends a subscription; calling it twice is fine."""


class RunPort(Protocol):
    """A runbook on its way through one finding, or one offer as a run of a single step.

    `cockpit.runbooks.run.Run` has this shape.
    """

    @property
    def runbook(self) -> Runbook:
        """The runbook; for an offer, a document of one step."""

    @property
    def finding(self) -> OpenFinding | None:
        """What it is followed for, as it was when it began; None for an offer."""

    @property
    def steps(self) -> Sequence[StepState]:
        """The steps with how far each is."""

    @property
    def interrupt(self) -> Interrupt | None:
        """The step since which something else got worse, until a person decided; None: none."""

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


class LogsPort(Protocol):
    """The logs of one target. `cockpit.triage.target_logs.TargetLogs` has this shape.

    Everything is read-only, bounded, and kept nowhere. All raise `BlindError`.
    """

    async def sources(self) -> Sequence[LogSource]:
        """Where its lines are, at least one."""

    async def read(self, source: LogSource, *, span: timedelta = ...) -> LogView:
        """The lines of errors of a span, grouped."""

    async def around(
        self, source: LogSource, line: LogLine
    ) -> tuple[tuple[LogLine, ...], tuple[LogLine, ...]]:
        """Lines of the same stream before a line, and from it on."""

    async def newer(self, source: LogSource, after: datetime) -> LinesRead:
        """Every line since a moment."""

    async def estimate(self, source: LogSource, *, span: timedelta = ...) -> QueryEstimate:
        """What a query of Logs Insights would scan. Raises `CockpitError`."""

    async def query(self, source: LogSource, about: QueryEstimate) -> QueryFound:
        """Run what was estimated: it costs."""


class DeskPort(Protocol):
    """Everything that the screens may see and ask for."""

    @property
    def board(self) -> Board:
        """The newest truth."""

    @property
    def status(self) -> DeskStatus:
        """The header's facts."""

    @property
    def headline(self) -> IncidentLine:
        """The incident as the header tells it."""

    @property
    def targets(self) -> Mapping[str, Target]:
        """Name → target, in the order of the dependency graph, users first."""

    @property
    def next_update(self) -> datetime | None:
        """When the next status update is due; None when none is."""

    @property
    def recovery(self) -> RecoveryClock | None:
        """The clocks of the recovery objectives; None: none is configured."""

    @property
    def judgement(self) -> Judgement:
        """Suspects, three at most, and what was ruled out; worked out once a board."""

    @property
    def changes(self) -> RankedChanges:
        """Every change that is known, the most suspected first; the same object until one of them,
        or what fails, is another.
        """

    def timeline(self) -> Sequence[TimelineRow]:
        """The lines, oldest first (`cockpit.incident.newest`); the same object until there is
        another entry, since it is asked for four times a second.
        """

    def subscribe(self, callback: Callable[[], None]) -> Stop:
        """Call back when findings, timeline, incident or status changed, not for a look that found
        all as it was: those are asked for each second. May come often: the screens gather the
        calls and draw at most four times a second.
        """

    async def start(self) -> None:
        """Begin to look. Called once after the first paint; returns when looks are under way."""

    def look_now(self, target: str = "") -> int:
        """Look again at a target, or at everything; how many looks were asked for."""

    @property
    def codes_wanted(self) -> Sequence[str]:
        """Serials of MFA devices whose code somebody must type before AWS can be asked."""

    def give_code(self, serial: str, code: str) -> str:
        """Take a code and look again; the reason why not, or empty."""

    @property
    def unfinished(self) -> Sequence[Unfinished]:
        """Steps that an earlier session began and nobody knows the end of, oldest first."""

    @property
    def interrupted(self) -> RunPort | None:
        """The run of the newest interrupted step, while its `interrupt` is there; None: none."""

    async def verify_unfinished(self, one: Unfinished) -> Outcome:
        """Look what became of it, read-only, and journal that. Raises `CockpitError`."""

    async def tell_unfinished(self, one: Unfinished, word: str, reason: str) -> None:
        """A person says how it ended: `ok` or `failed`, with how they know."""

    def runbooks_for(self, finding: OpenFinding) -> Sequence[Runbook]:
        """The runbooks for it, the best first; none is an answer too."""

    def explain(self, code: str) -> Sequence[str]:
        """What a code means, a line each, empty ones between. Slow: asked off the loop."""

    def logs_of(self, target: str) -> LogsPort:
        """The logs of a target, held against the onset. Raises `BlindError` for one without."""

    def best(self, finding: OpenFinding) -> str:
        """The id of the runbook that is offered first for it; empty when there is none."""

    def run_for(self, runbook_id: str, finding: FindingId) -> RunPort | None:
        """The run that was started for this finding, here or in an earlier session, if any."""

    def done_before(self, runbook_id: str, finding: FindingId) -> DoneBefore | None:
        """What earlier sessions did of a runbook, which no run here knows; None: nothing."""

    def start_run(self, runbook_id: str, finding: OpenFinding) -> RunPort:
        """The run for this finding, started (and journalled) when there is none yet."""

    def offer_run(self, target: str, offer: Offer) -> RunPort:
        """An offer of a drill-down as a run of one step, with a plan of its own."""

    async def note(self, text: str) -> None:
        """Write a note; it is durable when this returns. `TODO …` becomes an action item."""

    async def say_of(self, suspect: str, word: str) -> None:
        """Write down what a person says about a suspect, in triage too: `GUILTY`, `INNOCENT`, or
        `OPEN`, which takes it back (`cockpit.incident.said`). Raises `Refused` where
        the incident is only watched.
        """

    async def set_severity(self, severity: str) -> None:
        """`P0` to `P3`, journalled."""

    async def set_status(self, status: str, reason: str = "") -> None:
        """`investigating`, `identified`, `mitigated`, `resolved` or `closed`, journalled. Raises
        `Refused` in triage for the last two.
        """

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
