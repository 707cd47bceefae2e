"""The runbook of the selected finding: which one is shown, its run, and what its keys do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cockpit.connect.role import Role
from cockpit.errors import CockpitError
from cockpit.triage.board import FindingId, OpenFinding
from screens import acting
from screens.base import CockpitScreen
from screens.host import Host
from screens.port import RunPort
from screens.present import runbook
from screens.present.lines import line, safe
from screens.shown import Shown
from screens.widgets.findings import Findings
from screens.widgets.runbook import RunbookPane, next_step

if TYPE_CHECKING:
    from cockpit.runbooks.earlier import DoneBefore
    from cockpit.runbooks.step import Runbook, Step


class Steps:
    """Follows what is selected on a screen; starts a run with the first key that needs one."""

    def __init__(
        self, screen: CockpitScreen[None], selected: Callable[[], OpenFinding | None]
    ) -> None:
        self._screen = screen
        self._selected = selected
        self._at = 0
        """Which of the finding's runbooks is shown; counted on, so taken modulo their number."""
        self._of: FindingId | None = None
        self._runs: dict[int, RunPort] = {}

    @property
    def _host(self) -> Host:
        return self._screen.host

    @property
    def _pane(self) -> RunbookPane:
        return self._screen.query_one(RunbookPane)

    @property
    def _triage(self) -> bool:
        shown = self._host.shown
        return shown is not None and shown.status.role is not Role.COMMANDER

    def draw(self, shown: Shown) -> None:
        """Draw the pane at this moment."""
        finding = self._selected()
        books = self._books()
        self._pane.refresh_from(
            books,
            self._at,
            self._run_of(books),
            finding=finding,
            moment=shown.moment,
            running=self._host.running.since,
            earlier=self._earlier(books),
        )

    def _earlier(self, books: Sequence[Runbook]) -> DoneBefore | None:
        desk, finding = self._host.desk, self._selected()
        if desk is None or finding is None or not books:
            return None
        return desk.done_before(books[self._at % len(books)].id, finding.id)

    def turn(self) -> bool:
        """Show the finding's next runbook; False when there is no other."""
        books = self._books()
        if len(books) < 2:
            self._host.say("There is no other runbook for this finding")
            return False
        self._at = (self._at + 1) % len(books)
        self._pane.moved = False
        return True

    def carry_out(self) -> None:
        """Plan, confirm, run."""
        if self._host.running.tasks:
            self._host.say("A step is running; x stops waiting for it")
            return
        found = self._step()
        if found is None:
            return
        run, step_id = found
        if self._triage and _of(run, step_id).risk > "read":
            self._host.say("Triage is read-only: p proposes this step to a commander", "warning")
            return
        asked_for = step_id != _next(run)
        self._begin(run, step_id, (lambda: "") if asked_for else (lambda: self._onward(run)))

    def _onward(self, run: RunPort) -> str:
        """The step that comes in place of one that does not apply; empty: R has to be pressed."""
        after = _next(run)
        return "" if self._triage and after and _of(run, after).risk > "read" else after

    def _begin(self, run: RunPort, step_id: str, onward: Callable[[], str] = lambda: "") -> None:
        looked_up = acting.look_up(self._screen, run, step_id)
        work = acting.carry_out(self._screen, run, step_id, looked_up, onward=onward)
        self._screen.run_worker(work, exit_on_error=False)

    def take_back(self, drawn: object) -> None:
        """Plan the undo of what was interrupted, when it is still what the person saw."""
        desk = self._host.desk
        run = desk.interrupted if desk is not None else None
        interrupt = run.interrupt if run is not None else None
        if run is None or interrupt is None or interrupt != drawn:
            self._host.say("No step was interrupted when that key was pressed")
        elif not interrupt.undo:
            self._host.say(f"No step takes it back: {safe(interrupt.instead)}", "warning")
        elif self._host.running.tasks:
            self._host.say("A step is running; x stops waiting for it")
        else:
            self._begin(run, interrupt.undo)

    def propose(self) -> None:
        """In triage: ask for the reason, then put the step before a commander."""
        if not self._triage:
            self._host.say("You are commander: R runs the step")
            return
        found = self._step()
        if found is None:
            return
        run, step_id = found
        title = safe(_of(run, step_id).title, 60)

        def answer(text: str) -> None:
            work = acting.propose(self._screen, run, step_id, reason=text)
            self._screen.run_worker(work, exit_on_error=False)

        self._screen.ask("reason", f"why propose '{title}'? the commander reads it", answer)

    def skip(self) -> None:
        """Ask for the reason, then go on without the step."""
        found = self._step()
        if found is None:
            return
        run, step_id = found

        def answer(text: str) -> None:
            work = acting.skip(self._screen, run, step_id, reason=text)
            self._screen.run_worker(work, exit_on_error=False)

        self._screen.ask("reason", "why skip it? it goes into the record", answer)

    def read_output(self) -> None:
        """Read the output of the selected step."""
        row = self._pane.chosen
        outcome = None
        if isinstance(row, runbook.StepRow) and row.state is not None:
            outcome = row.state.outcome
        if outcome is None:
            self._host.say("The selected step has no output yet")
            return
        ended = outcome
        self._host.read(line("Output"), lambda width: runbook.outcome_lines(ended, width))

    def _books(self) -> list[Runbook]:
        finding, desk = self._selected(), self._host.desk
        if finding is None or desk is None:
            return []
        if self._of != finding.id:
            self._of, self._at = finding.id, 0
            self._pane.moved = False
        return list(desk.runbooks_for(finding))

    def _run_of(self, books: list[Runbook], *, start: bool = False) -> RunPort | None:
        """The run of the shown runbook; `start` begins one."""
        finding, desk = self._selected(), self._host.desk
        if finding is None or desk is None or not books:
            return None
        book = books[self._at % len(books)]
        run = desk.run_for(book.id, finding.id)
        if run is None and start:
            run = desk.start_run(book.id, finding)
        if run is not None and id(run) not in self._runs:
            self._runs[id(run)] = run
            run.subscribe(self._host.nudge)
        return run

    def _step(self) -> tuple[RunPort, str] | None:
        """The run and the step that R, p and s are about, started when it was not."""
        books = self._books()
        if why := acting.only_watches(self._host):
            self._host.say(why, "warning")
            return None
        if not books:
            self._host.say("No runbook is for what is selected")
            return None
        if self._screen.query_one(Findings).drawn_at(self._host.presses.at) is None:
            self._host.say("Nothing was selected yet when that key was pressed: press it again")
            return None
        try:
            run = self._run_of(books, start=True)
        except CockpitError as error:
            self._host.say_error(error)
            return None
        if run is None:
            return None
        step_id = self._pane.step_id
        known = {state.step.id for state in run.steps}
        chosen = self._screen.pane_name == "runbook" and step_id in known
        if not chosen:
            step_id = next_step(run.steps)
        if not step_id:
            self._host.say("Every step of this runbook is done")
            return None
        if self._pane.passed(self._host.presses.at, step_id, chosen=chosen):
            title = safe(_of(run, step_id).title, 60)
            self._host.say(f"'{title}' has come since that key was pressed: press it again")
            self._host.nudge()
            return None
        return run, step_id


def _next(run: RunPort) -> str:
    return next((state.step.id for state in run.steps if state.status == "next"), "")


def _of(run: RunPort, step_id: str) -> Step:
    return next(state.step for state in run.steps if state.step.id == step_id)
