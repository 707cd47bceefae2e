"""Findings about what lines tell: one for each sort of trouble, with the shapes that tell it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cockpit.logs.patterns import LinePattern
from cockpit.logs.shapes import DENIED, FIELD, MEMORY, POOL, THROTTLED, TIMEOUT
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import count, number
from probes.log_group.model import WINDOW, Snapshot
from probes.log_group.settings import Settings

_SHAPES = 3
_RETRIED = "the same request may have been tried again and again: lines are no requests"


@dataclass(frozen=True, slots=True)
class _Words:
    """How a sort of trouble is told."""

    code: str
    says: str
    likely: tuple[str, ...]
    next: str
    against: tuple[str, ...] = ()


_TOLD = {
    MEMORY: _Words(
        "LOG_OOM",
        "tell of memory that ran out, or of a process that was killed",
        ("a leak", "a larger input", "a limit that is too small"),
        "read the lines before the first of them; what was released then?",
    ),
    DENIED: _Words(
        "LOG_ACCESS_DENIED",
        "tell of an action that was refused",
        ("a policy was changed", "a release asks for what its role may not do"),
        "who changed the policies of this principal and resource? (C)",
    ),
    POOL: _Words(
        "LOG_DB_POOL",
        "tell of a connection that was not to be had",
        (
            "the database is at its limit of connections",
            "a pool that is too small, or connections that are not given back",
            "slow statements hold connections for long",
        ),
        "look at the database's sessions",
        (_RETRIED,),
    ),
    TIMEOUT: _Words(
        "LOG_TIMEOUT",
        "tell of something that did not answer in time",
        ("a dependency is slow or gone", "more load than usual"),
        "which dependency do the lines name, and how is it?",
        (_RETRIED,),
    ),
    THROTTLED: _Words(
        "LOG_THROTTLED",
        "tell of requests that AWS throttled",
        ("more is asked than the account's quota", "a loop without a pause"),
        "which service and operation do the lines name? Its quota and who else uses it",
        (_RETRIED,),
    ),
    FIELD: _Words(
        "LOG_NULL_FIELD",
        "tell of a field that is missing or of another type, and the hour before has none",
        ("a release reads or sends another form of the data", "a caller sends another form"),
        "what was released right before the first of them? (C)",
        ("a single message that cannot be read, tried again and again",),
    ),
}


def memory(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_OOM: A process was killed, or ran out of memory. One line is enough: it took everything
    with it that was in the process, and what it was doing is lost.
    """
    yield from _told(snapshot, MEMORY, settings.memory)


def denied(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_ACCESS_DENIED: Something that writes here was refused an action. The line tells who, what
    and on what, and often which policy decided: against an explicit Deny no Allow helps.
    """
    for finding in _told(snapshot, DENIED, settings.denied):
        refused = tuple(
            Evidence(
                f"refused {each.action}",
                f"{number(each.count)} times on {each.resource or 'what is not told'}, to "
                f"{each.principal or 'whom is not told'}" + (f": {each.why}" if each.why else ""),
            )
            for each in snapshot.denials
        )
        helps = snapshot.denials[0].help if snapshot.denials else finding.next
        yield Finding(
            finding.code,
            finding.severity,
            finding.summary,
            evidence=(*refused, *finding.evidence),
            likely=finding.likely,
            next=helps,
            fact=False,
        )


def pool(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_DB_POOL: Requests wait for a connection in vain. The database may be full, or the pool
    before it is: to make the pool larger brings down a database that is full.
    """
    yield from _told(snapshot, POOL, settings.pool)


def timeouts(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_TIMEOUT: Something that is waited for does not answer in time. Who waits holds threads,
    connections and concurrency meanwhile, so one slow dependency takes all with it.
    """
    yield from _told(snapshot, TIMEOUT, settings.timeouts)


def throttled(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_THROTTLED: AWS refuses requests for there are too many. Retries without a pause make more
    of them.
    """
    yield from _told(snapshot, THROTTLED, settings.throttled)


def null_field(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_NULL_FIELD: Code meets data of a form that it does not expect, in a shape of line that
    the hour before has none of: mostly a release, here or at whoever calls. Nothing is said where
    the hour before could not be read.
    """
    young = [p for p in snapshot.patterns if p.kind == FIELD and p.new_since is not None]
    if young:
        yield from _told(snapshot, FIELD, settings.field, young)


def _told(
    snapshot: Snapshot, kind: str, limits: Thresholds, shapes: list[LinePattern] | None = None
) -> Iterator[Finding]:
    counted = next((each for each in snapshot.counts if each.kind == kind), None)
    if counted is None:
        return
    shown = [p for p in snapshot.patterns if p.kind == kind] if shapes is None else shapes
    lines = counted.count if shapes is None else sum(each.count for each in shapes)
    expected = snapshot.in_window(lines)
    severity = limits.grade(expected)
    if severity is None:
        return
    words = _TOLD[kind]
    yield Finding(
        words.code,
        severity,
        f"{count(lines, 'line')} of {WINDOW} minutes {words.says}",
        evidence=(
            Evidence("lines", lines, limit=limits.first),
            Evidence("first", f"{counted.first:%H:%M:%S} UTC"),
            Evidence("last", f"{counted.last:%H:%M:%S} UTC"),
            *shape_evidence(shown),
            *partly_read(snapshot),
        ),
        likely=words.likely,
        against=words.against,
        next=words.next,
        fact=severity is Severity.CRITICAL and kind == MEMORY,
    )


def shape_evidence(shown: list[LinePattern]) -> Iterator[Evidence]:
    """The most frequent shapes, without what differs from line to line."""
    for each in shown[:_SHAPES]:
        streams = f" in {count(each.streams, 'stream')}" if each.streams > 1 else ""
        yield Evidence("shape", f"{number(each.count)} × {each.shape}{streams}")


def partly_read(snapshot: Snapshot) -> Iterator[Evidence]:
    """How far the window was read, where that is not all of it."""
    if snapshot.until is not None:
        yield Evidence("read", f"only to {snapshot.until:%H:%M:%S} UTC: there are more")
