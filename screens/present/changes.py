"""What somebody changed: a line each, the most suspected first, and each in full."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from datetime import datetime, timedelta
from math import prod

from textual.content import Content

from cockpit.triage.onset import Onset
from cockpit.triage.ranking import Ranked
from cockpit.triage.related import RankedChanges
from cockpit.units import count, duration
from screens.present.lines import BLANK, Part, clock, fit, line, middle, safe, short_clock, wrap

COLUMNS = frozenset({"time", "what", "who", "where", "target", "text", "source"})
_SUSPECTED = 0.3
_WIDE, _VERY_WIDE = 100, 132
_WORDS_WIDE, _WORDS = 30, 20


def key(row: Ranked) -> Hashable:
    """Identity from look to look."""
    change = row.change
    return (change.at, change.kind, change.target, change.resource, change.summary)


def fields(row: Ranked) -> Mapping[str, str]:
    """The columns that a filter can name."""
    change = row.change
    return {
        "time": clock(change.at),
        "what": change.kind,
        "who": f"{change.actor} {change.own}",
        "where": row.where,
        "target": f"{change.target} {change.resource}",
        "text": " ".join([change.summary, *change.details]),
        "source": change.source,
    }


def heads(width: int) -> Content:
    """The words over the columns."""
    parts = [fit("time", 8), fit("before", 9, right=True)]
    parts.append(fit("what", _WORDS_WIDE if width >= _WIDE else _WORDS))
    if width >= _WIDE:
        parts += [fit("who", 16), fit("distance", _distance(width))]
    return line(("  ".join([*parts, "change"]), "dim"))


def draw(row: Ranked, width: int, _moment: datetime) -> Content:
    """`02:35:12  6m 00s  ecs.deployment checkout  ci-deployer  on the path  checkout:41 → 42`."""
    change = row.change
    shade = "high" if row.score >= _SUSPECTED else "dim" if change.failed or change.own else ""
    what = safe(f"{change.kind} {change.target or change.resource}".strip(), 120)
    parts: list[Part] = [
        (fit(clock(change.at), 8), shade or "dim"),
        "  ",
        fit(before(row), 9, right=True),
        "  ",
        (middle(what, _WORDS_WIDE if width >= _WIDE else _WORDS), shade),
        "  ",
    ]
    used = 8 + 2 + 9 + 2 + (_WORDS_WIDE if width >= _WIDE else _WORDS) + 2
    if width >= _WIDE:
        far = _distance(width)
        parts += [fit(safe(who(row), 60), 16), "  ", (fit(safe(row.where, 60), far), shade), "  "]
        used += 20 + far
    parts.append((fit(safe(change.summary, 400), max(1, width - used)).rstrip(), shade))
    return line(*parts)


def _distance(width: int) -> int:
    return 22 if width >= _VERY_WIDE else 14


def who(row: Ranked) -> str:
    """The actor, or what sort of one; of our own step that it is ours; `?`: no source tells."""
    change = row.change
    return f"ours: {change.own}" if change.own else change.actor or change.by or "?"


def before(row: Ranked) -> str:
    """`6m 00s`, `+2m 10s` after the onset; empty while there is none."""
    if row.before is None:
        return ""
    span = duration(abs(row.before.total_seconds()))
    return span if row.before >= timedelta(0) else f"+{span}"


def onset_words(began: Onset | None, blind: int = 0) -> str:
    """`onset 02:41 ± 1 min`. `blind`: looks that could not be made."""
    if began is None:
        dark = f" in what is seen, {count(blind, 'look')} blind" if blind else ""
        return f"nothing high is open{dark}: newest first"
    if began.vague:
        return f"onset unknown, before {short_clock(began.at)}"
    minutes = max(1, round(began.slack.total_seconds() / 60))
    return f"onset {short_clock(began.at)} ± {minutes} min"


def title(found: RankedChanges) -> Content:
    """How many, and by what they are ordered."""
    many = count(len(found.ranked), "change")
    order = "ranked by risk, distance and time before the onset" if found.began else "newest first"
    return line(f"{many}, {order}")


def unseen_lines(unseen: tuple[str, ...], complete: str, width: int) -> list[Content]:
    """What the list says nothing about, before anything else; two lines at most."""
    told: list[Content] = []
    if unseen:
        more = f" · {len(unseen) - 1} more not seen (enter)" if len(unseen) > 1 else ""
        words = safe(unseen[0], max(20, width - 4 - len(more)))
        told.append(line(("? ", "blind"), (f"{words}{more}", "blind")))
    if complete:
        told.append(line((f"CloudTrail is up to 15 min late: complete until {complete}", "dim")))
    return told


def whole(row: Ranked, width: int) -> list[Content]:
    """A change in full: who, from where, what exactly, and why it stands where it stands."""
    return [
        part
        for label, text, shade in _said(row)
        for part in wrap(
            line((label.ljust(11), "dim"), (safe(text, 4000), shade)), width, indent=11
        )
    ] + [BLANK]


def _said(row: Ranked) -> Iterator[tuple[str, str, str]]:
    change = row.change
    yield "change", change.summary, "bold"
    for place, text in enumerate(change.details):
        shade = {"+": "ok", "−": "high"}.get(text[:1], "")
        yield ("" if place else "exactly"), text, shade
    yield "at", f"{change.at:%Y-%m-%d} {clock(change.at)} UTC", ""
    yield "who", _who(row), ""
    target = change.target or "not joined to a target"
    yield "what", f"{change.kind}, {target}", ""
    if change.resource:
        yield "resource", change.resource, ""
    late = f", up to {duration(change.late)} late" if change.late else ""
    yield "read from", f"{change.source or 'unknown'}{late}", ""
    if row.before is not None:
        when = "after" if row.before < timedelta(0) else "before"
        span = duration(abs(row.before.total_seconds()))
        yield "onset", f"{span} {when} it", ""
    if row.where:
        yield "distance", row.where, ""
    if row.score:
        parts = " × ".join(f"{name} {value:.2f}" for name, value in row.parts)
        product = prod(value for _, value in row.parts)
        most = ", the most there is," if product > row.score + 0.005 else ""
        yield "score", f"{row.score:.2f}{most} = {parts}: a correlation, no proof", ""
    for place, text in enumerate(row.against):
        yield ("" if place else "against"), text, "dim"


def _who(row: Ranked) -> str:
    change = row.change
    if change.own:
        return f"ours: {change.own}"
    by = f" ({change.by})" if change.by else ""
    return f"{change.actor}{by}" if change.actor else change.by or "unknown: no source tells"


def as_text(row: Ranked) -> str:
    """What `y` copies."""
    told = (f"{label.ljust(11)}{safe(text, 4000)}".rstrip() for label, text, _ in _said(row))
    return "\n".join(told)
