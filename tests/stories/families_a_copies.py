"""Caches that let the load through, and copies that fall behind or away."""

from __future__ import annotations

from tests.stories.parts import maybe, queue_of, replica
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import INFO, C, H, Truth, W, World, ok, template


@template("cache stampede", "ours")
def autoscaler_wakes_up(w: World) -> Truth:
    """A configuration tool switches the autoscaler on again in the middle of a migration; it ends
    most application and cache servers, and the empty caches press on the databases for hours.

    https://www.reddit.com/r/announcements/comments/4y0m56/why_reddit_was_down_on_aug_11/
    """
    s, *rest = shop(w, db=True, cache=False)
    group = w.add(f"{s.name}-group", "autoscaling_group", service=s.name)
    mem = w.add(f"{s.name}-memcached", "memcached", service=s.name)
    w.need(s.ecs, group, mem)
    on = w.change("autoscaling.configuration", group, -60, "resume processes", via="trail0")
    ended = w.change("autoscaling.scaling", group, 0, "desired 60 to 9", actor="autoscaling")
    w.ill(group, "ASG_SCALED_RECENTLY", INFO, 0)
    w.ill(group, "ASG_BELOW_DESIRED", w.rng.choice([W, C]), 30, until=1500)
    w.ill(mem, "MC_RESTARTED", H, 20)
    w.ill(mem, "MC_HIT", W, 40)
    w.ill(s.rds, "RDS_CPU_HIGH", C, 100)
    w.ill(s.db, "PG_WAIT_DOMINANT", W, 90)
    w.ill(s.db, "PG_SAT_CONNECTIONS", w.rng.choice([H, C]), 120)
    edge(w, s, 30, what=w.rng.choice(["503", "504"]))
    bad = unrelated_deploy(w, [s, *rest], -250)
    return ok(group, on, ended, mem, trigger=ended, wrong_change=bad)


@template("cache stampede", "aside")
def settings_kept_for_two_hours(w: World) -> Truth:
    """Two clients have come to read ten times as much; on Saturday the time that user settings are
    cached is cut to a sixth, and at Monday's peak reads and cache rewrites crush the database.

    https://github.blog/news-insights/company-news/addressing-githubs-recent-availability-issues-2/
    """
    s, *rest = shop(w, engine="mysql", db=True, cache=True, alb="own")
    cut = w.change("ssm.parameter", s.ecs, -2 * 86_400, "settings ttl 12h to 2h", via="trail0")
    w.ill(s.cache, "RD_CACHE_HIT", W, -600)
    w.ill(s.ec, "CACHE_HIT_RATE_DROP", W, -500)
    w.ill(s.rds, "RDS_CPU_HIGH", C, 0)
    w.ill(s.rds, "RDS_IO_SATURATED", w.rng.choice([W, C]), 30)
    w.ill(s.db, "MY_SAT_RUNNING", H, 0)
    w.ill(s.db, "MY_QRY_SLOW", W, 40)
    edge(w, s, 20, what="504")
    for other in rest[:2]:
        w.need(other.ecs, s.ecs)
        edge(w, other, 60, what="5xx", tg=False)
    bad = unrelated_deploy(w, [s, *rest], -200)
    return ok(s.cache, s.ec, cut, wrong_change=bad)


@template("cache stampede", "ours")
def primary_moved_by_the_provider(w: World) -> Truth:
    """The provider moves the host of a Redis primary, it drops out, and the API handles the
    failover badly; what it then asks uncached overloads the store behind.

    https://status.discordapp.com/incidents/qk9cdgnqnhcn
    """
    s, *rest = shop(w, db=False, cache=True, table=True)
    ch = w.change("elasticache.failover", s.ec, 0, "failover to replica completed", actor="AWS")
    w.ill(s.ec, "CACHE_FAILOVER_RECENT", W, 0)
    w.ill(s.cache, "RD_ROLE_CHANGED", H, 0)
    if maybe(w, 0.6):
        w.ill(s.cache, "RD_CACHE_HIT", W, 60)
    w.ill(s.table, "DDB_THROTTLED_PROVISIONED", C, 120, subject="read")
    w.ill(s.table, "DDB_CAPACITY_HIGH", W, 100, subject="read")
    edge(w, s, 10, what="5xx")
    if maybe(w, 0.5):
        w.ill(s.ecs, "ECS_MEMORY_HIGH", W, 140)
    bad = unrelated_deploy(w, [s, *rest], -500)
    return ok(s.cache, s.ec, ch, trigger=ch, wrong_change=bad)


@template("cache stampede", "aside")
def cache_that_nobody_refreshes(w: World) -> Truth:
    """After a switch between two clusters nobody refreshes the ingest cache; it goes stale for
    hours, the database takes every read, and in the end has no connection left.

    https://www.honeycomb.io/blog/incident-review-what-comes-up-must-first-go-down/
    """
    s, store, *rest = shop(w, count=4, engine="mysql", db=True, cache=True, alb="own")
    w.need(store.ecs, s.cache)
    switch = w.change("ecs.deployment", store.ecs, -11 * 3600, f"deployment of {store.ecs}:9")
    flag = w.change("appconfig.flag", store.ecs, -1500, "writes to old cluster", via="trail0")
    w.ill(s.cache, "RD_CACHE_HIT", W, -5400)
    w.ill(s.rds, "RDS_CPU_HIGH", W, -1200)
    w.ill(s.db, "MY_SAT_CONNECTIONS", C, 0)
    w.ill(s.db, "MY_LOCK_ROW", H, 10)
    w.ill(s.rds, "RDS_CONNECTIONS_HIGH", C, 40)
    edge(w, s, 10, what="504")
    for other in rest[:1]:
        w.need(other.ecs, s.db)
        edge(w, other, 30, what="5xx", tg=False)
    return ok(s.cache, s.ec, store.ecs, switch, flag)


@template("replication", "ours")
def replicas_break_after_the_failover(w: World) -> Truth:
    """A Multi-AZ failover is over in two minutes, but logs were not flushed at every commit: all
    read replicas stop on duplicate keys.

    https://razorpay.com/blog/day-of-rds-multi-az-failover/
    """
    s, *rest = shop(w, engine="mysql", db=True, cache=False)
    copies = [replica(w, s, n) for n in range(1, w.rng.randint(2, 4))]
    w.opened = 600 + w.rng.uniform(0, 1500)
    ch = w.change("rds.failover", s.rds, 0, "Multi-AZ failover completed", actor="AWS")
    w.ill(s.rds, "RDS_FAILOVER_RECENT", W, 0)
    w.ill(s.rds, "RDS_INSTANCE_IN_TRANSITION", C, 5, until=115)
    for db, rds in copies:
        w.ill(db, "MY_REPL_STOPPED", C, 130 + w.rng.uniform(0, 20))
        w.ill(rds, "RDS_REPLICATION_BROKEN", C, 140)
    edge(w, s, 140, what="5xx", hard=maybe(w, 0.5), tg=False)
    bad = unrelated_deploy(w, [s, *rest], -120)
    both = {name for pair in copies for name in pair}
    return ok(s.db, s.rds, ch, *both, trigger=ch, wrong_change=bad)


@template("replication", "aside")
def forty_seconds_of_partition(w: World) -> Truth:
    """The network is cut for forty seconds, the primary is promoted on the other coast, writes
    differ, and the replicas stay hours behind for a day.

    https://github.blog/2018-10-30-oct21-post-incident-analysis/
    """
    s, o, *rest = shop(w, count=4, engine="mysql", db=True)
    copies = [replica(w, s, n) for n in (1, 2)]
    w.need(o.ecs, s.db)
    w.opened = 900 + w.rng.uniform(0, 2700)
    ch = w.change("rds.failover", s.rds, 45, "failover to the other region", actor="orchestrator")
    w.ill(s.rds, "RDS_FAILOVER_RECENT", W, 45)
    w.ill(s.db, "MY_ROLE_CHANGED", H, 45, until=900)
    for db, rds in copies:
        w.ill(db, "MY_REPL_LAG", C, 120)
        w.ill(rds, "RDS_REPLICA_LAG", w.rng.choice([W, C]), 240)
    edge(w, s, 60, what="slow")
    edge(w, o, 90, what="5xx", hard=False, tg=False)
    unrelated_deploy(w, [s, *rest], -1000)
    return ok(s.db, s.rds, ch, trigger=ch)


@template("replication", "ours")
def copies_that_differ(w: World) -> Truth:
    """For weeks the replicas have differed a little from the primary; now all of them stop at a
    duplicate entry, and pages show old data.

    https://kickstarter.engineering/the-day-the-replication-died-e543ba45f262
    """
    s, *rest = shop(w, engine="mysql", db=True)
    copies = [replica(w, s, n) for n in range(1, w.rng.randint(3, 5))]
    for db, rds in copies:
        at = w.rng.uniform(0, 15)
        w.ill(db, "MY_REPL_STOPPED", C, at)
        if maybe(w, 0.8):
            w.ill(rds, "RDS_REPLICATION_BROKEN", C, at + 30)
    if maybe(w, 0.6):
        edge(w, s, 60, what="5xx", hard=False, tg=False)
    bad = w.change("ecs.deployment", s.ecs, -900, f"deployment of {s.ecs}:33")
    unrelated_deploy(w, [s, *rest], -200)
    both = {name for pair in copies for name in pair}
    return ok(*both, s.db, s.rds, wrong_change=bad)


@template("replication", "aside")
def spam_makes_the_standby_fall_off(w: World) -> Truth:
    """Spam and one heavy removal load the primary; the standby falls behind until the log that it
    needs is gone, and people hurry to make it anew.

    https://about.gitlab.com/2017/02/10/postmortem-of-database-outage-of-january-31/
    """
    s, *rest = shop(w, db=True, alb="own")
    db, rds = replica(w, s)
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", W, -600)
    w.ill(s.rds, "RDS_LOAD_HIGH", C, -300)
    w.ill(s.db, "PG_LOCK_BLOCKED", H, -200, subject="pid 902")
    w.ill(s.db, "PG_SAT_CONNECTIONS", w.rng.choice([H, C]), -100)
    w.ill(db, "PG_REPL_DOWN", C, 60)
    if maybe(w, 0.6):
        w.ill(rds, "RDS_REPLICATION_BROKEN", C, 90)
    edge(w, s, -200, what="504", ecs=False)
    bad = unrelated_deploy(w, [s, *rest], -800)
    return ok(s.db, s.rds, wrong_change=bad)


@template("replication", "ours")
def failover_without_replicas(w: World) -> Truth:
    """A database crashes and fails over as it should, but its replicas are not attached to the new
    primary, which alone cannot serve the reads.

    https://github.blog/news-insights/company-news/addressing-githubs-recent-availability-issues/
    """
    s, *rest = shop(w, engine="mysql", db=True, cache=True)
    w.opened = 600 + w.rng.uniform(0, 1200)
    ch = w.change("rds.failover", s.rds, 0, "failover completed", actor="AWS")
    w.ill(s.rds, "RDS_FAILOVER_RECENT", W, 0)
    w.ill(s.db, "MY_RESTARTED", H, 0, until=500)
    w.ill(s.db, "MY_REPL_GONE", C, 20)
    w.ill(s.rds, "RDS_CPU_HIGH", w.rng.choice([W, C]), 120)
    w.ill(s.db, "MY_SAT_RUNNING", H, 100)
    edge(w, s, 100, what=w.rng.choice(["slow", "504"]))
    queue = queue_of(w, s)
    if maybe(w, 0.5):
        w.ill(queue, "SQS_BACKLOG_GROWING", W, 200)
    bad = unrelated_deploy(w, [s, *rest], 300)
    return ok(s.db, s.rds, ch, trigger=ch, wrong_change=bad)


@template("replication", "aside")
def all_copies_at_once(w: World) -> Truth:
    """After a short cut of the network all Redis replicas ask for the whole data at once, and the
    primary of the balances drowns in it.

    https://www.twilio.com/blog/2013/07/billing-incident-post-mortem-breakdown-analysis-and-root-cause.html
    """
    s, *rest = shop(w, db=True, cache=True)
    w.ill(s.cache, "RD_REPL_FULL_SYNC", H, 0)
    w.ill(s.cache, "RD_LAT_SLOW", W, 20)
    if maybe(w, 0.7):
        w.ill(s.cache, "RD_MEM_CLIENT_BUFFERS", W, 30)
        w.ill(s.cache, "RD_NET_BANDWIDTH", INFO, 30)
    w.ill(s.ec, "CACHE_REPLICA_LAG", w.rng.choice([W, C]), 60)
    edge(w, s, 40, what="504")
    if maybe(w, 0.5):
        w.ill(s.rds, "RDS_CONNECTIONS_HIGH", W, 120)
    bad = unrelated_deploy(w, [s, *rest], -200)
    return ok(s.cache, s.ec, wrong_change=bad)
