"""One web ACL: does it block customers, does it block anything, and who sends most of what comes.

Source: WAFV2 `GetWebACL`, `ListResourcesForWebACL`, `GetIPSet`, `GetSampledRequests`,
`GetRateBasedStatementManagedKeys`; CloudWatch `AWS/WAFV2` and, of the balancers behind it,
`AWS/ApplicationELB`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import AwsResource, WafSettings
from cockpit.connect.session import AwsReads
from cockpit.triage.finding import Finding
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import partly_blind
from probes.waf_acl import findings, view
from probes.waf_acl.block import offered
from probes.waf_acl.model import Settings, Snapshot
from probes.waf_acl.read import MISSING, read_acl


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """Read everything of the ACL; only the ACL itself is a must."""
    settings = target.settings
    assert isinstance(settings, AwsResource)
    return await read_acl(aws, settings)


def since(before: Snapshot, now: Snapshot) -> Snapshot:
    """Mark rules that are not as they were: WAF itself keeps no history of them."""
    known = {each.name: each for each in before.rules}
    told = []
    for rule in now.rules:
        was = known.get(rule.name)
        if was is None:
            told.append(replace(rule, changed=now.at, came=True))
        elif was.print != rule.print:
            told.append(replace(rule, changed=now.at))
        else:
            told.append(replace(rule, changed=was.changed, came=was.came))
    return replace(now, rules=tuple(told))


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Report what is blocked, what is not, and who sends most."""
    yield from findings.errors(snapshot, settings)
    yield from findings.blocks(snapshot, settings)
    yield from findings.false_positives(snapshot, settings)
    yield from findings.few_sources(snapshot, settings)
    yield from findings.limited(snapshot, settings)
    yield from findings.exposure(snapshot, settings)
    yield from findings.unseen(snapshot)
    yield from partly_blind("WAF_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("waf_acl", "waf", settings=WafSettings)

PROBE = Probe(
    id="waf_acl.traffic",
    kind="waf_acl",
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
    derive=offered,
    twice=False,
    needs=(
        "wafv2:GetWebACL",
        "wafv2:ListWebACLs",
        "cloudwatch:GetMetricData",
        "wafv2:ListResourcesForWebACL",
        "wafv2:GetSampledRequests",
        "wafv2:GetIPSet",
        "wafv2:GetRateBasedStatementManagedKeys",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
    ),
    codes=codes(
        cause=("WAF_FALSE_POSITIVE_SUSPECTED", "TRAFFIC_FROM_FEW_SOURCES"),
        either=("WAF_ERRORS", "WAF_BLOCK_SURGE", "WAF_RATE_LIMITED"),
        risk=(MISSING, "WAF_NOT_ATTACHED", "WAF_ALL_COUNT"),
        eye=("METRICS_ABSENT", "WAF_OBS_BLIND"),
        traits={Trait.LOADER: ("TRAFFIC_FROM_FEW_SOURCES",)},
    ),
)
