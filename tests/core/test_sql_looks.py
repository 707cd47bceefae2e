"""An observer's statement is refused unless it is known to look only."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import probes
from cockpit.connect.sql.looks import Flavour, check
from cockpit.connect.statements import STATEMENTS
from cockpit.errors import Refused

LOOKS: list[tuple[Flavour, str]] = [
    ("postgres", "SELECT 1"),
    ("postgres", "  select pg_is_in_recovery()"),
    ("postgres", "WITH a AS (SELECT pid FROM pg_stat_activity) SELECT count(*) FROM a;"),
    ("postgres", "SHOW server_version_num"),
    ("postgres", "SELECT 'pg_terminate_backend(1); DROP TABLE x'"),
    ("postgres", "SELECT 1 -- delete nothing'"),
    ("postgres", "SELECT n_tup_upd, last_update FROM pg_stat_user_tables"),
    ("postgres", "SELECT pg_database_size(oid), pg_size_pretty(1::bigint) FROM pg_database"),
    ("mysql", "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_insert')"),
    ("mysql", "SELECT `update` FROM t"),
    ("mysql", "SELECT 1 -- SLEEP(9)"),
    ("postgres", "SELECT 1 --1"),
    ("postgres", "SELECT pg_catalog.now(), extract(epoch FROM now())"),
]
ACTS: list[tuple[Flavour, str]] = [
    ("postgres", ""),
    ("postgres", "DELETE FROM shards"),
    ("postgres", "SELECT pg_terminate_backend(1)"),
    ("postgres", "select PG_CANCEL_BACKEND (1)"),
    ("postgres", "SELECT pg_catalog.pg_reload_conf()"),
    ("postgres", 'SELECT "pg_terminate_backend"(1)'),
    ("postgres", "SELECT U&\"!0070g_terminate_backend\" UESCAPE '!' (1)"),
    ("postgres", "SELECT pg_stat_statements_reset()"),
    ("postgres", "SELECT pg_stat_reset_shared('wal')"),
    ("postgres", "SELECT pg_advisory_lock(1)"),
    ("postgres", "SELECT pg_promote()"),
    ("postgres", "SELECT pg_wal_replay_pause()"),
    ("postgres", "SELECT pg_read_file('/etc/passwd')"),
    ("postgres", "SELECT pg_drop_replication_slot('a')"),
    ("postgres", "SELECT set_config('transaction_read_only', 'off', false)"),
    ("postgres", "SELECT setval('a', 1)"),
    ("postgres", "SELECT lo_unlink(1)"),
    ("postgres", "SELECT * FROM dblink('', 'DROP TABLE x') AS t(a int)"),
    ("postgres", "SELECT query_to_xml('select pg_terminate_backend(1)', true, true, '')"),
    ("postgres", "SELECT 1; SELECT 2"),
    ("postgres", "WITH gone AS (DELETE FROM shards RETURNING 1) SELECT * FROM gone"),
    ("postgres", "SELECT * INTO copy FROM shards"),
    ("postgres", "SELECT * FROM shards FOR UPDATE"),
    ("postgres", "SELECT * FROM shards FOR NO KEY UPDATE"),
    ("postgres", "SELECT * FROM shards FOR KEY SHARE"),
    ("postgres", "SET default_transaction_read_only = off"),
    ("postgres", "BEGIN READ WRITE"),
    ("postgres", "COPY shards TO PROGRAM 'sh'"),
    ("postgres", "DO $$BEGIN PERFORM pg_terminate_backend(1); END$$"),
    ("postgres", "SELECT $x$'$x$, pg_terminate_backend(1), '"),
    ("postgres", "SELECT /* /* */ ' */ pg_terminate_backend(1) -- '"),
    ("postgres", "SELECT E'\\'', pg_terminate_backend(1), '"),
    ("postgres", "EXPLAIN ANALYZE DELETE FROM shards"),
    ("postgres", "CALL p()"),
    ("postgres", "SELECT end_sessions_of('shop')"),
    ("postgres", "SELECT pg_cron.count(1)"),
    ("postgres", 'SELECT "evil".count(1)'),
    ("postgres", "SELECT aws_s3.query_export_to_s3('x', 'y')"),
    ("mysql", "SELECT 1 --1, SLEEP(9)"),
    ("mysql", "SELECT 1 --\x01'\n, SLEEP(9) -- '"),
    ("mysql", "SELECT lib_mysqludf_sys_info()"),
    ("mysql", "SELECT sys.ps_setup_enable_thread(1)"),
    ("mysql", "KILL 7"),
    ("mysql", "CALL mysql.rds_kill(7)"),
    ("mysql", "SET GLOBAL read_only = 1"),
    ("mysql", "SELECT SLEEP(10)"),
    ("mysql", "SELECT GET_LOCK('a', 1)"),
    ("mysql", "SELECT * FROM t LOCK IN SHARE MODE"),
    ("mysql", "SELECT 1 INTO OUTFILE '/tmp/x'"),
    ("mysql", "SELECT @a := 1"),
    ("mysql", "SELECT LOAD_FILE('/etc/passwd')"),
    ("mysql", "SELECT 1 # '\n; KILL 7 -- '"),
    ("mysql", "SELECT /*! SLEEP(9) */ 1"),
    ("mysql", "SELECT 'a\\'', SLEEP(9), '"),
]


@pytest.mark.parametrize(("flavour", "sql"), LOOKS, ids=[sql for _, sql in LOOKS])
def test_a_look_passes(flavour: Flavour, sql: str) -> None:
    check(sql, flavour)


@pytest.mark.parametrize(("flavour", "sql"), ACTS, ids=[sql or "nothing" for _, sql in ACTS])
def test_what_is_no_look_is_refused(flavour: Flavour, sql: str) -> None:
    with pytest.raises(Refused, match="nothing was sent"):
        check(sql, flavour)


def test_what_passed_is_remembered_and_what_was_refused_is_not() -> None:
    before = check.cache_info()
    for _ in range(3):
        check("SELECT 40 + 2", "mysql")
        with pytest.raises(Refused):
            check("SELECT sleep(40)", "mysql")
    after = check.cache_info()
    assert (after.hits - before.hits, after.currsize - before.currsize) == (2, 1)


def test_an_extension_may_live_in_any_schema() -> None:
    for schema in ("public", "monitoring", '"my ""own"'):
        check(f"SELECT queryid FROM {schema}.pg_stat_statements(false)", "postgres")
        with pytest.raises(Refused):
            check(f"SELECT {schema}.pg_stat_statements_reset()", "postgres")


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_named_statement_passes_exactly_when_its_risk_is_read(name: str) -> None:
    known = STATEMENTS[name]
    flavours: dict[str, Flavour] = {"postgres": "postgres", "mysql": "mysql"}
    flavour = flavours.get(known.engine)
    if flavour is None or not known.sql:
        return
    if known.risk == "read":
        check(known.sql, flavour)
    else:
        with pytest.raises(Refused):
            check(known.sql, flavour)


def statements_of_probes() -> list[tuple[Flavour, str]]:
    """Every constant of the probes' modules that is a statement."""
    found: dict[tuple[Flavour, str], None] = {}
    for module in pkgutil.walk_packages(probes.__path__, "probes."):
        name = module.name.split(".")[1]
        flavour: Flavour = "mysql" if name.startswith("mysql") else "postgres"
        if not name.startswith(("mysql", "postgres")):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str) and text.lower().split()[:1] in (
                    ["select"], ["with"], ["show"],
                ):  # fmt: skip
                    found[flavour, text] = None
    return list(found)


def test_every_statement_of_the_probes_passes() -> None:
    known = statements_of_probes()
    assert len(known) > 15
    for flavour, sql in known:
        check(sql, flavour)
