"""The kit that holds offers to their promises: how much it provokes, and that it is not fooled."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace

import pytest

from cockpit.runbooks.plan import Act, Outcome, Plan, PlanLine
from cockpit.runbooks.step import StepKind
from tests.core.runs import offer_plan
from tests.servers import promised_mysql, promised_postgres, promised_redis, promised_sessions
from tests.servers.promises import Party, Scene, Situation, Thing, noticed, went_on

SLOT = {"slot a": Thing("there", r"drops slot a")}
HEAD, WAITER, OTHER = (
    Party(name="head", written=True),
    Party(name="waiter", doing=1, waits_for=frozenset({1})),
    Party(name="other", doing=1),
)
BEFORE = Scene(parties={1: HEAD, 2: WAITER, 3: OTHER}, things=SLOT)
FREED = replace(WAITER, doing=2, waits_for=frozenset[Hashable]())
ENDED: dict[Hashable, Party] = {2: FREED, 3: OTHER}


def plan(does: str = "terminate_backend", effect: str = "its transaction is rolled back") -> Plan:
    act = Act(kind=StepKind.SQL, does=does, args={"pid": 1})
    return offer_plan(act=act, lines=(PlanLine("effect", effect),))


@pytest.mark.parametrize(
    ("after", "made", "says"),
    [
        pytest.param(ENDED, plan(), "", id="as it was said"),
        pytest.param({1: HEAD, **ENDED}, plan(), "head is still there", id="it lives on"),
        pytest.param(ENDED, plan("cancel_backend"), "head lost its session", id="it was to live"),
        pytest.param({2: FREED}, plan(), "other lost its session and was not", id="another ends"),
        pytest.param(
            {**ENDED, 3: replace(OTHER, aborted=True)},
            plan(),
            "the transaction of other was aborted and was not named",
            id="another's transaction fails",
        ),
        pytest.param(ENDED, plan(effect="ends it"), "was rolled back, and the", id="work is lost"),
        pytest.param(
            {1: replace(HEAD, aborted=True), **ENDED},
            plan("cancel_backend", "cancels it"),
            "was rolled back, and the",
            id="work is lost with the statement",
        ),
    ],
)
def test_who_is_hurt_and_what_is_lost_without_a_word_is_noticed(
    after: dict[Hashable, Party], made: Plan, says: str
) -> None:
    found = noticed(BEFORE, Scene(parties=after, things=SLOT), made, OK, said=quiet)
    assert (says in " ".join(found)) if says else found == []


def quiet(_: str) -> str:
    return ""


OK = Outcome("ok", "the statement was cancelled")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        pytest.param(lambda name: "ok" if name == "head" else "", "head got: ok", id="the named"),
        pytest.param(
            lambda name: "could not serialize" if name == "other" else "",
            "other was told: could not serialize",
            id="another",
        ),
    ],
)
def test_what_clients_hear_is_noticed(said: Callable[[str], str], says: str) -> None:
    after = Scene(parties={1: HEAD, **ENDED}, things=SLOT)
    found = noticed(BEFORE, after, plan("cancel_backend"), OK, said=said)
    assert len(found) == 1
    assert says in found[0]


def test_a_thing_that_is_gone_has_to_be_named() -> None:
    after = Scene(parties=ENDED)
    (found,) = noticed(BEFORE, after, plan(), OK, said=quiet)
    assert "slot a is gone instead of there" in found
    named = plan(effect="drops slot a, and its transaction is rolled back")
    assert noticed(BEFORE, after, named, OK, said=quiet) == []


def test_only_who_waited_and_works_again_went_on() -> None:
    failed = replace(FREED, aborted=True)
    for now, wanted in ((FREED, [2]), (WAITER, []), (failed, []), (None, [])):
        parties: dict[Hashable, Party] = (
            {3: OTHER} if now is None else {2: now, 3: replace(OTHER, doing=2)}
        )
        assert went_on(BEFORE, Scene(parties=parties), plan()) == wanted


def test_thirty_situations_are_provoked_and_most_of_them_offer_something() -> None:
    modules = (promised_mysql, promised_postgres, promised_redis, promised_sessions)
    lists = [each for module in modules for each in vars(module).values()]
    told = {
        each.id: each.offered
        for found in lists
        if isinstance(found, tuple)
        for each in found
        if isinstance(each, Situation)
    }
    assert len(told) >= 30
    assert sum(map(len, told.values())) >= 100
