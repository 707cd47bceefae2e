#!/usr/bin/env bash
# aiohttp 3.14.5: a PUT or DELETE whose connection is closed before an answer is sent again by the client itself, on a
# connection that was just opened too, not only on one that was kept; there is no argument that switches it off.
# A client above that counts attempts, such as aiobotocore with one attempt, does not see the second.
# Seen: "PUT arrived 2 times, POST arrived 1 time"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check aiohttp==3.14.5
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import asyncio
import aiohttp

arrived = []

async def hang_up(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    arrived.append(head.split()[0].decode())
    writer.close()

async def main():
    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    for method in ("PUT", "POST"):
        async with aiohttp.ClientSession() as session:  # nothing is kept from before
            try:
                await session.request(method, url)
            except aiohttp.ClientError:
                pass
    server.close()
    print(f"PUT arrived {arrived.count('PUT')} times, POST arrived {arrived.count('POST')} time")

asyncio.run(main())
PY
grep -qx "PUT arrived 2 times, POST arrived 1 time" "$work/seen"
