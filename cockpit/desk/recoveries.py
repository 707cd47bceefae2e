"""Findings that recovered before this cockpit was opened, as the record has them.

A runbook is followed for its finding, and a step that repairs takes the finding away: without it a
cockpit that comes back would show neither the rest of the runbook nor what takes the step back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from cockpit.incident.entry import Entry, EntryKind, moment
from cockpit.redact import MASK
from cockpit.triage.board import FindingId, OpenFinding
from cockpit.triage.finding import Evidence, Finding, Severity

_TOLD = frozenset({EntryKind.FINDING_OPENED, EntryKind.FINDING_WORSENED, EntryKind.FINDING_EASED})


def recoveries(entries: Iterable[Entry]) -> tuple[OpenFinding, ...]:
    """Those that were opened and cleared and did not come again, the newest recovery first.

    One whose subject the record masked or gave up is left out: it is another one then.
    """
    known: dict[FindingId, tuple[Entry, datetime | None]] = {}
    for entry in entries:
        data = entry.data
        code, subject = data.get("code"), str(data.get("subject", ""))
        if not isinstance(code, str) or entry.redacted or MASK in subject:
            continue
        id_ = FindingId(entry.target, code, subject)
        if entry.kind in _TOLD:
            known[id_] = (entry, None)
        elif entry.kind is EntryKind.FINDING_CLEARED and id_ in known:
            known[id_] = (known[id_][0], entry.at)
    ended = ((id_, entry, at) for id_, (entry, at) in known.items() if at is not None)
    gone = [replace(_told(id_, entry), cleared=at) for id_, entry, at in ended]
    return tuple(sorted(gone, key=lambda one: one.cleared or one.seen, reverse=True))


def _told(id_: FindingId, entry: Entry) -> OpenFinding:
    data, off = entry.data, entry.data.get("resolution")
    finding = Finding(
        id_.code,
        Severity.read(data.get("severity")),
        entry.text,
        subject=id_.subject,
        evidence=tuple(_evidence(data.get("evidence"))),
        began=moment(data.get("began")),
        resolution=float(off) if isinstance(off, int | float) else 0.0,
    )
    return OpenFinding(
        id=id_,
        kind=str(data.get("kind", "")),
        probe=str(data.get("probe", "")),
        finding=finding,
        since=moment(data.get("since")) or entry.at,
        seen=entry.at,
    )


def _evidence(said: object) -> Iterable[Evidence]:
    for row in said if isinstance(said, list) else ():
        if not isinstance(row, Mapping):
            continue
        value, limit = row.get("value"), row.get("limit")
        yield Evidence(
            str(row.get("label", "")),
            value if isinstance(value, int | float | str) else None,
            str(row.get("unit", "")),
            float(limit) if isinstance(limit, int | float) else None,
        )
