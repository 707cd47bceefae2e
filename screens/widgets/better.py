"""A better runbook turned up while the selection is held: one line says so, a key goes there."""

from __future__ import annotations

from datetime import datetime

from textual.content import Content

from cockpit.triage.board import FindingId, OpenFinding
from screens.present.findings import FindingRow, Start
from screens.present.lines import clip, line, safe, since
from screens.widgets.header import Bar

_LAGS = 180.0
"""Seconds after a recovery in which what is left may only be late: metrics of its symptoms. Nobody
is sent from a repair that worked to another one."""


class BetterBar(Bar):
    """Under the header while the first suspect has a runbook and another finding is selected."""

    named: FindingId | None = None
    """The finding that the line names; None: there is no line."""

    @property
    def about(self) -> FindingId | None:
        """The finding that the key goes to."""
        return self.named

    def refresh_from(
        self, start: Start, chosen: FindingRow | None, runbook: str, *, moment: datetime
    ) -> None:
        """Draw this moment; hidden when what is selected is the suspect's own, since the person
        chose among them, or has just recovered.
        """
        better = start.finding
        if better is not None and isinstance(chosen, OpenFinding):
            own = chosen.target == better.target
            mended = chosen.cleared is not None and since(moment, chosen.cleared) < _LAGS
            better = None if own or mended else better
        self.named = better.id if better is not None else None
        self.set_class(better is not None, "-up")
        self.show([clip(told(better, runbook), self.app.size.width)] if better else [])


def told(better: OpenFinding, runbook: str) -> Content:
    """`SUSPECT 1  PATH_SG_MISSING on payments: runbook path-security-group · B goes there`."""
    return line(
        (" SUSPECT 1 ", "accent bold"),
        (f" {safe(better.finding.code, 60)} on {safe(better.target, 60)}", "strong"),
        f": runbook {safe(runbook, 60)} · ",
        ("B goes there", "accent bold"),
    )
