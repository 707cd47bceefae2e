"""The main screen: what is wrong, why, what to do, what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget

from cockpit.connect.role import Role
from cockpit.errors import CockpitError
from cockpit.incident.timeline import TimelineRow
from cockpit.triage.board import OpenFinding
from cockpit.triage.changes import Change
from cockpit.triage.suspects import Suspect
from screens import acting, unfinished
from screens.base import CockpitScreen, bottom
from screens.bindings import Where
from screens.port import RunPort
from screens.present import evidence, runbook, systems
from screens.present.header import banner, header
from screens.present.lines import BLANK, clock, line, safe, wrap
from screens.present.timeline import whole
from screens.shown import Shown
from screens.unfinished import UnfinishedBar
from screens.widgets.evidence import EvidencePane
from screens.widgets.findings import Findings
from screens.widgets.header import Bar, Header
from screens.widgets.rowlist import RowList
from screens.widgets.runbook import VIEW as RUNBOOK_VIEW
from screens.widgets.runbook import RunbookPane
from screens.widgets.suspects import Suspects
from screens.widgets.systems import VIEW as SYSTEMS_VIEW
from screens.widgets.systems import Systems
from screens.widgets.timeline import VIEW as TIMELINE_VIEW
from screens.widgets.timeline import Timeline

if TYPE_CHECKING:
    from cockpit.runbooks.step import Runbook

PANES = ("suspects", "systems", "findings", "evidence", "runbook", "timeline")
_LOWER = ("evidence", "systems", "runbook", "timeline")
"""Panes of which a small terminal shows one, below the findings."""

_ABOUT = ("evidence", "runbook")
"""Panes that are about the selected finding."""


class MainScreen(CockpitScreen[None], part=Where.MAIN):
    """Six panes, or fewer on a small terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._lower = "evidence"
        self._only = "findings"
        self._zoomed = False
        self._book = 0
        self._book_of: object = None
        self._runs: dict[int, RunPort] = {}

    def compose(self) -> ComposeResult:
        """Header, suspects, three columns, timeline, note line, keys."""
        yield Header(id="header")
        yield Bar(id="banner")
        yield UnfinishedBar(id="unfinished")
        yield Suspects(id="suspects")
        with Horizontal(id="middle"):
            yield Systems(SYSTEMS_VIEW, id="systems", classes="pane")
            with Vertical(id="centre"):
                yield Findings(id="findings")
                yield EvidencePane(id="evidence", classes="pane")
            yield RunbookPane(RUNBOOK_VIEW, id="runbook", classes="pane")
        yield Timeline(TIMELINE_VIEW, id="timeline", classes="pane")
        yield from bottom()

    def on_mount(self) -> None:
        """The keys go to the findings."""
        for name in ("suspects", "findings"):
            self.query_one(f"#{name}").add_class("pane")
        super().on_mount()
        self.query_one("#findings").focus()

    # -- layout --------------------------------------------------------------------------------

    def laid_out(self) -> None:
        """Decide which panes there is room for."""
        if not self.query("#findings"):
            return
        small = self.layout_class != "-full"
        one = self.layout_class == "-tiny" or self._zoomed
        self.query_one(Suspects).small = small
        self.set_class(one, "-one")
        for name in PANES:
            pane = self.query_one(f"#{name}")
            if one:
                hidden = name != self._only
            else:
                hidden = small and name in _LOWER and name != self._lower
            pane.set_class(hidden, "-other")
        suspects = self.query_one("#suspects")
        suspects.display = not one or self._only == "suspects"

    def _pane(self, name: str) -> Widget:
        return self.query_one(f"#{name}")

    def action_jump(self, key: str) -> None:
        """Go to a pane, which shows itself when there was no room for it."""
        name = PANES[int(key) - 1]
        self._only = name
        if name in _ABOUT:
            self._pin()
        if name in _LOWER:
            self._lower = name
        self.laid_out()
        self._pane(name).focus()
        self.call_after_refresh(self._draw_again)

    def _pin(self) -> None:
        """Whoever reads or works on a finding keeps it, whatever else becomes worse."""
        self.query_one(Findings).moved = True

    def action_next_pane(self, by: str) -> None:
        """The next pane, in the order of their numbers."""
        at = PANES.index(self.pane_name) if self.pane_name in PANES else 2
        self.action_jump(str((at + int(by)) % len(PANES) + 1))

    def action_zoom(self) -> None:
        """One pane on the whole screen, and back."""
        self._zoomed = not self._zoomed
        self._only = self.pane_name or "findings"
        self.laid_out()
        self.call_after_refresh(self._draw_again)

    def action_clear(self) -> None:
        """Esc: the filter, then the zoom."""
        if isinstance(self.pane, RowList) and self.pane.filter:
            self.pane.set_filter("")
            self._tell_filter(self.pane)
        elif self._zoomed:
            self.action_zoom()

    # -- drawing -------------------------------------------------------------------------------

    def refresh_from(self, shown: Shown) -> None:
        """Draw a moment."""
        self._draw_header(shown)
        self.query_one(Suspects).refresh_from(shown)
        for pane in (self.query_one(Systems), self.query_one(Timeline)):
            if not pane.has_class("-other"):
                pane.refresh_from(shown)
        self.query_one(Findings).refresh_from(shown)
        self._draw_selected(shown)

    def tick(self, shown: Shown) -> None:
        """A second went by: ages and the header."""
        self._draw_header(shown)
        for pane in (self.query_one(Findings), self.query_one(Systems)):
            pane.tick(shown.moment)
        self._draw_selected(shown)

    def _draw_header(self, shown: Shown) -> None:
        bar = self.query_one("#header", Header)
        live = self.cockpit.live or shown
        top = live if shown.frozen is None else self.cockpit.frozen_header(live)
        bar.show(header(top, bar.columns, rows=1 if self.layout_class == "-tiny" else 2))
        self.query_one(UnfinishedBar).refresh_from(top)
        strip = self.query_one("#banner", Bar)
        told = banner(top, len(live.entries) - len(shown.entries), self.app.size.width)
        strip.set_class(told is not None, "-up")
        if told is not None:
            strip.show([told])

    def _draw_selected(self, shown: Shown) -> None:
        row = self.query_one(Findings).chosen
        pane = self.query_one(EvidencePane)
        if not pane.has_class("-other"):
            pane.refresh_from(shown, row)
        book = self.query_one(RunbookPane)
        if not book.has_class("-other"):
            self._draw_runbook(shown)

    def _draw_runbook(self, shown: Shown) -> None:
        finding = self.finding
        books = self._books()
        run = self._run_of(books)
        self.query_one(RunbookPane).refresh_from(
            books,
            self._book,
            run,
            code=finding.finding.code if finding is not None else "",
            moment=shown.moment,
            running=self.cockpit.running.since,
        )

    # -- what is selected ----------------------------------------------------------------------

    @property
    def finding(self) -> OpenFinding | None:
        """The selected finding; None for a blind row and an empty list."""
        row = self.query_one(Findings).chosen
        return row if isinstance(row, OpenFinding) else None

    def _books(self) -> list[Runbook]:
        finding, desk = self.finding, self.cockpit.desk
        if finding is None or desk is None:
            return []
        if self._book_of != finding.id:
            self._book_of, self._book = finding.id, 0
            self.query_one(RunbookPane).moved = False
        return list(desk.runbooks_for(finding))

    def _run_of(self, books: list[Runbook], *, start: bool = False) -> RunPort | None:
        """The run of the shown runbook; `start` begins one."""
        finding, desk = self.finding, self.cockpit.desk
        if finding is None or desk is None or not books:
            return None
        book = books[self._book % len(books)]
        run = desk.run_for(book.id, finding.id)
        if run is None and start:
            run = desk.start_run(book.id, finding)
        if run is not None and id(run) not in self._runs:
            self._runs[id(run)] = run
            run.subscribe(self.cockpit.nudge)
        return run

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Another row is selected: what depends on it is drawn."""
        message.stop()
        shown = self.cockpit.shown
        if shown is None:
            return
        if message.rows.id == "findings":
            self._draw_selected(shown)
        elif message.rows.id == "runbook":
            self._draw_runbook(shown)

    def on_row_list_opened(self, message: RowList.Opened) -> None:
        """A double click opens."""
        message.stop()
        self.action_open()

    def copied(self) -> str:
        """What is selected in the focused pane, as plain text."""
        shown = self.cockpit.shown
        pane, name = self.pane, self.pane_name
        if shown is None or not isinstance(pane, RowList | EvidencePane):
            return ""
        if name in {"findings", "evidence"}:
            row = self.query_one(Findings).chosen
            best = shown.best(row.finding.code) if isinstance(row, OpenFinding) else ""
            role = shown.status.role
            return evidence.as_text(row, shown.board, shown.moment, role, runbook=best)
        if isinstance(pane, EvidencePane) or pane.chosen is None:
            return ""
        if name == "timeline":
            return whole(pane.chosen)
        return pane.view.draw(pane.chosen, 400, shown.moment).plain.strip()

    # -- actions -------------------------------------------------------------------------------

    def action_open(self) -> None:
        """Open what is selected in the focused pane."""
        name = self.pane_name
        if name == "runbook":
            self.action_run_step()
        elif name == "timeline":
            self._open_timeline(self.query_one(Timeline).chosen)
        elif name == "systems":
            self._open_system(self.query_one(Systems).chosen)
        elif name == "suspects":
            self._open_suspect(self.query_one(Suspects).chosen)
        else:
            row = self.query_one(Findings).chosen
            if isinstance(row, OpenFinding):
                self.cockpit.open_target(row.target, row.probe)
            elif row is not None:
                self.cockpit.open_target(row.target)

    def action_timeline(self) -> None:
        """The whole timeline."""
        self._open_timeline(None)

    def _open_timeline(self, row: TimelineRow | None) -> None:
        from screens.timeline import TimelineScreen

        self.app.push_screen(TimelineScreen(row.seq if row is not None else None))

    def _open_system(self, row: systems.SystemRow | None) -> None:
        if isinstance(row, systems.System):
            self.cockpit.open_target(row.target.name)
        elif isinstance(row, Change):
            self.cockpit.read(line("Change"), lambda width: _change(row, width))

    def _open_suspect(self, row: Suspect | None) -> None:
        shown = self.cockpit.shown
        if row is not None and shown is not None:
            by = shown.suspects_by
            self.cockpit.read(
                line("Why suspected"), lambda width: evidence.reasoning(row, by, width)
            )

    def action_look(self) -> None:
        """Look at everything again."""
        self.cockpit.look_now()

    def action_another(self) -> None:
        """The next runbook that is for the finding."""
        books = self._books()
        if len(books) < 2:
            self.cockpit.say("There is no other runbook for this finding")
            return
        self._book = (self._book + 1) % len(books)
        self.query_one(RunbookPane).moved = False
        self._draw_again()

    def action_unfinished(self) -> None:
        """Find out what became of a step that was cut off."""
        self.run_worker(unfinished.settle(self), exit_on_error=False)

    def action_status(self) -> None:
        """Set status or severity."""
        self.run_worker(self._set_status(), exit_on_error=False)

    async def _set_status(self) -> None:
        from screens.incidents import LEVELS, STATES, PickScreen

        desk = self.cockpit.desk
        picked = await self.app.push_screen_wait(PickScreen("Status, severity", STATES + LEVELS))
        if desk is None or picked is None:
            return
        try:
            if picked.startswith("P"):
                await desk.set_severity(picked)
            else:
                await desk.set_status(picked)
        except CockpitError as error:
            self.cockpit.say_error(error)
        self.cockpit.nudge()

    # -- steps ---------------------------------------------------------------------------------

    def _step(self) -> tuple[RunPort, str] | None:
        """The run and the step that R, p and s are about, started when it was not."""
        self._pin()
        books = self._books()
        if not books:
            self.cockpit.say("No runbook is for what is selected")
            return None
        try:
            run = self._run_of(books, start=True)
        except CockpitError as error:
            self.cockpit.say_error(error)
            return None
        if run is None:
            return None
        step_id = self.query_one(RunbookPane).step_id
        known = {state.step.id for state in run.steps}
        if self.pane_name != "runbook" or step_id not in known:
            step_id = _next_step(run)
        if not step_id:
            self.cockpit.say("Every step of this runbook is done")
            return None
        return run, step_id

    def action_run_step(self) -> None:
        """Plan, confirm, run."""
        if self.cockpit.running.tasks:
            self.cockpit.say("A step is running; x stops waiting for it")
            return
        found = self._step()
        if found is None:
            return
        run, step_id = found
        if self._triage_cannot(run, step_id):
            self.cockpit.say("Triage is read-only: p proposes this step to a commander", "warning")
            return
        self.run_worker(acting.carry_out(self.cockpit, run, step_id), exit_on_error=False)

    def _triage_cannot(self, run: RunPort, step_id: str) -> bool:
        shown = self.cockpit.shown
        if shown is None or shown.status.role is Role.COMMANDER:
            return False
        step = next(state.step for state in run.steps if state.step.id == step_id)
        return step.risk > "read"

    def action_propose(self) -> None:
        """In triage: ask for the reason, then put the step before a commander."""
        shown = self.cockpit.shown
        if shown is None or shown.status.role is Role.COMMANDER:
            self.cockpit.say("You are commander: R runs the step")
            return
        found = self._step()
        if found is None:
            return
        run, step_id = found
        title = next(s.step.title for s in run.steps if s.step.id == step_id)

        def answer(text: str) -> None:
            self.run_worker(
                acting.propose(self.cockpit, run, step_id, reason=text), exit_on_error=False
            )

        self.ask("reason", f"why propose '{safe(title, 60)}'? the commander reads it", answer)

    def action_skip(self) -> None:
        """Ask for the reason, then go on without the step."""
        found = self._step()
        if found is None:
            return
        run, step_id = found

        def answer(text: str) -> None:
            self.run_worker(
                acting.skip(self.cockpit, run, step_id, reason=text), exit_on_error=False
            )

        self.ask("reason", "why skip it? it goes into the record", answer)

    def action_stop(self) -> None:
        """Stop waiting for the running step."""
        if not self.cockpit.running.stop():
            self.cockpit.say("No step is running")

    def action_output(self) -> None:
        """Read the output of the selected step."""
        row = self.query_one(RunbookPane).chosen
        outcome = None
        if isinstance(row, runbook.StepRow) and row.state is not None:
            outcome = row.state.outcome
        if outcome is None:
            self.cockpit.say("The selected step has no output yet")
            return
        ended = outcome
        self.cockpit.read(line("Output"), lambda width: runbook.outcome_lines(ended, width))


def _next_step(run: RunPort) -> str:
    """The step that is next, else the first that is open; empty when all are done."""
    states = run.steps
    for wanted in ({"next"}, {"failed", "unknown"}, {"waiting", "proposed", "refused"}):
        for state in states:
            if state.status in wanted:
                return state.step.id
    return ""


def _change(change: Change, width: int) -> list[Content]:
    rows = (
        ("at", f"{change.at:%Y-%m-%d} {clock(change.at)} UTC"),
        ("what", change.kind),
        ("target", change.target or "not joined to a target"),
        ("who", change.actor or "unknown"),
        ("change", change.summary),
        ("read from", change.source or "unknown"),
    )
    lines: list[Content] = []
    for label, text in rows:
        lines += wrap(line((label.ljust(11), "dim"), safe(text, 4000)), width, indent=11)
    return [*lines, BLANK]
