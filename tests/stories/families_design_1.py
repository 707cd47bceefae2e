"""The design set: what a rule may be tuned on. Shapes after public incidents, named in each."""

from __future__ import annotations

from cockpit.errors import Reason
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import C, H, Truth, W, World, ok, template

D = "design"


@template("bad deployment", D)
def crash_loop(w: World) -> Truth:
    """GitLab, Heroku and many others: a release that dies at its start."""
    s, *rest = shop(w, db=True)
    ch = w.change("ecs.deployment", s.ecs, -30, f"deployment of {s.ecs}:43")
    w.ill(s.ecs, "ECS_CRASH_LOOP", C, 40, subject=f"{s.ecs}:43")
    w.ill(s.ecs, "ECS_TASKS_BELOW_DESIRED", H, 60)
    edge(w, s, 20, what="502", ecs=False)
    if w.rng.random() < 0.5:
        unrelated_deploy(w, [s, *rest], 200)
    return ok(s.ecs, ch, trigger=ch)


@template("bad deployment", D)
def deploy_only_5xx(w: World) -> Truth:
    """The release runs and answers 500: nothing is wrong below it, and its tasks are well."""
    s, *_ = shop(w, db=True, cache=True)
    ch = w.change("ecs.deployment", s.ecs, -50, f"deployment of {s.ecs}:43")
    edge(w, s, 20, what="5xx", tg=False)
    return ok(s.ecs, ch, trigger=ch)


@template("bad deployment, hidden", D)
def deploy_hidden_by_denial(w: World) -> Truth:
    """The same, and ECS may not be described: the only sick thing below the balancer is unseen."""
    s, *_ = shop(w, db=True, cache=True)
    w.blind(s.ecs, Reason.DENIED)
    edge(w, s, 20, what="502", ecs=False)
    w.ill(s.tg, "TG_FLAPPING", H, 200)
    return ok(s.ecs, abstain=True)


@template("network change", D)
def sg_revoked(w: World) -> Truth:
    """Product demo and AWS forums: the rule from the service to its database is revoked."""
    s, *rest = shop(w, db=True, path=True)
    ch = w.change("ec2.security_group", s.path, -20, "revoked tcp 5432", actor="bob", via="trail0")
    w.ill(s.path, "PATH_SG_INGRESS_DENIED", C, 0, subject="sg-1")
    w.ill(s.rds, "RDS_CONNECTIONS_COLLAPSED", H, 60)
    edge(w, s, 40, what="503")
    unrelated_deploy(w, [s, *rest], -300)
    return ok(s.path, ch, trigger=ch)


@template("network change", D)
def nacl_ephemeral(w: World) -> Truth:
    """A network ACL loses the ephemeral ports; the path belongs to the cache."""
    s, *_ = shop(w, db=True, cache=True, path=False)
    path = w.add(f"{s.name}-to-cache", "vpc_path", service=s.name)
    w.need(s.ecs, path)
    w.ill(path, "PATH_NACL_EPHEMERAL_DENIED", C, 0, subject="acl-1")
    edge(w, s, 30, what="504")
    w.ill(s.db, "PG_SAT_ONE_CLIENT", W, 200, subject=s.name)
    return ok(path)


@template("migration lock", D)
def ddl_queue(w: World) -> Truth:
    """GitHub 2026-05-04 and gocardless: a migration waits, and everybody waits behind it."""
    s, *_ = shop(w, db=True)
    ch = w.change("ecs.deployment", s.ecs, -90, f"deployment of {s.ecs}:51")
    w.ill(s.db, "PG_LOCK_DDL_QUEUE", H, 0, subject="pid 77")
    w.ill(s.db, "PG_LOCK_BLOCKED", C, 5, subject="pid 12")
    w.ill(s.db, "PG_SAT_CONNECTIONS", C, 80)
    w.ill(s.rds, "RDS_CONNECTIONS_HIGH", H, 120)
    edge(w, s, 30, what="504")
    return ok(s.db, s.rds, ch, trigger=ch)


@template("leak of another service", D)
def leak_by_other(w: World) -> Truth:
    """A release of another service keeps its connections; ours finds none left."""
    s, *rest = shop(w, db=True)
    other = rest[0]
    w.need(other.ecs, s.db)
    ch = w.change("ecs.deployment", other.ecs, -1500, f"deployment of {other.ecs}:9")
    w.ill(s.db, "PG_SAT_ONE_CLIENT", W, -300, subject=f"{other.name} 10.0.3.4")
    w.ill(s.db, "PG_SAT_CONNECTIONS", C, 0)
    w.ill(s.rds, "RDS_CONNECTIONS_HIGH", H, 30)
    edge(w, s, 20, what="5xx")
    unrelated_deploy(w, [s, *rest[1:]], -120)
    return ok(s.db, s.rds, other.ecs, ch, trigger=ch)


@template("cache stampede", D)
def failover_stampede(w: World) -> Truth:
    """Facebook 2010, Slack 2022-02-22, GitHub 2026-02-09: an empty cache lets the load through."""
    s, *_ = shop(w, db=True, cache=True)
    ch = w.change("elasticache.failover", s.ec, 0, "failover to replica completed")
    w.ill(s.ec, "CACHE_FAILOVER_RECENT", W, 0)
    w.ill(s.cache, "RD_RESTARTED", H, 0)
    w.ill(s.cache, "RD_CACHE_HIT", W, 20)
    w.ill(s.db, "PG_SAT_CONNECTIONS", C, 70)
    w.ill(s.db, "PG_WAIT_DOMINANT", W, 70)
    w.ill(s.rds, "RDS_CPU_HIGH", C, 120)
    edge(w, s, 60, what="slow")
    return ok(s.cache, s.ec, ch, trigger=ch)


@template("hot key", D)
def hot_key_redis(w: World) -> Truth:
    """One key takes the one thread of the cache."""
    s, *rest = shop(w, db=True, cache=True)
    w.ill(s.cache, "RD_CPU_ENGINE", H, 0)
    w.ill(s.cache, "RD_LAT_SLOW", W, 5)
    w.ill(s.ec, "CACHE_CPU_HIGH", W, 90, subject="node-1")
    edge(w, s, 40, what="slow", hard=True)
    unrelated_deploy(w, [s, *rest], -240)
    return ok(s.cache, s.ec)


@template("throttling after a surge", D)
def ddb_throttle_surge(w: World) -> Truth:
    """A campaign: more writes than the table may take."""
    s, *_ = shop(w, db=True, table=True)
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", W, -60)
    w.ill(s.table, "DDB_THROTTLED_PROVISIONED", C, 0, subject="write")
    w.ill(s.table, "DDB_AUTOSCALING_BLOCKED", W, 10, subject="write")
    w.ill(s.table, "DDB_CAPACITY_HIGH", C, 0, subject="write")
    w.ill(s.ecs, "ECS_CPU_SATURATED", W, 120)
    edge(w, s, 30, what="5xx", tg=False)
    return ok(s.table)


@template("third party", D)
def third_party_mute(w: World) -> Truth:
    """Stripe- or Twilio-like: the partner accepts and never answers; our release was just before."""
    s, *_ = shop(w, db=True, ext=True)
    bad = w.change("ecs.deployment", s.ecs, -360, f"deployment of {s.ecs}:42")
    w.ill(s.ext, "NET_CONN_MUTE", W, 0)
    w.ill(s.ext, "DEP_EXTERNAL", H, 0)
    edge(w, s, 60, what="504")
    return ok(s.ext, wrong_change=bad)


@template("certificate", D)
def front_cert(w: World) -> Truth:
    """Teams 2020, Spotify 2020: the certificate of the front ran out; traffic falls below it."""
    s, *_ = shop(w, db=True, front=True)
    w.ill(s.front, "NET_TLS_EXPIRED", C, 0)
    w.ill(s.alb, "ALB_TRAFFIC_DROP", H, 120)
    w.ill(s.alb, "ALB_TLS_ERRORS", W, 120)
    w.ill(s.ecs, "ECS_DEPLOYMENT_FAILED", W, -20000, subject="old")
    return ok(s.front)


@template("dns", D)
def dns_gone(w: World) -> Truth:
    """AWS 2025-10-20: the name of a thing that all need resolves to nothing."""
    s, *rest = shop(w, db=True, ext=False)
    name = w.add(f"{s.name}-api-internal", "endpoint", service=s.name)
    w.need(s.ecs, name)
    for r in rest[:2]:
        w.need(r.ecs, name)
    ch = w.change(
        "route53.record", name, -30, "DELETE api.internal A", actor="dns-bot", via="trail0"
    )
    w.ill(name, "NET_DNS_NXDOMAIN", C, 0)
    edge(w, s, 30, what="5xx")
    for r in rest[:2]:
        edge(w, r, 40, what="5xx")
    return ok(name, ch, trigger=ch)


@template("zone outage", D)
def zone_down(w: World) -> Truth:
    """AWS use1-az power events: a bit of everything fails at once, in one zone."""
    services = shop(w, count=5, db=True, cache=True)
    for s in services:
        w.ill(s.tg, "TG_AZ_UNBALANCED", C, 20 + w.rng.random() * 30, subject="us-east-1a")
        w.ill(s.ecs, "ECS_TASKS_BELOW_DESIRED", H, 20)
        if s.rds:
            w.change("rds.failover", s.rds, 20, "Multi-AZ failover started")
            w.ill(s.rds, "RDS_FAILOVER_RECENT", W, 20)
        if s.ec:
            w.change("elasticache.failover", s.ec, 30, "failover to replica us-east-1b completed")
            w.ill(s.ec, "CACHE_FAILOVER_RECENT", W, 30)
    edge(w, services[0], 10, what="5xx", tg=False)
    edge(w, services[1], 10, what="504", tg=False)
    return ok("zone us-east-1a", abstain=True)


@template("noisy neighbour", D)
def shared_db_report(w: World) -> Truth:
    """GitHub 2024-04-10: one statement of somebody else burns the shared database."""
    s, *rest = shop(w, db=True)
    w.need(rest[0].ecs, s.db)
    w.ill(s.db, "PG_SESS_LONG_QUERY", H, -60, subject="pid 881 sales-reports")
    w.ill(s.rds, "RDS_CPU_HIGH", H, 30)
    w.ill(s.rds, "RDS_LOAD_HIGH", H, 30)
    edge(w, s, 60, what="slow")
    unrelated_deploy(w, [s, *rest[1:]], -200)
    return ok(s.db, s.rds)


@template("quota", D)
def placement_quota(w: World) -> Truth:
    """The account's vCPU quota is reached while the service wants to grow."""
    s, *_ = shop(w, db=True)
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", W, -300)
    w.ill(s.ecs, "ECS_PLACEMENT_FAILED", C, 0)
    w.ill(s.ecs, "ECS_CPU_SATURATED", H, -60)
    w.ill(s.db, "PG_WAIT_DOMINANT", W, 100)
    edge(w, s, 40, what="slow", ecs=False)
    return ok(s.ecs)


@template("quota", D)
def subnet_full(w: World) -> Truth:
    """No free address in the subnets: nothing can be placed."""
    s, *_ = shop(w, db=True, path=True)
    w.ill(s.path, "NET_SUBNET_IPS_LOW", C, -600, subject="subnet-1")
    w.ill(s.ecs, "ECS_PLACEMENT_FAILED", C, 0)
    w.ill(s.ecs, "ECS_TASKS_BELOW_DESIRED", H, 30)
    edge(w, s, 40, what="503", ecs=False)
    return ok(s.path, s.ecs)


@template("memory leak", D)
def leak_ecs(w: World) -> Truth:
    """Memory grows since this morning's release; now tasks are killed one after the other."""
    s, *rest = shop(w, db=True, cache=True)
    ch = w.change("ecs.deployment", s.ecs, -9 * 3600, f"deployment of {s.ecs}:12")
    bad = w.change("ecs.deployment", rest[0].ecs, -600, f"deployment of {rest[0].ecs}:31")
    w.ill(s.ecs, "ECS_MEMORY_HIGH", H, -1800)
    w.ill(s.ecs, "ECS_TASK_OOM", C, 0, subject=f"{s.ecs}:12")
    w.ill(s.tg, "TG_FLAPPING", W, 100)
    edge(w, s, 30, what="502", ecs=False)
    return ok(s.ecs, ch, wrong_change=bad)


@template("cron at the full hour", D)
def cron_pg(w: World) -> Truth:
    """The nightly export starts at the full hour and takes all of the disk."""
    s, *rest = shop(w, db=True)
    w.start = w.start.replace(minute=0, second=4)
    w.ill(s.db, "PG_SESS_LONG_QUERY", H, 0, subject="pid 4 nightly-export")
    w.ill(s.db, "PG_WAIT_DOMINANT", W, 20)
    w.ill(s.rds, "RDS_IO_SATURATED", H, 60)
    edge(w, s, 60, what="slow")
    unrelated_deploy(w, [s, *rest], -900)
    return ok(s.db, s.rds)
