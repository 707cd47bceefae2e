"""Findings about a stream: its state, its consumers, and what its shards take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cockpit.connect.session import Series
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import duration, number, percent
from probes.baseline import usual
from probes.began import LOOKS, POINTS, counted_since, ended_since, reached_since
from probes.kinesis.model import SHARD_BYTES, SHARD_RECORDS, Snapshot
from probes.kinesis.settings import Settings
from probes.metrics import (
    Rate,
    counted,
    held,
    history,
    is_blind,
    latest,
    running,
    settled,
    together,
    total,
)

_MOVING = frozenset({"CREATING", "UPDATING"})


def status(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The stream, or a consumer with throughput of its own, is not active.

    KINESIS_NOT_ACTIVE: It is being deleted, or on its way between states for longer than `moving`.
    While it is *updating* records are written and read as before.

    KINESIS_STATUS_UNKNOWN: A state that is not in the cockpit's table.
    """
    since = snapshot.status_since
    lasted = None if since is None else (snapshot.at - since).total_seconds()
    state = snapshot.status.upper()
    things = [("the stream", state, lasted)]
    things += [(f"consumer {e.name}", e.status.upper(), None) for e in snapshot.consumers]
    for what, told, age in things:
        shown = (Evidence("status", told or None), Evidence("for", age, "s"))
        severity = Severity.CRITICAL if told == "DELETING" else None
        if told in _MOVING:
            severity = settings.moving.grade(age)
        if severity is not None:
            yield Finding(
                "KINESIS_NOT_ACTIVE",
                severity,
                f"{what} is {told}" + (f" for {duration(age)}" if age else ""),
                subject="" if what == "the stream" else what,
                evidence=shown,
                likely=("somebody deletes it",) if told == "DELETING" else ("resharding",),
                next="find who changed it in CloudTrail",
                began=snapshot.turned if what == "the stream" else None,
                resolution=LOOKS,
            )
        elif told not in _MOVING | {"ACTIVE"}:
            yield Finding(
                "KINESIS_STATUS_UNKNOWN",
                Severity.WARNING,
                f"{what} is {told or 'in no state that is told'}",
                subject="" if what == "the stream" else what,
                evidence=shown,
                next="look it up in the Kinesis API reference",
            )


def behind(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Consumers are behind.

    KINESIS_CONSUMER_BEHIND: What they get was written that long ago. One shard that hangs is
    enough: the worst one is told.

    KINESIS_RETENTION_NEAR: At the end of the retention records are gone, read or not.

    KINESIS_NOT_READ: Records are written, and nobody reads them.
    """
    lanes = [("", snapshot.behind), *((each.name, each.behind) for each in snapshot.consumers)]
    kept = snapshot.retention * 3600
    for name, series in lanes:
        window = settled(series, snapshot.at)
        age = latest(window)
        if age is None:
            continue
        age /= 1000
        share = age / kept if kept > 0 else None
        shown = (
            Evidence("behind", age, "s", limit=settings.behind.first, history=history(window)),
            Evidence("of the retention", share, "share", limit=settings.retention.first),
            Evidence("reads throttled", total(settled(snapshot.reads_throttled, snapshot.at))),
        )
        near = settings.retention.grade(share)
        if near is not None:
            yield Finding(
                "KINESIS_RETENTION_NEAR",
                near,
                f"consumers are {duration(age)} behind; records are gone after {duration(kept)}",
                subject=name,
                evidence=shown,
                likely=("a consumer that hangs or fails on one record",),
                next="raise the retention first: that costs little and loses nothing",
                fact=False,
                began=reached_since(_hours(snapshot, series), _milliseconds(settings.behind)),
                resolution=POINTS,
            )
        severity = held(window, _milliseconds(settings.behind))
        if severity is not None:
            yield Finding(
                "KINESIS_CONSUMER_BEHIND",
                severity,
                f"{name or 'the slowest consumer'} is {duration(age)} behind",
                subject=name,
                evidence=shown,
                likely=("a record that always fails", "slower processing", "too few shards"),
                next="look at the function or service that reads it",
                fact=False,
                began=reached_since(_hours(snapshot, series), _milliseconds(settings.behind)),
                resolution=POINTS,
            )
    unread = all(not settled(each, snapshot.at).values for _, each in lanes)
    written = total(settled(snapshot.records, snapshot.at))
    if unread and written and not any(is_blind(each) for _, each in lanes):
        yield Finding(
            "KINESIS_NOT_READ",
            Severity.WARNING,
            f"{number(written)} records were written in five minutes, and nobody reads them",
            evidence=(Evidence("written", written), Evidence("consumers", len(snapshot.consumers))),
            likely=("consumers are down", "an event source mapping is disabled"),
            next="look at whoever should read it",
            fact=False,
            began=_read_last(snapshot, [each for _, each in lanes]),
            resolution=POINTS,
        )


def _hours(snapshot: Snapshot, series: Series) -> Series:
    """All of it that will not change any more."""
    return settled(series, snapshot.at, minutes=180)


def _read_last(snapshot: Snapshot, lanes: Sequence[Series]) -> datetime | None:
    """The end of the newest minute in which anybody read: ages come only while somebody does."""
    newest = [times[-1] for each in lanes if (times := _hours(snapshot, each).times)]
    return max(newest) + timedelta(minutes=1) if newest else None


def _milliseconds(limits: Thresholds) -> Thresholds:
    warning, critical = limits.warning, limits.critical
    return Thresholds(
        warning=None if warning is None else warning * 1000,
        critical=None if critical is None else critical * 1000,
    )


def throttles(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The stream refuses what it is asked for.

    KINESIS_WRITES_THROTTLED: Records were refused. Producers that do not send them again lose
    them: `PutRecords` tells of refused ones inside a good answer.

    KINESIS_READS_THROTTLED: Consumers without throughput of their own share 2 MiB and five calls a
    second of each shard.
    """
    written = settled(snapshot.records, snapshot.at)
    refused = settled(snapshot.writes_throttled, snapshot.at)
    part = counted(refused, written)
    rate = Rate(part, None if part is None else part + (total(written) or 0))
    if part and running(refused, lambda value: value > 0) >= 2:
        yield Finding(
            "KINESIS_WRITES_THROTTLED",
            settings.throttled_share.grade(rate.share) or Severity.WARNING,
            f"{rate.text('records')} were refused",
            evidence=(
                Evidence("refused", rate.share, "share", limit=settings.throttled_share.first),
                Evidence("records refused", part, history=history(refused)),
                Evidence("shards", snapshot.shards),
                Evidence("used", latest(_used(snapshot)), "share"),
            ),
            likely=("one partition key that is hot", "more than the shards take")
            if (latest(_used(snapshot)) or 0) < (settings.used.first or 1)
            else ("more than the shards take", "one partition key that is hot"),
            against=("on demand it takes twice its peak of 30 days: a steeper rise is refused",)
            if snapshot.mode == "ON_DEMAND"
            else (),
            next="more shards help only when the records are spread over their keys",
            fact=False,
            began=counted_since(
                _hours(snapshot, snapshot.writes_throttled),
                together(
                    _hours(snapshot, snapshot.records), _hours(snapshot, snapshot.writes_throttled)
                ),
            ),
            resolution=POINTS,
        )
    denied = total(settled(snapshot.reads_throttled, snapshot.at))
    if denied and running(settled(snapshot.reads_throttled, snapshot.at), lambda v: v > 0) >= 2:
        yield Finding(
            "KINESIS_READS_THROTTLED",
            Severity.WARNING,
            f"{number(denied)} reads were refused in five minutes",
            evidence=(
                Evidence("refused", denied),
                Evidence("behind", (latest(snapshot.behind) or 0) / 1000, "s"),
            ),
            likely=("too many consumers share the shards", "consumers that ask too often"),
            next="give a consumer throughput of its own, or let it ask less often",
            fact=False,
            began=counted_since(
                _hours(snapshot, snapshot.reads_throttled),
                together(
                    _hours(snapshot, snapshot.records), _hours(snapshot, snapshot.reads_throttled)
                ),
            ),
            resolution=POINTS,
        )


def _used(snapshot: Snapshot, minutes: float = 5) -> Series:
    """The larger share of bytes and records that the shards take; empty when on demand."""
    if snapshot.mode != "PROVISIONED" or snapshot.shards < 1:
        return Series()
    size = settled(snapshot.bytes, snapshot.at, minutes=minutes)
    count = dict(zip(snapshot.records.times, snapshot.records.values, strict=False))
    shares = tuple(
        max(
            octets / 60 / SHARD_BYTES / snapshot.shards,
            count.get(at, 0.0) / 60 / SHARD_RECORDS / snapshot.shards,
        )
        for at, octets in zip(size.times, size.values, strict=False)
    )
    return Series(size.times, shares, size.status)


def capacity(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The shards are nearly full, as if records were spread evenly: the fullest is fuller."""
    series = _used(snapshot)
    severity, share = held(series, settings.used), latest(series)
    if severity is not None and share is not None:
        yield Finding(
            "KINESIS_CAPACITY_HIGH",
            severity,
            f"{percent(share)} of what {snapshot.shards} shards take",
            evidence=(
                Evidence(
                    "used", share, "share", limit=settings.used.first, history=history(series)
                ),
                Evidence("shards", snapshot.shards),
            ),
            likely=("growth", "a batch job"),
            next="add shards before records are refused",
            fact=False,
            began=reached_since(_used(snapshot, 180), settings.used),
            resolution=POINTS,
        )


def silence(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A stream that was busy gets nothing any more: the trouble is with those who write."""
    ordinary = usual(snapshot.records, snapshot.at)
    if ordinary is None or ordinary < settings.usual_traffic or is_blind(snapshot.records):
        return
    tried = total(settled(snapshot.records, snapshot.at)) or 0
    if tried or total(settled(snapshot.writes_throttled, snapshot.at)):
        return
    yield Finding(
        "KINESIS_TRAFFIC_STOPPED",
        Severity.WARNING,
        f"nothing is written any more; usually {number(round(ordinary))} records a minute",
        evidence=(Evidence("median of 3 hours", ordinary, "/min"),),
        likely=("whoever writes is down", "a right to write, or to use its key, was lost"),
        against=("compared with the last three hours only, not with the time of day",),
        next="look at whoever writes",
        fact=False,
        began=ended_since(_hours(snapshot, snapshot.records)),
        resolution=POINTS,
    )
