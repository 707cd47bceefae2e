"""The two lines that are always there, and the banners under them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from textual.content import Content

from cockpit.connect.role import Role
from cockpit.triage.probe import Blind
from cockpit.units import count, duration, number
from screens.present.lines import (
    Part,
    clip,
    clock,
    countdown,
    line,
    safe,
    short_clock,
    sides,
    since,
)
from screens.present.places import dark_line
from screens.shown import Shown

if TYPE_CHECKING:
    from cockpit.desk.status import DeskStatus

_ROOMY = 50
"""Cells from which the badge is told in full."""
_OVER = frozenset({"resolved", "closed"})
"""States that are told however little room there is."""
_NAMED = 2
"""Accounts or regions that have room for their names."""
_COUNTS = 0.005
"""US dollars an hour from which on it is told what they are spent on: half a cent."""
_WIDE = 120
"""Cells from which the calls that wait for their turn are told in the header too."""
_WIDEST = 160
"""Cells from which the header tells what most of the money is spent on."""
_SOON = 300
"""Seconds before an update is due when its countdown turns yellow."""


def badge(role: Role) -> Content:
    """Who may do what. No setting hides it."""
    if role is Role.COMMANDER:
        return line((" COMMANDER ", "commander"))
    return line((" TRIAGE read-only ", "triage"))


def short_badge(role: Role, width: int) -> Content:
    """The badge, in one short word where there is no room for more."""
    if width >= _ROOMY:
        return badge(role)
    return line((" CMD " if role is Role.COMMANDER else " TRIAGE ", role.value))


def header(shown: Shown, width: int, *, rows: int = 2) -> list[Content]:
    """The header in one line (tiny terminals) or two."""
    if rows < 2:
        return [sides(_only_line(shown, width), _tiny_right(shown), width)]
    return [
        sides(_what(shown, width), _when(shown, width), width),
        _second(shown, width),
    ]


def _only_line(shown: Shown, width: int) -> Content:
    mark = short_badge(shown.status.role, width)
    over = f"{shown.incident.status} " if shown.incident.status in _OVER else ""
    level = (shown.incident.severity, "bold")
    return line(mark, " ", level, f" {over}", safe(shown.incident.title))


def _tiny_right(shown: Shown) -> Content:
    return _pace(shown)


def _what(shown: Shown, width: int) -> Content:
    incident = shown.incident
    level = "level-high" if incident.severity in {"P0", "P1"} else "level"
    parts: list[Part] = [
        (f" {incident.id}", "strong"),
        f"  {safe(incident.title, 80)}  " if width >= 110 else f" {safe(incident.title, 60)} ",
        (f" {incident.severity} ", level),
    ]
    if width >= 100 or incident.status in _OVER:
        parts += ["  ", ("● ", _status_tone(incident.status)), incident.status]
    return line(*parts)


def _status_tone(status: str) -> str:
    return {"investigating": "high", "identified": "warning", "mitigated": "info"}.get(status, "ok")


def _when(shown: Shown, width: int) -> Content:
    elapsed = duration(since(shown.moment, shown.incident.opened_at))
    parts: list[Part] = []
    if width >= 110:
        parts += [f"since {short_clock(shown.incident.opened_at)} UTC", (" · ", "faint")]
    parts.append((elapsed, "strong"))
    if shown.next_update is not None:
        left = (shown.next_update - shown.moment).total_seconds()
        late = left < 0
        look = "critical bold" if late else "warning bold" if left < _SOON else "bold"
        word = "update late" if late else "next update in" if width >= 110 else "update in"
        parts += [(" · ", "faint"), f"{word} ", (countdown(left), look)]
    return line(*parts, " ")


def _second(shown: Shown, width: int) -> Content:
    """Where, the badge, who, how. Everything else gives way before the badge does."""
    status = shown.status
    accounts, regions = _few(status.account, "account"), _few(status.region, "region")
    names = [status.environment, accounts if width >= 100 else "", regions]
    place = " · ".join(safe(name, 60) for name in names if name)
    mark = badge(status.role)
    pace = line(_pace(shown), " ")
    spare = width - mark.cell_length - pace.cell_length - 6
    kept = clip(line((f" {place}", "dim")), max(0, spare))
    left = line(kept, "  ", mark, "  ")
    right = _how(shown, width)
    if left.cell_length + right.cell_length > width:
        right = pace
    room = width - left.cell_length - right.cell_length
    who = safe(status.actor, 30)
    if status.watching and width >= 100:
        who += f" · {status.watching} watching"
    named = clip(line((who, "dim")), max(0, room - 1))
    return sides(line(left, named), right, width)


def _few(joined: str, word: str) -> str:
    """Two by their names, more by how many they are."""
    named = joined.split("+")
    return joined if len(named) <= _NAMED else count(len(named), word)


def _how(shown: Shown, width: int) -> Content:
    status = shown.status
    words = [count(status.probes, "probe")]
    if width >= 100:
        words += [count(status.calls, "call"), _money(status, width)]
    parts: list[Part] = [(" · ".join(words), "dim")]
    waiting = sum(sum(place.waiting.values()) for place in status.places.values())
    if waiting and width >= _WIDE:
        parts += [(" · ", "faint"), (f"{number(waiting)} waiting", "dim")]
    if status.throttled:
        parts += [(" · ", "faint"), (f"{number(status.throttled)} throttled", "warning")]
    parts += [(" · ", "faint"), (_sweep(shown), "dim"), "  ", _pace(shown)]
    return line(*parts, " ")


def _money(status: DeskStatus, width: int) -> str:
    """What was spent, what an hour costs of what it may, and on what most of it goes."""
    spent = f"${status.usd:,.3f}"
    if not status.budget:
        return spent
    spent += f", ${status.usd_per_hour:,.2f}/h of ${status.budget:,g}"
    return f"{spent}{_most_of_it(status)}" if width >= _WIDEST else spent


def _most_of_it(status: DeskStatus) -> str:
    """`, 41% RDS`; empty while nothing that counts is spent."""
    if status.usd_per_hour < _COUNTS:
        return ""
    on, usd = max(status.spent_on.items(), key=lambda part: part[1], default=("", 0.0))
    name = safe(on.removeprefix("AWS/"), 16)
    return f", {usd / status.usd_per_hour:.0%} {name}" if name else ""


def _sweep(shown: Shown) -> str:
    progress, took = shown.status.sweep_progress, shown.status.sweep_took
    if progress is not None and progress[0] < progress[1]:
        return f"sweep {progress[0]} of {progress[1]}"
    return "sweep …" if took is None else f"sweep {took:.1f}s"


def _pace(shown: Shown) -> Content:
    if shown.frozen is not None:
        return line(("■ frozen", "info bold"))
    if shown.status.degraded:
        return line(("▲ degraded", "critical bold"))
    if _nothing_seen(shown):
        return line(("? blind", "blind bold"))
    return line(("● live", "ok"), *_slowed(shown.status))


def _slowed(status: DeskStatus) -> list[Part]:
    """What the budget makes us see later, and that it is not kept even so. Never left out."""
    if not status.metrics_every:
        return []
    over = " and over budget" if status.usd_per_hour > status.budget else ""
    every = duration(status.metrics_every)
    return [(" · ", "faint"), (f"metrics every {every}{over}", "warning")]


def _nothing_seen(shown: Shown) -> list[Blind]:
    """Every look's reason, when the first sweep is over and not one look sees anything."""
    found: list[Blind] = []
    for reading in shown.board.readings.values():
        if isinstance(reading.outcome, Blind):
            found.append(reading.outcome)
        elif reading.took:  # what the record says of promises is no look, and takes no time
            return []
    return found if shown.status.sweep_took is not None else []


def _blind_line(shown: Shown, blind: list[Blind]) -> Content:
    """Why, and what to type where one line helps all of it: that first, since the end is cut."""
    reasons = Counter(str(each.reason) for each in blind).most_common()
    told = ", ".join(f"{word} {number(times)}" for word, times in reasons)
    last = max((reading.at for reading in shown.last_seen.values()), default=None)
    before = f"what stands below is of {clock(last)} UTC or before" if last else "nothing was"
    cures = {each.hint for each in blind}
    cure = cures.pop() if len(reasons) == len(cures) == 1 else ""
    first = f" {reasons[0][0]}: {safe(cure, 200)} ·" if cure else ""
    return line(
        (" BLIND ", "blind bold"),
        (f"{first} nothing can be seen: all {count(len(blind), 'look')} fail ({told})", "strong"),
        f" · {before}",
    )


def banner(shown: Shown, missed: int, width: int) -> Content | None:
    """The line under the header: degraded, frozen, that nothing can be seen, only watching, a
    redirected endpoint, a place that is not seen; None when all is well and live.

    `missed` counts the entries that were recorded since the freeze.
    """
    if shown.status.degraded:
        text = f" DEGRADED  {safe(shown.status.degraded)}"
        return line((text.ljust(width), "alert"))
    if shown.frozen is not None:
        text = (
            f" FROZEN at {clock(shown.frozen)} UTC · the record goes on, {number(missed)} new "
            "· space goes live "
        )
        return line((text.ljust(width), "frozen"))
    if blind := _nothing_seen(shown):
        return clip(_blind_line(shown, blind), width)
    if shown.status.only_watches:
        text = f" WATCHING  {safe(shown.status.only_watches)}"
        return line((text.ljust(width), "frozen"))
    if shown.status.redirected:
        text = (
            f" NOT AWS  asked at {safe(shown.status.redirected)} by AWS_ENDPOINT_URL or a profile"
        )
        return line((text.ljust(width), "alert"))
    return dark_line(shown, width)
