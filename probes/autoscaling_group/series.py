"""Which series of CloudWatch a look at a group asks for: its processor first, the rest in need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from cockpit.connect.aws.answer import answer_into
from cockpit.connect.session import AwsReads, MetricQuery, Series
from probes.answers import Gap
from probes.autoscaling_group.model import Snapshot, recent, serving
from probes.autoscaling_group.read import BalancedRow
from probes.metrics import NO_DATA, is_blind, mean, query, settled, together

PERIOD = 300
"""Seconds: with basic monitoring EC2 publishes a point every five minutes, each instance at its own
minute, so that shorter periods would compare instances and not times."""
_SETTLING = 1800
"""Seconds in which a new instance may not have published yet."""
_SPREAD = 50
"""Instances whose own processor is asked for."""
_LOOKED_INTO = 60.0
"""Percent of the average from which on the spread over the instances matters."""


def processor(look: Snapshot, series: Series) -> Series:
    """The settled quarter of an hour: three points."""
    return settled(series, look.at, minutes=15, period=PERIOD)


async def measured(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The snapshot with the processor of the group; without instances nothing is published."""
    if not look.members:
        return look
    average, most = (
        query("AWS/EC2", "CPUUtilization", stat, period=PERIOD, AutoScalingGroupName=look.name)
        for stat in ("Average", "Maximum")
    )
    found = await aws.metrics((average, most), minutes=30)
    return replace(look, cpu=found.get(average, NO_DATA), cpu_most=found.get(most, NO_DATA))


def silent(look: Snapshot) -> Iterator[Gap]:
    """The processor is always published: instances that serve and tell nothing are not seen."""
    old = look.created is None or (look.at - look.created).total_seconds() > _SETTLING
    quiet = not processor(look, look.cpu).values and not is_blind(look.cpu)
    fresh = any(each.launches for each in recent(look, _SETTLING))
    if serving(look) and old and quiet and not fresh:
        yield Gap("metric CPUUtilization", "missing", "instances serve, and publish nothing")


async def explained(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The snapshot with how its instances share the load, or what an empty group used to get."""
    if look.desired == 0 and look.target_groups:
        return replace(look, requests=await _requests(aws, look))
    busy = mean(processor(look, look.cpu))
    if busy is None or busy < _LOOKED_INTO:
        return look
    asked = {
        query("AWS/EC2", "CPUUtilization", "Average", period=PERIOD, InstanceId=each.id): each.id
        for each in serving(look)[:_SPREAD]
    }
    found = await aws.metrics(tuple(asked), minutes=30)
    each_one = {
        name: mean(processor(look, found.get(wanted, NO_DATA))) for wanted, name in asked.items()
    }
    known = [(name, value) for name, value in each_one.items() if value is not None]
    return replace(look, cpu_of=tuple(sorted(known, key=lambda pair: -pair[1])))


async def _requests(aws: AwsReads, look: Snapshot) -> Series:
    """Requests of a day to its target groups. Metrics of a group exist by its balancer only."""
    rows = await asyncio.gather(
        *(aws.item("elbv2", "DescribeTargetGroups", key=arn) for arn in look.target_groups[:10])
    )
    wanted = [
        asked
        for row in (answer_into(each, BalancedRow) for each in rows)
        for balancer in row.load_balancer_arns
        for asked in _by_balancer(balancer, row.target_group_arn)
    ]
    if not wanted:
        return NO_DATA
    found = await aws.metrics(wanted, minutes=24 * 60, rest=True)
    return together(*(found.get(asked, NO_DATA) for asked in wanted))


def _by_balancer(balancer: str, group: str) -> tuple[MetricQuery, ...]:
    name = balancer.partition(":loadbalancer/")[2]
    if not name.startswith("app/"):
        return ()  # a network balancer tells flows by itself only, not by target group
    short = group.rpartition(":")[2]
    dims = {"LoadBalancer": name, "TargetGroup": short}
    return (query("AWS/ApplicationELB", "RequestCount", "Sum", period=3600, **dims),)
