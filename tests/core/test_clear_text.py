"""No token and no password leaves in clear text, whatever a server asks for."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cockpit.connect.mysql.session import Mysql
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.observer import ServerSession
from cockpit.connect.postgres.session import Postgres
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.redis.session import Redis
from cockpit.connect.redis.settings import RedisSettings
from cockpit.errors import BlindError, Reason

PASSWORD = "hunter2-in-clear"
PROTOCOL_41, SECURE, PLUGIN_AUTH = 1 << 9, 1 << 15, 1 << 19


async def secret(reference: str) -> str:
    return PASSWORD


def packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def greeting() -> bytes:
    able = PROTOCOL_41 | SECURE | PLUGIN_AUTH
    return packet(
        0,
        b"\x0a8.0.30\0" + bytes(4) + b"saltsalt\0" + struct.pack("<H", able & 0xFFFF)
        + b"\x21\2\0" + struct.pack("<H", able >> 16) + b"\x15" + bytes(10)
        + b"saltsaltsalt\0" + b"mysql_native_password\0",
    )  # fmt: skip


@asynccontextmanager
async def asking(method: bytes) -> AsyncIterator[tuple[int, bytearray]]:
    """A server that asks for the password by another method than it said; what it was sent."""
    heard, ended = bytearray(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting())
        heard.extend(await reader.read(4096))
        writer.write(packet(2, b"\xfe" + method + b"\0" + b"\4Password: "))
        while part := await reader.read(4096):
            heard.extend(part)
        writer.transport.abort()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
        await ended.wait()
    finally:
        server.close()


@pytest.mark.parametrize("method", [b"mysql_clear_password", b"dialog"])
async def test_no_password_goes_out_in_clear_text(method: bytes) -> None:
    async with asking(method) as (port, heard):
        settings = MysqlSettings(
            host="127.0.0.1", port=port, user="ro", password="env:X", tls="off"
        )
        session = Mysql(settings, secret=secret)
        with pytest.raises(BlindError) as caught:
            await session.value("SELECT 1")
        await session.close()
    assert heard
    assert PASSWORD.encode() not in heard
    assert (caught.value.code, caught.value.reason) == ("MY_CONN_PLUGIN", Reason.MISCONFIGURED)
    assert "clear text" in caught.value.message
    assert 'tls = "verify"' in caught.value.hint


@pytest.mark.parametrize(
    "session",
    [
        *(
            pytest.param(
                Mysql(MysqlSettings(host="127.0.0.1", user="u", password="iam", tls=tls)),
                id=f"mysql {tls}",
            )
            for tls in ("off", "encrypt")
        ),
        *(
            pytest.param(
                Postgres(
                    PostgresSettings(host="127.0.0.1", user="u", password="iam", sslmode=mode)
                ),
                id=f"postgres {mode}",
            )
            for mode in ("disable", "allow", "prefer", "require", "verify-ca")
        ),
        pytest.param(
            Redis(RedisSettings(host="127.0.0.1", user="u", password="iam", tls=False)), id="redis"
        ),
    ],
)
async def test_a_token_is_not_even_made_without_a_verified_name(
    session: ServerSession[object],
) -> None:
    with pytest.raises(BlindError, match="iam wants TLS with a verified certificate") as caught:
        await session.connect()
    assert caught.value.reason is Reason.MISCONFIGURED
    assert "in the target" in caught.value.hint
