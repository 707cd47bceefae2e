"""As which value of the model an answer of API Gateway is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from cockpit.logs.source import group_of
from probes.api_gateway.model import (
    HTTP,
    NO_LIMIT,
    REST,
    ApiDeployment,
    ApiIntegration,
    ApiLink,
    Snapshot,
    UsagePlan,
)
from probes.api_gateway.rows import (
    AccountLimits,
    Canary,
    HttpApiRow,
    HttpDeploymentRow,
    HttpIntegrationRow,
    HttpLimits,
    HttpLinkRow,
    HttpStageRow,
    PlanQuota,
    RestApiRow,
    RestDeploymentRow,
    RestLimits,
    RestLinkRow,
    RestPathRow,
    RestStageRow,
    UsagePlanRow,
)

_ALL = "*/*"


_API_ARN = re.compile(r"arn:[\w-]+:apigateway:[\w-]*::/(restapis|apis)/(\w+)(?:/stages/([^/]+))?")


def named(id_: str, stage: str) -> tuple[str, str, str]:
    """Id of the API, its stage, and `REST`, `HTTP` or empty where only a look can tell."""
    found = _API_ARN.fullmatch(id_)
    if found is None:
        return id_, stage, ""
    return found[2], stage or found[3] or "", REST if found[1] == "restapis" else HTTP


def rest_look(api: RestApiRow, row: RestStageRow, at: datetime) -> Snapshot:
    """A stage of a REST API, without what other calls tell."""
    limits = row.method_settings.get(_ALL, RestLimits())
    canary = row.canary_settings or Canary()
    own = [name for name, each in row.method_settings.items() if name != _ALL and _limited(each)]
    return Snapshot(
        at=at,
        id=api.id,
        name=api.name,
        protocol=REST,
        stage=row.stage_name,
        deployment=row.deployment_id,
        canary_deployment=canary.deployment_id,
        canary_percent=canary.percent_traffic,
        canary_percent_text=f"{canary.percent_traffic:g}",
        rate_limit=_limit(limits.throttling_rate_limit),
        burst_limit=_whole(limits.throttling_burst_limit),
        rate_limit_text=_text(limits.throttling_rate_limit),
        burst_limit_text=_text(limits.throttling_burst_limit),
        detailed_metrics=limits.metrics_enabled,
        routes_limited=len(own),
        cache=row.cache_cluster_status,
        log_group=group_of(row.access_log_settings.destination_arn),
        log_format=row.access_log_settings.format,
    )


def http_look(api: HttpApiRow, row: HttpStageRow, at: datetime) -> Snapshot:
    """A stage of an HTTP or WebSocket API, without what other calls tell."""
    limits = row.default_route_settings
    return Snapshot(
        at=at,
        id=api.api_id,
        name=api.name,
        protocol=api.protocol_type.upper(),
        stage=row.stage_name,
        deployment=row.deployment_id,
        auto_deploy=row.auto_deploy,
        deploy_message=row.last_deployment_status_message,
        rate_limit=_limit(limits.throttling_rate_limit),
        burst_limit=_whole(limits.throttling_burst_limit),
        rate_limit_text=_text(limits.throttling_rate_limit),
        burst_limit_text=_text(limits.throttling_burst_limit),
        detailed_metrics=limits.detailed_metrics_enabled,
        routes_limited=sum(1 for each in row.route_settings.values() if _limited(each)),
        log_group=group_of(row.access_log_settings.destination_arn),
        log_format=row.access_log_settings.format,
    )


def _limited(each: RestLimits | HttpLimits) -> bool:
    return _limit(each.throttling_rate_limit) is not None


def _limit(value: float | None) -> float | None:
    """0 lets nothing through, a number below 0 takes the limit away."""
    return None if value is None or value < 0 else value


def _whole(value: int | None) -> int | None:
    return None if value is None or value < 0 else value


def _text(value: float | None) -> str:
    return NO_LIMIT if value is None or value < 0 else f"{value:g}"


def rest_deployment(row: RestDeploymentRow) -> ApiDeployment:
    """The deployment."""
    return ApiDeployment(id=row.id, at=row.created_date, description=row.description)


def http_deployment(row: HttpDeploymentRow) -> ApiDeployment:
    """The deployment."""
    return ApiDeployment(
        id=row.deployment_id,
        at=row.created_date,
        description=row.description,
        status=row.deployment_status,
        message=row.deployment_status_message,
        auto=row.auto_deployed,
    )


def newest_first(deployments: Iterator[ApiDeployment]) -> tuple[ApiDeployment, ...]:
    """AWS promises no order."""
    return tuple(sorted(deployments, key=lambda each: (_stamp(each), each.id), reverse=True))


def _stamp(each: ApiDeployment) -> float:
    return each.at.timestamp() if each.at else 0.0


def rest_integrations(rows: tuple[RestPathRow, ...]) -> Iterator[ApiIntegration]:
    """What answers each method of each path."""
    for row in rows:
        for verb, method in sorted(row.resource_methods.items()):
            made = method.method_integration
            if made is not None:
                yield ApiIntegration(
                    route=f"{verb} {row.path}",
                    type=made.type,
                    uri=made.uri,
                    timeout=None
                    if made.timeout_in_millis is None
                    else made.timeout_in_millis / 1e3,
                    link=made.connection_id if made.connection_type == "VPC_LINK" else "",
                    function=function_of(made.uri),
                    role=made.credentials,
                )


def http_integration(row: HttpIntegrationRow) -> ApiIntegration:
    """What answers the routes that name it."""
    return ApiIntegration(
        route=row.integration_id,
        type=row.integration_type,
        uri=row.integration_uri,
        timeout=_seconds(row.timeout_in_millis),
        link=row.connection_id if row.connection_type == "VPC_LINK" else "",
        function=function_of(row.integration_uri),
        role=row.credentials_arn,
    )


def _seconds(millis: int | None) -> float | None:
    return None if millis is None else millis / 1000


_FUNCTION = re.compile(r"arn:[\w-]+:lambda:[\w-]+:\d+:function:[\w-]+(?::[\w$-]+)?")


def function_of(uri: str) -> str:
    """The function's ARN in an integration's URI; empty: another thing, or a stage variable in it.

    A REST API writes `arn:aws:apigateway:REGION:lambda:path/…/functions/ARN/invocations`.
    """
    if "${" in uri:
        return ""
    found = _FUNCTION.search(uri)
    return found[0] if found else ""


def rest_link(row: RestLinkRow) -> ApiLink:
    """The link."""
    return ApiLink(id=row.id, name=row.name, status=row.status, message=row.status_message)


def http_link(row: HttpLinkRow) -> ApiLink:
    """The link."""
    return ApiLink(
        id=row.vpc_link_id,
        name=row.name,
        status=row.vpc_link_status,
        message=row.vpc_link_status_message,
    )


def plan_of(row: UsagePlanRow) -> UsagePlan:
    """The plan."""
    throttle, quota = row.throttle or AccountLimits(), row.quota or PlanQuota()
    return UsagePlan(
        id=row.id,
        name=row.name,
        rate=throttle.rate_limit,
        burst=throttle.burst_limit,
        quota=quota.limit,
        period=quota.period,
    )


def pointed_in(event: Mapping[str, object], look: Snapshot) -> str:
    """The deployment that a recorded call gave to this stage; empty: none, or it was refused.

    Source: CloudTrail's `requestParameters` are the call's own arguments, with the body of version
    1 under `createDeploymentInput` and `updateStageInput`.
    """
    asked, made = event.get("requestParameters"), event.get("responseElements")
    if not isinstance(asked, Mapping) or event.get("errorCode"):
        return ""
    if look.id not in {asked.get("restApiId"), asked.get("apiId")}:
        return ""
    if event.get("eventName") == "UpdateStage":
        return _updated(asked) if asked.get("stageName") == look.stage else ""
    body = asked.get("createDeploymentInput")
    inner: Mapping[str, object] = body if isinstance(body, Mapping) else asked
    if inner.get("stageName") != look.stage or not isinstance(made, Mapping):
        return ""
    if inner.get("canarySettings"):  # it got a part of the requests, beside what the stage serves
        return ""
    found = made.get("id") or made.get("deploymentId")
    return found if isinstance(found, str) else ""


def _updated(asked: Mapping[str, object]) -> str:
    body = asked.get("updateStageInput")
    inner: Mapping[str, object] = body if isinstance(body, Mapping) else asked
    given = inner.get("deploymentId")
    if isinstance(given, str):
        return given
    patches = inner.get("patchOperations")
    for each in patches if isinstance(patches, list) else ():
        if isinstance(each, Mapping) and each.get("path") == "/deploymentId":
            value = each.get("value")
            return value if isinstance(value, str) else ""
    return ""
