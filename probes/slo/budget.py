"""One service level objective: how fast its error budget burns, and what is left of it.

Source: CloudWatch `GetMetricData`, each series at three resolutions: minutes for seven hours, five
minutes for three days, hours for the period. What is bought once is kept, so an objective costs its
few series a minute, a fifth of that again, and nearly nothing for the hours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from cockpit import clock
from cockpit.connect.aws.lateness import lateness
from cockpit.connect.session import AwsReads, MetricQuery, Series
from cockpit.triage.finding import Finding
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, attempt, blind_series, partly_blind
from probes.metrics import NO_DATA
from probes.slo import findings, view
from probes.slo.burn import Bucket, SeriesBuckets, buckets, counted, spliced
from probes.slo.indicator import Indicator, indicator
from probes.slo.model import (
    DAY,
    FIVE,
    HOUR,
    MINUTE,
    SIX_HOURS,
    THREE_DAYS,
    WINDOWS,
    BurnWindow,
    Snapshot,
)
from probes.slo.objective import SloSettings
from probes.slo.settings import Settings

_SLOWLY = timedelta(hours=12)
_WHOLE = 120
"""Minutes read besides, so that the next finer resolution begins at a whole hour within."""
Found = Mapping[MetricQuery, Series]
Parts = tuple[list[Series], list[Series], list[Series]]
"""The series of the whole, of what is bad, and of what is good."""


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the indicator's series. Raises `BlindError` when the newest cannot be read."""
    settings = target.settings
    assert isinstance(settings, SloSettings)
    at = clock.now()
    gaps: list[Gap] = []
    spans = {
        MINUTE: SIX_HOURS // 60 + 70,
        FIVE: THREE_DAYS // 60 + _WHOLE,
        HOUR: round(settings.days * DAY / 60) + _WHOLE,
    }
    asked = {period: indicator(settings, period) for period in spans}
    nothing: Found = {}
    minute, five, hour = await asyncio.gather(
        aws.metrics(asked[MINUTE].queries, minutes=spans[MINUTE]),
        attempt(
            gaps,
            "the last days",
            aws.metrics(asked[FIVE].queries, minutes=spans[FIVE]),
            otherwise=nothing,
        ),
        attempt(
            gaps,
            "the period",
            aws.metrics(asked[HOUR].queries, minutes=spans[HOUR], rest=True),
            otherwise=nothing,
        ),
    )
    found = {MINUTE: minute, FIVE: five, HOUR: hour}
    read = [
        SeriesBuckets(period, at - timedelta(minutes=spans[period]), several)
        for period, several in _read(asked, found, gaps)
    ]
    return _look(
        settings, asked[MINUTE], read, end=_end(at, asked[MINUTE], minute), at=at, gaps=gaps
    )


def _end(at: datetime, asked: Indicator, found: Found) -> datetime:
    """The newest whole minute of all series, as of when they were bought."""
    told = [series.asked_at for series in found.values() if series.asked_at is not None]
    late = max(lateness(query.namespace, MINUTE) for query in asked.queries)
    newest = min((at, *told)) - timedelta(seconds=late)
    return newest.replace(second=0, microsecond=0)


def _read(
    asked: Mapping[int, Indicator], found: Mapping[int, Found], gaps: list[Gap]
) -> Iterator[tuple[int, tuple[Bucket, ...]]]:
    """Buckets by their length, of what was answered whole.

    A part that was refused spoils the sum: without its errors it would look well.
    """
    read: dict[int, Parts] = {}
    for period, each in asked.items():
        series = {query: found[period].get(query, NO_DATA) for query in each.queries}
        named = {f"{q.name} {q.stat} of {period} s": one for q, one in series.items()}
        refused = blind_series(named)
        gaps += refused
        if found[period] and not refused:
            total, bad, good = ([series[q] for q in of] for of in (each.total, each.bad, each.good))
            read[period] = total, bad, good
    if asked[MINUTE].good and _uncounted(read.values()):
        what = ", ".join(q.name + " " + q.stat for q in asked[MINUTE].good)
        gaps.append(Gap("what is good", "unreadable", f"{what} has no point where the whole has"))
        return
    for period, (total, bad, good) in read.items():
        yield period, buckets(period, total=total, bad=bad, good=good or None)


def _uncounted(read: Iterable[Parts]) -> bool:
    """Whether what is good was never told, though there was something: not the same as none."""
    several = list(read)
    whole = any(series.times for total, _, _ in several for series in total)
    return whole and not any(series.times for _, _, good in several for series in good)


def _look(
    settings: SloSettings,
    asked: Indicator,
    read: Sequence[SeriesBuckets],
    *,
    end: datetime,
    at: datetime,
    gaps: Sequence[Gap],
) -> Snapshot:
    """The counts by window, of those that reach as far back as they should."""
    found = spliced(read, end)
    since = min((each.since for each in read), default=end)
    known = (end - since).total_seconds()
    minutes = [b for b in found if b.seconds == MINUTE and b.start >= end - timedelta(hours=6)]
    fives = next((each.buckets for each in read if each.seconds == FIVE), ())
    busy = [b for b in found if b.counts.total > 0]
    period = settings.days * DAY
    return Snapshot(
        at=at,
        end=end,
        sli=settings.sli,
        name=asked.name,
        objective=settings.objective,
        days=settings.days,
        latency=settings.latency,
        without=asked.without,
        windows=tuple(
            BurnWindow(seconds, counted(found, end, seconds))
            for seconds in WINDOWS
            if seconds <= min(known, period)
        ),
        period=counted(found, end, period) if period <= known else None,
        newest=found[-1].start if found else None,
        present=len(minutes) / (SIX_HOURS // MINUTE) if asked.always and read else None,
        last=tuple(busy[-2:]),
        history=tuple(b.counts.share or 0.0 for b in minutes[-60:]),
        minutes=_shares(minutes[-60:]),
        fives=_shares([b for b in fives if end - _SLOWLY <= b.start and b.end <= end]),
        gaps=tuple(gaps),
    )


def _shares(several: Sequence[Bucket]) -> Series:
    return Series(tuple(b.start for b in several), tuple(b.counts.share or 0.0 for b in several))


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What burns, what is left, and what is not known."""
    yield from findings.judged(snapshot, settings)
    yield from partly_blind("SLO_OBS_BLIND", snapshot.gaps)


PROBE = Probe(
    id="slo.budget",
    kind="slo",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=60,
    timeout=20,
    facts=view.facts,
    tables=view.tables,
    needs=("cloudwatch:GetMetricData",),
    codes=codes(
        symptom=(
            "SLO_BURN_FAST",
            "SLO_BURN_MEDIUM",
            "SLO_BURN_SLOW",
            "SLO_BURN_TRICKLE",
            "SLO_AVAILABILITY_LOW",
            "SLO_LATENCY_MISSED",
            "SLO_NO_TRAFFIC",
            "SLO_EVENT_FAILED",
        ),
        risk=("SLO_BUDGET_EXHAUSTED", "SLO_BUDGET_LOW"),
        eye=("SLO_NO_DATA", "SLO_UNREACHABLE_RULE", "SLO_TOO_FEW_EVENTS", "SLO_OBS_BLIND"),
        traits={Trait.SAYS_DROP: ("SLO_NO_TRAFFIC",)},
    ),
)
