"""One incident from the first look to the export, by keys alone, on the real screens and systems.

A journey is made once for each size of terminal; the tests ask what was seen on the way. What the
cockpit claims is checked with the systems themselves, and with the commands of the record.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.command import CommandList

from cockpit.connect.role import Role
from cockpit.incident.entry import Entry
from cockpit.world.launch import World
from tests.e2e.seat import BLOCKER, WAITING, Seat, here, opening, orders, seated
from tests.patience import at_most
from tests.servers.private import until

pytestmark = [
    pytest.mark.world,
    # Leaving is bounded: a socket that does not close within half a second is left to the kernel.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
SIZES = {"140x44": (140, 44), "80x24": (80, 24)}
DIALOGS = {"dialog", "wrong name", "does not apply", "timeline"}
"""Screens on which the badge is covered, or that are of the command."""


@dataclass
class Journey:
    """What was seen on the way."""

    folder: Path
    incident: str = ""
    screens: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def kinds(self) -> list[str]:
        return [entry.kind.value for entry in self.entries]

    def of(self, kind: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind.value == kind]

    def cockpit(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the record, as another process afterwards."""
        return subprocess.run(
            [sys.executable, "-m", "cockpit.cli", *words],
            env=here(COCKPIT_DATA=str(self.folder)),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=at_most(60),
            check=False,
        )


async def travel(world: World, folder: Path, size: tuple[int, int]) -> Journey:
    journey = Journey(folder)
    desk = await opening(world, folder).create("checkout is slow", "P1")
    journey.incident = desk.incident.id
    async with seated(desk, size) as seat:
        await find(seat, journey)
        await look(seat, journey)
        await terminate(seat, journey, world)
        await tell(seat, journey)
        await wait_for_the_end(seat, journey)
        journey.entries = list(desk.incident.entries)
    return journey


async def find(seat: Seat, journey: Journey) -> None:
    """From nothing known to the lock, chosen with the arrows."""
    journey.screens["first"] = seat.screen
    await seat.choose("PG_LOCK_BLOCKED", "orders-db")
    await seat.press("4")
    journey.screens["evidence"] = seat.screen
    await seat.press("5")
    journey.screens["runbook"] = seat.screen


def stands(seat: Seat, step: str) -> bool:
    return seat.step() == step


async def look(seat: Seat, journey: Journey) -> None:
    """The two steps that only look run at once; the one that does not apply is passed over."""
    for step in ("sessions", "blocker"):
        await seat.until(partial(stands, seat, step), 20, f"the cursor goes on to {step}")
        await seat.press("R")
        await seat.until(partial(ended, seat, step), 20, f"{step} ended")
    journey.facts["intents after looks"] = kinds(seat).count("step.intent")
    await seat.until(lambda: seat.step() == "cancel", 20, "the cursor goes on to cancel")
    before = kinds(seat)
    await seat.press("R")
    told = ("Confirm", "does not apply now", "terminate_backend")
    await seat.until(lambda: all(each in seat.screen for each in told), 20, "on to terminate")
    journey.facts["recorded of what does not apply"] = [
        kind for kind in kinds(seat)[len(before) :] if kind.startswith(("step", "refusal", "appr"))
    ]
    journey.screens["does not apply"] = seat.screen
    await seat.press("escape")
    await seat.until(lambda: "Confirm" not in seat.screen, 20, "no dialog")


async def terminate(seat: Seat, journey: Journey, world: World) -> None:
    """A wrong name runs nothing, the right one ends the session."""
    journey.facts["blocker before"] = await asyncio.to_thread(orders, world, BLOCKER)
    journey.facts["waiting before"] = (await asyncio.to_thread(orders, world, WAITING))[0][0]
    await seat.press("R")
    whole = ("Confirm", "terminate_backend", "checkout-worker")
    await seat.until(lambda: all(each in seat.screen for each in whole), 20, "the dialog")
    journey.screens["dialog"] = seat.screen
    await seat.confirm("orders-standby")
    await seat.until(lambda: "type orders-db" in seat.screen, 30, "what is to be typed")
    journey.screens["wrong name"] = seat.screen
    journey.facts["blocker after the wrong name"] = await asyncio.to_thread(orders, world, BLOCKER)
    journey.facts["kinds after the wrong name"] = kinds(seat)
    await seat.press("escape")
    await seat.press("R")
    await seat.until(lambda: "Confirm" in seat.screen, 20, "the dialog again")
    await seat.confirm("orders-db")
    await seat.until(lambda: ended(seat, "terminate"), 70, "terminate ended")
    journey.screens["terminated"] = seat.screen
    journey.facts["blocker afterwards"] = await asyncio.to_thread(orders, world, BLOCKER)
    left = await until(lambda: asyncio.to_thread(orders, world, WAITING), lambda n: n == [(0,)])
    journey.facts["waiting afterwards"] = left[0][0]


async def tell(seat: Seat, journey: Journey) -> None:
    """A note and a status, by keys and by the palette."""
    before = len(kinds(seat))  # findings that clear meanwhile are entries too
    await seat.press("n", "text:told support [/b]", "enter")
    await seat.until(lambda: "note" in kinds(seat)[before:], 15, "the note")
    await seat.press("ctrl+p", "text:Status, severity")
    await seat.sees("Status, severity (S)")
    offered = seat.app.screen.query_one(CommandList)
    await seat.until(lambda: offered.highlighted is not None, 10, "the command is chosen")
    await seat.press("enter")
    await seat.sees("mitigated")
    await seat.press("down", "down", "enter")
    await seat.until(lambda: seat.desk.incident.status == "mitigated", 15, "the status")
    journey.screens["told"] = seat.screen


async def wait_for_the_end(seat: Seat, journey: Journey) -> None:
    """The findings go by themselves."""

    def clear() -> bool:
        codes = {f.id.code for f in seat.desk.board.open.values() if f.target == "orders-db"}
        return not codes & {"PG_LOCK_BLOCKED", "PG_SAT_CONNECTIONS", "PG_SESS_IDLE_TX"}

    journey.facts["cleared after"] = await seat.until(clear, 60, "the findings clear")
    await seat.press("3")
    await seat.until(lambda: "recovered" in seat.screen, 10, "recoveries in the list")
    journey.screens["findings at the end"] = seat.screen
    await seat.press("T")
    journey.screens["timeline"] = await read_through(seat)
    await seat.press("escape")


async def read_through(seat: Seat) -> str:
    """A list from its first page to its last, each line once: without the scroll bar, which moves."""
    await seat.press("home")
    pages = [""]
    while seat.screen != pages[-1]:
        pages.append(seat.screen)
        await seat.press("pagedown")
    lines = [line.rstrip(" │▁▂▃▄▅▆▇█▀") for page in pages for line in page.splitlines()]
    return "\n".join(dict.fromkeys(lines))


def kinds(seat: Seat) -> list[str]:
    return [entry.kind.value for entry in seat.desk.incident.entries]


def ended(seat: Seat, step: str) -> bool:
    entries = seat.desk.incident.entries
    return any(e.kind == "step.outcome" and e.data.get("step") == step for e in entries)


@pytest.fixture(scope="module", params=SIZES)
def journey(
    request: pytest.FixtureRequest,
    begin: Callable[[str, Role], World],
    tmp_path_factory: pytest.TempPathFactory,
) -> Journey:
    world = begin("checkout-lock", Role.COMMANDER)
    made = asyncio.run(travel(world, tmp_path_factory.mktemp("record"), SIZES[request.param]))
    world.stop()
    return made


def test_before_the_first_look_nothing_is_called_fine(journey: Journey) -> None:
    first = journey.screens["first"]
    assert "Nothing is wrong in what was looked at" not in first
    assert "opening" in first or "looked at yet" in first or "looks that have ended" in first


def test_the_badge_says_commander_on_every_screen(journey: Journey) -> None:
    plain = {name for name in journey.screens if name not in DIALOGS}
    assert {name for name in plain if "COMMANDER" not in journey.screens[name]} == set()


def test_the_lock_is_found_with_its_evidence_and_its_runbook(journey: Journey) -> None:
    assert "PG_LOCK_BLOCKED" in journey.screens["evidence"]
    assert "orders-db" in journey.screens["evidence"]
    assert "Database connections exhausted" in journey.screens["runbook"]


def test_looking_needs_no_yes_and_no_intent(journey: Journey) -> None:
    assert journey.facts["intents after looks"] == 0


def test_a_step_that_does_not_apply_is_passed_over_and_not_recorded(journey: Journey) -> None:
    assert journey.facts["recorded of what does not apply"] == []
    assert re.search("not now|does not apply", journey.screens["does not apply"])


def test_the_plan_names_the_session_that_blocks(journey: Journey) -> None:
    ((pid, _, _),) = journey.facts["blocker before"]
    assert journey.facts["waiting before"] > 5
    told = journey.screens["dialog"]
    assert str(pid) in told
    assert "terminate_backend" in told
    assert "checkout-worker" in told


def test_a_wrong_name_runs_nothing_and_says_what_to_type(journey: Journey) -> None:
    assert "type orders-db to run it" in journey.screens["wrong name"]
    assert journey.facts["blocker after the wrong name"] == journey.facts["blocker before"]
    assert "step.intent" not in journey.facts["kinds after the wrong name"]
    assert "approval" not in journey.facts["kinds after the wrong name"]


def test_the_right_name_ends_the_session_and_the_queue_is_gone(journey: Journey) -> None:
    assert journey.facts["blocker afterwards"] == []
    assert journey.facts["waiting afterwards"] == 0


def test_the_findings_clear_by_themselves(journey: Journey) -> None:
    codes = {entry.data["code"] for entry in journey.of("finding.cleared")}
    assert {"PG_LOCK_BLOCKED", "PG_SAT_CONNECTIONS"} <= codes
    assert "recovered" in journey.screens["findings at the end"]


def test_the_journal_has_approval_then_intent_then_outcome_of_one_plan(journey: Journey) -> None:
    order = [k for k in journey.kinds() if k in {"approval", "step.intent"}]
    assert order == ["approval", "step.intent"]
    (approval,), (intent,) = journey.of("approval"), journey.of("step.intent")
    (end,) = [e for e in journey.of("step.outcome") if e.data.get("intent") == intent.seq]
    assert approval.seq < intent.seq < end.seq
    assert approval.data["plan"] == intent.data["plan"] == end.data["plan"]
    assert (end.data["outcome"], end.target) == ("ok", "orders-db")
    assert intent.data["args"]["pid"] == journey.facts["blocker before"][0][0]


def test_the_timeline_shows_what_was_done_in_its_order(journey: Journey) -> None:
    told = journey.screens["timeline"]
    words = ["approval", "step", "outcome", "note", "status"]
    acts = [word for word in re.findall(r"│ [\d:]{8} (\w+) ", told) if word in words]
    done = acts.index("approval")
    assert acts[done : done + len(words)] == words, told


def test_note_and_status_are_in_the_record_under_a_persons_name(journey: Journey) -> None:
    notes = [e for e in journey.of("note") if e.text == "told support [/b]"]
    assert len(notes) == 1
    (status,) = journey.of("status")
    assert status.data["status"] == "mitigated"
    assert notes[0].actor == status.actor != "cockpit"


def test_verify_holds_and_a_changed_byte_is_found(journey: Journey) -> None:
    done = journey.cockpit("verify", journey.incident)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = journey.cockpit("export", journey.incident, "--format", "jsonl").stdout.splitlines()
    assert len(lines) >= len(journey.entries)
    assert json.loads(lines[0])["kind"] == "opened"


def test_the_postmortem_draft_tells_the_repair(journey: Journey) -> None:
    done = journey.cockpit("export", journey.incident, "--format", "md")
    assert done.returncode == 0, done.stderr
    assert journey.incident in done.stdout
    assert "checkout is slow" in done.stdout
    assert "Terminate the session at the head" in done.stdout
    assert "told support" in done.stdout


def test_the_timeline_command_reads_the_same_journal(journey: Journey) -> None:
    done = journey.cockpit("timeline", journey.incident)
    assert done.returncode == 0, done.stderr
    assert "told support" in done.stdout
    assert "Terminate the session at the head" in done.stdout
