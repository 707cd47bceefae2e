"""What a target's connection needs, one frozen record a kind, as the configuration gives it.

Secrets are references here (`env:NAME`, `file:PATH`, `command:…`, `aws-secret:ARN`, `iam`); they
are resolved by `cockpit.connect.secrets` at connect time and never stored.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsPlace:
    """A place to look: credentials and region. Targets name it."""

    name: str
    region: str
    profile: str = ""
    """Empty: the default chain of botocore."""
    commander_profile: str = ""
    """Used only for approved steps; empty: the same as `profile`."""
    role_arn: str = ""
    """A role to assume, in triage narrowed by a read-only session policy. Empty: none."""
    endpoint_url: str = ""
    """For emulators and interface endpoints; empty: AWS's own."""
    access_key_id: str = ""
    secret_access_key: str = ""
    """References, for places without profiles (the demo). Both or neither."""
    max_concurrency: int = 8
    """Calls in flight per service."""
    calls_per_second: float = 10.0
    """Per service; a token bucket with a burst of four times this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user and where the password comes from. Empty user: the same as the observer's."""

    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSettings:
    """Kind `postgres`. `pooler=True` sends no startup options (PgBouncer, RDS Proxy)."""

    host: str
    port: int = 5432
    database: str = "postgres"
    user: str
    password: str = ""
    sslmode: str = "verify-full"
    sslrootcert: str = ""
    pooler: bool = False
    aws: str = ""
    rds: str = ""
    expects: str = "any"
    """`writer`, `reader` or `any`: what the endpoint should answer."""
    commander: Login = Login()


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlSettings:
    """Kind `mysql`: MySQL, MariaDB, Aurora MySQL; the flavour is found out."""

    host: str
    port: int = 3306
    database: str = ""
    user: str
    password: str = ""
    tls: str = "verify"
    """`verify`, `encrypt` (without checking the certificate) or `off`."""
    tls_ca: str = ""
    aws: str = ""
    rds: str = ""
    expects: str = "any"
    commander: Login = Login()


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """Kind `redis`: Redis, Valkey, an ElastiCache node or endpoint."""

    host: str
    port: int = 6379
    user: str = ""
    password: str = ""
    tls: bool = True
    tls_ca: str = ""
    cluster: bool = False
    aws: str = ""
    elasticache: str = ""
    expects: str = "any"
    """`primary`, `replica` or `any`."""
    commander: Login = Login()


def commanders_login(settings: PostgresSettings | MysqlSettings | RedisSettings) -> Login:
    """Who acts: the target's own commander, else the observer's login."""
    return Login(
        user=settings.commander.user or settings.user,
        password=settings.commander.password or settings.password,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemcachedSettings:
    """Kind `memcached`."""

    host: str
    port: int = 11211
    tls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """Kind `endpoint`: DNS, every address, TCP, TLS and HTTP, as seen from here."""

    url: str
    """`https://host[:port]/path`, `http://…`, or `tcp://host:port`, `tls://host:port`."""
    expect_status: tuple[int, ...] = ()
    """Empty: 200 to 399."""
    expect_text: str = ""
    """A marker that a healthy body holds; empty: the body is not judged."""
    tls_ca: str = ""
    """A PEM file to trust besides the system's store."""
    resolver: str = ""
    """`host[:port]` of a name server to ask; empty: the system's."""
    external: bool = False
    """A third party's: its trouble is reported as a dependency's."""
    status_url: str = ""
    """The provider's own status as JSON (Statuspage's `status.json` and the like); empty: none."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsResource:
    """Every other AWS kind: one resource, named by ARN or id, at one place.

    `cluster` is for `ecs_service` only. `role` and `tier` are free text for people.
    """

    aws: str
    id: str
    """An ARN or a name: the target group's ARN, the service's, table's, instance's name, ….
    For `alarms`: a name prefix, empty for all."""
    cluster: str = ""


ConnectionSettings = (
    PostgresSettings
    | MysqlSettings
    | RedisSettings
    | MemcachedSettings
    | EndpointSettings
    | VpcPathSettings
    | AwsResource
)
