"""Makes an incident as messy as real ones: collateral damage, bystanders with troubles of their
own, many changes, a graph with gaps, blind spots, a cause that is milder than its effects.

The truth stays what it was, unless the cause itself is taken out of sight (then: abstain).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cockpit.errors import Reason
from tests.stories.writer import C, H, Truth, W, World


@dataclass(frozen=True)
class Level:
    collateral: float
    bystanders: int
    drop: float
    weaken: float
    changes: int
    lost_edges: float
    wrong_edges: int
    blind: float
    vanish: float


LEVELS = {
    1: Level(0.30, 1, 0.15, 0.20, 3, 0.04, 0, 0.04, 0.0),
    2: Level(0.55, 3, 0.30, 0.40, 8, 0.10, 2, 0.10, 0.06),
    3: Level(0.80, 5, 0.40, 0.60, 14, 0.20, 4, 0.18, 0.10),
}

COLLATERAL = {
    "ecs_service": [
        ("ECS_CRASH_LOOP", H),
        ("ECS_CRASH_LOOP", C),
        ("ECS_TASK_OOM", H),
        ("ECS_DEPLOYMENT_STUCK", H),
        ("ECS_CPU_SATURATED", H),
    ],
    "postgres": [
        ("PG_SESS_IDLE_TX", H),
        ("PG_LOCK_BLOCKED", H),
        ("PG_SAT_CONNECTIONS", H),
        ("PG_SESS_LONG_XACT", W),
    ],
    "mysql": [("MY_SESS_IDLE_TRX", W), ("MY_LOCK_ROW", H), ("MY_SAT_CONNECTIONS", H)],
    "redis": [("RD_NET_CONNECTION_RATE", W), ("RD_SAT_CLIENTS", W), ("RD_CACHE_HIT", W)],
    "dynamodb_table": [("DDB_THROTTLED_PROVISIONED", W), ("DDB_USER_ERRORS_RISING", W)],
    "endpoint": [("NET_CONN_DROPPED", H), ("NET_HTTP_SLOW", W)],
    "rds": [("RDS_CPU_HIGH", W), ("RDS_CONNECTIONS_HIGH", W)],
    "lambda_function": [
        ("LAMBDA_ERROR_RATE", C),
        ("LAMBDA_TIMEOUTS", W),
        ("LAMBDA_DURATION_NEAR_TIMEOUT", W),
    ],
    "sqs_queue": [("SQS_BACKLOG_GROWING", W), ("SQS_OLDEST_MESSAGE", W)],
    "kinesis_stream": [("KINESIS_CONSUMER_BEHIND", W), ("KINESIS_READS_THROTTLED", W)],
    "state_machine": [("SFN_FAILURE_RATE", W), ("SFN_SLOW", W)],
    "pgbouncer": [("PGB_WAITING", H), ("PGB_WAITING_SHORT", W)],
    "autoscaling_group": [("ASG_REPLACEMENT_LOOP", W), ("ASG_AT_MAX", W)],
    "log_group": [("LOG_ERRORS_RISING", H), ("LOG_TIMEOUT", W)],
}
BYSTANDERS = {
    "ecs_service": [("ECS_TASK_OOM", W), ("ECS_SPOT_INTERRUPTED", W), ("ECS_DEPLOYMENT_FAILED", W)],
    "postgres": [("PG_SESS_LONG_QUERY", H), ("PG_LOCK_ADVISORY", W), ("PG_QRY_REGRESSED", W)],
    "mysql": [("MY_SESS_LONG_QUERY", H), ("MY_QRY_REGRESSED", W), ("MY_LOCK_ROW", W)],
    "redis": [("RD_LAT_EXPENSIVE_CMD", H), ("RD_MEM_EVICTING", W)],
    "dynamodb_table": [("DDB_HOT_PARTITION", W), ("DDB_THROTTLED_PROVISIONED", W)],
    "target_group": [("TG_UNHEALTHY_TARGETS", W), ("TG_FLAPPING", W)],
    "rds": [("RDS_FAILOVER_RECENT", W), ("RDS_CPU_HIGH", W)],
    "lambda_function": [("LAMBDA_MEMORY_HIGH", W), ("LAMBDA_TIMEOUTS", W)],
    "sqs_queue": [("SQS_OLDEST_MESSAGE", W), ("SQS_DEAD_LETTERS", W)],
    "ec2_instance": [("EC2_CPU_SATURATED", W)],
    "s3_bucket": [("S3_4XX_RATE", W)],
    "log_group": [("LOG_ERRORS_RISING", W)],
}
FRONTS = {"alb", "target_group", "api_gateway", "alarms"}
"""What tells what users feel: without it there is no incident to look at."""
CHANGES = [
    "ecs.deployment",
    "ecs.scaling",
    "rds.configuration",
    "ec2.security_group",
    "elasticache.event",
    "dynamodb.scaling",
]
FITS = {
    "ecs.deployment": "ecs_service",
    "ecs.scaling": "ecs_service",
    "rds.configuration": "rds",
    "ec2.security_group": "rds",
    "elasticache.event": "elasticache",
    "dynamodb.scaling": "dynamodb_table",
}


def harden(w: World, truth: Truth, level: int) -> Truth:
    """The truth of the story after it was made messy; the world is changed in place."""
    hard = LEVELS[level]
    guilty = {name.rpartition("@")[2] for name in truth.accept}
    _collateral(w, truth, hard, guilty)
    _bystanders(w, hard, guilty)
    _fade(w, hard, guilty)
    _other_changes(w, hard, guilty)
    _wrong_graph(w, hard)
    _out_of_sight(w, hard, guilty)
    return _vanish(w, truth, hard, guilty)


def _in_trouble(w: World, guilty: set[str]) -> tuple[set[str], set[str]]:
    """Who is sick besides the guilty, and the services that are hit."""
    sick = {i.target for i in w.ills if i.onset > -3600} - guilty
    return sick, {w.targets[n].service for n in sick | guilty if n in w.targets} - {""}


def _is_calm(w: World) -> bool:
    return "only_old_noise" in w.id or "only_warnings" in w.id


def _collateral(w: World, truth: Truth, hard: Level, guilty: set[str]) -> None:
    if _is_calm(w) or "zone" in w.family:
        return
    sick, services = _in_trouble(w, guilty)
    for name, target in list(w.targets.items()):
        pool = COLLATERAL.get(target.kind)
        near = target.service in services and name not in guilty
        if pool and near and w.rng.random() < hard.collateral * (0.7 if name in sick else 0.25):
            code, severity = w.rng.choice(pool)
            if not truth.abstain or severity is W:
                w.ill(name, code, severity, w.rng.uniform(60, 240), subject="c")


def _bystanders(w: World, hard: Level, guilty: set[str]) -> None:
    _, services = _in_trouble(w, guilty)
    away = [n for n, t in w.targets.items() if t.service not in services and t.kind in BYSTANDERS]
    for name in w.rng.sample(away, min(hard.bystanders, len(away))):
        code, severity = w.rng.choice(BYSTANDERS[w.targets[name].kind])
        long_ago = _is_calm(w) or w.rng.random() < 0.5
        onset = -w.rng.uniform(3, 20) * 3600 if long_ago else w.rng.uniform(-1800, 100)
        w.ill(name, code, severity, onset, subject="b")


def _fade(w: World, hard: Level, guilty: set[str]) -> None:
    """What is seen of the cause is milder, and some of its effects are not seen at all."""
    kept = []
    for i in w.ills:
        if i.target in guilty:
            if w.rng.random() < hard.weaken and i.severity in (C, H):
                i.severity = H if i.severity is C else W
            kept.append(i)
        elif i.onset < -3600 or w.rng.random() >= hard.drop:
            kept.append(i)
    if any(i.target not in guilty and i.severity in (C, H) and i.onset > -3600 for i in kept):
        w.ills = kept


def _other_changes(w: World, hard: Level, guilty: set[str]) -> None:
    for _ in range(hard.changes):
        kind = w.rng.choice(CHANGES)
        fitting = [n for n, t in w.targets.items() if t.kind == FITS[kind] and n not in guilty]
        if fitting:
            name = w.rng.choice(fitting)
            at, number = -w.rng.uniform(10, 3600), w.rng.randint(1, 99)
            via = "trail0" if kind.startswith("ec2") else ""
            w.change(kind, name, at, f"{kind} {number}", via=via)


def _wrong_graph(w: World, hard: Level) -> None:
    for name, target in list(w.targets.items()):
        for need in target.needs:
            if w.rng.random() < hard.lost_edges:
                w.unneed(name, need)
    ecs = [n for n, t in w.targets.items() if t.kind == "ecs_service"]
    dbs = [n for n, t in w.targets.items() if t.kind in {"postgres", "mysql", "redis"}]
    for _ in range(hard.wrong_edges if ecs and dbs else 0):
        a, b = w.rng.choice(ecs), w.rng.choice(dbs)
        if b not in w.targets[a].needs:
            w.need(a, b)


def _out_of_sight(w: World, hard: Level, guilty: set[str]) -> None:
    for name in list(w.targets):
        if name in guilty or w.targets[name].kind in FRONTS:
            continue
        for probe in w.probes(name):
            told = any(t == name and p == probe for t, p, _, _ in w.events)
            if w.rng.random() < hard.blind and not told:
                w.blinds.setdefault((name, probe), (Reason.DENIED, "not permitted", None))


def _vanish(w: World, truth: Truth, hard: Level, guilty: set[str]) -> Truth:
    """Now and then the cause itself is taken away: then nothing can be named honestly."""
    by_change = any("." in n.split("@")[0] and "@" in n for n in truth.accept)
    kept = truth.abstain or truth.all_of or by_change
    if w.rng.random() >= hard.vanish or kept:
        return truth
    w.ills = [i for i in w.ills if i.target not in guilty or i.onset < -3600]
    for key in [k for k in w.blinds if k[0] in guilty]:
        del w.blinds[key]
    if any(i.severity in (C, H) for i in w.ills):
        return replace(truth, abstain=True, note="the cause is out of sight")
    return truth
