"""The journal as a person reads it: a fold into rows (pure).

The journal stays as it is. Corrections and pins are entries of their own which change how an
earlier entry is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from cockpit.incident.entry import REDACTED, Entry, EntryKind, moment, names


class EntryGroup(StrEnum):
    """What a filter chooses by."""

    STORY = "story"
    PEOPLE = "people"
    FINDINGS = "findings"
    STEPS = "steps"
    CHANGES = "changes"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Appearance:
    """How a kind is shown: one glyph, one word, and the group that it is filtered by."""

    glyph: str
    word: str
    group: EntryGroup


LOOKS: Mapping[EntryKind, Appearance] = MappingProxyType(
    {
        EntryKind.OPENED: Appearance("◆", "opened", EntryGroup.STORY),
        EntryKind.RESUMED: Appearance("·", "resumed", EntryGroup.SYSTEM),
        EntryKind.SEVERITY: Appearance("◆", "severity", EntryGroup.STORY),
        EntryKind.STATUS: Appearance("◆", "status", EntryGroup.STORY),
        EntryKind.ROLE: Appearance("◆", "role", EntryGroup.PEOPLE),
        EntryKind.MILESTONE: Appearance("◆", "milestone", EntryGroup.STORY),
        EntryKind.FINDING_OPENED: Appearance("✖", "finding", EntryGroup.FINDINGS),
        EntryKind.FINDING_WORSENED: Appearance("▲", "worse", EntryGroup.FINDINGS),
        EntryKind.FINDING_EASED: Appearance("▽", "better", EntryGroup.FINDINGS),
        EntryKind.FINDING_CLEARED: Appearance("✔", "cleared", EntryGroup.FINDINGS),
        EntryKind.BLIND: Appearance("?", "blind", EntryGroup.FINDINGS),
        EntryKind.SEES_AGAIN: Appearance("●", "sees again", EntryGroup.FINDINGS),
        EntryKind.CHANGE: Appearance("Δ", "change", EntryGroup.CHANGES),
        EntryKind.SUSPECT: Appearance("!", "suspect", EntryGroup.FINDINGS),
        EntryKind.NOTE: Appearance("✎", "note", EntryGroup.PEOPLE),
        EntryKind.TODO: Appearance("□", "to do", EntryGroup.PEOPLE),
        EntryKind.PIN: Appearance("★", "pin", EntryGroup.SYSTEM),
        EntryKind.CORRECTION: Appearance("✎", "correction", EntryGroup.SYSTEM),
        EntryKind.STEP_PREDICTION: Appearance("◇", "predicts", EntryGroup.STEPS),
        EntryKind.STEP_INTENT: Appearance("▶", "step", EntryGroup.STEPS),
        EntryKind.STEP_OUTPUT: Appearance("·", "output", EntryGroup.SYSTEM),
        EntryKind.STEP_INTERRUPT: Appearance("!", "interrupt", EntryGroup.STEPS),
        EntryKind.STEP_SETTLEMENT: Appearance("◈", "settled", EntryGroup.STEPS),
        EntryKind.STEP_OUTCOME: Appearance("■", "outcome", EntryGroup.STEPS),
        EntryKind.PROPOSAL: Appearance("▷", "proposal", EntryGroup.STEPS),
        EntryKind.APPROVAL: Appearance("✔", "approval", EntryGroup.STEPS),
        EntryKind.REFUSAL: Appearance("⊘", "refusal", EntryGroup.STEPS),
        EntryKind.UPDATE: Appearance("◆", "update", EntryGroup.STORY),
        EntryKind.REDACTION: Appearance("▒", "redaction", EntryGroup.SYSTEM),
        EntryKind.SWEEP: Appearance("·", "sweep", EntryGroup.SYSTEM),
        EntryKind.RECOVERY: Appearance("!", "recovery", EntryGroup.SYSTEM),
        EntryKind.OBJECTIVE: Appearance("◆", "objective", EntryGroup.SYSTEM),
        EntryKind.CLOSED: Appearance("◆", "closed", EntryGroup.STORY),
    }
)

LATE = timedelta(seconds=5)
"""What was written later than this after it happened is marked."""

STEP = timedelta(seconds=1)
"""A clock that goes back by more was set, which is marked; the order follows the writing anyway."""

_NEVER = datetime.min.replace(tzinfo=UTC)

MACHINE = "cockpit"
"""Who is named for what the machine saw by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineRow:
    """One line of the timeline.

    `at` is when it happened, which may be before it was written (`late`). `text` is the newest
    correction when there is one; `original` then is what was first said, else empty.
    """

    seq: int
    at: datetime
    kind: EntryKind
    glyph: str
    word: str
    text: str
    actor: str
    role: str
    target: str
    group: EntryGroup
    severity: str = ""
    """The severity of a finding (`critical` …); empty for what has none."""
    pinned: bool = False
    late: bool = False
    clock_back: float = 0.0
    """Seconds by which the clock had been set back since the line before; 0 when it was not."""
    placed: datetime = field(default=_NEVER, repr=False)
    """Where it stands in the order: `at`, but never before what was written earlier."""
    original: str = ""
    redacted: int = 0
    """The entry that took the text out; 0 when it is there."""
    outcome: str = ""
    """For a step's intent: how it ended; `unknown` without an outcome. Else empty."""

    @property
    def corrected(self) -> bool:
        """True when the text is not what was first said."""
        return bool(self.original)


QUIET = frozenset(
    {
        EntryKind.PIN,
        EntryKind.CORRECTION,
        EntryKind.STEP_PREDICTION,
        EntryKind.STEP_OUTPUT,
        EntryKind.SWEEP,
        EntryKind.RESUMED,
    }
)
"""What the timeline leaves out unless everything is asked for: it shows in other rows."""


def timeline(
    entries: Iterable[Entry],
    *,
    kinds: Iterable[EntryKind] = (),
    groups: Iterable[EntryGroup] = (),
    pinned: bool = False,
    everything: bool = False,
) -> tuple[TimelineRow, ...]:
    """The rows in the order in which things happened; ties in the order of writing.

    Where the clock was set back the order of writing counts, or an outcome would stand above its
    intent. `kinds` and `groups`: only these (either suffices); none given: all but the quiet ones.
    `pinned`: only what a person pinned. `everything`: the quiet ones too.
    """
    wanted = _Filter(frozenset(kinds), frozenset(groups), pinned=pinned, everything=everything)
    rows = filter(wanted.takes, _rows(list(entries), _Clock()))
    return tuple(sorted(rows, key=_order))


def _order(row: TimelineRow) -> tuple[datetime, int]:
    return row.placed, row.seq


def _rows(stored: list[Entry], clock: _Clock) -> list[TimelineRow]:
    shown = _Shown(
        corrections=_corrections(stored),
        pins=_pins(stored),
        outcomes={
            names(entry, "intent"): str(entry.data.get("outcome", "unknown"))
            for entry in stored
            if entry.kind is EntryKind.STEP_OUTCOME
        },
        redactions={
            names(entry, "redacts"): entry for entry in stored if entry.kind is EntryKind.REDACTION
        },
    )
    return [_row(entry, shown, clock) for entry in stored]


@dataclass(slots=True)
class _Clock:
    """How far the record is in time, whatever the machine's clock says."""

    latest: datetime = _NEVER
    """Where the last line stands."""
    before: datetime = _NEVER
    """What the clock said at the last line."""

    def place(self, entry: Entry) -> tuple[datetime, float]:
        """Where an entry stands, and by how many seconds the clock was set back before it."""
        if not is_told_by_clock(entry):
            return entry.when, 0.0
        placed, back = max(self.latest, entry.at), self.before - entry.at
        if entry.kind not in QUIET:
            self.latest, self.before = placed, entry.at
        return placed, back.total_seconds() if back > STEP else 0.0


def is_told_by_clock(entry: Entry) -> bool:
    """False for what was added later and says itself when it happened."""
    return moment(entry.data.get("when")) is None


_LOOKS_BACK = frozenset(
    {EntryKind.CORRECTION, EntryKind.PIN, EntryKind.STEP_OUTCOME, EntryKind.REDACTION}
)
"""Kinds that change how an earlier entry is shown."""


def looks_back(entries: Iterable[Entry]) -> bool:
    """Whether one of them changes how an earlier entry is shown."""
    return any(entry.kind in _LOOKS_BACK for entry in entries)


def continued(
    rows: tuple[TimelineRow, ...],
    entries: Sequence[Entry],
    *,
    known: int,
    anew: Callable[[], tuple[TimelineRow, ...]] | None = None,
) -> tuple[TimelineRow, ...]:
    """`timeline(entries)`, given the rows of the first `known` of them; `anew` instead makes them
    where they have to be made again.

    Costs what is new, unless that changes how something earlier is shown: a journal of hours is
    not folded again for each line.
    """
    fresh = list(entries[known:])
    clock = _clock_after(rows, entries, known)
    if clock is None or looks_back(fresh):
        return timeline(entries) if anew is None else anew()
    wanted = _Filter(frozenset(), frozenset(), pinned=False, everything=False)
    added = tuple(sorted(filter(wanted.takes, _rows(fresh, clock)), key=_order))
    if not rows or not added or _order(rows[-1]) <= _order(added[0]):
        return rows + added
    return tuple(sorted(rows + added, key=_order))


def _clock_after(
    rows: Sequence[TimelineRow], entries: Sequence[Entry], known: int
) -> _Clock | None:
    """How far these rows of the first `known` entries are; None when they do not say."""
    for entry in map(entries.__getitem__, range(known - 1, -1, -1)):
        if is_told_by_clock(entry) and entry.kind not in QUIET:
            row = next((row for row in reversed(rows) if row.seq == entry.seq), None)
            return _Clock(row.placed, entry.at) if row else None
    return None


@dataclass(frozen=True, slots=True)
class _Filter:
    kinds: frozenset[EntryKind]
    groups: frozenset[EntryGroup]
    pinned: bool
    everything: bool

    def takes(self, row: TimelineRow) -> bool:
        if self.pinned and not row.pinned:
            return False
        if self.kinds or self.groups:
            return row.kind in self.kinds or row.group in self.groups
        return self.everything or row.pinned or row.kind not in QUIET


@dataclass(frozen=True, slots=True)
class _Shown:
    """What later entries say of earlier ones, by seq."""

    corrections: Mapping[int, str]
    pins: frozenset[int]
    outcomes: Mapping[int, str]
    redactions: Mapping[int, Entry]


def _row(entry: Entry, shown: _Shown, clock: _Clock) -> TimelineRow:
    look = LOOKS[entry.kind]
    graded = entry.data.get("severity", "")
    intent = entry.kind is EntryKind.STEP_INTENT
    by = shown.redactions.get(entry.seq) if entry.redacted else None
    said = f"redacted by entry {by.seq}: {by.text}" if by else entry.text
    correction = shown.corrections.get(entry.seq, "")
    placed, back = clock.place(entry)
    text = correction or said
    if correction == REDACTED:
        text = f"{said} (its correction was redacted)"
    return TimelineRow(
        seq=entry.seq,
        at=entry.when,
        kind=entry.kind,
        glyph=look.glyph,
        word=look.word,
        text=text,
        actor=MACHINE if entry.kind.waits else entry.actor,
        role=entry.role,
        target=entry.target,
        group=look.group,
        severity=str(graded) if look.group is EntryGroup.FINDINGS else "",
        pinned=entry.seq in shown.pins,
        late=entry.at - entry.when > LATE,
        clock_back=back,
        placed=placed,
        original=said if correction else "",
        redacted=by.seq if by else 0,
        outcome=shown.outcomes.get(entry.seq, "unknown") if intent else "",
    )


def _corrections(entries: list[Entry]) -> dict[int, str]:
    """The newest correction of each corrected entry; a correction of a correction counts too."""
    roots: dict[int, int] = {}
    found: dict[int, str] = {}
    for entry in entries:
        named = names(entry, "corrects")
        if entry.kind is not EntryKind.CORRECTION or not named:
            continue
        root = roots.get(named, named)
        roots[entry.seq] = root
        found[root] = entry.text
    return found


def _pins(entries: list[Entry]) -> frozenset[int]:
    pinned: set[int] = set()
    for entry in entries:
        named = names(entry, "pins")
        if entry.kind is EntryKind.PIN and named:
            (pinned.add if entry.data.get("pinned", True) else pinned.discard)(named)
    return frozenset(pinned)
