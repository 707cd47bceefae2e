"""Credentials and permissions, and what was deleted by mistake."""

from __future__ import annotations

from tests.stories.parts import at_api, flow, link, maybe, queue_of, trail, trail_says
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import C, H, Truth, W, World, ok, template


@template("credentials and permissions", "ours")
def new_key_to_the_wrong_place(w: World) -> Truth:
    """A key is rotated: the new one goes to the environment of the developers, the old one is deleted,
    and an hour later, when that is known everywhere, production cannot write any more.

    https://blog.cloudflare.com/cloudflare-incident-march-21-2025/
    """
    s, o, *rest = shop(w, count=4, db=False, cache=True, alb="own")
    store = w.add(f"{s.name}-storage", "endpoint", service=s.name)
    lines = w.add(f"{s.name}-lines", "log_group", service=s.name)
    w.need(s.ecs, store)
    link(w, s, o)
    put = trail(w, "secretsmanager.rotation", s.ecs, -8300, "PutSecretValue", actor="operator")
    ch = trail(w, "secretsmanager.delete", s.ecs, -3660, "DeleteSecret", actor="operator")
    w.ill(lines, "LOG_ACCESS_DENIED", C, 20, subject=s.name)
    if maybe(w, 0.4):
        w.ill(store, "NET_HTTP_4XX", W, 20)
    edge(w, s, 20, what="5xx", tg=False)
    edge(w, o, 60, what="5xx", hard=False, tg=False)
    if s.cache and maybe(w, 0.5):
        w.ill(s.cache, "RD_CACHE_HIT", W, 60)
    bad = unrelated_deploy(w, [s, *rest], -240)
    return ok(ch, put, s.ecs, trigger=ch, wrong_change=bad)


@template("credentials and permissions", "aside")
def policy_wider_than_meant(w: World) -> Truth:
    """A policy of the regular review takes away more than it should: everything that works with one
    role is refused.

    https://help.salesforce.com/s/articleView?id=000396429&type=1
    """
    s, *rest = shop(w, db=True)
    f = flow(w)
    role = w.add("app-role", "iam_principal")
    bucket = w.add(f"{f.name}-files", "s3_bucket", service=f.name)
    machine = w.add(f"{f.name}-steps", "state_machine", f.fn, bucket, service=f.name)
    w.need(f.fn, role)
    w.need(f.worker, role)
    kind = w.rng.choice(["iam.policy", "iam.role", "organizations.policy"])
    ch = trail(w, kind, role, -25, "rights of app-role narrowed", actor="operator")
    told = trail_says(w, "IAM_CHANGED", w.rng.choice([W, C]), 200, subject="app-role", chance=0.7)
    w.ill(role, "SEC_ACCESS_DENIED_BURST", w.rng.choice([W, C]), 60)
    w.ill(f.fn, "LAMBDA_ACCESS_DENIED", C, 20, subject="s3:GetObject")
    w.ill(f.worker, "LAMBDA_ACCESS_DENIED", w.rng.choice([W, C]), 60, subject="dynamodb:PutItem")
    w.ill(machine, "SFN_ACCESS_DENIED", W, 60)
    w.ill(bucket, "S3_4XX_RATE", w.rng.choice([W, C]), 120)
    at_api(w, f, 20, what="5xx")
    bad = unrelated_deploy(w, [s, *rest], -300)
    return ok(ch, role, told, trigger=ch, wrong_change=bad)


@template("credentials and permissions", "ours")
def bucket_closed_by_security(w: World) -> Truth:
    """A rule of security is laid on buckets that were not seen to be in use: new machines cannot read
    what they need at their start, those that run go on.

    https://github.blog/news-insights/company-news/github-availability-report-february-2026/
    """
    s, *rest = shop(w, db=True, alb="own")
    bucket = w.add(f"{s.name}-boot", "s3_bucket", service=s.name)
    group = w.add(f"{s.name}-runners", "autoscaling_group", bucket, service=s.name)
    jobs = queue_of(w, s)
    w.need(s.ecs, group)
    w.opened = 800 + w.rng.uniform(0, 1500)
    ch = trail(w, "s3.policy", bucket, -20, "PutBucketPolicy", actor="policy-bot")
    told = trail_says(w, "BUCKET_POLICY_CHANGED", w.rng.choice([W, C]), 100, subject=bucket)
    w.ill(bucket, "S3_POLICY_CHANGED", W, -20)
    w.ill(bucket, "S3_READER_DENIED", C, 60)
    w.ill(group, "ASG_LIFECYCLE_STUCK", W, 400)
    w.ill(group, "ASG_BELOW_DESIRED", C, 500)
    w.ill(jobs, "SQS_BACKLOG_GROWING", W, 200)
    w.ill(jobs, "SQS_OLDEST_MESSAGE", w.rng.choice([W, C]), 420)
    if maybe(w, 0.5):
        edge(w, s, 500, what="slow", hard=False, tg=False)
    bad = w.change("ecs.deployment", s.ecs, -500, f"deployment of {s.ecs}:66")
    unrelated_deploy(w, [s, *rest], -100)
    return ok(bucket, ch, told, trigger=ch, wrong_change=bad)


@template("credentials and permissions", "aside")
def key_found_on_an_old_machine(w: World) -> Truth:
    """Somebody finds a key on a forgotten machine, makes themselves a user, opens the firewall and
    copies a table, which locks it: that is what is noticed.

    https://www.browserstack.com/attack-and-downtime-on-9-November
    """
    s, *rest = shop(w, db=True, path=True, alb="own")
    key = w.add("prototype-key", "iam_principal")
    w.opened = 900 + w.rng.uniform(0, 900)
    user = trail(w, "iam.user", key, -1500, "CreateAccessKey", actor="prototype-key")
    opened = trail(w, "ec2.security_group", s.path, -900, "AuthorizeSecurityGroupIngress")
    told = trail_says(w, "SG_OPENED", C, -400, subject="sg-db", chance=0.5)
    w.ill(key, "SEC_CALLS_FROM_ELSEWHERE", W, -1500)
    w.ill(key, "SEC_CREDENTIAL_ABUSE_SUSPECTED", C, -1200)
    w.ill(s.path, "NET_SG_OPEN_TO_WORLD", w.rng.choice([W, C]), -880, subject="sg-db")
    w.ill(s.db, "PG_SESS_LONG_QUERY", W, 0, subject="pid 71")
    w.ill(s.db, "PG_LOCK_BLOCKED", C, 20, subject="pid 71")
    edge(w, s, 40, what="504")
    bad = w.change("ecs.deployment", s.ecs, -400, f"deployment of {s.ecs}:14")
    unrelated_deploy(w, [s, *rest], -200)
    return ok(key, user, opened, told, s.db, s.rds, wrong_change=bad)


@template("deletion by mistake", "ours")
def template_without_its_cells(w: World) -> Truth:
    """A change of a template that should change nothing leaves all services out of the list, and the
    pipeline deletes what is not in it.

    https://medium.com/@SkyscannerEng/how-a-couple-of-characters-brought-down-our-site-356ccaf1fbc3
    """
    services = shop(w, count=5, db=True)
    gone, changes = services[:4], []
    for each in gone:
        at = w.rng.uniform(0, 60)
        changes.append(
            trail(w, "ecs.delete", each.ecs, at, f"DeleteService {each.ecs}", actor="ci")
        )
        w.ill(each.ecs, "ECS_SERVICE_DRAINING_OR_GONE", C, at)
        w.ill(each.tg, "TG_EMPTY", C, at + 20)
        w.ill(each.alb, "ALB_503_NO_TARGETS", C, at + 50, subject=each.tg)
    stack = trail(w, "cloudformation.stack", gone[0].ecs, -40, "ExecuteChangeSet cells", actor="ci")
    if services[0].front:
        w.ill(services[0].front, "NET_HTTP_5XX", H, 40)
    bad = w.change("ecs.deployment", services[4].ecs, -400, f"deployment of {services[4].ecs}:9")
    return ok(*(each.ecs for each in gone), *changes, stack, wrong_change=bad)


@template("deletion by mistake", "aside")
def tables_dropped_by_a_script(w: World) -> Truth:
    """A script for the developers' database runs against the one of production and empties it: the
    server is well, and what it holds is gone.

    https://keepthescore.co/blog/posts/deleting_the_production_database/
    """
    s, *rest = shop(w, db=True, cache=True, alb="own")
    lines = w.add(f"{s.name}-lines", "log_group", service=s.name)
    w.ill(s.db, "PG_TX_ROLLBACKS", W, 20)
    w.ill(lines, "LOG_NEW_PATTERN", W, 10)
    w.ill(lines, "LOG_ERRORS_RISING", H, 20)
    if maybe(w, 0.5):
        w.ill(s.cache, "RD_CACHE_HIT", W, 60)
    edge(w, s, 10, what="5xx", tg=False)
    bad = w.change("ecs.deployment", s.ecs, -1200, f"deployment of {s.ecs}:4")
    unrelated_deploy(w, [s, *rest], -300)
    return ok(s.db, s.rds, wrong_change=bad)


@template("deletion by mistake", "ours")
def images_older_than_allowed(w: World) -> Truth:
    """A job that clears old images takes those along from which all machines start; nothing new comes
    up from that hour on.

    https://web.archive.org/web/20221220114914/https://blog.travis-ci.com/2016-09-30-the-day-we-deleted-our-vm-images/
    """
    s, *rest = shop(w, db=True, alb="own")
    group = w.add(f"{s.name}-workers", "autoscaling_group", service=s.name)
    cleaner = w.add("cleanup-role", "iam_principal")
    jobs = queue_of(w, s, name="builds")
    w.need(s.ecs, group)
    w.opened = 900 + w.rng.uniform(0, 2400)
    ch = trail(w, "ec2.deregister_image", group, -30, "DeregisterImage", actor="cleanup-role")
    w.ill(cleaner, "SEC_MASS_DELETE", C, -20)
    w.ill(group, "ASG_LAUNCH_FAILING", C, 60, subject="InvalidAMIID")
    w.ill(group, "ASG_BELOW_DESIRED", w.rng.choice([W, C]), 420)
    w.ill(jobs, "SQS_BACKLOG_GROWING", W, 300)
    w.ill(jobs, "SQS_OLDEST_MESSAGE", C, 600)
    if maybe(w, 0.5):
        edge(w, s, 600, what="slow", hard=False, tg=False)
    bad = unrelated_deploy(w, [s, *rest], -200)
    return ok(cleaner, group, ch, trigger=ch, wrong_change=bad)


@template("deletion by mistake", "aside")
def sites_instead_of_an_app(w: World) -> Truth:
    """A script that should remove an old app is given the numbers of whole sites, in the mode that
    deletes for good; the sites of some customers are gone, those of others are well.

    https://www.atlassian.com/engineering/post-incident-review-april-2022-outage
    """
    s, *rest = shop(w, db=True, alb="own")
    script = w.add("maintenance-role", "iam_principal")
    tables = [w.add(f"site-{n}-table", "dynamodb_table", service="sites") for n in range(1, 4)]
    fn = w.add("sites-fn", "lambda_function", *tables, service="sites")
    api = w.add("sites-api", "api_gateway", fn, service="sites")
    lost = tables[: w.rng.randint(1, 2)]
    changes = []
    for n, table in enumerate(lost):
        changes.append(
            trail(w, "dynamodb.delete", table, n * 5.0, "DeleteTable", actor="maintenance-role")
        )
        w.ill(table, "DDB_TABLE_NOT_ACTIVE", C, n * 5.0)
    w.ill(script, "SEC_MASS_DELETE", C, 10)
    w.ill(fn, "LAMBDA_ERROR_RATE", w.rng.choice([W, C]), 40)
    w.ill(api, "APIGW_5XX_RATE", w.rng.choice([W, C]), 50)
    bad = unrelated_deploy(w, [s, *rest], -300)
    return ok(script, *lost, *changes, wrong_change=bad)


@template("deletion by mistake", "ours")
def cleanup_of_a_partner(w: World) -> Truth:
    """A clean-up that runs by schedule at another team takes a group of things for unused that
    answers live requests.

    https://github.blog/news-insights/company-news/github-availability-report-july-2024/
    """
    s, *rest = shop(w, db=True)
    f = flow(w)
    ch = trail(w, "lambda.delete", f.fn, -5, "DeleteFunction", actor="cleanup-role")
    w.ill(f.fn, "LAMBDA_FUNCTION_MISSING", C, 0)
    gone = [f.fn]
    changes = [ch]
    if maybe(w, 0.5):
        changes.append(trail(w, "sqs.queue", f.queue, 3, "DeleteQueue", actor="cleanup-role"))
        w.ill(f.queue, "SQS_QUEUE_MISSING", C, 5)
        w.ill(f.worker, "LAMBDA_MAPPING_FAILING", W, 60)
        gone.append(f.queue)
    at_api(w, f, 10, what="5xx")
    bad = unrelated_deploy(w, [s, *rest], -250)
    return ok(*gone, *changes, trigger=ch, wrong_change=bad)


@template("deletion by mistake", "aside")
def contract_that_ends_by_itself(w: World) -> Truth:
    """Everything was made with an option that ends after a year, and a year later the provider
    deletes it all by itself; no trail of the account tells it.

    https://cloud.google.com/blog/products/infrastructure/details-of-google-cloud-gcve-incident
    """
    s, *rest = shop(w, table=True, db=False, alb="own")
    bucket = w.add(f"{s.name}-files", "s3_bucket", service=s.name)
    cluster = w.add(f"{s.name}-cluster", "ecs_cluster", service=s.name)
    w.need(s.ecs, bucket, cluster)
    gone = [s.table, bucket, cluster, s.ecs]
    w.ill(s.table, "DDB_TABLE_NOT_ACTIVE", C, 0)
    w.ill(bucket, "S3_BUCKET_MISSING", C, w.rng.uniform(0, 30))
    w.ill(cluster, "ECS_CLUSTER_NOT_ACTIVE", C, w.rng.uniform(0, 30))
    w.ill(s.ecs, "ECS_SERVICE_DRAINING_OR_GONE", C, 30)
    w.ill(s.tg, "TG_EMPTY", C, 50)
    w.ill(s.alb, "ALB_503_NO_TARGETS", C, 70, subject=s.tg)
    bad = unrelated_deploy(w, [s, *rest], -600)
    return ok(*gone, wrong_change=bad)
