"""What must not change who is suspected first, over stories as they are and made messy."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest

from cockpit.triage.board import Board, FindingId, LookId, OpenFinding
from cockpit.triage.finding import Severity
from cockpit.triage.nature import StoryRole, unknown
from cockpit.triage.registry import kinds, natures
from cockpit.triage.suspects import Suspect, suspects
from cockpit.triage.topology import DependencyGraph
from tests.stories import every_family
from tests.stories.writer import Case, build

every_family()
EVERY_CODE = natures(kinds())
Scene = tuple[Board, DependencyGraph]


@cache
def cases() -> tuple[Case, ...]:
    """Half of the stories as they are, half made messy; two halves of one another where a tie decides are left out."""
    return tuple(
        case
        for level in (0, 1)
        for case in build("design", range(1), level=level)[level::2]
        if len(found := suspects(case.board, case.graph)) < 2 or found[0].score > found[1].score
    )


def first(scene: Scene) -> str:
    found = suspects(*scene)
    return found[0].name if found else ""


def with_open(board: Board, found: Iterable[OpenFinding]) -> Board:
    return replace(board, open={each.id: each for each in found})


def reordered(case: Case) -> Scene:
    found = list(case.board.open.values())
    random.Random(case.id).shuffle(found)
    readings = list(case.board.readings.items())
    random.Random(case.id).shuffle(readings)
    return replace(with_open(case.board, found), readings=dict(readings)), case.graph


def said_again(case: Case) -> Scene:
    """Each finding three times, about other subjects."""
    more = [
        replace(each, id=FindingId(each.target, each.id.code, f"{each.id.subject}+{number}"),
                finding=replace(each.finding, subject=f"{each.id.subject}+{number}"))
        for each in case.board.open.values() for number in range(2)
        if each.finding.subject not in {target.name for target in case.targets}
    ]  # fmt: skip
    return with_open(case.board, [*case.board.open.values(), *more]), case.graph


def without_risks(case: Case) -> Scene:
    roles = {code: nature.role for code, nature in EVERY_CODE.items()}
    felt = any(
        roles.get(each.finding.code) is StoryRole.SYMPTOM and each.finding.severity >= Severity.HIGH
        for each in case.board.open.values()
    )
    kept = (
        each
        for each in case.board.open.values()
        if not felt
        or roles.get(each.finding.code, unknown(each.finding.code).role) is not StoryRole.RISK
    )
    return with_open(case.board, kept), case.graph


def beside_a_mild_stranger(case: Case) -> Scene:
    """A target that nothing needs has a warning which says nothing about an outage."""
    template = next(iter(case.board.open.values()))
    mild = replace(template.finding, code="PG_VAC_DEAD", severity=Severity.WARNING, subject="")
    stranger = replace(
        template, id=FindingId("stranger", "PG_VAC_DEAD", ""), kind="postgres", finding=mild
    )
    target = replace(case.targets[0], name="stranger", kind="postgres", needs=(), service="else")
    graph = DependencyGraph((*case.targets, target))
    return with_open(case.board, [*case.board.open.values(), stranger]), graph


@pytest.mark.parametrize(
    "other",
    [reordered, said_again, without_risks, beside_a_mild_stranger],
    ids=lambda f: f.__name__,
)
def test_the_first_suspect_stays_the_same(other: Callable[[Case], Scene]) -> None:
    moved = {
        case.id: (before, after)
        for case in cases()
        if (before := first((case.board, case.graph))) != (after := first(other(case)))
    }
    assert moved == {}


def test_names_decide_nothing() -> None:
    for case in cases():
        new = {target.name: f"x{place:03}" for place, target in enumerate(case.targets)}
        targets = tuple(
            replace(t, name=new[t.name], needs=tuple(new.get(n, n) for n in t.needs))
            for t in case.targets
        )
        found = [
            replace(
                each,
                id=FindingId(
                    new[each.target], each.id.code, new.get(each.id.subject, each.id.subject)
                ),
                finding=replace(
                    each.finding, subject=new.get(each.finding.subject, each.finding.subject)
                ),
            )
            for each in (*case.board.open.values(), *case.board.cleared)
        ]
        open_, cleared = found[: len(case.board.open)], found[len(case.board.open) :]
        board = replace(
            with_open(case.board, open_),
            cleared=tuple(cleared),
            readings={
                replace_name(id_, new): replace(
                    reading, target=new.get(reading.target, reading.target)
                )
                for id_, reading in case.board.readings.items()
            },
            changes=tuple(
                replace(c, target=new.get(c.target, c.target)) for c in case.board.changes
            ),
        )
        before = first((case.board, case.graph))
        assert first((board, DependencyGraph(targets))) == new.get(before, before), case.id


def replace_name(id_: LookId, new: dict[str, str]) -> LookId:
    """A look of the renamed target."""
    return LookId(new.get(id_.target, id_.target), id_.probe)


def told(found: Iterable[Suspect]) -> list[str]:
    return [text for each in found for text in (each.summary, *each.for_, *each.against)]


def test_a_change_after_the_beginning_is_never_told_as_before_it() -> None:
    for case in cases():
        begins = [each.began for each in suspects(case.board, case.graph) if each.began is not None]
        if not begins or not case.board.changes:
            continue
        late = max(reading.at for reading in case.board.readings.values()) + timedelta(minutes=20)
        changes = tuple(replace(change, at=late) for change in case.board.changes)
        found = suspects(replace(case.board, changes=changes), case.graph)
        assert not any("before it began" in text for text in told(found)), case.id
        assert all(each.change is None for each in found), case.id


def test_our_own_acts_are_never_suspected() -> None:
    for case in cases():
        ours = tuple(replace(change, own="'x' by ana") for change in case.board.changes)
        found = suspects(replace(case.board, changes=ours), case.graph)
        assert all(each.change is None for each in found), case.id
