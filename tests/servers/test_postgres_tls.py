"""TLS that is wrong in one way each, on PostgreSQL's port: one code, and the reason in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cockpit.errors import BlindError
from cockpit.world.net.certificates import Authority
from cockpit.world.servers import postgres
from cockpit.world.servers.process import NOBODY, account
from tests.servers import fresh
from tests.servers.private import SUPER, pg_settings, postgres_roles, session_for
from tests.tools import postgres_versions

pytestmark = pytest.mark.servers


@dataclass
class Tls:
    """A cluster that can be started with any certificate, and who signs them."""

    cluster: postgres.DataFolder
    authority: Authority

    @contextmanager
    def serves(
        self, kind: str = "good", **settings: str | int
    ) -> Iterator[postgres.PostgresServer]:
        issued = self.authority.issue(kind)
        for name, content in (("chain.pem", issued.chain), ("key.pem", issued.key)):
            path = self.cluster.data / name
            path.write_bytes(content)
            path.chmod(0o600)
            if account(drop=True):
                os.chown(path, NOBODY, NOBODY)
        ours = {"ssl": "on", "ssl_cert_file": "chain.pem", "ssl_key_file": "key.pem"}
        server = postgres.start(self.cluster, settings={**ours, **settings})
        try:
            yield server
        finally:
            server.stop()

    async def said(self, server: postgres.PostgresServer, **changed: Any) -> BlindError | None:
        """The error of a first look; None: it worked."""
        ours = {"sslmode": "verify-full", "sslrootcert": str(self.authority.ca_file)}
        async with session_for(pg_settings(server, **{**ours, **changed})) as session:
            try:
                await session.value("SELECT 1")
            except BlindError as error:
                return error
        return None


@pytest.fixture(scope="module")
def tls(base: Path) -> Tls:
    folder = base / "pg-tls"
    folder.mkdir(mode=0o755)
    with_tls = [place for place in postgres_versions.found().values() if place is not None]
    if not with_tls:
        pytest.fail("the newest is built without TLS, and no other is here: make servers")
    cluster = fresh.postgres_cluster(folder / "pg", password=SUPER, binaries=with_tls[-1])
    server = postgres.start(cluster)
    postgres_roles(server)
    server.shut_down()
    return Tls(cluster, Authority(folder))


@pytest.mark.parametrize(
    ("kind", "what", "hint"),
    [
        ("expired", "has expired", "renew it"),
        ("future", "not valid yet", "clock"),
        ("wrong-name", "for another name", "connect by a name"),
        ("self-signed", "self-signed", "sslrootcert"),
        ("untrusted", "not trusted here", "add its CA to sslrootcert"),
        ("no-intermediate", "not trusted here", "its intermediate"),
    ],
)
async def test_a_certificate_that_is_no_good_is_told_with_its_reason(
    tls: Tls, kind: str, what: str, hint: str
) -> None:
    with tls.serves(kind) as server:
        error = await tls.said(server)
        unchecked = await tls.said(server, sslmode="require", sslrootcert="")

    assert error is not None
    assert (error.code, error.severity) == ("PG_CONN_TLS", "high")
    assert what in error.message
    assert hint in error.hint
    assert unchecked is None


async def test_a_good_certificate_is_taken_and_its_name_only_where_that_is_asked_for(
    tls: Tls,
) -> None:
    with tls.serves("good") as server:
        good = await tls.said(server)
        elsewhere = await tls.said(server, sslrootcert="/nowhere/ca.pem")
    with tls.serves("wrong-name") as server:
        by_authority = await tls.said(server, sslmode="verify-ca")

    assert good is None
    assert by_authority is None
    assert elsewhere is not None
    assert elsewhere.code == "PG_CONN_TLS"
    assert "/nowhere/ca.pem" in elsewhere.message


@pytest.mark.parametrize(
    ("settings", "changed", "code", "what"),
    [
        pytest.param({"ssl": "off"}, {}, "PG_CONN_TLS", "speaks no TLS", id="no TLS on the server"),
        pytest.param(
            {"ssl_min_protocol_version": "TLSv1", "ssl_max_protocol_version": "TLSv1.1"},
            {}, "PG_CONN_TLS", "older than 1.2", id="old TLS only",
        ),
    ],
)  # fmt: skip
async def test_a_server_that_speaks_other_tls_than_we_do_is_told(
    tls: Tls, settings: dict[str, str], changed: dict[str, Any], code: str, what: str
) -> None:
    with tls.serves(**settings) as server:
        error = await tls.said(server, **changed)

    assert error is not None
    assert error.code == code
    assert what in error.message


async def test_a_plain_login_where_tls_is_wanted_names_encryption(tls: Tls) -> None:
    """RDS forces TLS: the answer reads like a missing right and is none."""
    rules = tls.cluster.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(before.replace("host ", "hostssl "))
    try:
        with tls.serves("good") as server:
            plain = await tls.said(server, sslmode="disable", sslrootcert="")
            secure = await tls.said(server)
    finally:
        rules.write_text(before)

    assert secure is None
    assert plain is not None
    assert plain.code == "PG_CONN_HBA"
    assert "no encryption" in plain.message
    assert "sslmode" in plain.hint


async def test_answers_of_every_size_come_whole_through_tls_and_one_that_is_too_large_does_not(
    tls: Tls,
) -> None:
    """They pass piece by piece, and TLS gives them to libpq record by record."""
    with tls.serves() as server:
        ours = {"sslmode": "verify-full", "sslrootcert": str(tls.authority.ca_file)}
        async with session_for(pg_settings(server, **ours)) as session:
            for size in (1, 8_000, 16_384, 65_536, 1_000_000, 4_000_000):
                sql = f"SELECT repeat('x', {size}) AS x, ssl FROM pg_stat_ssl, pg_stat_activity"
                (row,) = await session.dicts(
                    f"{sql} WHERE pg_stat_ssl.pid = pg_backend_pid() LIMIT 1"
                )
                assert (len(row["x"]), row["ssl"]) == (size, True)
            rows = await session.dicts("SELECT i, repeat('y', 80) FROM generate_series(1, 30000) i")
            assert [row["i"] for row in rows] == list(range(1, 30001))
            asked = "z" * 1_000_000
            assert await session.value(f"SELECT length('{asked}')") == len(asked)
            with pytest.raises(BlindError, match="the answer is too large"):
                await session.dicts("SELECT repeat('x', 1000000) FROM generate_series(1, 50)")
            assert await session.value("SELECT 1") == 1
