"""The runbook for the selected finding: its steps and how far each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from cockpit.triage.board import FindingId, OpenFinding
from screens.port import RunPort
from screens.present import runbook as present
from screens.present.lines import line, safe, wrap
from screens.widgets.panes import set_title
from screens.widgets.rowlist import RowList, RowView

if TYPE_CHECKING:
    from cockpit.runbooks.earlier import DoneBefore
    from cockpit.runbooks.progress import StepState
    from cockpit.runbooks.step import Runbook

VIEW: RowView[present.RunbookRow] = RowView(
    key=present.key,
    draw=present.draw,
    fields=present.fields,
    columns=present.COLUMNS,
    selectable=present.selectable,
    marked=True,
    empty="No runbook is for this finding.",
)


_STOPS = frozenset({"failed", "unknown"})


@dataclass(frozen=True, slots=True)
class AtStep:
    """What the keys of the pane are about: a runbook for a finding, and its steps."""

    finding: FindingId | None
    runbook: str
    chosen: str
    """The step under the cursor."""
    next: str
    """The step that R plans; empty: none is left."""


class RunbookPane(RowList[present.RunbookRow]):
    """Steps with state, risk and verification; the selected one in full."""

    def __init__(self, view: RowView[present.RunbookRow], *, id: str, classes: str) -> None:  # noqa: A002
        super().__init__(view, id=id, classes=classes)
        self._book = ""
        self._finding: FindingId | None = None
        self._next = ""

    @property
    def about(self) -> AtStep:
        """The runbook and its steps."""
        return AtStep(self._finding, self._book, self.step_id, self._next)

    def pin(self, when: float) -> None:
        """The cursor goes on following the run: a key asks what was drawn instead."""

    def refresh_from(
        self,
        runbooks: Sequence[Runbook],
        at: int,
        run: RunPort | None,
        *,
        finding: OpenFinding | None,
        moment: datetime,
        running: Mapping[str, datetime],
        earlier: DoneBefore | None = None,
    ) -> None:
        """Draw the runbook at place `at` of those for the finding."""
        self._stand_at(runbooks, at, run, finding=finding)
        if self.has_class("-other"):
            self._note_about()  # R goes on while another pane has the room
            return
        if not runbooks:
            self.set_head([])
            self.show((), moment)
            set_title(self, line("Runbook"))
            return
        runbook = runbooks[at % len(runbooks)]
        states = run.steps if run is not None else ()
        code = finding.finding.code if finding is not None else ""
        width = max(10, self.columns)
        head = [
            *wrap(line((safe(runbook.title), "strong")), width),
            line((f"for {safe(code, 60)}", "dim")),
        ]
        others = [safe(each.id) for each in runbooks if each.id != runbook.id]
        if others:
            head += wrap(line((f"also (b): {', '.join(others)}", "dim")), width)[:2]
        told = wrap(present.earlier_line(earlier), width) if earlier is not None else []
        if any(state.before for state in states):
            told = wrap(present.taken_up_line(), width)
        self.set_head([*head, *told, line("")] if self.size.height > 9 else [*head[:1], *told[:1]])
        self._follow(run)
        self.show(
            present.rows(
                runbook, states, expanded=self.step_id, width=width, running_since=running
            ),
            moment,
        )
        how_far = present.progress(states, len(runbook.steps))
        set_title(self, line("Runbook ", (how_far, "dim")))

    def _stand_at(
        self,
        runbooks: Sequence[Runbook],
        at: int,
        run: RunPort | None,
        *,
        finding: OpenFinding | None,
    ) -> None:
        self._finding = finding.id if finding is not None else None
        self._book, self._next = "", ""
        if runbooks:
            runbook = runbooks[at % len(runbooks)]
            self._book = runbook.id
            self._next = next_step(run.steps) if run is not None else runbook.steps[0].id

    def _follow(self, run: RunPort | None) -> None:
        """Until the person moves, the cursor is on the step that everything waits for."""
        self.home = waits_at(run.steps) if run is not None else None

    def _into_view(self) -> None:
        """As every list; with the lines under the step, which say how it ended."""
        super()._into_view()
        last = self._cursor
        while last + 1 < len(self.shown) and isinstance(self.shown[last + 1], present.Detail):
            last += 1
        top = min(self._cursor, last + 1 - max(1, self.lines_shown))
        if top > self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True)

    def passed(self, when: float, step_id: str, *, chosen: bool) -> bool:
        """Whether a key of that moment was about another step: this one has come meanwhile."""
        drawn, now = self.drawn_at(when), self.about
        if not isinstance(drawn, AtStep) or (drawn.finding, drawn.runbook) != (
            now.finding,
            now.runbook,
        ):
            return False
        return step_id != (drawn.chosen if chosen else drawn.next)

    @property
    def step_id(self) -> str:
        """The id of the selected step; empty without one."""
        row = self.chosen
        return row.step.id if isinstance(row, present.StepRow) else ""


def waits_at(states: Sequence[StepState]) -> str | None:
    """The step that runs, else the one that stopped the runbook, is next or was refused."""
    ranked = (
        (s.step.id for s in states if s.status == "running"),
        (s.step.id for s in states if not s.passed and (s.worse or s.status in _STOPS)),
        (s.step.id for s in states if s.status == "next"),
        (s.step.id for s in states if s.status in {"refused", "proposed"}),
    )
    return next(chain(*ranked), None)


def next_step(states: Sequence[StepState]) -> str:
    """The step that is next, else the first that is open; empty when all are done."""
    for wanted in ({"next"}, _STOPS, {"waiting", "proposed", "refused"}):
        for state in states:
            if state.status in wanted:
                return state.step.id
    return ""
