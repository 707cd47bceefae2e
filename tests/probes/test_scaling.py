"""Application Auto Scaling: only our rows are judged, and the newest activity is the newest."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.errors import BlindError, Reason
from probes.scaling import activities, scaled
from tests.probes.fake_aws import FakeAws, ago

_NAME = "application-autoscaling."
_ORDERS = {
    "ResourceId": "table/orders",
    "ScalableDimension": "dynamodb:table:WriteCapacityUnits",
    "MinCapacity": 10,
    "MaxCapacity": 100,
}


def _aws(targets: list[Any], policies: list[Any]) -> FakeAws:
    return FakeAws(
        {
            f"{_NAME}DescribeScalableTargets": targets,
            f"{_NAME}DescribeScalingPolicies": policies,
        },
        {},
    )


def _is_orders(name: str) -> bool:
    return name == "table/orders"


async def test_what_cannot_be_read_of_another_resource_spoils_no_look() -> None:
    unreadable = {"ResourceId": "table/carts", "MinCapacity": "ten", "ScalableDimension": 1}
    aws = _aws([unreadable, _ORDERS], [unreadable, {"ResourceId": "table/orders"}])
    targets, policies = await scaled(aws, "dynamodb", _is_orders)
    assert [each.max_capacity for each in targets] == [100]
    assert [each.resource_id for each in policies] == ["table/orders"]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({**_ORDERS, "MaxCapacity": None}, id="ours, without a maximum"),
        pytest.param({**_ORDERS, "ScalableDimension": ""}, id="ours, of nothing"),
        pytest.param({**_ORDERS, "ResourceId": None}, id="whose it is is not told"),
        pytest.param("table/orders", id="no row at all"),
    ],
)
async def test_what_may_be_ours_and_cannot_be_read_is_blind(row: object) -> None:
    with pytest.raises(BlindError) as caught:
        await scaled(_aws([row], []), "dynamodb", _is_orders)
    assert caught.value.reason is Reason.UNREADABLE


async def test_activities_are_told_newest_first_whatever_their_order() -> None:
    rows = [
        {"Description": "no time"},
        {"StartTime": ago(minutes=9), "Description": "older"},
        {"StartTime": ago(minutes=5), "Description": "newest"},
    ]
    aws = FakeAws({f"{_NAME}DescribeScalingActivities": rows}, {})
    told = await activities(aws, "ecs", "service/prod/checkout", MaxResults=10)
    assert [each.description for each in told] == ["newest", "older", "no time"]
