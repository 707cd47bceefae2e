"""Taking the body of one entry out of a journal for good, and nothing else.

What other entries mean by it stays (`entry.LINKS`), as do its place, time, author and target. A
body is in more places than its row: pages that SQLite freed, its log, files that were set aside.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cockpit.connect.role import Role
from cockpit.errors import Misconfigured, Refused
from cockpit.incident.entry import Entry, EntryKind, names, without_body
from cockpit.incident.incident import Incidents
from cockpit.incident.reader import Unwritable
from cockpit.incident.record import Incident
from cockpit.incident.sqlite import scrub

_TELLING = 12
"""Characters: a shorter text stands in other places by chance."""
_PIECE = 40


@dataclass(frozen=True, slots=True)
class RedactionDone:
    """`by` is the entry that tells of it; `left` sentences about where the text may still be."""

    incident: str
    by: Entry
    left: tuple[str, ...]


def redact(store: Incidents, name: str, seq: int, *, why: str, actor: str) -> RedactionDone:
    """Take the body of entry `seq` out of an incident that no cockpit has open.

    An entry that was redacted already is only looked for once more. Raises `Refused` when the
    journal is held or cannot be written, `Misconfigured` for an entry that there is not, `BadEntry`
    for one of format 1, whose digest needs its text.
    """
    incident = store.resume(name, role=Role.TRIAGE, actor=actor, silently=True)
    try:
        if incident.watching:
            hint = "a body can be taken out when nobody has the incident open"
            raise Refused(f"{incident.id} is open at {incident.holder}", hint=hint)
        entry = next((one for one in incident.entries if one.seq == seq), None)
        if entry is None:
            raise Misconfigured(f"{incident.id} has no entry {seq}")
        by = _told(incident, seq) if entry.redacted else _written(incident, entry, why)
        try:
            scrub(store.path(incident.id))
        except Unwritable as problem:
            again = f"cockpit redact {incident.id} {seq} --why …"
            raise Refused(
                f"the text may still be in freed pages: {problem}", hint=again
            ) from problem
        left = [*_elsewhere(entry, incident.entries), *_copies(entry, store.files(incident.id))]
        return RedactionDone(incident.id, by, tuple(left))
    finally:
        incident.close()


def _told(incident: Incident, seq: int) -> Entry:
    found = (e for e in incident.entries if e.kind is EntryKind.REDACTION)
    by = next((entry for entry in found if names(entry, "redacts") == seq), None)
    if by is None:
        hint = f"cockpit verify {incident.id}"
        raise Refused(f"the text of entry {seq} is missing, and no redaction took it", hint=hint)
    return by


def _written(incident: Incident, entry: Entry, why: str) -> Entry:
    without_body(entry)
    by = incident.record(EntryKind.REDACTION, why, data={"redacts": entry.seq})
    if not incident.settle() or incident.degraded:
        raise Refused(
            f"nothing was taken out yet: {incident.degraded or 'the disk does not answer'}"
        )
    return by


def _elsewhere(entry: Entry, entries: Sequence[Entry]) -> Iterator[str]:
    """Other entries that say the same: they are somebody's own words, and stay."""
    if entry.redacted:
        return
    for other in entries:
        output = entry.data.get("blob")
        if output and other.seq != entry.seq and other.data.get("blob") == output:
            yield f"entry {other.seq} names the same output: redact it too if it must go"
    for other in entries if len(entry.text) >= _TELLING else ():
        if other.seq != entry.seq and (
            entry.text in other.text or _in_json(entry.text) in json.dumps(dict(other.data))
        ):
            yield f"entry {other.seq} has the same text: redact it too if it must go"


def _copies(entry: Entry, files: Iterable[Path]) -> Iterator[str]:
    """Files of the incident in which the body stands, such as a damaged journal that was kept."""
    pieces = [entry.salt] if entry.salt else []
    if len(entry.text) >= _TELLING and not entry.redacted:
        pieces.append(_in_json(entry.text[:_PIECE]))
    for path in files:
        live = path.name.endswith((".sqlite", ".sqlite-wal"))
        try:
            octets = path.read_bytes()
        except OSError as problem:
            yield f"{path} could not be looked into: {problem.strerror}"
            continue
        # In the journal itself other entries may have the text, but no other has the salt.
        if any(piece.encode() in octets for piece in pieces[: 1 if live else None]):
            yield f"{path} still has it: delete that file when nobody needs it"


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
