"""An AWS that keeps state, served by moto in this process, and a client that breaks things in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.request import Request, urlopen


@contextmanager
def moto_server() -> Iterator[int]:
    """Its port; empty at first.

    moto keeps one account for a whole process, so what an earlier file made would still be there.
    """
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        reset = Request(f"http://127.0.0.1:{port}/moto-api/reset", method="POST")
        with urlopen(reset, timeout=30):
            pass
        yield port
    finally:
        server.stop()


def client(port: int, service: str) -> Any:
    """Not ours: what changes the account besides the cockpit."""
    return _session().client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="writer",
        aws_secret_access_key="writer",
    )


@cache
def _session() -> Any:
    import boto3

    return boto3.Session()
