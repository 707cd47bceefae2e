"""A sweep as a table that a person wants to read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cockpit.check import Report, ordered
from cockpit.redact import MASKER
from cockpit.text import visible
from cockpit.triage.blindness import alike
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.registry import short
from cockpit.triage.suspicion.certainty import Certainty
from cockpit.units import count, duration, quantity

_GLYPHS = {
    Severity.CRITICAL: ("✖", "x"),
    Severity.HIGH: ("✖", "x"),
    Severity.WARNING: ("▲", "!"),
    Severity.INFO: ("•", "i"),
}
_ASCII = str.maketrans({"→": "->", "±": "+-", "−": "-", "…": "...", "·": "|", "×": "x", "≈": "~"})
_COLOURS = {
    Severity.CRITICAL: "\x1b[1;31m",
    Severity.HIGH: "\x1b[31m",
    Severity.WARNING: "\x1b[33m",
    Severity.INFO: "\x1b[36m",
}


@dataclass(frozen=True, slots=True)
class Style:
    """How the table is drawn: colour only where a person looks, width of the terminal."""

    colour: bool = False
    ascii: bool = False
    width: int = 100

    def paint(self, text: str, code: str) -> str:
        """The text in a colour, or as it is."""
        return f"{code}{text}\x1b[0m" if self.colour else text


def to_text(report: Report, style: Style = Style()) -> str:
    """A table for people: what is wrong, what could not be seen, what probably caused it."""
    blocks = (
        [_headline(report, style)],
        _findings_block(report, style),
        _blind_block(report, style),
        _suspects_block(report, style),
        _facts_block(report, style),
        [_footer(report)],
    )
    return "\n\n".join(text for block in blocks if (text := "\n".join(block))) + "\n"


def _headline(report: Report, style: Style) -> str:
    worst = report.worst
    blind = len(report.board.blind())
    words = [count(len(report.board.open), "finding")] if report.board.open else []
    if blind:
        words.append(f"{blind} not examined")
    verdict = ", ".join(words) or "nothing wrong found"
    seen = sum(isinstance(r.outcome, Seen) for r in report.board.readings.values())
    text = f"{report.environment}: {verdict} · {seen} of {len(report.board.readings)} looks worked"
    return style.paint(text, _COLOURS[worst] if worst else "\x1b[1m")


def _findings_block(report: Report, style: Style) -> Iterable[str]:
    found = ordered(report.board)
    if not found:
        return
    name_width = min(28, max(len(f"{_short(f.kind)} {f.target}") for f in found))
    for entry in found:
        finding = entry.finding
        glyph = _GLYPHS[finding.severity][style.ascii]
        name = _cut(f"{_short(entry.kind)} {entry.target}", name_width).ljust(name_width)
        head = f"{glyph} {finding.severity.value:<8} {name}  "
        room = max(30, style.width - len(head))
        yield style.paint(head, _COLOURS[finding.severity]) + _cut(visible(finding.summary), room)
        numbers = " · ".join(
            f"{visible(e.label)} {visible(quantity(e.value, e.unit))}"
            + (f" (limit {quantity(e.limit, e.unit)})" if e.limit is not None else "")
            for e in finding.evidence[:3]
        )
        detail = [finding.code, *([numbers] if numbers else [])]
        if runbook := report.library.best(finding.code, entry.kind):
            detail.append(f"runbook {runbook}")
        yield style.paint(_cut("    " + " · ".join(detail), style.width), "\x1b[2m")
        if finding.next:
            yield _cut(f"    next: {finding.next}", style.width)


def _blind_block(report: Report, style: Style) -> Iterable[str]:
    blind = report.board.blind()
    if blind:
        yield style.paint("not examined, so not known to be healthy", "\x1b[1m")
    groups = alike(blind)
    hints = [_blind(group[0]).hint for group in groups]
    for place, group in enumerate(groups, 1):
        outcome, hint = _blind(group[0]), hints[place - 1]
        names = [*dict.fromkeys(f"{_short(each.kind)} {each.target}" for each in group)]
        who = names[0] if len(names) == 1 else count(len(names), "target")
        times = f" ({len(group)} looks)" if len(group) > len(names) else ""
        head = f"? {outcome.reason.value:<13} {who}  {outcome.detail}"
        yield _cut(head, style.width - len(times)) + times
        if len(names) > 1:
            yield _cut(f"    {', '.join(names)}", style.width)
        if hint and hints[place : place + 1] != [
            hint
        ]:  # once below all that it is for, where a whole place is away
            yield _cut(f"    try: {hint}", style.width)


def _blind(reading: Reading) -> Blind:
    assert isinstance(reading.outcome, Blind)
    return reading.outcome


def _suspects_block(report: Report, style: Style) -> Iterable[str]:
    if not report.suspects:
        return
    told = "prime suspects"
    if report.suspects[0].verdict is Certainty.UNCLEAR:
        told += f": cannot tell ({report.suspects[0].reason})"
    yield style.paint(visible(told), "\x1b[1m")
    for suspect in report.suspects:
        explained, felt = suspect.felt
        explains = f"explains {explained} of {felt} felt" if felt else ""
        head = f"{suspect.rank} {suspect.verdict}  {suspect.name}  {suspect.summary}"
        yield _cut(visible(f"{head}  {explains}".rstrip()), style.width)


def _facts_block(report: Report, style: Style) -> Iterable[str]:
    """What is fine, with its number, several to a line."""
    sick = {f.target for f in report.board.open.values()}
    line = ""
    for reading in report.board.readings.values():
        outcome = reading.outcome
        if isinstance(outcome, Blind) or not outcome.facts or reading.target in sick:
            continue
        fact = visible(f"{_short(reading.kind)} {reading.target} {outcome.facts[0].text}")
        mark = "  " if line else ("ok " if style.ascii else "● ")
        if not line or len(line) + len(fact) + 3 > style.width:
            if line:
                yield line
            line = _cut(mark + fact, style.width)
        else:
            line += f" · {fact}"
    if line:
        yield line


def _footer(report: Report) -> str:
    elsewhere = "".join(
        f"\nnot AWS itself: {name} was asked at {visible(url)} (AWS_ENDPOINT_URL or the profile)"
        for name, url in report.redirected.items()
    )
    spent = report.cost
    calls = f"{count(spent.api_calls, 'API call')}, about ${spent.usd:.4f}"
    throttled = f", {spent.throttled} throttled" if spent.throttled else ""
    looked = f"{count(len(report.targets), 'target')} in {duration(report.took)}"
    return f"{elsewhere}\n{looked} · {calls}{throttled}"


def _short(kind: str) -> str:
    return short(kind)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def folded(line: str, width: int) -> list[str]:
    """The line on as many lines of the terminal as it needs, what goes on indented below it."""
    if len(line) <= width:
        return [line]
    below = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, width, subsequent_indent=below, break_on_hyphens=False)


def printed(lines: Iterable[str], style: Style) -> Iterator[str]:
    """Lines with text from outside as a terminal may have them: masked, harmless, folded."""
    for line in lines:
        shown = visible(MASKER.mask(line), 4_000)
        yield from folded(shown.translate(_ASCII) if style.ascii else shown, style.width)
