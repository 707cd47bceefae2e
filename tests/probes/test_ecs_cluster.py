"""ECS clusters: what fires, the traps that must not fire, what is asked and how it is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cockpit import clock
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Severity
from probes.answers import Gap
from probes.ecs_cluster import hosts, view
from probes.ecs_cluster.model import CapacityProvider, ContainerInstance, Snapshot
from probes.ecs_cluster.settings import Settings
from tests.probes.fake_aws import AT, FakeAws, ago, denied, target

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
ARN = "arn:aws:ecs:us-east-1:123456789012:container-instance/shop/"


def host(name: str = "a1", **changes: Any) -> ContainerInstance:
    """A host that is well and half full."""
    base = ContainerInstance(
        arn=f"{ARN}{name}",
        instance=f"i-0{name}",
        status="ACTIVE",
        health="OK",
        running=4,
        cpu=2048,
        cpu_left=1024,
        memory=8000,
        memory_left=4000,
    )
    return replace(base, **changes)


HOSTS = tuple(host(f"a{n}") for n in range(6))


def snapshot(*first: ContainerInstance, **changes: Any) -> Snapshot:
    """A cluster of six hosts that is well; the first ones may be others."""
    base = Snapshot(
        at=AT,
        name="shop",
        arn="",
        status="ACTIVE",
        running=24,
        services=3,
        registered=6,
        hosts=(*first, *HOSTS[len(first) :]),
        providers=(CapacityProvider(name="ec2", status="ACTIVE", group="web"),),
        provider_names=("ec2", "FARGATE"),
        attachments="UPDATE_COMPLETE",
    )
    return replace(base, **changes)


def away(name: str = "a0", **changes: Any) -> ContainerInstance:
    """A host whose agent is away for five minutes."""
    return host(name, connected=False, **{"away_since": ago(minutes=5), **changes})


def full(**changes: Any) -> ContainerInstance:
    return host("a0", **{"cpu_left": 100, "memory_left": 400, **changes})


def provider(**changes: Any) -> dict[str, Any]:
    return {"providers": (replace(CapacityProvider(name="ec2", status="ACTIVE"), **changes),)}


def found(look: Snapshot) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in hosts.diagnose(look, Settings())]


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="well"),
        pytest.param(
            snapshot(hosts=(), registered=0, providers=(), provider_names=("FARGATE",), pending=3),
            [],
            id="Fargate alone has no hosts",
        ),
        # agents
        pytest.param(
            snapshot(away()), [("ECS_AGENT_DISCONNECTED", WARNING)], id="one of six for 5 minutes"
        ),
        pytest.param(
            snapshot(away(), away("a1")), [("ECS_AGENT_DISCONNECTED", CRITICAL)], id="two of six"
        ),
        pytest.param(
            snapshot(away(away_since=ago(minutes=2))), [], id="agents reconnect by themselves"
        ),
        pytest.param(
            snapshot(away(away_since=None)),
            [("ECS_AGENT_DISCONNECTED", INFO)],
            id="since when is not known",
        ),
        pytest.param(
            snapshot(away(status="DEREGISTERING")), [], id="a host that goes away for good"
        ),
        # hosts
        pytest.param(
            snapshot(hosts=(away(), host("a1", status="DRAINING"))),
            [
                ("ECS_NO_HOSTS", CRITICAL),
                ("ECS_AGENT_DISCONNECTED", CRITICAL),
                ("ECS_HOST_DRAINING", INFO),
            ],
            id="none takes tasks",
        ),
        pytest.param(
            snapshot(hosts=(), registered=0), [("ECS_NO_HOSTS", INFO)], id="scaled to none"
        ),
        pytest.param(
            snapshot(hosts=(), registered=0, pending=2),
            [("ECS_NO_HOSTS", CRITICAL)],
            id="none, and tasks wait",
        ),
        pytest.param(
            snapshot(host("a0", health="IMPAIRED")),
            [("ECS_HOST_IMPAIRED", WARNING)],
            id="the runtime of one fails",
        ),
        pytest.param(
            snapshot(host("a0", health="IMPAIRED"), host("a1", health="IMPAIRED")),
            [("ECS_HOST_IMPAIRED", CRITICAL)],
            id="of two",
        ),
        pytest.param(snapshot(host("a0", health="")), [], id="health that is not told"),
        pytest.param(
            snapshot(host("a0", status="DRAINING", draining_since=ago(hours=2))),
            [("ECS_HOST_DRAINING", WARNING)],
            id="does not get empty",
        ),
        pytest.param(
            snapshot(host("a0", status="DRAINING", draining_since=ago(hours=2), running=0)),
            [("ECS_HOST_DRAINING", INFO)],
            id="is empty",
        ),
        pytest.param(
            snapshot(host("a0", status="REGISTRATION_FAILED", reason="no ENI")),
            [("ECS_HOST_NOT_REGISTERED", WARNING)],
            id="could not join",
        ),
        pytest.param(
            snapshot(host("a0", status="LEVITATING")),
            [("ECS_STATUS_UNKNOWN", WARNING)],
            id="a state that nobody knows",
        ),
        pytest.param(
            snapshot(status="DEPROVISIONING"), [("ECS_CLUSTER_NOT_ACTIVE", CRITICAL)], id="deleted"
        ),
        pytest.param(snapshot(status="BOILING"), [("ECS_STATUS_UNKNOWN", WARNING)], id="unknown"),
        # room
        pytest.param(
            snapshot(hosts=(full(),)), [("ECS_CLUSTER_FULL", WARNING)], id="nearly all reserved"
        ),
        pytest.param(
            snapshot(hosts=(full(),), pending=2), [("ECS_CLUSTER_FULL", CRITICAL)], id="tasks wait"
        ),
        pytest.param(snapshot(hosts=(full(cpu_left=400, memory_left=1600),)), [], id="some left"),
        pytest.param(
            snapshot(pending=2, pending_since=ago(minutes=6)),
            [("ECS_TASKS_PENDING", WARNING)],
            id="pending for six minutes",
        ),
        pytest.param(
            snapshot(pending=2, pending_since=ago(minutes=31)),
            [("ECS_TASKS_PENDING", CRITICAL)],
            id="for half an hour",
        ),
        pytest.param(snapshot(pending=2), [], id="since when is not known"),
        # providers
        pytest.param(
            snapshot(**provider(update="UPDATE_FAILED", reason="no role")),
            [("ECS_CAPACITY_PROVIDER_FAILED", WARNING)],
            id="its change failed",
        ),
        pytest.param(
            snapshot(**provider(status="INACTIVE")),
            [("ECS_CAPACITY_PROVIDER_FAILED", CRITICAL)],
            id="it was deleted",
        ),
        pytest.param(
            snapshot(provider_names=("ec2", "gone")),
            [("ECS_CAPACITY_PROVIDER_FAILED", CRITICAL)],
            id="it is not there",
        ),
        pytest.param(
            snapshot(providers=(), gaps=(Gap("capacity providers", "denied", ""),)),
            [("ECS_OBS_BLIND", INFO)],
            id="what was not read is not gone",
        ),
        pytest.param(
            snapshot(attachments="UPDATE_FAILED"),
            [("ECS_CAPACITY_PROVIDER_FAILED", WARNING)],
            id="it could not be attached",
        ),
        pytest.param(
            snapshot(hosts=None, gaps=(Gap("container instances", "denied", ""),)),
            [("ECS_OBS_BLIND", INFO)],
            id="blind",
        ),
    ],
)
def test_what_is_told(look: Snapshot, expected: list[tuple[str, Severity]]) -> None:
    assert found(look) == expected


def test_every_code_is_shown_here() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [code for code in hosts.PROBE.codes if f'"{code}"' not in text] == []


def test_what_lasts_is_as_old_as_the_look_that_saw_it_first() -> None:
    first = snapshot(away(away_since=None), host("a1", status="DRAINING"), pending=1)
    second = hosts.since(
        replace(first, at=ago(minutes=4)),
        snapshot(away(away_since=None), host("a1", status="DRAINING"), pending=3),
    )
    assert second.hosts is not None
    assert second.hosts[0].away_since == ago(minutes=4)
    assert second.hosts[1].draining_since == ago(minutes=4)
    assert second.pending_since == ago(minutes=4)
    assert found(second)[0] == ("ECS_AGENT_DISCONNECTED", WARNING)
    back = hosts.since(second, snapshot())
    assert back.hosts is not None
    assert back.hosts[0].away_since is None
    assert back.pending_since is None


def test_what_an_agent_reported_last_says_since_when_it_is_away() -> None:
    seen = hosts.since(
        snapshot(at=ago(minutes=1)), snapshot(away(away_since=ago(minutes=9)), at=AT)
    )
    assert seen.hosts is not None
    assert seen.hosts[0].away_since == ago(minutes=9)


# what is asked, and how it is read

CLUSTER: dict[str, Any] = {
    "clusterName": "shop",
    "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/shop",
    "status": "ACTIVE",
    "registeredContainerInstancesCount": 2,
    "runningTasksCount": 8,
    "pendingTasksCount": 0,
    "activeServicesCount": 3,
    "settings": [{"name": "containerInsights", "value": "disabled"}],
    "capacityProviders": ["FARGATE", "ec2"],
    "attachmentsStatus": "UPDATE_COMPLETE",
}
ROW: dict[str, Any] = {
    "containerInstanceArn": f"{ARN}a1",
    "ec2InstanceId": "i-0a1",
    "capacityProviderName": "ec2",
    "status": "ACTIVE",
    "agentConnected": True,
    "runningTasksCount": 4,
    "pendingTasksCount": 0,
    "versionInfo": {"agentVersion": "1.89.2"},
    "registeredResources": [
        {"name": "CPU", "type": "INTEGER", "integerValue": 2048},
        {"name": "MEMORY", "type": "INTEGER", "integerValue": 7680},
    ],
    "remainingResources": [
        {"name": "CPU", "type": "INTEGER", "integerValue": 512},
        {"name": "MEMORY", "type": "INTEGER", "integerValue": 1024},
    ],
    "attributes": [{"name": "ecs.availability-zone", "value": "us-east-1a"}],
    "healthStatus": {
        "overallStatus": "OK",
        "details": [
            {"type": "CONTAINER_RUNTIME", "status": "OK", "lastUpdated": ago(minutes=7)},
        ],
    },
}
PROVIDER: dict[str, Any] = {
    "name": "ec2",
    "status": "ACTIVE",
    "updateStatus": "UPDATE_COMPLETE",
    "autoScalingGroupProvider": {
        "autoScalingGroupArn": "arn:aws:autoscaling:us-east-1:1:autoScalingGroup:x:autoScalingGroupName/web",
        "managedScaling": {"status": "ENABLED", "targetCapacity": 100},
    },
}


def answers(**changes: Any) -> dict[str, Any]:
    base = {
        "ecs.DescribeClusters": [CLUSTER],
        "ecs.ListContainerInstances": [f"{ARN}a1", f"{ARN}a2"],
        "ecs.DescribeContainerInstances": [
            ROW,
            {**ROW, "containerInstanceArn": f"{ARN}a2", "agentConnected": False},
        ],
        "ecs.DescribeCapacityProviders": [PROVIDER],
    }
    return {**base, **{name.replace("__", "."): each for name, each in changes.items()}}


async def look(aws: FakeAws, id_: str = "shop") -> Snapshot:
    return await hosts.collect(aws, target("ecs_cluster", id_))


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def test_what_is_read() -> None:
    aws = FakeAws(answers())
    seen = await look(aws)
    assert seen.hosts is not None
    one, two = seen.hosts
    assert (one.instance, one.zone, one.cpu_left, one.memory) == ("i-0a1", "us-east-1a", 512, 7680)
    assert (one.health, one.agent, one.away_since) == ("OK", "1.89.2", None)
    assert (two.connected, two.away_since) == (False, ago(minutes=7))
    assert (seen.providers[0].group, seen.providers[0].scaling) == ("web", "ENABLED")
    asked = dict(aws.calls)
    assert asked["ecs.DescribeContainerInstances"]["include"] == ["CONTAINER_INSTANCE_HEALTH"]
    assert asked["ecs.DescribeCapacityProviders"] == {"capacityProviders": ["ec2"]}
    assert found(seen) == [("ECS_AGENT_DISCONNECTED", CRITICAL)]


async def test_hosts_are_asked_for_a_hundred_at_once() -> None:
    arns = [f"{ARN}{n:03}" for n in range(230)]
    aws = FakeAws(
        answers(
            ecs__ListContainerInstances=arns,
            ecs__DescribeContainerInstances=lambda **asked: {
                "containerInstances": [
                    {**ROW, "containerInstanceArn": arn} for arn in asked["containerInstances"]
                ]
            },
        )
    )
    seen = await look(aws)
    assert seen.hosts is not None
    assert len(seen.hosts) == 230
    assert [name for name, _ in aws.calls].count("ecs.DescribeContainerInstances") == 3


async def test_a_cluster_on_fargate_costs_one_call() -> None:
    alone = {
        **CLUSTER,
        "registeredContainerInstancesCount": 0,
        "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
    }
    aws = FakeAws(answers(ecs__DescribeClusters=[alone]))
    seen = await look(aws)
    assert [name for name, _ in aws.calls] == ["ecs.DescribeClusters"]
    assert next(iter(view.facts(seen, Settings()))).text == "Fargate"


async def test_what_is_denied_is_a_gap() -> None:
    aws = FakeAws(
        answers(
            ecs__ListContainerInstances=denied(),
            ecs__DescribeCapacityProviders=denied(),
        )
    )
    seen = await look(aws)
    assert {gap.what for gap in seen.gaps} == {"container instances", "capacity providers"}
    assert found(seen) == [("ECS_OBS_BLIND", INFO)]
    assert next(iter(view.facts(seen, Settings()))).text == "unknown"
    assert next(iter(view.tables(seen, Settings()))).headline == "could not be read"


async def test_a_cluster_that_is_not_there_is_a_finding() -> None:
    with pytest.raises(BlindError) as gone:
        await look(FakeAws(answers()), "nope")
    assert (gone.value.reason, gone.value.code) == (Reason.MISSING, "ECS_CLUSTER_NOT_ACTIVE")


async def test_what_is_shown() -> None:
    seen = await look(FakeAws(answers()))
    shown = {fact.label: fact.text for fact in view.facts(seen, Settings())}
    assert (shown["hosts"], shown["processors"]) == ("1/2", "75% reserved")
    assert [table.title for table in view.tables(seen, Settings())] == [
        "Hosts",
        "Capacity providers",
    ]
