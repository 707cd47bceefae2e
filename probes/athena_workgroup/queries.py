"""Do the queries of a workgroup end well, in time, within what they may scan; and what they read.

Source: Athena `GetWorkGroup`, `ListQueryExecutions`, `BatchGetQueryExecution`,
`GetQueryRuntimeStatistics`; Glue `GetTable`, `GetPartitions`, `GetCrawler`. Two calls a look
without a table. Results are never read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from cockpit import clock
from cockpit.connect.aws.answer import answer_into
from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.aws.settings import WorkgroupSettings
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import Trait, codes
from cockpit.triage.probe import Probe
from cockpit.triage.target import Target
from probes.answers import Gap, absent, attempt, gap_of, partly_blind
from probes.athena_workgroup import catalog, runs, view
from probes.athena_workgroup.model import GlueCrawler, GlueTable, QueryRun, Settings, Snapshot
from probes.athena_workgroup.read import (
    RowsRow,
    crawler_of,
    newest_of,
    runs_of,
    table_of,
    workgroup_of,
)

_MISSING = "ATHENA_WORKGROUP_MISSING"
_COUNTED = 2
"""Newest results whose rows are counted: two empty ones are worse than one."""


async def collect(aws: AwsReads, target: Target) -> Snapshot:
    """The workgroup is a must; its runs, the table and its crawler at once."""
    settings = target.settings
    assert isinstance(settings, WorkgroupSettings)
    at, gaps = clock.now(), list[Gap]()
    try:
        answer = await aws.read("athena", "GetWorkGroup", expect="WorkGroup", WorkGroup=settings.id)
    except BlindError as error:
        raise _absent(error) from error
    look = replace(workgroup_of(answer["WorkGroup"], at), report=settings.report)
    found, table, crawler = await asyncio.gather(
        attempt(gaps, "queries", _runs(aws, look.name), otherwise=None),
        attempt(gaps, "the table", _table(aws, settings.table, gaps), otherwise=None),
        attempt(gaps, "the crawler", _crawler(aws, settings.crawler), otherwise=None),
    )
    look = replace(look, runs=found or (), known=found is not None, table=table, crawler=crawler)
    if settings.report:
        look = await attempt(gaps, "rows of results", _counted(aws, look), otherwise=look)
    return replace(look, gaps=tuple(gaps))


def _absent(error: BlindError) -> BlindError:
    """There is no such workgroup: every query that names it is refused."""
    return absent(
        error,
        _MISSING,
        severity=Severity.CRITICAL,
        hint="check name and region in the configuration; who deleted it?",
    )


async def _runs(aws: AwsReads, workgroup: str) -> tuple[QueryRun, ...]:
    answer = await aws.read(
        "athena",
        "ListQueryExecutions",
        expect="QueryExecutionIds",
        WorkGroup=workgroup,
        MaxResults=50,
    )
    ids = answer["QueryExecutionIds"]
    if not isinstance(ids, list):
        raise BlindError(Reason.UNREADABLE, "athena.ListQueryExecutions: the ids are no list")
    if not ids:
        return ()
    told = await aws.read(
        "athena", "BatchGetQueryExecution", expect="QueryExecutions", QueryExecutionIds=ids
    )
    return runs_of(told["QueryExecutions"])


async def _table(aws: AwsReads, name: str, gaps: list[Gap]) -> GlueTable | None:
    if not name:
        return None
    table = await table_of(aws, name)
    if not table.there or table.projection or not table.partition_keys:
        return table
    try:
        return replace(table, newest=await newest_of(aws, name), listed=True)
    except BlindError as error:
        gaps.append(gap_of("partitions", error))
        return table


async def _crawler(aws: AwsReads, name: str) -> GlueCrawler | None:
    return await crawler_of(aws, name) if name else None


async def _counted(aws: AwsReads, look: Snapshot) -> Snapshot:
    """The look with the rows of its newest results that were wanted for something."""
    asked = [each for each in look.runs if each.state == "SUCCEEDED" and each.kind == "DML"]
    rows: dict[str, int | None] = {}
    for each in asked[:_COUNTED]:
        answer = await aws.read(
            "athena",
            "GetQueryRuntimeStatistics",
            expect="QueryRuntimeStatistics",
            QueryExecutionId=each.id,
        )
        told = answer["QueryRuntimeStatistics"]
        held = told.get("Rows", {}) if isinstance(told, dict) else {}
        rows[each.id] = answer_into(held, RowsRow).output_rows
    return replace(look, runs=tuple(replace(r, rows=rows.get(r.id)) for r in look.runs))


def derive(snapshot: Snapshot, settings: Settings) -> Snapshot:
    """The look with the run that a step may stop."""
    return replace(snapshot, orphan=runs.orphan_of(snapshot, settings))


def diagnose(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """What failed first, then what is slow or dear, then what would explain an empty result."""
    yield from runs.switched_off(snapshot, settings)
    yield from runs.failed(snapshot, settings)
    yield from runs.unwritten(snapshot, settings)
    yield from runs.slow(snapshot, settings)
    yield from runs.queued(snapshot, settings)
    yield from runs.scanned(snapshot, settings)
    yield from runs.empty(snapshot, settings)
    yield from catalog.schema(snapshot, settings)
    yield from catalog.partitions(snapshot, settings)
    yield from runs.reused(snapshot, settings)
    yield from partly_blind("ATHENA_OBS_BLIND", snapshot.gaps)


KIND = aws_kind("athena_workgroup", "athena", settings=WorkgroupSettings)

PROBE = Probe(
    id="athena_workgroup.queries",
    kind="athena_workgroup",
    collect=collect,
    diagnose=diagnose,
    snapshot=Snapshot,
    settings=Settings(),
    every=120,
    timeout=30,
    facts=view.facts,
    tables=view.tables,
    derive=derive,
    needs=(
        "athena:GetWorkGroup",
        "athena:ListQueryExecutions",
        "athena:BatchGetQueryExecution",
        "athena:GetQueryRuntimeStatistics",
        "glue:GetTable",
        "glue:GetPartitions",
        "glue:GetCrawler",
        # steps of its runbooks
        "glue:GetTableVersions",
        "glue:GetTableVersion",
    ),
    codes=codes(
        cause=(_MISSING, "ATHENA_WORKGROUP_DISABLED", "ATHENA_SCAN_HIGH", "GLUE_SCHEMA_MISMATCH"),
        either=("ATHENA_QUERY_SLOW", "ATHENA_QUEUED", "GLUE_PARTITION_MISSING"),
        symptom=("ATHENA_QUERY_FAILED", "S3_UPLOAD_FAILED", "REPORT_EMPTY"),
        risk=("ATHENA_RESULT_REUSED",),
        eye=("ATHENA_OBS_BLIND",),
        traits={Trait.LOAD: ("ATHENA_QUEUED",)},
    ),
)
