"""Writes recordings of objectives, of AWS Health and of quotas.

`python -m tests.tools.handmade_objectives` from the root of the checkout. The answers are made by
hand after botocore's models; they go through each probe's own `collect`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import ModuleType
from unittest.mock import patch

from cockpit import clock
from cockpit.connect.aws.settings import AwsResource
from cockpit.triage import recording
from cockpit.triage.target import Target
from probes.health import events as health
from probes.quotas import usage as quotas
from probes.quotas.model import QuotaSettings
from probes.slo import budget as slo
from probes.slo.objective import SloSettings
from tests.probes import test_health, test_quotas
from tests.probes.fake_aws import AT, FakeAws, denied, minutes
from tests.probes.test_slo import ALB, ManyPeriods
from tests.recorded import FOLDER

_OBJECTIVE = SloSettings(aws="prod", id=ALB)
_REGION = AwsResource(aws="prod")
_KEYS = QuotaSettings(aws="prod", services=("kms",))
_RATE = test_quotas.quota("L-1", "CallCount", "Sum", Period=test_quotas.SECOND)
_LATER = {"health.DescribeEventDetails": denied(), "health.DescribeAffectedEntities": denied()}

STORIES: Mapping[str, tuple[ModuleType, AwsResource, FakeAws]] = {
    "slo_healthy": (slo, _OBJECTIVE, ManyPeriods({"RequestCount": 1000})),
    "slo_release_burns": (
        slo,
        _OBJECTIVE,
        ManyPeriods({"RequestCount": 1000, "HTTPCode_Target_5XX_Count": 20}),
    ),
    "slo_denied_besides_the_newest": (
        slo,
        _OBJECTIVE,
        ManyPeriods({"RequestCount": 1000, "HTTPCode_ELB_500_Count": denied()}),
    ),
    "health_healthy": (
        health,
        _REGION,
        FakeAws(test_health.answers(health__DescribeEvents=[])),
    ),
    "health_rds_has_an_issue": (health, _REGION, FakeAws(test_health.answers())),
    "health_denied_besides_its_events": (
        health,
        _REGION,
        FakeAws({**test_health.answers(), **_LATER}),
    ),
    "quotas_kms_is_used_up": (
        quotas,
        _KEYS,
        FakeAws(test_quotas.answers(_RATE), {"CallCount": minutes(*[6600] * 20, late=6)}),
    ),
    "quotas_denied_besides_the_limits": (
        quotas,
        _KEYS,
        FakeAws(test_quotas.answers(_RATE), denied()),
    ),
}


async def content(name: str) -> bytes:
    """What the file of one of them holds."""
    probe, settings, aws = STORIES[name]
    with patch.object(clock, "now", lambda: AT):
        target = Target(name="shop", kind=probe.PROBE.kind, settings=settings)
        look = await probe.collect(aws, target)
    return recording.encode(look) + b"\n"


async def write() -> None:
    """Write all of them."""
    for name in STORIES:
        (FOLDER / f"{name}.handmade.json").write_bytes(await content(name))


if __name__ == "__main__":
    asyncio.run(write())
