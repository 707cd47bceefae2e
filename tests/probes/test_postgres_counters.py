"""Counters into rates, and what is said of them, from literals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.triage.recording import decode, encode
from probes.postgres.counters import PROBE, Settings, diagnose
from probes.postgres.counters_model import (
    Checkpoints,
    ChecksumFailures,
    Database,
    PostgresCounters,
    Totals,
    WaitSample,
    since,
    window,
)
from probes.postgres.counters_view import meaning
from probes.postgres.held import HeldWait, SampledWait, held_of
from probes.postgres.pulse import Wait

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
MIB = 2**20
ZERO = dict.fromkeys(("xact_commit", "xact_rollback", "blks_hit", "blks_read", "temp_files", "temp_bytes", "deadlocks", "sessions", "sessions_fatal", "sessions_killed", "sessions_abandoned"), 0)  # fmt: skip


def counters(
    seconds: float = 0,
    *,
    timed: int = 0,
    requested: int = 0,
    conflicts: dict[str, int] | None = None,
    waits: tuple[Wait, ...] = (),
    totals: dict[str, Any] | None = None,
    **counted: Any,
) -> PostgresCounters:
    values: dict[str, Any] = {
        "at": AT + timedelta(seconds=seconds),
        "started": AT - timedelta(days=1),
        "recovery": False,
        "role": "ro",
        "sees_all": True,
        "checkpointer": True,
        "databases": (Database(datname="shop", **{**ZERO, **counted}),),
        "conflicts": conflicts or {},
    }
    return PostgresCounters(
        totals=Totals(**{**values, **(totals or {})}),
        checkpoints=Checkpoints(timed=timed, requested=requested),
        samples=tuple(WaitSample(waits=waits) for _ in range(5)),
    )


def after(seconds: float = 60, **changed: Any) -> PostgresCounters:
    """A look that long after one where every counter was zero."""
    return since(counters(), counters(seconds, **changed))


def found(look: PostgresCounters, settings: Settings | None = None) -> list[tuple[str, str]]:
    return [(each.code, each.severity.value) for each in diagnose(look, settings or Settings())]


@pytest.mark.parametrize(
    ("gained", "expected"),
    [
        pytest.param({}, [], id="nothing happened"),
        pytest.param({"deadlocks": 1}, [("PG_LOCK_DEADLOCKS", "info")], id="one deadlock"),
        pytest.param({"deadlocks": 4}, [("PG_LOCK_DEADLOCKS", "info")], id="four in a minute"),
        pytest.param({"deadlocks": 5}, [("PG_LOCK_DEADLOCKS", "warning")], id="five in a minute"),
        pytest.param({"requested": 2}, [], id="two requested checkpoints"),
        pytest.param({"requested": 3}, [("PG_IO_CHECKPOINTS", "warning")], id="three of them"),
        pytest.param({"requested": 3, "timed": 3}, [], id="as many came by the timer"),
        pytest.param({"xact_rollback": 599, "xact_commit": 0}, [], id="fewer than ten a second"),
        pytest.param(
            {"xact_rollback": 600, "xact_commit": 600}, [("PG_TX_ROLLBACKS", "warning")],
            id="half of the transactions are rolled back",
        ),
        pytest.param(
            {"xact_rollback": 600, "xact_commit": 3000}, [], id="a fifth of the commits is usual"
        ),
        pytest.param({"sessions_killed": 1}, [("PG_SESS_FATAL", "info")], id="one was ended"),
        pytest.param(
            {"sessions_abandoned": 5}, [("PG_SESS_FATAL", "warning")], id="five clients went away"
        ),
        pytest.param({"blks_hit": 96, "blks_read": 4}, [], id="a good share of hits"),
        pytest.param({"blks_hit": 0, "blks_read": 59_999}, [], id="too few reads to judge"),
        pytest.param(
            {"blks_hit": 940_000, "blks_read": 60_000}, [("PG_IO_CACHE", "info")], id="94% hits"
        ),
        pytest.param(
            {"blks_hit": 60_000, "blks_read": 60_000}, [("PG_IO_CACHE", "warning")], id="50% hits"
        ),
    ],
)  # fmt: skip
def test_gains_are_graded(gained: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(after(**gained)) == expected


@pytest.mark.parametrize(
    ("mebibytes", "expected"),
    [
        pytest.param((0, 12_000), [], id="one long sort ended: it counts at once what took hours"),
        pytest.param((12_000, 12_000), [], id="and a while ago"),
        pytest.param((1400, 2940), [], id="just below"),
        pytest.param((1500, 3000), [("PG_IO_TEMP", "warning")], id="spills"),
        pytest.param((6000, 12_000), [("PG_IO_TEMP", "high")], id="many spills"),
    ],
)
def test_temporary_files_are_told_when_statements_go_on_writing_them(
    mebibytes: tuple[int, int], expected: list[tuple[str, str]]
) -> None:
    look = counters()
    for number, written in enumerate(mebibytes, 1):
        look = since(look, counters(number * 30, temp_bytes=written * MIB))
    summaries = [each.summary for each in diagnose(look, Settings())]

    assert found(look) == expected
    assert all(
        summary.startswith("statements that ended in the last 1m 00s had written ")
        for summary in summaries
    )


STANDBY = {"recovery": True}


@pytest.mark.parametrize(
    ("recovery", "ended", "expected"),
    [
        pytest.param(True, 1, [("PG_REPL_CONFLICT", "warning")], id="a standby"),
        pytest.param(True, 0, [], id="none ended"),
        pytest.param(False, 1, [], id="a primary has none"),
    ],
)
def test_conflicts_are_told_on_standbys(
    recovery: bool, ended: int, expected: list[tuple[str, str]]
) -> None:
    role = {"recovery": recovery}
    before = counters(conflicts={"confl_snapshot": 2}, totals=role)
    now = counters(15, conflicts={"confl_snapshot": 2 + ended}, totals=role)
    assert found(since(before, now)) == expected


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"xact_commit": 99}, id="a counter fell"),
        pytest.param({"xact_commit": 500, "stats_reset": AT}, id="the reset time moved"),
        pytest.param({"xact_commit": 500, "totals": {"started": AT}}, id="a restart"),
        pytest.param({"xact_commit": 500, "totals": STANDBY}, id="a change of role"),
        pytest.param({"xact_commit": 500, "seconds": 0}, id="no time has passed"),
        pytest.param({"xact_commit": 500, "seconds": -10}, id="the clock went back"),
        pytest.param({"xact_commit": 500, "seconds": 301}, id="a gap"),
        pytest.param({"xact_commit": 500, "totals": {"databases": ()}}, id="the database is gone"),
    ],
)
def test_what_cannot_be_compared_gives_no_rate(changed: dict[str, Any]) -> None:
    now = counters(**{"seconds": 60, **changed})
    look = since(counters(xact_commit=100), now)
    assert window(look, 60, "shop") is None
    assert PROBE.facts is not None
    assert next(iter(PROBE.facts(look, PROBE.settings))).text == "unknown until the next look"


def test_a_version_that_does_not_count_is_unknown_and_not_zero() -> None:
    before, now = (counters(s, sessions_fatal=None, sessions_killed=None, sessions_abandoned=None)
                   for s in (0, 60))  # fmt: skip
    look = since(before, now)
    minute = window(look, 60, "shop")
    assert minute is not None
    assert minute.per_s("fatal") is None
    assert found(look) == []


def test_a_window_adds_looks_up_and_forgets_the_old_ones() -> None:
    look = counters()
    for number in range(1, 41):
        look = since(look, counters(number * 15, deadlocks=number, xact_commit=number * 150))
    minute, five = window(look, 60), window(look, 300)
    assert minute is not None
    assert five is not None
    assert (minute.gain.deadlocks, minute.seconds) == (4, 60)
    assert (five.gain.deadlocks, five.seconds) == (20, 300)
    assert minute.per_s("commits") == 10
    assert len(look.pairs) <= 21


LOCK, CPU, SLEEP = (Wait(type=kind, event=event, n=10) for kind, event in (
    ("Lock", "transactionid"), ("CPU", ""), ("Timeout", "PgSleep")))  # fmt: skip


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        pytest.param((), [], id="nobody is active"),
        pytest.param((LOCK,), [("PG_WAIT_DOMINANT", "warning")], id="all wait for a lock"),
        pytest.param((replace(LOCK, n=40),), [("PG_WAIT_DOMINANT", "high")], id="forty of them"),
        pytest.param((replace(LOCK, n=7),), [], id="fewer than the CPUs"),
        pytest.param((LOCK, CPU), [], id="half and half"),
        pytest.param((SLEEP,), [], id="sleeping is harmless"),
    ],
)
def test_the_wait_of_most_sessions_is_told(
    waits: tuple[Wait, ...], expected: list[tuple[str, str]]
) -> None:
    look = since(counters(waits=waits), counters(15, waits=waits))
    assert found(look) == expected


def test_one_look_has_too_few_samples() -> None:
    assert found(counters(waits=(LOCK,))) == []


def test_checkpoints_weigh_more_when_sessions_wait_for_the_disk() -> None:
    disk = (Wait(type="IO", event="DataFileRead", n=3),)
    look = since(counters(waits=disk), counters(60, waits=disk, requested=3))
    assert ("PG_IO_CHECKPOINTS", "high") in found(look)


@pytest.mark.parametrize(
    ("kind", "event", "says"),
    [
        ("LWLock", "WALWrite", "commits queue for the log"),
        ("LWLock", "LockManager", "too many tables or partitions a query"),
        ("LWLock", "BufferMapping", "many sessions want the same pages"),
        ("IO", "DataFileRead", "reads and writes tables"),
        ("IO", "WALSync", "waits for commits to reach the disk"),
        ("IO", "WalSync", "waits for commits to reach the disk"),
        ("IO", "BuffileWrite", "sorts and hashes spill to disk"),
        ("IPC", "SyncRep", "commits wait for a synchronous standby"),
        ("Extension", "Neon", "waits for Extension Neon"),
    ],
)
def test_events_are_known_by_their_prefix(kind: str, event: str, says: str) -> None:
    assert meaning(kind, event).says == says


def test_a_look_is_recorded_and_read_back() -> None:
    look = after(deadlocks=1, waits=(LOCK,))
    assert decode(encode(look), PostgresCounters) == look


def login(per_s: float, usual: float | None = None) -> PostgresCounters:
    """A minute with so many logins a second, after one with `usual` of them."""
    if usual is None:
        return after(60, sessions=int(60 * per_s))
    first = since(counters(), counters(60, sessions=int(60 * usual)))
    return since(first, counters(120, sessions=int(60 * (usual + per_s))))


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(login(19), [], id="just below"),
        pytest.param(login(259), [("PG_CONN_CHURN", "warning")], id="at the first minute: no rise"),
        pytest.param(
            login(259, 1), [("PG_CONN_CHURN", "high")], id="after pooling was switched off"
        ),
        pytest.param(login(30, 1), [("PG_CONN_CHURN", "warning")], id="a rise, and few"),
        pytest.param(login(259, 200), [("PG_CONN_CHURN", "warning")], id="as always: a habit"),
        pytest.param(login(19, 1), [], id="a release that renews its pools"),
    ],
)
def test_logins_are_told_by_their_rate_and_high_when_they_rose(
    look: PostgresCounters, expected: list[tuple[str, str]]
) -> None:
    assert found(look) == expected


NOT_COUNTED: dict[str, Any] = {"sessions": None}


def test_logins_that_a_version_does_not_count_are_no_finding() -> None:
    assert found(since(counters(**NOT_COUNTED), counters(60, **NOT_COUNTED))) == []


def standing(kind: str, event: str, stuck: int, others: int = 0, seconds: float = 15) -> Any:
    """Two looks at so many sessions that stand in one wait, beside others on the CPU."""
    waits = (Wait(type=kind, event=event, n=stuck), Wait(type="CPU", event="", n=others))
    sample = [
        SampledWait(type=kind, event=event, n=stuck, statements=tuple(map(str, range(stuck))))
    ]
    held = held_of([sample, sample])
    first = replace(counters(waits=waits), held=held)
    return since(first, replace(counters(seconds, waits=waits), held=held))


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(standing("Extension", "Extension", 5), [("PG_WAIT_STUCK", "high")],
                     id="five of five"),
        pytest.param(standing("Zebra", "Stripes", 3), [("PG_WAIT_STUCK", "warning")],
                     id="a wait that nobody has heard of"),
        pytest.param(standing("IO", "WALSync", 3), [("PG_WAIT_STUCK", "warning")],
                     id="commits on a disk that hangs"),
        pytest.param(standing("LWLock", "Zebra", 3), [("PG_WAIT_STUCK", "warning")], id="a latch"),
        pytest.param(standing("Extension", "Extension", 2), [], id="two: reports, perhaps"),
        pytest.param(standing("Extension", "Extension", 3, 3), [], id="half of them work"),
        pytest.param(standing("Extension", "Extension", 5, seconds=9), [], id="not for long"),
        pytest.param(standing("Extension", "Extension", 5, seconds=91), [], id="a gap between"),
        pytest.param(standing("Lock", "relation", 5), [], id="told by the locks"),
        pytest.param(standing("IPC", "SyncRep", 5), [], id="told by the replication"),
        pytest.param(standing("IO", "DataFileRead", 5), [], id="reports that read"),
        pytest.param(standing("IO", "AioIoCompletion", 5), [], id="reports that read, 18"),
        pytest.param(standing("CPU", "", 5), [], id="reports that compute"),
        pytest.param(standing("IPC", "ExecuteGather", 5), [], id="reports with workers"),
        pytest.param(standing("Client", "ClientRead", 5), [], id="a copy that waits for its file"),
        pytest.param(standing("Timeout", "PgSleep", 5), [], id="sleep on purpose"),
    ],
)  # fmt: skip
def test_few_sessions_that_do_not_move_are_told(
    look: PostgresCounters, expected: list[tuple[str, str]]
) -> None:
    assert found(look) == expected


def test_a_wait_that_is_new_is_told_by_its_name() -> None:
    look = standing("Zebra", "Stripes", 4)
    (finding,) = diagnose(look, Settings())

    assert "4 of 4 sessions at work have not moved for 15s: waits for Zebra Stripes" in (
        finding.summary
    )
    facts = {fact.label: fact.text for fact in PROBE.facts(look, Settings())} if PROBE.facts else {}
    assert facts["waits by kind"] == "Zebra 100%, CPU 0%"


def test_a_statement_is_held_only_when_every_sample_saw_it_in_that_wait() -> None:
    def sample(**seen: tuple[str, ...]) -> list[SampledWait]:
        return [SampledWait(type=t, event="e", n=len(s), statements=s) for t, s in seen.items()]

    samples = [sample(IO=("1", "2"), IPC=("3",)), sample(IO=("1",), IPC=("2", "3"))]

    assert held_of(samples) == (
        HeldWait(statement="1", type="IO", event="e"),
        HeldWait(statement="3", type="IPC", event="e"),
    )
    assert held_of(samples[:1]) == ()


@pytest.mark.parametrize(
    ("failures", "days", "expected"),
    [
        pytest.param(None, None, [], id="checksums are off"),
        pytest.param(0, None, [], id="none"),
        pytest.param(1, 6.9, [("PG_CHECKSUM_FAILURES", "critical")], id="this week"),
        pytest.param(1, 7.1, [("PG_CHECKSUM_FAILURES", "warning")], id="long ago"),
        pytest.param(1, None, [("PG_CHECKSUM_FAILURES", "critical")], id="nobody knows when"),
    ],
)
def test_damaged_data_is_told_at_the_first_look(
    failures: int | None, days: float | None, expected: list[tuple[str, str]]
) -> None:
    last = None if days is None else AT - timedelta(days=days)
    in_database = counters(checksum_failures=failures, checksum_last_failure=last)
    shared = counters(totals={"shared": ChecksumFailures(number=failures, last=last)})

    assert found(in_database) == expected
    assert found(shared) == expected
