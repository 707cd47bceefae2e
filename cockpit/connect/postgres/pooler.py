"""PgBouncer's console: PostgreSQL's protocol without its SQL. It knows SHOW, and a few commands.

Source: PgBouncer documentation, "Admin console"; tried on 1.18. The console takes no transaction,
no SELECT and no parameters, and answers also while every client waits or the pool is paused.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from cockpit.connect.kind import Secret
from cockpit.connect.postgres.pooler_settings import PgBouncerSettings
from cockpit.connect.postgres.session import Postgres, rows_of
from cockpit.connect.secrets import resolve_async
from cockpit.connect.settings import Login
from cockpit.connect.sql.session import Parameters, Rows
from cockpit.errors import BlindError, Misconfigured, Reason

if TYPE_CHECKING:
    import psycopg

    from cockpit.connect.postgres.bounded import BoundedPostgres

_ADMINS_ONLY = "admin access needed"


class PgBouncer(Postgres):
    """A session with the console. An observer's says SHOW only."""

    async def _execute(self, connection: BoundedPostgres, sql: str, parameters: Parameters) -> Rows:
        if parameters:
            raise Misconfigured("the console of PgBouncer takes no parameters")
        return await rows_of(connection, sql, None)

    async def _through_pooler(self, connection: BoundedPostgres) -> None:
        """It is the pooler: nothing is to be set."""

    def _failure(self, error: psycopg.Error, connection: BoundedPostgres) -> Exception:
        said = str(error)
        if _ADMINS_ONLY in said:
            user = self._login.user
            return BlindError(
                Reason.DENIED,
                f"{self.where}: {user} is not in admin_users: {_ADMINS_ONLY}",
                hint=f"admin_users = {user} in pgbouncer.ini, then RELOAD",
            )
        if said.startswith("invalid command"):
            return BlindError(
                Reason.UNSUPPORTED, f"{self.where}: this PgBouncer does not know that ({said})"
            )
        return super()._failure(error, connection)


async def open_pgbouncer(
    settings: PgBouncerSettings,
    *,
    secret: Secret = resolve_async,
    login: Login | None = None,
    read_only: bool = True,
) -> PgBouncer:
    """A session that connects at its first command, so this never fails."""
    await asyncio.to_thread(import_module, "cockpit.connect.postgres.bounded")
    return PgBouncer(settings.server, secret=secret, login=login, read_only=read_only)
