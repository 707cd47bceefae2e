"""Values become lines: no app, no terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.text import Text
from textual.content import Content

from cockpit.connect.aws.settings import AwsResource
from cockpit.connect.role import Role
from cockpit.errors import Reason
from cockpit.incident.entry import EntryKind
from cockpit.runbooks.plan import PlanLine
from cockpit.sweep import PlaceStatus
from cockpit.triage.blindness import Cause, cause
from cockpit.triage.board import Board, LookId, reduce
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Blind, Fact, Reading, Seen
from cockpit.triage.registry import registry
from cockpit.triage.target import Target
from cockpit.triage.view import Column, Row, Table
from screens.filter import parse
from screens.present import evidence, findings, header, lines, runbook, systems, table, timeline
from screens.shown import Shown, take
from tests.core.builders import blind
from tests.screens.fake_desk import CONNECTIONS, NOW, SESSIONS, FakeDesk, ago, board, entry
from tests.screens.fake_desk import finding as make
from tests.screens.fake_run import FakeRun


def shown(desk: FakeDesk | None = None) -> Shown:
    desk = desk or FakeDesk()
    return take(desk, NOW, desk.timeline())


def plain(drawn: Text | Content) -> str:
    return drawn.plain.rstrip()


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        pytest.param("abc", 5, "abc  ", id="filled"),
        pytest.param("abcdef", 4, "abc…", id="cut with an ellipsis"),
        pytest.param("日本語", 5, "日本…", id="wide characters count two"),
        pytest.param("abc", 0, "", id="no room at all"),
    ],
)
def test_a_text_is_fitted_to_cells(text: str, width: int, expected: str) -> None:
    assert lines.fit(text, width) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(192, "03:12"), (0, "00:00"), (-40, "+00:40"), (3900, "1:05:00")],
)
def test_a_countdown_says_when_it_is_late(seconds: float, expected: str) -> None:
    assert lines.countdown(seconds) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param((), "", id="nothing known"),
        pytest.param((5.0, 5.0), "██", id="flat but not zero"),
        pytest.param((0.0, 0.0), "▁▁", id="flat zero"),
        pytest.param((0, 1, 2, 3, 4, 5, 6, 7), "▁▂▃▄▅▆▇█", id="a ramp"),
        pytest.param((1.0, float("nan"), 2.0), "▄█", id="what is not a number is left out"),
    ],
)
def test_a_sparkline_is_over_its_own_range_from_zero(
    values: tuple[float, ...], expected: str
) -> None:
    assert lines.spark(values, 10) == expected


def test_findings_are_worst_first_then_newest_with_blind_and_recovered_ones_after() -> None:
    rows = findings.rows(board(), NOW)
    assert [(findings.state(row), row.target) for row in rows] == [
        ("critical", "shop-alb"),
        ("critical", "orders-db"),
        ("critical", "checkout-tg"),
        ("high", "checkout"),
        ("warning", "orders-db"),
        ("warning", "carts"),
        ("blind", "catalog"),
        ("cleared", "payments"),
    ]


def test_a_recovery_leaves_the_list_after_half_an_hour() -> None:
    later = NOW + timedelta(minutes=40)
    assert "cleared" not in {findings.state(row) for row in findings.rows(board(), later)}


def test_what_opened_again_is_not_shown_as_recovered() -> None:
    made = board()
    again = make("EP_TLS", Severity.CRITICAL, "again", on="payments")
    rows = findings.rows(replace(made, open={**made.open, again.id: again}), NOW)
    assert [findings.state(row) for row in rows if row.target == "payments"] == ["critical"]


def test_blind_probes_of_one_target_and_reason_are_one_row() -> None:
    made = board()
    first = made.readings[LookId("catalog", "mysql.sessions")]
    second = replace(first, probe="mysql.locks")
    both = replace(made, readings={**made.readings, LookId("catalog", "mysql.locks"): second})
    rows = findings.unseen(both)
    assert len(rows) == 1
    assert "2 probes" in findings.text(rows[0], NOW)


def test_why_a_target_is_blind_is_worked_out_once_a_look_and_not_at_each_drawing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def counted(reading: Reading) -> Cause:
        asked.append(reading.target)
        return cause(reading)

    monkeypatch.setattr(findings, "cause", counted)
    made = Board()
    for each in range(30):
        made, _ = reduce(made, blind(name=f"db-{each}"))
    for _ in range(3):
        assert len(findings.unseen(made)) == 30
        assert findings.blind_findings(made) == 0
    after, _ = reduce(made, blind(name="db-7", when=5))
    assert len(findings.unseen(after)) == 30
    assert sorted(asked) == sorted([*(f"db-{each}" for each in range(30)), "db-7"])


def test_blind_targets_of_one_cause_are_one_row_that_names_them_all() -> None:
    made = board()
    first = made.readings[LookId("catalog", "mysql.sessions")]
    second = replace(first, target="orders")
    both = replace(made, readings={**made.readings, LookId("orders", "mysql.sessions"): second})
    (row,) = findings.unseen(both)
    told = [plain(each) for each in evidence.evidence(row, both, NOW, width=80, role=Role.TRIAGE)]

    assert "(2 targets)" in findings.text(row, NOW)
    assert findings.fields(row, lambda _: "")["target"] == "catalog orders"
    assert any(each.startswith("catalog, orders  ") for each in told)
    assert [each.split()[:2] for each in told if "gave up" in each] == [
        ["catalog", "mysql.sessions"],
        ["orders", "mysql.sessions"],
    ]


def test_a_blind_row_says_that_it_says_nothing_about_health() -> None:
    row = findings.unseen(board())[0]
    told = [
        plain(each) for each in evidence.evidence(row, board(), NOW, width=80, role=Role.TRIAGE)
    ]
    assert told[0].startswith("NOT EXAMINED  denied")
    assert any("GRANT PROCESS" in each for each in told)
    assert told[-1].startswith("This says nothing about its health")


def test_evidence_shows_numbers_limits_history_rows_causes_and_what_is_next() -> None:
    row = next(iter(board().open.values()))
    told = [
        plain(each)
        for each in evidence.evidence(
            row, board(), NOW, width=90, role=Role.COMMANDER, runbook="database-connections"
        )
    ]
    assert told[0] == ("PG_SAT_CONNECTIONS  critical  seen 11 times since 02:43 · sampled 4s ago")
    assert any("used 97  limit 90  ▁" in each for each in told)
    assert any(each.startswith("4242  checkout-worker") for each in told)
    assert any(each.startswith("likely   a leaked transaction") for each in told)
    assert any(each.startswith("next     Find the root blocker") for each in told)
    assert any("R runs the next step" in each for each in told)


def test_systems_are_grouped_by_service_with_the_number_that_matters() -> None:
    rows = systems.rows(shown())
    names = [row.name if isinstance(row, systems.Heading) else "" for row in rows]
    assert [name for name in names if name] == ["checkout", "search", "changes"]
    drawn = [plain(systems.draw(row, 32, NOW)) for row in rows]
    assert drawn[1] == " ✖ alb   shop-alb        41% 5xx"
    assert " ? mysql catalog          denied" in drawn


def test_trouble_that_was_seen_once_is_no_health() -> None:
    desk = FakeDesk()
    once = make("ALB_5XX", Severity.CRITICAL, "58% 5xx", on="search-tg")
    mild = make("TG_AGE", Severity.INFO, "old", on="search")
    desk.board = replace(desk.board, pending={each.id: each for each in (once, mild)})
    rows = [row for row in systems.rows(shown(desk)) if isinstance(row, systems.System)]
    states = {row.target.name: row.state for row in rows}
    assert (states["search-tg"], states["search"]) == ("waiting", "ok")
    told = findings.title([], 80, once=findings.seen_once(desk.board))
    assert told.plain == "Findings 0 · 1 seen once, looked at again soon"
    assert "seen once" not in findings.title([], 20, once=1).plain


def test_systems_by_place_tell_how_much_of_each_is_sick_or_unseen_and_what_waits_there() -> None:
    desk = FakeDesk()
    far = Target(name="far", kind="dynamodb_table", settings=AwsResource(aws="prod-eu", id="far"))
    desk.targets = {**desk.targets, "far": far}
    gone = Blind(Reason.UNREACHABLE, "no answer")
    reading = Reading(target="far", kind=far.kind, probe="p", at=NOW, took=1.0, outcome=gone)
    desk.board = replace(desk.board, readings={**desk.board.readings, LookId("far", "p"): reading})
    near = PlaceStatus(region="us-east-1", account="1", waiting={"ecs": 14}, slowed={"ecs": 2.5})
    away = PlaceStatus(region="eu-west-1", account="1", slowed={"elasticloadbalancing": 5.0})
    desk.status = replace(desk.status, places={"prod": near, "prod-eu": away})
    rows = systems.rows(shown(desk), by_place=True)
    heads = [plain(systems.draw(row, 90, NOW)) for row in rows if isinstance(row, systems.Heading)]
    assert heads == [
        "✖ prod  7, 4 bad · ecs 14 wait, throttled to 2.5/s · 1 us-east-1",
        "✖ not in AWS  3, 1 bad, 1 blind",
        "? prod-eu  1, all blind · elasticloadbalancing throttled to 5/s · 1 eu-west-1",
        "changes",
    ]
    assert plain(systems.title(shown(desk), by_place=True)) == "Systems 11 by place"
    of_far = next(row for row in rows if isinstance(row, systems.System) and row.target is far)
    assert systems.fields(of_far)["place"] == "prod-eu"


def test_more_than_two_accounts_and_regions_are_told_by_how_many_they_are() -> None:
    desk = FakeDesk()
    places = {f"p{n}": PlaceStatus(region="", waiting={"ecs": n}) for n in range(4)}
    desk.status = replace(desk.status, account="1+2+3", region="a+b+c+d", places=places)
    told = header.header(shown(desk), 180)[1].plain
    assert "prod · 3 accounts · 4 regions" in told
    assert "6 waiting" in told
    desk.status = replace(desk.status, account="1+2", region="a+b")
    assert "prod · 1+2 · a+b" in header.header(shown(desk), 180)[1].plain


def test_a_target_never_looked_at_is_waiting_and_not_well() -> None:
    desk = FakeDesk(board=Board())
    desk.board = Board()
    rows = [row for row in systems.rows(shown(desk)) if isinstance(row, systems.System)]
    assert {row.state for row in rows} == {"waiting"}


def test_an_old_number_shows_its_age() -> None:
    made = shown()
    row = next(row for row in systems.rows(made) if isinstance(row, systems.System))
    drawn = plain(systems.draw(row, 40, NOW + timedelta(minutes=5)))
    assert drawn.endswith("41% 5xx 5m")


def test_probes_of_one_target_that_go_blind_in_one_go_are_one_line_of_the_timeline() -> None:
    cause = entry(1, NOW, EntryKind.CHANGE, "the instance was stopped")
    told = "not examined (unreachable): nothing listens"
    lost = [entry(n, NOW, EntryKind.BLIND, told) for n in range(2, 7)]
    other = replace(entry(7, NOW, EntryKind.BLIND, told), target="search")
    note = entry(8, NOW, EntryKind.NOTE, "I look", "alice")
    again = entry(9, NOW, EntryKind.BLIND, told)
    rows = timeline.folded([cause, *lost, other, note, again])
    assert [row.seq for row in rows] == [1, 2, 7, 8, 9]
    assert [row.text for row in rows][:3] == [cause.text, f"×5 {told}", told]


def test_many_targets_that_go_blind_in_one_go_are_one_line_that_names_them() -> None:
    told = "not examined (timeout): no answer"
    lost = [replace(entry(n, NOW, EntryKind.BLIND, told), target=f"tg-{n}") for n in range(1, 6)]
    (row,) = timeline.folded(lost)
    assert (row.seq, row.target) == (1, "tg-1")
    assert row.text == f"5 targets: {told} · also tg-2, tg-3, tg-4, tg-5"
    assert timeline.folded(lost[:3]) == lost[:3]
    pinned = [*lost[:3], replace(lost[3], pinned=True), lost[4]]
    assert timeline.folded(pinned) == pinned


def test_a_long_label_of_a_plan_is_not_cut() -> None:
    import asyncio

    plan = asyncio.run(FakeRun(CONNECTIONS, FakeDesk(), "orders-db").plan("cancel"))
    plan = replace(plan, lines=(PlanLine("will run", "x"), PlanLine("may go on then", "12")))
    told = [plain(each) for each in runbook.plan_lines(plan, "", 80)]
    assert told[-2:] == ["will run       x", "may go on then 12"]


def test_a_step_that_captured_nothing_says_none() -> None:
    run = FakeRun(CONNECTIONS, FakeDesk(), "orders-db")
    first = replace(run.steps[0], status="ok", captured={"findings": []})
    rows = runbook.rows(CONNECTIONS, [first], expanded="", width=60, running_since={})
    assert "findings = none" in [plain(runbook.draw(row, 60, NOW)).strip() for row in rows]


def unreachable(reading: Reading, **more: float) -> Reading:
    outcome = Blind(Reason.UNREACHABLE, "nothing listens")
    return replace(reading, outcome=outcome, at=NOW - timedelta(**more))


def test_where_nothing_can_be_seen_the_top_says_so_and_nothing_is_live() -> None:
    desk = FakeDesk()
    seen = desk.board.readings
    gone = {look: unreachable(reading, seconds=2) for look, reading in seen.items()}
    desk.board = replace(desk.board, readings=gone)
    made = replace(shown(desk), last_seen=seen)
    for width in (20, 80, 140):
        top = " ".join(plain(each) for each in header.header(made, width))
        assert "live" not in top
        assert "? blind" in top
    told = header.banner(made, 0, 140)
    assert told is not None
    assert plain(told) == (
        " BLIND  nothing can be seen: all 11 looks fail (unreachable 11)"
        " · what stands below is of 02:59:06 UTC or before"
    )
    login = Blind(Reason.EXPIRED, "ecs.ListTasks: ExpiredToken", "aws sso login --profile prod")
    expired = {look: replace(reading, outcome=login) for look, reading in seen.items()}
    desk.board = replace(desk.board, readings=expired)
    told = header.banner(shown(desk), 0, 60)
    assert told is not None
    assert plain(told).startswith(" BLIND  expired: aws sso login --profile prod · nothing")
    one = next(iter(seen))
    desk.board = replace(desk.board, readings={**gone, one: seen[one]})
    assert header.banner(shown(desk), 0, 140) is None
    desk.status = replace(desk.status, sweep_took=None)
    desk.board = replace(desk.board, readings=gone)
    assert header.banner(shown(desk), 0, 140) is None, "not before the first sweep is over"


def test_a_number_from_before_a_look_that_did_not_get_through_shows_its_age() -> None:
    desk = FakeDesk()
    look = next(each for each in desk.board.readings if each.target == "shop-alb")
    reading = desk.board.readings[look]
    other = replace(unreachable(reading, seconds=1), probe="alb.other")
    more = {**desk.board.readings, LookId("shop-alb", "alb.other"): other}
    desk.board = replace(desk.board, readings=more)
    rows = [row for row in systems.rows(shown(desk)) if isinstance(row, systems.System)]
    assert plain(systems.draw(rows[0], 40, NOW)).endswith("41% 5xx 4s")
    led = {**more, LookId("shop-alb", "alb.other"): replace(other, leads=True)}
    desk.board = replace(desk.board, readings=led)
    rows = [row for row in systems.rows(shown(desk)) if isinstance(row, systems.System)]
    assert plain(systems.draw(rows[0], 40, NOW)).endswith("unreachable")


@pytest.mark.parametrize("width", [14, 24, 30, 80])
def test_the_title_of_the_findings_counts_the_blind_ones(width: int) -> None:
    desk = FakeDesk()
    look = next(each for each in desk.board.readings if each.target == "carts")
    lost = Blind(Reason.UNREACHABLE, "gone", finding=next(iter(desk.board.open.values())).finding)
    reading = replace(desk.board.readings[look], outcome=lost)
    desk.board = replace(desk.board, readings={**desk.board.readings, look: reading})
    rows = findings.rows(desk.board, NOW)
    told = findings.title(rows, width, blind=findings.blind_findings(desk.board))
    assert "2 blind" in told.plain


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 140, 200])
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("slowed", [0, 120])
def test_the_badge_is_in_the_header_at_every_width(width: int, role: Role, slowed: int) -> None:
    desk = FakeDesk(role)
    long = "a-very-long-name-of-an-environment-nobody-would-choose"
    desk.status = replace(desk.status, environment=long, throttled=12_345, metrics_every=slowed)
    word = "TRIAGE" if role is Role.TRIAGE else "COMMANDER"
    short = "TRIAGE" if role is Role.TRIAGE else "CMD"
    rows = 1 if width < 60 else 2
    told = header.header(shown(desk), width, rows=rows)
    assert any((short if width < 50 else word) in each.plain for each in told)
    assert all(each.cell_length <= width for each in told)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_budget_that_slows_the_looking_down_is_told_at_every_width(width: int) -> None:
    desk = FakeDesk()
    calm = header.header(shown(desk), width)[1].plain
    desk.status = replace(desk.status, usd_per_hour=0.96, budget=1.0)
    assert ("$0.004, $0.96/h of $1" in header.header(shown(desk), width)[1].plain) is (width >= 140)
    assert "metrics" not in calm
    desk.status = replace(desk.status, metrics_every=120)
    assert "metrics every 2m" in header.header(shown(desk), width)[1].plain
    desk.status = replace(desk.status, usd_per_hour=1.2)
    assert "over budget" in header.header(shown(desk), width)[1].plain


def test_what_most_of_the_money_goes_on_is_told_where_there_is_room() -> None:
    desk = FakeDesk()
    spent = {"AWS/RDS": 0.2, "AWS/DynamoDB": 0.6, "[b]shop": 0.1}
    desk.status = replace(desk.status, usd_per_hour=0.9, budget=1.0, spent_on=spent)
    assert "$0.90/h of $1, 67% DynamoDB" in header.header(shown(desk), 180)[1].plain
    assert "DynamoDB" not in header.header(shown(desk), 140)[1].plain
    desk.status = replace(desk.status, spent_on={"[b]shop\x1b[2J": 0.9})
    assert "100% [b]shop" in header.header(shown(desk), 180)[1].plain
    assert "\x1b" not in header.header(shown(desk), 180)[1].plain
    desk.status = replace(desk.status, usd_per_hour=0.001)
    assert "%" not in header.header(shown(desk), 180)[1].plain


@pytest.mark.parametrize(
    ("left", "tone"), [(600, "bold"), (200, "warning bold"), (-5, "critical bold")]
)
def test_the_countdown_to_the_update_changes_its_tone(left: float, tone: str) -> None:
    desk = FakeDesk()
    desk.next_update = NOW + timedelta(seconds=left)
    first = header.header(shown(desk), 140)[0]
    assert tone in {span.style for span in first.spans}
    word = "update late" if left < 0 else "update in"
    assert word in header.header(shown(desk), 80)[0].plain, "no time of day"


def test_a_degraded_record_is_a_banner_above_everything() -> None:
    desk = FakeDesk()
    desk.status = replace(desk.status, degraded="disk full: entries are kept in memory")
    told = header.banner(shown(desk), 0, 80)
    assert told is not None
    assert "disk full" in told.plain


def test_an_endpoint_that_is_not_of_the_configuration_is_a_banner() -> None:
    desk = FakeDesk()
    desk.status = replace(desk.status, redirected="http://127.0.0.1:4566")
    told = header.banner(shown(desk), 0, 80)
    assert told is not None
    assert "NOT AWS  asked at http://127.0.0.1:4566" in told.plain


def test_a_plan_is_never_cut() -> None:
    plan_text = "x" * 900
    run = FakeRun(CONNECTIONS, FakeDesk(), "orders-db")
    import asyncio

    plan = asyncio.run(run.plan("terminate"))
    long = replace(plan, lines=(replace(plan.lines[0], text=plan_text), *plan.lines[1:]))
    told = "".join(each.plain.replace(" ", "") for each in runbook.plan_lines(long, "prod", 60))
    assert plan_text in told


def test_steps_show_state_risk_and_the_selected_one_in_full() -> None:
    run = FakeRun(CONNECTIONS, FakeDesk(), "orders-db")
    run.done("snapshot", "blocker")
    rows = runbook.rows(CONNECTIONS, run.steps, expanded="cancel", width=44, running_since={})
    drawn = [plain(runbook.draw(row, 44, NOW)) for row in rows]
    assert drawn[0] == "✔ 1 Snapshot sessions and locks       200 ms"
    assert drawn[2].strip() == "blocker = 4242"
    assert drawn[3] == "▶ 3 Cancel the blocking query            low"
    assert "cancel_backend($blocker.pid)" in drawn[4]
    assert "verify: no session waits for a lock" in drawn[5]


def test_a_running_step_counts_up() -> None:
    run = FakeRun(CONNECTIONS, FakeDesk(), "orders-db")
    run._set(replace(run.states["cancel"], status="running"))
    rows = runbook.rows(
        CONNECTIONS, run.steps, expanded="", width=44, running_since={"cancel": ago(seconds=12)}
    )
    assert any("running 00:12" in runbook.draw(row, 44, NOW).plain for row in rows)


def test_a_step_that_was_not_sent_yet_is_checking() -> None:
    run = FakeRun(CONNECTIONS, FakeDesk(), "orders-db")
    run._set(replace(run.states["cancel"], status="running", checking=True))
    rows = runbook.rows(
        CONNECTIONS, run.steps, expanded="", width=44, running_since={"cancel": ago(seconds=2)}
    )
    told = [runbook.draw(row, 44, NOW).plain for row in rows]
    assert any("checking 00:02" in line for line in told)
    assert not any("running" in line for line in told)


def test_a_table_gives_way_so_that_the_last_column_stays() -> None:
    shape = table.widths(SESSIONS, 78)
    assert table.MARK + sum(shape) + 6 <= 78, "one cell between columns"
    assert shape[-1] >= 12


@pytest.mark.parametrize(
    ("column", "down", "expected"),
    [
        pytest.param(None, True, ["a", "b", "c"], id="the probe's order"),
        pytest.param(1, True, ["b", "a", "c"], id="numbers as numbers, unknown last"),
        pytest.param(1, False, ["a", "b", "c"], id="the other way, unknown still last"),
        pytest.param(0, True, ["c", "b", "a"], id="text by text"),
    ],
)
def test_rows_are_sorted_by_values_and_not_by_their_text(
    column: int | None, down: bool, expected: list[str]
) -> None:
    rows = (
        Row(key="a", cells=("x", "9"), sort=("x", 9.0)),
        Row(key="b", cells=("y", "10"), sort=("y", 10.0)),
        Row(key="c", cells=("z", ""), sort=("z", None)),
    )
    assert [row.key for row in table.ordered(rows, column, down=down)] == expected


def test_offers_are_the_best_by_number_and_the_rows_own_by_letter() -> None:
    offered = table.offers(SESSIONS, SESSIONS.rows[0])
    assert [(key, offer.label) for key, offer in offered] == [
        ("1", "cancel 4402 ALTER TABLE"),
        ("2", "terminate 4242"),
        ("t", "terminate 4242"),
    ]


def test_copied_rows_have_no_literals() -> None:
    told = table.as_text(SESSIONS.rows[0], SESSIONS)
    assert "hunter2" not in told
    assert "pid: 4242" in told


def test_an_empty_table_can_be_drawn() -> None:
    empty = Table(title="none", columns=(Column("a"), Column("b", 4)), rows=())
    assert table.heading(empty, 30).plain.startswith("a")


@pytest.mark.parametrize(
    ("typed", "row", "passes"),
    [
        pytest.param("", {"a": "x"}, True, id="nothing typed"),
        pytest.param("ORDERS", {"a": "orders-db"}, True, id="case does not count"),
        pytest.param("!orders", {"a": "orders-db"}, False, id="not"),
        pytest.param("a:db b:2", {"a": "db", "b": "12"}, True, id="columns, all must hold"),
        pytest.param("b:db", {"a": "db", "b": "12"}, False, id="another column"),
        pytest.param("!a:db", {"a": "db"}, False, id="not in a column"),
        pytest.param("http://x", {"a": "see http://x/y"}, True, id="a colon after no column"),
        pytest.param('"two words"', {"a": "has two words"}, True, id="quotes keep spaces"),
        pytest.param('"open', {"a": '"open'}, True, id="a quote that is not closed yet"),
        pytest.param("!", {"a": "x"}, True, id="a lone not"),
    ],
)
def test_a_filter_passes_rows(typed: str, row: dict[str, str], passes: bool) -> None:
    assert parse(typed, frozenset({"a", "b"})).holds(row) is passes


@pytest.mark.parametrize(
    ("looked", "told"),
    [
        pytest.param(0, "Nothing has been looked at yet (0 of 41 looks).", id="before the first"),
        pytest.param(
            12, "Nothing is wrong in the 12 of 41 looks that have ended.", id="on the way"
        ),
        pytest.param(41, "Nothing is wrong in what was looked at.", id="all of them"),
    ],
)
def test_an_empty_list_of_findings_says_how_much_was_looked_at(looked: int, told: str) -> None:
    assert findings.nothing(looked, 41) == told


def test_the_probe_that_leads_gives_the_headline_whatever_the_others_say() -> None:
    made = board()
    reading = next(v for k, v in made.readings.items() if k.target == "orders-db")
    seen = Seen(facts=(Fact("standbys", "1 standby", severity=Severity.CRITICAL),))
    other = replace(reading, probe="postgres.replication", outcome=seen)
    both = [replace(reading, leads=True), other]
    for found in (both, both[::-1]):
        told = systems._headline(found)
        assert told is not None
        assert told[1].text == reading.outcome.facts[0].text  # type: ignore[union-attr]


def test_the_age_beside_a_target_is_that_of_its_number() -> None:
    reading = next(v for k, v in board().readings.items() if k.target == "orders-db")
    target = Target(name="orders-db", kind="postgres", settings=AwsResource(aws="", id="x"))
    for as_of, told in ((None, "513/s"), (NOW - timedelta(minutes=14), "513/s 14m")):
        seen = Seen(facts=(Fact("commands", "513/s", 513.0, "/s", as_of=as_of),))
        row = systems._system(target, [replace(reading, at=NOW, outcome=seen)], None)
        assert systems.draw(row, 60, NOW).plain.rstrip().endswith(told)


def test_every_kind_with_several_probes_of_its_own_has_one_that_leads() -> None:
    kinds = Counter(probe.kind for probe in registry().values())
    leading = sorted(probe.id for probe in registry().values() if probe.leads)
    assert leading == [
        "alb.traffic", "changes.feed", "memcached.health", "mysql.sessions", "pgbouncer.pools",
        "postgres.sessions", "rds.status", "redis.health", "s3_bucket.exposure",
    ]  # fmt: skip
    several = sorted(
        # what the look at names tells of the two others stands at them, beside their one probe
        {kind for kind, count in kinds.items() if count > 1} | {"memcached", "pgbouncer"}
    )
    assert sorted(registry()[id_].kind for id_ in leading) == several


def test_a_step_that_does_not_apply_now_says_so() -> None:
    run = FakeRun(FakeDesk().runbooks_for(next(iter(board().open.values())))[0], FakeDesk(), "x")
    first = run.steps[0]
    row = runbook.StepRow(1, first.step, replace(first, not_now="not now, not true: it runs"))
    assert plain(runbook.draw(row, 60, NOW)).endswith("not now")
    told = runbook._details(first.step, row.state, 60, full=False)
    assert "does not apply now: not true: it runs" in plain(told[0])
