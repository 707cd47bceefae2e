"""Short words for the values that the core's tests are made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cockpit.connect.net.settings import EndpointSettings
from cockpit.errors import Reason
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.target import Target

START = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def target(name: str, *needs: str, kind: str = "endpoint", service: str = "") -> Target:
    settings = EndpointSettings(url="http://127.0.0.1/")
    return Target(name=name, kind=kind, settings=settings, needs=needs, service=service)


def finding(
    code: str = "PG_LOCK_BLOCKED",
    severity: Severity = Severity.HIGH,
    *,
    subject: str = "",
    fact: bool = True,
) -> Finding:
    return Finding(code, severity, f"{code} {subject}".strip(), subject=subject, fact=fact)


def seen(
    *findings: Finding, name: str = "db", probe: str = "pg.locks", when: float = 0, **more: object
) -> Reading:
    outcome = Seen(findings=findings, **more)  # type: ignore[arg-type]
    return Reading(name, "postgres", probe, at(when), 0.01, outcome)


def blind(
    reason: Reason = Reason.TIMEOUT,
    *,
    name: str = "db",
    probe: str = "pg.locks",
    when: float = 0,
    found: Finding | None = None,
) -> Reading:
    outcome = Blind(reason, "no answer within 3 s", "", found)
    return Reading(name, "postgres", probe, at(when), 3.0, outcome)
