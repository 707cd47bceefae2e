"""Queues and streams that fill, and functions without servers."""

from __future__ import annotations

from tests.stories.parts import at_api, aws_event, flow, maybe, queue_of, released, told_by
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import INFO, C, Truth, W, World, ok, template


@template("queue backlog", "ours")
def event_that_kills_its_reader(w: World) -> Truth:
    """One event in the queue makes whoever handles it crash, and that process serves the pages
    too; it comes back to the next one that starts.

    https://incident.io/blog/intermittent-downtime
    """
    s, *rest = shop(w, db=True, alb="own")
    queue = queue_of(w, s, name="events")
    w.ill(s.ecs, "ECS_CRASH_LOOP", C, 30, subject=f"{s.ecs}:77")
    w.ill(s.ecs, "ECS_TASKS_BELOW_DESIRED", W, 60)
    w.ill(queue, "SQS_OLDEST_MESSAGE", W, 60)
    if maybe(w, 0.4):
        w.ill(queue, "SQS_DEAD_LETTERS", W, 90)
    edge(w, s, 20, what=w.rng.choice(["502", "503"]), ecs=False)
    bad = w.change("ecs.deployment", s.ecs, -6400, f"deployment of {s.ecs}:77")
    unrelated_deploy(w, [s, *rest], -150)
    return ok(s.ecs, queue, wrong_change=bad)


@template("queue backlog", "aside")
def as_many_in_flight_as_allowed(w: World) -> Truth:
    """Duplicated notifications and eager retries fill the queue of webhooks until as many messages
    are in flight as the provider allows, and nothing is delivered any more.

    https://status.onfido.com/incidents/qz7p7cfvfgps
    """
    s, *rest = shop(w, db=True)
    f = flow(w, "webhooks")
    w.need(s.ecs, f.queue)
    w.opened = 600 + w.rng.uniform(0, 3000)
    w.ill(f.queue, "SQS_BACKLOG_GROWING", W, -8400)
    w.ill(f.queue, "SQS_IN_FLIGHT_HIGH", C, 0)
    w.ill(f.queue, "SQS_OLDEST_MESSAGE", C, 300)
    if maybe(w, 0.5):
        w.ill(f.worker, "LAMBDA_DURATION_NEAR_TIMEOUT", W, -3000)
    w.change("ecs.scaling", s.ecs, -2400, "set desired 24", actor="operator")
    bad = unrelated_deploy(w, [s, *rest], -500)
    return ok(f.queue, wrong_change=bad)


@template("queue backlog", "ours")
def dead_letters_come_back(w: World) -> Truth:
    """The function that works off the dead letters throws, its messages return to it again and
    again, and it takes the concurrency that the live work needs.

    https://status.portal.thecouponbureau.org/incidents/w30z65gkmrm1
    """
    s, *rest = shop(w, db=True, cache=True)
    f = flow(w)
    dead = w.add(f"{f.name}-dead-letters", "sqs_queue", service=f.name)
    again = w.add(f"{f.name}-redrive", "lambda_function", dead, f.table, service=f.name)
    w.opened = 700 + w.rng.uniform(0, 2000)
    w.ill(again, "LAMBDA_ALL_FAILING", C, 0)
    w.ill(again, "LAMBDA_ACCOUNT_CONCURRENCY_HIGH", w.rng.choice([W, C]), 150)
    w.ill(f.worker, "LAMBDA_THROTTLED", C, 200)
    w.ill(f.queue, "SQS_OLDEST_MESSAGE", w.rng.choice([W, C]), 600)
    if maybe(w, 0.5):
        w.ill(f.fn, "LAMBDA_THROTTLED", W, 220)
        at_api(w, f, 240, what="5xx", hard=False)
    bad = unrelated_deploy(w, [s, *rest], -300)
    return ok(again, dead, wrong_change=bad)


@template("queue backlog", "aside")
def pollers_of_the_provider_stop(w: World) -> Truth:
    """What polls the queues inside AWS fails in the wake of a larger outage: the functions are well
    and are not invoked, and messages wait.

    https://aws.amazon.com/message/101925/
    """
    s, *rest = shop(w, db=True)
    f = flow(w)
    w.opened = 900 + w.rng.uniform(0, 3600)
    event = aws_event(w, 500)
    w.ill(f.queue, "SQS_NO_CONSUMER", C, 30)
    w.ill(f.queue, "SQS_OLDEST_MESSAGE", w.rng.choice([W, C]), 330)
    w.ill(f.worker, "LAMBDA_NOT_INVOKED", w.rng.choice([W, C]), 60)
    if maybe(w, 0.6):
        w.ill(f.worker, "LAMBDA_MAPPING_FAILING", W, 60)
    bad = released(w, f.worker, -3000)
    unrelated_deploy(w, [s, *rest], -200)
    return ok(event, f.worker, f.queue, wrong_change=bad)


@template("queue backlog", "ours")
def consumers_cut_off_one_by_one(w: World) -> Truth:
    """An upgrade gave the queue a new time limit, the consumers that delete old machines were cut
    off until none was left, and the machines took all that the account may have.

    https://discuss.circleci.com/t/postmortem-may-21-2021-delay-in-starting-docker-jobs-machine-remote-docker-environments-blocked/40274
    """
    s, *rest = shop(w, db=True)
    group = w.add(f"{s.name}-machines", "autoscaling_group", service=s.name)
    jobs = queue_of(w, s)
    old = w.add("machines-to-delete", "sqs_queue", service="cleaner")
    cleaner = w.add("machine-cleaner", "ecs_service", old, service="cleaner")
    w.need(s.ecs, group)
    if maybe(w, 0.5):
        w.need(group, cleaner)
    quota = w.add("limits", "quotas")
    w.opened = 1500 + w.rng.uniform(0, 1800)
    ch = w.change("sqs.queue", old, -20 * 3600, "SetQueueAttributes", via="trail0")
    w.ill(old, "SQS_NO_CONSUMER", C, -5400)
    w.ill(old, "SQS_BACKLOG_GROWING", W, -5400)
    w.ill(quota, "QUOTA_NEAR_LIMIT", C, -1800, subject="vCPU")
    w.ill(group, "ASG_LAUNCH_FAILING", C, 0)
    w.ill(jobs, "SQS_OLDEST_MESSAGE", C, 400)
    if maybe(w, 0.5):
        w.ill(s.rds, "RDS_BURST_EXHAUSTED", W, 1000)
    bad = unrelated_deploy(w, [s, *rest], -300)
    return ok(old, cleaner, ch, quota, group, wrong_change=bad)


@template("queue backlog", "aside")
def broker_stops_for_everybody(w: World) -> Truth:
    """The store of the time series leaks memory for days and dies as a whole; its queue fills, and
    the broker then stops the queues of alerts and archives too.

    https://www.stackdriver.com/post-mortem-october-23-stackdriver-outage/
    """
    charts, alerts, store, *_ = shop(w, count=4, db=False, alb="own")
    w.need(charts.ecs, store.ecs)
    points = queue_of(w, charts, name="points")
    rules = queue_of(w, alerts, name="rules")
    w.need(store.ecs, points)
    w.opened = 700 + w.rng.uniform(0, 1800)
    w.ill(store.ecs, "ECS_MEMORY_HIGH", W, -2 * 86_400)
    w.ill(store.ecs, "ECS_TASK_OOM", C, 0, subject=f"{store.ecs}:5")
    w.ill(store.ecs, "ECS_SERVICE_DOWN", C, 20)
    w.ill(points, "SQS_NO_CONSUMER", C, 60)
    w.ill(points, "SQS_OLDEST_MESSAGE", C, 360)
    w.ill(rules, "SQS_OLDEST_MESSAGE", w.rng.choice([W, C]), 500)
    edge(w, charts, 40, what="5xx", tg=False)
    bad = w.change("ecs.deployment", alerts.ecs, -240, f"deployment of {alerts.ecs}:3")
    return ok(store.ecs, wrong_change=bad)


@template("queue backlog", "ours")
def cell_with_too_many_small_shards(w: World) -> Truth:
    """A cell of Kinesis inside AWS loses itself in moving small shards: streams are read late, lines
    of logs are missing, and tasks wait for their log driver.

    https://aws.amazon.com/message/073024/
    """
    s, *rest = shop(w, db=True, cache=True)
    stream = w.add(f"{s.name}-clicks", "kinesis_stream", service=s.name)
    reader = w.add(f"{s.name}-reader", "lambda_function", stream, service=s.name)
    lines = w.add(f"{s.name}-lines", "log_group", service=s.name)
    w.need(s.ecs, stream)
    w.opened = 1200 + w.rng.uniform(0, 3000)
    event = aws_event(w, 900)
    w.ill(stream, "KINESIS_CONSUMER_BEHIND", w.rng.choice([W, C]), 120)
    w.ill(reader, "LAMBDA_STREAM_BEHIND", w.rng.choice([W, C]), 120)
    w.ill(lines, "LOG_SILENT", W, 300)
    edge(w, s, 200, what="slow", tg=False)
    unrelated_deploy(w, [s, *rest], -400)
    return told_by(event, stream)


@template("queue backlog", "aside")
def bursts_too_large_for_the_uploader(w: World) -> Truth:
    """Bursts of events are more than the uploader keeps up with; behind, it looks for duplicates in
    the bucket before each upload, which makes it slower still.

    https://status.keen.io/incidents/263cjgnztjwt
    """
    s, *rest = shop(w, db=False, table=True, alb="own")
    stream = w.add(f"{s.name}-events", "kinesis_stream", service=s.name)
    bucket = w.add(f"{s.name}-archive", "s3_bucket", service=s.name)
    loader = w.add(f"{s.name}-uploader", "lambda_function", stream, bucket, service=s.name)
    w.need(s.ecs, stream)
    w.opened = 900 + w.rng.uniform(0, 1800)
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", W, -300)
    w.ill(stream, "KINESIS_CAPACITY_HIGH", W, -240)
    w.ill(stream, "KINESIS_CONSUMER_BEHIND", C, 200)
    w.ill(loader, "LAMBDA_STREAM_BEHIND", C, 200)
    w.ill(loader, "LAMBDA_DURATION_NEAR_TIMEOUT", W, 60)
    if maybe(w, 0.4):
        w.ill(stream, "KINESIS_READS_THROTTLED", W, 400)
    bad = unrelated_deploy(w, [s, *rest], -700)
    return ok(stream, loader, s.alb, wrong_change=bad)


@template("serverless", "ours")
def cell_larger_than_ever(w: World) -> Truth:
    """The fleet before Lambda grows over a size that no cell of it ever had: environments are taken
    and not used, and calls of functions fail that are themselves well.

    https://aws.amazon.com/message/061323/
    """
    s, *rest = shop(w, db=True)
    flows = [flow(w) for _ in range(w.rng.randint(2, 3))]
    w.opened = 900 + w.rng.uniform(0, 3600)
    event = aws_event(w, 700)
    for f in flows:
        at = w.rng.uniform(0, 120)
        w.ill(f.api, "APIGW_5XX_BACKEND_HEALTHY", w.rng.choice([W, C]), at)
        at_api(w, f, at, what="5xx")
        if maybe(w, 0.6):
            w.ill(f.fn, "LAMBDA_COLD_STARTS", W, at)
    released(w, flows[0].fn, -2000)
    unrelated_deploy(w, [s, *rest], -100)
    return told_by(event)


@template("serverless", "aside")
def backfills_take_the_capacity(w: World) -> Truth:
    """One customer's objective never gives a value, so its service reads sixty cold days again and
    again through functions, and the queries of everybody else are refused.

    https://www.honeycomb.io/blog/incident-review-designed-failing/
    """
    s, budgets, *rest = shop(w, count=4, db=True, alb="own")
    cold = w.add("cold-reader", "lambda_function", service="storage")
    w.need(s.ecs, cold)
    w.need(budgets.ecs, cold)
    f = flow(w)
    w.ill(cold, "LAMBDA_ACCOUNT_CONCURRENCY_HIGH", C, -300)
    w.ill(cold, "LAMBDA_THROTTLED", C, 0)
    if maybe(w, 0.6):
        w.ill(f.fn, "LAMBDA_THROTTLED", w.rng.choice([W, C]), 60)
        at_api(w, f, 60, what="5xx", hard=False)
    edge(w, s, 30, what=w.rng.choice(["slow", "504"]), tg=False)
    if maybe(w, 0.5):
        w.ill(budgets.ecs, "ECS_CPU_SATURATED", W, -300)
    bad = w.change("ecs.deployment", s.ecs, -900, f"deployment of {s.ecs}:19")
    unrelated_deploy(w, [s, *rest], -60)
    return ok(cold, budgets.ecs, wrong_change=bad)


@template("serverless", "ours")
def runs_cut_at_five_minutes(w: World) -> Truth:
    """A release sets the longest run of a function to five minutes: longer runs fail, and the API
    that takes them stays well.

    https://nextmv.statuspage.io/incidents/zn3r7rddn24s
    """
    s, *rest = shop(w, db=True)
    f = flow(w)
    ch = released(w, f.worker, -120, what="configuration")
    w.ill(f.worker, "LAMBDA_TIMEOUTS", C, 20)
    w.ill(f.worker, "LAMBDA_ERROR_RATE", w.rng.choice([W, C]), 20)
    if maybe(w, 0.6):
        w.ill(f.queue, "SQS_DEAD_LETTERS", w.rng.choice([W, C]), 90)
    if f.logs and maybe(w, 0.6):
        w.ill(f.logs, "LOG_TIMEOUT", W, 30)
    bad = unrelated_deploy(w, [s, *rest], -30)
    return ok(f.worker, ch, trigger=ch, wrong_change=bad)


@template("serverless", "aside")
def rows_of_two_types(w: World) -> Truth:
    """A release changes the type of a field; what distributes the jobs cannot read old rows, and
    after the roll-back it cannot read those written in between.

    https://discuss.circleci.com/t/incident-report-november-8-2021-jobs-stuck-in-a-not-running-state/41890
    """
    s, *rest = shop(w, db=True)
    f = flow(w)
    w.need(f.worker, s.db)
    machine = w.add(f"{f.name}-distributor", "state_machine", f.worker, service=f.name)
    w.opened = 1000 + w.rng.uniform(0, 1200)
    ch = released(w, f.worker, -20)
    w.change("lambda.code", f.worker, 420, f"code of {f.worker} (rollback)")
    w.ill(f.worker, "LAMBDA_ALL_FAILING", w.rng.choice([W, C]), 0)
    w.ill(machine, "SFN_ALL_FAILING", C, 20)
    w.ill(f.queue, "SQS_BACKLOG_GROWING", W, 200)
    w.ill(f.queue, "SQS_OLDEST_MESSAGE", w.rng.choice([W, C]), 400)
    w.change("ecs.scaling", s.ecs, 700, "set desired 40", actor="operator")
    unrelated_deploy(w, [s, *rest], -900)
    return ok(f.worker, ch, s.db, trigger=ch)


@template("serverless", "ours")
def output_that_calls_its_maker(w: World) -> Truth:
    """A new function writes its results where new objects invoke it: it calls itself without end
    and takes the functions of the whole account.

    https://dheerajinampudi.medium.com/how-we-accidentally-burned-40-000-by-calling-recursive-patterns-571fe5ede90
    """
    s, *rest = shop(w, db=True, table=True)
    f = flow(w)
    bucket = w.add("hourly-files", "s3_bucket", service="analytics")
    maker = w.add("file-converter", "lambda_function", bucket, service="analytics")
    ch = released(w, maker, -900)
    w.ill(maker, "LAMBDA_ACCOUNT_CONCURRENCY_HIGH", C, 0)
    w.ill(maker, "LAMBDA_ASYNC_BACKLOG", w.rng.choice([W, C]), 60)
    w.ill(maker, "LAMBDA_NO_RESERVED_LIMIT", INFO, -900)
    w.ill(f.fn, "LAMBDA_THROTTLED", C, 30)
    at_api(w, f, 40, what="5xx")
    if maybe(w, 0.5):
        w.ill(f.worker, "LAMBDA_THROTTLED", W, 60)
        w.ill(f.queue, "SQS_OLDEST_MESSAGE", W, 360)
    bad = released(w, f.fn, -240)
    unrelated_deploy(w, [s, *rest], -100)
    return ok(maker, bucket, ch, trigger=ch, wrong_change=bad)


@template("serverless", "aside")
def sign_in_of_the_provider_fails(w: World) -> Truth:
    """A fleet inside AWS is made larger and with it goes over the threads that a host may have; the
    sign-in service above it fails, and so does every API that asks it who is calling.

    https://aws.amazon.com/message/11201/
    """
    s, *rest = shop(w, db=True)
    f, g = flow(w), flow(w)
    w.opened = 1200 + w.rng.uniform(0, 3600)
    event = aws_event(w, 900)
    for each in (f, g):
        w.ill(each.api, "APIGW_4XX_SURGE", w.rng.choice([W, C]), 30)
        at_api(w, each, 30, what="5xx", hard=maybe(w, 0.6))
    if maybe(w, 0.5):
        w.ill(g.fn, "LAMBDA_ERROR_RATE", W, 200)
    released(w, g.fn, -1500)
    unrelated_deploy(w, [s, *rest], -300)
    return told_by(event)
