"""MySQL's probes from literals. What MySQL itself gives is made by hand from its manual."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.redact import SecretText
from cockpit.text import visible
from cockpit.triage.recording import decode, encode
from probes.mysql import sessions as mysql_sessions
from probes.mysql.galera import Galera
from probes.mysql.model import Thread, offers
from probes.mysql.semi_sync import SemiSync
from probes.mysql.sessions import MysqlSessions
from probes.mysql.status import ServerStatus, one_start, rates_of, restarted, status_of
from tests.probes.mysql_looks import AT, MDL, server, thread

TABLE, ACK = "Waiting for table level lock", "Waiting for semi-sync ACK from replica"
SEMI = SemiSync(on=True, replicas=0, waiting=0)
CONFIRMED = SemiSync(on=True, replicas=1, waiting=1)
NODE = Galera(ready="ON", connected="ON", status="Primary", size=3, state="Synced", rejects="NONE")


def changes(secs: int) -> Thread:
    query = SecretText("/* release 7 */ ALTER TABLE orders ADD COLUMN note text", mysql=True)
    return thread(2, secs=secs, query=query)


def sessions(*threads: Thread, **changed: Any) -> MysqlSessions:
    status = ServerStatus(
        **{"uptime": 1000, "connected": 10, "running": 2, **changed.pop("status", {})}
    )
    values: dict[str, Any] = {
        "server": server(**changed.pop("server", {})), "status": status, "threads": threads,
    }  # fmt: skip
    return MysqlSessions(**{**values, **changed})


def found(look: MysqlSessions) -> list[tuple[str, str]]:
    findings = mysql_sessions.diagnose(look, mysql_sessions.PROBE.settings)
    return [(f.code, f.severity.value) for f in findings]


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(sessions(), [], id="nothing wrong"),
        pytest.param(sessions(status={"connected": 79}), [], id="just below 80 %"),
        pytest.param(
            sessions(status={"connected": 80}), [("MY_SAT_CONNECTIONS", "warning")], id="80 %"
        ),
        pytest.param(
            sessions(status={"connected": 101}),
            [("MY_SAT_CONNECTIONS", "critical")],
            id="the spare one counts too",
        ),
        pytest.param(
            sessions(status={"running": 25}), [("MY_SAT_RUNNING", "warning")], id="25 run"
        ),
        pytest.param(
            replace(sessions(), slow_s=1.4), [("MY_OBS_SLOW", "warning")], id="slow for us"
        ),
        pytest.param(
            sessions(thread(1, command="Sleep", secs=60, trx_s=90)),
            [("MY_SESS_IDLE_TRX", "warning")],
            id="sleeps in a transaction",
        ),
        pytest.param(
            sessions(thread(1, command="Sleep", secs=9000)), [], id="sleeps without a transaction"
        ),
        pytest.param(
            sessions(thread(1, secs=300)), [("MY_SESS_LONG_QUERY", "high")], id="five minutes"
        ),
        pytest.param(sessions(thread(1, secs=300, state=MDL)), [], id="the victim of a lock"),
        pytest.param(
            sessions(changes(3000)), [("MY_SESS_LONG_QUERY", "warning")], id="a schema change"
        ),
        pytest.param(sessions(thread(1, secs=300, is_backup=True)), [], id="a backup"),
        pytest.param(
            sessions(*(thread(n, secs=4, state=TABLE) for n in range(1, 6))),
            [],
            id="a whole table for four seconds",
        ),
        pytest.param(
            sessions(*(thread(n, secs=6, state=TABLE) for n in range(1, 6))),
            [("MY_LOCK_TABLE", "high")],
            id="five wait for a whole table",
        ),
        pytest.param(
            sessions(*(thread(n, secs=6, state=TABLE) for n in range(1, 21))),
            [("MY_LOCK_TABLE", "critical")],
            id="twenty wait for a whole table",
        ),
        pytest.param(
            sessions(thread(1, secs=9000, state="User lock")),
            [("MY_LOCK_USER", "info")],
            id="one waits to become the leader",
        ),
        pytest.param(
            sessions(*(thread(n, secs=20, state="User lock") for n in range(1, 6))),
            [("MY_LOCK_USER", "high")],
            id="five workers wait for a lock by name",
        ),
        pytest.param(
            sessions(thread(1, secs=61, state="Waiting for the moon")),
            [("MY_WAIT_OTHER", "high")],
            id="a state that nobody knew",
        ),
        pytest.param(
            sessions(*(thread(n, secs=10 + n, state=f"Waiting for {n}") for n in range(1, 9))),
            [("MY_WAIT_OTHER", "warning")] * 4,
            id="many kinds: three, and the rest as one",
        ),
        pytest.param(
            sessions(thread(1, secs=300, state="Commit")),
            [("MY_WAIT_OTHER", "high")],
            id="a commit that hangs without semi-sync",
        ),
        pytest.param(
            sessions(thread(1, secs=0, state="Commit"), status={"semi_sync": SEMI}),
            [("MY_REPL_SEMISYNC_WAIT", "critical")],
            id="a commit that no replica will confirm",
        ),
        pytest.param(
            sessions(status={"semi_sync": replace(SEMI, waiting=2)}, threads=None),
            [("MY_OBS_BLIND", "info"), ("MY_REPL_SEMISYNC_WAIT", "critical")],
            id="the server counts those that we may not see",
        ),
        pytest.param(
            sessions(thread(1, secs=1, state="Commit"), status={"semi_sync": CONFIRMED}),
            [],
            id="a commit that a replica will confirm",
        ),
        pytest.param(
            sessions(thread(1, secs=5, state=ACK), status={"semi_sync": CONFIRMED}),
            [("MY_REPL_SEMISYNC_WAIT", "critical")],
            id="a replica that does not confirm",
        ),
        pytest.param(
            sessions(
                thread(1, secs=1, state="Commit"), status={"semi_sync": replace(SEMI, on=False)}
            ),
            [],
            id="semi-sync was switched off",
        ),
        pytest.param(
            sessions(status={"semi_sync": replace(SEMI, on=False, enabled=True)}),
            [("MY_REPL_SEMISYNC_OFF", "warning")],
            id="semi-sync gave up",
        ),
        pytest.param(
            sessions(status={"galera": replace(NODE, status="non-Primary")}),
            [("MY_GALERA_NOT_READY", "critical")],
            id="a node without a quorum",
        ),
        pytest.param(
            sessions(status={"galera": replace(NODE, ready="OFF", state="Joining")}),
            [("MY_GALERA_NOT_READY", "critical")],
            id="a node that joins",
        ),
        pytest.param(
            sessions(status={"galera": replace(NODE, rejects="ALL_KILL")}),
            [("MY_GALERA_REJECTS", "critical")],
            id="a node that was told to refuse",
        ),
        pytest.param(
            sessions(status={"galera": replace(NODE, state="Joined")}),
            [("MY_GALERA_NOT_SYNCED", "warning")],
            id="a node that catches up",
        ),
        pytest.param(sessions(status={"galera": NODE}), [], id="a node in step"),
        pytest.param(
            sessions(thread(1, command="Binlog Dump", user="repl", secs=9000)), [], id="replication"
        ),
        pytest.param(
            sessions(thread(1, command="Killed", trx_state="ROLLING BACK", rows_modified=5)),
            [("MY_TRX_ROLLBACK", "info")],
            id="rolls back",
        ),
        pytest.param(
            sessions(server={"engine_read_only": True}, expects="writer"),
            [("MY_ROLE_WRONG", "critical")],
            id="a reader answers the writer's endpoint",
        ),
        pytest.param(replace(sessions(), threads=None), [("MY_OBS_BLIND", "info")], id="no rights"),
    ],
)
def test_a_state_has_its_finding(look: MysqlSessions, expected: list[tuple[str, str]]) -> None:
    assert found(look) == expected


def test_a_schema_change_that_runs_long_is_a_question_to_its_owner() -> None:
    (finding,) = mysql_sessions.diagnose(sessions(changes(3000)), mysql_sessions.PROBE.settings)

    assert "runs a schema change for 50m" in finding.summary
    assert finding.next.startswith("ask its owner")


def test_refused_connections_are_critical_however_few_are_open() -> None:
    before = sessions(status={"refused": 3})
    now = sessions(status={"refused": 8, "uptime": 1005}, server={"at": AT + timedelta(seconds=5)})
    look = mysql_sessions.since(before, now)

    assert look.rates is not None
    assert look.rates.refused == 1.0
    assert found(look) == [("MY_SAT_CONNECTIONS", "critical")]


def test_a_restart_gives_no_rates_and_a_finding() -> None:
    now = sessions(status={"uptime": 5}, server={"at": AT + timedelta(seconds=9)})
    look = mysql_sessions.since(sessions(), now)

    assert look.rates is None
    assert found(look) == [("MY_RESTARTED", "high")]
    assert [change.kind for change in mysql_sessions.changes(look, "db")] == ["mysql.restart"]


@pytest.mark.parametrize(
    ("before", "now", "seconds", "expected"),
    [
        pytest.param(1000, 5, 9, (True, False), id="its uptime fell"),
        pytest.param(25, 40, 60, (True, False), id="a crash loop that we look at seldom"),
        pytest.param(3, 1, 5, (True, False), id="a crash loop that we look at often"),
        pytest.param(1000, 1005, 5, (False, True), id="it runs on"),
        pytest.param(1000, 1012, 5, (False, True), id="we waited between clock and uptime"),
        pytest.param(3, 8, 5, (False, True), id="it was started before"),
        pytest.param(1000, 9000, 5, (False, False), id="another server, up for longer"),
        pytest.param(9000, 1000, 5, (False, False), id="another server, up for less"),
        pytest.param(None, 5, 5, (False, True), id="unknown before"),
        pytest.param(1000, None, 5, (False, True), id="unknown now"),
    ],
)
def test_a_start_is_told_from_two_uptimes(
    before: int | None, now: int | None, seconds: float, expected: tuple[bool, bool]
) -> None:
    told = (restarted(before, now, seconds), one_start(before, now, seconds))

    assert told == expected


@pytest.mark.parametrize(
    ("uptime", "hostname"),
    [
        pytest.param(90_000, "ip-10-0-0-2", id="up for longer"),
        pytest.param(1005, "ip-10-0-0-2", id="started in the same second"),
    ],
)
def test_another_server_behind_the_endpoint_is_not_compared_with_the_old_one(
    uptime: int, hostname: str
) -> None:
    before = sessions(status={"refused": 3}, server={"hostname": "ip-10-0-0-1"})
    now = sessions(
        status={"refused": 5000, "uptime": uptime},
        server={"hostname": hostname, "at": AT + timedelta(seconds=5)},
    )
    look = mysql_sessions.since(before, now)
    (change,) = mysql_sessions.changes(look, "db")

    assert look.rates is None
    assert found(look) == []
    assert (change.kind, change.summary) == ("mysql.moved", "another server answers: ip-10-0-0-2")
    assert decode(encode(look), MysqlSessions).moved == look.moved


@pytest.mark.parametrize(
    ("before", "now", "seconds"),
    [
        pytest.param({"questions": 10}, {"questions": 5}, 5.0, id="a counter that went down"),
        pytest.param({}, {"questions": 5}, 5.0, id="a counter that was not there"),
        pytest.param({"questions": 1}, {"questions": 5}, 0.0, id="no time between"),
    ],
)
def test_what_is_not_known_is_no_rate(
    before: dict[str, Any], now: dict[str, Any], seconds: float
) -> None:
    rates = rates_of(ServerStatus(uptime=1, **before), ServerStatus(uptime=2, **now), seconds)

    assert rates is None or rates.questions is None


def test_unknown_and_missing_variables_do_no_harm() -> None:
    status = status_of({"Uptime": "7", "Threads_connected": "x", "New_in_12": "1"})

    assert (status.uptime, status.connected, status.running) == (7, None, None)


def test_the_observer_is_not_counted_among_those_who_run() -> None:
    assert status_of({"Uptime": "7", "Threads_running": "25"}).running == 24


def test_a_rollback_says_how_long_it_will_take() -> None:
    rolls = {"command": "Killed", "trx_state": "ROLLING BACK"}
    now = replace(
        sessions(thread(1, **rolls, rows_modified=6_000)),
        server=server(at=AT + timedelta(seconds=4)),
    )
    look = mysql_sessions.since(sessions(thread(1, **rolls, rows_modified=8_000)), now)
    (finding,) = mysql_sessions.diagnose(look, mysql_sessions.PROBE.settings)

    assert "about 12s left" in finding.summary
    assert decode(encode(look), MysqlSessions).rollback_eta == {1: 12.0}


@pytest.mark.parametrize(
    ("threads", "id_"),
    [
        pytest.param([], None, id="nobody runs anything"),
        pytest.param([thread(1, secs=5), thread(2, secs=9)], 2, id="the longest"),
        pytest.param([thread(1, secs=5), thread(2, secs=9, wait_s=9)], 1, id="not who waits"),
        pytest.param([thread(1, secs=5), thread(2, secs=9, wait_s=0)], 1, id="nor since just now"),
        pytest.param([thread(1, secs=5), thread(2, secs=9, state=MDL)], 1, id="for metadata"),
        pytest.param([thread(1, secs=5), changes(9)], 1, id="not who changes a schema"),
        pytest.param([thread(1, secs=5, user="rdsadmin")], None, id="not the protected"),
        pytest.param([thread(1, secs=5, is_backup=True)], None, id="not a backup"),
    ],
)
def test_the_longest_statement_is_one_that_works(threads: list[Thread], id_: int | None) -> None:
    longest = mysql_sessions._longest(tuple(threads))

    assert (longest.id if longest else None) == id_


@pytest.mark.parametrize(
    ("host", "with_port", "address"),
    [
        pytest.param("10.0.0.7:4242", True, "10.0.0.7", id="from the processlist"),
        pytest.param("2001:db8::1:4242", True, "2001:db8::1", id="IPv6 from the processlist"),
        pytest.param("2001:db8::1", False, "2001:db8::1", id="IPv6 from performance_schema"),
        pytest.param("10.0.0.7", False, "10.0.0.7", id="from performance_schema"),
        pytest.param("localhost", True, "localhost", id="over the socket"),
    ],
)
def test_an_address_is_told_without_its_port(host: str, with_port: bool, address: str) -> None:
    assert thread(1, host=host, with_port=with_port).address == address


@pytest.mark.parametrize(
    ("changed", "calls"),
    [
        pytest.param({}, ["kill_query", "kill_connection"], id="runs"),
        pytest.param({"command": "Sleep", "trx_s": 5}, ["kill_connection"], id="sleeps"),
        pytest.param({"user": "rdsadmin"}, [], id="rdsadmin"),
        pytest.param({"is_backup": True}, [], id="a backup"),
        pytest.param({"user": "system user"}, [], id="the replica's own thread"),
        pytest.param({"command": "Binlog Dump GTID"}, [], id="binlog dump"),
        pytest.param({"trx_state": "ROLLING BACK"}, [], id="rolls back already"),
    ],
)
def test_only_what_may_be_ended_is_offered(changed: dict[str, Any], calls: list[str]) -> None:
    assert [offer.call for offer in offers(thread(1, **changed))] == calls


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param([3, 3], [], id="as it was"),
        pytest.param([3, 2], [("MY_GALERA_SMALLER", "high")], id="a node went"),
        pytest.param([3, 2, 2], [("MY_GALERA_SMALLER", "info")], id="a minute later"),
        pytest.param([3, 2, 3], [], id="it came back"),
        pytest.param([3, 2, 1, 2], [("MY_GALERA_SMALLER", "info")], id="one of two came back"),
        pytest.param([2, 3], [], id="a node joined"),
    ],
)
def test_a_cluster_that_lost_nodes_is_told_until_they_are_back(
    sizes: list[int], expected: list[tuple[str, str]]
) -> None:
    look: MysqlSessions | None = None
    for minute, size in enumerate(sizes):
        uptime = 1000 + 60 * minute
        now = sessions(
            server={"at": AT + timedelta(minutes=minute)},
            status={"uptime": uptime, "galera": replace(NODE, size=size)},
        )
        look = now if look is None else mysql_sessions.since(look, now)

    assert look is not None
    assert found(look) == expected


@given(
    states=st.lists(
        st.tuples(st.sampled_from(["Waiting for ", "waiting ", ""]), st.text(max_size=50)),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_no_state_of_a_session_is_dropped(states: list[tuple[str, str]]) -> None:
    """A state that waits is in a finding, by its own word; any other is a fact or a long query."""
    texts = ["".join(each) for each in states]
    look = sessions(*(thread(n + 1, secs=300, state=text) for n, text in enumerate(texts)))
    findings = list(mysql_sessions.diagnose(look, mysql_sessions.PROBE.settings))
    told = " ".join(str(each.value) for f in findings for each in f.evidence)
    facts = {f.label: f.text for f in mysql_sessions.facts(look, mysql_sessions.PROBE.settings)}

    assert {f.code for f in findings} <= {"MY_WAIT_OTHER", "MY_SESS_LONG_QUERY"}
    assert facts["states"]
    for text in texts:
        assert visible(text, 40)[:30] in told
