"""A journal as it is stored now: its lines, and what is wrong around them.

Reading never mends: what is torn, waits or is missing is told by everybody who reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from cockpit import units
from cockpit.incident import chain
from cockpit.incident.entry import BadEntry, Entry
from cockpit.incident.reader import blobs, is_named, letters, lines_after, reading, torn
from cockpit.incident.spill_file import SpillFile

_SHORT = 12


@dataclass(frozen=True, slots=True)
class Output:
    """A large output that entries name by its SHA-256. `size` in octets, 0 when it is missing."""

    name: str
    entries: tuple[int, ...]
    state: Literal["whole", "missing", "changed"]
    size: int


@dataclass(frozen=True, slots=True)
class Around:
    """What a report tells of a journal beside its entries."""

    outputs: tuple[Output, ...] = ()
    contents: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The outputs that are whole, by name; empty texts for the others."""
    troubles: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJournal:
    """What reading a journal found."""

    lines: tuple[str, ...]
    torn: int = 0
    """Octets at the end of the log that cannot be read; their entries are not in `lines`."""
    letters: tuple[tuple[str, str], ...] = ()
    """What co-responders left and nobody took into the journal, as (id, JSON)."""
    blobs: Mapping[str, tuple[bool, int]] | None = field(
        default_factory=lambda: MappingProxyType({})
    )
    """Large outputs by name: whether it is what its name says, and its size. None: an export that
    came without them, of which nothing can be said."""

    def outputs(self, entries: Iterable[Entry]) -> tuple[Output, ...]:
        """The outputs that the entries name, in that order, and whether they are there."""
        return self.outputs_of(named_outputs(entries if self.blobs is not None else ()))

    def outputs_of(self, named: Mapping[str, tuple[int, ...]]) -> tuple[Output, ...]:
        """The same of outputs by name, with the seqs of the entries that name them."""
        found: list[Output] = []
        for name, seqs in named.items() if self.blobs is not None else ():
            whole, size = (self.blobs or {}).get(name, (False, -1))
            state: Literal["whole", "missing", "changed"] = "whole" if whole else "changed"
            found.append(Output(name, seqs, "missing" if size < 0 else state, max(0, size)))
        return tuple(found)

    def troubles(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        """What is wrong around the entries, a sentence each; none is good."""
        last = entries[-1].seq if entries else 0
        said = [torn_after(last, self.torn)] if self.torn else []
        return (*said, *output_troubles(self.outputs(entries)))


def torn_after(last: int, octets: int) -> str:
    """The sentence for a torn log, whose last entry that can be read is `last`."""
    return f"the log is torn after entry {last}: {units.size(octets)} behind it cannot be read"


def output_troubles(outputs: Iterable[Output]) -> list[str]:
    """A sentence for each output that is not what an entry names."""
    words = {"missing": "is missing", "changed": "was changed"}
    return [
        f"the output {one.name[:_SHORT]} of entry {', '.join(map(str, one.entries))} "
        f"{words[one.state]}"
        for one in outputs
        if one.state != "whole"
    ]


def named_outputs(entries: Iterable[Entry]) -> dict[str, tuple[int, ...]]:
    """The large outputs that entries name → the seqs of those entries."""
    found: dict[str, tuple[int, ...]] = {}
    for entry in entries:
        name = entry.data.get("blob")
        if isinstance(name, str) and name:
            found[name] = (*found.get(name, ()), entry.seq)
    return found


def stored_in(path: Path) -> StoredJournal:
    """What a file holds. Raises `Damaged`, `Unreadable`, `OSError`."""
    octets = torn(path)
    with reading(path) as connection:
        return StoredJournal(
            lines=tuple(lines_after(connection)),
            torn=octets,
            letters=tuple(letters(connection)),
            blobs=checked(blobs(connection)),
        )


def with_spilled(stored: StoredJournal, spill: SpillFile) -> StoredJournal:
    """And what only the spare folder has."""
    known = set(stored.lines)
    fresh = [text for text in spill.lines() if text not in known]
    return StoredJournal(
        lines=(*stored.lines, *fresh),
        torn=0 if _go_on(stored.lines, fresh) else stored.torn,
        letters=tuple(dict([*stored.letters, *spill.letters()]).items()),
        blobs={**checked(spill.blobs()), **(stored.blobs or {})},
    )


def _go_on(lines: Sequence[str], fresh: Sequence[str]) -> bool:
    """Whether the spare folder has what follows the last entry of the file.

    Then a full disk cut off what was kept there instead, and nothing is missing between.
    """
    try:
        last, following = chain.parse_line(lines[-1]), chain.parse_line(fresh[0])
    except (IndexError, BadEntry):
        return False
    return following.previous == last.digest


def checked(found: Iterable[tuple[str, bytes]]) -> dict[str, tuple[bool, int]]:
    """Large outputs by name: whether each is what its name says, and its size."""
    return {name: (is_named(content, name), len(content)) for name, content in found}
