"""The line of the recovery objectives: always true, in 80 cells too, and not there without any."""

from __future__ import annotations

from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from cockpit.incident.milestones import Milestone
from cockpit.incident.objectives import NewestPoint, Objective, RecoveryClock, RecoveryTime
from screens.present.recovery import recovery_line
from screens.widgets.header import Bar
from tests.screens.conftest import FULL, SMALL, TINY, Shows, Time, settle, text, until
from tests.screens.fake_desk import NOW, FakeDesk, ago


def reached(name: str, minutes: float | None = None) -> Milestone:
    at = None if minutes is None else ago(minutes=minutes)
    return Milestone(name=name, at=at, until=at, source="")


RUNNING = RecoveryTime(
    objective=Objective(seconds=3600.0, of="orders-db"),
    opened=ago(minutes=18),
    began=reached("impact_start", 25),
    recovered=reached("mitigated"),
)
POINT = NewestPoint(target="orders-db", objective=900.0, name="orders-standby", lacks=4.0)
CARTS = NewestPoint(target="carts", objective=900.0)


@pytest.mark.parametrize("size", [FULL, SMALL], ids=str)
async def test_both_clocks_beside_the_incident(
    desk: FakeDesk, show: Shows, snapshot: SnapshotAssertion, size: tuple[int, int]
) -> None:
    desk.recovery = RecoveryClock(time=RUNNING, points=(CARTS, POINT))
    async with show(desk, size) as pilot:
        assert text(pilot) == snapshot


async def test_the_clock_runs_by_the_second_and_goes_with_its_objective(
    desk: FakeDesk, show: Shows, time: Time
) -> None:
    desk.recovery = RecoveryClock(time=RUNNING)
    async with show(desk, SMALL) as pilot:
        assert " RTO 1h: 35:00 left" in text(pilot)
        time.pass_(minutes=36)
        await settle(pilot)
        await until(pilot, lambda: " RTO 1h: over by 01:00" in text(pilot), "it runs out")
        desk.recovery = None
        await settle(pilot)
        await until(pilot, lambda: "RTO" not in text(pilot), "the line goes")
        assert not pilot.app.screen.query_one("#recovery", Bar).display


async def test_a_tiny_terminal_keeps_its_lines_for_the_findings(
    desk: FakeDesk, show: Shows
) -> None:
    desk.recovery = RecoveryClock(time=RUNNING)
    async with show(desk, TINY) as pilot:
        assert "RTO" not in text(pilot)


@pytest.mark.parametrize(
    ("time", "told"),
    [
        pytest.param(RUNNING, "RTO 1h: 35:00 left", id="left"),
        pytest.param(replace(RUNNING, began=reached("impact_start")), "RTO 1h: at most 42:00 left",
                     id="no word on the beginning"),
        pytest.param(replace(RUNNING, began=reached("impact_start", 65)), "RTO 1h: over by 05:00",
                     id="over"),
        pytest.param(replace(RUNNING, opened=ago(minutes=65), began=reached("impact_start")),
                     "RTO 1h: over by at least 05:00", id="over whenever it began"),
        pytest.param(replace(RUNNING, recovered=reached("mitigated", 1)), "RTO 1h: met, 36m 00s left",
                     id="met"),
        pytest.param(replace(RUNNING, began=reached("impact_start", 70), recovered=reached("mitigated", 5)),
                     "RTO 1h: missed by 5m 00s", id="missed"),
        pytest.param(replace(RUNNING, began=reached("impact_start"), recovered=reached("mitigated", 5)),
                     "RTO 1h: recovered, not known whether in time", id="not known"),
    ],
)  # fmt: skip
def test_the_rto_in_one_line(time: RecoveryTime, told: str) -> None:
    assert recovery_line(RecoveryClock(time=time), NOW, 80).plain.strip() == told


@pytest.mark.parametrize(
    ("points", "told"),
    [
        pytest.param([POINT], "RPO 15m: copy of orders-db up to 4s behind", id="known"),
        pytest.param([CARTS], "RPO 15m: not known: carts", id="not known"),
        pytest.param([CARTS, POINT], "RPO 15m: copy of orders-db up to 4s behind · ? carts",
                     id="what is known and what is not"),
        pytest.param([replace(POINT, lacks=1320.0), CARTS],
                     "RPO 15m: over by 7m 00s: copy of orders-db up to 22m 00s behind · ? carts",
                     id="over"),
    ],
)  # fmt: skip
def test_the_rpo_in_one_line(points: list[NewestPoint], told: str) -> None:
    line = recovery_line(RecoveryClock(points=tuple(points)), NOW, 80)
    assert line.plain.strip() == told


def test_names_from_outside_are_harmless_and_the_line_fits() -> None:
    odd = replace(POINT, target="a\x1b[31m" * 40, name="[/b]")
    for width in (80, 140):
        told = recovery_line(RecoveryClock(time=RUNNING, points=(odd,)), NOW, width)
        assert told.cell_length <= width
        assert told.plain.isprintable()
