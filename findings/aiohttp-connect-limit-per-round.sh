#!/usr/bin/env bash
# aiohttp 3.14.5: ClientTimeout(sock_connect=…) bounds one round of a connect and not the whole: a name with three silent addresses of
# one family takes three times the limit before it fails, although the docs call it the timeout for connecting to a peer.
# TCPConnector(interleave=64) makes it one round and keeps the limit.
# Seen: "by default 3 limits, with interleave 1 limit"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check aiohttp==3.14.5
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import asyncio
import socket
import time
from contextlib import ExitStack

import aiohttp
from aiohttp.abc import AbstractResolver

HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
LIMIT = 1.0


class Three(AbstractResolver):
    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [{"hostname": host, "host": each, "port": port, "family": socket.AF_INET, "proto": 0,
                 "flags": socket.AI_NUMERICHOST} for each in HOSTS]

    async def close(self):
        pass


async def limits(port, **how):
    connector = aiohttp.TCPConnector(resolver=Three(), **how)
    timeout = aiohttp.ClientTimeout(total=30, sock_connect=LIMIT)
    began = time.monotonic()
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        try:
            await session.get(f"http://three.example.test:{port}/")
        except (aiohttp.ClientError, TimeoutError):
            pass
    return round((time.monotonic() - began) / LIMIT)


async def main():
    with ExitStack() as stack:
        port = 0
        for host in HOSTS:  # listeners that take nobody in: once their queue is full, a connect gets no answer
            listener = stack.enter_context(socket.socket())
            listener.bind((host, port))
            listener.listen(0)
            port = port or listener.getsockname()[1]
            for _ in range(3):
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex((host, port))
        await asyncio.sleep(0.5)
        print(f"by default {await limits(port)} limits, with interleave {await limits(port, interleave=64)} limit")

asyncio.run(main())
PY
grep -qx "by default 3 limits, with interleave 1 limit" "$work/seen"
