"""What a run says of a look, and which steps it passes over by what the looks show."""

from __future__ import annotations

from typing import Any

import pytest

from cockpit.errors import DoesNotApply, Refused
from cockpit.runbooks.library import library
from cockpit.triage.finding import Severity
from tests.core.builders import finding, seen
from tests.core.run_words import ready
from tests.core.runs import LOOK, TERMINATE, opened, rig

ASK = """
## Whose?
Ask.
```toml step
id = "whose"
kind = "manual"
ask = "the client"
answer = { type = "text" }
```
"""

COUNT = """
## Count them
How many there are.
```toml step
id = "counted"
kind = "sql"
risk = "read"
target = "$db"
statement = "idle_of_client"
args = { user = "$whose.answer", application = "checkout", older_than_s = 60, most = 20 }
capture = { ends = "value.ends" }
```
"""

LEAKING: dict[str, Any] = {
    "queues": [],
    "sync": None,
    "pulse": {"by_client": [{"usename": "mailer", "app": "order-mailer", "n": 75, "idle": 74}]},
}


async def test_a_look_that_finds_nothing_tells_what_other_looks_found_there_and_who_fails() -> None:
    """One clean look is not a target that is well."""
    made = ready(LOOK)
    quiet = await made.carry("blocker", typed="")
    bad = finding(severity=Severity.CRITICAL)
    made.signals.store.add(seen(bad, finding("PG_X"), name="orders-db", probe="postgres.sessions"))
    made.signals.store.add(seen(bad, name="checkout-tg", probe="target_group.health"))
    told = await made.carry("blocker", typed="")
    assert quiet.text == "postgres.locks of orders-db: no finding of its own"
    assert told.text == f"{quiet.text}; 1 critical open there; 1 sick target needs it"


async def test_a_step_does_not_apply_whatever_a_value_that_is_not_given_yet_would_be() -> None:
    needs = '{ that = "blocker.pid != null", says = "somebody still blocks" }'
    more = '{ that = "counted.ends > `0`", says = "there are some" }'
    made = ready(LOOK, ASK, COUNT, TERMINATE.replace(needs, f"{needs}, {more}"))
    with pytest.raises(Refused, match=r"\$whose.answer has no value"):
        await made.run.plan("terminate")
    made.looks.now = {"queues": []}
    with pytest.raises(DoesNotApply, match=r"not true: somebody still blocks$"):
        await made.run.plan("terminate")


async def test_the_yes_to_ending_idle_sessions_shows_how_many_would_end_now() -> None:
    made = rig(library().get("database-connections"), finding=opened("PG_SAT_CONNECTIONS"))
    made.looks.now, made.looks.findings = LEAKING, (finding("PG_SAT_CONNECTIONS"),)
    await made.carry("age", typed="60")
    for ends, shown in ((5, "5"), (7, "7")):
        made.reads.answer = {"value": {"idle": 74, "ends": ends}}
        plan = await made.run.plan("free")
        told = {each.label: each.text for each in plan.lines}
        assert told["would end now"] == shown
        assert (told["idle so long"], told["idle for s"]) == ("74", "60")
    assert made.reads.asked[-1] == ("idle_of_client", dict(plan.act.args))
    made.reads.answer = {"value": {"idle": 0, "ends": 0}}
    with pytest.raises(DoesNotApply, match="idle for that long"):
        await made.run.plan("free")


@pytest.mark.parametrize(
    ("book_id", "step", "why"),
    [
        ("database-connections", "age", "there are too many sessions still"),
        ("database-connections", "long_idle", "there are too many sessions still"),
        ("database-connections", "free", "there are too many sessions still"),
        ("database-replication", "commits", "commits wait, or the next one would"),
    ],
)
async def test_what_the_looks_show_not_to_apply_is_not_asked_of_a_person(
    book_id: str, step: str, why: str
) -> None:
    made = rig(library().get(book_id), finding=opened())
    made.looks.now = LEAKING
    with pytest.raises(DoesNotApply, match=why):
        await made.run.plan(step)
    assert made.run.state(step).not_now
