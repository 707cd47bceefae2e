"""Answers that come at times, late, or not to their end, from real servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cockpit.connect.net import onward
from cockpit.connect.net import session as net_module
from cockpit.connect.net.session import Timeouts, open_net
from cockpit.connect.net.settings import EndpointSettings
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.target import Target
from cockpit.world.net import Authority, Behaviour, Oddity, Web
from cockpit.world.net.web import Request
from probes.endpoint import failing
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
async def test_one_request_in_eight_fails_and_the_finding_stays(
    odd: Behaviour, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests follow each other at once here; that failures have to lie apart is told elsewhere."""
    monkeypatch.setattr(failing, "_APART", 0.0)
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


@asynccontextmanager
async def saying(*parts: bytes | float) -> AsyncIterator[str]:
    """A server that reads a request, then writes the octets; a number is a pause in seconds."""
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                if isinstance(part, bytes):
                    writer.write(part)
                    await writer.drain()
                else:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(over.wait(), part)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        over.set()
        server.close()


OK = b"HTTP/1.1 200 OK\r\n"
EVENTS = OK + b"Content-Type: text/event-stream; charset=utf-8\r\n\r\n"
EVER = 60.0


@pytest.mark.parametrize(
    ("parts", "settings", "told"),
    [
        pytest.param((OK + b"Ser", EVER), {}, "NET_HTTP_SLOW_HEAD", id="slow headers"),
        pytest.param(
            (OK + b"Content-Length: 90\r\n\r\nbegun", EVER),
            {},
            "NET_HTTP_SLOW_BODY",
            id="slow body",
        ),
        pytest.param((EVENTS + b"data: 1\n\n", EVER), {}, "", id="events: known by their type"),
        pytest.param((EVENTS, EVER), {}, "", id="events, none yet"),
        pytest.param(
            (OK + b"\r\n{}\n", EVER),
            {"expect": "stream"},
            "",
            id="an answer without an end is meant",
        ),
        pytest.param((EVER,), {"expect": "stream"}, "NET_HTTP_HELD", id="a long poll"),
        pytest.param(
            (OK + b"X-Cookie: " + b"x" * 90_000 + b"\r\n\r\n",),
            {},
            "NET_HTTP_HEADER_TOO_LONG",
            id="90 KB of headers",
        ),
        pytest.param(
            (OK + b'Content-Length: 17\r\n\r\n{"status":"DOWN"}',),
            {},
            "NET_HTTP_SAYS_DOWN",
            id="a document that says of itself that it is down",
        ),
        pytest.param(
            (OK + b'Content-Length: 15\r\n\r\n{"status":"UP"}',), {}, "", id="and one that is up"
        ),
        pytest.param(
            (OK + b'Content-Length: 17\r\n\r\n{"status":"DOWN"}',),
            {"expect_text": "status"},
            "",
            id="the text is judged by the configuration",
        ),
    ],
)
async def test_what_comes_late_or_long_is_told_as_what_it_is(
    parts: tuple[bytes | float, ...], settings: dict[str, str], told: str
) -> None:
    async with (
        saying(*parts) as url,
        looking(url, limits=Timeouts(first_byte=1.5, body=0.8), **settings) as look,
    ):
        found = await look()
    assert list(found) == ([told] if told else [])
    for finding in found.values():
        assert "dies" not in " ".join((finding.summary, *finding.likely))


async def test_a_503_that_asks_to_come_again_is_quoted() -> None:
    async with Web() as web:
        web.otherwise = Behaviour(status=503, headers=(("Retry-After", "120"),))
        async with looking(web.url()) as look:
            found = await look()
    assert "answers 503: every time; it asks to come again in 2m" in found["NET_HTTP_5XX"].summary


async def test_an_end_that_tls_did_not_seal_is_a_doubt(tmp_path: Path) -> None:
    """A server that sends no length and drops the connection under TLS: a cut looks the same."""
    authority = Authority(tmp_path)
    context = authority.issue(names=("127.0.0.1",)).context()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for sealed in (False, True):
            plain, _ = listening.accept()
            with context.wrap_socket(plain, server_side=True) as secure:
                secure.recv(4096)
                secure.sendall(OK + b"\r\nhalf of it")
                if sealed:
                    with contextlib.suppress(OSError):
                        secure.unwrap()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
    async with looking(url, tls_ca=str(authority.ca_file)) as look:
        cut, sealed = await look(), await look()
    thread.join(20)
    listening.close()
    assert cut["NET_HTTP_TRUNCATED"].severity is Severity.WARNING
    assert "may be cut off" in cut["NET_HTTP_TRUNCATED"].summary
    assert sealed == {}


async def test_a_redirect_is_followed_to_whoever_should_be_there() -> None:
    async with Web() as web, Web() as there, Oddity("closed") as odd:
        away = f"http://127.0.0.1:{there.port}/welcome"
        for location, told in (
            (away, ""),
            (f"http://127.0.0.1:{odd.port}/", "tcp: refused"),
            ("https://gone.invalid/", "dns: "),
            ("http://169.254.169.254/latest", ""),
        ):
            web.otherwise = Behaviour(status=302, headers=(("Location", location),))
            async with looking(web.url()) as look:
                found = await look()
            assert list(found) == (["NET_HTTP_REDIRECT_DEAD"] if told else [])
            assert all(told in one.summary for one in found.values())
        assert not there.requests


def test_a_public_site_does_not_lead_us_into_a_private_network() -> None:
    inside = onward._forbidden(("10.0.0.9",), from_private=False)
    assert "private network" in inside
    assert onward._forbidden(("10.0.0.9",), from_private=True) == ""
    assert onward._forbidden(("198.51.100.1", "8.8.8.8"), from_private=False)
    assert onward._forbidden(("8.8.8.8",), from_private=False) == ""
