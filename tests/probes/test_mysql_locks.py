"""MySQL's locks from literals: queues behind a head that is seen, and those that have none."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cockpit.redact import SecretText
from cockpit.runbooks.library import library
from cockpit.runbooks.values import captured, holds
from cockpit.triage.recording import builtins, decode, encode
from probes.mysql import locks as mysql_locks
from probes.mysql.locks_model import LockedThread, MysqlLocks, RowWait, assemble, queues_of
from probes.mysql.locks_view import tables
from probes.mysql.locks_whole import Orphans
from probes.mysql.metadata import MetadataLock, stops
from probes.mysql.model import Thread
from tests.probes.mysql_looks import MDL, server, thread


def look_at(*nodes: LockedThread) -> MysqlLocks:
    return MysqlLocks(server=server(), sees_all=True, queues=queues_of(nodes), nodes=nodes)


def lock_findings(look: MysqlLocks) -> list[tuple[str, str, str]]:
    findings = mysql_locks.diagnose(look, mysql_locks.PROBE.settings)
    return [(f.code, f.severity.value, f.subject) for f in findings]


def test_a_blocker_that_waits_itself_is_no_head() -> None:
    nodes = assemble(
        [thread(1, command="Sleep", trx_s=80, rows_modified=3), thread(2), thread(3)],
        [
            RowWait(
                waiter=3, blocker=2, wait_s=20, lock_table="`shop`.`orders`", lock_index="PRIMARY"
            ),
            RowWait(
                waiter=2, blocker=1, wait_s=25, lock_table="`shop`.`orders`", lock_index="PRIMARY"
            ),
        ],
        [],
    )
    look = look_at(*nodes)

    assert lock_findings(look) == [("MY_LOCK_ROW", "high", "thread 1")]
    assert look.queues[0].length == 2
    assert look.queues[0].place == "shop.orders PRIMARY"
    assert decode(encode(look), MysqlLocks).queues[0].head.id == 1


@pytest.mark.parametrize(
    ("many", "wait_s", "expected"),
    [
        pytest.param(5, 1, [], id="a crowd that passes"),
        pytest.param(5, 2, [("high", False)], id="a crowd that stays: looked at once more"),
        pytest.param(4, 4, [], id="four wait"),
        pytest.param(1, 5, [("warning", True)], id="five seconds"),
    ],
)
def test_a_crowd_is_told_before_the_longest_wait_alone_is(
    many: int, wait_s: int, expected: list[tuple[str, bool]]
) -> None:
    waits = [
        RowWait(waiter=n, blocker=1, wait_s=wait_s, lock_table="`shop`.`t`", lock_index="PRIMARY")
        for n in range(2, 2 + many)
    ]
    sleeper = thread(1, command="Sleep", trx_s=80, rows_modified=3)
    nodes = assemble([sleeper, *(thread(wait.waiter) for wait in waits)], waits, [])
    found = mysql_locks.diagnose(look_at(*nodes), mysql_locks.PROBE.settings)

    assert [(f.severity.value, f.fact) for f in found if f.code == "MY_LOCK_ROW"] == expected


def metadata(*held: MetadataLock) -> MysqlLocks:
    threads = [
        thread(1, command="Sleep", secs=30, trx_s=40),
        thread(2, secs=20, state=MDL, query=SecretText("ALTER TABLE t ADD c int")),
        thread(3, secs=15, state=MDL),
        thread(4, secs=15, state=MDL),
        thread(5, command="Sleep", secs=1, trx_s=3),
    ]
    return look_at(*assemble(threads, [], list(held)))


def test_without_instruments_the_older_transaction_is_a_candidate_and_no_head() -> None:
    look = replace(metadata(), server=server(version="10.11.6-MariaDB"))
    (queue,) = look.queues
    (finding,) = mysql_locks.diagnose(look, mysql_locks.PROBE.settings)

    assert (finding.code, finding.severity.value) == ("MY_LOCK_MDL", "high")
    assert finding.subject == "metadata lock"
    assert "INSTALL SONAME 'metadata_lock_info'" in finding.next
    assert (queue.head.id, queue.length, queue.inferred) == (0, 3, True)
    assert [each.id for each in queue.candidates] == [1]
    assert any("thread 1, app" in str(each.value) for each in finding.evidence)


WAITS: dict[str, Any] = {"wait_s": 30, "trx_state": "LOCK WAIT", "trx_s": 31}
IDLE = thread(1, command="Sleep", secs=30, trx_s=40, rows_modified=9)
BATCH = thread(2, secs=600, trx_s=600)
CHANGE = thread(3, secs=20, state=MDL, query=SecretText("ALTER TABLE t ADD c int"), trx_s=50)
READ = thread(4, secs=15, state=MDL)
FLUSHES = thread(5, secs=30, state="Waiting for table flush")


@given(
    st.lists(st.sampled_from([IDLE, BATCH, CHANGE, READ, FLUSHES]), unique_by=lambda t: t.id),
    st.lists(st.sampled_from([1, 2, 3, 4, 5]), unique=True, max_size=3),
)
def test_who_is_only_a_candidate_is_never_offered_to_be_ended(
    threads: list[Thread], behind: list[int]
) -> None:
    """`behind`: for whom somebody is seen to wait, at a row."""
    waiters = [thread(20 + id_, **WAITS) for id_ in behind]
    pairs = [RowWait(waiter=20 + id_, blocker=id_, wait_s=30) for id_ in behind]
    nodes = assemble([*threads, *waiters], pairs, [])
    look = look_at(*nodes)
    (table,) = tables(look, mysql_locks.PROBE.settings)
    unsure = {str(n.id) for n in nodes if n.inferred or (n.may_hold and n.id not in behind)}

    assert all(queue.length for queue in look.queues)
    assert not any(n.blockers for n in nodes if n.inferred)
    assert not [row for row in table.rows if row.cells[0] in unsure and row.offers]
    assert not {str(offer.args["id"]) for offer in table.best} & unsure
    for queue in look.queues:
        if queue.inferred:
            assert (queue.head.id, queue.helps, queue.best) == (0, (), None)
    for finding in mysql_locks.diagnose(look, mysql_locks.PROBE.settings):
        if "inferred from ages" in [each.value for each in finding.evidence]:
            assert not re.search(r"\b(kill|cancel|releases)", f"{finding.summary} {finding.next}")


@pytest.mark.parametrize("threads", [[IDLE, CHANGE, READ], [IDLE, READ], [BATCH, FLUSHES]])
def test_no_step_of_the_runbook_ends_a_candidate(threads: list[Thread]) -> None:
    look = look_at(*assemble(threads, [], []))
    steps = {step.id: step for step in library().get("mysql-locks").steps}
    found = captured(steps["blocker"].capture, builtins(look))

    assert look.queues[0].candidates
    for name in ("cancel", "terminate"):
        checks = [holds(check.that, {"blocker": found}) for check in steps[name].require]
        assert not all(checks), name


def test_a_row_that_two_hold_is_not_freed_by_the_one_that_is_seen_to_idle() -> None:
    """The other waits for metadata itself, nobody knows for whom: it keeps its rows."""
    pairs = [RowWait(waiter=9, blocker=1, wait_s=30), RowWait(waiter=9, blocker=3, wait_s=30)]
    look = look_at(*assemble([IDLE, CHANGE, thread(9, **WAITS)], pairs, []))
    (table,) = tables(look, mysql_locks.PROBE.settings)

    assert table.best == ()
    assert {offer.releases for row in table.rows for offer in row.offers} <= {0}


def test_who_waits_for_a_row_is_the_last_of_the_candidates() -> None:
    threads = [replace(BATCH, wait_s=30, trx_state="LOCK WAIT"), IDLE, CHANGE]
    look = look_at(*assemble(threads, [RowWait(waiter=2, blocker=1, wait_s=30)], []))
    unseen = next(queue for queue in look.queues if queue.inferred)

    assert [each.id for each in unseen.candidates] == [1, 2]
    assert "waits itself" in str(list(mysql_locks.diagnose(look, mysql_locks.PROBE.settings)))


@pytest.mark.parametrize(
    ("lock_type", "seen"),
    [
        pytest.param("SHARED_READ", False, id="one that reads too"),
        pytest.param("SHARED_NO_READ_WRITE", True, id="LOCK TABLES … WRITE"),
        pytest.param("EXCLUSIVE", True, id="a schema change that runs"),
    ],
)
def test_a_read_waits_only_for_who_has_the_table_for_itself(lock_type: str, seen: bool) -> None:
    held = MetadataLock(id=1, object_schema="shop", object_name="t", lock_type=lock_type)
    look = look_at(*assemble([IDLE, READ], [], [held]))
    (finding,) = mysql_locks.diagnose(look, mysql_locks.PROBE.settings)

    assert look.queues[0].head.id == (1 if seen else 0)
    assert ("for itself" in finding.likely[0]) is not seen


def test_of_several_candidates_none_alone_is_promised_to_help() -> None:
    candidates = [thread(n, command="Sleep", secs=30, trx_s=40) for n in (1, 2)]
    change = thread(3, secs=20, state=MDL, query=SecretText("ALTER TABLE t ADD c int"))
    look = look_at(*assemble([*candidates, change], [], []))
    settings = mysql_locks.PROBE.settings
    (table,) = tables(look, settings)
    (finding,) = mysql_locks.diagnose(look, settings)

    assert [offer for row in table.rows for offer in row.offers] == []
    assert table.best == ()
    assert [each.value for each in finding.evidence if each.label == "candidates"] == [2]
    assert "before anybody is ended" in finding.next


def lock(id_: int, name: str, lock_type: str, *, pending: bool = False) -> MetadataLock:
    return MetadataLock(
        id=id_,
        object_schema="shop",
        object_name=name,
        lock_type=lock_type,
        lock_status="PENDING" if pending else "GRANTED",
    )


def test_with_instruments_the_holder_is_seen() -> None:
    look = metadata(
        lock(5, "t", "SHARED_READ"),
        lock(2, "t", "EXCLUSIVE", pending=True),
        lock(3, "t", "SHARED_READ", pending=True),
        lock(4, "t", "SHARED_WRITE", pending=True),
    )
    (queue,) = look.queues

    assert (queue.head.id, queue.inferred, queue.change) == (5, False, 2)
    assert queue.place == "metadata of shop.t"
    assert [(e.id, e.call, e.releases, e.more) for e in queue.helps] == [
        (2, "kill_query", 2, 0), (5, "kill_connection", 1, 2),
    ]  # fmt: skip


def crowded_tables() -> list[Thread]:
    """Two schema changes at two tables, each behind its own reader and before its own crowd."""
    return [
        thread(1, command="Sleep", secs=30, trx_s=40),
        thread(2, command="Sleep", secs=30, trx_s=40),
        thread(11, secs=20, state=MDL, query=SecretText("/* 7 */ ALTER TABLE a ADD c int")),
        thread(12, secs=19, state=MDL, query=SecretText("ALTER TABLE b ADD c int")),
        thread(21, secs=9, state=MDL, db="shop", query=SecretText("SELECT * FROM a")),
        thread(22, secs=9, state=MDL, query=SecretText("SELECT * FROM `shop`.`b`")),
        thread(23, secs=9, state=MDL, db="shop", query=SecretText("INSERT INTO b VALUES (1)")),
    ]


HOLDERS = [lock(1, "a", "SHARED_READ"), lock(2, "b", "SHARED_WRITE")]
WANTED = [
    lock(11, "a", "EXCLUSIVE", pending=True),
    lock(12, "b", "EXCLUSIVE", pending=True),
    lock(21, "a", "SHARED_READ", pending=True),
    lock(22, "b", "SHARED_READ", pending=True),
    lock(23, "b", "SHARED_WRITE", pending=True),
]
BY_PLUGIN = [
    lock(1, "a", "MDL_SHARED_READ"),
    lock(2, "b", "MDL_SHARED_WRITE"),
    lock(11, "a", "MDL_SHARED_UPGRADABLE"),
    lock(12, "b", "MDL_SHARED_UPGRADABLE"),
]


def promised(look: MysqlLocks) -> dict[str, dict[int, tuple[int, int]]]:
    """Place → whom it helps to end → who goes on, and who may."""
    return {
        queue.place: {each.id: (each.releases, each.more) for each in queue.helps}
        for queue in look.queues
    }


def test_two_metadata_queues_at_once_have_each_their_own_holder() -> None:
    """Welded into one, the end of one change was promised to release seven, and freed five."""
    look = look_at(*assemble(crowded_tables(), [], [*HOLDERS, *WANTED]))

    assert {queue.place: queue.head.id for queue in look.queues} == {
        "metadata of shop.a": 1,
        "metadata of shop.b": 2,
    }
    assert promised(look) == {
        "metadata of shop.a": {11: (1, 0), 1: (1, 1)},
        "metadata of shop.b": {12: (2, 0), 2: (1, 2)},
    }
    assert sorted(f.summary[:35] for f in mysql_locks.diagnose(look, mysql_locks.PROBE.settings)) == [
        "a schema change (thread 11) waits f", "a schema change (thread 12) waits f",
    ]  # fmt: skip


def test_where_only_what_is_held_is_told_a_statement_says_no_more_than_perhaps() -> None:
    look = look_at(*assemble(crowded_tables(), [], BY_PLUGIN))

    assert promised(look) == {
        "metadata of shop.a": {11: (0, 1), 1: (1, 1)},
        "metadata of shop.b": {12: (0, 2), 2: (1, 2)},
    }


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("SELECT a.i FROM b AS a", id="names both"),
        pytest.param("SELECT * FROM paid", id="a view"),
        pytest.param("SELECT * FROM other.a", id="of another schema"),
        pytest.param("SELECT * FROM b" + " " * 2000, id="cut off"),
        pytest.param("DROP TABLE a", id="a change that holds nothing yet"),
    ],
)
def test_who_may_want_either_table_waits_for_nobody_known(query: str) -> None:
    waits = thread(30, secs=9, state=MDL, db="shop", query=SecretText(query))
    look = look_at(*assemble([*crowded_tables(), waits], [], BY_PLUGIN))
    unseen = next(queue for queue in look.queues if queue.inferred)
    (table,) = tables(look, mysql_locks.PROBE.settings)

    assert (unseen.length, unseen.helps) == (1, ())
    assert not [row for row in table.rows if row.cells[0] == "30" and row.offers]


def test_of_two_changes_at_one_table_neither_alone_lets_the_reads_go_on() -> None:
    threads = [
        *crowded_tables()[:3],
        thread(12, secs=19, state=MDL, query=SecretText("DROP TABLE a")),
        thread(21, secs=9, state=MDL),
    ]
    locks = [
        lock(1, "a", "SHARED_READ"),
        *(lock(id_, "a", "EXCLUSIVE", pending=True) for id_ in (11, 12)),
        lock(21, "a", "SHARED_READ", pending=True),
    ]
    look = look_at(*assemble(threads, [], locks))

    assert promised(look) == {"metadata of shop.a": {1: (2, 1)}}


@pytest.mark.parametrize(
    ("held", "wanted", "stopped"),
    [
        ("SHARED_READ", "EXCLUSIVE", True),
        ("SHARED_READ", "SHARED_NO_WRITE", False),
        ("SHARED_WRITE", "SHARED_NO_WRITE", True),
        ("SHARED_UPGRADABLE", "SHARED_UPGRADABLE", True),
        ("SHARED_UPGRADABLE", "SHARED_WRITE", False),
        ("SHARED_NO_WRITE", "SHARED_READ", False),
        ("SHARED_NO_WRITE", "SHARED_WRITE", True),
        ("SHARED_READ", "SHARED_NO_READ_WRITE", True),
        ("SHARED", "SHARED_NO_READ_WRITE", False),
        ("EXCLUSIVE", "SHARED_HIGH_PRIO", True),
    ],
)
def test_which_metadata_lock_keeps_which_out(held: str, wanted: str, stopped: bool) -> None:
    assert stops(held, wanted) is stopped


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"command": "Sleep", "secs": 30}, (2, 0), id="a session that rests"),
        pytest.param({"secs": 3}, (0, 2), id="one that runs a statement: its locks may stay"),
    ],
)
def test_the_end_of_a_statement_is_not_the_end_of_its_transaction(
    change: dict[str, Any], expected: tuple[int, int]
) -> None:
    pairs = [RowWait(waiter=id_, blocker=1, wait_s=9) for id_ in (2, 3)]
    threads = [thread(1, trx_s=40, **change), thread(2), thread(3)]
    look = look_at(*assemble(threads, pairs, []))

    (table,) = tables(look, mysql_locks.PROBE.settings)
    first = table.rows[0].offers[0]

    assert (first.releases, first.more) == expected
    assert [(e.call, e.releases) for e in look.queues[0].helps] == [("kill_connection", 2)]


def test_a_global_lock_is_critical_and_has_no_head() -> None:
    look = look_at(*assemble([thread(1, secs=9, state="Waiting for backup lock")], [], []))

    assert lock_findings(look) == [("MY_LOCK_GLOBAL", "critical", "global lock")]
    assert [f.fact for f in mysql_locks.diagnose(look, mysql_locks.PROBE.settings)] == [False]


FLUSH = "Waiting for table flush"


@pytest.mark.parametrize(
    ("threads", "candidates"),
    [
        pytest.param(
            [thread(8, secs=40), thread(7, secs=90)], [7, 8], id="statements that were there before"
        ),
        pytest.param([thread(7, secs=90, is_backup=True)], [7], id="a backup"),
        pytest.param(
            [
                thread(6, secs=29), thread(7, secs=900, user="system user"),
                thread(8, secs=90, state=MDL), thread(9, secs=90, command="Sleep"),
            ],
            [], id="nobody runs for as long",
        ),
    ],
)  # fmt: skip
def test_a_table_flush_has_candidates_and_no_head(
    threads: list[Thread], candidates: list[int]
) -> None:
    waiting = [thread(1, secs=30, state=FLUSH), thread(2, secs=5, state=FLUSH)]
    look = look_at(*(n for n in assemble([*waiting, *threads], [], []) if n.kind != "metadata"))
    (finding,) = mysql_locks.diagnose(look, mysql_locks.PROBE.settings)
    (table,) = tables(look, mysql_locks.PROBE.settings)
    (queue,) = look.queues

    assert (finding.code, finding.subject, finding.fact) == (
        "MY_LOCK_GLOBAL", "table flush", False,
    )  # fmt: skip
    assert finding.summary == "2 sessions: Waiting for table flush"
    assert "long statement" in finding.likely[0]
    assert (queue.head.id, queue.helps, table.best) == (0, (), ())
    assert [each.id for each in queue.candidates] == candidates
    assert {row.key.split()[0] for row in table.rows} == {"1", "2", *map(str, candidates)}


def test_a_waiter_whose_own_pair_was_not_read_is_no_head() -> None:
    """Sixty waiters for one row are 1,830 pairs: each waits for all before it."""
    waits: dict[str, Any] = {"wait_s": 30, "trx_state": "LOCK WAIT", "trx_s": 31}
    threads = [thread(99, command="Sleep", trx_s=80), *(thread(n, **waits) for n in range(1, 61))]
    pairs = [
        RowWait(waiter=w, blocker=b, wait_s=30) for w in range(2, 61) for b in (99, *range(1, w))
    ]
    nodes = assemble(threads, pairs, [], cut=True)
    look = MysqlLocks(
        server=server(), sees_all=True, queues=queues_of(nodes), nodes=nodes, cut=True, row_waits=60
    )
    cut, row = mysql_locks.diagnose(look, mysql_locks.PROBE.settings)
    (table,) = tables(look, mysql_locks.PROBE.settings)

    assert [(queue.head.id, queue.length) for queue in look.queues] == [(99, 59)]
    assert (cut.code, row.code, row.subject) == ("MY_OBS_SLOW", "MY_LOCK_ROW", "thread 99")
    assert [(o.args["id"], o.releases, o.more) for o in table.best] == [(99, 0, 59)]


def test_a_queue_is_blamed_on_nobody_when_only_a_victim_is_known() -> None:
    victim = thread(1, wait_s=30, trx_state="LOCK WAIT", trx_s=31)
    nodes = assemble([victim, thread(2, wait_s=9)], [RowWait(waiter=2, blocker=1, wait_s=9)], [])
    (table,) = tables(look_at(*nodes), mysql_locks.PROBE.settings)

    assert queues_of(nodes) == ()
    assert table.best == ()
    assert len(table.rows) == 2


def test_of_a_circle_one_is_shown_as_its_head() -> None:
    """innodb_deadlock_detect = OFF: it stays until somebody's time is up."""
    both = [thread(n, wait_s=30, trx_state="LOCK WAIT") for n in (1, 2)]
    nodes = assemble(both, [RowWait(waiter=1, blocker=2), RowWait(waiter=2, blocker=1)], [])

    assert [queue.length for queue in queues_of(nodes)] == [1]


def test_an_account_without_rights_still_hears_that_somebody_waits() -> None:
    look = MysqlLocks(server=server(role="me@10.%"), sees_all=False, row_waits=4)
    (blind,) = mysql_locks.diagnose(look, mysql_locks.PROBE.settings)

    assert blind.code == "MY_OBS_BLIND"
    assert "4 sessions wait" in blind.summary
    assert blind.next == "GRANT PROCESS, REPLICATION CLIENT ON *.* TO 'me'@'10.%';"
    assert next(iter(mysql_locks.facts(look, mysql_locks.PROBE.settings))).value is None


HEAD = {"command": "Sleep", "trx_s": 80}


@pytest.mark.parametrize(
    ("nodes", "takes"),
    [
        pytest.param(
            assemble([thread(1, **HEAD), thread(2)], [RowWait(waiter=2, blocker=1, wait_s=9)], []),
            True,
            id="a session at the head",
        ),
        pytest.param(
            assemble([thread(1, secs=90, is_backup=True), thread(2, secs=9, state=FLUSH)], [], []),
            False,
            id="a backup at the head",
        ),
        pytest.param(
            assemble([thread(2, secs=9, state="Waiting for backup lock")], [], []),
            False,
            id="nobody to be seen at the head",
        ),
        pytest.param((), False, id="nobody waits"),
    ],
)
def test_the_runbook_kills_a_session_at_the_head_only(
    nodes: tuple[LockedThread, ...], takes: bool
) -> None:
    steps = {step.id: step for step in library().get("mysql-locks").steps}
    found = captured(steps["blocker"].capture, builtins(look_at(*nodes)))
    checks = [holds(check.that, {"blocker": found}) for check in steps["terminate"].require]

    assert all(checks) is takes


@pytest.mark.parametrize(
    ("orphans", "severity", "advice"),
    [
        pytest.param(Orphans(transactions=1), "critical", "XA RECOVER", id="prepared"),
        pytest.param(None, "critical", "XA RECOVER", id="gone when we asked"),
        pytest.param(
            Orphans(transactions=2, rolling_back=2), "high", "wait: it ends by itself",
            id="left of a crash",
        ),
    ],
)  # fmt: skip
def test_a_transaction_without_a_session_has_nobody_to_kill(
    orphans: Orphans | None, severity: str, advice: str
) -> None:
    pair = RowWait(waiter=2, blocker=0, wait_s=6, lock_table="shop.orders")
    nodes = assemble([thread(2, wait_s=6)], [pair], [])
    look = MysqlLocks(
        server=server(), sees_all=True, queues=queues_of(nodes), nodes=nodes, orphans=orphans
    )
    (finding,) = mysql_locks.diagnose(look, mysql_locks.PROBE.settings)

    assert (finding.code, finding.severity.value) == ("MY_LOCK_XA", severity)
    assert advice in finding.next
    assert decode(encode(look), MysqlLocks).orphans == orphans


def test_a_lock_over_the_whole_server_is_never_offered_to_be_ended() -> None:
    """Candidates: backups first, then whose last command was the last before the first wait."""
    waits = thread(9, secs=6, state="Waiting for global read lock")
    sleeping = {n: thread(n, command="Sleep", secs=n * 10, query=None) for n in (1, 2)}
    backup = thread(3, secs=900, is_backup=True)
    younger = thread(4, command="Sleep", secs=5, query=None)
    nodes = assemble([waits, *sleeping.values(), backup, younger], [], [])
    (queue,) = queues_of(nodes)

    assert [each.id for each in queue.candidates] == [3, 1, 2]
    (told,) = queues_of(assemble([waits, *sleeping.values()], [], [], whole=(2,)))
    assert (told.head.id, told.helps, told.head.protected) == (2, (), "backup")
