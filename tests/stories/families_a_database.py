"""Plans and indexes gone bad, locks of migrations, and the ends of what a database may hold."""

from __future__ import annotations

from tests.stories.parts import maybe, pooler, queue_of, replica
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import C, H, Truth, W, World, ok, template


@template("bad index or plan", "ours")
def index_dropped_by_hand(w: World) -> Truth:
    """An operator removes an index by hand that one query still needs; each of its runs reads the
    whole table, and the API is down.

    https://support.stripe.com/questions/outage-postmortem-2015-10-08-utc
    """
    s, *rest = shop(w, db=True, cache=True)
    w.ill(s.db, "PG_QRY_REGRESSED", W, 20, subject="queryid 77120")
    if maybe(w, 0.7):
        w.ill(s.db, "PG_SESS_LONG_QUERY", H, 30, subject="pid 640")
    w.ill(s.db, "PG_WAIT_DOMINANT", W, 30)
    w.ill(s.rds, "RDS_CPU_HIGH", C, 40)
    w.ill(s.db, "PG_SAT_CONNECTIONS", C, 90)
    edge(w, s, 20, what=w.rng.choice(["504", "5xx"]))
    bad = w.change("ecs.deployment", s.ecs, -400, f"deployment of {s.ecs}:14")
    unrelated_deploy(w, [s, *rest], -90)
    return ok(s.db, s.rds, wrong_change=bad)


@template("bad index or plan", "aside")
def upgraded_without_statistics(w: World) -> Truth:
    """A blue/green switch to a new major version leaves the planner without statistics: every query
    goes to the disk, and builds wait.

    https://discuss.circleci.com/t/post-incident-report-april-4-2025-delays-in-starting-workflows/53113
    """
    s, *rest = shop(w, db=True)
    queue = queue_of(w, s, name="workflows")
    ch = w.change(
        "rds.switchover_blue_green_deployment", s.rds, -300, "switched to green", via="trail0"
    )
    w.ill(s.db, "PG_RESTARTED", H, -300, until=300)
    w.ill(s.db, "PG_IO_CACHE", W, 0)
    w.ill(s.db, "PG_QRY_REGRESSED", W, 60, subject="queryid 4412")
    w.ill(s.rds, "RDS_IO_SATURATED", C, 30)
    w.ill(s.db, "PG_SAT_CONNECTIONS", w.rng.choice([H, C]), 150)
    w.ill(queue, "SQS_OLDEST_MESSAGE", W, 200)
    edge(w, s, 40, what="slow")
    if maybe(w, 0.5):
        unrelated_deploy(w, [s, *rest], -120)
    return ok(s.db, s.rds, ch, trigger=ch)


@template("bad index or plan", "ours")
def statistics_lost_in_the_upgrade(w: World) -> Truth:
    """Twenty minutes after an upgrade of the database its processors are busy with bad plans; the
    queries are ended by hand so that the backlog does not grow.

    https://status.sentry.io/incidents/jwg968zpdcgb
    """
    s, *rest = shop(w, db=True, alb="own")
    queue = queue_of(w, s, name="events")
    ch = w.change("rds.maintenance", s.rds, -1200, "engine version upgraded")
    w.ill(s.rds, "RDS_CPU_HIGH", C, 0)
    w.ill(s.rds, "RDS_LOAD_HIGH", C, 0)
    w.ill(s.db, "PG_QRY_REGRESSED", W, 30, subject="queryid 118")
    if maybe(w, 0.6):
        w.ill(s.db, "PG_SESS_LONG_QUERY", H, 60, subject="pid 771")
    w.ill(queue, "SQS_BACKLOG_GROWING", W, 90)
    edge(w, s, 60, what=w.rng.choice(["slow", "5xx"]))
    bad = unrelated_deploy(w, [s, *rest], -200)
    return ok(s.db, s.rds, ch, wrong_change=bad)


@template("bad index or plan", "aside")
def plan_flips_by_itself(w: World) -> Truth:
    """Nobody changed anything: statistics moved, one query is planned badly and writes temporary
    files, while autovacuum catches up after yesterday's long query.

    https://www.figma.com/blog/post-mortem-service-disruption-on-january-21-22-2020/
    """
    s, *rest = shop(w, db=True, cache=True)
    w.ill(s.db, "PG_IO_TEMP", W, 0)
    w.ill(s.db, "PG_QRY_REGRESSED", W, 0, subject="queryid 9001")
    w.ill(s.db, "PG_VAC_WORKERS", W, -4000)
    w.ill(s.rds, "RDS_IO_SATURATED", w.rng.choice([W, C]), 60)
    w.ill(s.db, "PG_LOCK_BLOCKED", H, 90, subject="pid 55")
    edge(w, s, 120, what=w.rng.choice(["504", "slow"]))
    w.opened = max(w.opened, 240)
    bad = w.change("ecs.deployment", s.ecs, -1500, f"deployment of {s.ecs}:2")
    unrelated_deploy(w, [s, *rest], 60)
    return ok(s.db, s.rds, wrong_change=bad)


@template("migration lock", "ours")
def auditing_holds_the_lock(w: World) -> Truth:
    """A routine migration makes an empty table; an auditing extension hangs in it, keeps its locks
    and hears no time limit, until the primary is restarted.

    https://status.incident.io/incidents/01JRDFKAGE07YYDY0KZR137BX3/write-up
    """
    s, *rest = shop(w, db=True)
    bouncer = pooler(w, s) if maybe(w, 0.5) else ""
    ch = w.change("ecs.deployment", s.ecs, -20, f"deployment of {s.ecs}:904")
    w.ill(s.db, "PG_LOCK_BLOCKED", C, 5, subject="pid 31337")
    if maybe(w, 0.6):
        w.ill(s.db, "PG_SESS_LONG_XACT", W, 0, subject="pid 31337")
    w.ill(s.db, "PG_SAT_CONNECTIONS", w.rng.choice([H, C]), 150)
    if bouncer:
        w.ill(bouncer, "PGB_WAITING", C, 60)
    edge(w, s, 30, what="504")
    if maybe(w, 0.5):
        unrelated_deploy(w, [s, *rest], -100)
    return ok(s.db, s.rds, ch, trigger=ch)


@template("migration lock", "aside")
def rename_breaks_the_replicas(w: World) -> Truth:
    """The last step of a migration of weeks renames a table; many replicas deadlock on it and
    recover from a crash, and the others cannot bear the reads. Writes go on.

    https://github.blog/2021-12-01-github-availability-report-november-2021/
    """
    s, *rest = shop(w, engine="mysql", db=True, cache=True)
    copies = [replica(w, s, n) for n in (1, 2, 3)]
    dead = copies[: w.rng.randint(1, 2)]
    for db, rds in dead:
        w.ill(db, "MY_LOCK_MDL", C, w.rng.uniform(0, 10))
        w.ill(rds, "RDS_RESTARTED", W, 60)
    for db, rds in copies[len(dead) :]:
        w.ill(db, "MY_SAT_RUNNING", H, 60)
        w.ill(rds, "RDS_CPU_HIGH", w.rng.choice([W, C]), 120)
    edge(w, s, 60, what=w.rng.choice(["504", "5xx"]))
    queue = queue_of(w, s, name="hooks")
    w.ill(queue, "SQS_OLDEST_MESSAGE", W, 500)
    bad = unrelated_deploy(w, [s, *rest], -300)
    both = {name for pair in dead for name in pair}
    return ok(*both, s.db, s.rds, wrong_change=bad)


@template("migration lock", "ours")
def vacuum_meets_a_global_lock(w: World) -> Truth:
    """Vacuum against wraparound holds a lock that it does not give up, a query asks for an
    exclusive one without need, and everybody waits behind that query.

    https://www.joyent.com/blog/manta-postmortem-7-27-2015
    """
    s, *rest = shop(w, db=True)
    w.ill(s.db, "PG_XID_HORIZON", W, -7200)
    if maybe(w, 0.5):
        w.ill(s.rds, "RDS_TXID_WRAPAROUND", W, -7200)
    w.ill(s.db, "PG_LOCK_DDL_QUEUE", H, 0, subject="pid 210")
    w.ill(s.db, "PG_LOCK_BLOCKED", C, 5, subject="pid 77")
    w.ill(s.db, "PG_SAT_CONNECTIONS", w.rng.choice([H, C]), 110)
    edge(w, s, 30, what="504")
    bad = w.change("ecs.deployment", s.ecs, -1100, f"deployment of {s.ecs}:41")
    unrelated_deploy(w, [s, *rest], -60)
    return ok(s.db, s.rds, wrong_change=bad)


@template("migration lock", "aside")
def every_start_declares_its_indexes(w: World) -> Truth:
    """Every copy of the service declares all indexes when it starts, which takes a lock of the
    whole database; with a large fleet that is always starting somewhere, queries stall.

    https://discuss.circleci.com/t/postmortem-march-26-april-10-workflow-delay-incidents/30060
    """
    s, *rest = shop(w, engine="mysql", db=True)
    queue = queue_of(w, s, name="builds")
    ch = w.change("ecs.deployment", s.ecs, -30, f"deployment of {s.ecs}:118")
    w.ill(s.db, "MY_LOCK_MDL", H, 0)
    w.ill(s.db, "MY_SAT_RUNNING", H, 30)
    if maybe(w, 0.6):
        w.ill(s.rds, "RDS_LOAD_HIGH", W, 60)
    w.ill(queue, "SQS_BACKLOG_GROWING", W, 60)
    edge(w, s, 40, what=w.rng.choice(["slow", "504"]))
    bad = unrelated_deploy(w, [s, *rest], -240)
    return ok(s.db, s.rds, s.ecs, ch, trigger=ch, wrong_change=bad)


@template("database limits and storage", "ours")
def last_number_of_the_column(w: World) -> Truth:
    """The counter of a table that tracks all events reaches the end of its integer: nothing can be
    written, reading goes on.

    https://m.signalvnoise.com/update-on-basecamp-3-being-stuck-in-read-only-as-of-nov-8-922am-cst/
    """
    s, *rest = shop(w, engine="mysql", db=True, cache=True)
    w.ill(s.db, "MY_AUTO_INCREMENT_END", C, 0, subject="events.id")
    if maybe(w, 0.6):
        w.ill(s.db, "MY_ERR_RATE", H, 10)
    edge(w, s, 10, what="5xx", tg=False)
    bad = w.change("ecs.deployment", s.ecs, -700, f"deployment of {s.ecs}:210")
    unrelated_deploy(w, [s, *rest], -100)
    return ok(s.db, s.rds, wrong_change=bad)


@template("database limits and storage", "aside")
def transaction_ids_run_out(w: World) -> Truth:
    """PostgreSQL refuses every write, for autovacuum did not keep up with the transaction ids; the
    queues before it grow.

    https://blog.sentry.io/2015/07/23/transaction-id-wraparound-in-postgres
    """
    s, *rest = shop(w, db=True, cache=True)
    queue = queue_of(w, s, name="events")
    w.ill(s.db, "PG_XID_WRAP", C, 0)
    w.ill(s.rds, "RDS_TXID_WRAPAROUND", C, -36_000)
    w.ill(s.db, "PG_TX_ROLLBACKS", W, 20)
    w.ill(queue, "SQS_BACKLOG_GROWING", W, 60)
    w.ill(s.cache, "RD_MEM_NEAR_MAX", W, 100)
    edge(w, s, 10, what="5xx", tg=False)
    bad = unrelated_deploy(w, [s, *rest], -400)
    return ok(s.db, s.rds, wrong_change=bad)


@template("database limits and storage", "ours")
def file_as_large_as_it_may_be(w: World) -> Truth:
    """A table reaches the largest file that the old file system of its instance can hold: inserts
    fail, and no metric of the instance says so.

    https://medium.com/making-instapaper/instapaper-outage-cause-recovery-3c32a7e9cc5f
    """
    s, *rest = shop(w, engine="mysql", db=True, cache=True)
    lines = w.add(f"{s.name}-lines", "log_group", service=s.name)
    w.ill(lines, "LOG_ERRORS_RISING", H, 20)
    if maybe(w, 0.5):
        w.ill(lines, "LOG_NEW_PATTERN", W, 20)
    edge(w, s, 0, what="5xx", tg=False)
    unrelated_deploy(w, [s, *rest], -400)
    return ok(s.db, s.rds, abstain=True, note="the limit is in no metric and no status")


@template("database limits and storage", "aside")
def smaller_to_save_money(w: World) -> Truth:
    """Two weeks ago the database was made smaller to save money; at a peak its processors are full,
    checks fail, and every replacement of a server fails too.

    https://building.buildkite.com/outage-post-mortem-for-august-23rd-82b619a3679b
    """
    s, *rest = shop(w, db=True, alb="own")
    group = w.add(f"{s.name}-group", "autoscaling_group", service=s.name)
    w.need(s.ecs, group)
    ch = w.change("rds.configuration", s.rds, -13 * 86_400, "m4.10xlarge to r3.2xlarge")
    w.ill(s.rds, "RDS_CPU_HIGH", C, 0)
    w.ill(s.rds, "RDS_LOAD_HIGH", w.rng.choice([W, C]), 0)
    w.ill(s.db, "PG_SAT_CONNECTIONS", w.rng.choice([H, C]), 120)
    w.ill(group, "ASG_REPLACEMENT_LOOP", C, 240)
    edge(w, s, 60, what="5xx")
    w.opened = max(w.opened, 420)
    bad = unrelated_deploy(w, [s, *rest], -150)
    return ok(s.db, s.rds, ch, wrong_change=bad)


@template("database limits and storage", "ours")
def log_that_fills_the_disk(w: World) -> Truth:
    """A cleaning job logs each failed call to S3 on the local disk, the log grows without end, and
    the service beside it stops when the disk is full.

    https://mail.tarsnap.com/tarsnap-announce/msg00035.html
    """
    s, *rest = shop(w, db=True, alb="own")
    host = w.add(f"{s.name}-host", "ec2_instance", service=s.name)
    blocks = w.add(f"{s.name}-blocks", "s3_bucket", service=s.name)
    w.need(s.ecs, host, blocks)
    w.ill(blocks, "S3_5XX_RATE", W, -5 * 3600)
    w.ill(host, "EC2_DISK_FULL", C, -120)
    w.ill(s.ecs, "ECS_TASKS_UNHEALTHY", w.rng.choice([W, C]), 20)
    edge(w, s, 10, what=w.rng.choice(["502", "503"]))
    bad = unrelated_deploy(w, [s, *rest], -300)
    return ok(host, wrong_change=bad)


@template("database limits and storage", "aside")
def pooler_with_few_descriptors(w: World) -> Truth:
    """A planned promotion brings load; the proxy before the database may open far fewer files than
    it was told, and past that writes stall.

    https://github.blog/news-insights/company-news/february-service-disruptions-post-incident-analysis/
    """
    s, o, *rest = shop(w, count=4, db=True)
    bouncer = pooler(w, s)
    w.need(o.ecs, bouncer)
    w.ill(bouncer, "PGB_SAT_CLIENTS", H, 0)
    w.ill(bouncer, "PGB_WAITING", w.rng.choice([H, C]), 10)
    if maybe(w, 0.5):
        w.ill(s.rds, "RDS_CONNECTIONS_HIGH", W, 60)
    edge(w, s, 30, what="504")
    edge(w, o, 40, what="5xx", hard=False, tg=False)
    bad = unrelated_deploy(w, [s, *rest], -600)
    return ok(bouncer, wrong_change=bad)
