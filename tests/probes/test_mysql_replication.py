"""MySQL's replicas from literals: threads, lag, silence, and the words of what stopped them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.triage.recording import decode, encode
from probes.mysql import replication as mysql_replication
from probes.mysql.channels import channel
from probes.mysql.model import MysqlServer
from probes.mysql.replication import MysqlReplication

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)


def server(*, at: datetime = AT, read_only: bool) -> MysqlServer:
    return MysqlServer(version="8.0.40", at=at, max_connections=100, read_only=read_only)


OLD = {
    "Master_Host": "db-1", "Master_Port": 3306, "Slave_IO_Running": "Yes",
    "Slave_SQL_Running": "Yes", "Seconds_Behind_Master": 0, "SQL_Delay": 0, "Last_IO_Errno": 0,
    "Last_IO_Error": "", "Last_SQL_Errno": 0, "Last_SQL_Error": "",
    "Master_Log_File": "bin.1", "Relay_Master_Log_File": "bin.1", "Read_Master_Log_Pos": 900,
    "Exec_Master_Log_Pos": 700, "Slave_received_heartbeats": 4, "Slave_heartbeat_period": 30.0,
}  # fmt: skip
NEW = {
    name.replace("Slave", "Replica").replace("Master", "Source"): value
    for name, value in OLD.items()
}


@pytest.mark.parametrize("row", [OLD, NEW], ids=["Slave_ columns", "Replica_ columns"])
def test_old_and_new_names_of_columns_are_one(row: dict[str, Any]) -> None:
    each = channel(row)

    assert each.running
    assert (each.source, each.behind_s) == ("db-1:3306", 0.0)
    assert (each.read, each.unapplied) == ("bin.1:900", 200)
    assert (each.heartbeats, each.heartbeat_s) == (4, 30.0)


@pytest.mark.parametrize(
    ("changed", "seconds", "expected"),
    [
        pytest.param({}, 89, [], id="two heartbeats are missing"),
        pytest.param({}, 90, [("MY_REPL_LAG", "high")], id="three are missing"),
        pytest.param({"Slave_received_heartbeats": 5}, 90, [], id="a heartbeat came"),
        pytest.param({"Read_Master_Log_Pos": 901}, 90, [], id="an event came"),
        pytest.param({"Slave_received_heartbeats": None}, 900, [], id="nobody counts heartbeats"),
    ],
)
def test_a_silent_primary_is_told_while_the_replica_says_yes(
    changed: dict[str, Any], seconds: int, expected: list[tuple[str, str]]
) -> None:
    def at(moment: int, row: dict[str, Any]) -> MysqlReplication:
        made = server(read_only=True, at=AT + timedelta(seconds=moment))
        return MysqlReplication(server=made, channels=(channel({**OLD, **row}),))

    first = mysql_replication.since(at(-10, changed | {"Read_Master_Log_Pos": 1}), at(0, {}))
    look = mysql_replication.since(first, at(seconds, changed))
    findings = mysql_replication.diagnose(look, mysql_replication.PROBE.settings)

    assert [(f.code, f.severity.value) for f in findings] == expected
    assert decode(encode(look), MysqlReplication) == look


@pytest.mark.parametrize(
    ("changed", "read_only", "expected"),
    [
        pytest.param({}, True, [], id="it follows"),
        pytest.param({"Seconds_Behind_Master": 29}, True, [], id="just below the limit"),
        pytest.param(
            {"Seconds_Behind_Master": 600}, True, [("MY_REPL_LAG", "critical")], id="ten minutes"
        ),
        pytest.param(
            {"Seconds_Behind_Master": 3600, "SQL_Delay": 3600}, True, [], id="a delay that is meant"
        ),
        pytest.param(
            {"Slave_SQL_Running": "No", "Seconds_Behind_Master": None, "Last_SQL_Errno": 1062},
            True,
            [("MY_REPL_STOPPED", "critical")],
            id="stopped: behind is NULL, not large",
        ),
        pytest.param(
            {"Slave_IO_Running": "Connecting", "Last_IO_Errno": 1045},
            True,
            [("MY_REPL_STOPPED", "critical")],
            id="cannot log in to its primary",
        ),
        pytest.param(
            {"Slave_IO_Running": "Preparing", "Slave_SQL_Running": "No"},
            True,
            [("MY_REPL_STOPPED", "critical")],
            id="stopped while it connects",
        ),
        pytest.param({}, False, [("MY_REPL_WRITABLE", "high")], id="takes writes"),
    ],
)
def test_a_replica_is_judged_by_its_threads_first(
    changed: dict[str, Any], read_only: bool, expected: list[tuple[str, str]]
) -> None:
    look = MysqlReplication(
        server=server(read_only=read_only), channels=(channel({**OLD, **changed}),)
    )
    findings = mysql_replication.diagnose(look, mysql_replication.PROBE.settings)

    assert [(f.code, f.severity.value) for f in findings] == expected
    assert decode(encode(look), MysqlReplication) == look


REFUSED = "Got fatal error 1236 from source when reading data from binary log: "


@pytest.mark.parametrize(
    ("changed", "fact", "summary", "likely"),
    [
        pytest.param(
            {"Slave_IO_Running": "Connecting", "Last_IO_Errno": 1045},
            False, "cannot connect to its primary db-1:3306 (error 1045)", "password",
            id="it tries again: no state that stays until somebody acts",
        ),
        pytest.param(
            {"Slave_IO_Running": "Preparing"},
            False, "tries again and again", "cannot be reached", id="no error yet",
        ),
        pytest.param(
            {"Slave_IO_Running": "No"},
            True, "IO thread is not running", "somebody stopped it", id="by hand",
        ),
        pytest.param(
            {"Slave_IO_Running": "No", "Last_IO_Errno": 13114,
             "Last_IO_Error": REFUSED + "'Could not find first log file name in binary log index'"},
            True, "error 13114", "rebuild", id="MySQL 8's number, the log is gone",
        ),
        pytest.param(
            {"Slave_IO_Running": "No", "Last_IO_Errno": 1236,
             "Last_IO_Error": REFUSED + "'Cannot replicate because the source purged required logs'"},
            True, "error 1236", "rebuild", id="purged",
        ),
        pytest.param(
            {"Slave_IO_Running": "No", "Last_IO_Errno": 1236,
             "Last_IO_Error": REFUSED + "'log event entry exceeded max_allowed_packet'"},
            True, "error 1236", "max_allowed_packet: raise it", id="an event too large",
        ),
        pytest.param(
            {"Slave_IO_Running": "No", "Last_IO_Errno": 13114,
             "Last_IO_Error": REFUSED + "'A replica with the same server_uuid/server_id as this'"},
            True, "error 13114", "copied server", id="two replicas with one number",
        ),
        pytest.param(
            {"Slave_IO_Running": "No", "Last_IO_Errno": 1236, "Last_IO_Error": REFUSED + "'new'"},
            True, "error 1236", "its words say why", id="words that nobody knows",
        ),
    ],
)  # fmt: skip
def test_what_stopped_a_replica_is_told_by_number_and_words(
    changed: dict[str, Any], fact: bool, summary: str, likely: str
) -> None:
    look = MysqlReplication(server=server(read_only=True), channels=(channel({**OLD, **changed}),))
    (finding,) = mysql_replication.diagnose(look, mysql_replication.PROBE.settings)

    assert (finding.code, finding.fact) == ("MY_REPL_STOPPED", fact)
    assert summary in finding.summary
    assert likely in finding.likely[0]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        pytest.param(
            "Error 'Duplicate entry 'bob@example.com' for key 'PRIMARY'' on query. Default "
            "database: 'shop'. Query: 'INSERT INTO t VALUES ('bob@example.com', \"s3cret\")'",
            "Duplicate entry ? for key PRIMARY, database shop. Query: ?",
            id="a statement: nothing in it is escaped",
        ),
        pytest.param(
            "Could not execute Write_rows_v1 event on table shop.orders; Duplicate entry "
            "'bob o'brien's3cret' for key 'PRIMARY', Error_code: 1062; the event's master log "
            "bin.000001, end_log_pos 42",
            "Could not execute Write_rows_v1 event on table shop.orders; Duplicate entry ? for "
            "key PRIMARY, Error_code: ?; the event's master log bin.000001, end_log_pos ?",
            id="a row, with quotes in its value",
        ),
        pytest.param(
            "Error 'Incorrect integer value: 'bob' s3cret' for column 'n' at row 1' on query. "
            "Default database: 'shop'. Query: 'INSERT INTO t SELECT 's3cr",
            "Incorrect integer value: ? at row ?, database shop. Query: ?",
            id="a value with quotes, and a statement that was cut",
        ),
        pytest.param(
            "Worker 1 failed executing transaction 'ANONYMOUS' at source log bin.3, end_log_pos 12;"
            " Error 'Table 'shop.bob' doesn't exist' on query. Default database: ''. "
            "Query: 'DELETE FROM bob WHERE a = 's3cret''",
            "Worker ? failed executing transaction ? doesn't exist, database . Query: ?",
            id="a worker: from the first quote to the last one",
        ),
    ],
)
def test_the_words_of_a_stopped_replica_show_no_row(words: str, shown: str) -> None:
    changed = {"Slave_SQL_Running": "No", "Last_SQL_Errno": 1062, "Last_SQL_Error": words}
    look = MysqlReplication(server=server(read_only=True), channels=(channel({**OLD, **changed}),))
    settings = mysql_replication.PROBE.settings
    (finding,) = mysql_replication.diagnose(look, settings)
    (table,) = mysql_replication.tables(look, settings)
    (row,) = table.rows
    everywhere = f"{finding} {row.cells} {encode(look)!r}"

    assert {e.label: e.value for e in finding.evidence}["error"] == shown
    assert row.cells[-1] == shown
    assert row.secret is not None
    assert "s3cr" in row.secret.reveal()
    assert "s3cr" not in everywhere
    assert "bob" not in everywhere
    assert decode(encode(look), MysqlReplication).channels[0].sql_errno == 1062


def watched(*rows: dict[str, Any], **changed: Any) -> MysqlReplication:
    made = server(
        read_only=changed.pop("read_only", True),
        at=AT + timedelta(seconds=changed.pop("at", 0)),
    )
    return MysqlReplication(
        server=made, channels=tuple(channel({**OLD, **row}) for row in rows), **changed
    )


def judged(look: MysqlReplication) -> list[tuple[str, str]]:
    found = mysql_replication.diagnose(look, mysql_replication.PROBE.settings)
    return [(each.code, each.severity.value) for each in found]


BILLING = {"Connection_name": "billing"}


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([watched({}), watched(at=10)], [("MY_REPL_GONE", "critical")], id="the only"),
        pytest.param(
            [watched({}, BILLING), watched({}, at=10)], [("MY_REPL_GONE", "critical")], id="one of two"
        ),
        pytest.param(
            [watched({}), watched(at=10), watched(at=3600)],
            [("MY_REPL_GONE", "critical")], id="for an hour",
        ),
        pytest.param([watched({}), watched(at=10), watched(at=3610)], [], id="after an hour"),
        pytest.param([watched({}), watched(at=10), watched({}, at=20)], [], id="it came back"),
        pytest.param(
            [watched({}), watched(at=10, read_only=False)], [("MY_REPL_GONE", "info")], id="promoted"
        ),
        pytest.param(
            [watched({}), watched(at=10, read_only=False, expects="reader")],
            [("MY_REPL_GONE", "critical")], id="writable, and meant to be a reader",
        ),
        pytest.param(
            [watched({}), watched(at=10), watched(at=20, sees=False)],
            [("MY_REPL_GONE", "critical"), ("MY_OBS_BLIND", "info")], id="it may not be seen now",
        ),
        pytest.param([watched(), watched(at=10)], [], id="it never was a replica"),
        pytest.param([watched(expects="reader")], [("MY_REPL_NONE", "critical")], id="a reader alone"),
        pytest.param([watched(expects="reader", other_ways=True)], [], id="a reader of Aurora"),
        pytest.param(
            [watched(expects="reader", sees=False)], [("MY_OBS_BLIND", "info")], id="not seen"
        ),
        pytest.param([watched({}, expects="reader")], [], id="a reader that follows"),
    ],
)  # fmt: skip
def test_a_replica_without_its_channel_is_told(
    looks: list[MysqlReplication], expected: list[tuple[str, str]]
) -> None:
    look = looks[0]
    for now in looks[1:]:
        look = mysql_replication.since(look, now)

    assert sorted(judged(look)) == sorted(expected)
    assert decode(encode(look), MysqlReplication) == look


def test_another_server_behind_the_name_lost_no_channel() -> None:
    before = watched({})
    other = replace(watched(at=10), server=replace(before.server, hostname="db-2"))

    assert judged(mysql_replication.since(before, other)) == []


def test_what_a_replica_leaves_out_is_a_fact() -> None:
    look = watched({"Replicate_Do_DB": "shop", "Replicate_Ignore_Table": ""})
    facts = list(mysql_replication.facts(look, mysql_replication.PROBE.settings))

    assert [(f.label, f.text) for f in facts[1:]] == [
        ("filters of db-1:3306", "Replicate_Do_DB: shop")
    ]
