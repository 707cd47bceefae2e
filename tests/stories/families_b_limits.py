"""Quotas, capacity, disks that fill, and backups."""

from __future__ import annotations

from cockpit.errors import Reason
from tests.stories.parts import (
    at_api,
    aws_event,
    flow,
    maybe,
    queue_of,
    released,
    trail,
    trail_says,
)
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import INFO, C, H, Truth, W, World, ok, template


@template("quota", "ours")
def one_caller_takes_the_limit_of_all(w: World) -> Truth:
    """A caller inside the house asks without end and uses up the limit that holds for all callers
    together: the others are refused, and did nothing.

    https://status.cloud.google.com/incidents/X8SNkK2BPyCrc1sveeiu
    """
    s, *rest = shop(w, db=True)
    a, b = flow(w), flow(w)
    limits = w.add("limits", "quotas")
    stock = w.add("inventory-queue", "sqs_queue", service="scan")
    hungry = w.add("inventory-scan", "lambda_function", stock, service="scan")
    w.opened = 500 + w.rng.uniform(0, 1500)
    ch = released(w, hungry, -600)
    w.ill(hungry, "LAMBDA_ACCOUNT_CONCURRENCY_HIGH", C, 0)
    w.ill(stock, "SQS_BACKLOG_GROWING", W, -200)
    w.ill(limits, "QUOTA_EXCEEDED", C, 30, subject="Concurrent executions")
    told = trail_says(w, "AWS_ACCOUNT_LIMIT", H, 120, subject="lambda concurrency", chance=0.5)
    for each in (a, b):
        w.ill(each.fn, "LAMBDA_THROTTLED", w.rng.choice([W, C]), 40)
        at_api(w, each, 60, what="5xx")
    bad = unrelated_deploy(w, [s, *rest], -200)
    return ok(hungry, ch, limits, told, wrong_change=bad)


@template("quota", "aside")
def use_reported_as_nothing(w: World) -> Truth:
    """A counter reports that the accounts use nothing, so a robot takes their limit away; it holds
    off for some time, and then nobody can sign in anywhere.

    https://status.cloud.google.com/incident/zall/20013
    """
    s, a, b, *rest = shop(w, count=5, table=True, db=False, alb="own")
    for each in (a, b):
        w.need(each.ecs, s.ecs)
    w.opened = 600 + w.rng.uniform(0, 900)
    ch = trail(
        w, "dynamodb.capacity", s.table, -2400, "UpdateTable write 4000 to 10", actor="quota"
    )
    w.ill(s.table, "DDB_CAPACITY_HIGH", C, 0, subject="write")
    w.ill(s.table, "DDB_THROTTLED_PROVISIONED", C, 20, subject="write")
    edge(w, s, 30, what="5xx")
    edge(w, a, 60, what="5xx", tg=False)
    edge(w, b, 60, what="5xx", hard=False, tg=False)
    bad = w.change("ecs.deployment", s.ecs, -500, f"deployment of {s.ecs}:40")
    w.change("ecs.deployment", rest[0].ecs, -60, f"deployment of {rest[0].ecs}:2")
    return ok(s.table, ch, trigger=ch, wrong_change=bad)


@template("capacity", "ours")
def cannot_grow_with_the_day(w: World) -> Truth:
    """The region starts no new machines, and the morning comes: what runs is too little.

    https://launchdarkly.com/blog/what-happened-what-we-learned-and-how-were-improving/
    """
    s, *rest = shop(w, db=True, cache=True, alb="own")
    group = w.add(f"{s.name}-hosts", "autoscaling_group", service=s.name)
    cluster = w.add(f"{s.name}-cluster", "ecs_cluster", group, service=s.name)
    w.need(s.ecs, cluster)
    w.opened = 1500 + w.rng.uniform(0, 1800)
    event = aws_event(w, 900, told=0.6)
    w.ill(group, "ASG_LAUNCH_FAILING", C, 0, subject="InternalError")
    w.ill(group, "ASG_BELOW_DESIRED", w.rng.choice([W, C]), 400)
    w.ill(cluster, "ECS_CLUSTER_FULL", w.rng.choice([W, C]), 500)
    w.ill(s.ecs, "ECS_PLACEMENT_FAILED", C, 500)
    w.ill(s.ecs, "ECS_CPU_SATURATED", C, 900)
    edge(w, s, 960, what=w.rng.choice(["slow", "504"]), ecs=False)
    bad = unrelated_deploy(w, [s, *rest], 200)
    return ok(event, group, cluster, wrong_change=bad)


@template("capacity", "aside")
def routers_replaced_faster_than_made(w: World) -> Truth:
    """New routers start wrongly since yesterday's release and serve all the same; when their check
    is believed they are taken away faster than others come.

    https://status.heroku.com/incidents/2451
    """
    s, *rest = shop(w, db=True, alb="own")
    group = w.add(f"{s.name}-routers", "autoscaling_group", service=s.name)
    w.need(s.alb, group)
    jobs = queue_of(w, s)
    w.opened = 1000 + w.rng.uniform(0, 900)
    ch = w.change("autoscaling.refresh", group, -50_000, "refresh of launch template 31")
    w.ill(jobs, "SQS_BACKLOG_GROWING", W, -30_000)
    w.ill(group, "ASG_REPLACEMENT_LOOP", w.rng.choice([W, C]), 100)
    w.ill(group, "ASG_BELOW_DESIRED", C, 320)
    w.ill(s.alb, "ALB_CONNECTIONS_REJECTED", C, 360)
    edge(w, s, 330, what=w.rng.choice(["502", "slow"]))
    bad = unrelated_deploy(w, [s, *rest], 100)
    return ok(group, ch, wrong_change=bad)


@template("capacity", "ours")
def nothing_is_put_to_sleep(w: World) -> Truth:
    """A plan of a statement changes, so the job that stops what is idle no more comes through; what
    runs takes all addresses of two of three zones.

    https://neon.com/blog/aws-cni-lessons-from-a-production-outage
    """
    s, *rest = shop(w, db=True, path=False, alb="own")
    net = w.add(f"{s.name}-subnets", "vpc_path", service=s.name)
    job = w.add(f"{s.name}-suspender", "ecs_service", s.db, service=s.name)
    w.need(s.ecs, net)
    w.opened = 900 + w.rng.uniform(0, 1500)
    w.ill(s.db, "PG_QRY_REGRESSED", W, -4200)
    w.ill(s.rds, "RDS_CPU_HIGH", C, -4000)
    w.ill(job, "ECS_EVENT_FAILING", W, -2000)
    w.ill(net, "NET_SUBNET_IPS_LOW", C, 0, subject="subnet-a")
    w.ill(s.ecs, "ECS_RESOURCE_INIT_FAILED", w.rng.choice([W, C]), 60)
    w.ill(s.ecs, "ECS_TASK_NOT_STARTED", C, 60)
    edge(w, s, 120, what="5xx", tg=False)
    bad = unrelated_deploy(w, [s, *rest], -300)
    return ok(s.db, s.rds, net, wrong_change=bad)


@template("capacity", "aside")
def no_spot_machines_today(w: World) -> Truth:
    """Spot machines are taken back and asked for anew, and for hours AWS leaves the requests open;
    its page tells of delays later.

    https://autoscalr.com/2017/06/20/musings-increased-spot-instance-launch-delays-aws-us-east-1/
    """
    s, *rest = shop(w, db=True, alb="own")
    group = w.add(f"{s.name}-spot", "autoscaling_group", service=s.name)
    cluster = w.add(f"{s.name}-cluster", "ecs_cluster", group, service=s.name)
    w.need(s.ecs, cluster)
    w.opened = 900 + w.rng.uniform(0, 1800)
    event = aws_event(w, 1500, told=0.4)
    w.ill(s.ecs, "ECS_SPOT_INTERRUPTED", W, -60)
    w.ill(group, "ASG_LAUNCH_FAILING", w.rng.choice([W, C]), 120, subject="spot request")
    w.ill(group, "ASG_BELOW_DESIRED", C, 320)
    w.ill(cluster, "ECS_TASKS_PENDING", W, 200)
    w.ill(s.ecs, "ECS_TASKS_BELOW_DESIRED", W, 60)
    edge(w, s, 300, what="slow", ecs=False)
    bad = unrelated_deploy(w, [s, *rest], -600)
    return ok(event, group, cluster, s.ecs, wrong_change=bad)


@template("capacity", "ours")
def way_out_too_narrow(w: World) -> Truth:
    """A surge fills the only way out; new copies would help, and their images come through the same
    way, so slowly that the old copies are overrun.

    https://status.latitude.so/incident/594759
    """
    s, *rest = shop(w, ext=True, db=False, alb="own")
    out = w.add("way-out", "vpc_path", service="platform")
    w.need(s.ecs, out)
    w.opened = 600 + w.rng.uniform(0, 900)
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", w.rng.choice([W, C]), -120)
    w.ill(out, "NET_NAT_DROPS", W, 0, subject="nat-1")
    w.ill(s.ext, "NET_HTTP_SLOW", W, 20)
    if maybe(w, 0.5):
        w.ill(s.ecs, "ECS_IMAGE_PULL_FAILED", w.rng.choice([W, C]), 240)
    else:
        w.ill(s.ecs, "ECS_DEPLOYMENT_STUCK", W, 300)
    w.ill(s.ecs, "ECS_CPU_SATURATED", C, 60)
    edge(w, s, 90, what=w.rng.choice(["504", "503"]))
    w.change("ecs.scaling", s.ecs, 40, "set desired 30", actor="Application Auto Scaling")
    bad = unrelated_deploy(w, [s, *rest], -700)
    return ok(out, s.alb, wrong_change=bad)


@template("capacity", "aside")
def only_door_and_no_other_of_its_kind(w: World) -> Truth:
    """The disk of the machine that is the way out fails; its status stays good for two hours, and no
    other machine of its kind is to be had.

    https://status.thepluginpeople.com/incidents/3ynd7s2x5mqq
    """
    s, o, *rest = shop(w, count=4, ext=True, db=True, alb="own")
    out = w.add("nat-server", "ec2_instance", service="platform")
    o.ext = o.ext or w.add(f"{o.name}-partner", "endpoint", service=o.name)
    w.need(s.ecs, out)
    w.need(o.ecs, out)
    if o.ext not in w.targets[o.ecs].needs:
        w.need(o.ecs, o.ext)
    late = maybe(w, 0.6)
    w.opened = w.rng.uniform(7700, 9000) if late else w.rng.uniform(500, 2400)
    w.ill(out, "EC2_STATUS_IMPAIRED", C, 7560)
    stop = trail(w, "ec2.instance", out, 900, "StopInstances, StartInstances", actor="operator")
    for each in (s, o):
        w.ill(each.ext, "NET_TCP_TIMEOUT", C, 5)
        if maybe(w, 0.5):
            w.ill(each.ext, "DEP_EXTERNAL", H, 5)
        edge(w, each, 30, what="504", tg=False)
    unrelated_deploy(w, [s, *rest], -400)
    if w.opened < 7500:
        return ok(out, abstain=True, note="every check of the machine is good")
    return ok(out, wrong_change=stop)


@template("disk full and backup", "ours")
def log_kept_for_a_reader(w: World) -> Truth:
    """A connector reads the log of the database too slowly, the log is kept for it, and the disk is
    full; it was made larger this week, so it cannot be made larger now.

    https://notion.so/hexhq/November-7-2022-Post-mortem-27b0d8b97e5e4f3a80320ad4396aaf62
    """
    s, *rest = shop(w, db=True, alb="own")
    down = maybe(w, 0.5)
    w.ill(s.rds, "RDS_STORAGE_LOW", C, -4000)
    w.ill(s.rds, "RDS_STORAGE_AUTOSCALE_BLOCKED", w.rng.choice([W, C]), -600)
    if down:
        w.ill(s.rds, "RDS_INSTANCE_DOWN", C, 30)
        w.blind(s.db, Reason.UNREACHABLE, code="NET_TCP_TIMEOUT", severity=C)
    else:
        w.ill(s.db, "PG_SLOT_RETAIN", C, -20_000, subject="connector")
        w.ill(s.db, "PG_WAIT_DOMINANT", W, 20)
    edge(w, s, 10, what="5xx")
    event = w.change("rds.storage", s.rds, -700, "storage is full")
    bad = w.change("ecs.deployment", s.ecs, -900, f"deployment of {s.ecs}:17")
    unrelated_deploy(w, [s, *rest], -60)
    return ok(s.db, s.rds, event, wrong_change=bad)


@template("disk full and backup", "aside")
def no_room_to_tidy_up(w: World) -> Truth:
    """Tidying a database needs more room than there is, and the machine that would step in stands on
    the same disks.

    https://www.tomshardware.com/news/toyota-shut-down-14-factories-due-to-insufficient-disk-space
    """
    s, *rest = shop(w, db=False, alb="own")
    first = w.add(f"{s.name}-store-1", "ec2_instance", service=s.name)
    second = w.add(f"{s.name}-store-2", "ec2_instance", service=s.name)
    orders = queue_of(w, s, name="orders")
    w.need(s.ecs, first, second)
    w.ill(first, "EC2_DISK_FULL", C, -300)
    if maybe(w, 0.7):
        w.ill(second, "EC2_DISK_FULL", C, -240)
    w.ill(orders, "SQS_BACKLOG_GROWING", W, 120)
    w.ill(orders, "SQS_OLDEST_MESSAGE", w.rng.choice([W, C]), 300)
    edge(w, s, 10, what="5xx")
    bad = unrelated_deploy(w, [s, *rest], -500)
    return ok(first, second, wrong_change=bad)


@template("disk full and backup", "ours")
def volume_of_the_file_server(w: World) -> Truth:
    """A volume of one file server fails: what lies on it cannot be read, and whoever tries waits with
    it, so that hosts come to a halt that need little of it.

    https://blog.pythonanywhere.com/189/
    """
    s, o, *rest = shop(w, count=4, db=False, alb="own")
    files = w.add("file-server-3", "ec2_instance", service="storage")
    w.need(s.ecs, files)
    w.need(o.ecs, files)
    w.ill(files, w.rng.choice(["EC2_STATUS_IMPAIRED", "EC2_EBS_SATURATED"]), C, 60)
    w.ill(s.ecs, "ECS_TASKS_UNHEALTHY", W, 60)
    edge(w, s, 20, what="504")
    edge(w, o, 90, what=w.rng.choice(["504", "slow"]), hard=False)
    if maybe(w, 0.4):
        w.ill(rest[0].ecs, "ECS_SINGLE_TASK", INFO, -80_000)
    bad = unrelated_deploy(w, [s, *rest], -350)
    return ok(files, wrong_change=bad)


@template("disk full and backup", "aside")
def backup_for_everybody(w: World) -> Truth:
    """Backups lie in a bucket that a wrong setting opens to the world; no user feels it.

    https://blog.sentry.io/2016/06/14/security-incident-june-12-2016
    """
    s, *rest = shop(w, db=True, cache=True)
    bucket = w.add("nightly-backups", "s3_bucket")
    w.opened = 600 + w.rng.uniform(0, 3000)
    ch = trail(w, "s3.policy", bucket, -20, "PutBucketAcl", actor="operator")
    w.ill(bucket, w.rng.choice(["S3_PUBLIC_ACL", "S3_PUBLIC_POLICY"]), C, 0)
    w.ill(bucket, "S3_BLOCK_PUBLIC_ACCESS_OFF", W, -90_000)
    told = trail_says(w, "BUCKET_POLICY_CHANGED", w.rng.choice([W, C]), 100, subject=bucket)
    if maybe(w, 0.4):
        w.ill(bucket, "S3_EGRESS_SURGE", W, 500)
    w.ill(s.rds, "RDS_CPU_HIGH", W, -5000)
    bad = unrelated_deploy(w, [s, *rest], -100)
    return ok(bucket, ch, told, trigger=ch, wrong_change=bad)
