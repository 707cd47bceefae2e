"""A line that is slow, uneven or lossy, and a machine that is only late to notice."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import pytest

from cockpit.connect.net import visit as net_visit
from cockpit.connect.net import wire as net_wire
from cockpit.connect.net.session import Timeouts, open_net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.triage.target import Target
from cockpit.world.net import Web
from probes.endpoint.model import Settings
from probes.endpoint.path import PROBE
from tests.servers import far_line

pytestmark = pytest.mark.servers
LINES = pytest.mark.parametrize(
    "best", [True, False], ids=["the best line there is", "the line that every machine has"]
)


@LINES
def test_a_slow_handshake_is_told_beside_what_is_usual_and_ends_with_it(best: bool) -> None:
    said = far_line.run("slow", best=best)
    before, during, after = said["looks"]
    assert during == {"NET_TCP_SLOW": "WARNING"}
    assert "NET_TCP_LOSS" not in before | after
    assert [again for _, _, again in said["history"]] == [0] * 7
    assert said["history"][5][1] >= far_line.SLOW
    assert min(connect for _, connect, _ in said["history"]) >= far_line.BASE * 0.9


@LINES
def test_connections_that_are_late_now_and_then_are_jitter(best: bool) -> None:
    said = far_line.run("jitter", best=best)
    assert "NET_TCP_JITTER" not in {code for look in said["looks"][:15] for code in look}
    assert said["looks"][-1]["NET_TCP_JITTER"] == "INFO"
    assert not any("NET_TCP_LOSS" in look for look in said["looks"])


@LINES
def test_syns_that_are_lost_on_the_line_are_loss_and_neither_slow_nor_jitter(best: bool) -> None:
    said = far_line.run("loss", best=best)
    assert [again for _, _, again in said["history"] if again] == [1, 1]
    assert [look.get("NET_TCP_LOSS") for look in said["looks"]] == [None] * 3 + ["WARNING"] * 2
    assert all(outcome == "ok" for outcome, _, _ in said["history"])
    late = [look for look in (said["looks"][1], said["looks"][3]) if "NET_TCP_SLOW" in look]
    assert late == []


async def test_a_loop_that_is_late_to_notice_is_no_slow_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Linux tells how long the handshake took; elsewhere there is nothing better than our clock."""

    async def noticed_late(*arguments: Any, **limits: Any) -> Any:
        asyncio.get_running_loop().call_soon(time.sleep, 0.4)
        return await net_wire.connect(*arguments, **limits)

    async with Web() as web:
        settings = EndpointSettings(url=f"tcp://127.0.0.1:{web.port}")
        target = Target(name="shop", kind="endpoint", settings=settings)
        net = await open_net(settings, Timeouts())
        await PROBE.collect(net, target)
        monkeypatch.setattr(net_visit, "connect", noticed_late)
        begun = time.monotonic()
        snapshot = await PROBE.collect(net, target)
        assert time.monotonic() - begun > 0.4
        await net.close()
    found = {one.code for one in PROBE.diagnose(snapshot, Settings())}
    assert found == (set() if sys.platform.startswith("linux") else {"NET_TCP_SLOW"})
