"""AWS Health: what is open, what will come, whom it names, and that no plan is not no events."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cockpit import clock
from cockpit.connect.aws.settings import AwsResource
from cockpit.errors import BlindError, Reason
from cockpit.triage import recording
from cockpit.triage.finding import Severity
from cockpit.triage.target import Target
from probes.health import events as probe
from probes.health.findings import Settings
from probes.health.model import AffectedEntity, HealthEvent, Snapshot
from tests.probes.fake_aws import AT, FakeAws, ago, denied, target

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
ARN = "arn:aws:health:us-east-1::event/RDS/AWS_RDS_OPERATIONAL_ISSUE/AWS_RDS_OPERATIONAL_ISSUE_1"
EVENT = HealthEvent(
    arn=ARN,
    service="RDS",
    code="AWS_RDS_OPERATIONAL_ISSUE",
    category="issue",
    status="open",
    region="us-east-1",
    start=ago(minutes=40),
    updated=ago(minutes=5),
    scope="PUBLIC",
    text="We are investigating increased connectivity issues.",
)
REBOOT = replace(
    EVENT,
    code="AWS_RDS_MAINTENANCE",
    category="scheduledChange",
    status="upcoming",
    scope="ACCOUNT_SPECIFIC",
    start=AT + timedelta(hours=20),
)


def resource(kind: str, id_: str, name: str) -> Target:
    return Target(name=name, kind=kind, settings=AwsResource(aws="prod", id=id_))


ORDERS = resource("rds", "orders", "orders-db")
QUEUE = resource("sqs_queue", "orders", "orders-queue")
DB = "arn:aws:rds:us-east-1:123456789012:db:orders"


def entity(status: str, name: str = DB) -> AffectedEntity:
    return AffectedEntity(name=name, status=status)


def found(event: HealthEvent, *targets: Target) -> list[tuple[str, Severity]]:
    look = probe.among(Snapshot(at=AT, region="us-east-1", events=(event,)), targets)
    return [(f.code, f.severity) for f in probe.diagnose(look, Settings())]


OPEN, COMING, ODD = "AWS_EVENT_OPEN", "AWS_CHANGE_UPCOMING", "HEALTH_STATUS_UNKNOWN"


@pytest.mark.parametrize(
    ("event", "targets", "expected"),
    [
        pytest.param(EVENT, (), [(OPEN, INFO)], id="no target of the service"),
        pytest.param(EVENT, (ORDERS,), [(OPEN, WARNING)], id="a target is under the service"),
        pytest.param(
            replace(EVENT, entities=(entity("IMPAIRED"),)),
            (ORDERS,),
            [(OPEN, CRITICAL)],
            id="it names our database",
        ),
        pytest.param(
            replace(EVENT, service="EC2", entities=(entity("IMPAIRED"),)),
            (QUEUE, ORDERS),
            [(OPEN, CRITICAL)],
            id="an event of another service names our database",
        ),
        pytest.param(
            replace(EVENT, entities=(entity("RESOLVED"),)),
            (ORDERS,),
            [(OPEN, WARNING)],
            id="ours is over it",
        ),
        pytest.param(
            replace(EVENT, entities=(entity("IMPAIRED", "orders"),)),
            (QUEUE,),
            [(OPEN, INFO)],
            id="a queue of the database's name is none",
        ),
        pytest.param(replace(EVENT, status="closed"), (ORDERS,), [], id="closed events linger"),
        pytest.param(
            replace(EVENT, category="accountNotification"), (ORDERS,), [], id="a notice is no event"
        ),
        pytest.param(
            replace(EVENT, category="investigation"),
            (ORDERS,),
            [(OPEN, WARNING)],
            id="AWS still searches",
        ),
        pytest.param(REBOOT, (ORDERS,), [(COMING, WARNING)], id="a change tomorrow"),
        pytest.param(REBOOT, (), [(COMING, INFO)], id="a change tomorrow of nothing of ours"),
        pytest.param(
            replace(REBOOT, start=AT + timedelta(hours=25)), (ORDERS,), [], id="in two days"
        ),
        pytest.param(
            replace(REBOOT, start=ago(minutes=1)), (ORDERS,), [(COMING, WARNING)], id="right now"
        ),
        pytest.param(replace(REBOOT, start=None), (ORDERS,), [], id="no time is told"),
        pytest.param(
            replace(EVENT, status="monitoring"), (ORDERS,), [(ODD, WARNING)], id="a new status"
        ),
        pytest.param(replace(EVENT, category="threat"), (), [(ODD, INFO)], id="a new category"),
        pytest.param(
            replace(EVENT, entities=(entity("DEGRADED"),)),
            (ORDERS,),
            [(OPEN, CRITICAL), (ODD, WARNING)],
            id="an unknown state of ours is not a good one",
        ),
    ],
)
def test_an_event_counts_by_whom_it_concerns(
    event: HealthEvent, targets: tuple[Target, ...], expected: list[tuple[str, Severity]]
) -> None:
    assert found(event, *targets) == expected


ROW = {
    "arn": ARN,
    "service": "RDS",
    "eventTypeCode": "AWS_RDS_OPERATIONAL_ISSUE",
    "eventTypeCategory": "issue",
    "region": "us-east-1",
    "startTime": ago(minutes=40),
    "lastUpdatedTime": ago(minutes=5),
    "statusCode": "open",
    "eventScopeCode": "ACCOUNT_SPECIFIC",
}


def answers(**changes: Any) -> dict[str, Any]:
    base = {
        "health.DescribeEvents": [ROW],
        "health.DescribeEventDetails": [
            {"event": ROW, "eventDescription": {"latestDescription": "[bold]We look into it."}}
        ],
        "health.DescribeAffectedEntities": [
            {"eventArn": ARN, "entityValue": DB, "statusCode": "IMPAIRED"}
        ],
    }
    return {**base, **{name.replace("__", "."): each for name, each in changes.items()}}


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


async def look(aws: FakeAws) -> Snapshot:
    return await probe.collect(aws, target("health", ""))


async def test_an_event_is_read_with_its_text_and_what_it_names() -> None:
    aws = FakeAws(answers())
    seen = probe.among(await look(aws), [ORDERS])
    (event,) = seen.events
    assert (event.text, event.hit, event.targets) == (
        "[bold]We look into it.",
        ("orders-db",),
        ("orders-db",),
    )
    asked = dict(aws.calls)
    assert asked["health.DescribeEvents"]["filter"]["regions"] == ["us-east-1", "global"]
    assert seen.gaps == ()
    (told,) = probe.diagnose(seen, Settings())
    assert told.summary == ("RDS in us-east-1: AWS_RDS_OPERATIONAL_ISSUE, for 40m 00s: orders-db")
    assert told.subject == "AWS_RDS_OPERATIONAL_ISSUE_1"
    assert probe.PROBE.facts is not None
    assert probe.PROBE.tables is not None
    assert probe.PROBE.changes is not None
    assert next(iter(probe.PROBE.facts(seen, Settings()))).text == "1 open"
    assert [table.title for table in probe.PROBE.tables(seen, Settings())] == ["Events", "Named"]
    (change,) = probe.PROBE.changes(seen, "health")
    assert (change.at, change.kind) == (ago(minutes=40), "aws.event")
    assert recording.builtins(seen)["region"] == "us-east-1"


async def test_nothing_open_costs_one_call() -> None:
    aws = FakeAws(answers(health__DescribeEvents=[]))
    assert (await look(aws)).events == ()
    assert [name for name, _ in aws.calls] == ["health.DescribeEvents"]


async def test_many_events_are_read_ten_at_a_time_and_notices_not_at_all() -> None:
    rows = [{**ROW, "arn": f"{ARN}{n}"} for n in range(31)]
    notices = [{**ROW, "arn": f"{ARN}n", "eventTypeCategory": "accountNotification"}]
    aws = FakeAws(answers(health__DescribeEvents=[*notices, *rows]))
    seen = await look(aws)
    asked = [said["eventArns"] for name, said in aws.calls if name.endswith("Details")]
    assert [len(each) for each in asked] == [10, 10, 10]
    assert [gap.what for gap in seen.gaps] == ["what further events name"]


async def test_a_part_that_is_denied_is_told() -> None:
    seen = await look(FakeAws(answers(health__DescribeAffectedEntities=denied())))
    assert [f.code for f in probe.diagnose(seen, Settings())] == [OPEN, "HEALTH_OBS_BLIND"]


async def test_without_a_support_plan_nothing_is_known_and_nothing_else_is_asked() -> None:
    refused = BlindError(Reason.UNSUPPORTED, "health.DescribeEvents: SubscriptionRequiredException")
    aws = FakeAws(answers(health__DescribeEvents=refused))
    with pytest.raises(BlindError, match="tells nothing without a support plan") as caught:
        await look(aws)
    assert caught.value.reason is Reason.UNSUPPORTED
    assert "Business" in caught.value.hint
    assert len(aws.calls) == 1


async def test_what_is_denied_is_no_missing_plan() -> None:
    with pytest.raises(BlindError) as caught:
        await look(FakeAws(answers(health__DescribeEvents=denied())))
    assert caught.value.reason is Reason.DENIED


@pytest.mark.parametrize(
    ("asks", "words"),
    [
        ("ACTION_REQUIRED", "you have to act"),
        ("ACTION_MAY_BE_REQUIRED", "it may ask something of you"),
        ("INFORMATIONAL", "nothing of ours repairs it"),
        ("", "nothing of ours repairs it"),
    ],
)
async def test_what_aws_asks_of_the_customer_is_the_next_step(asks: str, words: str) -> None:
    given = answers()
    told = [
        {**row, "actionability": asks} if asks else row for row in given["health.DescribeEvents"]
    ]
    aws = FakeAws({**given, "health.DescribeEvents": told})
    seen = probe.among(await look(aws), [ORDERS])
    (finding,) = probe.diagnose(seen, Settings())
    assert words in finding.next
    shown = [e.value for e in finding.evidence if e.label == "AWS asks"]
    assert shown == ([asks.replace("_", " ").lower()] if asks else [])


def test_an_event_began_when_aws_says() -> None:
    (told,) = probe.diagnose(Snapshot(at=AT, region="us-east-1", events=(EVENT,)), Settings())
    assert (told.began, told.resolution) == (EVENT.start, 1.0)
