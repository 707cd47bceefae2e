"""Findings about the runs of a workgroup: failed, slow, waiting, dear, empty."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.units import count, duration, size
from probes.athena_workgroup.model import QueryRun, Settings, Snapshot
from probes.began import TOLD, told

_CUT = re.compile(r"(?i)bytes scanned limit")
_UNWRITTEN = re.compile(
    r"(?i)access denied when writing|output (?:location|bucket)|location provided to save|"
    r"unable to verify/create"
)
_WHOSE = {1: "Athena itself", 2: "the query, a right, or the table", 3: "told as neither"}
_TIMED_OUT = frozenset({206, 210})
_OVER = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
_TYPES = ((range(9), "out of resources"), (range(204, 205), "the metastore"))


def recent(snapshot: Snapshot, settings: Settings) -> tuple[QueryRun, ...]:
    """The runs that say something of now, the newest first."""
    return tuple(
        each
        for each in snapshot.runs
        if each.submitted is not None
        and (snapshot.at - each.submitted).total_seconds() < settings.recent
    )


def _ended(snapshot: Snapshot, settings: Settings) -> list[QueryRun]:
    """Those that came to their own end: what a person cancelled says nothing."""
    return [e for e in recent(snapshot, settings) if e.state in {"SUCCEEDED", "FAILED"}]


def _age(snapshot: Snapshot, run: QueryRun) -> float | None:
    return None if run.submitted is None else (snapshot.at - run.submitted).total_seconds()


def orphans(snapshot: Snapshot, settings: Settings) -> list[QueryRun]:
    """Runs that go on for longer than whoever began them waits."""
    going = [each for each in recent(snapshot, settings) if each.state == "RUNNING"]
    return [each for each in going if settings.running.grade(_age(snapshot, each)) is not None]


def orphan_of(snapshot: Snapshot, settings: Settings) -> str:
    """The one that may be stopped; empty where there are several: which, is a person's choice."""
    found = orphans(snapshot, settings)
    return found[0].id if len(found) == 1 else ""


def switched_off(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The workgroup takes no queries: somebody disabled it."""
    if snapshot.state == "DISABLED":
        yield Finding(
            "ATHENA_WORKGROUP_DISABLED",
            Severity.CRITICAL,
            "the workgroup is disabled: every query is refused",
            evidence=(Evidence("state", snapshot.state),),
            likely=("somebody switched it off, often for what it cost",),
            next="ask who did it, then enable it",
        )


def failed(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The last query failed; critical when `in_a_row` did, one after the other.

    Category 2 is the query's own: its SQL, a right, the table. 1 is Athena's: try again. What a
    person cancelled is no failure.
    """
    ended = _ended(snapshot, settings)
    row = 0
    while row < len(ended) and ended[row].state == "FAILED":
        row += 1
    if not row:
        return
    last = ended[0]
    whose = _WHOSE.get(last.category or 0, "not told")
    kind = next((words for types, words in _TYPES if last.error_type in types), "")
    yield Finding(
        "ATHENA_QUERY_FAILED",
        Severity.CRITICAL if row >= settings.in_a_row else Severity.WARNING,
        f"the last query failed: {last.reason or whose}"
        if row == 1
        else f"the last {count(row, 'query', 'queries')} failed: {last.reason or whose}",
        evidence=(
            Evidence("reason", last.reason or None),
            Evidence("whose fault", whose),
            Evidence("type", last.error_type),
            Evidence("in a row", row, limit=settings.in_a_row),
            Evidence("retryable", None if last.retryable is None else str(last.retryable).lower()),
            Evidence("query", last.id),
        ),
        likely=_likely(last, kind),
        next="read the reason; what was changed before it failed first?",
        began=told(ended[row - 1].ended, snapshot.at) if row < len(ended) else None,
        resolution=TOLD,
    )


def _likely(run: QueryRun, kind: str) -> tuple[str, ...]:
    if run.error_type in _TIMED_OUT:
        return ("it ran into Athena's own limit of time: it scans too much",)
    if kind:
        return (f"Athena says: {kind}",)
    if run.category == 1:
        return ("trouble inside Athena",)
    return ("a right was taken away", "the table or its data changed", "the SQL was changed")


def unwritten(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The result could not be put into its bucket: the query is paid for, and nobody has it.

    What a function itself may not put is told at the function, by the action that it is refused.
    """
    within = [e for e in recent(snapshot, settings) if (_age(snapshot, e) or 0) < 3600]
    bad = [e for e in within if e.state == "FAILED" and _UNWRITTEN.search(e.reason)]
    ended = _ended(snapshot, settings)
    still = bool(ended) and ended[0].state == "FAILED"
    severity = settings.uploads.grade(len(bad))
    if severity is not None:
        yield Finding(
            "S3_UPLOAD_FAILED",
            severity if still else Severity.WARNING,
            f"{count(len(bad), 'result')} could not be written within the hour",
            evidence=(
                Evidence("failed", len(bad), limit=settings.uploads.first),
                Evidence("reason", bad[0].reason),
                Evidence("to", bad[0].output or snapshot.output or None),
            ),
            likely=(
                "the bucket's policy, or its key's, was changed",
                "the role lost s3:PutObject",
                "there is no such bucket any more",
            ),
            against=() if still else ("a later query succeeded",),
            next="look at the bucket: who shall be able to write it, and is it?",
            began=told(bad[-1].ended, snapshot.at),
            resolution=TOLD,
        )


def slow(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A query takes longer than whoever waits for it.

    A caller that gave up does not stop it: it runs on and is paid for, and the next try begins
    another one.
    """
    for each in orphans(snapshot, settings)[:3]:
        lasted = _age(snapshot, each)
        yield Finding(
            "ATHENA_QUERY_SLOW",
            settings.running.grade(lasted) or Severity.CRITICAL,
            f"a query runs for {duration(lasted or 0)}",
            subject=each.id,
            evidence=(
                Evidence("runs", lasted, "s", limit=settings.running.first),
                Evidence("scanned so far", each.scanned, "bytes"),
                Evidence("query", each.id),
            ),
            likely=("its caller gave up and left it", "it scans far more than before"),
            next="does anybody wait for it? else stop it before another one is begun",
            began=told(each.submitted, snapshot.at),
            resolution=TOLD,
        )
    ended = _ended(snapshot, settings)
    severity = settings.slow.grade(ended[0].total) if ended else None
    if ended and severity is not None:
        last = ended[0]
        waited = (last.queued or 0) > (last.total or 0) / 2
        yield Finding(
            "ATHENA_QUERY_SLOW",
            severity,
            f"the last query took {duration(last.total or 0)}",
            subject="last",
            evidence=(
                Evidence("took", last.total, "s", limit=settings.slow.first),
                Evidence("of that queued", last.queued, "s"),
                Evidence("scanned", last.scanned, "bytes"),
                Evidence("query", last.id),
            ),
            likely=("it waited: capacity, not SQL",)
            if waited
            else ("more data than before", "no partition is left out"),
            next="compare what it scanned with earlier runs",
        )


def queued(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Queries wait before they begin: the account runs as many as it may."""
    held = [
        (wait, each)
        for each in recent(snapshot, settings)
        if (wait := _waited(snapshot, each)) is not None
    ]
    now = [pair for pair in held if pair[1].state == "QUEUED"] or held[:1]
    if not now:
        return
    wait, run = max(now, key=lambda pair: pair[0])
    severity = settings.queued.grade(wait)
    if severity is not None:
        yield Finding(
            "ATHENA_QUEUED",
            severity,
            f"a query waits for {duration(wait)}"
            if run.state == "QUEUED"
            else f"the last query waited for {duration(wait)}",
            evidence=(
                Evidence("waited", wait, "s", limit=settings.queued.first),
                Evidence("queued now", sum(e.state == "QUEUED" for e in snapshot.runs)),
                Evidence("running now", sum(e.state == "RUNNING" for e in snapshot.runs)),
            ),
            likely=("the account's limit of active queries is reached, by any workgroup",),
            next="who runs so many? stop what nobody waits for",
            fact=False,
            began=told(run.submitted, snapshot.at),
            resolution=TOLD,
        )


def _waited(snapshot: Snapshot, run: QueryRun) -> float | None:
    return _age(snapshot, run) if run.state == "QUEUED" else run.queued


def scanned(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A query scans far more than it should, or was cut off for it: money, and time."""
    for each in recent(snapshot, settings):
        if each.state not in _OVER:
            continue
        cut = each.state == "CANCELLED" and _CUT.search(each.reason) is not None
        severity = Severity.CRITICAL if cut else settings.scanned.grade(each.scanned)
        if severity is not None:
            yield Finding(
                "ATHENA_SCAN_HIGH",
                severity,
                "the last query was cut off: it scanned more than it may"
                if cut
                else f"the last query scanned {size(each.scanned or 0)}",
                evidence=(
                    Evidence("scanned", each.scanned, "bytes", limit=settings.scanned.first),
                    Evidence("cut off at", snapshot.cutoff, "bytes"),
                    Evidence("query", each.id),
                ),
                likely=("the filter for the day is missing", "the table's projection is broken"),
                next="does it read one day, or all of them?",
            )
        return


def empty(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """A report's query succeeded and gave nothing; critical when two did, one after the other.

    An empty report is worse than none: it looks like one.
    """
    counted = [each for each in recent(snapshot, settings) if each.rows is not None]
    if not snapshot.report or not counted or counted[0].rows != 0:
        return
    again = len(counted) > 1 and counted[1].rows == 0
    last = counted[0]
    early = last.submitted is not None and last.submitted.hour == 0
    yield Finding(
        "REPORT_EMPTY",
        Severity.CRITICAL if again else Severity.WARNING,
        "the last two queries gave no row" if again else "the last query gave no row",
        evidence=(
            Evidence("rows", 0),
            Evidence("rows before", counted[1].rows if len(counted) > 1 else None),
            Evidence("scanned", last.scanned, "bytes"),
            Evidence("query", last.id),
        ),
        likely=(
            "nothing was scanned: the day's data are not there, or not where the table says",
            "the lines do not fit the table any more",
        )
        if not last.scanned
        else ("the lines do not fit the table any more", "there was nothing to report"),
        against=("it ran right after midnight in UTC: the day has no data yet",) if early else (),
        next="are there data for that day, and does the table fit them?",
    )


def reused(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """The last result is an earlier one: new data are not in it. A query asks for reuse."""
    ended = _ended(snapshot, settings)
    if ended and ended[0].reused:
        yield Finding(
            "ATHENA_RESULT_REUSED",
            Severity.INFO,
            "the last query gave the result of an earlier one",
            evidence=(Evidence("query", ended[0].id),),
            next="is that wanted for a scheduled report?",
        )
