"""The runbook for the selected finding: its steps and how far each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from screens.port import RunPort
from screens.present import runbook as present
from screens.present.lines import line, safe, wrap
from screens.widgets.panes import set_title
from screens.widgets.rowlist import RowList, RowView

if TYPE_CHECKING:
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


class RunbookPane(RowList[present.RunbookRow]):
    """Steps with state, risk and verification; the selected one in full."""

    def refresh_from(
        self,
        runbooks: Sequence[Runbook],
        at: int,
        run: RunPort | None,
        *,
        code: str,
        moment: datetime,
        running: Mapping[str, datetime],
    ) -> None:
        """Draw the runbook at place `at` of those for the finding with this code."""
        if not runbooks:
            self.set_head([])
            self.show((), moment)
            set_title(self, line("Runbook"))
            return
        runbook = runbooks[at % len(runbooks)]
        states = run.steps if run is not None else ()
        width = max(10, self.columns)
        head = [
            *wrap(line((safe(runbook.title), "strong")), width),
            line((f"for {safe(code, 60)}", "dim")),
        ]
        others = [safe(each.id) for each in runbooks if each.id != runbook.id]
        if others:
            head += wrap(line((f"also (b): {', '.join(others)}", "dim")), width)[:2]
        self.set_head([*head, line("")] if self.size.height > 9 else head[:1])
        self._follow(run)
        self.show(
            present.rows(
                runbook, states, expanded=self.step_id, width=width, running_since=running
            ),
            moment,
        )
        told = present.progress(states, len(runbook.steps))
        set_title(self, line("Runbook ", (told, "dim")))

    def _follow(self, run: RunPort | None) -> None:
        """Until the person moves, the cursor is on the step that is next."""
        states = run.steps if run is not None else ()
        now = (s.step.id for s in states if s.status in {"running", "next", "failed", "unknown"})
        self.home = next(now, None)

    @property
    def step_id(self) -> str:
        """The id of the selected step; empty without one."""
        row = self.chosen
        return row.step.id if isinstance(row, present.StepRow) else ""
