"""A primary whose new transactions only read, on a real server: whom it is told of, and whom not."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from cockpit.errors import BlindError
from cockpit.triage.probe import Seen
from cockpit.world.servers import postgres
from tests.servers.private import Crowd, codes, look, pg_app, pg_settings, session_for, until

pytestmark = pytest.mark.servers

NAME = "default_transaction_read_only"
WRITES = f"SET {NAME} = off"
"""For our own hand at the server: it could not take the rest back otherwise."""


def refused(server: postgres.PostgresServer) -> str:
    """What an application gets for a write in a new session."""
    try:
        with psycopg.connect(pg_app(server)) as connection:
            connection.execute("UPDATE orders SET status = 'paid' WHERE id = 1")
    except psycopg.Error as error:
        return error.sqlstate or ""
    return ""


def told(seen: Seen) -> dict[str, str]:
    return {finding.subject: finding.severity.value for finding in seen.findings}


async def test_it_is_told_while_it_is_watched_and_when_it_is_taken_back(
    small_pg: postgres.PostgresServer,
) -> None:
    writer = pg_settings(small_pg, expects="writer")
    async with session_for(writer) as session:

        async def ask() -> Seen:
            return await look("postgres.sessions", writer, session)

        before = await ask()
        small_pg.execute(f"ALTER SYSTEM SET {NAME} = on", "SELECT pg_reload_conf()")
        seen = await until(ask, lambda seen: codes(seen) == {"PG_READ_ONLY": "critical"})
        applications = refused(small_pg)
        with pytest.raises(BlindError, match="read-only"):
            await session.value("CREATE TABLE stolen (i int)")
        anywhere = await look("postgres.sessions", pg_settings(small_pg))
        for_readers = await look("postgres.sessions", pg_settings(small_pg, expects="reader"))
        small_pg.execute(f"ALTER SYSTEM RESET {NAME}", "SELECT pg_reload_conf()")
        await until(ask, lambda seen: codes(seen) == {})
        with pytest.raises(BlindError, match="read-only"):
            await session.value("CREATE TABLE stolen (i int)")

    assert codes(before) == {}
    assert applications == "25006"
    (finding,) = seen.findings
    assert "writes fail with 25006 (the server)" in finding.summary
    assert "ALTER SYSTEM RESET" in finding.next
    assert ("new transactions", "read-only by default") in {(f.label, f.text) for f in seen.facts}
    assert codes(anywhere) == {"PG_READ_ONLY": "warning"}
    assert codes(for_readers) == {"PG_ROLE_WRONG": "high"}


@pytest.mark.parametrize(
    ("statement", "undo", "expected", "applications"),
    [
        pytest.param(
            "ALTER DATABASE postgres SET {} = on", "ALTER DATABASE postgres RESET {}",
            {NAME: "critical"}, "25006", id="the database",
        ),
        pytest.param(
            "ALTER ROLE ALL SET {} = yes", "ALTER ROLE ALL RESET {}",
            {NAME: "critical"}, "25006", id="every role",
        ),
        pytest.param(
            "ALTER ROLE app SET {} = on", "ALTER ROLE app RESET {}",
            {"app": "info"}, "25006", id="an application's role that has sessions",
        ),
        pytest.param(
            "ALTER ROLE ro SET {} = on", "ALTER ROLE ro RESET {}", {}, "", id="our own role: no word",
        ),
        pytest.param(
            "ALTER ROLE plain SET {} = on", "ALTER ROLE plain RESET {}", {}, "",
            id="a role without sessions",
        ),
    ],
)  # fmt: skip
async def test_what_is_set_for_a_database_or_a_role_is_told_for_whom_it_holds(
    pg: postgres.PostgresServer,
    statement: str,
    undo: str,
    expected: dict[str, str],
    applications: str,
) -> None:
    pg.execute(WRITES, statement.format(NAME))
    try:
        async with Crowd(pg) as crowd:
            await crowd.open()
            seen = await look("postgres.sessions", pg_settings(pg, expects="writer"))
            got = await asyncio.to_thread(refused, pg)
    finally:
        pg.execute(WRITES, undo.format(NAME))

    assert told(seen) == expected
    assert got == applications


async def test_behind_a_setting_of_our_own_role_nothing_is_promised(
    pg: postgres.PostgresServer,
) -> None:
    pg.execute(f"ALTER ROLE ro SET {NAME} = on")
    try:
        seen: Any = await look("postgres.sessions", pg_settings(pg, expects="writer"))
    finally:
        pg.execute(f"ALTER ROLE ro RESET {NAME}")

    words = {fact.label: fact.text for fact in seen.facts}
    assert seen.snapshot.pulse.read_only.refuses is None
    assert words["new transactions"] == "may write or not: hidden by a default of our own role"
