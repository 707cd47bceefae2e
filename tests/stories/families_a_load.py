"""Cascades by load, and retry storms."""

from __future__ import annotations

from tests.stories.parts import (
    at_api,
    aws_event,
    flow,
    maybe,
    pooler,
    queue_of,
    told_by,
)
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import INFO, C, H, Truth, W, World, ok, template


@template("cascade by load", "ours")
def dashboard_asks_without_end(w: World) -> Truth:
    """A new dashboard asks the tenant API again and again, and that service drowns while it is
    itself being released.

    https://blog.cloudflare.com/deep-dive-into-cloudflares-sept-12-dashboard-and-api-outage/
    """
    s, tenant, *_ = shop(w, count=4, db=True, alb="own")
    link = w.add(f"{tenant.name}-internal", "endpoint", tenant.alb, service=tenant.name)
    w.need(s.ecs, link)
    ch = w.change("ecs.deployment", s.ecs, -5100, f"deployment of {s.ecs}:61")
    w.change("ecs.deployment", tenant.ecs, -420, f"deployment of {tenant.ecs}:18")
    w.ill(tenant.alb, "ALB_TRAFFIC_SURGE", W, -4800)
    w.ill(tenant.ecs, "ECS_CPU_SATURATED", C, 0)
    w.ill(link, "NET_HTTP_5XX", H, 30)
    edge(w, tenant, 20, what="5xx")
    edge(w, s, 50, what="5xx", tg=False)
    return ok(s.ecs, ch, trigger=ch)


@template("cascade by load", "aside")
def campaign_that_may_not_grow(w: World) -> Truth:
    """A campaign brings a spike, and the cluster's settings keep more copies from starting though
    there is hardware.

    https://allegro.tech/2018/08/postmortem-why-allegro-went-down.html
    """
    s, *rest = shop(w, db=True, cache=True)
    cluster = w.add("main-cluster", "ecs_cluster")
    for each in (s, *rest):
        w.need(each.ecs, cluster)
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", w.rng.choice([W, C]), -240)
    w.ill(cluster, "ECS_CLUSTER_FULL", w.rng.choice([W, C]), 0)
    w.ill(cluster, "ECS_TASKS_PENDING", W, 20)
    w.ill(s.ecs, "ECS_PLACEMENT_FAILED", C, 10)
    w.ill(s.ecs, "ECS_CPU_SATURATED", W, -60)
    edge(w, s, 60, what=w.rng.choice(["slow", "504"]), ecs=False)
    if s.db and maybe(w, 0.5):
        w.ill(s.rds, "RDS_CONNECTIONS_HIGH", W, 100)
    bad = unrelated_deploy(w, [s, *rest], -200)
    return ok(cluster, s.ecs, wrong_change=bad)


@template("cascade by load", "ours")
def flood_of_hooks(w: World) -> Truth:
    """A code host comes back after its own outage and sends all of its hooks at once; the database
    under the build queue locks up.

    https://circleci.statuspage.io/incidents/hr0mm9xmm3x6
    """
    s, hooks, *rest = shop(w, count=4, db=True, alb="own")
    w.need(hooks.ecs, s.db)
    queue = queue_of(w, s, name="builds")
    w.ill(hooks.alb, "ALB_TRAFFIC_SURGE", w.rng.choice([W, C]), -90)
    w.ill(s.rds, "RDS_LOAD_HIGH", w.rng.choice([W, C]), 40)
    w.ill(s.rds, "RDS_CPU_HIGH", C, 80)
    w.ill(s.db, "PG_WAIT_DOMINANT", W, 40)
    w.ill(s.db, "PG_LOCK_BLOCKED", H, 60, subject="pid 4120")
    w.ill(s.db, "PG_SAT_CONNECTIONS", C, 100)
    w.ill(queue, "SQS_BACKLOG_GROWING", W, 60)
    edge(w, s, 60, what="504")
    if maybe(w, 0.5):
        edge(w, hooks, 90, what="5xx", hard=False, tg=False)
    bad = unrelated_deploy(w, [s, *rest], -700)
    return ok(hooks.alb, s.db, s.rds, wrong_change=bad)


@template("cascade by load", "aside")
def costly_statuses(w: World) -> Truth:
    """A release of half a day ago computes statuses at great cost once a certain condition is met;
    the service scales out, and its copies take all connections of the database.

    https://status.circleci.com/incidents/63xvc5hp49yk
    """
    s, *rest = shop(w, db=True, alb="own")
    w.opened = 2400 + w.rng.uniform(0, 900)
    ch = w.change("ecs.deployment", s.ecs, -43_000, f"deployment of {s.ecs}:310")
    grown = ""
    for n in range(3):
        grown = w.change(
            "ecs.scaling",
            s.ecs,
            150 + n * 320,
            f"set desired {8 + 6 * n}",
            actor="Application Auto Scaling",
        )
    w.ill(s.ecs, "ECS_CPU_SATURATED", w.rng.choice([W, C]), 0)
    w.ill(s.ecs, "ECS_AUTOSCALING_AT_MAX", W, 900)
    w.ill(s.rds, "RDS_CONNECTIONS_HIGH", C, 1000)
    w.ill(s.db, "PG_SAT_CONNECTIONS", C, 1200)
    edge(w, s, 300, what=w.rng.choice(["slow", "504"]))
    bad = unrelated_deploy(w, [s, *rest], -300)
    return ok(s.ecs, ch, grown, wrong_change=bad)


@template("cascade by load", "ours")
def telemetry_asks_from_every_host(w: World) -> Truth:
    """A new telemetry agent asks the control plane from every host; names are cached, so everything
    fails only twenty minutes later, when they run out.

    https://status.openai.com/incidents/ctrsv3lwd797
    """
    s, o, *rest = shop(w, count=5, db=True)
    w.opened = 1350 + w.rng.uniform(0, 300)
    registry = w.add("service-registry", "ecs_service", service="platform")
    names = w.add("discovery", "endpoint", registry, service="platform")
    agent = w.add("telemetry-agent", "ecs_service", names, service="telemetry")
    for each in (s, o, *rest):
        w.need(each.ecs, names)
    ch = w.change("ecs.deployment", agent, 0, f"deployment of {agent}:1")
    w.ill(registry, "ECS_CPU_SATURATED", w.rng.choice([W, C]), 120)
    w.ill(registry, "ECS_HEALTH_CHECK_KILLS", C, 240)
    w.ill(names, "NET_DNS_TIMEOUT", H, 1200)
    edge(w, s, 1220, what="5xx")
    edge(w, o, 1230, what="504")
    bad = unrelated_deploy(w, [s, *rest], 900)
    return ok(agent, ch, trigger=ch, wrong_change=bad)


@template("cascade by load", "aside")
def first_monday(w: World) -> Truth:
    """On the first working day the provider's gateway between the networks is too small: packets
    are lost, the web tier looks idle and is scaled in, then out, and new hosts do not come up.

    https://slack.engineering/slacks-outage-on-january-4th-2021/
    """
    s, o, *rest = shop(w, count=4, db=True, alb="shared", ext=False)
    group = w.add(f"{s.name}-group", "autoscaling_group", service=s.name)
    link = w.add(f"{o.name}-across", "endpoint", o.alb, service=o.name)
    w.need(s.ecs, group, link)
    w.change("autoscaling.scaling", group, 400, "desired 40 to 22", actor="autoscaling")
    w.change("autoscaling.scaling", group, 1500, "desired 22 to 140", actor="operator")
    w.opened = 1700 + w.rng.uniform(0, 600)
    w.ill(link, "NET_TCP_LOSS", H, 60)
    w.ill(link, "NET_HTTP_SLOW", H, 60)
    w.ill(group, "ASG_SCALED_RECENTLY", INFO, 400)
    w.ill(group, "ASG_LAUNCH_FAILING", W, 1560)
    edge(w, s, 120, what="504")
    edge(w, o, 150, what="slow", tg=False)
    unrelated_deploy(w, [s, *rest], -2500)
    return ok(link, abstain=True, note="the saturated gateway is not looked at")


@template("retry storm", "ours")
def sign_in_retries_at_once(w: World) -> Truth:
    """A neighbour's release is slow for a moment; the sign-in service then repeats its transactions
    up to five hundred times without a pause, and its Redis stays full after the roll-back.

    https://medium.com/square-corner-blog/incident-summary-2017-03-16-2f65be39297
    """
    s, roster, *rest = shop(w, count=4, cache=True, db=False, alb="own")
    w.need(s.ecs, roster.ecs)
    w.opened = 1500 + w.rng.uniform(0, 600)
    ch = w.change("ecs.deployment", roster.ecs, -30, f"deployment of {roster.ecs}:88")
    w.change("ecs.deployment", roster.ecs, 900, f"deployment of {roster.ecs}:89 (rollback)")
    w.ill(roster.alb, "ALB_LATENCY_HIGH", W, 0, until=960, subject=roster.tg)
    w.ill(s.cache, "RD_CPU_ENGINE", H, 60)
    w.ill(s.cache, "RD_LAT_SLOW", W, 60)
    w.ill(s.ec, "CACHE_CPU_HIGH", w.rng.choice([W, C]), 120)
    w.ill(s.ecs, "ECS_CPU_SATURATED", W, 100)
    edge(w, s, 60, what="504")
    for other in rest:
        w.need(other.ecs, s.ecs)
        edge(w, other, 120, what="5xx", hard=False, tg=False)
    return ok(s.cache, s.ec, s.ecs, roster.ecs, ch, trigger=ch)


@template("retry storm", "aside")
def old_clients_ask_on(w: World) -> Truth:
    """A small service of counts is unhealthy since a new feature uses it too; old clients ask again
    without a pause, and the access points before it fill.

    https://labs.spotify.com/2013/06/04/incident-management-at-spotify/
    """
    access, counts, feature, *_ = shop(w, count=4, db=False, cache=False, alb="own")
    w.need(access.ecs, counts.ecs)
    w.need(feature.ecs, counts.ecs)
    w.change("ecs.deployment", feature.ecs, -5 * 86_400, f"deployment of {feature.ecs}:20")
    w.ill(counts.ecs, "ECS_CPU_SATURATED", W, 0)
    w.ill(counts.ecs, "ECS_TASKS_UNHEALTHY", W, 30)
    edge(w, counts, 20, what="slow")
    w.ill(access.alb, "ALB_TRAFFIC_SURGE", W, 60)
    w.ill(access.ecs, "ECS_CPU_SATURATED", W, 100)
    edge(w, access, 60, what="504")
    edge(w, feature, 60, what="5xx", hard=False, tg=False)
    bad = w.change("ecs.deployment", access.ecs, 300, f"deployment of {access.ecs}:5")
    w.opened = max(w.opened, 420)
    return ok(counts.ecs, wrong_change=bad)


@template("retry storm", "ours")
def storage_asks_for_membership(w: World) -> Truth:
    """After a blip of the network all storage nodes ask the metadata service at once, their time
    limit is shorter than its answer, and they ask again.

    https://aws.amazon.com/message/5467D2/
    """
    s, meta, *rest = shop(w, count=4, db=False, table=True, alb="own")
    link = w.add(f"{meta.name}-internal", "endpoint", meta.alb, service=meta.name)
    w.need(s.ecs, link)
    w.opened = 1200 + w.rng.uniform(0, 900)
    w.ill(meta.alb, "ALB_TRAFFIC_SURGE", w.rng.choice([W, C]), 30)
    w.ill(meta.ecs, "ECS_CPU_SATURATED", w.rng.choice([W, C]), 30)
    w.ill(meta.ecs, "ECS_AUTOSCALING_AT_MAX", W, 300)
    edge(w, meta, 20, what="slow", ecs=False)
    w.ill(link, "NET_HTTP_SLOW", H, 30)
    edge(w, s, 60, what="5xx")
    bad = unrelated_deploy(w, [s, *rest], 700)
    return ok(meta.ecs, meta.alb, wrong_change=bad)


@template("retry storm", "aside")
def proxies_restarted_at_noon(w: World) -> Truth:
    """Proxies are restarted at a busy hour; all clients come back at once, handshakes take the
    processors, clients give up before they are through and begin anew.

    https://www.figma.com/blog/postmortem-service-disruption-april-29-2020/
    """
    s, *rest = shop(w, db=True, cache=True, front=True, alb="own")
    ch = w.change("ecs.deployment", s.ecs, 0, f"deployment of {s.ecs}:12")
    w.ill(s.ecs, "ECS_CPU_SATURATED", w.rng.choice([W, C]), 40)
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", W, 30)
    w.ill(s.front, "NET_TLS_SLOW", W, 40)
    edge(w, s, 40, what="504")
    if maybe(w, 0.5):
        w.ill(s.rds, "RDS_CONNECTIONS_HIGH", W, 120)
    if maybe(w, 0.5):
        unrelated_deploy(w, [s, *rest], -400)
    return ok(s.ecs, ch, trigger=ch)


@template("retry storm", "ours")
def requests_wait_for_connections(w: World) -> Truth:
    """A surge is over, but the requests that it left waiting for a connection keep the database
    from ever catching up; the release of last week is taken for the cause.

    https://status.duo.com/incidents/4w07bmvnt359
    """
    s, *rest = shop(w, db=True, alb="own")
    bouncer = pooler(w, s)
    w.opened = 1300 + w.rng.uniform(0, 600)
    bad = w.change("ecs.deployment", s.ecs, -9 * 86_400, f"deployment of {s.ecs}:70")
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", W, -200, until=500)
    w.ill(s.db, "PG_SAT_CONNECTIONS", C, 30)
    w.ill(s.rds, "RDS_CPU_HIGH", w.rng.choice([W, C]), 60)
    w.ill(s.rds, "RDS_LOAD_HIGH", w.rng.choice([W, C]), 60)
    w.ill(bouncer, "PGB_WAITING", C, 40)
    edge(w, s, 40, what="504")
    unrelated_deploy(w, [s, *rest], 600)
    return ok(s.db, s.rds, s.ecs, wrong_change=bad)


@template("retry storm", "aside")
def clients_that_do_not_back_off(w: World) -> Truth:
    """A scaling inside AWS makes its clients connect without backing off, and the devices between
    its networks stay congested: calls to it are slow or fail, what runs goes on.

    https://aws.amazon.com/message/12721/
    """
    s, *rest = shop(w, db=True, cache=True)
    f = flow(w)
    w.opened = 1800 + w.rng.uniform(0, 1800)
    event = aws_event(w, 1200)
    at_api(w, f, 60, what=w.rng.choice(["5xx", "504"]))
    w.ill(f.fn, "LAMBDA_DURATION_NEAR_TIMEOUT", W, 90)
    w.ill(f.queue, "SQS_OLDEST_MESSAGE", W, 400)
    w.ill(s.ecs, "ECS_RESOURCE_INIT_FAILED", C, 200)
    if maybe(w, 0.5):
        edge(w, s, 300, what="5xx", hard=False, tg=False)
    unrelated_deploy(w, [s, *rest], -800)
    return told_by(event)
