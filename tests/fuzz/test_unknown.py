"""No state, wait, event, error or reason is dropped because nobody has heard of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cockpit.connect.session import Series
from cockpit.triage.probe import AnyProbe
from probes.answers import blind_series, partly_blind
from tests.fuzz.unknown import dropped, recorded, unnamed

OURS = "our own word, which no server says"
OF_THE_WELL = "told where its state is not well"
ELSEWHERE = "told by another probe of the kind"
REPLICATION = "of a thread of replication, which has a probe of its own"
UNTOLD = {
    "alb.attributes type": "the class of a balancer, by which its rules are chosen",
    "autoscaling_group.capacity alarms.reason": "told where no alarm of the policy can be read",
    "ecs.service service.launch_type": "the class of its hosts",
    "ecs.service primary.status": "which of the deployments it is",
    "ecs.service primary.reason": OF_THE_WELL,
    "ecs.service definition.status": "of a definition that runs: it can be deregistered and serves",
    "ecs.service previous.status": "of a definition that runs: it can be deregistered and serves",
    "lambda_function.status polled.state": "the same mapping is told among the mappings",
    "lambda_function.status reports.status": "the line is shown as it is",
    "lambda_function.status reports.error": "the line is shown as it is",
    "mysql.locks queues.head.trx_state": ELSEWHERE,
    "mysql.locks queues.candidates.trx_state": ELSEWHERE,
    "mysql.locks queues.candidates.state": ELSEWHERE,
    "mysql.locks nodes.state": ELSEWHERE,
    "mysql.locks nodes.trx_state": ELSEWHERE,
    "mysql.sessions threads.trx_state": "RUNNING and the like, of which only rolling back matters",
    "mysql.sessions threads.state Waiting for source to send event": REPLICATION,
    "mysql.sessions threads.state Waiting on empty queue": "of the event scheduler",
    "mysql.sessions threads.state Source has sent all binlog to replica": REPLICATION,
    "mysql.sessions threads.state Master has sent all binlog to slave": REPLICATION,
    "mysql.sessions longest.trx_state": "RUNNING and the like, of which only rolling back matters",
    "mysql.sessions longest.state": "the same thread is told among the threads",
    "mysql.sessions threads.state wsrep aborter idle": "of a thread of the cluster",
    "postgres.locks queues.head.backend_type": "the class of a process",
    "postgres.locks queues.head.wait_type": ELSEWHERE,
    "postgres.locks queues.head.wait_event": ELSEWHERE,
    "postgres.locks nodes.backend_type": "the class of a process",
    "postgres.locks nodes.wait_type": ELSEWHERE,
    "postgres.locks nodes.wait_event": ELSEWHERE,
    "postgres.sessions pulse.waits": "postgres.counters tells waits by kind",
    "postgres.sessions sessions.backend_type": "the class of a process",
    "postgres.sessions sessions.wait_type Client": "of idle sessions",
    "postgres.sessions sessions.wait_event ClientRead": "of idle sessions",
    "quotas.usage quotas.code": "its name is told",
    "rds.status instances.storage_type": "the class of a disk, by which its limits are chosen",
    "state_machine.executions redrivable.status": "all of them have failed",
    "state_machine.executions redrivable.error": "told of the newest",
    "target_group.health target_type": "the class of its targets",
    "vpc_path.config network": "only what lies on the path counts: tests/probes/test_vpc_path.py",
    "vpc_path.config ways.blockers.code": OURS,
}
"""`probe member` → why an unknown word there need not reach the screen."""


@pytest.mark.parametrize(("name", "probe"), recorded(), ids=lambda part: str(part)[:60])
def test_a_word_that_nobody_has_heard_of_reaches_the_screen(name: str, probe: AnyProbe) -> None:
    lost = [each for each in dropped(name, probe) if not _need_not(f"{probe.id} {each}")]
    assert lost == []


def _need_not(told: str) -> bool:
    return any(f"{told} ".startswith((f"{known} ", f"{known}.", f"{known};")) for known in UNTOLD)


@pytest.mark.parametrize(("name", "probe"), recorded(), ids=lambda part: str(part)[:60])
def test_a_kind_that_nobody_has_heard_of_reaches_the_screen(name: str, probe: AnyProbe) -> None:
    assert [each for each in unnamed(name, probe) if f"{probe.id} {each}" not in UNTOLD] == []


def test_a_probe_that_drops_a_word_is_noticed() -> None:
    name, probe = next(each for each in recorded() if each[1].id == "redis.health")
    silent = replace(probe, diagnose=lambda *_: (), facts=None, tables=None)
    assert [*dropped(name, silent)] != []
    kinds = "redis_health_errors_by_kind"
    assert [*unnamed(kinds, silent)] != []
    assert [*unnamed(kinds, probe)] == []


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("Complete", []),
        ("PartialData", []),
        ("Forbidden", ["denied: "]),
        ("InternalError", ["unreachable: "]),
        ("Postponed", ["unreachable: Postponed"]),
    ],
)
def test_a_series_that_is_given_under_a_word_that_nobody_has_heard_of_is_not_judged(
    status: str, told: list[str]
) -> None:
    gaps = blind_series({"CPUUtilization": Series(status=status)})
    found = [*partly_blind("EC2_OBS_BLIND", gaps)]
    assert [each.value for finding in found for each in finding.evidence] == told
