"""The share of requests that fail or are slow, over what a session keeps of its tries."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cockpit.connect.net.look import AddressLook, PathLook, Sample
from cockpit.triage.finding import Severity
from probes.endpoint.model import Settings, Snapshot
from probes.endpoint.path import PROBE, diagnose
from tests.probes.endpoint_looks import (
    AT,
    CRITICAL,
    HIGH,
    ONE,
    TWO,
    WARNING,
    codes,
    http,
    look,
    path,
    sample,
)

GOOD, BAD, MUTE = look(), look(h=http(502)), look(h=http(0, outcome="mute", first_byte=None))
SLOW = look(h=http(first_byte=1.4))


def over(kept: list[AddressLook], *, every: float = 5.0) -> PathLook:
    """A path whose last try is the look."""
    last = len(kept) - 1
    history = [
        sample(one, at=AT - timedelta(seconds=every * (last - number)))
        for number, one in enumerate(kept)
    ]
    return path(kept[-1], history=history)


EIGHTH = [*[GOOD] * 7, BAD]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        pytest.param(EIGHTH * 4, [("NET_HTTP_FAILING", HIGH)], id="one in eight is a 502"),
        pytest.param(
            EIGHTH * 4 + [GOOD] * 7, [("NET_HTTP_FAILING", HIGH)], id="held by the window"
        ),
        pytest.param(
            [*[GOOD] * 7, MUTE] * 4,
            [("NET_HTTP_FAILING", HIGH)],
            id="one in eight hangs: not opened and cleared as mute",
        ),
        pytest.param(
            ([*[GOOD] * 15, BAD]) * 3, [("NET_HTTP_FAILING", WARNING)], id="one in sixteen"
        ),
        pytest.param([GOOD] * 20 + [BAD] + [GOOD] * 20, [], id="one is chance"),
        pytest.param([GOOD] * 30 + [BAD] * 9 + [GOOD] * 12, [], id="a restart is one row"),
        pytest.param([GOOD] * 24 + [BAD] * 2 + [GOOD], [], id="one row of two"),
        pytest.param([BAD, GOOD] * 2, [], id="four requests are too few"),
        pytest.param([BAD, GOOD, BAD] + [GOOD] * 30, [], id="it is over"),
        pytest.param(
            [BAD, GOOD, *[BAD] * 8],
            [("NET_HTTP_5XX", CRITICAL)],
            id="all of the last five are an outage",
        ),
        pytest.param(
            [GOOD, *[MUTE] * 8], [("NET_CONN_MUTE", CRITICAL)], id="nothing but hanging is one"
        ),
        pytest.param(
            EIGHTH * 3 + [GOOD, MUTE, MUTE],
            [("NET_CONN_MUTE", CRITICAL), ("NET_HTTP_FAILING", HIGH)],
            id="an outage behind failures by chance is told at its second look",
        ),
        pytest.param(
            [*[GOOD] * 5, SLOW] * 5 + [GOOD],
            [("NET_HTTP_SLOW", WARNING)],
            id="one in six is slow, the newest is not",
        ),
        pytest.param([*[GOOD] * 19, SLOW, *[GOOD] * 19, SLOW, GOOD], [], id="one in twenty"),
    ],
)
def test_what_comes_and_goes_is_told_by_its_share(
    kept: list[AddressLook], expected: list[tuple[str, Severity]]
) -> None:
    assert codes(over(kept)) == expected


def test_a_share_says_how_many_of_what_kind_and_where() -> None:
    history: list[Sample] = []
    for number in range(16):
        at = AT - timedelta(seconds=5 * (15 - number))
        history.append(sample(MUTE if number in {3, 9} else GOOD, at=at, address=ONE))
        history.append(sample(BAD if number == 5 else GOOD, at=at, address=TWO))
    seen = Snapshot(path=path(look(ONE), look(TWO), history=history))
    (found,) = diagnose(seen, Settings())
    assert found.code == "NET_HTTP_FAILING"
    assert "3 of 32 requests in 1m 15s failed (9.4%: 2 × http mute, 1 × 502)" in found.summary
    told = {one.label: one.value for one in found.evidence}
    assert (told[f"failed at {ONE}"], told[f"failed at {TWO}"]) == (2, 1)
    assert found.severity is WARNING
    assert PROBE.facts is not None
    assert next(iter(PROBE.facts(seen, Settings()))).text.endswith(" · 3 of 32 fail")


def test_an_expected_503_is_no_failure() -> None:
    seen = over([*[GOOD] * 3, look(h=http(503))] * 4)
    assert codes(seen, expect_status=(200, 503)) == []


def test_requests_that_were_asked_at_once_after_a_failure_are_one_moment() -> None:
    assert codes(over([GOOD] * 4 + [BAD, GOOD] * 3, every=0.3)) == []
    assert codes(over([GOOD] * 4 + [BAD, GOOD] * 3, every=0.5)) == [("NET_HTTP_FAILING", HIGH)]


@pytest.mark.parametrize(
    ("kept", "soon"),
    [
        pytest.param([GOOD] * 20, False, id="nothing fails"),
        pytest.param([GOOD] * 20 + [BAD], True, id="chance, or every second one?"),
        pytest.param([GOOD] * 20 + [BAD] + [GOOD] * 7, True, id="eight requests tell"),
        pytest.param([GOOD] * 20 + [BAD] + [GOOD] * 8, False, id="it was chance"),
        pytest.param([GOOD] * 20 + [BAD] * 3, False, id="an outage is clear"),
        pytest.param(EIGHTH * 4, False, id="it is told already"),
        pytest.param([BAD], True, id="the first request of all"),
    ],
)
def test_a_failure_is_looked_at_again_at_once_until_it_is_clear(
    kept: list[AddressLook], soon: bool
) -> None:
    assert PROBE.again is not None
    assert (PROBE.again(Snapshot(path=over(kept)), Settings()) is not None) is soon
