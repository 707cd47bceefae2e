"""What a look at a web ACL holds. Runbook steps capture from these records by name.

Source: AWS WAF Developer Guide ("Monitoring with Amazon CloudWatch", "Viewing a sample of web
requests"), WAFV2 API Reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from cockpit.triage.finding import Thresholds
from probes.answers import Gap
from probes.metrics import NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares of one, counts in five minutes."""

    blocked: Thresholds = Thresholds(warning=0.1, critical=0.5)
    """Of all requests; told when it is `growth` times what is usual besides."""
    growth: float = 3.0
    least: float = 100
    """Requests below which no share is judged; a fifth of it is judged as a warning."""
    changed_within: float = 3600
    """Seconds in which a changed rule is suspected of what it blocks."""
    source: Thresholds = Thresholds(warning=0.2, critical=0.5)
    """Of the sampled requests that one address sends; told in a surge only."""
    sampled: int = 200
    """Samples that make a share mean something."""
    surge: float = 1.5
    """Times the usual requests that are a surge."""
    errors: int = 2
    """Minutes in a row in which a balancer behind it answers 500 by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WafRule:
    """A rule of the ACL."""

    name: str
    metric: str
    """Its name in CloudWatch, which need not be its own."""
    action: str
    """`block`, `allow`, `count`, `captcha`, `challenge`; of a group `group` or `count`; `unknown`
    when it says none of them."""
    sort: str = ""
    """`rate 2000 in 300 s`, `AWS CommonRuleSet`, `IP set`; empty: another statement."""
    version: str = ""
    """Of a managed group, when it is pinned."""
    counted: int = 0
    """Rules of a group that only count."""
    print: str = ""
    """Of everything it says: another one is another rule."""
    changed: datetime | None = None
    """When a look first saw it like this; None: it was so at the first look."""
    came: bool = False
    """It was not there before."""
    limited: int | None = None
    """Addresses that a rate rule holds back now; None: not told, or no rate rule."""
    blocked: Series = NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSet:
    """The IP set of a rule that blocks."""

    name: str
    id: str
    scope: str
    version: str
    """`IPV4` or `IPV6`."""
    addresses: tuple[str, ...]
    lock: str
    """The token of this reading: AWS takes a list back only with the newest one."""
    forwarded: bool = False
    """It is held against a header, not against who connects: samples name who connects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledShare:
    """How many of the sampled requests have something in common, weighed."""

    name: str
    weight: float
    blocked: float = 0.0
    country: str = ""
    agent: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look. A series without points is not zero."""

    at: datetime
    name: str
    id: str
    arn: str
    scope: str
    """`REGIONAL` or `CLOUDFRONT`."""
    default: str = ""
    """`allow` or `block`: what happens to what no rule matches."""
    rules: tuple[WafRule, ...] = ()
    attached: tuple[str, ...] | None = None
    """ARNs of what it guards; None: not known."""
    fail_open: bool | None = None
    """Whether the balancers let requests through that WAF cannot judge; None: not known."""
    allowed: Series = NO_DATA
    blocked: Series = NO_DATA
    behind: Series = NO_DATA
    """Requests of the balancers that it guards."""
    errors: Series = NO_DATA
    """Answers 500 that the balancers gave by themselves."""
    samples: int = 0
    sources: tuple[SampledShare, ...] = ()
    """By address, most requests first."""
    paths: tuple[SampledShare, ...] = ()
    countries: tuple[SampledShare, ...] = ()
    ip_set: BlockSet | None = None
    block_address: str = ""
    """Whom the IP set could block: one public address that sends most; empty: nobody."""
    block_after: tuple[str, ...] = ()
    """What the set then holds: all that it holds, and this one."""
    block_why: str = ""
    """Why nobody is offered."""
    never_block: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
