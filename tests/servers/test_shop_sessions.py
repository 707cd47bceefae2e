"""The sessions that the demo's shop holds at its database."""

from __future__ import annotations

import pytest

from cockpit.world.apps import Gate
from cockpit.world.checkout import API, Beats, CheckoutDatabase
from cockpit.world.ecs import Task
from cockpit.world.servers import postgres
from tests.servers.private import until

pytestmark = pytest.mark.servers

_HELD = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{API}'"


async def test_a_database_that_refuses_beats_as_a_standby_does_is_not_filled_with_sessions(
    small_pg: postgres.PostgresServer,
) -> None:
    small_pg.execute(
        "CREATE ROLE checkout LOGIN PASSWORD 'checkout-secret'",
        "ALTER ROLE checkout SET default_transaction_read_only = on",
    )
    small_pg.execute("CREATE DATABASE orders")
    small_pg.execute(
        "CREATE TABLE shards (shard int, beat timestamptz)",
        "GRANT ALL ON shards TO checkout",
        database="orders",
    )
    beats = Beats(CheckoutDatabase(small_pg.port, "checkout-secret", Gate()))
    task = Task("checkout", 1, "d", 1, "10.0.0.1", "a")
    for _ in range(20):
        with pytest.raises(ConnectionError, match="read-only transaction"):
            await beats.need(task)

    async def held() -> list[tuple[object, ...]]:
        return small_pg.execute(_HELD)

    await until(held, lambda rows: rows == [(0,)])
    await beats.close()
