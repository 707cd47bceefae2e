"""The first fact of every engine: whether its clients are answered, what fails, who waits."""

from __future__ import annotations

import pytest

from cockpit.triage import recording
from cockpit.triage.registry import registry
from probes.postgres.pulse import Wait
from probes.postgres.rush import Rush, answers
from probes.redis.tally import Endings
from probes.served import served
from tests.probes.postgres_looks import pulse
from tests.recorded import octets


@pytest.mark.parametrize(
    ("answered", "failed", "waiting", "text"),
    [
        pytest.param(120.0, 0.0, 0, "120/s", id="all is well"),
        pytest.param(120.0, 2.0, 3, "120/s · 2/s fail · 3 wait", id="some fail and some wait"),
        pytest.param(0.0, None, 1, "0/s · 1 waits", id="nobody is answered"),
        pytest.param(None, None, None, "answers", id="there is no earlier look"),
        pytest.param(None, None, 8, "answers · 8 wait", id="who waits is known at once"),
    ],
)
def test_it_is_told_in_one_shape(
    answered: float | None, failed: float | None, waiting: int | None, text: str
) -> None:
    fact = served(answered, failed=failed, waiting=waiting)

    assert (fact.label, fact.text, fact.value) == ("answered", text, answered)


@pytest.mark.parametrize(
    ("name", "probe", "text"),
    [
        ("memcached_health_full", "memcached.health", "/s · "),
        ("mysql_sessions_metadata_lock", "mysql.sessions", "wait"),
        ("mysql_sessions_galera_alone", "mysql.sessions", "37/s"),
        ("pgbouncer_pools_clients_wait", "pgbouncer.pools", "answers · 8 wait"),
        ("postgres_sessions_lock_storm", "postgres.sessions", "wait"),
        ("redis_health_errors_by_kind", "redis.health", "/s fail"),
    ],
)
def test_it_is_the_headline_of_each_engine(name: str, probe: str, text: str) -> None:
    chosen = registry()[probe]
    look = recording.decode(octets(name), chosen.snapshot)
    assert chosen.facts is not None
    first = next(iter(chosen.facts(look, chosen.settings)))

    assert chosen.leads
    assert first.label == "answered"
    assert text in first.text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(5.0, "20/s · 2/s fail · 3 wait", id="a pulse after the other"),
        pytest.param(0.4, "answers · 3 wait", id="sessions have not reported since"),
    ],
)
def test_postgresqls_transactions_are_told_once_its_sessions_have_reported(
    seconds: float, text: str
) -> None:
    gained = (
        Rush(datname="shop", seconds=seconds, sessions=0, commits=60, rollbacks=10),
        Rush(datname="logs", seconds=seconds, sessions=0, commits=40, rollbacks=0),
    )
    waits = (Wait(type="IPC", event="SyncRep", n=2), Wait(type="Client", event="ClientRead", n=9))

    assert answers(gained, pulse(waits=waits, lock_waiters=1)).text == text


@pytest.mark.parametrize(
    ("kinds", "refused", "per_s"),
    [
        pytest.param({}, 0, 100.0, id="all end well"),
        pytest.param({"OOM": 6_000}, 6_000, 100.0, id="what was refused was never executed"),
        pytest.param({"WRONGTYPE": 3_000}, 0, 50.0, id="what failed was"),
    ],
)
def test_a_caches_commands_that_ended_well(
    kinds: dict[str, int], refused: int, per_s: float
) -> None:
    minute = Endings(seconds=60.0, kinds=kinds, commands={}, executed=6_000, refused=refused)
    assert minute.served_per_s == per_s
