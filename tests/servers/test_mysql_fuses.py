"""AUTO_INCREMENT columns that come to their end, for real."""

from __future__ import annotations

import pymysql
import pytest

from cockpit.triage.finding import Severity
from cockpit.world.servers import mariadb
from tests.servers.private import codes, look, my_settings

pytestmark = pytest.mark.servers

_TABLES = {
    "ended": ("tinyint", 127),
    "unsigned_ended": ("int unsigned", 4_294_967_295),
    "bigint_ended": ("bigint", 9_223_372_036_854_775_807),
    "near": ("int", 1_900_000_000),
    "far": ("int", 1_600_000_000),
    "far_bigint": ("bigint", 2_147_483_647),
    "small_and_full": ("smallint", 32_000),
}


async def test_an_auto_increment_at_its_end_is_told_and_its_inserts_fail(
    maria: mariadb.MariaDb,
) -> None:
    for name, (kind, last) in _TABLES.items():
        maria.execute(
            f"CREATE OR REPLACE TABLE shop.{name} (id {kind} AUTO_INCREMENT PRIMARY KEY, "
            "of smallint, big bigint, KEY (of), KEY (big)) ENGINE=InnoDB",
            f"INSERT INTO shop.{name} VALUES ({last}, 1, 1)",
        )
    seen = await look("mysql.fuses", my_settings(maria))
    found = {each.subject: each for each in seen.findings}

    assert set(found) == {"shop.ended", "shop.unsigned_ended", "shop.bigint_ended", "shop.near"}
    assert found["shop.near"].severity is Severity.WARNING
    assert "247,483,647 are left" in found["shop.near"].summary
    for name in ("ended", "unsigned_ended", "bigint_ended"):
        assert found[f"shop.{name}"].severity is Severity.CRITICAL
        assert "every INSERT fails" in found[f"shop.{name}"].summary
        with pytest.raises(pymysql.MySQLError):
            maria.execute(f"INSERT INTO shop.{name} (of) VALUES (2)")
    for name in _TABLES:
        maria.execute(f"DROP TABLE shop.{name}")


async def test_without_process_the_end_of_a_counter_is_unknown(maria: mariadb.MariaDb) -> None:
    seen = await look("mysql.fuses", my_settings(maria, user="plain", password="env:T_PLAIN"))

    assert codes(seen) == {"MY_OBS_BLIND": "info"}
    assert [fact.text for fact in seen.facts] == ["unknown"]
