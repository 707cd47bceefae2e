"""Beside the build of 1c63b39: a board of 10,000 findings, and a journal of 100,000 entries.

CPU seconds and memory, both builds in turns; the journal of each is written by itself.
`python -m tests.bench.board` prints these rows alone.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.before import BUILD, Build, checked_out, known, ratio
from tests.bench.table import Row, render

FINDINGS, ENTRIES = 10_000, 100_000
_DRAWN = 4
"""Drawings a second, at most."""
_BOARD = """
import gc
import sys
import time
from datetime import timedelta
from types import SimpleNamespace as Settings

from dataclasses import fields

from cockpit import check, clock, sweep
from cockpit.connect.role import Role
from cockpit.errors import Reason
from cockpit.runbooks.library import library
from cockpit.triage import suspects as asked
from cockpit.triage import topology
from cockpit.triage.board import Board, reduce
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Blind, Fact, Reading, Seen
from cockpit.triage.target import Target
from screens.present.findings import unseen

MANY, TARGETS, NOW = int(sys.argv[1]), int(sys.argv[1]) // 10, clock.now()

def look(target, second):
    findings = tuple(
        Finding(
            "PG_LOCK_BLOCKED", list(Severity)[(target + each + second) % 4],
            f"pid {each} holds up {second} sessions", subject=f"pid {target}-{each}", fact=True,
            evidence=(Evidence("longest wait", float(each + second), "s", 5),),
        )
        for each in range(10)
    )
    seen = Seen(findings, facts=(Fact("used", "3", 3.0),))
    at = NOW + timedelta(seconds=second)
    return Reading(f"db-{target}", "postgres", "postgres.locks", at, 0.05, seen)

def least(work, times=3):
    spent = []
    for _ in range(times):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)

board = Board()
for each in range(TARGETS):
    board, _ = reduce(board, look(each, 0))
assert len(board.open) == MANY
seconds = iter(range(5, 1000, 5))

def some():
    global board
    for reading in readings.pop(0):
        board, _ = reduce(board, reading)

readings = [[look(each, next(seconds)) for each in range(0, TARGETS, 20)] for _ in range(3)]
reducing = least(some) / (TARGETS // 20)
targets = [
    Target(
        name=f"db-{each}", kind="postgres", settings=Settings(host=f"db-{each}.local", aws=""),
        needs=(f"db-{each - 1}",) if each % 50 else (),
    )
    for each in range(TARGETS)
]
graph = getattr(topology, "DependencyGraph", None) or topology.Graph
graph = graph(targets)
kept = getattr(asked, "Suspicion", None)
kept = kept(graph) if kept else None
if kept:
    kept.of(board)

def suspecting():
    global board
    board, _ = reduce(board, look(1, next(seconds)))
    kept.of(board) if kept else asked.suspects(board, graph)

suspecting = least(suspecting, 5)
worst = least(lambda: [board.worst("db-500") for _ in range(20)]) / 20

def told(board, targets):
    given = {
        "started_at": NOW, "took": 1.0, "environment": "bench", "role": Role.TRIAGE, "board": board,
        "targets": tuple(targets), "suspects": (), "cost": sweep.Cost(), "library": library(()),
    }
    known = {each.name for each in fields(check.Report)}
    return check.Report(**{name: value for name, value in given.items() if name in known})

gc.disable()
report = told(board, targets)
telling = least(lambda: check.to_json(report))
half = Board()
for each in range(TARGETS // 2):
    half, _ = reduce(half, look(each, 0))
report = told(half, targets)
growth = telling / least(lambda: check.to_json(report))
gc.enable()

for each in range(0, TARGETS, 2):
    gone = Blind(Reason.TIMEOUT, f"db-{each}: no answer within 3 s", f"ping db-{each}")
    at = NOW + timedelta(seconds=2_000)
    reading = Reading(f"db-{each}", "postgres", "postgres.locks", at, 0.05, gone)
    board, _ = reduce(board, reading)

def drawn():
    global board
    reading = Reading("db-0", "postgres", "postgres.locks", next(moments), 0.05, gone)
    board, _ = reduce(board, reading)
    return unseen(board)

moments = (NOW + timedelta(seconds=2_000 + each) for each in range(1, 100))
drawn()
looking = least(drawn, 5)
print(reducing, suspecting, worst, looking, telling, growth)
"""
_WRITTEN = """
import resource
import sys
import time
from pathlib import Path

from cockpit.connect.role import Role
from cockpit.incident.incident import Incidents

KINDS = ("finding.opened", "finding.worsened", "finding.eased", "finding.cleared", "blind",
         "sees_again")
incident = Incidents(Path(sys.argv[1])).create(
    "many", "P1", environment="bench", role=Role.COMMANDER, actor="ana"
)
def kilobytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

began, before = time.process_time(), kilobytes()
for each in range(int(sys.argv[2]) - 1):
    data = {"probe": "postgres.locks", "reason": "timeout"}
    if each % 6 < 4:
        data = {
            "code": "PG_LOCK_BLOCKED", "severity": ("warning", "high", "critical")[each % 3],
            "subject": f"pid {each % 997}", "probe": "postgres.locks", "kind": "postgres",
            "since": "2026-11-30T22:00:00.000Z",
            "evidence": [
                {"label": "longest wait", "value": each % 600, "unit": "s", "limit": 5},
                {"label": "waiters", "value": each % 60, "unit": "", "limit": None},
            ],
            "likely": ["a migration waits for a long transaction"], "against": [],
            "runbook": "lock-queue",
        }
    text = f"pid {each % 997} holds up {each % 60} sessions, the longest for {each % 600}s"
    if each % 500:
        incident.record(KINDS[each % 6], text, target=f"db-{each % 1000}", data=data)
    else:
        incident.record("note", f"note {each}")
incident.settle(60)
incident.close(60)
print((time.process_time() - began) * 1000 / int(sys.argv[2]))
print((kilobytes() - before) / int(sys.argv[2]))
"""
_RESUMED = """
import contextlib
import resource
import sys
import time
from pathlib import Path

from cockpit.connect.role import Role
from cockpit.desk.recorder import Recorder
from cockpit.incident.incident import Incidents
from cockpit.incident.timeline import timeline

try:
    from cockpit.cli.start import starting
except ImportError:
    starting = contextlib.nullcontext

def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

try:
    from cockpit.incident.newest import NewestRows
except ImportError:
    NewestRows = None

before, started = megabytes(), time.process_time()
with starting():
    incident = Incidents(Path(sys.argv[1])).resume("1", role=Role.COMMANDER, actor="ana")
    Recorder(incident)
    incident.unfinished
    NewestRows(incident).rows() if NewestRows else timeline(incident.entries)
print(time.process_time() - started, megabytes() - before)
incident.close(30)
"""


def rows() -> list[Row]:
    """The ratios; one row that says so where the history does not have the build."""
    if not known():
        note = f"this clone has no {BUILD}: git fetch --unshallow"
        return [Row(f"a board beside {BUILD}", 0, "", 0, BUILD, note, gauge=True)]
    with tempfile.TemporaryDirectory() as name, checked_out(Path(name)) as (old, new):
        return [*_boards(new, old), *_journals(new, old)]


def _boards(new: Build, old: Build) -> list[Row]:
    pairs = [(_told(new, _BOARD, FINDINGS), _told(old, _BOARD, FINDINGS)) for _ in range(3)]
    return [
        ratio(
            name,
            [ours[place] * 1000 for ours, _ in pairs],
            [theirs[place] * 1000 for _, theirs in pairs],
            limit,
            unit="ms",
        )
        for place, (name, limit) in enumerate(
            (
                (f"one reading into a board of {FINDINGS:,} findings", 0.05),
                ("… its suspects after it", 0.1),
                ("… the worst of one target", 0.1),
            )
        )
    ] + [
        Row(
            "… what is unseen, half of its targets blind, drawn four times a second",
            statistics.median(ours[3] for ours, _ in pairs) * _DRAWN * 100,
            "% of a core",
            1,
            f"build of {BUILD}",
            f"against {statistics.median(theirs[3] for _, theirs in pairs) * _DRAWN * 100:.2g} %",
        ),
        Row(
            f"… as JSON, {FINDINGS:,} findings over {FINDINGS // 2:,}",
            statistics.median(ours[-1] for ours, _ in pairs),
            "×",
            2.4,
            f"build of {BUILD}",
            f"against {statistics.median(theirs[-1] for _, theirs in pairs):.2g} ×; 2 is linear; "
            f"{statistics.median(ours[4] for ours, _ in pairs) * 1000:.0f} ms against "
            f"{statistics.median(theirs[4] for _, theirs in pairs) * 1000:.0f} ms",
        ),
    ]


def _journals(new: Build, old: Build) -> list[Row]:
    ours, theirs = (_told(build, _WRITTEN, build.data, ENTRIES) for build in (new, old))
    resumed = [(_told(new, _RESUMED, new.data), _told(old, _RESUMED, old.data)) for _ in range(2)]
    name = f"taking up a journal of {ENTRIES:,} entries"
    found = [
        ratio("recording an entry: CPU", ours[:1], theirs[:1], 1.0, unit="ms"),
        ratio("… memory that it takes from then on", ours[1:], theirs[1:], 0.1, unit="KB"),
        ratio(f"{name}: CPU", [a[0] for a, _ in resumed], [b[0] for _, b in resumed], 0.1),
        ratio("… memory", [a[1] for a, _ in resumed], [b[1] for _, b in resumed], 0.15, unit="MB"),
    ]
    for form in ("md", "json", "jsonl"):
        mine, before = _export(new, form), _export(old, form)
        found += [
            ratio(f"its export as {form}: CPU", [mine[0]], [before[0]], 0.2),
            ratio("… peak memory", [mine[1]], [before[1]], 0.2, unit="MB"),
        ]
    return found


def _told(build: Build, program: str, *words: object) -> list[float]:
    """The numbers that a program prints, run in the build's tree."""
    argv = [sys.executable, "-c", program, *map(str, words)]
    run = subprocess.run(
        argv, cwd=build.tree, env=build.environment, check=True, capture_output=True, text=True
    )
    return [float(word) for word in run.stdout.split()]


def _export(build: Build, form: str) -> tuple[float, float]:
    """CPU seconds and megabytes at most. Raises `RuntimeError` for one that failed."""
    written = build.data / f"export.{form}"
    process = subprocess.Popen(
        build.argv("cockpit.cli", "export", "1", "-f", form, "-o", str(written)),
        cwd=build.tree,
        env=build.environment,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"export of {build.tree.name} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    print(render(rows()))
