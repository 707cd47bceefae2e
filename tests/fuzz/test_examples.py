"""All examples of answers that AWS gives for what probes read: none ends a look, none is hidden."""

from __future__ import annotations

import pytest

from cockpit import clock
from cockpit.connect.aws.reads import iam_action
from tests.fuzz import looks
from tests.fuzz.examples import Example, Examples, examples
from tests.fuzz.shapes import AT

EXAMPLES = examples()
NEVER_ASKED = {
    "application-autoscaling.DescribeScalingActivities",
    "application-autoscaling.DescribeScalingPolicies",
    "autoscaling.DescribeAutoScalingInstances",
    "ec2.DescribeNatGateways",
    "ec2.DescribeSnapshots",
    "iam.GetAccountSummary",
    "lambda.ListVersionsByFunction",
    "s3.ListObjectVersions",
    "s3.ListObjectsV2",
}
"""What probes need and ask only after an answer that neither chance nor an example gives."""


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def test_every_example_goes_through_every_probe_that_asks_for_it() -> None:
    used: dict[Example, list[str]] = {}
    faults = []
    needed = set()
    for probe in looks.probes():
        for one in [one for one in EXAMPLES if iam_action(*one[:2]) in probe.needs]:
            needed.add(f"{one[0]}.{one[1]}")
            for n in range(8):
                aws = Examples(f"{probe.id}/{n}", looks.NAMES, one, among=n % 2 > 0)
                faults.append(await looks.ended(probe, f"{one} {n}", [aws]))
                if aws.used:
                    used.setdefault(one, []).append(probe.id)
                    break
    print(f"{len(used)} of {len(EXAMPLES)} examples, {sum(map(len, used.values()))} looks")
    assert [one for one in faults if one is not None] == []
    assert needed - {f"{service}.{operation}" for service, operation, _ in used} <= NEVER_ASKED
    assert len(used) > len(EXAMPLES) // 2
