"""NAT gateways on an open path: what they refuse, drop and forget, and what is asked for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cockpit.connect.session import Series
from cockpit.triage.finding import Severity
from probes.vpc_path import nat
from probes.vpc_path.config import diagnose
from probes.vpc_path.findings import Settings, Snapshot
from probes.vpc_path.model import NatLoad
from probes.vpc_path.view import facts
from tests.probes.fake_aws import AT, FakeAws, ago, denied, hours, minutes
from tests.probes.test_vpc_path import OUTSIDE
from tests.probes.vpc_looks import DB, HTTPS, look

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
PORTS, DROPS = "NET_NAT_PORT_ERRORS", "NET_NAT_DROPS"


def path(**load: Any) -> Snapshot:
    """An open path out by a NAT gateway that carries 1,000 connections and is well."""
    base = NatLoad(
        id="nat-1",
        port_errors=minutes(0, 0, 0, 0, 0),
        dropped=minutes(0, 0, 0, 0, 0),
        attempts=minutes(*[1000] * 5),
        established=minutes(*[990] * 5),
        active=minutes(*[1000] * 5),
        idle=hours(100, *[100] * 5),
    )
    return replace(look(destination=OUTSIDE, flow=HTTPS), at=AT, nat_load=(replace(base, **load),))


def found(snapshot: Snapshot) -> list[tuple[str, Severity]]:
    return [(each.code, each.severity) for each in diagnose(snapshot, Settings())]


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        pytest.param({}, [], id="well"),
        pytest.param({"port_errors": minutes(0, 0, 3, 0, 5)}, [(PORTS, CRITICAL)], id="no ports"),
        pytest.param({"port_errors": minutes(0, 0, 9, 0, 0)}, [], id="in one minute only"),
        pytest.param(
            {"dropped": minutes(0, 0, 30, 0, 0), "arrived": minutes(*[50_000] * 5)},
            [(DROPS, WARNING)],
            id="a ten-thousandth of the packets",
        ),
        pytest.param(
            {"dropped": minutes(0, 0, 20, 0, 0), "arrived": minutes(*[50_000] * 5)}, [], id="fewer"
        ),
        pytest.param(
            {"dropped": minutes(0, 0, 20, 0, 0), "arrived": minutes(*[1000] * 5)},
            [],
            id="few packets say little",
        ),
        pytest.param({"dropped": minutes(0, 0, 20, 0, 0)}, [], id="of how many is not known"),
        pytest.param(
            {"established": minutes(*[890] * 5)}, [(DROPS, WARNING)], id="not established"
        ),
        pytest.param(
            {"attempts": minutes(*[10] * 5), "established": minutes(*[1] * 5)},
            [],
            id="few attempts say little",
        ),
        pytest.param({"idle": hours(100, *[600] * 5)}, [(DROPS, INFO)], id="many are forgotten"),
        pytest.param({"idle": hours(1, *[60] * 5)}, [], id="more than usual, and few"),
        pytest.param({"idle": minutes(*[600] * 5)}, [], id="what is usual is not known"),
        pytest.param({"port_errors": Series(status="Forbidden")}, [], id="refused"),
    ],
)
def test_what_is_told(load: dict[str, Any], expected: list[tuple[str, Severity]]) -> None:
    assert found(path(**load)) == expected


async def test_a_path_out_asks_for_its_nat_gateway() -> None:
    series = {
        "ErrorPortAllocation": minutes(0, 0, 3, 4, 5),
        "PacketsDropCount": minutes(0, 0, 0, 0, 1),
        "PacketsInFromSource": minutes(*[100] * 5),
        "PacketsInFromDestination": minutes(*[200] * 5),
        "ActiveConnectionCount": minutes(*[55_000] * 5),
    }
    aws = FakeAws({}, series)
    before = replace(look(destination=OUTSIDE, flow=HTTPS), at=AT)
    seen = await nat.measured(aws, before)
    assert [each.id for each in seen.nat_load] == ["nat-1"]
    assert list(seen.nat_load[0].arrived.values) == [300] * 5
    assert {each.dimensions for each in aws.queries} == {(("NatGatewayId", "nat-1"),)}
    assert aws.rest == {"IdleTimeoutCount"}
    assert found(seen) == [(PORTS, CRITICAL)]
    assert [fact.text for fact in facts(seen, Settings()) if fact.label == "nat-1"] == [
        "55,000 connections, ports used up"
    ]
    assert [*nat.unseen(seen)] == []


async def test_a_path_that_no_nat_gateway_is_on_asks_for_none() -> None:
    aws = FakeAws({})
    seen = await nat.measured(aws, replace(look(destination=DB), at=AT))
    assert (seen.nat_load, aws.queries) == ((), [])


async def test_a_gateway_that_blocks_the_path_is_not_asked() -> None:
    net = look(destination=OUTSIDE, flow=HTTPS).network
    dead = replace(net, nats={"nat-1": replace(net.nats["nat-1"], state="failed")})
    blocked = replace(look(dead, destination=OUTSIDE, flow=HTTPS), at=AT)
    assert (await nat.measured(FakeAws({}), blocked)).nat_load == ()


async def test_a_gateway_that_publishes_nothing_is_not_seen() -> None:
    before = replace(look(destination=OUTSIDE, flow=HTTPS), at=AT)
    seen = await nat.measured(FakeAws({}), before)
    gaps = tuple(nat.unseen(seen))
    assert [gap.what for gap in gaps] == ["metrics of nat-1"]
    assert found(replace(seen, gaps=gaps)) == [("NET_OBS_BLIND", INFO)]
    nats = {"nat-1": replace(before.network.nats["nat-1"], created=ago(minutes=9))}
    young = replace(before, network=replace(before.network, nats=nats))
    assert [*nat.unseen(await nat.measured(FakeAws({}), young))] == []
    refused = await nat.measured(
        FakeAws({}, {"ErrorPortAllocation": Series(status="Forbidden")}), before
    )
    assert "metric of nat-1" in [gap.what for gap in nat.unseen(refused)]


async def test_metrics_that_are_denied_leave_the_verdict() -> None:
    from tests.probes.test_vpc_path_help import read

    assert (await read()).gaps == ()
    before = replace(look(destination=OUTSIDE, flow=HTTPS), at=AT)
    with pytest.raises(Exception, match="not authorized"):
        await nat.measured(FakeAws({}, denied()), before)
