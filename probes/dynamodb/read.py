"""What is read of a table's answers, and as which value of the model; its auto scaling's too.

Source: DynamoDB API reference (`DescribeTable`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText
from probes.dynamodb.model import (
    PROVISIONED,
    Activity,
    Index,
    Lane,
    Replica,
    ScalingTarget,
    Snapshot,
    decrease,
)
from probes.scaling import ActivityRow, PolicyRow, TargetRow


class Billing(Answer, frozen=True):
    """Absent on a table that was never on demand."""

    billing_mode: SafeText = ""
    last_update_to_pay_per_request_date_time: datetime | None = None


class Throughput(Answer, frozen=True):
    """Units a second; zeros on demand."""

    read_capacity_units: int = 0
    write_capacity_units: int = 0
    last_increase_date_time: datetime | None = None
    last_decrease_date_time: datetime | None = None
    number_of_decreases_today: int = 0


class OwnCap(Answer, frozen=True):
    """The table's own maximum on demand; -1 removes it."""

    max_read_request_units: int = -1
    max_write_request_units: int = -1


class Warm(Answer, frozen=True):
    """What the table can take at once."""

    read_units_per_second: int | None = None
    write_units_per_second: int | None = None


class IndexRow(Answer, frozen=True):
    """A global secondary index."""

    index_name: GivenText
    index_status: SafeText = ""
    backfilling: bool = False
    provisioned_throughput: Throughput = Throughput()
    warm_throughput: Warm = Warm()


class ReplicaRow(Answer, frozen=True):
    """Another region of a global table."""

    region_name: GivenText
    replica_status: SafeText = ""


class DynamoTableRow(Answer, frozen=True):
    """The table of `DescribeTable`."""

    of = "dynamodb.TableDescription"

    table_name: GivenText
    table_status: GivenText
    billing_mode_summary: Billing = Billing()
    provisioned_throughput: Throughput = Throughput()
    on_demand_throughput: OwnCap = OwnCap()
    warm_throughput: Warm = Warm()
    global_secondary_indexes: tuple[IndexRow, ...] = ()
    replicas: tuple[ReplicaRow, ...] = ()


def table_of(row: DynamoTableRow, at: datetime) -> Snapshot:
    """The control plane's part of the snapshot."""
    billing, throughput = row.billing_mode_summary, row.provisioned_throughput
    mode = billing.billing_mode or PROVISIONED
    own, warm = row.on_demand_throughput, row.warm_throughput
    lowered = _real(throughput.last_decrease_date_time)
    may, next_one = decrease(at, throughput.number_of_decreases_today, lowered)
    return Snapshot(
        at=at,
        table=row.table_name,
        status=row.table_status,
        billing_mode=mode,
        read_capacity=_units(throughput, "read", mode),
        write_capacity=_units(throughput, "write", mode),
        lanes=_lanes(row, mode),
        indexes=tuple(
            Index(name=each.index_name, status=each.index_status, backfilling=each.backfilling)
            for each in row.global_secondary_indexes
        ),
        replicas=tuple(
            Replica(region=each.region_name, status=each.replica_status) for each in row.replicas
        ),
        increased_at=_real(throughput.last_increase_date_time),
        decreased_at=lowered,
        decreases_today=throughput.number_of_decreases_today,
        decrease_allowed=may,
        decrease_limit=next_one,
        on_demand_since=_real(billing.last_update_to_pay_per_request_date_time),
        own_cap_read=_cap(own.max_read_request_units),
        own_cap_write=_cap(own.max_write_request_units),
        warm_read=warm.read_units_per_second,
        warm_write=warm.write_units_per_second,
    )


def _lanes(row: DynamoTableRow, mode: str) -> tuple[Lane, ...]:
    places = [("", row.provisioned_throughput, row.warm_throughput)]
    places += [
        (each.index_name, each.provisioned_throughput, each.warm_throughput)
        for each in row.global_secondary_indexes
    ]
    return tuple(
        Lane(
            direction=direction,
            index=name,
            provisioned=_units(throughput, direction, mode),
            warm=warm.read_units_per_second if direction == "read" else warm.write_units_per_second,
        )
        for name, throughput, warm in places
        for direction in ("read", "write")
    )


def _units(throughput: Throughput, direction: str, mode: str) -> int | None:
    if mode != PROVISIONED:
        return None
    read, write = throughput.read_capacity_units, throughput.write_capacity_units
    return (read if direction == "read" else write) or None


def _cap(units: int) -> int | None:
    return None if units < 0 else units


def _real(at: datetime | None) -> datetime | None:
    """Some answers give the epoch for "never"."""
    epoch = timedelta(days=1)
    return None if at is None or at.timestamp() < epoch.total_seconds() else at


def scaling_target_of(row: TargetRow, policies: Iterable[PolicyRow]) -> ScalingTarget | None:
    """One scalable target with its policies; None for a dimension that is not a capacity."""
    kind = row.scalable_dimension.rpartition(":")[2]
    direction = {"ReadCapacityUnits": "read", "WriteCapacityUnits": "write"}.get(kind)
    if direction is None:
        return None
    same = (row.resource_id, row.scalable_dimension)
    own = [each for each in policies if (each.resource_id, each.scalable_dimension) == same]
    goals = (each.target_tracking_scaling_policy_configuration.target_value for each in own)
    return ScalingTarget(
        direction=direction,
        index=row.resource_id.partition("/index/")[2],
        minimum=row.min_capacity,
        maximum=row.max_capacity,
        suspended=row.suspended_state.dynamic_scaling_out_suspended,
        policies=len(own),
        goal=next((goal for goal in goals if goal is not None), None),
    )


def activity_of(row: ActivityRow) -> Activity | None:
    """One scaling activity; None without a time."""
    if row.start_time is None:
        return None
    return Activity(
        at=row.start_time,
        status=row.status_code,
        description=row.description,
        message=row.status_message,
        not_scaled=tuple(each.code for each in row.not_scaled_reasons if each.code),
    )
