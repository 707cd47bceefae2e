"""Since when an endpoint fails: the first failed try after a good one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from cockpit.connect.net.session import AddressLook, Sample
from probes.endpoint.model import Settings, Snapshot
from probes.endpoint.path import diagnose
from tests.probes.endpoint_looks import (
    AT,
    ONE,
    TWO,
    certificate,
    http,
    look,
    path,
    sample,
    tcp,
    tls,
)

GOOD, SICK = look(total=0.1), look(h=http(503))
DEAD = look(t=tcp("refused"))


def tries(one: AddressLook, *seconds_ago: float) -> list[Sample]:
    return [sample(one, AT - timedelta(seconds=n), total=0.1) for n in seconds_ago]


def began(looks: Iterable[AddressLook], *kept: list[Sample], code: str) -> tuple[object, float]:
    history = sorted((one for several in kept for one in several), key=lambda one: one.at)
    seen = Snapshot(path=path(*looks, history=history))
    (told,) = (each for each in diagnose(seen, Settings()) if each.code == code)
    return told.began, told.resolution


def ago(seconds: float) -> datetime:
    return AT - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("now", "kept", "code", "expected"),
    [
        pytest.param(SICK, [*tries(GOOD, 40, 35, 30), *tries(SICK, 25, 20, 0)], "NET_HTTP_5XX", (ago(25), 5.0), id="the first of the row"),
        pytest.param(SICK, tries(SICK, 40, 20, 0), "NET_HTTP_5XX", (None, 0.0), id="it failed at the first try"),
        pytest.param(SICK, [*tries(SICK, 60, 50), *tries(GOOD, 40), *tries(SICK, 20, 0)], "NET_HTTP_5XX", (ago(20), 20.0), id="an earlier row is over"),
        pytest.param(DEAD, [*tries(GOOD, 30), *tries(DEAD, 0)], "NET_TCP_REFUSED", (ago(0), 30.0), id="since this look"),
        pytest.param(SICK, [*tries(GOOD, 40), *tries(SICK, 30), sample(GOOD, ago(25), status=0, first_byte=None), *tries(SICK, 20, 0)], "NET_HTTP_5XX", (ago(30), 10.0), id="a connection for its time alone asked nothing"),
    ],
)  # fmt: skip
def test_an_outage_began_with_the_first_failed_try_after_a_good_one(
    now: AddressLook, kept: list[Sample], code: str, expected: tuple[datetime | None, float]
) -> None:
    assert began([now], kept, code=code) == expected


def test_where_all_addresses_fail_the_last_that_fell_counts() -> None:
    one, two = look(ONE, t=tcp("refused")), look(TWO, t=tcp("refused"))
    first = [*tries(look(ONE), 90), *tries(one, 60, 0)]
    second = [*tries(look(TWO), 40), *tries(two, 30, 0)]
    assert began([one, two], first, second, code="NET_TCP_REFUSED") == (ago(30), 10.0)


def test_an_expired_certificate_began_with_its_end() -> None:
    over = look(s=tls("expired", certificate=certificate(days=-1)))
    assert began([over], tries(over, 0), code="NET_TLS_EXPIRED") == (AT - timedelta(days=1), 1.0)
