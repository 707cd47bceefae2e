"""AWS kinds: resources of a place, all looked at through that place's one session."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from cockpit.connect.aws.budget import BUDGET, Budget
from cockpit.connect.aws.settings import (
    AwsResource,
    ChangesSettings,
    MetricSettings,
    VpcEnd,
    VpcPathSettings,
)
from cockpit.connect.kind import Door, Kind, Problem, off_loop
from cockpit.connect.session import Acts
from cockpit.connect.settings import AwsSite

if TYPE_CHECKING:
    from cockpit.connect.aws.session import Aws

_MODULE = "cockpit.connect.aws.session"
NO_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({})
_KEPT_HOURS = 90 * 24
"""How long CloudTrail keeps events without a trail of one's own."""


async def _open(settings: AwsResource | VpcPathSettings | MetricSettings, door: Door) -> Aws:
    await off_loop(_MODULE)
    from cockpit.connect.aws.limits import limits_of
    from cockpit.connect.aws.reads import LOG_LINES
    from cockpit.connect.aws.session import open_aws

    place = door.place(settings.aws)
    account = _account(place)
    sharing = [each for each in door.places.values() if _account(each) == account]
    limits = door.once(("limits", *account), lambda: limits_of(*sharing))
    wanted = door.wanted.get(settings.aws, ())
    if not place.logs:
        wanted = tuple(each for each in wanted if each not in LOG_LINES)
    budget = door.once(BUDGET, Budget)
    return await open_aws(place, wanted=wanted, limits=limits, budget=budget)


async def _open_acts(settings: AwsResource | VpcPathSettings | MetricSettings, door: Door) -> Acts:
    await off_loop(_MODULE)
    from cockpit.connect.aws.session import open_aws_acts

    return await open_aws_acts(door.place(settings.aws))


def _account(place: AwsSite) -> tuple[str, ...]:
    """What tells accounts and regions apart without a call: AWS throttles by account and region,
    so places of one share their limits. Two profiles of one account cannot be told from two
    accounts here; a role's account can.
    """
    account = place.role_arn.split(":")[4:5] or [f"{place.profile} {place.access_key_id}"]
    return (*account, place.region, place.endpoint_url)


def _place(settings: AwsResource | VpcPathSettings | MetricSettings) -> str:
    return settings.aws


def aws_kind(
    name: str,
    short: str,
    *,
    named: bool = True,
    needs_cluster: bool = False,
    settings: type[AwsResource] = AwsResource,
    words: Mapping[str, tuple[str, ...]] = NO_WORDS,
) -> Kind[AwsResource, Aws]:
    """A kind of resource: `arn` or `id` names one, unless not `named` (an empty id means all).

    `settings`: a form of its own, where a kind has more to say than which resource; `words`: field
    of it → the words that it may have.
    """

    def problems(resource: AwsResource, written: Mapping[str, object]) -> Iterator[Problem]:
        if named and not resource.id.strip():
            yield "id", "is empty" if "id" in written or "arn" in written else "is missing"
        elif "arn" in written and not _is_arn(resource.id):
            yield "arn", f"{resource.id!r} is no ARN; a name goes to id"
        if needs_cluster and not resource.cluster:
            yield "cluster", "is missing: the cluster's name"
        if isinstance(resource, ChangesSettings) and not 0 < resource.hours <= _KEPT_HOURS:
            yield "hours", f"{resource.hours:g} is not between 0 and {_KEPT_HOURS}: 90 days"

    return Kind(
        name=name,
        short=short,
        settings=settings,
        open=_open,
        open_acts=_open_acts,
        place=_place,
        words=words,
        renamed={"arn": "id"},
        problems=problems,
    )


def _is_arn(text: str) -> bool:
    return text.startswith("arn:") and text.count(":") >= 5


def _path_problems(settings: VpcPathSettings, _: Mapping[str, object]) -> Iterator[Problem]:
    for name in ("source", "destination"):
        end: VpcEnd = getattr(settings, name)
        named = [f.name for f in dataclasses.fields(end) if getattr(end, f.name)]
        if len(named) != 1 and set(named) != {"security_group", "subnet"}:
            yield (
                name,
                "name one of instance, interface, address, cidr, internet, "
                "or security_group with subnet",
            )


VPC_PATH = Kind(
    name="vpc_path",
    short="path",
    settings=VpcPathSettings,
    open=_open,
    open_acts=_open_acts,
    place=_place,
    words={"protocol": ("tcp", "udp")},
    problems=_path_problems,
)


def _metric_problems(settings: MetricSettings, _: Mapping[str, object]) -> Iterator[Problem]:
    for name in ("namespace", "metric", "stat"):
        if not getattr(settings, name).strip():
            yield name, "is missing or empty"
    if settings.period < 60 or settings.period % 60:
        yield "period", "must be 60 seconds or a multiple of it"


METRIC = Kind(
    name="metric",
    short="metric",
    settings=MetricSettings,
    open=_open,
    place=_place,
    problems=_metric_problems,
)


RESOURCE = aws_kind("aws_resource", "aws")
"""What opens the session of a place, of whatever kind its targets are: none is of this one."""
