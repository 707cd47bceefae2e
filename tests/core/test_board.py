"""The board: what opens, worsens, clears, and what going blind does not clear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from cockpit.errors import Reason
from cockpit.triage.board import ONE_LOOK, Board, BoardChange, BoardEvent, FindingId, proved, reduce
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Fact, Reading
from tests.core.builders import at, blind, finding, seen


def play(*readings: Reading) -> tuple[Board, list[BoardChange]]:
    board, happened = Board(), []
    for reading in readings:
        board, changes = reduce(board, reading)
        happened += changes
    return board, happened


def events(changes: Sequence[BoardChange]) -> list[str]:
    return [change.event.value for change in changes]


GAUGE = finding(fact=False)
FACT = finding()


def milder(*whens: float) -> list[Reading]:
    return [seen(FACT.at(Severity.WARNING), when=when) for when in whens]


def worse(when: float) -> Reading:
    return seen(GAUGE.at(Severity.CRITICAL), when=when)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([seen(FACT)], ["opened"], id="a hard fact opens on one look"),
        pytest.param([seen(GAUGE)], [], id="a gauge does not"),
        pytest.param([seen(GAUGE), seen(GAUGE, when=5)], ["opened"], id="a gauge opens on two looks running"),
        pytest.param([seen(GAUGE), seen(when=5), seen(GAUGE, when=10)], [], id="two looks with a clean one between are not running"),
        pytest.param([seen(FACT), seen(when=5), seen(when=10)], ["opened"], id="two clean looks clear nothing"),
        pytest.param([seen(FACT), seen(when=5), seen(when=10), seen(when=15)], ["opened", "cleared"], id="three clean looks clear"),
        pytest.param([seen(FACT), seen(when=5), seen(when=10), seen(FACT, when=15), seen(when=20), seen(when=25)], ["opened"], id="a look that sees it again starts the count anew"),
        pytest.param([seen(FACT), seen(FACT.at(Severity.CRITICAL), when=5)], ["opened", "worsened"], id="a worse severity worsens"),
        pytest.param([seen(FACT), *milder(5, 10)], ["opened"], id="two milder looks ease nothing"),
        pytest.param([seen(FACT), *milder(5, 10, 15)], ["opened", "eased"], id="three milder looks running ease"),
        pytest.param([seen(FACT), *milder(5, 10), seen(FACT, when=15), *milder(20, 25)], ["opened"], id="a severity does not follow a value around its threshold"),
        pytest.param([seen(GAUGE), seen(GAUGE, when=5), worse(10)], ["opened"], id="a gauge does not worsen on one look"),
        pytest.param([seen(GAUGE), seen(GAUGE, when=5), worse(10), worse(15)], ["opened", "worsened"], id="a gauge worsens on two looks running"),
        pytest.param([seen(GAUGE), seen(GAUGE, when=5), worse(10), seen(GAUGE, when=15), worse(20)], ["opened"], id="two worse looks with a milder one between are not running"),
        pytest.param([seen(FACT), blind(when=5), blind(when=10), blind(when=15), blind(when=20)], ["opened", "blind"], id="blind looks clear nothing and are told once"),
        pytest.param([blind(), blind(Reason.DENIED, when=5)], ["blind", "blind"], id="another reason is told"),
        pytest.param([blind(), seen(when=5)], ["blind", "sees_again"], id="it sees again"),
        pytest.param([blind(found=FACT), seen(when=5), seen(when=9), seen(when=12)], ["blind", "opened", "sees_again", "cleared"], id="a failure that is a diagnosis is a finding, and clears by seeing"),
        pytest.param([seen(FACT), seen(name="other", when=5), seen(name="other", when=9), seen(name="other", when=12)], ["opened"], id="looks at another target clear nothing"),
        pytest.param([seen(GAUGE), seen(GAUGE, probe="pg.counters", when=0.1)], [], id="two probes at one moment are no two looks"),
        pytest.param([seen(GAUGE), seen(GAUGE, probe="pg.counters", when=5)], ["opened"], id="two probes one after the other are"),
        pytest.param([seen(GAUGE), worse(5), worse(10), *(seen(GAUGE, probe="pg.pulse", when=10.0 + n) for n in range(1, 9))], ["opened"], id="what another probe tells more mildly eases nothing"),
        pytest.param([seen(FACT), seen(FACT.at(Severity.CRITICAL), probe="pg.counters", when=5)], ["opened", "worsened"], id="what another probe tells worse worsens"),
        pytest.param([seen(FACT), seen(probe="pg.sessions", when=5), seen(probe="pg.sessions", when=9), seen(probe="pg.sessions", when=12)], ["opened"], id="looks of another probe clear nothing"),
    ],
)  # fmt: skip
def test_what_happens_to_a_finding(readings: list[Reading], expected: list[str]) -> None:
    _, happened = play(*readings)
    assert events(happened) == expected


def test_what_is_shown_keeps_its_severity_and_has_the_newest_words() -> None:
    newest = replace(FACT.at(Severity.WARNING), summary="61 of 100 wait")
    board, _ = play(seen(FACT), seen(newest, when=5))
    (shown,) = board.open.values()
    assert (shown.finding.severity, shown.finding.summary) == (Severity.HIGH, "61 of 100 wait")


def test_a_finding_keeps_when_it_was_first_seen() -> None:
    board, _ = play(seen(GAUGE), seen(GAUGE, when=5))
    (opened,) = board.open.values()
    assert (opened.since, opened.seen, opened.looks) == (at(0), at(5), 2)


def test_one_look_is_enough_for_a_sweep() -> None:
    board, changes = reduce(Board(), seen(GAUGE), ONE_LOOK)
    assert events(changes) == ["opened"]
    assert list(board.open) == [FindingId("db", "PG_LOCK_BLOCKED", "")]


def test_two_of_one_identity_become_the_worse_one() -> None:
    board, _ = play(seen(FACT, FACT.at(Severity.CRITICAL)))
    assert [f.finding.severity for f in board.open.values()] == [Severity.CRITICAL]


def test_an_older_reading_never_replaces_a_newer_one() -> None:
    board, _ = play(seen(when=10), seen(FACT, when=5))
    assert not board.open


def test_a_recovery_is_remembered_with_its_time() -> None:
    board, _ = play(seen(FACT), *(seen(when=5 * look) for look in (1, 2, 3)))
    (gone,) = board.cleared
    assert gone.cleared == at(15)


def test_evidence_gets_the_trend_of_its_own_label() -> None:
    def used(value: float, when: float) -> Reading:
        full = Finding("PG_SAT", Severity.HIGH, "full", evidence=(Evidence("used", value),))
        return seen(full, when=when, facts=(Fact("used", f"{value}", value),))

    board, _ = play(used(90, 0), used(95, 5), used(97, 10))
    (opened,) = board.open.values()
    assert opened.finding.evidence[0].history == (90, 95, 97)


def lagging(*lags: tuple[str, float], when: float) -> Reading:
    return seen(
        *(
            Finding("PG_LAG", Severity.HIGH, "lags", name, evidence=(Evidence("lag", lag),))
            for name, lag in lags
        ),
        when=when,
    )


def test_two_subjects_with_the_same_label_keep_their_own_trends() -> None:
    board, _ = play(
        lagging(("a", 1), ("b", 900), when=0),
        lagging(("a", 2), ("b", 800), when=5),
    )
    trends = {id_.subject: f.finding.evidence[0].history for id_, f in board.open.items()}
    assert trends == {"a": (1, 2), "b": (900, 800)}


@pytest.mark.parametrize("between", [(), (blind(when=5),)], ids=["seen", "blind between"])
def test_the_trends_of_what_is_gone_are_forgotten(between: tuple[Reading, ...]) -> None:
    board, _ = play(lagging(("pid 1", 1), when=0), *between, lagging(("pid 2", 2), when=10))
    assert list(board.trends) == [("db", "pg.locks", "pid 2 · lag")]


def test_a_change_is_told_once() -> None:
    change = Change(at=at(-60), kind="ecs.deployment", target="checkout", summary="checkout:42")
    board, happened = play(seen(changes=(change,)), seen(changes=(change,), when=5))
    assert events(happened) == [BoardEvent.CHANGE]
    assert board.changes == (change,)


def test_changes_that_are_too_many_to_be_kept_are_not_told_again_at_every_look() -> None:
    many = tuple(
        Change(at=at(-number), kind="ecs.deployment", target="checkout", summary=f"{number}")
        for number in range(600)
    )
    board, happened = play(seen(changes=many))
    again, more = reduce(board, seen(changes=many, when=5))
    assert len(happened) == len(board.changes)
    assert more == []
    assert again.changes is board.changes, "nothing is ranked anew either"


def test_what_a_look_that_verified_a_repair_does_not_see_is_over_at_once() -> None:
    other = finding(subject="other")
    board, _ = play(seen(FACT, other, when=0), proof := seen(other.at(Severity.WARNING), when=5))
    assert len(board.open) == 2, "one clean look is not enough by itself"
    board, changes = proved(board, proof)
    assert [f.finding.severity for f in board.open.values()] == [Severity.WARNING]
    assert sorted(events(changes)) == ["cleared", "eased"]
    assert board.cleared[0].cleared == proof.at


def test_a_proof_that_is_blind_old_or_of_another_probe_clears_nothing() -> None:
    board, _ = play(seen(FACT, when=0), proof := seen(when=5), seen(when=6))
    assert proved(board, proof) == (board, []), "a newer look is there"
    board, _ = play(seen(FACT, when=0), sightless := blind(when=5))
    assert proved(board, sightless) == (board, [])
    board, _ = play(seen(FACT, when=0), away := replace(seen(when=5), probe="another.probe"))
    assert len(proved(board, away)[0].open) == 1


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        pytest.param(-5.0, (-5.0, 1.0), id="before the look"),
        pytest.param(20.0, (0.0, 20.0), id="a clock a little ahead: just now"),
        pytest.param(3600.0, None, id="a clock that is wrong tells nothing"),
    ],
)
def test_nothing_began_after_the_look_that_tells_it(
    ahead: float, expected: tuple[float, float] | None
) -> None:
    board, _ = play(seen(replace(FACT, began=at(ahead), resolution=1.0)))
    (found,) = (each.finding for each in board.open.values())
    if expected is None:
        assert (found.began, found.resolution) == (None, 0.0)
    else:
        assert (found.began, found.resolution) == (at(expected[0]), expected[1])


def test_what_lasts_began_where_an_earlier_look_said_and_another_event_is_believed() -> None:
    known = replace(FACT, began=at(-600), resolution=90.0)
    later = replace(FACT, began=at(-60), resolution=15.0)
    after = replace(FACT, began=at(5), resolution=15.0)
    event = replace(FACT, began=at(-60), resolution=1.0)
    for readings, expected in (
        ([seen(known), seen(FACT, when=5)], (at(-600), 90.0)),
        ([seen(known), seen(later, when=5)], (at(-600), 90.0)),
        ([seen(known), seen(after, when=10)], (at(5), 15.0)),
        ([seen(known), seen(event, when=5)], (at(-60), 1.0)),
        ([seen(later), seen(known, when=5)], (at(-600), 90.0)),
        ([seen(FACT), seen(FACT, when=5)], (None, 0.0)),
        ([seen(FACT), seen(known, when=5)], (at(-600), 90.0)),
    ):
        board, _ = play(*readings)
        (found,) = board.open.values()
        assert (found.finding.began, found.finding.resolution) == expected
