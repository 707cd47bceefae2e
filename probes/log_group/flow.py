"""Findings about how much comes: more errors than usual, new ones, nothing any more."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.connect.session import Series
from cockpit.logs.shapes import FIELD
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import count, duration, number
from probes.baseline import LEAST, before
from probes.began import POINTS, TOLD, ended_since, reached_since
from probes.log_group.model import WINDOW, Snapshot
from probes.log_group.settings import Settings
from probes.log_group.troubles import partly_read, shape_evidence
from probes.metrics import held, history, is_blind, mean, settled, total

_NEW_SHOWN = 3
_SUBJECT = 80


def rising(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_ERRORS_RISING: Lines of errors come much faster than in the three hours before.

    Three of the last five minutes have to be over the limit. Where so many come that the window
    could not be read to its end, the pace of what was read counts.
    """
    if snapshot.usual is None:
        return
    base = max(snapshot.usual, settings.rising_from / (settings.rising.first or 1))
    times = settings.rising
    limits = Thresholds(
        info=times.info and times.info * base,
        warning=times.warning and times.warning * base,
        high=times.high and times.high * base,
        critical=times.critical and times.critical * base,
    )
    cut = snapshot.until is not None and snapshot.covered > 0
    pace = snapshot.read / snapshot.covered if cut else mean(snapshot.each_minute)
    severity = limits.grade(pace) if cut else held(snapshot.each_minute, limits)
    if severity is None or pace is None:
        return
    yield Finding(
        "LOG_ERRORS_RISING",
        severity,
        f"{number(round(pace))} lines of errors a minute, usually {number(round(snapshot.usual))}",
        evidence=(
            Evidence(
                "lines of errors",
                round(pace, 1),
                "/min",
                limit=limits.first,
                history=history(snapshot.each_minute),
            ),
            Evidence("median of 3 hours", round(snapshot.usual, 1), "/min"),
            *shape_evidence(snapshot.patterns),
            *partly_read(snapshot),
        ),
        likely=("a release", "a dependency that is down or slow", "more load than usual"),
        against=("a release that only logs more makes more lines, and no more errors",),
        next="read the lines (L): the patterns that are new stand first",
        fact=False,
        began=reached_since(snapshot.each_minute, limits),
        resolution=POINTS,
    )


def new_patterns(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_NEW_PATTERN: Lines of a shape that the hour before has none of. What is new since the
    trouble began is nearest to its cause; numbers, ids and quoted text do not count as new.
    """
    young = [
        each
        for each in snapshot.patterns
        if each.new_since is not None and each.kind != FIELD
        if snapshot.in_window(each.count) >= settings.new_pattern
    ]
    for each in young[:_NEW_SHOWN]:
        yield Finding(
            "LOG_NEW_PATTERN",
            Severity.WARNING,
            f"new since {each.new_since:%H:%M}: {each.shape}",
            subject=each.shape[:_SUBJECT],
            evidence=(
                Evidence("lines", each.count, limit=settings.new_pattern),
                Evidence("in the hour before", each.before),
                Evidence("streams", each.streams),
                Evidence("last", f"{each.last:%H:%M:%S} UTC"),
                *partly_read(snapshot),
            ),
            likely=("a release", "a dependency that answers otherwise"),
            against=()
            if snapshot.compared_whole
            else ("the hour before has too many lines of errors to read all of them",),
            next="what changed right before? (C) Read the lines (L)",
            fact=False,
            began=each.new_since,
            resolution=TOLD,
        )


def silent(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_SILENT: No line comes any more, where usually many do. The program may be gone, or what
    carries its lines: then the next trouble will be seen by nobody.

    Metrics of CloudWatch Logs have no point in a minute without a line, so it is asked by a reading
    whether there is any. Critical where the function that writes here is called all the same.
    """
    series = snapshot.events
    points = before(series, snapshot.at)
    if is_blind(series) or len(points) < LEAST or snapshot.confirmed_silent is False:
        return
    usual = sorted(points)[len(points) // 2]
    if usual <= settings.usually or total(quiet(snapshot, settings.silent_after)):
        return
    called = total(settled(snapshot.called, snapshot.at, minutes=settings.silent_after))
    silent_for = (snapshot.at - series.times[-1]).total_seconds()
    yield Finding(
        "LOG_SILENT",
        Severity.CRITICAL if called else Severity.WARNING,
        f"no line has come for {duration(silent_for)}; usually {number(round(usual))} a minute",
        evidence=(
            Evidence("lines a minute", 0, "/min"),
            Evidence("median of 3 hours", usual, "/min", history=history(series)),
            *((Evidence(f"calls of {snapshot.function}", called),) if called is not None else ()),
        ),
        likely=(
            "whoever writes here is down, or gets no work",
            "its role lost logs:PutLogEvents",
            "the agent or driver that carries the lines stopped",
            "it writes to another group since a release",
        ),
        against=()
        if snapshot.confirmed_silent
        else ("told by a metric alone: lines could not be read",),
        next="does what writes here still work, and where does it write to?",
        fact=False,
        began=ended_since(series),
        resolution=POINTS,
    )


def quiet(snapshot: Snapshot, minutes: float) -> Series:
    """The points of the minutes in which a line would end the silence."""
    return settled(snapshot.events, snapshot.at, minutes=minutes)


def delivery(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_DELIVERY_FAILING: A subscription cannot deliver what comes in. What it feeds (a search,
    an alarm, an archive) lacks these lines; here they are still there.
    """
    for each in snapshot.deliveries:
        failed = total(settled(each.errors, snapshot.at, minutes=15))
        held_back = total(settled(each.throttled, snapshot.at, minutes=15))
        lost = (failed or 0) + (held_back or 0)
        severity = settings.delivery.grade(lost)
        if severity is None:
            continue
        yield Finding(
            "LOG_DELIVERY_FAILING",
            severity,
            f"{number(lost)} events were not delivered to {each.name} in 15 minutes",
            subject=each.name,
            evidence=(
                Evidence("errors", failed, limit=settings.delivery.first),
                Evidence("throttled", held_back),
            ),
            likely=("the destination is down or full", "its policy lets nobody deliver any more"),
            next="look at the subscription's destination",
            fact=False,
        )


def counted(snapshot: Snapshot) -> str:
    """`12 in 5 min`, as far as it is known."""
    if not snapshot.lines_read:
        return "unknown"
    more = "more than " if snapshot.until is not None else ""
    return f"{more}{count(snapshot.read, 'line')} in {WINDOW} min"
