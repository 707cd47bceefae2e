"""EC2 instances: what fires, the traps that must not fire, what is asked and how it is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Severity
from probes.answers import Gap
from probes.ec2_instance import status, view
from probes.ec2_instance.load import most_credits
from probes.ec2_instance.model import AgentMetric, HostEvent, Snapshot, StatusCheck
from probes.ec2_instance.settings import Settings
from tests.probes.asg_looks import fives
from tests.probes.fake_aws import AT, FakeAws, ago, denied, minutes, target

CRITICAL, HIGH = Severity.CRITICAL, Severity.HIGH
WARNING, INFO = Severity.WARNING, Severity.INFO
ID = "i-0a1b2c3d4e5f60718"
WELL = tuple(StatusCheck(kind=kind, status="ok") for kind in ("system", "instance", "volumes"))


def snapshot(**changes: Any) -> Snapshot:
    """An instance that is well."""
    base = Snapshot(
        at=AT,
        id=ID,
        state="running",
        type="m5.large",
        zone="us-east-1a",
        launched=ago(days=30),
        checks=WELL,
        cpu=fives(20, 20, 20),
        memory=(),
        disks=(),
    )
    return replace(base, **changes)


def check(kind: str, status: str, since: Any = None) -> tuple[StatusCheck, ...]:
    others = tuple(each for each in WELL if each.kind != kind)
    return (*others, StatusCheck(kind=kind, status=status, since=since))


def event(**begins: float) -> HostEvent:
    """An event that begins so far in the future."""
    return HostEvent(
        id="e-1", code="instance-retirement", text="degraded hardware", begins=ago(**begins)
    )


def ended(state: str, code: str = "", **changes: Any) -> Snapshot:
    return snapshot(state=state, state_code=code, checks=None, cpu=Series(), **changes)


def used(*values: float, path: str = "") -> tuple[AgentMetric, ...]:
    return (AgentMetric(path=path, used=minutes(*values)),)


def found(look: Snapshot) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in status.diagnose(look, Settings())]


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="well"),
        # does it run
        pytest.param(
            ended("stopped", "Client.InstanceInitiatedShutdown"),
            [("EC2_STOPPED_UNEXPECTEDLY", CRITICAL)],
            id="shut down from inside",
        ),
        pytest.param(
            ended("stopped", "Client.UserInitiatedShutdown"),
            [("EC2_STOPPED_UNEXPECTEDLY", HIGH)],
            id="a person did it, which may be meant",
        ),
        pytest.param(
            ended("terminated", "Server.SpotInstanceTermination", group="web"),
            [("EC2_STOPPED_UNEXPECTEDLY", WARNING)],
            id="its group replaces it",
        ),
        pytest.param(ended("pending"), [], id="it starts"),
        pytest.param(
            ended("sleeping"), [("EC2_STATUS_UNKNOWN", WARNING)], id="a state that nobody knows"
        ),
        # checks
        pytest.param(
            snapshot(checks=check("system", "impaired", ago(minutes=3))),
            [("EC2_STATUS_IMPAIRED", CRITICAL)],
            id="the host",
        ),
        pytest.param(
            snapshot(checks=check("instance", "impaired", ago(minutes=1))),
            [("EC2_STATUS_IMPAIRED", WARNING)],
            id="for a minute only",
        ),
        pytest.param(
            snapshot(checks=check("volumes", "impaired")),
            [("EC2_STATUS_IMPAIRED", CRITICAL)],
            id="since when is not told",
        ),
        pytest.param(
            snapshot(checks=check("instance", "initializing"), launched=ago(minutes=4)),
            [("EC2_STATUS_IMPAIRED", INFO)],
            id="it starts, and no check has a result yet",
        ),
        pytest.param(
            snapshot(checks=check("instance", "insufficient-data")),
            [("EC2_STATUS_IMPAIRED", WARNING)],
            id="no result of one that runs for long",
        ),
        pytest.param(snapshot(checks=check("volumes", "not-applicable")), [], id="not made"),
        pytest.param(
            snapshot(checks=check("system", "haunted")),
            [("EC2_STATUS_UNKNOWN", WARNING)],
            id="a check that nobody knows",
        ),
        # events
        pytest.param(
            snapshot(events=(event(days=-3),)), [("EC2_SCHEDULED_EVENT", WARNING)], id="in 3 days"
        ),
        pytest.param(
            snapshot(events=(event(hours=-20),)),
            [("EC2_SCHEDULED_EVENT", CRITICAL)],
            id="within a day",
        ),
        pytest.param(
            snapshot(events=(event(days=-9),)), [("EC2_SCHEDULED_EVENT", INFO)], id="in 9 days"
        ),
        pytest.param(
            snapshot(events=(replace(event(days=1), begins=None),)),
            [("EC2_SCHEDULED_EVENT", WARNING)],
            id="at a time that is not told",
        ),
        # processor
        pytest.param(
            snapshot(cpu=fives(10, 82, 84)), [("EC2_CPU_SATURATED", WARNING)], id="ten minutes"
        ),
        pytest.param(snapshot(cpu=fives(10, 10, 99)), [], id="one point"),
        pytest.param(
            snapshot(detailed=True, cpu=minutes(10, 10, 96, 96, 96)),
            [("EC2_CPU_SATURATED", CRITICAL)],
            id="three of five minutes",
        ),
        # credits
        pytest.param(
            snapshot(type="t2.small", credits=fives(28), credit_mode="standard"),
            [("EC2_CREDITS_EXHAUSTED", WARNING)],
            id="a tenth is left",
        ),
        pytest.param(
            snapshot(type="t2.small", credits=fives(2), credit_mode="standard"),
            [("EC2_CREDITS_EXHAUSTED", WARNING)],
            id="little is left",
        ),
        pytest.param(
            snapshot(type="t2.small", credits=fives(0), credit_mode="standard"),
            [("EC2_CREDITS_EXHAUSTED", CRITICAL)],
            id="none is left",
        ),
        pytest.param(
            snapshot(type="t3.small", credits=fives(0), credit_mode="unlimited"),
            [("EC2_CREDITS_EXHAUSTED", INFO)],
            id="it lends: that costs money, not speed",
        ),
        pytest.param(
            snapshot(type="t3.small", credits=fives(0)),
            [("EC2_CREDITS_EXHAUSTED", WARNING)],
            id="the mode is not known",
        ),
        pytest.param(
            snapshot(
                type="t3.small",
                credits=fives(0),
                credit_mode="standard",
                launched=ago(hours=1),
            ),
            [("EC2_CREDITS_EXHAUSTED", INFO)],
            id="started just now",
        ),
        pytest.param(
            snapshot(type="t2.small", credits=fives(29), credit_mode="standard"), [], id="enough"
        ),
        # memory and disks
        pytest.param(
            snapshot(memory=used(85, 85, 85)), [("EC2_MEMORY_HIGH", WARNING)], id="memory"
        ),
        pytest.param(
            snapshot(memory=used(96, 96, 96)), [("EC2_MEMORY_HIGH", CRITICAL)], id="all of it"
        ),
        pytest.param(snapshot(memory=used(50, 50, 99)), [], id="one minute"),
        pytest.param(
            snapshot(disks=(*used(86, path="/"), *used(96, path="/var"))),
            [("EC2_DISK_FULL", WARNING), ("EC2_DISK_FULL", CRITICAL)],
            id="two file systems",
        ),
        pytest.param(
            snapshot(io_left=fives(40, 15, 10)), [("EC2_EBS_SATURATED", WARNING)], id="operations"
        ),
        pytest.param(
            snapshot(bytes_left=fives(4, 4, 4)), [("EC2_EBS_SATURATED", CRITICAL)], id="bytes"
        ),
        pytest.param(
            snapshot(gaps=(Gap("status checks", "denied", ""),), checks=None),
            [("EC2_OBS_BLIND", INFO)],
            id="blind",
        ),
    ],
)
def test_what_is_told(look: Snapshot, expected: list[tuple[str, Severity]]) -> None:
    assert found(look) == expected


def test_every_code_is_shown_here() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [code for code in status.PROBE.codes if f'"{code}"' not in text] == []


@pytest.mark.parametrize(
    ("type_", "most"),
    [("t2.micro", 144), ("t3.micro", 288), ("t4g.2xlarge", 4608), ("t9.micro", None), ("", None)],
)
def test_credits_of_a_day(type_: str, most: float | None) -> None:
    assert most_credits(type_) == most


# what is asked, and how it is read

ROW: dict[str, Any] = {
    "InstanceId": ID,
    "ImageId": "ami-1",
    "InstanceType": "t3.small",
    "State": {"Code": 16, "Name": "running"},
    "StateTransitionReason": "",
    "LaunchTime": ago(days=30),
    "Placement": {"AvailabilityZone": "us-east-1a"},
    "PrivateIpAddress": "10.0.1.7",
    "PublicIpAddress": "203.0.113.7",
    "Monitoring": {"State": "disabled"},
    "RootDeviceType": "ebs",
    "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-1"}}],
    "NetworkInterfaces": [{"Association": {"IpOwnerId": "123456789012"}}],
    "Tags": [
        {"Key": "Name", "Value": "web-1"},
        {"Key": "aws:autoscaling:groupName", "Value": "web"},
    ],
}
STATUS: dict[str, Any] = {
    "InstanceId": ID,
    "SystemStatus": {"Status": "ok", "Details": [{"Name": "reachability", "Status": "passed"}]},
    "InstanceStatus": {
        "Status": "impaired",
        "Details": [
            {"Name": "reachability", "Status": "failed", "ImpairedSince": ago(minutes=5)},
        ],
    },
    "Events": [
        {"Code": "system-reboot", "Description": "[Completed] done", "NotBefore": ago(days=1)},
        {
            "InstanceEventId": "e-1",
            "Code": "instance-retirement",
            "Description": "The instance is running on degraded hardware",
            "NotBefore": ago(days=-3),
        },
    ],
}


def agent(name: str, **dims: str) -> dict[str, Any]:
    named = [{"Name": "InstanceId", "Value": ID}]
    named += [{"Name": key, "Value": value} for key, value in dims.items()]
    return {"Namespace": "CWAgent", "MetricName": name, "Dimensions": named}


METRICS = [
    agent("mem_used_percent"),
    agent("disk_used_percent", path="/", device="nvme0n1p1", fstype="xfs"),
    agent("disk_used_percent", path="/snap/core", device="loop0", fstype="squashfs"),
    agent("LogicalDisk % Free Space", instance="D:", objectname="LogicalDisk"),
    agent("cpu_usage_iowait"),
]
SERIES = {
    "CPUUtilization": fives(20, 20, 20),
    "CPUCreditBalance": fives(500),
    "mem_used_percent": minutes(40, 40, 40),
    "disk_used_percent//": minutes(50, 50, 50),
    "LogicalDisk % Free Space": minutes(10, 10, 10),
}


def answers(**changes: Any) -> dict[str, Any]:
    base = {
        "ec2.DescribeInstances": [ROW],
        "ec2.DescribeInstanceStatus": [STATUS],
        "ec2.DescribeInstanceCreditSpecifications": [{"InstanceId": ID, "CpuCredits": "standard"}],
        "cloudwatch.ListMetrics": METRICS,
    }
    return {**base, **{name.replace("__", "."): each for name, each in changes.items()}}


async def look(aws: FakeAws, id_: str = ID) -> Snapshot:
    return await status.collect(aws, target("ec2_instance", id_))


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def test_what_is_read() -> None:
    aws = FakeAws(answers(), SERIES)
    seen = await look(aws, f"arn:aws:ec2:us-east-1:123456789012:instance/{ID}")
    assert (seen.name, seen.group, seen.elastic, seen.volumes) == ("web-1", "web", True, ("vol-1",))
    assert (seen.credit_mode, seen.detailed, seen.address) == ("standard", False, "10.0.1.7")
    assert [(c.kind, c.status, c.since) for c in seen.checks or ()] == [
        ("system", "ok", None),
        ("instance", "impaired", ago(minutes=5)),
    ]
    assert [each.id for each in seen.events] == ["e-1"]
    assert [each.path for each in seen.disks or ()] == ["/", "D:"]
    assert found(seen) == [
        ("EC2_STATUS_IMPAIRED", CRITICAL),
        ("EC2_SCHEDULED_EVENT", WARNING),
        ("EC2_DISK_FULL", WARNING),
    ]
    assert aws.rest == {
        "EBSIOBalance%",
        "EBSByteBalance%",
        "CPUCreditBalance",
        "CPUSurplusCreditBalance",
    }
    assert seen.gaps == ()


async def test_of_what_does_not_run_only_its_end_is_read() -> None:
    stopped = {
        **ROW,
        "State": {"Name": "stopped"},
        "StateReason": {"Code": "Client.UserInitiatedShutdown", "Message": "User initiated"},
        "StateTransitionReason": "User initiated (2026-11-21 02:10:00 GMT)",
    }
    aws = FakeAws(answers(ec2__DescribeInstances=[stopped]), SERIES)
    seen = await look(aws)
    assert [name for name, _ in aws.calls] == ["ec2.DescribeInstances"]
    assert found(seen) == [("EC2_STOPPED_UNEXPECTEDLY", WARNING)]
    assert [change.kind for change in view.changes(seen, "web-1")] == ["ec2.stop"]


async def test_credits_are_asked_for_burstable_types_only() -> None:
    aws = FakeAws(answers(ec2__DescribeInstances=[{**ROW, "InstanceType": "m5.large"}]), SERIES)
    await look(aws)
    assert "ec2.DescribeInstanceCreditSpecifications" not in dict(aws.calls)
    assert not any("Credit" in each.name for each in aws.queries)


async def test_an_agent_that_went_silent_is_not_seen() -> None:
    quiet = {**SERIES, "mem_used_percent": Series(), "disk_used_percent//": Series()}
    quiet["LogicalDisk % Free Space"] = Series()
    seen = await look(FakeAws(answers(), quiet))
    assert [gap.what for gap in seen.gaps] == ["the agent's metrics"]
    none = await look(FakeAws(answers(cloudwatch__ListMetrics=[]), SERIES))
    assert (none.memory, none.gaps) == ((), ())
    assert {f.label: f.text for f in view.facts(none, Settings())}["memory"] == "no agent"


async def test_a_host_that_runs_and_publishes_nothing_is_not_seen() -> None:
    seen = await look(FakeAws(answers(), {**SERIES, "CPUUtilization": Series()}))
    assert [gap.what for gap in seen.gaps] == ["metric CPUUtilization"]


async def test_what_is_denied_is_a_gap() -> None:
    refused = {
        name: denied()
        for name in answers()
        if name != "ec2.DescribeInstances"
    }  # fmt: skip
    seen = await look(FakeAws({**answers(), **refused}, denied()))
    assert {gap.what for gap in seen.gaps} == {
        "status checks",
        "credit mode",
        "metrics",
        "the agent's metrics",
    }
    assert found(seen) == [("EC2_OBS_BLIND", INFO)]
    shown = {f.label: f.text for f in view.facts(seen, Settings())}
    assert (shown["state"], shown["memory"]) == ("checks unknown", "unknown")


async def test_an_instance_that_is_not_there_is_a_finding() -> None:
    with pytest.raises(BlindError) as gone:
        await look(FakeAws(answers(), SERIES), "i-0dead")
    assert (gone.value.reason, gone.value.code) == (Reason.MISSING, "EC2_STOPPED_UNEXPECTEDLY")


async def test_what_is_shown() -> None:
    seen = await look(FakeAws(answers(), SERIES))
    shown = {fact.label: fact.text for fact in view.facts(seen, Settings())}
    assert (shown["state"], shown["CPU"], shown["credits"]) == ("impaired", "20%", "500")
    assert (shown["memory"], shown["fullest disk"]) == ("40%", "90%")
    assert [table.title for table in view.tables(seen, Settings())] == [
        "Status checks",
        "What AWS plans",
        "File systems",
    ]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"Status": "impaired", "ImpairedSince": ago(minutes=7)}, ["impaired"]),
        ({"Status": "ok"}, ["ok"]),
        ({"Status": "not-applicable"}, []),
        ({}, []),
    ],
)
async def test_the_checks_of_the_application_stand_beside_those_of_ec2(
    told: dict[str, Any], shown: list[str]
) -> None:
    well = {"Status": "ok"}
    row = {
        "InstanceId": ID,
        "SystemStatus": well,
        "InstanceStatus": well,
        "ApplicationStatus": told,
    }
    seen = await look(FakeAws(answers(ec2__DescribeInstanceStatus=[row]), SERIES))
    assert status.PROBE.facts is not None
    assert status.PROBE.tables is not None
    facts = [f.text for f in status.PROBE.facts(seen, Settings()) if f.label == "application"]
    rows = next(iter(status.PROBE.tables(seen, Settings()))).rows
    assert facts == [each.cells[1] for each in rows if each.key == "application"] == shown
    assert "EC2_STATUS_IMPAIRED" not in dict(found(seen)), "a restart is offered for EC2's checks"


def began(look: Snapshot, code: str) -> Any:
    (told,) = (f for f in status.diagnose(look, Settings()) if f.code == code)
    return told.began


def test_it_began_when_ec2_says() -> None:
    look = ended("stopped", transition="User initiated (2026-11-21 02:10:00 GMT)")
    assert began(look, "EC2_STOPPED_UNEXPECTEDLY") == ago(minutes=50, seconds=30)
    assert began(ended("stopped", transition="User initiated"), "EC2_STOPPED_UNEXPECTEDLY") is None
    sick = snapshot(checks=check("system", "impaired", ago(minutes=7)))
    assert began(sick, "EC2_STATUS_IMPAIRED") == ago(minutes=7)
