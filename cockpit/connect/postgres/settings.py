"""Where a PostgreSQL server is, and as whom it is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.connect.settings import NO_LOGIN, Login


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
    commander: Login = NO_LOGIN
