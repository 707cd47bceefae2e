"""Every mutating step of a shipped runbook is carried out by a test, whatever else is said of it."""

from __future__ import annotations

from cockpit.runbooks.gate import LOOKING
from cockpit.runbooks.library import library
from cockpit.runbooks.step import Risk
from tests import carried
from tests.servers import promised_mysql, promised_postgres, promised_redis, promised_sessions
from tests.servers.promises import Situation
from tests.world.account_stories import ACCOUNT
from tests.world.stories import STORIES


def mutating() -> set[str]:
    return {
        f"{book.id}:{step.id}"
        for book in library().runbooks
        for step in book.steps
        if step.risk > Risk.READ and step.kind not in LOOKING
    }


def followed() -> set[str]:
    """Steps of stories: `follow` wants each of them to end well."""
    first = [*STORIES.values(), *ACCOUNT.values()]
    told = [*first, *(each.then for each in first if each.then)]
    return {f"{story.runbook}:{step}" for story in told for step in story.steps}


def offered() -> set[str]:
    """Steps that the kit does in each situation: no more and no less than it names."""
    modules = (promised_mysql, promised_postgres, promised_redis, promised_sessions)
    held = [each for module in modules for each in vars(module).values() if isinstance(each, tuple)]
    there = [each for some in held for each in some if isinstance(each, Situation)]
    assert there
    names = {name.split()[0] for situation in there for name in situation.offered}
    return {name.replace(".", ":", 1) for name in names if "." in name}


def test_every_mutating_step_is_carried_out() -> None:
    assert mutating() - {*carried.STEPS, *followed(), *offered()} == set()


def test_the_table_has_no_step_that_there_is_not() -> None:
    assert set(carried.STEPS) <= mutating()
