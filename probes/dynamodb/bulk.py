"""Bulk puts into an existing table: a cause of throttling that no metric names.

Source: DynamoDB API reference (`ListBulkOperations`, `DescribeBulkOperation`). Asked only while
writes are throttled: the list is of the whole account and region.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from cockpit.connect.aws.answer import Answer, GivenText, answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.text import SafeText
from probes.dynamodb.model import BulkPut, Snapshot, throttled

_OVER = {"COMPLETED", "COMPLETED_WITH_ERRORS", "CANCELLED", "FAILED"}
_MOST = 5
"""Operations under way that are described."""


class BulkRow(Answer, frozen=True):
    """One row of `ListBulkOperations`."""

    of = "dynamodb.BulkOperationSummary"
    bulk_operation_arn: GivenText
    bulk_operation_status: SafeText = ""


class BulkTable(Answer, frozen=True):
    """A table that a bulk operation writes: its name or its ARN."""

    table_name: SafeText = ""


class BulkDescription(Answer, frozen=True):
    """What `DescribeBulkOperation` says."""

    of = "dynamodb.BulkOperationDescription"
    bulk_operation_arn: SafeText = ""
    bulk_operation_status: SafeText = ""
    table_details: tuple[BulkTable, ...] = ()
    start_time: datetime | None = None
    processed_item_count: int | None = None
    failed_item_count: int | None = None
    processed_input_bytes: int | None = None
    total_input_bytes: int | None = None
    max_write_request_units: int | None = None


async def bulk_of(aws: AwsReads, look: Snapshot) -> tuple[BulkPut, ...]:
    """Bulk puts into the table that are not over; empty also while no write is throttled."""
    if not any(lane.direction == "write" and throttled(lane, look.at) for lane in look.lanes):
        return ()
    rows = await aws.pages("dynamodb", "ListBulkOperations", key="BulkOperationsSummaryList")
    found = answers_into(rows, BulkRow)
    open_ = [each for each in found if each.bulk_operation_status not in _OVER]
    told = await asyncio.gather(*(_described(aws, each) for each in open_[:_MOST]))
    return tuple(
        BulkPut(
            arn=each.bulk_operation_arn,
            status=each.bulk_operation_status,
            started=each.start_time,
            items=each.processed_item_count,
            failed=each.failed_item_count,
            share=_share(each),
            most=each.max_write_request_units,
        )
        for each in told
        if look.table in {one.table_name.rpartition("/")[2] for one in each.table_details}
    )


async def _described(aws: AwsReads, row: BulkRow) -> BulkDescription:
    name = "BulkOperationDescription"
    answer = await aws.read(
        "dynamodb",
        "DescribeBulkOperation",
        expect=name,
        BulkOperationArn=row.bulk_operation_arn,
    )
    return answer_into(answer[name], BulkDescription)


def _share(each: BulkDescription) -> float | None:
    done, whole = each.processed_input_bytes, each.total_input_bytes
    return None if done is None or not whole else done / whole
