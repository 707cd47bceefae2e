"""Which series an indicator is made of: what is bad, and of how many.

- A load balancer's `RequestCount` holds its 502 and 504 (a target was chosen), and neither a 503
  for lack of targets nor a 500 of WAF: those are added to the whole (catalogue A §9.1).
- A target group has no codes of the balancer: its objective is without 502, 503 and 504.
- Latency is counted, never averaged: `TC(:0.5)` is how many took no longer than 0.5 s. Requests
  that got no answer are in no latency, so it stands beside an objective for errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from cockpit.connect.session import MetricQuery
from probes.metrics import query
from probes.slo.objective import SloSettings

_ALB = "AWS/ApplicationELB"
_API = "AWS/ApiGateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """Series that are summed. Either `bad` or `good` is given; what is not good is bad."""

    name: str
    total: tuple[MetricQuery, ...]
    bad: tuple[MetricQuery, ...] = ()
    good: tuple[MetricQuery, ...] = ()
    always: bool = False
    """The whole is published in each minute, at no traffic too: a minute without it is lost."""
    without: str = ""
    """What it cannot see."""

    @property
    def queries(self) -> tuple[MetricQuery, ...]:
        """All of its series."""
        return (*self.total, *self.bad, *self.good)


Ask = Callable[[str, str], MetricQuery]


def indicator(settings: SloSettings, period: int) -> Indicator:
    """The indicator's series in periods of so many seconds."""
    return _INDICATORS[settings.sli](settings, period)


def _tail(arn: str, before: str) -> str:
    """`app/shop/50dc6c495c0c9188` of a balancer's ARN; what is none stays as it is."""
    return arn.partition(before)[2] or arn


def _asker(space: str, period: int, **dimensions: str) -> Ask:
    def ask(metric: str, stat: str) -> MetricQuery:
        return query(space, metric, stat, period=period, **dimensions)

    return ask


def _within(ask: Ask, name: str, metric: str, bound: float, *, always: bool = False) -> Indicator:
    return Indicator(
        name=name,
        total=(ask(metric, "SampleCount"),),
        good=(ask(metric, f"TC(:{bound:g})"),),
        always=always,
        without="requests that got no answer",
    )


def _alb(settings: SloSettings, period: int) -> Indicator:
    balancer = _tail(settings.id, ":loadbalancer/")
    ask = _asker(_ALB, period, LoadBalancer=balancer)
    if settings.latency:
        return _within(ask, balancer, "TargetResponseTime", settings.latency)
    return Indicator(
        name=balancer,
        total=(
            ask("RequestCount", "Sum"),
            ask("HTTPCode_ELB_500_Count", "Sum"),
            ask("HTTPCode_ELB_503_Count", "Sum"),
        ),
        bad=(
            ask("HTTPCode_Target_5XX_Count", "Sum"),
            ask("HTTPCode_ELB_5XX_Count", "Sum"),
        ),
        always=True,
    )


def _target_group(settings: SloSettings, period: int) -> Indicator:
    group = "targetgroup/" + _tail(settings.id, ":targetgroup/").removeprefix("targetgroup/")
    balancer = _tail(settings.load_balancer, ":loadbalancer/")
    ask = _asker(_ALB, period, LoadBalancer=balancer, TargetGroup=group)
    if settings.latency:
        return _within(ask, group, "TargetResponseTime", settings.latency)
    return Indicator(
        name=group,
        total=(ask("RequestCount", "Sum"),),
        bad=(ask("HTTPCode_Target_5XX_Count", "Sum"),),
        always=True,
        without="502, 503 and 504 of the balancer",
    )


def _api(settings: SloSettings, period: int, *, named: str, errors: str) -> Indicator:
    where = {named: settings.id, "Stage": settings.stage}
    ask = _asker(_API, period, **where)
    name = f"{settings.id} {settings.stage}"
    if settings.latency:
        return _within(ask, name, "Latency", settings.latency * 1000)
    return Indicator(name=name, total=(ask("Count", "Sum"),), bad=(ask(errors, "Sum"),))


def _lambda(settings: SloSettings, period: int) -> Indicator:
    name = _tail(settings.id, ":function:")
    function, _, alias = name.partition(":")
    where = {"FunctionName": function, **({"Resource": name} if alias else {})}
    ask = _asker("AWS/Lambda", period, **where)
    if settings.latency:
        return _within(ask, name, "Duration", settings.latency * 1000)
    throttles = (ask("Throttles", "Sum"),) if settings.throttles else ()
    return Indicator(
        name=name,
        total=(ask("Invocations", "Sum"), *throttles),
        bad=(ask("Errors", "Sum"), *throttles),
        without="" if throttles else "throttled calls",
    )


def _metric(settings: SloSettings, period: int) -> Indicator:
    def ask(name: str) -> tuple[MetricQuery, ...]:
        dimensions = tuple(sorted(settings.dimensions.items()))
        return (MetricQuery(settings.namespace, name, dimensions, "Sum", period),) if name else ()

    return Indicator(
        name=f"{settings.namespace} {settings.total}",
        total=ask(settings.total),
        bad=ask(settings.bad),
        good=ask(settings.good),
    )


_INDICATORS: Mapping[str, Callable[[SloSettings, int], Indicator]] = MappingProxyType(
    {
        "alb": _alb,
        "target_group": _target_group,
        "rest_api": partial(_api, named="ApiName", errors="5XXError"),
        "http_api": partial(_api, named="ApiId", errors="5xx"),
        "lambda_function": _lambda,
        "metric": _metric,
    }
)
