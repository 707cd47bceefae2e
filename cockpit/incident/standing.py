"""What of all that looks wrote still means something: enough to go on by, without the rest.

A journal of a day is a hundred thousand lines of looks; what they come to is what is open, what
recovered, which changes are told already. A fold over lines that may be half read (pure).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cockpit.errors import Reason
from cockpit.incident.entry import Entry, EntryKind

Identity = tuple[str, str, str]
"""Target, code and subject of a finding."""
Change = tuple[str, str, str, str]
"""When, kind, target and id of a change."""
_TOLD = frozenset({EntryKind.FINDING_OPENED, EntryKind.FINDING_WORSENED, EntryKind.FINDING_EASED})
_WORSE = _TOLD - {EntryKind.FINDING_EASED}


class OpenSince(NamedTuple):
    """The newest word on a finding that is open."""

    probe: str
    severity: str
    seq: int


class Recovered(NamedTuple):
    """The entry that told a finding last, and the one that cleared it."""

    told: int
    cleared: int


@dataclass(slots=True)
class Standing:
    """Grows with the journal; what is taken back is not in it any more."""

    open: dict[Identity, OpenSince] = field(default_factory=dict)
    recovered: dict[Identity, Recovered] = field(default_factory=dict)
    changes: set[Change] = field(default_factory=set)
    missing: set[tuple[str, str]] = field(default_factory=set)
    """Target and probe of looks that were not given any more what an earlier one had."""
    told: dict[tuple[str, str], None] = field(default_factory=dict)
    """Target and severity of what opened or worsened, each once, in order."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Standing:
        """What these come to."""
        made = cls()
        for entry in entries:
            made.take(entry)
        return made

    def take(self, entry: Entry) -> None:
        """One more entry."""
        self.add(entry.kind, entry.seq, entry.target, data=entry.data, redacted=entry.redacted)

    def add(
        self, kind: str, seq: int, target: str, *, data: Mapping[str, Any], redacted: bool
    ) -> None:
        """One more, of which no more is known than this."""
        if kind in _TOLD or kind == EntryKind.FINDING_CLEARED:
            self._finding(kind, seq, target, data=data, redacted=redacted)
        elif kind == EntryKind.CHANGE:
            self.changes.add(change_key(data))
        elif kind == EntryKind.BLIND and data.get("reason") == Reason.MISSING:
            self.missing.add((target, str(data.get("probe", ""))))

    def _finding(
        self, kind: str, seq: int, target: str, *, data: Mapping[str, Any], redacted: bool
    ) -> None:
        code, severity = data.get("code"), data.get("severity")
        if kind in _WORSE and isinstance(severity, str):
            self.told.setdefault((target, severity))
        if not isinstance(code, str) or redacted:
            return  # without its subject it is none: what is still there opens again
        id_ = (target, code, str(data.get("subject", "")))
        if kind == EntryKind.FINDING_CLEARED:
            before, gone = self.open.pop(id_, None), self.recovered.get(id_)
            if before is not None or gone is not None:
                told = before.seq if before is not None else gone.told if gone is not None else 0
                self.recovered[id_] = Recovered(told, seq)
            return
        self.recovered.pop(id_, None)
        self.open[id_] = OpenSince(str(data.get("probe", "")), str(severity), seq)


def change_key(data: Mapping[str, Any]) -> Change:
    """What tells a change from others, as its entry has it."""
    when, kind, target, name = (str(data.get(each, "")) for each in _TELL_APART)
    return when, kind, target, name


_TELL_APART = ("when", "kind", "target", "id")
