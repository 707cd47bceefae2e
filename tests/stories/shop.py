"""The shops that stories happen to: a few services, and what users feel at their front."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from tests.stories.writer import INFO, C, H, W, World

NAMES = [
    "checkout",
    "search",
    "billing",
    "profile",
    "inventory",
    "orders",
    "pricing",
    "shipping",
    "catalog",
    "reviews",
    "gateway",
    "accounts",
    "basket",
    "notify",
    "ledger",
    "quotes",
]


@dataclass
class Svc:
    """The names of one service's targets; an empty name: it has none."""

    name: str
    alb: str = ""
    tg: str = ""
    ecs: str = ""
    db: str = ""
    rds: str = ""
    cache: str = ""
    ec: str = ""
    table: str = ""
    ext: str = ""
    path: str = ""
    front: str = ""

    @property
    def dbs(self) -> set[str]:
        return {n for n in (self.db, self.rds) if n}

    @property
    def caches(self) -> set[str]:
        return {n for n in (self.cache, self.ec) if n}


def _has(rng: random.Random, want: Mapping[str, bool], part: str, chance: float) -> bool:
    return want[part] if part in want else rng.random() < chance


def shop(
    w: World, *, count: int = 0, engine: str = "postgres", alb: str = "", **want: bool
) -> list[Svc]:
    """A few services. The first is the one in trouble. `want`: parts of the first service."""
    rng = w.rng
    names = rng.sample(NAMES, count or rng.randint(3, 6))
    out = []
    for place, name in enumerate(names):
        s = Svc(name)
        has = partial(_has, rng, want if place == 0 else {})
        needs = []
        if has("db", 0.6):
            s.rds = w.add(f"{name}-rds", "rds", service=name)
            kind = engine if place == 0 else rng.choice(["postgres", "mysql"])
            s.db = w.add(f"{name}-db", kind, s.rds, service=name)
            needs.append(s.db)
        if has("cache", 0.4):
            s.ec = w.add(f"{name}-ec", "elasticache", service=name)
            s.cache = w.add(f"{name}-cache", "redis", s.ec, service=name)
            needs.append(s.cache)
        if has("table", 0.3):
            s.table = w.add(f"{name}-table", "dynamodb_table", service=name)
            needs.append(s.table)
        if has("ext", 0.2):
            s.ext = w.add(f"{name}-partner", "endpoint", service=name)
            needs.append(s.ext)
        if has("path", 0.2) and s.db:
            s.path = w.add(f"{name}-to-db", "vpc_path", service=name)
            needs.append(s.path)
        s.ecs = w.add(name, "ecs_service", *needs, service=name)
        s.tg = w.add(f"{name}-tg", "target_group", name, service=name)
        out.append(s)
    shared = rng.random() < 0.5 if not alb else alb == "shared"
    if shared:
        w.add("edge-alb", "alb", *(s.tg for s in out))
    for s in out:
        s.alb = "edge-alb" if shared else w.add(f"{s.name}-alb", "alb", s.tg, service=s.name)
    if want.get("front") or rng.random() < 0.4:
        out[0].front = w.add(f"{out[0].name}-front", "endpoint", out[0].alb, service=out[0].name)
    if rng.random() < 0.7:
        w.add("alarms", "alarms")
    noise(w, out)
    return out


def noise(w: World, services: list[Svc]) -> None:
    """What is always there somewhere: mild findings older than the incident."""
    rng = w.rng
    old = -rng.uniform(3, 20) * 3600
    for s in services:
        if s.db and w.targets[s.db].kind == "postgres" and rng.random() < 0.3:
            w.ill(s.db, rng.choice(["PG_VAC_DEAD", "PG_IO_CACHE"]), W, old, subject="x")
        if s.rds and rng.random() < 0.25:
            w.ill(
                s.rds,
                rng.choice(["RDS_MAINTENANCE_PENDING", "RDS_NO_FAILOVER_TARGET"]),
                rng.choice([INFO, W]),
                old,
            )
        if s.cache and rng.random() < 0.2:
            w.ill(s.cache, "RD_MEM_FRAG", W, old)
        if rng.random() < 0.15:
            w.ill(s.ecs, "ECS_SINGLE_TASK", INFO, old)
        if rng.random() < 0.15:
            w.ill(s.tg, "TG_HEALTH_CHECK_FRAGILE", INFO, old)
        if rng.random() < 0.5:
            w.change(
                "ecs.deployment", s.ecs, -rng.uniform(2.5, 20) * 3600, f"deployment of {s.ecs}:7"
            )
    if "alarms" in w.targets and rng.random() < 0.4:
        w.ill("alarms", "ALARM_STALE", INFO, old * 3, subject="legacy-disk")


def edge(
    w: World,
    s: Svc,
    onset: float,
    *,
    what: str = "5xx",
    hard: bool = True,
    tg: bool = True,
    ecs: bool = True,
) -> None:
    """What users feel at the front of a service, some of it at random."""
    rng = w.rng
    sev = C if hard else H
    if what == "5xx":
        w.ill(s.alb, "ALB_5XX_TARGET_RATE", sev, onset + 20, subject=s.tg)
    elif what == "502":
        w.ill(s.alb, "ALB_502_BAD_GATEWAY", sev, onset + 20, subject=s.tg)
    elif what == "503":
        w.ill(s.alb, "ALB_503_NO_TARGETS", C, onset + 40, subject=s.tg)
    elif what == "504":
        w.ill(s.alb, "ALB_504_TIMEOUT", sev, onset + 30, subject=s.tg)
    elif what == "slow":
        w.ill(s.alb, "ALB_LATENCY_HIGH", sev if hard else W, onset + 20, subject=s.tg)
    if what not in {"slow", "503"} and rng.random() < 0.5:
        w.ill(s.alb, "ALB_LATENCY_HIGH", H, onset + 20, subject=s.tg)
    if tg and what != "503" and rng.random() < 0.75:
        w.ill(s.tg, "TG_UNHEALTHY_TARGETS", C if rng.random() < 0.5 else H, onset + 35)
    if what == "503":
        w.ill(s.tg, "TG_NO_HEALTHY_TARGETS", C, onset + 35)
    if tg and ecs and rng.random() < 0.6:
        w.ill(s.ecs, "ECS_HEALTH_CHECK_KILLS", rng.choice([H, C]), onset + 100)
        w.ill(s.ecs, "ECS_TASKS_BELOW_DESIRED", W, onset + 110)
    if s.front and rng.random() < 0.7:
        w.ill(
            s.front,
            "NET_HTTP_SLOW" if what == "slow" else "NET_HTTP_5XX",
            W if what == "slow" else H,
            onset + 15,
        )
    if "alarms" in w.targets and rng.random() < 0.7:
        w.ill("alarms", "ALARM_FIRING", rng.choice([W, C]), onset + 130, subject=f"{s.alb}-errors")


def unrelated_deploy(w: World, services: list[Svc], at: float) -> str:
    """A deployment of a service that has nothing to do with it."""
    s = w.rng.choice(services[1:])
    return w.change("ecs.deployment", s.ecs, at, f"deployment of {s.ecs}:{w.rng.randint(8, 99)}")
