"""Where a Redis or Valkey server is, and as whom it is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.connect.settings import NO_LOGIN, Login


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
    commander: Login = NO_LOGIN
