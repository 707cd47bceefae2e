"""Lambda functions: what fires, what is just below, and the traps that must not fire."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cockpit.connect.session import Series
from cockpit.triage.finding import Severity
from cockpit.triage.probe import Neighbour
from probes.answers import Gap
from probes.denials import DeniedAction
from probes.lambda_function import status
from probes.lambda_function.model import (
    Concurrency,
    Pointed,
    Provisioned,
    ScheduleRule,
    Share,
    Snapshot,
    VersionTraffic,
)
from probes.lambda_function.settings import Settings
from tests.probes.fake_aws import AT, ago, hours, minutes
from tests.probes.lambda_looks import (
    ARN,
    CRITICAL,
    INFO,
    QUEUE,
    WARNING,
    flow,
    found,
    live,
    pattern,
    report,
    snapshot,
    source,
)

NO = Series()
RULE = ScheduleRule(name="every-5", state="ENABLED", schedule="rate(5 minutes)")
DENIED = DeniedAction(
    action="s3:GetObject",
    resource="arn:aws:s3:::invoices/*",
    principal="arn:aws:sts::123456789012:assumed-role/pay/pay",
    why="because no identity-based policy allows the s3:GetObject action",
    holder="the identity policy of pay",
    explicit=False,
    count=4,
    help="allow s3:GetObject",
)
CANARY = live(weights=(Share(version="8", weight=0.1),))


def traffic(version: str, invocations: float, errors: float) -> VersionTraffic:
    return VersionTraffic(version=version, invocations=flow(invocations), errors=flow(errors))


def silent(**changes: Any) -> Any:
    """Nothing invoked it in the last three hours."""
    empty = {"invocations": NO, "errors": NO, "duration_p95": NO, "duration_most": NO}
    return snapshot(**{**empty, **changes})


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        pytest.param(snapshot(), [], id="well"),
        # errors
        pytest.param(snapshot(errors=flow(0.99)), [], id="just below one percent"),
        pytest.param(snapshot(errors=flow(1)), [("LAMBDA_ERROR_RATE", WARNING)], id="one percent"),
        pytest.param(
            snapshot(errors=flow(5)), [("LAMBDA_ERROR_RATE", CRITICAL)], id="five percent"
        ),
        pytest.param(
            snapshot(errors=flow(90)), [("LAMBDA_ALL_FAILING", CRITICAL)], id="nine of ten"
        ),
        pytest.param(
            snapshot(invocations=minutes(1, 1, 1, 1, 1, 1), errors=minutes(1, 1, 1, 1, 1, 1)),
            [("LAMBDA_ALL_FAILING", CRITICAL)],
            id="a quiet function that always fails",
        ),
        pytest.param(
            snapshot(invocations=minutes(1, 0, 0, 0), errors=minutes(1, 0, 0, 0)),
            [("LAMBDA_ERROR_RATE", WARNING)],
            id="the one invocation of a scheduled function failed",
        ),
        pytest.param(snapshot(errors=NO), [], id="no points of errors where it was invoked"),
        pytest.param(snapshot(errors=minutes(status="Forbidden")), [], id="errors that are denied"),
        # memory
        pytest.param(
            snapshot(reports=(report(512, status="error"),)),
            [("LAMBDA_OOM", WARNING)],
            id="ended badly with all memory in use",
        ),
        pytest.param(
            snapshot(patterns=(pattern("memory", 3),)),
            [("LAMBDA_OOM", CRITICAL)],
            id="killed three times",
        ),
        pytest.param(
            snapshot(reports=(report(512, status="error"),), patterns=(pattern("exit", 3),)),
            [("LAMBDA_OOM", CRITICAL)],
            id="process exited, and the memory was full",
        ),
        pytest.param(
            snapshot(reports=(report(100, status="error"),), patterns=(pattern("exit", 3),)),
            [],
            id="process exited with memory left: no word of memory",
        ),
        pytest.param(
            snapshot(reports=(report(461),)), [("LAMBDA_MEMORY_HIGH", WARNING)], id="nine tenths"
        ),
        pytest.param(snapshot(reports=(report(460),)), [], id="just below nine tenths"),
        pytest.param(
            snapshot(reports=(report(250, memory_mb=256),)),
            [],
            id="a report of before the memory was raised",
        ),
        # timeouts
        pytest.param(
            snapshot(patterns=(pattern("timeout"),)), [("LAMBDA_TIMEOUTS", WARNING)], id="one line"
        ),
        pytest.param(
            snapshot(patterns=(pattern("timeout", 5),)),
            [("LAMBDA_TIMEOUTS", CRITICAL)],
            id="five lines",
        ),
        pytest.param(
            snapshot(invocations=flow(10), patterns=(pattern("timeout"),)),
            [("LAMBDA_TIMEOUTS", CRITICAL)],
            id="one of sixty invocations",
        ),
        pytest.param(
            snapshot(duration_most=flow(30_000), errors=minutes(0, 0, 0, 0, 0, 0.5)),
            [("LAMBDA_TIMEOUTS", WARNING)],
            id="without lines: a minute with errors at the limit",
        ),
        pytest.param(
            snapshot(duration_most=flow(29_500)), [], id="long, and good: no errors in it"
        ),
        pytest.param(
            snapshot(duration_p95=flow(24_000)),
            [("LAMBDA_DURATION_NEAR_TIMEOUT", WARNING)],
            id="the slowest twentieth takes eight tenths of the timeout",
        ),
        pytest.param(snapshot(duration_p95=flow(23_900)), [], id="just below"),
        pytest.param(
            snapshot(
                timeout=300,
                invocations=flow(100, 30),
                errors=minutes(*[0] * 20, 90, 90, 90, 90, *[0] * 5),
            ),
            [("LAMBDA_ERROR_RATE", CRITICAL)],
            id="timeouts of five minutes are told at their start, in the past",
        ),
        # concurrency
        pytest.param(
            snapshot(throttles=minutes(1, 1)), [("LAMBDA_THROTTLED", WARNING)], id="two minutes"
        ),
        pytest.param(snapshot(throttles=minutes(1, 0)), [], id="one minute, and over"),
        pytest.param(
            snapshot(throttles=flow(10)), [("LAMBDA_THROTTLED", CRITICAL)], id="a tenth of attempts"
        ),
        pytest.param(
            snapshot(throttles=flow(10), reserved=5, mappings=(source(),)),
            [("LAMBDA_THROTTLED", WARNING)],
            id="a queue's consumer that is kept small on purpose",
        ),
        pytest.param(
            silent(throttles=flow(10), reserved=0),
            [("LAMBDA_THROTTLED", CRITICAL), ("LAMBDA_DISABLED_BY_CONCURRENCY", CRITICAL)],
            id="switched off by a reserve of 0",
        ),
        pytest.param(
            snapshot(reserved=1),
            [("LAMBDA_DISABLED_BY_CONCURRENCY", WARNING)],
            id="one at a time",
        ),
        pytest.param(snapshot(reserved=2), [], id="two at a time is a choice"),
        pytest.param(
            snapshot(claimed=flow(800), reserved=100),
            [("LAMBDA_ACCOUNT_CONCURRENCY_HIGH", WARNING)],
            id="eight tenths of the account's pool",
        ),
        pytest.param(
            snapshot(claimed=flow(950), reserved=100),
            [("LAMBDA_ACCOUNT_CONCURRENCY_HIGH", CRITICAL)],
            id="nearly all of it",
        ),
        pytest.param(
            snapshot(claimed=flow(950), beside=(Concurrency(name="other", most=700),)),
            [],
            id="another function takes more: it is told there",
        ),
        pytest.param(
            snapshot(claimed=flow(500)), [("LAMBDA_NO_RESERVED_LIMIT", INFO)], id="half, no reserve"
        ),
        pytest.param(
            snapshot(claimed=flow(500), reserved_known=False), [], id="whether it has is not known"
        ),
        pytest.param(
            snapshot(claimed=flow(950), account_limit=None), [], id="the limit is not known"
        ),
        # state
        pytest.param(
            snapshot(state="Failed", state_code="SubnetOutOfIPAddresses"),
            [("LAMBDA_STATE_FAILED", CRITICAL)],
            id="failed",
        ),
        pytest.param(snapshot(state="Inactive"), [], id="idle for weeks: it wakes on invoke"),
        pytest.param(
            snapshot(state="Pending", moving_since=ago(minutes=5)),
            [("LAMBDA_NOT_READY", WARNING)],
            id="pending for five minutes",
        ),
        pytest.param(
            snapshot(state="Pending", moving_since=ago(minutes=4)), [], id="pending, but young"
        ),
        pytest.param(
            snapshot(update="Failed", update_code="ImageDeleted"),
            [("LAMBDA_UPDATE_FAILED", WARNING)],
            id="the last change failed",
        ),
        pytest.param(
            snapshot(update="InProgress"), [("LAMBDA_NOT_READY", WARNING)], id="a change that hangs"
        ),
        pytest.param(
            snapshot(state="Hibernating"), [("LAMBDA_STATUS_UNKNOWN", WARNING)], id="a new state"
        ),
        pytest.param(
            snapshot(update="Paused"), [("LAMBDA_STATUS_UNKNOWN", WARNING)], id="a new update"
        ),
        # permissions
        pytest.param(
            snapshot(denials=(DENIED,), patterns=(pattern("denied", 4), pattern("error", 16))),
            [("LAMBDA_ACCESS_DENIED", WARNING)],
            id="a fifth of the lines",
        ),
        pytest.param(
            snapshot(denials=(DENIED,), patterns=(pattern("denied", 4), pattern("error", 4))),
            [("LAMBDA_ACCESS_DENIED", CRITICAL)],
            id="half of the lines",
        ),
        pytest.param(
            snapshot(patterns=(pattern("denied", 1), pattern("error", 9))),
            [("LAMBDA_ACCESS_DENIED", WARNING)],
            id="refused, and the lines do not say what",
        ),
        # releases
        pytest.param(
            snapshot(modified=ago(minutes=59)), [("LAMBDA_VERSION_CHANGED", INFO)], id="a release"
        ),
        pytest.param(snapshot(modified=ago(hours=1)), [], id="an hour ago"),
        pytest.param(
            snapshot(alias=live(), pointed=(Pointed(at=ago(minutes=9), version="7"),)),
            [("LAMBDA_VERSION_CHANGED", INFO)],
            id="the alias was moved",
        ),
        pytest.param(
            snapshot(alias=CANARY, aliases=(CANARY,)),
            [("LAMBDA_ALIAS_SHIFTING", INFO)],
            id="weights are on",
        ),
        pytest.param(
            snapshot(versions=(traffic("7", 90, 0.9), traffic("8", 10, 1))),
            [("LAMBDA_CANARY_WORSE", CRITICAL)],
            id="ten times as many errors",
        ),
        pytest.param(
            snapshot(versions=(traffic("7", 90, 0), traffic("8", 5, 5))),
            [],
            id="45 invocations are too few to compare",
        ),
        pytest.param(
            snapshot(versions=(traffic("7", 90, 9), traffic("8", 10, 1.5))),
            [],
            id="both fail: not twice as often",
        ),
        # silence
        pytest.param(silent(), [], id="nobody expects it to be invoked"),
        pytest.param(
            silent(invocations=minutes(1, *[0] * 7), rules=(RULE,)), [], id="eight minutes ago"
        ),
        pytest.param(
            silent(invocations=minutes(1, *[0] * 10), rules=(RULE,)),
            [("LAMBDA_NOT_INVOKED", WARNING)],
            id="twice its period",
        ),
        pytest.param(
            silent(invocations=minutes(1, *[0] * 15), rules=(RULE,)),
            [("LAMBDA_NOT_INVOKED", CRITICAL)],
            id="three times its period",
        ),
        pytest.param(
            silent(rules=(ScheduleRule(name="r", state="ENABLED", schedule="cron(0 3 * * ? *)"),)),
            [],
            id="the gaps of cron are not even: not judged",
        ),
        pytest.param(
            silent(invocations=hours(60, 0, 0, 0, 0, 0, 0)),
            [("LAMBDA_NOT_INVOKED", WARNING)],
            id="busy until now",
        ),
        pytest.param(
            silent(invocations=minutes(status="Forbidden"), rules=(RULE,)),
            [],
            id="denied is not silent",
        ),
        # events
        pytest.param(
            snapshot(async_age=flow(60_000)),
            [("LAMBDA_ASYNC_BACKLOG", WARNING)],
            id="asynchronous events wait a minute",
        ),
        pytest.param(
            snapshot(async_age=flow(1000), dead_letter="none"),
            [("LAMBDA_NO_DLQ", INFO)],
            id="asynchronous, and failed events go nowhere",
        ),
        pytest.param(
            snapshot(async_age=flow(1000), dead_letter=""), [], id="where they go is not known"
        ),
        pytest.param(
            snapshot(iterator_age=flow(900_000)),
            [("LAMBDA_STREAM_BEHIND", CRITICAL)],
            id="a stream is a quarter of an hour behind",
        ),
        pytest.param(snapshot(iterator_age=flow(59_000)), [], id="just below a minute"),
        pytest.param(
            snapshot(async_dropped=minutes(1, 0, 0)),
            [("LAMBDA_EVENTS_LOST", CRITICAL)],
            id="an event was dropped",
        ),
        pytest.param(
            snapshot(dead_letter_errors=minutes(2)),
            [("LAMBDA_EVENTS_LOST", CRITICAL)],
            id="the dead letter queue cannot be written to",
        ),
        pytest.param(
            snapshot(mappings=(source("Disabled"),)),
            [("LAMBDA_MAPPING_DISABLED", WARNING)],
            id="a source is not polled",
        ),
        pytest.param(
            snapshot(mappings=(source("Updating"),)),
            [("LAMBDA_MAPPING_DISABLED", INFO)],
            id="a source is being changed",
        ),
        pytest.param(
            snapshot(mappings=(source("Frozen"),)),
            [("LAMBDA_STATUS_UNKNOWN", WARNING)],
            id="a new state of a source",
        ),
        pytest.param(
            snapshot(mappings=(source(result="PROBLEM: Function call failed"),)),
            [("LAMBDA_MAPPING_FAILING", WARNING)],
            id="Lambda cannot hand over what it reads",
        ),
        pytest.param(
            snapshot(mappings=(source(result="No records processed"),)), [], id="an idle source"
        ),
        pytest.param(
            snapshot(recursion_stopped=minutes(3)),
            [("LAMBDA_RECURSION_STOPPED", CRITICAL)],
            id="a loop",
        ),
        # starts, review
        pytest.param(
            snapshot(reports=(report(init_ms=900), *[report()] * 19)), [], id="one cold of twenty"
        ),
        pytest.param(
            snapshot(reports=(*[report(init_ms=900)] * 4, *[report()] * 16)),
            [("LAMBDA_COLD_STARTS", INFO)],
            id="a fifth starts cold",
        ),
        pytest.param(
            snapshot(provisioned=(Provisioned(qualifier="live", status="FAILED", requested=5),)),
            [("LAMBDA_COLD_STARTS", WARNING)],
            id="environments to be kept ready are not there",
        ),
        pytest.param(
            snapshot(provisioned=(Provisioned(qualifier="live", status="THAWING"),)),
            [("LAMBDA_STATUS_UNKNOWN", WARNING)],
            id="a new state of environments kept ready",
        ),
        pytest.param(snapshot(memory_mb=0, timeout=0, reports=(report(),)), [], id="zeros"),
        pytest.param(
            snapshot(runtime="python3.8"), [("LAMBDA_RUNTIME_DEPRECATED", INFO)], id="old runtime"
        ),
        pytest.param(
            snapshot(gaps=(Gap("log lines", "denied", "not authorized"),)),
            [("LAMBDA_OBS_BLIND", INFO)],
            id="could not read its lines",
        ),
    ],
)
def test_a_function_is_judged_by_what_it_shows(
    look: Any, expected: list[tuple[str, Severity]]
) -> None:
    assert [each for each in found(look) if each[0] != "LAMBDA_OBS_BLIND" or look.gaps] == expected


def test_a_long_name_leaves_a_new_state_readable() -> None:
    thawing = Provisioned(qualifier="x" * 2000, status="THAWING")
    (finding,) = status.diagnose(snapshot(provisioned=(thawing,)), Settings())
    assert "THAWING" in {each.value for each in finding.evidence}


def test_what_a_schedule_does_not_tell_can_be_configured() -> None:
    look = silent(invocations=minutes(1, *[0] * 20))
    assert found(look, Settings(expected_every=600)) == [("LAMBDA_NOT_INVOKED", WARNING)]


def test_kills_are_told_with_the_memory_that_they_had() -> None:
    killed = (report(512, status="error"),) * 3
    for memory, told in ((512, "with 512 MB"), (640, "with 512 MB; it has 640 MB now")):
        look = snapshot(memory_mb=memory, reports=killed)
        finding = next(f for f in status.diagnose(look, Settings()) if f.code == "LAMBDA_OOM")
        assert finding.summary.endswith(told)


def test_a_leak_and_a_denial_are_named() -> None:
    rising = tuple(report(200 + 80 * n, stream="a") for n in range(4))
    (finding,) = status.diagnose(
        snapshot(reports=(*rising[:3], report(500, stream="a"))), Settings()
    )
    assert finding.likely[0].startswith("a leak")
    look = snapshot(denials=(DENIED,), patterns=(pattern("denied", 4),))
    (finding,) = status.diagnose(look, Settings())
    assert finding.summary == (
        "arn:aws:sts::123456789012:assumed-role/pay/pay may not s3:GetObject on "
        "arn:aws:s3:::invoices/*"
    )


@pytest.mark.parametrize(
    ("look", "headline"),
    [
        pytest.param(snapshot(), "ok", id="well"),
        pytest.param(snapshot(errors=flow(5)), "5.0% errors", id="errors"),
        pytest.param(
            snapshot(invocations=minutes(3.02), errors=minutes(1)), "1 of 3 failed", id="counts"
        ),
        pytest.param(snapshot(throttles=flow(5)), "throttled", id="throttled"),
        pytest.param(snapshot(reserved=0), "off", id="reserve of 0"),
        pytest.param(silent(), "not invoked", id="no points is not healthy"),
        pytest.param(silent(gaps=(Gap("metrics", "denied", ""),)), "unknown", id="could not look"),
        pytest.param(snapshot(state="Failed"), "Failed", id="its state"),
        pytest.param(snapshot(state="Hibernating"), "Hibernating", id="a new state"),
    ],
)
def test_the_headline_says_how_it_is(look: Any, headline: str) -> None:
    assert status.PROBE.facts is not None
    assert status.PROBE.tables is not None
    assert next(iter(status.PROBE.facts(look, Settings()))).text == headline
    assert list(status.PROBE.tables(look, Settings()))


def test_memory_of_looks_says_since_when_and_what_the_alias_was_before() -> None:
    before = snapshot(at=ago(minutes=1), alias=live("6"), moving_since=None)
    now = status.since(before, snapshot(alias=live("7"), moving_since=None))
    assert (now.previous_version, now.moving_since) == ("6", ago(minutes=1))
    later = status.since(now, snapshot(alias=live("7"), update="InProgress"))
    assert (later.previous_version, later.moving_since) == ("6", AT)
    told = status.since(before, snapshot(alias=live("7"), previous_version="5"))
    assert told.previous_version == "5"


def test_only_functions_of_its_account_and_region_are_beside_it() -> None:
    def near(arn: str, name: str) -> Neighbour[Any]:
        look = snapshot(arn=arn, name=name, concurrency=flow(9))
        return Neighbour(target=name, needed=False, age=1, snapshot=look)

    others = [near(ARN.replace("pay", "b"), "b"), near(ARN.replace("east", "west"), "c")]
    assert status.beside(snapshot(), others).beside == (Concurrency(name="b", most=9),)


def test_changes_are_told_with_who_made_them() -> None:
    look = snapshot(
        modified=ago(hours=1),
        alias=live(),
        pointed=(Pointed(at=ago(minutes=9), version="7", actor="deployer"),),
        mappings=(source("Disabled", changed=AT - timedelta(minutes=3)),),
    )
    assert status.PROBE.changes is not None
    told = [(each.kind, each.actor) for each in status.PROBE.changes(look, "pay")]
    assert told == [("lambda.version", ""), ("lambda.alias", "deployer"), ("lambda.mapping", "")]
    assert QUEUE.endswith("orders")


def told(look: Snapshot, code: str) -> tuple[datetime | None, float]:
    (finding,) = (f for f in status.diagnose(look, Settings()) if f.code == code)
    return finding.began, finding.resolution


FAILS = minutes(*[0] * 20, *[60] * 9)
STOPPED = minutes(*[100] * 40, *[None] * 12)


@pytest.mark.parametrize(
    ("code", "look", "began"),
    [
        pytest.param("LAMBDA_ERROR_RATE", snapshot(errors=FAILS, invocations=flow(100, 29)), FAILS.times[20], id="the first minute that fails"),
        pytest.param("LAMBDA_ERROR_RATE", snapshot(errors=flow(60)), None, id="it fails in all minutes that are known"),
        pytest.param("LAMBDA_THROTTLED", snapshot(throttles=minutes(*[None] * 6, *[40] * 3)), minutes(1, 1, 1).times[0], id="the first throttle"),
        pytest.param("LAMBDA_NOT_INVOKED", snapshot(invocations=STOPPED), STOPPED.times[-1] + timedelta(minutes=1), id="the end of the last minute with invocations"),
    ],
)  # fmt: skip
def test_it_began_with_the_first_bad_minute(
    code: str, look: Snapshot, began: datetime | None
) -> None:
    assert told(look, code) == (began, 90.0)
