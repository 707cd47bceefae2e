"""What a provider says about itself: its status page as JSON, asked at most once a minute.

Known shapes: Atlassian Statuspage (`/api/v2/status.json`, `summary.json`), Instatus
(`summary.json`), Slack's (`/api/v2.0.0/current`), and a plain `{"status": "operational"}`.
The page is somebody else's: its text is untrusted, and its silence proves nothing.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime

from cockpit import clock
from cockpit.connect.net import http, tls
from cockpit.connect.net.url import Url
from cockpit.connect.net.wire import Wire, connect
from cockpit.text import visible

_LIMIT = 256 * 1024
_LEVELS = {
    "none": "none operational ok up active healthy available normal green resolved",
    "maintenance": "maintenance undermaintenance under_maintenance scheduled",
    "minor": "minor degraded degraded_performance hasissues warning yellow incident",
    "major": "major partial_outage partial orange outage",
    "critical": "critical major_outage down red",
}
_LEVEL = {word: level for level, words in _LEVELS.items() for word in words.split()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLook:
    """What the status page said, and when."""

    url: str
    at: datetime
    """When it was read, UTC: up to a minute before the look."""
    level: str
    """`none` (all is well), `maintenance`, `minor`, `major`, `critical`; empty: it was not read."""
    words: str = ""
    """The page's own words, or why it was not read. Untrusted."""
    incidents: tuple[str, ...] = ()
    """Titles of open incidents, at most five."""
    ahead: float | None = None
    """Its clock beside ours, as in `HttpLook.clock_ahead`."""


def unread(url: str, why: str) -> ProviderLook:
    """A page that could not be read."""
    return ProviderLook(url=url, at=clock.now(), level="", words=why)


async def ask(place: Url, address: str, *, ca: str, agent: str, seconds: float) -> ProviderLook:
    """Read the page at one address within so many seconds. Never raises for what is there."""
    try:
        async with asyncio.timeout(seconds):
            return await _ask(place, address, ca=ca, agent=agent, seconds=seconds)
    except TimeoutError:
        return unread(place.shown, f"no answer within {seconds:g} s")


async def _ask(place: Url, address: str, *, ca: str, agent: str, seconds: float) -> ProviderLook:
    tcp, wire = await connect(address, place.port, timeout=seconds)
    if wire is None:
        return unread(place.shown, f"tcp {tcp.outcome}")
    try:
        if place.is_tls:
            context = await asyncio.to_thread(tls.verifying, ca, strict=False)
            seen = await tls.handshake(wire, context, place.name, timeout=seconds, store="")
            if seen.outcome != "ok":
                return unread(place.shown, f"tls {seen.outcome}")
        return await _read(wire, place, agent, seconds)
    finally:
        wire.close()


async def _read(wire: Wire, place: Url, agent: str, seconds: float) -> ProviderLook:
    sent = http.request(place.authority, place.path, agent=agent)
    look, body = await http.fetch(wire, sent, seconds=seconds, limit=_LIMIT, wall=clock.now())
    if look.outcome != "ok" or look.status != 200:
        return unread(place.shown, f"http {look.status or look.outcome}")
    level, words, incidents = understood(body)
    return ProviderLook(
        url=place.shown,
        at=clock.now(),
        level=level,
        words=words,
        incidents=incidents,
        ahead=look.clock_ahead,
    )


def understood(body: bytes) -> tuple[str, str, tuple[str, ...]]:
    """Level, words and incidents of a page. Level empty: it is not of a shape that we know."""
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        return "", "not JSON", ()
    if not isinstance(page, dict):
        return "", "not a status page that we know", ()
    said, words = _said(page)
    incidents = _incidents(page)
    level = _LEVEL.get(said.strip().lower().replace(" ", "_"), "")
    if level == "none" and incidents and "active_incidents" in page:
        level = "minor"
    if not level:
        return "", f"says {visible(said, 60)!r}" if said else "not a status page that we know", ()
    return level, visible(words or said, 200), incidents


def _said(page: dict[str, object]) -> tuple[str, str]:
    status, about = page.get("status"), page.get("page")
    if isinstance(status, dict):
        return str(status.get("indicator") or ""), str(status.get("description") or "")
    if isinstance(status, str):
        return status, str(page.get("description") or page.get("message") or "")
    if isinstance(about, dict) and isinstance(about.get("status"), str):
        return about["status"], ""
    return "", ""


def _incidents(page: dict[str, object]) -> tuple[str, ...]:
    for key in ("incidents", "active_incidents", "activeIncidents"):
        found = page.get(key)
        if isinstance(found, list):
            names = (one.get("name") or one.get("title") for one in found if isinstance(one, dict))
            return tuple(visible(str(name), 120) for name in names if name)[:5]
    return ()
