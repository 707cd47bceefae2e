"""The entries of an incident in memory: the newest as they are, older ones packed.

An entry takes 2 KB as an object and an eighth of a kilobyte packed with its neighbours; an incident
of a day has a hundred thousand. They stay in memory all the same: a journal whose file is lost is
written again from here.
"""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from cockpit.incident import chain
from cockpit.incident.entry import BadEntry, Entry

BLOCK = 256
"""Entries that are packed, and unpacked, together."""
_WARM = 2 * BLOCK
"""Entries that stay as they are at least: what is new is read again and again."""

Lines = Callable[[int, int], Sequence[str]]
"""The stored lines from one place up to another, counted from 0."""
_Packed = bytes | tuple[Entry, ...]


class History(Sequence[Entry]):
    """Every entry in order, for readers in any thread; the incident alone adds to it."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        """What is given stays as it is."""
        given = tuple(entries)
        self._blocks: list[_Packed | None] = []
        """What came first; None for a block that is only in the file yet."""
        self._starts: list[int] = []
        """The place of the first entry of each block."""
        self._warm: list[Entry] = []
        self._first_warm = 0
        self._lines: Lines = lambda first, end: ()
        self._unpacked: tuple[int, tuple[Entry, ...]] = (-1, ())
        self._lock = threading.RLock()
        if len(given) <= _WARM:
            self._warm += given
        else:
            self._add(given, len(given))

    @classmethod
    def stored(cls, count: int, lines: Lines) -> History:
        """So many that are in a file, each of which is an entry. `lines` is asked for those that
        nobody has packed yet; what it raises is raised where they are read.
        """
        made = cls()
        made._lines = lines
        for start in range(0, count, BLOCK):
            made._add(None, min(BLOCK, count - start))
        return made

    def __len__(self) -> int:
        return self._first_warm + len(self._warm)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> list[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | list[Entry]:
        with self._lock:
            if isinstance(place, slice):
                return [self[each] for each in range(*place.indices(len(self)))]
            place += len(self) if place < 0 else 0
            if place >= self._first_warm:
                return self._warm[place - self._first_warm]
            if place < 0:
                raise IndexError(place)
            number = bisect_right(self._starts, place) - 1
            return self._block(number)[place - self._starts[number]]

    def __iter__(self) -> Iterator[Entry]:
        place = 0
        while place < len(self):
            for entry in self._from(place):
                yield entry
                place += 1

    def __reversed__(self) -> Iterator[Entry]:
        place = len(self)
        while place > 0:
            with self._lock:
                number = bisect_right(self._starts, place - 1) - 1
                warm = place > self._first_warm
                start = self._first_warm if warm else self._starts[number]
                found = self._warm if warm else self._block(number)
                these = found[: place - start]
            yield from reversed(these)
            place = start

    def append(self, entry: Entry) -> None:
        """One more; the oldest of the newest are packed when there are many."""
        with self._lock:
            self._warm.append(entry)
            if len(self._warm) >= _WARM + BLOCK:
                some, self._warm = tuple(self._warm[:BLOCK]), self._warm[BLOCK:]
                self._add(_packed(some), BLOCK)

    def some(self, places: Iterable[int]) -> list[Entry]:
        """Those at these places, in this order; the others of their blocks are not made."""
        found: list[Entry] = []
        of: tuple[int, Sequence[str]] = (-1, ())
        for place in places:
            number = bisect_right(self._starts, place) - 1
            if place >= self._first_warm or isinstance(self._blocks[number], tuple):
                found.append(self[place])
                continue
            if of[0] != number:
                with self._lock:
                    of = (number, self._lines_of(number))
            found.append(chain.parse_again(of[1][place - self._starts[number]]))
        return found

    def keep(self, lines: Lines, wanted: Callable[[], bool] = lambda: True) -> None:
        """Bring into memory what is only in the file, while `wanted`: then it can be lost. For a
        thread: packing is done outside the interpreter's lock. Raises what `lines` raises.
        """
        for number, start in enumerate(self._starts):
            if not wanted():
                return
            if self._blocks[number] is None:
                packed = _squeezed(lines(start, self._end(number)))
                with self._lock:  # meanwhile a body may have been taken out of it
                    self._blocks[number] = self._blocks[number] or packed

    def lines(self) -> Iterator[str]:
        """The stored line of each, in order."""
        for number in range(len(self._blocks)):
            block = self._blocks[number]
            if isinstance(block, tuple):
                yield from map(chain.line, block)
            else:
                yield from self._lines_of(number)
        yield from map(chain.line, self._warm)

    def find(self, seq: int) -> int:
        """The place of the entry with that number; -1: there is none."""
        if seq <= 0:
            return -1
        if seq <= len(self) and self[seq - 1].seq == seq:
            return seq - 1
        return next((place for place, entry in enumerate(self) if entry.seq == seq), -1)

    def replace(self, place: int, entry: Entry) -> None:
        """Another one where one was: without its body."""
        with self._lock:
            if place >= self._first_warm:
                self._warm[place - self._first_warm] = entry
                return
            number = bisect_right(self._starts, place) - 1
            block = list(self._block(number))
            block[place - self._starts[number]] = entry
            self._blocks[number] = _packed(block)
            self._unpacked = (-1, ())

    def _add(self, block: _Packed | None, count: int) -> None:
        self._blocks.append(block)
        self._starts.append(self._first_warm)
        self._first_warm += count

    def _from(self, place: int) -> Sequence[Entry]:
        """The entries from a place up to the end of its block."""
        with self._lock:
            if place >= self._first_warm:
                return self._warm[place - self._first_warm :]
            number = bisect_right(self._starts, place) - 1
            return self._block(number)[place - self._starts[number] :]

    def _block(self, number: int) -> tuple[Entry, ...]:
        block = self._blocks[number]
        if isinstance(block, tuple):
            return block
        if self._unpacked[0] != number:
            entries = map(chain.parse_again, self._lines_of(number))
            self._unpacked = (number, tuple(entries))
        return self._unpacked[1]

    def _lines_of(self, number: int) -> Sequence[str]:
        block = self._blocks[number]
        if isinstance(block, bytes):
            return zlib.decompress(block).decode().split("\n")
        return self._lines(self._starts[number], self._end(number))

    def _end(self, number: int) -> int:
        later = number + 1
        return self._starts[later] if later < len(self._starts) else self._first_warm


def _packed(entries: Sequence[Entry]) -> _Packed:
    try:
        return _squeezed([chain.line(entry) for entry in entries])
    except BadEntry:  # of a journal that somebody changed: it has no canonical form
        return tuple(entries)


def _squeezed(lines: Sequence[str]) -> bytes:
    return zlib.compress("\n".join(lines).encode(), 1)
