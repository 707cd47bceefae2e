"""Looks at tables of DynamoDB, in short words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cockpit.connect.session import Series
from cockpit.triage.finding import Severity
from probes.dynamodb import table as dynamodb
from probes.dynamodb.model import Activity, Lane, Operation, ReasonCount, ScalingTarget, Snapshot
from probes.dynamodb.settings import Settings
from tests.probes.fake_aws import AT, ago, minutes

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


NO = Series()


def lane(consumed: Series = NO, throttles: Series = NO, **changes: Any) -> Lane:
    base = Lane(direction="write", provisioned=100, consumed=consumed, throttles=throttles)
    return replace(base, **changes)


def flow(each: float) -> Series:
    return minutes(*[each] * 9)


def throttled(*events: float | None, reason: str = "ProvisionedThroughput", **changes: Any) -> Lane:
    counts = (ReasonCount(reason=reason, events=9),) if reason else None
    return lane(flow(5700), minutes(*events), reasons=counts, **changes)


def operation(requests: Series = NO, **changes: Any) -> Operation:
    return replace(Operation(name="PutItem", requests=requests), **changes)


def snapshot(*lanes: Lane, **changes: Any) -> Snapshot:
    base = Snapshot(
        at=AT,
        table="orders",
        status="ACTIVE",
        billing_mode="PROVISIONED",
        read_capacity=100,
        write_capacity=100,
        lanes=lanes,
        operations=(operation(flow(6000)),),
    )
    return replace(base, **changes)


def found(look: Snapshot, *, without: str = "") -> list[tuple[str, Severity]]:
    return [(f.code, f.severity) for f in dynamodb.diagnose(look, Settings()) if f.code != without]


HIGH_USE = "DDB_CAPACITY_HIGH"


SCALING = ScalingTarget(direction="write", index="", minimum=10, maximum=100, policies=1, goal=70)


def activity(status: str = "Successful", **changes: Any) -> Activity:
    base = Activity(at=ago(minutes=9), status=status, description="Setting write capacity")
    return replace(base, **changes)
