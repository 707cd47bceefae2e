"""Logical replication at its subscriber: whether changes arrive, and whether they can be applied.

Source: PostgreSQL documentation, pg_subscription, pg_stat_subscription, pg_stat_subscription_stats
(15 and later; `confl_…` from 18 on), "Logical Replication: Conflicts". At the publisher all of this
looks well for long: the lag columns stand still at their last good value while nothing is applied.
Subscriptions are told by name, since 13 does not let a role read their numbers: those of one name
in two databases are one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.view import Column, Row, Table
from cockpit.units import count, duration
from probes.began import MEASURED, ago

COUNTED_FROM = 150000
"""The version from which errors are counted."""
ERRORS = """
SELECT subname AS name, to_jsonb(s) AS counted FROM pg_stat_subscription_stats AS s
 ORDER BY subname, subid LIMIT 200
"""
_FAILED = timedelta(minutes=1)
"""How long after its last error a subscription fails: a transaction takes its time to fail again.
"""
_AGAIN = 2
"""Errors of a minute that are no accident: a lost connection is counted as one, too."""
_MISSED = 2
_RESTARTED = 3
"""Looks in a row without the worker, or with another one at each, that are no accident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionErrors:
    """A row of pg_stat_subscription_stats, whole: versions count more and more."""

    name: str
    counted: dict[str, int | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalSubscription:
    """All subscriptions of one name. `database` and `slot` are those of the first."""

    name: str
    number: int = 1
    enabled: int = 1
    """How many of them should run."""
    database: str | None = None
    slot: str | None = None
    """At the publisher; None: it has none."""
    workers: int = 0
    """Workers that apply; those that copy tables first are not counted."""
    pid: int | None = None
    last_msg_s: float | None = None
    """Seconds since the worker took a message; None: no worker, or nothing was taken yet."""
    not_ready: int = 0
    """Tables of our database whose first copy is not done."""
    counted: dict[str, int] = field(default_factory=dict)
    """Errors and conflicts since the statistics began, by the server's names."""
    gained: dict[str, int] = field(default_factory=dict)
    """Those that came since it began to fail."""
    failed_at: datetime | None = None
    """When we saw the last of them; None: never, or not lately."""
    unsteady: int = 0
    """Looks in a row without all of its workers, or with another one than before."""
    was_enabled: bool = False
    """An earlier look saw it run."""

    @property
    def errors(self) -> int:
        """Gained errors, each of which ended a worker."""
        return sum(n for name, n in self.gained.items() if name.endswith("error_count"))

    @property
    def conflicts(self) -> dict[str, int]:
        """Gained conflicts, by kind."""
        found = {k.removeprefix("confl_"): n for k, n in self.gained.items()}
        return {k: n for k, n in found.items() if n and not k.endswith("error_count")}


def with_errors(
    subscriptions: Iterable[LogicalSubscription], rows: Iterable[SubscriptionErrors]
) -> tuple[LogicalSubscription, ...]:
    """The same with what is counted, added up by name."""
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        of_name = sums.setdefault(row.name, {})
        for key, value in row.counted.items():
            if isinstance(value, int) and (key.endswith("error_count") or key.startswith("confl_")):
                of_name[key] = of_name.get(key, 0) + value
    return tuple(replace(each, counted=sums.get(each.name, {})) for each in subscriptions)


def compared(
    before: Iterable[LogicalSubscription], now: Iterable[LogicalSubscription], at: datetime
) -> tuple[LogicalSubscription, ...]:
    """The same with what happened since the look before."""
    known = {each.name: each for each in before}
    return tuple(
        _compared(known[each.name], each, at) if each.name in known else each for each in now
    )


def _compared(
    before: LogicalSubscription, now: LogicalSubscription, at: datetime
) -> LogicalSubscription:
    new = {
        key: value - before.counted[key]
        for key, value in now.counted.items()
        if value > before.counted.get(key, value)
    }
    steady = now.workers >= now.enabled and now.pid == before.pid
    kept = before.failed_at is not None and at - before.failed_at < _FAILED
    return replace(
        now,
        gained=_added(before.gained if kept else {}, new),
        failed_at=at if new else before.failed_at if kept else None,
        unsteady=0 if steady else before.unsteady + 1,
        was_enabled=before.was_enabled or before.enabled > 0,
    )


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in sorted({*one, *other})}


def subscription_findings(
    subscriptions: Iterable[LogicalSubscription], silent: Thresholds, at: datetime
) -> Iterator[Finding]:
    """What each of the subscriptions does not get, or cannot apply."""
    for each in subscriptions:
        if each.enabled < each.number:
            yield _disabled(each)
        if not each.enabled:
            continue
        if each.errors >= _AGAIN:
            yield _fails(each)
        elif each.workers < each.enabled and each.unsteady >= _MISSED:
            yield _down(each, "has no worker: nothing is applied")
        elif each.unsteady >= _RESTARTED:
            yield _down(each, "has another worker at each look: it ends and starts again")
        elif (severity := silent.grade(each.last_msg_s)) is not None:
            yield _silent(each, severity, silent, at=at)
        if each.conflicts and each.errors < _AGAIN:
            yield _differs(each)


def _down(each: LogicalSubscription, what: str) -> Finding:
    """A subscription does not take part: it is disabled, or no worker applies for it.

    Its tables stand still, and its slot keeps the publisher's WAL until the disk there is full. One
    that was disabled by hand is a warning; one that we saw run, or that met errors, is high: it may
    have disabled itself (`disable_on_error`).
    """
    return Finding(
        "PG_SUB_DOWN",
        Severity.HIGH,
        f"subscription {visible(each.name, 60)} {what}",
        subject=visible(each.name, 60),
        evidence=(
            Evidence("workers", each.workers, limit=each.enabled),
            Evidence("looks without the same worker", each.unsteady),
            *_common(each),
        ),
        likely=(
            "it fails as soon as it starts: the server's log says why",
            "max_logical_replication_workers or max_worker_processes is used up",
            "the publisher cannot be reached, or its slot is gone",
        ),
        next="the server's log of the last minute; then the slot at the publisher",
    )


def _disabled(each: LogicalSubscription) -> Finding:
    """See `_down`."""
    grave = each.was_enabled or each.errors
    finding = _down(each, "is disabled: nothing is applied")
    return replace(
        finding,
        severity=Severity.HIGH if grave else Severity.WARNING,
        likely=("it met an error, with disable_on_error", "somebody disabled it, for a migration")
        if grave
        else ("somebody disabled it and forgot it", "it met an error, with disable_on_error"),
        next="who disabled it? the server's log has the error; mend that, then ALTER SUBSCRIPTION "
        "… ENABLE; one that nobody needs is dropped, with its slot",
    )


def _fails(each: LogicalSubscription) -> Finding:
    """A subscription meets something that it cannot apply, and stops or differs from its publisher.

    A row that is there already, or that a constraint refuses, ends the worker; it starts again and
    meets the same row, for ever, and the publisher keeps WAL for it. Changes to rows that are not
    here are passed over (18 counts them): nothing stops, and the two sides differ.
    """
    kinds = each.conflicts
    what = ", ".join(f"{visible(k, 40)} {n}" for k, n in kinds.items())
    return Finding(
        "PG_SUB_CONFLICT",
        Severity.HIGH,
        f"subscription {visible(each.name, 60)} fails again and again: "
        f"{count(each.errors, 'error')} lately" + (f" ({what})" if what else ""),
        subject=visible(each.name, 60),
        evidence=(
            Evidence("errors", each.errors, limit=0),
            *(Evidence(visible(k, 40), n) for k, n in each.gained.items()),
            *_common(each),
        ),
        likely=(
            "a row that is written here too: a key that is there already",
            "a table or column that differs from the publisher's",
            "a right that its owner lacks",
        ),
        next="the server's log: which row of which table, and the LSN; mend the row here, or "
        "ALTER SUBSCRIPTION … SKIP (lsn = …) that one transaction (15 on)",
    )


def _differs(each: LogicalSubscription) -> Finding:
    """See `_fails`."""
    kinds = each.conflicts
    what = ", ".join(f"{visible(k, 40)} {n}" for k, n in kinds.items())
    return Finding(
        "PG_SUB_CONFLICT",
        Severity.WARNING,
        f"subscription {visible(each.name, 60)} met other rows than its publisher has: {what}",
        subject=visible(each.name, 60),
        evidence=(
            *(Evidence(visible(k, 40), n, limit=0) for k, n in kinds.items()),
            *_common(each),
        ),
        likely=("somebody writes here too", "the first copy was not complete"),
        next="the server's log names the rows; compare the table with the publisher's",
    )


def _silent(
    each: LogicalSubscription, severity: Severity, silent: Thresholds, *, at: datetime
) -> Finding:
    """A subscription's worker is there, and takes nothing any more.

    The publisher sends a sign of life twice in each `wal_sender_timeout`, so silence is no idle
    publisher: the line between them is cut, or the worker waits here, for a lock or the disk.
    """
    return Finding(
        "PG_SUB_STALLED",
        severity,
        f"subscription {visible(each.name, 60)} has taken nothing for "
        f"{duration(each.last_msg_s or 0)}",
        subject=visible(each.name, 60),
        evidence=(
            Evidence("nothing was taken for", each.last_msg_s, "s", silent.first),
            Evidence("its worker", f"pid {each.pid}"),
            *_common(each),
        ),
        likely=("its worker waits for a lock here", "the network, or the publisher hangs"),
        next="does its worker wait? look at the locks here; then at the publisher",
        began=ago(at, each.last_msg_s),
        resolution=MEASURED,
    )


def _common(each: LogicalSubscription) -> tuple[Evidence, ...]:
    return (
        Evidence("database", visible(each.database or "unknown", 60)),
        Evidence("its slot at the publisher", visible(each.slot or "none", 60)),
        Evidence("tables that are not copied yet", each.not_ready),
    )


_COLUMNS = (
    Column("subscription", 28),
    Column("database", 20),
    Column("state", 12),
    Column("heard", 12, right=True),
    Column("not copied", 10, right=True),
    Column("errors"),
)


def subscriptions_table(subscriptions: Iterable[LogicalSubscription], silent: Thresholds) -> Table:
    """The subscriptions of this server."""
    return Table(
        title="Subscriptions",
        columns=_COLUMNS,
        rows=tuple(
            Row(
                key=each.name,
                cells=(
                    visible(each.name, 60),
                    visible(each.database or "", 40),
                    _state(each),
                    "" if each.last_msg_s is None else f"{duration(max(0.0, each.last_msg_s))} ago",
                    str(each.not_ready or ""),
                    ", ".join(f"{visible(k, 40)} {n}" for k, n in each.counted.items() if n),
                ),
                severity=silent.grade(each.last_msg_s),
            )
            for each in subscriptions
        ),
    )


def _state(each: LogicalSubscription) -> str:
    if not each.enabled:
        return "disabled"
    return "no worker" if each.workers < each.enabled else "applies"
