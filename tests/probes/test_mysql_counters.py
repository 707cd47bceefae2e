"""MySQL's counters and statements from literals: windows, resets, thresholds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.pace import Pace
from cockpit.redact import SecretText
from cockpit.runbooks.library import library
from cockpit.triage.finding import Finding
from cockpit.triage.recording import decode, encode
from probes.gains import window
from probes.mysql import counters as mysql_counters
from probes.mysql import statements as mysql_statements
from probes.mysql.counters_model import MysqlCounters, Oldest, since
from probes.mysql.model import MysqlServer
from probes.mysql.statements import Digest, MysqlStatements

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)


def server(seconds: float = 0) -> MysqlServer:
    return MysqlServer(
        version="10.11.6-MariaDB", at=AT + timedelta(seconds=seconds), max_connections=100,
        role="cockpit_ro@%",
    )  # fmt: skip


def counters(seconds: float = 0, **changed: Any) -> MysqlCounters:
    gauges = {"Uptime": 1000 + int(seconds), "Uptime_since_flush_status": 1000 + int(seconds)}
    return MysqlCounters(
        server=server(seconds),
        counted=changed.pop("counted", {}),
        gauges={**gauges, **changed.pop("gauges", {})},
        long_query_s=10.0,
        **changed,
    )


def gained(**gain: int) -> MysqlCounters:
    """A minute in which the counters gained so much."""
    before = counters(counted=dict.fromkeys(gain, 5))
    return since(before, counters(60, counted={name: 5 + n for name, n in gain.items()}))


def gained_at(*ago: int, **gain: int) -> MysqlCounters:
    """A minute of looks, each 15 s apart; the counters gained so much at those so long ago."""
    total = dict.fromkeys(gain, 5)
    look = counters(counted=total)
    for seconds in (15, 30, 45, 60):
        if 75 - seconds in ago:
            total = {name: n + gain[name] for name, n in total.items()}
        look = since(look, counters(seconds, counted=total))
    return look


def found(look: MysqlCounters) -> list[tuple[str, str]]:
    findings = mysql_counters.diagnose(look, mysql_counters.PROBE.settings)
    return [(f.code, f.severity.value) for f in findings]


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(counters(counted={"Innodb_deadlocks": 900}), [], id="lifetime values say no"),
        pytest.param(
            gained(Innodb_deadlocks=1), [("MY_LOCK_DEADLOCKS", "info")], id="one deadlock"
        ),
        pytest.param(
            gained(Innodb_deadlocks=10), [("MY_LOCK_DEADLOCKS", "warning")], id="ten in a minute"
        ),
        pytest.param(
            counters(gauges={"Innodb_history_list_length": 100_000}),
            [("MY_TRX_HISTORY", "warning")],
            id="much history",
        ),
        pytest.param(
            counters(gauges={"Innodb_history_list_length": 1_000_000}),
            [("MY_TRX_HISTORY", "warning")],
            id="very much history, which is not seen to grow",
        ),
        pytest.param(
            gained(Innodb_buffer_pool_reads=60 * 501, Innodb_buffer_pool_read_requests=60 * 25_050),
            [("MY_IO_BUFFER_POOL", "warning")],
            id="2 % of the look-ups read",
        ),
        pytest.param(
            gained(Innodb_buffer_pool_reads=60 * 499, Innodb_buffer_pool_read_requests=60 * 499),
            [],
            id="all look-ups read, but few",
        ),
        pytest.param(gained(Innodb_buffer_pool_wait_free=9), [], id="no free page once"),
        pytest.param(
            gained_at(15, 30, Innodb_buffer_pool_wait_free=1),
            [("MY_IO_BUFFER_POOL", "high")],
            id="no free page again and again",
        ),
        pytest.param(
            counters(gauges={"Innodb_checkpoint_age": 90, "Innodb_checkpoint_max_age": 100}),
            [("MY_IO_DIRTY", "high")],
            id="the redo log is nearly full: MariaDB",
        ),
        pytest.param(
            counters(gauges={"Innodb_checkpoint_age": 87, "Innodb_checkpoint_max_age": 100}),
            [("MY_IO_DIRTY", "info")],
            id="the redo log is used as InnoDB means to",
        ),
        pytest.param(
            counters(
                gauges={
                    "Innodb_redo_log_current_lsn": 1_090, "Innodb_redo_log_checkpoint_lsn": 1_000,
                    "Innodb_redo_log_capacity_resized": 100,
                }
            ),
            [("MY_IO_DIRTY", "high")],
            id="the redo log is nearly full: MySQL 8",
        ),
        pytest.param(gained_at(15, Innodb_log_waits=1), [], id="one log wait, just now"),
        pytest.param(gained_at(30, Innodb_log_waits=1), [], id="one log wait, the look before"),
        pytest.param(
            gained_at(15, 30, Innodb_log_waits=1), [("MY_IO_LOG", "high")], id="log waits go on"
        ),
        pytest.param(
            gained(Created_tmp_disk_tables=601, Created_tmp_tables=2_404),
            [("MY_QRY_TMP_DISK", "warning")],
            id="a quarter of the temporary tables on disk",
        ),
        pytest.param(
            gained(Created_tmp_disk_tables=600, Created_tmp_tables=600), [], id="ten a second"
        ),
        pytest.param(
            gained(Handler_read_rnd_next=60_000_000, Select_full_join=1),
            [("MY_QRY_FULL_SCAN", "info")],
            id="a million rows a second, joined without an index",
        ),
        pytest.param(
            gained(Handler_read_rnd_next=90_000_000, Select_full_join=0), [], id="scans, no join"
        ),
        pytest.param(
            gained(Aborted_clients=60), [("MY_CONN_ABORTED", "warning")], id="clients vanish"
        ),
        pytest.param(
            gained(Aborted_connects=60), [("MY_CONN_ABORTED", "warning")], id="logins fail"
        ),
        pytest.param(
            replace(counters(), hidden=True), [("MY_OBS_BLIND", "info")], id="without PROCESS"
        ),
    ],
)  # fmt: skip
def test_a_gain_has_its_finding(look: MysqlCounters, expected: list[tuple[str, str]]) -> None:
    assert found(look) == expected
    assert decode(encode(look), MysqlCounters) == look
    for finding in mysql_counters.diagnose(look, mysql_counters.PROBE.settings):
        assert finding.likely
        assert finding.next
        assert library().best(finding.code)


def test_history_names_who_keeps_it() -> None:
    look = counters(
        gauges={"Innodb_history_list_length": 200_000},
        oldest=Oldest(thread=7, open_s=3600, modified=0),
    )
    (finding,) = mysql_counters.diagnose(look, mysql_counters.PROBE.settings)

    assert "thread 7 keeps its transaction open for 1h 00m" in finding.summary


@pytest.mark.parametrize(
    ("seconds", "first", "length", "open_s", "expected"),
    [
        pytest.param(15, 0, 5_000, 300, [], id="too short to tell"),
        pytest.param(60, 0, 9_999, 300, [], id="just below ten thousand a minute"),
        pytest.param(60, 0, 10_000, 300, ["high"], id="ten thousand a minute, and old"),
        pytest.param(60, 0, 10_000, 299, [], id="ten thousand a minute, and young"),
        pytest.param(60, 0, 90_000, 39, [], id="a report of 39 s on a busy server"),
        pytest.param(60, 0, 90_000, None, [], id="purge is behind, and nobody keeps it"),
        pytest.param(60, 900_000, 1_000_000, 39, ["warning"], id="long, and a young report"),
        pytest.param(60, 1_000_000, 1_000_000, 900, ["warning"], id="long and old, and at rest"),
        pytest.param(60, 999_000, 1_000_000, 900, ["high"], id="long and old, and it grows"),
    ],
)
def test_history_is_high_when_it_grows_and_an_old_transaction_keeps_it(
    seconds: float, first: int, length: int, open_s: int | None, expected: list[str]
) -> None:
    before = counters(gauges={"Innodb_history_list_length": first})
    oldest = None if open_s is None else Oldest(thread=7, open_s=open_s, modified=0)
    now = counters(seconds, gauges={"Innodb_history_list_length": length}, oldest=oldest)
    look = since(before, now)
    findings = list(mysql_counters.diagnose(look, mysql_counters.PROBE.settings))

    assert [finding.severity.value for finding in findings] == expected
    assert all(("end it" in f.next) is (open_s is not None and open_s >= 300) for f in findings)


def test_slow_statements_are_compared_with_the_first_minute() -> None:
    look = counters(counted={"Slow_queries": 0})
    for minute, total in enumerate([6, 12, 42, 72], start=1):
        look = since(look, counters(60 * minute, counted={"Slow_queries": total}))
        assert found(look) == [], minute
    assert look.usual_slow == 0.1
    worse = since(look, counters(300, counted={"Slow_queries": 103}))

    assert found(worse) == [("MY_QRY_SLOW", "warning")]


@pytest.mark.parametrize(
    ("gauges", "counted", "names"),
    [
        pytest.param({"Uptime": 3}, {"Questions": 2}, None, id="a restart"),
        pytest.param(
            {"Uptime": 900_000}, {"Questions": 90_000}, None, id="another server, up for longer"
        ),
        pytest.param(
            {"Uptime_since_flush_status": 3}, {"Questions": 20}, None, id="FLUSH STATUS and more"
        ),
        pytest.param({}, {"Questions": 2}, set(), id="a counter that fell by itself"),
        pytest.param({}, {"Questions": 20, "New": 3}, {"Questions"}, id="a counter that is new"),
        pytest.param({}, {"Questions": 20}, {"Questions"}, id="all is well"),
    ],
)
def test_no_rate_is_ever_negative_or_absurd(
    gauges: dict[str, int], counted: dict[str, int], names: set[str] | None
) -> None:
    look = since(counters(counted={"Questions": 10}), counters(60, gauges=gauges, counted=counted))
    gain = window(look.pairs, 60)

    assert (set(gain.gained) if gain else None) == names
    assert all(n >= 0 for n in (gain.gained.values() if gain else ()))
    assert [c.kind for c in mysql_counters.changes(look, "db")] == (
        ["mysql.status_reset"] if look.reset else []
    )


def test_windows_hold_five_minutes_and_add_up() -> None:
    look = counters(counted={"Questions": 0})
    for step in range(1, 41):
        look = since(look, counters(15 * step, counted={"Questions": 30 * step}))
    minute, five = window(look.pairs, 60), window(look.pairs, 300)

    assert minute is not None
    assert five is not None
    assert (minute.seconds, five.seconds) == (60, 300)
    assert minute.per_s("Questions") == five.per_s("Questions") == 2
    assert len(look.pairs) == 20


def digest(id_: str = "abc", **changed: Any) -> Digest:
    values: dict[str, Any] = {
        "id": id_, "db": "shop", "text": SecretText("SELECT ?"), "calls": 1000, "seconds": 10.0,
    }  # fmt: skip
    return Digest(**{**values, **changed})


def statements(*digests: Digest, seconds: float = 0) -> MysqlStatements:
    return MysqlStatements(server=server(seconds), on=True, digests=digests)


def regressed(before: MysqlStatements, now: MysqlStatements) -> list[str]:
    look = mysql_statements.since(before, now)
    findings = mysql_statements.diagnose(look, mysql_statements.PROBE.settings)
    assert decode(encode(look), MysqlStatements) == look
    return [f.code for f in findings]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(digest(), digest(calls=1010, seconds=10.1), [], id="as usual"),
        pytest.param(
            digest(), digest(calls=1010, seconds=10.6), ["MY_QRY_REGRESSED"], id="six times as long"
        ),
        pytest.param(digest(), digest(calls=1010, seconds=10.5), [], id="just five times"),
        pytest.param(
            digest(calls=19), digest(calls=29, seconds=90.0), [], id="too few calls to be usual"
        ),
        pytest.param(
            digest(seconds=1.0), digest(calls=1010, seconds=1.09), [], id="slower, but still fast"
        ),
        pytest.param(digest(), digest(calls=5, seconds=5.0), [], id="TRUNCATE in between"),
        pytest.param(digest(), digest(), [], id="not called"),
        pytest.param(digest("other"), digest(calls=9, seconds=9.0), [], id="new"),
    ],
)
def test_a_statement_that_became_slower_is_told(
    before: Digest, now: Digest, expected: list[str]
) -> None:
    assert regressed(statements(before), statements(now, seconds=30)) == expected


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"uptime": 90_000}, id="another server, up for longer"),
        pytest.param({"uptime": 12}, id="a restart, after which it counted more than before"),
        pytest.param({"hostname": "ip-10-0-0-2"}, id="another machine"),
    ],
)
def test_statements_of_another_start_are_not_compared(other: dict[str, Any]) -> None:
    here: dict[str, Any] = {"uptime": 1000, "hostname": "ip-10-0-0-1"}
    before, now = statements(digest()), statements(digest(calls=1010, seconds=90.0), seconds=30)
    before = replace(before, server=replace(before.server, **here))
    same = replace(now, server=replace(now.server, **{**here, "uptime": 1030}))
    another = replace(now, server=replace(now.server, **{**here, "uptime": 1030, **other}))

    assert regressed(before, same) == ["MY_QRY_REGRESSED"]
    assert regressed(before, another) == []
    assert mysql_statements.since(before, another).began is None


def test_a_slower_statement_of_little_time_is_not_worth_a_word() -> None:
    before = statements(digest(), digest("big"))
    now = statements(
        digest(calls=1010, seconds=11.0), digest("big", calls=2000, seconds=20.0), seconds=30
    )

    assert regressed(before, now) == []
    look = mysql_statements.since(before, now)
    assert [each.digest.id for each in look.gained] == ["big", "abc"]


def test_statements_that_may_not_be_seen_are_blind_and_uncounted_ones_unknown() -> None:
    hidden = MysqlStatements(server=server(), on=True, digests=None)
    off = MysqlStatements(server=server(), on=False, digests=())
    (blind,) = mysql_statements.diagnose(hidden, mysql_statements.PROBE.settings)

    assert blind.next == "GRANT SELECT ON performance_schema.* TO 'cockpit_ro'@'%';"
    assert list(mysql_statements.diagnose(off, mysql_statements.PROBE.settings)) == []
    for look in (hidden, off):
        assert (
            next(iter(mysql_statements.facts(look, mysql_statements.PROBE.settings))).value is None
        )
        (table,) = mysql_statements.tables(look, mysql_statements.PROBE.settings)
        assert table.note


def test_slow_twice_running_halves_the_rate_until_it_is_fast_again() -> None:
    pace = Pace()
    pace.took("SELECT 1", 1.5)
    once = (pace.slow, pace.factor)
    pace.took("SELECT 1", 1.2)
    twice = (pace.slow, pace.factor)
    pace.took("SELECT 2", 0.1)
    other = pace.factor
    pace.took("SELECT 1", 0.1)

    assert (once, twice, other) == ((None, 1.0), (1.2, 2.0), 2.0)
    assert (pace.slow, pace.factor) == (None, 1.0)
    pace.crowded = True
    assert pace.factor == 3.0


def test_what_was_too_slow_is_spared_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    pace = Pace()
    assert pace.spared("locks") == 0
    pace.spare("locks", 60)
    assert pace.spared("locks") == 60
    now = 160.0
    assert pace.spared("locks") == 0


PREPARED = "1461 ER_MAX_PREPARED_STMT_COUNT_REACHED"


def judge(look: MysqlCounters) -> list[Finding]:
    return list(mysql_counters.diagnose(look, mysql_counters.PROBE.settings))


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param({}, {PREPARED: 30}, [("MY_ERR_RATE", "warning")], id="for the first time"),
        pytest.param({PREPARED: 7}, {PREPARED: 7 + 29}, [], id="just below one in two seconds"),
        pytest.param({PREPARED: 7}, {PREPARED: 307}, [("MY_ERR_RATE", "high")], id="five a second"),
        pytest.param({PREPARED: 400}, {PREPARED: 3}, [], id="it was reset"),
        pytest.param({}, {"1062 ER_DUP_ENTRY": 9000}, [], id="what a program provokes by itself"),
        pytest.param({}, {"1681 ER_WARN_DEPRECATED": 9000}, [], id="a warning"),
        pytest.param(None, {PREPARED: 9000}, [], id="no earlier count"),
    ],
)
def test_errors_that_mean_a_refusal_are_judged_by_their_rate(
    before: dict[str, int] | None, now: dict[str, int], expected: list[tuple[str, str]]
) -> None:
    look = since(counters(errors=before), counters(60, errors=now))
    found = judge(look)

    assert [(f.code, f.severity.value) for f in found] == expected


def test_a_kind_of_error_that_nobody_knew_is_a_fact() -> None:
    raised = {"9999 ER_OF_TOMORROW": 600, "1062 ER_DUP_ENTRY": 60}
    look = since(counters(errors={}), counters(60, errors=raised))
    told = {
        fact.label: fact.text for fact in mysql_counters.facts(look, mysql_counters.PROBE.settings)
    }["errors and warnings"]

    assert told == "9999 ER_OF_TOMORROW ×10.0/s, 1062 ER_DUP_ENTRY ×1.0/s"


@pytest.mark.parametrize(
    ("held", "most", "expected"),
    [
        pytest.param(79, 100, [], id="just below"),
        pytest.param(80, 100, ["warning"], id="80 %"),
        pytest.param(95, 100, ["high"], id="95 %"),
        pytest.param(100, 100, ["critical"], id="none is left"),
        pytest.param(0, 0, [], id="none is allowed"),
        pytest.param(100, None, [], id="the limit is not told"),
    ],
)
def test_prepared_statements_are_judged_by_what_the_server_allows(
    held: int, most: int | None, expected: list[str]
) -> None:
    look = counters(gauges={"Prepared_stmt_count": held}, prepared_most=most)

    assert [f.severity.value for f in judge(look)] == expected
    assert not expected or "MY_SAT_PREPARED" in {f.code for f in judge(look)}
