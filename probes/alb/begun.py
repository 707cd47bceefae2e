"""Since when minutes of a load balancer are as a rule judges five of them together."""

from __future__ import annotations

from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.finding import Thresholds
from probes.alb.model import ELB_CODES, KEPT, REQUESTS, TARGET_CODES, AlbGroup, Snapshot
from probes.began import bad_since, counted_since, resolution, share_since
from probes.metrics import filled, is_blind, settled, together

BUCKETS = resolution(300)
"""Of percentiles of five minutes."""


def share(snapshot: Snapshot, *names: str, limits: Thresholds) -> datetime | None:
    """Since when these codes reach the mildest limit as a share of what arrived."""
    part = together(*(snapshot.cut(name, KEPT) for name in names))
    return share_since(part, _arrived(snapshot), limits)


def share_of_group(
    group: AlbGroup, name: str, at: datetime, *, limits: Thresholds
) -> datetime | None:
    """The same of one target group's requests."""
    part, whole = (settled(group.of(each), at, minutes=KEPT) for each in (name, REQUESTS))
    return share_since(part, whole, limits)


def counts(snapshot: Snapshot, *names: str) -> datetime | None:
    """Since when a counter that is silent at zero counts anything."""
    part = together(*(snapshot.cut(name, KEPT) for name in names))
    return counted_since(part, snapshot.alive(KEPT))


def arrives(
    snapshot: Snapshot, *, most: float = -1.0, least: float | None = None
) -> datetime | None:
    """Since when no more than `most`, or at least `least`, arrive a minute."""
    series = filled(snapshot.cut(snapshot.arriving, KEPT), snapshot.alive(KEPT))
    if least is not None:
        return bad_since(series, lambda value: value >= least)
    return bad_since(series, lambda value: value <= most)


def _arrived(snapshot: Snapshot) -> Series:
    """What arrived each minute, those without a target included."""
    chosen = snapshot.cut(REQUESTS, KEPT)
    codes = [snapshot.cut(name, KEPT) for name in (*TARGET_CODES, *ELB_CODES)]
    answered = together(*(each for each in codes if not is_blind(each)))
    points = dict(zip(answered.times, answered.values, strict=False))
    for moment, value in zip(chosen.times, chosen.values, strict=False):
        points[moment] = max(value, points.get(moment, 0.0))
    ordered = sorted(points.items())
    return Series(tuple(moment for moment, _ in ordered), tuple(value for _, value in ordered))
