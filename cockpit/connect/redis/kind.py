"""The kind `redis`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.connect.kind import Door, Kind, off_loop
from cockpit.connect.redis.settings import RedisSettings
from cockpit.connect.session import Acts

if TYPE_CHECKING:
    from cockpit.connect.redis.session import Redis

_MODULE = "cockpit.connect.redis.session"


async def _open(settings: RedisSettings, door: Door) -> Redis:
    await off_loop(_MODULE)
    from cockpit.connect.redis.session import open_redis

    return await open_redis(settings, secret=await door.secret(settings))


async def _open_acts(settings: RedisSettings, door: Door) -> Acts:
    await off_loop("cockpit.connect.redis.acts")
    from cockpit.connect.redis.acts import open_redis_acts

    return await open_redis_acts(settings, secret=await door.secret(settings, acting=True))


KIND = Kind(
    name="redis",
    short="redis",
    settings=RedisSettings,
    open=_open,
    open_acts=_open_acts,
    words={
        "expects": ("any", "primary", "replica"),
    },
)
