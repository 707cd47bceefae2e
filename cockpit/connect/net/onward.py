"""Whether somebody is where a redirect leads that leaves its origin.

Name, connection and handshake, and nothing is asked: what stands behind a redirect is somebody
else's (a login, a payment), and a request each minute would be one too many. A name of the
internet that sends us into a private network is not followed, and nobody to a link-local address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cockpit import clock
from cockpit.connect.net import tls
from cockpit.connect.net.dns import Resolution
from cockpit.connect.net.url import Url
from cockpit.connect.net.wire import connect

_MOST_ADDRESSES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OnwardLook:
    """How far the way behind a redirect goes.

    `outcome`: `ok`, or the rung and its word as in `AddressLook.outcome`, such as `dns nxdomain` or
    `tcp refused`; empty: not followed, for the reason in `detail`.
    """

    url: str
    """Without its query."""
    at: datetime
    """When it was looked at, UTC: up to a minute before the look."""
    outcome: str
    detail: str = ""


async def look(
    place: Url, found: Resolution, *, from_private: bool, ca: str, seconds: float
) -> OnwardLook:
    """Try the addresses of `place` until one can be reached. `seconds`: for each rung.

    `from_private`: the site itself has private addresses only, so its redirects may, too.
    """
    if not found.addresses:
        return _told(place, f"dns {found.outcome}", found.detail)
    if why := _forbidden(found.addresses, from_private=from_private):
        return _told(place, "", why)
    outcome, detail = "", ""
    for address in found.addresses[:_MOST_ADDRESSES]:
        outcome, detail = await _reached(place, address, ca=ca, seconds=seconds)
        if outcome == "ok":
            break
    return _told(place, outcome, detail)


def _told(place: Url, outcome: str, detail: str) -> OnwardLook:
    return OnwardLook(url=place.shown, at=clock.now(), outcome=outcome, detail=detail)


def _forbidden(addresses: Sequence[str], *, from_private: bool) -> str:
    known = [ipaddress.ip_address(address) for address in addresses]
    if any(one.is_link_local for one in known):
        return "it leads to a link-local address"
    if not from_private and any(not one.is_global for one in known):
        return "it leads from a public address into a private network"
    return ""


async def _reached(place: Url, address: str, *, ca: str, seconds: float) -> tuple[str, str]:
    tcp, wire = await connect(address, place.port, timeout=seconds)
    if wire is None:
        return f"tcp {tcp.outcome}", tcp.detail
    try:
        if not place.is_tls:
            return "ok", ""
        context = tls.verifying(ca, strict=False)
        seen = await tls.handshake(wire, context, place.name, timeout=seconds, store="")
        return ("ok", "") if seen.outcome == "ok" else (f"tls {seen.outcome}", seen.detail)
    finally:
        wire.close()
