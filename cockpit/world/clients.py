"""boto3 clients of the world itself, against its own front, past faults and log."""

from __future__ import annotations

import threading
from typing import Any

from cockpit.world import layout
from cockpit.world.identify import LOADER


class WorldClients:
    """Clients with one access key, made when first needed. Safe from any thread."""

    def __init__(self, url: str, key: str = layout.OWNER, attempts: int = 1) -> None:
        self._url = url
        self._key = key
        self._attempts = attempts
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def get(self, service: str) -> Any:
        """The boto3 client of a service."""
        import boto3
        import botocore.session
        from botocore.config import Config

        with self._lock:
            if service not in self._made:
                plain = botocore.session.get_session()
                if service != "s3":  # whose client writes other paths into the model that it gets
                    plain.register_component("data_loader", LOADER)  # read from disk once, for all
                session = boto3.session.Session(
                    botocore_session=plain,
                    aws_access_key_id=self._key,
                    aws_secret_access_key="of-no-account",
                    region_name=layout.REGION,
                )
                retries = {"total_max_attempts": self._attempts, "mode": "standard"}
                self._made[service] = session.client(
                    service,
                    endpoint_url=self._url,
                    config=Config(connect_timeout=20, read_timeout=60, retries=retries, proxies={}),
                )
            return self._made[service]

    def __call__(self, service: str, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """Call an operation by its name in Python: `clients("ec2", "create_vpc", …)`."""
        client = self.get(service)
        answer: dict[str, Any] = getattr(client, operation)(**arguments)
        return answer
