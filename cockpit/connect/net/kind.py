"""The kind `endpoint`: a URL, looked at rung by rung from here. Nothing of it can be acted on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cockpit.connect.kind import Door, Kind, Problem, off_loop
from cockpit.connect.net.settings import EndpointSettings

if TYPE_CHECKING:
    from cockpit.connect.net.session import Net

_EXPECTED = ("", "stream")
_SCHEMES = ("https", "http", "grpcs", "grpc", "tls", "tcp")


async def _open(settings: EndpointSettings, door: Door) -> Net:
    await off_loop("cockpit.connect.net.session")
    from cockpit.connect.net.session import open_net

    return await open_net(settings, clocks=door.clocks)


def _problems(settings: EndpointSettings, _: Mapping[str, object]) -> Iterator[Problem]:
    scheme, mark, rest = settings.url.partition("://")
    if not mark or not rest or scheme not in _SCHEMES:
        schemes = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
        yield "url", f"must begin with {schemes}"
    if settings.tls_key and not settings.tls_cert:
        yield "tls_key", "is of no use without tls_cert"
    if settings.expect not in _EXPECTED:
        yield "expect", "must be 'stream', or left out"


KIND = Kind(name="endpoint", short="url", settings=EndpointSettings, open=_open, problems=_problems)
