"""Who paused a standby's replay, from literals: a person only when nothing else can have been."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cockpit.triage.finding import Severity
from cockpit.triage.probe import Neighbour
from probes.postgres.commits import commit_findings, still_waiting
from probes.postgres.pauses import beside
from probes.postgres.replication import Settings
from probes.postgres.replication_model import (
    PostgresReplication,
    Replay,
    Sender,
    SyncReplication,
    WaitingCommit,
)
from tests.probes.postgres_looks import AT

HOUR = timedelta(hours=1)
SETTINGS = {"max_connections": 100, "max_worker_processes": 8}


def look(**changed: object) -> PostgresReplication:
    values: dict[str, object] = {
        "at": AT,
        "recovery": False,
        "role": "ro",
        "sees_all": True,
        "senders": (),
        "slots": (),
        "version": 160004,
        "started": AT - HOUR,
        "settings": SETTINGS,
        "system": "7",
    }
    return PostgresReplication(**{**values, **changed})  # type: ignore[arg-type]


def standby(
    *, commit: datetime | None = AT, target: str | None = None, **changed: object
) -> PostgresReplication:
    replay = Replay(paused=True, last_commit_at=commit, target=target)
    return look(recovery=True, replay=replay, **changed)


def told(here: PostgresReplication, *others: Neighbour[PostgresReplication]) -> tuple[str, str]:
    pause = beside(here, others).pause
    assert pause is not None
    return pause.why, pause.primary


def other(
    name: str = "orders", *, needed: bool = False, **changed: object
) -> Neighbour[PostgresReplication]:
    return Neighbour(name, needed, 1.0, look(**changed))


LARGER = {**SETTINGS, "max_connections": 200}


@pytest.mark.parametrize(
    ("here", "others", "expected"),
    [
        pytest.param(standby(), (), ("unknown", ""), id="no primary is looked at"),
        pytest.param(standby(), (other(),), ("person", "orders"), id="a sibling of the same system rules a setting out"),
        pytest.param(standby(), (other(settings=LARGER),), ("parameter", "orders"), id="a setting is below the primary's"),
        pytest.param(
            standby(settings=LARGER), (other(),), ("person", "orders"), id="a setting may be larger than the primary's"
        ),
        pytest.param(
            standby(target="recovery_target_time"), (other(),), ("target", "orders"), id="a restore may wait at its target"
        ),
        pytest.param(
            standby(commit=AT - 2 * HOUR), (other(),), ("unknown", "orders"),
            id="what was replayed last is older than the primary's start: it may have been larger before",
        ),
        pytest.param(standby(commit=None), (other(),), ("unknown", "orders"), id="no commit was replayed yet"),
        pytest.param(standby(version=130010), (), ("person", ""), id="13 shuts down instead of pausing"),
        pytest.param(standby(), (other(system="8"),), ("unknown", ""), id="another system is no sibling"),
        pytest.param(standby(), (other(recovery=True),), ("unknown", ""), id="another standby is no primary"),
        pytest.param(
            standby(system=""), (other(system=""),), ("unknown", ""), id="who cannot read the identifier has no sibling"
        ),
        pytest.param(
            standby(system=""), (other(needed=True, system=""),), ("person", "orders"), id="but what it needs is its primary"
        ),
        pytest.param(
            standby(), (other(needed=True, system="8"),), ("unknown", ""), id="needs names a server of another system"
        ),
        pytest.param(
            standby(), (other(), other("copy")), ("unknown", ""), id="two primaries of one system: a restored copy"
        ),
        pytest.param(
            standby(), (other(needed=True), other("copy")), ("person", "orders"), id="needs says which of the two it is"
        ),
        pytest.param(standby(), (other(settings={}),), ("unknown", "orders"), id="its settings were not read"),
    ],
)  # fmt: skip
def test_a_pause_is_a_persons_only_when_nothing_else_can_have_been(
    here: PostgresReplication,
    others: tuple[Neighbour[PostgresReplication], ...],
    expected: tuple[str, str],
) -> None:
    assert told(here, *others) == expected


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ("", 0),
        ("oslo", 1),
        ("oslo, bergen", 1),
        ("*", 1),
        ("FIRST 2 (oslo, bergen)", 2),
        ("any 3 (a, b, c, d)", 3),
        ('2 ("1 (a", b)', 2),
        ('"2 (a)"', 1),
    ],
)
def test_how_many_standbys_a_commit_needs(wanted: str, number: int) -> None:
    assert SyncReplication(wanted=wanted).number == number


WAITS = WaitingCommit(pid=9, name="checkout", began=AT, query_s=3.0)


def sender(state: str | None) -> Sender:
    return Sender(pid=4, name="oslo", state="streaming", sync_state=state)


@pytest.mark.parametrize(
    ("senders", "waits", "expected"),
    [
        pytest.param((), (WAITS,), [Severity.CRITICAL], id="gone, and somebody waits"),
        pytest.param((), (), [Severity.HIGH], id="gone, and nobody writes"),
        pytest.param((sender("async"),), (WAITS,), [Severity.CRITICAL], id="there under another name"),
        pytest.param((sender("sync"),), (WAITS,), [], id="there: every commit waits for a moment"),
        pytest.param((sender("quorum"),), (replace(WAITS, seen_s=6.0),), [Severity.CRITICAL], id="there, and does not confirm"),
    ],
)  # fmt: skip
def test_a_commit_that_waits_is_judged_by_who_follows(
    senders: tuple[Sender, ...], waits: tuple[WaitingCommit, ...], expected: list[Severity]
) -> None:
    seen = look(senders=senders, sync=SyncReplication(wanted="oslo", waiting=waits))

    assert [each.severity for each in commit_findings(seen, Settings().sync_wait)] == expected


def test_a_role_that_sees_no_state_of_standbys_says_nothing_of_them() -> None:
    seen = look(senders=(sender(None),), sees_all=False, sync=SyncReplication(wanted="oslo"))

    assert list(commit_findings(seen, Settings().sync_wait)) == []


def test_only_the_same_statement_of_the_same_session_is_seen_again() -> None:
    before = SyncReplication(wanted="a", waiting=(replace(WAITS, seen_s=2.0),))
    now = SyncReplication(
        wanted="a",
        waiting=(WAITS, replace(WAITS, pid=10), replace(WAITS, began=AT + HOUR)),
    )
    found = still_waiting(before, now, 10.0)

    assert found is not None
    assert [each.seen_s for each in found.waiting] == [12.0, 0.0, 0.0]
