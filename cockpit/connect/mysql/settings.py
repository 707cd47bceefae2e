"""Where a MySQL or MariaDB server is, and as whom it is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.connect.settings import NO_LOGIN, Login


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
    commander: Login = NO_LOGIN
