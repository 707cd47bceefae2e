"""What a report tells of an incident, gathered from its journal (pure).

What the journal does not know is None or empty here, and an explicit blank in the report.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cockpit import clock
from cockpit.incident import chain
from cockpit.incident.entry import REDACTED, Entry, EntryKind, names
from cockpit.incident.metrics import IncidentMetrics, measure
from cockpit.incident.state import IncidentState, fold
from cockpit.incident.timeline import TimelineRow, timeline
from cockpit.report.blameless import OWNER
from cockpit.report.suspected import Suspicion, suspicion_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who wrote into the journal, with the highest role they had."""

    name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A finding, or a look that was blind, from when to when. `until` None: still at the end."""

    target: str
    name: str
    """The finding's code; the probe of a blind look."""
    severity: str
    text: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A step that was meant to change something. Without an outcome it is `unknown`."""

    seq: int
    at: datetime
    actor: str
    target: str
    text: str
    outcome: str
    told: str
    """What the outcome says; empty when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionItem:
    """Something to do afterwards, from a `TODO` note. Owner and due date only if it says so."""

    seq: int
    text: str
    owner: str
    due: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything that the templates print."""

    id: str
    state: IncidentState
    exported_at: datetime
    entries: tuple[Entry, ...]
    people: tuple[Person, ...]
    rows: tuple[TimelineRow, ...]
    metrics: IncidentMetrics
    findings: tuple[Trouble, ...]
    blind: tuple[Trouble, ...]
    changes: tuple[TimelineRow, ...]
    suspicion: Suspicion
    acts: tuple[Attempt, ...]
    actions: tuple[ActionItem, ...]
    well: tuple[str, ...]
    badly: tuple[str, ...]
    luckily: tuple[str, ...]
    verdict: chain.Verdict
    blameless: bool = False

    @property
    def head(self) -> str:
        """The digest of the last entry that holds; empty for an empty journal."""
        return self.verdict.head


def gather(
    name: str,
    entries: Sequence[Entry],
    *,
    verdict: chain.Verdict | None = None,
    at: datetime | None = None,
) -> Story:
    """The story of an incident.

    `verdict`: of the stored lines, None: of the entries. `at` is the time of the export; None: now.
    """
    entries = tuple(entries)  # read a dozen times
    rows = timeline(entries)
    texts = {row.seq: row.text for row in rows}
    notes = [row.text for row in rows if row.kind is EntryKind.NOTE]
    return Story(
        id=name,
        state=fold(entries),
        exported_at=at or clock.now(),
        entries=entries,
        people=_people(entries),
        rows=rows,
        metrics=measure(entries),
        findings=_troubles(
            entries, EntryKind.FINDING_OPENED, EntryKind.FINDING_CLEARED, texts=texts
        ),
        blind=_troubles(entries, EntryKind.BLIND, EntryKind.SEES_AGAIN, texts=texts),
        changes=tuple(row for row in rows if row.kind is EntryKind.CHANGE),
        suspicion=suspicion_of(entries, texts),
        acts=_acts(entries),
        actions=tuple(_action(row) for row in rows if row.kind is EntryKind.TODO),
        well=_said(notes, "well"),
        badly=_said(notes, "badly", "bad"),
        luckily=_said(notes, "luckily", "lucky", "luck"),
        verdict=verdict or chain.verify(map(chain.line, entries)),
    )


def _people(entries: Iterable[Entry]) -> tuple[Person, ...]:
    roles: dict[str, str] = {}
    for entry in entries:
        if entry.actor and roles.get(entry.actor) != "commander":
            roles[entry.actor] = entry.role
    return tuple(Person(name=name, role=role) for name, role in roles.items())


def _troubles(
    entries: Iterable[Entry], opens: EntryKind, closes: EntryKind, *, texts: Mapping[int, str]
) -> tuple[Trouble, ...]:
    """Each span from an opening entry to the one that closes the same thing.

    What a resumed cockpit opens once more is still the same span.
    """
    found: list[Trouble] = []
    running: dict[tuple[str, str], dict[str, int]] = {}
    for entry in entries:
        if entry.kind is not opens and entry.kind is not closes:
            continue
        name = _text(entry, "code") or _text(entry, "probe")
        subject = REDACTED if entry.redacted else _text(entry, "subject")
        alike = running.setdefault((entry.target, name), {})
        if entry.kind is opens and subject not in alike:
            alike[subject] = len(found)
            found.append(_trouble(entry, name, texts[entry.seq]))
        elif entry.kind is closes:
            ended = _ended(alike, subject)
            if ended is not None:
                place = alike.pop(ended)
                found[place] = replace(found[place], until=entry.when)
    return tuple(found)


def _ended(running: Collection[str], subject: str) -> str | None:
    """Which of the subjects that run is ended by this. Where a redaction took either, it is the
    only one that it can be.
    """
    if subject in running:
        return subject
    alike = [one for one in running if subject == REDACTED or one == REDACTED]
    return alike[0] if len(alike) == 1 else None


def _trouble(entry: Entry, name: str, text: str) -> Trouble:
    return Trouble(
        target=entry.target,
        name=name,
        severity=_text(entry, "severity"),
        text=text,
        since=entry.when,
        until=None,
    )


def _acts(entries: Iterable[Entry]) -> tuple[Attempt, ...]:
    stored = list(entries)
    ends = {names(e, "intent"): e for e in stored if e.kind is EntryKind.STEP_OUTCOME}
    found = []
    for entry in stored:
        if entry.kind is not EntryKind.STEP_INTENT:
            continue
        end = ends.get(entry.seq)
        found.append(
            Attempt(
                seq=entry.seq,
                at=entry.when,
                actor=entry.actor,
                target=entry.target,
                text=entry.text,
                outcome=(_text(end, "outcome") if end else "") or "unknown",
                told=end.text if end else "",
            )
        )
    return tuple(found)


_DUE = re.compile(r"(?i)(?:^|\s)(?:by|due:?)\s*(\d{4}-\d\d-\d\d)\b")


def _action(row: TimelineRow) -> ActionItem:
    """`rotate the key @ana by 2026-12-01`: text, owner, due date."""
    owner, due = OWNER.search(row.text), _DUE.search(row.text)
    bare = _DUE.sub(" ", OWNER.sub(" ", row.text))
    return ActionItem(
        seq=row.seq,
        text=" ".join(bare.split()),
        owner=owner[1] if owner else "",
        due=due[1] if due else "",
    )


def _said(notes: Iterable[str], *words: str) -> tuple[str, ...]:
    """Notes that begin with one of the words and a colon, without it."""
    start = re.compile(rf"(?i)(?:{'|'.join(words)}):\s*")
    return tuple(start.sub("", note, count=1) for note in notes if start.match(note))


def _text(entry: Entry, name: str) -> str:
    value: Any = entry.data.get(name)
    return value if isinstance(value, str) else ""
