"""A better runbook turned up while the selection is held: one line says so, a key goes there."""

from __future__ import annotations

from textual.content import Content

from cockpit.triage.board import FindingId, OpenFinding
from cockpit.units import duration
from screens.present.findings import FindingRow, Start
from screens.present.lines import clip, line, safe, since
from screens.shown import Shown
from screens.widgets.header import Bar

_LAGS = 180.0
"""Seconds after a recovery in which what is left may only be late: metrics of its symptoms. Nobody
is sent from a repair that worked to another one."""


class BetterBar(Bar):
    """Under the header while the first suspect has a runbook and another finding is selected."""

    named: FindingId | None = None
    """The finding that the line names; None: there is no line."""
    instead = ""
    """Why there is no line, in words."""

    @property
    def about(self) -> FindingId | None:
        """The finding that the key goes to."""
        return self.named

    def refresh_from(
        self, start: Start, chosen: FindingRow | None, runbook: str, *, shown: Shown
    ) -> None:
        """Draw this moment; hidden when what is selected is the suspect's own, since the person
        chose among them, or has just recovered and nothing is known to be worse since: a newer
        finding of the same target is.
        """
        better = start.finding
        self.instead = _instead(start, chosen, shown)
        self.named = better.id if better is not None and not self.instead else None
        self.set_class(self.named is not None, "-up")
        up = better is not None and self.named is not None
        self.show([clip(told(better, runbook), self.app.size.width)] if better and up else [])


def _instead(start: Start, chosen: FindingRow | None, shown: Shown) -> str:
    better = start.finding
    if better is None:
        return f"There is no other runbook to go to: {start.why.partition(':')[0]}"
    if not isinstance(chosen, OpenFinding):
        return ""
    if chosen.target == better.target:
        if chosen.cleared is not None and better.since > chosen.since:
            return ""  # it recovered, and something else ails the same target since
        return (
            f"What is selected is suspect 1's own ({safe(better.target, 60)}): stay, or turn with b"
        )
    if chosen.cleared is None or shown.interrupt is not None:
        return ""
    left = _LAGS - since(shown.moment, chosen.cleared)
    if left <= 0:
        return ""
    return (
        f"What is selected has just recovered: {safe(better.finding.code, 60)} on "
        f"{safe(better.target, 60)} may only be late, B goes there in {duration(left)}"
    )


def told(better: OpenFinding, runbook: str) -> Content:
    """`SUSPECT 1  PATH_SG_MISSING on payments: runbook path-security-group · B goes there`."""
    return line(
        (" SUSPECT 1 ", "accent bold"),
        (f" {safe(better.finding.code, 60)} on {safe(better.target, 60)}", "strong"),
        f": runbook {safe(runbook, 60)} · ",
        ("B goes there", "accent bold"),
    )
