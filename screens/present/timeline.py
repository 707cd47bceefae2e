"""What happened, one line an entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from textual.content import Content

from cockpit.incident.entry import EntryKind
from cockpit.incident.timeline import TimelineRow
from cockpit.units import duration
from screens.present.lines import cells, clock, fit, line, safe

COLUMNS = frozenset({"kind", "actor", "text", "seq", "time", "target"})

_TONES = {
    "finding.eased": "warning",
    "finding.cleared": "ok",
    "blind": "blind",
    "sees_again": "ok",
    "change": "high",
    "note": "info",
    "todo": "info bold",
    "milestone": "strong",
    "status": "strong",
    "severity": "strong",
    "opened": "strong",
    "update": "strong",
    "step.intent": "warning",
    "step.outcome": "ok",
    "proposal": "info",
    "approval": "warning",
    "refusal": "high",
    "recovery": "blind",
}
_ENDS = {"failed": "critical", "unknown": "blind", "refused": "high", "skipped": "dim"}
_TURNS = frozenset({EntryKind.BLIND, EntryKind.SEES_AGAIN})
_CROWD = 4
"""Targets that turn alike before they share a line."""
_SEVERITIES = {"critical", "high", "warning", "info"}


def _shade(row: TimelineRow) -> str:
    kind = str(row.kind)
    if kind.startswith("step"):
        return _ENDS.get(row.outcome, _TONES.get(kind, "dim"))
    if kind in {"finding.opened", "finding.worsened"}:
        return row.severity if row.severity in _SEVERITIES else "critical"
    return _TONES.get(kind, "dim")


def folded(rows: Sequence[TimelineRow]) -> list[TimelineRow]:
    """Looks at one target that turn alike in one go as one line, `×5 not examined …`: a lost
    connection is told by every probe, and what caused it stands just before.
    """
    told: list[TimelineRow] = []
    places: dict[tuple[str, str, str], int] = {}
    more: Counter[int] = Counter()
    for row in rows:
        if row.kind not in _TURNS or row.pinned:
            places.clear()
            told.append(row)
            continue
        place = places.setdefault((row.kind, row.target, row.text), len(told))
        if place == len(told):
            told.append(row)
        else:
            more[place] += 1
    for place, others in more.items():
        told[place] = replace(told[place], text=f"×{others + 1} {told[place].text}")
    return _crowds(told)


def _crowds(rows: Sequence[TimelineRow]) -> list[TimelineRow]:
    """Many targets that turn alike in one go as one line that names them all: of a region that
    answers nothing no more is known than that, and it may have hundreds.
    """
    told: list[TimelineRow] = []
    for (kind, text), alike in groupby(rows, key=lambda row: (row.kind, row.text)):
        several = list(alike)
        if kind not in _TURNS or len(several) < _CROWD or any(row.pinned for row in several):
            told += several
            continue
        others = ", ".join(row.target for row in several[1:])
        told.append(replace(several[0], text=f"{len(several)} targets: {text} · also {others}"))
    return told


class Folding:
    """`folded` again and again of rows that grow at their end, at the cost of what is new."""

    def __init__(self) -> None:
        self._rows: Sequence[TimelineRow] = ()
        self._told: list[TimelineRow] = []
        self._at = self._told_at = 0
        """Where the last line that no other joins stands, in the rows and in what they became."""

    def of(self, rows: Sequence[TimelineRow]) -> list[TimelineRow]:
        """The lines of these rows; worked out once for the same rows."""
        if rows is self._rows:
            return self._told
        at = self._at
        if at < len(self._rows) and at < len(rows) and rows[at] is self._rows[at]:
            self._told = self._told[: self._told_at] + folded(rows[at:])
        else:
            self._told = folded(rows)
        self._rows = rows
        self._at, self._told_at = _last_alone(rows), _last_alone(self._told)
        return self._told


def _last_alone(rows: Sequence[TimelineRow]) -> int:
    """The place of the last row that neither joins others nor is joined; 0 when there is none."""
    places = range(len(rows) - 1, -1, -1)
    return next((at for at in places if rows[at].kind not in _TURNS), 0)


def key(row: TimelineRow) -> Hashable:
    """The entry's number."""
    return row.seq


def fields(row: TimelineRow) -> Mapping[str, str]:
    """The columns that a filter can name."""
    return {
        "kind": f"{row.word} {row.kind}",
        "actor": row.actor,
        "text": row.text,
        "target": row.target,
        "seq": str(row.seq),
        "time": clock(row.at),
    }


def draw(row: TimelineRow, width: int, moment: datetime) -> Content:
    """`02:49:30 note      alice: support reports checkout only`."""
    who = f"{safe(row.actor, 30)}: " if row.actor and row.actor != "cockpit" else ""
    about = _about(row)
    room = max(0, width - 20 - cells(who) - cells(about))
    return line(
        (f"{clock(row.at)} ", "dim"),
        (fit(safe(row.word), 10) + " ", _shade(row)),
        (who, "bold"),
        (about, "bold"),
        fit(safe(_said(row)), room).rstrip(),
    )


def _said(row: TimelineRow) -> str:
    """The text; first that the clock was set, since the times then do not go up."""
    back = f"(clock set back by {duration(row.clock_back)}) " if row.clock_back else ""
    return f"{back}{row.text}"


def _about(row: TimelineRow) -> str:
    """The target in front of what the machine saw: a finding's sentence does not name it."""
    machine = not row.actor or row.actor == "cockpit"
    named = row.target and row.target not in row.text
    return f"{safe(row.target, 40)}: " if machine and named else ""


def whole(row: TimelineRow) -> str:
    """What `y` copies."""
    who = f"{row.actor}: " if row.actor else ""
    return f"{clock(row.at)} UTC  {row.word}  {who}{_about(row)}{_said(row)}"
