"""Recorded looks at databases and caches, judged again.

Real ones are of private servers in trouble. `handmade` ones are of what cannot run here: answers
written by hand after the manuals (`tests/tools/handmade.py`), taken through the probe's own
`collect`. What is recorded is the snapshot and not the server's rows, so both are snapshots.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cockpit.text import without_literals
from cockpit.triage import recording
from cockpit.triage.registry import registry
from tests.recorded import FOLDER
from tests.tools import handmade

KINDS = ("postgres", "mysql", "redis", "memcached", "pgbouncer")
MARKS = ("4711", "needle", "secret", "/tmp/", "/home/", "@example")
"""Each value in a statement that ran had one of the first; the others are places and people."""
MACHINES = {"db-1", "ip-10-0-3-2"}
WORDS = {"query", "text", "sql_error"}
"""The fields that hold what a client or a server wrote."""

REAL = [
    ("memcached_health_full", "memcached.health", {"MC_SAT_CONNECTIONS", "MC_EVICTING"}),
    ("mysql_counters_deadlock", "mysql.counters", {"MY_LOCK_DEADLOCKS"}),
    ("mysql_fuses_auto_increment_ends", "mysql.fuses", {"MY_AUTO_INCREMENT_END"}),
    ("mysql_locks_metadata_lock", "mysql.locks", {"MY_LOCK_MDL", "MY_LOCK_ROW"}),
    (
        "mysql_replication_stopped_by_a_row",
        "mysql.replication",
        {"MY_REPL_STOPPED", "MY_REPL_WRITABLE"},
    ),
    ("mysql_sessions_metadata_lock", "mysql.sessions", {"MY_SESS_IDLE_TRX"}),
    ("mysql_sessions_galera_alone", "mysql.sessions", {"MY_GALERA_NOT_READY"}),
    ("mysql_statements_one_became_slower", "mysql.statements", {"MY_QRY_REGRESSED"}),
    ("pgbouncer_pools_clients_wait", "pgbouncer.pools", {"PGB_WAITING"}),
    ("postgres_counters_deadlocks", "postgres.counters", {"PG_LOCK_DEADLOCKS"}),
    (
        "postgres_fuses_archive_fails",
        "postgres.fuses",
        {"PG_ARCHIVE_FAILING", "PG_INDEX_INVALID", "PG_SEQUENCE_END"},
    ),
    ("postgres_locks_lock_storm", "postgres.locks", {"PG_LOCK_BLOCKED", "PG_LOCK_DDL_QUEUE"}),
    ("postgres_maintenance_dead_rows", "postgres.maintenance", {"PG_VAC_DEAD", "PG_VAC_OFF"}),
    ("postgres_replication_slot_lost", "postgres.replication", {"PG_SLOT_LOST"}),
    ("postgres_sessions_lock_storm", "postgres.sessions", {"PG_SESS_IDLE_TX"}),
    ("postgres_statements_one_became_slower", "postgres.statements", {"PG_QRY_REGRESSED"}),
    (
        "redis_cluster_slots_without_a_node",
        "redis.cluster",
        {"RD_CLUSTER_DOWN", "RD_CLUSTER_SLOTS"},
    ),
    ("redis_health_errors_by_kind", "redis.health", {"RD_ERR_FAILING"}),
    ("redis_health_evicting_cache", "redis.health", {"RD_MEM_NEAR_MAX", "RD_MEM_EVICTING"}),
    ("redis_performance_expensive_command", "redis.performance", {"RD_LAT_EXPENSIVE_CMD"}),
]
HANDMADE = [
    ("mysql_57_replica_late", "mysql.replication", {"MY_REPL_LAG", "MY_REPL_WRITABLE"}),
    ("mysql_57_row_locks", "mysql.locks", {"MY_LOCK_ROW"}),
    (
        "mysql_8_replica_sessions_without_ports",
        "mysql.sessions",
        {"MY_SESS_IDLE_TRX", "MY_SESS_LONG_QUERY"},
    ),
    ("mysql_8_replica_stopped", "mysql.replication", {"MY_REPL_STOPPED"}),
    ("mysql_rds_session_of_its_owner", "mysql.sessions", {"MY_SAT_CONNECTIONS"}),
    ("postgres_aurora_reader", "postgres.replication", {"PG_REPL_LAG"}),
    ("postgres_aurora_reader_behind_the_writers_name", "postgres.sessions", {"PG_ROLE_WRONG"}),
    ("redis_elasticache_evicting", "redis.health", {"RD_MEM_NEAR_MAX", "RD_MEM_EVICTING"}),
]
STORIES = REAL + [(f"{name}.handmade", probe, codes) for name, probe, codes in HANDMADE]
NAMES = [one[0] for one in STORIES]


@pytest.mark.parametrize(("name", "probe", "codes"), STORIES, ids=NAMES)
def test_a_recorded_look_is_judged_as_it_was(name: str, probe: str, codes: set[str]) -> None:
    chosen = registry()[probe]
    content = (FOLDER / f"{name}.json").read_bytes()
    look = recording.decode(content, chosen.snapshot)

    assert {finding.code for finding in chosen.diagnose(look, chosen.settings)} == codes
    assert chosen.facts is not None
    assert list(chosen.facts(look, chosen.settings))
    assert chosen.tables is not None
    assert all(table.rows is not None for table in chosen.tables(look, chosen.settings))
    assert json.loads(recording.encode(look)) == json.loads(content)


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_holds_no_literal_of_a_statement_and_nobody(name: str) -> None:
    content = (FOLDER / f"{name}.json").read_text()

    assert [mark for mark in MARKS if mark in content] == []
    assert set(words(json.loads(content), {"hostname"})) <= MACHINES
    written = list(words(json.loads(content), WORDS))
    assert [each for each in written if without_literals(each) != each] == []
    assert not any("'" in each for each in written)


def words(value: Any, names: set[str], name: str = "") -> Iterator[str]:
    """Every text in a field of one of these names."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from words(each, names, key)
    elif isinstance(value, list):
        for each in value:
            yield from words(each, names, name)
    elif isinstance(value, str) and name in names:
        yield value


@pytest.mark.parametrize("name", [one[0] for one in HANDMADE])
async def test_a_handmade_look_is_what_the_probe_makes_of_its_answers(name: str) -> None:
    """Written again by `python -m tests.tools.handmade`."""
    assert (FOLDER / f"{name}.handmade.json").read_bytes() == await handmade.content(name)


async def test_the_owner_of_a_managed_server_and_a_replicas_threads_are_never_ended() -> None:
    chosen = registry()["mysql.sessions"]
    for name, kept in (
        ("mysql_rds_session_of_its_owner", {"4", "6", "12"}),
        ("mysql_8_replica_sessions_without_ports", {"5", "9", "10"}),
    ):
        content = (FOLDER / f"{name}.handmade.json").read_bytes()
        look = recording.decode(content, chosen.snapshot)
        assert chosen.tables is not None
        rows = [row for table in chosen.tables(look, chosen.settings) for row in table.rows]
        offered = {str(offer.args["id"]) for row in rows for offer in row.offers}

        assert offered
        assert not offered & kept, name


def test_each_probe_of_the_data_plane_has_a_real_recording_and_none_is_left_out() -> None:
    looks = {name for name, probe in registry().items() if probe.kind in KINDS}
    here = {path.stem for kind in KINDS for path in FOLDER.glob(f"{kind}_*.json")}

    assert {probe for _, probe, _ in REAL} == looks
    assert set(NAMES) == here
