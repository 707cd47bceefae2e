"""Why we think so: numbers with limits, the rows behind them, causes, what to do next."""

from __future__ import annotations

from datetime import datetime

from textual.content import Content

from cockpit.connect.role import Role
from cockpit.triage.board import Board, LookId, OpenFinding
from cockpit.triage.finding import Evidence, Finding
from cockpit.triage.probe import Seen
from cockpit.triage.view import Row
from cockpit.units import count, duration, quantity
from screens.present.findings import FindingRow, Unseen
from screens.present.lines import (
    BLANK,
    Part,
    ago,
    clock,
    joined,
    line,
    safe,
    short_clock,
    spark,
    tone,
    wrap,
)

_ROWS = 4
"""Rows of the first table that are quoted."""
_SPARK = 24


def evidence(
    row: FindingRow | None,
    board: Board,
    moment: datetime,
    *,
    width: int,
    role: Role,
    runbook: str = "",
    dense: bool = False,
) -> list[Content]:
    """The lines for one row of the findings, wrapped to `width`; `dense` has no blank ones.

    `runbook`: the id of the one that is offered first; empty: none.
    """
    if dense:
        told = evidence(row, board, moment, width=width, role=role, runbook=runbook)
        return [each for each in told if each.plain]
    if row is None:
        return [
            line(("Nothing is selected: nothing is wrong, or nothing was looked at yet.", "dim"))
        ]
    if isinstance(row, Unseen):
        return _unseen(row, moment, width)
    told = _finding(row, board, moment, width=width)
    return told + _next(row.finding, role, runbook, width)


def _finding(row: OpenFinding, board: Board, moment: datetime, *, width: int) -> list[Content]:
    finding = row.finding
    shade = finding.severity.value
    head: list[Part] = [(safe(finding.code, 80), f"{shade} bold"), (f"  {shade}", shade)]
    if row.cleared is not None:
        head.append((f"  recovered {ago(moment, row.cleared)} ago", "ok"))
    head.append((f"  seen {count(row.looks, 'time')} since {short_clock(row.since)}", "dim"))
    head.append((f" · sampled {ago(moment, row.seen)} ago", "dim"))
    lines = wrap(line(*head), width, indent=2)
    told = finding.subject and finding.subject not in finding.summary
    where = f"{row.target}  {finding.subject}" if told else row.target
    lines += wrap(line((safe(where), "strong"), "  ", safe(finding.summary)), width, indent=2)
    lines += _numbers(finding, width)
    lines += _behind(row, board, width)
    return lines + _reasons(finding, width)


def _numbers(finding: Finding, width: int) -> list[Content]:
    """Judged or plotted numbers a line each, the others together."""
    own = [item for item in finding.evidence if item.limit is not None or item.history]
    rest = [item for item in finding.evidence if item not in own]
    lines = [BLANK] if finding.evidence else []
    for item in own:
        lines += wrap(_number(item, finding, width), width, indent=2)
    if rest:
        told = joined(line((f"{safe(i.label)} ", "dim"), _value(i)) for i in rest)
        lines += wrap(told, width)
    return lines


def _value(item: Evidence) -> str:
    return safe(quantity(item.value, item.unit))


def _number(item: Evidence, finding: Finding, width: int) -> Content:
    shade = finding.severity.value
    parts: list[Part] = [(f"{safe(item.label)} ", "dim"), (_value(item), "strong")]
    if item.limit is not None:
        parts.append((f"  limit {safe(quantity(item.limit, item.unit))}", "dim"))
    told = line(*parts)
    bars = spark(item.history, min(_SPARK, max(0, width - told.cell_length - 3)))
    if len(bars) < 2:
        return told
    label = f" last {count(len(bars), 'look')}"
    if told.cell_length + 2 + len(bars) + len(label) > width:
        label = ""
    return line(told, "  ", (bars, shade), (label, "faint"))


def _behind(row: OpenFinding, board: Board, width: int) -> list[Content]:
    """A few rows of the table that the finding stands on."""
    reading = board.readings.get(LookId(row.target, row.probe))
    if reading is None or not isinstance(reading.outcome, Seen) or not reading.outcome.tables:
        return []
    table = reading.outcome.tables[0]
    marked = [r for r in table.rows if r.severity is not None] or list(table.rows)
    if not marked:
        return []
    lines = [BLANK] + [_quoted(r, width) for r in marked[:_ROWS]]
    left = len(table.rows) - min(len(marked), _ROWS)
    if left > 0:
        lines.append(
            line((f"  {count(left, 'more row')} · enter shows {safe(table.title)}", "dim"))
        )
    return lines


def _quoted(row: Row, width: int) -> Content:
    stem = "  " * (row.depth - 1) + "└ " if row.depth else ""
    first, *rest = [safe(cell) for cell in row.cells if cell] or [""]
    shade = tone(row.severity) if row.severity else "bold"
    told = line((stem, "faint"), (first, shade), "  ", ("  ".join(rest), "dim" if row.dim else ""))
    return told.truncate(max(0, width), ellipsis=True)


def _reasons(finding: Finding, width: int) -> list[Content]:
    lines: list[Content] = []
    if finding.likely or finding.against:
        lines.append(BLANK)
    for label, texts in (("likely", finding.likely), ("against", finding.against)):
        for place, text in enumerate(texts):
            word = label if place == 0 else ""
            lines += wrap(line((word.ljust(9), "bold"), safe(text)), width, indent=9)
    return lines


def _next(finding: Finding, role: Role, runbook: str, width: int) -> list[Content]:
    lines: list[Content] = []
    if finding.next:
        lines += wrap(line(("next".ljust(9), "bold"), safe(finding.next)), width, indent=9)
    if runbook:
        hint = "R runs the next step" if role is Role.COMMANDER else "p proposes a step"
        told = line(("runbook".ljust(9), "bold"), safe(runbook), (f"  ({hint})", "dim"))
        lines += wrap(told, width, indent=9)
    return lines


def _unseen(row: Unseen, moment: datetime, width: int) -> list[Content]:
    blind = row.blind
    lines = wrap(
        line(
            ("NOT EXAMINED", "blind bold"),
            (f"  {safe(row.reason, 40)}", "blind"),
            (f"  for {ago(moment, row.at)}", "dim"),
        ),
        width,
    )
    names = ", ".join(safe(name) for name in row.targets)
    lines += wrap(line((names, "strong"), "  ", safe(blind.detail, 2000)), width)
    if blind.hint:
        lines += [
            BLANK,
            *wrap(line(("type", "bold"), "     ", safe(blind.hint, 2000)), width, indent=9),
        ]
    lines.append(BLANK)
    for reading in row.readings:
        whose = f"{safe(reading.target, 40)} " if len(row.targets) > 1 else ""
        lines.append(
            line(
                (f"{whose}{safe(reading.probe, 60)}  ", "dim"),
                f"looked at {clock(reading.at)}, gave up after {duration(reading.took)}",
            ).truncate(max(0, width), ellipsis=True)
        )
    told = "This says nothing about its health: it may be fine, or the cause."
    return [*lines, BLANK, *wrap(line((told, "dim")), width)]


def as_text(
    row: FindingRow | None, board: Board, moment: datetime, role: Role, *, runbook: str = ""
) -> str:
    """What `y` copies of a finding: the evidence as plain text, 100 columns."""
    if row is None:
        return ""
    told = evidence(row, board, moment, width=100, role=role, runbook=runbook)
    return "\n".join(content.plain.rstrip() for content in told)
