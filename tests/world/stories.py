"""What a person does about each scenario: finding, runbook, answers; and what comes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cockpit.config import load
from cockpit.connect.role import Role
from cockpit.desk.desk import Desk
from cockpit.incident.incident import Incidents
from cockpit.runbooks.library import library
from cockpit.runbooks.run import Run
from cockpit.triage.board import OpenFinding
from cockpit.triage.finding import Severity
from cockpit.triage.registry import catalog, registry
from cockpit.world import layout
from cockpit.world.launch import World
from tests.patience import at_most, until
from tests.world.conftest import clients, control
from tests.world.repairs import mended, seen
from tests.world.story import Story
from tests.world.unhurried import unhurried

DATABASES = {
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
        ("sessions", "blocker", "age", "long_idle", "free", "recovered"),
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
}
CLOUD = {
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
        ("cut", "author", "asked", "allow", "open"),
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
STORIES = DATABASES | CLOUD


@asynccontextmanager
async def seated(world: World, role: Role, folder: Path) -> AsyncIterator[Desk]:
    """A desk that looks at a world, as the command would put it together."""
    config = load(world.config_path, catalog())
    incident = Incidents(folder).create("drill", "P1", environment="prod", role=role, actor="ana")
    with unhurried():
        desk = Desk(config, incident, role=role, actor="ana", probes=registry(), library=library())
        await desk.start()
        try:
            yield desk
        finally:
            await desk.close()


async def found(
    desk: Desk, story: Story, within: float = 30, *, impatient: bool = False
) -> OpenFinding:
    """The finding of the story, once the board has it. `impatient`: by looking again and again."""
    end = time.monotonic() + at_most(within)
    while time.monotonic() < end:
        for opened in desk.board.open.values():
            if (opened.id.code, opened.target) == (story.code, story.target):
                return opened
        await asyncio.sleep(0.2)
        for probe in _read(desk, story.target) if impatient else ():
            await desk.engine.look(story.target, probe)
    pytest.fail(f"{story.code}@{story.target} not within {within:g} s")


def _read(desk: Desk, target: str) -> list[str]:
    """The probes that have looked at a target."""
    return [each.probe for each in desk.board.readings.values() if each.target == target]


async def follow(run: Run, story: Story) -> None:
    """Run the steps as a person would who types what is asked for."""
    for step_id in story.steps:
        plan = await run.plan(step_id)
        typed = story.answers.get(step_id, plan.confirm_word)
        outcome = await run.execute(plan, run.approve(plan, typed=typed))
        assert outcome.kind == "ok", f"{step_id}: {outcome}"


async def play(name: str, begin: Callable[..., World], folder: Path) -> None:
    """The scenario is seen for what it is, and following its runbook repairs the shop."""
    story = STORIES[name]
    world = await asyncio.to_thread(begin, name)
    await asyncio.to_thread(seen, name, world)
    async with seated(world, Role.COMMANDER, folder) as desk:
        opened = await followed(desk, story)
        if name == "sg-revoked":
            assert opened.id not in desk.board.open, "the look that verified is the newest"
        if name == "bad-deployment":
            await told_as_ours(desk, "'Go back to the previous revision' by ana")
        if story.well:
            await recovered(desk, story.well)
        elif not story.lingers:
            await cleared(desk, opened)
    assert story.changes <= called(world)
    await asyncio.to_thread(mended, name, world)


async def followed(desk: Desk, story: Story, *, impatient: bool = False) -> OpenFinding:
    """Open the finding of the story and do what its first runbook says."""
    opened = await found(desk, story, impatient=impatient)
    chosen = desk.runbooks_for(opened)[0]
    assert chosen.id == story.runbook
    await follow(desk.start_run(chosen.id, opened), story)
    kinds = [entry.kind.value for entry in desk.incident.entries]
    assert kinds.count("step.intent") == kinds.count("approval") == story.acts
    assert desk.incident.unfinished == ()
    return opened


async def repaired(world: World, story: Story, folder: Path) -> None:
    """A person sits down before a world and repairs it."""
    async with seated(world, Role.COMMANDER, folder) as desk:
        await followed(desk, story, impatient=True)
        if story.then is not None:
            await followed(desk, story.then, impatient=True)
    for service, operation, arguments in story.by_hand:
        await asyncio.to_thread(clients(world), service, operation, **arguments)
    assert story.changes <= called(world)


async def told_as_ours(desk: Desk, step: str, within: float = 30) -> None:
    """What the step asked for is among the changes as ours, and is no suspect."""
    await until(lambda: any(c.own for c in desk.board.changes), "ours", seconds=within)
    ours = [change for change in desk.board.changes if change.own]
    assert [change.own for change in ours] == [step]
    assert not {suspect.name for suspect in desk.judgement.suspects} & {
        change.summary for change in ours
    }
    assert any(f"ours: {step}" in row.text for row in desk.timeline())


async def cleared(desk: Desk, opened: OpenFinding, within: float = 60) -> None:
    """Look again and again until the board says it no more."""
    begun = time.monotonic()
    while opened.id in desk.board.open:
        assert time.monotonic() - begun < at_most(within), opened.id
        await desk.engine.look(opened.target, opened.probe)
        await asyncio.sleep(0.2)


async def recovered(desk: Desk, target: str, within: float = 60) -> None:
    """Wait until nothing grave is said of a target any more."""

    def grave() -> bool:
        opened = desk.board.open.values()
        return any(o.target == target and o.finding.severity >= Severity.HIGH for o in opened)

    await until(lambda: not grave(), f"{target} recovers", seconds=within)


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
