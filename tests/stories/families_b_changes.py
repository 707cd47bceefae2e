"""Bad deployments, and what is pushed without one: settings, flags, rules."""

from __future__ import annotations

from tests.stories.parts import at_api, flow, link, maybe, released, trail
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import INFO, C, H, Truth, W, World, ok, template


@template("bad deployment", "ours")
def wrong_address_of_downloads(w: World) -> Truth:
    """A release joins the address of a file wrongly: the service redirects without an error, and
    every download ends at an edge that has no such file.

    https://blog.rust-lang.org/inside-rust/2023/07/21/crates-io-postmortem.html
    """
    s, *rest = shop(w, db=True, alb="own")
    bucket = w.add(f"{s.name}-files", "s3_bucket", service=s.name)
    cdn = w.add(f"{s.name}-cdn", "cloudfront", bucket, service=s.name)
    download = w.add(f"{s.name}-download", "endpoint", s.alb, cdn, service=s.name)
    ch = w.change("ecs.deployment", s.ecs, -40, f"deployment of {s.ecs}:219")
    w.ill(download, w.rng.choice(["NET_HTTP_REDIRECT_DEAD", "NET_HTTP_FAILING"]), H, 10)
    w.ill(cdn, "CF_4XX_SURGE", w.rng.choice([W, C]), 80)
    if maybe(w, 0.6):
        w.ill(bucket, "S3_4XX_RATE", w.rng.choice([W, C]), 120)
    if maybe(w, 0.5):
        w.ill(s.alb, "ALB_TRAFFIC_SURGE", W, 120)
    unrelated_deploy(w, [s, *rest], -500)
    return ok(s.ecs, ch, trigger=ch)


@template("bad deployment", "aside")
def tokens_that_are_no_more_valid(w: World) -> Truth:
    """A release that notes when a token was last used writes over all else that is known of it; the
    service of tokens is well, and everybody who shows one is turned away.

    https://blog.cloudflare.com/cloudflare-incident-on-january-24th-2023/
    """
    s, a, b, *rest = shop(w, count=5, db=True, alb="own")
    link(w, s, a, b)
    lines = w.add(f"{a.name}-lines", "log_group", service=a.name)
    ch = w.change("ecs.deployment", s.ecs, -60, f"deployment of {s.ecs}:33")
    w.ill(a.alb, "ALB_4XX_SURGE", W, 40, subject=a.tg)
    w.ill(b.alb, "ALB_4XX_SURGE", W, 50, subject=b.tg)
    w.ill(lines, "LOG_ACCESS_DENIED", C, 40, subject=a.name)
    edge(w, a, 90, what="5xx", hard=False, tg=False)
    bad = w.change("ecs.deployment", rest[0].ecs, -200, f"deployment of {rest[0].ecs}:8")
    return ok(s.ecs, ch, trigger=ch, wrong_change=bad)


@template("bad deployment", "ours")
def old_code_wakes_up(w: World) -> Truth:
    """A release reached seven of eight hosts; when the market opens, a flag that once meant something
    else makes the eighth send orders without end, and going back spreads the old code.

    https://dougseven.com/2014/04/17/knightmare-a-devops-cautionary-tale/
    """
    s, *rest = shop(w, ext=True, db=True, alb="own")
    orders = w.add(f"{s.name}-orders", "kinesis_stream", service=s.name)
    series = w.add("orders-a-minute", "metric", service=s.name)
    w.need(s.ecs, orders)
    w.opened = 900 + w.rng.uniform(0, 900)
    ch = w.change("ecs.deployment", s.ecs, -50_000, f"deployment of {s.ecs}:19")
    flag = trail(w, "appconfig.flag", s.ecs, 0, "StartDeployment of flags", actor="operator")
    w.ill(series, "METRIC_ANOMALY", W, 60)
    w.ill(orders, "KINESIS_CAPACITY_HIGH", w.rng.choice([W, C]), 120)
    w.ill(orders, "KINESIS_WRITES_THROTTLED", W, 180)
    w.ill(s.ecs, "ECS_CPU_SATURATED", W, 100)
    if maybe(w, 0.6):
        w.ill(s.ext, "NET_HTTP_4XX", W, 300)
    bad = unrelated_deploy(w, [s, *rest], -400)
    return ok(s.ecs, ch, flag, wrong_change=bad)


@template("bad deployment", "aside")
def code_before_its_settings(w: World) -> Truth:
    """New code goes live that needs variables which were set and never reached it.

    https://blog.heroku.com/how-i-broke-git-push-heroku-main
    """
    s, *rest = shop(w, db=True)
    f = flow(w)
    ch = released(w, f.fn, -30)
    w.ill(f.fn, "LAMBDA_ALL_FAILING", C, 20)
    if f.logs:
        w.ill(f.logs, "LOG_NEW_PATTERN", W, 20)
    at_api(w, f, 30, what="5xx")
    if maybe(w, 0.5):
        w.ill(f.queue, "SQS_TRAFFIC_STOPPED", W, 400)
    bad = unrelated_deploy(w, [s, *rest], -90)
    return ok(f.fn, ch, trigger=ch, wrong_change=bad)


@template("config push", "ours")
def file_twice_as_large(w: World) -> Truth:
    """A grant in a database makes a job write its file twice as large; every proxy that reads it
    dies, by turns with a good one every five minutes, and it is taken for an attack.

    https://blog.cloudflare.com/18-november-2025-outage/
    """
    s, o, *rest = shop(w, count=4, db=False, alb="shared")
    store = w.add("features-db", "postgres", service="features")
    bucket = w.add("features-files", "s3_bucket", service="features")
    job = w.add("features-job", "lambda_function", store, bucket, service="features")
    proxy = w.add("edge-proxy", "ecs_service", bucket, service="edge")
    lines = w.add("edge-lines", "log_group", service="edge")
    wall = w.add("edge-wall", "waf_acl", service="edge")
    w.need("edge-alb", proxy)
    w.ill(proxy, "ECS_CRASH_LOOP", C, 30, subject=f"{proxy}:12")
    w.ill(proxy, "ECS_TASKS_BELOW_DESIRED", C, 60)
    w.ill(lines, "LOG_NEW_PATTERN", W, 20)
    if maybe(w, 0.5):
        w.ill(wall, "WAF_BLOCK_SURGE", W, 120)
    w.ill(s.alb, "ALB_5XX_ELB_RATE", C, 40)
    edge(w, o, 60, what="502", hard=False, tg=False)
    bad = unrelated_deploy(w, [s, *rest], -500)
    return ok(proxy, bucket, job, wrong_change=bad)


@template("config push", "aside")
def one_expensive_expression(w: World) -> Truth:
    """A rule with an expression that backtracks is pushed to all proxies at once, and each of them
    works on it with all it has.

    https://blog.cloudflare.com/details-of-the-cloudflare-outage-on-july-2-2019/
    """
    s, *rest = shop(w, db=True, cache=True, front=True, alb="own")
    ch = trail(w, "appconfig.flag", s.ecs, -20, "StartDeployment of rules", actor="ci")
    w.ill(s.ecs, "ECS_CPU_SATURATED", C, 20)
    w.ill(s.alb, "ALB_TRAFFIC_DROP", W, 180)
    edge(w, s, 20, what="502")
    bad = w.change("ecs.deployment", s.ecs, -3000, f"deployment of {s.ecs}:90")
    unrelated_deploy(w, [s, *rest], -200)
    return ok(s.ecs, ch, trigger=ch, wrong_change=bad)


@template("config push", "ours")
def policy_with_empty_fields(w: World) -> Truth:
    """A policy with empty fields is written to a table that is copied everywhere; code that came two
    weeks before dies on it, and when all its copies start again they drown the table.

    https://status.cloud.google.com/incidents/ow5i3PPK96RduMcb1SsW
    """
    s, a, b, *rest = shop(w, count=5, table=True, db=False, alb="own")
    link(w, s, a, b)
    w.opened = 700 + w.rng.uniform(0, 1500)
    old = w.change("ecs.deployment", s.ecs, -14 * 86_400, f"deployment of {s.ecs}:7")
    w.ill(s.ecs, "ECS_CRASH_LOOP", C, 10, subject=f"{s.ecs}:7")
    w.ill(s.ecs, "ECS_SERVICE_DOWN", C, 40)
    if maybe(w, 0.5):
        w.ill(s.table, "DDB_THROTTLED_PROVISIONED", w.rng.choice([W, C]), 900, subject="read")
    edge(w, s, 20, what="503", ecs=False)
    edge(w, a, 40, what="5xx", tg=False)
    edge(w, b, 40, what="5xx", tg=False)
    bad = w.change("ecs.deployment", rest[0].ecs, -120, f"deployment of {rest[0].ecs}:55")
    return ok(s.ecs, old, wrong_change=bad)


@template("config push", "aside")
def flag_that_never_comes_back(w: World) -> Truth:
    """A flag is turned on whose check falls into a loop; no look sees flags, and the release of the
    same hour is taken back in vain.

    https://hackernoon.com/that-time-a-dormant-bug-came-alive-and-everything-went-wrong-at-the-same-time-9669b289dece
    """
    s, *rest = shop(w, cache=True, db=True, alb="own")
    w.opened = 500 + w.rng.uniform(0, 400)
    w.change("ecs.deployment", s.ecs, -1500, f"deployment of {s.ecs}:41")
    bad = w.change("ecs.deployment", s.ecs, 420, f"deployment of {s.ecs}:42 (rollback)")
    w.ill(s.ecs, "ECS_CPU_SATURATED", C, 30)
    edge(w, s, 20, what=w.rng.choice(["503", "504"]))
    if maybe(w, 0.4):
        w.ill(s.ec, "CACHE_CONNECTIONS_HIGH", W, 200)
    unrelated_deploy(w, [s, *rest], -300)
    return ok(s.ecs, wrong_change=bad)


@template("config push", "ours")
def databases_that_answer_no_pings(w: World) -> Truth:
    """A setting changes what databases answer to the pings of those who route to them: they are well,
    and are taken for dead.

    https://github.blog/news-insights/company-news/github-availability-report-august-2024/
    """
    s, o, *rest = shop(w, count=4, db=True, alb="own")
    w.need(o.ecs, s.db)
    ch = trail(w, "rds.parameter_group", s.rds, -60, "ModifyDBParameterGroup")
    w.ill(s.rds, "RDS_PROXY_TARGET_UNAVAILABLE", C, 10, subject="read-only")
    w.ill(s.rds, "RDS_CONNECTIONS_COLLAPSED", H, 90)
    edge(w, s, 20, what="5xx")
    edge(w, o, 30, what="5xx", tg=False)
    if maybe(w, 0.5):
        w.ill(s.cache or s.alb, "RD_CACHE_HIT" if s.cache else "ALB_LATENCY_HIGH", W, 60)
    bad = unrelated_deploy(w, [s, *rest], -300)
    return ok(s.rds, s.db, ch, trigger=ch, wrong_change=bad)


@template("config push", "aside")
def client_that_watches_all_names(w: World) -> Truth:
    """One client is set to ask the registry of services for everything; when a thing that it needs
    goes down it asks without end, and nobody finds anybody any more.

    https://www.datadoghq.com/blog/2020-09-25-infrastructure-connectivity-issue/
    """
    s, o, client, *rest = shop(w, count=5, db=True, alb="own")
    registry = w.add("registry", "ecs_service", service="platform")
    names = w.add("discovery", "endpoint", registry, service="platform")
    for each in (s, o, client):
        w.need(each.ecs, names)
    w.opened = 700 + w.rng.uniform(0, 600)
    ch = w.change("ecs.deployment", client.ecs, -35 * 60, f"deployment of {client.ecs}:3")
    w.ill(client.ecs, "ECS_SERVICE_DOWN", C, 0)
    w.ill(client.alb, "ALB_503_NO_TARGETS", C, 40, subject=client.tg)
    w.ill(registry, "ECS_CPU_SATURATED", C, 90)
    w.ill(names, "NET_DNS_SLOW", W, 90)
    w.ill(names, "NET_HTTP_SLOW", W, 90)
    edge(w, s, 140, what="5xx")
    edge(w, o, 150, what="504", hard=False)
    w.ill(rest[0].ecs, "ECS_SINGLE_TASK", INFO, -90_000)
    bad = w.change("ecs.deployment", rest[0].ecs, -60, f"deployment of {rest[0].ecs}:27")
    return ok(client.ecs, ch, registry, wrong_change=bad)
