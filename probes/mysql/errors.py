"""What statements of MySQL's applications end with: errors by their number, prepared statements.

Source: MySQL Reference Manual, "Error Summary Tables" (`events_errors_summary_global_by_error`) and
"Server Error Message Reference"; MariaDB Knowledge Base, "Server Status Variables".
MariaDB counts a few kinds alone. MySQL counts warnings in the same place, deprecated words among
them: only what always means that somebody was refused is judged, all else is a fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cockpit.text import visible
from cockpit.triage.finding import Evidence, Finding, Severity, Thresholds
from cockpit.triage.probe import Fact
from cockpit.units import count
from probes.gains import MINUTE, Pair, Window

ERRORS = """
SELECT error_number AS errno, error_name AS name, sum_error_raised AS raised
  FROM performance_schema.events_errors_summary_global_by_error
 WHERE error_number IS NOT NULL AND sum_error_raised > 0 LIMIT 1000
"""
LIMITS = "SELECT @@global.long_query_time AS slow_s, @@global.max_prepared_stmt_count AS prepared"
PREPARED = "Prepared_stmt_count"
_MARK = "error "
_DENIED = "Access_denied_errors"
STATUS = {
    _DENIED: "1142 a right is missing",
    "Max_statement_time_exceeded": "1969 ended at their time limit",
    "Connection_errors_internal": "1041 connections failed inside the server",
    "Connection_errors_accept": "connections that accept() refused",
    "Connection_errors_select": "connections that poll() refused",
}
"""MariaDB's counters of kinds of errors."""
_FULL, _MEMORY = "a disk or a limit on temporary tables is full", "memory is short"
_RIGHT, _SCHEMA = (
    "a right was taken, or a release wants a new one",
    "a release and its schema differ",
)
_REFUSED = {
    1021: _FULL, 1114: _FULL, 1037: _MEMORY, 1038: _MEMORY, 1041: _MEMORY,
    1040: "no connection is left", 1203: "an account's connections are used up",
    1226: "an account's limit is used up",
    1044: _RIGHT, 1142: _RIGHT, 1143: _RIGHT, 1227: _RIGHT, 1370: _RIGHT,
    1047: "a Galera node out of its cluster",
    1054: _SCHEMA, 1146: _SCHEMA, 1305: _SCHEMA,
    1205: "transactions wait for a row until their limit",
    1290: "writes reach a read-only server", 1836: "writes reach a read-only server",
    1461: "no prepared statement is left",
    1467: "an AUTO_INCREMENT has no number left",
    1969: "statements end at their time limit", 3024: "statements end at their time limit",
    3032: "the server is in offline mode",
}  # fmt: skip
"""Errors that are no warning and no race: somebody asked for what he should get → why."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of error, as it is told, with how many came a second."""

    name: str
    per_s: float

    @property
    def number(self) -> int:
        first = self.name.split(" ", 1)[0]
        return int(first) if first.isdigit() else 0


def errors_of(rows: Sequence[Mapping[str, object]]) -> dict[str, int]:
    """`1461 ER_MAX_PREPARED_STMT_COUNT_REACHED` → how often it was raised since the start."""
    found = {}
    for row in rows:
        values = {name.lower(): str(value) for name, value in row.items()}
        number, raised = values.get("errno", ""), values.get("raised", "")
        if number.isdigit() and raised.isdigit():
            found[f"{number} {visible(values.get('name', ''), 60)}"] = int(raised)
    return found


def error_gains(before: Mapping[str, int] | None, now: Mapping[str, int] | None) -> dict[str, int]:
    """What was raised between two looks, by names for a pair. A kind that was not there before was
    raised for the first time; one that fell was reset, and is not known.
    """
    if before is None or now is None:
        return {}
    gained = {name: raised - before.get(name, 0) for name, raised in now.items()}
    return {f"{_MARK}{name}": number for name, number in gained.items() if number > 0}


def _kinds(pairs: Sequence[Pair], minute: Window) -> list[_Kind]:
    """Of the last minute, the most frequent first."""
    gained = dict(minute.gained)
    if (denied := gained.get(_DENIED)) is not None:  # logins among them, told by MY_CONN_ABORTED
        gained[_DENIED] = max(0, denied - gained.get("Aborted_connects", 0))
    found = {
        name: gained[variable] / minute.seconds
        for variable, name in STATUS.items()
        if gained.get(variable)
    }
    covered = 0.0
    for pair in reversed(pairs):
        if covered and covered + pair.seconds > MINUTE * 1.1:
            break
        covered += pair.seconds
        for name, number in pair.gained.items():
            if name.startswith(_MARK):
                told = name.removeprefix(_MARK)
                found[told] = found.get(told, 0.0) + number / minute.seconds
    kinds = [_Kind(name, rate) for name, rate in found.items()]
    return sorted(kinds, key=lambda each: (-each.per_s, each.name))


def error_findings(pairs: Sequence[Pair], minute: Window, limits: Thresholds) -> Iterator[Finding]:
    """Statements or connections of applications are refused, again and again, with one error.

    Only errors that nobody asks for on purpose are judged: no right, no such table or column, a
    server that takes no writes, a disk or another limit that is used up. What a program may provoke
    by itself (a duplicate key, a deadlock) and warnings, which MySQL counts in the same place, are
    facts.
    """
    judged = [each for each in _kinds(pairs, minute) if each.number in _REFUSED]
    for kind in judged[:_SHOWN]:
        severity = limits.grade(kind.per_s)
        if severity is not None:
            yield Finding(
                "MY_ERR_RATE",
                severity,
                f"{kind.per_s:,.1f} errors a second: {kind.name}",
                subject=kind.name,
                evidence=(
                    Evidence("errors", round(kind.per_s, 1), "/s", limits.first),
                    Evidence("seen for", minute.seconds, "s"),
                ),
                likely=(_REFUSED[kind.number],),
                next="which program gets them? its log has the statement; then what was released "
                "or changed when it began",
                fact=False,
            )


def prepared_findings(held: int | None, most: int | None, used: Thresholds) -> Iterator[Finding]:
    """Nearly all prepared statements that the server allows are taken.

    With the last one every PREPARE of everybody fails with 1461, over all connections together: new
    connections work, and their first statement does not. A program that prepares and never closes
    takes them, until its connections end.
    """
    if held is None or not most:
        return
    severity = used.grade(held / most)
    if severity is None:
        return
    yield Finding(
        "MY_SAT_PREPARED",
        severity,
        f"{count(held, 'prepared statement')} of {most:,}"
        + (": every further one fails with 1461" if severity is Severity.CRITICAL else ""),
        evidence=(
            Evidence("prepared statements", held, "", round((used.first or 0) * most)),
            Evidence("max_prepared_stmt_count", most),
        ),
        likely=(
            "a program that prepares statements and never closes them",
            "many pooled connections, each of which keeps its own",
        ),
        next="performance_schema.prepared_statements_instances names the threads that have them "
        "(where it is on): the end of a connection frees its own; a larger "
        "max_prepared_stmt_count gives time",
    )


def error_facts(pairs: Sequence[Pair], minute: Window | None) -> Iterator[Fact]:
    """The kinds of errors and warnings that came most often in the last minute."""
    kinds = _kinds(pairs, minute) if minute is not None else []
    if kinds:
        shown = ", ".join(f"{each.name} ×{each.per_s:,.1f}/s" for each in kinds[:_SHOWN])
        more = f", {len(kinds) - _SHOWN} more kinds" if len(kinds) > _SHOWN else ""
        yield Fact("errors and warnings", f"{shown}{more}", sum(each.per_s for each in kinds), "/s")
