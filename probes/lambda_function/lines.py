"""What the lines of a function's log group say: REPORT lines, and shapes of errors.

Source: Lambda Developer Guide ("Working with Lambda function logs", "Lambda system log event
schema"). In format JSON the same report is `{"type": "platform.report", "record": {…}}`.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cockpit.connect.aws.answer import Answer
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText, visible
from probes.denials import DeniedAction, denied_actions
from probes.lambda_function.model import InvocationReport, LogPattern

WANTED = (
    '?"Task timed out" ?"Status: timeout" ?"Status: error" ?"Runtime." ?"signal: killed" '
    '?"exit status 137" ?"Process exited" ?"out of memory" ?OutOfMemory ?MemoryError ?ERROR '
    '?Error ?Exception ?AccessDenied ?"not authorized" ?UnauthorizedOperation ?Forbidden '
    '?"INIT_REPORT"'
)
"""Filter pattern: any of these terms. CloudWatch Logs matches case by case."""

REPORTS = '?"REPORT RequestId" ?"platform.report"'

_SHOWN = 5
_TEXT = 200

_REPORT = re.compile(
    r"REPORT RequestId:.*?Duration: (?P<duration>[\d.]+) ms"
    r".*?Memory Size: (?P<memory>\d+) MB.*?Max Memory Used: (?P<used>\d+) MB"
    r"(?:.*?Init Duration: (?P<init>[\d.]+) ms)?(?:.*?Restore Duration: (?P<restore>[\d.]+) ms)?",
)
_STATUS = re.compile(r"Status: (\w+)")
_ERROR_TYPE = re.compile(r"Error Type: ([\w.]+)")
_KINDS = (
    (
        "memory",
        re.compile(
            r"Runtime\.OutOfMemory|signal: killed|exit (?:status|code) 137|heap out of memory"
            r"|java\.lang\.OutOfMemoryError|\bMemoryError\b"
        ),
    ),
    ("timeout", re.compile(r"Task timed out after|Status: timeout")),
    (
        "init",
        re.compile(
            r"Runtime\.(?:ImportModuleError|HandlerNotFound|UserCodeSyntaxError|InvalidEntrypoint"
            r"|InvalidWorkingDir|MalformedHandlerName|NoSuchHandler|ClassNotFound)"
            r"|INIT_REPORT.*Status: (?:timeout|error)|Extension\.\w+"
        ),
    ),
    (
        "denied",
        re.compile(
            r"AccessDenied|is not authorized to perform|UnauthorizedOperation"
            r"|\bForbidden\b|not authorized"
        ),
    ),
    ("exit", re.compile(r"Process exited before completing|Runtime\.ExitError")),
)
_VARIES = (
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.,]+Z?"), "TIME"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "ADDRESS"),
    (re.compile(r'"[^"]{3,}"|\'[^\']{3,}\''), "…"),
    (re.compile(r"\b(?=\w*\d)[0-9a-fA-F]{12,}\b"), "ID"),
    (re.compile(r"\d+(?:\.\d+)?"), "N"),
)


class LogEvent(Answer, frozen=True, rename="camel"):
    """One line. Its time is milliseconds since 1970."""

    of = "logs.FilteredLogEvent"
    message: SafeText = ""
    timestamp: int = 0
    log_stream_name: SafeText = ""

    @property
    def at(self) -> datetime:
        """When it was written, by the function's clock. Raises `BlindError(unreadable)`."""
        try:
            return datetime.fromtimestamp(self.timestamp / 1000, UTC)
        except (OverflowError, ValueError, OSError):
            raise BlindError(Reason.UNREADABLE, "a line of the log has no real time") from None


def report_of(event: LogEvent) -> InvocationReport | None:
    """The report that a line is; None when it is another line."""
    found = _REPORT.search(event.message)
    if found is None:
        return _structured(event)
    status, error = _STATUS.search(event.message), _ERROR_TYPE.search(event.message)
    init = found["init"] or found["restore"]
    return InvocationReport(
        at=event.at,
        memory_mb=int(found["memory"]),
        used_mb=int(found["used"]),
        duration_ms=float(found["duration"]),
        init_ms=float(init) if init else None,
        status=status[1] if status else "",
        error=error[1] if error else "",
        stream=event.log_stream_name,
    )


def _structured(event: LogEvent) -> InvocationReport | None:
    if '"platform.report"' not in event.message:
        return None
    try:
        whole = json.loads(event.message)
        record = whole["record"]
        metrics = record["metrics"]
        init = metrics.get("initDurationMs", metrics.get("restoreDurationMs"))
        return InvocationReport(
            at=event.at,
            memory_mb=int(metrics["memorySizeMB"]),
            used_mb=int(metrics["maxMemoryUsedMB"]),
            duration_ms=float(metrics["durationMs"]),
            init_ms=None if init is None else float(init),
            status="" if record.get("status") == "success" else str(record.get("status", "")),
            error=str(record.get("errorType", "")),
            stream=event.log_stream_name,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # a line that only looks like one, or one that was cut


def is_full(report: InvocationReport) -> bool:
    """Whether it ended badly with all its memory in use: how Lambda shows a kill for memory."""
    if report.error == "Runtime.OutOfMemory":
        return True
    return report.status == "error" and report.used_mb >= report.memory_mb


def kind_of(message: str) -> str:
    """What sort of error a line tells of."""
    return next((kind for kind, found in _KINDS if found.search(message)), "error")


def patterns_of(events: Iterable[LogEvent]) -> tuple[LogPattern, ...]:
    """The shapes of the lines, the most frequent first; REPORT lines are not among them."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    last: dict[tuple[str, str], datetime] = {}
    for event in events:
        if report_of(event) is not None or _only_looks_like_one(event.message):
            continue
        shape = kind_of(event.message), _shape(event.message)
        counts[shape] += 1
        last[shape] = max(event.at, last.get(shape, event.at))
    found = (
        LogPattern(kind=kind, text=text, count=number, last=last[kind, text])
        for (kind, text), number in counts.items()
    )
    return tuple(sorted(found, key=lambda each: -each.count))


def _only_looks_like_one(message: str) -> bool:
    """An INIT_REPORT of a good start: asked for because of the bad ones."""
    return message.startswith("INIT_REPORT") and kind_of(message) == "error"


def _shape(message: str) -> str:
    """A line without what differs from line to line: ids, times, numbers, quoted text."""
    text = _words(message)[:1000]
    for found, instead in _VARIES:
        text = found.sub(instead, text)
    return visible(" ".join(text.split()), _TEXT)


def _words(message: str) -> str:
    """The words of a line in JSON: its members' names say nothing, and all of it is quoted."""
    try:
        line = json.loads(message) if message.lstrip().startswith("{") else None
    except ValueError:
        return message
    if not isinstance(line, dict):
        return message
    members = ("level", "errorType", "errorMessage", "message", "msg")
    told = [str(line[name]) for name in members if isinstance(line.get(name), str | int)]
    return " ".join(told) or message


def denials_of(events: Iterable[LogEvent]) -> tuple[DeniedAction, ...]:
    """What AWS refused the function, by action and resource, the most frequent first."""
    return denied_actions(event.message for event in events)[:_SHOWN]


def pointed_in(event: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Function, alias and version of a call of UpdateAlias that CloudTrail recorded and that was
    not refused; None for any other.
    """
    asked = event.get("requestParameters")
    if not isinstance(asked, Mapping) or event.get("errorCode"):
        return None
    function, alias, version = (
        asked.get(name) for name in ("functionName", "name", "functionVersion")
    )
    if not (isinstance(function, str) and isinstance(alias, str) and isinstance(version, str)):
        return None
    parts = function.split(":")
    return (parts[6] if len(parts) > 6 else parts[0]), alias, version
