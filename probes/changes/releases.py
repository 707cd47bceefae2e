"""ECS: what a deployment changed, by the revisions that ECS keeps of a service.

`DescribeServiceRevisions` has the digest of each image: a tag that was moved under the same task
definition is seen there and nowhere else (ECS API reference; kept since 2024-10-25).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from probes.answers import Gap, gap_of
from probes.changes.calls import resource_of
from probes.changes.definition_diff import task_definition
from probes.changes.model import MovedImage
from probes.changes.revisions import RevisionRow, cluster_of, revisions
from probes.trail import ApiEvent

_READ = 4
"""Of how many deployments, newest first, it is read what they changed."""


async def releases(
    aws: AwsReads, events: Sequence[ApiEvent], gaps: list[Gap]
) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], tuple[MovedImage, ...]]:
    """Id of a call → what its deployment changed; and images that moved under their tag."""
    wanted = [
        each
        for each in events
        if each.call == "ecs.UpdateService"
        and not each.error
        and (each.parameters.get("taskDefinition") or each.parameters.get("forceNewDeployment"))
    ]
    found: list[tuple[str, tuple[str, ...]]] = []
    moved: list[MovedImage] = []
    for event in wanted[:_READ]:
        try:
            lines, images = await _release(aws, event, events)
        except BlindError as error:
            if error.reason is not Reason.MISSING:
                gaps.append(gap_of("task definitions", error))
            continue
        if lines:
            found.append((event.id, lines))
        moved += images
    return tuple(found), tuple(moved)


async def _release(
    aws: AwsReads, event: ApiEvent, events: Sequence[ApiEvent]
) -> tuple[tuple[str, ...], list[MovedImage]]:
    before, after = await revisions(aws, event)
    old = before.task_definition if before else _called_before(event, events)
    new = after.task_definition if after else str(event.parameters.get("taskDefinition") or "")
    images = _moved(event, before, after)
    lines = tuple(
        f"{each.container} image {each.image}: digest {each.before[7:19]} → {each.after[7:19]}"
        for each in images
    )
    if not old or not new or old.rpartition("/")[2] == new.rpartition("/")[2]:
        return lines, images
    was, now = await asyncio.gather(_definition(aws, old), _definition(aws, new))
    head = f"task definition {old.rpartition('/')[2]} → {new.rpartition('/')[2]}"
    return (head, *task_definition(was, now), *lines), images


async def _definition(aws: AwsReads, name: str) -> Mapping[str, object]:
    return await aws.item("ecs", "DescribeTaskDefinition", key=name)


def _called_before(event: ApiEvent, events: Iterable[ApiEvent]) -> str:
    """The task definition that an earlier call of the trail brought to the same service."""
    earlier = [
        each
        for each in events
        if each.call == event.call
        and each.at < event.at
        and not each.error
        and resource_of(each) == resource_of(event)
        and cluster_of(each) == cluster_of(event)
        and each.parameters.get("taskDefinition")
    ]
    newest = max(earlier, key=lambda each: each.at, default=None)
    return str(newest.parameters["taskDefinition"]) if newest is not None else ""


def _moved(
    event: ApiEvent, before: RevisionRow | None, after: RevisionRow | None
) -> list[MovedImage]:
    if before is None or after is None or before.task_definition != after.task_definition:
        return []
    was = {each.container_name: each for each in before.container_images}
    return [
        MovedImage(
            service=resource_of(event),
            cluster=cluster_of(event),
            task_definition=after.task_definition.rpartition("/")[2],
            container=each.container_name,
            image=each.image,
            before=was[each.container_name].image_digest,
            after=each.image_digest,
            at=event.at,
        )
        for each in after.container_images
        if each.container_name in was
        and was[each.container_name].image_digest
        and each.image_digest
        and was[each.container_name].image_digest != each.image_digest
    ]
