"""The design set, second part: what a rule may be tuned on."""

from __future__ import annotations

from cockpit.errors import Reason
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import INFO, C, H, Truth, W, World, ok, template

D = "design"


@template("autoscaling thrash", D)
def thrash_ecs(w: World) -> Truth:
    """Out, in, out, in: targets are always new or leaving."""
    s, *_ = shop(w, db=True, cache=True)
    last = ""
    for n in range(6):
        last = w.change(
            "ecs.scaling",
            s.ecs,
            -900 + n * 180,
            f"set desired {4 + 8 * (n % 2)}",
            actor="Application Auto Scaling",
        )
    w.ill(s.tg, "TG_FLAPPING", H, -300)
    w.ill(s.tg, "TG_DRAINING_LONG", W, -100)
    w.ill(s.ecs, "ECS_NO_STEADY_STATE", W, 0)
    w.ill(s.ecs, "ECS_TASKS_BELOW_DESIRED", W, 0)
    edge(w, s, 0, what="502", tg=False)
    return ok(s.ecs, last, trigger=last)


@template("old noise", D)
def old_alarm_beside(w: World) -> Truth:
    """Something has been sick for days and nobody minds; today the table is throttled."""
    s, *rest = shop(w, db=True, table=True)
    old = -86_400 * 4
    w.ill(s.rds, "RDS_STORAGE_LOW", H, old)
    w.ill(rest[0].tg, "TG_UNHEALTHY_TARGETS", H, old)
    w.ill(s.db, "PG_XID_HORIZON", H, old)
    if "alarms" in w.targets:
        w.ill("alarms", "ALARM_STALE", INFO, old, subject="orders-storage")
    w.ill(s.table, "DDB_THROTTLED_PROVISIONED", C, 0, subject="read")
    edge(w, s, 20, what="5xx", tg=False)
    return ok(s.table)


@template("old noise", D)
def only_old_noise(w: World) -> Truth:
    """Somebody says it is slow; all that is open is what was open yesterday."""
    s, *rest = shop(w, db=True, cache=True)
    old = -86_400 * 3
    w.opened = 600
    w.ill(s.rds, "RDS_STORAGE_LOW", W, old)
    w.ill(s.cache, "RD_MEM_FRAG", W, old)
    w.ill(
        "alarms" if "alarms" in w.targets else w.add("alarms", "alarms"),
        "ALARM_FIRING",
        W,
        old,
        subject="orders-storage",
    )
    w.ill(rest[0].tg, "TG_UNHEALTHY_TARGETS", W, old)
    return ok(abstain=True)


@template("maintenance", D)
def rds_window(w: World) -> Truth:
    """The weekly window: the database is patched and restarts."""
    s, *_ = shop(w, db=True)
    ch = w.change("rds.maintenance", s.rds, 0, "offline patch started", actor="AWS")
    w.ill(s.rds, "RDS_INSTANCE_IN_TRANSITION", H, 0)
    w.blind(s.db, Reason.UNREACHABLE, code="PG_CONN_SHUTTING_DOWN", severity=C)
    edge(w, s, 20, what="5xx")
    return ok(s.db, s.rds, ch, trigger=ch)


@template("two incidents", D)
def two_at_once(w: World) -> Truth:
    """A lock here, throttling there, nothing in common but the hour."""
    s, o, *_ = shop(w, count=4, db=True, alb="own")
    if not o.table:
        o.table = w.add(f"{o.name}-table", "dynamodb_table", service=o.name)
        w.need(o.ecs, o.table)
    w.ill(s.db, "PG_LOCK_BLOCKED", C, 0, subject="pid 9")
    w.ill(s.db, "PG_SAT_CONNECTIONS", C, 40)
    edge(w, s, 20, what="504")
    w.ill(o.table, "DDB_THROTTLED_PROVISIONED", C, 100, subject="write")
    edge(w, o, 120, what="5xx", tg=False)
    return ok(s.db, s.rds, o.table, all_of=(frozenset(s.dbs), frozenset({o.table})))


@template("symptom only", D)
def only_5xx(w: World) -> Truth:
    """Users get errors; everything that is looked at is well. The queue behind is not looked at."""
    s, *_ = shop(w, db=True, cache=True)
    edge(w, s, 0, what="5xx", tg=False)
    return ok(abstain=True)


@template("symptom only", D)
def only_slow_and_checks(w: World) -> Truth:
    """Slow, health checks fail, tasks are replaced; all dependencies answer well."""
    s, *rest = shop(w, db=True, cache=True, ext=True)
    w.ill(s.alb, "ALB_LATENCY_HIGH", C, 0, subject=s.tg)
    w.ill(s.tg, "TG_UNHEALTHY_TARGETS", C, 30)
    w.ill(s.ecs, "ECS_HEALTH_CHECK_KILLS", H, 90)
    unrelated_deploy(w, [s, *rest], -500)
    return ok(abstain=True)


@template("blind on the cause", D)
def db_denied(w: World) -> Truth:
    """The database is the cause, and the role may not look at it."""
    s, *_ = shop(w, db=True, cache=True)
    w.blind(s.db, Reason.DENIED)
    w.blind(s.rds, Reason.DENIED)
    edge(w, s, 0, what="504")
    return ok(s.db, s.rds, abstain=True)


@template("cause cleared", D)
def failover_over(w: World) -> Truth:
    """The failover ended; the pools keep dead connections."""
    s, *_ = shop(w, db=True)
    w.opened, w.horizon = -60, 700
    ch = w.change("rds.failover", s.rds, 0, "Multi-AZ failover started")
    w.ill(s.rds, "RDS_INSTANCE_IN_TRANSITION", C, 5, until=110)
    w.ill(s.db, "PG_ROLE_WRONG", C, 10, until=140)
    edge(w, s, 20, what="5xx")
    return ok(s.db, s.rds, ch, trigger=ch)


@template("retry storm", D)
def storm_after_blip(w: World) -> Truth:
    """Huang et al. 2022: the trigger is gone, the retries keep the database full."""
    s, *rest = shop(w, db=True)
    ch = w.change("rds.restart", s.rds, 0, "DB instance restarted")
    w.opened = 900 + w.rng.uniform(0, 120)
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", W, 60)
    w.ill(s.db, "PG_SAT_CONNECTIONS", C, 60)
    w.ill(s.rds, "RDS_CPU_HIGH", C, 60)
    w.ill(s.ecs, "ECS_CPU_SATURATED", H, 80)
    w.ill(s.rds, "RDS_RESTARTED", W, 0)
    edge(w, s, 20, what="504")
    bad = unrelated_deploy(w, [s, *rest], 500)
    return ok(s.db, s.rds, ch, trigger=ch, wrong_change=bad)


@template("recent unrelated change", D)
def deploy_elsewhere(w: World) -> Truth:
    """A release of a service that needs none of it, one minute before."""
    s, *rest = shop(w, db=True, table=True, alb="shared")
    bad = w.change("ecs.deployment", rest[0].ecs, -60, f"deployment of {rest[0].ecs}:8")
    w.ill(s.table, "DDB_HOT_PARTITION", C, 0, subject="write")
    edge(w, s, 30, what="5xx", tg=False)
    return ok(s.table, wrong_change=bad)


@template("recent unrelated change", D)
def deploy_on_the_path(w: World) -> Truth:
    """The demo's story: a release of the very service six minutes before a forgotten transaction."""
    s, *_ = shop(w, db=True)
    bad = w.change("ecs.deployment", s.ecs, -360, f"deployment of {s.ecs}:42")
    w.ill(s.db, "PG_SESS_IDLE_TX", C, 0, subject="pid 31")
    w.ill(s.db, "PG_LOCK_BLOCKED", C, 5, subject="pid 31")
    w.ill(s.db, "PG_SAT_CONNECTIONS", C, 120)
    edge(w, s, 30, what="5xx")
    return ok(s.db, s.rds, wrong_change=bad)


@template("deployment that fixed", D)
def rolled_back(w: World) -> Truth:
    """The bad release is out again; what it did is still ending."""
    s, *_ = shop(w, db=True)
    w.opened = 900
    ch = w.change("ecs.deployment", s.ecs, -40, f"deployment of {s.ecs}:43")
    bad = w.change("ecs.deployment", s.ecs, 780, f"deployment of {s.ecs}:44 (rollback)")
    w.ill(s.ecs, "ECS_CRASH_LOOP", C, 20, subject=f"{s.ecs}:43")
    w.ill(s.ecs, "ECS_TASKS_BELOW_DESIRED", H, 60)
    edge(w, s, 30, what="502", ecs=False)
    return ok(s.ecs, ch, trigger=ch, wrong_change=bad)


@template("clock skew", D)
def skewed_trail(w: World) -> Truth:
    """The trail's stamp is five minutes after the first error."""
    s, *_ = shop(w, db=True, path=True)
    ch = w.change("ec2.security_group", s.path, -20, "revoked tcp 5432", via="trail0", skew=300)
    w.ill(s.path, "PATH_SG_INGRESS_DENIED", C, 0, subject="sg-1")
    edge(w, s, 30, what="503")
    return ok(s.path, ch)


@template("cascade", D)
def deep_chain(w: World) -> Truth:
    """A lock three services down shows at every floor above it."""
    s, m, *_ = shop(w, count=4, db=True)
    if not m.db:
        m.rds = w.add(f"{m.name}-rds", "rds", service=m.name)
        m.db = w.add(f"{m.name}-db", "postgres", m.rds, service=m.name)
        w.need(m.ecs, m.db)
    link = w.add(f"{m.name}-endpoint", "endpoint", m.alb, service=m.name)
    w.need(s.ecs, link)
    code = "PG_LOCK_BLOCKED" if w.targets[m.db].kind == "postgres" else "MY_LOCK_ROW"
    w.ill(m.db, code, H, 0, subject="pid 5")
    edge(w, m, 20, what="504")
    w.ill(link, "NET_HTTP_SLOW", H, 30)
    edge(w, s, 40, what="504")
    return ok(m.db, m.rds)


@template("cascade", D)
def n_plus_one(w: World) -> Truth:
    """A release asks the database a hundred times as often: the database looks guilty."""
    s, *_ = shop(w, db=True, alb="own")
    ch = w.change("ecs.deployment", s.ecs, -60, f"deployment of {s.ecs}:77")
    w.ill(s.rds, "RDS_CPU_HIGH", C, 30)
    w.ill(s.db, "PG_SAT_CONNECTIONS", H, 80)
    w.ill(s.db, "PG_WAIT_DOMINANT", W, 60)
    edge(w, s, 30, what="slow")
    return ok(s.ecs, ch, trigger=ch)


@template("cycle", D)
def ring_of_two(w: World) -> Truth:
    """Two services need each other; one crashes."""
    s, o, *_ = shop(w, count=4, db=True, alb="own")
    w.need(s.ecs, o.ecs)
    w.need(o.ecs, s.ecs)
    w.ill(o.ecs, "ECS_TASK_OOM", C, 0, subject=f"{o.ecs}:2")
    w.ill(o.ecs, "ECS_SERVICE_DOWN", C, 10)
    edge(w, o, 20, what="503", ecs=False)
    edge(w, s, 40, what="5xx")
    return ok(o.ecs)


@template("missing needs", D)
def no_needs_at_all(w: World) -> Truth:
    """Nobody wrote a graph."""
    s, *_ = shop(w, db=True, cache=True)
    w.ill(s.db, "PG_LOCK_BLOCKED", H, 0, subject="pid 5")
    edge(w, s, 20, what="504")
    for name in list(w.targets):
        w.unneed(name, *w.targets[name].needs)
    return ok(s.db, s.rds)


@template("wrong needs", D)
def reversed_edge(w: World) -> Truth:
    """The edge between the service and its database is written the wrong way round."""
    s, *_ = shop(w, db=True)
    w.unneed(s.ecs, s.db)
    w.need(s.db, s.ecs)
    w.ill(s.db, "PG_LOCK_BLOCKED", C, 0, subject="pid 5")
    edge(w, s, 20, what="504")
    return ok(s.db, s.rds)
