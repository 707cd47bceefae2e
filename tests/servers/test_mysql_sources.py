"""A replica of two sources: each channel is told by its name, with what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from cockpit.connect.mysql.acts import open_mysql_acts
from cockpit.errors import DoesNotApply
from cockpit.triage.probe import Seen
from cockpit.world.servers import mariadb
from tests.servers import fresh
from tests.servers.documented import mysql_rights, rights_for
from tests.servers.private import codes, look, my_settings, mysql_users, target, until
from tests.servers.seats import seated
from tests.servers.test_runbooks_followed import follow, found

pytestmark = pytest.mark.servers

NAMES = ("east", "west")
WORD = "replicates-1"


@pytest.fixture(scope="module")
def sources(base: Path) -> Iterator[dict[str, mariadb.MariaDb]]:
    """Two primaries and the replica that follows both, each with a domain of its own."""
    folder = Path(mkdtemp(dir=base))
    folder.chmod(0o755)
    servers: dict[str, mariadb.MariaDb] = {}
    try:
        for number, name in enumerate((*NAMES, "both"), 1):
            servers[name] = mariadb.start(
                fresh.mariadb_data(folder / name),
                settings={"server-id": number, "gtid-domain-id": number, "log-bin": "bin"},
            )
        both = servers["both"]
        mysql_users(both)
        both.execute(*mysql_rights("act", rights_for("start_replication")), "RESET MASTER")
        for name in NAMES:
            servers[name].execute(
                f"CREATE DATABASE {name}",
                f"CREATE TABLE {name}.orders (id int PRIMARY KEY)",
                f"CREATE USER repl@'%' IDENTIFIED BY '{WORD}'",
                "GRANT REPLICATION SLAVE ON *.* TO repl@'%'",
                "RESET MASTER",
            )
            both.execute(
                f"CREATE DATABASE {name}",
                f"CREATE TABLE {name}.orders (id int PRIMARY KEY)",
                f"CHANGE MASTER '{name}' TO MASTER_HOST='127.0.0.1', MASTER_USER='repl', "
                f"MASTER_PORT={servers[name].port}, MASTER_PASSWORD='{WORD}'",
            )
        both.execute(
            "SET GLOBAL read_only = 1",
            "SET GLOBAL west.replicate_do_db = 'west'",
            "START ALL SLAVES",
        )
        yield servers
    finally:
        for server in servers.values():
            server.stop()


async def test_each_source_is_a_channel_with_its_own_state_and_filters(
    sources: dict[str, mariadb.MariaDb],
) -> None:
    both = sources["both"]

    async def seen() -> Seen:
        return await look("mysql.replication", my_settings(both))

    well = await until(seen, lambda each: codes(each) == {})
    both.execute("STOP SLAVE 'east'")
    stopped = await seen()
    for name in NAMES:  # the filter goes by the database that is in use
        sources[name].execute("INSERT INTO orders VALUES (1)", database=name)
    acts = await open_mysql_acts(my_settings(both))
    done = await acts.run("start_replication", {})
    await acts.close()
    again = await until(seen, lambda each: codes(each) == {})

    async def rows() -> list[int]:
        return [both.execute(f"SELECT count(*) FROM {name}.orders")[0][0] for name in NAMES]

    await until(rows, lambda counted: counted == [1, 1])
    facts = {fact.label: fact.text for fact in well.facts}
    assert {row.key for table in well.tables for row in table.rows} == set(NAMES)
    assert facts["filters of west"] == "Replicate_Do_DB: west"
    assert "filters of east" not in facts
    assert [(each.code, each.subject) for each in stopped.findings] == [("MY_REPL_STOPPED", "east")]
    assert [offer.call for offer in stopped.tables[0].best] == ["start_replication"]
    assert done["done"]
    assert codes(again) == {}
    assert [each.name for each in again.points] == [f"this replica of {name}" for name in NAMES]


async def test_the_runbook_starts_no_source_that_may_be_stopped_on_purpose(
    sources: dict[str, mariadb.MariaDb], folder: Path
) -> None:
    both = sources["both"]
    both.execute("STOP ALL SLAVES")
    (table,) = (await look("mysql.replication", my_settings(both))).tables
    assert table.best == ()
    assert "2 sources are stopped" in str(table.note)
    async with seated((target(my_settings(both)),), folder, {}) as desk:
        opened = await found(desk, "mysql.replication", "MY_REPL_STOPPED")
        run = desk.start_run("mysql-replication", opened)
        await follow(run, "replica")
        with pytest.raises(DoesNotApply, match="another may be stopped on purpose"):
            await run.plan("start")
        both.execute("START SLAVE 'west'")
        await follow(run, "replica", "start", "recovered")


async def test_one_that_vanishes_is_told_by_its_name(sources: dict[str, mariadb.MariaDb]) -> None:
    """The last of this file: the other one stays and looks well."""
    both = sources["both"]
    both.execute("STOP SLAVE 'west'")
    broken = await look("mysql.replication", my_settings(both))
    both.execute("RESET SLAVE 'west' ALL")
    left = await look("mysql.replication", my_settings(both, expects="reader"))

    assert codes(broken) == {"MY_REPL_STOPPED": "critical"}
    assert {row.key for table in left.tables for row in table.rows} == {"east"}
