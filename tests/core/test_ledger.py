"""What steps promised: written before they act, settled after, and a broken one on the board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cockpit.config import load
from cockpit.connect.role import Role
from cockpit.desk import Desk
from cockpit.errors import Reason, UnknownOutcome
from cockpit.incident import chain
from cockpit.incident.entry import EntryKind
from cockpit.incident.incident import Incident
from cockpit.incident.ledger import Promise, Settled, Settlement, broken, promises, settled
from cockpit.runbooks import unfinished
from cockpit.runbooks.library import library
from cockpit.runbooks.offer import STEP, runbook_of
from cockpit.triage.board import reduce
from cockpit.triage.registry import catalog, registry
from cockpit.triage.suspects import suspects
from cockpit.triage.view import Offer
from probes.lock_graph import proof
from tests.core import records
from tests.core.builders import seen
from tests.core.run_words import UNVERIFIED, ready
from tests.core.runs import (
    BACKEND_START,
    LOOK,
    POSTGRES,
    TERMINATE,
    Rig,
    free_of_waiters,
    queue,
    rig,
)
from tests.core.runs import book as book_of
from tests.core.test_suspects import SHOP, board, sick

SAYS = "ends 1 session; nobody waits within 1m 00s"


@pytest.mark.parametrize(
    ("outcome", "held", "verdict"),
    [
        pytest.param("ok", True, "kept", id="looked at, and so"),
        pytest.param("failed", False, "broken", id="done, looked at, and not so"),
        pytest.param("ok", None, "unknown", id="no verification"),
        pytest.param("failed", None, "unknown", id="not done: nothing to compare"),
        pytest.param("refused", None, "unknown", id="not sent"),
        pytest.param("unknown", None, "unknown", id="could not be looked at"),
        pytest.param("unknown", False, "unknown", id="cut off: perhaps never done"),
    ],
)
def test_only_what_was_looked_at_is_kept_or_broken(
    outcome: str, held: bool | None, verdict: str
) -> None:
    assert settled(outcome, held, "…").verdict == verdict


def made_of(*told: tuple[str, Settled | None], target: str = "db") -> list[Promise]:
    """Promises by step and how they ended, oldest first."""
    return [
        Promise(
            seq=place, at=records.START, target=target, runbook="b", step=step, title=step,
            says="x", settlement=Settlement(end, "…") if end else None,
        )
        for place, (step, end) in enumerate(told, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "stands"),
    [
        ([("a", Settled.BROKEN)], [1]),
        ([("a", Settled.BROKEN), ("a", Settled.BROKEN)], [2]),
        ([("a", Settled.BROKEN), ("a", Settled.KEPT)], []),
        ([("a", Settled.BROKEN), ("a", Settled.UNKNOWN)], [1]),
        ([("a", Settled.BROKEN), ("a", None)], [1]),
        ([("a", Settled.BROKEN), ("b", Settled.KEPT)], [1]),
        ([("a", Settled.BROKEN), ("undo_a", Settled.KEPT)], []),
        ([("a", Settled.BROKEN), ("undo_a", Settled.UNKNOWN)], [1]),
        ([("a", Settled.KEPT), ("undo_a", Settled.BROKEN)], [2]),
    ],
)
def test_a_broken_promise_stands_until_it_is_kept_or_taken_back(
    told: list[tuple[str, Settled | None]], stands: list[int]
) -> None:
    assert [one.seq for one in broken(made_of(*told))] == stands


def test_what_is_kept_at_one_target_says_nothing_of_another() -> None:
    both = [*made_of(("a", Settled.BROKEN)), *made_of(("a", Settled.KEPT), target="other")]
    assert len(broken(both)) == 1


def entry_of(made: Rig, kind: str) -> dict[str, Any]:
    (found,) = (data for word, _, data in made.journal.entries if word == kind)
    return found


def acts(made: Rig, after: Any) -> None:
    async def act() -> Mapping[str, Any]:
        made.looks.now = after
        return {"done": True, "detail": "pid 4242 is gone"}

    made.acts.does = act


@pytest.mark.parametrize(
    ("after", "verdict", "seen"),
    [
        pytest.param(free_of_waiters(), "kept", "nobody waits: true after", id="kept"),
        pytest.param({"queues": [queue()]}, "broken", "not true within 1m 00s", id="broken"),
        pytest.param(Reason.TIMEOUT, "unknown", "whether it helped is not known", id="blind"),
    ],
)
async def test_a_step_predicts_before_it_acts_and_is_settled_by_what_was_seen(
    after: Any, verdict: str, seen: str
) -> None:
    made = ready(LOOK, TERMINATE)
    acts(made, after)
    await made.carry("terminate")
    assert entry_of(made, "step.prediction")["says"] == SAYS
    assert entry_of(made, "step.intent")["prediction"] == 3
    end = entry_of(made, "step.settlement")
    assert (end["prediction"], end["verdict"]) == (3, verdict)
    assert seen in end["seen"]
    assert made.journal.kinds()[-2:] == ["step.settlement", "step.outcome"]


async def test_a_step_without_a_verification_says_that_nobody_will_be_able_to_tell() -> None:
    made = ready(LOOK, UNVERIFIED)
    acts(made, free_of_waiters())
    await made.carry("terminate", reason="")
    assert entry_of(made, "step.prediction")["says"].endswith("no look tells whether it did")
    assert entry_of(made, "step.settlement")["verdict"] == "unknown"


async def test_what_was_cut_off_is_no_broken_promise_and_kept_when_it_came_about() -> None:
    for after, verdict in (({"queues": [queue()]}, "unknown"), (free_of_waiters(), "kept")):
        made = ready(LOOK, TERMINATE)

        async def act(made: Rig = made, after: Any = after) -> Mapping[str, Any]:
            made.looks.now = after
            raise UnknownOutcome("the connection was lost")

        made.acts.does = act
        await made.carry("terminate")
        assert entry_of(made, "step.settlement")["verdict"] == verdict


async def test_a_look_predicts_nothing() -> None:
    made = ready(LOOK)
    await made.carry("blocker")
    assert "step.prediction" not in made.journal.kinds()


async def cut_off(folder: Path) -> Incident:
    """An incident of a cockpit that was killed after it had sent a step."""
    made, first = rig(book_of(LOOK, TERMINATE)), records.opened(folder)
    names = {"runbook": "b", "step": "terminate", "title": "Terminate"}
    said = await first.append(
        EntryKind.STEP_PREDICTION, "…", target="orders-db", data={**names, "says": SAYS}
    )
    until = (await made.run.plan("terminate")).verify
    assert until is not None
    verify = {"target": until.target, "probe": until.probe, "until": until.until}
    told = {**names, "prediction": said.seq, "verify": verify}
    await first.intent("…", target="orders-db", data=told)
    first.close()
    return records.resumed(folder)


@pytest.mark.parametrize(
    ("now", "verdict"), [(free_of_waiters(), "kept"), ({"queues": [queue()]}, "unknown")]
)
async def test_after_a_crash_the_prediction_is_settled_with_the_step(
    tmp_path: Path, now: Any, verdict: str
) -> None:
    incident, made = await cut_off(tmp_path), ready(LOOK, TERMINATE)
    (open_one,) = promises(incident.entries)
    assert open_one.settlement is None
    made.looks.now = now
    await unfinished.verified(unfinished.of(incident.unfinished[0]), made.run._ports, incident)
    (one,) = promises(incident.entries)
    assert one.settlement is not None
    assert one.settlement.verdict == verdict
    assert one.says == SAYS
    incident.close()
    assert chain.verify(records.stored_lines(tmp_path)).holds


CONFIG = """
environment = "test"
[[target]]
kind = "endpoint"
name = "front"
url = "http://127.0.0.1:9/"
"""


def desk(folder: Path, incident: Incident) -> Desk:
    file = folder / "cockpit.toml"
    file.write_text(CONFIG)
    return Desk(
        load(file, catalog()),
        incident,
        role=Role.TRIAGE,
        actor="ana",
        probes=registry(),
        library=library(),
    )


async def settle(incident: Incident, verdict: str, step: str = "terminate") -> None:
    names = {"runbook": "b", "step": step, "title": "Terminate"}
    said = await incident.append(
        EntryKind.STEP_PREDICTION, "…", target="front", data={**names, "says": SAYS}
    )
    told = {**names, "prediction": said.seq, "verdict": verdict, "seen": "not true: nobody waits"}
    await incident.append(EntryKind.STEP_SETTLEMENT, f"'Terminate' {verdict}", data=told)


async def test_a_broken_promise_is_on_the_board_with_its_runbook_and_is_nobodys_cause(
    tmp_path: Path,
) -> None:
    incident = records.opened(tmp_path)
    made = desk(tmp_path, incident)
    try:
        await settle(incident, "kept")
        await settle(incident, "unknown")
        assert not made.board.open
        await settle(incident, "broken")
        (one,) = made.board.open.values()
        assert one.id == ("front", "STEP_PROMISE_BROKEN", "b/terminate")
        assert SAYS in one.finding.summary
        assert made.best(one) == "promise-broken"
        assert made.judgement.suspects == ()
        assert EntryKind.FINDING_OPENED in {entry.kind for entry in incident.entries}
        assert "'Terminate' broken" in {row.text for row in made.timeline()}
    finally:
        await made.close()
    again = desk(tmp_path, records.resumed(tmp_path))
    try:
        again._promises.tell()
        assert [one.finding.code for one in again.board.open.values()] == ["STEP_PROMISE_BROKEN"]
        await settle(again.incident, "kept", "undo_terminate")
        assert not again.board.open, "at once: nobody has to look three times"
        told = [entry.kind for entry in again.incident.entries if "STEP_PROMISE" in str(entry.data)]
        assert told == [EntryKind.FINDING_OPENED, EntryKind.FINDING_CLEARED]
    finally:
        await again.close()


def test_a_broken_promise_hides_no_cause() -> None:
    (probe,) = (each for each in registry().values() if each.kind == "runbook")
    told = made_of(("a", Settled.BROKEN))
    snapshot = probe.snapshot(tuple(told))
    with_it = board(sick("tg"), sick("alb"))
    alone = suspects(with_it, SHOP)
    (finding,) = probe.diagnose(snapshot, probe.settings)
    reading = seen(finding, name="db", probe=probe.id)
    with_it, _ = reduce(with_it, replace(reading, kind=probe.kind))
    assert suspects(with_it, SHOP) == alone


@pytest.mark.parametrize(
    ("released", "after", "verdict"),
    [
        pytest.param([(7, 2.0)], [], "kept", id="they go on"),
        pytest.param([(7, 2.0)], [{"pid": 7, "blockers": [4242]}], "broken", id="they wait on"),
        pytest.param([], [], "unknown", id="nobody was said to"),
    ],
)
async def test_an_offer_that_says_who_goes_on_is_settled_by_a_look(
    released: list[tuple[int, float | None]], after: list[object], verdict: str
) -> None:
    offer = Offer(
        key="t", label="terminate", kind="sql", call="terminate_backend",
        args={"pid": 4242, "backend_start": BACKEND_START}, risk="high", effect="ends 1 session",
        releases=len(released), proof=proof("postgres.locks", 4242, released, key="pid"),
    )  # fmt: skip
    made = rig(runbook_of(POSTGRES, offer, seen_at=POSTGRES.name))
    acts(made, {"nodes": after})
    await made.carry(STEP)
    assert entry_of(made, "step.settlement")["verdict"] == verdict
    asked = [("orders-db", "postgres.locks")] if released else []
    assert made.looks.asked[: len(asked)] == asked
