"""A view, a function or a value behind what our statement names, which has no end: it is not looked
at, and that is told; never fewer rows. The servers are real, the memory is measured elsewhere
(tests/core/test_memory_taken.py).
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime

import pytest

from cockpit.connect.postgres.session import open_postgres
from cockpit.errors import BlindError, Reason
from cockpit.world.servers import mariadb, postgres
from tests.patience import at_most
from tests.servers.private import my_settings, pg_settings, session_for

pytestmark = pytest.mark.servers


async def test_postgres_views_and_values_without_end(pg: postgres.PostgresServer) -> None:
    pg.execute(
        "CREATE SCHEMA evil",
        "CREATE VIEW evil.pg_stat_activity AS SELECT generate_series(1, 10000000) AS pid",
        "CREATE VIEW evil.pg_locks AS SELECT repeat('x', 64 * 1024 * 1024) AS pid",
        """CREATE FUNCTION evil.pg_backend_pid() RETURNS int LANGUAGE plpgsql AS
           $$ BEGIN RAISE '%', repeat('database "', 450000); END $$""",
        "GRANT USAGE ON SCHEMA evil TO ro",
        "GRANT SELECT ON ALL TABLES IN SCHEMA evil TO ro",
        "ALTER ROLE ro SET search_path = evil, pg_catalog",
    )
    settings = pg_settings(pg)
    try:
        for pooler in (False, True):
            async with session_for(pg_settings(pg, pooler=pooler)) as session:
                for named in ("pg_stat_activity", "pg_locks"):
                    sql = f"SELECT pid FROM {named}"
                    with pytest.raises(BlindError) as caught:
                        await asyncio.wait_for(session.dicts(sql), at_most(4))
                    assert caught.value.reason is Reason.UNREADABLE
                    assert "could not look: the answer is too large" in caught.value.message
                    assert settings.host in caught.value.message
                    assert sql in caught.value.message
                with pytest.raises(BlindError, match="database"):
                    await asyncio.wait_for(session.value("SELECT pg_backend_pid()"), at_most(4))
                assert await session.value("SELECT 1") == 1
    finally:
        pg.execute("ALTER ROLE ro RESET search_path", "DROP SCHEMA evil CASCADE")


async def test_a_session_that_was_cut_for_it_is_known_as_ours(pg: postgres.PostgresServer) -> None:
    """The server counts it as abandoned by its client, which is no finding about clients."""
    cuts: deque[datetime] = deque()
    session = await open_postgres(pg_settings(pg), cuts=cuts)
    try:
        with pytest.raises(BlindError):
            await session.dicts("SELECT generate_series(1, 10000000)")
    finally:
        await session.close()
    assert len(cuts) == 1


async def test_mariadb_rows_and_values_without_end(maria: mariadb.MariaDb) -> None:
    settings = my_settings(maria, user="app", password="env:T_APP", database="shop")
    async with session_for(settings) as session:
        for sql in (
            "SELECT seq FROM seq_1_to_10000000",
            "SELECT REPEAT('x', 15000000) AS query",
        ):
            with pytest.raises(BlindError) as caught:
                await asyncio.wait_for(session.dicts(sql), at_most(4))
            assert caught.value.reason is Reason.UNREADABLE
            assert "could not look: the answer is too large" in caught.value.message
            assert f"{settings.host}:{settings.port}" in caught.value.message
            assert sql in caught.value.message
        assert await session.value("SELECT 1") == 1
