"""The prime suspects as the desk tells them: steady, with what people said, and in the record."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cockpit import clock
from cockpit.desk import suspicion
from cockpit.desk.relation import ChangeKeeper
from cockpit.desk.suspicion import Steady, SuspicionKeeper
from cockpit.incident.entry import EntryKind
from cockpit.incident.record import Incident
from cockpit.incident.said import GUILTY, INNOCENT, OPEN
from cockpit.triage.board import Board
from cockpit.triage.finding import Severity
from cockpit.triage.suspects import Suspect
from cockpit.triage.suspicion.certainty import Certainty
from tests.core import records
from tests.core.builders import finding, seen
from tests.core.test_suspects import LOCK, SHOP, WRONG, board, sick

OUTAGE = board(
    sick("alb", WRONG),
    sick("db", LOCK),
    seen(finding("RD_LAT_EXPENSIVE_CMD", Severity.HIGH), name="cache", probe="cache.p"),
)


def keeper(incident: Incident) -> SuspicionKeeper:
    looks = SimpleNamespace(ranked=SimpleNamespace(first_look=None))

    def spawn(work: Coroutine[object, object, None]) -> None:
        tasks.append(asyncio.ensure_future(work))

    tasks: list[asyncio.Future[None]] = []
    return SuspicionKeeper(
        SHOP, incident, cast(ChangeKeeper, looks), spawn=spawn, tell=lambda: None
    )


def suspect(name: str, score: float, word: Certainty = Certainty.POSSIBLE) -> Suspect:
    return Suspect(rank=1, kind="target", name=name, score=score, summary="x", verdict=word)


def names(kept: SuspicionKeeper, state: Board = OUTAGE) -> list[str]:
    return [each.name for each in kept.of(state).suspects]


def test_another_takes_the_first_line_only_when_it_is_clearly_stronger() -> None:
    steady = Steady()

    def first(*found: Suspect) -> str:
        return steady.of(found)[0].name

    assert first(suspect("a", 0.6), suspect("b", 0.5)) == "a"
    assert first(suspect("b", 0.62), suspect("a", 0.6)) == "a"
    assert first(suspect("b", 0.8), suspect("a", 0.6)) == "a", "once may be chance"
    assert first(suspect("b", 0.8), suspect("a", 0.6)) == "b"
    assert first(suspect("c", 0.7)) == "c", "what spoke against it is gone"
    assert [each.rank for each in steady.of((suspect("d", 0.7), suspect("c", 0.7)))] == [1, 2]


def test_what_it_can_tell_takes_the_line_of_what_it_cannot() -> None:
    steady = Steady()
    steady.of((suspect("a", 0.5, Certainty.UNCLEAR),))
    told = steady.of((suspect("b", 0.52), suspect("a", 0.5, Certainty.UNCLEAR)))
    assert told[0].name == "b"


async def test_not_this_and_this_is_it_are_kept_and_shown_as_said_by_whom(tmp_path: Path) -> None:
    incident = records.opened(tmp_path)
    kept = keeper(incident)
    assert names(kept)[0] == "cache"
    await kept.say("cache", INNOCENT)
    assert names(kept)[0] == "db"
    assert "cache" not in names(kept)
    (innocent,) = (each for each in kept.of(OUTAGE).ruled_out if each.by)
    assert (innocent.target, innocent.by, innocent.until) == ("cache", incident.actor, None)
    await kept.say("tg", GUILTY)
    first = kept.of(OUTAGE).suspects[0]
    assert (first.name, first.said, first.verdict) == ("tg", incident.actor, Certainty.LIKELY)
    assert f"this is it, says {incident.actor}" in first.for_
    await kept.say("tg", OPEN)
    await kept.say("cache", OPEN)
    assert names(kept)[0] == "cache"
    await kept.say("cache", INNOCENT)
    await asyncio.to_thread(incident.close)
    again = keeper(records.resumed(tmp_path))
    assert names(again)[0] == "db"


async def test_the_first_line_is_written_down_once_it_has_stayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = records.opened(tmp_path)
    kept = keeper(incident)

    def told() -> list[str]:
        return [entry.text for entry in incident.entries if entry.kind is EntryKind.SUSPECT]

    kept.of(OUTAGE)
    kept.of(replace(OUTAGE))
    assert told() == []
    later = clock.now() + 2 * suspicion._HELD
    monkeypatch.setattr(clock, "now", lambda: later)
    kept.of(replace(OUTAGE))
    kept.of(replace(OUTAGE))
    (line,) = told()
    assert line.startswith("possible: cache – ")
    (entry,) = (each for each in incident.entries if each.kind is EntryKind.SUSPECT)
    assert entry.data["explains"] == [f"{WRONG}@alb", "RD_LAT_EXPENSIVE_CMD@cache"]
    assert entry.data["felt"] == [1, 1]


async def test_much_is_judged_beside_the_loop_and_the_last_word_stands_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keeper(records.opened(tmp_path))
    before = kept.of(OUTAGE)
    monkeypatch.setattr(suspicion, "_AT_ONCE", 0)
    calm = board(sick("alb", WRONG), seen(name="db", probe="db.p"))
    assert kept.of(calm) is before
    while kept.of(calm) is before:
        await asyncio.sleep(0)
    assert "cache" not in {each.name for each in kept.of(calm).suspects if each.score > 0.5}
