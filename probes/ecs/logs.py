"""Where the containers of a service write: the streams of the awslogs driver, running and stopped.

Source: ECS Developer Guide, "Send Amazon ECS logs to CloudWatch" (a stream is called
`prefix/container/task`; without a prefix, on EC2 only, it is the container's id, which ECS does not
tell).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from cockpit.connect.aws.answer import Answer, GivenText, answer_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError
from cockpit.logs.source import LogSource
from cockpit.text import SafeText
from cockpit.triage.target import Target
from probes.ecs.model import Snapshot, Stop

_STOPS = 5


class LogConfiguration(Answer, frozen=True, rename="camel"):
    """Which driver carries a container's output, and where to."""

    log_driver: SafeText = ""
    options: dict[str, SafeText] = msgspec.field(default_factory=dict)


class LoggingContainer(Answer, frozen=True, rename="camel"):
    """One of `containerDefinitions[]`."""

    name: SafeText = ""
    log_configuration: LogConfiguration = LogConfiguration()


class LoggingDefinition(Answer, frozen=True, rename="camel"):
    """The `taskDefinition` of `DescribeTaskDefinition`."""

    of = "ecs.TaskDefinition"
    task_definition_arn: GivenText
    container_definitions: tuple[LoggingContainer, ...] = ()


@dataclass(frozen=True, slots=True)
class _Writes:
    """Where one container writes; `why` says why that cannot be read."""

    container: str
    group: str = ""
    prefix: str = ""
    why: str = ""


async def logs(aws: AwsReads, snapshot: Snapshot, target: Target) -> tuple[LogSource, ...]:
    """The containers that run, then the tasks that stopped last, each with its last lines.

    Raises `BlindError` when the definition of what runs cannot be read.
    """
    now = snapshot.primary.task_definition if snapshot.primary else ""
    current = now or snapshot.service.task_definition
    known = {current: await _read(aws, current)} if current else {}
    stops = snapshot.stopped[:_STOPS]
    for arn in dict.fromkeys(stop.task_definition for stop in stops):
        if arn and arn not in known:
            with contextlib.suppress(BlindError):  # that of a stopped task may be deleted by now
                known[arn] = await _read(aws, arn)
    sources = []
    for each in _writes(known[current], aws.region) if current else ():
        prefix = f"{each.prefix}/{each.container}/" if each.prefix else ""
        label = f"container {each.container}"
        sources.append(LogSource(group=each.group, label=label, prefix=prefix, why=each.why))
    for stop in stops:
        sources += _stopped(stop, known, aws.region)
    return tuple(sources)


async def _read(aws: AwsReads, arn: str) -> LoggingDefinition:
    answer = await aws.read(
        "ecs", "DescribeTaskDefinition", expect="taskDefinition", taskDefinition=arn
    )
    return answer_into(answer["taskDefinition"], LoggingDefinition)


def _stopped(
    stop: Stop, known: Mapping[str, LoggingDefinition], region: str
) -> Iterator[LogSource]:
    definition = known.get(stop.task_definition)
    exits = {each.name: each for each in stop.containers}
    for each in _writes(definition, region) if definition else ():
        ended = exits.get(each.container)
        code = f", exit {ended.exit_code}" if ended and ended.exit_code is not None else ""
        reason = " · ".join(filter(None, (stop.reason, ended.reason if ended else "")))
        why = each.why
        if not why and not each.prefix:
            why = "without awslogs-stream-prefix its stream bears the container's id"
        yield LogSource(
            group="" if why else each.group,
            label=f"stopped {stop.stopped_at:%H:%M:%S} {each.container}{code} ({stop.id[:8]})",
            stream=f"{each.prefix}/{each.container}/{stop.id}",
            ended=stop.stopped_at,
            reason=reason,
            why=why,
        )


def _writes(definition: LoggingDefinition, region: str) -> Iterator[_Writes]:
    for each in definition.container_definitions:
        driver, options = each.log_configuration.log_driver, each.log_configuration.options
        group = options.get("awslogs-group", "")
        there = options.get("awslogs-region", region)
        if driver != "awslogs" or not group:
            told = f"its lines go by the driver {driver}" if driver else "no log driver is set"
            yield _Writes(each.name, why=f"{told}: they are not in CloudWatch Logs by ECS")
        elif there != region:
            yield _Writes(each.name, why=f"its lines are in {there}, not in {region}")
        else:
            yield _Writes(each.name, group, options.get("awslogs-stream-prefix", ""))
