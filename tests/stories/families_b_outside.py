"""Zones that fail, the provider's own troubles, third parties that are slow or down."""

from __future__ import annotations

from tests.stories.parts import aws_event, link, maybe, queue_of, told_by, trail_says
from tests.stories.shop import Svc, edge, shop, unrelated_deploy
from tests.stories.writer import INFO, C, H, Truth, W, World, ok, template


def _lost_in(w: World, zone: str, services: list[Svc], onset: float = 0) -> None:
    """What each service loses with a zone, some of it at random."""
    for s in services:
        at = onset + w.rng.uniform(20, 60)
        if maybe(w, 0.8):
            w.ill(s.tg, "TG_AZ_UNBALANCED", w.rng.choice([W, C]), at, subject=zone)
        if maybe(w, 0.8):
            w.ill(s.ecs, "ECS_TASKS_BELOW_DESIRED", W, at)
        if s.rds and maybe(w, 0.6):
            w.change("rds.failover", s.rds, at, "Multi-AZ instance failover started", actor="AWS")
            w.ill(s.rds, "RDS_FAILOVER_RECENT", W, at)
        if s.ec and maybe(w, 0.5):
            w.change("elasticache.failover", s.ec, at, "failover to replica", actor="AWS")
            w.ill(s.ec, "CACHE_FAILOVER_RECENT", W, at)


@template("zone outage", "ours")
def cooling_of_one_building(w: World) -> Truth:
    """The cooling of one building fails over badly, and machines in a part of one zone switch
    themselves off.

    https://aws.amazon.com/message/56489/
    """
    services = shop(w, count=5, db=True, cache=True, alb="own")
    zone = "ap-northeast-1a"
    hosts = [w.add(f"host-{n}", "ec2_instance", service="platform") for n in range(3)]
    w.opened = w.rng.choice([420, 900, 2400]) + w.rng.uniform(0, 120)
    for host in hosts:
        w.ill(host, "EC2_STATUS_IMPAIRED", C, w.rng.uniform(60, 300))
    _lost_in(w, zone, services)
    told = trail_says(w, "AZ_CORRELATED", C, 180, subject=f"home {zone}")
    event = aws_event(w, 2100)
    edge(w, services[0], 10, what="5xx", tg=False)
    edge(w, services[1], 10, what="504", tg=False)
    return ok(f"zone {zone}", told, event, abstain=True)


@template("zone outage", "aside")
def storm_over_one_zone(w: World) -> Truth:
    """A storm takes the power of one zone; what runs elsewhere goes on, and new machines are hard to
    get anywhere in the region.

    https://aws.amazon.com/message/4372T8/
    """
    services = shop(w, count=4, db=True, alb="shared")
    zone = "ap-southeast-2a"
    group = w.add("hosts", "autoscaling_group", service="platform")
    for s in services:
        w.need(s.ecs, group)
    w.opened = w.rng.choice([420, 1200, 2700]) + w.rng.uniform(0, 120)
    _lost_in(w, zone, services)
    w.ill(group, "ASG_BELOW_DESIRED", C, 320)
    w.ill(group, "ASG_AZ_IMBALANCE", W, 330)
    w.ill(group, "ASG_LAUNCH_FAILING", w.rng.choice([W, C]), 360)
    if services[0].rds and maybe(w, 0.4):
        w.ill(services[0].rds, "RDS_INSTANCE_DOWN", C, 60)
    told = trail_says(w, "AZ_CORRELATED", C, 180, subject=f"home {zone}")
    event = aws_event(w, 1800, told=0.6)
    edge(w, services[0], 10, what="5xx", tg=False)
    edge(w, services[1], 20, what="502", tg=False)
    return ok(f"zone {zone}", told, event, abstain=True)


@template("zone outage", "ours")
def volumes_that_stand_still(w: World) -> Truth:
    """In one zone the volumes look for room for their copies all at once: reads and writes stand
    still, and the calls of the whole region that manage them fail.

    https://aws.amazon.com/message/65648/
    """
    services = shop(w, count=4, db=True, alb="own")
    zone = "us-east-1b"
    hosts = [w.add(f"host-{n}", "ec2_instance", service="platform") for n in range(3)]
    w.opened = w.rng.choice([600, 1800, 3000]) + w.rng.uniform(0, 120)
    for host in hosts:
        w.ill(host, "EC2_EBS_SATURATED", w.rng.choice([W, C]), w.rng.uniform(30, 120))
    for s in services:
        w.ill(s.tg, "TG_AZ_UNBALANCED", w.rng.choice([W, C]), 60, subject=zone)
        if s.rds and maybe(w, 0.7):
            w.ill(s.rds, "RDS_IO_SATURATED", w.rng.choice([W, C]), 60)
    told = trail_says(w, "AZ_CORRELATED", C, 150, subject=f"home {zone}", chance=0.5)
    event = aws_event(w, 1600)
    edge(w, services[0], 30, what="504", tg=False)
    edge(w, services[1], 40, what="slow", tg=False)
    unrelated_deploy(w, services, -500)
    return ok(f"zone {zone}", told, event, abstain=True)


@template("zone outage", "aside")
def balancers_that_find_no_way_out(w: World) -> Truth:
    """A zone is without power; databases that should move out of it wait for a failover that does not
    end, and balancers are moved late since all are moved at once.

    https://aws.amazon.com/message/67457/
    """
    services = shop(w, count=4, db=True, alb="own")
    zone = "us-east-1c"
    w.opened = w.rng.choice([420, 900, 1800]) + w.rng.uniform(0, 120)
    _lost_in(w, zone, services)
    for s in services[:2]:
        if s.rds:
            w.ill(s.rds, "RDS_INSTANCE_DOWN", C, 40)
        w.ill(s.alb, "ALB_5XX_ELB_RATE", C, 60)
    told = trail_says(w, "AZ_CORRELATED", C, 180, subject=f"home {zone}")
    event = aws_event(w, 900)
    edge(w, services[2], 30, what="504", hard=False, tg=False)
    unrelated_deploy(w, services, -900)
    return ok(f"zone {zone}", told, event, abstain=True)


@template("provider trouble", "ours")
def too_many_machines_taken_out(w: World) -> Truth:
    """A command of the provider's own playbook takes more machines of the object store away than was
    meant: whatever reads an object fails, and the page that should say so cannot be changed.

    https://aws.amazon.com/message/41926/
    """
    s, o, *rest = shop(w, count=4, db=True, alb="own")
    bucket = w.add(f"{s.name}-files", "s3_bucket", service=s.name)
    other = w.add(f"{o.name}-reports", "s3_bucket", service=o.name)
    cdn = w.add(f"{s.name}-cdn", "cloudfront", bucket, service=s.name)
    w.need(s.ecs, bucket)
    w.need(o.ecs, other)
    event = aws_event(w, 5000, told=0.4)
    if event:
        w.opened = 5400 + w.rng.uniform(0, 1800)
    w.ill(bucket, "S3_5XX_RATE", C, 60)
    w.ill(other, "S3_5XX_RATE", w.rng.choice([W, C]), 70)
    w.ill(cdn, "CF_5XX_RATE", w.rng.choice([W, C]), 90)
    if maybe(w, 0.5):
        w.ill(o.ecs, "ECS_IMAGE_PULL_FAILED", C, 200)
    edge(w, s, 20, what="5xx", tg=False)
    unrelated_deploy(w, [s, *rest], -300)
    return told_by(event, bucket, other)


@template("provider trouble", "aside")
def resolver_of_the_region(w: World) -> Truth:
    """A setting of the provider's resolvers lets too many of them go at once: names do not resolve
    within the region, whatever they are.

    https://aws.amazon.com/message/74876-2/
    """
    s, a, b, *rest = shop(w, count=5, db=True, ext=True, alb="own")
    names = [link(w, a, s), link(w, b, s), s.ext]
    event = aws_event(w, 1500)
    w.opened = (1700 if event else 300) + w.rng.uniform(0, 300)
    for name in names:
        w.ill(name, w.rng.choice(["NET_DNS_TIMEOUT", "NET_DNS_SERVER_SILENT"]), H, 0)
    for each in (s, a, b):
        edge(w, each, 20, what="5xx", tg=False)
    bad = w.change("ecs.deployment", rest[0].ecs, -120, f"deployment of {rest[0].ecs}:19")
    return ok(event, *names, abstain=not event, wrong_change=bad)


@template("provider trouble", "ours")
def state_of_the_balancers(w: World) -> Truth:
    """Inside AWS a job deletes the state of balancers: each of them goes on until something about it
    has to be set anew, and then serves badly before targets that are well.

    https://aws.amazon.com/message/680587/
    """
    s, o, *rest = shop(w, count=4, db=True, front=True, alb="own")
    event = aws_event(w, 3600, told=0.4)
    w.opened = (4000 if event else 900) + w.rng.uniform(0, 600)
    grown = w.change("ecs.scaling", s.ecs, -30, "set desired 12", actor="operator")
    w.ill(s.alb, "ALB_5XX_ELB_RATE", C, 30)
    w.ill(s.alb, "ALB_LATENCY_HIGH", w.rng.choice([W, C]), 40)
    w.ill(s.front, "NET_HTTP_5XX", H, 15)
    if maybe(w, 0.5):
        w.ill(o.alb, "ALB_5XX_ELB_RATE", w.rng.choice([W, C]), 300)
    if "alarms" in w.targets:
        w.ill("alarms", "ALARM_FIRING", C, 200, subject=f"{s.alb}-5xx")
    unrelated_deploy(w, [s, *rest], -700)
    return ok(event, s.alb, abstain=not event, wrong_change=grown)


@template("provider trouble", "aside")
def leased_line_of_the_provider(w: World) -> Truth:
    """Devices of the provider before its leased lines drop packets for hours; what is asked in the
    own building fails, all else is well.

    https://aws.amazon.com/message/17908/
    """
    s, o, *rest = shop(w, count=4, db=True, alb="own")
    core = w.add("core-ledger", "endpoint", service="on-premises")
    w.need(s.ecs, core)
    w.need(o.ecs, core)
    w.opened = w.rng.choice([420, 3000]) + w.rng.uniform(0, 300)
    event = aws_event(w, 2700)
    w.ill(core, "NET_TCP_LOSS", H, 0)
    w.ill(core, w.rng.choice(["NET_CONN_DROPPED", "NET_HTTP_SLOW_HEAD"]), H, 10)
    edge(w, s, 30, what="504", tg=False)
    edge(w, o, 40, what="5xx", hard=False, tg=False)
    bad = unrelated_deploy(w, [s, *rest], -240)
    return ok(event, core, wrong_change=bad)


@template("third party", "ours")
def network_before_the_shop(w: World) -> Truth:
    """A customer's valid setting wakes a bug of the delivery network that stands before the shop: the
    network answers with errors, and the shop becomes quiet.

    https://www.fastly.com/blog/summary-of-june-8-outage
    """
    s, *rest = shop(w, db=True, front=True, alb="own")
    w.ill(s.front, "NET_HTTP_5XX", w.rng.choice([H, C]), 0)
    if maybe(w, 0.5):
        w.ill(s.front, "DEP_EXTERNAL", H, 0)
    w.ill(s.alb, "ALB_TRAFFIC_DROP", W, 150)
    if maybe(w, 0.5):
        w.ill(s.tg, "TG_HEALTH_CHECK_FRAGILE", INFO, -90_000)
    bad = w.change("ecs.deployment", s.ecs, -200, f"deployment of {s.ecs}:84")
    unrelated_deploy(w, [s, *rest], -1200)
    return ok(s.front, wrong_change=bad)


@template("third party", "aside")
def carrier_that_calls_nobody(w: World) -> Truth:
    """Who sends the messages and calls has trouble with a region of its cloud: ours are queued.

    https://status.pagerduty.com/incidents/70m30bh7qfmx
    """
    s, *rest = shop(w, db=True, ext=True, alb="own")
    queue = queue_of(w, s, name="messages")
    w.opened = 600 + w.rng.uniform(0, 1500)
    w.ill(s.ext, w.rng.choice(["NET_HTTP_5XX", "NET_HTTP_FAILING"]), H, 0)
    w.ill(s.ext, "DEP_EXTERNAL", H, 10)
    w.ill(queue, "SQS_BACKLOG_GROWING", W, 120)
    w.ill(queue, "SQS_OLDEST_MESSAGE", w.rng.choice([W, C]), 300)
    if maybe(w, 0.5):
        w.ill(queue, "SQS_DEAD_LETTERS", W, 480)
    bad = w.change("ecs.deployment", s.ecs, -150, f"deployment of {s.ecs}:30")
    unrelated_deploy(w, [s, *rest], -900)
    return ok(s.ext, wrong_change=bad)


@template("third party", "ours")
def store_that_others_run(w: World) -> Truth:
    """The store of keys that nearly all services ask stands, for a part, at another provider, which
    fails.

    https://blog.cloudflare.com/cloudflare-service-outage-june-12-2025/
    """
    s, a, b, *rest = shop(w, count=5, ext=False, db=True, alb="own")
    store = w.add("keys-at-partner", "endpoint", service="keys")
    keys = w.add("keys", "ecs_service", store, service="keys")
    for each in (s, a, b):
        w.need(each.ecs, keys)
    w.ill(store, "NET_HTTP_5XX", w.rng.choice([H, C]), 0)
    if maybe(w, 0.6):
        w.ill(store, "DEP_EXTERNAL", H, 0)
    w.ill(keys, "ECS_TASKS_UNHEALTHY", W, 60)
    for each in (s, a, b):
        edge(w, each, 20 + w.rng.uniform(0, 30), what="5xx", tg=False)
    bad = w.change("ecs.deployment", keys, -800, f"deployment of {keys}:11")
    unrelated_deploy(w, [s, *rest], -100)
    return ok(store, wrong_change=bad)


@template("third party", "aside")
def partner_slow_and_not_down(w: World) -> Truth:
    """The payment provider answers in eight seconds and not in a fifth of one; its page is green,
    nobody set a time limit, and the checkout waits with it.

    https://www.lukretium.com/blog/third-party-api-that-went-slow-not-down
    """
    s, *rest = shop(w, db=True, ext=True, alb="own")
    w.ill(s.ext, "NET_HTTP_SLOW", W, 0)
    if maybe(w, 0.5):
        w.ill(s.ext, "DEP_EXTERNAL", W, 20)
    if maybe(w, 0.4):
        w.ill(s.db, "PG_SESS_LONG_XACT", W, 120, subject="pid 41")
    edge(w, s, 60, what=w.rng.choice(["504", "slow"]))
    bad = w.change("ecs.deployment", s.ecs, -3600, f"deployment of {s.ecs}:22")
    unrelated_deploy(w, [s, *rest], -300)
    return ok(s.ext, wrong_change=bad)
