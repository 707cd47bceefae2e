"""How much of a SQLite write-ahead log is whole: found before SQLite drops the rest unsaid.

Source: sqlite.org, "WAL-mode File Format" (header of 32 octets, frames of 24 octets and a page,
checksums that run on from frame to frame, salts that change when the log starts anew).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_HEADER = 32
_FRAME = 24
_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}
_GENERATIONS = 1_000_000
"""A frame whose first salt is at most this much older was left by an earlier use of the log."""


@dataclass(frozen=True, slots=True)
class Tail:
    """What SQLite will not read. `whole` octets from the start are committed transactions."""

    whole: int
    torn: int
    """Octets after them that are neither nothing nor the left-overs of an earlier use."""


def tail(log: bytes) -> Tail:
    """Where the last committed transaction of the log ends, and what follows it."""
    if not log:
        return Tail(0, 0)
    if len(log) < _HEADER:
        return Tail(0, len(log))
    magic, _, page, _, salt1, salt2, sum1, sum2 = struct.unpack(">8I", log[:_HEADER])
    order = _MAGIC.get(magic, "")
    if not order or checksum(log[:24], order, (0, 0)) != (sum1, sum2):
        return Tail(0, len(log))
    place = whole = _HEADER
    running = (sum1, sum2)
    size = _FRAME + page
    while place + size <= len(log):
        frame = log[place : place + size]
        _, commit, one, two, sum1, sum2 = struct.unpack(">6I", frame[:_FRAME])
        if (one, two) != (salt1, salt2):
            break
        running = checksum(frame[_FRAME:], order, checksum(frame[:8], order, running))
        if running != (sum1, sum2):
            break
        place += size
        whole = place if commit else whole
    left_over = _is_left_over(log[whole:], size, salts=(salt1, salt2))
    return Tail(whole, 0 if left_over else len(log) - whole)


def image(file: bytes, log: bytes) -> bytes:
    """The database as it reads with what its log commits, without needing the log any more."""
    pages, whole = bytearray(file), tail(log).whole
    size = int.from_bytes(log[8:12], "big")
    for place in range(_HEADER, whole, _FRAME + size):
        number, commit = struct.unpack(">2I", log[place : place + 8])
        pages.extend(bytes(max(0, number * size - len(pages))))
        start = place + _FRAME
        pages[(number - 1) * size : number * size] = log[start : start + size]
        if commit:
            del pages[commit * size :]
    pages[18:20] = b"\1\1"  # read and write version: a rollback journal, of which there is none
    return bytes(pages)


def _is_left_over(rest: bytes, size: int, *, salts: tuple[int, int]) -> bool:
    """Whether what follows was written by an earlier, shorter-lived use of the log, or is nothing.

    Then no frame in it has a salt of this use: the first counts up from use to use, the second is
    random. SQLite never writes zeros there.
    """
    if not rest:
        return True
    if len(rest) < _FRAME:
        return False
    older = (salts[0] - int.from_bytes(rest[8:12], "big")) % 2**32
    frames = range(0, len(rest) - _FRAME + 1, size)
    mine = any(
        salts[n] == int.from_bytes(rest[place + 8 + 4 * n : place + 12 + 4 * n], "big")
        for place in frames
        for n in (0, 1)
    )
    return 0 < older <= _GENERATIONS and not mine


def checksum(octets: bytes, order: str, start: tuple[int, int]) -> tuple[int, int]:
    """SQLite's running checksum over pairs of 32-bit words in the given byte order."""
    one, two = start
    words = struct.unpack(f"{order}{len(octets) // 4}I", octets)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
