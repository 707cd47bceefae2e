"""Writes the recordings of databases and caches that cannot run here: MySQL 5.7 and 8, RDS, Aurora,
ElastiCache.

`python -m tests.tools.handmade` from the root of the checkout. The answers below are made by hand
after the documented shapes (MySQL Reference Manual 5.7 and 8.0, "SHOW REPLICA STATUS" and "The
threads Table"; Amazon Aurora User Guide, "aurora_replica_status"; Redis documentation, INFO, and
ElastiCache User Guide, "Redis-specific parameters"). They go through the probe's own `collect`; no
server of these kinds has ever been asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.redis.session import parse_info
from cockpit.errors import BlindError, Reason
from cockpit.triage import recording
from cockpit.triage.target import Target
from probes.mysql import locks as mysql_locks
from probes.mysql import replication as mysql_replication
from probes.mysql import sessions as mysql_sessions
from probes.postgres import replication as postgres_replication
from probes.postgres import sessions as postgres_sessions
from probes.redis import health as redis_health
from probes.redis.model import health
from tests.probes.test_mysql_flavours import Scripted
from tests.recorded import FOLDER

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
COMMENT_57 = "MySQL Community Server (GPL)"
UNKNOWN = BlindError(Reason.UNSUPPORTED, "1146 no such table")
NO_SUCH_WORD = BlindError(Reason.UNSUPPORTED, "1064 You have an error in your SQL syntax")
MYSQL = Target(name="db", kind="mysql", settings=MysqlSettings(host="db", user="cockpit_ro"))
WRITER = Target(
    name="db",
    kind="postgres",
    settings=PostgresSettings(host="db", user="cockpit_ro", expects="writer"),
)


def mysql(version: str, answers: Mapping[str, Any], **changed: Any) -> Scripted:
    """A server of one version; `changed` are its own words about itself and its counters."""
    server = {
        "version": version, "comment": "MySQL Community Server - GPL",
        "at": AT.replace(tzinfo=None), "max_connections": 500, "read_only": 0,
        "engine_read_only": 0, "role": "cockpit_ro@%", "hostname": "db-1",
    }  # fmt: skip
    status = {
        "Uptime": 864000, "Threads_connected": 6, "Threads_running": 3, "Questions": 90210,
        "Connection_errors_max_connections": 0, "Innodb_row_lock_current_waits": 0,
    }  # fmt: skip
    status |= {name: value for name, value in changed.items() if name in status}
    server |= {name: value for name, value in changed.items() if name in server}
    rows = [{"Variable_name": name, "Value": str(value)} for name, value in status.items()]
    return Scripted({**answers, "@@version_comment": [server], "SHOW GLOBAL STATUS": rows})


def thread(id_: int, user: str, host: str, command: str, secs: int, **more: Any) -> dict[str, Any]:
    """One row of performance_schema.threads, which has no port of the client."""
    return {
        "id": id_, "user": user, "host": host, "db": "shop", "command": command, "secs": secs,
        "with_port": 0, "is_backup": 0, **more,
    }  # fmt: skip


async def mysql_8_replica_sessions() -> object:
    """A replica's own threads are its and no client's; a report has run for seven minutes."""
    threads = [
        thread(9, "system user", "", "Connect", 86400, db=None,
               state="Waiting for source to send event"),
        thread(10, "system user", "", "Query", 431, state="Applying batch of row changes (update)",
               trx_state="RUNNING", trx_s=431, rows_locked=3, rows_modified=3),
        thread(5, "event_scheduler", "localhost", "Daemon", 86400, db=None,
               state="Waiting on empty queue"),
        thread(47, "report", "10.0.3.14", "Query", 431, state="executing", trx_state="RUNNING",
               trx_s=431, query='SELECT sum(total) FROM orders WHERE note = "needle-4711"'),
        thread(41, "app", "10.0.3.15", "Sleep", 95, trx_state="RUNNING", trx_s=97, rows_locked=0,
               rows_modified=0),
    ]  # fmt: skip
    session = mysql("8.0.40", {"performance_schema.threads": threads}, read_only=1)
    return await mysql_sessions.collect(session, MYSQL)


async def mysql_8_replica_stopped() -> object:
    """`SHOW REPLICA STATUS` with its new names; the coordinator only points to its worker."""
    row = {
        "Replica_IO_State": "Waiting for source to send event", "Source_Host": "10.0.3.2",
        "Source_User": "repl", "Source_Port": 3306, "Connect_Retry": 60,
        "Source_Log_File": "binlog.000042", "Read_Source_Log_Pos": 90210,
        "Relay_Source_Log_File": "binlog.000042", "Exec_Source_Log_Pos": 4090,
        "Replica_IO_Running": "Yes", "Replica_SQL_Running": "No", "Last_Errno": 1032,
        "Seconds_Behind_Source": None, "Last_IO_Errno": 0, "Last_IO_Error": "",
        "Last_SQL_Errno": 1032,
        "Last_SQL_Error": "Coordinator stopped because there were error(s) in the worker(s). The "
        "most recent failure being: Worker 1 failed executing transaction 'ANONYMOUS' at source "
        "log binlog.000042, end_log_pos 4711. See error log and/or "
        "performance_schema.replication_applier_status_by_worker table for more details about "
        "this failure or others, if any.",
        "SQL_Delay": 0, "Replica_SQL_Running_State": "", "Auto_Position": 1, "Channel_Name": "",
    }  # fmt: skip
    beats = [{"name": "", "heartbeats": 120, "heartbeat_s": "30.000"}]
    answers = {"SHOW REPLICA STATUS": [row], "replication_connection_status": beats}
    return await mysql_replication.collect(mysql("8.0.40", answers, read_only=1), MYSQL)


async def mysql_57_replica_late() -> object:
    """It knows the old words only, and `read_only` was never set."""
    row = {
        "Slave_IO_State": "Waiting for master to send event", "Master_Host": "10.0.3.2",
        "Master_User": "repl", "Master_Port": 3306, "Master_Log_File": "mysql-bin.000042",
        "Read_Master_Log_Pos": 90210, "Relay_Master_Log_File": "mysql-bin.000041",
        "Exec_Master_Log_Pos": 4090, "Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes",
        "Seconds_Behind_Master": 640, "Last_IO_Errno": 0, "Last_IO_Error": "",
        "Last_SQL_Errno": 0, "Last_SQL_Error": "", "SQL_Delay": 0,
        "Slave_SQL_Running_State": "Reading event from the relay log", "Channel_Name": "",
    }  # fmt: skip
    answers = {"SHOW REPLICA STATUS": NO_SUCH_WORD, "SHOW SLAVE STATUS": [row]}
    session = mysql("5.7.44-log", answers, comment=COMMENT_57)
    return await mysql_replication.collect(session, MYSQL)


async def mysql_57_row_locks() -> object:
    """The lock tables of information_schema, with backticks around the table."""
    statement = "UPDATE orders SET note = 'needle' WHERE id = 4711"
    waits = {"trx_state": "LOCK WAIT", "trx_s": 24, "rows_locked": 1, "rows_modified": 0}
    threads = [
        thread(7, "app", "10.0.3.15", "Sleep", 60, trx_state="RUNNING", trx_s=80, rows_locked=1,
               rows_modified=1),
        *(thread(id_, "app", "10.0.3.15", "Query", secs, state="updating", query=statement,
                 wait_s=secs, **waits) for id_, secs in ((8, 24), (11, 12))),
    ]  # fmt: skip
    pairs = [
        {"waiter": waiter, "blocker": 7, "wait_s": secs, "lock_table": "`shop`.`orders`",
         "lock_index": "PRIMARY", "lock_mode": "X"} for waiter, secs in ((8, 24), (11, 12))
    ]  # fmt: skip
    answers = {
        "data_lock_waits": UNKNOWN,
        "innodb_lock_waits": pairs,
        "performance_schema.threads": threads,
    }
    session = mysql("5.7.44-log", answers, comment=COMMENT_57, Innodb_row_lock_current_waits=2)
    return await mysql_locks.collect(session, MYSQL)


async def rds_mysql_sessions() -> object:
    """RDS' own session sleeps and dumps undisturbed; the clients have used up the connections."""
    threads = [
        thread(4, "rdsadmin", "localhost", "Sleep", 400, db=None, trx_state="RUNNING", trx_s=400),
        thread(6, "rdsrepladmin", "10.0.4.9", "Binlog Dump", 86400, db=None,
               state="Source has sent all binlog to replica; waiting for more updates"),
        thread(12, "rdsadmin", "localhost", "Query", 900, db=None, state="executing",
               query="SELECT COUNT(*) FROM mysql.rds_heartbeat2 WHERE id = 4711"),
        *(thread(id_, "app", "10.0.3.15", "Sleep", 3) for id_ in (20, 21, 22)),
    ]  # fmt: skip
    session = mysql(
        "8.0.39", {"performance_schema.threads": threads}, comment="Source distribution",
        hostname="ip-10-0-3-2", max_connections=640, Threads_connected=600,
    )  # fmt: skip
    return await mysql_sessions.collect(session, MYSQL)


async def aurora_postgres_reader() -> object:
    """It says of itself that it recovers; one of its cluster's readers is 12 s behind."""
    look = {
        "at": AT, "recovery": True, "aurora": True, "role": "cockpit_ro", "sees_all": True,
        "senders": [], "slots": [], "receiver": None, "replay": None,
    }  # fmt: skip
    readers = [
        {"name": "shop-1", "writer": True, "lag_s": None, "replay_s": None, "told_s": 0.4},
        {"name": "shop-2", "writer": False, "lag_s": 0.018, "replay_s": 0.009, "told_s": 0.5},
        {"name": "shop-3", "writer": False, "lag_s": 12.0, "replay_s": 0.8, "told_s": 0.6},
        {"name": "shop-4", "writer": False, "lag_s": 900.0, "replay_s": 0.8, "told_s": 600.0},
    ]
    session = Scripted({"aurora_replica_status": readers, "json_build": [{"replication": look}]})
    return await postgres_replication.collect(session, WRITER)


async def aurora_postgres_reader_behind_the_writers_name() -> object:
    """The writer's endpoint still leads to the instance that became a reader."""
    pulse = {
        "at": AT, "recovery": True, "backends": 2, "hidden": 0, "recent": 1, "lock_waiters": 0,
        "by_state": {"idle": 1, "active": 1}, "prepared": {"n": 0, "max_s": None},
        "by_client": [{"usename": "app", "datname": "shop", "app": "checkout",
                       "address": "10.0.3.15", "n": 1, "idle": 1}],
        "waits": [{"type": "none", "event": "running", "n": 1}],
        "server": {
            "version": 160004, "started": AT - timedelta(days=3), "born": AT - timedelta(days=3),
            "role": "cockpit_ro", "sees_all": True, "rds": True, "aurora": True,
            "max_connections": 1700, "reserved": 5,
        },
    }  # fmt: skip
    rows = [
        {"pid": 501, "backend_start": AT - timedelta(hours=2), "usename": "rdsadmin",
         "datname": "rdsadmin", "application_name": "", "client": None, "state": "active",
         "backend_type": "client backend", "query_s": 700.0, "state_s": 700.0, "query": None},
        {"pid": 733, "backend_start": AT - timedelta(minutes=1), "usename": "app",
         "datname": "shop", "application_name": "checkout", "client": "10.0.3.15",
         "state": "idle", "backend_type": "client backend", "state_s": 2.0,
         "query": "INSERT INTO orders VALUES (4711, 'needle')"},
    ]  # fmt: skip
    session = Scripted({"json_build_object": [{"pulse": pulse}], "pg_stat_activity": rows})
    return await postgres_sessions.collect(session, WRITER)


INFO = """# Server
redis_version:7.1.0
redis_mode:standalone
os:Amazon ElastiCache
run_id:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c
uptime_in_seconds:864000
# Clients
connected_clients:120
maxclients:65000
blocked_clients:0
# Memory
used_memory:6650000000
used_memory_rss:6900000000
maxmemory:6700000000
maxmemory_policy:volatile-lru
mem_not_counted_for_evict:1000000
mem_allocator:jemalloc-5.2.1
allocator_frag_ratio:1.02
allocator_frag_bytes:130000000
# Stats
evicted_keys:{evicted}
rejected_connections:0
total_connections_received:90210
total_commands_processed:{commands}
keyspace_hits:{hits}
keyspace_misses:{misses}
total_error_replies:0
# Replication
role:master
connected_slaves:1
slave0:ip=10.0.3.22,port=6379,state=online,offset=9000,lag=0
master_repl_offset:9000
repl_backlog_size:1048576
# CPU
used_cpu_sys_main_thread:{cpu}
used_cpu_user_main_thread:{cpu}
# Keyspace
db0:keys=900000,expires=250000,avg_ttl=900000
"""


async def elasticache_redis_evicting() -> object:
    """Only keys with an expiry go under its default policy; CONFIG is not asked for any of it."""
    looks = [
        health(parse_info(INFO.format(**counted)), at=at, expects="primary")
        for at, counted in (
            (AT, {"evicted": 100, "commands": 10000, "hits": 9000, "misses": 1000, "cpu": 9}),
            (AT + timedelta(seconds=5),
             {"evicted": 1600, "commands": 40000, "hits": 29000, "misses": 4000, "cpu": 10}),
        )
    ]  # fmt: skip
    assert redis_health.PROBE.since is not None
    return redis_health.PROBE.since(*looks)


STORIES: Mapping[str, Callable[[], Awaitable[object]]] = {
    "mysql_8_replica_sessions_without_ports": mysql_8_replica_sessions,
    "mysql_8_replica_stopped": mysql_8_replica_stopped,
    "mysql_57_replica_late": mysql_57_replica_late,
    "mysql_57_row_locks": mysql_57_row_locks,
    "mysql_rds_session_of_its_owner": rds_mysql_sessions,
    "postgres_aurora_reader": aurora_postgres_reader,
    "postgres_aurora_reader_behind_the_writers_name":
        aurora_postgres_reader_behind_the_writers_name,
    "redis_elasticache_evicting": elasticache_redis_evicting,
}  # fmt: skip


async def content(name: str) -> bytes:
    """What the file of one of them holds."""
    return recording.encode(await STORIES[name]()) + b"\n"


async def write() -> None:
    """Write all of them."""
    for name in STORIES:
        (FOLDER / f"{name}.handmade.json").write_bytes(await content(name))


if __name__ == "__main__":
    asyncio.run(write())
