"""In triage nothing changes, whatever is pressed, tried, typed, approved or forged.

The configuration holds the commander's credentials: what is proven is the cockpit, not the lack of
a password. Everything is pressed and tried once; then the servers' own logs are asked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from cockpit import clock
from cockpit.cli.tui import _read
from cockpit.connect.open import Connections
from cockpit.connect.role import Role
from cockpit.connect.statements import STATEMENTS
from cockpit.desk import Desk
from cockpit.errors import BlindError, CockpitError, Refused
from cockpit.runbooks import gate
from cockpit.runbooks.library import library
from cockpit.runbooks.plan import Approval, Plan
from cockpit.runbooks.run import Run
from cockpit.runbooks.step import Risk, Runbook
from cockpit.triage.board import FindingId, OpenFinding
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.probe import Seen
from cockpit.triage.view import Offer
from cockpit.world.launch import World
from screens.bindings import ACTIONS, Action, Where
from screens.main import MainScreen
from screens.panes import PANES
from screens.widgets.note import Prompt
from tests.e2e.referee import Referee
from tests.e2e.seat import BLOCKER, Seat, seated
from tests.patience import at_most, until
from tests.world.unhurried import unhurried

pytestmark = pytest.mark.world
CANARY = "SELECT xmin::text, ctid::text, word FROM canary"
COUNTED = "SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relname = 'canary'"
MOVES = re.compile(
    r"\b(insert|update|delete|truncate|create|alter|drop|grant|revoke|kill|call|lock|reset)\b"
    r"|pg_(terminate|cancel|promote|reload|wal_replay_(pause|resume)|drop|create)"
    r"|set\s+global|\bflush\s+\w",
    re.IGNORECASE,
)
ANSWERS = {"path": "/healthz", "boolean": "yes", "integer": "7", "number": "7", "text": "yes"}
ALLOWED_COMMANDS = ("CLIENT SETNAME", "CLIENT NO-TOUCH", "INFO", "ROLE", "DBSIZE", "TIME", "PING",
                    "CLIENT ID", "CLIENT LIST", "SLOWLOG", "LATENCY", "MEMORY", "CLUSTER",
                    "COMMANDLOG", "HELLO", "CLIENT SETINFO")  # fmt: skip


@dataclass
class Siege:
    """What was tried, what it gave, and what the servers say."""

    role_badge: str = ""
    pressed: list[str] = field(default_factory=list)
    steps: dict[str, str] = field(default_factory=dict)
    """`runbook/step` → `looked`, `refused` or why it could not be planned."""
    books: set[str] = field(default_factory=set)
    offers: dict[str, str] = field(default_factory=dict)
    forged: list[str] = field(default_factory=list)
    proposals: int = 0
    intents: int = 0
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    sql: list[str] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)
    mysql: list[tuple[str, str]] = field(default_factory=list)
    redis: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    toasts: set[str] = field(default_factory=set)


async def besiege(world: World, folder: Path) -> Siege:
    siege = Siege()
    referee = await asyncio.to_thread(Referee, world)
    await asyncio.to_thread(referee.orders, "CREATE TABLE canary AS SELECT 'alive' AS word")
    siege.before = await asyncio.to_thread(state, referee)
    # the configuration says commander and holds its passwords; the person asked for triage
    desk = await _read(world.config_path, "triage", folder=folder).create("siege", "P1")
    async with seated(desk, (80, 24)) as seat:
        await seat.until(lambda: settled(desk), 40, "the first sweep and the lock")
        siege.role_badge = seat.screen.splitlines()[1]
        await every_key_on_the_main_screen(seat, siege)
        await every_key_on_the_details(seat, siege)
        await every_key_on_the_other_screens(seat, siege)
        await every_step_by_keys(seat)
        # an answer of triage opens no act: as if it did, so that the acts behind are tried as well
        with patch.object(gate, "answers_open", return_value=True):
            await every_step(desk, siege)
        await every_offer(desk, siege)
        siege.proposals = sum(e.kind == "proposal" for e in desk.incident.entries)
        siege.intents = sum(e.kind in {"step.intent", "approval"} for e in desk.incident.entries)
    await asyncio.to_thread(ask, referee, siege)
    return siege


def settled(desk: Desk) -> bool:
    codes = {one.id.code for one in desk.board.open.values()}
    return "PG_LOCK_BLOCKED" in codes and desk.engine.progress.took is not None


def state(referee: Referee) -> dict[str, Any]:
    """What nobody but the cockpit could change."""
    return {
        "blocker": referee.orders(BLOCKER),
        "canary": referee.orders(CANARY),
        "counted": referee.orders(COUNTED),
        "settings": referee.orders(
            "SELECT name, setting FROM pg_settings WHERE source = 'configuration file'"
        ),
        "prepared": referee.orders("SELECT slot_name, active FROM pg_replication_slots"),
    }


def ask(referee: Referee, siege: Siege) -> None:
    siege.after = state(referee)
    siege.sql, siege.acts = referee.log_of_orders(), referee.acts_in_orders()
    referee.end()
    siege.mysql, siege.redis = referee.log_of_catalog(), referee.commands()
    siege.calls = referee.calls()


# -- by keys ---------------------------------------------------------------------------------------


def keys_of(*where: Where) -> list[tuple[Action, str]]:
    """Every key of the table for these parts; `q` comes at the end of all."""
    return [
        (action, key)
        for action in ACTIONS
        if action.where in where and action.name != "leave"
        for key in action.keys
    ]


async def home(seat: Seat, screen: type = MainScreen) -> None:
    """Back to a screen, answering what is asked on the way: that is a try, too."""
    for _ in range(12):
        seat.app._notifications.clear()
        if isinstance(seat.app.focused, Prompt) and seat.app.focused.has_class("-asking"):
            await seat.tap(*"because", "enter")
        elif type(seat.app.screen) is screen:
            break
        else:
            await seat.tap("escape")
    assert type(seat.app.screen) is screen, seat.screen
    if seat.app.shown is not None and seat.app.shown.frozen is not None:
        await seat.tap("space")
    if isinstance(seat.app.focused, Prompt):
        await seat.tap("escape")


async def every_key_on_the_main_screen(seat: Seat, siege: Siege) -> None:
    for number, pane in enumerate(PANES, 1):
        for action, key in keys_of(Where.MAIN, Where.LIST, Where.ANYWHERE):
            if seat.app.screen.pane_name != pane:  # type: ignore[attr-defined]
                await seat.tap(str(number))
            await seat.tap(key)
            siege.pressed.append(f"{pane}:{action.name}:{key}")
            siege.toasts |= set(seat.toasts)
            await home(seat)


async def every_key_on_the_details(seat: Seat, siege: Siege) -> None:
    from screens.detail import DetailScreen

    for target in ("orders-db", "sessions", "catalog", "checkout", "carts"):
        if target not in seat.desk.targets:
            continue
        seat.app.open_target(target)
        await seat.drawn()
        for action, key in keys_of(Where.DETAIL, Where.LIST):
            if action.name == "back":
                continue
            await seat.tap(key)
            siege.pressed.append(f"detail {target}:{action.name}:{key}")
            siege.toasts |= set(seat.toasts)
            await home(seat, DetailScreen)
        await home(seat)


async def every_key_on_the_other_screens(seat: Seat, siege: Siege) -> None:
    doors = {"T": Where.TIMELINE, "question_mark": Where.READING, "S": Where.CHOOSING}
    for door, where in doors.items():
        for action, key in keys_of(where, Where.LIST):
            await seat.tap("3", door, key)
            siege.pressed.append(f"{door}:{action.name}:{key}")
            await home(seat)


async def every_step_by_keys(seat: Seat) -> None:
    """Enter and p on every step of the runbook for the lock, as somebody would who does not read."""
    await seat.choose("PG_LOCK_BLOCKED", "orders-db")
    for _ in range(9):
        for key in ("enter", "p"):
            await seat.press("5", key)
            await home(seat)
        await seat.tap("5", "down")


# -- behind the screens ----------------------------------------------------------------------------


async def every_step(desk: Desk, siege: Siege) -> None:
    """Plan each, say yes with everything that could be asked for, then run it with a forged yes:
    of the runbooks of what is wrong, then of all there are, as if what they are for were wrong.
    """
    for opened in list(desk.board.open.values()):
        for book in desk.runbooks_for(opened):
            await every_step_of(desk.start_run(book.id, opened), siege)
    for book in desk.library.runbooks:
        await every_step_of(desk.start_run(book.id, imagined(desk, book)), siege)


async def every_step_of(run: Run, siege: Siege) -> None:
    siege.books.add(run.runbook.id)
    # a key may have begun a look of it
    await until(lambda: all(each.status != "running" for each in run.steps), "no step runs")
    for state_ in run.steps:
        name = f"{run.runbook.id}/{state_.step.id}"
        if siege.steps.get(name) != "refused":
            siege.steps[name] = await attempt(run, state_.step.id, siege)


def imagined(desk: Desk, book: Runbook) -> OpenFinding:
    """What a runbook is for, said of a target that fits it; of any where the shop has none."""
    kinds = {param.kind for param in book.params.values() if param.type == "target"}
    fitting = [target for target in desk.targets.values() if target.kind in kinds]
    target = [*fitting, *desk.targets.values()][0]
    now = clock.now()
    return OpenFinding(
        id=FindingId(target.name, book.codes[0], ""),
        kind=target.kind,
        probe="",
        finding=Finding(book.codes[0], Severity.HIGH, "imagined"),
        since=now,
        seen=now,
    )


async def every_offer(desk: Desk, siege: Siege) -> None:
    for reading in list(desk.board.readings.values()):
        if not isinstance(reading.outcome, Seen):
            continue
        for table in reading.outcome.tables:
            offers: list[Offer] = [*table.best, *(o for row in table.rows for o in row.offers)]
            for offer in offers[:6]:
                name = f"{reading.target}/{offer.call}/{dict(offer.args)}"
                if name not in siege.offers:
                    run = desk.offer_run(reading.target, offer)
                    siege.offers[name] = await attempt(run, run.steps[0].step.id, siege)


async def attempt(run: Run, step_id: str, siege: Siege) -> str:
    """`looked` for a step that only looks; `refused` for any other, however it is tried."""
    try:
        async with asyncio.timeout(at_most(8)):
            plan = await run.plan(step_id)
    except TimeoutError:
        return "a look that waits"
    except CockpitError as error:
        return error.message
    if plan.risk is Risk.READ and plan.step.kind != "command":
        await answer(run, plan)
        return "looked"
    for given in ({}, {"typed": plan.confirm_word, "reason": "please", "second": "bob"}):
        with pytest.raises(Refused, match="triage is read-only"):
            run.approve(plan, **given)
    forged = Approval(
        digest=plan.digest,
        by="root",
        at=clock.now(),
        good_until=clock.elapsed() + 120,
        typed=plan.confirm_word,
    )
    await forge(run, plan, forged, siege)
    await forge(run, replace(plan, risk=Risk.READ), forged, siege)
    return "refused"


async def answer(run: Run, plan: Plan) -> None:
    """Look, or answer a question, so that the steps behind it can be planned."""
    typed = ""
    if plan.step.answer is not None:
        told = plan.suggestion or (plan.step.answer.choices or ("",))[0]
        typed = told or ANSWERS.get(plan.step.answer.type, "")
    elif plan.step.kind != "probe":
        return
    with suppress(CockpitError):
        await run.execute(plan, run.approve(plan, typed=typed))


async def forge(run: Run, plan: Plan, approval: Approval, siege: Siege) -> None:
    # a look that a key began may still run, and would be the reason
    await until(lambda: all(each.status != "running" for each in run.steps), "no step runs")
    with pytest.raises(Refused) as refusal:
        await run.execute(plan, approval)
    siege.forged.append(refusal.value.message)


# -- what came of it -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(begin: Callable[[str, Role], World]) -> World:
    return begin("checkout-lock", Role.COMMANDER)


@pytest.fixture(scope="module")
def siege(world: World, tmp_path_factory: pytest.TempPathFactory) -> Siege:
    with unhurried():
        return asyncio.run(besiege(world, tmp_path_factory.mktemp("record")))


def test_the_badge_says_triage_though_the_configuration_says_commander(siege: Siege) -> None:
    assert "TRIAGE read-only" in siege.role_badge


def test_every_key_of_the_table_was_pressed_in_every_pane(siege: Siege) -> None:
    tried = {one.split(":")[1] for one in siege.pressed}
    wanted = {
        action.name
        for action in ACTIONS
        if action.where in {Where.MAIN, Where.DETAIL, Where.LIST, Where.TIMELINE, Where.READING}
    }
    assert wanted - tried - {"back"} == set()
    assert len(siege.pressed) > 400


def test_every_step_that_changes_something_was_refused_and_every_look_was_free(
    siege: Siege,
) -> None:
    assert "database-connections/terminate" in siege.steps
    assert siege.steps["database-connections/terminate"] == "refused"
    assert siege.steps["database-connections/sessions"] == "looked"
    assert sum(said == "refused" for said in siege.steps.values()) >= 3


def test_no_step_of_any_runbook_that_changes_something_could_be_said_yes_to(siege: Siege) -> None:
    books = {book.id: book for book in library().runbooks}
    assert siege.books == set(books)
    risk = {f"{book.id}/{step.id}": step.risk for book in books.values() for step in book.steps}
    assert siege.steps.keys() == risk.keys()
    assert {risk[name] for name, said in siege.steps.items() if said == "looked"} == {Risk.READ}
    assert [said for said in siege.steps.values() if "In function" in said] == [], "raw JMESPath"
    refused = {name for name, said in siege.steps.items() if said == "refused"}
    assert len({name.partition("/")[0] for name in refused}) >= 8, refused


def test_every_offer_of_every_drill_down_was_refused(siege: Siege) -> None:
    assert any("terminate_backend" in name for name in siege.offers)
    assert set(siege.offers.values()) == {"refused"}


def test_a_forged_approval_opens_nothing(siege: Siege) -> None:
    assert len(siege.forged) >= 10
    told = r"triage is read-only|not the one that was made here|another plan"
    assert [said for said in siege.forged if not re.search(told, said)] == []


def test_proposals_are_recorded_and_no_intent_ever_is(siege: Siege) -> None:
    assert siege.proposals >= 1
    assert siege.intents == 0


def test_the_aws_front_saw_looks_only(siege: Siege) -> None:
    assert len(siege.calls) > 20
    changed = {f"{c['service']}.{c['operation']}" for c in siege.calls if not c["read"]}
    assert changed == set()


def test_the_blocker_still_lives_since_the_same_moment(siege: Siege) -> None:
    assert len(siege.before["blocker"]) == 1
    assert siege.after["blocker"] == siege.before["blocker"]


def test_canary_settings_and_slots_of_postgresql_are_untouched(siege: Siege) -> None:
    assert siege.before["canary"][0][2] == "alive"
    assert siege.after["canary"] == siege.before["canary"]
    assert siege.after["counted"] in ([(1, 0, 0)], [(0, 0, 0)])
    assert siege.after["settings"] == siege.before["settings"]
    assert siege.after["prepared"] == siege.before["prepared"]


def test_postgresql_itself_logged_looks_only(siege: Siege) -> None:
    assert len(siege.sql) > 10, "the log has the cockpit's statements"
    assert [(hit[0], one) for one in siege.sql if (hit := MOVES.search(_code(one)))] == []


def test_nothing_was_ever_sent_by_the_commanders_login(siege: Siege) -> None:
    assert siege.acts == []
    assert {user for user, _ in siege.mysql if "cockpit_ops" in user} == set()


def test_mariadb_itself_logged_looks_only(siege: Siege, world: World) -> None:
    from tests.e2e.seat import prepared

    if prepared(world).ports.catalog:
        assert len(siege.mysql) > 5
    assert [sql for _, sql in siege.mysql if MOVES.search(_code(sql))] == []


def test_valkey_heard_only_commands_that_look(siege: Siege) -> None:
    assert len(siege.redis) > 3
    odd = [words for words in siege.redis if not words.upper().startswith(ALLOWED_COMMANDS)]
    assert odd == []


def _code(line: str) -> str:
    """A statement without its literals, and without the reads whose names only sound like acts."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", " ", line)
    return re.sub(r"\bSET (SESSION|search_path|NAMES|AUTOCOMMIT)\b", " ", bare, flags=re.IGNORECASE)


# -- the connectors --------------------------------------------------------------------------------


@dataclass
class Reach:
    """The read sessions of a triage process, straight at the connectors."""

    desk: Desk

    async def session(self, target: str) -> Any:
        return await self.desk.connections.session(target, self.desk.targets[target].settings)


async def reached(world: World, folder: Path) -> Desk:
    return await _read(world.config_path, "triage", folder=folder).create("reach", "P1")


async def test_triage_connections_give_no_session_that_can_act(
    siege: Siege, world: World, tmp_path: Path
) -> None:
    desk = await reached(world, tmp_path)
    triage = Connections(desk.config.places, Role.TRIAGE)
    for target in desk.targets.values():
        with pytest.raises(Refused, match="triage is read-only"):
            await triage.acts(target.settings)
    await triage.close()
    await desk.close()


SQL = {
    "orders-db": [
        "DELETE FROM canary",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
        "SELECT pg_reload_conf()",
        "SET default_transaction_read_only = off",
        "WITH x AS (DELETE FROM canary RETURNING 1) SELECT * FROM x",
        "SELECT 1; DELETE FROM canary",
        "SELECT unknown_words FROM canary FOR UPDATE",
        *(known.sql for known in STATEMENTS.values() if known.engine == "postgres" and known.sql
          and known.risk != "read"),
    ],
    "catalog": ["KILL 1", "SET GLOBAL read_only = 1", "DELETE FROM mysql.user", "SELECT SLEEP(9)"],
}  # fmt: skip


@pytest.mark.parametrize("target", SQL)
async def test_a_read_session_of_a_database_refuses_what_does_not_look(
    siege: Siege, world: World, tmp_path: Path, target: str
) -> None:
    desk = await reached(world, tmp_path)
    if target in desk.targets:
        session = await Reach(desk).session(target)
        for sql in SQL[target]:
            with pytest.raises(Refused, match="nothing was sent"):
                await session.value(sql)
        assert await session.value("SELECT 1") == 1
    await desk.close()


@pytest.mark.parametrize(
    "words",
    [("SET", "a", "1"), ("FLUSHALL",), ("CONFIG", "SET", "maxmemory", "1"), ("CLIENT", "KILL", "x"),
     ("EVAL", "return 1", "0"), ("GET", "session:1"), ("DEBUG", "SLEEP", "1"), ("NO-SUCH",)],
    ids=" ".join,
)  # fmt: skip
async def test_a_read_session_of_a_cache_refuses_what_is_not_on_its_list(
    siege: Siege, world: World, tmp_path: Path, words: tuple[str, ...]
) -> None:
    desk = await reached(world, tmp_path)
    session = await Reach(desk).session("sessions")
    with pytest.raises(Refused):
        await session.command(*words)
    await desk.close()


@pytest.mark.parametrize(
    ("service", "operation"),
    [("ecs", "UpdateService"), ("ec2", "AuthorizeSecurityGroupIngress"), ("rds", "RebootDBInstance"),
     ("dynamodb", "UpdateTable"), ("dynamodb", "GetItem"), ("s3", "GetObject"),
     ("secretsmanager", "GetSecretValue"), ("iam", "CreateUser"), ("made", "UpOperation")],
    ids=lambda word: word,
)  # fmt: skip
async def test_a_read_session_of_aws_refuses_what_is_not_on_its_list_before_it_is_signed(
    siege: Siege, world: World, tmp_path: Path, service: str, operation: str
) -> None:
    desk = await reached(world, tmp_path)
    session = await desk.connections.aws("prod")
    with pytest.raises((Refused, BlindError)) as refusal:
        await session.read(service, operation)
    assert isinstance(refusal.value, Refused)
    assert "nothing was sent" in refusal.value.message
    await desk.close()
