"""A path inside the VPC: does the configuration let a packet arrive and its answer come back.

Source: EC2 Describe calls, and CloudWatch for the NAT gateways that it goes through; nothing is
sent, nothing is created (Reachability Analyzer costs money and writes objects). It works from
outside of the VPC and finds the one rule to change. “Open” means that nothing in the configuration
forbids it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from cockpit import clock
from cockpit.connect.aws.settings import VpcPathSettings
from cockpit.connect.session import AwsReads
from cockpit.triage.finding import Finding
from cockpit.triage.nature import codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from cockpit.units import count
from probes.answers import Gap, attempt, partly_blind
from probes.vpc_path import findings as found
from probes.vpc_path import nat, view
from probes.vpc_path.change import simulate
from probes.vpc_path.collect import complete, read
from probes.vpc_path.ends import classes, resolve, settle
from probes.vpc_path.findings import Settings, Snapshot
from probes.vpc_path.model import Flow, normal_protocol
from probes.vpc_path.path import gathered, judge, overall


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Find the ends, then read what lies between them; three rounds of calls, shared by paths."""
    settings = target.settings
    assert isinstance(settings, VpcPathSettings)
    gaps: list[Gap] = []
    at = clock.now()
    sources, destinations = await resolve(aws, settings)
    vpcs = sorted({place.vpc for place in (*sources, *destinations) if place.vpc})
    network = await read(aws, vpcs, gaps)
    sources, destinations = settle(sources, network), settle(destinations, network)
    network = await complete(aws, network, (*sources, *destinations), gaps)
    (sources, more), (destinations, others) = (
        classes(sources, network, destinations),
        classes(destinations, network, sources),
    )
    look = judged(
        Snapshot(
            at=at,
            sources=sources,
            destinations=destinations,
            flow=Flow(protocol=normal_protocol(settings.protocol), port=settings.port),
            network=network,
            unexamined=more + others,
            unknown=tuple(f"{gap.what}: {gap.reason}, {gap.detail}" for gap in gaps),
        )
    )
    unseen: list[Gap] = []
    look = await attempt(unseen, "NAT metrics", nat.measured(aws, look), otherwise=look)
    return replace(look, gaps=(*unseen, *nat.unseen(look)))


def judged(snapshot: Snapshot) -> Snapshot:
    """The snapshot with the verdict that its configuration gives. Pure."""
    pairs = list(product(snapshot.sources, snapshot.destinations))
    apart = [(a, b) for a, b in pairs if not a.interface or a.interface != b.interface]
    ways = tuple(judge(snapshot.network, *pair, snapshot.flow) for pair in apart or pairs)
    unread = tuple(
        reason for reason in snapshot.unknown if reason.split(":")[0] in _unread(snapshot)
    )
    unknown = [reason for way in ways for reason in way.unknown]
    if snapshot.unexamined:
        unknown.append(f"{count(snapshot.unexamined, 'further end')} not examined")
    return replace(
        snapshot,
        ways=ways,
        verdict=overall(ways),
        blockers=gathered(ways),
        unknown=tuple(dict.fromkeys((*unread, *unknown))),
    )


def _unread(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(snapshot.network.unread)


def tried(snapshot: Snapshot, call: str, arguments: Mapping[str, Any]) -> Snapshot:
    """The verdict as it would be after a change, on a copy; nothing is sent.

    `call` and `arguments` are an EC2 operation's (`ec2.AuthorizeSecurityGroupIngress`). Raises
    `Misconfigured` for a call that cannot be tried.
    """
    return judged(replace(snapshot, network=simulate(snapshot.network, call, arguments)))


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report every blocker, what could not be seen, and the risks beside the path."""
    yield from found.findings(snapshot, settings)
    yield from nat.load(snapshot, settings)
    yield from partly_blind("NET_OBS_BLIND", snapshot.gaps)


PROBE = Probe(
    id="vpc_path.config",
    kind="vpc_path",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=30,
    timeout=15,
    facts=view.facts,
    tables=view.tables,
    needs=(
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DescribeRouteTables",
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeNatGateways",
        "ec2:DescribeVpcPeeringConnections",
        "ec2:DescribeVpcs",
        "ec2:DescribeTransitGatewayVpcAttachments",
        "ec2:DescribeTransitGatewayAttachments",
        "ec2:SearchTransitGatewayRoutes",
        "ec2:GetManagedPrefixListEntries",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeVpcBlockPublicAccessOptions",
        "ec2:DescribeVpcBlockPublicAccessExclusions",
        "cloudwatch:GetMetricData",
        # steps of its runbooks
        "cloudtrail:LookupEvents",
    ),
    codes=codes(
        cause=(
            "PATH_SG_INGRESS_DENIED",
            "PATH_SG_EGRESS_DENIED",
            "PATH_SG_EMPTY",
            "PATH_SG_REFERENCE_LOST",
            "PATH_NACL_DENIED",
            "PATH_NACL_EPHEMERAL_DENIED",
            "PATH_NO_ROUTE",
            "PATH_NO_RETURN_ROUTE",
            "PATH_ROUTE_BLACKHOLE",
            "PATH_IGW_NO_PUBLIC_IP",
            "PATH_IGW_DETACHED",
            "PATH_PUBLIC_ACCESS_BLOCKED",
            "PATH_NAT_NOT_AVAILABLE",
            "PATH_NAT_SUBNET_NOT_PUBLIC",
            "PATH_PEERING_NOT_ACTIVE",
            "PATH_NOT_TRANSITIVE",
            "PATH_VPCS_DISCONNECTED",
            "PATH_ENDPOINT_NOT_AVAILABLE",
            "PATH_TGW_NO_ATTACHMENT_AZ",
            "PATH_TGW_NOT_ASSOCIATED",
            "PATH_TGW_NO_ROUTE",
            "PATH_TGW_BLACKHOLE",
            "PATH_SRC_DST_CHECK",
            "PATH_ENI_NOT_IN_USE",
            "NET_SUBNET_IPS_LOW",
            "NET_NAT_PORT_ERRORS",
        ),
        either=("NET_NAT_DROPS",),
        risk=(
            "PATH_ENDPOINT_AZ_MISSING",
            "PATH_NACL_EPHEMERAL_PARTIAL",
            "PATH_NAT_OTHER_AZ",
            "NET_SG_OPEN_TO_WORLD",
        ),
        eye=("PATH_UNDETERMINED", "NET_OBS_BLIND"),
    ),
)
