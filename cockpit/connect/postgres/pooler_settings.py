"""Where a PgBouncer's console is, and as whom it is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.settings import NO_LOGIN, Login

CONSOLE = "pgbouncer"
"""The database whose name leads to the console: it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PgBouncerSettings:
    """Kind `pgbouncer`. `user` stands in `stats_users` of pgbouncer.ini, the commander's in
    `admin_users`.
    """

    host: str
    port: int = 6432
    user: str
    password: str = ""
    sslmode: str = "verify-full"
    sslrootcert: str = ""
    aws: str = ""
    commander: Login = NO_LOGIN

    @property
    def server(self) -> PostgresSettings:
        """The same, as of the server that it pretends to be."""
        return PostgresSettings(
            host=self.host,
            port=self.port,
            database=CONSOLE,
            user=self.user,
            password=self.password,
            sslmode=self.sslmode,
            sslrootcert=self.sslrootcert,
            pooler=True,
            aws=self.aws,
            commander=self.commander,
        )
