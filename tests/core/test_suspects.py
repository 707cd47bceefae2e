"""Suspects: where the story of what users feel can begin, and how sure that is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cockpit.connect.aws.settings import AwsResource
from cockpit.errors import Reason
from cockpit.triage.board import Board, reduce
from cockpit.triage.changes import Change
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.probe import Blind, Reading
from cockpit.triage.registry import kinds, natures
from cockpit.triage.suspects import Suspect, judge
from cockpit.triage.suspects import suspects as judged
from cockpit.triage.suspicion.certainty import Certainty
from cockpit.triage.suspicion.guilt import Said
from cockpit.triage.target import Target
from cockpit.triage.together import InZone
from cockpit.triage.topology import DependencyGraph
from tests.core.builders import at, blind, finding, seen, target

SHOP = DependencyGraph(
    (
        target("alb", "tg", kind="alb", service="checkout"),
        target("tg", "checkout", kind="target_group", service="checkout"),
        target("checkout", "db", "cache", kind="ecs_service", service="checkout"),
        target("db", kind="postgres"),
        target("cache", kind="redis"),
    )
)
WRONG = "ALB_5XX_TARGET_RATE"
LOCK = "PG_LOCK_BLOCKED"


EVERY_CODE = natures(kinds())


def suspects(state: Board, graph: DependencyGraph) -> tuple[Suspect, ...]:
    """By what every code is, whatever the kinds of these made-up targets are."""
    return judged(state, graph, known=EVERY_CODE)


def board(*readings: Reading, changes: tuple[Change, ...] = ()) -> Board:
    result = Board()
    for reading in readings:
        result, _ = reduce(result, reading)
    return replace(result, changes=changes)


def sick(
    name: str, code: str = LOCK, severity: Severity = Severity.CRITICAL, **more: object
) -> Reading:
    return seen(finding(code, severity), name=name, probe=f"{name}.p", **more)  # type: ignore[arg-type]


def well(*names: str) -> list[Reading]:
    """These were looked at, and are well."""
    return [seen(name=name, probe=f"{name}.p") for name in names]


def release(seconds: float, name: str = "checkout", **more: object) -> Change:
    made = Change(at=at(seconds), kind="ecs.deployment", target=name, summary=f"{name}:42")
    return replace(made, **more)  # type: ignore[arg-type]


def began(code: str, seconds: float, severity: Severity = Severity.CRITICAL) -> Finding:
    """A finding that tells since when it is so, at the moment 0."""
    return replace(finding(code, severity), began=at(-seconds), resolution=5.0)


def of(state: Board, graph: DependencyGraph = SHOP) -> list[str]:
    return [suspect.name for suspect in suspects(state, graph)]


def first_of(state: Board, graph: DependencyGraph = SHOP) -> Suspect:
    return suspects(state, graph)[0]


def test_a_cause_below_is_blamed_for_what_is_felt_above_and_says_so() -> None:
    one = first_of(board(sick("alb", WRONG), sick("tg", "TG_UNHEALTHY_TARGETS"), sick("db")))
    assert (one.name, one.verdict) == ("db", Certainty.LIKELY)
    assert one.explains == (f"{WRONG}@alb", f"{LOCK}@db", "TG_UNHEALTHY_TARGETS@tg")
    assert one.felt == (2, 2)
    assert "2 sick targets need it" in one.for_
    assert "explains 2 of 2 of what users feel" in one.for_


def test_where_only_effects_are_seen_it_cannot_tell() -> None:
    one = first_of(
        board(
            *well("checkout", "db", "cache"), sick("alb", WRONG), sick("tg", "TG_UNHEALTHY_TARGETS")
        )
    )
    assert (one.verdict, one.reason) == (Certainty.UNCLEAR, "only symptoms are seen")


def test_a_cause_that_is_milder_than_its_effects_is_first_all_the_same() -> None:
    mild = sick("db", severity=Severity.WARNING)
    assert of(board(sick("alb", WRONG), mild))[0] == "db"


def test_what_explains_no_outage_is_blamed_for_none() -> None:
    state = board(*well("tg", "checkout", "cache"), sick("alb", WRONG), sick("db", "PG_VAC_DEAD"))
    assert first_of(state).verdict is Certainty.UNCLEAR


def test_nothing_wrong_has_no_suspect() -> None:
    quiet = sick("alb", WRONG, Severity.INFO)
    assert suspects(board(seen(name="db"), quiet), SHOP) == ()
    assert suspects(Board(), SHOP) == ()


def test_the_release_just_before_it_began_is_the_why_of_its_service() -> None:
    wrong = seen(began(WRONG, 60), name="alb", probe="alb.p")
    one = first_of(board(*well("tg", "checkout", "db", "cache"), wrong, changes=(release(-120),)))
    assert (one.name, one.change) == ("checkout", release(-120))
    assert one.summary == "ecs.deployment on checkout, 1m 00s before it began: checkout:42"


@pytest.mark.parametrize("seconds", [-7200, 600])
def test_a_release_long_before_or_after_it_began_is_not(seconds: float) -> None:
    wrong = seen(began(WRONG, 60), name="alb", probe="alb.p")
    state = board(*well("tg", "checkout", "db", "cache"), wrong, changes=(release(seconds),))
    found = suspects(state, SHOP)
    assert all(each.change is None for each in found)
    assert found[0].verdict is Certainty.UNCLEAR


def test_a_change_after_it_began_is_never_told_as_before() -> None:
    wrong = seen(began(WRONG, 1200), name="alb", probe="alb.p")
    crash = sick("checkout", "ECS_CRASH_LOOP")
    late = release(-300)
    one = first_of(board(wrong, crash, changes=(late,)))
    assert one.change is None
    assert not any("before it began" in text for text in (one.summary, *one.for_, *one.against))
    assert any("15m 00s after it began: a response, or a consequence" in t for t in one.against)


def test_the_story_is_told_in_the_order_in_which_it_began_and_what_came_after_apart() -> None:
    lock, wrong = began(LOCK, 1300), began(WRONG, 1200)
    late, early = release(-300), release(-1500)
    state = board(
        seen(wrong, name="alb", probe="alb.p"),
        seen(lock, name="db", probe="db.p"),
        sick("tg", "TG_UNHEALTHY_TARGETS"),
        sick("db", "PG_VAC_DEAD"),
        changes=(early, late),
    )
    one = first_of(state)
    assert one.name == "db"
    assert [(link.name, link.at) for link in one.chain] == [
        (f"{LOCK}@db", at(-1300)),
        (f"{WRONG}@alb", at(-1200)),
        ("TG_UNHEALTHY_TARGETS@tg", None),
    ], "a risk is no part of it, and what nobody can date comes last"
    assert one.after == (late,)
    assert [id_.code for id_ in one.own] == [LOCK, "PG_VAC_DEAD"]


def test_a_lock_below_explains_more_than_the_release_above_it() -> None:
    locked = seen(began(LOCK, 100), name="db", probe="db.p")
    wrong = seen(began(WRONG, 60), name="alb", probe="alb.p")
    assert of(board(wrong, locked, changes=(release(-360),)))[0] == "db"


def test_our_own_and_failed_changes_are_no_suspects() -> None:
    wrong = seen(began(WRONG, 60), name="alb", probe="alb.p")
    for more in ({"own": "'Roll back' by ana"}, {"failed": "AccessDenied"}):
        state = board(wrong, seen(name="checkout"), changes=(release(-120, **more),))
        assert all(each.change is None for each in suspects(state, SHOP))


def test_what_began_after_its_effect_did_not_cause_it() -> None:
    early = seen(began(WRONG, 900), name="alb", probe="alb.p")
    late, alone = began("PG_SESS_LONG_QUERY", 60, Severity.HIGH), board(early)
    after = first_of(board(early, seen(late, name="db", probe="db.p")))
    before = first_of(board(early, seen(began("PG_SESS_LONG_QUERY", 960), name="db")))
    assert before.score > 2 * after.score
    assert first_of(alone).verdict is Certainty.UNCLEAR


def test_what_was_there_long_before_is_no_cause_of_today() -> None:
    wrong = seen(began(WRONG, 60), name="alb", probe="alb.p")
    old = seen(began("PG_SESS_LONG_XACT", 9 * 3600, Severity.HIGH), name="db", probe="db.p")
    assert first_of(board(wrong, old)).verdict is Certainty.UNCLEAR


def test_a_cause_that_cleared_a_moment_ago_is_still_how_it_began() -> None:
    wrong, state = sick("alb", WRONG), board(sick("db"))
    for look in range(1, 4):
        state, _ = reduce(state, seen(name="db", probe="db.p", when=look * 5))
    state, _ = reduce(state, replace(wrong, at=at(20)))
    one = first_of(state)
    assert (one.name, one.verdict) == ("db", Certainty.LIKELY)
    assert any("(over)" in text for text in one.for_)


def test_a_host_whose_metrics_stopped_hangs_where_what_needs_it_does_not_answer() -> None:
    stopped = sick("db", "METRIC_STALE", Severity.WARNING)
    hung = board(stopped, sick("checkout", "NET_TCP_TIMEOUT"))
    assert of(hung)[0] == "db"
    assert of(board(stopped, sick("alb", WRONG)))[0] != "db"


def test_silence_below_is_explained_by_what_should_ask() -> None:
    quiet = sick("checkout", "LAMBDA_NOT_INVOKED", Severity.WARNING)
    found = suspects(board(sick("tg", "PATH_SG_INGRESS_DENIED"), quiet), SHOP)
    assert found[0].name == "tg"
    assert "LAMBDA_NOT_INVOKED@checkout" in found[0].explains


def test_the_service_s_own_view_of_a_database_is_one_place_with_it() -> None:
    graph = DependencyGraph(
        (target("alb", "db", kind="alb"), target("db", "rds", kind="postgres"),
         target("rds", kind="rds"))
    )  # fmt: skip
    state = board(sick("alb", WRONG), sick("db"), sick("rds", "RDS_CPU_HIGH"))
    found = suspects(state, graph)
    assert found[0].name == "db"
    assert "rds" not in {each.name for each in found}
    assert "RDS_CPU_HIGH@rds" in found[0].explains


def test_a_finding_about_another_target_belongs_to_that_one() -> None:
    graph = DependencyGraph((target("alb", "one", "two", kind="alb"), target("one"), target("two")))
    wrong = seen(finding(WRONG, Severity.CRITICAL, subject="two"), name="alb", probe="alb.p")
    assert of(board(wrong), graph)[0] == "two"


def test_two_stories_get_two_lines() -> None:
    graph = DependencyGraph(
        (target("a", "adb", kind="alb"), target("adb", kind="postgres"),
         target("b", "bdb", kind="alb"), target("bdb", kind="postgres"))
    )  # fmt: skip
    state = board(sick("a", WRONG), sick("adb"), sick("b", WRONG), sick("bdb"))
    found = suspects(state, graph)
    assert {each.name for each in found[:2]} == {"adb", "bdb"}
    assert f"does not explain {WRONG}@b" in found[0].against + found[1].against


def test_what_cannot_be_told_apart_is_said_to_be_so() -> None:
    slow = sick("db", "PG_SESS_LONG_QUERY")
    state = board(sick("alb", WRONG), slow, sick("cache", "RD_LAT_EXPENSIVE_CMD"))
    one, two, *_ = suspects(state, SHOP)
    assert {one.name, two.name} == {"db", "cache"}
    assert one.reason == f"cannot be told from {two.name}"


def test_what_could_not_be_seen_may_be_the_cause_and_is_not_named_as_known() -> None:
    one = first_of(board(sick("alb", WRONG), blind(Reason.DENIED, name="db"), seen(name="cache")))
    assert (one.name, one.reason) == ("db", "not examined (denied)")
    assert one.not_examined == ("db (denied)",)
    assert one.next_probe == "make db (denied) visible"


def test_what_could_not_be_seen_for_a_reason_that_is_told_was_examined() -> None:
    gone = blind(
        Reason.MISSING, name="db", found=finding("PG_CONN_SHUTTING_DOWN", Severity.CRITICAL)
    )
    one = first_of(board(sick("alb", WRONG), gone))
    assert (one.name, one.verdict, one.not_examined) == ("db", Certainty.LIKELY, ())


def test_what_the_newest_look_says_is_told_before_what_was_seen_until_it_failed() -> None:
    gone = finding("PG_CONN_SHUTTING_DOWN", Severity.HIGH)
    refused = replace(blind(Reason.UNREACHABLE, name="db", probe="db.p", found=gone), at=at(5))
    one = first_of(board(sick("alb", WRONG), sick("db"), refused))
    assert (one.name, one.summary) == ("db", "PG_CONN_SHUTTING_DOWN")
    assert any(text.startswith(f"{LOCK} (not seen since): ") for text in one.for_)


def test_a_circle_ends_and_the_member_with_the_cause_is_blamed() -> None:
    ring = DependencyGraph((target("a", "b", kind="alb"), target("b", "a", kind="postgres")))
    assert of(board(sick("a", WRONG), sick("b")), ring)[0] == "b"


def test_what_only_tells_of_others_is_no_suspect() -> None:
    graph = DependencyGraph((target("db"), target("alarms", kind="alarms")))
    alarm = replace(sick("alarms", "ALARM_FIRING"), kind="alarms")
    assert of(board(sick("db"), alarm), graph) == ["db"]


def test_a_retry_storm_is_told_in_two_halves() -> None:
    restarted = seen(
        finding("RDS_RESTARTED", Severity.HIGH), finding("PG_SAT_CONNECTIONS", Severity.CRITICAL),
        name="db", probe="db.p",
    )  # fmt: skip
    surge = seen(
        finding(WRONG), finding("ALB_TRAFFIC_SURGE", Severity.HIGH), name="alb", probe="alb.p"
    )
    one = first_of(board(surge, restarted))
    assert one.summary.startswith("began with ")
    assert one.summary.endswith("load keeps it: shed load first")


class Halves:
    """A snapshot of four things in either zone, of which those of the first are sick."""

    def __init__(self, name: str, sick_elsewhere: bool = False) -> None:
        self._things = tuple(
            InZone(f"{name}{zone}{number}", f"zone-{zone}", zone == "a" or sick_elsewhere)
            for zone in "ab"
            for number in range(4)
        )

    def in_zones(self) -> tuple[InZone, ...]:
        return self._things


def placed(name: str) -> Target:
    return replace(target(name), settings=AwsResource(aws="prod", id=name))


PLACED = DependencyGraph((target("alb", "one", kind="alb"), placed("one"), placed("two")))


def in_halves(sick_elsewhere: bool) -> Board:
    rows = (sick(n, snapshot=Halves(n, sick_elsewhere)) for n in ("one", "two"))
    return board(sick("alb", WRONG), *rows)


def test_a_zone_is_suspected_where_nearly_all_that_is_sick_stands_in_it() -> None:
    one = first_of(in_halves(False), PLACED)
    assert (one.name, one.kind) == ("zone zone-a", "zone")
    assert one.explains == (f"{WRONG}@alb", f"{LOCK}@one", f"{LOCK}@two")
    assert first_of(in_halves(True), PLACED).name == "one"


def test_a_zone_that_a_person_names_stays_and_one_that_is_ruled_out_goes() -> None:
    state = in_halves(False)
    guilty = judge(state, PLACED, known=EVERY_CODE, said={"zone zone-a": Said(True, "ana")})
    first = guilty.suspects[0]
    assert (first.name, first.said) == ("zone zone-a", "ana")
    assert first.for_[0] == "this is it, says ana"
    ruled = judge(state, PLACED, known=EVERY_CODE, said={"zone zone-a": Said(False, "ana")})
    assert "zone zone-a" not in {each.name for each in ruled.suspects}


def test_a_region_is_suspected_where_services_are_silent_and_aws_says_so() -> None:
    graph = DependencyGraph(tuple(map(placed, ("web", "carts", "health", "a", "b", "c"))))
    silent = [
        replace(
            blind(Reason.UNREACHABLE, name=name),
            outcome=Blind(Reason.UNREACHABLE, f"{call}: HTTP 503"),
        )
        for name, call in (("a", "ecs.Look"), ("b", "rds.Look"), ("c", "sqs.Look"))
    ]
    event = sick("health", "AWS_EVENT_OPEN", Severity.WARNING)
    told = board(sick("web", WRONG), sick("carts", WRONG), event, *silent)
    assert first_of(told, graph).name == "AWS at prod"
    assert set(first_of(told, graph).explains) >= {f"{WRONG}@carts", f"{WRONG}@web"}
    untold = board(sick("web", WRONG), sick("carts", WRONG), *silent)
    assert "AWS at prod" not in of(untold, graph)
    few = board(sick("web", WRONG), sick("carts", WRONG), event, *silent[:2])
    assert "AWS at prod" not in of(few, graph)


def test_a_limit_of_the_account_that_several_run_into_is_one_suspect() -> None:
    graph = DependencyGraph((placed("one"), placed("two")))
    full = replace(finding("ECS_PLACEMENT_FAILED", Severity.HIGH), account_limit="vCPU")
    state = board(*(seen(full, name=name, probe=f"{name}.p") for name in ("one", "two")))
    one = first_of(state, graph)
    assert (one.kind, one.name) == ("account", "limit vCPU")


def test_points_of_a_series_tell_when_it_began() -> None:
    points = (10.0,) * 10 + (90.0,) * 5
    rising = replace(finding(WRONG), evidence=(Evidence("5xx a minute", 90.0, history=points),))
    state = board(*well("tg", "checkout", "db", "cache"), seen(rising, name="alb", probe="alb.p"))
    (one,) = (each for each in suspects(state, SHOP) if each.name == "alb")
    assert one.began == at(0) - timedelta(minutes=6)


def test_the_graph() -> None:
    assert SHOP.below("tg") == {"checkout", "db", "cache"}
    assert SHOP.above("db") == {"checkout", "tg", "alb"}
    assert SHOP.depth["db"] == 3


def test_a_target_without_a_service_stands_with_who_needs_it() -> None:
    (group,) = SHOP.services.values()
    assert [member.name for member in group] == ["alb", "tg", "checkout", "db", "cache"]


def test_seconds_that_grow_with_the_clock_tell_an_age() -> None:
    def waits(when: float, seconds: float) -> Reading:
        told = replace(finding(LOCK), evidence=(Evidence("somebody waits", seconds, "s"),))
        return seen(told, name="db", probe="db.p", when=when)

    growing = board(waits(0, 100.0), waits(5, 105.0), waits(10, 110.0))
    assert first_of(growing).began == at(-100)
    steady = board(waits(0, 100.0), waits(5, 100.0), waits(10, 101.0))
    assert first_of(steady).began is None
