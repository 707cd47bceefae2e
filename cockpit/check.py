"""One sweep without a screen, and its public JSON form."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

from cockpit import clock, sweep
from cockpit.config import Config
from cockpit.connect.role import Role
from cockpit.errors import Misconfigured
from cockpit.ownership import private
from cockpit.redact import masked
from cockpit.runbooks.library import Library, library
from cockpit.text import visible
from cockpit.triage.board import ONE_LOOK, Board, OpenFinding
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Severity
from cockpit.triage.had import PARTLY, LookMemory
from cockpit.triage.onset import onset
from cockpit.triage.probe import AnyProbe, Blind, Fact, Reading, Seen
from cockpit.triage.related import RELATED, changes_of, feed_of, reading_of, without_feed
from cockpit.triage.store import Store
from cockpit.triage.suspects import Suspect, suspects
from cockpit.triage.target import Target
from cockpit.triage.topology import DependencyGraph

SCHEMA = "cockpit.check/1"
_LONGEST_NAME = 120
_OURS = frozenset({"schema", "environment", "target", "kind", "probe", "code", "runbook"})
"""Names of the configuration and of the product: never secrets, whatever a password is."""


class Exit(IntEnum):
    """What the process ends with, as monitoring plug-ins do."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3
    USAGE = 64
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one sweep saw."""

    started_at: datetime
    took: float
    environment: str
    role: Role
    targets: tuple[Target, ...]
    """Those that were chosen, also when no probe could look at them."""
    board: Board
    suspects: tuple[Suspect, ...]
    cost: sweep.Cost
    library: Library
    """What says which runbook a finding has; it holds no others."""
    unrecorded: str = ""
    """Why what was collected could not be written where it was wanted."""
    redirected: Mapping[str, str] = field(default_factory=dict)
    """`prod ecs` → an endpoint that our configuration does not name. Empty: all asked was AWS."""

    @property
    def worst(self) -> Severity | None:
        """The worst severity found; None when nothing was."""
        return max((f.finding.severity for f in self.board.open.values()), default=None)

    @property
    def exit_code(self) -> Exit:
        """2 high or critical, 1 warning, 3 could not look at something, 0 nothing wrong.

        A look of which a part was denied or failed (`…_OBS_BLIND`) counts as one that could not.
        """
        worst = self.worst
        if worst is not None and worst >= Severity.HIGH:
            return Exit.CRITICAL
        if worst is Severity.WARNING:
            return Exit.WARNING
        partly = any(f.finding.code.endswith(PARTLY) for f in self.board.open.values())
        unknown = partly or self.board.blind() or self.unrecorded
        return Exit.UNKNOWN if unknown else Exit.OK


async def look_once(
    config: Config,
    probes: Mapping[str, AnyProbe],
    *,
    targets: Sequence[str] = (),
    only: Sequence[str] = (),
    record: Path | None = None,
    memory: LookMemory | None = None,
) -> Report:
    """Look at everything once, read-only, and say what is wrong. Raises `Misconfigured`.

    `memory`: what earlier looks had; None: nothing is known of any.
    """
    started, clock_start = clock.now(), clock.monotonic()
    store = Store(ONE_LOOK)
    connections = sweep.connections(config, Role.TRIAGE)
    try:
        looks = sweep.looks(config, probes, targets=targets, only=only)
    except Misconfigured:
        looks = []
        if not (unseen := sweep.unwatched(config, probes, targets)) or only:
            raise
    else:
        unseen = sweep.unwatched(config, probes, targets) if not only else []
    looked_at = {look.target.name for look in looks} | {reading.target for reading in unseen}
    engine = sweep.engine(
        looks,
        connections,
        store=store,
        debug=sweep.debug_log(config.path.parent),
        memory=memory,
    )
    try:
        await engine.sweep()
        for reading in unseen:
            store.add(reading)
        _relate(config, probes, store, first_look=started)
        unrecorded = ""
        if record is not None:
            unrecorded = await asyncio.to_thread(write_recordings, store.board, record)
    finally:
        await engine.stop()
        spent = sweep.cost(connections)
        elsewhere = sweep.redirected(connections)
        await connections.close()
    return Report(
        started_at=started,
        took=clock.monotonic() - clock_start,
        environment=config.environment,
        role=Role.TRIAGE,
        targets=tuple(target for target in config.targets if target.name in looked_at),
        board=store.board,
        suspects=suspects(store.board, DependencyGraph(config.targets)),
        cost=spent,
        unrecorded=unrecorded,
        redirected=elsewhere,
        library=library(
            config.runbooks, codes={each.finding.code for each in store.board.open.values()}
        ),
    )


def _relate(
    config: Config, probes: Mapping[str, AnyProbe], store: Store, *, first_look: datetime
) -> None:
    """Tell at the feed of changes what they have to do with what is wrong, where both are known."""
    feed = feed_of(config.targets)
    found = changes_of(
        store.board,
        DependencyGraph(config.targets),
        at=clock.now(),
        began=onset(store.board, first_look),
    )
    told = [(feed, found)] if feed else without_feed(found).values()
    looked_at = {id_.target for id_ in store.board.readings}
    for name, part in told:
        if name in looked_at and (probe := probes.get(RELATED)) is not None:
            target = next(each for each in config.targets if each.name == name)
            store.add(reading_of(part, name, probe, config.settings_for(target, probe)))


def write_recordings(board: Board, folder: Path) -> str:
    """Every snapshot as `TARGET.PROBE.json`, without literals and secrets, for this user alone.

    A name that is no name of a file gets a digest of it behind it. Gives why the folder takes no
    file; empty when all is written.
    """
    from cockpit.triage.recording import encode

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for reading in board.readings.values():
            if isinstance(reading.outcome, Seen):
                name = _file_name(f"{reading.target}.{reading.probe}") + ".json"
                with private(folder / name) as file:
                    file.write(encode(reading.outcome.snapshot))
    except OSError as error:
        return f"{error.filename or folder}: cannot be written: {error.strerror}"
    return ""


def _file_name(text: str) -> str:
    plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in text)[:_LONGEST_NAME]
    return plain if plain == text else f"{plain}-{sha256(text.encode()).hexdigest()[:8]}"


def ordered(board: Board) -> list[OpenFinding]:
    """Worst first, then what was seen last, then by name, so that two equal sweeps print equal."""
    return sorted(
        board.open.values(),
        key=lambda f: (-f.finding.severity.rank, f.target, f.finding.code, f.id.subject),
    )


def to_json(report: Report) -> str:
    """The public format `cockpit.check/1`."""
    board = report.board
    document = {
        "schema": SCHEMA,
        "started_at": clock.stamp(report.started_at),
        "took_s": round(report.took, 3),
        "environment": report.environment,
        "role": report.role.value,
        "worst": report.worst.value if report.worst else None,
        "readings": [_reading(reading, board) for reading in board.readings.values()],
        "findings": [_finding(finding, report.library) for finding in ordered(board)],
        "suspects": [_suspect(suspect) for suspect in report.suspects],
        "changes": [_change(change) for change in board.changes],
        "cost": {
            "api_calls": report.cost.api_calls,
            "estimated_usd": round(report.cost.usd, 6),
            "throttled": report.cost.throttled,
        },
        "redirected": {name: visible(url) for name, url in report.redirected.items()},
    }
    told = masked(document, _OURS)
    return json.dumps(told, ensure_ascii=False, indent=2, allow_nan=False)


def _reading(reading: Reading, board: Board) -> dict[str, Any]:
    row: dict[str, Any] = {
        "target": reading.target,
        "kind": reading.kind,
        "probe": reading.probe,
        "outcome": "seen" if isinstance(reading.outcome, Seen) else "blind",
        "took_s": round(reading.took, 3),
        "at": clock.stamp(reading.at),
        "findings": sum(f.probe == reading.probe for f in board.open_at(reading.target)),
    }
    if isinstance(reading.outcome, Blind):
        row |= {"reason": reading.outcome.reason.value, "detail": reading.outcome.detail}
        if reading.outcome.hint:
            row["hint"] = reading.outcome.hint
    else:
        row["facts"] = [_fact(fact) for fact in reading.outcome.facts]
    return row


def _fact(fact: Fact) -> dict[str, Any]:
    """The first one is the headline. `value`: null where it is not a number, or not known."""
    known = fact.value is not None and math.isfinite(fact.value)
    return {
        "label": visible(fact.label),
        "text": visible(fact.text),
        "value": fact.value if known else None,
        "unit": fact.unit,
    }


def _finding(found: OpenFinding, library: Library) -> dict[str, Any]:
    finding = found.finding
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "target": found.target,
        "kind": found.kind,
        "probe": found.probe,
        "subject": visible(finding.subject),
        "summary": visible(finding.summary),
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "likely": list(finding.likely),
        "against": list(finding.against),
        "next": finding.next,
        "began": clock.stamp(finding.began) if finding.began is not None else None,
        "resolution_s": finding.resolution if finding.began is not None else None,
        "runbook": library.best(finding.code, found.kind),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    value = evidence.value
    if isinstance(value, str):
        value = visible(value)
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        value = None
    return {
        "label": visible(evidence.label),
        "value": value,
        "unit": evidence.unit,
        "limit": evidence.limit,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "at": clock.stamp(change.at),
        "kind": change.kind,
        "target": change.target,
        "summary": visible(change.summary),
        "actor": visible(change.actor),
        "source": change.source,
    }


def _suspect(suspect: Suspect) -> dict[str, Any]:
    return {
        "rank": suspect.rank,
        "kind": suspect.kind,
        "name": visible(suspect.name),
        "score": round(suspect.score, 3),
        "summary": visible(suspect.summary),
        "explains": [visible(each) for each in suspect.explains],
        "for": [visible(each) for each in suspect.for_],
        "against": [visible(each) for each in suspect.against],
        "not_examined": list(suspect.not_examined),
        "next_probe": suspect.next_probe,
        "verdict": suspect.verdict.value,
        "reason": visible(suspect.reason),
        "change": _change(suspect.change) if suspect.change is not None else None,
        "began": clock.stamp(suspect.began) if suspect.began is not None else None,
        "felt": {"explained": suspect.felt[0], "of": suspect.felt[1]},
    }
