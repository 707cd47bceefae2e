"""The addresses of a host, found without holding up the loop or the exit of the process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
import threading
from importlib import import_module

from cockpit.clock import monotonic
from cockpit.connect import slow_names
from cockpit.connect.meaning import NO_FILES, out_of_files
from cockpit.errors import BlindError, Reason

_UNKNOWN = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_SLOW = 1.0
"""Seconds from which on the system's resolver is late, and for each server that we ask."""
_MOST = 4
_NEXT_AFTER = 0.25
_Answer = list[str] | OSError


async def addresses_of(host: str, *, timeout: float = 6.0) -> tuple[str, ...]:
    """The addresses of a name, in the resolver's order; an address is its own.

    `timeout` is above 5 s, which the system waits for a dead name server before it asks the next
    one, as the applications do. Where it has nothing after a second, each name server is asked by
    ourselves, and the first one's answer is used.

    Raises `BlindError` with NET_DNS_NXDOMAIN, NET_DNS_SERVFAIL or NET_DNS_TIMEOUT. A resolver that
    hangs hangs in a thread of its own, which nothing waits for.
    """
    with contextlib.suppress(ValueError):
        return (str(ipaddress.ip_address(host)),)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Answer] = loop.create_future()

    def ask() -> None:
        began = monotonic()
        found = _ask(host)
        if isinstance(found, list):
            slow_names.took(host, monotonic() - began)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            loop.call_soon_threadsafe(_tell, answer, found)

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    until = loop.time() + timeout
    await asyncio.wait((answer,), timeout=min(_SLOW, timeout))
    if not answer.done() and (found := await _asked_ourselves(host)):
        return found
    await asyncio.wait((answer,), timeout=max(0.0, until - loop.time()))
    if not answer.done():
        raise BlindError(
            Reason.TIMEOUT,
            f"{host}: the name was not resolved within {timeout:g} s",
            hint="the resolver of this machine: VPN? /etc/resolv.conf?",
            code="NET_DNS_TIMEOUT",
            severity="high",
        )
    said = answer.result()
    if isinstance(said, OSError):
        raise _unresolved(host, said)
    return tuple(dict.fromkeys(said))


async def _asked_ourselves(host: str) -> tuple[str, ...]:
    """What the first name server that answers gives; nothing where none does, or none may be asked.

    dnspython and glibc disagree about a server that is dead: glibc waits 5 s for it, each time.
    """
    from cockpit.connect.net import dns  # slow to load, and seldom needed

    await asyncio.to_thread(import_module, "dns.asyncresolver")
    answers = await dns.by_each(host, timeout=_SLOW)
    found = dns.usable(answers)
    if found is None:
        return ()
    silent = tuple(one.server for one in answers if one.outcome == "timeout")
    slow_names.took(host, slow_names.SLOW, silent=silent)
    return found.addresses


async def first_reached(host: str, port: int, *, within: float) -> socket.socket:
    """A connection to the first address of a name that takes one, each begun 0.25 s after the one
    before (RFC 8305); `within`: seconds for all of them together.

    Raises `BlindError` for the name, else `OSError`: the first address's, or `TimeoutError`; where
    they failed in several ways, what says most: this machine has no files left, or one refused.
    """
    from aiohappyeyeballs import start_connection

    found = [ipaddress.ip_address(address) for address in await addresses_of(host)]
    entries = [
        (_FAMILIES[one.version], socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(one), port))
        for one in found[:_MOST]
    ]
    async with asyncio.timeout(within):
        try:
            return await start_connection(entries, happy_eyeballs_delay=_NEXT_AFTER)
        except OSError as error:
            raise _most_telling(error) from error


def _most_telling(error: OSError) -> OSError:
    """Aiohappyeyeballs (2.6) gives several failures as one without a number, in its text alone."""
    if error.errno is None:
        for number in (*sorted(NO_FILES), errno.ECONNREFUSED):
            if f"[Errno {number}]" in str(error):
                return OSError(number, os.strerror(number))
    return error


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
    if error.errno in NO_FILES and not isinstance(error, socket.gaierror):
        return out_of_files(host)
    unknown = error.errno in _UNKNOWN
    return BlindError(
        Reason.UNREACHABLE,
        f"{host}: {'no such name' if unknown else 'the resolver failed'} ({error.strerror})",
        hint="a wrong name, a deleted resource, or a private zone that is not visible from here",
        code="NET_DNS_NXDOMAIN" if unknown else "NET_DNS_SERVFAIL",
        severity="critical" if unknown else "high",
    )
