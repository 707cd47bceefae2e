"""What is wrong, what could not be looked at and what has recovered, as rows of one list."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from textual.content import Content

from cockpit.triage.blindness import Cause, cause
from cockpit.triage.board import Board, LookId, OpenFinding
from cockpit.triage.by_target import PerTarget
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Blind, Reading
from cockpit.triage.registry import short
from cockpit.triage.suspects import Suspect
from cockpit.triage.suspicion.certainty import Certainty
from cockpit.units import count, duration
from screens.present.lines import GLYPHS, ago, fit, line, middle, safe, since
from screens.shown import Shown

COLUMNS = frozenset({"severity", "target", "kind", "code", "probe", "text", "subject", "runbook"})
_RECOVERED_FOR = 1800
"""Seconds that a recovery stays in the list."""
_NARROW = 44
"""Below so many cells the kind gives way to the sentence."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What could not be looked at: one row a cause, with all its targets and probes."""

    target: str
    """The first of them."""
    kind: str
    reason: str
    readings: tuple[Reading, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(dict.fromkeys(reading.target for reading in self.readings))

    @property
    def at(self) -> datetime:
        """The oldest of the looks that failed."""
        return min(reading.at for reading in self.readings)

    @property
    def blind(self) -> Blind:
        """The first look's outcome: reason, detail and what to type."""
        outcome = self.readings[0].outcome
        assert isinstance(outcome, Blind)
        return outcome


FindingRow = OpenFinding | Unseen


def rows(board: Board, moment: datetime) -> list[FindingRow]:
    """Worst first, then newest; blind ones after the warnings, recoveries last."""
    order = sorted(
        board.open.values(), key=lambda f: (f.finding.severity.rank, f.since), reverse=True
    )
    mild = sum(1 for f in order if f.finding.severity is Severity.INFO)
    cut = len(order) - mild
    recovered = [
        f
        for f in board.cleared
        if f.cleared is not None
        and since(moment, f.cleared) < _RECOVERED_FOR
        and f.id not in board.open
    ]
    return [*order[:cut], *unseen(board), *order[cut:], *_once(recovered)]


def _once(recovered: list[OpenFinding]) -> list[OpenFinding]:
    return list({finding.id: finding for finding in reversed(recovered)}.values())[::-1]


@dataclass(frozen=True, slots=True)
class _Blind:
    """A target with blind looks. `apart`: those that are no finding themselves, by their reason,
    with the cause of each; to work that out of words took half of the screens' time where a
    thousand targets are blind.
    """

    apart: tuple[tuple[Cause, tuple[Reading, ...]], ...]


def _blind(looks: Mapping[LookId, Reading]) -> _Blind | None:
    blind = [(reading, r) for reading in looks.values() if isinstance(r := reading.outcome, Blind)]
    groups: dict[str, list[Reading]] = defaultdict(list)
    for reading, outcome in blind:
        if outcome.finding is None:
            groups[str(outcome.reason)].append(reading)
    apart = tuple((cause(found[0]), tuple(found)) for found in groups.values())
    return _Blind(apart) if blind else None


_BLIND = PerTarget(_blind)


def unseen(board: Board) -> list[Unseen]:
    """Blind readings by target and reason, those of several targets in one row where the cause is
    one. One that is itself a finding is a finding's row.
    """
    joined: dict[Cause, list[Reading]] = defaultdict(list)
    for _, blind in _BLIND.of(board.readings):
        for why, found in blind.apart:
            joined[why] += found
    return [
        Unseen(found[0].target, found[0].kind, why[0], tuple(found))
        for why, found in joined.items()
    ]


@dataclass(frozen=True, slots=True)
class Start:
    """Where the selection starts, until a person presses the first key."""

    key: Hashable
    """The row; None: the first one, which is the worst."""
    why: str
    """What the pane says of it."""
    finding: OpenFinding | None = None
    """The finding, when it is a suspect's own with a runbook; else None."""


def start(shown: Shown, found: Sequence[FindingRow]) -> Start:
    """The first suspect's strongest own finding that has a runbook; else the worst there is."""
    first = next(iter(shown.suspects), None)
    if first is None:
        return Start(None, "no suspect: at the worst")
    if why := _unfit(first):
        return Start(None, f"{why}: at the worst")
    own = [
        row
        for row in found
        if isinstance(row, OpenFinding)
        and row.cleared is None
        and (row.target == first.target or row.id in first.own)
        and shown.best(row)
    ]
    order = {id_: place for place, id_ in enumerate(first.own)}
    best = min(own, key=lambda row: order.get(row.id, len(order)), default=None)
    if best is None:
        return Start(None, "suspect 1 has no finding with a runbook: at the worst")
    return Start(key(best), "at suspect 1", best)


def _unfit(first: Suspect) -> str:
    """Why nobody is led to the first suspect; empty: it is named, and is one target."""
    if not first.target:
        return "suspect 1 is no single target"
    if first.verdict is not Certainty.UNCLEAR:
        return ""
    unseen_ = first.reason.startswith("not examined")
    return "suspect 1 is unseen" if unseen_ else "cannot tell"


def key(row: FindingRow) -> Hashable:
    """The identity of a row from look to look; a finding keeps it when it recovers."""
    return row.id if isinstance(row, OpenFinding) else ("blind", row.target, row.reason)


def state(row: FindingRow) -> str:
    """The tone and glyph name: a severity, `blind` or `cleared`."""
    if isinstance(row, Unseen):
        return "blind"
    return "cleared" if row.cleared is not None else row.finding.severity.value


def text(row: FindingRow, moment: datetime) -> str:
    """The sentence of a row."""
    if isinstance(row, Unseen):
        more = f" ({len(row.readings)} probes)" if len(row.readings) > 1 else ""
        if len(row.targets) > 1:
            more = f" ({count(len(row.targets), 'target')})"
        return f"not examined: {row.reason}{more} · {row.blind.detail[:4000]}"
    if row.cleared is not None:
        lasted = duration((row.cleared - row.since).total_seconds())
        return f"recovered after {lasted}: {row.finding.summary}"
    return row.finding.summary


def fields(row: FindingRow, best: Callable[[OpenFinding], str]) -> Mapping[str, str]:
    """The columns that a filter can name."""
    if isinstance(row, Unseen):
        return {
            "severity": "blind",
            "target": " ".join(row.targets),
            "kind": f"{short(row.kind)} {row.kind}",
            "probe": " ".join(reading.probe for reading in row.readings),
            "text": f"not examined {row.reason} {row.blind.detail}",
        }
    finding = row.finding
    return {
        "severity": "recovered" if row.cleared is not None else finding.severity.value,
        "target": row.target,
        "kind": f"{short(row.kind)} {row.kind}",
        "code": finding.code,
        "probe": row.probe,
        "subject": finding.subject,
        "runbook": best(row),
        "text": finding.summary,
    }


def draw(row: FindingRow, width: int, moment: datetime, *, names: int = 16) -> Content:
    """One row: glyph, age, kind, resource, sentence. `names` is the resource column's width."""
    look = state(row)
    shade = "ok" if look == "cleared" else look
    quiet = "dim" if look in {"cleared", "blind", "info"} else ""
    if isinstance(row, Unseen):
        then = row.at
    else:
        then = row.cleared or row.since
    narrow = width < _NARROW
    kind = " " if narrow else f" {fit(safe(short(row.kind), 40), 5)} "
    name = middle(safe(row.target), names)
    room = width - names - 7 - len(kind)
    return line(
        (f"{GLYPHS[look]} ", shade),
        (fit(ago(moment, then), 4, right=True), "dim"),
        (kind, "dim"),
        (f"{name} ", quiet or "bold"),
        (fit(safe(text(row, moment)), max(0, room)).rstrip(), quiet),
    )


def nothing(looked: int, looks: int) -> str:
    """What an empty list says: that nothing is wrong only once everything was looked at."""
    if not looked:
        return f"Nothing has been looked at yet (0 of {looks} looks)."
    if looked < looks:
        return f"Nothing is wrong in the {looked} of {looks} looks that have ended."
    return "Nothing is wrong in what was looked at."


def heading(width: int, *, names: int = 16) -> Content:
    """The titles of the columns."""
    return line((f"   age {'':5} {fit('resource', names)} finding", "faint"))


def title(found: list[FindingRow], width: int, *, blind: int = 0, once: int = 0) -> Content:
    """`Findings 8 · 3 critical · 1 blind`, as far as it fits; what is blind is always told.

    `blind`: targets whose finding is that they could not be looked at. `once`: what was seen once
    and waits for its second look.
    """
    tally = Counter(map(state, found))
    counted = {**tally, "blind": tally["blind"] + blind}
    last = line(" · ", (f"{counted['blind']} blind", "blind")) if counted["blind"] else line("")
    head: Content = line(f"Findings {len(found) - tally['cleared']}")
    for look in ("critical", "high", "warning", "info", "blind", "cleared"):
        if not counted.get(look):
            continue
        shade = "ok" if look == "cleared" else look
        word = "recovered" if look == "cleared" else look
        longer = line(head, " · ", (f"{counted[look]} {word}", shade))
        if look == "blind":
            last = line("")
        if longer.cell_length + last.cell_length > width:
            break
        head = longer
    more = line(" · ", (f"{once} seen once, looked at again soon", "warning"))
    if once and head.cell_length + last.cell_length + more.cell_length <= width:
        last = line(last, more)
    return line(head, last)


def seen_once(board: Board) -> int:
    """Warnings and worse that wait for their second look."""
    return sum(each.finding.severity > Severity.INFO for each in board.pending.values())


def blind_findings(board: Board) -> int:
    """Targets without a row of their own among the blind, whose finding is that nobody could look:
    `Blind.finding`.
    """
    return sum(not blind.apart for _, blind in _BLIND.of(board.readings))
