"""Kind `slo`: an objective, and the indicator that it is measured by."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.kind import Problem

_LONGEST = 63
"""Days: CloudWatch keeps points of five minutes no longer."""
_LATENCY = frozenset({"alb", "target_group", "rest_api", "http_api", "lambda_function"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SloSettings(AwsResource):
    """Kind `slo`. `id`: the load balancer's or target group's ARN, the REST API's name, the HTTP
    API's id, the function's name (`name:alias` for an alias); not needed for `metric`.
    """

    sli: str = "alb"
    """The indicator: `alb`, `target_group`, `rest_api`, `http_api`, `lambda_function`, `metric`."""
    objective: float = 0.999
    """The share that has to be good: 0.999 is three nines."""
    days: float = 30
    """The period of the error budget, rolling."""
    latency: float = 0
    """Seconds within which an answer is good; 0: what is judged is whether it is an error."""
    load_balancer: str = ""
    """For `target_group`: the ARN of its load balancer."""
    stage: str = ""
    """For `rest_api` and `http_api`."""
    throttles: bool = False
    """For `lambda_function`: throttled calls are bad, as they are to whoever waits for them."""
    namespace: str = ""
    """For `metric`, as are the following: counters that are summed."""
    total: str = ""
    """The metric of all events."""
    bad: str = ""
    """The metric of the bad ones; or `good`."""
    good: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    """Exactly those that both are published with."""


def _problems(settings: AwsResource, _: Mapping[str, object]) -> Iterator[Problem]:
    assert isinstance(settings, SloSettings)
    if not 0 < settings.objective < 1:
        yield "objective", f"{settings.objective:g} is not between 0 and 1: 99.9 % is 0.999"
    if not 1 <= settings.days <= _LONGEST:
        yield "days", f"{settings.days:g} is not between 1 and {_LONGEST}"
    if settings.latency < 0 or (settings.latency and settings.sli not in _LATENCY):
        yield "latency", "is for load balancers, APIs and functions; an own metric counts `good`"
    if settings.sli == "metric":
        for name in ("namespace", "total"):
            if not getattr(settings, name).strip():
                yield name, "is missing or empty"
        if bool(settings.bad) == bool(settings.good):
            yield "bad", "name one of bad and good"
    elif not settings.id.strip():
        yield "id", "is missing or empty"
    if settings.sli == "target_group" and not settings.load_balancer:
        yield "load_balancer", "is missing: its group's metrics are published with both"
    if settings.sli in {"rest_api", "http_api"} and not settings.stage:
        yield "stage", "is missing"


KIND = dataclasses.replace(
    aws_kind(
        "slo",
        "slo",
        named=False,
        settings=SloSettings,
        words={"sli": ("alb", "target_group", "rest_api", "http_api", "lambda_function", "metric")},
    ),
    problems=_problems,
)
