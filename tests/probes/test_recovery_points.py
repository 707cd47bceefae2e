"""Copies that a recovery could start from: each says the most that it may lack, or that it is
not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from probes.mysql.channels import Channel
from probes.mysql.replication import MysqlReplication
from probes.mysql.replication import points as of_mysql
from probes.postgres.recovery import points as of_postgres
from probes.postgres.replication_model import PostgresReplication, Receiver, Replay, Sender
from probes.rds.recovery import points as of_rds
from tests.probes.fake_aws import AT
from tests.probes.rds_looks import aurora, cluster, instance, snapshot
from tests.probes.test_mysql_replication import server

SERVER = server(read_only=True)
LINKED = Receiver(status="streaming", last_msg_s=2.0)
CUT = Receiver(status="waiting", last_msg_s=300.0)


def postgres(**given: Any) -> PostgresReplication:
    base = PostgresReplication(at=AT, recovery=False, role="r", sees_all=True, senders=(), slots=())
    return replace(base, **given)


def sender(**given: Any) -> Sender:
    base = Sender(pid=1, name="standby", state="streaming", total_b=0.0, reply_age_s=1.0)
    return replace(base, **given)


@pytest.mark.parametrize(
    ("replay", "receiver", "behind"),
    [
        pytest.param(Replay(backlog_b=0, last_commit_age_s=900.0), LINKED, 2.0, id="idle and linked"),
        pytest.param(Replay(backlog_b=9, last_commit_age_s=30.0), LINKED, 30.0, id="it replays"),
        pytest.param(Replay(backlog_b=0, last_commit_age_s=900.0), CUT, 900.0,
                     id="without a link nothing says what came after the last commit"),
        pytest.param(Replay(backlog_b=0, last_commit_age_s=900.0), None, 900.0, id="from an archive"),
        pytest.param(Replay(backlog_b=9), LINKED, None, id="no commit was replayed yet"),
        pytest.param(Replay(backlog_b=0), CUT, None, id="no link and no commit"),
    ],
)  # fmt: skip
def test_a_standby_lacks_at_most_what_came_since_its_primary_was_heard(
    replay: Replay, receiver: Receiver | None, behind: float | None
) -> None:
    look = postgres(recovery=True, replay=replay, receiver=receiver)
    assert [point.behind for point in of_postgres(look)] == [behind]


@pytest.mark.parametrize(
    ("senders", "points"),
    [
        pytest.param((), [], id="no standby"),
        pytest.param((sender(),), [("standby", 1.0)], id="all is there"),
        pytest.param((sender(total_b=9.0, replay_s=4.0),), [("standby", 5.0)], id="a lag"),
        pytest.param((sender(total_b=9.0),), [("standby", None)], id="a lag in bytes alone"),
        pytest.param((sender(reply_age_s=None),), [("standby", None)], id="hidden from the role"),
        pytest.param((sender(name="pg_basebackup"),), [], id="a base backup is no copy yet"),
        pytest.param((sender(state=None),), [], id="nothing is seen of it"),
    ],
)
def test_a_primary_tells_of_the_standbys_that_follow(
    senders: tuple[Sender, ...], points: list[tuple[str, float | None]]
) -> None:
    found = of_postgres(postgres(senders=senders))
    assert [(point.name, point.behind) for point in found] == points


def test_aurora_s_readers_are_no_second_copy() -> None:
    assert list(of_postgres(postgres(aurora=True, senders=(sender(),)))) == []


def mysql(**given: Any) -> MysqlReplication:
    base = Channel(source="db:3306", io="Yes", sql="Yes", behind_s=0.0)
    return MysqlReplication(server=SERVER, channels=(replace(base, **given),))


@pytest.mark.parametrize(
    ("given", "behind"),
    [
        pytest.param({}, 60.0, id="a silence that nobody counts"),
        pytest.param({"heard": SERVER.at - timedelta(seconds=5), "behind_s": 3.0}, 8.0, id="heard"),
        pytest.param({"sql": "No"}, None, id="stopped"),
        pytest.param({"io": "Connecting"}, None, id="no link"),
        pytest.param({"behind_s": None}, None, id="not told"),
    ],
)
def test_a_replica_of_mysql_lacks_its_lag_and_the_silence_of_its_primary(
    given: dict[str, Any], behind: float | None
) -> None:
    assert [point.behind for point in of_mysql(mysql(**given))] == [behind]


def test_a_primary_of_mysql_knows_of_no_copy() -> None:
    assert list(of_mysql(MysqlReplication(server=SERVER))) == []


def test_rds_restores_up_to_what_it_says_and_without_backups_to_nothing_that_is_known() -> None:
    until = AT - timedelta(minutes=4)
    (point,) = of_rds(snapshot(instance(restorable_until=until)))
    assert (point.name, point.behind) == ("backups of orders", 240.0)
    assert list(of_rds(snapshot(instance()))) == []


def test_the_instances_of_a_cluster_share_its_backups() -> None:
    own = cluster(restorable_until=AT - timedelta(seconds=30))
    (point,) = of_rds(aurora(own, instance("shop-1", restorable_until=AT - timedelta(days=1))))
    assert (point.name, point.behind) == ("backups of shop", 30.0)
