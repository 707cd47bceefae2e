"""The main screen: what is wrong, why, what to do, what happened."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from cockpit.incident.said import GUILTY, INNOCENT
from cockpit.incident.timeline import TimelineRow
from cockpit.triage.board import FindingId, OpenFinding
from cockpit.triage.changes import Change
from cockpit.triage.suspects import Suspect
from screens import suspecting, unfinished
from screens.bindings import Where
from screens.panes import PanesScreen
from screens.port import DeskPort
from screens.present import evidence, reasoning, systems
from screens.present.header import banner, header
from screens.present.lines import line, safe, wrap
from screens.present.recovery import recovery_line
from screens.present.timeline import whole
from screens.shown import Shown
from screens.steps import Steps
from screens.widgets.better import BetterBar
from screens.widgets.evidence import EvidencePane
from screens.widgets.findings import Findings
from screens.widgets.header import Bar, Header
from screens.widgets.interrupt import InterruptBar
from screens.widgets.rowlist import RowList
from screens.widgets.suspects import Suspects
from screens.widgets.systems import Systems
from screens.widgets.timeline import Timeline
from screens.widgets.unfinished import UnfinishedBar

_TOLD = 4_000
"""The most characters of one paragraph: what a probe needs is a long list."""

_NOT_HERE = "That is said about a suspect: 1 goes to them"
_ANOTHER = "No suspect is selected: ↓ chooses one of those that stand there now"


class MainScreen(PanesScreen, part=Where.MAIN):
    """What the panes show, and what opens from them."""

    def __init__(self) -> None:
        super().__init__()
        self._steps = Steps(self, lambda: self.finding)

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
        live = self.host.live or shown
        top = replace(live, frozen=shown.frozen)
        bar.show(header(top, bar.columns, rows=1 if self.layout_class == "-tiny" else 2))
        self.query_one(UnfinishedBar).refresh_from(top)
        self.query_one(InterruptBar).refresh_from(top)
        clocks = self.query_one("#recovery", Bar)
        clocks.set_class(top.recovery is not None, "-up")
        if top.recovery is not None:
            clocks.show([recovery_line(top.recovery, top.moment, self.app.size.width)])
        strip = self.query_one("#banner", Bar)
        told = banner(top, _recorded_since(shown, live), self.app.size.width)
        strip.set_class(told is not None, "-up")
        if told is not None:
            strip.show([told])

    def _draw_selected(self, shown: Shown) -> None:
        findings = self.query_one(Findings)
        row, start = findings.chosen, findings.start
        better = shown.best(start.finding) if start.finding else ""
        self.query_one(BetterBar).refresh_from(start, row, better, shown=shown)
        pane = self.query_one(EvidencePane)
        if not pane.has_class("-other"):
            pane.refresh_from(shown, row)
        self._steps.draw(shown)

    # -- what is selected ----------------------------------------------------------------------

    @property
    def finding(self) -> OpenFinding | None:
        """The selected finding; None for a blind row and an empty list."""
        row = self.query_one(Findings).chosen
        return row if isinstance(row, OpenFinding) else None

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Another row is selected: what depends on it is drawn."""
        message.stop()
        shown = self.host.shown
        if shown is None:
            return
        if message.rows.id == "findings":
            self._draw_selected(shown)
        elif message.rows.id == "runbook":
            self._steps.draw(shown)

    def on_row_list_opened(self, message: RowList.Opened) -> None:
        """A double click opens."""
        message.stop()
        self.action_open()

    def copied(self) -> str:
        """What is selected in the focused pane, as plain text."""
        shown = self.host.shown
        pane, name = self.pane, self.pane_name
        if shown is None or not isinstance(pane, RowList | EvidencePane):
            return ""
        if name in {"findings", "evidence"}:
            row = self.query_one(Findings).chosen
            best = shown.best(row) if isinstance(row, OpenFinding) else ""
            role = shown.status.role
            return evidence.as_text(row, shown.board, shown.moment, role, runbook=best)
        if isinstance(pane, Suspects):
            read = pane.to_read
            return reasoning.sentences(read, shown) if read or not shown.suspects else ""
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
            self._open_suspect(self.query_one(Suspects).to_read)
        else:
            row = self.query_one(Findings).chosen
            if isinstance(row, OpenFinding):
                self.host.open_target(row.target, row.probe)
            elif row is not None:
                self.host.open_target(row.target)

    def action_timeline(self) -> None:
        """The whole timeline."""
        self._open_timeline(None)

    def action_changes(self) -> None:
        """What changed, against the symptoms."""
        from screens.changes import ChangesScreen

        self.app.push_screen(ChangesScreen())

    def action_logs(self) -> None:
        """The lines of what is selected."""
        from screens.logs import LogsScreen

        target = self._selected_target()
        if target:
            self.app.push_screen(LogsScreen(target))
        else:
            self.host.say("Select a finding or a system: its logs are read")

    def _selected_target(self) -> str:
        """The target of the focused pane's row; of other panes that of the selected finding."""
        name = self.pane_name
        system, suspect = self.query_one(Systems).chosen, self.query_one(Suspects).chosen
        if name == "systems" and isinstance(system, systems.System):
            return system.target.name
        if name == "suspects" and suspect is not None:
            return suspect.target
        row = self.query_one(Findings).chosen
        return row.target if row is not None else ""

    def _open_timeline(self, row: TimelineRow | None) -> None:
        from screens.timeline import TimelineScreen

        self.app.push_screen(TimelineScreen(row.seq if row is not None else None))

    def _open_system(self, row: systems.SystemRow | None) -> None:
        if isinstance(row, systems.System):
            self.host.open_target(row.target.name)
        elif isinstance(row, Change):
            self.host.read(line("Change"), lambda width: systems.change_lines(row, width))

    def _open_suspect(self, row: Suspect | None) -> None:
        shown = self.host.shown
        if shown is None:
            return
        if row is None and shown.suspects:
            self.host.say(_ANOTHER)
            return
        self.host.read(
            line("Why suspected"),
            lambda width: reasoning.reasoning(row, shown, width),
            copied=reasoning.sentences(row, shown),
        )

    def action_not_this(self) -> None:
        """The selected suspect did not begin it."""
        self._say_of(INNOCENT)

    def action_this_is_it(self) -> None:
        """The selected suspect began it."""
        self._say_of(GUILTY)

    def _say_of(self, word: str) -> None:
        name = self.query_one(Suspects).named_at(self.host.presses.at)
        if self.pane_name != "suspects":
            self.host.say(_NOT_HERE)
        elif not name:
            self.host.say(_ANOTHER)
        else:
            self.run_worker(suspecting.say_of(self, name, word), exit_on_error=False)

    def action_open_again(self) -> None:
        """Take back what was said about a suspect."""
        if self.pane_name != "suspects":
            self.host.say(_NOT_HERE)
            return
        name = self.query_one(Suspects).named_at(self.host.presses.at)
        self.run_worker(suspecting.take_back(self, name), exit_on_error=False)

    def action_look(self) -> None:
        """Look at everything again."""
        self.host.look_now()

    def action_explain(self) -> None:
        """What the selected finding means."""
        finding, desk = self.finding, self.host.desk
        if finding is None or desk is None:
            self.host.say("No finding is selected")
            return
        self.run_worker(self._explain(desk, finding.finding.code), exit_on_error=False)

    async def _explain(self, desk: DeskPort, code: str) -> None:
        told = await asyncio.to_thread(desk.explain, code)
        self.host.read(
            line("Explain ", safe(code, 80)),
            lambda width: [part for text in told for part in wrap(line(safe(text, _TOLD)), width)],
        )

    def action_another(self) -> None:
        """The next runbook that is for the finding."""
        if self._steps.turn():
            self._draw_again()

    def action_places(self) -> None:
        """Systems by account and region, and back by service."""
        systems = self.query_one(Systems)
        systems.by_place = not systems.by_place
        self._draw_again()

    def action_better(self) -> None:
        """Go to the first suspect's own finding, which has a runbook."""
        bar = self.query_one(BetterBar)
        named = bar.drawn_at(self.host.presses.at)
        if not isinstance(named, FindingId):
            came = "The line with B has come since that key was pressed: press it again"
            self.host.say(bar.instead or came)
            return
        findings = self.query_one(Findings)
        if not findings.choose(named):
            findings.set_filter("")
            findings.choose(named)
        self._draw_again()

    def action_unfinished(self) -> None:
        """Find out what became of a step that was cut off."""
        self.run_worker(unfinished.settle(self), exit_on_error=False)

    def action_code(self) -> None:
        """Type the code that a profile's role wants."""
        from screens.code import CodeScreen

        desk = self.host.desk
        wanted = desk.codes_wanted if desk is not None else ()
        if desk is None or not wanted:
            self.host.say("No MFA code is wanted")
            return
        self.app.push_screen(CodeScreen(wanted[0], desk.give_code))

    def action_status(self) -> None:
        """Set status or severity."""
        from screens.conduct import set_status

        self.run_worker(set_status(self), exit_on_error=False)

    # -- steps ---------------------------------------------------------------------------------

    def action_run_step(self) -> None:
        """Plan, confirm, run."""
        self._steps.carry_out()

    def action_take_back(self) -> None:
        """Plan the undo of the interrupted step that the line named when the key was pressed."""
        drawn = self.query_one(InterruptBar).drawn_at(self.host.presses.at)
        self._steps.take_back(drawn)

    def action_propose(self) -> None:
        """In triage: ask for the reason, then put the step before a commander."""
        self._steps.propose()

    def action_skip(self) -> None:
        """Ask for the reason, then go on without the step."""
        self._steps.skip()

    def action_stop(self) -> None:
        """Stop waiting for the running step."""
        if not self.host.running.stop():
            self.host.say("No step is running")

    def action_output(self) -> None:
        """Read the output of the selected step."""
        self._steps.read_output()


def _recorded_since(shown: Shown, live: Shown) -> int:
    """Lines that the frozen moment does not have. Not the difference: old ones are left out."""
    if shown is live:
        return 0
    newest = max((row.seq for row in shown.entries), default=0)
    return sum(row.seq > newest for row in live.entries)
