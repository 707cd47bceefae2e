"""An offer is a promise: provoke a situation, carry out whatever is offered in it, and compare.

Each offer of a drill-down and each acting step of each matching runbook is carried out once, the
situation provoked anew for each. The server itself, asked aside from the cockpit, says whether it
was kept: as many went on as were said to, nobody else was hurt, nothing was lost that the plan had
not named, and a statement that is told as cancelled was cancelled in the eyes of its client.

A family of servers brings its situations and a way to ask its server (`Scene`); see
`promised_postgres.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cockpit.desk.desk import Desk
from cockpit.errors import Refused
from cockpit.incident.ledger import Settled, promises
from cockpit.runbooks.offer import STEP
from cockpit.runbooks.plan import Outcome, Plan
from cockpit.runbooks.run import Run
from cockpit.runbooks.step import Risk, StepKind
from cockpit.triage.board import LookId, OpenFinding
from cockpit.triage.probe import Seen
from cockpit.triage.target import Target
from cockpit.triage.view import Offer
from tests.patience import at_most
from tests.servers.private import until
from tests.servers.seats import seated

PATIENCE = at_most(5)
"""Seconds that those who were said to go on have for it on a busy machine."""
_NAMES_A_ROLLBACK = re.compile(r"roll(s|ed)\b.*\bback|transaction (is|stays open,) aborted")
_ANSWERS = {"choice": "yes", "integer": "60", "number": "60", "boolean": "yes"}
_LETS_GO, _MORE = "lets go", "may go on then"
"""Labels of plan lines that say how many a step releases, and how many more it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A session, by the server's own word."""

    name: str
    """The same each time the situation is provoked."""
    doing: Hashable = None
    """Another value as soon as a statement began or ended."""
    waits_for: frozenset[Hashable] = frozenset()
    written: bool = False
    """Something would be rolled back with it."""
    aborted: bool = False
    """Its transaction has failed."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something besides sessions that could be lost. `named`: how a plan has to name its loss."""

    state: str
    named: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that an act could change, at one moment. Keys of parties are the numbers that acts
    name them by.
    """

    parties: Mapping[Hashable, Party]
    things: Mapping[str, Thing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provoked:
    """A situation that holds right now."""

    targets: tuple[Target, ...]
    seen: Callable[[], Scene]
    """Asks the server, aside from the cockpit."""
    said: Callable[[str], str] = lambda _: ""
    """What a client got for its last statement: `ok`, the error's text, or nothing yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """How to provoke it, what has to be found, and what is offered then: no more and no less."""

    id: str
    probe: str
    codes: tuple[str, ...]
    provoke: Callable[[Any], AbstractAsyncContextManager[Provoked]]
    """Takes the servers, as the test has them."""
    offered: frozenset[str]
    """`cancel_backend migrate` for an offer, `database-connections.cancel migrate` for a step."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Probe id → its settings: smaller limits, so that nobody has to wait for a finding."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """Step id → what a person answers there, where it is not what is suggested."""
    at: str = "db"
    """The target that it is seen at."""


@dataclass(slots=True)
class Deed:
    """One thing that could be done now, and all that was said about it."""

    name: str
    begin: Callable[[], tuple[Run, str]]
    """The run and the id of its step."""
    claims: set[tuple[int, int]] = field(default_factory=set)
    """How many go on at once, and how many more may, by each offer of this act."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How the deeds of one situation went: name → what was not as promised."""

    offered: frozenset[str]
    broken: Mapping[str, Sequence[str]]


async def carried_out(situation: Situation, servers: Any, folder: Path, *, only: str = "") -> Kept:
    """Do each deed once, each in the situation provoked anew; or only the one of a name."""
    offered: set[str] = set()
    broken: dict[str, Sequence[str]] = {}
    while True:
        async with situation.provoke(servers) as provoked, seated(
            provoked.targets, folder, situation.settings
        ) as desk:  # fmt: skip
            deeds = await _deeds(situation, provoked, desk)
            deeds = [each for each in deeds if only in {"", each.name}]
            offered |= {deed.name for deed in deeds}
            deed = next((each for each in deeds if each.name not in broken), None)
            if deed is not None:
                broken[deed.name] = await _done(deed, provoked, desk)
        if deed is None or offered <= broken.keys():
            return Kept(frozenset(offered), {name: said for name, said in broken.items() if said})


async def _deeds(situation: Situation, provoked: Provoked, desk: Desk) -> list[Deed]:
    """What the screen offers and what the runbooks of the findings would do, as of now."""
    found = await _found(situation, desk)
    reading = desk.board.readings[LookId(situation.at, situation.probe)]
    assert isinstance(reading.outcome, Seen)
    parties = provoked.seen().parties
    deeds: dict[str, Deed] = {}
    for table in reading.outcome.tables:
        for offer in (*table.best, *(each for row in table.rows for each in row.offers)):
            deed = _offer(offer, situation.at, desk, parties)
            deeds.setdefault(deed.name, deed).claims.update(deed.claims)
    for opened in found:
        for runbook in desk.runbooks_for(opened):
            for deed in await _steps(
                desk, runbook.id, opened, parties=parties, answers=situation.answers
            ):
                deeds.setdefault(deed.name, deed)
    return list(deeds.values())


async def _found(situation: Situation, desk: Desk) -> list[OpenFinding]:
    async def look() -> list[OpenFinding]:
        for target in desk.targets:  # the one that it is seen at last: it may know of the others
            if target != situation.at:
                await desk.engine.look(target, situation.probe)
        await desk.engine.look(situation.at, situation.probe)
        there = [o for o in desk.board.open.values() if o.target == situation.at]
        return [o for o in there if o.id.code in situation.codes]

    def all_there(found: list[OpenFinding]) -> bool:
        return {o.id.code for o in found} == set(situation.codes)

    return await until(look, all_there)


def _offer(offer: Offer, at: str, desk: Desk, parties: Mapping[Hashable, Party]) -> Deed:
    return Deed(
        name=f"{offer.call} {_whom(offer.args, parties)}".strip(),
        begin=lambda: (desk.offer_run(at, offer), STEP),
        claims={(offer.releases, offer.more)} if offer.promise else set(),
    )


async def _steps(
    desk: Desk,
    runbook_id: str,
    opened: OpenFinding,
    *,
    parties: Mapping[Hashable, Party],
    answers: Mapping[str, str],
) -> list[Deed]:
    """The steps of a runbook that would change something and apply now."""
    run = desk.start_run(runbook_id, opened)
    deeds = []
    for step in run.runbook.steps:
        if step.kind is StepKind.MANUAL and step.answer is not None:
            try:
                asked = await run.plan(step.id)
            except Refused:  # an answer before it says that it does not come to that
                continue
            usual = asked.suggestion or _ANSWERS.get(step.answer.type, "the kit")
            typed = answers.get(step.id, usual)
            await run.execute(asked, run.approve(asked, typed=typed))
        if step.risk is Risk.READ or step.kind in {StepKind.MANUAL, StepKind.PROBE, StepKind.WAIT}:
            continue
        try:
            plan = await run.plan(step.id)
        except Refused:  # it does not apply here
            continue
        whom = _whom(plan.act.args, parties)
        name = f"{runbook_id}.{step.id} {whom}".strip()
        deeds.append(Deed(name, lambda run=run, id_=step.id: (run, id_)))  # type: ignore[misc]
    return deeds


def _whom(args: Mapping[str, object], parties: Mapping[Hashable, Party]) -> str:
    number = args.get("pid", args.get("id"))
    party = parties.get(number) if isinstance(number, Hashable) else None
    return party.name if party is not None else str(args.get("name", args.get("gid", "")))


async def _done(deed: Deed, provoked: Provoked, desk: Desk) -> Sequence[str]:
    """Do it as a person would who types what is asked for; gives what was not as promised."""
    run, step_id = deed.begin()
    plan = await run.plan(step_id)
    lines = {line.label: line.text for line in plan.lines}
    claims = set(deed.claims)
    if lines.get(_LETS_GO, "").isdigit():
        claims.add((int(lines[_LETS_GO]), int(lines.get(_MORE, "0"))))
    before = provoked.seen()
    async with asyncio.timeout(at_most(30)):
        outcome = await run.execute(plan, run.approve(plan, typed=plan.confirm_word, second="bob"))
    after = await _settled(
        before, provoked, plan, wanted=max((sure for sure, _ in claims), default=0)
    )
    broken = [] if outcome.kind == "ok" else [f"ended as {outcome.kind}: {outcome.text}"]
    went = sorted(before.parties[key].name for key in went_on(before, after, plan))
    broken += [
        f"releases {sure}, maybe {more} more was said, {len(went)} went on: {went}"
        for sure, more in sorted(claims)
        if not sure <= len(went) <= sure + more
    ]
    broken += noticed(before, after, plan, outcome, said=provoked.said)
    return [*broken, *_settled_as(desk, sure=max((sure for sure, _ in claims), default=0))]


def noticed(
    before: Scene, after: Scene, plan: Plan, outcome: Outcome, *, said: Callable[[str], str]
) -> list[str]:
    """Who was hurt, what was lost, and who heard something else, without a word in the plan."""
    hurt = _hurt(before, after, plan, said)
    return [*hurt, *_lost(before, after, plan), *_told(before, plan, outcome, said)]


async def _settled(before: Scene, provoked: Provoked, plan: Plan, *, wanted: int) -> Scene:
    """The scene when nothing moves any more, and not before as many went on as were said to."""
    last: tuple[Scene, int] = (before, -1)
    for _ in range(round(PATIENCE / 0.1)):
        scene = provoked.seen()
        went = len(went_on(before, scene, plan))
        if went >= wanted and (scene, went) == last:
            return scene
        last = (scene, went)
        await asyncio.sleep(0.1)
    return last[0]


def _settled_as(desk: Desk, *, sure: int) -> list[str]:
    """What the ledger says of a promise that somebody goes on. It is never left open."""
    ends = [each.settlement for each in promises(desk.incident.entries) if each.settlement]
    words = [each.text for each in ends if each.verdict is not Settled.KEPT]
    return [f"the ledger: {word}" for word in words if sure]


def went_on(before: Scene, after: Scene, plan: Plan) -> list[Hashable]:
    """Those who waited for somebody and do not wait for that any more."""
    victims = _victims(before, plan)
    return [
        key
        for key, party in before.parties.items()
        if party.waits_for
        and key not in victims
        and (now := after.parties.get(key)) is not None
        and (now.doing != party.doing or not now.waits_for)
        and not now.aborted
    ]


def _victims(before: Scene, plan: Plan) -> set[Hashable]:
    """Whom the act names: one by its number, or all of one application."""
    args = plan.act.args
    if "application" in args:
        return {key for key, each in before.parties.items() if each.name == args["application"]}
    named = args.get("pid", args.get("id"))
    return {named} if isinstance(named, Hashable) else set()


def _hurt(before: Scene, after: Scene, plan: Plan, said: Callable[[str], str]) -> list[str]:
    victims, found = _victims(before, plan), []
    for key, party in before.parties.items():
        now = after.parties.get(key)
        if key in victims:
            ends = not plan.act.does.startswith(("cancel", "kill_query"))
            if (now is None) != ends:
                found.append(f"{party.name} {'is still there' if now else 'lost its session'}")
        elif now is None:
            found.append(f"{party.name} lost its session and was not named")
        elif now.aborted and not party.aborted:
            found.append(f"the transaction of {party.name} was aborted and was not named")
        elif said(party.name) not in {"", "ok"}:
            found.append(f"{party.name} was told: {said(party.name)}")
    return found


def _lost(before: Scene, after: Scene, plan: Plan) -> list[str]:
    named = " ".join(line.text for line in plan.lines if line.label in {"effect", "undo"})
    found = []
    ended = {key: after.parties.get(key) for key in _victims(before, plan)}
    rolled_back = any(
        key in before.parties and before.parties[key].written and (now is None or now.aborted)
        for key, now in ended.items()
    )
    if rolled_back and not _NAMES_A_ROLLBACK.search(named):
        found.append(f"a transaction was rolled back, and the plan says: {named}")
    for name, thing in before.things.items():
        became = after.things.get(name)
        state = became.state if became is not None else "gone"
        if state != thing.state and not re.search(thing.named, named):
            found.append(f"{name} is {state} instead of {thing.state}, and the plan says: {named}")
    return found


def _told(before: Scene, plan: Plan, outcome: Outcome, said: Callable[[str], str]) -> list[str]:
    if "cancelled" not in outcome.text:
        return []
    named = [before.parties[key] for key in _victims(before, plan) if key in before.parties]
    fooled = [party.name for party in named if said(party.name) == "ok"]
    return [f"'{outcome.text}', and {name} got: ok" for name in fooled]


def ids(situations: Sequence[Situation]) -> list[object]:
    """For `pytest.mark.parametrize`: the names of situations are the specification."""
    return [pytest.param(each, id=each.id) for each in situations]
