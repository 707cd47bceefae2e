"""Proxies in front of a database, and its blue/green deployments: answers in, findings out."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit import clock
from cockpit.errors import BlindError
from cockpit.runbooks.library import library
from cockpit.triage.recording import decode, encode
from cockpit.triage.registry import registry
from probes.rds import blue_green, proxies
from tests.probes.fake_aws import AT, FakeAws, denied, target
from tests.recorded import octets, told
from tests.tools.handmade_events import made
from tests.tools.handmade_members import (
    AUTH_FAILURE,
    BLUE,
    GREEN,
    STORIES,
    deployment,
    proxy_target,
)

WRITER, READER = "READ_WRITE", "READ_ONLY"


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def look_at(*targets: Any, status: str = "available", id_: str = "orders") -> proxies.Proxies:
    answers = {
        "rds.DescribeDBProxies": [{"DBProxyName": "shop", "Status": status}],
        "rds.DescribeDBProxyTargets": targets[0] if callable(targets[0]) else list(targets),
    }
    look = await proxies.collect(FakeAws(answers), target("rds", id_))
    assert decode(encode(look), proxies.Proxies) == look
    return look


def codes(look: proxies.Proxies) -> list[tuple[str, str]]:
    found = list(proxies.diagnose(look, proxies.ProxySettings()))
    assert all(f.code in proxies.PROBE.codes for f in found)
    assert all(library().best(f.code) for f in found)
    return [(f.code, f.severity.value) for f in found]


LOST = "RDS_PROXY_TARGET_UNAVAILABLE"


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        pytest.param([proxy_target()], [], id="available"),
        pytest.param([proxy_target(state="REGISTERING")], [], id="it is being registered"),
        pytest.param([AUTH_FAILURE], [(LOST, "critical")], id="it cannot log in"),
        pytest.param(
            [proxy_target(), proxy_target("orders-2", READER, "UNAVAILABLE", "UNREACHABLE")],
            [(LOST, "critical")],
            id="the only reader: reads fail",
        ),
        pytest.param(
            [
                proxy_target("orders", READER),
                proxy_target("orders-2", READER, "UNAVAILABLE", "UNREACHABLE"),
            ],
            [(LOST, "warning")],
            id="one reader of two",
        ),
        pytest.param(
            [proxy_target(state="ASLEEP")], [(LOST, "warning")], id="a state that nobody knows"
        ),
        pytest.param([proxy_target("other")], [], id="another database's proxy"),
    ],
)
async def test_what_a_proxy_cannot_use_is_told(
    targets: list[Any], expected: list[tuple[str, str]]
) -> None:
    assert codes(await look_at(*targets)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("modifying", [("RDS_PROXY_NOT_AVAILABLE", "warning")]),
        ("incompatible-network", [("RDS_PROXY_NOT_AVAILABLE", "critical")]),
        ("dreaming", [("RDS_PROXY_NOT_AVAILABLE", "warning")]),
    ],
)
async def test_a_proxy_that_is_not_available_is_told(
    status: str, expected: list[tuple[str, str]]
) -> None:
    assert codes(await look_at(proxy_target(), status=status)) == expected


async def test_a_cluster_is_found_by_what_the_proxy_tracks() -> None:
    cluster = {"Type": "TRACKED_CLUSTER", "RdsResourceId": "shop"}
    member = {**proxy_target("shop-1"), "TrackedClusterId": "shop"}
    arn = "arn:aws:rds:us-east-1:1:cluster:shop"
    look = await look_at(cluster, member, id_=arn)
    assert [each.id for each in look.proxies[0].targets] == ["shop-1"]
    assert codes(look) == []


async def test_targets_that_may_not_be_read_are_a_gap_and_no_proxy() -> None:
    def refuse(**_: object) -> BlindError:
        return denied()

    look = await look_at(refuse)
    assert codes(look) == [("RDS_OBS_BLIND", "info")]
    (fact,) = proxies.facts(look, proxies.ProxySettings())
    assert fact.text == "none seen"


async def test_without_the_list_nothing_is_known() -> None:
    with pytest.raises(BlindError):
        await proxies.collect(FakeAws({"rds.DescribeDBProxies": denied()}), target("rds", "orders"))


@pytest.mark.parametrize("many", [0, 1, 10, 11, 20, 21])
async def test_the_targets_of_twenty_proxies_are_asked_for_and_the_rest_is_told(many: int) -> None:
    rows = [{"DBProxyName": f"p{n}", "Status": "available"} for n in range(many)]
    aws = FakeAws(
        {"rds.DescribeDBProxies": rows, "rds.DescribeDBProxyTargets": [proxy_target("orders")]}
    )
    look = await proxies.collect(aws, target("rds", "orders"))
    assert len(look.proxies) == min(many, 20)
    assert len(aws.calls) == 1 + min(many, 20)
    assert [gap.what for gap in look.gaps] == ["1 proxy"] * (many > 20)


DONE, FAILED, RUNNING = "SWITCHOVER_COMPLETED", "SWITCHOVER_FAILED", "SWITCHOVER_IN_PROGRESS"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(deployment("AVAILABLE"), [], id="it waits for somebody"),
        pytest.param(deployment(DONE, DONE), [], id="it is over"),
        pytest.param(
            deployment(RUNNING), [("RDS_BLUE_GREEN_SWITCHING", "warning")], id="it switches"
        ),
        pytest.param(
            deployment(FAILED, FAILED), [("RDS_BLUE_GREEN_FAILED", "warning")], id="taken back"
        ),
        pytest.param(
            deployment(FAILED, DONE, FAILED),
            [("RDS_BLUE_GREEN_FAILED", "high")],
            id="members on different sides",
        ),
        pytest.param(
            deployment(RUNNING, "MISSING_TARGET"),
            [("RDS_BLUE_GREEN_SWITCHING", "warning"), ("RDS_BLUE_GREEN_FAILED", "warning")],
            id="a member is lost on the way",
        ),
        pytest.param(
            deployment("INVALID_CONFIGURATION"),
            [("RDS_BLUE_GREEN_INVALID", "info")],
            id="it cannot be switched",
        ),
        pytest.param(
            deployment("TELEPORTING"),
            [("RDS_BLUE_GREEN_INVALID", "warning")],
            id="a status that nobody knows",
        ),
    ],
)
async def test_a_switchover_is_told_by_how_far_it_is(
    row: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    aws = FakeAws({"rds.DescribeBlueGreenDeployments": [row]})
    look = await blue_green.collect(aws, target("rds", BLUE))
    found = list(blue_green.diagnose(look, blue_green.BlueGreenSettings()))
    assert [(f.code, f.severity.value) for f in found] == expected
    assert all(library().best(f.code) for f in found)
    assert decode(encode(look), blue_green.BlueGreens) == look


@pytest.mark.parametrize(("name", "many"), [(BLUE, 1), (GREEN, 1), ("payments", 0)])
async def test_a_deployment_is_of_both_its_sides_and_of_nobody_else(name: str, many: int) -> None:
    aws = FakeAws({"rds.DescribeBlueGreenDeployments": [deployment("AVAILABLE")]})
    assert len((await blue_green.collect(aws, target("rds", name))).deployments) == many


TOLD: dict[str, tuple[str, set[str]]] = {
    "rds_proxies_healthy": ("1/1", set()),
    "rds_proxies_cannot_log_in": ("0/1", {LOST}),
    "rds_blue_green_healthy": ("available", set()),
    "rds_blue_green_switchover_failed": ("switchover_failed", {"RDS_BLUE_GREEN_FAILED"}),
    "target_group_zone_is_shifted_away": ("4/4", {"TG_ZONAL_SHIFT", "TG_TARGETS_ANOMALOUS"}),
}


@pytest.mark.parametrize("name", STORIES)
async def test_a_recorded_look_is_judged_as_it_was(name: str) -> None:
    by = "python -m tests.tools.handmade_members writes it"
    assert octets(f"{name}.handmade") == await made(STORIES[name]), by
    assert told(f"{name}.handmade", registry()[STORIES[name].probe]) == TOLD[name]
