"""Servers that speak HTTP/2 alone, in plain text and under TLS, and gRPC's health."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cockpit.connect.net import session as net_module
from cockpit.connect.net.http import HttpLook
from cockpit.connect.net.http2 import begins
from cockpit.connect.net.session import Timeouts, open_net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.triage.finding import Severity
from cockpit.triage.target import Target
from cockpit.world.net import Authority
from probes.endpoint.model import Settings
from probes.endpoint.path import PROBE
from tests.servers.faults import pass_on
from tests.servers.http2_server import Http2, Plan, grpc_error, health

pytestmark = pytest.mark.servers
EVENTS = ((":status", "200"), ("content-type", "text/event-stream"))


@pytest.fixture(autouse=True)
def single_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look does not make four more connections, which take their time."""
    monkeypatch.setattr(net_module, "_BURST", 1)


async def looked(
    url: str, *, looks: int = 1, limits: Timeouts | None = None, **settings: Any
) -> tuple[HttpLook, dict[str, Severity]]:
    made = EndpointSettings(url=url, **settings)
    net = await open_net(made, limits)
    try:
        for _ in range(looks):
            snapshot = await PROBE.collect(net, Target(name="shop", kind="endpoint", settings=made))
    finally:
        await net.close()
    answer = snapshot.path.addresses[0].http
    assert answer is not None, snapshot.path.addresses[0].tls
    found = PROBE.diagnose(snapshot, Settings())
    return answer, {one.code: one.severity for one in found if one.fact}


async def test_http2_without_tls_is_judged_as_any_answer_and_asked_so_at_once_afterwards() -> None:
    async with Http2(Plan(body=b"a marker")) as server:
        url = f"http://127.0.0.1:{server.port}/way?x=1"
        answer, found = await looked(url, looks=3, expect_text="marker")
    assert (answer.outcome, answer.status, answer.version) == ("ok", 200, "HTTP/2")
    assert answer.has_marker
    assert answer.first_byte is not None
    assert found == {}
    assert server.connections == 4  # the first look finds out what is spoken
    assert [asked[":path"] for asked in server.requests] == ["/way?x=1"] * 3


@asynccontextmanager
async def alerting(to: int) -> AsyncIterator[int]:
    """A port that answers a handshake without `h2` in it as OpenSSL's servers do, by an alert, and
    hands one with it on. (asyncio's own servers drop the alert of a handshake that fails.)
    """
    ends: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.read(1 << 14)
        if b"\x02h2" not in hello:
            writer.write(NO_APPLICATION_PROTOCOL)
            writer.close()
            return
        there, onward = await asyncio.open_connection("127.0.0.1", to)
        ends.extend((writer, onward))
        onward.write(hello)
        await asyncio.gather(pass_on(reader, onward), pass_on(there, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for end in ends:
            end.transport.abort()


NO_APPLICATION_PROTOCOL = bytes.fromhex("15 0303 0002 02 78")


@pytest.mark.parametrize("refuses", [False, True], ids=["speaks it anyway", "alerts to HTTP/1.1"])
async def test_http2_alone_under_tls(
    refuses: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = Authority(tmp_path_factory.mktemp("ca"))
    context = authority.issue(names=("localhost",)).context()
    context.set_alpn_protocols(["h2"])
    async with Http2(Plan(), context=context) as server, alerting(server.port) as front:
        port = front if refuses else server.port
        answer, found = await looked(f"https://localhost:{port}/", tls_ca=str(authority.ca_file))
    assert (answer.outcome, answer.version, found) == ("ok", "HTTP/2", {})


@pytest.mark.parametrize(
    ("plan", "outcome", "told"),
    [
        pytest.param(Plan(fault="goodbye-first"), "ok", {}, id="the answer behind a GOAWAY"),
        pytest.param(Plan(fault="not-taken"), "ok", {}, id="nobody took it: asked once more"),
        pytest.param(
            Plan(fault="refused"),
            "unprocessed",
            {"NET_CONN_DROPPED": Severity.HIGH},
            id="refused twice",
        ),
        pytest.param(
            Plan(fault="reset", open_end=True),
            "truncated",
            {"NET_HTTP_TRUNCATED": Severity.HIGH},
            id="broken inside the body",
        ),
        pytest.param(
            Plan(fault="huge"),
            "too_long",
            {"NET_HTTP_HEADER_TOO_LONG": Severity.HIGH},
            id="40 KB of header",
        ),
        pytest.param(
            Plan(fault="pings"), "malformed", {"NET_HTTP_MALFORMED": Severity.HIGH}, id="pings"
        ),
        pytest.param(
            Plan(fault="mute"), "mute", {"NET_CONN_MUTE": Severity.CRITICAL}, id="no answer"
        ),
        pytest.param(
            Plan(fault="garbage"),
            "malformed",
            {"NET_HTTP_MALFORMED": Severity.HIGH},
            id="neither of the two",
        ),
        pytest.param(
            Plan(open_end=True),
            "stalled",
            {"NET_HTTP_SLOW_BODY": Severity.HIGH},
            id="a body that does not end",
        ),
        pytest.param(Plan(headers=EVENTS, open_end=True), "ok", {}, id="events"),
    ],
)
async def test_what_goes_wrong_has_the_words_of_http_1(
    plan: Plan, outcome: str, told: dict[str, Severity]
) -> None:
    async with Http2(plan) as server:
        answer, found = await looked(
            f"http://127.0.0.1:{server.port}/", limits=Timeouts(first_byte=1.2, body=0.8)
        )
    assert (answer.outcome, found) == (outcome, told), answer.detail


@pytest.mark.parametrize(
    ("plan", "says", "told"),
    [
        pytest.param(health(1), "SERVING", {}, id="serving"),
        pytest.param(
            health(2), "NOT_SERVING", {"NET_GRPC_NOT_SERVING": Severity.CRITICAL}, id="not serving"
        ),
        pytest.param(
            health(0), "UNKNOWN", {"NET_GRPC_NOT_SERVING": Severity.CRITICAL}, id="not known yet"
        ),
        pytest.param(
            health(9), "status 9", {"NET_GRPC_NOT_SERVING": Severity.CRITICAL}, id="a new state"
        ),
        pytest.param(
            grpc_error(14, "no healthy upstream"),
            "",
            {"NET_GRPC_STATUS": Severity.HIGH},
            id="a proxy without a backend",
        ),
        pytest.param(
            grpc_error(12), "", {"NET_GRPC_NO_HEALTH": Severity.INFO}, id="no health service"
        ),
        pytest.param(Plan(), "", {"NET_HTTP_MALFORMED": Severity.HIGH}, id="HTTP/2 and no gRPC"),
    ],
)
async def test_grpc_is_asked_for_its_health(
    plan: Plan, says: str, told: dict[str, Severity]
) -> None:
    async with Http2(plan) as server:
        answer, found = await looked(f"grpc://127.0.0.1:{server.port}/shop.Orders")
    assert (answer.says, found) == (says, told), answer.detail
    (asked,) = server.requests
    assert (asked[":method"], asked[":path"]) == ("POST", "/grpc.health.v1.Health/Check")
    assert asked["te"] == "trailers"
    assert b"".join(server.bodies) == b"\x00\x00\x00\x00\x0d\x0a\x0bshop.Orders"


async def test_grpc_over_tls_asks_for_h2_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = Authority(tmp_path_factory.mktemp("ca"))
    context = authority.issue(names=("127.0.0.1",)).context()
    context.set_alpn_protocols(["h2"])
    async with Http2(health(1), context=context) as server:
        answer, found = await looked(
            f"grpcs://127.0.0.1:{server.port}", tls_ca=str(authority.ca_file)
        )
    assert (answer.says, found, server.connections) == ("SERVING", {}, 1)
    assert b"".join(server.bodies) == bytes(5)


def test_a_settings_frame_is_the_preface_and_other_octets_are_not() -> None:
    assert begins(bytes.fromhex("000012040000000000") + bytes(18))
    assert not begins(b"HTTP/1.1 200 OK\r\n")
    assert not begins(bytes(9))
    assert not begins(bytes.fromhex("ffffff040000000000"))
    assert ssl.HAS_ALPN
