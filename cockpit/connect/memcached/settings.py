"""Where a memcached node is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MemcachedSettings:
    """Kind `memcached`."""

    host: str
    port: int = 11211
    tls: bool = False
