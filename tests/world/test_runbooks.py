"""Following the runbook of a scenario, step by step, repairs the shop; triage changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cockpit.config import load
from cockpit.connect.redis.settings import RedisSettings
from cockpit.connect.role import Role
from cockpit.desk.desk import Desk
from cockpit.errors import Refused
from cockpit.incident.incident import Incidents
from cockpit.runbooks.library import library
from cockpit.runbooks.plan import Outcome
from cockpit.runbooks.run import Run
from cockpit.runbooks.step import Risk
from cockpit.runbooks.stop_loss import Interrupt
from cockpit.triage.board import OpenFinding
from cockpit.triage.finding import Severity
from cockpit.triage.registry import catalog, registry
from cockpit.world import layout, prepare
from cockpit.world.launch import World
from cockpit.world.servers import valkey
from tests.world.conftest import control

pytestmark = [
    pytest.mark.world,
    # Leaving is bounded: a socket that does not close within half a second is left to the kernel.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@dataclass(frozen=True)
class Story:
    """The finding that a person opens, the runbook they get, and what they answer and run."""

    code: str
    target: str
    runbook: str
    steps: tuple[str, ...]
    answers: dict[str, str] = field(default_factory=dict)
    changes: frozenset[str] = frozenset()
    """Calls that the AWS front has seen because of it."""
    well: str = ""
    """A target that was a victim: no grave finding stays there."""
    lingers: bool = False
    """Its metric tells of it for twenty seconds more: too long to wait for here."""


STORIES = {
    "checkout-lock": Story(
        "PG_LOCK_BLOCKED",
        "orders-db",
        "database-connections",
        ("sessions", "blocker", "terminate", "recovered"),
    ),
    "pool-exhausted": Story(
        "PG_SAT_CONNECTIONS",
        "orders-db",
        "database-connections",
        ("sessions", "blocker", "age", "free", "recovered"),
        {"age": "0"},
    ),
    "slow-query": Story(
        "PG_SESS_LONG_QUERY",
        "orders-db",
        "database-connections",
        ("sessions", "blocker", "stop", "recovered"),
    ),
    "replica-lag": Story(
        "PG_REPL_APPLY_STALLED",
        "orders-standby",
        "database-replication",
        ("replica", "resume", "recovered"),
    ),
    "mysql-metadata-lock": Story(
        "MY_LOCK_MDL",
        "catalog",
        "mysql-locks",
        ("sessions", "blocker", "cancel", "recovered"),
    ),
    "failover": Story(
        "PG_ROLE_WRONG",
        "orders-db",
        "database-failover",
        ("look", "available", "service_now", "restart"),
        {},
        frozenset({"ecs.UpdateService"}),
        "checkout-tg",
    ),
    "wraparound": Story(
        "PG_XID_WRAP",
        "orders-db",
        "pg-wraparound",
        ("horizon", "owner", "who", "terminate"),
        {"owner": "yes", "who": "ana, who runs the export"},
    ),
    "health-check-path": Story(
        "TG_NO_HEALTHY_TARGETS",
        "checkout-tg",
        "targets-unhealthy",
        ("look", "path", "mend", "recovered"),
        {"path": "/healthz"},
        frozenset({"elbv2.ModifyTargetGroup"}),
    ),
    "bad-deployment": Story(
        "ECS_CRASH_LOOP",
        "checkout",
        "ecs-rollback",
        ("before", "migration", "rollback", "steady"),
        {"migration": "yes"},
        frozenset({"ecs.UpdateService"}),
    ),
    "dynamodb-throttle": Story(
        "DDB_THROTTLED_PROVISIONED",
        "carts",
        "dynamodb-throttling",
        ("before", "write", "read", "raise"),
        {},
        frozenset({"dynamodb.UpdateTable"}),
        lingers=True,
    ),
    "redis-evicting": Story(
        "RD_MEM_NEAR_MAX",
        "sessions",
        "redis-memory",
        ("memory", "doctor", "before", "size", "grow", "recovered"),
        {"size": "cache.m7g.large"},
        frozenset({"elasticache.ModifyReplicationGroup"}),
    ),
    "sg-revoked": Story(
        "PATH_SG_INGRESS_DENIED",
        "checkout-to-db",
        "path-security-group",
        ("cut", "asked", "allow", "open"),
        {"asked": "yes"},
        frozenset({"ec2.AuthorizeSecurityGroupIngress"}),
    ),
    "dns-broken": Story(
        "NET_DNS_SERVFAIL",
        "payments",
        "path-dns",
        ("answers", "third", "inside", "signed", "asker", "vpc", "checking", "uncheck", "resolves"),
        {"third": "zone", "inside": "no", "signed": "yes"},
        frozenset({"route53resolver.UpdateResolverDnssecConfig"}),
        well="payments",
    ),
    "cert-expired": Story(
        "NET_TLS_EXPIRED",
        "shop-front",
        "tls-certificate",
        ("presented", "alb", "listener", "choice", "present", "valid"),
        {"choice": layout.CERTIFICATES["front-2026"]},
        frozenset({"elbv2.ModifyListener"}),
    ),
}


@asynccontextmanager
async def seated(world: World, role: Role, folder: Path) -> AsyncIterator[Desk]:
    """A desk that looks at a world, as the command would put it together."""
    config = load(world.config_path, catalog())
    incident = Incidents(folder).create("drill", "P1", environment="prod", role=role, actor="ana")
    desk = Desk(config, incident, role=role, actor="ana", probes=registry(), library=library())
    await desk.start()
    try:
        yield desk
    finally:
        await desk.close()


async def found(desk: Desk, story: Story, within: float = 30) -> OpenFinding:
    """The finding of the story, once the board has it."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        for opened in desk.board.open.values():
            if (opened.id.code, opened.target) == (story.code, story.target):
                return opened
        await asyncio.sleep(0.2)
    pytest.fail(f"{story.code}@{story.target} not within {within:g} s")


async def follow(run: Run, story: Story) -> None:
    """Run the steps as a person would who types what is asked for."""
    for step_id in story.steps:
        plan = await run.plan(step_id)
        typed = story.answers.get(step_id, plan.confirm_word)
        outcome = await run.execute(plan, run.approve(plan, typed=typed))
        assert outcome.kind == "ok", f"{step_id}: {outcome}"


@pytest.mark.parametrize("name", STORIES)
async def test_following_the_runbook_repairs_the_shop(
    name: str, begin: Callable[..., World], tmp_path: Path
) -> None:
    story = STORIES[name]
    world = await asyncio.to_thread(begin, name)
    async with seated(world, Role.COMMANDER, tmp_path) as desk:
        opened = await found(desk, story)
        chosen = desk.runbooks_for(opened)[0]
        assert chosen.id == story.runbook
        await follow(desk.start_run(chosen.id, opened), story)
        kinds = [entry.kind.value for entry in desk.incident.entries]
        assert kinds.count("step.intent") == kinds.count("approval") == 1
        assert desk.incident.unfinished == ()
        if name == "sg-revoked":
            assert opened.id not in desk.board.open, "the look that verified is the newest"
        if name == "bad-deployment":
            await told_as_ours(desk, "'Go back to the previous revision' by ana")
        if story.well:
            await recovered(desk, story.well)
        elif not story.lingers:
            await cleared(desk, opened)
    assert story.changes <= called(world)


async def test_a_release_that_is_under_way_is_stopped_and_ecs_goes_back_by_itself(
    begin: Callable[..., World], tmp_path: Path
) -> None:
    story = replace(
        STORIES["bad-deployment"],
        steps=("before", "migration", "stop", "steady"),
        changes=frozenset({"ecs.StopServiceDeployment"}),
    )
    world = await asyncio.to_thread(begin, "bad-deployment")
    async with seated(world, Role.COMMANDER, tmp_path) as desk:
        opened = await found(desk, story)
        run = desk.start_run(story.runbook, opened)
        await follow(run, story)
        captured = run.state("before").captured
        assert captured["known_by"] == "what its deployment replaced"
        assert str(captured["good"]).endswith("checkout:42")
        with pytest.raises(Refused, match="AWS does not say"):
            await run.plan("named")
        await cleared(desk, opened)
    assert changed(world) == ["ecs.StopServiceDeployment"]


async def test_a_repair_that_makes_something_else_worse_is_interrupted_and_taken_back(
    begin: Callable[..., World], tmp_path: Path
) -> None:
    """The old revision takes the last connections of the database: the undo is offered, not run."""
    story = replace(STORIES["bad-deployment"], steps=("before", "migration"))
    world = await asyncio.to_thread(begin, "repair-makes-worse")
    async with seated(world, Role.COMMANDER, tmp_path) as desk:
        opened = await found(desk, story)
        run = desk.start_run(story.runbook, opened)
        await follow(run, story)
        plan = await run.plan("rollback")
        outcome = await run.execute(plan, run.approve(plan, typed=plan.confirm_word))
        interrupt = await interrupted(run, outcome)
        entries = {entry.kind.value: entry for entry in desk.incident.entries}
        written = entries["step.interrupt"]
        assert "PG_SAT_CONNECTIONS at orders-db is critical, was" in interrupt.worse
        assert interrupt.worse in written.text
        worse = next(e for e in reversed(desk.incident.entries)
                     if e.data.get("code") == "PG_SAT_CONNECTIONS")  # fmt: skip
        assert (written.at - worse.at).total_seconds() < 5
        assert updates(world) == 1, "taken back by nobody yet"
        undo = await run.plan(interrupt.undo)
        assert (await run.execute(undo, run.approve(undo, typed=undo.confirm_word))).kind == "ok"
        assert run.interrupt is None
        assert str(undo.act.args["taskDefinition"]).endswith("checkout:43")
        await cleared(desk, next(o for o in desk.board.open.values()
                                 if o.id.code == "PG_SAT_CONNECTIONS"))  # fmt: skip


def updates(world: World) -> int:
    """How often the cockpit has asked ECS to deploy."""
    calls = [call["operation"] for call in control(world, "calls") if call["who"] != "shop"]
    return calls.count("UpdateService")


async def interrupted(run: Run, outcome: Outcome, within: float = 60) -> Interrupt:
    """What got worse since a step, which its own verification may well have called good."""
    end = time.monotonic() + within
    while (interrupt := run.interrupt) is None:
        assert time.monotonic() < end, outcome
        await asyncio.sleep(0.1)
    return interrupt


async def told_as_ours(desk: Desk, step: str, within: float = 30) -> None:
    """What the step asked for is among the changes as ours, and is no suspect."""
    end = time.monotonic() + within
    while not (ours := [change for change in desk.board.changes if change.own]):
        assert time.monotonic() < end, desk.board.changes
        await asyncio.sleep(0.2)
    assert [change.own for change in ours] == [step]
    assert not {suspect.name for suspect in desk.suspects} & {change.summary for change in ours}
    assert any(f"ours: {step}" in row.text for row in desk.timeline())


async def cleared(desk: Desk, opened: OpenFinding, within: float = 60) -> None:
    """Look again and again until the board says it no more."""
    begun = time.monotonic()
    while opened.id in desk.board.open:
        assert time.monotonic() - begun < within, opened.id
        await desk.engine.look(opened.target, opened.probe)
        await asyncio.sleep(0.2)


async def recovered(desk: Desk, target: str, within: float = 60) -> None:
    """Wait until nothing grave is said of a target any more."""
    end = time.monotonic() + within
    while any(o.target == target and o.finding.severity >= Severity.HIGH
              for o in desk.board.open.values()):  # fmt: skip
        assert time.monotonic() < end, target
        await asyncio.sleep(0.2)


async def test_new_tasks_write_to_the_new_primary_of_the_cache(
    begin: Callable[..., World], tmp_path: Path
) -> None:
    """What cannot be seen from here, where the old address is kept: nobody is refused any more."""
    steps = ("control", "server_now", "service_now", "restart")
    story = Story("RD_ROLE_WRONG", "sessions", "cache-failover", steps)
    world = await asyncio.to_thread(begin, "redis-failover")
    async with seated(world, Role.COMMANDER, tmp_path) as desk:
        opened = await found(desk, story)
        assert desk.runbooks_for(opened)[0].id == story.runbook
        old = desk.targets["sessions"].settings
        assert isinstance(old, RedisSettings)
        before = [await refused(old.port) for _ in range(2)]
        await follow(desk.start_run(story.runbook, opened), story)
        await asyncio.sleep(1)
        after = [await refused(old.port) for _ in range(2)]

    assert before[0] < before[1]
    assert after[0] == after[1]


async def test_the_runbook_of_one_bad_address_names_it_and_changes_nothing(
    begin: Callable[..., World], tmp_path: Path
) -> None:
    """It is somebody else's to mend: what we get is the address to tell them."""
    steps = ("rungs", "elsewhere", "follow")
    story = Story("NET_TARGET_ONE_BAD", "payments", "path-tcp", steps, {"elsewhere": "some"})
    world = await asyncio.to_thread(begin, "one-bad-address")
    async with seated(world, Role.COMMANDER, tmp_path) as desk:
        opened = await found(desk, story)
        assert desk.runbooks_for(opened)[0].id == story.runbook
        run = desk.start_run(story.runbook, opened)
        await follow(run, story)
        told = run.state("rungs").captured
        assert [told["failing"], told["dead"]] == [[prepare.addresses()[-1]], []]
        assert prepare.addresses()[-1] in opened.finding.summary
    assert changed(world) == []


async def refused(port: int) -> int:
    """Writes that a server has refused since its start as a replica; looked at after a second."""
    await asyncio.sleep(1)
    said = await asyncio.to_thread(valkey.talk, port, "INFO", "errorstats")
    line = next((x for x in said.decode().splitlines() if x.startswith("errorstat_READONLY")), "=0")
    return int(line.rpartition("=")[2])


@pytest.mark.parametrize("name", ["checkout-lock", "sg-revoked"])
async def test_in_triage_every_step_is_seen_and_nothing_is_changed(
    name: str, begin: Callable[..., World], tmp_path: Path
) -> None:
    story = STORIES[name]
    world = await asyncio.to_thread(begin, name, Role.TRIAGE)
    async with seated(world, Role.TRIAGE, tmp_path) as desk:
        opened = await found(desk, story)
        run = desk.start_run(story.runbook, opened)
        for step_id in story.steps:
            plan = await run.plan(step_id)
            typed = story.answers.get(step_id, plan.confirm_word)
            if plan.risk is Risk.READ:
                assert (await run.execute(plan, run.approve(plan, typed=typed))).kind != "unknown"
                continue
            with pytest.raises(Refused, match="triage is read-only"):
                run.approve(plan, typed=typed, reason="please", second="bob")
            await run.propose(step_id, "as the runbook says")
            assert run.state(step_id).status == "proposed"
            break
    assert changed(world) == []


def called(world: World) -> set[str]:
    """Every operation that the cockpit has asked the AWS front for."""
    return {name for name, _ in asked(world)}


def changed(world: World) -> list[str]:
    """Those of them that are not looks."""
    return sorted(name for name, read in asked(world) if not read)


def asked(world: World) -> set[tuple[str, bool]]:
    """(operation, whether it is a look) of everybody but the shop itself."""
    calls = [call for call in control(world, "calls") if call["who"] != "shop"]
    return {(f"{call['service']}.{call['operation']}", call["read"]) for call in calls}
