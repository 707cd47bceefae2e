"""What the screens show of a workgroup: its runs, its table, its crawler."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Severity
from cockpit.triage.probe import Fact
from cockpit.triage.view import Column, Row, Table
from cockpit.units import duration, size
from probes.athena_workgroup.model import QueryRun, Settings, Snapshot
from probes.athena_workgroup.runs import recent

_BAD = {"FAILED": Severity.WARNING}


def facts(snapshot: Snapshot, settings: Settings) -> Iterator[Fact]:
    """How the last query ended, how long it took, and what it scanned."""
    yield _headline(snapshot, settings)
    runs = recent(snapshot, settings)
    ended = [each for each in runs if each.total is not None]
    if ended:
        last = ended[0]
        grade = settings.slow.grade(last.total)
        yield Fact("took", duration(last.total or 0), last.total, "s", severity=grade)
        if last.scanned is not None:
            yield Fact("scanned", size(last.scanned), last.scanned, "bytes")
    going = sum(each.state == "RUNNING" for each in runs)
    if going:
        yield Fact("running", str(going), going)


def _headline(snapshot: Snapshot, settings: Settings) -> Fact:
    label = "last query"
    if snapshot.state != "ENABLED":
        worst = Severity.CRITICAL if snapshot.state == "DISABLED" else None
        return Fact(label, snapshot.state.lower() or "unknown", severity=worst)
    if not snapshot.known:
        return Fact(label, "unknown")
    runs = recent(snapshot, settings)
    if not runs:
        return Fact(label, "none of late")
    return Fact(label, runs[0].state.lower() or "unknown", severity=_BAD.get(runs[0].state))


def tables(snapshot: Snapshot, settings: Settings) -> Iterator[Table]:
    """Runs, newest first; the table and who writes it."""
    if snapshot.runs:
        yield Table(
            title="Queries",
            columns=(
                Column("Submitted (UTC)", 20),
                Column("State", 11),
                Column("Took", 9, right=True),
                Column("Queued", 9, right=True),
                Column("Scanned", 10, right=True),
                Column("Rows", 8, right=True),
                Column("Reason"),
            ),
            rows=tuple(map(_run, snapshot.runs)),
            note=("texts and results of queries are not kept",),
        )
    table, crawler = snapshot.table, snapshot.crawler
    rows = []
    if table is not None:
        told = {
            "there": "yes" if table.there else "no",
            "location": table.location,
            "reader of lines": table.serde,
            "columns": f"{table.columns:,}",
            "partitions": _partitions(snapshot),
        }
        rows += [Row(key=f"table {k}", cells=(f"table: {k}", v)) for k, v in told.items()]
    if crawler is not None:
        told = {"state": crawler.state, "last crawl": crawler.last, "it says": crawler.message}
        rows += [Row(key=f"crawler {k}", cells=(f"crawler: {k}", v)) for k, v in told.items()]
    if rows:
        yield Table(title="What they read", columns=(Column("", 26), Column("")), rows=tuple(rows))


def _partitions(snapshot: Snapshot) -> str:
    table = snapshot.table
    if table is None or not table.partition_keys:
        return "none"
    if table.projection:
        return "computed (projection)"
    newest = f", the newest of {table.newest:%Y-%m-%d}" if table.newest else ""
    return ", ".join(table.partition_keys) + newest


def _run(run: QueryRun) -> Row:
    def seconds(value: float | None) -> str:
        return "" if value is None else duration(value)

    return Row(
        key=run.id,
        cells=(
            f"{run.submitted:%Y-%m-%d %H:%M:%S}" if run.submitted else "unknown",
            run.state or "unknown",
            seconds(run.total),
            seconds(run.queued),
            "" if run.scanned is None else size(run.scanned),
            "" if run.rows is None else f"{run.rows:,}",
            run.reason,
        ),
        severity=_BAD.get(run.state),
        dim=run.state == "SUCCEEDED",
    )
