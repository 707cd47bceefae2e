"""What a person types for the record, read: a note, an action item, or when something began.

`TODO …` makes an action item. `!impact_start 02:40 support calls` sets a milestone; the time may
be a range (`02:30..02:40`) or left out, and then it is now.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cockpit import clock
from cockpit.errors import Misconfigured
from cockpit.incident.entry import EntryKind
from cockpit.incident.state import MILESTONES

_MARK = "!"
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?Z?", re.ASCII)
_LIKE_A_TIME = re.compile(r"\d{4}|(?=.*[^\d])\d[\d:.TZapmh+-]*", re.ASCII)
"""A word that somebody means as a time: `5xx` and `500` are none, `2.40` and `0240` are wrong."""
_BACKWARDS = "the range ends before it begins"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A time, or the range that it lies in. `until` None: a point."""

    at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoteLine:
    """An entry to be made."""

    kind: EntryKind
    text: str
    data: Mapping[str, str] = field(default_factory=dict)


def parse(line: str, now: datetime, when: Span | None = None) -> NoteLine:
    """What a line means. Raises `Misconfigured` for a milestone or a range that cannot be."""
    words = line.strip()
    if words[:1] == _MARK and words[1:2].isalpha():
        name, _, rest = words[1:].partition(" ")
        first, _, after = rest.strip().partition(" ")
        if when is None and _LIKE_A_TIME.fullmatch(first):
            when, rest = span(first, now), after
        return milestone(name, when or Span(now), rest.strip())
    if when is not None and when.until is not None:
        raise Misconfigured("a note tells of one time, not of a range")
    data = {"when": clock.stamp(when.at)} if when else {}
    if words[:4].upper() == "TODO":
        return NoteLine(EntryKind.TODO, words[4:].lstrip(" :-"), data)
    return NoteLine(EntryKind.NOTE, words, data)


def milestone(name: str, when: Span, text: str = "") -> NoteLine:
    """The entry for one of `MILESTONES`. Raises `Misconfigured` for another name, with the nearest,
    and for a range that ends before it begins.
    """
    known = name.lower().replace("-", "_")
    if known not in MILESTONES:
        near = difflib.get_close_matches(known, MILESTONES, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(MILESTONES)}"
        raise Misconfigured(f"unknown milestone {name!r}", hint=hint)
    data = {"milestone": known, "when": clock.stamp(when.at)}
    if when.until is not None:
        if when.until < when.at:
            raise Misconfigured(_BACKWARDS)
        data["until"] = clock.stamp(when.until)
    words = known.replace("_", " ")
    return NoteLine(EntryKind.MILESTONE, f"{words}: {text}" if text else words, data)


def span(text: str, now: datetime) -> Span:
    """A time or a range `A..B`: RFC 3339, or a time of day in UTC, the last one that has been.

    Raises `Misconfigured`.
    """
    first, dots, last = text.partition("..")
    try:
        end = _moment(last if dots else first, now)
        if not dots:
            return Span(end)
        begin = _moment(first, end)
    except ValueError as problem:
        hint = "such as 02:40, 02:30..02:40 or 2026-11-21T02:41:00Z, in UTC"
        raise Misconfigured(f"{text!r} is not a time", hint=hint) from problem
    if _CLOCK.fullmatch(first) and end - begin > _DAY / 2:
        raise Misconfigured(_BACKWARDS, hint="longer than 12 h: write it with its dates")
    return Span(begin, end)


def _moment(text: str, now: datetime) -> datetime:
    found = _CLOCK.fullmatch(text)
    if found is None:
        return clock.parse(text)
    hour, minute, second = (int(part or 0) for part in found.groups())
    today = now.astimezone(UTC).replace(hour=hour, minute=minute, second=second, microsecond=0)
    return today if today <= now else today - _DAY
