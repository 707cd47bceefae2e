"""A runbook after a restart: what was done stays done, and nothing is planned by what was read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cockpit.config import load
from cockpit.connect.role import Role
from cockpit.desk import Desk
from cockpit.desk.recorder import finding_data
from cockpit.desk.recoveries import recoveries
from cockpit.errors import DoesNotApply, Reason, Refused
from cockpit.incident.record import Incident
from cockpit.redact import MASK
from cockpit.runbooks.earlier import RunLeft, runs_left
from cockpit.runbooks.library import Library
from cockpit.runbooks.plan import Outcome
from cockpit.runbooks.step import Runbook
from cockpit.triage.registry import catalog, registry
from tests.core import records
from tests.core.runs import (
    LOOK,
    RAISE,
    TERMINATE,
    Rig,
    book,
    free_of_waiters,
    opened,
    queue,
    rig,
)

ASK = """
## May it be ended?
```toml step
id = "may"
kind = "manual"

[answer]
type = "choice"

[answer.choices]
yes = "it is ended"
no = "it stays"
unknown = "it stays"
```
"""
KEPT = LOOK.replace('probe = "postgres.locks"', 'probe = "postgres.locks"\nonce = true')


class Sessions:
    """One incident over restarts; each session has a rig of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incident: Incident | None = None

    def begin(self, document: Runbook, **more: Any) -> Rig:
        self.end()
        known = self.folder / "journal.db"
        first = self.incident is None and not known.exists()
        self.incident = records.opened(self.folder) if first else records.resumed(self.folder)
        return rig(document, journal=self.incident, left=self.left(document), **more)

    def left(self, document: Runbook) -> RunLeft | None:
        assert self.incident is not None
        left = runs_left(self.incident.earlier).get((document.id, opened().id))
        return left if left is not None and left.digest == document.digest else None

    def end(self) -> None:
        if self.incident is not None:
            self.incident.close()


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    made = Sessions(tmp_path)
    yield made
    made.end()


async def test_what_was_done_stays_done_and_what_was_read_is_read_again(
    sessions: Sessions,
) -> None:
    document = book(LOOK, TERMINATE)
    made = sessions.begin(document)
    await made.carry("blocker")
    again = sessions.begin(document)
    look = again.run.state("blocker")
    assert (look.status, look.stale, look.captured["pid"]) == ("ok", True, 4242)
    assert look.before is not None
    assert again.status("terminate") == "next"
    again.looks.now = {"queues": [queue(pid=7)]}
    plan = await again.run.plan("terminate")
    assert plan.act.args["pid"] == 7, "the newest, not what the earlier session read"
    again.looks.now = Reason.TIMEOUT
    with pytest.raises(Refused, match="could not look"):
        await again.run.plan("terminate")
    again.looks.now, again.looks.after = free_of_waiters(), [{"queues": [queue()]}] * 2
    await again.carry("terminate")
    third = sessions.begin(document)
    done = third.run.state("terminate")
    assert done.status == "ok"
    assert done.outcome is not None
    assert "nobody waits" in done.outcome.text
    assert done.settlement is not None
    assert third.run.finished


async def test_a_step_that_was_cut_off_is_unknown_and_stops_the_runbook(sessions: Sessions) -> None:
    document = book(LOOK, TERMINATE)
    made = sessions.begin(document)

    async def killed() -> dict[str, Any]:
        raise KeyboardInterrupt  # the process is gone: no outcome is written

    made.acts.does = killed
    made.journal.outcome = _never  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        await made.carry("terminate")
    again = sessions.begin(document)
    state = again.run.state("terminate")
    assert state.status == "unknown"
    assert state.outcome is not None
    assert again.run.stopped_by == state
    plan = await again.run.plan("terminate")
    assert "verify that first (U)" in plan.gaps[0]
    (intent,) = again.journal.unfinished
    again.run.learn(intent.seq, Outcome("ok", "verified afterwards: nobody waits"))
    assert again.status("terminate") == "ok"


async def _never(*_: object, **__: object) -> None:
    """An outcome that is not written."""


async def test_the_state_to_come_back_to_is_kept_once_the_runbook_acted(sessions: Sessions) -> None:
    document = book(KEPT, RAISE)
    made = sessions.begin(document)
    await made.carry("blocker")
    before = sessions.begin(document)
    before.looks.now = {"queues": [queue(pid=9)]}
    plan = await before.run.plan("raise")
    assert plan.undo_args["ProvisionedThroughput"]["WriteCapacityUnits"] == 9  # type: ignore[index]
    before.looks.now = {"queues": [queue(pid=9)]}
    before.looks.after = [{"queues": [queue(pid=9)]}]
    await before.carry("raise")
    assert before.status("raise") == "failed", "somebody still waits"
    after = sessions.begin(document)
    after.looks.now = {"queues": [queue(pid=1)]}
    assert after.run.state("blocker").stale is False
    undo = await after.run.plan("undo_raise")
    told = undo.act.args["ProvisionedThroughput"]
    assert told == {"ReadCapacityUnits": 5, "WriteCapacityUnits": 9}
    repeat = await after.run.plan("raise")
    assert [each.label for each in repeat.lines if each.label == "from before"] == ["from before"]
    assert repeat.undo_args["ProvisionedThroughput"]["WriteCapacityUnits"] == 9  # type: ignore[index]


async def test_an_open_interruption_is_open_again_until_it_is_taken_back(
    sessions: Sessions,
) -> None:
    document = book(LOOK, RAISE)
    made = sessions.begin(document)
    made.looks.now, made.looks.after = free_of_waiters(), [{"queues": [queue()]}] * 2
    plan = await made.run.plan("raise")
    await made.run.execute(plan, made.run.approve(plan, typed="orders-db"))
    made.run._interrupted(plan, "checkout answers 5xx since")
    await asyncio.gather(*made.run._writing)
    again = sessions.begin(document)
    interrupt = again.run.interrupt
    assert interrupt is not None
    assert (interrupt.worse, interrupt.undo) == ("checkout answers 5xx since", "undo_raise")
    assert again.run.stopped_by == again.run.state("raise")
    again.looks.now = {"queues": [queue()]}
    await again.carry("undo_raise")
    assert again.run.interrupt is None
    third = sessions.begin(document)
    assert third.run.interrupt is None
    assert third.status("undo_raise") == "ok"


CONFIG = """
environment = "test"
[[target]]
kind = "postgres"
name = "orders-db"
host = "127.0.0.1"
port = 9
user = "ro"
"""


def resumed_desk(folder: Path, document: Runbook) -> Desk:
    """What a cockpit shows that comes back to the incident."""
    file = folder / "cockpit.toml"
    file.write_text(CONFIG)
    return Desk(
        load(file, catalog()),
        records.resumed(folder),
        role=Role.COMMANDER,
        actor="ana",
        probes=registry(),
        library=Library((document,)),
    )


async def test_the_next_cockpit_tells_an_interruption_also_without_its_finding(
    sessions: Sessions, tmp_path: Path
) -> None:
    document = book(LOOK, RAISE)
    made = sessions.begin(document)
    made.looks.now, made.looks.after = free_of_waiters(), [{"queues": [queue()]}] * 2
    plan = await made.run.plan("raise")
    await made.run.execute(plan, made.run.approve(plan, typed="orders-db"))
    made.run._interrupted(plan, "checkout answers 5xx since")
    await asyncio.gather(*made.run._writing)
    sessions.end()
    desk = resumed_desk(tmp_path, document)
    try:
        run = desk.interrupted
        assert run is not None
        assert run.finding is None
        assert run.interrupt is not None
        assert run.interrupt.undo == "undo_raise"
        assert run.state("undo_raise").step.args["TableName"] == "carts"
        assert desk.interrupted is run, "one, however often it is asked for"
        assert run._params() == {"db": "orders-db"}
    finally:
        await desk.close()


async def test_a_runbook_whose_finding_has_recovered_is_taken_up_too(
    sessions: Sessions, tmp_path: Path
) -> None:
    """What a step repaired is gone from the board, and with it stood the step and its undo."""
    document = book(LOOK, RAISE)
    made = sessions.begin(document)
    assert sessions.incident is not None
    was = finding_data(opened(), lambda _: "")
    sessions.incident.record("finding.opened", "61 sessions wait", target="orders-db", data=was)
    made.looks.now, made.looks.after = free_of_waiters(), [{"queues": [queue()]}] * 2
    plan = await made.run.plan("raise")
    await made.run.execute(plan, made.run.approve(plan, typed="orders-db"))
    sessions.incident.record("finding.cleared", "61 sessions wait", target="orders-db", data=was)
    sessions.end()
    desk = resumed_desk(tmp_path, document)
    try:
        (row,) = desk.board.cleared
        assert (row.id, row.finding.summary) == (opened().id, "61 sessions wait")
        assert row.finding.evidence == opened().finding.evidence
        run = desk.run_for(document.id, row.id)
        assert run is not None
        assert run.state("raise").before is not None
        assert run.state("undo_raise").step.args["TableName"] == "carts"
        assert desk.run_for(document.id, row.id) is run
    finally:
        await desk.close()


def test_only_what_was_cleared_last_is_a_recovery() -> None:
    there = {"code": "A_B", "severity": "high", "subject": "x", "probe": "p", "kind": "k"}
    back = {"code": "A_B", "subject": "x", "probe": "p"}
    entries = records.entries(
        ("finding.opened", "one", there),
        ("finding.cleared", "A_B was not there any more when the cockpit came back", back),
        ("finding.opened", "two", {**there, "subject": "y"}),
        ("finding.cleared", "two", {**there, "subject": "y"}),
        ("finding.opened", "two again", {**there, "subject": "y"}),
        ("finding.opened", "masked", {**there, "subject": MASK}),
        ("finding.cleared", "masked", {**there, "subject": MASK}),
        ("finding.cleared", "never opened", {**there, "subject": "z"}),
        target="db",
    )
    assert [one.finding.summary for one in recoveries(entries)] == ["one"]


async def test_what_a_person_answered_is_asked_again(sessions: Sessions) -> None:
    needs = TERMINATE.replace(
        "require = [", 'require = [{ that = "may.answer == \'yes\'", says = "it may" }, '
    )
    document = book(LOOK, ASK, needs)
    made = sessions.begin(document)
    await made.carry("blocker")
    await made.carry("may", typed="yes")
    again = sessions.begin(document)
    asked = again.run.state("may")
    assert asked.status == "next"
    assert asked.outcome is not None
    assert "answered yes" in asked.outcome.text
    with pytest.raises(DoesNotApply, match="it may"):
        await again.run.plan("terminate")
    await again.carry("may", typed="yes")
    assert (await again.run.plan("terminate")).act.args["pid"] == 4242


async def test_skipped_and_gone_on_after_stay_so(sessions: Sessions) -> None:
    document = book(LOOK, TERMINATE)
    made = sessions.begin(document)
    await made.run.skip("blocker", "known already")
    await made.carry("terminate")
    assert made.status("terminate") == "failed"
    assert sessions.begin(document).run.stopped_by is not None
    again = sessions.begin(document)
    await again.run.go_on("terminate", "it ended by itself")
    third = sessions.begin(document)
    assert third.steps() == [("blocker", "skipped"), ("terminate", "failed")]
    assert third.run.stopped_by is None
    assert third.run.finished


async def test_an_undo_whose_values_the_record_masked_is_not_offered(sessions: Sessions) -> None:
    secret = RAISE.replace('TableName = "carts"', 'TableName = "sk_live_abcdefghijklmnop"')
    document = book(LOOK, secret)
    made = sessions.begin(document)
    await made.carry("raise")
    assert [each.step.id for each in made.run.steps][-1] == "undo_raise"
    assert sessions.incident is not None
    intent = next(e for e in sessions.incident.entries if e.kind.value == "step.intent")
    intent.data["undo"]["TableName"] = "***"
    left = runs_left(sessions.incident.entries)[document.id, opened().id]
    assert left.steps["raise"].undo is None
    steps = rig(document, left=left).run.steps
    assert [each.step.id for each in steps] == ["blocker", "raise"]


BLOCK = """
## Block it
One address.
```toml step
id = "block"
kind = "aws"
risk = "high"
target = "$db"
call = "wafv2.UpdateIPSet"
args = { Name = "bad", Scope = "REGIONAL", Id = "0123", Addresses = ["1.1.1.1/32", "8.8.8.8/32"], LockToken = "aaaaaaaa-0000-4000-8000-000000000001" }
capture = { lock = "NextLockToken" }
effect = "one address gets 403"
verify = { probe = "postgres.locks", until = "length(queues) == `0`" }
undo = { says = "the addresses from before", call = "wafv2.UpdateIPSet", args = { Name = "bad", Scope = "REGIONAL", Id = "0123", Addresses = ["1.1.1.1/32"], LockToken = "$block.lock" } }
```
"""


async def test_a_lock_of_waf_is_no_secret_so_that_a_block_can_be_taken_back_later(
    sessions: Sessions,
) -> None:
    """By the lock that the change gave: whoever changed the set meanwhile makes WAF refuse it."""
    lock = "aaaaaaaa-0000-4000-8000-000000000002"

    async def changed() -> dict[str, Any]:
        return {"NextLockToken": lock}

    document = book(BLOCK)
    made = sessions.begin(document)
    made.acts.does, made.looks.now = changed, free_of_waiters()
    assert (await made.carry("block")).kind == "ok"
    again = sessions.begin(document)
    again.looks.now = free_of_waiters()
    await again.carry("undo_block")
    ((_, arguments),) = again.acts.calls
    assert (arguments["LockToken"], arguments["Addresses"]) == (lock, ["1.1.1.1/32"])


KEY = """
## Which key?
Its id.
```toml step
id = "key"
kind = "manual"
ask = "the key's id"
answer = { type = "text" }
```

## Switch it off
One key.
```toml step
id = "revoke"
kind = "aws"
risk = "high"
target = "$db"
call = "apigateway.UpdateApiKey"
args = { apiKey = "$key.answer", patchOperations = [{ op = "replace", path = "/enabled", value = "false" }] }
effect = "whoever sends it is refused"
verify = { call = "apigateway.GetUsagePlan", args = { usagePlanId = "$key.answer" }, until = "name == key.answer" }
undo = { says = "switch it on", call = "apigateway.UpdateApiKey", args = { apiKey = "$key.answer", patchOperations = [{ op = "replace", path = "/enabled", value = "true" }] }, verify = { call = "apigateway.GetUsagePlan", args = { usagePlanId = "$key.answer" }, until = "name == key.answer" } }
```
"""


async def test_the_id_of_a_key_is_no_secret_and_its_undo_is_proved_without_asking_again(
    sessions: Sessions,
) -> None:
    """Its place is called `apiKey`; and what a person answered is asked again after a restart."""
    document = book(KEY)
    made = sessions.begin(document)
    made.reads.answer = {"name": "a1b2c3d4e5"}
    await made.carry("key", typed="a1b2c3d4e5")
    assert (await made.carry("revoke")).kind == "ok"
    again = sessions.begin(document)
    again.reads.answer = {"name": "another"}
    assert (await again.carry("undo_revoke")).kind == "failed"
    again.reads.answer = {"name": "a1b2c3d4e5"}
    assert (await again.carry("undo_revoke")).kind == "ok"
    (_, arguments) = again.acts.calls[-1]
    assert (arguments["apiKey"], arguments["patchOperations"][0]["value"]) == ("a1b2c3d4e5", "true")
    assert again.reads.asked[-1] == ("apigateway.GetUsagePlan", {"usagePlanId": "a1b2c3d4e5"})


BACK = RAISE.replace(
    '"$blocker.pid" } } }\n```',
    '"$blocker.pid" } }, verify = { probe = "postgres.locks", until = "queues[0].pid == blocker.pid"'
    ", every = '5s', within = '5s' } }\n```",
)


@pytest.mark.parametrize("later", [False, True])
async def test_an_undo_is_proved_by_the_state_from_before_and_not_by_the_one_it_ends(
    sessions: Sessions, later: bool
) -> None:
    """What the document looks at is looked at again when the undo is planned: by that value the
    undo would be told as failed when it worked.
    """
    document = book(LOOK, BACK)
    made = sessions.begin(document)
    made.looks.now, made.looks.after = free_of_waiters(), [{"queues": [queue(pid=9)]}] * 2
    assert (await made.carry("raise")).kind == "ok"
    made = sessions.begin(document) if later else made
    changed = {"queues": [queue(pid=4)]}
    made.looks.now, made.looks.after = {"queues": [queue(pid=9)]}, [changed] * 2
    assert (await made.carry("undo_raise")).kind == "ok"
    if not later:
        made.looks.now = changed
        assert (await made.carry("undo_raise")).kind == "failed"


CLOSED = (
    '{"Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"s3:GetObject",'
    '"Resource":"arn:aws:s3:::shop/*"}}'
)
PUT = """
## Replace the policy
Another one.
```toml step
id = "put"
kind = "aws"
risk = "high"
target = "$db"
call = "s3.PutBucketPolicy"
args = { Bucket = "shop", Policy = "CLOSED" }
effect = "others get in"
verify = { probe = "postgres.locks", until = "length(queues) == `0`" }
undo = { says = "the one that was there", call = "s3.PutBucketPolicy", args = { Bucket = "shop", Policy = "$blocker.user" } }
```
""".replace('"CLOSED"', f"'{CLOSED}'")


async def test_a_policy_of_the_largest_size_is_kept_to_come_back_to(sessions: Sessions) -> None:
    """A bucket's policy has up to 20 KiB (Amazon S3 User Guide)."""
    document, policy = book(KEPT, PUT), CLOSED.ljust(20 * 1024)
    made = sessions.begin(document)
    made.looks.now, made.looks.after = free_of_waiters(), [{"queues": [queue(user=policy)]}] * 2
    assert (await made.carry("put")).kind == "ok"
    again = sessions.begin(document)
    assert again.run.state("blocker").captured["user"] == policy
    await again.carry("undo_put")
    ((_, arguments),) = again.acts.calls
    assert arguments["Policy"] == policy


async def test_a_word_that_was_masked_costs_no_value_that_stands_beside_it(
    sessions: Sessions,
) -> None:
    document = book(KEPT, RAISE)
    made = sessions.begin(document)
    told = {"queues": [queue(pid=9, user="password=hunter2hunter2")]}
    made.looks.now, made.looks.after = free_of_waiters(), [told] * 2
    assert (await made.carry("raise")).kind == "ok"
    kept = sessions.begin(document).run.state("blocker").captured
    assert kept == {"pid": 9, "backend_start": queue()["backend_start"]}


async def test_an_edited_document_begins_anew(sessions: Sessions) -> None:
    made = sessions.begin(book(LOOK, TERMINATE))
    await made.carry("blocker")
    edited = book(LOOK, TERMINATE.replace("Ends one session", "Ends exactly one session"))
    again = sessions.begin(edited)
    assert again.steps() == [("blocker", "next"), ("terminate", "waiting")]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        pytest.param({"began": "2026-11-21T02:41:03.120Z", "resolution": 90.0}, (True, 90.0), id="known"),
        pytest.param({}, (False, 0.0), id="a record of before, or not known"),
        pytest.param({"began": 7, "resolution": "soon"}, (False, 0.0), id="not one of ours"),
    ],
)  # fmt: skip
def test_a_record_tells_when_a_recovered_finding_began(
    kept: dict[str, object], expected: tuple[bool, float]
) -> None:
    there = {"code": "A_B", "severity": "high", "subject": "x", "probe": "p", "kind": "k", **kept}
    entries = records.entries(
        ("finding.opened", "one", there), ("finding.cleared", "one", there), target="db"
    )
    (found,) = (one.finding for one in recoveries(entries))
    assert (found.began is not None, found.resolution) == expected


def test_a_beginning_comes_back_from_the_record_as_it_was() -> None:
    dated = replace(opened().finding, began=opened().since, resolution=15.0)
    data = finding_data(replace(opened(), finding=dated), lambda _: "")
    entries = records.entries(
        ("finding.opened", "one", data), ("finding.cleared", "one", data), target="db"
    )
    (found,) = (one.finding for one in recoveries(entries))
    assert (found.began, found.resolution) == (opened().since, 15.0)
    assert "began" not in finding_data(opened(), lambda _: "")
