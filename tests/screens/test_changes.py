"""What changed: the axis, the order, what was not seen, and text of others that stays text."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from syrupy.assertion import SnapshotAssertion

from cockpit.connect.aws.settings import AwsResource
from cockpit.errors import Reason
from cockpit.triage.board import LookId
from cockpit.triage.changes import Change
from cockpit.triage.onset import Onset
from cockpit.triage.probe import Blind, Fact, Reading, Seen
from cockpit.triage.ranking import Ranked
from cockpit.triage.target import Target
from cockpit.triage.view import Table
from screens.changes import ChangesScreen
from screens.present import changes as present
from screens.present.axis import axis_lines, axis_of
from screens.present.lines import cells
from tests.screens.conftest import FULL, SMALL, TINY, Shows, press, settle, text, toasts
from tests.screens.fake_desk import NOW, FakeDesk, ago

FEED = Target(name="changes", kind="changes", settings=AwsResource(aws="prod"))
DEPLOYED = Change(
    at=ago(minutes=24),
    kind="ecs.deployment",
    target="checkout",
    summary="UpdateService checkout: deployment of checkout:42",
    actor="run-17 as ci-deployer",
    by="pipeline",
    source="cloudtrail.LookupEvents + ecs.DescribeServices",
    call="ecs.UpdateService",
    resource="checkout",
    late=900,
    details=(
        "task definition checkout:41 → checkout:42",
        "web image: shop:8c1f → shop:9ad0",
        "+ web variable DB_POOL_SIZE",
        "− web variable DB_URL",
    ),
)
HOSTILE = Change(
    at=ago(minutes=35),
    kind="dynamodb.delete",
    target="",
    summary="DeleteTable [/b]\x1b[31mcarts\u202e",
    actor="[red]eve[/red]",
    source="cloudtrail.LookupEvents",
    resource="[/b]carts",
    failed="AccessDenied",
)
OURS = Change(
    at=ago(minutes=2),
    kind="ecs.scaling",
    target="checkout",
    summary="UpdateService checkout: desired 8",
    own="'Scale out' by alice",
    source="cloudtrail.LookupEvents",
    resource="checkout",
)
SCALED = Change(
    at=ago(minutes=20),
    kind="autoscaling.scaling",
    target="",
    summary="search-asg: Launching a new EC2 instance",
    by="service",
    source="autoscaling.DescribeScalingActivities",
    resource="search-asg",
)


def feed(*note: str) -> Reading:
    table = Table(title="Changes", columns=(), rows=(), note=note)
    seen = Seen(facts=(Fact("complete until", "02:44"),), tables=(table,))
    return Reading("changes", "changes", "changes.feed", ago(seconds=9), 0.2, seen)


@pytest.fixture
def changed(desk: FakeDesk) -> FakeDesk:
    """The scripted outage with a feed of changes that was read."""
    desk.targets = {**desk.targets, "changes": FEED}
    desk.board = replace(
        desk.board,
        changes=(OURS, SCALED, DEPLOYED, HOSTILE),
        readings={**desk.board.readings, LookId("changes", "changes.feed"): feed()},
    )
    return desk


async def test_changes_stand_on_one_axis_with_the_symptoms(
    changed: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    async with show(changed, FULL) as pilot:
        await press(pilot, "C")
        assert isinstance(pilot.app.screen, ChangesScreen)
        assert text(pilot) == snapshot


async def test_changes_in_a_small_terminal(
    changed: FakeDesk, show: Shows, snapshot: SnapshotAssertion
) -> None:
    async with show(changed, SMALL) as pilot:
        await press(pilot, "C")
        assert text(pilot) == snapshot


async def test_changes_in_a_tiny_terminal_and_in_ascii(changed: FakeDesk, show: Shows) -> None:
    async with show(changed, TINY) as pilot:
        await press(pilot, "C")
        assert "02:35:10" in text(pilot)
    async with show(changed, FULL, environ={"COCKPIT_ASCII": "1"}) as pilot:
        await press(pilot, "C")
        assert text(pilot).isascii()


async def test_a_blind_feed_says_so_before_anything_else(changed: FakeDesk, show: Shows) -> None:
    async with show(changed) as pilot:
        await press(pilot, "C")
        assert "CloudTrail is up to 15 min late: complete until 02:44" in text(pilot)
        denied = Blind(Reason.DENIED, "cloudtrail:LookupEvents is not allowed")
        look = LookId("changes", "changes.feed")
        changed.board = replace(
            changed.board,
            changes=(),
            readings={**changed.board.readings, look: replace(feed(), outcome=denied)},
        )
        await settle(pilot)
        told = text(pilot)
        assert "? changes: denied: cloudtrail:LookupEvents is not allowed" in told
        assert "That is not the same as nothing changed" in told


async def test_without_a_feed_the_first_line_says_what_is_not_read(
    desk: FakeDesk, show: Shows
) -> None:
    async with show(desk) as pilot:
        await press(pilot, "C")
        assert "? CloudTrail: no target of kind changes is configured" in text(pilot)


@pytest.mark.parametrize(
    ("blind", "said"),
    [
        pytest.param(0, "nothing high is open: newest first", id="everything was seen"),
        pytest.param(
            18, "nothing high is open in what is seen, 18 looks blind: newest first", id="blind"
        ),
    ],
)
def test_what_was_not_looked_at_is_not_called_quiet(blind: int, said: str) -> None:
    assert present.onset_words(None, blind) == said


async def test_enter_reads_the_whole_change_and_what_was_not_seen(
    changed: FakeDesk, show: Shows
) -> None:
    look = LookId("changes", "changes.feed")
    note = feed("IAM is written down in us-east-1")
    changed.board = replace(changed.board, readings={**changed.board.readings, look: note})
    async with show(changed) as pilot:
        await press(pilot, "C", "slash", "text:target:checkout", "enter", "enter")
        told = text(pilot)
        assert "not seen  changes: IAM is written down in us-east-1" in told
        assert "up to 15m 00s late" in told or "ours: 'Scale out' by alice" in told
        await press(pilot, "escape", "escape", "escape")
        assert not isinstance(pilot.app.screen, ChangesScreen)


async def test_the_filter_finds_by_column_and_copies_the_change_in_full(
    changed: FakeDesk, show: Shows
) -> None:
    async with show(changed) as pilot:
        await press(pilot, "C", "slash", "text:who:ci-deployer", "enter")
        screen = pilot.app.screen
        assert isinstance(screen, ChangesScreen)
        copied = screen.copied()
        assert "web image: shop:8c1f → shop:9ad0" in copied
        assert "run-17 as ci-deployer (pipeline)" in copied
        await press(pilot, "y")
        assert toasts(pilot)


async def test_a_frozen_list_stays_and_the_live_one_comes_back(
    changed: FakeDesk, show: Shows
) -> None:
    async with show(changed) as pilot:
        await press(pilot, "C", "space")
        changed.board = replace(changed.board, changes=())
        await settle(pilot)
        assert "ecs.deployment checkout" in text(pilot)
        await press(pilot, "space")
        assert "ecs.deployment checkout" not in text(pilot)


async def test_text_of_others_is_never_markup(changed: FakeDesk, show: Shows) -> None:
    async with show(changed) as pilot:
        await press(pilot, "C", "slash", "text:who:eve", "enter")
        told = text(pilot)
        assert "[red]eve[/red]" in told
        assert "[/b]\\x1b[31mcarts\\u202e" in told
        screen = pilot.app.screen
        assert isinstance(screen, ChangesScreen)
        assert "nothing was changed by it" in screen.copied()


def ranked(minutes: float, **members: object) -> Ranked:
    return Ranked(
        change=replace(DEPLOYED, at=ago(minutes=minutes)),
        score=0.5,
        before=timedelta(minutes=minutes - 18),
        **members,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("width", [40, 80, 140, 300])
def test_every_line_of_the_axis_fits(width: int) -> None:
    desk = FakeDesk()
    drawn = axis_lines(
        [ranked(24), ranked(0), ranked(500)], desk.board, Onset(ago(minutes=18), timedelta(0)),
        moment=NOW, width=width, rows=9,
    )  # fmt: skip
    assert {cells(each.plain) for each in drawn} == {width}


def test_the_axis_begins_with_the_first_change_of_six_hours() -> None:
    axis = axis_of([ranked(24), ranked(100), ranked(900)], None, NOW, 100)
    assert axis.start == ago(minutes=102)
    assert axis.at(ago(minutes=900)) is None
    assert axis.at(NOW) == 99


@pytest.mark.parametrize(
    ("minutes", "words"),
    [pytest.param(24, "6m 00s", id="before"), pytest.param(16, "+2m 00s", id="after")],
)
def test_after_the_onset_is_never_told_as_before(minutes: float, words: str) -> None:
    assert present.before(ranked(minutes)) == words


def test_a_score_that_reaches_its_most_says_so() -> None:
    parts = (("risk", 1.0), ("relation", 1.2), ("actor", 0.9))
    for score, parts_, words in (
        (1.0, parts, "1.00, the most there is, = risk 1.00 × relation 1.20"),
        (0.5, (("risk", 0.5),), "0.50 = risk 0.50:"),
    ):
        row = replace(ranked(24, parts=parts_), score=score)
        told = " ".join(each.plain.strip() for each in present.whole(row, 200))
        assert words in told
