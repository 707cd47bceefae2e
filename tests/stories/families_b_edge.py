"""The edge, causes out of sight, and times when only warnings are open."""

from __future__ import annotations

from tests.stories.parts import aws_event, flow, link, maybe, queue_of, told_by, trail
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import INFO, C, H, Truth, W, World, ok, template


@template("edge", "ours")
def backend_that_is_forgotten(w: World) -> Truth:
    """A change at the delivery network makes requests begin anew, and at the second try they go to
    the first of all origins, which holds something else.

    https://blog.npmjs.org/post/74949623024/2014-01-28-outage-postmortem.html
    """
    s, *rest = shop(w, db=True, alb="own")
    bucket = w.add(f"{s.name}-files", "s3_bucket", service=s.name)
    cdn = w.add(f"{s.name}-cdn", "cloudfront", s.alb, bucket, service=s.name)
    front = w.add(f"{s.name}-site", "endpoint", cdn, service=s.name)
    ch = trail(w, "cloudfront.distribution", cdn, -120, "UpdateDistribution", actor="operator")
    w.ill(cdn, w.rng.choice(["CF_5XX_RATE", "CF_4XX_SURGE"]), C, 60)
    w.ill(bucket, "S3_4XX_RATE", w.rng.choice([W, C]), 90)
    w.ill(front, "NET_HTTP_FAILING", H, 0)
    w.ill(s.alb, "ALB_TRAFFIC_DROP", W, 200)
    bad = w.change("ecs.deployment", s.ecs, -900, f"deployment of {s.ecs}:10")
    unrelated_deploy(w, [s, *rest], -60)
    return ok(cdn, ch, trigger=ch, wrong_change=bad)


@template("edge", "aside")
def protection_that_knows_the_wrong_ones(w: World) -> Truth:
    """What should keep robots out holds the downloads of one sort of system; looked at from here all
    is well, and only some customers wait.

    https://www.docker.com/blog/docker-hub-incident-review-5-july-2020/
    """
    s, *rest = shop(w, db=True, alb="own")
    wall = w.add(f"{s.name}-wall", "waf_acl", service=s.name)
    cdn = w.add(f"{s.name}-cdn", "cloudfront", s.alb, wall, service=s.name)
    w.opened = 1200 + w.rng.uniform(0, 2400)
    w.ill(wall, "WAF_BLOCK_SURGE", w.rng.choice([W, C]), 60)
    if maybe(w, 0.6):
        w.ill(wall, "WAF_FALSE_POSITIVE_SUSPECTED", W, 120)
    if maybe(w, 0.6):
        w.ill(cdn, "CF_4XX_SURGE", W, 120)
    bad = w.change("ecs.deployment", s.ecs, -1500, f"deployment of {s.ecs}:37")
    unrelated_deploy(w, [s, *rest], -100)
    return ok(wall, wrong_change=bad)


@template("edge", "ours")
def home_page_is_the_check(w: World) -> Truth:
    """One post on the home page costs an expression all of a processor, and the balancer's check asks
    just that page: it takes away one server after the other.

    https://stackstatus.net/post/147710624694/outage-postmortem-july-20-2016
    """
    s, *rest = shop(w, db=True, front=True, alb="own")
    w.ill(s.ecs, "ECS_CPU_SATURATED", w.rng.choice([W, C]), 0)
    w.ill(s.tg, "TG_UNHEALTHY_TARGETS", C, 40)
    w.ill(s.tg, w.rng.choice(["TG_FAIL_OPEN", "TG_NO_HEALTHY_TARGETS"]), C, 80)
    w.ill(s.ecs, "ECS_HEALTH_CHECK_KILLS", C, 120)
    edge(w, s, 40, what=w.rng.choice(["504", "502"]), tg=False)
    if maybe(w, 0.4):
        w.ill(s.tg, "TG_HEALTH_CHECK_FRAGILE", INFO, -300_000)
    bad = w.change("ecs.deployment", s.ecs, -2400, f"deployment of {s.ecs}:58")
    unrelated_deploy(w, [s, *rest], -200)
    return ok(s.ecs, wrong_change=bad)


@template("edge", "aside")
def flood_from_outside(w: World) -> Truth:
    """Somebody sends a flood that no line can take; it is led by others who wash it, and ends.

    https://githubengineering.com/ddos-incident-report/
    """
    s, *rest = shop(w, db=True, front=True, alb="own")
    wall = w.add(f"{s.name}-wall", "waf_acl", service=s.name)
    w.need(s.alb, wall)
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", C, 0)
    w.ill(wall, "TRAFFIC_FROM_FEW_SOURCES", w.rng.choice([W, C]), 30)
    if maybe(w, 0.6):
        w.ill(wall, "WAF_BLOCK_SURGE", w.rng.choice([W, C]), 60)
    w.ill(s.alb, "ALB_CONNECTIONS_REJECTED", C, 40)
    w.ill(s.ecs, "ECS_CPU_SATURATED", w.rng.choice([W, C]), 90)
    edge(w, s, 40, what=w.rng.choice(["504", "slow"]))
    bad = w.change("ecs.deployment", s.ecs, -700, f"deployment of {s.ecs}:9")
    unrelated_deploy(w, [s, *rest], -150)
    return ok(s.alb, wall, wrong_change=bad)


@template("edge", "ours")
def game_for_everybody(w: World) -> Truth:
    """A game is turned on for all visitors, and each of them now asks on and on: the house attacks its
    own balancers.

    https://stackstatus.net/post/115305251014/outage-postmortem-march-31-2015
    """
    s, *rest = shop(w, db=True, cache=True, front=True, alb="own")
    w.opened = 500 + w.rng.uniform(0, 600)
    ch = w.change("ecs.deployment", s.ecs, -120, f"deployment of {s.ecs}:101")
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", C, 0)
    w.ill(s.alb, "ALB_CONNECTIONS_REJECTED", C, 120)
    w.ill(s.front, w.rng.choice(["NET_TLS_SLOW", "NET_HTTP_SLOW"]), W, 60)
    w.ill(s.ecs, "ECS_CPU_SATURATED", W, 100)
    edge(w, s, 100, what=w.rng.choice(["504", "slow"]), tg=False)
    unrelated_deploy(w, [s, *rest], -400)
    return ok(s.ecs, s.alb, ch, trigger=ch)


@template("edge", "aside")
def not_found_for_everything(w: World) -> Truth:
    """A race inside the provider lets its balancers work without their settings: every page is not
    found for some minutes, and what stands behind them has nothing to do.

    https://status.cloud.google.com/incidents/6PM5mNd43NbMqjCZ5REh
    """
    s, *rest = shop(w, db=True, alb="own")
    cdn = w.add(f"{s.name}-cdn", "cloudfront", s.alb, service=s.name)
    front = w.add(f"{s.name}-site", "endpoint", cdn, service=s.name)
    event = aws_event(w, 1200)
    w.opened = (1300 if event else 300) + w.rng.uniform(0, 600)
    w.ill(cdn, "CF_4XX_SURGE", C, 60)
    w.ill(front, "NET_HTTP_FAILING", H, 5)
    w.ill(s.alb, "ALB_TRAFFIC_DROP", W, 180)
    w.change("ecs.deployment", s.ecs, -400, f"deployment of {s.ecs}:6")
    unrelated_deploy(w, [s, *rest], -100)
    return told_by(event, cdn)


@template("cause out of sight", "ours")
def everybody_asks_what_nobody_watches(w: World) -> Truth:
    """The store by which all services find each other becomes slow under a way of reading that is new
    to it, and no look is pointed at it.

    https://blog.roblox.com/2022/01/roblox-return-to-service-10-28-10-31-2021/
    """
    s, a, b, *rest = shop(w, count=5, db=True, cache=True, alb="own")
    w.opened = 900 + w.rng.uniform(0, 2400)
    for each in (s, a, b):
        edge(w, each, w.rng.uniform(0, 200), what=w.rng.choice(["slow", "504", "5xx"]))
    if s.cache and maybe(w, 0.5):
        w.ill(s.cache, "RD_CACHE_HIT", W, 300)
    unrelated_deploy(w, [s, *rest], -900)
    return ok(abstain=True)


@template("cause out of sight", "aside")
def two_ways_by_one_crossing(w: World) -> Truth:
    """Two sites that should not depend on each other send what they say by one crossing of networks,
    which loses packets; it belongs to neither.

    https://www.pagerduty.com/blog/outage-post-mortem-april-13-2013/
    """
    s, a, b, *rest = shop(w, count=5, db=True, alb="own")
    links = [link(w, a, s, name="site"), link(w, b, s, name="site")]
    for each in links:
        w.ill(each, w.rng.choice(["NET_TCP_LOSS", "NET_TCP_SLOW"]), W, w.rng.uniform(0, 20))
    queue = queue_of(w, s, name="notices")
    w.ill(queue, "SQS_OLDEST_MESSAGE", w.rng.choice([W, C]), 240)
    edge(w, s, 60, what="504")
    unrelated_deploy(w, [s, *rest], -500)
    return ok(*links, abstain=True)


@template("cause out of sight", "ours")
def answers_of_another_shape(w: World) -> Truth:
    """A partner changes what its answers look like and says nothing: it answers fast and without an
    error, and what reads the answers fails.

    https://web.archive.org/web/20230927050430/https://metrist.io/blog/how-we-found-azures-unannounced-breaking-change/
    """
    s, *rest = shop(w, db=True)
    f = flow(w)
    partner = w.add(f"{f.name}-partner", "endpoint", service=f.name)
    w.need(f.worker, partner)
    w.opened = 600 + w.rng.uniform(0, 1800)
    w.ill(f.worker, "LAMBDA_ERROR_RATE", w.rng.choice([W, C]), 0)
    if f.logs:
        w.ill(f.logs, "LOG_NEW_PATTERN", W, 10)
    w.ill(f.queue, "SQS_DEAD_LETTERS", W, 300)
    w.ill(f.queue, "SQS_OLDEST_MESSAGE", w.rng.choice([W, C]), 480)
    unrelated_deploy(w, [s, *rest], -400)
    return ok(partner, f.worker, abstain=True, note="the worker fails by what the partner sends")


@template("cause out of sight", "aside")
def switch_that_half_works(w: World) -> Truth:
    """A switch forwards some packets and not others; those who elect a leader never agree, databases
    are moved and built anew, and the calls that need them are slow for hours.

    https://blog.cloudflare.com/a-byzantine-failure-in-the-real-world/
    """
    s, o, *rest = shop(w, count=4, db=True, alb="own")
    w.opened = 1200 + w.rng.uniform(0, 2400)
    w.change("rds.failover", s.rds, 420, "Multi-AZ instance failover started", actor="AWS")
    w.ill(s.rds, "RDS_FAILOVER_RECENT", W, 420)
    if o.rds:
        w.change("rds.failover", o.rds, 460, "Multi-AZ instance failover started", actor="AWS")
        w.ill(o.rds, "RDS_FAILOVER_RECENT", W, 460)
    if maybe(w, 0.5):
        w.ill(s.db, "PG_WAIT_DOMINANT", W, 700)
    edge(w, s, 20, what=w.rng.choice(["slow", "504"]))
    edge(w, o, 60, what="5xx", hard=False, tg=False)
    unrelated_deploy(w, [s, *rest], -700)
    return ok(abstain=True)


@template("only warnings", "ours")
def only_warnings_one_letter(w: World) -> Truth:
    """Readers of one country cannot type one of their letters since a release of weeks ago; nothing
    measures that.

    https://web.archive.org/web/20160426163728/https://medium.com/medium-eng/the-curious-case-of-disappearing-polish-s-fa398313d4df
    """
    s, *rest = shop(w, db=True, cache=True)
    w.change("ecs.deployment", s.ecs, -20 * 86_400, f"deployment of {s.ecs}:240")
    w.opened = 600
    old = -w.rng.uniform(1, 5) * 86_400
    w.ill(s.rds, "RDS_MAINTENANCE_PENDING", INFO, old)
    w.ill(s.cache, "RD_MEM_FRAG", W, old)
    w.ill(s.tg, "TG_FLAPPING", W, w.rng.uniform(-900, 0))
    unrelated_deploy(w, [s, *rest], -500)
    return ok(abstain=True)


@template("only warnings", "aside")
def only_warnings_filtered_by_carriers(w: World) -> Truth:
    """Carriers of one country filter the messages: all of ours were sent and taken, and fewer arrive.

    https://status.twilio.com/incidents/wdrlk4qps0z1
    """
    s, *rest = shop(w, db=True)
    topic = w.add(f"{s.name}-messages", "sns_topic", service=s.name)
    queue = queue_of(w, s, name="receipts")
    w.need(s.ecs, topic)
    w.opened = 900
    w.ill(topic, "SNS_DELIVERY_FAILING", W, 60)
    if maybe(w, 0.5):
        w.ill(queue, "SQS_DLQ_NOT_EMPTY", INFO, -80_000)
    w.ill(s.rds, "RDS_CPU_HIGH", W, -w.rng.uniform(2, 9) * 3600)
    w.change("ecs.deployment", s.ecs, -700, f"deployment of {s.ecs}:26")
    unrelated_deploy(w, [s, *rest], -200)
    return ok(topic, abstain=True)


@template("only warnings", "ours")
def only_warnings_wrong_weights(w: World) -> Truth:
    """Since the system was made anew some passengers count as children: every sum is wrong, every
    look is green.

    https://assets.publishing.service.gov.uk/media/604f423be90e077fdf88493f/Boeing_737-8K5_G-TAWG_04-21.pdf
    """
    s, *rest = shop(w, db=True, table=True)
    w.opened = 600
    report = w.add("load-sheets", "athena_workgroup", service=s.name)
    w.ill(report, "ATHENA_RESULT_REUSED", INFO, -4000)
    w.change("ecs.deployment", s.ecs, -3 * 86_400, f"deployment of {s.ecs}:2")
    w.ill(s.table, "DDB_AUTOSCALING_BLOCKED", W, -w.rng.uniform(1, 9) * 86_400, subject="read")
    if maybe(w, 0.6):
        w.ill(s.db, "PG_VAC_DEAD", W, -w.rng.uniform(2, 9) * 3600, subject="flights")
    unrelated_deploy(w, [s, *rest], -300)
    return ok(abstain=True)


@template("only warnings", "aside")
def only_warnings_mail_sent_again(w: World) -> Truth:
    """A job mails everybody who waits for mail and notes only at its end who has it; started again
    before that end, it mails them again and again.

    https://gist.github.com/jomo/2bae3821acb433d0446d
    """
    s, *rest = shop(w, db=True)
    queue = queue_of(w, s, name="mails")
    sender = w.add(f"{s.name}-mailer", "lambda_function", queue, service=s.name)
    w.opened = 1800
    w.ill(queue, "SQS_BACKLOG_GROWING", W, 300)
    if maybe(w, 0.5):
        w.ill(sender, "LAMBDA_ASYNC_BACKLOG", W, 400)
    w.ill(s.rds, "RDS_NO_FAILOVER_TARGET", INFO, -90_000)
    w.change("ecs.deployment", s.ecs, -5000, f"deployment of {s.ecs}:31")
    unrelated_deploy(w, [s, *rest], -600)
    return ok(queue, sender, s.ecs, abstain=True)
