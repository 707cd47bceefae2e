"""What a server says of its own accord to whoever comes, before it hangs up."""

from __future__ import annotations

import asyncio

from cockpit.connect.net.addresses import first_reached

_CONNECT = 2.0
_LISTEN = 0.4


async def first_line(host: str, port: int, *, ask: bytes = b"") -> bytes:
    """The first line on a new connection, or the answer to `ask`; empty: none within 0.4 s.

    Raises `OSError` when no connection came about, `TimeoutError` after two seconds, and
    `BlindError` for the name.
    """
    wire = await first_reached(host, port, within=_CONNECT)
    reader, writer = await asyncio.open_connection(sock=wire)
    try:
        writer.write(ask)
        async with asyncio.timeout(_LISTEN):
            return await reader.readline()
    except (OSError, ValueError):  # ValueError: a line without an end
        return b""
    finally:
        writer.transport.abort()
