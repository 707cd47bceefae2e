"""The kind `memcached`. Nothing of it can be acted on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cockpit.connect.kind import Door, Kind, off_loop
from cockpit.connect.memcached.settings import MemcachedSettings

if TYPE_CHECKING:
    from cockpit.connect.memcached.session import Memcached


async def _open(settings: MemcachedSettings, _: Door) -> Memcached:
    await off_loop("cockpit.connect.memcached.session")
    from cockpit.connect.memcached.session import open_memcached

    return await open_memcached(settings)


KIND = Kind(name="memcached", short="mc", settings=MemcachedSettings, open=_open)
