"""The addresses of a host, found without holding up the loop or the exit of the process."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading

from cockpit.errors import BlindError, Reason

_UNKNOWN = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_Answer = list[str] | OSError


async def addresses_of(host: str, *, timeout: float = 2.0) -> tuple[str, ...]:
    """The addresses of a name, in the resolver's order; an address is its own.

    Raises `BlindError` with NET_DNS_NXDOMAIN, NET_DNS_SERVFAIL or NET_DNS_TIMEOUT. A resolver that
    hangs hangs in a thread of its own, which nothing waits for.
    """
    with contextlib.suppress(ValueError):
        return (str(ipaddress.ip_address(host)),)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Answer] = loop.create_future()

    def ask() -> None:
        found = _ask(host)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            loop.call_soon_threadsafe(_tell, answer, found)

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    try:
        async with asyncio.timeout(timeout):
            found = await answer
    except TimeoutError:
        raise BlindError(
            Reason.TIMEOUT,
            f"{host}: the name was not resolved within {timeout:g} s",
            hint="the resolver of this machine: VPN? /etc/resolv.conf?",
            code="NET_DNS_TIMEOUT",
            severity="high",
        ) from None
    if isinstance(found, OSError):
        raise _unresolved(host, found)
    return tuple(dict.fromkeys(found))


def _ask(host: str) -> _Answer:
    try:
        return [
            str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        ]
    except UnicodeError:
        return socket.gaierror(socket.EAI_NONAME, "not a host name")
    except OSError as error:
        return error


def _tell(answer: asyncio.Future[_Answer], found: _Answer) -> None:
    if not answer.done():
        answer.set_result(found)


def _unresolved(host: str, error: OSError) -> BlindError:
    unknown = error.errno in _UNKNOWN
    return BlindError(
        Reason.UNREACHABLE,
        f"{host}: {'no such name' if unknown else 'the resolver failed'} ({error.strerror})",
        hint="a wrong name, a deleted resource, or a private zone that is not visible from here",
        code="NET_DNS_NXDOMAIN" if unknown else "NET_DNS_SERVFAIL",
        severity="critical" if unknown else "high",
    )
