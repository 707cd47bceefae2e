"""Streams of findings, from recorded looks and made up, and an eye on what is really drawn."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from textual.screen import Screen

from cockpit.connect.aws.settings import AwsResource
from cockpit.errors import Reason
from cockpit.runbooks.library import Library
from cockpit.runbooks.plan import Plan
from cockpit.runbooks.step import Runbook
from cockpit.triage import recording
from cockpit.triage.board import OpenFinding
from cockpit.triage.engine import Look, judged
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.registry import registry
from cockpit.triage.store import Store
from cockpit.triage.suspects import suspects
from cockpit.triage.target import Target
from cockpit.triage.topology import DependencyGraph
from screens.presses import Drawn
from screens.widgets.evidence import EvidencePane
from screens.widgets.findings import Findings
from screens.widgets.lineview import LineView
from screens.widgets.runbook import RunbookPane
from tests.probes.test_data_recordings import REAL
from tests.recorded import FOLDER
from tests.screens.fake_desk import NOW, FakeDesk
from tests.screens.fake_run import FakeRun
from tests.screens.strict import StrictApp

Act = tuple[str, str, str]
"""(code, target, title of the runbook)."""


def _target(name: str, kind: str, *needs: str) -> Target:
    return Target(name=name, kind=kind, settings=AwsResource(aws="prod", id=name), needs=needs)


SHOP = (
    _target("shop-alb", "alb", "checkout-tg"),
    _target("checkout-tg", "target_group", "checkout"),
    _target("checkout", "ecs_service", "orders-db", "catalog", "sessions"),
    _target("orders-db", "postgres"),
    _target("catalog", "mysql"),
    _target("sessions", "redis"),
    _target("pages", "memcached"),
    _target("pool", "pgbouncer"),
)
GRAPH = DependencyGraph(SHOP)
BY_KIND = {target.kind: target for target in SHOP}


class StreamDesk(FakeDesk):
    """The real library and the real suspects over what a stream saw; runs are remembered."""

    def __init__(self, library: Library) -> None:
        super().__init__(targets={target.name: target for target in SHOP})
        self.library = library
        self.acted: list[Act] = []
        self.clear()

    def clear(self) -> None:
        """Before the first look."""
        self.store = Store()
        self.runs.clear()
        self.look(())

    def look(self, readings: Sequence[Reading]) -> None:
        """More was seen."""
        for reading in readings:
            self.store.add(reading)
        self.board = self.store.board
        self.suspects = suspects(self.board, GRAPH)
        self.changed()

    def runbooks_for(self, finding: OpenFinding) -> Sequence[Runbook]:
        return self.library.for_code(finding.finding.code, finding.kind)

    def best(self, finding: OpenFinding) -> str:
        return self.library.best(finding.finding.code, finding.kind)

    def start_run(self, runbook_id: str, finding: OpenFinding) -> FakeRun:
        key = (runbook_id, finding.id)
        if key not in self.runs:
            self.runs[key] = _Remembered(self.library.get(runbook_id), self, finding)
        return self.runs[key]


class _Remembered(FakeRun):
    def __init__(self, runbook: Runbook, desk: StreamDesk, finding: OpenFinding) -> None:
        super().__init__(runbook, desk, finding.target, finding)
        self.about = (finding.finding.code, finding.target, runbook.title)
        self.acted = desk.acted

    async def plan(self, step_id: str) -> Plan:
        self.acted.append(self.about)
        return await super().plan(step_id)


class Watched(StrictApp):
    """Remembers what was on the terminal after each time that it was written to."""

    seen: Act = ("", "", "")

    def _display(self, screen: object, renderable: object) -> None:
        super()._display(screen, renderable)  # type: ignore[arg-type]
        if self.screen_stack and (found := self.screen_stack[1:2]):
            self.seen = drawn_on(found[0])

    def begin_anew(self) -> None:
        """As before the first look and the first key."""
        rows = self.screen_stack[1].query_one(Findings)
        rows.moved = rows.lost = False
        rows._key = None
        for pane in self.screen_stack[1].query("LineView").results(Findings):
            pane._drawn = Drawn()


def drawn_on(screen: Screen[object]) -> Act:
    """What evidence and runbook say on the screen: read from the lines as they were painted."""
    evidence, book = screen.query_one(EvidencePane), screen.query_one(RunbookPane)
    code = next(iter(_painted(evidence)), "").partition(" ")[0]
    target = getattr(evidence._border_title, "plain", "").partition(" · ")[2].partition(" · ")[0]
    title = takewhile(lambda line: not line.startswith("for "), _painted(book))
    return code, target, " ".join(title).strip()


def _painted(pane: LineView) -> list[str]:
    return [line.content.plain.strip() for _, line in sorted(pane._painted.items())]


# -- streams ---------------------------------------------------------------------------------------


def recorded(rng: random.Random) -> Iterator[list[Reading]]:
    """Recorded looks of databases and caches in trouble, in any order, some going blind."""
    at = NOW
    for name, probe, _ in rng.sample(REAL, 8):
        chosen = registry()[probe]
        target = BY_KIND[chosen.kind]
        content = (FOLDER / f"{name}.json").read_bytes()
        look = Look(target, chosen, chosen.settings)
        outcome: Seen | Blind = judged(look, recording.decode(content, chosen.snapshot))
        for _ in range(2):  # what a gauge says counts from the second look on
            at += timedelta(seconds=1)
            yield [_reading(target, probe, at, outcome)]
        if rng.random() < 0.3:
            at += timedelta(seconds=1)
            yield [_reading(target, probe, at, Blind(Reason.TIMEOUT, "no answer"))]


def generated(rng: random.Random, codes: Sequence[str]) -> Iterator[list[Reading]]:
    """Findings of any code that open, worsen, ease and clear at once, all over the shop."""
    found: dict[str, dict[str, Finding]] = {target.name: {} for target in SHOP}
    at = NOW
    for number in range(20):
        at += timedelta(seconds=1)
        target = rng.choice(SHOP)
        own = found[target.name]
        if own and rng.random() < 0.4:
            code = rng.choice(sorted(own))
            if rng.random() < 0.5:
                del own[code]
            else:
                own[code] = replace(own[code], severity=rng.choice(list(Severity)))
        else:
            code = rng.choice(codes)
            own[code] = Finding(code, rng.choice(list(Severity)), f"trouble {number}", fact=True)
        seen = Seen(findings=tuple(own.values()))
        looks = 3 if rng.random() < 0.3 else 1  # three clean ones clear what is gone
        moments = [at + timedelta(milliseconds=each) for each in range(looks)]
        yield [_reading(target, f"{target.kind}.made", moment, seen) for moment in moments]


def _reading(target: Target, probe: str, at: datetime, outcome: Seen | Blind) -> Reading:
    return Reading(target.name, target.kind, probe, at, 0.01, outcome)


async def fed(desk: StreamDesk, stream: Iterator[list[Reading]], rng: random.Random) -> None:
    """Let the desk see the stream, at random moments."""
    for readings in stream:
        desk.look(readings)
        await asyncio.sleep(rng.random() * 0.03)
