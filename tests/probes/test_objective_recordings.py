"""Recorded looks at objectives, AWS Health and quotas, judged again."""

from __future__ import annotations

import pytest

from tests.recorded import octets, told
from tests.tools.handmade_objectives import STORIES, content

TOLD: dict[str, tuple[str, set[str]]] = {
    "slo_healthy": ("100% left", set()),
    "slo_release_burns": (
        "0% left",
        {"SLO_BURN_FAST", "SLO_BUDGET_EXHAUSTED", "SLO_AVAILABILITY_LOW"},
    ),
    "slo_denied_besides_the_newest": ("unknown", {"SLO_OBS_BLIND"}),
    "health_healthy": ("none open", set()),
    "health_rds_has_an_issue": ("1 open", {"AWS_EVENT_OPEN"}),
    "health_denied_besides_its_events": ("1 open", {"AWS_EVENT_OPEN", "HEALTH_OBS_BLIND"}),
    "quotas_kms_is_used_up": (
        "110% name of L-1",
        {"QUOTA_EXCEEDED", "QUOTA_REQUEST_PENDING"},
    ),
    "quotas_denied_besides_the_limits": ("unknown", {"QUOTA_OBS_BLIND", "QUOTA_REQUEST_PENDING"}),
}


@pytest.mark.parametrize("name", STORIES)
async def test_a_recorded_look_is_judged_as_it_was(name: str) -> None:
    by = "python -m tests.tools.handmade_objectives writes it"
    assert octets(f"{name}.handmade") == await content(name), by
    assert told(f"{name}.handmade", STORIES[name][0].PROBE) == TOLD[name]
