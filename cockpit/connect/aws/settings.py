"""What names a resource of an AWS place, and a path through its VPCs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsResource:
    """Every other AWS kind: one resource, named by ARN or id, at one place.

    `cluster` is for `ecs_service` only. `role` and `tier` are free text for people.
    """

    aws: str
    id: str = ""
    """An ARN or a name: the target group's ARN, the service's, table's, instance's name, ….
    For `alarms`: a name prefix, empty for all."""
    cluster: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesSettings(AwsResource):
    """Kind `changes`: the histories of one place. `id`: only what CloudTrail has of the resource
    with this name; empty: everything.
    """

    hours: float = 1.0
    """How far back they are read; CloudTrail keeps 90 days, and a long time takes long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSettings:
    """Kind `metric`: one series of CloudWatch, such as your own application's orders a minute."""

    aws: str
    namespace: str = ""
    metric: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    """Exactly those that it is published with: of any other set there are no points."""
    stat: str = "Average"
    """`Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`, `p99`, …"""
    period: int = 60
    """Seconds, a multiple of 60."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSettings(AwsResource):
    """Kind `s3_bucket`: a bucket by its name or ARN, and what it is meant for."""

    exposure: str = "private"
    """`private`, or `public-read` for what everybody shall be able to read."""
    readers: tuple[str, ...] = ()
    """Who has to be able to read its objects: ARNs of roles and users, or a service's name
    (`cloudfront.amazonaws.com`)."""
    writers: tuple[str, ...] = ()
    """Who has to be able to put objects."""
    sample: str = ""
    """The key of an object that readers and writers have to reach. Empty: any; then a right for a
    part of the bucket cannot be told from none, and only a Deny is told."""
    important: bool = False
    """What lacks to protect its data is a warning then, not just worth knowing."""
    prefix: str = ""
    """Under which something new must appear: `reports/%Y/%m/%d/`; `%Y %m %d %H` are those of UTC.
    Empty: nothing is expected."""
    prefix_every: float = 86400
    """Seconds within which it must."""
    prefix_holds: str = "data"
    """`data`, `report`, or `alb-logs`: what its absence is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings(AwsResource):
    """Kind `api_gateway`: a REST, HTTP or WebSocket API by its id or ARN, and one of its stages."""

    stage: str = ""
    """Empty: `$default`, or the only one that it has."""
    domain: str = ""
    """The custom domain by which clients reach it; empty: none is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkgroupSettings(AwsResource):
    """Kind `athena_workgroup`: a workgroup by its name, and what its queries read."""

    table: str = ""
    """`database.table` of the Glue catalog; empty: no table is looked at."""
    crawler: str = ""
    """The crawler that writes it; empty: none."""
    report: bool = False
    """Its queries make a report: one that gives no row is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroupSettings(AwsResource):
    """Kind `log_group`: a log group by its name or ARN, and which of its lines tell of errors."""

    errors: str = ""
    """A filter pattern of CloudWatch Logs for the lines that are errors here, such as
    `{ $.status >= 500 }`; empty: the usual words (ERROR, Exception, timed out, …)."""
    function: str = ""
    """The function that writes here, whose calls say whether silence is wrong; empty: that of
    `/aws/lambda/NAME`, of another group none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WafSettings(AwsResource):
    """Kind `waf_acl`: a web ACL by its ARN, or by its name where it is a region's own."""

    ip_set: str = ""
    """Name or ARN of the IP set that a step may add an address to; empty: the one that a rule of
    the ACL blocks by, if there is exactly one."""
    never_block: tuple[str, ...] = ()
    """Addresses and networks that no step may block: your own, your partners', your CDN's."""
    samples: bool = True
    """Whether requests are sampled: they show customers' addresses and paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalSettings(AwsResource):
    """Kind `iam_principal`: a user, a role, or root by its ARN; a bare name is a user's."""

    key: str = ""
    """An access key's id whose track is followed instead of the principal's, such as a stolen one
    (`AKIA…`, or `ASIA…` of a session); empty: none."""
    networks: tuple[str, ...] = ()
    """Networks from which it is ordinarily used; empty: not known."""
    hours: float = 3.0
    """How far back its calls are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcEnd:
    """One end of a path. Exactly one of the fields is set."""

    instance: str = ""
    interface: str = ""
    security_group: str = ""
    """With `subnet`: a client or server that has no interface of its own to name."""
    subnet: str = ""
    address: str = ""
    cidr: str = ""
    internet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcPathSettings:
    """Kind `vpc_path`: does the configuration let a packet arrive and its answer come back."""

    aws: str
    source: VpcEnd
    destination: VpcEnd
    port: int
    protocol: str = "tcp"
