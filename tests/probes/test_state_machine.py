"""State machines: how executions end, what hangs, and the traps of counting at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.redact import redact
from cockpit.connect.session import Series
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Severity
from probes.state_machine import executions as machine
from probes.state_machine.model import ErrorCount, MachineExecution, Snapshot
from probes.state_machine.settings import Settings
from tests.probes.fake_aws import AT, FakeAws, ago, denied, hours, minutes, target

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:billing"
RUN = ARN.replace("stateMachine", "execution") + ":run"
NO = Series()


def flow(each: float) -> Series:
    return minutes(*[each] * 20)


def snapshot(**changes: Any) -> Snapshot:
    """A machine that is well: ten executions a minute."""
    base = Snapshot(
        at=AT,
        name="billing",
        arn=ARN,
        status="ACTIVE",
        type="STANDARD",
        listed=True,
        running=3,
        starts=flow(10),
        succeeded=flow(10),
        failures=flow(0),
        timeouts=flow(0),
        duration=flow(4000),
    )
    return replace(base, **changes)


def run(status: str = "FAILED", **changes: Any) -> MachineExecution:
    return replace(
        MachineExecution(arn=RUN, name="run", status=status, started=ago(minutes=9)), **changes
    )


def found(look: Snapshot, settings: Settings | None = None) -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in machine.diagnose(look, settings or Settings())]


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="well"),
        pytest.param(
            snapshot(failures=flow(0.11)), [("SFN_FAILURE_RATE", WARNING)], id="one percent"
        ),
        pytest.param(snapshot(failures=flow(0.09)), [], id="just below one percent"),
        pytest.param(
            snapshot(timeouts=flow(1)), [("SFN_FAILURE_RATE", CRITICAL)], id="a tenth times out"
        ),
        pytest.param(
            snapshot(succeeded=flow(0), failures=flow(10)),
            [("SFN_ALL_FAILING", CRITICAL)],
            id="all fail",
        ),
        pytest.param(
            snapshot(succeeded=NO, failures=minutes(1), starts=minutes(1)),
            [("SFN_FAILURE_RATE", WARNING)],
            id="the only one failed",
        ),
        pytest.param(snapshot(failures=NO, timeouts=NO), [], id="no points of failures"),
        pytest.param(
            snapshot(failures=minutes(status="Forbidden")), [], id="failures that are denied"
        ),
        pytest.param(snapshot(starts=flow(50)), [], id="many start, none has ended badly"),
        pytest.param(snapshot(aborts=flow(1)), [("SFN_ABORTED", INFO)], id="stopped by somebody"),
        pytest.param(
            snapshot(throttled=minutes(4)), [("SFN_THROTTLED", WARNING)], id="steps had to wait"
        ),
        pytest.param(
            snapshot(duration=hours(10_000, *[31_000] * 12)), [("SFN_SLOW", WARNING)], id="slow"
        ),
        pytest.param(
            snapshot(duration=hours(1000, *[9000] * 12)), [], id="nine times, but nine seconds"
        ),
        pytest.param(
            snapshot(oldest=run("RUNNING", started=ago(hours=1))),
            [("SFN_RUNNING_LONG", WARNING)],
            id="runs for an hour",
        ),
        pytest.param(
            snapshot(oldest=run("RUNNING", started=ago(minutes=59))), [], id="runs for less"
        ),
        pytest.param(
            snapshot(duration=hours(1_800_000), oldest=run("RUNNING", started=ago(hours=2))),
            [],
            id="it usually takes half an hour",
        ),
        pytest.param(
            snapshot(starts=hours(60, *[0] * 6), succeeded=NO),
            [("SFN_NOT_STARTED", WARNING)],
            id="busy until now",
        ),
        pytest.param(snapshot(starts=NO, succeeded=NO), [], id="nothing is expected"),
        pytest.param(
            snapshot(status="DELETING"), [("SFN_DELETING", CRITICAL)], id="it is being deleted"
        ),
        pytest.param(
            snapshot(status="PAUSED"), [("SFN_STATUS_UNKNOWN", WARNING)], id="a new state"
        ),
        pytest.param(
            snapshot(failed=(run("LOST"),)), [("SFN_STATUS_UNKNOWN", WARNING)], id="of an execution"
        ),
    ],
)
def test_a_machine_is_judged_by_how_its_executions_end(
    look: Snapshot, expected: list[tuple[str, Severity]]
) -> None:
    assert found(look) == expected


def test_what_should_start_can_be_configured() -> None:
    look = snapshot(starts=minutes(1, *[0] * 30), succeeded=NO)
    assert found(look, Settings(expected_every=900)) == [("SFN_NOT_STARTED", WARNING)]
    assert found(look, Settings(expected_every=600)) == [("SFN_NOT_STARTED", CRITICAL)]
    assert found(look, Settings(expected_every=1200)) == []


def test_a_machine_that_starts_every_minute_is_not_missed_for_cloudwatch_being_late() -> None:
    assert found(snapshot(), Settings(expected_every=60)) == []
    assert found(snapshot(starts=minutes(*[1] * 20, 0)), Settings(expected_every=60)) == []


def test_the_most_frequent_error_is_named_with_its_causes() -> None:
    look = snapshot(
        failures=flow(5), errors=(ErrorCount(error="Lambda.Unknown", count=4, cause="timed out"),)
    )
    (finding,) = machine.diagnose(look, Settings())
    assert finding.likely[0] == "a function that it calls is sick"
    assert "4× Lambda.Unknown" in [each.value for each in finding.evidence]


MACHINE = {"stateMachineArn": ARN, "name": "billing", "status": "ACTIVE", "type": "STANDARD"}
REFUSED = (
    "User: arn:aws:sts::1:assumed-role/billing/x is not authorized to perform: sqs:SendMessage on "
    "resource: arn:aws:sqs:us-east-1:1:orders because no identity-based policy allows it"
)


def row(status: str, name: str = "run", **times: Any) -> dict[str, Any]:
    return {
        "executionArn": f"{RUN}-{name}",
        "name": name,
        "status": status,
        "startDate": ago(minutes=20),
        **times,
    }


def answers(**changes: Any) -> dict[str, Any]:
    def listed(**asked: Any) -> dict[str, Any]:
        rows = {
            "RUNNING": [row("RUNNING", "new"), row("RUNNING", "old", startDate=ago(hours=9))],
            "FAILED": [
                row("FAILED", stopDate=ago(minutes=3)),
                row("FAILED", "x", stopDate=ago(days=3)),
            ],
        }
        return {"executions": rows[asked["statusFilter"]]}

    base = {
        "stepfunctions.DescribeStateMachine": MACHINE,
        "stepfunctions.ListExecutions": listed,
        "stepfunctions.DescribeExecution": {
            "executionArn": RUN,
            "error": "Sqs.SqsException",
            "cause": REFUSED,
            "redriveStatus": "REDRIVABLE",
        },
    }
    return {**base, **{name.replace("__", "."): each for name, each in changes.items()}}


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def look(aws: FakeAws) -> Snapshot:
    return await machine.collect(aws, target("state_machine", ARN))


async def test_failed_executions_are_read_for_their_error() -> None:
    series = {"ExecutionsStarted": flow(10), "ExecutionsFailed": flow(10)}
    seen = await look(FakeAws(answers(), series))
    assert [each.name for each in seen.failed] == ["run"]
    assert (seen.running, seen.oldest and seen.oldest.name) == (2, "old")
    assert seen.redrivable is not None
    assert [each.action for each in seen.denials] == ["sqs:SendMessage"]
    assert found(seen) == [
        ("SFN_ALL_FAILING", CRITICAL),
        ("SFN_ACCESS_DENIED", WARNING),
        ("SFN_RUNNING_LONG", WARNING),
    ]
    assert machine.PROBE.tables is not None
    assert machine.PROBE.facts is not None
    assert list(machine.PROBE.tables(seen, Settings()))
    assert next(iter(machine.PROBE.facts(seen, Settings()))).text == "100% failed"


async def test_a_healthy_machine_costs_two_calls_and_an_express_one_is_not_listed() -> None:
    aws = FakeAws(answers(), {"ExecutionsStarted": flow(10), "ExecutionsFailed": flow(0)})
    await look(aws)
    assert [name for name, _ in aws.calls] == [
        "stepfunctions.DescribeStateMachine",
        "stepfunctions.ListExecutions",
    ]
    express = FakeAws(answers(stepfunctions__DescribeStateMachine={**MACHINE, "type": "EXPRESS"}))
    assert not (await look(express)).listed
    assert len(express.calls) == 1


async def test_of_more_than_a_page_the_oldest_is_not_known() -> None:
    page = {"executions": [row("RUNNING", startDate=ago(hours=9))], "nextToken": "t"}
    series = {"ExecutionsStarted": flow(10), "ExecutionsFailed": flow(0)}
    seen = await look(FakeAws(answers(stepfunctions__ListExecutions=page), series))
    assert (seen.running_more, seen.oldest) == (True, None)


async def test_what_is_denied_is_a_gap_and_never_well() -> None:
    seen = await look(FakeAws(answers(stepfunctions__ListExecutions=denied()), denied()))
    assert {gap.what for gap in seen.gaps} == {"metrics", "executions"}
    assert found(seen) == [("SFN_OBS_BLIND", INFO)]
    assert machine.PROBE.facts is not None
    assert next(iter(machine.PROBE.facts(seen, Settings()))).text == "unknown"


async def test_a_machine_that_is_gone_is_told_as_gone() -> None:
    gone = BlindError(Reason.MISSING, "there is none")
    with pytest.raises(BlindError) as caught:
        await look(FakeAws(answers(stepfunctions__DescribeStateMachine=gone)))
    assert caught.value.code == "SFN_MACHINE_MISSING"


def test_input_output_and_definition_never_get_in() -> None:
    answer: dict[str, object] = {
        "executionArn": RUN,
        "input": "hunter2",
        "output": "hunter2",
        "cause": "token=abc",
    }
    assert redact("stepfunctions", answer) == {"executionArn": RUN, "cause": "token=•••"}
    whole = redact("stepfunctions", {**MACHINE, "definition": "{}", "variableReferences": {}})
    assert whole == MACHINE


def test_failures_began_with_the_first_bad_minute_and_a_long_run_with_its_start() -> None:
    fails = minutes(*[0] * 25, *[9] * 12)
    look = snapshot(
        failures=fails,
        succeeded=minutes(*[10] * 37),
        starts=minutes(*[10] * 37),
        oldest=run("RUNNING", started=ago(days=9)),
    )
    told = {each.code: each for each in machine.diagnose(look, Settings())}
    failing = told["SFN_FAILURE_RATE"]
    assert (failing.began, failing.resolution) == (fails.times[25], 90.0)
    assert told["SFN_RUNNING_LONG"].began == ago(days=9)
