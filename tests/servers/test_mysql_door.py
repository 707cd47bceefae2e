"""Every way in which MariaDB keeps somebody out, for real: each ends in the catalogue's code."""

from __future__ import annotations

import asyncio
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cockpit.connect.mysql import session as mysql
from cockpit.connect.observer import sent
from cockpit.errors import Reason, UnknownOutcome
from cockpit.world.servers import mariadb
from tests.patience import eventually
from tests.servers import fresh
from tests.servers.faults import BreakingWire
from tests.servers.private import SECRETS, my_settings, mysql_users, session_for, trouble

pytestmark = pytest.mark.servers

HOME, STRANGER = "127.0.0.2", "127.0.0.5"


@pytest.fixture(scope="module")
def door(base: Path) -> Iterator[mariadb.MariaDb]:
    folder = Path(tempfile.mkdtemp(dir=base))
    folder.chmod(0o755)
    server = mariadb.start(
        fresh.mariadb_data(folder / "m"),
        settings={
            "bind-address": f"127.0.0.1,{HOME}",
            "max-connect-errors": 3,
            "skip-name-resolve": 0,  # else no address is ever counted
        },
    )
    try:
        mysql_users(server)
        yield server
    finally:
        server.stop()


async def test_an_accounts_own_limit_is_not_the_servers(door: mariadb.MariaDb) -> None:
    door.execute("ALTER USER ro@'%' WITH MAX_USER_CONNECTIONS 1")
    async with session_for(my_settings(door)) as first:
        await first.value("SELECT 1")
        error = await trouble(my_settings(door))
    door.execute("ALTER USER ro@'%' WITH MAX_USER_CONNECTIONS 0")

    assert (error.code, error.severity) == ("MY_CONN_USER_LIMIT", "high")


async def test_a_change_without_an_answer_is_unknown_also_when_nobody_is_let_in_again(
    door: mariadb.MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with BreakingWire(door.port) as wire:
        settings = my_settings(door, port=wire.port)
        session = mysql.Mysql(settings, read_only=False)
        try:
            await session.value("SELECT 1")
            monkeypatch.delenv(settings.password.removeprefix("env:"))
            wire.break_after(0, int, dead=False)
            with pytest.raises(UnknownOutcome, match=r"its end is not known: .* is not set"):
                await sent(session.dicts("DO 1"))
        finally:
            await session.close()


async def test_a_database_that_is_not_there_is_a_mistake_of_ours(door: mariadb.MariaDb) -> None:
    door.execute("GRANT SELECT ON *.* TO act@'%'")
    acting = my_settings(door, user="act", password="env:T_ACT", database="nowhere")
    error = await trouble(acting)

    assert (error.code, error.reason) == ("MY_CONN_NO_DB", Reason.MISCONFIGURED)


async def test_an_address_that_no_account_allows_is_told(
    door: mariadb.MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    _come_from(STRANGER, monkeypatch)
    _rename(door, "%", "127.0.0.1")
    try:
        error = await trouble(my_settings(door, host=HOME))
    finally:
        _rename(door, "127.0.0.1", "%")

    assert (error.code, error.reason) == ("MY_CONN_HOST_DENIED", Reason.DENIED)


def _rename(server: mariadb.MariaDb, old: str, new: str) -> None:
    users = ("ro", "plain", "act", "app")
    server.execute(
        *(f"RENAME USER {user}@'{old}' TO {user}@'{new}'" for user in users), "FLUSH PRIVILEGES"
    )


@pytest.mark.parametrize(
    ("account", "code", "hint"),
    [
        pytest.param("IDENTIFIED VIA ed25519 USING PASSWORD('{}')", "MY_CONN_PLUGIN",
                     "ed25519", id="ed25519"),
        pytest.param("IDENTIFIED BY '{}' ACCOUNT LOCK", "MY_CONN_LOCKED", "ACCOUNT UNLOCK",
                     id="4151, locked"),
        pytest.param("IDENTIFIED BY 'another'", "MY_CONN_BLOCKED", "FLUSH PRIVILEGES",
                     id="4150, blocked after wrong passwords"),
        pytest.param("IDENTIFIED BY '{}' PASSWORD EXPIRE", "MY_CONN_EXPIRED", "PASSWORD EXPIRE",
                     id="1820, expired"),
        pytest.param("IDENTIFIED VIA unix_socket", "MY_CONN_SOCKET_ONLY", "another account",
                     id="1698, the socket only"),
    ],
)  # fmt: skip
async def test_an_account_that_may_not_log_in_so_is_told_by_its_own_word(
    door: mariadb.MariaDb, account: str, code: str, hint: str
) -> None:
    password = SECRETS["T_PLAIN"]
    door.execute(
        "INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519'",
        "SET GLOBAL max_password_errors = 1",
        f"CREATE OR REPLACE USER guest@'%' {account.format(password)}",
    )
    settings = my_settings(door, user="guest", password="env:T_PLAIN")
    try:
        if code == "MY_CONN_BLOCKED":
            assert (await trouble(settings)).code == "MY_CONN_AUTH"
        error = await trouble(settings)
    finally:
        door.execute("SET GLOBAL max_password_errors = DEFAULT", "DROP USER guest@'%'")

    assert (error.code, error.severity) == (code, "high")
    assert hint in error.hint
    assert password not in f"{error.message} {error.hint}"


async def test_knocking_without_a_login_blocks_an_address(
    door: mariadb.MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    _come_from(STRANGER, monkeypatch)
    before = _broken_off(door)
    for _ in range(4):
        with socket.socket() as knock:
            knock.bind((STRANGER, 0))
            knock.connect((HOME, door.port))
            knock.recv(200)
    eventually(lambda: _broken_off(door) >= before + 4)
    error = await trouble(my_settings(door, host=HOME))
    door.execute("FLUSH HOSTS")
    async with session_for(my_settings(door, host=HOME)) as session:
        assert await session.value("SELECT 1") == 1

    assert (error.code, error.severity) == ("MY_CONN_HOST_BLOCKED", "critical")


def _broken_off(server: mariadb.MariaDb) -> int:
    """Logins that came to nothing."""
    return int(server.execute("SHOW GLOBAL STATUS LIKE 'Aborted_connects'")[0][1])


def _come_from(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect from another address: the server exempts its own from being blocked."""

    async def reached(host: str, port: int, *, within: float) -> socket.socket:
        wire = socket.socket()
        wire.bind((source, 0))
        wire.setblocking(False)
        await asyncio.get_running_loop().sock_connect(wire, (host, port))
        return wire

    monkeypatch.setattr(mysql, "first_reached", reached)


@pytest.mark.parametrize(
    ("says", "code"),
    [
        pytest.param(b"", "MY_CONN_DROPPED", id="hangs up before its greeting"),
        pytest.param(b"HTTP/1.1 400 Bad\r\n\r\n", "NET_WRONG_PROTOCOL", id="a web server"),
    ],
)
async def test_what_is_not_mysql_is_told(door: mariadb.MariaDb, says: bytes, code: str) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        port = listener.sockets[0].getsockname()[1]
        error = await trouble(my_settings(door, port=port))
    finally:
        listener.close()
        await asyncio.sleep(0.05)

    assert error.code == code


GREETING = (
    b"\x0a8.4.9\0" + struct.pack("<I", 7) + b"saltsalt\0" + struct.pack("<H", 0xF7FF)
    + b"\x2d" + struct.pack("<HH", 2, 0x8_1FF) + b"\x15" + b"\0" * 10 + b"saltsaltsalt\0"
    + b"mysql_native_password\0"
)  # fmt: skip
"""A MySQL 8.4 without TLS, by the manual ("Protocol::HandshakeV10")."""


def packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


@pytest.mark.parametrize(
    ("errno", "text", "code"),
    [
        pytest.param(3159, "Connections using insecure transport are prohibited while "
                     "--require_secure_transport=ON.", "MY_CONN_TLS_REQUIRED", id="wants TLS"),
        pytest.param(1053, "Server shutdown in progress", "MY_CONN_SHUTDOWN", id="shuts down"),
        pytest.param(3168, "Server isn't available", "MY_CONN_SHUTDOWN", id="not available"),
        pytest.param(3032, "The server is currently in offline mode", "MY_CONN_OFFLINE",
                     id="offline mode"),
        pytest.param(1203, "User ro already has more than 'max_user_connections' active "
                     "connections", "MY_CONN_USER_LIMIT", id="the account's limit"),
    ],
)  # fmt: skip
async def test_what_only_mysql_8_says_at_its_door_is_known_by_its_number(
    door: mariadb.MariaDb, errno: int, text: str, code: str
) -> None:
    """Made by hand from the manual: no MySQL could be had."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet(0, GREETING))
        header = await reader.readexactly(4)
        await reader.readexactly(int.from_bytes(header[:3], "little"))
        writer.write(packet(2, b"\xff" + struct.pack("<H", errno) + b"#HY000" + text.encode()))
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    try:
        port = listener.sockets[0].getsockname()[1]
        error = await trouble(my_settings(door, port=port))
    finally:
        listener.close()
        await asyncio.sleep(0.05)

    assert error.code == code
    assert str(errno) in error.message
