"""The desk: what is left behind when a person leaves while connections hang."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from cockpit.config import load
from cockpit.connect.role import Role
from cockpit.desk import Desk
from cockpit.errors import BlindError, Reason, Refused
from cockpit.incident.entry import EntryKind
from cockpit.incident.record import Incident
from cockpit.runbooks.earlier import DoneBefore
from cockpit.runbooks.library import library
from cockpit.triage.board import FindingId
from cockpit.triage.registry import catalog, registry
from tests.core import records
from tests.core.builders import finding, seen
from tests.patience import at_most, until

FINDING = FindingId("front", "NET_TCP_REFUSED", "")
CONFIG = """
environment = "test"
[[target]]
kind = "endpoint"
name = "front"
url = "http://127.0.0.1:9/"
"""


def made(tmp_path: Path, config: str = CONFIG, *, incident: Incident | None = None) -> Desk:
    file = tmp_path / "cockpit.toml"
    file.write_text(config)
    return Desk(
        load(file, catalog()),
        incident or records.opened(tmp_path),
        role=Role.TRIAGE,
        actor="ana",
        probes=registry(),
        library=library(),
    )


async def test_leaving_closes_the_journal_also_while_connections_hang(tmp_path: Path) -> None:
    desk = made(tmp_path)

    hangs = asyncio.Event()

    async def hang() -> None:
        hangs.set()
        await asyncio.sleep(3600)

    desk.connections.close = hang  # type: ignore[method-assign]
    leaving = asyncio.create_task(desk.close())
    await hangs.wait()

    def free() -> bool:
        again = records.resumed(tmp_path)
        again.close()
        return not again.watching

    await until(free)
    assert not leaving.done()
    leaving.cancel()
    await asyncio.wait({leaving})


async def test_what_earlier_sessions_did_of_a_runbook_is_known_and_not_taken_for_done(
    tmp_path: Path,
) -> None:
    first = records.opened(tmp_path)
    ends = [
        ("locks", "look", "ok"), ("locks", "look", "ok"), ("locks", "end", "failed"),
        ("locks", "call", "skipped"), ("disk", "grow", "ok"), ("disk", "undo_grow", "ok"),
        ("disk", "look", "ok"), ("disk", "look", "unknown"),
    ]  # fmt: skip
    made_of = [
        await first.append(
            EntryKind.STEP_OUTCOME,
            f"{step} → {outcome}",
            data={"runbook": book, "step": step, "outcome": outcome},
        )
        for book, step, outcome in ends
    ]
    first.close()
    desk = made(tmp_path, incident=records.resumed(tmp_path))
    assert desk.done_before("locks", FINDING) == DoneBefore(2, made_of[3].at)
    assert desk.done_before("disk", FINDING) is None, "undone, and unknown"
    await desk.incident.append(
        EntryKind.STEP_OUTCOME, "now", data={"runbook": "x", "step": "y", "outcome": "ok"}
    )
    assert desk.done_before("x", FINDING) is None, "of this session, whose run knows it"
    await desk.close()


async def test_a_connection_that_failed_has_its_runbook_on_the_board(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f'host = "127.0.0.1"\nport = {closed.getsockname()[1]}\ntls = false'
        desk = made(
            tmp_path, f'environment = "t"\n[[target]]\nkind = "redis"\nname = "c"\n{address}\n'
        )
        try:
            await desk.engine.sweep()
            (one,) = desk.board.open.values()
            assert one.finding.code == "NET_TCP_REFUSED"
            assert [each.id for each in desk.runbooks_for(one)] == ["database-refuses", "path-tcp"]
        finally:
            await desk.close()


LOGS = """
environment = "test"
[aws.test]
region = "us-east-1"
[[target]]
kind = "alb"
name = "front"
aws = "test"
id = "front"
needs = ["pay"]
[[target]]
kind = "lambda_function"
name = "pay"
aws = "test"
id = "pay"
"""


async def test_logs_are_held_against_the_newest_look_and_a_kind_without_names_who_has_them(
    tmp_path: Path,
) -> None:
    desk = made(tmp_path, LOGS)
    try:
        logs = desk.logs_of("pay")
        assert logs.target.name == "pay"
        assert logs.onset is None
        with pytest.raises(BlindError) as caught:
            desk.logs_of("front")
        assert caught.value.hint == "it needs pay: read the logs there"
    finally:
        await desk.close()


async def test_triage_ends_no_incident(tmp_path: Path) -> None:
    desk = made(tmp_path)
    try:
        await desk.set_status("mitigated")
        for word in ("resolved", "closed"):
            with pytest.raises(Refused, match=f"triage sets no incident to {word}"):
                await desk.set_status(word)
        assert desk.headline.status == "mitigated"
        await desk.set_severity("P2")
    finally:
        await desk.close()


class Place:
    """A place whose STS answers only from the second question on."""

    def __init__(self) -> None:
        self.asked = 0

    async def identity(self) -> tuple[str, str]:
        self.asked += 1
        if self.asked == 1:
            raise BlindError(Reason.TIMEOUT, "STS did not answer")
        return "123456789012", "arn:aws:sts::123456789012:assumed-role/observer/ana"


async def test_an_account_that_was_not_told_at_first_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cockpit.desk.desk._ASK_AGAIN", 0.01)
    desk = made(tmp_path, CONFIG + '[aws.main]\nregion = "us-east-1"\n')
    place = Place()

    async def session(_name: str) -> Place:
        return place

    monkeypatch.setattr(desk.connections, "aws", session)
    told: list[str] = []
    desk.subscribe(lambda: told.append(desk.status.account))
    try:
        async with asyncio.timeout(at_most(15)):
            await desk._learn_accounts()
        assert told == ["", "123456789012"]
        assert place.asked == 2, "and not again once it is known"
    finally:
        await desk.close()


async def test_a_look_that_found_all_as_it_was_calls_nobody_back(tmp_path: Path) -> None:
    desk = made(tmp_path)
    told: list[int] = []
    desk.subscribe(lambda: told.append(len(desk.board.readings)))
    try:
        desk.store.add(seen(name="front", probe="endpoint.http"))
        assert told == [1], "the first sweep is not over: numbers come for the first time"
        desk.engine._took = 1.0
        desk.store.add(seen(name="front", probe="endpoint.http", when=5))
        assert told == [1]
        desk.store.add(seen(finding(fact=True), name="front", probe="endpoint.http", when=10))
        assert told[1:], "a finding is told at once"
    finally:
        await desk.close()


async def test_a_second_cockpit_says_who_holds_the_incident_and_that_it_only_watches(
    tmp_path: Path,
) -> None:
    first = made(tmp_path)
    second = made(tmp_path, incident=records.resumed(tmp_path))
    told = second.status.only_watches
    assert first.status.only_watches == ""
    assert told.startswith("ana on ")
    assert told.endswith(f" holds {first.incident.id}: this cockpit only watches, in triage")
    await second.close()
    await first.close()
    watching = made(tmp_path, incident=records.store(tmp_path).watch())
    assert watching.status.only_watches.endswith("cockpit resume takes part")
    await watching.close()
