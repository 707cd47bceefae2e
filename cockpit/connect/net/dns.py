"""Names to addresses, twice: as the system sees it, and as a name server says it.

The system's answer honours the hosts file, VPNs and caches; the name server's has a TTL, the chain
of aliases and the response code. Where they differ, that is a finding.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cockpit.clock import monotonic
from cockpit.connect.net.wire import outcome_of
from cockpit.errors import BlindError, Reason
from cockpit.text import visible

if TYPE_CHECKING:
    import dns.asyncresolver
    import dns.message
    import dns.resolver

_SEATS = 16
_MOST_ALIASES = 10
_LISTED = 3
_WORD = {
    socket.EAI_NONAME: "nxdomain",
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME): "no_answer",
    socket.EAI_AGAIN: "servfail",
    socket.EAI_FAIL: "servfail",
}
_RESERVED = {"test", "example", "invalid"}
_HOSTS = Path("/etc/hosts")
_seats = threading.BoundedSemaphore(_SEATS)
_late: dict[str, float] = {}
"""Seconds that the newest look-up of a name took which came after we had stopped waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """One answer to “where is this name”.

    `outcome`: `ok`, `nxdomain`, `no_answer` (the name exists, without addresses), `servfail`,
    `refused`, `timeout`, `unreachable` (no way from here to a name server), or `error`.
    `addresses` are sorted, so that rotation is not a change.
    """

    source: str
    """`system`, `resolver` or `literal` (the host is an address)."""
    outcome: str
    took: float = 0.0
    """Seconds until it was known."""
    addresses: tuple[str, ...] = ()
    server: str = ""
    """The name server that answered; empty for the system."""
    canonical: str = ""
    """The end of the chain of aliases; empty when there is none or it is not known."""
    aliases: tuple[str, ...] = ()
    """The names that the chain goes through, `canonical` last; at most 10."""
    ttl: int | None = None
    """Seconds; None when not known."""
    lost: str = ""
    """`AAAA` or `A`: the question that got no answer while the other one did."""
    in_hosts_file: bool = False
    """The system's answer stands in this machine's hosts file."""
    detail: str = ""


def literal(host: str) -> Resolution | None:
    """The resolution of a host that is an address already; None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return Resolution(source="literal", outcome="ok", addresses=(str(address),))


def is_reserved(host: str) -> bool:
    """Whether no public name server may be asked for a name (RFC 6761: test, example, invalid)."""
    return host.rstrip(".").rpartition(".")[2].lower() in _RESERVED


async def by_system(host: str, *, timeout: float) -> Resolution:
    """`getaddrinfo`, in a thread that nothing waits for at the end of the process.

    At most 16 look-ups hang at a time in the whole process; further ones fail at once as `timeout`.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    if not _seats.acquire(blocking=False):
        return Resolution(source="system", outcome="timeout", detail="all look-ups hang")
    answer: asyncio.Future[Resolution] = loop.create_future()
    asked = monotonic()

    def ask() -> None:
        try:
            found = _ask(host)
        finally:
            _seats.release()
        if (took := monotonic() - asked) > timeout:
            _late[host] = took
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            loop.call_soon_threadsafe(_tell, answer, found)

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    try:
        async with asyncio.timeout(timeout):
            found = await answer
    except TimeoutError:
        detail = f"no answer within {timeout:g} s"
        if host in _late:
            detail += f"; it came after {_late[host]:.1f} s at a look before"
        found = Resolution(source="system", outcome="timeout", detail=detail)
    return replace(found, took=loop.time() - begun)


def _ask(host: str) -> Resolution:
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        return Resolution(source="system", outcome="nxdomain", detail="not a host name")
    except OSError as error:
        word = _WORD.get(error.errno or 0, "error")
        return Resolution(source="system", outcome=word, detail=error.strerror or "")
    addresses = {str(entry[4][0]).partition("%")[0] for entry in entries}
    written = _written_here(host.removesuffix("."))
    return Resolution(
        source="system",
        outcome="ok",
        addresses=_ordered(addresses),
        in_hosts_file=bool(written & addresses),
    )


def _written_here(host: str) -> set[str]:
    """The addresses that the hosts file gives a name; nothing where the file cannot be read."""
    try:
        lines = _HOSTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    fields = (line.partition("#")[0].lower().split() for line in lines)
    return {first for first, *names in filter(None, fields) if host.lower() in names}


def _tell(answer: asyncio.Future[Resolution], found: Resolution) -> None:
    if not answer.done():
        answer.set_result(found)


async def by_resolver(host: str, server: str, *, timeout: float) -> Resolution:
    """Ask a name server (`host[:port]`; empty: those of /etc/resolv.conf) for A and AAAA.

    macOS: the file does not describe scoped or VPN resolvers, so this is a second opinion there.
    """
    try:
        resolver = await _resolver(server, timeout)
    except OSError as error:
        detail = visible(str(error) or type(error).__name__)
        return Resolution(source="resolver", outcome="error", detail=detail)
    if resolver is None:
        detail = "no name server is configured on this machine"
        return Resolution(source="resolver", outcome="error", detail=detail)
    return await _both(resolver, host, timeout)


async def by_each(host: str, *, timeout: float) -> tuple[Resolution, ...]:
    """What each name server of this machine says by itself, in the order of /etc/resolv.conf.

    The first three, as glibc has it, all at once. For a name that the system is slow to find: it
    asks them one after the other, and waits 5 s for each that is silent. Nothing for a name that
    search domains may be added to, and where no server is configured.
    """
    import dns.asyncresolver
    import dns.resolver

    if "." not in host.removesuffix(".") or is_reserved(host):
        return ()
    try:
        listed = dns.asyncresolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        return ()
    asked = []
    for server in listed.nameservers[:_LISTED]:
        alone = dns.asyncresolver.Resolver(configure=False)
        alone.nameservers, alone.port = [server], listed.port
        alone.timeout = alone.lifetime = timeout
        asked.append(_of_one(alone, host, f"{server}:{listed.port}", timeout))
    return tuple(await asyncio.gather(*asked))


def usable(answers: Sequence[Resolution]) -> Resolution | None:
    """The first server's answer that has addresses: what the system would have found in the end."""
    return next((answer for answer in answers if answer.addresses), None)


async def _of_one(
    resolver: dns.asyncresolver.Resolver, host: str, server: str, timeout: float
) -> Resolution:
    return replace(await _both(resolver, host, timeout), server=server)


async def _both(resolver: dns.asyncresolver.Resolver, host: str, timeout: float) -> Resolution:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    v4, v6 = await asyncio.gather(
        _asked(resolver, host, "A", timeout), _asked(resolver, host, "AAAA", timeout)
    )
    return replace(_joined(v4, v6), took=loop.time() - begun)


async def _resolver(server: str, timeout: float) -> dns.asyncresolver.Resolver | None:
    import dns.asyncresolver
    import dns.resolver

    if not server:
        try:
            resolver = dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            return None
    else:
        host, port = _split(server)
        found = literal(host) or await by_system(host, timeout=timeout)
        if not found.addresses:
            raise OSError(f"the name server {host} cannot be found: {found.outcome}")
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [found.addresses[0]]
        resolver.port = port
    # dnspython asks one after the other: with half of the time for each it never asks the third
    resolver.timeout = timeout / min(max(len(resolver.nameservers), 2), _LISTED)
    resolver.lifetime = timeout
    return resolver


def _split(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    if server.startswith("["):
        host, _, port = server[1:].partition("]")
        return host, int(port[1:] or 53)
    if not host or ":" in host:
        return server, 53
    if not port.isdigit():
        raise BlindError(
            Reason.MISCONFIGURED, f"resolver {visible(server)}: not host:port", hint="10.0.0.2:53"
        )
    return host, int(port)


async def _asked(
    resolver: dns.asyncresolver.Resolver, host: str, kind: str, timeout: float
) -> Resolution:
    import dns.exception
    import dns.resolver

    try:
        async with asyncio.timeout(timeout + 0.2):
            answer = await resolver.resolve(host, kind, search=False, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN as error:
        said = next(iter((error.kwargs.get("responses") or {}).values()), None)
        return _failed("nxdomain", said, detail="")
    except dns.resolver.NoNameservers as error:
        word, who, said = _rcode(error)
        address, _, port = who.removeprefix("Do53:").rpartition("@")  # dnspython's word for it
        server = f"{address}:{port}" if address else who
        return _failed(word, said, server=server, detail=visible(str(error), 200))
    except (dns.resolver.LifetimeTimeout, TimeoutError):
        return Resolution(
            source="resolver", outcome="timeout", detail=f"no answer within {timeout:g} s"
        )
    except (dns.exception.DNSException, OSError, ValueError) as error:
        detail = visible(f"{type(error).__name__}: {error}", 200)
        return Resolution(source="resolver", outcome="error", detail=detail)
    return _heard(answer)


def _failed(
    word: str, response: dns.message.Message | None, *, detail: str, server: str = ""
) -> Resolution:
    """A failure with the aliases that led to it: often the name is well, and what it means not."""
    aliases = _aliases(response) if response is not None else ()
    return Resolution(
        source="resolver",
        outcome=word,
        server=server,
        canonical=aliases[-1] if aliases else "",
        aliases=aliases,
        detail=detail,
    )


def _heard(answer: dns.resolver.Answer) -> Resolution:
    records = answer.rrset
    aliases = _aliases(answer.response)
    return Resolution(
        source="resolver",
        outcome="ok" if records else "no_answer",
        addresses=_ordered({str(record) for record in records}) if records else (),
        server=f"{answer.nameserver}:{answer.port}" if answer.nameserver else "",
        canonical=aliases[-1] if aliases else "",
        aliases=aliases,
        ttl=min(int(r.ttl) for r in answer.response.answer) if answer.response.answer else None,
    )


def _aliases(response: dns.message.Message) -> tuple[str, ...]:
    """The targets of the CNAME records in the order of the chain, whatever the answer's order."""
    import dns.rdatatype

    onward = {
        rrset.name: rrset[0].target
        for rrset in response.answer
        if rrset.rdtype == dns.rdatatype.CNAME
    }
    chain: list[str] = []
    name: dns.name.Name | None = response.question[0].name if response.question else None
    while name in onward and len(chain) < _MOST_ALIASES:
        name = onward[name]
        chain.append(visible(str(name).rstrip("."), 255))
    return tuple(chain)


def _rcode(error: dns.resolver.NoNameservers) -> tuple[str, str, dns.message.Message | None]:
    """The response code of the last server that gave one, which it was, and what it said.

    dnspython keeps the codes only in the list of errors.
    """
    import dns.message
    import dns.rcode

    errors: list[tuple[object, ...]] = error.kwargs.get("errors") or []
    for entry in reversed(errors):
        response = entry[4] if len(entry) > 4 else None
        if isinstance(response, dns.message.Message):
            word = dns.rcode.to_text(response.rcode()).lower()
            known = word if word in {"servfail", "refused"} else "error"
            return known, visible(str(entry[0])), response
    ours = [entry[3] for entry in errors if len(entry) > 3 and isinstance(entry[3], OSError)]
    cut_off = bool(ours) and all(outcome_of(one) == "unreachable" for one in ours)
    return ("unreachable" if cut_off else "servfail"), "", None


def _joined(v4: Resolution, v6: Resolution) -> Resolution:
    heard = [one for one in (v4, v6) if one.outcome == "ok"]
    if not heard:
        return v4 if v4.outcome != "no_answer" else v6
    best = heard[0]
    silent = [kind for kind, one in (("A", v4), ("AAAA", v6)) if one.outcome == "timeout"]
    ttls = [one.ttl for one in heard if one.ttl is not None]
    return replace(
        best,
        addresses=_ordered({address for one in heard for address in one.addresses}),
        ttl=min(ttls, default=None),
        lost=silent[0] if silent else "",
    )


def _ordered(addresses: set[str]) -> tuple[str, ...]:
    """IPv4 before IPv6, each by number."""
    return tuple(
        str(one)
        for one in sorted(
            (ipaddress.ip_address(address) for address in addresses),
            key=lambda one: (one.version, int(one)),
        )
    )
