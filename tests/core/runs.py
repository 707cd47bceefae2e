"""A runbook with every port faked: nothing leaves the process, everything is written down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.net.settings import EndpointSettings
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.role import Role
from cockpit.connect.session import Right
from cockpit.connect.settings import Login
from cockpit.errors import BlindError, Reason, Refused
from cockpit.incident.entry import Entry, EntryKind
from cockpit.runbooks.earlier import RunLeft
from cockpit.runbooks.format import parse
from cockpit.runbooks.known import Known
from cockpit.runbooks.plan import VALID_FOR, Act, Outcome, Plan
from cockpit.runbooks.ports import Identity, Ports
from cockpit.runbooks.run import Run
from cockpit.runbooks.step import Risk, Runbook, Step, StepKind
from cockpit.runbooks.stop_loss import Signals
from cockpit.triage.board import FindingId, OpenFinding
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.target import Target
from cockpit.triage.topology import DependencyGraph

START = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
BACKEND_START = "2026-11-21T02:20:00.123456+00:00"

WHO = Identity(principal="cockpit_ops via db", account="123456789012", region="x-1")

FRONT = """\
+++
id = "test-book"
title = "A test"
for = ["PG_LOCK_BLOCKED"]
reviewed = 2026-11-21

[params.db]
type = "target"
kind = "postgres"
from = "finding.target"
+++
# A test
Why it is here.
"""

LOOK = """
## Find the blocker
Look who holds it.
```toml step
id = "blocker"
kind = "probe"
target = "$db"
probe = "postgres.locks"
capture = { pid = "queues[0].pid", backend_start = "queues[0].backend_start", user = "queues[0].user" }
```
"""

TERMINATE = """
## Terminate the blocker
Ends one session.
```toml step
id = "terminate"
kind = "sql"
risk = "high"
target = "$db"
statement = "terminate_backend"
args = { pid = "$blocker.pid", backend_start = "$blocker.backend_start" }
require = [{ that = "blocker.pid != null", says = "somebody still blocks" }]
show = { session = "$blocker.user" }
effect = "ends 1 session"
timeout = "1s"
verify = { probe = "postgres.locks", until = "length(queues) == `0`", every = "5s", within = "60s", says = "nobody waits" }
undo = "none: the application must retry"
```
"""

RAISE = """
## Raise the capacity
More writes.
```toml step
id = "raise"
kind = "aws"
risk = "high"
target = "$db"
call = "dynamodb.UpdateTable"
args = { TableName = "carts", ProvisionedThroughput = { ReadCapacityUnits = 5, WriteCapacityUnits = "$blocker.pid" } }
effect = "costs money"
verify = { probe = "postgres.locks", until = "length(queues) == `0`" }
undo = { says = "back to what it was", call = "dynamodb.UpdateTable", args = { TableName = "carts", ProvisionedThroughput = { ReadCapacityUnits = 5, WriteCapacityUnits = "$blocker.pid" } } }
```
"""


def book(*steps: str, front: str = FRONT, path: str = "test-book.md") -> Runbook:
    parsed = parse(front + "".join(steps), Path(path))
    assert parsed.runbook is not None, "\n".join(map(str, parsed.problems))
    return parsed.runbook


def problems(*steps: str, front: str = FRONT) -> list[str]:
    return [
        str(problem) for problem in parse(front + "".join(steps), Path("test-book.md")).problems
    ]


def queue(pid: int = 4242, start: str = BACKEND_START, user: str = "checkout") -> dict[str, Any]:
    return {"pid": pid, "backend_start": start, "user": user}


@dataclass
class FakeLooks:
    """Gives what `now` holds: a snapshot, or the reason why it is blind."""

    now: dict[str, Any] | Reason = field(default_factory=lambda: {"queues": [queue()]})
    after: list[dict[str, Any] | Reason] = field(default_factory=list)
    """Taken one by one when they are there, before `now`."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()
    proofs: list[Reading] = field(default_factory=list)
    held: asyncio.Event | None = None
    """What looks wait for."""

    def proved(self, reading: Reading) -> None:
        self.proofs.append(reading)

    async def look(self, target: str, probe: str) -> Reading:
        self.asked.append((target, probe))
        if self.held is not None:
            await self.held.wait()
        state = self.after.pop(0) if self.after else self.now
        if isinstance(state, Reason):
            outcome: Seen | Blind = Blind(state, "no answer within 3 s")
        else:
            outcome = Seen(self.findings, snapshot=state)
        return Reading(target, "postgres", probe, START, 0.01, outcome)


@dataclass
class FakeActs:
    """Records each call; `does` makes it fail, hang or change the world."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    does: Callable[[], Awaitable[Mapping[str, Any]]] | None = None
    closed: int = 0

    async def run(self, call: str, arguments: Mapping[str, object]) -> Mapping[str, Any]:
        self.calls.append((call, dict(arguments)))
        return await self.does() if self.does else {"done": True, "detail": "pid 4242 is gone"}

    async def close(self) -> None:
        self.closed += 1


@dataclass
class FakeActors:
    acts: FakeActs
    who: Identity = WHO
    opened: int = 0
    role: Role = Role.COMMANDER
    fails: BlindError | None = None
    right: Right = field(default_factory=lambda: Right(None))

    async def open(self, target: Target, kind: StepKind) -> FakeActs:
        if self.role is not Role.COMMANDER:
            raise Refused("triage is read-only")
        if self.fails:
            raise self.fails
        self.opened += 1
        return self.acts

    async def identity(self, target: Target | None, kind: StepKind) -> Identity:
        return self.who

    async def identity_and_right(
        self, target: Target, kind: StepKind, does: str, args: Mapping[str, object], /
    ) -> tuple[Identity, Right]:
        return self.who, self.right


@dataclass
class FakeReads:
    answer: Mapping[str, Any] = field(default_factory=lambda: {"done": True, "value": 7})
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def read(
        self, target: Target, kind: StepKind, does: str, /, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        self.asked.append((does, dict(arguments)))
        return self.answer


@dataclass
class FakeJournal:
    degraded: str = ""
    entries: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    blobs: dict[str, str] = field(default_factory=dict)
    degrade_at_intent: str = ""
    unfinished: tuple[Entry, ...] = ()

    async def append(
        self,
        kind: EntryKind,
        text: str,
        *,
        target: str = "",
        data: Mapping[str, Any] | None = None,
        durable: bool | None = None,
    ) -> Entry:
        self.entries.append((kind.value, text, dict(data or {})))
        return Entry(
            seq=len(self.entries),
            at=START,
            mono=0.0,
            boot="boot",
            host="bastion",
            actor="ana",
            role="commander",
            kind=kind,
            text=text,
            target=target,
        )

    async def intent(
        self, text: str, *, target: str = "", data: Mapping[str, Any] | None = None
    ) -> Entry:
        self.degraded = self.degrade_at_intent or self.degraded
        return await self.append(EntryKind.STEP_INTENT, text, target=target, data=data)

    async def outcome(
        self, intent: Entry, word: str, *, text: str, data: Mapping[str, Any] | None = None
    ) -> Entry:
        told = {**(data or {}), "intent": intent.seq, "outcome": word}
        return await self.append(EntryKind.STEP_OUTCOME, text, data=told)

    def keep_output(self, content: str) -> str:
        name = f"blob{len(self.blobs)}"
        self.blobs[name] = content
        return name

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.entries]


@dataclass
class FakeClock:
    wall: datetime = START
    ticks: float = 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks

    async def sleep(self, seconds: float) -> None:
        """Takes no time here, but the fake clock goes on."""
        self.pass_(seconds)
        await asyncio.sleep(0)

    def pass_(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.ticks += seconds


POSTGRES = Target(
    name="orders-db",
    kind="postgres",
    settings=PostgresSettings(
        host="db.internal",
        user="cockpit_ro",
        password="env:SECRET",
        aws="prod",
        rds="orders",
        commander=Login(user="cockpit_ops", password="env:OPS"),
    ),
)
TARGETS = {
    "checkout-tg": Target(
        name="checkout-tg",
        kind="target_group",
        settings=AwsResource(aws="prod", id="arn:aws:tg"),
        needs=("checkout",),
    ),
    "checkout": Target(
        name="checkout",
        kind="ecs_service",
        settings=AwsResource(aws="prod", id="checkout", cluster="shop"),
        needs=("orders-db", "replica-db"),
    ),
    "orders-db": POSTGRES,
    "replica-db": Target(
        name="replica-db", kind="postgres", settings=PostgresSettings(host="r", user="ro")
    ),
    "web": Target(name="web", kind="endpoint", settings=EndpointSettings(url="http://127.0.0.1/")),
}


def opened(code: str = "PG_LOCK_BLOCKED", target: str = "orders-db", **more: Any) -> OpenFinding:
    finding = Finding(
        code,
        Severity.CRITICAL,
        "61 sessions wait",
        evidence=(Evidence("waiters", 61),),
        **more,
    )
    return OpenFinding(
        id=FindingId(target, code, finding.subject),
        kind=TARGETS[target].kind,
        probe="postgres.locks",
        finding=finding,
        since=START,
        seen=START,
    )


@dataclass
class Rig:
    """A run with its fakes."""

    run: Run
    looks: FakeLooks
    acts: FakeActs
    actors: FakeActors
    reads: FakeReads
    journal: FakeJournal
    clock: FakeClock
    signals: Signals

    async def carry(self, step_id: str, **answers: str) -> Outcome:
        """Plan, approve and run a step as a person who types what is asked for."""
        plan = await self.run.plan(step_id)
        return await self.run.execute(plan, self.run.approve(plan, **self._typed(plan, answers)))

    def _typed(self, plan: Plan, answers: Mapping[str, str]) -> dict[str, str]:
        return {"typed": plan.confirm_word, **answers}

    def status(self, step_id: str) -> str:
        return self.run.state(step_id).status

    def steps(self) -> list[tuple[str, str]]:
        return [(state.step.id, state.status) for state in self.run.steps]


def rig(
    runbook: Runbook,
    *,
    role: Role = Role.COMMANDER,
    finding: OpenFinding | None = None,
    known: Known | None = None,
    targets: Mapping[str, Target] = TARGETS,
    journal: Any = None,
    left: RunLeft | None = None,
    **params: Any,
) -> Rig:
    looks, acts, reads = FakeLooks(), FakeActs(), FakeReads()
    actors = FakeActors(acts, role=role)
    journal, clock = journal or FakeJournal(), FakeClock()
    signals = Signals(graph=DependencyGraph(tuple(targets.values())))
    run = Run(
        runbook,
        finding or opened(),
        role=role,
        actor="ana",
        environment="prod",
        ports=Ports(
            looks=looks,
            reads=reads,
            actors=actors,
            journal=journal,
            targets=targets,
            signals=signals,
            now=clock.now,
            monotonic=clock.monotonic,
            elapsed=clock.monotonic,
            sleep=clock.sleep,
        ),
        targets=targets,
        known=known or Known(),
        params=params,
        left=left,
    )
    return Rig(run, looks, acts, actors, reads, journal, clock, signals)


def free_of_waiters() -> dict[str, Any]:
    return {"queues": []}


def offer_plan(**changes: Any) -> Plan:
    """A plan of nothing in particular, for the gate."""
    step = Step(id="x", title="X", kind=StepKind.SQL, risk=Risk.HIGH)
    facts: dict[str, Any] = {
        "step": step,
        "runbook": "test-book",
        "runbook_digest": "",
        "act": Act(kind=step.kind, does="terminate_backend"),
        "target": "orders-db",
        "environment": "prod",
        "account": "1",
        "region": "x-1",
        "principal": "ops",
        "risk": Risk.HIGH,
        "confirm_word": "orders-db",
        "digest": "d" * 64,
        "made_at": START,
        "good_until": VALID_FOR,
    }
    return Plan(**{**facts, **changes})


async def forever() -> Mapping[str, Any]:
    await asyncio.sleep(3600)
    return {}
