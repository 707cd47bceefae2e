"""What people say of suspects, as the journal keeps it (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from cockpit.incident.entry import Entry, EntryKind

GUILTY, INNOCENT, OPEN = "this is it", "not this", "open again"
"""The words in `data.said` of an entry; `data.name` is whom it is said of."""


def newest_words(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Suspect → the newest entry that says `GUILTY` or `INNOCENT` of it; none where that was taken
    back.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        word = entry.data.get("said")
        if entry.kind is not EntryKind.SUSPECT or not isinstance(word, str) or entry.redacted:
            continue
        name = str(entry.data.get("name", ""))
        if word == OPEN:
            found.pop(name, None)
        elif word in {GUILTY, INNOCENT}:
            found[name] = entry
    return found
