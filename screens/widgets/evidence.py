"""Why the selected finding is believed."""

from __future__ import annotations

from cockpit.triage.board import OpenFinding
from screens.present.evidence import evidence
from screens.present.findings import FindingRow
from screens.present.lines import line, safe
from screens.shown import Shown
from screens.widgets.lineview import Paper
from screens.widgets.panes import set_title

_ROOMY = 12
"""Lines from which on blank ones are affordable."""


class EvidencePane(Paper):
    """Numbers, limits, a sparkline, rows, causes, the next thing to do."""

    def refresh_from(self, shown: Shown, row: FindingRow | None) -> None:
        """Draw this moment for a row of the findings."""
        told = evidence(
            row,
            shown.board,
            shown.moment,
            width=max(10, self.columns),
            role=shown.status.role,
            runbook=shown.best(row) if isinstance(row, OpenFinding) else "",
            dense=self.size.height < _ROOMY,
        )
        self.show(told)
        name = safe(row.target, 40) if row is not None else ""
        extra = ""
        if isinstance(row, OpenFinding) and row.finding.subject:
            extra = f" · {safe(row.finding.subject, 30)}"
        set_title(self, line("Evidence", (f" · {name}{extra}" if name else "", "dim")))
