"""Why somebody is suspected: the story with its times, for, against, and what was ruled out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from textual.content import Content

from cockpit.triage.changes import Change
from cockpit.triage.probe import Blind
from cockpit.triage.suspects import JUDGED_BY, Suspect
from cockpit.triage.suspicion.certainty import Certainty
from cockpit.triage.suspicion.chain import ChainLink
from cockpit.triage.suspicion.ruled_out import RuledOut
from cockpit.units import count, duration
from screens.present.lines import BLANK, ago, capital, line, safe, wrap
from screens.present.suspects import change_words, still_looking, when
from screens.shown import Shown

_MOST = 12
"""Lines of one part that are shown; how many more there are is told."""
_LABEL = 13
_PROBE = re.compile(r"[a-z_]+\.[a-z_]+")
_KEYS = "in pane 1: N not this · I this is it · O takes a word back; each goes into the record"


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of the reasoning."""

    label: str
    spoken: str
    """What a sentence of it begins with."""
    texts: Sequence[str]
    nothing: str = ""
    """What is said where there is none; empty: the part is left out."""


def reasoning(found: Suspect | None, shown: Shown, width: int) -> list[Content]:
    """Everything that speaks for and against a suspect; None: what was ruled out, of nobody."""
    lines = _head(found, shown, width)
    for part in _parts(found, shown):
        told = _few(part.texts) or ([part.nothing] if part.nothing else [])
        for place, text in enumerate(told):
            label = ("" if place else part.label).ljust(_LABEL)
            lines += wrap(line((label, "bold"), safe(text, 2000)), width, indent=_LABEL)
    for text in (_KEYS, f"judged by {JUDGED_BY}: an order, no proof"):
        lines += [BLANK, *wrap(line((text, "dim")), width)]
    return lines


def sentences(found: Suspect | None, shown: Shown) -> str:
    """The same as sentences, one a line, which stand alone: for a chat or a report."""
    told = [f"As of {shown.moment:%Y-%m-%d %H:%M:%S} UTC:"]
    if found is None:
        told.append("No suspect is named.")
    else:
        told.append(
            f"Suspect {found.rank} is {safe(found.name)}, {_verdict(found)}: {safe(found.summary)}."
        )
        told += [f"{capital(each)}." for each in _facts(found, shown.moment)]
    for part in _parts(found, shown):
        if part.texts:
            told.append(
                f"{part.spoken}: {'; '.join(safe(each, 2000) for each in _few(part.texts))}."
            )
    return "\n".join(told)


def _head(found: Suspect | None, shown: Shown, width: int) -> list[Content]:
    looking = still_looking(shown)
    if found is None:
        return [line(("No suspect is named", "strong"), f": {looking}" if looking else ""), BLANK]
    lines = wrap(line((safe(found.name), "strong"), "  ", safe(found.summary)), width)
    facts = [_verdict(found), *_facts(found, shown.moment), *([looking] if looking else [])]
    return [*lines, *wrap(line((" · ".join(facts), "dim")), width), BLANK]


def _verdict(found: Suspect) -> str:
    if found.verdict is Certainty.UNCLEAR:
        return f"cannot tell ({safe(found.reason)})"
    return str(found.verdict)


def _facts(found: Suspect, moment: datetime) -> Iterator[str]:
    if found.said:
        yield f"this is it, says {safe(found.said, 60)}"
    if found.began is not None:
        yield f"began at {when(moment, found.began)} UTC"
    else:
        yield "when it began is not known"
    explained, felt = found.felt
    if felt:
        yield f"explains {explained} of {count(felt, 'target')} at which users feel it"
    elif found.explains:
        yield f"explains {count(len(found.explains), 'finding')}; users feel nothing that is seen"


def _parts(found: Suspect | None, shown: Shown) -> Iterator[_Part]:
    moment = shown.moment
    if found is not None:
        why = [_change(found.change, moment)] if found.change is not None else []
        yield _Part("why now", "Changed before it", why, _no_change(shown))
        chain = [_link(each, moment) for each in found.chain]
        yield _Part("in order", "In the order in which it began (UTC)", chain, "–")
        yield _Part("for", "For it", found.for_, "–")
        yield _Part("against", "Against it", found.against, "–")
        after = [_change(each, moment) for each in found.after]
        yield _Part("came after", "Changed only after it began, so no cause of it", after)
        yield _Part("unseen", "Not examined", found.not_examined)
    innocent = sorted(shown.ruled_out, key=lambda each: not each.by)
    yield _Part(
        "ruled out", "Ruled out", [_innocent(each, moment) for each in innocent], "nobody yet"
    )
    if found is not None:
        nothing = "no look is known that would tell more"
        yield _Part("look next", "Look next", _next(found.next_probe), nothing)


def _no_change(shown: Shown) -> str:
    """That nothing was changed is said of no history that could not be read."""
    blind = any(
        each.kind == "changes" and isinstance(each.outcome, Blind)
        for each in shown.board.readings.values()
    )
    return "no change is known before it" + (", but not all could be read" if blind else "")


def _few(texts: Sequence[str]) -> list[str]:
    more = [f"and {len(texts) - _MOST} more"] if len(texts) > _MOST else []
    return [*texts[:_MOST], *more]


def _change(change: Change, moment: datetime) -> str:
    target = change.target or change.resource
    return f"{change_words(change, moment)} on {safe(target, 80)}: {safe(change.summary)}"


def _link(link: ChainLink, moment: datetime) -> str:
    over = " (over)" if link.over else ""
    if link.at is None:
        return f"time unknown: {safe(link.name)}{over}"
    slack = link.slack.total_seconds()
    about = f" ± {duration(slack)}" if slack >= 1 else ""
    return f"{when(moment, link.at)}{about}: {safe(link.name)}{over}"


def _innocent(each: RuledOut, moment: datetime) -> str:
    name, at = safe(each.target, 80), when(moment, each.at)
    if each.by:
        return f"{name}, ruled out by {safe(each.by, 60)}, {at} (O in pane 1 takes it back)"
    looks = ", ".join(safe(probe, 60) for probe in each.probes)
    told = f"by {looks}, {ago(moment, each.at)} ago at {at}"
    if each.until is not None and each.until < moment:
        return f"{name}, no longer proven: {told}"
    until = f", holds until {when(moment, each.until)}" if each.until is not None else ""
    return f"{name}, {told}{until}"


def _next(look: str) -> Sequence[str]:
    """What to look at, with the key."""
    if not look:
        return ()
    if look.startswith("make "):
        return (f"{look}: its row in pane 3 says what to type",)
    if look.startswith("look at ") or _PROBE.fullmatch(look):
        return (f"{look}: r looks again at everything",)
    return (look,)
