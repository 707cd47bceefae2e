"""Looks at Lambda functions, in short words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cockpit.connect.session import Series
from cockpit.triage.finding import Severity
from probes.lambda_function import status
from probes.lambda_function.model import (
    Alias,
    EventSource,
    InvocationReport,
    LogPattern,
    Snapshot,
)
from probes.lambda_function.settings import Settings
from tests.probes.fake_aws import AT, ago, minutes

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
ARN = "arn:aws:lambda:us-east-1:123456789012:function:pay"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:orders"


def flow(each: float, length: int = 9) -> Series:
    """The same in every minute."""
    return minutes(*[each] * length)


def snapshot(**changes: Any) -> Snapshot:
    """A function that is well: 100 invocations a minute."""
    base = Snapshot(
        at=AT,
        name="pay",
        arn=ARN,
        version="7",
        state="Active",
        update="Successful",
        moving_since=ago(hours=2),
        modified=ago(days=3),
        runtime="python3.13",
        memory_mb=512,
        timeout=30,
        account_limit=1000,
        invocations=flow(100),
        errors=flow(0),
        duration_p95=flow(200),
        duration_most=flow(900),
        concurrency=flow(5),
        claimed=flow(50),
        logs_read=True,
    )
    return replace(base, **changes)


def report(used: int = 200, **changes: Any) -> InvocationReport:
    """A REPORT line of a good end."""
    base = InvocationReport(at=ago(minutes=1), memory_mb=512, used_mb=used, duration_ms=100)
    return replace(base, **changes)


def pattern(kind: str, count: int = 1, text: str = "boom") -> LogPattern:
    """Lines of one shape."""
    return LogPattern(kind=kind, text=text, count=count, last=ago(minutes=1))


def source(state: str = "Enabled", result: str = "OK", **changes: Any) -> EventSource:
    """A queue that Lambda polls for it."""
    return replace(EventSource(id="m-1", source=QUEUE, state=state, result=result), **changes)


def live(version: str = "7", **changes: Any) -> Alias:
    """The alias that callers use."""
    return replace(Alias(name="live", version=version), **changes)


def found(look: Snapshot, settings: Settings | None = None) -> list[tuple[str, Severity]]:
    """What is told, worst first as it comes."""
    return [(f.code, f.severity) for f in status.diagnose(look, settings or Settings())]
