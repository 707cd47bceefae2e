"""PostgreSQL's replication from literals: bytes, seconds, who left, what a slot lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.statements import STATEMENTS
from cockpit.runbooks.library import library
from cockpit.runbooks.values import captured, holds
from cockpit.triage.recording import builtins
from cockpit.triage.view import Offer
from probes.postgres import replication as postgres_replication
from probes.postgres.replication_model import (
    Gone,
    PostgresReplication,
    Reader,
    Receiver,
    Replay,
    Sender,
    Slot,
)
from probes.postgres.subscriptions import LogicalSubscription, SubscriptionErrors, with_errors

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
MIB, GIB = 2**20, 2**30


def replication(**changed: Any) -> PostgresReplication:
    values: dict[str, Any] = {
        "at": AT, "recovery": False, "role": "ro", "sees_all": True, "senders": (), "slots": (),
    }  # fmt: skip
    return PostgresReplication(**{**values, **changed})


def sender(**changed: Any) -> Sender:
    values: dict[str, Any] = {
        "pid": 1, "name": "replica-1", "state": "streaming", "replay_lsn": "0/1", "unsent_b": 0,
        "net_b": 0, "flush_b": 0, "apply_b": 0, "total_b": 0, "reply_age_s": 1.0,
    }  # fmt: skip
    return Sender(**{**values, **changed})


def standby(**changed: Any) -> PostgresReplication:
    values = {
        "recovery": True,
        "receiver": Receiver(status="streaming", last_msg_s=3.0),
        "replay": Replay(backlog_b=0, last_commit_age_s=9000.0),
    }
    return replication(**{**values, **changed})


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(replication(), [], id="no standby is expected"),
        pytest.param(replication(senders=(sender(),)), [], id="it follows"),
        pytest.param(
            replication(senders=(sender(total_b=64 * MIB, apply_b=64 * MIB),)),
            [("PG_REPL_LAG", "warning")],
            id="64 MiB",
        ),
        pytest.param(
            replication(senders=(sender(total_b=GIB, replay_s=0.01),)),
            [("PG_REPL_LAG", "high")],
            id="bytes tell what frozen seconds hide",
        ),
        pytest.param(
            replication(senders=(sender(total_b=0, replay_s=900.0),)),
            [],
            id="old seconds without bytes mean nothing",
        ),
        pytest.param(
            replication(senders=(sender(reply_age_s=31.0),)),
            [("PG_REPL_DOWN", "critical")],
            id="it does not reply",
        ),
        pytest.param(
            replication(gone=(Gone(name="replica-1", at=AT),)),
            [("PG_REPL_DOWN", "critical")],
            id="it left",
        ),
        pytest.param(standby(), [], id="an idle primary makes no lag"),
        pytest.param(
            standby(replay=Replay(backlog_b=2 * MIB, last_commit_age_s=301.0)),
            [("PG_REPL_LAG", "critical")],
            id="five minutes with a backlog",
        ),
        pytest.param(
            standby(replay=Replay(backlog_b=4096, last_commit_age_s=900.0)),
            [],
            id="what one open transaction wrote is no lag",
        ),
        pytest.param(
            standby(replay=Replay(backlog_b=None, last_commit_age_s=900.0)),
            [],
            id="fed from an archive: what came is unknown",
        ),
        pytest.param(
            standby(replay=Replay(backlog_b=GIB, last_commit_age_s=3605.0, delay_s=3600.0)),
            [],
            id="an hour late on purpose",
        ),
        pytest.param(
            standby(replay=Replay(backlog_b=GIB, last_commit_age_s=3661.0, delay_s=3600.0)),
            [("PG_REPL_LAG", "high")],
            id="a minute later than meant",
        ),
        pytest.param(
            standby(replay=Replay(backlog_b=9, stalled=3)),
            [("PG_REPL_APPLY_STALLED", "high")],
            id="replay stands still",
        ),
        pytest.param(
            standby(replay=Replay(backlog_b=9, stalled=3, delay_s=60.0)),
            [],
            id="replay waits as it is meant to",
        ),
        pytest.param(
            standby(aurora=True, receiver=None, replay=None), [], id="an Aurora reader has no link"
        ),
        pytest.param(
            replication(
                aurora=True,
                readers=(
                    Reader(name="w", writer=True, lag_s=99.0),
                    Reader(name="r-1", lag_s=0.02, told_s=0.5),
                    Reader(name="r-2", lag_s=1.0, told_s=0.5),
                    Reader(name="r-3", lag_s=10.0, told_s=0.5),
                    Reader(name="gone", lag_s=900.0, told_s=61.0),
                ),
            ),
            [("PG_REPL_LAG", "warning"), ("PG_REPL_LAG", "high")],
            id="readers of Aurora are judged in seconds",
        ),
        pytest.param(
            replication(aurora=True, unread=("Aurora's readers: no",)),
            [("PG_OBS_BLIND", "info")],
            id="Aurora that does not tell of its readers",
        ),
        pytest.param(
            standby(replay=Replay(backlog_b=9, last_commit_age_s=1.0, paused=True)),
            [("PG_REPL_APPLY_STALLED", "high")],
            id="paused",
        ),
        pytest.param(standby(receiver=None), [("PG_REPL_DOWN", "critical")], id="no receiver"),
        pytest.param(
            standby(receiver=Receiver(status="streaming", last_msg_s=31.0)),
            [],
            id="a quiet link is not dead before a minute",
        ),
        pytest.param(
            standby(receiver=Receiver(status="streaming", last_msg_s=61.0)),
            [("PG_REPL_DOWN", "critical")],
            id="a minute of silence",
        ),
        pytest.param(
            replication(slots=(Slot(name="dms", type="logical", retained_b=5 * GIB),)),
            [("PG_SLOT_RETAIN", "warning")],
            id="a slot keeps 5 GiB",
        ),
        pytest.param(
            replication(slots=(Slot(name="s", type="physical", wal_status="unreserved"),)),
            [("PG_SLOT_RETAIN", "critical")],
            id="a slot about to be lost",
        ),
        pytest.param(
            replication(slots=(Slot(name="s", type="physical", wal_status="lost"),)),
            [("PG_SLOT_LOST", "critical")],
            id="a slot is lost",
        ),
        pytest.param(
            replication(sees_all=False, senders=(Sender(pid=1),)),
            [("PG_OBS_BLIND", "info")],
            id="a role without rights",
        ),
    ],
)
def test_replication_is_judged_in_bytes(
    look: PostgresReplication, expected: list[tuple[str, str]]
) -> None:
    findings = postgres_replication.diagnose(look, postgres_replication.PROBE.settings)

    assert [(f.code, f.severity.value) for f in findings] == expected


def test_replay_that_stands_still_for_three_looks_is_told() -> None:
    look = replication(senders=(sender(apply_b=100, total_b=100),))
    for _ in range(3):
        look = postgres_replication.since(
            look, replication(senders=(sender(apply_b=100, total_b=100),))
        )
    codes = [
        f.code for f in postgres_replication.diagnose(look, postgres_replication.PROBE.settings)
    ]
    moved = postgres_replication.since(
        look, replication(senders=(sender(apply_b=100, total_b=100, replay_lsn="0/2"),))
    )

    assert codes == ["PG_REPL_APPLY_STALLED"]
    assert moved.senders[0].stalled == 0


def test_replay_on_a_standby_that_stands_still_is_counted() -> None:
    look = standby(replay=Replay(backlog_b=9, replay_lsn="0/1"))
    for _ in range(3):
        look = postgres_replication.since(
            look, standby(replay=Replay(backlog_b=9, replay_lsn="0/1"))
        )
    moved = postgres_replication.since(look, standby(replay=Replay(backlog_b=9, replay_lsn="0/2")))
    done = postgres_replication.since(look, standby(replay=Replay(backlog_b=0, replay_lsn="0/1")))

    assert [each.replay.stalled for each in (look, moved, done) if each.replay] == [3, 0, 0]


@pytest.mark.parametrize(
    "passing",
    [
        pytest.param({"name": "pg_basebackup"}, id="a base backup"),
        pytest.param({"name": "barman_streaming_backup", "state": "backup"}, id="another's"),
        pytest.param({"name": "pg_16389_sync_16385_7318231"}, id="a table's first copy"),
        pytest.param({"name": "new", "state": "startup"}, id="one that never followed"),
    ],
)
def test_a_sender_that_is_meant_to_end_is_no_standby_that_left(passing: dict[str, Any]) -> None:
    before = replication(senders=(sender(), sender(pid=2, **passing)))
    left = postgres_replication.since(before, replication())

    assert postgres_replication.since(before, replication(senders=(sender(),))).gone == ()
    assert [each.name for each in left.gone] == ["replica-1"]


def links(*looks: tuple[Sender, ...]) -> list[list[str]]:
    """Who is told to be down, at each of the looks."""
    told, look = [], None
    for number, senders in enumerate(looks):
        now = replication(at=AT + timedelta(minutes=20 * number), senders=senders)
        look = now if look is None else postgres_replication.since(look, now)
        told.append(
            [
                f"{f.subject}: {f.summary}"
                for f in postgres_replication.diagnose(look, postgres_replication.PROBE.settings)
                if f.code == "PG_REPL_DOWN"
            ]
        )
    return told


def test_of_standbys_with_one_name_the_one_that_left_is_told_by_its_address() -> None:
    one, two = (sender(pid=n, name="walreceiver", address=f"10.0.0.{n}") for n in (1, 2))
    again = sender(pid=9, name="walreceiver", address="10.0.0.2")
    said = "walreceiver 10.0.0.2: standby walreceiver 10.0.0.2 does not follow any more"

    assert links((one, two), (one,), (one,), (one, again), (one,)) == [
        [],
        [said],
        [said],
        [],
        [said],
    ]


def test_standbys_behind_one_address_are_counted() -> None:
    one, two = (sender(pid=n, name="walreceiver", address="10.0.0.1") for n in (1, 2))
    said = "walreceiver 10.0.0.1: standby walreceiver 10.0.0.1 does not follow any more"
    both = "walreceiver 10.0.0.1: 2 standbys walreceiver 10.0.0.1 do not follow any more"

    assert links((one, two), (two,), ()) == [[], [said], [both]]


def test_a_standby_that_knocks_and_does_not_follow_is_still_missing_and_then_forgotten() -> None:
    knocks = sender(pid=3, state="startup")
    told = links((sender(),), (), (knocks,), (), (), ())

    assert [len(each) for each in told] == [0, 1, 1, 1, 0, 0]


def test_who_sees_nobody_any_more_does_not_say_that_they_left() -> None:
    before = replication(senders=(sender(),))
    hidden = replication(sees_all=False, senders=(Sender(pid=1),))

    assert postgres_replication.since(before, hidden).gone == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "slot s is lost: its standby must be built anew"),
        (
            {"invalidated": "rows_removed", "type": "logical"},
            "slot s is lost, for rows that it needs were vacuumed away: its consumer must be built "
            "anew",
        ),
        (
            {"invalidated": "something_new"},
            "slot s is lost, for something_new: its standby must be built anew",
        ),
    ],
    ids=["unknown", "rows", "a reason of a later version"],
)
def test_a_lost_slot_says_why_where_the_version_tells(changed: dict[str, Any], said: str) -> None:
    slot = Slot(**{"name": "s", "type": "physical", "wal_status": "lost", **changed})
    (finding,) = postgres_replication.diagnose(
        replication(slots=(slot,)), postgres_replication.PROBE.settings
    )

    assert (finding.summary, library().best(finding.code)) == (said, "pg-disk")
    assert bool(finding.likely) == ("invalidated" not in changed)


PAUSED: dict[str, Any] = {"backlog_b": 9 * MIB, "last_commit_age_s": 30.0, "paused": True}
BOTH_BAD_ENDS = ("the standby shuts down", "is promoted", "max_connections")


def told(look: PostgresReplication) -> str:
    """All that the findings say, with what they advise."""
    found = postgres_replication.diagnose(look, postgres_replication.PROBE.settings)
    return " ".join(f"{f.summary} {f.likely} {f.next}" for f in found)


def offered(look: PostgresReplication) -> tuple[Offer, ...]:
    (replay, *_) = postgres_replication.tables(look, postgres_replication.PROBE.settings)
    return replay.best


def test_who_paused_replay_is_not_known_so_a_resume_is_never_a_low_risk() -> None:
    look = standby(replay=Replay(**PAUSED))
    (offer,) = offered(look)
    statement = STATEMENTS["resume_replay"]
    (step,) = (s for s in library().get("database-replication").steps if s.id == "resume")

    assert (offer.risk, statement.risk, step.risk) == ("high", "high", "high")
    assert all(end in offer.effect for end in BOTH_BAD_ENDS)
    assert all("shuts" in each.effect and "promote" in each.effect for each in (step, statement))
    assert step.undo is not None
    for undo in (statement.undo, step.undo.says):
        assert undo.startswith("none")
    assert "its log says who or what paused it" in told(look)


def told_of(look: PostgresReplication) -> dict[str, Any]:
    """What a step's look captures from: the snapshot, and nothing that was found."""
    return {**builtins(look), "reading": {"findings": [], "facts": []}}


def test_a_restore_that_may_wait_at_its_target_is_never_resumed_from_here() -> None:
    look = standby(replay=Replay(target="recovery_target_time", **PAUSED))
    steps = {step.id: step for step in library().get("database-replication").steps}
    holding = {
        name: [
            holds(check.that, {"replica": captured(steps["replica"].capture, told_of(each))})
            for check in steps["resume"].require
        ]
        for name, each in {"at a target": look, "at none": standby(replay=Replay(**PAUSED))}.items()
    }

    assert offered(look) == ()
    assert "a resume at its target promotes it" in told(look)
    assert holding == {"at a target": [True, True, False, True], "at none": [True] * 4}


@pytest.mark.parametrize(
    ("replay", "said", "never"),
    [
        pytest.param(
            Replay(backlog_b=GIB), "1.0 GiB to replay, how long behind is unknown", "0 ms",
            id="no commit was replayed yet",
        ),
        pytest.param(
            Replay(paused=True), "is paused with an unknown amount to replay", "0 B",
            id="fed from an archive",
        ),
        pytest.param(
            Replay(backlog_b=GIB, last_commit_age_s=90.0), "to replay, 1m 30s behind", "unknown",
            id="both are known",
        ),
    ],
)  # fmt: skip
def test_a_lag_that_is_unknown_is_not_told_as_none(replay: Replay, said: str, never: str) -> None:
    look = standby(replay=replay)

    assert said in told(look)
    assert never not in told(look)


def test_a_standby_without_a_link_does_not_know_how_far_behind_it_is() -> None:
    linked, alone = (
        next(iter(postgres_replication.facts(look, postgres_replication.PROBE.settings)))
        for look in (standby(), standby(receiver=None))
    )

    assert (linked.text, linked.value) == ("0 B behind", 0)
    assert (alone.text, alone.value) == ("unknown", None)


def test_a_standby_that_is_called_so_is_named_once() -> None:
    late = sender(name="standby", reply_age_s=600.0)
    probe = postgres_replication.PROBE
    told = [f.summary for f in probe.diagnose(replication(senders=(late,)), probe.settings)]
    assert "standby has not replied for 10m 00s" in told


def subscribed(*looks: dict[str, Any], seconds: float = 10) -> list[tuple[str, str]]:
    """What is said after such looks at one subscription, `seconds` apart."""
    look = None
    for number, changed in enumerate(looks):
        counted = changed.pop("counted", {})
        each = LogicalSubscription(
            name="shop", **{"workers": 1, "pid": 7, "last_msg_s": 1.0, **changed}
        )
        rows = [SubscriptionErrors(name="shop", counted=counted)]
        now = replication(
            at=AT + timedelta(seconds=number * seconds), subscriptions=with_errors([each], rows)
        )
        look = now if look is None else postgres_replication.since(look, now)
    assert look is not None
    findings = postgres_replication.diagnose(look, postgres_replication.PROBE.settings)
    return [(each.code, each.severity.value) for each in findings]


APART: dict[str, Any] = {"workers": 0, "pid": None, "last_msg_s": None}
DISABLED: dict[str, Any] = {**APART, "enabled": 0}


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([{}, {}], [], id="it applies"),
        pytest.param([{}, APART], [], id="its worker is away for a moment"),
        pytest.param([{}, APART, APART], [("PG_SUB_DOWN", "high")], id="it has no worker"),
        pytest.param([APART], [], id="at the first look nobody knows"),
        pytest.param([{}, {"pid": 8}, {"pid": 9}], [], id="two restarts"),
        pytest.param(
            [{}, {"pid": 8}, {"pid": 9}, {"pid": 10}], [("PG_SUB_DOWN", "high")],
            id="another worker at each look",
        ),
        pytest.param([DISABLED], [("PG_SUB_DOWN", "warning")], id="disabled before we came"),
        pytest.param([{}, DISABLED], [("PG_SUB_DOWN", "high")], id="disabled while we looked"),
        pytest.param([{"last_msg_s": 59.0}], [], id="a slow sign of life"),
        pytest.param([{"last_msg_s": 61.0}], [("PG_SUB_STALLED", "warning")], id="it is mute"),
        pytest.param([{"last_msg_s": 181.0}], [("PG_SUB_STALLED", "high")], id="and stays so"),
        pytest.param([{"not_ready": 3}, {"not_ready": 3}], [], id="the first copy is under way"),
        pytest.param(
            [{"counted": {"apply_error_count": 900}}, {"counted": {"apply_error_count": 900}}], [],
            id="errors of long ago",
        ),
        pytest.param(
            [{"counted": {"apply_error_count": 0}}, {"counted": {"apply_error_count": 1}}], [],
            id="the publisher was restarted",
        ),
        pytest.param(
            [{"counted": {"apply_error_count": 0}}, {"counted": {"apply_error_count": 2}}],
            [("PG_SUB_CONFLICT", "high")], id="it fails again and again",
        ),
        pytest.param(
            [{"counted": {"sync_seq_error_count": 0}}, {"counted": {"sync_seq_error_count": 2}}],
            [("PG_SUB_CONFLICT", "high")], id="a kind of error that is new",
        ),
        pytest.param(
            [{"counted": {"confl_update_missing": 0}}, {"counted": {"confl_update_missing": 4}}],
            [("PG_SUB_CONFLICT", "warning")], id="it passes over rows that are not here",
        ),
        pytest.param(
            [{"counted": {"confl_zebra": 0}}, {"counted": {"confl_zebra": 1}}],
            [("PG_SUB_CONFLICT", "warning")], id="a kind of conflict that is new",
        ),
    ],
)  # fmt: skip
def test_a_subscription_is_judged_by_its_worker_and_by_what_it_met(
    looks: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert subscribed(*[dict(each) for each in looks]) == expected


def test_an_error_is_told_for_a_minute_and_then_forgotten() -> None:
    failed = [{"counted": {"apply_error_count": n}} for n in (0, 3, 3, 3, 3, 3, 3, 3)]

    assert subscribed(*[dict(each) for each in failed[:7]]) == [("PG_SUB_CONFLICT", "high")]
    assert subscribed(*[dict(each) for each in failed]) == []


def test_a_slot_that_is_lost_to_a_conflict_is_not_blamed_on_a_limit_of_its_size() -> None:
    look = replication(
        slots=(Slot(name="cdc", type="logical", wal_status="lost", conflicting=True),)
    )
    (finding,) = postgres_replication.diagnose(look, postgres_replication.PROBE.settings)

    assert finding.code == "PG_SLOT_LOST"
    assert "a conflict with replay" in finding.summary
    assert finding.likely == ()
