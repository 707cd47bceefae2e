"""What cannot run here: MySQL 5.7 and 8, RDS. Answers made by hand from their manuals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.mysql.acts import MysqlActs
from cockpit.connect.mysql.settings import MysqlSettings
from cockpit.connect.pace import Pace
from cockpit.connect.rows import rows_into
from cockpit.errors import BlindError, Reason, Refused
from cockpit.triage.target import Target
from probes.mysql import counters as mysql_counters
from probes.mysql import locks as mysql_locks
from probes.mysql import replication as mysql_replication
from probes.mysql import statements as mysql_statements

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
SERVER = {
    "version": "8.0.40", "comment": "Source distribution", "at": AT.replace(tzinfo=None),
    "max_connections": 100, "read_only": 0, "engine_read_only": 0, "role": "cockpit_ro@%",
}  # fmt: skip
MYSQL_8 = {
    "Uptime": 1000, "Uptime_since_flush_status": 1000, "Threads_connected": 5,
    "Threads_running": 2, "Innodb_row_lock_current_waits": 1, "Questions": 100,
    "Innodb_redo_log_current_lsn": 1_900, "Innodb_redo_log_checkpoint_lsn": 1_000,
    "Innodb_redo_log_capacity_resized": 1_000,
}  # fmt: skip
"""8.0.30 and later: no Innodb_deadlocks, no Innodb_history_list_length."""
TO = Target(name="db", kind="mysql", settings=MysqlSettings(host="db", user="cockpit_ro"))

Answer = list[dict[str, Any]] | BlindError


class Scripted:
    """A server that answers by what a statement contains; the first match counts."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.pace = Pace()

    async def rows(self, sql: str, parameters: object = (), *, into: type[Any]) -> list[Any]:
        self.asked.append(sql)
        for part, answer in self.answers.items():
            if part in sql:
                if isinstance(answer, BlindError):
                    raise answer
                return rows_into(answer, into, mysql=True)
        return []

    async def rows_within(self, seconds: int, sql: str, *, into: type[Any]) -> list[Any]:
        assert seconds == 2
        return await self.rows(sql, into=into)

    async def value(self, sql: str, parameters: object = ()) -> Any:
        found = await self.rows(sql, into=dict)
        return next(iter(found[0].values())) if found else None


def mysql_8(**answers: Any) -> Scripted:
    named = {name.replace("__", " "): answer for name, answer in answers.items()}
    status: Answer = [{"Variable_name": n, "Value": str(v)} for n, v in MYSQL_8.items()]
    return Scripted(
        {
            **named,
            "@@version_comment": [SERVER],
            "SHOW GLOBAL STATUS": status,
            "long_query_time": [{"slow_s": "10.000000", "prepared": 16382}],
        }
    )


DENIED = BlindError(Reason.DENIED, "1227 you need PROCESS")
UNKNOWN = BlindError(Reason.UNSUPPORTED, "1146 no such table")


async def test_mysql_keeps_deadlocks_and_history_in_innodb_metrics() -> None:
    session = mysql_8(
        innodb_metrics=[
            {"VARIABLE_NAME": "lock_deadlocks", "VALUE": 7},
            {"VARIABLE_NAME": "trx_rseg_history_len", "VALUE": 12_000},
        ],
        innodb_trx=[{"thread": 4, "open_s": 900, "modified": 0}],
    )
    look = await mysql_counters.collect(session, TO)

    assert look.counted["Innodb_deadlocks"] == 7
    assert look.history_length == 12_000
    assert look.oldest is not None
    assert (look.oldest.thread, look.oldest.modified) == (4, 0)
    assert look.log_share == 0.9
    assert not look.hidden


async def test_without_process_mysql_hides_deadlocks_and_history_and_says_so() -> None:
    look = await mysql_counters.collect(mysql_8(innodb_metrics=DENIED), TO)
    findings = {f.code: f for f in mysql_counters.diagnose(look, mysql_counters.PROBE.settings)}

    assert look.hidden
    assert look.history_length is None
    assert findings.keys() == {"MY_OBS_BLIND", "MY_IO_DIRTY"}
    assert findings["MY_OBS_BLIND"].next.startswith("GRANT PROCESS, REPLICATION CLIENT")


PAIR: list[dict[str, Any]] = [
    {
        "waiter": 5, "blocker": 4, "wait_s": 22, "lock_table": "shop.orders",
        "lock_index": "PRIMARY", "lock_mode": "X,REC_NOT_GAP",
    }
]  # fmt: skip
THREADS: list[dict[str, Any]] = [
    {"id": 4, "user": "app", "host": "h:1", "command": "Sleep", "secs": 60, "trx_s": 80},
    {"id": 5, "user": "app", "host": "h:2", "command": "Query", "secs": 22, "state": "updating"},
]


@pytest.mark.parametrize(
    ("new", "old"),
    [
        pytest.param(PAIR, UNKNOWN, id="8.0: data_lock_waits"),
        pytest.param(UNKNOWN, PAIR, id="5.7: innodb_lock_waits"),
    ],
)
async def test_the_lock_tables_are_those_that_the_version_has(new: Answer, old: Answer) -> None:
    session = mysql_8(
        data_lock_waits=new, innodb_lock_waits=old, **{"performance_schema.threads": THREADS}
    )
    look = await mysql_locks.collect(session, TO)
    findings = list(mysql_locks.diagnose(look, mysql_locks.PROBE.settings))

    assert [(f.code, f.subject) for f in findings] == [("MY_LOCK_ROW", "thread 4")]
    assert look.queues[0].place == "shop.orders PRIMARY"


async def test_statements_of_mysql_8_are_read_where_they_are_counted() -> None:
    row = {
        "db": "shop", "id": "a1", "text": "SELECT * FROM `orders` WHERE `id` = ?", "calls": 10,
        "seconds": 1.5, "examined": 10, "no_index": 0,
    }  # fmt: skip
    session = mysql_8(
        **{"events_statements_summary_by_digest": [row], "@@performance_schema": [{"v": 1}]}
    )
    look = await mysql_statements.collect(session, TO)

    assert look.on
    assert look.digests is not None
    assert look.digests[0].mean == 0.15


async def test_mysql_8_4_knows_only_the_new_word_for_a_replica() -> None:
    row = {
        "Source_Host": "db-1", "Source_Port": 3306, "Replica_IO_Running": "Yes",
        "Replica_SQL_Running": "Yes", "Seconds_Behind_Source": 700,
    }  # fmt: skip
    session = mysql_8(**{"SHOW REPLICA STATUS": [row], "SHOW SLAVE STATUS": UNKNOWN})
    look = await mysql_replication.collect(session, TO)
    findings = list(mysql_replication.diagnose(look, mysql_replication.PROBE.settings))

    assert ("MY_REPL_LAG", "critical") in [(f.code, f.severity.value) for f in findings]
    assert look.channels[0].heartbeats is None


async def test_mysql_counts_the_heartbeats_of_each_channel_in_performance_schema() -> None:
    row = {
        "Source_Host": "db-1", "Source_Port": 3306, "Replica_IO_Running": "Yes",
        "Replica_SQL_Running": "Yes", "Seconds_Behind_Source": 0, "Source_Log_File": "bin.1",
        "Read_Source_Log_Pos": 900,
    }  # fmt: skip
    session = mysql_8(
        **{
            "SHOW REPLICA STATUS": [
                {**row, "Channel_Name": ""},
                {**row, "Channel_Name": "eu"},
                {**row, "Channel_Name": "group_replication_recovery", "Replica_IO_Running": "No"},
            ],
            "replication_connection_status": [
                {"name": "", "heartbeats": 4, "heartbeat_s": "30.000"},
            ],
        }
    )
    look = await mysql_replication.collect(session, TO)
    early, now = replace(look, server=replace(look.server, at=AT - timedelta(seconds=90))), look
    look = mysql_replication.since(mysql_replication.since(early, early), now)
    silent, _ = mysql_replication.diagnose(look, mysql_replication.PROBE.settings)

    assert [(each.name, each.heartbeats) for each in look.channels] == [("", 4), ("eu", None)]
    assert look.channels[0].heartbeat_s == 30
    assert (silent.code, silent.subject) == ("MY_REPL_LAG", "db-1:3306 silent")


class Acting:
    """A commander's session to a server of one flavour; it notes what it is sent."""

    def __init__(self, flavour: str, *, fails: BlindError | None = None) -> None:
        self.flavour = flavour
        self.fails = fails
        self.sent: list[tuple[str, Mapping[str, Any]]] = []
        self.command = "Query"
        self.backup: int | None = 0

    async def value(self, _: str) -> int:
        return 1

    async def dicts(self, sql: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        if sql.lstrip().startswith(("KILL", "CALL", "START")):
            self.sent.append((sql, values))
            if self.fails and sql != "START SLAVE":
                raise self.fails
            self.command = "Sleep"
            return []
        if "query_id" in sql:
            return [{"query": 77}]
        if sql == "SHOW WARNINGS":
            return [{"Level": "Note", "Code": 1937, "Message": "SLAVE '' started"}]
        row = {"id": 5, "user": "app", "host": "h:2", "secs": 9, "state": "", "ours": 0,
               "backup": self.backup}  # fmt: skip
        return [{**row, "command": self.command}]


VICTIM = {"id": 5, "user": "app", "host": "h:2"}


@pytest.mark.parametrize(
    ("flavour", "rds", "sql"),
    [
        pytest.param("mysql", False, "KILL QUERY %(id)s", id="MySQL"),
        pytest.param("mysql", True, "CALL mysql.rds_kill_query(%(id)s)", id="RDS for MySQL"),
        pytest.param("mariadb", False, "KILL QUERY ID %(query)s", id="MariaDB"),
        pytest.param(
            "mariadb", True, "CALL mysql.rds_kill_query_id(%(query)s)", id="RDS for MariaDB"
        ),
    ],
)
async def test_a_statement_is_ended_in_the_words_of_its_server(
    flavour: str, rds: bool, sql: str
) -> None:
    acting = Acting(flavour)
    done = await MysqlActs(acting, rds=rds).run("kill_query", VICTIM)  # type: ignore[arg-type]

    assert done["done"]
    assert [each for each, _ in acting.sent] == [sql]


@pytest.mark.parametrize("call", ["kill_query", "kill_connection"])
async def test_a_backup_is_never_ended_from_here(call: str) -> None:
    acting = Acting("mysql")
    acting.backup = 1
    with pytest.raises(Refused, match="its owner ends it"):
        await MysqlActs(acting, rds=False).run(call, VICTIM)  # type: ignore[arg-type]

    assert acting.sent == []


async def test_a_statement_that_ended_before_the_kill_is_told() -> None:
    acting = Acting("mariadb", fails=BlindError(Reason.UNREADABLE, "1957 Unknown query id: 77"))
    with pytest.raises(Refused, match="ended before it was killed"):
        await MysqlActs(acting, rds=False).run("kill_query", VICTIM)  # type: ignore[arg-type]


NO_SUCH_WORD = BlindError(Reason.UNSUPPORTED, "1064 You have an error in your SQL syntax")


@pytest.mark.parametrize(
    ("flavour", "rds", "fails", "sent"),
    [
        pytest.param("mariadb", False, None, ["START ALL SLAVES"], id="MariaDB"),
        pytest.param("mysql", False, None, ["START REPLICA"], id="MySQL 8.4"),
        pytest.param("mysql", False, NO_SUCH_WORD, ["START REPLICA", "START SLAVE"], id="5.7"),
        pytest.param("mysql", True, None, ["CALL mysql.rds_start_replication"], id="RDS"),
    ],
)
async def test_replication_is_started_in_the_words_of_its_server(
    flavour: str, rds: bool, fails: BlindError | None, sent: list[str]
) -> None:
    acting = Acting(flavour, fails=fails)
    done = await MysqlActs(acting, rds=rds).run("start_replication", {})  # type: ignore[arg-type]

    assert done["done"]
    assert [each for each, _ in acting.sent] == sent


async def test_a_start_that_is_denied_is_not_tried_in_other_words() -> None:
    acting = Acting("mysql", fails=BlindError(Reason.DENIED, "1227 Access denied"))
    with pytest.raises(BlindError, match="1227"):
        await MysqlActs(acting, rds=False).run("start_replication", {})  # type: ignore[arg-type]

    assert len(acting.sent) == 1
