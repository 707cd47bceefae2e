"""Route 53: who changed which record when, of zones that keep a history."""

from __future__ import annotations

import asyncio
from datetime import datetime

from msgspec import field

from cockpit.connect.aws.answer import Answer, GivenText, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText
from cockpit.triage.names import RecordMove, plain_name
from probes.changes.model import Happening

_ZONES = 5


class ZoneRow(Answer, frozen=True):
    """One of `ListHostedZones`."""

    of = "route53.HostedZone"

    id: GivenText
    name: SafeText = ""


class RecordValueRow(Answer, frozen=True):
    """One value of a record."""

    value: SafeText = ""


class AliasTargetRow(Answer, frozen=True):
    """What an alias record points to."""

    dns_name: SafeText = field(default="", name="DNSName")


class RecordRow(Answer, frozen=True):
    """A record set as a change wrote or deleted it."""

    name: SafeText = ""
    type: SafeText = ""
    set_identifier: SafeText = ""
    weight: int | None = None
    ttl: int | None = field(default=None, name="TTL")
    resource_records: tuple[RecordValueRow, ...] = ()
    alias_target: AliasTargetRow = AliasTargetRow()


class RecordChangeRow(Answer, frozen=True):
    """One of `ListResourceRecordSetChanges`."""

    of = "route53.ResourceRecordSetChange"

    change_id: SafeText = ""
    submitted_at: datetime | None = None
    submitted_by: SafeText = ""
    action: SafeText = ""
    resource_record_set: RecordRow = RecordRow()


async def records(aws: AwsReads, start: datetime, end: datetime) -> tuple[Happening, ...]:
    """Who changed which record when, of the zones that keep a history.

    A zone whose history is off (`FeatureNotEnabled`) tells nothing, and CloudTrail in us-east-1
    does. Raises `BlindError` when no zone could be read for another reason.
    """
    rows = await aws.pages("route53", "ListHostedZones", key="HostedZones")
    zones = answers_into(rows, ZoneRow)[:_ZONES]
    found = await asyncio.gather(*(_zone(aws, zone, start, end) for zone in zones))
    return tuple(each for told in found for each in told)


async def _zone(
    aws: AwsReads, zone: ZoneRow, start: datetime, end: datetime
) -> tuple[Happening, ...]:
    try:
        answer = await aws.read(
            "route53",
            "ListResourceRecordSetChanges",
            expect="ResourceRecordSetChanges",
            HostedZoneId=zone.id.rpartition("/")[2],
            SubmittedAfter=start.strftime("%Y-%m-%dT%H:%M:%SZ"),
            MaxResults="100",
        )
    except BlindError as error:
        if "FeatureNotEnabled" in error.message or error.reason is Reason.UNSUPPORTED:
            return ()
        raise
    rows = answers_into(answer["ResourceRecordSetChanges"], RecordChangeRow)
    oldest_first = sorted(
        (row for row in rows if row.submitted_at is not None and row.submitted_at <= end),
        key=lambda row: (row.submitted_at, row.action != "DELETE"),
    )
    was: dict[tuple[str, str, str], RecordRow] = {}
    told = []
    for row in oldest_first:
        record = row.resource_record_set
        which = (record.name, record.type, record.set_identifier)
        told.append(_record_change(zone, row, was.get(which)))
        was[which] = record
    return tuple(told)


def _record_change(zone: ZoneRow, row: RecordChangeRow, was: RecordRow | None) -> Happening:
    record = row.resource_record_set
    now = _values(record)
    before = f"{_values(was)} → " if was is not None and row.action != "DELETE" else ""
    verb = {"DELETE": "−", "CREATE": "+"}.get(row.action, "now")
    assert row.submitted_at is not None
    return Happening(
        at=row.submitted_at,
        kind="route53.record",
        resource=zone.id.rpartition("/")[2],
        summary=f"zone {zone.name}: {verb} {record.name} {record.type} {before}{now}",
        source="route53.ListResourceRecordSetChanges",
        actor=row.submitted_by.rpartition("/")[2],
        record=RecordMove(
            at=row.submitted_at,
            name=plain_name(record.name),
            type=record.type,
            new=() if row.action == "DELETE" else _plain(record),
            old=_plain(record) if row.action == "DELETE" else _plain(was) if was else None,
            old_ttl=record.ttl if row.action == "DELETE" else was.ttl if was else None,
            plain=not (record.set_identifier or record.alias_target.dns_name),
            actor=row.submitted_by.rpartition("/")[2],
        ),
    )


def _plain(record: RecordRow) -> tuple[str, ...]:
    return tuple(each.value for each in record.resource_records)


def _values(record: RecordRow) -> str:
    values = [each.value for each in record.resource_records] or [record.alias_target.dns_name]
    ttl = f" (TTL {record.ttl}s)" if record.ttl is not None else ""
    return ", ".join(filter(None, values)) + ttl
