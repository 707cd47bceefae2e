"""Alarms that cannot page us now: muted, switched off, without data, warming up, not evaluated.

What is quiet is not well: an alarm that could not have rung says nothing of what it watches.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration
from probes.alarms.model import Alarm, Mute, Settings, Snapshot, held, matches, metric_of
from probes.began import TOLD, told

_FAILS = frozenset({"EVALUATION_FAILURE", "EVALUATION_ERROR"})


def by(mute: Mute) -> str:
    """`by deploys until 03:40 UTC`, or in which of its windows."""
    until = f"until {mute.until:%d %b %H:%M} UTC" if mute.until else f"in {mute.schedule}"
    return f"by {mute.rule} {until}"


def warming(snapshot: Snapshot, alarm: Alarm) -> bool:
    """Whether it may still wait for its first data, on purpose."""
    if alarm.state != "INSUFFICIENT_DATA" or alarm.changed_at is None:
        return False
    return (snapshot.at - alarm.changed_at).total_seconds() < alarm.warm_up


def why_quiet(snapshot: Snapshot, alarm: Alarm) -> str:
    """Why it could not page anybody now, in a word or two; empty: it could."""
    if alarm.state == "ALARM":
        return ""
    if snapshot.muted(alarm.name) is not None:
        return "muted by a rule"
    if not alarm.actions_enabled:
        return "switched off"
    if alarm.suppressed_by:
        return "suppressed"
    if alarm.evaluation in _FAILS:
        return "not evaluated"
    if warming(snapshot, alarm):
        return "warming up"
    if alarm.state == "INSUFFICIENT_DATA":
        return "without data"
    if alarm.unread or alarm.state != "OK":
        return "of a kind that is not read"
    return ""


def cannot_page(snapshot: Snapshot, settings: Settings) -> str:
    """What cannot page us now, in one line; empty: everything that was seen can."""
    reasons: dict[str, int] = {}
    for alarm in judged(snapshot, settings):
        if why := why_quiet(snapshot, alarm):
            reasons[why] = reasons.get(why, 0) + 1
    parts = [f"{number} {why}" for why, number in reasons.items()]
    parts += [f"{what} not seen" for what in snapshot.unseen]
    return f"cannot page us now: {', '.join(parts)}" if parts else ""


def judged(snapshot: Snapshot, settings: Settings) -> Iterator[Alarm]:
    """The alarms that are there for people."""
    for alarm in snapshot.alarms:
        if not alarm.scaling and not matches(alarm.name, settings.ignore):
            yield alarm


def silent(snapshot: Snapshot, alarm: Alarm) -> Iterator[Finding]:
    """The alarm is in ALARM and nobody is told of it.

    Its actions are muted by a rule, disabled, suppressed, failed, or it has none. Whoever relies on
    being paged does not know yet. Told of all alarms together (information) where some could not
    page us at all: muted by a rule, or still waiting for their first data.
    """
    failed = [
        past.summary
        for past in snapshot.past or ()
        if past.alarm == alarm.name and past.kind == "Action" and "ailed" in past.summary
    ]
    mute = snapshot.muted(alarm.name)
    why = (
        f"it is muted {by(mute)}"
        if mute is not None
        else "its actions are disabled"
        if not alarm.actions_enabled
        else f"its actions are suppressed by {alarm.suppressed_by}"
        if alarm.suppressed_by
        else "it has no action"
        if not alarm.actions
        else f"its action failed: {failed[0]}"
        if failed
        else ""
    )
    if why:
        yield Finding(
            "ALARM_SILENT",
            Severity.WARNING,
            f"{alarm.name} fires, and nobody is told: {why}",
            subject=alarm.name,
            evidence=(Evidence("actions", len(alarm.actions)), Evidence("why", why)),
            likely=("a planned mute", "a topic or permission that was deleted"),
            next="ask whether it was muted on purpose",
        )


def muted(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Alarms would page nobody if they rang now, on purpose.

    A rule mutes them, or they are new and wait for data. Whoever waits for a page waits until then
    at least, so look at what they watch.
    """
    there = [*judged(snapshot, settings)]
    waiting = [each for each in there if warming(snapshot, each)]
    quiet = [each for each in there if each.state != "ALARM" and snapshot.muted(each.name)]
    if not quiet and not waiting:
        return
    rules = [mute for mute in snapshot.mutes if {each.name for each in quiet} & {*mute.alarms}]
    yield Finding(
        "ALARM_SILENT",
        Severity.INFO,
        f"of {count(len(there), 'alarm')} {cannot_page(snapshot, settings)}",
        evidence=(
            *(Evidence("muted", by(mute)) for mute in rules[:5]),
            *(Evidence("muted alarm", each.name) for each in quiet[:5]),
            *(Evidence("warms up", each.name) for each in waiting[:5]),
        ),
        likely=("a planned mute", "alarms that were just made"),
        next="look at what they watch, and ask whether the mute is still wanted",
    )


def blind(snapshot: Snapshot, alarm: Alarm, *, settings: Settings) -> Iterator[Finding]:
    """The alarm cannot tell whether all is well.

    Its metric brings no data, or its evaluation fails behind an OK that is an old one. It would not
    fire now, so look at the resource itself. Without data for longer than `idle` the resource is
    most likely gone (information).
    """
    since = held(snapshot, alarm)
    if alarm.evaluation:
        why, severity = f"its evaluation says {alarm.evaluation}", Severity.WARNING
    elif alarm.state == "INSUFFICIENT_DATA":
        enough = settings.blind_periods * (alarm.window or 60)
        new = alarm.changed_at and (snapshot.at - alarm.changed_at).total_seconds() < enough
        if since is None or since < enough or new or warming(snapshot, alarm):
            return
        why = f"no data for {duration(since)}"
        severity = Severity.INFO if since > settings.idle else Severity.WARNING
    else:
        return
    yield Finding(
        "ALARM_BLIND",
        severity,
        f"{alarm.name} cannot tell: {why}",
        subject=alarm.name,
        evidence=(
            Evidence("state", alarm.state),
            Evidence("in this state for", since, "s"),
            Evidence("metric", metric_of(alarm)),
        ),
        likely=("the resource is gone or idle", "the metric's agent or permission is gone"),
        next="look whether the metric still has points",
        fact=False,
        began=told(alarm.since, snapshot.at) if alarm.state == "INSUFFICIENT_DATA" else None,
        resolution=TOLD,
    )


def missing(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """No alarm watches a target that must page somebody.

    Its outage is seen by whoever looks here, and by nobody else. Told for the targets that
    `watched` names; an alarm watches a target when a dimension of a metric that it judges names it.
    """
    names = [name for name in snapshot.unwatched if matches(name, settings.watched)]
    if not names or snapshot.unseen:
        return
    yield Finding(
        "ALARM_MISSING",
        Severity.INFO,
        f"no alarm watches {', '.join(names[:5])}"
        + (f" and {len(names) - 5} more" if len(names) > 5 else ""),
        evidence=tuple(Evidence("without an alarm", name) for name in names[:8]),
        likely=("it is new", "its alarm watches the one that was there before"),
        next="make an alarm for what its users feel, after the incident",
    )
