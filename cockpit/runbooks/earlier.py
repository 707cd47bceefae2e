"""What the record has of steps that were done before this cockpit was opened: a run begins anew,
and what an earlier session captured is of another moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.ledger import UNDO


@dataclass(frozen=True, slots=True)
class DoneBefore:
    """Steps of one runbook that were done or skipped, whatever finding it was followed for."""

    steps: int
    last: datetime


def done_before(entries: Iterable[Entry]) -> Mapping[str, DoneBefore]:
    """By the runbook's id, from the entries of earlier sessions; a step that was undone is none."""
    done: dict[str, dict[str, datetime]] = {}
    for entry in entries:
        book, step = str(entry.data.get("runbook", "")), str(entry.data.get("step", ""))
        if entry.kind is not EntryKind.STEP_OUTCOME or not book or not step:
            continue
        steps = done.setdefault(book, {})
        ended = entry.data.get("outcome") in {"ok", "skipped"}
        if step.startswith(UNDO):
            if ended:
                steps.pop(step.removeprefix(UNDO), None)
        elif ended:
            steps[step] = entry.at
        else:
            steps.pop(step, None)
    return {
        book: DoneBefore(len(steps), max(steps.values())) for book, steps in done.items() if steps
    }
