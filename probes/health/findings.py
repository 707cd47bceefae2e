"""Findings about what AWS itself says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration
from probes.began import TOLD, told
from probes.health.model import CHANGE, ENTITY_STATUSES, NOTICE, HealthEvent, Snapshot

_SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How soon, and how bad."""

    upcoming: float = 86_400
    """Seconds before a scheduled change from which on it is told."""
    named: Thresholds = Thresholds(critical=1)
    """Targets of ours that an open event names."""
    service: Thresholds = Thresholds(info=0, warning=1)
    """Targets of ours that are under its service, or are named by a change that will come."""


def _shown(snapshot: Snapshot, event: HealthEvent) -> tuple[Evidence, ...]:
    starts = f"{event.start:%Y-%m-%d %H:%M} UTC" if event.start else None
    updated = (snapshot.at - event.updated).total_seconds() if event.updated else None
    named = ", ".join(f"{e.name} {e.status}" for e in event.entities[:_SHOWN])
    return (
        Evidence("AWS says", event.text or None),
        Evidence("began", starts),
        Evidence("updated", updated, "s ago"),
        Evidence("category", event.category),
        Evidence("scope", event.scope or None),
        *((Evidence("AWS asks", event.asks.replace("_", " ").lower()),) if event.asks else ()),
        Evidence("zone", event.zone or "not told"),
        Evidence("named", named or "nothing of the account"),
        Evidence("targets under it", ", ".join(event.targets[:_SHOWN]) or "none"),
    )


def _words(event: HealthEvent) -> str:
    return f"{event.service} in {event.zone or event.region or 'no region'}: {event.code}"


def _under(event: HealthEvent, settings: Settings) -> Severity | None:
    return settings.service.grade(len({*event.targets, *event.hit}))


def open_events(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """AWS has an event open here.

    Critical when it names one of our targets, a warning when targets are under its service. AWS
    tells 15 to 60 minutes late, closes late too, and a public event may be another zone's: what the
    targets show themselves counts more.
    """
    for event in snapshot.events:
        if event.status != "open" or event.category == NOTICE or not event.known:
            continue
        hit = event.hit
        severity = settings.named.grade(len(hit)) or _under(event, settings)
        if severity is None:
            continue
        since = (
            f", for {duration((snapshot.at - event.start).total_seconds())}" if event.start else ""
        )
        yield Finding(
            "AWS_EVENT_OPEN",
            severity,
            f"{_words(event)}{since}{': ' + ', '.join(hit[:_SHOWN]) if hit else ''}",
            subject=event.arn.rpartition("/")[2],
            evidence=_shown(snapshot, event),
            against=("it is public: it may not concern this account",)
            if event.scope == "PUBLIC" and not hit
            else (),
            next=_next(event),
            began=told(event.start, snapshot.at),
            resolution=TOLD,
        )


def _next(event: HealthEvent) -> str:
    """What AWS asks of the customer goes before what is true of most events."""
    if event.asks == "ACTION_REQUIRED":
        return "AWS says that you have to act: do what its text asks for"
    if event.asks == "ACTION_MAY_BE_REQUIRED":
        return "read AWS's text: it may ask something of you; else move away or wait"
    if event.hit or event.targets:
        return "nothing of ours repairs it: move away from the zone or the region, or wait"
    return "keep it in mind while looking for a cause"


def upcoming(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """AWS will change something within a day: a reboot, a retirement, a certificate."""
    for event in snapshot.events:
        if event.status != "upcoming" or event.category != CHANGE or event.start is None:
            continue
        left = (event.start - snapshot.at).total_seconds()
        if left > settings.upcoming:
            continue
        hit, severity = event.hit, _under(event, settings)
        if severity is None:
            continue
        when = f"in {duration(left)}" if left > 0 else "now"
        yield Finding(
            "AWS_CHANGE_UPCOMING",
            severity,
            f"{_words(event)} {when}{': ' + ', '.join(hit[:_SHOWN]) if hit else ''}",
            subject=event.arn.rpartition("/")[2],
            evidence=_shown(snapshot, event),
            next="do it before at a time of your own, or be there when it happens",
        )


def unknown(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A status or a category that is in none of the cockpit's tables: told as AWS says it."""
    for event in snapshot.events:
        words = (
            [] if event.known else [event.status or "no status", event.category or "no category"]
        )
        words += sorted({e.status for e in event.entities if e.status not in ENTITY_STATUSES})
        if words:
            yield Finding(
                "HEALTH_STATUS_UNKNOWN",
                Severity.WARNING if event.targets or event.hit else Severity.INFO,
                f"{_words(event)} is {', '.join(words)}",
                subject=event.arn.rpartition("/")[2],
                evidence=_shown(snapshot, event),
                next="look it up in the AWS Health API reference",
            )
