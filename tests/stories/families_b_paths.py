"""Changes of the network, names that do not resolve, certificates that end."""

from __future__ import annotations

from tests.stories.parts import link, maybe, trail, trail_says
from tests.stories.shop import edge, shop, unrelated_deploy
from tests.stories.writer import INFO, C, H, Truth, W, World, ok, template


@template("network change", "ours")
def firewall_before_the_web_tier(w: World) -> Truth:
    """Rules of the firewall are rolled out that shut the balancers out of the whole web tier.

    https://stackstatus.net/post/96025967369/outage-post-mortem-august-25th-2014
    """
    s, o, *rest = shop(w, count=4, db=True, alb="shared")
    path = ""
    if maybe(w, 0.6):
        path = w.add("balancer-to-web", "vpc_path", service="edge")
        w.need(s.alb, path)
        w.ill(path, "PATH_SG_INGRESS_DENIED", C, 0, subject="sg-web")
    ch = trail(w, "ec2.security_group", path or s.alb, -15, "RevokeSecurityGroupIngress sg-web")
    told = trail_says(w, "SG_NARROWED", W, 150, subject="sg-web")
    for each in (s, o):
        w.ill(each.tg, "TG_NO_HEALTHY_TARGETS", C, 35)
        edge(w, each, 20, what="504", tg=False)
    if maybe(w, 0.5):
        w.ill(s.ecs, "ECS_HEALTH_CHECK_KILLS", C, 120)
    bad = unrelated_deploy(w, [s, *rest], -250)
    return ok(path, ch, told, trigger=ch, wrong_change=bad)


@template("network change", "aside")
def hosts_that_lose_their_rules(w: World) -> Truth:
    """A package updates itself on every host at the same hour, restarts the network of each and
    leaves it without its rules; no look sees packages.

    https://www.datadoghq.com/blog/2023-03-08-multiregion-infrastructure-connectivity-issue/
    """
    s, o, *rest = shop(w, count=4, db=True, alb="own")
    group = w.add("hosts", "autoscaling_group", service="platform")
    cluster = w.add("main-cluster", "ecs_cluster", group, service="platform")
    hosts = [w.add(f"host-{n}", "ec2_instance", service="platform") for n in range(1, 5)]
    for each in (s, o, *rest):
        w.need(each.ecs, cluster)
    w.need(cluster, *hosts)
    for host in hosts:
        if maybe(w, 0.8):
            w.ill(host, "EC2_STATUS_IMPAIRED", C, 60 + w.rng.uniform(0, 120))
    w.ill(cluster, "ECS_AGENT_DISCONNECTED", INFO, 30)
    w.ill(cluster, "ECS_HOST_IMPAIRED", C, 90)
    w.ill(group, "ASG_BELOW_DESIRED", w.rng.choice([W, C]), 200)
    w.ill(o.ecs, "ECS_SERVICE_DOWN", C, 120)
    edge(w, s, 20, what="504")
    edge(w, o, 20, what="503")
    bad = unrelated_deploy(w, [s, *rest], -900)
    return ok(cluster, group, *hosts, wrong_change=bad)


@template("network change", "ours")
def routes_in_the_wrong_order(w: World) -> Truth:
    """A planned change of routes puts the last rule before the others, and the busiest places are no
    more reachable.

    https://blog.cloudflare.com/cloudflare-outage-on-june-21-2022/
    """
    s, o, *rest = shop(w, count=4, db=True, path=True, alb="own")
    other = w.add(f"{o.name}-to-shared", "vpc_path", service=o.name)
    w.need(o.ecs, other)
    ch = trail(w, "ec2.route", s.path, -10, "DeleteRoute 10.0.0.0/8", actor="operator")
    code = w.rng.choice(["PATH_NO_ROUTE", "PATH_TGW_NO_ROUTE"])
    w.ill(s.path, code, C, 0, subject="rtb-core")
    w.ill(other, code, C, 0, subject="rtb-core")
    w.ill(s.rds, "RDS_CONNECTIONS_COLLAPSED", H, 80)
    edge(w, s, 20, what="504")
    edge(w, o, 20, what="5xx")
    bad = w.change("ecs.deployment", s.ecs, -700, f"deployment of {s.ecs}:15")
    unrelated_deploy(w, [s, *rest], 100)
    return ok(s.path, other, ch, trigger=ch, wrong_change=bad)


@template("network change", "aside")
def all_by_one_place(w: World) -> Truth:
    """Meant to take load off one link, a change draws the traffic of everybody to one place, which
    cannot carry it.

    https://blog.cloudflare.com/cloudflare-outage-on-july-17-2020/
    """
    s, o, *rest = shop(w, count=4, ext=True, db=True, alb="own")
    out = w.add("way-out", "vpc_path", service="platform")
    o.ext = o.ext or w.add(f"{o.name}-partner", "endpoint", service=o.name)
    w.need(o.ecs, out, o.ext)
    w.need(s.ecs, out)
    ch = trail(w, "ec2.route", out, -30, "ReplaceRoute 0.0.0.0/0", actor="operator")
    w.ill(out, "PATH_NAT_OTHER_AZ", W, -20, subject="nat-1")
    w.ill(out, "NET_NAT_PORT_ERRORS", C, 60, subject="nat-1")
    w.ill(out, "NET_NAT_DROPS", W, 90, subject="nat-1")
    for each in (s, o):
        w.ill(each.ext, "NET_TCP_TIMEOUT", C, 30)
        if maybe(w, 0.6):
            w.ill(each.ext, "DEP_EXTERNAL", H, 30)
        edge(w, each, 50, what=w.rng.choice(["5xx", "504"]), tg=False)
    unrelated_deploy(w, [s, *rest], -400)
    return ok(out, ch, trigger=ch)


@template("dns", "ours")
def record_made_anew(w: World) -> Truth:
    """A stack makes the certificates anew and with them the records: for some minutes the name of
    the downloads is not there, and resolvers remember that.

    https://blog.rust-lang.org/inside-rust/2023/02/08/dns-outage-portmortem.html
    """
    s, *rest = shop(w, db=True, alb="own")
    cdn = w.add(f"{s.name}-cdn", "cloudfront", service=s.name)
    name = w.add(f"{s.name}-static", "endpoint", cdn, service=s.name)
    stack = trail(w, "cloudformation.stack", cdn, -200, "ExecuteChangeSet static")
    ch = trail(w, "route53.record", name, -10, "ChangeResourceRecordSets DELETE static A")
    told = trail_says(w, "DNS_RECORD_CHANGED", W, 120, subject=f"{name} static A")
    w.ill(name, "NET_DNS_NXDOMAIN", C, 0)
    w.ill(cdn, "CF_TRAFFIC_STOPPED", W, 200)
    edge(w, s, 40, what="5xx", hard=False, tg=False)
    bad = unrelated_deploy(w, [s, *rest], -60)
    return ok(name, ch, stack, told, trigger=ch, wrong_change=bad)


@template("dns", "aside")
def resolver_of_the_cluster(w: World) -> Truth:
    """A change of the cluster's resolver keeps every service in it from finding any other.

    https://status.pagerduty.com/incidents/vbp7ht2647l8
    """
    s, a, b, *rest = shop(w, count=5, ext=True, db=True, alb="own")
    names = [link(w, a, s), link(w, b, s, a), s.ext]
    ch = trail(w, "route53.resolver", names[0], -20, "UpdateResolverRule", actor="operator")
    code = w.rng.choice(["NET_DNS_SERVFAIL", "NET_DNS_TIMEOUT", "NET_DNS_SERVER_SILENT"])
    for name in names:
        w.ill(name, code, H, w.rng.uniform(0, 5))
    for each in (s, a, b):
        edge(w, each, 20, what="5xx")
    bad = w.change("ecs.deployment", rest[0].ecs, -300, f"deployment of {rest[0].ecs}:61")
    return ok(*names, ch, trigger=ch, wrong_change=bad)


@template("dns", "ours")
def signature_taken_back(w: World) -> Truth:
    """The zone was signed since the morning; some cannot resolve it, so the parent's record is taken
    away, and now resolvers that kept it trust nothing of the zone.

    https://www.infoq.com/presentations/slack-dnssec/
    """
    s, *rest = shop(w, db=True, front=True, alb="own")
    w.opened = 900 + w.rng.uniform(0, 3000)
    signed = trail(w, "route53.record", s.front, -11_000, "EnableHostedZoneDNSSEC")
    ch = trail(w, "route53.record", s.front, -30, "DisableHostedZoneDNSSEC", actor="operator")
    told = trail_says(w, "DNS_RECORD_CHANGED", W, 200, subject=f"{s.front} DS", chance=0.4)
    w.ill(s.front, "NET_DNS_SERVFAIL", H, 0)
    if maybe(w, 0.5):
        w.ill(s.front, "NET_DNS_SPLIT", INFO, 0)
    w.ill(s.alb, "ALB_TRAFFIC_DROP", W, 240)
    if "alarms" in w.targets:
        w.ill("alarms", "ALARM_FIRING", W, 400, subject="requests-low")
    bad = unrelated_deploy(w, [s, *rest], -200)
    return ok(s.front, ch, signed, told, trigger=ch, wrong_change=bad)


@template("dns", "aside")
def zone_written_without_its_names(w: World) -> Truth:
    """A name server restarts wrongly and answers late; what writes the zone asks by a name that it
    then cannot resolve, and writes the zone without the rest of its names.

    https://github.blog/news-insights/the-library/dns-outage-post-mortem/
    """
    s, a, b, *rest = shop(w, count=5, db=True, alb="own")
    names = [link(w, a, s), link(w, b, s)]
    w.opened = 600 + w.rng.uniform(0, 600)
    for name in names:
        w.ill(name, "NET_DNS_TIMEOUT", H, -700, until=0)
        w.ill(name, "NET_DNS_NXDOMAIN", C, 0)
    changes = [
        trail(
            w, "route53.record", name, -15, f"ChangeResourceRecordSets DELETE {name}", actor="dns"
        )
        for name in names
    ]
    told = trail_says(w, "DNS_RECORD_CHANGED", W, 200, subject=f"{names[0]} A", chance=0.4)
    edge(w, s, 20, what="5xx")
    edge(w, a, 300, what="5xx", hard=False, tg=False)
    bad = w.change("ecs.deployment", rest[0].ecs, -800, f"deployment of {rest[0].ecs}:3")
    return ok(*names, *changes, told, wrong_change=bad)


@template("certificate", "ours")
def link_of_the_chain_that_ended(w: World) -> Truth:
    """The certificate between root and leaf ends at midnight: servers are well, and clients trust
    nothing that was signed with it.

    https://hacks.mozilla.org/2019/07/add-ons-outage-post-mortem-result/
    """
    s, *rest = shop(w, db=True, front=True, alb="own")
    w.start = w.start.replace(hour=1, minute=0, second=1)
    w.ill(s.front, w.rng.choice(["NET_TLS_CHAIN", "NET_TLS_TRUST_EXPIRED"]), H, 0)
    w.ill(s.alb, "ALB_TLS_ERRORS", W, 120)
    w.ill(s.alb, "ALB_TRAFFIC_DROP", W, 200)
    if maybe(w, 0.5):
        objective = w.add(f"{s.name}-slo", "slo", s.alb, service=s.name)
        w.ill(objective, "SLO_NO_TRAFFIC", W, 400)
    bad = w.change("ecs.deployment", s.ecs, -900, f"deployment of {s.ecs}:28")
    unrelated_deploy(w, [s, *rest], -100)
    return ok(s.front, wrong_change=bad)


@template("certificate", "aside")
def one_certificate_for_all_within(w: World) -> Truth:
    """One certificate serves all addresses within the house, nobody watches it, and when it ends no
    service speaks with another; clients ask on, which is the next trouble.

    https://www.epicgames.com/site/en-US/expiration-date-4-6-2021
    """
    s, a, b, *rest = shop(w, count=5, db=True, alb="own")
    names = [link(w, a, s), link(w, b, s, a), link(w, s, b)]
    for name in names:
        w.ill(name, "NET_TLS_EXPIRED", C, 0)
    for each in (s, a, b):
        if maybe(w, 0.8):
            edge(w, each, 20, what="5xx", tg=False)
    edge(w, s, 30, what="5xx")
    w.ill(s.alb, "ALB_TRAFFIC_SURGE", W, 420)
    bad = w.change("ecs.deployment", rest[0].ecs, -150, f"deployment of {rest[0].ecs}:73")
    return ok(*names, wrong_change=bad)


@template("certificate", "ours")
def root_that_old_clients_knew(w: World) -> Truth:
    """A root that many partners still send along ends: whoever checks by an old list of roots cannot
    call them any more, others can.

    https://letsencrypt.org/docs/dst-root-ca-x3-expiration-september-2021/
    """
    s, o, *rest = shop(w, count=4, ext=True, db=True, alb="own")
    o.ext = o.ext or w.add(f"{o.name}-partner", "endpoint", service=o.name)
    if o.ext not in w.targets[o.ecs].needs:
        w.need(o.ecs, o.ext)
    w.start = w.start.replace(hour=14, minute=1, second=15)
    for each in (s, o):
        w.ill(each.ext, "NET_TLS_TRUST_EXPIRED", H, 0)
        if maybe(w, 0.5):
            w.ill(each.ext, "DEP_EXTERNAL", H, 10)
        edge(w, each, 20, what="5xx", tg=False)
    bad = w.change("ecs.deployment", s.ecs, -240, f"deployment of {s.ecs}:52")
    unrelated_deploy(w, [s, *rest], -100)
    return ok(s.ext, o.ext, wrong_change=bad)


@template("certificate", "aside")
def one_year_from_the_leap_day(w: World) -> Truth:
    """New hosts make themselves a certificate that ends on a day that does not exist, and do not come
    up; they are taken for broken and replaced, and a release brings ever more new hosts.

    https://azure.microsoft.com/en-us/blog/summary-of-windows-azure-service-disruption-on-feb-29th-2012/
    """
    s, *rest = shop(w, db=True, alb="own")
    group = w.add(f"{s.name}-hosts", "autoscaling_group", service=s.name)
    cluster = w.add(f"{s.name}-cluster", "ecs_cluster", group, service=s.name)
    w.need(s.ecs, cluster)
    w.start = w.start.replace(hour=0, minute=0, second=10)
    w.opened = 2400 + w.rng.uniform(0, 1200)
    refresh = w.change("autoscaling.refresh", group, -900, "refresh of launch template 12")
    w.ill(group, "ASG_LIFECYCLE_STUCK", W, 600)
    w.ill(group, "ASG_REPLACEMENT_LOOP", w.rng.choice([W, C]), 1500)
    w.ill(group, "ASG_BELOW_DESIRED", C, 900)
    w.ill(cluster, "ECS_HOST_NOT_REGISTERED", W, 700)
    w.ill(cluster, "ECS_CLUSTER_FULL", C, 1600)
    w.ill(s.ecs, "ECS_PLACEMENT_FAILED", C, 1600)
    edge(w, s, 1700, what=w.rng.choice(["slow", "5xx"]), ecs=False)
    bad = unrelated_deploy(w, [s, *rest], 300)
    return ok(group, cluster, refresh, wrong_change=bad)
