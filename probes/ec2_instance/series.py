"""Which series of CloudWatch a look at an instance asks for.

EC2 itself sees processor, credits and volumes, not memory and file systems: those come from an
agent on the instance, with dimensions that its configuration decides, so they are looked up.
"""

from __future__ import annotations

from dataclasses import replace

from cockpit.connect.aws.answer import answers_into
from cockpit.connect.session import AwsReads, Series
from probes.answers import Gap
from probes.ec2_instance.model import AgentMetric, Snapshot, burstable, lived, period, processor
from probes.metrics import NO_DATA, PublishedMetric, is_blind, query, settled

_SPACE = "AWS/EC2"
_AGENT = "CWAgent"
_MEMORY = {"mem_used_percent": False, "Memory % Committed Bytes In Use": False}
_DISKS = {"disk_used_percent": False, "LogicalDisk % Free Space": True}
"""Metric → whether it counts what is free."""
_FULL_BY_DESIGN = frozenset({"squashfs", "iso9660", "overlay", "tmpfs", "devtmpfs", "erofs"})
_MOST = 20
"""File systems of one instance that are asked for."""
_SETTLING = 1200
"""Seconds in which a new instance may not have published yet."""


async def measured(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The snapshot with its processor; and, at their slow pace, credits and burst balances."""
    of = {"InstanceId": look.id}
    cpu = query(_SPACE, "CPUUtilization", "Average", period=period(look), **of)
    found = await aws.metrics((cpu,), minutes=30)
    slow = {
        "io_left": query(_SPACE, "EBSIOBalance%", "Average", period=300, **of),
        "bytes_left": query(_SPACE, "EBSByteBalance%", "Average", period=300, **of),
    }
    if burstable(look.type):
        slow["credits"] = query(_SPACE, "CPUCreditBalance", "Average", period=300, **of)
        slow["surplus"] = query(_SPACE, "CPUSurplusCreditBalance", "Average", period=300, **of)
    rest = await aws.metrics(tuple(slow.values()), minutes=60, rest=True)
    told = {field: rest.get(asked, NO_DATA) for field, asked in slow.items()}
    return replace(look, cpu=found.get(cpu, NO_DATA), **told)  # type: ignore[arg-type]


async def by_agent(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The snapshot with what the CloudWatch agent says of memory and file systems.

    Only its default namespace is looked in. A file system that is full by design is left out.
    """
    rows = await aws.pages(
        "cloudwatch",
        "ListMetrics",
        key="Metrics",
        Namespace=_AGENT,
        Dimensions=[{"Name": "InstanceId", "Value": look.id}],
        RecentlyActive="PT3H",
    )
    wanted = [each for each in answers_into(rows, PublishedMetric) if _is_wanted(each)][:_MOST]
    asked = {row.query(_AGENT, "Average"): row for row in wanted}
    found = await aws.metrics(tuple(asked), minutes=15) if asked else {}
    memory, disks = [], []
    for each, row in asked.items():
        series = found.get(each, NO_DATA)
        if row.metric_name in _MEMORY:
            memory.append(AgentMetric(path="", used=series))
        else:
            used = _turned(series) if _DISKS[row.metric_name] else series
            disks.append(AgentMetric(path=_path(row), used=used))
    disks.sort(key=lambda each: each.path)
    return replace(look, memory=tuple(memory), disks=tuple(disks))


def _is_wanted(row: PublishedMetric) -> bool:
    kind = row.named.get("fstype", "")
    return row.metric_name in _MEMORY | _DISKS and kind not in _FULL_BY_DESIGN


def _path(row: PublishedMetric) -> str:
    named = row.named
    return named.get("path") or named.get("instance") or named.get("device") or "a file system"


def _turned(series: Series) -> Series:
    return replace(series, values=tuple(100 - value for value in series.values))


def silent(look: Snapshot) -> list[Gap]:
    """What should publish and does not: a hung host, or an agent that is down."""
    if look.state != "running" or (age := lived(look)) is None or age < _SETTLING:
        return []
    gaps = []
    if not processor(look).values and not is_blind(look.cpu):
        gaps.append(Gap("metric CPUUtilization", "missing", "it runs, and publishes nothing"))
    agent = (*(look.memory or ()), *(look.disks or ()))
    quiet = [e for e in agent if not settled(e.used, look.at, minutes=10).values]
    if agent and len(quiet) == len(agent) and not any(is_blind(e.used) for e in quiet):
        gaps.append(Gap("the agent's metrics", "missing", "it published before, and went silent"))
    return gaps
