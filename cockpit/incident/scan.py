"""Checking a long journal without making its entries.

Each line is held to all that `chain.Examination` holds it to, at a third of the time: what a head
has and of which types is one pattern, since all heads are spelled alike. Whatever is not as nearly
every line is ends it: then the careful reading of `recovery` has to say what is wrong, if anything.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cockpit import clock
from cockpit.incident import chain
from cockpit.incident.entry import (
    BODY,
    GENESIS,
    LINKS,
    SEEN,
    BadEntry,
    Entry,
    EntryKind,
    is_link,
    names,
)
from cockpit.incident.standing import Standing

_TEXT = r'"((?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+)"'
_HEAD = re.compile(
    rf'\{{"actor":{_TEXT},"at":"(?P<day>\d{{4}}-\d\d-\d\d)T(?:[01]\d|2[0-3])'
    rf':[0-5]\d:[0-5]\d\.\d{{3}}Z","boot":{_TEXT},'
    rf'"digest":"(?P<digest>[^"]++)","format":2,"host":{_TEXT},"kind":"(?P<kind>[a-z_.]+)",'
    rf'"links":(?P<links>\{{(?:[^"{{}}]++|{_TEXT.replace("(", "(?:", 1)})*+\}}),'
    r'"mono":(?P<mono>-?\d{1,15}(?:\.\d{1,9})?),"previous":"(?P<previous>[^"]++)",'
    rf'"role":{_TEXT},"seal":"(?P<seal>[^"]++)","seq":(?P<seq>[1-9]\d{{0,14}}),'
    rf'"target":(?P<target>{_TEXT})\}}'
)
_PARTS = ("day", "digest", "kind", "links", "previous", "seal", "seq", "target")
_KINDS = {kind.value: kind for kind in EntryKind}
Row = tuple[int, str, str | None]
"""Number, head and body as they are stored."""


class Unusual(Exception):
    """A line that has to be read with care. Nothing is wrong with it yet."""


@dataclass(slots=True)
class Scan:
    """What was found in the lines, all of which hold."""

    count: int = 0
    head: str = GENESIS
    done: list[Entry] = field(default_factory=list)
    """The entries that looks did not write."""
    standing: Standing = field(default_factory=Standing)
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The large outputs that entries name → the seqs of those entries."""
    _bare: set[int] = field(default_factory=set)
    _redactions: dict[int, Entry] = field(default_factory=dict)
    _days: set[str] = field(default_factory=set)
    _links: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, row: Row) -> None:
        """The next line. Raises `Unusual`."""
        number, head, body = row
        found = _HEAD.fullmatch(head)
        if found is None:
            raise Unusual
        day, digest, kind, links, previous, seal, seq, target = found.group(*_PARTS)
        self.count += 1
        placed = int(seq) == number == self.count and previous == self.head
        # no quote in a text before it is bare, so that the first is the member
        bare = head.replace(f'"digest":"{digest}",', "", 1)
        if not placed or kind not in _KINDS or sha256(bare.encode()).hexdigest() != digest:
            raise Unusual
        self.head = digest
        try:
            if day not in self._days:
                clock.parse(f"{day}T00:00:00.000Z")
                self._days.add(day)
            meant = self._meant(links)
            data = meant if body is None else _data(body, seal, meant)
            self._note(number, _KINDS[kind], chain.value(target), data=data, row=row)
        except (ValueError, RecursionError, BadEntry):
            raise Unusual from None

    def end(self) -> None:
        """After the last line. Raises `Unusual` for a body that is gone unsaid, or is there."""
        if chain.bodies_fault(self._bare, self._redactions, self.count) is not None:
            raise Unusual

    def verdict(self) -> chain.Verdict:
        """As `chain.verify` finds the same lines."""
        return chain.Verdict(
            entries=self.count,
            head=self.head if self.count else "",
            redactions=tuple(
                chain.Redaction(seq, self._redactions[seq]) for seq in sorted(self._bare)
            ),
        )

    def _note(
        self, number: int, kind: EntryKind, target: str, *, data: Mapping[str, Any], row: Row
    ) -> None:
        body = row[2]
        self.standing.add(kind, number, target, data=data, redacted=body is None)
        output = data.get("blob")
        if isinstance(output, str) and output:
            self.outputs[output] = (*self.outputs.get(output, ()), number)
        if body is None:
            self._bare.add(number)
        if kind not in SEEN:
            entry, proved = chain.parse_stored(chain.joined(row[1], body))
            if not proved:
                raise Unusual
            self.done.append(entry)
            named = names(entry, "redacts")
            if kind is EntryKind.REDACTION and 0 < named < number:
                self._redactions.setdefault(named, entry)

    def _meant(self, links: str) -> dict[str, Any]:
        """The links of a head; the same stand in thousands of them."""
        known = self._links.get(links)
        if known is None:
            known = chain.value(links)
            if not isinstance(known, dict) or not all(itertools.starmap(is_link, known.items())):
                raise Unusual
            if len(self._links) < _LINKS_KEPT:
                self._links[links] = known
        return known


_LINKS_KEPT = 4_096


def _data(body: str, seal: str, links: Mapping[str, Any]) -> dict[str, Any]:
    """What a body holds, when it is the one that was sealed and its links are those of the head."""
    if sha256(body.encode()).hexdigest() != seal or not body.startswith('{"data":{'):
        raise Unusual
    members = chain.value(body)
    if not isinstance(members, dict) or len(members) != len(BODY) or "\n" in body:
        raise Unusual
    data, salt, text = map(members.get, BODY)
    if type(data) is not dict or type(salt) is not str or type(text) is not str or not salt:
        raise Unusual
    left = len(links)
    for name, value in data.items():
        if name in LINKS and is_link(name, value):
            left -= 1
            if name not in links or links[name] != value or type(links[name]) is not type(value):
                raise Unusual
    if left:
        raise Unusual
    return data


def scanned(rows: Iterable[Row]) -> Scan | None:
    """What the lines come to, or None: they have to be read with care. Raises what `rows` does."""
    scan = Scan()
    try:
        for row in rows:
            scan.take(row)
        scan.end()
    except Unusual:
        return None
    return scan
