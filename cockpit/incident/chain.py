"""The hash chain: what makes a journal that was changed afterwards show it.

An entry has two digests: `seal` over its body (text, data, salt), and `digest` over all else, the
seal and the digest of the entry before among it. So the body alone can be taken out, and nothing
can be put in its place. What that proves and what not: docs/record.md.

Source: RFC 8785 (canonical JSON), FIPS 180-4 (SHA-256). Pure: no file, no clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import rfc8785

from cockpit.incident.entry import (
    BODY,
    GENESIS,
    BadEntry,
    Entry,
    EntryKind,
    body_of,
    from_json,
    names,
    to_json,
    without_body,
)

LIMITS = (
    "A chain shows that nothing inside it was changed, removed or put in between by somebody who "
    "did not rewrite all that follows.",
    "Who can write the file can rewrite all of it. It is evidence only from the moment a head "
    "digest has left this machine: compare with one by --head.",
    "It does not show that the end is complete, that the clocks were right, or that what was "
    "written is true.",
)
"""What verification says and does not say, in plain words for reports."""

SHORTEST_HEAD = 16
"""Hexadecimal digits that a given head digest must have at least. A journal that ends with 12 given
ones is found by trying within hours on the graphic cards of one machine."""


def canonical(members: Mapping[str, Any]) -> bytes:
    """The one spelling of a JSON object that is hashed. Raises `BadEntry` for what JSON is not."""
    try:
        return _ENCODE(_alike(members)).encode()
    except (_Unlike, UnicodeEncodeError, RecursionError):
        pass  # not known to be the same, or it cannot be written: the library says it
    try:
        return rfc8785.dumps(dict(members))
    except (rfc8785.CanonicalizationError, RecursionError) as problem:
        raise BadEntry(f"cannot be written as canonical JSON: {problem}") from problem


def digest_of(members: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, over the canonical JSON of the members but `digest` and the body.

    Without `format`, as 0.1 wrote it, the body is in it.
    """
    apart = {"digest", *BODY} if "format" in members else {"digest"}
    bare = {name: value for name, value in members.items() if name not in apart}
    return hashlib.sha256(canonical(bare)).hexdigest()


class _Unlike(Exception):
    """Where Python's encoder, in C, may spell a value otherwise than RFC 8785."""


def _alike(value: object) -> object:
    """The value with its numbers such that the standard encoder, with sorted names, writes the
    canonical form; it is a tenth of the time. Raises `_Unlike`.
    """
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) < _SAFE:
            return value
        raise _Unlike
    if isinstance(value, float):
        if value.is_integer() and abs(value) < _SAFE:
            return int(value)
        if _PLAIN_FROM <= abs(value) < _SAFE:  # beyond, either has an exponent of its own form
            return value
        raise _Unlike
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) and name.isascii() for name in value):
            raise _Unlike  # the order is that of UTF-16
        return {name: _alike(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_alike(each) for each in value]
    raise _Unlike


def sealed(entry: Entry) -> Entry:
    """The entry with its digests, and with the form that they were taken of."""
    if entry.format == 1:
        return replace(entry, digest=digest_of(to_json(entry)))
    body = canonical(body_of(entry)).decode()
    members = to_json(replace(entry, seal=seal(body)))
    bare = canonical(
        {name: each for name, each in members.items() if name != "digest" and name not in BODY}
    ).decode()
    digest = hashlib.sha256(bare.encode()).hexdigest()
    made = replace(entry, seal=members["seal"], digest=digest)
    # the first is the head's own: what stands before it are three texts, with escaped quotes
    head = bare.replace(_AFTER_DIGEST, f',"digest":"{digest}"{_AFTER_DIGEST}', 1)
    object.__setattr__(made, "stored", (head, body))
    return made


def _seal_of(entry: Entry) -> str:
    return seal(canonical(body_of(entry)).decode())


def seal(body: str) -> str:
    """The digest of a body as it is stored."""
    return hashlib.sha256(body.encode()).hexdigest()


def fault_of(entry: Entry) -> str:
    """How an entry contradicts its own digests; empty when it does not."""
    if digest_of(to_json(entry)) != entry.digest:
        return "was changed: its digest is not that of its content"
    if entry.format > 1 and not entry.redacted and _seal_of(entry) != entry.seal:
        return "was changed: the digest of its body is not that of its text and data"
    return ""


def head(entry: Entry) -> str:
    """What of an entry never changes, as canonical JSON: all but the body. All in format 1."""
    if entry.stored is not None:
        return entry.stored[0]
    apart = BODY if entry.format > 1 else ()
    members = {name: value for name, value in to_json(entry).items() if name not in apart}
    return canonical(members).decode()


def body(entry: Entry) -> str | None:
    """The body as canonical JSON; None when there is none apart from the head."""
    if entry.stored is not None:
        return entry.stored[1]
    if entry.format == 1 or entry.redacted:
        return None
    return canonical(body_of(entry)).decode()


def joined(head: str, body: str | None) -> str:
    """Head and body as one line of JSON."""
    # as text, not by parsing: what is joined is to the byte what was hashed
    return head if body is None else f"{head[:-1]},{body[1:]}"


def line(entry: Entry) -> str:
    """The entry as one line of JSON, without a line break."""
    return joined(head(entry), body(entry))


def redacted(entries: Sequence[Entry]) -> list[Entry]:
    """The entries without the bodies that redactions among them name."""
    gone = {names(entry, "redacts") for entry in entries if entry.kind is EntryKind.REDACTION}
    return [
        without_body(entry) if entry.seq in gone and entry.format > 1 else entry
        for entry in entries
    ]


def parse_line(text: str) -> Entry:
    """The entry in one line; its digest is not checked. Raises `BadEntry`."""
    return from_json(_load(text))


def parse_stored(text: str) -> tuple[Entry, bool]:
    """The entry in a line, and whether the line is to the octet what its digests were taken of.

    Fifty times cheaper than `fault_of`, and enough to see that nothing was changed: that it is also
    canonical, as everything that is written here, is for `verify` to hold. False says nothing.
    Raises `BadEntry`.
    """
    try:
        entry = from_json(_QUICK.decode(text))
        if _is_as_hashed(text, entry):
            return entry, True
    except (BadEntry, ValueError, RecursionError):
        pass  # whatever it is, the careful reading says it
    return parse_line(text), False


def value(text: str) -> Any:
    """A JSON value with nothing around it, its integers as they stand. Raises `ValueError`,
    `RecursionError`, `BadEntry`.
    """
    found, end = _PLAIN.raw_decode(text)
    if end != len(text):
        raise BadEntry("not one value")
    return found


def parse_again(text: str) -> Entry:
    """The entry in a line that `parse_stored` has read before. Raises `BadEntry`."""
    try:
        return from_json(_QUICK.decode(text))
    except (ValueError, RecursionError) as problem:
        raise BadEntry(f"not JSON: {problem}") from problem


def _is_as_hashed(text: str, entry: Entry) -> bool:
    head = text
    if entry.format > 1 and not entry.redacted:
        # in a head no text has a quote that is not escaped, and its links hold no objects
        head, _, rest = text.partition(_BODY_BEGINS)
        head += "}"
        if seal(f"{{{_BODY_BEGINS[1:]}{rest}") != entry.seal:
            return False
    bare = head.replace(f'"digest":"{entry.digest}",', "", 1)
    return hashlib.sha256(bare.encode()).hexdigest() == entry.digest


def first_object(text: str) -> str:
    """The JSON value that a text begins with; empty when it begins with none."""
    try:
        return text[: _DECODER.raw_decode(text)[1]]
    except (BadEntry, ValueError, RecursionError):
        return ""


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


_BODY_BEGINS = ',"data":{'
_AFTER_DIGEST = ',"format":'
_SAFE = 2**53
_PLAIN_FROM = 1e-4
"""Smaller ones Python writes with an exponent."""
_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_LONGEST_INTEGER = 20
_DECODER = json.JSONDecoder(
    object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_integer
)


_QUICK = json.JSONDecoder(parse_constant=_no_constant, parse_int=_integer)
"""Does not see a member that stands twice."""
_PLAIN = json.JSONDecoder(parse_constant=_no_constant)


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


@dataclass(frozen=True, slots=True)
class Redaction:
    """A body that was taken out: of which entry, and by which."""

    seq: int
    by: Entry


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
    redactions: tuple[Redaction, ...] = ()
    """The bodies that are not there any more, each with the entry that says so."""
    old: int = 0
    """How many, from the first on, are of format 1 and hold by its rules."""

    @property
    def holds(self) -> bool:
        """True when every entry holds, and the given head digest is among them."""
        return self.fault is None


def verify(lines: Iterable[str], head: str = "") -> Verdict:
    """Check every line against its digests and the line before; stop at the first that is wrong.

    A body that is not there must be named by a later redaction, and one that is named must be gone.
    Works on the lines of a `jsonl` export as well as on those of the store. `head` may be
    shortened to `SHORTEST_HEAD` digits.
    """
    examined = Examination()
    for text in lines:
        examined.take(text)
    return examined.verdict(head)


class Examination:
    """Reads the lines of a journal once, one after the other, and keeps none of them."""

    def __init__(self, *, quickly: bool = False) -> None:
        """`quickly`: a line that is to the octet what was hashed is not made canonical again."""
        self._read = parse_stored if quickly else lambda text: (parse_line(text), False)
        self._lines = 0
        self._fault: ChainFault | None = None
        self._last: Entry | None = None
        self._digests: list[str] = []
        """Of the entries that hold, from the first on."""
        self._old = 0
        self._bare: set[int] = set()
        """Those of them that have no body."""
        self._redactions: dict[int, Entry] = {}

    def take(self, text: str) -> Entry | None:
        """One more line; gives its entry, also behind the first fault. None: it is none."""
        if not text.strip():
            return None
        self._lines += 1
        try:
            entry, proved = self._read(text)
        except BadEntry as problem:
            self._fault = self._fault or ChainFault(self._lines, problem.message)
            return None
        self._note_redaction(entry)
        if self._fault is not None:
            return entry  # it proves nothing, but may say why a body is gone
        wrong = _misplaced(entry, self._lines, before=self._last)
        wrong = wrong or ("" if proved else fault_of(entry))
        if wrong:
            self._fault = ChainFault(self._lines, wrong)
            return entry
        self._last = entry
        self._digests.append(entry.digest)
        self._old += entry.format == 1
        if entry.redacted:
            self._bare.add(entry.seq)
        return entry

    def verdict(self, head: str = "") -> Verdict:
        """What was found in all that was taken. `head`: as `verify` takes it."""
        bodies = bodies_fault(self._bare, self._redactions, len(self._digests))
        fault = bodies or self._fault
        holds = self._digests if bodies is None else self._digests[: bodies.place - 1]
        wanted = head.strip().lower()
        anchor = None
        for seq, digest in enumerate(holds if len(wanted) >= SHORTEST_HEAD else (), start=1):
            anchor = seq if digest.startswith(wanted) else anchor
        if fault is None and wanted and anchor is None:
            why = "no entry has the given head digest: the journal was cut or rewritten"
            fault = ChainFault(self._lines + 1, why)
        return Verdict(
            entries=len(holds),
            head=holds[-1] if holds else "",
            fault=fault,
            anchor=anchor,
            redactions=tuple(
                Redaction(seq, self._redactions[seq])
                for seq in sorted(self._bare)
                if seq <= len(holds)
            ),
            old=min(self._old, len(holds)),
        )

    def _note_redaction(self, entry: Entry) -> None:
        named = names(entry, "redacts")
        if entry.kind is EntryKind.REDACTION and 0 < named < entry.seq:
            self._redactions.setdefault(named, entry)


def fault_among(entries: Sequence[Entry], proved: Sequence[bool]) -> ChainFault | None:
    """The first that does not hold, as `verify` finds it. `proved`: of the first ones, whether
    `parse_stored` saw that they are what was hashed; their digests are not worked out again.
    """
    fault = None
    before: Entry | None = None
    for place, entry in enumerate(entries, start=1):
        is_proved = place <= len(proved) and proved[place - 1]
        wrong = _misplaced(entry, place, before=before) or ("" if is_proved else fault_of(entry))
        if wrong:
            fault = ChainFault(place, wrong)
            break
        before = entry
    holds = len(entries) if fault is None else fault.place - 1
    bare = {entry.seq for entry in entries[:holds] if entry.redacted}
    return bodies_fault(bare, _redactions(entries), holds) or fault


def _misplaced(entry: Entry, place: int, *, before: Entry | None) -> str:
    """Why an entry cannot stand where it stands; empty when it can."""
    if entry.seq != place:
        return f"has seq {entry.seq} where {place} belongs"
    if entry.previous != (before.digest if before else GENESIS):
        return "does not name the digest of the entry before"
    if before is not None and entry.format < before.format:
        return f"is of format {entry.format} after one of format {before.format}"
    return ""


def _redactions(entries: Iterable[Entry]) -> dict[int, Entry]:
    """The seq that is redacted → the first entry that says so."""
    found: dict[int, Entry] = {}
    for entry in entries:
        named = names(entry, "redacts")
        if entry.kind is EntryKind.REDACTION and 0 < named < entry.seq:
            found.setdefault(named, entry)
    return found


def bodies_fault(
    bare: Collection[int], redactions: Mapping[int, Entry], holds: int
) -> ChainFault | None:
    """The first of the entries that hold whose body is gone unsaid, or there though it is said to
    be gone. `bare`: those without one.
    """
    unsaid = min((seq for seq in bare if seq not in redactions), default=holds + 1)
    there = min((seq for seq in redactions if seq not in bare), default=holds + 1)
    if min(unsaid, there) > holds:
        return None
    if unsaid < there:
        return ChainFault(unsaid, "its text and data are missing, and no redaction names it")
    by = redactions[there]
    return ChainFault(there, f"was redacted by entry {by.seq}, but its text is there")
