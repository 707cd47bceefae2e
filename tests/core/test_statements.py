"""Named statements, recordings, and what failures mean: from literals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from cockpit.connect.backoff import Backoff
from cockpit.connect.mysql import errors as mysql_errors
from cockpit.connect.postgres import errors as postgres_errors
from cockpit.connect.postgres.wire import FirstWords, Rung
from cockpit.connect.redis import errors as redis_errors
from cockpit.connect.rows import rows_into
from cockpit.connect.statements import STATEMENTS, checked, statement
from cockpit.errors import BlindError, Misconfigured, Reason
from cockpit.redact import MASKER, SecretText
from cockpit.triage.recording import builtins, decode, encode

START = "2026-11-21T02:41:03.120000+00:00"


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_every_statement_says_what_it_does_and_how_to_undo_it(name: str) -> None:
    each = STATEMENTS[name]

    assert each.risk in {"read", "low", "high", "destructive"}
    assert each.engine in {"postgres", "pgbouncer", "mysql", "redis"}
    assert each.effect
    assert each.undo or each.risk == "read"
    assert set(each.identity) <= each.parameters.keys()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({}, id="none"),
        pytest.param({"pid": 1}, id="a number without identity"),
        pytest.param({"pid": "1", "backend_start": START}, id="a number as text"),
        pytest.param({"pid": True, "backend_start": START}, id="a truth value"),
        pytest.param({"pid": 1, "backend_start": "yesterday"}, id="no moment"),
        pytest.param({"pid": 1, "backend_start": "2026-11-21T02:41:03"}, id="no time zone"),
        pytest.param({"pid": 1, "backend_start": START, "sql": "DROP"}, id="one too many"),
    ],
)
def test_arguments_are_typed_before_anything_is_sent(arguments: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        checked(statement("terminate_backend", "postgres"), arguments)


def test_moments_may_be_text_and_whole_numbers_spans() -> None:
    values = checked(statement("terminate_backend", "postgres"), {"pid": 7, "backend_start": START})
    batch = checked(
        statement("kill_idle_of_user", "mysql"), {"user": "app", "older_than_s": 60, "most": 5}
    )

    assert isinstance(values["backend_start"], datetime)
    assert batch["older_than_s"] == 60.0


@pytest.mark.parametrize(("name", "engine"), [("kill_query", "postgres"), ("nothing", "mysql")])
def test_an_engine_knows_only_its_own_statements(name: str, engine: str) -> None:
    with pytest.raises(Misconfigured, match="has no statement"):
        statement(name, engine)


@dataclass(frozen=True, slots=True)
class Snapshot:
    at: datetime
    query: SecretText | None = None
    pids: tuple[int, ...] = ()
    names: frozenset[str] = frozenset()


def test_a_recording_holds_no_literal_and_no_secret() -> None:
    MASKER.learn("hunter2-hunter2")
    snapshot = Snapshot(
        datetime.now(UTC),
        SecretText("SELECT * FROM t WHERE password = 'x' AND id = 42"),
        (1, 2),
        frozenset({"hunter2-hunter2"}),
    )
    recorded = encode(snapshot)
    again = decode(recorded, Snapshot)

    assert b"id = ?" in recorded
    assert b"'x'" not in recorded
    assert b"hunter2" not in recorded
    assert again.pids == (1, 2)
    assert str(again.query) == str(snapshot.query)
    assert builtins(snapshot)["query"] == str(snapshot.query)


def test_encoders_cannot_write_a_secret_text_by_themselves() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(SecretText("SELECT 'x'"))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"at": 1e99}', b"\xff"])
def test_what_is_not_a_recording_is_a_clear_error(content: bytes) -> None:
    with pytest.raises(Misconfigured):
        decode(content, Snapshot)


@dataclass(frozen=True, slots=True)
class Line:
    pid: int
    query: SecretText | None = None
    later: int = 7


def test_rows_take_unknown_and_missing_columns_but_no_wrong_types() -> None:
    (line,) = rows_into([{"pid": 1, "query": "SELECT 1", "new_in_19": object}], Line)

    assert (line.pid, line.later) == (1, 7)
    assert isinstance(line.query, SecretText)
    with pytest.raises(BlindError) as wrong:
        rows_into([{"pid": "many"}], Line)
    assert wrong.value.reason is Reason.UNREADABLE


def test_double_quotes_are_literals_in_mysql_only() -> None:
    row = {"pid": 1, "query": 'SELECT "secret"'}

    assert "secret" in str(rows_into([row], Line)[0].query)
    assert "secret" not in str(rows_into([row], Line, mysql=True)[0].query)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FATAL:  sorry, too many clients already", "PG_CONN_SATURATED"),
        (
            "FATAL:  remaining connection slots are reserved for non-replication superuser "
            "connections",
            "PG_CONN_RESERVED_ONLY",
        ),
        (
            "FATAL:  remaining connection slots are reserved for roles with privileges of the "
            '"pg_use_reserved_connections" role',
            "PG_CONN_RESERVED_ONLY",
        ),
        ('FATAL:  too many connections for role "app"', "PG_CONN_ROLE_LIMIT"),
        ('FATAL:  too many connections for database "shop"', "PG_CONN_DB_LIMIT"),
        ("FATAL:  the database system is starting up", "PG_CONN_STARTING"),
        ("FATAL:  the database system is shutting down", "PG_CONN_SHUTTING_DOWN"),
        ("FATAL:  the database system is in recovery mode", "PG_CONN_CRASHED"),
        (
            "FATAL:  the database system is not accepting connections\n"
            "DETAIL:  Hot standby mode is disabled.",
            "PG_CONN_NOT_READABLE",
        ),
        ('FATAL:  password authentication failed for user "x"', "PG_CONN_AUTH"),
        ('FATAL:  PAM authentication failed for user "x"', "PG_CONN_HBA"),
        (
            'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "x", database "y", '
            "no encryption",
            "PG_CONN_HBA",
        ),
        ('FATAL:  role "nobody" does not exist', "PG_CONN_HBA"),
        ('FATAL:  database "nope" does not exist', "PG_CONN_NO_DB"),
        ("FATAL:  out of memory", "PG_CONN_RESOURCE"),
        ("ERROR:  no more connections allowed (max_client_conn)", "PG_POOL_FULL"),
        ("FATAL:  query_wait_timeout", "PG_POOL_WAIT"),
        ("received invalid response to SSL negotiation: H", "NET_WRONG_PROTOCOL"),
        ("SSL error: certificate verify failed", "PG_CONN_TLS"),
    ],
)
def test_the_words_of_postgres_have_their_code(text: str, code: str) -> None:
    meaning = postgres_errors.by_text(text)

    assert meaning is not None
    assert meaning.code == code


@pytest.mark.parametrize(
    "text",
    [
        "ERROR:  unsupported startup parameter: options",
        "FATAL:  Feature not supported: RDS Proxy currently doesn\u2019t support command-line "
        "options.",
        "FATAL:  RDS Proxy currently doesn't support command-line options.",
    ],
)
def test_a_pooler_that_takes_no_options_is_known_by_its_words(text: str) -> None:
    assert postgres_errors.by_text(text) is postgres_errors.POOLER


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (FirstWords(Rung.ERROR, "das System startet", "57P03"), "PG_CONN_STARTING"),
        (FirstWords(Rung.ERROR, "zu viele", "53300"), "PG_CONN_SATURATED"),
        (FirstWords(Rung.MUTE), "PG_CONN_MUTE"),
        (FirstWords(Rung.DROPPED), "PG_CONN_DROPPED"),
        (FirstWords(Rung.TCP_TIMEOUT), "NET_TCP_TIMEOUT"),
        (FirstWords(Rung.GREETED), None),
    ],
    ids=lambda value: value.rung if isinstance(value, FirstWords) else str(value),
)
def test_the_state_counts_where_the_words_are_in_another_language(
    first: FirstWords, code: str | None
) -> None:
    meaning = postgres_errors.by_first_words(first)

    assert (meaning.code if meaning else None) == code


@pytest.mark.parametrize(
    ("errno", "text", "greeted", "code"),
    [
        (1040, "Too many connections", False, "MY_CONN_SATURATED"),
        (1040, "Too many connections", True, "MY_CONN_RESERVED_ONLY"),
        (1129, "Host is blocked", False, "MY_CONN_HOST_BLOCKED"),
        (1226, "max_user_connections", True, "MY_CONN_USER_LIMIT"),
        (3159, "Connections using insecure transport", True, "MY_CONN_TLS_REQUIRED"),
        (3032, "The server is currently in offline mode", True, "MY_CONN_OFFLINE"),
        (2013, "Lost connection (timed out)", False, "MY_CONN_MUTE"),
        (2013, "Lost connection", False, "MY_CONN_DROPPED"),
    ],
)
def test_the_numbers_of_mysql_have_their_code(
    errno: int, text: str, greeted: bool, code: str
) -> None:
    meaning = mysql_errors.by_errno(errno, text, greeted=greeted)

    assert meaning is not None
    assert meaning.code == code


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("MASTERDOWN Link with MASTER is down", "RD_REPL_STALE_REFUSED"),
        ("CLUSTERDOWN The cluster is down", "RD_CLUSTER_DOWN"),
        ("MISCONF Errors writing to the AOF file", "RD_PERSIST_MISCONF"),
        ("LOADING Redis is loading the dataset", "RD_STATE_LOADING"),
        ("BUSY Redis is busy running a script", "RD_STATE_BUSY_SCRIPT"),
        ("OOM command not allowed", "RD_MEM_OOM_REJECT"),
        ("READONLY You can't write against a read only replica", "RD_ROLE_WRONG"),
        ("max number of clients reached", "RD_CONN_SATURATED"),
    ],
)
def test_the_replies_of_redis_have_their_code(reply: str, code: str) -> None:
    meaning = redis_errors.by_reply(Exception(reply))

    assert meaning is not None
    assert meaning.code == code


def test_pauses_between_attempts_grow_and_end_with_success(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("cockpit.clock.monotonic", lambda: now[0])
    backoff = Backoff()
    waited = []
    for _ in range(5):
        backoff.failed(BlindError(Reason.UNREACHABLE, "refused", code="X"))
        start = now[0]
        while True:
            try:
                backoff.check()
            except BlindError:
                now[0] += 0.5
            else:
                break
        waited.append(now[0] - start)
    backoff.worked()
    backoff.check()

    assert waited[0] <= 6.5
    assert 3.5 <= waited[0] < waited[1] < waited[2]
    assert max(waited) <= 36.5
