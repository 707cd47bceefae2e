"""The calls of a look at a web ACL; only the ACL itself is a must."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from cockpit import clock
from cockpit.connect.aws.answer import answer_into, answers_into
from cockpit.connect.aws.settings import AwsResource, WafSettings
from cockpit.connect.session import AwsReads, MetricQuery
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Severity
from probes.answers import Gap, absent, attempt, blind_series, whole_minute
from probes.metrics import NO_DATA, query, settled, together, total
from probes.waf_acl.model import BlockSet, Snapshot, WafRule
from probes.waf_acl.rows import (
    BalancerAttribute,
    HeldKeys,
    IpSetRow,
    SampledRow,
    SetReferenceRow,
    WebAclName,
    WebAclRow,
    acl_of,
    blocking_sets,
    rules_of,
    shares,
    weighed,
)

_SPACE = "AWS/WAFV2"
_KINDS = (
    "APPLICATION_LOAD_BALANCER",
    "API_GATEWAY",
    "APPSYNC",
    "COGNITO_USER_POOL",
    "APP_RUNNER_SERVICE",
    "VERIFIED_ACCESS_INSTANCE",
    "AMPLIFY",
)
_BALANCERS = 5
_RULES = 50
_LIMITED = 5
_WINDOW = timedelta(minutes=10)
MISSING = "WAF_ACL_MISSING"


async def read_acl(aws: AwsReads, settings: AwsResource) -> Snapshot:
    """The ACL, then what it guards, its numbers, its IP set, and samples of requests."""
    at = clock.now()
    answer, scope = await _acl(aws, settings.id)
    acl, gaps = acl_of(answer), list[Gap]()
    look = Snapshot(
        at=at,
        name=acl.name,
        id=acl.id,
        arn=acl.arn,
        scope=scope,
        default=_default(acl),
        rules=rules_of(acl, answer["WebACL"]),
        never_block=settings.never_block if isinstance(settings, WafSettings) else (),
    )
    chosen = settings.ip_set if isinstance(settings, WafSettings) else ""
    attached, held, limited = await asyncio.gather(
        attempt(gaps, "what it guards", _attached(aws, look), otherwise=None),
        attempt(gaps, "IP set", _ip_set(aws, acl, chosen), otherwise=None),
        attempt(gaps, "rate rules", _limited(aws, look), otherwise=look.rules),
    )
    look = replace(look, attached=attached, ip_set=held, rules=limited)
    visible = acl.visibility_config
    if visible.cloud_watch_metrics_enabled:
        measuring = _measured(aws, look, visible.metric_name, gaps)
        look = await attempt(gaps, "metrics", measuring, otherwise=look)
        if look.errors.values:
            look = await attempt(gaps, "balancers", _opened(aws, look), otherwise=look)
    else:
        gaps.append(Gap("metrics", Reason.MISCONFIGURED.value, "they are switched off in the ACL"))
    if not isinstance(settings, WafSettings) or settings.samples:
        look = await _sampled(aws, look, acl, gaps)
    return replace(look, gaps=tuple(gaps))


def _default(acl: WebAclRow) -> str:
    if acl.default_action.allow is not None:
        return "allow"
    return "block" if acl.default_action.block is not None else "unknown"


async def _acl(aws: AwsReads, name: str) -> tuple[dict[str, object], str]:
    """The ACL and its scope, by its ARN, or by its name among the place's own."""
    arn = name
    if not arn.startswith("arn:"):
        rows = await aws.pages("wafv2", "ListWebACLs", key="WebACLs", Scope="REGIONAL", Limit=100)
        named = [e for e in answers_into(rows, WebAclName) if e.name == name]
        if not named:
            raise _absent(BlindError(Reason.MISSING, f"no web ACL of this region is called {name}"))
        arn = named[0].arn
    where, scope = _place_of(arn)
    if scope == "CLOUDFRONT" and aws.region != "us-east-1":
        raise BlindError(
            Reason.MISCONFIGURED,
            "a web ACL of CloudFront answers in us-east-1 only",
            hint="give the target a place (`aws = …`) whose region is us-east-1",
        )
    try:
        found = await aws.read("wafv2", "GetWebACL", expect="WebACL", **where)
    except BlindError as error:
        raise _absent(error) from error
    return dict(found), scope


def _place_of(arn: str) -> tuple[dict[str, str], str]:
    """`Name`, `Id` and `Scope` of an ACL's or an IP set's ARN."""
    parts = arn.split(":", 5)[-1].split("/")
    if len(parts) != 4 or parts[0] not in {"regional", "global"}:
        raise BlindError(
            Reason.MISCONFIGURED,
            f"{arn} is no ARN of WAF",
            hint="it ends with regional/webacl/NAME/ID, or global/webacl/NAME/ID",
        )
    scope = "REGIONAL" if parts[0] == "regional" else "CLOUDFRONT"
    return {"Name": parts[2], "Scope": scope, "Id": parts[3]}, scope


def _absent(error: BlindError) -> BlindError:
    """There is no such ACL: what it guarded is open, unless the ARN is misspelled here."""
    return absent(
        error,
        MISSING,
        severity=Severity.WARNING,
        hint=error.hint or "check the ACL's ARN and region in the configuration",
    )


async def _attached(aws: AwsReads, look: Snapshot) -> tuple[str, ...] | None:
    """What it guards: one kind after the other until something is found. Not told of CloudFront."""
    if look.scope != "REGIONAL":
        return None
    for kind in _KINDS:
        answer = await aws.read(
            "wafv2",
            "ListResourcesForWebACL",
            expect="ResourceArns",
            WebACLArn=look.arn,
            ResourceType=kind,
        )
        arns = answer["ResourceArns"]
        if isinstance(arns, list) and arns:
            return tuple(str(each) for each in arns)
    return ()


async def _ip_set(aws: AwsReads, acl: WebAclRow, chosen: str) -> BlockSet | None:
    """The set that addresses may be added to: the one that is named, else the only one there is."""
    known = [each for each in blocking_sets(acl) if not chosen or _called(each, chosen)]
    if len(known) != 1:
        return None
    where, scope = _place_of(known[0].arn)
    answer = await aws.read("wafv2", "GetIPSet", expect="IPSet", **where)
    row = answer_into(answer["IPSet"], IpSetRow)
    return BlockSet(
        name=row.name,
        id=row.id,
        scope=scope,
        version=row.ip_address_version,
        addresses=row.addresses,
        lock=str(answer.get("LockToken") or ""),
        forwarded=known[0].forwarded is not None,
    )


def _called(reference: SetReferenceRow, name: str) -> bool:
    return name in {reference.arn, *reference.arn.split("/")[-2:-1]}


async def _limited(aws: AwsReads, look: Snapshot) -> tuple[WafRule, ...]:
    """The rules; those by rate with how many addresses they hold back now."""
    rated = [each.name for each in look.rules if each.sort.startswith("rate ")][:_LIMITED]
    told = dict(
        zip(rated, await asyncio.gather(*(_keys(aws, look, n) for n in rated)), strict=True)
    )
    return tuple(replace(rule, limited=told.get(rule.name)) for rule in look.rules)


async def _keys(aws: AwsReads, look: Snapshot, rule: str) -> int | None:
    """None: the rule counts by something else than addresses, of which WAF tells nothing."""
    try:
        answer = await aws.read(
            "wafv2",
            "GetRateBasedStatementManagedKeys",
            Scope=look.scope,
            WebACLName=look.name,
            WebACLId=look.id,
            RuleName=rule,
        )
    except BlindError as error:
        if error.reason in {Reason.MISSING, Reason.MISCONFIGURED, Reason.UNSUPPORTED}:
            return None
        raise
    held = [answer.get(f"ManagedKeysIPV{version}") for version in (4, 6)]
    return sum(len(answer_into(each, HeldKeys).addresses) for each in held if each is not None)


async def _measured(aws: AwsReads, look: Snapshot, name: str, gaps: list[Gap]) -> Snapshot:
    """Three hours of what it let through and blocked, rule by rule, and of what stands behind."""

    def of(metric: str, rule: str) -> MetricQuery:
        dims = {"WebACL": name, "Rule": rule}
        if look.scope == "REGIONAL":
            dims["Region"] = aws.region
        return MetricQuery(_SPACE, metric, tuple(sorted(dims.items())), "Sum")

    main = {"allowed": of("AllowedRequests", "ALL"), "blocked": of("BlockedRequests", "ALL")}
    ruled = {each.metric: of("BlockedRequests", each.metric) for each in look.rules[:_RULES]}
    behind, errors = _balancers(look)
    wanted: list[MetricQuery] = [*main.values(), *ruled.values(), *behind, *errors]
    found = await aws.metrics(wanted, minutes=185)
    gaps += blind_series({name: found.get(each, NO_DATA) for name, each in main.items()})
    return replace(
        look,
        allowed=found.get(main["allowed"], NO_DATA),
        blocked=found.get(main["blocked"], NO_DATA),
        behind=together(*(found.get(each, NO_DATA) for each in behind)),
        errors=together(*(found.get(each, NO_DATA) for each in errors)),
        rules=tuple(
            replace(each, blocked=found.get(ruled[each.metric], NO_DATA))
            if each.metric in ruled
            else each
            for each in look.rules
        ),
    )


def _balancers(look: Snapshot) -> tuple[list[MetricQuery], list[MetricQuery]]:
    """Requests and own errors of the balancers that it guards, at most of five."""
    names = [a.partition(":loadbalancer/")[2] for a in look.attached or () if ":loadbalancer/" in a]
    space = "AWS/ApplicationELB"
    pairs = [
        (
            query(space, "RequestCount", "Sum", LoadBalancer=each),
            query(space, "HTTPCode_ELB_500_Count", "Sum", LoadBalancer=each),
        )
        for each in names[:_BALANCERS]
    ]
    return [one for one, _ in pairs], [other for _, other in pairs]


async def _opened(aws: AwsReads, look: Snapshot) -> Snapshot:
    """Whether the balancers let through what WAF cannot judge: only if all do."""
    arns = [each for each in look.attached or () if ":loadbalancer/" in each][:_BALANCERS]
    told = await asyncio.gather(*(_attributes(aws, arn) for arn in arns))
    words = [each.get("waf.fail_open.enabled") for each in told]
    return replace(look, fail_open=None if None in words else all(w == "true" for w in words))


async def _attributes(aws: AwsReads, arn: str) -> dict[str, str]:
    answer = await aws.read(
        "elbv2", "DescribeLoadBalancerAttributes", expect="Attributes", LoadBalancerArn=arn
    )
    return {each.key: each.value for each in answers_into(answer["Attributes"], BalancerAttribute)}


async def _sampled(aws: AwsReads, look: Snapshot, acl: WebAclRow, gaps: list[Gap]) -> Snapshot:
    """Samples of what no rule matched, and of the rule that blocks most: who, from where, what.

    Customers' addresses and paths: they are asked for by consent only, and no header but the
    agent's name is kept.
    """
    names = [acl.visibility_config.metric_name] if acl.visibility_config.metric_name else []
    most = {e.metric: total(settled(e.blocked, look.at)) or 0 for e in look.rules if e.metric}
    top = max(most, key=lambda name: most[name], default="")
    if top and most[top]:
        names.append(top)
    if not acl.visibility_config.sampled_requests_enabled:
        gaps.append(Gap("samples", Reason.MISCONFIGURED.value, "they are switched off in the ACL"))
        return look
    nothing: list[tuple[SampledRow, float]] = []
    reading = (
        attempt(gaps, f"samples of {name}", _sample(aws, look, name), otherwise=nothing)
        for name in names
    )
    rows = [row for told in await asyncio.gather(*reading) for row in told]
    return replace(
        look,
        samples=len(rows),
        sources=shares(rows, "client"),
        paths=shares(rows, "uri"),
        countries=shares(rows, "country"),
    )


async def _sample(aws: AwsReads, look: Snapshot, metric: str) -> list[tuple[SampledRow, float]]:
    end = whole_minute(look.at)
    answer = await aws.read(
        "wafv2",
        "GetSampledRequests",
        expect="SampledRequests",
        WebAclArn=look.arn,
        RuleMetricName=metric,
        Scope=look.scope,
        TimeWindow={"StartTime": end - _WINDOW, "EndTime": end},
        MaxItems=500,
    )
    return weighed(answer)
