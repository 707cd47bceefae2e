"""A desk with a scripted outage: the one of the design pictures, or any board that a test makes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.role import Role
from cockpit.desk.status import DeskStatus
from cockpit.errors import BlindError, CockpitError, Reason, Refused
from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.lines import IncidentLine
from cockpit.incident.objectives import RecoveryClock
from cockpit.incident.said import GUILTY, INNOCENT
from cockpit.incident.timeline import LOOKS, MACHINE, TimelineRow
from cockpit.redact import SecretText
from cockpit.runbooks.earlier import DoneBefore
from cockpit.runbooks.plan import Outcome
from cockpit.runbooks.step import Question, Risk, Runbook, Step, StepKind, Until
from cockpit.runbooks.unfinished import Unfinished
from cockpit.triage.board import Board, FindingId, LookId, OpenFinding
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Blind, Fact, Reading, Seen
from cockpit.triage.related import RankedChanges, Relating
from cockpit.triage.suspects import Judgement, Suspect
from cockpit.triage.suspicion.certainty import Certainty
from cockpit.triage.suspicion.chain import ChainLink
from cockpit.triage.suspicion.ruled_out import RuledOut
from cockpit.triage.target import Target
from cockpit.triage.topology import DependencyGraph
from cockpit.triage.view import Column, Offer, Row, Table
from tests.screens.fake_logs import FakeLogs
from tests.screens.fake_run import FakeRun

NOW = datetime(2026, 11, 21, 2, 59, 10, tzinfo=UTC)


def ago(**spans: float) -> datetime:
    return NOW - timedelta(**spans)


STATUS = DeskStatus(
    environment="prod", account="123456789012", region="us-east-1", role=Role.COMMANDER,
    actor="alice", watching=2, probes=41, calls=312, usd=0.004, throttled=0, sweep_took=1.4,
    sweep_progress=None, degraded="",
)  # fmt: skip
HEADLINE = IncidentLine(
    id="INC-2026-0042", title="checkout returns 5xx", severity="P1", status="investigating",
    opened_at=ago(minutes=18, seconds=7),
)  # fmt: skip


def entry(
    seq: int, at: datetime, kind: EntryKind, text: str, actor: str = MACHINE, **more: Any
) -> TimelineRow:
    look = LOOKS[kind]
    return TimelineRow(
        seq=seq, at=at, kind=kind, glyph=look.glyph, word=look.word, text=text, actor=actor,
        role="", target="", group=look.group, **more,
    )  # fmt: skip


def cut_off(
    seq: int = 31,
    title: str = "Terminate the blocker",
    verification: str = "nobody waits for this session any more",
) -> Unfinished:
    """A step that an earlier session did not end."""
    intent = Entry(
        seq=seq, at=ago(minutes=2), mono=0.0, boot="", host="", actor="alice", role="commander",
        kind=EntryKind.STEP_INTENT, text=title, target="orders-db", data={"title": title},
    )  # fmt: skip
    until = Until(probe="postgres.locks", until="true", says=verification)
    return Unfinished(intent=intent, verify=until if verification else None)


def target(name: str, kind: str, service: str = "checkout", needs: tuple[str, ...] = ()) -> Target:
    return Target(
        name=name,
        kind=kind,
        settings=AwsResource(aws="prod", id=name),
        service=service,
        needs=needs,
    )


TARGETS = {
    each.name: each
    for each in (
        target("shop-alb", "alb", needs=("checkout-tg",)),
        target("checkout-tg", "target_group", needs=("checkout",)),
        target("checkout", "ecs_service", needs=("orders-db",)),
        target("orders-db", "postgres"),
        target("sessions", "redis"),
        target("carts", "dynamodb_table"),
        target("payments", "vpc_path"),
        target("search-tg", "target_group", "search"),
        target("search", "ecs_service", "search"),
        target("catalog", "mysql", "search"),
    )
}

USED = (12, 14, 13, 15, 14, 18, 25, 40, 62, 80, 91, 97, 97, 97, 97, 97, 97, 97)


def finding(
    code: str,
    severity: Severity,
    summary: str,
    *,
    on: str,
    subject: str = "",
    since: datetime = NOW,
    probe: str = "",
    **more: object,
) -> OpenFinding:
    kind = TARGETS[on].kind if on in TARGETS else "postgres"
    return OpenFinding(
        id=FindingId(on, code, subject),
        kind=kind,
        probe=probe or f"{kind}.status",
        finding=Finding(code, severity, summary, subject=subject, **more),  # type: ignore[arg-type]
        since=since,
        seen=ago(seconds=4),
        looks=11,
    )


def seen(
    name: str, probe: str, fact: str, severity: Severity | None = None, **more: object
) -> Reading:
    facts = (Fact("headline", fact, severity=severity),) if fact else ()
    return Reading(
        name,
        TARGETS[name].kind,
        probe,
        ago(seconds=4),
        0.006,
        Seen(facts=facts, **more),  # type: ignore[arg-type]
    )


TERMINATE = Offer(
    key="t", label="terminate 4242", kind="sql", call="terminate_backend", args={"pid": 4242},
    risk="high", effect="rolls back 14 min of checkout-worker's transaction", releases=60,
)  # fmt: skip
CANCEL = Offer(
    key="c", label="cancel 4402 ALTER TABLE", kind="sql", call="cancel_backend",
    args={"pid": 4402}, risk="low", effect="re-run the migration with lock_timeout", releases=2,
)  # fmt: skip

SESSIONS = Table(
    title="Who waits for whom",
    headline="97/100 connections · 61 waiting · 18 active · 6 idle in transaction",
    columns=(
        Column("pid", 10), Column("session", 28), Column("state", 20), Column("waits for", 22),
        Column("for", 10, right=True), Column("transaction", 11, right=True), Column("query"),
    ),
    rows=(
        Row(key="4242", cells=("4242", "checkout-worker 10.0.3.17", "idle in transaction", "", "",
            "14m 02s", "SELECT * FROM orders WHERE id = ? FOR UPDATE"), severity=Severity.CRITICAL,
            secret=SecretText("SELECT * FROM orders WHERE id = 4711 AND card = 'hunter2' FOR UPDATE"),
            offers=(TERMINATE,), sort=(4242, None, None, None, None, 842.0, None)),
        Row(key="4310", cells=("4310", "checkout-api 10.0.3.21", "active", "tuple orders", "13m 40s",
            "13m 41s", "UPDATE orders SET status = ? WHERE id = ?"), depth=1,
            sort=(4310, None, None, None, 820.0, 821.0, None)),
        Row(key="x58", cells=("×58", "checkout-api, 3 clients", "active", "same row", "≤ 13m 12s",
            "", "UPDATE orders SET status = ? WHERE id = ?"), depth=2, dim=True),
        Row(key="4402", cells=("4402", "migrate 10.0.9.4", "active", "AccessExclusive orders",
            "9m 10s", "9m 10s", "ALTER TABLE orders ADD COLUMN note text"), depth=1,
            severity=Severity.WARNING, offers=(CANCEL,), sort=(4402, None, None, None, 550.0, 550.0, None)),
        Row(key="x2", cells=("×2", "reporting", "active", "AccessShare orders", "≤ 8m 55s", "",
            "SELECT count(*) FROM orders"), depth=2, dim=True),
        Row(key="4107", cells=("4107", "search-api 10.0.4.2", "active", "CPU", "", "0.2s",
            "SELECT … FROM products"), sort=(4107, None, None, None, None, 0.2, None)),
        Row(key="3988", cells=("3988", "rdsadmin · protected", "idle", "", "", "", ""), dim=True),
    ),
    note=("cancel on 4242 would do nothing: it runs no statement", "then verify: lock waits = 0 within 60s"),
    best=(CANCEL, TERMINATE),
)  # fmt: skip


def board() -> Board:
    crit, high, warn = Severity.CRITICAL, Severity.HIGH, Severity.WARNING
    findings = (
        finding("PG_SAT_CONNECTIONS", crit, "97 of 100 connections used, 61 sessions wait on a lock",
                on="orders-db", since=ago(minutes=16), probe="postgres.sessions",
                evidence=(
                    Evidence("used", 97, "", 90, USED), Evidence("of", 100), Evidence("reserved", 3),
                    Evidence("active", 18), Evidence("idle", 12),
                    Evidence("idle in transaction", 6), Evidence("waiting on lock", 61),
                ),
                likely=("a leaked transaction, not load: requests/s is flat",
                        "a pool that is too large after the deployment of 02:35"),
                against=("a deployment is in progress",),
                next="Find the root blocker: who holds the lock that the others wait for"),
        finding("TG_UNHEALTHY", crit, "4 of 6 targets unhealthy: Target.Timeout", on="checkout-tg",
                since=ago(minutes=16), evidence=(Evidence("healthy", 2, "", 4), Evidence("registered", 6)),),
        finding("ALB_5XX", crit, "targets answer 5xx to 41% of requests", on="shop-alb",
                since=ago(minutes=15), evidence=(Evidence("5xx", 0.41, "share", 0.05),)),
        finding("ECS_COUNT", high, "4 of 6 tasks run; 2 stopped: failed container health checks",
                on="checkout", since=ago(minutes=15)),
        finding("DDB_THROTTLE", warn, "2,514 write throttles in 5 min, 1 hot partition suspected",
                on="carts", since=ago(minutes=12)),
        finding("PG_SESS_IDLE_TX", warn, "pid 4242 idle in transaction for 14m 02s",
                on="orders-db", subject="pid 4242", since=ago(minutes=9), probe="postgres.sessions",),
    )  # fmt: skip
    recovered = replace(
        finding("EP_TLS", crit, "TLS handshake timed out", on="payments", since=ago(minutes=7)),
        cleared=ago(minutes=3),
    )
    denied = Blind(
        Reason.DENIED,
        "PROCESS privilege missing for cockpit_ro",
        "GRANT PROCESS ON *.* TO cockpit_ro;",
    )
    readings = (
        seen("shop-alb", "alb.traffic", "41% 5xx", crit),
        seen("checkout-tg", "target_group.health", "2/6", crit),
        seen("checkout", "ecs_service.tasks", "4/6", high),
        seen("orders-db", "postgres.sessions", "97/100", crit, tables=(SESSIONS,)),
        seen("orders-db", "postgres.replication", "", None),
        seen("sessions", "redis.info", "0.8 ms"),
        seen("carts", "dynamodb_table.throttles", "throttled", warn),
        seen("payments", "vpc_path.hops", "88 ms"),
        seen("search-tg", "target_group.health", "3/3"),
        seen("search", "ecs_service.tasks", "3/3"),
        Reading("catalog", "mysql", "mysql.sessions", ago(minutes=1), 0.01, denied),
    )
    return Board(
        readings={LookId(each.target, each.probe): each for each in readings},
        open={each.id: each for each in findings},
        cleared=(recovered,),
        changes=(
            DEPLOYED,
            Change(at=ago(minutes=109), kind="ec2.security_group", target="", summary="sg-0ab1 + 443",
                   actor="bob"),
        ),
    )  # fmt: skip


DEPLOYED = Change(
    at=ago(minutes=24), kind="ecs.deployment", target="checkout", actor="ci-deployer",
    summary="task definition 41 → 42: image 8c1f → 9ad0", source="ecs.DescribeServices",
)  # fmt: skip
SUSPECTS = (
    Suspect(
        rank=1, kind="target", name="orders-db", target="orders-db", score=0.82,
        summary="pid 4242 idle in transaction 14m blocks 61 sessions, 97 of 100 connections used",
        verdict=Certainty.LIKELY, began=ago(minutes=16, seconds=5), felt=(3, 3),
        explains=("PG_SAT_CONNECTIONS@orders-db", "TG_UNHEALTHY@checkout-tg",
                  "ALB_5XX@shop-alb", "ECS_COUNT@checkout"),
        chain=(ChainLink("PG_SAT_CONNECTIONS@orders-db", ago(minutes=16, seconds=5), timedelta(seconds=15)),
               ChainLink("TG_UNHEALTHY@checkout-tg", ago(minutes=16)),
               ChainLink("ALB_5XX@shop-alb", None)),
        after=(Change(at=ago(minutes=5), kind="ecs.scaling", target="checkout", summary="6 → 9 tasks"),),
        for_=("2 findings of its own, the worst critical", "3 sick targets need it"),
        against=("requests/s is flat",), next_probe="postgres.locks",
    ),
    Suspect(
        rank=2, kind="target", name="checkout", target="checkout", score=0.4, felt=(2, 3),
        summary="4 of 6 tasks run", verdict=Certainty.POSSIBLE, began=ago(minutes=15),
        change=DEPLOYED, explains=("TG_UNHEALTHY@checkout-tg", "ALB_5XX@shop-alb"),
        not_examined=("CloudTrail (denied)",),
    ),
)  # fmt: skip

ENTRIES = (
    entry(1, ago(minutes=18, seconds=7), EntryKind.MILESTONE, "detected: CloudWatch alarm shop-alb-5xx"),
    entry(2, ago(minutes=16), EntryKind.FINDING_OPENED, "tg checkout-tg: 4 of 6 targets unhealthy", severity="critical"),
    entry(3, ago(minutes=15, seconds=59), EntryKind.FINDING_OPENED, "pg orders-db: 97 of 100 connections used", severity="critical"),
    entry(4, ago(minutes=9, seconds=40), EntryKind.NOTE, "support reports checkout only, search is fine", "alice"),
    entry(5, ago(minutes=7, seconds=8), EntryKind.STEP_OUTCOME, "Snapshot sessions and locks → ok in 0.2s", "alice", outcome="ok"),
    entry(6, ago(minutes=1, seconds=30), EntryKind.UPDATE, "#2 sent: investigating, next at 03:02", "alice"),
)  # fmt: skip

VERIFY = Until(
    probe="postgres.locks",
    until="length(queues) == `0`",
    within=60,
    says="no session waits for a lock",
)
CONNECTIONS = Runbook(
    id="database-connections", title="Database connections exhausted",
    codes=("PG_SAT_CONNECTIONS", "PG_SESS_IDLE_TX"),
    steps=(
        Step(id="snapshot", title="Snapshot sessions and locks", kind=StepKind.PROBE, risk=Risk.READ,
             target="$db", does="postgres.sessions"),
        Step(id="blocker", title="Find the root blocker", kind=StepKind.PROBE, risk=Risk.READ,
             target="$db", does="postgres.locks"),
        Step(id="cancel", title="Cancel the blocking query", kind=StepKind.SQL, risk=Risk.LOW,
             target="$db", does="cancel_backend", args={"pid": "$blocker.pid"}, verify=VERIFY,
             prose="Cancelling ends the statement and keeps the session."),
        Step(id="terminate", title="Terminate the blocker", kind=StepKind.SQL, risk=Risk.HIGH,
             target="$db", does="terminate_backend", args={"pid": "$blocker.pid"}, verify=VERIFY),
        Step(id="rollback", title="Roll checkout back to :41", kind=StepKind.AWS,
             risk=Risk.DESTRUCTIVE, target="checkout", does="ecs.UpdateService"),
        Step(id="watch", title="Watch 5xx below 1% for 5 min", kind=StepKind.MANUAL, risk=Risk.READ,
             answer=Question(type="bool", ask="Is it below 1%?")),
    ),
)  # fmt: skip
SLOW = replace(CONNECTIONS, id="slow-queries", title="Slow queries", steps=CONNECTIONS.steps[:1])
GROUP = replace(
    CONNECTIONS,
    id="target-group",
    title="Targets unhealthy",
    steps=CONNECTIONS.steps[:2],
    codes=("TG_UNHEALTHY",),
)
LIBRARY = {book.id: book for book in (CONNECTIONS, SLOW, GROUP)}


class FakeDesk:
    """Answers from what a test put in; counts what it was asked."""

    def __init__(self, role: Role = Role.COMMANDER, **given: object) -> None:
        self.board: Board = given.get("board") or board()  # type: ignore[assignment]
        actor = "alice" if role is Role.COMMANDER else "bob"
        self.status = replace(STATUS, role=role, actor=actor)
        self.headline = HEADLINE
        self.explained = "It waits."
        self.targets: Mapping[str, Target] = given.get("targets") or TARGETS  # type: ignore[assignment]
        self._relating = Relating(DependencyGraph(tuple(self.targets.values())))
        self.next_update: datetime | None = NOW + timedelta(minutes=3, seconds=12)
        self.recovery: RecoveryClock | None = None
        self.suspects: Sequence[Suspect] = SUSPECTS
        self.ruled_out: Sequence[RuledOut] = ()
        self.said: list[tuple[str, str]] = []
        self.refuses: CockpitError | None = None
        self.entries: list[TimelineRow] = list(ENTRIES)
        self.notes: list[str] = []
        self.looks: list[str] = []
        self.set: list[str] = []
        self.runs: dict[tuple[str, FindingId], FakeRun] = {}
        self.offered: list[FakeRun] = []
        self.unfinished: tuple[Unfinished, ...] = ()
        self.earlier: dict[str, DoneBefore] = {}
        self.interrupted: FakeRun | None = None
        self.codes_wanted: Sequence[str] = ()
        self.codes: list[str] = []
        self.verified: list[int] = []
        self.told: list[tuple[int, str, str]] = []
        self.blind = self.started = self.closed = self.hang = False
        self.logs = FakeLogs(NOW)
        self.now: Callable[[], datetime] = lambda: NOW
        self._callbacks: list[Callable[[], None]] = []

    @property
    def changes(self) -> RankedChanges:
        """The board's changes against what the board says is wrong."""
        self._relating.refresh(self.board, ago(minutes=40))
        return self._relating.newest

    @property
    def judgement(self) -> Judgement:
        return Judgement(tuple(self.suspects), tuple(self.ruled_out))

    async def say_of(self, suspect: str, word: str) -> None:
        """As the desk does: who is innocent is no suspect any more, a word is taken back."""
        if self.refuses is not None:
            raise self.refuses
        self.said.append((suspect, word))
        by = self.status.actor
        self.ruled_out = [each for each in self.ruled_out if each.target != suspect]
        self.suspects = [
            replace(each, said=by if word == GUILTY else "") if each.name == suspect else each
            for each in self.suspects
            if each.name != suspect or word != INNOCENT
        ]
        if word == INNOCENT:
            self.ruled_out.append(RuledOut(suspect, (), at=self.now(), until=None, by=by))
        self.changed()

    def timeline(self) -> Sequence[TimelineRow]:
        return tuple(self.entries)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback) if callback in self._callbacks else None

    def changed(self) -> None:
        for callback in tuple(self._callbacks):
            callback()

    def record(self, kind: EntryKind, text: str, actor: str = MACHINE) -> None:
        self.entries.append(entry(len(self.entries) + 1, self.now(), kind, text, actor))
        self.changed()

    async def start(self) -> None:
        self.started = True
        if self.hang:
            await asyncio.sleep(3600)

    def logs_of(self, target: str) -> FakeLogs:
        if self.targets[target].kind == "postgres":
            raise BlindError(Reason.UNSUPPORTED, "where its lines are is not known", hint="name it")
        return self.logs

    def look_now(self, target: str = "") -> int:
        self.looks.append(target)
        return 1 if target else self.status.probes

    def give_code(self, serial: str, code: str) -> str:
        if len(code) != 6:
            return "a code has six digits"
        self.codes.append(f"{serial} {code}")
        self.codes_wanted = ()
        return ""

    def runbooks_for(self, finding: OpenFinding) -> Sequence[Runbook]:
        return [each for each in LIBRARY.values() if finding.finding.code in each.codes]

    def explain(self, code: str) -> Sequence[str]:
        return [code, "", f"{self.explained} " * 40]

    def best(self, finding: OpenFinding) -> str:
        code = finding.finding.code
        return next((each.id for each in LIBRARY.values() if code in each.codes), "")

    def run_for(self, runbook_id: str, finding: FindingId) -> FakeRun | None:
        return self.runs.get((runbook_id, finding))

    def start_run(self, runbook_id: str, finding: OpenFinding) -> FakeRun:
        key = (runbook_id, finding.id)
        if key not in self.runs:
            self.runs[key] = FakeRun(LIBRARY[runbook_id], self, finding.target, finding)
        return self.runs[key]

    def offer_run(self, target: str, offer: Offer) -> FakeRun:
        step = Step(id="offer", title=offer.label, kind=StepKind(offer.kind), risk=Risk(offer.risk),
                    target=target, does=offer.call, args=dict(offer.args))  # fmt: skip
        run = FakeRun(Runbook(id="offer", title=offer.label, codes=(), steps=(step,)), self, target)
        self.offered.append(run)
        return run

    def done_before(self, runbook_id: str, finding: FindingId) -> DoneBefore | None:
        return self.earlier.get(runbook_id)

    async def verify_unfinished(self, one: Unfinished) -> Outcome:
        self.verified.append(one.seq)
        if self.blind:
            raise Refused("could not look at orders-db: timeout")
        self.unfinished = tuple(each for each in self.unfinished if each is not one)
        return Outcome("ok", "verified afterwards: nobody waits")

    async def tell_unfinished(self, one: Unfinished, word: str, reason: str) -> None:
        if not reason.strip():
            raise Refused("say how you know: it goes into the record")
        self.told.append((one.seq, word, reason))
        self.unfinished = tuple(each for each in self.unfinished if each is not one)

    async def note(self, text: str) -> None:
        self.notes.append(text)
        self.record(EntryKind.NOTE, text, self.status.actor)

    async def set_severity(self, severity: str) -> None:
        self.set.append(severity)
        self.headline = replace(self.headline, severity=severity)
        self.changed()

    async def set_status(self, status: str, reason: str = "") -> None:
        self.set.append(f"{status}: {reason}" if reason else status)
        self.headline = replace(self.headline, status=status)
        self.changed()

    async def close(self) -> None:
        self.closed = True
        if self.hang:
            await asyncio.sleep(3600)


class FakeOpening:
    """Two incidents to go on with."""

    environment = "prod"

    def __init__(self, desk: FakeDesk) -> None:
        self.desk = desk
        self.role = desk.status.role
        self.asked: list[str] = []
        self.incidents = (
            IncidentLine(id="INC-2026-0042", title="checkout returns 5xx", severity="P1",
                         status="investigating", opened_at=ago(minutes=18), entries=37),
            IncidentLine(id="INC-2026-0041", title="search [/b] slow", severity="P3",
                         status="mitigated", opened_at=ago(hours=30), live=True),
        )  # fmt: skip

    async def resume(self, incident: str) -> FakeDesk:
        self.asked.append(incident)
        return self.desk

    async def create(self, title: str, severity: str) -> FakeDesk:
        self.asked.append(f"{severity} {title}")
        return self.desk
