"""One line of the journal: who did, saw or said what, and when. Never edited.

What `data` holds by kind, as the timeline and the reports read it (all may be missing):

| kind | members |
|---|---|
| opened | id, title, severity (P0–P3), environment |
| severity, status | severity or status, from, reason |
| milestone | milestone (its name), when, until |
| finding.* | code, severity, subject, probe, began and resolution (seconds); `target` is the |
| | entry's own |
| blind, sees_again | probe, reason |
| change | actor (who outside did it) |
| objective | objective (rto or rpo), seconds (0: none), of (whose own it is); of an rpo also |
| | verdict (within, over, unknown) and behind (seconds that data may lack, null: not known) |
| pin, correction | pins and pinned, or corrects: the seq that is meant |
| step.prediction | says: what it said would happen |
| step.interrupt | says: what got worse; undo: the title of the step that takes it back |
| step.settlement | prediction (the seq), verdict (kept, broken, unknown), seen |
| step.outcome | intent (the seq of the intent), outcome (ok, failed, unknown, skipped, refused) |
| redaction | redacts: the seq of the entry whose body was taken out |
| any | when (it happened earlier), blob (the whole text), letter (it came from a co-responder) |
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    STEP_PREDICTION = "step.prediction"
    STEP_INTENT = "step.intent"
    STEP_OUTPUT = "step.output"
    STEP_INTERRUPT = "step.interrupt"
    STEP_SETTLEMENT = "step.settlement"
    STEP_OUTCOME = "step.outcome"
    PROPOSAL = "proposal"
    APPROVAL = "approval"
    REFUSAL = "refusal"
    UPDATE = "update"
    REDACTION = "redaction"
    SWEEP = "sweep"
    RECOVERY = "recovery"
    OBJECTIVE = "objective"
    CLOSED = "closed"

    @property
    def waits(self) -> bool:
        """True for what the machine sees by itself: it may wait for a group commit."""
        return self in _MACHINE


SEEN = frozenset(
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
    }
)
"""What looks write: nearly all of a long journal."""

_MACHINE = SEEN | {
    EntryKind.OBJECTIVE,
    EntryKind.STEP_PREDICTION,  # the intent behind it is durable, and so is what is before it
    EntryKind.STEP_INTERRUPT,
    EntryKind.STEP_SETTLEMENT,
    EntryKind.STEP_OUTPUT,
}

FORMAT = 2
"""What is written now. 1, of cockpit 0.1, has one digest over all of an entry, so that nothing of
it can go; 2 has one over the body and one over all else, which holds the first."""

BODY = ("data", "salt", "text")
"""What a redaction takes out: with them the salt, or a short text could be found by trying."""

_OLD = ("seq", "at", "mono", "boot", "host", "actor", "role", "kind", "target", "text", "data",
        "salt", "previous", "digest")  # fmt: skip
FIELDS = ("format", *_OLD[:9], "links", *_OLD[9:12], "seal", *_OLD[12:])
"""The members of an entry as it is stored and exported, in reading order. A redacted one lacks
those of `BODY`; one of format 1 lacks `format`, `links` and `seal`."""

LINKS = {
    "intent", "outcome", "corrects", "pins", "pinned", "redacts", "letter", "severity", "status",
    "from", "milestone", "when", "until", "code", "probe", "plan", "prediction", "verdict",
}  # fmt: skip
"""The members of `data` that other entries mean something by. They stay when a body goes: without
its outcome a step would be unknown again, without its severity an incident would be another."""
_SHORT = 40
_LINK_LIMIT = 100
"""Characters: a link is a word, never a text."""

REDACTED = "(redacted)"
"""The text of an entry whose body was taken out."""

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
    the digest of the entry before, `GENESIS` for the first; `seal` the digest of the body, empty in
    format 1. Of a redacted entry `text` is `REDACTED` and `data` what `LINKS` keeps.
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
    seal: str = ""
    format: int = FORMAT
    stored: tuple[str, str | None] | None = field(
        default=None, init=False, repr=False, compare=False
    )
    """Head and body as `chain.sealed` hashed them, so that they are not spelled again; None: they
    are not kept. No `init`: what `replace` makes is another entry, and must not have it.
    """

    @property
    def redacted(self) -> bool:
        """True when the body is not there any more."""
        return bool(self.seal) and not self.salt

    @property
    def links(self) -> dict[str, Any]:
        """What of `data` stays when the body goes."""
        return {name: value for name, value in self.data.items() if is_link(name, value)}

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


def without_body(entry: Entry) -> Entry:
    """The entry as a redaction leaves it. Raises `BadEntry` for one of format 1, which would not
    hold any more.
    """
    if entry.format < FORMAT:
        raise BadEntry(
            f"entry {entry.seq} is of format {entry.format}: its one digest needs its text"
        )
    return replace(entry, text=REDACTED, data=MappingProxyType(entry.links), salt="")


def body_of(entry: Entry) -> dict[str, Any]:
    """The members that a redaction takes out."""
    return {"data": dict(entry.data), "salt": entry.salt, "text": entry.text}


def to_json(entry: Entry) -> dict[str, Any]:
    """The entry as it is stored and exported."""
    members: dict[str, Any] = {
        "format": entry.format,
        "seq": entry.seq,
        "at": clock.stamp(entry.at),
        "mono": entry.mono,
        "boot": entry.boot,
        "host": entry.host,
        "actor": entry.actor,
        "role": entry.role,
        "kind": entry.kind.value,
        "target": entry.target,
        "links": entry.links,
        "text": entry.text,
        "data": dict(entry.data),
        "salt": entry.salt,
        "seal": entry.seal,
        "previous": entry.previous,
        "digest": entry.digest,
    }
    kept = _OLD if entry.format == 1 else FIELDS
    return {name: members[name] for name in kept if not (entry.redacted and name in BODY)}


def from_json(stored: object) -> Entry:
    """The entry in a parsed line. Raises `BadEntry`."""
    if not isinstance(stored, dict):
        raise BadEntry("not a JSON object")
    form = stored.get("format", 1)
    if "format" in stored and (form != FORMAT or not isinstance(form, int)):
        raise BadEntry(f"is of format {form!r}, which is not known here")
    wanted = _TYPES_OLD if form == 1 else _TYPES
    if form == FORMAT and stored.keys().isdisjoint(BODY):
        wanted = _TYPES_BARE
    if stored.keys() != wanted.keys():
        wrong = stored.keys() ^ wanted.keys()
        raise BadEntry(f"members missing or unknown: {', '.join(sorted(map(repr, wrong)))}")
    for name, types in wanted.items():
        if type(stored[name]) not in types:
            raise BadEntry(f"{name} has a value of a wrong type")
    text, data, salt = _body(stored) if form == FORMAT else _body_before(stored)
    try:
        at, kind = clock.parse(stored["at"]), EntryKind(stored["kind"])
    except ValueError as problem:
        raise BadEntry(str(problem)) from problem
    return Entry(
        seq=stored["seq"],
        at=at,
        mono=stored["mono"],
        boot=sys.intern(stored["boot"]),  # the same words stand in thousands of entries
        host=sys.intern(stored["host"]),
        actor=sys.intern(stored["actor"]),
        role=sys.intern(stored["role"]),
        kind=kind,
        text=text,
        target=sys.intern(stored["target"]),
        data=MappingProxyType(_shared(data)),
        salt=salt,
        previous=sys.intern(stored["previous"]),
        digest=sys.intern(stored["digest"]),
        seal=stored.get("seal", ""),
        format=form,
    )


def _shared(data: dict[str, Any]) -> dict[str, Any]:
    """The same with one object for each name and short word: thousands of entries have them."""
    return {
        sys.intern(name): sys.intern(value)
        if type(value) is str and len(value) <= _SHORT
        else [_named_once(each) for each in value]
        if type(value) is list
        else value
        for name, value in data.items()
    }


def _named_once(value: object) -> object:
    if type(value) is not dict:
        return value
    return {sys.intern(name): each for name, each in value.items()}


def _body(stored: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
    """Text, data and salt as `Entry` has them: what a redaction took is filled in."""
    links: dict[str, Any] = stored["links"]
    if not stored["seal"]:
        raise BadEntry("has no digest of its body")
    if "salt" not in stored:
        if not all(is_link(name, value) for name, value in links.items()):
            raise BadEntry("holds more than a redaction leaves")
        return REDACTED, links, ""
    if not stored["salt"]:
        raise BadEntry("has a body without its salt")
    data: dict[str, Any] = stored["data"]
    meant = {name: data[name] for name in data if name in LINKS and is_link(name, data[name])}
    if links != meant or any(type(links[name]) is not type(meant[name]) for name in meant):
        raise BadEntry("its links are not those of its body")
    return stored["text"], data, stored["salt"]


def _body_before(stored: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
    """Those of format 1. Nothing that 0.1 wrote is marked as redacted or has no salt."""
    data: dict[str, Any] = stored["data"]
    if data.get("redacted") is True and not stored["salt"]:
        raise BadEntry("is marked as redacted: no cockpit makes such entries, nothing proves it")
    return stored["text"], data, stored["salt"]


def is_link(name: str, value: object) -> bool:
    """Whether a member of `data` stays when the body goes."""
    fits = isinstance(value, int) or (isinstance(value, str) and len(value) <= _LINK_LIMIT)
    return name in LINKS and fits


def _types(name: str) -> tuple[type, ...]:
    if name in {"seq", "format"}:
        return (int,)
    if name == "mono":
        return (int, float)
    return (dict,) if name in {"data", "links"} else (str,)


_TYPES = {name: _types(name) for name in FIELDS}
_TYPES_BARE = {name: types for name, types in _TYPES.items() if name not in BODY}
_TYPES_OLD = {name: _types(name) for name in _OLD}
