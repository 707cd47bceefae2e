"""Where an endpoint is that AWS's clients put a bucket or an account before."""

from __future__ import annotations

import socket

from cockpit.connect.aws.sessions import Resolver


async def test_what_is_under_localhost_is_this_machine() -> None:
    for host in ("shop-reports.localhost", "123456789012.localhost"):
        found = await Resolver().resolve(host, 4566, socket.AF_INET)
        assert [(each["hostname"], each["host"], each["port"]) for each in found] == [
            (host, "127.0.0.1", 4566)
        ]
