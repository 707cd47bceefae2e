"""Answers that come at times, late, or not to their end, from real servers on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cockpit.connect.net import session as net_module
from cockpit.connect.net.session import Timeouts, open_net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.triage.finding import Finding
from cockpit.triage.target import Target
from cockpit.world.net import Behaviour, Web
from cockpit.world.net.web import Request
from probes.endpoint.model import Settings
from probes.endpoint.path import PROBE

pytestmark = pytest.mark.servers
PATIENT = Timeouts()


@pytest.fixture(autouse=True)
def single_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look does not make four more connections, which take their time."""
    monkeypatch.setattr(net_module, "_BURST", 1)


@asynccontextmanager
async def looking(
    url: str, *, limits: Timeouts = PATIENT, **settings: Any
) -> AsyncIterator[Callable[[], Any]]:
    """Look as often as a test likes; gives the findings that are no gauges, by code."""
    made = EndpointSettings(url=url, **settings)
    net = await open_net(made, limits)
    target = Target(name="shop", kind="endpoint", settings=made)

    async def look() -> dict[str, Finding]:
        found = PROBE.diagnose(await PROBE.collect(net, target), Settings())
        return {one.code: one for one in found if one.fact}

    try:
        yield look
    finally:
        await net.close()


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        pytest.param(Behaviour(status=502), "× 502", id="a 502"),
        pytest.param(Behaviour(fault="mute"), "× http mute", id="no answer"),
    ],
)
async def test_one_request_in_eight_fails_and_the_finding_stays(odd: Behaviour, kind: str) -> None:
    asked = 0

    def answer(_: Request) -> Behaviour:
        nonlocal asked
        asked += 1
        return odd if asked % 8 == 0 else Behaviour()

    async with Web() as web:
        web.otherwise = answer
        async with looking(web.url(), limits=Timeouts(first_byte=0.8)) as look:
            seen = [await look() for _ in range(26)]
    assert kind in seen[-1]["NET_HTTP_FAILING"].summary
    told = [set(found) for found in seen[17:]]  # from the third failure on
    assert told == [{"NET_HTTP_FAILING"}] * len(told)
