"""TLS that is wrong in one way each, on real database ports: one code an engine, and the reason in
words that say what to do about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cockpit.errors import BlindError
from cockpit.world.net.certificates import Authority, Issued
from cockpit.world.servers import mariadb, valkey
from cockpit.world.servers.process import ServerProcess, free_port, wait_until
from tests.servers import fresh
from tests.servers.full import full
from tests.servers.private import my_settings, mysql_users, redis_settings, session_for
from tests.servers.test_memcached import listens, started
from tests.servers.test_memcached import settings as memcached_settings

pytestmark = pytest.mark.servers

REDIS = Path("/usr/bin/redis-server")
"""The wheel's Valkey is built without TLS."""
REASONS = [
    ("expired", "has expired", "renew it"),
    ("future", "not valid yet", "clock"),
    ("wrong-name", "for another name", "connect by a name"),
    ("self-signed", "self-signed", "add it to"),
    ("untrusted", "not trusted here", "add its CA"),
    ("no-intermediate", "not trusted here", "its intermediate"),
]
"""Kind of certificate, what is said of it, what to do."""


@dataclass
class Tls:
    """A place for certificates, and who signs them."""

    folder: Path
    authority: Authority

    def put(self, issued: Issued) -> tuple[Path, Path]:
        """The chain's and the key's file."""
        for name, content in (("chain.pem", issued.chain), ("key.pem", issued.key)):
            (self.folder / name).write_bytes(content)
            (self.folder / name).chmod(0o644)
        return self.folder / "chain.pem", self.folder / "key.pem"

    @property
    def ca(self) -> str:
        return str(self.authority.ca_file)


@pytest.fixture
def tls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Tls:
    folder.chmod(0o755)
    made = Tls(folder, Authority(folder))
    made.authority.ca_file.chmod(0o644)
    monkeypatch.setenv("SSL_CERT_FILE", made.ca)
    return made


async def said(settings: Any) -> BlindError | None:
    """The error of a first look; None: it worked."""
    async with session_for(settings) as session:
        try:
            if hasattr(session, "stats"):
                await session.version()
            elif hasattr(session, "info"):
                await session.command("PING")
            else:
                await session.value("SELECT 1")
        except BlindError as error:
            return error
    return None


async def reasons(tls: Tls, code: str, look: Callable[[Issued], Any]) -> None:
    """Each certificate in turn: the good one is taken, the others are told apart."""
    assert await look(tls.authority.issue("good")) is None
    for kind, what, hint in REASONS:
        error = await look(tls.authority.issue(kind))
        assert error is not None, kind
        assert (error.code, error.severity) == (code, "high"), kind
        assert what in error.message, kind
        assert hint in error.hint, kind


@pytest.fixture(scope="module")
def maria_tls(base: Path) -> Iterator[tuple[mariadb.MariaDb, Tls]]:
    """One for all: it takes new certificates while it runs."""
    folder = base / "maria-tls"
    folder.mkdir(mode=0o755)
    made = Tls(folder, Authority(folder))
    chain, key = made.put(made.authority.issue("good"))
    server = mariadb.start(
        fresh.mariadb_data(folder / "m"), settings={"ssl-cert": str(chain), "ssl-key": str(key)}
    )
    try:
        mysql_users(server)
        yield server, made
    finally:
        server.stop()


async def test_mariadbs_certificate_is_judged(maria_tls: tuple[mariadb.MariaDb, Tls]) -> None:
    server, tls = maria_tls

    async def look(issued: Issued) -> BlindError | None:
        tls.put(issued)
        server.execute("FLUSH SSL")
        return await said(my_settings(server, tls="verify", tls_ca=tls.ca))

    await reasons(tls, "MY_CONN_TLS", look)


async def test_encryption_without_a_check_takes_any_certificate(
    maria_tls: tuple[mariadb.MariaDb, Tls],
) -> None:
    server, tls = maria_tls
    tls.put(tls.authority.issue("expired"))
    server.execute("FLUSH SSL")
    async with session_for(my_settings(server, tls="encrypt")) as session:
        cipher = await session.dicts("SHOW SESSION STATUS LIKE 'Ssl_cipher'")

    assert cipher[0]["Value"]


async def test_a_mariadb_that_wants_tls_answers_a_plain_login_as_a_wrong_password(
    maria_tls: tuple[mariadb.MariaDb, Tls], maria: mariadb.MariaDb
) -> None:
    server, tls = maria_tls
    tls.put(tls.authority.issue("good"))
    server.execute("FLUSH SSL", "ALTER USER ro@'%' REQUIRE SSL")
    plain = await said(my_settings(server))
    secure = await said(my_settings(server, tls="verify", tls_ca=tls.ca))
    wrong = await said(my_settings(maria, password="env:T_WRONG"))
    server.execute("ALTER USER ro@'%' REQUIRE NONE")

    assert plain is not None
    assert plain.code == "MY_CONN_AUTH"
    assert 'tls = "off"' in plain.hint
    assert secure is None
    assert wrong is not None
    assert "tls" not in wrong.hint


def redis_tls(tls: Tls, issued: Issued, **changed: str | int) -> valkey.Valkey:
    """A Redis whose only port speaks TLS; it answers nobody who does not."""
    chain, key = tls.put(issued)
    port = free_port()
    server = valkey.start(
        tls.folder / "redis",
        binary=REDIS,
        settings={
            "port": 0,
            "tls-port": port,
            "tls-cert-file": str(chain),
            "tls-key-file": str(key),
            "tls-ca-cert-file": tls.ca,
            "tls-auth-clients": "no",
            **changed,
        },
        wait=False,
    )
    server.port = port
    wait_until(lambda: listens(port), server=server, name="redis-server")
    return server


async def look_at(server: ServerProcess, settings: Any) -> BlindError | None:
    try:
        return await said(settings)
    finally:
        server.stop()


async def test_rediss_certificate_is_judged(tls: Tls) -> None:
    async def look(issued: Issued) -> BlindError | None:
        server = redis_tls(tls, issued)
        return await look_at(server, redis_settings(server, tls=True, tls_ca=tls.ca))

    await reasons(tls, "RD_CONN_TLS", look)


@pytest.mark.parametrize(
    ("server_says", "we", "code", "what", "hint"),
    [
        pytest.param({}, {"tls": False}, "RD_CONN_DROPPED", "hangs up", "tls = true",
                     id="only the server wants TLS"),
        pytest.param({"tls-auth-clients": "yes"}, {"tls": True}, "RD_CONN_TLS", "refused",
                     "certificate from its clients", id="it wants a certificate from us"),
        pytest.param({"tls-protocols": "TLSv1.1", "tls-ciphers": "DEFAULT:@SECLEVEL=0"},
                     {"tls": True}, "RD_CONN_TLS", "older than 1.2", "raise", id="old TLS only"),
    ],
)  # fmt: skip
async def test_a_redis_that_wants_other_tls_than_we_do_is_told(
    tls: Tls, server_says: dict[str, str | int], we: dict[str, Any], code: str, what: str, hint: str
) -> None:
    server = redis_tls(tls, tls.authority.issue("good"), **server_says)
    error = await look_at(server, redis_settings(server, tls_ca=tls.ca, **we))

    assert error is not None
    assert error.code == code
    assert what in error.message
    assert hint in error.hint


async def crowded(server: ServerProcess, settings: Any, connections: int) -> BlindError:
    """The error of a look while so many others hold a connection."""
    with full(server, connections):
        error = await look_at(server, settings)
    assert error is not None
    return error


async def test_a_full_redis_hangs_up_without_a_word_when_it_speaks_tls(tls: Tls) -> None:
    server = redis_tls(tls, tls.authority.issue("good"), maxclients=12)
    error = await crowded(server, redis_settings(server, tls=True, tls_ca=tls.ca), 14)

    assert (error.code, error.severity) == ("RD_CONN_DROPPED", "critical")
    assert "maxclients" in error.hint
    assert "set tls" not in error.hint


async def test_a_full_memcached_says_so_before_any_handshake(tls: Tls) -> None:
    chain, key = tls.put(tls.authority.issue("good"))
    certified = f"ssl_chain_cert={chain},ssl_key={key}"
    server = started(tls.folder / "m", "-c", "40", "-t", "1", "-Z", "-o", certified)
    error = await crowded(server, memcached_settings(server.port, tls=True), 45)

    assert (error.code, error.severity) == ("MC_SAT_CONNECTIONS", "critical")
    assert "Too many open connections" in error.message


async def test_memcacheds_certificate_is_judged(tls: Tls) -> None:
    async def look(issued: Issued) -> BlindError | None:
        chain, key = tls.put(issued)
        server = started(tls.folder / "m", "-Z", "-o", f"ssl_chain_cert={chain},ssl_key={key}")
        return await look_at(server, memcached_settings(server.port, tls=True))

    await reasons(tls, "MC_CONN_TLS", look)


@pytest.mark.parametrize(
    ("words", "ours", "code"),
    [
        pytest.param((), True, "MC_CONN_TLS", id="only we want TLS"),
        pytest.param(("-Z",), False, "MC_CONN_DROPPED", id="only the server wants it"),
    ],
)
async def test_a_memcached_that_wants_other_tls_than_we_do_is_told(
    tls: Tls, words: tuple[str, ...], ours: bool, code: str
) -> None:
    chain, key = tls.put(tls.authority.issue("good"))
    more = (*words, "-o", f"ssl_chain_cert={chain},ssl_key={key}") if words else ()
    server = started(tls.folder / "m", *more)
    error = await look_at(server, memcached_settings(server.port, tls=ours))

    assert error is not None
    assert error.code == code
    assert "tls = " in error.hint
