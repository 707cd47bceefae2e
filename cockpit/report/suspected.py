"""What the journal tells of suspects: each once, by the newest word of it (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cockpit.incident.entry import Entry, EntryKind, moment
from cockpit.incident.said import GUILTY, newest_words

_MOST = 3
_LAPSES = frozenset({EntryKind.FINDING_OPENED, EntryKind.BLIND, EntryKind.CHANGE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspected:
    """A suspect that the cockpit named."""

    seq: int
    at: datetime
    name: str
    text: str
    """Its line: how sure, who, what."""
    verdict: str = ""
    """`likely`, `possible`, `unclear`; empty: not told."""
    reason: str = ""
    """Why it is unclear."""
    began: datetime | None = None
    """When it began there; None: not known."""
    change: str = ""
    """What was changed there before; empty: nothing that was known."""
    for_: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    not_examined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedCause:
    """What a person said that it was."""

    seq: int
    at: datetime
    name: str
    by: str
    suspected: Suspected | None
    """What the cockpit knew of it; None: it had not named it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """What could have been it and was found innocent."""

    name: str
    at: datetime
    by: str = ""
    """Who said so; empty: the looks."""
    probes: tuple[str, ...] = ()
    """The looks that found nothing."""
    until: datetime | None = None
    """Until when that held unless it was looked at again; None: it does not lapse by itself."""
    lapsed: str = ""
    """What was told of it later, by which it is proven no longer; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """All that is told of suspects. Nobody stands in two of these."""

    causes: tuple[ConfirmedCause, ...] = ()
    suspects: tuple[Suspected, ...] = ()
    """In the order of writing; at most three."""
    ruled_out: tuple[Cleared, ...] = ()
    """As the newest word on suspects has it, those of people first."""


def suspicion_of(entries: Sequence[Entry], texts: Mapping[int, str]) -> Suspicion:
    """`texts`: entry → its line as it is read, with what was corrected."""
    named = (each for each in entries if each.kind is EntryKind.SUSPECT)
    told = [each for each in named if not isinstance(each.data.get("said"), str)]
    words = newest_words(entries)
    newest = {each.name: each for each in (_suspected(e, texts[e.seq]) for e in told)}
    causes = tuple(
        ConfirmedCause(seq=e.seq, at=e.when, name=name, by=e.actor, suspected=newest.get(name))
        for name, e in words.items()
        if e.data["said"] == GUILTY
    )
    looks = [each for each in (_cleared(told[-1]) if told else ()) if each.name not in words]
    innocent = {*words, *(each.name for each in looks)}
    left = sorted((s for s in newest.values() if s.name not in innocent), key=lambda s: s.seq)
    people = (
        Cleared(name=name, at=e.when, by=e.actor)
        for name, e in words.items()
        if e.data["said"] != GUILTY
    )
    cleared = [*people, *looks]
    return Suspicion(causes, tuple(left[-_MOST:]), tuple(_aged(cleared, entries, texts)))


def _suspected(entry: Entry, text: str) -> Suspected:
    data = entry.data
    return Suspected(
        seq=entry.seq,
        at=entry.when,
        name=_text(data, "name") or entry.target or text,
        text=text,
        verdict=_text(data, "verdict"),
        reason=_text(data, "reason"),
        began=moment(data.get("began")),
        change=_text(data, "change"),
        for_=_texts(data, "for"),
        against=_texts(data, "against"),
        not_examined=_texts(data, "not_examined"),
    )


def _cleared(entry: Entry) -> Iterator[Cleared]:
    """By looks only: what people said is told by their own entries."""
    found = entry.data.get("ruled_out")
    for each in found if isinstance(found, list | tuple) else ():
        if isinstance(each, Mapping) and (name := _text(each, "target")) and not _text(each, "by"):
            yield Cleared(
                name=name,
                at=moment(each.get("at")) or entry.when,
                probes=_texts(each, "probes"),
                until=moment(each.get("until")),
            )


def _aged(
    cleared: Sequence[Cleared], entries: Iterable[Entry], texts: Mapping[int, str]
) -> Iterator[Cleared]:
    """With what was told of a target after it was found innocent by looks."""
    later: dict[str, list[Entry]] = {each.name: [] for each in cleared if not each.by}
    for entry in entries:
        if entry.kind in _LAPSES and entry.target in later:
            later[entry.target].append(entry)
    for each in cleared:
        since = (entry for entry in later.get(each.name, ()) if entry.when > each.at)
        lapsed = next(since, None)
        yield each if lapsed is None else replace(each, lapsed=texts[lapsed.seq])


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _texts(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = data.get(name)
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()
