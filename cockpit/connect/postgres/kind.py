"""The kind `postgres`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.connect.kind import Door, Kind, off_loop
from cockpit.connect.postgres.cuts import cuts
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.session import Acts

if TYPE_CHECKING:
    from cockpit.connect.postgres.session import Postgres

SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_MODULE = "cockpit.connect.postgres.session"


async def _open(settings: PostgresSettings, door: Door) -> Postgres:
    await off_loop(_MODULE)
    from cockpit.connect.postgres.session import open_postgres

    return await open_postgres(
        settings, secret=await door.secret(settings), cuts=cuts(settings, door)
    )


async def _open_acts(settings: PostgresSettings, door: Door) -> Acts:
    await off_loop("cockpit.connect.postgres.acts")
    from cockpit.connect.postgres.acts import open_postgres_acts

    return await open_postgres_acts(
        settings, secret=await door.secret(settings, acting=True), cuts=cuts(settings, door)
    )


KIND = Kind(
    name="postgres",
    short="pg",
    settings=PostgresSettings,
    open=_open,
    open_acts=_open_acts,
    words={
        "sslmode": SSLMODES,
        "expects": ("any", "writer", "reader"),
    },
)
