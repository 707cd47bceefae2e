"""A place of which nothing is seen is named at the top; one target alone, or all of them, is another
matter.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from cockpit.connect.aws.settings import AwsResource
from cockpit.errors import Reason
from cockpit.sweep import PlaceStatus
from cockpit.triage.board import Board, LookId
from cockpit.triage.probe import Blind, Reading, Seen
from cockpit.triage.registry import place_of
from cockpit.triage.target import Target
from screens.present.header import banner
from screens.present.places import dark_line
from tests.screens.fake_desk import NOW, FakeDesk
from tests.screens.test_present import shown

TIMEOUT = Blind(Reason.TIMEOUT, "no answer within 12 s")
DENIED = Blind(Reason.DENIED, "no right")


def told(looks: dict[str, list[Seen | Blind]], regions: dict[str, str] | None = None) -> str:
    """The line for places with these outcomes, a target each."""
    desk = FakeDesk()
    targets, readings = {}, {}
    for place, outcomes in looks.items():
        for number, outcome in enumerate(outcomes):
            name = f"{place}-{number}"
            settings = AwsResource(aws=place, id=name)
            targets[name] = Target(name=name, kind="dynamodb_table", settings=settings)
            reading = Reading(name, "dynamodb_table", "dynamodb.table", NOW, 1.0, outcome)
            readings[LookId(name, "dynamodb.table")] = reading
    desk.targets = targets
    desk.board = Board(readings=readings)
    places = {name: PlaceStatus(region=region) for name, region in (regions or {}).items()}
    desk.status = replace(desk.status, places=places)
    line = dark_line(shown(desk), 200)
    return "" if line is None else line.plain.removesuffix(" · v groups the systems by place")


@pytest.mark.parametrize(
    ("looks", "regions", "says"),
    [
        pytest.param({"a": [Seen()], "b": [TIMEOUT, TIMEOUT]}, {},
                     " BLIND  b: no look there sees anything (timeout 2)", id="one place"),
        pytest.param({"a": [Seen()], "b": [TIMEOUT, TIMEOUT, DENIED]}, {"b": "eu-west-1"},
                     " BLIND  b in eu-west-1: no look there sees anything (timeout 2, denied 1)",
                     id="its region and its reasons"),
        pytest.param({"a": [Seen()], **{name: [TIMEOUT, TIMEOUT] for name in "bcd"}},
                     dict.fromkeys("bcd", "eu-west-1"),
                     " BLIND  3 places in eu-west-1: no look there sees anything (timeout 6)",
                     id="three accounts of one region"),
        pytest.param({"a": [Seen()], "b": [TIMEOUT] * 2, "c": [TIMEOUT] * 2}, {"b": "x", "c": "y"},
                     " BLIND  b, c: no look there sees anything (timeout 4)", id="two regions"),
        pytest.param({"a": [Seen()], "b": [TIMEOUT]}, {}, "", id="one target is no place"),
        pytest.param({"a": [Seen()], "b": [TIMEOUT, Seen()]}, {}, "", id="something is seen"),
        pytest.param({"a": [TIMEOUT, TIMEOUT]}, {}, "", id="all there is: another line says it"),
        pytest.param({"a": [Seen(), Seen()]}, {}, "", id="all is seen"),
    ],
)  # fmt: skip
def test_a_place_of_which_nothing_is_seen(
    looks: dict[str, list[Seen | Blind]], regions: dict[str, str], says: str
) -> None:
    assert told(looks, regions) == says


def test_what_fails_by_what_it_found_was_seen() -> None:
    desk = FakeDesk()
    found = replace(TIMEOUT, finding=next(iter(desk.board.open.values())).finding)
    assert told({"a": [Seen()], "b": [found, TIMEOUT]}) == ""


def test_the_line_waits_for_the_first_sweep_and_gives_way_to_what_is_graver() -> None:
    desk = FakeDesk()
    places = {
        name: AwsResource(aws=place, id=name)
        for name, place in zip(desk.targets, "aabbbbbbbb", strict=True)
    }
    desk.targets = {n: replace(t, settings=places[n]) for n, t in desk.targets.items()}
    gone = {look: replace(r, outcome=TIMEOUT) for look, r in desk.board.readings.items()}
    ill = {look: r for look, r in gone.items() if place_of(desk.targets[look.target]) == "a"}
    desk.board = replace(desk.board, readings={**desk.board.readings, **ill})
    line = banner(shown(desk), 0, 80)
    assert line is not None
    assert line.plain.startswith(" BLIND  a: ")
    assert line.cell_length <= 80
    desk.status = replace(desk.status, degraded="journal: the disk is full")
    graver = banner(shown(desk), 0, 80)
    assert graver is not None
    assert "DEGRADED" in graver.plain
    desk.status = replace(desk.status, degraded="", sweep_took=None)
    assert banner(shown(desk), 0, 80) is None
