"""One stage of an API: what its clients get, how fast, and what it serves since when.

Source: API Gateway `GetRestApis`, `GetStages`, `GetDeployments` and the same of version 2;
CloudWatch `AWS/ApiGateway`; in trouble its integrations, VPC links, access log, the policies of its
functions, and CloudTrail for what the stage served before. `GetExport` is never asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from cockpit import clock
from cockpit.connect.aws.answer import answers_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import ApiSettings
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.logs.source import LogSource
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, attempt, blind_series, partly_blind
from probes.api_gateway import (
    answers,
    besides,
    contract,
    domain,
    limits,
    load,
    reach,
    releases,
    series,
    traffic,
    view,
)
from probes.api_gateway.lines import pattern
from probes.api_gateway.model import HTTP, REST, ApiDeployment, Snapshot
from probes.api_gateway.read import (
    http_deployment,
    http_look,
    named,
    newest_first,
    rest_deployment,
    rest_look,
)
from probes.api_gateway.rows import (
    HttpApiRow,
    HttpDeploymentRow,
    HttpStageRow,
    RestApiRow,
    RestDeploymentRow,
    RestStageRow,
)
from probes.api_gateway.settings import Settings

_DEFAULT = "$default"
_MISSING = "APIGW_MISSING"


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read API and stage, then deployments and metrics at once; only API and stage are a must."""
    settings = target.settings
    assert isinstance(settings, ApiSettings)
    look = await _stage(aws, settings, clock.now())
    gaps: list[Gap] = []
    nothing: tuple[ApiDeployment, ...] = ()
    named_domain = domain.domain_of(aws, settings.domain)
    look, made, own = await asyncio.gather(
        attempt(gaps, "metrics", series.measured(aws, look), otherwise=look),
        attempt(gaps, "deployments", _deployments(aws, look), otherwise=nothing),
        attempt(gaps, "the domain", named_domain, otherwise=None),
    )
    served = next((each for each in made if each.id == look.deployment), None)
    look = replace(look, deployments=made, deployed=served, domain=own)
    look = await _explained(aws, look, gaps)
    counters = {name: getattr(look, name) for name in ("requests", "errors", "client_errors")}
    return replace(look, gaps=(*gaps, *blind_series(counters)))


async def _explained(aws: AwsReads, look: Snapshot, gaps: list[Gap]) -> Snapshot:
    """The look with what is asked for only in trouble or after a release."""
    look = await attempt(gaps, "stage history", besides.pointed(aws, look), otherwise=look)
    look = await attempt(gaps, "integrations", besides.behind(aws, look), otherwise=look)
    links = await attempt(gaps, "VPC links", besides.linked(aws, look), otherwise=())
    look = await attempt(gaps, "limits", besides.limited(aws, look), otherwise=look)
    look = await attempt(gaps, "access log", besides.logged(aws, look), otherwise=look)
    look = await attempt(gaps, "function policies", besides.permitted(aws, look), otherwise=look)
    asked = series.of_functions(aws, look)
    look = await attempt(gaps, "metrics of its functions", asked, otherwise=look)
    held = domain.certificate_of(aws, look.domain)
    shown = await attempt(gaps, "certificate", held, otherwise=domain.DomainCertificate())
    if look.domain is not None:
        own = replace(look.domain, certificate_status=shown.status, ends=shown.not_after)
        look = replace(look, domain=own)
    return replace(look, links=links)


async def _stage(aws: AwsReads, settings: ApiSettings, at: datetime) -> Snapshot:
    """An id does not say of which sort its API is: REST APIs are listed first, then the others."""
    id_, stage, protocol = named(settings.id, settings.stage)
    if protocol != HTTP:
        rows = await aws.pages("apigateway", "GetRestApis", key="items", limit=500)
        apis = answers_into(rows, RestApiRow)
        api = next((each for each in apis if each.id == id_), None)
        if api is not None:
            alike = sum(1 for each in apis if each.name == api.name) - 1
            row = await _rest_stage(aws, id_, stage)
            return replace(rest_look(api, row, at), namesakes=alike)
    if protocol != REST:
        rows = await aws.pages("apigatewayv2", "GetApis", key="Items")
        for other in answers_into(rows, HttpApiRow):
            if other.api_id == id_:
                return http_look(other, await _http_stage(aws, id_, stage), at)
    raise _absent(f"there is no API {id_}", "check id and region in the configuration")


async def _rest_stage(aws: AwsReads, id_: str, stage: str) -> RestStageRow:
    answer = await aws.read("apigateway", "GetStages", expect="item", restApiId=id_)
    rows = answers_into(answer["item"], RestStageRow)
    name = _chosen([each.stage_name for each in rows], stage, id_)
    return next(each for each in rows if each.stage_name == name)


async def _http_stage(aws: AwsReads, id_: str, stage: str) -> HttpStageRow:
    answer = await aws.pages("apigatewayv2", "GetStages", key="Items", ApiId=id_)
    rows = answers_into(answer, HttpStageRow)
    name = _chosen([each.stage_name for each in rows], stage, id_)
    return next(each for each in rows if each.stage_name == name)


def _chosen(names: Sequence[str], stage: str, id_: str) -> str:
    """The stage that is meant: the one that is named, `$default`, or the only one."""
    if stage in names:
        return stage
    if stage or not names:
        which = f"stage {stage}" if stage else "stage"
        raise _absent(f"API {id_} has no {which}", "who deleted it? Or check its name")
    if _DEFAULT in names or len(names) == 1:
        return _DEFAULT if _DEFAULT in names else names[0]
    several = ", ".join(sorted(names)[:8])
    raise BlindError(
        Reason.MISCONFIGURED,
        f"API {id_} has several stages: {several}",
        hint="name one with stage in the configuration",
    )


def _absent(message: str, hint: str) -> BlindError:
    """There is no such API or stage: every request fails, unless it is misspelled here."""
    return BlindError(
        Reason.MISSING, message, hint=hint, code=_MISSING, severity=Severity.CRITICAL.value
    )


async def _deployments(aws: AwsReads, look: Snapshot) -> tuple[ApiDeployment, ...]:
    if look.protocol == REST:
        rows = await aws.pages(
            "apigateway", "GetDeployments", key="items", restApiId=look.id, limit=500
        )
        return newest_first(map(rest_deployment, answers_into(rows, RestDeploymentRow)))
    rows = await aws.pages("apigatewayv2", "GetDeployments", key="Items", ApiId=look.id)
    return newest_first(map(http_deployment, answers_into(rows, HttpDeploymentRow)))


async def logs(aws: AwsReads, snapshot: Snapshot, target: Target) -> tuple[LogSource, ...]:
    """Its access log, and the logs of the functions that answer for it."""
    functions = dict.fromkeys(
        each.function.split(":")[6]
        for each in snapshot.integrations or ()
        if each.function.count(":") >= 6
    )
    group = snapshot.log_group
    errors = pattern(snapshot.log_format)
    access = (LogSource(group=group, label="access log", errors=errors),) if group else ()
    return (
        *access,
        *(LogSource(group=f"/aws/lambda/{name}", label=f"function {name}") for name in functions),
    )


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Carry over what the stage served before we saw it go elsewhere: CloudTrail is up to fifteen
    minutes late.
    """
    now = releases.edited(before, now)
    if now.previous_deployment or before.stage != now.stage:
        return now
    if before.deployment == now.deployment:
        known = before.previous_deployment, before.previous_known_by
    else:
        known = before.deployment, "what the stage served when the cockpit looked before"
    if known[0] not in {each.id for each in now.deployments}:
        return now
    return replace(now, previous_deployment=known[0], previous_known_by=known[1])


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report what clients get first, then why, then what would help to know."""
    yield from answers.errors(snapshot, settings)
    yield from contract.contract(snapshot, settings)
    yield from reach.reached(snapshot, settings)
    yield from domain.ready(snapshot, settings)
    yield from domain.certificate(snapshot, settings)
    yield from releases.deployment(snapshot, settings)
    yield from load.slow(snapshot, settings)
    yield from limits.throttles(snapshot, settings)
    yield from limits.clients(snapshot, settings)
    yield from traffic.traffic(snapshot, settings)
    yield from releases.changed(snapshot, settings)
    yield from releases.integrations(snapshot, settings)
    yield from load.review(snapshot, settings)
    yield from partly_blind("APIGW_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("api_gateway", "api", settings=ApiSettings)

PROBE = Probe(
    id="api_gateway.status",
    kind="api_gateway",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=60,
    timeout=20,
    facts=view.facts,
    tables=view.tables,
    changes=view.changes,
    since=since,
    twice=False,
    logs=logs,
    needs=(
        "apigateway:GET",
        "cloudwatch:GetMetricData",
        "logs:FilterLogEvents",
        "logs:GetLogEvents",
        "lambda:GetPolicy",
        "lambda:GetFunctionConfiguration",
        "cloudtrail:LookupEvents",
        "acm:DescribeCertificate",
    ),
    codes=codes(
        cause=(
            _MISSING,
            "APIGW_LAMBDA_PERMISSION_MISSING",
            "APIGW_VPC_LINK_DOWN",
            "APIGW_DOMAIN_NOT_READY",
            "APIGW_NOT_DEPLOYED",
            "APIGW_THROTTLING",
        ),
        event=("APIGW_DEPLOYED_RECENTLY", "APIGW_INTEGRATION_CHANGED"),
        either=("APIGW_5XX_BACKEND_HEALTHY", "APIGW_TRAFFIC_SURGE"),
        symptom=(
            "APIGW_5XX_RATE",
            "APIGW_TIMEOUTS",
            "APIGW_LATENCY_HIGH",
            "APIGW_4XX_SURGE",
            "APIGW_TRAFFIC_DROP",
        ),
        risk=(
            "APIGW_CERT_EXPIRING",
            "APIGW_DEPLOY_FAILED",
            "APIGW_NO_ACCESS_LOGS",
            "APIGW_NO_THROTTLE",
        ),
        eye=("APIGW_STATUS_UNKNOWN", "APIGW_OBS_BLIND"),
        traits={
            Trait.LOAD: ("APIGW_LATENCY_HIGH", "APIGW_THROTTLING"),
            Trait.LOADER: ("APIGW_TRAFFIC_SURGE",),
            Trait.SAYS_DROP: ("APIGW_TRAFFIC_DROP",),
            Trait.CAUSE_AT_CRITICAL: ("APIGW_CERT_EXPIRING",),
        },
    ),
)
