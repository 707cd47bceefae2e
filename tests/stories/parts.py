"""What stories add to a shop: functions behind an API, queues, replicas, poolers, AWS itself."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.triage.finding import Severity
from tests.stories.shop import Svc
from tests.stories.writer import INFO, C, H, Truth, W, World, ok

FLOWS = ["media", "exports", "invoices", "feeds", "receipts", "imports", "labels", "webhooks"]


@dataclass
class Flow:
    """The names of one service without servers."""

    name: str
    api: str
    fn: str
    table: str
    queue: str
    worker: str
    logs: str = ""
    slo: str = ""


def maybe(w: World, chance: float) -> bool:
    return w.rng.random() < chance


def flow(w: World, name: str = "") -> Flow:
    """An API before a function, which puts work into a queue for another function."""
    name = name or w.rng.choice([n for n in FLOWS if f"{n}-api" not in w.targets])
    table = w.add(f"{name}-table", "dynamodb_table", service=name)
    queue = w.add(f"{name}-jobs", "sqs_queue", service=name)
    worker = w.add(f"{name}-worker", "lambda_function", queue, table, service=name)
    fn = w.add(f"{name}-fn", "lambda_function", table, queue, service=name)
    api = w.add(f"{name}-api", "api_gateway", fn, service=name)
    f = Flow(name, api, fn, table, queue, worker)
    if maybe(w, 0.5):
        f.logs = w.add(f"{name}-logs", "log_group", service=name)
    if maybe(w, 0.3):
        f.slo = w.add(f"{name}-slo", "slo", api, service=name)
    old = -w.rng.uniform(3, 200) * 3600
    if maybe(w, 0.4):
        w.ill(worker, w.rng.choice(["LAMBDA_NO_DLQ", "LAMBDA_RUNTIME_DEPRECATED"]), INFO, old)
    if maybe(w, 0.3):
        w.ill(queue, "SQS_DLQ_NOT_EMPTY", INFO, old)
    if maybe(w, 0.3):
        w.ill(api, "APIGW_NO_THROTTLE", INFO, old)
    return f


def released(w: World, fn: str, at: float, *, what: str = "code") -> str:
    """A function gets other code or settings, and says so for an hour."""
    w.ill(fn, "LAMBDA_VERSION_CHANGED", INFO, at, until=at + 3600)
    return w.change(f"lambda.{what}", fn, at, f"{what} of {fn}")


def at_api(w: World, f: Flow, onset: float, *, what: str = "5xx", hard: bool = True) -> None:
    """What users feel at the API of a flow, some of it at random."""
    severity = C if hard else W
    if what == "5xx":
        w.ill(f.api, "APIGW_5XX_RATE", severity, onset)
    elif what == "504":
        w.ill(f.api, "APIGW_TIMEOUTS", severity, onset)
        w.ill(f.api, "APIGW_5XX_RATE", severity, onset + 10)
    elif what == "slow":
        w.ill(f.api, "APIGW_LATENCY_HIGH", severity, onset)
    if what != "slow" and maybe(w, 0.4):
        w.ill(f.api, "APIGW_LATENCY_HIGH", W, onset + 10)
    if f.logs and what != "slow" and maybe(w, 0.6):
        w.ill(f.logs, "LOG_ERRORS_RISING", H, onset + 10)
    if f.slo and hard:
        w.ill(f.slo, "SLO_BURN_FAST", INFO, onset + 120)
    if "alarms" in w.targets and maybe(w, 0.7):
        w.ill("alarms", "ALARM_FIRING", w.rng.choice([W, C]), onset + 130, subject=f"{f.api}-5xx")


def queue_of(w: World, s: Svc, *, name: str = "jobs") -> str:
    """A queue that a service of the shop sends to and works off."""
    queue = w.add(f"{s.name}-{name}", "sqs_queue", service=s.name)
    w.need(s.ecs, queue)
    return queue


def replica(w: World, s: Svc, number: int = 1) -> tuple[str, str]:
    """A read replica of the service's database, and its instance."""
    rds = w.add(f"{s.name}-replica{number}-rds", "rds", service=s.name)
    kind = w.targets[s.db].kind
    db = w.add(f"{s.name}-replica{number}", kind, rds, s.db, service=s.name)
    w.need(s.ecs, db)
    return db, rds


def pooler(w: World, s: Svc) -> str:
    """A pooler between a service and its database."""
    bouncer = w.add(f"{s.name}-pooler", "pgbouncer", s.db, service=s.name)
    w.unneed(s.ecs, s.db)
    w.need(s.ecs, bouncer)
    return bouncer


def aws_event(w: World, at: float, *, told: float = 0.5) -> str:
    """AWS has an event, and says so or does not yet; empty: nobody here can know of it."""
    if not maybe(w, told):
        if maybe(w, 0.5):
            w.add("aws-health", "health")
        return ""
    name = w.add("aws-health", "health")
    w.ill(name, "AWS_EVENT_OPEN", C, at, subject="operational issue")
    return name


def told_by(event: str, *names: str) -> Truth:
    """AWS is the cause: named by its event where that is told, otherwise out of sight."""
    return ok(event, *names) if event else ok(*names, abstain=True)


def trail(
    w: World, kind: str, target: str, at: float, summary: str, *, actor: str = "terraform"
) -> str:
    """A change that only the account's trail tells, some minutes after it was made."""
    name = w.change(kind, target, at, summary, actor=actor, via="trail0")
    teller, probe, change, _ = w.events.pop()
    w.events.append((teller, probe, change, at + w.rng.uniform(120, 360)))
    w.opened = max(w.opened, at + 400)
    return name


def trail_says(
    w: World, code: str, severity: Severity, onset: float, *, subject: str, chance: float = 0.6
) -> str:
    """What the account's changes say of what is sick; empty: they do not."""
    if not maybe(w, chance):
        return ""
    if "trail0" not in w.targets:
        w.add("trail0", "changes")
    w.ill("trail0", code, severity, onset, subject=subject)
    w.opened = max(w.opened, onset + 60)
    return "trail0"


def link(w: World, s: Svc, *callers: Svc, name: str = "internal") -> str:
    """The internal address of a service, by which others call it."""
    address = w.add(f"{s.name}-{name}", "endpoint", s.alb, service=s.name)
    for each in callers:
        w.need(each.ecs, address)
    return address
