"""Findings about a queue: what waits, what is held, what died, and who no longer sends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import duration, number, percent
from probes.baseline import usual
from probes.began import POINTS, ago, bad_since, ended_since
from probes.metrics import NO_DATA, held, history, is_blind, latest, settled, total
from probes.sqs.model import Snapshot
from probes.sqs.settings import Settings

_MOST = 120_000
"""Messages in flight that SQS lets; in FIFO queues too, since November 2024."""
_MOVES = frozenset({"RUNNING", "COMPLETED", "CANCELLING", "CANCELLED", "FAILED"})


def _shown(snapshot: Snapshot) -> tuple[Evidence, ...]:
    return (
        Evidence("waiting", snapshot.visible),
        Evidence("in flight", snapshot.in_flight),
        Evidence("delayed", snapshot.delayed),
        Evidence("received in 5 min", total(settled(snapshot.received, snapshot.at))),
        Evidence("deleted in 5 min", total(settled(snapshot.deleted, snapshot.at))),
    )


def _hours(snapshot: Snapshot, series: Series) -> Series:
    """All of it that will not change any more."""
    return settled(series, snapshot.at, minutes=180)


def _waits_since(series: Series, age: float) -> datetime | None:
    """When the message came that was that old within the newest minute."""
    return ago(series.times[-1] + timedelta(seconds=60), age)


def oldest(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The oldest message waits for long.

    SQS_OLDEST_MESSAGE: Consumers are too slow, too few, or gone. One message that always fails (a
    poison pill) keeps the age high too, until it goes to the dead letter queue.

    SQS_RETENTION_NEAR: What gets older than the retention is deleted, and nobody is told. A dead
    letter queue counts the age from the first queue on: it may lose messages soon after they came.
    """
    series = settled(snapshot.oldest, snapshot.at)
    age = latest(series)
    if age is None:
        return
    share = age / snapshot.retention if snapshot.retention > 0 else None
    severity = settings.retention.grade(share)
    if severity is not None and share is not None:
        yield Finding(
            "SQS_RETENTION_NEAR",
            severity,
            f"the oldest message is {duration(age)} old; SQS deletes it at "
            f"{duration(snapshot.retention)}",
            evidence=(
                Evidence("age", age, "s", limit=snapshot.retention, history=history(series)),
                Evidence("of the retention", share, "share", limit=settings.retention.first),
                *_shown(snapshot),
            ),
            likely=("nobody consumes it", "a message that always fails"),
            next="raise the retention, which holds for messages that are there too",
            fact=False,
            began=_waits_since(series, age),
            resolution=POINTS,
        )
    severity = held(series, settings.oldest)
    if severity is None or snapshot.is_dead_letter:
        return
    yield Finding(
        "SQS_OLDEST_MESSAGE",
        severity,
        f"the oldest message waits for {duration(age)}",
        evidence=(
            Evidence("age", age, "s", limit=settings.oldest.first, history=history(series)),
            *_shown(snapshot),
        ),
        likely=_why_old(snapshot),
        against=("in a FIFO queue one failing message holds up its whole group",)
        if snapshot.fifo
        else (),
        next="are its consumers running, and do they delete what they receive?",
        fact=False,
        began=_waits_since(series, age),
        resolution=POINTS,
    )


def _why_old(snapshot: Snapshot) -> tuple[str, ...]:
    got = total(settled(snapshot.received, snapshot.at))
    gone = total(settled(snapshot.deleted, snapshot.at))
    if got == 0:
        return ("nobody receives from it: consumers are down, or their mapping is disabled",)
    if got and gone is not None and gone < got / 2:
        return ("what is received is not deleted: consumers fail on it", "a message that fails")
    return ("consumers are too slow or too few", "more is sent than usual")


def consumers(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Messages wait, and nobody receives any of them.

    Long polling asks without an answer only while nothing is there: with messages waiting, no
    receive in five minutes means that nobody asks.
    """
    waits = snapshot.visible
    got = total(settled(snapshot.received, snapshot.at))
    if not waits or got != 0 or snapshot.is_dead_letter:
        return
    yield Finding(
        "SQS_NO_CONSUMER",
        Severity.CRITICAL if waits >= settings.backlog else Severity.WARNING,
        f"{number(waits)} messages wait, and none was received in five minutes",
        evidence=_shown(snapshot),
        likely=("consumers are down", "an event source mapping is disabled", "a right was lost"),
        next="look at the function or service that consumes it",
        fact=False,
        began=ended_since(_hours(snapshot, snapshot.received)),
        resolution=POINTS,
    )


def backlog(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """More and more messages wait: they come faster than they are handled."""
    series = settled(snapshot.waiting, snapshot.at)
    ordinary = usual(snapshot.waiting, snapshot.at)
    waits = latest(series)
    if waits is None or ordinary is None or snapshot.is_dead_letter:
        return
    limit = max(settings.backlog, settings.growing * ordinary)
    if len(series.values) < 3 or min(series.values) < limit or series.values[0] >= waits:
        return
    yield Finding(
        "SQS_BACKLOG_GROWING",
        Severity.WARNING,
        f"{number(waits)} messages wait, usually {number(round(ordinary))}, and it grows",
        evidence=(
            Evidence("waiting", waits, limit=limit, history=history(series)),
            Evidence("median of 3 hours", ordinary),
            *_shown(snapshot),
        ),
        likely=("consumers became slower", "more is sent than usual"),
        next="compare what is sent with what is deleted",
        fact=False,
        began=bad_since(_hours(snapshot, snapshot.waiting), lambda value: value >= limit),
        resolution=POINTS,
    )


def in_flight(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Nearly as many messages are in flight as SQS lets: then nobody gets another one.

    In flight are those received and neither deleted nor visible again. At the limit a standard
    queue answers `OverLimit`; a FIFO queue gives nothing, without an error.
    """
    share = None if snapshot.in_flight is None else snapshot.in_flight / _MOST
    severity = settings.in_flight.grade(share)
    if severity is not None and share is not None:
        yield Finding(
            "SQS_IN_FLIGHT_HIGH",
            severity,
            f"{percent(share)} of the {_MOST:,} messages that may be in flight",
            evidence=(
                Evidence("in flight", snapshot.in_flight, limit=_MOST),
                Evidence("hidden for", snapshot.visibility, "s"),
                *_shown(snapshot),
            ),
            likely=("consumers receive and never delete", "a visibility timeout that is too long"),
            next="do consumers delete what they have done?",
        )


def dead_letters(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Messages die.

    SQS_DEAD_LETTERS: They came into the dead letter queue in the last minutes: consumers fail on
    them again and again. What SQS moves is not in `NumberOfMessagesSent`, so the number that waits
    there is compared.

    SQS_DLQ_NOT_EMPTY: Older ones lie there, and get older.

    SQS_DLQ_GONE: The dead letter queue cannot be found: what fails stays in this queue.
    """
    queue = snapshot.dead_letter
    here = snapshot if snapshot.is_dead_letter else None
    series = here.waiting if here else (queue.visible if queue else NO_DATA)
    lies = here.visible if here else (queue.messages if queue else None)
    kept = here.retention if here else (queue.retention if queue else None)
    name = snapshot.name if here else (queue.arn.rpartition(":")[2] if queue else "")
    if queue is not None and queue.gone:
        yield Finding(
            "SQS_DLQ_GONE",
            Severity.WARNING,
            f"the dead letter queue {name} is not there: what fails stays in this queue",
            evidence=(Evidence("dead letter queue", queue.arn),),
            likely=("it was deleted",),
            next="make it again, or name another one",
        )
    window = settled(series, snapshot.at, minutes=15)
    came = max(0.0, window.values[-1] - min(window.values)) if window.values else None
    severity = settings.dead_letters.grade(came)
    if severity is not None and came is not None:
        yield Finding(
            "SQS_DEAD_LETTERS",
            severity,
            f"{number(came)} messages came into {name} in 15 minutes",
            subject=name,
            evidence=(
                Evidence("came", came, limit=settings.dead_letters.first, history=history(window)),
                Evidence("lie there", lies),
                Evidence("after receives", queue.received if queue else None),
            ),
            likely=("consumers fail on each of them", "a release", "a dependency that is down"),
            next="find why they fail before any is moved back: they come again",
            fact=False,
            began=bad_since(window, lambda value: value > min(window.values)),
            resolution=POINTS,
        )
    elif lies:
        yield Finding(
            "SQS_DLQ_NOT_EMPTY",
            Severity.INFO,
            f"{number(lies)} messages lie in {name}",
            subject=name,
            evidence=(
                Evidence("lie there", lies),
                Evidence("deleted after", kept, "s"),
            ),
            next="look at one with its owner; they are deleted when they get too old",
        )


def moves(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Messages are moved out of the dead letter queue.

    SQS_REDRIVE_RUNNING: They go back: consumers see them again, and those that fail come back.

    SQS_REDRIVE_FAILED: The move ended with some left, for the reason that SQS gives.

    SQS_STATUS_UNKNOWN: A state that is not in the cockpit's table.
    """
    for each in snapshot.moves[:1]:
        shown = (
            Evidence("moved", each.moved, limit=each.to_move),
            Evidence("reason", each.reason or None),
        )
        if each.status in {"RUNNING", "CANCELLING"}:
            yield Finding(
                "SQS_REDRIVE_RUNNING",
                Severity.INFO,
                f"{number(each.moved)} dead letters were moved back so far",
                evidence=shown,
                next="do they succeed this time?",
            )
        elif each.status == "FAILED":
            yield Finding(
                "SQS_REDRIVE_FAILED",
                Severity.WARNING,
                f"the move of dead letters failed: {each.reason or 'SQS gives no reason'}",
                evidence=shown,
                likely=("a right is missing", "the source queue is gone or of another type"),
                next="repair what the reason names, and start it again",
            )
        elif each.status not in _MOVES:
            yield Finding(
                "SQS_STATUS_UNKNOWN",
                Severity.WARNING,
                f"a move of dead letters is {each.status or 'in no state that is told'}",
                evidence=shown,
                next="look it up in the SQS API reference",
            )


def silence(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A queue that was busy gets nothing any more: the trouble is with those who send."""
    ordinary = usual(snapshot.sent, snapshot.at)
    if ordinary is None or ordinary < settings.usual_traffic or is_blind(snapshot.sent):
        return
    if total(settled(snapshot.sent, snapshot.at)):
        return
    yield Finding(
        "SQS_TRAFFIC_STOPPED",
        Severity.WARNING,
        f"nothing is sent any more; usually {number(round(ordinary))} messages a minute",
        evidence=(Evidence("median of 3 hours", ordinary, "/min"), *_shown(snapshot)),
        likely=("whoever sends is down", "a right to send, or to use its key, was lost"),
        against=("compared with the last three hours only, not with the time of day",),
        next="look at whoever sends",
        fact=False,
        began=ended_since(_hours(snapshot, snapshot.sent)),
        resolution=POINTS,
    )


def review(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A message that always fails has nowhere to go: it comes again until it is deleted by age."""
    if snapshot.dead_letter is None and snapshot.is_dead_letter is False:
        yield Finding(
            "SQS_NO_DLQ",
            Severity.INFO,
            "there is no dead letter queue: what always fails comes again until it is too old",
            next="give it one",
        )
