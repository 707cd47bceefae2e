"""The tasks of one service: those that run, and those that stopped in the last hour.

ECS lists 100 a page, in an order that it does not promise. The first page of a cluster's tasks is
for all its services; where there are more, each is asked for its own: a neighbour that crashes for
an hour leaves two thousand, which would cost twenty pages a look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from cockpit import clock
from cockpit.connect.aws.answer import answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from probes.answers import Gap
from probes.ecs.answers import StoppedTaskRow, TaskRow
from probes.ecs.begun import NOT_ALL
from probes.ecs.model import RunningTask, Service, Snapshot, Stop
from probes.ecs.read import running_task_of, stop_of

_STAYS_LARGE = timedelta(minutes=10)
_LARGE: WeakKeyDictionary[AwsReads, dict[str, datetime]] = WeakKeyDictionary()
"""Of each session the clusters with more live tasks than a page holds, and when that was seen."""
_MOST = 300
"""Stopped tasks of one service that are read: what stopped the others is no other story."""


async def stopped(
    aws: AwsReads, service: Service, cluster: str, *, gaps: list[Gap]
) -> tuple[Stop, ...]:
    """The service's stopped tasks, newest first; a gap tells when there are more than are read."""
    arns = await _stopped_arns(aws, service, cluster, gaps)
    group = f"service:{service.name}"
    rows = [row for row in await _described(aws, arns, cluster) if row.get("group") == group]
    found = [stop for stop in map(stop_of, answers_into(rows, StoppedTaskRow)) if stop is not None]
    return tuple(sorted(found, key=lambda stop: stop.stopped_at, reverse=True))


async def _stopped_arns(
    aws: AwsReads, service: Service, cluster: str, gaps: list[Gap]
) -> Sequence[str]:
    wanted: dict[str, str] = {"cluster": cluster, "desiredStatus": "STOPPED"}
    page = await aws.read("ecs", "ListTasks", expect="taskArns", **wanted)
    if not page.get("nextToken"):
        return _arns(page)
    wanted["serviceName"] = service.name
    arns: list[str] = []
    while len(arns) < _MOST:
        page = await aws.read("ecs", "ListTasks", expect="taskArns", **wanted)
        arns += _arns(page)
        token = page.get("nextToken")
        if not token or token == wanted.get("nextToken"):
            return arns
        wanted["nextToken"] = str(token)
    beyond = f"{NOT_ALL} the first {_MOST}"
    gaps.append(Gap(beyond, "not read", "more stopped within the hour than a look reads"))
    return arns[:_MOST]


def _arns(page: Mapping[str, object]) -> list[str]:
    listed = page["taskArns"]
    if not isinstance(listed, list):
        raise BlindError(Reason.UNREADABLE, "ecs.ListTasks: the answer's taskArns is no list")
    return list(map(str, listed))


async def live(aws: AwsReads, snapshot: Snapshot, cluster: str) -> tuple[RunningTask, ...] | None:
    """The live tasks, for their zones and ages; not asked for when there are none."""
    if not snapshot.running:
        return None
    name = snapshot.service.name
    rows: Iterable[Mapping[str, Any]] | None = await _whole(aws, cluster)
    if rows is None:
        arns = await aws.pages(
            "ecs", "ListTasks", key="taskArns", cluster=cluster, serviceName=name
        )
        rows = await _described(aws, arns, cluster)
    else:
        rows = [row for row in rows if row.get("group") == f"service:{name}"]
    return tuple(map(running_task_of, answers_into(list(rows), TaskRow)))


async def _whole(aws: AwsReads, cluster: str) -> list[Mapping[str, Any]] | None:
    """All live tasks of a cluster that has no more than a page of them, in two calls that the
    looks at its services share; None: it has more.
    """
    large, moment = _LARGE.setdefault(aws, {}), clock.now()
    if cluster in large and moment - large[cluster] < _STAYS_LARGE:
        return None
    page = await aws.read(
        "ecs", "ListTasks", expect="taskArns", cluster=cluster, desiredStatus="RUNNING"
    )
    if page.get("nextToken"):
        large[cluster] = moment
        return None
    arns = sorted(_arns(page))
    if not arns:
        return []
    answer = await aws.read("ecs", "DescribeTasks", expect="tasks", cluster=cluster, tasks=arns)
    rows = answer["tasks"]
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise BlindError(Reason.UNREADABLE, "ecs.DescribeTasks: the answer's tasks are no list")
    return rows


async def _described(aws: AwsReads, arns: Sequence[Any], cluster: str) -> list[Mapping[str, Any]]:
    """The rows of the tasks; those that ECS forgot since the list are left out."""
    answers = await asyncio.gather(
        *(aws.item("ecs", "DescribeTasks", key=str(arn), cluster=cluster) for arn in arns),
        return_exceptions=True,
    )
    rows: list[Mapping[str, Any]] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            if isinstance(answer, BlindError) and answer.reason is Reason.MISSING:
                continue
            raise answer
        rows.append(answer)
    return rows
