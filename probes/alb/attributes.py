"""How a load balancer is kept: is it protected against being deleted, and are its requests logged.

Source: ELBv2 `DescribeLoadBalancers`, `DescribeLoadBalancerAttributes`. Asked every ten minutes:
what it tells changes by hand only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from cockpit import clock
from cockpit.connect.aws.answer import Answer, answer_into, answers_into
from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.session import AwsReads
from cockpit.text import SafeText
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.nature import codes
from cockpit.triage.probe import Fact, Probe
from cockpit.triage.target import Target
from probes.alb.model import LoadBalancer

_PROTECTED, _LOGGED = "deletion_protection.enabled", "access_logs.s3.enabled"
_WORDS = {"true": True, "false": False}


class AttributeRow(Answer, frozen=True):
    """An attribute."""

    of = "elbv2.LoadBalancerAttribute"

    key: SafeText = ""
    value: SafeText = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Nothing of it has a threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at the attributes."""

    at: datetime
    name: str
    arn: str
    type: str
    """`application`, `network` or `gateway`."""
    protected: bool | None = None
    """None: the answer does not say."""
    logged: bool | None = None
    """None: the answer does not say, as of a gateway load balancer, which has no access logs."""
    bucket: str = ""


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read the balancer, for its ARN, and its attributes."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    at = clock.now()
    found = await aws.item("elbv2", "DescribeLoadBalancers", key=settings.id)
    balancer = answer_into(found, LoadBalancer)
    answer = await aws.read(
        "elbv2",
        "DescribeLoadBalancerAttributes",
        expect="Attributes",
        LoadBalancerArn=balancer.load_balancer_arn,
    )
    told = {row.key: row.value for row in answers_into(answer["Attributes"], AttributeRow)}
    return Snapshot(
        at=at,
        name=balancer.load_balancer_name,
        arn=balancer.load_balancer_arn,
        type=balancer.type or "application",
        protected=_WORDS.get(told.get(_PROTECTED, "")),
        logged=_WORDS.get(told.get(_LOGGED, "")),
        bucket=told.get("access_logs.s3.bucket", ""),
    )


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What would hurt in the next incident. Told only where the answer says that it is off.

    LB_DELETION_UNPROTECTED: One wrong call, or one wrong plan of a tool, deletes it: its name and
    its addresses do not come back.

    LB_LOGS_OFF: Who asked for what, and what they got, is written nowhere: afterwards nobody can
    tell. Those of a network balancer are written for TLS listeners only.
    """
    if snapshot.protected is False:
        yield Finding(
            "LB_DELETION_UNPROTECTED",
            Severity.INFO,
            "it can be deleted by a single call",
            evidence=(Evidence(_PROTECTED, "false"),),
            next="switch its deletion protection on",
        )
    if snapshot.logged is False:
        network = snapshot.type == "network"
        yield Finding(
            "LB_LOGS_OFF",
            Severity.INFO,
            "its requests are not logged",
            evidence=(Evidence(_LOGGED, "false"),),
            against=("a network balancer logs TLS listeners only",) if network else (),
            next="give it a bucket for access logs",
        )


def facts(snapshot: Snapshot, settings: Settings) -> Iterable[Fact]:
    """Both, as the answer says."""
    yield Fact("deletion protection", _said(snapshot.protected))
    yield Fact("access logs", snapshot.bucket if snapshot.logged else _said(snapshot.logged))


def _said(value: bool | None) -> str:
    return "not told" if value is None else "on" if value else "off"


PROBE = Probe(
    id="alb.attributes",
    kind="alb",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=600,
    timeout=12,
    facts=facts,
    needs=(
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
    ),
    codes=codes(risk=("LB_DELETION_UNPROTECTED", "LB_LOGS_OFF")),
)
