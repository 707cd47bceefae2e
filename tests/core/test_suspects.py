"""Suspects: the deepest unhealthy target, and the change that came before the first symptom."""

from __future__ import annotations

import time
from dataclasses import replace

from cockpit.connect.aws.settings import AwsResource
from cockpit.errors import Reason
from cockpit.triage.board import Board, reduce
from cockpit.triage.changes import Change
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Blind, Reading
from cockpit.triage.suspects import suspects
from cockpit.triage.target import Target
from cockpit.triage.together import InZone
from cockpit.triage.topology import DependencyGraph
from tests.core.builders import at, blind, finding, seen, target

SHOP = DependencyGraph(
    (
        target("alb", "tg", service="checkout"),
        target("tg", "checkout", service="checkout"),
        target("checkout", "db", "cache", service="checkout"),
        target("db"),
        target("cache"),
    )
)


def board(*readings: Reading) -> Board:
    result = Board()
    for reading in readings:
        result, _ = reduce(result, reading)
    return result


def sick(name: str, severity: Severity = Severity.CRITICAL, **more: object) -> Reading:
    return seen(finding("X", severity), name=name, probe=f"{name}.p", **more)  # type: ignore[arg-type]


def test_the_deepest_sick_target_is_blamed_for_what_needs_it() -> None:
    first, *_ = suspects(board(sick("alb"), sick("tg"), sick("db")), SHOP)
    assert first.name == "db"
    assert first.explains == ("X@alb", "X@db", "X@tg")
    assert "2 sick targets need it" in first.for_
    (only,) = suspects(board(sick("tg"), sick("db")), SHOP)
    assert "1 sick target needs it" in only.for_


def test_a_symptom_is_not_a_suspect() -> None:
    found = suspects(board(sick("alb"), sick("tg"), sick("db")), SHOP)
    assert [suspect.name for suspect in found] == ["db"]


def test_a_warning_below_does_not_hide_an_outage_above() -> None:
    found = suspects(board(sick("tg"), sick("db", Severity.WARNING)), SHOP)
    assert {suspect.name for suspect in found} == {"tg", "db"}


def test_a_host_whose_metrics_stopped_hangs_where_what_needs_it_does_not_answer() -> None:
    stopped = seen(finding("METRIC_STALE", Severity.WARNING), name="db", probe="db.p")

    def of(code: str) -> list[str]:
        above = seen(finding(code, Severity.CRITICAL), name="checkout", probe="checkout.p")
        return sorted(suspect.name for suspect in suspects(board(above, stopped), SHOP))

    assert of("PG_CONN_MUTE") == of("NET_TCP_TIMEOUT") == of("RD_CONN_DROPPED") == ["db"]
    assert of("PG_CONN_AUTH") == ["checkout", "db"]
    mute = seen(finding("PG_CONN_MUTE", Severity.CRITICAL), name="checkout", probe="checkout.p")
    (only,) = suspects(board(mute, stopped), SHOP)
    assert "its metrics have stopped and checkout does not answer: it hangs" in only.for_
    assert only.explains == ("METRIC_STALE@db", "PG_CONN_MUTE@checkout")


def test_silence_below_is_explained_by_what_should_ask() -> None:
    quiet = finding("LAMBDA_NOT_INVOKED", Severity.WARNING)
    silent = seen(quiet, name="checkout", probe="checkout.p")
    found = suspects(board(sick("tg"), silent), SHOP)
    assert [suspect.name for suspect in found] == ["tg"]
    assert found[0].explains == ("LAMBDA_NOT_INVOKED@checkout", "X@tg")
    alone = suspects(board(silent), SHOP)
    assert [suspect.name for suspect in alone] == ["checkout"]
    ill = seen(quiet, finding("X", Severity.CRITICAL), name="checkout", probe="checkout.p")
    assert suspects(board(sick("tg"), ill), SHOP)[0].name == "checkout"


def test_a_release_below_wrong_answers_is_suspected_before_who_passes_them_on() -> None:
    wrong = seen(finding("ALB_5XX_TARGET_RATE", Severity.CRITICAL), name="alb", probe="alb.p")
    release = Change(at=at(-600), kind="ecs.deployment", target="checkout", summary="checkout:39")
    state = replace(board(wrong), changes=(release,))
    assert [each.name for each in suspects(state, SHOP)] == ["checkout:39", "alb"]
    for other in (
        replace(release, at=at(-2400)),
        replace(release, kind="ecs.scaling"),
        replace(release, target="alb"),
    ):
        assert suspects(replace(state, changes=(other,)), SHOP)[0].name == "alb"
    ill = board(wrong, sick("checkout", Severity.HIGH))
    assert suspects(replace(ill, changes=(release,)), SHOP)[0].name == "checkout"


def test_the_change_that_explains_most_is_suspected_though_others_are_newer() -> None:
    old = Change(at=at(-600), kind="rds.parameter", target="db", summary="max_connections")
    newer = tuple(
        Change(at=at(-60 - n), kind="ecs.deployment", target="alb", summary=f"rule {n}")
        for n in range(5)
    )
    state = replace(board(sick("alb"), sick("tg"), sick("db")), changes=(*newer, old))
    assert [suspect.name for suspect in suspects(state, SHOP)][:2] == ["db", "max_connections"]


def test_nothing_wrong_has_no_suspect() -> None:
    assert suspects(board(seen(name="db"), sick("alb", Severity.INFO)), SHOP) == ()


def test_what_could_not_be_seen_below_is_told() -> None:
    found = suspects(board(sick("tg"), blind(Reason.DENIED, name="cache")), SHOP)
    assert found[0].name == "tg"
    assert found[0].not_examined == ("cache (denied)",)


def test_what_could_not_be_seen_for_a_reason_that_is_told_was_examined() -> None:
    gone = blind(Reason.MISSING, name="cache", found=finding("X", Severity.CRITICAL))
    found = suspects(board(sick("tg"), gone), SHOP)
    assert found[0].name == "cache"
    assert found[0].not_examined == ()
    assert found[0].next_probe == ""


def test_a_change_before_the_first_symptom_is_suspected_below_what_explains_more() -> None:
    change = Change(at=at(-360), kind="ecs.deployment", target="checkout", summary="checkout:42")
    state = replace(board(sick("alb"), sick("tg"), sick("db")), changes=(change,))
    names = [suspect.name for suspect in suspects(state, SHOP)]
    assert names == ["db", "checkout:42"]


def test_a_change_long_ago_or_after_is_not_suspected() -> None:
    changes = tuple(
        Change(at=at(when), kind="ecs.deployment", target="checkout", summary="x")
        for when in (-7200, 600)
    )
    state = replace(board(sick("tg")), changes=changes)
    assert [suspect.kind for suspect in suspects(state, SHOP)] == ["target"]


def test_the_graph() -> None:
    assert SHOP.below("tg") == {"checkout", "db", "cache"}
    assert SHOP.above("db") == {"checkout", "tg", "alb"}
    assert SHOP.depth["db"] == 3


def test_a_circle_ends() -> None:
    ring = DependencyGraph((target("a", "b"), target("b", "a")))
    assert ring.below("a") == {"b"}
    assert set(ring.depth) == {"a", "b"}
    assert {one.name for one in suspects(board(sick("a"), sick("b")), ring)} == {"a", "b"}


def test_a_target_without_a_service_stands_with_who_needs_it() -> None:
    (group,) = SHOP.services.values()
    assert [member.name for member in group] == ["alb", "tg", "checkout", "db", "cache"]


def test_what_only_tells_of_others_is_no_suspect() -> None:
    graph = DependencyGraph((target("db"), target("alarms", kind="alarms")))
    found = suspects(board(sick("db"), sick("alarms")), graph)
    assert [suspect.name for suspect in found] == ["db"]


def test_a_score_is_a_share_also_of_what_lies_deepest() -> None:
    first, *_ = suspects(board(sick("alb"), sick("tg"), sick("db")), SHOP)
    assert first.score == 1.0


def test_thousands_of_findings_are_ranked_while_a_person_types() -> None:
    names = [f"tg-{number}" for number in range(1000)]
    graph = DependencyGraph((*(target(name, "db") for name in names), target("db")))
    everything = board(
        *(seen(*(finding(subject=f"{n}") for n in range(5)), name=name) for name in names)
    )
    started = time.process_time()
    assert len(suspects(everything, graph)) == 3
    assert time.process_time() - started < 0.5, "a fortieth of it"


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


def test_a_zone_is_suspected_where_nearly_all_that_is_sick_stands_in_it() -> None:
    placed = tuple(
        replace(target(name), settings=AwsResource(aws="prod", id=name)) for name in ("one", "two")
    )
    graph = DependencyGraph((target("alb", "one"), *placed))

    def looked(sick_elsewhere: bool) -> Board:
        rows = (sick(n, snapshot=Halves(n, sick_elsewhere)) for n in ("one", "two"))
        return board(sick("alb"), *rows)

    first, *_ = suspects(looked(False), graph)
    assert (first.name, first.kind) == ("zone zone-a", "target")
    assert first.explains == ("X@alb", "X@one", "X@two")
    assert suspects(looked(True), graph)[0].name == "one"


def test_a_region_is_suspected_where_services_are_silent_and_aws_says_so() -> None:
    def placed(name: str) -> Target:
        return replace(target(name), settings=AwsResource(aws="prod", id=name))

    graph = DependencyGraph(tuple(map(placed, ("web", "carts", "health", "a", "b", "c"))))
    silent = [
        replace(
            blind(Reason.UNREACHABLE, name=name),
            outcome=Blind(Reason.UNREACHABLE, f"{call}: HTTP 503"),
        )
        for name, call in (("a", "ecs.Look"), ("b", "rds.Look"), ("c", "sqs.Look"))
    ]
    event = seen(finding("AWS_EVENT_OPEN", Severity.WARNING), name="health", probe="health.p")
    told = board(sick("web"), sick("carts"), event, *silent)
    assert suspects(told, graph)[0].name == "AWS at prod"
    assert suspects(told, graph)[0].explains == ("AWS_EVENT_OPEN@health", "X@carts", "X@web")
    untold = board(sick("web"), sick("carts"), *silent)
    assert "AWS at prod" not in {each.name for each in suspects(untold, graph)}
    few = board(sick("web"), sick("carts"), event, *silent[:2])
    assert "AWS at prod" not in {each.name for each in suspects(few, graph)}
