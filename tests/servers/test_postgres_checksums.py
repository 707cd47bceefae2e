"""A page that was damaged on the disk, on a real server with checksums."""

from __future__ import annotations

import psycopg
import pytest

from cockpit.world.servers import postgres
from tests.servers.private import codes, look, pg_settings, until

pytestmark = pytest.mark.servers


async def test_a_page_that_was_damaged_is_critical_as_soon_as_somebody_read_it(
    small_pg: postgres.PostgresServer,
) -> None:
    ((checksums,),) = small_pg.execute("SHOW data_checksums")
    assert checksums == "on"
    ((path,),) = small_pg.execute(
        "CREATE TABLE torn AS SELECT i, repeat('x', 200) AS t FROM generate_series(1, 100) AS i",
        "CHECKPOINT",
        "SELECT pg_relation_filepath('torn')",
    )
    before = await look("postgres.counters", pg_settings(small_pg))
    port = small_pg.port
    small_pg.shut_down()
    with (small_pg.cluster.data / path).open("r+b") as file:
        file.seek(4000)
        file.write(b"somebody else's bytes")
    again = postgres.start(small_pg.cluster, port=port, settings={"max_connections": 12})
    small_pg.process = again.process
    with pytest.raises(psycopg.errors.DataCorrupted):
        small_pg.execute("SELECT count(*) FROM torn")

    seen = await until(
        lambda: look("postgres.counters", pg_settings(small_pg)),
        lambda seen: "PG_CHECKSUM_FAILURES" in codes(seen),
    )

    assert "PG_CHECKSUM_FAILURES" not in codes(before)
    assert codes(seen) == {"PG_CHECKSUM_FAILURES": "critical"}
    (finding,) = seen.findings
    assert finding.subject == "database postgres"
    assert "1 read of damaged data" in finding.summary
