"""What is read of Athena's and Glue's answers, and as which value of the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from cockpit.connect.aws.answer import Answer, GivenText, answer_into, answers_into
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText, visible, without_literals
from probes.athena_workgroup.model import GlueCrawler, GlueTable, QueryRun, Snapshot

_DAY = re.compile(r"(\d{4})[-/]?(\d\d)[-/]?(\d\d)")


class AthenaErrorRow(Answer, frozen=True):
    """Whose fault a failure is."""

    error_category: int | None = None
    error_type: int | None = None
    retryable: bool | None = None
    error_message: SafeText = ""


class RunStatusRow(Answer, frozen=True):
    """How far a run is."""

    state: SafeText = ""
    state_change_reason: SafeText = ""
    submission_date_time: datetime | None = None
    completion_date_time: datetime | None = None
    athena_error: AthenaErrorRow = AthenaErrorRow()


class ReuseRow(Answer, frozen=True):
    """Whether an older result was given."""

    reused_previous_result: bool = False


class StatisticsRow(Answer, frozen=True):
    """What a run took."""

    data_scanned_in_bytes: int | None = None
    total_execution_time_in_millis: int | None = None
    query_queue_time_in_millis: int | None = None
    result_reuse_information: ReuseRow = ReuseRow()


class ResultRow(Answer, frozen=True):
    """Where a result goes."""

    output_location: SafeText = ""


class RunRow(Answer, frozen=True):
    """A run of a query. Its text is not read."""

    of = "athena.QueryExecution"
    query_execution_id: GivenText
    statement_type: SafeText = ""
    result_configuration: ResultRow = ResultRow()
    status: RunStatusRow = RunStatusRow()
    statistics: StatisticsRow = StatisticsRow()


class WorkgroupConfiguration(Answer, frozen=True):
    """A workgroup's limits."""

    bytes_scanned_cutoff_per_query: int | None = None
    result_configuration: ResultRow = ResultRow()


class WorkgroupRow(Answer, frozen=True):
    """A workgroup."""

    of = "athena.WorkGroup"
    name: GivenText
    state: SafeText = ""
    configuration: WorkgroupConfiguration = WorkgroupConfiguration()


class RowsRow(Answer, frozen=True):
    """How many rows a run gave."""

    of = "athena.QueryRuntimeStatisticsRows"
    output_rows: int | None = None


class SerdeRow(Answer, frozen=True):
    """How a line becomes columns."""

    serialization_library: SafeText = ""


class ColumnRow(Answer, frozen=True):
    """A column, or a key of partitions."""

    of = "glue.Column"
    name: SafeText = ""


class StorageRow(Answer, frozen=True):
    """Where a table's data lie."""

    location: SafeText = ""
    columns: tuple[ColumnRow, ...] = ()
    serde_info: SerdeRow = SerdeRow()


class GlueTableRow(Answer, frozen=True):
    """A table of the catalog."""

    of = "glue.Table"
    name: GivenText
    version_id: SafeText = ""
    update_time: datetime | None = None
    storage_descriptor: StorageRow = StorageRow()
    partition_keys: tuple[ColumnRow, ...] = ()
    parameters: dict[str, str] = msgspec.field(default_factory=dict)


class PartitionRow(Answer, frozen=True):
    """A partition, by the values of its keys."""

    of = "glue.Partition"
    values: tuple[SafeText, ...] = ()


class CrawlRow(Answer, frozen=True):
    """The last crawl."""

    status: SafeText = ""
    error_message: SafeText = ""
    start_time: datetime | None = None


class CrawlerRow(Answer, frozen=True):
    """A crawler."""

    of = "glue.Crawler"
    name: GivenText
    state: SafeText = ""
    last_crawl: CrawlRow = CrawlRow()


def workgroup_of(answer: object, at: datetime) -> Snapshot:
    """The workgroup itself."""
    row = answer_into(answer, WorkgroupRow)
    return Snapshot(
        at=at,
        name=row.name,
        state=row.state,
        cutoff=row.configuration.bytes_scanned_cutoff_per_query,
        output=row.configuration.result_configuration.output_location,
    )


def runs_of(rows: object) -> tuple[QueryRun, ...]:
    """Runs, the newest first."""
    runs = map(_run, answers_into(rows, RunRow))
    oldest = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(runs, key=lambda each: each.submitted or oldest, reverse=True))


def _run(row: RunRow) -> QueryRun:
    status, took = row.status, row.statistics
    error = status.athena_error
    return QueryRun(
        id=row.query_execution_id,
        state=status.state,
        kind=row.statement_type,
        reason=visible(without_literals(status.state_change_reason or error.error_message), 300),
        category=error.error_category,
        error_type=error.error_type,
        retryable=error.retryable,
        submitted=status.submission_date_time,
        ended=status.completion_date_time,
        total=_seconds(took.total_execution_time_in_millis),
        queued=_seconds(took.query_queue_time_in_millis),
        scanned=took.data_scanned_in_bytes,
        reused=took.result_reuse_information.reused_previous_result,
        output=row.result_configuration.output_location,
    )


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


async def table_of(aws: AwsReads, name: str) -> GlueTable:
    """The table, and its newest partition where partitions are listed. Raises `BlindError`."""
    database, _, table = name.partition(".")
    asked = {"DatabaseName": database, "Name": table}
    try:
        answer = await aws.read("glue", "GetTable", expect="Table", **asked)
    except BlindError as error:
        if error.reason is Reason.MISSING:
            return GlueTable(name=name, there=False)
        raise
    row = answer_into(answer["Table"], GlueTableRow)
    return GlueTable(
        name=name,
        database=database,
        table=table,
        version=row.version_id,
        updated=row.update_time,
        location=row.storage_descriptor.location,
        serde=row.storage_descriptor.serde_info.serialization_library,
        columns=len(row.storage_descriptor.columns),
        projection=row.parameters.get("projection.enabled", "").lower() == "true",
        partition_keys=tuple(each.name for each in row.partition_keys),
    )


async def newest_of(aws: AwsReads, name: str) -> datetime | None:
    """The day of the newest partition by its values; None: no values say a day."""
    database, _, table = name.partition(".")
    rows = await aws.pages(
        "glue",
        "GetPartitions",
        key="Partitions",
        DatabaseName=database,
        TableName=table,
        ExcludeColumnSchema=True,
    )
    return newest_day(each.values for each in answers_into(rows, PartitionRow))


def newest_day(partitions: Iterable[Sequence[str]]) -> datetime | None:
    """The newest of days such as (`2026`, `11`, `21`) or (`2026-11-21`,)."""
    days = []
    for values in partitions:
        found = _DAY.search("-".join(value.zfill(2) for value in values))
        if found is None:
            continue
        year, month, day = map(int, found.groups())
        try:
            days.append(datetime(year, month, day, tzinfo=UTC))
        except ValueError:
            continue
    return max(days, default=None)


async def crawler_of(aws: AwsReads, name: str) -> GlueCrawler:
    """A crawler. Raises `BlindError`."""
    answer = await aws.read("glue", "GetCrawler", expect="Crawler", Name=name)
    row = answer_into(answer["Crawler"], CrawlerRow)
    return GlueCrawler(
        name=row.name,
        state=row.state,
        last=row.last_crawl.status,
        message=visible(row.last_crawl.error_message, 300),
        started=row.last_crawl.start_time,
    )
