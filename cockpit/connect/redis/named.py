"""TLS to an address, with the host's name in the handshake: redis-py would look the name up itself.

It does so inside the two seconds of the connection, which one dead name server alone uses up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis.asyncio import SSLConnection


class NamedConnection(SSLConnection):
    """Connects to `host`, an address; `name` is what the certificate has to be for."""

    def __init__(self, *, name: str, **more: Any) -> None:
        super().__init__(**more)
        self._name = name

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "server_hostname": self._name}
