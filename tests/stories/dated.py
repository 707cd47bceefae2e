"""Which findings a probe can date, and how well: `Finding.began` as the probes tell it."""

from __future__ import annotations

import random

from tests.stories.shown import AGES, GAUGES, HISTORIES

_TOLD, _MEASURED, _POINTS = 1.0, 15.0, 90.0
"""Resolutions in seconds: of an event's own time, of a duration, of points of a minute."""
_SERIES_KEPT, _STOPS_KEPT = 3 * 3600.0, 3600.0
"""What is longer ago than a source keeps fills all that it tells: nobody knows when it began."""

_EVENTS = frozenset(
    {
        "ALARM_FIRING",
        "ALARM_STALE",
        "ASG_SCALED_RECENTLY",
        "AWS_EVENT_OPEN",
        "CACHE_FAILOVER_RECENT",
        "ECS_DEPLOYMENT_RECENT",
        "ECS_DEPLOYMENT_STUCK",
        "LAMBDA_VERSION_CHANGED",
        "PG_RESTARTED",
        "RDS_FAILOVER_RECENT",
        "RDS_RESTARTED",
    }
)
_STOPS = frozenset(
    {
        "ECS_CRASH_LOOP",
        "ECS_EVENT_FAILING",
        "ECS_HEALTH_CHECK_KILLS",
        "ECS_IMAGE_PULL_FAILED",
        "ECS_PLACEMENT_FAILED",
        "ECS_RESOURCE_INIT_FAILED",
        "ECS_TASK_OOM",
    }
)
_METRICS = ("APIGW_", "CF_", "KINESIS_", "LAMBDA_", "S3_4XX", "S3_5XX", "SFN_", "SQS_", "WAF_")
_SERIES = frozenset(HISTORIES) | {code for code in GAUGES if code.startswith(_METRICS)}


def resolution(code: str, age: float) -> float | None:
    """Seconds by which the probe's beginning may be off; None: it cannot know it."""
    if code in _EVENTS:
        return _TOLD
    if code in _STOPS:
        return _TOLD if age < _STOPS_KEPT else None
    if code in AGES:
        return _MEASURED
    return _POINTS if code in _SERIES and age < _SERIES_KEPT else None


def told(key: str, resolution: float) -> float:
    """Seconds by which the beginning that is told is off: the same at every look."""
    return random.Random(key).uniform(-0.9, 0.9) * resolution
