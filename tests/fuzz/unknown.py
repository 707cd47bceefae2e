"""A recorded look whose states, waits, events, errors and reasons are words that nobody has heard of.

The answers of AWS are made up from its models (`tests/fuzz/looks.py`); of a server's words there is
no model, and of events and reasons only free text. So a word of a recorded look is exchanged, and
has to reach the screen: as a finding, a fact, a cell or a change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from cockpit.triage import recording
from cockpit.triage.engine import Look, judged
from cockpit.triage.probe import AnyProbe
from cockpit.triage.registry import registry
from tests.core.builders import target
from tests.fuzz.looks import texts
from tests.recorded import FOLDER, octets

WORD = "Xq Unheard Of"
_SAYS = re.compile(
    r"(^|_)(states?|status|waits?|events?|types?|reasons?|errors?|messages?|codes?|ready|rejects"
    r"|failover|paused|invalidated)$"
)
"""The last word of a member's name that says how a thing is, or why."""
_NOT_SAID = ("", "Complete")
"""Of a series of CloudWatch it is judged while it is collected."""
_KEYED = {"redis.health": {"tally", "gained"}}
"""Probe → members whose keys are words of the server, which stand nowhere else in the look."""
_OURS = frozenset({"commands", "connections"})
"""Of those members, keys that we gave."""
Place = tuple[str | int, ...]


_NAMED_SHORTER = {
    "athena": "athena_workgroup.queries",
    "iam": "iam_principal.calls",
    "lambda": "lambda_function.status",
    "mysql_57_replica": "mysql.replication",
    "mysql_57_row": "mysql.locks",
    "mysql_8_replica_sessions": "mysql.sessions",
    "mysql_8_replica_stopped": "mysql.replication",
    "postgres_aurora_reader.": "postgres.replication",
    "mysql_rds_session": "mysql.sessions",
    "postgres_aurora": "postgres.sessions",
    "rds": "rds.status",
    "redis_elasticache": "redis.health",
    "s3": "s3_bucket.exposure",
    "s3_reader": "s3_bucket.access",
    "s3_report": "s3_bucket.upkeep",
    "sns": "sns_topic.delivery",
    "sqs": "sqs.queue",
    "waf": "waf_acl.traffic",
}
"""How the names of recordings begin that do not begin as their probe's id."""


@cache
def recorded() -> tuple[tuple[str, AnyProbe], ...]:
    """Every recording with the probe whose look it is."""
    probes = {probe.id: probe for probe in registry().values() if probe.asks}
    begin = {id_.replace(".", "_"): id_ for id_ in probes}
    begin |= {id_.partition(".")[0]: id_ for id_ in sorted(probes, reverse=True)}
    begin |= _NAMED_SHORTER
    found = []
    for name in sorted(path.stem for path in FOLDER.glob("*.json")):
        fits = [each for each in begin if name.startswith(each)]
        found.append((name, probes[begin[max(fits, key=len)]]))
    return tuple(found)


def dropped(name: str, probe: AnyProbe) -> Iterator[str]:
    """`threads.state Updating`: members and their words that leave no trace when they are others."""
    plain = recording.builtins(recording.decode(octets(name), probe.snapshot))
    look = Look(target("orders"), probe, probe.settings)
    said: dict[tuple[str, str], list[Place]] = {}
    for place, word in _words(plain):
        said.setdefault(
            (".".join(each for each in place if isinstance(each, str)), word), []
        ).append(place)
    for (member, word), places in said.items():
        changed = msgspec.json.decode(msgspec.json.encode(plain))
        for place in places:
            _put(changed, place)
        seen = judged(look, recording.decode(msgspec.json.encode(changed), probe.snapshot))
        told = texts(recording.builtins((seen.findings, seen.facts, seen.tables, seen.changes)))
        if not any(WORD.lower() in each.lower() for each in told):
            yield f"{member} {word}"


def unnamed(name: str, probe: AnyProbe) -> Iterator[str]:
    """`error READONLY`: keys by which a server counts that leave no trace when they are others."""
    members = _KEYED.get(probe.id, set())
    plain = recording.builtins(recording.decode(octets(name), probe.snapshot))
    look = Look(target("orders"), probe, probe.settings)
    for key in dict.fromkeys(_keys(plain, members)):
        changed = _renamed(plain, key, members)
        seen = judged(look, recording.decode(msgspec.json.encode(changed), probe.snapshot))
        told = texts(recording.builtins((seen.findings, seen.facts, seen.tables, seen.changes)))
        if not any(WORD.lower() in each.lower() for each in told):
            yield key


def _keys(value: Any, members: set[str], member: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        if member in members:
            yield from (name for name in value if name not in _OURS)
        for name, each in value.items():
            yield from _keys(each, members, name)
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each, members, member)


def _renamed(value: Any, key: str, members: set[str], member: str = "") -> Any:
    """With the last word of a key exchanged, wherever it stands."""
    if isinstance(value, list):
        return [_renamed(each, key, members, member) for each in value]
    if not isinstance(value, Mapping):
        return value
    new = key.removesuffix(key.rpartition(" ")[2]) + WORD
    return {
        new if name == key and member in members else name: _renamed(each, key, members, name)
        for name, each in value.items()
    }


def _words(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _words(each, (*place, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _words(each, (*place, number))
    elif isinstance(value, str) and value not in _NOT_SAID and _SAYS.search(_member(place)):
        yield place, value


def _member(place: Place) -> str:
    return next((each for each in reversed(place) if isinstance(each, str)), "")


def _put(value: Any, place: Place) -> None:
    for step in place[:-1]:
        value = value[step]
    value[place[-1]] = WORD
