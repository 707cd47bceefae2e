"""Records of DNS that a call of CloudTrail changed: new values, and old ones of the same batch.

Source: Route 53 API reference, `ChangeResourceRecordSets`, as CloudTrail writes it down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cockpit.text import visible
from cockpit.triage.names import RecordMove, plain_name
from probes.trail import ApiEvent

_Key = tuple[str, str, str]
"""Name, type and set identifier: of weighted records several have one name and type."""


def moves_of(event: ApiEvent) -> Iterator[RecordMove]:
    """Each record that the call changed; none of a call that failed."""
    if event.call != "route53.ChangeResourceRecordSets" or event.error:
        return
    batch = event.parameters.get("changeBatch")
    rows = batch.get("changes") if isinstance(batch, Mapping) else None
    deleted: dict[_Key, tuple[tuple[str, ...], int | None]] = {}
    made: dict[_Key, tuple[tuple[str, ...], bool]] = {}
    for row in rows if isinstance(rows, list) else ():
        record = row.get("resourceRecordSet") if isinstance(row, Mapping) else None
        if not isinstance(record, Mapping):
            continue
        key = (
            plain_name(_text(record, "name")),
            _text(record, "type"),
            _text(record, "setIdentifier"),
        )
        plain = not (record.get("setIdentifier") or record.get("aliasTarget"))
        if _text(row, "action").upper() == "DELETE":
            deleted[key] = (_values(record), _seconds(record))
            made.setdefault(key, ((), plain))
        else:
            made[key] = (_values(record), plain)
    for key, (values, plain) in made.items():
        name, kind, _ = key
        old, ttl = deleted.get(key, (None, None))
        yield RecordMove(
            at=event.at,
            name=name,
            type=kind,
            new=values,
            old=old,
            old_ttl=ttl,
            plain=plain,
            actor=event.actor,
        )


def _text(held: Mapping[str, Any], name: str) -> str:
    return visible(str(held.get(name, "")), 255)


def _values(record: Mapping[str, Any]) -> tuple[str, ...]:
    rows = record.get("resourceRecords")
    held = rows if isinstance(rows, list) else []
    return tuple(_text(each, "value") for each in held if isinstance(each, Mapping))


def _seconds(record: Mapping[str, Any]) -> int | None:
    told = record.get("tTL", record.get("ttl"))
    return told if isinstance(told, int) else None
