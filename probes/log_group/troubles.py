"""Findings about what lines tell: one for each sort of trouble, with the shapes that tell it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from cockpit.logs.patterns import LinePattern
from cockpit.logs.shapes import DENIED, FIELD, MEMORY, POOL, THROTTLED, TIMEOUT
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.units import count, number
from probes.began import TOLD, earliest
from probes.log_group.model import WINDOW, Snapshot
from probes.log_group.settings import Settings

_SHAPES = 3
_RETRIED = "the same request may have been tried again and again: lines are no requests"


def memory(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_OOM: A process was killed, or ran out of memory. One line is enough: it took everything
    with it that was in the process, and what it was doing is lost.
    """
    yield from _told(
        snapshot,
        MEMORY,
        settings.memory,
        code="LOG_OOM",
        says="tell of memory that ran out, or of a process that was killed",
        likely=("a leak", "a larger input", "a limit that is too small"),
        next="read the lines before the first of them (L); what was released then?",
    )


def denied(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_ACCESS_DENIED: Something that writes here was refused an action. The line tells who, what
    and on what, and often which policy decided: against an explicit Deny no Allow helps.
    """
    refused = tuple(
        Evidence(
            f"refused {each.action}",
            f"{number(each.count)} times on {each.resource or 'what is not told'}, to "
            f"{each.principal or 'whom is not told'}" + (f": {each.why}" if each.why else ""),
        )
        for each in snapshot.denials
    )
    yield from _told(
        snapshot,
        DENIED,
        settings.denied,
        code="LOG_ACCESS_DENIED",
        says="tell of an action that was refused",
        besides=refused,
        likely=("a policy was changed", "a release asks for what its role may not do"),
        next=snapshot.denials[0].help
        if snapshot.denials
        else "who changed the policies of this principal and resource? (C)",
    )


def pool(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_DB_POOL: Requests wait for a connection in vain. The database may be full, or the pool
    before it is: to make the pool larger brings down a database that is full.
    """
    yield from _told(
        snapshot,
        POOL,
        settings.pool,
        code="LOG_DB_POOL",
        says="tell of a connection that was not to be had",
        likely=(
            "the database is at its limit of connections",
            "a pool that is too small, or connections that are not given back",
            "slow statements hold connections for long",
        ),
        against=(_RETRIED,),
        next="look at the database's sessions",
    )


def timeouts(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_TIMEOUT: Something that is waited for does not answer in time. Who waits holds threads,
    connections and concurrency meanwhile, so one slow dependency takes all with it.
    """
    yield from _told(
        snapshot,
        TIMEOUT,
        settings.timeouts,
        code="LOG_TIMEOUT",
        says="tell of something that did not answer in time",
        likely=("a dependency is slow or gone", "more load than usual"),
        against=(_RETRIED,),
        next="which dependency do the lines name, and how is it?",
    )


def throttled(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_THROTTLED: AWS refuses requests for there are too many. Retries without a pause make more
    of them.
    """
    yield from _told(
        snapshot,
        THROTTLED,
        settings.throttled,
        code="LOG_THROTTLED",
        says="tell of requests that AWS throttled",
        likely=("more is asked than the account's quota", "a loop without a pause"),
        against=(_RETRIED,),
        next="which service and operation do the lines name? Its quota and who else uses it",
    )


def null_field(snapshot: Snapshot, settings: Settings) -> Iterator[Finding]:
    """LOG_NULL_FIELD: Code meets data of a form that it does not expect, in a shape of line that
    the hour before has none of: mostly a release, here or at whoever calls. Nothing is said where
    the hour before could not be read.
    """
    young = [p for p in snapshot.patterns if p.kind == FIELD and p.new_since is not None]
    yield from _told(
        snapshot,
        FIELD,
        settings.field,
        code="LOG_NULL_FIELD",
        says="tell of a field that is missing or of another type, and the hour before has none",
        shapes=young,
        likely=(
            "a release reads or sends another form of the data",
            "a caller sends another form",
        ),
        against=("a single message that cannot be read, tried again and again",),
        next="what was released right before the first of them? (C)",
    )


def _new_since(shapes: Sequence[LinePattern] | None) -> datetime | None:
    """When the first of them came, where the hour before has none of them."""
    return earliest(each.new_since for each in shapes or ())


def _told(
    snapshot: Snapshot,
    kind: str,
    limits: Thresholds,
    *,
    code: str,
    says: str,
    likely: tuple[str, ...],
    next: str,  # noqa: A002  # as the finding's own
    against: tuple[str, ...] = (),
    shapes: Sequence[LinePattern] | None = None,
    besides: tuple[Evidence, ...] = (),
) -> Iterator[Finding]:
    """`shapes`: only these count; None: every line of the kind does."""
    counted = {each.kind: each for each in snapshot.counts}.get(kind)
    if counted is None:
        return
    shown = [p for p in snapshot.patterns if p.kind == kind] if shapes is None else shapes
    lines = counted.count if shapes is None else sum(each.count for each in shapes)
    severity = limits.grade(snapshot.in_window(lines)) if lines else None
    if severity is None:
        return
    yield Finding(
        code,
        severity,
        f"{count(lines, 'line')} of {WINDOW} minutes {says}",
        evidence=(
            *besides,
            Evidence("lines", lines, limit=limits.first),
            Evidence("first", f"{counted.first:%H:%M:%S} UTC"),
            Evidence("last", f"{counted.last:%H:%M:%S} UTC"),
            *shape_evidence(shown),
            *partly_read(snapshot),
        ),
        likely=likely,
        against=against,
        next=next,
        fact=severity is Severity.CRITICAL and kind == MEMORY,
        began=_new_since(shapes),
        resolution=TOLD,
    )


def shape_evidence(shown: Sequence[LinePattern]) -> Iterator[Evidence]:
    """The most frequent shapes, without what differs from line to line."""
    for each in shown[:_SHAPES]:
        streams = f" in {count(each.streams, 'stream')}" if each.streams > 1 else ""
        yield Evidence("shape", f"{number(each.count)} × {each.shape}{streams}")


def partly_read(snapshot: Snapshot) -> Iterator[Evidence]:
    """How far the window was read, where that is not all of it."""
    if snapshot.until is not None:
        yield Evidence("read", f"only to {snapshot.until:%H:%M:%S} UTC: there are more")
