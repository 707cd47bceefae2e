"""What a look at a stage of an API holds. Runbook steps capture from these records by name.

Source: API Gateway Developer Guide ("Amazon API Gateway dimensions and metrics", "Quotas",
"Set up an API canary release deployment"). REST counts by the *name* of the API, HTTP by its id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from probes.answers import Gap
from probes.metrics import NO_DATA, Rate, counted, settled, total

REST, HTTP, WEBSOCKET = "REST", "HTTP", "WEBSOCKET"
REST_LIMIT, HTTP_LIMIT = 29.0, 30.0
"""Seconds: the time limit of an integration that does not say one."""
NO_LIMIT = "-1"
"""What takes a stage's own rate limit away: the account's remains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDeployment:
    """A deployment of the API. A REST API does not tell to which stages it went."""

    id: str
    at: datetime | None
    description: str = ""
    status: str = ""
    """HTTP and WebSocket only."""
    message: str = ""
    auto: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePointed:
    """The stage was pointed to a deployment, as CloudTrail tells."""

    at: datetime
    deployment: str
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiIntegration:
    """What answers a method or route, as it is *edited*: a REST stage serves what was deployed."""

    route: str
    type: str
    uri: str = ""
    timeout: float | None = None
    """Seconds; None: AWS' own limit."""
    link: str = ""
    """The VPC link that it goes through."""
    function: str = ""
    """The ARN of the Lambda function, when it is one and no stage variable stands in it."""
    role: str = ""
    """The role with which it is called; then a function needs no permission of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationChange:
    """What answers a method or route is another thing than when the cockpit looked before."""

    at: datetime
    """When it was noticed."""
    route: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLink:
    """The way of an API into a VPC."""

    id: str
    name: str
    status: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomDomain:
    """The name by which clients reach the API."""

    name: str
    there: bool = True
    status: str = ""
    message: str = ""
    certificate: str = ""
    """Its ARN."""
    certificate_status: str = ""
    ends: datetime | None = None
    """Of the certificate; None: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePlan:
    """What holders of a key of the plan may ask for at this stage."""

    id: str
    name: str
    rate: float | None = None
    """Requests a second of each key; None: no limit."""
    burst: int | None = None
    quota: int | None = None
    """Requests of each key in a period; None: no limit."""
    period: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerKind:
    """Answers of one sort in the lines of the access log that were read."""

    status: int
    by: str
    """`integration`, `gateway`, or empty: the log's format does not tell."""
    why: str
    """`$context.error.responseType`, or the message; may be empty."""
    route: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at one stage of an API."""

    at: datetime
    id: str
    name: str
    protocol: str
    stage: str
    namesakes: int = 0
    """Other REST APIs of the same name, which CloudWatch counts together with this one."""
    deployment: str = ""
    """The deployment that the stage serves; empty: none."""
    deployed: ApiDeployment | None = None
    deployments: tuple[ApiDeployment, ...] = ()
    """Of the API, newest first."""
    pointed: tuple[StagePointed, ...] = ()
    """Where the stage pointed, newest first, as CloudTrail tells."""
    previous_deployment: str = ""
    """The deployment that the stage served before, read and never counted, and still there; empty:
    not known."""
    previous_known_by: str = ""
    auto_deploy: bool = False
    deploy_message: str = ""
    """Why the last automatic deployment failed."""
    canary_deployment: str = ""
    canary_percent: float = 0.0
    canary_percent_text: str = "0"
    rate_limit: float | None = None
    """Requests a second that the stage lets through; None: the account's limit alone."""
    burst_limit: int | None = None
    rate_limit_text: str = NO_LIMIT
    """As UpdateStage takes it, to be able to put it back."""
    burst_limit_text: str = NO_LIMIT
    detailed_metrics: bool = False
    routes_limited: int = 0
    """Methods or routes with limits of their own."""
    account_rate: float | None = None
    account_burst: int | None = None
    plans: tuple[UsagePlan, ...] = ()
    """Usage plans of the stage; read while clients are refused."""
    cache: str = ""
    domain: CustomDomain | None = None
    """None: the configuration names none, or it could not be read."""
    log_group: str = ""
    log_format: str = ""
    logs_read: bool = False
    answers: tuple[AnswerKind, ...] = ()
    lines: int = 0
    """Lines of the access log that were read."""
    integrations: tuple[ApiIntegration, ...] | None = None
    """None: not asked, or not known."""
    last_integrations: tuple[ApiIntegration, ...] | None = None
    """The newest that any look of this process read."""
    integration_changes: tuple[IntegrationChange, ...] = ()
    """Of the last hour, as far as looks were able to see both."""
    links: tuple[ApiLink, ...] = ()
    forbidden: tuple[str, ...] = ()
    """Functions whose policy does not let this API invoke them."""
    gone: tuple[str, ...] = ()
    """Functions that it calls and that are not there."""
    source_arn: str = ""
    """This stage as a function's policy names it; empty: nothing has to be permitted."""
    statement_id: str = ""
    """Of the statement that would permit it."""
    requests: Series = NO_DATA
    errors: Series = NO_DATA
    client_errors: Series = NO_DATA
    latency_most: Series = NO_DATA
    """Milliseconds."""
    latency_p95: float | None = None
    """Seconds, of the newest five whole minutes, like all percentiles here."""
    latency_p99: float | None = None
    integration_p95: float | None = None
    p95_buckets: Series = NO_DATA
    """The same of each whole five minutes of the last quarter of an hour."""
    latency_p95_day: float | None = None
    requests_day: float | None = None
    """Requests in the same five minutes a day earlier; None: none are known of."""
    requests_week: float | None = None
    function_invocations: Series = NO_DATA
    """Of all functions behind it, together. Read in trouble only."""
    function_errors: Series = NO_DATA
    function_throttles: Series = NO_DATA
    gaps: tuple[Gap, ...] = ()

    @property
    def functions(self) -> tuple[str, ...]:
        """ARNs of the functions that answer; empty when something else answers too."""
        known = self.integrations or ()
        behind = [each for each in known if each.type != "MOCK"]
        if not behind or not all(each.function for each in behind):
            return ()
        return tuple(dict.fromkeys(each.function for each in behind))

    @property
    def whole(self) -> float | None:
        """Requests of the newest five settled minutes; None: unknown."""
        return total(settled(self.requests, self.at))

    @property
    def time_limit(self) -> float:
        """Seconds after which the gateway gives up waiting: the longest of its integrations."""
        known = [each.timeout for each in self.integrations or () if each.timeout]
        return max(known, default=REST_LIMIT if self.protocol == REST else HTTP_LIMIT)

    @property
    def served_since(self) -> datetime | None:
        """Since when the stage serves what it serves: a deployment may be older than its service;
        None: not known.
        """
        made = self.deployed.at if self.deployed else None
        moved = self.pointed[0] if self.pointed else None
        if moved is not None and moved.deployment == self.deployment:
            return moved.at if made is None else max(made, moved.at)
        return made

    def of_hours(self, series: Series) -> Series:
        """All of it that will not change any more."""
        return settled(series, self.at, minutes=180)

    def share_of(self, part: Series) -> Rate:
        """A share of the requests of five minutes."""
        whole = settled(self.requests, self.at)
        return Rate(counted(settled(part, self.at), whole), total(whole))


def hurts(look: Snapshot) -> bool:
    """Whether any request got a 5xx in the minutes that are known."""
    return bool(look.share_of(look.errors).part)


def is_young(look: Snapshot, seconds: float) -> bool:
    """Whether what the stage serves was deployed that short a time ago."""
    made = look.served_since
    return made is not None and 0 <= (look.at - made).total_seconds() < seconds
