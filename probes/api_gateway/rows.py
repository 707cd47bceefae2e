"""What is declared of API Gateway's answers.

Source: API Gateway REST API reference (`apigateway`), and version 2 (`apigatewayv2`).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText
from probes.api_gateway.model import HTTP


class RestApiRow(Answer, frozen=True, rename="camel"):
    """A REST API."""

    of = "apigateway.RestApi"
    id: GivenText
    name: SafeText = ""


class HttpApiRow(Answer, frozen=True):
    """An HTTP or WebSocket API."""

    of = "apigatewayv2.Api"
    api_id: GivenText
    name: SafeText = ""
    protocol_type: SafeText = HTTP


class RestLimits(Answer, frozen=True, rename="camel"):
    """Settings of a method of a stage, or of `*/*`: all of them."""

    throttling_rate_limit: float | None = None
    throttling_burst_limit: int | None = None
    metrics_enabled: bool = False


class RestLog(Answer, frozen=True, rename="camel"):
    """Where a stage writes a line for each request."""

    format: SafeText = ""
    destination_arn: SafeText = ""


class Canary(Answer, frozen=True, rename="camel"):
    """A second deployment that gets a part of the requests."""

    percent_traffic: float = 0.0
    deployment_id: SafeText = ""


class RestStageRow(Answer, frozen=True, rename="camel"):
    """A stage of a REST API. Values of stage variables never get here."""

    of = "apigateway.Stage"
    stage_name: GivenText
    deployment_id: SafeText = ""
    cache_cluster_status: SafeText = ""
    method_settings: dict[str, RestLimits] = msgspec.field(default_factory=dict)
    access_log_settings: RestLog = RestLog()
    canary_settings: Canary | None = None


class HttpLimits(Answer, frozen=True):
    """Settings of a route of a stage, or of all of them."""

    throttling_rate_limit: float | None = None
    throttling_burst_limit: int | None = None
    detailed_metrics_enabled: bool = False


class HttpLog(Answer, frozen=True):
    """Where a stage writes a line for each request."""

    format: SafeText = ""
    destination_arn: SafeText = ""


class HttpStageRow(Answer, frozen=True):
    """A stage of an HTTP or WebSocket API."""

    of = "apigatewayv2.Stage"
    stage_name: GivenText
    deployment_id: SafeText = ""
    auto_deploy: bool = False
    last_deployment_status_message: SafeText = ""
    default_route_settings: HttpLimits = HttpLimits()
    route_settings: dict[str, HttpLimits] = msgspec.field(default_factory=dict)
    access_log_settings: HttpLog = HttpLog()


class RestDeploymentRow(Answer, frozen=True, rename="camel"):
    """A deployment of a REST API."""

    of = "apigateway.Deployment"
    id: GivenText
    description: SafeText = ""
    created_date: datetime | None = None


class HttpDeploymentRow(Answer, frozen=True):
    """A deployment of an HTTP or WebSocket API."""

    of = "apigatewayv2.Deployment"
    deployment_id: GivenText
    description: SafeText = ""
    created_date: datetime | None = None
    deployment_status: SafeText = ""
    deployment_status_message: SafeText = ""
    auto_deployed: bool = False


class RestIntegration(Answer, frozen=True, rename="camel"):
    """What answers a method."""

    type: SafeText = ""
    uri: SafeText = ""
    connection_type: SafeText = ""
    connection_id: SafeText = ""
    credentials: SafeText = ""
    timeout_in_millis: int | None = None


class RestMethod(Answer, frozen=True, rename="camel"):
    """A method of a path."""

    method_integration: RestIntegration | None = None


class RestPathRow(Answer, frozen=True, rename="camel"):
    """A path of a REST API, with its methods."""

    of = "apigateway.Resource"
    path: SafeText = ""
    resource_methods: dict[str, RestMethod] = msgspec.field(default_factory=dict)


class HttpIntegrationRow(Answer, frozen=True):
    """What answers routes."""

    of = "apigatewayv2.Integration"
    integration_id: SafeText = ""
    integration_type: SafeText = ""
    integration_uri: SafeText = ""
    connection_type: SafeText = ""
    connection_id: SafeText = ""
    credentials_arn: SafeText = ""
    timeout_in_millis: int | None = None


class RestLinkRow(Answer, frozen=True, rename="camel"):
    """A VPC link of REST APIs."""

    of = "apigateway.VpcLink"
    id: GivenText
    name: SafeText = ""
    status: SafeText = ""
    status_message: SafeText = ""


class HttpLinkRow(Answer, frozen=True):
    """A VPC link of HTTP APIs."""

    of = "apigatewayv2.VpcLink"
    vpc_link_id: GivenText
    name: SafeText = ""
    vpc_link_status: SafeText = ""
    vpc_link_status_message: SafeText = ""


class AccountLimits(Answer, frozen=True, rename="camel"):
    """Requests a second of all REST APIs of the account and region together."""

    rate_limit: float | None = None
    burst_limit: int | None = None


class PlanStage(Answer, frozen=True, rename="camel"):
    """A stage that a usage plan is for."""

    api_id: SafeText = ""
    stage: SafeText = ""


class PlanQuota(Answer, frozen=True, rename="camel"):
    """Requests in a period."""

    limit: int | None = None
    period: SafeText = ""


class UsagePlanRow(Answer, frozen=True, rename="camel"):
    """A usage plan, without its keys."""

    of = "apigateway.UsagePlan"
    id: GivenText
    name: SafeText = ""
    api_stages: tuple[PlanStage, ...] = ()
    throttle: AccountLimits | None = None
    quota: PlanQuota | None = None


class GatewayAccount(Answer, frozen=True, rename="camel"):
    """The account's own limits."""

    of = "apigateway.Account"
    throttle_settings: AccountLimits = AccountLimits()
