"""What a target group's states mean: literals in, findings out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.session import Series
from cockpit.runbooks.library import library
from cockpit.triage.finding import Severity
from probes.target_group import health as probe
from probes.target_group.findings import Settings
from probes.target_group.model import Check, Snapshot, TargetState, Use

AT = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
BALANCER = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/shop/50dc6c495c0c9188"
NETWORK = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/net/shop/50dc6c495c0c9188"
USED = (Use(listener="HTTPS:443", rule="10", weight=1),)
IDLE = (Use(listener="HTTPS:443", rule="10", weight=0),)


def targets(
    states: str, zones: str = "", held: float | None = None, reason: str = ""
) -> tuple[TargetState, ...]:
    """`h` healthy, `u` unhealthy, `i` initial, `d` draining, `n` unused, `-` unavailable."""
    words = {
        "h": "healthy",
        "u": "unhealthy",
        "i": "initial",
        "d": "draining",
        "n": "unused",
        "-": "unavailable",
    }
    since = None if held is None else AT - timedelta(seconds=held)
    return tuple(
        TargetState(
            id=f"10.0.0.{n}",
            port=8080,
            zone=f"us-east-1{zones[n]}" if zones else "",
            state=words[letter],
            reason="" if letter in "h-" else reason or "Target.ResponseCodeMismatch",
            description="Health checks failed with these codes: [404]" if letter == "u" else "",
            since=since,
        )
        for n, letter in enumerate(states)
    )


def minutes(*values: float) -> Series:
    times = tuple(AT - timedelta(minutes=len(values) - n) for n in range(len(values)))
    return Series(times, tuple(values))


def group(states: str = "hhhhhh", **changes: Any) -> Snapshot:
    settings = {key: changes.pop(key) for key in ("zones", "held", "reason") if key in changes}
    return replace(
        Snapshot(
            at=AT,
            arn="arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/checkout/6d0ecf831eec9f09",
            name="checkout",
            protocol="HTTP",
            target_type="ip",
            balancers=(BALANCER,),
            check=Check(protocol="HTTP", port="8080", path="/health", matcher="200"),
            targets=targets(states, **settings),
        ),
        **changes,
    )


def found(snapshot: Snapshot, settings: Settings | None = None) -> list[tuple[str, str]]:
    return [(f.code, f.severity.value) for f in probe.diagnose(snapshot, settings or Settings())]


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(group("hhhhhh"), [], id="all are healthy"),
        pytest.param(
            group("uhhhhh"), [("TG_UNHEALTHY_TARGETS", "warning")], id="one of six is a warning"
        ),
        pytest.param(
            group("uuhhhh"), [("TG_UNHEALTHY_TARGETS", "warning")], id="a third is a warning"
        ),
        pytest.param(
            group("uuuhhh"), [("TG_UNHEALTHY_TARGETS", "critical")], id="half is critical"
        ),
        pytest.param(
            group("uuuuuu"), [("TG_NO_HEALTHY_TARGETS", "critical")], id="none is healthy"
        ),
        pytest.param(group("hhhhdd"), [], id="draining is not unhealthy"),
        pytest.param(group("hhhhii"), [], id="initial is not unhealthy"),
        pytest.param(group("iiiiii"), [], id="a new group is given the time that it needs"),
        pytest.param(
            group("iiiiii", held=200),
            [("TG_NO_HEALTHY_TARGETS", "critical")],
            id="after that time it has no healthy target",
        ),
        pytest.param(
            group("iiiiii", held=301),
            [("TG_NO_HEALTHY_TARGETS", "critical"), ("TG_TARGETS_STUCK_INITIAL", "critical")],
            id="after twice that time they are stuck",
        ),
        pytest.param(
            group("hhhhhi", held=301),
            [("TG_TARGETS_STUCK_INITIAL", "warning")],
            id="one is stuck beside healthy ones",
        ),
        pytest.param(
            group("uuuuui"),
            [("TG_UNHEALTHY_TARGETS", "critical")],
            id="a young one may still become healthy",
        ),
        pytest.param(group("------"), [], id="without checks nothing is known of them"),
        pytest.param(
            group("uuu---"),
            [("TG_UNHEALTHY_TARGETS", "critical")],
            id="unavailable ones may serve",
        ),
        pytest.param(group("uuuuuu", check=Check(enabled=False)), [], id="checks are switched off"),
        pytest.param(
            group("uuuuuu", balancers=()),
            [("TG_NO_HEALTHY_TARGETS", "info")],
            id="nobody sends to it",
        ),
        pytest.param(
            group("uuuuuu", uses=IDLE),
            [("TG_NO_HEALTHY_TARGETS", "info")],
            id="the idle side of blue and green",
        ),
        pytest.param(
            group("uuuuuu", uses=USED),
            [("TG_NO_HEALTHY_TARGETS", "critical")],
            id="the used side of blue and green",
        ),
        pytest.param(
            group("nnnnnn", reason="Target.NotInUse"),
            [("TG_TARGETS_UNUSED", "warning")],
            id="registered, and no listener uses it",
        ),
        pytest.param(
            group("nnnnnn", reason="Target.NotInUse", balancers=()),
            [("TG_TARGETS_UNUSED", "info")],
            id="registered, and no balancer at all",
        ),
        pytest.param(
            group("hhn", reason="Target.InvalidState"),
            [("TG_TARGETS_UNUSED", "warning")],
            id="a stopped instance is still registered",
        ),
    ],
)
def test_states_are_counted_as_what_they_are(
    snapshot: Snapshot, expected: list[tuple[str, str]]
) -> None:
    assert found(snapshot) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"uses": USED}, "info", id="nobody asks"),
        pytest.param({"uses": USED, "hour_requests": 12.0}, "critical", id="requests come"),
        pytest.param({"uses": USED, "hour_503": 3.0}, "critical", id="the balancer answers 503"),
        pytest.param({"uses": IDLE, "hour_503": 3.0}, "info", id="no rule sends to it"),
        pytest.param({"balancers": (), "hour_503": None}, "info", id="no balancer"),
        pytest.param({"uses": USED, "hour_requests": 0.0}, "info", id="zero requests"),
        pytest.param(
            {"uses": USED, "hour_requests": 9.0, "targets": targets("dd")},
            "critical",
            id="the last targets drain",
        ),
    ],
)
def test_an_empty_group_is_bad_only_when_requests_come(
    changes: dict[str, Any], expected: str
) -> None:
    assert found(group("", **changes)) == [("TG_EMPTY", expected)]


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(
            group("uuhhhh", fail_open=minutes(*[9] * 10), requests=minutes(*[50] * 10)),
            True,
            id="requests go to sick targets",
        ),
        pytest.param(
            group("uuuuuu", ok=minutes(*[40] * 10), requests=minutes(*[50] * 10)),
            True,
            id="all are sick and 2xx still flow",
        ),
        pytest.param(
            group("uuuuuu", requests=minutes(*[50] * 10)), False, id="all are sick and none answers"
        ),
        pytest.param(
            group("uuhhhh", requests=minutes(*[50] * 10)), False, id="silence beside traffic is 0"
        ),
        pytest.param(
            group("uuuuuu", ok=minutes(0, 0, 0, 0, 0, 0, 0, 0, 9, 9)),
            False,
            id="the incomplete minutes are not judged",
        ),
    ],
)
def test_fail_open_is_told_apart_from_an_outage(snapshot: Snapshot, expected: bool) -> None:
    assert (("TG_FAIL_OPEN", "critical") in found(snapshot)) is expected


@pytest.mark.parametrize(
    ("states", "zones", "cross_zone", "balancer", "expected"),
    [
        pytest.param("hhuu", "aabb", "", BALANCER, "warning", id="one zone is out"),
        pytest.param("hhuu", "aabb", "false", BALANCER, "critical", id="and cannot be helped"),
        pytest.param("hhuu", "aabb", "", NETWORK, "critical", id="which is a network's default"),
        pytest.param("hhuu", "aabb", "true", NETWORK, "warning", id="unless it is switched on"),
        pytest.param("huhu", "aabb", "", BALANCER, None, id="each zone has one"),
        pytest.param("uuuu", "aabb", "", BALANCER, None, id="no zone has one"),
        pytest.param("hhii", "aabb", "", BALANCER, None, id="a zone is just starting"),
        pytest.param("hhdd", "aabb", "", BALANCER, None, id="a zone is drained"),
        pytest.param("hhuu", "aaaa", "", BALANCER, None, id="there is one zone only"),
    ],
)
def test_a_zone_without_healthy_targets_is_told(
    states: str, zones: str, cross_zone: str, balancer: str, expected: str | None
) -> None:
    snapshot = group(states, zones=zones, cross_zone=cross_zone, balancers=(balancer,))
    told = dict(found(snapshot))
    assert told.get("TG_AZ_UNBALANCED") == expected


@pytest.mark.parametrize(
    ("states", "held", "delay", "expected"),
    [
        pytest.param("hhd", 359, 300.0, None, id="within delay and grace"),
        pytest.param("hhd", 361, 300.0, "info", id="beyond it"),
        pytest.param("hdd", 361, 300.0, "warning", id="more than are healthy"),
        pytest.param("hhd", 361, 3600.0, None, id="the delay is an hour"),
        pytest.param("hhd", 361, None, "info", id="the delay is not known: its default"),
        pytest.param("hhd", None, 300.0, None, id="nobody knows since when"),
    ],
)
def test_draining_is_long_beyond_its_delay(
    states: str, held: int | None, delay: float | None, expected: str | None
) -> None:
    assert dict(found(group(states, held=held, delay=delay))).get("TG_DRAINING_LONG") == expected


def test_turns_are_carried_from_look_to_look_and_make_a_flapping_target() -> None:
    looks = [
        replace(group(states), at=AT + timedelta(seconds=15 * n))
        for n, states in enumerate(["hh", "uh", "hh", "uh", "uh"])
    ]
    seen = looks[0]
    for look in looks[1:]:
        seen = probe.since(seen, look)
    assert [len(target.turns) for target in seen.targets] == [3, 0]
    assert seen.targets[0].since == looks[3].at
    assert dict(found(seen))["TG_FLAPPING"] == "critical"
    assert dict(found(replace(seen, targets=seen.targets + targets("hhhhhhhh"))))[
        "TG_FLAPPING"
    ] == ("warning")


def test_old_turns_are_forgotten() -> None:
    old = replace(group("h").targets[0], turns=(AT - timedelta(minutes=16), AT))
    seen = probe.since(replace(group(), targets=(old,)), group("h"))
    assert seen.targets[0].turns == (AT,)


def test_a_new_target_is_as_old_as_the_look_that_found_it() -> None:
    seen = probe.since(group(""), group("i"))
    assert seen.targets[0].since == AT


@pytest.mark.parametrize(
    ("check", "words"),
    [
        pytest.param(Check(interval=5, timeout=5), "its timeout", id="timeout"),
        pytest.param(Check(healthy_threshold=1), "one good answer", id="one good answer"),
        pytest.param(Check(interval=4, timeout=2), "gives up after 8s", id="nervous"),
        pytest.param(Check(matcher="200-499"), "takes 4xx", id="blind to 4xx"),
        pytest.param(Check(protocol="TCP"), "only connects", id="connects only"),
    ],
)
def test_a_fragile_check_is_mentioned(check: Check, words: str) -> None:
    (finding,) = probe.diagnose(group(check=check), Settings())
    assert (finding.code, finding.severity) == ("TG_HEALTH_CHECK_FRAGILE", Severity.INFO)
    assert words in finding.summary


def test_too_few_healthy_targets_are_critical_whatever_the_share() -> None:
    assert found(group("uhhhhh"), Settings(min_healthy=6)) == [("TG_UNHEALTHY_TARGETS", "critical")]


@pytest.mark.parametrize("many", [0, 1, 10, 11, 100, 101])
def test_every_target_has_its_row(many: int) -> None:
    snapshot = group("h" * many)
    table = next(iter(probe.tables(snapshot, Settings())))
    assert len(table.rows) == many
    assert next(iter(probe.facts(snapshot, probe.PROBE.settings))).text == f"{many}/{many}"


def test_the_headline_counts_healthy_of_those_that_count() -> None:
    assert next(iter(probe.facts(group("hhuuuudn"), probe.PROBE.settings))).text == "2/6"


def test_the_summary_names_the_reasons_and_the_codes_that_were_answered() -> None:
    (finding,) = probe.diagnose(group("uuuhhh"), Settings())
    assert finding.summary == "3 of 6 targets unhealthy: 3 ResponseCodeMismatch [404]"
    assert "path" in finding.likely[0]
    assert library().best(finding.code) == "targets-unhealthy"


def test_every_finding_is_of_a_code_that_the_probe_declares() -> None:
    snapshots = [group("uuuuuu", ok=minutes(*[9] * 10)), group("uhd", held=9999), group("")]
    for snapshot in snapshots:
        for finding in probe.diagnose(snapshot, Settings()):
            assert finding.code in probe.PROBE.codes
            assert library().best(finding.code) or finding.severity is Severity.INFO


SHIFTED, BY_DNS = "zonal_shift_active", "zonal_shift_delegated_to_dns"


def apart(states: str, zones: str, shifted: str, *, to: str = SHIFTED) -> Snapshot:
    """The targets of one zone shifted away, whatever their health."""
    before = group(states, zones=zones, reason="Target.FailedHealthChecks")
    moved = tuple(
        replace(each, override=to if each.zone.endswith(shifted) else "") for each in before.targets
    )
    return replace(before, targets=moved)


@pytest.mark.parametrize(
    ("snapshot", "expected", "words"),
    [
        pytest.param(
            apart("hhhh", "aabb", "b"),
            ("TG_ZONAL_SHIFT", "warning"),
            "traffic to 2 targets in us-east-1b is shifted away, 2 healthy targets left",
            id="the others carry it",
        ),
        pytest.param(
            apart("uuhh", "aabb", "b"),
            ("TG_ZONAL_SHIFT", "critical"),
            "traffic to 2 targets in us-east-1b is shifted away, 0 healthy targets left",
            id="healthy ones where nothing is sent, and none where it is",
        ),
        pytest.param(
            apart("hhhh", "aabb", "b", to=BY_DNS),
            ("TG_ZONAL_SHIFT", "info"),
            "traffic to 2 targets in us-east-1b is shifted away by DNS alone",
            id="by DNS alone: they are sent to by other zones",
        ),
        pytest.param(
            replace(apart("hhhh", "aabb", "b"), uses=IDLE),
            ("TG_ZONAL_SHIFT", "info"),
            "2 healthy targets left",
            id="nothing is sent to it anyway",
        ),
        pytest.param(apart("hhhh", "aabb", "c"), None, "", id="no shift"),
        pytest.param(
            apart("hhhh", "aabb", "b", to="unknown"), None, "", id="ELB does not know: none is told"
        ),
    ],
)
def test_a_zonal_shift_is_told_with_what_is_left(
    snapshot: Snapshot, expected: tuple[str, str] | None, words: str
) -> None:
    told = [f for f in probe.diagnose(snapshot, Settings()) if f.code == "TG_ZONAL_SHIFT"]
    assert [(f.code, f.severity.value) for f in told] == ([expected] if expected else [])
    assert all(words in f.summary for f in told)


@pytest.mark.parametrize(
    ("spared", "words"),
    [
        pytest.param(True, "10.0.0.0:8080; gets less traffic", id="the balancer avoids it"),
        pytest.param(False, "10.0.0.0:8080; the share of traffic is as before", id="it does not"),
    ],
)
def test_a_healthy_target_that_errs_more_than_the_others_is_told(spared: bool, words: str) -> None:
    first, *others = group("hhh").targets
    odd = replace(first, anomalous=True, spared=spared)
    snapshot = group(targets=(odd, *others))
    (finding,) = probe.diagnose(snapshot, Settings())
    assert (finding.code, finding.severity.value) == ("TG_TARGETS_ANOMALOUS", "warning")
    assert words in finding.summary
    assert next(iter(probe.tables(snapshot, Settings()))).rows[0].cells[4] == "anomalous"


def test_what_turned_between_two_looks_began_there_and_the_first_look_dates_nothing() -> None:
    def seen(states: str, seconds: float) -> Snapshot:
        return replace(group(states), at=AT + timedelta(seconds=seconds))

    def began(snapshot: Snapshot) -> tuple[datetime | None, float]:
        (found,) = (
            f for f in probe.diagnose(snapshot, Settings()) if f.code == "TG_UNHEALTHY_TARGETS"
        )
        return found.began, found.resolution

    well, first = seen("hhhhhh", 0), seen("uhhhhh", 0)
    turned = probe.since(well, seen("uhhhhh", 15))
    assert began(turned) == (AT + timedelta(seconds=15), 15.0)
    assert began(probe.since(turned, seen("uhhhhh", 45))) == began(turned)
    assert began(first)[0] is None
    assert began(probe.since(first, seen("uhhhhh", 15)))[0] is None
    late = probe.since(well, seen("uhhhhh", 600))
    assert began(late) == (AT + timedelta(seconds=600), 600.0), "nobody looked in between"
