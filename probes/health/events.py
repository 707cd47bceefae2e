"""What AWS Health has open or scheduled for the place's region.

Source: AWS Health API Reference, `DescribeEvents`, `DescribeEventDetails`,
`DescribeAffectedEntities`. Its endpoint is one of two regions in the United States, and may be away
in the very outage that it should tell. Without a support plan of class Business or above it answers
nothing: then nothing is known, which is not "no events".
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.answer import answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Finding
from cockpit.triage.nature import codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, attempt, partly_blind
from probes.health import findings, view
from probes.health.findings import Settings
from probes.health.model import (
    KINDS,
    NOTICE,
    AffectedEntity,
    DetailsRow,
    EntityRow,
    HealthEvent,
    HealthRow,
    Snapshot,
)

_ASKED, _CALL = 30, 10
"""Events whose text and entities are read, and how many of them one call takes."""
_MOST = 300


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read what is open or coming, then the text and the entities of what matters most.

    Raises `BlindError` with the reason when AWS Health does not tell.
    """
    wanted = {"eventStatusCodes": ["open", "upcoming"], "regions": [aws.region, "global"]}
    gaps: list[Gap] = []
    try:
        rows = await aws.pages("health", "DescribeEvents", key="events", most=_MOST, filter=wanted)
    except BlindError as error:
        raise _no_plan(error) from error
    events = sorted(map(_event, answers_into(rows, HealthRow)), key=_weight)
    arns = [each.arn for each in events if each.category != NOTICE]
    if len(arns) > _ASKED:
        detail = f"only of the first {_ASKED} of {len(arns)}"
        gaps.append(Gap("what further events name", "unread", detail))
        arns = arns[:_ASKED]
    texts, entities = await asyncio.gather(
        attempt(gaps, "texts of events", _details(aws, arns), otherwise=()),
        attempt(gaps, "what events name", _entities(aws, arns), otherwise=()),
    )
    text = {each.event.arn: each.event_description.latest_description for each in texts}
    told = tuple(
        replace(
            event,
            text=text.get(event.arn, ""),
            entities=tuple(
                AffectedEntity(name=each.entity_value, status=each.status_code)
                for each in entities
                if each.event_arn == event.arn
            ),
        )
        for event in events
    )
    return Snapshot(at=clock.now(), region=aws.region, events=told, gaps=tuple(gaps))


def _no_plan(error: BlindError) -> BlindError:
    if error.reason is not Reason.UNSUPPORTED:
        return error
    return BlindError(
        error.reason,
        f"AWS Health tells nothing without a support plan: {error.message}",
        hint="its API needs a support plan of class Business or above; look at the AWS Health "
        "Dashboard in a browser, and take this target out of the configuration",
    )


def _event(row: HealthRow) -> HealthEvent:
    return HealthEvent(
        arn=row.arn,
        service=row.service,
        code=row.event_type_code,
        category=row.event_type_category,
        status=row.status_code,
        region=row.region,
        zone=row.availability_zone,
        start=row.start_time,
        end=row.end_time,
        updated=row.last_updated_time,
        scope=row.event_scope_code,
        asks=row.actionability.upper(),
    )


def _weight(event: HealthEvent) -> tuple[bool, bool, float]:
    """Open before coming, issues before notices, the newest first."""
    begins = event.start.timestamp() if event.start else 0.0
    return event.status != "open", event.category not in {"issue", "investigation"}, -begins


async def _details(aws: AwsReads, arns: Sequence[str]) -> tuple[DetailsRow, ...]:
    found: tuple[DetailsRow, ...] = ()
    for first in range(0, len(arns), _CALL):
        asked = list(arns[first : first + _CALL])
        answer = await aws.read(
            "health", "DescribeEventDetails", expect="successfulSet", eventArns=asked
        )
        found += answers_into(answer["successfulSet"], DetailsRow)
    return found


async def _entities(aws: AwsReads, arns: Sequence[str]) -> tuple[EntityRow, ...]:
    found: tuple[EntityRow, ...] = ()
    for first in range(0, len(arns), _CALL):
        asked = {"eventArns": list(arns[first : first + _CALL])}
        rows = await aws.pages(
            "health", "DescribeAffectedEntities", key="entities", most=_MOST, filter=asked
        )
        found += answers_into(rows, EntityRow)
    return found


def among(snapshot: Snapshot, targets: Sequence[Target]) -> Snapshot:
    """The events with the targets that they name, and those that are under their services."""
    return replace(snapshot, events=tuple(_joined(event, targets) for event in snapshot.events))


def _joined(event: HealthEvent, targets: Sequence[Target]) -> HealthEvent:
    kinds = KINDS.get(event.service.upper(), frozenset())
    under = [each for each in targets if each.kind in kinds]
    entities = tuple(
        replace(each, target=_named(each.name, targets, _of_service(each.name, targets) or under))
        for each in event.entities
    )
    return replace(event, targets=tuple(each.name for each in under), entities=entities)


def _of_service(entity: str, targets: Sequence[Target]) -> list[Target]:
    """The targets of the service that an ARN is of: an event of EC2 names databases, too."""
    service = entity.split(":")[2] if entity.startswith("arn:") and entity.count(":") > 4 else ""
    kinds = KINDS.get(service.upper(), frozenset())
    return [each for each in targets if each.kind in kinds]


def _named(entity: str, targets: Sequence[Target], under: Sequence[Target]) -> str:
    """The target that an entity is: by its ARN, or by the name of one under the entity's own or the
    event's service (a queue may be called like a database).
    """
    tail = entity.split(":", 5)[-1] if entity.startswith("arn:") else entity
    names = {entity, tail, tail.rpartition("/")[2], tail.rpartition(":")[2]}
    for each in targets:
        id_ = each.settings.id if isinstance(each.settings, AwsResource) else ""
        last = id_.split(":", 5)[-1] if id_.startswith("arn:") else id_
        same = {last, last.rpartition("/")[2], last.rpartition(":")[2]} & names
        whole = entity.startswith("arn:") and id_ == entity
        if id_ and (whole or (each in under and same)):
            return each.name
    return ""


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What is open, what will come, and what has an unknown state."""
    yield from findings.open_events(snapshot, settings)
    yield from findings.upcoming(snapshot, settings)
    yield from findings.unknown(snapshot, settings)
    yield from partly_blind("HEALTH_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("health", "health", named=False)

PROBE = Probe(
    id="health.events",
    kind="health",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=120,
    timeout=15,
    among=among,
    facts=view.facts,
    tables=view.tables,
    changes=view.changes,
    needs=(
        "health:DescribeEvents",
        "health:DescribeEventDetails",
        "health:DescribeAffectedEntities",
    ),
    codes=codes(
        cause=("AWS_EVENT_OPEN",),
        risk=("AWS_CHANGE_UPCOMING",),
        eye=("HEALTH_STATUS_UNKNOWN", "HEALTH_OBS_BLIND"),
    ),
)
