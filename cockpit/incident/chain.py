"""The hash chain: what makes a journal that was changed afterwards show it.

Source: RFC 8785 (canonical JSON), FIPS 180-4 (SHA-256). Pure: no file, no clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import rfc8785

from cockpit.incident.entry import GENESIS, BadEntry, Entry, from_json, to_json

LIMITS = (
    "A chain shows that nothing inside it was changed, removed or put in between by somebody who "
    "did not rewrite all that follows.",
    "Who can write the file can rewrite all of it. It is evidence only from the moment a head "
    "digest has left this machine: compare with one by --head.",
    "It does not show that the end is complete, that the clocks were right, or that what was "
    "written is true.",
)
"""What verification says and does not say, in plain words for reports."""

SHORTEST_HEAD = 12
"""Hexadecimal digits that a given head digest must have at least."""


def canonical(members: Mapping[str, Any]) -> bytes:
    """The one spelling of a JSON object that is hashed. Raises `BadEntry` for what JSON is not."""
    try:
        return rfc8785.dumps(dict(members))
    except (rfc8785.CanonicalizationError, RecursionError) as problem:
        raise BadEntry(f"cannot be written as canonical JSON: {problem}") from problem


def digest_of(members: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, over the canonical JSON of all members but `digest`."""
    bare = {name: value for name, value in members.items() if name != "digest"}
    return hashlib.sha256(canonical(bare)).hexdigest()


def sealed(entry: Entry) -> Entry:
    """The entry with its digest."""
    return replace(entry, digest=digest_of(to_json(entry)))


def line(entry: Entry) -> str:
    """The entry as one line of canonical JSON, without a line break."""
    return canonical(to_json(entry)).decode()


def parse_line(text: str) -> Entry:
    """The entry in one line; its digest is not checked. Raises `BadEntry`."""
    return from_json(_load(text))


def parse_start(text: str) -> Entry:
    """The entry that a text begins with; what follows does not matter. Raises `BadEntry`."""
    try:
        return from_json(_DECODER.raw_decode(text)[0])
    except (ValueError, RecursionError) as problem:
        raise BadEntry(f"not JSON: {problem}") from problem


def _load(text: str) -> object:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as problem:
        raise BadEntry(f"not JSON: {problem}") from problem


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadEntry("a member stands twice")
    return members


def _no_constant(name: str) -> float:
    raise BadEntry(f"{name} is not JSON")


def _integer(digits: str) -> int | float:
    """RFC 8785 writes a float such as 1e16 as an integer: beyond 2**53 it is one again."""
    if len(digits) < _LONGEST_INTEGER and abs(int(digits)) < _SAFE:
        return int(digits)
    return float(digits)


_SAFE = 2**53
_LONGEST_INTEGER = 20
_DECODER = json.JSONDecoder(
    object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_integer
)


def proves_itself(text: str) -> bool:
    """Whether a line has its own right digest, even when it is no entry that is known here."""
    try:
        stored = _load(text)
        return isinstance(stored, dict) and digest_of(stored) == stored.get("digest")
    except BadEntry:
        return False


@dataclass(frozen=True, slots=True)
class ChainFault:
    """The first entry that does not hold. `place` counts lines from 1, as `seq` should."""

    place: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What checking a journal found.

    `entries` is how many hold, from the first on; `head` the digest of the last of them, empty for
    none. `anchor` is the seq of the entry that a given head digest belongs to; None when no digest
    was given or none fits (then there is a fault).
    """

    entries: int
    head: str
    fault: ChainFault | None = None
    anchor: int | None = None

    @property
    def holds(self) -> bool:
        """True when every entry holds, and the given head digest is among them."""
        return self.fault is None


def verify(lines: Iterable[str], head: str = "") -> Verdict:
    """Check every line against its digest and the line before; stop at the first that is wrong.

    Works on the lines of a `jsonl` export as well as on those of the store. `head` may be
    shortened to `SHORTEST_HEAD` digits.
    """
    stored = [text for text in lines if text.strip()]
    previous, anchor = GENESIS, None
    wanted = head.strip().lower()
    for place, text in enumerate(stored, start=1):
        try:
            entry = _checked(text, place, previous=previous)
        except BadEntry as problem:
            fault = ChainFault(place, problem.message)
            return Verdict(
                entries=place - 1,
                head="" if place == 1 else previous,
                fault=fault,
                anchor=anchor,
            )
        previous = entry.digest
        if wanted and len(wanted) >= SHORTEST_HEAD and entry.digest.startswith(wanted):
            anchor = entry.seq
    lost = None
    if wanted and anchor is None:
        why = "no entry has the given head digest: the journal was cut or rewritten"
        lost = ChainFault(len(stored) + 1, why)
    return Verdict(
        entries=len(stored),
        head=previous if stored else "",
        fault=lost,
        anchor=anchor,
    )


def _checked(text: str, place: int, *, previous: str) -> Entry:
    entry = parse_line(text)
    if entry.seq != place:
        raise BadEntry(f"has seq {entry.seq} where {place} belongs")
    if entry.previous != previous:
        raise BadEntry("does not name the digest of the entry before")
    if digest_of(to_json(entry)) != entry.digest:
        raise BadEntry("was changed: its digest is not that of its content")
    return entry
