"""Leaks of other services, causes milder than their effects, and two incidents at once."""

from __future__ import annotations

from cockpit.errors import Reason
from tests.stories.parts import flow, maybe, queue_of
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import INFO, C, H, Truth, W, World, ok, template


@template("leak of another service", "ours")
def producer_for_every_request(w: World) -> Truth:
    """A new feature for audits makes a fresh producer for each request of the API; the broker that
    all share runs out of memory as the feature is switched on for more.

    https://www.pagerduty.com/eng/august-28-kafka-outages-what-happened-and-how-were-improving/
    """
    s, api, *rest = shop(w, count=4, db=True, cache=True, alb="own")
    w.need(api.ecs, s.cache)
    ch = w.change("ecs.deployment", api.ecs, -3600, f"deployment of {api.ecs}:501")
    if maybe(w, 0.7):
        w.ill(s.cache, "RD_NET_CONNECTION_RATE", W, -3000)
    w.ill(s.ec, "CACHE_CONNECTIONS_HIGH", W, -1200)
    w.ill(s.cache, "RD_MEM_NEAR_MAX", w.rng.choice([W, H]), -900)
    w.ill(s.cache, w.rng.choice(["RD_MEM_OOM_REJECT", "RD_SAT_CLIENTS"]), C, 0)
    edge(w, s, 20, what="5xx")
    if maybe(w, 0.6):
        edge(w, api, 60, what="502", hard=False, tg=False)
    bad = unrelated_deploy(w, [s, *rest], -200)
    return ok(s.cache, s.ec, api.ecs, ch, trigger=ch, wrong_change=bad)


@template("leak of another service", "aside")
def agents_call_a_dead_collector(w: World) -> Truth:
    """A collector is replaced and its new address does not reach everybody; the agents beside each
    service ask the old one for ever and take a little more memory each time.

    https://aws.amazon.com/message/680342/
    """
    s, o, *rest = shop(w, count=5, db=True, ext=False)
    old = w.add("collector", "endpoint", service="telemetry")
    hit = [s, o, *rest[:1]]
    for each in (s, o, *rest):
        w.need(each.ecs, old)
    ch = w.change("route53.record", old, -5 * 3600, "UPSERT collector A", via="trail0")
    w.ill(old, "NET_TCP_TIMEOUT", C, -5 * 3600)
    for each in hit:
        at = w.rng.uniform(0, 100)
        w.ill(each.ecs, "ECS_MEMORY_HIGH", w.rng.choice([W, C]), at - 2400)
        w.ill(each.ecs, "ECS_TASK_OOM", C, at, subject=f"{each.ecs}:8")
    edge(w, s, 30, what="502", ecs=False)
    edge(w, o, 80, what="5xx", hard=False, tg=False)
    bad = w.change("ecs.deployment", s.ecs, -800, f"deployment of {s.ecs}:8")
    return ok(old, ch, wrong_change=bad)


@template("leak of another service", "ours")
def cleaner_with_the_old_password(w: World) -> Truth:
    """A password was changed four days ago and the service that removes old machines was forgotten;
    now they fill the cluster and nothing new can start.

    https://www.traviscistatus.com/incidents/khzk8bg4p9sy
    """
    s, *rest = shop(w, db=True)
    cluster = w.add("build-cluster", "ecs_cluster")
    cleaner = w.add("machine-cleaner", "ecs_service", service="cleaner")
    lines = w.add("machine-cleaner-lines", "log_group", service="cleaner")
    w.need(s.ecs, cluster)
    if maybe(w, 0.5):
        w.need(cluster, cleaner)
    queue = queue_of(w, s, name="builds")
    long_ago = -4 * 86_400
    ch = w.change("secretsmanager.rotation", cleaner, long_ago, "PutSecretValue", via="trail0")
    w.ill(cleaner, "ECS_EVENT_FAILING", w.rng.choice([W, H]), long_ago + 3600)
    w.ill(lines, "LOG_ACCESS_DENIED", w.rng.choice([W, C]), long_ago + 3600)
    w.ill(cluster, "ECS_CLUSTER_FULL", C, 0)
    w.ill(s.ecs, "ECS_PLACEMENT_FAILED", C, 20)
    w.ill(queue, "SQS_OLDEST_MESSAGE", w.rng.choice([W, C]), 320)
    w.opened = max(w.opened, 500)
    bad = unrelated_deploy(w, [s, *rest], -300)
    return ok(cleaner, ch, cluster, wrong_change=bad)


@template("leak of another service", "aside")
def admin_calls_on_the_shared_database(w: World) -> Truth:
    """Calls of an expensive administrative endpoint rise, and what they ask takes the database that
    sign-ins need.

    https://status.duo.com/incidents/h2220dxsrf6p
    """
    s, admin, *rest = shop(w, count=4, db=True, cache=True, alb="own")
    w.need(admin.ecs, s.db)
    w.ill(admin.alb, "ALB_TRAFFIC_SURGE", w.rng.choice([W, C]), -300)
    w.ill(s.db, "PG_SESS_LONG_QUERY", H, -60, subject=f"pid 88 {admin.name}")
    if maybe(w, 0.6):
        w.ill(s.db, "PG_SAT_ONE_CLIENT", W, 20, subject=admin.name)
    w.ill(s.rds, "RDS_CPU_HIGH", C, 0)
    w.ill(s.rds, "RDS_LOAD_HIGH", w.rng.choice([W, C]), 0)
    edge(w, s, 30, what=w.rng.choice(["slow", "504"]))
    bad = w.change("ecs.deployment", s.ecs, -500, f"deployment of {s.ecs}:64")
    unrelated_deploy(w, [s, *rest], -100)
    return ok(s.db, s.rds, admin.ecs, admin.alb, wrong_change=bad)


@template("cause milder than its effects", "ours")
def list_of_servers_gone_stale(w: World) -> Truth:
    """What tells the balancers of new servers has failed since the morning and nobody saw it; in the
    evening the old servers are scaled in, and none is left that the balancers know.

    https://slack.engineering/a-terrible-horrible-no-good-very-bad-day-at-slack/
    """
    s, *rest = shop(w, db=True, cache=True, alb="own")
    sync = w.add("balancer-sync", "ecs_service", service="platform")
    lines = w.add("balancer-sync-lines", "log_group", service="platform")
    w.need(s.alb, sync)
    w.opened = max(w.opened, 240)
    w.ill(sync, "ECS_EVENT_FAILING", W, -8 * 3600)
    w.ill(lines, "LOG_ERRORS_RISING", W, -8 * 3600)
    ch = w.change("ecs.scaling", s.ecs, -60, "desired 90 to 30", actor="Application Auto Scaling")
    w.ill(s.tg, "TG_TARGETS_UNUSED", W, -4 * 3600)
    edge(w, s, 0, what="503", ecs=False)
    if maybe(w, 0.5):
        w.ill(s.alb, "ALB_5XX_ELB_RATE", C, 30)
    bad = unrelated_deploy(w, [s, *rest], -400)
    return ok(sync, ch, trigger=ch, wrong_change=bad)


@template("cause milder than its effects", "aside")
def check_that_has_no_patience(w: World) -> Truth:
    """Two hours after the launch the site is slow for moments, and a health check with a very short
    time limit takes well servers out, one after the other.

    https://www.chef.io/blog/2014/07/10/supermarket-intermittent-unresponsiveness-postmortem/
    """
    s, *rest = shop(w, db=True, cache=False, alb="own")
    w.ill(s.tg, "TG_HEALTH_CHECK_FRAGILE", INFO, -7200)
    w.ill(s.tg, "TG_FLAPPING", w.rng.choice([W, C]), 0)
    w.ill(s.alb, "ALB_LATENCY_HIGH", W, -300, subject=s.tg)
    edge(w, s, 60, what="503")
    w.ill(s.ecs, "ECS_HEALTH_CHECK_KILLS", C, 90)
    bad = unrelated_deploy(w, [s, *rest], -120)
    launch = w.change("ecs.deployment", s.ecs, -7200, f"deployment of {s.ecs}:1")
    return ok(s.tg, launch, wrong_change=bad)


@template("cause milder than its effects", "ours")
def clients_that_hold_their_slots(w: World) -> Truth:
    """Clients in a cloud that has an outage send slowly and hold the connections of the balancer,
    which then takes nobody else. The service itself uses nothing there.

    https://blog.hostedgraphite.com/2018/03/01/spooky-action-at-a-distance-how-an-aws-outage-ate-our-load-balancer/
    """
    s, *rest = shop(w, db=True, cache=True, alb="own", front=True)
    w.ill(s.alb, "ALB_CONNECTIONS_REJECTED", C, 60)
    w.ill(s.alb, "ALB_TRAFFIC_DROP", w.rng.choice([W, C]), 0)
    w.ill(s.front, "NET_HTTP_SLOW", W, 60)
    if maybe(w, 0.6):
        w.ill(s.front, "NET_TCP_SLOW", W, 60)
    if rest[0].ext:
        w.ill(rest[0].ext, "NET_HTTP_SLOW", W, 20)
    unrelated_deploy(w, [s, *rest], -300)
    return ok(s.alb, abstain=True, note="the slow clients are outside of what is looked at")


@template("cause milder than its effects", "aside")
def small_transactions_fill_the_pool(w: World) -> Truth:
    """Each dialog is wrapped in a transaction that it does not need; none is slow, all together they
    keep the pool inside the process empty, and the database looks idle.

    https://incident.io/blog/database-performance
    """
    s, *rest = shop(w, db=True, cache=True)
    lines = w.add(f"{s.name}-lines", "log_group", service=s.name)
    w.ill(lines, "LOG_TIMEOUT", W, 20)
    w.ill(s.alb, "ALB_504_TIMEOUT", C, 30, subject=s.tg)
    w.ill(s.alb, "ALB_LATENCY_HIGH", W, 0, subject=s.tg)
    w.change("ecs.deployment", s.ecs, -5400, f"deployment of {s.ecs}:880")
    unrelated_deploy(w, [s, *rest], -300)
    return ok(s.ecs, abstain=True, note="the pool inside the process is not looked at")


@template("cause milder than its effects", "ours")
def only_warnings_and_jumping_numbers(w: World) -> Truth:
    """A standby was promoted in an upgrade and skipped thirty-two numbers of each sequence; people
    ask why, nothing is broken, and what is open has been open for days.

    https://incident.io/blog/one-two-skip-a-few
    """
    s, *rest = shop(w, db=True, cache=True)
    w.opened = 600
    old = -86_400.0 * 2
    w.change("rds.maintenance", s.rds, old, "standby promoted after the upgrade")
    w.ill(s.rds, "RDS_STORAGE_LOW", W, old * 2)
    w.ill(s.db, "PG_VAC_DEAD", W, old, subject="incidents")
    w.ill(rest[0].tg, "TG_UNHEALTHY_TARGETS", W, old * 3)
    if maybe(w, 0.5):
        unrelated_deploy(w, [s, *rest], -1000)
    return ok(abstain=True)


@template("cause milder than its effects", "aside")
def one_host_of_presence(w: World) -> Truth:
    """The processor of one host stops for moments; those that were connected to it all come back at
    once, and the sessions that buffer for them run out of memory everywhere.

    https://status.discordapp.com/incidents/dj3l6lw926kl
    """
    s, presence, *rest = shop(w, count=4, db=True, alb="own")
    host = w.add(f"{presence.name}-host7", "ec2_instance", service=presence.name)
    w.need(presence.ecs, host)
    w.need(s.ecs, presence.ecs)
    w.ill(host, "EC2_STATUS_IMPAIRED", W, 0)
    if maybe(w, 0.5):
        w.ill(host, "EC2_CPU_SATURATED", W, 0)
    if maybe(w, 0.6):
        w.ill(presence.ecs, "ECS_TASKS_UNHEALTHY", W, 30)
    w.ill(s.ecs, "ECS_MEMORY_HIGH", C, 60)
    w.ill(s.ecs, "ECS_TASK_OOM", C, 90, subject=f"{s.ecs}:30")
    edge(w, s, 60, what=w.rng.choice(["502", "503"]))
    bad = unrelated_deploy(w, [s, *rest], -250)
    return ok(host, presence.ecs, wrong_change=bad)


@template("two incidents", "ours")
def metadata_and_the_caches(w: World) -> Truth:
    """The database under the programme metadata is overloaded, and at the same hour a pool of the
    caching layer before the sites fails by itself.

    https://www.bbc.co.uk/blogs/internet/entries/a37b0470-47d4-3991-82bb-a7d5b8803771
    """
    s, site, *_ = shop(w, count=4, db=True, cache=False, alb="own")
    if not site.cache:
        site.ec = w.add(f"{site.name}-ec", "elasticache", service=site.name)
        site.cache = w.add(f"{site.name}-cache", "redis", site.ec, service=site.name)
        w.need(site.ecs, site.cache)
    w.ill(s.rds, "RDS_CPU_HIGH", C, 0)
    w.ill(s.rds, "RDS_LOAD_HIGH", C, 0)
    w.ill(s.db, "PG_SAT_CONNECTIONS", C, 40)
    edge(w, s, 20, what="504")
    later = w.rng.uniform(-60, 100)
    w.ill(site.ec, "CACHE_UNAVAILABLE", C, later)
    w.blind(site.cache, Reason.UNREACHABLE, code="RD_CONN_MUTE", detail="no answer")
    edge(w, site, later + 20, what=w.rng.choice(["5xx", "503"]))
    groups = (frozenset(s.dbs), frozenset(site.caches))
    return ok(*s.dbs, *site.caches, all_of=groups)


@template("two incidents", "aside")
def firewall_beside_another_trouble(w: World) -> Truth:
    """Somebody who means only to look changes the firewall by hand, and it blocks good clients; a
    trouble of another database on the same day leads the search astray.

    https://discuss.circleci.com/t/post-incident-report-april-4-2025-circleci-ui-loading-build-triggering-issues/53208
    """
    s, o, *rest = shop(w, count=4, db=True, alb="own")
    if not o.db:
        o.rds = w.add(f"{o.name}-rds", "rds", service=o.name)
        o.db = w.add(f"{o.name}-db", "postgres", o.rds, service=o.name)
        w.need(o.ecs, o.db)
    acl = w.add(f"{s.name}-acl", "waf_acl", service=s.name)
    cdn = w.add(f"{s.name}-cdn", "cloudfront", acl, s.alb, service=s.name)
    ch = w.change("wafv2.rule", acl, -30, "rule set to block", actor="operator")
    w.ill(acl, "WAF_BLOCK_SURGE", C, 0)
    w.ill(acl, "WAF_FALSE_POSITIVE_SUSPECTED", W, 30)
    w.ill(cdn, "CF_4XX_SURGE", w.rng.choice([W, C]), 10)
    w.ill(s.alb, "ALB_TRAFFIC_DROP", w.rng.choice([W, C]), 60)
    w.ill(o.rds, "RDS_IO_SATURATED", C, -400)
    if w.targets[o.db].kind == "postgres":
        w.ill(o.db, "PG_QRY_REGRESSED", W, -400, subject="queryid 12")
    else:
        w.ill(o.db, "MY_QRY_REGRESSED", W, -400, subject="digest 12")
    edge(w, o, -380, what="slow")
    unrelated_deploy(w, [s, *rest], -500)
    groups = (frozenset({acl, ch}), frozenset(o.dbs))
    return ok(acl, ch, *o.dbs, all_of=groups)


@template("two incidents", "ours")
def peak_of_a_game(w: World) -> Truth:
    """At a record of players the writes of matchmaking queue in its database, and elsewhere a
    memcached that answers too late holds all workers of the proxy before the accounts.

    https://web.archive.org/web/20220430011642/https://www.epicgames.com/fortnite/en-US/news/postmortem-of-service-outage-at-3-4m-ccu
    """
    s, accounts, *rest = shop(w, count=4, engine="mysql", db=True, alb="own")
    mem = w.add(f"{accounts.name}-memcached", "memcached", service=accounts.name)
    w.need(accounts.ecs, mem)
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", W, -600)
    w.ill(s.db, "MY_SAT_RUNNING", H, 0)
    w.ill(s.db, "MY_LOCK_ROW", C, 10)
    w.ill(s.rds, "RDS_IO_SATURATED", w.rng.choice([W, C]), 60)
    edge(w, s, 20, what="504")
    later = w.rng.uniform(-100, 100)
    w.ill(mem, w.rng.choice(["MC_SAT_CONNECTIONS", "MC_MUTE"]), C, later)
    edge(w, accounts, later + 20, what=w.rng.choice(["503", "504"]))
    unrelated_deploy(w, [s, *rest], -900)
    groups = (frozenset(s.dbs), frozenset({mem}))
    return ok(*s.dbs, mem, all_of=groups)


@template("two incidents", "aside")
def phone_calls_and_the_builder(w: World) -> Truth:
    """An outage of a large provider reaches us twice: calls to the telephone company fail and the
    notifications behind them pile up, and releases hang on an image that cannot be had.

    https://incident.io/blog/service-disruption-october-20th-2025
    """
    s, *rest = shop(w, db=True, ext=False, alb="own")
    f = flow(w, "webhooks")
    phone = w.add("telephone-company", "endpoint", service=f.name)
    w.need(f.worker, phone)
    images = w.add("image-registry", "endpoint", service="builds")
    w.need(s.ecs, images)
    w.opened = max(w.opened, 600)
    w.ill(phone, "NET_HTTP_5XX", w.rng.choice([H, C]), 0)
    w.ill(phone, "DEP_EXTERNAL", H, 0)
    w.ill(f.worker, "LAMBDA_ERROR_RATE", w.rng.choice([W, C]), 60)
    w.ill(f.queue, "SQS_OLDEST_MESSAGE", C, 300)
    w.change("ecs.deployment", s.ecs, 100, f"deployment of {s.ecs}:91")
    w.ill(images, "NET_HTTP_5XX", w.rng.choice([H, C]), 20)
    w.ill(s.ecs, "ECS_IMAGE_PULL_FAILED", C, 140)
    w.ill(s.ecs, "ECS_DEPLOYMENT_STUCK", W, 400)
    unrelated_deploy(w, [s, *rest], -500)
    groups = (frozenset({phone}), frozenset({images, s.ecs}))
    return ok(phone, images, s.ecs, all_of=groups)
