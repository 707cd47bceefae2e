"""Which series the resources publish that a scenario adds, and their normal course.

Namespaces, names and dimensions are AWS's (catalogue, aws-edge-compute-network §3 and §4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cockpit.world.metrics import Course, MetricSeries, counter, gauge, latency

NOTHING = counter(0.0, 0.0)
"""Published, and zero."""


def series(
    namespace: str, about: str, dimensions: Mapping[str, str], **courses: Course
) -> Iterator[MetricSeries]:
    """One series a course, by its name."""
    for name, course in courses.items():
        yield MetricSeries(namespace, name, tuple(dimensions.items()), course, about)


def function(
    name: str, *, requests: float, seconds: float, alias: str = ""
) -> Iterator[MetricSeries]:
    """A Lambda function; with an alias also the series that it publishes as `NAME:ALIAS`."""
    at_once = max(1.0, requests / 60 * seconds)
    common = {
        "Invocations": counter(requests),
        "Errors": NOTHING,
        "Throttles": NOTHING,
        "Duration": latency(seconds * 1000, requests, 0.3),
    }
    whole = {"FunctionName": name}
    yield from series("AWS/Lambda", name, whole, **common, ConcurrentExecutions=gauge(at_once, 0.2))
    if alias:
        both = {**whole, "Resource": f"{name}:{alias}"}
        yield from series("AWS/Lambda", name, both, **common)


def region(at_once: float) -> Iterator[MetricSeries]:
    """What all functions of a region take together."""
    courses = {"ClaimedAccountConcurrency": gauge(at_once), "ConcurrentExecutions": gauge(at_once)}
    yield from series("AWS/Lambda", "account", {}, **courses)


def rest_api(name: str, stage: str, *, requests: float, seconds: float) -> Iterator[MetricSeries]:
    """A stage of a REST API, which CloudWatch counts by the API's name."""
    yield from series(
        "AWS/ApiGateway",
        name,
        {"ApiName": name, "Stage": stage},
        Count=counter(requests),
        **{"5XXError": NOTHING, "4XXError": counter(requests * 0.004, 0.3)},
        Latency=latency(seconds * 1000, requests, 0.3),
        IntegrationLatency=latency(seconds * 950, requests, 0.3),
    )


def topic(name: str, *, published: float, subscribers: int) -> Iterator[MetricSeries]:
    """A topic: everything that is published arrives, at everybody who confirmed."""
    yield from series(
        "AWS/SNS",
        name,
        {"TopicName": name},
        NumberOfMessagesPublished=counter(published, 0.0),
        NumberOfNotificationsDelivered=counter(published * subscribers, 0.0),
        NumberOfNotificationsFailed=NOTHING,
    )
