"""One feed of many sources: what is one event, which target it is, and what stands first."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cockpit import clock
from cockpit.config import Config
from cockpit.connect.aws.settings import AwsResource, VpcEnd, VpcPathSettings
from cockpit.desk.relation import ChangeKeeper
from cockpit.triage.board import ONE_LOOK, Board, FindingId, LookId, OpenFinding
from cockpit.triage.changes import Change
from cockpit.triage.engine import Look, judged
from cockpit.triage.feed import ResourceNames, merged
from cockpit.triage.finding import Evidence, Finding, Severity
from cockpit.triage.onset import Onset, began_at, is_dated, onset
from cockpit.triage.own import OwnAct, marked
from cockpit.triage.probe import Reading, Seen
from cockpit.triage.ranking import ranked, risk
from cockpit.triage.registry import registry
from cockpit.triage.related import RELATED, Relating, changes_of
from cockpit.triage.store import Store
from cockpit.triage.suspects import suspects
from cockpit.triage.target import Target
from cockpit.triage.topology import DependencyGraph
from tests.patience import at_most

AT = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)
SG = "sg-0ab1c2d3"


def ago(**span: float) -> datetime:
    return AT - timedelta(**span)


def change(at: datetime = AT, **members: Any) -> Change:
    given = {"kind": "ecs.deployment", "target": "checkout", "summary": "a deployment", **members}
    return Change(at=at, **given)


CALLED = change(
    ago(minutes=6),
    summary="UpdateService checkout: deployment of checkout:42",
    actor="ci-deployer",
    by="pipeline",
    source="cloudtrail.LookupEvents",
    call="ecs.UpdateService",
    resource="checkout",
    late=900,
)
NATIVE = change(
    ago(minutes=6, seconds=-3), summary="deployment of checkout:42", source="ecs.DescribeServices"
)


def test_two_sources_of_one_event_are_one_change_with_the_actor_and_the_fresher_source() -> None:
    (told,) = merged([NATIVE, CALLED])
    assert told.actor == "ci-deployer"
    assert told.source == "cloudtrail.LookupEvents + ecs.DescribeServices"
    assert told.late == 0
    assert told.summary == CALLED.summary


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(NATIVE, at=NATIVE.at + timedelta(seconds=130)), id="later"),
        pytest.param(replace(NATIVE, target="search"), id="another target"),
        pytest.param(replace(NATIVE, kind="ecs.stop_task"), id="another kind"),
    ],
)
def test_what_is_another_event_stays_one(other: Change) -> None:
    assert len(merged([other, CALLED])) == 2


def test_a_call_that_was_refused_brought_nothing_about() -> None:
    assert len(merged([NATIVE, replace(CALLED, failed="AccessDenied")])) == 2


def test_a_later_look_that_knows_more_of_an_event_tells_it() -> None:
    assert merged([CALLED, replace(CALLED, details=("image 1 → 2",))])[0].details == (
        "image 1 → 2",
    )


def test_one_history_that_a_feed_and_a_probe_read_is_told_once() -> None:
    probes = change(ago(minutes=3), kind="asg.launch", target="web", summary="launching")
    feeds = change(
        ago(minutes=3), kind="autoscaling.scaling", target="web", resource="web-asg",
        summary="web-asg: launching",
    )  # fmt: skip
    assert merged([probes, feeds]) == (feeds,)
    assert len(merged([probes, replace(feeds, at=ago(minutes=2))])) == 2
    assert len(merged([probes, feeds, replace(feeds, summary="another launch")])) == 2


def targets() -> tuple[Target, ...]:
    def aws(name: str, kind: str, id_: str, *needs: str, place: str = "prod") -> Target:
        return Target(name=name, kind=kind, settings=AwsResource(aws=place, id=id_), needs=needs)

    path = VpcPathSettings(
        aws="prod",
        source=VpcEnd(instance="i-1"),
        destination=VpcEnd(security_group=SG, subnet="subnet-1"),
        port=5432,
    )
    group = "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/web/73e2d6bc24d8a067"
    return (
        aws("alb", "alb", "app", "tg"),
        aws("tg", "target_group", group, "checkout"),
        aws("checkout", "ecs_service", "arn:aws:ecs:us-east-1:1:service/shop/checkout", "db"),
        aws("db", "rds", "orders"),
        aws("search", "ecs_service", "search"),
        aws("elsewhere", "rds", "other", place="eu"),
        Target(name="path", kind="vpc_path", settings=path),
        aws("jobs", "sqs_queue", "arn:aws:sqs:us-east-1:1:jobs"),
        aws("pay", "lambda_function", "payments-api:live"),
        aws("mail", "lambda_function", "arn:aws:lambda:us-east-1:1:function:receipts:live"),
        aws("ci", "iam_principal", "arn:aws:iam::1:user/ci"),
        aws("changes", "changes", ""),
    )


FEED = targets()[-1]


@pytest.mark.parametrize(
    ("kind", "resource", "target"),
    [
        pytest.param("ecs.deployment", "checkout", "checkout", id="a name"),
        pytest.param(
            "ecs.deployment", "arn:aws:ecs:us-east-1:1:service/shop/checkout", "checkout", id="arn"
        ),
        pytest.param(
            "elbv2.target_group",
            "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/web/73e2d6bc24d8a067",
            "tg",
            id="a target group, which its name tells and not its last part",
        ),
        pytest.param("rds.restart", "orders", "db", id="a database"),
        pytest.param("ec2.security_group", SG, "path", id="a group that ends a path"),
        pytest.param("sqs.queue", "https://sqs.us-east-1.amazonaws.com/1/jobs", "jobs", id="url"),
        pytest.param("lambda.delete", "payments-api", "pay", id="a function looked at by alias"),
        pytest.param(
            "lambda.alias",
            "arn:aws:lambda:us-east-1:1:function:receipts",
            "mail",
            id="a function whose ARN has an alias",
        ),
        pytest.param("iam.user", "ci", "ci", id="a user"),
        pytest.param("lambda.code", "checkout", "", id="a namesake of another service"),
        pytest.param("rds.restart", "other", "", id="a namesake in another place"),
    ],
)
def test_a_resource_is_joined_to_the_target_of_its_place(
    kind: str, resource: str, target: str
) -> None:
    joined = ResourceNames(targets()).join(change(kind=kind, target="", resource=resource), FEED)
    assert joined.target == target


def act(**members: Any) -> OwnAct:
    given: dict[str, Any] = {
        "at": ago(minutes=6, seconds=2),
        "target": "checkout",
        "does": "ecs.UpdateService",
        "args": {"service": "checkout", "taskDefinition": "checkout:42"},
        "told": "'Roll back' by ana",
    }
    return OwnAct(**{**given, **members})


def test_our_own_call_and_what_came_of_it_are_both_ours() -> None:
    assert [each.own for each in marked([CALLED, NATIVE], [act()])] == ["'Roll back' by ana"] * 2


def test_a_call_that_no_target_has_is_ours_by_its_resource() -> None:
    revoked = change(
        ago(minutes=6), kind="ec2.security_group", target="", resource=SG,
        call="ec2.RevokeSecurityGroupIngress",
    )  # fmt: skip
    does = "ec2.RevokeSecurityGroupIngress"
    ours = act(target="path", does=does, args={"GroupId": SG})
    assert marked([revoked], [ours])[0].own
    assert not marked([revoked], [act(target="path", does=does, args={"GroupId": "sg-2"})])[0].own
    assert not marked([replace(revoked, at=ago(minutes=9))], [ours])[0].own


def open_(
    on: str, severity: Severity = Severity.HIGH, *, since: datetime = AT, kind: str = "rds",
    began: datetime | None = None, code: str = "X",
) -> OpenFinding:  # fmt: skip
    return OpenFinding(
        id=FindingId(on, code, ""),
        kind=kind,
        probe=f"{kind}.x",
        finding=Finding(code, severity, "x", began=began, resolution=15.0),
        since=since,
        seen=AT,
        looks=2,
    )


def board(*found: OpenFinding, changes: tuple[Change, ...] = ()) -> Board:
    return Board(open={each.id: each for each in found}, changes=changes)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param([], None, id="nothing is wrong"),
        pytest.param([open_("db", Severity.WARNING)], None, id="nothing grave"),
        pytest.param([open_("changes", kind="changes")], None, id="only the feed's own"),
        pytest.param([open_("db")], (ago(minutes=5), False), id="we saw it begin"),
        pytest.param(
            [open_("db", began=ago(seconds=400))],
            (ago(seconds=400), False),
            id="its source says since when",
        ),
        pytest.param(
            [open_("db", since=ago(minutes=30))], (ago(minutes=30), True), id="it was so before us"
        ),
    ],
)
def test_the_onset_is_what_a_look_tells_and_never_our_first_look(
    found: list[OpenFinding], expected: tuple[datetime, bool] | None
) -> None:
    moved = [replace(each, since=ago(minutes=5)) if each.since == AT else each for each in found]
    told = onset(board(*moved), ago(minutes=30))
    assert (told and (told.at, told.vague)) == expected


def test_an_alarm_says_since_when_what_users_feel_is_so() -> None:
    rings = replace(
        open_("alarms", Severity.WARNING, kind="alarms"),
        finding=Finding("ALARM_FIRING", Severity.WARNING, "x", began=ago(seconds=331)),
    )
    told = onset(board(open_("db", since=ago(minutes=30)), rings), ago(minutes=30))
    assert told == Onset(ago(seconds=331), timedelta(seconds=180))
    assert onset(board(rings), ago(minutes=30)) is None, "nobody feels it"


def ringing(*seconds: float) -> list[OpenFinding]:
    return [
        replace(
            open_(f"alarms-{since}", Severity.WARNING, kind="alarms"),
            finding=Finding(
                "ALARM_FIRING",
                Severity.WARNING,
                "x",
                began=ago(seconds=since),
            ),
        )
        for since in seconds
    ]


@pytest.mark.parametrize(
    ("alarms", "felt", "began"),
    [
        pytest.param((600, 7200), None, 600, id="one of two hours ago is another story"),
        pytest.param((60, 1500, 3000), None, 3000, id="one after another is one"),
        pytest.param((60, 7200), 300, 300, id="what is felt says it"),
        pytest.param((1500, 7200), 300, 1500, id="an alarm rang before it was felt"),
    ],
)
def test_an_alarm_that_rang_long_before_the_others_dates_nothing(
    alarms: tuple[float, ...], felt: float | None, began: float
) -> None:
    began_ago = None if felt is None else ago(seconds=felt)
    db = open_("db", since=ago(minutes=30), began=began_ago)
    told = onset(board(db, *ringing(*alarms)), ago(minutes=30))
    assert told is not None
    assert told.at == ago(seconds=began)


def test_an_alarm_that_rang_for_hours_before_anybody_looked_dates_nothing_alone() -> None:
    told = onset(board(open_("db", since=ago(minutes=1)), *ringing(7200)), ago(minutes=1))
    assert told is not None
    assert (told.at, told.vague) == (ago(minutes=1), True)


def order(*changes: Change, sick: tuple[str, ...] = ("alb", "tg"), began: Onset | None) -> Any:
    return ranked(
        changes,
        DependencyGraph(targets()),
        sick=frozenset(sick),
        began=began,
        uses={SG: frozenset({"tg"})},
    )


BEGAN = Onset(AT, timedelta(seconds=60))


@pytest.mark.parametrize(
    ("of", "where", "score"),
    [
        pytest.param({"target": "tg"}, "on the path", 1.0, id="what fails itself"),
        pytest.param({"target": "checkout"}, "1 hop", 0.864, id="what it needs, below all of it"),
        pytest.param({"target": "db"}, "2 hops", 0.54, id="two needs away"),
        pytest.param({"target": "search"}, "other branch", 0.09, id="another branch"),
        pytest.param({"target": "", "resource": "x"}, "not connected", 0.09, id="no target"),
        pytest.param({"target": "", "resource": SG}, "used by tg", 0.54, id="named by a look"),
    ],
)
def test_the_nearer_the_likelier(of: dict[str, str], where: str, score: float) -> None:
    (told,) = order(change(ago(minutes=2), **of), began=BEGAN)
    assert told.where == where
    assert told.score == pytest.approx(score, abs=0.005)


@pytest.mark.parametrize(
    ("at", "kind", "timing"),
    [
        pytest.param(ago(minutes=5), "ec2.route", 1.0, id="five minutes before"),
        pytest.param(ago(minutes=20), "ec2.route", 0.368, id="twenty minutes before"),
        pytest.param(ago(hours=5), "ec2.route", 0.0, id="long ago"),
        pytest.param(ago(hours=5), "ecs.deployment", 0.15, id="a deployment long ago may leak"),
        pytest.param(ago(seconds=-50), "ec2.route", 1.0, id="within what is known of the onset"),
        pytest.param(ago(minutes=-5), "ec2.route", 0.05, id="after it: a response"),
    ],
)
def test_the_closer_before_the_onset_the_likelier(at: datetime, kind: str, timing: float) -> None:
    (told,) = order(change(at, kind=kind, target="tg"), began=BEGAN)
    assert dict(told.parts)["time"] == pytest.approx(timing, abs=0.001)


def test_what_came_after_the_onset_is_never_called_before() -> None:
    (told,) = order(change(ago(minutes=-5), target="tg"), began=BEGAN)
    assert "after the onset" in told.against[0]
    assert told.before == timedelta(minutes=-5)


def test_own_steps_stand_last_and_say_so() -> None:
    mine = change(ago(minutes=1), target="tg", own="'Roll back' by ana")
    first, last = order(mine, change(ago(minutes=9), target="search"), began=BEGAN)
    assert last.change is mine
    assert last.score == 0
    assert "a step of this incident" in last.against
    assert first.score > 0


def test_without_an_onset_they_stand_by_time_and_none_is_suspected() -> None:
    told = order(change(ago(minutes=9)), change(ago(minutes=2)), began=None)
    assert [each.change.at for each in told] == [ago(minutes=2), ago(minutes=9)]
    assert {each.score for each in told} == {0.0}


def test_what_failed_and_what_services_do_is_hardly_suspected() -> None:
    told = order(
        change(ago(minutes=2), target="tg", failed="AccessDenied"),
        change(ago(minutes=3), target="tg", by="service"),
        change(ago(minutes=4), target="tg", by="person"),
        began=BEGAN,
    )
    assert [each.change.by for each in told] == ["person", "service", ""]
    assert "nothing was changed by it" in told[-1].against[0]


def test_an_unknown_kind_has_the_risk_of_a_stranger() -> None:
    assert risk(change(kind="braket.job")) == 0.3
    assert risk(change(kind="rds.parameter_group")) == 1.0
    assert risk(change(risk=0.05)) == 0.05


def test_looks_that_name_a_resource_tell_who_uses_it() -> None:
    revoked = change(ago(minutes=2), kind="ec2.security_group", target="", resource=SG)
    look = Reading("db", "rds", "rds.status", AT, 0.0, Seen(snapshot={"groups": [("x", SG)]}))
    rows = replace(look, target="pg", kind="postgres", probe="postgres.locks")
    readings = {LookId(each.target, each.probe): each for each in (look, rows)}
    seen = replace(board(open_("db"), changes=(revoked,)), readings=readings)
    told = changes_of(seen, DependencyGraph(targets()), at=AT, began=BEGAN)
    assert told.uses == ((SG, ("db",)),), "what is no thing of AWS is not read through for it"
    assert told.ranked[0].where == "used by db"


def test_the_ranking_is_made_anew_only_for_news() -> None:
    relating = Relating(DependencyGraph(targets()))
    first = board(open_("db"), changes=(change(),))
    assert relating.refresh(first, None)
    assert not relating.refresh(first, None)
    assert relating.refresh(replace(first, changes=(change(), NATIVE)), None)


async def test_the_desk_tells_it_at_the_feed_and_takes_it_back_when_all_is_well() -> None:
    store, probe = Store(ONE_LOOK), registry()[RELATED]
    keeper = ChangeKeeper(
        Config(path=Path("x"), environment="x", targets=targets()),
        store=store,
        graph=DependencyGraph(targets()),
        probe=probe,
    )
    store.subscribe(lambda *_: keeper.board_changed())
    keeper.begin()
    now = clock.now()
    bad = Finding("RDS_X", Severity.CRITICAL, "x")
    sick = Reading("db", "rds", "rds.x", now, 0.0, Seen((bad,)))
    feed = Seen(changes=(change(now - timedelta(minutes=3), target="db", by="person"),))
    store.add(sick)
    store.add(Reading("changes", "changes", "changes.feed", now, 0.0, feed))

    def told() -> bool:
        return any(id_.code == "CHANGE_BEFORE_ONSET" for id_ in store.board.open)

    async with asyncio.timeout(at_most(10)):
        while not told():
            await asyncio.sleep(0.05)
        store.add(replace(sick, outcome=Seen()))
        while told():
            await asyncio.sleep(0.05)
    keeper.stop()


def test_a_feed_s_changes_are_joined_and_then_marked_as_ours() -> None:
    probe = replace(registry()["changes.feed"], changes=lambda *_: (unjoined,), facts=None,
                    tables=None, diagnose=lambda *_: ())  # fmt: skip
    unjoined = replace(CALLED, target="")
    look = Look(FEED, probe, probe.settings)
    (told,) = judged(look, None, [act()], names=ResourceNames(targets())).changes
    assert (told.target, told.own) == ("checkout", "'Roll back' by ana")


@pytest.mark.parametrize(
    ("members", "suspected"),
    [
        pytest.param({}, 1, id="one event of two sources is one suspect"),
        pytest.param({"failed": "AccessDenied"}, 1, id="a refused call beside what happened"),
        pytest.param({"own": "'x' by ana"}, 0, id="our own, by the one source that knows"),
    ],
)
def test_what_is_suspected_of_a_feed(members: dict[str, Any], suspected: int) -> None:
    called = replace(CALLED, **members)
    crash = open_("checkout", kind="ecs_service", code="ECS_CRASH_LOOP")
    found = suspects(board(crash, changes=(called, NATIVE)), DependencyGraph(targets()))
    assert len([each for each in found if each.change is not None]) == suspected


def test_a_mild_change_of_a_feed_says_little_against_its_place() -> None:
    crash = open_("checkout", kind="ecs_service", code="ECS_CRASH_LOOP")
    graph = DependencyGraph(targets())
    without, mild, grave = (
        suspects(board(crash, changes=changes), graph)[0].score
        for changes in ((), (replace(CALLED, risk=0.3),), (replace(CALLED, risk=1.0),))
    )
    assert without < mild < grave


def test_labels_date_nothing_and_a_beginning_of_hours_ago_is_known_and_no_onset() -> None:
    label = replace(
        open_("db", since=ago(minutes=30)),
        finding=Finding("X", Severity.HIGH, "x", evidence=(Evidence("longest wait", 400.0, "s"),)),
    )
    told = onset(board(label), ago(minutes=30))
    assert told is not None
    assert told.vague
    assert not is_dated(label, ago(minutes=30))
    old = open_("db", since=ago(minutes=30), began=ago(hours=9))
    assert is_dated(old, ago(minutes=30))
    assert began_at(old) == ago(hours=9)
    told = onset(board(old), ago(minutes=30))
    assert told is not None
    assert told.vague


def test_the_slack_of_an_onset_is_the_resolution_of_what_tells_it() -> None:
    coarse = open_("db", began=ago(minutes=9))
    coarse = replace(coarse, finding=replace(coarse.finding, resolution=330.0))
    told = onset(board(coarse), ago(minutes=30))
    assert told == Onset(ago(minutes=9), timedelta(seconds=330))
