"""What looks had is missed when it is taken away: in a process, over processes, for a week."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cockpit.config.record import Config
from cockpit.errors import Reason
from cockpit.had import KeptMemory
from cockpit.triage.board import ONE_LOOK, LookId
from cockpit.triage.engine import Engine
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.had import PART, LookMemory, part_missed
from cockpit.triage.probe import Blind, Seen
from cockpit.triage.store import Store
from tests.core.builders import at, target
from tests.core.test_engine import Sessions, look

PARTLY = LookId("a", f"p{PART}")
HIDDEN = Finding("PG_OBS_BLIND", Severity.INFO, "others' sessions are hidden")


def gap(what: str, reason: str) -> Finding:
    return Finding(
        "ECS_OBS_BLIND", Severity.INFO, f"no {what}", evidence=(Evidence(what, f"{reason}: no"),)
    )


async def seen_after(*looks: list[Finding], memory: LookMemory | None = None) -> Store:
    given = iter(looks)

    async def collect(session: object, target: object) -> list[Finding]:
        return next(given)

    store = Store(ONE_LOOK)
    engine = Engine(
        [look("a", collect, diagnose=lambda found, settings: found)],
        sessions=Sessions(),
        store=store,
        memory=memory,
    )
    for _ in looks:
        await engine.look("a", "p")
    return store


def missed(store: Store) -> Blind | Seen | None:
    reading = store.board.readings.get(PARTLY)
    return reading.outcome if reading is not None else None


async def test_a_part_that_was_seen_and_is_hidden_for_two_looks_ranks_like_a_failed_look() -> None:
    store = await seen_after([], [HIDDEN], [HIDDEN])
    outcome = missed(store)

    assert isinstance(outcome, Blind)
    assert outcome.reason is Reason.MISSING
    assert outcome.detail == "others' sessions are hidden; earlier looks had it"
    assert "cockpit check --forget -t a" in outcome.hint
    assert isinstance(store.board.readings[LookId("a", "p")].outcome, Seen)
    assert [reading.probe for reading in store.board.blind()] == [f"p{PART}"]


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param([[HIDDEN], [HIDDEN], [HIDDEN]], id="it never was to be seen"),
        pytest.param([[], [HIDDEN], [], [HIDDEN]], id="one look lacks it, and then it is back"),
        pytest.param([[], [gap("tasks", "throttled")], [gap("tasks", "throttled")]], id="too fast"),
        pytest.param([[], [gap("tasks", "timeout")], [gap("tasks", "timeout")]], id="too slow"),
    ],
)
async def test_what_nobody_took_away_is_told_by_its_probe_alone(looks: list[list[Finding]]) -> None:
    assert missed(await seen_after(*looks)) is None


async def test_of_several_reads_the_one_that_is_denied_since_is_missed() -> None:
    metrics, tasks = gap("metrics", "denied"), gap("tasks", "denied")
    both = replace(metrics, summary="neither", evidence=metrics.evidence + tasks.evidence)
    outcome = missed(await seen_after([metrics], [both], [both]))

    assert isinstance(outcome, Blind)
    assert outcome.detail.startswith("neither")


async def test_what_comes_back_is_seen_again() -> None:
    assert missed(await seen_after([], [HIDDEN], [HIDDEN], [])) == Seen()


def test_after_a_week_what_is_gone_was_meant_to_go() -> None:
    memory, days = LookMemory(), [0, 1, 2, 7, 9, 10]
    told = [
        part_missed([HIDDEN] if day else [], memory, PARTLY, at=at(0) + timedelta(days=day))
        for day in days
    ]

    assert [outcome is not None for outcome in told] == [False, False, True, True, False, False]


def kept(folder: Path, *, host: str = "db", name: str = "cockpit.toml") -> KeptMemory:
    there = target("a")
    settings = replace(there.settings, url=f"http://{host}/")
    targets = (replace(there, settings=settings),)
    return KeptMemory(Config(path=folder / name, environment="t", targets=targets), folder)


async def test_the_next_process_misses_what_this_one_had(tmp_path: Path) -> None:
    memory = kept(tmp_path)
    await seen_after([], memory=memory)
    assert memory.keep() == ""

    assert isinstance(missed(await seen_after([HIDDEN], [HIDDEN], memory=kept(tmp_path))), Blind)
    assert memory.path.stat().st_mode & 0o777 == 0o600
    assert memory.path.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in memory.path.parent.iterdir()] == [memory.path.name]


async def test_each_process_counts_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    """`cockpit check` looks once: two of them tell what two looks do."""
    told = []
    for found in ([], [HIDDEN], [HIDDEN]):
        memory = kept(tmp_path)
        told.append(missed(await seen_after(list(found), memory=memory)))
        memory.keep()

    assert [type(outcome) for outcome in told] == [type(None), type(None), Blind]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"host": "new-db"}, id="another server under the same name"),
        pytest.param({"name": "other.toml"}, id="another configuration"),
    ],
)
async def test_what_another_server_had_is_not_missed(tmp_path: Path, other: dict[str, str]) -> None:
    memory = kept(tmp_path)
    await seen_after([], memory=memory)
    memory.keep()

    later = kept(tmp_path, **other)
    assert missed(await seen_after([HIDDEN], [HIDDEN], memory=later)) is None


async def test_what_is_forgotten_was_never_had(tmp_path: Path) -> None:
    memory = kept(tmp_path)
    await seen_after([], memory=memory)
    memory.forget(["a"])
    memory.keep()

    assert missed(await seen_after([HIDDEN], [HIDDEN], memory=kept(tmp_path))) is None


@pytest.mark.parametrize(
    "written",
    ["", "{", "[]", '{"targets": 3}', '{"targets": {"a": {"is": 1, "looks": []}}}', "[" * 99_999],
)
def test_a_file_that_is_no_memory_is_begun_anew(tmp_path: Path, written: str) -> None:
    memory = kept(tmp_path)
    memory.path.parent.mkdir()
    memory.path.write_text(written, encoding="utf-8")

    again = kept(tmp_path)
    again.had([LookId("a", "p")])

    assert (set(again.known), again.keep()) == ({LookId("a", "p")}, "")
    assert json.loads(memory.path.read_text(encoding="utf-8"))["schema"] == "cockpit.had/1"


def test_a_folder_that_takes_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "had").write_text("in the way", encoding="utf-8")
    memory = kept(tmp_path)
    memory.had([LookId("a", "p")])

    assert memory.keep().startswith(str(tmp_path / "had"))
