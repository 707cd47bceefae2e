"""Who may have begun it: one story a line, a word in place of a score."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from textual.content import Content

from cockpit.triage.changes import Change
from cockpit.triage.suspects import JUDGED_BY, Suspect
from cockpit.triage.suspicion.certainty import Certainty
from cockpit.units import count
from screens.present.findings import unseen
from screens.present.lines import Part, cells, clip, clock, fit, joined, line, middle, safe, sides
from screens.shown import Shown

_WORDS = {
    Certainty.LIKELY: ("likely", "critical"),
    Certainty.POSSIBLE: ("possible", "high"),
    Certainty.UNCLEAR: ("cannot tell", "dim"),
}
_NAMES_MOST = 24
_ROOMY = 72
"""Cells from which one line has room for a time beside what is wrong."""
_CUT_LEAST = 24
"""Cells from which on the beginning of a part says something."""
_TODAY = timedelta(hours=20)
"""How old a moment may be whose clock says enough; an older one needs its date."""


def title(shown: Shown) -> Content:
    """`Prime suspects · still looking, 14 of 22`."""
    if looking := still_looking(shown):
        return line("Prime suspects · ", (looking, "warning"))
    return line("Prime suspects")


def still_looking(shown: Shown) -> str:
    """While the first sweep runs; empty afterwards."""
    progress, took = shown.status.sweep_progress, shown.status.sweep_took
    if progress is None or took is not None:
        return ""
    return f"still looking, {progress[0]} of {progress[1]}"


def cannot_tell(shown: Shown) -> Content | None:
    """What stands over the candidates where the first of them is unclear; None: it is not."""
    first = next(iter(shown.suspects), None)
    if first is None or first.verdict is not Certainty.UNCLEAR:
        return None
    return line(
        ("cannot tell", "warning bold"), f": {safe(first.reason)}", (" · candidates:", "dim")
    )


def draw(found: Suspect, shown: Shown, width: int) -> Content:
    """`1 likely   orders-db  since 02:43:10  97 of 100 connections used   explains 3 of 4 felt`."""
    quiet = cannot_tell(shown) is not None
    word, shade = _WORDS[found.verdict]
    if quiet and found.verdict is Certainty.UNCLEAR:
        word = "candidate"
    if quiet or found.verdict is Certainty.UNCLEAR:
        shade = "dim"
    names = min(_NAMES_MOST, max(cells(safe(each.name)) for each in shown.suspects))
    bold = shade if shade == "dim" else f"{shade} bold"
    head = line(
        (f"{found.rank} {fit(word, 11)} {middle(safe(found.name), names)} ", bold),
        (_since(found, shown.moment), "dim"),
        (_said(found), "accent"),
        (safe(found.summary), "dim" if quiet else ""),
    )
    room = max(width // 2, width - head.cell_length - 4)
    return sides(head, line("  ", _tail(found, shown.moment, room)), width)


def one_line(shown: Shown, width: int) -> Content:
    """The first suspect where there is one line for all of them."""
    if not shown.suspects:
        return line(" ", nobody(shown, width - 1))
    first, told = shown.suspects[0], ""
    if first.verdict is Certainty.UNCLEAR:
        names = ", ".join(safe(each.name, 40) for each in shown.suspects)
        why = line((" cannot tell", "warning bold"), f": {safe(first.reason)}")
        left = line(why, (f" · candidates {names}", "dim"))
    else:
        roomy = width >= _ROOMY
        word, shade = _WORDS[first.verdict]
        left = line(
            (f" {word} suspect ", f"{shade} bold"),
            (f"{safe(first.name)} ", "strong"),
            (_since(first, shown.moment) if roomy else "", "dim"),
            (_said(first), "accent"),
            safe(first.summary),
        )
        told = explains(first) if roomy else explains(first).removeprefix("explains ")
    tail = [line((each, "dim")) for each in (still_looking(shown), told) if each]
    return sides(left, line("  ", joined(tail), " "), width)


def nobody(shown: Shown, width: int) -> Content:
    """Why no suspect is named; that nothing is wrong only where everything was seen."""
    told: list[Part] = []
    if by := ", ".join(
        f"{safe(r.target, 60)} by {safe(r.by, 40)}" for r in shown.ruled_out if r.by
    ):
        told += [("ruled out: ", "dim"), f"{by} (O takes it back) · "]
    dark = list(dict.fromkeys(name for row in unseen(shown.board) for name in row.targets))
    if looking := still_looking(shown):
        told += [("No suspect so far: ", "dim"), (looking, "warning")]
    elif dark:
        more = f" +{len(dark) - 1}" if len(dark) > 1 else ""
        told += [("No suspect in what is seen. ", "dim"), f"Unseen: {safe(dark[0], 60)}{more}"]
    else:
        told += [("No suspect. Judged by: ", "dim"), (JUDGED_BY, "faint")]
    return clip(line(*told), width)


def explains(found: Suspect) -> str:
    """`explains 3 of 4 felt`; where users feel nothing, how many findings."""
    explained, felt = found.felt
    if felt:
        return f"explains {explained} of {felt} felt"
    return f"explains {count(len(found.explains), 'finding')}" if found.explains else ""


def change_words(change: Change, moment: datetime) -> str:
    """`ecs.deployment at 02:35:12 by ci-deployer`."""
    by = f" by {safe(change.actor, 40)}" if change.actor else ""
    return f"{safe(change.kind, 60)} at {when(moment, change.at)}{by}"


def when(moment: datetime, then: datetime) -> str:
    """`02:43:10` in UTC, with the date where it was not lately."""
    day = f"{then:%Y-%m-%d} " if abs(moment - then) > _TODAY else ""
    return day + clock(then)


def _since(found: Suspect, moment: datetime) -> str:
    return f"since {when(moment, found.began)}  " if found.began is not None else ""


def _said(found: Suspect) -> str:
    return f"this is it, says {safe(found.said, 40)} · " if found.said else ""


def _tail(found: Suspect, moment: datetime, room: int) -> Content:
    """As much as there is room for; what it explains and what is unseen before why now."""
    told = line("")
    for part in _parts(found, moment):
        longer = joined([told, part]) if told.plain else part
        if longer.cell_length <= room or room - told.cell_length >= _CUT_LEAST:
            told = clip(longer, room)
    return told


def _parts(found: Suspect, moment: datetime) -> Iterator[Content]:
    if words := explains(found):
        yield line((words, "dim"))
    if found.not_examined:
        more = f" +{len(found.not_examined) - 1}" if len(found.not_examined) > 1 else ""
        yield line((f"unseen: {safe(found.not_examined[0], 32)}{more}", "blind"))
    if found.change is not None and found.change.kind not in found.summary:
        yield line((f"after {change_words(found.change, moment)}", "dim"))
