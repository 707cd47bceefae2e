"""Recorded looks at balancers, groups and alarms, judged again: from the world, or `handmade`."""

from __future__ import annotations

import pytest

from cockpit.triage.registry import registry
from tests.recorded import told

TG, ALB, ALARMS = "target_group.health", "alb.traffic", "alarms.state"


@pytest.mark.parametrize(
    ("name", "probe", "headline", "codes"),
    [
        ("target_group_healthy", TG, "6/6", set()),
        ("target_group_checkout_waits_for_a_lock", TG, "2/6", {"TG_UNHEALTHY_TARGETS"}),
        (
            "target_group_check_path_moved",
            TG,
            "0/6",
            {"TG_NO_HEALTHY_TARGETS", "TG_FAIL_OPEN"},
        ),
        (
            "target_group_denied_besides_its_targets.handmade",
            TG,
            "0/6",
            {"TG_NO_HEALTHY_TARGETS", "TG_OBS_BLIND"},
        ),
        ("alb_healthy", ALB, None, set()),
        ("alb_checkout_answers_5xx", ALB, None, {"ALB_5XX_TARGET_RATE"}),
        ("alb_denied_besides_its_state.handmade", ALB, "unknown", {"ALB_OBS_BLIND"}),
        ("alarms_quiet", ALARMS, "0/6", set()),
        ("alarms_checkout_fires", ALARMS, "3/6", {"ALARM_FIRING"}),
        (
            "alarms_denied_besides_their_states.handmade",
            ALARMS,
            "3/6",
            {"ALARM_FIRING", "ALARM_OBS_BLIND"},
        ),
        (
            "alarms_muted_and_newer_kinds.handmade",
            ALARMS,
            "1/4",
            {"ALARM_FIRING", "ALARM_SILENT", "ALARM_BLIND"},
        ),
    ],
)
def test_a_recorded_look_is_judged_as_it_was(
    name: str, probe: str, headline: str | None, codes: set[str]
) -> None:
    shown, found = told(name, registry()[probe])
    assert shown == headline or (headline is None and shown.endswith("/m"))
    assert found == codes
