"""What a load balancer's counters mean: literals in, findings out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.session import Series
from cockpit.triage.finding import Severity
from probes.alb import traffic as probe
from probes.alb.model import BLOCKED_IN, BLOCKED_OUT, REJECTED, AlbGroup, Snapshot
from probes.alb.settings import Settings
from probes.answers import Gap

AT = datetime(2026, 11, 21, 3, 10, 30, tzinfo=UTC)
ARN = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/shop/50dc6c495c0c9188"
DENIED = Series(status="Forbidden")


def steady(a_minute: float, many: int = 15) -> Series:
    """The same every minute; the newest starts at 03:10."""
    end = AT.replace(second=0)
    times = tuple(end - timedelta(minutes=many - 1 - n) for n in range(many))
    return Series(times, tuple(float(a_minute) for _ in times))


def rising(before: float, now: float | None) -> Series:
    """So much a minute until eight minutes ago, and so much since; None: no points since."""
    end = AT.replace(second=0)
    times = tuple(end - timedelta(minutes=14 - n) for n in range(7 if now is None else 15))
    return Series(times, tuple(before if n < 7 else now or 0.0 for n in range(len(times))))


def only(value: float, *, minutes_ago: int) -> Series:
    return Series((AT.replace(second=0) - timedelta(minutes=minutes_ago),), (value,))


def alb(**changes: Any) -> Snapshot:
    """Counters by their CloudWatch name; 200 requests a minute, all of them 2xx, by default."""
    fields = Snapshot.__dataclass_fields__
    series = {
        "RequestCount": steady(200),
        "HTTPCode_Target_2XX_Count": steady(200),
        **{name: changes.pop(name) for name in list(changes) if name not in fields},
    }
    series = {name: each for name, each in series.items() if each is not None}
    kind = changes.pop("type", "application")
    return replace(
        Snapshot(at=AT, name="shop", arn=ARN, type=kind, state="active", series=series), **changes
    )


def found(snapshot: Snapshot) -> dict[str, str]:
    return {f.code: f.severity.value for f in probe.diagnose(snapshot, Settings())}


def test_a_healthy_balancer_gives_nothing() -> None:
    assert found(alb()) == {}


@pytest.mark.parametrize(
    ("state", "age", "expected"),
    [
        pytest.param("active", None, None, id="active"),
        pytest.param("provisioning", 60, None, id="it is being made"),
        pytest.param("provisioning", 601, "warning", id="it takes too long"),
        pytest.param("active_impaired", None, "warning", id="it cannot scale"),
        pytest.param("failed", None, "critical", id="failed"),
        pytest.param("something_new", None, "warning", id="an unknown state is not fine"),
    ],
)
def test_the_balancers_own_state_is_judged(
    state: str, age: int | None, expected: str | None
) -> None:
    created = None if age is None else AT - timedelta(seconds=age)
    assert found(alb(state=state, created_at=created)).get("ALB_NOT_ACTIVE") == expected


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        pytest.param(None, None, id="silence beside traffic is zero"),
        pytest.param(steady(1.9), None, id="below one per cent"),
        pytest.param(steady(2.1), "warning", id="above one"),
        pytest.param(steady(10.6), "critical", id="above five"),
        pytest.param(only(900, minutes_ago=1), None, id="the incomplete minute is not judged"),
        pytest.param(only(900, minutes_ago=12), None, id="it is over"),
        pytest.param(DENIED, None, id="denied is not zero, and not judged"),
    ],
)
def test_the_balancers_own_5xx_are_a_share_of_all_requests(
    errors: Series | None, expected: str | None
) -> None:
    told = found(alb(HTTPCode_ELB_5XX_Count=errors))
    assert told.get("ALB_5XX_ELB_RATE") == expected


def test_a_storm_of_503_without_a_target_is_in_the_whole() -> None:
    """`RequestCount` counts chosen targets only: alone it would make 300 per cent of it."""
    snapshot = alb(
        RequestCount=None,
        HTTPCode_Target_2XX_Count=None,
        HTTPCode_ELB_5XX_Count=steady(30),
        HTTPCode_ELB_503_Count=steady(30),
    )
    assert snapshot.rate("HTTPCode_ELB_5XX_Count").share == 1
    assert found(snapshot) == {"ALB_5XX_ELB_RATE": "critical", "ALB_503_NO_TARGETS": "critical"}


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        pytest.param(only(4, minutes_ago=3), False, id="one minute"),
        pytest.param(steady(1), True, id="minutes running"),
        pytest.param(
            Series((AT - timedelta(minutes=6), AT - timedelta(minutes=3)), (4.0, 4.0)),
            False,
            id="minutes with a gap between",
        ),
    ],
)
def test_503_needs_two_minutes_running(series: Series, expected: bool) -> None:
    assert ("ALB_503_NO_TARGETS" in found(alb(HTTPCode_ELB_503_Count=series))) is expected


@pytest.mark.parametrize(
    ("code", "finding"), [("502", "ALB_502_BAD_GATEWAY"), ("504", "ALB_504_TIMEOUT")]
)
@pytest.mark.parametrize(
    ("a_minute", "requests", "expected"),
    [
        pytest.param(0.9, 200, None, id="few of many"),
        pytest.param(1.1, 200, "warning", id="half a per cent"),
        pytest.param(6.1, 200, "critical", id="three per cent"),
        pytest.param(10, 10, "high", id="little traffic, all of it"),
        pytest.param(1, 3, None, id="three requests a minute are not judged"),
    ],
)
def test_gateway_errors_are_told_by_their_code(
    code: str, finding: str, a_minute: float, requests: int, expected: str | None
) -> None:
    snapshot = alb(
        RequestCount=steady(requests),
        HTTPCode_Target_2XX_Count=None,
        **{f"HTTPCode_ELB_{code}_Count": steady(a_minute)},
    )
    assert found(snapshot).get(finding) == expected


def group(errors: Series | None, requests: float = 100, refused: Series | None = None) -> AlbGroup:
    series = {"RequestCount": steady(requests)}
    if errors is not None:
        series["HTTPCode_Target_5XX_Count"] = errors
    if refused is not None:
        series["TargetConnectionErrorCount"] = refused
    return AlbGroup(name="checkout", arn=f"{ARN}/checkout", series=series)


def test_5xx_of_the_targets_are_blamed_on_their_group() -> None:
    snapshot = alb(
        HTTPCode_Target_5XX_Count=steady(20), groups=(group(steady(20)), group(None, 100))
    )
    told = [f for f in probe.diagnose(snapshot, Settings()) if f.code == "ALB_5XX_TARGET_RATE"]
    assert [(f.subject, f.severity) for f in told] == [("checkout", Severity.CRITICAL)]
    assert told[0].summary == "checkout answered 5xx to 20% of 500 requests"


def test_5xx_without_a_group_to_blame_are_told_of_the_whole() -> None:
    told = list(probe.diagnose(alb(HTTPCode_Target_5XX_Count=steady(20)), Settings()))
    assert [(f.code, f.subject) for f in told] == [("ALB_5XX_TARGET_RATE", "")]


def test_few_requests_are_told_as_numbers_and_at_most_warn() -> None:
    snapshot = alb(
        RequestCount=steady(8),
        HTTPCode_Target_2XX_Count=None,
        HTTPCode_Target_5XX_Count=steady(4),
    )
    (finding,) = probe.diagnose(snapshot, Settings())
    assert finding.severity is Severity.WARNING
    assert "20 of 40 requests" in finding.summary


@pytest.mark.parametrize(
    ("failed", "of", "expected"),
    [
        pytest.param(8, 8, "high", id="all of a quiet service"),
        pytest.param(5, 5, "high", id="five of five"),
        pytest.param(4, 4, None, id="four say too little"),
        pytest.param(7, 8, None, id="seven of eight"),
    ],
)
def test_an_outage_of_a_quiet_service_is_told(failed: int, of: int, expected: str | None) -> None:
    snapshot = alb(
        RequestCount=only(of, minutes_ago=4),
        HTTPCode_Target_2XX_Count=None,
        HTTPCode_Target_5XX_Count=only(failed, minutes_ago=4),
    )
    (*told,) = probe.diagnose(snapshot, Settings())
    assert found(snapshot).get("ALB_5XX_TARGET_RATE") == expected
    assert not told or f"{failed} of {of} requests" in told[0].summary


@pytest.mark.parametrize(
    ("p95", "day", "expected"),
    [
        pytest.param(None, 0.2, None, id="nothing was measured"),
        pytest.param(0.9, None, None, id="below a second, nothing to compare with"),
        pytest.param(1.0, None, "warning", id="a second"),
        pytest.param(2.0, 2.0, "critical", id="two seconds, as ever"),
        pytest.param(0.31, 0.2, "warning", id="half as much again"),
        pytest.param(0.7, 0.2, "critical", id="three times"),
        pytest.param(0.03, 0.01, None, id="three times next to nothing"),
        pytest.param(0.3, 0.0, None, id="never divided by zero"),
    ],
)
def test_latency_is_judged_by_itself_and_against_a_day_ago(
    p95: float | None, day: float | None, expected: str | None
) -> None:
    snapshot = alb(latency_p95=p95, latency_p95_day=day)
    assert found(snapshot).get("ALB_LATENCY_HIGH") == expected


def test_latency_of_three_requests_is_not_judged() -> None:
    snapshot = alb(RequestCount=steady(1), HTTPCode_Target_2XX_Count=None, latency_p95=9.0)
    assert found(snapshot) == {}


@pytest.mark.parametrize(
    ("a_minute", "day", "week", "expected"),
    [
        pytest.param(200, 1000, 1000, {}, id="as ever"),
        pytest.param(90, 1000, 1000, {"ALB_TRAFFIC_DROP": "warning"}, id="less than half"),
        pytest.param(15, 1000, 1000, {"ALB_TRAFFIC_DROP": "critical"}, id="a tenth"),
        pytest.param(90, 1000, 300, {}, id="too little a week ago to compare with"),
        pytest.param(90, 1000, 700, {}, id="the week knows it"),
        pytest.param(90, None, 1000, {}, id="no day to compare with"),
        pytest.param(90, 500, 500, {}, id="never much traffic"),
        pytest.param(500, 1000, 1000, {"ALB_TRAFFIC_SURGE": "warning"}, id="more than twice"),
        pytest.param(1000, 1000, 900, {"ALB_TRAFFIC_SURGE": "critical"}, id="five times"),
    ],
)
def test_traffic_is_compared_with_a_day_and_a_week_ago(
    a_minute: int, day: int | None, week: int, expected: dict[str, str]
) -> None:
    snapshot = alb(
        RequestCount=steady(a_minute),
        HTTPCode_Target_2XX_Count=steady(a_minute),
        requests_day=None if day is None else float(day),
        requests_week=float(week),
    )
    assert found(snapshot) == expected


def test_rejected_connections_need_two_minutes() -> None:
    assert found(alb(RejectedConnectionCount=only(5, minutes_ago=4))) == {}
    assert found(alb(RejectedConnectionCount=steady(5))) == {"ALB_CONNECTIONS_REJECTED": "critical"}


@pytest.mark.parametrize(
    ("refused", "requests", "expected"),
    [
        pytest.param(only(1, minutes_ago=4), 1000, None, id="one failure"),
        pytest.param(steady(1), 1000, "warning", id="in each minute"),
        pytest.param(steady(15), 1000, "critical", id="more than one per cent"),
    ],
)
def test_refused_connections_are_told_of_their_group(
    refused: Series, requests: int, expected: str | None
) -> None:
    snapshot = alb(groups=(group(None, requests, refused),))
    assert found(snapshot).get("ALB_TARGET_CONNECTION_ERRORS") == expected


def test_4xx_warn_when_they_are_new_and_inform_when_they_are_usual() -> None:
    usual = alb(HTTPCode_Target_2XX_Count=steady(150), HTTPCode_Target_4XX_Count=steady(50))
    assert found(usual) == {"ALB_4XX_SURGE": "info"}
    late = steady(50)
    new = replace(late, values=tuple(1.0 if n < 8 else 90.0 for n in range(15)))
    assert found(alb(HTTPCode_Target_2XX_Count=steady(150), HTTPCode_Target_4XX_Count=new)) == {
        "ALB_4XX_SURGE": "warning"
    }


def test_tls_failures_are_a_share_of_connections() -> None:
    snapshot = alb(ClientTLSNegotiationErrorCount=steady(10), NewConnectionCount=steady(100))
    assert found(snapshot) == {"ALB_TLS_ERRORS": "warning"}


def test_a_fixed_response_is_mentioned_and_speaks_against_503() -> None:
    snapshot = alb(HTTP_Fixed_Response_Count=steady(9), HTTPCode_ELB_503_Count=steady(9))
    told = {f.code: f for f in probe.diagnose(snapshot, Settings())}
    assert told["ALB_503_NO_TARGETS"].against
    assert told["ALB_MAINTENANCE_PAGE_ON"].severity is Severity.INFO


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        pytest.param({}, {}, id="quiet"),
        pytest.param(
            {"TCP_Target_Reset_Count": steady(6)}, {"NLB_RESETS": "warning"}, id="targets"
        ),
        pytest.param({"TCP_ELB_Reset_Count": steady(2)}, {"NLB_RESETS": "warning"}, id="balancer"),
        pytest.param(
            {"PortAllocationErrorCount": steady(1)},
            {"NLB_PORT_ALLOCATION_ERRORS": "critical"},
            id="ports",
        ),
        pytest.param(
            {"PortAllocationErrorCount": only(1, minutes_ago=3)}, {}, id="ports, for a minute"
        ),
        pytest.param({REJECTED: steady(0.9)}, {}, id="rejected, below one per cent"),
        pytest.param({REJECTED: steady(2)}, {"NLB_FLOWS_REJECTED": "warning"}, id="rejected"),
        pytest.param(
            {REJECTED: steady(100)}, {"NLB_FLOWS_REJECTED": "critical"}, id="half is rejected"
        ),
        pytest.param({BLOCKED_IN[0]: steady(50)}, {}, id="blocked at the usual rate: scans"),
        pytest.param({BLOCKED_IN[0]: rising(0, 50)}, {}, id="a scan beside the usual flows"),
        pytest.param(
            {BLOCKED_IN[0]: rising(0, 50), "NewFlowCount": rising(100, 40)},
            {"NLB_SG_BLOCKED": "warning"},
            id="blocked instead of the usual flows",
        ),
        pytest.param(
            {BLOCKED_IN[0]: steady(50), "NewFlowCount": steady(0)},
            {"NLB_SG_BLOCKED": "high"},
            id="nothing but what is blocked",
        ),
        pytest.param({BLOCKED_OUT[0]: only(9, minutes_ago=3)}, {}, id="one minute outbound"),
        pytest.param(
            {BLOCKED_OUT[0]: steady(1)}, {"NLB_SG_BLOCKED": "high"}, id="blocked to its targets"
        ),
        pytest.param(
            {"NewFlowCount": rising(5000, 0)}, {"ALB_TRAFFIC_DROP": "warning"}, id="flows fell to 0"
        ),
        pytest.param(
            {"NewFlowCount": rising(5000, None), "ActiveFlowCount": steady(0)},
            {"ALB_TRAFFIC_DROP": "warning"},
            id="flows do not come any more",
        ),
    ],
)
def test_a_network_balancer_knows_flows_only(
    series: dict[str, Series], expected: dict[str, str]
) -> None:
    snapshot = Snapshot(
        at=AT,
        name="shop",
        arn=ARN.replace("/app/", "/net/"),
        type="network",
        state="active",
        series={"NewFlowCount": steady(100), **series},
    )
    assert found(snapshot) == expected


@pytest.mark.parametrize(("blocked", "expected"), [(24, {}), (25, {"NLB_SG_BLOCKED": "warning"})])
def test_nobody_scans_an_internal_balancer(blocked: float, expected: dict[str, str]) -> None:
    snapshot = Snapshot(
        at=AT,
        name="shop",
        arn=ARN.replace("/app/", "/net/"),
        type="network",
        scheme="internal",
        state="active",
        series={"NewFlowCount": steady(100), BLOCKED_IN[0]: steady(blocked)},
    )
    assert found(snapshot) == expected


def test_flows_are_compared_with_a_day_and_a_week_ago() -> None:
    snapshot = Snapshot(
        at=AT,
        name="shop",
        arn=ARN.replace("/app/", "/net/"),
        type="network",
        state="active",
        series={"NewFlowCount": steady(0)},
        requests_day=25_000,
        requests_week=24_000,
    )
    assert found(snapshot) == {"ALB_TRAFFIC_DROP": "critical"}
    assert found(replace(snapshot, series={"NewFlowCount": steady(4900)})) == {}


def test_silence_where_much_came_a_day_ago_is_a_warning() -> None:
    nothing = {"RequestCount": Series(), "HTTPCode_Target_2XX_Count": Series()}
    assert found(alb(**nothing, requests_day=25_000)) == {"METRICS_ABSENT": "warning"}
    assert found(alb(**nothing, requests_day=599)) == {"METRICS_ABSENT": "info"}


def test_total_silence_is_told_as_such_and_never_as_zero_errors() -> None:
    snapshot = alb(RequestCount=Series(), HTTPCode_Target_2XX_Count=Series())
    assert found(snapshot) == {"METRICS_ABSENT": "info"}
    assert next(iter(probe.facts(snapshot, probe.PROBE.settings))).text == "no traffic"


@pytest.mark.parametrize(
    ("requests", "text"),
    [
        pytest.param(steady(120), "120/m", id="requests"),
        pytest.param(Series(), "no traffic", id="none"),
        pytest.param(None, "unknown", id="not read"),
        pytest.param(DENIED, "unknown", id="denied"),
    ],
)
def test_what_could_not_be_read_is_unknown_and_not_no_traffic(
    requests: Series | None, text: str
) -> None:
    assert next(iter(probe.facts(alb(RequestCount=requests), probe.PROBE.settings))).text == text


def test_a_new_balancer_may_be_silent() -> None:
    snapshot = alb(
        RequestCount=Series(),
        HTTPCode_Target_2XX_Count=Series(),
        created_at=AT - timedelta(minutes=10),
    )
    assert found(snapshot) == {}


def test_what_could_not_be_read_is_told() -> None:
    snapshot = alb(gaps=(Gap("metrics", "throttled", "slow down"),))
    assert found(snapshot) == {"ALB_OBS_BLIND": "info"}


@pytest.mark.parametrize("many", [0, 1, 10, 11, 100, 101])
def test_every_group_has_its_row(many: int) -> None:
    groups = tuple(replace(group(None), name=f"tg{n}", arn=f"{ARN}/tg{n}") for n in range(many))
    tables = list(probe.tables(alb(groups=groups), Settings()))
    assert len(tables[1].rows) == many


def told(snapshot: Snapshot, code: str) -> tuple[datetime | None, float]:
    (finding,) = (f for f in probe.diagnose(snapshot, Settings()) if f.code == code)
    return finding.began, finding.resolution


EIGHT_MINUTES = AT.replace(second=0) - timedelta(minutes=7)
"""The start of the first point of `rising` that is as now."""


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        pytest.param("ALB_5XX_ELB_RATE", {"HTTPCode_ELB_5XX_Count": rising(0, 20)}, id="its own 5xx"),
        pytest.param("ALB_5XX_TARGET_RATE", {"HTTPCode_Target_5XX_Count": rising(1, 20)}, id="5xx of the targets"),
        pytest.param("ALB_503_NO_TARGETS", {"HTTPCode_ELB_503_Count": rising(0, 20)}, id="503"),
        pytest.param("ALB_CONNECTIONS_REJECTED", {"RejectedConnectionCount": rising(0, 20)}, id="rejected"),
        pytest.param("ALB_TRAFFIC_DROP", {"RequestCount": rising(200, 10), "HTTPCode_Target_2XX_Count": rising(200, 10), "requests_day": 1000, "requests_week": 1000}, id="less traffic"),
        pytest.param("ALB_TRAFFIC_SURGE", {"RequestCount": rising(200, 900), "requests_day": 1000, "requests_week": 1000}, id="more traffic"),
    ],
)  # fmt: skip
def test_what_minutes_tell_began_with_the_first_bad_one(code: str, changes: dict[str, Any]) -> None:
    assert told(alb(**changes), code) == (EIGHT_MINUTES, 90.0)


def test_what_was_so_in_all_minutes_began_nobody_knows_when() -> None:
    assert told(alb(HTTPCode_ELB_5XX_Count=steady(20)), "ALB_5XX_ELB_RATE")[0] is None


def test_an_outage_of_half_an_hour_still_shows_when_it_began() -> None:
    long = Series(
        tuple(AT.replace(second=0) - timedelta(minutes=59 - n) for n in range(60)),
        (*[0.0] * 25, *[20.0] * 35),
    )
    seen = alb(
        HTTPCode_ELB_5XX_Count=long,
        RequestCount=steady(200, many=60),
        HTTPCode_Target_2XX_Count=steady(180, many=60),
    )
    assert told(seen, "ALB_5XX_ELB_RATE") == (long.times[25], 90.0)


def test_points_of_an_hour_ago_are_no_sign_of_life_now() -> None:
    old = {"RequestCount": only(50, minutes_ago=40), "HTTPCode_Target_2XX_Count": None}
    assert "METRICS_ABSENT" in found(alb(**old))
