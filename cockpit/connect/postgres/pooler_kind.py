"""The kind `pgbouncer`: the console of a pooler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.connect.kind import Door, Kind, off_loop
from cockpit.connect.postgres.kind import SSLMODES
from cockpit.connect.postgres.pooler_settings import PgBouncerSettings
from cockpit.connect.session import Acts

if TYPE_CHECKING:
    from cockpit.connect.postgres.pooler import PgBouncer


async def _open(settings: PgBouncerSettings, door: Door) -> PgBouncer:
    await off_loop("cockpit.connect.postgres.pooler")
    from cockpit.connect.postgres.pooler import open_pgbouncer

    return await open_pgbouncer(settings, secret=await door.secret(settings))


async def _open_acts(settings: PgBouncerSettings, door: Door) -> Acts:
    await off_loop("cockpit.connect.postgres.pooler_acts")
    from cockpit.connect.postgres.pooler_acts import open_pgbouncer_acts

    return await open_pgbouncer_acts(settings, secret=await door.secret(settings, acting=True))


KIND = Kind(
    name="pgbouncer",
    short="pgb",
    settings=PgBouncerSettings,
    open=_open,
    open_acts=_open_acts,
    words={"sslmode": SSLMODES},
)
