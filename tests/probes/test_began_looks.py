"""Every recorded look, whatever its probe: nothing began after it, and what lasts began once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from cockpit.triage import recording
from cockpit.triage.finding import Finding
from cockpit.triage.probe import AnyProbe
from cockpit.triage.registry import registry
from tests.recorded import FOLDER, octets

_TIMES = ("at", "path", "pulse", "summary", "server", "end")
"""Where a snapshot has the time of its look, or what holds it."""
_DURATIONS = {"longest", "maxwait", "secs"}
_LATER = 40


def readers(name: str) -> list[AnyProbe]:
    """The probes whose snapshot lacks fewest of these members: an older one has not all of them."""
    members = set(json.loads(octets(name)))
    lacking: dict[int, list[AnyProbe]] = {}
    for probe in registry().values():
        known = {each.name for each in fields(probe.snapshot)}
        if members <= known:
            lacking.setdefault(len(known - members), []).append(probe)
    return lacking[min(lacking)] if lacking else []


LOOKS = [
    pytest.param(path.name.removesuffix(".json"), probe, id=f"{path.stem} {probe.id}")
    for path in sorted(FOLDER.glob("*.json"))
    for probe in readers(path.name.removesuffix(".json"))
]


def time_of(snapshot: Any) -> datetime:
    for member in _TIMES:
        found = getattr(snapshot, member, None)
        if isinstance(found, datetime):
            return found
        if is_dataclass(found):
            return time_of(found)
    raise AssertionError(f"{type(snapshot).__name__} has no time of its look")


def dated(probe: AnyProbe, snapshot: Any) -> Iterator[Finding]:
    for found in probe.diagnose(snapshot, probe.settings):
        if found.began is not None:
            yield found


@pytest.mark.parametrize(("name", "probe"), LOOKS)
def test_nothing_that_is_found_began_after_its_look(name: str, probe: AnyProbe) -> None:
    look = recording.decode(octets(name), probe.snapshot)
    for found in dated(probe, look):
        assert found.began is not None
        assert found.began <= time_of(look), found.code
        assert found.resolution > 0, found.code


def test_most_recordings_are_read_and_every_family_dates_something() -> None:
    assert len(LOOKS) >= 100
    families = {
        found.code.partition("_")[0]
        for name, probe in (each.values for each in LOOKS)
        for found in dated(probe, recording.decode(octets(name), probe.snapshot))  # type: ignore[arg-type,union-attr]
    }  # fmt: skip
    assert families >= {
        "ALARM",
        "ALB",
        "ASG",
        "CACHE",
        "DDB",
        "ECS",
        "MY",
        "NET",
        "PG",
        "RDS",
        "TG",
    }


def later(value: Any, name: str = "") -> Any:
    """The same look some seconds later: what lasts, lasts longer."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value,
            **{f.name: later(getattr(value, f.name), f.name) for f in fields(value) if f.init},
        )
    if isinstance(value, tuple):
        return tuple(later(each) for each in value)
    if isinstance(value, datetime) and name == "at":
        return value + timedelta(seconds=_LATER)
    lasts = name.endswith("_s") or name in _DURATIONS
    if lasts and isinstance(value, int | float) and not isinstance(value, bool):
        return value + _LATER
    return value  # fmt: skip


@pytest.mark.parametrize(
    ("name", "probe"),
    [
        ("postgres_locks_lock_storm", "postgres.locks"),
        ("postgres_sessions_lock_storm", "postgres.sessions"),
        ("mysql_locks_metadata_lock", "mysql.locks"),
        ("mysql_sessions_metadata_lock", "mysql.sessions"),
        ("pgbouncer_pools_clients_wait", "pgbouncer.pools"),
    ],
)
def test_a_wait_that_grows_from_look_to_look_began_when_it_began(name: str, probe: str) -> None:
    chosen = registry()[probe]
    look = recording.decode(octets(name), chosen.snapshot)
    first = {(each.code, each.subject): each for each in dated(chosen, look)}
    second = {(each.code, each.subject): each for each in dated(chosen, later(look))}
    assert first
    assert first.keys() <= second.keys()
    for key, found in first.items():
        before, after = found.began, second[key].began
        assert before is not None
        assert after is not None
        assert abs((after - before).total_seconds()) <= found.resolution, key
