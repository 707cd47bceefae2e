"""TLS to an address, with the host's name in the handshake: redis-py would look the name up itself.

It does so inside the two seconds of the connection, which one dead name server alone uses up.
"""

from __future__ import annotations

from collections.abc import Mapping

from redis.asyncio import SSLConnection


class NamedConnection(SSLConnection):
    """Connects to `host`, an address."""

    name = ""
    """What the certificate has to be for."""

    def _connection_arguments(self) -> Mapping[str, object]:
        return {**super()._connection_arguments(), "server_hostname": self.name}
