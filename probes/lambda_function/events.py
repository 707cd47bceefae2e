"""Findings about events that wait, that are lost, and about what Lambda polls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration, number
from probes.began import POINTS, counted_since, reached_since
from probes.lambda_function.model import EventSource, Snapshot, now, of_hours
from probes.lambda_function.settings import Settings
from probes.metrics import held, history, latest, settled, together, total

_MOVING = frozenset({"Creating", "Enabling", "Updating"})
_OFF = frozenset({"Disabled", "Disabling", "Deleting"})


def backlog(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Events get old before the function gets them.

    LAMBDA_ASYNC_BACKLOG: Asynchronous events wait in Lambda's own queue: throttles, or retries.

    LAMBDA_STREAM_BEHIND: The oldest record of the last batch is that old: a batch that fails holds
    up its whole shard until it expires. Records older than the stream's retention are lost.
    """
    for code, series, limits, causes in (
        (
            "LAMBDA_ASYNC_BACKLOG",
            snapshot.async_age,
            settings.async_age,
            ("throttles", "a bad event that is tried again", "a surge of events"),
        ),
        (
            "LAMBDA_STREAM_BEHIND",
            snapshot.iterator_age,
            settings.stream_age,
            ("a batch that fails again and again", "slower processing", "too few shards"),
        ),
    ):
        window = settled(series, snapshot.at)
        severity = held(window, _milliseconds(limits), need=2)
        age = latest(window)
        if severity is None or age is None:
            continue
        kind = "asynchronous events" if code == "LAMBDA_ASYNC_BACKLOG" else "records of its stream"
        yield Finding(
            code,
            severity,
            f"{kind} wait for {duration(age / 1000)}",
            evidence=(
                Evidence("age", age / 1000, "s", limit=limits.first, history=history(window)),
                *(
                    Evidence(_source(each), f"{each.state}: {each.result}")
                    for each in _told(snapshot)
                ),
            ),
            likely=causes,
            next="are invocations failing or throttled? then that first",
            fact=False,
            began=reached_since(of_hours(snapshot, series), _milliseconds(limits)),
            resolution=POINTS,
        )


def _milliseconds(limits: Thresholds) -> Thresholds:
    warning, critical = limits.warning, limits.critical
    return Thresholds(
        warning=None if warning is None else warning * 1000,
        critical=None if critical is None else critical * 1000,
    )


def _told(snapshot: Snapshot) -> tuple[EventSource, ...]:
    return tuple(each for each in snapshot.mappings if each.result)[:3]


def _source(mapping: EventSource) -> str:
    return mapping.source.rpartition(":")[2] or mapping.id


def lost(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Events were dropped, or could not be put where failed events go: nobody will retry them.

    A dead letter queue or destination that cannot be written to (its policy, its key, its name) is
    told here, since then even the failed event is gone.
    """
    counted = {
        "dropped": snapshot.async_dropped,
        "not written to the dead letter queue": snapshot.dead_letter_errors,
        "not delivered to the destination": snapshot.destination_failures,
    }
    sums = {name: total(settled(each, snapshot.at, minutes=15)) for name, each in counted.items()}
    gone = sum(value or 0 for value in sums.values())
    if not gone:
        return
    yield Finding(
        "LAMBDA_EVENTS_LOST",
        Severity.CRITICAL,
        f"{number(gone)} asynchronous events were lost in 15 minutes",
        evidence=tuple(Evidence(name, value) for name, value in sums.items()),
        likely=(
            "they failed three times, or got too old while it was throttled",
            "its role may not write to the dead letter queue or destination",
        ),
        next="find what fails; then the events have to be sent again by whoever has them",
        fact=False,
        began=_first_lost(snapshot),
        resolution=POINTS,
    )


def _first_lost(snapshot: Snapshot) -> datetime | None:
    lost = together(
        snapshot.async_dropped, snapshot.dead_letter_errors, snapshot.destination_failures
    )
    return counted_since(of_hours(snapshot, lost), of_hours(snapshot, snapshot.invocations))


def mappings(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What Lambda polls for the function.

    LAMBDA_MAPPING_DISABLED: A source is not polled: its events get old. Lambda disables a mapping
    by itself too, when it has no right to read the source for long.

    LAMBDA_MAPPING_FAILING: Lambda says that it cannot read the source or hand its records over.

    LAMBDA_STATUS_UNKNOWN: A state that is not in the cockpit's table.
    """
    for each in snapshot.mappings:
        shown = (
            Evidence("state", each.state),
            Evidence("reason", each.reason or None),
            Evidence("last result", each.result or None),
            Evidence("mapping", each.id),
        )
        if each.state in _OFF or each.state in _MOVING:
            off = each.state in _OFF
            yield Finding(
                "LAMBDA_MAPPING_DISABLED",
                Severity.WARNING if off else Severity.INFO,
                f"{_source(each)} is not polled: the mapping is {each.state}",
                subject=each.id,
                evidence=shown,
                likely=("somebody paused it", "it lost the right to read the source"),
                against=("it may be paused on purpose",) if off else ("it passes by itself",),
                next="enable it when the reason is gone: the source has kept its events so far",
            )
        elif each.state != "Enabled":
            yield Finding(
                "LAMBDA_STATUS_UNKNOWN",
                Severity.WARNING,
                f"the mapping of {_source(each)} is {each.state or 'in no state that is told'}",
                subject=each.id,
                evidence=shown,
                next="look it up in the Lambda API reference",
            )
        elif each.result.startswith("PROBLEM"):
            yield Finding(
                "LAMBDA_MAPPING_FAILING",
                Severity.WARNING,
                f"{_source(each)}: {each.result}",
                subject=each.id,
                evidence=shown,
                likely=("the function fails on a batch", "its role may not read the source"),
                next="is the function failing? else its role's rights on the source",
            )


def recursion(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Lambda stopped a loop: the function's own output invoked it again and again.

    It stops a chain after about sixteen invocations through SQS, SNS or S3, and drops the event.
    """
    stopped = total(now(snapshot, snapshot.recursion_stopped))
    if stopped:
        yield Finding(
            "LAMBDA_RECURSION_STOPPED",
            Severity.CRITICAL,
            f"Lambda stopped {number(stopped)} invocations of a loop",
            evidence=(Evidence("stopped", stopped),),
            likely=("it writes where it is triggered from: a bucket, a queue, a topic",),
            next="pause the trigger, then separate where it reads from where it writes",
            fact=False,
            began=counted_since(
                of_hours(snapshot, snapshot.recursion_stopped),
                of_hours(snapshot, snapshot.invocations),
            ),
            resolution=POINTS,
        )
