"""One line of the journal: who did, saw or said what, and when. Never edited.

What `data` holds by kind, as the timeline and the reports read it (all may be missing):

| kind | members |
|---|---|
| opened | id, title, severity (P0–P3), environment |
| severity, status | severity or status, from, reason |
| milestone | milestone (its name), when, until |
| finding.* | code, severity, subject, probe; `target` is the entry's own |
| blind, sees_again | probe, reason |
| change | actor (who outside did it) |
| pin, correction | pins and pinned, or corrects: the seq that is meant |
| step.outcome | intent (the seq of the intent), outcome (ok, failed, unknown, skipped, refused) |
| redaction | nothing: no command makes one; `from_json` refuses what is marked as redacted |
| any | when (it happened earlier), blob (the whole text), letter (it came from a co-responder) |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from cockpit import clock
from cockpit.errors import CockpitError


class EntryKind(StrEnum):
    """What an entry tells of. Public names, part of the export format."""

    OPENED = "opened"
    RESUMED = "resumed"
    SEVERITY = "severity"
    STATUS = "status"
    ROLE = "role"
    MILESTONE = "milestone"
    FINDING_OPENED = "finding.opened"
    FINDING_WORSENED = "finding.worsened"
    FINDING_EASED = "finding.eased"
    FINDING_CLEARED = "finding.cleared"
    BLIND = "blind"
    SEES_AGAIN = "sees_again"
    CHANGE = "change"
    SUSPECT = "suspect"
    NOTE = "note"
    TODO = "todo"
    PIN = "pin"
    CORRECTION = "correction"
    STEP_INTENT = "step.intent"
    STEP_OUTPUT = "step.output"
    STEP_OUTCOME = "step.outcome"
    PROPOSAL = "proposal"
    APPROVAL = "approval"
    REFUSAL = "refusal"
    UPDATE = "update"
    REDACTION = "redaction"
    SWEEP = "sweep"
    RECOVERY = "recovery"
    CLOSED = "closed"

    @property
    def waits(self) -> bool:
        """True for what the machine sees by itself: it may wait for a group commit."""
        return self in _MACHINE


_MACHINE = frozenset(
    {
        EntryKind.FINDING_OPENED,
        EntryKind.FINDING_WORSENED,
        EntryKind.FINDING_EASED,
        EntryKind.FINDING_CLEARED,
        EntryKind.BLIND,
        EntryKind.SEES_AGAIN,
        EntryKind.CHANGE,
        EntryKind.SUSPECT,
        EntryKind.SWEEP,
        EntryKind.STEP_OUTPUT,
    }
)

FIELDS = (
    "seq",
    "at",
    "mono",
    "boot",
    "host",
    "actor",
    "role",
    "kind",
    "target",
    "text",
    "data",
    "salt",
    "previous",
    "digest",
)
"""The members of an entry as it is stored and exported, in reading order."""

GENESIS = "0" * 64
"""What the first entry of a journal names as the previous one."""


class BadEntry(CockpitError):
    """A stored line is not an entry: not JSON, a member missing, added or of another type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One fact of an incident.

    `at` is the wall clock (UTC, milliseconds), `mono` the monotonic clock of `boot` in seconds:
    two entries of one boot are ordered truly by it even when the wall clock was set. `target` is
    empty when the entry is about the incident as a whole. `data` is JSON; its members by kind are
    listed above. `salt` is random, so that a text cannot be guessed from the digest. `previous` is
    the digest of the entry before, `GENESIS` for the first.
    """

    seq: int
    at: datetime
    mono: float
    boot: str
    host: str
    actor: str
    role: str
    kind: EntryKind
    text: str
    target: str = ""
    data: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    salt: str = ""
    previous: str = GENESIS
    digest: str = ""

    @property
    def when(self) -> datetime:
        """When it happened: `data.when` for what was added later, else when it was written."""
        return moment(self.data.get("when")) or self.at


def names(entry: Entry, member: str) -> int:
    """The seq that `data` names as `intent`, `corrects` or `pins`; 0 when it names none."""
    value = entry.data.get(member)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def moment(value: object) -> datetime | None:
    """The time in a member of `data`; None when there is none or it cannot be read."""
    if not isinstance(value, str):
        return None
    try:
        return clock.parse(value)
    except ValueError:
        return None


def to_json(entry: Entry) -> dict[str, Any]:
    """The entry as it is stored and exported."""
    return {
        "seq": entry.seq,
        "at": clock.stamp(entry.at),
        "mono": entry.mono,
        "boot": entry.boot,
        "host": entry.host,
        "actor": entry.actor,
        "role": entry.role,
        "kind": entry.kind.value,
        "target": entry.target,
        "text": entry.text,
        "data": dict(entry.data),
        "salt": entry.salt,
        "previous": entry.previous,
        "digest": entry.digest,
    }


def from_json(stored: object) -> Entry:
    """The entry in a parsed line. Raises `BadEntry`."""
    if not isinstance(stored, dict):
        raise BadEntry("not a JSON object")
    wrong = set(stored) ^ set(FIELDS)
    if wrong:
        raise BadEntry(f"members missing or unknown: {', '.join(sorted(map(repr, wrong)))}")
    for name in FIELDS:
        if not _fits(name, stored[name]):
            raise BadEntry(f"{name} has a value of a wrong type")
    if stored["data"].get("redacted") is True and not stored["salt"]:
        # What its digest was made of would be gone, so anything could stand in its place, and
        # nothing that we write has no salt: until a command redacts, only a forger marks entries.
        raise BadEntry("is marked as redacted: no cockpit makes such entries, nothing proves it")
    try:
        at, kind = clock.parse(stored["at"]), EntryKind(stored["kind"])
    except ValueError as problem:
        raise BadEntry(str(problem)) from problem
    values = {**stored, "at": at, "kind": kind, "data": MappingProxyType(stored["data"])}
    return Entry(**values)


def _fits(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return False
    if name == "seq":
        return isinstance(value, int)
    if name == "mono":
        return isinstance(value, int | float)
    return isinstance(value, dict if name == "data" else str)
