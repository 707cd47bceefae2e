"""Recorded looks, judged again: real ones from the world, `handmade` ones where it has no such story.

A role without rights gets no look at all when it may not read the thing itself; the `denied`
recordings are of a role that may read only that.
"""

from __future__ import annotations

import pytest

from cockpit.triage.registry import registry
from tests.recorded import told


@pytest.mark.parametrize(
    ("name", "probe", "headline", "codes"),
    [
        ("ecs_healthy", "ecs.service", "6/6", set()),
        (
            "ecs_release_crashes_at_its_start",
            "ecs.service",
            "3/6",
            {"ECS_CRASH_LOOP", "ECS_DEPLOYMENT_STUCK", "ECS_DEPLOYMENT_RECENT"},
        ),
        (
            "ecs_denied_besides_its_status.handmade",
            "ecs.service",
            "4/6",
            {"ECS_TASKS_BELOW_DESIRED", "ECS_OBS_BLIND"},
        ),
        ("dynamodb_healthy", "dynamodb.table", "ok", set()),
        (
            "dynamodb_campaign_throttles_writes",
            "dynamodb.table",
            "throttled",
            {
                "DDB_THROTTLED_PROVISIONED",
                "DDB_CAPACITY_HIGH",
                "DDB_AUTOSCALING_BLOCKED",
                "DDB_USER_ERRORS_RISING",
            },
        ),
        (
            "dynamodb_denied_besides_its_status.handmade",
            "dynamodb.table",
            "unknown",
            {"DDB_OBS_BLIND"},
        ),
        ("elasticache_healthy", "elasticache.status", "available", set()),
        (
            "elasticache_sessions_are_evicted",
            "elasticache.status",
            "available",
            {"CACHE_MEMORY_HIGH", "CACHE_EVICTIONS_RISING", "CACHE_HIT_RATE_DROP"},
        ),
        (
            "elasticache_denied_besides_its_status.handmade",
            "elasticache.status",
            "available",
            {"CACHE_OBS_BLIND"},
        ),
        ("rds_healthy", "rds.status", "available", set()),
        (
            "rds_slot_fills_the_disk.handmade",
            "rds.status",
            "storage-full",
            {
                "RDS_INSTANCE_DOWN",
                "RDS_STORAGE_LOW",
                "RDS_MODIFICATION_PENDING",
            },
        ),
        (
            "rds_denied_besides_its_status.handmade",
            "rds.status",
            "available",
            {"RDS_OBS_BLIND"},
        ),
    ],
)
def test_a_recorded_look_is_judged_as_it_was(
    name: str, probe: str, headline: str, codes: set[str]
) -> None:
    assert told(name, registry()[probe]) == (headline, codes)
